/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_tls_test.c -- TLS of connector/tcp.c, both ways: rows, ends, refusals, certificates that change. */
#include "base/conn.h"
#include "support/certs.h"
#include "support/lanes.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[32], cert[64], key[64], ca_file[64], other_file[64], client_file[64],
    client_key[64];
static wr_cert *ca, *other_ca, *server_cert, *client_cert;

static void
files_make(void)
{
    snprintf(dir, sizeof dir, "/tmp/weir-tcp-tls-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(cert, sizeof cert, "%s/cert.pem", dir);
    snprintf(key, sizeof key, "%s/key.pem", dir);
    snprintf(ca_file, sizeof ca_file, "%s/ca.pem", dir);
    snprintf(other_file, sizeof other_file, "%s/other.pem", dir);
    snprintf(client_file, sizeof client_file, "%s/client.pem", dir);
    snprintf(client_key, sizeof client_key, "%s/client-key.pem", dir);
    ca = wr_cert_create("test ca", NULL);
    other_ca = wr_cert_create("other ca", NULL);
    server_cert = wr_cert_create("localhost", ca);
    client_cert = wr_cert_create("client", ca);
    wr_cert_write(server_cert, cert, key);
    wr_cert_write(ca, ca_file, NULL);
    wr_cert_write(other_ca, other_file, NULL);
    wr_cert_write(client_cert, client_file, client_key);
}

static void
files_drop(void)
{
    const char *const all[] = { cert, key, ca_file, other_file, client_file, client_key };
    for (size_t i = 0; i < WR_COUNT(all); i++)
        unlink(all[i]);
    rmdir(dir);
    wr_cert_destroy(ca);
    wr_cert_destroy(other_ca);
    wr_cert_destroy(server_cert);
    wr_cert_destroy(client_cert);
}

static void
open_listening(wr_lanes *l, const char *more, unsigned flags)
{
    char settings[512];
    snprintf(settings, sizeof settings, "listen=127.0.0.1:0; tls=cert:%s,key:%s%s", cert, key,
             more);
    wr_lanes_open(l, "tcp", settings, "json", "a int8", flags);
}

static int
port_of(wr_lanes *l)
{
    wr_text text;
    wr_text_init(&text, NULL);
    l->ops->describe(l->self, &text);
    const char *p = strstr(wr_text_string(&text), "(port ");
    assert_non_null(p);
    int port = atoi(p + 6);
    wr_text_fini(&text);
    return port;
}

/* --- a peer on the test's own thread: whenever it must wait, the source is polled --- */

typedef struct peer {
    wr_conn wire;
    wr_tls *tls;
    int fd;
} peer;

static int
dial(int port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static bool
shake_hands(wr_lanes *l, peer *p)
{
    int done = WR_CONN_AGAIN;
    for (int i = 0; i < 1000 && done == WR_CONN_AGAIN; i++) {
        done = wr_conn_handshake(&p->wire);
        wr_lanes_run(l, 5, NULL);
    }
    return done == 1;
}

/* with: our certificate is shown. */
static bool
peer_connect(wr_lanes *l, peer *p, const char *trusted, bool with)
{
    *p = (peer){ .fd = dial(port_of(l)) };
    assert_int_equal(wr_tls_create_client(trusted, with ? client_file : NULL,
                                          with ? client_key : NULL, &p->tls, NULL),
                     WEIR_OK);
    wr_conn_init(&p->wire, p->fd);
    assert_int_equal(wr_conn_connect_tls(&p->wire, p->tls, "localhost"), WEIR_OK);
    return shake_hands(l, p);
}

static void
peer_send(wr_lanes *l, peer *p, const char *bytes, size_t length)
{
    for (int i = 0; length > 0; i++) {
        assert_true(i < 100000);
        ssize_t n = wr_conn_write(&p->wire, bytes, length);
        assert_int_not_equal(n, WR_CONN_FAILED);
        if (n == WR_CONN_AGAIN)
            wr_lanes_run(l, 1, NULL);
        bytes += n > 0 ? n : 0;
        length -= n > 0 ? (size_t)n : 0;
    }
}
#define SAY(l, p, text) peer_send(l, p, text, sizeof(text) - 1)

/* goodbye: TLS's own. */
static void
peer_close(peer *p, bool goodbye)
{
    if (goodbye)
        (void)wr_conn_shutdown(&p->wire);
    wr_conn_fini(&p->wire);
    wr_tls_destroy(p->tls);
    close(p->fd);
}

/* The other end closes: false, it goes on. */
static bool
peer_is_dropped(wr_lanes *l, int fd)
{
    char byte;
    for (int i = 0; i < 500; i++) {
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return true;
        wr_lanes_run(l, 5, NULL);
    }
    return false;
}

static void
lines_come_through_tls(void **state)
{
    enum { ROWS = 60000 };
    wr_lanes l;
    peer a, b;
    wr_text many;
    files_make();
    open_listening(&l, "", 0);
    assert_true(peer_connect(&l, &a, ca_file, false));
    SAY(&l, &a, "{\"a\":1}\n{\"a\":");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    SAY(&l, &a, "2}\n{\"a\":3}");
    peer_close(&a, true); /* an orderly end ends the last record */
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n3\n");
    assert_true(peer_connect(&l, &b, ca_file, false));
    wr_text_init(&many, NULL); /* more than any buffer holds */
    for (int i = 0; i < ROWS; i++)
        wr_text_printf(&many, "{\"a\":%d}\n", i % 10);
    peer_send(&l, &b, many.data, many.length);
    assert_true(wr_lanes_run_rows(&l, 20000, 3 + ROWS));
    SAY(&l, &b, "{\"a\":7}\n"); /* nothing is left behind in between */
    assert_true(wr_lanes_run_rows(&l, 5000, 4 + ROWS));
    peer_close(&b, true);
    wr_text_fini(&many);
    wr_lanes_close(&l);
    files_drop();
}

static void
an_end_without_goodbye_is_a_cut(void **state)
{
    wr_lanes l;
    peer p;
    files_make();
    open_listening(&l, "", 0);
    assert_true(peer_connect(&l, &p, ca_file, false));
    SAY(&l, &p, "{\"a\":1}\n{\"a\":2}");
    peer_close(&p, false);
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n");
    assert_string_equal(wr_lanes_bad(&l, 0),
                        "3001 the connection broke inside a record <{\"a\":2}>\n");
    wr_lanes_close(&l);
    files_drop();
}

static void
who_does_not_speak_tls_is_refused(void **state)
{
    wr_lanes l;
    peer p;
    files_make();
    open_listening(&l, "", 0);
    int fd = dial(port_of(&l));
    assert_int_equal(send(fd, "{\"a\":1}\n", 8, MSG_NOSIGNAL), 8);
    assert_true(peer_is_dropped(&l, fd));
    close(fd);
    assert_true(peer_connect(&l, &p, ca_file, false));
    SAY(&l, &p, "{\"a\":2}\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    peer_close(&p, true);
    assert_int_equal(wr_lanes_row_count(&l), 1);
    wr_lanes_close(&l);
    files_drop();
}

static void
clients_may_need_a_certificate(void **state)
{
    char more[128];
    wr_lanes l;
    peer p;
    files_make();
    snprintf(more, sizeof more, ",client_ca:%s", ca_file);
    open_listening(&l, more, 0);
    (void)peer_connect(&l, &p, ca_file, false); /* TLS 1.3: it hears of it after its handshake */
    assert_true(peer_is_dropped(&l, p.fd));
    peer_close(&p, false);
    assert_true(peer_connect(&l, &p, ca_file, true));
    SAY(&l, &p, "{\"a\":1}\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    peer_close(&p, true);
    wr_lanes_close(&l);
    files_drop();
}

static void
certificates_that_change_are_read_anew(void **state)
{
    wr_lanes l;
    peer a, b;
    files_make();
    open_listening(&l, "", 0);
    assert_true(peer_connect(&l, &a, ca_file, false));
    wr_cert *fresh = wr_cert_create("localhost", other_ca);
    usleep(20000); /* another time of change */
    wr_cert_write(fresh, cert, key);
    assert_true(peer_connect(&l, &b, other_file, false));
    peer_close(&b, true);
    assert_false(peer_connect(&l, &b, ca_file, false)); /* the old one is gone */
    peer_close(&b, false);
    usleep(20000);
    wr_cert_write(server_cert, cert, NULL); /* does not fit the key: nothing changes */
    assert_true(peer_connect(&l, &b, other_file, false));
    SAY(&l, &b, "{\"a\":2}\n");
    SAY(&l, &a, "{\"a\":1}\n"); /* who is there stays */
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    peer_close(&a, true);
    peer_close(&b, true);
    wr_cert_destroy(fresh);
    wr_lanes_close(&l);
    files_drop();
}

/* --once: it ends with the last one that was there; who only tried was not. */
static void
a_failed_handshake_is_no_end(void **state)
{
    wr_lanes l;
    peer p;
    files_make();
    open_listening(&l, "", WR_LANES_BOUNDED);
    int fd = dial(port_of(&l));
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL), 18);
    assert_true(peer_is_dropped(&l, fd));
    close(fd);
    assert_int_not_equal(l.flow, WR_FLOW_DONE);
    assert_true(peer_connect(&l, &p, ca_file, false));
    SAY(&l, &p, "{\"a\":1}\n");
    peer_close(&p, true);
    wr_lanes_run(&l, 5000, NULL);
    assert_int_equal(l.flow, WR_FLOW_DONE);
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n");
    wr_lanes_close(&l);
    files_drop();
}

/* --- connecting --- */

static int
server_listen(int *port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(fd, 5), 0);
    getsockname(fd, (struct sockaddr *)&where, &length);
    *port = ntohs(where.sin_port);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* A server that accepts one connection and shakes hands, or does not get that far. */
static bool
peer_accept(wr_lanes *l, peer *p, int server, const wr_tls *tls)
{
    *p = (peer){ .fd = -1 };
    for (int i = 0; i < 1000 && p->fd < 0; i++) {
        wr_lanes_run(l, 5, NULL);
        p->fd = accept4(server, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    assert_true(p->fd >= 0);
    wr_conn_init(&p->wire, p->fd);
    assert_int_equal(wr_conn_accept_tls(&p->wire, tls), WEIR_OK);
    return shake_hands(l, p);
}

static bool
first_holds(wr_lanes *l)
{
    return !wr_lanes_lane(l, 0)->caught_up;
}

static void
connects_through_tls_and_comes_back(void **state)
{
    char settings[512];
    wr_lanes l;
    peer p;
    wr_tls *tls;
    int port, server = server_listen(&port);
    files_make();
    assert_int_equal(wr_tls_create_server(cert, key, ca_file, &tls, NULL), WEIR_OK);
    snprintf(settings, sizeof settings, "connect=localhost:%d; tls=ca:%s,cert:%s,key:%s", port,
             ca_file, client_file, client_key);
    wr_lanes_open(&l, "tcp", settings, "json", "a int8", 0);
    for (uint32_t round = 1; round <= 2; round++) {
        assert_true(peer_accept(&l, &p, server, tls));
        SAY(&l, &p, "{\"a\":1}\n");
        assert_true(wr_lanes_run_rows(&l, 5000, round));
        peer_close(&p, true);
        assert_true(wr_lanes_run(&l, 5000, first_holds)); /* the watermark, meanwhile */
    }
    wr_lanes_close(&l);
    wr_tls_destroy(tls);
    close(server);
    files_drop();
}

static void
a_server_that_is_not_who_it_should_be_is_tried_again(void **state)
{
    char settings[512];
    wr_lanes l;
    peer p;
    wr_tls *tls;
    int port, server = server_listen(&port);
    files_make();
    assert_int_equal(wr_tls_create_server(cert, key, NULL, &tls, NULL), WEIR_OK);
    snprintf(settings, sizeof settings, "connect=127.0.0.1:%d; tls=ca:%s", port, other_file);
    wr_lanes_open(&l, "tcp", settings, "json", "a int8", 0);
    for (int round = 0; round < 2; round++) {
        (void)peer_accept(&l, &p, server, tls);
        assert_true(peer_is_dropped(&l, p.fd));
        assert_int_equal(l.ctx.error.code, WEIR_CONNECT);
        assert_non_null(strstr(l.ctx.error.text, "certificate is not good"));
        assert_int_equal(l.flow, WR_FLOW_WAIT); /* not failed */
        peer_close(&p, false);
    }
    wr_lanes_close(&l);
    wr_tls_destroy(tls);
    close(server);
    files_drop();
}

static void
bad_settings_are_refused(void **state)
{
    char *list[8];
    int n = 0;
    wr_lanes l;
    weir_error err;
    files_make();
    list[n++] = "listen=127.0.0.1:0; tls=";
    assert_true(asprintf(&list[n++], "listen=127.0.0.1:0; tls=cert:%s", cert) > 0);
    assert_true(asprintf(&list[n++], "listen=127.0.0.1:0; tls=cert:%s,key:%s,ca:%s", cert, key,
                         ca_file) > 0);
    assert_true(asprintf(&list[n++], "connect=127.0.0.1:1; tls=client_ca:%s", ca_file) > 0);
    assert_true(asprintf(&list[n++], "connect=127.0.0.1:1; tls=cert:%s", client_file) > 0);
    assert_true(asprintf(&list[n++], "listen=127.0.0.1:0; tls=cert:%s,key:%s", ca_file, key) > 0);
    assert_true(asprintf(&list[n++], "listen=127.0.0.1:0; tls=cert:%s/none,key:%s", dir, key) > 0);
    for (int i = 0; i < n; i++) {
        if (wr_lanes_try(&l, "tcp", list[i], "json", "a int8", 0, &err) == WEIR_OK)
            fail_msg("\"%s\" was taken", list[i]);
        assert_true(err.text[0] != '\0');
        wr_lanes_close(&l);
        if (i > 0)
            free(list[i]);
    }
    assert_int_equal(chmod(key, 0644), 0);
    char open[512];
    snprintf(open, sizeof open, "listen=127.0.0.1:0; tls=cert:%s,key:%s", cert, key);
    assert_int_equal(wr_lanes_try(&l, "tcp", open, "json", "a int8", 0, &err), WEIR_CONFIG_VALUE);
    assert_non_null(strstr(err.text, "can be read by others"));
    wr_lanes_close(&l);
    files_drop();
}

WR_TESTS = {
    WR_TEST(lines_come_through_tls),
    WR_TEST(an_end_without_goodbye_is_a_cut),
    WR_TEST(who_does_not_speak_tls_is_refused),
    WR_TEST(clients_may_need_a_certificate),
    WR_TEST(certificates_that_change_are_read_anew),
    WR_TEST(a_failed_handshake_is_no_end),
    WR_TEST(connects_through_tls_and_comes_back),
    WR_TEST(a_server_that_is_not_who_it_should_be_is_tried_again),
    WR_TEST(bad_settings_are_refused),
    { NULL, NULL },
};
