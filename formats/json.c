/* json.c: a strict scanner of JSON text (RFC 8259), which makes an index of it where one is wanted. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && (unsigned char)*p <= ' ' && is_space(*p))
        p++;
    return p;
}

/* White space, seldom there: what is always looked for should cost little. */
static __attribute__((noinline)) const char *skip_some(const char *p, const char *end, bool *spaced)
{
    const char *after = skip_space(p, end);
    *spaced |= after != p;
    return after;
}

/* As skip_space; notes whether there was any. */
static inline const char *skip_noted(const char *p, const char *end, bool *spaced)
{
    return p < end && (unsigned char)*p <= ' ' ? skip_some(p, end, spaced) : p;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* What may stand behind a backslash, alone. */
static bool is_escape(char c)
{
    static const bool escapes[128] = {['"'] = true, ['\\'] = true, ['/'] = true, ['b'] = true,
                                      ['f'] = true, ['n'] = true,  ['r'] = true, ['t'] = true};
    return (unsigned char)c < 128 && escapes[(unsigned char)c];
}

/* Each scanner takes the first byte of a token and returns the byte after it, NULL where it is malformed. */

static const char *scan_escape(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    if (*p != 'u')
        return is_escape(*p) ? p + 1 : NULL;
    if (end - p < 5)
        return NULL;
    for (int i = 1; i <= 4; i++)
        if (!is_hex(p[i]))
            return NULL;
    return p + 5;
}

/*
 * Skips what needs no look in a string: ASCII but for control characters, quote and escape. Sixteen bytes at a time
 * where the processor can, then eight.
 */
static inline const char *skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quotes = _mm_set1_epi8('"'), escapes = _mm_set1_epi8('\\'), blanks = _mm_set1_epi8(0x20);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(v, quotes), _mm_cmpeq_epi8(v, escapes));
        marks = _mm_or_si128(marks, _mm_cmplt_epi8(v, blanks)); /* signed: from 0x80 on they are less, too */
        unsigned hit = (unsigned)_mm_movemask_epi8(marks);
        if (hit)
            return p + __builtin_ctz(hit);
    }
#endif
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80;
    for (; end - p >= 8; p += 8) {
        uint64_t v = at_get_u64le((const uint8_t *)p);
        uint64_t quote = v ^ ones * '"', escape = v ^ ones * '\\';
        /* The lowest byte that one of the four tests marks is rightly marked; see "Determine if a word has a zero". */
        uint64_t hit = v | (v - ones * 0x20) | ((quote - ones) & ~quote) | ((escape - ones) & ~escape);
        if (hit & high)
            return p + __builtin_ctzll(hit & high) / 8;
    }
    return p;
}

/* The length of the UTF-8 sequence at `p`, whose first byte is not ASCII; 0 where it is none. */
static size_t sequence(const char *p, const char *end)
{
    if (end - p >= 3 && (unsigned char)p[0] > 0xe0 && (unsigned char)p[0] < 0xed && (p[1] & 0xc0) == 0x80 &&
        (p[2] & 0xc0) == 0x80)
        return 3; /* most of what is not ASCII, and free of special cases */
    return at_utf8_sequence((struct at_str){p, (size_t)(end - p)});
}

static inline __attribute__((always_inline)) const char *string_body(const char *p, const char *end, bool *escaped)
{
    for (p++; p < end;) {
        p = skip_plain(p, end);
        while (p < end && (unsigned char)*p >= 0x80) {
            size_t n = sequence(p, end);
            if (n == 0)
                return NULL;
            p += n;
        }
        if (p == end)
            return NULL;
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            return p + 1;
        if (c == '\\') {
            p = scan_escape(p + 1, end);
            if (!p)
                return NULL;
            if (escaped)
                *escaped = true;
        } else if (c < 0x20) {
            return NULL;
        } else {
            p++;
        }
    }
    return NULL;
}

static const char *scan_string(const char *p, const char *end)
{
    return string_body(p, end, NULL);
}

static const char *scan_noted_string(const char *p, const char *end, bool *escaped)
{
    return string_body(p, end, escaped);
}

static const char *scan_digits(const char *p, const char *end)
{
    if (p == end || !is_digit(*p))
        return NULL;
    while (p < end && is_digit(*p))
        p++;
    return p;
}

