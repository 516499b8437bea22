/* redrive_net.c: the driver's connections, on libwebsockets. */
#include "replay/redrive.h"

#ifndef AT_WEBSOCKETS

enum at_err rd_net_new(const struct rd_net_options *options, struct rd_net **out, struct at_why *why)
{
    (void)options;
    *out = NULL;
    return at_fail(why, AT_NOTFOUND, "this build has no WebSocket client: install libwebsockets-dev and build again");
}

void rd_net_free(struct rd_net **n)
{
    *n = NULL;
}

enum at_err rd_net_open(void *net, uint32_t conn, struct at_str address)
{
    (void)net, (void)conn, (void)address;
    return AT_NOTFOUND;
}

enum at_err rd_net_send(void *net, uint32_t conn, struct at_str message)
{
    (void)net, (void)conn, (void)message;
    return AT_NOTFOUND;
}

enum at_err rd_net_close(void *net, uint32_t conn)
{
    (void)net, (void)conn;
    return AT_NOTFOUND;
}

enum at_err rd_net_run(struct rd_net *n, struct rd_driver *d)
{
    (void)n, (void)d;
    return AT_NOTFOUND;
}

#else

#include <arpa/inet.h>
#include <libwebsockets.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MESSAGE_MAX_BYTES (size_t)(4u << 20) /* of the target; a longer one is passed over */
#define WAIT_GRAIN_US 1000                   /* the library waits in whole milliseconds, rounded down */
#define GOODBYE_US 1000000                   /* for the closing handshakes at the end */

/* One connection; a new one for every try. */
struct sock {
    struct sock *next;
    struct rd_net *net;
    struct lws *wsi; /* NULL: destroyed */
    uint32_t conn;
    bool current; /* the driver knows it */
    bool closing;
    struct at_buf in;
    bool too_long;
    struct at_buf out; /* messages, each behind its length (8 bytes) */
    size_t out_at;
};

struct rd_net {
    struct lws_context *context;
    struct rd_net_options options;
    struct rd_driver *driver;
    struct sock *socks;
    lws_sorted_usec_list_t timer;
    enum at_err err; /* of what a callback did */
    int64_t start_us, start_mono_us;
};

/* Interrupted; the one thing that a signal can tell the loop. */
static volatile sig_atomic_t stopped;
static struct lws_context *signal_context;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
    lws_cancel_service(signal_context);
}

static int64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* The time of day that never goes back. */
static int64_t now_us(const struct rd_net *n)
{
    return n->start_us + clock_us(CLOCK_MONOTONIC) - n->start_mono_us;
}

/* ---- One socket */

static enum at_err add_end(struct at_buf *out, const struct sockaddr_storage *a)
{
    char text[INET6_ADDRSTRLEN] = "?";
    const struct sockaddr_in *v4 = (const void *)a;
    const struct sockaddr_in6 *v6 = (const void *)a;
    bool six = a->ss_family == AF_INET6;
    bool mapped = six && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr); /* IPv4 on the wire */
    inet_ntop(six && !mapped ? AF_INET6 : AF_INET,
              mapped ? (const void *)&v6->sin6_addr.s6_addr[12]
              : six  ? (const void *)&v6->sin6_addr
                     : (const void *)&v4->sin_addr,
              text, sizeof text);
    return at_buf_printf(
        out, six && !mapped ? "[%s]:%u" : "%s:%u", text,
        (unsigned)ntohs(six ? v6->sin6_port : v4->sin_port)); /* NOLINT: the checker loses it in casts */
}

/* The name that a capture gives the stream: "client:port>server:port". */
static enum at_err stream_name(struct lws *wsi, struct at_buf *out)
{
    struct sockaddr_storage client = {0}, server = {0};
    socklen_t client_len = sizeof client, server_len = sizeof server;
    int fd = lws_get_socket_fd(wsi);
    getsockname(fd, (struct sockaddr *)&client, &client_len);
    getpeername(fd, (struct sockaddr *)&server, &server_len);
    enum at_err err = add_end(out, &client);
    if (!err)
        err = at_buf_str(out, AT_STR(">"));
    return err ? err : add_end(out, &server);
}

static enum at_err opened(struct sock *s)
{
    struct at_buf name = {0};
    enum at_err err = stream_name(s->wsi, &name);
    if (!err)
        err = rd_opened(s->net->driver, s->conn, at_buf_view(&name), now_us(s->net));
    at_buf_free(&name);
    return err;
}

