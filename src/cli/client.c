/* SPDX-License-Identifier: Apache-2.0 */
/* cli/client.c -- the command line's side of the wire protocol (see client.h). */
#include "cli/client.h"

#include "base/conn.h"
#include "server/address.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECT_MS = 5000, ANSWER_MS = 15000, READ_BYTES = 256 << 10, MESSAGE_BYTES_MAX = 64 << 20 };

struct client {
    wr_conn wire;
    wr_tls *tls;    /* NULL: none */
    bool certified; /* a certificate of ours was given */
    char server[256];
    wr_text in;
    size_t at, seen; /* consumed; searched for a line's end */
    wr_arena scratch;
};

/* --- connect --- */

/* 1 ready, 0 timeout, -1 a signal came. */
static int
wait_for(int fd, short events, int timeout_ms)
{
    struct pollfd p[2] = { { .fd = fd, .events = events },
                           { .fd = cli_signal_fd(), .events = POLLIN } };
    int n;
    do
        n = poll(p, 2, timeout_ms);
    while (n < 0 && errno == EINTR && !cli_interrupted());
    return cli_interrupted() ? -1 : p[0].revents != 0;
}

/* A connected descriptor, or -1 and errno. */
static int
connect_one(const struct sockaddr *where, socklen_t length)
{
    int fd = socket(where->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    int number = 0;
    socklen_t size = sizeof number;
    if (connect(fd, where, length) != 0) {
        number = errno;
        if (number == EINPROGRESS) {
            int ready = wait_for(fd, POLLOUT, CONNECT_MS);
            if (ready <= 0)
                number = ready == 0 ? ETIMEDOUT : EINTR;
            else
                (void)!getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size);
        }
    }
    if (number == 0)
        return fd;
    close(fd);
    errno = number;
    return -1;
}

static int
connect_any(const address *a, weir_error *err)
{
    struct sockaddr_storage where;
    struct addrinfo *list = NULL;
    int fd = -1;
    if (a->path[0] != '\0')
        return connect_one((struct sockaddr *)&where, address_unix(a, &where));
    errno = EHOSTUNREACH;
    if (address_resolve(a, false, &list, err) != WEIR_OK)
        return -1;
    for (struct addrinfo *at = list; at != NULL && fd < 0 && !cli_interrupted(); at = at->ai_next)
        fd = connect_one(at->ai_addr, at->ai_addrlen);
    int number = errno;
    freeaddrinfo(list);
    errno = number;
    return fd;
}

/* --- TLS --- */

/* Why the connection broke, if TLS knows. */
static bool
say_tls(const client *c)
{
    char text[200];
    const char *hint;
    wr_conn_error(&c->wire, text, sizeof text, &hint);
    if (text[0] == '\0')
        return false;
    cli_say("%s: TLS: %s", c->server, text);
    if (hint[0] != '\0')
        cli_hint(hint);
    return true;
}

/* It went without a word.  A server that wants a certificate says so behind the handshake, and what it says
 * may be lost when it has closed before we write. */
static void
say_closed(const client *c, int number)
{
    cli_say("%s closed the connection%s%s", c->server, number != 0 ? ": " : "",
            number != 0 ? strerror(number) : "");
    if (c->wire.ssl != NULL && !c->certified)
        fprintf(stderr, "  hint: if it wants a certificate of yours: --cert FILE --key FILE\n");
}

static int
tls_shake_hands(client *c)
{
    for (;;) {
        int rc = wr_conn_handshake(&c->wire);
        if (rc == WR_CONN_FAILED) {
            (void)say_tls(c);
            return CLI_CONNECT;
        }
        if (rc != WR_CONN_AGAIN)
            return CLI_OK;
        int ready = wait_for(c->wire.fd, c->wire.wants_write ? POLLOUT : POLLIN, CONNECT_MS);
        if (ready < 0)
            return CLI_INTERRUPTED;
        if (ready == 0) {
            cli_say("%s does not answer: does that port speak TLS?", c->server);
            return CLI_CONNECT;
        }
    }
}