static const char *scan_number(const char *p, const char *end)
{
    if (*p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else
        p = scan_digits(p, end);
    if (p && p < end && *p == '.')
        p = scan_digits(p + 1, end);
    if (p && p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = scan_digits(p, end);
    }
    return p;
}

static const char *scan_word(const char *p, const char *end, const char *word)
{
    size_t n = strlen(word);
    return (size_t)(end - p) >= n && !memcmp(p, word, n) ? p + n : NULL;
}

/* A number or a word. */
static const char *scan_other(const char *p, const char *end)
{
    switch (*p) {
    case 't':
        return scan_word(p, end, "true");
    case 'f':
        return scan_word(p, end, "false");
    case 'n':
        return scan_word(p, end, "null");
    default:
        return *p == '-' || is_digit(*p) ? scan_number(p, end) : NULL;
    }
}

/* ---- The index */

static __attribute__((noinline)) bool more_nodes(struct at_doc *d)
{
    uint32_t cap = d->cap ? d->cap * 2 : 64;
    struct at_doc_node *nodes = realloc(d->nodes, cap * sizeof *nodes);
    d->failed = !nodes;
    if (!nodes)
        return false;
    d->nodes = nodes;
    d->cap = cap;
    return true;
}

/* The node of what begins at `p`; NULL: out of memory. Of a scalar, all but its end is known. */
static inline struct at_doc_node *new_node(struct at_doc *d, const char *p, uint8_t type)
{
    if (d->n == d->cap && !more_nodes(d))
        return NULL;
    struct at_doc_node *node = &d->nodes[d->n++];
    *node = (struct at_doc_node){.start = (uint32_t)(p - d->text.ptr), .next = d->n, .type = type};
    return node;
}

#define SHORT_BYTES 48 /* looked at, at most */

/* Behind a string that is short and plain, as most are; NULL: it has to be scanned. */
static inline const char *short_string(const char *p, const char *end)
{
#ifdef __SSE2__
    const __m128i quotes = _mm_set1_epi8('"'), escapes = _mm_set1_epi8('\\'), blanks = _mm_set1_epi8(0x20);
    for (const char *q = p + 1; q < p + SHORT_BYTES && end - q >= 16; q += 16) {
        const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)q);
        const __m128i marks = _mm_or_si128(_mm_cmpeq_epi8(v, escapes), _mm_cmplt_epi8(v, blanks)); /* see skip_plain */
        const unsigned quote = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, quotes));
        const unsigned mark = (unsigned)_mm_movemask_epi8(marks);
        if (quote | mark) /* up to the first quote there may be nothing else */
            return quote && !(mark & (quote ^ (quote - 1))) ? q + 1 + __builtin_ctz(quote) : NULL;
    }
#else
    (void)p, (void)end;
#endif
    return NULL;
}

/* A string that is noted as a node of that type. */
static inline const char *note_string(const char *p, const char *end, struct at_doc *d, uint8_t type)
{
    struct at_doc_node *node = new_node(d, p, type);
    if (!node)
        return NULL;
    const char *after = short_string(p, end);
    if (!after && !(after = scan_noted_string(p, end, &node->escaped)))
        return NULL;
    p = after;
    node->end = (uint32_t)(p - d->text.ptr);
    return p;
}

static const char *note_other(const char *p, const char *end, struct at_doc *d)
{
    const bool word = *p == 't' || *p == 'f' || *p == 'n';
    struct at_doc_node *node = new_node(d, p, word ? (uint8_t)*p : AT_J_NUMBER);
    p = node ? scan_other(p, end) : NULL;
    if (p)
        node->end = (uint32_t)(p - d->text.ptr);
    return p;
}

/* ---- Values */

static inline __attribute__((always_inline)) const char *scan_scalar(const char *p, const char *end, struct at_doc *d)
{
    if (*p == '"')
        return d ? note_string(p, end, d, AT_J_STRING) : scan_string(p, end);
    return d ? note_other(p, end, d) : scan_other(p, end);
}

/* The key and colon of a member; returns where its value starts. */
static inline __attribute__((always_inline)) const char *scan_key(const char *p, const char *end, bool *spaced,
                                                                  struct at_doc *d)
{
    p = skip_noted(p, end, spaced);
    if (p == end || *p != '"')
        return NULL;
    p = d ? note_string(p, end, d, AT_J_KEY) : scan_string(p, end);
    if (!p)
        return NULL;
    p = skip_noted(p, end, spaced);
    return p < end && *p == ':' ? p + 1 : NULL;
}

/* What is open: how it closes, and its node. */
struct open {
    char close[AT_JSON_DEPTH];
    uint32_t node[AT_JSON_DEPTH];
};

static inline void note_end(const char *p, struct at_doc *d, uint32_t node)
{
    d->nodes[node].end = (uint32_t)(p - d->text.ptr);
    d->nodes[node].next = d->n;
}

/*
 * A value, by an explicit stack of what is open: no recursion on input. `*spaced` is set at white space outside
 * strings. With `d`, all that is met is noted there; it is known when this is compiled whether there is one.
 */
