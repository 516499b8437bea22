/* collect.c: the collector's life: connections, memory, what waits to be acknowledged. */
#include "tracer/collect.h"

#ifndef AT_MICROHTTPD

enum at_err at_collector_open(const struct at_collect_options *options, struct at_collector **out, struct at_why *why)
{
    (void)options;
    *out = NULL;
    return at_fail(why, AT_NOTFOUND, "this authtape was built without libmicrohttpd, which --listen needs");
}

void at_collector_begin(struct at_collector *c, struct at_tracer *tracer)
{
    (void)c, (void)tracer;
}

int at_collector_fd(const struct at_collector *c)
{
    (void)c;
    return -1;
}

const char *at_collector_address(const struct at_collector *c)
{
    (void)c;
    return "";
}

int at_collector_timeout_ms(struct at_collector *c)
{
    (void)c;
    return -1;
}

enum at_err at_collector_run(struct at_collector *c, int64_t now_us)
{
    (void)c, (void)now_us;
    return AT_OK;
}

bool at_collector_is_due(struct at_collector *c, bool all)
{
    (void)c, (void)all;
    return false;
}

void at_collector_acknowledge(struct at_collector *c)
{
    (void)c;
}

void at_collector_stop(struct at_collector *c)
{
    (void)c;
}

void at_collector_linger(struct at_collector *c)
{
    (void)c;
}

void at_collector_stats(const struct at_collector *c, struct at_collect_stats *out)
{
    (void)c;
    *out = (struct at_collect_stats){0};
}

void at_collector_close(struct at_collector **c)
{
    *c = NULL;
}

#else

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tracer/address.h"
#include "tracer/collect_parts.h"

#define COMMIT_US (int64_t)50000       /* how long a message waits for others to share a write with */
#define SWEEP_US (int64_t)1000000      /* how often silent connections are looked for */
#define CONNECTION_BYTES (size_t)32768 /* the library's memory for one connection: bounds its headers */
#define LINGER_MS 500

static int64_t monotonic_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- Connections */

static void arm(struct peer *p)
{
    p->deadline_us = monotonic_us() + (int64_t)p->c->o.idle_s * 1000000;
}

static struct peer *new_peer(struct at_collector *c, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct peer *p = calloc(1, sizeof *p);
    struct sockaddr_storage a, b;
    char from[AT_ENDPOINT_TEXT], to[AT_ENDPOINT_TEXT];
    bool v6;
    if (!p || !info || !at_endpoint_of(info->connect_fd, true, &a) || !at_endpoint_of(info->connect_fd, false, &b)) {
        free(p);
        return NULL;
    }
    p->c = c;
    p->fd = info->connect_fd;
    at_endpoint_text((struct sockaddr *)&a, from);
    at_endpoint_text((struct sockaddr *)&b, to);
    at_endpoint_bytes((struct sockaddr *)&a, p->address, &v6);
    snprintf(p->name, sizeof p->name, "%s>%s", from, to);
    p->stream.name = at_str(p->name);
    p->next = c->peers;
    if (p->next)
        p->next->at = &p->next;
    p->at = &c->peers;
    c->peers = p;
    arm(p);
    return p;
}

static void free_peer(struct peer *p)
{
    struct at_collector *c = p->c;
    const struct at_decoder_sink sink = at_tracer_sink(c->tracer);
    if (!c->err)
        c->err = sink.stream_end(sink.ctx, &p->stream, c->now_us, 0, !p->broken && !c->stopping);
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    free(p->target);
    free(p->headers);
    free(p);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = new_peer(cls, connection);
    else if (*context)
        free_peer(*context);
}

/* Connections that were silent for too long are cut off; the library then finds them closed. */
static void sweep(struct at_collector *c)
{
    if (c->mono_us - c->swept_us < SWEEP_US)
        return;
    c->swept_us = c->mono_us;
    for (struct peer *p = c->peers; p; p = p->next) {
        if (p->upgrade) {
            at_collect_socket_tick(p);
        } else if (c->mono_us > p->deadline_us) {
            p->broken = true;
            shutdown(p->fd, SHUT_RDWR);
        }
    }
}

/* ---- What is shared by requests and sockets */

bool at_collect_charge(struct at_collector *c, size_t bytes)
{
    if (bytes > c->o.memory_bytes || c->memory > c->o.memory_bytes - bytes)
        return false;
    c->memory += bytes;
    return true;
}

enum at_err at_collect_message(struct at_collector *c, struct peer *p, struct at_message *m, struct at_taken *taken,
                               struct pledge **out)
{
    struct pledge *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g)
        return AT_NOMEM;
    m->t_us = c->now_us;
    m->stream = &p->stream;
    enum at_err err = at_tracer_take(c->tracer, m, c->o.events, &g->waiting, taken);
    if (!err && taken->refused) {
        *(taken->too_many ? &c->stats.limited : &c->stats.refused) += 1;
        free(g);
        return AT_OK;
    }
    *c->last = g; /* also after an error: events that were handed on already may count there */
    c->last = &g->next;
    if (err)
        return err;
    g->taken = *taken;
    c->stats.messages++;
    c->stats.events += taken->events;
    c->stats.repeats += taken->repeats;
    *out = g;
    return AT_OK;
}

