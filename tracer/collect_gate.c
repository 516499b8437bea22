/* collect_gate.c: tokens, the handshake's key, rates. */
#include <stdlib.h>
#include <string.h>

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

/* ---- The handshake: SHA-1 (RFC 3174) and base64 (RFC 4648) of one short text */

static uint32_t rotl(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static void sha1_block(uint32_t h[5], const uint8_t *p)
{
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (unsigned i = 0; i < 16; i++)
        w[i] = at_get_u32be(p + 4 * i);
    for (unsigned i = 16; i < 80; i++)
        w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (unsigned i = 0; i < 80; i++) {
        static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
        uint32_t f = i < 20 ? (b & c) | (~b & d) : i >= 40 && i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        uint32_t t = rotl(a, 5) + f + e + k[i / 20] + w[i];
        e = d;
        d = c;
        c = rotl(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

#define SHORT_TEXT 119 /* two blocks with their padding */

static void sha1_short(const uint8_t *text, size_t len, uint8_t out[20])
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t blocks[128] = {0};
    size_t n = len < 56 ? 64 : 128;
    memcpy(blocks, text, len);
    blocks[len] = 0x80;
    blocks[n - 2] = (uint8_t)(len * 8 >> 8);
    blocks[n - 1] = (uint8_t)(len * 8);
    for (size_t i = 0; i < n; i += 64)
        sha1_block(h, blocks + i);
    for (unsigned i = 0; i < 20; i++)
        out[i] = (uint8_t)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void at_ws_accept_key(struct at_str key, char out[29])
{
    static const char suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[SHORT_TEXT], hash[21] = {0};
    size_t n = key.len < 64 ? key.len : 64;
    memcpy(text, key.ptr, n);
    memcpy(text + n, suffix, sizeof suffix - 1);
    sha1_short(text, n + sizeof suffix - 1, hash);
    for (unsigned i = 0; i < 28; i++) {
        unsigned bit = 6 * i, pair = (unsigned)hash[bit / 8] << 8 | (bit / 8 < 20 ? hash[bit / 8 + 1] : 0u);
        out[i] = base64[pair >> (10 - bit % 8) & 63];
    }
    out[27] = '='; /* 20 bytes are 26 2/3 digits */
    out[28] = 0;
}

bool at_ws_key_valid(struct at_str key)
{
    if (key.len != 24 || key.ptr[22] != '=' || key.ptr[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++)
        if (!memchr(base64, key.ptr[i], 64))
            return false;
    return true;
}

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
