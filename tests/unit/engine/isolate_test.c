/* SPDX-License-Identifier: Apache-2.0 */
/* isolate_test.c -- X1..X4 of runtime/isolate.c on real threads, and what the engine says of it. */
#include "support/test.h"
#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char pipeline_text[] =
    "name: isolate\n"
    "sources:\n"
    "  e: { push: {}, columns: \"n bigint\" }\n"
    "views:\n"
    "  greedy:\n"
    "    sql: SELECT g, count(*) AS n FROM e CROSS JOIN LATERAL generate_series(1, e.n) AS g GROUP BY g\n"
    "    limits: { memory: 1MB }\n"
    "    state: { unbounded: true }\n"
    "  known: { sql: \"SELECT g, n FROM greedy WHERE g <= 2\" }\n"
    "  total: { sql: \"SELECT count(*) AS n FROM e\" }\n";
static const char alone_text[] =
    "name: isolate\n"
    "sources:\n"
    "  e: { push: {}, columns: \"n bigint\" }\n"
    "views:\n"
    "  greedy:\n"
    "    sql: SELECT g, count(*) AS n FROM e CROSS JOIN LATERAL generate_series(1, e.n) AS g GROUP BY g\n"
    "    limits: { memory: 1MB }\n"
    "    state: { unbounded: true }\n"
    "  known: { sql: \"SELECT g, n FROM greedy WHERE g <= 2\" }\n";

static weir          *engine;
static weir_pipeline *pipeline;
static char           folder[64];

