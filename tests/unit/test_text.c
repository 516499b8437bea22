/* How strings from outside look: columns on a terminal, characters that are not let through, tables that fit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/print.h"
#include "analysis/table.h"

static void widths(void **state)
{
    (void)state;
    assert_int_equal(text_width(AT_STR("")), 0);
    assert_int_equal(text_width(AT_STR("abc")), 3);
    assert_int_equal(text_width(AT_STR("权限")), 4);
    assert_int_equal(text_width(AT_STR("e\xcc\x81")), 1);
    assert_int_equal(text_width(AT_STR("📦")), 2);
    assert_int_equal(text_width(AT_STR("\xff")), 1);
}

static void check_safe(struct at_str in, const char *out)
{
    struct at_buf b = {0};
    assert_int_equal(text_safe(&b, in), AT_OK);
    assert_true(at_str_eq(at_buf_view(&b), at_str(out)));
    at_buf_free(&b);
}

static void what_is_not_let_through(void **state)
{
    (void)state;
    check_safe(AT_STR("scope.record 权限"), "scope.record 权限");
    check_safe(AT_STR("a\x1b[2Jb\n"), "a\\u{1b}[2Jb\\u{a}");
    check_safe(AT_STR("\xe2\x80\xaetxt"), "\\u{202e}txt");
    check_safe(AT_STR("\xc2\x9b"), "\\u{9b}");
    check_safe(AT_STR("\xc3"), "\xef\xbf\xbd");
}

static void tables_fit(void **state)
{
    (void)state;
    struct table t = {.n_columns = 2, .right = {false, true}};
    struct at_buf out = {0};
    assert_int_equal(table_str(&t, AT_STR("name")), AT_OK);
    assert_int_equal(table_str(&t, AT_STR("n")), AT_OK);
    assert_int_equal(table_str(&t, AT_STR("一二三四五六七八九十")), AT_OK);
    assert_int_equal(table_printf(&t, "%d", 12), AT_OK);
    assert_int_equal(table_print(&t, 0, false, &out), AT_OK);
    assert_true(at_str_eq(at_buf_view(&out), AT_STR("name                   n\n一二三四五六七八九十  12\n")));
    out.len = 0;
    assert_int_equal(table_print(&t, 17, false, &out), AT_OK);
    assert_true(at_str_eq(at_buf_view(&out), AT_STR("name            n\n一二三四五六…  12\n")));
    at_buf_free(&out);
    table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths),
        cmocka_unit_test(what_is_not_let_through),
        cmocka_unit_test(tables_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
