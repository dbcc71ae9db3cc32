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

enum { SIDE_SLOTS = 4, SAMPLE_BYTES = 160, ARENA_BYTES_FREE = 4096 };

/* Read by whoever looks in while the task writes the next one. */
struct wr_row_sample {
    wr_mutex         lock;
    weir_status_code code;
    char             text[SAMPLE_BYTES];
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
    ctx->wake_at = WR_TIME_END;
    wr_eval_init(&ctx->eval, flow);
    if (capacity > WR_OUTBOX_FEW)
        return outbox_init(&ctx->out[WR_PORT_MAIN], flow, capacity);
    ctx->out[WR_PORT_MAIN] = (wr_outbox){ .slots = ctx->few, .capacity = capacity };
    return WEIR_OK;
}

weir_status
wr_ctx_want_late(wr_ctx *ctx)
{
    ctx->late_wanted = true;
    return outbox_init(&ctx->out[WR_PORT_LATE], ctx->flow, SIDE_SLOTS);
}

weir_status
wr_ctx_want_bad(wr_ctx *ctx, const wr_bad_origin *origin)
{
    WR_TRY(outbox_init(&ctx->out[WR_PORT_BAD], ctx->flow, SIDE_SLOTS));
    ctx->bad = wr_bad_rows_create(ctx->flow, origin);
    return ctx->bad != NULL ? WEIR_OK : WEIR_MEMORY;
}

void
wr_ctx_fini(wr_ctx *ctx)
{
    for (int p = 0; p < WR_PORT_COUNT; p++) {
        wr_outbox *box = &ctx->out[p];
        for (uint32_t i = 0; i < box->count; i++)
            wr_batch_release(box->slots[i]);
        if (box->slots != ctx->few)
            wr_free(box->slots);
        *box = (wr_outbox){ 0 };
    }
    wr_scratch_gone(ctx->scratch, ctx);
    wr_eval_fini(&ctx->eval);
    wr_bad_rows_destroy(ctx->bad);
    ctx->bad = NULL;
    wr_row_sample *sample = atomic_exchange(&ctx->sample, NULL);
    if (sample != NULL)
        wr_mutex_fini(&sample->lock);
    wr_free(sample);
}

void
wr_ctx_sample(wr_ctx *ctx, weir_status_code code, const char *format, ...)
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
    sample->code = code;
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
    if (batch->arrived == 0)
        batch->arrived = ctx->arrived;
    box->slots[box->count++] = batch;
}

weir_status
wr_ctx_drop_late(wr_ctx *ctx, const wr_batch *in, const uint16_t *rows, uint32_t count)
{
    if (count == 0)
        return WEIR_OK;
    counter_add(&ctx->counters.rows_late, count);
    if (!ctx->late_wanted)
        return WEIR_OK;
    wr_batch *batch = wr_batch_select(ctx->flow, in, rows, count);
    if (batch == NULL)
        return WEIR_MEMORY;
    wr_ctx_emit(ctx, WR_PORT_LATE, batch);
    return WEIR_OK;
}

bool
wr_ctx_sheds(const wr_ctx *ctx)
{
    if (WR_LIKELY(!ctx->shed))
        return false;
    const wr_budget *full = wr_budget_tightest(ctx->state);
    return full != NULL && wr_budget_room(ctx->state) < wr_budget_limit(full) / 8;
}

void
wr_ctx_count_shed(wr_ctx *ctx, uint64_t rows)
{
    counter_add(&ctx->counters.rows_shed, rows);
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

static bool
arena_drop(void *self)
{
    wr_ctx *ctx = self;
    if (ctx->in_call)
        return false;
    wr_eval_reset(&ctx->eval);
    wr_arena_fini(&ctx->eval.step);
    ctx->arena_listed = false;
    return true;
}

void
wr_ctx_call_begin(wr_ctx *ctx, wr_time now)
{
    wr_eval_reset(&ctx->eval);
    ctx->eval.now = now;
    ctx->in_call = true;
}

void
wr_ctx_call_end(wr_ctx *ctx)
{
    ctx->in_call = false;
    if (ctx->arena_listed || ctx->eval.step.bytes <= ARENA_BYTES_FREE)
        return;
    ctx->arena_listed = true;
    wr_scratch_made(ctx->scratch, ctx, arena_drop);
}

/* Nothing that was counted as sent is lost: the outbox grows. */
weir_status
wr_ctx_bad_flush(wr_ctx *ctx)
{
    wr_outbox *box = &ctx->out[WR_PORT_BAD];
    if (ctx->bad == NULL)
        return WEIR_OK;
    if (box->count == box->capacity) {
        wr_batch **grown =
            wr_realloc(ctx->flow, box->slots, 2 * box->capacity * sizeof(wr_batch *));
        if (grown == NULL)
            return WEIR_MEMORY;
        box->slots = grown;
        box->capacity *= 2;
    }
    wr_batch *batch = wr_bad_rows_take(ctx->bad);
    if (batch != NULL)
        wr_ctx_emit(ctx, WR_PORT_BAD, batch);
    return WEIR_OK;
}

static weir_status
bad_add(wr_ctx *ctx, const wr_batch *batch, uint32_t row, bool result, weir_status_code code,
        const char *text)
{
    if (ctx->bad == NULL)
        return WEIR_OK;
    if (wr_bad_rows_full(ctx->bad))
        WR_TRY(wr_ctx_bad_flush(ctx));
    return wr_bad_rows_add(ctx->bad, batch, row, result, code, text, ctx->eval.now);
}

wr_flow
wr_ctx_bad_result(wr_ctx *ctx, const wr_batch *out, uint32_t row)
{
    const wr_row_sample *s = atomic_load_explicit(&ctx->sample, memory_order_relaxed);
    weir_status_code     code = s != NULL ? s->code : WEIR_ROW_OVERFLOW;
    counter_add(&ctx->counters.rows_failed, 1);
    if (bad_add(ctx, out, row, true, code, s != NULL ? s->text : weir_status_text(code)) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for a failed row");
    return WR_FLOW_NEXT;
}

wr_flow
wr_ctx_drop_failed(wr_ctx *ctx, const wr_batch *in, uint16_t *selected, uint32_t *count)
{
    wr_eval *eval = &ctx->eval;
    if (WR_LIKELY(eval->error_count == 0))
        return WR_FLOW_NEXT;
    for (; eval->error_told < eval->error_count; eval->error_told++) { /* C2 */
        const wr_row_error *e = &eval->errors[eval->error_told];
        const char         *text = e->text != NULL ? e->text : weir_status_text(e->code);
        counter_add(&ctx->counters.rows_failed, 1);
        if (ctx->on_row_error == WR_ROW_FAIL) {
            wr_ctx_sample(ctx, e->code, "%s", text);
            (void) wr_error_at(ctx->error, e->code, e->location, "%s", text);
            return WR_FLOW_FAIL;
        }
        if (eval->error_told + 1 == eval->error_count)
            wr_ctx_sample(ctx, e->code, "%s", text);
        if (bad_add(ctx, in, e->row, false, e->code, text) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u failed rows", eval->error_count);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *count; i++) {
        uint16_t row = selected[i];
        selected[kept] = row;
        kept += !wr_bitmap_get(eval->error_bits, row);
    }
    *count = kept;
    return WR_FLOW_NEXT;
}
