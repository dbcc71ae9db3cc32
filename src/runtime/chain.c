/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/chain.c -- the chain runner (see chain_impl.h). */
#include "runtime/chain_impl.h"

#include <stdio.h>
#include <string.h>

typedef enum step_flow {
    FLOW_DONE,   /* the batch is through this operator         */
    FLOW_NO_ROOM, /* its outbox (or a side) has to be emptied   */
    FLOW_FAILED
} step_flow;

/* --- calling operators --- */

enum { CPU_ROWS_MIN = 256, CPU_SAMPLE = 16 };

/* CPU is measured around every large call and every 16th small one. */
static int64_t
op_clock_begin(chain_op *op, uint32_t rows)
{
    if (rows >= CPU_ROWS_MIN)
        return wr_cpu_thread_us();
    return op->calls++ % CPU_SAMPLE == 0 ? wr_cpu_thread_us() : -1;
}

static void
op_clock_end(chain_op *op, int64_t begun, uint32_t rows)
{
    if (begun < 0)
        return;
    int64_t us = wr_cpu_thread_us() - begun;
    atomic_fetch_add_explicit(&op->ctx.counters.cpu_us,
                              (uint64_t) us * (rows >= CPU_ROWS_MIN ? 1 : CPU_SAMPLE),
                              memory_order_relaxed);
}

static void
op_begin_call(chain *c, chain_op *op)
{
    wr_ctx_call_begin(&op->ctx, wr_clock_now(c->clock));
    op->ctx.arrived = op->in->arrived;
}

static wr_outbox *
op_outbox(chain_op *op)
{
    return &op->ctx.out[WR_PORT_MAIN];
}

static step_flow
op_failed(chain *c, chain_op *op)
{
    const wr_budget *full = op->state != NULL ? wr_budget_tightest(op->state) : NULL;
    bool             memory = c->error->code == WEIR_MEMORY;
    bool             is_full = memory && full != NULL && wr_budget_room(full) < wr_budget_limit(full) / 2;
    c->failed = true;
    c->op_failed = memory ? is_full : c->error->code != WEIR_OK && c->error->code != WEIR_INTERNAL;
    if (is_full) {
        char text[WEIR_ERROR_TEXT_MAX / 2];
        snprintf(text, sizeof text, "%.255s", c->error->text);
        (void) wr_error_set(c->error, WEIR_MEMORY,
                            "%s; %s holds %llu of its %llu bytes: raise limits.memory", text,
                            wr_budget_name(full), (unsigned long long) wr_budget_used(full),
                            (unsigned long long) wr_budget_limit(full));
    }
    if (c->error->code == WEIR_OK)
        (void) wr_error_set(c->error, WEIR_INTERNAL, "operator %s failed without a reason",
                            op->job->ops->name);
    return FLOW_FAILED;
}

static step_flow
chain_out_of_memory(chain *c)
{
    c->failed = true;
    (void) wr_error_set(c->error, WEIR_MEMORY, "no memory for a batch of %s: %s holds %llu bytes",
                        c->task->name, wr_budget_name(c->out.flow),
                        (unsigned long long) wr_budget_used(c->out.flow));
    return FLOW_FAILED;
}

/* What an operator's answer means for the step under way; true: the step is finished. */
static bool
op_answered(chain *c, chain_op *op, wr_flow flow, step_flow *result)
{
    wr_ctx_call_end(&op->ctx);
    if (op->ctx.bad != NULL && wr_ctx_bad_flush(&op->ctx) != WEIR_OK) {
        *result = chain_out_of_memory(c);
        return false;
    }
    switch (flow) {
    case WR_FLOW_NEXT: return true;
    case WR_FLOW_DONE: op->done = true; return true;
    case WR_FLOW_AGAIN: *result = FLOW_NO_ROOM; return false;
    case WR_FLOW_WAIT:
        wr_task_wake_after(c->task, 1000); /* operators have no waker of their own */
        *result = FLOW_NO_ROOM;
        return false;
    case WR_FLOW_FAIL: *result = op_failed(c, op); return false;
    }
    wr_unreachable();
}

