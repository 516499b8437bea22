/* width.c: how strings from outside look on a terminal. */
#include "analysis/print.h"

/* A code point of the valid sequence of `n` bytes at `p`. */
static uint32_t code_point(const char *p, size_t n)
{
    const unsigned char *b = (const unsigned char *)p;
    if (n == 1)
        return b[0];
    uint32_t c = b[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (b[i] & 0x3f);
    return c;
}

struct range {
    uint32_t first, last;
};

static bool in(const struct range *list, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= list[i].first && c <= list[i].last)
            return true;
    return false;
}
#define IN(list, c) in(list, sizeof list / sizeof list[0], c)

/* East Asian wide and fullwidth (UAX #11), emoji included: two columns. */
static const struct range wide[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xa960, 0xa97c}, {0xac00, 0xd7a3},
    {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6}, {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd},
};
/* Combining marks and joiners: no column of their own. */
static const struct range narrow[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},   {0x610, 0x61a},   {0x64b, 0x65f},     {0x200b, 0x200d},
    {0x20d0, 0x20f0}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef},
};
/* What moves the cursor, or turns the direction of the text around it. */
static const struct range unsafe[] = {
    {0, 0x1f}, {0x7f, 0x9f}, {0x61c, 0x61c}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
};

size_t text_width(struct at_str s)
{
    size_t width = 0;
    for (size_t i = 0; i < s.len;) {
        struct at_str rest = {s.ptr + i, s.len - i};
        size_t n = at_utf8_sequence(rest);
        uint32_t c = n ? code_point(rest.ptr, n) : 0xfffd;
        width += IN(wide, c) ? 2 : IN(narrow, c) ? 0 : 1;
        i += n ? n : 1;
    }
    return width;
}

enum at_err text_safe(struct at_buf *out, struct at_str s)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < s.len && !err;) {
        struct at_str rest = {s.ptr + i, s.len - i};
        size_t n = at_utf8_sequence(rest);
        uint32_t c = n ? code_point(rest.ptr, n) : 0xfffd;
        if (!n)
            err = at_buf_str(out, AT_STR("\xef\xbf\xbd"));
        else if (IN(unsafe, c))
            err = at_buf_printf(out, "\\u{%x}", (unsigned)c);
        else
            err = at_buf_add(out, rest.ptr, n);
        i += n ? n : 1;
    }
    return err;
}
