/* own.c: the events of one share of the users, out of a batch of all. */
#include "analysis/own.h"

#include <stdlib.h>

static enum at_err reserve(struct own_events *o, size_t n)
{
    if (n <= o->cap)
        return AT_OK;
    void **columns[] = {(void **)&o->t_us,   (void **)&o->source,   (void **)&o->shape, (void **)&o->place,
                        (void **)&o->packet, (void **)&o->call_ref, (void **)&o->call,  (void **)&o->listing};
    const size_t sizes[] = {sizeof *o->t_us,   sizeof *o->source,   sizeof *o->shape, sizeof *o->place,
                            sizeof *o->packet, sizeof *o->call_ref, sizeof *o->call,  sizeof *o->listing};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *grown = realloc(*columns[i], n * sizes[i]);
        if (!grown)
            return AT_NOMEM;
        *columns[i] = grown;
    }
    o->cap = n;
    return AT_OK;
}

enum at_err own_events(struct own_events *o, struct at_shard shard, const struct at_tape_batch *b,
                       struct at_tape_batch *out)
{
    enum at_err err = reserve(o, b->n);
    size_t n = 0;
    if (err)
        return err;
    for (size_t i = 0; i < b->n; i++) {
        const struct at_tape_source *s = &b->sources[b->source[i]];
        if (!at_shard_has(shard, at_key_hash(s->app, s->user)))
            continue;
        o->t_us[n] = b->t_us[i];
        o->source[n] = b->source[i];
        o->shape[n] = b->shape[i];
        o->packet[n] = b->packet[i];
        o->call[n] = b->call[i];
        o->call_ref[n] = b->call_ref[i];
        o->listing[n] = b->listing[i];
        o->place[n++] = b->place ? b->place[i] : (uint32_t)i;
    }
    *out = *b;
    out->n = n;
    out->t_us = o->t_us;
    out->source = o->source;
    out->shape = o->shape;
    out->packet = o->packet;
    out->call = o->call;
    out->call_ref = o->call_ref;
    out->listing = o->listing;
    out->place = o->place;
    return AT_OK;
}

void own_events_free(struct own_events *o)
{
    free(o->t_us);
    free(o->source);
    free(o->shape);
    free(o->place);
    free(o->packet);
    free(o->call_ref);
    free(o->call);
    free(o->listing);
    *o = (struct own_events){0};
}
