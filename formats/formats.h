/*
 * formats.h: what an authorization event is, and how it is kept.
 *
 * The one public header of this folder. It stands on libc, zlib and cJSON only. Nothing here prints, exits, reads a
 * clock or keeps a global; only the parts under "Files" and "Command line" touch the outside.
 *
 * Ownership: a `struct at_str` is a borrowed view; each comment says until when it is valid. A `*_close` or `*_free`
 * takes the address of the handle, sets it to NULL and accepts NULL.
 */
#ifndef AUTHTAPE_FORMATS_H
#define AUTHTAPE_FORMATS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define AT_VERSION "0.1.0"
#define AT_MUST_USE __attribute__((warn_unused_result))
#define AT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* ------------------------------------------------------------------------------------------------- Errors ---- */

/* name, text. Values are append-only. AT_END is not a failure: there is no more to read. AT_AGAIN: give more bytes. */
#define AT_ERR_MAP(X)                                                                                                  \
    X(OK, "no error")                                                                                                  \
    X(END, "end of input")                                                                                             \
    X(AGAIN, "more input is needed")                                                                                   \
    X(NOMEM, "out of memory")                                                                                          \
    X(IO, "input/output error")                                                                                        \
    X(BAD, "malformed input")                                                                                          \
    X(DAMAGED, "damaged tape")                                                                                         \
    X(NEWER, "made by a newer version")                                                                                \
    X(LIMIT, "over a limit")                                                                                           \
    X(NOTFOUND, "not found")                                                                                           \
    X(CLOSED, "output closed by its reader")                                                                           \
    X(STOP, "stopped on request")

enum at_err {
#define X(name, text) AT_##name,
    AT_ERR_MAP(X)
#undef X
};

/* A short English text for `err`; static. */
const char *at_err_text(enum at_err err);

/* Why something failed, in words for a person: "what, where", without the file's name and without a full stop. */
struct at_why {
    char text[320];
};

/* Sets the words (cut to fit) and returns `err`, so that a failing function can end in one line. `why` may be NULL. */
enum at_err at_fail(struct at_why *why, enum at_err err, const char *fmt, ...) AT_PRINTF(3, 4);
#ifdef __clang_analyzer__ /* it does not look into other files */
#define at_fail(why, err, ...) (at_fail(why, err, __VA_ARGS__), (err))
#endif

/* ------------------------------------------------------------------------------------- Strings and buffers ---- */

/* A borrowed view; not NUL-terminated. ptr == NULL means absent, len == 0 with a pointer means empty. */
struct at_str {
    const char *ptr;
    size_t len;
};

#define AT_STR(literal) ((struct at_str){.ptr = (literal), .len = sizeof(literal) - 1})
#define AT_STR_FMT(s) (int)(s).len, (s).ptr /* for "%.*s" */

static inline struct at_str at_str(const char *c_string) /* NULL gives an absent view */
{
    return (struct at_str){.ptr = c_string, .len = c_string ? strlen(c_string) : 0};
}
static inline bool at_str_eq(struct at_str a, struct at_str b)
{
    return a.len == b.len && (a.len == 0 || (a.ptr[0] == b.ptr[0] && !memcmp(a.ptr, b.ptr, a.len)));
}
int at_str_cmp(struct at_str a, struct at_str b); /* by bytes, shorter first on a tie */
static inline bool at_str_starts(struct at_str s, struct at_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || !memcmp(s.ptr, prefix.ptr, prefix.len));
}
/* Made of two bytes that tell most names apart, for finding those met last before any hash is made. */
static inline unsigned at_str_mark(struct at_str s)
{
    return s.len ? (unsigned char)s.ptr[s.len - 1] + 3u * (unsigned char)s.ptr[s.len / 2] : 0;
}
/* The offset of the first `needle` in `s`, SIZE_MAX where there is none. */
size_t at_str_find(struct at_str s, struct at_str needle);
bool at_utf8_valid(struct at_str s); /* RFC 3629 */
/* The length of the UTF-8 sequence at the start of `s` (1…4), 0 where it is broken. `s` must not be empty. */
size_t at_utf8_sequence(struct at_str s);
uint64_t at_hash(const void *data, size_t len, uint64_t seed); /* fast, unkeyed: for tables, not for secrets */

/* SipHash-2-4 with a key of zeros: stable, the same everywhere. */
uint64_t at_siphash(struct at_str bytes);
/* Of a key: its app, a zero byte and its user. Kept in databases and in the minds of schedulers: never to be changed.
 */
uint64_t at_key_hash(struct at_str app, struct at_str user);

/* A share of the keys: number 1 … of. `of` 0: all of them. */
struct at_shard {
    uint32_t number, of;
};
#define AT_SHARDS_MAX 65536u
/* Reads "3/8"; false for anything else. */
bool at_shard_parse(const char *text, struct at_shard *out);
/* The high half of the hash times `of`, over 2^32, is the number less one: a share is a range of hashes. */
bool at_shard_has(struct at_shard shard, uint64_t key_hash);
void at_shard_range(struct at_shard shard, uint64_t *least, uint64_t *most); /* both are in it */

/* A file of data built into the program (profiles, dialects): made by formats/embed.sh. A list ends with a NULL name.
 */
struct at_blob {
    const char *name; /* the file's name without folder and extension */
    struct at_str text;
};

/* A growing byte buffer. Zero-initialised is empty. Every append either succeeds or leaves the buffer as it was. */
struct at_buf {
    char *ptr;
    size_t len, cap;
};

AT_MUST_USE enum at_err at_buf_reserve(struct at_buf *b, size_t more_bytes);
AT_MUST_USE enum at_err at_buf_add(struct at_buf *b, const void *data, size_t len);
AT_MUST_USE enum at_err at_buf_str(struct at_buf *b, struct at_str s);
AT_MUST_USE enum at_err at_buf_printf(struct at_buf *b, const char *fmt, ...) AT_PRINTF(2, 3);
AT_MUST_USE enum at_err at_buf_vprintf(struct at_buf *b, const char *fmt, va_list args) AT_PRINTF(2, 0);
void at_buf_drop(struct at_buf *b, size_t front_bytes); /* removes from the front */
void at_buf_free(struct at_buf *b);
static inline struct at_str at_buf_view(const struct at_buf *b) /* valid until the buffer changes */
{
    return (struct at_str){.ptr = b->ptr ? b->ptr : "", .len = b->len};
}
/* Makes an array at least `wanted` elements long, `*cap` being its length so far; what is new is zero. AT_NOMEM. */
AT_MUST_USE enum at_err at_grow(void **array, size_t *cap, size_t wanted, size_t element_bytes);

