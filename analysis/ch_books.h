/* ch_books.h: what the server has of the tapes already: the tables `exports` and `segments`. Private to analysis. */
#ifndef AUTHTAPE_CH_BOOKS_H
#define AUTHTAPE_CH_BOOKS_H

#include "analysis/ch_sender.h"

struct ch_books {
    uint64_t recording; /* id of what is exported: the tapes, their sizes, the profile */
    const uint64_t *tapes;
    size_t n_tapes;
    bool begun, done;   /* an export of this recording was begun; was finished */
    uint64_t *replaces; /* recordings that this one takes the place of */
    size_t n_replaces;
    struct ch_mark *marks; /* segments that were finished, by tape and segment, the most events last */
    size_t n_marks;
    struct ch_mark *open; /* segments that were begun */
    size_t n_open;
};

/* Reads them; makes the tables where there are none. AT_BAD: a tape was exported together with others. */
AT_MUST_USE enum at_err ch_books_read(struct ch_link *link, const char *prefix, struct ch_books *b, struct at_why *why);
AT_MUST_USE enum at_err ch_books_begin(struct ch_link *link, const struct ch_books *b, const char *profile,
                                       struct at_why *why);
/* From now on the views show it, and not what it replaces. `events`: of each tape. */
AT_MUST_USE enum at_err ch_books_finish(struct ch_link *link, const struct ch_books *b, const char *profile,
                                        const uint64_t *events, struct at_why *why);
/* What is there of a segment for certain; events 0: nothing. */
struct ch_mark ch_books_mark(const struct ch_books *b, uint64_t tape, uint64_t segment);
/* Whether more of it may be there. */
bool ch_books_is_open(const struct ch_books *b, uint64_t tape, uint64_t segment);
void ch_books_free(struct ch_books *b);

#endif
