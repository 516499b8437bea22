/* What the checker keeps by name: that names come back, that no two are mixed up, that a stream has each user once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "replay/private.h"

#define THINGS 60000u
#define USERS 300u

/* Name number `i`: mostly short, some long, one empty. */
static struct at_str name_of(unsigned i, char *room, size_t size)
{
    size_t len = i ? (size_t)snprintf(room, size, "%u", i) : 0;
    if (i % 1000 == 7) {
        memset(room + len, 'x', size - len);
        len = size - i / 1000;
    }
    return (struct at_str){room, len};
}

static void named_things_lead_back(void **state)
{
    (void)state;
    struct room r = {0};
    static uint32_t numbers[THINGS];
    static char text[5000];
    uint64_t *thing;
    for (unsigned i = 0; i < THINGS; i++) {
        thing = room_get_named(&r, name_of(i, text, sizeof text), sizeof *thing + i % 200, &numbers[i]);
        assert_non_null(thing);
        assert_int_equal(*thing, 0);
        *thing = i;
        if (i % 3 == 0)
            assert_int_equal((uintptr_t)room_get(&r, 100, LINE_BYTES) % LINE_BYTES, 0);
    }
    for (unsigned i = 0; i < THINGS; i++) {
        thing = room_at(&r, numbers[i]);
        assert_int_equal(*thing, i);
        assert_true(at_str_eq(room_name(thing), name_of(i, text, sizeof text)));
    }
    assert_null(room_get(&r, ROOM_BYTES + 1, 1));
    room_free(&r);
    assert_null(r.chunks);
}

static const struct at_profile *profile_of(struct at_profile **own, const char *name)
{
    assert_int_equal(at_profile_load(name, own, NULL), AT_OK);
    return *own;
}

/* Names that are the same when they are put together, and are not. */
static void names_are_told_apart(void **state)
{
    (void)state;
    static const char *const who[][2] = {{"a", "bc"}, {"ab", "c"}, {"abc", ""}, {"", "abc"}, {"a", "bcd"}, {"a", "b"}};
    const size_t n = sizeof who / sizeof who[0];
    const struct at_check_options options = {0};
    const struct at_check_sink sink = {0};
    struct at_profile *profile = NULL;
    struct at_checker *c = NULL;
    struct key *keys[sizeof who / sizeof who[0]], *again;
    assert_int_equal(at_checker_new(profile_of(&profile, "wechat-minigame"), &options, &sink, &c), AT_OK);
    for (size_t i = 0; i < n; i++) {
        const struct at_tape_source s = {.app = at_str(who[i][0]), .user = at_str(who[i][1]), .stream = AT_STR("s")};
        assert_int_equal(find_key(c, &s, 1, &keys[i]), AT_OK);
        for (size_t j = 0; j < i; j++)
            assert_true(keys[i] != keys[j] && !key_is(c, keys[j], &s));
    }
    for (size_t i = 0; i < n; i++) {
        const struct at_tape_source s = {.app = at_str(who[i][0]), .user = at_str(who[i][1]), .stream = AT_STR("t")};
        assert_int_equal(find_key(c, &s, 2, &again), AT_OK);
        assert_ptr_equal(again, keys[i]);
        assert_true(at_str_eq(key_app(again), s.app) && at_str_eq(key_user(again), s.user));
    }
    assert_int_equal(c->totals.keys, n);
    at_checker_free(&c);
    at_profile_free(&profile);
}

/* Streams with one user up to very many, some of them on several: each is there once, in the order of first sight. */
static void a_stream_has_each_user_once(void **state)
{
    (void)state;
    const struct at_check_options options = {0};
    const struct at_check_sink sink = {0};
    struct at_profile *profile = NULL;
    struct at_checker *c = NULL;
    struct key *keys[USERS];
    struct stream *streams[USERS];
    char name[16];
    assert_int_equal(at_checker_new(profile_of(&profile, "wechat-minigame"), &options, &sink, &c), AT_OK);
    for (unsigned i = 0; i < USERS; i++) {
        snprintf(name, sizeof name, "%u", i);
        const struct at_tape_source s = {.app = AT_STR("a"), .user = at_str(name)};
        assert_int_equal(find_key(c, &s, 1, &keys[i]), AT_OK);
        assert_int_equal(find_stream(c, at_str(name), 1, &streams[i]), AT_OK);
    }
    for (unsigned again = 0; again < 3; again++)
        for (unsigned of = 0; of < USERS; of += 1 + of / 4)
            for (unsigned i = 0; i <= of; i++)
                assert_int_equal(stream_add_key(c, streams[of], keys[i]), AT_OK);
    for (unsigned of = 0; of < USERS; of += 1 + of / 4) {
        assert_int_equal(streams[of]->n_keys, of + 1);
        for (unsigned i = 0; i <= of; i++)
            assert_ptr_equal(stream_keys(streams[of])[i], keys[i]);
        snprintf(name, sizeof name, "%u", of);
        assert_ptr_equal(own_stream(c, at_str(name)), streams[of]);
    }
    at_checker_free(&c);
    at_profile_free(&profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_things_lead_back),
        cmocka_unit_test(names_are_told_apart),
        cmocka_unit_test(a_stream_has_each_user_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
