/* SPDX-License-Identifier: Apache-2.0 */
/* over_rolling_test.c -- R1..R5 of operator/over_rolling.c, and over_changes (operator/top_n_over.c). */
#include "support/test.h"

#include "operator/over_rolling.h"
#include "operator/top_n.h"
#include "support/optest.h"

typedef struct fixture {
    wr_optest *t;
    const wr_schema *in;
    wr_over_spec specs[3];
    wr_over_config over;
    wr_over_rolling_config config;
    uint32_t partition[1];
    wr_sort_key order[1];
} fixture;

/* k partitions, ts orders, x is computed with. */
static void
fixture_init(fixture *f)
{
    *f = (fixture){ .t = wr_optest_create() };
    f->in = wr_optest_schema(f->t, "k int4, ts timestamp, x int8");
    f->partition[0] = 0;
    f->order[0] = (wr_sort_key){ .column = 1 };
    f->over = (wr_over_config){
        .calls = f->specs, .key_count = 1, .keys = f->partition, .time_column = -1, .input = f->in
    };
    f->config = (wr_over_rolling_config){ .over = &f->over, .time_column = 1 };
}

static wr_over_spec *
add_call(fixture *f, wr_over_function function, const char *type)
{
    wr_over_spec *s = &f->specs[f->over.call_count++];
    *s = (wr_over_spec){ .function = function,
                         .result = wr_optest_constant(f->t, type, NULL)->type,
                         .partition_count = 1,
                         .partition = f->partition,
                         .order_count = 1,
                         .order = f->order,
                         .mode = WR_FRAME_RANGE };
    s->start.unbounded = true;
    s->start.offset = s->end.offset = wr_value_null(WR_TYPE(WR_INT8));
    return s;
}

static wr_over_spec *
add_sum(fixture *f, wr_frame_mode mode, wr_value back)
{
    wr_over_spec *s = add_call(f, WR_OVER_AGGREGATE, "numeric");
    wr_type have = WR_TYPE(WR_INT8), want;
    assert_int_equal(wr_aggregate_resolve("sum", &have, 1, &s->aggregate, &want, &s->result, NULL),
                     WEIR_OK);
    s->args[0] = wr_optest_column(f->t, f->in, "x");
    s->arg_count = 1;
    s->mode = mode;
    s->start = (wr_frame_end){ .offset = back };
    return s;
}

static wr_value
seconds(int64_t n)
{
    return (wr_value){ .type = WR_TYPE(WR_INTERVAL), .interval = { 0, 0, n * 1000000 } };
}

static void
open_it(fixture *f, const char *output)
{
    f->over.output = wr_optest_schema(f->t, output);
    wr_optest_operator(f->t, &wr_over_rolling_ops, &f->config, f->over.output);
    wr_optest_port(f->t, 0, f->in, "k");
}

