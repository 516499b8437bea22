/* notes.c: what known.c keeps of a scope, while its key is folded: the places, packed. */
#include "replay/columns.h"

static struct note *note_of(const struct at_checker *c, const struct key *k, size_t s)
{
    return &key_notes(k, c->profile->n_scopes)[s];
}

void note_settle(const struct at_checker *c, const struct key *k, size_t s)
{
    struct note *n = note_of(c, k, s);
    if (k->moved && k->moved_at.event > place_event(n->sure))
        n->sure = place_pack(c, k->moved_at);
}

void note_not_fresh(const struct at_checker *c, struct key *k, bool moved)
{
    for (; k->fresh && !moved; k->fresh &= k->fresh - 1)
        note_of(c, k, (size_t)__builtin_ctzll(k->fresh))->sure = place_pack(c, k->last);
    k->fresh = 0; /* what is certain was so until `moved_at`, which is that event */
}

/* A dismissal that was told of is forgotten. */
static void forget_told(const struct key *k, size_t s)
{
    for (uint32_t i = 0; k->told && i < k->n_calls; i++)
        k->calls[i]->told &= ~(UINT64_C(1) << s);
}

void note_event(const struct at_checker *c, struct key *k, size_t s, struct at_place at, uint16_t api, unsigned flags)
{
    if ((flags & KNOWN_UNSURE) && !(flags & KNOWN_SURE))
        note_settle(c, k, s);
    if (flags & KNOWN_CAUSE) {
        note_of(c, k, s)->cause = place_pack(c, at);
        key_apis(k, c->profile->n_scopes)[s] = api;
    }
    if ((flags & KNOWN_SURE) && (flags & RESULT_CERTAIN))
        k->fresh |= UINT64_C(1) << s;
    else if (flags & KNOWN_SURE)
        note_of(c, k, s)->sure = place_pack(c, at);
    if (flags & KNOWN_FORGOTTEN)
        forget_told(k, s);
}
