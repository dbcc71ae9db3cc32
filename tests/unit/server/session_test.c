/* SPDX-License-Identifier: Apache-2.0 */
/* session_test.c -- requests and answers on the wire: JSON lines, MessagePack frames, hostile
 * clients, pushes. */
#include "rig.h"
#include "server/request.h"
#include "support/test.h"

#include <stdio.h>
#include <unistd.h>

/* ---- requests ---------------------------------------------------------------------------------
 */

static void
hello_is_welcomed_and_ping_answered(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"hello\"}");
    EXPECT(fd, "{\"op\":\"welcome\",\"version\":1,\"server\":\"0.0.test\",\"max_frame\":4194304}");
    wire_say(fd, "\r\n  \n{\"id\":-9007199254740992,\"op\":\"ping\"}\r");
    EXPECT(fd, "{\"id\":-9007199254740992,\"op\":\"pong\"}");
    close(fd);
    rig_stop(&r);
}

static void
wrong_requests_are_answered_and_the_session_goes_on(void **state)
{
    static const struct {
        const char *ask, *answer;
    } rows[] = {
        { "{\"op\":\"sub\"", "\"code\":\"USAGE\",\"text\":\"the object does not end\"" },
        { "{}", "\"text\":\"a request has an `op`\"" },
        { "{\"op\":7}", "\"text\":\"a request has an `op`\"" },
        { "{\"op\":\"dance\",\"id\":3}", "{\"id\":3,\"op\":\"error\",\"code\":\"USAGE\",\"text\":"
                                         "\"there is no op \\\"dance\\\"\",\"hint\":\"hello, sub," },
        { "{\"op\":\"ping\",\"id\":1.5}", "an id is a whole number" },
        { "{\"op\":\"ping\",\"id\":1e300}", "an id is a whole number" },
        { "{\"op\":\"ping\",\"id\":\"7\"}", "an id is a whole number" },
        { "{\"op\":\"sub\",\"view\":\"v\"}", "sub needs an id" },
        { "{\"op\":\"sub\",\"id\":1}", "sub needs an id" },
        { "{\"op\":\"sub\",\"id\":1,\"view\":7}", "sub needs an id" },
        { "{\"op\":\"sub\",\"id\":1,\"view\":\"w\"}",
          "\"code\":\"QUERY_NO_RELATION\",\"text\":\"no source or view is called "
          "\\\"w\\\"\",\"hint\":\"did you mean" },
        { "{\"op\":\"sub\",\"id\":1,\"view\":\"out\"}", "QUERY_NO_RELATION" },
        { "{\"op\":\"sub\",\"id\":1,\"view\":\"v\",\"cursor\":\"x9\"}", "SNAPSHOT_REQUIRED" },
        { "{\"op\":\"credit\",\"id\":1,\"n\":5}", "credit needs the id of a subscription" },
        { "{\"op\":\"unsub\",\"id\":1}", "there is no subscription of that id" },
        { "{\"op\":\"push\",\"id\":1}", "push needs a source" },
        { "{\"op\":\"push\",\"id\":1,\"source\":\"in\",\"rows\":{}}", "push needs a source" },
        { "{\"op\":\"push\",\"id\":1,\"source\":\"in\",\"rows\":7}", "push needs a source" },
        { "{\"op\":\"push\",\"id\":1,\"source\":\"v\",\"rows\":[]}", "QUERY_NO_RELATION" },
        { "{\"op\":\"why\"}", "why needs a view" },
        { "{\"op\":\"why\",\"view\":\"w\"}", "QUERY_NO_RELATION" },
        { "{\"op\":\"explain\"}", "explain needs a view" },
        { "{\"op\":\"checkpoint\",\"pipeline\":\"z\"}", "no pipeline is called" },
        { "\xff", "" }, /* taken for the start of a line: JSON was spoken before */
    };
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        wire_say(fd, rows[i].ask);
        const char *line = line_of(fd);
        if (strstr(line, "\"op\":\"error\"") == NULL || strstr(line, rows[i].answer) == NULL)
            fail_msg("%s: %s", rows[i].ask, line);
    }
    wire_say(fd, "{\"op\":\"ping\"}");
    EXPECT(fd, "{\"op\":\"pong\"}");
    close(fd);
    rig_stop(&r);
}

