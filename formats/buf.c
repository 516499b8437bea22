/* buf.c: error words, string views, growing buffers. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"

const char *at_err_text(enum at_err err)
{
    static const char *const texts[] = {
#define X(name, text) text,
        AT_ERR_MAP(X)
#undef X
    };
    return (size_t)err < sizeof texts / sizeof texts[0] ? texts[err] : "unknown error";
}

enum at_err(at_fail)(struct at_why *why, enum at_err err, const char *fmt, ...)
{
    if (why) {
        va_list args;
        va_start(args, fmt);
        vsnprintf(why->text, sizeof why->text, fmt, args);
        va_end(args);
    }
    return err;
}

int at_str_cmp(struct at_str a, struct at_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

size_t at_str_find(struct at_str s, struct at_str needle)
{
    if (needle.len == 0)
        return 0;
    if (s.len < needle.len)
        return SIZE_MAX;
    const char *hit = memmem(s.ptr, s.len, needle.ptr, needle.len);
    return hit ? (size_t)(hit - s.ptr) : SIZE_MAX;
}

/* RFC 3629, section 4. */
size_t at_utf8_sequence(struct at_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (s.len < len)
        return 0;
    uint8_t low = 0x80, high = 0xbf; /* of the second byte: no overlong forms, no surrogates, nothing past U+10FFFF */
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

bool at_utf8_valid(struct at_str s)
{
    while (s.len) {
        size_t n = at_utf8_sequence(s);
        if (n == 0)
            return false;
        s.ptr += n;
        s.len -= n;
    }
    return true;
}

/* Multiply and fold, eight bytes at a time. */
/* The last `len` bytes (less than 8), at `p`, as a number: lowest first. `from` is where all bytes start. */
static uint64_t tail_of(const uint8_t *from, const uint8_t *p, size_t len)
{
    if (len == 0)
        return 0;
    if (p != from) /* bytes before them may be read again */
        return at_get_u64le(p + len - 8) >> (8 * (8 - len));
    if (len >= 4)
        return at_get_u32le(p) | ((uint64_t)at_get_u32le(p + len - 4) >> (8 * (8 - len))) << 32;
    return p[0] | (uint64_t)p[len / 2] << (8 * (len / 2)) | (uint64_t)p[len - 1] << (8 * (len - 1));
}

uint64_t at_hash(const void *data, size_t len, uint64_t seed)
{
    const uint64_t k = 0x9fb21c651e98df25u;
    const uint8_t *p = data;
    uint64_t h = seed ^ (len * k);
    for (; len >= 8; p += 8, len -= 8) {
        h = (h ^ at_get_u64le(p)) * k;
        h ^= h >> 32;
    }
    h = (h ^ tail_of(data, p, len)) * k;
    h ^= h >> 35;
    h *= k;
    return h ^ h >> 28;
}

/* Eight digits at once: those of a pair are put together, then pairs, then fours. False: not all are digits. */
static inline bool eight_digits(const char *p, uint64_t *n)
{
    const uint64_t v = at_get_u64le((const uint8_t *)p), high = 0xf0f0f0f0f0f0f0f0u, six = 0x0606060606060606u;
    if (((v & high) | ((v + six) & high) >> 4) != 0x3333333333333333u) /* 0x30 to 0x39, and no carry by six more */
        return false;
    uint64_t pairs = ((v & 0x0f0f0f0f0f0f0f0fu) * (10 << 8 | 1)) >> 8;
    uint64_t fours = ((pairs & 0x00ff00ff00ff00ffu) * (100 << 16 | 1)) >> 16;
    *n = ((fours & 0x0000ffff0000ffffu) * (UINT64_C(10000) << 32 | 1)) >> 32;
    return true;
}

bool at_digits(struct at_str s, uint64_t *n)
{
    uint64_t part = 0;
    size_t i = 0;
    *n = 0;
    if (s.len == 0 || s.len > AT_DIGITS_MAX)
        return false;
    for (; i + 8 <= s.len; i += 8) {
        if (!eight_digits(s.ptr + i, &part))
            return false;
        *n = *n * 100000000 + part;
    }
    for (; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
        *n = *n * 10 + (uint64_t)(s.ptr[i] - '0');
    }
    return true;
}

enum at_err at_buf_reserve(struct at_buf *b, size_t more_bytes)
{
    if (b->cap - b->len >= more_bytes)
        return AT_OK;
    if (more_bytes > SIZE_MAX / 4 || b->len > SIZE_MAX / 4)
        return AT_NOMEM;
    size_t cap = b->cap < 64 ? 64 : b->cap * 2;
    if (cap < b->len + more_bytes)
        cap = b->len + more_bytes;
    char *ptr = realloc(b->ptr, cap);
    if (!ptr)
        return AT_NOMEM;
    b->ptr = ptr;
    b->cap = cap;
    return AT_OK;
}

enum at_err at_buf_add(struct at_buf *b, const void *data, size_t len)
{
    enum at_err err = at_buf_reserve(b, len);
    if (err)
        return err;
    if (len)
        memcpy(b->ptr + b->len, data, len);
    b->len += len;
    return AT_OK;
}

enum at_err at_buf_str(struct at_buf *b, struct at_str s)
{
    return at_buf_add(b, s.ptr, s.len);
}

enum at_err at_buf_vprintf(struct at_buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    enum at_err err = n < 0 ? AT_BAD : at_buf_reserve(b, (size_t)n + 1);
    if (!err) {
        vsnprintf(b->ptr + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return err;
}

enum at_err at_buf_printf(struct at_buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    enum at_err err = at_buf_vprintf(b, fmt, args);
    va_end(args);
    return err;
}

void at_buf_drop(struct at_buf *b, size_t front_bytes)
{
    if (front_bytes >= b->len) {
        b->len = 0;
        return;
    }
    memmove(b->ptr, b->ptr + front_bytes, b->len - front_bytes);
    b->len -= front_bytes;
}

void at_buf_free(struct at_buf *b)
{
    free(b->ptr);
    *b = (struct at_buf){0};
}

enum at_err at_grow(void **array, size_t *cap, size_t wanted, size_t element_bytes)
{
    if (wanted <= *cap)
        return AT_OK;
    size_t more = *cap < 16 ? 16 : *cap * 2;
    while (more < wanted)
        more *= 2;
    char *moved = realloc(*array, more * element_bytes);
    if (!moved)
        return AT_NOMEM;
    memset(moved + *cap * element_bytes, 0, (more - *cap) * element_bytes);
    *array = moved;
    *cap = more;
    return AT_OK;
}
