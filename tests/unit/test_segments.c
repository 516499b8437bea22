/* Segments of a tape file: each alone, in any order, on several threads, the same events as of reading in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "formats/formats.h"

enum { EVENTS = 20000, SEGMENT_EVENTS = 300, THREADS = 4 };

static char folder[] = "/tmp/authtape-segments.XXXXXX";

static int enter(void **state)
{
    (void)state;
    return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int leave(void **state)
{
    (void)state;
    unlink("t");
    return chdir("/") || rmdir(folder);
}

/* Event `i` of a made-up recording, with all that is particular to some events. */
static void make_event(uint64_t i, struct at_event *ev, char text[3][32], struct at_setting settings[8])
{
    static const struct at_str scope = {"scope.record", 12};
    const uint64_t r = at_hash(&i, sizeof i, 1);
    snprintf(text[0], 32, "user-%u", (unsigned)(r % 97));
    snprintf(text[1], 32, "%llu", (unsigned long long)(r % 5 ? i : i - i % 7));
    snprintf(text[2], 32, "scope.%u", (unsigned)(r >> 8) % 5);
    *ev = (struct at_event){
        .t_us = (int64_t)(1700000000000000 + i * 1000 + r % 5000),
        .app = AT_STR("app"),
        .user = at_str(text[0]),
        .stream = at_str(text[0]),
    };
    switch (r >> 20 & 3) {
    case 0:
        ev->kind = AT_KIND_CALL;
        ev->api = at_str(text[2]);
        break;
    case 1:
        ev->kind = AT_KIND_RETURN;
        ev->err_msg = AT_STR("x:ok");
        ev->has = AT_HAS_AUTH_SETTING;
        ev->n_settings = r >> 32 & 7;
        for (size_t j = 0; j < ev->n_settings; j++)
            settings[j] = (struct at_setting){.scope = {&"abcdefgh"[j], 1}, .granted = r >> (40 + j) & 1};
        ev->settings = settings;
        break;
    case 2:
        ev->kind = AT_KIND_PROMPT;
        ev->scopes = &scope;
        ev->n_scopes = 1;
        ev->has = AT_HAS_SCOPE;
        break;
    default:
        ev->kind = AT_KIND_GAP;
        ev->has = AT_HAS_LOST_BYTES | AT_HAS_PACKET;
        ev->lost_bytes = r >> 50;
        ev->packet = i + 1;
        ev->extra = AT_STR("{\"x\":1}");
    }
    if (ev->kind < AT_KIND_PROMPT) {
        ev->has |= AT_HAS_CALL;
        ev->call = at_str(text[1]);
    }
}

/* Appends a tape of the events from `from` on. */
static void add_tape(struct at_buf *tape, uint64_t from, uint64_t n, uint32_t frame_events, bool finished)
{
    const struct at_tape_options o = {.segment_events = SEGMENT_EVENTS, .frame_events = frame_events, .id = from + 1};
    struct at_tape_encoder *e = NULL;
    struct at_event ev;
    char text[3][32];
    struct at_setting settings[8];
    assert_int_equal(at_tape_encoder_new(&o, &e), AT_OK);
    for (uint64_t i = from; i < from + n; i++) {
        make_event(i, &ev, text, settings);
        assert_int_equal(at_tape_encode(e, &ev, tape), AT_OK);
    }
    assert_int_equal(finished ? at_tape_encode_finish(e, tape) : at_tape_encode_flush(e, tape), AT_OK);
    at_tape_encoder_free(&e);
}

