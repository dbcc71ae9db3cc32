/* SPDX-License-Identifier: Apache-2.0 */
/* source_time_test.c -- Y3 of runtime/source_impl.h, step by step: what a shard that has not put the barrier in sees. */
#include "runtime/runtime_impl.h"

#include "support/rig.h"
#include "support/test.h"

static rig r;
static source *s;

/* Two shards that nobody runs: the test makes their steps. */
static void
begin(void)
{
    static const test_event e = { 1, 1, 1 };
    rig_init(&r, RIG_PASS);
    r.config.workers = 2;
    rig_partition(&r, 0, &e, 1);
    rig_start(&r);
    s = &r.rt->sources[0];
}

static void
end(void)
{
    rig_crash(&r);
    rig_fini(&r);
}

/* A row whose watermark is w comes to the lane; what the rows after it are judged by. */
static wr_time
row(wr_lane *lane, wr_time w)
{
    wr_time judge, before, after;
    wr_source_judge(lane->owner, lane, &w, 1, &judge, &before, &after);
    return after;
}

static void
cut(uint32_t shard)
{
    wr_time before;
    wr_source_cut(&s->shards[shard], 1, &before);
}

static void
rows_after_a_barrier_do_not_judge_those_before_it(void **state)
{
    begin();
    wr_lane *a = wr_lane_get(&s->shards[0], 0), *b = wr_lane_get(&s->shards[1], 1);
    wr_source_polled(&s->shards[0]);
    wr_source_polled(&s->shards[1]);
    row(a, 10);
    cut(0);
    assert_int_equal(row(a, 500), WR_TIME_START);
    assert_int_equal(row(b, 400), 10);
    cut(1);
    assert_int_equal(row(b, 450), 450);
    end();
}

static void
a_lane_made_after_its_shards_barrier_has_given_nothing_before_it(void **state)
{
    begin();
    wr_lane *b = wr_lane_get(&s->shards[1], 1);
    wr_source_polled(&s->shards[1]);
    cut(0);
    wr_lane *a = wr_lane_get(&s->shards[0], 0);
    wr_source_polled(&s->shards[0]);
    row(a, 500);
    assert_int_equal(row(b, 400), WR_TIME_START);
    cut(1);
    assert_int_equal(row(b, 450), 450);
    end();
}

static void
a_lane_that_ends_after_its_shards_barrier_holds_those_before_it(void **state)
{
    begin();
    wr_lane *a = wr_lane_get(&s->shards[0], 0), *b = wr_lane_get(&s->shards[1], 1);
    wr_source_polled(&s->shards[0]);
    wr_source_polled(&s->shards[1]);
    row(a, 10);
    cut(0);
    row(a, 20);
    wr_source_lane_ended(&s->shards[0], a);
    assert_int_equal(row(b, 400), 10);
    cut(1);
    assert_int_equal(row(b, 450), 450);
    end();
}

static void
a_lane_that_had_ended_before_its_shards_barrier_holds_nobody(void **state)
{
    begin();
    wr_lane *a = wr_lane_get(&s->shards[0], 0), *b = wr_lane_get(&s->shards[1], 1);
    wr_source_polled(&s->shards[0]);
    wr_source_polled(&s->shards[1]);
    row(a, 10);
    wr_source_lane_ended(&s->shards[0], a);
    cut(0);
    assert_int_equal(row(b, 400), 400);
    end();
}

static void
no_watermark_moves_while_lanes_are_dealt_out(void **state)
{
    begin();
    wr_source_polled(&s->shards[0]); /* before anybody knew of a partition */
    wr_source_polled(&s->shards[1]);
    wr_source_lanes_coming(&s->shards[0], true);
    wr_lane *a = wr_lane_get(&s->shards[0], 0), *c = wr_lane_get(&s->shards[0], 2);
    row(a, 500); /* where it stood in the checkpoint */
    wr_source_lane_ended(&s->shards[0], c);
    assert_int_equal(s->watermark, WR_TIME_START);
    wr_source_lanes_coming(&s->shards[1], true);
    wr_lane *b = wr_lane_get(&s->shards[1], 1);
    wr_source_lanes_coming(&s->shards[1], false);
    assert_int_equal(row(b, 400), WR_TIME_START);
    wr_source_lanes_coming(&s->shards[0], false);
    assert_int_equal(s->watermark, 400);
    end();
}

