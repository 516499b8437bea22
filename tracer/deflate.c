/* deflate.c: RFC 1951. */
#include <stdlib.h>
#include <string.h>

#include "tracer/deflate.h"

#define LIT_BITS AT_DEFLATE_LIT_BITS
#define DIST_BITS AT_DEFLATE_DIST_BITS
#define PRE_BITS 7 /* of the code of code lengths: no longer than that */
#define CODE_MAX 15
#define LIT_SYMBOLS 288 /* literals, the end of a block, and lengths */
#define DIST_SYMBOLS 32
#define ROOM (4 + 258 + 8) /* four literals, the longest copy, and what copying in words writes behind it */
#define PAIR_BITS (CODE_MAX + 5 + CODE_MAX + 13) /* a length and a distance with their extra bits, at most */

/*
 * An entry of a table. Bits 0-7: how many bits it takes, with extra ones; 8-11: how many of them are the code. 16-31:
 * the literal, the base of the length or distance, the symbol, or where a second level starts. For the latter bits 8-11
 * are the number of bits that index it.
 */
enum { LITERAL = 1 << 12, END = 1 << 13, SECOND = 1 << 14, INVALID = 1 << 15 };

static uint32_t entry_value(uint32_t e)
{
    return e >> 16;
}

static unsigned entry_bits(uint32_t e)
{
    return e & 0xff;
}

static unsigned entry_code_bits(uint32_t e)
{
    return e >> 8 & 15;
}

static uint32_t make(uint32_t value, unsigned extra, unsigned kind)
{
    return value << 16 | kind | extra;
}

enum alphabet { LITERALS, DISTANCES, CODE_LENGTHS };

