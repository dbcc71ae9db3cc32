/* SPDX-License-Identifier: Apache-2.0 */
/* project_test.c -- P1..P3 of operator/project.c. */
#include "support/test.h"

#include "operator/project.h"
#include "support/optest.h"

static void
columns_are_computed_and_shared(void **state) /* P1, P2 */
{
    (void) state;
    wr_optest        *t = wr_optest_create();
    wr_schema        *in = wr_optest_schema(t, "a int8, name text");
    const wr_expr    *exprs[] = { wr_optest_column(t, in, "name"),
                                  wr_optest_call(t, "+", wr_optest_column(t, in, "a"),
                                                 wr_optest_constant(t, "int8", "1")),
                                  wr_optest_constant(t, "text", "a long constant of text") };
    wr_project_config config = { 3, exprs };
    wr_optest_operator(t, &wr_project_ops, &config,
                       wr_optest_schema(t, "name text, b int8, c text"));
    wr_optest_port(t, 0, in, NULL);
    wr_optest_rows(t, 0, "1|x; null|something longer than twelve; [-1] 3|null");
    wr_optest_expect_ordered(t, "x|2|a long constant of text; something longer than "
                                "twelve|null|a long constant of text; "
                                "[-1] null|4|a long constant of text");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
failed_rows_are_left_out(void **state) /* P1 */
{
    (void) state;
    wr_optest        *t = wr_optest_create();
    wr_schema        *in = wr_optest_schema(t, "a int8, b int8");
    const wr_expr    *exprs[] = { wr_optest_call(t, "/", wr_optest_column(t, in, "a"),
                                                 wr_optest_column(t, in, "b")) };
    wr_project_config config = { 1, exprs };
    wr_optest_operator(t, &wr_project_ops, &config, wr_optest_schema(t, "c int8"));
    wr_optest_port(t, 0, in, NULL);
    wr_optest_want_bad(t);
    wr_optest_rows(t, 0, "6|2; 1|0; 8|2");
    wr_optest_rows(t, 0, "5|0");
    wr_optest_expect_ordered(t, "3; 4");
    wr_optest_expect_port(t, WR_PORT_BAD, "null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"a\": 1, \"b\": 0}|@0"
                          "; null|null|ROW_DIVISION_BY_ZERO|division by zero|{\"a\": 5, \"b\": 0}|@0");
    wr_optest_end(t);
    wr_optest_count(t, rows_failed, 2);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(columns_are_computed_and_shared), WR_TEST(failed_rows_are_left_out),
             { NULL, NULL } };
