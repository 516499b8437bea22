/* ch_sender.h: blocks of rows on their way to the server, on a thread of their own. Private to analysis. */
#ifndef AUTHTAPE_CH_SENDER_H
#define AUTHTAPE_CH_SENDER_H

#include "analysis/clickhouse.h"

/* A segment of a tape: 65,536 events by their numbers, however its frames lie. */
#define CH_SEGMENT_EVENTS 65536u

struct ch_mark {
    uint64_t tape, segment;
    uint64_t events; /* of the segment, from its start: that are on the server, or were before */
    uint64_t print;  /* of these */
};
struct ch_marks {
    struct ch_mark *list;
    size_t n, cap;
};
AT_MUST_USE enum at_err ch_marks_add(struct ch_marks *m, const struct ch_mark *mark);

/* Rows, and what is to be noted of tapes before and after they are sent. */
struct ch_block {
    struct ch_rows rows;
    struct ch_marks begins, ends;
    bool check; /* some rows may be there already */
};

struct ch_sender;
/* `name` makes the ids of its queries. Starts the thread. */
AT_MUST_USE enum at_err ch_sender_new(const struct ch_server *server, const char *name, struct ch_sender **out,
                                      struct at_why *why);
/*
 * Gives a block to be sent, and an empty one of the same table in its place. Waits until the one before it was. What is
 * returned may be what became of that one.
 */
AT_MUST_USE enum at_err ch_send(struct ch_sender *s, struct ch_block *block, struct at_why *why);
/* Waits until all is sent. */
AT_MUST_USE enum at_err ch_sender_finish(struct ch_sender *s, struct at_why *why);
void ch_sender_free(struct ch_sender **s);

AT_MUST_USE enum at_err ch_block_new(enum ch_table_id table, struct ch_block *out);
void ch_block_free(struct ch_block *b);

#endif
