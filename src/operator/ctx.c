/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/ctx.c -- what a task lends an operator: outboxes, counters, row errors.
 *
 * Place       made by the runtime (or optest) for each operator of a chain; used by operators.
 * State       outboxes of fixed capacity; whoever empties one owns the batches it takes.
 * Invariants  C1  a batch given to wr_ctx_emit has exactly one owner afterwards: the outbox, or
 *                 nobody
 *             C2  a failed row is counted once, sampled, and is in no selection that goes on
 */
#include "base/thread.h"
#include "operator/operator.h"

#include <stdio.h>
#include <string.h>

enum { SIDE_SLOTS = 4, SAMPLE_BYTES = 160 };

/* Read by whoever looks in while the task writes the next one. */
struct wr_row_sample {
    wr_mutex lock;
    char     text[SAMPLE_BYTES];
};

static weir_status
outbox_init(wr_outbox *box, wr_budget *flow, uint32_t capacity)
{
    if (box->slots != NULL)
        return WEIR_OK;
    box->slots = wr_calloc(flow, capacity, sizeof(wr_batch *));
    box->capacity = box->slots != NULL ? capacity : 0;
    return box->slots != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_ctx_init(wr_ctx *ctx, wr_budget *state, wr_budget *flow, wr_groups groups, uint32_t capacity,
            weir_error *error)
{
    wr_assert(capacity > 0);
    memset(ctx, 0, sizeof *ctx);
    ctx->state = state;
    ctx->flow = flow;
    ctx->groups = groups;
    ctx->error = error;
    ctx->watermark = WR_TIME_START;
    for (int p = 0; p < WR_OP_PORTS_MAX; p++)
        ctx->port_watermark[p] = WR_TIME_START;
    wr_eval_init(&ctx->eval, flow);
    return outbox_init(&ctx->out[WR_PORT_MAIN], flow, capacity);
}

weir_status
wr_ctx_want(wr_ctx *ctx, int port)
{
    wr_assert(port == WR_PORT_LATE || port == WR_PORT_BAD);
    WR_TRY(outbox_init(&ctx->out[port], ctx->flow, SIDE_SLOTS));
    if (port == WR_PORT_LATE)
        ctx->late_wanted = true;
    else
        ctx->bad_wanted = true;
    return WEIR_OK;
}

void
wr_ctx_fini(wr_ctx *ctx)
{
    for (int p = 0; p < WR_PORT_COUNT; p++) {
        wr_outbox *box = &ctx->out[p];
        for (uint32_t i = 0; i < box->count; i++)
            wr_batch_release(box->slots[i]);
        wr_free(box->slots);
        *box = (wr_outbox){ 0 };
    }
    wr_eval_fini(&ctx->eval);
    wr_row_sample *sample = atomic_exchange(&ctx->sample, NULL);
    if (sample != NULL)
        wr_mutex_fini(&sample->lock);
    wr_free(sample);
}

void
wr_ctx_sample(wr_ctx *ctx, const char *format, ...)
{
    wr_row_sample *sample = atomic_load_explicit(&ctx->sample, memory_order_relaxed);
    va_list        args;
    if (sample == NULL) {
        sample = wr_calloc(ctx->flow, 1, sizeof *sample);
        if (sample == NULL)
            return;
        wr_mutex_init(&sample->lock);
        atomic_store_explicit(&ctx->sample, sample, memory_order_release);
    }
    va_start(args, format);
    wr_mutex_lock(&sample->lock);
    vsnprintf(sample->text, sizeof sample->text, format, args);
    wr_mutex_unlock(&sample->lock);
    va_end(args);
}

void
wr_ctx_sample_copy(const wr_ctx *ctx, char *text, size_t bytes)
{
    wr_row_sample *sample = atomic_load_explicit(&ctx->sample, memory_order_acquire);
    wr_assert(bytes > 0);
    text[0] = '\0';
    if (sample == NULL)
        return;
    wr_mutex_lock(&sample->lock);
    snprintf(text, bytes, "%s", sample->text);
    wr_mutex_unlock(&sample->lock);
}

static void
counter_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void
wr_ctx_emit(wr_ctx *ctx, int port, wr_batch *batch)
{
    wr_assert(port >= 0 && port < WR_PORT_COUNT);
    wr_assert(batch != NULL);
    wr_outbox *box = &ctx->out[port];
    if (box->count == box->capacity) {
        wr_assert(port != WR_PORT_MAIN);
        wr_batch_release(batch);
        return;
    }
    /* A batch with watermarks a row has been stamped by its operator: they reach past the
     * context's. */
    if (port == WR_PORT_MAIN && !ctx->keeps_order && batch->row_watermark == NULL) {
        batch->watermark_before = ctx->watermark;
        batch->watermark_after = ctx->watermark;
    }
    if (port == WR_PORT_MAIN) {
        counter_add(&ctx->counters.rows_out, batch->row_count);
        counter_add(&ctx->counters.batches_out, 1);
    }
    box->slots[box->count++] = batch;
}

wr_flow
wr_ctx_fail(wr_ctx *ctx, weir_status code, const char *format, ...)
{
    char    text[WEIR_ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void) wr_error_set(ctx->error, code, "%s", text);
    return WR_FLOW_FAIL;
}

/* The failed rows that batch shows, ascending, into rows. */
static uint32_t
failed_rows(const wr_eval *eval, const wr_batch *in, uint16_t *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        rows[count] = (uint16_t) row;
        count += wr_bitmap_get(eval->error_bits, row);
    }
    return count;
}

wr_flow
wr_ctx_drop_failed(wr_ctx *ctx, const wr_batch *in, uint16_t *selected, uint32_t *count)
{
    wr_eval *eval = &ctx->eval;
    if (WR_LIKELY(eval->error_count == 0))
        return WR_FLOW_NEXT;
    const wr_row_error *first = &eval->errors[0];
    const char *text = first->text != NULL ? first->text : weir_status_text(first->code);
    wr_ctx_sample(ctx, "%s", text);
    if (ctx->on_row_error == WR_ROW_FAIL) {
        counter_add(&ctx->counters.rows_failed, 1);
        (void) wr_error_at(ctx->error, first->code, first->location, "%s", text);
        return WR_FLOW_FAIL;
    }
    uint16_t *rows = wr_arena_alloc(&eval->step, WR_BATCH_ROWS_MAX * sizeof *rows);
    if (rows == NULL)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u failed rows", eval->error_count);
    uint32_t failed = failed_rows(eval, in, rows);
    counter_add(&ctx->counters.rows_failed, failed);
    if (ctx->bad_wanted && failed > 0) {
        wr_batch *bad = wr_batch_select(ctx->flow, in, rows, failed);
        if (bad == NULL)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u failed rows", failed);
        wr_ctx_emit(ctx, WR_PORT_BAD, bad);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        uint16_t row = selected[i];
        selected[kept] = row;
        kept += !wr_bitmap_get(eval->error_bits, row);
    }
    *count = kept; /* C2 */
    return WR_FLOW_NEXT;
}
