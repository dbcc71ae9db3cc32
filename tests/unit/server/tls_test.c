/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_test.c -- TLS on the server's faces: V4, W1..W3; handshakes that fail, break off or crawl; reload.
 */
#include "base/conn.h"
#include "rig.h"
#include "support/certs.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 30000, CLIENTS = 200 };

static rig      r;
static wr_cert *ca, *other_ca, *server_cert, *client_cert;
static char     cert[96], key[96], ca_file[96], other_file[96], client_file[96], client_key[96];
static int      tcp_port, http_port;

/* Below those that the kernel hands out: nobody gets it by accident before it is listened on. */
static int
port_free(void)
{
    static unsigned    draw;
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    bool               found = false;
    draw = draw == 0 ? (unsigned) getpid() : draw;
    for (int i = 0; i < 1000 && !found; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        draw = draw * 1103515245u + 12345u;
        where.sin_port = htons((uint16_t) (15000 + (draw >> 16) % 17000));
        found = bind(fd, (struct sockaddr *) &where, sizeof where) == 0;
        close(fd);
    }
    assert_true(found);
    return ntohs(where.sin_port);
}

/* The certificates, and a server with them; clients: they need one too. */
static void
start(bool clients, const char *token)
{
    rig_make(&r);
    ca = wr_cert_create("test ca", NULL);
    other_ca = wr_cert_create("other ca", NULL);
    server_cert = wr_cert_create("localhost", ca);
    client_cert = wr_cert_create("client", ca);
    snprintf(cert, sizeof cert, "%s/cert.pem", r.dir);
    snprintf(key, sizeof key, "%s/key.pem", r.dir);
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", r.dir);
    snprintf(other_file, sizeof other_file, "%s/other.pem", r.dir);
    snprintf(client_file, sizeof client_file, "%s/client.pem", r.dir);
    snprintf(client_key, sizeof client_key, "%s/client-key.pem", r.dir);
    wr_cert_write(server_cert, cert, key);
    wr_cert_write(ca, ca_file, NULL);
    wr_cert_write(other_ca, other_file, NULL);
    wr_cert_write(client_cert, client_file, client_key);
    tcp_port = port_free();
    http_port = port_free();
    snprintf(r.tcp, sizeof r.tcp, "127.0.0.1:%d", tcp_port);
    snprintf(r.http, sizeof r.http, "127.0.0.1:%d", http_port);
    weir_serve serve = { .tcp = r.tcp, .http = r.http, .token = token, .tls_cert = cert, .tls_key = key,
                         .tls_client_ca = clients ? ca_file : NULL };
    rig_start_as(&r, &serve);
}

static void
stop(void)
{
    const char *const files[] = { cert, key, ca_file, other_file, client_file, client_key };
    for (size_t i = 0; i < WR_COUNT(files); i++)
        (void) unlink(files[i]);
    rig_stop(&r);
    wr_cert_destroy(ca);
    wr_cert_destroy(other_ca);
    wr_cert_destroy(server_cert);
    wr_cert_destroy(client_cert);
}

/* --- a client --- */

typedef struct client {
    wr_conn wire;
    wr_tls *tls;
    char    in[1 << 16];
    size_t  length, at;
} client;

static int
dial(int port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &where, sizeof where), 0);
    return fd;
}

/* The handshake's outcome; the client is to be hung up in any case. */
static int
call(client *c, int port, const char *trusts, bool with_cert, const char *host)
{
    weir_error err = { 0 };
    memset(c, 0, sizeof *c);
    wr_conn_init(&c->wire, dial(port));
    assert_int_equal(wr_tls_create_client(trusts, with_cert ? client_file : NULL,
                                          with_cert ? client_key : NULL, &c->tls, &err), WEIR_OK);
    assert_int_equal(wr_conn_connect_tls(&c->wire, c->tls, host), WEIR_OK);
    return wr_conn_handshake(&c->wire); /* the socket blocks */
}

static void
hang_up(client *c)
{
    wr_conn_fini(&c->wire);
    close(c->wire.fd);
    wr_tls_destroy(c->tls);
}

static void
say(client *c, const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t sent = wr_conn_write(&c->wire, text, n);
        assert_true(sent > 0);
        text += sent;
        n -= (size_t) sent;
    }
}

