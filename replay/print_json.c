/* print_json.c: findings as JSON: one object, or a line each. */
#include "replay/print.h"

/* Appends ,"name": unless the object has just begun. */
static enum at_err member(struct at_buf *out, const char *name)
{
    bool first = out->len && out->ptr[out->len - 1] == '{';
    return at_buf_printf(out, "%s\"%s\":", first ? "" : ",", name);
}

static enum at_err text_member(struct at_buf *out, const char *name, struct at_str value)
{
    if (!value.ptr)
        return AT_OK;
    enum at_err err = member(out, name);
    return err ? err : at_json_quote(out, value);
}

static enum at_err number_member(struct at_buf *out, const char *name, int64_t value)
{
    enum at_err err = member(out, name);
    return err ? err : at_buf_printf(out, "%lld", (long long)value);
}

static enum at_err place_members(struct at_buf *out, const struct at_place *at)
{
    enum at_err err = number_member(out, "event", (int64_t)at->event);
    if (!err)
        err = number_member(out, "t", at->t_us);
    if (!err && at->packet)
        err = number_member(out, "packet", (int64_t)at->packet);
    return err;
}

enum at_err print_states_member(struct at_buf *out, uint8_t states)
{
    bool first = true;
    if (!states)
        return AT_OK;
    enum at_err err = member(out, "states");
    if (!err)
        err = at_buf_str(out, AT_STR("["));
    for (unsigned s = 0; s < AT_STATES && !err; s++) {
        if (!(states >> s & 1))
            continue;
        err = at_buf_printf(out, "%s\"%s\"", first ? "" : ",", at_state_text((enum at_state)s));
        first = false;
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err print_witness_member(struct at_buf *out, const struct at_witness *list, size_t n)
{
    enum at_err err = member(out, "witness");
    if (!err)
        err = at_buf_str(out, AT_STR("["));
    for (size_t i = 0; i < n && !err; i++) {
        const struct at_witness *w = &list[i];
        err = at_buf_str(out, i ? AT_STR(",{") : AT_STR("{"));
        if (!err)
            err = place_members(out, &w->at);
        if (!err)
            err = text_member(out, "kind", at_str(at_kind_text(w->kind)));
        if (!err)
            err = text_member(out, "text", at_str(w->text));
        if (!err)
            err = at_buf_str(out, AT_STR("}"));
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

enum at_err print_divergence_object(struct at_buf *out, const struct at_divergence *d, bool known)
{
    const struct {
        const char *name;
        struct at_str value;
    } texts[] = {
        {"class", at_str(at_divergence_text(d->cls))},
        {"rule", at_str(d->rule)},
        {"app", d->app},
        {"user", d->user},
        {"scope", d->scope},
        {"api", d->api},
        {"call", d->call},
        {"stream", d->stream},
        {"platform", d->platform},
    };
    enum at_err err = at_buf_str(out, AT_STR("{"));
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] && !err; i++)
        err = text_member(out, texts[i].name, texts[i].value);
    if (!err)
        err = place_members(out, &d->at);
    if (!err)
        err = text_member(out, "expected", at_str(d->expected));
    if (!err)
        err = text_member(out, "observed", at_str(d->observed));
    if (!err)
        err = print_states_member(out, d->states);
    if (!err)
        err = print_witness_member(out, d->witness, d->n_witness);
    if (!err)
        err = text_member(out, "explanation", at_str(d->explanation));
    if (!err && known)
        err = at_buf_str(out, AT_STR(",\"known\":true"));
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static const char *inferred_kind(enum at_inferred_kind kind)
{
    static const char *const texts[] = {"prompt", "decision", "settings", "reset"};
    return texts[kind];
}

enum at_err print_inferred_object(struct at_buf *out, const struct at_inferred *i)
{
    enum at_err err = at_buf_str(out, AT_STR("{"));
    if (!err)
        err = text_member(out, "kind", at_str(inferred_kind(i->kind)));
    if (!err)
        err = text_member(out, "app", i->app);
    if (!err)
        err = text_member(out, "user", i->user);
    if (!err)
        err = text_member(out, "scope", i->scope);
    if (!err)
        err = number_member(out, "after_event", (int64_t)i->after.event);
    if (!err)
        err = number_member(out, "before_event", (int64_t)i->before.event);
    if (!err && i->kind == AT_INFERRED_SETTINGS) {
        err = member(out, "granted");
        if (!err)
            err = at_buf_str(out, i->granted ? AT_STR("true") : AT_STR("false"));
    }
    if (!err && i->kind == AT_INFERRED_DECISION)
        err = text_member(out, "answer", at_str(at_answer_text(i->answer)));
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static enum at_err json_divergence(struct print *p, const struct at_divergence *d, enum standing how)
{
    enum at_err err = print_separator(&p->findings, ",\n  ");
    return err ? err : print_divergence_object(&p->findings, d, how == STANDING_KNOWN);
}

static enum at_err json_inferred(struct print *p, const struct at_inferred *i)
{
    enum at_err err = print_separator(&p->inferred, ",\n  ");
    return err ? err : print_inferred_object(&p->inferred, i);
}

static enum at_err json_hint(struct print *p, const char *text)
{
    enum at_err err = print_separator(&p->hints, ",");
    return err ? err : at_json_quote(&p->hints, at_str(text));
}

static enum at_err diagnosis_member(struct print *p)
{
    enum at_err err = at_buf_str(&p->line, AT_STR(" \"diagnosis\":["));
    for (size_t i = 0; i < p->n_hypotheses && !err; i++) {
        const struct at_hypothesis *h = &p->hypotheses[i];
        err = at_buf_printf(
            &p->line, "%s\n  {\"hypothesis\":\"%s\",\"explains\":%llu,\"of\":%llu,\"new\":%llu,\"text\":", i ? "," : "",
            h->name, (unsigned long long)h->explains, (unsigned long long)h->of, (unsigned long long)h->breaks);
        if (!err)
            err = at_json_quote(&p->line, at_str(h->text));
        if (!err)
            err = at_buf_str(&p->line, AT_STR("}"));
    }
    return err ? err : at_buf_str(&p->line, AT_STR("],\n"));
}

static enum at_err known_member(struct print *p, const struct print_totals *t)
{
    if (!p->n_known && !t->n_vanished)
        return AT_OK;
    return at_buf_printf(&p->line, " \"known\":{\"seen\":%llu,\"vanished\":[%.*s]},\n", (unsigned long long)p->n_known,
                         AT_STR_FMT(t->vanished));
}

static enum at_err json_end(struct print *p, const struct print_totals *t)
{
    p->line.len = 0;
    enum at_err err = at_buf_str(&p->line, AT_STR("{\"schema\":\"authtape.replay/1\",\"profile\":"));
    if (!err)
        err = at_json_quote(&p->line, at_str(p->profile));
    if (!err)
        err = at_buf_printf(&p->line,
                            ",\"events\":%llu,\"calls\":%llu,\"keys\":%llu,\"undetermined\":%llu,"
                            "\"inconclusive\":%llu,\n \"divergences\":[%s%.*s],\n \"inferred\":[%s%.*s],\n",
                            (unsigned long long)t->check.events, (unsigned long long)t->check.calls,
                            (unsigned long long)t->check.keys, (unsigned long long)t->check.undetermined,
                            (unsigned long long)t->check.inconclusive, p->findings.len ? "\n  " : "",
                            AT_STR_FMT(at_buf_view(&p->findings)), p->inferred.len ? "\n  " : "",
                            AT_STR_FMT(at_buf_view(&p->inferred)));
    if (!err && p->diagnose)
        err = diagnosis_member(p);
    if (!err)
        err = known_member(p, t);
    if (!err)
        err = at_buf_printf(&p->line, " \"lost\":{\"gaps\":%llu,\"bytes\":%llu,\"events\":%llu},\n \"hints\":[%.*s]}\n",
                            (unsigned long long)t->check.gaps, (unsigned long long)t->check.lost_bytes,
                            (unsigned long long)t->lost.events, AT_STR_FMT(at_buf_view(&p->hints)));
    return err ? err : print_line(p);
}

static enum at_err ndjson_divergence(struct print *p, const struct at_divergence *d, enum standing how)
{
    enum at_err err = print_divergence_object(&p->line, d, how == STANDING_KNOWN);
    if (!err)
        err = at_buf_str(&p->line, AT_STR("\n"));
    return err ? err : print_line(p);
}

const struct print_format print_json = {
    .name = "json", .divergence = json_divergence, .inferred = json_inferred, .hint = json_hint, .end = json_end};

const struct print_format print_ndjson = {.name = "ndjson", .divergence = ndjson_divergence};
