/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/settled.c -- write down what each row's own watermark promises of a time (see settled.h).
 *
 * Place       one input, one output, behind a source and before rows of several inputs meet.  Order,
 *             watermarks and barriers pass as they are.
 * State       none.
 * Invariants  S1  row i out is row i in with one column more
 *             S2  the column depends on the order of the source's rows alone; NULL where nothing is
 *                 promised yet
 */
#include "operator/settled.h"

#include <string.h>

typedef struct settled {
    const wr_settled_config *config;
} settled;

static weir_status
settled_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    (void) ctx;
    (void) err;
    ((settled *) self)->config = config;
    return WEIR_OK;
}

static weir_status
settled_fill(const settled *s, wr_column *column, const wr_batch *in)
{
    wr_time *times = column->data;
    memset(times, 0, in->physical_count * sizeof *times);
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        wr_time  w = wr_batch_row_watermark(in, row), t;
        bool     promised = s->config->offset != WR_NO_WATERMARK && w != WR_TIME_START &&
                        !__builtin_add_overflow(w, s->config->offset, &t);
        if (promised)
            times[row] = WR_MIN(t, WR_TIME_POSINF);
        else
            WR_TRY(wr_column_set_null(column, row));
    }
    return WEIR_OK;
}

static wr_flow
settled_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    const settled *s = self;
    uint32_t       n = s->config->column_count;
    wr_assert(port == 0 && in->column_count == n);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    wr_batch *bare = wr_batch_pick(ctx->flow, in, NULL, 0), *out = NULL;
    if (bare != NULL)
        out = wr_batch_create(ctx->flow, n + 1);
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
        for (uint32_t c = 0; c < n; c++)
            out->columns[c] = in->columns[c] != NULL ? wr_column_retain(in->columns[c]) : NULL;
        out->columns[n] = wr_column_create(ctx->flow, WR_TYPE(WR_TIMESTAMP), in->physical_count);
    }
    wr_batch_release(bare);
    if (out == NULL || out->columns[n] == NULL || settled_fill(s, out->columns[n], in) != WEIR_OK) {
        wr_batch_release(out);
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u rows", in->row_count);
    }
    wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    return WR_FLOW_NEXT;
}

static void
settled_close(void *self)
{
    ((settled *) self)->config = NULL;
}

static void
settled_explain(const void *config, wr_text *to)
{
    const wr_settled_config *c = config;
    if (c->offset == WR_NO_WATERMARK)
        wr_text_puts(to, "never");
    else
        wr_text_printf(to, "W %+.6f s", (double) c->offset / 1e6);
}

const wr_operator_ops wr_settled_ops = {
    .name = "settled",
    .self_size = sizeof(settled),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = settled_open,
    .process = settled_process,
    .close = settled_close,
    .explain = settled_explain,
};
