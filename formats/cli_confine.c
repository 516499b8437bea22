/* cli_confine.c: a command is confined to the files that its user named. */
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>

#include "formats/cli.h"
#include "formats/copy.h"

bool at_cli_is_path(const char *arg)
{
    static const char *const names[] = {"FILE", "OUT", "PROFILE", "DIALECT"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(arg, names[i]))
            return true;
    return false;
}

bool at_cli_sandbox_mode(const char *text, enum at_sandbox_mode *out)
{
    static const char *const names[] = {
        [AT_SANDBOX_AUTO] = "auto", [AT_SANDBOX_OFF] = "off", [AT_SANDBOX_REQUIRE] = "require"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) != 0)
            continue;
        *out = (enum at_sandbox_mode)i;
        return true;
    }
    return false;
}

/* "mine.json:call,return" names the file mine.json, unless there is one with a colon in its name. */
static char *before_kinds(const char *dialect)
{
    const char *colon = strrchr(dialect, ':');
    return colon ? strndup(dialect, (size_t)(colon - dialect)) : NULL;
}

/* Temporary files are for what is kept back from a pipe, and for more recordings than can be open at once. */
static bool needs_temporary(const struct at_cli *cli, const char *const *writes, size_t n_writes)
{
    struct stat st;
    if ((size_t)cli->n_operands > COPY_AT_A_TIME || n_writes == 0)
        return true;
    for (size_t i = 0; i < n_writes; i++)
        if (!stat(writes[i], &st) && !S_ISREG(st.st_mode))
            return true;
    return false;
}

static int enter(const struct at_cli *cli, const struct at_sandbox *box)
{
    struct at_why why = {{0}};
    return at_sandbox_enter(box, &why) ? at_cli_trouble("%s: %s", cli->command->name, why.text) : AT_EXIT_NONE;
}

bool at_cli_confine(struct at_cli *cli, unsigned may)
{
    char *cut[AT_CLI_PATHS_MAX];
    const char *writes[AT_CLI_PATHS_MAX];
    size_t n_cut = 0, n_reads = 0, n_writes = 0, room = 2 * cli->n_paths + (size_t)cli->n_operands + 1;
    const char **reads = calloc(room, sizeof *reads);
    cli->status = reads ? AT_EXIT_NONE : at_cli_trouble("%s", at_err_text(AT_NOMEM));
    for (size_t i = 0; i < cli->n_paths && reads; i++) {
        const struct at_cli_path *p = &cli->paths[i];
        if (!strcmp(p->path, "-"))
            continue;
        if (!strcmp(p->arg, "OUT"))
            writes[n_writes++] = p->path;
        else
            reads[n_reads++] = p->path;
        if (!strcmp(p->arg, "DIALECT") && (cut[n_cut] = before_kinds(p->path)))
            reads[n_reads++] = cut[n_cut++];
    }
    for (int i = 0; i < cli->n_operands && reads; i++)
        reads[n_reads++] = cli->operands[i];
    if (!needs_temporary(cli, writes, n_writes))
        may &= ~(unsigned)AT_MAY_TEMPORARY;
    if (reads)
        cli->status = enter(cli, &(struct at_sandbox){.mode = cli->sandbox,
                                                      .may = may,
                                                      .reads = reads,
                                                      .writes = writes,
                                                      .n_reads = n_reads,
                                                      .n_writes = n_writes});
    while (n_cut)
        free(cut[--n_cut]);
    free(reads);
    return cli->status == AT_EXIT_NONE;
}
