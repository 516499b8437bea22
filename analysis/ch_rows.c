/* ch_rows.c: rows, as cells one behind the other, and from them blocks of ClickHouse's Native format. */
#include "analysis/clickhouse.h"

#include <stdlib.h>

enum at_err ch_rows_new(const struct ch_table *table, struct ch_rows *out)
{
    *out = (struct ch_rows){.table = table};
    return at_intern_new(&out->apps);
}

void ch_rows_free(struct ch_rows *r)
{
    at_buf_free(&r->cells);
    free(r->rows);
    at_intern_free(&r->apps);
    *r = (struct ch_rows){0};
}

void ch_rows_clear(struct ch_rows *r)
{
    r->cells.len = 0;
    r->n = 0;
    at_intern_clear(r->apps);
}

enum at_err ch_row_begin(struct ch_rows *r, const struct ch_row *row, struct at_str app)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 4096;
        struct ch_row *grown = realloc(r->rows, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        r->rows = grown;
        r->cap = cap;
    }
    struct ch_row *to = &r->rows[r->n];
    *to = *row;
    to->cells = (uint32_t)r->cells.len;
    enum at_err err = at_intern_add(r->apps, app, &to->app);
    r->n += !err;
    return err;
}

/* Room for `n` bytes behind the cells; NULL when out of memory. */
static inline char *room_for(struct ch_rows *r, size_t n)
{
    if (r->cells.cap - r->cells.len < n && at_buf_reserve(&r->cells, n))
        return NULL;
    return r->cells.ptr + r->cells.len;
}

static inline enum at_err put_bytes(struct ch_rows *r, const void *bytes, size_t n)
{
    char *to = room_for(r, n);
    if (!to)
        return AT_NOMEM;
    memcpy(to, bytes, n);
    r->cells.len += n;
    return AT_OK;
}

enum at_err ch_put_u8(struct ch_rows *r, uint8_t v)
{
    return put_bytes(r, &v, 1);
}

enum at_err ch_put_u16(struct ch_rows *r, uint16_t v)
{
    uint8_t bytes[2];
    at_put_u16le(bytes, v);
    return put_bytes(r, bytes, sizeof bytes);
}

enum at_err ch_put_u32(struct ch_rows *r, uint32_t v)
{
    uint8_t bytes[4];
    at_put_u32le(bytes, v);
    return put_bytes(r, bytes, sizeof bytes);
}

enum at_err ch_put_u64(struct ch_rows *r, uint64_t v)
{
    uint8_t bytes[8];
    at_put_u64le(bytes, v);
    return put_bytes(r, bytes, sizeof bytes);
}

/* LEB128, as ClickHouse writes lengths. Returns how many bytes. */
#define LENGTH_MAX 10u
static size_t write_length(char *to, uint64_t v)
{
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        to[n++] = (char)(v | 0x80);
    to[n++] = (char)v;
    return n;
}

static enum at_err put_length(struct at_buf *out, uint64_t v)
{
    char bytes[LENGTH_MAX];
    return at_buf_add(out, bytes, write_length(bytes, v));
}

static enum at_err put_text(struct at_buf *out, struct at_str s)
{
    enum at_err err = put_length(out, s.len);
    return err || !s.len ? err : at_buf_add(out, s.ptr, s.len);
}

enum at_err ch_put_str(struct ch_rows *r, struct at_str s)
{
    char *to = room_for(r, LENGTH_MAX + s.len);
    if (!to)
        return AT_NOMEM;
    size_t n = write_length(to, s.len);
    if (s.len)
        memcpy(to + n, s.ptr, s.len);
    r->cells.len += n + s.len;
    return AT_OK;
}

/* An array: how many elements, how many bytes they take, and the elements. */
static enum at_err begin_array(struct ch_rows *r, size_t n, size_t *at)
{
    uint8_t head[8] = {0};
    at_put_u32le(head, (uint32_t)n);
    *at = r->cells.len;
    return put_bytes(r, head, sizeof head);
}