static void write_file(const struct at_buf *tape, size_t len)
{
    FILE *f = fopen("t", "w");
    assert_non_null(f);
    assert_int_equal(fwrite(tape->ptr, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* All events of the file in order, as lines. */
static void read_in_order(struct at_buf *lines)
{
    static const char *const path = "t";
    struct at_reader *r = NULL;
    struct at_event ev;
    assert_int_equal(at_reader_open(&path, 1, NULL, &r, NULL), AT_OK);
    while (!at_reader_next(r, &ev, NULL, NULL))
        assert_int_equal(at_event_to_json(&ev, lines), AT_OK);
    at_reader_close(&r);
}

/* The segments, shared out among threads. */
struct work {
    const struct at_segments *segments;
    atomic_size_t next;
    size_t n;
    struct at_buf *lines; /* of each segment */
    atomic_bool failed;
};

static bool read_segment(struct work *w, struct at_segment_reader *r, size_t i)
{
    struct at_tape_batch b;
    struct at_event ev;
    enum at_err err = at_segment_begin(r, i, NULL);
    while (!err && !(err = at_segment_next_batch(r, &b, NULL)))
        for (size_t j = 0; j < b.n; j++) {
            at_segment_event(r, j, &ev);
            if (b.segment != i || ev.t_us != b.t_us[j] || at_event_to_json(&ev, &w->lines[i]))
                return false;
        }
    return err == AT_END;
}

static void *run(void *argument)
{
    struct work *w = argument;
    struct at_segment_reader *r = NULL;
    bool good = !at_segment_reader_new(w->segments, &r);
    for (size_t i; good && (i = atomic_fetch_add(&w->next, 1)) < w->n;)
        good = read_segment(w, r, w->n - 1 - i);
    if (!good)
        w->failed = true;
    at_segment_reader_free(&r);
    return NULL;
}

/* The file read by segments on some threads is the file read in order. */
static void check_file(size_t n_segments)
{
    struct at_segments *s = NULL;
    struct at_buf in_order = {0}, all = {0};
    struct work w = {.next = 0};
    pthread_t threads[THREADS];
    assert_int_equal(at_segments_open("t", &s, NULL), AT_OK);
    const struct at_tape_segment *list = at_segments_list(s, &w.n);
    assert_int_equal(w.n, n_segments);
    w.segments = s;
    w.lines = calloc(w.n, sizeof *w.lines);
    assert_non_null(w.lines);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, &w), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_false(w.failed);
    uint64_t first = 0;
    for (size_t i = 0; i < w.n; i++) {
        assert_int_equal(list[i].first, first);
        first += list[i].events;
        assert_int_equal(at_buf_str(&all, at_buf_view(&w.lines[i])), AT_OK);
        at_buf_free(&w.lines[i]);
    }
    read_in_order(&in_order);
    assert_true(in_order.len > 0 && at_str_eq(at_buf_view(&in_order), at_buf_view(&all)));
    free(w.lines);
    at_buf_free(&all);
    at_buf_free(&in_order);
    at_segments_close(&s);
}

static void on_threads(void **state)
{
    (void)state;
    const size_t n = (EVENTS + SEGMENT_EVENTS - 1) / SEGMENT_EVENTS;
    struct at_buf tape = {0};
    add_tape(&tape, 0, EVENTS, 0, true);
    write_file(&tape, tape.len);
    check_file(n);
    tape.len = 0; /* no index, several frames a segment */
    add_tape(&tape, 0, EVENTS, 100, false);
    write_file(&tape, tape.len);
    check_file(n);
    add_tape(&tape, EVENTS, 1000, 70, true); /* joined with others */
    add_tape(&tape, EVENTS + 1000, 10, 3, true);
    write_file(&tape, tape.len);
    check_file(n + 4 + 1);
    at_buf_free(&tape);
}

/* What is not whole is not taken for whole: cut anywhere but between frames, or changed anywhere in a header. */
static void broken_ones_are_left_to_the_reader(void **state)
{
    (void)state;
    struct at_buf tape = {0};
    struct at_segments *s = NULL;
    struct at_why why = {""};
    add_tape(&tape, 0, 40, 10, true);
    for (size_t len = 0; len < tape.len; len++) {
        write_file(&tape, len);
        enum at_err err = at_segments_open("t", &s, &why);
        struct at_buf in_order = {0};
        if (err) {
            assert_int_equal(err, AT_NOTFOUND);
            assert_string_equal(why.text, "not a whole tape");
            assert_null(s);
        } else {
            size_t n = 0;
            const struct at_tape_segment *list = at_segments_list(s, &n);
            uint64_t events = n ? list[0].events : 0;
            read_in_order(&in_order);
            uint64_t lines = 0;
            for (size_t i = 0; i < in_order.len; i++)
                lines += in_order.ptr[i] == '\n';
            assert_int_equal(events, lines);
        }
        at_buf_free(&in_order);
        at_segments_close(&s);
    }
    /* a bit of a payload: told when it is read */
    tape.ptr[32 + 64 + 30] = (char)(tape.ptr[32 + 64 + 30] ^ 1);
    write_file(&tape, tape.len);
    struct at_segment_reader *r = NULL;
    struct at_tape_batch b;
    assert_int_equal(at_segments_open("t", &s, &why), AT_OK);
    assert_int_equal(at_segment_reader_new(s, &r), AT_OK);
    assert_int_equal(at_segment_begin(r, 0, &why), AT_OK);
    assert_int_equal(at_segment_next_batch(r, &b, &why), AT_DAMAGED);
    assert_string_equal(why.text, "a frame's content is damaged, at byte 32");
    at_segment_reader_free(&r);
    at_segments_close(&s);
    assert_int_equal(at_segments_open(".", &s, &why), AT_NOTFOUND);
    assert_int_equal(at_segments_open("/nowhere", &s, &why), AT_IO);
    at_buf_free(&tape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_threads),
        cmocka_unit_test(broken_ones_are_left_to_the_reader),
    };
    return cmocka_run_group_tests(tests, enter, leave);
}
