/* SPDX-License-Identifier: Apache-2.0 */
/* connector/tcp_socket.c -- addresses, listening, connecting (see tcp_impl.h). */
#include "connector/tcp_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_BYTES_MAX = 256, BACKLOG = 128 };

/* Cut text into host ("" for any) and port. */
static bool
address_cut(const char *text, char host[HOST_BYTES_MAX], const char **port)
{
    const char *colon = strrchr(text, ':'), *from = text, *to = colon;
    if (colon == NULL)
        return false;
    if (*text == '[') {
        from = text + 1;
        to = strchr(text, ']');
        if (to == NULL || to + 1 != colon)
            return false;
    } else if (memchr(text, ':', (size_t) (colon - text)) != NULL) {
        return false;
    }
    *port = colon + 1;
    size_t digits = strspn(*port, "0123456789"), n = (size_t) (to - from);
    if (digits == 0 || digits > 5 || (*port)[digits] != '\0' || atoi(*port) > 65535 ||
        n >= HOST_BYTES_MAX)
        return false;
    memcpy(host, from, n);
    host[n] = '\0';
    if (strcmp(host, "*") == 0)
        host[0] = '\0';
    return true;
}

bool
wr_tcp_host(const char *text, char *host, size_t size)
{
    char        cut[HOST_BYTES_MAX];
    const char *port;
    if (!address_cut(text, cut, &port) || strlen(cut) >= size)
        return false;
    memcpy(host, cut, strlen(cut) + 1);
    return true;
}

weir_status
wr_tcp_address_check(const char *text, bool passive, weir_error *err)
{
    char        host[HOST_BYTES_MAX];
    const char *port;
    if (address_cut(text, host, &port) && (host[0] != '\0' || passive))
        return WEIR_OK;
    (void)!wr_error_set(err, WEIR_CONFIG_VALUE, "\"%.200s\" is not an address", text);
    wr_error_hint(err, "write host:port, such as 127.0.0.1:9000, [::1]:9000%s", passive ? " or *:9000" : "");
    return WEIR_CONFIG_VALUE;
}

weir_status
wr_tcp_resolve(const char *text, bool passive, struct addrinfo **list, weir_error *err)
{
    char        host[HOST_BYTES_MAX];
    const char *port;
    WR_TRY(wr_tcp_address_check(text, passive, err));
    (void) address_cut(text, host, &port);
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0),
    };
    int rc = getaddrinfo(host[0] != '\0' ? host : NULL, port, &hints, list);
    if (rc != 0)
        return wr_error_set(err, WEIR_CONNECT, "cannot resolve \"%s\": %s", host, gai_strerror(rc));
    return WEIR_OK;
}

static int
socket_port(int fd)
{
    struct sockaddr_storage where;
    socklen_t               length = sizeof where;
    if (getsockname(fd, (struct sockaddr *) &where, &length) != 0)
        return 0;
    return where.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *) &where)->sin6_port)
                                       : ntohs(((struct sockaddr_in *) &where)->sin_port);
}

weir_status
wr_tcp_listen(const char *text, int *fd, int *port, weir_error *err)
{
    struct addrinfo *list;
    int              on = 1, off = 0, error = EADDRNOTAVAIL;
    WR_TRY(wr_tcp_resolve(text, true, &list, err));
    *fd = -1;
    for (const struct addrinfo *a = list; a != NULL && *fd < 0; a = a->ai_next) {
        *fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (*fd < 0) {
            error = errno;
            continue;
        }
        (void) setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (a->ai_family == AF_INET6)
            (void) setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
        if (bind(*fd, a->ai_addr, a->ai_addrlen) != 0 || listen(*fd, BACKLOG) != 0) {
            error = errno;
            close(*fd);
            *fd = -1;
        }
    }
    freeaddrinfo(list);
    if (*fd < 0)
        return wr_error_set(err, WEIR_CONNECT, "cannot listen on %s: %s", text, strerror(error));
    *port = socket_port(*fd);
    return WEIR_OK;
}

void
wr_tcp_prepare(int fd)
{
    int on = 1;
    (void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

int
wr_tcp_connect(const struct addrinfo *to)
{
    int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    wr_tcp_prepare(fd);
    if (connect(fd, to->ai_addr, to->ai_addrlen) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int
wr_tcp_connected(int fd)
{
    int       error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        return errno;
    return error;
}

bool
wr_tcp_watch(int epoll, int fd, uint32_t what, uint32_t index)
{
    struct epoll_event event = { .events = what, .data.u32 = index };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ||
           epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0;
}
