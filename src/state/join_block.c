/* SPDX-License-Identifier: Apache-2.0 */
/* state/join_block.c -- rows of a join as columns: append, freeze (see join_side.h). */
#include "state/join_side_impl.h"

#include <string.h>

enum { BLOCK_ROWS_MIN = 16, META_POOL_BYTES = 192 << 10, META_POOL_BLOCKS = 8 };

static void
marks_release(wr_join_marks *m)
{
    if (m != NULL && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        wr_free(m->diffs);
        wr_free(m);
    }
}

static wr_join_marks *
marks_create(wr_budget *budget, uint32_t capacity, bool diffs)
{
    wr_join_marks *m = wr_calloc(budget, 1, sizeof *m + capacity);
    if (m == NULL)
        return NULL;
    atomic_init(&m->refs, 1);
    m->capacity = capacity;
    if (diffs && (m->diffs = wr_alloc(budget, capacity * sizeof *m->diffs)) == NULL) {
        wr_free(m);
        return NULL;
    }
    return m;
}

/* Replace a block's marks by a private copy with this capacity. */
static weir_status
marks_replace(wr_join_side *side, wr_join_block *block, uint32_t capacity, bool diffs)
{
    wr_join_marks *old = block->marks;
    wr_join_marks *m = marks_create(side->budget, capacity, diffs);
    if (m == NULL)
        return WEIR_MEMORY;
    memcpy(m->marks, old->marks, WR_MIN(old->capacity, capacity));
    for (uint32_t i = 0; m->diffs != NULL && i < capacity; i++)
        m->diffs[i] = old->diffs != NULL && i < old->capacity ? old->diffs[i] : 1;
    block->marks = m;
    marks_release(old);
    return WEIR_OK;
}

weir_status
wr_join_marks_own(wr_join_side *side, wr_join_block *block)
{
    if (WR_LIKELY(atomic_load_explicit(&block->marks->refs, memory_order_acquire) == 1))
        return WEIR_OK;
    return marks_replace(side, block, block->marks->capacity, block->marks->diffs != NULL);
}

weir_status
wr_join_marks_need_diffs(wr_join_side *side, wr_join_block *block)
{
    if (block->marks->diffs != NULL)
        return WEIR_OK;
    return marks_replace(side, block, block->marks->capacity, true);
}

/* By the side's thread, or, where a snapshot is done with it, by any. */
static void
block_unref(wr_join_block *block, bool elsewhere)
{
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t c = 0; c < block->column_count; c++)
        wr_column_release(block->columns[c]);
    wr_arena_fini(&block->keys);
    wr_free(block->untils);
    if (!block->pooled)
        wr_free(block->meta);
    else if (elsewhere)
        wr_pool_free_elsewhere(block->meta);
    else
        wr_pool_free(block->meta);
    wr_free(block);
}

void
wr_join_block_release(wr_join_block *block)
{
    marks_release(block->marks); /* a view holds its own */
    block->marks = NULL;
    block_unref(block, false);
}

/* Room for so many rows' metas, those of from before.  Of full blocks they are brought together on large pages: chains
 * lead through them in no order.  NULL: no memory. */
static char *
meta_create(wr_join_side *side, const wr_join_bucket *bucket, uint32_t rows,
            const wr_join_block *from, bool *pooled)
{
    size_t bytes = (size_t) rows * side->meta_bytes;
    *pooled = rows == WR_BATCH_ROWS_MAX && bytes <= META_POOL_BYTES &&
              bucket->block_count - bucket->dropped >= META_POOL_BLOCKS;
    if (*pooled && side->pool == NULL)
        side->pool = wr_pool_create_for(side->budget, bytes, true);
    *pooled = *pooled && side->pool != NULL;
    char *meta = *pooled ? wr_pool_alloc(side->pool, bytes) : wr_alloc(side->budget, bytes);
    if (meta != NULL && from != NULL)
        memcpy(meta, from->meta, (size_t) from->count * side->meta_bytes);
    return meta;
}

/* Rows to make room for: as many as the block before had, or the bucket before where it filled one. */
static uint32_t
block_first_rows(const wr_join_side *side, const wr_join_bucket *bucket)
{
    uint32_t rows = BLOCK_ROWS_MIN;
    if (bucket->block_count > bucket->dropped)
        rows = bucket->blocks[bucket->block_count - 1]->count;
    else if (side->bucket_count > 1 && side->buckets[side->bucket_count - 2]->block_count > 1)
        rows = WR_BATCH_ROWS_MAX;
    return WR_MIN(WR_MAX(rows, (uint32_t) BLOCK_ROWS_MIN), (uint32_t) WR_BATCH_ROWS_MAX);
}

static weir_status
block_create(wr_join_side *side, wr_join_bucket *bucket, const wr_batch *batch, wr_join_block **out)
{
    uint32_t       columns = batch->column_count;
    wr_join_block *b = wr_calloc(side->budget, 1, sizeof *b + columns * sizeof b->columns[0]);
    if (b == NULL)
        return WEIR_MEMORY;
    atomic_init(&b->refs, 1);
    b->column_count = columns;
    b->capacity = block_first_rows(side, bucket);
    b->bucket = bucket;
    b->until_max = WR_TIME_START;
    wr_arena_init(&b->keys, side->budget);
    b->meta = meta_create(side, bucket, b->capacity, NULL, &b->pooled);
    b->marks = marks_create(side->budget, b->capacity, false);
    if (side->keeps_untils)
        b->untils = wr_alloc(side->budget, b->capacity * sizeof *b->untils);
    bool whole = b->meta != NULL && b->marks != NULL &&
                 (b->untils != NULL || !side->keeps_untils);
    for (uint32_t c = 0; c < columns && whole; c++) {
        const wr_column *from = batch->columns[c];
        if (from == NULL)
            continue;
        const wr_column *base = wr_column_base(from);
        b->columns[c] =
            from->type.id == WR_NUMERIC
                ? wr_column_create_decimal(side->budget, from->type, (wr_decimal_form) base->form,
                                           base->scale, b->capacity)
                : wr_column_create(side->budget, from->type, b->capacity);
        whole = b->columns[c] != NULL;
    }
    if (!whole) {
        wr_join_block_release(b);
        return WEIR_MEMORY;
    }
    *out = b;
    return WEIR_OK;
}

