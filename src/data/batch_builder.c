/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/batch_builder.c -- rows one at a time into a batch (see batch.h).
 *
 * State       the batch under construction; columns start at `expected` rows (64 at least) and
 *             double; diff appears with the first row whose diff is not 1, at full length, and is
 *             cut when the batch is taken.
 */
#include "data/batch.h"

#include "data/column_impl.h"

enum { ROWS_MIN = 64 };

void
wr_batch_builder_init(wr_batch_builder *b, wr_budget *budget, const wr_schema *schema)
{
    *b = (wr_batch_builder){ .budget = budget, .schema = schema };
}

void
wr_batch_builder_fini(wr_batch_builder *b)
{
    wr_batch_release(b->batch);
    b->batch = NULL;
    b->with_diff = false;
}

/* numeric(p,s) that fits is decimal from the start; without (p,s) the first value decides. */
static wr_column *
column_for(wr_budget *budget, wr_type type, uint32_t capacity)
{
    if (type.id != WR_NUMERIC)
        return wr_column_create(budget, type, capacity);
    int scale = type.modifier >= 0 && type.scale > 0 ? type.scale : 0;
    if (scale > WR_DEC128_DIGITS || type.modifier > WR_DEC128_DIGITS)
        return wr_column_create(budget, type, capacity);
    wr_decimal_form form =
        scale > WR_DEC64_DIGITS || type.modifier > WR_DEC64_DIGITS ? WR_DEC128 : WR_DEC64;
    return wr_column_create_decimal(budget, type, form, scale, capacity);
}

static wr_batch *
batch_for(wr_budget *budget, const wr_schema *schema, uint32_t capacity)
{
    wr_batch *batch = wr_batch_create(budget, schema->field_count);
    for (uint32_t i = 0; batch != NULL && i < schema->field_count; i++) {
        batch->columns[i] = column_for(budget, schema->fields[i].type, capacity);
        if (batch->columns[i] == NULL) {
            wr_batch_release(batch);
            return NULL;
        }
    }
    return batch;
}

weir_status
wr_batch_builder_open(wr_batch_builder *b, uint32_t expected, wr_batch **batch)
{
    uint32_t rows = wr_batch_builder_count(b);
    uint32_t need = WR_MIN(rows + WR_MIN(expected, (uint32_t) WR_BATCH_ROWS_MAX),
                           (uint32_t) WR_BATCH_ROWS_MAX);
    if (b->batch == NULL) {
        b->batch = batch_for(b->budget, b->schema, WR_MAX(need, (uint32_t) ROWS_MIN));
        if (b->batch == NULL)
            return WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < b->batch->column_count; i++) {
        wr_column *c = b->batch->columns[i];
        if (c->capacity < need)
            WR_TRY(wr_column_reserve(
                c, rows, WR_MAX(need, WR_MIN(c->capacity * 2, (uint32_t) WR_BATCH_ROWS_MAX))));
    }
    *batch = b->batch;
    return WEIR_OK;
}

static weir_status
diff_put(wr_batch_builder *b, uint32_t row, int64_t diff)
{
    if (b->batch->diff == NULL) {
        if (diff == 1)
            return WEIR_OK;
        int64_t *diffs = wr_alloc(b->budget, WR_BATCH_ROWS_MAX * sizeof *diffs);
        if (diffs == NULL)
            return WEIR_MEMORY;
        for (uint32_t r = 0; r < WR_BATCH_ROWS_MAX; r++)
            diffs[r] = 1; /* rows written past the builder too */
        b->batch->diff = diffs;
        b->with_diff = true;
    }
    b->batch->diff[row] = diff;
    return WEIR_OK;
}

weir_status
wr_batch_builder_add(wr_batch_builder *b, const wr_value *values, int64_t diff)
{
    wr_batch *batch;
    wr_assert(diff != 0 && !wr_batch_builder_full(b)); /* B2 */
    WR_TRY(wr_batch_builder_open(b, 1, &batch));
    uint32_t row = batch->row_count;
    WR_TRY(diff_put(b, row, diff));
    for (uint32_t i = 0; i < batch->column_count; i++)
        WR_TRY(wr_column_set_value(batch->columns[i], row, &values[i]));
    batch->row_count = row + 1; /* a row that failed half-way is written over by the next */
    batch->physical_count = row + 1;
    return WEIR_OK;
}

bool
wr_batch_builder_full(const wr_batch_builder *b)
{
    return wr_batch_builder_count(b) >= WR_BATCH_ROWS_MAX;
}

uint32_t
wr_batch_builder_count(const wr_batch_builder *b)
{
    return b->batch != NULL ? b->batch->row_count : 0;
}

wr_batch *
wr_batch_builder_take(wr_batch_builder *b)
{
    if (wr_batch_builder_count(b) == 0)
        return NULL;
    wr_batch *batch = b->batch;
    b->batch = NULL;
    b->with_diff = false;
    if (batch->diff != NULL && batch->row_count < WR_BATCH_ROWS_MAX) {
        int64_t *cut = wr_realloc(b->budget, batch->diff, batch->row_count * sizeof *cut);
        if (cut != NULL)
            batch->diff = cut;
    }
    wr_batch_set_times(batch, b->schema->time_column);
    return batch;
}
