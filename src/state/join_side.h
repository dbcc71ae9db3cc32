/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/join_side.h -- the rows of one side of a join, found by key, dropped by time.
 *
 * Layout      buckets by time (bucket = floor(time / width)); each has a table from keys to
 *             chains of rows, and the rows themselves as columns in blocks of up to 4,096:
 *                 key -> first row -> next row ...        a row: block << 12 | row within it
 *             A row has an `until`: it leaves when the watermark W > until.
 * Invariants  S1  a row is in the chain of its key in the bucket of its time, unless its key is
 *                 NULL
 *             S2  a sealed block's columns, times and links are never written again; its marks
 *                 are copied before they are written while a snapshot holds them
 *             S3  along a chain times fall, but for at most the bucket's disorder
 *             S4  a bucket is dropped when all its rows' untils lie before the watermark, and not
 *                 before its unmatched rows have been taken (sides that keep them)
 * Cost        insert: one append a column a run of rows of one bucket; freeze: a retain a block.
 * Threads: one; a wr_join_view may be read and released by another.
 */
#pragma once

#include "state/group_table.h"

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
    wr_time  time, until;
    uint32_t next; /* the next row of the same key, or WR_JOIN_NO_ROW */
} wr_join_meta;

typedef struct wr_join_block {
    _Atomic uint32_t refs;
    uint32_t         count, capacity;
    bool             sealed;
    uint64_t         seen;    /* the gatherer's */
    wr_join_meta    *meta;
    wr_join_marks   *marks;
    uint32_t         column_count;
    wr_column       *columns[]; /* FLAT; NULL where the input has none (B6) */
} wr_join_block;

typedef struct wr_join_waiting {
    wr_time  until;
    uint32_t row;
} wr_join_waiting;

typedef struct wr_join_bucket {
    int64_t          index;
    wr_time          until_max, time_max;
    int64_t          disorder;    /* how far a row has come behind an earlier one's time */
    wr_group_table   keys;        /* user: the first row of the chain       */
    wr_join_block  **blocks;
    uint32_t         block_count, block_capacity;
    uint64_t         rows;        /* live                                   */
    uint64_t         unmatched;   /* of them without a partner              */
    wr_join_waiting *waiting;     /* a heap by until: rows to be taken when they leave unmatched */
    uint32_t         waiting_count, waiting_capacity;
} wr_join_bucket;

typedef struct wr_join_side {
    wr_budget           *budget;
    const wr_key_layout *layout;
    const wr_schema     *schema;
    int64_t              width;       /* of a bucket; 0: one for all          */
    bool                 keeps_unmatched;
    wr_join_bucket     **buckets;     /* by index, ascending                  */
    uint32_t             bucket_count, bucket_capacity;
    uint64_t             gathers;     /* stamps of blocks seen                */
} wr_join_side;

/* One stored row. */
typedef struct wr_join_row {
    wr_join_bucket *bucket;
    wr_join_block  *block;
    uint32_t        row; /* in the block */
} wr_join_row;

void wr_join_side_init(wr_join_side *side, wr_budget *budget, const wr_key_layout *layout,
                       const wr_schema *schema, int64_t width, bool keeps_unmatched);
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

/* Positions [*first, *first + count) of buckets that may hold times in [low, high]. */
uint32_t wr_join_side_seek(const wr_join_side *side, wr_time low, wr_time high, uint32_t *first);
/* First rows of the chains of keys which[0..count), WR_JOIN_NO_ROW where there are none. */
void     wr_join_bucket_heads(const wr_join_bucket *bucket, const wr_row_keys *keys,
                              const uint16_t *which, uint32_t count, uint32_t *heads);
static inline wr_join_row
wr_join_row_at(wr_join_bucket *bucket, uint32_t row)
{
    return (wr_join_row){ bucket, bucket->blocks[row >> 12], row & 4095 };
}
static inline int64_t
wr_join_row_diff(const wr_join_row *row)
{
    const wr_join_marks *m = row->block->marks;
    return m->diffs != NULL ? m->diffs[row->row] : 1;
}
/* Add marks; keeps the bucket's counts. */
weir_status wr_join_row_mark(wr_join_side *side, wr_join_row *row, uint8_t marks);
/* Column c of rows[0..count): shares the strings.  *out NULL when some block does not have the
 * column. */
weir_status wr_join_side_gather(wr_join_side *side, uint32_t c, const wr_join_row *rows,
                                uint32_t count, wr_budget *budget, wr_column **out);

/* Up to max unmatched rows that leave at watermark (WR_TIME_END: also those that never do); they
 * are dead afterwards. */
weir_status wr_join_side_take(wr_join_side *side, wr_time watermark, wr_join_row *rows,
                              uint32_t max, uint32_t *count);
/* Drop buckets whose rows have all left; how many of their rows never found a partner. */
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
} wr_join_view;
weir_status wr_join_side_freeze(wr_join_side *side, wr_join_view *view);
void        wr_join_view_release(wr_join_view *view);
