/* SPDX-License-Identifier: Apache-2.0 */
/* subscribe_test.c -- subscribers of one view share the bytes of a batch, each with its own place (engine/rows.c). */
#include "support/test.h"
#include "weir/weir.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SUBSCRIBERS = 5, BATCHES = 30 };

static const char pipeline_text[] = "name: shared\n"
                                    "sources:\n"
                                    "  events: { push: {}, columns: \"a bigint, b text\" }\n"
                                    "views:\n"
                                    "  v: { sql: \"SELECT a, b FROM events WHERE a >= 0\" }\n"
                                    "  parity: { state: { unbounded: true }, sql: \"SELECT a % 2 AS odd, count(*) AS n "
                                    "FROM events GROUP BY 1\" }\n"
                                    "  total: { state: { unbounded: true }, sql: \"SELECT count(*) AS n FROM events\" }\n"
                                    "  few: { state: { unbounded: true }, sql: \"SELECT odd, n FROM parity WHERE n < 3\" }\n"
                                    "  aging: { state: { ttl: 1h }, sql: \"SELECT a % 2 AS odd, max(a) AS top "
                                    "FROM events GROUP BY 1\" }\n"
                                    "  paired: { state: { unbounded: true }, sql: \"SELECT p.odd, p.n, a.top "
                                    "FROM parity p JOIN aging a ON a.odd = p.odd\" }\n"
                                    "  squared: { state: { unbounded: true }, sql: \"SELECT p.odd, p.n, f.n AS m "
                                    "FROM parity p JOIN few f ON f.odd = p.odd\" }\n";
static const char timed_text[] = "name: timed\n"
                                 "sources:\n"
                                 "  events: { push: {}, format: { json: { time_unit: ms } }, columns: \"a timestamptz\", "
                                 "watermark: a }\n"
                                 "views:\n"
                                 "  v: { sql: \"SELECT window_start, count(*) AS n FROM tumble(events, a, interval '1 s') "
                                 "GROUP BY window_start\" }\n";

static weir          *engine;
static weir_pipeline *pipeline;

