/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/segment_task.c -- one shard of a segment: inputs, a chain of operators, an output.
 *
 * The chain may be that of several segments of the job (build_fuse.c).
 *
 * State       the operators'; of its own only which of them have ended and the watermarks it stands at,
 *             so that after a restart a row is judged as it would have been: a part for each segment,
 *             "<segment>#<shard>/task", as if the segment had a task of its own.
 * Invariants  G1  a new batch is taken when the one before has left entirely (R2)
 *             G2  a barrier is acknowledged when it and everything before it are in the output
 *                 (the end of an epoch alone is handed on by the chain, and nobody waits for it)
 *             G3  a task that has seen the end of its inputs but whose END was taken early (an operator
 *                 said DONE) reads on and discards, so that nobody upstream waits for it
 */
#include "runtime/runtime_impl.h"

enum { BATCHES_A_RUN = 16, TASK_PART_VERSION = 1 };

weir_status
wr_segment_open(segment_task *s, weir_error *err)
{
    chain *c = &s->chain;
    for (uint32_t i = 0; i < c->count; i++) {
        chain_op              *op = &c->ops[i];
        const wr_operator_ops *ops = op->job->ops;
        op->opened = true; /* close undoes a half-made open */
        weir_status status = ops->open(op->self, &op->ctx, op->job->config, err);
        if (status != WEIR_OK)
            return status;
    }
    return WEIR_OK;
}

/* What has come to the segment's first operator, all of it done with: the watermark, and the end. */
static wr_time
origin_watermark(const segment_task *s, uint32_t origin)
{
    uint32_t first = s->origins[origin].first_op;
    if (origin > 0 && first > 0)
        return s->chain.ops[first - 1].sent;
    wr_time least = WR_TIME_END;
    for (uint32_t p = 0; p < s->in.port_count; p++)
        least = WR_MIN(least, wr_inputs_standing(&s->in, (int) p));
    return least;
}

static bool
origin_ended(const segment_task *s, uint32_t origin)
{
    if (origin + 1 == s->origin_count)
        return s->chain.ended;
    uint32_t behind = s->origins[origin + 1].first_op;
    return behind == 0 ? s->end_offered : s->chain.ops[behind - 1].ended;
}

/* 0: at work; 1: its input ended; 2: it was done before, and stays so in a run that goes on. */
static uint64_t
op_standing(const chain_op *op)
{
    return !op->ended ? 0 : op->done ? 2 : 1;
}