static void
looking_in(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"why\",\"id\":1,\"view\":\"v\"}");
    EXPECT(fd, "{\"id\":1,\"op\":\"result\",\"text\":\"why of p\\n\"}");
    wire_say(fd, "{\"op\":\"why\",\"view\":\"p.v\",\"json\":true}");
    EXPECT(fd, "{\"op\":\"result\",\"json\":{\"why\":\"p\"}}");
    wire_say(fd, "{\"op\":\"explain\",\"view\":\"v\"}");
    EXPECT(fd, "{\"op\":\"result\",\"text\":\"plan of v\\n\"}");
    wire_say(fd, "{\"op\":\"status\"}");
    EXPECT(fd, "{\"op\":\"result\",\"json\":{\"version\":\"0.0.test\",\"pipelines\":[]}}");
    wire_say(fd, "{\"op\":\"metrics\"}");
    const char *line = line_of(fd);
    assert_non_null(strstr(line, "weir_x 1\\n"));
    assert_non_null(strstr(line, "weir_connections 1\\n"));
    close(fd);
    rig_stop(&r);
}

static void
a_view_of_two_pipelines_must_be_named_in_full(void **state)
{
    rig r;
    rig_start(&r, NULL);
    engine_two_pipelines();
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"why\",\"view\":\"v\"}");
    assert_non_null(strstr(line_of(fd), "QUERY_AMBIGUOUS"));
    wire_say(fd, "{\"op\":\"why\",\"view\":\"q.v\"}");
    EXPECT(fd, "{\"op\":\"result\",\"text\":\"why of q\\n\"}");
    close(fd);
    rig_stop(&r);
}

static void
requests_may_come_a_byte_at_a_time_or_many_at_once(void **state)
{
    static const char one[] = "{\"op\":\"ping\",\"id\":1}\n";
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    for (size_t i = 0; i < sizeof one - 1; i++) {
        wire_send(fd, &one[i], 1);
        usleep(500);
    }
    EXPECT(fd, "{\"id\":1,\"op\":\"pong\"}");
    enum { MANY = 5000 };
    wr_text all;
    wr_text_init(&all, NULL);
    for (int i = 0; i < MANY; i++)
        wr_text_printf(&all, "{\"op\":\"ping\",\"id\":%d}\n", i);
    wire_send(fd, wr_text_string(&all), all.length);
    for (int i = 0; i < MANY; i++) {
        char want[64];
        snprintf(want, sizeof want, "{\"id\":%d,\"op\":\"pong\"}", i);
        EXPECT(fd, want);
    }
    wr_text_fini(&all);
    close(fd);
    rig_stop(&r);
}

static void
checkpoint_is_answered_when_durable_and_holds_nobody_up(void **state)
{
    rig r;
    rig_start(&r, NULL);
    engine_hold(true);
    int a = wire_connect(r.tcp), b = wire_connect(r.tcp);
    wire_say(a, "{\"op\":\"checkpoint\",\"id\":4}");
    wire_say(a, "{\"op\":\"ping\",\"id\":5}");
    assert_true(engine_begins_checkpoint(1));
    wire_say(b, "{\"op\":\"ping\"}");
    EXPECT(b, "{\"op\":\"pong\"}");
    wire_say(b, "{\"op\":\"checkpoint\",\"id\":1}");
    assert_non_null(strstr(line_of(b), "a checkpoint is being taken"));
    assert_true(wire_silent(a, 50));
    engine_hold(false);
    EXPECT(a, "{\"id\":4,\"op\":\"result\",\"text\":\"the checkpoint is durable\"}");
    EXPECT(a, "{\"id\":5,\"op\":\"pong\"}");
    engine_hold(true);
    wire_say(a, "{\"op\":\"checkpoint\",\"id\":6}");
    assert_true(engine_begins_checkpoint(2));
    close(a); /* before the answer */
    wire_say(b, "{\"op\":\"ping\"}");
    EXPECT(b, "{\"op\":\"pong\"}");
    engine_hold(false);
    close(b);
    rig_stop(&r);
}

