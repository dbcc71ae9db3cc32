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
                                    "  v: { sql: \"SELECT a, b FROM events WHERE a >= 0\" }\n";

static weir          *engine;
static weir_pipeline *pipeline;

static void
start(void)
{
    weir_error   err = { 0 };
    weir_report *report = weir_report_open();
    assert_int_equal(weir_open(&(weir_options){ .workers = 1 }, &engine, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "shared", pipeline_text, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(pipeline, &err), WEIR_OK);
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
push(int a)
{
    weir_error err = { 0 };
    char       row[64];
    size_t     taken = 0;
    int        n = snprintf(row, sizeof row, "{\"a\":%d,\"b\":\"x\"}\n", a);
    for (int i = 0; i < 1000 && taken == 0; i++) {
        (void) !weir_push(pipeline, "events", row, (size_t) n, &taken, &err);
        usleep(taken == 0 ? 1000 : 0);
    }
    assert_int_equal(taken, n);
}

/* The next message with rows; fails the test when none comes. */
static weir_rows *
next_rows(weir_subscription *s)
{
    weir_error   err = { 0 };
    weir_message m;
    for (int i = 0; i < 5000; i++) {
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

WR_TESTS = { WR_TEST(subscribers_share_the_bytes), { NULL, NULL } };
