/*
 * shard.c: shares of the keys. The hash is SipHash-2-4 (Aumasson and Bernstein, 2012) with a key of zeros: it is what
 * ClickHouse calls sipHash64, so that a database and a tape agree on who is in which share.
 */
#include <stdlib.h>

#include "formats/formats.h"

struct sip {
    uint64_t v0, v1, v2, v3;
    uint64_t word; /* bytes not yet taken in, the first lowest */
    uint64_t len;  /* of all */
};

static inline uint64_t turn(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = turn(s->v1, 13) ^ s->v0;
    s->v3 = turn(s->v3, 16) ^ s->v2;
    s->v0 = turn(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = turn(s->v1, 17) ^ s->v2;
    s->v3 = turn(s->v3, 21) ^ s->v0;
    s->v2 = turn(s->v2, 32);
}

static inline void sip_word(struct sip *s)
{
    s->v3 ^= s->word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= s->word;
    s->word = 0;
}

static void sip_add(struct sip *s, struct at_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        s->word |= (uint64_t)(uint8_t)bytes.ptr[i] << (8 * (s->len & 7));
        if ((++s->len & 7) == 0)
            sip_word(s);
    }
}

static uint64_t sip_end(struct sip *s)
{
    s->word |= s->len << 56;
    sip_word(s);
    s->v2 ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static struct sip sip_begin(void)
{
    return (struct sip){
        .v0 = 0x736f6d6570736575u, .v1 = 0x646f72616e646f6du, .v2 = 0x6c7967656e657261u, .v3 = 0x7465646279746573u};
}

uint64_t at_siphash(struct at_str bytes)
{
    struct sip s = sip_begin();
    sip_add(&s, bytes);
    return sip_end(&s);
}

uint64_t at_key_hash(struct at_str app, struct at_str user)
{
    struct sip s = sip_begin();
    sip_add(&s, app);
    sip_add(&s, (struct at_str){"", 1});
    sip_add(&s, user);
    return sip_end(&s);
}

bool at_shard_has(struct at_shard shard, uint64_t key_hash)
{
    return !shard.of || (key_hash >> 32) * shard.of >> 32 == shard.number - 1;
}

void at_shard_range(struct at_shard shard, uint64_t *least, uint64_t *most)
{
    const uint64_t of = shard.of ? shard.of : 1, i = shard.of ? shard.number - 1 : 0;
    *least = ((i << 32) + of - 1) / of << 32;
    *most = i + 1 == of ? UINT64_MAX : ((((i + 1) << 32) + of - 1) / of << 32) - 1;
}

bool at_shard_parse(const char *text, struct at_shard *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    unsigned long number = strtoul(text, &end, 10);
    if (*end != '/' || end[1] < '0' || end[1] > '9')
        return false;
    unsigned long of = strtoul(end + 1, &end, 10);
    if (*end || number < 1 || number > of || of > AT_SHARDS_MAX)
        return false;
    *out = (struct at_shard){.number = (uint32_t)number, .of = (uint32_t)of};
    return true;
}