enum { WIDE = 1 << 20 };

/* ---- hostile ----------------------------------------------------------------------------------
 */

static void
a_line_that_never_ends_is_cut_at_four_megabytes(void **state)
{
    char *bytes = wr_alloc(NULL, WIDE);
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    memset(bytes, ' ', WIDE);
    bytes[0] = '{';
    for (int i = 0; i < 5; i++)
        wire_send(fd, bytes, WIDE);
    EXPECT(fd, "{\"op\":\"error\",\"code\":\"LIMIT\",\"text\":\"a frame is longer than 4 MiB\"}");
    assert_true(wire_closed(fd));
    close(fd);
    wr_free(bytes);
    rig_stop(&r);
}

static void
another_protocol_is_told_where_it_is(void **state)
{
    char bytes[7];
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    wire_send(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    EXPECT(fd, "HTTP/1.1 400 Bad Request\r");
    assert_true(wire_closed(fd));
    close(fd);
    fd = wire_connect(r.tcp);
    wire_send(fd, "\x16\x03\x01\x02\x00\x01\x00", 7);
    assert_true(wire_read(fd, bytes, 7));
    assert_memory_equal(bytes, "\x15\x03\x03\x00\x02\x02\x28",
                        7); /* an alert that TLS libraries understand */
    assert_true(wire_closed(fd));
    close(fd);
    rig_stop(&r);
}

static void
without_the_token_nothing_is_answered(void **state)
{
    static const char *const first[] = {
        "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}",
        "{\"op\":\"ping\"}",
        "{}",
        "{\"op\":\"hello\"}",
        "{\"op\":\"hello\",\"token\":\"s3cre\"}",
        "{\"op\":\"hello\",\"token\":\"s3crets\"}",
        "{\"op\":\"hello\",\"token\":\"\"}",
        "{\"op\":\"hello\",\"token\":7}",
    };
    rig r;
    rig_start(&r, "s3cret");
    for (size_t i = 0; i < WR_COUNT(first); i++) {
        int fd = wire_connect(r.tcp);
        wire_say(fd, first[i]);
        assert_non_null(strstr(line_of(fd), "\"code\":\"AUTH\""));
        assert_true(wire_closed(fd));
        close(fd);
    }
    int fd = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"hello\",\"token\":\"s3cret\"}");
    assert_non_null(strstr(line_of(fd), "welcome"));
    wire_say(fd, "{\"op\":\"ping\"}");
    EXPECT(fd, "{\"op\":\"pong\"}");
    close(fd);
    rig_stop(&r);
}

static void
before_the_token_frames_are_small(void **state)
{
    char *bytes = wr_alloc(NULL, WIDE);
    rig r;
    rig_start(&r, "s3cret");
    memset(bytes, ' ', WIDE);
    bytes[0] = '{';
    int fd = wire_connect(r.tcp);
    wire_send(fd, bytes, WIDE);
    EXPECT(fd, "{\"op\":\"error\",\"code\":\"LIMIT\",\"text\":\"a frame before hello is longer "
               "than 64 KiB\"}");
    assert_true(wire_closed(fd));
    close(fd);
    wr_free(bytes);
    rig_stop(&r);
}

/* ---- MessagePack ------------------------------------------------------------------------------
 */

