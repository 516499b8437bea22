/* page.h: writing HTML and SVG: escaping, two languages, and the drawing of the report's parts. Private to analysis. */
#ifndef AUTHTAPE_PAGE_H
#define AUTHTAPE_PAGE_H

#include "analysis/print.h"
#include "analysis/story.h"

/* The first failure stays, and nothing is written after it. */
struct page {
    struct at_buf *out;
    enum at_err err;
};

void put(struct page *p, const char *fmt, ...) AT_PRINTF(2, 3); /* markup as it is */
void put_text(struct page *p, struct at_str s);                 /* escaped, unsafe characters made visible */
void put_both(struct page *p, const char *en, const char *zh);  /* the page shows one of them */
/* An SVG <text> in each language; the words are ours. Here and below, x and widths are percents of the drawing's width,
 * y and heights are pixels: a drawing gets as wide as there is room, and its letters stay as large as they are. */
void put_label(struct page *p, double x, double y, const char *css, const char *en, const char *zh);
/* A string from outside, cut to `columns`. */
void put_name(struct page *p, struct at_str s, size_t columns);
/* 1234567 as 1,234,567. */
void put_number(struct page *p, uint64_t n);
/* Opens a figure with its heading. It is closed by the table of its numbers: data_end. */
void figure_begin(struct page *p, const char *id, const char *en, const char *zh, const char *note_en,
                  const char *note_zh);

struct legend {
    const char *css, *en, *zh, *shape; /* shape: an SVG path around 0,0; NULL: a square */
};
void put_legend(struct page *p, const struct legend *list, size_t n);
/* An SVG of `height` pixels, with its name for who cannot see it. */
void drawing_begin(struct page *p, const char *en, const char *zh, double height);
void drawing_end(struct page *p);

struct bar {
    double x, y, w, h;
    const char *css;
};
/* A bar that says its value when pointed at, in both languages. */
void put_bar(struct page *p, const struct bar *bar, const char *en, const char *zh, uint64_t value);
/* Instead of a drawing: there is nothing to draw. */
void put_nothing(struct page *p);

struct heading {
    const char *en, *zh;
    bool number;
};
void table_head(struct page *p, const struct heading *list, size_t n);
void data_begin(struct page *p, const char *id, const struct heading *list, size_t n);
void data_end(struct page *p);
void cell_text(struct page *p, struct at_str s);
void cell_number(struct page *p, uint64_t n);

/* The figures. */
void plot_outcomes(struct page *p, const struct row *rows, size_t n);
void plot_users(struct page *p, const struct row *rows, size_t n);
void plot_answer_times(struct page *p, const struct cells *scopes);
void plot_denials(struct page *p, const struct cells *hours);
void plot_wordings(struct page *p, const struct wording *list, size_t n);
void plot_story(struct page *p, struct story *s);

/* The tables. */
void table_scopes(struct page *p, const struct row *rows, size_t n);
void table_groups(struct page *p, const struct row *rows, size_t n, const struct report_options *o);
void table_wordings(struct page *p, const struct wording *list, size_t n);
void table_lone(struct page *p, const struct row *rows, size_t n);
void table_faults(struct page *p, const struct story *s);

/* `groups` and `hours`: which groupings of the tally they are; groups 0: none. */
AT_MUST_USE enum at_err report_html(const struct tally *t, const struct report_options *o, struct story *s,
                                    size_t groups, size_t hours, struct at_buf *out);

#endif
