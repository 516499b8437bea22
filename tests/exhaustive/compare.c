/*
 * compare.c: the brute-force verdicts against those of `authtape replay --format ndjson`, event by event.
 *
 *   compare HISTORIES.ndjson BRUTE.ndjson REPLAY.ndjson MESSAGES COVERAGE
 *
 * Prints the first histories on which they differ in the short notation and a line of numbers at the end; appends what
 * was reached to COVERAGE ("NAME COUNT" lines). Exit status 1 where they differ.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "json.h"

#define SHOWN 8 /* histories */
#define NAMES 128

/* About the call itself, checked beside the machine. */
static const char *const beside[] = {"wrong-api", "no-answer", "second-answer"};

struct count {
    char name[64];
    uint64_t n;
};

struct compare {
    uint8_t *brute, *replay; /* by event: is it unexplained? */
    size_t n_events, cap;
    struct count counts[NAMES];
    size_t n_counts;
    char (*given_up)[NAME_BYTES]; /* users */
    size_t n_given_up;
    uint64_t keys, skipped, differ;
    char shown[SHOWN][NAME_BYTES];
};

static void die(const char *what, const char *where)
{
    fprintf(stderr, "compare: %s: %.200s\n", what, where);
    exit(2);
}

enum { UNEXPLAINED = 1, UNSEARCHED = 2 };

static void mark(struct compare *c, uint8_t *set, uint64_t event, uint8_t how)
{
    if (event >= c->n_events)
        die("no such event", "in a verdict");
    set[event] |= how;
}

static void add_count(struct compare *c, const char *kind, const char *name, uint64_t n)
{
    char full[64];
    size_t i = 0;
    snprintf(full, sizeof full, "%s%s", kind, name);
    while (i < c->n_counts && strcmp(c->counts[i].name, full))
        i++;
    if (i == NAMES)
        return;
    if (i == c->n_counts)
        memcpy(c->counts[c->n_counts++].name, full, sizeof full);
    c->counts[i].n += n;
}

static FILE *open_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        die("cannot open", path);
    return f;
}

static void read_brute(struct compare *c, const char *path)
{
    FILE *f = open_file(path);
    char *text = NULL, name[64];
    size_t cap = 0;
    while (getline(&text, &cap, f) > 0) {
        const char *p = strstr(text, "\"all\":[");
        if (!strncmp(text, "{\"coverage\":{", 13)) {
            for (p = text + 13; *p == '"'; p += *p == ',') {
                p = json_string(p, name, sizeof name);
                add_count(c, "", name, strtoull(p + 1, NULL, 10));
                p = json_skip(p + 1);
            }
            continue;
        }
        c->keys++;
        c->skipped += !p;
        uint8_t how = p ? UNEXPLAINED : UNSEARCHED;
        p = p ? p : strstr(text, "\"skipped\":[");
        if (!p)
            die("no verdict", text);
        for (p = strchr(p, '[') + 1; *p != ']'; p += *p == ',') {
            char *end;
            mark(c, c->brute, strtoull(p, &end, 10), how);
            p = end;
        }
    }
    free(text);
    fclose(f);
}

/* The fields of a divergence that matter here: those of the line itself, not of its witness. */
static void read_divergence(struct compare *c, const char *text)
{
    char name[64], value[64], cls[64] = "", rule[64] = "";
    uint64_t event = UINT64_MAX;
    const char *p = json_space(text);
    if (*p++ != '{')
        die("not an object", text);
    while (*(p = json_space(p)) == '"') {
        p = json_string(p, name, sizeof name);
        if (!p || *(p = json_space(p)) != ':')
            die("broken", text);
        const char *after = json_string(++p, value, sizeof value);
        if (!strcmp(name, "event"))
            event = strtoull(p, NULL, 10);
        else if (after && !strcmp(name, "class"))
            memcpy(cls, value, sizeof cls);
        else if (after && !strcmp(name, "rule"))
            memcpy(rule, value, sizeof rule);
        p = json_skip(p);
        if (!p)
            die("broken", text);
        p += *p == ',';
    }
    if (!cls[0] || event == UINT64_MAX)
        return;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (!strcmp(cls, beside[i]))
            return;
    mark(c, c->replay, event, UNEXPLAINED);
    add_count(c, "class ", cls, 1);
    add_count(c, "rule ", rule, 1);
}

static void read_replay(struct compare *c, const char *path)
{
    FILE *f = open_file(path);
    char *text = NULL;
    size_t cap = 0;
    while (getline(&text, &cap, f) > 0)
        if (strstr(text, "\"class\""))
            read_divergence(c, text);
    free(text);
    fclose(f);
}

