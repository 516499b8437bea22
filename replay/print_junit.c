/* print_junit.c: JUnit XML, as Jenkins, GitLab and GitHub read it: a failed test case for every divergence. */
#include <string.h>

#include "replay/print.h"

/* XML 1.0, section 2.2: bytes below 0x20 other than tab and line ends cannot be written at all. */
enum at_err print_xml_text(struct at_buf *out, struct at_str s)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < s.len && !err;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = c < 0x80 ? 1 : at_utf8_sequence((struct at_str){s.ptr + i, s.len - i});
        struct at_str as = {s.ptr + i, n};
        if (c == '<')
            as = AT_STR("&lt;");
        else if (c == '>')
            as = AT_STR("&gt;");
        else if (c == '&')
            as = AT_STR("&amp;");
        else if (c == '"')
            as = AT_STR("&quot;");
        else if (c == '\t' || c == '\n' || c == '\r')
            as = AT_STR(" ");
        else if (n == 0 || c < 0x20 ||
                 (n == 3 && !memcmp(s.ptr + i, "\xef\xbf\xbe", 2) && (s.ptr[i + 2] & 0x3e) == 0x3e))
            as = AT_STR("\xef\xbf\xbd");
        err = at_buf_str(out, as);
        i += n ? n : 1;
    }
    return err;
}

static enum at_err attribute(struct at_buf *out, const char *name, struct at_str value)
{
    enum at_err err = at_buf_printf(out, " %s=\"", name);
    if (!err)
        err = print_xml_text(out, value);
    return err ? err : at_buf_str(out, AT_STR("\""));
}

static enum at_err begin_case(struct print *p, struct at_str app, struct at_str user, struct at_str name)
{
    struct at_buf *out = &p->findings;
    enum at_err err = at_buf_str(out, AT_STR("  <testcase classname=\""));
    if (!err)
        err = print_xml_text(out, app);
    if (!err && user.len)
        err = at_buf_str(out, AT_STR("."));
    if (!err)
        err = print_xml_text(out, user);
    if (!err)
        err = at_buf_str(out, AT_STR("\""));
    if (!err)
        err = attribute(out, "name", name);
    return err ? err : at_buf_str(out, AT_STR(" time=\"0\">"));
}

static enum at_err junit_divergence(struct print *p, const struct at_divergence *d, enum standing how)
{
    struct at_buf *out = &p->findings;
    p->line.len = 0;
    enum at_err err = at_buf_printf(&p->line, "%s %.*s at #%llu", at_divergence_text(d->cls),
                                    AT_STR_FMT(d->scope.len ? d->scope : d->api), (unsigned long long)d->at.event);
    if (!err)
        err = begin_case(p, d->app, d->user, at_buf_view(&p->line));
    if (!err && how != STANDING_COUNTS)
        err = at_buf_str(out, AT_STR("<skipped/>"));
    if (!err && how == STANDING_COUNTS) {
        err = at_buf_str(out, AT_STR("<failure"));
        if (!err)
            err = attribute(out, "type", at_str(at_divergence_text(d->cls)));
        if (!err)
            err = attribute(out, "message", at_str(d->explanation));
        if (!err)
            err = at_buf_str(out, AT_STR(">expected: "));
        if (!err)
            err = print_xml_text(out, at_str(d->expected));
        if (!err)
            err = at_buf_str(out, AT_STR("\nobserved: "));
        if (!err)
            err = print_xml_text(out, at_str(d->observed));
        for (size_t i = 0; i < d->n_witness && !err; i++) {
            err = at_buf_printf(out, "\nbecause #%llu: ", (unsigned long long)d->witness[i].at.event);
            if (!err)
                err = print_xml_text(out, at_str(d->witness[i].text));
        }
        if (!err)
            err = at_buf_str(out, AT_STR("</failure>"));
    }
    return err ? err : at_buf_str(out, AT_STR("</testcase>\n"));
}

/* The last test case stands for all events that are explained; users that could not be followed are its errors. */
static enum at_err junit_end(struct print *p, const struct print_totals *t)
{
    uint64_t lost = t->check.inconclusive;
    enum at_err err = begin_case(p, AT_STR("authtape"), (struct at_str){0}, AT_STR("all users could be followed"));
    if (!err && lost)
        err = at_buf_printf(&p->findings, "<error type=\"inconclusive\" message=\"%llu users are inconclusive\"/>",
                            (unsigned long long)lost);
    if (!err)
        err = at_buf_str(&p->findings, AT_STR("</testcase>\n"));
    p->line.len = 0;
    if (!err)
        err = at_buf_printf(
            &p->line,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite name=\"authtape replay\" "
            "tests=\"%llu\" failures=\"%llu\" errors=\"%d\" skipped=\"%llu\" time=\"0\">\n",
            (unsigned long long)p->n_shown + 1, (unsigned long long)p->n_failed, lost > 0,
            (unsigned long long)(p->n_shown - p->n_failed));
    if (!err)
        err = at_buf_str(&p->line, at_buf_view(&p->findings));
    if (!err)
        err = at_buf_str(&p->line, AT_STR(" </testsuite>\n</testsuites>\n"));
    return err ? err : print_line(p);
}

const struct print_format print_junit = {.name = "junit", .divergence = junit_divergence, .end = junit_end};
