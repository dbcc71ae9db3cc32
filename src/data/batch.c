/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/batch.c -- rows as columns: life, views of one batch as another, the check (see batch.h).
 *
 * Cost        select, pick, slice and copy share columns and cost a retain each; arrays by row
 *             (selection, diff, row_watermark) belong to one batch and are copied.
 */
#include "data/batch.h"

#include "data/column_impl.h"
#include "data/datetime.h"

#include <string.h>

wr_batch *
wr_batch_create(wr_budget *budget, uint32_t column_count)
{
    wr_assert(column_count <= UINT16_MAX);
    wr_batch *b = wr_calloc(budget, 1, sizeof *b + column_count * sizeof b->columns[0]);
    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 1);
    b->column_count = (uint16_t) column_count;
    b->watermark_before = WR_TIME_START;
    b->watermark_after = WR_TIME_START;
    b->time_min = WR_TIME_START;
    b->time_max = WR_TIME_END;
    b->budget = budget;
    return b;
}

wr_batch *
wr_batch_create_watermark(wr_budget *budget, wr_time before, wr_time after)
{
    wr_assert(before <= after); /* B3 */
    wr_batch *b = wr_batch_create(budget, 0);
    if (b != NULL) {
        b->watermark_before = before;
        b->watermark_after = after;
    }
    return b;
}

wr_batch *
wr_batch_create_barrier(wr_budget *budget, wr_epoch epoch, wr_time watermark)
{
    wr_batch *b = wr_batch_create_watermark(budget, watermark, watermark);
    if (b != NULL) {
        b->mark = WR_MARK_BARRIER;
        b->epoch = epoch;
    }
    return b;
}

wr_batch *
wr_batch_create_epoch(wr_budget *budget, wr_epoch epoch, wr_time watermark)
{
    wr_batch *b = wr_batch_create_barrier(budget, epoch, watermark);
    if (b != NULL)
        b->mark = WR_MARK_EPOCH;
    return b;
}

wr_batch *
wr_batch_create_end(wr_budget *budget, wr_time watermark_before)
{
    wr_batch *b = wr_batch_create_watermark(budget, watermark_before, WR_TIME_END);
    if (b != NULL)
        b->mark = WR_MARK_END;
    return b;
}

wr_batch *
wr_batch_create_mark(wr_budget *budget, wr_batch_mark mark, wr_epoch epoch, wr_time watermark)
{
    switch (mark) {
    case WR_MARK_BARRIER: return wr_batch_create_barrier(budget, epoch, watermark);
    case WR_MARK_EPOCH: return wr_batch_create_epoch(budget, epoch, watermark);
    case WR_MARK_END: return wr_batch_create_end(budget, watermark);
    case WR_MARK_NONE: return wr_batch_create_watermark(budget, watermark, watermark);
    }
    wr_unreachable();
}

void
wr_batch_release(wr_batch *batch)
{
    if (batch == NULL)
        return;
    uint32_t was = atomic_fetch_sub_explicit(&batch->refs, 1, memory_order_acq_rel);
    wr_assert(was > 0);
    if (was > 1)
        return;
    for (uint32_t i = 0; i < batch->column_count; i++)
        wr_column_release(batch->columns[i]);
    wr_free(batch->selection);
    wr_free(batch->diff);
    wr_free(batch->row_watermark);
    wr_free(batch);
}

void
wr_batch_copy_header(wr_batch *to, const wr_batch *from)
{
    to->mark = from->mark;
    to->live = from->live;
    to->watermark_before = from->watermark_before;
    to->watermark_after = from->watermark_after;
    to->time_min = from->time_min;
    to->time_max = from->time_max;
    to->epoch = from->epoch;
    to->sequence = from->sequence;
    to->arrived = from->arrived;
    to->goes_on = from->goes_on;
}

static bool
array_copy(wr_budget *budget, const void *from, size_t bytes, void *to)
{
    void *copy = NULL;
    if (from != NULL) {
        copy = wr_alloc(budget, bytes);
        if (copy == NULL)
            return false;
        memcpy(copy, from, bytes);
    }
    memcpy(to, &copy, sizeof copy); /* *to is a pointer of whatever kind */
    return true;
}

/* Another batch over (some of) the same columns, all physical rows, no selection.  Owned. */
static wr_batch *
batch_share(wr_budget *budget, const wr_batch *from, const uint32_t *map, uint32_t count)
{
    wr_batch *b = wr_batch_create(budget, count);
    if (b == NULL)
        return NULL;
    wr_batch_copy_header(b, from);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t c = map != NULL ? map[i] : i;
        wr_assert(c < from->column_count);
        if (from->columns[c] != NULL)
            b->columns[i] = wr_column_retain(from->columns[c]);
    }
    size_t rows = from->physical_count;
    if (!array_copy(budget, from->diff, rows * sizeof *from->diff, &b->diff) ||
        !array_copy(budget, from->row_watermark, rows * sizeof *from->row_watermark,
                    &b->row_watermark)) {
        wr_batch_release(b);
        return NULL;
    }
    b->physical_count = from->physical_count;
    b->row_count = from->physical_count;
    return b;
}

