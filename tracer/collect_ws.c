/* collect_ws.c: sockets of the collector (RFC 6455): frames in, acknowledgements out. */
#include "tracer/collect.h"

#ifdef AT_MICROHTTPD

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tracer/collect_parts.h"
#include "tracer/http.h"

#define READ_BYTES 16384
#define READS 4                       /* at once from one socket: the others want their turn */
#define OUT_BYTES ((size_t)64 * 1024) /* of answers that a client does not read, before it is cut off */

/* ---- Writing */

/* Asks for what the socket is waited for. */
static void watch(struct peer *p, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = p};
    if (events == p->polled)
        return;
    epoll_ctl(p->c->epoll, p->polled ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, p->fd, &e);
    p->polled = events;
}

static void write_out(struct peer *p)
{
    while (p->out.len && !p->over) {
        ssize_t n = send(p->fd, p->out.ptr, p->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n <= 0)
            p->over = p->broken = true;
        else
            at_buf_drop(&p->out, (size_t)n);
    }
    if (!p->over)
        watch(p, EPOLLIN | (p->out.len ? (uint32_t)EPOLLOUT : 0));
    if (p->closing && !p->out.len)
        shutdown(p->fd, SHUT_WR);
}

static void send_frame(struct peer *p, uint8_t opcode, struct at_str payload)
{
    uint8_t head[4] = {(uint8_t)(0x80 | opcode), (uint8_t)payload.len};
    size_t n = 2;
    if (payload.len > 125) {
        head[1] = 126;
        head[2] = (uint8_t)(payload.len >> 8);
        head[3] = (uint8_t)payload.len;
        n = 4;
    }
    if (p->closing || p->over)
        return;
    if (p->out.len > OUT_BYTES || payload.len > 65535 || at_buf_add(&p->out, head, n) || at_buf_str(&p->out, payload)) {
        p->over = p->broken = true;
        return;
    }
    write_out(p);
}

void at_collect_socket_close(struct peer *p, uint16_t code)
{
    const char payload[2] = {(char)(code >> 8), (char)code};
    send_frame(p, AT_WS_CLOSE, (struct at_str){payload, 2});
    p->closing = true;
    write_out(p);
}

static void tell(struct peer *p, const struct at_taken *taken, uint64_t number)
{
    struct at_buf *text = &p->c->answer;
    text->len = 0;
    if (at_taken_json(text, taken, number))
        p->over = p->broken = true;
    else
        send_frame(p, AT_WS_TEXT, at_buf_view(text));
}

void at_collect_socket_kept(struct peer *p, const struct pledge *g)
{
    tell(p, &g->taken, g->number);
}

/* ---- Reading */

static enum at_err on_message(void *ctx, struct at_str body, bool compressed)
{
    struct peer *p = ctx;
    struct at_collector *c = p->c;
    struct at_message m = {.proto = AT_PROTO_WEBSOCKET, .dir = AT_DIR_CLIENT, .body = body};
    struct at_taken taken = {.refused = true};
    struct pledge *g = NULL;
    (void)compressed;
    if (p->closing || p->over)
        return AT_OK;
    if (!p->ws.frame.masked) { /* RFC 6455, section 5.1 */
        c->stats.refused++;
        at_collect_socket_close(p, 1002);
        return AT_OK;
    }
    p->messages++;
    uint32_t wait_s = at_rates_take(c->rates, p->address, 1, c->mono_us);
    if (wait_s || !at_collect_charge(c, body.len)) {
        c->stats.limited++;
        at_fail(&taken.why, AT_LIMIT,
                wait_s ? "too much at once from this address" : "too much is being received at once");
        tell(p, &taken, p->messages);
        return AT_OK;
    }
    enum at_err err = at_collect_message(c, p, &m, &taken, &g);
    if (!g)
        c->memory -= body.len;
    if (err)
        return err;
    if (!g) {
        tell(p, &taken, p->messages);
        return AT_OK;
    }
    g->socket = p;
    g->number = p->messages;
    g->bytes = body.len;
    at_rates_take(c->rates, p->address, (uint32_t)(taken.events + taken.repeats), c->mono_us);
    return AT_OK;
}

static enum at_err on_control(void *ctx, uint8_t opcode, struct at_str payload)
{
    struct peer *p = ctx;
    if (opcode == AT_WS_PING)
        send_frame(p, AT_WS_PONG, payload);
    return AT_OK;
}

static enum at_err on_close(void *ctx)
{
    struct peer *p = ctx;
    if (!p->closing)
        at_collect_socket_close(p, 1000);
    p->over = true; /* both have said so: the server closes first (RFC 6455, section 7.1.1) */
    return AT_OK;
}

