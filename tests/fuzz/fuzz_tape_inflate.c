/* fuzz_tape_inflate.c: deflated columns, inflated by our own decoder: nothing that zlib does not make of them. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "formats/tape_inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAW_MAX (size_t)(1 << 16)

/* What zlib makes of it; SIZE_MAX: nothing. */
static size_t with_zlib(const uint8_t *data, size_t size, uint8_t *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)size};
    if (inflateInit2(&z, -15) != Z_OK)
        abort();
    z.next_out = out;
    z.avail_out = (uInt)RAW_MAX;
    bool good = inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in == 0;
    size_t n = z.total_out;
    inflateEnd(&z);
    return good ? n : SIZE_MAX;
}

static bool with_ours(const uint8_t *data, size_t size, size_t n, const uint8_t *want)
{
    uint8_t *out = malloc(n + INFLATE_SLACK);
    if (!out)
        abort();
    bool good = at_inflate_whole(data, size, out, n);
    if (good && memcmp(out, want, n) != 0)
        abort();
    free(out);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t want[RAW_MAX];
    size_t n = with_zlib(data, size, want);
    if (n != SIZE_MAX)
        with_ours(data, size, n, want);
    for (size_t other = 0; other < 5000; other = 3 * other + 1) /* 4921: with the large tables */
        if (other != n && with_ours(data, size, other, want))
            abort();
    return 0;
}
