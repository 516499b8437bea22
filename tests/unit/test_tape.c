/* test_tape.c: the codec of tapes: what goes in comes out, and damage never makes a wrong event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "formats/formats.h"
#include "tests/draw.h"

/* ---- Events of all kinds, odd ones among them */

static const char *const names[] = {"",
                                    "a",
                                    "scope.record",
                                    "scope.userInfo",
                                    "中文",
                                    "tab\tquote\"",
                                    "x y",
                                    "\x7f",
                                    "getLocation:fail auth deny",
                                    "0",
                                    "007",
                                    "🎮"};
static const char *const extras[] = {"{\"x\":1.50E+3}", "{\"y\":\"\\u0041\\ud800\",\"z\":[{},null]}", "{\"\":-0}"};
#define PICK(list) at_str((list)[below(sizeof(list) / sizeof(list)[0])])

struct sample {
    struct at_event ev;
    struct at_str scopes[4];
    struct at_setting settings[20];
    char call[64], user[32];
};

static void pick_call(struct sample *s)
{
    static unsigned count;
    switch (below(6)) {
    case 0:
        snprintf(s->call, sizeof s->call, "%08x-0000-4000-8000-%012x", (unsigned)draw(), (unsigned)draw());
        break;
    case 1:
        snprintf(s->call, sizeof s->call, "rpc-%u", count++);
        break;
    case 2:
        snprintf(s->call, sizeof s->call, "%0*u", (int)below(22), (unsigned)below(1000));
        break;
    case 3:
        snprintf(s->call, sizeof s->call, "id %d", (int)below(3));
        break;
    default:
        snprintf(s->call, sizeof s->call, "%u", ++count);
    }
    s->ev.call = at_str(s->call);
    s->ev.has |= AT_HAS_CALL;
}

static void pick_scopes(struct sample *s, size_t n, bool array)
{
    s->ev.has |= AT_HAS_SCOPE | (array ? AT_HAS_SCOPE_ARRAY : 0);
    s->ev.n_scopes = n;
    s->ev.scopes = s->scopes;
    for (size_t i = 0; i < n; i++)
        s->scopes[i] = PICK(names);
}

static void pick_settings(struct sample *s)
{
    size_t n = below(10);
    s->ev.has |= AT_HAS_AUTH_SETTING;
    s->ev.settings = s->settings;
    s->ev.n_settings = n;
    for (size_t i = 0; i < n; i++)
        s->settings[i] = (struct at_setting){.scope = at_str(names[(i * 5 + n) % 12]), .granted = below(2)};
}

static void pick_kind(struct sample *s)
{
    struct at_event *ev = &s->ev;
    switch (ev->kind) {
    case AT_KIND_START:
        ev->has |= below(2) ? AT_HAS_FRESH : 0;
        ev->fresh = ev->has & AT_HAS_FRESH && below(2);
        ev->has |= below(2) ? AT_HAS_OBSERVES : 0;
        ev->n_observes = ev->has & AT_HAS_OBSERVES ? (uint8_t)below(5) : 0;
        for (unsigned i = 0, first = (unsigned)below(4); i < ev->n_observes; i++)
            ev->observes[i] = (uint8_t)((first + i) & 3);
        break;
    case AT_KIND_CALL:
        pick_call(s);
        ev->api = PICK(names);
        if (below(2))
            pick_scopes(s, below(3) ? 1 : below(5), true);
        else if (below(2))
            pick_scopes(s, 1, false);
        break;
    case AT_KIND_RETURN:
        pick_call(s);
        ev->err_msg = PICK(names);
        ev->has |= below(3) ? 0 : AT_HAS_ERRNO;
        ev->err_no = ev->has & AT_HAS_ERRNO ? (int64_t)draw() : 0;
        if (below(3) == 0)
            pick_settings(s);
        break;
    case AT_KIND_PROMPT:
        if (below(2))
            pick_call(s);
        pick_scopes(s, 1, false);
        break;
    case AT_KIND_DECISION:
        ev->answer = (enum at_answer)(1 + below(3));
        if (below(2))
            pick_scopes(s, 1, false);
        break;
    case AT_KIND_SETTINGS:
        pick_scopes(s, 1, false);
        ev->granted = below(2);
        break;
    case AT_KIND_SETTINGS_PAGE:
        pick_settings(s);
        break;
    case AT_KIND_GAP:
        ev->has |= below(2) ? AT_HAS_LOST_BYTES : 0;
        ev->lost_bytes = ev->has & AT_HAS_LOST_BYTES ? draw() >> 1 : 0;
        break;
    case AT_KIND_RESET:
    case AT_KIND_END:
        break;
    }
}

