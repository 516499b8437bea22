/* api.c: every function of authtape.h, used well and badly.   api TAPE FOLDER */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library/authtape.h"

static unsigned long told;

static int count(void *ctx, const struct authtape_divergence *d)
{
    (void)ctx;
    assert(d->cls && d->rule && d->expected && d->user.ptr);
    told++;
    return 0;
}

static int stop(void *ctx, const struct authtape_divergence *d)
{
    (void)ctx, (void)d;
    return 1;
}

static void check_reader(const char *tape)
{
    const struct authtape_event *ev;
    struct authtape_reader *r = NULL;
    struct authtape_text line;
    const char *none = "/nonexistent.tape";
    assert(authtape_reader_open(&none, 1, &r) == AUTHTAPE_IO && strstr(authtape_reader_why(r), "nonexistent"));
    assert(authtape_reader_next(r, &ev) == AUTHTAPE_MISUSE && !ev);
    authtape_reader_close(&r);
    authtape_reader_close(&r);
    assert(!authtape_reader_open(&tape, 1, &r));
    assert(authtape_reader_json(r, &line) == AUTHTAPE_MISUSE);
    assert(!authtape_reader_next(r, &ev) && authtape_event_time(ev) > 0);
    assert(authtape_event_field(ev, "kind").len == 5 && !memcmp(authtape_event_field(ev, "kind").ptr, "start", 5));
    assert(!authtape_event_field(ev, "nonsense").ptr && !authtape_event_field(ev, "call").ptr);
    assert(!authtape_reader_json(r, &line) && line.ptr[0] == '{' && line.ptr[line.len - 1] == '}');
    authtape_reader_close(&r);
}

static void check_writer(const char *folder)
{
    static const char good[] = "{\"t\":1,\"kind\":\"end\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\"}", bad[] = "{\"t\":1}";
    char path[4000];
    struct authtape_writer *w = NULL;
    snprintf(path, sizeof path, "%s/none/x.tape", folder);
    assert(authtape_writer_open(path, &w) == AUTHTAPE_IO && authtape_writer_why(w)[0]);
    assert(authtape_writer_add_json(w, good, sizeof good - 1) == AUTHTAPE_MISUSE);
    authtape_writer_close(&w);
    snprintf(path, sizeof path, "%s/written.tape", folder);
    assert(!authtape_writer_open(path, &w));
    assert(authtape_writer_add_json(w, bad, sizeof bad - 1) == AUTHTAPE_BAD && authtape_writer_why(w)[0]);
    assert(!authtape_writer_add_json(w, good, sizeof good - 1)); /* a bad line is no end */
    authtape_writer_close(&w);
    FILE *f = fopen(path, "r");
    assert(!f); /* not finished: not there */
    assert(!authtape_writer_open(path, &w));
    assert(!authtape_writer_add_json(w, good, sizeof good - 1) && !authtape_writer_finish(w));
    assert(authtape_writer_finish(w) == AUTHTAPE_MISUSE);
    authtape_writer_close(&w);
    f = fopen(path, "r");
    assert(f && !fclose(f));
}

static int check_all(const char *tape, authtape_divergence_fn *fn)
{
    const struct authtape_event *ev;
    struct authtape_reader *r = NULL;
    struct authtape_checker *c = NULL;
    uint64_t divergences = 0;
    int err = AUTHTAPE_OK;
    assert(!authtape_reader_open(&tape, 1, &r) && !authtape_checker_open(NULL, fn, NULL, &c));
    while (!err && !authtape_reader_next(r, &ev))
        err = authtape_checker_event(c, ev);
    if (!err)
        err = authtape_checker_finish(c, &divergences, NULL);
    assert(err || divergences == told);
    assert(authtape_checker_finish(c, NULL, NULL) == AUTHTAPE_MISUSE);
    authtape_checker_close(&c);
    authtape_reader_close(&r);
    return err;
}

int main(int argc, char **argv)
{
    struct authtape_checker *c = NULL;
    assert(argc == 3 && authtape_version()[0]);
    check_reader(argv[1]);
    check_writer(argv[2]);
    assert(!check_all(argv[1], count) && told > 0);
    assert(check_all(argv[1], stop) == AUTHTAPE_MISUSE);
    assert(authtape_checker_open("nonsense", count, NULL, &c) && strstr(authtape_checker_why(c), "nonsense"));
    authtape_checker_close(&c);
    return 0;
}
