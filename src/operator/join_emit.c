/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_emit.c -- pairs and lone rows as batches.
 *
 * Invariants  E1  a pair's diff is the product of its rows' diffs
 *             E2  a row out of process keeps the watermark that judged the row that made it; a
 *                 row out of advance is stamped with the watermark before
 *             E3  a semi join's left row comes out once, at its first partner, whichever side
 *                 came last
 */
#include "operator/join_impl.h"

#include <string.h>

/* --- pieces --- */

static weir_status
columns_of_input(join *j, const wr_batch *in, const uint16_t *physical, uint32_t count,
                 wr_column **out)
{
    for (uint32_t c = 0; c < in->column_count; c++) {
        if (in->columns[c] == NULL)
            continue;
        out[c] = wr_column_gather(j->ctx->flow, in->columns[c], physical, count);
        if (out[c] == NULL)
            return WEIR_MEMORY;
    }
    return WEIR_OK;
}

static weir_status
columns_of_side(join *j, int port, const wr_join_pick *pick, wr_column **out)
{
    for (uint32_t c = 0; c < j->schemas[port]->field_count; c++)
        WR_TRY(wr_join_pick_gather(&j->sides[port], pick, c, j->ctx->flow, &out[c]));
    return WEIR_OK;
}

static weir_status
columns_of_null(join *j, int port, wr_column **out)
{
    for (uint32_t c = 0; c < j->schemas[port]->field_count; c++) {
        wr_value null = wr_value_null(j->schemas[port]->fields[c].type);
        out[c] = wr_column_create_constant(j->ctx->flow, &null);
        if (out[c] == NULL)
            return WEIR_MEMORY;
    }
    return WEIR_OK;
}

/* A batch with room for left's columns, and right's when wide.  out->columns[*at[p]] begin side
 * p's. */
static wr_batch *
batch_open(join *j, bool wide, uint32_t count, uint32_t *at)
{
    uint32_t  left = j->schemas[0]->field_count;
    wr_batch *b = wr_batch_create(j->ctx->flow, left + (wide ? j->schemas[1]->field_count : 0));
    if (b != NULL) {
        b->row_count = count;
        b->physical_count = count;
    }
    at[0] = 0;
    at[1] = left;
    return b;
}

/* E2: judges[i] is that of out's row i.  The header promises no more than the task stands at
 * (batch.h, B4). */
static weir_status
batch_stamp(join *j, wr_batch *out, const wr_time *judges)
{
    uint32_t i = 0, count = out->physical_count;
    while (i < count && judges[i] <= j->ctx->watermark)
        i++;
    if (i == count)
        return WEIR_OK; /* the emit stamps it */
    out->row_watermark = wr_alloc(j->ctx->flow, count * sizeof *out->row_watermark);
    if (out->row_watermark == NULL)
        return WEIR_MEMORY;
    memcpy(out->row_watermark, judges, count * sizeof *judges);
    out->watermark_before = j->ctx->watermark;
    out->watermark_after = j->ctx->watermark;
    return WEIR_OK;
}

static weir_status
batch_diffs(join *j, wr_batch *out, const int64_t *diffs)
{
    uint32_t i = 0, count = out->physical_count;
    while (i < count && diffs[i] == 1)
        i++;
    if (i == count)
        return WEIR_OK;
    out->diff = wr_alloc(j->ctx->flow, count * sizeof *out->diff);
    if (out->diff == NULL)
        return WEIR_MEMORY;
    memcpy(out->diff, diffs, count * sizeof *diffs);
    return WEIR_OK;
}

static wr_flow
no_memory(join *j, wr_batch *b)
{
    wr_batch_release(b);
    return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
}

/* --- pairs --- */

static int64_t
diff_product(int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    return product;
}

/* The diffs of the step's pairs, where some are not 1 (E1). */
static weir_status
pairs_diffs(join *j, const wr_batch *in, const wr_join_pick *pick, const uint16_t *physical,
            wr_batch *out)
{
    join_step *s = j->step;
    if (in->diff == NULL && !pick->diffs)
        return WEIR_OK;
    int64_t *diffs = wr_arena_alloc(&j->ctx->eval.step, s->pairs * sizeof *diffs);
    if (diffs == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->pairs; i++) {
        diffs[i] = wr_batch_diff(in, physical[i]);
        if (s->pair_with[i].block != NULL)
            diffs[i] = diff_product(diffs[i], wr_join_row_diff(&s->pair_with[i]));
    }
    return batch_diffs(j, out, diffs);
}

