/* SPDX-License-Identifier: Apache-2.0 */
/* filter_test.c -- F1..F4 of operator/filter.c. */
#include "support/test.h"

#include "operator/filter.h"
#include "support/optest.h"

static wr_optest *
filter_over(const char *columns, const char *function, const char *column, const char *type,
            const char *constant, wr_filter_config *config)
{
    wr_optest *t = wr_optest_create();
    wr_schema *schema = wr_optest_schema(t, columns);
    config->predicate = wr_optest_call(t, function, wr_optest_column(t, schema, column),
                                       wr_optest_constant(t, type, constant));
    wr_optest_operator(t, &wr_filter_ops, config, schema);
    wr_optest_port(t, 0, schema, NULL);
    return t;
}

static void
null_predicate_drops_row(void **state) /* F1, F2, F4 */
{
    (void) state;
    wr_filter_config config;
    wr_optest       *t = filter_over("price int8", ">", "price", "int8", "10", &config);
    wr_optest_rows(t, 0, "9; null; 11; 10; 12");
    wr_optest_expect_ordered(t, "11; 12");
    wr_optest_end(t);
    wr_optest_count(t, rows_filtered, 3);
    wr_optest_count(t, rows_out, 2);
    wr_optest_verify(t);
}

static void
diffs_and_watermarks_pass(void **state)
{
    (void) state;
    wr_filter_config config;
    wr_optest       *t = filter_over("k text, ts timestamp", "<>", "k", "text", "b", &config);
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(2));
    wr_optest_rows(t, 0, "a|@10; b|@11; [-1] c|@9; d|@20");
    wr_optest_expect_ordered(t, "a|@10; [-1] c|@9; d|@20");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
failed_rows_go_to_the_bad_port(void **state)
{
    (void) state;
    wr_filter_config config;
    wr_optest       *t = wr_optest_create();
    wr_schema       *schema = wr_optest_schema(t, "a int8, b int8");
    wr_expr         *ratio = wr_optest_call(t, "/", wr_optest_column(t, schema, "a"),
                                            wr_optest_column(t, schema, "b"));
    config.predicate = wr_optest_call(t, ">", ratio, wr_optest_constant(t, "int8", "1"));
    wr_optest_operator(t, &wr_filter_ops, &config, schema);
    wr_optest_port(t, 0, schema, NULL);
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "4|2; 1|0; 1|1; 9|3");
    wr_optest_expect_ordered(t, "4|2; 9|3");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"a\": 1, \"b\": 0}|@0");
    wr_optest_end(t);
    wr_optest_count(t, rows_failed, 1);
    wr_optest_count(t, rows_filtered, 1);
    wr_optest_verify(t);
}

static void
failed_row_ends_the_query_when_asked(void **state)
{
    (void) state;
    wr_filter_config config;
    wr_optest       *t = wr_optest_create();
    wr_schema       *schema = wr_optest_schema(t, "a int8, b int8");
    wr_expr         *ratio = wr_optest_call(t, "/", wr_optest_column(t, schema, "a"),
                                            wr_optest_column(t, schema, "b"));
    config.predicate = wr_optest_call(t, ">", ratio, wr_optest_constant(t, "int8", "1"));
    wr_optest_operator(t, &wr_filter_ops, &config, schema);
    wr_optest_port(t, 0, schema, NULL);
    wr_optest_fail_rows(t);
    wr_optest_rows(t, 0, "1|0; 4|2");
    wr_optest_expect_failure(t, WEIR_ROW_DIVISION_BY_ZERO);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(null_predicate_drops_row), WR_TEST(diffs_and_watermarks_pass),
             WR_TEST(failed_rows_go_to_the_bad_port),
             WR_TEST(failed_row_ends_the_query_when_asked), { NULL, NULL } };
