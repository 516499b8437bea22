/* ch_native.c: blocks of the Native format, read: a count of columns and of rows, then name, type and cells of each. */
#include "analysis/ch_native.h"

#include <stdlib.h>

struct cursor {
    const uint8_t *p, *end;
};

static enum at_err bad(struct at_why *why, const char *what)
{
    return at_fail(why, AT_BAD, "the server sends no block of rows: %s", what);
}

static enum at_err get_length(struct cursor *c, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 63; shift += 7) {
        if (c->p == c->end)
            return AT_AGAIN;
        *out |= (uint64_t)(*c->p & 0x7f) << shift;
        if (!(*c->p++ & 0x80))
            return AT_OK;
    }
    return AT_BAD;
}

static enum at_err get_text(struct cursor *c, struct at_str *out)
{
    uint64_t len;
    enum at_err err = get_length(c, &len);
    if (err || len > CH_TEXT_MAX)
        return err ? err : AT_BAD;
    if (len > (size_t)(c->end - c->p))
        return AT_AGAIN;
    *out = (struct at_str){(const char *)c->p, (size_t)len};
    c->p += len;
    return AT_OK;
}

static enum at_err get_bytes(struct cursor *c, size_t n, const uint8_t **out)
{
    if (n > (size_t)(c->end - c->p))
        return AT_AGAIN;
    *out = c->p;
    c->p += n;
    return AT_OK;
}