wr_batch *
wr_batch_pick(wr_budget *budget, const wr_batch *batch, const uint32_t *map, uint32_t count)
{
    wr_batch *b = batch_share(budget, batch, map, count);
    if (b == NULL)
        return NULL;
    if (!array_copy(budget, batch->selection, batch->row_count * sizeof *batch->selection,
                    &b->selection)) {
        wr_batch_release(b);
        return NULL;
    }
    b->row_count = batch->row_count;
    return b;
}

wr_batch *
wr_batch_copy(wr_budget *budget, const wr_batch *batch)
{
    return wr_batch_pick(budget, batch, NULL, batch->column_count);
}

wr_batch *
wr_batch_unique(wr_batch *batch)
{
    if (atomic_load_explicit(&batch->refs, memory_order_acquire) == 1)
        return batch;
    wr_batch *b = wr_batch_copy(batch->budget, batch);
    wr_batch_release(batch);
    return b;
}

wr_batch *
wr_batch_select(wr_budget *budget, const wr_batch *batch, const uint16_t *selection,
                uint32_t count)
{
    wr_assert(count <= batch->physical_count); /* B1 */
    wr_batch *b = batch_share(budget, batch, NULL, batch->column_count);
    if (b == NULL)
        return NULL;
    if (count == batch->physical_count)
        return b; /* ascending without repeats: all of them */
    if (!array_copy(budget, selection, count * sizeof *selection, &b->selection)) {
        wr_batch_release(b);
        return NULL;
    }
    b->row_count = count;
    return b;
}

wr_batch *
wr_batch_slice(wr_budget *budget, const wr_batch *batch, uint32_t from, uint32_t count)
{
    wr_assert(from <= batch->row_count && count <= batch->row_count - from);
    if (batch->selection != NULL)
        return wr_batch_select(budget, batch, batch->selection + from, count);
    wr_batch *b = batch_share(budget, batch, NULL, batch->column_count);
    if (b == NULL)
        return NULL;
    b->row_count = count;
    if (from == 0)
        return b;
    b->selection = wr_alloc(budget, count * sizeof *b->selection);
    if (b->selection == NULL) {
        wr_batch_release(b);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++)
        b->selection[i] = (uint16_t) (from + i);
    return b;
}

/* --- compaction --- */

/* True when the column's strings already lie in heaps made by columns and mostly used by this one
 * (or in a pool), so that keeping it pins nothing else. */
static bool
column_owns_strings(const wr_column *c, uint32_t rows)
{
    enum { SLACK_BYTES = 8192 };
    size_t held = 0, used = 0;
    if (c->dictionary != NULL)
        return c->dictionary->heap_count == 0;
    if (c->heap_count == 0)
        return true;
    for (uint32_t i = 0; i < c->heap_count; i++) {
        if (c->heaps[i]->kind == WR_BUFFER_INPUT)
            return false;
        held += c->heaps[i]->kind == WR_BUFFER_HEAP ? c->heaps[i]->capacity : 0;
    }
    if (c->layout == WR_FLAT && wr_column_holds_views(c))
        for (uint32_t r = 0; r < rows && used < held / 2; r++) {
            uint32_t length = ((const wr_string *) c->data)[r].length;
            used += length > WR_STRING_INLINE_MAX ? length : 0;
        }
    return held <= SLACK_BYTES || held / 2 <= used;
}

static wr_column *
dictionary_gather(wr_budget *budget, const wr_column *c, const uint16_t *rows, uint32_t count)
{
    wr_column *made = wr_column_create_dictionary(budget, c->dictionary, count);
    if (made == NULL)
        return NULL;
    const uint16_t *from = c->data;
    uint16_t       *to = made->data;
    for (uint32_t i = 0; i < count; i++)
        to[i] = from[rows[i]];
    return made;
}

/* rows NULL: the first count.  Owned; may be the column itself, retained. */
static wr_column *
column_compact(wr_budget *budget, wr_column *c, const uint16_t *rows, uint32_t count,
               bool copy_strings)
{
    bool own = !copy_strings || column_owns_strings(c, rows == NULL ? count : 0);
    if (own && (rows == NULL || c->layout == WR_CONSTANT))
        return wr_column_retain(c);
    if (own && c->layout == WR_DICTIONARY)
        return dictionary_gather(budget, c, rows, count);
    if (!copy_strings)
        return wr_column_gather(budget, c, rows, count);
    if (c->layout == WR_CONSTANT)
        count = 1;
    const wr_column *base = wr_column_base(c);
    wr_column       *made =
        c->type.id == WR_NUMERIC
            ? wr_column_create_decimal(budget, c->type, (wr_decimal_form) base->form, base->scale,
                                       count)
            : wr_column_create(budget, c->type, count);
    if (made == NULL)
        return NULL;
    if (wr_column_append(made, 0, c, c->layout == WR_CONSTANT ? NULL : rows, count, true) !=
        WEIR_OK) {
        wr_column_release(made);
        return NULL;
    }
    if (c->layout == WR_CONSTANT)
        made->layout = WR_CONSTANT;
    return made;
}

