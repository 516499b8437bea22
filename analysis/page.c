/* page.c: the small words of HTML and SVG. */
#include "analysis/page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>

void put(struct page *p, const char *fmt, ...)
{
    char room[1024];
    va_list args;
    if (p->err)
        return;
    va_start(args, fmt);
    int n = vsnprintf(room, sizeof room, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof room)
        p->err = AT_LIMIT; /* markup of ours is short; long texts go through put_text */
    else
        p->err = at_buf_add(p->out, room, (size_t)n);
}

static void put_escaped(struct page *p, struct at_str s)
{
    for (size_t i = 0; i < s.len && !p->err; i++) {
        const char *as = NULL;
        switch (s.ptr[i]) {
        case '&':
            as = "&amp;";
            break;
        case '<':
            as = "&lt;";
            break;
        case '>':
            as = "&gt;";
            break;
        case '"':
            as = "&quot;";
            break;
        case '\'':
            as = "&#39;";
            break;
        default:
            break;
        }
        p->err = as ? at_buf_str(p->out, at_str(as)) : at_buf_add(p->out, s.ptr + i, 1);
    }
}

void put_text(struct page *p, struct at_str s)
{
    struct at_buf safe = {0};
    if (!p->err)
        p->err = text_safe(&safe, s);
    put_escaped(p, at_buf_view(&safe));
    at_buf_free(&safe);
}

void put_both(struct page *p, const char *en, const char *zh)
{
    put(p, "<span lang=\"en\">%s</span><span lang=\"zh\">%s</span>", en, zh);
}

void put_label(struct page *p, double x, double y, const char *css, const char *en, const char *zh)
{
    put(p, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" lang=\"en\">%s</text>", x, y, css, en);
    put(p, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\" lang=\"zh\">%s</text>", x, y, css, zh);
}

void put_name(struct page *p, double x, double y, const char *css, struct at_str s, size_t columns)
{
    struct at_buf safe = {0};
    if (!p->err)
        p->err = text_safe(&safe, s);
    struct at_str cut = at_buf_view(&safe);
    bool is_cut = text_width(cut) > columns;
    while (cut.len && text_width(cut) + is_cut > columns) {
        cut.len--;
        while (cut.len && ((unsigned char)cut.ptr[cut.len] & 0xc0) == 0x80)
            cut.len--;
    }
    put(p, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, css);
    put_escaped(p, cut);
    put(p, is_cut ? "…</text>" : "</text>");
    at_buf_free(&safe);
}

void put_number(struct page *p, uint64_t n)
{
    if (n >= 1000) {
        put_number(p, n / 1000);
        put(p, ",%03" PRIu64, n % 1000);
    } else {
        put(p, "%" PRIu64, n);
    }
}

void figure_begin(struct page *p, const char *id, const char *en, const char *zh, const char *note_en,
                  const char *note_zh, double height)
{
    put(p, "<figure id=\"%s\"><figcaption><h2>", id);
    put_both(p, en, zh);
    put(p, "</h2><p>");
    put_both(p, note_en, note_zh);
    put(p, "</p></figcaption><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"%s / %s\">", en, zh);
    put(p, "<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"%s / %s\">", PLOT_WIDTH, height, en, zh);
}

void figure_end(struct page *p)
{
    put(p, "</svg></div></figure>\n");
}

void put_legend(struct page *p, const struct legend *list, size_t n)
{
    double x = 0;
    for (size_t i = 0; i < n; i++) {
        put(p, "<rect x=\"%.1f\" y=\"2\" width=\"12\" height=\"12\" class=\"%s\"/>", x, list[i].css);
        put_label(p, x + 17, 12.5, "small", list[i].en, list[i].zh);
        size_t en = text_width(at_str(list[i].en)), zh = text_width(at_str(list[i].zh));
        x += 34 + 6.6 * (double)(en > zh ? en : zh);
    }
}