enum at_err ch_put_strs(struct ch_rows *r, const struct at_str *list, size_t n)
{
    size_t at;
    enum at_err err = begin_array(r, n, &at);
    for (size_t i = 0; i < n && !err; i++)
        err = ch_put_str(r, list[i]);
    if (!err)
        at_put_u32le((uint8_t *)r->cells.ptr + at + 4, (uint32_t)(r->cells.len - at - 8));
    return err;
}

enum at_err ch_put_u8s(struct ch_rows *r, const uint8_t *list, size_t n)
{
    size_t at;
    enum at_err err = begin_array(r, n, &at);
    if (!err && n)
        err = put_bytes(r, list, n);
    if (!err)
        at_put_u32le((uint8_t *)r->cells.ptr + at + 4, (uint32_t)n);
    return err;
}

void ch_rows_drop(struct ch_rows *r, bool (*there)(void *ctx, const struct ch_row *row), void *ctx)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (!there(ctx, &r->rows[i]))
            r->rows[n++] = r->rows[i];
    r->n = n;
}

/* ---- The order of the table: by app, by the hash of the key, and as they came */

struct place {
    uint64_t key;
    uint32_t rank, row; /* of the app; number of the row */
};

static int by_place(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return a->row < b->row ? -1 : 1;
}

struct name {
    struct at_str text;
    uint32_t id;
};

static int by_text(const void *x, const void *y)
{
    return at_str_cmp(((const struct name *)x)->text, ((const struct name *)y)->text);
}

static enum at_err rank_apps(const struct ch_rows *r, uint32_t **out)
{
    uint32_t n = at_intern_count(r->apps);
    struct name *names = malloc((n + 1) * sizeof *names);
    uint32_t *ranks = *out = malloc((n + 1) * sizeof *ranks);
    if (!names || !ranks) {
        free(names);
        return AT_NOMEM;
    }
    for (uint32_t i = 0; i < n; i++)
        names[i] = (struct name){at_intern_get(r->apps, i), i};
    qsort(names, n, sizeof *names, by_text);
    for (uint32_t i = 0; i < n; i++)
        ranks[names[i].id] = i;
    free(names);
    return AT_OK;
}

#define DIGIT_BITS 16u
#define DIGITS (1u << DIGIT_BITS)

static uint32_t digit_of(const struct place *p, unsigned digit)
{
    return digit == 2 ? p->rank & (DIGITS - 1) : (uint32_t)(p->key >> (32 + DIGIT_BITS * digit)) & (DIGITS - 1);
}

