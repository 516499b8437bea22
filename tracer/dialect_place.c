/*
 * dialect_place.c: the JSON Pointers of a dialect as one tree, and what is found at them in an item.
 *
 * Many rules look at the same places, and at places below the same place. So each place of an item is looked for once,
 * and a text there is compared once with all the texts that conditions ask for there.
 */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

#define PLACES_MAX 256u /* pointers to more places are followed one by one, without a memory */

static uint32_t place_of(struct at_dialect *d, uint32_t parent, struct at_str token)
{
    uint32_t i = 1;
    while (i < d->n_places && !(d->places[i].parent == parent && at_str_eq(d->places[i].token, token)))
        i++;
    if (i < d->n_places || i == PLACES_MAX)
        return i;
    d->places[d->n_places++] = (struct at_place){.parent = parent, .token = token};
    return i;
}

enum at_err at_place_add(struct at_dialect *d, struct at_pointer *p)
{
    if (!d->places) {
        d->places = at_arena_get(&d->arena, PLACES_MAX * sizeof *d->places);
        if (!d->places)
            return AT_NOMEM;
        d->places[0] = (struct at_place){0};
        d->n_places = 1;
    }
    uint32_t at = 0;
    for (size_t i = 0; i < p->n && at < PLACES_MAX; i++)
        at = place_of(d, at, p->tokens[i]);
    p->place = at < PLACES_MAX ? at : 0;
    return AT_OK;
}

/* The number of a text among those that are asked for at the place, from 1; 0: there is no room for it. */
static unsigned number_of(struct at_dialect *d, struct at_place *place, struct at_str text)
{
    unsigned i = 0;
    if (!place->texts)
        place->texts = at_arena_get(&d->arena, AT_PLACE_TEXTS * sizeof *place->texts);
    if (!place->texts)
        return 0;
    while (i < place->n_texts && !at_str_eq(place->texts[i], text))
        i++;
    if (i == AT_PLACE_TEXTS)
        return 0;
    if (i == place->n_texts)
        place->texts[place->n_texts++] = text;
    return i + 1;
}

void at_place_ask(struct at_dialect *d, struct at_test *t)
{
    uint64_t mask = 0;
    if (t->op != AT_TEST_IS || !t->ptr.place)
        return;
    for (size_t i = 0; i < t->n_any; i++) {
        unsigned number = t->any[i].type == AT_J_STRING ? number_of(d, &d->places[t->ptr.place], t->any[i].to) : 0;
        if (!number)
            return; /* the test compares by itself */
        mask |= UINT64_C(1) << number;
    }
    t->texts = mask;
}

/* ---- Looking */

enum at_err at_finder_room(struct at_finder *f, size_t n_places)
{
    if (n_places <= f->cap)
        return AT_OK;
    struct at_spot *spots = realloc(f->spots, n_places * sizeof *spots);
    if (!spots)
        return AT_NOMEM;
    memset(spots, 0, n_places * sizeof *spots);
    *f = (struct at_finder){.spots = spots, .cap = n_places};
    return AT_OK;
}

void at_finder_free(struct at_finder *f)
{
    free(f->spots);
    *f = (struct at_finder){0};
}

void at_finder_begin(struct at_finder *f, const struct at_dialect *d)
{
    f->places = d->places;
    f->doc = NULL;
}

static struct at_spot *look_anew(struct at_finder *f, uint32_t place);

static inline struct at_spot *look(struct at_finder *f, uint32_t place)
{
    struct at_spot *spot = &f->spots[place];
    return spot->turn == f->turn ? spot : look_anew(f, place);
}

static struct at_spot *look_anew(struct at_finder *f, uint32_t place)
{
    struct at_spot *spot = &f->spots[place];
    const struct at_place *p = &f->places[place];
    uint32_t from = p->parent ? look(f, p->parent)->node : f->node;
    *spot = (struct at_spot){.turn = f->turn, .node = from};
    if (from != AT_NO_NODE)
        spot->node = at_doc_child(f->doc, from, p->token);
    return spot;
}

/* The item at hand is that of the scene. */
static inline void turn_to(struct at_finder *f, const struct at_scene *s)
{
    if (f->doc == s->doc && f->node == s->node)
        return;
    f->doc = s->doc;
    f->node = s->node;
    if (++f->turn == 0) {
        memset(f->spots, 0, f->cap * sizeof *f->spots);
        f->turn = 1;
    }
}

uint32_t at_scene_find(const struct at_scene *s, const struct at_pointer *p)
{
    if (!s->finder || !p->place)
        return at_pointer_find(p, s->doc, s->node);
    turn_to(s->finder, s);
    return look(s->finder, p->place)->node;
}

unsigned at_scene_number(const struct at_scene *s, uint32_t place)
{
    struct at_finder *f = s->finder;
    turn_to(f, s);
    struct at_spot *spot = look(f, place);
    struct at_str text;
    if (spot->compared || spot->node == AT_NO_NODE)
        return spot->number;
    const struct at_place *p = &f->places[place];
    spot->compared = true;
    if (s->doc->nodes[spot->node].type != AT_J_STRING || at_doc_text(s->doc, spot->node, s->arena, &text))
        return 0;
    for (unsigned i = 0; i < p->n_texts && !spot->number; i++)
        if (at_str_eq(p->texts[i], text))
            spot->number = (uint8_t)(i + 1);
    return spot->number;
}
