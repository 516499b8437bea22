/* dialect_fill.c: the fields of a rule -> an event. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

#define LIST_MAX 4096u

#define EXACT_DIGITS 15 /* so many are below 2^53: a double holds them */
#define EXACT_POWER 22  /* of ten: a double holds it */

/*
 * The number as strtod reads it, where that takes one operation: of two numbers that a double holds, product and
 * quotient are rounded once. False: it takes more.
 */
static bool to_double(struct at_str text, double *out)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const bool minus = text.ptr[0] == '-';
    int digits = 0, power = 0, exponent = 0, sign = 1;
    uint64_t n = 0;
    size_t i = minus;
    bool fraction = false;
    if (text.ptr[0] == '.')
        return false;
    for (; i < text.len && ((text.ptr[i] >= '0' && text.ptr[i] <= '9') || (text.ptr[i] == '.' && !fraction)); i++) {
        if (text.ptr[i] == '.') {
            fraction = true;
            continue;
        }
        n = n * 10 + (uint64_t)(text.ptr[i] - '0');
        power -= fraction;
        if (++digits > EXACT_DIGITS + 1)
            return false;
    }
    if (i < text.len && (text.ptr[i] == 'e' || text.ptr[i] == 'E')) {
        if (++i < text.len && (text.ptr[i] == '+' || text.ptr[i] == '-'))
            sign = text.ptr[i++] == '-' ? -1 : 1;
        const size_t from = i;
        for (; i < text.len && i < from + 3 && text.ptr[i] >= '0' && text.ptr[i] <= '9'; i++)
            exponent = exponent * 10 + (text.ptr[i] - '0');
        digits = i == from ? 0 : digits;
    }
    power += sign * exponent;
    if (i < text.len || digits == 0 || n > UINT64_C(1) << 53 || power < -EXACT_POWER || power > EXACT_POWER)
        return false;
    *out = power < 0 ? (double)n / powers[-power] : (double)n * powers[power];
    *out = minus ? -*out : *out;
    return true;
}

/* An integer in digits. */
static bool to_whole(struct at_str text, int64_t *out)
{
    const size_t minus = text.ptr[0] == '-';
    uint64_t n;
    if (!at_digits((struct at_str){text.ptr + minus, text.len - minus}, &n))
        return false;
    *out = minus ? -(int64_t)n : (int64_t)n;
    return true;
}

/* As the C library reads them. */
static bool to_number(struct at_str s, int64_t *whole, bool *is_whole, double *value)
{
    char text[64], *end;
    memcpy(text, s.ptr, s.len);
    text[s.len] = 0;
    errno = 0;
    *whole = strtoll(text, &end, 10);
    *is_whole = !*end && !errno;
    if (!strchr("-0123456789", text[0]) || strpbrk(text, "xXnN"))
        return *is_whole;
    *value = strtod(text, &end);
    return !*end;
}

/* An integer of any written form (103, 1.03e2, "103") times `unit`. False: no number, no integer, or out of range. */
static bool to_integer(const struct at_found *f, uint32_t unit, bool rounds, int64_t *out)
{
    int64_t whole = 0;
    double value = HUGE_VAL;
    if ((f->type != AT_J_NUMBER && f->type != AT_J_STRING) || f->text.len == 0 || f->text.len >= 64)
        return false;
    bool is_whole = to_whole(f->text, &whole);
    if (!is_whole && !to_double(f->text, &value) && !to_number(f->text, &whole, &is_whole, &value))
        return false;
    if (is_whole && !__builtin_mul_overflow(whole, (int64_t)unit, out))
        return true;
    value *= unit;
    if (!(value > -9.2e18 && value < 9.2e18) || (!rounds && value < floor(value)) || (!rounds && value > floor(value)))
        return false;
    *out = (int64_t)llround(value);
    return true;
}

static bool to_bool(const struct at_found *f, bool *out)
{
    if (f->type == AT_J_TRUE || f->type == AT_J_FALSE) {
        *out = f->type == AT_J_TRUE;
        return true;
    }
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true}, {"false", false}, {"1", true}, {"0", false}};
    for (size_t i = 0; f->text.ptr && i < 4; i++)
        if (at_str_eq(f->text, at_str(words[i].text))) {
            *out = words[i].value;
            return true;
        }
    return false;
}

/* ---- Lists */

