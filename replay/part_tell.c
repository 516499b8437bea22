/* part_tell.c: the findings of parts, given to a format as the replay would have given them. */
#include "replay/part.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define WITNESSES_MAX 4096u

/* Decoded texts, kept until the next finding. */
struct room {
    cJSON *texts[24];
    size_t n;
    cJSON **more; /* those of witnesses */
    size_t n_more, cap_more;
    struct at_witness *witness;
    size_t cap_witness;
};

static void room_clear(struct room *r)
{
    while (r->n)
        cJSON_Delete(r->texts[--r->n]);
    while (r->n_more)
        cJSON_Delete(r->more[--r->n_more]);
}

static void room_free(struct room *r)
{
    room_clear(r);
    free(r->more);
    free(r->witness);
}

/* NULL where the member is absent or is no text. */
static const char *text(struct room *r, struct at_str object, const char *name)
{
    struct at_str raw = at_json_member(object, name);
    if (raw.len < 2 || raw.ptr[0] != '"' || r->n == sizeof r->texts / sizeof r->texts[0])
        return NULL;
    cJSON *value = r->texts[r->n] = cJSON_ParseWithLength(raw.ptr, raw.len);
    r->n += value != NULL;
    return cJSON_GetStringValue(value);
}

static struct at_str view(struct room *r, struct at_str object, const char *name)
{
    return at_str(text(r, object, name));
}

/* A whole number; false where it is absent or something else. */
static bool integer(struct at_str object, const char *name, int64_t *out)
{
    struct at_str raw = at_json_member(object, name);
    char digits[32];
    char *end;
    if (!raw.ptr || raw.len == 0 || raw.len >= sizeof digits)
        return false;
    memcpy(digits, raw.ptr, raw.len);
    digits[raw.len] = 0;
    *out = strtoll(digits, &end, 10);
    return !*end;
}

static struct at_place place_of(struct at_str object)
{
    int64_t event = 0, t_us = 0, packet = 0;
    integer(object, "event", &event);
    integer(object, "t", &t_us);
    integer(object, "packet", &packet);
    return (struct at_place){.event = (uint64_t)event, .t_us = t_us, .packet = (uint64_t)packet};
}

/* The index of `name` among `n` texts that `text_of` gives; n where it is none of them. */
static unsigned find(const char *name, const char *(*text_of)(unsigned i), unsigned n)
{
    unsigned i = 0;
    while (i < n && (!name || strcmp(name, text_of(i)) != 0))
        i++;
    return i;
}

static const char *class_text(unsigned i)
{
    return at_divergence_text((enum at_divergence_class)i);
}

static const char *state_text(unsigned i)
{
    return at_state_text((enum at_state)i);
}

