/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_test.c -- R3: whatever is stopped, killed and restarted, with however many workers, the answer
 * is the reference's. */
#include "support/test.h"

#include "checkpoint/checkpoint.h"
#include "support/rig.h"
#include "support/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PARTITIONS = 4, EVENTS = 300, KEYS = 5, WINDOW = 50 };

static test_event events[PARTITIONS][EVENTS];
static char       directory[SCRATCH_PATH_MAX];

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
init(rig *r, rig_kind kind)
{
    scratch_begin(directory, "runtime");
    rig_init(r, kind);
    r->window_us = WINDOW;
    test_delay_us = 20;
    r->config.data_dir = directory;
    for (int p = 0; p < PARTITIONS; p++)
        for (uint32_t s = 0; s < r->source_count; s++)
            rig_partition_of(r, s, p, events[p], EVENTS);
}

/* The same job run once without interruption.  Caller frees. */
static char *
reference(rig_kind kind)
{
    rig r;
    init(&r, kind);
    r.config.data_dir = NULL;
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    char *text = strdup(rig_distinct(&r));
    rig_fini(&r);
    return text;
}

static void
finish_and_check(rig *r, const char *want)
{
    rig_run(r);
    assert_int_equal(atomic_load(&r->failed), 0);
    assert_int_equal(atomic_load(&r->finished), 1);
    rig_assert_same(rig_distinct(r), want);
    assert_int_equal(r->late.count, 0);
    rig_fini(r);
    scratch_remove(directory);
}

/* Run `before` steps, a barrier to its end, `after` more steps, die, restart with other workers. */
static bool
restart_at(rig_kind kind, const char *want, uint32_t before, uint32_t after, uint32_t from, uint32_t to,
           bool small)
{
    rig r;
    init(&r, kind);
    r.config.workers = from;
    r.config.seed = before + 1;
    if (small)
        rig_smallest(&r);
    rig_start(&r);
    bool over = rig_steps(&r, before) < before;
    wr_epoch epoch = wr_runtime_barrier(r.rt);
    while (wr_runtime_epoch_done(r.rt) < epoch)
        assert_int_equal(rig_steps(&r, 1), 1);
    rig_steps(&r, after);
    rig_crash(&r);
    atomic_store(&r.finished, 0);
    r.config.workers = to;
    rig_start(&r);
    assert_int_equal(wr_runtime_epoch_done(r.rt), epoch);
    finish_and_check(&r, want);
    return !over;
}

static void
restart_at_every_barrier_with_any_workers(void **state)
{
    make_events(1);
    char *want = reference(RIG_WINDOWS);
    for (uint32_t from = 1; from <= 3; from++)
        for (uint32_t to = 1; to <= 3; to++)
            for (uint32_t at = 0; restart_at(RIG_WINDOWS, want, at, at % 7, from, to, false);
                 at += 1 + at / 4)
                ;
    free(want);
}

static void
restart_with_the_smallest_buffers(void **state)
{
    make_events(2);
    char *want = reference(RIG_WINDOWS);
    for (uint32_t from = 1; from <= 3; from++)
        for (uint32_t at = 50; at <= 8000; at += 1230 + 100 * from)
            restart_at(RIG_WINDOWS, want, at, 31, from, 4 - from, true);
    free(want);
}

static void
unions_and_diamonds_restart(void **state)
{
    make_events(3);
    char *want = reference(RIG_UNION);
    for (uint32_t at = 0; at < 60; at += 7) {
        restart_at(RIG_UNION, want, at, 5, 1 + at % 3, 1 + at % 2, false);
        restart_at(RIG_UNION, want, at * 60, 50, 1 + at % 3, 1 + at % 3, true);
    }
    free(want);
    want = reference(RIG_DIAMOND);
    for (uint32_t at = 0; at < 60; at += 7) {
        restart_at(RIG_DIAMOND, want, at, 5, 1 + at % 3, 1 + at % 2, false);
        restart_at(RIG_DIAMOND, want, at * 60, 50, 1 + at % 3, 1 + at % 3, true);
    }
    free(want);
}

