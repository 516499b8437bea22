/* plots.c: the figures of the HTML report that are made of counts, as SVG. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "analysis/page.h"

#define LEFT 190.0 /* room for names */
#define ROW 26.0
#define TOP 26.0 /* room for the legend */
#define ROWS_MAX 40
#define NAME_COLUMNS 26

/* One bar segment with what it means as a tooltip. */
static void segment(struct page *p, double x, double y, double w, double h, const char *css, const char *what,
                    double value)
{
    if (w > 0)
        put(p, "<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" class=\"%s\"><title>%s: %.0f</title></rect>",
            x, y, w, h, css, what, value);
}

static double max_of(double a, double b)
{
    return a > b ? a : b;
}

/* ---- Outcomes */

struct part {
    const char *css, *en, *zh;
    uint64_t (*value)(const struct counts *c);
};

static uint64_t ok_of(const struct counts *c)
{
    return c->by_class[AT_CLASS_OK];
}

static uint64_t denied_of(const struct counts *c)
{
    return c->by_class[AT_CLASS_DENIED];
}

static uint64_t dismissed_of(const struct counts *c)
{
    return c->by_class[AT_CLASS_DISMISSED];
}

static uint64_t rest_of(const struct counts *c)
{
    return c->by_class[AT_CLASS_UNAUTHORIZED] + counts_other(c);
}

static const struct part outcomes[] = {
    {"ok", "ok", "成功", ok_of},
    {"denied", "denied", "拒绝", denied_of},
    {"dismissed", "dismissed", "关闭弹窗", dismissed_of},
    {"other", "other failures", "其他失败", rest_of},
    {"silent", "unanswered", "无应答", counts_unanswered},
};
#define PARTS (sizeof outcomes / sizeof outcomes[0])

void plot_outcomes(struct page *p, const struct row *rows, size_t n)
{
    double most = 1;
    struct legend legend[PARTS];
    n = n < ROWS_MAX ? n : ROWS_MAX;
    for (size_t i = 0; i < n; i++)
        most = max_of(most, (double)rows[i].counts->calls);
    figure_begin(p, "outcomes", "Outcome per scope", "各 scope 的调用结果", "How the calls of each scope ended.",
                 "每个 scope 的调用如何结束。", TOP + ROW * (double)n + 4);
    for (size_t k = 0; k < PARTS; k++)
        legend[k] = (struct legend){outcomes[k].css, outcomes[k].en, outcomes[k].zh};
    put_legend(p, legend, PARTS);
    for (size_t i = 0; i < n; i++) {
        double y = TOP + ROW * (double)i, x = LEFT, scale = (PLOT_WIDTH - LEFT - 90) / most;
        put(p, "<g class=\"bar\">");
        put_name(p, LEFT - 8, y + 16, "end", rows[i].label[DIM_SCOPE], NAME_COLUMNS);
        for (size_t k = 0; k < PARTS; k++) {
            double value = (double)outcomes[k].value(rows[i].counts);
            segment(p, x, y + 3, value * scale, ROW - 8, outcomes[k].css, outcomes[k].en, value);
            x += value * scale;
        }
        put(p, "<text x=\"%.1f\" y=\"%.1f\" class=\"small\">", x + 6, y + 16);
        put_number(p, rows[i].counts->calls);
        put(p, "</text></g>");
    }
    figure_end(p);
}

/* ---- Users: asked, granted, denied, recovered */

void plot_users(struct page *p, const struct row *rows, size_t n)
{
    static const struct legend marks[4] = {
        {"asked", "asked", "被询问"},
        {"ok", "granted at some time", "曾允许"},
        {"denied", "denied at some time", "曾拒绝"},
        {"recovered", "turned it on after a denial", "拒绝后又打开"},
    };
    double most = 1, each = ROW * 1.9;
    n = n < ROWS_MAX ? n : ROWS_MAX;
    for (size_t i = 0; i < n; i++)
        most = max_of(most, (double)rows[i].counts->users[USERS_ASKED]);
    figure_begin(p, "funnel", "From the prompt to the settings", "从弹窗到设置页",
                 "How many users were asked, allowed, refused, and came back.",
                 "有多少用户被询问、允许、拒绝，后来又打开。", TOP + each * (double)n + 4);
    put_legend(p, marks, 4);
    for (size_t i = 0; i < n; i++) {
        double y = TOP + each * (double)i, h = (each - 8) / 4;
        put_name(p, LEFT - 8, y + each / 2 + 2, "end", rows[i].label[DIM_SCOPE], NAME_COLUMNS);
        for (size_t k = 0; k < 4; k++) {
            double value = (double)rows[i].counts->users[k], w = value * (PLOT_WIDTH - LEFT - 90) / most;
            segment(p, LEFT, y + h * (double)k, max_of(w, 0.5), h - 1, marks[k].css, marks[k].en, value);
            put(p, "<text x=\"%.1f\" y=\"%.1f\" class=\"tiny\">%.0f</text>", LEFT + w + 5,
                y + h * (double)(k + 1) - 2.5, value);
        }
    }
    figure_end(p);
}