/* All candidates as a batch of both sides' columns.  NULL: no memory. */
static wr_batch *
pairs_batch(join *j, const wr_batch *in)
{
    join_step   *s = j->step;
    wr_arena    *arena = &j->ctx->eval.step;
    uint32_t     at[2];
    wr_join_pick pick;
    wr_batch    *b = batch_open(j, true, s->pairs, at);
    uint16_t    *physical = wr_arena_alloc(arena, s->pairs * sizeof *physical);
    wr_time     *judges = wr_arena_alloc(arena, s->pairs * sizeof *judges);
    if (b == NULL || physical == NULL || judges == NULL ||
        wr_join_side_pick(&j->sides[1 - s->port], s->pair_with, s->pairs, arena, &pick) != WEIR_OK)
        goto fail;
    for (uint32_t i = 0; i < s->pairs; i++) {
        physical[i] = s->rows[s->pair_of[i]];
        judges[i] = s->judges[s->pair_of[i]];
    }
    if (columns_of_input(j, in, physical, s->pairs, b->columns + at[s->port]) != WEIR_OK ||
        columns_of_side(j, 1 - s->port, &pick, b->columns + at[1 - s->port]) != WEIR_OK ||
        pairs_diffs(j, in, &pick, physical, b) != WEIR_OK || batch_stamp(j, b, judges) != WEIR_OK)
        goto fail;
    return b;
fail:
    wr_batch_release(b);
    return NULL;
}

/* Which candidates the residual lets pass, into passed; rows that come out alone always do. */
static wr_flow
pairs_filter(join *j, const wr_batch *pairs, uint16_t *passed, uint32_t *count)
{
    wr_ctx    *ctx = j->ctx;
    join_step *s = j->step;
    uint16_t  *real = wr_arena_alloc(&ctx->eval.step, s->pairs * sizeof *real);
    uint16_t  *good = wr_arena_alloc(&ctx->eval.step, s->pairs * sizeof *good);
    uint32_t   real_count = 0, good_count = 0;
    if (real == NULL || good == NULL)
        return no_memory(j, NULL);
    for (uint32_t i = 0; i < s->pairs; i++)
        if (s->pair_with[i].block != NULL)
            real[real_count++] = (uint16_t) i;
    if (wr_expr_filter(&ctx->eval, j->config->residual, pairs, (wr_rows){ real, real_count }, good,
                       &good_count) != WEIR_OK)
        return no_memory(j, NULL);
    if (ctx->eval.error_count > 0) {
        wr_flow flow = wr_ctx_drop_failed(ctx, pairs, good, &good_count); /* a pair, by number */
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    *count = 0;
    for (uint32_t i = 0, g = 0; i < s->pairs; i++) {
        bool passes = s->pair_with[i].block == NULL || (g < good_count && good[g] == i);
        g += g < good_count && good[g] == i;
        passed[*count] = (uint16_t) i;
        *count += passes;
    }
    return WR_FLOW_NEXT;
}

/* A scalar subquery's row has come for the second time. */
static wr_flow
refuse_second(join *j)
{
    return wr_ctx_fail(j->ctx, WEIR_QUERY_CARDINALITY, "%s",
                       weir_status_text(WEIR_QUERY_CARDINALITY));
}

/* Mark both rows of the pairs.  Of semi and anti joins, passed keeps only what makes a left row
 * come out. */
static wr_flow
pairs_mark(join *j, const wr_batch *in, uint16_t *passed, uint32_t *count)
{
    join_step    *s = j->step;
    wr_join_side *side = &j->sides[1 - s->port];
    bool          semi = j->config->kind == WR_JOIN_SEMI;
    uint32_t      kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        uint16_t     pair = passed[i];
        wr_join_row *stored = &s->pair_with[pair];
        uint8_t     *ours = &s->matched[s->pair_of[pair]];
        if (stored->block == NULL) { /* alone: anti's left row */
            passed[kept++] = pair;
            continue;
        }
        uint8_t theirs = stored->block->marks->marks[stored->row];
        bool    was = s->port == 0 ? *ours != 0 : theirs != 0;
        bool    done = j->half && s->port == 1; /* the left row needs no other partner */
        if (j->config->single) {
            uint32_t row = s->rows[s->pair_of[pair]];
            int64_t  times = s->port == 0 ? wr_join_row_diff(stored) : wr_batch_diff(in, row);
            if (was || times > 1)
                return refuse_second(j);
        }
        *ours = 1;
        if ((theirs == 0 || (done && (theirs & WR_JOIN_DEAD) == 0)) &&
            wr_join_row_mark(side, stored,
                             (uint8_t) (WR_JOIN_MATCHED | (done ? WR_JOIN_DEAD : 0))) != WEIR_OK)
            return no_memory(j, NULL);
        if (!j->half || (semi && !was)) /* E3 */
            passed[kept++] = pair;
    }
    *count = kept;
    return WR_FLOW_NEXT;
}

