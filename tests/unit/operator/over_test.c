/* SPDX-License-Identifier: Apache-2.0 */
/* over_test.c -- V1..V3 of operator/over.c, C1 of over_compute.c, F1..F2 of over_frame.c, A1 of over_aggregate.c. */
#include "support/test.h"

#include "operator/over.h"
#include "support/optest.h"

#include <stdio.h>

enum { CALLS_MAX = 6 };

typedef struct over_fixture {
    wr_optest      *t;
    const wr_schema *in;
    wr_over_spec    specs[CALLS_MAX];
    wr_over_config  config;
    uint32_t        partition[1];
    wr_sort_key     order[1];
} over_fixture;

/* k int4 partitions, v int4 orders, x int8 is computed with. */
static void
fixture_init(over_fixture *f)
{
    *f = (over_fixture){ .t = wr_optest_create() };
    f->in = wr_optest_schema(f->t, "k int4, v int4, x int8");
    f->partition[0] = 0;
    f->order[0] = (wr_sort_key){ .column = 1 };
    f->config = (wr_over_config){ .calls = f->specs, .key_count = 1, .keys = f->partition,
                                  .time_column = -1, .input = f->in };
}

static wr_over_spec *
add_call(over_fixture *f, wr_over_function function, wr_type result)
{
    wr_over_spec *s = &f->specs[f->config.call_count++];
    *s = (wr_over_spec){ .function = function, .result = result, .partition_count = 1,
                         .partition = f->partition, .order_count = 1, .order = f->order,
                         .mode = WR_FRAME_RANGE };
    s->start.unbounded = true;
    s->start.offset = s->end.offset = wr_value_null(WR_TYPE(WR_INT8));
    return s;
}

static wr_over_spec *
add_sum(over_fixture *f)
{
    wr_over_spec *s = add_call(f, WR_OVER_AGGREGATE, WR_TYPE(WR_NUMERIC));
    wr_type       have = WR_TYPE(WR_INT8), want;
    assert_int_equal(wr_aggregate_resolve("sum", &have, 1, &s->aggregate, &want, &s->result, NULL), WEIR_OK);
    s->args[0] = wr_optest_column(f->t, f->in, "x");
    s->arg_count = 1;
    return s;
}

static wr_frame_end
offset_of(int64_t rows)
{
    return (wr_frame_end){ .following = rows > 0,
                           .offset = { .type = WR_TYPE(WR_INT8), .integer = rows < 0 ? -rows : rows } };
}

static void
run(over_fixture *f, const char *more, const char *rows, const char *expected)
{
    char columns[256];
    snprintf(columns, sizeof columns, "k int4, v int4, x int8, %s", more);
    f->config.output = wr_optest_schema(f->t, columns);
    wr_optest_operator(f->t, &wr_over_ops, &f->config, f->config.output);
    wr_optest_port(f->t, 0, f->in, "k");
    wr_optest_rows(f->t, 0, rows);
    wr_optest_expect(f->t, "");
    wr_optest_end(f->t);
    wr_optest_expect(f->t, expected);
    wr_optest_verify(f->t);
}

static void
ranks_count_peers(void **state) /* V1, C1 */
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    add_call(&f, WR_OVER_ROW_NUMBER, WR_TYPE(WR_INT8));
    add_call(&f, WR_OVER_RANK, WR_TYPE(WR_INT8));
    add_call(&f, WR_OVER_DENSE_RANK, WR_TYPE(WR_INT8));
    add_call(&f, WR_OVER_PERCENT_RANK, WR_TYPE(WR_FLOAT8));
    add_call(&f, WR_OVER_CUME_DIST, WR_TYPE(WR_FLOAT8));
    run(&f, "a int8, b int8, c int8, d float8, e float8",
        "1|20|0; 1|10|0; 2|5|0; 1|10|1; 1|30|0; 1|null|0",
        "1|10|0|1|1|1|0|0.4; 1|10|1|2|1|1|0|0.4; 1|20|0|3|3|2|0.5|0.6; 1|30|0|4|4|3|0.75|0.8; "
        "1|null|0|5|5|4|1|1; 2|5|0|1|1|1|0|1");
}

static void
lag_and_lead_stay_in_the_partition(void **state)
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    wr_over_spec *lag = add_call(&f, WR_OVER_LAG, WR_TYPE(WR_INT8));
    lag->args[0] = wr_optest_column(f.t, f.in, "x");
    lag->arg_count = 1;
    wr_over_spec *lead = add_call(&f, WR_OVER_LEAD, WR_TYPE(WR_INT8));
    lead->args[0] = lag->args[0];
    lead->args[1] = wr_optest_constant(f.t, "int4", "2");
    lead->args[2] = wr_optest_constant(f.t, "int8", "-1");
    lead->arg_count = 3;
    run(&f, "a int8, b int8", "1|1|10; 1|2|20; 1|3|30; 2|1|40",
        "1|1|10|null|30; 1|2|20|10|-1; 1|3|30|20|-1; 2|1|40|null|-1");
}

static void
ntile_spreads_the_rest_in_front(void **state)
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    wr_over_spec *s = add_call(&f, WR_OVER_NTILE, WR_TYPE(WR_INT4));
    s->args[0] = wr_optest_constant(f.t, "int4", "3");
    s->arg_count = 1;
    run(&f, "a int4", "1|1|0; 1|2|0; 1|3|0; 1|4|0; 2|1|0",
        "1|1|0|1; 1|2|0|1; 1|3|0|2; 1|4|0|3; 2|1|0|1");
}

