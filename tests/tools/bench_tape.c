/*
 * bench_tape: how fast the codec reads and writes, from memory to memory, on one core.
 *
 * bench_tape TAPE [SECONDS [NAME]]   prints "NAME VALUE UNIT" lines. CPU time is measured, so that a busy machine tells
 * the same.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "formats/formats.h"

#define FEED_BYTES (size_t)(64 * 1024)

static void die(const char *what)
{
    fprintf(stderr, "bench_tape: %s\n", what);
    exit(2);
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Reads the tape once, by events or by batches. The sum keeps the compiler from leaving anything out. */
static uint64_t read_once(const struct at_buf *tape, bool batches, uint64_t *sum)
{
    struct at_tape_decoder *d = NULL;
    struct at_event ev;
    struct at_tape_batch b;
    uint64_t n = 0;
    size_t fed = 0;
    if (at_tape_decoder_new(AT_RECOVER_STRICT, &d))
        die("out of memory");
    for (;;) {
        enum at_err err = batches ? at_tape_next_batch(d, &b, NULL) : at_tape_next(d, &ev, NULL);
        if (err == AT_AGAIN) {
            size_t more = tape->len - fed < FEED_BYTES ? tape->len - fed : FEED_BYTES;
            if (more == 0)
                at_tape_feed_end(d);
            else if (at_tape_feed(d, tape->ptr + fed, more))
                die("out of memory");
            fed += more;
            continue;
        }
        if (err == AT_END)
            break;
        if (err)
            die("the tape is damaged");
        if (batches) {
            for (size_t i = 0; i < b.n; i++)
                *sum += (uint64_t)b.t_us[i] + b.source[i] + b.shapes[b.shape[i]].kind;
            n += b.n;
        } else {
            *sum += (uint64_t)ev.t_us + ev.stream.len + ev.kind;
            n++;
        }
    }
    at_tape_decoder_free(&d);
    return n;
}

static void bench_read(const struct at_buf *tape, bool batches, double seconds)
{
    uint64_t n = 0, sum = 0;
    double from = cpu_s(), to;
    do {
        n += read_once(tape, batches, &sum);
        to = cpu_s();
    } while (to - from < seconds);
    printf("read_%s %.2f Mevents/s\n", batches ? "batches" : "events", (double)n / (to - from) / 1e6);
    if (sum == 42)
        puts("");
}

/* All events of the tape, in memory. */
static struct at_event **load(const struct at_buf *tape, size_t *n)
{
    struct at_tape_decoder *d = NULL;
    struct at_event ev, **all = NULL;
    size_t cap = 0;
    enum at_err err;
    *n = 0;
    if (at_tape_decoder_new(AT_RECOVER_STRICT, &d) || at_tape_feed(d, tape->ptr, tape->len))
        die("out of memory");
    at_tape_feed_end(d);
    while (!(err = at_tape_next(d, &ev, NULL))) {
        if (*n == cap) {
            cap = cap ? cap * 2 : 4096;
            all = realloc(all, cap * sizeof(struct at_event *));
        }
        if (!all || !(all[(*n)++] = at_event_clone(&ev)))
            die("out of memory");
    }
    if (err != AT_END)
        die("the tape is damaged");
    at_tape_decoder_free(&d);
    return all;
}

static void bench_write(struct at_event **all, size_t n, bool archive, double seconds)
{
    const struct at_tape_options o = {.archive = archive};
    struct at_buf out = {0};
    uint64_t written = 0, bytes = 0;
    double from = cpu_s(), to;
    do {
        struct at_tape_encoder *e = NULL;
        if (at_tape_encoder_new(&o, &e))
            die("out of memory");
        bytes = 0;
        for (size_t i = 0; i < n; i++) {
            if (at_tape_encode(e, all[i], &out))
                die("cannot encode");
            bytes += out.len;
            out.len = 0;
        }
        if (at_tape_encode_finish(e, &out))
            die("cannot encode");
        bytes += out.len;
        out.len = 0;
        at_tape_encoder_free(&e);
        written += n;
        to = cpu_s();
    } while (to - from < seconds);
    const char *name = archive ? "archive" : "live";
    printf("write_%s %.2f Mevents/s\nsize_%s %.3f bytes/event\n", name, (double)written / (to - from) / 1e6, name,
           (double)bytes / (double)n);
    at_buf_free(&out);
}

int main(int argc, char **argv)
{
    struct at_buf tape = {0};
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 1;
    size_t n = 0;
    if (argc < 2 || at_read_file(argv[1], (size_t)1 << 32, &tape, NULL))
        die("usage: bench_tape TAPE [SECONDS]");
    const char *only = argc > 3 ? argv[3] : NULL;
    if (!only || !strcmp(only, "batches"))
        bench_read(&tape, true, seconds);
    if (!only || !strcmp(only, "events"))
        bench_read(&tape, false, seconds);
    struct at_event **all = !only || !strcmp(only, "live") || !strcmp(only, "archive") ? load(&tape, &n) : NULL;
    if (!only || !strcmp(only, "live"))
        bench_write(all, n, false, seconds);
    if (!only || !strcmp(only, "archive"))
        bench_write(all, n, true, seconds);
    for (size_t i = 0; i < n; i++)
        free(all[i]);
    free(all);
    at_buf_free(&tape);
    return 0;
}
