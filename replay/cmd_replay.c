/* cmd_replay.c: `authtape replay`: a recording against the reference machine. */
#include <string.h>

#include "replay/print.h"

enum { OPT_PROFILE = 1, OPT_STRICT, OPT_FORMAT, OPT_QUIET, OPT_GRACE, OPT_SALVAGE, OPT_DIAGNOSE };

static const struct at_option options[] = {
    {"profile", 'p', "PROFILE", OPT_PROFILE, "a built-in profile or a JSON file (default: " AT_DEFAULT_PROFILE ")"},
    {"format", 0, "FORMAT", OPT_FORMAT, "text (default), json, or ndjson: a line as soon as it is found"},
    {"strict", 0, NULL, OPT_STRICT, "nothing happened that was not recorded"},
    {"quiet-ms", 0, "N", OPT_QUIET,
     "least length of an unseen settings visit or removal, in\nmilliseconds; 0: at any instant (default: the "
     "profile's)"},
    {"grace", 0, "SECONDS", OPT_GRACE, "a call is `no-answer` when its stream goes on this long (default: 30)"},
    {"diagnose", 0, NULL, OPT_DIAGNOSE, "rank the single faults of a host that would explain the divergences"},
    {"salvage", 0, NULL, OPT_SALVAGE, "skip what is damaged in a tape and check the rest"},
    {0},
};

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_NDJSON };

struct run {
    enum format format;
    bool color;
    struct at_buf line;                         /* text of the finding at hand */
    struct at_buf divergences, inferred, hints; /* members of the JSON report's arrays */
    uint64_t n_inferred;
    bool diagnose;
    const struct at_hypothesis *hypotheses; /* best first */
    size_t n_hypotheses;
};

#define HYPOTHESES_SHOWN 5u

/* Gives a line out at once: what is found while traffic flows is told while it flows. */
static enum at_err put(struct at_buf *line)
{
    fwrite(line->ptr, 1, line->len, stdout);
    line->len = 0;
    return fflush(stdout) ? AT_CLOSED : AT_OK;
}

static enum at_err comma(struct at_buf *list)
{
    return list->len ? at_buf_str(list, AT_STR(",\n  ")) : AT_OK;
}

static enum at_err on_divergence(void *ctx, const struct at_divergence *d)
{
    struct run *r = ctx;
    enum at_err err;
    if (r->format == FORMAT_JSON) {
        err = comma(&r->divergences);
        return err ? err : at_print_divergence_json(&r->divergences, d);
    }
    if (r->format == FORMAT_TEXT) {
        err = at_print_divergence_text(&r->line, d, r->color);
    } else {
        err = at_print_divergence_json(&r->line, d);
        if (!err)
            err = at_buf_str(&r->line, AT_STR("\n"));
    }
    return err ? err : put(&r->line);
}

static enum at_err on_inferred(void *ctx, const struct at_inferred *i)
{
    struct run *r = ctx;
    enum at_err err = AT_OK;
    r->n_inferred++;
    if (r->format == FORMAT_NDJSON)
        return AT_OK;
    if (r->format == FORMAT_TEXT)
        return at_print_inferred_text(&r->inferred, i);
    err = comma(&r->inferred);
    return err ? err : at_print_inferred_json(&r->inferred, i);
}

static enum at_err on_hint(void *ctx, const char *text)
{
    struct run *r = ctx;
    if (r->format != FORMAT_JSON)
        return at_buf_printf(&r->hints, "hint: %s\n", text);
    enum at_err err = comma(&r->hints);
    return err ? err : at_json_quote(&r->hints, at_str(text));
}

static void on_inconclusive(void *ctx, struct at_str app, struct at_str user)
{
    char text[512];
    snprintf(text, sizeof text, "inconclusive: app %.*s, user %.*s: too many possibilities at once to follow",
             AT_STR_FMT(app), AT_STR_FMT(user));
    if (on_hint(ctx, text))
        fprintf(stderr, "authtape: %s\n", text);
}

static enum at_err diagnosis_json(struct run *r)
{
    enum at_err err = AT_OK;
    r->line.len = 0;
    for (size_t i = 0; i < r->n_hypotheses && !err; i++) {
        const struct at_hypothesis *h = &r->hypotheses[i];
        err = at_buf_printf(
            &r->line, "%s\n  {\"hypothesis\":\"%s\",\"explains\":%llu,\"of\":%llu,\"new\":%llu,\"text\":", i ? "," : "",
            h->name, (unsigned long long)h->explains, (unsigned long long)h->of, (unsigned long long)h->breaks);
        if (!err)
            err = at_json_quote(&r->line, at_str(h->text));
        if (!err)
            err = at_buf_str(&r->line, AT_STR("}"));
    }
    if (!err)
        printf(" \"diagnosis\":[%.*s],\n", AT_STR_FMT(at_buf_view(&r->line)));
    return err;
}

