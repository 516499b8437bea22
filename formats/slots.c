/* slots.c: numbers found by the hash of what they stand for. Open addressing, linear probing. */
#include <stdlib.h>
#include <string.h>

#include "formats/formats.h"

#define SLOTS_LEAST 32u

void at_slots_put(struct at_slots *s, uint32_t hash, uint32_t id)
{
    uint32_t i = hash & (s->n - 1);
    while (s->at[i].id != AT_SLOT_FREE)
        i = (i + 1) & (s->n - 1);
    s->at[i] = (struct at_slot){.id = id, .hash = hash};
    s->taken++;
}

enum at_err at_slots_room(struct at_slots *s)
{
    struct at_slots more = {.n = s->n ? s->n * 2 : SLOTS_LEAST};
    if (s->taken < s->n / 2)
        return AT_OK;
    more.at = malloc(more.n * sizeof *more.at);
    if (!more.at)
        return AT_NOMEM;
    memset(more.at, 0xff, more.n * sizeof *more.at);
    for (uint32_t i = 0; i < s->n; i++)
        if (s->at[i].id != AT_SLOT_FREE)
            at_slots_put(&more, s->at[i].hash, s->at[i].id);
    free(s->at);
    *s = more;
    return AT_OK;
}

void at_slots_clear(struct at_slots *s)
{
    if (s->at)
        memset(s->at, 0xff, s->n * sizeof *s->at);
    s->taken = 0;
}

void at_slots_free(struct at_slots *s)
{
    free(s->at);
    *s = (struct at_slots){0};
}