/* Partitions of different lengths: some tasks have ended when the barrier passes. */
static void
what_had_ended_stays_ended(void **state)
{
    make_events(4);
    char *want = NULL;
    for (uint32_t at = 0; at < 200; at += 9) {
        rig r;
        init(&r, RIG_FORWARD);
        rig_partition(&r, 0, events[0], 20);
        rig_partition(&r, 2, events[2], 150);
        r.config.workers = 4;
        r.config.seed = at;
        r.source_config[0].rows_a_poll = 20;
        rig_start(&r);
        rig_steps(&r, at);
        wr_epoch epoch = wr_runtime_barrier(r.rt);
        while (wr_runtime_epoch_done(r.rt) < epoch && wr_runtime_step(r.rt))
            ;
        if (at > 0)
            rig_crash(&r);
        if (at > 0)
            rig_start(&r);
        rig_run(&r);
        assert_int_equal(atomic_load(&r.failed), 0);
        assert_true(atomic_load(&r.finished) >= 1);
        if (want == NULL)
            want = strdup(rig_distinct(&r));
        rig_assert_same(rig_distinct(&r), want);
        rig_fini(&r);
        scratch_remove(directory);
    }
    free(want);
}

static void
what_was_passed_over_is_told(void **state)
{
    rig  r;
    char path[128];
    make_events(5);
    init(&r, RIG_WINDOWS);
    rig_start(&r);
    for (int n = 0; n < 2; n++) {
        wr_epoch epoch = wr_runtime_barrier(r.rt);
        while (wr_runtime_epoch_done(r.rt) < epoch)
            assert_int_equal(rig_steps(&r, 1), 1);
        rig_steps(&r, 5);
    }
    rig_crash(&r);
    snprintf(path, sizeof path, "%s/ckpt-0000000002.m", directory);
    assert_int_equal(truncate(path, 40), 0);
    assert_int_equal(rig_try_start(&r), WEIR_OK);
    assert_non_null(strstr(r.error.text, "ckpt-0000000002.m is damaged"));
    assert_int_equal(wr_runtime_epoch_done(r.rt), 1);
    rig_fini(&r);
    scratch_remove(directory);
}

/* A VALUES segment gives its rows once, also across a restart. */
static void
values_are_not_repeated_after_a_restart(void **state)
{
    static const test_event two[] = { { 1, 10, 5 }, { 2, 20, 6 } };
    for (uint32_t ops = 0; ops < 2; ops++) {
        rig r;
        init(&r, RIG_PASS);
        wr_batch *values = test_event_batch(NULL, two, 2);
        r.source_config[0].follow = true;
        r.job.segments[0].input_count = 0;
        r.job.segments[0].values = values;
        r.job.segments[0].op_count = ops;
        r.config.workers = 2;
        for (int life = 0; life < 3; life++) {
            rig_start(&r);
            rig_run(&r);
            wr_epoch epoch = wr_runtime_barrier(r.rt);
            rig_run(&r);
            assert_int_equal(wr_runtime_epoch_done(r.rt), epoch);
            rig_assert_same(rig_text(&r), "1|10|5|-15\n2|20|6|-14\n");
            rig_crash(&r);
        }
        rig_fini(&r);
        wr_batch_release(values);
    }
    scratch_remove(directory);
}

