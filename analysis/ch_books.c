/* ch_books.c: what was exported before. */
#include "analysis/ch_books.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- Queries */

static enum at_err nomem(struct at_why *why)
{
    return at_fail(why, AT_NOMEM, "out of memory");
}

static enum at_err ask(struct ch_link *link, struct at_buf *q, struct at_buf *answer, struct at_why *why)
{
    if (at_buf_add(q, "", 1))
        return nomem(why);
    return ch_query(link, q->ptr, answer, why);
}

static enum at_err put_tapes(struct at_buf *q, const struct ch_books *b)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < b->n_tapes && !err; i++)
        err = at_buf_printf(q, "%s%" PRIu64, i ? ", " : "(", b->tapes[i]);
    return err ? err : at_buf_str(q, AT_STR(")"));
}

/* Numbers of a row, `n` each of 8 bytes; false at the end. */
static bool next_row(const struct at_buf *answer, size_t *at, uint64_t *out, size_t n)
{
    if (answer->len - *at < 8 * n)
        return false;
    for (size_t i = 0; i < n; i++, *at += 8)
        out[i] = at_get_u64le((const uint8_t *)answer->ptr + *at);
    return true;
}

static enum at_err make_tables(struct ch_link *link, const char *prefix, struct at_why *why)
{
    struct at_buf all = {0};
    enum at_err err = ch_schema(&all, prefix, NULL);
    if (!err)
        err = at_buf_add(&all, "", 1);
    if (err)
        err = nomem(why);
    for (char *text = all.ptr, *end; !err && (end = strstr(text, ";\n")); text = end + 2) {
        *end = 0;
        err = ch_query(link, text, NULL, why);
    }
    at_buf_free(&all);
    return err;
}

/* ---- Reading */

static enum at_err add_replaced(struct ch_books *b, uint64_t recording)
{
    uint64_t *grown = realloc(b->replaces, (b->n_replaces + 1) * sizeof *grown);
    if (!grown)
        return AT_NOMEM;
    b->replaces = grown;
    b->replaces[b->n_replaces++] = recording;
    return AT_OK;
}

/* Recordings that have one of the tapes. */
static enum at_err read_exports(struct ch_link *link, struct ch_books *b, bool *again, struct at_why *why)
{
    struct at_buf q = {0}, answer = {0};
    uint64_t row[5];
    size_t at = 0;
    *again = b->begun = b->done = false;
    b->n_replaces = 0;
    enum at_err err =
        at_buf_str(&q, AT_STR("SELECT recording, toUInt64(uniqExact(tape)), toUInt64(max(tapes)), "
                              "toUInt64(countIf(state = 'done')), toUInt64(countIf(state = 'superseded')) "
                              "FROM {p}exports WHERE tape IN "));
    if (!err)
        err = put_tapes(&q, b);
    if (!err)
        err = at_buf_str(&q, AT_STR(" GROUP BY recording ORDER BY recording FORMAT RowBinary"));
    err = err ? nomem(why) : ask(link, &q, &answer, why);
    while (!err && next_row(&answer, &at, row, 5)) {
        bool current = row[3] && !row[4];
        if (row[0] == b->recording) {
            b->begun = row[4] == 0;
            b->done = b->done || current;
            *again = row[4] > 0;
        } else if (current && row[1] == b->n_tapes && row[2] > row[1]) {
            b->done = true; /* as part of more */
        } else if (current && row[2] > row[1]) {
            err = at_fail(why, AT_BAD,
                          "a tape of these was exported together with %" PRIu64 " others: export all of them again, or "
                          "slice what is new",
                          row[2] - row[1]);
        } else if (current && add_replaced(b, row[0])) {
            err = nomem(why);
        }
    }
    at_buf_free(&q);
    at_buf_free(&answer);
    return err;
}

static enum at_err read_segments(struct ch_link *link, struct ch_books *b, const char *state, struct ch_mark **out,
                                 size_t *n, struct at_why *why)
{
    struct at_buf q = {0}, answer = {0};
    uint64_t row[4];
    size_t at = 0;
    enum at_err err = at_buf_printf(
        &q,
        "SELECT tape, segment, max(events) AS most, argMax(print, events) FROM {p}segments WHERE state = '%s' AND "
        "tape IN ",
        state);
    if (!err)
        err = put_tapes(&q, b);
    if (!err)
        err = at_buf_str(&q, AT_STR(" GROUP BY tape, segment ORDER BY tape, segment FORMAT RowBinary"));
    err = err ? nomem(why) : ask(link, &q, &answer, why);
    *out = err ? NULL : malloc(answer.len + sizeof **out);
    if (!err && !*out)
        err = nomem(why);
    while (!err && next_row(&answer, &at, row, 4))
        (*out)[(*n)++] = (struct ch_mark){.tape = row[0], .segment = row[1], .events = row[2], .print = row[3]};
    at_buf_free(&q);
    at_buf_free(&answer);
    return err;
}

