/* tape_scan.c: what a tape holds, counted by reading it. */
#include "formats/tape_scan.h"

/* What of the segment at hand was told to the indexer. */
struct scan {
    struct tape_indexer *indexer;
    uint64_t segment;
    size_t n_sources, n_shapes;
    struct tape_frame frame; /* stands for all frames of the segment */
};

static enum at_err end_segment(struct scan *s)
{
    if (s->frame.events)
        at_indexer_frame(s->indexer, &s->frame, 0, 0);
    s->frame = (struct tape_frame){0};
    s->n_sources = s->n_shapes = 0;
    return at_indexer_segment(s->indexer);
}

static enum at_err count_batch(struct scan *s, struct at_tape_decoder *d, const struct at_tape_batch *b)
{
    enum at_err err = AT_OK;
    struct at_event ev;
    for (; s->n_sources < b->n_sources && !err; s->n_sources++)
        err = at_indexer_source(s->indexer, b->sources[s->n_sources].app, b->sources[s->n_sources].user);
    for (; s->n_shapes < b->n_shapes && !err; s->n_shapes++)
        err = at_indexer_shape(s->indexer, &b->shapes[s->n_shapes]);
    for (size_t i = 0; i < b->n && !err; i++) {
        struct tape_frame *f = &s->frame;
        at_indexer_event(s->indexer, b->shape[i]);
        f->earliest_us = !f->events || b->t_us[i] < f->earliest_us ? b->t_us[i] : f->earliest_us;
        f->latest_us = !f->events || b->t_us[i] > f->latest_us ? b->t_us[i] : f->latest_us;
        f->events++;
        if (!(b->shapes[b->shape[i]].has & AT_HAS_AUTH_SETTING))
            continue;
        at_tape_batch_event(d, i, &ev);
        for (size_t j = 0; j < ev.n_settings && !err; j++)
            err = at_indexer_scope(s->indexer, ev.settings[j].scope);
    }
    return err;
}

enum at_err at_tape_scan(struct at_source *source, struct tape_index **out, struct at_why *why)
{
    struct scan s = {0};
    struct at_tape_batch b;
    struct at_tape_decoder *d = at_source_decoder(source);
    *out = NULL;
    enum at_err err = at_indexer_new(SIZE_MAX, &s.indexer);
    while (!err) {
        err = at_tape_next_batch(d, &b, why);
        if (err == AT_AGAIN) {
            err = at_source_feed(source, why);
            continue;
        }
        if (!err && b.segment != s.segment) {
            err = end_segment(&s);
            s.segment = b.segment;
        }
        if (!err)
            err = count_batch(&s, d, &b);
    }
    if (err == AT_END)
        err = end_segment(&s);
    if (!err)
        err = at_indexer_take(s.indexer, out);
    if (err)
        at_tape_index_free(out);
    if (err == AT_NOMEM)
        at_fail(why, err, "%s", at_err_text(err));
    at_indexer_free(&s.indexer);
    return err;
}
