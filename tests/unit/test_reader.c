/* Recordings as one sequence: merged by time, filtered, broken ones named; lines of any length, pipes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/formats.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static char folder[] = "/tmp/authtape-reader.XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < COUNT(names); i++)
        unlink(names[i]);
    return chdir("/") || rmdir(folder);
}

/* "1x 2y" is an event of stream x at time 1, one of stream y at time 2; the rest of a word is app and user: "1xAU". */
static void lines(const char *path, const char *events, const char *before, const char *after)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(before, f);
    for (const char *p = events; *p;) {
        char stream = 0, app = 'a', user = 'u';
        char *end = NULL;
        long t = strtol(p, &end, 10);
        p = end;
        stream = *p++;
        if (*p && *p != ' ')
            app = *p++;
        if (*p && *p != ' ')
            user = *p++;
        p += *p == ' ';
        fprintf(f, "{\"t\":%ld,\"kind\":\"reset\",\"app\":\"%c\",\"user\":\"%c\",\"stream\":\"%c\"}\n", t, app, user,
                stream);
    }
    fputs(after, f);
    assert_int_equal(fclose(f), 0);
}

static void add_event(struct at_buf *out, const struct at_event *ev, uint64_t index)
{
    assert_int_equal(
        at_buf_printf(out, "%llu:%lld%.*s ", (unsigned long long)index, (long long)ev->t_us, AT_STR_FMT(ev->stream)),
        AT_OK);
}

static void same_settings(const struct at_tape_batch *b, size_t i, const struct at_event *ev)
{
    const struct at_listing *listing = &b->listing[i];
    uint32_t list = listing->list;
    assert_true(list < b->n_lists && b->lists[list].n == ev->n_settings);
    for (size_t at = ev->n_settings; at-- > 0; list = b->lists[list].shorter) {
        assert_true(at_str_eq(b->lists[list].scope, ev->settings[at].scope));
        assert_int_equal(listing->granted[at / 8] >> at % 8 & 1, ev->settings[at].granted);
    }
    assert_int_equal(list, 0);
}

/* The columns of a batch say the same as its events whole. */
static void add_batch(struct at_buf *out, struct at_reader *r, const struct at_tape_batch *b, uint64_t first)
{
    struct at_event ev;
    assert_true(b->n > 0);
    for (size_t i = 0; i < b->n; i++) {
        at_reader_batch_event(r, i, &ev);
        assert_true(b->source[i] < b->n_sources && b->shape[i] < b->n_shapes);
        const struct at_tape_source *source = &b->sources[b->source[i]];
        assert_true(b->t_us[i] == ev.t_us && b->shapes[b->shape[i]].kind == ev.kind);
        assert_true(at_str_eq(source->app, ev.app) && at_str_eq(source->user, ev.user) &&
                    at_str_eq(source->stream, ev.stream) && at_str_eq(source->platform, ev.platform));
        if (ev.has & AT_HAS_CALL)
            assert_true(at_str_eq(b->call[i], ev.call));
        if (ev.has & AT_HAS_AUTH_SETTING)
            same_settings(b, i, &ev);
        add_event(out, &ev, first + (b->place ? b->place[i] : i));
    }
}

enum way { BY_EVENTS, BY_BATCHES, BY_BOTH, WAYS };

static enum at_err read_way(struct at_reader *r, enum way way, struct at_buf *out, struct at_why *why)
{
    struct at_event ev;
    struct at_tape_batch b;
    uint64_t index = 0;
    enum at_err err;
    for (int i = 0;; i++) {
        bool batch = way == BY_BATCHES || (way == BY_BOTH && i % 3 == 2);
        err = batch ? at_reader_next_batch(r, &b, &index, why) : at_reader_next(r, &ev, &index, why);
        if (err)
            return err;
        if (batch)
            add_batch(out, r, &b, index);
        else
            add_event(out, &ev, index);
    }
}

