/* html.c: the report as one HTML file that needs nothing else: figures, tables, two languages, light and dark. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/page.h"

extern const struct at_blob at_page_blobs[]; /* made from the files in analysis/page */

#define GROUPS_SHOWN 800
#define WORDINGS_SHOWN 200
/* Long names make long rows: a table ends when it takes more than this, so that all of them stay below a megabyte. */
#define GROUPS_BYTES (460u << 10)
#define TABLE_BYTES (90u << 10)

static void table_begin(struct page *p, const char *id, const char *en, const char *zh)
{
    put(p, "<section><h2>");
    put_both(p, en, zh);
    put(p, "</h2><p class=\"filter\"><label>");
    put_both(p, "Filter", "筛选");
    put(p, " <input type=\"search\" data-table=\"%s\"></label></p>", id);
    put(p, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"%s / %s\"><table id=\"%s\"><thead><tr>",
        en, zh, id);
}

static void table_end(struct page *p)
{
    put(p, "</tbody></table></div></section>\n");
}

/* `unit`: microseconds of what is shown. */
static void cell_quantile(struct page *p, const struct quantiles *q, double part, double unit)
{
    if (q->n)
        put(p, "<td class=n>%.1f</td>", (double)quantiles_get(q, part) / unit);
    else
        put(p, "<td class=n>–</td>");
}

static const struct heading count_headings[] = {
    {"calls", "调用", true},
    {"ok", "成功", true},
    {"denied", "拒绝", true},
    {"at prompt", "弹窗拒绝", true},
    {"while denied", "静默拒绝", true},
    {"dismissed", "关闭弹窗", true},
    {"unauthorized", "未授权", true},
    {"other", "其他", true},
    {"unanswered", "无应答", true},
    {"prompts", "弹窗", true},
    {"inferred", "推断弹窗", true},
    {"p50 ms", "p50 毫秒", true},
    {"p90 ms", "p90 毫秒", true},
    {"turned on", "打开", true},
    {"turned off", "关闭", true},
    {"users asked", "被询问用户", true},
    {"users denied", "拒绝用户", true},
    {"recovered", "恢复用户", true},
    {"silenced", "静默失败用户", true},
    {"kept asking", "反复失败用户", true},
    {"turned off by", "关闭用户", true},
    {"on again by", "再次打开用户", true},
    {"recovery p50 s", "恢复 p50 秒", true},
};
#define COUNT_HEADINGS (sizeof count_headings / sizeof count_headings[0])

static void cells_of_counts(struct page *p, const struct counts *c)
{
    cell_number(p, c->calls);
    cell_number(p, c->by_class[AT_CLASS_OK]);
    cell_number(p, c->by_class[AT_CLASS_DENIED]);
    cell_number(p, c->at_prompt);
    cell_number(p, c->while_denied);
    cell_number(p, c->by_class[AT_CLASS_DISMISSED]);
    cell_number(p, c->by_class[AT_CLASS_UNAUTHORIZED]);
    cell_number(p, counts_other(c));
    cell_number(p, counts_unanswered(c));
    cell_number(p, c->prompts_observed);
    cell_number(p, c->prompts_inferred);
    cell_quantile(p, &c->answer_us, 0.5, 1e3);
    cell_quantile(p, &c->answer_us, 0.9, 1e3);
    cell_number(p, c->to_granted);
    cell_number(p, c->to_denied);
    cell_number(p, c->users[USERS_ASKED]);
    cell_number(p, c->users[USERS_DENIED]);
    cell_number(p, c->users[USERS_RECOVERED]);
    cell_number(p, c->users[USERS_SILENCED]);
    cell_number(p, c->users[USERS_KEPT_ASKING]);
    cell_number(p, c->users[USERS_TURNED_OFF]);
    cell_number(p, c->users[USERS_ON_AGAIN]);
    cell_quantile(p, &c->recovery_us, 0.5, 1e6);
}

/* How many rows a table does not show. */
static void put_left_out(struct page *p, size_t n)
{
    if (!n)
        return;
    put(p, "<p class=\"note\">");
    put_both(p, "rows not shown: ", "未显示的行数：");
    put(p, "%zu</p>\n", n);
}

void table_scopes(struct page *p, const struct row *rows, size_t n)
{
    static const struct heading scope = {"scope", "scope", false};
    table_begin(p, "scopes", "Scopes", "各 scope");
    table_head(p, &scope, 1);
    table_head(p, count_headings, COUNT_HEADINGS);
    put(p, "</tr></thead><tbody>");
    size_t from = p->out->len, i = 0;
    for (; i < n && i < GROUPS_SHOWN && p->out->len - from < TABLE_BYTES; i++) {
        put(p, "<tr>");
        cell_text(p, rows[i].label[DIM_SCOPE]);
        cells_of_counts(p, rows[i].counts);
        put(p, "</tr>\n");
    }
    table_end(p);
    put_left_out(p, n - i);
}

