/* SPDX-License-Identifier: Apache-2.0 */
/* tcp_test.c -- connector/tcp.c: T1..T3, framing, limits, shards, connecting. */
#include "support/lanes.h"
#include "support/test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

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

static int
connect_to(int port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *) &where, sizeof where), 0);
    return fd;
}

static void
send_text(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, text, n, MSG_NOSIGNAL);
        assert_true(done > 0);
        text += done;
        n -= (size_t) done;
    }
}
#define SEND(fd, text) send_text(fd, text, sizeof(text) - 1)

static bool
first_ended(wr_lanes *l)
{
    return l->lane_count > 0 && l->lanes[0].ended;
}

static bool
both_ended(wr_lanes *l)
{
    return l->lane_count == 2 && l->lanes[0].ended && l->lanes[1].ended;
}

static bool
first_holds(wr_lanes *l)
{
    return l->lane_count > 0 && !l->lanes[0].caught_up;
}

static bool
failed_to_connect(wr_lanes *l)
{
    return l->ctx.error.code == WEIR_CONNECT;
}

static int watched;

static bool
watched_is_closed(wr_lanes *l)
{
    char byte;
    return recv(watched, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool
first_caught_up(wr_lanes *l)
{
    return l->lane_count > 0 && l->lanes[0].caught_up;
}

static void
lines_become_rows(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", 0);
    int a = connect_to(port_of(&l)), b = connect_to(port_of(&l));
    SEND(a, "{\"a\":1}\n{\"a\":");
    SEND(b, "{\"a\":10}\nbad\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    wr_lanes_run(&l, 20, NULL);
    SEND(a, "2}\n{\"a\":3}"); /* an orderly end ends the last record */
    close(a);
    close(b);
    assert_true(wr_lanes_run_rows(&l, 5000, 5));
    assert_true(wr_lanes_run(&l, 5000, both_ended));
    int first = strncmp(wr_lanes_rows(&l, 0), "1\n", 2) == 0 ? 0 : 1;
    assert_string_equal(wr_lanes_rows(&l, first), "1\n2\n3\n");
    assert_string_equal(wr_lanes_rows(&l, 1 - first), "10\n");
    assert_int_equal(wr_lanes_lane(&l, 1 - first)->bad_count, 1);
    /* the places are free again */
    a = connect_to(port_of(&l));
    SEND(a, "{\"a\":4}\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 6));
    assert_int_equal(l.lane_count, 2);
    close(a);
    wr_lanes_close(&l);
}

static void
a_byte_at_a_time(void **state) /* T1 */
{
    static const char text[] = "{\"a\":1}\n{\"a\":22}\n\n{\"a\":333}\n";
    wr_lanes          l;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", 0);
    int fd = connect_to(port_of(&l));
    for (size_t i = 0; i + 1 < sizeof text; i++) {
        send_text(fd, text + i, 1);
        wr_lanes_run(&l, 2, NULL);
    }
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n22\n333\n");
    assert_true(wr_lanes_run(&l, 1000, first_caught_up));
    close(fd);
    wr_lanes_close(&l);
}

static void
messages_have_a_length(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0; framing=length", "json", "a int8", 0);
    int fd = connect_to(port_of(&l));
    SEND(fd, "\0\0\0\x07{\"a\":1}\0\0\0\x10{\"a\":2}\n{\"a\":3}\n\0\0");
    assert_true(wr_lanes_run_rows(&l, 5000, 3));
    SEND(fd, "\0\x03" "bad" "\0\0\0\0" "\0\0\0\x07{\"a\":4}");
    assert_true(wr_lanes_run_rows(&l, 5000, 6));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n3\n4\n");
    assert_string_equal(wr_lanes_bad(&l, 0), "3001 invalid JSON at byte 0: expected a value <bad>\n"
                                             "3001 an empty message <>\n");
    SEND(fd, "\0\0\0\x07{\"a\"");
    close(fd);
    assert_true(wr_lanes_run_rows(&l, 5000, 7));
    assert_non_null(strstr(wr_lanes_bad(&l, 0), "the connection ends inside a message"));
    wr_lanes_close(&l);
}

static void
huge_length_ends_the_connection(void **state) /* T2 */
{
    wr_lanes l;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0; framing=length; message_max=64B", "json", "a int8", 0);
    int fd = connect_to(port_of(&l));
    SEND(fd, "\0\0\0\x07{\"a\":1}\xff\xff\xff\xff garbage");
    assert_true(wr_lanes_run(&l, 5000, first_ended));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n");
    assert_string_equal(wr_lanes_bad(&l, 0),
                        "3007 a message of 4294967295 bytes is declared, 64 are allowed < garbage>\n");
    close(fd);
    wr_lanes_close(&l);
}

static void
broken_connection_breaks_its_record(void **state) /* T3 */
{
    wr_lanes      l;
    struct linger hard = { .l_onoff = 1, .l_linger = 0 };
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "csv", "a int8", 0);
    int fd = connect_to(port_of(&l));
    SEND(fd, "1\n23");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    assert_true(wr_lanes_run(&l, 1000, first_caught_up));
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* RST */
    close(fd);
    assert_true(wr_lanes_run(&l, 5000, first_ended));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n");
    assert_string_equal(wr_lanes_bad(&l, 0), "3001 the connection broke inside a record <23>\n");
    wr_lanes_close(&l);
}

static void
long_line_is_a_bad_record(void **state)
{
    wr_lanes l;
    char     junk[4096];
    memset(junk, 'x', sizeof junk);
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", 0);
    int fd = connect_to(port_of(&l));
    for (int i = 0; i < 700; i++) { /* 2.8 MB without a newline */
        send_text(fd, junk, sizeof junk);
        wr_lanes_run(&l, 1, NULL);
    }
    SEND(fd, "\n{\"a\":1}\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n");
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 1);
    close(fd);
    wr_lanes_close(&l);
}

static void
no_room_stops_reading(void **state)
{
    wr_lanes l;
    wr_text  text;
    enum { ROWS = 20000 };
    wr_text_init(&text, NULL);
    for (int i = 0; i < ROWS; i++)
        wr_text_printf(&text, "{\"a\":%d}\n", i);
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", 0);
    int fd = connect_to(port_of(&l));
    send_text(fd, wr_text_string(&text), text.length);
    close(fd);
    while (wr_lanes_row_count(&l) < ROWS) {
        l.room = 1777;
        wr_lanes_run_rows(&l, 1000, ROWS);
    }
    l.room = -1;
    assert_true(wr_lanes_run(&l, 5000, first_ended));
    assert_int_equal(wr_lanes_row_count(&l), ROWS);
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 0);
    wr_text_fini(&text);
    wr_lanes_close(&l);
}

static void
connections_are_limited(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0; connections=2", "json", "a int8", 0);
    int fds[3];
    for (int i = 0; i < 3; i++)
        fds[i] = connect_to(port_of(&l));
    watched = fds[2];
    assert_true(wr_lanes_run(&l, 5000, watched_is_closed));
    SEND(fds[0], "{\"a\":1}\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    wr_lanes_close(&l);
}

static void
silent_connections_are_closed(void **state)
{
    wr_lanes l;
    char     byte;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0; idle=50ms", "json", "a int8", 0);
    int fd = connect_to(port_of(&l));
    assert_true(wr_lanes_run(&l, 5000, first_ended));
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    close(fd);
    wr_lanes_close(&l);
}

static void
shards_share_the_connections(void **state)
{
    static const char settings[] = "listen=127.0.0.1:0";
    wr_lanes          a, b;
    int               fds[6];
    char              text[32];
    wr_lanes_open(&a, "tcp", settings, "json", "a int8", WR_LANES_FIRST_OF_TWO);
    wr_lanes_open_beside(&b, &a, settings, "a int8");
    for (int i = 0; i < 6; i++) {
        fds[i] = connect_to(port_of(&a));
        send_text(fds[i], text, (size_t) snprintf(text, sizeof text, "{\"a\":%d}\n", i));
    }
    for (int i = 0; i < 200 && wr_lanes_row_count(&a) + wr_lanes_row_count(&b) < 6; i++) {
        wr_lanes_run(&a, 5, NULL);
        wr_lanes_run(&b, 5, NULL);
    }
    assert_int_equal(wr_lanes_row_count(&a), 3);
    assert_int_equal(wr_lanes_row_count(&b), 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(a.lanes[i].partition % 2, 0);
        assert_int_equal(b.lanes[i].partition % 2, 1);
    }
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    wr_lanes_close(&b);
    wr_lanes_close(&a);
}

static void
once_ends_with_the_last_connection(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", WR_LANES_BOUNDED);
    assert_false(wr_lanes_run(&l, 20, NULL));
    int fd = connect_to(port_of(&l));
    SEND(fd, "{\"a\":1}\n{\"a\":2}");
    close(fd);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n");
    wr_lanes_close(&l);
}

/* A server of the test's own. */
static int
server_make(int *port)
{
    struct sockaddr_in where = { .sin_family = AF_INET, .sin_port = htons((uint16_t) *port) };
    socklen_t          length = sizeof where;
    int                on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(fd, (struct sockaddr *) &where, sizeof where), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *) &where, &length), 0);
    *port = ntohs(where.sin_port);
    return fd;
}

