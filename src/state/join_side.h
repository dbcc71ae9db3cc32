/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/join_side.h -- the rows of one side of a join, found by key, dropped by time.
 *
 * Layout      buckets by time (bucket = floor(time / width)), as wide as the range a row's partners
 *             lie in, so that a row looks into two; each has an index and its rows, as columns in
 *             blocks of up to 4,096 in the order they came:
 *                 tag (upper half of the key's hash) -> newest row -> the row before ...
 *             A row is block << 12 | row within it.  Beside its columns lie its time, the link and
 *             its key.  Rows whose keys share a tag share a chain: who walks it compares.
 *             A row has an `until`: it leaves when the watermark W > until.
 * Invariants  S1  a row is in the chain of its key's tag in the bucket of its time
 *             S2  a sealed block's columns, times, keys and links are never written again; its marks
 *                 are copied before they are written while a snapshot holds them
 *             S3  along a chain times fall, but for at most the bucket's disorder
 *             S4  of a bucket the oldest blocks are dropped, when all their rows' untils lie before
 *                 the watermark, and not before their unmatched rows have been taken (sides that
 *                 keep them); a link that leads below `dropped` is the end of its chain
 * Cost        insert: one append a column a run of rows of one bucket, and one slot; a row's index
 *             is 8 bytes of slot at a load of 0.25 to 0.5.  freeze: a retain a block.
 * Threads: one; a wr_join_view may be read and released by another.
 */
#pragma once

#include "state/key_layout.h"
#include "state/row_pool.h"
#include "state/tag_slots.h"

#include "base/arena.h"
#include "data/schema.h"

#define WR_JOIN_NO_ROW UINT32_MAX

enum wr_join_mark {
    WR_JOIN_MATCHED = 1, /* a partner has been found                         */
    WR_JOIN_DEAD = 2,    /* done with: matches nothing any more       */
};

/* What changes after a row has been stored. */
typedef struct wr_join_marks {
    _Atomic uint32_t refs;
    uint32_t         capacity;
    int64_t         *diffs; /* NULL: all 1 */
    uint8_t          marks[];
} wr_join_marks;

/* What is known of a row beside its columns and marks; written once. */
typedef struct wr_join_meta {
    wr_time  time;
    uint32_t next;  /* the row before of the same tag, or WR_JOIN_NO_ROW    */
    uint32_t check; /* lower half of the key's hash                         */
    uint64_t key[]; /* its words from wr_join_side.key_from on              */
} wr_join_meta;

typedef struct wr_join_bucket wr_join_bucket;

typedef struct wr_join_block {
    _Atomic uint32_t refs;
    uint32_t         count, capacity;
    bool             sealed;
    bool             pooled;    /* meta is a piece of the side's pool        */
    uint32_t         number;    /* the gatherer's, with seen                 */
    uint64_t         seen;
    wr_join_bucket  *bucket;    /* the owner's                               */
    wr_time          until_max;
    char            *meta;      /* wr_join_side.meta_bytes a row             */
    wr_time         *untils;    /* NULL: not kept                            */
    wr_join_marks   *marks;
    wr_arena         keys;      /* bytes of encoded keys                     */
    uint32_t         column_count;
    wr_column       *columns[]; /* FLAT; NULL where the input has none (B6) */
} wr_join_block;

typedef struct wr_join_waiting {
    wr_time  until;
    uint32_t row;
} wr_join_waiting;

struct wr_join_bucket {
    int64_t          index;
    wr_time          until_max, time_max;
    int64_t          disorder;    /* how far a row has come behind an earlier one's time */
    wr_tag_slots     slots;       /* newest rows                            */
    wr_join_block  **blocks;
    uint32_t         dropped;     /* blocks [0, dropped) are gone           */
    uint32_t         block_count, block_capacity;
    uint64_t         rows;        /* live                                   */
    uint64_t         unmatched;   /* of them without a partner              */
    wr_join_waiting *waiting;     /* a heap by until: rows to be taken when they leave unmatched */
    uint32_t         waiting_count, waiting_capacity;
};

typedef struct wr_join_side {
    wr_budget           *budget;
    const wr_key_layout *layout;
    const wr_schema     *schema;
    const uint32_t      *key_columns; /* of the layout's columns, in schema   */
    int64_t              width;       /* of a bucket; 0: one for all          */
    bool                 keeps_unmatched, keeps_untils;
    uint32_t             key_from;    /* first word of a key that is kept     */
    uint32_t             meta_bytes;
    uint32_t             slot_bits;   /* that the last full bucket had        */
    wr_join_bucket     **buckets;     /* by index, ascending                  */
    uint32_t             bucket_count, bucket_capacity;
    uint64_t             gathers;     /* stamps of blocks seen                */
    wr_pool             *pool;        /* of full blocks' metas, once there are many; else NULL */
} wr_join_side;

/* One stored row. */
typedef struct wr_join_row {
    wr_join_block *block;
    uint32_t       row; /* in the block */
} wr_join_row;

enum wr_join_keeps {
    WR_JOIN_UNMATCHED = 1, /* rows that leave unmatched are taken                                */
    WR_JOIN_UNTILS = 2,    /* untils can not be told from times                                  */
    WR_JOIN_NULLS = 4,     /* keys may be NULL                                                   */
};
/* Borrows layout, schema and key_columns. */
void wr_join_side_init(wr_join_side *side, wr_budget *budget, const wr_key_layout *layout,
                       const wr_schema *schema, const uint32_t *key_columns, int64_t width,
                       int keeps);
void wr_join_side_fini(wr_join_side *side);

/* A row to be stored: physical row and key index are given by position in the lists. */
typedef struct wr_join_insert {
    const wr_batch    *batch;
    const wr_row_keys *keys;
    uint32_t           count;
    const uint16_t    *rows;   /* physical                                   */
    const uint16_t    *which;  /* index into keys                            */
    const wr_time     *times;  /* decide the bucket                          */
    const wr_time     *untils;
    const uint8_t     *marks;
} wr_join_insert;
weir_status wr_join_side_insert(wr_join_side *side, const wr_join_insert *rows);

/* --- finding --- */

/* The index of the bucket of time t. */
static inline int64_t
wr_join_side_bucket(const wr_join_side *side, wr_time t)
{
    return side->width == 0 ? 0 : t / side->width - (t % side->width < 0);
}
/* Positions [*first, *first + count) of buckets that may hold times in [low, high]. */
uint32_t wr_join_side_seek(const wr_join_side *side, wr_time low, wr_time high, uint32_t *first);
/* First rows of the chains that keys which[0..count) are in, WR_JOIN_NO_ROW where there are none. */
void     wr_join_bucket_heads(const wr_join_bucket *bucket, const wr_row_keys *keys,
                              const uint16_t *which, uint32_t count, uint32_t *heads);
static inline wr_join_meta *
wr_join_block_meta(const wr_join_side *side, const wr_join_block *block, uint32_t row)
{
    return (wr_join_meta *) (void *) (block->meta + (size_t) row * side->meta_bytes);
}
static inline bool
wr_join_meta_is(const wr_join_side *side, const wr_join_meta *meta, const wr_row_keys *keys,
                uint32_t k)
{
    const wr_key_layout *layout = side->layout;
    const uint64_t      *key = keys->words + (size_t) k * layout->compare_words;
    if (meta->check != (uint32_t) keys->hashes[k])
        return false;
    for (uint32_t w = side->key_from; w < layout->compare_words; w++)
        if (meta->key[w - side->key_from] != key[w])
            return (layout->encoded || layout->has_views) && wr_key_same(layout, meta->key, key);
    return true;
}
static inline int64_t
wr_join_row_diff(const wr_join_row *row)
{
    const wr_join_marks *m = row->block->marks;
    return m->diffs != NULL ? m->diffs[row->row] : 1;
}
/* Add marks; keeps the bucket's counts. */
weir_status wr_join_row_mark(wr_join_side *side, wr_join_row *row, uint8_t marks);

/* --- gathering --- */

/* A list of stored rows and what their blocks have in common. */
typedef struct wr_join_pick {
    uint32_t        count;
    const wr_join_row *rows;
    uint16_t       *at;          /* a row's block, by its place in blocks       */
    wr_join_block **blocks;      /* each once                                   */
    uint32_t        block_count;
    bool            alone;       /* some row has no block                       */
    bool            diffs;       /* some block has diffs                        */
    wr_arena       *arena;
} wr_join_pick;
/* Its lists are the arena's. */
weir_status wr_join_side_pick(wr_join_side *side, const wr_join_row *rows, uint32_t count,
                              wr_arena *arena, wr_join_pick *pick);
/* Column c of the picked rows: shares the strings.  *out NULL when some block does not have the
 * column. */
weir_status wr_join_pick_gather(const wr_join_side *side, const wr_join_pick *pick, uint32_t c,
                                wr_budget *budget, wr_column **out);

/* --- leaving --- */

/* Up to max unmatched rows that leave at watermark (WR_TIME_END: also those that never do); they
 * are dead afterwards. */
weir_status wr_join_side_take(wr_join_side *side, wr_time watermark, wr_join_row *rows,
                              uint32_t max, uint32_t *count);
/* Drop what has left, as far as S4 lets it go; how many of the rows never found a partner. */
uint64_t    wr_join_side_drop(wr_join_side *side, wr_time watermark);
uint64_t    wr_join_side_rows(const wr_join_side *side);

/* --- frozen --- */
typedef struct wr_join_view_block {
    wr_join_block *block; /* retained */
    wr_join_marks *marks; /* retained */
} wr_join_view_block;
typedef struct wr_join_view {
    wr_join_view_block *blocks;
    uint32_t            count;
    wr_pool            *pool; /* held, or NULL */
} wr_join_view;
weir_status wr_join_side_freeze(wr_join_side *side, wr_join_view *view);
void        wr_join_view_release(wr_join_view *view);
