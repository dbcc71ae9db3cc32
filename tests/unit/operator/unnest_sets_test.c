/* SPDX-License-Identifier: Apache-2.0 */
/* unnest_sets_test.c -- U1..U4 of operator/unnest.c; the sets are PostgreSQL's. */
#include "support/test.h"

#include "operator/unnest.h"
#include "support/optest.h"

enum { SETS_MAX = 3 };

typedef struct unnest_case {
    wr_optest       *t;
    const wr_schema *in;
    wr_unnest_config config;
    const wr_expr   *calls[SETS_MAX];
} unnest_case;

static void
case_begin(unnest_case *c, const char *columns)
{
    *c = (unnest_case){ .t = wr_optest_create() };
    c->in = wr_optest_schema(c->t, columns);
    c->config.calls = c->calls;
}

static void
case_array(unnest_case *c, const char *column)
{
    c->calls[c->config.call_count++] = wr_optest_column(c->t, c->in, column);
}

/* generate_series over columns; step may be NULL. */
static void
case_series(unnest_case *c, const char *start, const char *stop, const char *step)
{
    wr_expr **args = wr_arena_calloc(wr_optest_arena(c->t), 3, sizeof *args);
    args[0] = wr_optest_column(c->t, c->in, start);
    args[1] = wr_optest_column(c->t, c->in, stop);
    if (step != NULL)
        args[2] = wr_optest_column(c->t, c->in, step);
    c->calls[c->config.call_count++] = wr_expr_call(wr_optest_arena(c->t), &wr_series_function, args[0]->type,
                                                    args, step != NULL ? 3 : 2);
}

static wr_optest *
case_ready(unnest_case *c, const char *output)
{
    wr_schema *out = wr_optest_schema(c->t, output);
    c->config.output = out;
    wr_optest_operator(c->t, &wr_unnest_ops, &c->config, out);
    wr_optest_port(c->t, 0, c->in, NULL);
    return c->t;
}