static void
killed_at_random_again_and_again(void **state)
{
    make_events(5);
    char     *want = reference(RIG_WINDOWS);
    wr_random random;
    for (uint64_t seed = 1; seed <= 25; seed++) {
        rig r;
        init(&r, RIG_WINDOWS);
        wr_random_init(&random, seed);
        r.source_config[0].rows_a_poll = 30;
        int lives = 0;
        do {
            r.config.workers = 1 + (uint32_t) wr_random_below(&random, 4);
            r.config.seed = wr_random_next(&random);
            r.config.batch_rows_max = seed % 2 == 0 ? 3 : 0;
            rig_start(&r);
            bool alive = true;
            while (alive && atomic_load(&r.finished) == 0) {
                if (wr_random_below(&random, 20) == 0)
                    (void) wr_runtime_barrier(r.rt);
                alive = wr_random_below(&random, lives < 30 ? 120 : 100000) != 0;
                (void) wr_runtime_step(r.rt);
            }
            lives++;
            if (atomic_load(&r.finished) == 0)
                rig_crash(&r);
        } while (atomic_load(&r.finished) == 0);
        assert_int_equal(atomic_load(&r.failed), 0);
        rig_assert_same(rig_distinct(&r), want);
        assert_int_equal(r.late.count, 0);
        rig_fini(&r);
    }
    scratch_begin(directory, "runtime");
    free(want);
}

static void
a_clean_stop_repeats_nothing(void **state)
{
    make_events(6);
    char *want = reference(RIG_WINDOWS);
    for (uint32_t at = 1; at < 40; at += 6) {
        rig        r;
        weir_error err;
        init(&r, RIG_WINDOWS);
        r.config.workers = 2;
        r.source_config[0].rows_a_poll = 1 + at % 5;
        rig_start(&r);
        rig_steps(&r, at);
        assert_int_equal(atomic_load(&r.finished), 0);
        assert_int_equal(wr_runtime_stop(r.rt, &err), WEIR_OK);
        wr_runtime_destroy(r.rt);
        rig_start(&r);
        rig_run(&r);
        assert_int_equal(atomic_load(&r.finished), 1);
        rig_assert_same(rig_text(&r), want);
        rig_fini(&r);
        scratch_remove(directory);
    }
    free(want);
}

/* ... and sources hear of its checkpoint before they are closed: offsets stand where the state does. */
static void
a_clean_stop_commits_its_checkpoint(void **state)
{
    make_events(6);
    for (int threads = 0; threads < 2; threads++) {
        rig              r;
        weir_error       err;
        _Atomic wr_epoch committed = 0;
        init(&r, RIG_WINDOWS);
        r.config.workers = 2;
        r.source_config[0].follow = true;
        r.source_config[0].committed = &committed;
        if (threads) {
            r.config.executor = WR_EXECUTOR_THREADS;
            r.config.clock = wr_clock_system();
        }
        rig_start(&r);
        if (!threads)
            rig_steps(&r, 10);
        assert_int_equal(wr_runtime_stop(r.rt, &err), WEIR_OK);
        assert_int_equal(wr_runtime_epoch_done(r.rt), 1);
        assert_int_equal(atomic_load(&committed), 1);
        rig_fini(&r);
        scratch_remove(directory);
    }
}

static struct rlimit file_limit;

/* There is no room while the first checkpoint is written. */
static void
room_with_the_second(const char *what, const char *path)
{
    if (strstr(path, "ckpt-0000000002") != NULL)
        setrlimit(RLIMIT_FSIZE, &file_limit);
}

/* One was under way, and fails, when the stop asks for its own: that one is waited for. */
static void
a_stop_does_not_give_up_over_an_earlier_checkpoint(void **state)
{
    make_events(6);
    rig           r;
    weir_error    err;
    struct rlimit small = { .rlim_cur = 64 };
    init(&r, RIG_WINDOWS);
    r.source_config[0].follow = true;
    rig_start(&r);
    rig_steps(&r, 10);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &file_limit);
    small.rlim_max = file_limit.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    wr_store_before_io = room_with_the_second;
    wr_epoch    first = wr_runtime_barrier(r.rt);
    weir_status status = wr_runtime_stop(r.rt, &err);
    wr_store_before_io = NULL;
    setrlimit(RLIMIT_FSIZE, &file_limit);
    wr_checkpoint_view view;
    wr_runtime_checkpoint_view(r.rt, &view);
    assert_int_equal(view.failures, 1);
    assert_int_equal(status, WEIR_OK);
    assert_int_equal(wr_runtime_epoch_done(r.rt), first + 1);
    rig_fini(&r);
    scratch_remove(directory);
}

