/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route_test.c -- Z1..Z5 of runtime/route_impl.h: views that are given rows of their own answer what views with a
 * filter each do, row by row and late row by late row, for any interleaving, buffers, workers and restarts.
 */
#include "support/test.h"

#include "operator/filter.h"
#include "runtime/runtime_impl.h"
#include "support/exprs.h"
#include "support/rig.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VIEWS = 10, PARTITIONS = 3, EVENTS = 400, WINDOW = 40 };

static test_event events[PARTITIONS][EVENTS];
static char       directory[SCRATCH_PATH_MAX];

/* Each key in a partition of its own.  A disorder above the delay (20): some rows are late. */
static void
make_events(uint64_t seed, uint32_t disorder)
{
    wr_random random;
    wr_random_init(&random, seed);
    for (int p = 0; p < PARTITIONS; p++)
        for (int i = 0; i < EVENTS; i++)
            events[p][i] = (test_event){ p + PARTITIONS * (int64_t) wr_random_below(&random, 3),
                                         p * EVENTS + i,
                                         i * 3 + (int64_t) wr_random_below(&random, disorder) };
}

/* --- a job of ten views over one source --- */

typedef struct views_rig {
    rig               r;
    wr_filter_config  filters[VIEWS];
    wr_sink_binding   sinks[VIEWS + 1];
    const wr_expr    *conditions[VIEWS];
    const wr_selector *selectors[VIEWS];
} views_rig;

static wr_expr *
compare(rig *r, uint32_t column, const char *op, int64_t value)
{
    weir_error err = { 0 };
    wr_value   v = { .type = WR_TYPE(WR_INT8), .integer = value };
    return test_call(&r->arena, op,
                     (wr_expr *[]){ wr_expr_column(&r->arena, column, WR_TYPE(WR_INT8)),
                                    wr_expr_constant(&r->arena, &v) },
                     2, &err);
}

/* Views 0 to 5 are k = i, 6 and 7 bounds that overlap, 8 takes nothing, 9 nearly all. */
static void
make_condition(views_rig *t, uint32_t i)
{
    bool         found;
    wr_selector *s = wr_arena_calloc(&t->r.arena, 1, sizeof *s), more;
    rig         *r = &t->r;
    if (i < 6 || i == 8) {
        t->conditions[i] = compare(r, 0, "=", i == 8 ? 99 : i);
        assert_int_equal(wr_selector_of(&r->arena, t->conditions[i], s, &found), WEIR_OK);
    } else {
        wr_expr *low = compare(r, 1, ">=", i == 9 ? 1 : (i - 6) * 300);
        wr_expr *high = compare(r, 1, "<", i == 9 ? 100000 : (i - 6) * 300 + 500);
        t->conditions[i] = wr_expr_make(&r->arena, WR_EXPR_AND, WR_TYPE(WR_BOOL),
                                        (wr_expr *[]){ low, high }, 2);
        assert_int_equal(wr_selector_of(&r->arena, low, s, &found), WEIR_OK);
        assert_true(found);
        assert_int_equal(wr_selector_of(&r->arena, high, &more, &found), WEIR_OK);
        assert_true(wr_selector_and(s, &more));
    }
    assert_true(found);
    t->selectors[i] = s;
}