/* --- the steps of one batch through one operator --- */

static bool
op_is_due(const chain *c, const chain_op *op)
{
    return op->job->ops->tick != NULL && !op->done && !op->ended &&
           op->ctx.wake_at <= wr_clock_now(c->clock);
}

static bool
step_tick(chain *c, chain_op *op, step_flow *result)
{
    if (!op_is_due(c, op))
        return true;
    op_begin_call(c, op);
    return op_answered(c, op, op->job->ops->tick(op->self, &op->ctx), result);
}

static bool
step_process(chain *c, chain_op *op, step_flow *result)
{
    const wr_batch *in = op->in;
    if (in->row_count == 0 || op->done)
        return true;
    op->settled = false;
    op_begin_call(c, op);
    int64_t begun = op_clock_begin(op, in->row_count);
    wr_flow flow = op->job->ops->process(op->self, &op->ctx, op->port, in);
    op_clock_end(op, begun, in->row_count);
    if (!op_answered(c, op, flow, result))
        return false;
    atomic_fetch_add_explicit(&op->ctx.counters.rows_in, in->row_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&op->ctx.counters.batches_in, 1, memory_order_relaxed);
    return true;
}

/* Has a port ended that its operator has not heard of? */
static bool
port_has_ended(const chain *c, const chain_op *op)
{
    if (op != c->ops || c->ports == NULL || op->ctx.port_watermark == NULL)
        return false;
    for (int p = 0; p < WR_OP_PORTS_MAX; p++)
        if (c->ports[p] == WR_TIME_END && op->ctx.port_watermark[p] != WR_TIME_END)
            return true;
    return false;
}

static bool
step_advance(chain *c, chain_op *op, step_flow *result)
{
    wr_time to = op->in->mark == WR_MARK_END ? WR_TIME_END : op->in->watermark_after;
    if (to <= op->ctx.watermark && !port_has_ended(c, op))
        return true;
    if (op == c->ops && c->ports != NULL && op->ctx.port_watermark != NULL)
        memcpy(op->ctx.port_watermark, c->ports, WR_OP_PORTS_MAX * sizeof c->ports[0]);
    if (op->job->ops->advance != NULL && !op->done && !op->settled) {
        op_begin_call(c, op);
        int64_t begun = op_clock_begin(op, 0);
        wr_flow flow = op->job->ops->advance(op->self, &op->ctx, to);
        op_clock_end(op, begun, 0);
        if (!op_answered(c, op, flow, result))
            return false;
    }
    if (to != WR_TIME_END) /* what finish emits is judged by the last watermark, not by the end of time */
        op->ctx.watermark = to;
    return true;
}

static bool
step_finish(chain *c, chain_op *op, step_flow *result)
{
    if (op->in->mark != WR_MARK_END || op->job->ops->finish == NULL || op->done || op->settled)
        return true;
    op_begin_call(c, op);
    return op_answered(c, op, op->job->ops->finish(op->self, &op->ctx), result);
}

/* H1: the watermark goes on with the last batch in the outbox when that is ours alone, else by itself. */
static bool
step_carry(chain *c, chain_op *op, step_flow *result)
{
    wr_outbox *box = op_outbox(op);
    wr_time    to = op->ctx.watermark;
    if (op->in->mark == WR_MARK_END || op->done || to == WR_TIME_END)
        return true; /* the END mark carries it, behind what finish has to say */
    wr_batch *last = box->count > 0 ? box->slots[box->count - 1] : NULL;
    wr_time   known = last != NULL ? last->watermark_after : op->sent;
    if (known >= to)
        return true;
    if (last != NULL && last->mark == WR_MARK_NONE &&
        atomic_load_explicit(&last->refs, memory_order_acquire) == 1) {
        last->watermark_after = to;
        return true;
    }
    if (box->count == box->capacity) {
        *result = FLOW_NO_ROOM;
        return false;
    }
    wr_batch *carrier = wr_batch_create_watermark(c->out.flow, known, to);
    if (carrier == NULL) {
        *result = chain_out_of_memory(c);
        return false;
    }
    carrier->arrived = op->in->arrived;
    box->slots[box->count++] = carrier;
    return true;
}

