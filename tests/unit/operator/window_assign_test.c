/* SPDX-License-Identifier: Apache-2.0 */
/* window_assign_test.c -- A1..A4 of operator/window_assign.c. */
#include "support/test.h"

#include "operator/window_assign.h"
#include "support/optest.h"

static wr_optest *
assign_over(wr_window_assign_config *config, wr_window_kind kind, double size, double slide)
{
    wr_optest *t = wr_optest_create();
    wr_schema *in = wr_optest_schema(t, "a text, ts timestamp");
    *config = (wr_window_assign_config){
        .window = { .kind = kind, .size = WR_OPTEST_S(size), .slide = WR_OPTEST_S(slide),
                    .time_column = 1 },
        .type = WR_TYPE(WR_TIMESTAMP),
    };
    wr_optest_operator(t, &wr_window_assign_ops, config,
                       wr_optest_schema(t, "a text, ts timestamp, s timestamp, e timestamp"));
    wr_optest_port(t, 0, in, NULL);
    return t;
}

static void
tumble_adds_bounds(void **state) /* A1, A2, A3 */
{
    (void) state;
    wr_window_assign_config config;
    wr_optest              *t = assign_over(&config, WR_WINDOW_TUMBLE, 10, 10);
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "a|@1; b|@10; [-1] late|@0; none|null; inf|infinity; before|@-1");
    wr_optest_expect_ordered(t, "a|@1|@0|@10; b|@10|@10|@20; [-1] late|@0|@0|@10; "
                                "before|@-1|@-10|@0");
    wr_optest_end(t);
    wr_optest_count(t, rows_null_time, 2);
    wr_optest_count(t, rows_late, 0);
    wr_optest_verify(t);
}

static void
hop_repeats_rows(void **state) /* A1 */
{
    (void) state;
    wr_window_assign_config config;
    wr_optest              *t = assign_over(&config, WR_WINDOW_HOP, 10, 4);
    wr_optest_rows(t, 0, "a|@9; b|@10");
    wr_optest_expect_ordered(t, "a|@9|@0|@10; a|@9|@4|@14; a|@9|@8|@18; "
                                "b|@10|@4|@14; b|@10|@8|@18");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
cumulate_repeats_rows(void **state) /* A1 */
{
    (void) state;
    wr_window_assign_config config;
    wr_optest              *t = assign_over(&config, WR_WINDOW_CUMULATE, 9, 3);
    wr_optest_rows(t, 0, "a|@4");
    wr_optest_expect_ordered(t, "a|@4|@0|@6; a|@4|@0|@9");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* 3 rows in 5000 windows each make 15000 rows in 4 batches; the last ends where the input does. */
static void
many_windows_make_many_batches(void **state) /* A4 */
{
    (void) state;
    wr_window_assign_config config;
    wr_optest              *t = assign_over(&config, WR_WINDOW_HOP, 5, 0.001);
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "a|@1; b|@2; c|@1");
    wr_optest_end(t);
    wr_optest_count(t, rows_out, 15000);
    wr_optest_expect_any(t);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(tumble_adds_bounds), WR_TEST(hop_repeats_rows), WR_TEST(cumulate_repeats_rows),
             WR_TEST(many_windows_make_many_batches), { NULL, NULL } };
