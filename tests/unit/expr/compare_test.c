/* SPDX-License-Identifier: Apache-2.0 */
/* compare_test.c -- comparisons of every type, against PostgreSQL: B1..B3 of expr/kernel_compare.c, X5. */
#include "support/test.h"

#include "support/exprs.h"

#include "unit/expr/compare_rows.h"

static void
agrees_with_postgresql(void **state)
{
    test_binary(compare_sets, WR_COUNT(compare_sets));
}

WR_TESTS = {
    WR_TEST(agrees_with_postgresql),
    { NULL, NULL },
};
