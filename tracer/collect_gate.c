/* collect_gate.c: tokens, the handshake's key, rates. */
#include <stdlib.h>
#include <string.h>
#ifdef AT_MICROHTTPD
#include <nettle/base64.h>
#include <nettle/sha1.h>
#endif

#include "tracer/collect_gate.h"

/* ---- Tokens */

bool at_token_matches(struct at_str secret, struct at_str given)
{
    volatile uint8_t differ = (uint8_t)(secret.len != given.len);
    for (size_t i = 0; i < given.len; i++)
        differ |= (uint8_t)(given.ptr[i] ^ (secret.len ? secret.ptr[i % secret.len] : 1));
    return differ == 0 && given.len > 0;
}

struct at_str at_bearer_token(struct at_str authorization)
{
    static const char scheme[] = "bearer";
    size_t n = sizeof scheme - 1;
    if (authorization.len <= n || authorization.ptr[n] != ' ')
        return (struct at_str){0};
    for (size_t i = 0; i < n; i++)
        if ((authorization.ptr[i] | 0x20) != scheme[i])
            return (struct at_str){0};
    while (n < authorization.len && authorization.ptr[n] == ' ')
        n++;
    return (struct at_str){authorization.ptr + n, authorization.len - n};
}

struct at_str at_target_parameter(struct at_str target, struct at_str name)
{
    const char *p = target.len ? memchr(target.ptr, '?', target.len) : NULL, *end = target.ptr + target.len;
    while (p && ++p < end) {
        const char *next = memchr(p, '&', (size_t)(end - p)), *stop = next ? next : end;
        if ((size_t)(stop - p) > name.len && !memcmp(p, name.ptr, name.len) && p[name.len] == '=')
            return (struct at_str){p + name.len + 1, (size_t)(stop - p) - name.len - 1};
        p = next;
    }
    return (struct at_str){0};
}

void at_target_hide(char *target, struct at_str name)
{
    struct at_str value = at_target_parameter(at_str(target), name);
    if (value.len)
        memset(target + (value.ptr - target), '*', value.len);
}

/* ---- The handshake of a WebSocket */

#ifdef AT_MICROHTTPD

void at_ws_accept_key(struct at_str key, char out[29])
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455, section 1.3 */
    struct sha1_ctx context;
    uint8_t hash[SHA1_DIGEST_SIZE];
    sha1_init(&context);
    sha1_update(&context, key.len, (const uint8_t *)key.ptr);
    sha1_update(&context, sizeof suffix - 1, (const uint8_t *)suffix);
    sha1_digest(&context, sizeof hash, hash);
    base64_encode_raw(out, sizeof hash, hash);
    out[28] = 0;
}

bool at_ws_key_valid(struct at_str key)
{
    struct base64_decode_ctx context;
    uint8_t bytes[BASE64_DECODE_LENGTH(24)];
    size_t n = sizeof bytes;
    base64_decode_init(&context);
    return key.len == 24 && base64_decode_update(&context, &n, bytes, key.len, key.ptr) &&
           base64_decode_final(&context) && n == 16;
}

#endif

/* ---- Rates */

#define SETS 1024u
#define WAYS 4u

struct bucket {
    uint8_t address[16];
    int64_t last_us; /* 0: unused */
    double level;    /* units left; below zero: in debt */
};

struct at_rates {
    double per_us, burst;
    uint64_t seed;
    struct bucket buckets[SETS][WAYS];
};

enum at_err at_rates_new(uint32_t per_second, uint32_t burst, struct at_rates **out)
{
    struct at_rates *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return AT_NOMEM;
    r->per_us = per_second / 1e6;
    r->burst = burst;
    r->seed = (uint64_t)(uintptr_t)r; /* differs from run to run: nobody can aim at one set */
    return AT_OK;
}

void at_rates_free(struct at_rates **r)
{
    free(*r);
    *r = NULL;
}

/* The bucket of an address; a new one takes the place of the one that was silent for longest, which is the fullest. */
static struct bucket *bucket_of(struct at_rates *r, const uint8_t address[16], int64_t now_us)
{
    struct bucket *set = r->buckets[at_hash(address, 16, r->seed) % SETS], *oldest = set;
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].last_us && !memcmp(set[i].address, address, 16))
            return &set[i];
        if (set[i].last_us < oldest->last_us)
            oldest = &set[i];
    }
    memcpy(oldest->address, address, 16);
    oldest->last_us = now_us;
    oldest->level = r->burst;
    return oldest;
}

uint32_t at_rates_take(struct at_rates *r, const uint8_t address[16], uint32_t units, int64_t now_us)
{
    struct bucket *b = bucket_of(r, address, now_us);
    if (now_us > b->last_us)
        b->level += (double)(now_us - b->last_us) * r->per_us;
    b->last_us = now_us;
    if (b->level > r->burst)
        b->level = r->burst;
    if (b->level < 0) {
        double wait_s = -b->level / (r->per_us * 1e6);
        return wait_s < 3600 ? (uint32_t)wait_s + 1 : 3600;
    }
    b->level -= units;
    return 0;
}
