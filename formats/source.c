/* source.c: one recording being read, whatever its form. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/batcher.h"
#include "formats/event.h"
#include "formats/source.h"
#include "formats/tape_seek.h"

#define READ_BYTES (size_t)(64 * 1024)

struct at_source {
    char *name;
    int fd;
    bool ended;                     /* no more bytes come */
    bool seekable;                  /* a file, from its start */
    bool waits;                     /* a pipe, a terminal: reading may take its time */
    uint64_t line;                  /* NDJSON: number of the last line, from 1 */
    struct at_buf in;               /* NDJSON: bytes read and not used */
    size_t used, scanned;           /* of `in`: lines given; bytes behind them known to hold no line end */
    struct at_event_parser *parser; /* NDJSON */
    struct at_batcher *batcher;     /* NDJSON */
    enum at_err failed;             /* NDJSON: what ends it, once the lines before are given */
    struct at_why failed_why;
    struct at_tape_decoder *tape; /* or a tape */
    struct tape_index *index;     /* of the tape; NULL: not looked for, or not there */
    bool selecting;               /* only some segments are read */
    struct at_reader_options select;
    size_t segment;                  /* the next one to look at */
    uint64_t events_before, skipped; /* of the segments before it; not asked for yet */
    uint64_t run_left;               /* bytes of the chosen segments not read yet */
};

static enum at_err fill(struct at_source *s, struct at_why *why)
{
    if (s->used) {
        at_buf_drop(&s->in, s->used);
        s->used = 0;
    }
    enum at_err err = at_buf_reserve(&s->in, READ_BYTES);
    if (err)
        return at_fail(why, err, "%s", at_err_text(err));
    ssize_t n;
    do
        n = read(s->fd, s->in.ptr + s->in.len, READ_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return at_fail(why, AT_IO, "cannot read: %s", strerror(errno));
    s->ended = n == 0;
    s->in.len += (size_t)n;
    return AT_OK;
}

/* What is neither a tape nor text is named for what it is. */
static enum at_err check_kind(struct at_str begin, struct at_why *why)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *words;
    } kinds[] = {
#define CAPTURE "a packet capture: 'authtape record -r FILE' makes a tape of it"
        {"\xd4\xc3\xb2\xa1", 4, CAPTURE},
        {"\xa1\xb2\xc3\xd4", 4, CAPTURE},
        {"\x4d\x3c\xb2\xa1", 4, CAPTURE},
        {"\xa1\xb2\x3c\x4d", 4, CAPTURE},
        {"\x0a\x0d\x0d\x0a", 4, CAPTURE},
#undef CAPTURE
        {"\x1f\x8b", 2, "compressed with gzip: unpack it first"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (begin.len >= kinds[i].len && !memcmp(begin.ptr, kinds[i].magic, kinds[i].len))
            return at_fail(why, AT_BAD, "%s", kinds[i].words);
    const unsigned char first = begin.len ? (unsigned char)begin.ptr[0] : ' ';
    bool text = (first >= ' ' && first < 0x7f) || first == '\t' || first == '\n' || first == '\r' || first == 0;
    if (!text && memchr(begin.ptr, 0, begin.len < 512 ? begin.len : 512))
        return at_fail(why, AT_BAD, "neither a tape nor NDJSON");
    return AT_OK;
}

void at_source_no_packets(struct at_source *s)
{
    if (s->tape)
        at_tape_decoder_no_packets(s->tape);
}

enum at_err at_source_open(const char *path, enum at_recovery recovery, struct at_source **out, struct at_why *why)
{
    struct at_source *s = calloc(1, sizeof *s);
    enum at_err err = AT_OK;
    *out = NULL;
    if (!s)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    bool standard = !strcmp(path, "-");
    s->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        err = at_fail(why, AT_IO, "cannot open: %s", strerror(errno));
    s->name = strdup(standard ? "standard input" : path);
    if (!err && !s->name)
        err = at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    struct stat st;
    s->waits = !err && !fstat(s->fd, &st) && !S_ISREG(st.st_mode);
    s->seekable = !standard && !s->waits;
    if (!err)
        err = fill(s, why);
    bool tape = !err && s->in.len && (uint8_t)s->in.ptr[0] == (uint8_t)TAPE_MAGIC[0];
    if (!err && !tape)
        err = check_kind(at_buf_view(&s->in), why);
    if (!err) {
        err = tape ? at_tape_decoder_new(recovery, &s->tape) : at_event_parser_new(&s->parser);
        if (!err && s->parser)
            err = at_batcher_new(&s->batcher);
        if (err)
            at_fail(why, err, "%s", at_err_text(err));
    }
    if (err)
        at_source_close(&s);
    *out = s;
    return err;
}

/* The next line without its end; AT_END. */
static enum at_err next_line(struct at_source *s, struct at_str *line, struct at_why *why)
{
    for (;;) {
        char *from = s->in.ptr + s->used;
        size_t len = s->in.len - s->used;
        char *end = len > s->scanned ? memchr(from + s->scanned, '\n', len - s->scanned) : NULL;
        if (end || (s->ended && len > 0)) {
            *line = (struct at_str){from, end ? (size_t)(end - from) : len};
            s->used += line->len + (end != NULL);
            s->scanned = 0;
            s->line++;
            return AT_OK;
        }
        if (s->ended)
            return AT_END;
        s->scanned = len;
        if (len > AT_LINE_MAX_BYTES)
            return at_fail(why, AT_BAD, "line %llu: longer than %u bytes", (unsigned long long)s->line + 1,
                           AT_LINE_MAX_BYTES);
        enum at_err err = fill(s, why);
        if (err)
            return err;
    }
}

static bool is_blank(struct at_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!memchr(" \t\r", s.ptr[i], 3)) /* a NUL is not blank */
            return false;
    return true;
}

