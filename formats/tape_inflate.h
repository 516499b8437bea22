/*
 * tape_inflate.h: deflated data (RFC 1951) that is in memory as a whole, and whose length is known. Private to formats.
 *
 * The columns of a tape are mostly codes of a few bits, which zlib decodes one at a time. Here one look-up decodes up
 * to three. Whatever is the least out of the ordinary, damage above all, is left to zlib: it alone says what is wrong.
 */
#ifndef AUTHTAPE_FORMATS_TAPE_INFLATE_H
#define AUTHTAPE_FORMATS_TAPE_INFLATE_H

#include "formats/formats.h"

/* Behind what is inflated, so many bytes more may be written. */
#define INFLATE_SLACK (size_t)16
/*
 * True: `from`, all of its `len` bytes, is a deflated stream of exactly `raw_len` bytes, which are at `to` now. False:
 * zlib is to be asked; what is at `to` means nothing.
 */
bool at_inflate_whole(const uint8_t *from, size_t len, uint8_t *to, size_t raw_len);

#endif