void table_groups(struct page *p, const struct row *rows, size_t n, const struct report_options *o)
{
    static const struct heading dims[REPORT_DIMS] = {
        {"scope", "scope", false},   {"api", "接口", false},  {"app", "应用", false}, {"platform", "平台", false},
        {"errMsg", "errMsg", false}, {"user", "用户", false}, {"day", "日", false},   {"hour", "时", false},
    };
    table_begin(p, "groups", "Groups", "分组");
    for (size_t d = 0; d < o->n_by; d++)
        table_head(p, &dims[o->by[d]], 1);
    table_head(p, count_headings, COUNT_HEADINGS);
    put(p, "</tr></thead><tbody>");
    size_t from = p->out->len, i = 0;
    for (; i < n && i < GROUPS_SHOWN && p->out->len - from < GROUPS_BYTES; i++) {
        put(p, "<tr>");
        for (size_t d = 0; d < o->n_by; d++)
            cell_text(p, rows[i].label[o->by[d]]);
        cells_of_counts(p, rows[i].counts);
        put(p, "</tr>\n");
    }
    table_end(p);
    put_left_out(p, n - i);
}

void table_wordings(struct page *p, const struct wording *list, size_t n)
{
    static const struct heading headings[] = {
        {"count", "次数", true},  {"platform", "平台", false}, {"api", "接口", false},
        {"class", "类别", false}, {"errMsg", "errMsg", false},
    };
    uint64_t most = n ? list[0].count : 1;
    table_begin(p, "errmsgs", "errMsg by platform", "各平台的 errMsg");
    table_head(p, headings, sizeof headings / sizeof headings[0]);
    put(p, "</tr></thead><tbody>");
    size_t from = p->out->len, i = 0;
    for (; i < n && i < WORDINGS_SHOWN && p->out->len - from < TABLE_BYTES; i++) {
        const struct wording *w = &list[i];
        const char *css = w->cls == AT_CLASS_OK          ? "ok"
                          : w->cls == AT_CLASS_DENIED    ? "denied"
                          : w->cls == AT_CLASS_DISMISSED ? "dismissed"
                                                         : "other";
        put(p, "<tr><td class=n>");
        put(p,
            "<svg class=\"spark\" viewBox=\"0 0 60 10\" aria-hidden=\"true\"><rect width=\"%.1f\" height=\"10\" "
            "class=\"%s\"/></svg> ",
            60.0 * (double)w->count / (double)most, css);
        put_number(p, w->count);
        put(p, "</td>");
        cell_text(p, w->platform);
        cell_text(p, w->api);
        put(p, "<td>%s", at_class_text(w->cls));
        if (!w->known) {
            put(p, " <strong>");
            put_both(p, "unknown wording", "未知措辞");
            put(p, "</strong>");
        }
        put(p, "</td>");
        cell_text(p, w->err_msg);
        put(p, "</tr>\n");
    }
    table_end(p);
    put_left_out(p, n - i);
}

void table_lone(struct page *p, const struct row *rows, size_t n)
{
    static const struct heading headings[] = {{"scope", "scope", false},
                                              {"API", "接口", false},
                                              {"platform", "平台", false},
                                              {"calls", "调用", true},
                                              {"users", "用户", true}};
    table_begin(p, "never-asked", "Called by users who were never asked", "用户从未被询问的调用");
    table_head(p, headings, 5);
    put(p, "</tr></thead><tbody>");
    size_t from = p->out->len, i = 0;
    for (; i < n && i < WORDINGS_SHOWN && p->out->len - from < TABLE_BYTES; i++) {
        put(p, "<tr>");
        cell_text(p, rows[i].label[DIM_SCOPE]);
        cell_text(p, rows[i].label[DIM_API]);
        cell_text(p, rows[i].label[DIM_PLATFORM]);
        cell_number(p, rows[i].counts->calls);
        cell_number(p, rows[i].counts->users[0]);
        put(p, "</tr>\n");
    }
    table_end(p);
    put_left_out(p, n - i);
}

void table_faults(struct page *p, const struct story *s)
{
    static const struct heading headings[] = {
        {"event", "事件", true}, {"time", "时间", false},   {"class", "类别", false}, {"app", "应用", false},
        {"user", "用户", false}, {"scope", "scope", false}, {"what", "说明", false},
    };
    table_begin(p, "divergences", "Divergences", "偏差");
    table_head(p, headings, sizeof headings / sizeof headings[0]);
    put(p, "</tr></thead><tbody>");
    size_t from = p->out->len, i = 0;
    for (; i < s->n_faults && p->out->len - from < TABLE_BYTES; i++) {
        const struct fault *f = &s->faults[i];
        char when[40];
        at_time_text(f->t_us, when);
        put(p, "<tr>");
        cell_number(p, f->event);
        put(p, "<td>%s</td><td>%s</td>", when, f->cls);
        cell_text(p, story_string(s, f->app));
        cell_text(p, story_string(s, f->user));
        cell_text(p, story_string(s, f->scope));
        cell_text(p, story_string(s, f->text));
        put(p, "</tr>\n");
    }
    table_end(p);
    put_left_out(p, (size_t)(s->faults_all - i));
}

