/*
 * import_clickhouse.c: events from a server. It sorts them as `cat` would print them; here they are read block by block
 * and written as they come.
 */
#include "analysis/import_clickhouse.h"

#include <inttypes.h>
#include <stdlib.h>

#include "analysis/ch_native.h"

#define DAY_US INT64_C(86400000000)
#define WRITE_BYTES (size_t)(256 * 1024)
#define SORT_BYTES UINT64_C(4000000000) /* what the server sorts in memory; more goes to its disk */

struct intake {
    struct at_buf native; /* not packed: with compress=1, version 18.16 leaves the end of an answer out */
    size_t next_try;      /* a block is not all there in fewer bytes */
    size_t block_bytes;   /* of the last block */
    struct ch_in in;
    struct ch_event_room room;
    struct at_filter *filter;
    struct at_tape_encoder *encoder;
    struct at_output *output;
    struct at_buf bytes; /* of the tape */
    uint64_t tape, number, n_rows;
    struct at_why *why;
};

/* ---- The question */

/* A text in single quotes. */
static enum at_err put_literal(struct at_buf *q, struct at_str s)
{
    enum at_err err = at_buf_str(q, AT_STR("'"));
    for (size_t i = 0; i < s.len && !err; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        err = c < 0x20                 ? at_buf_printf(q, "\\x%02X", c)
              : c == '\'' || c == '\\' ? at_buf_printf(q, "\\%c", c)
                                       : at_buf_add(q, &s.ptr[i], 1);
    }
    return err ? err : at_buf_str(q, AT_STR("'"));
}

static unsigned day_of(int64_t t_us)
{
    int64_t day = t_us / DAY_US - (t_us % DAY_US < 0);
    return day < 0 ? 0 : day > UINT16_MAX ? UINT16_MAX : (unsigned)day;
}

static enum at_err put_conditions(struct at_buf *q, const struct at_reader_options *o)
{
    uint64_t least, most;
    enum at_err err = AT_OK;
    at_shard_range(o->shard, &least, &most);
    if (o->shard.of > 1)
        err = at_buf_printf(q, " AND key >= %" PRIu64 " AND key <= %" PRIu64, least, most);
    if (!err && o->has_from && !o->scope.ptr) /* an answer is of the scope of its call, which may be earlier */
        err = at_buf_printf(q, " AND t >= %" PRId64 " AND day >= toDate(%u)", o->from_us, day_of(o->from_us));
    if (!err && o->has_to)
        err = at_buf_printf(q, " AND t < %" PRId64 " AND day <= toDate(%u)", o->to_us, day_of(o->to_us));
    if (!err && o->app.ptr) {
        err = at_buf_str(q, AT_STR(" AND app = "));
        if (!err)
            err = put_literal(q, o->app);
    }
    if (!err && o->user.ptr) {
        err = at_buf_str(q, AT_STR(" AND user = "));
        if (!err)
            err = put_literal(q, o->user);
    }
    if (!err && o->app.ptr && o->user.ptr)
        err = at_buf_printf(q, " AND key = %" PRIu64, at_key_hash(o->app, o->user));
    return err;
}

static enum at_err put_query(struct at_buf *q, const struct at_reader_options *o)
{
    enum at_err err = at_buf_str(q, AT_STR("SELECT "));
    for (size_t i = 0; i < ch_n_event_columns && !err; i++) {
        const char *name = ch_event_columns[i].name;
        const char *as = !strcmp(name, "k")   ? "CAST(kind, 'Int8') AS k"
                         : !strcmp(name, "a") ? "CAST(answer, 'Int8') AS a"
                                              : name;
        err = at_buf_printf(q, "%s%s", i ? ", " : "", as);
    }
    if (!err)
        err = at_buf_str(q, AT_STR(" FROM {p}events WHERE 1"));
    if (!err)
        err = put_conditions(q, o);
    if (!err)
        err = at_buf_printf(q,
                            " ORDER BY t + late, tape, event SETTINGS max_bytes_before_external_sort = %" PRIu64
                            ", max_memory_usage = 0 FORMAT Native",
                            SORT_BYTES);
    return err ? err : at_buf_add(q, "", 1);
}

/* An id for the tape: what was asked for, but not which share of it. So shares of one import know one another. */
static enum at_err selection_id(const struct ch_server *server, const struct at_reader_options *o, uint64_t *out)
{
    struct at_buf text = {0};
    enum at_err err = at_buf_printf(&text, "%s\n%s\n%u\n%d %" PRId64 "\n%d %" PRId64 "\n", server->url, server->prefix,
                                    o->shard.of, o->has_from, o->from_us, o->has_to, o->to_us);
    const struct at_str parts[] = {o->app, o->user, o->scope};
    for (size_t i = 0; i < 3 && !err; i++)
        err = at_buf_printf(&text, "%d%.*s\n", parts[i].ptr != NULL, AT_STR_FMT(parts[i]));
    *out = at_siphash(at_buf_view(&text)) | 1;
    at_buf_free(&text);
    return err;
}

