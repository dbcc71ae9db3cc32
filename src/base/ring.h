/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/ring.h -- a bounded single-producer single-consumer ring of pointers (Lamport 1983, with
 * cached indices).  Wait-free; the two sides' words lie on lines of their own.
 */
#pragma once

#include "base/memory.h"

typedef struct wr_ring {
    void   **slots;
    uint32_t mask;
    _Alignas(64) _Atomic uint32_t head; /* next to read; written by the consumer  */
    uint32_t tail_seen;
    _Alignas(64) _Atomic uint32_t tail; /* next to write; written by the producer */
    uint32_t head_seen;
} wr_ring;

/* capacity is rounded up to a power of two.  False: no memory. */
bool wr_ring_init(wr_ring *ring, wr_budget *budget, uint32_t capacity);
void wr_ring_fini(wr_ring *ring); /* empty by then */

static inline bool
wr_ring_push(wr_ring *r, void *p)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail - r->head_seen > r->mask) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        if (tail - r->head_seen > r->mask)
            return false;
    }
    r->slots[tail & r->mask] = p;
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return true;
}

static inline bool
wr_ring_has_room(wr_ring *r) /* producer's question */
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail - r->head_seen <= r->mask)
        return true;
    r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
    return tail - r->head_seen <= r->mask;
}

static inline void *
wr_ring_peek(wr_ring *r) /* NULL: empty */
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == r->tail_seen) {
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        if (head == r->tail_seen)
            return NULL;
    }
    return r->slots[head & r->mask];
}

static inline void *
wr_ring_pop(wr_ring *r)
{
    void *p = wr_ring_peek(r);
    if (p != NULL)
        atomic_store_explicit(&r->head, atomic_load_explicit(&r->head, memory_order_relaxed) + 1,
                              memory_order_release);
    return p;
}
