/* relay.c: connections in, connections out, bytes between them; a thread of its own. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "tracer/address.h"
#include "tracer/relay.h"
#include "tracer/relay_feed.h"

#define BUFFER_BYTES (size_t)65536 /* of one direction */

enum what { WHAT_STOP, WHAT_LISTENER, WHAT_END };

/* What an epoll event is about. */
struct watched {
    enum what what;
    void *of;
    int end;
};

struct route {
    struct watched watched;
    int fd;
    struct addrinfo *targets;
    char listener[AT_ENDPOINT_TEXT], target[300];
};

/* What one end sent and the other did not take yet. */
struct way {
    char *bytes;
    size_t from, len;
    bool ended;    /* its sender is done */
    bool told;     /* and its receiver was told */
    uint64_t lost; /* not told to the decoder yet */
};

/* A relayed connection: end 0 is the client, 1 the target; way[e] is what end e sent. */
struct link {
    struct link *next, **at;
    struct watched watched[2];
    int fd[2];
    uint32_t asked[2]; /* epoll events */
    bool added[2];
    bool connecting, dead;
    const struct addrinfo *target; /* the one that is being tried */
    struct way way[2];
    struct at_relay_flow *flow; /* NULL: the decoder knows nothing of it */
};

struct at_relay {
    struct route routes[AT_RELAYS_MAX];
    size_t n_routes;
    struct at_relay_queue *queue;
    uint32_t clients, n_links;
    struct link *links, *dead;
    int epoll, stop;
    struct watched stop_watched;
    bool running;
    pthread_t thread;
    atomic_ullong connections, failed, bytes, lost;
};

static int64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- What the decoder gets */

static void note(struct at_relay *r, struct link *l, enum at_relay_kind kind, int end)
{
    /* Without memory for it, the decoder ends the connection when it was silent for long enough. */
    if (l->flow)
        (void)at_relay_queue_add(r->queue, l->flow, kind, end, now_us(), (struct at_str){0}, 0);
}

/* The copy of what was forwarded. Where the queue is full it is lost, and later told to be. */
static void copy_for_decoder(struct at_relay *r, struct link *l, int end, struct at_str bytes)
{
    struct way *w = &l->way[end];
    atomic_fetch_add(&r->bytes, bytes.len);
    if (!l->flow) {
        atomic_fetch_add(&r->lost, bytes.len);
        return;
    }
    int64_t t_us = now_us();
    if (w->lost && at_relay_queue_add(r->queue, l->flow, AT_RELAY_LOST, end, t_us, (struct at_str){0}, w->lost))
        w->lost = 0;
    if (bytes.len == 0)
        return;
    if (!w->lost && at_relay_queue_add(r->queue, l->flow, AT_RELAY_DATA, end, t_us, bytes, 0))
        return;
    w->lost += bytes.len;
    atomic_fetch_add(&r->lost, bytes.len);
}

static void fill_end(struct at_relay_flow *f, int end, const struct sockaddr *a, bool v6)
{
    uint8_t bytes[16];
    bool is_v6;
    f->port[end] = at_endpoint_bytes(a, bytes, &is_v6);
    if (v6)
        memcpy(f->addr[end], bytes, 16); /* IPv4 stays mapped where the other end is IPv6 */
    else
        memcpy(f->addr[end], bytes + 12, 4);
}

static void open_flow(struct at_relay *r, struct link *l)
{
    struct sockaddr_storage a, b;
    uint8_t bytes[16];
    bool v6[2];
    struct at_relay_flow *f = calloc(1, sizeof *f);
    if (!f || !at_endpoint_of(l->fd[0], true, &a) || !at_endpoint_of(l->fd[1], true, &b)) {
        free(f);
        return;
    }
    at_endpoint_bytes((struct sockaddr *)&a, bytes, &v6[0]);
    at_endpoint_bytes((struct sockaddr *)&b, bytes, &v6[1]);
    f->v6 = v6[0] || v6[1];
    fill_end(f, 0, (struct sockaddr *)&a, f->v6);
    fill_end(f, 1, (struct sockaddr *)&b, f->v6);
    if (at_relay_queue_add(r->queue, f, AT_RELAY_OPEN, 0, now_us(), (struct at_str){0}, 0))
        l->flow = f;
    else
        free(f);
}

/* ---- Links */