static void
items_come_in_order_and_with_their_row(void **state) /* U1 */
{
    (void) state;
    unnest_case c;
    case_begin(&c, "k text, a int8[]");
    case_array(&c, "a");
    c.config.ordinality = true;
    wr_optest *t = case_ready(&c, "k text, a int8[], x int8, n int8");
    wr_optest_rows(t, 0, "a|{3,1,null}; none|{}; [-2] b|{{1,2},{3,4}}; null row|null; c|{7}");
    wr_optest_expect_ordered(t, "a|{3,1,null}|3|1; a|{3,1,null}|1|2; a|{3,1,null}|null|3;"
                                "[-2] b|{{1,2},{3,4}}|1|1; [-2] b|{{1,2},{3,4}}|2|2; [-2] b|{{1,2},{3,4}}|3|3;"
                                "[-2] b|{{1,2},{3,4}}|4|4; c|{7}|7|1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
sets_stand_side_by_side(void **state) /* U1, U2 */
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a text[], b numeric[]");
    case_array(&c, "a");
    case_array(&c, "b");
    c.config.ordinality = true;
    wr_optest *t = case_ready(&c, "a text[], b numeric[], x text, y numeric, n int8");
    wr_optest_rows(t, 0, "{a,a text longer than twelve bytes}|{1.50,NaN,2}; {}|{7}; null|{}; {z}|null");
    wr_optest_expect_ordered(
        t, "{a,a text longer than twelve bytes}|{1.50,NaN,2}|a|1.50|1;"
           "{a,a text longer than twelve bytes}|{1.50,NaN,2}|a text longer than twelve bytes|NaN|2;"
           "{a,a text longer than twelve bytes}|{1.50,NaN,2}|null|2|3;"
           "{}|{7}|null|7|1; {z}|null|z|null|1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
outer_keeps_rows_without_items(void **state) /* U2 */
{
    (void) state;
    unnest_case c;
    case_begin(&c, "k text, a int4[], lo int4, hi int4");
    case_array(&c, "a");
    case_series(&c, "lo", "hi", NULL);
    c.config.ordinality = c.config.outer = true;
    wr_optest *t = case_ready(&c, "k text, a int4[], lo int4, hi int4, x int4, y int4, n int8");
    wr_optest_rows(t, 0, "a|{}|2|1; b|null|null|1; c|{null}|1|0; d|{}|1|2");
    wr_optest_expect_ordered(t, "a|{}|2|1|null|null|null; b|null|null|1|null|null|null;"
                                "c|{null}|1|0|null|null|1; d|{}|1|2|null|1|1; d|{}|1|2|null|2|2");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
series_of_integers(void **state)
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a int4, b int4, s int4");
    case_series(&c, "a", "b", "s");
    wr_optest *t = case_ready(&c, "a int4, b int4, s int4, x int4");
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "1|5|2; 5|1|-2; 3|3|1; 4|3|1; 3|4|-1; 1|2|0; null|2|0; 1|2|null;"
                         "2147483646|2147483647|1; -2147483647|-2147483648|-1000");
    wr_optest_expect_ordered(t, "1|5|2|1; 1|5|2|3; 1|5|2|5; 5|1|-2|5; 5|1|-2|3; 5|1|-2|1; 3|3|1|3;"
                                "2147483646|2147483647|1|2147483646; 2147483646|2147483647|1|2147483647;"
                                "-2147483647|-2147483648|-1000|-2147483647");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_INVALID_ARGUMENT|step size cannot equal zero|{\"a\": 1, \"b\": 2, \"s\": 0}|@0");
    wr_optest_end(t);
    wr_optest_count(t, rows_failed, 1);
    wr_optest_verify(t);
}

static void
series_end_where_the_type_does(void **state)
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a int8, b int8, s int8");
    case_series(&c, "a", "b", "s");
    wr_optest *t = case_ready(&c, "a int8, b int8, s int8, x int8");
    wr_optest_rows(t, 0, "9223372036854775800|9223372036854775807|3; -9223372036854775808|-9223372036854775807|1");
    wr_optest_end(t);
    wr_optest_expect_ordered(
        t, "9223372036854775800|9223372036854775807|3|9223372036854775800;"
           "9223372036854775800|9223372036854775807|3|9223372036854775803;"
           "9223372036854775800|9223372036854775807|3|9223372036854775806;"
           "-9223372036854775808|-9223372036854775807|1|-9223372036854775808;"
           "-9223372036854775808|-9223372036854775807|1|-9223372036854775807");
    wr_optest_verify(t);
}

static void
series_of_numeric_keep_their_digits(void **state)
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a numeric, b numeric, s numeric");
    case_series(&c, "a", "b", "s");
    wr_optest *t = case_ready(&c, "a numeric, b numeric, s numeric, x numeric");
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "1|2|0.5; 1.00|2|0.5; 2.5|1|-0.75; 1|NaN|1; 1|2|Infinity; -Infinity|2|1; 1|2|0.0");
    wr_optest_expect_ordered(t, "1|2|0.5|1; 1|2|0.5|1.5; 1|2|0.5|2.0; 1.00|2|0.5|1.00; 1.00|2|0.5|1.50;"
                                "1.00|2|0.5|2.00; 2.5|1|-0.75|2.5; 2.5|1|-0.75|1.75; 2.5|1|-0.75|1.00");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_INVALID_ARGUMENT|start, stop and step of generate_series must be finite|{\"a\": 1, \"b\": \"NaN\", \"s\": 1}|@0;"
                          "null|null|ROW_INVALID_ARGUMENT|start, stop and step of generate_series must be finite|{\"a\": 1, \"b\": 2, \"s\": \"Infinity\"}|@0;"
                          "null|null|ROW_INVALID_ARGUMENT|start, stop and step of generate_series must be finite|{\"a\": \"-Infinity\", \"b\": 2, \"s\": 1}|@0;"
                          "null|null|ROW_INVALID_ARGUMENT|step size cannot equal zero|{\"a\": 1, \"b\": 2, \"s\": 0.0}|@0");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
