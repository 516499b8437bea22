/* event.c: the words of events, the check of an event made by a program, copies. */
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <stdlib.h>
#include <string.h>

#include "formats/event.h"

static const char *const kind_texts[] = {
#define X(name, value, text) [value] = text,
    AT_KIND_MAP(X)
#undef X
};
static const char *const sight_texts[AT_SIGHTS] = {"prompts", "decisions", "settings", "resets"};
static const char *const answer_texts[] = {NULL, "allow", "deny", "dismiss"};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const char *at_kind_text(enum at_kind kind)
{
    return (size_t)kind < COUNT(kind_texts) ? kind_texts[kind] : NULL;
}

/* The index of `text` among the texts, 0 where it is none of them. texts[0] is not looked at. */
static size_t find_text(const char *const *texts, size_t n, struct at_str text)
{
    for (size_t i = 1; i < n && text.len; i++)
        if (text.ptr[0] == texts[i][0] && at_str_eq(text, at_str(texts[i])))
            return i;
    return 0;
}

enum at_kind at_kind_find(struct at_str text)
{
    return (enum at_kind)find_text(kind_texts, COUNT(kind_texts), text);
}

const char *at_sight_text(enum at_sight sight)
{
    return (size_t)sight < AT_SIGHTS ? sight_texts[sight] : NULL;
}

bool at_sight_find(struct at_str text, enum at_sight *out)
{
    for (size_t i = 0; i < AT_SIGHTS; i++)
        if (at_str_eq(text, at_str(sight_texts[i]))) {
            *out = (enum at_sight)i;
            return true;
        }
    return false;
}

const char *at_answer_text(enum at_answer answer)
{
    return (size_t)answer < COUNT(answer_texts) ? answer_texts[answer] : NULL;
}

enum at_answer at_answer_find(struct at_str text)
{
    return (enum at_answer)find_text(answer_texts, COUNT(answer_texts), text);
}

/* ---- Fields */

#define K(name) (1u << AT_KIND_##name)
#define ALL_KINDS 0x7feu

const struct at_field at_fields[AT_FIELDS] = {
    [AT_FIELD_T] = {"t", ALL_KINDS, ALL_KINDS},
    [AT_FIELD_KIND] = {"kind", ALL_KINDS, ALL_KINDS},
    [AT_FIELD_APP] = {"app", ALL_KINDS, ALL_KINDS},
    [AT_FIELD_USER] = {"user", ALL_KINDS, ALL_KINDS},
    [AT_FIELD_STREAM] = {"stream", ALL_KINDS, ALL_KINDS},
    [AT_FIELD_PLATFORM] = {"platform", ALL_KINDS, 0},
    [AT_FIELD_PACKET] = {"packet", ALL_KINDS, 0},
    [AT_FIELD_CALL] = {"call", K(CALL) | K(RETURN) | K(PROMPT), K(CALL) | K(RETURN)},
    [AT_FIELD_API] = {"api", K(CALL), K(CALL)},
    [AT_FIELD_SCOPE] = {"scope", K(CALL) | K(PROMPT) | K(DECISION) | K(SETTINGS), K(PROMPT) | K(SETTINGS)},
    [AT_FIELD_ERR_MSG] = {"errMsg", K(RETURN), K(RETURN)},
    [AT_FIELD_ERRNO] = {"errno", K(RETURN), 0},
    [AT_FIELD_AUTH_SETTING] = {"authSetting", K(RETURN) | K(SETTINGS_PAGE), K(SETTINGS_PAGE)},
    [AT_FIELD_ANSWER] = {"answer", K(DECISION), K(DECISION)},
    [AT_FIELD_GRANTED] = {"granted", K(SETTINGS), K(SETTINGS)},
    [AT_FIELD_FRESH] = {"fresh", K(START), 0},
    [AT_FIELD_OBSERVES] = {"observes", K(START), 0},
    [AT_FIELD_LOST_BYTES] = {"lost_bytes", K(GAP), 0},
};

size_t at_field_find(struct at_str name)
{
#define IS(field, text)                                                                                                \
    if (!memcmp(name.ptr, text, sizeof text - 1))                                                                      \
    return AT_FIELD_##field
    switch (name.len) { /* compared with a few texts, each of a length that the compiler knows */
    case 1:
        IS(T, "t");
        break;
    case 3:
        IS(APP, "app");
        IS(API, "api");
        break;
    case 4:
        IS(KIND, "kind");
        IS(USER, "user");
        IS(CALL, "call");
        break;
    case 5:
        IS(SCOPE, "scope");
        IS(ERRNO, "errno");
        IS(FRESH, "fresh");
        break;
    case 6:
        IS(STREAM, "stream");
        IS(PACKET, "packet");
        IS(ERR_MSG, "errMsg");
        IS(ANSWER, "answer");
        break;
    case 7:
        IS(GRANTED, "granted");
        break;
    case 8:
        IS(PLATFORM, "platform");
        IS(OBSERVES, "observes");
        break;
    case 10:
        IS(LOST_BYTES, "lost_bytes");
        break;
    case 11:
        IS(AUTH_SETTING, "authSetting");
        break;
    default:
        break;
    }
#undef IS
    return AT_FIELDS;
}

