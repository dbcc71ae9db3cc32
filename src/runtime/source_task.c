/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/source_task.c -- one shard of a source: polls the connector, publishes what its lanes seal,
 * puts in barriers.
 *
 * One turn: publish what waits; put in a barrier that is wanted; bring the shard's stream to the
 * source's watermark; then, if there is room, poll until a batch is sealed or the connector has
 * nothing, seal what has come, and see which lanes have become idle.  So batches are full when input is plentiful and
 * leave at once when it is not.
 *
 * Invariants  K1  without room (ring, dead letters, flow budget) the connector is not polled, and its
 *                 lanes count as paused
 *             K2  a barrier stands after everything fed before `freeze`, and before everything after
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>
#include <string.h>

enum { POLLS_A_RUN = 16, RETRY_US = 1000 };

/* --- queues --- */

weir_status
wr_batch_queue_put(batch_queue *q, wr_budget *budget, wr_batch *batch)
{
    if (q->count == q->capacity) {
        uint32_t   capacity = WR_MAX(q->capacity * 2, 8u);
        wr_batch **grown = wr_alloc(budget, capacity * sizeof(wr_batch *));
        if (grown == NULL) {
            wr_batch_release(batch);
            return WEIR_MEMORY;
        }
        for (uint32_t i = 0; i < q->count; i++)
            grown[i] = q->slots[(q->head + i) % q->capacity];
        wr_free(q->slots);
        *q = (batch_queue){ .slots = grown, .count = q->count, .capacity = capacity };
    }
    q->slots[(q->head + q->count++) % q->capacity] = batch;
    return WEIR_OK;
}

wr_batch *
wr_batch_queue_take(batch_queue *q)
{
    if (q->count == 0)
        return NULL;
    wr_batch *batch = q->slots[q->head];
    q->head = (q->head + 1) % q->capacity;
    q->count--;
    return batch;
}

void
wr_batch_queue_fini(batch_queue *q)
{
    for (wr_batch *b; (b = wr_batch_queue_take(q)) != NULL;)
        wr_batch_release(b);
    wr_free(q->slots);
    *q = (batch_queue){ 0 };
}

/* Publish in order while there is room; true: nothing is left. */
static bool
queue_drain(source_task *s, batch_queue *q, wr_stream *stream, bool *failed)
{
    while (q->count > 0 && wr_stream_has_room(stream, s->shard)) {
        wr_batch *b = wr_batch_unique(wr_batch_queue_take(q));
        if (b == NULL) {
            *failed = true;
            return false;
        }
        wr_routes *routes = NULL;
        if (wr_stream_route(stream, s->shard, b, &routes) != WEIR_OK) {
            wr_batch_release(b);
            *failed = true;
            return false;
        }
        wr_stream_publish_routed(stream, s->shard, b, routes);
        s->room_known = false;
        task_moved(&s->t);
    }
    return q->count == 0;
}

static bool
source_drain(source_task *s, bool *failed)
{
    bool empty = queue_drain(s, &s->pending, s->stream, failed);
    if (s->bad_stream != NULL)
        empty = queue_drain(s, &s->bad_pending, s->bad_stream, failed) && empty;
    return empty;
}

/* --- room --- */

/* Sources leave a part of the flow pool to those downstream who have to finish what they began. */
bool
wr_source_flow_has_room(source_task *s)
{
    return wr_flow_has_room(s->source->rt);
}

/* Y1: has every shard made its lanes, and are none being dealt out? */
static bool
source_is_open(source_task *s)
{
    return atomic_load_explicit(&s->source->open_to_rows, memory_order_acquire);
}

bool
wr_source_has_room(source_task *s)
{
    bool queued = s->pending.count > 0 || s->bad_pending.count > 0 || !source_is_open(s);
    if (!queued && !s->room_known)
        s->room_known = wr_source_flow_has_room(s) && wr_stream_has_room(s->stream, s->shard) &&
                        (s->bad_stream == NULL || wr_stream_has_room(s->bad_stream, s->shard));
    s->refused = s->refused || queued || !s->room_known;
    return !queued && s->room_known;
}