static void
nobody_has_room_while_lanes_are_dealt_out(void **state)
{
    begin();
    (void) wr_lane_get(&s->shards[0], 0);
    wr_source_polled(&s->shards[0]);
    wr_source_polled(&s->shards[1]);
    assert_true(wr_source_has_room(&s->shards[1]));
    wr_source_lanes_coming(&s->shards[0], true);
    assert_false(wr_source_has_room(&s->shards[0]));
    assert_false(wr_source_has_room(&s->shards[1]));
    wr_source_lanes_coming(&s->shards[1], true);
    wr_source_lanes_coming(&s->shards[0], false);
    assert_false(wr_source_has_room(&s->shards[0]));
    wr_source_lanes_coming(&s->shards[1], false);
    assert_true(wr_source_has_room(&s->shards[0]));
    end();
}

static void
a_lane_whose_end_is_not_known_any_more_holds_again(void **state)
{
    begin();
    wr_lane *a = wr_lane_get(&s->shards[0], 0), *b = wr_lane_get(&s->shards[1], 1);
    wr_source_polled(&s->shards[0]);
    wr_source_polled(&s->shards[1]);
    row(a, 10);
    a->idle = true;
    assert_int_equal(row(b, 400), 400);
    s->shards[0].ctx.caught_up(&s->shards[0].ctx, a, true);
    assert_int_equal(row(b, 450), 450);
    s->shards[0].ctx.caught_up(&s->shards[0].ctx, a, false);
    assert_int_equal(row(b, 500), 450);
    end();
}

static void
a_lane_that_comes_back_is_not_at_its_end(void **state)
{
    begin();
    wr_lane *a = wr_lane_get(&s->shards[0], 0);
    wr_source_polled(&s->shards[0]);
    wr_source_polled(&s->shards[1]);
    row(a, 10);
    s->shards[0].ctx.caught_up(&s->shards[0].ctx, a, true);
    wr_source_lane_ended(&s->shards[0], a);
    assert_ptr_equal(wr_lane_get(&s->shards[0], 0), a);
    assert_false(a->caught_up);
    end();
}

/* A header that a connection of an earlier run began with is not that of the next one. */
static void
what_a_decoder_was_told_is_forgotten_where_something_else_begins(void **state)
{
    static const lane_state told = { .decoder = (char *) "h", .decoder_length = 1 };
    begin();
    wr_lane *a = wr_lane_get(&s->shards[0], 0);
    a->restored = &told;
    s->shards[0].ctx.lane_anew(&s->shards[0].ctx, a);
    assert_null(a->restored);
    end();
}

WR_TESTS = {
    WR_TEST(what_a_decoder_was_told_is_forgotten_where_something_else_begins),
    WR_TEST(nobody_has_room_while_lanes_are_dealt_out),
    WR_TEST(a_lane_whose_end_is_not_known_any_more_holds_again),
    WR_TEST(a_lane_that_comes_back_is_not_at_its_end),
    WR_TEST(no_watermark_moves_while_lanes_are_dealt_out),
    WR_TEST(rows_after_a_barrier_do_not_judge_those_before_it),
    WR_TEST(a_lane_made_after_its_shards_barrier_has_given_nothing_before_it),
    WR_TEST(a_lane_that_ends_after_its_shards_barrier_holds_those_before_it),
    WR_TEST(a_lane_that_had_ended_before_its_shards_barrier_holds_nobody),
    { NULL, NULL },
};
