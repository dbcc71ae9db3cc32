/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/value_set.h -- which values each group has seen, where rows only come: the sets of DISTINCT.
 *
 * A value is one word (an integer, a date, a time), and stands under up to eight marks: bit m says that the m-th
 * call that shares the set has let a row with it pass.  Sixteen bytes a value, a third of a row of a group table.
 *
 * Layout      entries dense in the order they came, in chunks that snapshots share; slots of 4 bytes that lead to
 *             them (group_table_impl.h), load <= 0.25.
 * Invariants  V1  an owner's value stands in one entry; marks are only added
 *             V2  a chunk that a snapshot holds is never written: it is copied first
 * Cost        a value: a multiply, a slot, an entry; both under way for a block of values at once.
 * Threads: one; a wr_value_view may be read and released by another.
 */
#pragma once

#include "state/row_pool.h"

typedef struct wr_value_entry {
    uint64_t value;
    uint32_t owner;
    uint32_t marks;
} wr_value_entry;

typedef struct wr_value_chunk wr_value_chunk;

typedef struct wr_value_set {
    wr_budget *budget;
    uint32_t *slots;
    uint32_t slot_bits; /* 0: none yet */
    uint32_t count;
    uint32_t chunk_count, chunk_capacity;
    wr_value_chunk **chunks;
    wr_pool *pool;  /* of full chunks, once there are many; else NULL */
    bool shared;    /* a snapshot may hold chunks                     */
    uint32_t moves; /* chunks that have got another address           */
} wr_value_set;

/* Empty, holding no memory. */
void wr_value_set_init(wr_value_set *set, wr_budget *budget);
void wr_value_set_fini(wr_value_set *set);
/* Empty again; keeps memory worth keeping. */
void wr_value_set_reset(wr_value_set *set);

/* gained[i] = the marks[i] that owners[i]'s values[i] did not have; it has them now.  count: at most a batch's.  On
 * WEIR_MEMORY some are entered. */
weir_status wr_value_set_add(wr_value_set *set, const uint64_t *values, const uint32_t *owners,
                             const uint8_t *marks, uint32_t count, uint8_t *gained);
size_t wr_value_set_bytes(const wr_value_set *set);

/* --- frozen --- */

typedef struct wr_value_view {
    uint32_t count, chunk_count;
    wr_value_chunk **chunks; /* each retained */
    wr_pool *pool;           /* held, or NULL */
} wr_value_view;
weir_status wr_value_set_freeze(wr_value_set *set, wr_value_view *view);
void wr_value_view_release(wr_value_view *view);
const wr_value_entry *wr_value_view_entry(const wr_value_view *view, uint32_t i);
