/* dialect_doc.c: an arena, an index of a JSON text, and JSON Pointers (RFC 6901) into it. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

/* ---- Arena */

#define CHUNK_BYTES (size_t)8192

void *at_arena_more(struct at_arena *a, size_t size)
{
    const size_t cap = size > CHUNK_BYTES ? size : CHUNK_BYTES;
    struct at_arena_chunk *c = malloc(sizeof *c + cap);
    if (!c)
        return NULL;
    *c = (struct at_arena_chunk){.next = a->chunks, .used = size, .cap = cap};
    a->chunks = c;
    return c->bytes;
}

struct at_str at_arena_copy(struct at_arena *a, struct at_str s)
{
    char *p = at_arena_get(a, s.len + 1);
    if (!p)
        return (struct at_str){0};
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = 0;
    return (struct at_str){p, s.len};
}

void at_arena_drop_chunks(struct at_arena *a, struct at_arena_mark mark)
{
    while (a->chunks && a->chunks != mark.chunk && (mark.chunk || a->chunks->next)) {
        struct at_arena_chunk *next = a->chunks->next;
        free(a->chunks);
        a->chunks = next;
    }
}

void at_arena_free(struct at_arena *a)
{
    at_arena_release(a, (struct at_arena_mark){0});
    free(a->chunks);
    *a = (struct at_arena){0};
}

/* ---- Strings */

static uint32_t hex4(const char *p)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* "\uXXXX" at p, a surrogate pair taken together; a lone surrogate is U+FFFD. Returns what follows. */
static const char *take_unicode(const char *p, const char *end, uint32_t *out)
{
    uint32_t c = hex4(p + 2);
    p += 6;
    if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
        uint32_t low = hex4(p + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            *out = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            return p + 6;
        }
    }
    *out = c >= 0xd800 && c < 0xe000 ? 0xfffd : c;
    return p;
}

/* The bytes up to the next backslash, copied; `to` has room for 16 more than those up to `end`. */
static inline const char *copy_run(const char *p, const char *end, char **to)
{
#ifdef __SSE2__
    const __m128i escapes = _mm_set1_epi8('\\');
    while (end - p >= 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        const unsigned hit = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, escapes));
        const unsigned n = hit ? (unsigned)__builtin_ctz(hit) : 16;
        _mm_storeu_si128((__m128i *)(void *)*to, v);
        p += n;
        *to += n;
        if (hit)
            return p;
    }
#endif
    while (p < end && *p != '\\')
        *(*to)++ = *p++;
    return p;
}

#define UNESCAPE_SLACK 16 /* bytes of the room beyond the length of what is taken apart */

static struct at_str unescape(struct at_str s, char *room)
{
    static const char meant[128] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    const char *p = s.ptr, *end = p + s.len;
    char *to = room;
    while ((p = copy_run(p, end, &to)) < end) {
        if (p[1] == 'u') {
            uint32_t c;
            p = take_unicode(p, end, &c);
            to = put_utf8(to, c);
        } else {
            *to++ = meant[p[1] & 0x7f];
            p += 2;
        }
    }
    return (struct at_str){room, (size_t)(to - room)};
}

enum at_err at_doc_unescape(struct at_arena *arena, struct at_str *text)
{
    char *room = at_arena_get(arena, text->len + UNESCAPE_SLACK);
    if (!room)
        return AT_NOMEM;
    *text = unescape(*text, room);
    return AT_OK;
}

/* ---- Pointers */

static enum at_err compile_token(struct at_arena *arena, struct at_str raw, struct at_str *out)
{
    char *to = at_arena_get(arena, raw.len + 1);
    if (!to)
        return AT_NOMEM;
    *out = (struct at_str){to, 0};
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.ptr[i];
        if (c == '~') {
            if (i + 1 == raw.len || (raw.ptr[i + 1] != '0' && raw.ptr[i + 1] != '1'))
                return AT_BAD;
            c = raw.ptr[++i] == '0' ? '~' : '/';
        }
        to[out->len++] = c;
    }
    return AT_OK;
}