/* The elements of an array, one after the other. `rest` begins as the whole array. */
static bool next_element(struct at_str *rest, struct at_str *out)
{
    if (rest->len < 2)
        return false;
    rest->ptr++; /* the bracket, or the comma */
    rest->len--;
    size_t len = at_json_skip(*rest);
    *out = (struct at_str){rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    return len > 0;
}

static uint8_t states_of(struct at_str object)
{
    struct at_str rest = at_json_member(object, "states"), raw;
    uint8_t states = 0;
    while (next_element(&rest, &raw)) {
        char word[16] = "";
        if (raw.len < 2 || raw.len - 2 >= sizeof word)
            continue;
        memcpy(word, raw.ptr + 1, raw.len - 2);
        unsigned s = find(word, state_text, AT_STATES);
        if (s < AT_STATES)
            states |= (uint8_t)(1u << s);
    }
    return states;
}

static enum at_err add_witness(struct room *r, struct at_str raw, size_t i)
{
    if (i == r->cap_witness) {
        size_t cap = i ? i * 2 : 8;
        struct at_witness *grown = realloc(r->witness, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        r->witness = grown;
        r->cap_witness = cap;
    }
    if (r->n_more == r->cap_more) {
        size_t cap = r->n_more ? r->n_more * 2 : 8;
        cJSON **grown = realloc(r->more, cap * sizeof(cJSON *));
        if (!grown)
            return AT_NOMEM;
        r->more = grown;
        r->cap_more = cap;
    }
    struct at_str words = at_json_member(raw, "text"), kind = at_json_member(raw, "kind");
    cJSON *value = words.ptr ? cJSON_ParseWithLength(words.ptr, words.len) : NULL;
    if (!value || !cJSON_IsString(value) || kind.len < 2) {
        cJSON_Delete(value);
        return AT_BAD;
    }
    r->more[r->n_more++] = value;
    r->witness[i] = (struct at_witness){.at = place_of(raw),
                                        .kind = at_kind_find((struct at_str){kind.ptr + 1, kind.len - 2}),
                                        .text = value->valuestring};
    return AT_OK;
}

static enum at_err read_divergence(struct room *r, struct at_str line, struct at_divergence *d)
{
    struct at_str o = at_json_member(line, "divergence"), rest = at_json_member(o, "witness"), raw;
    const unsigned n_classes = AT_DIVERGENCE_SECOND_ANSWER + 1;
    unsigned cls = find(text(r, o, "class"), class_text, n_classes);
    enum at_err err = AT_OK;
    *d = (struct at_divergence){.cls = (enum at_divergence_class)cls,
                                .rule = text(r, o, "rule"),
                                .at = place_of(o),
                                .app = view(r, o, "app"),
                                .user = view(r, o, "user"),
                                .scope = view(r, o, "scope"),
                                .api = view(r, o, "api"),
                                .call = view(r, o, "call"),
                                .stream = view(r, o, "stream"),
                                .platform = view(r, o, "platform"),
                                .states = states_of(o),
                                .expected = text(r, o, "expected"),
                                .observed = text(r, o, "observed"),
                                .explanation = text(r, o, "explanation"),
                                .innocent = text(r, line, "innocent")};
    while (!err && next_element(&rest, &raw))
        err = d->n_witness < WITNESSES_MAX ? add_witness(r, raw, d->n_witness++) : AT_BAD;
    d->witness = r->witness;
    if (cls == n_classes || !d->rule || !d->expected || !d->observed || !d->explanation)
        return AT_BAD;
    return err;
}

static enum at_err tell_divergence(struct room *r, struct at_str line, struct print *print, uint64_t max)
{
    struct at_divergence d;
    int64_t how = 0;
    if (print->n_shown >= max)
        return AT_OK;
    enum at_err err = read_divergence(r, line, &d);
    if (!err && (!integer(line, "how", &how) || how < STANDING_COUNTS || how > STANDING_MILD))
        err = AT_BAD;
    struct at_str excerpt = view(r, line, "excerpt");
    print->excerpt.len = 0;
    if (!err && excerpt.ptr)
        err = at_buf_str(&print->excerpt, excerpt);
    if (err)
        return err;
    print->n_shown++;
    print->n_failed += how == STANDING_COUNTS;
    return print->format->divergence(print, &d, (enum standing)how);
}

static const char *inferred_text(unsigned i)
{
    static const char *const texts[] = {"prompt", "decision", "settings", "reset"};
    return texts[i];
}

static enum at_err tell_inferred(struct room *r, struct at_str line, struct print *print)
{
    struct at_str o = at_json_member(line, "inferred");
    unsigned kind = find(text(r, o, "kind"), inferred_text, 4);
    int64_t after = 0, before = 0;
    struct at_inferred i = {.kind = (enum at_inferred_kind)kind,
                            .app = view(r, o, "app"),
                            .user = view(r, o, "user"),
                            .scope = view(r, o, "scope"),
                            .answer = at_answer_find(view(r, o, "answer")),
                            .granted = at_str_eq(at_json_member(o, "granted"), AT_STR("true"))};
    if (kind == 4 || !i.user.ptr || !integer(o, "after_event", &after) || !integer(o, "before_event", &before) ||
        (kind == AT_INFERRED_DECISION && !i.answer))
        return AT_BAD;
    i.after.event = (uint64_t)after;
    i.before.event = (uint64_t)before;
    print->n_inferred++;
    return print->format->inferred ? print->format->inferred(print, &i) : AT_OK;
}

static enum at_err tell_hint(struct room *r, struct at_str line, struct print *print)
{
    const char *words = text(r, line, "hint");
    return !words ? AT_BAD : print->format->hint ? print->format->hint(print, words) : AT_OK;
}

/* The one hint that is about all users. */
static enum at_err tell_login(const struct part *p, struct print *print)
{
    bool told = p->sums.saw_user_info && !p->sums.saw_login && print->format->hint;
    return told ? print->format->hint(print, AT_HINT_LOGIN) : AT_OK;
}

enum at_err part_tell(const struct part *p, struct print *print, uint64_t max, struct at_why *why)
{
    struct room r = {.n = 0};
    enum at_err err = AT_OK;
    bool login_told = false;
    for (size_t i = 0; i < p->n_lines && !err; i++) {
        const struct part_line *line = &p->lines[i];
        if (!login_told && line->order.phase > AT_PHASE_END) {
            login_told = true;
            err = tell_login(p, print);
        }
        if (!err)
            err = line->what == PART_DIVERGENCE ? tell_divergence(&r, line->text, print, max)
                  : line->what == PART_INFERRED ? tell_inferred(&r, line->text, print)
                                                : tell_hint(&r, line->text, print);
        room_clear(&r);
        if (err == AT_BAD)
            at_fail(why, err, "a finding makes no sense: %.*s", (int)(line->text.len < 120 ? line->text.len : 120),
                    line->text.ptr);
    }
    room_free(&r);
    return err || login_told ? err : tell_login(p, print);
}