static struct at_event *pick_event(int64_t *t_us)
{
    static const int64_t odd_times[] = {0, -1, INT64_MIN, INT64_MAX, 1700000000000000};
    struct sample s = {.ev = {.kind = (enum at_kind)(1 + below(10))}};
    snprintf(s.user, sizeof s.user, "u%zu", below(20));
    bool at_an_end = *t_us > INT64_MAX - 100000 || *t_us < INT64_MIN + 100000;
    *t_us = below(200) && !at_an_end ? *t_us + (int64_t)below(40000) - 5000 : odd_times[below(5)];
    s.ev.t_us = *t_us;
    s.ev.app = PICK(names);
    s.ev.user = at_str(s.user);
    s.ev.stream = at_str(below(3) ? "s1" : "s2");
    if (below(2)) {
        s.ev.has |= AT_HAS_PLATFORM;
        s.ev.platform = at_str(below(2) ? "ios" : "");
    }
    if (below(2)) {
        s.ev.has |= AT_HAS_PACKET;
        s.ev.packet = below(10) ? 1 + below(1000) : INT64_MAX - below(3);
    }
    if (below(10) == 0)
        s.ev.extra = PICK(extras);
    pick_kind(&s);
    struct at_why why = {""};
    if (at_event_check(&s.ev, &why))
        fail_msg("%s", why.text);
    return at_event_clone(&s.ev);
}

/* ---- Whole tapes */

struct tape {
    struct at_buf bytes;
    struct at_event **events;
    size_t n;
    size_t frame_ends[4096];   /* offset behind each frame of events */
    size_t frame_events[4096]; /* events up to there */
    size_t n_frames;
};

/* A tape of `n` random events; frames and segments end by chance. */
static struct tape *make_tape(size_t n, const struct at_tape_options *o, bool finish)
{
    struct tape *t = calloc(1, sizeof *t);
    struct at_tape_encoder *enc = NULL;
    int64_t t_us = 1700000000000000;
    assert_non_null(t);
    t->events = calloc(n + 1, sizeof(struct at_event *));
    assert_int_equal(at_tape_encoder_new(o, &enc), AT_OK);
    for (; t->n < n; t->n++) {
        size_t before = t->bytes.len;
        t->events[t->n] = pick_event(&t_us);
        assert_non_null(t->events[t->n]);
        assert_int_equal(at_tape_encode(enc, t->events[t->n], &t->bytes), AT_OK);
        if (t->bytes.len > before && t->n > 0 && t->n_frames < 4096) {
            t->frame_ends[t->n_frames] = t->bytes.len;
            t->frame_events[t->n_frames++] = t->n;
        }
    }
    assert_int_equal(at_tape_encode_flush(enc, &t->bytes), AT_OK);
    assert_int_equal(at_tape_encoder_waiting(enc), 0);
    t->frame_ends[t->n_frames] = t->bytes.len;
    t->frame_events[t->n_frames++] = n;
    if (finish)
        assert_int_equal(at_tape_encode_finish(enc, &t->bytes), AT_OK);
    at_tape_encoder_free(&enc);
    return t;
}

static void free_tape(struct tape *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->events[i]);
    free(t->events);
    at_buf_free(&t->bytes);
    free(t);
}

static bool same(const struct at_event *a, const struct at_event *b)
{
    struct at_buf x = {0}, y = {0};
    assert_int_equal(at_event_to_json(a, &x), AT_OK);
    assert_int_equal(at_event_to_json(b, &y), AT_OK);
    bool equal = at_str_eq(at_buf_view(&x), at_buf_view(&y));
    at_buf_free(&x);
    at_buf_free(&y);
    return equal;
}

