/* partial_shares.c: the shares of a partial report, as JSON and back. */
#include "analysis/partial_private.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum at_err partial_shares_add(struct partial_shares *sum, const struct at_shares *part, struct at_why *why)
{
    if (part->of == 1 && !part->reading.events)
        return AT_OK; /* nothing was read: there is nothing to be had twice */
    for (size_t i = 0; i < sum->n; i++)
        if (at_shares_same_recording(&sum->list[i], part))
            return at_shares_join(&sum->list[i], part, why);
    struct at_shares *grown = realloc(sum->list, (sum->n + 1) * sizeof *grown);
    if (!grown)
        return at_fail(why, AT_NOMEM, "out of memory");
    sum->list = grown;
    if (at_shares_new(part->of, &grown[sum->n]))
        return at_fail(why, AT_NOMEM, "out of memory");
    grown[sum->n].reading = part->reading;
    return at_shares_join(&grown[sum->n++], part, why);
}

void partial_shares_free(struct partial_shares *s)
{
    while (s->n)
        at_shares_free(&s->list[--s->n]);
    free(s->list);
    *s = (struct partial_shares){0};
}

static enum at_err put_one(const struct at_shares *s, struct at_buf *out)
{
    const char *between = "";
    enum at_err err = at_buf_printf(
        out, "{\"of\":%" PRIu32 ",\"read\":[%" PRIu64 ",\"%016" PRIx64 "\",\"%016" PRIx64 "\",%d],\"have\":[", s->of,
        s->reading.events, s->reading.print, s->reading.tape, s->reading.alone);
    for (uint32_t n = 1; n <= s->of && !err; n++) {
        if (!at_shares_has(s, n))
            continue;
        err = at_buf_printf(out, "%s%" PRIu32, between, n);
        between = ",";
    }
    return err ? err : at_buf_str(out, AT_STR("]}"));
}

enum at_err partial_put_shares(const struct partial_shares *s, struct at_buf *out)
{
    enum at_err err = at_buf_str(out, AT_STR(",\n\"shares\":["));
    for (size_t i = 0; i < s->n && !err; i++) {
        if (i)
            err = at_buf_str(out, AT_STR(","));
        if (!err)
            err = put_one(&s->list[i], out);
    }
    return err ? err : at_buf_str(out, AT_STR("]"));
}

static bool hash_of(const cJSON *value, uint64_t *out)
{
    const char *text = cJSON_GetStringValue(value);
    return text && strlen(text) == 16 && partial_hex(text, 16, out);
}

static enum at_err read_one(const cJSON *value, struct at_shares *s)
{
    const cJSON *read = cJSON_GetObjectItemCaseSensitive(value, "read"), *number;
    const cJSON *have = cJSON_GetObjectItemCaseSensitive(value, "have");
    uint64_t of, n, alone;
    if (!partial_natural(cJSON_GetObjectItemCaseSensitive(value, "of"), &of) || of < 1 || of > AT_SHARDS_MAX ||
        cJSON_GetArraySize(read) != 4 || !cJSON_IsArray(have))
        return AT_BAD;
    enum at_err err = at_shares_new((uint32_t)of, s);
    if (!err && (!partial_natural(cJSON_GetArrayItem(read, 0), &s->reading.events) ||
                 !hash_of(cJSON_GetArrayItem(read, 1), &s->reading.print) ||
                 !hash_of(cJSON_GetArrayItem(read, 2), &s->reading.tape) ||
                 !partial_natural(cJSON_GetArrayItem(read, 3), &alone)))
        err = AT_BAD;
    s->reading.alone = !err && alone;
    for (number = have->child; number && !err; number = number->next) {
        err = partial_natural(number, &n) && n >= 1 && n <= of ? AT_OK : AT_BAD;
        if (!err)
            at_shares_set(s, (uint32_t)n);
    }
    return err;
}

enum at_err partial_add_shares(const struct partial *p, struct partial_shares *sum, struct at_why *why)
{
    const cJSON *value, *list = cJSON_GetObjectItemCaseSensitive(p->top, "shares");
    enum at_err err = AT_OK;
    if (!cJSON_IsArray(list))
        return partial_bad(why, "shares");
    for (value = list->child; value && !err; value = value->next) {
        struct at_shares one = {.of = 0};
        err = read_one(value, &one);
        if (err)
            err = partial_bad(why, "shares");
        else
            err = partial_shares_add(sum, &one, why);
        at_shares_free(&one);
    }
    return err;
}
