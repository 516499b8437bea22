/* fuzz_tcp.c: any sequence of segments of two connections. */
#include "tests/fuzz/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire w[2] = {{.port = 1000, .seq = {100, 0xfffffff0}}, {.port = 1001, .seq = {7, 9}}};
    struct at_decoder *d = fuzz_decoder();
    int64_t t_us = 0;
    uint64_t number = 0;
    w[0].decoder = w[1].decoder = d;
    /* Each segment: which connection and end, flags, where relative to the next byte, time passed, length. */
    while (size >= 5) {
        struct wire *c = &w[data[0] & 1];
        int end = data[0] >> 1 & 1;
        uint32_t seq = c->seq[end] + (uint32_t)(int32_t)(int8_t)data[2] * (data[0] & 4 ? 1000 : 1);
        size_t len = data[4];
        int flags = data[1];
        c->t_us = t_us += (int64_t)data[3] * (data[0] & 8 ? 100000 : 100);
        c->number = number++;
        if (data[0] & 16)
            c->seq[!end] += data[2];
        data += 5;
        size -= 5;
        len = len < size ? len : size;
        if (wire_at(c, end, seq, flags, data, len))
            abort();
        if (seq == c->seq[end])
            c->seq[end] += (uint32_t)len + (flags & (SYN | FIN) ? 1 : 0);
        data += len;
        size -= len;
    }
    fuzz_finish(d);
    return 0;
}
