/* SPDX-License-Identifier: Apache-2.0 */
/* aggregate_window_test.c -- windows of operator/aggregate.c: assignment, lateness, closing,
 * panes. */
#include "support/test.h"

#include "unit/operator/aggregate_case.h"

static wr_optest *
count_and_sum(agg_case *c, wr_window_kind kind, double size, double slide)
{
    case_begin(c, "k text, v int8, ts timestamp");
    case_window(c, kind, size, slide, "ts");
    case_key(c, "start");
    case_key(c, "k");
    case_call(c, "count", NULL);
    case_call(c, "sum", "v");
    return case_ready(c, &wr_aggregate_ops, "s timestamp, k text, n int8, v numeric", "k");
}

static void
tumble_closes_when_the_watermark_reaches_the_end(void **state) /* E1 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    wr_optest_rows(t, 0, "a|1|@1; b|2|@3; a|5|@9.999999");
    wr_optest_rows(t, 0, "a|7|@10; b|null|@19");
    wr_optest_watermark(t, 0, WR_OPTEST_S(9.999999));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_expect(t, "@0|a|2|6; @0|b|1|2");
    wr_optest_rows(t, 0, "c|1|@25; a|1|@19.5");
    wr_optest_watermark(t, 0, WR_OPTEST_S(21));
    wr_optest_expect(t, "@10|a|2|8; @10|b|1|null");
    wr_optest_end(t);
    wr_optest_expect(t, "@20|c|1|1");
    wr_optest_verify(t);
}

/* delay 5: the watermark is the greatest time - 5 */
static void
lateness_is_by_row_order(void **state) /* A1 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    wr_optest_want_late(t);
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(5));
    wr_optest_rows(t, 0, "a|1|@8; a|2|@14.9; a|3|@9; a|4|@15; a|5|@9.9; b|6|@12; a|7|@30; b|8|@19; "
                         "a|9|@20");
    wr_optest_expect(t, "@0|a|2|4; @10|a|2|6; @10|b|1|6");
    wr_optest_expect_port(t, WR_PORT_LATE, "a|5|@9.9; b|8|@19");
    wr_optest_end(t);
    wr_optest_expect(t, "@20|a|1|9; @30|a|1|7");
    wr_optest_count(t, rows_late, 2);
    wr_optest_count(t, windows_late, 2);
    wr_optest_verify(t);
}

static void
null_and_infinite_times_are_in_no_window(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    wr_optest_rows(t, 0, "a|1|null; a|2|@5; a|3|infinity; a|4|-infinity");
    wr_optest_end(t);
    wr_optest_expect(t, "@0|a|1|2");
    wr_optest_count(t, rows_null_time, 3);
    wr_optest_count(t, rows_late, 0);
    wr_optest_verify(t);
}

/* size 10, slide 4: [-8,2) [-4,6) [0,10) [4,14) [8,18) */
static void
hop_merges_panes(void **state) /* M1, M2 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 4);
    wr_optest_rows(t, 0, "a|1|@1; a|2|@5; b|4|@5.5; a|8|@9");
    wr_optest_watermark(t, 0, WR_OPTEST_S(2));
    wr_optest_expect(t, "@-8|a|1|1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(7));
    wr_optest_expect(t, "@-4|a|2|3; @-4|b|1|4");
    wr_optest_rows(t, 0, "b|16|@8");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_expect(t, "@0|a|3|11; @0|b|2|20");
    wr_optest_end(t);
    wr_optest_expect(t, "@4|a|2|10; @4|b|2|20; @8|a|1|8; @8|b|1|16");
    wr_optest_verify(t);
}

/* hop 10 by 5, delay 0.  c at 13 comes when the watermark is 16: too late for [5,15), not for
 * [10,20). */
static void
row_late_for_some_windows_is_in_the_others(void **state) /* L1 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 5);
    wr_optest_want_late(t);
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "a|1|@12; b|2|@16; c|4|@13; a|8|@12; b|16|@21; a|32|@14; a|64|@18");
    wr_optest_expect(t, "@5|a|1|1; @10|a|2|9; @10|b|1|2; @10|c|1|4");
    wr_optest_expect_port(t, WR_PORT_LATE, "a|32|@14");
    wr_optest_end(t);
    wr_optest_expect(t, "@15|a|1|64; @15|b|2|18; @20|b|1|16");
    wr_optest_count(t, rows_late, 1);
    wr_optest_count(t, windows_late, 5); /* c, a: one each; 32: two; 64: one */
    wr_optest_verify(t);
}