/* ---- The answer */

static enum at_err write_some(struct intake *x, size_t least)
{
    if (x->bytes.len < least)
        return AT_OK;
    enum at_err err = at_output_write(x->output, x->bytes.ptr, x->bytes.len, x->why);
    x->bytes.len = 0;
    return err;
}

static enum at_err take_row(struct intake *x, size_t row)
{
    struct at_event ev;
    struct at_why reason = {""};
    uint64_t tape, number;
    bool pass = true;
    ch_event_place(&x->in, row, &tape, &number);
    x->n_rows++;
    if (x->n_rows > 1 && tape == x->tape && number == x->number)
        return AT_OK; /* two exports at a time have sent it */
    x->tape = tape;
    x->number = number;
    enum at_err err = ch_event_of(&x->in, row, &x->room, &ev, &reason);
    if (!err && x->filter)
        err = at_filter_event(x->filter, &ev, &pass);
    if (!err && pass)
        err = at_tape_encode(x->encoder, &ev, &x->bytes);
    if (err == AT_BAD && !reason.text[0])
        err = at_event_check(&ev, &reason);
    if (err == AT_BAD)
        return at_fail(x->why, err, "event %" PRIu64 " of tape %016" PRIx64 " on the server: %s", number, tape,
                       reason.text);
    if (err)
        return at_fail(x->why, err, "%s", at_err_text(err));
    return write_some(x, WRITE_BYTES);
}

/* Reads the blocks that are all there. */
static enum at_err take_blocks(struct intake *x)
{
    size_t used = 0, len = 0;
    enum at_err err = AT_OK;
    if (x->native.len < x->next_try)
        return AT_OK;
    while (!err) {
        const struct at_str rest = {x->native.ptr + used, x->native.len - used};
        err = ch_in_parse(&x->in, ch_event_columns, rest, &len, x->why);
        for (size_t row = 0; row < x->in.n_rows && !err; row++)
            err = take_row(x, row);
        used += err ? 0 : len;
        x->block_bytes = err ? x->block_bytes : len;
    }
    at_buf_drop(&x->native, used);
    x->next_try = x->native.len + x->native.len / 2 + 1;
    if (x->next_try < x->block_bytes) /* blocks are of about one size */
        x->next_try = x->block_bytes;
    return err == AT_AGAIN ? AT_OK : err;
}

static enum at_err take(void *ctx, const void *data, size_t len)
{
    struct intake *x = ctx;
    enum at_err err = at_buf_add(&x->native, data, len);
    return err ? at_fail(x->why, err, "%s", at_err_text(err)) : take_blocks(x);
}

static enum at_err finish(struct intake *x)
{
    x->next_try = 0;
    enum at_err err = take_blocks(x);
    if (!err && x->native.len)
        return at_fail(x->why, AT_IO, "the server's answer was cut off");
    if (!err)
        err = at_tape_encode_finish(x->encoder, &x->bytes);
    if (!err)
        err = write_some(x, 0);
    return err ? err : at_output_commit(x->output, x->why);
}

static enum at_err open_all(struct intake *x, const struct ch_server *server, const struct at_reader_options *select,
                            const char *to)
{
    bool pipe = !strcmp(to, "-");
    /* For a pipe, quickly; a file is of archive level, as any other import makes it. */
    struct at_tape_options form = {
        .archive = !pipe, .level = pipe ? -1 : 0, .frame_us = UINT32_MAX, .segment_us = UINT32_MAX};
    enum at_err err = selection_id(server, select, &form.id);
    if (!err)
        err = ch_in_new(ch_n_event_columns, &x->in);
    if (!err && select->scope.ptr)
        err = at_filter_new(select, &x->filter);
    if (!err)
        err = at_tape_encoder_new(&form, &x->encoder);
    return err ? at_fail(x->why, err, "%s", at_err_text(err)) : at_output_open(to, &x->output, x->why);
}

enum at_err import_clickhouse(const struct ch_server *server, const struct at_reader_options *select, const char *to,
                              struct at_why *why)
{
    struct intake x = {.why = why};
    struct ch_link *link = NULL;
    struct at_buf query = {0};
    enum at_err err = ch_link_new(server, &link, why);
    if (!err)
        err = open_all(&x, server, select, to);
    if (!err && put_query(&query, select))
        err = at_fail(why, AT_NOMEM, "out of memory");
    if (!err)
        err = ch_stream(link, query.ptr, take, &x, why);
    if (!err)
        err = finish(&x);
    at_output_close(&x.output);
    at_tape_encoder_free(&x.encoder);
    at_filter_free(&x.filter);
    ch_in_free(&x.in);
    free(x.room.settings);
    at_buf_free(&x.native);
    at_buf_free(&x.bytes);
    at_buf_free(&query);
    ch_link_free(&link);
    return err;
}
