/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/batch.h -- up to 4,096 rows as columns: what flows.
 *
 * Place       made by decoders and operators; moves through operator chains, exchanges and streams.
 * State       refcounted; immutable once emitted (wr_batch_unique makes a private shallow copy).
 * Invariants  B1  row_count rows are visible: all the first row_count physical rows when selection
 *                 is NULL, else those listed, ascending, without repeats
 *             B2  diff == NULL means +1 for each row; else int64 by PHYSICAL row, never 0 where selected
 *             B3  watermark_before <= watermark_after; along one stream shard each batch's
 *                 watermark_before >= the last one's watermark_after
 *             B4  row_watermark, when present, is by PHYSICAL row, ascending over the source's order, and not
 *                 below watermark_before; it judges lateness of that row.  It is above watermark_after only
 *                 where a task with several inputs stands behind the input the row came from
 *             B5  a batch with row_count 0 may carry a watermark, a barrier or the end
 *             B6  a column that nobody reads may be absent: columns[i] == NULL
 * Only `make` functions here and the maker of a batch write its fields.
 */
#pragma once

#include "data/column.h"
#include "data/schema.h"

typedef uint64_t wr_epoch;

typedef enum wr_batch_mark {
    WR_MARK_NONE,
    WR_MARK_BARRIER, /* `epoch` ends here: snapshot, then go on         */
    WR_MARK_EPOCH,   /* `epoch` ends here, and nothing is asked for     */
    WR_MARK_END,     /* nothing follows; watermark_after is WR_TIME_END */
} wr_batch_mark;

typedef struct wr_batch {
    _Atomic uint32_t refs;
    uint16_t         column_count;
    uint8_t          mark;           /* wr_batch_mark; a marked batch has no rows          */
    uint8_t          live;           /* 1: watermark_after moved by a live source          */
    uint8_t          goes_on;        /* 1, in a stream that changes: the next batch of the shard is
                                        part of the same change (runtime/output_impl.h: O4)   */
    uint32_t         row_count;      /* visible rows                                       */
    uint32_t         physical_count; /* rows the columns hold                              */
    uint16_t        *selection;      /* row_count ascending physical rows, or NULL         */
    int64_t         *diff;           /* by physical row, or NULL                           */
    wr_time         *row_watermark;  /* by physical row, or NULL                           */
    wr_time          watermark_before, watermark_after;
    wr_time          time_min, time_max; /* of the time column; START/END when unknown     */
    wr_epoch         epoch;          /* of a mark: the one that ends; in a stream: the newest that has
                                        ended in the shard, set on publish               */
    uint64_t         sequence;       /* in its stream shard, set on publish                */
    wr_time          arrived;        /* engine clock when the source made it: latency      */
    wr_budget       *budget;         /* that its parts are charged to                      */
    wr_column       *columns[];      /* column_count, each retained                        */
} wr_batch;

/* No rows; columns NULL, to be filled by the maker (takes what it puts there).  NULL: no memory.
 * Watermarks START, times START/END. */
wr_batch *wr_batch_create(wr_budget *budget, uint32_t column_count);
/* An empty batch that only carries a watermark (before..after), or a barrier, or the end. */
wr_batch *wr_batch_create_watermark(wr_budget *budget, wr_time before, wr_time after);
wr_batch *wr_batch_create_barrier(wr_budget *budget, wr_epoch epoch, wr_time watermark);
wr_batch *wr_batch_create_epoch(wr_budget *budget, wr_epoch epoch, wr_time watermark);
wr_batch *wr_batch_create_end(wr_budget *budget, wr_time watermark_before);
/* The one of these that `mark` says; NONE: the watermark alone, as it is. */
wr_batch *wr_batch_create_mark(wr_budget *budget, wr_batch_mark mark, wr_epoch epoch, wr_time watermark);
static inline wr_batch *
wr_batch_retain(wr_batch *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}
void wr_batch_release(wr_batch *batch); /* NULL is allowed */

static inline bool
wr_batch_ends_epoch(const wr_batch *b)
{
    return b->mark == WR_MARK_BARRIER || b->mark == WR_MARK_EPOCH;
}

static inline uint32_t
wr_batch_row(const wr_batch *b, uint32_t i) /* i-th visible row -> physical row */
{
    return b->selection != NULL ? b->selection[i] : i;
}
static inline int64_t
wr_batch_diff(const wr_batch *b, uint32_t physical)
{
    return b->diff != NULL ? b->diff[physical] : 1;
}
/* The watermark that judges a physical row (design 12.1). */
static inline wr_time
wr_batch_row_watermark(const wr_batch *b, uint32_t physical)
{
    return b->row_watermark != NULL ? b->row_watermark[physical] : b->watermark_before;
}

/* Everything that is not columns: watermarks, times, epoch, arrived, mark. */
void wr_batch_copy_header(wr_batch *to, const wr_batch *from);
/* A private shallow copy: columns shared, selection/diff/row_watermark copied.  Returns owned. */
wr_batch *wr_batch_copy(wr_budget *budget, const wr_batch *batch);
/* The batch itself when refs == 1 (consumes the reference), else a shallow copy (releases the original). NULL: no memory, batch released. */
wr_batch *wr_batch_unique(wr_batch *batch);
/* A batch sharing columns, with only selection[0..count) of batch's PHYSICAL rows; copies the array. */
wr_batch *wr_batch_select(wr_budget *budget, const wr_batch *batch, const uint16_t *selection,
                          uint32_t count);
/* The same rows with columns picked/reordered: columns[i] = batch->columns[map[i]]. */
wr_batch *wr_batch_pick(wr_budget *budget, const wr_batch *batch, const uint32_t *map, uint32_t count);
/* No selection, only visible rows, own strings when copy_strings.  Returns owned; may be batch itself, retained. */
wr_batch *wr_batch_compact(wr_budget *budget, wr_batch *batch, bool copy_strings);
/* Visible rows [from, from+count) as a batch of their own (header copied; shares columns). */
wr_batch *wr_batch_slice(wr_budget *budget, const wr_batch *batch, uint32_t from, uint32_t count);
/* Weight for ring and queue limits. */
size_t    wr_batch_bytes(const wr_batch *batch);
/* Debug check of B1..B5 and of each column. */
void      wr_batch_check(const wr_batch *batch);
/* min and max of a time column over the visible rows (NULLs skipped); sets time_min/time_max. */
void      wr_batch_set_times(wr_batch *batch, int32_t time_column);

/*
 * wr_batch_builder -- append rows one at a time or in runs, take a full batch.
 * The slow, general way; decoders write columns directly.
 */
typedef struct wr_batch_builder {
    wr_budget       *budget;
    const wr_schema *schema; /* borrowed */
    wr_batch        *batch;  /* under construction, or NULL */
    bool             with_diff;
} wr_batch_builder;
void        wr_batch_builder_init(wr_batch_builder *b, wr_budget *budget, const wr_schema *schema);
void        wr_batch_builder_fini(wr_batch_builder *b);
/* The batch under construction, columns allocated to WR_BATCH_ROWS_MAX rows (grown lazily from `expected`). */
weir_status wr_batch_builder_open(wr_batch_builder *b, uint32_t expected, wr_batch **batch);
weir_status wr_batch_builder_add(wr_batch_builder *b, const wr_value *values, int64_t diff);
bool        wr_batch_builder_full(const wr_batch_builder *b);
uint32_t    wr_batch_builder_count(const wr_batch_builder *b);
/* Returns owned; NULL when empty.  The builder starts anew. */
wr_batch   *wr_batch_builder_take(wr_batch_builder *b);
