/*
 * bench_report: what `authtape report denials --by scope,platform,day` spends its time on: reading, counting, checking.
 * usage: bench_report PROFILE TAPE [LAST]    LAST: 0 reading only, 1 and counting, 2 and checking
 */
#include <stdlib.h>
#include <time.h>

#include "analysis/tally.h"

enum { READ, COUNT, CHECK, STEPS };

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static enum at_err settled(void *ctx, const struct at_settled *s)
{
    return tally_settled(ctx, s);
}

static enum at_err inferred(void *ctx, const struct at_inferred *i)
{
    return tally_inferred(ctx, i);
}

static void whole_event(void *ctx, size_t i, struct at_event *ev)
{
    at_reader_batch_event(ctx, i, ev);
}

/* Reads the tape and does as much as `steps` says; CPU seconds, or below 0. */
static double run(const struct at_profile *profile, const char *path, int steps, uint64_t *events)
{
    static const unsigned dims = 1u << DIM_SCOPE | 1u << DIM_PLATFORM | 1u << DIM_DAY;
    const struct at_reader_options options = {0};
    const struct at_check_options check = {0};
    struct at_check_sink sink = {.settled = settled, .inferred = inferred};
    struct at_reader *reader = NULL;
    struct at_checker *checker = NULL;
    struct tally *tally = NULL;
    struct at_tape_batch b;
    struct at_why why;
    uint64_t first = 0;
    double begin = cpu_seconds();
    *events = 0;
    enum at_err err = tally_new(profile, &dims, 1, &tally);
    sink.ctx = tally;
    if (!err)
        err = at_reader_open(&path, 1, &options, &reader, &why);
    if (!err)
        err = at_checker_new(profile, &check, &sink, &checker);
    while (!err && !(err = at_reader_next_batch(reader, &b, &first, &why))) {
        *events += b.n;
        if (steps >= COUNT)
            err = tally_batch(tally, &b, first);
        const struct at_whole_events whole = {reader, whole_event};
        if (steps >= CHECK && !err)
            err = at_checker_batch(checker, &b, first, &whole);
    }
    if (err == AT_END)
        err = tally_finish(tally);
    at_checker_free(&checker);
    at_reader_close(&reader);
    tally_free(&tally);
    return err ? -1 : cpu_seconds() - begin;
}

int main(int argc, char **argv)
{
    static const char *const names[STEPS] = {"reading", "counting", "checking"};
    struct at_profile *profile = NULL;
    struct at_why why;
    double before = 0;
    int last = argc == 4 ? atoi(argv[3]) : STEPS - 1;
    if (argc < 3 || at_profile_load(argv[1], &profile, &why))
        return 2;
    for (int step = READ; step <= last; step++) {
        double best = 1e9;
        uint64_t events = 0;
        for (int i = 0; i < 3; i++) {
            double s = run(profile, argv[2], step, &events);
            if (s < 0)
                return 2;
            best = s < best ? s : best;
        }
        printf("%-9s %7.1f ns an event\n", names[step], (best - before) * 1e9 / (double)events);
        before = best;
    }
    at_profile_free(&profile);
    return 0;
}
