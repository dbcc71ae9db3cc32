/* SPDX-License-Identifier: Apache-2.0 */
/* ended_test.c -- a view that has ended says so to whoever comes later, and a source whose end a checkpoint holds has ended
 * (V4 of runtime/restore.c). */
#include "support/test.h"
#include "support/scratch.h"
#include "weir/weir.h"

#include <string.h>
#include <unistd.h>

static const char text[] = "name: ended\n"
                           "sources:\n"
                           "  a: { push: {}, columns: \"k bigint\" }\n"
                           "  b: { push: {}, columns: \"k bigint\" }\n"
                           "views:\n"
                           "  va: { sql: \"SELECT k FROM a\" }\n"
                           "  na: { sql: \"SELECT k % 2 AS odd, count(*) AS n FROM a GROUP BY 1\", state: { unbounded: true } }\n"
                           "  vb: { sql: \"SELECT k FROM b\" }\n";

static weir          *engine;
static weir_pipeline *pipeline;

static void
start(const char *data_dir, uint32_t workers)
{
    weir_error   err = { 0 };
    weir_options options = { .workers = workers, .data_dir = data_dir, .checkpoint_us = 3600000000 };
    weir_report *report = weir_report_open();
    assert_int_equal(weir_open(&options, &engine, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_load(engine, "ended", text, NULL, NULL, report, &pipeline), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(pipeline, &err), WEIR_OK);
}

static weir_status
push(const char *source)
{
    weir_error  err = { 0 };
    size_t      taken;
    const char *row = "{\"k\":7}\n";
    return weir_push(pipeline, source, row, strlen(row), &taken, &err);
}

static weir_subscription *
subscribe(const char *view, weir_subscribe_options options)
{
    weir_error         err = { 0 };
    weir_subscription *s;
    assert_int_equal(weir_subscribe(pipeline, view, &options, &s, &err), WEIR_OK);
    return s;
}

/* The rows until the view's end, which comes. */
static uint32_t
rows_until_end(weir_subscription *s)
{
    weir_error   err = { 0 };
    weir_message m;
    uint32_t     rows = 0;
    for (int i = 0; i < 20000; i++) {
        assert_int_equal(weir_subscription_next(s, &m, &err), WEIR_OK);
        if (m.event == WEIR_END)
            return rows;
        if (m.event == WEIR_ROWS) {
            rows += weir_rows_count(m.rows);
            weir_rows_release(m.rows);
        } else if (m.event == WEIR_NOTHING)
            usleep(1000);
    }
    fail_msg("no end came");
    return 0;
}

/* a has ended, and its views with it; b goes on. */
static void
end_a(void)
{
    weir_error         err = { 0 };
    weir_subscription *first = subscribe("va", (weir_subscribe_options){ .required = true });
    weir_subscription *groups = subscribe("na", (weir_subscribe_options){ .required = true });
    assert_int_equal(push("a"), WEIR_OK);
    assert_int_equal(weir_push_end(pipeline, "a", &err), WEIR_OK);
    assert_int_equal(rows_until_end(first), 1);
    assert_int_equal(rows_until_end(groups), 1);
    weir_unsubscribe(first);
    weir_unsubscribe(groups);
}

static void
expect_ends(void)
{
    static const char *const views[] = { "va", "na" };
    for (int i = 0; i < 2; i++)
        for (int how = 0; how < 4; how++) {
            weir_subscription *s = subscribe(views[i], (weir_subscribe_options){ .epochs = how > 1, .snapshot = how % 2 });
            (void) rows_until_end(s);
            weir_unsubscribe(s);
        }
}

static void
who_comes_after_the_end_hears_of_it(void **state)
{
    (void) state;
    start(NULL, 2);
    end_a();
    expect_ends();
    weir_close(engine);
}

static void
a_source_whose_end_a_checkpoint_holds_takes_no_more(void **state)
{
    (void) state;
    char       data[SCRATCH_PATH_MAX];
    weir_error err = { 0 };
    scratch_begin(data, "ended");
    start(data, 2);
    end_a();
    assert_int_equal(weir_pipeline_checkpoint(pipeline, &err), WEIR_OK);
    weir_close(engine);
    for (uint32_t workers = 2; workers <= 3; workers++) { /* the second from the checkpoint of the first */
        start(data, workers);
        assert_int_equal(push("a"), WEIR_CLOSED);
        assert_int_equal(push("b"), WEIR_OK);
        expect_ends();
        assert_int_equal(weir_pipeline_state(pipeline, &err), WEIR_RUNNING);
        assert_int_equal(weir_pipeline_stop(pipeline, &err), WEIR_OK);
        weir_close(engine);
    }
    scratch_remove(data);
}

WR_TESTS = { WR_TEST(who_comes_after_the_end_hears_of_it), WR_TEST(a_source_whose_end_a_checkpoint_holds_takes_no_more), { NULL, NULL } };
