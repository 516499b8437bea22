/* plot_story.c: one user's scopes over time: calls, prompts, decisions, flips, removals and divergences. */
#include <inttypes.h>
#include <math.h>

#include "analysis/page.h"

#define LANE 62.0 /* a scope's name, above it what happened */
#define MIDDLE 40.0
#define LANES 24

struct canvas {
    double x[STORY_MARKS]; /* of each mark */
    uint32_t lane_scope[LANES];
    size_t n_lanes;
};

static size_t lane_of(struct canvas *c, uint32_t scope)
{
    size_t i = 0;
    while (i < c->n_lanes && c->lane_scope[i] != scope)
        i++;
    if (i == c->n_lanes && i < LANES)
        c->lane_scope[c->n_lanes++] = scope;
    return i < LANES ? i : LANES - 1;
}

/* Time runs to the right, but an hour of silence is not an hour of paper: a pause takes the logarithm of its length. */
static void lay_out(struct canvas *c, const struct tale *t)
{
    double x = 0;
    for (size_t i = 0; i < t->n; i++) {
        double ms = i ? (double)(t->marks[i].t_us - t->marks[i - 1].t_us) / 1000.0 : 0;
        x += i ? 1 + 4 * log10(1 + ms) : 0;
        c->x[i] = x;
        if (t->marks[i].scope != UINT32_MAX)
            lane_of(c, t->marks[i].scope);
    }
    for (size_t i = 0; i < t->n; i++)
        c->x[i] = 2 + 96 * (x > 0 ? c->x[i] / x : 0.5);
}

struct look {
    const char *css, *en, *zh, *shape; /* shape: SVG path around 0,0 */
};

static struct look look_of(const struct mark *m)
{
    switch (m->kind) {
    case MARK_CALL:
        if (!m->answered)
            return (struct look){"silent", "call, unanswered", "调用，无应答", "M-5,-5h10v10h-10z"};
        return m->cls == AT_CLASS_OK       ? (struct look){"ok", "call: ok", "调用：成功", "M-5,-5h10v10h-10z"}
               : m->cls == AT_CLASS_DENIED ? (struct look){"denied", "call: denied", "调用：被拒", "M-5,-5h10v10h-10z"}
               : m->cls == AT_CLASS_DISMISSED
                   ? (struct look){"dismissed", "call: dismissed", "调用：弹窗被关闭", "M-5,-5h10v10h-10z"}
                   : (struct look){"other", "call: other failure", "调用：其他失败", "M-5,-5h10v10h-10z"};
    case MARK_PROMPT:
        return (struct look){"asked", "prompt", "弹窗", "M0,-7L7,0L0,7L-7,0z"};
    case MARK_ALLOW:
        return (struct look){"ok", "allowed", "用户允许", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"};
    case MARK_DENY:
        return (struct look){"denied", "denied by the user", "用户拒绝", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"};
    case MARK_DISMISS:
        return (struct look){"dismissed", "dismissed", "关闭弹窗", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"};
    case MARK_ON:
        return (struct look){"ok", "turned on in settings", "在设置中打开", "M0,-8L7,5H-7z"};
    case MARK_OFF:
        return (struct look){"denied", "turned off in settings", "在设置中关闭", "M0,8L7,-5H-7z"};
    case MARK_RESET:
        return (struct look){"axis", "removed: records cleared", "移除：记录清空", "M0,-9V9"};
    case MARK_FAULT:
        return (struct look){"fault", "divergence", "偏差", "M-7,-7L7,7M7,-7L-7,7"};
    }
    return (struct look){"other", "", "", "M0,0"};
}

static void put_when(struct page *p, const struct mark *m, int64_t origin)
{
    put(p, "+%.3f s", (double)(m->t_us - origin) / 1e6);
}

static void put_mark(struct page *p, const struct story *s, const struct mark *m, double x, double y, int64_t origin)
{
    struct look look = look_of(m);
    put(p,
        "<svg x=\"%.2f%%\" y=\"%.0f\" overflow=\"visible\"><path d=\"%s\" class=\"mark %s%s\"><title "
        "data-zh=\"%s%s\">%s%s: ",
        x, y, look.shape, look.css, m->inferred ? " guess" : "", m->inferred ? "推断，" : "", look.zh,
        m->inferred ? "inferred, " : "", look.en);
    put_when(p, m, origin);
    put(p, " ");
    put_text(p, story_string(s, m->kind == MARK_FAULT ? m->text : m->api));
    put(p, "</title></path></svg>");
}

/* Before the lanes, whose names stand out from these lines. */
static void put_resets(struct page *p, const struct tale *t, const struct canvas *c)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->marks[i].kind == MARK_RESET)
            put(p, "<line x1=\"%.2f%%\" x2=\"%.2f%%\" y1=\"18\" y2=\"%.0f\" class=\"reset\"/>", c->x[i], c->x[i],
                LANE * (double)c->n_lanes);
}

static void put_lanes(struct page *p, const struct story *s, const struct canvas *c)
{
    for (size_t i = 0; i < c->n_lanes; i++) {
        double y = LANE * (double)i;
        put(p, "<line x1=\"0\" x2=\"100%%\" y1=\"%.0f\" y2=\"%.0f\" class=\"lane\"/><text x=\"0\" y=\"%.0f\">",
            y + MIDDLE, y + MIDDLE, y + 14);
        put_name(p, story_string(s, c->lane_scope[i]), 40);
        put(p, "</text>");
    }
}

/* Calls stand on the lane, what the user did above it, divergences below. */
static void put_marks(struct page *p, const struct story *s, const struct tale *t, struct canvas *c)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct mark *m = &t->marks[i];
        double y = LANE * (double)(m->scope == UINT32_MAX ? 0 : lane_of(c, m->scope)) + MIDDLE;
        y += m->kind == MARK_CALL ? 0 : m->kind == MARK_FAULT ? 13 : -13;
        put_mark(p, s, m, c->x[i], y, t->marks[0].t_us);
    }
}