/* Freeze at a barrier and hand the mark on; an operator that is done ends whatever the mark was. */
static bool
step_mark(chain *c, chain_op *op, step_flow *result)
{
    wr_outbox *box = op_outbox(op);
    bool       end = op->in->mark == WR_MARK_END || op->done;
    if (op->in->mark == WR_MARK_NONE && !end)
        return true;
    if (box->count == box->capacity) {
        *result = FLOW_NO_ROOM;
        return false;
    }
    wr_batch *mark;
    if (end) {
        wr_time known = box->count > 0 ? box->slots[box->count - 1]->watermark_after : op->sent;
        mark = wr_batch_create_end(c->out.flow, known);
        if (mark == NULL) {
            *result = chain_out_of_memory(c);
            return false;
        }
        mark->arrived = op->in->arrived;
        op->ended = true;
    } else {
        if (c->keep_state && op->in->mark == WR_MARK_BARRIER && op->job->ops->freeze != NULL &&
            op->frozen == NULL) {
            weir_status status = op->job->ops->freeze(op->self, op->in->epoch, &op->frozen);
            if (status != WEIR_OK) {
                c->failed = true;
                (void) wr_error_set(c->error, status, "operator %s cannot freeze its state",
                                    op->job->ops->name);
                *result = FLOW_FAILED;
                return false;
            }
        }
        mark = wr_batch_retain(op->in);
    }
    box->slots[box->count++] = mark; /* H2 */
    return true;
}

typedef bool (*step_fn)(chain *c, chain_op *op, step_flow *result);
static const step_fn steps[] = {
    [STEP_TICK] = step_tick,
    [STEP_PROCESS] = step_process, [STEP_ADVANCE] = step_advance, [STEP_FINISH] = step_finish,
    [STEP_CARRY] = step_carry,     [STEP_MARK] = step_mark,
};

/* H3: discard; but a barrier still has to pass this task, which it does once the END has left. */
static step_flow
op_discard(chain *c, chain_op *op)
{
    if (op->in->mark == WR_MARK_BARRIER) {
        if (!c->ended)
            return FLOW_NO_ROOM;
        c->barrier = op->in->epoch;
    }
    wr_batch_release(op->in);
    op->in = NULL;
    return FLOW_DONE;
}

static step_flow
op_step(chain *c, chain_op *op)
{
    step_flow result = FLOW_DONE;
    if (op->ended && op->step == STEP_TICK)
        return op_discard(c, op);
    for (; op->step <= STEP_MARK; op->step++)
        if (!steps[op->step](c, op, &result))
            return result;
    op->step = STEP_TICK;
    wr_batch_release(op->in);
    op->in = NULL;
    return FLOW_DONE;
}

/* --- moving batches along --- */

/* How far in time it leaves those behind it: the end of the input is not the end of time for a run that
 * goes on. */
static wr_time
batch_standing(const wr_batch *b)
{
    return b->mark == WR_MARK_END ? b->watermark_before : b->watermark_after;
}

