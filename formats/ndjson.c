/*
 * ndjson.c: events as lines of JSON, and back.
 *
 * A line is checked and walked by the strict scanner, so that numbers are exact and unknown fields survive to the
 * letter; strings with escapes are decoded by cJSON.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "formats/event.h"

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return at_fail(why, AT_BAD, __VA_ARGS__);                                                                  \
    } while (0)

#define NAMES_KEPT 1024u /* a table of names grown past this is made anew, so that clearing stays cheap */
#define FEW_NAMES 16u    /* so many are compared one by one */

struct member {
    struct at_json_member text;
    size_t field; /* enum at_field_id, AT_FIELDS: unknown */
};

struct at_event_parser {
    struct at_buf line, text, extra; /* the line; strings decoded from it; unknown fields */
    struct at_json_member *list;     /* the members of the line */
    size_t cap_list;
    struct member *members;
    size_t n_members, cap_members;
    struct at_str *scopes;
    size_t cap_scopes;
    struct at_setting *settings;
    size_t cap_settings;
    struct at_str few[FEW_NAMES]; /* scratch, to find names given twice */
    size_t n_few;
    struct at_intern *names; /* the same where there are more */
};

enum at_err at_event_parser_new(struct at_event_parser **out)
{
    struct at_event_parser *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return AT_NOMEM;
    if (at_intern_new(&p->names)) {
        free(p);
        return AT_NOMEM;
    }
    *out = p;
    return AT_OK;
}

void at_event_parser_free(struct at_event_parser **parser)
{
    struct at_event_parser *p = *parser;
    if (!p)
        return;
    at_intern_free(&p->names);
    free(p->settings);
    free(p->scopes);
    free(p->members);
    free(p->list);
    at_buf_free(&p->extra);
    at_buf_free(&p->text);
    at_buf_free(&p->line);
    free(p);
    *parser = NULL;
}

/* Makes room for one more element of an array that holds `n`. */
static enum at_err grow(void **array, size_t n, size_t *cap, size_t element_bytes)
{
    if (n < *cap)
        return AT_OK;
    size_t more = *cap ? *cap * 2 : 16;
    void *moved = realloc(*array, more * element_bytes);
    if (!moved)
        return AT_NOMEM;
    *array = moved;
    *cap = more;
    return AT_OK;
}

/* ---- Values */

static bool has_nul_escape(struct at_str raw)
{
    for (size_t i = 0; i + 5 < raw.len; i++) {
        if (raw.ptr[i] != '\\')
            continue;
        i++;
        if (!memcmp(raw.ptr + i, "u0000", 5))
            return true;
    }
    return false;
}

/* The text that a raw JSON string stands for. AT_BAD: not a string, or none that can be kept. */
static enum at_err decode(struct at_event_parser *p, struct at_str raw, const char *name, struct at_str *out,
                          struct at_why *why)
{
    CHECK(raw.ptr[0] == '"', "\"%s\" is not a string", name);
    if (!memchr(raw.ptr, '\\', raw.len)) {
        CHECK(raw.len - 2 <= AT_TEXT_MAX_BYTES, "\"%s\" is longer than %u bytes", name, AT_TEXT_MAX_BYTES);
        *out = (struct at_str){raw.ptr + 1, raw.len - 2};
        return AT_OK;
    }
    /* An escape makes at most six bytes of one. */
    CHECK((raw.len - 2) / 6 <= AT_TEXT_MAX_BYTES, "\"%s\" is longer than %u bytes", name, AT_TEXT_MAX_BYTES);
    CHECK(!has_nul_escape(raw), "\"%s\" holds a NUL character", name);
    cJSON *item = cJSON_ParseWithLength(raw.ptr, raw.len);
    CHECK(cJSON_IsString(item), "\"%s\" holds half of a surrogate pair", name);
    struct at_str text = at_str(cJSON_GetStringValue(item));
    enum at_err err = text.len <= p->text.cap - p->text.len ? AT_OK : AT_LIMIT; /* room was reserved for the line */
    if (text.len > AT_TEXT_MAX_BYTES)
        err = at_fail(why, AT_BAD, "\"%s\" is longer than %u bytes", name, AT_TEXT_MAX_BYTES);
    if (!err) {
        out->ptr = p->text.ptr + p->text.len;
        out->len = text.len;
        err = at_buf_str(&p->text, text);
    }
    cJSON_Delete(item);
    return err;
}

