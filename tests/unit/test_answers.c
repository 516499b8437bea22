/* What replay remembers of answered calls, against a plain list of all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/private.h"

#define IDS 2000u

static uint64_t random_state;

static uint64_t below(uint64_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (random_state >> 33) % n;
}

/* Id number `i`: most count, some behind a prefix, some with leading zeros, some not at all. */
static struct at_str id_of(unsigned i, unsigned form, char *room, size_t size)
{
    static const char *const before[] = {"", "call-", "0", "", "s."}, *const after[] = {"", "", "", "-end", ".x"};
    int len = snprintf(room, size, "%s%u%s", before[form], i, after[form]);
    return (struct at_str){room, (size_t)len};
}

/* So many calls are open at a time; `lost` of a hundred are never answered. */
static void answer_all(unsigned form, unsigned open, unsigned lost)
{
    struct answered a = {0};
    unsigned calls[64], n_open = 0, next = 1;
    bool answered[IDS] = {false};
    char room[64];
    while (next < IDS || n_open) {
        if (next < IDS && n_open < open) {
            calls[n_open++] = next++;
            continue;
        }
        unsigned at = (unsigned)below(n_open), i = calls[at];
        calls[at] = calls[--n_open];
        if (below(100) < lost)
            continue;
        struct at_str id = id_of(i, form, room, sizeof room);
        assert_false(was_answered(&a, id, id_hash(id)));
        assert_int_equal(remember_answer(&a, id, id_hash(id)), AT_OK);
        answered[i] = true;
        if (below(10) == 0)
            assert_int_equal(remember_answer(&a, id, id_hash(id)), AT_OK); /* once more changes nothing */
    }
    for (unsigned i = 1; i < IDS; i++) {
        struct at_str id = id_of(i, form, room, sizeof room);
        assert_int_equal(was_answered(&a, id, id_hash(id)), answered[i]);
        id = id_of(i, (form + 1) % 5, room, sizeof room);
        assert_false(was_answered(&a, id, id_hash(id)));
    }
    answered_free(&a);
}

static void all_that_was_answered_is_known(void **state)
{
    (void)state;
    for (unsigned form = 0; form < 5; form++)
        for (unsigned open = 1; open <= 64; open *= 2)
            for (unsigned lost = 0; lost < 40; lost += 13) {
                random_state = form * 1000 + open * 10 + lost;
                answer_all(form, open, lost);
            }
}

static void short_ids_have_hashes_of_their_own(void **state)
{
    char a[8], b[8];
    (void)state;
    random_state = 7;
    for (unsigned i = 0; i < 200000; i++) {
        struct at_str x = {a, 1 + below(SHORT_ID)}, y = {b, 1 + below(SHORT_ID)};
        for (size_t k = 0; k < sizeof a; k++) {
            a[k] = (char)('0' + below(2));
            b[k] = (char)('0' + below(2));
        }
        assert_int_equal(id_hash(x) == id_hash(y), at_str_eq(x, y));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_that_was_answered_is_known),
                                       cmocka_unit_test(short_ids_have_hashes_of_their_own)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
