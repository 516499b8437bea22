/* record.c: events into a tape that is being written: flushes, rotation. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tracer/record.h"

#define FLUSH_US (int64_t)1000000
#define FLUSH_PIPE_US (int64_t)200000 /* somebody reads along: `record -w - | replay -` tells within a second */
#define WRITE_BYTES ((size_t)64 * 1024)
#define FILE_FRAME_EVENTS 4096u /* nobody waits for a frame of a file: fewer are packed in less time, and smaller */

struct at_taping {
    char *path;
    char *aside;         /* where the file went that was there before */
    bool live, in_place; /* in_place: standard output, a pipe or a device */
    bool any_times;
    struct at_output *output; /* not live */
    int fd;                   /* live */
    struct at_tape_encoder *encoder;
    struct at_buf bytes;
    uint64_t written, before; /* bytes in all, and of them on the tapes before this one */
    uint64_t rotate_bytes;
    int64_t rotate_us, flush_us;
    bool sync_frames;
    int64_t sync_us;
    int64_t unsynced_since_us;        /* INT64_MIN: all that was written is on the disk, or nobody asked for it */
    int64_t begun_us;                 /* INT64_MIN: nothing is on it yet */
    int64_t now_us, waiting_since_us; /* INT64_MIN: nothing waits */
    struct at_why why;
};

static enum at_err open_live(struct at_taping *t)
{
    struct stat st;
    t->fd = strcmp(t->path, "-") ? open(t->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : STDOUT_FILENO;
    if (t->fd < 0 || fstat(t->fd, &st))
        return at_fail(&t->why, AT_IO, "cannot write: %s", strerror(errno));
    t->in_place = t->fd == STDOUT_FILENO || !S_ISREG(st.st_mode);
    t->flush_us = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) ? FLUSH_PIPE_US : FLUSH_US;
    return AT_OK;
}

static enum at_err begin(struct at_taping *t)
{
    const struct at_tape_options options = {.frame_events = t->live ? 0 : FILE_FRAME_EVENTS,
                                            .frame_us = t->any_times ? UINT32_MAX : 0,
                                            .segment_us = t->any_times ? UINT32_MAX : 0};
    enum at_err err = t->live ? open_live(t) : at_output_open(t->path, &t->output, &t->why);
    if (err)
        return err;
    err = at_tape_encoder_new(&options, &t->encoder);
    return err ? at_fail(&t->why, err, "%s", at_err_text(err)) : AT_OK;
}

static enum at_err put_aside(struct at_taping *t, char **name);

/* What acknowledged events are on is not overwritten by the next run. */
static enum at_err keep_old(struct at_taping *t)
{
    struct stat st;
    if (!strcmp(t->path, "-") || stat(t->path, &st) || !S_ISREG(st.st_mode) || st.st_size == 0)
        return AT_OK;
    enum at_err err = put_aside(t, &t->aside);
    return err || !unlink(t->path) ? err : at_fail(&t->why, AT_IO, "cannot rename: %s", strerror(errno));
}

