/* address.h: where to listen and where to connect to, as the command line says it. Private to this folder. */
#ifndef AUTHTAPE_ADDRESS_H
#define AUTHTAPE_ADDRESS_H

#include <sys/socket.h>

#include "tracer/tracer.h"

/* "[::1]:8080" and the like fit. */
#define AT_ENDPOINT_TEXT 64

/*
 * Opens a listening socket for "ADDR:PORT", "[IPV6]:PORT" or "PORT" (of the loopback). Not blocking, closed on exec.
 * `*loopback` (may be NULL): only this machine can reach it. AT_BAD: not such a text; AT_IO.
 */
AT_MUST_USE enum at_err at_listen(const char *text, int *fd, bool *loopback, struct at_why *why);
/* Resolves "HOST:PORT" or "[IPV6]:PORT"; the list is freed with freeaddrinfo. */
struct addrinfo;
AT_MUST_USE enum at_err at_resolve(const char *text, struct addrinfo **out, struct at_why *why);
/* "127.0.0.1:80" or "[::1]:80"; an IPv4 address mapped into IPv6 is written as IPv4. */
void at_endpoint_text(const struct sockaddr *a, char out[AT_ENDPOINT_TEXT]);
/* The address without its port, IPv4 mapped into IPv6: 16 bytes. Returns the port. */
uint16_t at_endpoint_bytes(const struct sockaddr *a, uint8_t out[16], bool *v6);
/* The end of a connected socket: this one's or its peer's. False where it has none any more. */
bool at_endpoint_of(int fd, bool peer, struct sockaddr_storage *out);

#endif