static void
cumulate_grows_within_its_span(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "v int8, ts timestamp");
    case_window(&c, WR_WINDOW_CUMULATE, 9, 3, "ts");
    case_key(&c, "start");
    case_key(&c, "end");
    case_call(&c, "sum", "v");
    case_call(&c, "max", "v");
    t = case_ready(&c, &wr_aggregate_ops, "s timestamp, e timestamp, v numeric, m int8", NULL);
    wr_optest_rows(t, 0, "1|@0; 2|@4; 4|@8");
    wr_optest_watermark(t, 0, WR_OPTEST_S(6));
    wr_optest_expect(t, "@0|@3|1|1; @0|@6|3|2");
    wr_optest_rows(t, 0, "8|@10; 16|@8; 32|@5");
    wr_optest_watermark(t, 0, WR_OPTEST_S(9));
    wr_optest_expect(t, "@0|@9|55|32"); /* 32 at 5 missed [0,6), which is one late window */
    wr_optest_end(t);
    wr_optest_expect(t, "@9|@12|8|8; @9|@15|8|8; @9|@18|8|8");
    wr_optest_count(t, windows_late, 1);
    wr_optest_count(t, rows_late, 0);
    wr_optest_verify(t);
}

static void
watermark_offset_of_the_column_counts(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    c.config.window.watermark_offset = WR_OPTEST_S(-3); /* no row has ts < W - 3 */
    wr_optest_rows(t, 0, "a|1|@1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(12));
    wr_optest_rows(t, 0, "a|2|@9.5");
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(13));
    wr_optest_expect(t, "@0|a|2|3");
    wr_optest_rows(t, 0, "a|4|@9.5");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

static void
no_watermark_closes_at_the_end(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 5);
    c.config.window.watermark_offset = WR_NO_WATERMARK;
    wr_optest_rows(t, 0, "a|1|@1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(1000));
    wr_optest_rows(t, 0, "a|2|@2");
    wr_optest_expect(t, "");
    wr_optest_end(t);
    wr_optest_expect(t, "@-5|a|2|3; @0|a|2|3");
    wr_optest_verify(t);
}

static void
far_off_times_cost_one_pane_each(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 5);
    wr_optest_rows(t, 0, "a|1|@1; a|2|2500-01-01 00:00:01; a|4|0044-03-15 00:00:01 BC");
    wr_optest_end(t);
    wr_optest_expect(t,
                     "@-5|a|1|1; @0|a|1|1; 2499-12-31 23:59:55|a|1|2; 2500-01-01 00:00:00|a|1|2; "
                     "0044-03-14 23:59:55 BC|a|1|4; 0044-03-15 00:00:00 BC|a|1|4");
    wr_optest_verify(t);
}

/* Groups of a window by changes: what stays when the window closes is what final would say. */
static void
changes_of_windows_fold_to_their_results(void **state) /* A2, E2 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 5);
    c.config.emit = WR_EMIT_CHANGES;
    wr_optest_rows(t, 0, "a|1|@12; a|2|@13; b|4|@16");
    wr_optest_expect(t, "@5|a|2|3; @10|a|2|3; @10|b|1|4; @15|b|1|4");
    wr_optest_watermark(t, 0, WR_OPTEST_S(15));
    wr_optest_rows(t, 0, "a|8|@14; c|16|@14");
    wr_optest_expect(t, "[-1] @10|a|2|3; @10|a|3|11; @10|c|1|16");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20));
    wr_optest_expect(t, "");
    wr_optest_rows(t, 0, "b|32|@11; b|64|@19");
    wr_optest_expect(t, "[-1] @15|b|1|4; @15|b|2|68");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 1);
    wr_optest_count(t, windows_late, 5); /* a, c: one each; 11: two; 19: one */
    wr_optest_verify(t);
}

