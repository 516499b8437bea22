/*
 * dict.h: what the events of a segment have in common, told once: sources (who and where from) and shapes (what, in all
 * that is not particular to one event), numbered from 0 as they come. Private to formats.
 */
#ifndef AUTHTAPE_FORMATS_DICT_H
#define AUTHTAPE_FORMATS_DICT_H

#include "formats/tape_calls.h"

/* Numbers by hash: open addressing, linear probing. */
struct dict_slot {
    uint32_t hash; /* the high half */
    uint32_t mark; /* the number + 1; 0: free */
};
struct dict_table {
    struct dict_slot *slots;
    size_t n_slots; /* a power of two, at most half full */
};

#define DICT_NEAR 64u

struct at_dict {
    /* Copies; their views stay where they are until the dictionary is cleared. */
    struct at_tape_source *sources;
    struct at_event *shapes;
    size_t n_sources, n_shapes;
    size_t text_bytes; /* of all that was copied */
    /* Private. */
    size_t cap_sources, cap_shapes;
    struct dict_table source_table, shape_table;
    uint32_t near_sources[DICT_NEAR], near_shapes[DICT_NEAR]; /* met last: number + 1 */
    struct tape_arena arena;
};

#define AT_DICT_NEW UINT32_MAX

/* Where an event belongs: the numbers of its source and shape, AT_DICT_NEW for what was not there yet. */
struct dict_place {
    uint32_t source, shape;
};
void at_dict_find(struct at_dict *d, const struct at_event *ev, struct dict_place *place);
/* Adds what is new, and sets its number. The place must have been found since the last change. AT_NOMEM. */
AT_MUST_USE enum at_err at_dict_add_source(struct at_dict *d, const struct at_event *ev, struct dict_place *place);
AT_MUST_USE enum at_err at_dict_add_shape(struct at_dict *d, const struct at_event *ev, struct dict_place *place);
void at_dict_clear(struct at_dict *d); /* forgets all, keeps the tables' memory */
void at_dict_free(struct at_dict *d);

#endif