bool at_collect_is_known(const struct at_collector *c, struct at_str authorization, struct at_str target)
{
    if (!c->token.ptr)
        return true;
    if (authorization.ptr)
        return at_token_matches(c->token, at_bearer_token(authorization));
    return at_token_matches(c->token, at_target_parameter(target, AT_STR("token")));
}

struct at_str at_collect_allowed_origin(const struct at_collector *c, struct at_str origin)
{
    for (size_t i = 0; i < c->o.n_cors; i++)
        if (!strcmp(c->o.cors[i], "*") || at_str_eq(at_str(c->o.cors[i]), origin))
            return strcmp(c->o.cors[i], "*") ? origin : AT_STR("*");
    return (struct at_str){0};
}

void at_collect_poke(struct at_collector *c)
{
    uint64_t one = 1;
    ssize_t n = write(c->poke, &one, sizeof one);
    (void)n; /* full: it is awake anyway */
}

/* ---- Acknowledgements */

bool at_collector_is_due(struct at_collector *c, bool all)
{
    bool any = false;
    for (struct pledge *g = c->first; g && g->waiting == 0; g = g->next)
        any = true;
    if (!any) {
        c->due_since_us = INT64_MIN;
        return false;
    }
    int64_t now_us = monotonic_us();
    if (c->due_since_us == INT64_MIN)
        c->due_since_us = now_us;
    if (!all && now_us - c->due_since_us < COMMIT_US)
        return false;
    for (struct pledge *g = c->first; g && g->waiting == 0; g = g->next)
        g->due = true;
    return true;
}

void at_collector_acknowledge(struct at_collector *c)
{
    bool any = false;
    while (c->first && c->first->due) {
        struct pledge *g = c->first;
        c->first = g->next;
        if (!c->first)
            c->last = &c->first;
        if (g->request)
            at_collect_request_kept(g->request);
        else if (g->socket)
            at_collect_socket_kept(g->socket, g);
        c->memory -= g->bytes;
        free(g);
        any = true;
    }
    c->due_since_us = INT64_MIN;
    if (any)
        at_collect_poke(c);
}

/* ---- The loop's side */

void at_collector_begin(struct at_collector *c, struct at_tracer *tracer)
{
    c->tracer = tracer;
}

int at_collector_fd(const struct at_collector *c)
{
    return c->epoll;
}

const char *at_collector_address(const struct at_collector *c)
{
    return c->address;
}

int at_collector_timeout_ms(struct at_collector *c)
{
    MHD_UNSIGNED_LONG_LONG ms;
    int wait = MHD_get_timeout(c->daemon, &ms) == MHD_YES && ms < 1000 ? (int)ms : 1000;
    if (c->due_since_us != INT64_MIN && wait > (int)(COMMIT_US / 1000))
        wait = (int)(COMMIT_US / 1000);
    return wait;
}

enum at_err at_collector_run(struct at_collector *c, int64_t now_us)
{
    struct epoll_event ready[64];
    c->now_us = now_us;
    c->mono_us = monotonic_us();
    int n = epoll_wait(c->epoll, ready, 64, 0);
    for (int i = 0; i < n && !c->err; i++) {
        uint64_t count;
        if (ready[i].data.ptr == c) {
            ssize_t got = read(c->poke, &count, sizeof count);
            (void)got;
        } else if (ready[i].data.ptr) {
            c->err = at_collect_socket(ready[i].data.ptr);
        }
    }
    if (!c->err)
        MHD_run(c->daemon);
    sweep(c);
    return c->err;
}

void at_collector_stop(struct at_collector *c)
{
    c->stopping = true;
    int fd = MHD_quiesce_daemon(c->daemon);
    if (fd >= 0)
        close(fd);
    c->listener = -1;
}

void at_collector_linger(struct at_collector *c)
{
    int64_t until_us = monotonic_us() + (int64_t)LINGER_MS * 1000;
    for (struct peer *p = c->peers; p; p = p->next)
        if (p->upgrade)
            at_collect_socket_close(p, 1001);
    for (int round = 0; round < 100 && monotonic_us() < until_us; round++) {
        bool busy = c->owed > 0;
        MHD_run(c->daemon);
        for (struct peer *p = c->peers; p; p = p->next) {
            if (p->upgrade && p->out.len)
                at_collect_socket_close(p, 1001); /* goes on writing */
            busy = busy || p->out.len > 0;
        }
        if (!busy)
            break;
        usleep(2000);
    }
}

void at_collector_stats(const struct at_collector *c, struct at_collect_stats *out)
{
    *out = c->stats;
}

/* ---- Opening and closing */

