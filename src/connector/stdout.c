/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/stdout.c -- the sink that writes to standard output.
 *
 * Each batch is written when it comes; a slow reader stops the view, a reader that is gone ends the
 * sink quietly.
 */
#include "connector/file.h"
#include "connector/output_impl.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

typedef struct stdout_sink {
    wr_output output;
    bool      begun;
} stdout_sink;

static weir_status
stdout_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    stdout_sink *s = self;
    wr_output_init(&s->output, ctx->flow);
    wr_output_set(&s->output, STDOUT_FILENO);
    return WEIR_OK;
}

/* NEXT: all is out. */
static wr_flow
stdout_drain(stdout_sink *s, wr_sink_ctx *ctx, wr_flow blocked)
{
    uint64_t        written = 0;
    wr_output_state state = wr_output_drain(&s->output, &written);
    atomic_fetch_add_explicit(&ctx->bytes, written, memory_order_relaxed);
    switch (state) {
    case WR_OUTPUT_CLEAR: return WR_FLOW_NEXT;
    case WR_OUTPUT_BLOCKED: ctx->wake_on(ctx, STDOUT_FILENO, true); return blocked;
    case WR_OUTPUT_CLOSED: return WR_FLOW_DONE;
    case WR_OUTPUT_FAILED: break;
    }
    wr_error_set(&ctx->error, WEIR_WRITE, "cannot write to standard output: %s", strerror(errno));
    return WR_FLOW_FAIL;
}

static wr_flow
stdout_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    stdout_sink *s = self;
    wr_flow      flow = stdout_drain(s, ctx, WR_FLOW_AGAIN);
    if (flow != WR_FLOW_NEXT)
        return flow;
    weir_status status = WEIR_OK;
    if (!s->begun && ctx->encoder->ops->begin != NULL)
        status = ctx->encoder->ops->begin(ctx->encoder, &s->output.pending);
    for (uint32_t row = 0; status == WEIR_OK && row < batch->row_count;) {
        bool full = flow == WR_FLOW_AGAIN; /* the rest waits with it */
        status = wr_output_encode(&s->output, ctx->encoder, batch, &row, full);
        if (status == WEIR_OK && !full)
            flow = stdout_drain(s, ctx, WR_FLOW_AGAIN);
        if (flow != WR_FLOW_NEXT && flow != WR_FLOW_AGAIN)
            return flow;
    }
    if (status != WEIR_OK) {
        wr_error_set(&ctx->error, status, "%s", weir_status_text(status));
        return WR_FLOW_FAIL;
    }
    s->begun = true;
    atomic_fetch_add_explicit(&ctx->rows, batch->row_count, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

static wr_flow
stdout_flush(void *self, wr_sink_ctx *ctx)
{
    return stdout_drain(self, ctx, WR_FLOW_WAIT);
}

static void
stdout_close(void *self)
{
    stdout_sink *s = self;
    wr_output_fini(&s->output);
}

static const wr_option stdout_options[] = { { 0 } };

const wr_sink_ops wr_stdout_sink_ops = {
    .name = "stdout",
    .doc = "Rows to standard output.",
    .options = stdout_options,
    .config_bytes = 1,
    .self_bytes = sizeof(stdout_sink),
    .default_format = "json",
    .takes_changes = true,
    .open = stdout_open,
    .write = stdout_write,
    .flush = stdout_flush,
    .service = stdout_flush,
    .close = stdout_close,
};
