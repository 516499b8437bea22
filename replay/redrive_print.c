/* redrive_print.c: the comparison, as text, JSON and JUnit XML. */
#include <stdio.h>
#include <string.h>

#include "replay/print.h"
#include "replay/redrive_compare.h"

static enum at_err write_out(struct at_buf *out, enum at_err err)
{
    if (!err) {
        fwrite(out->ptr, 1, out->len, stdout);
        err = fflush(stdout) ? AT_CLOSED : AT_OK;
    }
    at_buf_free(out);
    return err;
}

static struct at_str text_of(const struct rd_compare *c, size_t at, size_t len)
{
    return (struct at_str){c->texts.ptr + at, len};
}

/* `getLocation was answered "…" (denied)`. */
static enum at_err outcome_text(struct at_buf *out, const struct rd_compare *c, const struct at_event *ret)
{
    if (!ret)
        return at_buf_str(out, AT_STR("no answer"));
    enum at_err err = at_buf_printf(out, "\"%.*s\" (%s)", AT_STR_FMT(ret->err_msg), at_class_text(rd_class(c, ret)));
    if (err || !(ret->has & AT_HAS_AUTH_SETTING))
        return err;
    err = at_buf_str(out, AT_STR(" {"));
    for (size_t i = 0; i < ret->n_settings && !err; i++)
        err = at_buf_printf(out, "%s%.*s=%s", i ? " " : "", AT_STR_FMT(ret->settings[i].scope),
                            ret->settings[i].granted ? "on" : "off");
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- Text */

static enum at_err call_text(struct at_buf *out, const struct rd_compare *c, uint32_t copy, uint32_t call,
                             enum rd_verdict v)
{
    const struct rd_call *k = &c->plan->calls[call];
    const struct rd_result *r = rd_driver_result(c->driver, copy, call);
    enum at_err err =
        at_buf_printf(out, "%s: %.*s at #%llu of the recording (user %.*s): ", v == RD_FIXED ? "fixed" : "differs",
                      AT_STR_FMT(k->call->api), (unsigned long long)(k->ret ? k->ret_event : k->event),
                      AT_STR_FMT(rd_driver_user(c->driver, copy, k->key)));
    if (!err && v == RD_FIXED)
        err = at_buf_printf(out, "%s then; now ", at_divergence_text(rd_compare_recorded(c, call)->cls));
    if (!err && v == RD_DIFFERS) {
        err = outcome_text(out, c, k->ret);
        if (!err)
            err = at_buf_str(out, AT_STR(" then; now "));
    }
    if (!err)
        err = outcome_text(out, c, r->ret);
    return err ? err : at_buf_str(out, v == RD_FIXED ? AT_STR("\n") : AT_STR("; both are allowed\n"));
}

static enum at_err summary_text(struct at_buf *out, const struct rd_report *r)
{
    const struct rd_compare *c = r->compare;
    uint64_t again = 0, users = (uint64_t)c->plan->n_keys * c->copies, recorded = 0;
    for (size_t i = 0; i < c->n_findings; i++)
        recorded += c->findings[i].recorded;
    for (int v = 0; v < RD_VERDICTS; v++)
        again += v == RD_SKIPPED ? 0 : c->counts[v];
    enum at_err err = at_buf_printf(
        out,
        "%llu call%s of %llu user%s driven again: %llu the same, %llu different though allowed, %llu fixed\n"
        "%zu divergence%s of the target",
        (unsigned long long)again, plural(again), (unsigned long long)users, plural(users),
        (unsigned long long)c->counts[RD_SAME], (unsigned long long)c->counts[RD_DIFFERS],
        (unsigned long long)c->counts[RD_FIXED], c->n_findings, plural(c->n_findings));
    if (!err && recorded)
        err = at_buf_printf(out, ", %llu of them recorded before", (unsigned long long)recorded);
    if (!err && c->counts[RD_SKIPPED])
        err = at_buf_printf(out, "; %llu call%s not made", (unsigned long long)c->counts[RD_SKIPPED],
                            c->counts[RD_SKIPPED] == 1 ? " was" : "s were");
    if (!err && r->counts.extra_prompts)
        err = at_buf_printf(out, "; %llu prompt%s answered that the recording did not have",
                            (unsigned long long)r->counts.extra_prompts, plural(r->counts.extra_prompts));
    if (!err && (r->counts.garbage || r->counts.unknown))
        err = at_buf_printf(out, "; %llu message%s that nothing could be made of",
                            (unsigned long long)r->counts.garbage + r->counts.unknown,
                            plural(r->counts.garbage + r->counts.unknown));
    return err ? err : at_buf_str(out, AT_STR("\n"));
}

enum at_err rd_print_text(const struct rd_report *r)
{
    const struct rd_compare *c = r->compare;
    struct at_buf out = {0};
    enum at_err err = AT_OK;
    for (uint32_t copy = 0; copy < c->copies && !err; copy++)
        for (uint32_t call = 0; call < c->plan->n_calls && !err; call++) {
            enum rd_verdict v = rd_compare_call(c, copy, call);
            if (v == RD_FIXED || v == RD_DIFFERS)
                err = call_text(&out, c, copy, call, v);
        }
    if (!err && out.len)
        err = at_buf_str(&out, AT_STR("\n"));
    if (!err)
        err = summary_text(&out, r);
    return write_out(&out, err);
}

/* ---- JSON */

static enum at_err text_member(struct at_buf *out, const char *name, struct at_str value)
{
    enum at_err err = at_buf_printf(out, ",\"%s\":", name);
    return err ? err : at_json_quote(out, value);
}

static enum at_err outcome_json(struct at_buf *out, const struct rd_compare *c, const char *name,
                                const struct at_event *ret)
{
    if (!ret)
        return at_buf_printf(out, ",\"%s\":null", name);
    enum at_err err = at_buf_printf(out, ",\"%s\":{\"class\":\"%s\"", name, at_class_text(rd_class(c, ret)));
    if (!err)
        err = text_member(out, "errMsg", ret->err_msg);
    if (!err && ret->has & AT_HAS_AUTH_SETTING) {
        err = at_buf_str(out, AT_STR(",\"authSetting\":{"));
        for (size_t i = 0; i < ret->n_settings && !err; i++) {
            err = at_buf_str(out, i ? AT_STR(",") : AT_STR(""));
            if (!err)
                err = at_json_quote(out, ret->settings[i].scope);
            if (!err)
                err = at_buf_str(out, ret->settings[i].granted ? AT_STR(":true") : AT_STR(":false"));
        }
        if (!err)
            err = at_buf_str(out, AT_STR("}"));
    }
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err call_json(struct at_buf *out, const struct rd_compare *c, uint32_t copy, uint32_t call,
                             enum rd_verdict v)
{
    const struct rd_call *k = &c->plan->calls[call];
    enum at_err err = at_buf_printf(out, "{\"recorded_event\":%llu", (unsigned long long)k->event);
    if (!err)
        err = text_member(out, "app", k->call->app);
    if (!err)
        err = text_member(out, "user", rd_driver_user(c->driver, copy, k->key));
    if (!err)
        err = text_member(out, "api", k->call->api);
    if (!err && v == RD_FIXED) {
        const struct rd_found *f = rd_compare_recorded(c, call);
        err = text_member(out, "class", at_str(at_divergence_text(f->cls)));
        if (!err)
            err = text_member(out, "explanation", at_str(rd_planner_text(c->planner, f->text)));
    }
    if (!err)
        err = outcome_json(out, c, "was", k->ret);
    if (!err)
        err = outcome_json(out, c, "now", rd_driver_result(c->driver, copy, call)->ret);
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err list_json(struct at_buf *out, const struct rd_compare *c, const char *name, enum rd_verdict wanted)
{
    enum at_err err = at_buf_printf(out, ",\n \"%s\":[", name);
    bool any = false;
    for (uint32_t copy = 0; copy < c->copies && !err; copy++)
        for (uint32_t call = 0; call < c->plan->n_calls && !err; call++) {
            if (rd_compare_call(c, copy, call) != wanted)
                continue;
            err = at_buf_str(out, any ? AT_STR(",\n  ") : AT_STR("\n  "));
            if (!err)
                err = call_json(out, c, copy, call, wanted);
            any = true;
        }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

static enum at_err findings_json(struct at_buf *out, const struct rd_compare *c)
{
    enum at_err err = at_buf_str(out, AT_STR(",\n \"divergences\":["));
    for (size_t i = 0; i < c->n_findings && !err; i++) {
        const struct rd_finding *f = &c->findings[i];
        struct at_str json = text_of(c, f->json_at, f->json_len);
        err = at_buf_str(out, i ? AT_STR(",\n  ") : AT_STR("\n  "));
        json.len--; /* its last bracket comes after what is added */
        if (!err)
            err = at_buf_str(out, json);
        if (!err && f->has_call)
            err = at_buf_printf(out, ",\"recorded_event\":%llu", (unsigned long long)c->plan->calls[f->call].event);
        if (!err)
            err = at_buf_printf(out, ",\"recorded\":%s}", f->recorded ? "true" : "false");
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

static enum at_err notes_json(struct at_buf *out, struct at_str notes)
{
    enum at_err err = at_buf_str(out, AT_STR(",\n \"notes\":["));
    for (size_t at = 0, end; at < notes.len && !err; at = end + 1) {
        for (end = at; end < notes.len && notes.ptr[end] != '\n'; end++)
            continue;
        err = at_buf_str(out, at ? AT_STR(",") : AT_STR(""));
        if (!err)
            err = at_json_quote(out, (struct at_str){notes.ptr + at, end - at});
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err rd_print_json(const struct rd_report *r)
{
    const struct rd_compare *c = r->compare;
    struct at_buf out = {0};
    enum at_err err = at_buf_str(&out, AT_STR("{\"schema\":\"authtape.redrive/1\""));
    if (!err)
        err = text_member(&out, "target", at_str(r->target));
    if (!err)
        err = text_member(&out, "profile", at_str(r->profile));
    if (!err)
        err = at_buf_printf(
            &out,
            ",\n \"users\":%llu,\"calls\":%llu,\"same\":%llu,\"diverge\":%llu,\"differ\":%llu,\"fixed\":%llu,"
            "\"not_made\":%llu",
            (unsigned long long)c->plan->n_keys * c->copies, (unsigned long long)c->plan->n_calls * c->copies,
            (unsigned long long)c->counts[RD_SAME], (unsigned long long)c->counts[RD_DIVERGES],
            (unsigned long long)c->counts[RD_DIFFERS], (unsigned long long)c->counts[RD_FIXED],
            (unsigned long long)c->counts[RD_SKIPPED]);
    const struct {
        const char *name;
        uint64_t n;
    } numbers[] = {{"connections", r->counts.connections},
                   {"reconnects", r->counts.reconnects},
                   {"sent", r->counts.sent},
                   {"received", r->counts.received},
                   {"garbage", r->counts.garbage},
                   {"unknown_answers", r->counts.unknown},
                   {"extra_prompts", r->counts.extra_prompts},
                   {"missed_decisions", r->counts.missed_decisions},
                   {"refused", r->counts.refused},
                   {"not_driven", r->counts.not_driven},
                   {"recorded_divergences", c->plan->divergences},
                   {"left_out", c->plan->left_out}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0] && !err; i++)
        err = at_buf_printf(&out, ",\"%s\":%llu", numbers[i].name, (unsigned long long)numbers[i].n);
    if (!err)
        err = findings_json(&out, c);
    if (!err)
        err = list_json(&out, c, "differences", RD_DIFFERS);
    if (!err)
        err = list_json(&out, c, "now_fixed", RD_FIXED);
    if (!err)
        err = notes_json(&out, r->notes);
    if (!err)
        err = at_buf_str(&out, AT_STR("}\n"));
    return write_out(&out, err);
}

/* ---- JUnit: a test case for every call, and one for what belongs to none */

static enum at_err junit_call(struct at_buf *out, const struct rd_compare *c, uint32_t copy, uint32_t call)
{
    static const char *const words[RD_VERDICTS] = {"the same as recorded", "diverges", "fixed",
                                                   "differs, though allowed", "not made"};
    const struct rd_call *k = &c->plan->calls[call];
    enum rd_verdict v = rd_compare_call(c, copy, call);
    enum at_err err = at_buf_str(out, AT_STR("  <testcase classname=\""));
    if (!err)
        err = print_xml_text(out, rd_driver_user(c->driver, copy, k->key));
    if (!err)
        err = at_buf_printf(out, "\" name=\"#%llu ", (unsigned long long)k->event);
    if (!err)
        err = print_xml_text(out, k->call->api);
    if (!err && k->call->n_scopes) {
        err = at_buf_str(out, AT_STR(" "));
        if (!err)
            err = print_xml_text(out, k->call->scopes[0]);
    }
    if (!err)
        err = at_buf_str(out, AT_STR("\" time=\"0\">"));
    for (size_t i = 0; i < c->n_findings && !err; i++) {
        const struct rd_finding *f = &c->findings[i];
        if (!f->has_call || f->call != call || f->copy != copy)
            continue;
        err = at_buf_printf(out, "<failure type=\"%s\">", at_divergence_text(f->cls));
        if (!err)
            err = print_xml_text(out, text_of(c, f->words_at, f->words_len));
        if (!err)
            err = at_buf_str(out, AT_STR("</failure>"));
        break; /* JUnit knows one failure a test case */
    }
    if (!err && v == RD_SKIPPED)
        err = at_buf_str(out, AT_STR("<error type=\"not-made\" message=\"the call could not be made\"/>"));
    if (!err && v != RD_SKIPPED && v != RD_SAME)
        err = at_buf_printf(out, "<system-out>%s</system-out>", words[v]);
    return err ? err : at_buf_str(out, AT_STR("</testcase>\n"));
}

enum at_err rd_print_junit(const struct rd_report *r)
{
    const struct rd_compare *c = r->compare;
    struct at_buf out = {0}, rest = {0};
    uint64_t other = 0, tests = (uint64_t)c->plan->n_calls * c->copies + 1;
    enum at_err err = AT_OK;
    for (size_t i = 0; i < c->n_findings && !err; i++) {
        const struct rd_finding *f = &c->findings[i];
        if (f->has_call)
            continue;
        err = at_buf_str(&rest, other++ ? AT_STR("\n") : AT_STR(""));
        if (!err)
            err = print_xml_text(&rest, text_of(c, f->words_at, f->words_len));
    }
    if (!err)
        err = at_buf_printf(&out,
                            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite name=\"authtape "
                            "redrive\" tests=\"%llu\" failures=\"%llu\" errors=\"%llu\" skipped=\"0\" time=\"0\">\n",
                            (unsigned long long)tests, (unsigned long long)c->counts[RD_DIVERGES] + (other > 0),
                            (unsigned long long)c->counts[RD_SKIPPED]);
    for (uint32_t copy = 0; copy < c->copies && !err; copy++)
        for (uint32_t call = 0; call < c->plan->n_calls && !err; call++)
            err = junit_call(&out, c, copy, call);
    if (!err)
        err = at_buf_str(&out, AT_STR("  <testcase classname=\"authtape\" name=\"prompts, decisions and settings\" "
                                      "time=\"0\">"));
    if (!err && other)
        err = at_buf_printf(&out, "<failure type=\"divergence\">%.*s</failure>", AT_STR_FMT(at_buf_view(&rest)));
    if (!err)
        err = at_buf_str(&out, AT_STR("</testcase>\n </testsuite>\n</testsuites>\n"));
    at_buf_free(&rest);
    return write_out(&out, err);
}
