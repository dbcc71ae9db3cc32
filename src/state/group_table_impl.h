/* SPDX-License-Identifier: Apache-2.0 */
/* state/group_table_impl.h -- slots (group_table.c, group_find.c), and the rows: chunks, ids, the store. */
#pragma once

#include "state/group_table.h"

enum {
    CHUNK_BYTES = 16 * 1024,
    SLOT_BITS_MIN = 4,
    SLOTS_FAR_BITS = 14,      /* rows are worth prefetching above 64 KB of slots ... */
    SLOTS_VERY_FAR_BITS = 18, /* ... and slots above a megabyte                     */
};

/* Where a tag's search begins. */
static inline uint32_t
slot_home(uint32_t tag, uint32_t bits)
{
    return tag >> (32 - bits);
}

/* No more ids are given than slots / 4, so that id + 1 needs less than `bits`. */
static inline uint32_t
slot_make(uint32_t tag, uint32_t bits, uint32_t id)
{
    return tag << bits | (id + 1);
}

static inline uint32_t
slot_id(uint32_t slot, uint32_t bits)
{
    return (slot & ((1u << bits) - 1)) - 1;
}

/* May the slot be that of the tag?  One in 2^(32 - bits) others looks like it. */
static inline bool
slot_may_be(uint32_t slot, uint32_t bits, uint32_t tag)
{
    return (slot ^ tag << bits) >> bits == 0;
}

/* Into the first empty slot from the tag's home on. */
static inline void
slots_put(uint32_t *slots, uint32_t bits, uint32_t tag, uint32_t id)
{
    uint32_t mask = (1u << bits) - 1, at = slot_home(tag, bits);
    while (slots[at] != 0)
        at = (at + 1) & mask;
    slots[at] = slot_make(tag, bits, id);
}

/* Groups that so many slots are for: load <= 0.25 (<= 0.15 up to 256 KB). */
uint32_t    wr_group_slot_limit(uint32_t bits);
/* All empty; NULL: no memory. */
uint32_t   *wr_group_slots_create(wr_budget *budget, uint32_t bits);
weir_status wr_group_slots_resize(wr_group_table *table, uint32_t bits);
/* A new group with the tag, zeroed behind its header, in no slot yet: `enter` follows, or `unmake`, which returns
 * status.  at: the empty slot a search has found in a table of so many bits. */
weir_status wr_group_make(wr_group_table *table, uint32_t tag, wr_group **made);
void        wr_group_enter(wr_group_table *table, const wr_group *g, uint32_t at, uint32_t bits);
weir_status wr_group_unmake(wr_group_table *table, wr_group *g, weir_status status);

/* An id with a row that may be written; from the dead ones first.  Keeps room to give one back. */
weir_status wr_group_rows_take(wr_group_table *table, uint32_t *id);
/* Room to give so many ids back. */
weir_status wr_group_rows_reserve_free(wr_group_table *table, uint32_t count);
/* All rows go. */
void wr_group_rows_drop(wr_group_table *table);
/* All rows go; the memory of chunks and store that nobody else holds stays. */
void wr_group_rows_recycle(wr_group_table *table);
