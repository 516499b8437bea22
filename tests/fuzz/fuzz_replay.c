/* fuzz_replay.c: any events at all, as NDJSON, through the checker and through every variant of it. */
#include <stdlib.h>
#include <string.h>

#include "replay/replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum at_err touch(void *ctx, const struct at_divergence *d)
{
    size_t *sum = ctx;
    *sum += strlen(d->explanation) + strlen(d->expected) + strlen(d->observed) + d->scope.len + d->call.len;
    for (size_t i = 0; i < d->n_witness; i++)
        *sum += strlen(d->witness[i].text);
    return AT_OK;
}

static void must(enum at_err err)
{
    if (err && err != AT_NOMEM)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct at_profile *profile;
    struct at_event_parser *parser = NULL;
    struct at_checker *checker = NULL;
    struct at_diagnosis *diagnosis = NULL;
    struct at_event ev;
    size_t sum = 0;
    uint64_t index = 0;
    const struct at_hypothesis *best;
    size_t n;
    const struct at_check_sink sink = {.ctx = &sum, .divergence = touch};
    const bool diagnose = size % 61 == 0; /* many checkers: slow */
    const struct at_check_options options = {.configurations = diagnose ? 50 : 200, .strict = size % 7 == 0};
    if (!profile && at_profile_load(AT_DEFAULT_PROFILE, &profile, NULL))
        abort();
    must(at_event_parser_new(&parser));
    must(at_checker_new(profile, &options, &sink, &checker));
    if (diagnose)
        must(at_diagnosis_new(profile, &options, &diagnosis));
    struct at_str rest = {(const char *)data, size};
    while (rest.len && index < 200) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        struct at_str line = {rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len};
        rest.ptr += line.len + (end != NULL);
        rest.len -= line.len + (end != NULL);
        if (at_event_parse(parser, line, &ev, NULL))
            continue;
        must(at_checker_event(checker, &ev, index));
        if (diagnosis)
            must(at_diagnosis_event(diagnosis, &ev, index));
        index++;
    }
    must(at_checker_finish(checker));
    if (diagnosis)
        must(at_diagnosis_finish(diagnosis, &best, &n));
    at_diagnosis_free(&diagnosis);
    at_checker_free(&checker);
    at_event_parser_free(&parser);
    return 0;
}