static bool
block_fits(const wr_join_block *b, const wr_batch *batch)
{
    if (b->sealed || b->count == WR_BATCH_ROWS_MAX)
        return false;
    for (uint32_t c = 0; c < b->column_count; c++)
        if ((b->columns[c] == NULL) != (batch->columns[c] == NULL))
            return false;
    return true;
}

static weir_status
block_reserve(wr_join_side *side, wr_join_block *b, uint32_t rows)
{
    if (rows <= b->capacity)
        return WEIR_OK;
    uint32_t capacity = WR_MIN(WR_MAX(b->capacity * 2, rows), (uint32_t) WR_BATCH_ROWS_MAX);
    bool     pooled;
    char    *meta = meta_create(side, b->bucket, capacity, b, &pooled);
    if (meta == NULL)
        return WEIR_MEMORY;
    wr_assert(!b->pooled);
    wr_free(b->meta);
    b->meta = meta;
    b->pooled = pooled;
    if (side->keeps_untils) {
        void *untils = wr_realloc(side->budget, b->untils, capacity * sizeof *b->untils);
        if (untils == NULL)
            return WEIR_MEMORY;
        b->untils = untils;
    }
    WR_TRY(marks_replace(side, b, capacity, b->marks->diffs != NULL));
    b->capacity = capacity;
    return WEIR_OK;
}

static weir_status
blocks_push(wr_join_side *side, wr_join_bucket *bucket, wr_join_block *block)
{
    if (bucket->block_count == bucket->block_capacity) {
        uint32_t capacity = WR_MAX(4u, bucket->block_capacity * 2);
        void *blocks = wr_realloc(side->budget, bucket->blocks, capacity * sizeof *bucket->blocks);
        if (blocks == NULL)
            return WEIR_MEMORY;
        bucket->blocks = blocks;
        bucket->block_capacity = capacity;
    }
    if (bucket->block_count >= UINT32_MAX >> 12)
        return WEIR_MEMORY;
    bucket->blocks[bucket->block_count++] = block;
    return WEIR_OK;
}

weir_status
wr_join_block_append(wr_join_side *side, wr_join_bucket *bucket, const wr_batch *batch,
                     const uint16_t *rows, uint32_t count, wr_join_block **block, uint32_t *first,
                     uint32_t *taken)
{
    wr_join_block *b = NULL;
    if (bucket->block_count > bucket->dropped)
        b = bucket->blocks[bucket->block_count - 1];
    if (b == NULL || !block_fits(b, batch)) {
        WR_TRY(block_create(side, bucket, batch, &b));
        weir_status status = blocks_push(side, bucket, b);
        if (status != WEIR_OK) {
            wr_join_block_release(b);
            return status;
        }
    }
    uint32_t n = WR_MIN(count, WR_BATCH_ROWS_MAX - b->count);
    WR_TRY(block_reserve(side, b, b->count + n));
    for (uint32_t c = 0; c < b->column_count; c++)
        if (b->columns[c] != NULL)
            WR_TRY(wr_column_append(b->columns[c], b->count, batch->columns[c], rows, n, true));
    bool diffs = b->marks->diffs != NULL;
    for (uint32_t i = 0; batch->diff != NULL && i < n && !diffs; i++)
        diffs = wr_batch_diff(batch, rows[i]) != 1;
    if (diffs) {
        WR_TRY(wr_join_marks_need_diffs(side, b));
        for (uint32_t i = 0; i < n; i++)
            b->marks->diffs[b->count + i] = wr_batch_diff(batch, rows[i]);
    }
    *block = b;
    *first = (bucket->block_count - 1) << 12 | b->count;
    *taken = n;
    b->count += n;
    return WEIR_OK;
}

/* --- frozen --- */

weir_status
wr_join_side_freeze(wr_join_side *side, wr_join_view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++)
        count += side->buckets[i]->block_count - side->buckets[i]->dropped;
    *view = (wr_join_view){ 0 };
    view->blocks = wr_alloc(side->budget, count * sizeof *view->blocks);
    if (view->blocks == NULL)
        return WEIR_MEMORY;
    view->pool = side->pool;
    if (view->pool != NULL)
        wr_pool_hold(view->pool);
    for (uint32_t i = 0; i < side->bucket_count; i++)
        for (uint32_t j = side->buckets[i]->dropped; j < side->buckets[i]->block_count; j++) {
            wr_join_block *b = side->buckets[i]->blocks[j];
            b->sealed = true; /* S2 */
            atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
            atomic_fetch_add_explicit(&b->marks->refs, 1, memory_order_relaxed);
            view->blocks[view->count++] = (wr_join_view_block){ b, b->marks };
        }
    return WEIR_OK;
}

void
wr_join_view_release(wr_join_view *view)
{
    for (uint32_t i = 0; i < view->count; i++) {
        marks_release(view->blocks[i].marks);
        block_unref(view->blocks[i].block, true);
    }
    wr_pool_release(view->pool);
    wr_free(view->blocks);
    *view = (wr_join_view){ 0 };
}
