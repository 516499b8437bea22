/* example.c: checks tapes, tells what diverges, and keeps the events of those users on a tape of their own.
 *   cc example.c $(pkg-config --cflags --libs libauthtape) -o check
 *   ./check BAD.tape TAPE...
 */
#include <authtape.h>
#include <stdio.h>
#include <string.h>

#define USERS_MAX 1000

struct found {
    char users[USERS_MAX][64];
    size_t n;
};

static int on_divergence(void *ctx, const struct authtape_divergence *d)
{
    struct found *f = ctx;
    printf("%s (%s) at event %llu: expected %s\n", d->cls, d->rule, (unsigned long long)d->event, d->expected);
    if (f->n < USERS_MAX)
        snprintf(f->users[f->n++], sizeof f->users[0], "%.*s", (int)d->user.len, d->user.ptr);
    return 0;
}

static int is_found(const struct found *f, struct authtape_text user)
{
    for (size_t i = 0; i < f->n; i++)
        if (strlen(f->users[i]) == user.len && !memcmp(f->users[i], user.ptr, user.len))
            return 1;
    return 0;
}

static int trouble(const char *why)
{
    fprintf(stderr, "check: %s\n", why);
    return 2;
}

int main(int argc, char **argv)
{
    static struct found found;
    const char *const *tapes = (const char *const *)argv + 2;
    const size_t n = argc > 2 ? (size_t)argc - 2 : 0;
    const struct authtape_event *ev;
    struct authtape_reader *reader = NULL;
    struct authtape_checker *checker = NULL;
    struct authtape_writer *writer = NULL;
    uint64_t divergences;
    int err;

    if (n == 0)
        return trouble("usage: check BAD.tape TAPE...");
    if (authtape_checker_open(NULL, on_divergence, &found, &checker))
        return trouble(authtape_checker_why(checker));
    if (authtape_reader_open(tapes, n, &reader))
        return trouble(authtape_reader_why(reader));
    while (!(err = authtape_reader_next(reader, &ev)))
        if (authtape_checker_event(checker, ev))
            return trouble(authtape_checker_why(checker));
    if (err != AUTHTAPE_END)
        return trouble(authtape_reader_why(reader));
    authtape_reader_close(&reader);
    if (authtape_checker_finish(checker, &divergences, NULL))
        return trouble(authtape_checker_why(checker));
    authtape_checker_close(&checker);

    if (authtape_reader_open(tapes, n, &reader))
        return trouble(authtape_reader_why(reader));
    if (authtape_writer_open(argv[1], &writer))
        return trouble(authtape_writer_why(writer));
    while (!(err = authtape_reader_next(reader, &ev)))
        if (is_found(&found, authtape_event_field(ev, "user")) && authtape_writer_add(writer, ev))
            return trouble(authtape_writer_why(writer));
    if (err != AUTHTAPE_END)
        return trouble(authtape_reader_why(reader));
    if (authtape_writer_finish(writer))
        return trouble(authtape_writer_why(writer));
    authtape_writer_close(&writer);
    authtape_reader_close(&reader);
    return divergences > 0;
}
