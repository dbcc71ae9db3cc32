/* SPDX-License-Identifier: Apache-2.0 */
/* stream_test.c -- T1..T4 of runtime/stream.h. */
#include "support/test.h"

#include "base/thread.h"
#include "runtime/stream.h"
#include "support/test_ops.h"

static wr_arena   arena;
static wr_stream *stream;

static void
make(uint32_t batches_max, uint64_t bytes_max, uint64_t retain_us)
{
    wr_arena_init(&arena, NULL);
    wr_stream_config config = { .name = "s",
                                .schema = test_event_schema(&arena),
                                .shard_count = 2,
                                .batches_max = batches_max,
                                .bytes_max = bytes_max,
                                .retain_us = retain_us };
    assert_int_equal(wr_stream_create(&config, &stream), WEIR_OK);
}

static void
drop(void)
{
    wr_stream_destroy(stream);
    wr_arena_fini(&arena);
}

static wr_reader *
reader(bool required, wr_start start, int *wakes);

static void
count_wake(void *user)
{
    if (user != NULL)
        ++*(int *) user;
}

static wr_reader *
reader(bool required, wr_start start, int *wakes)
{
    wr_reader       *r;
    wr_reader_config config = {
        .required = required, .start = start, .shard = -1, .wake = count_wake, .user = wakes
    };
    assert_int_equal(wr_reader_create(stream, &config, &r), WEIR_OK);
    return r;
}

static void
publish(int64_t v, wr_time arrived)
{
    test_event e = { 1, v, v };
    wr_batch  *b = test_event_batch(NULL, &e, 1);
    b->watermark_before = b->watermark_after = v;
    b->arrived = arrived;
    wr_stream_publish(stream, 0, b);
}

/* The v of the next batch; -1: none. */
static int64_t
next(wr_reader *r, uint64_t *lost)
{
    wr_batch *b = wr_reader_next(r, 0, lost);
    int64_t   v = b != NULL ? ((const int64_t *) b->columns[1]->data)[0] : -1;
    wr_batch_release(b);
    return v;
}

static void
sequences_have_no_holes(void **state)
{
    make(0, 0, 1000);
    wr_reader *r = reader(true, WR_START_TAIL, NULL);
    for (int i = 1; i <= 40; i++) {
        assert_true(wr_stream_has_room(stream, 0));
        publish(i, 0);
        assert_int_equal(wr_stream_head(stream, 0), i);
    }
    for (int i = 1; i <= 40; i++) {
        wr_batch *b = wr_reader_next(r, 0, NULL);
        assert_int_equal(b->sequence, i);
        wr_batch_release(b);
    }
    assert_int_equal(next(r, NULL), -1);
    assert_null(wr_reader_next(r, 1, NULL));
    assert_int_equal(wr_stream_watermark(stream), WR_TIME_START); /* shard 1 has none */
    wr_reader_destroy(r);
    drop();
}

static void
a_required_reader_holds_the_tail(void **state)
{
    int rooms = 0;
    make(2, 0, 0);
    wr_stream_on_room(stream, 0, count_wake, &rooms);
    wr_reader *r = reader(true, WR_START_TAIL, NULL);
    assert_true(wr_stream_has_room(stream, 0));
    publish(1, 0);
    assert_true(wr_stream_has_room(stream, 0));
    publish(2, 0);
    assert_false(wr_stream_has_room(stream, 0));
    assert_int_equal(rooms, 0);
    assert_int_equal(next(r, NULL), 1);
    assert_int_equal(rooms, 1);
    assert_true(wr_stream_has_room(stream, 0));
    publish(3, 0);
    assert_int_equal(next(r, NULL), 2);
    assert_int_equal(rooms, 1); /* nobody was refused since */
    assert_int_equal(next(r, NULL), 3);
    wr_reader_destroy(r);
    drop();
}

