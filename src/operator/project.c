/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/project.c -- compute the output columns, one expression each.
 *
 * Place       one input, one output.  Order, watermarks and barriers pass as they are.
 * State       none.
 * Invariants  P1  row i out is row i in, but for rows that failed
 *             P2  a column named bare is shared, not copied
 *             P3  selection, diffs and row watermarks pass by physical row
 */
#include "operator/project.h"

typedef struct project {
    const wr_project_config *config;
} project;

static weir_status
project_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    (void) ctx;
    (void) err;
    ((project *) self)->config = config;
    return WEIR_OK;
}

/* The header, selection, diffs and row watermarks of `in` with room for our columns.  Owned. */
static wr_batch *
project_frame(const project *p, wr_ctx *ctx, const wr_batch *in)
{
    wr_batch *bare = wr_batch_pick(ctx->flow, in, NULL, 0);
    wr_batch *out = bare != NULL ? wr_batch_create(ctx->flow, p->config->count) : NULL;
    if (out != NULL) {
        wr_batch_copy_header(out, bare);
        out->row_count = bare->row_count;
        out->physical_count = bare->physical_count;
        out->selection = bare->selection;
        out->diff = bare->diff;
        out->row_watermark = bare->row_watermark;
        bare->selection = NULL;
        bare->diff = NULL;
        bare->row_watermark = NULL;
    }
    wr_batch_release(bare);
    return out;
}

/* Leave the failed rows out of `out`; takes it, and gives back what is left (NULL: failed). */
static wr_batch *
project_drop_failed(wr_ctx *ctx, const wr_batch *in, wr_batch *out)
{
    uint32_t  count = in->row_count;
    uint16_t *selected = wr_arena_alloc(&ctx->eval.step, count * sizeof *selected);
    wr_batch *kept = NULL;
    for (uint32_t i = 0; selected != NULL && i < count; i++)
        selected[i] = (uint16_t) wr_batch_row(in, i);
    if (selected != NULL && wr_ctx_drop_failed(ctx, in, selected, &count) != WR_FLOW_NEXT) {
        wr_batch_release(out);
        return NULL;
    }
    if (selected != NULL)
        kept = wr_batch_select(ctx->flow, out, selected, count);
    wr_batch_release(out);
    if (kept == NULL)
        (void) wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u rows", count);
    return kept;
}

static wr_flow
project_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    project *p = self;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    wr_batch *out = project_frame(p, ctx, in);
    if (out == NULL)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u rows", in->row_count);
    for (uint32_t c = 0; c < p->config->count; c++) {
        weir_status status = wr_expr_eval(&ctx->eval, p->config->exprs[c], in, wr_batch_rows(in),
                                          &out->columns[c]);
        if (status != WEIR_OK) {
            wr_batch_release(out);
            return wr_ctx_fail(ctx, status, "no memory to compute %u rows", in->row_count);
        }
    }
    if (WR_UNLIKELY(ctx->eval.error_count > 0)) {
        out = project_drop_failed(ctx, in, out);
        if (out == NULL)
            return WR_FLOW_FAIL;
    }
    if (out->row_count == 0)
        wr_batch_release(out);
    else
        wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    return WR_FLOW_NEXT;
}

static void
project_close(void *self)
{
    ((project *) self)->config = NULL;
}

static void
project_explain(const void *config, wr_text *to)
{
    const wr_project_config *c = config;
    for (uint32_t i = 0; i < c->count; i++) {
        if (i > 0)
            wr_text_puts(to, ", ");
        wr_expr_print(c->exprs[i], NULL, to);
    }
}

const wr_operator_ops wr_project_ops = {
    .name = "project",
    .self_size = sizeof(project),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = project_open,
    .process = project_process,
    .close = project_close,
    .explain = project_explain,
};