/* ---- How long users think */

#define BINS 30
#define FIRST_MS 100.0 /* the first bin begins here; 10 bins a decade, three decades */

static size_t bin_of(double ms)
{
    double b = floor(log10(ms / FIRST_MS) * 10);
    return !(b > 0) ? 0 : b >= BINS ? BINS - 1 : (size_t)b;
}

/* The values of a sketch by its quantiles: exact while they are few, within 0.2 % of the value when they are many. */
static void fill_bins(const struct quantiles *q, uint64_t *bins)
{
    for (uint64_t i = 0; q->exact && i < q->n; i++)
        bins[bin_of((double)q->exact[i] / 1000.0)]++;
    for (unsigned o = 0; q->octaves && o < QUANTILE_OCTAVES; o++)
        for (unsigned s = 0; q->octaves[o] && s < QUANTILE_BUCKETS; s++)
            if (q->octaves[o][s])
                bins[bin_of((o ? ldexp(QUANTILE_BUCKETS + s + 0.5, (int)o - 1) : (double)s) / 1000.0)] +=
                    q->octaves[o][s];
}

void plot_answer_times(struct page *p, const struct cells *scopes)
{
    uint64_t bins[BINS] = {0}, most = 1;
    double height = 200, bottom = 165, w = (PLOT_WIDTH - 60) / BINS;
    for (size_t i = 0; i < scopes->n; i++)
        fill_bins(&scopes->list[i].counts.answer_us, bins);
    for (size_t i = 0; i < BINS; i++)
        most = bins[i] > most ? bins[i] : most;
    figure_begin(p, "answer-times", "Time to answer a prompt", "回答弹窗所用时间",
                 "Very short times are reflexes, not decisions.", "时间极短的回答是下意识的，而不是决定。", height);
    for (size_t i = 0; i < BINS; i++) {
        double h = (double)bins[i] * (bottom - 20) / (double)most;
        char what[64];
        snprintf(what, sizeof what, "%.0f-%.0f ms", FIRST_MS * pow(10, (double)i / 10),
                 FIRST_MS * pow(10, (double)(i + 1) / 10));
        if (bins[i])
            put(p,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"asked\"><title>%s: %" PRIu64
                "</title></rect>",
                50 + w * (double)i, bottom - h, w - 2, h, what, bins[i]);
    }
    put(p, "<line x1=\"50\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\" class=\"axis\"/>", PLOT_WIDTH - 10, bottom, bottom);
    static const char *const ticks[] = {"0.1 s", "1 s", "10 s", "100 s"};
    for (int i = 0; i <= 3; i++)
        put(p, "<text x=\"%.1f\" y=\"%.0f\" class=\"small %s\">%s</text>", 50 + w * 10 * i, bottom + 18,
            i < 3 ? "middle" : "end", ticks[i]);
    put(p, "<text x=\"44\" y=\"24\" class=\"small end\">%" PRIu64 "</text>", most);
    figure_end(p);
}

/* ---- Denials over time */

#define HOURS_SHOWN 96 /* a longer recording is shown by days */
#define COLUMNS_MAX 400

struct moment {
    int64_t bucket;
    uint64_t at_prompt, silent, rest;
};

static int by_bucket(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    return (x->bucket > y->bucket) - (x->bucket < y->bucket);
}