/* ---- The check */

bool at_event_lists_fit(const struct at_event *ev)
{
    size_t scopes = 0, settings = 0;
    for (size_t i = 0; i < ev->n_scopes; i++)
        scopes += ev->scopes[i].len;
    for (size_t i = 0; i < ev->n_settings; i++)
        settings += ev->settings[i].scope.len;
    return ev->n_scopes <= AT_LIST_MAX && ev->n_settings <= AT_LIST_MAX && scopes <= AT_LIST_MAX_BYTES &&
           settings <= AT_LIST_MAX_BYTES;
}

bool at_event_lengths_fit(const struct at_event *ev)
{
    return at_event_lists_fit(ev) && ev->call.len <= AT_TEXT_MAX_BYTES && ev->extra.len <= AT_EXTRA_MAX_BYTES;
}

/* True if a byte of the word is 0 or above 0x7f. The word may hold more than that for true, never for false. */
static bool is_special(uint64_t v)
{
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    return (v | (v - ones)) & high;
}

/* The first and the last bytes of a text of 4 to 16, some of them in both. */
static bool is_plain_short(struct at_str s)
{
    const uint8_t *p = (const uint8_t *)s.ptr;
    if (s.len < 8)
        return !is_special(at_get_u32le(p) | (uint64_t)at_get_u32le(p + s.len - 4) << 32);
    return !is_special(at_get_u64le(p)) && !is_special(at_get_u64le(p + s.len - 8));
}

#ifdef __SSE2__
/* The same for sixteen bytes, exactly: a NUL character is the only byte that is none of the others. */
static bool is_special_16(const char *p)
{
    const __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm_movemask_epi8(_mm_or_si128(v, _mm_cmpeq_epi8(v, _mm_setzero_si128())));
}
#endif

/* True if a text of more than sixteen bytes is ASCII without NUL characters; false may mean that it has to be read. */
static bool is_plain_long(struct at_str s)
{
#ifdef __SSE2__
    for (size_t i = 0; i + 16 <= s.len; i += 16)
        if (is_special_16(s.ptr + i))
            return false;
    return !is_special_16(s.ptr + s.len - 16);
#else
    for (size_t i = 0; i + 8 <= s.len; i += 8)
        if (is_special(at_get_u64le((const uint8_t *)s.ptr + i)))
            return false;
    return !is_special(at_get_u64le((const uint8_t *)s.ptr + s.len - 8));
#endif
}

/* Most texts are ASCII: those are looked at many bytes at a time. */
bool at_text_valid(struct at_str s)
{
    if (s.len > 16 ? is_plain_long(s) : s.len >= 4 && is_plain_short(s))
        return true;
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] == 0 || (unsigned char)s.ptr[i] >= 0x80)
            return at_utf8_valid(s) && !memchr(s.ptr, 0, s.len);
    return true;
}

#define CHECK(condition, ...)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            return at_fail(why, AT_BAD, __VA_ARGS__);                                                                  \
    } while (0)

static enum at_err check_text(struct at_str s, const char *name, struct at_why *why)
{
    CHECK(s.ptr, "\"%s\" is missing", name);
    CHECK(at_text_valid(s), "\"%s\" is not UTF-8 or holds a NUL character", name);
    CHECK(s.len <= AT_TEXT_MAX_BYTES, "\"%s\" is longer than %u bytes", name, AT_TEXT_MAX_BYTES);
    return AT_OK;
}

/* The optional fields that an event has must be fields of its kind. */
static enum at_err check_flags(const struct at_event *ev, struct at_why *why)
{
    static const struct {
        uint32_t flag;
        enum at_field_id field;
    } of[] = {
        {AT_HAS_CALL, AT_FIELD_CALL},
        {AT_HAS_SCOPE, AT_FIELD_SCOPE},
        {AT_HAS_ERRNO, AT_FIELD_ERRNO},
        {AT_HAS_AUTH_SETTING, AT_FIELD_AUTH_SETTING},
        {AT_HAS_FRESH, AT_FIELD_FRESH},
        {AT_HAS_OBSERVES, AT_FIELD_OBSERVES},
        {AT_HAS_LOST_BYTES, AT_FIELD_LOST_BYTES},
    };
    for (size_t i = 0; i < COUNT(of); i++) {
        const struct at_field *f = &at_fields[of[i].field];
        bool has = ev->has & of[i].flag;
        CHECK(!has || f->kinds >> ev->kind & 1, "\"%s\" is no field of %s", f->name, at_kind_text(ev->kind));
        CHECK(has || !(f->required >> ev->kind & 1), "\"%s\" is missing", f->name);
    }
    return AT_OK;
}

