/* SPDX-License-Identifier: Apache-2.0 */
/* operators_test.c -- the engine's own operators under the runtime: the same rows and the same late rows with any
 * batch size, any number of workers, across kills and re-sharded restarts. */
#include "support/test.h"

#include "operator/aggregate.h"
#include "operator/merge.h"
#include "support/rig.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PARTITIONS = 3, EVENTS = 400, KEYS = 6 };

static char directory[SCRATCH_PATH_MAX]; /* of this process alone; named by the first scratch_begin() */
static test_event events[PARTITIONS][EVENTS];

static wr_aggregate_config config;
static wr_merge_config     merge_config = { 2 };
static wr_agg_call         calls[2];
static const int32_t       keys[] = { WR_KEY_WINDOW_END, 0 };
static const wr_type       key_types[] = { { WR_TIMESTAMPTZ, 0, 0, -1 }, { WR_INT8, 0, 0, -1 } };

static wr_agg_call
call_of(rig *r, const char *name, bool with_v)
{
    wr_agg_call call = { .arg_count = with_v, .location = -1 };
    wr_type     v = WR_TYPE(WR_INT8), wanted[4];
    weir_error  err;
    if (wr_aggregate_resolve(name, &v, with_v, &call.aggregate, wanted, &call.result, &err) != WEIR_OK)
        fail_msg("%s", err.text);
    if (with_v)
        call.args[0] = wr_expr_column(&r->arena, 1, v);
    return call;
}

/* RIG_WINDOWS and RIG_UNION with the real operators in place of the test's. */
static void
init(rig *r, rig_kind kind, wr_window_kind window, int64_t size, int64_t slide)
{
    scratch_begin(directory, "operators");
    rig_init(r, kind);
    calls[0] = call_of(r, "count", false);
    calls[1] = call_of(r, "max", true);
    config = (wr_aggregate_config){
        .window = { .kind = window, .size = size, .slide = slide, .time_column = 2 },
        .key_count = 2,
        .keys = keys,
        .key_types = key_types,
        .time_key = -1,
        .call_count = 2,
        .calls = calls,
        .emit = WR_EMIT_FINAL,
        .late = WR_LATE_DEAD_LETTER,
        .input = r->job.streams[0].schema,
        .output = test_window_schema(&r->arena),
    };
    for (uint32_t g = 0; g < r->job.segment_count; g++)
        for (uint32_t i = 0; i < r->job.segments[g].op_count; i++) {
            wr_job_op *op = &r->job.segments[g].ops[i];
            if (op->ops == &test_window_ops)
                *op = (wr_job_op){ .ops = &wr_aggregate_ops, .config = &config };
            else if (op->ops == &test_union_ops)
                *op = (wr_job_op){ .ops = &wr_merge_ops, .config = &merge_config };
        }
    r->config.data_dir = directory;
}

/* Out of order by up to `ragged`, with a delay of 30. */
static void
make_events(uint64_t seed, uint64_t ragged)
{
    wr_random random;
    wr_random_init(&random, seed);
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < EVENTS; i++)
            events[p][i] = (test_event){ (int64_t) wr_random_below(&random, KEYS), i,
                                         1000 + i * 3 + (int64_t) wr_random_below(&random, ragged) };
    test_delay_us = 30;
}

static void
give(rig *r, int partitions)
{
    test_delay_us = 30;
    for (uint32_t s = 0; s < r->source_count; s++)
        for (int p = 0; p < partitions; p++)
            rig_partition_of(r, s, p, events[p], EVENTS);
}

static void
run_to_end(rig *r)
{
    rig_run(r);
    if (atomic_load(&r->failed) != 0)
        fail_msg("%s", r->error.text);
    assert_int_equal(atomic_load(&r->finished), 1);
}

typedef struct shape {
    wr_window_kind kind;
    int64_t        size, slide;
} shape;
static const shape shapes[] = { { WR_WINDOW_TUMBLE, 50, 50 },
                                { WR_WINDOW_HOP, 60, 20 },
                                { WR_WINDOW_CUMULATE, 80, 20 } };

