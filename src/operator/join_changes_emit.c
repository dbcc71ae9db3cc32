/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_emit.c -- changes as batches.
 *
 * Invariants  W1  what waits goes by the watermark that judges it; of one watermark, rows taken back
 *                 go first
 *             W2  a row keeps the watermark that judged the row that made it
 */
#include "operator/join_changes_impl.h"

#include <stdlib.h>
#include <string.h>

weir_status
wr_changes_push(join_changes *j, uint32_t own, uint32_t other, int64_t diff, wr_time judge)
{
    changes_step *s = j->step;
    if (diff == 0)
        return WEIR_OK;
    if (s->out_sent > 0) {
        memmove(s->out, s->out + s->out_sent, (s->out_count - s->out_sent) * sizeof *s->out);
        s->out_count -= s->out_sent;
        s->out_sent = 0;
    }
    if (s->out_count == s->out_capacity) {
        uint32_t capacity = WR_MAX(256u, s->out_capacity * 2);
        void    *out = wr_realloc(j->ctx->flow, s->out, (size_t) capacity * sizeof *s->out);
        if (out == NULL)
            return WEIR_MEMORY;
        s->out = out;
        s->out_capacity = capacity;
    }
    s->out[s->out_count++] = (changes_out){ own, other, diff, judge, s->out_made++ };
    return WEIR_OK;
}

/* W1 */
static int
out_compare(const void *a, const void *b)
{
    const changes_out *x = a, *y = b;
    if (x->judge != y->judge)
        return x->judge < y->judge ? -1 : 1;
    if ((x->diff > 0) != (y->diff > 0))
        return x->diff > 0 ? 1 : -1;
    return x->at < y->at ? -1 : 1;
}

/* W1, of one watermark: rows taken back to the front, all else as it is. */
static weir_status
order_by_sign(join_changes *j)
{
    changes_step *s = j->step;
    uint32_t      count = s->out_count - s->out_sent, backs = 0, others = 0;
    changes_out  *out = s->out + s->out_sent;
    changes_out  *aside = wr_arena_alloc(&j->ctx->eval.step, (size_t) count * sizeof *aside);
    if (aside == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        aside[others] = out[i];
        out[backs] = out[i];
        backs += out[i].diff < 0;
        others += aside[others].diff > 0;
    }
    memcpy(out + backs, aside, others * sizeof *aside);
    return WEIR_OK;
}

static weir_status
order_waiting(join_changes *j)
{
    changes_step *s = j->step;
    uint32_t      i = s->out_sent + 1;
    while (i < s->out_count && out_compare(&s->out[i - 1], &s->out[i]) < 0)
        i++;
    if (i >= s->out_count)
        return WEIR_OK;
    if (s->one_judge)
        return order_by_sign(j);
    qsort(s->out + s->out_sent, s->out_count - s->out_sent, sizeof *s->out, out_compare);
    return WEIR_OK;
}

/* Column c of the batch's rows, of side p.  Owned; NULL: no memory. */
static wr_column *
batch_column(join_changes *j, int p, const wr_batch *in, uint32_t c, const uint16_t *rows,
             uint32_t count)
{
    wr_value null = wr_value_null(j->schemas[p]->fields[c].type);
    return in->columns[c] == NULL ? wr_column_create_constant(j->ctx->flow, &null)
                                  : wr_column_gather(j->ctx->flow, in->columns[c], rows, count);
}

weir_status
wr_changes_put_batch(join_changes *j, int p, const wr_batch *in, const uint16_t *rows,
                     uint32_t count, wr_column **out)
{
    bool all = count == in->physical_count && in->selection == NULL;
    for (uint32_t i = 0; all && i < count; i++)
        all = rows[i] == i;
    for (uint32_t c = 0; c < j->schemas[p]->field_count; c++) {
        out[c] = all && in->columns[c] != NULL ? wr_column_retain(in->columns[c])
                                               : batch_column(j, p, in, c, rows, count);
        if (out[c] == NULL)
            return WEIR_MEMORY;
    }
    return WEIR_OK;
}

