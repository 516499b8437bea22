/* json_text.c: JSON text written: strings quoted, white space left out. */
#include <string.h>

#include "formats/formats.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
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
            from = ++p;
        } else {
            p++;
        }
    }
    return err ? err : at_buf_add(out, from, (size_t)(end - from));
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
