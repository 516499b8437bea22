/* address.c: where to listen and where to connect to. */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer/address.h"

#define BACKLOG 256

/* Takes "HOST:PORT" apart. False: it is not of that form. `host` is empty where only a port was given. */
static bool split(const char *text, char *host, size_t room, const char **port)
{
    const char *colon = strrchr(text, ':'), *from = text, *end = colon;
    if (!colon)
        end = text;
    *port = colon ? colon + 1 : text;
    if (end > from && from[0] == '[') {
        if (end[-1] != ']')
            return false;
        from++;
        end--;
    } else if (colon && memchr(from, ':', (size_t)(end - from))) {
        return false; /* an IPv6 address without brackets: where would its port begin? */
    }
    size_t n = (size_t)(end - from);
    if (n >= room || !**port || strspn(*port, "0123456789") != strlen(*port) || strtoul(*port, NULL, 10) > 65535)
        return false;
    memcpy(host, from, n);
    host[n] = 0;
    return true;
}

static enum at_err look_up(const char *text, bool passive, struct addrinfo **out, struct at_why *why)
{
    char host[256];
    const char *port;
    *out = NULL;
    if (!split(text, host, sizeof host, &port) || (!passive && (!host[0] || !strtoul(port, NULL, 10))))
        return at_fail(why, AT_BAD, "'%s': %s is needed", text,
                       passive ? "ADDR:PORT, [IPV6]:PORT or PORT" : "HOST:PORT");
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    int rc = getaddrinfo(host[0] ? host : "127.0.0.1", port, &hints, out);
    if (rc)
        return at_fail(why, AT_IO, "'%s': %s", text, rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
    return AT_OK;
}

enum at_err at_resolve(const char *text, struct addrinfo **out, struct at_why *why)
{
    return look_up(text, false, out, why);
}

static bool is_loopback(const struct sockaddr *a)
{
    uint8_t bytes[16];
    bool v6;
    at_endpoint_bytes(a, bytes, &v6);
    static const uint8_t loopback6[16] = {[15] = 1};
    return v6 ? !memcmp(bytes, loopback6, 16) : bytes[12] == 127;
}

enum at_err at_listen(const char *text, int *fd, bool *loopback, struct at_why *why)
{
    struct addrinfo *list;
    enum at_err err = look_up(text, true, &list, why);
    *fd = -1;
    if (err)
        return err;
    int one = 1;
    const struct addrinfo *a = list;
    if (loopback)
        *loopback = is_loopback(a->ai_addr);
    *fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) ||
        bind(*fd, a->ai_addr, a->ai_addrlen) || listen(*fd, BACKLOG)) {
        err = at_fail(why, AT_IO, "cannot listen on %s: %s", text, strerror(errno));
        if (*fd >= 0)
            close(*fd);
        *fd = -1;
    }
    freeaddrinfo(list);
    return err;
}

uint16_t at_endpoint_bytes(const struct sockaddr *a, uint8_t out[16], bool *v6)
{
    memset(out, 0, 16);
    *v6 = false;
    if (a->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, a, sizeof in6);
        memcpy(out, &in6.sin6_addr, 16);
        *v6 = !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
        return ntohs(in6.sin6_port);
    }
    if (a->sa_family != AF_INET)
        return 0;
    struct sockaddr_in in4;
    memcpy(&in4, a, sizeof in4);
    out[10] = out[11] = 0xff;
    memcpy(out + 12, &in4.sin_addr, 4);
    return ntohs(in4.sin_port);
}

void at_endpoint_text(const struct sockaddr *a, char out[AT_ENDPOINT_TEXT])
{
    uint8_t bytes[16];
    bool v6;
    char host[INET6_ADDRSTRLEN];
    unsigned port = at_endpoint_bytes(a, bytes, &v6);
    if (!inet_ntop(v6 ? AF_INET6 : AF_INET, v6 ? bytes : bytes + 12, host, sizeof host))
        host[0] = 0;
    snprintf(out, AT_ENDPOINT_TEXT, v6 ? "[%s]:%u" : "%s:%u", host, port);
}

bool at_endpoint_of(int fd, bool peer, struct sockaddr_storage *out)
{
    socklen_t len = sizeof *out;
    *out = (struct sockaddr_storage){0};
    return !(peer ? getpeername(fd, (struct sockaddr *)out, &len) : getsockname(fd, (struct sockaddr *)out, &len));
}
