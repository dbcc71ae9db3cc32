/* SPDX-License-Identifier: Apache-2.0 */
/* arith_test.c -- + - * / % over every type, against PostgreSQL: A1, A2 of expr/kernel_arith.c, X5. */
#include "support/test.h"

#include "support/exprs.h"

#include "unit/expr/arith_rows.h"

static void
agrees_with_postgresql(void **state)
{
    test_binary(arith_sets, WR_COUNT(arith_sets));
}

WR_TESTS = {
    WR_TEST(agrees_with_postgresql),
    { NULL, NULL },
};