static void kill_link(struct at_relay *r, struct link *l, bool reset)
{
    const struct linger hard = {.l_onoff = 1};
    if (l->dead)
        return;
    for (int end = 0; end < 2; end++) {
        if (l->fd[end] < 0)
            continue;
        if (reset) /* what is closed so is reset */
            setsockopt(l->fd[end], SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(l->fd[end]);
    }
    if (reset)
        note(r, l, AT_RELAY_RESET, 0);
    note(r, l, AT_RELAY_GONE, 0);
    free(l->way[0].bytes);
    free(l->way[1].bytes);
    *l->at = l->next;
    if (l->next)
        l->next->at = l->at;
    l->dead = true; /* events of it may be at hand still */
    l->next = r->dead;
    r->dead = l;
    r->n_links--;
}

static void free_dead(struct at_relay *r)
{
    for (struct link *l = r->dead, *next; l; l = next) {
        next = l->next;
        free(l);
    }
    r->dead = NULL;
}

static void ask(struct at_relay *r, struct link *l, int end)
{
    const struct way *in = &l->way[end], *out = &l->way[!end];
    bool connecting = l->connecting;
    uint32_t events = 0;
    if (in->ended && out->told) { /* nothing more of it, but it would be reported as hung up for ever */
        if (l->added[end])
            epoll_ctl(r->epoll, EPOLL_CTL_DEL, l->fd[end], NULL);
        l->added[end] = false;
        return;
    }
    if (!connecting && !in->ended && in->from + in->len < BUFFER_BYTES)
        events |= EPOLLIN;
    if (connecting ? end == 1 : out->len > 0)
        events |= EPOLLOUT;
    struct epoll_event e = {.events = events, .data.ptr = &l->watched[end]};
    if (l->added[end] && events == l->asked[end])
        return;
    epoll_ctl(r->epoll, l->added[end] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, l->fd[end], &e);
    l->added[end] = true;
    l->asked[end] = events;
}

/* Writes what end `from` sent to the other. False: the connection is broken. */
static bool push(struct link *l, int from)
{
    struct way *w = &l->way[from];
    while (w->len) {
        ssize_t n = send(l->fd[!from], w->bytes + w->from, w->len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n < 0)
            return false;
        w->from += (size_t)n;
        w->len -= (size_t)n;
    }
    w->from = 0;
    if (w->ended && !w->told) {
        w->told = true;
        shutdown(l->fd[!from], SHUT_WR);
    }
    return true;
}

static bool pull(struct at_relay *r, struct link *l, int end)
{
    struct way *w = &l->way[end];
    if (w->ended || w->from + w->len == BUFFER_BYTES)
        return true;
    ssize_t n = recv(l->fd[end], w->bytes + w->from + w->len, BUFFER_BYTES - w->from - w->len, 0);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
    if (n == 0) {
        w->ended = true;
        if (w->lost)
            copy_for_decoder(r, l, end, (struct at_str){"", 0});
        note(r, l, AT_RELAY_FIN, end);
    } else {
        copy_for_decoder(r, l, end, (struct at_str){w->bytes + w->from + w->len, (size_t)n});
        w->len += (size_t)n;
    }
    return push(l, end);
}

/* ---- Connecting */

static int connect_to(const struct addrinfo *a)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void tune(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
}

/* Tries the next address of the target. */
static bool try_next(struct at_relay *r, struct link *l)
{
    if (l->fd[1] >= 0)
        close(l->fd[1]);
    l->fd[1] = -1;
    l->added[1] = false;
    while (l->target && l->fd[1] < 0) {
        l->fd[1] = connect_to(l->target);
        l->target = l->target->ai_next;
    }
    if (l->fd[1] < 0) {
        atomic_fetch_add(&r->failed, 1);
        kill_link(r, l, true);
        return false;
    }
    tune(l->fd[1]);
    ask(r, l, 0);
    ask(r, l, 1);
    return true;
}

static void accept_one(struct at_relay *r, struct route *route)
{
    int fd = accept4(route->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        usleep(1000); /* it would be reported again at once */
    if (fd < 0)
        return;
    struct link *l = calloc(1, sizeof *l);
    if (l) {
        l->way[0].bytes = malloc(BUFFER_BYTES);
        l->way[1].bytes = malloc(BUFFER_BYTES);
    }
    if (!l || !l->way[0].bytes || !l->way[1].bytes || r->n_links >= r->clients) {
        if (l) {
            free(l->way[0].bytes);
            free(l->way[1].bytes);
        }
        free(l);
        close(fd);
        atomic_fetch_add(&r->failed, 1);
        return;
    }
    atomic_fetch_add(&r->connections, 1);
    tune(fd);
    for (int end = 0; end < 2; end++)
        l->watched[end] = (struct watched){WHAT_END, l, end};
    l->fd[0] = fd;
    l->fd[1] = -1;
    l->connecting = true;
    l->target = route->targets;
    l->next = r->links;
    if (l->next)
        l->next->at = &l->next;
    l->at = &r->links;
    r->links = l;
    r->n_links++;
    try_next(r, l);
}

/* The target answered, or it did not. */
static void end_connecting(struct at_relay *r, struct link *l)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(l->fd[1], SOL_SOCKET, SO_ERROR, &error, &len) || error) {
        try_next(r, l);
        return;
    }
    l->connecting = false;
    open_flow(r, l);
    ask(r, l, 0);
    ask(r, l, 1);
}

