/*
 * dialect.h: the mapping language of authtape-dialect(5). Private to this folder.
 *
 * A dialect is compiled once (dialect_compile.c) and read-only afterwards. A message is indexed once, when its JSON is
 * checked, and every dialect evaluates its rules on the index (dialect_eval.c, dialect_rule.c). Requests that wait for
 * their answers are kept per connection and dialect (dialect_pair.c).
 */
#ifndef AUTHTAPE_DIALECT_H
#define AUTHTAPE_DIALECT_H

#include <stdalign.h>
#include <stddef.h>

#include "tracer/tracer.h"

/* ---- Memory that lives as long as its owner, or until the next message. Addresses stay. */

struct at_arena_chunk {
    struct at_arena_chunk *next;
    size_t used, cap;
    alignas(max_align_t) char bytes[];
};
struct at_arena {
    struct at_arena_chunk *chunks;
};
void *at_arena_more(struct at_arena *a, size_t size); /* at_arena_get, where the chunk at hand has no room */
/* Aligned, not zeroed; NULL when out of memory. */
static inline void *at_arena_get(struct at_arena *a, size_t size)
{
    struct at_arena_chunk *c = a->chunks;
    size = size ? (size + 15) & ~(size_t)15 : 16;
    if (!c || c->cap - c->used < size)
        return at_arena_more(a, size);
    void *p = c->bytes + c->used;
    c->used += size;
    return p;
}
struct at_str at_arena_copy(struct at_arena *a, struct at_str s); /* NUL added; absent when out of memory */
struct at_arena_mark {
    struct at_arena_chunk *chunk;
    size_t used;
};
static inline struct at_arena_mark at_arena_mark(const struct at_arena *a)
{
    return (struct at_arena_mark){a->chunks, a->chunks ? a->chunks->used : 0};
}
void at_arena_drop_chunks(struct at_arena *a, struct at_arena_mark mark); /* those since the mark */
/* Forgets what was got since the mark; a zero mark: all, but one chunk is kept. */
static inline void at_arena_release(struct at_arena *a, struct at_arena_mark mark)
{
    if (a->chunks != mark.chunk)
        at_arena_drop_chunks(a, mark);
    if (a->chunks)
        a->chunks->used = mark.used;
}
void at_arena_free(struct at_arena *a);

/* ---- Texts and pointers in the index of a message (struct at_doc) */

/* Puts the text without its escapes in the arena, in place of what was there. AT_NOMEM. */
AT_MUST_USE enum at_err at_doc_unescape(struct at_arena *arena, struct at_str *text);
/* The text of a scalar: a string without its quotes and escapes (in the arena where it has any), else as written. */
static inline AT_MUST_USE enum at_err at_doc_text(const struct at_doc *d, uint32_t node, struct at_arena *arena,
                                                  struct at_str *out)
{
    const struct at_doc_node *n = &d->nodes[node];
    const bool quoted = n->type == AT_J_STRING || n->type == AT_J_KEY;
    *out = (struct at_str){d->text.ptr + n->start + quoted, n->end - n->start - 2 * quoted};
    return n->escaped ? at_doc_unescape(arena, out) : AT_OK;
}

/* A JSON Pointer (RFC 6901), taken apart. */
struct at_pointer {
    struct at_str *tokens;
    size_t n;
    uint32_t place; /* in a dialect: see dialect_place.c; 0: none */
};
AT_MUST_USE enum at_err at_pointer_compile(struct at_arena *arena, struct at_str text, struct at_pointer *out);
#define AT_NO_NODE UINT32_MAX
uint32_t at_pointer_find(const struct at_pointer *p, const struct at_doc *d, uint32_t from); /* AT_NO_NODE */
uint32_t at_doc_child(const struct at_doc *d, uint32_t node, struct at_str token);

/* Indexes of JSON texts inside of strings, as a stack: whoever takes some sets `used` back when done with them. */
#define AT_DOCS 64u
struct at_docs {
    struct at_doc list[AT_DOCS];
    uint32_t used;
};
/* Indexes the JSON value in `text`; what stands before its first '{' or '[' is passed over where the whole is no JSON.
 * NULL in *out: there is none, or too many are in use. */
