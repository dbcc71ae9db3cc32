/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/merge.c -- UNION ALL: the rows of all ports, columns by position.
 *
 * Place       several inputs, one output.  The output's watermark is the least of the inputs'.
 * State       none.
 * Invariants  M1  every row in comes out once, in the order it was offered
 *             M2  a row is judged downstream by min(its own watermark, the other ports'
 *                 watermarks), so that a batch of rows and the same rows one at a time are late
 *                 alike
 */
#include "operator/merge.h"

typedef struct merge {
    const wr_merge_config *config;
} merge;

static weir_status
merge_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    merge *m = self;
    (void) ctx;
    m->config = config;
    if (m->config->port_count > WR_OP_PORTS_MAX)
        return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX, "UNION ALL of %u inputs; at most %d",
                            m->config->port_count, WR_OP_PORTS_MAX);
    return WEIR_OK;
}

/* M2: out is a private copy of a batch of `port`. */
static weir_status
merge_stamp(const merge *m, wr_ctx *ctx, int port, wr_batch *out)
{
    wr_time others = WR_TIME_END, most = ctx->watermark;
    for (uint32_t p = 0; p < m->config->port_count; p++)
        if ((int) p != port)
            others = WR_MIN(others, ctx->port_watermark[p]);
    if (out->row_watermark == NULL) {
        if (WR_MIN(out->watermark_before, others) <= ctx->watermark)
            return WEIR_OK; /* the emit stamps it */
        out->row_watermark = wr_alloc(ctx->flow, out->physical_count * sizeof *out->row_watermark);
        if (out->row_watermark == NULL)
            return WEIR_MEMORY;
        for (uint32_t row = 0; row < out->physical_count; row++)
            out->row_watermark[row] = out->watermark_before;
    }
    for (uint32_t i = 0; i < out->row_count; i++) {
        wr_time *w = &out->row_watermark[wr_batch_row(out, i)];
        *w = WR_MAX(WR_MIN(*w, others), ctx->watermark);
        most = WR_MAX(most, *w);
    }
    out->watermark_before = ctx->watermark;
    /* A row may be judged by more than this task stands at (batch.h, B4): the header promises no
     * more. */
    out->watermark_after = WR_MAX(ctx->watermark, WR_MIN(most, out->watermark_after));
    return WEIR_OK;
}

static wr_flow
merge_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    merge *m = self;
    wr_assert(port >= 0 && (uint32_t) port < m->config->port_count);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    wr_batch *out = wr_batch_copy(ctx->flow, in);
    if (out == NULL || merge_stamp(m, ctx, port, out) != WEIR_OK) {
        wr_batch_release(out);
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u rows", in->row_count);
    }
    wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    return WR_FLOW_NEXT;
}

static void
merge_close(void *self)
{
    ((merge *) self)->config = NULL;
}

static void
merge_explain(const void *config, wr_text *to)
{
    wr_text_printf(to, "%u inputs", ((const wr_merge_config *) config)->port_count);
}

const wr_operator_ops wr_merge_ops = {
    .name = "merge",
    .self_size = sizeof(merge),
    .traits = WR_OP_STATELESS,
    .open = merge_open,
    .process = merge_process,
    .close = merge_close,
    .explain = merge_explain,
};
