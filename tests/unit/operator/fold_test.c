/* SPDX-License-Identifier: Apache-2.0 */
/* fold_test.c -- F1..F2 of operator/fold.c. */
#include "support/test.h"

#include "operator/fold.h"
#include "support/optest.h"

static void
run(const char *keys, const char *rows, const char *expected, uint64_t missing)
{
    wr_optest *t = wr_optest_create();
    uint32_t key[1] = { 0 };
    wr_fold_config config = { .key_count = keys != NULL, .keys = key };
    config.schema = wr_optest_schema(t, "k int4, v numeric, x text");
    wr_optest_operator(t, &wr_fold_ops, &config, config.schema);
    wr_optest_port(t, 0, config.schema, keys);
    wr_optest_rows(t, 0, rows);
    wr_optest_expect(t, "");
    wr_optest_end(t);
    wr_optest_expect(t, expected);
    wr_optest_count(t, rows_unknown, missing);
    wr_optest_verify(t);
}

static void
what_is_left_comes_out(void **state) /* F1 */
{
    (void)state;
    run("k", "1|1.50|a; 2|2|b; [-1] 1|1.50|a; 2|2|b; null|null|null; [2] 3|7|c; [-1] 3|7|c",
        "2|2|b; 2|2|b; null|null|null; 3|7|c", 0);
    run(NULL, "1|1.50|a; 2|2|b; [-1] 1|1.50|a; 2|2|b", "2|2|b; 2|2|b", 0);
    run("k", "1|1|a; [-1] 1|1|a", "", 0);
}

static void
a_row_never_seen_is_counted(void **state) /* F2 */
{
    (void)state;
    run("k", "[-1] 1|1.50|a; 2|2|b; [-3] 2|2|b; 2|2|b", "2|2|b", 3);
}

WR_TESTS = {
    WR_TEST(what_is_left_comes_out),
    WR_TEST(a_row_never_seen_is_counted),
    { NULL, NULL },
};