static enum at_err fill_scopes(const struct at_found *f, const struct at_scene *s, struct at_event *ev)
{
    if (f->text.ptr && f->type == AT_J_STRING) {
        struct at_str *one = at_arena_get(s->arena, sizeof *one);
        if (!one)
            return AT_NOMEM;
        *one = f->text;
        ev->scopes = one;
        ev->n_scopes = 1;
        ev->has |= AT_HAS_SCOPE;
        return AT_OK;
    }
    if (f->type != AT_J_ARRAY)
        return AT_OK;
    const struct at_doc_node *nodes = f->doc->nodes;
    size_t n = 0;
    for (uint32_t i = f->node + 1; i < nodes[f->node].next; i = nodes[i].next)
        n += nodes[i].type == AT_J_STRING;
    if (n == 0 || n > LIST_MAX)
        return AT_OK;
    struct at_str *list = at_arena_get(s->arena, n * sizeof *list);
    if (!list)
        return AT_NOMEM;
    for (uint32_t i = f->node + 1; i < nodes[f->node].next; i = nodes[i].next) {
        enum at_err err =
            nodes[i].type == AT_J_STRING ? at_doc_text(f->doc, i, s->arena, &list[ev->n_scopes++]) : AT_OK;
        if (err)
            return err;
    }
    ev->scopes = list;
    ev->has |= AT_HAS_SCOPE | AT_HAS_SCOPE_ARRAY;
    return AT_OK;
}

/* A later entry of the same scope replaces the earlier one, as in any JSON reader. */
static void add_setting(struct at_setting *list, size_t *n, struct at_str scope, bool granted)
{
    size_t i = *n <= 64 ? 0 : *n;
    while (i < *n && !at_str_eq(list[i].scope, scope))
        i++;
    list[i] = (struct at_setting){scope, granted};
    if (i == *n)
        (*n)++;
}

/* One entry, from a member of an object or from a record of an array. What is neither true nor false is passed over. */
static enum at_err one_setting(const struct at_value *v, const struct at_value *table, const struct at_scene *s,
                               const struct at_doc *d, uint32_t node, struct at_setting *list, size_t *n)
{
    struct at_found scope = {0}, granted = {0};
    struct at_scene inner = *s;
    enum at_err err;
    bool on;
    inner.doc = d;
    if (v->key) {
        inner.node = node;
        err = at_value_get(v->key, &inner, &scope);
        if (!err)
            err = at_value_get(v->value, &inner, &granted);
    } else {
        inner.node = node + 1;
        scope.type = AT_J_STRING;
        err = at_doc_text(d, node, s->arena, &scope.text);
        if (!err)
            err = at_value_get(table, &inner, &granted);
    }
    if (!err && scope.text.ptr && to_bool(&granted, &on))
        add_setting(list, n, scope.text, on);
    return err;
}

static enum at_err fill_settings(const struct at_value *v, const struct at_found *f, const struct at_scene *s,
                                 struct at_event *ev)
{
    if (f->type != (v->key ? AT_J_ARRAY : AT_J_OBJECT))
        return AT_OK;
    const struct at_doc_node *nodes = f->doc->nodes;
    const struct at_value table = {.has_map = v->has_map, .map = v->map, .n_map = v->n_map, .plain = !v->has_map};
    size_t room = 0, n = 0;
    for (uint32_t i = f->node + 1; i < nodes[f->node].next; i = nodes[v->key ? i : i + 1].next)
        room++;
    if (room > LIST_MAX)
        return AT_BAD;
    struct at_setting *list = at_arena_get(s->arena, (room + 1) * sizeof *list);
    if (!list)
        return AT_NOMEM;
    for (uint32_t i = f->node + 1; i < nodes[f->node].next; i = nodes[v->key ? i : i + 1].next) {
        enum at_err err = one_setting(v, &table, s, f->doc, i, list, &n);
        if (err)
            return err;
    }
    ev->settings = list;
    ev->n_settings = n;
    ev->has |= AT_HAS_AUTH_SETTING;
    return AT_OK;
}

static enum at_err fill_observes(const struct at_found *f, const struct at_scene *s, struct at_event *ev)
{
    if (f->type != AT_J_ARRAY)
        return AT_OK;
    ev->has |= AT_HAS_OBSERVES;
    for (uint32_t i = f->node + 1; i < f->doc->nodes[f->node].next; i = f->doc->nodes[i].next) {
        struct at_str text;
        enum at_sight sight;
        enum at_err err = at_doc_text(f->doc, i, s->arena, &text);
        if (err)
            return err;
        if (at_sight_find(text, &sight) && !memchr(ev->observes, (int)sight, ev->n_observes))
            ev->observes[ev->n_observes++] = (uint8_t)sight;
    }
    return AT_OK;
}

