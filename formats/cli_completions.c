/* cli_completions.c: what shells complete, made of the tables that --help prints. */
#include <ctype.h>
#include <string.h>

#include "formats/cli.h"

typedef const struct at_command *const *commands;

/* What the argument of an option is, see struct at_option. */
enum kind { NOTHING, TEXT, WORDS, FILES, PROFILES, DIALECTS, INTERFACES, USERS };

static enum kind kind_of(const struct at_option *o)
{
    static const struct {
        const char *arg;
        enum kind kind;
    } kinds[] = {{"FILE", FILES},       {"OUT", FILES},        {"PROFILE", PROFILES},
                 {"DIALECT", DIALECTS}, {"IFACE", INTERFACES}, {"USER", USERS}};
    if (!o->arg)
        return NOTHING;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strcmp(o->arg, kinds[i].arg))
            /* Whom a filter means is not a user of this system. */
            return kinds[i].kind == USERS && !strcmp(o->name, "user") ? TEXT : kinds[i].kind;
    return strchr(o->arg, '|') && islower((unsigned char)o->arg[0]) ? WORDS : TEXT;
}

/* "a|b|c" as "a b c". */
static void put_words(FILE *to, const char *arg)
{
    for (; *arg; arg++)
        fputc(*arg == '|' ? ' ' : *arg, to);
}

/* A text in one line, with `escape` before what `special` has; 0: without these. */
static void put_line(FILE *to, const char *text, const char *special, char escape)
{
    for (; *text; text++) {
        bool is_special = strchr(special, *text) != NULL;
        if (is_special && escape)
            fputc(escape, to);
        if (!is_special || escape)
            fputc(*text == '\n' ? ' ' : *text, to);
    }
}

