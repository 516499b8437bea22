/* export_sqlite.c: events, calls, findings as an SQLite database, with views that answer the denial report. */
#include "analysis/export.h"

#ifndef AT_SQLITE

enum at_err export_sqlite(const char *path, struct exporter *out)
{
    (void)path;
    return at_fail(&out->why, AT_NOTFOUND, "this authtape was built without SQLite");
}

#else

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char schema[] =
    "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
    "CREATE TABLE events(event INTEGER PRIMARY KEY, t INTEGER, kind TEXT, app TEXT, user TEXT, stream TEXT,"
    " platform TEXT, packet INTEGER, call TEXT, api TEXT, scope TEXT, errMsg TEXT, answer TEXT, granted INTEGER,"
    " json TEXT);"
    "CREATE TABLE calls(called INTEGER, returned INTEGER, called_t INTEGER, returned_t INTEGER, app TEXT, user TEXT,"
    " stream TEXT, platform TEXT, scope TEXT, api TEXT, call TEXT, errMsg TEXT, class TEXT, via TEXT,"
    " prompt_inferred INTEGER);"
    "CREATE TABLE inferred(after_event INTEGER, before_event INTEGER, kind TEXT, app TEXT, user TEXT, scope TEXT,"
    " answer TEXT, granted INTEGER);"
    "CREATE TABLE divergences(event INTEGER, t INTEGER, class TEXT, rule TEXT, app TEXT, user TEXT, scope TEXT,"
    " api TEXT, call TEXT, stream TEXT, platform TEXT, expected TEXT, observed TEXT, explanation TEXT);";

static const char views[] =
    "CREATE INDEX events_by_user ON events(app, user, kind); CREATE INDEX events_by_call ON events(stream, call);"
    "CREATE INDEX events_by_time ON events(t); CREATE INDEX calls_by_scope ON calls(scope, class);"
    "CREATE INDEX calls_by_user ON calls(app, user, scope); CREATE INDEX divergences_by_class ON divergences(class);"
    "CREATE TABLE keys AS SELECT app, user, count(*) AS events, min(t) AS first_t, max(t) AS last_t FROM events"
    " GROUP BY app, user;"
    "CREATE VIEW denials AS SELECT scope, count(*) AS calls, sum(class = 'denied') AS denied,"
    " sum(class = 'denied' AND via = 'prompt') AS at_prompt, sum(class = 'denied' AND via = 'state') AS while_denied"
    " FROM calls GROUP BY scope;"
    "CREATE VIEW denials_by_day AS SELECT scope, platform, date(called_t / 1000000, 'unixepoch') AS day,"
    " count(*) AS calls, sum(class = 'denied') AS denied, sum(class = 'denied' AND via = 'prompt') AS at_prompt,"
    " sum(class = 'denied' AND via = 'state') AS while_denied FROM calls GROUP BY scope, platform, day; COMMIT;";

enum { EVENTS, CALLS, INFERRED, DIVERGENCES, TABLES };

struct base {
    struct exporter *self;
    sqlite3 *db;
    sqlite3_stmt *insert[TABLES];
    struct at_buf line;
    char *path, *temporary;
};

static enum at_err fail(struct base *b)
{
    return at_fail(&b->self->why, AT_IO, "SQLite: %s", b->db ? sqlite3_errmsg(b->db) : "out of memory");
}

/* ---- Binding: by position, in order; what is absent is NULL */

struct binder {
    sqlite3_stmt *stmt;
    int at;
    bool bad;
};

static void put_str(struct binder *x, struct at_str s)
{
    x->at++;
    if (s.ptr)
        x->bad |= sqlite3_bind_text64(x->stmt, x->at, s.ptr, s.len, SQLITE_TRANSIENT, SQLITE_UTF8) != SQLITE_OK;
    else
        x->bad |= sqlite3_bind_null(x->stmt, x->at) != SQLITE_OK;
}

static void put_int(struct binder *x, bool there, int64_t value)
{
    x->at++;
    x->bad |= (there ? sqlite3_bind_int64(x->stmt, x->at, value) : sqlite3_bind_null(x->stmt, x->at)) != SQLITE_OK;
}

static enum at_err insert(struct base *b, struct binder *x)
{
    if (!x->bad)
        x->bad = sqlite3_step(x->stmt) != SQLITE_DONE;
    enum at_err err = x->bad ? fail(b) : AT_OK;
    sqlite3_reset(x->stmt);
    return err;
}

/* ---- Rows */

static enum at_err on_event(void *ctx, const struct at_event *ev, uint64_t index)
{
    struct base *b = ctx;
    struct binder x = {.stmt = b->insert[EVENTS]};
    b->line.len = 0;
    if (at_event_to_json(ev, &b->line))
        return at_fail(&b->self->why, AT_NOMEM, "out of memory");
    put_int(&x, true, (int64_t)index);
    put_int(&x, true, ev->t_us);
    put_str(&x, at_str(at_kind_text(ev->kind)));
    put_str(&x, ev->app);
    put_str(&x, ev->user);
    put_str(&x, ev->stream);
    put_str(&x, ev->has & AT_HAS_PLATFORM ? ev->platform : (struct at_str){0});
    put_int(&x, ev->has & AT_HAS_PACKET, (int64_t)ev->packet);
    put_str(&x, ev->has & AT_HAS_CALL ? ev->call : (struct at_str){0});
    put_str(&x, ev->kind == AT_KIND_CALL ? ev->api : (struct at_str){0});
    put_str(&x, ev->n_scopes == 1 ? ev->scopes[0] : (struct at_str){0});
    put_str(&x, ev->kind == AT_KIND_RETURN ? ev->err_msg : (struct at_str){0});
    put_str(&x, ev->kind == AT_KIND_DECISION ? at_str(at_answer_text(ev->answer)) : (struct at_str){0});
    put_int(&x, ev->kind == AT_KIND_SETTINGS, ev->granted);
    put_str(&x, (struct at_str){b->line.ptr, b->line.len - 1}); /* without the line end */
    return insert(b, &x);
}