static void serve(struct at_relay *r, struct link *l, int end, uint32_t events)
{
    if (l->dead)
        return;
    if (l->connecting && end == 1) {
        end_connecting(r, l);
        return;
    }
    bool fine = !l->connecting || !(events & (EPOLLERR | EPOLLHUP));
    if (fine && events & EPOLLOUT)
        fine = push(l, !end);
    if (fine && !l->connecting && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        fine = pull(r, l, end);
    /* Reset by its peer while nothing can be read or written: no use to wait for it. */
    if (fine && events & EPOLLERR)
        fine = false;
    if (!fine || (l->way[0].told && l->way[1].told)) {
        kill_link(r, l, !fine);
        return;
    }
    ask(r, l, 0);
    ask(r, l, 1);
}

static void *forward(void *ctx)
{
    struct at_relay *r = ctx;
    struct epoll_event ready[64];
    for (;;) {
        int n = epoll_wait(r->epoll, ready, 64, -1);
        for (int i = 0; i < n; i++) {
            struct watched *w = ready[i].data.ptr;
            if (w->what == WHAT_STOP)
                return NULL;
            if (w->what == WHAT_LISTENER)
                accept_one(r, w->of);
            else
                serve(r, w->of, w->end, ready[i].events);
        }
        free_dead(r);
    }
}

/* ---- The handle */

static enum at_err open_route(struct at_relay *r, const char *text, struct at_why *why)
{
    struct route *route = &r->routes[r->n_routes];
    struct sockaddr_storage a;
    const char *eq = strchr(text, '=');
    char *listen_at = eq ? strndup(text, (size_t)(eq - text)) : NULL;
    if (!listen_at)
        return at_fail(why, AT_BAD, "'%s': LISTEN=HOST:PORT is needed", text);
    route->watched = (struct watched){WHAT_LISTENER, route, 0};
    snprintf(route->target, sizeof route->target, "%s", eq + 1);
    enum at_err err = at_listen(listen_at, &route->fd, NULL, why);
    free(listen_at);
    if (err)
        return err;
    r->n_routes++;
    if (at_endpoint_of(route->fd, false, &a))
        at_endpoint_text((struct sockaddr *)&a, route->listener);
    return at_resolve(eq + 1, &route->targets, why);
}

static enum at_err watch(struct at_relay *r, int fd, struct watched *w)
{
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = w};
    return epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) ? AT_IO : AT_OK;
}

enum at_err at_relay_open(const struct at_relay_options *options, struct at_relay **out, struct at_why *why)
{
    struct at_relay *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return at_fail(why, AT_NOMEM, "%s", at_err_text(AT_NOMEM));
    r->clients = options->clients ? options->clients : AT_RELAY_CLIENTS;
    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    r->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->stop_watched = (struct watched){WHAT_STOP, NULL, 0};
    enum at_err err = AT_OK;
    if (r->epoll < 0 || r->stop < 0 || watch(r, r->stop, &r->stop_watched) ||
        at_relay_queue_new(options->queue_bytes ? options->queue_bytes : AT_RELAY_QUEUE_BYTES, &r->queue))
        err = at_fail(why, AT_IO, "cannot set up the relay: %s", strerror(errno));
    for (size_t i = 0; i < options->n_routes && !err; i++) {
        err = open_route(r, options->routes[i], why);
        if (!err && watch(r, r->routes[i].fd, &r->routes[i].watched))
            err = at_fail(why, AT_IO, "cannot set up the relay: %s", strerror(errno));
    }
    if (err)
        at_relay_close(out);
    return err;
}

enum at_err at_relay_begin(struct at_relay *r, struct at_why *why)
{
    sigset_t all, before; /* signals are for the thread that records */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&r->thread, NULL, forward, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->running = rc == 0;
    return rc ? at_fail(why, AT_IO, "cannot start the relay: %s", strerror(rc)) : AT_OK;
}

size_t at_relay_count(const struct at_relay *r)
{
    return r->n_routes;
}

const char *at_relay_listener(const struct at_relay *r, size_t i)
{
    return r->routes[i].listener;
}

const char *at_relay_target(const struct at_relay *r, size_t i)
{
    return r->routes[i].target;
}

int at_relay_fd(const struct at_relay *r)
{
    return at_relay_queue_fd(r->queue);
}

enum at_err at_relay_take(struct at_relay *r, struct at_decoder *d, bool *any)
{
    return at_relay_queue_take(r->queue, d, any);
}

void at_relay_stop(struct at_relay *r)
{
    uint64_t one = 1;
    if (!r->running)
        return;
    r->running = false;
    if (write(r->stop, &one, sizeof one) == (ssize_t)sizeof one)
        pthread_join(r->thread, NULL);
    while (r->links)
        kill_link(r, r->links, false);
    free_dead(r);
}

void at_relay_stats(struct at_relay *r, struct at_relay_stats *out)
{
    *out = (struct at_relay_stats){.connections = atomic_load(&r->connections),
                                   .failed = atomic_load(&r->failed),
                                   .bytes = atomic_load(&r->bytes),
                                   .lost = atomic_load(&r->lost)};
}

void at_relay_close(struct at_relay **relay)
{
    struct at_relay *r = *relay;
    if (!r)
        return;
    at_relay_stop(r);
    for (size_t i = 0; i < r->n_routes; i++) {
        close(r->routes[i].fd);
        if (r->routes[i].targets)
            freeaddrinfo(r->routes[i].targets);
    }
    at_relay_queue_free(&r->queue);
    if (r->epoll >= 0)
        close(r->epoll);
    if (r->stop >= 0)
        close(r->stop);
    free(r);
    *relay = NULL;
}
