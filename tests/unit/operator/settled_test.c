/* SPDX-License-Identifier: Apache-2.0 */
/* settled_test.c -- S1, S2 of operator/settled.c. */
#include "support/test.h"

#include "operator/settled.h"
#include "support/optest.h"

static wr_optest *
settled_over(wr_settled_config *config, int64_t offset)
{
    wr_optest *t = wr_optest_create();
    wr_schema *input = wr_optest_schema(t, "k text, ts timestamp");
    wr_schema *output = wr_optest_schema(t, "k text, ts timestamp, settled timestamp");
    *config = (wr_settled_config){ .column_count = 2, .offset = offset };
    wr_optest_operator(t, &wr_settled_ops, config, output);
    wr_optest_port(t, 0, input, NULL);
    return t;
}

static void
each_row_tells_the_watermark_before_it(void **state) /* S1, S2 */
{
    (void) state;
    wr_settled_config config;
    wr_optest        *t = settled_over(&config, 0);
    wr_optest_delay(t, 0, "ts", WR_OPTEST_S(2));
    wr_optest_rows(t, 0, "a|@10; b|@11; [-1] c|null; [-1] d|@3; e|@20; f|null");
    wr_optest_expect_ordered(t, "a|@10|null; b|@11|@8; [-1] c|null|@9; [-1] d|@3|@9; e|@20|@9; f|null|@18");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
the_offset_of_the_time(void **state)
{
    (void) state;
    wr_settled_config config;
    wr_optest        *t = settled_over(&config, WR_OPTEST_S(-3));
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_rows(t, 0, "a|@10; b|@11");
    wr_optest_expect_ordered(t, "a|@10|@7; b|@11|@7");
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
nothing_is_promised(void **state) /* S2 */
{
    (void) state;
    wr_settled_config config;
    wr_optest        *t = settled_over(&config, WR_NO_WATERMARK);
    wr_optest_watermark(t, 0, WR_OPTEST_S(10));
    wr_optest_rows(t, 0, "a|@10");
    wr_optest_expect_ordered(t, "a|@10|null");
    wr_optest_end(t);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(each_row_tells_the_watermark_before_it), WR_TEST(the_offset_of_the_time),
             WR_TEST(nothing_is_promised), { NULL, NULL } };
