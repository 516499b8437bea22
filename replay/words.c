/* words.c: the sentences that verdicts are said with. */
#include "replay/words.h"

#include <string.h>

const char *words_rule(const char *rule)
{
    static const char *const texts[][2] = {
        {"R2", "an unasked scope makes the host prompt"},
        {"R3", "an allowed prompt lets the call succeed"},
        {"R4", "a denied prompt makes the call fail as denied"},
        {"R5", "what was granted goes through without a prompt"},
        {"R6", "what was denied fails at once, without a prompt"},
        {"R7", "getSetting lists true for granted, false for denied, and nothing for unasked scopes"},
        {"R8", "the settings page lists exactly the scopes that were asked for"},
        {"R9", "only a scope that was asked for can be flipped in settings"},
        {"R12", "every call is answered exactly once, by an answer that names the called API"},
        {"R15", "a dismissed prompt makes the call fail as dismissed"},
        {"R16", "while a prompt is up, other calls of its scope wait for its decision"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (!strcmp(texts[i][0], rule))
            return texts[i][1];
    return "";
}

enum at_err words_states(struct at_buf *b, uint8_t states)
{
    bool first = true;
    enum at_err err = AT_OK;
    for (unsigned s = 0; s < AT_STATES && !err; s++) {
        if (!(states >> s & 1))
            continue;
        err = at_buf_printf(b, "%s%s", first ? "" : " or ", at_state_text((enum at_state)s));
        first = false;
    }
    return err;
}

enum at_err words_fact(struct at_buf *b, enum at_kind kind, struct at_str scope, enum at_state state, struct at_str api)
{
    static const char *const answered[] = {"dismissed the prompt for", "allowed", "denied"};
    switch (kind) {
    case AT_KIND_START:
        return at_buf_str(b, AT_STR("the recording starts with nothing asked"));
    case AT_KIND_PROMPT:
        return at_buf_printf(b, "the prompt for %.*s came up", AT_STR_FMT(scope));
    case AT_KIND_DECISION:
        return at_buf_printf(b, "the user %s %.*s", answered[state], AT_STR_FMT(scope));
    case AT_KIND_SETTINGS:
        return at_buf_printf(b, "the user turned %.*s %s in settings", AT_STR_FMT(scope),
                             state == AT_GRANTED ? "on" : "off");
    case AT_KIND_RESET:
        return at_buf_str(b, AT_STR("all records of the user were removed"));
    case AT_KIND_SETTINGS_PAGE:
        return at_buf_printf(b, "the settings page showed %.*s as %s", AT_STR_FMT(scope), at_state_text(state));
    case AT_KIND_RETURN:
        return at_buf_printf(b, "%.*s showed that %.*s was %s", AT_STR_FMT(api), AT_STR_FMT(scope),
                             at_state_text(state));
    case AT_KIND_CALL:
    case AT_KIND_GAP:
    case AT_KIND_END:
    default:
        return at_buf_printf(b, "%.*s was %s", AT_STR_FMT(scope), at_state_text(state));
    }
}

/* ": the user denied scope.record at #3, and no settings change since" */
static enum at_err because(struct at_buf *why, const struct at_reason *r)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < r->n_witness && !err; i++) {
        const struct at_witness *w = &r->witness[i];
        const char *before = i == 0 ? ": " : i + 1 < r->n_witness ? ", " : ", and ";
        err = at_buf_printf(why, "%s%s", before, w->text);
        if (!err && !strchr(w->text, '#'))
            err = at_buf_printf(why, " at #%llu", (unsigned long long)w->at.event);
    }
    return err;
}

enum at_err words_explain(struct at_buf *why, const struct at_divergence *d, const struct at_reason *r)
{
    why->len = 0;
    enum at_err err = at_buf_str(why, at_str(d->observed));
    if (!err && d->scope.ptr && d->states && d->states != WORDS_ALL_STATES) {
        err = at_buf_printf(why, ", although %.*s was ", AT_STR_FMT(d->scope));
        if (!err)
            err = words_states(why, d->states);
    }
    if (!err)
        err = because(why, r);
    if (!err)
        err = at_buf_printf(why, ". %s: %s.", d->rule, words_rule(d->rule));
    if (!err && r->innocent)
        err = at_buf_printf(why, " This is right only if %s.", r->innocent);
    return err ? err : at_buf_add(why, "", 1);
}
