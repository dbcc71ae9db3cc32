/* SPDX-License-Identifier: Apache-2.0 */
/* unnest_test.c -- U1..U4 of operator/unnest.c. */
#include "support/test.h"

#include "expr/function.h"
#include "operator/unnest.h"
#include "support/optest.h"

#include <stdio.h>

typedef struct unnest_fixture {
    wr_optest       *t;
    const wr_schema *in;
    const wr_expr   *calls[2];
    wr_unnest_config config;
} unnest_fixture;

static void
fixture_init(unnest_fixture *f, const char *in)
{
    *f = (unnest_fixture){ .t = wr_optest_create() };
    f->in = wr_optest_schema(f->t, in);
    f->config.calls = f->calls;
}

static void
open_with(unnest_fixture *f, const char *out)
{
    f->config.output = wr_optest_schema(f->t, out);
    wr_optest_operator(f->t, &wr_unnest_ops, &f->config, f->config.output);
    wr_optest_port(f->t, 0, f->in, NULL);
}

static const wr_expr *
series(unnest_fixture *f, wr_type type, wr_expr *start, wr_expr *stop, wr_expr *step)
{
    wr_arena *arena = wr_optest_arena(f->t);
    wr_expr **args = wr_arena_alloc(arena, 3 * sizeof *args);
    args[0] = start;
    args[1] = stop;
    args[2] = step;
    return wr_expr_call(arena, &wr_series_function, type, args, step != NULL ? 3 : 2);
}

static void
items_follow_their_row(void **state) /* U1, U2 */
{
    unnest_fixture f;
    (void) state;
    fixture_init(&f, "a int4, v text[]");
    f.calls[0] = wr_optest_column(f.t, f.in, "v");
    f.config.call_count = 1;
    f.config.ordinality = true;
    open_with(&f, "a int4, v text[], item text, n int8");
    wr_optest_rows(f.t, 0, "1|{x,yy,\"a long enough text to leave the view\"}; 2|{}; 3|null; [-1] 4|{NULL,z}");
    wr_optest_end(f.t);
    wr_optest_expect_ordered(f.t, "1|{x,yy,\"a long enough text to leave the view\"}|x|1; "
                                  "1|{x,yy,\"a long enough text to leave the view\"}|yy|2; "
                                  "1|{x,yy,\"a long enough text to leave the view\"}|a long enough text to leave "
                                  "the view|3; [-1] 4|{NULL,z}|null|1; [-1] 4|{NULL,z}|z|2");
    wr_optest_verify(f.t);
}

static void
outer_keeps_empty_rows(void **state) /* U2 */
{
    unnest_fixture f;
    (void) state;
    fixture_init(&f, "a int4, v int4[]");
    f.calls[0] = wr_optest_column(f.t, f.in, "v");
    f.config.call_count = 1;
    f.config.outer = true;
    open_with(&f, "a int4, v int4[], item int4");
    wr_optest_rows(f.t, 0, "1|{5}; 2|{}; 3|null");
    wr_optest_end(f.t);
    wr_optest_expect_ordered(f.t, "1|{5}|5; 2|{}|null; 3|null|null");
    wr_optest_verify(f.t);
}

static void
sets_stand_side_by_side(void **state) /* U1 */
{
    unnest_fixture f;
    (void) state;
    fixture_init(&f, "v int4[], n int4");
    f.calls[0] = wr_optest_column(f.t, f.in, "v");
    f.calls[1] = series(&f, WR_TYPE(WR_INT4), wr_optest_constant(f.t, "int4", "1"),
                        wr_optest_column(f.t, f.in, "n"), NULL);
    f.config.call_count = 2;
    open_with(&f, "v int4[], n int4, item int4, i int4");
    wr_optest_rows(f.t, 0, "{7,8}|3; {9}|0; null|1");
    wr_optest_end(f.t);
    wr_optest_expect_ordered(f.t, "{7,8}|3|7|1; {7,8}|3|8|2; {7,8}|3|null|3; {9}|0|9|null; null|1|null|1");
    wr_optest_verify(f.t);
}