static enum at_err received(struct sock *s, const void *data, size_t len)
{
    enum at_err err = AT_OK;
    s->too_long |= len > MESSAGE_MAX_BYTES - s->in.len;
    if (!s->too_long)
        err = at_buf_add(&s->in, data, len);
    if (err || lws_remaining_packet_payload(s->wsi) || !lws_is_final_fragment(s->wsi))
        return err;
    if (s->current && !s->closing) /* a message that was too long is no JSON: counted as what nothing can be made of */
        err = rd_message(s->net->driver, s->conn, s->too_long ? AT_STR("") : at_buf_view(&s->in), now_us(s->net));
    s->in.len = 0;
    s->too_long = false;
    return err;
}

/* Writes one message; -1: the connection is to be closed. */
static int writeable(struct sock *s)
{
    if (s->out_at < s->out.len) {
        uint64_t len;
        memcpy(&len, s->out.ptr + s->out_at, sizeof len);
        unsigned char *room = malloc(LWS_PRE + len + 1);
        if (!room) {
            s->net->err = AT_NOMEM;
            return -1;
        }
        memcpy(room + LWS_PRE, s->out.ptr + s->out_at + sizeof len, len);
        int written = lws_write(s->wsi, room + LWS_PRE, len, LWS_WRITE_TEXT);
        free(room);
        s->out_at += sizeof len + len;
        if (written < (int)len)
            return -1;
    }
    if (s->out_at == s->out.len)
        s->out.len = s->out_at = 0;
    if (s->out.len)
        lws_callback_on_writable(s->wsi);
    else if (s->closing) {
        lws_close_reason(s->wsi, LWS_CLOSE_STATUS_NORMAL, NULL, 0);
        return -1;
    }
    return 0;
}

static enum at_err gone(struct sock *s, const char *why)
{
    bool tell = s->current && !s->closing;
    s->current = false;
    return tell ? rd_closed(s->net->driver, s->conn, why, now_us(s->net)) : AT_OK;
}

/* libwebsockets passes on OpenSSL's number when the handshake of TLS fails, which nobody can read. */
static const char *said(const char *reason)
{
    if (!reason || !reason[0])
        return "nothing answers";
    return strstr(reason, "SSL err") ? "no TLS there, or a certificate that is not trusted; see --ca and --insecure"
                                     : reason;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
    struct sock *s = user;
    char why[160];
    int result = 0;
    if (!s)
        return 0;
    enum at_err err = AT_OK;
    switch ((int)reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        s->wsi = wsi;
        err = opened(s);
        break;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        err = received(s, in, len);
        break;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        result = writeable(s);
        break;
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        snprintf(why, sizeof why, "the target cannot be connected to: %.100s", said(in));
        err = gone(s, why);
        break;
    case LWS_CALLBACK_CLIENT_CLOSED:
        err = gone(s, "the target closed the connection");
        break;
    case LWS_CALLBACK_WSI_DESTROY:
        s->wsi = NULL;
        break;
    default:
        break;
    }
    if (err && !s->net->err)
        s->net->err = err;
    return err ? -1 : result;
}

static const struct lws_protocols protocols[] = {
    {.name = "authtape", .callback = on_event, .rx_buffer_size = 64 * 1024},
    {.name = NULL},
};

/* ---- What the driver asks for */

static struct sock *current(struct rd_net *n, uint32_t conn)
{
    for (struct sock *s = n->socks; s; s = s->next)
        if (s->conn == conn && s->current)
            return s;
    return NULL;
}

/* Frees what is closed. Not inside of a callback. */
static void sweep(struct rd_net *n, bool all)
{
    struct sock **link = &n->socks;
    while (*link) {
        struct sock *s = *link;
        if (s->wsi && !all) {
            link = &s->next;
            continue;
        }
        *link = s->next;
        at_buf_free(&s->in);
        at_buf_free(&s->out);
        free(s);
    }
}

static enum at_err connect_sock(struct rd_net *n, struct sock *s, char *address)
{
    const char *scheme, *host, *path;
    char *whole = NULL, *host_header = NULL;
    int port;
    if (lws_parse_uri(address, &scheme, &host, &port, &path) ||
        asprintf(&whole, "%s%s", *path == '/' ? "" : "/", path) < 0)
        return AT_BAD;
    bool tls = !strcmp(scheme, "wss") || !strcmp(scheme, "https");
    bool usual = port == (tls ? 443 : 80);
    if ((usual ? asprintf(&host_header, "%s", host) : asprintf(&host_header, "%s:%d", host, port)) < 0) {
        free(whole);
        return AT_NOMEM;
    }
    struct lws_client_connect_info info = {.context = n->context,
                                           .address = host,
                                           .port = port,
                                           .path = whole,
                                           .host = host_header,
                                           .local_protocol_name = protocols[0].name,
                                           .userdata = s,
                                           .pwsi = &s->wsi};
    if (tls)
        info.ssl_connection =
            LCCSCF_USE_SSL | (n->options.insecure ? LCCSCF_ALLOW_SELFSIGNED | LCCSCF_SKIP_SERVER_CERT_HOSTNAME_CHECK |
                                                        LCCSCF_ALLOW_INSECURE | LCCSCF_ALLOW_EXPIRED
                                                  : 0);
    bool failed = !lws_client_connect_via_info(&info);
    free(whole);
    free(host_header);
    if (failed)
        s->wsi = NULL;
    /* A failure may have been told to on_event already; then `current` is off. */
    return failed && s->current ? gone(s, "the target cannot be connected to") : AT_OK;
}

