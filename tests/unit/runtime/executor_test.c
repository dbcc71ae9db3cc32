/* SPDX-License-Identifier: Apache-2.0 */
/* executor_test.c -- whole jobs under both executors: the answer does not depend on workers, buffers, seeds. */
#include "support/test.h"

#include "support/rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { PARTITIONS = 4, EVENTS = 600, KEYS = 7, WINDOW = 50 };

static test_event events[PARTITIONS][EVENTS];

/* Out of order by less than the delay, so that no interleaving makes a row late. */
static void
make_events(uint64_t seed)
{
    wr_random random;
    wr_random_init(&random, seed);
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < EVENTS; i++)
            events[p][i] = (test_event){ (int64_t) wr_random_below(&random, KEYS),
                                         (int64_t) wr_random_below(&random, 100),
                                         i * 3 + (int64_t) wr_random_below(&random, 20) };
}

static void
init(rig *r, rig_kind kind, int partitions)
{
    rig_init(r, kind);
    r->window_us = WINDOW;
    test_delay_us = 20;
    for (int p = 0; p < partitions; p++)
        rig_partition(r, p, events[p], EVENTS);
}

/* Count and sum by window and key, written independently of the operators.  Caller frees. */
static char *
expected(int partitions, int times)
{
    enum { WINDOWS = (EVENTS * 3 + 20) / WINDOW + 1 };
    static int64_t n[WINDOWS][KEYS], s[WINDOWS][KEYS];
    test_collector c;
    memset(n, 0, sizeof n);
    memset(s, 0, sizeof s);
    for (int p = 0; p < partitions; p++)
        for (int i = 0; i < EVENTS; i++) {
            const test_event *e = &events[p][i];
            n[e->ts / WINDOW][e->k] += times;
            s[e->ts / WINDOW][e->k] += times * e->v;
        }
    test_collector_init(&c);
    c.rows = malloc(WINDOWS * KEYS * sizeof *c.rows);
    for (int w = 0; w < WINDOWS; w++)
        for (int k = 0; k < KEYS; k++)
            if (n[w][k] > 0) {
                c.rows[c.count] = malloc(80);
                snprintf(c.rows[c.count++], 80, "%d|%d|%d|%d", (w + 1) * WINDOW, k, (int) n[w][k],
                         (int) s[w][k]);
            }
    char *text = test_collector_text(&c, false);
    test_collector_fini(&c);
    return text;
}

static void
check(rig *r, const char *want)
{
    rig_start(r);
    rig_run(r);
    assert_int_equal(atomic_load(&r->failed), 0);
    assert_int_equal(atomic_load(&r->finished), 1);
    assert_true(wr_runtime_finished(r->rt));
    rig_assert_same(rig_text(r), want);
    assert_int_equal(r->late.count, 0);
    wr_runtime_destroy(r->rt);
    r->rt = NULL;
    assert_int_equal(wr_budget_used(r->flow), 0);
    assert_int_equal(wr_budget_used(r->state), 0);
    rig_fini(r);
}

static void
rows_pass(void **state)
{
    rig        r;
    test_event two[] = { { 1, 10, 5 }, { 2, 20, 6 } };
    rig_init(&r, RIG_PASS);
    rig_partition(&r, 0, two, 2);
    check(&r, "1|10|5|5\n2|20|6|6\n");
}

static void
a_job_without_rows_ends(void **state)
{
    rig r;
    rig_init(&r, RIG_WINDOWS);
    rig_partition(&r, 0, events[0], 0);
    r.config.workers = 3;
    check(&r, "");
}

static void
windows_are_the_same_with_any_workers(void **state)
{
    make_events(1);
    char *want = expected(PARTITIONS, 1);
    for (uint32_t workers = 1; workers <= 5; workers++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            rig r;
            init(&r, RIG_WINDOWS, PARTITIONS);
            r.config.workers = workers;
            r.config.seed = seed;
            check(&r, want);
        }
    free(want);
}

static void
windows_are_the_same_with_the_smallest_buffers(void **state)
{
    make_events(2);
    char *want = expected(PARTITIONS, 1);
    for (uint32_t workers = 1; workers <= 3; workers++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            rig r;
            init(&r, RIG_WINDOWS, PARTITIONS);
            r.config.workers = workers;
            r.config.seed = seed;
            rig_smallest(&r);
            check(&r, want);
        }
    free(want);
}

