/* quantile.c: exact values while there are few, buckets of constant relative width when there are many. */
#include "analysis/quantile.h"

#include <math.h>
#include <stdlib.h>

#define SUB_BITS 8 /* log2(QUANTILE_BUCKETS) */

struct bucket {
    unsigned octave, slot;
};

/* Values under 256 have a bucket each; of larger ones the leading bit gives the octave, the next 8 bits the slot. */
static struct bucket bucket_of(uint64_t value)
{
    if (value < QUANTILE_BUCKETS)
        return (struct bucket){0, (unsigned)value};
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    return (struct bucket){top - SUB_BITS + 1, (unsigned)(value >> (top - SUB_BITS)) & (QUANTILE_BUCKETS - 1)};
}

/* The middle of a bucket. */
static uint64_t bucket_value(struct bucket b)
{
    if (b.octave == 0)
        return b.slot;
    uint64_t low = ((uint64_t)QUANTILE_BUCKETS + b.slot) << (b.octave - 1);
    return low + (((uint64_t)1 << (b.octave - 1)) >> 1);
}

static enum at_err add_to_bucket(struct quantiles *q, struct bucket b, uint64_t count)
{
    if (!q->octaves)
        q->octaves = calloc(QUANTILE_OCTAVES, sizeof *q->octaves);
    if (!q->octaves)
        return AT_NOMEM;
    if (!q->octaves[b.octave]) {
        q->octaves[b.octave] = calloc(QUANTILE_BUCKETS, sizeof **q->octaves);
        if (!q->octaves[b.octave])
            return AT_NOMEM;
    }
    q->octaves[b.octave][b.slot] += count;
    return AT_OK;
}

/* Moves the exact values into buckets. */
static enum at_err spill(struct quantiles *q)
{
    for (uint64_t i = 0; i < q->n; i++) {
        enum at_err err = add_to_bucket(q, bucket_of(q->exact[i]), 1);
        if (err)
            return err;
    }
    free(q->exact);
    q->exact = NULL;
    return AT_OK;
}

enum at_err quantiles_add(struct quantiles *q, uint64_t value)
{
    enum at_err err = AT_OK;
    if (q->n == QUANTILE_EXACT && q->exact)
        err = spill(q);
    if (err)
        return err;
    if (q->n >= QUANTILE_EXACT || q->octaves) {
        err = add_to_bucket(q, bucket_of(value), 1);
    } else {
        if ((q->n & (q->n - 1)) == 0) { /* full: room is a power of two */
            uint64_t *more = realloc(q->exact, (q->n ? q->n * 2 : 1) * sizeof *more);
            if (!more)
                return AT_NOMEM;
            q->exact = more;
        }
        q->exact[q->n] = value;
    }
    if (!err)
        q->n++;
    return err;
}

enum at_err quantiles_add_bucket(struct quantiles *q, unsigned octave, unsigned slot, uint64_t count)
{
    enum at_err err = q->exact ? spill(q) : AT_OK;
    if (!err)
        err = add_to_bucket(q, (struct bucket){octave, slot}, count);
    if (!err)
        q->n += count;
    return err;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void quantiles_seal(struct quantiles *q)
{
    if (q->exact)
        qsort(q->exact, (size_t)q->n, sizeof *q->exact, by_value);
}

uint64_t quantiles_get(const struct quantiles *q, double part)
{
    double wanted = ceil(part * (double)q->n * (1 - 1e-12)); /* 0.07 * 20000 is a little more than 1400 */
    uint64_t rank = wanted < 1 ? 1 : wanted > (double)q->n ? q->n : (uint64_t)wanted;
    if (q->exact)
        return q->exact[rank - 1];
    for (unsigned o = 0; q->octaves && o < QUANTILE_OCTAVES; o++) {
        for (unsigned s = 0; q->octaves[o] && s < QUANTILE_BUCKETS; s++) {
            uint64_t here = q->octaves[o][s];
            if (rank <= here)
                return bucket_value((struct bucket){o, s});
            rank -= here;
        }
    }
    return 0;
}

void quantiles_free(struct quantiles *q)
{
    for (unsigned o = 0; q->octaves && o < QUANTILE_OCTAVES; o++)
        free(q->octaves[o]);
    free(q->octaves);
    free(q->exact);
    *q = (struct quantiles){0};
}