/* RFC 1951, sections 3.2.5 and 3.2.7: the entry of a symbol but for the length of its code. */
static inline uint32_t entry_of(enum alphabet alphabet, unsigned symbol)
{
    static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                           31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_extra[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                           2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[] = {1,    2,    3,    4,    5,    7,    9,    13,    17,    25,
                                             33,   49,   65,   97,   129,  193,  257,  385,   513,   769,
                                             1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    switch (alphabet) {
    case LITERALS:
        if (symbol < 256)
            return make(symbol, 0, LITERAL);
        if (symbol == 256)
            return make(0, 0, END);
        return symbol < 286 ? make(length_base[symbol - 257], length_extra[symbol - 257], 0) : make(0, 0, INVALID);
    case DISTANCES:
        return symbol < 30 ? make(distance_base[symbol], symbol < 4 ? 0 : symbol / 2 - 1, 0) : make(0, 0, INVALID);
    case CODE_LENGTHS:
        break;
    }
    return make(symbol, symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7, 0);
}

/* ---- Tables of codes (RFC 1951, section 3.2.2) */

struct code {
    const uint8_t *lengths;   /* of the codes of the symbols */
    unsigned n_symbols, bits; /* bits: of the first level */
    uint32_t *table;
    enum alphabet alphabet;
};

static uint32_t with_code(uint32_t entry, unsigned code_bits)
{
    return entry + (code_bits << 8) + code_bits;
}

/* Codes count up with their highest bit first, but are read with their lowest first: the next one, turned round. */
static inline uint32_t next_turned(uint32_t code, unsigned bits)
{
    uint32_t zeros = code ^ (((uint32_t)1 << bits) - 1);
    if (!zeros)
        return 0;
    uint32_t bit = (uint32_t)1 << (31 - __builtin_clz(zeros)); /* the highest: those above it are ones */
    return (code & (bit - 1)) | bit;
}

/* The codes that are longer than the first level has bits; `sorted` starts at the first symbol of them. */
static void build_second(const struct code *c, const uint16_t *sorted, const uint16_t *count, uint32_t code)
{
    uint32_t mask = ((uint32_t)1 << c->bits) - 1, prefix = UINT32_MAX;
    size_t start = 0, end = (size_t)1 << c->bits;
    for (unsigned len = c->bits + 1; len <= CODE_MAX; len++) {
        for (unsigned n = count[len]; n; n--) {
            if ((code & mask) != prefix) { /* as large as the codes with this prefix need */
                unsigned bits = len - c->bits;
                uint32_t used = n;
                while (used < (uint32_t)1 << bits && bits + c->bits < CODE_MAX)
                    used = (used << 1) + count[c->bits + ++bits];
                prefix = code & mask;
                start = end;
                end = start + ((size_t)1 << bits);
                c->table[prefix] = (uint32_t)start << 16 | SECOND | bits << 8;
            }
            uint32_t entry = with_code(entry_of(c->alphabet, *sorted++), len);
            for (size_t i = start + (code >> c->bits); i < end; i += (size_t)1 << (len - c->bits))
                c->table[i] = entry;
            code = next_turned(code, len);
        }
        /* The codes of the next length go on with a 0 behind: turned round, that is the same number. */
    }
}

/* A code that does not use all bit patterns: as zlib has it, one of one bit will do, and no distances at all. */
static bool build_partial(const struct code *c, const uint16_t *sorted, unsigned n_used, const uint16_t *count)
{
    uint32_t invalid = with_code(make(0, 0, INVALID), 1);
    bool one = n_used == 1 && count[1] == 1;
    if (c->alphabet == CODE_LENGTHS || (!one && n_used))
        return false;
    for (size_t i = 0; i < (size_t)1 << c->bits; i++)
        c->table[i] = one && !(i & 1) ? with_code(entry_of(c->alphabet, sorted[0]), 1) : invalid;
    return true;
}

/* The symbols that have a code, in their order; most have none. Returns how many. */
static unsigned find_used(const struct code *c, uint16_t used[LIT_SYMBOLS], uint16_t count[CODE_MAX + 1])
{
    unsigned n = 0, i = 0;
    while (i < c->n_symbols) {
        if (c->n_symbols - i >= 8 && at_get_u64le(c->lengths + i) == 0) {
            i += 8;
            continue;
        }
        for (unsigned end = i + 8 < c->n_symbols ? i + 8 : c->n_symbols; i < end; i++) {
            used[n] = (uint16_t)i;
            n += c->lengths[i] != 0;
            count[c->lengths[i]]++;
        }
    }
    return n;
}

/* False where the lengths are those of no code. */
static inline __attribute__((always_inline)) bool build(const struct code *c)
{
    uint16_t count[CODE_MAX + 1] = {0}, offset[CODE_MAX + 2], used[LIT_SYMBOLS + 8], sorted[LIT_SYMBOLS];
    uint32_t space = 0, code = 0;
    unsigned n_used = find_used(c, used, count);
    offset[1] = 0;
    for (unsigned len = 1; len <= CODE_MAX; len++) {
        offset[len + 1] = (uint16_t)(offset[len] + count[len]);
        space += (uint32_t)count[len] << (CODE_MAX - len);
    }
    for (unsigned i = 0; i < n_used; i++)
        sorted[offset[c->lengths[used[i]]]++] = used[i];
    if (space > (uint32_t)1 << CODE_MAX)
        return false;
    if (space < (uint32_t)1 << CODE_MAX)
        return build_partial(c, sorted, n_used, count);
    const uint16_t *symbol = sorted;
    /* The first level, for the codes of up to `len` bits; each longer length doubles it. */
    c->table[0] = 0;
    for (unsigned len = 1; len <= c->bits; len++) {
        size_t half = (size_t)1 << (len - 1);
        memcpy(c->table + half, c->table, half * sizeof *c->table);
        for (unsigned n = count[len]; n; n--) {
            c->table[code] = with_code(entry_of(c->alphabet, *symbol++), len);
            code = next_turned(code, len);
        }
    }
    if (code) /* not all is said yet */
        build_second(c, symbol, count, code);
    return true;
}

static bool build_tables(struct at_deflate *d)
{
    const struct code lit = {d->lengths, d->n_lit, LIT_BITS, d->own_lit, LITERALS};
    const struct code dist = {d->lengths + d->n_lit, d->n_dist, DIST_BITS, d->own_dist, DISTANCES};
    d->lit = d->own_lit;
    d->dist = d->own_dist;
    return build(&lit) && build(&dist);
}

/* RFC 1951, section 3.2.6. */
static void use_fixed(struct at_deflate *d)
{
    struct at_deflate_fixed *f = d->fixed;
    d->lit = f->lit;
    d->dist = f->dist;
    if (f->is_built)
        return;
    uint8_t lengths[LIT_SYMBOLS + DIST_SYMBOLS];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    memset(lengths + LIT_SYMBOLS, 5, DIST_SYMBOLS);
    const struct code lit = {lengths, LIT_SYMBOLS, LIT_BITS, f->lit, LITERALS};
    const struct code dist = {lengths + LIT_SYMBOLS, DIST_SYMBOLS, DIST_BITS, f->dist, DISTANCES};
    f->is_built = build(&lit) && build(&dist);
}

/* ---- Bits */

/* What one call works on. */
struct run {
    struct at_deflate *d;
    const uint8_t *in, *in_end;
    uint8_t *out; /* the start of the buffer */
    size_t at, end;
};

/*
 * Sees to it that `n` bits (56 at most) are there. False where the input does not have them; then all of it is taken.
 * Above n_bits may be bits that come again: or-ing them in twice changes nothing.
 */
static inline bool need(struct run *r, unsigned n)
{
    struct at_deflate *d = r->d;
    if (d->n_bits >= n)
        return true;
    if (r->in_end - r->in >= 8) {
        d->bits |= at_get_u64le(r->in) << d->n_bits;
        r->in += (63 - d->n_bits) >> 3;
        d->n_bits |= 56;
        return true;
    }
    while (d->n_bits < n) {
        if (r->in == r->in_end)
            return false;
        d->bits |= (uint64_t)*r->in++ << d->n_bits;
        d->n_bits += 8;
    }
    return true;
}

static inline uint32_t take(struct at_deflate *d, unsigned n)
{
    uint32_t v = (uint32_t)(d->bits & (((uint64_t)1 << n) - 1));
    d->bits >>= n;
    d->n_bits -= n;
    return v;
}

/* Gives back the bytes that were taken too early. */
static void give_back(struct run *r)
{
    struct at_deflate *d = r->d;
    r->in -= d->n_bits >> 3;
    d->n_bits &= 7;
    d->bits &= ((uint64_t)1 << d->n_bits) - 1;
}

static inline uint32_t look_up(const uint32_t *table, unsigned bits, uint64_t v)
{
    uint32_t e = table[v & (((uint64_t)1 << bits) - 1)];
    if (e & SECOND)
        e = table[entry_value(e) + (v >> bits & (((uint64_t)1 << entry_code_bits(e)) - 1))];
    return e;
}

/* The value of an entry with its extra bits, which lie in `v` behind the code. */
static inline uint32_t full_value(uint32_t e, uint64_t v)
{
    return entry_value(e) + (uint32_t)((v & (((uint64_t)1 << entry_bits(e)) - 1)) >> entry_code_bits(e));
}

/* ---- Copies */

/* `n` bytes from `distance` back; some of them may lie in the window. False where there are not so many. */
static bool copy_from_window(struct run *r, size_t distance, size_t n)
{
    const struct at_deflate *d = r->d;
    if (distance > r->at && distance - r->at > d->window_len)
        return false;
    while (n && distance > r->at) {
        size_t back = distance - r->at; /* from the newest byte of the window */
        size_t from = (d->window_at + d->window_bytes - back) % d->window_bytes;
        size_t some = back < n ? back : n;
        some = some < d->window_bytes - from ? some : d->window_bytes - from;
        memcpy(r->out + r->at, d->window + from, some);
        r->at += some;
        n -= some;
    }
    for (; n; n--, r->at++)
        r->out[r->at] = r->out[r->at - distance];
    return true;
}

/* The same with all of it in the buffer, and room for 8 bytes more behind. */
static inline void copy_near(uint8_t *to, size_t distance, size_t n)
{
    const uint8_t *from = to - distance;
    const uint8_t *end = to + n;
    if (distance >= 8) {
        do {
            memcpy(to, from, 8);
            to += 8;
            from += 8;
        } while (to < end);
    } else if (distance == 1) {
        memset(to, *from, n);
    } else {
        do
            *to++ = *from++;
        while (to < end);
    }
}

/* ---- Symbols */

enum step { STEP_ON, STEP_WAIT, STEP_FULL, STEP_BLOCK_END, STEP_BAD };

/* One symbol, or a length with its distance, from however few bits there are. */
static enum step slow_symbol(struct run *r)
{
    struct at_deflate *d = r->d;
    uint32_t e = look_up(d->lit, LIT_BITS, d->bits);
    while (entry_bits(e) > d->n_bits) {
        if (!need(r, d->n_bits + 1)) /* not all that this entry says: with one more bit it may be a shorter one */
            return STEP_WAIT;
        e = look_up(d->lit, LIT_BITS, d->bits);
    }
    if (e & INVALID)
        return STEP_BAD;
    if (e & END) {
        take(d, entry_bits(e));
        return STEP_BLOCK_END;
    }
    if (e & LITERAL) {
        if (r->at == r->end)
            return STEP_FULL;
        take(d, entry_bits(e));
        r->out[r->at++] = (uint8_t)entry_value(e);
        return STEP_ON;
    }
    unsigned used = entry_bits(e);
    uint32_t f = look_up(d->dist, DIST_BITS, d->bits >> used);
    while (used + entry_bits(f) > d->n_bits) {
        if (!need(r, d->n_bits + 1))
            return STEP_WAIT;
        f = look_up(d->dist, DIST_BITS, d->bits >> used);
    }
    if (f & INVALID)
        return STEP_BAD;
    size_t n = full_value(e, d->bits), distance = full_value(f, d->bits >> used);
    if (n > r->end - r->at) /* all or nothing: the caller makes more room */
        return STEP_FULL;
    take(d, used);
    take(d, entry_bits(f));
    return copy_from_window(r, distance, n) ? STEP_ON : STEP_BAD;
}

/* The state of fast_symbols, for the compiler to keep in registers. */
struct fast {
    uint64_t bits;
    unsigned n_bits;
    uint8_t *to;
};

static inline void drop_bits(struct fast *f, uint32_t e)
{
    f->bits >>= entry_bits(e);
    f->n_bits -= entry_bits(e);
}

/* A literal, if the next symbol is one. */
static inline bool fast_literal(const uint32_t *table, struct fast *f)
{
    uint32_t e = table[f->bits & ((1u << LIT_BITS) - 1)];
    if (!(e & LITERAL))
        return false;
    *f->to++ = (uint8_t)entry_value(e);
    drop_bits(f, e);
    return true;
}

/* While there are eight bytes of input and room for the longest copy: no checks in between. */
static enum step fast_symbols(struct run *r)
{
    const uint32_t *lit = r->d->lit, *dist = r->d->dist;
    struct fast f = {r->d->bits, r->d->n_bits, r->out + r->at};
    const uint8_t *in = r->in, *in_last = r->in_end - 8, *to_last = r->out + r->end - ROOM;
    enum step step = STEP_ON;
    while (in <= in_last && f.to <= to_last) {
        f.bits |= at_get_u64le(in) << f.n_bits;
        in += (63 - f.n_bits) >> 3;
        f.n_bits |= 56;
        if (fast_literal(lit, &f) && fast_literal(lit, &f) && fast_literal(lit, &f) && fast_literal(lit, &f))
            continue; /* of LIT_BITS at most, each */
        if (f.n_bits < PAIR_BITS)
            continue;
        uint32_t e = look_up(lit, LIT_BITS, f.bits);
        size_t n = full_value(e, f.bits);
        drop_bits(&f, e);
        if (e & LITERAL) { /* of a long code */
            *f.to++ = (uint8_t)entry_value(e);
            continue;
        }
        if (e & (END | INVALID)) {
            step = e & END ? STEP_BLOCK_END : STEP_BAD;
            break;
        }
        e = look_up(dist, DIST_BITS, f.bits);
        size_t distance = full_value(e, f.bits);
        drop_bits(&f, e);
        if (!(e & INVALID) && distance <= (size_t)(f.to - r->out)) {
            copy_near(f.to, distance, n);
            f.to += n;
            continue;
        }
        r->at = (size_t)(f.to - r->out);
        if (e & INVALID || !copy_from_window(r, distance, n)) {
            step = STEP_BAD;
            break;
        }
        f.to = r->out + r->at;
    }
    r->in = in;
    r->at = (size_t)(f.to - r->out);
    r->d->bits = f.bits;
    r->d->n_bits = f.n_bits;
    return step;
}

static enum step symbols(struct run *r)
{
    enum step step = STEP_ON;
    while (step == STEP_ON) {
        if (r->in_end - r->in >= 8 && r->end - r->at >= ROOM)
            step = fast_symbols(r);
        if (step == STEP_ON)
            step = slow_symbol(r);
    }
    return step;
}

/* ---- Blocks */

static enum step block_header(struct run *r)
{
    struct at_deflate *d = r->d;
    if (!need(r, 3))
        return STEP_WAIT;
    d->last_block = take(d, 1);
    switch (take(d, 2)) {
    case 0:
        take(d, d->n_bits & 7);
        d->state = AT_DEFLATE_STORED_LENGTH;
        return STEP_ON;
    case 1:
        d->state = AT_DEFLATE_SYMBOLS;
        use_fixed(d);
        return STEP_ON;
    case 2:
        d->state = AT_DEFLATE_COUNTS;
        return STEP_ON;
    default:
        return STEP_BAD;
    }
}

static enum step stored_length(struct run *r)
{
    struct at_deflate *d = r->d;
    if (!need(r, 32))
        return STEP_WAIT;
    uint32_t length = take(d, 16), inverse = take(d, 16);
    if (length != (inverse ^ 0xffff))
        return STEP_BAD;
    give_back(r);
    d->stored_bytes = length;
    d->state = AT_DEFLATE_STORED;
    return STEP_ON;
}

static enum step stored(struct run *r)
{
    struct at_deflate *d = r->d;
    size_t n = d->stored_bytes, room = r->end - r->at, there = (size_t)(r->in_end - r->in);
    n = n < room ? n : room;
    n = n < there ? n : there;
    memcpy(r->out + r->at, r->in, n);
    r->at += n;
    r->in += n;
    d->stored_bytes -= n;
    return d->stored_bytes == 0 ? STEP_BLOCK_END : r->in < r->in_end ? STEP_FULL : STEP_WAIT;
}

static enum step counts(struct run *r)
{
    struct at_deflate *d = r->d;
    if (!need(r, 14))
        return STEP_WAIT;
    d->n_lit = take(d, 5) + 257;
    d->n_dist = take(d, 5) + 1;
    d->n_lengths = take(d, 4) + 4;
    if (d->n_lit > 286 || d->n_dist > 30)
        return STEP_BAD;
    memset(d->lengths, 0, 19);
    d->at = 0;
    d->state = AT_DEFLATE_LENGTH_CODE;
    return STEP_ON;
}

static enum step length_code(struct run *r)
{
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    struct at_deflate *d = r->d;
    for (; d->at < d->n_lengths; d->at++) {
        if (!need(r, 3))
            return STEP_WAIT;
        d->lengths[order[d->at]] = (uint8_t)take(d, 3);
    }
    const struct code c = {d->lengths, 19, PRE_BITS, d->own_dist, CODE_LENGTHS};
    d->at = 0;
    d->state = AT_DEFLATE_LENGTHS;
    return build(&c) ? STEP_ON : STEP_BAD;
}

/* RFC 1951, section 3.2.7. The table of their code is where that of distances goes later. */
static enum step code_lengths(struct run *r)
{
    struct at_deflate *d = r->d;
    unsigned all = d->n_lit + d->n_dist;
    while (d->at < all) {
        uint32_t e = d->own_dist[d->bits & ((1u << PRE_BITS) - 1)];
        while (entry_bits(e) > d->n_bits) {
            if (!need(r, d->n_bits + 1))
                return STEP_WAIT;
            e = d->own_dist[d->bits & ((1u << PRE_BITS) - 1)];
        }
        unsigned symbol = entry_value(e), code_bits = entry_code_bits(e);
        unsigned more = take(d, entry_bits(e)) >> code_bits;
        if (symbol < 16) {
            d->lengths[d->at++] = (uint8_t)symbol;
            continue;
        }
        unsigned n = more + (symbol == 18 ? 11 : 3);
        if ((symbol == 16 && d->at == 0) || n > all - d->at)
            return STEP_BAD;
        memset(d->lengths + d->at, symbol == 16 ? d->lengths[d->at - 1] : 0, n);
        d->at += n;
    }
    if (d->lengths[256] == 0) /* a block without an end */
        return STEP_BAD;
    d->state = AT_DEFLATE_SYMBOLS;
    return build_tables(d) ? STEP_ON : STEP_BAD;
}

static enum step step_of(struct run *r)
{
    switch (r->d->state) {
    case AT_DEFLATE_BLOCK:
        return block_header(r);
    case AT_DEFLATE_STORED_LENGTH:
        return stored_length(r);
    case AT_DEFLATE_STORED:
        return stored(r);
    case AT_DEFLATE_COUNTS:
        return counts(r);
    case AT_DEFLATE_LENGTH_CODE:
        return length_code(r);
    case AT_DEFLATE_LENGTHS:
        return code_lengths(r);
    case AT_DEFLATE_SYMBOLS:
        break;
    }
    return symbols(r);
}

enum at_deflate_result at_deflate_run(struct at_deflate *d, struct at_str *in, uint8_t *out, size_t *at, size_t end)
{
    const uint8_t *bytes = (const uint8_t *)in->ptr;
    struct run r = {.d = d, .in = bytes, .in_end = bytes + in->len, .out = out, .at = *at, .end = end};
    enum step step = STEP_ON;
    while (step == STEP_ON) {
        step = step_of(&r);
        if (step == STEP_BLOCK_END) {
            d->state = AT_DEFLATE_BLOCK;
            step = d->last_block ? STEP_BLOCK_END : STEP_ON;
        }
    }
    if (step == STEP_BLOCK_END) { /* else what is held of the input belongs to what comes next */
        give_back(&r);
        d->bits = d->n_bits = 0;
    }
    in->ptr += r.in - bytes;
    in->len = (size_t)(r.in_end - r.in);
    *at = r.at;
    switch (step) {
    case STEP_BLOCK_END:
        return AT_DEFLATE_END;
    case STEP_FULL:
        return AT_DEFLATE_FULL;
    case STEP_WAIT:
        return AT_DEFLATE_MORE;
    case STEP_ON:
    case STEP_BAD:
        break;
    }
    return AT_DEFLATE_BAD;
}

/* ---- The window */

void at_deflate_restart(struct at_deflate *d)
{
    d->bits = d->n_bits = 0;
    d->state = AT_DEFLATE_BLOCK;
    d->last_block = false;
}

void at_deflate_reset(struct at_deflate *d)
{
    at_deflate_restart(d);
    d->window_at = d->window_len = 0;
}

bool at_deflate_is_between(const struct at_deflate *d)
{
    return d->state == AT_DEFLATE_BLOCK && d->n_bits == 0;
}

enum at_err at_deflate_keep(struct at_deflate *d, struct at_str bytes, size_t window_bytes)
{
    if (d->window_bytes != window_bytes) { /* of a decoder that is used again */
        free(d->window);
        d->window_at = d->window_len = d->window_bytes = 0;
        d->window = malloc(window_bytes);
        if (!d->window)
            return AT_NOMEM;
        d->window_bytes = window_bytes;
    }
    if (bytes.len > window_bytes) {
        bytes.ptr += bytes.len - window_bytes;
        bytes.len = window_bytes;
    }
    size_t first = window_bytes - d->window_at;
    first = first < bytes.len ? first : bytes.len;
    memcpy(d->window + d->window_at, bytes.ptr, first);
    memcpy(d->window, bytes.ptr + first, bytes.len - first);
    d->window_at = (d->window_at + bytes.len) % window_bytes;
    d->window_len = d->window_len + bytes.len < window_bytes ? d->window_len + bytes.len : window_bytes;
    return AT_OK;
}

void at_deflate_free(struct at_deflate *d)
{
    free(d->window);
    d->window = NULL;
}
