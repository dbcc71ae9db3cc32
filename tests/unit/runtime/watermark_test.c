/* SPDX-License-Identifier: Apache-2.0 */
/* watermark_test.c -- Y1..Y4 of runtime/source_impl.h and design 12.1: lanes, idleness, the judge of each row. */
#include "support/test.h"

#include "support/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static rig        r;
static wr_reader *readers[8];

/* A bare source: look at its stream with a reader of our own. */
static void
begin(void)
{
    rig_init(&r, RIG_PASS);
    r.source_config[0].follow = true;
}

static void
start(void)
{
    rig_start(&r);
    wr_stream *stream = wr_runtime_stream(r.rt, 0);
    for (uint32_t i = 0; i < wr_stream_shards(stream); i++) {
        wr_reader_config config = { .required = false, .shard = (int32_t) i };
        assert_int_equal(wr_reader_create(stream, &config, &readers[i]), WEIR_OK);
    }
}

static void
end(void)
{
    for (int i = 0; i < 8; i++) {
        wr_reader_destroy(readers[i]);
        readers[i] = NULL;
    }
    rig_fini(&r);
}

static wr_time
watermark(void)
{
    wr_source_view view;
    wr_runtime_source_view(r.rt, 0, &view);
    return view.watermark;
}

/* The next batch with rows of shard 0; released at once, so look only at what this copies. */
typedef struct seen {
    uint32_t rows;
    wr_time  before, after, judges[16];
    bool     judged;
} seen;

static seen
next_batch(void)
{
    seen s = { 0 };
    for (wr_batch *b; s.rows == 0 && (b = wr_reader_next(readers[0], 0, NULL)) != NULL;) {
        s.rows = b->row_count;
        s.before = b->watermark_before;
        s.after = b->watermark_after;
        s.judged = b->row_watermark != NULL;
        for (uint32_t i = 0; i < b->row_count && i < 16; i++)
            s.judges[i] = wr_batch_row_watermark(b, wr_batch_row(b, i));
        wr_batch_release(b);
    }
    return s;
}

static void
the_least_lane_holds_it(void **state)
{
    static const test_event a[] = { { 1, 1, 10 }, { 1, 1, 20 }, { 1, 1, 30 } };
    static const test_event b[] = { { 1, 1, 5 }, { 1, 1, 6 }, { 1, 1, 40 } };
    for (uint32_t workers = 1; workers <= 3; workers++) {
        _Atomic uint64_t limit = 0;
        begin();
        r.config.workers = workers;
        r.source_config[0].limit = &limit;
        rig_partition(&r, 0, a, 3);
        rig_partition(&r, 1, b, 3);
        start();
        static const wr_time want[] = { WR_TIME_START, 5, 6, 30 };
        for (uint64_t n = 0; n < 4; n++) {
            atomic_store(&limit, n);
            rig_wait(&r, 0);
            for (uint32_t i = 0; i < r.config.workers; i++) /* the source has no bell: poll it */
                (void) wr_runtime_barrier(r.rt);
            rig_run(&r);
            assert_int_equal(watermark(), want[n]);
            wr_source_view view;
            wr_runtime_source_view(r.rt, 0, &view);
            assert_int_equal(view.held_by, n == 3 ? 0 : n == 0 ? view.held_by : 1);
            assert_int_equal(view.lane_count, 2);
        }
        /* Each shard's stream has heard of it, those without rows too. */
        assert_int_equal(wr_stream_watermark(wr_runtime_stream(r.rt, 0)), 30);
        end();
    }
}

static void
a_quiet_lane_holds_until_it_is_idle(void **state)
{
    static const test_event a[] = { { 1, 1, 10 }, { 1, 1, 20 }, { 1, 1, 30 }, { 1, 1, 90 } };
    static const test_event b[] = { { 1, 1, 5 }, { 1, 1, 6 } };
    _Atomic uint64_t limit = 1;
    begin();
    r.sources[0].idle_us = 1000;
    r.source_config[0].limit = &limit;
    rig_partition(&r, 0, a, 4);
    rig_partition(&r, 1, b, 2);
    start();
    rig_run(&r);
    assert_int_equal(watermark(), 5);
    rig_wait(&r, 999);
    assert_int_equal(watermark(), 5);
    rig_wait(&r, 1); /* both are quiet: nobody holds, it is where the furthest has come */
    assert_int_equal(watermark(), 10);
    wr_lane_view lanes[4];
    assert_int_equal(wr_runtime_lanes(r.rt, 0, lanes, 4), 2);
    assert_true(lanes[0].idle && lanes[1].idle && lanes[0].caught_up);
    (void) next_batch();
    (void) next_batch();
    atomic_store(&limit, 4); /* the idle lane comes back: its row is judged by what was promised */
    (void) wr_runtime_barrier(r.rt);
    rig_run(&r);
    seen s = next_batch();
    for (; s.rows != 1; s = next_batch())
        assert_true(s.rows > 0);
    assert_true(s.judged);
    assert_true(s.judges[0] >= 10);
    rig_wait(&r, 1000);
    assert_int_equal(watermark(), 90);
    end();
}

