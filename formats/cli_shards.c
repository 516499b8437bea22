/* cli_shards.c: shares of the users, as a user names them and is told of them. */
#include <inttypes.h>

#include "formats/formats.h"

bool at_cli_shard(const struct at_cli *cli, struct at_shard *out)
{
    if (at_shard_parse(cli->arg, out))
        return true;
    at_cli_usage(cli->command, "'--shard %s': a share is needed, from 1/N to N/N (N at most %u)", cli->arg,
                 AT_SHARDS_MAX);
    return false;
}

int at_cli_missing_shares(const char *command, const struct at_shares *s)
{
    struct at_buf list = {0};
    uint32_t n, first = at_shares_missing(s, &n);
    if (!first)
        return AT_EXIT_NONE;
    int status = at_shares_missing_text(s, &list)
                     ? at_cli_trouble("%s merge: out of memory", command)
                     : at_cli_trouble("%s merge: share%s %.*s of %" PRIu32 " %s missing: make %s with '%s --partial "
                                      "--shard %" PRIu32 "/%" PRIu32 "'",
                                      command, n == 1 ? "" : "s", AT_STR_FMT(at_buf_view(&list)), s->of,
                                      n == 1 ? "is" : "are", n == 1 ? "it" : "them", command, first, s->of);
    at_buf_free(&list);
    return status;
}