/* One pass of a radix sort, which keeps the order of equals. */
static void sort_digit(const struct place *from, struct place *to, size_t n, uint32_t *counts, unsigned digit)
{
    uint32_t before = 0;
    memset(counts, 0, DIGITS * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        counts[digit_of(&from[i], digit)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        uint32_t of_digit = counts[i];
        counts[i] = before;
        before += of_digit;
    }
    for (size_t i = 0; i < n; i++)
        to[counts[digit_of(&from[i], digit)]++] = from[i];
}

static bool is_sorted(const struct place *places, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (by_place(&places[i - 1], &places[i]) > 0)
            return false;
    return true;
}

/* By app and the upper half of the hash, which is all there is to sort by but for chance. */
static enum at_err sort_places(struct place **places, size_t n, uint32_t n_apps)
{
    struct place *other = malloc((n + 1) * sizeof *other), *swap;
    uint32_t *counts = malloc(DIGITS * sizeof *counts);
    for (unsigned digit = 0; digit < 3 && other && counts; digit++) {
        sort_digit(*places, other, n, counts, digit);
        swap = *places;
        *places = other;
        other = swap;
    }
    enum at_err err = other && counts ? AT_OK : AT_NOMEM;
    free(other);
    free(counts);
    if (!err && (n_apps > DIGITS || !is_sorted(*places, n)))
        qsort(*places, n, sizeof **places, by_place);
    return err;
}

static enum at_err sort_rows(const struct ch_rows *r, uint32_t **cursors)
{
    uint32_t *ranks = NULL, *at = *cursors = malloc((r->n + 1) * sizeof *at);
    struct place *places = malloc((r->n + 1) * sizeof *places);
    enum at_err err = at && places ? rank_apps(r, &ranks) : AT_NOMEM;
    for (size_t i = 0; i < r->n && !err; i++)
        places[i] = (struct place){r->rows[i].key, ranks[r->rows[i].app], (uint32_t)i};
    if (!err)
        err = sort_places(&places, r->n, at_intern_count(r->apps));
    for (size_t i = 0; i < r->n && !err; i++)
        at[i] = r->rows[places[i].row].cells;
    free(ranks);
    free(places);
    return err;
}

/* ---- Columns */

static size_t get_length(const uint8_t *p, uint64_t *v)
{
    size_t n = 0;
    *v = 0;
    do
        *v |= (uint64_t)(p[n] & 0x7f) << (7 * n);
    while (p[n++] & 0x80);
    return n;
}

/* `cursors`: of each row, its cell of this column; moved to the next. */
static enum at_err put_fixed(const struct ch_rows *r, uint32_t *cursors, size_t width, struct at_buf *out)
{
    enum at_err err = at_buf_reserve(out, r->n * width);
    if (err)
        return err;
    char *to = out->ptr + out->len;
    for (size_t i = 0; i < r->n; i++) {
        memcpy(to, r->cells.ptr + cursors[i], width);
        to += width;
        cursors[i] += (uint32_t)width;
    }
    out->len += r->n * width;
    return AT_OK;
}

static enum at_err put_strings(const struct ch_rows *r, uint32_t *cursors, struct at_buf *out)
{
    for (size_t i = 0; i < r->n; i++) {
        const char *cell = r->cells.ptr + cursors[i];
        uint64_t len;
        size_t all = get_length((const uint8_t *)cell, &len) + (size_t)len;
        if (out->cap - out->len < all && at_buf_reserve(out, all))
            return AT_NOMEM;
        memcpy(out->ptr + out->len, cell, all);
        out->len += all;
        cursors[i] += (uint32_t)all;
    }
    return AT_OK;
}

/* Where each array ends, and then all of their elements. */
static enum at_err put_arrays(const struct ch_rows *r, uint32_t *cursors, struct at_buf *out)
{
    uint64_t end = 0;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < r->n && !err; i++) {
        uint8_t bytes[8];
        end += at_get_u32le((const uint8_t *)r->cells.ptr + cursors[i]);
        at_put_u64le(bytes, end);
        err = at_buf_add(out, bytes, sizeof bytes);
    }
    for (size_t i = 0; i < r->n && !err; i++) {
        const char *cell = r->cells.ptr + cursors[i];
        uint32_t len = at_get_u32le((const uint8_t *)cell + 4);
        if (len)
            err = at_buf_add(out, cell + 8, len);
        cursors[i] += 8 + len;
    }
    return err;
}

static enum at_err put_column(const struct ch_rows *r, const struct ch_column *c, uint32_t *cursors, struct at_buf *out)
{
    static const size_t widths[] = {[CH_U8] = 1, [CH_U16] = 2, [CH_U32] = 4, [CH_U64] = 8};
    enum at_err err = put_text(out, at_str(c->name));
    if (!err)
        err = put_text(out, at_str(c->type));
    if (err)
        return err;
    switch (c->as) {
    case CH_STRING:
        return put_strings(r, cursors, out);
    case CH_STRINGS:
    case CH_U8S:
        return put_arrays(r, cursors, out);
    case CH_U8:
    case CH_U16:
    case CH_U32:
    case CH_U64:
    default:
        return put_fixed(r, cursors, widths[c->as], out);
    }
}

enum at_err ch_native(struct ch_rows *r, struct at_buf *out)
{
    uint32_t *cursors = NULL;
    enum at_err err = sort_rows(r, &cursors);
    if (!err)
        err = put_length(out, r->table->n_columns);
    if (!err)
        err = put_length(out, r->n);
    for (size_t i = 0; i < r->table->n_columns && !err; i++)
        err = put_column(r, &r->table->columns[i], cursors, out);
    free(cursors);
    return err;
}
