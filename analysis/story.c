/* story.c: following the first users of a recording, one mark a happening. */
#include "analysis/story.h"

#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

enum at_err story_new(struct story **out)
{
    struct story *s = *out = calloc(1, sizeof *s);
    if (!s)
        return AT_NOMEM;
    enum at_err err = at_intern_new(&s->strings);
    if (!err)
        err = at_intern_new(&s->users);
    if (!err)
        err = at_intern_new(&s->kinds);
    if (err)
        story_free(out);
    return err;
}

void story_free(struct story **s)
{
    if (!*s)
        return;
    for (size_t i = 0; i < (*s)->n_tales; i++)
        free((*s)->tales[i].marks);
    at_intern_free(&(*s)->strings);
    at_intern_free(&(*s)->users);
    at_intern_free(&(*s)->kinds);
    free((*s)->kind_counts);
    free(*s);
    *s = NULL;
}

struct at_str story_string(const struct story *s, uint32_t id)
{
    if (id == NONE)
        return (struct at_str){0};
    return at_intern_get(s->strings, id);
}

static enum at_err keep(struct story *s, struct at_str text, uint32_t *id)
{
    *id = NONE;
    return text.ptr ? at_intern_add(s->strings, text, id) : AT_OK;
}

/* The user's tale; NULL for one who is not followed. */
static enum at_err tale_of(struct story *s, struct at_str app, struct at_str user, struct tale **out)
{
    uint32_t ids[2] = {0, 0}, i = 0;
    struct at_str pair = {(const char *)ids, sizeof ids};
    *out = NULL;
    if (s->n_tales == STORY_USERS) {
        bool known = at_intern_find(s->strings, app, &ids[0]) && at_intern_find(s->strings, user, &ids[1]) &&
                     at_intern_find(s->users, pair, &i);
        *out = known ? &s->tales[i] : NULL;
        return AT_OK;
    }
    enum at_err err = keep(s, app, &ids[0]);
    if (!err)
        err = keep(s, user, &ids[1]);
    if (!err)
        err = at_intern_add(s->users, pair, &i);
    if (!err && i == s->n_tales)
        s->tales[s->n_tales++] = (struct tale){.app = ids[0], .user = ids[1], .last_scope = NONE};
    if (!err)
        *out = &s->tales[i];
    return err;
}

static enum at_err add(struct tale *t, const struct mark *m)
{
    if (t->n == STORY_MARKS) {
        t->cut++;
        return AT_OK;
    }
    if ((t->n & (t->n - 1)) == 0) { /* full: room is a power of two */
        struct mark *more = realloc(t->marks, (t->n ? t->n * 2 : 1) * sizeof *more);
        if (!more)
            return AT_NOMEM;
        t->marks = more;
    }
    t->marks[t->n++] = *m;
    return AT_OK;
}

static enum mark_kind answer_mark(enum at_answer answer)
{
    return answer == AT_ANSWER_ALLOW ? MARK_ALLOW : answer == AT_ANSWER_DENY ? MARK_DENY : MARK_DISMISS;
}

enum at_err story_event(struct story *s, const struct at_event *ev)
{
    struct mark m = {.scope = NONE, .api = NONE, .text = NONE, .t_us = ev->t_us, .end_us = ev->t_us};
    struct tale *t;
    if (ev->kind != AT_KIND_PROMPT && ev->kind != AT_KIND_DECISION && ev->kind != AT_KIND_SETTINGS &&
        ev->kind != AT_KIND_RESET)
        return AT_OK;
    enum at_err err = tale_of(s, ev->app, ev->user, &t);
    if (err || !t)
        return err;
    if (ev->n_scopes)
        err = keep(s, ev->scopes[0], &m.scope);
    if (ev->kind == AT_KIND_PROMPT) {
        m.kind = MARK_PROMPT;
        t->last_scope = m.scope;
    } else if (ev->kind == AT_KIND_DECISION) {
        m.kind = answer_mark(ev->answer);
        m.scope = m.scope == NONE ? t->last_scope : m.scope;
    } else {
        m.kind = ev->kind == AT_KIND_RESET ? MARK_RESET : ev->granted ? MARK_ON : MARK_OFF;
    }
    return err ? err : add(t, &m);
}