static void
messagepack_has_the_same_messages(void **state)
{
    wr_arena arena;
    request m;
    int64_t id;
    rig r;
    rig_start(&r, NULL);
    wr_arena_init(&arena, NULL);
    int fd = wire_connect(r.tcp);
    for (size_t i = 0; i < pack_sub_bytes; i++) { /* a byte at a time */
        wire_send(fd, &pack_sub[i], 1);
        usleep(500);
    }
    assert_true(frame_of(fd, &arena, &m));
    assert_true(request_whole(&m, "id", &id) && id == 1);
    assert_string_equal(request_string(&m, "op"), "schema");
    assert_string_equal(request_string(&m, "kind"), "upsert");
    const request_member *columns = request_find(&m, "columns");
    static const char want[] = "\xdd\0\0\0\2\xdd\0\0\0\2\xa1n\xa6"
                               "bigint\xdd\0\0\0\2\xa5te\"xt\xa4text";
    assert_int_equal(columns->length, sizeof want - 1);
    assert_memory_equal(columns->text, want, sizeof want - 1);
    engine_row(-2);
    assert_true(frame_of(fd, &arena, &m));
    assert_string_equal(request_string(&m, "op"), "rows");
    assert_string_equal(request_string(&m, "cursor"), "c1");
    const request_member *rows = request_find(&m, "rows");
    static const char row[] = "\x91\x92\xa1+\x92\xd3\xff\xff\xff\xff\xff\xff\xff\xfe\xa1x";
    assert_int_equal(rows->length, sizeof row - 1);
    assert_memory_equal(rows->text, row, sizeof row - 1);
    wire_send(fd, "\x00\x00\x00\x0c\x81\xa2op\xa6status\x00",
              16); /* one byte too many in the frame */
    assert_true(frame_of(fd, &arena, &m));
    assert_string_equal(request_string(&m, "code"), "USAGE");
    wire_send(fd, "\x00\x00\x00\x0b\x81\xa2op\xa6status", 15);
    assert_true(frame_of(fd, &arena, &m));
    assert_string_equal(request_string(&m, "json"), "{\"version\":\"0.0.test\",\"pipelines\":[]}");
    wr_arena_fini(&arena);
    close(fd);
    rig_stop(&r);
}

static void
messagepack_frames_that_lie_end_the_session(void **state)
{
    static const char *const heads[] = { "\x00\x40\x00\x01", "\xff\xff\xff\xff" };
    wr_arena arena;
    request m;
    rig r;
    rig_start(&r, NULL);
    for (size_t i = 0; i < WR_COUNT(heads); i++) {
        wr_arena_init(&arena, NULL);
        int fd = wire_connect(r.tcp);
        if (i > 0)
            wire_send(fd, "\x00\x00\x00\x09\x81\xa2op\xa4ping", 13);
        wire_send(fd, heads[i], 4);
        if (i > 0)
            assert_true(frame_of(fd, &arena, &m));
        assert_true(frame_of(fd, &arena, &m));
        assert_string_equal(request_string(&m, "code"), "LIMIT");
        assert_true(wire_closed(fd));
        close(fd);
        wr_arena_fini(&arena);
    }
    rig_stop(&r);
}

static void
messagepack_bad_requests_leave_the_session(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
        { "\x00\x00\x00\x00", 4 },                     /* nothing */
        { "\x00\x00\x00\x01\xc1", 5 },                 /* the type that is never used */
        { "\x00\x00\x00\x05\xdf\xff\xff\xff\xff", 9 }, /* 4 G members */
        { "\x00\x00\x00\x08\x81\xa1"
          "a\xdd\x10\x00\x00\x00",
          12 },                              /* 268 M items */
        { "\x00\x00\x00\x04\x81\xa2op", 8 }, /* no value */
    };
    wr_arena arena;
    request m;
    rig r;
    rig_start(&r, NULL);
    wr_arena_init(&arena, NULL);
    int fd = wire_connect(r.tcp);
    for (size_t i = 0; i < WR_COUNT(bad); i++) {
        wire_send(fd, bad[i].bytes, bad[i].length);
        assert_true(frame_of(fd, &arena, &m));
        assert_string_equal(request_string(&m, "code"), "USAGE");
    }
    wire_send(fd, "\x00\x00\x00\x09\x81\xa2op\xa4ping", 13);
    assert_true(frame_of(fd, &arena, &m));
    assert_string_equal(request_string(&m, "op"), "pong");
    wr_arena_fini(&arena);
    close(fd);
    rig_stop(&r);
}

