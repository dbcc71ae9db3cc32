/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server/listen.c -- listening sockets: opened before the server runs, accepted from on its thread.
 *
 * A name with several addresses (localhost: ::1 and 127.0.0.1) is listened on at each that the
 * machine has.
 */
#include "server/address.h"
#include "server/server_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 512, ACCEPTS_A_TURN = 64 };

/* --- open --- */

static weir_status
listen_failed(weir_error *err, const char *text, int number)
{
    weir_status st =
        wr_error_set(err, WEIR_CONNECT, "cannot listen on %.200s: %s", text, strerror(number));
    if (number == EADDRINUSE && strncmp(text, "unix:", 5) == 0)
        wr_error_hint(err, "another process listens there: stop it, or give each its own `serve` and --data");
    else if (number == EADDRINUSE)
        wr_error_hint(err, "another process listens there: stop it, or change the port in `serve`");
    else if (number == EACCES)
        wr_error_hint(err, "ports below 1024 need a right this user lacks");
    return st;
}

static weir_status
listener_add(server *s, int fd, const char *text, bool http, const weir_serve *serve,
             const char *path, weir_error *err)
{
    listener *l = &s->listeners[s->listener_count];
    if (s->listener_count == SERVER_LISTENERS_MAX)
        return wr_error_set(err, WEIR_TOO_MANY, "more than %d addresses to listen on",
                            SERVER_LISTENERS_MAX);
    *l = (listener){ .server = s, .fd = fd, .http = http };
    snprintf(l->text, sizeof l->text, "%s", text);
    if (serve->token != NULL)
        snprintf(l->token, sizeof l->token, "%s", serve->token);
    if (path != NULL && (l->unlink = wr_strdup(s->budget, path)) == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a listener");
    if (path == NULL) { /* a unix socket is the machine's own */
        weir_status st = listener_set_tls(l, serve, err);
        if (st != WEIR_OK)
            return st;
    }
    s->listener_count++;
    return WEIR_OK;
}

/* A socket that listens at `where`, or -1 and errno. */
static int
socket_listen(const struct sockaddr *where, socklen_t length)
{
    int one = 1, fd = socket(where->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (where->sa_family != AF_UNIX) /* inherited by what is accepted */
        (void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (where->sa_family == AF_INET6)
        (void)!setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, where, length) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

/* A socket file nobody listens on is left from a process that was killed. */
static bool
unix_is_stale(const struct sockaddr *where, socklen_t length, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISSOCK(info.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool stale = fd >= 0 && connect(fd, where, length) != 0 && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return stale;
}

static weir_status
listen_unix(server *s, const address *a, const char *text, bool http, const weir_serve *serve,
            weir_error *err)
{
    struct sockaddr_storage where;
    socklen_t length = address_unix(a, &where);
    if (unix_is_stale((struct sockaddr *)&where, length, a->path))
        unlink(a->path);
    mode_t mask = umask(0177); /* its owner alone may connect */
    int fd = socket_listen((struct sockaddr *)&where, length);
    int number = errno;
    umask(mask);
    if (fd < 0)
        return listen_failed(err, text, number);
    weir_status st = listener_add(s, fd, text, http, serve, a->path, err);
    if (st != WEIR_OK) {
        close(fd);
        unlink(a->path);
    }
    return st;
}

/* Who may connect is asked for: a token, or a certificate. */
static bool
serve_has_auth(const weir_serve *serve)
{
    return (serve->token != NULL && serve->token[0] != '\0') || serve->tls_client_ca != NULL;
}

static weir_status
refuse_public(const char *text, const weir_serve *serve, weir_error *err)
{
    bool auth = serve_has_auth(serve), tls = serve->tls_cert != NULL;
    weir_status st = wr_error_set(err, WEIR_CONFIG_VALUE,
                                  "%.200s can be reached from other machines, and `serve` has no %s",
                                  text, auth ? "tls" : tls ? "token" : "token and no tls");
    wr_error_hint(err, "%s%slisten on 127.0.0.1, or write insecure: true",
                  auth ? "" : "set serve.token (say \"${WEIR_TOKEN}\"), ",
                  tls ? "" : "set serve.tls { cert, key }, ");
    return st;
}

weir_status
server_listen(server *s, const char *text, bool http, const weir_serve *serve, weir_error *err)
{
    address a;
    struct addrinfo *list = NULL;
    bool guarded = (serve_has_auth(serve) && serve->tls_cert != NULL) || serve->insecure;
    uint32_t before = s->listener_count;
    int number = EADDRNOTAVAIL;
    WR_TRY(address_parse(text, NULL, &a, err));
    if (a.path[0] != '\0')
        return listen_unix(s, &a, text, http, serve, err);
    weir_status status = address_resolve(&a, true, &list, err);
    for (struct addrinfo *at = list; status == WEIR_OK && at != NULL; at = at->ai_next) {
        if (!guarded && !address_is_loopback(at->ai_addr)) {
            status = refuse_public(text, serve, err);
            break;
        }
        int fd = socket_listen(at->ai_addr, at->ai_addrlen);
        if (fd >= 0) {
            status = listener_add(s, fd, text, http, serve, NULL, err);
            if (status != WEIR_OK)
                close(fd);
        } else if (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) {
            number = errno; /* the machine lacks this family */
        } else {
            status = listen_failed(err, text, errno);
        }
    }
    if (list != NULL)
        freeaddrinfo(list);
    if (status == WEIR_OK && s->listener_count == before)
        status = listen_failed(err, text, number);
    return status;
}

void
listener_close(listener *l)
{
    wr_watch_destroy(l->watch);
    listener_tls_close(l);
    close(l->fd);
    if (l->unlink != NULL)
        unlink(l->unlink);
    wr_free((void *)(uintptr_t)l->unlink);
}

/* --- accept --- */

/* Descriptors have run out: take the next client with the spare one, only to close it, or it would
 * wait for ever and wake us for ever. */
static void
accept_and_drop(server *s, listener *l)
{
    close(s->spare_fd);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    s->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    s->refused++;
    wr_log(WR_LOG_WARN, "server",
           "out of file descriptors: a client is refused (raise the limit: ulimit -n)");
}

static void
peer_of(const struct sockaddr_storage *from, unsigned char peer[16])
{
    memset(peer, 0, 16);
    if (from->ss_family == AF_INET)
        memcpy(peer + 12, &((const struct sockaddr_in *)from)->sin_addr, 4);
    else if (from->ss_family == AF_INET6)
        memcpy(peer, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
}

static bool
too_many(server *s, const struct sockaddr_storage *from, const unsigned char peer[16])
{
    uint32_t same = 0;
    if (s->conn_count >= SERVER_CONNECTIONS_MAX)
        return true;
    if (address_is_loopback((const struct sockaddr *)from))
        return false;
    for (const conn *c = s->conns; c != NULL; c = c->next)
        same += memcmp(c->peer, peer, 16) == 0;
    return same >= SERVER_PEER_CONNECTIONS_MAX;
}

void
server_accept(void *user, int events)
{
    listener *l = user;
    server *s = l->server;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t length = sizeof from;
        unsigned char peer[16];
        int fd = accept4(l->fd, (struct sockaddr *)&from, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            accept_and_drop(s, l);
        if (fd < 0)
            return; /* a client that has gone already is none of our business */
        peer_of(&from, peer);
        bool full = too_many(s, &from, peer);
        conn *c = full ? NULL : conn_open(s, l, fd);
        if (c == NULL) {
            s->refused++;
            close(fd);
            wr_log(WR_LOG_WARN, "server",
                   full ? "a client is refused: there are too many"
                        : "a client is refused: no memory");
            continue;
        }
        memcpy(c->peer, peer, sizeof peer);
        s->accepted++;
    }
}