static int64_t *
longs_gather(wr_budget *budget, const int64_t *from, const uint16_t *rows, uint32_t count)
{
    int64_t *to = wr_alloc(budget, count * sizeof *to);
    for (uint32_t i = 0; to != NULL && i < count; i++)
        to[i] = from[rows != NULL ? rows[i] : i];
    return to;
}

static bool
batch_strings_owned(const wr_batch *b)
{
    for (uint32_t i = 0; i < b->column_count; i++)
        if (b->columns[i] != NULL && !column_owns_strings(b->columns[i], b->row_count))
            return false;
    return true;
}

wr_batch *
wr_batch_compact(wr_budget *budget, wr_batch *batch, bool copy_strings)
{
    const uint16_t *rows = batch->selection;
    uint32_t        count = batch->row_count;
    bool            whole = rows == NULL && count == batch->physical_count;
    if (whole && (!copy_strings || batch_strings_owned(batch)))
        return wr_batch_retain(batch);
    wr_batch *b = wr_batch_create(budget, batch->column_count);
    if (b == NULL)
        return NULL;
    wr_batch_copy_header(b, batch);
    b->row_count = count;
    b->physical_count = count;
    for (uint32_t i = 0; i < batch->column_count; i++) {
        if (batch->columns[i] == NULL)
            continue; /* B6 */
        b->columns[i] = column_compact(budget, batch->columns[i], rows, count, copy_strings);
        if (b->columns[i] == NULL)
            goto fail;
    }
    if (batch->diff != NULL &&
        (b->diff = longs_gather(budget, batch->diff, rows, count)) == NULL)
        goto fail;
    if (batch->row_watermark != NULL &&
        (b->row_watermark = longs_gather(budget, batch->row_watermark, rows, count)) == NULL)
        goto fail;
    return b;
fail:
    wr_batch_release(b);
    return NULL;
}

/* --- weight, times, check --- */

size_t
wr_batch_bytes(const wr_batch *batch)
{
    size_t bytes = sizeof *batch + batch->column_count * sizeof batch->columns[0];
    for (uint32_t i = 0; i < batch->column_count; i++)
        bytes += batch->columns[i] != NULL ? wr_column_bytes(batch->columns[i]) : 0;
    if (batch->selection != NULL)
        bytes += batch->row_count * sizeof *batch->selection;
    if (batch->diff != NULL)
        bytes += batch->physical_count * sizeof *batch->diff;
    if (batch->row_watermark != NULL)
        bytes += batch->physical_count * sizeof *batch->row_watermark;
    return bytes;
}

void
wr_batch_set_times(wr_batch *batch, int32_t time_column)
{
    batch->time_min = WR_TIME_START;
    batch->time_max = WR_TIME_END;
    if (time_column < 0 || batch->row_count == 0)
        return;
    wr_assert(time_column < batch->column_count);
    const wr_column *c = batch->columns[time_column], *base = wr_column_base(c);
    wr_time          least = WR_TIME_END, most = WR_TIME_START;
    wr_assert(wr_type_is_time(c->type));
    if (c->layout == WR_FLAT && c->valid == NULL && batch->selection == NULL &&
        c->type.id != WR_DATE) {
        const wr_time *t = c->data;
        for (uint32_t r = 0; r < batch->row_count; r++) {
            least = WR_MIN(least, t[r]);
            most = WR_MAX(most, t[r]);
        }
    } else {
        for (uint32_t i = 0; i < batch->row_count; i++) {
            uint32_t row = wr_batch_row(batch, i);
            if (wr_column_is_null(c, row))
                continue;
            uint32_t at = wr_column_index(c, row);
            wr_time  t = c->type.id == WR_DATE ? wr_date_time(((const int32_t *) base->data)[at])
                                               : ((const wr_time *) base->data)[at];
            least = WR_MIN(least, t);
            most = WR_MAX(most, t);
        }
    }
    if (least <= most) {
        batch->time_min = least;
        batch->time_max = most;
    }
}

void
wr_batch_check(const wr_batch *batch)
{
    wr_assert(atomic_load_explicit(&batch->refs, memory_order_relaxed) > 0);
    wr_assert(batch->row_count <= batch->physical_count); /* B1 */
    wr_assert(batch->mark == WR_MARK_NONE || batch->row_count == 0);
    wr_assert(batch->watermark_before <= batch->watermark_after); /* B3 */
    wr_assert(batch->time_min <= batch->time_max);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = wr_batch_row(batch, i);
        wr_assert(row < batch->physical_count);
        wr_assert(i == 0 || row > wr_batch_row(batch, i - 1)); /* B1 */
        wr_assert(wr_batch_diff(batch, row) != 0);             /* B2 */
        if (batch->row_watermark != NULL)                      /* B4 */
            wr_assert(batch->row_watermark[row] >= batch->watermark_before);
    }
    for (uint32_t i = 0; i < batch->column_count; i++)
        if (batch->columns[i] != NULL)
            wr_column_check(batch->columns[i], batch->physical_count);
}
