/* json.c: a strict scanner of JSON text (RFC 8259), and the writing of strings. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
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

/* Each scanner takes the first byte of a token and returns the byte after it, NULL where it is malformed. */

static const char *scan_escape(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    if (*p != 'u')
        return memchr("\"\\/bfnrt", *p, 8) ? p + 1 : NULL;
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

static const char *scan_string(const char *p, const char *end)
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
        } else if (c < 0x20) {
            return NULL;
        } else {
            p++;
        }
    }
    return NULL;
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

static const char *scan_scalar(const char *p, const char *end)
{
    switch (*p) {
    case '"':
        return scan_string(p, end);
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

/* The key and colon of a member; returns where its value starts. */
static const char *scan_key(const char *p, const char *end, bool *spaced)
{
    p = skip_noted(p, end, spaced);
    if (p == end || *p != '"')
        return NULL;
    p = scan_string(p, end);
    if (!p)
        return NULL;
    p = skip_noted(p, end, spaced);
    return p < end && *p == ':' ? p + 1 : NULL;
}

/* A value, by an explicit stack of what is open: no recursion on input. `*spaced` is set at white space outside
 * strings. */
static const char *scan_value(const char *p, const char *end, bool *spaced)
{
    char open[AT_JSON_DEPTH];
    size_t depth = 0;
    for (;;) {
        p = skip_noted(p, end, spaced);
        if (p == end)
            return NULL;
        if (*p == '{' || *p == '[') {
            char close = *p == '{' ? '}' : ']';
            if (depth == AT_JSON_DEPTH)
                return NULL;
            p = skip_noted(p + 1, end, spaced);
            if (p == end)
                return NULL;
            if (*p != close) {
                open[depth++] = close;
                if (close == '}' && !(p = scan_key(p, end, spaced)))
                    return NULL;
                continue;
            }
            p++; /* empty */
        } else {
            p = scan_scalar(p, end);
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
            if (*p != open[depth - 1])
                return NULL;
            depth--;
            p++;
        }
        p++;
        if (open[depth - 1] == '}' && !(p = scan_key(p, end, spaced)))
            return NULL;
    }
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

enum at_err at_json_compact(struct at_buf *out, struct at_str s)
{
    enum at_err err = at_buf_reserve(out, s.len);
    const char *p = s.ptr, *end = s.ptr + s.len, *from = p;
    while (p < end && !err) {
        if (*p == '"') {
            p = at_json_string_end(p, end);
        } else if (is_space(*p)) {
            err = at_buf_add(out, from, (size_t)(p - from));
            from = p = skip_space(p, end);
        } else {
            p++;
        }
    }
    return err ? err : at_buf_add(out, from, (size_t)(end - from));
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

/* The escape of an ASCII byte that needs one, NULL for a byte that stands for itself. */
static const char *escape_of(unsigned char c, char room[7])
{
    static const char hex[] = "0123456789abcdef";
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *short_form = c ? strchr(from, c) : NULL;
    if (short_form) {
        memcpy(room, (char[]){'\\', to[short_form - from], 0}, 3);
        return room;
    }
    if (c >= 0x20 && c != 0x7f)
        return NULL;
    memcpy(room, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15], 0}, 7);
    return room;
}

/* The escape of a character that steers a terminal or turns the direction of the text around it; NULL for any other:
 * C1 controls (U+0080 to U+009F), U+061C, U+200E, U+200F, U+2028 to U+202E, U+2066 to U+2069. */
static const char *steering_escape(struct at_str sequence, char room[7])
{
    const unsigned char *p = (const unsigned char *)sequence.ptr;
    unsigned c = sequence.len == 2   ? (unsigned)(p[0] & 0x1f) << 6 | (p[1] & 0x3f)
                 : sequence.len == 3 ? (unsigned)(p[0] & 0xf) << 12 | (unsigned)(p[1] & 0x3f) << 6 | (p[2] & 0x3f)
                                     : 0;
    bool steers = (c >= 0x80 && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
                  (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
    if (!steers)
        return NULL;
    snprintf(room, 7, "\\u%04x", c);
    return room;
}

enum at_err at_json_quote(struct at_buf *out, struct at_str s)
{
    size_t before = out->len, from = 0;
    char room[7];
    enum at_err err = at_buf_add(out, "\"", 1);
    for (size_t i = 0; i < s.len && !err;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = c < 0x80 ? 1 : at_utf8_sequence((struct at_str){s.ptr + i, s.len - i});
        const char *instead = n == 0     ? "\xef\xbf\xbd"
                              : c < 0x80 ? escape_of(c, room)
                                         : steering_escape((struct at_str){s.ptr + i, n}, room);
        if (instead) {
            err = at_buf_add(out, s.ptr + from, i - from);
            if (!err)
                err = at_buf_str(out, at_str(instead));
            from = i + (n ? n : 1);
        }
        i += n ? n : 1;
    }
    if (!err)
        err = at_buf_add(out, s.ptr ? s.ptr + from : "", s.len - from);
    if (!err)
        err = at_buf_add(out, "\"", 1);
    if (err)
        out->len = before;
    return err;
}
