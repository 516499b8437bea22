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
#define AT_KINDS (AT_KIND_END + 1u)
#define NODES_KEPT (1u << 16) /* memory of an index beyond this is given back */

/* Scratch, to find names given twice. */
struct names {
    struct at_str few[FEW_NAMES];
    size_t n_few;
    struct at_intern *table; /* the same where there are more */
};

struct at_event_parser {
    struct at_buf line, text, extra; /* the line; strings decoded from it; unknown fields */
    struct at_doc doc;               /* of the line */
    const struct at_doc *at;         /* where the event is read from */
    uint32_t given;                  /* the known fields that it had */
    /* By kind: 1u << enum at_field_id. */
    uint32_t fields[AT_KINDS], required[AT_KINDS];
    struct at_str *scopes;
    size_t cap_scopes;
    struct at_setting *settings;
    size_t cap_settings;
    struct names unknown, listed; /* fields; scopes of authSetting */
};

enum at_err at_event_parser_new(struct at_event_parser **out)
{
    struct at_event_parser *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return AT_NOMEM;
    if (at_intern_new(&p->unknown.table) || at_intern_new(&p->listed.table)) {
        at_event_parser_free(&p);
        return AT_NOMEM;
    }
    for (unsigned kind = 0; kind < AT_KINDS; kind++)
        for (unsigned i = 0; i < AT_FIELDS; i++) {
            p->fields[kind] |= (at_fields[i].kinds >> kind & 1) << i;
            p->required[kind] |= (at_fields[i].required >> kind & 1) << i;
        }
    *out = p;
    return AT_OK;
}

