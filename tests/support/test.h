/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/test.h -- what every unit test includes: cmocka, and the table at a test file's foot.
 *
 *     static void null_drops_row(void **state) { ... }
 *     WR_TESTS = { WR_TEST(null_drops_row), { NULL, NULL } };
 *
 * The main() lives here, so a test file is a binary with nothing to register.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"

#define WR_TEST(fn) cmocka_unit_test(fn)

static int
tests_teardown(void **state)
{
    (void) state;
    uint64_t left = wr_budget_used(wr_budget_process());
    if (left != 0)
        print_error("%llu bytes are still allocated\n", (unsigned long long) left);
    return left != 0;
}

extern const struct CMUnitTest wr_tests[];

/* Every test binary ends with nothing allocated: a leak fails the run.  The table's end is found by
 * its NULL row, which the macro's users write last: WR_TESTS = { WR_TEST(a), { NULL, NULL } }; */
int
main(void)
{
    size_t count = 0;
    while (wr_tests[count].test_func != NULL)
        count++;
    return _cmocka_run_group_tests("weir", wr_tests, count, NULL, tests_teardown);
}

#define WR_TESTS const struct CMUnitTest wr_tests[]
