/* tape_seek.h: the index of a tape file, found without reading the tape. Private to formats. */
#ifndef AUTHTAPE_FORMATS_TAPE_SEEK_H
#define AUTHTAPE_FORMATS_TAPE_SEEK_H

#include "formats/tape_index.h"

/*
 * Finds and checks the index at the end of the open regular file. AT_NOTFOUND: there is none, or not one that fits, so
 * that the tape has to be read through. AT_IO, AT_NOMEM.
 */
AT_MUST_USE enum at_err at_tape_find_index(int fd, struct tape_index **out);

/* Reads exactly `len` bytes. AT_NOTFOUND: the file ends before. AT_IO: see errno. */
AT_MUST_USE enum at_err at_read_at(int fd, uint64_t offset, void *to, size_t len);

/* Decoding goes on at the first frame of segment `s`: the next bytes fed are those at its offset. */
void at_tape_jump(struct at_tape_decoder *d, const struct tape_segment *s, uint64_t events_before);

#endif