static enum at_err feed(struct peer *p, struct at_str bytes)
{
    struct at_collector *c = p->c;
    const struct at_ws_sink sink = {.ctx = p, .message = on_message, .close = on_close, .control = on_control};
    uint64_t too_large = c->ledger.messages_too_large, lost = c->ledger.messages_lost;
    size_t used, before = p->ws.message.cap;
    enum at_err err = at_ws_feed(&p->ws, &c->ws, &sink, bytes, &used);
    if (err)
        return err;
    if (p->ws.message.cap > before && !at_collect_charge(c, p->ws.message.cap - before))
        at_collect_socket_close(p, 1013); /* try again later */
    else if (p->ws.message.cap > before)
        p->pledged += p->ws.message.cap - before;
    else {
        c->memory -= before - p->ws.message.cap;
        p->pledged -= before - p->ws.message.cap;
    }
    if (c->ledger.messages_too_large > too_large) {
        c->stats.limited++;
        at_collect_socket_close(p, 1009);
    } else if (p->ws.lost || c->ledger.messages_lost > lost) {
        c->stats.refused++;
        at_collect_socket_close(p, 1002);
    }
    if (p->closing)
        p->broken = p->broken || !p->over;
    return AT_OK;
}

enum at_err at_collect_socket(struct peer *p)
{
    char room[READ_BYTES];
    enum at_err err = AT_OK;
    for (int i = 0; i < READS && !err && !p->over; i++) {
        ssize_t n = recv(p->fd, room, sizeof room, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            break;
        if (n <= 0) {
            p->broken = p->broken || n < 0;
            p->over = true;
            break;
        }
        p->pinged = false;
        p->deadline_us = p->c->mono_us + (int64_t)p->c->o.idle_s * 500000;
        if (!p->closing) /* after that, only its end is waited for */
            err = feed(p, (struct at_str){room, (size_t)n});
    }
    if (!err)
        write_out(p);
    if (!err && p->over)
        at_collect_socket_end(p);
    return err;
}

/* ---- Life */

void at_collect_socket_tick(struct peer *p)
{
    if (p->c->mono_us < p->deadline_us && !p->over)
        return;
    p->deadline_us = p->c->mono_us + (int64_t)p->c->o.idle_s * 500000;
    if (p->pinged || p->over || p->closing) {
        p->broken = true;
        shutdown(p->fd, SHUT_RDWR); /* it then reads its end */
        return;
    }
    p->pinged = true;
    send_frame(p, AT_WS_PING, (struct at_str){"", 0});
}

void at_collect_socket_end(struct peer *p)
{
    struct at_collector *c = p->c;
    struct MHD_UpgradeResponseHandle *upgrade = p->upgrade;
    for (struct pledge *g = c->first; g; g = g->next)
        if (g->socket == p)
            g->socket = NULL;
    if (p->polled)
        epoll_ctl(c->epoll, EPOLL_CTL_DEL, p->fd, NULL);
    at_ws_free(&p->ws, &c->ws);
    at_buf_free(&p->out);
    c->memory -= p->pledged;
    p->pledged = 0;
    p->upgrade = NULL;
    MHD_upgrade_action(upgrade, MHD_UPGRADE_ACTION_CLOSE);
    at_collect_poke(c);
}

static void on_upgrade(void *cls, struct MHD_Connection *connection, void *state, const char *extra, size_t n_extra,
                       MHD_socket fd, struct MHD_UpgradeResponseHandle *upgrade)
{
    struct peer *p = cls;
    (void)connection, (void)state;
    p->upgrade = upgrade;
    p->fd = fd;
    p->ws.terms = (struct at_ws_terms){.known = true, .window_bits = 15};
    p->deadline_us = p->c->mono_us + (int64_t)p->c->o.idle_s * 500000;
    watch(p, EPOLLIN);
    if (n_extra && !p->c->err)
        p->c->err = feed(p, (struct at_str){extra, n_extra});
}

enum MHD_Result at_collect_upgrade(struct exchange *x, const char *key)
{
    char accept[29];
    const char *upgrade = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Upgrade");
    const char *version = MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, "Sec-WebSocket-Version");
    if (!upgrade || !at_http_is_token(at_str(upgrade), "websocket") || !version || strcmp(version, "13") ||
        !at_ws_key_valid(at_str(key)))
        return MHD_NO;
    at_ws_accept_key(at_str(key), accept);
    if (at_collect_describe(x))
        return MHD_NO;
    struct MHD_Response *r = MHD_create_response_for_upgrade(on_upgrade, x->peer);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Upgrade", "websocket");
    MHD_add_response_header(r, "Sec-WebSocket-Accept", accept);
    x->state = EXCHANGE_ANSWERED;
    enum MHD_Result result = MHD_queue_response(x->connection, MHD_HTTP_SWITCHING_PROTOCOLS, r);
    MHD_destroy_response(r);
    return result;
}

#endif
