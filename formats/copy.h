/* copy.h: tapes made of other tapes. Private to formats. */
#ifndef AUTHTAPE_FORMATS_COPY_H
#define AUTHTAPE_FORMATS_COPY_H

#include "formats/formats.h"

enum { COPY_WRITE = 50 };
#define COPY_OPTION                                                                                                    \
    {                                                                                                                  \
        "write", 'w', "OUT", COPY_WRITE, "the tape to write; '-' is standard output"                                   \
    }

/*
 * Reads the arguments of a command that has no option but COPY_OPTION: `to` is where it writes, the operands of `cli`
 * are what it reads, exactly one tape or, with `many`, one at least. False: the command ends with cli->status.
 */
bool at_copy_arguments(struct at_cli *cli, const struct at_command *self, int argc, char **argv, bool many,
                       const char **to);

#define COPY_AT_A_TIME (size_t)64 /* recordings open at a time: caps memory and file descriptors */

/*
 * Writes what the recordings hold, merged by time and filtered, as one tape of archive level to `to`. Messages were
 * printed when the status is AT_EXIT_TROUBLE. `damage` (may be NULL): what could not be read.
 */
int at_copy(const char *const *from, size_t n, const struct at_reader_options *options, const char *to,
            struct at_tape_damage *damage);
/* The same with what `redactor` leaves of each event. */
int at_copy_redacted(const char *const *from, size_t n, const struct at_reader_options *options,
                     struct at_redactor *redactor, const char *to);

/*
 * The same for any number of recordings: more than COPY_AT_A_TIME are merged in groups into temporary files first (in
 * $TMPDIR or /tmp), and these again.
 */
int at_copy_many(const char *const *from, size_t n, const char *to);

#endif