static struct at_str blob(const char *name)
{
    for (size_t i = 0; at_page_blobs[i].name; i++)
        if (!strcmp(at_page_blobs[i].name, name))
            return at_page_blobs[i].text;
    return (struct at_str){0};
}

static void put_blob(struct page *p, const char *name)
{
    struct at_str text = blob(name);
    if (!p->err)
        p->err = at_buf_str(p->out, text);
}

static void put_head(struct page *p)
{
    put(p, "<!DOCTYPE html>\n<html lang=\"en\" data-lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
           "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
           "script-src 'unsafe-inline'\">\n<title>authtape: authorization report</title>\n<style>\n");
    put_blob(p, "style");
    put(p, "</style>\n</head>\n<body>\n");
}

static void put_tile(struct page *p, uint64_t n, const char *en, const char *zh)
{
    put(p, "<li><b>");
    put_number(p, n);
    put(p, "</b> ");
    put_both(p, en, zh);
    put(p, "</li>");
}

/* "2026-11-14 22:13". */
static void put_minute(struct page *p, int64_t t_us)
{
    char text[40];
    at_time_text(t_us, text);
    put(p, "%.10s %.5s", text, text + 11);
}

static void put_top(struct page *p, const struct tally *t, const struct story *s, const struct row *rows, size_t n_rows)
{
    struct tally_totals n;
    uint64_t prompts = 0, refused = 0, silent = 0;
    tally_totals(t, &n);
    for (size_t i = 0; i < n_rows; i++) {
        const struct counts *c = rows[i].counts;
        prompts += c->prompts_observed + c->prompts_inferred;
        refused += c->answers[AT_ANSWER_DENY];
        silent += c->while_denied;
    }
    put(p, "<header><h1>");
    put_both(p, "Authorization report", "授权报告");
    put(p, "</h1><p class=\"buttons\"><button type=\"button\" id=\"lang\">中文</button> "
           "<button type=\"button\" id=\"theme\" aria-label=\"light or dark / 明暗\">◐</button></p>");
    if (n.events) {
        put(p, "<p>");
        put_minute(p, n.from_us);
        put(p, " – ");
        put_minute(p, n.to_us);
        put(p, " UTC</p>");
    }
    put(p, "<ul class=\"tiles\">");
    put_tile(p, n.events, "events", "事件");
    put_tile(p, n.calls, "calls", "调用");
    put_tile(p, n.apps, n.apps == 1 ? "app" : "apps", "应用");
    put_tile(p, n.users, n.users == 1 ? "user" : "users", "用户");
    put_tile(p, prompts, "prompts", "弹窗");
    put_tile(p, refused, "prompts refused", "弹窗被拒");
    put_tile(p, silent, "calls denied in silence", "静默失败的调用");
    put_tile(p, s->faults_all, "divergences", "偏差");
    put(p, "</ul></header>\n<main>\n");
}

enum at_err report_html(const struct tally *t, const struct report_options *o, struct story *s, size_t groups,
                        size_t hours, struct at_buf *out)
{
    struct page p = {.out = out};
    struct row *rows = NULL, *group_rows = NULL, *lone_rows = NULL;
    struct wording *wordings = NULL;
    size_t n = 0, n_groups = 0, n_lone = 0, n_wordings = 0;
    p.err = rows_of(t, tally_scopes(t), &rows, &n);
    if (!p.err && groups)
        p.err = rows_of(t, tally_groups(t, groups), &group_rows, &n_groups);
    if (!p.err)
        p.err = rows_of(t, tally_lone(t), &lone_rows, &n_lone);
    if (!p.err)
        p.err = wordings_of(t, &wordings, &n_wordings);
    put_head(&p);
    put_top(&p, t, s, rows, n);
    plot_outcomes(&p, rows, n);
    plot_denials(&p, tally_groups(t, hours));
    plot_users(&p, rows, n);
    plot_answer_times(&p, tally_scopes(t));
    plot_wordings(&p, wordings, n_wordings);
    plot_story(&p, s);
    table_scopes(&p, rows, n);
    if (groups)
        table_groups(&p, group_rows, n_groups, o);
    table_lone(&p, lone_rows, n_lone);
    table_faults(&p, s);
    table_wordings(&p, wordings, n_wordings);
    put(&p, "</main>\n<footer><p>authtape " AT_VERSION "</p></footer>\n<script>\n");
    put_blob(&p, "script");
    put(&p, "</script>\n</body>\n</html>\n");
    free(rows);
    free(group_rows);
    free(lone_rows);
    free(wordings);
    return p.err;
}