/* --- what a connector may call --- */

static wr_lane *
ctx_lane(wr_source_ctx *ctx, int32_t partition)
{
    return wr_lane_get(source_task_of(ctx), partition);
}

static void
ctx_lanes_coming(wr_source_ctx *ctx, bool yes)
{
    wr_source_lanes_coming(source_task_of(ctx), yes);
}

static bool
ctx_has_room(wr_source_ctx *ctx)
{
    return wr_source_has_room(source_task_of(ctx));
}

static weir_status
ctx_feed(wr_source_ctx *ctx, wr_lane *lane, const char *bytes, size_t length, bool last,
         const wr_record_meta *meta, size_t *consumed)
{
    return wr_lane_feed(source_task_of(ctx), lane, bytes, length, last, meta, consumed);
}

static weir_status
ctx_feed_messages(wr_source_ctx *ctx, wr_lane *lane, const wr_message *messages, uint32_t count,
                  uint32_t *done)
{
    return wr_lane_feed_messages(source_task_of(ctx), lane, messages, count, done);
}

static weir_status
ctx_tombstone(wr_source_ctx *ctx, wr_lane *lane, const wr_record_meta *meta)
{
    return wr_lane_tombstone(source_task_of(ctx), lane, meta);
}

static weir_status
ctx_push(wr_source_ctx *ctx, wr_lane *lane, wr_batch *batch)
{
    return wr_lane_push(source_task_of(ctx), lane, batch);
}

static void
ctx_caught_up(wr_source_ctx *ctx, wr_lane *lane, bool yes)
{
    if (yes && !lane->caught_up)
        lane->quiet_since = wr_clock_monotonic(ctx->clock);
    if (!yes && lane->caught_up) /* there is more: its silence begins now */
        atomic_store_explicit(&lane->moved_at, wr_clock_monotonic(ctx->clock), memory_order_relaxed);
    lane->caught_up = yes;
    if (!yes)
        wr_source_lane_expects(lane);
    wr_lane_show(lane);
}

static bool
ctx_may_read(wr_source_ctx *ctx, wr_lane *lane)
{
    return wr_lane_may_read(source_task_of(ctx), lane);
}

static void
ctx_lane_end(wr_source_ctx *ctx, wr_lane *lane)
{
    source_task *s = source_task_of(ctx);
    weir_status  status = wr_lane_seal(s, lane);
    if (status != WEIR_OK)
        s->failure = status;
    if (lane->decoder != NULL)
        lane->decoder->ops->destroy(lane->decoder);
    lane->decoder = NULL;
    wr_source_lane_ended(s, lane);
}

static void
ctx_lane_anew(wr_source_ctx *ctx, wr_lane *lane)
{
    (void) ctx;
    if (lane->decoder != NULL)
        lane->decoder->ops->destroy(lane->decoder);
    lane->decoder = NULL; /* another is made, */
    lane->restored = NULL; /* and is told nothing */
}

static void
ctx_bad(wr_source_ctx *ctx, wr_lane *lane, weir_status_code code, const char *text,
        const char *bytes, size_t length)
{
    wr_source_bad(source_task_of(ctx), lane, code, text, bytes, length);
}

static void
ctx_wake(wr_source_ctx *ctx)
{
    wr_task_wake(&source_task_of(ctx)->t);
}

static wr_epoch
ctx_checkpoint(wr_source_ctx *ctx)
{
    wr_runtime *rt = source_task_of(ctx)->t.rt;
    bool        over = atomic_load(&rt->stopping) || atomic_load(&rt->finished) || atomic_load(&rt->failed);
    return rt->store != NULL && !over ? wr_coordinator_request(rt) : 0;
}

static void
ctx_wake_after(wr_source_ctx *ctx, int64_t us)
{
    wr_task_wake_after(&source_task_of(ctx)->t, us);
}

static void
source_fd_ready(void *user, int events)
{
    (void) events;
    wr_task_wake(user);
}

