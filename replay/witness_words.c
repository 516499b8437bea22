/* witness_words.c: the facts that a verdict stands on, in words, and the nearest innocent explanation. */
#include <stdlib.h>
#include <string.h>

#include "replay/witness.h"
#include "replay/words.h"

static struct at_place place_of(const struct item *it)
{
    return (struct at_place){
        .event = it->event, .t_us = it->ev->t_us, .packet = it->ev->has & AT_HAS_PACKET ? it->ev->packet : 0};
}

/* What a fact has the scope in, or leaves it in. */
static enum at_state state_of(const struct search *q, const struct item *it)
{
    static const enum at_state decided[] = {
        [AT_ANSWER_ALLOW] = AT_GRANTED, [AT_ANSWER_DENY] = AT_DENIED, [AT_ANSWER_DISMISS] = AT_UNASKED};
    const struct at_event *ev = it->ev;
    if (ev->kind == AT_KIND_DECISION)
        return decided[ev->answer];
    if (ev->kind == AT_KIND_SETTINGS)
        return ev->granted ? AT_GRANTED : AT_DENIED;
    if (ev->kind == AT_KIND_RETURN && !(ev->has & AT_HAS_AUTH_SETTING)) {
        struct at_outcome o = at_profile_outcome(q->profile, ev->err_msg, ev->has & AT_HAS_ERRNO, ev->err_no);
        return o.cls == AT_CLASS_OK ? AT_GRANTED : o.cls == AT_CLASS_DISMISSED ? AT_UNASKED : AT_DENIED;
    }
    for (size_t i = 0; i < ev->n_settings; i++)
        if (at_profile_find_scope(q->profile, ev->settings[i].scope) == q->claim->scope)
            return ev->settings[i].granted ? AT_GRANTED : AT_DENIED;
    return AT_UNASKED;
}

static enum at_err tell(struct finding_of_search *out, struct at_place at, enum at_kind kind)
{
    enum at_err err = at_buf_add(&out->texts, "", 1);
    struct at_witness *grown = err ? NULL : realloc(out->list, (out->n + 1) * sizeof *grown);
    if (!grown)
        return AT_NOMEM;
    out->list = grown;
    out->list[out->n++] = (struct at_witness){.at = at, .kind = kind};
    return AT_OK;
}

static enum at_err tell_stretch(const struct search *q, const struct past *past, unsigned which,
                                struct finding_of_search *out)
{
    static const char *const seen[] = {"a prompt", "an answer to a prompt", "a settings change", "a removal"};
    const struct stretch *s = &q->stretches[which];
    const struct item *from = &q->items[s->from > q->n_open ? s->from - 1 : s->from], *to = &q->items[s->to - 1];
    char when[64];
    if (from->event == to->event) /* the time of --at */
        snprintf(when, sizeof when, "since #%llu", (unsigned long long)from->event);
    else
        snprintf(when, sizeof when, "between #%llu and #%llu", (unsigned long long)from->event,
                 (unsigned long long)to->event);
    enum at_err err;
    if (which == QUIET)
        err = at_buf_printf(&out->texts, "there was no quiet moment for an unseen change %s", when);
    else if (q->strict)
        err = at_buf_printf(&out->texts, "nothing happened unseen (--strict), not %s %s", seen[which], when);
    else
        err = at_buf_printf(&out->texts, "%s %s would have been seen", seen[which], when);
    if (err)
        return err;
    if (which == QUIET || q->strict)
        return tell(out, place_of(from), from->ev->kind);
    struct at_place at = past->start; /* of the start that says that such is seen */
    for (size_t i = 0; i < s->to; i++)
        if (q->items[i].ev->kind == AT_KIND_START)
            at = place_of(&q->items[i]);
    return tell(out, at, AT_KIND_START);
}

