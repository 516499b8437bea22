/* record.h: events into a tape that is being written. Private to this folder. */
#ifndef AUTHTAPE_RECORD_H
#define AUTHTAPE_RECORD_H

#include "tracer/tracer.h"

/*
 * The tape of a recording. Live: written straight under its name, so that what was flushed is there whatever happens
 * to the recorder. Else: a temporary file that takes its name when the recording is complete.
 */
struct at_taping;
struct at_taping_options {
    bool live;
    bool keep;             /* a file that is there already is put aside, as by rotation, not overwritten */
    uint64_t rotate_bytes; /* live: a new tape when this one has so many bytes, and */
    uint32_t rotate_s;     /* when it is so old; 0: never. A tape without events goes on */
    bool sync_frames;      /* live: fdatasync behind every write; else */
    uint32_t sync_s;       /* behind what was written so many seconds ago; 0: only at the end */
    bool any_times;        /* events come with clocks of their own: a frame may span any time */
};
AT_MUST_USE enum at_err at_taping_open(const char *path, const struct at_taping_options *options,
                                       struct at_taping **out, struct at_why *why);
/* Where at_taping_open put what was there before; NULL: nothing was. */
const char *at_taping_put_aside(const struct at_taping *t);
/* Adds an event; `ctx` is the at_taping. AT_CLOSED: the reader of standard output went away. */
enum at_err at_taping_event(void *ctx, const struct at_event *ev);
/* Flushes what has waited for a second, and rotates when it is time. `now_us` is a monotonic clock. */
AT_MUST_USE enum at_err at_taping_tick(struct at_taping *t, int64_t now_us);
/* Writes all that was added; `sync`: it is to survive a power cut, too. */
AT_MUST_USE enum at_err at_taping_flush(struct at_taping *t, bool sync);
/* Ends the tape and goes on with a new one under the same name; the old one gets the time in its name, unless it was
 * moved away already. */
AT_MUST_USE enum at_err at_taping_rotate(struct at_taping *t);
/* Ends the tape. */
AT_MUST_USE enum at_err at_taping_finish(struct at_taping *t);
const struct at_why *at_taping_why(const struct at_taping *t); /* of the last failure */
uint64_t at_taping_bytes(const struct at_taping *t);
/* Without at_taping_finish: a temporary file is removed. */
void at_taping_close(struct at_taping **t);

#endif