static void print_json(struct run *r, const char *profile, const struct at_check_totals *t,
                       const struct at_tape_damage *lost)
{
    r->line.len = 0;
    if (at_json_quote(&r->line, at_str(profile)))
        r->line.len = 0;
    printf("{\"schema\":\"authtape.replay/1\",\"profile\":%.*s,\"events\":%llu,\"calls\":%llu,\"keys\":%llu,"
           "\"undetermined\":%llu,\"inconclusive\":%llu,\n \"divergences\":[%s%.*s],\n \"inferred\":[%s%.*s],\n",
           AT_STR_FMT(at_buf_view(&r->line)), (unsigned long long)t->events, (unsigned long long)t->calls,
           (unsigned long long)t->keys, (unsigned long long)t->undetermined, (unsigned long long)t->inconclusive,
           r->divergences.len ? "\n  " : "", AT_STR_FMT(at_buf_view(&r->divergences)), r->inferred.len ? "\n  " : "",
           AT_STR_FMT(at_buf_view(&r->inferred)));
    if (r->diagnose && diagnosis_json(r))
        fputs(" \"diagnosis\":[],\n", stdout);
    printf(" \"lost\":{\"gaps\":%llu,\"bytes\":%llu,\"events\":%llu},\n \"hints\":[%.*s]}\n",
           (unsigned long long)t->gaps, (unsigned long long)t->lost_bytes, (unsigned long long)lost->events,
           AT_STR_FMT(at_buf_view(&r->hints)));
}

static void print_diagnosis(const struct run *r, uint64_t divergences)
{
    if (divergences == 0)
        return;
    puts(r->n_hypotheses ? "\ndiagnosis: which single fault of the host would explain this"
                         : "\ndiagnosis: no single fault explains any of the divergences");
    for (size_t i = 0; i < r->n_hypotheses && i < HYPOTHESES_SHOWN; i++) {
        const struct at_hypothesis *h = &r->hypotheses[i];
        printf("  %llu. explains %llu of %llu", (unsigned long long)(i + 1), (unsigned long long)h->explains,
               (unsigned long long)h->of);
        if (h->breaks)
            printf(", but %llu other events would not fit", (unsigned long long)h->breaks);
        printf(": %s (%s)\n", h->text, h->name);
    }
}

static void print_summary(const struct run *r, const char *profile, const struct at_check_totals *t)
{
    fwrite(r->inferred.ptr, 1, r->inferred.len, stdout);
    fwrite(r->hints.ptr, 1, r->hints.len, stdout);
    if (r->inferred.len || r->hints.len)
        putchar('\n');
    printf("%llu events, %llu calls, %llu %s, profile %s\n", (unsigned long long)t->events,
           (unsigned long long)t->calls, (unsigned long long)t->keys, t->keys == 1 ? "user" : "users", profile);
    printf("%llu %s, %llu changes inferred, %llu calls undetermined", (unsigned long long)t->divergences,
           t->divergences == 1 ? "divergence" : "divergences", (unsigned long long)r->n_inferred,
           (unsigned long long)t->undetermined);
    if (t->inconclusive)
        printf(", %llu users inconclusive", (unsigned long long)t->inconclusive);
    if (t->gaps)
        printf(", %llu gaps in the recording", (unsigned long long)t->gaps);
    putchar('\n');
}

static int check(struct run *r, struct at_reader *reader, struct at_checker *checker, struct at_diagnosis *diagnosis,
                 const char *profile)
{
    struct at_event ev;
    struct at_why why;
    struct at_check_totals totals;
    struct at_tape_damage lost;
    uint64_t index;
    enum at_err err;
    while (!(err = at_reader_next(reader, &ev, &index, &why))) {
        err = at_checker_event(checker, &ev, index);
        if (!err && diagnosis)
            err = at_diagnosis_event(diagnosis, &ev, index);
        if (err)
            break;
    }
    if (err == AT_END) {
        err = at_checker_finish(checker);
        if (!err && diagnosis)
            err = at_diagnosis_finish(diagnosis, &r->hypotheses, &r->n_hypotheses);
    } else if (err != AT_CLOSED && err != AT_NOMEM)
        return at_cli_trouble("%s", why.text);
    if (err == AT_CLOSED)
        return at_cli_finish(AT_EXIT_FOUND);
    if (err)
        return at_cli_trouble("replay: %s", at_err_text(err));
    at_checker_inconclusive(checker, on_inconclusive, r);
    at_checker_totals(checker, &totals);
    at_reader_damage(reader, &lost);
    if (r->format == FORMAT_JSON)
        print_json(r, profile, &totals, &lost);
    else if (r->format == FORMAT_TEXT)
        print_summary(r, profile, &totals);
    if (r->format == FORMAT_TEXT && r->diagnose)
        print_diagnosis(r, totals.divergences);
    if (lost.places)
        fprintf(stderr, "authtape: %s\n", lost.first);
    return at_cli_finish(totals.divergences ? AT_EXIT_FOUND : totals.inconclusive ? AT_EXIT_TROUBLE : AT_EXIT_NONE);
}

