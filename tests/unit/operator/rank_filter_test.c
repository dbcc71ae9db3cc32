/* SPDX-License-Identifier: Apache-2.0 */
/* rank_filter_test.c -- R1..R4 of operator/rank_filter.c.  What passes depends on what is remembered, and a
 * restored one remembers nothing: so by hand, a batch at a time. */
#include "support/test.h"

#include "operator/rank_filter.h"

#include <stdio.h>
#include <string.h>

typedef struct rig {
    wr_ctx ctx;
    weir_error error;
    wr_arena arena;
    wr_schema *schema;
    wr_rank_filter_config config;
    uint32_t keys[4];
    char self[128];
} rig;

static void
rig_open(rig *r, wr_type key, wr_type order, uint32_t most, bool descending)
{
    memset(r, 0, sizeof *r);
    wr_arena_init(&r->arena, NULL);
    r->schema = wr_schema_create(&r->arena, 3);
    assert_non_null(r->schema);
    r->schema->fields[0] = (wr_field){ .name = "k", .type = key };
    r->schema->fields[1] = (wr_field){ .name = "v", .type = order };
    r->schema->fields[2] = (wr_field){ .name = "id", .type = WR_TYPE(WR_INT8) };
    r->config = (wr_rank_filter_config){ .key_count = key.id == WR_UNKNOWN ? 0 : 1,
                                         .keys = r->keys,
                                         .order = { .column = 1, .descending = descending },
                                         .most = most,
                                         .time_column = key.id == WR_TIMESTAMP ? 0 : -1,
                                         .schema = r->schema };
    assert_true(wr_rank_filter_ops.self_size <= sizeof r->self);
    assert_int_equal(wr_ctx_init(&r->ctx, NULL, NULL, WR_GROUPS_ALL, 1, &r->error), WEIR_OK);
    assert_true(wr_rank_filter_can(&r->config));
    assert_int_equal(wr_rank_filter_ops.open(r->self, &r->ctx, &r->config, &r->error), WEIR_OK);
}

static void
rig_close(rig *r)
{
    wr_rank_filter_ops.close(r->self);
    wr_ctx_fini(&r->ctx);
    wr_arena_fini(&r->arena);
}

static void
cell(wr_arena *arena, wr_type type, const char *text, wr_value *out)
{
    *out = wr_value_null(type);
    if (text != NULL)
        assert_int_equal(wr_value_parse(type, text, strlen(text), arena, out, NULL), WEIR_OK);
}

typedef struct row {
    const char *k, *v; /* NULL: NULL */
} row;

/* The numbers (from 0, over all calls) of the rows that pass. */
static const char *
run_at(rig *r, const row *rows, uint32_t count, wr_time watermark)
{
    static char text[1024];
    static int64_t number;
    wr_batch_builder b;
    size_t at = 0;
    uint64_t before = atomic_load(&r->ctx.counters.rows_filtered);
    uint32_t passed = 0;
    text[0] = '\0';
    number = 0;
    wr_batch_builder_init(&b, NULL, r->schema);
    for (uint32_t i = 0; i < count; i++) {
        wr_value values[3];
        if (r->config.key_count > 0)
            cell(&r->arena, r->schema->fields[0].type, rows[i].k, &values[0]);
        else
            values[0] = wr_value_null(r->schema->fields[0].type);
        cell(&r->arena, r->schema->fields[1].type, rows[i].v, &values[1]);
        values[2] = (wr_value){ .type = WR_TYPE(WR_INT8), .integer = number++ };
        assert_int_equal(wr_batch_builder_add(&b, values, 1), WEIR_OK);
    }
    wr_batch *in = wr_batch_builder_take(&b);
    assert_non_null(in);
    in->watermark_before = in->watermark_after = watermark;
    wr_ctx_call_begin(&r->ctx, 0);
    assert_int_equal(wr_rank_filter_ops.process(r->self, &r->ctx, 0, in), WR_FLOW_NEXT);
    wr_ctx_call_end(&r->ctx);
    for (uint32_t o = 0; o < r->ctx.out[0].count; o++) {
        wr_batch *out = r->ctx.out[0].slots[o];
        passed += out->row_count;
        for (uint32_t i = 0; i < out->row_count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%d", at > 0 ? " " : "",
                                   (int)((int64_t *)out->columns[2]->data)[wr_batch_row(out, i)]);
        wr_batch_release(out);
    }
    r->ctx.out[0].count = 0;
    assert_int_equal(atomic_load(&r->ctx.counters.rows_filtered) - before, count - passed); /* R4 */
    wr_batch_release(in);
    wr_batch_builder_fini(&b);
    return text;
}

#define RUN(r, ...)                                                                                \
    run_at(r, (row[]){ __VA_ARGS__ }, sizeof((row[]){ __VA_ARGS__ }) / sizeof(row), WR_TIME_START)

static void
what_has_a_better_one_before_it_stays_out(void **state) /* R1 */
{
    rig r;
    (void)state;
    rig_open(&r, WR_TYPE(WR_INT8), WR_TYPE(WR_INT8), 1, true);
    assert_string_equal(RUN(&r, { "1", "5" }, { "1", "7" }, { "1", "6" }, { "1", "7" },
                            { "2", "1" }, { "1", "-3" }, { "2", "1" }, { "2", "0" }, { "1", "8" },
                            { "1", "7" }),
                        "0 1 3 4 6 8");
    /* and over batches; NULLs come last here */
    assert_string_equal(RUN(&r, { "1", "7" }, { "1", "8" }, { "2", NULL }, { "3", NULL },
                            { "3", NULL }, { "3", "-9223372036854775808" }, { "3", NULL }),
                        "1 3 4 5 6"); /* the least number and NULL have one word: both pass */
    rig_close(&r);
    rig_open(&r, WR_TYPE(WR_INT8), WR_TYPE(WR_FLOAT8), 1, false);
    assert_string_equal(RUN(&r, { "1", "NaN" }, { "1", "Infinity" }, { "1", "0" }, { "1", "-0" },
                            { "1", "0.5" }, { "1", "-0.5" }, { "1", "-Infinity" }, { "1", "NaN" }),
                        "0 1 2 3 5 6");
    rig_close(&r);
}

