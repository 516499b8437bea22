/* plots.c: the figures of the HTML report that are made of counts, as SVG. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/page.h"

#define ROWS_MAX 40
#define NAME_COLUMNS 44

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

static void put_row_name(struct page *p, double y, struct at_str name, uint64_t value)
{
    put(p, "<text x=\"0\" y=\"%.0f\">", y);
    put_name(p, name, NAME_COLUMNS);
    put(p, "</text><text x=\"100%%\" y=\"%.0f\" class=\"small end\">", y);
    put_number(p, value);
    put(p, "</text>");
}

#define BAR_ROW 46.0 /* a name and a bar below it */

void plot_outcomes(struct page *p, const struct row *rows, size_t n)
{
    static const struct heading headings[PARTS + 1] = {
        {"scope", "scope", false},
        {"ok", "成功", true},
        {"denied", "拒绝", true},
        {"dismissed", "关闭弹窗", true},
        {"other failures", "其他失败", true},
        {"unanswered", "无应答", true},
    };
    double most = 1;
    struct legend legend[PARTS];
    size_t shown = n < ROWS_MAX ? n : ROWS_MAX;
    for (size_t i = 0; i < shown; i++)
        most = max_of(most, (double)rows[i].counts->calls);
    figure_begin(p, "outcomes", "Outcome per scope", "各 scope 的调用结果", "How the calls of each scope ended.",
                 "每个 scope 的调用如何结束。");
    for (size_t k = 0; k < PARTS; k++)
        legend[k] = (struct legend){outcomes[k].css, outcomes[k].en, outcomes[k].zh, NULL};
    if (shown)
        put_legend(p, legend, PARTS);
    else
        put_nothing(p);
    drawing_begin(p, "Outcome per scope: a bar for each scope", "各 scope 的调用结果：每个 scope 一条",
                  BAR_ROW * (double)shown);
    for (size_t i = 0; i < shown; i++) {
        double y = BAR_ROW * (double)i, x = 0;
        put_row_name(p, y + 15, rows[i].label[DIM_SCOPE], rows[i].counts->calls);
        for (size_t k = 0; k < PARTS; k++) {
            uint64_t value = outcomes[k].value(rows[i].counts);
            const struct bar bar = {x, y + 21, (double)value * 100 / most, 16, outcomes[k].css};
            if (value)
                put_bar(p, &bar, outcomes[k].en, outcomes[k].zh, value);
            x += bar.w;
        }
    }
    drawing_end(p);
    data_begin(p, "outcomes", headings, PARTS + 1);
    for (size_t i = 0; i < shown; i++) {
        put(p, "<tr>");
        cell_text(p, rows[i].label[DIM_SCOPE]);
        for (size_t k = 0; k < PARTS; k++)
            cell_number(p, outcomes[k].value(rows[i].counts));
        put(p, "</tr>");
    }
    data_end(p);
}

/* ---- Users: asked, granted, turned off and on again; denied, recovered, failed in silence */

struct step {
    enum user_mark mark, of; /* a share of whom */
    int depth;
    const char *css, *en, *zh;
};

static const struct step steps[] = {
    {USERS_ASKED, USERS_ASKED, 0, "asked", "asked", "被询问"},
    {USERS_GRANTED, USERS_ASKED, 1, "ok", "allowed", "允许"},
    {USERS_TURNED_OFF, USERS_GRANTED, 2, "dismissed", "later turned off", "后来关闭"},
    {USERS_ON_AGAIN, USERS_TURNED_OFF, 3, "recovered", "on again", "再次打开"},
    {USERS_DENIED, USERS_ASKED, 1, "denied", "denied", "拒绝"},
    {USERS_RECOVERED, USERS_DENIED, 2, "recovered", "recovered", "后来打开"},
    {USERS_SILENCED, USERS_DENIED, 2, "silent", "failed in silence", "静默失败"},
    {USERS_KEPT_ASKING, USERS_SILENCED, 3, "silent", "again and again", "反复失败"},
};
enum { STEPS = sizeof steps / sizeof steps[0] };
#define STEP_ROW 21.0
#define FUNNELS_MAX 24

static void put_funnel(struct page *p, const struct row *row)
{
    const uint64_t *users = row->counts->users;
    put(p, "<div><h3><bdi>");
    put_name(p, row->label[DIM_SCOPE], NAME_COLUMNS);
    put(p, "</bdi></h3>");
    drawing_begin(p, "Users of this scope", "该 scope 的用户", STEP_ROW * STEPS);
    for (size_t k = 0; k < STEPS; k++) {
        uint64_t n = users[steps[k].mark], of = users[steps[k].of], most = users[USERS_ASKED] ? users[USERS_ASKED] : 1;
        double y = STEP_ROW * (double)k;
        const struct bar bar = {44, y + 3, max_of(34 * (double)n / (double)most, 0.4), STEP_ROW - 6, steps[k].css};
        put_label(p, 3.0 * steps[k].depth, y + 15, steps[k].depth ? "small" : "", steps[k].en, steps[k].zh);
        put_bar(p, &bar, steps[k].en, steps[k].zh, n);
        put(p, "<text x=\"100%%\" y=\"%.0f\" class=\"small end\">", y + 15);
        put_number(p, n);
        if (k && of)
            put(p, " · %.0f%%", 100.0 * (double)n / (double)of);
        put(p, "</text>");
    }
    drawing_end(p);
    put(p, "</div>");
}