/* Goes to the next segments that may hold something; ends the source where there are none. */
static enum at_err choose(struct at_source *s, struct at_why *why)
{
    const struct tape_index *x = s->index;
    size_t i = s->segment;
    for (; i < x->n_segments && !at_tape_index_may_match(x, &x->segments[i], &s->select); i++) {
        s->events_before += x->segments[i].events;
        s->skipped += x->segments[i].events;
    }
    s->segment = i;
    if (i == x->n_segments) {
        s->ended = true;
        return AT_OK;
    }
    if (lseek(s->fd, (off_t)x->segments[i].offset, SEEK_SET) < 0)
        return at_fail(why, AT_IO, "cannot seek: %s", strerror(errno));
    at_tape_jump(s->tape, &x->segments[i], s->events_before);
    do {
        s->run_left += x->segments[s->segment].bytes;
        s->events_before += x->segments[s->segment].events;
        s->segment++;
    } while (s->segment < x->n_segments && at_tape_index_may_match(x, &x->segments[s->segment], &s->select));
    return AT_OK;
}

enum at_err at_source_feed(struct at_source *s, struct at_why *why)
{
    enum at_err err = AT_OK;
    if (s->selecting && s->run_left == 0 && !s->ended)
        err = choose(s, why);
    if (!err && s->in.len == 0 && !s->ended)
        err = fill(s, why);
    if (err)
        return err;
    size_t len = s->in.len;
    if (s->selecting) {
        len = len < s->run_left ? len : (size_t)s->run_left;
        s->run_left -= len;
    }
    err = at_tape_feed(s->tape, s->in.ptr, len);
    if (err)
        return at_fail(why, err, "%s", at_err_text(err));
    s->in.len = 0;
    if (s->ended)
        at_tape_feed_end(s->tape);
    return AT_OK;
}

struct at_tape_decoder *at_source_decoder(struct at_source *s)
{
    return s->tape;
}

enum at_err at_source_index(struct at_source *s, const struct tape_index **out, struct at_why *why)
{
    *out = NULL;
    if (!s->seekable || !s->tape)
        return AT_OK;
    if (!s->index) {
        enum at_err err = at_tape_find_index(s->fd, &s->index);
        if (err && err != AT_NOTFOUND && err != AT_NEWER)
            return at_fail(why, err, "cannot read: %s", err == AT_IO ? strerror(errno) : at_err_text(err));
    }
    *out = s->index;
    return AT_OK;
}