static enum at_err integer(struct at_str raw, const char *name, int64_t min, int64_t *out, struct at_why *why)
{
    size_t i = raw.ptr[0] == '-';
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + i;
    CHECK(i < raw.len && raw.ptr[i] >= '0' && raw.ptr[i] <= '9', "\"%s\" is not an integer", name);
    for (; i < raw.len; i++) {
        unsigned digit = (unsigned)(unsigned char)raw.ptr[i] - '0';
        CHECK(digit <= 9, "\"%s\" is not an integer", name);
        CHECK(value <= (limit - digit) / 10, "\"%s\" is out of range", name);
        value = value * 10 + digit;
    }
    *out = raw.ptr[0] == '-' ? (int64_t)(0 - value) : (int64_t)value;
    CHECK(*out >= min, "\"%s\" is less than %lld", name, (long long)min);
    return AT_OK;
}

static enum at_err boolean(struct at_str raw, const char *name, bool *out, struct at_why *why)
{
    CHECK(raw.ptr[0] == 't' || raw.ptr[0] == 'f', "\"%s\" is neither true nor false", name);
    *out = raw.ptr[0] == 't';
    return AT_OK;
}

/* The next element of an array whose text, from behind its bracket on, is `rest`. The text is known to be valid. */
static bool next_element(struct at_str *rest, struct at_str *value)
{
    while (rest->len && memchr(" \t\r\n,", rest->ptr[0], 5)) {
        rest->ptr++;
        rest->len--;
    }
    size_t n = at_json_skip(*rest); /* 0 at the closing bracket */
    *value = (struct at_str){rest->ptr, n};
    rest->ptr += n;
    rest->len -= n;
    return n > 0;
}

static enum at_err parse_scope(struct at_event_parser *p, struct at_event *ev, struct at_str raw, struct at_why *why)
{
    struct at_str value;
    bool array = raw.ptr[0] == '[';
    CHECK(!array || ev->kind == AT_KIND_CALL, "\"scope\" is not a string");
    CHECK(array || raw.ptr[0] == '"', "\"scope\" is neither a string nor an array of strings");
    ev->has |= AT_HAS_SCOPE | (array ? AT_HAS_SCOPE_ARRAY : 0);
    if (array) { /* the bracket; what follows are elements */
        raw.ptr++;
        raw.len--;
    }
    while (next_element(&raw, &value)) {
        CHECK(ev->n_scopes < AT_LIST_MAX, "\"scope\" has more than %u entries", AT_LIST_MAX);
        enum at_err err = grow((void **)&p->scopes, ev->n_scopes, &p->cap_scopes, sizeof *p->scopes);
        if (!err)
            err = decode(p, value, "scope", &p->scopes[ev->n_scopes], why);
        if (err)
            return err;
        ev->n_scopes++;
        if (!array)
            break;
    }
    ev->scopes = p->scopes;
    return AT_OK;
}

/* Forgets the names seen. */
static enum at_err clear_names(struct at_event_parser *p)
{
    p->n_few = 0;
    if (at_intern_count(p->names) == 0)
        return AT_OK;
    if (at_intern_count(p->names) <= NAMES_KEPT) {
        at_intern_clear(p->names);
        return AT_OK;
    }
    at_intern_free(&p->names);
    return at_intern_new(&p->names);
}

/* True in *again if `name` was seen since clear_names. */
static enum at_err seen_again(struct at_event_parser *p, struct at_str name, bool *again)
{
    uint32_t id = 0, before = at_intern_count(p->names);
    enum at_err err = AT_OK;
    *again = false;
    if (before == 0) {
        for (size_t i = 0; i < p->n_few && !*again; i++)
            *again = at_str_eq(p->few[i], name);
        if (p->n_few < FEW_NAMES) {
            p->few[p->n_few++] = name;
            return AT_OK;
        }
        for (size_t i = 0; i < p->n_few && !err; i++)
            err = at_intern_add(p->names, p->few[i], &id);
        before = at_intern_count(p->names);
    }
    if (!err)
        err = at_intern_add(p->names, name, &id);
    *again = id < before;
    return err;
}