static void take_defaults(struct at_collect_options *o)
{
    o->body_bytes = o->body_bytes ? o->body_bytes : AT_COLLECT_BODY_BYTES;
    o->memory_bytes = o->memory_bytes ? o->memory_bytes : AT_COLLECT_MEMORY_BYTES;
    o->events = o->events ? o->events : AT_COLLECT_EVENTS;
    o->rate = o->rate ? o->rate : AT_COLLECT_RATE;
    o->clients = o->clients ? o->clients : AT_COLLECT_CLIENTS;
    o->idle_s = o->idle_s ? o->idle_s : AT_COLLECT_IDLE_S;
}

static enum at_err listen_here(struct at_collector *c, struct at_why *why)
{
    bool loopback;
    struct sockaddr_storage a;
    enum at_err err = at_listen(c->o.address, &c->listener, &loopback, why);
    if (err)
        return err;
    if (!loopback && !c->token.ptr)
        return at_fail(why, AT_BAD, "%s can be reached from other machines: that takes a token (--token FILE)",
                       c->o.address);
    if (at_endpoint_of(c->listener, false, &a))
        at_endpoint_text((struct sockaddr *)&a, c->address);
    return AT_OK;
}

static enum at_err watch(struct at_collector *c, int fd, void *what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = what};
    return fd < 0 || epoll_ctl(c->epoll, EPOLL_CTL_ADD, fd, &e) ? AT_IO : AT_OK;
}

static void no_log(void *cls, const char *format, va_list args)
{
    (void)cls, (void)format, (void)args; /* what a client does wrong is the client's to know */
}

static enum at_err start(struct at_collector *c, struct at_why *why)
{
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE | MHD_USE_ERROR_LOG;
    c->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, at_collect_request, c, MHD_OPTION_EXTERNAL_LOGGER, no_log, NULL, MHD_OPTION_LISTEN_SOCKET,
        c->listener, MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->o.clients, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        CONNECTION_BYTES, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)(c->o.clients + 1) / 2,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, c, MHD_OPTION_NOTIFY_COMPLETED, at_collect_request_over, c,
        MHD_OPTION_URI_LOG_CALLBACK, at_collect_uri, c, MHD_OPTION_END);
    if (!c->daemon)
        return at_fail(why, AT_IO, "cannot start the HTTP server: %s", strerror(errno));
    c->listener = -1; /* the library's now */
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(c->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    c->epoll = epoll_create1(EPOLL_CLOEXEC);
    c->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!info || c->epoll < 0 || watch(c, info->epoll_fd, NULL) || watch(c, c->poke, c))
        return at_fail(why, AT_IO, "cannot watch connections: %s", strerror(errno));
    return AT_OK;
}

enum at_err at_collector_open(const struct at_collect_options *options, struct at_collector **out, struct at_why *why)
{
    struct at_collector *c = calloc(1, sizeof *c);
    *out = c;
    if (!c)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    c->o = *options;
    take_defaults(&c->o);
    c->token = at_str(options->token);
    c->listener = c->epoll = c->poke = -1;
    c->last = &c->first;
    c->due_since_us = INT64_MIN;
    c->ws = (struct at_ws_shared){.pool = &c->pool, .ledger = &c->ledger};
    c->ws.limits = (struct at_inflate_limits){
        .out_bytes = c->o.body_bytes, .ratio = AT_DEFAULT_RATIO, .nesting = AT_DEFAULT_NESTING};
    enum at_err err = at_rates_new(c->o.rate, 2 * c->o.rate, &c->rates)
                          ? at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM))
                          : listen_here(c, why);
    if (!err)
        err = start(c, why);
    if (err)
        at_collector_close(out);
    return err;
}

/* Nobody is told anything more: their messages are not known to be on the tape. */
static void let_go(struct at_collector *c)
{
    for (struct pledge *g = c->first; g; g = g->next) {
        if (!g->request)
            continue;
        g->request->state = EXCHANGE_ANSWERED;
        g->request->status = 0;
        MHD_resume_connection(g->request->connection);
        g->request->pledge = NULL;
        g->request = NULL;
    }
}

static void free_pledges(struct at_collector *c)
{
    for (struct pledge *g = c->first, *next; g; g = next) {
        next = g->next;
        free(g);
    }
}

void at_collector_close(struct at_collector **collector)
{
    struct at_collector *c = *collector;
    if (!c)
        return;
    c->stopping = true;
    let_go(c);
    for (struct peer *p = c->peers, *next; p; p = next) {
        next = p->next;
        if (p->upgrade)
            at_collect_socket_end(p);
    }
    if (c->daemon)
        MHD_stop_daemon(c->daemon);
    free_pledges(c);
    if (c->listener >= 0)
        close(c->listener);
    if (c->epoll >= 0)
        close(c->epoll);
    if (c->poke >= 0)
        close(c->poke);
    at_rates_free(&c->rates);
    at_arena_free(&c->arena);
    at_inflate_pool_clear(&c->pool);
    at_buf_free(&c->ws.scratch);
    at_buf_free(&c->ws.whole);
    at_buf_free(&c->plain);
    at_buf_free(&c->answer);
    free(c);
    *collector = NULL;
}

#endif