static void
text_is_decoded_to_the_same_rows(void **state)
{
    make_events(3);
    char *want = expected(PARTITIONS, 1);
    for (int small = 0; small < 2; small++) {
        rig r;
        init(&r, RIG_WINDOWS, PARTITIONS);
        r.config.workers = 2;
        r.source_config[0].text = true;
        if (small)
            rig_smallest(&r);
        check(&r, want);
    }
    free(want);
}

static void
a_union_waits_for_the_slower_side(void **state)
{
    make_events(4);
    char *want = expected(PARTITIONS, 2);
    for (uint64_t seed = 1; seed <= 20; seed++) {
        rig r;
        init(&r, RIG_UNION, PARTITIONS);
        for (int p = 0; p < PARTITIONS; p++)
            rig_partition_of(&r, 1, p, events[p], EVENTS);
        r.config.workers = 1 + seed % 3;
        r.config.seed = seed;
        if (seed % 2 == 0)
            rig_smallest(&r);
        check(&r, want);
    }
    free(want);
}

static void
a_diamond_does_not_lock_up(void **state)
{
    make_events(5);
    char *windows = expected(PARTITIONS, 1);
    for (uint64_t seed = 1; seed <= 10; seed++) {
        rig r;
        init(&r, RIG_DIAMOND, PARTITIONS);
        r.config.workers = 1 + seed % 3;
        r.config.seed = seed;
        rig_smallest(&r);
        rig_start(&r);
        rig_run(&r);
        assert_int_equal(atomic_load(&r.finished), 1);
        uint32_t lines = 0;
        for (const char *c = windows; *c != '\0'; c++)
            lines += *c == '\n';
        assert_int_equal(r.out.count, PARTITIONS * EVENTS + lines);
        rig_fini(&r);
    }
    free(windows);
}

static void
one_seed_is_one_run(void **state)
{
    make_events(6);
    char *first = NULL;
    for (int i = 0; i < 2; i++) {
        rig     r;
        wr_text order;
        init(&r, RIG_WINDOWS, PARTITIONS);
        r.config.workers = 3;
        r.config.seed = 99;
        r.source_config[0].rows_a_poll = 7;
        rig_start(&r);
        rig_run(&r);
        wr_text_init(&order, NULL);
        for (uint32_t k = 0; k < r.out.count; k++)
            wr_text_printf(&order, "%s\n", r.out.rows[k]);
        if (first == NULL)
            first = strdup(wr_text_string(&order));
        else
            assert_string_equal(first, wr_text_string(&order));
        wr_text_fini(&order);
        rig_fini(&r);
    }
    free(first);
}

static void
a_failing_row_fails_the_job(void **state)
{
    rig        r;
    int64_t    bad = 7;
    test_event two[] = { { 1, 6, 5 }, { 2, 7, 6 } };
    rig_init(&r, RIG_PASS);
    rig_partition(&r, 0, two, 2);
    r.job.segments[0].ops[0].ops = &test_fail_ops;
    r.job.segments[0].ops[0].config = &bad;
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.failed), 1);
    assert_int_equal(r.error.code, WEIR_ROW_OVERFLOW);
    weir_error err;
    assert_int_equal(wr_runtime_status(r.rt, &err), WEIR_ROW_OVERFLOW);
    assert_false(wr_runtime_step(r.rt));
    rig_fini(&r);
}

static void
a_sink_that_fails_fails_the_job(void **state)
{
    rig        r;
    test_event one[] = { { 1, 6, 5 } };
    rig_init(&r, RIG_PASS);
    rig_partition(&r, 0, one, 1);
    atomic_store(&r.out.refuse, true);
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.failed), 1);
    assert_int_equal(r.error.code, WEIR_WRITE);
    assert_string_equal(r.error.text, "sink out: refused");
    assert_string_equal(r.error.hint, "try again");
    rig_fini(&r);
}

