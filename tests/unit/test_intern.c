/* Strings to numbers: order of first sight, many strings, views that stay, clearing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/formats.h"

static uint32_t add(struct at_intern *t, struct at_str s)
{
    uint32_t id = UINT32_MAX;
    assert_int_equal(at_intern_add(t, s, &id), AT_OK);
    return id;
}

static void numbers_by_first_sight(void **state)
{
    (void)state;
    struct at_intern *t = NULL;
    uint32_t id = 0;
    assert_int_equal(at_intern_new(&t), AT_OK);
    assert_false(at_intern_find(t, AT_STR("a"), &id));
    assert_null(at_intern_get(t, 0).ptr);
    assert_int_equal(add(t, AT_STR("a")), 0);
    assert_int_equal(add(t, AT_STR("")), 1);
    assert_int_equal(add(t, AT_STR("a\0b")), 2);
    assert_int_equal(add(t, AT_STR("a\0c")), 3);
    assert_int_equal(add(t, AT_STR("a")), 0);
    assert_int_equal(add(t, at_str(NULL)), 1); /* as empty */
    assert_int_equal(at_intern_count(t), 4);
    assert_true(at_intern_find(t, AT_STR("a\0c"), &id));
    assert_int_equal(id, 3);
    assert_false(at_intern_find(t, AT_STR("a\0d"), &id));
    assert_true(at_str_eq(at_intern_get(t, 2), AT_STR("a\0b")));
    assert_non_null(at_intern_get(t, 1).ptr); /* empty, not absent */
    assert_null(at_intern_get(t, 4).ptr);
    at_intern_free(&t);
    assert_null(t);
    at_intern_free(&t);
}

/* A string of its own for each number: lengths from 1 to some hundred bytes, a few longer than a chunk. */
static struct at_str nth(char *room, size_t room_bytes, uint32_t i)
{
    int n = snprintf(room, room_bytes, "%u", i);
    size_t len = i % 50000 == 49999 ? room_bytes : (size_t)n + i % 97;
    memset(room + n, 'x', len - (size_t)n);
    return (struct at_str){room, len};
}

static void many_strings(void **state)
{
    (void)state;
    enum { MANY = 200000 };
    static char room[100 * 1024];
    struct at_intern *t = NULL;
    assert_int_equal(at_intern_new(&t), AT_OK);
    const char *first = NULL;
    for (uint32_t i = 0; i < MANY; i++) {
        if (add(t, nth(room, sizeof room, i)) != i)
            fail_msg("%u is not new", i);
        first = i ? first : at_intern_get(t, 0).ptr;
    }
    assert_int_equal(at_intern_count(t), MANY);
    assert_ptr_equal(at_intern_get(t, 0).ptr, first); /* the bytes did not move */
    for (uint32_t i = 0; i < MANY; i++) {
        struct at_str s = nth(room, sizeof room, i);
        uint32_t id = 0;
        if (!at_intern_find(t, s, &id) || id != i || !at_str_eq(at_intern_get(t, i), s))
            fail_msg("%u is lost", i);
    }
    at_intern_free(&t);
}

static void cleared_tables_begin_anew(void **state)
{
    (void)state;
    struct at_intern *t = NULL;
    uint32_t id = 0;
    char room[200];
    assert_int_equal(at_intern_new(&t), AT_OK);
    at_intern_clear(t);
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 1000; i++)
            assert_int_equal(add(t, nth(room, sizeof room, i + (uint32_t)round)), i);
        at_intern_clear(t);
        assert_int_equal(at_intern_count(t), 0);
        assert_null(at_intern_get(t, 0).ptr);
        assert_false(at_intern_find(t, nth(room, sizeof room, 500), &id));
    }
    at_intern_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_by_first_sight),
        cmocka_unit_test(many_strings),
        cmocka_unit_test(cleared_tables_begin_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
