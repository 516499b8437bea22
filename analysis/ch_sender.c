/*
 * ch_sender.c: a block is sent until it is there, and once. ClickHouse of this age does not know a block again, so
 * before a second try, or where an export before this one was cut off, it is asked which of the rows it has; and before
 * that, whether it is still busy with them.
 */
#include "analysis/ch_sender.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

struct ch_sender {
    struct ch_link *link;
    const char *name;
    pthread_t thread;
    pthread_mutex_t gate;
    pthread_cond_t turn;
    bool started, busy, over;
    struct ch_block block; /* on its way, while busy */
    struct ch_block spare[CH_TABLES];
    uint64_t sent; /* blocks */
    enum at_err err;
    struct at_why why;
    struct at_buf native, frames, text, answer;
};

enum at_err ch_marks_add(struct ch_marks *m, const struct ch_mark *mark)
{
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 16;
        struct ch_mark *grown = realloc(m->list, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        m->list = grown;
        m->cap = cap;
    }
    m->list[m->n++] = *mark;
    return AT_OK;
}

enum at_err ch_block_new(enum ch_table_id table, struct ch_block *out)
{
    *out = (struct ch_block){.check = false};
    return ch_rows_new(&ch_tables[table], &out->rows);
}

void ch_block_free(struct ch_block *b)
{
    ch_rows_free(&b->rows);
    free(b->begins.list);
    free(b->ends.list);
    *b = (struct ch_block){.check = false};
}

static void clear_block(struct ch_block *b)
{
    ch_rows_clear(&b->rows);
    b->begins.n = b->ends.n = 0;
    b->check = false;
}

/* ---- What is there */

struct pair {
    uint64_t group, id;
};

static int by_pair(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

struct there {
    struct pair *list;
    size_t n;
};

static bool is_there(void *ctx, const struct ch_row *row)
{
    const struct there *t = ctx;
    const struct pair want = {row->group, row->id};
    return bsearch(&want, t->list, t->n, sizeof want, by_pair) != NULL;
}

/* The rows' groups, each with the least and the most of its numbers. */
struct range {
    uint64_t group, least, most;
};

static enum at_err ranges_of(const struct ch_rows *r, struct range **out, size_t *n)
{
    size_t cap = 0;
    *out = NULL;
    *n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct ch_row *row = &r->rows[i];
        size_t at = 0;
        while (at < *n && (*out)[at].group != row->group)
            at++;
        if (at == cap) {
            cap = cap ? cap * 2 : 16;
            struct range *grown = realloc(*out, cap * sizeof *grown);
            if (!grown)
                return AT_NOMEM;
            *out = grown;
        }
        struct range *to = &(*out)[at];
        if (at == *n) {
            *to = (struct range){row->group, row->number, row->number};
            ++*n;
        }
        to->least = row->number < to->least ? row->number : to->least;
        to->most = row->number > to->most ? row->number : to->most;
    }
    return AT_OK;
}

/* The query for what is there of them. */
static enum at_err ask_for(struct at_buf *q, const struct ch_rows *r)
{
    const struct ch_table *t = r->table;
    struct range *ranges;
    size_t n;
    unsigned least = UINT16_MAX, most = 0;
    for (size_t i = 0; i < r->n; i++) {
        least = r->rows[i].day < least ? r->rows[i].day : least;
        most = r->rows[i].day > most ? r->rows[i].day : most;
    }
    enum at_err err = ranges_of(r, &ranges, &n);
    if (!err)
        err = at_buf_printf(q, "SELECT %s, %s FROM {p}%s WHERE day >= toDate(%u) AND day <= toDate(%u) AND (0",
                            t->group, t->id, t->name, least, most);
    for (size_t i = 0; i < n && !err; i++)
        err = at_buf_printf(q, " OR (%s = %" PRIu64 " AND %s >= %" PRIu64 " AND %s <= %" PRIu64 ")", t->group,
                            ranges[i].group, t->number, ranges[i].least, t->number, ranges[i].most);
    free(ranges);
    return err ? err : at_buf_add(q, ") FORMAT RowBinary", sizeof ") FORMAT RowBinary");
}

