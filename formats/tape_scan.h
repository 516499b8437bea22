/* tape_scan.h: what a tape holds, counted by reading it. Private to formats. */
#ifndef AUTHTAPE_FORMATS_TAPE_SCAN_H
#define AUTHTAPE_FORMATS_TAPE_SCAN_H

#include "formats/source.h"

/*
 * Reads the tape to its end and makes the index that it has, or should have (offsets aside). Errors as of
 * at_source_next.
 */
AT_MUST_USE enum at_err at_tape_scan(struct at_source *s, struct tape_index **out, struct at_why *why);

#endif