/* One partition: one order of rows, so one answer; with late rows. */
static void
late_rows_do_not_depend_on_batches_or_workers(void **state)
{
    make_events(1, 140);
    for (size_t w = 0; w < WR_COUNT(shapes); w++) {
        char *want = NULL, *want_late = NULL;
        static const uint32_t rows[] = { 4096, 1, 13, 200 };
        for (uint32_t i = 0; i < 4; i++)
            for (uint32_t workers = 1; workers <= 3; workers++) {
                rig r;
                init(&r, RIG_WINDOWS, shapes[w].kind, shapes[w].size, shapes[w].slide);
                give(&r, 1);
                r.config.data_dir = NULL;
                r.config.workers = workers;
                r.config.seed = i * 10 + workers;
                r.source_config[0].rows_a_poll = rows[i];
                if (i == 1)
                    rig_smallest(&r);
                r.config.batch_rows_max = rows[i];
                rig_start(&r);
                run_to_end(&r);
                char *late = test_collector_text(&r.late, false);
                if (want == NULL) {
                    want = strdup(rig_text(&r));
                    want_late = strdup(late);
                    assert_true(r.late.count > 0);
                }
                rig_assert_same(rig_text(&r), want);
                rig_assert_same(late, want_late);
                free(late);
                rig_fini(&r);
            }
        free(want);
        free(want_late);
    }
}

/* Several partitions, no late row: any interleaving, any kill, one answer. */
static void
killed_and_resharded(rig_kind kind, const shape *w, uint64_t seeds)
{
    rig r;
    init(&r, kind, w->kind, w->size, w->slide);
    give(&r, PARTITIONS);
    r.config.data_dir = NULL;
    rig_start(&r);
    run_to_end(&r);
    char *want = strdup(rig_text(&r));
    rig_fini(&r);
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        wr_random random;
        wr_random_init(&random, seed);
        init(&r, kind, w->kind, w->size, w->slide);
        give(&r, PARTITIONS);
        r.source_config[0].rows_a_poll = 25;
        r.config.batch_rows_max = seed % 3 == 0 ? 2 : 0;
        for (int life = 0; life < 6; life++) {
            r.config.workers = 1 + (uint32_t) wr_random_below(&random, 4);
            r.config.seed = wr_random_next(&random);
            rig_start(&r);
            rig_steps(&r, (uint32_t) wr_random_below(&random, 60));
            wr_epoch epoch = wr_runtime_barrier(r.rt);
            while (wr_runtime_epoch_done(r.rt) < epoch && wr_runtime_step(r.rt))
                ;
            rig_steps(&r, (uint32_t) wr_random_below(&random, 10));
            if (atomic_load(&r.finished) != 0)
                break;
            rig_crash(&r);
        }
        if (r.rt == NULL)
            rig_start(&r);
        run_to_end(&r);
        rig_assert_same(rig_distinct(&r), want);
        assert_int_equal(r.late.count, 0);
        rig_fini(&r);
        scratch_remove(directory);
    }
    free(want);
}

static void
aggregates_survive_kills_with_other_worker_counts(void **state)
{
    make_events(2, 25);
    for (size_t w = 0; w < WR_COUNT(shapes); w++)
        killed_and_resharded(RIG_WINDOWS, &shapes[w], 12);
}

static void
unions_survive_kills_with_other_worker_counts(void **state)
{
    make_events(3, 25);
    for (size_t w = 0; w < WR_COUNT(shapes); w++)
        killed_and_resharded(RIG_UNION, &shapes[w], 8);
}

static void
threads_agree_with_the_seeded_executor(void **state)
{
    make_events(4, 25);
    rig r;
    init(&r, RIG_UNION, WR_WINDOW_HOP, 60, 20);
    give(&r, PARTITIONS);
    r.config.data_dir = NULL;
    rig_start(&r);
    run_to_end(&r);
    char *want = strdup(rig_text(&r));
    rig_fini(&r);
    for (uint32_t workers = 1; workers <= 4; workers++) {
        init(&r, RIG_UNION, WR_WINDOW_HOP, 60, 20);
        give(&r, PARTITIONS);
        r.config.executor = WR_EXECUTOR_THREADS;
        r.config.clock = wr_clock_system();
        r.config.workers = workers;
        r.config.checkpoint_us = 3000;
        r.source_config[0].rows_a_poll = 7;
        rig_start(&r);
        run_to_end(&r);
        rig_assert_same(rig_text(&r), want);
        rig_fini(&r);
    }
    free(want);
    scratch_remove(directory);
}

WR_TESTS = {
    WR_TEST(late_rows_do_not_depend_on_batches_or_workers),
    WR_TEST(aggregates_survive_kills_with_other_worker_counts),
    WR_TEST(unions_survive_kills_with_other_worker_counts),
    WR_TEST(threads_agree_with_the_seeded_executor),
    { NULL, NULL },
};
