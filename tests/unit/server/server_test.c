/* SPDX-License-Identifier: Apache-2.0 */
/* server_test.c -- addresses, listening, HTTP on the wire, opening and closing. */
#include "rig.h"
#include "server/address.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- addresses --------------------------------------------------------------------------------
 */

static void
addresses_are_read(void **state)
{
    static const struct {
        const char *text, *host, *port, *path; /* host NULL: refused */
    } rows[] = {
        { "127.0.0.1:7077", "127.0.0.1", "7077", "" },
        { "localhost:1", "localhost", "1", "" },
        { "[::1]:7077", "::1", "7077", "" },
        { "*:80", "*", "80", "" },
        { ":80", "*", "80", "" },
        { "a.example:65535", "a.example", "65535", "" },
        { "unix:/run/w.sock", "", "", "/run/w.sock" },
        { "h", "h", "7077", "" },
        { "[::1]", "::1", "7077", "" },
        { "127.0.0.1:65536", NULL, NULL, NULL },
        { "127.0.0.1:", NULL, NULL, NULL },
        { "127.0.0.1:http", NULL, NULL, NULL },
        { "127.0.0.1:-1", NULL, NULL, NULL },
        { "127.0.0.1:7077x", NULL, NULL, NULL },
        { "127.0.0.1: 80", NULL, NULL, NULL },
        { "::1:7077", NULL, NULL, NULL },
        { "[::1:7077", NULL, NULL, NULL },
        { "[::1]7077", NULL, NULL, NULL },
        { "unix:", NULL, NULL, NULL },
        { "http://127.0.0.1:80", NULL, NULL, NULL },
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        address a;
        weir_error err = { 0 };
        weir_status st = address_parse(rows[i].text, "7077", &a, &err);
        if (rows[i].host == NULL) {
            if (st != WEIR_CONFIG_VALUE || err.hint[0] == '\0')
                fail_msg("%s was taken", rows[i].text);
            continue;
        }
        assert_int_equal(st, WEIR_OK);
        assert_string_equal(a.host, rows[i].host);
        assert_string_equal(a.port, rows[i].port);
        assert_string_equal(a.path, rows[i].path);
    }
    address a;
    char path[200];
    memset(path, 'p', sizeof path);
    memcpy(path, "unix:", 5);
    path[5 + 107] = '\0';
    assert_int_equal(address_parse(path, NULL, &a, NULL), WEIR_OK);
    path[5 + 107] = 'p';
    path[5 + 108] = '\0';
    assert_int_equal(address_parse(path, NULL, &a, NULL), WEIR_CONFIG_VALUE);
    assert_int_equal(address_parse("localhost", NULL, &a, NULL), WEIR_CONFIG_VALUE);
}

static weir_status
listens(const char *tcp, const char *token, bool insecure, weir_error *err)
{
    server *s = NULL;
    weir_serve serve = { .tcp = tcp, .token = token, .insecure = insecure };
    assert_int_equal(server_open(NULL, &s, err), WEIR_OK);
    weir_status st = server_add(s, &serve, err);
    server_close(s);
    return st;
}

static void
a_public_address_needs_a_token_or_a_word(void **state)
{
    static const char *const open[] = { "0.0.0.0:0", "*:0", "[::]:0" };
    weir_error err = { 0 };
    for (size_t i = 0; i < WR_COUNT(open); i++) {
        assert_int_equal(listens(open[i], NULL, false, &err), WEIR_CONFIG_VALUE);
        assert_non_null(strstr(err.text, "has no token"));
        assert_non_null(strstr(err.hint, "insecure: true"));
        assert_int_equal(listens(open[i], "", false, &err), WEIR_CONFIG_VALUE);
    }
    assert_int_equal(listens("0.0.0.0:0", "s3cret", false, &err), WEIR_CONFIG_VALUE); /* it would go in the clear */
    assert_non_null(strstr(err.text, "has no tls"));
    assert_int_equal(listens("0.0.0.0:0", "s3cret", true, &err), WEIR_OK);
    assert_int_equal(listens("0.0.0.0:0", NULL, true, &err), WEIR_OK);
    assert_int_equal(listens("127.0.0.1:0", NULL, false, &err), WEIR_OK);
    assert_int_equal(listens("localhost:0", NULL, false, &err), WEIR_OK);
    assert_int_equal(listens("no.such.host.invalid:80", NULL, false, &err), WEIR_CONNECT);
}