void plot_users(struct page *p, const struct row *rows, size_t n)
{
    struct heading headings[STEPS + 1] = {{"scope", "scope", false}};
    figure_begin(
        p, "funnel", "From the prompt to the settings", "从弹窗到设置页",
        "Users of each scope: asked, allowed, later turned off and on again; denied, recovered in the settings, "
        "failed in silence. Percents are of the step above that it belongs to.",
        "各 scope 的用户：被询问、允许、后来关闭、再次打开；拒绝、在设置页恢复、静默失败。百分比相对于其上一级。");
    if (!n)
        put_nothing(p);
    put(p, "<div class=\"grid\">");
    for (size_t i = 0; i < n && i < FUNNELS_MAX; i++)
        put_funnel(p, &rows[i]);
    put(p, "</div>");
    for (size_t k = 0; k < STEPS; k++)
        headings[k + 1] = (struct heading){steps[k].en, steps[k].zh, true};
    data_begin(p, "funnel", headings, STEPS + 1);
    for (size_t i = 0; i < n && i < FUNNELS_MAX; i++) {
        put(p, "<tr>");
        cell_text(p, rows[i].label[DIM_SCOPE]);
        for (size_t k = 0; k < STEPS; k++)
            cell_number(p, rows[i].counts->users[steps[k].mark]);
        put(p, "</tr>");
    }
    data_end(p);
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

static double bin_ms(size_t i)
{
    return FIRST_MS * pow(10, (double)i / 10);
}

static void draw_answer_times(struct page *p, const uint64_t *bins, uint64_t most)
{
    static const char *const ticks[] = {"0.1 s", "1 s", "10 s", "100 s"};
    double bottom = 170, w = 100.0 / BINS;
    drawing_begin(p, "How many prompts were answered how fast", "弹窗回答时间分布", bottom + 26);
    put(p, "<line x1=\"0\" x2=\"100%%\" y1=\"20\" y2=\"20\" class=\"grid-line\"/>");
    for (size_t i = 0; i < BINS; i++) {
        double h = (double)bins[i] * (bottom - 20) / (double)most;
        const struct bar bar = {w * (double)i, bottom - h, w - 0.3, h, "asked"};
        char en[64], zh[64];
        snprintf(en, sizeof en, "%.0f-%.0f ms", bin_ms(i), bin_ms(i + 1));
        snprintf(zh, sizeof zh, "%.0f-%.0f 毫秒", bin_ms(i), bin_ms(i + 1));
        if (bins[i])
            put_bar(p, &bar, en, zh, bins[i]);
    }
    put(p, "<line x1=\"0\" x2=\"100%%\" y1=\"%.0f\" y2=\"%.0f\" class=\"axis\"/>", bottom, bottom);
    for (int i = 0; i <= 3; i++)
        put(p, "<text x=\"%.2f%%\" y=\"%.0f\" class=\"small %s\">%s</text>", 100.0 / 3 * i, bottom + 18,
            i == 0  ? ""
            : i < 3 ? "middle"
                    : "end",
            ticks[i]);
    put(p, "<text x=\"0\" y=\"15\" class=\"small\">");
    put_number(p, most);
    put(p, "</text>");
    drawing_end(p);
}

void plot_answer_times(struct page *p, const struct cells *scopes)
{
    static const struct heading headings[] = {
        {"from ms", "起（毫秒）", true}, {"to ms", "止（毫秒）", true}, {"prompts", "弹窗", true}};
    uint64_t bins[BINS] = {0}, most = 0;
    for (size_t i = 0; i < scopes->n; i++)
        fill_bins(&scopes->list[i].counts.answer_us, bins);
    for (size_t i = 0; i < BINS; i++)
        most = bins[i] > most ? bins[i] : most;
    figure_begin(
        p, "answer-times", "Time to answer a prompt", "回答弹窗所用时间",
        "Very short times are reflexes, not decisions. The scale is logarithmic; the first and the last bar hold "
        "what is beyond.",
        "时间极短的回答是下意识的，而不是决定。对数刻度；首尾两条包含超出范围者。");
    if (most)
        draw_answer_times(p, bins, most);
    else
        put_nothing(p);
    data_begin(p, "answer-times", headings, 3);
    for (size_t i = 0; i < BINS; i++)
        if (bins[i])
            put(p, "<tr><td class=n>%.0f</td><td class=n>%.0f</td><td class=n>%" PRIu64 "</td></tr>", bin_ms(i),
                bin_ms(i + 1), bins[i]);
    data_end(p);
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

/* "11-14 22:00" of an hour, "2026-11-14" of a day. */
static void time_name(int64_t hours, bool with_hour, char out[40])
{
    at_time_text(hours * INT64_C(3600000000), out);
    if (with_hour) {
        memmove(out, out + 5, 11); /* the year stands on top of the page */
        out[5] = ' ';
        out[11] = 0;
    } else {
        out[10] = 0;
    }
}

static uint64_t sum_of(const struct moment *m)
{
    return m->at_prompt + m->silent + m->rest;
}

static const struct legend denial_legend[] = {
    {"denied", "at the prompt", "在弹窗中拒绝", NULL},
    {"silent", "in silence, because of an earlier denial", "因先前拒绝而静默失败", NULL},
    {"other", "not explained", "无法解释", NULL},
};

static void draw_denials(struct page *p, const struct moment *list, size_t n, int64_t unit)
{
    double bottom = 170;
    uint64_t most = 1;
    int64_t span = n ? list[n - 1].bucket - list[0].bucket + 1 : 1;
    double w = 100.0 / (double)span;
    for (size_t i = 0; i < n; i++)
        most = sum_of(&list[i]) > most ? sum_of(&list[i]) : most;
    drawing_begin(p, "Denials over time", "拒绝随时间的变化", bottom + 26);
    put(p, "<line x1=\"0\" x2=\"100%%\" y1=\"20\" y2=\"20\" class=\"grid-line\"/>");
    for (size_t i = 0; i < n; i++) {
        const uint64_t values[] = {list[i].at_prompt, list[i].silent, list[i].rest};
        double y = bottom;
        for (size_t k = 0; k < 3; k++) {
            double h = (double)values[k] * (bottom - 20) / (double)most;
            const struct bar bar = {w * (double)(list[i].bucket - list[0].bucket), y -= h, max_of(w * 0.92, 0.1), h,
                                    denial_legend[k].css};
            if (values[k])
                put_bar(p, &bar, denial_legend[k].en, denial_legend[k].zh, values[k]);
        }
    }
    put(p, "<line x1=\"0\" x2=\"100%%\" y1=\"%.0f\" y2=\"%.0f\" class=\"axis\"/>", bottom, bottom);
    put(p, "<text x=\"0\" y=\"15\" class=\"small\">");
    put_number(p, most);
    put(p, "</text>");
    for (int i = 0; n && i < 3 && (i == 0 || span > 2); i++) {
        char text[40];
        int64_t at = i == 0 ? 0 : i == 1 ? span / 2 : span - 1;
        time_name((list[0].bucket + at) * unit, unit == 1, text);
        put(p, "<text x=\"%.2f%%\" y=\"%.0f\" class=\"small %s\">%s</text>",
            i == 0   ? 0
            : i == 1 ? w * ((double)at + 0.5)
                     : 100,
            bottom + 18,
            i == 0   ? ""
            : i == 1 ? "middle"
                     : "end",
            text);
    }
    drawing_end(p);
}

void plot_denials(struct page *p, const struct cells *hours)
{
    static const struct heading headings[] = {{"from", "起", false},
                                              {"at the prompt", "在弹窗中拒绝", true},
                                              {"in silence", "静默失败", true},
                                              {"not explained", "无法解释", true}};
    size_t n;
    int64_t unit;
    uint64_t all = 0;
    struct moment *list = moments_of(hours, &n, &unit);
    if (!list) {
        p->err = p->err ? p->err : AT_NOMEM;
        return;
    }
    figure_begin(p, "denials", "Denials over time", "拒绝随时间的变化",
                 "Denials in silence are calls wasted on users who were never guided to the settings. Times are UTC.",
                 "静默失败是浪费的调用：用户没有被引导到设置页。时间为 UTC。");
    for (size_t i = 0; i < n; i++)
        all += sum_of(&list[i]);
    if (all) {
        put_legend(p, denial_legend, 3);
        draw_denials(p, list, n, unit);
    } else {
        put_nothing(p);
    }
    data_begin(p, "denials", headings, 4);
    for (size_t i = 0; i < n; i++) {
        char text[40];
        at_time_text(list[i].bucket * unit * INT64_C(3600000000), text);
        put(p, "<tr><td>%.16s</td>", text);
        cell_number(p, list[i].at_prompt);
        cell_number(p, list[i].silent);
        cell_number(p, list[i].rest);
        put(p, "</tr>");
    }
    free(list);
    data_end(p);
}
