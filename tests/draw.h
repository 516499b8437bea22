/* draw.h: numbers by chance, the same for the same seed on every machine. For tests. */
#ifndef AUTHTAPE_TEST_DRAW_H
#define AUTHTAPE_TEST_DRAW_H

#include <stdint.h>

static uint64_t random_state; /* the seed to begin with */

/* splitmix64 */
static inline uint64_t draw(void)
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 to n - 1 */
static inline uint64_t below(uint64_t n)
{
    return draw() % n;
}

#endif
