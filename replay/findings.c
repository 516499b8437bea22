/* findings.c: divergences: their class, their rule, and the words. */
#include <stdarg.h>
#include <string.h>

#include "replay/private.h"
#include "replay/words.h"

const char *at_divergence_text(enum at_divergence_class cls)
{
    static const char *const texts[] = {
#define X(name, text) text,
        AT_DIVERGENCE_MAP(X)
#undef X
    };
    return (size_t)cls < sizeof texts / sizeof texts[0] ? texts[cls] : "unknown";
}

struct verdict {
    enum at_divergence_class cls;
    const char *rule;
    uint8_t states; /* 0: does not apply */
    const char *expected;
};

/* Writes what was observed to c->text[1]. */
AT_PRINTF(2, 3) static enum at_err observe(struct at_checker *c, const char *format, ...)
{
    va_list args;
    c->text[1].len = 0;
    if (c->options.wordless)
        return AT_OK;
    va_start(args, format);
    enum at_err err = at_buf_vprintf(&c->text[1], format, args);
    va_end(args);
    return err ? err : at_buf_add(&c->text[1], "", 1);
}

/* Fills in what all divergences have, and hands it on. The observed text stands in c->text[1]. */
static enum at_err tell(struct at_checker *c, const struct finding *f, const struct verdict *v)
{
    struct at_witness w;
    struct at_buf *why = &c->text[2];
    bool scoped = f->scope != AT_NO_SCOPE;
    struct at_divergence d = {.cls = v->cls,
                              .rule = v->rule,
                              .at = f->at,
                              .app = key_app(f->key),
                              .user = key_user(f->key),
                              .stream = f->ev->stream,
                              .platform = f->ev->has & AT_HAS_PLATFORM ? f->ev->platform : (struct at_str){0},
                              .states = v->states,
                              .expected = v->expected};
    if (scoped)
        d.scope = c->profile->scopes[f->scope].name;
    if (f->call) {
        d.api = f->call->api;
        d.call = f->call->id;
        d.stream = stream_name(f->call->stream);
        d.platform = f->call->platform;
    } else if (f->ev->has & AT_HAS_CALL) {
        d.call = f->ev->call;
    }
    enum at_err err = AT_OK;
    if (!c->options.wordless) {
        d.witness = &w;
        d.observed = c->text[1].ptr;
        if (scoped && v->states)
            err = known_witness(c, f->key, f->scope, &w, &c->text[3], &d.n_witness);
        if (!err)
            err = words_explain(why, &d, &(struct at_reason){.witness = d.witness, .n_witness = d.n_witness});
        d.explanation = why->ptr;
    }
    if (err)
        return err;
    c->totals.divergences++;
    return c->sink.divergence ? c->sink.divergence(c->sink.ctx, &d) : AT_OK;
}

/* The call that a prompt or decision of the scope is about, where it is not said: the one open longest. */
static const struct call *open_call(const struct key *k, size_t s)
{
    for (uint32_t i = 0; i < k->n_calls && s != AT_NO_SCOPE; i++)
        if (k->calls[i]->scopes >> s & 1)
            return k->calls[i];
    return NULL;
}

static const struct call *last_call(const struct key *k, size_t s)
{
    for (uint32_t i = k->n_calls; i-- > 0;)
        if (k->calls[i]->scopes >> s & 1)
            return k->calls[i];
    return NULL;
}

