/*
 * errmsg.c: what an answer says, by the errMsg grammar: `API:ok` or `API:fail`, then " ", ":" or nothing, then the
 * reason. The wording differs between hosts (R13), so reasons are matched by content, never as whole strings.
 */
#include <string.h>

#include "formats/profile_data.h"

const char *at_class_text(enum at_class c)
{
    static const char *const texts[] = {
#define X(name, text) [AT_CLASS_##name] = text,
        AT_CLASS_MAP(X)
#undef X
    };
    return (size_t)c < sizeof texts / sizeof texts[0] ? texts[c] : NULL;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '.' || c == '$';
}

uint64_t letters_of(struct at_str s)
{
    uint64_t set = 0;
    for (size_t i = 0; i < s.len; i++)
        set |= (uint64_t)1 << (lower(s.ptr[i]) & 63);
    return set;
}

/* True if `needle` is in `s`, upper and lower case of ASCII letters being the same. */
static bool contains(struct at_str s, struct at_str needle)
{
    for (size_t i = 0; i + needle.len <= s.len; i++) {
        size_t j = 0;
        while (j < needle.len && lower(s.ptr[i + j]) == lower(needle.ptr[j]))
            j++;
        if (j == needle.len)
            return true;
    }
    return false;
}

static bool is_one_of(struct at_str s, const struct at_str *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (at_str_eq(s, list[i]))
            return true;
    return false;
}

static bool contains_one_of(struct at_str s, uint64_t letters, const struct answer_rule *r)
{
    for (size_t i = 0; i < r->n_contains; i++)
        if ((r->letters[i] & ~letters) == 0 && contains(s, r->contains[i]))
            return true;
    return false;
}

static bool has_number(int64_t value, const int64_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == value)
            return true;
    return false;
}

static struct at_str from(struct at_str s, size_t offset)
{
    return (struct at_str){s.ptr + offset, s.len - offset};
}

/* "wx.getLocation" is getLocation. */
static struct at_str without_name_space(const struct at_profile_data *d, struct at_str api)
{
    size_t n = d->name_space.len;
    if (n && api.len > n + 1 && at_str_starts(api, d->name_space) && api.ptr[n] == '.')
        return from(api, n + 1);
    return api;
}

enum form { FORM_NONE, FORM_OK, FORM_FAIL };

/* Splits errMsg by the grammar. FORM_NONE: it follows no grammar, and `out` is unchanged. */
static enum form split(const struct at_profile_data *d, struct at_str s, struct at_outcome *out)
{
    size_t n = 0;
    while (n < s.len && is_word(s.ptr[n]))
        n++;
    if (n == 0 || n == s.len || s.ptr[n] != ':')
        return FORM_NONE;
    struct at_str rest = from(s, n + 1);
    enum form form = at_str_starts(rest, AT_STR("ok"))     ? FORM_OK
                     : at_str_starts(rest, AT_STR("fail")) ? FORM_FAIL
                                                           : FORM_NONE;
    rest = from(rest, form == FORM_OK ? 2 : form == FORM_FAIL ? 4 : 0);
    if (form == FORM_NONE || (form == FORM_OK && rest.len && is_word(rest.ptr[0])))
        return FORM_NONE; /* "getLocation:okay" is not ok */
    while (rest.len && (rest.ptr[0] == ' ' || rest.ptr[0] == ':'))
        rest = from(rest, 1);
    out->api = without_name_space(d, (struct at_str){s.ptr, n});
    out->reason = rest;
    return form;
}

static bool rule_matches(const struct answer_rule *r, const struct at_outcome *o, uint64_t letters, bool has_text,
                         bool has_errno, int64_t err_no)
{
    if (r->n_errnos && !(has_errno && has_number(err_no, r->errnos, r->n_errnos)))
        return false;
    if ((r->n_contains || r->n_is) && !has_text)
        return false;
    if (r->n_contains && !contains_one_of(o->reason, letters, r))
        return false;
    if (r->n_is && !is_one_of(o->reason, r->is, r->n_is))
        return false;
    return !r->n_apis || is_one_of(o->api, r->apis, r->n_apis);
}

struct at_outcome at_profile_outcome(const struct at_profile *p, struct at_str err_msg, bool has_errno, int64_t err_no)
{
    const struct at_profile_data *d = p->data;
    struct at_outcome o = {.cls = AT_CLASS_OTHER};
    if (!err_msg.ptr)
        err_msg = AT_STR("");
    o.reason = (struct at_str){err_msg.ptr + err_msg.len, 0};
    enum form form = split(d, err_msg, &o);
    if (form == FORM_NONE && d->plain) {
        o.reason = err_msg;
        bool good = err_msg.len == 0 || is_one_of(err_msg, d->plain_ok, d->n_plain_ok);
        if (good && (!has_errno || err_no == 0))
            form = FORM_OK;
    }
    if (form == FORM_OK) {
        o.cls = AT_CLASS_OK;
        o.reason.len = 0;
        o.known = true;
        return o;
    }
    bool has_text = form == FORM_FAIL || d->plain;
    uint64_t letters = letters_of(o.reason);
    for (size_t i = 0; i < d->n_rules && !o.known; i++) {
        if (!rule_matches(&d->rules[i], &o, letters, has_text, has_errno, err_no))
            continue;
        o.cls = d->rules[i].cls;
        o.known = true;
    }
    return o;
}

bool at_profile_same_api(const struct at_profile *p, struct at_str called, struct at_str named)
{
    const struct at_profile_data *d = p->data;
    called = without_name_space(d, called);
    named = without_name_space(d, named);
    if (at_str_eq(called, named))
        return true;
    for (size_t i = 0; i < d->n_aliases; i++)
        if (at_str_eq(called, d->aliases[i].called) && at_str_eq(named, d->aliases[i].named))
            return true;
    return false;
}
