/* part.c: parts of a replay: read, put together, sorted. */
#include "replay/part.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading */

static enum at_err bad(struct at_why *why, uint64_t line, const char *what)
{
    return at_fail(why, AT_BAD, "line %" PRIu64 ": %s", line, what);
}

/* A number without sign, as it is written here; false for anything else. */
static bool number(struct at_str s, uint64_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(s.ptr[i] - '0');
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return s.len > 0;
}

/* The next element of an array of numbers; `rest` begins behind its bracket. */
static bool next_number(struct at_str *rest, uint64_t *out)
{
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != ',' && rest->ptr[len] != ']')
        len++;
    if (len == rest->len || !number((struct at_str){rest->ptr, len}, out))
        return false;
    rest->ptr += len + 1;
    rest->len -= len + 1;
    return true;
}

/* Goes behind the bracket. */
static bool open_array(struct at_str *array)
{
    if (array->len < 2 || array->ptr[0] != '[')
        return false;
    array->ptr++;
    array->len--;
    return true;
}

static bool numbers(struct at_str array, uint64_t *out, size_t n)
{
    if (!open_array(&array))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!next_number(&array, &out[i]))
            return false;
    return array.len == 0;
}

static bool member_number(struct at_str line, const char *name, uint64_t *out)
{
    struct at_str value = at_json_member(line, name);
    return value.ptr && number(value, out);
}

static bool parse_have(struct at_str line, struct at_shares *s)
{
    uint64_t of, n;
    struct at_str rest = at_json_member(line, "have");
    if (!member_number(line, "of", &of) || of < 1 || of > AT_SHARDS_MAX || !open_array(&rest) ||
        at_shares_new((uint32_t)of, s))
        return false;
    while (rest.len > 1) {
        if (!next_number(&rest, &n) || n < 1 || n > of)
            return false;
        at_shares_set(s, (uint32_t)n);
    }
    return true;
}

static bool parse_known(struct at_str line, struct part *p)
{
    struct at_str rest = at_json_member(line, "seen");
    uint64_t n;
    p->known = at_json_member(line, "accepted");
    if (p->known.len < 2 || p->known.ptr[0] != '[' || !open_array(&rest))
        return false;
    p->known_seen = calloc(rest.len + 1, 1);
    while (p->known_seen && rest.len > 1) {
        if (!next_number(&rest, &n) || n > 1)
            return false;
        p->known_seen[p->n_known++] = (uint8_t)n;
    }
    return p->known_seen != NULL;
}

static enum at_err parse_head(struct at_str line, struct part *p, struct at_why *why)
{
    struct at_str schema = at_json_member(line, "schema");
    uint64_t read[4] = {0}, login = 0, user_info = 0;
    struct part_sums *sums = &p->sums;
    if (!at_str_eq(schema, AT_STR("\"" PART_SCHEMA "\"")))
        return bad(why, 1, "not a part of a replay ('replay --partial' makes them)");
    p->profile = at_json_member(line, "profile");
    p->options = at_json_member(line, "options");
    p->tape = at_json_member(line, "tape");
    bool good = p->tape.len > 1 && p->profile.len > 1 && p->profile.ptr[0] == '"' && p->options.len > 1 &&
                p->options.ptr[0] == '"' && parse_have(line, &p->share) &&
                numbers(at_json_member(line, "read"), read, 4) && read[3] <= 1 && member_number(line, "max", &p->max) &&
                member_number(line, "lost_events", &sums->lost_events) && member_number(line, "login", &login) &&
                member_number(line, "user_info", &user_info) && parse_known(line, p);
#define X(name) good = good && member_number(line, #name, &sums->name);
    PART_SUM_MAP(X)
#undef X
    if (!good)
        return bad(why, 1, "the head of the part makes no sense");
    p->share.reading = (struct at_reading){.events = read[0], .print = read[1], .tape = read[2], .alone = read[3] == 1};
    sums->saw_login = login;
    sums->saw_user_info = user_info;
    return AT_OK;
}

static enum at_err parse_line(struct at_str text, uint64_t sequence, struct part *p)
{
    struct part_line line = {.text = text, .sequence = sequence};
    uint64_t at[3];
    if (!numbers(at_json_member(text, "at"), at, 3) || at[0] > AT_PHASE_NAMES)
        return AT_BAD;
    line.order = (struct at_check_order){(enum at_check_phase)at[0], at[1], at[2]};
    if (at_json_member(text, "divergence").ptr)
        line.what = PART_DIVERGENCE;
    else if (at_json_member(text, "inferred").ptr)
        line.what = PART_INFERRED;
    else if (at_json_member(text, "hint").ptr)
        line.what = PART_HINT;
    else
        return AT_BAD;
    if (p->n_lines == p->cap_lines) {
        size_t cap = p->cap_lines ? p->cap_lines * 2 : 64;
        struct part_line *grown = realloc(p->lines, cap * sizeof *grown);
        if (!grown)
            return AT_NOMEM;
        p->lines = grown;
        p->cap_lines = cap;
    }
    p->lines[p->n_lines++] = line;
    return AT_OK;
}