enum at_err find_prompt(struct at_checker *c, const struct finding *found)
{
    struct finding f = *found;
    uint8_t states = key_states(c, f.key, f.scope);
    bool asked = states & (1u << AT_GRANTED | 1u << AT_DENIED);
    struct verdict v = {.cls = AT_DIVERGENCE_UNEXPECTED_PROMPT, .states = states};
    if (!f.call)
        f.call = last_call(f.key, f.scope);
    if (c->profile->concurrent != AT_CONCURRENT_REPROMPT &&
        (key_seen_up(f.key, f.scope) || (!asked && key_any_up(c, f.key, f.scope)))) {
        v.cls = AT_DIVERGENCE_DUPLICATE_PROMPT;
        v.rule = "R16";
        v.expected = "no second prompt while the first one is up";
    } else if (states & 1u << AT_GRANTED) {
        v.rule = "R5";
        v.expected = "success without a prompt";
    } else if (states & 1u << AT_DENIED) {
        v.rule = "R6";
        v.expected = "a denied failure at once, without a prompt";
    } else {
        v.rule = "R2";
        v.states = 0;
        v.expected = "a prompt only for a call that asks for the scope";
    }
    enum at_err err =
        observe(c, "%s for %.*s came up", v.cls == AT_DIVERGENCE_DUPLICATE_PROMPT ? "a second prompt" : "a prompt",
                AT_STR_FMT(c->profile->scopes[f.scope].name));
    return err ? err : tell(c, &f, &v);
}

enum at_err find_decision(struct at_checker *c, const struct finding *found)
{
    struct finding f = *found;
    struct verdict v = {
        .cls = AT_DIVERGENCE_MISSING_PROMPT, .rule = "R2", .expected = "an answer to a prompt that is up"};
    uint8_t states = f.scope == AT_NO_SCOPE ? 0 : key_states(c, f.key, f.scope);
    f.call = open_call(f.key, f.scope);
    v.states = states;
    if (states && !(states & 1u << AT_UNASKED)) {
        v.cls = AT_DIVERGENCE_UNEXPECTED_PROMPT; /* it was up to be answered, though nobody saw it come */
        v.rule = states & 1u << AT_GRANTED ? "R5" : "R6";
        v.expected = states & 1u << AT_GRANTED ? "success without a prompt" : "a denied failure without a prompt";
    }
    enum at_err err = observe(c, "the user answered a prompt (%s)", at_answer_text(f.ev->answer));
    return err ? err : tell(c, &f, &v);
}

enum at_err find_flip(struct at_checker *c, const struct finding *f)
{
    struct verdict v = {.cls = AT_DIVERGENCE_SETTING_UNASKED,
                        .rule = "R9",
                        .states = key_states(c, f->key, f->scope),
                        .expected = "no switch for a scope that was never asked for"};
    enum at_err err = observe(c, "the user turned %.*s %s in settings", AT_STR_FMT(c->profile->scopes[f->scope].name),
                              f->ev->granted ? "on" : "off");
    return err ? err : tell(c, f, &v);
}

/* The user answered this call's prompt, and the host does otherwise; or does not wait for the answer. */
static struct verdict ignored(const struct finding *f)
{
    struct verdict v = {.cls = AT_DIVERGENCE_DECISION_IGNORED};
    enum at_answer answer = f->call->decided;
    if (!answer) {
        v.rule = f->cls == AT_CLASS_OK ? "R3" : f->cls == AT_CLASS_DISMISSED ? "R15" : "R4";
        v.expected = "no answer before the user answers the prompt";
    } else if (answer == AT_ANSWER_ALLOW) {
        v.rule = "R3";
        v.expected = "success: the user allowed it";
    } else if (answer == AT_ANSWER_DENY) {
        v.rule = "R4";
        v.expected = "a denied failure: the user denied it";
    } else {
        v.rule = "R15";
        v.expected = "a dismissed failure: the user dismissed the prompt";
    }
    return v;
}

