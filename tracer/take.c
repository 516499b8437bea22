/* take.c: what a sender who waits for an answer is told of its message: the reason and the place of a refusal. */
#include <string.h>

#include "tracer/dialect.h"

/* ---- Places as JSON Pointers (RFC 6901) */

/* Adds "/TOKEN"; cut off where the room ends. */
static void add_token(char *place, size_t room, struct at_str token)
{
    size_t n = strlen(place);
    if (n + 1 < room)
        place[n++] = '/';
    for (size_t i = 0; i < token.len && n + 2 < room; i++) {
        char c = token.ptr[i];
        if (c == '~' || c == '/') {
            place[n++] = '~';
            c = c == '~' ? '0' : '1';
        }
        place[n++] = c;
    }
    place[n] = 0;
}

static void write_place(const struct at_doc *doc, uint32_t node, char *place, size_t room)
{
    uint32_t at = 0;
    place[0] = 0;
    while (at < node && strlen(place) + 2 < room) {
        bool object = doc->nodes[at].type == AT_J_OBJECT;
        uint32_t child = at + 1, i = 0;
        struct at_str key = {0};
        for (;; i++) { /* the child that holds the node */
            if (object) {
                key = at_doc_raw(doc, child);
                if (child++ == node)
                    break;
            }
            if (node < doc->nodes[child].next)
                break;
            child = doc->nodes[child].next;
        }
        char number[16];
        if (!object)
            key = (struct at_str){number, (size_t)snprintf(number, sizeof number, "%u", i)};
        else
            key = (struct at_str){key.ptr + 1, key.len - 2}; /* without quotes, its escapes as they are */
        add_token(place, room, key);
        at = child;
    }
}

void at_take_refuse(struct at_taken *taken, const struct at_scene *s, const char *reason)
{
    if (taken->refused)
        return;
    taken->refused = true;
    if (s && s->doc == s->root)
        write_place(s->doc, s->node, taken->place, sizeof taken->place);
    at_fail(&taken->why, AT_BAD, "%s", reason);
}

/* ---- What events look like */

struct look {
    const struct at_doc *doc;
    struct at_taken *taken;
    size_t n, max;
};

static void refuse(struct look *l, uint32_t node, const char *reason)
{
    const struct at_scene s = {.doc = l->doc, .root = l->doc, .node = node};
    at_take_refuse(l->taken, &s, reason);
}

static uint32_t member(const struct at_doc *doc, uint32_t object, const char *name)
{
    struct at_str token = at_str(name);
    const struct at_pointer p = {.tokens = &token, .n = 1};
    return doc->nodes[object].type == AT_J_OBJECT ? at_pointer_find(&p, doc, object) : AT_NO_NODE;
}

static void look_at_event(struct look *l, uint32_t node)
{
    const struct at_doc *doc = l->doc;
    if (doc->nodes[node].type != AT_J_OBJECT) {
        refuse(l, node, "an event is an object");
        return;
    }
    uint32_t kind = member(doc, node, "kind");
    if (kind == AT_NO_NODE) {
        refuse(l, node, "\"kind\" is missing");
        return;
    }
    struct at_str raw = at_doc_raw(doc, kind);
    if (doc->nodes[kind].type != AT_J_STRING || !at_kind_find((struct at_str){raw.ptr + 1, raw.len - 2})) {
        refuse(l, kind, "no kind of event is called so");
        return;
    }
    if (++l->n > l->max && !l->taken->refused) {
        refuse(l, node, "too many events in one message");
        l->taken->too_many = true;
    }
}

/* {"authtape":1,"events":[…]} */
static void look_at_batch(struct look *l, uint32_t node)
{
    const struct at_doc *doc = l->doc;
    uint32_t version = member(doc, node, "authtape"), events = member(doc, node, "events");
    if (!at_str_eq(at_doc_raw(doc, version), AT_STR("1"))) {
        refuse(l, version, "only version 1 is known");
        return;
    }
    if (events == AT_NO_NODE || doc->nodes[events].type != AT_J_ARRAY) {
        refuse(l, events == AT_NO_NODE ? node : events, "\"events\" has to be an array");
        return;
    }
    for (uint32_t i = events + 1; i < doc->nodes[events].next && !l->taken->refused; i = doc->nodes[i].next)
        look_at_event(l, i);
}

static void look_at_one(struct look *l, uint32_t node)
{
    if (member(l->doc, node, "authtape") != AT_NO_NODE)
        look_at_batch(l, node);
    else
        look_at_event(l, node);
}

void at_take_look(const struct at_doc *doc, bool only, size_t max_events, struct at_taken *taken)
{
    struct look l = {.doc = doc, .taken = taken, .max = max_events};
    uint32_t id = member(doc, 0, "id");
    bool ours = only || member(doc, 0, "authtape") != AT_NO_NODE || member(doc, 0, "kind") != AT_NO_NODE;
    if (!ours)
        return;
    if (id != AT_NO_NODE && member(doc, 0, "authtape") != AT_NO_NODE && memchr("\"0", doc->nodes[id].type, 2)) {
        struct at_str raw = at_doc_raw(doc, id);
        if (raw.len < sizeof taken->id)
            memcpy(taken->id, raw.ptr, raw.len); /* the rest is 0 */
    }
    if (doc->nodes[0].type != AT_J_ARRAY) {
        look_at_one(&l, 0);
        return;
    }
    for (uint32_t i = 1; i < doc->nodes[0].next && !taken->refused; i = doc->nodes[i].next)
        look_at_one(&l, i);
}

/* ---- In words */

enum at_err at_taken_json(struct at_buf *out, const struct at_taken *taken, uint64_t number)
{
    const char *word = taken->refused ? "refused" : "ack";
    enum at_err err = at_buf_printf(out, "{\"authtape\":1");
    if (!err && taken->id[0])
        err = at_buf_printf(out, ",\"%s\":%s", word, taken->id);
    else if (!err && number)
        err = at_buf_printf(out, ",\"%s\":%llu", word, (unsigned long long)number);
    if (!err && !taken->refused)
        err = at_buf_printf(out, ",\"events\":%zu,\"doubles\":%zu", taken->events, taken->repeats);
    if (!err && taken->left_out)
        err = at_buf_printf(out, ",\"left_out\":%zu", taken->left_out);
    if (!err && taken->refused)
        err = at_buf_printf(out, ",\"error\":");
    if (!err && taken->refused)
        err = at_json_quote(out, at_str(taken->why.text));
    if (!err && taken->refused && taken->place[0]) {
        err = at_buf_printf(out, ",\"place\":");
        if (!err)
            err = at_json_quote(out, at_str(taken->place));
    }
    return err ? err : at_buf_add(out, "}", 1);
}
