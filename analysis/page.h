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
/* An SVG <text> in each language; the words are ours. */
void put_label(struct page *p, double x, double y, const char *css, const char *en, const char *zh);
/* An SVG <text> with a string from outside, cut to `columns`. */
void put_name(struct page *p, double x, double y, const char *css, struct at_str s, size_t columns);
/* 1234567 as 1,234,567. */
void put_number(struct page *p, uint64_t n);
/* Opens and closes a figure with its heading. */
void figure_begin(struct page *p, const char *id, const char *en, const char *zh, const char *note_en,
                  const char *note_zh, double height);
void figure_end(struct page *p);

struct legend {
    const char *css, *en, *zh;
};
void put_legend(struct page *p, const struct legend *list, size_t n);

#define PLOT_WIDTH 960.0

/* The figures. */
void plot_outcomes(struct page *p, const struct row *rows, size_t n);
void plot_users(struct page *p, const struct row *rows, size_t n);
void plot_answer_times(struct page *p, const struct cells *scopes);
void plot_denials(struct page *p, const struct tally *t, const struct cells *hours);
void plot_story(struct page *p, struct story *s);

/* The tables. */
void table_scopes(struct page *p, const struct row *rows, size_t n);
void table_groups(struct page *p, const struct row *rows, size_t n, const struct report_options *o);
void table_wordings(struct page *p, const struct wording *list, size_t n);
void table_faults(struct page *p, const struct story *s);

/* `groups` and `hours`: which groupings of the tally they are; groups 0: none. */
AT_MUST_USE enum at_err report_html(const struct tally *t, const struct report_options *o, struct story *s,
                                    size_t groups, size_t hours, struct at_buf *out);

#endif
