/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/snapshot_batch.c -- a batch's visible rows in a snapshot (see snapshot.h).
 *
 * Format      u64 rows, u64 columns, u8 flags (1: diffs follow the columns, zigzag each); a column:
 *                 u8 type id, u8 element, u8 flags (1: has a bitmap, 2: one value for all rows),
 *                 u8 form, zigzag scale; bitmap: 8 bytes for each 64 rows (1 = has a value);
 *                 fixed widths: the values, little-endian, as many as rows (or one);
 *                 strings: a u64 length each, then all the bytes one after another
 *             A dictionary is written out flat.  Numbers are those of a little-endian machine in
 *             memory, so that both ways are copies.
 * Invariants  S1, S2; rows out are flat or constant columns in batches of the schema's types
 */
#include "data/snapshot.h"

#include "data/column_impl.h"
#include "data/snapshot_impl.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they lie");

enum { BATCH_DIFFS = 1, COLUMN_BITMAP = 1, COLUMN_CONSTANT = 2 };

/* --- writing --- */

static void
put_views(wr_snapshot_writer *w, const wr_string *views, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        wr_snapshot_put_u64(w, views[i].length);
    for (uint32_t i = 0; i < count; i++)
        wr_snapshot_put_raw(w, wr_string_data(&views[i]), views[i].length);
}

/* c is FLAT or CONSTANT and starts with the rows to write. */
static void
put_column(wr_snapshot_writer *w, const wr_column *c, uint32_t rows)
{
    bool    constant = c->layout == WR_CONSTANT;
    uint8_t flags = (c->valid != NULL ? COLUMN_BITMAP : 0) | (constant ? COLUMN_CONSTANT : 0);
    wr_snapshot_put_raw(w, (uint8_t[]){ c->type.id, c->type.element, flags, c->form }, 4);
    wr_snapshot_put_i64(w, c->scale);
    if (constant)
        rows = 1;
    if (rows == 0)
        return;
    if (c->valid != NULL) {
        uint32_t last = (rows - 1) / 64;
        uint64_t word = c->valid[last] | (rows % 64 != 0 ? ~0ull << (rows % 64) : 0);
        wr_snapshot_put_raw(w, c->valid, last * sizeof word);
        wr_snapshot_put_raw(w, &word, sizeof word); /* what lies beyond the rows is always ones */
    }
    if (wr_column_holds_views(c))
        put_views(w, c->data, rows);
    else
        wr_snapshot_put_raw(w, c->data, rows * wr_column_width(c));
}

weir_status
wr_snapshot_put_batch(wr_snapshot_writer *w, const wr_batch *batch)
{
    wr_assert(batch->row_count <= WR_BATCH_ROWS_MAX);
    wr_snapshot_put_u64(w, batch->row_count);
    wr_snapshot_put_u64(w, batch->column_count);
    wr_snapshot_put_raw(w, &(uint8_t){ batch->diff != NULL ? BATCH_DIFFS : 0 }, 1);
    for (uint32_t k = 0; k < batch->column_count; k++) {
        wr_column *c = batch->columns[k], *flat = c;
        wr_assert(c != NULL); /* what nobody reads is in no state (B6) */
        if (c->layout == WR_DICTIONARY || (c->layout == WR_FLAT && batch->selection != NULL))
            flat = wr_column_gather(w->bytes.budget, c, batch->selection, batch->row_count);
        if (flat == NULL)
            return WEIR_MEMORY;
        put_column(w, flat, batch->row_count);
        if (flat != c)
            wr_column_release(flat);
    }
    if (batch->diff != NULL)
        for (uint32_t i = 0; i < batch->row_count; i++)
            wr_snapshot_put_i64(w, batch->diff[wr_batch_row(batch, i)]);
    return wr_text_ok(&w->bytes) ? WEIR_OK : WEIR_MEMORY;
}

/* --- reading --- */

static weir_status
get_views(wr_snapshot_reader *r, wr_column *c, uint32_t rows)
{
    wr_string *views = c->data;
    size_t     total = 0, long_bytes = 0;
    for (uint32_t i = 0; i < rows; i++) {
        uint64_t length = wr_snapshot_get_u64(r);
        if (length > WR_STRING_BYTES_MAX)
            return WEIR_CHECKPOINT_CORRUPT;
        views[i].length = (uint32_t) length;
        total += length;
        long_bytes += length > WR_STRING_INLINE_MAX ? length : 0;
    }
    const char *from = wr_snapshot_get_raw(r, total);
    if (from == NULL)
        return WEIR_CHECKPOINT_CORRUPT;
    char *to = long_bytes > 0 ? wr_column_heap_alloc(c, long_bytes) : NULL;
    if (long_bytes > 0 && to == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < rows; i++) {
        uint32_t    length = views[i].length;
        const char *bytes = from;
        if (length > WR_STRING_INLINE_MAX) {
            bytes = memcpy(to, from, length);
            to += length;
        }
        views[i] = wr_string_make(bytes, length);
        from += length;
    }
    return WEIR_OK;
}

