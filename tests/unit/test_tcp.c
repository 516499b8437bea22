/* TCP as the decoder sees it: order, holes, repetitions, conflicts, the end of a connection, memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/ear.h"

#define POST(length, body) "POST /a HTTP/1.1\r\nContent-Length: " length "\r\n\r\n" body

static void segments_in_any_order(void **state)
{
    (void)state;
    static const char text[] = POST("7", "[1,2,3]") POST("3", "[4]");
    const size_t n = sizeof text - 1;
    for (size_t cut = 1; cut < n; cut++) { /* wrapping in the middle of it, the second half first */
        struct ear ear = {0};
        struct wire w = {.port = 1000, .seq = {0xffffffff - 30, 5}, .decoder = ear_decoder(&ear, NULL)};
        assert_int_equal(wire_open(&w), AT_OK);
        uint32_t seq = w.seq[0];
        assert_int_equal(wire_at(&w, 0, seq + (uint32_t)cut, ACK, text + cut, n - cut), AT_OK);
        heard(&ear, "");
        assert_int_equal(wire_at(&w, 0, seq, ACK, text, cut), AT_OK);
        heard(&ear, "request 1 0 [1,2,3]\nrequest 2 0 [4]\n");
        assert_int_equal(wire_at(&w, 0, seq, ACK, text, n), AT_OK); /* all of it again */
        heard(&ear, "");
        assert_int_equal(at_decoder_ledger(w.decoder)->tcp_duplicate_bytes, n);
        hang_up(&w, &ear);
    }
}

static void a_response_never_comes_before_its_request(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    static const char request[] = POST("2", "{}");
    uint32_t seq = w.seq[0];
    w.seq[0] += sizeof request - 1;
    say(&w, 1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]");
    heard(&ear, "");
    w.seq[1] = 1; /* the request knows nothing of the response */
    assert_int_equal(wire_at(&w, 0, seq, ACK, request, sizeof request - 1), AT_OK);
    heard(&ear, "request 1 0 {}\nresponse 1 200 []\n");
    hang_up(&w, &ear);
}

static void a_hole_is_given_up_when_acknowledged(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("2", "{}"));
    wire_lose(&w, 0, 100);
    say(&w, 0, POST("3", "[7]"));
    heard(&ear, "request 1 0 {}\n");
    w.t_us += 1000000; /* not acknowledged: it may still come */
    assert_int_equal(wire_at(&w, 0, w.seq[0], ACK, NULL, 0), AT_OK);
    heard(&ear, "");
    assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK); /* the server has it all */
    w.t_us += 100000;
    assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
    heard(&ear, "gap 100\nrequest 2 0 [7]\n");
    assert_int_equal(at_decoder_ledger(w.decoder)->tcp_gap_bytes, 100);
    hang_up(&w, &ear);
}

static void a_hole_is_given_up_after_a_time_or_a_size(void **state)
{
    (void)state;
    for (int by_size = 0; by_size < 2; by_size++) {
        struct ear ear = {0};
        const struct at_decoder_options options = {.gap_ms = 500, .flow_bytes = 4096};
        struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, &options)};
        static const char many[5000] = "";
        assert_int_equal(wire_open(&w), AT_OK);
        say(&w, 0, POST("2", "{}"));
        heard(&ear, "request 1 0 {}\n");
        wire_lose(&w, 0, 9);
        if (by_size)
            assert_int_equal(wire_send(&w, 0, many, sizeof many), AT_OK);
        w.t_us += by_size ? 0 : 500000;
        say(&w, 0, POST("3", "[7]"));
        heard(&ear, by_size ? "gap 9\nrequest 2 0 [7]\n" : "");
        w.t_us += 500000;
        assert_int_equal(wire_at(&w, 0, w.seq[0], ACK, NULL, 0), AT_OK);
        heard(&ear, by_size ? "" : "gap 9\nrequest 2 0 [7]\n");
        hang_up(&w, &ear);
    }
}

static void conflicting_overlaps_follow_the_policy(void **state)
{
    (void)state;
    for (int last = 0; last < 2; last++) {
        struct ear ear = {0};
        const struct at_decoder_options options = {.last_wins = last};
        struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, &options)};
        static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
        uint32_t at = 1 + sizeof head - 1;
        assert_int_equal(wire_open(&w), AT_OK);
        assert_int_equal(wire_at(&w, 0, at + 1, ACK, "111", 3), AT_OK);
        assert_int_equal(wire_at(&w, 0, at, ACK, "[222]", 5), AT_OK);
        assert_int_equal(wire_at(&w, 0, 1, ACK, head, sizeof head - 1), AT_OK);
        heard(&ear, last ? "request 1 0 [222]\n" : "request 1 0 [111]\n");
        assert_int_equal(at_decoder_ledger(w.decoder)->tcp_conflict_bytes, 3);
        hang_up(&w, &ear);
    }
}

static void ends(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("2", "{}"));
    say(&w, 1, "HTTP/1.1 200 OK\r\n\r\n[1]"); /* until the connection closes */
    assert_int_equal(wire_fin(&w, 1), AT_OK);
    heard(&ear, "request 1 0 {}\nresponse 1 200 [1]\n");
    assert_int_equal(wire_fin(&w, 0), AT_OK);
    heard(&ear, "end clean\n");
    w.seq[0] = 500000000; /* the same ports again */
    w.seq[1] = 900000000;
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("2", "{}"));
    assert_int_equal(wire_at(&w, 1, w.seq[1], RST | ACK, NULL, 0), AT_OK);
    heard(&ear, "request 1 0 {}\nend\n");
    assert_int_equal(at_decoder_ledger(w.decoder)->flows, 2);
    hang_up(&w, &ear);
}

