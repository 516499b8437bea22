/* library.c: libauthtape, the stable face of formats and replay for other programs. */
#include <stdlib.h>
#include <string.h>

#pragma GCC visibility push(default) /* all else in the shared library is hidden */
#include "library/authtape.h"
#pragma GCC visibility pop
#include "replay/replay.h"

#define WRITE_BYTES (size_t)(64 * 1024)

struct authtape_event {
    struct at_event ev;
};

static int code(enum at_err err)
{
    switch (err) {
    case AT_OK:
        return AUTHTAPE_OK;
    case AT_END:
        return AUTHTAPE_END;
    case AT_NOMEM:
        return AUTHTAPE_NOMEM;
    case AT_IO:
    case AT_CLOSED:
        return AUTHTAPE_IO;
    case AT_STOP:
        return AUTHTAPE_MISUSE;
    case AT_AGAIN:
    case AT_BAD:
    case AT_DAMAGED:
    case AT_NEWER:
    case AT_LIMIT:
    case AT_NOTFOUND:
        break;
    }
    return AUTHTAPE_BAD;
}

/* The words of a failure that came without any. */
static enum at_err plain(struct at_why *why, enum at_err err)
{
    return err ? at_fail(why, err, "%s", at_err_text(err)) : AT_OK;
}

static struct authtape_text text(struct at_str s)
{
    return (struct authtape_text){s.ptr, s.len};
}

const char *authtape_version(void)
{
    return AT_VERSION;
}

/* ---- Events */

int64_t authtape_event_time(const struct authtape_event *ev)
{
    return ev->ev.t_us;
}

struct authtape_text authtape_event_field(const struct authtape_event *event, const char *name)
{
    const struct at_event *ev = &event->ev;
    const struct {
        const char *name;
        struct at_str value;
    } fields[] = {{"kind", at_str(at_kind_text(ev->kind))},
                  {"app", ev->app},
                  {"user", ev->user},
                  {"stream", ev->stream},
                  {"platform", ev->has & AT_HAS_PLATFORM ? ev->platform : at_str(NULL)},
                  {"call", ev->has & AT_HAS_CALL ? ev->call : at_str(NULL)},
                  {"api", ev->api},
                  {"errMsg", ev->err_msg}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!strcmp(name, fields[i].name))
            return text(fields[i].value);
    return (struct authtape_text){NULL, 0};
}

/* ---- Reading */

struct authtape_reader {
    struct at_reader *reader;
    struct authtape_event event;
    struct at_buf line;
    bool has_event;
    struct at_why why;
};

int authtape_reader_open(const char *const *paths, size_t n, struct authtape_reader **out)
{
    *out = calloc(1, sizeof **out);
    return *out ? code(at_reader_open(paths, n, NULL, &(*out)->reader, &(*out)->why)) : AUTHTAPE_NOMEM;
}

int authtape_reader_next(struct authtape_reader *r, const struct authtape_event **out)
{
    *out = NULL;
    r->has_event = false;
    if (!r->reader)
        return AUTHTAPE_MISUSE;
    enum at_err err = at_reader_next(r->reader, &r->event.ev, NULL, &r->why);
    r->has_event = !err;
    *out = err ? NULL : &r->event;
    return code(err);
}

int authtape_reader_json(struct authtape_reader *r, struct authtape_text *out)
{
    if (!r->has_event)
        return code(at_fail(&r->why, AT_STOP, "no event was given"));
    r->line.len = 0;
    enum at_err err = plain(&r->why, at_event_to_json(&r->event.ev, &r->line));
    *out = (struct authtape_text){r->line.ptr, err ? 0 : r->line.len - 1};
    return code(err);
}

const char *authtape_reader_why(const struct authtape_reader *r)
{
    return r->why.text;
}

void authtape_reader_close(struct authtape_reader **reader)
{
    struct authtape_reader *r = *reader;
    if (!r)
        return;
    at_reader_close(&r->reader);
    at_buf_free(&r->line);
    free(r);
    *reader = NULL;
}

/* ---- Writing */

struct authtape_writer {
    struct at_output *output;
    struct at_tape_encoder *encoder;
    struct at_event_parser *parser;
    struct at_buf bytes;
    bool over; /* finished, or failed: what comes now would not be on the tape */
    struct at_why why;
};

static int end(struct authtape_writer *w, enum at_err err)
{
    w->over = w->over || err;
    return code(err);
}

static enum at_err flush(struct authtape_writer *w)
{
    enum at_err err = at_output_write(w->output, w->bytes.ptr, w->bytes.len, &w->why);
    w->bytes.len = 0;
    return err;
}

