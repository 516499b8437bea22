/* Times as text and back, beside the C library's calendar and RFC 3339. */
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
#define S INT64_C(1000000)
#define DAY (86400 * S)

static void as_text(void **state)
{
    (void)state;
    static const struct {
        int64_t t_us;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {1, "1970-01-01T00:00:00.000001Z"},
        {-1, "1969-12-31T23:59:59.999999Z"},
        {-S, "1969-12-31T23:59:59.000000Z"},
        {951782400 * S, "2000-02-29T00:00:00.000000Z"},
        {1234567890 * S + 123456, "2009-02-13T23:31:30.123456Z"}, /* date -ud @1234567890 */
        {-719162 * DAY, "0001-01-01T00:00:00.000000Z"},
        {INT64_MAX, "294247-01-10T04:00:54.775807Z"},
        {INT64_MIN, "-290308-12-21T19:59:05.224192Z"},
    };
    char text[40];
    for (size_t i = 0; i < COUNT(cases); i++) {
        at_time_text(cases[i].t_us, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void from_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t t_us;
    } cases[] = {
        /* RFC 3339, section 5.8 */
        {"1985-04-12T23:20:50.52Z", 482196050 * S + 520000},
        {"1996-12-19T16:39:57-08:00", 851042397 * S},
        {"1996-12-20T00:39:57Z", 851042397 * S},
        {"1990-12-31T23:59:60Z", 662688000 * S}, /* the leap second counts as the second after it */
        {"1990-12-31T15:59:60-08:00", 662688000 * S},
        {"1937-01-01T12:00:27.87+00:20", -1041337172 * S - 130000},
        /* its grammar: letters of either case, any number of digits of a fraction */
        {"1970-01-01t00:00:01z", S},
        {"1970-01-01 00:00:01Z", S},
        {"1970-01-01T00:00:00.1234567890123456789012345678901234567890Z", 123456},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01T00:00:00+23:59", -(23 * 3600 + 59 * 60) * S},
        /* what is allowed beyond it */
        {"1970-01-02", DAY},
        {"1970-01-01T00:01", 60 * S},
        {"1970-01-01T00:01+00:01", 0},
        {"1970-01-01T00:00:01.5", S + S / 2},
        {"0001-01-01", -719162 * DAY},
        {"9999-12-31T23:59:59.999999Z", 253402300799 * S + 999999},
        /* microseconds */
        {"0", 0},
        {"-1", -1},
        {"2026", 2026},
        {"9223372036854775807", INT64_MAX},
        {"-9223372036854775808", INT64_MIN},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t t_us = 4711;
        if (at_time_parse(cases[i].text, &t_us) || t_us != cases[i].t_us)
            fail_msg("%s: %lld", cases[i].text, (long long)t_us);
    }
}

static void what_is_no_time(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        " ",
        "-",
        "--1",
        "+1",
        "1.5",
        "1e6",
        "0x10",
        " 1",
        "1 ",
        "now",
        "9223372036854775808",
        "-9223372036854775809",
        "1970-1-1",
        "1970-01",
        "1970-01-",
        "1970-00-01",
        "1970-13-01",
        "1970-01-00",
        "1970-01-32",
        "1970-04-31",
        "1970-02-29",
        "1900-02-29",
        "2023-02-29",
        "01970-01-01",
        "1970/01/01",
        "1970-01-01T",
        "1970-01-01T00",
        "1970-01-01T00:",
        "1970-01-01T00:00:",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "1970-01-01T00:00:61Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00+",
        "1970-01-01T00:00:00+00",
        "1970-01-01T00:00:00+0000",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00 Z",
        "1970-01-01Z",
        "1970-01-01T-1:00:00Z",
        "1970-01-01T00:00:00Z ",
        "-970-01-01",
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        int64_t t_us = 0;
        if (at_time_parse(cases[i], &t_us) != AT_BAD)
            fail_msg("'%s' is taken for %lld", cases[i], (long long)t_us);
    }
    int64_t t_us = 0;
    assert_int_equal(at_time_parse("2000-02-29", &t_us), AT_OK);
    assert_int_equal(at_time_parse("2024-02-29", &t_us), AT_OK);
}

/* Every day of years 1 to 9999 is one day after the one before it. */
static void every_day(void **state)
{
    (void)state;
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t expected = -719162 * DAY;
    for (int year = 1; year <= 9999; year++)
        for (int month = 1; month <= 12; month++) {
            bool leap = year % 4 == 0 && (year % 100 || year % 400 == 0);
            for (int day = 1; day <= days[month - 1] + (month == 2 && leap); day++, expected += DAY) {
                char text[64], back[40];
                int64_t t_us = 0;
                snprintf(text, sizeof text, "%04d-%02d-%02dT00:00:00.000000Z", year, month, day);
                if (at_time_parse(text, &t_us) || t_us != expected)
                    fail_msg("%s: %lld", text, (long long)t_us);
                at_time_text(t_us, back);
                if (strcmp(text, back))
                    fail_msg("%s: %s", text, back);
            }
        }
}

static void text_is_read_back(void **state)
{
    (void)state;
    uint64_t random = 1;
    for (int i = 0; i < 100000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t t_us = (int64_t)(random >> 11) % (253402300800 * S), back = -1; /* to the end of 9999 */
        char text[40];
        at_time_text(t_us, text);
        if (at_time_parse(text, &back) || back != t_us)
            fail_msg("%s", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_text),   cmocka_unit_test(from_text),         cmocka_unit_test(what_is_no_time),
        cmocka_unit_test(every_day), cmocka_unit_test(text_is_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
