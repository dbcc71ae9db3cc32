/* SPDX-License-Identifier: Apache-2.0 */
/* task_test.c -- inputs of a task: alignment, minimum watermark, who judges a row (runtime/input_impl.h). */
#include "support/test.h"

#include "runtime/input_impl.h"
#include "support/test_ops.h"

enum { INPUTS = 3 };
static wr_arena   arena;
static wr_stream *streams[INPUTS];
static input      list[INPUTS];
static inputs     in;

static void
begin(const int *ports, uint32_t port_count)
{
    wr_arena_init(&arena, NULL);
    memset(&in, 0, sizeof in);
    in.list = list;
    in.port_count = port_count;
    for (uint32_t i = 0; i < INPUTS; i++) {
        wr_stream_config config = { .name = "s", .schema = test_event_schema(&arena), .shard_count = 1 };
        wr_reader_config reader = { .required = true };
        assert_int_equal(wr_stream_create(&config, &streams[i]), WEIR_OK);
        list[i] = (input){ .port = ports[i], .watermark = WR_TIME_START };
        assert_int_equal(wr_reader_create(streams[i], &reader, &list[i].reader), WEIR_OK);
        in.count++;
    }
    wr_inputs_settle(&in);
}

static void
end(void)
{
    for (int i = 0; i < INPUTS; i++) {
        wr_reader_destroy(list[i].reader);
        wr_stream_destroy(streams[i]);
    }
    wr_arena_fini(&arena);
}

static void
publish(int i, wr_batch *b)
{
    assert_true(wr_stream_has_room(streams[i], 0));
    wr_stream_publish(streams[i], 0, b);
}

static void
watermark(int i, wr_time before, wr_time after)
{
    publish(i, wr_batch_create_watermark(NULL, before, after));
}

static void
row(int i, wr_time ts, wr_time before, wr_time after, const wr_time *judge)
{
    test_event e = { i, 0, ts };
    wr_batch  *b = test_event_batch(NULL, &e, 1);
    b->watermark_before = before;
    b->watermark_after = after;
    wr_batch_set_times(b, 2);
    if (judge != NULL) {
        b->row_watermark = wr_alloc(NULL, sizeof *judge);
        b->row_watermark[0] = *judge;
    }
    publish(i, b);
}

/* Take until a batch, a barrier, the end or nothing comes. */
static take_result
take(wr_batch **batch)
{
    int         port;
    take_result result;
    do
        result = wr_inputs_take(&in, &port, batch);
    while (result == TAKE_MOVED);
    return result;
}

static void
expect_row(wr_time before, wr_time after, wr_time judge)
{
    wr_batch *b;
    assert_int_equal(take(&b), TAKE_BATCH);
    assert_int_equal(b->row_count, 1);
    assert_int_equal(b->watermark_before, before);
    assert_int_equal(b->watermark_after, after);
    assert_int_equal(wr_batch_row_watermark(b, 0), judge);
    wr_batch_check(b);
    wr_batch_release(b);
}

static void
expect_watermark(wr_time before, wr_time after)
{
    wr_batch *b;
    assert_int_equal(take(&b), TAKE_BATCH);
    assert_int_equal(b->row_count, 0);
    assert_int_equal(b->watermark_before, before);
    assert_int_equal(b->watermark_after, after);
    wr_batch_release(b);
}

static void
expect(take_result want)
{
    wr_batch *b;
    assert_int_equal(take(&b), want);
    assert_null(b);
}

static void
the_watermark_is_the_least_of_all_inputs(void **state)
{
    begin((int[]){ 0, 0, 1 }, 2);
    watermark(0, WR_TIME_START, 10);
    watermark(1, WR_TIME_START, 20);
    expect(TAKE_NONE); /* nothing moved: port 1 holds */
    watermark(2, WR_TIME_START, 15);
    expect_watermark(WR_TIME_START, 10);
    watermark(0, 10, 30);
    expect_watermark(10, 15);
    assert_int_equal(in.ports[0], 20);
    assert_int_equal(in.ports[1], 15);
    assert_int_equal(in.ports[2], WR_TIME_END);
    publish(2, wr_batch_create_end(NULL, 15));
    expect_watermark(15, 20);
    publish(1, wr_batch_create_end(NULL, 20));
    expect_watermark(20, 30);
    publish(0, wr_batch_create_end(NULL, 30));
    expect(TAKE_END);
    end();
}