static enum at_err on_settled(void *ctx, const struct at_settled *s)
{
    static const char *const via[] = {[AT_VIA_STATE] = "state", [AT_VIA_PROMPT] = "prompt", [AT_VIA_NONE] = NULL};
    struct base *b = ctx;
    struct binder x = {.stmt = b->insert[CALLS]};
    put_int(&x, true, (int64_t)s->called.event);
    put_int(&x, s->answered, (int64_t)s->returned.event);
    put_int(&x, true, s->called.t_us);
    put_int(&x, s->answered, s->returned.t_us);
    put_str(&x, s->app);
    put_str(&x, s->user);
    put_str(&x, s->stream);
    put_str(&x, s->platform);
    put_str(&x, s->scope);
    put_str(&x, s->api);
    put_str(&x, s->call);
    put_str(&x, s->answered ? s->err_msg : (struct at_str){0});
    put_str(&x, at_str(s->answered ? at_class_text(s->cls) : "unanswered"));
    put_str(&x, at_str(s->answered ? via[s->via] : NULL));
    put_int(&x, true, s->prompt_inferred);
    return insert(b, &x);
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    static const char *const kinds[] = {"prompt", "decision", "settings", "reset"};
    struct base *b = ctx;
    struct binder x = {.stmt = b->insert[INFERRED]};
    put_int(&x, true, (int64_t)i->after.event);
    put_int(&x, true, (int64_t)i->before.event);
    put_str(&x, at_str(kinds[i->kind]));
    put_str(&x, i->app);
    put_str(&x, i->user);
    put_str(&x, i->scope);
    put_str(&x, i->kind == AT_INFERRED_DECISION ? at_str(at_answer_text(i->answer)) : (struct at_str){0});
    put_int(&x, i->kind == AT_INFERRED_SETTINGS, i->granted);
    return insert(b, &x);
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct base *b = ctx;
    struct binder x = {.stmt = b->insert[DIVERGENCES]};
    put_int(&x, true, (int64_t)d->at.event);
    put_int(&x, true, d->at.t_us);
    put_str(&x, at_str(at_divergence_text(d->cls)));
    put_str(&x, at_str(d->rule));
    put_str(&x, d->app);
    put_str(&x, d->user);
    put_str(&x, d->scope);
    put_str(&x, d->api);
    put_str(&x, d->call);
    put_str(&x, d->stream);
    put_str(&x, d->platform);
    put_str(&x, at_str(d->expected));
    put_str(&x, at_str(d->observed));
    put_str(&x, at_str(d->explanation));
    return insert(b, &x);
}

/* ---- Life */

static void close_db(struct base *b)
{
    for (size_t i = 0; i < TABLES; i++) {
        sqlite3_finalize(b->insert[i]);
        b->insert[i] = NULL;
    }
    sqlite3_close(b->db);
    b->db = NULL;
}

static enum at_err finish(void *ctx, struct at_why *why)
{
    struct base *b = ctx;
    if (sqlite3_exec(b->db, views, NULL, NULL, NULL) != SQLITE_OK) {
        enum at_err err = fail(b);
        *why = b->self->why;
        return err;
    }
    close_db(b);
    if (rename(b->temporary, b->path))
        return at_fail(why, AT_IO, "cannot create: %s", strerror(errno));
    free(b->temporary);
    b->temporary = NULL;
    return AT_OK;
}

static void close_base(void *ctx)
{
    struct base *b = ctx;
    close_db(b);
    if (b->temporary)
        unlink(b->temporary);
    free(b->temporary);
    free(b->path);
    at_buf_free(&b->line);
    free(b);
}

enum at_err export_sqlite(const char *path, struct exporter *out)
{
    static const char *const inserts[TABLES] = {
        "INSERT INTO events VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        "INSERT INTO calls VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        "INSERT INTO inferred VALUES(?,?,?,?,?,?,?,?)",
        "INSERT INTO divergences VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    };
    size_t room = strlen(path) + 32;
    struct base *b = calloc(1, sizeof *b);
    if (!b)
        return at_fail(&out->why, AT_NOMEM, "out of memory");
    *out = (struct exporter){b, on_event, on_settled, on_inferred, on_divergence, finish, close_base, {{0}}};
    b->self = out;
    b->path = strdup(path);
    char *temporary = malloc(room);
    if (!b->path || !temporary) {
        free(temporary);
        return at_fail(&out->why, AT_NOMEM, "out of memory");
    }
    snprintf(temporary, room, "%s.%ld.tmp", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) {
        free(temporary);
        return at_fail(&out->why, AT_IO, "cannot create: %s", strerror(errno));
    }
    close(fd);
    b->temporary = temporary;
    if (sqlite3_open(temporary, &b->db) != SQLITE_OK || sqlite3_exec(b->db, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(b);
    for (size_t i = 0; i < TABLES; i++)
        if (sqlite3_prepare_v2(b->db, inserts[i], -1, &b->insert[i], NULL) != SQLITE_OK)
            return fail(b);
    return AT_OK;
}

#endif