/* Takes batch. */
static bool
chain_leave(chain *c, wr_batch *batch)
{
    if (batch->mark == WR_MARK_BARRIER)
        c->barrier = batch->epoch;
    c->ended = c->ended || batch->mark == WR_MARK_END;
    c->sent = batch_standing(batch);
    atomic_store_explicit(&c->rows_left,
                          atomic_load_explicit(&c->rows_left, memory_order_relaxed) + batch->row_count,
                          memory_order_relaxed);
    task_moved(c->task);
    for (int p = WR_PORT_LATE; p <= WR_PORT_BAD; p++) /* marks go to the sides too; see sides_flush */
        if (c->sides[p] != NULL && batch->mark != WR_MARK_NONE) {
            wr_batch *mark = wr_batch_create_mark(c->out.flow, (wr_batch_mark) batch->mark, batch->epoch,
                                                  WR_TIME_START);
            if (mark == NULL || wr_output_put(c->sides[p], mark) != WEIR_OK) {
                wr_batch_release(batch);
                return false;
            }
        }
    return wr_output_put(&c->out, batch) == WEIR_OK;
}

/* Side rows have no event time of their own: they go out before every watermark, until the end. */
static bool
sides_flush(chain *c, bool *empty, bool *failed)
{
    bool moved = false;
    for (int p = WR_PORT_LATE; p <= WR_PORT_BAD; p++) {
        output *side = c->sides[p];
        for (uint32_t i = 0; i < c->count; i++) {
            wr_outbox *box = &c->ops[i].ctx.out[p];
            while (box->count > 0 && (side == NULL || wr_output_flush(side))) {
                wr_batch *b = wr_batch_unique(chain_take(box));
                moved = true;
                if (b == NULL) {
                    *failed = true;
                    return moved;
                }
                if (side == NULL ||
                    b->column_count != wr_stream_schema(side->stream)->field_count) {
                    wr_batch_release(b); /* nobody reads it, or rows of another shape: counted */
                    continue;
                }
                b->watermark_before = b->watermark_after = WR_TIME_START;
                wr_free(b->row_watermark);
                b->row_watermark = NULL;
                if (wr_output_put(side, b) != WEIR_OK) {
                    *failed = true;
                    return moved;
                }
            }
            *empty = *empty && box->count == 0;
        }
        if (side != NULL)
            *empty = wr_output_flush(side) && *empty;
    }
    return moved;
}

/* H2 for the sides: everything beside the main road has left. */
static bool
sides_are_empty(chain *c)
{
    for (int p = WR_PORT_LATE; p <= WR_PORT_BAD; p++) {
        for (uint32_t i = 0; i < c->count; i++)
            if (c->ops[i].ctx.out[p].count > 0)
                return false;
        if (c->sides[p] != NULL && !wr_output_flush(c->sides[p]))
            return false;
    }
    return true;
}

/* Move what operator i has in its outbox one step on; true: something moved. */
static bool
chain_drain(chain *c, uint32_t i, bool *failed)
{
    wr_outbox *box = op_outbox(&c->ops[i]);
    bool       moved = false;
    while (box->count > 0 && !*failed) {
        bool last = i + 1 == c->count;
        if (last ? !wr_output_flush(&c->out) : c->ops[i + 1].in != NULL)
            break;
        if (last && box->slots[0]->mark != WR_MARK_NONE && !sides_are_empty(c))
            break;
        wr_batch *b = chain_take(box);
        moved = true;
        c->ops[i].sent = batch_standing(b);
        if (last)
            *failed = !chain_leave(c, b);
        else {
            c->ops[i + 1].in = b;
            c->ops[i + 1].port = 0;
            break;
        }
    }
    return moved;
}

static uint32_t
op_emitted(const chain_op *op)
{
    uint32_t count = 0;
    for (int p = 0; p < WR_PORT_COUNT; p++)
        count += op->ctx.out[p].count;
    return count;
}

/* An empty batch, for the sake of the steps it takes: a tick. */
static bool
op_offer_nothing(chain *c, chain_op *op)
{
    op->in = wr_batch_create_watermark(c->out.flow, op->ctx.watermark, op->ctx.watermark);
    op->port = 0;
    if (op->in != NULL)
        op->in->arrived = wr_clock_now(c->clock);
    return op->in != NULL;
}