/* The change of one step, row by row: the old row first, one batch. */
static void
old_row_comes_first(void **state) /* E2 */
{
    (void) state;
    agg_case            c;
    wr_optest          *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    wr_aggregate_config config = c.config;
    wr_ctx              ctx;
    weir_error          err = { 0 };
    config.emit = WR_EMIT_CHANGES;
    void *self = wr_calloc(NULL, 1, wr_aggregate_ops.self_size);
    assert_int_equal(wr_ctx_init(&ctx, NULL, NULL, WR_GROUPS_ALL, 4, &err), WEIR_OK);
    assert_int_equal(wr_aggregate_ops.open(self, &ctx, &config, &err), WEIR_OK);
    for (int i = 0; i < 2; i++) {
        wr_batch_builder builder;
        wr_value values[3] = { { .type = WR_TYPE(WR_TEXT), .string = wr_string_make("a", 1) },
                               { .type = WR_TYPE(WR_INT8), .integer = 5 },
                               { .type = WR_TYPE(WR_TIMESTAMP), .integer = 7 } };
        wr_batch_builder_init(&builder, NULL, c.in);
        assert_int_equal(wr_batch_builder_add(&builder, values, 1), WEIR_OK);
        assert_int_equal(wr_batch_builder_add(&builder, values, 1), WEIR_OK);
        wr_batch *b = wr_batch_builder_take(&builder);
        wr_batch_builder_fini(&builder);
        assert_int_equal(wr_aggregate_ops.process(self, &ctx, 0, b), WR_FLOW_NEXT);
        wr_batch_release(b);
    }
    assert_int_equal(ctx.out[0].count, 2);
    const wr_batch *first = ctx.out[0].slots[0], *second = ctx.out[0].slots[1];
    assert_int_equal(first->row_count, 1);
    assert_null(first->diff);
    assert_int_equal(second->row_count, 2);
    assert_int_equal(second->diff[0], -1);
    assert_int_equal(second->diff[1], 1);
    assert_int_equal(((const int64_t *) second->columns[2]->data)[0], 2);
    assert_int_equal(((const int64_t *) second->columns[2]->data)[1], 4);
    wr_aggregate_ops.close(self);
    wr_free(self);
    wr_ctx_fini(&ctx);
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* late: update, lateness 10 s: windows say more after they have closed */
static void
late_rows_update_closed_windows(void **state) /* E3 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    c.config.late = WR_LATE_UPDATE;
    c.config.lateness_us = WR_OPTEST_S(10);
    wr_optest_want_late(t);
    wr_optest_rows(t, 0, "a|1|@1");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_expect(t, "@0|a|1|1");
    wr_optest_rows(t, 0, "a|2|@2; b|4|@3; a|8|@11");
    wr_optest_expect(t, "[-1] @0|a|1|1; @0|a|2|3; @0|b|1|4");
    wr_optest_watermark(t, 0, WR_OPTEST_S(19.999999));
    wr_optest_rows(t, 0, "b|16|@4");
    wr_optest_expect(t, "[-1] @0|b|1|4; @0|b|2|20");
    wr_optest_watermark(t, 0, WR_OPTEST_S(20));
    wr_optest_expect(t, "@10|a|1|8");
    wr_optest_rows(t, 0, "b|32|@5; b|64|@15");
    wr_optest_expect(t, "@10|b|1|64");
    wr_optest_expect_port(t, WR_PORT_LATE, "b|32|@5");
    wr_optest_end(t);
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

static void
late_rows_update_hops(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 5);
    c.config.late = WR_LATE_UPDATE;
    c.config.lateness_us = WR_OPTEST_S(5);
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "a|1|@12; a|2|@17; a|4|@13");
    wr_optest_expect(t, "@5|a|2|5");
    wr_optest_rows(t, 0, "a|8|@21; a|16|@14");
    wr_optest_expect(t, "@10|a|4|23");
    wr_optest_end(t);
    wr_optest_expect(t, "@15|a|2|10; @20|a|1|8");
    wr_optest_count(t, windows_late, 1);
    wr_optest_verify(t);
}

static void
dates_are_times_too(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t;
    case_begin(&c, "d date");
    case_window(&c, WR_WINDOW_TUMBLE, 86400 * 7, 86400 * 7, "d");
    case_key(&c, "start");
    case_call(&c, "count", NULL);
    t = case_ready(&c, &wr_aggregate_ops, "s timestamp, n int8", NULL);
    wr_optest_rows(t, 0, "1970-01-01; 1970-01-07; 1970-01-08; infinity");
    wr_optest_end(t);
    wr_optest_expect(t, "1970-01-01 00:00:00|2; 1970-01-08 00:00:00|1");
    wr_optest_count(t, rows_null_time, 1);
    wr_optest_verify(t);
}

/* retractions of a windowed input */
static void
windows_take_retractions(void **state) /* U1, U3 */
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_TUMBLE, 10, 10);
    wr_optest_rows(t, 0, "a|1|@1; [3] b|2|@3; c|4|@3");
    wr_optest_rows(t, 0, "[-1] a|1|@1; [-2] b|2|@3");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_expect(t, "@0|b|1|2; @0|c|1|4");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
retraction_of_hops(void **state)
{
    (void) state;
    agg_case   c;
    wr_optest *t = count_and_sum(&c, WR_WINDOW_HOP, 10, 5);
    wr_optest_rows(t, 0, "a|1|@1; b|2|@3; [-1] a|1|@1; [2] b|2|@6");
    wr_optest_end(t);
    wr_optest_expect(t, "@-5|b|1|2; @0|b|3|6; @5|b|2|4");
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(tumble_closes_when_the_watermark_reaches_the_end),
             WR_TEST(lateness_is_by_row_order),
             WR_TEST(null_and_infinite_times_are_in_no_window),
             WR_TEST(hop_merges_panes),
             WR_TEST(row_late_for_some_windows_is_in_the_others),
             WR_TEST(cumulate_grows_within_its_span),
             WR_TEST(watermark_offset_of_the_column_counts),
             WR_TEST(no_watermark_closes_at_the_end),
             WR_TEST(far_off_times_cost_one_pane_each),
             WR_TEST(changes_of_windows_fold_to_their_results),
             WR_TEST(old_row_comes_first),
             WR_TEST(late_rows_update_closed_windows),
             WR_TEST(late_rows_update_hops),
             WR_TEST(dates_are_times_too),
             WR_TEST(windows_take_retractions),
             WR_TEST(retraction_of_hops),
             { NULL, NULL } };