static inline uint16_t at_get_u16le(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint16_t at_get_u16be(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t at_get_u32le(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint32_t at_get_u32be(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}
static inline uint64_t at_get_u64le(const uint8_t *p)
{
    return (uint64_t)at_get_u32le(p) | (uint64_t)at_get_u32le(p + 4) << 32;
}
static inline uint64_t at_get_u64be(const uint8_t *p)
{
    return (uint64_t)at_get_u32be(p) << 32 | (uint64_t)at_get_u32be(p + 4);
}
static inline void at_put_u16le(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}
static inline void at_put_u32le(uint8_t *p, uint32_t v)
{
    at_put_u16le(p, (uint16_t)v);
    at_put_u16le(p + 2, (uint16_t)(v >> 16));
}
static inline void at_put_u64le(uint8_t *p, uint64_t v)
{
    at_put_u32le(p, (uint32_t)v);
    at_put_u32le(p + 4, (uint32_t)(v >> 32));
}

#define AT_DIGITS_MAX 18u /* so many fit an int64_t, whatever they are */
/* The number that 1 to AT_DIGITS_MAX digits stand for. False: there is something else among them, or no digit. */
bool at_digits(struct at_str s, uint64_t *n);

/*
 * Numbers found by the hash of what they stand for, which is kept, and compared, by who owns the table: the first place
 * to look at is hash & (n - 1), then those behind it, up to one that is free.
 */
#define AT_SLOT_FREE UINT32_MAX
struct at_slot {
    uint32_t id; /* AT_SLOT_FREE: none */
    uint32_t hash;
};
struct at_slots {
    struct at_slot *at;
    uint32_t n, taken; /* a power of two, and at most half of them */
};
AT_MUST_USE enum at_err at_slots_room(struct at_slots *s); /* for one more */
/* A number that is not there; there must be room. */
void at_slots_put(struct at_slots *s, uint32_t hash, uint32_t id);
void at_slots_clear(struct at_slots *s); /* keeps the memory */
void at_slots_free(struct at_slots *s);

/* Strings to small numbers 0, 1, 2 … in order of first sight. Views of interned strings live as long as the table. */
struct at_intern;
AT_MUST_USE enum at_err at_intern_new(struct at_intern **out);
void at_intern_free(struct at_intern **table);
AT_MUST_USE enum at_err at_intern_add(struct at_intern *table, struct at_str s, uint32_t *id); /* AT_LIMIT: 2^30 */
/* The same for many at once, which is faster: what all of them will look at is fetched before the first does. */
AT_MUST_USE enum at_err at_intern_add_all(struct at_intern *table, const struct at_str *s, size_t n, uint32_t *ids);
bool at_intern_find(const struct at_intern *table, struct at_str s, uint32_t *id);
struct at_str at_intern_get(const struct at_intern *table, uint32_t id); /* absent for an id never given */
uint32_t at_intern_count(const struct at_intern *table);
void at_intern_clear(struct at_intern *table); /* forgets all; views become invalid */

/* --------------------------------------------------------------------------------------------------- JSON ---- */

/*
 * A strict scanner (RFC 8259) over text in memory: what has to be kept to the letter (unknown fields, message bodies)
 * is cut out of the text instead of being parsed and printed again. Nesting is limited to AT_JSON_DEPTH.
 */
#define AT_JSON_DEPTH 128

/* The length of the JSON value at the start of `s` (leading white space included); 0 where there is none. */
size_t at_json_skip(struct at_str s);
/* True if `s` is exactly one JSON value, white space around it aside. */
bool at_json_valid(struct at_str s);
/* The same; `*spaced` says whether there is white space outside of strings, for at_json_compact to drop. */
bool at_json_check(struct at_str s, bool *spaced);
/* Appends the valid value `s` without white space between its tokens, so that it fits on a line. */
AT_MUST_USE enum at_err at_json_compact(struct at_buf *out, struct at_str s);
/* Behind the string that starts at `p`, in text that is known to be valid. */
const char *at_json_string_end(const char *p, const char *end);
/* The raw text (quotes included) of member `name` of the object in the valid text `s`; absent where there is none. */
struct at_str at_json_member(struct at_str s, const char *name);

/* Walks the members of a valid object text: raw key (quotes included) and raw value. */
struct at_json_iter {
    struct at_str rest;
    bool begun;
};
void at_json_iter_begin(struct at_json_iter *it, struct at_str object);
bool at_json_iter_next(struct at_json_iter *it, struct at_str *raw_key, struct at_str *raw_value);

/* An index of a JSON text: one node per value and per key, in the order of the text. */
enum at_json_type {
    AT_J_NONE = 0, /* absent */
    AT_J_OBJECT = '{',
    AT_J_ARRAY = '[',
    AT_J_STRING = '"',
    AT_J_NUMBER = '0',
    AT_J_TRUE = 't',
    AT_J_FALSE = 'f',
    AT_J_NULL = 'n',
    AT_J_KEY = 'k', /* a string before a ':' */
};

struct at_doc_node {
    uint32_t start, end; /* bytes of the text; a string's with its quotes */
    uint32_t next;       /* the node after this value and all that it holds */
    uint8_t type;        /* enum at_json_type; a key's node comes before its value's */
    bool escaped;        /* a string or a key with a backslash in it */
};

struct at_doc { /* zero-initialised is empty; may be used again */
    struct at_str text;
    struct at_doc_node *nodes;
    uint32_t n, cap;
    bool spaced; /* there is white space outside of strings */
    bool failed; /* out of memory */
};
#define AT_DOC_MAX_BYTES ((size_t)INT32_MAX)
/*
 * Checks that `s` is exactly one JSON value, white space around it aside, and indexes it. The text must outlive the
 * index. AT_BAD: it is none; AT_LIMIT: it is one, but longer than AT_DOC_MAX_BYTES.
 */
AT_MUST_USE enum at_err at_doc_index(struct at_doc *d, struct at_str s);
void at_doc_free(struct at_doc *d);
static inline struct at_str at_doc_raw(const struct at_doc *d, uint32_t node)
{
    const struct at_doc_node *n = &d->nodes[node];
    return (struct at_str){d->text.ptr + n->start, n->end - n->start};
}

/* Appends `s` as a JSON string in quotes. Bytes that are not UTF-8 become U+FFFD. */
AT_MUST_USE enum at_err at_json_quote(struct at_buf *out, struct at_str s);

/* ------------------------------------------------------------------------------------------------- Events ---- */

/* SPEC of the fields: authtape(5). name on the wire. Values are kept in tapes: append-only. */
#define AT_KIND_MAP(X)                                                                                                 \
    X(START, 1, "start")                                                                                               \
    X(CALL, 2, "call")                                                                                                 \
    X(RETURN, 3, "return")                                                                                             \
    X(PROMPT, 4, "prompt")                                                                                             \
    X(DECISION, 5, "decision")                                                                                         \
    X(SETTINGS, 6, "settings")                                                                                         \
    X(SETTINGS_PAGE, 7, "settings-page")                                                                               \
    X(RESET, 8, "reset")                                                                                               \
    X(GAP, 9, "gap")                                                                                                   \
    X(END, 10, "end")

enum at_kind {
#define X(name, value, text) AT_KIND_##name = value,
    AT_KIND_MAP(X)
#undef X
};

const char *at_kind_text(enum at_kind kind);   /* NULL for an unknown kind */
enum at_kind at_kind_find(struct at_str text); /* 0 for an unknown text */

/* What a recording can see besides calls; the bit in a mask is 1u << value. */
enum at_sight { AT_SEES_PROMPTS, AT_SEES_DECISIONS, AT_SEES_SETTINGS, AT_SEES_RESETS };
#define AT_SIGHTS 4
const char *at_sight_text(enum at_sight sight);
bool at_sight_find(struct at_str text, enum at_sight *out);

enum at_answer { AT_ANSWER_ALLOW = 1, AT_ANSWER_DENY = 2, AT_ANSWER_DISMISS = 3 };
const char *at_answer_text(enum at_answer answer);
enum at_answer at_answer_find(struct at_str text); /* 0 for an unknown text */

/* Which optional fields an event has. */
enum {
    AT_HAS_PLATFORM = 1u << 0,
    AT_HAS_PACKET = 1u << 1,
    AT_HAS_CALL = 1u << 2,
    AT_HAS_SCOPE = 1u << 3,
    AT_HAS_SCOPE_ARRAY = 1u << 4, /* with AT_HAS_SCOPE: it was an array */
    AT_HAS_ERRNO = 1u << 5,
    AT_HAS_AUTH_SETTING = 1u << 6,
    AT_HAS_FRESH = 1u << 7,
    AT_HAS_OBSERVES = 1u << 8,
    AT_HAS_LOST_BYTES = 1u << 9,
};

struct at_setting {
    struct at_str scope;
    bool granted;
};

/* One event. All views are valid until whoever gave the event is asked for the next one. */
struct at_event {
    int64_t t_us; /* microseconds since the Unix epoch, UTC */
    enum at_kind kind;
    uint32_t has;                    /* AT_HAS_… */
    struct at_str app, user, stream; /* always there */
    struct at_str platform;
    uint64_t packet;             /* 1-based */
    struct at_str call;          /* call, return; prompt: optional */
    struct at_str api;           /* call: without "wx." */
    const struct at_str *scopes; /* call (any number), prompt and settings (one), decision (none or one) */
    size_t n_scopes;
    struct at_str err_msg;             /* return */
    int64_t err_no;                    /* return */
    const struct at_setting *settings; /* authSetting: return, settings-page */
    size_t n_settings;
    enum at_answer answer;       /* decision */
    bool granted;                /* settings */
    bool fresh;                  /* start */
    uint8_t observes[AT_SIGHTS]; /* start: enum at_sight, in the order given, none twice */
    uint8_t n_observes;
    uint64_t lost_bytes; /* gap */
    struct at_str extra; /* unknown fields as the text of a JSON object, members verbatim; absent where none */
};

/* Checks that an event made by a program has what its kind needs. AT_BAD with the reason otherwise. */
AT_MUST_USE enum at_err at_event_check(const struct at_event *ev, struct at_why *why);
/* The same where app, user, stream and platform are known to be fit. */
AT_MUST_USE enum at_err at_event_check_what(const struct at_event *ev, struct at_why *why);

/*
 * True for unknown fields that are {"NAME":DIGITS}, the number without a sign and not 0: most often that is what there
 * is, for a stream's senders count their events. `name` is without its quotes. Both are set in this case only.
 */
bool at_extra_is_number(struct at_str extra, struct at_str *name, struct at_str *digits);

/* Appends the event as one NDJSON line, newline included. */
AT_MUST_USE enum at_err at_event_to_json(const struct at_event *ev, struct at_buf *out);

/*
 * Reads NDJSON lines. The parser owns what the events point to; an event is valid until the next call.
 * AT_BAD: the line is malformed, `why` says how. A field that is no field of the kind is an unknown field and kept.
 */
struct at_event_parser;
AT_MUST_USE enum at_err at_event_parser_new(struct at_event_parser **out);
void at_event_parser_free(struct at_event_parser **p);
AT_MUST_USE enum at_err at_event_parse(struct at_event_parser *p, struct at_str line, struct at_event *ev,
                                       struct at_why *why);
/*
 * The same from an object of an indexed text, which must outlive the event. Without `defaults` (NULL) the object must
 * have all that an event needs; else it may lack t, app, user and stream, and packet is always that of the defaults.
 */
AT_MUST_USE enum at_err at_event_from_doc(struct at_event_parser *p, const struct at_doc *doc, uint32_t node,
                                          const struct at_event *defaults, struct at_event *ev, struct at_why *why);
/* True if the event that was read last had a time of its own. */
bool at_event_had_time(const struct at_event_parser *p);

/* A deep copy in one allocation. Free it with free(). NULL when out of memory. */
struct at_event *at_event_clone(const struct at_event *ev);
/* The same in `room`, which must be aligned as the event is. NULL: it does not fit. */
struct at_event *at_event_clone_into(const struct at_event *ev, void *room, size_t room_bytes);

/* ----------------------------------------------------------------------------------------------- Profiles ---- */

/* The classes of an answer (FACTS: "errMsg grammar"). text as in reports. Values append-only. */
#define AT_CLASS_MAP(X)                                                                                                \
    X(OK, "ok")                                                                                                        \
    X(DENIED, "denied")                                                                                                \
    X(DISMISSED, "dismissed")                                                                                          \
    X(UNAUTHORIZED, "unauthorized")                                                                                    \
    X(OS_DENIED, "os-denied")                                                                                          \
    X(PRIVACY, "privacy")                                                                                              \
    X(GESTURE, "gesture")                                                                                              \
    X(MALFORMED, "malformed")                                                                                          \
    X(OTHER, "other")

enum at_class {
#define X(name, text) AT_CLASS_##name,
    AT_CLASS_MAP(X)
#undef X
};
const char *at_class_text(enum at_class c);

enum at_concurrent { AT_CONCURRENT_JOIN, AT_CONCURRENT_QUEUE, AT_CONCURRENT_REPROMPT }; /* R16 */
enum at_api_kind { AT_API_OTHER, AT_API_GATED, AT_API_AUTHORIZE, AT_API_GET_SETTING, AT_API_OPEN_SETTING };

#define AT_SCOPES_MAX 64 /* scopes of one profile: they fit in a 64-bit mask */
#define AT_NO_SCOPE SIZE_MAX

struct at_scope {
    struct at_str name;        /* "scope.record" */
    struct at_str title;       /* what the prompt asks for, in the words of the platform's documents; may be absent */
    bool prompts;              /* false: no dialog ever; the settings page is the only way to grant it */
    bool exempt;               /* left out of snapshot checks (R7, R8) */
    const struct at_str *apis; /* names without the "wx." */
    size_t n_apis;
};

struct at_profile_data; /* private */

/* A platform as data; authtape-profile(5). Read-only once loaded; may be shared by threads. */
struct at_profile {
    struct at_str name, title;
    const struct at_scope *scopes;
    size_t n_scopes;
    enum at_concurrent concurrent;
    bool dismiss_denies; /* R15: a dismissed prompt leaves `denied` instead of `unasked` */
    bool other_devices;  /* another device of the user may change settings at any instant */
    bool per_device;     /* the state is kept per stream, not per user */
    uint32_t lacks;      /* the rules that the platform does not keep, a mask of 1u << number; R1 to R16 */
    uint32_t quiet_ms;   /* least length of a settings visit or removal, in milliseconds */
    struct at_profile_data *data;
};

static inline bool at_profile_lacks(const struct at_profile *p, unsigned rule)
{
    return p->lacks >> rule & 1;
}

/* What an API is to the profile; `scopes` is a mask of indices into profile->scopes (gated APIs only). */
struct at_api {
    enum at_api_kind kind;
    uint64_t scopes;
};

/* An answer, read by the errMsg grammar of the profile. Views into err_msg. */
struct at_outcome {
    enum at_class cls;
    struct at_str api;    /* the API that errMsg names; absent where it names none */
    struct at_str reason; /* what follows "fail"; empty for ok */
    bool known;           /* false: class `other` because nothing in the profile's table matched */
};

/*
 * Loads a profile: a built-in name, or the path of a JSON file (anything with a '/' or ending in ".json").
 * AT_NOTFOUND: no such name (why names the closest). AT_BAD: why names the place as a JSON Pointer. AT_IO.
 */
AT_MUST_USE enum at_err at_profile_load(const char *name_or_path, struct at_profile **out, struct at_why *why);
/* The same from text; `name` is used in messages only. */
AT_MUST_USE enum at_err at_profile_parse(struct at_str json, const char *name, struct at_profile **out,
                                         struct at_why *why);
void at_profile_free(struct at_profile **p);
/*
 * The same profile with one of its scopes only, as its scope 0: what concerns the others is unknown to it. It views
 * `p`, which must outlive it. AT_NOMEM.
 */
AT_MUST_USE enum at_err at_profile_narrow(const struct at_profile *p, size_t scope, struct at_profile **out);
#define AT_DEFAULT_PROFILE "wechat-minigame-2018"
size_t at_profile_builtin_count(void);
const char *at_profile_builtin_name(size_t i);
struct at_str at_profile_builtin_text(size_t i); /* the JSON text; static */

size_t at_profile_find_scope(const struct at_profile *p, struct at_str name); /* index, or AT_NO_SCOPE */
struct at_api at_profile_api(const struct at_profile *p, struct at_str api);
/* Classifies an answer. `has_errno` false: there was none. Never fails: what is unknown is `other`. */
struct at_outcome at_profile_outcome(const struct at_profile *p, struct at_str err_msg, bool has_errno, int64_t err_no);
/* True if errMsg may name `named` in the answer to a call of `called` (same name, or an alias of the profile). R12 */
bool at_profile_same_api(const struct at_profile *p, struct at_str called, struct at_str named);

/* --------------------------------------------------------------------------------------------------- Tapes ---- */

/*
 * The codec of tape(5): events in, bytes out, and back. Pure: no files.
 */
struct at_tape_options {
    int level;             /* zlib 1…9; 0 gives the default for live recording; -1: nothing is deflated, for a pipe */
    uint32_t frame_events; /* events in a frame at most; 0 gives 1,024 */
    uint32_t frame_us;     /* time that a frame may span, in microseconds of event time; 0 gives 1 s */
    uint32_t segment_events; /* events in a segment at most; 0 gives 65,536 */
    uint32_t segment_us;     /* time that a segment may span; 0 gives 30 s; UINT32_MAX in either: any */
    bool archive;            /* smallest: whole segments are deflated column by column; spans any time */
    uint64_t id;             /* the tape's id; 0: made of the first event */
};

/* The id of a tape that begins with this event, where its maker gives none: something that two tapes hardly share. */
uint64_t at_tape_id(const struct at_event *first);

struct at_tape_encoder;
AT_MUST_USE enum at_err at_tape_encoder_new(const struct at_tape_options *options, struct at_tape_encoder **out);
void at_tape_encoder_free(struct at_tape_encoder **enc);
/* Adds an event. The file header and every frame that is complete are appended to `out`. AT_BAD: an unfit event. */
AT_MUST_USE enum at_err at_tape_encode(struct at_tape_encoder *enc, const struct at_event *ev, struct at_buf *out);
/* The same for an event that at_event_check or at_event_from_doc found fit: only lengths are looked at again. */
AT_MUST_USE enum at_err at_tape_encode_checked(struct at_tape_encoder *enc, const struct at_event *ev,
                                               struct at_buf *out);
/* Ends the frame being filled and appends it. Nothing is added where no event waits. */
AT_MUST_USE enum at_err at_tape_encode_flush(struct at_tape_encoder *enc, struct at_buf *out);
/* Flushes and appends the footer. The encoder takes no more events. */
AT_MUST_USE enum at_err at_tape_encode_finish(struct at_tape_encoder *enc, struct at_buf *out);
/* Says that the recorder could not keep `n` events here; the next frame tells it. */
void at_tape_encode_dropped(struct at_tape_encoder *enc, uint32_t n);
size_t at_tape_encoder_waiting(const struct at_tape_encoder *enc); /* events not yet in a frame */

enum at_recovery {
    AT_RECOVER_TAIL,    /* default: a torn tail ends the tape, other damage is an error */
    AT_RECOVER_STRICT,  /* any damage is an error */
    AT_RECOVER_SALVAGE, /* damage is skipped, what is whole is read */
};

/* What was lost or odd in a tape, with the place of the first. */
struct at_tape_damage {
    uint64_t places;       /* how many separate damages */
    uint64_t bytes;        /* bytes skipped */
    uint64_t events;       /* events known to be lost (headers told their number) */
    uint64_t first_offset; /* of the first damage, in bytes from the tape's start */
    bool torn_tail;        /* the last frame was cut off */
    char first[400];       /* the first damage in words */
};

struct at_tape_stats {
    uint64_t id; /* of the tape; of several in one file, the first that was read */
    uint64_t bytes, frames, segments, events;
    uint64_t dropped;          /* events that the recorder said it could not keep */
    int64_t first_us, last_us; /* the earliest and the latest time */
    bool footer;               /* there was one, and it agreed with what was read */
};

struct at_tape_decoder;
AT_MUST_USE enum at_err at_tape_decoder_new(enum at_recovery recovery, struct at_tape_decoder **out);
void at_tape_decoder_free(struct at_tape_decoder **dec);
/* From now on events are given as if they had no packet number. To be called before any event was read. */
void at_tape_decoder_no_packets(struct at_tape_decoder *dec);
/* Gives bytes; they are copied. */
AT_MUST_USE enum at_err at_tape_feed(struct at_tape_decoder *dec, const void *data, size_t len);
/* Says that no more bytes come. */
void at_tape_feed_end(struct at_tape_decoder *dec);
/* The next event; AT_AGAIN: feed more. AT_END. AT_DAMAGED, AT_NEWER, AT_LIMIT with `why`. */
AT_MUST_USE enum at_err at_tape_next(struct at_tape_decoder *dec, struct at_event *ev, struct at_why *why);

/* True if at_tape_next is known to give an event (or a failure) without more bytes. */
bool at_tape_has_next(const struct at_tape_decoder *dec);

/* Where events come from: what is the same in all events of a stream. */
struct at_tape_source {
    struct at_str app, user, stream;
    struct at_str platform; /* absent where there is none */
};

#define AT_NO_CALL UINT32_MAX

/* A list of scopes: those of a shorter list and one more. List 0 is the empty one. */
struct at_scope_list {
    uint32_t shorter, n; /* the shorter one's number, which is below its own; how many scopes it has */
    struct at_str scope; /* the last one */
};

/* An authSetting: scopes, and which of them are granted. */
struct at_listing {
    uint32_t list;
    const uint8_t *granted; /* of scope i of the list: bit i % 8 of byte i / 8 */
};

/*
 * Some events as columns, for who reads millions a second. Sources, shapes and lists are numbered from 0 within a
 * segment; what was seen of them stays valid and the same until `segment` changes (the arrays grow, and may move). Call
 * ids stay valid until it has changed twice: who keeps them over a segment's end has time to copy them. The rest is
 * valid until the next call.
 */
struct at_tape_batch {
    size_t n;
    uint32_t input; /* of a reader: which of its recordings, from 0 */
    bool ended;     /* of a reader: recordings have ended since the batch before; their ids are valid until the next */
    uint64_t segment; /* of the input: changes with every segment */
    const int64_t *t_us;
    const uint32_t *source;    /* of each event: into sources */
    const uint32_t *shape;     /* of each event: into shapes */
    const uint64_t *packet;    /* of events that have one */
    const struct at_str *call; /* of events that have one */
    /*
     * Likewise: the call as a number that is below the number of calls of the segment so far. A call event gets a new
     * one, or that of an open call of its source (one without a return yet, among the last 32) with the same id. A
     * return or a prompt has that of the open call with its id. AT_NO_CALL: no such call is known; `call` tells.
     */
    const uint32_t *call_ref;
    const struct at_listing *listing; /* of events that have an authSetting */
    const uint32_t *place; /* of a reader with a filter: how many numbers after the first's; NULL: 0, 1, 2 … */
    const struct at_tape_source *sources;
    /*
     * What all events of the shape have in common: kind, has (without AT_HAS_PLATFORM), api, scopes, errMsg, errno,
     * answer, granted, fresh, observes. The other fields are zero here.
     */
    const struct at_event *shapes;
    const struct at_scope_list *lists;
    size_t n_sources, n_shapes, n_lists;
};
/* The next events, as at_tape_next; the two may be mixed. */
AT_MUST_USE enum at_err at_tape_next_batch(struct at_tape_decoder *dec, struct at_tape_batch *out, struct at_why *why);
/* Event `i` of the batch given last, whole. Valid until the next call of any of these. */
void at_tape_batch_event(struct at_tape_decoder *dec, size_t i, struct at_event *ev);

void at_tape_decoder_damage(const struct at_tape_decoder *dec, struct at_tape_damage *out);
void at_tape_decoder_stats(const struct at_tape_decoder *dec, struct at_tape_stats *out);

/* --------------------------------------------------------------------------------------------------- Files ---- */

/*
 * Reads recordings: any number of tapes (or NDJSON, told apart by the first byte), "-" is standard input, merged by
 * time into one sequence (ties: the order of the arguments). `path` of a failure is in why's text.
 */
struct at_reader_options {
    enum at_recovery recovery;
    /* Filters; zero-initialised lets all pass. Views must outlive the reader. */
    bool has_from, has_to;
    int64_t from_us, to_us;           /* from ≤ t < to */
    struct at_str app, user, scope;   /* absent: any */
    const struct at_profile *profile; /* with `scope`: says which APIs it gates; NULL: only events that name it */
    struct at_shard shard;            /* events of these keys */
    bool others;                      /* … and all others as well: who reads them tells them apart */
    bool no_packets;                  /* no filter: tapes are read without their packet numbers, which is faster */
};
struct at_reader;
AT_MUST_USE enum at_err at_reader_open(const char *const *paths, size_t n, const struct at_reader_options *options,
                                       struct at_reader **out, struct at_why *why);
/* The next event; AT_END. Other errors: why is "FILE: what, where". `index` (may be NULL): its number, from 0. */
AT_MUST_USE enum at_err at_reader_next(struct at_reader *r, struct at_event *ev, uint64_t *index, struct at_why *why);
/*
 * The same events in the same order, as columns: a run of events of one recording. A recording that is not a tape is
 * given so too. What a pipe has is given at once. The two ways may be mixed: each event is given once. Event i has the
 * number *first + (place ? place[i] : i); `first` may be NULL.
 */
AT_MUST_USE enum at_err at_reader_next_batch(struct at_reader *r, struct at_tape_batch *out, uint64_t *first,
                                             struct at_why *why);
/* Event `i` of the batch given last, whole. Valid until the next call of any of these. */
void at_reader_batch_event(struct at_reader *r, size_t i, struct at_event *ev);
/* Damage found so far in all files together. */
void at_reader_damage(const struct at_reader *r, struct at_tape_damage *out);
/* True once reading has failed: the failure's words tell of the damage that ended it. */
bool at_reader_failed(const struct at_reader *r);
/*
 * What was read so far, to tell whether shares are of the same recording. Noted only where a shard is asked for: with
 * 1/1 that is all.
 */
struct at_reading {
    uint64_t events; /* of all keys */
    uint64_t print;  /* a hash of their times, in their order */
    uint64_t tape;   /* the id of the one tape; 0: several, or no tape */
    bool alone;      /* no event of another share was among them */
};
void at_reader_reading(const struct at_reader *r, struct at_reading *out);
/*
 * The id of recording `input` (from 0): a tape's is in its header, other recordings have the one that a tape made of
 * them would have. Known once the reader is open; 0 for an empty one.
 */
uint64_t at_reader_tape_id(const struct at_reader *r, uint32_t input);

/* Which shares of a recording are there, for what is put together from parts. */
struct at_shares {
    uint32_t of;
    uint8_t *have; /* bits */
    struct at_reading reading;
};
AT_MUST_USE enum at_err at_shares_new(uint32_t of, struct at_shares *out); /* none is there */
void at_shares_free(struct at_shares *s);
bool at_shares_has(const struct at_shares *s, uint32_t number); /* 1 … of */
void at_shares_set(struct at_shares *s, uint32_t number);
/* Each has read all of one recording; or each a tape of its own, with the id of what these were taken from. */
bool at_shares_same_recording(const struct at_shares *a, const struct at_shares *b);
/* AT_BAD: they do not belong together, or have a share in common. */
AT_MUST_USE enum at_err at_shares_join(struct at_shares *sum, const struct at_shares *part, struct at_why *why);
/* The first one that is missing, 0 where none is; and how many are. */
uint32_t at_shares_missing(const struct at_shares *s, uint32_t *n_missing);
/* Appends the missing ones as a list, "3, 5 and 7". */
AT_MUST_USE enum at_err at_shares_missing_text(const struct at_shares *s, struct at_buf *out);
/* Says which are missing for 'COMMAND merge': AT_EXIT_TROUBLE; AT_EXIT_NONE where none is. */
int at_cli_missing_shares(const char *command, const struct at_shares *s);
/* True if the next event has to be read from something that may make one wait: a good moment to flush one's output. */
bool at_reader_would_wait(const struct at_reader *r);
void at_reader_close(struct at_reader **r);

/* Which events pass; NULL options let all pass. What reads recordings by itself asks it for each event, in order. */
struct at_filter;
AT_MUST_USE enum at_err at_filter_new(const struct at_reader_options *options, struct at_filter **out);
void at_filter_free(struct at_filter **f);
/*
 * Says whether the event passes. Every event has to be shown, in order, as a return belongs to the scope of its call.
 * Under a scope filter pass: what names the scope, calls of APIs that it gates, the return of a call that passed, a
 * decision about such a prompt, and what is about all scopes (start, reset, gap, end). AT_NOMEM.
 */
AT_MUST_USE enum at_err at_filter_event(struct at_filter *f, const struct at_event *ev, bool *pass);

/*
 * The segments of a tape that is a file: each can be read alone, in any order, so on several threads at once. A tape
 * that is damaged or torn is not for this: a reader says what is wrong with it.
 */
struct at_tape_segment {
    uint64_t offset, bytes; /* in the file */
    uint64_t first;         /* number of its first event, as of a reader of this file alone */
    uint64_t events;
    int64_t earliest_us, latest_us;
};
struct at_segments;
/*
 * Finds them by the index, or from frame header to frame header where there is none. AT_NOTFOUND: not a tape, not a
 * file that can be sought in, or not a whole one. AT_IO, AT_NOMEM.
 */
AT_MUST_USE enum at_err at_segments_open(const char *path, struct at_segments **out, struct at_why *why);
const struct at_tape_segment *at_segments_list(const struct at_segments *s, size_t *n); /* valid until closed */
void at_segments_close(struct at_segments **s);

/* Reads segments, one after another: one of these a thread, any number of them at once of the same at_segments. */
struct at_segment_reader;
AT_MUST_USE enum at_err at_segment_reader_new(const struct at_segments *s, struct at_segment_reader **out);
/* Segment `i` of the list is read from its start. */
AT_MUST_USE enum at_err at_segment_begin(struct at_segment_reader *r, size_t i, struct at_why *why);
/* Its next events; `segment` is the `i` given. AT_END: that was all of it. AT_DAMAGED, AT_NEWER, AT_LIMIT, AT_IO. */
AT_MUST_USE enum at_err at_segment_next_batch(struct at_segment_reader *r, struct at_tape_batch *out,
                                              struct at_why *why);
void at_segment_event(struct at_segment_reader *r, size_t i, struct at_event *ev); /* of the batch given last */
void at_segment_reader_free(struct at_segment_reader **r);

/*
 * A whole file written under a temporary name beside its place, renamed by at_output_commit; "-" is standard output.
 * Closing without commit removes the temporary file.
 */
struct at_output;
AT_MUST_USE enum at_err at_output_open(const char *path, struct at_output **out, struct at_why *why);
/* Keeps what is written in place (standard output, a pipe) back until the commit, so that nothing is half-written. */
AT_MUST_USE enum at_err at_output_hold(struct at_output *o, struct at_why *why);
AT_MUST_USE enum at_err at_output_write(struct at_output *o, const void *data, size_t len, struct at_why *why);
AT_MUST_USE enum at_err at_output_commit(struct at_output *o, struct at_why *why); /* flush, fsync, rename */
void at_output_close(struct at_output **o);

/* Reads a whole file of at most `cap_bytes`. The caller frees the buffer. AT_IO, AT_LIMIT with why ("what"). */
AT_MUST_USE enum at_err at_read_file(const char *path, size_t cap_bytes, struct at_buf *out, struct at_why *why);

/* "2026-11-22T08:15:00.123456Z", microseconds, UTC. `out` holds 40 bytes. */
void at_time_text(int64_t t_us, char out[40]);
/* Reads RFC 3339 (zone optional, UTC then), a date alone, or integer microseconds. AT_BAD. */
AT_MUST_USE enum at_err at_time_parse(const char *text, int64_t *t_us);

/* ------------------------------------------------------------------------------------------------- Sandbox ---- */

/* What the process may still do besides reading and writing what it has open and starting threads. */
enum {
    AT_MAY_TEMPORARY = 1u << 0, /* files in the folder for temporary files */
    AT_MAY_CAPTURE = 1u << 1,   /* interfaces that are open */
    AT_MAY_SERVE = 1u << 2,     /* listening sockets that are open */
    AT_MAY_CONNECT = 1u << 3,   /* new connections */
    AT_MAY_NAMES = 1u << 4,     /* names of hosts, certificates, the libraries that libc looks them up with */
};

enum at_sandbox_mode { AT_SANDBOX_AUTO, AT_SANDBOX_OFF, AT_SANDBOX_REQUIRE };

struct at_sandbox {
    enum at_sandbox_mode mode;
    unsigned may;              /* AT_MAY_… */
    const char *const *reads;  /* files, or folders with all that is in them; one that is not there is left out */
    const char *const *writes; /* files; their folders with them, since files are renamed into their place */
    size_t n_reads, n_writes;
};

/*
 * Gives up, for this process and for good, what is not in `box`: no new privileges, no capabilities (root's: those of
 * files), no other files (Landlock), no other system calls (seccomp; one that only an intruder would make ends the
 * process). To be called before there are threads. AT_SANDBOX_AUTO takes what the build and the kernel have;
 * AT_SANDBOX_REQUIRE fails with AT_NOTFOUND where one of them is missing. AT_IO. authtape(1), "SANDBOX".
 */
AT_MUST_USE enum at_err at_sandbox_enter(const struct at_sandbox *box, struct at_why *why);

/* -------------------------------------------------------------------------------------------- Command line ---- */

enum { AT_EXIT_NONE = 0, AT_EXIT_FOUND = 1, AT_EXIT_TROUBLE = 2 };

/*
 * One option of a subcommand. A table ends with a zero `name`. `id` is what at_cli_next returns (> 0). What the
 * argument is called says what it is, to the sandbox and to completions: FILE is read, OUT is written, PROFILE and
 * DIALECT are names or files to read, IFACE and USER are the system's, "text|json" is one of these; all else is a text.
 */
struct at_option {
    const char *name; /* long name, without "--" */
    char letter;      /* or 0 */
    const char *arg;  /* name of the argument, NULL for none */
    int id;
    const char *help;
};

/* One subcommand: what `--help`, completions and the front door are made of. */
struct at_command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* after "authtape NAME ", lines separated by \n */
    const struct at_option *options;
    const char *details;                                              /* paragraphs below the options, may be NULL */
    int (*run)(const struct at_command *self, int argc, char **argv); /* exit status */
    /*
     * Behind the last option the process is confined to the files that were named and to this (AT_MAY_…). A command
     * that has to open more before says so, and calls at_cli_confine itself.
     */
    unsigned may;
    bool confines_itself;
};

#define AT_CLI_PATHS_MAX 160

/* Walks argv by the table. --help prints the page to standard output and gives AT_CLI_EXIT with status 0. */
enum { AT_CLI_DONE = 0, AT_CLI_EXIT = -1 };
struct at_cli {
    const struct at_command *command;
    char **argv;
    int cursor;      /* the next word of argv */
    const char *arg; /* of the option just returned */
    char **operands; /* after AT_CLI_DONE */
    int n_operands;
    int status; /* after AT_CLI_EXIT */
    enum at_sandbox_mode sandbox;
    struct at_cli_path {
        const char *path, *arg; /* as given, and what the option calls it */
    } paths[AT_CLI_PATHS_MAX];  /* that options named */
    size_t n_paths;
};
void at_cli_begin(struct at_cli *cli, const struct at_command *command, int argc, char **argv);
/* The next option's id; AT_CLI_DONE: operands are set; AT_CLI_EXIT: return cli->status (a message was printed). */
int at_cli_next(struct at_cli *cli);
/* Confines the process to the files that were named and to `may`. False after a message; return cli->status. */
bool at_cli_confine(struct at_cli *cli, unsigned may);
/* Prints "authtape: …" and a newline on standard error and returns AT_EXIT_TROUBLE. */
int at_cli_trouble(const char *fmt, ...) AT_PRINTF(1, 2);
/* Trouble about a file: "authtape: FILE: what, where". */
int at_cli_file_trouble(const char *path, const struct at_why *why);
/* Bad usage of this command; adds "try 'authtape NAME --help'". */
int at_cli_usage(const struct at_command *command, const char *fmt, ...) AT_PRINTF(2, 3);
/* An unsigned number in [min, max], with k/M/G (powers of 1,024) allowed. False after printing a usage message. */
bool at_cli_number(const struct at_cli *cli, const char *option, uint64_t min, uint64_t max, uint64_t *out);
/* A shard, "3/8". False after printing a usage message. */
bool at_cli_shard(const struct at_cli *cli, struct at_shard *out);
/* The filter options that subcommands share. */
/* clang-format off */
enum { AT_SELECT_FROM = 100, AT_SELECT_TO, AT_SELECT_APP, AT_SELECT_USER, AT_SELECT_SCOPE, AT_SELECT_PROFILE, AT_SELECT_SHARD };
#define AT_SELECT_OPTIONS                                                                                                 \
    {"from", 0, "T", AT_SELECT_FROM, "events at or after T: RFC 3339, a date, or microseconds since 1970"},               \
    {"to", 0, "T", AT_SELECT_TO, "events before T"},                                                                      \
    {"app", 0, "APP", AT_SELECT_APP, "events of this app"},                                                               \
    {"user", 0, "USER", AT_SELECT_USER, "events of this user"},                                                           \
    {"scope", 0, "SCOPE", AT_SELECT_SCOPE, "calls, answers, prompts and settings of this scope"},                         \
    {"shard", 0, "I/N", AT_SELECT_SHARD, "events of share I of N of the users: 1/8 to 8/8"},                               \
    {"profile", 'p', "PROFILE", AT_SELECT_PROFILE, "whose APIs --scope means (default: " AT_DEFAULT_PROFILE ")"}
/* clang-format on */

/* What the options said, and what it points to. */
struct at_select {
    struct at_reader_options options;
    const char *profile_name;
    struct at_profile *profile;
};

/* Takes one of these options. Returns false after a message when its argument is bad. */
bool at_select_option(const struct at_cli *cli, int id, struct at_select *select);
/* After the last option: loads what they name. Returns false after a message. */
bool at_select_end(struct at_select *select);
void at_select_free(struct at_select *select);

/*
 * Prints a completion for "bash", "zsh" or "fish" of these commands (a NULL ends them), as their tables are. False:
 * another shell.
 */
bool at_cli_completions(const struct at_command *const *list, const char *shell, FILE *to);
/* The closest of the `n` names to `word`, NULL where none is close. */
const char *at_closest(const char *word, const char *const *names, size_t n);
bool at_cli_color(FILE *to); /* a terminal, and NO_COLOR is not set */
/* Flushes standard output: AT_EXIT_NONE, or trouble printed (a closed pipe is a quiet end). `status` is passed on. */
int at_cli_finish(int status);

/* `import` of NDJSON to a tape: the exit status, after a message where there is trouble. "-" are the standard streams.
 */
int at_import_ndjson(const char *from, const char *to);

/* Says on standard error what of the recordings read so far was damaged and skipped; silent where nothing was. */
void at_cli_warn_damage(const struct at_reader *r);

/* ------------------------------------------------------------------------------------------------- Privacy ---- */

/* Options of commands that write tapes; rows for a table. authtape(7), "PRIVACY". */
enum { AT_REDACT_REDACT = 900, AT_REDACT_KEY };
#define AT_REDACT_OPTIONS                                                                                              \
    {"redact", 0, NULL, AT_REDACT_REDACT, "no users, apps and addresses, but pseudonyms; no words of anybody"},        \
    {                                                                                                                  \
        "pseudonymize", 0, "FILE", AT_REDACT_KEY, "the same, with pseudonyms that the key in FILE makes again"         \
    }

/* Zero: what platforms call personal things is left out of unknown fields, and no more. */
struct at_redact_options {
    bool redact;          /* names become pseudonyms of a key that nobody knows */
    const char *key_file; /* or of this one. NULL */
};
/* Takes an option of AT_REDACT_OPTIONS; false: it is another one. */
bool at_redact_option(const struct at_cli *cli, int id, struct at_redact_options *options);

struct at_redactor;
/* AT_NOTFOUND: the build has no nettle. AT_BAD, AT_IO, AT_LIMIT: the key's file, `why` without its name. */
AT_MUST_USE enum at_err at_redactor_new(const struct at_redact_options *options, struct at_redactor **out,
                                        struct at_why *why);
/*
 * `out`: the event without what may say who somebody is. User, app and stream become a letter and the first 20 hex
 * digits of HMAC-SHA-256 (RFC 2104) of "user:NAME", "app:NAME", "stream:NAME". Valid until the next call.
 */
AT_MUST_USE enum at_err at_redact(struct at_redactor *r, const struct at_event *ev, struct at_event *out);
void at_redactor_free(struct at_redactor **r);

/* Subcommands of this folder. */
extern const struct at_command at_cmd_cat, at_cmd_info, at_cmd_verify, at_cmd_profile, at_cmd_repair, at_cmd_merge,
    at_cmd_slice, at_cmd_repack;

#endif