struct outcome {
    enum at_err end;
    size_t n;       /* events given */
    size_t skipped; /* events of the tape passed over before the last one given */
    bool wrong;     /* an event came that is not on the tape, or out of order */
    struct at_tape_damage damage;
    struct at_tape_stats stats;
};

/* Reads `len` bytes, fed `step` at a time, and compares with the tape that they should be a damaged form of. */
static struct outcome read_back(const struct tape *t, const void *bytes, size_t len, size_t step,
                                enum at_recovery recovery)
{
    struct at_tape_decoder *d = NULL;
    struct outcome out = {0};
    struct at_event ev;
    struct at_why why = {""};
    size_t fed = 0, next = 0;
    assert_int_equal(at_tape_decoder_new(recovery, &d), AT_OK);
    for (;;) {
        out.end = at_tape_next(d, &ev, &why);
        if (out.end == AT_AGAIN) {
            size_t more = len - fed < step ? len - fed : step;
            if (more == 0)
                at_tape_feed_end(d);
            else
                assert_int_equal(at_tape_feed(d, (const char *)bytes + fed, more), AT_OK);
            fed += more;
            continue;
        }
        if (out.end)
            break;
        size_t at = next;
        while (at < t->n && !same(t->events[at], &ev))
            at++;
        out.wrong |= at == t->n;
        out.skipped += at - next;
        next = at + 1;
        out.n++;
    }
    if (out.end != AT_END)
        assert_true(why.text[0] != 0);
    at_tape_decoder_damage(d, &out.damage);
    at_tape_decoder_stats(d, &out.stats);
    at_tape_decoder_free(&d);
    return out;
}

static void identity(void **state)
{
    (void)state;
    const struct at_tape_options forms[] = {
        {0}, {.archive = true}, {.frame_events = 1}, {.frame_events = 7, .segment_events = 20}, {.level = 9}};
    const size_t sizes[] = {0, 1, 2, 255, 256, 257, 3000};
    const size_t steps[] = {1, 63, 4096, 1 << 20};
    for (size_t f = 0; f < 5; f++)
        for (size_t i = 0; i < 7; i++) {
            struct tape *t = make_tape(sizes[i], &forms[f], true);
            struct outcome o = read_back(t, t->bytes.ptr, t->bytes.len, steps[(f + i) % 4], AT_RECOVER_STRICT);
            assert_int_equal(o.end, AT_END);
            assert_int_equal(o.n, sizes[i]);
            assert_false(o.wrong);
            assert_int_equal(o.skipped, 0);
            assert_int_equal(o.damage.places, 0);
            assert_true(o.stats.footer);
            assert_int_equal(o.stats.events, sizes[i]);
            assert_int_equal(o.stats.bytes, t->bytes.len);
            free_tape(t);
        }
}

/* Events of the frames that end at or before `len`. */
static size_t events_within(const struct tape *t, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n_frames && t->frame_ends[i] <= len; i++)
        n = t->frame_events[i];
    return n;
}

static void cut_at_every_byte(void **state)
{
    (void)state;
    const struct at_tape_options o = {.frame_events = 23, .segment_events = 69};
    struct tape *t = make_tape(200, &o, true);
    for (size_t len = 0; len < t->bytes.len; len++) {
        struct outcome tail = read_back(t, t->bytes.ptr, len, 4096, AT_RECOVER_TAIL);
        assert_int_equal(tail.end, AT_END);
        assert_false(tail.wrong);
        assert_int_equal(tail.n, events_within(t, len));
        assert_int_equal(tail.skipped, 0);
        assert_false(tail.stats.footer);
        bool at_frame_end = len == 32;
        for (size_t i = 0; i < t->n_frames; i++)
            at_frame_end |= t->frame_ends[i] == len;
        assert_int_equal(tail.damage.torn_tail, !at_frame_end);
        struct outcome strict = read_back(t, t->bytes.ptr, len, 4096, AT_RECOVER_STRICT);
        assert_int_equal(strict.end, at_frame_end ? AT_END : AT_DAMAGED);
        assert_int_equal(strict.n, events_within(t, len));
        struct outcome salvage = read_back(t, t->bytes.ptr, len, 4096, AT_RECOVER_SALVAGE);
        assert_int_equal(salvage.n, events_within(t, len));
        assert_false(salvage.wrong);
    }
    free_tape(t);
}