/* Rows go straight to a window (even), by hash to one (odd, or all), or nowhere but to the view (0 and 9). */
static void
make_view(views_rig *t, uint32_t i, bool indexed, bool all_hash, const wr_schema *event,
          const wr_schema *window)
{
    static const uint32_t  key[] = { 0 };
    wr_job                *job = &t->r.job;
    const wr_operator_ops *last = i % 3 == 0 ? &test_window_each_ops : &test_window_ops;
    bool                   plain = i == 0 || i == 9, hash = (i % 2 == 1 || all_hash) && !plain;
    wr_job_input          *ins = wr_arena_calloc(&t->r.arena, 2, sizeof *ins);
    wr_job_op             *ops = wr_arena_calloc(&t->r.arena, 3, sizeof *ops);
    uint32_t               stream = 1 + i;
    t->filters[i].predicate = indexed ? NULL : t->conditions[i];
    ops[0] = (wr_job_op){ .ops = &wr_filter_ops, .config = &t->filters[i], .output = event };
    ops[1] = (wr_job_op){ .ops = last, .config = &t->r.window_us, .output = window };
    ins[0] = (wr_job_input){ .from_stream = true, .select = indexed ? t->selectors[i] : NULL };
    char *name = wr_arena_printf(&t->r.arena, "view%u", i);
    job->segments[job->segment_count++] =
        (wr_job_segment){ .name = wr_arena_printf(&t->r.arena, "%s/0", name),
                          .inputs = ins,
                          .input_count = 1,
                          .ops = ops,
                          .op_count = plain || hash ? 1 : 2,
                          .stream = hash ? -1 : (int32_t) stream };
    ins[1] = (wr_job_input){ .index = job->segment_count - 1,
                                .partitioning = WR_HASH,
                                .keys = key,
                                .key_count = 1 };
    if (hash)
        job->segments[job->segment_count++] =
            (wr_job_segment){ .name = wr_arena_printf(&t->r.arena, "%s/1", name),
                              .inputs = &ins[1],
                              .input_count = 1,
                              .ops = &ops[1],
                              .op_count = 1,
                              .stream = (int32_t) stream };
    job->streams[stream] = (wr_job_stream){ .name = name,
                                            .schema = plain ? event : window,
                                            .origin = WR_FROM_SEGMENT,
                                            .origin_index = job->segment_count - 1 };
    t->sinks[i] = (wr_sink_binding){
        .name = name, .stream = stream, .ops = &test_sink_ops, .config = &t->r.out
    };
}

static void
views_init(views_rig *t, bool indexed, bool all_hash)
{
    memset(t, 0, sizeof *t);
    rig *r = &t->r;
    rig_init(r, RIG_PASS);
    const wr_schema *event = r->job.streams[0].schema, *window = test_window_schema(&r->arena);
    wr_job_stream    input_stream = r->job.streams[0];
    r->job.streams = wr_arena_calloc(&r->arena, VIEWS + 2, sizeof *r->job.streams);
    r->job.segments = wr_arena_calloc(&r->arena, 2 * VIEWS, sizeof *r->job.segments);
    r->job.streams[0] = input_stream;
    r->job.segment_count = 0;
    for (uint32_t i = 0; i < VIEWS; i++) {
        make_condition(t, i);
        make_view(t, i, indexed, all_hash, event, window);
    }
    r->job.stream_count = VIEWS + 2; /* and the late rows of view 6 */
    r->job.streams[VIEWS + 1] = (wr_job_stream){ .name = "late",
                                                 .schema = event,
                                                 .origin = WR_FROM_SIDE,
                                                 .origin_index = 7,
                                                 .side_port = WR_PORT_LATE };
    wr_job_segment *with_late = &r->job.segments[r->job.streams[7].origin_index];
    with_late->late_wanted = true;
    with_late->late_op = all_hash ? 0 : 1;
    with_late->late_stream = VIEWS + 1;
    t->sinks[VIEWS] = (wr_sink_binding){
        .name = "late", .stream = VIEWS + 1, .ops = &test_sink_ops, .config = &r->late
    };
    r->window_us = WINDOW;
    test_delay_us = 20;
    for (int p = 0; p < PARTITIONS; p++)
        rig_partition(r, p, events[p], EVENTS);
}

static void
views_start(views_rig *t)
{
    rig *r = &t->r;
    assert_int_equal(wr_runtime_create(&r->job, r->sources, r->source_count, t->sinks, VIEWS + 1, &r->config,
                                       &r->rt, &r->error),
                     WEIR_OK);
    assert_int_equal(wr_runtime_start(r->rt, &r->error), WEIR_OK);
}

