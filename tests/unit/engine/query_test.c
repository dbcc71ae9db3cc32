/* SPDX-License-Identifier: Apache-2.0 */
/*
 * query_test.c -- queries through the library: a pipeline's relations, running or not; followed; given up; explained.
 */
#include "support/test.h"

#include "weir/weir.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char pipeline_text[] =
    "name: p\n"
    "sources:\n"
    "  n: { nexmark: { relation: bid, events: 5000 } }\n"
    "  m: { nexmark: { relation: bid } }\n"
    "  given: { push: {}, columns: \"a bigint\" }\n"
    "views:\n"
    "  big: { sql: \"SELECT auction, price FROM n WHERE price > 1000\" }\n"
    "  pushed: { sql: \"SELECT a FROM given\" }\n"
    "  broken: { sql: \"SELECT nope FROM n\" }\n";

typedef struct fixture {
    weir          *engine;
    weir_pipeline *pipeline;
} fixture;

static fixture
fixture_open(void)
{
    fixture      f = { 0 };
    weir_report *report = weir_report_open();
    char         text[sizeof pipeline_text];
    snprintf(text, sizeof text, "%s", pipeline_text);
    assert_int_equal(weir_open(NULL, &f.engine, NULL), WEIR_OK);
    assert_int_equal(weir_pipeline_read(f.engine, "p.yaml", text, report, &f.pipeline), WEIR_OK);
    weir_report_close(report);
    return f;
}

/* Rows a statement gives; its first value in first. */
static weir_status
run(const fixture *f, const char *sql, weir_query_options options, uint64_t *rows, char *first,
    weir_error *err)
{
    weir_result *result = NULL;
    weir_rows   *some = NULL;
    options.pipeline = f->pipeline;
    *rows = 0;
    weir_status status = weir_query(f->engine, sql, &options, &result, err);
    while (status == WEIR_OK && (status = weir_result_next(result, &some, err)) == WEIR_OK && some != NULL) {
        if (*rows == 0 && first != NULL)
            snprintf(first, 64, "%s", weir_rows_text(some, 0, 0));
        *rows += weir_rows_count(some);
        weir_rows_release(some);
    }
    weir_result_close(result);
    return status;
}

static void
views_are_answered_and_mistakes_elsewhere_are_no_matter(void **state)
{
    (void) state;
    fixture    f = fixture_open();
    weir_error err = { 0 };
    uint64_t   rows;
    char       first[64];
    assert_int_equal(run(&f, "SELECT count(*) FROM n", (weir_query_options){ 0 }, &rows, first, &err), WEIR_OK);
    assert_int_equal(rows, 1);
    assert_string_equal(first, "4600");
    assert_int_equal(run(&f, "SELECT price FROM big LIMIT 10", (weir_query_options){ 0 }, &rows, NULL, &err), WEIR_OK);
    assert_int_equal(rows, 10);
    assert_int_equal(run(&f, "SELECT * FROM broken", (weir_query_options){ 0 }, &rows, NULL, &err), WEIR_QUERY_NO_COLUMN);
    assert_non_null(strstr(err.text, "p.yaml:9:"));
    assert_int_equal(weir_pipeline_start(f.pipeline, &err), WEIR_STATE_STOPPED);
    weir_close(f.engine);
}

