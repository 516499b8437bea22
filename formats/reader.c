/* reader.c: any number of recordings as one sequence, merged by time, filtered. */
#include <stdlib.h>
#include <string.h>

#include "formats/filter.h"
#include "formats/source.h"

/* A source and the event of it that is not given yet. */
struct head {
    struct at_source *source;
    struct at_event event;
    size_t order; /* among the arguments: breaks ties */
};

struct at_reader {
    struct head *heads; /* a binary heap by time and order: the earliest is heads[0] */
    size_t n_heads;
    bool advance;   /* heads[0] was given and has to be replaced before the next */
    uint64_t index; /* of the next event */
    struct at_filter *filter;
    struct at_tape_damage damage; /* of the sources that are closed */
};

static bool earlier(const struct head *a, const struct head *b)
{
    if (a->event.t_us != b->event.t_us)
        return a->event.t_us < b->event.t_us;
    return a->order < b->order;
}

/* Lets heads[i] sink to where it belongs. */
static void sink(struct at_reader *r, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < r->n_heads && earlier(&r->heads[left], &r->heads[least]))
            least = left;
        if (right < r->n_heads && earlier(&r->heads[right], &r->heads[least]))
            least = right;
        if (least == i)
            return;
        struct head swap = r->heads[i];
        r->heads[i] = r->heads[least];
        r->heads[least] = swap;
        i = least;
    }
}

/* Adds what was lost in one source; the words get its name. */
static void add_damage(struct at_tape_damage *sum, const struct at_source *source)
{
    struct at_tape_damage damage;
    const struct at_tape_damage *d = &damage;
    at_source_damage(source, &damage);
    if (d->places && !sum->places) {
        sum->first_offset = d->first_offset;
        snprintf(sum->first, sizeof sum->first, "%.200s: %.190s", at_source_name(source), d->first);
    }
    sum->places += d->places;
    sum->bytes += d->bytes;
    sum->events += d->events;
    sum->torn_tail |= d->torn_tail;
}

/* Puts the name of the file before the words of `reason`. */
static enum at_err fail_file(struct at_why *why, enum at_err err, const char *name, const struct at_why *reason)
{
    return at_fail(why, err, "%s: %s", name, reason->text[0] ? reason->text : at_err_text(err));
}

/* Reads the next event of heads[i]; an ended source is closed and its head removed from the array. */
static enum at_err read_head(struct at_reader *r, size_t i, struct at_why *why)
{
    struct head *h = &r->heads[i];
    struct at_why reason = {""};
    enum at_err err = at_source_next(h->source, &h->event, &reason);
    if (!err)
        return AT_OK;
    if (err != AT_END)
        return fail_file(why, err, at_source_name(h->source), &reason);
    add_damage(&r->damage, h->source);
    at_source_close(&h->source);
    *h = r->heads[--r->n_heads];
    return AT_END;
}

enum at_err at_reader_open(const char *const *paths, size_t n, const struct at_reader_options *options,
                           struct at_reader **out, struct at_why *why)
{
    struct at_reader *r = calloc(1, sizeof *r);
    enum at_err err = r ? at_filter_new(options, &r->filter) : AT_NOMEM;
    *out = NULL;
    if (!err) {
        r->heads = calloc(n ? n : 1, sizeof *r->heads);
        err = r->heads ? AT_OK : AT_NOMEM;
    }
    if (err)
        at_fail(why, err, "%s", at_err_text(err));
    for (size_t i = 0; i < n && !err; i++) {
        struct at_why reason = {""};
        struct head *h = &r->heads[r->n_heads];
        h->order = i;
        err = at_source_open(paths[i], options ? options->recovery : AT_RECOVER_TAIL, &h->source, &reason);
        if (err) {
            fail_file(why, err, strcmp(paths[i], "-") ? paths[i] : "standard input", &reason);
            break;
        }
        r->n_heads++;
        if (n == 1 && options) /* of several, the numbers of events would be lost */
            err = at_source_select(h->source, options, &reason);
        if (err) {
            fail_file(why, err, at_source_name(h->source), &reason);
            break;
        }
        err = read_head(r, r->n_heads - 1, why);
        if (err == AT_END)
            err = AT_OK;
    }
    if (err) {
        at_reader_close(&r);
        return err;
    }
    for (size_t i = r->n_heads / 2; i-- > 0;)
        sink(r, i);
    *out = r;
    return AT_OK;
}

enum at_err at_reader_next(struct at_reader *r, struct at_event *ev, uint64_t *index, struct at_why *why)
{
    for (;;) {
        if (r->advance) {
            enum at_err err = read_head(r, 0, why);
            if (err && err != AT_END)
                return err;
            r->advance = false;
            sink(r, 0);
        }
        if (r->n_heads == 0)
            return AT_END;
        r->advance = true;
        r->index += at_source_skipped(r->heads[0].source);
        uint64_t number = r->index++;
        bool pass = false;
        enum at_err err = at_filter_event(r->filter, &r->heads[0].event, &pass);
        if (err)
            return at_fail(why, err, "%s: %s", at_source_name(r->heads[0].source), at_err_text(err));
        if (!pass)
            continue;
        *ev = r->heads[0].event;
        if (index)
            *index = number;
        return AT_OK;
    }
}

void at_reader_damage(const struct at_reader *r, struct at_tape_damage *out)
{
    *out = r->damage;
    for (size_t i = 0; i < r->n_heads; i++)
        add_damage(out, r->heads[i].source);
}

bool at_reader_would_wait(const struct at_reader *r)
{
    return r->advance && r->n_heads > 0 && at_source_would_wait(r->heads[0].source);
}

void at_reader_close(struct at_reader **reader)
{
    struct at_reader *r = *reader;
    if (!r)
        return;
    for (size_t i = 0; i < r->n_heads; i++)
        at_source_close(&r->heads[i].source);
    at_filter_free(&r->filter);
    free(r->heads);
    free(r);
    *reader = NULL;
}