AT_MUST_USE enum at_err at_docs_take(struct at_docs *docs, struct at_str text, const struct at_doc **out);
void at_docs_free(struct at_docs *docs);

/* ---- What a mapping is made of */

/* A value met at evaluation. */
struct at_found {
    uint8_t type;             /* enum at_json_type */
    struct at_str text;       /* of scalars */
    const struct at_doc *doc; /* objects, arrays */
    uint32_t node;
};

enum at_source {
    AT_FROM_ITEM, /* "at" */
    AT_FROM_ROOT, /* "root" */
    AT_FROM_TEXT,
    AT_FROM_QUERY,
    AT_FROM_HEADER,
    AT_FROM_FLOW,
    AT_FROM_REQUEST,
    AT_FROM_FIRST,
    AT_FROM_JOIN,
    AT_FROM_NAMES, /* "api-in" */
    AT_FROM_FIND,  /* "find" */
};

enum at_flow {
    AT_FLOW_STREAM,
    AT_FLOW_CLIENT,
    AT_FLOW_SERVER,
    AT_FLOW_TARGET,
    AT_FLOW_PATH,
    AT_FLOW_EXCHANGE,
    AT_FLOW_STATUS
};
enum at_request_field { AT_REQUEST_API, AT_REQUEST_CALL };

struct at_map_entry {
    struct at_str from;
    uint8_t type; /* of `to` */
    struct at_str to;
};

struct at_when;
struct at_value {
    enum at_source source;
    struct at_pointer ptr; /* item, root, find */
    uint8_t type;          /* text: of the literal */
    struct at_str text;    /* text, query and header name, member to find */
    struct at_str starts;  /* find: what a text starts with; absent */
    bool quoted;           /* find: it is in quotes inside of a text, the only one that starts so */
    int which;             /* flow, request */
    struct at_value *list; /* first, join, names */
    size_t n_list;
    /* then, in this order */
    bool has_json;
    struct at_pointer json;
    struct at_str *strip;
    size_t n_strip;
    struct at_str before; /* absent: not wanted */
    bool known_api;
    struct at_map_entry *map;
    size_t n_map;
    bool has_map;
    uint8_t default_type; /* 0: none */
    struct at_str default_text;
    uint32_t unit_us; /* times; 0: not given */
    /* authSetting as an array of records */
    struct at_value *key, *value;
    struct at_when *when; /* there only if this holds; NULL: always */
    bool plain;           /* the source alone */
};

enum at_test_op { AT_TEST_IS, AT_TEST_EXISTS, AT_TEST_STARTS, AT_TEST_TYPE };
struct at_test {
    struct at_pointer ptr;
    enum at_test_op op;
    bool negate;
    struct at_map_entry *any; /* is: one of these (type, to); starts, type: one of these texts */
    size_t n_any;
    uint64_t texts; /* is: bits of the texts of the place; 0: `any` is compared */
};
/* Any of these groups, all tests of which hold. n == 0: always. */
struct at_when {
    struct at_when_group {
        struct at_test *tests;
        size_t n;
    } * groups;
    size_t n;
};

enum at_step_op { AT_STEP_GO, AT_STEP_EACH, AT_STEP_JSON };
struct at_step {
    enum at_step_op op;
    struct at_pointer ptr;
};

/* The fields that a rule may give. name in the mapping. */
#define AT_FIELD_MAP(X)                                                                                                \
    X(APP, "app")                                                                                                      \
    X(USER, "user")                                                                                                    \
    X(PLATFORM, "platform")                                                                                            \
    X(STREAM, "stream")                                                                                                \
    X(T, "t")                                                                                                          \
    X(CALL, "call")                                                                                                    \
    X(API, "api")                                                                                                      \
    X(SCOPE, "scope")                                                                                                  \
    X(ERR_MSG, "errMsg")                                                                                               \
    X(ERRNO, "errno")                                                                                                  \
    X(AUTH_SETTING, "authSetting")                                                                                     \
    X(ANSWER, "answer")                                                                                                \
    X(GRANTED, "granted")                                                                                              \
    X(FRESH, "fresh")                                                                                                  \
    X(OBSERVES, "observes")                                                                                            \
    X(LOST_BYTES, "lost_bytes")                                                                                        \
    X(ARGS, "args")

