/*
 * bench_report: what `authtape report denials --by scope,platform,day` spends its time on: reading the tape, and
 * counting. usage: bench_report PROFILE TAPE
 */
#include <stdlib.h>
#include <time.h>

#include "analysis/tally.h"

enum { READ, COUNT, STEPS };

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a run saw. */
struct seen {
    uint64_t events, odd;
};

/* Reads the tape and does as much as `steps` says; CPU seconds, or below 0. */
static double run(const struct at_profile *profile, const char *path, int steps, struct seen *seen)
{
    static const unsigned dims = 1u << DIM_SCOPE | 1u << DIM_PLATFORM | 1u << DIM_DAY;
    const struct at_reader_options options = {.no_packets = true};
    struct at_reader *reader = NULL;
    struct tally *tally = NULL;
    struct at_tape_batch b;
    struct at_why why;
    uint64_t first = 0;
    double begin = cpu_seconds();
    *seen = (struct seen){0};
    enum at_err err = tally_new(profile, &dims, 1, &tally);
    if (!err) {
        tally_leave_out(tally, true, true);
        tally_ask_late(tally);
        err = at_reader_open(&path, 1, &options, &reader, &why);
    }
    while (!err && !(err = at_reader_next_batch(reader, &b, &first, &why))) {
        seen->events += b.n;
        if (steps >= COUNT)
            err = tally_batch(tally, &b, first);
    }
    if (err == AT_END) {
        seen->odd = tally_odd(tally);
        err = tally_let_go(tally);
        if (!err)
            err = tally_finish(tally);
    }
    at_reader_close(&reader);
    tally_free(&tally);
    return err ? -1 : cpu_seconds() - begin;
}

int main(int argc, char **argv)
{
    static const char *const names[STEPS] = {"reading", "counting"};
    struct at_profile *profile = NULL;
    struct at_why why;
    struct seen seen = {0};
    double before = 0;
    if (argc != 3 || at_profile_load(argv[1], &profile, &why))
        return 2;
    for (int step = READ; step < STEPS; step++) {
        double best = 1e9;
        for (int i = 0; i < 3; i++) {
            double s = run(profile, argv[2], step, &seen);
            if (s < 0)
                return 2;
            best = s < best ? s : best;
        }
        printf("%-9s %7.1f ns an event\n", names[step], (best - before) * 1e9 / (double)seen.events);
        before = best;
    }
    printf("%llu of %llu events came to users of whom the checker has to be asked\n", (unsigned long long)seen.odd,
           (unsigned long long)seen.events);
    at_profile_free(&profile);
    return 0;
}