static enum at_err parse_settings(struct at_event_parser *p, struct at_event *ev, struct at_str raw, struct at_why *why)
{
    struct at_json_iter it;
    struct at_str key, value;
    CHECK(raw.ptr[0] == '{', "\"authSetting\" is not an object");
    ev->has |= AT_HAS_AUTH_SETTING;
    enum at_err err = clear_names(p);
    at_json_iter_begin(&it, raw);
    while (!err && at_json_iter_next(&it, &key, &value)) {
        bool again = false;
        CHECK(ev->n_settings < AT_LIST_MAX, "\"authSetting\" has more than %u entries", AT_LIST_MAX);
        err = grow((void **)&p->settings, ev->n_settings, &p->cap_settings, sizeof *p->settings);
        if (err)
            break;
        struct at_setting *s = &p->settings[ev->n_settings++];
        err = decode(p, key, "authSetting", &s->scope, why);
        if (!err)
            err = boolean(value, "authSetting", &s->granted, why);
        if (!err)
            err = seen_again(p, s->scope, &again);
        CHECK(!again, "\"authSetting\" names a scope twice");
    }
    ev->settings = p->settings;
    return err;
}

static enum at_err parse_observes(struct at_event_parser *p, struct at_event *ev, struct at_str raw, struct at_why *why)
{
    struct at_str value, text = {0};
    unsigned seen = 0;
    CHECK(raw.ptr[0] == '[', "\"observes\" is not an array");
    ev->has |= AT_HAS_OBSERVES;
    raw.ptr++;
    raw.len--;
    while (next_element(&raw, &value)) {
        enum at_sight sight = AT_SEES_PROMPTS;
        enum at_err err = decode(p, value, "observes", &text, why);
        if (err)
            return err;
        CHECK(at_sight_find(text, &sight), "\"observes\" has an unknown entry");
        CHECK(!(seen & 1u << sight), "\"observes\" has an entry twice");
        seen |= 1u << sight;
        ev->observes[ev->n_observes++] = (uint8_t)sight;
    }
    return AT_OK;
}

static enum at_err parse_answer(struct at_event_parser *p, struct at_event *ev, struct at_str raw, struct at_why *why)
{
    struct at_str text = {0};
    enum at_err err = decode(p, raw, "answer", &text, why);
    if (err)
        return err;
    ev->answer = at_answer_find(text);
    CHECK(ev->answer, "\"answer\" is none of allow, deny, dismiss");
    return AT_OK;
}

/* ---- Lines */

static enum at_err parse_field(struct at_event_parser *p, struct at_event *ev, const struct member *m,
                               struct at_why *why)
{
    int64_t number = 0;
    enum at_err err = AT_OK;
    const char *name = at_fields[m->field].name;
    switch ((enum at_field_id)m->field) {
    case AT_FIELD_T:
        return integer(m->text.value, name, INT64_MIN, &ev->t_us, why);
    case AT_FIELD_APP:
        return decode(p, m->text.value, name, &ev->app, why);
    case AT_FIELD_USER:
        return decode(p, m->text.value, name, &ev->user, why);
    case AT_FIELD_STREAM:
        return decode(p, m->text.value, name, &ev->stream, why);
    case AT_FIELD_PLATFORM:
        ev->has |= AT_HAS_PLATFORM;
        return decode(p, m->text.value, name, &ev->platform, why);
    case AT_FIELD_PACKET:
        ev->has |= AT_HAS_PACKET;
        err = integer(m->text.value, name, 1, &number, why);
        ev->packet = (uint64_t)number;
        return err;
    case AT_FIELD_CALL:
        ev->has |= AT_HAS_CALL;
        return decode(p, m->text.value, name, &ev->call, why);
    case AT_FIELD_API:
        return decode(p, m->text.value, name, &ev->api, why);
    case AT_FIELD_SCOPE:
        return parse_scope(p, ev, m->text.value, why);
    case AT_FIELD_ERR_MSG:
        return decode(p, m->text.value, name, &ev->err_msg, why);
    case AT_FIELD_ERRNO:
        ev->has |= AT_HAS_ERRNO;
        return integer(m->text.value, name, INT64_MIN, &ev->err_no, why);
    case AT_FIELD_AUTH_SETTING:
        return parse_settings(p, ev, m->text.value, why);
    case AT_FIELD_ANSWER:
        return parse_answer(p, ev, m->text.value, why);
    case AT_FIELD_GRANTED:
        return boolean(m->text.value, name, &ev->granted, why);
    case AT_FIELD_FRESH:
        ev->has |= AT_HAS_FRESH;
        return boolean(m->text.value, name, &ev->fresh, why);
    case AT_FIELD_OBSERVES:
        return parse_observes(p, ev, m->text.value, why);
    case AT_FIELD_LOST_BYTES:
        ev->has |= AT_HAS_LOST_BYTES;
        err = integer(m->text.value, name, 0, &number, why);
        ev->lost_bytes = (uint64_t)number;
        return err;
    case AT_FIELD_KIND: /* read before the others */
    case AT_FIELDS:
        break;
    }
    return AT_OK;
}