void at_event_parser_free(struct at_event_parser **parser)
{
    struct at_event_parser *p = *parser;
    if (!p)
        return;
    at_intern_free(&p->unknown.table);
    at_intern_free(&p->listed.table);
    free(p->settings);
    free(p->scopes);
    at_doc_free(&p->doc);
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

/* The text of a string that has escapes. */
static enum at_err decode_escapes(struct at_event_parser *p, struct at_str raw, const char *name, struct at_str *out,
                                  struct at_why *why)
{
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

/* The text that the string or key of a node stands for. AT_BAD: it is no string, or none that can be kept. */
static inline enum at_err decode(struct at_event_parser *p, uint32_t node, const char *name, struct at_str *out,
                                 struct at_why *why)
{
    const struct at_doc_node *n = &p->at->nodes[node];
    const struct at_str raw = at_doc_raw(p->at, node);
    CHECK(n->type == AT_J_STRING || n->type == AT_J_KEY, "\"%s\" is not a string", name);
    if (n->escaped)
        return decode_escapes(p, raw, name, out, why);
    CHECK(raw.len - 2 <= AT_TEXT_MAX_BYTES, "\"%s\" is longer than %u bytes", name, AT_TEXT_MAX_BYTES);
    *out = (struct at_str){raw.ptr + 1, raw.len - 2};
    return AT_OK;
}

static enum at_err integer(struct at_event_parser *p, uint32_t node, const char *name, int64_t min, int64_t *out,
                           struct at_why *why)
{
    const struct at_str raw = at_doc_raw(p->at, node);
    size_t i = raw.ptr[0] == '-';
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + i;
    CHECK(p->at->nodes[node].type == AT_J_NUMBER, "\"%s\" is not an integer", name);
    if (!at_digits((struct at_str){raw.ptr + i, raw.len - i}, &value))
        for (value = 0; i < raw.len; i++) { /* a long one, or none */
            unsigned digit = (unsigned)(unsigned char)raw.ptr[i] - '0';
            CHECK(digit <= 9, "\"%s\" is not an integer", name);
            CHECK(value <= (limit - digit) / 10, "\"%s\" is out of range", name);
            value = value * 10 + digit;
        }
    *out = raw.ptr[0] == '-' ? (int64_t)(0 - value) : (int64_t)value;
    CHECK(*out >= min, "\"%s\" is less than %lld", name, (long long)min);
    return AT_OK;
}

static enum at_err boolean(struct at_event_parser *p, uint32_t node, const char *name, bool *out, struct at_why *why)
{
    const uint8_t type = p->at->nodes[node].type;
    CHECK(type == AT_J_TRUE || type == AT_J_FALSE, "\"%s\" is neither true nor false", name);
    *out = type == AT_J_TRUE;
    return AT_OK;
}

static enum at_err parse_scope(struct at_event_parser *p, struct at_event *ev, uint32_t node, struct at_why *why)
{
    const struct at_doc_node *nodes = p->at->nodes;
    const bool array = nodes[node].type == AT_J_ARRAY;
    CHECK(!array || ev->kind == AT_KIND_CALL, "\"scope\" is not a string");
    CHECK(array || nodes[node].type == AT_J_STRING, "\"scope\" is neither a string nor an array of strings");
    ev->has |= AT_HAS_SCOPE | (array ? AT_HAS_SCOPE_ARRAY : 0);
    for (uint32_t i = node + array; i < nodes[node].next; i = nodes[i].next) {
        CHECK(ev->n_scopes < AT_LIST_MAX, "\"scope\" has more than %u entries", AT_LIST_MAX);
        enum at_err err = grow((void **)&p->scopes, ev->n_scopes, &p->cap_scopes, sizeof *p->scopes);
        if (!err)
            err = decode(p, i, "scope", &p->scopes[ev->n_scopes], why);
        if (err)
            return err;
        ev->n_scopes++;
    }
    ev->scopes = p->scopes;
    return AT_OK;
}

/* Forgets the names seen. */
static enum at_err clear_names(struct names *s)
{
    s->n_few = 0;
    if (at_intern_count(s->table) == 0)
        return AT_OK;
    if (at_intern_count(s->table) <= NAMES_KEPT) {
        at_intern_clear(s->table);
        return AT_OK;
    }
    at_intern_free(&s->table);
    return at_intern_new(&s->table);
}

/* True in *again if `name` was seen since clear_names. */
static enum at_err seen_again(struct names *s, struct at_str name, bool *again)
{
    uint32_t id = 0, before = at_intern_count(s->table);
    enum at_err err = AT_OK;
    *again = false;
    if (before == 0) {
        for (size_t i = 0; i < s->n_few && !*again; i++)
            *again = at_str_eq(s->few[i], name);
        if (s->n_few < FEW_NAMES) {
            s->few[s->n_few++] = name;
            return AT_OK;
        }
        for (size_t i = 0; i < s->n_few && !err; i++)
            err = at_intern_add(s->table, s->few[i], &id);
        before = at_intern_count(s->table);
    }
    if (!err)
        err = at_intern_add(s->table, name, &id);
    *again = id < before;
    return err;
}

static enum at_err parse_settings(struct at_event_parser *p, struct at_event *ev, uint32_t node, struct at_why *why)
{
    const struct at_doc_node *nodes = p->at->nodes;
    CHECK(nodes[node].type == AT_J_OBJECT, "\"authSetting\" is not an object");
    ev->has |= AT_HAS_AUTH_SETTING;
    enum at_err err = clear_names(&p->listed);
    for (uint32_t i = node + 1; i < nodes[node].next && !err; i = nodes[i + 1].next) {
        bool again = false;
        CHECK(ev->n_settings < AT_LIST_MAX, "\"authSetting\" has more than %u entries", AT_LIST_MAX);
        err = grow((void **)&p->settings, ev->n_settings, &p->cap_settings, sizeof *p->settings);
        if (err)
            break;
        struct at_setting *s = &p->settings[ev->n_settings++];
        err = decode(p, i, "authSetting", &s->scope, why);
        if (!err)
            err = boolean(p, i + 1, "authSetting", &s->granted, why);
        if (!err)
            err = seen_again(&p->listed, s->scope, &again);
        CHECK(!again, "\"authSetting\" names a scope twice");
    }
    ev->settings = p->settings;
    return err;
}

static enum at_err parse_observes(struct at_event_parser *p, struct at_event *ev, uint32_t node, struct at_why *why)
{
    const struct at_doc_node *nodes = p->at->nodes;
    struct at_str text = {0};
    unsigned seen = 0;
    CHECK(nodes[node].type == AT_J_ARRAY, "\"observes\" is not an array");
    ev->has |= AT_HAS_OBSERVES;
    for (uint32_t i = node + 1; i < nodes[node].next; i = nodes[i].next) {
        enum at_sight sight = AT_SEES_PROMPTS;
        enum at_err err = decode(p, i, "observes", &text, why);
        if (err)
            return err;
        CHECK(at_sight_find(text, &sight), "\"observes\" has an unknown entry");
        CHECK(!(seen & 1u << sight), "\"observes\" has an entry twice");
        seen |= 1u << sight;
        ev->observes[ev->n_observes++] = (uint8_t)sight;
    }
    return AT_OK;
}

static enum at_err parse_answer(struct at_event_parser *p, struct at_event *ev, uint32_t node, struct at_why *why)
{
    struct at_str text = {0};
    enum at_err err = decode(p, node, "answer", &text, why);
    if (err)
        return err;
    ev->answer = at_answer_find(text);
    CHECK(ev->answer, "\"answer\" is none of allow, deny, dismiss");
    return AT_OK;
}

/* ---- Lines */

/* The fields that are one text: where it is kept, and what `has` gets; no offset: another field. */
static const struct {
    uint16_t offset, has;
} text_fields[AT_FIELDS] = {
    [AT_FIELD_APP] = {offsetof(struct at_event, app), 0},
    [AT_FIELD_USER] = {offsetof(struct at_event, user), 0},
    [AT_FIELD_STREAM] = {offsetof(struct at_event, stream), 0},
    [AT_FIELD_PLATFORM] = {offsetof(struct at_event, platform), AT_HAS_PLATFORM},
    [AT_FIELD_CALL] = {offsetof(struct at_event, call), AT_HAS_CALL},
    [AT_FIELD_API] = {offsetof(struct at_event, api), 0},
    [AT_FIELD_ERR_MSG] = {offsetof(struct at_event, err_msg), 0},
};

static enum at_err parse_field(struct at_event_parser *p, struct at_event *ev, enum at_field_id field, uint32_t value,
                               struct at_why *why)
{
    int64_t number = 0;
    enum at_err err = AT_OK;
    const char *name = at_fields[field].name;
    if (text_fields[field].offset) {
        ev->has |= text_fields[field].has;
        return decode(p, value, name, (struct at_str *)(void *)((char *)ev + text_fields[field].offset), why);
    }
    switch (field) {
    case AT_FIELD_T:
        return integer(p, value, name, INT64_MIN, &ev->t_us, why);
    case AT_FIELD_PACKET:
        ev->has |= AT_HAS_PACKET;
        err = integer(p, value, name, 1, &number, why);
        ev->packet = (uint64_t)number;
        return err;
    case AT_FIELD_SCOPE:
        return parse_scope(p, ev, value, why);
    case AT_FIELD_ERRNO:
        ev->has |= AT_HAS_ERRNO;
        return integer(p, value, name, INT64_MIN, &ev->err_no, why);
    case AT_FIELD_AUTH_SETTING:
        return parse_settings(p, ev, value, why);
    case AT_FIELD_ANSWER:
        return parse_answer(p, ev, value, why);
    case AT_FIELD_GRANTED:
        return boolean(p, value, name, &ev->granted, why);
    case AT_FIELD_FRESH:
        ev->has |= AT_HAS_FRESH;
        return boolean(p, value, name, &ev->fresh, why);
    case AT_FIELD_OBSERVES:
        return parse_observes(p, ev, value, why);
    case AT_FIELD_LOST_BYTES:
        ev->has |= AT_HAS_LOST_BYTES;
        err = integer(p, value, name, 0, &number, why);
        ev->lost_bytes = (uint64_t)number;
        return err;
    case AT_FIELD_KIND: /* read before the others */
    case AT_FIELD_APP:
    case AT_FIELD_USER:
    case AT_FIELD_STREAM:
    case AT_FIELD_PLATFORM:
    case AT_FIELD_CALL:
    case AT_FIELD_API:
    case AT_FIELD_ERR_MSG:
    case AT_FIELDS:
        break;
    }
    return AT_OK;
}

/* The field that the member at a key is, AT_FIELDS where it is unknown; its name. */
static inline size_t field_at(struct at_event_parser *p, uint32_t key, struct at_str *name)
{
    const struct at_str raw = at_doc_raw(p->at, key);
    *name = (struct at_str){raw.ptr + 1, raw.len - 2};
    if ((p->at->nodes[key].escaped || name->len > AT_TEXT_MAX_BYTES) && decode(p, key, "", name, NULL))
        *name = raw; /* a name that no string holds is its own text */
    return at_field_find(*name);
}

/* True if the member at a key is "kind". Most keys are not, by their length. */
static inline bool is_kind(struct at_event_parser *p, uint32_t key)
{
    const struct at_doc_node *n = &p->at->nodes[key];
    struct at_str name;
    return (n->escaped || n->end - n->start == sizeof "kind" + 1) && field_at(p, key, &name) == AT_FIELD_KIND;
}

/* What the other members are, depends on it. Mostly it comes first. */
static enum at_err find_kind(struct at_event_parser *p, uint32_t node, struct at_event *ev, struct at_why *why)
{
    const struct at_doc_node *nodes = p->at->nodes;
    struct at_str text = {0};
    uint32_t i = node + 1;
    while (i < nodes[node].next && !is_kind(p, i))
        i = nodes[i + 1].next;
    CHECK(i < nodes[node].next, "\"kind\" is missing");
    enum at_err err = decode(p, i + 1, "kind", &text, why);
    if (err)
        return err;
    ev->kind = at_kind_find(text);
    CHECK(ev->kind, "\"kind\" is unknown: \"%.*s\"", (int)(text.len < 64 ? text.len : 64), text.ptr);
    return AT_OK;
}

/* Adds a member to the text of unknown fields, which is closed at the end: there is room for it. */
static enum at_err keep_unknown(struct at_event_parser *p, uint32_t node)
{
    const struct at_str key = at_doc_raw(p->at, node), value = at_doc_raw(p->at, node + 1);
    enum at_err err = at_buf_reserve(&p->extra, key.len + value.len + 3);
    if (err)
        return err;
    char *to = p->extra.ptr + p->extra.len;
    *to++ = p->extra.len ? ',' : '{';
    to = mempcpy(to, key.ptr, key.len);
    *to++ = ':';
    p->extra.len += key.len + 2;
    if (p->at->spaced)
        return at_json_compact(&p->extra, value);
    memcpy(to, value.ptr, value.len);
    p->extra.len += value.len;
    return AT_OK;
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

/* All members of the object, each name once. p->given gets a bit for each known one. */
static enum at_err parse_members(struct at_event_parser *p, uint32_t node, struct at_event *ev, struct at_why *why)
{
    const struct at_doc_node *nodes = p->at->nodes;
    const uint32_t end = nodes[node].next, of_kind = p->fields[ev->kind];
    uint32_t given = 0;
    enum at_err err = clear_names(&p->unknown);
    for (uint32_t i = node + 1; i < end && !err; i = nodes[i + 1].next) {
        struct at_str name = {0};
        const size_t field = field_at(p, i, &name);
        bool again = field < AT_FIELDS && given >> field & 1;
        given |= 1u << field;
        if (of_kind >> field & 1 && !again)
            err = parse_field(p, ev, (enum at_field_id)field, i + 1, why);
        else if (!again && field == AT_FIELDS)
            err = seen_again(&p->unknown, name, &again);
        CHECK(!again, "\"%.*s\" is there twice", (int)(name.len < 64 ? name.len : 64), name.ptr);
        if (!err && !(of_kind >> field & 1))
            err = keep_unknown(p, i);
    }
    p->given = given;
    return err;
}

enum at_err at_event_from_doc(struct at_event_parser *p, const struct at_doc *doc, uint32_t node,
                              const struct at_event *defaults, struct at_event *ev, struct at_why *why)
{
    *ev = (struct at_event){0};
    p->text.len = p->extra.len = 0;
    p->at = doc;
    /* Decoded strings are no longer than the texts, names and values together; they must not move. */
    enum at_err err = at_buf_reserve(&p->text, 2 * (size_t)(doc->nodes[node].end - doc->nodes[node].start));
    if (!err)
        err = find_kind(p, node, ev, why);
    if (!err)
        err = parse_members(p, node, ev, why);
    if (err)
        return err == AT_BAD ? err : at_fail(why, err, "%s", at_err_text(err));
    if (p->extra.len) {
        p->extra.ptr[p->extra.len++] = '}';
        ev->extra = at_buf_view(&p->extra);
    }
    CHECK(ev->extra.len <= AT_EXTRA_MAX_BYTES, "unknown fields are longer than %u bytes", AT_EXTRA_MAX_BYTES);
    CHECK(at_event_lists_fit(ev), "a list is longer than %u bytes", AT_LIST_MAX_BYTES);
    uint32_t known = p->given;
    if (defaults) {
        err = take_defaults(defaults, known, ev, why);
        if (err)
            return err;
        known |= FROM_ELSEWHERE;
    }
    const uint32_t missing = p->required[ev->kind] & ~known;
    CHECK(!missing, "\"%s\" is missing", at_fields[__builtin_ctz(missing)].name);
    return AT_OK;
}

bool at_event_had_time(const struct at_event_parser *p)
{
    return p->given & F(T);
}

enum at_err at_event_parse(struct at_event_parser *p, struct at_str line, struct at_event *ev, struct at_why *why)
{
    p->line.len = 0;
    if (line.len > AT_LINE_MAX_BYTES)
        return at_fail(why, AT_BAD, "the line is longer than %u bytes", AT_LINE_MAX_BYTES);
    enum at_err err = at_buf_str(&p->line, line);
    if (p->doc.cap > NODES_KEPT)
        at_doc_free(&p->doc);
    if (!err)
        err = at_doc_index(&p->doc, at_buf_view(&p->line));
    CHECK(err != AT_BAD, "not JSON");
    if (err)
        return at_fail(why, err, "%s", at_err_text(err));
    CHECK(p->doc.nodes[0].type == AT_J_OBJECT, "not a JSON object");
    return at_event_from_doc(p, &p->doc, 0, NULL, ev, why);
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