/* C2 for a bitmap that came from outside; and a bool is 0 or 1. */
static weir_status
column_settle(wr_column *c, uint32_t rows)
{
    if (c->type.id == WR_BOOL)
        for (uint32_t i = 0; i < rows; i++)
            if (((const uint8_t *) c->data)[i] > 1)
                return WEIR_CHECKPOINT_CORRUPT;
    for (uint32_t i = 0; c->valid != NULL && i < rows; i++)
        if (!wr_bitmap_get(c->valid, i))
            WR_TRY(wr_column_set_null(c, i));
    return WEIR_OK;
}

static weir_status
get_rows(wr_snapshot_reader *r, wr_column *c, uint32_t rows, bool bitmap)
{
    const char *bytes;
    if (rows == 0)
        return WEIR_OK;
    if (bitmap) {
        size_t size = wr_bitmap_words(rows) * sizeof(uint64_t);
        if ((bytes = wr_snapshot_get_raw(r, size)) == NULL)
            return WEIR_CHECKPOINT_CORRUPT;
        WR_TRY(wr_column_need_valid(c));
        memcpy(c->valid, bytes, size);
    }
    if (wr_column_holds_views(c)) {
        WR_TRY(get_views(r, c, rows));
    } else {
        size_t size = rows * wr_column_width(c);
        if ((bytes = wr_snapshot_get_raw(r, size)) == NULL)
            return WEIR_CHECKPOINT_CORRUPT;
        memcpy(c->data, bytes, size);
    }
    return column_settle(c, rows);
}

static weir_status
get_column(wr_snapshot_reader *r, wr_budget *budget, wr_type type, uint32_t rows, wr_column **out)
{
    const char *head = wr_snapshot_get_raw(r, 4);
    int64_t     scale = wr_snapshot_get_i64(r);
    if (head == NULL || (uint8_t) head[0] != type.id || (uint8_t) head[1] != type.element)
        return WEIR_CHECKPOINT_CORRUPT;
    uint8_t flags = (uint8_t) head[2], form = (uint8_t) head[3];
    bool    constant = (flags & COLUMN_CONSTANT) != 0;
    if (flags > (COLUMN_BITMAP | COLUMN_CONSTANT) || scale < 0 || scale > WR_NUMERIC_SCALE_MAX ||
        form > WR_DEC128 || (form != 0 && type.id != WR_NUMERIC))
        return WEIR_CHECKPOINT_CORRUPT;
    if (constant)
        rows = 1;
    wr_column *c = type.id == WR_NUMERIC
                       ? wr_column_create_decimal(budget, type, form, (int) scale, rows)
                       : wr_column_create(budget, type, rows);
    if (c == NULL)
        return WEIR_MEMORY;
    *out = c; /* the batch's from here on */
    WR_TRY(get_rows(r, c, rows, (flags & COLUMN_BITMAP) != 0));
    if (constant)
        c->layout = WR_CONSTANT;
    return WEIR_OK;
}

static weir_status
get_diffs(wr_snapshot_reader *r, wr_batch *b)
{
    b->diff = wr_alloc(b->budget, b->row_count * sizeof *b->diff);
    if (b->diff == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < b->row_count; i++) {
        b->diff[i] = wr_snapshot_get_i64(r);
        if (b->diff[i] == 0) /* B2 */
            return WEIR_CHECKPOINT_CORRUPT;
    }
    return WEIR_OK;
}

weir_status
wr_snapshot_get_batch(wr_snapshot_reader *r, wr_budget *budget, const wr_schema *schema,
                      wr_batch **out)
{
    weir_status status = WEIR_CHECKPOINT_CORRUPT;
    wr_batch   *b = NULL;
    uint64_t    rows = wr_snapshot_get_u64(r), columns = wr_snapshot_get_u64(r);
    const char *flags = wr_snapshot_get_raw(r, 1);
    if (flags == NULL || (uint8_t) *flags > BATCH_DIFFS || rows > WR_BATCH_ROWS_MAX ||
        columns != schema->field_count)
        goto done;
    b = wr_batch_create(budget, schema->field_count);
    WR_TRY_GOTO(b != NULL ? WEIR_OK : WEIR_MEMORY);
    b->row_count = b->physical_count = (uint32_t) rows;
    for (uint32_t k = 0; k < b->column_count; k++)
        WR_TRY_GOTO(
            get_column(r, budget, schema->fields[k].type, b->row_count, &b->columns[k]));
    if (*flags == BATCH_DIFFS)
        WR_TRY_GOTO(get_diffs(r, b));
    wr_batch_set_times(b, schema->time_column);
    *out = b;
    return WEIR_OK;
done:
    wr_batch_release(b);
    r->failed = r->failed || status == WEIR_CHECKPOINT_CORRUPT;
    return status;
}
