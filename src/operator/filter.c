/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/filter.c -- keep the rows for which a predicate is true.
 *
 * Place       one input, one output.  Order, watermarks and barriers pass as they are.
 * State       none: nothing to snapshot, and a restart loses nothing.
 * Invariants  F1  every row out is a row in, in the same order
 *             F2  a NULL predicate drops the row (three-valued logic)
 *             F3  columns are shared with the input; only the selection is new
 *             F4  rows in = rows out + rows filtered + rows failed
 */
#include "operator/filter.h"

typedef struct filter {
    const wr_filter_config *config;
} filter;

static weir_status
filter_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    filter *f = self;
    (void) ctx;
    f->config = config;
    if (f->config->predicate != NULL && f->config->predicate->type.id != WR_BOOL)
        return wr_error_set(err, WEIR_QUERY_TYPE, "a filter needs a boolean, not %s",
                            wr_type_name(f->config->predicate->type));
    return WEIR_OK;
}

static wr_flow
filter_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    filter  *f = self;
    uint32_t count = 0;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    if (f->config->predicate == NULL) {
        wr_ctx_emit(ctx, WR_PORT_MAIN, wr_batch_retain((wr_batch *) in));
        return WR_FLOW_NEXT;
    }
    uint16_t *selected = wr_arena_alloc(&ctx->eval.step, in->row_count * sizeof *selected);
    if (selected == NULL || wr_expr_filter(&ctx->eval, f->config->predicate, in, wr_batch_rows(in),
                                           selected, &count) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to filter %u rows", in->row_count);
    uint64_t failed = atomic_load_explicit(&ctx->counters.rows_failed, memory_order_relaxed);
    if (wr_ctx_drop_failed(ctx, in, selected, &count) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    failed = atomic_load_explicit(&ctx->counters.rows_failed, memory_order_relaxed) - failed;
    wr_assert(count + failed <= in->row_count); /* F1 */
    atomic_fetch_add_explicit(&ctx->counters.rows_filtered, in->row_count - count - failed,
                              memory_order_relaxed); /* F4 */
    if (count == 0)
        return WR_FLOW_NEXT;
    wr_batch *kept = count == in->row_count ? wr_batch_retain((wr_batch *) in)
                                            : wr_batch_select(ctx->flow, in, selected, count);
    if (kept == NULL)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u filtered rows", count);
    wr_ctx_emit(ctx, WR_PORT_MAIN, kept);
    return WR_FLOW_NEXT;
}

static void
filter_close(void *self)
{
    ((filter *) self)->config = NULL;
}

static void
filter_explain(const void *config, wr_text *to)
{
    const wr_filter_config *c = config;
    if (c->predicate != NULL)
        wr_expr_print(c->predicate, NULL, to);
    else
        wr_text_puts(to, "true");
}

const wr_operator_ops wr_filter_ops = {
    .name = "filter",
    .self_size = sizeof(filter),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = filter_open,
    .process = filter_process,
    .close = filter_close,
    .explain = filter_explain,
};
