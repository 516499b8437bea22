/* pcapng.h: pcapng files whose interfaces differ, which libpcap refuses (private to the tracer). */
#ifndef AUTHTAPE_PCAPNG_H
#define AUTHTAPE_PCAPNG_H

#include "tracer/bytes.h"

struct at_pcapng;
/* Reads from `bytes`, which stays the caller's. */
AT_MUST_USE enum at_err at_pcapng_new(struct at_bytes *bytes, struct at_pcapng **out);
void at_pcapng_free(struct at_pcapng **p);
/*
 * The next packet; its data are valid until the next call. AT_END. AT_BAD: the file is broken or cut off here, AT_IO,
 * AT_STOP, AT_NOMEM, all with why ("what").
 */
AT_MUST_USE enum at_err at_pcapng_next(struct at_pcapng *p, struct at_packet *out, struct at_why *why);
/* Drops that the file itself tells of, all interfaces together. */
void at_pcapng_drops(const struct at_pcapng *p, uint64_t *kernel, uint64_t *interface);
/* A link type among the interfaces that `is_known` does not know; false where there is none. */
bool at_pcapng_unknown_link(const struct at_pcapng *p, bool (*is_known)(uint32_t linktype), uint32_t *linktype);

#endif