static void
a_lane_without_the_rule_is_never_idle(void **state)
{
    static const test_event a[] = { { 1, 1, 10 } }, b[] = { { 1, 1, 5 } };
    begin();
    rig_partition(&r, 0, a, 1);
    rig_partition(&r, 1, b, 1);
    start();
    rig_run(&r);
    rig_wait(&r, 1000000000);
    assert_int_equal(watermark(), 5);
    end();
}

static void
a_paused_lane_is_not_idle(void **state)
{
    static test_event many[40];
    static const test_event few[] = { { 1, 1, 1 }, { 1, 1, 2 } };
    for (int i = 0; i < 40; i++)
        many[i] = (test_event){ 1, 1, 10 + i };
    begin();
    r.sources[0].idle_us = 1000;
    r.config.ring_batches_max = 1;
    r.config.batch_rows_max = 1;
    r.source_config[0].rows_a_poll = 1;
    atomic_store(&r.out.stalled, true);
    rig_partition(&r, 0, many, 40);
    rig_partition(&r, 1, few, 2);
    rig_start(&r);
    rig_run(&r);
    for (int i = 0; i < 5; i++)
        rig_wait(&r, 10000);
    assert_true(watermark() <= 2); /* partition 1 was paused, not quiet */
    test_collector_resume(&r.out);
    rig_run(&r);
    assert_true(watermark() <= 2);
    rig_wait(&r, 999);
    assert_true(watermark() <= 2); /* the time it was paused does not count */
    rig_wait(&r, 1);
    assert_int_equal(watermark(), 49);
    end();
}

static void
an_ended_lane_no_longer_holds(void **state)
{
    static const test_event a[] = { { 1, 1, 10 }, { 1, 1, 20 } }, b[] = { { 1, 1, 5 } };
    begin();
    r.source_config[0].follow = false;
    rig_partition(&r, 0, a, 2);
    rig_partition(&r, 1, b, 1);
    start();
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    assert_int_equal(wr_stream_watermark(wr_runtime_stream(r.rt, 0)), WR_TIME_END);
    end();
}

static void
rows_have_their_own_judge_exactly_when_out_of_order(void **state)
{
    static const test_event a[] = { { 1, 1, 10 }, { 1, 1, 20 }, { 1, 1, 30 }, /* in order: at 30 */
                                    { 1, 1, 31 }, { 1, 1, 35 }, { 1, 1, 33 }, /* 33 < 35          */
                                    { 1, 1, 35 }, { 1, 1, 36 }, { 1, 1, 36 } };
    begin();
    r.source_config[0].rows_a_poll = 3;
    rig_partition(&r, 0, a, 9);
    test_delay_us = 0;
    r.config.batch_rows_max = 3;
    start();
    rig_run(&r);
    seen s = next_batch();
    assert_int_equal(s.before, WR_TIME_START);
    assert_int_equal(s.after, 30);
    assert_true(s.judged); /* 10 < 30 */
    assert_int_equal(s.judges[0], WR_TIME_START);
    assert_int_equal(s.judges[1], 10);
    assert_int_equal(s.judges[2], 20);
    s = next_batch();
    assert_int_equal(s.before, 30);
    assert_int_equal(s.after, 35);
    assert_true(s.judged);
    assert_int_equal(s.judges[2], 35); /* late */
    s = next_batch();
    assert_true(s.judged); /* 35 < 36 */
    end();
    begin();
    test_delay_us = 10; /* the watermark stays behind every row of the batch: no need */
    static const test_event c[] = { { 1, 1, 30 }, { 1, 1, 31 }, { 1, 1, 40 }, { 1, 1, 30 } };
    rig_partition(&r, 0, c, 4);
    start();
    rig_run(&r);
    s = next_batch();
    assert_int_equal(s.rows, 4);
    assert_int_equal(s.after, 30);
    assert_false(s.judged);
    end();
}

