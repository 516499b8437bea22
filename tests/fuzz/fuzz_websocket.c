/* fuzz_websocket.c: a connection after its handshake, of several kinds, with holes; see fuzz_play. */
#include "tests/fuzz/decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void handshake(struct wire *w, const char *extensions)
{
    static const char ask[] = "GET /?a=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    char answer[300];
    int n = snprintf(answer, sizeof answer, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s%s\r\n",
                     extensions, *extensions ? "\r\n" : "");
    if (wire_open(w) || wire_send(w, 0, ask, sizeof ask - 1) || wire_send(w, 1, answer, (size_t)n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = {
        "", "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9; client_max_window_bits=8"};
    struct wire w = {.port = 1000, .seq = {1, 1}};
    if (size == 0)
        return 0;
    w.decoder = fuzz_decoder();
    if (!(data[0] & 4)) /* else picked up in the middle */
        handshake(&w, kinds[data[0] & 3]);
    fuzz_play(&w, data + 1, size - 1);
    fuzz_finish(w.decoder);
    return 0;
}