static void
series_count_up_and_down(void **state)
{
    static const struct {
        const char *type, *start, *stop, *step, *expected;
    } cases[] = {
        { "int4", "1", "7", "3", "0|1; 0|4; 0|7" },
        { "int8", "3", "1", "-1", "0|3; 0|2; 0|1" },
        { "int4", "5", "1", "1", "" },
        { "int4", "2147483646", "2147483647", "1", "0|2147483646; 0|2147483647" },
        { "int8", "9223372036854775806", "9223372036854775807", "1",
          "0|9223372036854775806; 0|9223372036854775807" },
        { "numeric", "1", "2", "0.5", "0|1; 0|1.5; 0|2.0" },
        { "int4", NULL, "2", "1", "" },
    };
    (void) state;
    for (uint32_t i = 0; i < WR_COUNT(cases); i++) {
        unnest_fixture f;
        char           out[64];
        wr_type        type;
        fixture_init(&f, "a int4");
        assert_int_equal(wr_type_parse(cases[i].type, strlen(cases[i].type), &type, NULL), WEIR_OK);
        f.calls[0] = series(&f, type, wr_optest_constant(f.t, cases[i].type, cases[i].start),
                            wr_optest_constant(f.t, cases[i].type, cases[i].stop),
                            wr_optest_constant(f.t, cases[i].type, cases[i].step));
        f.config.call_count = 1;
        snprintf(out, sizeof out, "a int4, item %s", cases[i].type);
        open_with(&f, out);
        wr_optest_rows(f.t, 0, "0");
        wr_optest_end(f.t);
        wr_optest_expect_ordered(f.t, cases[i].expected);
        wr_optest_verify(f.t);
    }
}

static void
times_step_by_intervals(void **state)
{
    unnest_fixture f;
    (void) state;
    fixture_init(&f, "a timestamp");
    f.calls[0] = series(&f, WR_TYPE(WR_TIMESTAMP), wr_optest_column(f.t, f.in, "a"),
                        wr_optest_constant(f.t, "timestamp", "2020-03-31"),
                        wr_optest_constant(f.t, "interval", "1 month"));
    f.config.call_count = 1;
    open_with(&f, "a timestamp, item timestamp");
    wr_optest_rows(f.t, 0, "2020-01-31; 2020-04-01");
    wr_optest_end(f.t);
    wr_optest_expect_ordered(f.t, "2020-01-31|2020-01-31; 2020-01-31|2020-02-29; 2020-01-31|2020-03-29");
    wr_optest_verify(f.t);
}

/* Three rows of 3,000 make 9,000 in batches of 4,096; a long numeric series needs no more memory. */
static void
long_series_make_many_batches(void **state) /* U3, U4 */
{
    unnest_fixture f;
    (void) state;
    fixture_init(&f, "a int4, n numeric");
    f.calls[0] = series(&f, WR_TYPE(WR_NUMERIC), wr_optest_constant(f.t, "numeric", "1"),
                        wr_optest_column(f.t, f.in, "n"), NULL);
    f.config.call_count = 1;
    open_with(&f, "a int4, n numeric, item numeric");
    wr_optest_rows(f.t, 0, "1|3000; 2|3000; 3|3000");
    wr_optest_end(f.t);
    wr_optest_count(f.t, rows_out, 9000);
    wr_optest_expect_any(f.t);
    wr_optest_verify(f.t);
}

static void
a_step_of_zero_is_a_bad_row(void **state)
{
    unnest_fixture f;
    (void) state;
    fixture_init(&f, "a int4");
    f.calls[0] = series(&f, WR_TYPE(WR_INT4), wr_optest_constant(f.t, "int4", "1"),
                        wr_optest_constant(f.t, "int4", "2"), wr_optest_column(f.t, f.in, "a"));
    f.config.call_count = 1;
    open_with(&f, "a int4, item int4");
    wr_optest_rows(f.t, 0, "1; 0; 2");
    wr_optest_end(f.t);
    wr_optest_expect_ordered(f.t, "1|1; 1|2; 2|1");
    wr_optest_count(f.t, rows_failed, 1);
    wr_optest_verify(f.t);
}

WR_TESTS = { WR_TEST(items_follow_their_row),     WR_TEST(outer_keeps_empty_rows),
             WR_TEST(sets_stand_side_by_side),    WR_TEST(series_count_up_and_down),
             WR_TEST(times_step_by_intervals),    WR_TEST(long_series_make_many_batches),
             WR_TEST(a_step_of_zero_is_a_bad_row), { NULL, NULL } };