/* ---- Arguments of a call */

#define ARG_MAX_BYTES 64u        /* a longer text is not a setting */
#define ARG_KEPT_MAX_BYTES 4096u /* of one argument, where all are kept */
#define ARGS_MAX_BYTES 65536u

/* Arguments that change what an API does and say nothing about a person. */
static bool is_harmless(struct at_str raw_key)
{
#define NAME(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof text - 1                                                                                          \
    }
    static const struct at_str names[] = {NAME("withCredentials"),
                                          NAME("lang"),
                                          NAME("type"),
                                          NAME("altitude"),
                                          NAME("isHighAccuracy"),
                                          NAME("highAccuracyExpireTime"),
                                          NAME("withSubscriptions"),
                                          NAME("timeout"),
                                          NAME("duration"),
                                          NAME("sampleRate"),
                                          NAME("numberOfChannels"),
                                          NAME("encodeBitRate"),
                                          NAME("format"),
                                          NAME("frameSize"),
                                          NAME("audioSource"),
                                          NAME("mode"),
                                          NAME("withShareTicket")};
#undef NAME
    const struct at_str key = {raw_key.ptr + 1, raw_key.len - 2};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (at_str_eq(key, names[i]))
            return true;
    return false;
}

static bool is_kept(const struct at_scene *s, struct at_str raw_key, uint8_t type, size_t len)
{
    if (at_str_eq(raw_key, AT_STR("\"scope\""))) /* a field of its own */
        return false;
    if (s->keep_args)
        return len <= ARG_KEPT_MAX_BYTES;
    return type != AT_J_OBJECT && type != AT_J_ARRAY && type != AT_J_NULL && len <= ARG_MAX_BYTES &&
           is_harmless(raw_key);
}

/* The argument object goes into the unknown fields of the call, as "args". */
static enum at_err fill_args(const struct at_found *f, const struct at_scene *s, struct at_event *ev)
{
    struct at_buf out = {0};
    enum at_err err = AT_OK;
    if (f->type != AT_J_OBJECT)
        return AT_OK;
    const struct at_doc_node *nodes = f->doc->nodes;
    for (uint32_t i = f->node + 1; i < nodes[f->node].next && !err; i = nodes[i + 1].next) {
        struct at_str key = at_doc_raw(f->doc, i), value = at_doc_raw(f->doc, i + 1);
        if (!is_kept(s, key, nodes[i + 1].type, value.len) || out.len + key.len + value.len > ARGS_MAX_BYTES)
            continue;
        err = at_buf_str(&out, out.len ? AT_STR(",") : AT_STR("{\"args\":{"));
        if (!err)
            err = at_buf_str(&out, key);
        if (!err)
            err = at_buf_str(&out, AT_STR(":"));
        if (!err)
            err = at_json_compact(&out, value);
    }
    if (!err && out.len) {
        err = at_buf_str(&out, AT_STR("}}"));
        if (!err)
            ev->extra = at_arena_copy(s->arena, at_buf_view(&out));
        if (!err && !ev->extra.ptr)
            err = AT_NOMEM;
    }
    at_buf_free(&out);
    return err;
}

/* ---- Fields */

static enum at_err fill_time(const struct at_value *v, const struct at_found *f, struct at_event *ev)
{
    char text[64];
    if (to_integer(f, v->unit_us ? v->unit_us : 1, true, &ev->t_us))
        return AT_OK;
    if (f->type != AT_J_STRING || f->text.len >= sizeof text)
        return AT_BAD;
    memcpy(text, f->text.ptr, f->text.len);
    text[f->text.len] = 0;
    return at_time_parse(text, &ev->t_us);
}

static void fill_text(const struct at_found *f, struct at_str *out)
{
    if (f->text.ptr)
        *out = f->text;
}