static struct verdict misjudged(const struct at_checker *c, const struct finding *f, uint8_t states)
{
    bool granted = states & 1u << AT_GRANTED, denied = states & 1u << AT_DENIED;
    struct verdict v = {.cls = AT_DIVERGENCE_MISSING_PROMPT, .rule = "R2", .states = states};
    v.expected = "a prompt before the outcome";
    if (!c->profile->scopes[f->scope].prompts)
        v.expected = "failure: the scope is granted in settings only";
    if (f->cls == AT_CLASS_OK && denied) {
        v.cls = AT_DIVERGENCE_UNEXPECTED_SUCCESS;
        v.rule = "R6";
        v.expected = "a denied failure at once, without a prompt";
    } else if (f->cls == AT_CLASS_DISMISSED && (granted || denied)) {
        v.cls = AT_DIVERGENCE_UNEXPECTED_PROMPT; /* what was dismissed had come up */
        v.rule = granted ? "R5" : "R6";
        v.expected = granted ? "success without a prompt" : "a denied failure at once, without a prompt";
    } else if (f->cls != AT_CLASS_OK && granted) {
        v.cls = AT_DIVERGENCE_UNEXPECTED_FAILURE;
        v.rule = "R5";
        v.expected = "success without a prompt";
    }
    return v;
}

enum at_err find_outcome(struct at_checker *c, const struct finding *f)
{
    bool waits = f->call->prompted && key_seen_up(f->key, f->scope);
    struct verdict v = f->call->decided || waits ? ignored(f) : misjudged(c, f, key_states(c, f->key, f->scope));
    enum at_err err = observe(c, "%.*s was answered \"%.*s\" (%s)", AT_STR_FMT(f->call->api),
                              AT_STR_FMT(f->ev->err_msg), at_class_text(f->cls));
    return err ? err : tell(c, f, &v);
}

enum at_err find_setting(struct at_checker *c, const struct finding *f, int listed, uint8_t states)
{
    bool page = f->ev->kind == AT_KIND_SETTINGS_PAGE || (f->call && f->call->kind == AT_API_OPEN_SETTING);
    bool unasked = !(states & (1u << AT_GRANTED | 1u << AT_DENIED));
    struct at_str scope = c->profile->scopes[f->scope].name;
    struct verdict v = {.states = states, .rule = page ? "R8" : "R7"};
    if (listed < 0) {
        v.cls = AT_DIVERGENCE_SETTING_MISSING;
        v.expected = states & 1u << AT_GRANTED ? "listed as true" : "listed as false";
    } else if (unasked) {
        v.cls = AT_DIVERGENCE_SETTING_UNASKED;
        v.expected = "not listed";
    } else {
        v.cls = AT_DIVERGENCE_SETTING_WRONG;
        v.expected = listed ? "listed as false" : "listed as true";
    }
    enum at_err err = observe(c, "%.*s %s", AT_STR_FMT(scope),
                              listed < 0 ? "is not listed"
                              : listed   ? "is listed as true"
                                         : "is listed as false");
    return err ? err : tell(c, f, &v);
}

enum at_err find_wrong_api(struct at_checker *c, const struct finding *f, struct at_str named)
{
    struct verdict v = {
        .cls = AT_DIVERGENCE_WRONG_API, .rule = "R12", .expected = "an answer that names the called API"};
    if (at_profile_lacks(c->profile, 12))
        return AT_OK;
    enum at_err err = observe(c, "the answer to %.*s names %.*s", AT_STR_FMT(f->call->api), AT_STR_FMT(named));
    return err ? err : tell(c, f, &v);
}

enum at_err find_no_answer(struct at_checker *c, const struct finding *f)
{
    struct verdict v = {.cls = AT_DIVERGENCE_NO_ANSWER, .rule = "R12", .expected = "an answer"};
    if (at_profile_lacks(c->profile, 12))
        return AT_OK;
    enum at_err err = observe(c, "%.*s was never answered", AT_STR_FMT(f->call->api));
    return err ? err : tell(c, f, &v);
}

enum at_err find_second_answer(struct at_checker *c, const struct finding *f)
{
    struct verdict v = {.cls = AT_DIVERGENCE_SECOND_ANSWER, .rule = "R12", .expected = "one answer to a call"};
    if (at_profile_lacks(c->profile, 12))
        return AT_OK;
    enum at_err err = observe(c, "call %.*s was answered a second time: \"%.*s\"", AT_STR_FMT(f->ev->call),
                              AT_STR_FMT(f->ev->err_msg));
    return err ? err : tell(c, f, &v);
}