static enum at_err get_texts(struct cursor *c, struct ch_cells *cells, size_t n)
{
    enum at_err err = AT_OK;
    if (n > (size_t)(c->end - c->p)) /* each takes a byte at least */
        return AT_AGAIN;
    if (n > cells->cap_texts) {
        struct at_str *grown = realloc(cells->texts, n * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        cells->texts = grown;
        cells->cap_texts = n;
    }
    struct at_str *to = cells->texts;
    const uint8_t *p = c->p, *end = c->end;
    for (size_t i = 0; i < n && !err; i++) {
        if (end - p > 0x80 && *p < 0x80) { /* short, and there for sure */
            to[i] = (struct at_str){(const char *)p + 1, *p};
            p += 1 + *p;
            continue;
        }
        c->p = p;
        err = get_text(c, &to[i]);
        p = c->p;
    }
    c->p = p;
    return err;
}

/* The elements of arrays: how many there are is where the last one ends. */
static enum at_err get_ends(struct cursor *c, struct ch_cells *cells, size_t n_rows, size_t *n)
{
    uint64_t before = 0;
    enum at_err err = get_bytes(c, n_rows * 8, &cells->ends);
    for (size_t i = 0; i < n_rows && !err; i++) {
        uint64_t end = at_get_u64le(cells->ends + 8 * i);
        err = end < before || end > CH_TEXT_MAX ? AT_BAD : AT_OK;
        before = end;
    }
    *n = (size_t)before;
    return err;
}

static enum at_err get_cells(struct cursor *c, enum ch_type as, struct ch_cells *cells, size_t n_rows)
{
    static const size_t widths[] = {[CH_U8] = 1, [CH_U16] = 2, [CH_U32] = 4, [CH_U64] = 8};
    size_t n = 0;
    enum at_err err;
    switch (as) {
    case CH_STRING:
        return get_texts(c, cells, n_rows);
    case CH_STRINGS:
        err = get_ends(c, cells, n_rows, &n);
        return err ? err : get_texts(c, cells, n);
    case CH_U8S:
        err = get_ends(c, cells, n_rows, &n);
        return err ? err : get_bytes(c, n, &cells->values);
    case CH_U8:
    case CH_U16:
    case CH_U32:
    case CH_U64:
    default:
        return get_bytes(c, n_rows * widths[as], &cells->fixed);
    }
}

enum at_err ch_in_new(size_t n_columns, struct ch_in *out)
{
    *out = (struct ch_in){.cells = calloc(n_columns, sizeof *out->cells), .n_columns = n_columns};
    return out->cells ? AT_OK : AT_NOMEM;
}

void ch_in_free(struct ch_in *in)
{
    for (size_t i = 0; i < in->n_columns && in->cells; i++)
        free(in->cells[i].texts);
    free(in->cells);
    *in = (struct ch_in){0};
}

static enum at_err parse(struct ch_in *in, const struct ch_column *columns, struct cursor *c, const char **what)
{
    uint64_t n_columns = 0, n_rows = 0;
    struct at_str name, type;
    *what = "its size makes no sense";
    enum at_err err = get_length(c, &n_columns);
    if (!err)
        err = get_length(c, &n_rows);
    if (err || n_columns != in->n_columns || n_rows > CH_BLOCK_ROWS_MAX)
        return err ? err : AT_BAD;
    in->n_rows = (size_t)n_rows;
    for (size_t i = 0; i < in->n_columns && !err; i++) {
        *what = columns[i].name;
        err = get_text(c, &name);
        if (!err)
            err = get_text(c, &type);
        if (!err && (!at_str_eq(name, at_str(columns[i].name)) || !at_str_eq(type, at_str(columns[i].type))))
            err = AT_BAD;
        if (!err && n_rows)
            err = get_cells(c, columns[i].as, &in->cells[i], in->n_rows);
    }
    return err;
}

enum at_err ch_in_parse(struct ch_in *in, const struct ch_column *columns, struct at_str bytes, size_t *used,
                        struct at_why *why)
{
    struct cursor c = {(const uint8_t *)bytes.ptr, (const uint8_t *)bytes.ptr + bytes.len};
    const char *what;
    if (!bytes.len)
        return AT_AGAIN;
    enum at_err err = parse(in, columns, &c, &what);
    *used = bytes.len - (size_t)(c.end - c.p);
    return err == AT_BAD ? bad(why, what) : err == AT_NOMEM ? at_fail(why, err, "%s", at_err_text(err)) : err;
}

size_t ch_in_array(const struct ch_in *in, size_t column, size_t row, size_t *from)
{
    const uint8_t *ends = in->cells[column].ends;
    *from = row ? (size_t)at_get_u64le(ends + 8 * (row - 1)) : 0;
    return (size_t)at_get_u64le(ends + 8 * row) - *from;
}

/* ---- Events */

enum {
    IN_TAPE,
    IN_EVENT,
    IN_APP,
    IN_USER,
    IN_T,
    IN_KIND,
    IN_HAS,
    IN_STREAM,
    IN_PLATFORM,
    IN_PACKET,
    IN_CALL,
    IN_API,
    IN_SCOPES,
    IN_ERR_MSG,
    IN_ERR_NO,
    IN_SETTING_SCOPES,
    IN_SETTING_VALUES,
    IN_ANSWER,
    IN_GRANTED,
    IN_FRESH,
    IN_OBSERVES,
    IN_LOST_BYTES,
    IN_EXTRA,
    IN_COLUMNS
};

/* Enum8 are asked for as numbers. */
const struct ch_column ch_event_columns[] = {
    [IN_TAPE] = {"tape", "UInt64", CH_U64},
    [IN_EVENT] = {"event", "UInt64", CH_U64},
    [IN_APP] = {"app", "String", CH_STRING},
    [IN_USER] = {"user", "String", CH_STRING},
    [IN_T] = {"t", "Int64", CH_U64},
    [IN_KIND] = {"k", "Int8", CH_U8},
    [IN_HAS] = {"has", "UInt16", CH_U16},
    [IN_STREAM] = {"stream", "String", CH_STRING},
    [IN_PLATFORM] = {"platform", "String", CH_STRING},
    [IN_PACKET] = {"packet", "UInt64", CH_U64},
    [IN_CALL] = {"call", "String", CH_STRING},
    [IN_API] = {"api", "String", CH_STRING},
    [IN_SCOPES] = {"scopes", "Array(String)", CH_STRINGS},
    [IN_ERR_MSG] = {"err_msg", "String", CH_STRING},
    [IN_ERR_NO] = {"err_no", "Int64", CH_U64},
    [IN_SETTING_SCOPES] = {"setting_scopes", "Array(String)", CH_STRINGS},
    [IN_SETTING_VALUES] = {"setting_values", "Array(UInt8)", CH_U8S},
    [IN_ANSWER] = {"a", "Int8", CH_U8},
    [IN_GRANTED] = {"granted", "UInt8", CH_U8},
    [IN_FRESH] = {"fresh", "UInt8", CH_U8},
    [IN_OBSERVES] = {"observes", "Array(UInt8)", CH_U8S},
    [IN_LOST_BYTES] = {"lost_bytes", "UInt64", CH_U64},
    [IN_EXTRA] = {"extra", "String", CH_STRING},
};
const size_t ch_n_event_columns = IN_COLUMNS;

void ch_event_place(const struct ch_in *in, size_t row, uint64_t *tape, uint64_t *number)
{
    *tape = ch_in_u64(in, IN_TAPE, row);
    *number = ch_in_u64(in, IN_EVENT, row);
}

static struct at_str text_of(const struct ch_in *in, size_t column, size_t row)
{
    return in->cells[column].texts[row];
}

static enum at_err fill_settings(const struct ch_in *in, size_t row, struct ch_event_room *room, struct at_event *ev)
{
    size_t from, values_from;
    size_t n = ch_in_array(in, IN_SETTING_SCOPES, row, &from);
    if (ch_in_array(in, IN_SETTING_VALUES, row, &values_from) != n)
        return AT_BAD;
    if (n > room->cap) {
        struct at_setting *grown = realloc(room->settings, n * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        room->settings = grown;
        room->cap = n;
    }
    for (size_t i = 0; i < n; i++) {
        room->settings[i].scope = in->cells[IN_SETTING_SCOPES].texts[from + i];
        room->settings[i].granted = in->cells[IN_SETTING_VALUES].values[values_from + i];
    }
    ev->settings = room->settings;
    ev->n_settings = n;
    return AT_OK;
}

static enum at_err fill_observes(const struct ch_in *in, size_t row, struct at_event *ev)
{
    size_t from, n = ch_in_array(in, IN_OBSERVES, row, &from);
    if (n > AT_SIGHTS)
        return AT_BAD;
    for (size_t i = 0; i < n; i++) {
        ev->observes[i] = in->cells[IN_OBSERVES].values[from + i];
        if (ev->observes[i] >= AT_SIGHTS)
            return AT_BAD;
    }
    ev->n_observes = (uint8_t)n;
    return AT_OK;
}

enum at_err ch_event_of(const struct ch_in *in, size_t row, struct ch_event_room *room, struct at_event *ev,
                        struct at_why *why)
{
    size_t from;
    *ev = (struct at_event){.t_us = (int64_t)ch_in_u64(in, IN_T, row),
                            .kind = (enum at_kind)ch_in_u8(in, IN_KIND, row),
                            .has = ch_in_u16(in, IN_HAS, row),
                            .app = text_of(in, IN_APP, row),
                            .user = text_of(in, IN_USER, row),
                            .stream = text_of(in, IN_STREAM, row)};
    ev->n_scopes = ch_in_array(in, IN_SCOPES, row, &from);
    ev->scopes = ev->n_scopes ? &in->cells[IN_SCOPES].texts[from] : NULL;
    if (ev->has & AT_HAS_PLATFORM)
        ev->platform = text_of(in, IN_PLATFORM, row);
    if (ev->has & AT_HAS_PACKET)
        ev->packet = ch_in_u64(in, IN_PACKET, row);
    if (ev->has & AT_HAS_CALL)
        ev->call = text_of(in, IN_CALL, row);
    if (ev->kind == AT_KIND_CALL)
        ev->api = text_of(in, IN_API, row);
    if (ev->kind == AT_KIND_RETURN)
        ev->err_msg = text_of(in, IN_ERR_MSG, row);
    if (ev->has & AT_HAS_ERRNO)
        ev->err_no = (int64_t)ch_in_u64(in, IN_ERR_NO, row);
    if (ev->kind == AT_KIND_DECISION)
        ev->answer = (enum at_answer)ch_in_u8(in, IN_ANSWER, row);
    ev->granted = ev->kind == AT_KIND_SETTINGS && ch_in_u8(in, IN_GRANTED, row);
    ev->fresh = ev->kind == AT_KIND_START && ch_in_u8(in, IN_FRESH, row);
    if (ev->has & AT_HAS_LOST_BYTES)
        ev->lost_bytes = ch_in_u64(in, IN_LOST_BYTES, row);
    if (text_of(in, IN_EXTRA, row).len)
        ev->extra = text_of(in, IN_EXTRA, row);
    enum at_err err = ev->has & AT_HAS_AUTH_SETTING ? fill_settings(in, row, room, ev) : AT_OK;
    if (!err && ev->kind == AT_KIND_START)
        err = fill_observes(in, row, ev);
    return err ? at_fail(why, err, "%s", err == AT_BAD ? "its columns contradict one another" : at_err_text(err))
               : AT_OK;
}