/* Which field each member is; each name once. *given gets a bit for each known one. */
static enum at_err tell_apart(struct at_event_parser *p, const struct at_json_member *list, size_t n, uint32_t *given,
                              struct at_why *why)
{
    enum at_err err = clear_names(p);
    *given = 0;
    for (p->n_members = 0; p->n_members < n && !err;) {
        bool again = false;
        struct member m = {.text = list[p->n_members]};
        struct at_str name = {m.text.key.ptr + 1, m.text.key.len - 2};
        if (decode(p, m.text.key, "", &name, NULL)) /* a name that no string holds is its own text */
            name = m.text.key;
        m.field = at_field_find(name);
        if (m.field < AT_FIELDS) {
            again = *given >> m.field & 1;
            *given |= 1u << m.field;
        } else {
            err = seen_again(p, name, &again);
        }
        CHECK(!again, "\"%.*s\" is there twice", (int)(name.len < 64 ? name.len : 64), name.ptr);
        if (!err)
            err = grow((void **)&p->members, p->n_members, &p->cap_members, sizeof *p->members);
        if (!err)
            p->members[p->n_members++] = m;
    }
    return err;
}

static enum at_err find_kind(struct at_event_parser *p, struct at_event *ev, struct at_why *why)
{
    struct at_str text = {0};
    for (size_t i = 0; i < p->n_members; i++) {
        if (p->members[i].field != AT_FIELD_KIND)
            continue;
        enum at_err err = decode(p, p->members[i].text.value, "kind", &text, why);
        if (err)
            return err;
        ev->kind = at_kind_find(text);
        CHECK(ev->kind, "\"kind\" is unknown: \"%.*s\"", (int)(text.len < 64 ? text.len : 64), text.ptr);
        return AT_OK;
    }
    CHECK(false, "\"kind\" is missing");
}

/* Adds a member to the text of unknown fields, which is closed at the end. */
static enum at_err keep_unknown(struct at_event_parser *p, const struct member *m)
{
    enum at_err err = at_buf_add(&p->extra, p->extra.len ? "," : "{", 1);
    if (!err)
        err = at_buf_str(&p->extra, m->text.key);
    if (!err)
        err = at_buf_add(&p->extra, ":", 1);
    return err ? err : at_json_compact(&p->extra, m->text.value);
}

#define F(name) (1u << AT_FIELD_##name)
#define FROM_ELSEWHERE (F(T) | F(APP) | F(USER) | F(STREAM))

/* What the members lack; where they come from is not for them to say. */
static enum at_err take_defaults(const struct at_event *defaults, uint32_t given, struct at_event *ev,
                                 struct at_why *why)
{
    const struct {
        uint32_t bit;
        const struct at_str *from;
        struct at_str *to;
        const char *name;
    } texts[] = {{F(APP), &defaults->app, &ev->app, "app"},
                 {F(USER), &defaults->user, &ev->user, "user"},
                 {F(STREAM), &defaults->stream, &ev->stream, "stream"}};
    if (!(given & F(T)))
        ev->t_us = defaults->t_us;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (given & texts[i].bit)
            continue;
        *texts[i].to = *texts[i].from;
        CHECK(texts[i].from->ptr && texts[i].from->len <= AT_TEXT_MAX_BYTES && at_text_valid(*texts[i].from),
              "\"%s\" is no text", texts[i].name);
    }
    ev->packet = defaults->packet;
    ev->has = (ev->has & ~(uint32_t)AT_HAS_PACKET) | (defaults->has & AT_HAS_PACKET);
    return AT_OK;
}