static void keep_alives_and_the_middle_of_a_stream(void **state)
{
    (void)state;
    struct ear ear = {0};
    struct wire w = {.port = 1000, .seq = {5000, 7000}, .decoder = ear_decoder(&ear, NULL)};
    say(&w, 0, "ing\"}" POST("2", "{}")); /* the tail of something before the capture */
    w.t_us += 200000;
    assert_int_equal(wire_at(&w, 0, w.seq[0] - 1, ACK, "\0", 1), AT_OK);
    heard(&ear, "request 1 0 {}\n");
    assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
    say(&w, 0, POST("3", "[1]"));
    heard(&ear, "request 2 0 [1]\n");
    assert_int_equal(at_decoder_ledger(w.decoder)->flows_midstream, 1);
    hang_up(&w, &ear);
}

/* The end of one connection and the beginning of the next on the same ports were not captured. */
static void ports_used_again_unseen(void **state)
{
    (void)state;
    static const struct {
        uint32_t more[2]; /* the numbers go on so much farther */
        const char *heard;
        uint64_t flows;
    } cases[] = {{{84000000, 3000000000}, "end\nrequest 1 0 [1]\n", 2}, /* either way */
                 {{4000000000, 2000000}, "end\nrequest 1 0 [1]\n", 2},
                 {{84000000, 500}, "gap 84000000\ngap 500\nrequest 2 0 [1]\n", 1}, /* one way much may be lost */
                 {{500000, 900000}, "gap 500000\ngap 900000\nrequest 2 0 [1]\n", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ear ear = {0};
        struct wire w = {.port = 1000, .decoder = ear_decoder(&ear, NULL)};
        assert_int_equal(wire_open(&w), AT_OK);
        say(&w, 0, POST("2", "{}"));
        heard(&ear, "request 1 0 {}\n");
        w.seq[0] += cases[i].more[0];
        w.seq[1] += cases[i].more[1];
        say(&w, 0, POST("3", "[1]"));
        w.t_us += 3100000;
        assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
        w.t_us += 200000;
        assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
        heard(&ear, cases[i].heard);
        assert_int_equal(at_decoder_ledger(w.decoder)->flows, cases[i].flows);
        hang_up(&w, &ear);
    }
}

/* The same, where no more was captured of the first than one segment, and of the second's beginning half at most. */
static void ports_used_again_hardly_seen(void **state)
{
    (void)state;
    static const struct {
        int end, flags;  /* the segment of the first connection */
        int syn_of, syn; /* of the second; 0: none */
    } cases[] = {{0, SYN, 0, 0},   {0, ACK, 0, 0},   {1, ACK, 0, 0},         {0, ACK, 0, SYN},
                 {1, ACK, 0, SYN}, {0, SYN, 0, SYN}, {0, ACK, 1, SYN | ACK}, {1, ACK, 1, SYN | ACK}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ear ear = {0};
        struct wire w = {.port = 1000, .seq = {7, 9}, .decoder = ear_decoder(&ear, NULL)};
        assert_int_equal(wire_at(&w, cases[i].end, w.seq[cases[i].end], cases[i].flags, NULL, 0), AT_OK);
        w.seq[0] = 84000000;
        w.seq[1] = 95000000;
        if (cases[i].syn)
            assert_int_equal(wire_at(&w, cases[i].syn_of, w.seq[cases[i].syn_of] - 1, cases[i].syn, NULL, 0), AT_OK);
        say(&w, 0, POST("3", "[1]"));
        w.t_us += 200000;
        assert_int_equal(wire_at(&w, 1, w.seq[1], ACK, NULL, 0), AT_OK);
        heard(&ear, "request 1 0 [1]\n");
        assert_int_equal(at_decoder_ledger(w.decoder)->tcp_gaps, 0);
        hang_up(&w, &ear);
    }
}

static void memory_is_bounded_and_the_busy_stay(void **state)
{
    (void)state;
    struct ear ear = {0};
    const struct at_decoder_options options = {.memory_bytes = 1 << 20};
    struct wire w = {.port = 1, .decoder = ear_decoder(&ear, &options)};
    assert_int_equal(wire_open(&w), AT_OK);
    say(&w, 0, POST("2", "{}"));
    struct wire other = {.decoder = w.decoder};
    for (uint32_t i = 2; i < 60000; i++) {
        other.port = (uint16_t)i;
        other.seq[0] = i;
        assert_int_equal(wire_at(&other, 0, i, i % 2 ? SYN : ACK, "G", i % 2 ? 0 : 1), AT_OK);
    }
    say(&w, 0, POST("3", "[1]"));
    heard(&ear, "request 1 0 {}\nrequest 2 0 [1]\n");
    assert_true(at_decoder_ledger(w.decoder)->flows_evicted > 50000);
    hang_up(&w, &ear);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_in_any_order),
        cmocka_unit_test(a_response_never_comes_before_its_request),
        cmocka_unit_test(a_hole_is_given_up_when_acknowledged),
        cmocka_unit_test(a_hole_is_given_up_after_a_time_or_a_size),
        cmocka_unit_test(conflicting_overlaps_follow_the_policy),
        cmocka_unit_test(ends),
        cmocka_unit_test(keep_alives_and_the_middle_of_a_stream),
        cmocka_unit_test(ports_used_again_unseen),
        cmocka_unit_test(ports_used_again_hardly_seen),
        cmocka_unit_test(memory_is_bounded_and_the_busy_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