static void
the_interval_counts_on_the_injected_clock(void **state)
{
    make_events(7);
    rig r;
    _Atomic uint64_t limit = 100;
    _Atomic wr_epoch committed = 0;
    init(&r, RIG_WINDOWS);
    r.config.checkpoint_us = 1000000;
    r.source_config[0].limit = &limit;
    r.source_config[0].committed = &committed;
    rig_start(&r);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.checkpoints), 0);
    rig_wait(&r, 999999);
    assert_int_equal(atomic_load(&r.checkpoints), 0);
    assert_int_equal(atomic_load(&committed), 0);
    rig_wait(&r, 1);
    assert_int_equal(atomic_load(&r.checkpoints), 1);
    assert_int_equal(atomic_load(&committed), 1); /* after it was durable */
    rig_wait(&r, 1000000);
    assert_int_equal(atomic_load(&r.checkpoints), 2);
    wr_checkpoint_view view;
    wr_runtime_checkpoint_view(r.rt, &view);
    assert_int_equal(view.count, 2);
    assert_int_equal(view.epoch, 2);
    assert_true(view.bytes > 0);
    rig_fini(&r);
    scratch_remove(directory);
}

static void
a_checkpoint_that_fails_is_counted_and_the_job_goes_on(void **state)
{
    make_events(8);
    char            *want = reference(RIG_WINDOWS);
    rig              r;
    struct rlimit    old, small = { 64, RLIM_INFINITY };
    _Atomic wr_epoch committed = 0;
    init(&r, RIG_WINDOWS);
    r.source_config[0].committed = &committed;
    rig_start(&r);
    rig_steps(&r, 10);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &small);
    wr_epoch epoch = wr_runtime_barrier(r.rt);
    wr_checkpoint_view view;
    do
        wr_runtime_checkpoint_view(r.rt, &view);
    while (view.failures == 0 && wr_runtime_step(r.rt));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(view.failures, 1);
    assert_true(view.last_error[0] != '\0');
    assert_true(wr_runtime_epoch_done(r.rt) < epoch);
    assert_int_equal(atomic_load(&committed), 0);
    epoch = wr_runtime_barrier(r.rt); /* and the next one holds everything */
    while (wr_runtime_epoch_done(r.rt) < epoch)
        assert_int_equal(rig_steps(&r, 1), 1);
    rig_crash(&r);
    rig_start(&r);
    finish_and_check(&r, want);
    free(want);
}

static void
barriers_pass_without_a_directory(void **state)
{
    make_events(9);
    rig r;
    init(&r, RIG_UNION);
    r.config.data_dir = NULL;
    r.config.workers = 3;
    rig_start(&r);
    rig_steps(&r, 10);
    wr_epoch first = wr_runtime_barrier(r.rt), second = wr_runtime_barrier(r.rt);
    assert_int_equal(second, first + 1); /* one at a time: the second waits */
    while (wr_runtime_epoch_done(r.rt) < second)
        assert_int_equal(rig_steps(&r, 1), 1);
    assert_int_equal(atomic_load(&r.checkpoints), 2);
    assert_true(atomic_load(&r.out.flushes) >= 2);
    rig_run(&r);
    assert_int_equal(atomic_load(&r.finished), 1);
    rig_fini(&r);
}

static void
another_job_is_refused(void **state)
{
    make_events(10);
    rig        r;
    weir_error err;
    init(&r, RIG_WINDOWS);
    rig_start(&r);
    rig_steps(&r, 5);
    assert_int_equal(wr_runtime_stop(r.rt, &err), WEIR_OK);
    wr_runtime_destroy(r.rt);
    r.rt = NULL;
    r.job.fingerprint ^= 2;
    assert_int_equal(rig_try_start(&r), WEIR_CHECKPOINT_MISMATCH);
    r.job.fingerprint ^= 2 | WR_FINGERPRINT_BOUNDED; /* that alone is no other job */
    assert_int_equal(rig_try_start(&r), WEIR_OK);
    rig_fini(&r);
    scratch_remove(directory);
}