/* Denials by hour, or by days or more when there are many hours. `unit`: hours of a bucket. */
static struct moment *moments_of(const struct cells *hours, size_t *n, int64_t *unit)
{
    struct moment *list = calloc(hours->n + 1, sizeof *list);
    int64_t first = INT64_MAX, last = INT64_MIN;
    *n = 0;
    if (!list)
        return NULL;
    for (size_t i = 0; i < hours->n; i++) {
        int64_t hour = hours->list[i].key.bucket[DIM_HOUR - DIM_STRINGS];
        first = hour < first ? hour : first;
        last = hour > last ? hour : last;
    }
    *unit = 1;
    if (hours->n && last - first >= HOURS_SHOWN)
        *unit = 24 * ((last - first) / 24 / COLUMNS_MAX + 1);
    for (size_t i = 0; i < hours->n; i++) {
        const struct counts *c = &hours->list[i].counts;
        int64_t hour = hours->list[i].key.bucket[DIM_HOUR - DIM_STRINGS];
        int64_t bucket = hour / *unit - (hour % *unit < 0);
        uint64_t known = c->at_prompt + c->while_denied, denied = c->by_class[AT_CLASS_DENIED];
        list[(*n)++] = (struct moment){bucket, c->at_prompt, c->while_denied, denied > known ? denied - known : 0};
    }
    qsort(list, *n, sizeof *list, by_bucket);
    size_t to = 0;
    for (size_t i = 1; i < *n; i++) {
        if (list[i].bucket == list[to].bucket) {
            list[to].at_prompt += list[i].at_prompt;
            list[to].silent += list[i].silent;
            list[to].rest += list[i].rest;
        } else {
            list[++to] = list[i];
        }
    }
    *n = *n ? to + 1 : 0;
    return list;
}

static void time_tick(struct page *p, double x, double y, int64_t hours, bool with_hour)
{
    char text[40];
    at_time_text(hours * INT64_C(3600000000), text);
    text[with_hour ? 13 : 10] = 0;
    put(p, "<text x=\"%.1f\" y=\"%.1f\" class=\"small middle\">%s%s</text>", x, y, text, with_hour ? "h" : "");
}

void plot_denials(struct page *p, const struct tally *t, const struct cells *hours)
{
    static const struct legend legend[] = {
        {"denied", "at the prompt", "在弹窗中拒绝"},
        {"silent", "in silence, because of an earlier denial", "因先前拒绝而静默失败"},
        {"other", "not explained", "无法解释"},
    };
    size_t n;
    int64_t unit;
    uint64_t most = 1;
    double bottom = 170;
    struct moment *list = moments_of(hours, &n, &unit);
    (void)t;
    if (!list) {
        p->err = p->err ? p->err : AT_NOMEM;
        return;
    }
    int64_t span = n ? list[n - 1].bucket - list[0].bucket + 1 : 1;
    double w = (PLOT_WIDTH - 60) / (double)span;
    for (size_t i = 0; i < n; i++)
        most = list[i].at_prompt + list[i].silent + list[i].rest > most
                   ? list[i].at_prompt + list[i].silent + list[i].rest
                   : most;
    figure_begin(p, "denials", "Denials over time", "拒绝随时间的变化",
                 "Denials in silence are calls wasted on users who were never guided to the settings.",
                 "静默失败是浪费的调用：用户没有被引导到设置页。", 200);
    put_legend(p, legend, 3);
    for (size_t i = 0; i < n; i++) {
        const uint64_t values[] = {list[i].at_prompt, list[i].silent, list[i].rest};
        double x = 50 + w * (double)(list[i].bucket - list[0].bucket), y = bottom;
        for (size_t k = 0; k < 3; k++) {
            double h = (double)values[k] * (bottom - 30) / (double)most;
            y -= h;
            if (h > 0)
                segment(p, x, y, max_of(w - 1, 0.8), h, legend[k].css, legend[k].en, (double)values[k]);
        }
    }
    put(p, "<line x1=\"50\" x2=\"%.0f\" y1=\"%.0f\" y2=\"%.0f\" class=\"axis\"/>", PLOT_WIDTH - 10, bottom, bottom);
    put(p, "<text x=\"44\" y=\"36\" class=\"small end\">%" PRIu64 "</text>", most);
    for (int i = 0; n && i <= 4 && (span > 4 || i < span); i++) {
        int64_t at = span > 4 ? span * i / 5 : i;
        time_tick(p, 50 + w * ((double)at + 0.5) + (i == 0 && span > 4 ? 40 : 0), bottom + 18,
                  (list[0].bucket + at) * unit, unit == 1);
    }
    free(list);
    figure_end(p);
}