/* Who takes nothing is named, with how much it left, and what becomes of that. */
static void
a_stop_names_the_sink_that_stands_in_its_way(void **state)
{
    rig        r;
    weir_error err;
    test_event three[] = { { 1, 6, 5 }, { 2, 7, 6 }, { 3, 8, 7 } };
    rig_init(&r, RIG_PASS);
    rig_partition(&r, 0, three, 3);
    r.source_config[0].follow = true;
    atomic_store(&r.out.stalled, true);
    rig_start(&r);
    rig_steps(&r, 50);
    assert_int_equal(wr_runtime_stop(r.rt, &err), WEIR_TIMEOUT);
    assert_int_equal(err.code, WEIR_TIMEOUT);
    assert_non_null(strstr(err.text, "sink out did not take everything"));
    assert_non_null(strstr(err.text, ": 3 rows or more were not written"));
    assert_non_null(strstr(err.hint, "--data"));
    rig_fini(&r);
}

static void
done_ends_the_output_and_drains_the_input(void **state)
{
    make_events(7);
    uint64_t rows = 5;
    for (int small = 0; small < 2; small++) {
        rig r;
        init(&r, RIG_PASS, 1);
        r.job.segments[0].ops[0].ops = &test_limit_ops;
        r.job.segments[0].ops[0].config = &rows;
        if (small)
            rig_smallest(&r);
        rig_start(&r);
        rig_run(&r);
        assert_int_equal(atomic_load(&r.finished), 1);
        assert_int_equal(r.out.count, 5);
        rig_fini(&r);
    }
}

static void
values_come_once(void **state)
{
    rig        r;
    test_event two[] = { { 1, 10, 5 }, { 2, 20, 6 } };
    rig_init(&r, RIG_PASS);
    rig_partition(&r, 0, events[0], 0);
    wr_batch *values = test_event_batch(NULL, two, 2);
    r.job.segments[0].input_count = 0;
    r.job.segments[0].values = values;
    r.config.workers = 3;
    check(&r, "1|10|5|5\n2|20|6|6\n");
    wr_batch_release(values);
}

/* --- backpressure --- */

static void
a_stalled_sink_pauses_the_source_and_is_named(void **state)
{
    make_events(8);
    rig r;
    init(&r, RIG_PASS, 1);
    r.config.ring_batches_max = 2;
    r.config.batch_rows_max = 10;
    r.source_config[0].rows_a_poll = 10;
    atomic_store(&r.out.stalled, true);
    rig_start(&r);
    rig_run(&r);
    uint64_t held = wr_budget_used(r.flow);
    for (int s = 0; s < 10; s++) {
        rig_wait(&r, 1000000);
        assert_int_equal(wr_budget_used(r.flow), held); /* flat */
        assert_true(s < 5 || atomic_load(&r.stalled) == 1);
    }
    assert_non_null(strstr(r.error.text, "sink out"));
    wr_sink_view view;
    wr_runtime_sink_view(r.rt, 0, &view);
    assert_true(view.blocked);
    assert_int_equal(r.out.count, 0);
    test_collector_resume(&r.out);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    assert_int_equal(r.out.count, EVENTS);
    rig_fini(&r);
}

static void
a_full_flow_budget_stops_polling(void **state)
{
    make_events(9);
    rig r;
    init(&r, RIG_PASS, 1);
    r.source_config[0].rows_a_poll = 50;
    wr_budget_set_limit(r.flow, 24 * 1024);
    atomic_store(&r.out.stalled, true);
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.failed), 0);
    assert_true(wr_budget_used(r.flow) > 12 * 1024);
    test_collector_resume(&r.out);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    assert_int_equal(r.out.count, EVENTS);
    rig_fini(&r);
}

/* Tasks take turns in the last bytes of the flow pool instead of failing there. */
static void
a_small_flow_budget_is_waited_for(void **state)
{
    make_events(13);
    char *want = expected(PARTITIONS, 1);
    for (uint64_t kib = 128; kib <= 320; kib += 32)
        for (uint32_t workers = 1; workers <= 3; workers += 2) {
            rig r;
            init(&r, RIG_WINDOWS, PARTITIONS);
            r.config.seed = kib;
            r.config.workers = workers;
            wr_budget_set_limit(r.flow, kib * 1024);
            check(&r, want);
            init(&r, RIG_DIAMOND, PARTITIONS);
            r.config.seed = kib;
            r.config.workers = workers;
            rig_smallest(&r);
            wr_budget_set_limit(r.flow, kib * 1024);
            rig_start(&r);
            rig_run(&r);
            assert_int_equal(atomic_load(&r.finished), 1);
            assert_true(r.out.count > PARTITIONS * EVENTS);
            rig_fini(&r);
        }
    free(want);
}

