/* SPDX-License-Identifier: Apache-2.0 */
/* ring_test.c -- base/ring.h: order, bounds, two threads. */
#include "support/test.h"

#include "base/ring.h"
#include "base/thread.h"

static wr_ring ring;

static void
a_ring_is_first_in_first_out_and_bounded(void **state)
{
    for (uint32_t capacity = 1; capacity <= 9; capacity++) {
        assert_true(wr_ring_init(&ring, NULL, capacity));
        uint32_t holds = 0;
        for (uintptr_t i = 1; wr_ring_push(&ring, (void *) i); i++)
            holds++;
        assert_true(holds >= capacity && holds < capacity * 2);
        assert_false(wr_ring_has_room(&ring));
        for (uintptr_t i = 1; i <= holds; i++) {
            assert_ptr_equal(wr_ring_peek(&ring), (void *) i);
            assert_ptr_equal(wr_ring_pop(&ring), (void *) i);
            assert_true(wr_ring_has_room(&ring));
        }
        assert_null(wr_ring_pop(&ring));
        wr_ring_fini(&ring);
    }
}

enum { HANDED = 300000 };

static void
push_all(void *user)
{
    for (uintptr_t i = 1; i <= HANDED;)
        i += wr_ring_push(&ring, (void *) i);
}

static void
two_threads_lose_nothing(void **state)
{
    wr_thread t = { 0 };
    assert_true(wr_ring_init(&ring, NULL, 8));
    assert_int_equal(wr_thread_start(&t, "pusher", push_all, NULL, NULL), WEIR_OK);
    for (uintptr_t i = 1; i <= HANDED;) {
        void *p = wr_ring_pop(&ring);
        if (p != NULL)
            assert_ptr_equal(p, (void *) i++);
    }
    wr_thread_join(&t);
    wr_ring_fini(&ring);
}

WR_TESTS = {
    WR_TEST(a_ring_is_first_in_first_out_and_bounded),
    WR_TEST(two_threads_lose_nothing),
    { NULL, NULL },
};
