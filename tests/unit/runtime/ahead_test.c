/* SPDX-License-Identifier: Apache-2.0 */
/* ahead_test.c -- H1..H3 of runtime/source_ahead.c: lanes ahead of the others wait, and nobody waits in vain. */
#include "support/test.h"

#include "support/rig.h"

#include <stdlib.h>

enum { ROWS = 100 };

static rig              r;
static test_event       fast[ROWS], slow[ROWS];
static _Atomic uint64_t fast_limit, slow_limit; /* what each may give so far; then it is silent */

/* Rows of both lanes are `step` apart; lane 0 gives what it has, lane 1 what it may. */
static void
begin(int64_t step, uint32_t workers)
{
    for (int i = 0; i < ROWS; i++) {
        fast[i] = (test_event){ 1, i, (i + 1) * step };
        slow[i] = (test_event){ 2, i, (i + 1) * step };
    }
    atomic_store(&fast_limit, ROWS);
    atomic_store(&slow_limit, 0);
    rig_init(&r, RIG_PASS);
    r.config.workers = workers;
    r.source_config[0].follow = true;
    r.source_config[0].ask = true;
    r.source_config[0].rows_a_poll = 1;
    rig_partition(&r, 0, fast, ROWS);
    rig_partition(&r, 1, slow, ROWS);
    r.partitions[0][0].limit = &fast_limit;
    r.partitions[0][1].limit = &slow_limit;
}

/* Give the slow lane more and let all come to rest. */
static void
allow(uint64_t rows)
{
    atomic_store(&slow_limit, rows);
    rig_run(&r);
    for (uint32_t i = 0; i < 8; i++) {
        (void) wr_runtime_barrier(r.rt); /* the source has no bell: poll it */
        rig_wait(&r, 5000);
    }
}

static wr_lane_view
lane(int32_t partition)
{
    wr_lane_view lanes[4];
    uint32_t     n = wr_runtime_lanes(r.rt, 0, lanes, 4);
    for (uint32_t i = 0; i < n; i++)
        if (lanes[i].partition == partition)
            return lanes[i];
    fail_msg("no lane %d", (int) partition);
    return lanes[0];
}

static void
a_lane_waits_for_the_one_behind(void **state)
{
    for (uint32_t workers = 1; workers <= 3; workers++) {
        begin(10, workers);
        r.sources[0].ahead_us = 50;
        rig_start(&r);
        allow(0);
        assert_int_equal(lane(0).rows, 1); /* the other has no time yet */
        assert_true(lane(0).held && !lane(0).paused && !lane(0).idle);
        wr_source_view view;
        wr_runtime_source_view(r.rt, 0, &view);
        assert_int_equal(view.held, 1);
        assert_int_equal(view.paused, 0);
        for (uint64_t n = 1; n < 20; n++) {
            allow(n);
            assert_in_range(lane(0).watermark, n * 10 + 40, n * 10 + 60);
            assert_int_equal(lane(1).rows, n);
        }
        allow(ROWS);
        assert_int_equal(lane(0).rows, ROWS);
        assert_int_equal(lane(1).rows, ROWS);
        assert_int_equal(r.out.count, 2 * ROWS);
        assert_false(lane(0).held);
        rig_fini(&r);
    }
}

static void
without_a_bound_nobody_waits(void **state)
{
    begin(10, 2);
    rig_start(&r);
    allow(1);
    assert_int_equal(lane(0).rows, ROWS);
    rig_fini(&r);
}

static void
nobody_waits_for_an_empty_lane(void **state)
{
    begin(10, 1);
    r.sources[0].ahead_us = 50;
    rig_partition(&r, 1, slow, 0);
    rig_start(&r);
    allow(0);
    assert_true(lane(1).caught_up);
    assert_int_equal(lane(0).rows, ROWS);
    rig_fini(&r);
}

