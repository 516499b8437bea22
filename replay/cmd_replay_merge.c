/* cmd_replay_merge.c: `authtape replay merge`: the parts that `replay --partial` wrote, put together. */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "replay/cmd_replay.h"
#include "replay/part.h"

static int trouble(const struct print *print, enum at_err err, const struct at_why *why)
{
    const struct at_why *words = print->output_why.text[0] ? &print->output_why : why;
    return at_cli_trouble("replay merge: %s", words->text[0] ? words->text : at_err_text(err));
}

/* Reads the parts. AT_EXIT_NONE, or trouble after a message. */
static int add_all(const char *const *paths, size_t n, struct part *sum)
{
    for (size_t i = 0; i < n; i++) {
        struct at_buf text = {0};
        struct part part = {.n_texts = 0};
        struct at_why why = {{0}};
        enum at_err err = at_read_file(paths[i], PART_FILE_MAX, &text, &why);
        if (!err)
            err = part_parse(&text, &part, &why);
        if (!err)
            err = part_add(sum, &part, &why);
        at_buf_free(&text);
        part_free(&part);
        if (err)
            return at_cli_file_trouble(paths[i], &why);
    }
    return AT_EXIT_NONE;
}

/* The accepted divergences that no share has seen. */
static enum at_err put_vanished(const struct part *sum, struct at_buf *out, uint64_t *n)
{
    struct at_str rest = {sum->known.ptr + 1, sum->known.len - 1};
    enum at_err err = AT_OK;
    for (size_t i = 0; i < sum->n_known && !err; i++) {
        size_t len = at_json_skip(rest);
        if (!len)
            return AT_BAD;
        if (!sum->known_seen[i] && (*n)++)
            err = at_buf_str(out, AT_STR(","));
        if (!sum->known_seen[i] && !err)
            err = at_buf_add(out, rest.ptr, len);
        rest.ptr += len + 1;
        rest.len -= len + 1;
    }
    return err;
}

static enum at_err print_sum(const struct part *sum, struct print *print, uint64_t max, struct at_why *why)
{
    const struct part_sums *s = &sum->sums;
    struct at_buf vanished = {0};
    struct print_totals t = {.check = {.events = s->events,
                                       .calls = s->calls,
                                       .keys = s->keys,
                                       .undetermined = s->undetermined,
                                       .inconclusive = s->inconclusive,
                                       .divergences = s->divergences,
                                       .gaps = s->gaps,
                                       .lost_bytes = s->lost_bytes},
                             .lost = {.events = s->lost_events}};
    cJSON *profile = cJSON_ParseWithLength(sum->profile.ptr, sum->profile.len);
    cJSON *tape = cJSON_ParseWithLength(sum->tape.ptr, sum->tape.len);
    print->profile = cJSON_GetStringValue(profile);
    print->tape = cJSON_GetStringValue(tape);
    print->n_known = s->known;
    print->n_mild = s->mild;
    enum at_err err = print->profile && print->tape ? part_tell(sum, print, max, why) : AT_BAD;
    if (!err)
        err = put_vanished(sum, &vanished, &t.n_vanished);
    t.vanished = at_buf_view(&vanished);
    if (!err && print->format->end)
        err = print->format->end(print, &t);
    at_buf_free(&vanished);
    cJSON_Delete(profile);
    cJSON_Delete(tape);
    return err;
}

/* The parts as one part, so that they can be put together in groups. */
static enum at_err write_part(struct part *sum, struct print *print)
{
    enum at_err err = part_put_head(&print->line, sum);
    if (!err)
        err = print_line(print);
    for (size_t i = 0; i < sum->n_lines && !err; i++) {
        err = at_buf_str(&print->line, sum->lines[i].text);
        if (!err)
            err = at_buf_str(&print->line, AT_STR("\n"));
        if (!err)
            err = print_line(print);
    }
    if (!err)
        err = part_put_end(&print->line, sum->n_lines);
    return err ? err : print_line(print);
}

int replay_merge(const struct merge_request *q, struct print *print)
{
    struct part sum = {.n_texts = 0};
    struct at_why why = {{0}};
    int status = add_all(q->paths, q->n_paths, &sum);
    if (status == AT_EXIT_NONE && !q->partial)
        status = at_cli_missing_shares("replay", &sum.share);
    enum at_err err = AT_OK;
    if (status == AT_EXIT_NONE && q->output)
        err = at_output_open(q->output, &print->output, &print->output_why);
    if (status == AT_EXIT_NONE && !err) {
        part_sort(&sum);
        err = q->partial ? write_part(&sum, print) : print_sum(&sum, print, q->max < sum.max ? q->max : sum.max, &why);
    }
    if (status == AT_EXIT_NONE && !err && print->output)
        err = at_output_commit(print->output, &print->output_why);
    if (err && err != AT_CLOSED)
        status = trouble(print, err, &why);
    else if (status == AT_EXIT_NONE && !q->partial)
        status = sum.sums.counting ? AT_EXIT_FOUND : sum.sums.inconclusive ? AT_EXIT_TROUBLE : AT_EXIT_NONE;
    part_free(&sum);
    return at_cli_finish(status);
}
