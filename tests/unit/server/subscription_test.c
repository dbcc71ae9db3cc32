/* SPDX-License-Identifier: Apache-2.0 */
/* subscription_test.c -- rows to clients: order, cursors, credit, ends; large rows, slow clients.
 */
#include "rig.h"
#include "server/request.h"
#include "support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- subscriptions ----------------------------------------------------------------------------
 */

static void
rows_progress_and_end_come_in_order(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    engine_row(7);
    EXPECT(fd, "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c1\",\"rows\":[[\"+\",[7,\"x\"]]]}");
    engine_progress(1767225620000000);
    EXPECT(fd, "{\"id\":1,\"op\":\"progress\",\"watermark\":\"2026-01-01T00:00:20.000000Z\","
               "\"cursor\":\"c2\"}");
    engine_progress(-1);
    EXPECT(fd, "{\"id\":1,\"op\":\"progress\",\"watermark\":\"1969-12-31T23:59:59.999999Z\","
               "\"cursor\":\"c3\"}");
    engine_progress(INT64_MAX);
    EXPECT(fd, "{\"id\":1,\"op\":\"progress\",\"watermark\":\"infinity\",\"cursor\":\"c4\"}");
    engine_end();
    EXPECT(fd, "{\"id\":1,\"op\":\"end\",\"reason\":\"finished\"}");
    wire_say(fd, "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}"); /* the id is free again */
    EXPECT(fd, RIG_SCHEMA);
    close(fd);
    rig_stop(&r);
}

static void
marks_of_progress_are_drawn_together(void **state)
{
    enum { MARKS = 2000 };
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, ""), lines = 0;
    for (int i = 1; i <= MARKS; i++) {
        engine_progress(i * 1000000ll);
        if (i == MARKS / 2)
            engine_row(1);
    }
    bool row = false;
    const char *line = "";
    for (; strstr(line, "1970-01-01T00:33:20.000000Z\",\"cursor\":\"c2001\"") == NULL; lines++) {
        line = line_of(fd);
        assert_string_not_equal(line, "(the end)");
        row |= strstr(line, "[1,\"x\"]") != NULL;
    }
    assert_true(row);
    assert_true(lines < 50);
    assert_true(wire_silent(fd, 250));
    close(fd);
    rig_stop(&r);
}

static void
a_snapshot_begins_at_the_beginning_and_a_cursor_where_it_says(void **state)
{
    rig r;
    rig_start(&r, NULL);
    engine_row(1);
    engine_row(2);
    int fd = subscribed(&r, ",\"snapshot\":true");
    EXPECT(fd, "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c1\",\"rows\":[[\"+\",[1,\"x\"]]]}");
    EXPECT(fd, "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c2\",\"rows\":[[\"+\",[2,\"x\"]]]}");
    int again = subscribed(&r, ",\"cursor\":\"c1\"");
    EXPECT(again, "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c2\",\"rows\":[[\"+\",[2,\"x\"]]]}");
    int now = subscribed(&r, "");
    assert_true(wire_silent(now, 100));
    close(fd);
    close(again);
    close(now);
    rig_stop(&r);
}

static void
credit_is_counted_in_rows(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, ",\"credit\":2");
    for (int i = 1; i <= 4; i++)
        engine_row(i);
    assert_non_null(strstr(line_of(fd), "[1,\"x\"]"));
    assert_non_null(strstr(line_of(fd), "[2,\"x\"]"));
    assert_true(wire_silent(fd, 100));
    wire_say(fd, "{\"op\":\"credit\",\"id\":1,\"n\":-1}");
    assert_non_null(strstr(line_of(fd), "credit needs"));
    wire_say(fd, "{\"op\":\"credit\",\"id\":1,\"n\":1}");
    assert_non_null(strstr(line_of(fd), "[3,\"x\"]"));
    assert_true(wire_silent(fd, 100));
    wire_say(fd, "{\"op\":\"credit\",\"id\":1,\"n\":9007199254740992}");
    assert_non_null(strstr(line_of(fd), "[4,\"x\"]"));
    close(fd);
    rig_stop(&r);
}