static wr_flow
emit(join *j, wr_batch *b)
{
    if (b->row_count == 0)
        wr_batch_release(b);
    else
        wr_ctx_emit(j->ctx, WR_PORT_MAIN, b);
    return WR_FLOW_NEXT;
}

/* The left rows of pairs passed[0..count). */
static wr_flow
emit_half(join *j, const wr_batch *in, const uint16_t *passed, uint32_t count)
{
    join_step   *s = j->step;
    wr_arena    *arena = &j->ctx->eval.step;
    uint16_t    *physical = wr_arena_alloc(arena, count * sizeof *physical);
    int64_t     *diffs = wr_arena_alloc(arena, count * sizeof *diffs);
    wr_time     *judges = wr_arena_alloc(arena, count * sizeof *judges);
    wr_join_row *rows = wr_arena_alloc(arena, count * sizeof *rows);
    uint32_t     at[2];
    if (count == 0)
        return WR_FLOW_NEXT;
    wr_batch *b = batch_open(j, false, count, at);
    if (physical == NULL || diffs == NULL || judges == NULL || rows == NULL || b == NULL)
        return no_memory(j, b);
    for (uint32_t i = 0; i < count; i++) {
        physical[i] = s->rows[s->pair_of[passed[i]]];
        rows[i] = s->pair_with[passed[i]];
        judges[i] = s->judges[s->pair_of[passed[i]]];
        diffs[i] = s->port == 0 ? wr_batch_diff(in, physical[i]) : wr_join_row_diff(&rows[i]);
    }
    weir_status  status;
    wr_join_pick pick;
    if (s->port == 0)
        status = columns_of_input(j, in, physical, count, b->columns);
    else if ((status = wr_join_side_pick(&j->sides[0], rows, count, arena, &pick)) == WEIR_OK)
        status = columns_of_side(j, 0, &pick, b->columns);
    if (status != WEIR_OK || batch_diffs(j, b, diffs) != WEIR_OK ||
        batch_stamp(j, b, judges) != WEIR_OK)
        return no_memory(j, b);
    return emit(j, b);
}

wr_flow
wr_join_emit_pairs(join *j, const wr_batch *in)
{
    join_step *s = j->step;
    uint32_t   count = s->pairs;
    uint16_t  *passed = wr_arena_alloc(&j->ctx->eval.step, count * sizeof *passed);
    wr_batch  *pairs = NULL;
    wr_flow    flow = WR_FLOW_NEXT;
    if (count == 0)
        return WR_FLOW_NEXT;
    if (passed == NULL)
        return no_memory(j, NULL);
    for (uint32_t i = 0; i < count; i++)
        passed[i] = (uint16_t) i;
    if (!j->half || j->config->residual != NULL) {
        pairs = pairs_batch(j, in);
        if (pairs == NULL)
            return no_memory(j, NULL);
    }
    if (j->config->residual != NULL)
        flow = pairs_filter(j, pairs, passed, &count);
    if (flow == WR_FLOW_NEXT)
        flow = pairs_mark(j, in, passed, &count);
    if (flow != WR_FLOW_NEXT || j->half) {
        wr_batch_release(pairs);
        return flow == WR_FLOW_NEXT ? emit_half(j, in, passed, count) : flow;
    }
    if (count < s->pairs) {
        wr_batch *kept = count > 0 ? wr_batch_select(j->ctx->flow, pairs, passed, count) : NULL;
        wr_batch_release(pairs);
        if (count == 0)
            return WR_FLOW_NEXT;
        if (kept == NULL)
            return no_memory(j, NULL);
        pairs = kept;
    }
    return emit(j, pairs);
}

/* --- rows that leave without a partner --- */

wr_flow
wr_join_emit_left(join *j, int port, const wr_join_row *rows, uint32_t count)
{
    uint32_t     at[2];
    wr_join_pick pick;
    wr_batch    *b = batch_open(j, !j->half, count, at);
    int64_t     *diffs = wr_arena_alloc(&j->ctx->eval.step, count * sizeof *diffs);
    if (b == NULL || diffs == NULL)
        return no_memory(j, b);
    for (uint32_t i = 0; i < count; i++)
        diffs[i] = wr_join_row_diff(&rows[i]);
    if (wr_join_side_pick(&j->sides[port], rows, count, &j->ctx->eval.step, &pick) != WEIR_OK ||
        columns_of_side(j, port, &pick, b->columns + at[port]) != WEIR_OK ||
        (!j->half && columns_of_null(j, 1 - port, b->columns + at[1 - port]) != WEIR_OK) ||
        batch_diffs(j, b, diffs) != WEIR_OK)
        return no_memory(j, b);
    return emit(j, b);
}