/* Rows in, rows that passed and rows late of the first operators, by view. */
static void
views_counters(views_rig *t, char *text, size_t bytes)
{
    size_t at = 0;
    for (uint32_t g = 0; g < t->r.job.segment_count; g++) {
        wr_op_counters c = { 0 };
        uint64_t       state;
        wr_time        watermark;
        wr_runtime_op_counters(t->r.rt, g, 0, &c, &state, &watermark);
        at += (size_t) snprintf(text + at, bytes - at, "%s %llu %llu %llu\n", t->r.job.segments[g].name,
                                (unsigned long long) c.rows_in, (unsigned long long) c.rows_out,
                                (unsigned long long) c.rows_filtered);
    }
}

typedef struct answer {
    char *rows, *late, counters[4096];
} answer;

static void
answer_free(answer *a)
{
    free(a->rows);
    free(a->late);
}

/* Run once to the end. */
static answer
run_views(bool indexed, uint32_t workers, uint64_t seed, bool small, wr_executor_kind executor)
{
    static views_rig t;
    answer           a = { 0 };
    views_init(&t, indexed, false);
    t.r.config.workers = workers;
    t.r.config.seed = seed;
    t.r.config.executor = executor;
    t.r.config.clock = executor == WR_EXECUTOR_THREADS ? wr_clock_system() : t.r.config.clock;
    t.r.source_config[0].rows_a_poll = 1 + (uint32_t) (seed * 37 % 300);
    if (small)
        rig_smallest(&t.r);
    views_start(&t);
    rig_run(&t.r);
    assert_int_equal(atomic_load(&t.r.failed), 0);
    assert_int_equal(atomic_load(&t.r.finished), 1);
    a.rows = strdup(rig_text(&t.r));
    a.late = test_collector_text(&t.r.late, false);
    views_counters(&t, a.counters, sizeof a.counters);
    rig_fini(&t.r);
    return a;
}

/* --- the tests --- */

static void
routed_views_answer_as_filters_do(void **state) /* Z1 */
{
    (void) state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        make_events(seed, 15);
        answer want = run_views(false, 1, seed, false, WR_EXECUTOR_SEEDED);
        answer got = run_views(true, 1, seed, seed % 3 == 0, WR_EXECUTOR_SEEDED);
        rig_assert_same(got.rows, want.rows);
        assert_string_equal(got.counters, want.counters);
        assert_string_equal(want.late, "");
        answer_free(&want);
        answer_free(&got);
    }
}

/* One partition: which rows are late is a matter of their order alone. */
static void
late_rows_are_the_same_rows(void **state) /* Z1 */
{
    (void) state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        static views_rig t;
        answer           a[2] = { { 0 } };
        make_events(seed, 90);
        for (int indexed = 0; indexed < 2; indexed++) {
            views_init(&t, indexed, seed % 5 == 0);
            t.r.source_config[0].partition_count = 1;
            t.r.config.seed = seed + 100 * (uint64_t) indexed;
            t.r.source_config[0].rows_a_poll = indexed ? 1 + (uint32_t) (seed * 31 % 250) : 100;
            if (seed % 4 == 0 && indexed)
                rig_smallest(&t.r);
            views_start(&t);
            rig_run(&t.r);
            assert_int_equal(atomic_load(&t.r.finished), 1);
            a[indexed].rows = strdup(rig_text(&t.r));
            a[indexed].late = test_collector_text(&t.r.late, false);
            views_counters(&t, a[indexed].counters, sizeof a[indexed].counters);
            rig_fini(&t.r);
        }
        assert_true(strlen(a[0].late) > 0);
        rig_assert_same(a[1].rows, a[0].rows);
        rig_assert_same(a[1].late, a[0].late);
        assert_string_equal(a[1].counters, a[0].counters);
        answer_free(&a[0]);
        answer_free(&a[1]);
    }
}

