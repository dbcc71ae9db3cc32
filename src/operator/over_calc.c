/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_calc.c -- window functions over rows of a bag (see over_calc_impl.h).
 *
 * Rows that the order of a call leaves equal stay in the order they were put in: that of their bag,
 * so that an answer depends on the bag alone.
 */
#include "operator/over_calc_impl.h"

weir_status
wr_over_calc_open(over_calc *c, wr_ctx *ctx, const wr_over_config *config)
{
    *c = (over_calc){ .config = config, .ctx = ctx };
    c->over.config = config;
    c->over.ctx = ctx;
    wr_arena_init(&c->over.work.arena, ctx->state);
    wr_batch_builder_init(&c->rows, ctx->state, config->input);
    c->values = wr_calloc(ctx->state, config->input->field_count + 1, sizeof *c->values);
    return c->values != NULL ? WEIR_OK : WEIR_MEMORY;
}

void
wr_over_calc_close(over_calc *c)
{
    if (c->config == NULL)
        return;
    wr_over_calc_end(c);
    wr_free(c->over.batches);
    c->over.batches = NULL;
    wr_batch_builder_fini(&c->rows);
    wr_free(c->values);
    c->values = NULL;
}

void
wr_over_calc_begin(over_calc *c)
{
    wr_assert(c->count == 0 && c->over.count == 0);
    wr_eval_reset(&c->ctx->eval);
}

/* The rows collected so far as one more batch. */
static weir_status
rows_close(over_calc *c)
{
    over_state *o = &c->over;
    if (wr_batch_builder_count(&c->rows) == 0)
        return WEIR_OK;
    if (o->count == o->capacity) {
        uint32_t more = o->capacity == 0 ? 4 : 2 * o->capacity;
        wr_batch **grown = wr_realloc(c->ctx->state, o->batches, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        o->batches = grown;
        o->capacity = more;
    }
    o->batches[o->count++] = wr_batch_builder_take(&c->rows);
    return WEIR_OK;
}

weir_status
wr_over_calc_row(over_calc *c, const wr_bag_row *row, int64_t copies)
{
    WR_TRY(wr_row_get(row->bytes + row->order_length, row->length - row->order_length,
                      c->config->input, c->values));
    for (int64_t i = 0; i < copies; i++) {
        if (c->count == UINT32_MAX / 2)
            return WEIR_MEMORY;
        WR_TRY(wr_batch_builder_add(&c->rows, c->values, 1));
        c->count++;
        if (wr_batch_builder_full(&c->rows))
            WR_TRY(rows_close(c));
    }
    return WEIR_OK;
}

weir_status
wr_over_calc_run(over_calc *c)
{
    over_work *w = &c->over.work;
    WR_TRY(rows_close(c));
    w->rows = wr_arena_alloc(&w->arena, (size_t)c->count * sizeof *w->rows + 1);
    w->results = wr_arena_calloc(&w->arena, c->config->call_count + 1, sizeof *w->results);
    if (w->rows == NULL || w->results == NULL)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < c->over.count; b++)
        for (uint32_t r = 0; r < c->over.batches[b]->row_count; r++) {
            w->rows[w->count] = (over_row){ b, r, w->count, NULL };
            w->count++;
        }
    wr_assert(w->count == c->count);
    return w->count > 0 ? wr_over_compute(&c->over) : WEIR_OK;
}

weir_status
wr_over_calc_result(const over_calc *c, uint32_t i, wr_text *to)
{
    for (uint32_t k = 0; k < c->config->call_count; k++)
        wr_row_put_value(to, &c->over.work.results[k][i]);
    return wr_text_ok(to) ? WEIR_OK : WEIR_MEMORY;
}

void
wr_over_calc_end(over_calc *c)
{
    wr_arena_fini(&c->over.work.arena);
    c->over.work = (over_work){ 0 };
    wr_arena_init(&c->over.work.arena, c->ctx->state);
    for (uint32_t b = 0; b < c->over.count; b++)
        wr_batch_release(c->over.batches[b]);
    c->over.count = 0;
    c->count = 0;
    wr_batch_release(wr_batch_builder_take(&c->rows));
}

wr_flow
wr_over_drop_bad(const wr_over_config *config, wr_ctx *ctx, const wr_batch *in, uint16_t *rows,
                 uint32_t *count)
{
    for (uint32_t c = 0; c < config->call_count; c++) {
        const wr_over_spec *spec = &config->calls[c];
        for (uint32_t a = 0; a <= spec->arg_count; a++) {
            const wr_expr *e = a < spec->arg_count ? spec->args[a] : spec->filter;
            wr_column *column = NULL;
            if (e == NULL || !wr_expr_can_fail(e))
                continue;
            if (wr_expr_eval(&ctx->eval, e, in, wr_batch_rows(in), &column) != WEIR_OK)
                return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for the rows of a window function");
            wr_column_release(column);
        }
    }
    return wr_ctx_drop_failed(ctx, in, rows, count);
}