series_of_times(void **state) /* U5 */
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a timestamp, b timestamp, s interval");
    case_series(&c, "a", "b", "s");
    wr_optest *t = case_ready(&c, "a timestamp, b timestamp, s interval, x timestamp");
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "2026-01-31|2026-05-01|1 mon; @2|@0|-1 sec; @0|@1|00:00:00; @0|infinity|1 day;"
                         "infinity|@0|1 day; @5|-infinity|-1 day; @1|@0|1 mon -31 days; @0|@1|1 mon -31 days");
    wr_optest_expect_ordered(t, "2026-01-31|2026-05-01|1 mon|2026-01-31; 2026-01-31|2026-05-01|1 mon|2026-02-28;"
                                "2026-01-31|2026-05-01|1 mon|2026-03-28; 2026-01-31|2026-05-01|1 mon|2026-04-28;"
                                "@2|@0|-1 sec|@2; @2|@0|-1 sec|@1; @2|@0|-1 sec|@0");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_INVALID_ARGUMENT|step size cannot equal zero|{\"a\": \"1970-01-01T00:00:00\", \"b\": \"1970-01-01T00:00:01\", \"s\": \"00:00:00\"}|@0;"
                          "null|null|ROW_INVALID_ARGUMENT|generate_series would not end: its start and stop must be finite, and its step go one way|{\"a\": \"1970-01-01T00:00:00\", \"b\": \"infinity\", \"s\": \"1 day\"}|@0;"
                          "null|null|ROW_INVALID_ARGUMENT|generate_series would not end: its start and stop must be finite, and its step go one way|{\"a\": \"1970-01-01T00:00:05\", \"b\": \"-infinity\", \"s\": \"-1 days\"}|@0;"
                          "null|null|ROW_INVALID_ARGUMENT|generate_series would not end: its start and stop must be finite, and its step go one way|{\"a\": \"1970-01-01T00:00:01\", \"b\": \"1970-01-01T00:00:00\", \"s\": \"1 mon -31 days\"}|@0");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* 3 sets of 5,000 make 15,000 rows in 4 batches; rows keep the watermark that judges them. */
static void
long_sets_make_many_batches(void **state) /* U3, U4 */
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a numeric, b numeric, ts timestamp");
    case_series(&c, "a", "b", NULL);
    wr_optest *t = case_ready(&c, "a numeric, b numeric, ts timestamp, x numeric");
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_rows(t, 0, "1|5000|@1; 0.5|4999.5|@2; -5000|-1|@1");
    wr_optest_end(t);
    wr_optest_count(t, rows_out, 15000);
    wr_optest_expect_any(t);
    wr_optest_verify(t);
}

/* What a rule has folded to a NULL has no items. */
static void
null_constants_have_no_items(void **state)
{
    (void) state;
    unnest_case c;
    case_begin(&c, "a int4[]");
    c.calls[c.config.call_count++] = wr_optest_constant(c.t, "int8[]", NULL);
    case_array(&c, "a");
    wr_optest *t = case_ready(&c, "a int4[], x int8, y int4");
    wr_optest_rows(t, 0, "{1,2}; {}");
    wr_optest_expect_ordered(t, "{1,2}|null|1; {1,2}|null|2");
    wr_optest_end(t);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(items_come_in_order_and_with_their_row),
             WR_TEST(sets_stand_side_by_side),
             WR_TEST(outer_keeps_rows_without_items),
             WR_TEST(series_of_integers),
             WR_TEST(series_end_where_the_type_does),
             WR_TEST(series_of_numeric_keep_their_digits),
             WR_TEST(series_of_times),
             WR_TEST(long_sets_make_many_batches),
             WR_TEST(null_constants_have_no_items),
             { NULL, NULL } };
