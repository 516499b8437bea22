/* Capture files: formats, byte orders, gzip, filters, and every way of being cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/unit/packets.h"

static char path[64];
static struct at_buf file;

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/authtape-capture-XXXXXX");
    int fd = mkstemp(path);
    file = (struct at_buf){0};
    return fd < 0 || close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    at_buf_free(&file);
    return unlink(path);
}

static void add(const void *bytes, size_t n)
{
    assert_int_equal(at_buf_add(&file, bytes, n), AT_OK);
}

static void number(uint32_t n, size_t bytes, bool big)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t b = (uint8_t)(n >> 8 * (big ? bytes - 1 - i : i));
        add(&b, 1);
    }
}

/* A pcap file (its manual page: pcap-savefile(5)) with TCP packets to ports 80, 81, 82. */
static void pcap(bool big, bool nano, uint32_t linktype)
{
    file.len = 0;
    number(nano ? 0xa1b23c4d : 0xa1b2c3d4, 4, big);
    number(2, 2, big);
    number(4, 2, big);
    number(0, 4, big);
    number(0, 4, big);
    number(65535, 4, big);
    number(linktype, 4, big);
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t bytes[100];
        const struct wire w = {.port = 1000};
        size_t n = make_packet(bytes, &w, 0, 1, ACK, "abc", 3);
        bytes[23] = (uint8_t)(80 + i);
        number(1000 + i, 4, big);
        number(nano ? 5000 : 5, 4, big);
        number((uint32_t)n, 4, big);
        number((uint32_t)n + 7, 4, big);
        add(bytes, n);
    }
}

/* The same as pcapng (draft-ietf-opsawg-pcapng), times in microseconds. */
static void pcapng(bool big, uint32_t linktype)
{
    file.len = 0;
    number(0x0a0d0d0a, 4, big);
    number(28, 4, big);
    number(0x1a2b3c4d, 4, big);
    number(1, 2, big);
    number(0, 2, big);
    number(0xffffffff, 4, big);
    number(0xffffffff, 4, big);
    number(28, 4, big);
    number(1, 4, big);
    number(20, 4, big);
    number(linktype, 2, big);
    number(0, 2, big);
    number(65535, 4, big);
    number(20, 4, big);
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t bytes[100] = {0};
        const struct wire w = {.port = 1000};
        size_t n = make_packet(bytes, &w, 0, 1, ACK, "abc", 3);
        bytes[23] = (uint8_t)(80 + i);
        uint64_t t = (uint64_t)(1000 + i) * 1000000 + 5;
        number(6, 4, big);
        number(76, 4, big);
        number(0, 4, big);
        number((uint32_t)(t >> 32), 4, big);
        number((uint32_t)t, 4, big);
        number((uint32_t)n, 4, big);
        number((uint32_t)n + 7, 4, big);
        add(bytes, 44); /* 43, padded */
        number(76, 4, big);
    }
}

static void save(bool packed)
{
    gzFile out = gzopen(path, packed ? "wb9" : "wbT");
    assert_non_null(out);
    assert_int_equal(gzwrite(out, file.ptr, (unsigned)file.len), (int)file.len);
    assert_int_equal(gzclose(out), Z_OK);
}

/* Opens the file and reads it to its end; the error of either, the number of packets. */
static enum at_err read_all(const char *filter, size_t *n, uint64_t *last, struct at_why *why)
{
    const struct at_capture_options options = {.file = path, .filter = filter};
    struct at_capture *c = NULL;
    *n = 0;
    enum at_err err = at_capture_open(&options, &c, why);
    while (!err) {
        struct at_packet p;
        err = at_capture_next(c, &p, why);
        if (err)
            break;
        assert_int_equal(p.t_us, (int64_t)(999 + p.number) * 1000000 + 5);
        assert_true(p.linktype == 101 || p.linktype == 105);
        assert_int_equal(p.caplen, 43);
        assert_int_equal(p.len, 50);
        *last = p.number;
        ++*n;
    }
    at_capture_close(&c);
    return err;
}

static void formats(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++) {
        struct at_why why;
        size_t n;
        uint64_t last = 0;
        if (i & 4)
            pcapng(i & 1, 101);
        else
            pcap(i & 1, i & 2, 101);
        save(i & 8);
        assert_int_equal(read_all(NULL, &n, &last, &why), AT_END);
        assert_int_equal(n, 3);
    }
}

static void filters_keep_the_numbers(void **state)
{
    (void)state;
    struct at_why why;
    size_t n;
    uint64_t last = 0;
    for (int i = 0; i < 2; i++) {
        if (i)
            pcapng(false, 101);
        else
            pcap(false, false, 101);
        save(false);
        assert_int_equal(read_all("tcp port 82", &n, &last, &why), AT_END);
        assert_int_equal(n, 1);
        assert_int_equal(last, 3);
        assert_int_equal(read_all("tcp prot 82", &n, &last, &why), AT_BAD);
        assert_non_null(strstr(why.text, "filter 'tcp prot 82'"));
    }
}

static void cut_off_anywhere(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        if (kind & 1)
            pcapng(false, 101);
        else
            pcap(false, false, 101);
        const size_t head = kind & 1 ? 48 : 24, each = kind & 1 ? 76 : 59, whole = file.len;
        for (size_t len = 0; len < whole; len++) {
            struct at_why why = {{0}};
            size_t n;
            uint64_t last = 0;
            file.len = len;
            save(kind & 2);
            enum at_err err = read_all(NULL, &n, &last, &why);
            file.len = whole;
            assert_int_equal(n, len < head ? 0 : (len - head) / each);
            bool only_a_section = kind & 1 && len == 28; /* which is a whole file */
            if (only_a_section || (len >= head && (len - head) % each == 0)) {
                assert_int_equal(err, AT_END);
                continue;
            }
            assert_int_equal(err, AT_BAD);
            assert_true(strlen(why.text) > 5);
        }
    }
}

static void trouble(void **state)
{
    (void)state;
    struct at_why why;
    size_t n;
    uint64_t last;
    pcap(false, false, 105);
    save(false);
    assert_int_equal(read_all(NULL, &n, &last, &why), AT_BAD);
    assert_non_null(strstr(why.text, "IEEE802_11"));
    pcapng(false, 105);
    save(false);
    assert_int_equal(read_all(NULL, &n, &last, &why), AT_BAD);
    assert_non_null(strstr(why.text, "IEEE802_11"));
    pcap(false, false, 101);
    save(true);
    assert_int_equal(truncate(path, 60), 0); /* in the middle of the gzip data */
    assert_int_equal(read_all(NULL, &n, &last, &why), AT_BAD);
    assert_non_null(strstr(why.text, "gzip"));
    file.len = 0;
    add("this is no capture at all", 25);
    save(false);
    assert_int_equal(read_all(NULL, &n, &last, &why), AT_BAD);
    const struct at_capture_options options = {.file = "/nonexistent/file"};
    struct at_capture *c;
    assert_int_equal(at_capture_open(&options, &c, &why), AT_IO);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(formats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_keep_the_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cut_off_anywhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(trouble, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
