/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/loop.h -- an event loop: file descriptors, timers, signals, and a way to wake it.
 *
 * Place       each worker sleeps in one; the main thread serves sockets from one.  The one file that
 *             knows libevent is loop.c.
 * State       a libevent base, an eventfd to wake it, a heap of timers on the injected monotonic clock.
 * Invariants  L1  callbacks run inside wr_loop_run alone, on the thread that called it
 *             L2  a timer fires once, not before its time on the loop's clock
 *             L3  a wake is never lost: one that comes before the wait ends the wait
 * Threads     wr_loop_wake and wr_loop_post from any; the rest on the loop's own thread (or before
 *             that thread runs it).
 */
#pragma once

#include "base/clock.h"
#include "base/memory.h"

typedef struct wr_loop wr_loop;

weir_status wr_loop_create(wr_budget *budget, wr_clock *clock, wr_loop **loop, weir_error *err);
void        wr_loop_destroy(wr_loop *loop); /* every timer cancelled, every watch destroyed; NULL allowed */
/* Serve what is ready; when nothing is, wait for up to timeout_us (0: not at all, -1: until something
 * comes), for the next timer, or for a wake.  True when it served anything. */
bool        wr_loop_run(wr_loop *loop, int64_t timeout_us);
void        wr_loop_wake(wr_loop *loop);
/* Call fn(user) on the loop's thread, in the order of posting.  MEMORY: not posted. */
weir_status wr_loop_post(wr_loop *loop, void (*fn)(void *user), void *user);
wr_clock   *wr_loop_clock(wr_loop *loop);
/* When the next timer is due, on the loop's monotonic clock; WR_TIME_END: none is set. */
wr_time     wr_loop_next_timer(const wr_loop *loop);

/* A timer: the owner's struct, in one loop's heap while set. */
typedef struct wr_timer {
    wr_loop *loop;
    void   (*fire)(void *user);
    void    *user;
    wr_time  at;
    uint64_t order;    /* ties fire in the order they were set */
    uint32_t position; /* in the heap from 1; 0: not set       */
} wr_timer;
void wr_timer_init(wr_timer *timer, wr_loop *loop, void (*fire)(void *user), void *user);
/* (Re)arm.  MEMORY when the heap cannot grow: the timer is then as it was. */
weir_status wr_timer_set(wr_timer *timer, wr_time at);
weir_status wr_timer_set_after(wr_timer *timer, int64_t us);
void        wr_timer_cancel(wr_timer *timer);
static inline bool
wr_timer_is_set(const wr_timer *t)
{
    return t->position != 0;
}

/* Interest in a descriptor or a signal. */
typedef struct wr_watch wr_watch;
enum wr_watch_events { WR_WATCH_READ = 1, WR_WATCH_WRITE = 2, WR_WATCH_ONCE = 4, WR_WATCH_CLOSED = 8, WR_WATCH_EDGE = 16 };
/* Level-triggered; `ready` gets which of READ, WRITE, CLOSED hold.  ONCE: silent after the first until set again.
 * EDGE: once for what is there when it is set, then whenever more has come. */
weir_status wr_watch_create(wr_loop *loop, int fd, void (*ready)(void *user, int events), void *user,
                            wr_watch **watch);
weir_status wr_watch_set(wr_watch *watch, int events); /* 0: none for now */
weir_status wr_watch_signal(wr_loop *loop, int signal, void (*ready)(void *user, int signal),
                            void *user, wr_watch **watch);
void        wr_watch_destroy(wr_watch *watch); /* NULL allowed; allowed inside its own callback */