enum at_err at_pointer_compile(struct at_arena *arena, struct at_str text, struct at_pointer *out)
{
    *out = (struct at_pointer){0};
    if (text.len == 0)
        return AT_OK;
    if (text.ptr[0] != '/')
        return AT_BAD;
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        n += text.ptr[i] == '/';
    out->tokens = at_arena_get(arena, n * sizeof *out->tokens);
    if (!out->tokens)
        return AT_NOMEM;
    for (size_t from = 1; from <= text.len;) {
        const char *slash = memchr(text.ptr + from, '/', text.len - from);
        size_t to = slash ? (size_t)(slash - text.ptr) : text.len;
        enum at_err err = compile_token(arena, (struct at_str){text.ptr + from, to - from}, &out->tokens[out->n++]);
        if (err)
            return err;
        from = to + 1;
    }
    return AT_OK;
}

/* Keys with escapes are rare: they are taken apart into a small room, longer ones match nothing. */
static __attribute__((noinline)) bool escaped_key_is(struct at_str raw, struct at_str name)
{
    char room[512 + UNESCAPE_SLACK];
    return raw.len > name.len && raw.len <= 512 && at_str_eq(unescape(raw, room), name);
}

static inline bool key_is(const struct at_doc *d, const struct at_doc_node *key, struct at_str name)
{
    const struct at_str raw = {d->text.ptr + key->start + 1, key->end - key->start - 2};
    return key->escaped ? escaped_key_is(raw, name) : at_str_eq(raw, name);
}

static bool index_of(struct at_str token, uint32_t *out)
{
    if (token.len == 0 || token.len > 9 || (token.len > 1 && token.ptr[0] == '0'))
        return false;
    *out = 0;
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] < '0' || token.ptr[i] > '9')
            return false;
        *out = *out * 10 + (uint32_t)(token.ptr[i] - '0');
    }
    return true;
}

uint32_t at_doc_child(const struct at_doc *d, uint32_t node, struct at_str token)
{
    const struct at_doc_node *o = &d->nodes[node];
    uint32_t i = node + 1, wanted;
    if (o->type == AT_J_OBJECT) {
        for (; i < o->next; i = d->nodes[i + 1].next)
            if (key_is(d, &d->nodes[i], token))
                return i + 1;
    } else if (o->type == AT_J_ARRAY && index_of(token, &wanted)) {
        for (; i < o->next; i = d->nodes[i].next)
            if (wanted-- == 0)
                return i;
    }
    return AT_NO_NODE;
}

uint32_t at_pointer_find(const struct at_pointer *p, const struct at_doc *d, uint32_t from)
{
    for (size_t i = 0; i < p->n && from != AT_NO_NODE; i++)
        from = at_doc_child(d, from, p->tokens[i]);
    return from;
}

/* ---- JSON inside of strings */

#define JSON_TRIES 4

enum at_err at_docs_take(struct at_docs *docs, struct at_str text, const struct at_doc **out)
{
    *out = NULL;
    if (docs->used == AT_DOCS || !text.ptr)
        return AT_OK;
    struct at_doc *d = &docs->list[docs->used];
    const char *from = text.ptr, *end = from + text.len;
    for (int tries = 0; tries < JSON_TRIES; tries++, from++) { /* "[tag] {…}" begins like JSON, too */
        while (from < end && *from != '{' && *from != '[')
            from++;
        if (from == end)
            return AT_OK;
        enum at_err err = at_doc_index(d, (struct at_str){from, (size_t)(end - from)});
        if (!err) {
            docs->used++;
            *out = d;
        }
        if (err != AT_BAD)
            return err == AT_NOMEM ? err : AT_OK;
    }
    return AT_OK;
}

void at_docs_free(struct at_docs *docs)
{
    for (size_t i = 0; i < AT_DOCS; i++)
        at_doc_free(&docs->list[i]);
}