static int replay(const struct at_command *self, struct run *r, const char *profile_name,
                  const struct at_check_options *check_options, const struct at_reader_options *reader_options,
                  const struct at_cli *cli)
{
    struct at_profile *profile = NULL;
    struct at_reader *reader = NULL;
    struct at_checker *checker = NULL;
    struct at_diagnosis *diagnosis = NULL;
    struct at_why why;
    int status;
    const struct at_check_sink sink = {.ctx = r, .divergence = on_divergence, .inferred = on_inferred, .hint = on_hint};
    if (cli->n_operands == 0)
        return at_cli_usage(self, "a tape is needed ('-' is standard input)");
    if (at_profile_load(profile_name, &profile, &why))
        return at_cli_trouble("profile %s: %s", profile_name, why.text);
    if (at_reader_open((const char *const *)cli->operands, (size_t)cli->n_operands, reader_options, &reader, &why))
        status = at_cli_trouble("%s", why.text);
    else if (at_checker_new(profile, check_options, &sink, &checker) ||
             (r->diagnose && at_diagnosis_new(profile, check_options, &diagnosis)))
        status = at_cli_trouble("replay: out of memory");
    else
        status = check(r, reader, checker, diagnosis, profile_name);
    at_diagnosis_free(&diagnosis);
    at_checker_free(&checker);
    at_reader_close(&reader);
    at_profile_free(&profile);
    return status;
}

static bool read_format(const struct at_cli *cli, enum format *out)
{
    static const char *const names[] = {"text", "json", "ndjson"};
    for (size_t i = 0; i < 3; i++) {
        if (!strcmp(cli->arg, names[i])) {
            *out = (enum format)i;
            return true;
        }
    }
    at_cli_usage(cli->command, "no format '%s' (text, json, ndjson)", cli->arg);
    return false;
}

static int run(const struct at_command *self, int argc, char **argv)
{
    struct at_cli cli;
    struct run r = {.color = at_cli_color(stdout)};
    struct at_check_options check_options = {0};
    struct at_reader_options reader_options = {0};
    const char *profile = AT_DEFAULT_PROFILE;
    uint64_t n;
    int id;
    at_cli_begin(&cli, self, argc, argv);
    while ((id = at_cli_next(&cli)) > 0) {
        bool good = true;
        switch (id) {
        case OPT_PROFILE:
            profile = cli.arg;
            break;
        case OPT_STRICT:
            check_options.strict = true;
            break;
        case OPT_FORMAT:
            good = read_format(&cli, &r.format);
            break;
        case OPT_QUIET:
            good = at_cli_number(&cli, "quiet-ms", 0, UINT32_MAX, &n);
            check_options.has_quiet_ms = true;
            check_options.quiet_ms = good ? (uint32_t)n : 0;
            break;
        case OPT_GRACE:
            good = at_cli_number(&cli, "grace", 1, UINT32_MAX / 1000, &n);
            check_options.grace_ms = good ? (uint32_t)n * 1000 : 0;
            break;
        case OPT_DIAGNOSE:
            r.diagnose = true;
            break;
        case OPT_SALVAGE:
        default:
            reader_options.recovery = AT_RECOVER_SALVAGE;
            break;
        }
        if (!good)
            return AT_EXIT_TROUBLE;
    }
    if (id == AT_CLI_EXIT)
        return cli.status;
    int status = replay(self, &r, profile, &check_options, &reader_options, &cli);
    at_buf_free(&r.line);
    at_buf_free(&r.divergences);
    at_buf_free(&r.inferred);
    at_buf_free(&r.hints);
    return status;
}

const struct at_command at_cmd_replay = {
    .name = "replay",
    .summary = "Checks recordings against the reference machine and explains every divergence.",
    .usage = "[OPTION]... TAPE|-...",
    .options = options,
    .details =
        "Exit status: 0 every event is explained, 1 divergences, 2 trouble (also: a user could not be followed).",
    .run = run,
};
