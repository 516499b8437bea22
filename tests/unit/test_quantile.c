/* Quantiles: exact by nearest rank while there are few values, within the stated error when there are many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "analysis/quantile.h"

static void few_are_exact(void **state)
{
    (void)state;
    struct quantiles q = {0};
    for (uint64_t i = 100; i > 0; i--)
        assert_int_equal(quantiles_add(&q, i * 1000), AT_OK);
    quantiles_seal(&q);
    assert_int_equal(quantiles_get(&q, 0.5), 50000);
    assert_int_equal(quantiles_get(&q, 0.9), 90000);
    assert_int_equal(quantiles_get(&q, 0.99), 99000);
    assert_int_equal(quantiles_get(&q, 0), 1000);
    assert_int_equal(quantiles_get(&q, 1), 100000);
    quantiles_free(&q);
}

static uint64_t step(uint64_t *x)
{
    *x = *x * UINT64_C(6364136223846793005) + 1442695040888963407;
    return *x >> 33;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

#define MANY 20000

/* Values over twelve orders of magnitude, against sorting them. */
static void many_are_near(void **state)
{
    (void)state;
    uint64_t *all = calloc(MANY, sizeof *all), seed = 7;
    struct quantiles q = {0};
    assert_non_null(all);
    for (size_t i = 0; i < MANY; i++) {
        all[i] = step(&seed) >> (step(&seed) % 31) << (step(&seed) % 10);
        assert_int_equal(quantiles_add(&q, all[i]), AT_OK);
    }
    quantiles_seal(&q);
    qsort(all, MANY, sizeof *all, by_value);
    for (int percent = 1; percent <= 100; percent++) {
        uint64_t exact = all[(size_t)percent * MANY / 100 - 1], got = quantiles_get(&q, percent / 100.0);
        uint64_t off = exact > got ? exact - got : got - exact;
        if (off * 512 > exact + 511)
            fail_msg("p%d: %llu instead of %llu", percent, (unsigned long long)got, (unsigned long long)exact);
    }
    quantiles_free(&q);
    free(all);
}

static void the_largest_value(void **state)
{
    (void)state;
    struct quantiles q = {0};
    for (size_t i = 0; i <= QUANTILE_EXACT; i++)
        assert_int_equal(quantiles_add(&q, UINT64_MAX), AT_OK);
    assert_null(q.exact);
    assert_true(quantiles_get(&q, 0.5) > UINT64_MAX - UINT64_MAX / 256);
    quantiles_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_are_exact),
        cmocka_unit_test(many_are_near),
        cmocka_unit_test(the_largest_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