/* What is read, as "INDEX:TIMESTREAM …", then the error's words if there was one: the same in every way of reading. */
static void check_read(const char *const *paths, size_t n, const struct at_reader_options *options,
                       const char *expected)
{
    for (int way = 0; way < WAYS; way++) {
        struct at_reader *r = NULL;
        struct at_event ev;
        struct at_why why = {""};
        struct at_buf out = {0};
        lseek(STDIN_FILENO, 0, SEEK_SET); /* where it is a file: read anew each time */
        enum at_err err = at_reader_open(paths, n, options, &r, &why);
        assert_true(!err == (r != NULL));
        if (!err)
            err = read_way(r, (enum way)way, &out, &why);
        if (err == AT_END)
            assert_int_equal(at_reader_next(r, &ev, NULL, &why), AT_END); /* and stays there */
        else
            assert_int_equal(at_buf_printf(&out, "%d %s", (int)err, why.text), AT_OK);
        assert_int_equal(at_buf_add(&out, "", 1), AT_OK);
        assert_string_equal(out.ptr, expected);
        at_buf_free(&out);
        at_reader_close(&r);
        assert_null(r);
        at_reader_close(&r);
    }
}

static const char *const abc[] = {"a", "b", "c"};

static void merged_by_time(void **state)
{
    (void)state;
    lines("a", "1x 3x 5x", "", "");
    lines("b", "2y 3y 3z 9y", "", "");
    lines("c", "-4w 3w", "", "");
    check_read(abc, 3, NULL, "0:-4w 1:1x 2:2y 3:3x 4:3y 5:3z 6:3w 7:5x 8:9y ");
    static const char *const cba[] = {"c", "b", "a"};
    check_read(cba, 3, NULL, "0:-4w 1:1x 2:2y 3:3w 4:3y 5:3z 6:3x 7:5x 8:9y ");
    static const char *const twice[] = {"a", "a"};
    check_read(twice, 2, NULL, "0:1x 1:1x 2:3x 3:3x 4:5x 5:5x ");
    check_read(abc, 0, NULL, "");
    /* a recording that goes back in time keeps its order */
    lines("a", "5x 1x 7x", "", "");
    lines("b", "6y", "", "");
    lines("c", "", "", "");
    check_read(abc, 3, NULL, "0:5x 1:1x 2:6y 3:7x ");
}

/* Beside sorting: many recordings, few different times. */
static void many_recordings(void **state)
{
    (void)state;
    enum { MANY = 52, EACH = 50 };
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    static const char *names[MANY];
    static char room[MANY][16], expected[MANY * EACH * 24];
    static int times[MANY][EACH];
    unsigned random = 7;
    for (int f = 0; f < MANY; f++) {
        struct at_buf events = {0};
        int t = 0;
        snprintf(room[f], sizeof room[f], "f%d", f);
        names[f] = room[f];
        for (int i = 0; i < EACH; i++) {
            random = random * 1103515245u + 12345u;
            times[f][i] = t += (int)(random >> 16) % 3;
            assert_int_equal(at_buf_printf(&events, "%s%d%c", i ? " " : "", t, letters[f]), AT_OK);
        }
        assert_int_equal(at_buf_add(&events, "", 1), AT_OK);
        lines(names[f], events.ptr, "", "");
        at_buf_free(&events);
    }
    size_t used = 0, n = 0;
    for (int t = 0; t < 3 * EACH; t++)
        for (int f = 0; f < MANY; f++)
            for (int i = 0; i < EACH; i++)
                if (times[f][i] == t)
                    used += (size_t)snprintf(expected + used, sizeof expected - used, "%zu:%d%c ", n++, t, letters[f]);
    assert_int_equal(n, MANY * EACH);
    check_read(names, MANY, NULL, expected);
    for (int f = 0; f < MANY; f++)
        unlink(names[f]);
}

