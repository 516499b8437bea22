/* select.c: the filter options that subcommands share. */
#include "formats/formats.h"

static bool take_time(const struct at_cli *cli, const char *option, bool *has, int64_t *t_us)
{
    *has = at_time_parse(cli->arg, t_us) == AT_OK;
    if (!*has)
        at_cli_usage(cli->command, "'--%s %s': a time is needed (2026-11-22T08:15:00Z, 2026-11-22, or microseconds)",
                     option, cli->arg);
    return *has;
}

bool at_select_option(const struct at_cli *cli, int id, struct at_select *select)
{
    struct at_reader_options *options = &select->options;
    switch (id) {
    case AT_SELECT_FROM:
        return take_time(cli, "from", &options->has_from, &options->from_us);
    case AT_SELECT_TO:
        return take_time(cli, "to", &options->has_to, &options->to_us);
    case AT_SELECT_APP:
        options->app = at_str(cli->arg);
        break;
    case AT_SELECT_USER:
        options->user = at_str(cli->arg);
        break;
    case AT_SELECT_SCOPE:
        options->scope = at_str(cli->arg);
        break;
    case AT_SELECT_SHARD:
        return at_cli_shard(cli, &options->shard);
    case AT_SELECT_PROFILE:
        select->profile_name = cli->arg;
        break;
    default:
        break;
    }
    return true;
}

bool at_select_end(struct at_select *select)
{
    struct at_why why = {""};
    const char *name = select->profile_name ? select->profile_name : AT_DEFAULT_PROFILE;
    if (!select->options.scope.ptr && !select->profile_name)
        return true;
    if (at_profile_load(name, &select->profile, &why)) {
        at_cli_file_trouble(name, &why);
        return false;
    }
    select->options.profile = select->profile;
    return true;
}

void at_select_free(struct at_select *select)
{
    at_profile_free(&select->profile);
}
