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

void put_name(struct page *p, struct at_str s, size_t columns)
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
    put_escaped(p, cut);
    put(p, is_cut ? "…" : "");
    at_buf_free(&safe);
}

void put_label(struct page *p, double x, double y, const char *css, const char *en, const char *zh)
{
    put(p, "<text x=\"%.2f%%\" y=\"%.0f\" class=\"%s\" lang=\"en\">%s</text>", x, y, css, en);
    put(p, "<text x=\"%.2f%%\" y=\"%.0f\" class=\"%s\" lang=\"zh\">%s</text>", x, y, css, zh);
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

/* ---- Figures */

void figure_begin(struct page *p, const char *id, const char *en, const char *zh, const char *note_en,
                  const char *note_zh)
{
    put(p, "<figure id=\"%s\"><figcaption><h2>", id);
    put_both(p, en, zh);
    put(p, "</h2><p>");
    put_both(p, note_en, note_zh);
    put(p, "</p></figcaption>");
}

void put_legend(struct page *p, const struct legend *list, size_t n)
{
    put(p, "<ul class=\"legend\">");
    for (size_t i = 0; i < n; i++) {
        put(p, "<li><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\"><path d=\"%s\" class=\"%s\"/></svg> ",
            list[i].shape ? list[i].shape : "M-6,-6h12v12h-12z", list[i].css);
        put_both(p, list[i].en, list[i].zh);
        put(p, "</li>");
    }
    put(p, "</ul>");
}

void drawing_begin(struct page *p, const char *en, const char *zh, double height)
{
    put(p, "<svg class=\"plot\" width=\"100%%\" height=\"%.0f\" role=\"img\" aria-label=\"%s / %s\">", height, en, zh);
}

void drawing_end(struct page *p)
{
    put(p, "</svg>\n");
}

/* The script puts the Chinese words into the titles; without it they stay English. */
void put_bar(struct page *p, const struct bar *bar, const char *en, const char *zh, uint64_t value)
{
    put(p,
        "<rect x=\"%.3f%%\" y=\"%.1f\" width=\"%.3f%%\" height=\"%.1f\" class=\"%s\"><title data-zh=\"%s\">%s: %" PRIu64
        "</title></rect>",
        bar->x, bar->y, bar->w, bar->h, bar->css, zh, en, value);
}

void put_nothing(struct page *p)
{
    put(p, "<p class=\"nothing\">");
    put_both(p, "Nothing of this kind was recorded.", "没有此类记录。");
    put(p, "</p>");
}

/* ---- Tables */

void table_head(struct page *p, const struct heading *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        put(p, "<th scope=\"col\"%s><button type=\"button\">", list[i].number ? " class=n" : "");
        put_both(p, list[i].en, list[i].zh);
        put(p, "</button></th>");
    }
}

/* What a figure shows, as numbers. */
void data_begin(struct page *p, const char *id, const struct heading *list, size_t n)
{
    put(p, "<details><summary>");
    put_both(p, "The numbers", "数据");
    put(p,
        "</summary><div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"numbers / 数据: %s\">"
        "<table id=\"%s-data\"><thead><tr>",
        id, id);
    table_head(p, list, n);
    put(p, "</tr></thead><tbody>");
}

void data_end(struct page *p)
{
    put(p, "</tbody></table></div></details></figure>\n");
}

#define CELL_COLUMNS 200 /* a longer text is cut: the page has to stay small whatever the hosts say */

void cell_text(struct page *p, struct at_str s)
{
    put(p, s.len > 40 ? "<td class=\"long\"><bdi>" : "<td><bdi>");
    put_name(p, s.ptr ? s : AT_STR("–"), CELL_COLUMNS);
    put(p, "</bdi></td>");
}

void cell_number(struct page *p, uint64_t n)
{
    put(p, "<td class=n>");
    put_number(p, n);
    put(p, "</td>");
}