static int
tls_start(client *c, const client_options *o, const char *ca, const char *host)
{
    weir_error err = { 0 };
    c->certified = o->cert != NULL;
    if (wr_tls_create_client(ca, o->cert, o->key, &c->tls, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_USAGE;
    }
    if (wr_conn_connect_tls(&c->wire, c->tls, host) != WEIR_OK) {
        cli_say("out of memory");
        return CLI_FAILED;
    }
    return tls_shake_hands(c);
}

static int
hello(client *c, const char *token)
{
    wr_text text;
    request answer;
    wr_text_init(&text, NULL);
    wr_text_puts(&text, "{\"op\":\"hello\"");
    client_put(&text, "token", token);
    int rc = client_ask(c, &text, &answer);
    wr_text_fini(&text);
    return rc;
}

int
client_open(const client_options *o, client **out)
{
    const char *server = o->server != NULL ? o->server : getenv("WEIR_URL");
    const char *token = o->token != NULL ? o->token : getenv("WEIR_TOKEN");
    const char *ca = o->ca != NULL ? o->ca : getenv("WEIR_CA");
    bool tls = o->tls || o->ca != NULL || o->cert != NULL;
    address a;
    weir_error err = { 0 };
    server = server != NULL && server[0] != '\0' ? server : "127.0.0.1:7077";
    if (strncmp(server, "tls://", 6) == 0)
        tls = true;
    if (strncmp(server, "tcp://", 6) == 0 || strncmp(server, "tls://", 6) == 0)
        server += 6;
    if (address_parse(server, "7077", &a, &err) != WEIR_OK) {
        cli_error(&err);
        return CLI_USAGE;
    }
    cli_catch_signals();
    int fd = connect_any(&a, &err);
    if (fd < 0 && cli_interrupted())
        return CLI_INTERRUPTED;
    if (fd < 0) {
        cli_say("cannot connect to %s: %s", server,
                err.text[0] != '\0' ? err.text : strerror(errno));
        fprintf(stderr,
                "  hint: is `weir run` up, with serve: { tcp: %s }?  Another place: --server "
                "host:port, or $WEIR_URL\n",
                server);
        return CLI_CONNECT;
    }
    client *c = wr_calloc(NULL, 1, sizeof *c);
    if (c == NULL) {
        close(fd);
        cli_say("out of memory");
        return CLI_FAILED;
    }
    wr_conn_init(&c->wire, fd);
    snprintf(c->server, sizeof c->server, "%s", server);
    wr_text_init(&c->in, NULL);
    wr_arena_init(&c->scratch, NULL);
    int rc = tls && a.path[0] == '\0' ? tls_start(c, o, ca != NULL && ca[0] != '\0' ? ca : NULL, a.host)
                                      : CLI_OK;
    if (rc == CLI_OK)
        rc = hello(c, token);
    if (rc != CLI_OK)
        client_close(c);
    else
        *out = c;
    return rc;
}

void
client_close(client *c)
{
    if (c == NULL)
        return;
    if (c->wire.ssl != NULL)
        (void)wr_conn_shutdown(&c->wire);
    wr_conn_fini(&c->wire);
    wr_tls_destroy(c->tls);
    close(c->wire.fd);
    wr_text_fini(&c->in);
    wr_arena_fini(&c->scratch);
    wr_free(c);
}

wr_arena *
client_scratch(client *c)
{
    return &c->scratch;
}

/* --- messages --- */

void
client_put(wr_text *to, const char *name, const char *value)
{
    if (value == NULL)
        return;
    wr_text_printf(to, ",\"%s\":", name);
    wr_text_put_json(to, value, strlen(value));
}

bool
client_send(client *c, wr_text *text)
{
    wr_text_puts(text, "}\n");
    const char *at = wr_text_string(text), *end = at + text->length;
    while (wr_text_ok(text) && at < end) {
        ssize_t n = wr_conn_write(&c->wire, at, (size_t)(end - at));
        if (n > 0)
            at += n;
        else if (n == WR_CONN_FAILED ||
                 wait_for(c->wire.fd, c->wire.wants_read ? POLLIN : POLLOUT, -1) < 0)
            return false;
    }
    return wr_text_ok(text);
}

static const char *
line_end(const client *c, size_t from)
{
    return c->in.length > from ? memchr(c->in.data + from, '\n', c->in.length - from) : NULL;
}

bool
client_has_message(const client *c)
{
    return line_end(c, c->at) != NULL;
}

/* Room for more at the end; what was consumed goes. */
static bool
make_room(client *c)
{
    if (c->at > 0) {
        c->in.length -= c->at;
        memmove(c->in.data, c->in.data + c->at, c->in.length);
        c->seen -= c->at;
        c->at = 0;
    }
    return c->in.length < MESSAGE_BYTES_MAX && wr_text_reserve(&c->in, READ_BYTES);
}

static client_event
message_read(client *c, const char *newline, request *out)
{
    const char *line = c->in.data + c->at, *why;
    size_t n = (size_t)(newline - line);
    c->at += n + 1;
    c->seen = c->at;
    wr_arena_reset(&c->scratch);
    if (request_parse_json(line, n, &c->scratch, out, &why))
        return CLIENT_MESSAGE;
    if (n >= 5 && memcmp(line, "HTTP/", 5) == 0)
        cli_say("%s is an HTTP port: give the one of serve: { tcp: ... }", c->server);
    else
        cli_say("%s does not speak Weir's protocol: %s", c->server, why);
    return CLIENT_CLOSED;
}

client_event
client_next(client *c, int timeout_ms, request *out)
{
    for (;;) {
        const char *newline = line_end(c, c->seen);
        if (newline != NULL)
            return message_read(c, newline, out);
        c->seen = c->in.length;
        if (!make_room(c)) {
            cli_say("a message is too long, or memory is out");
            return CLIENT_CLOSED;
        }
        int ready = wait_for(c->wire.fd, c->wire.wants_write ? POLLOUT : POLLIN, timeout_ms);
        if (ready <= 0)
            return ready == 0 ? CLIENT_TIMEOUT : CLIENT_INTERRUPTED;
        ssize_t n = wr_conn_read(&c->wire, c->in.data + c->in.length, READ_BYTES);
        if (n == 0 || n == WR_CONN_FAILED) {
            int number = errno;
            if (n == 0 || !say_tls(c))
                say_closed(c, n < 0 ? number : 0);
            return CLIENT_CLOSED;
        }
        c->in.length += n > 0 ? (size_t)n : 0;
    }
}

int
client_error(const request *message)
{
    const char *text = request_string(message, "text"), *hint = request_string(message, "hint"),
               *code = request_string(message, "code");
    if (code != NULL && strcmp(code, "AUTH") == 0)
        hint = "give it with --token or $WEIR_TOKEN";
    if (code != NULL && strcmp(code, "TLS") == 0)
        hint = "connect with --tls, and --ca FILE when its CA is your own";
    cli_say("%s", text != NULL ? text : "the server reports an error");
    if (hint != NULL)
        cli_hint(hint);
    return CLI_FAILED;
}

int
client_ask(client *c, wr_text *text, request *answer)
{
    if (!client_send(c, text)) {
        say_closed(c, 0);
        return CLI_CONNECT;
    }
    switch (client_next(c, ANSWER_MS, answer)) {
    case CLIENT_INTERRUPTED: return CLI_INTERRUPTED;
    case CLIENT_CLOSED: return CLI_CONNECT;
    case CLIENT_TIMEOUT: cli_say("%s does not answer", c->server); return CLI_CONNECT;
    case CLIENT_MESSAGE: break;
    }
    const char *op = request_string(answer, "op");
    return op != NULL && strcmp(op, "error") == 0 ? client_error(answer) : CLI_OK;
}
