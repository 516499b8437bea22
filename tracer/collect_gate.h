/* collect_gate.h: who may send what to the collector, and how much (private to the tracer). Pure. */
#ifndef AUTHTAPE_COLLECT_GATE_H
#define AUTHTAPE_COLLECT_GATE_H

#include "tracer/tracer.h"

/* True if they are equal. The time that it takes tells nothing about where they differ. */
bool at_token_matches(struct at_str secret, struct at_str given);
/* The credentials of "Bearer …" (RFC 6750, section 2.1); absent where it is something else. */
struct at_str at_bearer_token(struct at_str authorization);
/* The value of the first parameter `name` of a request target, as it is written; absent where there is none. */
struct at_str at_target_parameter(struct at_str target, struct at_str name);

/* Writes stars over that value. */
void at_target_hide(char *target, struct at_str name);

/* Only in a build with libmicrohttpd. The value of Sec-WebSocket-Accept for a key (RFC 6455, section 4.2.2). `out` holds 29 bytes. */
void at_ws_accept_key(struct at_str key, char out[29]);
/* True for a key of 16 bytes in base64. */
bool at_ws_key_valid(struct at_str key);

/* How much each address has sent lately: a bucket of tokens for each of those seen last. */
struct at_rates;
/* `per_second` units, and `burst` of them at once. */
AT_MUST_USE enum at_err at_rates_new(uint32_t per_second, uint32_t burst, struct at_rates **out);
void at_rates_free(struct at_rates **r);
/* Takes `units` from an address' bucket, which may go into debt once. 0: it is allowed; else the seconds to wait. */
uint32_t at_rates_take(struct at_rates *r, const uint8_t address[16], uint32_t units, int64_t now_us);

#endif
