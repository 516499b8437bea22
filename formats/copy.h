/* copy.h: tapes made of other tapes. Private to formats. */
#ifndef AUTHTAPE_FORMATS_COPY_H
#define AUTHTAPE_FORMATS_COPY_H

#include "formats/select.h"

enum { COPY_WRITE = 50 };
#define COPY_OPTION                                                                                                    \
    {                                                                                                                  \
        "write", 'w', "OUT", COPY_WRITE, "the tape to write; '-' is standard output"                                   \
    }

/*
 * Writes what the recordings hold, merged by time and filtered, as one tape of archive level to `to`. Messages were
 * printed when the status is AT_EXIT_TROUBLE. `damage` (may be NULL): what could not be read.
 */
int at_copy(const char *const *from, size_t n, const struct at_reader_options *options, const char *to,
            struct at_tape_damage *damage);

#endif