static void
running_sums_end_with_the_peers(void **state) /* A1's other half: integers slide */
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    add_sum(&f);
    wr_over_spec *rows = add_sum(&f);
    rows->mode = WR_FRAME_ROWS;
    wr_over_spec *near = add_sum(&f);
    near->mode = WR_FRAME_ROWS;
    near->start = offset_of(-1);
    near->end = offset_of(1);
    wr_over_spec *all = add_sum(&f);
    all->end = (wr_frame_end){ .unbounded = true, .following = true };
    run(&f, "a numeric, b numeric, c numeric, d numeric", "1|1|1; 1|2|2; 1|2|4; 1|3|8; 2|1|16; 1|4|null",
        "1|1|1|1|1|3|15; 1|2|2|7|3|7|15; 1|2|4|7|7|14|15; 1|3|8|15|15|12|15; 1|4|null|15|15|8|15; "
        "2|1|16|16|16|16|16");
}

static void
ranges_and_groups_count_by_value(void **state) /* F2 */
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    wr_over_spec *range = add_sum(&f);
    range->start = offset_of(-2);
    range->end = offset_of(2);
    wr_over_spec *groups = add_sum(&f);
    groups->mode = WR_FRAME_GROUPS;
    groups->start = offset_of(-1);
    groups->end = (wr_frame_end){ .offset = wr_value_null(WR_TYPE(WR_INT8)) };
    wr_over_spec *ties = add_sum(&f);
    ties->exclude = WR_EXCLUDE_TIES;
    ties->end = (wr_frame_end){ .unbounded = true, .following = true };
    run(&f, "a numeric, b numeric, c numeric", "1|1|1; 1|3|2; 1|3|4; 1|6|8; 1|null|16",
        "1|1|1|7|1|31; 1|3|2|7|7|27; 1|3|4|7|7|29; 1|6|8|8|14|31; 1|null|16|16|24|31");
}

static void
values_are_of_the_frame(void **state)
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    static const wr_over_function functions[] = { WR_OVER_FIRST_VALUE, WR_OVER_LAST_VALUE,
                                                  WR_OVER_NTH_VALUE };
    for (uint32_t i = 0; i < 3; i++) {
        wr_over_spec *s = add_call(&f, functions[i], WR_TYPE(WR_INT8));
        s->args[0] = wr_optest_column(f.t, f.in, "x");
        s->args[1] = wr_optest_constant(f.t, "int4", "2");
        s->arg_count = i == 2 ? 2 : 1;
    }
    run(&f, "a int8, b int8, c int8", "1|1|10; 1|2|20; 1|3|30",
        "1|1|10|10|10|null; 1|2|20|10|20|20; 1|3|30|10|30|20");
}

static void
partitions_end_with_their_time(void **state) /* V2, V3 */
{
    wr_over_config config;
    wr_over_spec   spec;
    uint32_t       partition[1] = { 0 };
    wr_sort_key    order[1] = { { .column = 1 } };
    wr_optest     *t = wr_optest_create();
    (void) state;
    spec = (wr_over_spec){ .function = WR_OVER_ROW_NUMBER, .result = WR_TYPE(WR_INT8),
                           .partition_count = 1, .partition = partition, .order_count = 1,
                           .order = order, .start = { .unbounded = true } };
    config = (wr_over_config){ .call_count = 1, .calls = &spec, .key_count = 1, .keys = partition,
                               .time_column = 0, .input = wr_optest_schema(t, "w timestamp, v int4"),
                               .output = wr_optest_schema(t, "w timestamp, v int4, n int8") };
    wr_optest_operator(t, &wr_over_ops, &config, config.output);
    wr_optest_port(t, 0, config.input, "w");
    wr_optest_rows(t, 0, "@10|3; @20|5; @10|1; null|7");
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_expect(t, "");
    wr_optest_watermark(t, 0, WR_OPTEST_S(11));
    wr_optest_expect(t, "@10|1|1; @10|3|2");
    wr_optest_rows(t, 0, "@10|9; @20|4"); /* the first is late */
    wr_optest_expect(t, "");
    wr_optest_end(t);
    wr_optest_expect(t, "@20|4|1; @20|5|2; null|7|1");
    wr_optest_count(t, rows_late, 1);
    wr_optest_verify(t);
}

static void
rows_that_change_are_refused(void **state)
{
    over_fixture f;
    (void) state;
    fixture_init(&f);
    add_call(&f, WR_OVER_ROW_NUMBER, WR_TYPE(WR_INT8));
    f.config.output = wr_optest_schema(f.t, "k int4, v int4, x int8, n int8");
    wr_optest_operator(f.t, &wr_over_ops, &f.config, f.config.output);
    wr_optest_port(f.t, 0, f.in, NULL);
    wr_optest_rows(f.t, 0, "1|1|1; [-1] 1|1|1");
    wr_optest_expect_failure(f.t, WEIR_QUERY_UNSUPPORTED);
    wr_optest_verify(f.t);
}

WR_TESTS = { WR_TEST(ranks_count_peers), WR_TEST(lag_and_lead_stay_in_the_partition),
             WR_TEST(ntile_spreads_the_rest_in_front), WR_TEST(running_sums_end_with_the_peers),
             WR_TEST(ranges_and_groups_count_by_value), WR_TEST(values_are_of_the_frame),
             WR_TEST(partitions_end_with_their_time), WR_TEST(rows_that_change_are_refused),
             { NULL, NULL } };