static void
ctx_wake_on(wr_source_ctx *ctx, int fd)
{
    source_task *s = source_task_of(ctx);
    if (fd != s->watch_fd) {
        wr_watch_destroy(s->watch);
        s->watch = NULL;
        s->watch_fd = fd;
    }
    if (fd < 0)
        return;
    weir_status status = WEIR_OK;
    if (s->watch == NULL)
        status = wr_watch_create(s->t.worker->loop, fd, source_fd_ready, &s->t, &s->watch);
    if (status == WEIR_OK)
        status = wr_watch_set(s->watch, WR_WATCH_READ | WR_WATCH_EDGE);
    if (status != WEIR_OK)
        wr_task_wake(&s->t); /* a plain file is always readable */
}

/* --- the steps of a turn --- */

/* Queue a watermark, when the source has moved past what this shard has said. */
static weir_status
source_queue_watermark(source_task *s, wr_time before, wr_time after)
{
    wr_budget *flow = s->source->rt->config.flow;
    if (after <= before)
        return WEIR_OK;
    wr_batch *b = wr_batch_create_watermark(flow, before, after);
    if (b == NULL)
        return WEIR_MEMORY;
    b->arrived = wr_clock_now(s->source->rt->config.clock);
    b->live = 1;
    return wr_batch_queue_put(&s->pending, flow, b);
}

/* Queue a mark behind everything, for the stream and for the dead letters. */
static weir_status
source_queue_mark(source_task *s, wr_batch_mark mark, wr_epoch epoch)
{
    wr_budget *flow = s->source->rt->config.flow;
    wr_time    now = wr_clock_now(s->source->rt->config.clock);
    wr_batch  *b = wr_batch_create_mark(flow, mark, epoch, s->stamped);
    if (b == NULL)
        return WEIR_MEMORY;
    b->arrived = now;
    WR_TRY(wr_batch_queue_put(&s->pending, flow, b));
    if (s->bad_stream == NULL)
        return WEIR_OK;
    WR_TRY(wr_source_bad_flush(s));
    b = wr_batch_create_mark(flow, mark, epoch, WR_TIME_START);
    if (b == NULL)
        return WEIR_MEMORY;
    b->arrived = now;
    return wr_batch_queue_put(&s->bad_pending, flow, b);
}

/* Positions and lanes, as they are now.  epoch 0: the last ones. */
static weir_status
source_freeze(source_task *s, task_part *parts, wr_epoch epoch)
{
    const wr_source_ops *ops = s->source->binding->ops;
    for (uint32_t i = 0; i < s->t.part_count; i++) {
        wr_snapshot_writer_fini(&parts[i].bytes);
        wr_snapshot_writer_init(&parts[i].bytes, s->t.rt->budget);
    }
    wr_snapshot_writer *w = &parts[0].bytes;
    wr_snapshot_begin(w, WR_SNAPSHOT_GLOBAL);
    weir_status status = ops->freeze != NULL ? ops->freeze(s->self, w) : WEIR_OK;
    if (w->open)
        wr_snapshot_end(w);
    WR_TRY(status);
    WR_TRY(wr_snapshot_finish(w));
    if (epoch != 0 && ops->frozen_epoch != NULL)
        ops->frozen_epoch(s->self, epoch);
    return wr_lanes_write(s, &parts[1].bytes, s->stamped);
}

/* K2 */
static weir_status
source_put_barrier(source_task *s, wr_epoch epoch)
{
    wr_time before;
    WR_TRY(wr_lanes_seal(s));
    wr_time cut = wr_source_cut(s, epoch, &before);
    WR_TRY(source_queue_watermark(s, before, cut));
    bool freezes = wr_coordinator_freezes(s->t.rt);
    if (freezes && s->t.rt->store != NULL)
        WR_TRY(source_freeze(s, s->t.parts, epoch));
    WR_TRY(source_queue_mark(s, freezes ? WR_MARK_BARRIER : WR_MARK_EPOCH, epoch));
    if (freezes)
        wr_coordinator_ack(s->t.rt, &s->t, epoch);
    wr_coordinator_put(s->t.rt, &s->t, epoch);
    return WEIR_OK;
}

