/* SPDX-License-Identifier: Apache-2.0 */
/* window_test.c -- the arithmetic of windows: alignment, assignment, panes, refusals (W1, W2). */
#include "support/test.h"

#include "operator/window.h"

static void
align_floors_on_both_sides_of_zero(void **state)
{
    (void) state;
    assert_int_equal(wr_window_align(0, 10, 0), 0);
    assert_int_equal(wr_window_align(9, 10, 0), 0);
    assert_int_equal(wr_window_align(10, 10, 0), 10);
    assert_int_equal(wr_window_align(-1, 10, 0), -10);
    assert_int_equal(wr_window_align(-10, 10, 0), -10);
    assert_int_equal(wr_window_align(2, 10, 3), -7);
    assert_int_equal(wr_window_align(3, 10, 3), 3);
    assert_int_equal(wr_window_align(3, 10, 13), 3);
    assert_int_equal(wr_window_align(3, 10, -7), 3);
}

static void
tumble_is_one_window(void **state)
{
    (void) state;
    wr_window_spec spec = { .kind = WR_WINDOW_TUMBLE, .size = 10, .slide = 10 };
    wr_time        starts[4], ends[4];
    assert_int_equal(wr_window_assign(&spec, 10, starts, ends, 4), 1);
    assert_int_equal(starts[0], 10);
    assert_int_equal(ends[0], 20);
    assert_int_equal(wr_window_assign(&spec, -1, starts, ends, 4), 1);
    assert_int_equal(starts[0], -10);
}

static void
hop_need_not_divide(void **state)
{
    (void) state;
    /* size 10, slide 4: starts at multiples of 4 */
    wr_window_spec spec = { .kind = WR_WINDOW_HOP, .size = 10, .slide = 4 };
    wr_time        starts[4], ends[4];
    assert_int_equal(wr_window_assign(&spec, 9, starts, ends, 4), 3);
    assert_int_equal(starts[0], 0);
    assert_int_equal(ends[0], 10);
    assert_int_equal(starts[2], 8);
    assert_int_equal(ends[2], 18);
    assert_int_equal(wr_window_assign(&spec, 10, starts, ends, 4), 2); /* [4,14) [8,18) */
    assert_int_equal(starts[0], 4);
    assert_int_equal(wr_window_pane(&spec), 2);
    assert_int_equal(wr_window_assign(&spec, 9, starts, ends, 2), 2); /* no more than asked */
}

static void
hop_holds_exactly_its_times(void **state) /* W1 */
{
    (void) state;
    for (int64_t size = 1; size <= 7; size++)
        for (int64_t slide = 1; slide <= size; slide++)
            for (int64_t offset = -3; offset <= 3; offset++)
                for (wr_time t = -20; t <= 20; t++) {
                    wr_window_spec spec = { WR_WINDOW_HOP, size, slide, offset, 0, 0 };
                    wr_time        starts[16], ends[16];
                    uint32_t       n = wr_window_assign(&spec, t, starts, ends, 16), found = 0;
                    for (wr_time s = -40; s <= 40; s++)
                        if (((s - offset) % slide + slide) % slide == 0 && s <= t && t < s + size) {
                            assert_true(found < n);
                            assert_int_equal(starts[found], s);
                            assert_int_equal(ends[found], s + size);
                            assert_int_equal(wr_window_start_of(&spec, s + size), s);
                            found++;
                        }
                    assert_int_equal(found, n);
                }
}

static void
cumulate_ends_every_step(void **state)
{
    (void) state;
    wr_window_spec spec = { .kind = WR_WINDOW_CUMULATE, .size = 9, .slide = 3 };
    wr_time        starts[4], ends[4];
    assert_int_equal(wr_window_assign(&spec, 0, starts, ends, 4), 3);
    assert_int_equal(ends[0], 3);
    assert_int_equal(ends[2], 9);
    assert_int_equal(wr_window_assign(&spec, 7, starts, ends, 4), 1);
    assert_int_equal(starts[0], 0);
    assert_int_equal(ends[0], 9);
    assert_int_equal(wr_window_assign(&spec, 9, starts, ends, 4), 3);
    assert_int_equal(starts[0], 9);
    assert_int_equal(ends[0], 12);
    assert_int_equal(wr_window_start_of(&spec, 9), 0);
    assert_int_equal(wr_window_start_of(&spec, 12), 9);
}

static void
infinities_are_in_no_window(void **state) /* W2 */
{
    (void) state;
    wr_window_spec spec = { .kind = WR_WINDOW_HOP, .size = INT64_MAX / 8, .slide = INT64_MAX / 16 };
    wr_time        starts[4], ends[4];
    assert_int_equal(wr_window_assign(&spec, WR_TIME_POSINF, starts, ends, 4), 0);
    assert_int_equal(wr_window_assign(&spec, WR_TIME_NEGINF, starts, ends, 4), 0);
    assert_int_equal(wr_window_assign(&spec, INT64_MAX / 4, starts, ends, 4), 2);
}

static void
bad_specs_are_refused(void **state)
{
    (void) state;
    const wr_window_spec bad[] = {
        { .kind = WR_WINDOW_TUMBLE, .size = 0, .slide = 0 },
        { .kind = WR_WINDOW_TUMBLE, .size = -5, .slide = -5 },
        { .kind = WR_WINDOW_HOP, .size = 10, .slide = 0 },
        { .kind = WR_WINDOW_HOP, .size = 10, .slide = 11 },
        { .kind = WR_WINDOW_HOP, .size = 10000, .slide = 1 },
        { .kind = WR_WINDOW_CUMULATE, .size = 10, .slide = 4 },
        { .kind = WR_WINDOW_SESSION, .size = 0 },
        { .kind = WR_WINDOW_TUMBLE, .size = INT64_MAX, .slide = INT64_MAX },
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        weir_error err;
        assert_int_equal(wr_window_check(&bad[i], &err), WEIR_QUERY_WINDOW);
    }
    wr_window_spec good = { .kind = WR_WINDOW_HOP, .size = 9999, .slide = 1 };
    assert_int_equal(wr_window_check(&good, NULL), WEIR_OK);
}

static void
watermark_shift_saturates(void **state)
{
    (void) state;
    assert_int_equal(wr_watermark_shift(10, -3), 7);
    assert_true(wr_watermark_shift(WR_TIME_START, 5) == WR_TIME_START);
    assert_true(wr_watermark_shift(WR_TIME_END, -5) == WR_TIME_END);
    assert_true(wr_watermark_shift(10, WR_NO_WATERMARK) == WR_TIME_START);
    assert_true(wr_watermark_shift(WR_TIME_END, WR_NO_WATERMARK) == WR_TIME_END);
    assert_true(wr_watermark_shift(WR_TIME_POSINF, 5) == WR_TIME_POSINF);
}

WR_TESTS = { WR_TEST(align_floors_on_both_sides_of_zero),
             WR_TEST(tumble_is_one_window),
             WR_TEST(hop_need_not_divide),
             WR_TEST(hop_holds_exactly_its_times),
             WR_TEST(cumulate_ends_every_step),
             WR_TEST(infinities_are_in_no_window),
             WR_TEST(bad_specs_are_refused),
             WR_TEST(watermark_shift_saturates),
             { NULL, NULL } };
