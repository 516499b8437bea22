/* tape_inflate.c: RFC 1951 from memory to memory. */
#include "formats/tape_inflate.h"

#include <string.h>

#define CODE_BITS_MAX 15
#define LITERALS 288 /* and lengths of matches, two of which there are only in the fixed code */
#define DISTANCES 32 /* likewise */
#define LENGTHS 19   /* what lengths of codes are written in */
#define END_OF_BLOCK 256

/* Bits of a code that one look-up decodes. */
#define LITERAL_BITS 10
#define LITERAL_BITS_MOST 12
#define DISTANCE_BITS 8
#define LENGTH_BITS 7

#define FEW_BYTES 4096 /* for which large tables do not pay off */

/*
 * What the next bits mean: how many of them it takes (bits 0 to 5), how many literals they are (6 and 7), and those
 * (from 8 on, the first in the lowest byte); or, where they are none, a value (8 to 29) and the kind.
 */
enum kind {
    COPIES,  /* a match: its length or distance at least (16 bits), and how many bits follow to be added */
    ENDS,    /* the end of the block */
    LONGER,  /* where in `longer` the codes are that begin so */
    INVALID, /* no code begins so */
};

/* Codes by the next `bits`; those that are longer by the bits that follow, as many entries for each two at most. */
struct table {
    unsigned bits;
    uint32_t *codes, *longer;
};
#define LONGER_ENTRIES(codes_max, table_bits) (((codes_max) / 2 + 1) << (CODE_BITS_MAX - (table_bits)))

struct tables {
    struct table literals, distances, lengths;
    uint32_t literal_codes[1 << LITERAL_BITS_MOST], longer_literals[LONGER_ENTRIES(LITERALS, LITERAL_BITS)];
    uint32_t distance_codes[1 << DISTANCE_BITS], longer_distances[LONGER_ENTRIES(DISTANCES, DISTANCE_BITS)];
    uint32_t length_codes[1 << LENGTH_BITS];
};

static inline uint32_t entry(unsigned bits, enum kind kind, uint32_t value)
{
    return bits | value << 8 | (uint32_t)kind << 30;
}
static inline uint32_t literals(unsigned bits, unsigned n, uint32_t bytes)
{
    return bits | n << 6 | bytes << 8;
}
static inline unsigned bits_of(uint32_t e)
{
    return e & 63;
}
static inline unsigned literals_of(uint32_t e)
{
    return e >> 6 & 3;
}
static inline uint32_t bytes_of(uint32_t e) /* of literals */
{
    return e >> 8;
}
static inline enum kind kind_of(uint32_t e) /* of no literals */
{
    return (enum kind)(e >> 30);
}
static inline uint32_t value_of(uint32_t e)
{
    return e << 2 >> 10;
}

/* RFC 1951, 3.2.5: lengths and distances, in steps that leave more and more bits to follow. */
static uint32_t copies(unsigned least, unsigned step, unsigned steps_per_bit)
{
    unsigned bits = step < 2 * steps_per_bit ? 0 : step / steps_per_bit - 1;
    unsigned from = step < 2 * steps_per_bit ? step : (steps_per_bit + step % steps_per_bit) << bits;
    return entry(0, COPIES, (least + from) | bits << 16);
}

static uint32_t literal_of(unsigned symbol)
{
    return symbol < END_OF_BLOCK    ? literals(0, 1, symbol)
           : symbol == END_OF_BLOCK ? entry(0, ENDS, 0)
           : symbol < 285           ? copies(3, symbol - 257, 4)
           : symbol == 285          ? entry(0, COPIES, 258)
                                    : entry(0, INVALID, 0);
}

static uint32_t distance_of(unsigned symbol)
{
    return symbol < 30 ? copies(1, symbol, 2) : entry(0, INVALID, 0);
}

static uint32_t length_of(unsigned symbol)
{
    return literals(0, 1, symbol);
}

/* ---- Bits */

/* Behind the end there are zeros: what looked at them is told by their number. */
struct bits {
    const uint8_t *p, *end;
    uint64_t next;
    unsigned n;     /* of `next`: so many at least */
    size_t missing; /* bytes read behind the end */
};

