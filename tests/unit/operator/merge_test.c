/* SPDX-License-Identifier: Apache-2.0 */
/* merge_test.c -- M1, M2 of operator/merge.c. */
#include "support/test.h"

#include "operator/merge.h"
#include "support/optest.h"

static void
rows_of_all_ports_come_out(void **state) /* M1 */
{
    (void) state;
    wr_optest      *t = wr_optest_create();
    wr_schema      *in = wr_optest_schema(t, "a int8, ts timestamp");
    wr_merge_config config = { 3 };
    wr_optest_operator(t, &wr_merge_ops, &config, in);
    for (int p = 0; p < 3; p++)
        wr_optest_port(t, p, in, NULL);
    wr_optest_delay(t, 0, "ts", 0);
    wr_optest_delay(t, 2, "ts", WR_OPTEST_S(1));
    wr_optest_rows(t, 0, "1|@1; 2|@9; 3|@4");
    wr_optest_rows(t, 1, "[-1] 4|@2");
    wr_optest_rows(t, 2, "5|@3; 6|@30; 7|@2");
    wr_optest_rows(t, 0, "8|@8; 9|@60");
    wr_optest_expect_ordered(t, "1|@1; 2|@9; 3|@4; [-1] 4|@2; 5|@3; 6|@30; 7|@2; 8|@8; 9|@60");
    wr_optest_end(t);
    wr_optest_verify(t);
}

/* The judge of each row: min(its own watermark, the other ports'). */
static void
rows_keep_the_watermark_that_judges_them(void **state) /* M2 */
{
    (void) state;
    wr_merge_config config = { 2 };
    wr_budget      *budget = wr_budget_create(NULL, "merge", 0);
    wr_ctx          ctx;
    weir_error      err = { 0 };
    void           *self = wr_calloc(budget, 1, wr_merge_ops.self_size);
    assert_int_equal(wr_ctx_init(&ctx, budget, budget, WR_GROUPS_ALL, 4, &err), WEIR_OK);
    assert_int_equal(wr_merge_ops.open(self, &ctx, &config, &err), WEIR_OK);
    ctx.watermark = 5;
    ctx.port_watermark = (wr_time[]){ 5, 8 };
    wr_batch *in = wr_batch_create(budget, 0);
    in->row_count = in->physical_count = 3;
    in->watermark_before = 5;
    in->watermark_after = 20;
    in->row_watermark = wr_alloc(budget, 3 * sizeof(wr_time));
    in->row_watermark[0] = 5;
    in->row_watermark[1] = 7;
    in->row_watermark[2] = 15;
    assert_int_equal(wr_merge_ops.process(self, &ctx, 0, in), WR_FLOW_NEXT);
    const wr_batch *out = ctx.out[0].slots[0];
    assert_int_equal(wr_batch_row_watermark(out, 0), 5);
    assert_int_equal(wr_batch_row_watermark(out, 1), 7);
    assert_int_equal(wr_batch_row_watermark(out, 2), 8);
    assert_int_equal(out->watermark_before, 5);
    assert_int_equal(out->watermark_after, 8);
    assert_int_equal(wr_batch_row_watermark(in, 2), 15); /* the input is not written */
    wr_batch_release(in);
    wr_merge_ops.close(self);
    wr_free(self);
    wr_ctx_fini(&ctx);
    wr_budget_destroy(budget);
}

WR_TESTS = { WR_TEST(rows_of_all_ports_come_out),
             WR_TEST(rows_keep_the_watermark_that_judges_them), { NULL, NULL } };