static enum at_err parse_lines(struct at_str rest, struct part *p, struct at_why *why)
{
    uint64_t number_of_line = 0, told;
    bool ended = false;
    while (rest.len) {
        const char *end = memchr(rest.ptr, '\n', rest.len);
        struct at_str line = {rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len};
        enum at_err err = AT_OK;
        number_of_line++;
        if (!end || ended || !at_json_valid(line) || line.ptr[0] != '{')
            return bad(why, number_of_line, "this is no line of a part of a replay");
        rest.ptr += line.len + 1;
        rest.len -= line.len + 1;
        if (number_of_line == 1)
            err = parse_head(line, p, why);
        else if (member_number(line, "end", &told))
            ended = told == p->n_lines;
        else
            err = parse_line(line, number_of_line, p);
        if (err)
            return number_of_line == 1 ? err
                   : err == AT_BAD     ? bad(why, number_of_line, "this is no finding")
                                       : at_fail(why, err, "%s", at_err_text(err));
    }
    return ended ? AT_OK : bad(why, number_of_line + 1, "the part was cut off: make it again");
}

enum at_err part_parse(struct at_buf *text, struct part *out, struct at_why *why)
{
    *out = (struct part){.n_texts = 1};
    out->texts = calloc(1, sizeof *out->texts);
    if (!out->texts) {
        at_buf_free(text);
        return at_fail(why, AT_NOMEM, "out of memory");
    }
    *out->texts = *text;
    *text = (struct at_buf){0};
    enum at_err err = parse_lines(at_buf_view(out->texts), out, why);
    if (err)
        part_free(out);
    return err;
}

void part_free(struct part *p)
{
    for (size_t i = 0; i < p->n_texts && p->texts; i++)
        at_buf_free(&p->texts[i]);
    free(p->texts);
    free(p->lines);
    free(p->known_seen);
    at_shares_free(&p->share);
    *p = (struct part){0};
}

/* ---- Putting together */

static enum at_err fits(const struct part *sum, const struct part *part, struct at_why *why)
{
    if (!at_str_eq(sum->profile, part->profile))
        return at_fail(why, AT_BAD, "made with profile %.*s, the parts before it with %.*s", AT_STR_FMT(part->profile),
                       AT_STR_FMT(sum->profile));
    if (!at_str_eq(sum->options, part->options) || !at_str_eq(sum->known, part->known))
        return at_fail(why, AT_BAD, "made with other options than the parts before it");
    if (sum->max != part->max)
        return at_fail(why, AT_BAD, "made with another --max than the parts before it");
    if (!at_shares_same_recording(&sum->share, &part->share))
        return at_fail(why, AT_BAD, "of another recording than the parts before it");
    return AT_OK;
}

static void add_sums(struct part *sum, const struct part *part, bool apart)
{
    struct part_sums *to = &sum->sums;
    const struct part_sums *from = &part->sums;
#define X(name) to->name += from->name;
    PART_SUM_MAP(X)
#undef X
    if (apart)
        to->lost_events += from->lost_events;
    else
        to->lost_events = from->lost_events > to->lost_events ? from->lost_events : to->lost_events;
    to->saw_login = to->saw_login || from->saw_login;
    to->saw_user_info = to->saw_user_info || from->saw_user_info;
    for (size_t i = 0; i < sum->n_known; i++)
        sum->known_seen[i] |= part->known_seen[i];
}

enum at_err part_add(struct part *sum, struct part *part, struct at_why *why)
{
    if (!sum->n_texts) {
        *sum = *part;
        *part = (struct part){0};
        return AT_OK;
    }
    enum at_err err = fits(sum, part, why);
    bool apart = sum->share.reading.print != part->share.reading.print;
    if (!err)
        err = at_shares_join(&sum->share, &part->share, why);
    if (err)
        return err;
    struct at_buf *texts = realloc(sum->texts, (sum->n_texts + part->n_texts) * sizeof *texts);
    if (texts)
        sum->texts = texts;
    struct part_line *lines = realloc(sum->lines, (sum->n_lines + part->n_lines + 1) * sizeof *lines);
    if (lines)
        sum->lines = lines;
    if (!texts || !lines)
        return at_fail(why, AT_NOMEM, "out of memory");
    sum->cap_lines = sum->n_lines + part->n_lines + 1;
    memcpy(sum->texts + sum->n_texts, part->texts, part->n_texts * sizeof *texts);
    if (part->n_lines)
        memcpy(sum->lines + sum->n_lines, part->lines, part->n_lines * sizeof *lines);
    add_sums(sum, part, apart);
    sum->n_texts += part->n_texts;
    sum->n_lines += part->n_lines;
    part->n_texts = 0;
    part_free(part);
    return AT_OK;
}

static int by_order(const void *x, const void *y)
{
    const struct part_line *a = x, *b = y;
    if (a->order.phase != b->order.phase)
        return a->order.phase < b->order.phase ? -1 : 1;
    if (a->order.event != b->order.event)
        return a->order.event < b->order.event ? -1 : 1;
    if (a->order.of_stream != b->order.of_stream)
        return a->order.of_stream < b->order.of_stream ? -1 : 1;
    if (a->sequence != b->sequence)
        return a->sequence < b->sequence ? -1 : 1;
    return at_str_cmp(a->text, b->text); /* of recordings apart: whatever order, but always the same */
}

void part_sort(struct part *p)
{
    size_t n = 0;
    if (p->n_lines)
        qsort(p->lines, p->n_lines, sizeof *p->lines, by_order);
    for (size_t i = 0; i < p->n_lines; i++) {
        bool again = false;
        struct at_str hint = at_json_member(p->lines[i].text, "hint");
        for (size_t j = 0; p->lines[i].what == PART_HINT && j < n && !again; j++)
            again = p->lines[j].what == PART_HINT && at_str_eq(hint, at_json_member(p->lines[j].text, "hint"));
        if (!again)
            p->lines[n++] = p->lines[i];
    }
    p->n_lines = n;
}