/* Makes at least 56 bits available. */
static inline void refill(struct bits *b)
{
    if (b->end - b->p >= 8) { /* what does not fit is read again the next time, to the same effect */
        b->next |= at_get_u64le(b->p) << b->n;
        b->p += (63 - b->n) / 8;
        b->n |= 56;
        return;
    }
    for (; b->n < 56; b->n += 8) {
        if (b->p < b->end)
            b->next |= (uint64_t)*b->p++ << b->n;
        else
            b->missing++;
    }
}

static inline void drop(struct bits *b, unsigned n)
{
    b->next >>= n;
    b->n -= n;
}

static inline unsigned take(struct bits *b, unsigned n)
{
    unsigned v = (unsigned)(b->next & ((UINT64_C(1) << n) - 1));
    drop(b, n);
    return v;
}

/* Goes on behind the byte that was begun. */
static void to_byte(struct bits *b)
{
    size_t unused = b->n / 8, zeros = unused < b->missing ? unused : b->missing;
    b->p -= unused - zeros;
    b->missing -= zeros;
    b->next = 0;
    b->n = 0;
}

/* ---- Codes */

/* The code of `n` bits as it comes: its first bit the lowest. */
static unsigned reversed(unsigned code, unsigned n)
{
    unsigned out = 0;
    for (; n; n--, code >>= 1)
        out = out << 1 | (code & 1);
    return out;
}

/* The symbols that have a code, by its length and then by number: order[begin[bits]] is the first of so many bits. */
static void sort_symbols(const uint8_t *lengths, unsigned n, unsigned begin[CODE_BITS_MAX + 2], uint16_t *order)
{
    unsigned at[CODE_BITS_MAX + 1];
    memset(begin, 0, (CODE_BITS_MAX + 2) * sizeof *begin);
    for (unsigned i = 0; i < n; i++)
        begin[lengths[i] + 1]++;
    begin[1] = 0;
    for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
        at[bits] = begin[bits];
        begin[bits + 1] += begin[bits];
    }
    for (unsigned i = 0; i < n; i++)
        if (lengths[i])
            order[at[lengths[i]]++] = (uint16_t)i;
}

/* A code that is longer than a look-up. */
static void add_longer(struct table *t, unsigned code, unsigned bits, uint32_t meaning, unsigned *used)
{
    const unsigned long_bits = CODE_BITS_MAX - t->bits;
    uint32_t *begin = &t->codes[code & ((1u << t->bits) - 1)];
    if (kind_of(*begin) == INVALID) {
        *begin = entry(t->bits, LONGER, *used);
        *used += 1u << long_bits;
    }
    for (unsigned i = code >> t->bits; i < 1u << long_bits; i += 1u << (bits - t->bits))
        t->longer[value_of(*begin) + i] = meaning | (bits - t->bits);
}

/*
 * Makes a table for codes of these lengths (RFC 1951, 3.2.2), with as many bits as it says. False: the codes are not
 * complete, or too many.
 */
static bool make_table(struct table *t, const uint8_t *lengths, unsigned n, uint32_t (*meaning)(unsigned))
{
    unsigned begin[CODE_BITS_MAX + 2], used = 0, code = 0;
    uint16_t order[LITERALS];
    sort_symbols(lengths, n, begin, order);
    t->codes[0] = entry(0, INVALID, 0);
    for (unsigned bits = 1; bits <= CODE_BITS_MAX; bits++) {
        const unsigned half = 1u << (bits - 1);
        code <<= 1;
        if (code + (begin[bits + 1] - begin[bits]) > 1u << bits)
            return false;
        if (bits <= t->bits) /* shorter codes have their place whatever the next bit is */
            memcpy(t->codes + half, t->codes, half * sizeof *t->codes);
        for (unsigned i = begin[bits]; i < begin[bits + 1]; i++, code++) {
            const unsigned comes = reversed(code, bits);
            if (bits <= t->bits)
                t->codes[comes] = meaning(order[i]) | bits;
            else
                add_longer(t, comes, bits, meaning(order[i]), &used);
        }
    }
    return code == 1u << CODE_BITS_MAX;
}