static void
what_has_no_end_is_refused_at_its_place(void **state)
{
    (void) state;
    fixture    f = fixture_open();
    weir_error err = { 0 };
    uint64_t   rows;
    weir_query_options unbounded = { .follow = true, .unbounded_state = true, .timeout_us = 1000 };
    assert_int_equal(run(&f, "SELECT * FROM pushed", (weir_query_options){ 0 }, &rows, NULL, &err), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(err.column, 15);
    assert_int_equal(run(&f, "SELECT * FROM m", (weir_query_options){ 0 }, &rows, NULL, &err), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(run(&f, "SELECT a FROM given EMIT CHANGES", (weir_query_options){ 0 }, &rows, NULL, &err), WEIR_QUERY_UNSUPPORTED);
    assert_int_equal(run(&f, "SELECT auction, count(*) FROM m GROUP BY 1 EMIT CHANGES", (weir_query_options){ 0 }, &rows, NULL, &err),
                     WEIR_QUERY_UNBOUNDED);
    assert_int_equal(run(&f, "SELECT auction, count(*) FROM m GROUP BY 1", unbounded, &rows, NULL, &err), WEIR_TIMEOUT);
    weir_close(f.engine);
}

static void
a_time_limit_has_no_limit(void **state)
{
    (void) state;
    fixture            f = fixture_open();
    weir_error         err = { 0 };
    uint64_t           rows;
    weir_query_options patient = { .timeout_us = INT64_MAX };
    assert_int_equal(run(&f, "SELECT count(*) FROM n", patient, &rows, NULL, &err), WEIR_OK);
    assert_int_equal(rows, 1);
    weir_close(f.engine);
}

static void
nobody_waits_for_less_than_no_time(void **state)
{
    (void) state;
    fixture        f = fixture_open();
    weir_error     err = { 0 };
    weir_report   *report = weir_report_open();
    weir_pipeline *running = NULL;
    const char    *text = "name: r\nsources:\n  m: { nexmark: { relation: bid } }\n"
                          "views:\n  v: { sql: \"SELECT auction FROM m\" }\n";
    assert_int_equal(weir_pipeline_load(f.engine, "r.yaml", text, NULL, NULL, report, &running), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(running, &err), WEIR_OK);
    assert_int_equal(weir_pipeline_wait(running, -999999, &err), WEIR_TIMEOUT);
    assert_int_equal(weir_pipeline_stop(running, &err), WEIR_OK);
    weir_close(f.engine);
}

static bool
give_up(void *user, const weir_progress *progress)
{
    (void) progress;
    return ++*(int *) user < 3;
}

static void
a_query_can_be_given_up(void **state)
{
    (void) state;
    fixture    f = fixture_open();
    weir_error err = { 0 };
    uint64_t   rows;
    int        calls = 0;
    weir_query_options options = { .follow = true, .unbounded_state = true, .progress = give_up, .user = &calls };
    assert_int_equal(run(&f, "SELECT max(price) FROM m", options, &rows, NULL, &err), WEIR_CANCELLED);
    assert_int_equal(calls, 3);
    weir_close(f.engine);
}

/* The same file runs and is asked at the same time: neither knows of the other. */
static void
a_running_pipeline_is_read_anew(void **state)
{
    (void) state;
    fixture        f = fixture_open();
    weir_error     err = { 0 };
    weir_report   *report = weir_report_open();
    weir_pipeline *running = NULL;
    uint64_t       rows;
    char           first[64];
    const char    *text = "name: r\nsources:\n  n: { nexmark: { relation: bid, events: 2000 } }\n"
                          "views:\n  v: { sql: \"SELECT auction FROM n\" }\n";
    assert_int_equal(weir_pipeline_load(f.engine, "r.yaml", text, NULL, NULL, report, &running), WEIR_OK);
    weir_report_close(report);
    assert_int_equal(weir_pipeline_start(running, &err), WEIR_OK);
    f.pipeline = running;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(&f, "SELECT count(*) FROM v", (weir_query_options){ 0 }, &rows, first, &err), WEIR_OK);
        assert_string_equal(first, "1840");
    }
    assert_int_equal(weir_pipeline_wait(running, 60000000, &err), WEIR_OK);
    weir_progress progress;
    weir_pipeline_progress(running, &progress);
    assert_int_equal(progress.rows, 1840);
    assert_true(progress.fraction == 1);
    weir_close(f.engine);
}

static void
explain_analyze_counts(void **state)
{
    (void) state;
    fixture      f = fixture_open();
    weir_error   err = { 0 };
    weir_result *result = NULL;
    weir_rows   *rows = NULL;
    weir_query_options options = { .pipeline = f.pipeline };
    const char  *sqls[] = { "EXPLAIN SELECT count(*) FROM n", "explain analyze SELECT count(*) FROM n",
                            "EXPLAIN (verbose, ANALYZE) SELECT count(*) FROM n", "EXPLAIN (ANALYZE false) SELECT count(*) FROM n" };
    for (int i = 0; i < 4; i++) {
        bool counted = false, analyzed = i == 1 || i == 2;
        assert_int_equal(weir_query(f.engine, sqls[i], &options, &result, &err), WEIR_OK);
        assert_int_equal(weir_result_next(result, &rows, &err), WEIR_OK);
        for (uint32_t r = 0; r < weir_rows_count(rows); r++)
            counted = counted || strstr(weir_rows_text(rows, r, 0), "source n: 4600 rows") != NULL;
        assert_true(counted == analyzed);
        weir_rows_release(rows);
        assert_int_equal(weir_result_next(result, &rows, &err), WEIR_OK);
        assert_null(rows);
        weir_result_close(result);
    }
    assert_int_not_equal(weir_query(f.engine, "EXPLAIN (ANALYZE SELECT 1", &options, &result, &err), WEIR_OK);
    assert_int_not_equal(weir_query(f.engine, "EXPLAIN", &options, &result, &err), WEIR_OK);
    weir_close(f.engine);
}

WR_TESTS = { WR_TEST(a_time_limit_has_no_limit),
             WR_TEST(nobody_waits_for_less_than_no_time),
             WR_TEST(views_are_answered_and_mistakes_elsewhere_are_no_matter),
             WR_TEST(what_has_no_end_is_refused_at_its_place),
             WR_TEST(a_query_can_be_given_up),
             WR_TEST(a_running_pipeline_is_read_anew),
             WR_TEST(explain_analyze_counts),
             { NULL, NULL } };