static void
of_many_the_last_one_decides(void **state) /* R1 */
{
    rig r;
    (void)state;
    rig_open(&r, WR_TYPE(WR_TEXT), WR_TYPE(WR_TEXT), 3, false);
    assert_string_equal(RUN(&r, { "a", "m" }, { "a", "d" }, { "a", "z" }, { "a", "zz" },
                            { "a", "e" }, { "a", "y" }, { "a", "m" }, { "a", "mm" }, { "a", "a" },
                            { "a", "m" }, { "a", "e" }, { "", "q" }),
                        "0 1 2 4 6 8 10 11");
    rig_close(&r);
}

static void
what_is_not_known_passes(void **state) /* R3 */
{
    rig r;
    (void)state;
    rig_open(&r, WR_TYPE(WR_TEXT), WR_TYPE(WR_INT4), 1, true);
    assert_string_equal(RUN(&r, { NULL, "5" }, { NULL, "4" }, { "a longer key than twelve", "5" },
                            { "a longer key than twelve", "4" }, { "twelve bytes", "5" },
                            { "twelve bytes", "4" }),
                        "0 1 2 3 4");
    rig_close(&r);
    wr_type money = WR_TYPE(WR_NUMERIC);
    money.modifier = 10;
    money.scale = 2;
    rig_open(&r, WR_TYPE(WR_INT8), money, 1, true);
    const char *came =
        RUN(&r, { "1", "1.50" }, { "1", "1.49" }, { "1", "1.50" }, { "1", "NaN" }, { "1", "1.49" });
    assert_true(strstr(came, "0") != NULL && strstr(came, "2") != NULL &&
                strstr(came, "3") != NULL);
    rig_close(&r);
}

static void
one_partition_for_all(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, WR_TYPE(WR_UNKNOWN), WR_TYPE(WR_DATE), 1, false);
    r.schema->fields[0].type = WR_TYPE(WR_INT8);
    assert_string_equal(RUN(&r, { NULL, "2026-01-02" }, { NULL, "2026-01-03" },
                            { NULL, "2026-01-01" }, { NULL, "2026-01-02" }, { NULL, NULL }),
                        "0 2");
    rig_close(&r);
}

static void
late_rows_pass_and_teach_nothing(void **state) /* R2 */
{
    rig r;
    (void)state;
    rig_open(&r, WR_TYPE(WR_TIMESTAMP), WR_TYPE(WR_INT8), 1, true);
    row rows[] = { { "1970-01-01 00:00:05", "9" },
                   { "1970-01-01 00:00:05", "8" },
                   { "1970-01-01 00:00:07", "1" },
                   { "1970-01-01 00:00:07", "0" } };
    assert_string_equal(run_at(&r, rows, 4, 6000000), "0 1 2");
    assert_string_equal(run_at(&r, rows, 4, 0), "0 2");
    rig_close(&r);
}

static void
more_partitions_than_it_remembers(void **state)
{
    rig r;
    char keys[300][16];
    row rows[300];
    (void)state;
    rig_open(&r, WR_TYPE(WR_INT8), WR_TYPE(WR_INT8), 1, true);
    for (int i = 0; i < 300; i++) {
        snprintf(keys[i], sizeof keys[i], "%d", i);
        rows[i] = (row){ keys[i], "2" };
    }
    for (int turn = 0; turn < 6; turn++) /* it grows */
        for (int part = 0; part < 3; part++)
            (void)run_at(&r, rows + part * 100, 100, WR_TIME_START);
    uint64_t before = atomic_load(&r.ctx.counters.rows_filtered);
    for (int i = 0; i < 300; i++)
        rows[i].v = "1";
    for (int part = 0; part < 3; part++)
        (void)run_at(&r, rows + part * 100, 100, WR_TIME_START);
    assert_true(atomic_load(&r.ctx.counters.rows_filtered) - before > 150);
    rig_close(&r);
}

static void
some_cannot(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, WR_TYPE(WR_INT8), WR_TYPE(WR_INT8), 1, true);
    r.config.most = WR_RANK_FILTER_MOST_MAX + 1;
    assert_false(wr_rank_filter_can(&r.config));
    r.config.most = 1;
    r.schema->fields[0].type = WR_TYPE(WR_NUMERIC);
    assert_false(wr_rank_filter_can(&r.config));
    r.schema->fields[0].type = WR_TYPE(WR_UUID);
    assert_true(wr_rank_filter_can(&r.config));
    r.schema->fields[1].type = WR_TYPE(WR_NUMERIC); /* of any scale */
    assert_false(wr_rank_filter_can(&r.config));
    r.schema->fields[1].type = WR_TYPE(WR_INTERVAL);
    assert_false(wr_rank_filter_can(&r.config));
    rig_close(&r);
}

WR_TESTS = { WR_TEST(what_has_a_better_one_before_it_stays_out),
             WR_TEST(of_many_the_last_one_decides),
             WR_TEST(what_is_not_known_passes),
             WR_TEST(one_partition_for_all),
             WR_TEST(late_rows_pass_and_teach_nothing),
             WR_TEST(more_partitions_than_it_remembers),
             WR_TEST(some_cannot),
             { NULL, NULL } };
