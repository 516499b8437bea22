/* bonds.c: keys and their scopes, in arrays that are addressed by number. */
#include "analysis/bonds.h"

#include <stdlib.h>
#include <sys/mman.h>

_Static_assert(sizeof(struct bond) == ELEMENT_BYTES && sizeof(struct key_links) == ELEMENT_BYTES, "pools of them");

enum at_err room_for_one(void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return AT_OK;
    size_t more = *cap ? *cap * 2 : 16;
    void *grown = realloc(*list, more * size);
    if (!grown)
        return AT_NOMEM;
    *list = grown;
    *cap = more;
    return AT_OK;
}

enum at_err pool_add(struct pool *p, void **out)
{
    if (p->n == p->n_chunks * POOL_CHUNK) {
        enum at_err err = p->n >= UINT32_MAX - POOL_CHUNK ? AT_LIMIT : ROOM(p->chunks, p->n_chunks, p->cap);
        const size_t bytes = (size_t)POOL_CHUNK * ELEMENT_BYTES;
        char *chunk = err ? NULL : aligned_alloc(p->n ? bytes : ELEMENT_BYTES, bytes);
        if (!chunk)
            return err ? err : AT_NOMEM;
        if (p->n)
            (void)madvise(chunk, bytes, MADV_HUGEPAGE); /* it is looked at all over */
        p->chunks[p->n_chunks++] = chunk;
    }
    *out = pool_at(p, p->n++);
    return AT_OK;
}

static void pool_free(struct pool *p)
{
    for (size_t i = 0; i < p->n_chunks; i++)
        free(p->chunks[i]);
    free(p->chunks);
}

void bonds_free(struct bonds *b)
{
    pool_free(&b->list);
    pool_free(&b->keys);
    free(b->rests);
    free(b->flips);
    free(b->lones);
    free(b->more);
    at_intern_free(&b->far_pairs);
    free(b->far);
    *b = (struct bonds){0};
}

enum at_err bonds_key(struct bonds *b, uint32_t key)
{
    enum at_err err = AT_OK;
    while (key >= b->keys.n && !err) {
        void *added;
        err = pool_add(&b->keys, &added);
        if (!err)
            *(struct key_links *)added = (struct key_links){.bond = NO_ID, .stray = NO_ID};
    }
    return err;
}

static enum at_err add(struct bonds *b, uint32_t key, uint32_t scope, uint32_t *out)
{
    void *added;
    *out = b->list.n;
    enum at_err err = pool_add(&b->list, &added);
    if (err)
        return err;
    struct bond *fresh = added;
    *fresh = (struct bond){
        .key = key,
        .scope = scope,
        .next = key_at(b, key)->bond,
        .denied_order = UINT64_MAX,
        .granted_order = UINT64_MAX,
    };
    for (size_t g = 0; g < GROUPINGS_MAX; g++)
        fresh->marked[g] = fresh->more[g] = NO_ID;
    key_at(b, key)->bond = *out;
    return AT_OK;
}

/* Of a scope that is not among the first. */
static enum at_err find_far(struct bonds *b, uint32_t key, uint32_t scope, uint32_t *out)
{
    const uint32_t pair[] = {key, scope};
    uint32_t at = 0;
    enum at_err err = b->far_pairs ? AT_OK : at_intern_new(&b->far_pairs);
    if (!err)
        err = at_intern_add(b->far_pairs, (struct at_str){(const char *)pair, sizeof pair}, &at);
    if (!err && at == b->n_far) {
        err = ROOM(b->far, b->n_far, b->far_cap);
        if (!err)
            err = add(b, key, scope, &b->far[at]);
        b->n_far += !err;
    }
    *out = err ? 0 : b->far[at];
    return err;
}

enum at_err bonds_find_far(struct bonds *b, uint32_t key, uint32_t scope, uint32_t *out)
{
    if (scope >= SCOPES_NEAR)
        return find_far(b, key, scope, out);
    uint32_t *near = &key_at(b, key)->near[scope];
    enum at_err err = AT_OK;
    *out = *near - 1;
    if (!*near)
        err = add(b, key, scope, out);
    *near = err ? 0 : *out + 1;
    return err;
}

