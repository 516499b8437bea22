/* cli.c: the command line that all subcommands share: options by table, --help, messages. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/cli.h"

/* What every command takes. */
enum { COMMON_HELP = -10, COMMON_SANDBOX, COMMON_NO_SANDBOX };
const struct at_option at_cli_common[] = {
    {"sandbox", 0, "auto|require|off", COMMON_SANDBOX,
     "give up all privileges that are not needed: where the system can (default),\nor else fail"},
    {"no-sandbox", 0, NULL, COMMON_NO_SANDBOX, "the same as --sandbox off"},
    {"help", 'h', NULL, COMMON_HELP, "show this"},
    {0},
};

static void print_option(const struct at_option *o)
{
    char left[80];
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->arg ? " " : "", o->arg ? o->arg : "");
    printf("  %-28s  ", left);
    if (strlen(left) > 28)
        printf("\n%32s", "");
    for (const char *p = o->help; *p; p++) {
        putchar(*p);
        if (*p == '\n')
            printf("%32s", "");
    }
    putchar('\n');
}

static void print_help(const struct at_command *c)
{
    const char *line = c->usage;
    for (bool first = true; *line; first = false) {
        size_t n = strcspn(line, "\n");
        printf("%s authtape %s %.*s\n", first ? "usage:" : "      ", c->name, (int)n, line);
        line += n + (line[n] == '\n');
    }
    printf("\n%s\n\n", c->summary);
    for (const struct at_option *o = c->options; o && o->name; o++)
        print_option(o);
    for (const struct at_option *o = at_cli_common; o->name; o++)
        print_option(o);
    if (c->details)
        printf("\n%s\n", c->details);
}

void at_cli_begin(struct at_cli *cli, const struct at_command *command, int argc, char **argv)
{
    /* Operands move to the front of argv, where the cursor has been already. */
    *cli = (struct at_cli){.command = command, .argv = argv, .cursor = 1, .operands = argv + (argc > 0)};
    const char *mode = secure_getenv("AUTHTAPE_SANDBOX");
    if (mode && !at_cli_sandbox_mode(mode, &cli->sandbox))
        cli->sandbox = AT_SANDBOX_REQUIRE; /* whoever sets it wants one */
}

static int stop(struct at_cli *cli, int status)
{
    cli->status = status;
    return AT_CLI_EXIT;
}

static int take_arg(struct at_cli *cli, const struct at_option *o, const char *given, const char *inline_arg)
{
    cli->arg = inline_arg;
    if (!o->arg && inline_arg)
        return stop(cli, at_cli_usage(cli->command, "option '%s' takes no argument", given));
    if (o->arg && !inline_arg) {
        cli->arg = cli->argv[cli->cursor];
        if (!cli->arg)
            return stop(cli, at_cli_usage(cli->command, "option '%s' needs an argument (%s)", given, o->arg));
        cli->cursor++;
    }
    return o->id;
}

static int unknown_option(struct at_cli *cli, const char *given)
{
    const char *names[80];
    size_t n = 0;
    for (const struct at_option *o = cli->command->options; o && o->name && n < 70; o++)
        names[n++] = o->name;
    for (const struct at_option *o = at_cli_common; o->name; o++)
        names[n++] = o->name;
    const char *near = at_closest(given + strspn(given, "-"), names, n);
    if (near)
        return stop(cli, at_cli_trouble("%s: no option '%s'; did you mean '--%s'?", cli->command->name, given, near));
    return stop(cli, at_cli_usage(cli->command, "no option '%s'", given));
}

/* The options that every command has. Continues with the next one, unless that was all. */
static int common_option(struct at_cli *cli, int id)
{
    if (id == COMMON_HELP) {
        print_help(cli->command);
        return stop(cli, at_cli_finish(AT_EXIT_NONE));
    }
    if (id == COMMON_NO_SANDBOX)
        cli->sandbox = AT_SANDBOX_OFF;
    else if (id == COMMON_SANDBOX && !at_cli_sandbox_mode(cli->arg, &cli->sandbox))
        return stop(cli, at_cli_usage(cli->command, "'--sandbox %s': auto, require or off is needed", cli->arg));
    return id == AT_CLI_EXIT ? id : at_cli_next(cli);
}

/* An option that was found: its id, with its argument taken. */
static int found(struct at_cli *cli, const struct at_option *o, const char *given, const char *inline_arg)
{
    int id = take_arg(cli, o, given, inline_arg);
    if (id < 0)
        return common_option(cli, id);
    if (o->arg && at_cli_is_path(o->arg)) {
        if (cli->n_paths == AT_CLI_PATHS_MAX)
            return stop(cli, at_cli_usage(cli->command, "more than %d files are named by options", AT_CLI_PATHS_MAX));
        cli->paths[cli->n_paths++] = (struct at_cli_path){.path = cli->arg, .arg = o->arg};
    }
    return id;
}

