/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/sink_task.c -- reads all shards of a stream with required cursors and writes to a connector.
 *
 * State       none of its own: a checkpoint waits until everything before its barrier is durable outside
 *             (flush), so after a restart a sink may see rows again but never misses one.
 * Invariants  S1  a batch is offered until the connector has taken it; nothing else is taken meanwhile
 *             S2  a barrier is acknowledged only after flush said NEXT
 *             S3  what is written by key is written a whole change at a time (whole.h); a barrier stands
 *                 between changes
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>

enum { BATCHES_A_RUN = 16 };

static sink_task *
sink_of(wr_sink_ctx *ctx)
{
    return (sink_task *) (void *) ((char *) ctx - offsetof(sink_task, ctx));
}

static void
ctx_wake(wr_sink_ctx *ctx)
{
    wr_task_wake(&sink_of(ctx)->t);
}

static void
ctx_wake_after(wr_sink_ctx *ctx, int64_t us)
{
    wr_task_wake_after(&sink_of(ctx)->t, us);
}

static void
sink_fd_ready(void *user, int events)
{
    (void) events;
    wr_task_wake(user);
}

static void
ctx_wake_on(wr_sink_ctx *ctx, int fd, bool writable)
{
    sink_task  *s = sink_of(ctx);
    weir_status status = WEIR_OK;
    if (fd != s->watch_fd) {
        wr_watch_destroy(s->watch);
        s->watch = NULL;
        s->watch_fd = fd;
    }
    if (fd < 0)
        return;
    if (s->watch == NULL)
        status = wr_watch_create(s->t.worker->loop, fd, sink_fd_ready, &s->t, &s->watch);
    if (status == WEIR_OK)
        status = wr_watch_set(s->watch,
                              WR_WATCH_ONCE | (writable ? WR_WATCH_WRITE : WR_WATCH_READ));
    if (status != WEIR_OK)
        wr_task_wake(&s->t); /* a plain file is always ready */
}

weir_status
wr_sink_open(sink_task *s, weir_error *err)
{
    const wr_sink_binding *b = s->binding;
    wr_runtime            *rt = s->t.rt;
    s->ctx.flow = rt->config.flow;
    s->ctx.clock = rt->config.clock;
    wr_whole_init(&s->whole, rt->config.flow, b->upserts);
    s->in.keeps_whole = true;
    s->ctx.schema = b->upserts != NULL ? b->upserts : rt->job->streams[b->stream].schema;
    s->ctx.wake = ctx_wake;
    s->ctx.wake_after = ctx_wake_after;
    s->ctx.wake_on = ctx_wake_on;
    s->watch_fd = -1;
    if (b->encoder != NULL)
        WR_TRY(b->encoder->create(b->encoder_config, s->ctx.schema, rt->config.flow,
                                  &s->ctx.encoder, err));
    s->opened = true; /* close undoes a half-made open */
    weir_status status = b->ops->open(s->self, &s->ctx, b->config, err);
    if (status != WEIR_OK && err != NULL && err->code == WEIR_OK)
        *err = s->ctx.error;
    return status;
}

/* --- running --- */

typedef enum sink_step { SINK_GO, SINK_STUCK, SINK_FAILED } sink_step;

static sink_step
sink_answered(sink_task *s, wr_flow flow)
{
    bool stuck = flow == WR_FLOW_AGAIN || flow == WR_FLOW_WAIT;
    if (atomic_load_explicit(&s->stuck, memory_order_relaxed) != stuck)
        atomic_store_explicit(&s->stuck, stuck, memory_order_relaxed);
    if (!stuck && flow != WR_FLOW_FAIL)
        return SINK_GO;
    if (s->ctx.error.code != WEIR_OK) {
        wr_mutex_lock(&s->error_lock);
        snprintf(s->last_error, sizeof s->last_error, "%.199s", s->ctx.error.text);
        wr_mutex_unlock(&s->error_lock);
    }
    return stuck ? SINK_STUCK : SINK_FAILED;
}