enum at_err rd_net_open(void *net, uint32_t conn, struct at_str address)
{
    struct rd_net *n = net;
    struct sock *s = calloc(1, sizeof *s);
    char *text = strndup(address.ptr, address.len);
    enum at_err err = s && text ? AT_OK : AT_NOMEM;
    if (err)
        free(s);
    else {
        *s = (struct sock){.next = n->socks, .net = n, .conn = conn, .current = true};
        n->socks = s;
        err = connect_sock(n, s, text);
    }
    free(text);
    return err;
}

enum at_err rd_net_send(void *net, uint32_t conn, struct at_str message)
{
    struct sock *s = current(net, conn);
    uint64_t len = message.len;
    if (!s || !s->wsi)
        return AT_OK; /* closed a moment ago: the driver is told next */
    enum at_err err = at_buf_add(&s->out, &len, sizeof len);
    if (!err)
        err = at_buf_str(&s->out, message);
    if (!err)
        lws_callback_on_writable(s->wsi);
    return err;
}

enum at_err rd_net_close(void *net, uint32_t conn)
{
    struct sock *s = current(net, conn);
    if (!s)
        return AT_OK;
    s->current = false;
    s->closing = true;
    if (s->wsi) {
        lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, 2); /* a target that does not say goodbye */
        lws_callback_on_writable(s->wsi);
    }
    return AT_OK;
}

/* ---- The loop */

enum at_err rd_net_new(const struct rd_net_options *options, struct rd_net **out, struct at_why *why)
{
    struct rd_net *n = calloc(1, sizeof *n);
    *out = n;
    if (!n)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    n->options = *options;
    n->start_us = clock_us(CLOCK_REALTIME);
    n->start_mono_us = clock_us(CLOCK_MONOTONIC);
    lws_set_log_level(0, NULL);
    const struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .client_ssl_ca_filepath = options->ca_path,
        .timeout_secs = (unsigned)(options->timeout_us / 1000000 + 1),
    };
    n->context = lws_create_context(&info);
    if (!n->context) {
        rd_net_free(out);
        return at_fail(why, AT_IO, "the WebSocket library cannot be set up%s",
                       options->ca_path ? " (are the certificates readable?)" : "");
    }
    return AT_OK;
}

void rd_net_free(struct rd_net **out)
{
    struct rd_net *n = *out;
    if (!n)
        return;
    for (struct sock *s = n->socks; s; s = s->next)
        s->current = false;
    if (n->context)
        lws_context_destroy(n->context);
    sweep(n, true);
    free(n);
    *out = NULL;
}

/* A timer that is ripe before the library waits would be forgotten: the wait is told to end, whenever it begins. */
static void on_timer(lws_sorted_usec_list_t *timer)
{
    struct rd_net *n = (void *)((char *)timer - offsetof(struct rd_net, timer));
    lws_cancel_service(n->context);
}

/* Serves the sockets until something happened, or the time has come. */
static void serve(struct rd_net *n, int64_t until_us)
{
    int64_t left = until_us - now_us(n);
    lws_sul_schedule(n->context, 0, &n->timer, on_timer, (left > 0 ? left : 0) + WAIT_GRAIN_US);
    lws_service(n->context, 0);
    sweep(n, false);
}

enum at_err rd_net_run(struct rd_net *n, struct rd_driver *d)
{
    struct sigaction act = {.sa_handler = on_signal}, old_int, old_term;
    int64_t next = 0;
    enum at_err err = AT_OK;
    bool was_stopped = false;
    n->driver = d;
    signal_context = n->context;
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, &old_int);
    sigaction(SIGTERM, &act, &old_term);
    for (;;) {
        err = n->err ? n->err : rd_tick(d, now_us(n), &next);
        if (!err && stopped && !was_stopped) {
            was_stopped = true;
            err = rd_stop(d, now_us(n));
        }
        if (err || next == INT64_MAX || was_stopped)
            break;
        serve(n, next);
    }
    for (int64_t end = now_us(n) + GOODBYE_US; n->socks && now_us(n) < end && !err;)
        serve(n, end);
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    lws_sul_schedule(n->context, 0, &n->timer, NULL, LWS_SET_TIMER_USEC_CANCEL);
    return err ? err : was_stopped ? AT_STOP : AT_OK;
}

#endif