static void
an_empty_ring_has_room_for_one_however_large(void **state)
{
    make(0, 1, 0); /* one byte */
    wr_reader *r = reader(true, WR_START_TAIL, NULL);
    assert_true(wr_stream_has_room(stream, 0));
    publish(1, 0);
    assert_false(wr_stream_has_room(stream, 0));
    assert_int_equal(next(r, NULL), 1);
    assert_true(wr_stream_has_room(stream, 0));
    wr_reader_destroy(r);
    drop();
}

static void
a_best_effort_reader_is_told_its_loss(void **state)
{
    uint64_t lost;
    make(3, 0, 0);
    wr_reader *r = reader(false, WR_START_TAIL, NULL);
    for (int i = 1; i <= 10; i++) {
        assert_true(wr_stream_has_room(stream, 0));
        publish(i, 0);
    }
    assert_int_equal(next(r, &lost), 8);
    assert_int_equal(lost, 7);
    assert_int_equal(next(r, &lost), 9);
    assert_int_equal(lost, 0);
    wr_reader_destroy(r);
    drop();
}

static void
retention_keeps_the_young(void **state)
{
    make(0, 0, 100);
    for (int i = 1; i <= 10; i++) {
        assert_true(wr_stream_has_room(stream, 0));
        publish(i, i * 50);
    }
    assert_int_equal(wr_stream_tail(stream, 0), 8); /* 400, 450, 500 */
    wr_reader *r = reader(false, WR_START_TAIL, NULL), *h = reader(false, WR_START_HEAD, NULL);
    assert_int_equal(next(r, NULL), 8);
    assert_int_equal(next(h, NULL), -1);
    assert_int_equal(wr_reader_seek(r, 0, 9), WEIR_OK);
    assert_int_equal(next(r, NULL), 9);
    assert_int_equal(wr_reader_seek(r, 0, 7), WEIR_SNAPSHOT_REQUIRED);
    assert_int_equal(wr_reader_seek(r, 0, 12), WEIR_SNAPSHOT_REQUIRED);
    assert_int_equal(wr_reader_seek(r, 0, 11), WEIR_OK);
    assert_int_equal(next(r, NULL), -1);
    wr_reader_destroy(r);
    wr_reader_destroy(h);
    drop();
}

static void
nothing_is_kept_when_nobody_needs_it(void **state)
{
    make(0, 0, 0);
    for (int i = 1; i <= 10; i++) {
        assert_true(wr_stream_has_room(stream, 0));
        publish(i, i);
    }
    assert_int_equal(wr_stream_bytes(stream), 0);
    assert_int_equal(wr_stream_tail(stream, 0), 11);
    drop();
}

static void
publish_empty(wr_time watermark, wr_time arrived)
{
    wr_batch *b = wr_batch_create_watermark(NULL, watermark, watermark);
    b->arrived = arrived;
    assert_true(wr_stream_has_room(stream, 0));
    wr_stream_publish(stream, 0, b);
}

/* A view at rest: windows end, barriers pass, and nothing is to be kept of it. */
static void
a_stream_without_rows_keeps_nothing(void **state)
{
    make(0, 0, 1000);
    for (int i = 1; i <= 500; i++)
        publish_empty(i, 0);
    assert_int_equal(wr_stream_bytes(stream), 0);
    assert_int_equal(wr_stream_tail(stream, 0), 501);
    assert_true(wr_stream_has_room(stream, 0));
    publish(600, 0);
    publish_empty(700, 0);
    assert_int_equal(wr_stream_tail(stream, 0), 501); /* the row is young, and what follows it stays */
    wr_reader *r = reader(false, WR_START_TAIL, NULL);
    assert_int_equal(next(r, NULL), 600);
    wr_reader_destroy(r);
    drop();
}