/*
 * Where another literal, or two, fit the bits of a look-up, it is all of them. From the end to the beginning: the entry
 * of the bits behind a literal has a lower number, and so still is one literal.
 */
static void join_literals(struct table *t)
{
    for (unsigned i = 1u << t->bits; i-- > 0;) {
        uint32_t e = t->codes[i];
        for (unsigned n = 1; n < 3 && literals_of(e) == n; n++) {
            uint32_t next = t->codes[i >> bits_of(e)];
            if (literals_of(next) == 1 && bits_of(e) + bits_of(next) <= t->bits)
                e = literals(bits_of(e) + bits_of(next), n + 1, bytes_of(e) | bytes_of(next) << 8 * n);
        }
        t->codes[i] = e;
    }
}

/* Bits of a look-up: so many that two literals often fit in, where there is much to be looked up. */
static unsigned literal_bits(const uint8_t *lengths, unsigned n, size_t left)
{
    unsigned shortest = CODE_BITS_MAX;
    for (unsigned i = 0; i < n; i++)
        shortest = lengths[i] && lengths[i] < shortest ? lengths[i] : shortest;
    return left < FEW_BYTES || 2 * shortest < LITERAL_BITS ? LITERAL_BITS : LITERAL_BITS_MOST;
}

/* The tables for a block of which `left` bytes may come. */
static bool make_tables(struct tables *t, const uint8_t *literals, unsigned n_literals, const uint8_t *distances,
                        unsigned n_distances, size_t left)
{
    t->literals.bits = literal_bits(literals, n_literals, left);
    if (!make_table(&t->literals, literals, n_literals, literal_of) ||
        !make_table(&t->distances, distances, n_distances, distance_of))
        return false;
    if (left >= FEW_BYTES)
        join_literals(&t->literals);
    return true;
}

/* RFC 1951, 3.2.7: the lengths of the codes of a block, in codes themselves. */
static bool read_lengths(const struct table *t, struct bits *b, uint8_t *lengths, unsigned n)
{
    const unsigned mask = (1u << t->bits) - 1;
    for (unsigned i = 0; i < n;) {
        refill(b);
        uint32_t e = t->codes[b->next & mask];
        unsigned what = bytes_of(e), times;
        drop(b, bits_of(e));
        if (what < 16) {
            lengths[i++] = (uint8_t)what;
            continue;
        }
        times = what == 16 ? 3 + take(b, 2) : what == 17 ? 3 + take(b, 3) : 11 + take(b, 7);
        if (times > n - i || (what == 16 && i == 0))
            return false;
        memset(lengths + i, what == 16 ? lengths[i - 1] : 0, times);
        i += times;
    }
    return true;
}

static bool read_tables(struct tables *t, struct bits *b, size_t left)
{
    static const uint8_t order[LENGTHS] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES] = {0}, code[LENGTHS] = {0};
    refill(b);
    unsigned n_literals = 257 + take(b, 5), n_distances = 1 + take(b, 5), n = 4 + take(b, 4);
    if (n_literals > 286 || n_distances > 30)
        return false;
    for (unsigned i = 0; i < n; i++) {
        refill(b);
        code[order[i]] = (uint8_t)take(b, 3);
    }
    return make_table(&t->lengths, code, LENGTHS, length_of) &&
           read_lengths(&t->lengths, b, lengths, n_literals + n_distances) &&
           make_tables(t, lengths, n_literals, lengths + n_literals, n_distances, left);
}

/* RFC 1951, 3.2.6. */
static bool make_fixed_tables(struct tables *t)
{
    uint8_t literals[LITERALS], distances[DISTANCES];
    memset(literals, 8, sizeof literals);
    memset(literals + 144, 9, 112);
    memset(literals + 256, 7, 24);
    memset(distances, 5, sizeof distances);
    return make_tables(t, literals, LITERALS, distances, DISTANCES, 0);
}

/* ---- Blocks */

struct out {
    uint8_t *begin, *at, *end;
};

/* A match: what was there `distance` bytes before, over again. */
static inline void copy(uint8_t *to, size_t distance, size_t len)
{
    const uint8_t *from = to - distance;
    uint8_t *const end = to + len;
    if (distance >= 8) {
        do { /* up to 7 bytes too many */
            memcpy(to, from, 8);
            to += 8;
            from += 8;
        } while (to < end);
    } else if (distance == 1) {
        memset(to, *from, len);
    } else {
        while (to < end)
            *to++ = *from++;
    }
}

