/* feed.c: recordings through the checker, for what was not on the wire, and into the sums. */
#include "analysis/feed.h"

#include <stdlib.h>
#include <sys/stat.h>

#define BATCH_MAX 4096 /* events that a reader gives at a time at most */

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

struct recording {
    const char *const *paths;
    size_t n_paths;
    const struct at_profile *profile;
    bool warned; /* of damage */
};

/* Whether to go on after what was poured, in a way of reading that may not work out. */
typedef enum at_err pourer(struct sums *t, struct at_checker *checker, struct at_reader *reader,
                           const struct at_tape_batch *b, uint64_t first, bool *go_on);

static enum at_err tell_story(struct story *story, struct at_reader *reader, const struct at_tape_batch *b)
{
    enum at_err err = AT_OK;
    for (size_t i = 0; i < b->n && !err; i++) {
        struct at_event ev;
        if (!is_told(b->shapes[b->shape[i]].kind))
            continue;
        at_reader_batch_event(reader, i, &ev);
        err = story_event(story, &ev);
    }
    return err;
}

/* The events, and at once what the checker says of them. */
static enum at_err pour_all(struct sums *t, struct at_checker *checker, struct at_reader *reader,
                            const struct at_tape_batch *b, uint64_t first, bool *go_on)
{
    const struct at_whole_events whole = {reader, whole_event};
    struct at_tape_batch own = *b;
    enum at_err err = t->shard.of > 1 ? own_events(&t->own, t->shard, b, &own) : AT_OK;
    *go_on = true;
    if (!err)
        err = tally_batch(t->tally, &own, first);
    if (!err)
        err = at_checker_batch(checker, b, first, &whole);
    return err || !t->story ? err : tell_story(t->story, reader, b);
}

#define ODD_FEW 4096 /* events, which are odd without saying that most will be */

/* The events without the checker; no further when most of them would have to be shown to it. */
static enum at_err pour_plain(struct sums *t, struct at_checker *checker, struct at_reader *reader,
                              const struct at_tape_batch *b, uint64_t first, bool *go_on)
{
    enum at_err err = tally_batch(t->tally, b, first);
    uint64_t odd = tally_odd(t->tally);
    (void)checker;
    (void)reader;
    *go_on = !tally_gives_up(t->tally) && (odd < ODD_FEW || odd < first / 2);
    return err;
}

/* Those of odd keys, to the checker. */
static enum at_err pour_odd(struct sums *t, struct at_checker *checker, struct at_reader *reader,
                            const struct at_tape_batch *b, uint64_t first, bool *go_on)
{
    const struct at_whole_events whole = {reader, whole_event};
    uint32_t order[BATCH_MAX];
    enum at_err err = AT_OK;
    *go_on = b->n <= BATCH_MAX;
    if (!*go_on)
        return AT_OK;
    size_t n = 0;
    err = tally_pick(t->tally, b, order, &n);
    return err || !n ? err : at_checker_some(checker, b, first, &whole, order, n);
}

/* Reads all of it; *whole false: pouring did not go on. Damage is told once. */
static enum at_err read_all(struct recording *r, struct sums *t, pourer *pour, bool *whole, struct at_why *why)
{
    const struct at_reader_options select = {
        .shard = t->shard, .others = true, .no_packets = !t->story && !t->shard.of};
    const struct at_check_options check = {.shard = t->shard};
    const struct at_check_sink sink = {
        .ctx = t, .divergence = on_divergence, .settled = on_settled, .inferred = on_inferred};
    struct at_checker *checker = NULL;
    struct at_reader *reader = NULL;
    struct at_tape_batch batch;
    uint64_t first = 0;
    *whole = true;
    enum at_err err = at_reader_open(r->paths, r->n_paths, &select, &reader, why);
    if (err)
        return err;
    err = at_checker_new(r->profile, &check, &sink, &checker);
    enum at_err read_err = AT_OK;
    while (!err && *whole && !(read_err = at_reader_next_batch(reader, &batch, &first, why)))
        err = pour(t, checker, reader, &batch, first, whole);
    if (!err && read_err == AT_END)
        err = at_checker_finish(checker);
    if (!err)
        err = tally_let_go(t->tally); /* before the reader goes */
    if (err)
        at_fail(why, err, "%s", at_err_text(err));
    at_checker_free(&checker);
    own_events_free(&t->own);
    at_reader_reading(reader, &t->reading);
    if (!r->warned && (err || *whole)) {
        at_cli_warn_damage(reader);
        r->warned = true;
    }
    at_reader_close(&reader);
    return err || read_err == AT_END ? err : read_err;
}

/* What tells one state of a file from another. */
struct file_state {
    off_t size;
    struct timespec changed;
};

/* False: it cannot be read twice. */
static bool look_at(const struct recording *r, struct file_state *marks)
{
    struct stat st;
    for (size_t i = 0; i < r->n_paths; i++) {
        if (stat(r->paths[i], &st) || !S_ISREG(st.st_mode))
            return false;
        marks[i] = (struct file_state){.size = st.st_size, .changed = st.st_mtim};
    }
    return true;
}

static bool is_same(const struct recording *r, const struct file_state *before)
{
    struct file_state *now = calloc(r->n_paths, sizeof *now);
    bool same = now && look_at(r, now);
    for (size_t i = 0; same && i < r->n_paths; i++)
        same = now[i].size == before[i].size && now[i].changed.tv_sec == before[i].changed.tv_sec &&
               now[i].changed.tv_nsec == before[i].changed.tv_nsec;
    free(now);
    return same;
}

/* First without the checker, then with it what needs it. *done false: the tally has to be filled in the other way. */
static enum at_err feed_twice(struct recording *r, const struct file_state *marks, struct sums *t, bool *done,
                              struct at_why *why)
{
    tally_ask_late(t->tally);
    enum at_err err = read_all(r, t, pour_plain, done, why);
    if (err || !*done || tally_all_plain(t->tally))
        return err;
    err = read_all(r, t, pour_odd, done, why);
    *done = *done && is_same(r, marks) && !tally_gives_up(t->tally);
    return err;
}

enum at_err feed(const char *const *paths, size_t n_paths, const struct at_profile *profile, struct sums *t,
                 struct at_why *why)
{
    struct recording r = {.paths = paths, .n_paths = n_paths, .profile = profile};
    struct file_state *marks = calloc(n_paths, sizeof *marks);
    bool done = false;
    enum at_err err = marks ? AT_OK : at_fail(why, AT_NOMEM, "out of memory");
    if (!err && !t->story && t->shard.of <= 1 && look_at(&r, marks)) {
        err = feed_twice(&r, marks, t, &done, why);
        if (!err && !done && tally_clear(&t->tally))
            err = at_fail(why, AT_NOMEM, "out of memory");
    }
    if (!err && !done)
        err = read_all(&r, t, pour_all, &done, why);
    free(marks);
    if (!err && tally_finish(t->tally))
        err = at_fail(why, AT_NOMEM, "out of memory");
    return err;
}
