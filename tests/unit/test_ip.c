/* IPv4 and IPv6: extension headers, tunnels, fragments in every order, overlaps, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/unit/walker.h"

static int tear_down(void **state)
{
    (void)state;
    at_fragments_expire(fragments, 0, true, &ledger);
    bool balanced = ledger.packet_bytes == ledger.header_bytes + ledger.other_bytes + ledger.malformed_bytes +
                                               ledger.fragment_bytes + ledger.tcp_bytes;
    at_fragments_free(&fragments);
    return !balanced;
}

static enum at_found walk(const void *data, size_t n, struct at_segment *seg)
{
    const struct at_packet p = {.linktype = 101, .data = data, .caplen = n, .len = n, .number = 1};
    enum at_found found = at_packet_walk(fragments, &p, &ledger, seg);
    if (found == AT_FOUND_TCP)
        ledger.tcp_bytes += seg->len; /* what the stage after this one does */
    return found;
}

/* TCP with "[1,2,3,4,5,6]", 33 bytes. */
static const char tcp[] = "\3\350\0\120\0\0\0\7\0\0\0\0\x50\x10\0\0\0\0\0\0[1,2,3,4,5,6]";
#define TCP_LEN (sizeof tcp - 1)

static size_t ip4(uint8_t *out, int proto, unsigned id, unsigned flags, const void *body, size_t n)
{
    memset(out, 0, 20);
    out[0] = 0x45;
    out[2] = (uint8_t)((n + 20) >> 8);
    out[3] = (uint8_t)(n + 20);
    out[4] = (uint8_t)(id >> 8);
    out[5] = (uint8_t)id;
    out[6] = (uint8_t)(flags >> 8);
    out[7] = (uint8_t)flags;
    out[9] = (uint8_t)proto;
    memcpy(out + 12, "\x0a\0\0\1\x0a\0\0\2", 8);
    memcpy(out + 20, body, n);
    return n + 20;
}

static size_t ip6(uint8_t *out, int next, const void *body, size_t n)
{
    memset(out, 0, 40);
    out[0] = 0x60;
    out[4] = (uint8_t)(n >> 8);
    out[5] = (uint8_t)n;
    out[6] = (uint8_t)next;
    out[23] = 1;
    out[39] = 2;
    memcpy(out + 40, body, n);
    return n + 40;
}

static void expect_tcp(const void *data, size_t n)
{
    struct at_segment seg;
    assert_int_equal(walk(data, n, &seg), AT_FOUND_TCP);
    assert_int_equal(seg.len, 13);
    assert_memory_equal(seg.data, "[1,2,3,4,5,6]", 13);
    assert_int_equal(seg.sport, 1000);
}

static void extension_headers(void **state)
{
    (void)state;
    uint8_t body[200], out[300];
    /* hop-by-hop, destination options, routing, authentication (RFC 4302: its length counts 4 bytes, less 2) */
    static const char chain[] = "\x3c\0\1\4\0\0\0\0"
                                "\x2b\0\1\4\0\0\0\0"
                                "\x33\2\0\0\0\0\0\0"
                                "0123456789abcdef"
                                "\6\4\0\0\0\0\0\0"
                                "0123456789abcdef";
    memcpy(body, chain, sizeof chain - 1);
    memcpy(body + sizeof chain - 1, tcp, TCP_LEN);
    size_t n = ip6(out, 0, body, sizeof chain - 1 + TCP_LEN);
    expect_tcp(out, n);
    struct at_segment seg;
    for (size_t cut = 0; cut < n - 13; cut++) {
        enum at_found found = walk(out, cut, &seg);
        assert_true(found == AT_FOUND_BAD || (found == AT_FOUND_TCP && seg.len == 0));
    }
    n = ip6(out, 0, "\0\0\1\4\0\0\0\0\0\0\1\4\0\0\0\0", 16); /* options behind options, and then nothing */
    assert_int_equal(walk(out, n, &seg), AT_FOUND_BAD);
}

