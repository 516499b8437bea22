/*
 * gen.c: makes histories, each a key of its own, as NDJSON.
 *
 *   gen --events N --scopes N [--unexplained N] [policy options]       all histories of N events after the start
 *   gen --random COUNT --seed N [policy options]                       random histories of up to 14 events
 *   gen --notation <histories.txt                                      one history a line, in the short notation
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gen.h"

#define PART_BLOCK 256 /* histories: neighbours share their beginning */

static const char usage[] =
    "usage: gen --events N --scopes N [--unexplained N] [options]\n"
    "       gen --random COUNT --seed N [options]\n"
    "       gen --notation <histories.txt\n"
    "  --part I/N (of the histories)   --count (print their number only)   --first N (number of the first)\n"
    "  --to COMMAND (gets them on its standard input)   --chunk N (so many at a time)\n" POLICY_USAGE;

FILE *begin_history(struct gen *g)
{
    if (!g->out)
        g->out = g->to ? popen(g->to, "w") : stdout;
    if (!g->out) {
        perror("gen");
        exit(2);
    }
    return g->out;
}

static void end_chunk(struct gen *g)
{
    if (g->to && g->out && pclose(g->out))
        g->failed = true;
    g->out = NULL;
    g->in_chunk = 0;
}

void end_history(struct gen *g)
{
    if (g->to && ++g->in_chunk >= g->chunk)
        end_chunk(g);
}

void write_history(struct gen *g, const struct event *events, size_t n)
{
    uint64_t number = g->made++;
    if (number / PART_BLOCK % g->parts != g->part || g->count_only)
        return;
    for (size_t i = 0; i < n; i++) {
        struct event e = events[i];
        e.t_us = g->clock_us += e.t_us;
        line_write(begin_history(g), &e, g->first_user + number, mix(g->seed + number * 64 + i));
    }
    end_history(g);
}

static int from_notation(struct gen *g)
{
    char *text = NULL;
    size_t cap = 0;
    struct history h;
    while (getline(&text, &cap, stdin) > 0) {
        if (strchr("#[\n", text[0]))
            continue;
        const char *bad = notation_read(text, &h);
        if (bad) {
            fprintf(stderr, "gen: cannot read: %s", bad);
            return 2;
        }
        for (size_t i = h.n; i-- > 1;)
            h.events[i].t_us -= h.events[i - 1].t_us;
        write_history(g, h.events, h.n);
    }
    free(text);
    return 0;
}

static bool number(int argc, char **argv, int *i, const char *name, uint64_t *out)
{
    if (strcmp(argv[*i], name) || *i + 1 >= argc)
        return false;
    *out = strtoull(argv[++*i], NULL, 10);
    return true;
}

int main(int argc, char **argv)
{
    struct gen g = {
        .policy = {.quiet_us = 2000000}, .parts = 1, .scopes = 1, .chunk = 50000, .clock_us = 1700000000000000};
    bool notation = false;
    uint64_t value;
    for (int i = 1; i < argc; i++) {
        if (number(argc, argv, &i, "--events", &value) && value <= 12)
            g.events = (unsigned)value;
        else if (number(argc, argv, &i, "--scopes", &value) && value <= SCOPES)
            g.scopes = (unsigned)value;
        else if (number(argc, argv, &i, "--unexplained", &value))
            g.unexplained = (unsigned)value;
        else if (number(argc, argv, &i, "--random", &g.limit) || number(argc, argv, &i, "--seed", &g.seed) ||
                 number(argc, argv, &i, "--first", &g.first_user) || number(argc, argv, &i, "--chunk", &g.chunk))
            continue;
        else if (!strcmp(argv[i], "--part") && i + 1 < argc &&
                 sscanf(argv[i + 1], "%" SCNu64 "/%" SCNu64, &g.part, &g.parts) == 2 && g.parts)
            i++;
        else if (!strcmp(argv[i], "--to") && i + 1 < argc)
            g.to = argv[++i];
        else if (!strcmp(argv[i], "--count"))
            g.count_only = true;
        else if (!strcmp(argv[i], "--notation"))
            notation = true;
        else if (!policy_option(&g.policy, argc, argv, &i)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    int status = 0;
    if (notation)
        status = from_notation(&g);
    else if (g.limit)
        random_histories(&g);
    else
        enumerate(&g);
    if (g.count_only)
        printf("%" PRIu64 "\n", g.made);
    end_chunk(&g);
    if (g.failed)
        status = 1;
    return fflush(stdout) || ferror(stdout) ? 2 : status;
}
