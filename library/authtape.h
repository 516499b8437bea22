/*
 * authtape.h: tapes of authorization traffic, for programs: read them, write them, check them.
 *
 * Link with `pkg-config --cflags --libs libauthtape`. authtape(3) has an example, authtape(7) the model.
 *
 * This interface is stable: what is in it stays, with the same meaning, as long as the library's number (libauthtape.so.0)
 * does; structures only grow at their end, and are only made by the library. Handles are opaque; two of them share
 * nothing, so that each can be used by a thread of its own, one at a time. The library keeps no globals, prints nothing
 * and never ends the process.
 *
 * A function that can fail gives 0 or one of enum authtape_error; authtape_*_why then says in one line what and where.
 * Closing NULL is allowed.
 */
#ifndef AUTHTAPE_H
#define AUTHTAPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum authtape_error {
    AUTHTAPE_OK = 0,
    AUTHTAPE_END = 1,    /* there is no more to read */
    AUTHTAPE_NOMEM = 2,  /* out of memory */
    AUTHTAPE_IO = 3,     /* a file cannot be opened, read or written */
    AUTHTAPE_BAD = 4,    /* malformed or damaged input, or made by a newer version */
    AUTHTAPE_MISUSE = 5, /* not now: the handle is finished, or has failed before */
};

/* The version of the library, "0.1.0". */
const char *authtape_version(void);

/* A text; not NUL-terminated. ptr is NULL where there is none. */
struct authtape_text {
    const char *ptr;
    size_t len;
};

/* ---- Events, authtape-events(5). Valid until the reader or writer that gave it is used again. */

struct authtape_event;
int64_t authtape_event_time(const struct authtape_event *ev); /* microseconds since the Unix epoch, UTC */
/* One field as text: "kind", "app", "user", "stream", "platform", "call", "api", "errMsg"; none where it has none. */
struct authtape_text authtape_event_field(const struct authtape_event *ev, const char *name);

/* ---- Reading tapes and NDJSON, merged by time */

struct authtape_reader;
/* `n` files; "-" is standard input. A handle is there also after a failure, for its why, except when out of memory. */
int authtape_reader_open(const char *const *paths, size_t n, struct authtape_reader **out);
/* The next event, or AUTHTAPE_END. A tape whose writer was killed ends where its last whole frame does. */
int authtape_reader_next(struct authtape_reader *r, const struct authtape_event **out);
/* The event that was given last as one line of NDJSON, without its end. Valid until the reader is used again. */
int authtape_reader_json(struct authtape_reader *r, struct authtape_text *out);
const char *authtape_reader_why(const struct authtape_reader *r);
void authtape_reader_close(struct authtape_reader **r);

/* ---- Writing a tape: it takes its name when it is finished; until then, and when it is not, nothing is there */

struct authtape_writer;
int authtape_writer_open(const char *path, struct authtape_writer **out);
/* An event of a reader, or one line of NDJSON. */
int authtape_writer_add(struct authtape_writer *w, const struct authtape_event *ev);
int authtape_writer_add_json(struct authtape_writer *w, const char *line, size_t len);
int authtape_writer_finish(struct authtape_writer *w); /* the tape is complete, and on the disk */
const char *authtape_writer_why(const struct authtape_writer *w);
void authtape_writer_close(struct authtape_writer **w);

/* ---- Checking against the reference machine */

/* What no correct host would have answered; authtape-replay(1) has the classes. Valid during the call. */
struct authtape_divergence {
    const char *cls, *rule; /* "unexpected-success", "R6" */
    uint64_t event;         /* how many events were given before the one that it is about */
    int64_t time;           /* its time, in microseconds */
    struct authtape_text app, user, scope, api, call;
    const char *expected, *observed, *explanation;
};
/* Another value than 0 stops the check, which then fails with AUTHTAPE_MISUSE. */
typedef int authtape_divergence_fn(void *ctx, const struct authtape_divergence *d);

struct authtape_checker;
/* `profile`: a built-in name or a file, NULL: wechat-minigame-2018. */
int authtape_checker_open(const char *profile, authtape_divergence_fn *fn, void *ctx, struct authtape_checker **out);
int authtape_checker_event(struct authtape_checker *c, const struct authtape_event *ev);
/* There are no more: what can only be said now. `inconclusive` (may be NULL): users who could not be followed. */
int authtape_checker_finish(struct authtape_checker *c, uint64_t *divergences, uint64_t *inconclusive);
const char *authtape_checker_why(const struct authtape_checker *c);
void authtape_checker_close(struct authtape_checker **c);

#ifdef __cplusplus
}
#endif

#endif