static void
connects_and_comes_back(void **state)
{
    wr_lanes l;
    int      port = 0, server = server_make(&port);
    char     settings[64];
    snprintf(settings, sizeof settings, "connect=127.0.0.1:%d", port);
    close(server);
    wr_lanes_open(&l, "tcp", settings, "json", "a int8", 0);
    assert_true(wr_lanes_run(&l, 5000, failed_to_connect)); /* nobody is there */
    assert_false(wr_lanes_lane(&l, 0)->caught_up);
    server = server_make(&port);
    for (int round = 0; round < 2; round++) {
        int fd = -1;
        for (int i = 0; i < 500 && fd < 0; i++) {
            struct pollfd p = { .fd = server, .events = POLLIN };
            wr_lanes_run(&l, 10, NULL);
            if (poll(&p, 1, 0) == 1)
                fd = accept(server, NULL, NULL);
        }
        assert_true(fd >= 0);
        SEND(fd, "{\"a\":1}\n");
        assert_true(wr_lanes_run_rows(&l, 5000, (uint32_t) round + 1));
        assert_true(wr_lanes_run(&l, 1000, first_caught_up));
        close(fd);
        assert_true(wr_lanes_run(&l, 5000, first_holds)); /* the watermark, meanwhile */
        assert_false(wr_lanes_lane(&l, 0)->ended);
    }
    assert_string_equal(wr_lanes_rows(&l, 0), "1\n1\n");
    close(server);
    wr_lanes_close(&l);
}