static enum at_err check_scopes(const struct at_event *ev, struct at_why *why)
{
    CHECK(ev->kind == AT_KIND_CALL || !(ev->has & AT_HAS_SCOPE_ARRAY), "\"scope\" is not a string");
    CHECK(ev->n_scopes == 1 || ev->has & AT_HAS_SCOPE_ARRAY, "\"scope\" is not one string");
    for (size_t i = 0; i < ev->n_scopes; i++) {
        enum at_err err = check_text(ev->scopes[i], "scope", why);
        if (err)
            return err;
    }
    return AT_OK;
}

static enum at_err check_settings(const struct at_event *ev, struct at_why *why)
{
    for (size_t i = 0; i < ev->n_settings; i++) {
        enum at_err err = check_text(ev->settings[i].scope, "authSetting", why);
        if (err)
            return err;
        for (size_t j = 0; j < i && ev->n_settings <= 64; j++)
            CHECK(!at_str_eq(ev->settings[i].scope, ev->settings[j].scope), "\"authSetting\" names a scope twice");
    }
    return AT_OK;
}

static enum at_err check_observes(const struct at_event *ev, struct at_why *why)
{
    unsigned seen = 0;
    CHECK(ev->n_observes <= AT_SIGHTS, "\"observes\" has more than %d entries", AT_SIGHTS);
    for (size_t i = 0; i < ev->n_observes; i++) {
        unsigned bit = 1u << (ev->observes[i] & 7);
        CHECK(ev->observes[i] < AT_SIGHTS && !(seen & bit), "\"observes\" has an unknown or repeated entry");
        seen |= bit;
    }
    return AT_OK;
}

bool at_extra_is_number(struct at_str extra, struct at_str *name, struct at_str *digits)
{
    if (extra.len < 7 || extra.ptr[0] != '{' || extra.ptr[1] != '"')
        return false;
    const char *p = extra.ptr + 2, *end = extra.ptr + extra.len;
    while (p < end && ((*p >= 'a' && *p <= 'z') || *p == '_'))
        p++;
    *name = (struct at_str){extra.ptr + 2, (size_t)(p - extra.ptr) - 2};
    if (end - p < 4 || p[0] != '"' || p[1] != ':' || p[2] < '1' || p[2] > '9')
        return false;
    *digits = (struct at_str){p + 2, (size_t)(end - p) - 3};
    for (p += 3; p < end - 1 && *p >= '0' && *p <= '9'; p++)
        ;
    return p == end - 1 && *p == '}';
}

static enum at_err check_name(const struct at_event *ev, struct at_str name, struct at_why *why)
{
    size_t f = at_field_find(name);
    CHECK(f == AT_FIELDS || !(at_fields[f].kinds >> ev->kind & 1), "\"%s\" is among the unknown fields",
          at_fields[f].name);
    return AT_OK;
}

static enum at_err check_extra(const struct at_event *ev, struct at_why *why)
{
    struct at_json_iter it;
    struct at_str key, value;
    if (at_extra_is_number(ev->extra, &key, &value) && ev->extra.len <= AT_EXTRA_MAX_BYTES)
        return check_name(ev, key, why);
    CHECK(ev->extra.len <= AT_EXTRA_MAX_BYTES, "unknown fields are longer than %u bytes", AT_EXTRA_MAX_BYTES);
    CHECK(at_json_valid(ev->extra) && ev->extra.ptr[0] == '{', "unknown fields are not a JSON object");
    CHECK(!memchr(ev->extra.ptr, '\n', ev->extra.len), "unknown fields hold a line end");
    /* Its members are written among the others: the brackets are the first and the last byte. */
    CHECK(ev->extra.ptr[ev->extra.len - 1] == '}', "unknown fields have white space behind them");
    bool any = false;
    at_json_iter_begin(&it, ev->extra);
    for (; at_json_iter_next(&it, &key, &value); any = true) {
        enum at_err err = check_name(ev, (struct at_str){key.ptr + 1, key.len - 2}, why);
        if (err)
            return err;
    }
    CHECK(any || ev->extra.len == 2, "unknown fields are white space");
    return AT_OK;
}

