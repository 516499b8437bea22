/* Shares of the keys: the hash beside what ClickHouse's sipHash64 gives, ranges beside a division of big numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/formats.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* clickhouse-client -q "SELECT sipHash64('abc')", version 18.16 */
static void hashes_as_others_do(void **state)
{
    (void)state;
    assert_true(at_siphash(AT_STR("")) == 2202906307356721367u);
    assert_true(at_siphash(AT_STR("abc")) == 4596069200710135518u);
    assert_true(at_siphash(AT_STR("0123456789")) == 6354717125266245683u);
    assert_true(at_key_hash(AT_STR(""), AT_STR("")) == 10041351145189524877u); /* of one zero byte */
    assert_true(at_key_hash(AT_STR("wx8d1f0aa0b3c4e5f6"), AT_STR("oPLAYER0001")) == 11328172312735594360u);
}

/* Every hash is in one share, and in that range of a share that at_shard_range tells. */
static void every_hash_has_one_share(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 7, 8, 100, 65535, AT_SHARDS_MAX};
    uint64_t hash = 1;
    for (size_t c = 0; c < COUNT(counts); c++) {
        for (int i = 0; i < 2000; i++) {
            hash = i == 0 ? 0 : i == 1 ? UINT64_MAX : hash * 6364136223846793005u + 1442695040888963407u;
            uint32_t owners = 0;
            for (uint32_t n = 1; n <= counts[c] && n <= 200; n++) {
                uint64_t least, most;
                struct at_shard s = {n, counts[c]};
                at_shard_range(s, &least, &most);
                assert_int_equal(at_shard_has(s, hash), hash >= least && hash <= most);
                owners += at_shard_has(s, hash);
            }
            if (counts[c] <= 200)
                assert_int_equal(owners, 1);
        }
    }
}

/* The ranges lie side by side, and differ in length by little. */
static void ranges_cover_all(void **state)
{
    (void)state;
    for (uint32_t of = 1; of <= 70; of++) {
        uint64_t next = 0;
        for (uint32_t n = 1; n <= of; n++) {
            uint64_t least, most, whole = UINT64_MAX / of;
            at_shard_range((struct at_shard){n, of}, &least, &most);
            assert_true(least == next && most > least);
            uint64_t length = most - least, off = length > whole ? length - whole : whole - length;
            assert_true(off <= UINT64_C(1) << 33);
            next = most + 1;
        }
        assert_true(next == 0);
    }
}

static void reads_and_refuses(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "3",    "/8",   "3/",   "0/8",  "9/8",       "-1/8",
                                      "3/0", "3/8 ", " 3/8", "3/8x", "+3/8", "1/1000000", "3 /8"};
    struct at_shard s = {0};
    assert_true(at_shard_parse("3/8", &s));
    assert_int_equal(s.number, 3);
    assert_int_equal(s.of, 8);
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(at_shard_parse(bad[i], &s));
    assert_true(at_shard_has((struct at_shard){0}, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_others_do),
        cmocka_unit_test(every_hash_has_one_share),
        cmocka_unit_test(ranges_cover_all),
        cmocka_unit_test(reads_and_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