static void
rows_come_out_in_time(void **state) /* R1..R4 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_sum(&f, WR_FRAME_RANGE, seconds(10));
    f.config.reach_us = 10000000;
    open_it(&f, "k int4, ts timestamp, x int8, s numeric");
    wr_optest_want_late(f.t);
    wr_optest_rows(f.t, 0, "1|@12|4; 1|@5|1; 2|@7|100; 1|@5|2; 1|null|9");
    wr_optest_expect(f.t, "");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(10));
    wr_optest_expect(f.t, "1|@5|1|3; 1|@5|2|3; 2|@7|100|100");
    wr_optest_rows(f.t, 0, "1|@15|8; 1|@9|5; 1|@15|8; 1|@26|16");
    wr_optest_expect(f.t, "");
    wr_optest_expect_port(f.t, WR_PORT_LATE, "1|@9|5");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(20));
    wr_optest_expect(f.t, "1|@12|4|7; 1|@15|8|23; 1|@15|8|23");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(40));
    wr_optest_expect(f.t, "1|@26|16|16");
    wr_optest_rows(f.t, 0, "1|@50|1");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "1|@50|1|1");
    wr_optest_count(f.t, rows_late, 1);
    wr_optest_count(f.t, rows_null_time, 1);
    wr_optest_verify(f.t);
}

static void
rows_back_are_kept(void **state) /* R4 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_sum(&f, WR_FRAME_ROWS, (wr_value){ .type = WR_TYPE(WR_INT8), .integer = 2 });
    wr_over_spec *lag = add_call(&f, WR_OVER_LAG, "int8");
    lag->args[0] = wr_optest_column(f.t, f.in, "x");
    lag->arg_count = 1;
    f.config.reach_rows = 2;
    open_it(&f, "k int4, ts timestamp, x int8, s numeric, p int8");
    wr_optest_delay(f.t, 0, "ts", 2000000);
    wr_optest_rows(f.t, 0, "1|@1|1; 1|@2|2; 2|@1|9; 1|@3|3; 1|@5|4; 1|@4|5; 1|@9|6; 1|@10|7");
    wr_optest_expect_any(f.t);
    wr_optest_rows(f.t, 0, "2|@20|1; 2|@30|1");
    wr_optest_expect_any(f.t);
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "2|@30|1|11|1");
    wr_optest_verify(f.t);
}

static void
whole_history_and_gaps(void **state) /* R5 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_call(&f, WR_OVER_ROW_NUMBER, "int8");
    f.config.all = true;
    f.config.ttl_us = 10000000;
    open_it(&f, "k int4, ts timestamp, x int8, n int8");
    wr_optest_rows(f.t, 0, "1|@1|0; 1|@2|0; 1|@30|0; 1|@31|0; 2|@31|0");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(31));
    wr_optest_expect(f.t, "1|@1|0|1; 1|@2|0|2; 1|@30|0|1");
    wr_optest_rows(f.t, 0, "1|@40|0; 1|@60|0");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(59));
    wr_optest_expect(f.t, "1|@31|0|2; 2|@31|0|1; 1|@40|0|3");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "1|@60|0|1");
    wr_optest_verify(f.t);
}

static void
rows_without_a_time_come_last(void **state) /* R3 */
{
    fixture f;
    (void)state;
    fixture_init(&f);
    add_sum(&f, WR_FRAME_ROWS, (wr_value){ .type = WR_TYPE(WR_INT8), .integer = 1 });
    wr_over_spec *peers = add_sum(&f, WR_FRAME_RANGE, seconds(10));
    (void)peers;
    f.config.reach_rows = 1;
    f.config.reach_us = 10000000;
    f.config.keep_untimed = true;
    open_it(&f, "k int4, ts timestamp, x int8, s numeric, p numeric");
    wr_optest_rows(f.t, 0, "1|null|9; 1|@5|1; 2|null|3; 1|@7|2; 1|null|10; 3|@12|0; 3|null|1");
    wr_optest_expect(f.t, "");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(10));
    wr_optest_expect(f.t, "1|@5|1|1|1; 1|@7|2|3|3");
    wr_optest_watermark(f.t, 0, WR_OPTEST_S(60));
    wr_optest_expect(f.t, "3|@12|0|0|0");
    wr_optest_rows(f.t, 0, "1|null|11");
    wr_optest_expect(f.t, "");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "1|null|9|11|30; 1|null|10|19|30; 1|null|11|21|30; 2|null|3|3|3; "
                          "3|null|1|1|1");
    wr_optest_count(f.t, rows_null_time, 0);
    wr_optest_verify(f.t);
}

/* --- over_changes --- */

static void
answers_change_with_the_rows(void **state)
{
    fixture f;
    wr_top_n_config config;
    (void)state;
    fixture_init(&f);
    add_call(&f, WR_OVER_RANK, "int8");
    wr_over_spec *sum = add_sum(&f, WR_FRAME_RANGE, wr_value_null(WR_TYPE(WR_INT8)));
    sum->start.unbounded = true;
    f.over.output = wr_optest_schema(f.t, "k int4, ts timestamp, x int8, n int8, s numeric");
    config = (wr_top_n_config){ .partition_count = 1,
                                .partition = f.partition,
                                .time_column = -1,
                                .high = UINT64_MAX,
                                .low = 1,
                                .input = f.in,
                                .output = f.over.output,
                                .over = &f.over };
    wr_optest_operator(f.t, &wr_over_changes_ops, &config, f.over.output);
    wr_optest_port(f.t, 0, f.in, "k");
    wr_optest_rows(f.t, 0, "1|@5|1; 1|@9|2; 2|null|7");
    wr_optest_expect(f.t, "1|@5|1|1|1; 1|@9|2|2|3; 2|null|7|1|7");
    wr_optest_rows(f.t, 0, "1|@5|1");
    wr_optest_expect(f.t, "[-1] 1|@5|1|1|1; 1|@5|1|1|2; 1|@5|1|1|2; [-1] 1|@9|2|2|3; 1|@9|2|3|4");
    wr_optest_rows(f.t, 0, "[-1] 1|@5|1; [-1] 1|@5|1; [-1] 3|@5|1");
    wr_optest_expect(f.t, "[-1] 1|@5|1|1|2; [-1] 1|@5|1|1|2; [-1] 1|@9|2|3|4; 1|@9|2|1|2");
    wr_optest_rows(f.t, 0, "[-1] 1|@9|2");
    wr_optest_expect(f.t, "[-1] 1|@9|2|1|2");
    wr_optest_end(f.t);
    wr_optest_expect(f.t, "");
    wr_optest_count(f.t, rows_unknown, 1);
    wr_optest_verify(f.t);
}

WR_TESTS = {
    WR_TEST(rows_come_out_in_time),
    WR_TEST(rows_back_are_kept),
    WR_TEST(whole_history_and_gaps),
    WR_TEST(rows_without_a_time_come_last),
    WR_TEST(answers_change_with_the_rows),
    { NULL, NULL },
};