enum at_err at_event_from_members(struct at_event_parser *p, const struct at_json_member *list, size_t n,
                                  const struct at_event *defaults, struct at_event *ev, struct at_why *why)
{
    size_t bytes = 0;
    uint32_t given = 0;
    *ev = (struct at_event){0};
    p->text.len = p->extra.len = 0;
    for (size_t i = 0; i < n; i++)
        bytes += list[i].key.len + list[i].value.len;
    /* Decoded strings are no longer than the texts, names and values together; they must not move. */
    enum at_err err = at_buf_reserve(&p->text, 2 * bytes);
    if (!err)
        err = tell_apart(p, list, n, &given, why);
    if (!err)
        err = find_kind(p, ev, why);
    for (size_t i = 0; i < p->n_members && !err; i++) {
        const struct member *m = &p->members[i];
        bool known = m->field < AT_FIELDS && at_fields[m->field].kinds >> ev->kind & 1;
        err = known ? parse_field(p, ev, m, why) : keep_unknown(p, m);
    }
    if (!err && p->extra.len)
        err = at_buf_add(&p->extra, "}", 1);
    if (err)
        return err == AT_BAD ? err : at_fail(why, err, "%s", at_err_text(err));
    if (p->extra.len)
        ev->extra = at_buf_view(&p->extra);
    CHECK(ev->extra.len <= AT_EXTRA_MAX_BYTES, "unknown fields are longer than %u bytes", AT_EXTRA_MAX_BYTES);
    CHECK(at_event_lists_fit(ev), "a list is longer than %u bytes", AT_LIST_MAX_BYTES);
    if (defaults) {
        err = take_defaults(defaults, given, ev, why);
        if (err)
            return err;
        given |= FROM_ELSEWHERE;
    }
    for (size_t i = 0; i < AT_FIELDS; i++)
        CHECK(given >> i & 1 || !(at_fields[i].required >> ev->kind & 1), "\"%s\" is missing", at_fields[i].name);
    return AT_OK;
}

enum at_err at_event_parse(struct at_event_parser *p, struct at_str line, struct at_event *ev, struct at_why *why)
{
    struct at_json_iter it;
    struct at_json_member m;
    size_t n = 0;
    p->line.len = 0;
    if (line.len > AT_LINE_MAX_BYTES)
        return at_fail(why, AT_BAD, "the line is longer than %u bytes", AT_LINE_MAX_BYTES);
    enum at_err err = at_buf_str(&p->line, line);
    if (err)
        return at_fail(why, err, "%s", at_err_text(err));
    CHECK(at_json_valid(line), "not JSON");
    CHECK(line.ptr[strspn(line.ptr, " \t\r\n")] == '{', "not a JSON object");
    at_json_iter_begin(&it, at_buf_view(&p->line));
    while (!err && at_json_iter_next(&it, &m.key, &m.value)) {
        err = grow((void **)&p->list, n, &p->cap_list, sizeof *p->list);
        if (!err)
            p->list[n++] = m;
    }
    return err ? at_fail(why, err, "%s", at_err_text(err)) : at_event_from_members(p, p->list, n, NULL, ev, why);
}

/* ---- Writing */

static enum at_err put_text(struct at_buf *out, const char *prefix, struct at_str s)
{
    enum at_err err = at_buf_str(out, at_str(prefix));
    return err ? err : at_json_quote(out, s);
}

static enum at_err put_list(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = at_buf_str(out, at_str(",\"scope\":["));
    for (size_t i = 0; i < ev->n_scopes && !err; i++)
        err = put_text(out, i ? "," : "", ev->scopes[i]);
    return err ? err : at_buf_add(out, "]", 1);
}

static enum at_err put_settings(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = at_buf_str(out, at_str(",\"authSetting\":{"));
    for (size_t i = 0; i < ev->n_settings && !err; i++) {
        err = put_text(out, i ? "," : "", ev->settings[i].scope);
        if (!err)
            err = at_buf_str(out, ev->settings[i].granted ? AT_STR(":true") : AT_STR(":false"));
    }
    return err ? err : at_buf_add(out, "}", 1);
}