static uint64_t hash_event(const struct at_event *ev, struct at_buf *line)
{
    line->len = 0;
    assert_int_equal(at_event_to_json(ev, line), AT_OK);
    return at_hash(line->ptr, line->len, 0);
}

/*
 * The bytes [from, to) of the tape were changed. In salvage all events come but those of a frame that is touched and
 * those behind it in its segment: exactly these, and in their order; the place is that of the first such frame.
 */
static void check_salvage(const struct tape *t, const uint64_t *hashes, const uint8_t *bytes, size_t from, size_t to)
{
    struct at_tape_decoder *d = NULL;
    struct at_event ev;
    struct at_why why = {""};
    struct at_tape_damage damage;
    struct at_buf line = {0};
    size_t lost = 0, start = 32, place = 0;
    bool dead = false;
    enum at_err err;
    assert_int_equal(at_tape_decoder_new(AT_RECOVER_SALVAGE, &d), AT_OK);
    assert_int_equal(at_tape_feed(d, bytes, t->bytes.len), AT_OK);
    at_tape_feed_end(d);
    for (size_t i = 0, n = 0; i < t->n_frames; n = t->frame_events[i], start = t->frame_ends[i++]) {
        dead = dead && !(t->bytes.ptr[start + 5] & 1); /* a segment begins */
        if (from < t->frame_ends[i] && to > start) {
            dead = true;
            place = place ? place : start;
        }
        lost += dead ? t->frame_events[i] - n : 0;
        for (; !dead && n < t->frame_events[i]; n++) {
            err = at_tape_next(d, &ev, &why);
            if (err && from < 32 && n == 0) { /* only the version or a flag of the file header may stop a salvage */
                at_tape_decoder_free(&d);
                at_buf_free(&line);
                return;
            }
            assert_int_equal(err, AT_OK);
            assert_true(hash_event(&ev, &line) == hashes[n]);
        }
    }
    assert_int_equal(at_tape_next(d, &ev, &why), AT_END);
    at_tape_decoder_damage(d, &damage);
    assert_true(damage.places > 0);
    if (damage.torn_tail) /* with the index gone, nobody knows how many there were */
        assert_true(damage.events <= lost);
    else
        assert_int_equal(damage.events, lost);
    if (from >= 32)
        assert_int_equal(damage.first_offset, place ? place : start);
    at_tape_decoder_free(&d);
    at_buf_free(&line);
}

/* The same read as by default: a true beginning, then an error, or what is missing is said. */
static void check_tail(const struct tape *t, const uint8_t *bytes)
{
    struct outcome tail = read_back(t, bytes, t->bytes.len, 4096, AT_RECOVER_TAIL);
    assert_false(tail.wrong);
    assert_int_equal(tail.skipped, 0);
    assert_true(tail.end == AT_DAMAGED || tail.end == AT_BAD || tail.end == AT_NEWER || tail.damage.places > 0);
}

static struct tape *make_hashed(size_t n, const struct at_tape_options *o, uint64_t **hashes, uint8_t **bytes)
{
    struct tape *t = make_tape(n, o, true);
    struct at_buf line = {0};
    *hashes = calloc(n, sizeof **hashes);
    *bytes = malloc(t->bytes.len);
    assert_true(*hashes && *bytes);
    for (size_t i = 0; i < n; i++)
        (*hashes)[i] = hash_event(t->events[i], &line);
    memcpy(*bytes, t->bytes.ptr, t->bytes.len);
    at_buf_free(&line);
    return t;
}

