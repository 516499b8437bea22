/* quantile.h: quantiles of many values in bounded memory, which can be added up. Private to analysis. */
#ifndef AUTHTAPE_QUANTILE_H
#define AUTHTAPE_QUANTILE_H

#include "formats/formats.h"

/*
 * Up to QUANTILE_EXACT values are kept as they are: quantiles are exact then. More go into buckets, 256 for each
 * doubling of the value: a quantile is then at most 1/512 (0.2 %) off. Which of the two it is depends on the number of
 * values alone, so the sum of parts equals the whole.
 */
#define QUANTILE_EXACT 4096
#define QUANTILE_OCTAVES 57
#define QUANTILE_BUCKETS 256

struct quantiles {
    uint64_t n;
    uint64_t *exact;    /* n of them while n ≤ QUANTILE_EXACT, NULL after */
    uint64_t **octaves; /* QUANTILE_OCTAVES, of QUANTILE_BUCKETS counts each; NULL: all zero */
};

AT_MUST_USE enum at_err quantiles_add(struct quantiles *q, uint64_t value);
/* `count` values of a bucket, as a part of a sum hands them on: the values are in buckets from then on. The part must
 * have had more than QUANTILE_EXACT values. */
AT_MUST_USE enum at_err quantiles_add_bucket(struct quantiles *q, unsigned octave, unsigned slot, uint64_t count);
/* To be called when all values are in, before quantiles_get. */
void quantiles_seal(struct quantiles *q);
/* The value at `part` (0…1) by nearest rank; q->n must not be 0. */
uint64_t quantiles_get(const struct quantiles *q, double part);
void quantiles_free(struct quantiles *q);

#endif
