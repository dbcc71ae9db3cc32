/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/row_bag.h -- bags of rows by partition, each in order.
 *
 * Layout      partitions in a hash table by the bytes of their key; a partition's rows in order in
 *             blocks of up to 128 entries {row, count}; a row is immutable bytes: its order key, then
 *             its contents (data/row_code.h).
 * Invariants  B1  entries ascend strictly by their rows' bytes (with a tail: by the order key's, the tail, the
 *                 contents'), in a block and from block to block
 *             B2  a block's and a partition's weight is the sum of its entries' counts; counts > 0
 *             B3  a block that a snapshot holds is never written: it is copied first
 *             B4  no block is empty
 * Cost        a change: a binary search of blocks and of entries, a move of at most 2 KB (and of the
 *             list of blocks, when one is split).  freeze: a retain a block.
 * Memory      partitions, blocks and rows are pieces of a pool (row_pool.h), which goes as a whole.
 * Threads: one; a wr_bag_view may be read and released by another.
 */
#pragma once

#include "data/row_code.h"
#include "data/snapshot.h"
#include "state/row_pool.h"

typedef struct wr_bag_row {
    _Atomic uint32_t refs;
    uint32_t order_length, length; /* order key; all */
    uint32_t mark;                 /* the owner's; 0 at first */
    char bytes[];
} wr_bag_row;

typedef struct wr_bag_entry {
    wr_bag_row *row;
    int64_t count;
} wr_bag_entry;

typedef struct wr_bag_block {
    _Atomic uint32_t refs;
    uint16_t count, capacity;
    uint32_t group; /* key group of the partition */
    int64_t weight;
    wr_bag_entry entries[];
} wr_bag_block;

typedef struct wr_bag {
    uint64_t hash;
    wr_bag_block **blocks; /* &only while there is room for one */
    wr_bag_block *only;
    uint32_t block_count, block_capacity;
    uint32_t mark; /* the owner's */
    uint32_t key_length;
    int64_t weight;
    wr_time touched; /* the owner's: kept in snapshots */
    uint64_t bound;  /* the owner's: UINT64_MAX at first */
    char key[];
} wr_bag;

/* How the rest of the order keys of two rows compare, which is not in their bytes but in their contents. */
typedef int (*wr_bag_tail)(void *user, const char *a, size_t a_length, const char *b,
                           size_t b_length);

typedef struct wr_bags {
    wr_budget *budget;
    wr_bag_tail tail; /* NULL: the order keys are whole.  The owner's, like block_first; set before the first row */
    void *tail_user;
    uint32_t block_first; /* entries of a partition's first block, at first */
    wr_pool *pool;  /* of partitions, blocks and rows; NULL before the first */
    wr_bag **slots; /* open addressing, linear probing, load <= 0.5 */
    uint32_t capacity, count;
    uint64_t rows;    /* distinct */
    wr_bag_row *made; /* by the last wr_bag_add; NULL: it found the row, or none was to be made */
} wr_bags;

void wr_bags_init(wr_bags *bags, wr_budget *budget);
void wr_bags_fini(wr_bags *bags);
/* NULL: absent. */
wr_bag *wr_bags_find(const wr_bags *bags, uint64_t hash, const char *key, uint32_t length);
/* Long before wr_bags_get: its slot, and then what stands there, on their way into the cache. */
void wr_bags_prefetch_slot(const wr_bags *bags, uint64_t hash);
void wr_bags_prefetch_bag(const wr_bags *bags, uint64_t hash);
/* Found or made, empty; NULL: no memory. */
wr_bag *wr_bags_get(wr_bags *bags, uint64_t hash, const char *key, uint32_t length);
/* The partition and its rows leave. */
void wr_bags_remove(wr_bags *bags, wr_bag *bag);

/* A place in a partition. */
typedef struct wr_bag_at {
    uint32_t block, entry;
} wr_bag_at;

/* A row against bytes of which order_length are the order key: which comes first (B1). */
int wr_bag_compare(const wr_bags *bags, const wr_bag_row *row, const char *bytes,
                   uint32_t order_length, uint32_t length);
/* The first entry that is not below the bytes; whether it is equal. */
bool wr_bag_seek(const wr_bags *bags, const wr_bag *bag, const char *bytes, uint32_t order_length,
                 uint32_t length, wr_bag_at *at);
static inline const wr_bag_entry *
wr_bag_entry_at(const wr_bag *bag, const wr_bag_at *at) /* NULL: behind the last */
{
    return at->block < bag->block_count ? &bag->blocks[at->block]->entries[at->entry] : NULL;
}
static inline void
wr_bag_step(const wr_bag *bag, wr_bag_at *at)
{
    if (++at->entry == bag->blocks[at->block]->count) {
        at->block++;
        at->entry = 0;
    }
}
static inline const wr_bag_row *
wr_bag_last(const wr_bag *bag) /* of one that is not empty */
{
    const wr_bag_block *b = bag->blocks[bag->block_count - 1];
    return b->entries[b->count - 1].row;
}
/*
 * Add diff copies of a row (order key and contents, `order_length` bytes of them the key).  More
 * taken away than are there: *missing copies were not found, and nothing is left of it.
 */
weir_status wr_bag_add(wr_bags *bags, wr_bag *bag, const char *bytes, uint32_t order_length,
                       uint32_t length, int64_t diff, uint64_t *missing);
/* One copy of the row, and nothing else. */
weir_status wr_bag_set(wr_bags *bags, wr_bag *bag, const char *bytes, uint32_t order_length,
                       uint32_t length);
/* Only the entries before `at` and, of the one at it, `count` copies stay (0: none). */
weir_status wr_bag_cut(wr_bags *bags, wr_bag *bag, wr_bag_at at, int64_t count);

/* The entries before `at` leave. */
weir_status wr_bag_drop_before(wr_bags *bags, wr_bag *bag, wr_bag_at at);

/* Owned, and gone with the bags at the latest; NULL: no memory. */
wr_bag_row *
wr_bag_row_create(wr_bags *bags, const char *bytes, uint32_t order_length, uint32_t length);
static inline wr_bag_row *
wr_bag_row_retain(wr_bag_row *row)
{
    atomic_fetch_add_explicit(&row->refs, 1, memory_order_relaxed);
    return row;
}
void wr_bag_row_release(wr_bag_row *row);

/* --- frozen --- */

typedef struct wr_bag_view_block {
    wr_bag_block *block; /* retained */
    wr_time touched;
} wr_bag_view_block;
typedef struct wr_bag_view {
    wr_pool *pool; /* held */
    wr_bag_view_block *blocks;
    uint32_t count;
} wr_bag_view;
weir_status wr_bags_freeze(const wr_bags *bags, wr_bag_view *view);
/* Contents and counts of all rows, a section a block. */
weir_status wr_bag_view_write(const wr_bag_view *view, wr_snapshot_writer *to);
void wr_bag_view_release(wr_bag_view *view);
/* A section for every shard that holds a time alone. */
void wr_bag_write_time(wr_snapshot_writer *to, wr_time time);
/* The rows written, a batch at a time (diffs are their counts), with their partition's `touched`;
 * rows NULL: a section that holds a time alone. */
typedef weir_status (*wr_bags_rows)(void *user, const wr_batch *rows, wr_time touched);
weir_status wr_bags_read(wr_snapshot_reader *from, wr_budget *budget, const wr_schema *schema,
                         wr_bags_rows rows, void *user);
