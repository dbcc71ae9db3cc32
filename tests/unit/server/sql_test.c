/* SPDX-License-Identifier: Apache-2.0 */
/* sql_test.c -- explain of a client's statement over the wire (server/sql.c): answers, places, the queue, clients that go. */
#include "support/test.h"

#include "rig.h"

#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static void
a_statement_is_explained(void **state)
{
    rig r;
    (void)state;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"explain\",\"id\":3,\"sql\":\"SELECT 1\"}");
    EXPECT(fd, "{\"id\":3,\"op\":\"result\",\"text\":\"plan of p\\n\"}");
    wire_say(fd, "{\"op\":\"explain\",\"sql\":\"SELECT 1\",\"json\":true,\"pipeline\":\"p\"}");
    EXPECT(fd, "{\"op\":\"result\",\"json\":{\"plan\":\"p\"}}");
    wire_say(fd, "{\"op\":\"explain\",\"id\":4,\"sql\":\"SELECT x\"}");
    EXPECT(fd, "{\"id\":4,\"op\":\"error\",\"code\":\"QUERY_SYNTAX\",\"text\":\"syntax error at or "
               "near \\\"SELECT x\\\"\","
               "\"line\":1,\"column\":8,\"hint\":\"write SELECT 1\"}");
    wire_say(fd, "{\"op\":\"metrics\"}");
    const char *metrics = line_of(fd);
    assert_non_null(strstr(metrics, "weir_client_sql_total 3\\n"));
    assert_non_null(strstr(metrics, "weir_client_sql_refused_total 1\\n"));
    assert_non_null(strstr(metrics, "weir_parser_starts_total 0\\n"));
    close(fd);
    rig_stop(&r);
}

static void
wrong_requests_are_answered(void **state)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        { "{\"op\":\"explain\",\"sql\":7}", "needs a view, or sql" },
        { "{\"op\":\"explain\",\"sql\":\"SELECT 1\",\"view\":\"v\"}", "needs a view, or sql" },
        { "{\"op\":\"explain\",\"sql\":\"SELECT 1\",\"pipeline\":\"z\"}",
          "no pipeline is called \\\"z\\\"" },
        { "{\"op\":\"explain\",\"sql\":\"SELECT 1\"}", "several pipelines run here" },
    };
    rig r;
    wr_text text;
    (void)state;
    rig_start(&r, NULL);
    engine_two_pipelines();
    int fd = wire_connect(r.tcp);
    for (size_t i = 0; i < WR_COUNT(cases); i++) {
        wire_say(fd, cases[i].request);
        assert_non_null(strstr(line_of(fd), cases[i].answer));
    }
    wr_text_init(&text, NULL);
    wr_text_puts(&text, "{\"op\":\"explain\",\"pipeline\":\"q\",\"sql\":\"");
    for (int i = 0; i < 65537; i++)
        wr_text_putc(&text, 'x');
    wr_text_puts(&text, "\"}");
    wire_say(fd, wr_text_string(&text));
    assert_non_null(strstr(line_of(fd), "the statement has 65537 bytes; the limit is 65536"));
    wr_text_fini(&text);
    wire_say(fd, "{\"op\":\"explain\",\"pipeline\":\"q\",\"sql\":\"SELECT 1\"}");
    EXPECT(fd, "{\"op\":\"result\",\"text\":\"plan of q\\n\"}");
    close(fd);
    rig_stop(&r);
}

static void
they_wait_for_one_another_and_hold_nobody_up(void **state)
{
    rig r;
    (void)state;
    rig_start(&r, NULL);
    int a = wire_connect(r.tcp), b = wire_connect(r.tcp), c = wire_connect(r.tcp),
        d = wire_connect(r.tcp);
    wire_say(a, "{\"op\":\"explain\",\"id\":1,\"sql\":\"SLOW\"}");
    wire_say(a, "{\"op\":\"ping\",\"id\":2}");
    usleep(50 * 1000);
    wire_say(b, "{\"op\":\"explain\",\"sql\":\"SLOW\"}");
    wire_say(c, "{\"op\":\"explain\",\"sql\":\"SELECT 1\"}");
    usleep(50 * 1000);
    close(b); /* while it waits */
    wire_say(d, "{\"op\":\"ping\"}");
    EXPECT(d, "{\"op\":\"pong\"}");
    EXPECT(a, "{\"id\":1,\"op\":\"result\",\"text\":\"slow of p\\n\"}");
    EXPECT(a, "{\"id\":2,\"op\":\"pong\"}");
    EXPECT(c, "{\"op\":\"result\",\"text\":\"plan of p\\n\"}");
    wire_say(a, "{\"op\":\"explain\",\"sql\":\"SLOW\"}");
    wire_say(c, "{\"op\":\"explain\",\"sql\":\"SLOW\"}");
    usleep(50 * 1000);
    close(a); /* while it is under way */
    close(d);
    rig_stop(&r); /* with one under way and one that waits */
    close(c);
}

static void
without_the_token_no_statement_is_looked_at(void **state)
{
    rig r;
    (void)state;
    rig_start(&r, "secret");
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"explain\",\"sql\":\"SELECT 1\"}");
    assert_non_null(strstr(line_of(fd), "AUTH"));
    assert_true(wire_closed(fd));
    close(fd);
    fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"hello\",\"token\":\"secret\"}");
    assert_non_null(strstr(line_of(fd), "welcome"));
    wire_say(fd, "{\"op\":\"explain\",\"sql\":\"SELECT 1\"}");
    EXPECT(fd, "{\"op\":\"result\",\"text\":\"plan of p\\n\"}");
    close(fd);
    rig_stop(&r);
}

WR_TESTS = { WR_TEST(a_statement_is_explained),
             WR_TEST(wrong_requests_are_answered),
             WR_TEST(they_wait_for_one_another_and_hold_nobody_up),
             WR_TEST(without_the_token_no_statement_is_looked_at),
             { NULL, NULL } };