/* More bytes into c->in.  0: the end; negative: it broke or is silent. */
static ssize_t
hear(client *c)
{
    struct pollfd p = { .fd = c->wire.fd, .events = POLLIN };
    memmove(c->in, c->in + c->at, c->length - c->at);
    c->length -= c->at;
    c->at = 0;
    assert_true(sizeof c->in - c->length >= WR_CONN_RECORD);
    for (;;) { /* W1: what is here is told by the descriptor */
        if (poll(&p, 1, WAIT_MS) != 1)
            return WR_CONN_AGAIN;
        ssize_t n = wr_conn_read(&c->wire, c->in + c->length, WR_CONN_RECORD);
        if (n != WR_CONN_AGAIN) {
            c->length += n > 0 ? (size_t) n : 0;
            return n;
        }
    }
}

static const char *
line(client *c)
{
    static char out[1 << 16];
    char       *end;
    while ((end = memchr(c->in + c->at, '\n', c->length - c->at)) == NULL)
        if (hear(c) <= 0)
            return "(the end)";
    size_t n = (size_t) (end - (c->in + c->at));
    memcpy(out, c->in + c->at, n);
    out[n] = '\0';
    c->at += n + 1;
    return out;
}

/* --- tests --- */

static void
sessions_and_http_go_through_tls(void **state)
{
    client c;
    start(false, NULL);
    assert_int_equal(call(&c, tcp_port, ca_file, false, "localhost"), 1);
    say(&c, "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}\n");
    assert_string_equal(line(&c), RIG_SCHEMA);
    engine_row(7);
    assert_non_null(strstr(line(&c), "[[\"+\",[7,\"x\"]]]"));
    hang_up(&c);
    assert_int_equal(call(&c, http_port, ca_file, false, "127.0.0.1"), 1); /* by its address too */
    say(&c, "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_string_equal(line(&c), "HTTP/1.1 200 OK\r");
    while (strcmp(line(&c), "(the end)") != 0)
        ;
    assert_int_equal(hear(&c), 0); /* with TLS's own goodbye */
    hang_up(&c);
    stop();
}

static void
the_token_is_wanted_as_before(void **state)
{
    client c;
    start(false, "s3cret");
    assert_int_equal(call(&c, tcp_port, ca_file, false, "localhost"), 1);
    say(&c, "{\"op\":\"ping\"}\n");
    assert_non_null(strstr(line(&c), "\"code\":\"AUTH\""));
    hang_up(&c);
    assert_int_equal(call(&c, tcp_port, ca_file, false, "localhost"), 1);
    say(&c, "{\"op\":\"hello\",\"token\":\"s3cret\"}\n");
    assert_non_null(strstr(line(&c), "\"op\":\"welcome\""));
    hang_up(&c);
    stop();
}

static void
a_client_does_not_take_any_certificate(void **state)
{
    client      c;
    char        text[200];
    const char *hint;
    start(false, NULL);
    assert_int_equal(call(&c, tcp_port, other_file, false, "localhost"), WR_CONN_FAILED);
    wr_conn_error(&c.wire, text, sizeof text, &hint);
    assert_non_null(strstr(text, "certificate is not good"));
    assert_non_null(strstr(hint, "--ca"));
    assert_int_equal(wr_conn_read(&c.wire, c.in, 16384), WR_CONN_FAILED); /* and it stays so */
    hang_up(&c);
    assert_int_equal(call(&c, tcp_port, ca_file, false, "elsewhere.example"), WR_CONN_FAILED);
    wr_conn_error(&c.wire, text, sizeof text, &hint);
    assert_non_null(strstr(text, "ostname mismatch"));
    assert_non_null(strstr(hint, "by a name that the certificate has"));
    hang_up(&c);
    assert_int_equal(call(&c, tcp_port, ca_file, false, "127.0.0.2"), WR_CONN_FAILED);
    hang_up(&c);
    stop();
}

static void
clients_may_need_a_certificate(void **state)
{
    client c;
    start(true, NULL);
    assert_int_equal(call(&c, tcp_port, ca_file, true, "localhost"), 1);
    say(&c, "{\"op\":\"ping\"}\n");
    assert_non_null(strstr(line(&c), "pong"));
    hang_up(&c);
    (void) call(&c, tcp_port, ca_file, false, "localhost"); /* TLS 1.3 says it at the first read */
    assert_true(hear(&c) < 0);
    hang_up(&c);
    wr_cert *stranger = wr_cert_create("client", other_ca);
    wr_cert_write(stranger, client_file, client_key);
    (void) call(&c, tcp_port, ca_file, true, "localhost");
    assert_true(hear(&c) < 0);
    hang_up(&c);
    wr_cert_destroy(stranger);
    stop();
}

static void
plain_words_to_a_tls_port_are_told_so(void **state)
{
    char body[200];
    start(false, NULL);
    int fd = dial(tcp_port);
    wire_say(fd, "{\"op\":\"ping\"}");
    assert_non_null(strstr(line_of(fd), "\"code\":\"TLS\""));
    assert_true(wire_closed(fd));
    close(fd);
    fd = dial(http_port);
    wire_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_string_equal(line_of(fd), "HTTP/1.1 400 Bad Request\r");
    assert_true(wire_closed(fd));
    close(fd);
    (void) body;
    fd = dial(tcp_port); /* one that says nothing and goes */
    close(fd);
    stop();
}

static void
tls_to_a_plain_port_is_refused(void **state)
{
    weir_error  err = { 0 };
    client      c;
    char        text[200];
    const char *hint;
    rig_start(&r, NULL);
    memset(&c, 0, sizeof c);
    wr_conn_init(&c.wire, wire_connect(r.tcp));
    assert_int_equal(wr_tls_create_client(NULL, NULL, NULL, &c.tls, &err), WEIR_OK);
    assert_int_equal(wr_conn_connect_tls(&c.wire, c.tls, "localhost"), WEIR_OK);
    assert_int_equal(wr_conn_handshake(&c.wire), WR_CONN_FAILED);
    wr_conn_error(&c.wire, text, sizeof text, &hint);
    assert_non_null(strstr(text, "handshake failure"));
    hang_up(&c);
    rig_stop(&r);
}

/* Cut after each byte count of a real first flight: closed, nothing hangs, the next client is served. */
static void
a_handshake_that_breaks_off_harms_nobody(void **state)
{
    static const unsigned char hello[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03 };
    static const unsigned char wrong[] = { 0x16, 0x03, 0x01, 0xff, 0xff, 0x01, 0x00 }; /* longer than TLS allows */
    client c;
    start(false, NULL);
    for (size_t n = 1; n <= sizeof hello; n++) {
        int fd = dial(tcp_port);
        wire_send(fd, hello, n);
        shutdown(fd, SHUT_WR);
        assert_true(wire_closed(fd));
        close(fd);
    }
    int fd = dial(tcp_port);
    wire_send(fd, wrong, sizeof wrong);
    assert_true(wire_closed(fd));
    close(fd);
    assert_int_equal(call(&c, tcp_port, ca_file, false, "localhost"), 1);
    say(&c, "{\"op\":\"ping\"}\n");
    assert_non_null(strstr(line(&c), "pong"));
    hang_up(&c);
    stop();
}

/* A handshake that crawls has the ten seconds of a request's head, and no more. */
static void
a_handshake_that_crawls_is_ended(void **state)
{
    static const unsigned char hello[] = { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03 };
    int tcp, http, ended = 0;
    start(false, NULL);
    tcp = dial(tcp_port);
    http = dial(http_port);
    for (int i = 0; i < 30 && ended < 2; i++) {
        if (i < (int) sizeof hello) {
            (void) !send(tcp, hello + i, 1, MSG_NOSIGNAL);
            (void) !send(http, hello + i, 1, MSG_NOSIGNAL);
        }
        sleep(1);
        char byte;
        ended = (recv(tcp, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || errno == ECONNRESET) +
                (recv(http, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0 || errno == ECONNRESET);
    }
    assert_int_equal(ended, 2);
    close(tcp);
    close(http);
    stop();
}

/* A frame of several megabytes each way, through records and small socket buffers. */
static void
big_frames_pass_whole(void **state)
{
    size_t  size = 3 << 20, got = 0;
    char   *big = malloc(size + 64), *rows = malloc(size + 64);
    client *c = malloc(sizeof *c);
    start(false, NULL);
    engine_push_room(SIZE_MAX / 2);
    assert_int_equal(call(c, tcp_port, ca_file, false, "localhost"), 1);
    int n = sprintf(big, "{\"op\":\"ping\",\"id\":5,\"x\":\"");
    memset(big + n, 'y', size);
    strcpy(big + (size_t) n + size, "\"}\n");
    say(c, big);
    assert_string_equal(line(c), "{\"id\":5,\"op\":\"pong\"}");
    say(c, "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}\n");
    assert_string_equal(line(c), RIG_SCHEMA);
    n = sprintf(rows, "[[\"+\",[1,\"");
    memset(rows + n, 'z', size);
    strcpy(rows + (size_t) n + size, "\"]]]");
    engine_rows(1, rows, strlen(rows), NULL, 0);
    while (got < size) { /* as it comes */
        if (c->length == c->at && hear(c) <= 0)
            break;
        for (; c->at < c->length; c->at++)
            got += c->in[c->at] == 'z';
    }
    assert_int_equal(got, size);
    hang_up(c);
    stop();
    free(c);
    free(big);
    free(rows);
}

static void
many_clients_at_once(void **state)
{
    client **all = calloc(CLIENTS, sizeof *all);
    start(false, NULL);
    for (int i = 0; i < CLIENTS; i++) {
        all[i] = malloc(sizeof **all);
        assert_int_equal(call(all[i], tcp_port, ca_file, false, "localhost"), 1);
        say(all[i], "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}\n");
    }
    for (int i = 0; i < CLIENTS; i++)
        assert_string_equal(line(all[i]), RIG_SCHEMA);
    for (int v = 0; v < 5; v++)
        engine_row(v);
    for (int i = 0; i < CLIENTS; i++) {
        for (int v = 0; v < 5; v++)
            assert_non_null(strstr(line(all[i]), "\"rows\""));
        hang_up(all[i]);
        free(all[i]);
    }
    free(all);
    stop();
}

/* New clients see the new certificate, old connections live on, and a bad file changes nothing. */
static void
certificates_are_read_anew(void **state)
{
    client old, c;
    start(false, NULL);
    assert_int_equal(call(&old, tcp_port, ca_file, false, "localhost"), 1);
    wr_cert *renewed = wr_cert_create("localhost", other_ca);
    wr_cert_write(renewed, cert, key);
    assert_int_equal(call(&c, tcp_port, ca_file, false, "localhost"), 1); /* not yet */
    hang_up(&c);
    server_reload(r.face);
    bool seen = false;
    for (int i = 0; i < 1500 && !seen; i++) {
        seen = call(&c, tcp_port, other_file, false, "localhost") == 1;
        hang_up(&c);
        usleep(20000);
    }
    assert_true(seen);
    say(&old, "{\"op\":\"ping\"}\n");
    assert_non_null(strstr(line(&old), "pong"));
    hang_up(&old);
    wr_cert_write(server_cert, NULL, key); /* the key no longer fits */
    server_reload(r.face);
    usleep(200000);
    assert_int_equal(call(&c, tcp_port, other_file, false, "localhost"), 1);
    hang_up(&c);
    wr_cert_destroy(renewed);
    stop();
}

static weir_status
adds(const weir_serve *serve, weir_error *err)
{
    server *s = NULL;
    assert_int_equal(server_open(NULL, &s, err), WEIR_OK);
    weir_status status = server_add(s, serve, err);
    server_close(s);
    return status;
}

static void
files_that_cannot_serve_are_told(void **state)
{
    weir_error err = { 0 };
    start(false, NULL);
    weir_serve serve = { .tcp = "127.0.0.1:0", .tls_cert = cert, .tls_key = key };
    assert_int_equal(adds(&serve, &err), WEIR_OK);
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "can be read by others"));
    assert_non_null(strstr(err.hint, "chmod 600"));
    assert_int_equal(chmod(key, 0600), 0);
    serve.tls_cert = "/no/such/file";
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "/no/such/file"));
    serve.tls_cert = key; /* no certificate in it */
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    serve.tls_cert = cert;
    serve.tls_key = client_key; /* another's */
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "key"));
    serve.tls_key = key;
    serve.tls_client_ca = key;
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "client_ca"));
    stop();
}