wr_time
wr_chain_wake_at(const chain *c)
{
    wr_time at = WR_TIME_END;
    for (uint32_t i = 0; i < c->count && !c->dead; i++)
        if (c->ops[i].job->ops->tick != NULL && !c->ops[i].done && !c->ops[i].ended)
            at = WR_MIN(at, c->ops[i].ctx.wake_at);
    return at;
}

/* One sweep from the far end; stops at the first progress so that the far end goes first again. */
static bool
chain_sweep(chain *c, bool *failed, bool *idle)
{
    bool sides_empty = true;
    bool moved = sides_flush(c, &sides_empty, failed);
    *idle = wr_output_flush(&c->out) && sides_empty;
    for (uint32_t i = c->count; i-- > 0 && !*failed;) {
        chain_op *op = &c->ops[i];
        moved = chain_drain(c, i, failed) || moved;
        if (op->in == NULL && !*failed && op_is_due(c, op))
            *failed = !op_offer_nothing(c, op);
        if (op->in != NULL && !*failed && sides_empty) {
            uint32_t  before = op_emitted(op);
            step_flow flow = op_step(c, op);
            *failed = flow == FLOW_FAILED;
            moved = moved || flow == FLOW_DONE || op_emitted(op) != before;
        }
        *idle = *idle && op->in == NULL && op_outbox(op)->count == 0;
        if (moved)
            return true;
    }
    return moved;
}

enum { SWEEPS_A_RUN = 64 }; /* some four a batch of a series */

chain_flow
wr_chain_run(chain *c)
{
    bool failed = c->failed, idle = false;
    if (c->dead)
        return wr_chain_run_dead(c);
    for (uint32_t n = 0; !failed && chain_sweep(c, &failed, &idle); n++)
        if (n >= SWEEPS_A_RUN && !failed)
            return CHAIN_MORE;
    if (failed) {
        if (!c->failed)
            (void) chain_out_of_memory(c);
        return CHAIN_FAILED;
    }
    bool flushed = false;
    if (idle && wr_output_settle(&c->out, &flushed) != WEIR_OK) {
        (void) chain_out_of_memory(c);
        return CHAIN_FAILED;
    }
    return flushed ? CHAIN_IDLE : CHAIN_BLOCKED;
}

void
wr_chain_offer(chain *c, int port, wr_batch *batch)
{
    if (c->count > 0 && !c->dead) {
        wr_assert(c->ops[0].in == NULL);
        c->ops[0].in = batch;
        c->ops[0].port = (int16_t) port;
        return;
    }
    if (c->ended) {
        if (batch->mark == WR_MARK_BARRIER)
            c->barrier = batch->epoch;
        wr_batch_release(batch);
    } else if (c->dead && batch->row_count > 0)
        wr_batch_release(batch);
    else if (!chain_leave(c, batch))
        (void) chain_out_of_memory(c);
}

void
wr_chain_resume(chain *c)
{
    bool ended = c->ended;
    for (uint32_t i = 0; i < c->count; i++)
        ended = ended || c->ops[i].ended;
    c->ended = false;
    if (!ended)
        return;
    wr_batch *end = wr_batch_create_end(c->out.flow, c->sent);
    if (end == NULL || !chain_leave(c, end))
        (void) chain_out_of_memory(c);
}

void
wr_chain_close(chain *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        chain_op *op = &c->ops[i];
        wr_batch_release(op->in);
        op->in = NULL;
        if (op->frozen != NULL)
            op->job->ops->thaw(op->frozen);
        op->frozen = NULL;
        if (op->opened && op->job->ops->close != NULL)
            op->job->ops->close(op->self);
        wr_ctx_fini(&op->ctx);
    }
    wr_output_close(&c->out);
    for (int p = WR_PORT_LATE; p <= WR_PORT_BAD; p++)
        if (c->sides[p] != NULL)
            wr_output_close(c->sides[p]);
}

void
wr_chain_fini(chain *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        wr_budget_destroy(c->ops[i].state);
        c->ops[i].state = NULL;
    }
}
