/* limits.c: options that record and messages share; what their user is told about losses. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/limits.h"

static bool take_size(const struct at_cli *cli, const char *name, uint64_t min, size_t *out)
{
    uint64_t n;
    if (!at_cli_number(cli, name, min, (uint64_t)1 << 40, &n))
        return false;
    *out = (size_t)n;
    return true;
}

static bool take_number(const struct at_cli *cli, const char *name, uint64_t max, uint32_t *out)
{
    uint64_t n;
    if (!at_cli_number(cli, name, 1, max, &n))
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool take_overlap(const struct at_cli *cli, bool *last_wins)
{
    *last_wins = !strcmp(cli->arg, "last");
    if (*last_wins || !strcmp(cli->arg, "first"))
        return true;
    at_cli_usage(cli->command, "'--overlap %s': first or last is needed", cli->arg);
    return false;
}

bool at_limit_take(const struct at_cli *cli, int id, struct at_limits *limits)
{
    struct at_decoder_options *d = limits->decoder;
    switch ((enum at_limit_id)id) {
    case AT_LIMIT_MEMORY:
        return take_size(cli, "memory", 1 << 20, &d->memory_bytes);
    case AT_LIMIT_FLOW_MEMORY:
        return take_size(cli, "flow-memory", 4096, &d->flow_bytes);
    case AT_LIMIT_MESSAGE_SIZE:
        return take_size(cli, "message-size", 16, &d->message_bytes);
    case AT_LIMIT_RATIO:
        return take_number(cli, "ratio", 1 << 20, &d->ratio);
    case AT_LIMIT_NESTING:
        return take_number(cli, "nesting", 8, &d->nesting);
    case AT_LIMIT_FRAGMENT_MEMORY:
        return take_size(cli, "fragment-memory", 4096, &d->fragment_bytes);
    case AT_LIMIT_GAP_MS:
        return take_number(cli, "gap-ms", 3600000, &d->gap_ms);
    case AT_LIMIT_REORDER_MS:
        return take_number(cli, "reorder-ms", 3600000, &d->reorder_ms);
    case AT_LIMIT_IDLE_S:
        return take_number(cli, "idle-s", 1 << 30, &d->idle_s);
    case AT_LIMIT_OVERLAP:
        return take_overlap(cli, &d->last_wins);
    case AT_LIMIT_IMMEDIATE:
        limits->capture->immediate = true;
        return true;
    case AT_LIMIT_DROP_TO:
        limits->drop_to = cli->arg;
        return true;
    case AT_LIMIT_LEDGER:
        limits->ledger = cli->arg;
        return true;
    case AT_LIMIT_BEFORE:
        break;
    }
    return false;
}

enum at_err at_drop_privileges(const char *user, const char **became, struct at_why *why)
{
    const char *name = user ? user : getenv("SUDO_USER");
    if (geteuid() != 0 && !user)
        return AT_OK;
    if (!name || !strcmp(name, "root"))
        return AT_OK;
    errno = 0;
    const struct passwd *p = getpwnam(name);
    if (!p)
        return at_fail(why, AT_NOTFOUND, "no user '%s' to become", name);
    if (initgroups(name, p->pw_gid) || setgid(p->pw_gid) || setuid(p->pw_uid))
        return at_fail(why, AT_IO, "cannot become the user '%s': %s", name, strerror(errno));
    if (p->pw_uid != 0 && setuid(0) == 0)
        return at_fail(why, AT_IO, "becoming the user '%s' did not give up root", name);
    if (became)
        *became = name;
    return AT_OK;
}

enum at_err at_ledger_lines(const struct at_ledger *l, struct at_buf *out)
{
    enum at_err err = AT_OK;
#define X(name, text)                                                                                                  \
    if (!err && l->name)                                                                                               \
        err = at_buf_printf(out, "%14llu %s\n", (unsigned long long)l->name, text);
    AT_LOSS_MAP(X)
#undef X
    return err;
}

enum at_err at_ledger_json(const struct at_ledger *l, struct at_buf *out)
{
    const char *before = "{";
    enum at_err err = AT_OK;
#define X(name, text)                                                                                                  \
    if (!err)                                                                                                          \
        err = at_buf_printf(out, "%s\"" #name "\":%llu", before, (unsigned long long)l->name);                         \
    before = ",";
    AT_LOSS_MAP(X)
#undef X
    return err ? err : at_buf_add(out, "}", 1);
}

enum at_err at_ledger_write(const struct at_ledger *l, const char *path, struct at_why *why)
{
    struct at_buf text = {0};
    struct at_output *output = NULL;
    if (!path)
        return AT_OK;
    enum at_err err = at_ledger_json(l, &text);
    if (!err)
        err = at_buf_add(&text, "\n", 1);
    if (err) {
        at_fail(why, err, "%s", at_err_text(err));
    } else if (!strcmp(path, "-")) {
        if (fwrite(text.ptr, 1, text.len, stderr) != text.len)
            err = at_fail(why, AT_IO, "standard error: %s", strerror(errno));
    } else {
        struct at_why reason = {{0}};
        err = at_output_open(path, &output, &reason);
        if (!err)
            err = at_output_write(output, text.ptr, text.len, &reason);
        if (!err)
            err = at_output_commit(output, &reason);
        if (err)
            at_fail(why, err, "%s: %s", path, reason.text);
        at_output_close(&output);
    }
    at_buf_free(&text);
    return err;
}

enum at_err at_ledger_losses(const struct at_ledger *l, struct at_buf *out)
{
    const struct {
        uint64_t n;
        const char *text;
    } lost[] = {{l->kernel_drops, "packets dropped by the kernel"},
                {l->interface_drops, "packets dropped by the interface"},
                {l->packets_truncated, "packets cut by the snaplen"},
                {l->fragments_dropped, "IP fragments never completed"},
                {l->tcp_gaps, "gaps in TCP streams"},
                {l->tcp_gap_bytes, "bytes lost in them"},
                {l->flows_evicted, "connections forgotten to save memory"},
                {l->contexts_lost, "compression contexts lost"},
                {l->messages_lost, "messages lost"},
                {l->messages_too_large, "messages over a limit"},
                {l->encodings_unknown, "bodies in an unknown encoding"},
                {l->tcp_conflict_bytes, "bytes sent twice with different content"},
                {l->framing_conflicts, "HTTP messages with contradicting lengths"}};
    enum at_err err = AT_OK;
    for (size_t i = 0, n = 0; i < sizeof lost / sizeof lost[0] && !err; i++)
        if (lost[i].n)
            err = at_buf_printf(out, "%s%llu %s", n++ ? ", " : "", (unsigned long long)lost[i].n, lost[i].text);
    return err;
}
