/* SPDX-License-Identifier: Apache-2.0 */
/* chain_test.c -- H1..H3 of runtime/chain_impl.h: watermarks, marks and AGAIN through a chain of operators. */
#include "support/test.h"

#include "support/rig.h"

#include <stdlib.h>

static rig r;

/* Events 10 apart in windows of 20, pushed through `ops`; the stream out is read by us. */
static void
begin(const wr_operator_ops *const *ops, uint32_t count, bool small)
{
    rig_init(&r, RIG_FORWARD);
    r.window_us = 20;
    r.sources[0].ops = &wr_push_source_ops;
    wr_job_op *list = wr_arena_calloc(&r.arena, count, sizeof *list);
    for (uint32_t i = 0; i < count; i++) {
        list[i].ops = ops[i];
        list[i].config = ops[i] == &test_window_ops ? &r.window_us : NULL;
    }
    r.job.segments[0].ops = list;
    r.job.segments[0].op_count = count;
    if (small)
        rig_smallest(&r);
    rig_start(&r);
}

static void
push(int64_t k, wr_time ts)
{
    test_event e = { k, 1, ts };
    assert_int_equal(wr_runtime_push(r.rt, 0, 0, test_event_batch(r.flow, &e, 1)), WR_FLOW_NEXT);
    rig_run(&r);
}

static wr_time
out_watermark(void)
{
    return wr_stream_watermark(wr_runtime_stream(r.rt, 1));
}

/* --- H1 --- */

static wr_flow
drop_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    (void) self;
    (void) ctx;
    (void) port;
    (void) in;
    return WR_FLOW_NEXT;
}

static weir_status
drop_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    (void) self;
    (void) ctx;
    (void) config;
    (void) err;
    return WEIR_OK;
}

static const wr_operator_ops drop_ops = { .name = "drop",
                                          .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
                                          .open = drop_open,
                                          .process = drop_process };

static void
every_watermark_arrives(void **state)
{
    static const wr_operator_ops *const chains[][4] = {
        { &test_pass_ops },
        { &drop_ops },
        { &test_window_ops },
        { &test_pass_ops, &test_window_ops, &test_pass_ops },
        { &test_pass_ops, &drop_ops, &test_pass_ops },
        { &test_window_ops, &drop_ops },
        { NULL },
    };
    static const uint32_t counts[] = { 1, 1, 1, 3, 3, 2, 0 };
    for (int small = 0; small < 2; small++)
        for (int c = 0; c < 7; c++) {
            begin(chains[c], counts[c], small);
            for (wr_time t = 10; t < 200; t += 10) {
                for (int64_t k = 0; k < 3; k++) {
                    push(k, t);
                    assert_int_equal(out_watermark(), t);
                }
            }
            wr_runtime_push_end(r.rt, 0);
            rig_run(&r);
            assert_int_equal(atomic_load(&r.finished), 1);
            assert_int_equal(out_watermark(), WR_TIME_END);
            rig_fini(&r);
        }
}

/* The next batch out, running what waited for room. */
static wr_batch *
next(wr_reader *reader)
{
    wr_batch *b = wr_reader_next(reader, 0, NULL);
    if (b == NULL) {
        rig_run(&r);
        b = wr_reader_next(reader, 0, NULL);
    }
    return b;
}

/* What comes out of advance(W) stands before W. */
static void
rows_of_an_advance_come_before_its_watermark(void **state)
{
    static const wr_operator_ops *const ops[] = { &test_window_ops, &test_pass_ops };
    for (int small = 0; small < 2; small++) {
        begin(ops, 2, small);
        wr_reader       *reader;
        wr_reader_config config = { .required = true, .shard = 0 };
        assert_int_equal(wr_reader_create(wr_runtime_stream(r.rt, 1), &config, &reader), WEIR_OK);
        uint32_t rows = 0;
        wr_time  known = WR_TIME_START;
        for (wr_time t = 10; t < 100; t += 10) {
            for (int64_t k = 0; k < 5; k++)
                push(k, t);
            for (wr_batch *b; (b = next(reader)) != NULL;) {
                assert_true(b->watermark_before >= known); /* B3 */
                known = b->watermark_after;
                for (uint32_t i = 0; i < b->row_count; i++) {
                    wr_time end = ((const int64_t *) b->columns[0]->data)[wr_batch_row(b, i)];
                    assert_true(end > b->watermark_before);
                }
                rows += b->row_count;
                wr_batch_release(b);
            }
            assert_int_equal(known, t);
        }
        assert_int_equal(rows, 4 * 5); /* windows ending at 20, 40, 60, 80 */
        wr_reader_destroy(reader);
        rig_fini(&r);
    }
}

/* --- H2 --- */

static void
a_barrier_stands_behind_what_came_before(void **state)
{
    static const wr_operator_ops *const ops[] = { &test_pass_ops, &test_window_ops, &test_pass_ops };
    for (int small = 0; small < 2; small++) {
        begin(ops, 3, small);
        wr_reader       *reader;
        wr_reader_config config = { .required = true, .shard = 0 };
        assert_int_equal(wr_reader_create(wr_runtime_stream(r.rt, 1), &config, &reader), WEIR_OK);
        for (int64_t k = 0; k < 5; k++)
            push(k, 10);
        push(0, 20); /* closes the window: five rows */
        wr_epoch epoch = wr_runtime_barrier(r.rt);
        rig_steps(&r, 1000);
        push(0, 45); /* after it */
        uint32_t rows = 0;
        bool     barrier = false;
        for (wr_batch *b; (b = next(reader)) != NULL;) {
            if (b->mark == WR_MARK_BARRIER) {
                assert_int_equal(b->epoch, epoch);
                assert_int_equal(rows, 5);
                barrier = true;
            }
            rows += b->row_count;
            wr_batch_release(b);
        }
        assert_true(barrier);
        assert_int_equal(rows, 6);
        wr_reader_destroy(reader);
        rig_fini(&r);
    }
}

/* --- H3 --- */

static void
an_operator_that_is_done_is_not_called_again(void **state)
{
    static const wr_operator_ops *const ops[] = { &test_limit_ops, &test_pass_ops };
    uint64_t rows = 2;
    begin(ops, 2, false);
    wr_runtime_destroy(r.rt);
    r.job.segments[0].ops[0].config = &rows;
    rig_start(&r);
    for (wr_time t = 10; t < 100; t += 10)
        push(1, t); /* the third would trip limit's arithmetic */
    assert_int_equal(out_watermark(), WR_TIME_END);
    assert_int_equal(r.out.count, 2);
    wr_epoch epoch = wr_runtime_barrier(r.rt); /* passes the task though its output is over */
    rig_run(&r);
    assert_int_equal(wr_runtime_epoch_done(r.rt), epoch);
    wr_op_counters counters;
    uint64_t       bytes;
    wr_time        watermark;
    wr_runtime_op_counters(r.rt, 0, 0, &counters, &bytes, &watermark);
    assert_int_equal(counters.rows_in, 2);
    assert_int_equal(counters.rows_out, 2);
    rig_fini(&r);
}

WR_TESTS = {
    WR_TEST(every_watermark_arrives),
    WR_TEST(rows_of_an_advance_come_before_its_watermark),
    WR_TEST(a_barrier_stands_behind_what_came_before),
    WR_TEST(an_operator_that_is_done_is_not_called_again),
    { NULL, NULL },
};