/* Waits until no insert of this name is under way any more. */
static enum at_err wait_for_others(struct ch_sender *s, struct at_why *why)
{
    unsigned tried = 0;
    uint64_t waited_ms = 0;
    for (;;) {
        s->text.len = s->answer.len = 0;
        enum at_err err = at_buf_printf(
            &s->text, "SELECT count() FROM system.processes WHERE query_id LIKE '%s-%%' AND query LIKE 'INSERT%%'",
            s->name);
        if (!err)
            err = at_buf_add(&s->text, "", 1);
        if (!err)
            err = ch_query(s->link, s->text.ptr, &s->answer, why);
        if (err || (s->answer.len && s->answer.ptr[0] == '0'))
            return err;
        if (!ch_wait(s->link, &tried, &waited_ms))
            return at_fail(why, AT_IO, "the server is still busy with an insert of an export before this one");
    }
}

/* Takes out what is there. */
static enum at_err drop_known(struct ch_sender *s, struct ch_rows *r, struct at_why *why)
{
    struct there t = {0};
    enum at_err err = wait_for_others(s, why);
    s->text.len = s->answer.len = 0;
    if (err || !r->n)
        return err;
    if (ask_for(&s->text, r))
        return at_fail(why, AT_NOMEM, "out of memory");
    err = ch_query(s->link, s->text.ptr, &s->answer, why);
    if (err)
        return err;
    t.n = s->answer.len / 16;
    t.list = malloc((t.n + 1) * sizeof *t.list);
    if (!t.list)
        return at_fail(why, AT_NOMEM, "out of memory");
    for (size_t i = 0; i < t.n; i++) {
        const uint8_t *p = (const uint8_t *)s->answer.ptr + 16 * i;
        t.list[i] = (struct pair){at_get_u64le(p), at_get_u64le(p + 8)};
    }
    qsort(t.list, t.n, sizeof *t.list, by_pair);
    ch_rows_drop(r, is_there, &t);
    free(t.list);
    return AT_OK;
}

/* ---- Sending */

static enum at_err note(struct ch_sender *s, const struct ch_marks *m, const char *state, struct at_why *why)
{
    s->text.len = 0;
    if (!m->n)
        return AT_OK;
    enum at_err err =
        at_buf_str(&s->text, AT_STR("INSERT INTO {p}segments (tape, segment, state, events, print) VALUES"));
    for (size_t i = 0; i < m->n && !err; i++)
        err = at_buf_printf(&s->text, " (%" PRIu64 ", %" PRIu64 ", '%s', %" PRIu64 ", %" PRIu64 ")", m->list[i].tape,
                            m->list[i].segment, state, m->list[i].events, m->list[i].print);
    if (!err)
        err = at_buf_add(&s->text, "", 1);
    return err ? at_fail(why, err, "%s", at_err_text(err)) : ch_query(s->link, s->text.ptr, NULL, why);
}

static enum at_err send_rows(struct ch_sender *s, struct ch_block *b, struct at_why *why)
{
    char insert[64], id[128];
    unsigned tried = 0;
    uint64_t waited_ms = 0;
    enum at_err err = AT_AGAIN;
    bool check = b->check;
    snprintf(insert, sizeof insert, "INSERT INTO {p}%s FORMAT Native", b->rows.table->name);
    snprintf(id, sizeof id, "%s-%" PRIu64, s->name, s->sent);
    while (err == AT_AGAIN) {
        err = check ? drop_known(s, &b->rows, why) : AT_OK;
        if (err || !b->rows.n)
            return err;
        s->native.len = s->frames.len = 0;
        err = ch_native(&b->rows, &s->native);
        if (!err)
            err = ch_frames(at_buf_view(&s->native), &s->frames);
        if (err)
            return at_fail(why, err, "%s", at_err_text(err));
        err = ch_insert(s->link, insert, id, at_buf_view(&s->frames), why);
        check = true;
        if (err == AT_AGAIN && !ch_wait(s->link, &tried, &waited_ms))
            return AT_IO;
    }
    return err;
}

