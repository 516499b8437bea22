/* dialect_seen.c: an event that is reported twice on a stream by the same dialect counts once. */
#include <stdlib.h>

#include "tracer/dialect.h"

#define SLOTS (size_t)32768        /* a power of two; a newer report takes the slot of an older one */
#define SOON_US (int64_t)1000000   /* reports without an id or a time of their own */
#define LATER_US (int64_t)10000000 /* reports with an id, but without a time of their own */

struct at_seen {
    struct {
        uint64_t content;
        int64_t t_us;
    } slots[SLOTS];
    struct at_sequences *sequences;
};

enum at_err at_seen_new(struct at_seen **out)
{
    *out = calloc(1, sizeof **out);
    enum at_err err = *out ? at_sequences_new(&(*out)->sequences) : AT_NOMEM;
    if (err)
        at_seen_free(out);
    return err;
}

void at_seen_free(struct at_seen **s)
{
    if (*s)
        at_sequences_free(&(*s)->sequences);
    free(*s);
    *s = NULL;
}

static uint64_t mix(uint64_t h, struct at_str s)
{
    return at_hash(s.ptr, s.len, h);
}

static uint64_t scope_of(const struct at_event *ev)
{
    return ev->n_scopes ? mix(1, ev->scopes[0]) : 0;
}

static uint64_t content_of(uint64_t dialect, const struct at_event *ev, bool own_time)
{
    const int64_t numbers[] = {(int64_t)dialect,
                               ev->kind,
                               ev->err_no,
                               ev->answer,
                               ev->granted,
                               ev->fresh,
                               own_time ? ev->t_us : 0,
                               (int64_t)(ev->has & ~(uint32_t)AT_HAS_PACKET)};
    uint64_t h = at_hash(numbers, sizeof numbers, 7);
    h = mix(mix(mix(h, ev->app), ev->user), ev->stream);
    h = mix(mix(mix(h, ev->call), ev->api), ev->err_msg);
    for (size_t i = 0; i < ev->n_scopes; i++)
        h = mix(h, ev->scopes[i]);
    for (size_t i = 0; i < ev->n_settings; i++)
        h = mix(h + ev->settings[i].granted, ev->settings[i].scope);
    return mix(h, ev->extra);
}

/* Without an id and a time, only the report just before, of the same scope, can be the same event. */
static bool same_as_last(struct at_last_reports *last, uint64_t scope, uint64_t content, int64_t now_us)
{
    size_t i = 0;
    while (i < last->n && last->list[i].scope != scope)
        i++;
    if (i < last->n && last->list[i].content == content && now_us - last->list[i].t_us <= SOON_US)
        return true;
    if (scope == 0)
        i = last->n = 0; /* what has no scope comes between all scopes */
    if (i == last->n)
        i = last->n < AT_LAST_REPORTS ? last->n++ : last->next++ % AT_LAST_REPORTS;
    last->list[i].scope = scope;
    last->list[i].content = content;
    last->list[i].t_us = now_us;
    return false;
}

void at_seen_other(struct at_last_reports *last, const struct at_event *ev)
{
    uint64_t scope = scope_of(ev);
    if (ev->kind == AT_KIND_CALL)
        return; /* calls are made at any time, also between a report and its repeat */
    for (size_t i = 0; i < last->n; i++)
        if (scope == 0 || last->list[i].scope == scope || last->list[i].scope == 0)
            last->list[i].content = 0;
}

bool at_seen_again(struct at_seen *s, struct at_last_reports *last, uint64_t dialect, const struct at_event *ev,
                   bool own_time, int64_t now_us)
{
    uint64_t number;
    if (at_sequence_number(ev, &number)) {
        at_seen_other(last, ev);
        return at_sequence_again(s->sequences, dialect, ev, number);
    }
    uint64_t content = content_of(dialect, ev, own_time);
    size_t slot = content & (SLOTS - 1);
    if (own_time || ev->call.ptr) {
        bool again = s->slots[slot].content == content && (own_time || now_us - s->slots[slot].t_us <= LATER_US);
        s->slots[slot].content = content;
        s->slots[slot].t_us = now_us;
        if (again)
            return true;
    }
    bool again = same_as_last(last, scope_of(ev), content, now_us);
    return again && !own_time && !ev->call.ptr;
}