/* One partition, rows late by chance: after a restart the same rows are late. */
static void
late_rows_are_late_after_a_restart_too(void **state)
{
    static test_event ragged[EVENTS];
    wr_random         random;
    char             *want = NULL, *want_late = NULL;
    wr_random_init(&random, 77);
    for (int i = 0; i < EVENTS; i++)
        ragged[i] = (test_event){ (int64_t) wr_random_below(&random, KEYS), i,
                                  i * 3 + (int64_t) wr_random_below(&random, 120) };
    for (uint32_t at = 0; at < 40; at += 3) {
        rig r;
        init(&r, RIG_WINDOWS);
        r.source_config[0].partition_count = 1;
        r.partitions[0][0] = (test_partition){ ragged, EVENTS };
        r.source_config[0].rows_a_poll = 17;
        rig_start(&r);
        if (at > 0) {
            rig_steps(&r, at);
            wr_epoch epoch = wr_runtime_barrier(r.rt);
            while (wr_runtime_epoch_done(r.rt) < epoch)
                assert_int_equal(rig_steps(&r, 1), 1);
            rig_steps(&r, 4);
            rig_crash(&r);
            r.config.workers = 1 + at % 3;
            rig_start(&r);
        }
        rig_run(&r);
        char *late = test_collector_text(&r.late, true);
        if (at == 0) {
            want = strdup(rig_distinct(&r));
            want_late = strdup(late);
            assert_true(r.late.count > 10);
        }
        rig_assert_same(rig_distinct(&r), want);
        rig_assert_same(late, want_late);
        free(late);
        rig_fini(&r);
    }
    free(want);
    free(want_late);
    scratch_remove(directory);
}

static void
threads_killed_and_restarted(void **state)
{
    make_events(11);
    char *want = reference(RIG_WINDOWS);
    for (int i = 0; i < 12; i++) {
        rig r;
        init(&r, RIG_WINDOWS);
        r.config.executor = WR_EXECUTOR_THREADS;
        r.config.clock = wr_clock_system();
        r.config.workers = 1 + (uint32_t) i % 3;
        r.config.checkpoint_us = 2000;
        r.source_config[0].rows_a_poll = 3;
        if (i % 2 == 1)
            rig_smallest(&r);
        rig_start(&r);
        usleep((useconds_t) (i * 2000));
        if (i % 3 == 2) {
            weir_error err;
            assert_int_equal(wr_runtime_stop(r.rt, &err), WEIR_OK);
        }
        rig_crash(&r);
        if (atomic_load(&r.finished) == 0) {
            r.config.workers = 1 + (uint32_t) (i + 1) % 3;
            rig_start(&r);
            rig_run(&r);
        }
        assert_int_equal(atomic_load(&r.failed), 0);
        assert_int_equal(atomic_load(&r.finished), 1);
        rig_assert_same(rig_distinct(&r), want);
        rig_fini(&r);
    }
    free(want);
    scratch_remove(directory);
}

WR_TESTS = {
    WR_TEST(what_was_passed_over_is_told),
    WR_TEST(restart_at_every_barrier_with_any_workers),
    WR_TEST(restart_with_the_smallest_buffers),
    WR_TEST(unions_and_diamonds_restart),
    WR_TEST(what_had_ended_stays_ended),
    WR_TEST(values_are_not_repeated_after_a_restart),
    WR_TEST(killed_at_random_again_and_again),
    WR_TEST(a_clean_stop_repeats_nothing),
    WR_TEST(a_clean_stop_commits_its_checkpoint),
    WR_TEST(a_stop_does_not_give_up_over_an_earlier_checkpoint),
    WR_TEST(the_interval_counts_on_the_injected_clock),
    WR_TEST(a_checkpoint_that_fails_is_counted_and_the_job_goes_on),
    WR_TEST(barriers_pass_without_a_directory),
    WR_TEST(another_job_is_refused),
    WR_TEST(late_rows_are_late_after_a_restart_too),
    WR_TEST(threads_killed_and_restarted),
    { NULL, NULL },
};