static const struct at_option *find_long(const struct at_option *o, const char *name, size_t n)
{
    while (o && o->name && (strlen(o->name) != n || strncmp(o->name, name, n) != 0))
        o++;
    return o && o->name ? o : NULL;
}

static const struct at_option *find_short(const struct at_option *o, char letter)
{
    while (o && o->name && o->letter != letter)
        o++;
    return o && o->name ? o : NULL;
}

static int long_option(struct at_cli *cli, char *word)
{
    size_t n = strcspn(word + 2, "=");
    const struct at_option *o = find_long(cli->command->options, word + 2, n);
    o = o ? o : find_long(at_cli_common, word + 2, n);
    if (o)
        return found(cli, o, word, word[2 + n] ? word + 3 + n : NULL);
    word[2 + n] = 0;
    return unknown_option(cli, word);
}

static int short_option(struct at_cli *cli, char *word)
{
    const struct at_option *o = find_short(cli->command->options, word[1]);
    o = o ? o : find_short(at_cli_common, word[1]);
    if (!o)
        return unknown_option(cli, word);
    if (word[2] && !o->arg)
        return stop(cli, at_cli_usage(cli->command, "options cannot be joined in '%s'", word));
    return found(cli, o, word, word[2] ? word + 2 : NULL);
}

int at_cli_next(struct at_cli *cli)
{
    while (cli->argv[cli->cursor]) {
        char *word = cli->argv[cli->cursor++];
        if (!strcmp(word, "--")) {
            while (cli->argv[cli->cursor])
                cli->operands[cli->n_operands++] = cli->argv[cli->cursor++];
            break;
        }
        if (word[0] == '-' && word[1] == '-')
            return long_option(cli, word);
        if (word[0] == '-' && word[1])
            return short_option(cli, word);
        cli->operands[cli->n_operands++] = word;
    }
    cli->operands[cli->n_operands] = NULL;
    if (!cli->command->confines_itself && !at_cli_confine(cli, cli->command->may))
        return AT_CLI_EXIT;
    return AT_CLI_DONE;
}

/* Prints a message that may quote a recording: what steers a terminal as "\u{1b}", what is not UTF-8 as U+FFFD. */
static void put_message(struct at_str s)
{
    while (s.len) {
        const unsigned char *p = (const unsigned char *)s.ptr;
        size_t n = at_utf8_sequence(s);
        if (n == 0)
            fputs("\xef\xbf\xbd", stderr);
        else if (p[0] < 0x20 || p[0] == 0x7f)
            fprintf(stderr, "\\u{%x}", p[0]);
        else if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) /* C1 controls */
            fprintf(stderr, "\\u{%x}", p[1]);
        else
            fwrite(p, 1, n, stderr);
        s.ptr += n ? n : 1;
        s.len -= n ? n : 1;
    }
}

int at_cli_trouble(const char *fmt, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, fmt);
    fflush(stdout);
    fputs("authtape: ", stderr);
    if (vasprintf(&text, fmt, args) >= 0) {
        put_message(at_str(text));
        free(text);
    }
    fputc('\n', stderr);
    va_end(args);
    return AT_EXIT_TROUBLE;
}

int at_cli_file_trouble(const char *path, const struct at_why *why)
{
    return at_cli_trouble("%s: %s", strcmp(path, "-") ? path : "standard input", why->text);
}

int at_cli_usage(const struct at_command *command, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return at_cli_trouble("%s: %s; try 'authtape %s --help'", command->name, text, command->name);
}

bool at_cli_number(const struct at_cli *cli, const char *option, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end = NULL;
    errno = 0;
    uint64_t n = strtoull(cli->arg, &end, 10);
    uint64_t unit = 1;
    if (*end == 'k' || *end == 'K')
        unit = 1024;
    else if (*end == 'M')
        unit = 1024 * 1024;
    else if (*end == 'G')
        unit = (uint64_t)1024 * 1024 * 1024;
    if (unit > 1)
        end++;
    if (cli->arg[0] < '0' || cli->arg[0] > '9' || *end || errno || n > UINT64_MAX / unit || n * unit < min ||
        n * unit > max) {
        at_cli_usage(cli->command, "'--%s %s': a number from %llu to %llu is needed", option, cli->arg,
                     (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = n * unit;
    return true;
}

bool at_cli_color(FILE *to)
{
    const char *no = getenv("NO_COLOR");
    return (!no || !*no) && isatty(fileno(to));
}

int at_cli_finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return status;
    return at_cli_trouble("standard output: %s", strerror(errno));
}
