/* SPDX-License-Identifier: Apache-2.0 */
/* nexmark_test.c -- connector/nexmark.c: the generator behind the source interface. */
#include "connector/nexmark_gen.h"
#include "support/lanes.h"
#include "support/test.h"

static const char ten[] = "events=10000; relation=bid; generators=3; seed=7";

static void
whole_run_is_the_generators(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "nexmark", "events=500; seed=7", NULL, NULL, 0);
    assert_true(l.ops->bounded(l.config));
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(l.flow, WR_FLOW_DONE);
    assert_int_equal(wr_lanes_row_count(&l), 500);
    assert_true(wr_lanes_lane(&l, 0)->ended);
    /* the first row is event 1 of the generator */
    wr_nexmark_config config;
    wr_nexmark_config_init(&config);
    config.seed = 7;
    wr_nexmark      *n = wr_nexmark_create(NULL, &config);
    wr_nexmark_event e;
    wr_text          expect;
    wr_nexmark_get(n, 0, &e);
    assert_int_equal(e.kind, WR_NEXMARK_AUCTION);
    wr_text_init(&expect, NULL);
    wr_text_printf(&expect, "1|null|null|null|null|null|null|null|%lld|", (long long) e.auction.id);
    assert_memory_equal(wr_lanes_rows(&l, 0), wr_text_string(&expect), expect.length);
    wr_text_fini(&expect);
    wr_nexmark_destroy(n);
    wr_lanes_close(&l);
}

/* Two shards together have the lanes of one. */
static void
shards_divide_the_generators(void **state)
{
    wr_lanes one, two[2];
    wr_lanes_open(&one, "nexmark", ten, NULL, NULL, 0);
    assert_true(wr_lanes_run(&one, 5000, NULL));
    wr_lanes_open(&two[1], "nexmark", ten, NULL, NULL, WR_LANES_SECOND_OF_TWO);
    assert_true(wr_lanes_run(&two[1], 5000, NULL));
    assert_int_equal(two[1].lane_count, 1);
    assert_string_equal(wr_lanes_rows(&two[1], 1), wr_lanes_rows(&one, 1));
    wr_lanes_close(&two[1]);
    wr_lanes_close(&one);
}

/* Stopped anywhere, restored into a fresh source: the same rows. */
static void
restore_goes_on_at_the_next_event(void **state)
{
    wr_lanes whole;
    wr_lanes_open(&whole, "nexmark", ten, NULL, NULL, 0);
    assert_true(wr_lanes_run(&whole, 5000, NULL));
    for (int64_t stop = 0; stop < 9000; stop += 1500) {
        wr_lanes           l;
        wr_snapshot_writer snapshot;
        wr_text            rows[3];
        wr_lanes_open(&l, "nexmark", ten, NULL, NULL, 0);
        l.room = stop;
        wr_lanes_run(&l, 5000, NULL);
        wr_lanes_freeze(&l, &snapshot);
        for (int i = 0; i < 3; i++) {
            wr_text_init(&rows[i], NULL);
            if (l.lane_count > 0)
                wr_text_puts(&rows[i], wr_lanes_rows(&l, i));
        }
        wr_lanes_close(&l);
        wr_lanes_open(&l, "nexmark", ten, NULL, NULL, 0);
        wr_lanes_restore(&l, &snapshot);
        assert_true(wr_lanes_run(&l, 5000, NULL));
        for (int i = 0; i < 3; i++) {
            wr_text_puts(&rows[i], wr_lanes_rows(&l, i));
            assert_string_equal(wr_text_string(&rows[i]), wr_lanes_rows(&whole, i));
            wr_text_fini(&rows[i]);
        }
        wr_lanes_close(&l);
        wr_snapshot_writer_fini(&snapshot);
    }
    wr_lanes_close(&whole);
}

static void
other_settings_do_not_fit_a_checkpoint(void **state)
{
    wr_lanes           l;
    wr_snapshot_writer snapshot;
    wr_snapshot_reader r;
    wr_lanes_open(&l, "nexmark", ten, NULL, NULL, 0);
    wr_lanes_freeze(&l, &snapshot);
    wr_lanes_close(&l);
    wr_lanes_open(&l, "nexmark", "generators=3; seed=8", NULL, NULL, 0);
    wr_snapshot_reader_init(&r, snapshot.bytes.data, snapshot.bytes.length, WR_GROUPS_ALL);
    assert_true(wr_snapshot_next(&r));
    assert_int_equal(l.ops->restore(l.self, &r), WEIR_CHECKPOINT_MISMATCH);
    wr_lanes_close(&l);
    wr_snapshot_writer_fini(&snapshot);
}

static void
pace_keeps_time(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "nexmark", "events=300; pace=1000/s; generators=2; base_time=now", NULL, NULL, 0);
    int64_t from = wr_clock_monotonic(l.ctx.clock);
    assert_true(wr_lanes_run(&l, 10000, NULL));
    int64_t took = wr_clock_monotonic(l.ctx.clock) - from;
    assert_int_equal(wr_lanes_row_count(&l), 300);
    assert_true(took >= 290000);
    wr_lanes_close(&l);
}

static void
fewer_events_than_generators(void **state)
{
    wr_lanes l;
    wr_lanes_open(&l, "nexmark", "events=2; generators=5", NULL, NULL, 0);
    assert_true(wr_lanes_run(&l, 5000, NULL));
    assert_int_equal(wr_lanes_row_count(&l), 2);
    wr_lanes_close(&l);
}

static void
bad_base_time_is_refused(void **state)
{
    wr_lanes   l;
    weir_error err;
    assert_int_not_equal(wr_lanes_try(&l, "nexmark", "base_time=whenever", NULL, NULL, 0, &err),
                         WEIR_OK);
    wr_lanes_close(&l);
    assert_int_equal(wr_lanes_try(&l, "nexmark", "base_time=1200-01-01", NULL, NULL, 0, &err),
                     WEIR_CONFIG_VALUE);
    wr_lanes_close(&l);
}

WR_TESTS = {
    WR_TEST(whole_run_is_the_generators),
    WR_TEST(shards_divide_the_generators),
    WR_TEST(restore_goes_on_at_the_next_event),
    WR_TEST(other_settings_do_not_fit_a_checkpoint),
    WR_TEST(pace_keeps_time),
    WR_TEST(fewer_events_than_generators),
    WR_TEST(bad_base_time_is_refused),
    { NULL, NULL },
};
