/* cmd_profile.c: authtape profile: lists, shows and checks platforms. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "formats/profile_data.h"

static int list(void)
{
    size_t width = 0;
    for (size_t i = 0; i < at_profile_builtin_count(); i++) {
        size_t n = strlen(at_profile_builtin_name(i));
        width = n > width ? n : width;
    }
    for (size_t i = 0; i < at_profile_builtin_count(); i++) {
        struct at_profile *p = NULL;
        struct at_why why;
        if (at_profile_load(at_profile_builtin_name(i), &p, &why))
            return at_cli_trouble("%s", why.text);
        printf("%-*s  %.*s%s\n", (int)width, at_profile_builtin_name(i), AT_STR_FMT(p->title),
               strcmp(at_profile_builtin_name(i), AT_DEFAULT_PROFILE) ? "" : " (default)");
        at_profile_free(&p);
    }
    return at_cli_finish(AT_EXIT_NONE);
}

/* Reads `path` whole and checks it; the text is left in `text`. */
static int read_checked(const char *path, struct at_buf *text)
{
    struct at_why why;
    struct at_profile *p = NULL;
    enum at_err err = at_read_file(path, PROFILE_FILE_MAX, text, &why);
    if (!err)
        err = at_profile_parse(at_buf_view(text), NULL, &p, &why);
    at_profile_free(&p);
    return err ? at_cli_file_trouble(path, &why) : AT_EXIT_NONE;
}

static int show_file(const char *path)
{
    struct at_buf text = {0};
    int status = read_checked(path, &text);
    if (status == AT_EXIT_NONE) {
        cJSON *top = cJSON_ParseWithLength(text.ptr, text.len);
        char *pretty = top ? cJSON_Print(top) : NULL;
        if (pretty)
            puts(pretty);
        else
            status = at_cli_trouble("out of memory");
        free(pretty);
        cJSON_Delete(top);
    }
    at_buf_free(&text);
    return at_cli_finish(status);
}

static int show(const char *name)
{
    struct at_profile *p = NULL;
    struct at_why why;
    for (size_t i = 0; at_profile_builtin_name(i); i++) {
        if (!strcmp(at_profile_builtin_name(i), name)) {
            struct at_str text = at_profile_builtin_text(i);
            fwrite(text.ptr, 1, text.len, stdout);
            return at_cli_finish(AT_EXIT_NONE);
        }
    }
    enum at_err err = at_profile_load(name, &p, &why); /* a file, or words for a name that is none */
    at_profile_free(&p);
    return err ? at_cli_trouble("%s", why.text) : show_file(name);
}

static int check(const char *path)
{
    struct at_buf text = {0};
    int status = read_checked(path, &text);
    at_buf_free(&text);
    if (status != AT_EXIT_NONE)
        return status;
    puts("ok");
    return at_cli_finish(AT_EXIT_NONE);
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    at_cli_begin(&cli, self, argc, argv);
    if (at_cli_next(&cli) == AT_CLI_EXIT)
        return cli.status;
    const char *what = cli.n_operands ? cli.operands[0] : "";
    if (!strcmp(what, "list") && cli.n_operands == 1)
        return list();
    if (!strcmp(what, "show") && cli.n_operands == 2)
        return show(cli.operands[1]);
    if (!strcmp(what, "check") && cli.n_operands == 2)
        return check(cli.operands[1]);
    if (!strcmp(what, "show") || !strcmp(what, "check"))
        return at_cli_usage(self, "'%s' needs one %s", what, *what == 's' ? "NAME" : "FILE");
    return at_cli_usage(self, "'list', 'show NAME' or 'check FILE' is needed");
}

const struct at_command at_cmd_profile = {
    .name = "profile",
    .summary = "list, show and check profiles: platforms as data",
    .usage = "list\nshow NAME\ncheck FILE",
    .options = NULL,
    .details = "A profile holds the scopes of a platform, their APIs, its policies and the grammar of its errMsg;\n"
               "authtape-profile(5) describes the file. NAME may also be the path of a file.\n"
               "Exit status: 0 done, 2 trouble (a profile that is not valid included).",
    .run = run,
};