/* S1, S2: whatever is under way. */
static sink_step
sink_proceed(sink_task *s)
{
    const wr_sink_ops *ops = s->binding->ops;
    if (s->batch != NULL) {
        sink_step step = sink_answered(s, ops->write(s->self, &s->ctx, s->batch));
        if (step != SINK_GO)
            return step;
        wr_batch_release(s->batch);
        s->batch = NULL;
        task_moved(&s->t);
    }
    if (s->whole.ready)
        return SINK_GO; /* sink_take goes on with it */
    if (s->flushing == 0 && !s->ending)
        return SINK_GO;
    sink_step step = sink_answered(s, ops->flush != NULL ? ops->flush(s->self, &s->ctx) : WR_FLOW_NEXT);
    if (step == SINK_GO && s->flushing != 0) {
        wr_epoch epoch = s->flushing;
        s->flushing = 0;
        wr_inputs_release_barrier(&s->in);
        wr_coordinator_ack(s->t.rt, &s->t, epoch);
    }
    return step;
}

static task_result
sink_failed(sink_task *s)
{
    const weir_error *e = &s->ctx.error;
    weir_status       code = e->code != WEIR_OK ? e->code : WEIR_WRITE;
    return wr_task_fail(&s->t, code, "sink %s: %s", s->binding->name,
                        e->code != WEIR_OK ? e->text : weir_status_text(code));
}

/* Takes batch. */
static bool
sink_offer(sink_task *s, wr_batch *batch)
{
    bool upserts = s->binding->upserts != NULL;
    weir_status status = WEIR_OK;
    if (batch->row_count > 0 && !upserts)
        s->batch = wr_batch_retain(batch);
    else if (batch->row_count > 0)
        status = wr_whole_put(&s->whole, batch); /* S3 */
    wr_batch_release(batch);
    return status == WEIR_OK;
}

/* False: nothing there. */
static bool
sink_take(sink_task *s, bool *failed)
{
    int       port;
    wr_batch *batch;
    if (s->whole.ready) {
        *failed = wr_whole_take(&s->whole, &s->batch) != WEIR_OK;
        return true;
    }
    switch (wr_inputs_take(&s->in, &port, &batch)) {
    case TAKE_NONE: return false;
    case TAKE_MOVED: return true;
    case TAKE_BATCH: *failed = !sink_offer(s, batch); return true;
    case TAKE_BARRIER:
        if (s->in.freezes)
            s->flushing = s->in.epoch;
        else
            wr_inputs_release_barrier(&s->in);
        return true;
    case TAKE_END: s->ending = true; return true;
    case TAKE_FAILED: *failed = true; return true;
    }
    wr_unreachable();
}

static task_result
sink_run(task *t)
{
    sink_task         *s = (sink_task *) t;
    const wr_sink_ops *ops = s->binding->ops;
    bool               failed = false;
    if (ops->service != NULL && ops->service(s->self, &s->ctx) == WR_FLOW_FAIL)
        return sink_failed(s);
    for (int n = 0; n < BATCHES_A_RUN; n++) {
        if (!wr_flow_gate_enter(t))
            return TASK_WAIT;
        sink_step step = sink_proceed(s);
        if (step == SINK_FAILED)
            return sink_failed(s);
        if (step == SINK_STUCK)
            return TASK_WAIT;
        if (s->ending)
            return TASK_ENDED;
        if (!sink_take(s, &failed))
            return TASK_WAIT;
        if (failed)
            return wr_task_fail(t, WEIR_MEMORY, "no memory for a batch of %s", t->name);
    }
    return TASK_MORE;
}

static void
sink_close(task *t)
{
    sink_task *s = (sink_task *) t;
    if (s->opened && s->binding->ops->close != NULL)
        s->binding->ops->close(s->self);
    s->opened = false;
    if (s->ctx.encoder != NULL)
        s->ctx.encoder->ops->destroy(s->ctx.encoder);
    s->ctx.encoder = NULL;
    wr_batch_release(s->batch);
    s->batch = NULL;
    wr_whole_fini(&s->whole);
    wr_watch_destroy(s->watch);
    for (uint32_t i = 0; i < s->in.count; i++)
        wr_reader_destroy(s->in.list[i].reader);
    wr_mutex_fini(&s->error_lock);
}

const task_ops wr_sink_task_ops = { .kind = "sink", .run = sink_run, .close = sink_close };