/* The instance is at its end: its lanes are over, its last position stands for it from now on. */
static weir_status
source_put_end(source_task *s)
{
    WR_TRY(wr_lanes_seal(s));
    wr_mutex_lock(&s->source->lock);
    wr_lane *l = s->source->lanes;
    wr_mutex_unlock(&s->source->lock);
    for (; l != NULL; l = l->next)
        if (l->owner == s && !l->ended)
            wr_source_lane_ended(s, l);
    s->end_told = true;
    if (s->t.rt->store != NULL) {
        WR_TRY(wr_task_last_parts(&s->t));
        WR_TRY(source_freeze(s, s->t.last_parts, 0));
    }
    return source_queue_mark(s, WR_MARK_END, 0);
}

static void
source_set_paused(source_task *s, bool paused)
{
    if (paused == s->paused)
        return;
    int64_t now = wr_clock_monotonic(s->t.rt->config.clock);
    s->paused = paused;
    wr_mutex_lock(&s->source->lock);
    for (wr_lane *l = s->source->lanes; l != NULL; l = l->next) {
        if (l->owner != s)
            continue;
        l->quiet_since = now; /* Y4: the time it was paused does not count */
        atomic_store_explicit(&l->moved_at, now, memory_order_relaxed);
        wr_lane_show(l);
    }
    wr_mutex_unlock(&s->source->lock);
    if (s->source->binding->ops->held_up != NULL)
        s->source->binding->ops->held_up(s->self, paused);
}

/* K1.  Who made room wakes us; a budget wakes nobody, so look again soon. */
static task_result
source_pause(source_task *s)
{
    source_set_paused(s, true);
    task_set_blocked(&s->t, true);
    s->starved = !wr_source_flow_has_room(s);
    if (s->starved)
        wr_task_wake_after(&s->t, RETRY_US);
    wr_stall_watch(s->t.rt);
    return TASK_WAIT;
}

static weir_status
source_poll_once(source_task *s, wr_flow *flow)
{
    *flow = s->source->over ? WR_FLOW_DONE : s->source->binding->ops->poll(s->self, &s->ctx); /* V4 */
    if (!s->polled) {
        s->polled = true;
        wr_source_polled(s);
    }
    if (*flow == WR_FLOW_FAIL)
        return s->ctx.error.code != WEIR_OK ? s->ctx.error.code : WEIR_INTERNAL;
    return s->failure;
}

/* Poll until something is sealed, the connector has nothing, or it had its share.  While not all lanes are there it finds
 * no room: it makes lanes, or gives them back. */
static weir_status
source_poll(source_task *s, wr_flow *flow)
{
    *flow = WR_FLOW_NEXT;
    if (!s->polled || !source_is_open(s))
        WR_TRY(source_poll_once(s, flow)); /* Y1 */
    for (int i = 0; i < POLLS_A_RUN && *flow == WR_FLOW_NEXT && wr_source_has_room(s); i++)
        WR_TRY(source_poll_once(s, flow));
    WR_TRY(wr_lanes_seal(s));
    WR_TRY(wr_source_bad_flush(s));
    if (*flow == WR_FLOW_DONE && s->t.rt->config.hold_end) {
        s->held = true; /* nobody is told: what the watermark has not closed stays open */
    } else if (*flow == WR_FLOW_DONE && wr_coordinator_keeps_last(s->t.rt)) {
        s->held = true; /* C4: told behind the last barrier */
        wr_coordinator_source_done(s->t.rt);
    } else if (*flow == WR_FLOW_DONE) {
        s->done = true;
        return source_put_end(s);
    }
    if (*flow == WR_FLOW_AGAIN && wr_source_has_room(s))
        wr_task_wake_after(&s->t, RETRY_US);
    return WEIR_OK;
}