/* Words that a command's first operand can be: those that its usage begins with, "list" or "[a|b|c]". */
static void put_operands(FILE *to, const struct at_command *c)
{
    for (const char *line = c->usage; *line;) {
        const char *p = line + (*line == '[');
        size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz|");
        if (n && (*line == '[' ? p[n] == ']' : p[n] == ' ' || p[n] == '\n' || !p[n])) {
            for (size_t i = 0; i < n; i++)
                fputc(p[i] == '|' ? ' ' : p[i], to);
            fputc(' ', to);
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
}

/* Both tables of a command, one after the other. */
static const struct at_option *first_option(const struct at_command *c)
{
    return c->options && c->options->name ? c->options : at_cli_common;
}

static const struct at_option *next_option(const struct at_option *o, bool *common)
{
    o++;
    if (!o->name && !*common) {
        *common = true;
        return at_cli_common;
    }
    return o->name ? o : NULL;
}

#define EACH_OPTION(o, c)                                                                                              \
    bool common = first_option(c) == at_cli_common;                                                                    \
    for (const struct at_option *o = first_option(c); o; o = next_option(o, &common))

static void put_options(FILE *to, const struct at_command *c)
{
    EACH_OPTION(o, c)
    {
        fprintf(to, "--%s ", o->name);
        if (o->letter)
            fprintf(to, "-%c ", o->letter);
    }
}

/* ---- bash */

static const char *bash_action(enum kind kind)
{
    switch (kind) {
    case PROFILES:
        return "__authtape_words \"$(authtape profile list 2>/dev/null | cut -d' ' -f1)\"; __authtape_files";
    case DIALECTS:
        return "__authtape_words \"$(authtape dialect list 2>/dev/null | cut -d' ' -f1)\"; __authtape_files";
    case INTERFACES:
        return "__authtape_words \"$(ls /sys/class/net 2>/dev/null)\"";
    case USERS:
        return "COMPREPLY=($(compgen -u -- \"$cur\"))";
    case FILES:
        return "__authtape_files";
    case NOTHING:
    case TEXT:
    case WORDS:
        break;
    }
    return ":";
}

static void bash_command(FILE *to, const struct at_command *c)
{
    fprintf(to, "    %s)\n        case $prev in\n", c->name);
    EACH_OPTION(o, c)
    {
        enum kind kind = kind_of(o);
        if (kind == NOTHING)
            continue;
        fprintf(to, "        --%s", o->name);
        if (o->letter)
            fprintf(to, " | -%c", o->letter);
        if (kind == WORDS) {
            fputs(") __authtape_words \"", to);
            put_words(to, o->arg);
            fputs("\"; return ;;\n", to);
        } else {
            fprintf(to, ") %s; return ;;\n", bash_action(kind));
        }
    }
    fputs("        esac\n        case $cur in\n        -*) __authtape_words \"", to);
    put_options(to, c);
    fputs("\" ;;\n        *) __authtape_words \"", to);
    put_operands(to, c);
    fputs("\"; __authtape_files ;;\n        esac\n        ;;\n", to);
}

static void bash(FILE *to, commands list)
{
    fputs("# bash completion of authtape, made by authtape --completions bash\n"
          "__authtape_words() { COMPREPLY+=($(compgen -W \"$1\" -- \"$cur\")); }\n"
          "__authtape_files() { local IFS=$'\\n'; COMPREPLY+=($(compgen -f -- \"$cur\")); "
          "compopt -o filenames 2>/dev/null; }\n"
          "_authtape() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" = 1 ]; then\n        __authtape_words \"",
          to);
    for (size_t i = 0; list[i]; i++)
        fprintf(to, "%s ", list[i]->name);
    fputs("--help --version --completions\"\n        return\n    fi\n    case ${COMP_WORDS[1]} in\n", to);
    for (size_t i = 0; list[i]; i++)
        bash_command(to, list[i]);
    fputs("    --completions) __authtape_words \"bash zsh fish\" ;;\n    esac\n}\ncomplete -F _authtape authtape\n",
          to);
}

/* ---- zsh */

static const char *zsh_action(enum kind kind)
{
    switch (kind) {
    case PROFILES:
        return "__authtape_profiles";
    case DIALECTS:
        return "__authtape_dialects";
    case INTERFACES:
        return "_net_interfaces";
    case USERS:
        return "_users";
    case FILES:
        return "_files";
    case NOTHING:
    case TEXT:
    case WORDS:
        break;
    }
    return " ";
}

static void zsh_option(FILE *to, const struct at_option *o)
{
    enum kind kind = kind_of(o);
    if (o->letter)
        fprintf(to, " \\\n            '*'{-%c,--%s}'[", o->letter, o->name);
    else
        fprintf(to, " \\\n            '*--%s[", o->name);
    put_line(to, o->help, "[]'", 0);
    fputs("]", to);
    if (kind != NOTHING) {
        fputs(":", to);
        put_line(to, o->arg, ":", '\\');
        fputs(":", to);
    }
    if (kind == WORDS) {
        fputc('(', to);
        put_words(to, o->arg);
        fputc(')', to);
    } else if (kind != NOTHING) {
        fputs(zsh_action(kind), to);
    }
    fputc('\'', to);
}

static void zsh(FILE *to, commands list)
{
    fputs(
        "#compdef authtape\n# zsh completion of authtape, made by authtape --completions zsh\n"
        "__authtape_profiles() { compadd -- ${(f)\"$(authtape profile list 2>/dev/null | cut -d' ' -f1)\"}; _files }\n"
        "__authtape_dialects() { compadd -- ${(f)\"$(authtape dialect list 2>/dev/null | cut -d' ' -f1)\"}; _files }\n"
        "_authtape() {\n    local -a commands=(\n",
        to);
    for (size_t i = 0; list[i]; i++) {
        fprintf(to, "        '%s:", list[i]->name);
        put_line(to, list[i]->summary, "'", 0);
        fputs("'\n", to);
    }
    fputs("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n"
          "        compadd -- --help --version --completions\n        return\n    fi\n"
          "    local command=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $command in\n",
          to);
    for (size_t i = 0; list[i]; i++) {
        fprintf(to, "    %s)\n        _arguments", list[i]->name);
        EACH_OPTION(o, list[i])
        zsh_option(to, o);
        fputs(" \\\n            '*:operand:{ compadd -- ", to);
        put_operands(to, list[i]);
        fputs("; _files }'\n        ;;\n", to);
    }
    fputs("    --completions) compadd -- bash zsh fish ;;\n    esac\n}\n"
          "if [ \"$funcstack[1]\" = _authtape ]; then _authtape \"$@\"; else compdef _authtape authtape; fi\n",
          to);
}

/* ---- fish */

static void fish_option(FILE *to, const struct at_command *c, const struct at_option *o)
{
    enum kind kind = kind_of(o);
    fprintf(to, "complete -c authtape -n '__fish_seen_subcommand_from %s' -l %s", c->name, o->name);
    if (o->letter)
        fprintf(to, " -s %c", o->letter);
    if (kind == FILES)
        fputs(" -r -F", to);
    else if (kind != NOTHING)
        fprintf(to, " %s", kind == PROFILES || kind == DIALECTS ? "-r -F" : "-x");
    if (kind == WORDS) {
        fputs(" -a '", to);
        put_words(to, o->arg);
        fputc('\'', to);
    } else if (kind == PROFILES || kind == DIALECTS) {
        fprintf(to, " -a '(authtape %s list 2>/dev/null | string replace -r \" .*\" \"\")'",
                kind == PROFILES ? "profile" : "dialect");
    } else if (kind == INTERFACES) {
        fputs(" -a '(__fish_print_interfaces)'", to);
    } else if (kind == USERS) {
        fputs(" -a '(__fish_complete_users)'", to);
    }
    fputs(" -d '", to);
    put_line(to, o->help, "'\\", '\\');
    fputs("'\n", to);
}

static void fish(FILE *to, commands list)
{
    fputs(
        "# fish completion of authtape, made by authtape --completions fish\n"
        "complete -c authtape -n __fish_use_subcommand -f -l help -d 'list the commands'\n"
        "complete -c authtape -n __fish_use_subcommand -f -l version -d 'print the version'\n"
        "complete -c authtape -n __fish_use_subcommand -x -l completions -a 'bash zsh fish' -d 'print a completion'\n",
        to);
    for (size_t i = 0; list[i]; i++) {
        fprintf(to, "complete -c authtape -n __fish_use_subcommand -f -a %s -d '", list[i]->name);
        put_line(to, list[i]->summary, "'\\", '\\');
        fprintf(to, "'\ncomplete -c authtape -n '__fish_seen_subcommand_from %s' -F -a '", list[i]->name);
        put_operands(to, list[i]);
        fputs("'\n", to);
        EACH_OPTION(o, list[i])
        fish_option(to, list[i], o);
    }
}

bool at_cli_completions(const struct at_command *const *list, const char *shell, FILE *to)
{
    static const struct {
        const char *name;
        void (*print)(FILE *to, commands list);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shell, shells[i].name) != 0)
            continue;
        shells[i].print(to, list);
        return true;
    }
    return false;
}