static void
a_hundred_subscriptions_share_a_connection(void **state)
{
    char ask[64];
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    wire_say(fd, "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}");
    assert_non_null(strstr(line_of(fd), "the id is in use"));
    for (int i = 2; i <= 100; i++) {
        snprintf(ask, sizeof ask, "{\"op\":\"sub\",\"id\":%d,\"view\":\"v\"}", i);
        wire_say(fd, ask);
        assert_non_null(strstr(line_of(fd), "\"op\":\"schema\""));
    }
    wire_say(fd, "{\"op\":\"sub\",\"id\":101,\"view\":\"v\"}");
    assert_non_null(strstr(line_of(fd), "TOO_MANY"));
    engine_row(5);
    bool seen[101] = { false };
    for (int i = 0; i < 100; i++) {
        int id = 0;
        const char *line = line_of(fd);
        if (sscanf(line, "{\"id\":%d,\"op\":\"rows\"", &id) != 1)
            fail_msg("%s", line);
        assert_true(id >= 1 && id <= 100 && !seen[id]);
        seen[id] = true;
    }
    wire_say(fd, "{\"op\":\"unsub\",\"id\":50}");
    EXPECT(fd, "{\"id\":50,\"op\":\"end\",\"reason\":\"unsubscribed\"}");
    close(fd);
    for (int i = 0; i < 3000 && engine_open_subscriptions() > 0; i++)
        usleep(10 * 1000);
    assert_int_equal(engine_open_subscriptions(), 0);
    rig_stop(&r);
}

static void
a_subscription_that_fails_ends_and_its_neighbours_go_on(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    engine_fail_subscriptions();
    EXPECT(fd, "{\"id\":1,\"op\":\"error\",\"code\":\"MEMORY\",\"text\":\"no memory for rows\"}");
    wire_say(fd, "{\"op\":\"ping\"}");
    EXPECT(fd, "{\"op\":\"pong\"}");
    assert_int_equal(engine_open_subscriptions(), 0);
    close(fd);
    rig_stop(&r);
}

static void
a_pipeline_that_fails_or_stops_ends_its_subscriptions(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    engine_row(1);
    engine_set_state(WEIR_FAILED, "the disk is full");
    assert_non_null(strstr(line_of(fd), "[1,\"x\"]"));
    EXPECT(fd, "{\"id\":1,\"op\":\"end\",\"reason\":\"failed\",\"text\":\"the disk is full\"}");
    wire_say(fd, "{\"op\":\"sub\",\"id\":2,\"view\":\"v\",\"snapshot\":true}");
    assert_non_null(strstr(line_of(fd), "schema"));
    assert_non_null(strstr(line_of(fd), "[1,\"x\"]"));
    assert_non_null(strstr(line_of(fd), "\"reason\":\"failed\""));
    close(fd);
    rig_stop(&r);
}

static void
a_server_that_stops_says_so(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    engine_row(1);
    rig_stop(&r);
    assert_non_null(strstr(line_of(fd), "[1,\"x\"]"));
    EXPECT(fd, "{\"id\":1,\"op\":\"end\",\"reason\":\"stopped\"}");
    assert_true(wire_closed(fd));
    close(fd);
}

static void
a_client_that_sends_no_more_still_listens(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp);
    wire_send(fd, "{\"op\":\"sub\",\"id\":1,\"view\":\"v\"}",
              30); /* not even a line break: echo -n | nc -N */
    shutdown(fd, SHUT_WR);
    EXPECT(fd, RIG_SCHEMA);
    EXPECT(fd, "{\"op\":\"pong\"}"); /* does it still listen? */
    usleep(50 * 1000);
    engine_row(3);
    assert_non_null(strstr(line_of(fd), "[3,\"x\"]"));
    engine_end();
    EXPECT(fd, "{\"id\":1,\"op\":\"end\",\"reason\":\"finished\"}");
    assert_true(wire_closed(fd));
    close(fd);
    rig_stop(&r);
}

/* ---- large and slow ---------------------------------------------------------------------------
 */

enum { WIDE = 1 << 20 };

/* Rows of a MiB each. */
static void
publish_wide(uint32_t rows)
{
    wr_text json, pack;
    char *cell = wr_alloc(NULL, WIDE);
    memset(cell, 'w', WIDE);
    wr_text_init(&json, NULL);
    wr_text_init(&pack, NULL);
    wr_text_append(&pack, (unsigned char[]){ (unsigned char)(0x90 | rows) }, 1);
    for (uint32_t i = 0; i < rows; i++) {
        wr_text_printf(&json, "%c[\"+\",[%u,\"", i == 0 ? '[' : ',', i);
        wr_text_append(&json, cell, WIDE);
        wr_text_puts(&json, "\"]]");
        wr_text_append(
            &pack,
            (unsigned char[]){ 0x92, 0xa1, '+', 0x92, (unsigned char)i, 0xdb, 0, 0x10, 0, 0 }, 10);
        wr_text_append(&pack, cell, WIDE);
    }
    wr_text_puts(&json, "]");
    engine_rows(rows, wr_text_string(&json), json.length, wr_text_string(&pack), pack.length);
    wr_text_fini(&json);
    wr_text_fini(&pack);
    wr_free(cell);
}