/* ---- push -------------------------------------------------------------------------------------
 */

static void
pushed_rows_are_acknowledged(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    wire_say(
        fd,
        "{\"op\":\"push\",\"id\":1,\"seq\":41,\"source\":\"in\",\"rows\":[{\"a\":1},{\"a\":2}]}");
    EXPECT(fd, "{\"id\":1,\"op\":\"ack\",\"seq\":41}");
    wire_say(fd, "{\"op\":\"push\",\"source\":\"p.in\",\"rows\":\"{\\\"a\\\":3}\\n\"}");
    EXPECT(fd, "{\"op\":\"ack\"}");
    wire_say(fd, "{\"op\":\"push\",\"source\":\"in\",\"rows\":[]}");
    EXPECT(fd, "{\"op\":\"ack\"}");
    assert_string_equal(engine_pushed(), "[{\"a\":1},{\"a\":2}]{\"a\":3}\n[]");
    close(fd);
    rig_stop(&r);
}

static void
a_push_without_room_waits_and_holds_the_client(void **state)
{
    rig r;
    rig_start(&r, NULL);
    engine_push_room(8);
    int fd = wire_connect(r.tcp), other = wire_connect(r.tcp);
    wire_say(fd, "{\"op\":\"push\",\"seq\":1,\"source\":\"in\",\"rows\":[{\"a\":1},{\"a\":2}]}");
    wire_say(fd, "{\"op\":\"ping\"}");
    assert_true(engine_has_pushed("[{\"a\":1}"));
    assert_true(wire_silent(fd, 100));
    wire_say(other, "{\"op\":\"ping\"}");
    EXPECT(other, "{\"op\":\"pong\"}");
    engine_push_room(3);
    assert_true(wire_silent(fd, 50));
    engine_push_room(SIZE_MAX);
    EXPECT(fd, "{\"op\":\"ack\",\"seq\":1}");
    EXPECT(fd, "{\"op\":\"pong\"}");
    assert_string_equal(engine_pushed(), "[{\"a\":1},{\"a\":2}]");
    engine_push_room(0);
    wire_say(fd, "{\"op\":\"push\",\"source\":\"in\",\"rows\":[{\"a\":1}]}");
    usleep(50 * 1000);
    close(fd); /* while it waits */
    close(other);
    rig_stop(&r);
}

WR_TESTS = {
    WR_TEST(hello_is_welcomed_and_ping_answered),
    WR_TEST(wrong_requests_are_answered_and_the_session_goes_on),
    WR_TEST(looking_in),
    WR_TEST(a_view_of_two_pipelines_must_be_named_in_full),
    WR_TEST(requests_may_come_a_byte_at_a_time_or_many_at_once),
    WR_TEST(checkpoint_is_answered_when_durable_and_holds_nobody_up),
    WR_TEST(a_line_that_never_ends_is_cut_at_four_megabytes),
    WR_TEST(another_protocol_is_told_where_it_is),
    WR_TEST(without_the_token_nothing_is_answered),
    WR_TEST(before_the_token_frames_are_small),
    WR_TEST(messagepack_has_the_same_messages),
    WR_TEST(messagepack_frames_that_lie_end_the_session),
    WR_TEST(messagepack_bad_requests_leave_the_session),
    WR_TEST(pushed_rows_are_acknowledged),
    WR_TEST(a_push_without_room_waits_and_holds_the_client),
    { NULL, NULL },
};
