/* fuzz_http.c: a connection with HTTP in both directions, with holes; see fuzz_play. */
#include "tests/fuzz/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire w = {.port = 1000, .seq = {1, 1}};
    w.decoder = fuzz_decoder();
    if (size && data[0] & 1 && wire_open(&w))
        abort();
    fuzz_play(&w, data + (size > 0), size - (size > 0));
    fuzz_finish(w.decoder);
    return 0;
}
