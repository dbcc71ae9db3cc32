/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/channel_impl.h -- an edge from task to task: a single-producer ring and two bells.
 *
 * Nobody is woken who is awake: the consumer rings for data only after it armed the bell on finding
 * nothing, the producer for room alike.  Arming and ringing are read-modify-writes of one word, so one
 * of the two sides always sees the other: either the ringer finds the bell armed, or the one who
 * armed it finds the batch when it looks again.
 */
#pragma once

#include "base/ring.h"
#include "runtime/task_impl.h"

typedef struct channel {
    wr_ring ring;
    task   *producer, *consumer;
    _Alignas(64) _Atomic uint32_t data_armed; /* by the consumer */
    _Alignas(64) _Atomic uint32_t room_armed; /* by the producer */
} channel;

static inline void
channel_ring_bell(_Atomic uint32_t *armed, task *t)
{
    if (atomic_exchange_explicit(armed, 0, memory_order_acq_rel) != 0)
        wr_task_wake(t);
}

/* Producer. */
static inline bool
channel_has_room(channel *c)
{
    if (wr_ring_has_room(&c->ring))
        return true;
    atomic_exchange_explicit(&c->room_armed, 1, memory_order_acq_rel);
    return wr_ring_has_room(&c->ring);
}
static inline void
channel_push(channel *c, wr_batch *batch) /* takes batch; there is room */
{
    bool pushed = wr_ring_push(&c->ring, batch);
    wr_assert(pushed);
    channel_ring_bell(&c->data_armed, c->consumer);
}

/* Consumer. */
static inline wr_batch *
channel_peek(channel *c)
{
    wr_batch *b = wr_ring_peek(&c->ring);
    if (b != NULL)
        return b;
    atomic_exchange_explicit(&c->data_armed, 1, memory_order_acq_rel);
    return wr_ring_peek(&c->ring);
}
static inline wr_batch *
channel_pop(channel *c) /* owned */
{
    wr_batch *b = wr_ring_pop(&c->ring);
    if (b != NULL)
        channel_ring_bell(&c->room_armed, c->producer);
    return b;
}