/* The one connection that is waiting, within some seconds. */
static int
server_accept(int server, wr_lanes *l)
{
    int fd = -1;
    for (int i = 0; i < 500 && fd < 0; i++) {
        struct pollfd p = { .fd = server, .events = POLLIN };
        wr_lanes_run(l, 10, NULL);
        if (poll(&p, 1, 0) == 1)
            fd = accept(server, NULL, NULL);
    }
    assert_true(fd >= 0);
    return fd;
}

/* A connection begins with a header, whatever the one before it began with. */
static void
each_connection_has_its_header(void **state)
{
    wr_lanes l;
    int      port = 0, server = server_make(&port);
    char     settings[64];
    snprintf(settings, sizeof settings, "connect=127.0.0.1:%d", port);
    wr_lanes_open(&l, "tcp", settings, "csv; header=true", "a int8, b int8", 0);
    int fd = server_accept(server, &l);
    SEND(fd, "a,b\n1,2\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    close(fd);
    fd = server_accept(server, &l);
    SEND(fd, "b,a\n4,3\n");
    assert_true(wr_lanes_run_rows(&l, 5000, 2));
    assert_string_equal(wr_lanes_rows(&l, 0), "1|2\n3|4\n");
    assert_int_equal(wr_lanes_lane(&l, 0)->bad_count, 0);
    close(fd);
    close(server);
    wr_lanes_close(&l);
}

/* A server that closes whatever comes is not asked again and again without a pause. */
static void
a_server_that_hangs_up_is_left_alone_for_a_while(void **state)
{
    wr_lanes l;
    int      port = 0, server = server_make(&port), count = 0;
    char     settings[64];
    snprintf(settings, sizeof settings, "connect=127.0.0.1:%d", port);
    wr_lanes_open(&l, "tcp", settings, "json", "a int8", 0);
    int64_t until = wr_clock_monotonic(l.ctx.clock) + 1000000;
    while (wr_clock_monotonic(l.ctx.clock) < until) {
        struct pollfd p = { .fd = server, .events = POLLIN };
        wr_lanes_run(&l, 1, NULL);
        if (poll(&p, 1, 0) == 1) {
            close(accept(server, NULL, NULL));
            count++;
        }
    }
    assert_in_range(count, 1, 15);
    close(server);
    wr_lanes_close(&l);
}

static uint32_t polls;

static bool
count_polls(wr_lanes *l)
{
    polls++;
    return false;
}

/* No descriptor is left for who waits to be accepted: that is tried again before long, not all the time. */
static void
without_descriptors_accepting_waits(void **state)
{
    wr_lanes      l;
    struct rlimit limit, low;
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", 0);
    assert_false(wr_lanes_run(&l, 20, NULL));
    int fd = connect_to(port_of(&l)), free_fd = dup(fd);
    SEND(fd, "{\"a\":1}\n");
    close(free_fd);
    getrlimit(RLIMIT_NOFILE, &limit);
    low = limit;
    low.rlim_cur = (rlim_t) free_fd;
    setrlimit(RLIMIT_NOFILE, &low);
    polls = 0;
    assert_false(wr_lanes_run(&l, 500, count_polls));
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_in_range(polls, 1, 2000);
    assert_true(wr_lanes_run_rows(&l, 5000, 1));
    close(fd);
    wr_lanes_close(&l);
}

static void
bad_settings_are_refused(void **state)
{
    static const char *const wrong[] = { "", "listen=1:2; connect=1:2", "listen=nowhere", "listen=x:99999",
                                         "listen=::1:80", "listen=[::1:80", "connect=:80", "listen=host:12x" };
    wr_lanes   l;
    weir_error err;
    for (size_t i = 0; i < WR_COUNT(wrong); i++) {
        if (wr_lanes_try(&l, "tcp", wrong[i], "json", "a int8", 0, &err) == WEIR_OK)
            fail_msg("\"%s\" was taken", wrong[i]);
        wr_lanes_close(&l);
    }
    wr_lanes_open(&l, "tcp", "listen=127.0.0.1:0", "json", "a int8", 0);
    char again[64];
    snprintf(again, sizeof again, "listen=127.0.0.1:%d", port_of(&l));
    wr_lanes m;
    m.first = NULL;
    assert_int_equal(wr_lanes_try(&m, "tcp", again, "json", "a int8", 0, &err), WEIR_CONNECT);
    assert_non_null(strstr(err.text, "Address already in use"));
    wr_lanes_close(&m);
    wr_lanes_close(&l);
}

WR_TESTS = {
    WR_TEST(lines_become_rows),
    WR_TEST(a_byte_at_a_time),
    WR_TEST(messages_have_a_length),
    WR_TEST(huge_length_ends_the_connection),
    WR_TEST(broken_connection_breaks_its_record),
    WR_TEST(long_line_is_a_bad_record),
    WR_TEST(no_room_stops_reading),
    WR_TEST(connections_are_limited),
    WR_TEST(silent_connections_are_closed),
    WR_TEST(shards_share_the_connections),
    WR_TEST(once_ends_with_the_last_connection),
    WR_TEST(connects_and_comes_back),
    WR_TEST(each_connection_has_its_header),
    WR_TEST(a_server_that_hangs_up_is_left_alone_for_a_while),
    WR_TEST(without_descriptors_accepting_waits),
    WR_TEST(bad_settings_are_refused),
    { NULL, NULL },
};