/* Out of order by more than the delay; one partition, so the order is one. */
static void
lateness_is_a_function_of_the_order_of_rows(void **state)
{
    enum { EVENTS = 800 };
    static test_event events[EVENTS];
    char             *want = NULL, *want_late = NULL;
    wr_random         random;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        wr_random_init(&random, seed);
        for (int i = 0; i < EVENTS; i++)
            events[i] = (test_event){ (int64_t) wr_random_below(&random, 4), i,
                                      i * 2 + (int64_t) wr_random_below(&random, 150) };
        static const uint32_t rows[] = { 4096, 1, 7, 100, 4096 }, polls[] = { 0, 1, 3, 500, 17 };
        for (int i = 0; i < 5; i++)
            for (uint32_t workers = 1; workers <= 3; workers += 2) {
                rig_init(&r, RIG_WINDOWS);
                r.window_us = 40;
                test_delay_us = 30;
                r.config.workers = workers;
                r.config.batch_rows_max = rows[i];
                r.source_config[0].rows_a_poll = polls[i];
                r.source_config[0].text = i == 3;
                if (i == 1)
                    rig_smallest(&r);
                rig_partition(&r, 0, events, EVENTS);
                rig_start(&r);
                rig_run(&r);
                assert_int_equal(atomic_load(&r.finished), 1);
                char *late = test_collector_text(&r.late, false);
                if (want == NULL) {
                    assert_true(r.late.count > 20);
                    want = strdup(rig_text(&r));
                    want_late = strdup(late);
                }
                rig_assert_same(rig_text(&r), want);
                rig_assert_same(late, want_late);
                free(late);
                rig_fini(&r);
            }
        free(want);
        free(want_late);
        want = want_late = NULL;
    }
}

static void
times_that_are_null_or_in_the_future(void **state)
{
    static const test_event a[] = { { 1, 1, 10 }, { 2, 2, INT64_MIN }, { 3, 3, 1000000600 }, { 4, 4, 20 } };
    begin();
    r.sources[0].future_us = 500; /* the clock stands at 1,000,000,000 */
    rig_partition(&r, 0, a, 4);
    start();
    rig_run(&r);
    assert_int_equal(watermark(), 20); /* the far row moved nothing */
    wr_source_view view;
    wr_runtime_source_view(r.rt, 0, &view);
    assert_int_equal(view.rows, 4);
    assert_int_equal(view.future, 1);
    assert_int_equal(view.bad, 1);
    assert_true(strstr(view.last_bad, "future") != NULL);
    wr_lane_view lane;
    assert_int_equal(wr_runtime_lanes(r.rt, 0, &lane, 1), 1);
    assert_int_equal(lane.null_time, 1);
    rig_assert_same(rig_text(&r), "1|1|10|10\n2|2|null|null\n4|4|20|20\n");
    end();
}

static void
bad_records_go_to_the_dead_letters(void **state)
{
    static const test_event a[] = { { 1, 1, 10 }, { 2, -1, 0 }, { 3, 3, 30 }, { 2, -1, 0 } };
    static const char *const names[] = { "source", "partition", "offset", "code",
                                         "message", "sample",    "ts" };
    static const wr_type_id types[] = { WR_TEXT, WR_INT4, WR_INT8, WR_TEXT,
                                        WR_TEXT, WR_BYTEA, WR_TIMESTAMPTZ };
    begin();
    wr_schema *schema = wr_schema_create(&r.arena, 7);
    for (int i = 0; i < 7; i++) {
        schema->fields[i].name = names[i];
        schema->fields[i].type = WR_TYPE(types[i]);
    }
    r.job.streams[2] = (wr_job_stream){ .name = "events.dead_letter", .schema = schema,
                                        .origin = WR_FROM_SIDE, .side_port = WR_PORT_BAD };
    r.job.stream_count = 3;
    r.sources[0].bad_stream = 2;
    r.sinks[r.sink_count++] = (wr_sink_binding){
        .name = "bad", .stream = 2, .ops = &test_sink_ops, .config = &r.bad
    };
    r.source_config[0].text = true;
    r.source_config[0].follow = false;
    rig_partition(&r, 0, a, 4);
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    rig_assert_same(rig_text(&r), "1|1|10|10\n3|3|30|30\n");
    char *bad = test_collector_text(&r.bad, false);
    rig_assert_same(bad, "events|0|1|ROW_DECODE|not three numbers|garbage|1000000000\n"
                         "events|0|3|ROW_DECODE|not three numbers|garbage|1000000000\n");
    free(bad);
    end();
}