enum at_field {
#define X(name, text) AT_FIELD_##name,
    AT_FIELD_MAP(X)
#undef X
        AT_FIELDS
};

/* What a rule makes besides the kinds of events. */
enum { AT_RULE_GROUP = 0, AT_RULE_COPY = 100, AT_RULE_MOCK, AT_RULE_RESTORE, AT_RULE_BY_VALUE };

struct at_reply {
    bool given;
    struct at_when drop_if; /* the request's event does not count then; it waits for the answer */
    bool has_drop_if;
    const struct at_value *fields[AT_FIELDS]; /* of the `return`; api and scope: of the call, known only now */
    uint32_t given_fields;                    /* 1u << enum at_field */
};

struct at_rule {
    struct at_str place; /* in the mapping, as a JSON Pointer */
    bool from_client, from_server, http, websocket;
    struct at_str path; /* the target's path starts so; absent: any */
    struct at_when when;
    struct at_step *steps;
    size_t n_steps;
    struct at_rule *rules; /* group */
    size_t n_rules;
    uint32_t key; /* a place where one of the texts has to be; 0: not known */
    uint64_t key_texts;
    bool key_is_all;             /* and nothing else is asked for by `when` */
    int makes;                   /* enum at_kind or AT_RULE_… */
    const struct at_value *kind; /* AT_RULE_BY_VALUE */
    const struct at_value *fields[AT_FIELDS];
    uint32_t given;               /* 1u << enum at_field */
    const struct at_value *id;    /* pairs the message with its answer */
    const struct at_value *part;  /* of the app: calls, mocks */
    const struct at_value *clock; /* the sender's, when it sent the message */
    struct at_reply reply;
};

/* A step of some JSON Pointer from the item on: see dialect_place.c. */
struct at_place {
    uint32_t parent; /* 0: the item */
    struct at_str token;
    struct at_str *texts; /* what conditions ask for here */
    uint8_t n_texts;
};
#define AT_PLACE_TEXTS 63u

struct at_dialect {
    struct at_arena arena; /* holds all below */
    struct at_place *places;
    uint32_t n_places;
    struct at_str name, title;
    uint8_t observes; /* mask of enum at_sight */
    bool own_times;   /* some rule gives `t` */
    const struct at_value *id, *reply_id;
    const struct at_value *fields[AT_FIELDS]; /* app, user, platform, stream for all rules */
    uint32_t given;                           /* of them, 1u << enum at_field */
    struct at_step *steps;
    size_t n_steps;
    struct at_rule *rules;
    size_t n_rules;
    /* See dialect_gate.c. Of the rules, by enum at_dir and enum at_proto. */
    struct at_rule_gate {
        uint64_t mask;
        bool open; /* whatever the message has */
    } gates[2][2];
    uint64_t reply_gate;
    struct at_str reply_name; /* a message answers by this member alone; absent: by more than that */
};

#define AT_DIALECT_BYTES ((size_t)1024 * 1024) /* cap on a mapping file */
#define AT_DIALECT_DEPTH 8                     /* cap on nested rules and nested JSON */

/* A built-in name or the path of a mapping. AT_NOTFOUND, AT_BAD (why names the place as a JSON Pointer), AT_IO. */
AT_MUST_USE enum at_err at_dialect_load(const char *name_or_path, struct at_dialect **out, struct at_why *why);
AT_MUST_USE enum at_err at_dialect_compile(struct at_str json, const char *name, struct at_dialect **out,
                                           struct at_why *why);