static void
any_workers_and_threads(void **state) /* Z1, Z3 */
{
    (void) state;
    make_events(5, 15);
    answer want = run_views(false, 1, 1, false, WR_EXECUTOR_SEEDED);
    for (uint32_t workers = 1; workers <= 4; workers++) {
        for (int threads = 0; threads < 2; threads++) {
            answer got = run_views(true, workers, workers, workers == 3,
                                   threads ? WR_EXECUTOR_THREADS : WR_EXECUTOR_SEEDED);
            rig_assert_same(got.rows, want.rows);
            answer_free(&got);
        }
    }
    answer_free(&want);
}

static void
restart_with_other_workers(void **state)
{
    static views_rig reference;
    (void) state;
    make_events(9, 15);
    views_init(&reference, false, true);
    views_start(&reference);
    rig_run(&reference.r);
    for (uint32_t i = 0; i < 24; i++) {
        static views_rig t;
        scratch_begin(directory, "route");
        views_init(&t, true, true);
        t.r.config.data_dir = directory;
        t.r.config.workers = 1 + i % 3;
        t.r.config.seed = i + 1;
        t.r.source_config[0].rows_a_poll = 1 + i * 7;
        views_start(&t);
        rig_steps(&t.r, 3 + i * 11);
        wr_epoch epoch = wr_runtime_barrier(t.r.rt);
        while (wr_runtime_epoch_done(t.r.rt) < epoch)
            assert_int_equal(rig_steps(&t.r, 1), 1);
        rig_steps(&t.r, i * 5);
        rig_crash(&t.r);
        atomic_store(&t.r.finished, 0);
        t.r.config.workers = 1 + (i / 3) % 3;
        views_start(&t);
        rig_run(&t.r);
        assert_int_equal(atomic_load(&t.r.failed), 0);
        assert_int_equal(atomic_load(&t.r.finished), 1);
        rig_assert_same(rig_distinct(&t.r), rig_distinct(&reference.r));
        rig_fini(&t.r);
    }
    rig_fini(&reference.r);
    scratch_remove(directory);
}

/* A filter that nothing passes hears of time at a barrier, and within a while when somebody follows (Z2). */
static void
idle_views_hear_of_time_when_it_matters(void **state)
{
    static views_rig t;
    wr_reader       *reader = NULL;
    _Atomic uint64_t limit = 50;
    (void) state;
    make_events(3, 15);
    views_init(&t, true, false);
    t.r.source_config[0].follow = true;
    t.r.source_config[0].limit = &limit;
    t.r.job.segments[t.r.job.streams[10].origin_index].inputs[0].select = t.selectors[8];
    views_start(&t);
    wr_stream *from = wr_runtime_stream(t.r.rt, 0), *stream = wr_runtime_stream(t.r.rt, 10);
    rig_run(&t.r);
    assert_int_equal(wr_stream_head(stream, 0), 0); /* nothing has come, not even a watermark */
    wr_runtime_barrier(t.r.rt);
    rig_run(&t.r);
    assert_true(wr_stream_watermark(stream) > 0);
    assert_true(wr_stream_watermark(stream) == wr_stream_watermark(from));
    wr_reader_config config = { .follows = true, .shard = 0, .start = WR_START_HEAD };
    assert_int_equal(wr_reader_create(stream, &config, &reader), WEIR_OK);
    for (int i = 0; i < 5; i++) {
        atomic_store(&limit, 100 + 50 * (uint64_t) i);
        wr_task_wake(&t.r.rt->sources[0].shards[0].t);
        rig_wait(&t.r, 10 * 1000);
    }
    assert_true(wr_stream_watermark(stream) < wr_stream_watermark(from)); /* not each time */
    rig_wait(&t.r, 100 * 1000);
    assert_true(wr_stream_watermark(stream) == wr_stream_watermark(from)); /* but in the end */
    wr_reader_destroy(reader);
    rig_fini(&t.r);
}

WR_TESTS = {
    WR_TEST(routed_views_answer_as_filters_do),
    WR_TEST(late_rows_are_the_same_rows),
    WR_TEST(any_workers_and_threads),
    WR_TEST(restart_with_other_workers),
    WR_TEST(idle_views_hear_of_time_when_it_matters),
    { NULL, NULL },
};