enum at_err ch_books_read(struct ch_link *link, const char *prefix, struct ch_books *b, struct at_why *why)
{
    bool again;
    enum at_err err = read_exports(link, b, &again, why);
    if (err == AT_NOTFOUND) {
        err = make_tables(link, prefix, why);
        if (!err)
            err = read_exports(link, b, &again, why);
    }
    while (!err && again &&
           !b->done) { /* it was there, and something else took its place: it comes back as a new one */
        b->recording = at_siphash((struct at_str){(const char *)&b->recording, sizeof b->recording});
        err = read_exports(link, b, &again, why);
    }
    if (!err)
        err = read_segments(link, b, "done", &b->marks, &b->n_marks, why);
    if (!err)
        err = read_segments(link, b, "begun", &b->open, &b->n_open, why);
    return err;
}

void ch_books_free(struct ch_books *b)
{
    free(b->replaces);
    free(b->marks);
    free(b->open);
    b->replaces = NULL;
    b->marks = b->open = NULL;
}

static int by_segment(const void *x, const void *y)
{
    const struct ch_mark *a = x, *b = y;
    if (a->tape != b->tape)
        return a->tape < b->tape ? -1 : 1;
    return (a->segment > b->segment) - (a->segment < b->segment);
}

struct ch_mark ch_books_mark(const struct ch_books *b, uint64_t tape, uint64_t segment)
{
    const struct ch_mark want = {.tape = tape, .segment = segment};
    const struct ch_mark *m = b->n_marks ? bsearch(&want, b->marks, b->n_marks, sizeof want, by_segment) : NULL;
    return m ? *m : want;
}

bool ch_books_is_open(const struct ch_books *b, uint64_t tape, uint64_t segment)
{
    const struct ch_mark want = {.tape = tape, .segment = segment};
    const struct ch_mark *m = b->n_open ? bsearch(&want, b->open, b->n_open, sizeof want, by_segment) : NULL;
    return m && m->events >= ch_books_mark(b, tape, segment).events;
}

/* ---- Writing */

static enum at_err put_rows(struct at_buf *q, const struct ch_books *b, uint64_t recording, const char *state,
                            const char *profile, const uint64_t *events)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < b->n_tapes && !err; i++) {
        err = at_buf_printf(q, " (%" PRIu64 ", %" PRIu64 ", '%s', %zu, %" PRIu64 ", '", b->tapes[i], recording, state,
                            b->n_tapes, events ? events[i] : 0);
        for (const char *p = profile; *p && !err; p++)
            err = at_buf_printf(q, "%s%c", *p == '\'' || *p == '\\' ? "\\" : "", *p);
        if (!err)
            err = at_buf_str(q, AT_STR("')"));
    }
    return err;
}

#define INSERT AT_STR("INSERT INTO {p}exports (tape, recording, state, tapes, events, profile) VALUES")

enum at_err ch_books_begin(struct ch_link *link, const struct ch_books *b, const char *profile, struct at_why *why)
{
    struct at_buf q = {0};
    enum at_err err = at_buf_str(&q, INSERT);
    if (!err)
        err = put_rows(&q, b, b->recording, "begun", profile, NULL);
    err = err ? nomem(why) : ask(link, &q, NULL, why);
    at_buf_free(&q);
    return err;
}

/* One INSERT, so that it is all there at once. */
enum at_err ch_books_finish(struct ch_link *link, const struct ch_books *b, const char *profile, const uint64_t *events,
                            struct at_why *why)
{
    struct at_buf q = {0};
    enum at_err err = at_buf_str(&q, INSERT);
    for (size_t i = 0; i < b->n_replaces && !err; i++)
        err = put_rows(&q, b, b->replaces[i], "superseded", "", NULL);
    if (!err)
        err = put_rows(&q, b, b->recording, "done", profile, events);
    err = err ? nomem(why) : ask(link, &q, NULL, why);
    at_buf_free(&q);
    return err;
}
