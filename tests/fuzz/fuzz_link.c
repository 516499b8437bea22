/* fuzz_link.c: packets of any link type, with IP, tunnels and fragments, through the whole decoder. */
#include "tests/fuzz/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t links[] = {1, 0, 101, 113, 276, 108, 9, 50, 51, 104, 228, 229};
    struct at_decoder *d = fuzz_decoder();
    struct at_packet p = {0};
    /* Each packet: link type, length (two bytes), bytes cut off by the snaplen. */
    while (size >= 4) {
        size_t len = at_get_u16be(data + 1), cut = data[3];
        p.linktype = links[data[0] % (sizeof links / sizeof links[0])];
        data += 4;
        size -= 4;
        p.caplen = len < size ? len : size;
        p.len = p.caplen + cut;
        p.number++;
        p.t_us += 1000;
        /* A copy of its own, so that a byte read too many is seen. */
        uint8_t *copy = malloc(p.caplen ? p.caplen : 1);
        if (!copy)
            abort();
        memcpy(copy, data, p.caplen);
        p.data = copy;
        if (at_decoder_packet(d, &p))
            abort();
        free(copy);
        data += p.caplen;
        size -= p.caplen;
    }
    fuzz_finish(d);
    return 0;
}
