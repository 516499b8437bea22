/* cmd_info.c: what a tape holds. Read from the index where there is one, counted otherwise. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/tape_scan.h"

enum { OPT_FORMAT = 1 };

static const struct at_option options[] = {
    {"format", 0, "text|json", OPT_FORMAT, "how to print it (default: text)"},
    {0},
};

/* Sums over the segments. */
struct totals {
    uint64_t events, frames, dropped;
    uint64_t kinds[TAPE_KINDS];
    uint64_t *scopes; /* by number in the index */
    int64_t from_us, to_us;
    uint64_t bytes;
};

static enum at_err sum_up(const struct tape_index *x, struct totals *t)
{
    t->scopes = calloc((size_t)at_intern_count(x->scopes) + 1, sizeof *t->scopes);
    if (!t->scopes)
        return AT_NOMEM;
    for (size_t i = 0; i < x->n_segments; i++) {
        const struct tape_segment *s = &x->segments[i];
        t->events += s->events;
        t->frames += s->frames;
        t->dropped += s->dropped;
        t->from_us = !i || s->earliest_us < t->from_us ? s->earliest_us : t->from_us;
        t->to_us = !i || s->latest_us > t->to_us ? s->latest_us : t->to_us;
        for (int k = 1; k < TAPE_KINDS; k++)
            t->kinds[k] += s->kinds[k];
        for (uint32_t j = 0; j < s->n_scopes; j++)
            t->scopes[s->scopes[j].scope] += s->scopes[j].events;
    }
    return AT_OK;
}

static int by_name(const void *a, const void *b, void *names)
{
    return at_str_cmp(at_intern_get(names, *(const uint32_t *)a), at_intern_get(names, *(const uint32_t *)b));
}

/* The numbers of the names, in the order of the names. */
static uint32_t *sorted(struct at_intern *names)
{
    uint32_t n = at_intern_count(names);
    uint32_t *order = calloc((size_t)n + 1, sizeof *order);
    for (uint32_t i = 0; order && i < n; i++)
        order[i] = i;
    if (order)
        qsort_r(order, n, sizeof *order, by_name, names);
    return order;
}

static enum at_err put_json(struct at_buf *out, const char *path, const struct tape_index *x, const struct totals *t,
                            bool finished)
{
    uint32_t *scopes = sorted(x->scopes), *apps = sorted(x->apps);
    enum at_err err = scopes && apps ? at_buf_str(out, at_str("{\"schema\":\"authtape.info/1\",\"file\":")) : AT_NOMEM;
    if (!err)
        err = at_json_quote(out, at_str(path));
    if (!err)
        err = at_buf_printf(out,
                            ",\"bytes\":%" PRIu64 ",\"events\":%" PRIu64 ",\"segments\":%zu,\"dropped\":%" PRIu64
                            ",\"finished\":%s",
                            t->bytes, t->events, x->n_segments, t->dropped, finished ? "true" : "false");
    if (!err && t->events)
        err = at_buf_printf(out, ",\"from\":%" PRId64 ",\"to\":%" PRId64, t->from_us, t->to_us);
    if (!err)
        err = at_buf_str(out, at_str(",\"kinds\":{"));
    for (int k = 1, n = 0; k < TAPE_KINDS && !err; k++)
        if (t->kinds[k])
            err = at_buf_printf(out, "%s\"%s\":%" PRIu64, n++ ? "," : "", at_kind_text((enum at_kind)k), t->kinds[k]);
    if (!err)
        err = at_buf_str(out, at_str("},\"scopes\":{"));
    for (uint32_t i = 0; i < at_intern_count(x->scopes) && !err; i++) {
        err = at_buf_str(out, at_str(i ? "," : ""));
        if (!err)
            err = at_json_quote(out, at_intern_get(x->scopes, scopes[i]));
        if (!err)
            err = at_buf_printf(out, ":%" PRIu64, t->scopes[scopes[i]]);
    }
    if (!err)
        err = at_buf_str(out, at_str("},\"apps\":["));
    for (uint32_t i = 0; i < at_intern_count(x->apps) && !err; i++) {
        err = at_buf_str(out, at_str(i ? "," : ""));
        if (!err)
            err = at_json_quote(out, at_intern_get(x->apps, apps[i]));
    }
    free(apps);
    free(scopes);
    return err ? err : at_buf_str(out, at_str("]}\n"));
}

