/* SPDX-License-Identifier: Apache-2.0 */
/* sort_test.c -- O1..O4 of operator/sort.c. */
#include "support/test.h"

#include "operator/sort.h"
#include "support/optest.h"

#include <stdio.h>

typedef struct sorting {
    wr_sort_config config;
    wr_sort_key    keys[2];
} sorting;

static wr_optest *
sort_over(const char *columns, sorting *s)
{
    wr_optest *t = wr_optest_create();
    s->config.schema = wr_optest_schema(t, columns);
    s->config.keys = s->keys;
    wr_optest_operator(t, &wr_sort_ops, &s->config, s->config.schema);
    wr_optest_port(t, 0, s->config.schema, NULL);
    return t;
}

static void
equal_keys_keep_their_order(void **state) /* O1 */
{
    (void) state;
    sorting s = { .config = { .key_count = 1, .limit = UINT64_MAX }, .keys = { { 0, false, false } } };
    wr_optest *t = sort_over("k int8, v text", &s);
    wr_optest_rows(t, 0, "2|a; 1|b; 2|c; 1|d; 0|e");
    wr_optest_expect_ordered(t, "");
    wr_optest_end(t);
    wr_optest_expect_ordered(t, "0|e; 1|b; 1|d; 2|a; 2|c");
    wr_optest_verify(t);
}

static void
nulls_stand_where_the_key_says(void **state) /* O2 */
{
    (void) state;
    sorting s = { .config = { .key_count = 2, .limit = UINT64_MAX }, .keys = { { 0, true, true }, { 1, false, false } } };
    wr_optest *t = sort_over("k float8, v text", &s);
    wr_optest_rows(t, 0, "1|x; null|y; NaN|z; null|null; Infinity|w; null|a");
    wr_optest_end(t);
    wr_optest_expect_ordered(t, "null|a; null|y; null|null; NaN|z; Infinity|w; 1|x");
    wr_optest_verify(t);
}

static void
limit_and_offset_cut(void **state)
{
    (void) state;
    sorting s = { .config = { .key_count = 1, .limit = 2, .offset = 1 }, .keys = { { 0, false, false } } };
    wr_optest *t = sort_over("k int8", &s);
    wr_optest_rows(t, 0, "5; 3; 9; 1; 7");
    wr_optest_end(t);
    wr_optest_expect_ordered(t, "3; 5");
    wr_optest_verify(t);
}

static void
ties_of_the_last_row_come_too(void **state) /* O3 */
{
    (void) state;
    sorting s = { .config = { .key_count = 1, .limit = 2, .with_ties = true }, .keys = { { 0, false, false } } };
    wr_optest *t = sort_over("k int8, v text", &s);
    wr_optest_rows(t, 0, "2|a; 1|b; 2|c; 3|d; 2|e");
    wr_optest_end(t);
    wr_optest_expect_ordered(t, "1|b; 2|a; 2|c; 2|e");
    wr_optest_verify(t);
}

static void
limit_without_keys_takes_the_first(void **state)
{
    (void) state;
    sorting    s = { .config = { .limit = 3, .offset = 1 } };
    wr_optest *t = sort_over("k int8", &s);
    wr_optest_rows(t, 0, "5; 3; 9; 1; 7");
    wr_optest_end(t);
    wr_optest_expect_ordered(t, "3; 9; 1");
    wr_optest_verify(t);
}

static void
long_strings_and_decimals_survive(void **state)
{
    (void) state;
    sorting s = { .config = { .key_count = 2, .limit = UINT64_MAX }, .keys = { { 1, true, false }, { 0, false, false } } };
    wr_optest *t = sort_over("k text, v numeric(10,2)", &s);
    wr_optest_rows(t, 0, "a string of more than twelve bytes|1.50; another string of many bytes|1.5; x|22.25");
    wr_optest_end(t);
    wr_optest_expect_ordered(t, "x|22.25; a string of more than twelve bytes|1.50; another string of many bytes|1.50");
    wr_optest_verify(t);
}

static void
rows_that_change_are_refused(void **state)
{
    (void) state;
    sorting s = { .config = { .key_count = 1, .limit = UINT64_MAX }, .keys = { { 0, false, false } } };
    wr_optest *t = sort_over("k int8", &s);
    wr_optest_rows(t, 0, "1; [-1] 1");
    wr_optest_expect_failure(t, WEIR_QUERY_UNSUPPORTED);
    wr_optest_verify(t);
}

static void
cutting_early_changes_nothing(void **state) /* O4: 60,000 rows, a limit of 5: cut several times */
{
    (void) state;
    sorting s = { .config = { .key_count = 1, .limit = 5, .offset = 2 }, .keys = { { 0, false, false } } };
    wr_ctx     ctx;
    wr_arena   arena;
    weir_error err = { 0 };
    wr_arena_init(&arena, NULL);
    wr_schema *schema = wr_schema_create(&arena, 1);
    schema->fields[0] = (wr_field){ .name = "k", .type = WR_TYPE(WR_INT8), .watermark_offset = WR_NO_WATERMARK };
    s.config.schema = schema;
    s.config.keys = s.keys;
    void *self = wr_calloc(NULL, 1, wr_sort_ops.self_size);
    assert_int_equal(wr_ctx_init(&ctx, NULL, NULL, WR_GROUPS_ALL, 4, &err), WEIR_OK);
    assert_int_equal(wr_sort_ops.open(self, &ctx, &s.config, &err), WEIR_OK);
    for (int64_t b = 0; b < 15; b++) {
        wr_batch *batch = wr_batch_create(NULL, 1);
        batch->columns[0] = wr_column_create(NULL, WR_TYPE(WR_INT8), 4000);
        for (int64_t r = 0; r < 4000; r++)
            ((int64_t *) batch->columns[0]->data)[r] = (b * 4000 + r) * 7919 % 60000; /* a permutation */
        batch->row_count = batch->physical_count = 4000;
        assert_int_equal(wr_sort_ops.process(self, &ctx, 0, batch), WR_FLOW_NEXT);
        wr_batch_release(batch);
    }
    assert_true(atomic_load(&ctx.counters.state_keys) < 20000);
    assert_int_equal(wr_sort_ops.finish(self, &ctx), WR_FLOW_NEXT);
    assert_int_equal(ctx.out[WR_PORT_MAIN].count, 1);
    wr_batch *out = ctx.out[WR_PORT_MAIN].slots[0];
    assert_int_equal(out->row_count, 5);
    for (int64_t r = 0; r < 5; r++)
        assert_int_equal(((int64_t *) out->columns[0]->data)[r], r + 2);
    wr_batch_release(out);
    ctx.out[WR_PORT_MAIN].count = 0;
    wr_sort_ops.close(self);
    wr_free(self);
    wr_ctx_fini(&ctx);
    wr_arena_fini(&arena);
}

WR_TESTS = { WR_TEST(equal_keys_keep_their_order), WR_TEST(nulls_stand_where_the_key_says),
             WR_TEST(limit_and_offset_cut), WR_TEST(ties_of_the_last_row_come_too),
             WR_TEST(limit_without_keys_takes_the_first), WR_TEST(long_strings_and_decimals_survive),
             WR_TEST(rows_that_change_are_refused), WR_TEST(cutting_early_changes_nothing),
             { NULL, NULL } };
