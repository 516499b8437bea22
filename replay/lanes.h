/*
 * lanes.h: events on keys that are held as columns (columns.h). Private to replay.
 *
 * A key is *folded* while it is at rest: a column a scope instead of branches. An event that finds it so is looked up;
 * one that this cannot do (a divergence, a hidden change to be told, a gap, more branches than lanes, …) unfolds the
 * key, is done on its branches, and folds it again. Both ways lead to the same: the columns' operations are those of
 * the branches, and nothing of a key is changed here before it is certain that the event can be done so.
 */
#ifndef AUTHTAPE_REPLAY_LANES_H
#define AUTHTAPE_REPLAY_LANES_H

#include "replay/columns.h"

/* What all events of a shape mean, looked up once. */
struct meaning {
    enum at_kind kind;
    struct at_str api;   /* call: interned */
    uint16_t api_number; /* word_number */
    struct at_str named; /* return: the API that errMsg names */
    const char *same_as; /* return: the interned API that `named` was found to fit last */
    uint64_t scopes;     /* call */
    enum at_api_kind api_kind;
    enum at_class cls; /* return */
    uint32_t scope;    /* prompt, decision, settings: NO_SCOPE where none is named */
    uint8_t outcomes;  /* return: that fit it */
    uint8_t value;     /* decision: the answer; settings: the state; start: what it observes */
    bool fresh;        /* start */
    bool names_call;   /* prompt */
    bool quick;        /* most likely: a call of at most one scope; an answer that lists nothing */
    bool has_call, has_packet;
    struct at_str err_msg; /* return; valid as long as the shape */
    bool lists;            /* return: it has an authSetting */
    bool unknown, told;    /* it names unknown scopes; and they were told */
};
#define NO_SCOPE UINT32_MAX

/* An event as the checker takes it. */
struct happening {
    struct meaning *meaning;
    struct at_place at;
    struct at_str call, platform;
    uint64_t call_hash;
    const struct at_event *ev; /* whole; NULL: see whole_event */
    const struct at_whole_events *whole;
    struct at_event *room;
    size_t i; /* its number, as `whole` has it */
};

static inline const struct at_event *whole_event(struct happening *h)
{
    if (!h->ev) {
        h->whole->get(h->whole->ctx, h->i, h->room);
        h->ev = h->room;
    }
    return h->ev;
}

AT_MUST_USE enum at_err meaning_of(struct at_checker *c, const struct at_event *ev, struct meaning *out);

/* Whether a call that reads the settings, made now, needs no slots as long as the key is calm: see `waits`. */
bool key_lets_wait(const struct at_checker *c, const struct key *k, const struct call *call);
/* Whether nothing is left to be done before the next event of a key, if no quiet window lies before it. */
bool key_is_calm(struct at_checker *c, struct key *k);
/* One call reads the settings, and scope `s` moved: whether reading them now leads to nothing that is not there. */
bool key_sees_nothing_new(struct at_checker *c, struct key *k, size_t s);
/* A call more or less (`by` 1 or -1) of those that read the settings, if it is one. */
static inline void key_count_call(struct key *k, const struct call *call, int by)
{
    k->n_reading = (uint8_t)(k->n_reading + (reads_settings(call) ? by : 0));
    k->n_pages = (uint8_t)(k->n_pages + (call->kind == AT_API_OPEN_SETTING ? by : 0));
}
/* Does an event on a calm key, of those that most are. False: nothing was changed, it takes more. */
bool quick_event(struct at_checker *c, struct key *k, struct stream *st, struct happening *h, enum at_err *err);
/* Does an event on a folded key. False: nothing was changed, it has to be done on branches. */
bool lanes_event(struct at_checker *c, struct key *k, struct stream *st, struct happening *h, enum at_err *err);
/* Folds a key if it can be. */
void key_fold(struct at_checker *c, struct key *k);
/* Unfolds it, if it is folded. */
AT_MUST_USE enum at_err key_unfold(struct at_checker *c, struct key *k);
#endif