/* Column c of rows of the batch that passes.  Owned; NULL: no memory. */
static wr_column *
passing_column(join_changes *j, uint32_t c, const uint32_t *ids, uint32_t count)
{
    uint16_t *rows = wr_arena_alloc(&j->ctx->eval.step, count * sizeof *rows);
    if (rows == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (uint16_t) ids[i];
    return batch_column(j, 0, j->step->passing, c, rows, count);
}

/* Side p's columns of the rows whose ids stand in the step's scratch. */
static weir_status
put_columns(join_changes *j, int p, const uint32_t *ids, uint32_t count, const uint64_t *reads,
            wr_column **out)
{
    changes_step   *s = j->step;
    wr_change_side *side = &j->sides[p];
    uint32_t        first = p == 0 ? 0 : j->schemas[0]->field_count;
    const bool      passing = p == 0 && s->passing != NULL;
    if (!passing)
        wr_change_side_pointers(side, ids, count, s->pointers);
    for (uint32_t c = 0; c < j->schemas[p]->field_count; c++) {
        uint32_t column = first + c;
        if (reads != NULL && (reads[column / 64] >> (column % 64) & 1) == 0)
            continue;
        out[column] = passing ? passing_column(j, c, ids, count)
                              : wr_key_column_make(&side->row_layout, j->ctx->flow, s->pointers,
                                                   WR_GROUP_KEY_OFFSET, count, c);
        if (out[column] == NULL)
            return WEIR_MEMORY;
    }
    return WEIR_OK;
}

static wr_batch *
make_batch(join_changes *j, uint32_t count, bool wide, const uint64_t *reads)
{
    changes_step *s = j->step;
    uint32_t      n = j->schemas[0]->field_count, m = j->schemas[1]->field_count;
    const uint32_t *ids[2] = { s->port == 0 ? s->own_ids : s->other_ids,
                               s->port == 0 ? s->other_ids : s->own_ids };
    wr_batch *b = wr_batch_create(j->ctx->flow, wide ? n + m : n);
    if (b == NULL)
        return NULL;
    b->row_count = b->physical_count = count;
    if (put_columns(j, 0, ids[0], count, reads, b->columns) != WEIR_OK ||
        (wide && put_columns(j, 1, ids[1], count, reads, b->columns) != WEIR_OK)) {
        wr_batch_release(b);
        return NULL;
    }
    return b;
}

wr_batch *
wr_changes_candidates(join_changes *j)
{
    changes_step *s = j->step;
    for (uint32_t i = 0; i < s->pairs; i++) {
        s->own_ids[i] = s->ids[s->pair_of[i]];
        s->other_ids[i] = s->pair_with[i];
    }
    return make_batch(j, s->pairs, true, j->reads);
}

weir_status
wr_changes_stamp(join_changes *j, wr_batch *out, const int64_t *diffs)
{
    const changes_step *s = j->step;
    if (diffs != NULL) {
        out->diff = wr_alloc(j->ctx->flow, out->row_count * sizeof *out->diff);
        if (out->diff == NULL)
            return WEIR_MEMORY;
        memcpy(out->diff, diffs, out->row_count * sizeof *diffs);
    }
    if (s->judge <= j->ctx->watermark)
        return WEIR_OK;
    out->row_watermark = wr_alloc(j->ctx->flow, out->row_count * sizeof *out->row_watermark);
    if (out->row_watermark == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < out->row_count; i++)
        out->row_watermark[i] = s->judge;
    out->watermark_before = out->watermark_after = j->ctx->watermark;
    return WEIR_OK;
}

/* W2.  The header promises no more than the task stands at (batch.h, B4). */
static weir_status
stamp(join_changes *j, wr_batch *b, const changes_out *out)
{
    bool diffs = false, judges = false;
    for (uint32_t i = 0; i < b->row_count; i++) {
        diffs |= out[i].diff != 1;
        judges |= out[i].judge > j->ctx->watermark;
    }
    if (diffs && (b->diff = wr_alloc(j->ctx->flow, b->row_count * sizeof *b->diff)) == NULL)
        return WEIR_MEMORY;
    if (judges) {
        b->row_watermark = wr_alloc(j->ctx->flow, b->row_count * sizeof *b->row_watermark);
        if (b->row_watermark == NULL)
            return WEIR_MEMORY;
        b->watermark_before = b->watermark_after = j->ctx->watermark;
    }
    for (uint32_t i = 0; i < b->row_count; i++) {
        if (diffs)
            b->diff[i] = out[i].diff;
        if (judges)
            b->row_watermark[i] = out[i].judge;
    }
    return WEIR_OK;
}

wr_flow
wr_changes_emit(join_changes *j)
{
    changes_step *s = j->step;
    if (order_waiting(j) != WEIR_OK)
        return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
    const changes_out *out = s->out + s->out_sent;
    uint32_t           count = WR_MIN(s->out_count - s->out_sent, (uint32_t) WR_BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        s->own_ids[i] = out[i].own;
        s->other_ids[i] = out[i].other;
    }
    wr_batch *b = make_batch(j, count, !j->half, NULL);
    if (b == NULL || stamp(j, b, out) != WEIR_OK) {
        wr_batch_release(b);
        return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
    }
    s->out_sent += count;
    wr_ctx_emit(j->ctx, WR_PORT_MAIN, b);
    return WR_FLOW_NEXT;
}