static void
start(const char *text, uint32_t workers, int64_t checkpoint_us)
{
    weir_error   err = { 0 };
    weir_report *report = weir_report_open();
    weir_options o = { .workers = workers, .data_dir = folder, .checkpoint_us = checkpoint_us };
    if (weir_open(&o, &engine, &err) != WEIR_OK ||
        weir_pipeline_load(engine, "isolate", text, NULL, NULL, report, &pipeline) != WEIR_OK ||
        weir_pipeline_start(pipeline, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    weir_report_close(report);
}

static void
push(int n)
{
    weir_error err = { 0 };
    char       row[64];
    size_t     taken = 0;
    int        length = snprintf(row, sizeof row, "{\"n\":%d}\n", n);
    for (int i = 0; i < 60000 && taken == 0; i++) {
        (void) !weir_push(pipeline, "e", row, (size_t) length, &taken, &err);
        usleep(taken == 0 ? 1000 : 0);
    }
    assert_int_equal(taken, length);
}

static weir_subscription *
subscribe(const char *view)
{
    weir_error             err = { 0 };
    weir_subscription     *s = NULL;
    weir_subscribe_options o = { .snapshot = true };
    if (weir_subscribe(pipeline, view, &o, &s, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    return s;
}

/* The newest row that has come when it is `want`. */
static void
await_row(weir_subscription *s, const char *want)
{
    weir_error   err = { 0 };
    weir_message m;
    for (int i = 0; i < 60000; i++) {
        assert_int_equal(weir_subscription_next(s, &m, &err), WEIR_OK);
        bool found = false;
        for (uint32_t r = 0; m.event == WEIR_ROWS && r < weir_rows_count(m.rows); r++)
            found = found || (weir_rows_diff(m.rows, r) > 0 && strcmp(weir_rows_text(m.rows, r, 0), want) == 0);
        if (m.event == WEIR_ROWS)
            weir_rows_release(m.rows);
        if (found)
            return;
        usleep(m.event == WEIR_NOTHING ? 1000 : 0);
    }
    fail_msg("no row %s came", want);
}

/* What a subscriber of a view that has failed hears. */
static void
await_failure(weir_subscription *s, const char *wanting)
{
    weir_error   err = { 0 };
    weir_message m;
    for (int i = 0; i < 60000; i++) {
        if (weir_subscription_next(s, &m, &err) != WEIR_OK) {
            if (strstr(err.text, wanting) == NULL)
                fail_msg("%s", err.text);
            return;
        }
        if (m.event == WEIR_ROWS)
            weir_rows_release(m.rows);
        usleep(m.event == WEIR_NOTHING ? 1000 : 0);
    }
    fail_msg("it did not fail");
}

static void
expect_said(weir_status (*say)(char **text, weir_error *err), const char *wanting, bool said)
{
    weir_error err = { 0 };
    char      *text = NULL;
    assert_int_equal(say(&text, &err), WEIR_OK);
    if ((strstr(text, wanting) != NULL) != said)
        fail_msg("\"%s\" %s said in %s", wanting, said ? "is not" : "is", text);
    weir_free(text);
}

static weir_status
say_status(char **text, weir_error *err)
{
    return weir_status_json(engine, text, err);
}
static weir_status
say_metrics(char **text, weir_error *err)
{
    return weir_metrics(engine, text, err);
}
static weir_status
say_why(char **text, weir_error *err)
{
    return weir_why(pipeline, "known", WEIR_TEXT, text, err);
}

static void
checkpoint(void)
{
    weir_error err = { 0 };
    assert_int_equal(weir_pipeline_checkpoint(pipeline, &err), WEIR_OK);
}

static void
the_others_go_on(void **state)
{
    (void) state;
    for (uint32_t workers = 1; workers <= 3; workers += 2) {
        snprintf(folder, sizeof folder, "/tmp/weir-isolate-XXXXXX");
        assert_non_null(mkdtemp(folder));
        start(pipeline_text, workers, 20000); /* barriers go by all the time */
        weir_subscription *known = subscribe("known"), *total = subscribe("total");
        push(3);
        await_row(known, "1");
        expect_said(say_metrics, "weir_view_failed{pipeline=\"isolate\",view=\"greedy\"} 0", true);
        for (int i = 0; i < 8; i++)
            push(100000);
        await_failure(known, "it reads greedy, which has failed");
        push(1);
        await_row(total, "10");
        assert_int_equal(weir_pipeline_state(pipeline, NULL), WEIR_RUNNING);
        expect_said(say_status, "\"error\":\"it reads greedy", true);
        expect_said(say_metrics, "weir_view_failed{pipeline=\"isolate\",view=\"known\"} 1", true);
        expect_said(say_metrics, "weir_view_failed{pipeline=\"isolate\",view=\"total\"} 0", true);
        expect_said(say_why, "known has failed: it reads greedy", true);
        expect_said(say_why, "greedy has failed: ", true);
        for (int i = 0; i < 5; i++)
            checkpoint();
        weir_unsubscribe(known);
        weir_unsubscribe(total);
        weir_close(engine);
        start(pipeline_text, 4 - workers, 20000); /* dead it stays, on other workers, too */
        known = subscribe("known");
        total = subscribe("total");
        push(1);
        await_row(total, "11");
        await_failure(known, "it reads greedy, which has failed");
        expect_said(say_why, "raise limits.memory", true);
        checkpoint();
        weir_unsubscribe(known);
        weir_unsubscribe(total);
        weir_close(engine);
        char command[96];
        snprintf(command, sizeof command, "rm -r %s", folder);
        assert_int_equal(system(command), 0);
    }
}

static void
when_all_have_failed_so_has_the_pipeline(void **state) /* X4 */
{
    (void) state;
    weir_error err = { 0 };
    snprintf(folder, sizeof folder, "/tmp/weir-isolate-XXXXXX");
    assert_non_null(mkdtemp(folder));
    start(alone_text, 2, 0);
    for (int i = 0; i < 4; i++)
        push(100000);
    for (int i = 0; i < 60000 && weir_pipeline_state(pipeline, &err) == WEIR_RUNNING; i++)
        usleep(1000);
    assert_int_equal(weir_pipeline_state(pipeline, &err), WEIR_FAILED);
    assert_non_null(strstr(err.text, "raise limits.memory"));
    weir_close(engine);
    char command[96];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

WR_TESTS = { WR_TEST(the_others_go_on), WR_TEST(when_all_have_failed_so_has_the_pipeline), { NULL, NULL } };