static void
a_public_address_wants_both(void **state)
{
    weir_error err = { 0 };
    start(false, NULL);
    weir_serve serve = { .tcp = "0.0.0.0:0", .token = "s3cret" };
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "has no tls"));
    serve = (weir_serve){ .tcp = "0.0.0.0:0", .tls_cert = cert, .tls_key = key };
    assert_int_equal(adds(&serve, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "has no token"));
    serve.token = "s3cret";
    assert_int_equal(adds(&serve, &err), WEIR_OK);
    serve.token = NULL;
    serve.tls_client_ca = ca_file;
    assert_int_equal(adds(&serve, &err), WEIR_OK);
    serve = (weir_serve){ .tcp = "0.0.0.0:0", .insecure = true };
    assert_int_equal(adds(&serve, &err), WEIR_OK);
    stop();
}

WR_TESTS = {
    WR_TEST(sessions_and_http_go_through_tls),
    WR_TEST(the_token_is_wanted_as_before),
    WR_TEST(a_client_does_not_take_any_certificate),
    WR_TEST(clients_may_need_a_certificate),
    WR_TEST(plain_words_to_a_tls_port_are_told_so),
    WR_TEST(tls_to_a_plain_port_is_refused),
    WR_TEST(a_handshake_that_breaks_off_harms_nobody),
    WR_TEST(a_handshake_that_crawls_is_ended),
    WR_TEST(big_frames_pass_whole),
    WR_TEST(many_clients_at_once),
    WR_TEST(certificates_are_read_anew),
    WR_TEST(files_that_cannot_serve_are_told),
    WR_TEST(a_public_address_wants_both),
    { NULL, NULL },
};