static void tunnels(void **state)
{
    (void)state;
    uint8_t inner[200], body[300], out[400];
    size_t n = ip4(inner, 6, 0, 0, tcp, TCP_LEN);
    expect_tcp(out, ip4(out, 4, 0, 0, inner, n)); /* IP in IP */
    expect_tcp(out, ip6(out, 4, inner, n));
    memcpy(body, "\x30\0\x08\0\0\0\0\1\0\0\0\2", 12); /* GRE with key and sequence number */
    memcpy(body + 12, inner, n);
    expect_tcp(out, ip4(out, 47, 0, 0, body, n + 12));
    static const char ethernet[] = "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0";
    memcpy(body,
           "\x9c\x40\x12\xb5\0\0\0\0"
           "\x08\0\0\0\0\0\7\0",
           16); /* VXLAN */
    memcpy(body + 16, ethernet, 14);
    memcpy(body + 30, inner, n);
    expect_tcp(out, ip4(out, 17, 0, 0, body, n + 30));
    memcpy(body,
           "\x9c\x40\x17\xc1\0\0\0\0"
           "\1\0\x08\0\0\0\7\0\0\0\0\0",
           20); /* Geneve with an option */
    memcpy(body + 20, inner, n);
    expect_tcp(out, ip6(out, 17, body, n + 20));
    n = ip6(inner, 6, tcp, TCP_LEN);
    expect_tcp(out, ip4(out, 41, 0, 0, inner, n));
}

/* Parts of the 33 bytes: offset and length. */
struct part {
    size_t at, n;
};

static enum at_found fragment4(const struct part *p, unsigned id, const void *from, struct at_segment *seg)
{
    uint8_t out[200];
    unsigned more = p->at + p->n < TCP_LEN ? 0x2000 : 0;
    size_t n = ip4(out, 6, id, more | (unsigned)(p->at / 8), (const char *)from + p->at, p->n);
    return walk(out, n, seg);
}

static enum at_found fragment6(const struct part *p, const void *from, struct at_segment *seg)
{
    uint8_t body[100], out[200];
    memset(body, 0, 8);
    body[0] = 6;
    body[3] = (uint8_t)(p->at | (p->at + p->n < TCP_LEN));
    memcpy(body + 8, (const char *)from + p->at, p->n);
    size_t n = ip6(out, 44, body, p->n + 8);
    return walk(out, n, seg);
}

static void fragments_in_any_order(void **state)
{
    (void)state;
    static const struct part parts[] = {{0, 8}, {8, 16}, {24, 9}};
    static const int orders[][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    for (unsigned v6 = 0; v6 < 2; v6++) {
        for (unsigned o = 0; o < 6; o++) {
            struct at_segment seg;
            for (int i = 0; i < 3; i++) {
                const struct part *p = &parts[orders[o][i]];
                enum at_found found = v6 ? fragment6(p, tcp, &seg) : fragment4(p, o, tcp, &seg);
                assert_int_equal(found, i == 2 ? AT_FOUND_TCP : AT_FOUND_MORE);
                if (i == 0) /* the same again is no harm */
                    assert_int_equal(v6 ? fragment6(p, tcp, &seg) : fragment4(p, o, tcp, &seg), AT_FOUND_MORE);
            }
            assert_memory_equal(seg.data, "[1,2,3,4,5,6]", 13);
            assert_int_equal(seg.len, 13);
        }
    }
    assert_int_equal(ledger.fragments_conflicting, 0);
    assert_int_equal(ledger.fragments_dropped, 0);
}

static void overlapping_fragments(void **state)
{
    (void)state;
    char other[sizeof tcp];
    struct at_segment seg;
    memcpy(other, tcp, sizeof tcp);
    memset(other + 16, 'x', 16);
    /* IPv4: what came first stays */
    assert_int_equal(fragment4(&(struct part){0, 24}, 1, tcp, &seg), AT_FOUND_MORE);
    assert_int_equal(fragment4(&(struct part){16, 16}, 1, other, &seg), AT_FOUND_MORE);
    assert_int_equal(fragment4(&(struct part){24, 9}, 1, tcp, &seg), AT_FOUND_TCP);
    assert_memory_equal(seg.data, "[1,2xxxxxxxx]", 13);
    assert_int_equal(ledger.fragments_conflicting, 2);
    /* IPv6: the datagram has to go (RFC 5722) */
    assert_int_equal(fragment6(&(struct part){0, 24}, tcp, &seg), AT_FOUND_MORE);
    assert_int_equal(fragment6(&(struct part){16, 16}, tcp, &seg), AT_FOUND_MORE);
    assert_int_equal(fragment6(&(struct part){24, 9}, tcp, &seg), AT_FOUND_MORE);
    assert_true(ledger.fragments_dropped > 0);
}

static void fragments_are_bounded(void **state)
{
    (void)state;
    struct at_segment seg;
    for (unsigned id = 0; id < 20000; id++)
        assert_int_equal(fragment4(&(struct part){8, 16}, id, tcp, &seg), AT_FOUND_MORE);
    assert_true(ledger.fragments_dropped > 19000);
    at_fragments_expire(fragments, (int64_t)31 * 1000000, false, &ledger);
    assert_int_equal(ledger.fragments_dropped, 20000);
    assert_int_equal(ledger.fragment_bytes, 20000 * 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(extension_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tunnels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fragments_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overlapping_fragments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fragments_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