void
wr_source_commit(source_task *s)
{
    wr_epoch durable =
        atomic_load_explicit(&s->t.rt->coordinator.durable, memory_order_acquire);
    if (durable <= s->committed)
        return;
    s->committed = durable;
    if (s->source->binding->ops->committed != NULL)
        s->source->binding->ops->committed(s->self, durable);
}

/* Everything but polling: commits, barriers, the watermark. */
static weir_status
source_attend(source_task *s)
{
    wr_source_commit(s);
    if (s->done)
        return WEIR_OK;
    wr_epoch wanted = coordinator_wanted(s->t.rt);
    if (wanted > s->epoch)
        WR_TRY(source_put_barrier(s, wanted));
    if (s->held && wr_coordinator_is_last(s->t.rt, s->epoch)) {
        s->done = true;
        return source_put_end(s);
    }
    wr_time before, now = wr_source_catch_up(s, &before);
    return source_queue_watermark(s, before, now);
}

static task_result
source_failed(source_task *s, weir_status status)
{
    return wr_task_fail_in(&s->t, "source", s->source->binding->name, status, &s->ctx.error);
}

/* Nothing comes for now: tell those who follow what is behind the stream how far it stands. */
static task_result
source_rest(source_task *s)
{
    int64_t now = wr_clock_now(s->t.rt->config.clock);
    int64_t wait = wr_stream_route_rest(s->stream, s->shard, now);
    bool    failed = false;
    if (wait > 0)
        wr_task_wake_after(&s->t, wait);
    if (wait != 0)
        return TASK_WAIT;
    wr_batch *b = wr_batch_create_watermark(s->t.rt->config.flow, s->stamped, s->stamped);
    if (b == NULL)
        return source_failed(s, WEIR_MEMORY);
    b->arrived = now;
    if (wr_batch_queue_put(&s->pending, s->t.rt->config.flow, b) != WEIR_OK ||
        (!source_drain(s, &failed) && failed))
        return source_failed(s, WEIR_MEMORY);
    return TASK_WAIT;
}

static task_result
source_turn(task *t)
{
    source_task *s = (source_task *) t;
    bool         failed = false;
    wr_flow      flow = WR_FLOW_WAIT;
    s->room_known = false;
    s->refused = false;
    if (!source_drain(s, &failed))
        return failed ? source_failed(s, WEIR_MEMORY) : source_pause(s);
    weir_status status = source_attend(s);
    if (status == WEIR_OK && !source_drain(s, &failed))
        return failed ? source_failed(s, WEIR_MEMORY) : source_pause(s);
    if (status == WEIR_OK && s->done)
        return TASK_ENDED;
    if (status == WEIR_OK && s->held)
        return TASK_WAIT;
    if (status == WEIR_OK && !atomic_load_explicit(&t->rt->stopping, memory_order_acquire)) {
        if (s->polled && source_is_open(s) && !wr_source_has_room(s))
            return source_pause(s);
        source_set_paused(s, false);
        task_set_blocked(t, false);
        s->refused = false;
        status = source_poll(s, &flow);
        wr_source_check_idle(s); /* Y4: after having looked */
    }
    if (status != WEIR_OK)
        return source_failed(s, status);
    if (!source_drain(s, &failed))
        return failed ? source_failed(s, WEIR_MEMORY) : source_pause(s);
    if (!source_is_open(s) && flow != WR_FLOW_DONE)
        return TASK_WAIT; /* the last shard's first poll wakes all */
    if (flow == WR_FLOW_NEXT || flow == WR_FLOW_DONE || s->refused)
        return TASK_MORE; /* refused: it stopped for want of room, and there is room again */
    return source_rest(s);
}

/* While there is more to come at once, who reads rows of its own may wait for some of it. */
static task_result
source_run(task *t)
{
    source_task *s = (source_task *) t;
    task_result  result = source_turn(t);
    if (result != TASK_MORE)
        wr_stream_route_wake(s->stream, s->shard);
    return result;
}

/* --- life --- */