static void every_bit(void **state)
{
    (void)state;
    const struct at_tape_options o = {.frame_events = 6, .segment_events = 18};
    uint64_t *hashes = NULL;
    uint8_t *bytes = NULL;
    struct tape *t = make_hashed(50, &o, &hashes, &bytes);
    for (size_t bit = 0; bit < 8 * t->bytes.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        check_salvage(t, hashes, bytes, bit / 8, bit / 8 + 1);
        if (bit % 31 == 0)
            check_tail(t, bytes);
        bytes[bit / 8] = (uint8_t)t->bytes.ptr[bit / 8];
    }
    free(bytes);
    free(hashes);
    free_tape(t);
}

static void bursts(void **state)
{
    (void)state;
    const struct at_tape_options o = {.frame_events = 20, .segment_events = 60};
    uint64_t *hashes = NULL;
    uint8_t *bytes = NULL;
    struct tape *t = make_hashed(300, &o, &hashes, &bytes);
    for (int round = 0; round < 4000; round++) {
        size_t from = below(t->bytes.len), len = 1 + below(round % 4 ? 200 : 2000);
        size_t to = from + len < t->bytes.len ? from + len : t->bytes.len;
        for (size_t i = from; i < to; i++)
            bytes[i] ^= (uint8_t)(1 + below(255));
        check_salvage(t, hashes, bytes, from, to);
        if (round % 4 == 0)
            check_tail(t, bytes);
        memcpy(bytes + from, t->bytes.ptr + from, to - from);
    }
    free(bytes);
    free(hashes);
    free_tape(t);
}

/* Frames taken out, doubled, in another order, or of another tape. */
static void moved_frames(void **state)
{
    (void)state;
    const struct at_tape_options o = {.frame_events = 10, .segment_events = 30};
    struct tape *t = make_tape(150, &o, true);
    struct at_buf b = {0};
    const char *p = t->bytes.ptr;
    for (size_t i = 0; i + 1 < t->n_frames; i++) {
        size_t from = t->frame_ends[i], to = t->frame_ends[i + 1];
        b.len = 0; /* without frame i + 1 */
        assert_int_equal(at_buf_add(&b, p, from), AT_OK);
        assert_int_equal(at_buf_add(&b, p + to, t->bytes.len - to), AT_OK);
        struct outcome out = read_back(t, b.ptr, b.len, 4096, AT_RECOVER_SALVAGE);
        assert_int_equal(out.end, AT_END);
        assert_false(out.wrong);
        assert_true(out.damage.places > 0);
        assert_int_equal(out.damage.events, t->n - out.n);
        assert_int_equal(read_back(t, b.ptr, b.len, 4096, AT_RECOVER_TAIL).end, AT_DAMAGED);
        b.len = 0; /* with frame i + 1 twice */
        assert_int_equal(at_buf_add(&b, p, to), AT_OK);
        assert_int_equal(at_buf_add(&b, p + from, t->bytes.len - from), AT_OK);
        out = read_back(t, b.ptr, b.len, 4096, AT_RECOVER_SALVAGE);
        assert_int_equal(out.end, AT_END);
        assert_false(out.wrong);
        assert_int_equal(out.n, t->n);
        assert_true(out.damage.places > 0);
    }
    at_buf_free(&b);
    free_tape(t);
}

/* Two tapes one behind the other are read as one. */
static void joined_tapes(void **state)
{
    (void)state;
    struct tape *t = make_tape(40, NULL, true);
    struct at_buf two = {0};
    struct at_tape_decoder *d = NULL;
    struct at_event ev;
    size_t n = 0;
    assert_int_equal(at_buf_add(&two, t->bytes.ptr, t->bytes.len), AT_OK);
    assert_int_equal(at_buf_add(&two, t->bytes.ptr, t->bytes.len), AT_OK);
    assert_int_equal(at_tape_decoder_new(AT_RECOVER_STRICT, &d), AT_OK);
    assert_int_equal(at_tape_feed(d, two.ptr, two.len), AT_OK);
    at_tape_feed_end(d);
    for (; at_tape_next(d, &ev, NULL) == AT_OK; n++)
        assert_true(same(&ev, t->events[n % t->n]));
    assert_int_equal(n, 2 * t->n);
    at_tape_decoder_free(&d);
    at_buf_free(&two);
    free_tape(t);
}

