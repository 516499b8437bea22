/* print.c: findings as text and as JSON. */
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

static enum at_err states_member(struct at_buf *out, uint8_t states)
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

static enum at_err witness_member(struct at_buf *out, const struct at_divergence *d)
{
    enum at_err err = member(out, "witness");
    if (!err)
        err = at_buf_str(out, AT_STR("["));
    for (size_t i = 0; i < d->n_witness && !err; i++) {
        const struct at_witness *w = &d->witness[i];
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

enum at_err at_print_divergence_json(struct at_buf *out, const struct at_divergence *d)
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
        err = states_member(out, d->states);
    if (!err)
        err = witness_member(out, d);
    if (!err)
        err = text_member(out, "explanation", at_str(d->explanation));
    return err ? err : at_buf_str(out, AT_STR("}"));
}

static const char *inferred_kind(enum at_inferred_kind kind)
{
    static const char *const texts[] = {"prompt", "decision", "settings", "reset"};
    return texts[kind];
}

enum at_err at_print_inferred_json(struct at_buf *out, const struct at_inferred *i)
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

static enum at_err place_text(struct at_buf *out, const struct at_place *at)
{
    char time[40];
    at_time_text(at->t_us, time);
    enum at_err err = at_buf_printf(out, "#%llu  %s", (unsigned long long)at->event, time);
    if (!err && at->packet)
        err = at_buf_printf(out, "  packet %llu", (unsigned long long)at->packet);
    return err;
}

static enum at_err word_text(struct at_buf *out, const char *name, struct at_str value)
{
    return value.ptr && value.len ? at_buf_printf(out, "  %s %.*s", name, AT_STR_FMT(value)) : AT_OK;
}

enum at_err at_print_divergence_text(struct at_buf *out, const struct at_divergence *d, bool color)
{
    const char *bold = color ? "\033[1m" : "", *red = color ? "\033[1;31m" : "", *plain = color ? "\033[0m" : "";
    enum at_err err = at_buf_printf(out, "%s%s%s (%s)%s: %s\n", red, at_divergence_text(d->cls), plain, d->rule, plain,
                                    d->explanation);
    if (!err)
        err = at_buf_printf(out, "    at        %s", bold);
    if (!err)
        err = place_text(out, &d->at);
    if (!err)
        err = at_buf_printf(out, "%s\n    where    ", plain);
    if (!err)
        err = word_text(out, "app", d->app);
    if (!err)
        err = word_text(out, "user", d->user);
    if (!err)
        err = word_text(out, "platform", d->platform);
    if (!err)
        err = word_text(out, "call", d->call);
    if (!err)
        err = at_buf_printf(out, "\n    expected  %s\n    observed  %s\n", d->expected, d->observed);
    for (size_t i = 0; i < d->n_witness && !err; i++) {
        err = at_buf_str(out, AT_STR("    because   "));
        if (!err)
            err = place_text(out, &d->witness[i].at);
        if (!err)
            err = at_buf_printf(out, "  %s\n", d->witness[i].text);
    }
    return err ? err : at_buf_str(out, AT_STR("\n"));
}

enum at_err at_print_inferred_text(struct at_buf *out, const struct at_inferred *i)
{
    enum at_err err = at_buf_str(out, AT_STR("inferred: "));
    if (err)
        return err;
    switch (i->kind) {
    case AT_INFERRED_PROMPT:
        err = at_buf_printf(out, "the user was prompted for %.*s", AT_STR_FMT(i->scope));
        break;
    case AT_INFERRED_DECISION:
        err = at_buf_printf(out, "the user answered '%s' to the prompt for %.*s", at_answer_text(i->answer),
                            AT_STR_FMT(i->scope));
        break;
    case AT_INFERRED_SETTINGS:
        err = at_buf_printf(out, "%.*s was turned %s in settings", AT_STR_FMT(i->scope), i->granted ? "on" : "off");
        break;
    case AT_INFERRED_RESET:
    default:
        err = at_buf_str(out, AT_STR("all records were removed"));
        break;
    }
    if (!err)
        err = at_buf_printf(out, " between #%llu and #%llu (user %.*s)\n", (unsigned long long)i->after.event,
                            (unsigned long long)i->before.event, AT_STR_FMT(i->user));
    return err;
}