enum at_err at_taping_open(const char *path, const struct at_taping_options *options, struct at_taping **out,
                           struct at_why *why)
{
    struct at_taping *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    t->live = options->live;
    t->any_times = options->any_times;
    t->rotate_bytes = options->rotate_bytes;
    t->rotate_us = (int64_t)options->rotate_s * 1000000;
    t->sync_frames = options->sync_frames;
    t->sync_us = (int64_t)options->sync_s * 1000000;
    t->fd = -1;
    t->waiting_since_us = t->begun_us = t->unsynced_since_us = INT64_MIN;
    t->path = strdup(path);
    enum at_err err = t->path ? AT_OK : at_fail(&t->why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    if (!err && options->keep)
        err = keep_old(t);
    if (!err)
        err = begin(t);
    if (err) {
        *why = t->why;
        at_taping_close(&t);
    }
    *out = t;
    return err;
}

static enum at_err write_fd(struct at_taping *t, const char *p, size_t len)
{
    while (len > 0) {
        ssize_t n = write(t->fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return at_fail(&t->why, AT_CLOSED, "%s", at_err_text(AT_CLOSED));
        if (n < 0)
            return at_fail(&t->why, AT_IO, "cannot write: %s", strerror(errno));
        p += n;
        len -= (size_t)n;
    }
    return AT_OK;
}

/* What was written is to survive a power cut. */
static enum at_err sync_tape(struct at_taping *t)
{
    t->unsynced_since_us = INT64_MIN;
    if (t->in_place || !fdatasync(t->fd))
        return AT_OK;
    return at_fail(&t->why, AT_IO, "cannot sync: %s", strerror(errno));
}

static enum at_err write_out(struct at_taping *t)
{
    size_t n = t->bytes.len;
    if (n == 0)
        return AT_OK;
    enum at_err err = t->live ? write_fd(t, t->bytes.ptr, n) : at_output_write(t->output, t->bytes.ptr, n, &t->why);
    t->bytes.len = 0;
    t->written += n;
    if (err || !t->live)
        return err;
    if (t->sync_frames)
        return sync_tape(t);
    if (t->sync_us && t->unsynced_since_us == INT64_MIN)
        t->unsynced_since_us = t->now_us;
    return AT_OK;
}

enum at_err at_taping_event(void *ctx, const struct at_event *ev)
{
    struct at_taping *t = ctx;
    enum at_err err = at_tape_encode_checked(t->encoder, ev, &t->bytes); /* the tracer looked at it */
    if (err)
        return at_fail(&t->why, err, "%s", at_err_text(err));
    if (t->begun_us == INT64_MIN)
        t->begun_us = t->now_us;
    if (at_tape_encoder_waiting(t->encoder) == 0)
        t->waiting_since_us = INT64_MIN;
    else if (t->waiting_since_us == INT64_MIN)
        t->waiting_since_us = t->now_us;
    return t->bytes.len >= (t->live ? 1 : WRITE_BYTES) ? write_out(t) : AT_OK;
}

/* What waits to be written counts little: it has a second at most. */
static bool is_full(const struct at_taping *t)
{
    if (!t->live || t->in_place || t->begun_us == INT64_MIN)
        return false;
    return (t->rotate_bytes && t->written - t->before >= t->rotate_bytes) ||
           (t->rotate_us && t->now_us - t->begun_us >= t->rotate_us);
}

enum at_err at_taping_tick(struct at_taping *t, int64_t now_us)
{
    t->now_us = now_us;
    if (is_full(t))
        return at_taping_rotate(t);
    enum at_err err = AT_OK;
    if (t->live && t->waiting_since_us != INT64_MIN && now_us - t->waiting_since_us >= t->flush_us)
        err = at_taping_flush(t, false);
    if (!err && t->unsynced_since_us != INT64_MIN && now_us - t->unsynced_since_us >= t->sync_us)
        err = sync_tape(t);
    return err;
}

enum at_err at_taping_flush(struct at_taping *t, bool sync)
{
    t->waiting_since_us = INT64_MIN;
    enum at_err err = at_tape_encode_flush(t->encoder, &t->bytes);
    err = err ? at_fail(&t->why, err, "%s", at_err_text(err)) : write_out(t);
    return !err && sync ? sync_tape(t) : err;
}

static enum at_err end_tape(struct at_taping *t)
{
    enum at_err err = at_tape_encode_finish(t->encoder, &t->bytes);
    if (err)
        at_fail(&t->why, err, "%s", at_err_text(err));
    else
        err = write_out(t);
    at_tape_encoder_free(&t->encoder);
    t->waiting_since_us = INT64_MIN;
    return err;
}

/* "a.tape" -> "a-20261122T081500Z.tape", with a number where that is taken. */
static enum at_err put_aside(struct at_taping *t, char **aside)
{
    size_t stem = strlen(t->path), room = stem + 64;
    const char *suffix = stem > 5 && !strcmp(t->path + stem - 5, ".tape") ? ".tape" : "";
    char *name = malloc(room), stamp[32];
    struct tm tm;
    time_t now = time(NULL);
    if (!name)
        return at_fail(&t->why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
    int failed = -1;
    for (int i = 0; i < 1000 && failed; i++) {
        snprintf(name, room, i ? "%.*s-%s-%d%s" : "%.*s-%s%.0d%s", (int)(stem - strlen(suffix)), t->path, stamp, i,
                 suffix);
        failed = link(t->path, name);
        if (failed && errno != EEXIST)
            break;
    }
    if (aside && !failed)
        *aside = name;
    else
        free(name);
    return failed ? at_fail(&t->why, AT_IO, "cannot rename: %s", strerror(errno)) : AT_OK;
}

enum at_err at_taping_rotate(struct at_taping *t)
{
    struct stat ours, there;
    if (!t->live || t->in_place)
        return at_taping_flush(t, false);
    enum at_err err = end_tape(t);
    if (!err && fsync(t->fd)) /* what is on it may have been acknowledged */
        err = at_fail(&t->why, AT_IO, "cannot sync: %s", strerror(errno));
    if (err)
        return err;
    if (!fstat(t->fd, &ours) && !stat(t->path, &there) && ours.st_ino == there.st_ino && ours.st_dev == there.st_dev) {
        err = put_aside(t, NULL);
        if (!err && unlink(t->path))
            err = at_fail(&t->why, AT_IO, "cannot rename: %s", strerror(errno));
    }
    close(t->fd);
    t->fd = -1;
    t->before = t->written;
    t->unsynced_since_us = INT64_MIN;
    t->begun_us = INT64_MIN;
    return err ? err : begin(t);
}

enum at_err at_taping_finish(struct at_taping *t)
{
    enum at_err err = end_tape(t);
    if (err)
        return err;
    if (!t->live)
        return at_output_commit(t->output, &t->why);
    if (!t->in_place && fsync(t->fd))
        return at_fail(&t->why, AT_IO, "cannot sync: %s", strerror(errno));
    return AT_OK;
}

const char *at_taping_put_aside(const struct at_taping *t)
{
    return t->aside;
}

const struct at_why *at_taping_why(const struct at_taping *t)
{
    return &t->why;
}

uint64_t at_taping_bytes(const struct at_taping *t)
{
    return t->written;
}

void at_taping_close(struct at_taping **taping)
{
    struct at_taping *t = *taping;
    if (!t)
        return;
    at_tape_encoder_free(&t->encoder);
    at_output_close(&t->output);
    if (t->fd > STDERR_FILENO)
        close(t->fd);
    at_buf_free(&t->bytes);
    free(t->path);
    free(t->aside);
    free(t);
    *taping = NULL;
}