static enum at_err put_text(struct at_buf *out, const char *path, const struct tape_index *x, const struct totals *t,
                            bool finished)
{
    char from[40], to[40];
    uint32_t *scopes = sorted(x->scopes), *apps = sorted(x->apps);
    enum at_err err = scopes && apps ? AT_OK : AT_NOMEM;
    if (!err)
        err = at_buf_printf(out, "%s: a tape of %" PRIu64 " bytes, %s\n  events    %" PRIu64 " in %zu segment%s", path,
                            t->bytes, finished ? "finished" : "not finished", t->events, x->n_segments,
                            x->n_segments == 1 ? "" : "s");
    if (!err && t->events)
        err = at_buf_printf(out, ", %.2f bytes each", (double)t->bytes / (double)t->events);
    if (!err)
        err = at_buf_str(out, AT_STR("\n"));
    at_time_text(t->from_us, from);
    at_time_text(t->to_us, to);
    if (!err && t->events)
        err = at_buf_printf(out, "  from      %s\n  to        %s\n", from, to);
    if (!err && t->dropped)
        err = at_buf_printf(out, "  dropped   %" PRIu64 " events by the recorder\n", t->dropped);
    for (int k = 1, n = 0; k < TAPE_KINDS && !err; k++)
        if (t->kinds[k])
            err = at_buf_printf(out, "  %-8s  %-26s %" PRIu64 "\n", n++ ? "" : "kinds", at_kind_text((enum at_kind)k),
                                t->kinds[k]);
    for (uint32_t i = 0; i < at_intern_count(x->scopes) && !err; i++) {
        struct at_str name = at_intern_get(x->scopes, scopes[i]);
        uint64_t events = t->scopes[scopes[i]];
        err = at_buf_printf(out, "  %-8s  %-26.*s ", i ? "" : "scopes", AT_STR_FMT(name));
        if (!err)
            err = events ? at_buf_printf(out, "%" PRIu64 "\n", events) : at_buf_str(out, AT_STR("in settings only\n"));
    }
    for (uint32_t i = 0; i < at_intern_count(x->apps) && !err; i++) {
        err = at_buf_printf(out, "  %-8s  ", i ? "" : "apps");
        if (!err)
            err = at_json_quote(out, at_intern_get(x->apps, apps[i]));
        if (!err)
            err = at_buf_str(out, AT_STR("\n"));
    }
    free(apps);
    free(scopes);
    return err;
}

/* The index, from the file or by reading all of the tape. *owned: to be freed by the caller. */
static enum at_err get_index(struct at_source *s, const struct tape_index **x, struct tape_index **owned,
                             bool *finished, uint64_t *bytes, struct at_why *why)
{
    enum at_err err = at_source_index(s, x, why);
    *finished = true;
    if (!err && *x) {
        err = at_source_size(s, bytes, why);
    } else if (!err) {
        struct at_tape_stats stats;
        err = at_tape_scan(s, owned, why);
        at_source_stats(s, &stats);
        *x = *owned;
        *finished = stats.footer;
        *bytes = stats.bytes;
    }
    return err;
}

static void warn(const struct at_source *s)
{
    struct at_tape_damage d;
    at_source_damage(s, &d);
    if (d.places)
        fprintf(stderr, "authtape: warning: %s: %s at byte %" PRIu64 "\n", at_source_name(s), d.first, d.first_offset);
}

static int info(const char *path, bool json)
{
    struct at_source *s = NULL;
    struct tape_index *owned = NULL;
    const struct tape_index *x = NULL;
    struct totals t = {0};
    struct at_buf out = {0};
    struct at_why why = {""};
    bool finished = false;
    enum at_err err = at_source_open(path, AT_RECOVER_TAIL, &s, &why);
    if (!err && !at_source_is_tape(s))
        err = at_fail(&why, AT_BAD, "not a tape");
    if (!err)
        err = get_index(s, &x, &owned, &finished, &t.bytes, &why);
    if (!err)
        err = sum_up(x, &t);
    if (!err)
        err = json ? put_json(&out, path, x, &t, finished) : put_text(&out, path, x, &t, finished);
    if (err == AT_NOMEM)
        at_fail(&why, err, "%s", at_err_text(err));
    int status = err ? at_cli_file_trouble(path, &why) : AT_EXIT_NONE;
    if (!err) {
        fwrite(out.ptr, 1, out.len, stdout);
        status = at_cli_finish(status);
        warn(s);
    }
    at_buf_free(&out);
    free(t.scopes);
    at_tape_index_free(&owned);
    at_source_close(&s);
    return status;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    bool json = false;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        json = !strcmp(cli.arg, "json");
        if (!json && strcmp(cli.arg, "text") != 0)
            return at_cli_usage(self, "'--format %s': text or json is needed", cli.arg);
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    if (cli.n_operands != 1)
        return at_cli_usage(self, "one tape is needed");
    return info(cli.operands[0], json);
}

const struct at_command at_cmd_info = {
    .name = "info",
    .summary = "tells what a tape holds",
    .usage = "[--format text|json] TAPE|-",
    .options = options,
    .details = "A finished tape has an index, from which this is read at once; another one is read through.",
    .run = run,
};