int authtape_writer_open(const char *path, struct authtape_writer **out)
{
    const struct at_tape_options archive = {.archive = true};
    struct authtape_writer *w = *out = calloc(1, sizeof *w);
    if (!w)
        return AUTHTAPE_NOMEM;
    enum at_err err = plain(&w->why, at_tape_encoder_new(&archive, &w->encoder));
    if (!err)
        err = plain(&w->why, at_event_parser_new(&w->parser));
    if (!err)
        err = at_output_open(path, &w->output, &w->why);
    return end(w, err);
}

int authtape_writer_add(struct authtape_writer *w, const struct authtape_event *ev)
{
    if (w->over)
        return AUTHTAPE_MISUSE;
    enum at_err err = at_event_check(&ev->ev, &w->why);
    if (err)
        return code(err); /* nothing was written of it: the next may be better */
    err = plain(&w->why, at_tape_encode(w->encoder, &ev->ev, &w->bytes));
    if (!err && w->bytes.len >= WRITE_BYTES)
        err = flush(w);
    return end(w, err);
}

int authtape_writer_add_json(struct authtape_writer *w, const char *line, size_t len)
{
    struct authtape_event event;
    if (w->over)
        return AUTHTAPE_MISUSE;
    enum at_err err = at_event_parse(w->parser, (struct at_str){line, len}, &event.ev, &w->why);
    return err ? code(err) : authtape_writer_add(w, &event);
}

int authtape_writer_finish(struct authtape_writer *w)
{
    if (w->over)
        return AUTHTAPE_MISUSE;
    enum at_err err = plain(&w->why, at_tape_encode_finish(w->encoder, &w->bytes));
    if (!err)
        err = flush(w);
    if (!err)
        err = at_output_commit(w->output, &w->why);
    w->over = true;
    return code(err);
}

const char *authtape_writer_why(const struct authtape_writer *w)
{
    return w->why.text;
}

void authtape_writer_close(struct authtape_writer **writer)
{
    struct authtape_writer *w = *writer;
    if (!w)
        return;
    at_output_close(&w->output);
    at_tape_encoder_free(&w->encoder);
    at_event_parser_free(&w->parser);
    at_buf_free(&w->bytes);
    free(w);
    *writer = NULL;
}

/* ---- Checking */

struct authtape_checker {
    struct at_profile *profile;
    struct at_checker *checker;
    authtape_divergence_fn *fn;
    void *ctx;
    uint64_t events;
    bool over;
    struct at_why why;
};

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct authtape_checker *c = ctx;
    const struct authtape_divergence told = {.cls = at_divergence_text(d->cls),
                                             .rule = d->rule,
                                             .event = d->at.event,
                                             .time = d->at.t_us,
                                             .app = text(d->app),
                                             .user = text(d->user),
                                             .scope = text(d->scope),
                                             .api = text(d->api),
                                             .call = text(d->call),
                                             .expected = d->expected,
                                             .observed = d->observed,
                                             .explanation = d->explanation};
    return c->fn && c->fn(c->ctx, &told) ? at_fail(&c->why, AT_STOP, "stopped on request") : AT_OK;
}

int authtape_checker_open(const char *profile, authtape_divergence_fn *fn, void *ctx, struct authtape_checker **out)
{
    struct authtape_checker *c = *out = calloc(1, sizeof *c);
    const struct at_check_options options = {0};
    const struct at_check_sink sink = {.ctx = c, .divergence = on_divergence};
    if (!c)
        return AUTHTAPE_NOMEM;
    c->fn = fn;
    c->ctx = ctx;
    enum at_err err = at_profile_load(profile ? profile : AT_DEFAULT_PROFILE, &c->profile, &c->why);
    if (!err)
        err = plain(&c->why, at_checker_new(c->profile, &options, &sink, &c->checker));
    c->over = err;
    return code(err);
}

static int checked(struct authtape_checker *c, enum at_err err)
{
    c->over = c->over || err;
    if (err && !c->why.text[0])
        (void)!plain(&c->why, err);
    return code(err);
}

int authtape_checker_event(struct authtape_checker *c, const struct authtape_event *ev)
{
    return c->over ? AUTHTAPE_MISUSE : checked(c, at_checker_event(c->checker, &ev->ev, c->events++));
}

int authtape_checker_finish(struct authtape_checker *c, uint64_t *divergences, uint64_t *inconclusive)
{
    struct at_check_totals totals;
    if (c->over)
        return AUTHTAPE_MISUSE;
    enum at_err err = at_checker_finish(c->checker);
    at_checker_totals(c->checker, &totals);
    if (divergences)
        *divergences = totals.divergences;
    if (inconclusive)
        *inconclusive = totals.inconclusive;
    c->over = true;
    return checked(c, err);
}

const char *authtape_checker_why(const struct authtape_checker *c)
{
    return c->why.text;
}

void authtape_checker_close(struct authtape_checker **checker)
{
    struct authtape_checker *c = *checker;
    if (!c)
        return;
    at_checker_free(&c->checker);
    at_profile_free(&c->profile);
    free(c);
    *checker = NULL;
}