/* More may come of it: it is waited for, for a while. */
static void
a_lane_at_its_end_is_silent_after_a_while(void **state)
{
    static const test_event two[] = { { 2, 0, 10 }, { 2, 1, 20 } };
    begin(10, 1);
    r.sources[0].ahead_us = 50;
    rig_partition(&r, 1, two, 2);
    rig_start(&r);
    allow(0);
    assert_true(lane(1).caught_up && lane(0).held);
    assert_in_range(lane(0).watermark, 60, 80);
    rig_wait(&r, 5100000);
    allow(0);
    assert_int_equal(lane(0).rows, ROWS);
    rig_fini(&r);
}

static void
nobody_waits_long_for_a_silent_lane(void **state)
{
    begin(10, 2);
    r.sources[0].ahead_us = 50;
    rig_start(&r);
    allow(1);
    rig_wait(&r, 3000000);
    assert_true(lane(0).held);
    assert_true(lane(0).rows < 10);
    rig_wait(&r, 2100000);
    allow(1);
    assert_int_equal(lane(0).rows, ROWS); /* H3 */
    assert_false(lane(0).held);
    allow(ROWS); /* and nothing of the other is lost */
    assert_int_equal(lane(1).rows, ROWS);
    rig_fini(&r);
}

/* Two lanes ahead of a silent one go on together, not one without the other. */
static void
those_left_wait_for_each_other(void **state)
{
    static test_event third[ROWS];
    static _Atomic uint64_t third_limit;
    atomic_store(&third_limit, 5);
    for (int i = 0; i < ROWS; i++)
        third[i] = (test_event){ 3, i, (i + 1) * 10 };
    begin(10, 1);
    r.sources[0].ahead_us = 50;
    rig_partition(&r, 2, third, ROWS);
    r.partitions[0][2].limit = &third_limit;
    rig_start(&r);
    allow(1);
    for (int i = 0; i < 60; i++) { /* the third gives a row now and then */
        rig_wait(&r, 100000);
        if (i % 20 == 0)
            atomic_fetch_add(&third_limit, 1);
    }
    allow(1);
    uint64_t at = atomic_load(&third_limit) * 10;
    assert_int_equal(lane(2).rows, atomic_load(&third_limit));
    assert_in_range(lane(0).watermark, at, at + 60);
    rig_fini(&r);
}

static void
short_state_holds_them_too(void **state)
{
    begin(100000, 2);
    wr_budget_set_limit(r.state, 8 << 20);
    assert_true(wr_budget_charge(r.state, 7 << 20)); /* over three quarters */
    rig_start(&r);
    allow(1);
    assert_in_range(lane(0).watermark, 1000000, 1300000); /* a second ahead */
    assert_true(lane(0).held);
    wr_budget_discharge(r.state, 3 << 20); /* between the two marks it stays so */
    wr_budget_charge(r.state, 3 << 19);
    allow(2);
    assert_true(lane(0).held);
    wr_budget_discharge(r.state, 5 << 20);
    wr_budget_discharge(r.state, 1 << 19);
    allow(2);
    assert_int_equal(lane(0).rows, ROWS);
    assert_false(lane(0).held);
    rig_fini(&r);
}

static void
a_held_lane_is_not_idle(void **state)
{
    begin(10, 1);
    r.sources[0].ahead_us = 50;
    r.sources[0].idle_us = 1000;
    rig_start(&r);
    allow(3);
    assert_true(lane(0).held);
    for (int i = 0; i < 10; i++)
        rig_wait(&r, 100000);
    assert_false(lane(0).idle);
    assert_int_equal(lane(1).watermark, 30);
    allow(ROWS);
    assert_int_equal(r.out.count, 2 * ROWS);
    rig_fini(&r);
}

WR_TESTS = {
    WR_TEST(a_lane_waits_for_the_one_behind),
    WR_TEST(without_a_bound_nobody_waits),
    WR_TEST(nobody_waits_for_an_empty_lane),
    WR_TEST(a_lane_at_its_end_is_silent_after_a_while),
    WR_TEST(nobody_waits_long_for_a_silent_lane),
    WR_TEST(those_left_wait_for_each_other),
    WR_TEST(short_state_holds_them_too),
    WR_TEST(a_held_lane_is_not_idle),
    { NULL, NULL },
};