void at_dialect_free(struct at_dialect **d);
size_t at_dialect_builtin_count(void);
const char *at_dialect_builtin_name(size_t i);
struct at_str at_dialect_builtin_text(size_t i);

/* A letter, a digit, '_' or '$': part of a name in a program. */
static inline bool at_is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/* ---- APIs that ask for permission, by all built-in profiles */

struct at_apis;
AT_MUST_USE enum at_err at_apis_new(struct at_apis **out, struct at_why *why);
void at_apis_free(struct at_apis **a);
bool at_apis_has(const struct at_apis *a, struct at_str name);
/* Notes the APIs named in the texts of a value: a text that is a name, or "wx.NAME" inside of a text. */
struct at_named {
    struct at_str name; /* the first */
    bool several;       /* different ones */
};
AT_MUST_USE enum at_err at_apis_named(const struct at_apis *a, const struct at_found *f, struct at_arena *arena,
                                      struct at_named *out);

/* ---- Evaluation */

/* What was found in the item at hand, by places: see dialect_place.c. */
struct at_spot {
    uint32_t turn, node;
    uint8_t number; /* of the text there */
    bool compared;
};
struct at_finder {
    struct at_spot *spots;
    size_t cap;
    uint32_t turn, node;
    const struct at_doc *doc;
    const struct at_place *places;
};
AT_MUST_USE enum at_err at_place_add(struct at_dialect *d, struct at_pointer *p);
void at_place_ask(struct at_dialect *d, struct at_test *t);
AT_MUST_USE enum at_err at_finder_room(struct at_finder *f, size_t n_places);
void at_finder_free(struct at_finder *f);
/* A new message, or a text that was not indexed before: nothing is known. */
void at_finder_begin(struct at_finder *f, const struct at_dialect *d);

/* What evaluation looks at. */
struct at_scene {
    const struct at_message *m;
    const struct at_doc *doc; /* of the item */
    uint32_t node;            /* the item */
    const struct at_doc *root;
    const struct at_apis *apis;
    struct at_arena *arena; /* for this message */
    struct at_docs *docs;
    struct at_str request_api, request_call; /* in a reply */
    struct at_finder *finder;                /* may be NULL */
    bool keep_args;                          /* all arguments of a call, personal or not */
    enum at_field *nonsense;                 /* set to the field that has it; may be NULL */
};
uint32_t at_scene_find(const struct at_scene *s, const struct at_pointer *p); /* AT_NO_NODE */
/* The number of the text that is at a place, among those asked for there; 0: none of them. The scene has a finder. */
unsigned at_scene_number(const struct at_scene *s, uint32_t place);
AT_MUST_USE enum at_err at_value_get(const struct at_value *v, const struct at_scene *s, struct at_found *out);
bool at_when_holds(const struct at_when *w, const struct at_scene *s);
/* The value of a query parameter (percent-decoded, '+' is a space) or a header line; absent where there is none. */
struct at_str at_target_query(struct at_str target, struct at_str name, struct at_arena *arena);
struct at_str at_header_value(struct at_str headers, struct at_str name);
struct at_str at_target_path(struct at_str target);

/* Fills an event from the `given` ones (1u << enum at_field) of a rule's fields. AT_BAD: the event lacks something that
 * its kind needs, or has nonsense. */
AT_MUST_USE enum at_err at_fill_event(const struct at_value *const fields[AT_FIELDS], uint32_t given,
                                      const struct at_scene *s, struct at_event *ev);

/* By how much the sender's clock was ahead when it sent the message, in microseconds; 0: it was not, or did not say. */
AT_MUST_USE enum at_err at_clock_lead(const struct at_value *clock, const struct at_scene *s, uint64_t *lead_us);
/* An event of that sender is set back by as much: the time between its events is right, when they were is not. */
void at_set_back(struct at_event *ev, uint64_t lead_us);

/* ---- Holding events back until their order is certain: hold.c */

