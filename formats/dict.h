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

struct at_dict {
    /* Copies; their views stay where they are until the dictionary is cleared. */
    struct at_tape_source *sources;
    struct at_event *shapes;
    size_t n_sources, n_shapes;
    size_t text_bytes; /* of all that was copied */
    /* Private. */
    size_t cap_sources, cap_shapes;
    struct dict_table source_table, shape_table;
    struct tape_arena arena;
};

/* The number of the event's source or shape. *is_new: it was not there before. AT_NOMEM. */
AT_MUST_USE enum at_err at_dict_source(struct at_dict *d, const struct at_event *ev, uint32_t *id, bool *is_new);
AT_MUST_USE enum at_err at_dict_shape(struct at_dict *d, const struct at_event *ev, uint32_t *id, bool *is_new);
void at_dict_clear(struct at_dict *d); /* forgets all, keeps the tables' memory */
void at_dict_free(struct at_dict *d);

#endif
