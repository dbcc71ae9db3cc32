/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/sink_task.c -- reads all shards of a stream with required cursors and writes to a connector.
 *
 * State       none of its own: a checkpoint waits until everything before its barrier is durable outside
 *             (flush), so after a restart a sink may see rows again but never misses one.
 * Invariants  S1  a batch is offered until the connector has taken it; nothing else is taken meanwhile
 *             S2  a barrier is acknowledged only after flush said NEXT
 *             S3  what is written by key is written a whole change at a time (whole.h); a barrier stands
 *                 between changes.  Where there are checkpoints, it is written when what takes it back is
 *                 durable, and a restart takes back what was told since the checkpoint (undo_impl.h)
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>

enum { BATCHES_A_RUN = 16, JOURNAL_RETRY_US = 1000000 };

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

static weir_status
sink_open_whole(sink_task *s)
{
    if (s->binding->upserts == NULL)
        return WEIR_OK;
    s->whole = wr_build_alloc(s->t.rt, s->in.count, sizeof *s->whole);
    for (uint32_t i = 0; i < s->in.count && s->whole != NULL; i++)
        wr_whole_init(&s->whole[i], s->t.rt->config.flow, s->binding->upserts);
    return s->whole != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_sink_open(sink_task *s, weir_error *err)
{
    const wr_sink_binding *b = s->binding;
    wr_runtime            *rt = s->t.rt;
    s->ctx.flow = rt->config.flow;
    s->ctx.clock = rt->config.clock;
    s->ctx.schema = b->upserts != NULL ? b->upserts : rt->job->streams[b->stream].schema;
    s->ctx.wake = ctx_wake;
    s->ctx.wake_after = ctx_wake_after;
    s->ctx.wake_on = ctx_wake_on;
    s->watch_fd = -1;
    WR_TRY(sink_open_whole(s));
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

/* The journal goes on: its trouble is not the connector's. */
static void
sink_clear_blame(sink_task *s)
{
    if (!s->undo.blamed)
        return;
    s->undo.blamed = false;
    wr_error_clear(&s->ctx.error);
    wr_mutex_lock(&s->error_lock);
    s->last_error[0] = '\0';
    wr_mutex_unlock(&s->error_lock);
}

/* What is noted is not durable yet, or there is no room: SEEDED, a sync is made here; else the journal's thread wakes the
 * task.  True: go on. */
static bool
sink_await_journal(sink_task *s)
{
    wr_runtime *rt = s->t.rt;
    if (rt->config.executor == WR_EXECUTOR_SEEDED && wr_undo_has_unsynced(rt) && wr_undo_sync_now(rt))
        return true;
    wr_undo_sync_soon(rt);
    sink_clear_blame(s);
    s->undo.blamed = wr_undo_trouble(s, &s->ctx.error);
    if (s->undo.blamed) {
        (void) sink_answered(s, WR_FLOW_WAIT);
        ctx_wake_after(&s->ctx, JOURNAL_RETRY_US);
    }
    return false;
}

/* The next rows that a restart takes back; NULL when there are no more. */
static bool
sink_take_back(sink_task *s)
{
    if (wr_undo_back_next(s->undo.back, true, &s->batch) != WEIR_OK)
        return false;
    if (s->batch == NULL) {
        wr_undo_back_destroy(s->undo.back);
        s->undo.back = NULL;
    }
    return true;
}

/* Is anything left to be written of what was taken? */
static bool
sink_has_more(const sink_task *s)
{
    return s->batch != NULL || s->ready != 0 || s->undo.held_count > 0 || s->undo.back != NULL;
}

/* S1, S2: whatever is under way. */
static sink_step
sink_proceed(sink_task *s)
{
    const wr_sink_ops *ops = s->binding->ops;
    if (s->batch == NULL && s->undo.back != NULL && !sink_take_back(s)) {
        (void) wr_error_set(&s->ctx.error, WEIR_MEMORY, "no memory for what is taken back");
        return SINK_FAILED;
    }
    if (s->batch != NULL) {
        sink_step step = sink_answered(s, ops->write(s->self, &s->ctx, s->batch));
        if (step != SINK_GO)
            return step;
        wr_batch_release(s->batch);
        s->batch = NULL;
        task_moved(&s->t);
    }
    if (sink_has_more(s) || (s->flushing == 0 && !s->ending))
        return SINK_GO; /* sink_take goes on with it */
    if (s->undo.on && !wr_undo_is_durable(s) && !sink_await_journal(s))
        return SINK_STUCK;
    sink_clear_blame(s);
    sink_step step = sink_answered(s, ops->flush != NULL ? ops->flush(s->self, &s->ctx) : WR_FLOW_NEXT);
    if (step == SINK_GO && s->flushing != 0) {
        wr_epoch epoch = s->flushing;
        s->flushing = 0;
        if (s->undo.on)
            wr_undo_passed(s, epoch);
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
    return wr_task_fail_in(&s->t, "sink", s->binding->name, code, e);
}

/* S3: borrows batch, which came by this input.  The limit on what is gathered is one of all inputs together. */
static weir_status
sink_put_whole(sink_task *s, uint32_t from, wr_batch *batch)
{
    uint64_t others = 0;
    for (uint32_t i = 0; i < s->in.count && batch->goes_on; i++)
        others += i != from ? s->whole[i].bytes : 0;
    s->whole[from].bytes_max = WR_WHOLE_BYTES - WR_MIN(others, WR_WHOLE_BYTES);
    weir_status status = wr_whole_put(&s->whole[from], batch);
    s->ready = s->whole[from].ready ? from + 1 : 0;
    return status;
}

/* The next batch of the change that is whole; none: it cancelled out. */
static weir_status
sink_take_whole(sink_task *s)
{
    wr_whole   *w = &s->whole[s->ready - 1];
    weir_status status = wr_whole_take(w, &s->batch);
    if (!w->ready)
        s->ready = 0;
    return status;
}

/* Takes batch. */
static weir_status
sink_offer(sink_task *s, wr_batch *batch)
{
    weir_status status = WEIR_OK;
    if (batch->row_count > 0 && s->binding->upserts == NULL)
        s->batch = wr_batch_retain(batch);
    else if (batch->row_count > 0 && s->undo.on)
        status = wr_undo_note(s, s->in.from, batch);
    else if (batch->row_count > 0)
        status = sink_put_whole(s, s->in.from, batch);
    wr_batch_release(batch);
    return status;
}

/* The next batch whose records are durable; false: not yet.  *waits: nothing else may be taken before. */
static bool
sink_take_noted(sink_task *s, bool *waits, weir_status *status)
{
    uint32_t  from = 0;
    wr_batch *batch = wr_undo_take(s, &from);
    if (batch != NULL)
        sink_clear_blame(s);
    *waits = batch == NULL && (s->flushing != 0 || s->ending || !wr_undo_has_room(s));
    if (batch == NULL)
        return false;
    *status = sink_put_whole(s, from, batch);
    wr_batch_release(batch);
    return true;
}

static bool
sink_take_input(sink_task *s, weir_status *status)
{
    int       port;
    wr_batch *batch;
    switch (wr_inputs_take(&s->in, &port, &batch)) {
    case TAKE_NONE: return s->undo.held_count > 0 && sink_await_journal(s);
    case TAKE_MOVED: return true;
    case TAKE_BATCH: *status = sink_offer(s, batch); return true;
    case TAKE_BARRIER:
        if (s->in.freezes)
            s->flushing = s->in.epoch;
        else
            wr_inputs_release_barrier(&s->in);
        return true;
    case TAKE_END: s->ending = true; return true;
    case TAKE_FAILED: *status = WEIR_MEMORY; return true;
    }
    wr_unreachable();
}

/* One step on; false: nothing there. */
static bool
sink_take(sink_task *s, weir_status *status)
{
    bool waits = false;
    if (s->ready != 0) {
        *status = sink_take_whole(s);
        return true;
    }
    if (s->undo.back != NULL) /* sink_proceed: U5 */
        return true;
    if (s->undo.on && sink_take_noted(s, &waits, status))
        return true;
    return waits ? sink_await_journal(s) : sink_take_input(s, status);
}

static task_result
sink_run(task *t)
{
    sink_task         *s = (sink_task *) t;
    const wr_sink_ops *ops = s->binding->ops;
    weir_status        status = WEIR_OK;
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
        if (s->ending && !sink_has_more(s))
            return TASK_ENDED;
        if (!sink_take(s, &status))
            return TASK_WAIT;
        if (status == WEIR_MEMORY)
            return wr_task_fail(t, status, "no memory for a batch of %s", t->name);
        if (status != WEIR_OK)
            return sink_failed(s);
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
    wr_undo_sink_fini(s);
    for (uint32_t i = 0; i < s->in.count && s->whole != NULL; i++)
        wr_whole_fini(&s->whole[i]);
    wr_watch_destroy(s->watch);
    for (uint32_t i = 0; i < s->in.count; i++)
        wr_reader_destroy(s->in.list[i].reader);
    wr_mutex_fini(&s->error_lock);
}

const task_ops wr_sink_task_ops = { .kind = "sink", .run = sink_run, .close = sink_close };