/* T5 */
static void
who_comes_back_after_empty_batches_goes_on(void **state)
{
    uint64_t lost;
    wr_epoch epoch;
    make(0, 0, 100);
    assert_true(wr_stream_has_room(stream, 0));
    publish(1, 0);
    for (int i = 2; i <= 50; i++)
        publish_empty(i, i * 10); /* the row has grown old, and is gone */
    assert_int_equal(wr_stream_tail(stream, 0), 51);
    wr_reader *r = reader(false, WR_START_HEAD, NULL);
    assert_true(wr_reader_behind(r, 0, &epoch));
    assert_int_equal(wr_reader_seek(r, 0, 1), WEIR_SNAPSHOT_REQUIRED);
    assert_int_equal(wr_reader_seek(r, 0, 2), WEIR_OK); /* all behind the row had none */
    assert_int_equal(wr_reader_position(r, 0), 51);
    assert_true(wr_stream_has_room(stream, 0));
    publish(60, 500);
    assert_int_equal(next(r, &lost), 60);
    assert_int_equal(lost, 0);
    assert_int_equal(wr_reader_seek(r, 0, 7), WEIR_OK);
    assert_int_equal(next(r, &lost), 60);
    wr_reader_destroy(r);
    drop();
}

static void
a_wake_comes_once_after_empty(void **state)
{
    int wakes = 0;
    make(0, 0, 0);
    wr_reader *r = reader(true, WR_START_TAIL, &wakes);
    assert_true(wr_stream_has_room(stream, 0));
    publish(1, 0);
    assert_int_equal(wakes, 0); /* it never looked */
    assert_int_equal(next(r, NULL), 1);
    assert_int_equal(next(r, NULL), -1);
    assert_true(wr_stream_has_room(stream, 0));
    publish(2, 0);
    assert_int_equal(wakes, 1);
    assert_true(wr_stream_has_room(stream, 0));
    publish(3, 0);
    assert_int_equal(wakes, 1);
    const wr_batch *peeked = wr_reader_peek(r, 0);
    assert_int_equal(peeked->sequence, 2);
    assert_ptr_equal(wr_reader_peek(r, 0), peeked);
    assert_int_equal(next(r, NULL), 2);
    assert_int_equal(next(r, NULL), 3);
    wr_reader_destroy(r);
    drop();
}

/* --- one publisher, one reader, two threads --- */

enum { HANDED = 20000 };
static _Atomic uint32_t rung;

static void
ring(void *user)
{
    atomic_store(&rung, 1);
}

static void
publish_many(void *user)
{
    for (int i = 1; i <= HANDED;) {
        if (!wr_stream_has_room(stream, 0))
            continue;
        publish(i++, 0);
    }
}

static void
nothing_is_lost_between_threads(void **state)
{
    wr_thread        t = { 0 };
    wr_reader       *r;
    wr_reader_config config = { .required = true, .shard = 0, .wake = ring };
    make(4, 0, 0);
    assert_int_equal(wr_reader_create(stream, &config, &r), WEIR_OK);
    assert_int_equal(wr_thread_start(&t, "publisher", publish_many, NULL, NULL), WEIR_OK);
    for (int i = 1; i <= HANDED;) {
        int64_t v = next(r, NULL);
        if (v == -1) { /* sleeps until rung */
            while (atomic_exchange(&rung, 0) == 0)
                __builtin_ia32_pause();
            continue;
        }
        assert_int_equal(v, i++);
    }
    wr_thread_join(&t);
    wr_reader_destroy(r);
    drop();
}

WR_TESTS = {
    WR_TEST(sequences_have_no_holes),
    WR_TEST(a_required_reader_holds_the_tail),
    WR_TEST(an_empty_ring_has_room_for_one_however_large),
    WR_TEST(a_best_effort_reader_is_told_its_loss),
    WR_TEST(retention_keeps_the_young),
    WR_TEST(nothing_is_kept_when_nobody_needs_it),
    WR_TEST(a_stream_without_rows_keeps_nothing),
    WR_TEST(who_comes_back_after_empty_batches_goes_on),
    WR_TEST(a_wake_comes_once_after_empty),
    WR_TEST(nothing_is_lost_between_threads),
    { NULL, NULL },
};