static enum at_err fill_number(enum at_field field, const struct at_found *f, struct at_event *ev)
{
    int64_t n;
    if (!to_integer(f, 1, false, &n) || (field == AT_FIELD_LOST_BYTES && n < 0))
        return AT_OK; /* an optional field that is no number is left out */
    if (field == AT_FIELD_ERRNO) {
        ev->err_no = n;
        ev->has |= AT_HAS_ERRNO;
    } else {
        ev->lost_bytes = (uint64_t)n;
        ev->has |= AT_HAS_LOST_BYTES;
    }
    return AT_OK;
}

static enum at_err fill_words(enum at_field field, const struct at_found *f, struct at_event *ev)
{
    if (field == AT_FIELD_ANSWER) {
        ev->answer = f->text.ptr ? at_answer_find(f->text) : 0;
        return ev->answer ? AT_OK : AT_BAD;
    }
    if (field == AT_FIELD_GRANTED)
        return to_bool(f, &ev->granted) ? AT_OK : AT_BAD;
    if (to_bool(f, &ev->fresh))
        ev->has |= AT_HAS_FRESH;
    return AT_OK;
}

static enum at_err fill_field(enum at_field field, const struct at_value *v, const struct at_scene *s,
                              struct at_event *ev)
{
    struct at_found f;
    enum at_err err = at_value_get(v, s, &f);
    if (err || !f.type)
        return err;
    switch (field) {
    case AT_FIELD_APP:
        fill_text(&f, &ev->app);
        return AT_OK;
    case AT_FIELD_USER:
        fill_text(&f, &ev->user);
        return AT_OK;
    case AT_FIELD_PLATFORM:
        fill_text(&f, &ev->platform);
        if (f.text.ptr)
            ev->has |= AT_HAS_PLATFORM;
        return AT_OK;
    case AT_FIELD_STREAM:
        fill_text(&f, &ev->stream);
        return AT_OK;
    case AT_FIELD_T:
        return fill_time(v, &f, ev);
    case AT_FIELD_CALL:
        fill_text(&f, &ev->call);
        if (f.text.ptr)
            ev->has |= AT_HAS_CALL;
        return AT_OK;
    case AT_FIELD_API:
        fill_text(&f, &ev->api);
        return AT_OK;
    case AT_FIELD_SCOPE:
        return fill_scopes(&f, s, ev);
    case AT_FIELD_ERR_MSG: /* an object or a list is evidence too: its text */
        ev->err_msg = f.text.ptr ? f.text : at_doc_raw(f.doc, f.node);
        return AT_OK;
    case AT_FIELD_AUTH_SETTING:
        return fill_settings(v, &f, s, ev);
    case AT_FIELD_OBSERVES:
        return fill_observes(&f, s, ev);
    case AT_FIELD_ERRNO:
    case AT_FIELD_LOST_BYTES:
        return fill_number(field, &f, ev);
    case AT_FIELD_ARGS:
        return fill_args(&f, s, ev);
    case AT_FIELD_ANSWER:
    case AT_FIELD_GRANTED:
    case AT_FIELD_FRESH:
        return fill_words(field, &f, ev);
    case AT_FIELDS:
        break;
    }
    return AT_OK;
}

enum at_err at_fill_event(const struct at_value *const fields[AT_FIELDS], uint32_t given, const struct at_scene *s,
                          struct at_event *ev)
{
    for (; given; given &= given - 1) {
        unsigned i = (unsigned)__builtin_ctz(given);
        enum at_err err = fill_field((enum at_field)i, fields[i], s, ev);
        if (err && s->nonsense)
            *s->nonsense = (enum at_field)i;
        if (err)
            return err;
    }
    return AT_OK;
}

enum at_err at_clock_lead(const struct at_value *clock, const struct at_scene *s, uint64_t *lead_us)
{
    struct at_event sent = {.t_us = INT64_MIN};
    struct at_found f;
    enum at_err err = at_value_get(clock, s, &f);
    if (!err && f.type)
        err = fill_time(clock, &f, &sent);
    *lead_us = 0;
    if (err || sent.t_us <= s->m->t_us)
        return err == AT_BAD ? AT_OK : err; /* it shows no time, or the message was under way for some */
    *lead_us = (uint64_t)sent.t_us - (uint64_t)s->m->t_us;
    return AT_OK;
}

void at_set_back(struct at_event *ev, uint64_t lead_us)
{
    bool below = lead_us > (uint64_t)ev->t_us - (uint64_t)INT64_MIN;
    ev->t_us = below ? INT64_MIN : (int64_t)((uint64_t)ev->t_us - lead_us);
}