static void filters(void **state)
{
    (void)state;
    lines("a", "1xab 2xab 3xcb 4xad 5xcd", "", "");
    static const struct {
        struct at_reader_options options;
        const char *expected;
    } cases[] = {
        {{.app = {"a", 1}}, "0:1x 1:2x 3:4x "},
        {{.user = {"d", 1}}, "3:4x 4:5x "},
        {{.app = {"a", 1}, .user = {"d", 1}}, "3:4x "},
        {{.app = {"", 0}}, ""},
        {{.has_from = true, .from_us = 3}, "2:3x 3:4x 4:5x "},
        {{.has_to = true, .to_us = 3}, "0:1x 1:2x "},
        {{.has_from = true, .from_us = 2, .has_to = true, .to_us = 4}, "1:2x 2:3x "},
        {{.has_from = true, .from_us = 4, .has_to = true, .to_us = 4}, ""},
        {{.from_us = 4, .to_us = 0}, "0:1x 1:2x 2:3x 3:4x 4:5x "},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        check_read(abc, 1, &cases[i].options, cases[i].expected);
}

static void broken_recordings_are_named(void **state)
{
    (void)state;
    lines("a", "1x 4x", "", "");
    lines("b", "2y 3y", "", "{\"t\":9}\n");
    check_read(abc, 2, NULL, "0:1x 1:2y 2:3y 5 b: line 3: \"kind\" is missing");
    lines("b", "2y", "\n \t\r\n", "\n\n\nx");
    check_read(abc, 2, NULL, "0:1x 1:2y 5 b: line 7: not JSON");
    lines("b", "", "x\n", "");
    check_read(abc, 2, NULL, "5 b: line 1: not JSON");
    lines("b", "",
          "\x89"
          "PNG\r\n\x1a\n and more of it, which is no tape at all",
          "");
    check_read(abc, 2, NULL, "5 b: not a tape, at byte 0");
    static const char *const missing[] = {"a", "none"};
    check_read(missing, 2, NULL, "4 none: cannot open: No such file or directory");
    static const char *const directory[] = {"."};
    check_read(directory, 1, NULL, "4 .: cannot read: Is a directory");
}

/* Twelve events of stream "t" at 10, 20 … as a tape of frames of two. */
static void make_tape(struct at_buf *tape)
{
    const struct at_tape_options options = {.frame_events = 2, .segment_events = 2};
    struct at_tape_encoder *enc = NULL;
    struct at_event ev = {.kind = AT_KIND_RESET, .app = AT_STR("a"), .user = AT_STR("u"), .stream = AT_STR("t")};
    assert_int_equal(at_tape_encoder_new(&options, &enc), AT_OK);
    for (int i = 1; i <= 12; i++) {
        ev.t_us = 10 * i;
        assert_int_equal(at_tape_encode(enc, &ev, tape), AT_OK);
    }
    assert_int_equal(at_tape_encode_finish(enc, tape), AT_OK);
    at_tape_encoder_free(&enc);
}

static void write_bytes(const char *path, const char *bytes, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/*
 * Reads "a" and the tape "b" together: the events of "a" all come unless the tape ends in an error, those of the tape
 * are some of the true ones in their order; returns how many. *err: how it ended.
 */
static int read_beside(enum at_recovery recovery, enum at_err *err, struct at_tape_damage *damage)
{
    const struct at_reader_options options = {.recovery = recovery};
    struct at_reader *r = NULL;
    struct at_event ev;
    struct at_why why = {""};
    int n = 0, of_a = 0;
    int64_t last = INT64_MIN, last_of_tape = 0;
    *damage = (struct at_tape_damage){0};
    *err = at_reader_open(abc, 2, &options, &r, &why);
    while (!*err && !(*err = at_reader_next(r, &ev, NULL, &why))) {
        assert_true(ev.t_us >= last);
        last = ev.t_us;
        if (!at_str_eq(ev.stream, AT_STR("t"))) {
            of_a++;
            continue;
        }
        assert_true(ev.t_us > last_of_tape && ev.t_us % 10 == 0 && ev.t_us <= 120);
        last_of_tape = ev.t_us;
        n++;
    }
    if (*err == AT_END) {
        assert_int_equal(of_a, 3);
        at_reader_damage(r, damage);
    } else if (strncmp(why.text, "b: ", 3)) {
        fail_msg("%s", why.text);
    }
    at_reader_close(&r);
    return n;
}

static void a_damaged_tape_beside_a_whole_recording(void **state)
{
    (void)state;
    struct at_buf tape = {0};
    struct at_tape_damage d;
    enum at_err err = AT_OK;
    make_tape(&tape);
    lines("a", "5x 65x 200x", "", "");
    write_bytes("b", tape.ptr, tape.len);
    for (int recovery = AT_RECOVER_TAIL; recovery <= AT_RECOVER_SALVAGE; recovery++) {
        assert_int_equal(read_beside((enum at_recovery)recovery, &err, &d), 12);
        assert_int_equal(err, AT_END);
        assert_int_equal(d.places, 0);
    }
    int before = 0;
    for (size_t len = 1; len < tape.len; len++) { /* cut short */
        write_bytes("b", tape.ptr, len);
        int n = read_beside(AT_RECOVER_SALVAGE, &err, &d);
        assert_true(n >= before && n <= 12); /* more bytes, no fewer events */
        before = n;
        (void)read_beside(AT_RECOVER_TAIL, &err, &d);
        assert_true(err == AT_END || err == AT_BAD || err == AT_DAMAGED);
    }
    assert_int_equal(before, 12);
    for (size_t at = 0; at < tape.len; at++) { /* a byte changed */
        tape.ptr[at] ^= 0x55;
        write_bytes("b", tape.ptr, tape.len);
        tape.ptr[at] ^= 0x55;
        if (at == 0) { /* it is no tape then, but lines */
            (void)read_beside(AT_RECOVER_STRICT, &err, &d);
            assert_int_equal(err, AT_BAD);
            continue;
        }
        int n = read_beside(AT_RECOVER_STRICT, &err, &d);
        if (err == AT_END)
            fail_msg("byte %zu: not seen", at);
        int more = read_beside(AT_RECOVER_SALVAGE, &err, &d);
        assert_true(more >= n);
        if (err == AT_END && d.places == 0)
            fail_msg("byte %zu: not told", at);
    }
    at_buf_free(&tape);
}

/* A disk that lost power leaves zeros: they are no blank line. */
static void zeros_are_not_blank(void **state)
{
    (void)state;
    lines("a", "1x", "", "");
    FILE *f = fopen("a", "a");
    assert_non_null(f);
    assert_int_equal(fwrite("\0\0\0\0\n", 1, 5, f), 5);
    assert_int_equal(fclose(f), 0);
    check_read(abc, 1, NULL, "0:1x 5 a: line 2: not JSON");
}

static void lines_of_any_length(void **state)
{
    (void)state;
    static char spaces[64 * 1024 + 100];
    memset(spaces, ' ', sizeof spaces - 1);
    for (size_t cut = 0; cut < 300; cut++) { /* line ends on all sides of what is read at once */
        spaces[sizeof spaces - 1 - cut] = 0;
        lines("a", "1x 2x", spaces, spaces);
        check_read(abc, 1, NULL, "0:1x 1:2x ");
        spaces[sizeof spaces - 1 - cut] = ' ';
        spaces[sizeof spaces - 1] = 0;
    }
    lines("a", "1x", "",
          "{\"t\":2,\"kind\":\"reset\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"y\"}"); /* no line end */
    check_read(abc, 1, NULL, "0:1x 1:2y ");
    FILE *f = fopen("a", "w");
    assert_non_null(f);
    assert_int_equal(fseek(f, 40 * 1024 * 1024, SEEK_SET), 0);
    assert_int_equal(fputc('\n', f), '\n');
    assert_int_equal(fclose(f), 0);
    check_read(abc, 1, NULL, "5 a: line 1: longer than 33554432 bytes");
}

static void standard_input(void **state)
{
    (void)state;
    static const char *const paths[] = {"a", "-"};
    lines("a", "1x 3x", "", "");
    lines("b", "2y", "", "y\n");
    int kept = dup(STDIN_FILENO);
    assert_non_null(freopen("b", "r", stdin));
    check_read(paths, 2, NULL, "0:1x 1:2y 5 standard input: line 2: not JSON");
    dup2(kept, STDIN_FILENO);
    close(kept);
}

/* Whoever writes into a pipe is not waited for while there are whole lines. */
static void a_pipe_that_waits(void **state)
{
    (void)state;
    static const char *const paths[] = {"-"};
    static const char line[] = "{\"t\":1,\"kind\":\"reset\",\"app\":\"a\",\"user\":\"u\",\"stream\":\"s\"}\n";
    int ends[2], kept = dup(STDIN_FILENO);
    struct at_reader *r = NULL;
    struct at_event ev;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    for (int i = 0; i < 2; i++)
        assert_int_equal(write(ends[1], line, sizeof line - 1), sizeof line - 1);
    assert_int_equal(at_reader_open(paths, 1, NULL, &r, NULL), AT_OK);
    assert_false(at_reader_would_wait(r));
    assert_int_equal(at_reader_next(r, &ev, NULL, NULL), AT_OK);
    assert_false(at_reader_would_wait(r));
    assert_int_equal(at_reader_next(r, &ev, NULL, NULL), AT_OK);
    assert_true(at_reader_would_wait(r));
    close(ends[1]);
    assert_int_equal(at_reader_next(r, &ev, NULL, NULL), AT_END);
    assert_false(at_reader_would_wait(r));
    at_reader_close(&r);
    dup2(kept, STDIN_FILENO);
    close(kept);
    close(ends[0]);
}

/* One letter an event: the number of its call, '-' where none is known. */
static void check_refs(const char *path, const char *expected)
{
    struct at_reader *r = NULL;
    struct at_tape_batch b;
    struct at_buf out = {0};
    assert_int_equal(at_reader_open(&path, 1, NULL, &r, NULL), AT_OK);
    while (!at_reader_next_batch(r, &b, NULL, NULL))
        for (size_t i = 0; i < b.n; i++)
            assert_int_equal(at_buf_printf(&out, b.call_ref[i] == AT_NO_CALL ? "-" : "%u", b.call_ref[i]), AT_OK);
    assert_int_equal(at_buf_add(&out, "", 1), AT_OK);
    assert_string_equal(out.ptr, expected);
    at_buf_free(&out);
    at_reader_close(&r);
}

/* "c7 r7 p7": a call, its return, a prompt for it, all of one stream; "C7 R7 P7" of another. */
static void numbers_of_calls(const char *events, const char *expected)
{
    FILE *f = fopen("a", "w");
    assert_non_null(f);
    struct at_tape_encoder *e = NULL;
    struct at_buf tape = {0};
    const struct at_str scope = AT_STR("scope.x");
    assert_int_equal(at_tape_encoder_new(NULL, &e), AT_OK);
    int64_t t_us = 0;
    for (const char *p = events; *p; p += *p == ' ') {
        size_t len = strcspn(p, " ");
        bool upper = *p < 'a';
        char what = (char)(*p | 0x20);
        struct at_event ev = {
            .t_us = t_us++,
            .app = AT_STR("a"),
            .user = AT_STR("u"),
            .stream = upper ? AT_STR("S") : AT_STR("s"),
            .kind = what == 'c'   ? AT_KIND_CALL
                    : what == 'r' ? AT_KIND_RETURN
                                  : AT_KIND_PROMPT,
            .has = AT_HAS_CALL | (what == 'p' ? (uint32_t)AT_HAS_SCOPE : 0),
            .call = {p + 1, len - 1},
            .api = AT_STR("x"),
            .err_msg = AT_STR("x:ok"),
            .scopes = &scope,
            .n_scopes = what == 'p',
        };
        struct at_buf line = {0};
        assert_int_equal(at_event_to_json(&ev, &line), AT_OK);
        assert_int_equal(at_tape_encode(e, &ev, &tape), AT_OK);
        assert_int_equal(fwrite(line.ptr, 1, line.len, f), line.len);
        at_buf_free(&line);
        p += len;
    }
    assert_int_equal(fclose(f), 0);
    assert_int_equal(at_tape_encode_finish(e, &tape), AT_OK);
    write_bytes("b", tape.ptr, tape.len);
    at_buf_free(&tape);
    at_tape_encoder_free(&e);
    check_refs("a", expected);
    check_refs("b", expected);
}

/* The same number means the same id of the same stream, as long as a call with it is open. */
static void calls_have_numbers(void **state)
{
    (void)state;
    numbers_of_calls("c1 r1 c2 c3 p2 r3 r2", "0012121");
    numbers_of_calls("r1 p2 c1 r1 r1", "--00-");
    numbers_of_calls("c1 C1 R1 r1", "0110");
    numbers_of_calls("c1 c1 r1 r1 r1", "0000-"); /* the same id twice */
    numbers_of_calls("c1 c2 c3 c2 r2 r2 r1 r3", "01211102");
    numbers_of_calls("c1 c2 c3 c1 c2 c3", "012012");
    numbers_of_calls("ca02 cb1 ca01 ca02", "0120"); /* where counting leads to an id that is open */
    numbers_of_calls("ca02 cb1 ca01 ca02 ca03 ca01 rb1 ra02", "01203210");
    numbers_of_calls("cx cx cy rx ry", "00101");
    numbers_of_calls("c00000000-0000-4000-8000-000000000000 c1 c00000000-0000-4000-8000-000000000000 c2 "
                     "r00000000-0000-4000-8000-000000000000",
                     "01020");
}

/* What settings pages show, as lists and bits and as events: of lines and of a tape, all of it and the user u's. */
static void settings_are_lists(void **state)
{
    (void)state;
    static const char *const paths[] = {"a", "b"};
    static const char *const shown[] = {
        "",
        "\"x\":true",
        "\"x\":false,\"y\":true",
        "\"y\":true,\"x\":true",
        "\"x\":true,\"y\":false",
        "\"a\":true,\"b\":false,\"c\":true,\"d\":false,\"e\":true,\"f\":true,\"g\":false,\"h\":false,\"i\":true",
    };
    struct at_buf text = {0}, expected = {0};
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(at_buf_printf(&text,
                                       "{\"t\":%u,\"kind\":\"settings-page\",\"app\":\"a\",\"user\":\"%s\","
                                       "\"stream\":\"s\",\"authSetting\":{%s}}\n",
                                       i, i % 3 ? "u" : "v", shown[i * 7 % COUNT(shown)]),
                         AT_OK);
        if (i % 3)
            assert_int_equal(at_buf_printf(&expected, "%u:%us ", i, i), AT_OK);
    }
    assert_int_equal(at_buf_add(&expected, "", 1), AT_OK);
    write_bytes("a", text.ptr, text.len);
    assert_int_equal(at_import_ndjson("a", "b"), 0);
    const struct at_reader_options all = {.recovery = AT_RECOVER_STRICT}, one = {.user = AT_STR("u")};
    for (size_t i = 0; i < COUNT(paths); i++) {
        check_read(&paths[i], 1, &all, "0:0s 1:1s 2:2s 3:3s 4:4s 5:5s 6:6s 7:7s 8:8s 9:9s 10:10s 11:11s ");
        check_read(&paths[i], 1, &one, expected.ptr);
    }
    at_buf_free(&text);
    at_buf_free(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merged_by_time),
        cmocka_unit_test(many_recordings),
        cmocka_unit_test(filters),
        cmocka_unit_test(broken_recordings_are_named),
        cmocka_unit_test(zeros_are_not_blank),
        cmocka_unit_test(a_damaged_tape_beside_a_whole_recording),
        cmocka_unit_test(lines_of_any_length),
        cmocka_unit_test(standard_input),
        cmocka_unit_test(a_pipe_that_waits),
        cmocka_unit_test(calls_have_numbers),
        cmocka_unit_test(settings_are_lists),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
