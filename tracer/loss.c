/*
 * loss.c: after packets were dropped nobody knows of which connections: whole ones may be missing. So nothing that was
 * known of a user holds any longer, and the next event of each begins with a gap.
 */
#include <stdlib.h>

#include "tracer/dialect.h"

#define TIMES_MAX 16u
#define KEYS_MAX (1u << 20) /* then all have a gap again */

struct at_losses {
    struct {
        int64_t from_us, to_us;
    } times[TIMES_MAX]; /* of losses that are not over yet, the earliest first */
    size_t n_times;
    bool any;               /* one is over */
    struct at_intern *told; /* app NUL user, that had a gap since the last one */
    struct at_buf key;
};

void at_losses_free(struct at_losses **losses)
{
    if (!*losses)
        return;
    at_intern_free(&(*losses)->told);
    at_buf_free(&(*losses)->key);
    free(*losses);
    *losses = NULL;
}

enum at_err at_losses_add(struct at_losses **losses, int64_t from_us, int64_t to_us)
{
    struct at_losses *l = *losses;
    if (!l) {
        l = *losses = calloc(1, sizeof *l);
        if (!l || at_intern_new(&l->told)) {
            at_losses_free(losses);
            return AT_NOMEM;
        }
    }
    size_t n = l->n_times;
    if (n > 0 && (from_us <= l->times[n - 1].to_us || n == TIMES_MAX)) {
        l->times[n - 1].to_us = to_us > l->times[n - 1].to_us ? to_us : l->times[n - 1].to_us;
    } else {
        l->times[n].from_us = from_us;
        l->times[n].to_us = to_us;
        l->n_times++;
    }
    return AT_OK;
}

/* Forgets the losses that are over by now; true: one is going on. */
static bool is_losing(struct at_losses *l, int64_t now_us)
{
    size_t over = 0;
    while (over < l->n_times && now_us > l->times[over].to_us)
        over++;
    for (size_t i = over; i < l->n_times; i++)
        l->times[i - over] = l->times[i];
    l->n_times -= over;
    if (over > 0) {
        l->any = true;
        at_intern_clear(l->told);
    }
    return l->n_times > 0 && now_us >= l->times[0].from_us;
}

enum at_err at_losses_touch(struct at_losses *l, int64_t now_us, const struct at_event *ev, bool *gap)
{
    *gap = l && is_losing(l, now_us);
    if (!l || *gap || !l->any)
        return AT_OK;
    if (at_intern_count(l->told) >= KEYS_MAX)
        at_intern_clear(l->told);
    uint32_t before = at_intern_count(l->told), id;
    l->key.len = 0;
    enum at_err err = at_buf_str(&l->key, ev->app);
    if (!err)
        err = at_buf_add(&l->key, "", 1);
    if (!err)
        err = at_buf_str(&l->key, ev->user);
    if (!err)
        err = at_intern_add(l->told, at_buf_view(&l->key), &id);
    *gap = !err && at_intern_count(l->told) > before;
    return err;
}