enum at_err at_source_select(struct at_source *s, const struct at_reader_options *o, struct at_why *why)
{
    const struct tape_index *x = NULL;
    struct at_event ev;
    if (o->scope.ptr) /* what belongs to a scope is known only from what came before */
        return AT_OK;
    if (!o->has_from && !o->has_to && !o->app.ptr && !o->user.ptr)
        return AT_OK;
    enum at_err err = at_source_index(s, &x, why);
    if (err || !x || !x->n_segments || s->in.len < TAPE_FILE_HEADER_BYTES)
        return err;
    /* The file header, which was read with the first bytes. */
    err = at_tape_feed(s->tape, s->in.ptr, TAPE_FILE_HEADER_BYTES);
    if (!err)
        err = at_tape_next(s->tape, &ev, why);
    if (err != AT_AGAIN)
        return err;
    s->in.len = 0;
    s->select = *o;
    s->selecting = true;
    return AT_OK;
}

enum at_err at_source_size(const struct at_source *s, uint64_t *bytes, struct at_why *why)
{
    struct stat st;
    if (fstat(s->fd, &st))
        return at_fail(why, AT_IO, "cannot read: %s", strerror(errno));
    *bytes = (uint64_t)st.st_size;
    return AT_OK;
}

uint64_t at_source_skipped(struct at_source *s)
{
    uint64_t n = s->skipped;
    s->skipped = 0;
    return n;
}

static enum at_err next_of_tape(struct at_source *s, struct at_tape_batch *out, struct at_why *why)
{
    enum at_err err;
    while ((err = at_tape_next_batch(s->tape, out, why)) == AT_AGAIN) {
        err = at_source_feed(s, why);
        if (err)
            return err;
    }
    return err;
}

/* The next event of a line. */
static enum at_err next_of_lines(struct at_source *s, struct at_event *ev, struct at_why *why)
{
    struct at_str line;
    struct at_why reason = {""};
    enum at_err err;
    do
        err = next_line(s, &line, why);
    while (!err && is_blank(line));
    if (err)
        return err;
    err = at_event_parse(s->parser, line, ev, &reason);
    return err ? at_fail(why, err, "line %llu: %s", (unsigned long long)s->line, reason.text) : AT_OK;
}

static bool has_line(const struct at_source *s)
{
    size_t from = s->used + s->scanned;
    return s->ended || memchr(s->in.ptr + from, '\n', s->in.len - from);
}

static enum at_err batch_lines(struct at_source *s, struct at_tape_batch *out, struct at_why *why)
{
    struct at_event ev;
    at_batcher_begin(s->batcher);
    do {
        if (!s->failed)
            s->failed = next_of_lines(s, &ev, &s->failed_why);
        if (!s->failed && (s->failed = at_batcher_add(s->batcher, &ev)))
            at_fail(&s->failed_why, s->failed, "%s", at_err_text(s->failed));
    } while (!s->failed && !at_batcher_is_full(s->batcher) && (!s->waits || has_line(s)));
    at_batcher_view(s->batcher, out);
    if (out->n || !s->failed)
        return AT_OK;
    if (why && s->failed != AT_END)
        *why = s->failed_why;
    return s->failed;
}

enum at_err at_source_next_batch(struct at_source *s, struct at_tape_batch *out, struct at_why *why)
{
    return s->tape ? next_of_tape(s, out, why) : batch_lines(s, out, why);
}

void at_source_event(struct at_source *s, size_t i, struct at_event *ev)
{
    if (s->tape)
        at_tape_batch_event(s->tape, i, ev);
    else
        at_batcher_get(s->batcher, i, ev);
}

const char *at_source_name(const struct at_source *s)
{
    return s->name;
}

bool at_source_would_wait(const struct at_source *s)
{
    return s->waits && !(s->tape ? s->ended || at_tape_has_next(s->tape) : s->failed || has_line(s));
}

void at_source_damage(const struct at_source *s, struct at_tape_damage *out)
{
    *out = (struct at_tape_damage){0};
    if (s->tape)
        at_tape_decoder_damage(s->tape, out);
}

void at_source_stats(const struct at_source *s, struct at_tape_stats *out)
{
    *out = (struct at_tape_stats){0};
    if (s->tape)
        at_tape_decoder_stats(s->tape, out);
}

bool at_source_is_tape(const struct at_source *s)
{
    return s->tape != NULL;
}

void at_source_close(struct at_source **source)
{
    struct at_source *s = *source;
    if (!s)
        return;
    if (s->fd > STDIN_FILENO)
        close(s->fd);
    at_tape_index_free(&s->index);
    at_tape_decoder_free(&s->tape);
    at_batcher_free(&s->batcher);
    at_event_parser_free(&s->parser);
    at_buf_free(&s->in);
    free(s->name);
    free(s);
    *source = NULL;
}
