/* plot_story.c: one user's scopes over time: calls, prompts, decisions, flips, removals and divergences. */
#include <inttypes.h>
#include <math.h>

#include "analysis/page.h"

#define LEFT 190.0
#define LANE 44.0
#define TOP 34.0
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
        c->x[i] = LEFT + 12 + (x > 0 ? c->x[i] / x : 0.5) * (PLOT_WIDTH - LEFT - 40);
}

struct look {
    const char *css, *name, *shape; /* shape: SVG path around 0,0 */
};

static struct look look_of(const struct mark *m)
{
    switch (m->kind) {
    case MARK_CALL:
        if (!m->answered)
            return (struct look){"silent", "call, unanswered", "M-5,-5h10v10h-10z"};
        return m->cls == AT_CLASS_OK          ? (struct look){"ok", "call: ok", "M-5,-5h10v10h-10z"}
               : m->cls == AT_CLASS_DENIED    ? (struct look){"denied", "call: denied", "M-5,-5h10v10h-10z"}
               : m->cls == AT_CLASS_DISMISSED ? (struct look){"dismissed", "call: dismissed", "M-5,-5h10v10h-10z"}
                                              : (struct look){"other", "call: other failure", "M-5,-5h10v10h-10z"};
    case MARK_PROMPT:
        return (struct look){"asked", "prompt", "M0,-7L7,0L0,7L-7,0z"};
    case MARK_ALLOW:
        return (struct look){"ok", "allowed", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"};
    case MARK_DENY:
        return (struct look){"denied", "denied by the user", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"};
    case MARK_DISMISS:
        return (struct look){"dismissed", "dismissed", "M-6,0a6,6 0 1,0 12,0a6,6 0 1,0 -12,0"};
    case MARK_ON:
        return (struct look){"ok", "turned on in settings", "M0,-8L7,5H-7z"};
    case MARK_OFF:
        return (struct look){"denied", "turned off in settings", "M0,8L7,-5H-7z"};
    case MARK_RESET:
        return (struct look){"axis", "removed: records cleared", "M0,-9V9"};
    case MARK_FAULT:
        return (struct look){"fault", "divergence", "M-7,-7L7,7M7,-7L-7,7"};
    }
    return (struct look){"other", "", "M0,0"};
}

static void put_mark(struct page *p, const struct story *s, const struct mark *m, double x, double y, int64_t origin)
{
    struct look look = look_of(m);
    put(p, "<path d=\"%s\" transform=\"translate(%.1f %.1f)\" class=\"mark %s%s\"><title>+%.3f s: %s%s ", look.shape, x,
        y, look.css, m->inferred ? " guess" : "", (double)(m->t_us - origin) / 1e6, m->inferred ? "inferred: " : "",
        look.name);
    put_text(p, story_string(s, m->kind == MARK_FAULT ? m->text : m->api));
    put(p, "</title></path>");
}

static void put_lanes(struct page *p, const struct story *s, const struct canvas *c)
{
    for (size_t i = 0; i < c->n_lanes; i++) {
        double y = TOP + LANE * ((double)i + 0.5);
        put(p, "<line x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\" class=\"lane\"/>", LEFT, PLOT_WIDTH - 10, y, y);
        put_name(p, LEFT - 8, y + 4, "end", story_string(s, c->lane_scope[i]), 26);
    }
}

/* Calls stand on the lane, what the user did above it, divergences below. */
static void put_marks(struct page *p, const struct story *s, const struct tale *t, struct canvas *c)
{
    for (size_t i = 0; i < t->n; i++) {
        const struct mark *m = &t->marks[i];
        double y = TOP + LANE * ((double)(m->scope == UINT32_MAX ? 0 : lane_of(c, m->scope)) + 0.5);
        if (m->kind == MARK_RESET)
            put(p, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.0f\" y2=\"%.0f\" class=\"reset\"/>", c->x[i], c->x[i], TOP,
                TOP + LANE * (double)c->n_lanes);
        y += m->kind == MARK_CALL ? 0 : m->kind == MARK_FAULT ? 13 : -12;
        put_mark(p, s, m, c->x[i], y, t->marks[0].t_us);
    }
}

void plot_story(struct page *p, struct story *s)
{
    static const struct legend legend[] = {
        {"ok", "ok, allowed, turned on", "成功、允许、打开"},
        {"denied", "denied, turned off", "拒绝、关闭"},
        {"dismissed", "dismissed", "关闭弹窗"},
        {"asked", "prompt", "弹窗"},
        {"fault", "divergence", "偏差"},
    };
    struct canvas c = {.n_lanes = 0};
    const struct tale *t = story_best(s);
    if (!t)
        return;
    lay_out(&c, t);
    double height = TOP + LANE * (double)(c.n_lanes ? c.n_lanes : 1) + 26;
    figure_begin(p, "timeline", "One user's scopes over time", "一位用户的各 scope 时间线",
                 "Squares are calls, diamonds prompts, circles decisions, triangles switches flipped, crosses "
                 "divergences; outlines were inferred. Pauses are shortened.",
                 "方块为调用，菱形为弹窗，圆点为决定，三角为设置开关，叉为偏差；空心者为推断。停顿已压缩。", height);
    put_legend(p, legend, sizeof legend / sizeof legend[0]);
    put_lanes(p, s, &c);
    put_marks(p, s, t, &c);
    char from[40];
    at_time_text(t->marks[0].t_us, from);
    put(p, "<text x=\"%.0f\" y=\"%.1f\" class=\"small\">%s</text>", LEFT, height - 6, from);
    put(p, "<text x=\"%.0f\" y=\"%.1f\" class=\"small end\">+%.1f s</text>", PLOT_WIDTH - 12, height - 6,
        (double)(t->marks[t->n - 1].t_us - t->marks[0].t_us) / 1e6);
    figure_end(p);
    put(p, "<p class=\"note\">");
    put_both(p, "app, user:", "应用、用户：");
    put(p, " <bdi>");
    put_text(p, story_string(s, t->app));
    put(p, "</bdi>, <bdi>");
    put_text(p, story_string(s, t->user));
    put(p, "</bdi>");
    if (t->cut)
        put(p, " (+%zu)", t->cut);
    put(p, "</p>\n");
}
