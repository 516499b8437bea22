/*
 * export_perfetto.c: a trace in the JSON trace event format, which ui.perfetto.dev and chrome://tracing open: a process
 * a user, a track a scope; calls and prompts are spans, everything else marks.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "analysis/export.h"

#define FLUSH_BYTES (size_t)(64 * 1024)
#define WHOLE_USER 0 /* the track of what is about no scope */

struct trace {
    struct exporter *self;
    struct at_output *out;
    struct at_buf text;
    struct at_intern *users, *tracks; /* "app user"; scopes. The ids + 1 are pid and tid */
    struct at_intern *named;          /* pairs of them that have their names in the trace */
    uint64_t spans;
    bool begun;
};

static enum at_err flush(struct trace *t, size_t least)
{
    if (t->text.len < least)
        return AT_OK;
    enum at_err err = at_output_write(t->out, t->text.ptr, t->text.len, &t->self->why);
    t->text.len = 0;
    return err;
}

static enum at_err begin_record(struct trace *t)
{
    enum at_err err = flush(t, FLUSH_BYTES);
    if (!err)
        err = at_buf_str(&t->text, t->begun ? AT_STR(",\n{") : AT_STR("{\"traceEvents\":[\n{"));
    t->begun = true;
    return err;
}

static enum at_err name_record(struct trace *t, const char *what, uint32_t pid, uint32_t tid, struct at_str name)
{
    enum at_err err = begin_record(t);
    if (!err)
        err = at_buf_printf(&t->text, "\"ph\":\"M\",\"name\":\"%s\",\"pid\":%u,\"tid\":%u,\"args\":{\"name\":", what,
                            pid, tid);
    if (!err)
        err = at_json_quote(&t->text, name);
    return err ? err : at_buf_str(&t->text, AT_STR("}}"));
}

/* The numbers of a user and of a scope's track; their names are written at first sight. */
static enum at_err track_of(struct trace *t, struct at_str app, struct at_str user, struct at_str scope, uint32_t *pid,
                            uint32_t *tid)
{
    struct at_buf name = {0};
    uint32_t user_id = 0, scope_id = 0, pair[2], id = 0, count = at_intern_count(t->users);
    *tid = WHOLE_USER;
    enum at_err err = at_buf_printf(&name, "%.*s ", AT_STR_FMT(app));
    if (!err)
        err = at_buf_str(&name, user);
    if (!err)
        err = at_intern_add(t->users, at_buf_view(&name), &user_id);
    *pid = user_id + 1;
    if (!err && user_id == count)
        err = name_record(t, "process_name", *pid, 0, at_buf_view(&name));
    at_buf_free(&name);
    if (err || !scope.ptr)
        return err;
    err = at_intern_add(t->tracks, scope, &scope_id);
    *tid = scope_id + 1;
    pair[0] = *pid;
    pair[1] = *tid;
    count = at_intern_count(t->named);
    if (!err)
        err = at_intern_add(t->named, (struct at_str){(const char *)pair, sizeof pair}, &id);
    return err || id < count ? err : name_record(t, "thread_name", *pid, *tid, scope);
}

/* One end of a span (`ph` b, e) or a mark (i). `detail` may be absent. */
static enum at_err record(struct trace *t, char ph, uint64_t span, int64_t t_us, uint32_t pid, uint32_t tid,
                          struct at_str name, struct at_str detail)
{
    enum at_err err = begin_record(t);
    if (!err)
        err = at_buf_printf(&t->text, "\"ph\":\"%c\",\"cat\":\"auth\",\"ts\":%" PRId64 ",\"pid\":%u,\"tid\":%u,", ph,
                            t_us, pid, tid);
    if (!err)
        err = ph == 'i' ? at_buf_str(&t->text, AT_STR("\"s\":\"t\","))
                        : at_buf_printf(&t->text, "\"id\":%" PRIu64 ",", span);
    if (!err)
        err = at_buf_str(&t->text, AT_STR("\"name\":"));
    if (!err)
        err = at_json_quote(&t->text, name);
    if (!err && detail.ptr)
        err = at_buf_str(&t->text, AT_STR(",\"args\":{\"detail\":"));
    if (!err && detail.ptr)
        err = at_json_quote(&t->text, detail);
    return err ? err : at_buf_str(&t->text, detail.ptr ? AT_STR("}}") : AT_STR("}"));
}