/* --- threads --- */

static void
threads_give_the_same_answer(void **state)
{
    make_events(10);
    char *want = expected(PARTITIONS, 1);
    for (uint32_t workers = 1; workers <= 4; workers++)
        for (int small = 0; small < 2; small++) {
            rig r;
            init(&r, RIG_WINDOWS, PARTITIONS);
            r.config.executor = WR_EXECUTOR_THREADS;
            r.config.clock = wr_clock_system();
            r.config.workers = workers;
            if (small)
                rig_smallest(&r);
            check(&r, want);
        }
    free(want);
}

static void
threads_union_and_diamond(void **state)
{
    make_events(11);
    char *want = expected(PARTITIONS, 2);
    rig   r;
    init(&r, RIG_UNION, PARTITIONS);
    for (int p = 0; p < PARTITIONS; p++)
        rig_partition_of(&r, 1, p, events[p], EVENTS);
    r.config.executor = WR_EXECUTOR_THREADS;
    r.config.clock = wr_clock_system();
    r.config.workers = 3;
    rig_smallest(&r);
    check(&r, want);
    free(want);
    init(&r, RIG_DIAMOND, PARTITIONS);
    r.config.executor = WR_EXECUTOR_THREADS;
    r.config.clock = wr_clock_system();
    r.config.workers = 2;
    rig_smallest(&r);
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    assert_true(r.out.count > PARTITIONS * EVENTS);
    rig_fini(&r);
}

static void
threads_push_and_stop(void **state)
{
    rig r;
    rig_init(&r, RIG_PASS);
    r.sources[0].ops = &wr_push_source_ops;
    r.config.executor = WR_EXECUTOR_THREADS;
    r.config.clock = wr_clock_system();
    r.config.workers = 2;
    rig_start(&r);
    for (int i = 0; i < 500; i++) {
        test_event e = { i, i, i };
        wr_batch  *b = test_event_batch(r.flow, &e, 1);
        while (wr_runtime_push(r.rt, 0, i % 2, b) == WR_FLOW_AGAIN)
            ;
    }
    wr_runtime_push_end(r.rt, 0);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    assert_int_equal(r.out.count, 500);
    weir_error err;
    assert_int_equal(wr_runtime_stop(r.rt, &err), WEIR_OK);
    rig_fini(&r);
}

static void
whoever_waits_for_ever_waits(void **state)
{
    rig        r;
    weir_error err;
    make_events(1);
    init(&r, RIG_WINDOWS, PARTITIONS);
    r.config.executor = WR_EXECUTOR_THREADS;
    rig_start(&r);
    assert_int_equal(wr_runtime_wait(r.rt, INT64_MAX, &err), WEIR_OK);
    assert_true(wr_runtime_finished(r.rt));
    rig_fini(&r);
}

WR_TESTS = { WR_TEST(whoever_waits_for_ever_waits),
    WR_TEST(rows_pass),
    WR_TEST(a_job_without_rows_ends),
    WR_TEST(windows_are_the_same_with_any_workers),
    WR_TEST(windows_are_the_same_with_the_smallest_buffers),
    WR_TEST(text_is_decoded_to_the_same_rows),
    WR_TEST(a_union_waits_for_the_slower_side),
    WR_TEST(a_diamond_does_not_lock_up),
    WR_TEST(one_seed_is_one_run),
    WR_TEST(a_failing_row_fails_the_job),
    WR_TEST(a_sink_that_fails_fails_the_job),
    WR_TEST(a_stop_names_the_sink_that_stands_in_its_way),
    WR_TEST(done_ends_the_output_and_drains_the_input),
    WR_TEST(values_come_once),
    WR_TEST(a_stalled_sink_pauses_the_source_and_is_named),
    WR_TEST(a_full_flow_budget_stops_polling),
    WR_TEST(a_small_flow_budget_is_waited_for),
    WR_TEST(threads_give_the_same_answer),
    WR_TEST(threads_union_and_diamond),
    WR_TEST(threads_push_and_stop),
    { NULL, NULL },
};