/* What the code in the next bits means. */
static inline uint32_t decode(struct bits *b, const struct table *t)
{
    uint32_t e = t->codes[b->next & ((1u << t->bits) - 1)];
    if (!literals_of(e) && kind_of(e) == LONGER) {
        drop(b, t->bits);
        e = t->longer[value_of(e) + (b->next & ((1u << (CODE_BITS_MAX - t->bits)) - 1))];
    }
    drop(b, bits_of(e));
    return e;
}

/* A number: what the code means at least, and what the bits behind it add. */
static inline size_t add_bits(struct bits *b, uint32_t e)
{
    return (value_of(e) & 0xffff) + take(b, value_of(e) >> 16);
}

#define LOOKS 3 /* 3 look-ups and a longer code take 51 bits at most; and write 9 bytes, and one too many */

/* The literals and matches of a block whose tables were made. */
static bool inflate_codes(const struct tables *tables, struct bits *in, struct out *out)
{
    const uint32_t *const codes = tables->literals.codes;
    const unsigned mask = (1u << tables->literals.bits) - 1;
    struct bits b = *in; /* in registers */
    uint8_t *to = out->at;
    for (;;) {
        refill(&b);
        uint32_t e = codes[b.next & mask];
        for (int i = 0; i < LOOKS && literals_of(e); i++) {
            uint32_t bytes = bytes_of(e);
            memcpy(to, &bytes, sizeof bytes);
            to += literals_of(e);
            drop(&b, bits_of(e));
            e = codes[b.next & mask];
        }
        if (to > out->end)
            return false;
        if (literals_of(e))
            continue;
        e = decode(&b, &tables->literals);
        if (literals_of(e)) {
            *to++ = (uint8_t)bytes_of(e);
            continue;
        }
        if (kind_of(e) != COPIES) {
            *in = b;
            out->at = to;
            return kind_of(e) == ENDS;
        }
        refill(&b);
        size_t len = add_bits(&b, e);
        e = decode(&b, &tables->distances);
        size_t distance = add_bits(&b, e);
        if (kind_of(e) != COPIES || distance > (size_t)(to - out->begin) || len > (size_t)(out->end - to))
            return false;
        copy(to, distance, len);
        to += len;
    }
}

static bool inflate_stored(struct bits *b, struct out *out)
{
    to_byte(b);
    if (b->end - b->p < 4)
        return false;
    size_t len = at_get_u16le(b->p);
    if ((len ^ at_get_u16le(b->p + 2)) != 0xffff || len > (size_t)(b->end - b->p - 4) ||
        len > (size_t)(out->end - out->at))
        return false;
    memcpy(out->at, b->p + 4, len);
    out->at += len;
    b->p += 4 + len;
    return true;
}

static bool inflate_block(struct tables *t, struct bits *b, struct out *out, unsigned type)
{
    switch (type) {
    case 0:
        return inflate_stored(b, out);
    case 1:
        return make_fixed_tables(t) && inflate_codes(t, b, out);
    case 2:
        return read_tables(t, b, (size_t)(out->end - out->at)) && inflate_codes(t, b, out);
    default:
        return false;
    }
}

bool at_inflate_whole(const uint8_t *from, size_t len, uint8_t *to, size_t raw_len)
{
    struct bits b = {.p = from, .end = from + len};
    struct out out = {.begin = to, .at = to, .end = to + raw_len};
    struct tables t; /* most of it is not touched */
    t.literals = (struct table){LITERAL_BITS, t.literal_codes, t.longer_literals};
    t.distances = (struct table){DISTANCE_BITS, t.distance_codes, t.longer_distances};
    t.lengths = (struct table){LENGTH_BITS, t.length_codes, NULL};
    bool last, good;
    do {
        refill(&b);
        last = take(&b, 1);
        good = inflate_block(&t, &b, &out, take(&b, 2));
    } while (good && !last);
    to_byte(&b);
    return good && out.at == out.end && b.p == b.end && !b.missing;
}