static void
source_ctx_init(source_task *s)
{
    wr_runtime              *rt = s->t.rt;
    const wr_source_binding *b = s->source->binding;
    bool many = b->decoder != NULL && b->decoder->decode_messages != NULL && !s->meta_wanted && !b->keyed;
    s->ctx = (wr_source_ctx){ .shard = s->shard,
                              .shard_count = s->source->shard_count,
                              .flow = rt->config.flow,
                              .clock = rt->config.clock,
                              .bounded = rt->config.bounded,
                              .renewed = rt->renewed || wr_coordinator_keeps_last(rt),
                              .keeps = rt->store != NULL,
                              .stateful = b->keyed || wr_runtime_is_stateful(rt),
                              .aside = rt->config.aside,
                              .lane = ctx_lane,
                              .lanes_coming = ctx_lanes_coming,
                              .has_room = ctx_has_room,
                              .feed = ctx_feed,
                              .feed_messages = many ? ctx_feed_messages : NULL,
                              .push = ctx_push,
                              .needed = s->needed,
                              .schema = b->schema,
                              .caught_up = ctx_caught_up,
                              .may_read = ctx_may_read,
                              .lane_end = ctx_lane_end,
                              .lane_anew = ctx_lane_anew,
                              .tombstone = b->keyed && b->decoder != NULL ? ctx_tombstone : NULL,
                              .bad = ctx_bad,
                              .wake = ctx_wake,
                              .checkpoint = ctx_checkpoint,
                              .wake_after = ctx_wake_after,
                              .wake_on = ctx_wake_on };
}

static weir_status
source_open_shard(source *src, source_task *s, weir_error *err)
{
    const wr_source_ops *ops = src->binding->ops;
    source_ctx_init(s);
    weir_status status = ops->open(s->self, &s->ctx, src->binding->config, src->shared, err);
    s->opened = status == WEIR_OK;
    if (status != WEIR_OK && err != NULL && err->code == WEIR_OK)
        *err = s->ctx.error;
    return status;
}

weir_status
wr_source_share(source *src, weir_error *err)
{
    const wr_source_ops *ops = src->binding->ops;
    if (ops->share == NULL || src->has_shared)
        return WEIR_OK;
    WR_TRY(ops->share(src->binding->config, src->shard_count, src->rt->budget, &src->shared, err));
    src->has_shared = true;
    return WEIR_OK;
}

weir_status
wr_source_open(source *src, weir_error *err)
{
    WR_TRY(wr_source_share(src, err));
    for (uint32_t i = 0; i < src->shard_count; i++)
        WR_TRY(source_open_shard(src, &src->shards[i], err));
    return WEIR_OK;
}

static void
source_close_shard(task *t)
{
    source_task         *s = (source_task *) t;
    const wr_source_ops *ops = s->source->binding->ops;
    if (s->opened && ops->close != NULL)
        ops->close(s->self);
    s->opened = false;
    wr_watch_destroy(s->watch);
    s->watch = NULL;
    wr_batch_queue_fini(&s->pending);
    wr_batch_queue_fini(&s->bad_pending);
    wr_batch_builder_fini(&s->bad_rows);
    wr_eval_fini(&s->eval);
    for (uint32_t f = 0; s->nulls != NULL && f < s->source->binding->schema->field_count; f++)
        wr_column_release(s->nulls[f]);
}

void
wr_source_close(source *src)
{
    if (src->has_shared && src->binding->ops->unshare != NULL)
        src->binding->ops->unshare(src->shared);
    src->has_shared = false;
    while (src->lanes != NULL) {
        wr_lane *l = src->lanes;
        src->lanes = l->next;
        wr_lane_destroy(l);
    }
    for (uint32_t i = 0; i < src->restored_count; i++)
        wr_free(src->restored[i].decoder);
    wr_free(src->restored);
    src->restored = NULL;
    src->restored_count = 0;
    wr_mutex_fini(&src->lock);
}

const task_ops wr_source_task_ops = {
    .kind = "source", .run = source_run, .close = source_close_shard
};