enum at_err at_event_check_own(const struct at_event *ev, struct at_why *why)
{
    enum at_err err = AT_OK;
    CHECK(at_event_lists_fit(ev), "a list is longer than %u entries or %u bytes", AT_LIST_MAX, AT_LIST_MAX_BYTES);
    if (ev->has & AT_HAS_CALL)
        err = check_text(ev->call, "call", why);
    if (!err && ev->has & AT_HAS_AUTH_SETTING)
        err = check_settings(ev, why);
    if (!err && ev->extra.ptr)
        err = check_extra(ev, why);
    if (err)
        return err;
    CHECK(!(ev->has & AT_HAS_PACKET) || (ev->packet >= 1 && ev->packet <= INT64_MAX), "\"packet\" is out of range");
    CHECK(!(ev->has & AT_HAS_LOST_BYTES) || ev->lost_bytes <= INT64_MAX, "\"lost_bytes\" is out of range");
    return AT_OK;
}

enum at_err at_event_check(const struct at_event *ev, struct at_why *why)
{
    enum at_err err = check_text(ev->app, "app", why);
    if (!err)
        err = check_text(ev->user, "user", why);
    if (!err)
        err = check_text(ev->stream, "stream", why);
    if (!err && ev->has & AT_HAS_PLATFORM)
        err = check_text(ev->platform, "platform", why);
    return err ? err : at_event_check_what(ev, why);
}

enum at_err at_event_check_what(const struct at_event *ev, struct at_why *why)
{
    CHECK(at_kind_text(ev->kind), "\"kind\" is unknown");
    enum at_err err = check_flags(ev, why);
    if (!err && ev->kind == AT_KIND_CALL)
        err = check_text(ev->api, "api", why);
    if (!err && ev->kind == AT_KIND_RETURN)
        err = check_text(ev->err_msg, "errMsg", why);
    if (!err)
        err = at_event_check_own(ev, why);
    if (!err && ev->has & AT_HAS_SCOPE)
        err = check_scopes(ev, why);
    if (!err && ev->has & AT_HAS_OBSERVES)
        err = check_observes(ev, why);
    if (err)
        return err;
    CHECK(ev->kind != AT_KIND_DECISION || at_answer_text(ev->answer), "\"answer\" is unknown");
    return AT_OK;
}

/* ---- Copies */

/* Copies the bytes to *to, moves *to behind them, and makes `s` a view of the copy. */
static inline void move_text(struct at_str *s, char **to)
{
    if (!s->ptr)
        return;
    if (s->len)
        memcpy(*to, s->ptr, s->len);
    s->ptr = *to;
    *to += s->len;
}

static size_t clone_bytes(const struct at_event *ev)
{
    size_t bytes = sizeof *ev + ev->n_scopes * sizeof *ev->scopes + ev->n_settings * sizeof *ev->settings +
                   ev->app.len + ev->user.len + ev->stream.len + ev->platform.len + ev->call.len + ev->api.len +
                   ev->err_msg.len + ev->extra.len + 1;
    for (size_t i = 0; i < ev->n_scopes; i++)
        bytes += ev->scopes[i].len;
    for (size_t i = 0; i < ev->n_settings; i++)
        bytes += ev->settings[i].scope.len;
    return bytes;
}

struct at_event *at_event_clone_into(const struct at_event *ev, void *room, size_t room_bytes)
{
    if (clone_bytes(ev) > room_bytes)
        return NULL;
    struct at_event *copy = room;
    struct at_str *scopes = (struct at_str *)(void *)(copy + 1);
    struct at_setting *settings = (struct at_setting *)(void *)(scopes + ev->n_scopes);
    char *to = (char *)(settings + ev->n_settings);
    *copy = *ev;
    for (size_t i = 0; i < ev->n_scopes; i++) {
        scopes[i] = ev->scopes[i];
        move_text(&scopes[i], &to);
    }
    for (size_t i = 0; i < ev->n_settings; i++) {
        settings[i] = ev->settings[i];
        move_text(&settings[i].scope, &to);
    }
    copy->scopes = scopes;
    copy->settings = settings;
    move_text(&copy->app, &to);
    move_text(&copy->user, &to);
    move_text(&copy->stream, &to);
    move_text(&copy->platform, &to);
    move_text(&copy->call, &to);
    move_text(&copy->api, &to);
    move_text(&copy->err_msg, &to);
    move_text(&copy->extra, &to);
    return copy;
}

struct at_event *at_event_clone(const struct at_event *ev)
{
    const size_t bytes = clone_bytes(ev);
    void *room = malloc(bytes);
    struct at_event *copy = room ? at_event_clone_into(ev, room, bytes) : NULL;
    if (!copy)
        free(room);
    return copy;
}
