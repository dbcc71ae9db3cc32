/* SPDX-License-Identifier: Apache-2.0 */
/* state/join_block.c -- rows of a join as columns: append, gather, freeze (see join_side.h). */
#include "state/join_side_impl.h"

#include <string.h>

enum { BLOCK_ROWS_MIN = 16 };

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

static void
block_unref(wr_join_block *block)
{
    if (atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (uint32_t c = 0; c < block->column_count; c++)
        wr_column_release(block->columns[c]);
    wr_free(block->meta);
    wr_free(block);
}

void
wr_join_block_release(wr_join_block *block)
{
    marks_release(block->marks); /* a view holds its own */
    block->marks = NULL;
    block_unref(block);
}

static weir_status
block_create(wr_join_side *side, const wr_batch *batch, wr_join_block **out)
{
    uint32_t       columns = batch->column_count;
    wr_join_block *b = wr_calloc(side->budget, 1, sizeof *b + columns * sizeof b->columns[0]);
    if (b == NULL)
        return WEIR_MEMORY;
    atomic_init(&b->refs, 1);
    b->column_count = columns;
    b->capacity = BLOCK_ROWS_MIN;
    b->meta = wr_alloc(side->budget, b->capacity * sizeof *b->meta);
    b->marks = marks_create(side->budget, b->capacity, false);
    bool whole = b->meta != NULL && b->marks != NULL;
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
    void    *meta = wr_realloc(side->budget, b->meta, capacity * sizeof *b->meta);
    if (meta == NULL)
        return WEIR_MEMORY;
    b->meta = meta;
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
    wr_join_block *b = bucket->block_count > 0 ? bucket->blocks[bucket->block_count - 1] : NULL;
    if (b == NULL || !block_fits(b, batch)) {
        WR_TRY(block_create(side, batch, &b));
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
    for (uint32_t i = 0; i < n && !diffs; i++)
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

/* --- gather --- */

#define GATHER(T)                                                                                  \
    do {                                                                                           \
        T *to = made->data;                                                                        \
        for (uint32_t i = 0; i < count; i++)                                                       \
            to[i] = ((const T *) rows[i].block->columns[c]->data)[rows[i].row];                    \
    } while (0)

typedef struct wide {
    uint64_t low, high;
} __attribute__((may_alias)) wide;

static void
gather_data(wr_column *made, uint32_t c, const wr_join_row *rows, uint32_t count)
{
    switch (wr_column_width(made)) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    default: GATHER(wide); break;
    }
}

/* What the rows' blocks have in common. */
typedef struct survey {
    const wr_column *model; /* a column of them; NULL: no row has a block     */
    bool             same;  /* all have model's decimal form and scale        */
    bool             nulls; /* some has NULLs                                 */
    bool             absent; /* some has no such column                       */
    bool             alone; /* some row has no block                          */
} survey;

static survey
gather_survey(wr_join_side *side, uint32_t c, const wr_join_row *rows, uint32_t count)
{
    survey found = { .same = true };
    side->gathers++;
    for (uint32_t i = 0; i < count; i++) {
        wr_join_block *block = rows[i].block;
        found.alone |= block == NULL;
        if (block == NULL || block->seen == side->gathers)
            continue;
        block->seen = side->gathers;
        const wr_column *column = block->columns[c];
        if (column == NULL) {
            found.absent = true;
            continue;
        }
        if (found.model == NULL)
            found.model = column;
        found.same &= column->form == found.model->form && column->scale == found.model->scale;
        found.nulls |= column->valid != NULL;
    }
    return found;
}

static weir_status
gather_heaps(wr_join_side *side, wr_column *made, uint32_t c, const wr_join_row *rows,
             uint32_t count)
{
    side->gathers++;
    for (uint32_t i = 0; i < count; i++) {
        wr_join_block *block = rows[i].block;
        if (block->seen == side->gathers)
            continue;
        block->seen = side->gathers;
        if (block->columns[c]->heap_count > 0)
            WR_TRY(wr_column_adopt_heaps(made, block->columns[c]));
    }
    return WEIR_OK;
}

/* Row by row: forms that differ, rows without a block. */
static weir_status
gather_slowly(wr_column *made, uint32_t c, const wr_join_row *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint16_t row = (uint16_t) rows[i].row;
        if (rows[i].block == NULL)
            WR_TRY(wr_column_set_null(made, i));
        else
            WR_TRY(wr_column_append(made, i, rows[i].block->columns[c], &row, 1, false));
    }
    return WEIR_OK;
}

static weir_status
gather_fast(wr_join_side *side, wr_column *made, uint32_t c, const wr_join_row *rows,
            uint32_t count, bool nulls)
{
    gather_data(made, c, rows, count);
    WR_TRY(gather_heaps(side, made, c, rows, count));
    if (!nulls)
        return WEIR_OK;
    WR_TRY(wr_column_need_valid(made));
    for (uint32_t i = 0; i < count; i++)
        if (wr_column_is_null(rows[i].block->columns[c], rows[i].row))
            wr_bitmap_clear(made->valid, i);
    return WEIR_OK;
}

weir_status
wr_join_side_gather(wr_join_side *side, uint32_t c, const wr_join_row *rows, uint32_t count,
                    wr_budget *budget, wr_column **out)
{
    survey     found = gather_survey(side, c, rows, count);
    wr_column *made;
    *out = NULL;
    if (found.absent)
        return WEIR_OK;
    if (found.model == NULL) {
        wr_value null = wr_value_null(side->schema->fields[c].type);
        *out = wr_column_create_constant(budget, &null);
        return *out != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    if (found.model->type.id == WR_NUMERIC)
        made = wr_column_create_decimal(budget, found.model->type,
                                        (wr_decimal_form) found.model->form, found.model->scale,
                                        count);
    else
        made = wr_column_create(budget, found.model->type, count);
    if (made == NULL)
        return WEIR_MEMORY;
    weir_status status = found.same && !found.alone
                             ? gather_fast(side, made, c, rows, count, found.nulls)
                             : gather_slowly(made, c, rows, count);
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

/* --- frozen --- */

weir_status
wr_join_side_freeze(wr_join_side *side, wr_join_view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++)
        count += side->buckets[i]->block_count;
    view->count = 0;
    view->blocks = wr_alloc(side->budget, count * sizeof *view->blocks);
    if (view->blocks == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < side->bucket_count; i++)
        for (uint32_t j = 0; j < side->buckets[i]->block_count; j++) {
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
        block_unref(view->blocks[i].block);
    }
    wr_free(view->blocks);
    *view = (wr_join_view){ 0 };
}
