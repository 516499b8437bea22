/* print_text.c: findings for people. */
#include <stdio.h>

#include "replay/print.h"
#include "replay/words.h"

#define HYPOTHESES_SHOWN 5u

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

static enum at_err headline(struct print *p, const struct at_divergence *d, enum standing how)
{
    static const char *const words[] = {"", ", known", ", does not count"};
    struct at_buf *out = &p->line;
    const char *color = !p->color ? "" : how == STANDING_COUNTS ? "\033[1;31m" : "\033[1m";
    enum at_err err = at_buf_printf(out, "%s%s%s (%s%s): %s", color, at_divergence_text(d->cls),
                                    p->color ? "\033[0m" : "", d->rule, words[how], d->observed);
    if (!err && d->states && d->states != WORDS_ALL_STATES) {
        err = at_buf_printf(out, ", although %.*s was ", AT_STR_FMT(d->scope));
        if (!err)
            err = words_states(out, d->states);
    }
    return err ? err : at_buf_str(out, AT_STR("\n"));
}

static enum at_err where(struct print *p, const struct at_divergence *d)
{
    struct at_buf *out = &p->line;
    enum at_err err = at_buf_printf(out, "    at        %s", p->color ? "\033[1m" : "");
    if (!err)
        err = place_text(out, &d->at);
    if (!err)
        err = at_buf_printf(out, "%s\n    where    ", p->color ? "\033[0m" : "");
    if (!err)
        err = word_text(out, "app", d->app);
    if (!err)
        err = word_text(out, "user", d->user);
    if (!err)
        err = word_text(out, "platform", d->platform);
    if (!err)
        err = word_text(out, "call", d->call);
    return err ? err : at_buf_str(out, AT_STR("\n"));
}

static enum at_err text_divergence(struct print *p, const struct at_divergence *d, enum standing how)
{
    struct at_buf *out = &p->line;
    enum at_err err = headline(p, d, how);
    if (!err)
        err = where(p, d);
    if (!err)
        err = at_buf_printf(out, "    expected  %s\n", d->expected);
    if (!err && p->excerpt.len)
        err = at_buf_printf(out, "\n%.*s\n", AT_STR_FMT(at_buf_view(&p->excerpt)));
    for (size_t i = 0; i < d->n_witness && !err; i++) {
        err = at_buf_str(out, AT_STR("    because   "));
        if (!err)
            err = place_text(out, &d->witness[i].at);
        if (!err)
            err = at_buf_printf(out, "  %s\n", d->witness[i].text);
    }
    if (!err)
        err = at_buf_printf(out, "    rule      %s: %s\n", d->rule, words_rule(d->rule));
    if (!err && d->innocent)
        err = at_buf_printf(out, "    unless    %s\n", d->innocent);
    if (!err)
        err = at_buf_str(out, AT_STR("\n"));
    return err ? err : print_line(p);
}

static enum at_err text_inferred(struct print *p, const struct at_inferred *i)
{
    struct at_buf *out = &p->inferred;
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

static enum at_err text_hint(struct print *p, const char *text)
{
    return at_buf_printf(&p->hints, "hint: %s\n", text);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

static enum at_err diagnosis_text(struct print *p)
{
    enum at_err err = at_buf_str(
        &p->line, p->n_hypotheses ? AT_STR("\ndiagnosis: single faults of the host that would explain this\n")
                                  : AT_STR("\ndiagnosis: no single fault explains any of this\n"));
    for (size_t i = 0; i < p->n_hypotheses && i < HYPOTHESES_SHOWN && !err; i++) {
        const struct at_hypothesis *h = &p->hypotheses[i];
        err = at_buf_printf(&p->line, "  %zu. explains %llu of %llu", i + 1, (unsigned long long)h->explains,
                            (unsigned long long)h->of);
        if (!err && h->breaks)
            err = at_buf_printf(&p->line, ", but %llu other event%s would not fit", (unsigned long long)h->breaks,
                                plural(h->breaks));
        if (!err)
            err = at_buf_printf(&p->line, ": %s (%s)\n", h->text, h->name);
    }
    return err;
}

static enum at_err summary_text(struct print *p, const struct print_totals *t)
{
    const struct at_check_totals *c = &t->check;
    enum at_err err = at_buf_printf(&p->line, "%llu event%s, %llu call%s, %llu user%s, profile %s\n%llu divergence%s",
                                    (unsigned long long)c->events, plural(c->events), (unsigned long long)c->calls,
                                    plural(c->calls), (unsigned long long)c->keys, plural(c->keys), p->profile,
                                    (unsigned long long)c->divergences, plural(c->divergences));
    if (!err && p->n_known)
        err = at_buf_printf(&p->line, " (%llu known)", (unsigned long long)p->n_known);
    if (!err && p->n_mild)
        err = at_buf_printf(&p->line, " (%llu of them of classes that do not count)", (unsigned long long)p->n_mild);
    if (!err && c->divergences > p->n_shown)
        err = at_buf_printf(&p->line, " (%llu not shown)", (unsigned long long)(c->divergences - p->n_shown));
    if (!err)
        err = at_buf_printf(&p->line, ", %llu change%s inferred, %llu call%s undetermined",
                            (unsigned long long)p->n_inferred, plural(p->n_inferred),
                            (unsigned long long)c->undetermined, plural(c->undetermined));
    if (!err && c->inconclusive)
        err = at_buf_printf(&p->line, ", %llu user%s inconclusive", (unsigned long long)c->inconclusive,
                            plural(c->inconclusive));
    if (!err && c->gaps)
        err = at_buf_printf(&p->line, ", %llu gap%s in the recording", (unsigned long long)c->gaps, plural(c->gaps));
    if (!err && t->n_vanished)
        err = at_buf_printf(&p->line, "\nknown, but not seen any more: %.*s", AT_STR_FMT(t->vanished));
    return err ? err : at_buf_str(&p->line, AT_STR("\n"));
}

static enum at_err text_end(struct print *p, const struct print_totals *t)
{
    p->line.len = 0;
    enum at_err err = at_buf_str(&p->line, at_buf_view(&p->inferred));
    if (!err)
        err = at_buf_str(&p->line, at_buf_view(&p->hints));
    if (!err && p->line.len)
        err = at_buf_str(&p->line, AT_STR("\n"));
    if (!err)
        err = summary_text(p, t);
    if (!err && p->diagnose && t->check.divergences)
        err = diagnosis_text(p);
    return err ? err : print_line(p);
}

const struct print_format print_text = {
    .name = "text", .divergence = text_divergence, .inferred = text_inferred, .hint = text_hint, .end = text_end};
