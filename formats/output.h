/* output.h: writing to file descriptors. Private to formats. */
#ifndef AUTHTAPE_FORMATS_OUTPUT_H
#define AUTHTAPE_FORMATS_OUTPUT_H

#include "formats/formats.h"

/* Writes all of it, going on after signals and short writes. AT_CLOSED: a pipe whose reader is gone. AT_IO. */
AT_MUST_USE enum at_err at_write_all(int fd, const void *data, size_t len, struct at_why *why);

/* Makes the name of a new file survive a power cut: syncs the folder of `path`. AT_IO. */
AT_MUST_USE enum at_err at_sync_folder(const char *path, struct at_why *why);

#endif