struct at_hold;
struct at_ticket; /* a place in the order, for an event that is not certain yet */
struct at_hold_options {
    uint32_t hold_ms; /* an undecided event is decided by force after this long */
    uint32_t lag_ms;  /* every event waits this long for earlier ones */
    size_t hold_events;
};
/* `own_time`: the event's time is its sender's, not that of its message. */
typedef enum at_err at_hold_out(void *ctx, const struct at_event *ev, bool own_time);
AT_MUST_USE enum at_err at_hold_new(const struct at_hold_options *options, at_hold_out *event, void *ctx,
                                    struct at_hold **out);
void at_hold_free(struct at_hold **h);
AT_MUST_USE enum at_err at_hold_push(struct at_hold *h, const struct at_event *ev, bool own_time);
/* From now on `*waiting` counts the events that are pushed and did not come out yet; NULL: nobody counts. */
void at_hold_count(struct at_hold *h, size_t *waiting);
/* Takes the place of time t_us. `ev` (may be NULL) comes out there if nothing better is known in time. */
AT_MUST_USE enum at_err at_hold_reserve(struct at_hold *h, int64_t t_us, const struct at_event *ev,
                                        struct at_ticket **out);
/* Decides: `ev` (NULL: nothing) comes out at the reserved place. False: too late, the place is gone. */
enum at_err at_hold_settle(struct at_hold *h, struct at_ticket **ticket, const struct at_event *ev, bool *in_time);
/* Decides for the event that was given on reserving, and forgets the ticket. Accepts NULL. */
AT_MUST_USE enum at_err at_hold_keep(struct at_hold *h, struct at_ticket **ticket);
void at_hold_forget(struct at_hold *h, struct at_ticket **ticket); /* leaves the place undecided, to its time limit */
AT_MUST_USE enum at_err at_hold_tick(struct at_hold *h, int64_t now_us);
AT_MUST_USE enum at_err at_hold_finish(struct at_hold *h);

