/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/join_gather.c -- rows of a join's side back out of its blocks, a column at a time (see join_side.h).
 *
 * Cost        the rows' blocks are told apart once for all columns; a column then costs two loads a row.
 */
#include "state/join_side_impl.h"

weir_status
wr_join_side_pick(wr_join_side *side, const wr_join_row *rows, uint32_t count, wr_arena *arena,
                  wr_join_pick *pick)
{
    wr_assert(count <= WR_BATCH_ROWS_MAX);
    *pick = (wr_join_pick){ .count = count, .rows = rows, .arena = arena };
    pick->at = wr_arena_alloc(arena, count * sizeof *pick->at);
    pick->blocks = wr_arena_alloc(arena, count * sizeof(wr_join_block *));
    if (pick->at == NULL || pick->blocks == NULL)
        return WEIR_MEMORY;
    side->gathers++;
    for (uint32_t i = 0; i < count; i++) {
        wr_join_block *block = rows[i].block;
        pick->at[i] = 0;
        if (WR_UNLIKELY(block == NULL)) {
            pick->alone = true;
            continue;
        }
        if (block->seen != side->gathers) {
            block->seen = side->gathers;
            block->number = pick->block_count;
            pick->blocks[pick->block_count++] = block;
            pick->diffs |= block->marks->diffs != NULL;
        }
        pick->at[i] = (uint16_t) block->number;
    }
    return WEIR_OK;
}

typedef struct wide {
    uint64_t low, high;
} __attribute__((may_alias)) wide;

#define GATHER(T)                                                                                  \
    do {                                                                                           \
        T *to = made->data;                                                                        \
        for (uint32_t i = 0; i < pick->count; i++)                                                 \
            to[i] = ((const T *) data[pick->at[i]])[pick->rows[i].row];                            \
    } while (0)

static weir_status
gather_data(const wr_join_pick *pick, wr_column *made, uint32_t c)
{
    const void **data = wr_arena_alloc(pick->arena, pick->block_count * sizeof(void *));
    if (data == NULL)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < pick->block_count; b++)
        data[b] = pick->blocks[b]->columns[c]->data;
    switch (wr_column_width(made)) {
    case 1: GATHER(uint8_t); break;
    case 2: GATHER(uint16_t); break;
    case 4: GATHER(uint32_t); break;
    case 8: GATHER(uint64_t); break;
    default: GATHER(wide); break;
    }
    return WEIR_OK;
}

/* What the blocks have in common. */
typedef struct survey {
    const wr_column *model;  /* a column of them; NULL: no row has a block     */
    bool             same;   /* all have model's decimal form and scale        */
    bool             nulls;  /* some has NULLs                                 */
    bool             absent; /* some has no such column                        */
} survey;

static survey
gather_survey(const wr_join_pick *pick, uint32_t c)
{
    survey found = { .same = true };
    for (uint32_t b = 0; b < pick->block_count; b++) {
        const wr_column *column = pick->blocks[b]->columns[c];
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

/* Row by row: forms that differ, rows without a block. */
static weir_status
gather_slowly(const wr_join_pick *pick, wr_column *made, uint32_t c)
{
    for (uint32_t i = 0; i < pick->count; i++) {
        uint16_t row = (uint16_t) pick->rows[i].row;
        if (pick->rows[i].block == NULL)
            WR_TRY(wr_column_set_null(made, i));
        else
            WR_TRY(wr_column_append(made, i, pick->rows[i].block->columns[c], &row, 1, false));
    }
    return WEIR_OK;
}

static weir_status
gather_fast(const wr_join_pick *pick, wr_column *made, uint32_t c, bool nulls)
{
    WR_TRY(gather_data(pick, made, c));
    for (uint32_t b = 0; b < pick->block_count; b++)
        if (pick->blocks[b]->columns[c]->heap_count > 0)
            WR_TRY(wr_column_adopt_heaps(made, pick->blocks[b]->columns[c]));
    if (!nulls)
        return WEIR_OK;
    WR_TRY(wr_column_need_valid(made));
    for (uint32_t i = 0; i < pick->count; i++)
        if (wr_column_is_null(pick->rows[i].block->columns[c], pick->rows[i].row))
            wr_bitmap_clear(made->valid, i);
    return WEIR_OK;
}

weir_status
wr_join_pick_gather(const wr_join_side *side, const wr_join_pick *pick, uint32_t c,
                    wr_budget *budget, wr_column **out)
{
    survey     found = gather_survey(pick, c);
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
                                        pick->count);
    else
        made = wr_column_create(budget, found.model->type, pick->count);
    if (made == NULL)
        return WEIR_MEMORY;
    weir_status status = found.same && !pick->alone ? gather_fast(pick, made, c, found.nulls)
                                                    : gather_slowly(pick, made, c);
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}