/* N3 among the inputs of one port: each row keeps the judge of where it came from. */
static void
siblings_do_not_change_a_rows_judge(void **state)
{
    begin((int[]){ 0, 0, 0 }, 1);
    watermark(0, WR_TIME_START, 10);
    watermark(1, WR_TIME_START, 20);
    watermark(2, WR_TIME_START, 30);
    expect_watermark(WR_TIME_START, 10);
    row(2, 25, 30, 30, NULL); /* late by its own input, which the task is behind */
    expect_row(10, 10, 30);
    wr_time judge = 33;
    row(2, 32, 30, 40, &judge);
    expect_row(10, 10, 33);
    row(2, 45, 40, 42, NULL); /* in time wherever it is judged: nothing is attached */
    wr_batch *b;
    assert_int_equal(take(&b), TAKE_BATCH);
    assert_null(b->row_watermark);
    assert_int_equal(b->watermark_before, 10);
    wr_batch_release(b);
    end();
}

/* N3 among ports: judged by the least of the others when that is lower. */
static void
other_ports_lower_a_rows_judge(void **state)
{
    begin((int[]){ 0, 1, 2 }, 3);
    watermark(0, WR_TIME_START, 50);
    watermark(1, WR_TIME_START, 20);
    watermark(2, WR_TIME_START, 30);
    expect_watermark(WR_TIME_START, 20);
    wr_time judge = 55;
    row(0, 1, 50, 60, &judge);
    expect_row(20, 20, 20); /* min(55, 20, 30) */
    row(1, 1, 20, 40, NULL);
    expect_row(20, 30, 20); /* its own input's 20 */
    row(1, 1, 40, 40, NULL);
    expect_row(30, 30, 30); /* min(40, 60, 30) */
    row(2, 1, 30, 70, NULL);
    expect_row(30, 40, 30);
    row(2, 1, 70, 70, NULL);
    expect_row(40, 40, 40);
    end();
}

static void
an_aligned_input_is_not_read(void **state)
{
    begin((int[]){ 0, 0, 1 }, 2);
    for (int i = 0; i < INPUTS; i++)
        watermark(i, WR_TIME_START, 10);
    expect_watermark(WR_TIME_START, 10);
    publish(0, wr_batch_create_barrier(NULL, 7, 10));
    row(0, 50, 10, 20, NULL); /* behind the barrier */
    expect(TAKE_NONE);
    assert_int_equal(in.epoch, 7);
    row(1, 11, 10, 10, NULL);
    expect_row(10, 10, 10); /* before its barrier: read */
    publish(1, wr_batch_create_barrier(NULL, 7, 10));
    expect(TAKE_NONE);
    publish(2, wr_batch_create_barrier(NULL, 7, 10));
    expect(TAKE_BARRIER);
    wr_inputs_release_barrier(&in);
    expect_row(10, 10, 10);
    expect(TAKE_NONE);
    end();
}

static void
an_input_that_ends_counts_as_aligned(void **state)
{
    begin((int[]){ 0, 0, 1 }, 2);
    publish(0, wr_batch_create_barrier(NULL, 3, WR_TIME_START));
    expect(TAKE_NONE);
    publish(1, wr_batch_create_barrier(NULL, 3, WR_TIME_START));
    publish(2, wr_batch_create_end(NULL, WR_TIME_START));
    expect(TAKE_BARRIER);
    wr_inputs_release_barrier(&in);
    watermark(0, WR_TIME_START, 5);
    watermark(1, WR_TIME_START, 6);
    expect_watermark(WR_TIME_START, 5);
    /* Again, with an end that moves the watermark first. */
    publish(0, wr_batch_create_barrier(NULL, 4, 5));
    expect(TAKE_NONE);
    watermark(1, 6, 9);
    expect(TAKE_NONE);
    publish(1, wr_batch_create_end(NULL, 9));
    expect(TAKE_BARRIER);
    wr_inputs_release_barrier(&in);
    publish(0, wr_batch_create_end(NULL, 5));
    expect(TAKE_END);
    end();
}

static void
an_end_that_moves_the_watermark_then_completes_the_barrier(void **state)
{
    begin((int[]){ 0, 0, 0 }, 1);
    watermark(0, WR_TIME_START, 50);
    watermark(1, WR_TIME_START, 60);
    watermark(2, WR_TIME_START, 10);
    expect_watermark(WR_TIME_START, 10);
    publish(0, wr_batch_create_barrier(NULL, 4, 50));
    publish(1, wr_batch_create_barrier(NULL, 4, 60));
    expect(TAKE_NONE);
    publish(2, wr_batch_create_end(NULL, 10));
    expect_watermark(10, 50);
    expect(TAKE_BARRIER);
    end();
}

WR_TESTS = {
    WR_TEST(the_watermark_is_the_least_of_all_inputs),
    WR_TEST(siblings_do_not_change_a_rows_judge),
    WR_TEST(other_ports_lower_a_rows_judge),
    WR_TEST(an_aligned_input_is_not_read),
    WR_TEST(an_input_that_ends_counts_as_aligned),
    WR_TEST(an_end_that_moves_the_watermark_then_completes_the_barrier),
    { NULL, NULL },
};