static void put_numbers(struct page *p, const struct story *s, const struct tale *t)
{
    static const struct heading headings[] = {{"time", "时间", false},
                                              {"what", "事项", false},
                                              {"scope", "scope", false},
                                              {"API, explanation", "接口、说明", false}};
    data_begin(p, "timeline", headings, 4);
    for (size_t i = 0; i < t->n; i++) {
        const struct mark *m = &t->marks[i];
        put(p, "<tr><td class=n>");
        put_when(p, m, t->marks[0].t_us);
        put(p, "</td><td>");
        if (m->inferred)
            put_both(p, "inferred: ", "推断：");
        put_both(p, look_of(m).en, look_of(m).zh);
        put(p, "</td>");
        cell_text(p, story_string(s, m->scope));
        cell_text(p, story_string(s, m->kind == MARK_FAULT ? m->text : m->api));
        put(p, "</tr>");
    }
    data_end(p);
}

static void put_subject(struct page *p, const struct story *s, const struct tale *t)
{
    char from[40], to[40];
    at_time_text(t->marks[0].t_us, from);
    at_time_text(t->marks[t->n - 1].t_us, to);
    put(p, "<p class=\"note\">");
    put_both(p, "app, user:", "应用、用户：");
    put(p, " <bdi>");
    put_text(p, story_string(s, t->app));
    put(p, "</bdi>, <bdi>");
    put_text(p, story_string(s, t->user));
    put(p, "</bdi>; <span class=\"n\">%.10s %.8s</span> – <span class=\"n\">%.10s %.8s UTC</span>", from, from + 11, to,
        to + 11);
    if (t->cut) {
        put(p, "; %zu ", t->cut);
        put_both(p, "more are not shown", "项未显示");
    }
    put(p, "</p>");
}

void plot_story(struct page *p, struct story *s)
{
    static const struct legend legend[] = {
        {"ok", "call: ok", "调用成功", "M-5,-5h10v10h-10z"},
        {"denied", "call: denied", "调用被拒", "M-5,-5h10v10h-10z"},
        {"dismissed", "call: dismissed", "调用时弹窗被关闭", "M-5,-5h10v10h-10z"},
        {"other", "call: other failure", "调用的其他失败", "M-5,-5h10v10h-10z"},
        {"silent", "call without answer", "无应答的调用", "M-5,-5h10v10h-10z"},
        {"asked", "prompt", "弹窗", "M0,-7L7,0L0,7L-7,0z"},
        {"ok", "user allows", "用户允许", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"},
        {"denied", "user denies", "用户拒绝", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"},
        {"dismissed", "user dismisses", "关闭弹窗", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"},
        {"ok", "turned on in settings", "在设置中打开", "M0,-7L7,5H-7z"},
        {"denied", "turned off in settings", "在设置中关闭", "M0,7L7,-5H-7z"},
        {"mark fault", "divergence", "偏差", "M-6,-6L6,6M-6,6L6,-6"},
    };
    struct canvas c = {.n_lanes = 0};
    const struct tale *t = story_best(s);
    if (!t)
        return;
    lay_out(&c, t);
    figure_begin(
        p, "timeline", "One user's scopes over time", "一位用户的各 scope 时间线",
        t->faults
            ? "The user with the most divergences. Outlines were inferred; a dashed line is a removal; pauses are "
              "shortened."
            : "The user of whom there is most to show. Outlines were inferred; a dashed line is a removal; pauses "
              "are shortened.",
        t->faults ? "偏差最多的用户。空心者为推断；虚线为移除；停顿已压缩。"
                  : "记录最多的用户。空心者为推断；虚线为移除；停顿已压缩。");
    put_subject(p, s, t);
    put_legend(p, legend, sizeof legend / sizeof legend[0]);
    put(p, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"timeline / 时间线\">");
    drawing_begin(p, "Calls, prompts, decisions, flips and divergences of one user, a line for each scope",
                  "一位用户的调用、弹窗、决定、开关与偏差，每个 scope 一行",
                  LANE * (double)(c.n_lanes ? c.n_lanes : 1));
    put_resets(p, t, &c);
    put_lanes(p, s, &c);
    put_marks(p, s, t, &c);
    drawing_end(p);
    put(p, "</div>");
    put_numbers(p, s, t);
}
