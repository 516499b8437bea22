/* dialect_mock.c: APIs whose answers are made up on a connection. */
#include <stdlib.h>
#include <string.h>

#include "tracer/dialect.h"

/* What a mock concerns: an API as one part of the app calls it. */
static enum at_err mock_key(const struct at_run *run, struct at_str part, struct at_str api, struct at_str *out)
{
    char *key = at_arena_get(run->arena, part.len + 1 + api.len);
    if (!key)
        return AT_NOMEM;
    if (part.len)
        memcpy(key, part.ptr, part.len);
    key[part.len] = 0;
    memcpy(key + part.len + 1, api.ptr, api.len);
    *out = (struct at_str){key, part.len + 1 + api.len};
    return AT_OK;
}

static size_t mock_index(const struct at_dialect_state *state, struct at_str key)
{
    size_t i = 0;
    while (i < state->n_mocked && !at_str_eq(state->mocked[i], key))
        i++;
    return i;
}

#define MOCKED_MAX 1024u

enum at_err at_mock_set(const struct at_run *run, struct at_str part, struct at_str api, bool on, bool *changed)
{
    struct at_dialect_state *state = run->state;
    struct at_str key;
    *changed = false;
    enum at_err err = mock_key(run, part, api, &key);
    if (err)
        return err;
    size_t i = mock_index(state, key);
    if (i < state->n_mocked && !on) {
        free((void *)(uintptr_t)state->mocked[i].ptr);
        state->mocked[i] = state->mocked[--state->n_mocked];
        *changed = true;
    } else if (i == state->n_mocked && on && i < MOCKED_MAX) {
        struct at_str *list = realloc(state->mocked, (i + 1) * sizeof *list);
        if (!list)
            return AT_NOMEM;
        state->mocked = list;
        char *copy = malloc(key.len);
        if (!copy)
            return AT_NOMEM;
        memcpy(copy, key.ptr, key.len);
        list[state->n_mocked++] = (struct at_str){copy, key.len};
        *changed = true;
    }
    return AT_OK;
}

enum at_err at_mock_holds(const struct at_run *run, struct at_str part, struct at_str api, bool *out)
{
    struct at_str key;
    *out = false;
    if (!run->state->n_mocked)
        return AT_OK;
    enum at_err err = mock_key(run, part, api, &key);
    *out = !err && mock_index(run->state, key) < run->state->n_mocked;
    run->stats->mocked += *out;
    return err;
}