static inline __attribute__((always_inline)) const char *scan(const char *p, const char *end, bool *spaced,
                                                              struct at_doc *d)
{
    struct open open;
    size_t depth = 0;
    for (;;) {
        p = skip_noted(p, end, spaced);
        if (p == end)
            return NULL;
        if (*p == '{' || *p == '[') {
            char close = *p == '{' ? '}' : ']';
            if (depth == AT_JSON_DEPTH || (d && !new_node(d, p, (uint8_t)*p)))
                return NULL;
            if (d)
                open.node[depth] = d->n - 1;
            p = skip_noted(p + 1, end, spaced);
            if (p == end)
                return NULL;
            if (*p != close) {
                open.close[depth++] = close;
                if (close == '}' && !(p = scan_key(p, end, spaced, d)))
                    return NULL;
                continue;
            }
            p++; /* empty */
            if (d)
                note_end(p, d, open.node[depth]);
        } else {
            p = scan_scalar(p, end, d);
            if (!p)
                return NULL;
        }
        for (;;) { /* a value is complete: close what it completes */
            if (depth == 0)
                return p;
            p = skip_noted(p, end, spaced);
            if (p == end)
                return NULL;
            if (*p == ',')
                break;
            if (*p != open.close[depth - 1])
                return NULL;
            depth--;
            p++;
            if (d)
                note_end(p, d, open.node[depth]);
        }
        p++;
        if (open.close[depth - 1] == '}' && !(p = scan_key(p, end, spaced, d)))
            return NULL;
    }
}

static const char *scan_value(const char *p, const char *end, bool *spaced)
{
    return scan(p, end, spaced, NULL);
}

enum at_err at_doc_index(struct at_doc *d, struct at_str s)
{
    d->text = s;
    d->n = 0;
    d->spaced = d->failed = false;
    if (!s.ptr)
        return AT_BAD;
    if (s.len > AT_DOC_MAX_BYTES)
        return at_json_valid(s) ? AT_LIMIT : AT_BAD;
    const char *end = s.ptr + s.len, *p = scan(s.ptr, end, &d->spaced, d);
    if (!p)
        return d->failed ? AT_NOMEM : AT_BAD;
    return skip_noted(p, end, &d->spaced) == end ? AT_OK : AT_BAD;
}

void at_doc_free(struct at_doc *d)
{
    free(d->nodes);
    *d = (struct at_doc){0};
}

size_t at_json_skip(struct at_str s)
{
    if (!s.ptr)
        return 0;
    bool spaced = false;
    const char *p = scan_value(s.ptr, s.ptr + s.len, &spaced);
    return p ? (size_t)(p - s.ptr) : 0;
}

bool at_json_check(struct at_str s, bool *spaced)
{
    *spaced = false;
    if (!s.ptr)
        return false;
    const char *end = s.ptr + s.len, *p = scan_value(s.ptr, end, spaced);
    return p && skip_noted(p, end, spaced) == end;
}

bool at_json_valid(struct at_str s)
{
    bool spaced;
    return at_json_check(s, &spaced);
}

const char *at_json_string_end(const char *p, const char *end)
{
    for (p++;; p += 2) { /* an escape is two bytes at least, and neither of them ends the string */
#ifdef __SSE2__
        const __m128i quotes = _mm_set1_epi8('"'), escapes = _mm_set1_epi8('\\');
        unsigned hit = 0;
        while (end - p >= 16 && !hit) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
            hit = (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, quotes), _mm_cmpeq_epi8(v, escapes)));
            p += hit ? __builtin_ctz(hit) : 16;
        }
#endif
        while (p < end && *p != '"' && *p != '\\')
            p++;
        if (p < end && *p == '"')
            return p + 1;
        if (end - p <= 2)
            return end;
    }
}

void at_json_iter_begin(struct at_json_iter *it, struct at_str object)
{
    const char *end = object.ptr + object.len;
    const char *p = object.ptr ? skip_space(object.ptr, end) : end;
    *it = (struct at_json_iter){0};
    if (p < end && *p == '{')
        it->rest = (struct at_str){p + 1, (size_t)(end - p - 1)};
}

bool at_json_iter_next(struct at_json_iter *it, struct at_str *raw_key, struct at_str *raw_value)
{
    const char *p = it->rest.ptr, *end = p ? p + it->rest.len : p;
    if (!p)
        return false;
    p = skip_space(p, end);
    if (it->begun && p < end && *p == ',')
        p = skip_space(p + 1, end);
    it->begun = true;
    if (p == end || *p != '"')
        return false;
    const char *after = scan_string(p, end);
    if (!after)
        return false;
    *raw_key = (struct at_str){p, (size_t)(after - p)};
    p = skip_space(after, end);
    if (p == end || *p != ':')
        return false;
    p = skip_space(p + 1, end);
    bool spaced = false;
    after = p < end ? scan_value(p, end, &spaced) : NULL;
    if (!after)
        return false;
    *raw_value = (struct at_str){p, (size_t)(after - p)};
    it->rest = (struct at_str){after, (size_t)(end - after)};
    return true;
}

struct at_str at_json_member(struct at_str s, const char *name)
{
    struct at_json_iter it;
    struct at_str key, value, wanted = at_str(name);
    at_json_iter_begin(&it, s);
    while (at_json_iter_next(&it, &key, &value))
        if (at_str_eq((struct at_str){key.ptr + 1, key.len - 2}, wanted))
            return value;
    return (struct at_str){0};
}