/* A flushed frame is on the tape at once; nothing is added where no event waits. */
static void flushing(void **state)
{
    (void)state;
    struct at_tape_encoder *enc = NULL;
    struct at_buf out = {0};
    int64_t t_us = 0;
    assert_int_equal(at_tape_encoder_new(NULL, &enc), AT_OK);
    for (size_t n = 1; n <= 50; n++) {
        struct at_event *ev = pick_event(&t_us);
        assert_int_equal(at_tape_encode(enc, ev, &out), AT_OK);
        assert_int_equal(at_tape_encode_flush(enc, &out), AT_OK);
        size_t len = out.len;
        assert_int_equal(at_tape_encode_flush(enc, &out), AT_OK);
        assert_int_equal(out.len, len);
        struct tape none = {.events = NULL};
        assert_int_equal(read_back(&none, out.ptr, out.len, 999, AT_RECOVER_STRICT).n, n);
        free(ev);
    }
    at_tape_encoder_free(&enc);
    at_buf_free(&out);
}

/* What a newer version writes: refused where it must be, skipped where it may be. */
static void newer_tapes(void **state)
{
    (void)state;
    const struct {
        size_t offset; /* in the frame header, or in the file header where below 32 */
        uint8_t value;
        enum at_err expected;
        size_t events;
    } cases[] = {
        {8, 2, AT_NEWER, 0},         /* version */
        {16, 1, AT_NEWER, 0},        /* an incompatible flag */
        {12, 1, AT_END, 5},          /* a compatible one */
        {32 + 4, 0x85, AT_END, 0},   /* a frame type that may be ignored */
        {32 + 4, 0x05, AT_NEWER, 0}, /* one that may not */
        {32 + 5, 0x03, AT_NEWER, 0}, /* a frame flag that must be known */
        {32 + 5, 0x81, AT_END, 5},   /* one that need not */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tape *t = make_tape(5, NULL, false);
        uint8_t *p = (uint8_t *)t->bytes.ptr;
        p[cases[i].offset] = cases[i].value;
        at_put_u32le(p + 28, (uint32_t)crc32(0, p, 28)); /* as an honest newer writer does */
        at_put_u32le(p + 32 + 60, (uint32_t)crc32(0, p + 32, 60));
        struct outcome o = read_back(t, p, t->bytes.len, 4096, AT_RECOVER_STRICT);
        assert_int_equal(o.end, cases[i].expected);
        assert_int_equal(o.n, cases[i].events);
        free_tape(t);
    }
}

static void unfit_events(void **state)
{
    (void)state;
    struct at_tape_encoder *enc = NULL;
    struct at_buf out = {0};
    struct at_event ev = {.kind = AT_KIND_RESET, .app = AT_STR("a"), .user = AT_STR("u")};
    assert_int_equal(at_tape_encoder_new(NULL, &enc), AT_OK);
    assert_int_equal(at_tape_encode(enc, &ev, &out), AT_BAD); /* no stream */
    ev.stream = AT_STR("\xff");
    assert_int_equal(at_tape_encode(enc, &ev, &out), AT_BAD);
    ev.stream = AT_STR("s");
    assert_int_equal(at_tape_encode(enc, &ev, &out), AT_OK); /* an unfit event spoils nothing */
    assert_int_equal(at_tape_encode_finish(enc, &out), AT_OK);
    assert_int_equal(at_tape_encode(enc, &ev, &out), AT_BAD); /* finished */
    at_tape_encoder_free(&enc);
    at_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity), cmocka_unit_test(cut_at_every_byte), cmocka_unit_test(every_bit),
        cmocka_unit_test(bursts),   cmocka_unit_test(moved_frames),      cmocka_unit_test(joined_tapes),
        cmocka_unit_test(flushing), cmocka_unit_test(newer_tapes),       cmocka_unit_test(unfit_events),
    };
    random_state = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
