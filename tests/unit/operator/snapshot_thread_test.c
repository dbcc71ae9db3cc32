/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot_thread_test.c -- a frozen state is written on another thread while its operator goes on, and
 * is what it was at the barrier.
 */
#include "support/test.h"

#include "base/random.h"
#include "operator/join.h"
#include "unit/operator/aggregate_case.h"

#include <pthread.h>

typedef struct writing {
    const wr_operator_ops *ops;
    wr_frozen             *frozen;
    wr_snapshot_writer     writer;
    weir_status            status;
} writing;

static void *
write_on_a_thread(void *user)
{
    writing *w = user;
    w->status = w->ops->write(w->frozen, &w->writer);
    return NULL;
}

static wr_batch *
random_batch(wr_random *random, const wr_schema *schema, int64_t *now)
{
    wr_batch_builder builder;
    wr_batch_builder_init(&builder, NULL, schema);
    for (int i = 0; i < 500; i++) {
        char     key[48];
        uint64_t k = wr_random_below(random, 700);
        snprintf(key, sizeof key, k % 2 == 0 ? "k%llu" : "a key of more than twelve bytes %llu",
                 (unsigned long long) k);
        wr_value values[3] = {
            { .type = schema->fields[0].type, .string = wr_string_make(key, strlen(key)) },
            { .type = schema->fields[1].type, .integer = (int64_t) wr_random_below(random, 50) },
            { .type = schema->fields[2].type, .integer = *now += 1000 },
        };
        assert_int_equal(wr_batch_builder_add(&builder, values, 1), WEIR_OK);
    }
    wr_batch *b = wr_batch_builder_take(&builder);
    wr_batch_builder_fini(&builder);
    return b;
}

static void
drain(wr_ctx *ctx)
{
    for (int p = 0; p < WR_PORT_COUNT; p++) {
        for (uint32_t i = 0; i < ctx->out[p].count; i++)
            wr_batch_release(ctx->out[p].slots[i]);
        ctx->out[p].count = 0;
    }
}

static void
step(const wr_operator_ops *ops, void *self, wr_ctx *ctx, int ports, wr_random *random,
     const wr_schema *schema, int64_t *now)
{
    wr_flow flow;
    for (int p = 0; p < ports; p++) {
        wr_batch *b = random_batch(random, schema, now);
        do {
            wr_eval_reset(&ctx->eval);
            flow = ops->process(self, ctx, p, b);
            drain(ctx);
        } while (flow == WR_FLOW_AGAIN);
        assert_int_equal(flow, WR_FLOW_NEXT);
        wr_batch_release(b);
        ctx->port_watermark[p] = *now - 400000;
    }
    do {
        wr_eval_reset(&ctx->eval);
        flow = ops->advance(self, ctx, *now - 400000);
        drain(ctx);
    } while (flow == WR_FLOW_AGAIN);
    assert_int_equal(flow, WR_FLOW_NEXT);
    ctx->watermark = *now - 400000;
}

static void
run(const wr_operator_ops *ops, const void *config, const wr_schema *schema, int ports)
{
    wr_random  random;
    wr_ctx     ctx;
    weir_error err = { 0 };
    int64_t    now = 0;
    void      *self = wr_calloc(NULL, 1, ops->self_size);
    wr_random_init(&random, 11);
    assert_int_equal(wr_ctx_init(&ctx, NULL, NULL, WR_GROUPS_ALL, 4, &err), WEIR_OK);
    ctx.port_watermark = (wr_time[WR_OP_PORTS_MAX]){ WR_TIME_START, WR_TIME_START };
    assert_int_equal(ops->open(self, &ctx, config, &err), WEIR_OK);
    for (int round = 0; round < 10; round++) {
        writing            w = { .ops = ops };
        wr_snapshot_writer now_writer;
        pthread_t          thread;
        step(ops, self, &ctx, ports, &random, schema, &now);
        assert_int_equal(ops->freeze(self, (wr_epoch) round, &w.frozen), WEIR_OK);
        wr_snapshot_writer_init(&now_writer, NULL);
        assert_int_equal(ops->write(w.frozen, &now_writer), WEIR_OK);
        wr_snapshot_writer_init(&w.writer, NULL);
        assert_int_equal(pthread_create(&thread, NULL, write_on_a_thread, &w), 0);
        for (int i = 0; i < 5; i++)
            step(ops, self, &ctx, ports, &random, schema, &now);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(w.status, WEIR_OK);
        assert_int_equal(w.writer.bytes.length, now_writer.bytes.length);
        assert_memory_equal(w.writer.bytes.data, now_writer.bytes.data, now_writer.bytes.length);
        wr_snapshot_writer_fini(&w.writer);
        wr_snapshot_writer_fini(&now_writer);
        ops->thaw(w.frozen);
    }
    ops->close(self);
    wr_free(self);
    wr_ctx_fini(&ctx);
}

static void
aggregate_is_written_beside(void **state)
{
    (void) state;
    agg_case c;
    case_begin(&c, "k text, v int8, ts timestamp");
    case_window(&c, WR_WINDOW_TUMBLE, 2, 2, "ts");
    case_key(&c, "start");
    case_key(&c, "k");
    case_call(&c, "sum", "v");
    case_call(&c, "count", "v")->distinct = true;
    case_call(&c, "max", "k");
    c.config.emit = WR_EMIT_CHANGES;
    wr_optest *t = case_ready(&c, &wr_aggregate_ops,
                              "s timestamp, k text, t numeric, d int8, m text", NULL);
    run(&wr_aggregate_ops, &c.config, c.in, 1);
    wr_optest_end(t);
    wr_optest_verify(t);
}

static void
join_is_written_beside(void **state)
{
    (void) state;
    wr_optest      *t = wr_optest_create();
    wr_schema      *schema = wr_optest_schema(t, "k text, v int8, ts timestamp");
    uint32_t        key = 0;
    wr_join_config  config = { .kind = WR_JOIN_FULL, .key_count = 1, .left_keys = &key,
                               .right_keys = &key, .has_bound = true, .left_time = 2,
                               .right_time = 2, .low_us = -300000, .high_us = 300000,
                               .left = schema, .right = schema };
    config.output =
        wr_optest_schema(t, "k text, v int8, ts timestamp, k2 text, v2 int8, ts2 timestamp");
    run(&wr_join_ops, &config, schema, 2);
    wr_optest_operator(t, &wr_join_ops, &config, config.output);
    wr_optest_port(t, 0, schema, NULL);
    wr_optest_port(t, 1, schema, NULL);
    wr_optest_end(t);
    wr_optest_verify(t);
}

WR_TESTS = { WR_TEST(aggregate_is_written_beside), WR_TEST(join_is_written_beside), { NULL, NULL } };
