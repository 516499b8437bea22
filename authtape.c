/* authtape.c: the front door. The table of subcommands and nothing else. */
#include <signal.h>
#include <string.h>

#include "analysis/analysis.h"
#include "formats/formats.h"
#include "replay/replay.h"
#include "tracer/tracer.h"

static const struct at_command *const commands[] = {
    &at_cmd_record, &at_cmd_messages, &at_cmd_replay, &at_cmd_minimize, &at_cmd_redrive, &at_cmd_report,
    &at_cmd_diff,   &at_cmd_export,   &at_cmd_cat,    &at_cmd_import,   &at_cmd_info,    &at_cmd_verify,
    &at_cmd_repair, &at_cmd_merge,    &at_cmd_slice,  &at_cmd_repack,   &at_cmd_profile, &at_cmd_dialect,
    NULL,
};

static int help(FILE *to)
{
    fputs("authtape records authorization traffic, replays it against a reference machine and reports on it.\n\n"
          "usage: authtape COMMAND [OPTION]... [FILE]...\n\n",
          to);
    for (size_t i = 0; commands[i]; i++)
        fprintf(to, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fputs("\n'authtape COMMAND --help' tells more. Exit status: 0 nothing found, 1 divergences or damage found, "
          "2 trouble.\n",
          to);
    return at_cli_finish(AT_EXIT_NONE);
}

int main(int argc, char **argv)
{
    const char *names[sizeof commands / sizeof commands[0]] = {0};
    size_t n = 0;
    signal(SIGPIPE, SIG_IGN); /* a closed output pipe is a write error, and a quiet end */
    if (argc < 2) {
        help(stderr);
        return AT_EXIT_TROUBLE;
    }
    const char *word = argv[1];
    if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help"))
        return help(stdout);
    if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
        puts("authtape " AT_VERSION);
        return at_cli_finish(AT_EXIT_NONE);
    }
    if (!strcmp(word, "--completions"))
        return argc == 3 && at_cli_completions(commands, argv[2], stdout)
                   ? at_cli_finish(AT_EXIT_NONE)
                   : at_cli_trouble("--completions: bash, zsh or fish is needed");
    for (size_t i = 0; commands[i]; i++) {
        names[n++] = commands[i]->name;
        if (!strcmp(word, commands[i]->name))
            return commands[i]->run(commands[i], argc - 1, argv + 1);
    }
    const char *near = at_closest(word, names, n);
    return near ? at_cli_trouble("no command '%s'; did you mean '%s'?", word, near)
                : at_cli_trouble("no command '%s'; 'authtape --help' lists them", word);
}