enum at_err witness_tell(const struct search *q, const struct past *past, struct finding_of_search *out)
{
    struct at_str scope = q->profile->scopes[q->claim->scope].name;
    enum at_err err = AT_OK;
    size_t last = q->claim->divergence ? q->n - 1 : q->n;
    for (size_t i = q->n_open; i < last && !err; i++) {
        const struct item *it = &q->items[i];
        bool pinned = it->part == PART_PLAIN && (it->ev->kind == AT_KIND_DECISION || it->ev->kind == AT_KIND_PROMPT);
        if (!pinned && ((it->part != PART_OBSERVER && it->part != PART_CHANGE) || it->weak))
            continue;
        if (it->of_scope || it->ev->n_scopes)
            err = words_fact(&out->texts, it->ev->kind, it->ev->n_scopes ? it->ev->scopes[0] : scope, state_of(q, it),
                             it->api);
        else
            err = at_buf_printf(&out->texts, "%.*s was answered \"%.*s\"", AT_STR_FMT(it->api),
                                AT_STR_FMT(it->ev->err_msg));
        if (!err)
            err = tell(out, place_of(it), it->ev->kind);
    }
    for (unsigned which = 0; which < STRETCHES && !err; which++)
        if (!witness_is_empty(&q->stretches[which]))
            err = tell_stretch(q, past, which, out);
    const char *text = out->texts.ptr;
    for (size_t i = 0; i < out->n; i++, text += strlen(text) + 1)
        out->list[i].text = text;
    return err;
}

/* ------------------------------------------------------------------------------- The nearest innocent way ---- */

static const char *flip_words(const struct search *q)
{
    enum at_divergence_class cls = q->claim->divergence->cls;
    if (cls == AT_DIVERGENCE_UNEXPECTED_SUCCESS)
        return "turned on";
    if (cls == AT_DIVERGENCE_UNEXPECTED_FAILURE)
        return "turned off";
    return state_of(q, &q->items[q->n - 1]) == AT_GRANTED ? "turned on" : "turned off";
}

static enum at_err tell_innocent(const struct search *q, unsigned which, const struct stretch *s, struct at_buf *out)
{
    struct at_str scope = q->profile->scopes[q->claim->scope].name;
    unsigned long long a = q->items[s->from > q->n_open ? s->from - 1 : s->from].event, b = q->items[s->to - 1].event;
    bool flip =
        which == AT_SEES_SETTINGS || (which == QUIET && q->claim->divergence->cls != AT_DIVERGENCE_UNEXPECTED_PROMPT &&
                                      q->claim->divergence->cls != AT_DIVERGENCE_SETTING_MISSING);
    enum at_err err;
    if (flip)
        err = at_buf_printf(out, "the user had %.*s %s in settings", AT_STR_FMT(scope), flip_words(q));
    else if (which == AT_SEES_RESETS || which == QUIET)
        err = at_buf_str(out, AT_STR("all records of the user had been removed"));
    else if (which == AT_SEES_PROMPTS)
        err = at_buf_printf(out, "there had been a prompt for %.*s", AT_STR_FMT(scope));
    else
        err = at_buf_printf(out, "the user had answered a prompt for %.*s otherwise", AT_STR_FMT(scope));
    if (!err)
        err = at_buf_printf(out, " between #%llu and #%llu, ", a, b);
    if (!err)
        err = at_buf_str(out, which == QUIET ? AT_STR("and there was no time for that")
                              : q->strict    ? AT_STR("which --strict rules out")
                                             : AT_STR("which this recording would have seen"));
    return err ? err : at_buf_add(out, "", 1);
}

enum at_err witness_innocent(struct search *q, struct at_buf *out)
{
    static const unsigned order[] = {AT_SEES_SETTINGS, QUIET, AT_SEES_RESETS, AT_SEES_PROMPTS, AT_SEES_DECISIONS};
    enum at_err err = AT_OK;
    bool yes;
    for (size_t i = 0; i < STRETCHES && !err && !out->len; i++) {
        struct stretch *s = &q->stretches[order[i]], old = *s;
        if (witness_is_empty(s))
            continue;
        *s = (struct stretch){0, 0};
        err = witness_stands(q, &yes);
        *s = old;
        if (!err && !q->hit)
            err = tell_innocent(q, order[i], s, out);
    }
    for (size_t i = q->n_open; i < q->n && !err && !out->len; i++) {
        struct item *it = &q->items[i];
        if (it->ev->kind != AT_KIND_START || it->part != PART_CHANGE || it->weak)
            continue;
        it->weak = true;
        err = witness_stands(q, &yes);
        it->weak = false;
        if (!err && !q->hit)
            err = at_buf_printf(out, "%.*s had been asked for before the recording, which says that nothing had",
                                AT_STR_FMT(q->profile->scopes[q->claim->scope].name));
        if (!err && !q->hit)
            err = at_buf_add(out, "", 1);
    }
    return err;
}