enum at_err story_settled(struct story *s, const struct at_settled *c)
{
    struct mark m = {.kind = MARK_CALL,
                     .answered = c->answered,
                     .cls = c->cls,
                     .text = NONE,
                     .t_us = c->called.t_us,
                     .end_us = c->answered ? c->returned.t_us : c->called.t_us};
    struct tale *t;
    enum at_err err = tale_of(s, c->app, c->user, &t);
    if (err || !t)
        return err;
    err = keep(s, c->scope, &m.scope);
    if (!err)
        err = keep(s, c->api, &m.api);
    return err ? err : add(t, &m);
}

enum at_err story_inferred(struct story *s, const struct at_inferred *i)
{
    int64_t middle = i->after.t_us + (i->before.t_us - i->after.t_us) / 2;
    struct mark m = {.inferred = true, .api = NONE, .text = NONE, .t_us = middle, .end_us = middle};
    struct tale *t;
    enum at_err err = tale_of(s, i->app, i->user, &t);
    if (err || !t)
        return err;
    err = keep(s, i->scope, &m.scope);
    switch (i->kind) {
    case AT_INFERRED_PROMPT:
        m.kind = MARK_PROMPT;
        t->last_scope = m.scope;
        break;
    case AT_INFERRED_DECISION:
        m.kind = answer_mark(i->answer);
        break;
    case AT_INFERRED_SETTINGS:
        m.kind = i->granted ? MARK_ON : MARK_OFF;
        break;
    case AT_INFERRED_RESET:
        m.kind = MARK_RESET;
        break;
    }
    return err ? err : add(t, &m);
}

static enum at_err count_kind(struct story *s, const struct at_divergence *d)
{
    struct at_buf kind = {0};
    uint32_t id = 0;
    enum at_err err =
        at_buf_printf(&kind, "%s %.*s %.*s", at_divergence_text(d->cls), AT_STR_FMT(d->scope), AT_STR_FMT(d->api));
    if (!err)
        err = at_intern_add(s->kinds, at_buf_view(&kind), &id);
    at_buf_free(&kind);
    if (!err && id == s->n_kinds && (id & (id - 1)) == 0) { /* full: room is a power of two */
        uint64_t *more = realloc(s->kind_counts, (id ? (size_t)id * 2 : 1) * sizeof *more);
        if (!more)
            return AT_NOMEM;
        s->kind_counts = more;
    }
    if (!err && id == s->n_kinds)
        s->kind_counts[s->n_kinds++] = 0;
    if (!err)
        s->kind_counts[id]++;
    return err;
}

enum at_err story_divergence(struct story *s, const struct at_divergence *d)
{
    struct mark m = {.kind = MARK_FAULT, .t_us = d->at.t_us, .end_us = d->at.t_us};
    struct fault f = {.event = d->at.event, .t_us = d->at.t_us, .cls = at_divergence_text(d->cls)};
    struct tale *t;
    s->faults_all++;
    enum at_err err = count_kind(s, d);
    if (!err)
        err = tale_of(s, d->app, d->user, &t);
    else
        t = NULL;
    if (err || (!t && s->n_faults == FAULTS_MAX))
        return err;
    err = keep(s, d->scope, &m.scope);
    if (!err)
        err = keep(s, d->api, &m.api);
    if (!err)
        err = keep(s, at_str(d->explanation), &m.text);
    if (!err)
        err = keep(s, d->app, &f.app);
    if (!err)
        err = keep(s, d->user, &f.user);
    f.scope = m.scope;
    f.api = m.api;
    f.text = m.text;
    if (!err && s->n_faults < FAULTS_MAX)
        s->faults[s->n_faults++] = f;
    if (t)
        t->faults++;
    return err || !t ? err : add(t, &m);
}

static int by_time(const void *a, const void *b)
{
    const struct mark *x = a, *y = b;
    if (x->t_us != y->t_us)
        return x->t_us < y->t_us ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

const struct tale *story_best(struct story *s)
{
    struct tale *best = NULL;
    for (size_t i = 0; i < s->n_tales; i++) {
        struct tale *t = &s->tales[i];
        if (t->n && (!best || t->faults > best->faults || (t->faults == best->faults && t->n > best->n)))
            best = t;
    }
    if (best)
        qsort(best->marks, best->n, sizeof *best->marks, by_time);
    return best;
}
