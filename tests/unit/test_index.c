/* The index of a tape while it is made: segments are kept packed, and given up where they get too many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "formats/tape_index.h"

#define SEGMENTS 50u

/* Each segment has one more user than the one before, an app and scope of every third one's own, and two frames. */
static void fill(struct tape_indexer *x)
{
    const struct at_str scope[] = {AT_STR("scope.record")};
    const struct at_event prompt = {.kind = AT_KIND_PROMPT, .has = AT_HAS_SCOPE, .scopes = scope, .n_scopes = 1};
    const struct at_event call = {.kind = AT_KIND_CALL};
    char text[32];
    for (uint32_t s = 0; s < SEGMENTS; s++) {
        for (uint32_t u = 0; u <= s; u++) {
            int n = snprintf(text, sizeof text, "user %u", u);
            assert_int_equal(
                at_indexer_source(x, s % 3 ? AT_STR("wx1") : AT_STR("wx2"), (struct at_str){text, (size_t)n}), AT_OK);
        }
        assert_int_equal(at_indexer_shape(x, &call), AT_OK);
        at_indexer_event(x, 0);
        at_indexer_event(x, 0);
        if (s % 3 == 0) {
            assert_int_equal(at_indexer_shape(x, &prompt), AT_OK);
            at_indexer_event(x, 1);
        }
        for (uint32_t i = 0; i < 2; i++) {
            const struct tape_frame f = {
                .sequence = 2 * s + i, .events = s % 3 == 0 && i ? 2 : 1, .earliest_us = -(int64_t)s, .latest_us = s};
            at_indexer_frame(x, &f, 1000 * s + 400 * i, 400);
        }
        assert_int_equal(at_indexer_segment(x), AT_OK);
    }
}

static void check(const struct tape_index *x)
{
    assert_int_equal(x->n_segments, SEGMENTS);
    for (uint32_t i = 0; i < SEGMENTS; i++) {
        const struct tape_segment *s = &x->segments[i];
        assert_int_equal(s->offset, 1000 * i);
        assert_int_equal(s->bytes, 800);
        assert_int_equal(s->frames, 2);
        assert_int_equal(s->sequence, 2 * i);
        assert_int_equal(s->events, i % 3 ? 2 : 3);
        assert_int_equal(s->kinds[AT_KIND_CALL], 2);
        assert_int_equal(s->kinds[AT_KIND_PROMPT], i % 3 == 0);
        assert_int_equal(s->earliest_us, -(int64_t)i);
        assert_int_equal(s->latest_us, i);
        assert_int_equal(s->n_users, i + 1);
        assert_int_equal(s->n_apps, 1);
        assert_true(at_str_eq(at_intern_get(x->apps, s->apps[0]), i % 3 ? AT_STR("wx1") : AT_STR("wx2")));
        assert_int_equal(s->n_scopes, i % 3 == 0);
        const struct at_reader_options first = {.user = AT_STR("user 0")}, last = {.user = AT_STR("user 49")};
        assert_true(at_tape_index_may_match(x, s, &first));
        assert_int_equal(at_tape_index_may_match(x, s, &last), i == 49);
    }
}

static void packed_and_taken(void **state)
{
    struct tape_indexer *x = NULL;
    struct tape_index *index = NULL;
    (void)state;
    assert_int_equal(at_indexer_new(SIZE_MAX, &x), AT_OK);
    fill(x);
    assert_int_equal(at_indexer_take(x, &index), AT_OK);
    check(index);
    at_tape_index_free(&index);
    at_indexer_free(&x);
    assert_null(x);
}

/* What the payload has of a tape, with this much room for segments; the times are those of all segments in any case. */
static struct tape_index *written(size_t max_bytes)
{
    struct tape_indexer *x = NULL;
    struct tape_index *index = NULL;
    struct tape_frame f = {.type = TAPE_TYPE_INDEX};
    struct at_buf payload = {0};
    assert_int_equal(at_indexer_new(max_bytes, &x), AT_OK);
    fill(x);
    assert_int_equal(at_indexer_put(x, 77, &f, &payload), AT_OK);
    assert_int_equal(f.earliest_us, -49);
    assert_int_equal(f.latest_us, 49);
    assert_int_equal(at_get_u64le((const uint8_t *)payload.ptr + payload.len - TAPE_TRAILER_BYTES), 77);
    f.payload_bytes = (uint32_t)payload.len;
    assert_int_equal(at_tape_index_parse(&f, (const uint8_t *)payload.ptr, &index), AT_OK);
    at_buf_free(&payload);
    at_indexer_free(&x);
    return index;
}

static void written_and_read(void **state)
{
    struct tape_index *index = written(TAPE_RAW_MAX);
    (void)state;
    check(index);
    at_tape_index_free(&index);
}

static void too_much(void **state)
{
    (void)state;
    for (size_t max_bytes = 0; max_bytes < 1500; max_bytes += 500) { /* the segments take some 4,000 */
        struct tape_index *index = written(max_bytes);
        assert_int_equal(index->n_segments, 0);
        assert_int_equal(at_intern_count(index->apps), 2); /* names are there all the same */
        at_tape_index_free(&index);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_and_taken),
        cmocka_unit_test(written_and_read),
        cmocka_unit_test(too_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