static void
rows_that_do_not_fit_into_a_frame_come_in_several(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    publish_wide(7);
    int rows = 0, frames = 0;
    for (bool last = false; !last; frames++) {
        const char *line = line_of(fd);
        assert_true(strlen(line) <= 4 << 20);
        last = strstr(line, "\"cursor\":\"c1\"") != NULL;
        assert_true(last || strstr(line, "\"more\":true") != NULL);
        for (const char *at = line; (at = strstr(at, "[\"+\",[")) != NULL; at++) {
            assert_int_equal(at[6] - '0', rows);
            rows++;
        }
    }
    assert_int_equal(rows, 7);
    assert_int_equal(frames, 3);
    close(fd);
    rig_stop(&r);
}

static void
messagepack_rows_are_split_too(void **state)
{
    wr_arena arena;
    request m;
    bool more = true;
    int frames = 0;
    uint32_t rows = 0;
    rig r;
    rig_start(&r, NULL);
    wr_arena_init(&arena, NULL);
    int fd = wire_connect(r.tcp);
    wire_send(fd, pack_sub, pack_sub_bytes);
    assert_true(frame_of(fd, &arena, &m));
    publish_wide(7);
    for (; more; frames++) {
        assert_true(frame_of(fd, &arena, &m));
        more = request_flag(&m, "more");
        const request_member *list = request_find(&m, "rows");
        assert_int_equal((unsigned char)list->text[0], 0xdd);
        rows += (unsigned char)list->text[4];
    }
    assert_string_equal(request_string(&m, "cursor"), "c1");
    assert_int_equal(rows, 7);
    assert_int_equal(frames, 3);
    wr_arena_fini(&arena);
    close(fd);
    rig_stop(&r);
}

static void
a_row_larger_than_a_frame_ends_the_subscription(void **state)
{
    enum { HUGE_BYTES = 5 << 20 };
    rig r;
    char *json = wr_alloc(NULL, HUGE_BYTES);
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    memset(json, 'h', HUGE_BYTES);
    memcpy(json, "[[\"+\",[\"", 8);
    memcpy(json + HUGE_BYTES - 4, "\"]]]", 4);
    engine_rows(1, json, HUGE_BYTES, NULL, 0);
    wr_free(json);
    assert_non_null(strstr(
        line_of(fd), "{\"id\":1,\"op\":\"error\",\"code\":\"LIMIT\",\"text\":\"a row is larger"));
    wire_say(fd, "{\"op\":\"ping\"}");
    EXPECT(fd, "{\"op\":\"pong\"}");
    close(fd);
    rig_stop(&r);
}

static void
a_slow_client_is_told_its_cursor_and_disconnected(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, "");
    engine_row(1);
    engine_gap(12);
    engine_row(2);
    assert_non_null(strstr(line_of(fd), "[1,\"x\"]"));
    EXPECT(fd, "{\"id\":1,\"op\":\"error\",\"code\":\"slow_consumer\",\"text\":\"rows were "
               "overwritten before the client took them\","
               "\"cursor\":\"c1\",\"hint\":\"resume from the cursor, or from a snapshot when that "
               "is too old; or subscribe with \\\"gaps\\\": true\"}");
    assert_true(wire_closed(fd));
    close(fd);
    rig_stop(&r);
}

static void
a_slow_client_that_asked_for_gaps_goes_on(void **state)
{
    rig r;
    rig_start(&r, NULL);
    int fd = subscribed(&r, ",\"gaps\":true");
    engine_gap(12);
    EXPECT(fd, "{\"id\":1,\"op\":\"gap\",\"lost_batches\":12}");
    engine_row(2);
    assert_non_null(strstr(line_of(fd), "[2,\"x\"]"));
    close(fd);
    rig_stop(&r);
}

static double
metric_of(int fd, const char *name)
{
    wire_say(fd, "{\"op\":\"metrics\"}");
    const char *line = line_of(fd), *at = strstr(line, name);
    if (at == NULL)
        fail_msg("no %s in: %.500s", name, line);
    return strtod(at + strlen(name), NULL);
}

