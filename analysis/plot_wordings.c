/* plot_wordings.c: what the failures of all APIs are worded like, on each platform. */
#include <stdlib.h>
#include <string.h>

#include "analysis/page.h"

#define REASONS_MAX 14
#define PLATFORMS_MAX 6
#define NAME_COLUMNS 40
#define ROW 46.0

struct reason {
    struct at_str text;
    bool known;
    uint64_t all, by_platform[PLATFORMS_MAX];
};

/* "getLocation:fail auth deny" without the API. */
static struct at_str reason_of(struct at_str err_msg)
{
    size_t colon = at_str_find(err_msg, AT_STR(":"));
    if (colon == SIZE_MAX || colon == 0)
        return err_msg;
    for (size_t i = 0; i < colon; i++) {
        char c = err_msg.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'))
            return err_msg;
    }
    return (struct at_str){err_msg.ptr + colon + 1, err_msg.len - colon - 1};
}

/* The place of a platform in the list; those that do not fit share the last one. */
static size_t place_of(struct at_str *platforms, size_t *n, struct at_str name)
{
    for (size_t i = 0; i < *n; i++)
        if (at_str_eq(platforms[i], name) && !platforms[i].ptr == !name.ptr)
            return i;
    if (*n == PLATFORMS_MAX)
        return PLATFORMS_MAX - 1;
    platforms[*n] = *n == PLATFORMS_MAX - 1 ? AT_STR("…") : name;
    return (*n)++;
}

static int by_count(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    return x->all != y->all ? (x->all < y->all ? 1 : -1) : at_str_cmp(x->text, y->text);
}

static int by_text(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;
    return at_str_cmp(x->text, y->text);
}

/* All failures by reason, the most frequent first. The list holds as many as there are wordings. */
static size_t collect(const struct wording *list, size_t n, struct reason *reasons, struct at_str *platforms,
                      size_t *n_platforms)
{
    size_t all = 0, kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].cls == AT_CLASS_OK)
            continue;
        struct reason r = {.text = reason_of(list[i].err_msg), .known = list[i].known, .all = list[i].count};
        r.by_platform[place_of(platforms, n_platforms, list[i].platform)] = list[i].count;
        reasons[all++] = r;
    }
    qsort(reasons, all, sizeof *reasons, by_text);
    for (size_t i = 0; i < all; i++) {
        if (!kept || !at_str_eq(reasons[kept - 1].text, reasons[i].text)) {
            reasons[kept++] = reasons[i];
            continue;
        }
        struct reason *to = &reasons[kept - 1];
        to->all += reasons[i].all;
        to->known = to->known && reasons[i].known;
        for (size_t k = 0; k < PLATFORMS_MAX; k++)
            to->by_platform[k] += reasons[i].by_platform[k];
    }
    qsort(reasons, kept, sizeof *reasons, by_count);
    return kept;
}

static const char *const colours[PLATFORMS_MAX] = {"series1", "series2", "series3", "series4", "series5", "series6"};

static void put_platform(struct page *p, struct at_str platform)
{
    if (platform.ptr)
        put_name(p, platform, 24);
    else
        put_both(p, "no platform", "无平台");
}

static void draw(struct page *p, const struct reason *reasons, size_t n, const struct at_str *platforms,
                 size_t n_platforms)
{
    put(p, "<ul class=\"legend\">");
    for (size_t k = 0; k < n_platforms; k++) {
        put(p,
            "<li><svg viewBox=\"-7 -7 14 14\" aria-hidden=\"true\"><path d=\"M-6,-6h12v12h-12z\" class=\"%s\"/></svg> ",
            colours[k]);
        put_platform(p, platforms[k]);
        put(p, "</li>");
    }
    put(p, "</ul>");
    drawing_begin(p, "Failures by wording and platform", "按措辞与平台统计的失败", ROW * (double)n);
    for (size_t i = 0; i < n; i++) {
        double y = ROW * (double)i, x = 0;
        put(p, "<text x=\"0\" y=\"%.0f\">", y + 15);
        put_name(p, reasons[i].text, NAME_COLUMNS);
        if (!reasons[i].known)
            put(p, "<tspan class=\"unknown\"> (?)</tspan>");
        put(p, "</text><text x=\"100%%\" y=\"%.0f\" class=\"small end\">", y + 15);
        put_number(p, reasons[i].all);
        put(p, "</text>");
        for (size_t k = 0; k < n_platforms; k++) {
            const struct bar bar = {x, y + 21, 100 * (double)reasons[i].by_platform[k] / (double)reasons[0].all, 16,
                                    colours[k]};
            if (reasons[i].by_platform[k])
                put_bar(p, &bar, "count", "次数", reasons[i].by_platform[k]);
            x += bar.w;
        }
    }
    drawing_end(p);
}

static void put_numbers(struct page *p, const struct reason *reasons, size_t n, const struct at_str *platforms,
                        size_t n_platforms)
{
    static const struct heading headings[] = {
        {"wording", "措辞", false}, {"platform", "平台", false}, {"count", "次数", true}};
    data_begin(p, "wordings", headings, 3);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < n_platforms; k++) {
            if (!reasons[i].by_platform[k])
                continue;
            put(p, "<tr>");
            cell_text(p, reasons[i].text);
            cell_text(p, platforms[k]);
            cell_number(p, reasons[i].by_platform[k]);
            put(p, "</tr>");
        }
    }
    data_end(p);
}

void plot_wordings(struct page *p, const struct wording *list, size_t n)
{
    struct at_str platforms[PLATFORMS_MAX] = {{0}};
    size_t n_platforms = 0;
    struct reason *reasons = calloc(n + 1, sizeof *reasons);
    if (!reasons) {
        p->err = p->err ? p->err : AT_NOMEM;
        return;
    }
    size_t all = collect(list, n, reasons, platforms, &n_platforms), shown = all < REASONS_MAX ? all : REASONS_MAX;
    figure_begin(
        p, "wordings", "errMsg of failures by platform", "各平台失败的 errMsg",
        "What hosts say when a call fails, whatever the API. (?) marks wordings that the profile does not know.",
        "调用失败时宿主的说法，不分接口。(?) 表示档案未收录的措辞。");
    if (shown)
        draw(p, reasons, shown, platforms, n_platforms);
    else
        put_nothing(p);
    put_numbers(p, reasons, shown, platforms, n_platforms);
    free(reasons);
}
