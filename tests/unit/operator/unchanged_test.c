/* SPDX-License-Identifier: Apache-2.0 */
/* unchanged_test.c -- N1..N3 of operator/unchanged.c. */
#include "support/test.h"

#include "operator/unchanged.h"
#include "support/optest.h"

#include <stdio.h>
#include <string.h>

static const uint32_t first_column[] = { 0 };
static const wr_unchanged_config by_first = { 1, first_column };
static const wr_unchanged_config by_nothing = { 0, NULL };

static void
folded_nothing_changes(void **state) /* N1: however the rows are cut */
{
    (void)state;
    wr_optest *t = wr_optest_create();
    wr_schema *in = wr_optest_schema(t, "k int8, top int8");
    wr_optest_operator(t, &wr_unchanged_ops, &by_first, in);
    wr_optest_port(t, 0, in, NULL);
    wr_optest_rows(t, 0, "1|5; 2|7; null|null");
    wr_optest_rows(t, 0, "[-1] 1|5; [-1] 2|7; [-1] null|null; 1|5; 2|8; null|null");
    wr_optest_rows(t, 0, "[-1] 2|8; [2] 3|1; [-1] 4|1; 4|1; 4|1");
    wr_optest_expect(t, "1|5; null|null; [2] 3|1; 4|1");
    wr_optest_end(t);
    wr_optest_verify(t);
}

typedef struct rig {
    wr_ctx ctx;
    weir_error error;
    wr_arena arena;
    wr_schema *schema;
    char self[64];
} rig;

static void
rig_init(rig *r, const wr_unchanged_config *config)
{
    memset(r, 0, sizeof *r);
    wr_arena_init(&r->arena, NULL);
    r->schema = wr_schema_create(&r->arena, 2);
    assert_non_null(r->schema);
    r->schema->fields[0] = (wr_field){ .name = "k", .type = WR_TYPE(WR_INT8) };
    r->schema->fields[1] = (wr_field){ .name = "top", .type = WR_TYPE(WR_NUMERIC) };
    assert_true(wr_unchanged_ops.self_size <= sizeof r->self);
    assert_int_equal(wr_ctx_init(&r->ctx, NULL, NULL, WR_GROUPS_ALL, 1, &r->error), WEIR_OK);
    assert_int_equal(wr_unchanged_ops.open(r->self, &r->ctx, config, &r->error), WEIR_OK);
}

static void
rig_fini(rig *r)
{
    wr_unchanged_ops.close(r->self);
    wr_ctx_fini(&r->ctx);
    wr_arena_fini(&r->arena);
}

typedef struct row {
    int64_t k;
    const char *top; /* NULL: NULL */
    int64_t diff;
} row;

/* What comes out for one batch: the values of k, their diffs beside them, "-1 +1 +2". */
static const char *
run(rig *r, const row *rows, uint32_t count)
{
    static char text[256];
    wr_batch_builder b;
    size_t at = 0;
    text[0] = '\0';
    wr_batch_builder_init(&b, NULL, r->schema);
    for (uint32_t i = 0; i < count; i++) {
        wr_value values[2] = { { .type = WR_TYPE(WR_INT8), .integer = rows[i].k },
                               wr_value_null(WR_TYPE(WR_NUMERIC)) };
        if (rows[i].top != NULL)
            assert_int_equal(wr_value_parse(WR_TYPE(WR_NUMERIC), rows[i].top, strlen(rows[i].top),
                                            &r->arena, &values[1], NULL),
                             WEIR_OK);
        assert_int_equal(wr_batch_builder_add(&b, values, rows[i].diff), WEIR_OK);
    }
    wr_batch *in = wr_batch_builder_take(&b);
    assert_non_null(in);
    wr_ctx_call_begin(&r->ctx, 0);
    assert_int_equal(wr_unchanged_ops.process(r->self, &r->ctx, 0, in), WR_FLOW_NEXT);
    wr_ctx_call_end(&r->ctx);
    for (uint32_t s = 0; s < r->ctx.out[WR_PORT_MAIN].count; s++) {
        wr_batch *out = r->ctx.out[WR_PORT_MAIN].slots[s];
        for (uint32_t i = 0; i < out->row_count; i++) {
            uint32_t p = wr_batch_row(out, i);
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%c%lld", at > 0 ? " " : "",
                                   wr_batch_diff(out, p) < 0 ? '-' : '+',
                                   (long long)((const int64_t *)out->columns[0]->data)[p]);
        }
        wr_batch_release(out);
    }
    r->ctx.out[WR_PORT_MAIN].count = 0;
    wr_batch_release(in);
    wr_batch_builder_fini(&b);
    return text;
}

static void
pairs_that_show_the_same_go(void **state) /* N2, N3 */
{
    rig r;
    (void)state;
    rig_init(&r, &by_first);
    const row same[] = { { 1, "5", -1 }, { 2, NULL, -1 }, { 1, "5", 1 }, { 2, NULL, 1 } };
    assert_string_equal(run(&r, same, 4), "");
    assert_int_equal(r.ctx.counters.rows_filtered, 4);
    const row some[] = { { 1, "5", -1 }, { 2, "7", -1 }, { 3, "1", -1 },
                         { 4, "1", 1 },  { 2, "7", 1 },  { 1, "6", 1 } };
    assert_string_equal(run(&r, some, 6), "-1 -3 +4 +1");
    const row looks[] = { { 1, "5.0", -1 }, { 2, NULL, -1 }, { 1, "5.00", 1 }, { 2, "0", 1 } };
    assert_string_equal(run(&r, looks, 4), "-1 -2 +1 +2");
    const row new_rows[] = { { 1, "5", 1 }, { 1, "5", 1 } };
    assert_string_equal(run(&r, new_rows, 2), "+1 +1");
    const row twice[] = { { 1, "5", -1 }, { 1, "5", -1 }, { 1, "5", 1 }, { 1, "5", 1 } };
    assert_string_equal(run(&r, twice, 4), "-1 +1"); /* more than one of a key: folded, the same */
    const row weights[] = { { 1, "5", -2 }, { 1, "5", 1 }, { 2, "5", -3 }, { 2, "5", 3 } };
    assert_string_equal(run(&r, weights, 4), "-1 +1");
    rig_fini(&r);
}

static void
without_a_key_one_row_stands(void **state)
{
    rig r;
    (void)state;
    rig_init(&r, &by_nothing);
    const row same[] = { { 1, "5", -1 }, { 1, "5", 1 } };
    assert_string_equal(run(&r, same, 2), "");
    const row other[] = { { 1, "5", -1 }, { 2, "5", 1 } };
    assert_string_equal(run(&r, other, 2), "-1 +2");
    rig_fini(&r);
}

WR_TESTS = { WR_TEST(folded_nothing_changes),
             WR_TEST(pairs_that_show_the_same_go),
             WR_TEST(without_a_key_one_row_stands),
             { NULL, NULL } };