/* True if the views are of the same bytes at the same place. */
static inline bool at_str_same(struct at_str a, struct at_str b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

/* ---- Requests that wait for their answers: dialect_pair.c */

struct at_pending {
    struct at_pending *chain; /* in its bucket */
    struct at_pending *older, *newer;
    uint64_t hash;
    const struct at_rule *rule;
    struct at_ticket *ticket; /* its event is not certain, or its api not known */
    int64_t t_us;
    uint64_t packet, exchange;
    uint32_t uses; /* how often this id was used on the connection */
    enum at_dir dir;
    bool answered;
    bool fit;        /* its event was one, so that its names are texts */
    bool names_stay; /* app, user, platform and stream stay where they are as long as the connection: not copied */
    size_t room;     /* bytes behind the struct */
    struct at_str id, call, api, part, app, user, platform, stream; /* behind the struct */
};
struct at_pairs {
    struct at_pending **buckets;
    uint32_t n_buckets, n[2]; /* open, answered */
    uint32_t asked[2];        /* by enum at_dir of the request */
    struct at_pending *oldest[2], *newest[2];
    struct at_pending *spare; /* to be used again */
};
#define AT_PAIRS_OPEN 4096u /* requests remembered per connection and dialect */
#define AT_PAIRS_ANSWERED 256u
struct at_pending *at_pairs_find(const struct at_pairs *p, struct at_str id, uint64_t exchange,
                                 enum at_dir request_dir);
/* The newest request of an HTTP exchange. */
struct at_pending *at_pairs_of_exchange(const struct at_pairs *p, uint64_t exchange, enum at_dir request_dir);
/* The request that has the id, exchange and direction of `like`. It sets like->hash, which at_pairs_add needs. */
struct at_pending *at_pairs_before(const struct at_pairs *p, struct at_pending *like);
/* Copies the strings of `like`, those that stay where they are aside. */
AT_MUST_USE enum at_err at_pairs_add(struct at_pairs *p, const struct at_pending *like, struct at_pending **added);
void at_pairs_answered(struct at_pairs *p, struct at_pending *e); /* remembered, so that a second answer is seen */
void at_pairs_remove(struct at_pairs *p, struct at_pending *e);   /* and frees it; its ticket must be gone */
/* What has to go to make room: the oldest of those that are too many; NULL: nothing. */
struct at_pending *at_pairs_surplus(const struct at_pairs *p);
struct at_pending *at_pairs_any(const struct at_pairs *p); /* NULL: empty */

/* ---- What was lost of the whole capture: loss.c */

struct at_losses; /* made by the first loss */
AT_MUST_USE enum at_err at_losses_add(struct at_losses **l, int64_t from_us, int64_t to_us);
/* An event comes at now_us. *gap: one has to come before it. `l` may be NULL: nothing was lost yet. */
AT_MUST_USE enum at_err at_losses_touch(struct at_losses *l, int64_t now_us, const struct at_event *ev, bool *gap);
void at_losses_free(struct at_losses **l);

/* ---- Reports seen already: dialect_seen.c */

struct at_seen; /* of a tracer */
AT_MUST_USE enum at_err at_seen_new(struct at_seen **out);
void at_seen_free(struct at_seen **s);
#define AT_LAST_REPORTS 16
struct at_last_reports { /* of a connection */
    struct {
        uint64_t scope, content;
        int64_t t_us;
    } list[AT_LAST_REPORTS];
    uint32_t n, next;
};
/* True if the event was reported before: see authtape-dialect(5), "Repeats". `dialect` tells dialects apart. */
bool at_seen_again(struct at_seen *s, struct at_last_reports *last, uint64_t dialect, const struct at_event *ev,
                   bool own_time, int64_t now_us);
/* The same for an event with a number that counts the events of its stream; own_time: its t is what it said itself. */
bool at_seen_number(struct at_seen *s, uint64_t dialect, const struct at_event *ev, uint64_t number, bool own_time);
/* An event that is no report, such as a tap or an answer: what comes after it is no repeat of what came before. */
void at_seen_other(struct at_last_reports *last, const struct at_event *ev);

/* ---- Numbers of streams: dialect_seq.c */

struct at_sequences;
AT_MUST_USE enum at_err at_sequences_new(struct at_sequences **out);
void at_sequences_free(struct at_sequences **s);
/* The event's additional field "seq". False: it has none that is a natural number of at most 18 digits. */
bool at_sequence_number(const struct at_event *ev, uint64_t *number);
/* True if the stream of the event had this number before. */
bool at_sequence_again(struct at_sequences *s, uint64_t dialect, const struct at_event *ev, uint64_t number);

/* ---- Identity: identity.c */

struct at_names {
    struct at_str app, user, platform; /* absent: unknown */
};
struct at_ident; /* the three, compiled */
AT_MUST_USE enum at_err at_ident_new(const struct at_identity *given, struct at_ident **out, struct at_why *why);
void at_ident_free(struct at_ident **i);
/* What is remembered per connection: names that came by pointer. */
struct at_ident_memory {
    struct at_buf text[3];
    bool known[3];
};
void at_ident_memory_free(struct at_ident_memory *m);
AT_MUST_USE enum at_err at_ident_look(const struct at_ident *i, const struct at_scene *s,
                                      struct at_ident_memory *memory, struct at_names *out);
bool at_ident_every_message(const struct at_ident *i); /* a pointer is among them: no message may be skipped */

/* ---- Rules at work: dialect_rule.c */

struct at_dialect_state { /* of a connection and dialect */
    struct at_pairs pairs;
    struct at_str *mocked; /* part NUL api whose answers are made up; each allocated */
    size_t n_mocked;
};
void at_dialect_state_free(struct at_dialect_state *state, struct at_hold *hold);

/* What a message says of its sender's clock, by the value that was looked at last; NULL: none was. */
struct at_lead {
    const struct at_value *clock;
    uint64_t us;
};

struct at_run {
    const struct at_dialect *dialect;
    uint64_t number; /* of the dialect in the tracer */
    uint32_t kinds;  /* 1u << enum at_kind: those wanted */
    struct at_dialect_state *state;
    struct at_last_reports *last;
    struct at_names names; /* what the options say of this message; members may be absent */
    bool names_stay;       /* and of all messages of the connection: the texts stay where they are */
    bool identified;
    const struct at_apis *apis;
    struct at_arena *arena;
    struct at_docs *docs;
    struct at_finder *finder;
    struct at_hold *hold;
    struct at_seen *seen;
    struct at_event_parser *parser;
    struct at_tracer_stats *stats;
    /* Asked for `names` when they are needed first. */
    enum at_err (*identify)(void *ctx, const struct at_message *m, struct at_names *out, bool *stay);
    /* Told of every event before it goes to `hold`. */
    enum at_err (*note)(void *ctx, const struct at_event *ev);
    void *ctx;
    bool keep_args;               /* of calls: all arguments, not only those without personal data */
    struct at_taken *check;       /* not NULL: nothing is done, only said what would be */
    const struct at_message *m;   /* set by at_run_message */
    const struct at_scene *scene; /* of the event at hand; likewise */
    const struct at_rule *rule;   /* that applied last */
    enum at_field nonsense;       /* the field for which at_fill_event failed last */
    const struct at_watch *watch; /* may be NULL */
    /* The request that the message answers, where the gate found it already. */
    struct at_pending *answered;
    struct at_lead *lead; /* for at_run_message to work with */
};
/* Mocks, dialect_mock.c: the answers of an API are made up, as a part of the app (may be empty) calls it. */
/* *changed: it was not so before. */
AT_MUST_USE enum at_err at_mock_set(const struct at_run *run, struct at_str part, struct at_str api, bool on,
                                    bool *changed);
AT_MUST_USE enum at_err at_mock_holds(const struct at_run *run, struct at_str part, struct at_str api, bool *out);
AT_MUST_USE enum at_err at_run_message(struct at_run *run, const struct at_message *m, const struct at_doc *doc);

/* ---- Messages whose sender waits to hear what became of them: take.c */

/* Notes why a message is refused, and at which place of it. `s` may be NULL. */
void at_take_refuse(struct at_taken *taken, const struct at_scene *s, const char *reason);
/*
 * Refuses what does not look like the events of authtape-events(5): one, an array of them, or
 * {"authtape":1,"events":[…]}. `only`: nothing else is expected; otherwise what has neither "kind" nor "authtape"
 * passes. Refuses more than `max_events`.
 */
void at_take_look(const struct at_doc *doc, bool only, size_t max_events, struct at_taken *taken);

/* The JSON text that tells the sender what became of its message; `number`: that of the message, 0: it has none. */
AT_MUST_USE enum at_err at_taken_json(struct at_buf *out, const struct at_taken *taken, uint64_t number);

/* ---- Messages that need not be looked into: dialect_gate.c */

#define AT_NEEDLES 64u
#define AT_NEEDLE_LENGTHS 16u
struct at_needles { /* what rules want among the members of a message, over all dialects */
    struct at_needle {
        struct at_str text; /* the value; absent: any */
    } list[AT_NEEDLES];
    struct {
        struct at_str name;
        uint64_t mask, any;                  /* of the needles of that name; of those that any value is */
        uint64_t of_size[AT_NEEDLE_LENGTHS]; /* of those that a text of that length may be, modulo so many */
    } names[AT_NEEDLES];
    unsigned n, n_names;
};
struct at_gate { /* which of them a message has; only `doc` is set at first */
    const struct at_doc *doc;
    uint32_t at; /* the member that was not looked at yet; 0: none was */
    uint64_t there;
    bool any; /* the message may have everything */
};
void at_gate_set_up(struct at_needles *needles, struct at_dialect *d);
/* False: nothing of the dialect can apply to the message, by any rule or as an answer. */
/* *answered: the request that the message is known to answer, or NULL. */
bool at_gate_open(const struct at_needles *needles, const struct at_dialect *d, const struct at_message *m,
                  const struct at_pairs *pairs, struct at_gate *gate, struct at_pending **answered);
bool at_rule_concerns(const struct at_rule *r, const struct at_message *m);

#endif