static enum at_err put_observes(struct at_buf *out, const struct at_event *ev)
{
    enum at_err err = at_buf_str(out, at_str(",\"observes\":["));
    for (size_t i = 0; i < ev->n_observes && !err; i++)
        err = at_buf_printf(out, "%s\"%s\"", i ? "," : "", at_sight_text((enum at_sight)ev->observes[i]));
    return err ? err : at_buf_add(out, "]", 1);
}

/* Decimal digits of `value`, faster than printf: every event has some. */
static enum at_err put_integer(struct at_buf *out, const char *prefix, bool negative, uint64_t value)
{
    char room[24], *p = room + sizeof room;
    do
        *--p = (char)('0' + value % 10);
    while (value /= 10);
    if (negative)
        *--p = '-';
    enum at_err err = at_buf_str(out, at_str(prefix));
    return err ? err : at_buf_add(out, p, (size_t)(room + sizeof room - p));
}

static enum at_err put_signed(struct at_buf *out, const char *prefix, int64_t value)
{
    return put_integer(out, prefix, value < 0, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* The fields that only some kinds have. */
static enum at_err put_rest(const struct at_event *ev, struct at_buf *out)
{
    enum at_err err = AT_OK;
    if (ev->has & AT_HAS_CALL)
        err = put_text(out, ",\"call\":", ev->call);
    if (!err && ev->kind == AT_KIND_CALL)
        err = put_text(out, ",\"api\":", ev->api);
    if (!err && ev->kind == AT_KIND_DECISION)
        err = at_buf_printf(out, ",\"answer\":\"%s\"", at_answer_text(ev->answer));
    if (!err && ev->has & AT_HAS_SCOPE)
        err = ev->has & AT_HAS_SCOPE_ARRAY ? put_list(out, ev) : put_text(out, ",\"scope\":", ev->scopes[0]);
    if (!err && ev->kind == AT_KIND_RETURN)
        err = put_text(out, ",\"errMsg\":", ev->err_msg);
    if (!err && ev->has & AT_HAS_ERRNO)
        err = put_signed(out, ",\"errno\":", ev->err_no);
    if (!err && ev->has & AT_HAS_AUTH_SETTING)
        err = put_settings(out, ev);
    if (!err && ev->kind == AT_KIND_SETTINGS)
        err = at_buf_str(out, ev->granted ? AT_STR(",\"granted\":true") : AT_STR(",\"granted\":false"));
    if (!err && ev->has & AT_HAS_FRESH)
        err = at_buf_str(out, ev->fresh ? AT_STR(",\"fresh\":true") : AT_STR(",\"fresh\":false"));
    if (!err && ev->has & AT_HAS_OBSERVES)
        err = put_observes(out, ev);
    if (!err && ev->has & AT_HAS_LOST_BYTES)
        err = put_integer(out, ",\"lost_bytes\":", false, ev->lost_bytes);
    return err;
}

enum at_err at_event_to_json(const struct at_event *ev, struct at_buf *out)
{
    size_t before = out->len;
    enum at_err err = put_signed(out, "{\"t\":", ev->t_us);
    if (!err)
        err = put_text(out, ",\"kind\":", at_str(at_kind_text(ev->kind)));
    if (!err)
        err = put_text(out, ",\"app\":", ev->app);
    if (!err)
        err = put_text(out, ",\"user\":", ev->user);
    if (!err)
        err = put_text(out, ",\"stream\":", ev->stream);
    if (!err && ev->has & AT_HAS_PLATFORM)
        err = put_text(out, ",\"platform\":", ev->platform);
    if (!err && ev->has & AT_HAS_PACKET)
        err = put_integer(out, ",\"packet\":", false, ev->packet);
    if (!err)
        err = put_rest(ev, out);
    if (!err && ev->extra.len > 2) { /* "{…}" without its brackets */
        err = at_buf_add(out, ",", 1);
        if (!err)
            err = at_buf_add(out, ev->extra.ptr + 1, ev->extra.len - 2);
    }
    if (!err)
        err = at_buf_add(out, "}\n", 2);
    if (err)
        out->len = before;
    return err;
}
