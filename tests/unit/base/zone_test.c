/* SPDX-License-Identifier: Apache-2.0 */
/* zone_test.c -- base/zone.h: what other threads allocate is counted, whoever frees it. */
#include "base/zone.h"
#include "support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { PIECES = 2000, PIECE_BYTES = 5000 };

static void *pieces[PIECES];

static void *
allocate(void *zone)
{
    wr_zone_enter(zone);
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = malloc(PIECE_BYTES);
        memset(pieces[i], i, PIECE_BYTES);
    }
    return NULL;
}

static void
in_a_thread(void *(*what)(void *), void *with)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, what, with), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void
a_thread_s_memory_is_its_zone_s(void **state)
{
    wr_zone *zone = wr_zone_acquire(), *other = wr_zone_acquire();
    if (zone == NULL) { /* this build's allocator has none: all is quiet */
        wr_zone_enter(NULL);
        assert_int_equal(wr_zone_bytes(NULL), 0);
        return;
    }
    in_a_thread(allocate, zone);
    assert_in_range(wr_zone_bytes(zone), PIECES * PIECE_BYTES, PIECES * PIECE_BYTES * 5 / 4);
    assert_int_equal(wr_zone_bytes(other), 0);
    assert_true(wr_zones_bytes() >= wr_zone_bytes(zone));
    for (int i = 0; i < PIECES - 100; i++)
        free(pieces[i]); /* by another thread */
    assert_in_range(wr_zone_bytes(zone), 0, PIECES * PIECE_BYTES / 4);
    wr_zone_release(zone);
    wr_zone *again = wr_zone_acquire(); /* what is left of the last user is not counted to the next */
    assert_ptr_equal(again, zone);
    assert_int_equal(wr_zone_bytes(again), 0);
    for (int i = PIECES - 100; i < PIECES; i++)
        free(pieces[i]);
    assert_int_equal(wr_zone_bytes(again), 0);
    wr_zone_release(again);
    wr_zone_release(other);
}

static void
the_heap_is_known(void **state)
{
    enum { BYTES = 40 << 20 };
    wr_heap before, with, after;
    if (!wr_heap_look(&before)) {
        assert_int_equal(before.live + before.active + before.resident, 0);
        return;
    }
    pieces[0] = malloc(BYTES); /* where others see it: the compiler leaves it there */
    memset(pieces[0], 1, BYTES);
    assert_true(wr_heap_look(&with));
    assert_in_range(with.live - before.live, BYTES, BYTES + (1 << 20));
    assert_true(with.active >= with.live && with.resident >= with.active);
    free(pieces[0]);
    assert_true(wr_heap_look(&after));
    assert_in_range(after.live, 0, before.live + (1 << 20));
}

static void
zones_are_many_and_not_without_end(void **state)
{
    wr_zone *all[WR_ZONES_MAX + 1];
    int      n = 0;
    while (n <= WR_ZONES_MAX && (all[n] = wr_zone_acquire()) != NULL)
        n++;
    assert_true(n == WR_ZONES_MAX || n == 0);
    while (n > 0)
        wr_zone_release(all[--n]);
}

WR_TESTS = { WR_TEST(a_thread_s_memory_is_its_zone_s), WR_TEST(the_heap_is_known), WR_TEST(zones_are_many_and_not_without_end), { NULL, NULL } };