/* "authtape: app a, user h7 is inconclusive: …". False where replay had anything else to say. */
static bool read_messages(struct compare *c, const char *path)
{
    FILE *f = open_file(path);
    char *text = NULL, user[NAME_BYTES];
    size_t cap = 0;
    bool good = true;
    while (getline(&text, &cap, f) > 0) {
        if (sscanf(text, "authtape: app a, user %63s is inconclusive", user) != 1) {
            printf("  replay says: %s", text);
            good = false;
            continue;
        }
        void *more = realloc(c->given_up, (c->n_given_up + 1) * sizeof *c->given_up);
        if (!more)
            die("out of memory", path);
        c->given_up = more;
        memcpy(c->given_up[c->n_given_up++], user, NAME_BYTES);
    }
    free(text);
    fclose(f);
    return good;
}

static bool is_given_up(const struct compare *c, const char *user)
{
    for (size_t i = 0; i < c->n_given_up; i++)
        if (!strcmp(c->given_up[i], user))
            return true;
    return false;
}

static void count_events(struct compare *c, const char *path)
{
    FILE *f = open_file(path);
    char *text = NULL;
    size_t cap = 0;
    while (getline(&text, &cap, f) > 0)
        c->n_events++;
    free(text);
    fclose(f);
    c->brute = calloc(c->n_events + 1, 1);
    c->replay = calloc(c->n_events + 1, 1);
    if (!c->brute || !c->replay)
        die("out of memory", path);
}

/* ---- Showing */

/* Prints one user's history with the events that each side finds unexplained, in numbers of the history. */
static void show(const struct compare *c, const char *path, const char *user)
{
    FILE *f = open_file(path);
    char *text = NULL, brute[256] = "", replay[256] = "";
    size_t cap = 0, n = 0;
    int64_t last = 0;
    struct line line;
    printf("  %s: ", user);
    for (size_t i = 0; getline(&text, &cap, f) > 0; i++) {
        if (!line_read(text, &line) || strcmp(line.user, user))
            continue;
        line.event.call = line.call[0] ? (uint32_t)strtoul(line.call, NULL, 10) : NO_CALL;
        fputs(n ? "; " : "", stdout);
        notation_write(stdout, &line.event, n && line.event.t_us - last >= 2000000);
        last = line.event.t_us;
        for (int side = 0; side < 2; side++) {
            char *out = side ? replay : brute;
            size_t used = strlen(out);
            if ((side ? c->replay : c->brute)[i])
                snprintf(out + used, sizeof brute - used, " %zu", n);
        }
        n++;
    }
    printf(" = brute%s, replay%s\n", brute[0] ? brute : " none", replay[0] ? replay : " none");
    free(text);
    fclose(f);
}

static void find_differences(struct compare *c, const char *path)
{
    FILE *f = open_file(path);
    char *text = NULL, last[NAME_BYTES] = "";
    size_t cap = 0;
    struct line line;
    for (size_t i = 0; getline(&text, &cap, f) > 0; i++) {
        if (c->brute[i] == c->replay[i] || c->brute[i] == UNSEARCHED || !line_read(text, &line) ||
            !strcmp(line.user, last))
            continue;
        memcpy(last, line.user, NAME_BYTES);
        if (is_given_up(c, last))
            continue;
        for (uint64_t j = 0; j < c->differ && j < SHOWN; j++)
            if (!strcmp(c->shown[j], last))
                goto next;
        if (c->differ < SHOWN)
            memcpy(c->shown[c->differ], last, NAME_BYTES);
        c->differ++;
    next:;
    }
    free(text);
    fclose(f);
}

static void write_coverage(const struct compare *c, const char *path)
{
    FILE *f = fopen(path, "a");
    if (!f)
        die("cannot write", path);
    for (size_t i = 0; i < c->n_counts; i++)
        fprintf(f, "%" PRIu64 " %s\n", c->counts[i].n, c->counts[i].name);
    fprintf(f, "%" PRIu64 " histories\n%" PRIu64 " differ\n%" PRIu64 " skipped\n%zu given up\n", c->keys, c->differ,
            c->skipped, c->n_given_up);
    if (fclose(f))
        die("cannot write", path);
}

int main(int argc, char **argv)
{
    struct compare c = {0};
    if (argc != 6) {
        fputs("usage: compare HISTORIES.ndjson BRUTE.ndjson REPLAY.ndjson MESSAGES COVERAGE\n", stderr);
        return 2;
    }
    count_events(&c, argv[1]);
    read_brute(&c, argv[2]);
    read_replay(&c, argv[3]);
    bool good = read_messages(&c, argv[4]);
    find_differences(&c, argv[1]);
    write_coverage(&c, argv[5]);
    for (uint64_t i = 0; i < c.differ && i < SHOWN; i++)
        show(&c, argv[1], c.shown[i]);
    if (c.differ)
        printf("  %" PRIu64 " of %" PRIu64 " histories differ\n", c.differ, c.keys);
    free(c.brute);
    free(c.replay);
    free(c.given_up);
    return c.differ || !good ? 1 : 0;
}