static enum at_err mark(struct trace *t, struct at_str app, struct at_str user, struct at_str scope, int64_t t_us,
                        const char *name, struct at_str detail)
{
    uint32_t pid, tid;
    enum at_err err = track_of(t, app, user, scope, &pid, &tid);
    return err ? err : record(t, 'i', 0, t_us, pid, tid, at_str(name), detail);
}

static enum at_err on_event(void *ctx, const struct at_event *ev, uint64_t index)
{
    struct at_str scope = ev->n_scopes ? ev->scopes[0] : (struct at_str){0}, none = {0};
    (void)index;
    if (ev->kind == AT_KIND_PROMPT)
        return mark(ctx, ev->app, ev->user, scope, ev->t_us, "prompt", none);
    if (ev->kind == AT_KIND_DECISION)
        return mark(ctx, ev->app, ev->user, scope, ev->t_us, at_answer_text(ev->answer), none);
    if (ev->kind == AT_KIND_SETTINGS)
        return mark(ctx, ev->app, ev->user, scope, ev->t_us, ev->granted ? "turned on" : "turned off", none);
    if (ev->kind == AT_KIND_RESET || ev->kind == AT_KIND_GAP)
        return mark(ctx, ev->app, ev->user, none, ev->t_us, at_kind_text(ev->kind), none);
    return AT_OK;
}

static enum at_err on_settled(void *ctx, const struct at_settled *s)
{
    struct trace *t = ctx;
    uint32_t pid, tid;
    enum at_err err = track_of(t, s->app, s->user, s->scope, &pid, &tid);
    if (!err && !s->answered)
        return record(t, 'i', 0, s->called.t_us, pid, tid, s->api, AT_STR("never answered"));
    uint64_t span = ++t->spans;
    if (!err)
        err = record(t, 'b', span, s->called.t_us, pid, tid, s->api, s->err_msg);
    return err ? err : record(t, 'e', span, s->returned.t_us, pid, tid, s->api, at_str(at_class_text(s->cls)));
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    static const char *const names[] = {"inferred prompt", "inferred decision", "inferred flip", "inferred reset"};
    struct at_str detail = i->kind == AT_INFERRED_SETTINGS   ? at_str(i->granted ? "turned on" : "turned off")
                           : i->kind == AT_INFERRED_DECISION ? at_str(at_answer_text(i->answer))
                                                             : (struct at_str){0};
    return mark(ctx, i->app, i->user, i->scope, i->before.t_us, names[i->kind], detail);
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    return mark(ctx, d->app, d->user, d->scope, d->at.t_us, at_divergence_text(d->cls), at_str(d->explanation));
}

static enum at_err finish(void *ctx, struct at_why *why)
{
    struct trace *t = ctx;
    enum at_err err = at_buf_str(&t->text, t->begun ? AT_STR("\n]}\n") : AT_STR("{\"traceEvents\":[]}\n"));
    if (!err)
        err = flush(t, 0);
    return err ? err : at_output_commit(t->out, why);
}

static void close_trace(void *ctx)
{
    struct trace *t = ctx;
    at_output_close(&t->out);
    at_buf_free(&t->text);
    at_intern_free(&t->users);
    at_intern_free(&t->tracks);
    at_intern_free(&t->named);
    free(t);
}

enum at_err export_perfetto(const char *path, struct exporter *out)
{
    struct trace *t = calloc(1, sizeof *t);
    if (!t)
        return at_fail(&out->why, AT_NOMEM, "out of memory");
    t->self = out;
    out->ctx = t;
    out->event = on_event;
    out->settled = on_settled;
    out->inferred = on_inferred;
    out->divergence = on_divergence;
    out->finish = finish;
    out->close = close_trace;
    if (at_intern_new(&t->users) || at_intern_new(&t->tracks) || at_intern_new(&t->named))
        return at_fail(&out->why, AT_NOMEM, "out of memory");
    return at_output_open(path, &t->out, &out->why);
}
