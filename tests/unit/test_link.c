/* Link layers, tunnels, IP and its fragments: which bytes of a packet are TCP, and what the ledger says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/walker.h"

static int tear_down(void **state)
{
    (void)state;
    at_fragments_free(&fragments);
    return 0;
}

static enum at_found walk(uint32_t linktype, const void *data, size_t n, struct at_segment *seg)
{
    const struct at_packet p = {.linktype = linktype, .data = data, .caplen = n, .len = n, .number = 1};
    return at_packet_walk(fragments, &p, &ledger, seg);
}

/* The packet "[1]" from 10.0.0.1:1000 to 10.0.0.2:80, behind `front`, with `back` behind it. */
static size_t packet(uint8_t *out, const char *front, size_t n_front, size_t n_back)
{
    const struct wire w = {.port = 1000};
    memcpy(out, front, n_front);
    size_t n = n_front + make_packet(out + n_front, &w, 0, 7, ACK, "[1]", 3);
    memset(out + n, 0x55, n_back);
    return n + n_back;
}

static void expect(uint32_t linktype, const char *front, size_t n_front, size_t n_back)
{
    uint8_t bytes[256];
    struct at_segment seg;
    size_t n = packet(bytes, front, n_front, n_back);
    assert_int_equal(walk(linktype, bytes, n, &seg), AT_FOUND_TCP);
    assert_int_equal(seg.len, 3);
    assert_memory_equal(seg.data, "[1]", 3);
    assert_int_equal(seg.sport, 1000);
    assert_int_equal(seg.dport, 80);
    assert_int_equal(seg.seq, 7);
    /* Cut at any place there is less, and never anything beyond. */
    for (size_t cut = 0; cut < n - n_back - 3; cut++) {
        struct at_packet p = {.linktype = linktype, .data = bytes, .caplen = cut, .len = n, .number = 1};
        enum at_found found = at_packet_walk(fragments, &p, &ledger, &seg);
        assert_true(found != AT_FOUND_TCP || (seg.len == 0 && seg.wire == 3));
    }
}

#define EXPECT(linktype, front, back) expect(linktype, front, sizeof(front) - 1, back)
#define MACS "\2\0\0\0\0\1\2\0\0\0\0\2"

static void link_layers(void **state)
{
    (void)state;
    EXPECT(1, MACS "\x08\x00", 7); /* padded */
    EXPECT(1, MACS "\x81\x00\x00\x05\x08\x00", 0);
    EXPECT(1, MACS "\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", 0);
    EXPECT(1, MACS "\x88\x47\x00\x01\x00\x40\x00\x02\x01\x40", 0);
    EXPECT(1, MACS "\x88\x64\x11\x00\x00\x01\x00\x2d\x00\x21", 3);
    EXPECT(1, MACS "\x00\x33\xaa\xaa\x03\x00\x00\x00\x08\x00", 0);
    EXPECT(0, "\2\0\0\0", 0);
    EXPECT(0, "\0\0\0\2", 0);
    EXPECT(108, "\0\0\0\2", 0);
    EXPECT(9, "\xff\x03\x00\x21", 0);
    EXPECT(9, "\x21", 0);
    EXPECT(101, "", 0);
    EXPECT(228, "", 0);
    EXPECT(113, "\0\0\3\4\0\6\0\0\0\0\0\0\0\0\x08\0", 0);
    EXPECT(276, "\x08\0\0\0\0\0\0\1\3\4\0\6\0\0\0\0\0\0\0\0", 0);
    assert_false(at_link_known(105));
    assert_true(at_link_known(276));
}

static void what_is_not_decoded(void **state)
{
    (void)state;
    struct at_segment seg;
    assert_int_equal(walk(1, MACS "\x08\x06\0\1", 16, &seg), AT_FOUND_OTHER); /* ARP */
    assert_int_equal(walk(1, MACS "\x08", 13, &seg), AT_FOUND_BAD);
    assert_int_equal(walk(101, "\x45\0\0\x14", 4, &seg), AT_FOUND_BAD);
    uint8_t bytes[100];
    size_t n = packet(bytes, "", 0, 0);
    bytes[0] = 0x4f; /* a header of 60 bytes in 43 */
    assert_int_equal(walk(101, bytes, n, &seg), AT_FOUND_BAD);
    assert_int_equal(ledger.packets, 4);
    assert_int_equal(ledger.packets_malformed, 3);
    assert_int_equal(ledger.packet_bytes,
                     ledger.header_bytes + ledger.other_bytes + ledger.malformed_bytes + ledger.tcp_bytes);
}

static void tags_without_end(void **state)
{
    (void)state;
    uint8_t bytes[4000];
    struct at_segment seg;
    for (size_t i = 0; i < sizeof bytes; i += 4)
        memcpy(bytes + i, i < 12 ? "\0\0\0\0" : "\x81\0\0\1", 4);
    assert_int_equal(walk(1, bytes, sizeof bytes, &seg), AT_FOUND_BAD);
    for (size_t i = 0; i + 20 <= sizeof bytes; i += 20) /* IP in IP in IP … */
        memcpy(bytes + i, "\x45\0\0\0\0\0\0\0\x40\x04\0\0\x0a\0\0\1\x0a\0\0\2", 20);
    assert_int_equal(walk(101, bytes, sizeof bytes, &seg), AT_FOUND_BAD);
}

static void offloaded_and_wrong_checksums_are_kept(void **state)
{
    (void)state;
    uint8_t bytes[100];
    struct at_segment seg;
    size_t n = packet(bytes, "", 0, 0);
    bytes[2] = bytes[3] = 0;
    assert_int_equal(walk(101, bytes, n, &seg), AT_FOUND_TCP);
    assert_int_equal(seg.len, 3);
    assert_int_equal(ledger.zero_length_packets, 1);
    assert_int_equal(ledger.bad_checksums, 1);
    /* RFC 1071: with the complement of the sum in place nothing is wrong */
    static const char right[] = "\x45\0\0\x28\0\0\0\0\x40\x06\x66\xce\x0a\0\0\1\x0a\0\0\2"
                                "\0\1\0\2\0\0\0\0\0\0\0\0\x50\x10\0\0\x9b\xcf\0\0";
    assert_int_equal(walk(101, right, 40, &seg), AT_FOUND_TCP);
    assert_int_equal(ledger.bad_checksums, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(link_layers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_decoded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tags_without_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(offloaded_and_wrong_checksums_are_kept, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
