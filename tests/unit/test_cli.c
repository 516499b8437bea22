/* test_cli.c: the command line that all subcommands share. What it prints is checked in tests/cli. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/formats.h"

enum { OPT_WRITE = 1, OPT_STRICT, OPT_PORT };
static const struct at_option options[] = {
    {"write", 'w', "FILE", OPT_WRITE, "write to FILE"},
    {"strict", 0, NULL, OPT_STRICT, "be strict"},
    {"port", 'P', "N", OPT_PORT, "a port"},
    {0},
};
static const struct at_command command = {
    .name = "test", .summary = "a test", .usage = "TAPE", .options = options, .confines_itself = true};

/* A command line to walk; the words are writable, as those of main are. */
static void begin(struct at_cli *cli, const char *line, char **words, char *store)
{
    int n = 1;
    strcpy(store, line);
    words[0] = (char *)(uintptr_t) "test";
    for (char *w = strtok(store, " "); w; w = strtok(NULL, " "))
        words[n++] = w;
    words[n] = NULL;
    at_cli_begin(cli, &command, n, words);
}

static void options_and_operands_may_be_mixed(void **state)
{
    (void)state;
    struct at_cli cli;
    char *words[16], store[128];
    begin(&cli, "a.tape -w out --strict -Pfour --port=5 b.tape - -- --strict", words, store);
    assert_int_equal(at_cli_next(&cli), OPT_WRITE);
    assert_string_equal(cli.arg, "out");
    assert_int_equal(at_cli_next(&cli), OPT_STRICT);
    assert_int_equal(at_cli_next(&cli), OPT_PORT);
    assert_string_equal(cli.arg, "four");
    assert_int_equal(at_cli_next(&cli), OPT_PORT);
    assert_string_equal(cli.arg, "5");
    assert_int_equal(at_cli_next(&cli), AT_CLI_DONE);
    assert_int_equal(cli.n_operands, 4);
    assert_string_equal(cli.operands[0], "a.tape");
    assert_string_equal(cli.operands[1], "b.tape");
    assert_string_equal(cli.operands[2], "-");
    assert_string_equal(cli.operands[3], "--strict");
}

static void bad_usage_is_trouble(void **state)
{
    (void)state;
    static const char *const lines[] = {"--write", "-w", "--strict=yes", "--strickt", "-x", "--", "-Q9"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct at_cli cli;
        char *words[16], store[128];
        begin(&cli, lines[i], words, store);
        int id = at_cli_next(&cli);
        if (!strcmp(lines[i], "--")) {
            assert_int_equal(id, AT_CLI_DONE);
            assert_int_equal(cli.n_operands, 0);
        } else {
            assert_int_equal(id, AT_CLI_EXIT);
            assert_int_equal(cli.status, AT_EXIT_TROUBLE);
        }
    }
}

static void numbers_have_units_and_limits(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"17", true, 17},
        {"4k", true, 4096},
        {"2M", true, UINT64_C(2) << 20},
        {"1G", true, 1u << 30},
        {"", false, 0},
        {"-1", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
        {"1kk", false, 0},
        {"2G", false, 0},
        {"99999999999999999999", false, 0},
        {"18014398509481984k", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct at_cli cli = {.command = &command, .arg = cases[i].text};
        uint64_t value = 0;
        assert_int_equal(at_cli_number(&cli, "port", 0, 1u << 30, &value), cases[i].good);
        assert_int_equal(value, cases[i].value);
    }
}

static void the_closest_name_is_close(void **state)
{
    (void)state;
    static const char *const names[] = {"record", "replay", "report", "cat"};
    assert_string_equal(at_closest("recrod", names, 4), "record");
    assert_string_equal(at_closest("replya", names, 4), "replay");
    assert_string_equal(at_closest("reports", names, 4), "report");
    assert_null(at_closest("zzzzzz", names, 4));
    assert_null(at_closest("", names, 4));
    assert_null(at_closest("cat", names, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_operands_may_be_mixed),
        cmocka_unit_test(bad_usage_is_trouble),
        cmocka_unit_test(numbers_have_units_and_limits),
        cmocka_unit_test(the_closest_name_is_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