static void
start_text(const char *text)
{
    weir_error   err = { 0 };
    weir_report *report = weir_report_open();
    assert_int_equal(weir_open(&(weir_options){ .workers = 1 }, &engine, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "shared", text, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(pipeline, &err), WEIR_OK);
}

static void
start(void)
{
    start_text(pipeline_text);
}

static void
a_second_of_the_name_waits_for_the_first(void **state)
{
    (void) state;
    weir_error     err = { 0 };
    weir_pipeline *second;
    weir_report   *report = weir_report_open();
    start();
    assert_int_equal(weir_pipeline_load(engine, "again.yaml", pipeline_text, NULL, NULL, report, &second), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(second, &err), WEIR_STATE_RUNNING);
    assert_string_equal(err.text, "a pipeline called shared is running: give again.yaml another `name`");
    assert_int_equal(weir_pipeline_stop(pipeline, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_start(second, &err), WEIR_OK);
    weir_close(engine);
}

static weir_subscription *
subscribe(void)
{
    weir_error         err = { 0 };
    weir_subscription *s;
    assert_int_equal(weir_subscribe(pipeline, "v", &(weir_subscribe_options){ .snapshot = true }, &s, &err), WEIR_OK);
    return s;
}

static void
push_text(const char *rows)
{
    weir_error err = { 0 };
    size_t     taken = 0;
    for (int i = 0; i < 30000 && taken == 0; i++) {
        (void) !weir_push(pipeline, "events", rows, strlen(rows), &taken, &err);
        usleep(taken == 0 ? 1000 : 0);
    }
    assert_int_equal(taken, strlen(rows));
}

static void
push(int a)
{
    char row[64];
    snprintf(row, sizeof row, "{\"a\":%d,\"b\":\"x\"}\n", a);
    push_text(row);
}

/* The next message with rows; fails the test when none comes. */
static weir_rows *
next_rows(weir_subscription *s)
{
    weir_error   err = { 0 };
    weir_message m;
    for (int i = 0; i < 30000; i++) {
        assert_int_equal(weir_subscription_next(s, &m, &err), WEIR_OK);
        if (m.event == WEIR_ROWS)
            return m.rows;
        if (m.event == WEIR_NOTHING)
            usleep(1000);
    }
    fail_msg("no rows came");
    return NULL;
}

static const char *
bytes_of(weir_rows *rows, weir_encoding encoding, bool with_names)
{
    const char *bytes = NULL;
    size_t      length;
    assert_int_equal(weir_rows_encode(rows, encoding, with_names, &bytes, &length), WEIR_OK);
    return bytes;
}

static void
subscribers_share_the_bytes(void **state)
{
    weir_subscription *s[SUBSCRIBERS];
    weir_rows         *rows[SUBSCRIBERS];
    start();
    for (int i = 0; i < SUBSCRIBERS; i++)
        s[i] = subscribe();
    for (int b = 0; b < BATCHES; b++) {
        push(b);
        for (int i = 0; i < SUBSCRIBERS; i++)
            rows[i] = next_rows(s[i]);
        char want[40];
        snprintf(want, sizeof want, "[[\"+\",[%d,\"x\"]]]", b);
        for (int i = 0; i < SUBSCRIBERS; i++) {
            assert_string_equal(bytes_of(rows[i], WEIR_JSON, false), want);
            assert_ptr_equal(bytes_of(rows[i], WEIR_JSON, false), bytes_of(rows[0], WEIR_JSON, false));
            assert_ptr_equal(bytes_of(rows[i], WEIR_MSGPACK, false), bytes_of(rows[0], WEIR_MSGPACK, false));
            assert_ptr_not_equal(bytes_of(rows[i], WEIR_JSON, true), bytes_of(rows[i], WEIR_JSON, false));
            assert_string_equal(weir_rows_text(rows[i], 0, 1), "x"); /* of the handle's own */
        }
        for (int i = SUBSCRIBERS; i-- > 0;)
            weir_rows_release(rows[i]);
    }
    weir_subscription *late = subscribe(); /* all of them, those too that are no longer shared */
    for (int b = 0; b < BATCHES; b++) {
        weir_rows *r = next_rows(late);
        char       want[40];
        snprintf(want, sizeof want, "[[\"+\",[%d,\"x\"]]]", b);
        assert_string_equal(bytes_of(r, WEIR_JSON, false), want);
        weir_rows_release(r);
    }
    weir_unsubscribe(late);
    push(1000);
    weir_rows *held = next_rows(s[0]); /* outlives the subscription */
    for (int i = 0; i < SUBSCRIBERS; i++)
        weir_unsubscribe(s[i]);
    assert_string_equal(bytes_of(held, WEIR_JSON, false), "[[\"+\",[1000,\"x\"]]]");
    weir_rows_release(held);
    weir_close(engine);
}

static weir_subscription *
subscribe_by_key(const char *view)
{
    weir_error         err = { 0 };
    weir_subscription *s;
    weir_subscribe_options o = { .snapshot = true, .upserts = true };
    assert_int_equal(weir_subscribe(pipeline, view, &o, &s, &err), WEIR_OK);
    return s;
}

/* The next rows of one who reads by key and of one who does not. */
static void
expect_next(weir_subscription *s, const char *want)
{
    weir_rows *rows = next_rows(s);
    assert_string_equal(bytes_of(rows, WEIR_JSON, false), want);
    weir_rows_release(rows);
}

static void
by_key_new_rows_and_deletions_come(void **state)
{
    weir_column_info columns[2];
    start();
    weir_subscription *keyed = subscribe_by_key("few"), *plain = NULL;
    weir_error         err = { 0 };
    assert_int_equal(weir_subscribe(pipeline, "few", &(weir_subscribe_options){ .snapshot = true }, &plain, &err), WEIR_OK);
    assert_int_equal(weir_subscription_kind(keyed), WEIR_UPSERT);
    assert_int_equal(weir_subscription_kind(plain), WEIR_CHANGELOG);
    assert_int_equal(weir_subscription_columns(keyed, columns, 2), 2);
    assert_true(columns[0].key && !columns[1].key);
    push(1);
    expect_next(keyed, "[[\"+\",[1,1]]]");
    expect_next(plain, "[[\"+\",[1,1]]]");
    push(3);
    expect_next(keyed, "[[\"+\",[1,2]]]");
    expect_next(plain, "[[\"-\",[1,1]],[\"+\",[1,2]]]");
    push(5);
    expect_next(keyed, "[[\"-\",[1,2]]]");
    expect_next(plain, "[[\"-\",[1,2]]]");
    push(2);
    weir_rows *held = next_rows(keyed), *shared = next_rows(plain);
    weir_unsubscribe(keyed); /* what it gave outlives it */
    assert_string_equal(bytes_of(shared, WEIR_JSON, false), "[[\"+\",[0,1]]]");
    assert_string_equal(weir_rows_text(held, 0, 1), "1");
    weir_rows_release(held);
    weir_rows_release(shared);
    weir_unsubscribe(plain);
    weir_close(engine);
}

static void
without_a_key_nobody_reads_by_it(void **state)
{
    weir_error             err = { 0 };
    weir_subscription     *s = NULL;
    weir_subscribe_options o = { .upserts = true };
    start();
    for (int i = 0; i < 3; i++)
        assert_int_equal(weir_subscribe(pipeline, "total", &o, &s, &err), WEIR_USAGE);
    assert_non_null(strstr(err.text, "no key of \"total\" is known"));
    /* rows that a ttl leaves behind are paired, too */
    assert_int_equal(weir_subscribe(pipeline, "paired", &o, &s, &err), WEIR_USAGE);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weir_subscribe(pipeline, i == 0 ? "aging" : "squared", &o, &s, &err), WEIR_OK);
        assert_int_equal(weir_subscription_kind(s), WEIR_UPSERT);
        weir_unsubscribe(s);
    }
    assert_int_equal(weir_subscribe(pipeline, "v", &o, &s, &err), WEIR_OK); /* nothing to take back */
    assert_int_equal(weir_subscription_kind(s), WEIR_INSERT_ONLY);
    weir_unsubscribe(s);
    weir_close(engine);
}

/* What an operator made is as old as what it was made of, so that `retain` holds for it, too. */
static void
rows_of_windows_are_retained(void **state)
{
    start_text(timed_text);
    weir_subscription *s = subscribe();
    push_text("{\"a\":0}{\"a\":1}{\"a\":2}{\"a\":3}{\"a\":2000}\n"); /* milliseconds: the first second closes */
    weir_rows_release(next_rows(s));
    weir_unsubscribe(s);
    for (int i = 1; i <= 5; i++) { /* watermarks by themselves */
        push(2000 + i);
        usleep(20000);
    }
    s = subscribe();
    weir_rows *r = next_rows(s);
    assert_string_equal(weir_rows_text(r, 0, 1), "4");
    weir_rows_release(r);
    weir_unsubscribe(s);
    weir_close(engine);
}

WR_TESTS = { WR_TEST(a_second_of_the_name_waits_for_the_first), WR_TEST(rows_of_windows_are_retained), WR_TEST(subscribers_share_the_bytes),
             WR_TEST(by_key_new_rows_and_deletions_come), WR_TEST(without_a_key_nobody_reads_by_it), { NULL, NULL } };