static void
columns_nobody_reads_are_null_and_metadata_is_filled(void **state)
{
    static const test_event a[] = { { 1, 5, 10 }, { 2, 6, 20 } };
    uint64_t needed = 1 | 4 | 8 | 16 | 32;
    begin();
    wr_schema *schema = wr_schema_create(&r.arena, 6);
    memcpy(schema->fields, r.sources[0].schema->fields, 4 * sizeof schema->fields[0]);
    schema->fields[4] = (wr_field){ .name = "_offset", .type = WR_TYPE(WR_INT8), .hidden = true };
    schema->fields[5] = (wr_field){ .name = "_partition", .type = WR_TYPE(WR_INT4), .hidden = true };
    schema->time_column = 2;
    r.sources[0].schema = schema;
    r.sources[0].needed = &needed;
    r.source_config[0].text = true;
    rig_partition(&r, 3, a, 2);
    rig_start(&r);
    rig_run(&r);
    rig_assert_same(rig_text(&r), "1|null|10|10|0|3\n2|null|20|20|1|3\n");
    end();
}

static void
pushed_rows_and_a_declared_idle_partition(void **state)
{
    static const test_event a = { 1, 1, 100 }, b = { 1, 1, 7 };
    begin();
    r.sources[0].ops = &wr_push_source_ops;
    rig_start(&r);
    assert_int_equal(wr_runtime_push(r.rt, 0, 1, test_event_batch(r.flow, &b, 1)), WR_FLOW_NEXT);
    rig_run(&r);
    assert_int_equal(wr_runtime_push(r.rt, 0, 0, test_event_batch(r.flow, &a, 1)), WR_FLOW_NEXT);
    rig_run(&r);
    assert_int_equal(watermark(), 7);
    wr_runtime_push_idle(r.rt, 0, 1);
    rig_run(&r);
    assert_int_equal(watermark(), 100);
    wr_runtime_push_end(r.rt, 0);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    wr_batch *late = test_event_batch(r.flow, &a, 1);
    assert_int_equal(wr_runtime_push(r.rt, 0, 0, late), WR_FLOW_DONE);
    wr_batch_release(late);
    end();
}

/* Y3: a barrier while one shard is far ahead must not make the other's rows late after a restart. */
static void
a_cut_does_not_outrun_the_slower_shard(void **state)
{
    enum { EVENTS = 400 };
    static test_event events[2][EVENTS];
    for (int p = 0; p < 2; p++)
        for (int i = 0; i < EVENTS; i++)
            events[p][i] = (test_event){ p, i, i * 5 };
    char *want = NULL, directory[64], remove[96];
    snprintf(directory, sizeof directory, "/tmp/weir-cut-%d", (int) getpid());
    snprintf(remove, sizeof remove, "rm -rf %s", directory);
    for (uint64_t seed = 0; seed < 60; seed++) {
        if (system(remove) != 0)
            fail();
        rig_init(&r, RIG_WINDOWS);
        r.window_us = 20;
        r.config.workers = 2;
        r.config.seed = seed;
        r.config.data_dir = directory;
        r.source_config[0].rows_a_poll = 4;
        for (int p = 0; p < 2; p++)
            rig_partition(&r, p, events[p], EVENTS);
        rig_start(&r);
        if (seed > 0) {
            rig_steps(&r, (uint32_t) seed * 3);
            wr_epoch epoch = wr_runtime_barrier(r.rt);
            while (wr_runtime_epoch_done(r.rt) < epoch)
                assert_int_equal(rig_steps(&r, 1), 1);
            rig_crash(&r);
            rig_start(&r);
        }
        rig_run(&r);
        if (want == NULL)
            want = strdup(rig_distinct(&r));
        rig_assert_same(rig_distinct(&r), want);
        assert_int_equal(r.late.count, 0);
        rig_fini(&r);
    }
    free(want);
    if (system(remove) != 0)
        fail();
}

WR_TESTS = {
    WR_TEST(the_least_lane_holds_it),
    WR_TEST(a_quiet_lane_holds_until_it_is_idle),
    WR_TEST(a_lane_without_the_rule_is_never_idle),
    WR_TEST(a_paused_lane_is_not_idle),
    WR_TEST(an_ended_lane_no_longer_holds),
    WR_TEST(rows_have_their_own_judge_exactly_when_out_of_order),
    WR_TEST(lateness_is_a_function_of_the_order_of_rows),
    WR_TEST(times_that_are_null_or_in_the_future),
    WR_TEST(bad_records_go_to_the_dead_letters),
    WR_TEST(columns_nobody_reads_are_null_and_metadata_is_filled),
    WR_TEST(pushed_rows_and_a_declared_idle_partition),
    WR_TEST(a_cut_does_not_outrun_the_slower_shard),
    { NULL, NULL },
};