static enum at_err send_block(struct ch_sender *s, struct ch_block *b, struct at_why *why)
{
    enum at_err err = note(s, &b->begins, "begun", why);
    if (!err)
        err = send_rows(s, b, why);
    if (!err)
        err = note(s, &b->ends, "done", why);
    s->sent++;
    return err;
}

static void *work(void *arg)
{
    struct ch_sender *s = arg;
    pthread_mutex_lock(&s->gate);
    for (;;) {
        while (!s->busy && !s->over)
            pthread_cond_wait(&s->turn, &s->gate);
        if (!s->busy)
            break;
        pthread_mutex_unlock(&s->gate);
        struct at_why why = {""};
        enum at_err err = send_block(s, &s->block, &why);
        pthread_mutex_lock(&s->gate);
        s->busy = false;
        if (err) {
            s->err = err;
            s->why = why;
        }
        pthread_cond_broadcast(&s->turn);
    }
    pthread_mutex_unlock(&s->gate);
    return NULL;
}

enum at_err ch_sender_new(const struct ch_server *server, const char *name, struct ch_sender **out, struct at_why *why)
{
    struct ch_sender *s = *out = calloc(1, sizeof *s);
    if (!s)
        return at_fail(why, AT_NOMEM, "out of memory");
    pthread_mutex_init(&s->gate, NULL);
    pthread_cond_init(&s->turn, NULL);
    s->name = name;
    enum at_err err = ch_link_new(server, &s->link, why);
    for (int i = 0; i < CH_TABLES && !err; i++)
        if (ch_block_new((enum ch_table_id)i, &s->spare[i]))
            err = at_fail(why, AT_NOMEM, "out of memory");
    if (!err)
        err = wait_for_others(s, why);
    if (!err && pthread_create(&s->thread, NULL, work, s))
        err = at_fail(why, AT_NOMEM, "no thread can be started");
    s->started = !err;
    return err;
}

/* Until it is idle; the gate is held. */
static enum at_err idle(struct ch_sender *s, struct at_why *why)
{
    while (s->busy)
        pthread_cond_wait(&s->turn, &s->gate);
    if (s->err && why)
        *why = s->why;
    return s->err;
}

enum at_err ch_send(struct ch_sender *s, struct ch_block *block, struct at_why *why)
{
    size_t table = (size_t)(block->rows.table - ch_tables);
    pthread_mutex_lock(&s->gate);
    enum at_err err = idle(s, why);
    if (!err) {
        if (s->block.rows.table) { /* the one that was sent is the spare one of its table now */
            clear_block(&s->block);
            s->spare[s->block.rows.table - ch_tables] = s->block;
        }
        s->block = *block;
        *block = s->spare[table];
        s->spare[table] = (struct ch_block){.check = false};
        s->busy = true;
        pthread_cond_broadcast(&s->turn);
    }
    pthread_mutex_unlock(&s->gate);
    return err;
}

enum at_err ch_sender_finish(struct ch_sender *s, struct at_why *why)
{
    pthread_mutex_lock(&s->gate);
    enum at_err err = idle(s, why);
    pthread_mutex_unlock(&s->gate);
    return err;
}

void ch_sender_free(struct ch_sender **sender)
{
    struct ch_sender *s = *sender;
    if (!s)
        return;
    if (s->started) {
        pthread_mutex_lock(&s->gate);
        s->over = true;
        pthread_cond_broadcast(&s->turn);
        pthread_mutex_unlock(&s->gate);
        pthread_join(s->thread, NULL);
    }
    ch_block_free(&s->block);
    for (int i = 0; i < CH_TABLES; i++)
        ch_block_free(&s->spare[i]);
    pthread_cond_destroy(&s->turn);
    pthread_mutex_destroy(&s->gate);
    at_buf_free(&s->native);
    at_buf_free(&s->frames);
    at_buf_free(&s->text);
    at_buf_free(&s->answer);
    ch_link_free(&s->link);
    free(s);
    *sender = NULL;
}