static void
an_address_in_use_is_said_to_be(void **state)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof where;
    char text[64], path[128];
    weir_error err = { 0 };
    rig r;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, sizeof where), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&where, &length);
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(where.sin_port));
    assert_int_equal(listens(text, NULL, false, &err), WEIR_CONNECT);
    assert_non_null(strstr(err.text, "in use"));
    assert_non_null(strstr(err.hint, "another process listens there"));
    close(fd);
    rig_start(&r, NULL);
    assert_int_equal(listens(r.tcp, NULL, false, &err), WEIR_CONNECT); /* a live socket file */
    snprintf(path, sizeof path, "%s/none/x", r.tcp);
    assert_int_equal(listens(path, NULL, false, &err), WEIR_CONNECT);
    rig_stop(&r);
}

static void
a_socket_file_left_behind_is_replaced_and_nothing_else_is(void **state)
{
    char dir[] = "/tmp/weir-server-XXXXXX", text[64], *path = text + 5;
    weir_error err = { 0 };
    assert_non_null(mkdtemp(dir));
    snprintf(text, sizeof text, "unix:%s/s", dir);
    address a;
    struct sockaddr_storage where;
    assert_int_equal(address_parse(text, NULL, &a, NULL), WEIR_OK);
    socklen_t length = address_unix(&a, &where);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&where, length), 0);
    close(fd); /* as a killed process leaves it */
    assert_int_equal(listens(text, NULL, false, &err), WEIR_OK);
    assert_int_equal(access(path, F_OK), -1);
    FILE *f = fopen(path, "w");
    fclose(f);
    assert_int_equal(listens(text, NULL, false, &err), WEIR_CONNECT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void
the_same_address_is_shared_when_it_means_the_same(void **state)
{
    server *s = NULL;
    weir_error err = { 0 };
    weir_serve one = { .tcp = "127.0.0.1:0", .token = "a" },
               other = { .tcp = "127.0.0.1:0", .token = "b" },
               http = { .http = "127.0.0.1:0", .token = "a" };
    char token[300];
    assert_int_equal(server_open(NULL, &s, &err), WEIR_OK);
    assert_int_equal(server_add(s, &one, &err), WEIR_OK);
    assert_int_equal(server_add(s, &one, &err), WEIR_OK);
    assert_int_equal(server_add(s, &other, &err), WEIR_CONFIG_VALUE);
    assert_int_equal(server_add(s, &http, &err), WEIR_CONFIG_VALUE);
    memset(token, 't', sizeof token);
    token[sizeof token - 1] = '\0';
    weir_serve wide = { .tcp = "127.0.0.1:0", .token = token };
    assert_int_equal(server_add(s, &wide, &err), WEIR_CONFIG_VALUE);
    server_close(s);
    server_close(NULL);
}

static void
a_socket_file_is_its_owners_alone(void **state)
{
    struct stat info;
    rig r;
    rig_start(&r, NULL);
    assert_int_equal(stat(r.tcp + 5, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    rig_stop(&r);
}

/* ---- HTTP -------------------------------------------------------------------------------------
 */

#define HOST "Host: localhost\r\n"

typedef struct http_case {
    const char *ask;
    int status;
    const char *body; /* part of it */
} http_case;

static void
routes_answer(void **state)
{
    static const http_case cases[] = {
        { "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, "ok\n" },
        { "HEAD /healthz HTTP/1.1\r\n" HOST "\r\n", 200, "" },
        { "GET /readyz HTTP/1.1\r\n" HOST "\r\n", 200, "ready\n" },
        { "GET /version HTTP/1.1\r\n" HOST "\r\n", 200, "{\"version\":\"0.0.test\"}" },
        { "GET /metrics?x=1 HTTP/1.1\r\n" HOST "\r\n", 200, "weir_x 1\n" },
        { "GET http://a/metrics HTTP/1.1\r\n" HOST "\r\n", 200,
          "weir_http_requests_total{class=\"2xx\"} 5\n" },
        { "GET /api/v1/status HTTP/1.1\r\n" HOST "\r\n", 200, "{\"version\":\"0.0.test\"," },
        { "GET /api/v1/views/v/why HTTP/1.1\r\n" HOST "\r\n", 200, "{\"why\":\"p\"}" },
        { "GET /api/v1/views/p.v/why HTTP/1.1\r\n" HOST "\r\n", 200, "{\"why\":\"p\"}" },
        { "GET /api/v1/views/%76/explain HTTP/1.1\r\n" HOST "\r\n", 200, "{\"plan\":\"v\"}" },
        { "GET /api/v1/views/w/why HTTP/1.1\r\n" HOST "\r\n", 404,
          "\"hint\":[\"did you mean \\\"v\\\"?\"]" },
        { "GET /api/v1/views/a%2Fb/why HTTP/1.1\r\n" HOST "\r\n", 404,
          "no view is called \\\"a/b\\\"" },
        { "GET /api/v1/views//why HTTP/1.1\r\n" HOST "\r\n", 404, "nothing at this path" },
        { "GET /api/v1/views/%00/why HTTP/1.1\r\n" HOST "\r\n", 404, "nothing at this path" },
        { "GET /api/v1/views/v/why/ HTTP/1.1\r\n" HOST "\r\n", 404, "nothing at this path" },
        { "GET /healthz/ HTTP/1.1\r\n" HOST "\r\n", 404, "nothing at this path" },
        { "GET /../etc/passwd HTTP/1.1\r\n" HOST "\r\n", 404, "\"hint\":[\"GET /healthz" },
        { "GET / HTTP/1.1\r\n" HOST "\r\n", 404,
          "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404," },
        { "POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello", 405,
          "only GET and HEAD" },
        { "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405, "only GET and HEAD" },
        { "get /metrics HTTP/1.1\r\n" HOST "\r\n", 501, "the method is unknown" },
        { "GET /version HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200, "0.0.test" },
    };
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.http); /* one connection for all: each request leaves it in step */
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        char body[8192] = "";
        int status = wire_http(fd, cases[i].ask, body, sizeof body);
        if (status != cases[i].status || strstr(body, cases[i].body) == NULL)
            fail_msg("%s\n%d %s", cases[i].ask, status, body);
    }
    engine_set_state(WEIR_FAILED, "");
    char body[256];
    assert_int_equal(wire_http(fd, "GET /readyz HTTP/1.1\r\n" HOST "\r\n", body, sizeof body), 503);
    assert_string_equal(body, "pipeline p has failed\n");
    assert_int_equal(wire_http(fd, "GET /healthz HTTP/1.1\r\n" HOST "\r\n", body, sizeof body),
                     200);
    close(fd);
    rig_stop(&r);
}

static void
a_bad_head_is_answered_and_the_connection_closed(void **state)
{
    static const http_case cases[] = {
        { "GET / HTTP/1.1\n", 400, "CR LF" },
        { "GET / HTTP/1.1\r\n\r\n", 400, "Host is missing" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
          "exclude each other" },
        { "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411,
          "Content-Length" },
        { "POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999\r\n\r\n", 413, "1 MiB" },
        { "GET / HTTP/2.0\r\n\r\n", 505, "HTTP/1.1" },
        { "{\"op\":\"hello\"}\n", 400, "LF alone" },
    };
    rig r;
    rig_start(&r, NULL);
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        char body[2048] = "";
        int fd = wire_connect(r.http), status = wire_http(fd, cases[i].ask, body, sizeof body);
        if (status != cases[i].status || strstr(body, cases[i].body) == NULL)
            fail_msg("%s\n%d %s", cases[i].ask, status, body);
        assert_true(wire_closed(fd));
        close(fd);
    }
    rig_stop(&r);
}

static void
heads_carry_what_browsers_must_know(void **state)
{
    static const char *const want[] = {
        "content-type: text/plain; charset=utf-8\r",
        "content-length: 3\r",
        "connection: close\r",
        "cache-control: no-store\r",
        "x-content-type-options: nosniff\r",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'\r"
    };
    const char *line;
    uint32_t seen = 0;
    bool date = false;
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.http);
    wire_send(fd, "GET /healthz HTTP/1.0\r\n\r\n", 25);
    while ((line = wire_line(fd)) != NULL && strcmp(line, "\r") != 0) {
        for (size_t i = 0; i < WR_COUNT(want); i++)
            seen |= (uint32_t)(strcmp(line, want[i]) == 0) << i;
        date |= strncmp(line, "date: ", 6) == 0 && strstr(line, " GMT\r") != NULL;
    }
    assert_int_equal(seen, (1u << WR_COUNT(want)) - 1);
    assert_true(date);
    assert_string_equal(wire_line(fd), "ok");
    assert_true(wire_closed(fd)); /* HTTP/1.0 */
    close(fd);
    rig_stop(&r);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
    enum { MANY = 500 };
    wr_text all;
    rig r;
    rig_start(&r, NULL);
    wr_text_init(&all, NULL);
    for (int i = 0; i < MANY; i++)
        wr_text_puts(&all, i % 2 == 0 ? "GET /healthz HTTP/1.1\r\n" HOST "\r\n"
                                      : "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
    wr_text_puts(&all, "GET /version HTTP/1.1\r\n" HOST
                       "Connection: close\r\n\r\nGET /healthz HTTP/1.1\r\n" HOST "\r\n");
    int fd = wire_connect(r.http);
    wire_send(fd, wr_text_string(&all), all.length);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(wire_http(fd, "", NULL, 0), i % 2 == 0 ? 200 : 404);
    assert_int_equal(wire_http(fd, "", NULL, 0), 200);
    assert_true(wire_closed(fd)); /* and the one after close is not answered */
    wr_text_fini(&all);
    close(fd);
    rig_stop(&r);
}

static void
the_token_guards_all_but_healthz(void **state)
{
    static const http_case cases[] = {
        { "GET /healthz HTTP/1.1\r\n" HOST "\r\n", 200, "ok" },
        { "GET /metrics HTTP/1.1\r\n" HOST "\r\n", 401, "Bearer" },
        { "GET /readyz HTTP/1.1\r\n" HOST "\r\n", 401, "Bearer" },
        { "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 401, "Bearer" },
        { "GET /metrics HTTP/1.1\r\n" HOST "Authorization: Bearer wrong\r\n\r\n", 401, "" },
        { "GET /metrics HTTP/1.1\r\n" HOST "Authorization: Bearer s3cre\r\n\r\n", 401, "" },
        { "GET /metrics HTTP/1.1\r\n" HOST "Authorization: Bearer\r\n\r\n", 401, "" },
        { "GET /metrics HTTP/1.1\r\n" HOST "Authorization: Basic s3cret\r\n\r\n", 401, "" },
        { "GET /metrics HTTP/1.1\r\n" HOST "Authorization: bearer s3cret\r\n\r\n", 200,
          "weir_unauthorised_total 7\n" },
        { "GET /nothing HTTP/1.1\r\n" HOST "Authorization: Bearer s3cret\r\n\r\n", 404, "" },
    };
    rig r;
    rig_start(&r, "s3cret");
    int fd = wire_connect(r.http);
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        char body[8192] = "";
        int status = wire_http(fd, cases[i].ask, body, sizeof body);
        if (status != cases[i].status || strstr(body, cases[i].body) == NULL)
            fail_msg("%s\n%d %s", cases[i].ask, status, body);
    }
    close(fd);
    rig_stop(&r);
}

static void
a_head_may_come_a_byte_at_a_time(void **state)
{
    static const char ask[] = "GET /healthz HTTP/1.1\r\n" HOST "\r\n";
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.http);
    for (size_t i = 0; i < sizeof ask - 1; i++) {
        wire_send(fd, &ask[i], 1);
        usleep(300);
    }
    assert_int_equal(wire_http(fd, "", NULL, 0), 200);
    close(fd);
    rig_stop(&r);
}

/* ---- many -------------------------------------------------------------------------------------
 */

static void
clients_beyond_the_limit_are_turned_away_and_others_served(void **state)
{
    enum { ROOM = 1024, MORE = 10 };
    static int fds[ROOM + MORE];
    struct rlimit limit;
    rig r;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = WR_MAX(limit.rlim_cur, 3 * ROOM);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    rig_start(&r, NULL);
    for (int i = 0; i < ROOM; i++)
        fds[i] = wire_connect(r.tcp);
    wire_say(fds[ROOM - 1], "{\"op\":\"ping\"}");
    assert_string_equal(line_of(fds[ROOM - 1]), "{\"op\":\"pong\"}");
    for (int i = ROOM; i < ROOM + MORE; i++) {
        fds[i] = wire_connect(r.tcp);
        assert_true(wire_closed(fds[i]));
    }
    for (int i = 1; i < ROOM + MORE; i++)
        close(fds[i]);
    wire_say(fds[0], "{\"op\":\"ping\"}");
    assert_string_equal(line_of(fds[0]), "{\"op\":\"pong\"}");
    close(fds[0]);
    rig_stop(&r);
}

static void
a_client_beyond_the_descriptors_is_turned_away(void **state)
{
    enum { MANY = 4 };
    int fds[MANY];
    struct rlimit before, low;
    rig r;
    rig_start(&r, NULL);
    for (int i = 0; i < MANY; i++)
        fds[i] = socket(AF_UNIX, SOCK_STREAM, 0);
    address a;
    struct sockaddr_storage where;
    assert_int_equal(address_parse(r.tcp, NULL, &a, NULL), WEIR_OK);
    socklen_t length = address_unix(&a, &where);
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = (rlim_t)fds[MANY - 1] + 1; /* none is left */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(connect(fds[i], (struct sockaddr *)&where, length), 0);
    for (int i = 0; i < MANY; i++)
        assert_true(wire_closed(fds[i]));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"ping\"}");
    assert_string_equal(line_of(fd), "{\"op\":\"pong\"}");
    close(fd);
    rig_stop(&r);
}

static void
a_server_that_never_started_closes(void **state)
{
    server *s = NULL;
    weir_error err = { 0 };
    assert_int_equal(server_open(NULL, &s, &err), WEIR_OK);
    server_close(s);
}

WR_TESTS = {
    WR_TEST(addresses_are_read),
    WR_TEST(a_public_address_needs_a_token_or_a_word),
    WR_TEST(an_address_in_use_is_said_to_be),
    WR_TEST(a_socket_file_left_behind_is_replaced_and_nothing_else_is),
    WR_TEST(the_same_address_is_shared_when_it_means_the_same),
    WR_TEST(a_socket_file_is_its_owners_alone),
    WR_TEST(routes_answer),
    WR_TEST(a_bad_head_is_answered_and_the_connection_closed),
    WR_TEST(heads_carry_what_browsers_must_know),
    WR_TEST(pipelined_requests_are_answered_in_order),
    WR_TEST(the_token_guards_all_but_healthz),
    WR_TEST(a_head_may_come_a_byte_at_a_time),
    WR_TEST(clients_beyond_the_limit_are_turned_away_and_others_served),
    WR_TEST(a_client_beyond_the_descriptors_is_turned_away),
    WR_TEST(a_server_that_never_started_closes),
    { NULL, NULL },
};