enum at_err bonds_turn_to(struct bonds *b, uint32_t bond, size_t g, uint32_t cell, bool *held)
{
    struct bond *to = bond_at(b, bond);
    size_t n = 0;
    *held = true;
    if (to->marked[g] == cell)
        return AT_OK;
    for (uint32_t i = to->more[g]; i != NO_ID; i = b->more[i].next, n++) {
        struct more_marks *m = &b->more[i];
        if (m->cell != cell)
            continue;
        struct more_marks swapped = *m;
        m->cell = to->marked[g];
        m->marks = to->marks[g];
        to->marked[g] = cell;
        to->marks[g] = swapped.marks;
        return AT_OK;
    }
    if (n == MORE_MAX) {
        *held = false;
        return AT_OK;
    }
    if (to->marked[g] != NO_ID) {
        enum at_err err = b->n_more >= NO_ID ? AT_LIMIT : ROOM(b->more, b->n_more, b->more_cap);
        if (err)
            return err;
        b->more[b->n_more] = (struct more_marks){to->marked[g], to->more[g], to->marks[g]};
        to->more[g] = (uint32_t)b->n_more++;
    }
    to->marked[g] = cell;
    to->marks[g] = 0;
    return AT_OK;
}

/* ---- Flips */

static enum at_err need_rest(struct bonds *b, uint32_t bond, struct bond_rest **out)
{
    struct bond *of = bond_at(b, bond);
    if (!of->rest) {
        enum at_err err = b->n_rests >= NO_ID - 1 ? AT_LIMIT : ROOM(b->rests, b->n_rests, b->rests_cap);
        if (err)
            return err;
        b->rests[b->n_rests++] = (struct bond_rest){.first_flip = NO_ID, .first_lone = NO_ID};
        of->rest = (uint32_t)b->n_rests;
    }
    *out = &b->rests[of->rest - 1];
    return AT_OK;
}

enum at_err bonds_add_flip(struct bonds *b, uint32_t bond, const struct flip *flip)
{
    struct bond_rest *to = NULL;
    enum at_err err = need_rest(b, bond, &to);
    if (err || to->flips == FLIPS_MAX)
        return err;
    err = b->n_flips >= NO_ID ? AT_LIMIT : ROOM(b->flips, b->n_flips, b->flips_cap);
    if (err)
        return err;
    b->flips[b->n_flips] = *flip;
    b->flips[b->n_flips].next = to->first_flip;
    to->first_flip = (uint32_t)b->n_flips++;
    to->flips++;
    return AT_OK;
}

static int by_order(const void *a, const void *b)
{
    const struct flip *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

size_t bonds_flips(const struct bonds *b, uint32_t bond, struct flip *out)
{
    size_t n = 0;
    uint32_t rest = bond_at(b, bond)->rest;
    for (uint32_t i = rest ? b->rests[rest - 1].first_flip : NO_ID; i != NO_ID && n < FLIPS_MAX; i = b->flips[i].next)
        out[n++] = b->flips[i];
    qsort(out, n, sizeof *out, by_order);
    return n;
}

/* ---- Calls whose scope was never asked for */

enum at_err bonds_add_lone(struct bonds *b, uint32_t bond, uint32_t api, uint32_t platform)
{
    struct bond_rest *to = NULL;
    enum at_err err = need_rest(b, bond, &to);
    for (uint32_t i = err ? NO_ID : to->first_lone; i != NO_ID; i = b->lones[i].next) {
        if (b->lones[i].api == api && b->lones[i].platform == platform) {
            b->lones[i].calls++;
            return AT_OK;
        }
    }
    if (err)
        return err;
    uint32_t at = b->free_lone - 1;
    if (b->free_lone) {
        b->free_lone = b->lones[at].next;
    } else {
        err = b->n_lones >= NO_ID - 1 ? AT_LIMIT : ROOM(b->lones, b->n_lones, b->lones_cap);
        if (err)
            return err;
        at = (uint32_t)b->n_lones++;
    }
    b->lones[at] = (struct lone){.api = api, .platform = platform, .next = to->first_lone, .calls = 1};
    to->first_lone = at;
    return AT_OK;
}

void bonds_drop_lones(struct bonds *b, uint32_t bond)
{
    uint32_t rest = bond_at(b, bond)->rest;
    if (!rest)
        return;
    uint32_t *first = &b->rests[rest - 1].first_lone;
    while (*first != NO_ID) {
        uint32_t at = *first;
        *first = b->lones[at].next;
        b->lones[at].next = b->free_lone;
        b->free_lone = at + 1;
    }
}
