/* feed.c: recordings through the checker, for what was not on the wire, and into the sums. */
#include "analysis/feed.h"

static enum at_err on_settled(void *ctx, const struct at_settled *s)
{
    struct sums *sums = ctx;
    enum at_err err = tally_settled(sums->tally, s);
    return err || !sums->story ? err : story_settled(sums->story, s);
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct sums *sums = ctx;
    enum at_err err = tally_inferred(sums->tally, i);
    return err || !sums->story ? err : story_inferred(sums->story, i);
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct sums *sums = ctx;
    return sums->story ? story_divergence(sums->story, d) : AT_OK;
}

/* Whether the story wants to see events of the kind. */
static bool is_told(enum at_kind kind)
{
    return kind == AT_KIND_PROMPT || kind == AT_KIND_DECISION || kind == AT_KIND_SETTINGS || kind == AT_KIND_RESET;
}

static void whole_event(void *ctx, size_t i, struct at_event *ev)
{
    at_reader_batch_event(ctx, i, ev);
}

static enum at_err pour(struct sums *t, struct at_checker *checker, struct at_reader *reader,
                        const struct at_tape_batch *b, uint64_t first)
{
    const struct at_whole_events whole = {reader, whole_event};
    struct at_tape_batch own = *b;
    enum at_err err = t->shard.of > 1 ? own_events(&t->own, t->shard, b, &own) : AT_OK;
    if (!err)
        err = tally_batch(t->tally, &own, first);
    if (!err)
        err = at_checker_batch(checker, b, first, &whole);
    for (size_t i = 0; t->story && i < b->n && !err; i++) {
        struct at_event ev;
        if (!is_told(b->shapes[b->shape[i]].kind))
            continue;
        at_reader_batch_event(reader, i, &ev);
        err = story_event(t->story, &ev);
    }
    return err;
}

enum at_err feed(const char *const *paths, size_t n_paths, const struct at_profile *profile, struct sums *t,
                 struct at_why *why)
{
    const struct at_reader_options select = {.shard = t->shard, .others = true};
    const struct at_check_options check = {.shard = t->shard};
    const struct at_check_sink sink = {
        .ctx = t, .divergence = on_divergence, .settled = on_settled, .inferred = on_inferred};
    struct at_checker *checker = NULL;
    struct at_reader *reader = NULL;
    struct at_tape_batch batch;
    uint64_t first = 0;
    enum at_err err = at_reader_open(paths, n_paths, &select, &reader, why);
    if (err)
        return err;
    err = at_checker_new(profile, &check, &sink, &checker);
    enum at_err read_err = AT_OK;
    while (!err && !(read_err = at_reader_next_batch(reader, &batch, &first, why)))
        err = pour(t, checker, reader, &batch, first);
    if (!err && read_err == AT_END)
        err = at_checker_finish(checker);
    if (!err && read_err == AT_END)
        err = tally_finish(t->tally);
    if (err)
        at_fail(why, err, "%s", at_err_text(err));
    at_checker_free(&checker);
    own_events_free(&t->own);
    at_reader_reading(reader, &t->reading);
    at_cli_warn_damage(reader);
    at_reader_close(&reader);
    return err ? err : read_err == AT_END ? AT_OK : read_err;
}
