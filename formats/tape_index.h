/*
 * tape_index.h: the footer of a tape: where its segments are and what is in them (tape.5, "Index"). A cache only.
 * Private to formats.
 */
#ifndef AUTHTAPE_FORMATS_TAPE_INDEX_H
#define AUTHTAPE_FORMATS_TAPE_INDEX_H

#include "formats/tape_columns.h"
#include "formats/tape_format.h"

#define TAPE_KINDS 11     /* one more than the last */
#define TAPE_USER_BITS 20 /* of the CRC-32 of a user, kept in the index */

struct tape_scope_count {
    uint32_t scope;  /* number in the index */
    uint64_t events; /* that have it as `scope`; 0: it is only in snapshots */
};

struct tape_segment {
    uint64_t offset, bytes; /* of its first frame; of all its frames */
    uint32_t sequence;      /* of its first frame */
    uint32_t frames;
    uint64_t events, dropped;
    int64_t earliest_us, latest_us;
    uint64_t kinds[TAPE_KINDS];
    struct tape_scope_count *scopes;
    uint32_t *apps;  /* numbers in the index */
    uint32_t *users; /* low bits of the CRC-32 of each, ascending, none twice */
    uint32_t n_scopes, n_apps, n_users;
};

struct tape_index {
    struct tape_segment *segments;
    size_t n_segments;
    struct at_intern *scopes, *apps;
};

AT_MUST_USE enum at_err at_tape_index_new(struct tape_index **out);
void at_tape_index_free(struct tape_index **x);
void at_tape_segment_free(struct tape_segment *s); /* what it has, not itself */

/* Reads an index frame's payload, whose trailer was checked. AT_DAMAGED, AT_NEWER, AT_NOMEM. */
AT_MUST_USE enum at_err at_tape_index_parse(const struct tape_frame *f, const uint8_t *payload,
                                            struct tape_index **out);
/* Takes the n segments out of the bytes that the indexer has of them, into an index with all names. Errors likewise. */
AT_MUST_USE enum at_err at_tape_index_unpack(struct tape_index *x, struct at_str packed, size_t n);
/* False if the segment cannot hold what the filter wants. */
bool at_tape_index_may_match(const struct tape_index *x, const struct tape_segment *s,
                             const struct at_reader_options *o);
uint32_t at_tape_user_bits(struct at_str user);

/* ---- Filled by the encoder */

struct tape_indexer;
/* Keeps no segments when they need more than max_bytes. */
AT_MUST_USE enum at_err at_indexer_new(size_t max_bytes, struct tape_indexer **out);
void at_indexer_free(struct tape_indexer **x);
/* A new segment begins. */
AT_MUST_USE enum at_err at_indexer_segment(struct tape_indexer *x);
/* Things of the segment, each told when it is new in it. */
AT_MUST_USE enum at_err at_indexer_source(struct tape_indexer *x, struct at_str app, struct at_str user);
AT_MUST_USE enum at_err at_indexer_shape(struct tape_indexer *x, const struct at_event *ev);
AT_MUST_USE enum at_err at_indexer_scope(struct tape_indexer *x, struct at_str scope); /* in a snapshot */
/* An event of the `shape`-th shape of the segment. */
void at_indexer_event(struct tape_indexer *x, uint32_t shape);
/* A frame of the segment was written. */
void at_indexer_frame(struct tape_indexer *x, const struct tape_frame *f, uint64_t offset, uint64_t bytes);
/* Gives the index away; the indexer is of no more use. */
AT_MUST_USE enum at_err at_indexer_take(struct tape_indexer *x, struct tape_index **out);
/* Appends the payload of the index frame that will stand at `offset`, and fills in f->raw_bytes and the times. */
AT_MUST_USE enum at_err at_indexer_put(struct tape_indexer *x, uint64_t offset, struct tape_frame *f,
                                       struct at_buf *payload);

#endif