/* What restore.c reads back. */
static weir_status
origin_write_part(segment_task *s, uint32_t origin, wr_snapshot_writer *w)
{
    const segment_origin *o = &s->origins[origin];
    uint32_t              ports = origin == 0 ? s->in.port_count : 1;
    wr_snapshot_writer_fini(w);
    wr_snapshot_writer_init(w, s->t.rt->budget);
    wr_snapshot_begin(w, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_u64(w, TASK_PART_VERSION);
    wr_snapshot_put_u64(w, origin_ended(s, origin));
    wr_snapshot_put_i64(w, origin_watermark(s, origin));
    wr_snapshot_put_u64(w, ports);
    for (uint32_t p = 0; p < ports; p++)
        wr_snapshot_put_i64(w, origin == 0 ? wr_inputs_standing(&s->in, (int) p)
                                           : origin_watermark(s, origin));
    wr_snapshot_put_u64(w, o->segment->op_count);
    for (uint32_t i = 0; i < o->segment->op_count; i++)
        wr_snapshot_put_u64(w, op_standing(&s->chain.ops[o->first_op + i]));
    wr_snapshot_end(w);
    return wr_snapshot_finish(w);
}

/* Into parts[0..origin_count). */
static weir_status
segment_write_parts(segment_task *s, task_part *parts)
{
    for (uint32_t i = 0; i < s->origin_count; i++)
        WR_TRY(origin_write_part(s, i, &parts[i].bytes));
    return WEIR_OK;
}

static bool
segment_ack(segment_task *s)
{
    chain   *c = &s->chain;
    wr_epoch epoch = c->barrier;
    c->barrier = 0;
    if (s->dead && s->alive_epoch != epoch && atomic_load(&s->dead_since) == 0)
        atomic_store(&s->dead_since, epoch);
    if (c->keep_state) {
        for (uint32_t i = 0; i < c->count; i++) {
            if (c->ops[i].part >= 0)
                s->t.parts[c->ops[i].part].frozen = c->ops[i].frozen;
            c->ops[i].frozen = NULL;
        }
        if (segment_write_parts(s, s->t.parts + s->state_parts) != WEIR_OK)
            return false;
    }
    wr_coordinator_ack(s->t.rt, &s->t, epoch);
    return true;
}

/* An empty input list: a VALUES segment's first shard has rows, unless they went out before a restart. */
static bool
segment_has_values(const segment_task *s)
{
    return s->origins[0].segment->values != NULL && s->shard == 0 && !s->chain.ended;
}

static wr_batch *
segment_values(segment_task *s)
{
    wr_batch *copy = wr_batch_copy(s->t.rt->config.flow, s->origins[0].segment->values);
    if (copy != NULL)
        copy->arrived = wr_clock_now(s->t.rt->config.clock);
    return copy;
}

static bool
segment_offer_end(segment_task *s)
{
    wr_batch *end = wr_batch_create_end(s->t.rt->config.flow, s->chain.sent);
    if (end == NULL)
        return false;
    end->arrived = s->in.arrived;
    wr_chain_offer(&s->chain, 0, end);
    s->end_offered = true;
    return true;
}

/* Take the next thing from the inputs; false: nothing there.  *failed: no memory. */
static bool
segment_take(segment_task *s, bool *failed)
{
    int       port = 0;
    wr_batch *batch = NULL;
    if (s->end_offered)
        return false;
    if (s->in.count == 0 && !s->values_offered) {
        s->values_offered = true;
        if (segment_has_values(s)) {
            batch = segment_values(s);
            *failed = batch == NULL;
            if (batch != NULL)
                wr_chain_offer(&s->chain, 0, batch);
            return true;
        }
    }
    switch (wr_inputs_take(&s->in, &port, &batch)) {
    case TAKE_NONE: return false;
    case TAKE_MOVED: return true;
    case TAKE_BATCH: wr_chain_offer(&s->chain, port, batch); return true;
    case TAKE_BARRIER:
        batch = wr_batch_create_mark(s->t.rt->config.flow, s->in.freezes ? WR_MARK_BARRIER : WR_MARK_EPOCH,
                                     s->in.epoch, s->in.watermark);
        *failed = batch == NULL;
        if (batch != NULL) {
            batch->arrived = s->in.arrived;
            wr_chain_offer(&s->chain, 0, batch);
            wr_inputs_release_barrier(&s->in);
        }
        return true;
    case TAKE_END: *failed = !segment_offer_end(s); return true;
    case TAKE_FAILED: *failed = true; return false;
    }
    wr_unreachable();
}

static task_result
segment_out_of_memory(segment_task *s)
{
    return wr_task_fail(&s->t, WEIR_MEMORY, "no memory for a batch of %s", s->t.name);
}

/* An operator wants to be ticked though nothing comes. */
static void
segment_wake_later(segment_task *s)
{
    wr_time at = wr_chain_wake_at(&s->chain), now;
    if (at == WR_TIME_END)
        return;
    now = wr_clock_now(s->t.rt->config.clock);
    wr_task_wake_after(&s->t, at <= now ? 0 : at - WR_MAX(now, (wr_time)0));
}

/* Its operator has failed: does the view alone end? */
static bool
segment_isolated(segment_task *s)
{
    chain     *c = &s->chain;
    weir_error why = { 0 };
    if (!c->op_failed)
        return false;
    (void) wr_error_set(&why, c->error->code, "%s: %.200s", s->t.name, c->error->text);
    if (!wr_runtime_isolate(s->t.rt, s, &why))
        return false;
    wr_error_clear(c->error);
    return true;
}

/* Nothing there. */
static task_result
segment_rest(segment_task *s)
{
    bool    failed = false;
    int64_t wait = -1;
    segment_wake_later(s);
    const wr_stream *stream = s->chain.out.stream;
    if (stream != NULL && stream->router != NULL && !s->chain.ended)
        wait = wr_output_rest(&s->chain.out, wr_clock_now(s->t.rt->config.clock), &failed);
    if (failed)
        return segment_out_of_memory(s);
    if (wait > 0)
        wr_task_wake_after(&s->t, wait);
    return TASK_WAIT;
}

/* A query ends with its first bad row: what is said is the row's error and its place in the statement, not the task. */
static task_result
segment_fail(segment_task *s)
{
    const weir_error *e = s->chain.error;
    if (s->t.rt->config.on_row_error != WR_ROW_FAIL || !wr_status_is_row(e->code))
        return wr_task_fail(&s->t, e->code, "%s: %s", s->t.name, e->text);
    wr_runtime_fail(s->t.rt, e);
    return TASK_FAILED;
}

static task_result
segment_turn(task *t)
{
    segment_task *s = (segment_task *) t;
    chain        *c = &s->chain;
    bool          failed = false;
    if (!s->dead && atomic_load_explicit(&s->doomed, memory_order_acquire))
        wr_segment_die(s);
    wr_segment_bury(s);
    for (int n = 0; n < BATCHES_A_RUN; n++) {
        if (!wr_flow_gate_enter(t))
            return TASK_WAIT;
        switch (wr_chain_run(c)) {
        case CHAIN_FAILED:
            if (!segment_isolated(s))
                return segment_fail(s);
            return TASK_MORE;
        case CHAIN_MORE:
            task_set_blocked(t, false);
            task_moved(t);
            return TASK_MORE;
        case CHAIN_BLOCKED: task_set_blocked(t, true); return TASK_WAIT;
        case CHAIN_IDLE: task_set_blocked(t, false); break;
        }
        if (c->barrier != 0 && !segment_ack(s)) /* G2 */
            return segment_out_of_memory(s);
        if (s->last_words != NULL) {
            wr_chain_offer(c, 0, s->last_words);
            s->last_words = NULL;
            continue;
        }
        if (s->end_offered && c->ended) {
            if (c->keep_state && (wr_task_last_parts(t) != WEIR_OK ||
                                  segment_write_parts(s, t->last_parts) != WEIR_OK))
                return segment_out_of_memory(s);
            if (s->dead && atomic_load(&s->dead_since) == 0)
                atomic_store(&s->dead_since, 1);
            return TASK_ENDED;
        }
        bool taken = segment_take(s, &failed); /* G1 */
        if (atomic_load_explicit(&s->watermark_view, memory_order_relaxed) != s->in.watermark)
            atomic_store_explicit(&s->watermark_view, s->in.watermark, memory_order_relaxed);
        if (failed)
            return segment_out_of_memory(s);
        if (!taken)
            return segment_rest(s);
        task_moved(t);
    }
    return TASK_MORE;
}

static task_result
segment_run(task *t)
{
    const output *out = &((segment_task *) t)->chain.out;
    task_result   result = segment_turn(t);
    wr_stream_route_wake(out->stream, out->shard);
    return result;
}

static void
segment_close(task *t)
{
    segment_task *s = (segment_task *) t;
    wr_batch_release(s->last_words);
    s->last_words = NULL;
    wr_chain_close(&s->chain);
    for (uint32_t i = 0; i < s->in.count; i++) {
        wr_reader_destroy(s->in.list[i].reader);
        wr_routed_destroy(s->in.list[i].routed);
    }
}

const task_ops wr_segment_task_ops = { .kind = "segment", .run = segment_run, .close = segment_close };