static void
clients_that_do_not_read_hold_little_memory_and_nobody_up(void **state)
{
    enum { STUCK = 20, ROWS = 40 };
    int stuck[STUCK];
    rig r;
    rig_start(&r, NULL);
    for (int i = 0; i < STUCK; i++)
        stuck[i] = subscribed(&r, "");
    int fast = subscribed(&r, "");
    for (int i = 0; i < ROWS; i++)
        publish_wide(1);
    for (int i = 0; i < ROWS; i++) {
        const char *line = line_of(fast);
        if (strstr(line, "\"op\":\"rows\"") == NULL)
            fail_msg("row %d: %.200s", i, line);
    }
    int control = wire_connect(r.tcp); /* whoever says nothing for long is shut out */
    double held = metric_of(control, "\\nweir_server_memory_bytes ");
    if (held <= 0 || held > STUCK * 4.5 * WIDE)
        fail_msg("%.0f bytes are held", held);
    for (int i = 0; i < STUCK; i++) {
        assert_non_null(strstr(line_of(stuck[i]), "\"cursor\":\"c1\"")); /* what waited is whole */
        close(stuck[i]);
    }
    close(fast);
    close(control);
    rig_stop(&r);
}

static void
a_client_that_asks_and_does_not_read_is_read_no_further(void **state)
{
    char ask[] = "{\"op\":\"metrics\"}\n";
    rig r;
    rig_start(&r, NULL);
    int fd = wire_connect(r.tcp), control = wire_connect(r.tcp);
    size_t sent = 0;
    for (int idle = 0; idle < 20 && sent < (64u << 20);) {
        ssize_t n = send(fd, ask, sizeof ask - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == (ssize_t)sizeof ask - 1) {
            sent += (size_t)n;
            idle = 0;
        } else if (n < 0) {
            idle++;
            usleep(10 * 1000);
        } else {
            wire_send(fd, ask + n,
                      sizeof ask - 1 - (size_t)n); /* the rest of a line that was cut */
        }
    }
    assert_true(sent < (64u << 20));
    assert_true(metric_of(control, "\\nweir_server_memory_bytes ") < 4 << 20);
    close(fd);
    close(control);
    rig_stop(&r);
}

/* ---- threads ----------------------------------------------------------------------------------
 */

static void *
publisher(void *user)
{
    for (int i = 0; i < 4000; i++)
        engine_row(i);
    return NULL;
}

static void
clients_come_and_go_while_rows_are_published(void **state)
{
    pthread_t thread;
    rig r;
    rig_start(&r, NULL);
    int whole = subscribed(&r, "");
    assert_int_equal(pthread_create(&thread, NULL, publisher, NULL), 0);
    for (int i = 0; i < 60; i++) {
        int fd = subscribed(&r, ",\"snapshot\":true");
        if (i % 3 == 0)
            (void)line_of(fd);
        close(fd);
    }
    for (int i = 0; i < 4000; i++) {
        char want[96];
        snprintf(want, sizeof want,
                 "{\"id\":1,\"op\":\"rows\",\"cursor\":\"c%d\",\"rows\":[[\"+\",[%d,\"x\"]]]}",
                 i + 1, i);
        EXPECT(whole, want);
    }
    pthread_join(thread, NULL);
    close(whole);
    rig_stop(&r);
}

WR_TESTS = {
    WR_TEST(rows_progress_and_end_come_in_order),
    WR_TEST(marks_of_progress_are_drawn_together),
    WR_TEST(a_snapshot_begins_at_the_beginning_and_a_cursor_where_it_says),
    WR_TEST(credit_is_counted_in_rows),
    WR_TEST(a_hundred_subscriptions_share_a_connection),
    WR_TEST(a_subscription_that_fails_ends_and_its_neighbours_go_on),
    WR_TEST(a_pipeline_that_fails_or_stops_ends_its_subscriptions),
    WR_TEST(a_server_that_stops_says_so),
    WR_TEST(a_client_that_sends_no_more_still_listens),
    WR_TEST(rows_that_do_not_fit_into_a_frame_come_in_several),
    WR_TEST(messagepack_rows_are_split_too),
    WR_TEST(a_row_larger_than_a_frame_ends_the_subscription),
    WR_TEST(a_slow_client_is_told_its_cursor_and_disconnected),
    WR_TEST(a_slow_client_that_asked_for_gaps_goes_on),
    WR_TEST(clients_that_do_not_read_hold_little_memory_and_nobody_up),
    WR_TEST(a_client_that_asks_and_does_not_read_is_read_no_further),
    WR_TEST(clients_come_and_go_while_rows_are_published),
    { NULL, NULL },
};
