/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/coordinator.c -- barriers to checkpoints (R3).
 *
 *   request -> `wanted` moves, sources put in the barrier -> every task acknowledges, handing over its
 *   parts -> the parts are written to the store (a thread of its own; inline when SEEDED) ->
 *   durable: sources hear `committed` -> the event.
 *
 * An epoch may also end without a checkpoint, so that readers see whole ones (epochs.h): sources put in
 * a mark of another kind, which is aligned like a barrier, freezes nothing, and is nobody's to acknowledge.
 *
 * Invariants  C1  one checkpoint is under way at a time; a request meanwhile is the next one.  Sources put in
 *                 one mark at a time, each of them every one, in ascending order
 *             C2  a task that ended stands with its last parts in every later checkpoint
 *             C3  a checkpoint that could not be written is counted and told; the job runs on, positions
 *                 are not committed, and the next one holds everything anyway
 *             C4  a job all of whose sources end cuts its last checkpoint when every source has come to
 *                 its end and none has told it: all rows, no end.  The ends follow behind that barrier, and what it froze is
 *                 written when all tasks have ended (a part FINAL): another run adds to it, or adds nothing.  So no
 *                 checkpoint has an operator that has heard of an end which a source may yet take back
 */
#include "runtime/runtime_impl.h"

#include "base/log.h"

#include <stdio.h>

/* --- writing --- */

/* Turn what was frozen into bytes. */
static weir_status
part_write(wr_runtime *rt, task_part *part)
{
    if (part->frozen == NULL)
        return WEIR_OK;
    wr_snapshot_writer_fini(&part->bytes);
    wr_snapshot_writer_init(&part->bytes, rt->budget);
    weir_status status = part->ops->write(part->frozen, &part->bytes);
    if (status == WEIR_OK)
        status = wr_snapshot_finish(&part->bytes);
    part->ops->thaw(part->frozen);
    part->frozen = NULL;
    return status;
}

/* C2: whose parts stand for the task in this epoch. */
static task_part *
task_parts_of(wr_runtime *rt, task *t, wr_epoch epoch, uint32_t *count)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    bool live = t->acked == epoch;
    wr_mutex_unlock(&c->lock);
    *count = live ? t->part_count : t->last_parts != NULL ? t->last_count : 0;
    return live ? t->parts : t->last_parts;
}

static void
tasks_forget_parts(wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->task_count; i++)
        for (uint32_t p = 0; p < rt->tasks[i]->part_count; p++) {
            task_part *part = &rt->tasks[i]->parts[p];
            if (part->frozen != NULL)
                part->ops->thaw(part->frozen);
            part->frozen = NULL;
            wr_snapshot_writer_fini(&part->bytes);
        }
}

/* Append those that have something to say to list. */
static weir_status
parts_list(wr_runtime *rt, task_part *parts, uint32_t part_count, wr_store_part *list,
           uint32_t *count)
{
    for (uint32_t p = 0; p < part_count; p++) {
        WR_TRY(part_write(rt, &parts[p]));
        if (parts[p].bytes.bytes.length > 0)
            list[(*count)++] = (wr_store_part){ parts[p].name, parts[p].bytes.bytes.data,
                                                parts[p].bytes.bytes.length };
    }
    return WEIR_OK;
}

static weir_status
checkpoint_write(wr_runtime *rt, wr_epoch epoch, uint64_t *bytes, weir_error *err)
{
    uint32_t count = 0, total = 0;
    bool     final = epoch == rt->coordinator.last;
    for (uint32_t i = 0; i < rt->task_count; i++)
        total += rt->tasks[i]->part_count + rt->tasks[i]->last_count;
    wr_store_part *list = wr_alloc(rt->budget, (total + 2) * sizeof *list);
    if (list == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a checkpoint of %u parts", total);
    wr_snapshot_writer dead;
    bool               any;
    wr_snapshot_writer_init(&dead, rt->budget);
    weir_status status = wr_isolate_write(rt, epoch, &dead, &any);
    if (final)
        list[count++] = (wr_store_part){ WR_PART_FINAL, "1", 1 };
    if (status == WEIR_OK && any)
        list[count++] = (wr_store_part){ WR_PART_FAILED, dead.bytes.data, dead.bytes.length };
    for (uint32_t i = 0; i < rt->task_count && status == WEIR_OK; i++) {
        task      *t = rt->tasks[i];
        uint32_t   part_count;
        task_part *parts = task_parts_of(rt, t, epoch, &part_count);
        status = parts_list(rt, parts, part_count, list, &count);
        if (status != WEIR_OK)
            (void) wr_error_set(err, status, "the state of %s cannot be written: %s", t->name,
                                weir_status_text(status));
    }
    if (status == WEIR_OK)
        status = wr_store_write(rt->store, epoch, rt->job->fingerprint,
                                wr_clock_now(rt->config.clock), list, count, bytes, err);
    else if (err->code == WEIR_OK)
        (void) wr_error_set(err, status, "no memory for a checkpoint");
    wr_snapshot_writer_fini(&dead);
    wr_free(list);
    return status;
}

weir_status
wr_task_last_parts(task *t)
{
    if (t->last_parts == NULL)
        t->last_parts = wr_calloc(t->rt->budget, t->last_count, sizeof *t->last_parts);
    for (uint32_t p = 0; t->last_parts != NULL && p < t->last_count; p++)
        t->last_parts[p].name = t->parts[t->part_count - t->last_count + p].name;
    return t->last_parts != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* --- the course of an epoch --- */

/* With the lock held: sources are to put in the mark of the next epoch. */
static wr_epoch
epoch_put(wr_runtime *rt, bool freezes)
{
    coordinator *c = &rt->coordinator;
    wr_epoch     epoch = atomic_load(&c->wanted) + 1;
    wr_assert(c->putting == 0); /* C1 */
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (uint32_t k = 0; k < rt->sources[i].shard_count; k++)
            c->putting += !rt->sources[i].shards[k].t.ended_told;
    atomic_store_explicit(&c->freezes, freezes, memory_order_relaxed);
    atomic_store_explicit(&c->wanted, epoch, memory_order_release);
    return epoch;
}

/* With the lock held: put the next checkpoint under way; true when nobody has to acknowledge. */
static bool
epoch_begin(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    wr_assert(c->under_way == 0); /* C1 */
    c->requested = 0;
    c->waiting = 0;
    c->begun = wr_clock_monotonic(rt->config.clock);
    for (uint32_t i = 0; i < rt->task_count; i++)
        c->waiting += !rt->tasks[i]->ended_told;
    c->under_way = epoch_put(rt, true);
    c->last = c->finishing ? c->under_way : 0;
    return c->waiting == 0;
}

/* With the lock held: can a checkpoint begin? */
static bool
epoch_may_begin(const coordinator *c)
{
    return c->under_way == 0 && c->putting == 0;
}

static void
sources_wake(wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (uint32_t k = 0; k < rt->sources[i].shard_count; k++)
            wr_task_wake(&rt->sources[i].shards[k].t);
}

static void epoch_complete(wr_runtime *rt);

static void
epoch_finish(wr_runtime *rt, wr_epoch epoch, weir_status status, uint64_t bytes,
             const weir_error *err)
{
    coordinator *c = &rt->coordinator;
    tasks_forget_parts(rt);
    wr_mutex_lock(&c->lock);
    bool last = epoch == c->last;
    c->view.duration_us = wr_clock_monotonic(rt->config.clock) - c->begun;
    if (status == WEIR_OK) {
        c->view.epoch = epoch;
        c->view.at = wr_clock_now(rt->config.clock);
        c->view.bytes = bytes;
        c->view.count++;
        atomic_store(&c->done, epoch);
        if (rt->store != NULL)
            atomic_store_explicit(&c->durable, epoch, memory_order_release);
    } else {
        c->view.failures++;
        c->view.failed = epoch;
        snprintf(c->view.last_error, sizeof c->view.last_error, "%.199s", err->text);
    }
    c->under_way = 0;
    bool again = c->requested != 0 && epoch_may_begin(c), nobody = false;
    if (again)
        nobody = epoch_begin(rt);
    wr_cond_broadcast(&c->changed);
    wr_mutex_unlock(&c->lock);
    wr_undo_checkpointed(rt, status == WEIR_OK);
    if (status == WEIR_OK)
        wr_runtime_event(rt, WR_EVENT_CHECKPOINT, NULL);
    else
        wr_log(WR_LOG_WARN, "checkpoint", "epoch %" PRIu64 " was not written: %s", epoch, err->text);
    if (again || (status == WEIR_OK && rt->store != NULL))
        sources_wake(rt);
    if (nobody)
        epoch_complete(rt);
    if (last && status == WEIR_OK)
        wr_runtime_end(rt);
    else if (last)
        wr_runtime_fail(rt, err);
}

static void
epoch_write(wr_runtime *rt)
{
    wr_epoch   epoch = rt->coordinator.under_way;
    uint64_t   bytes = 0;
    weir_error err;
    wr_error_clear(&err);
    weir_status status = checkpoint_write(rt, epoch, &bytes, &err);
    epoch_finish(rt, epoch, status, bytes, &err);
}

/* Everybody has acknowledged; the last one waits for what its ends bring about, too (C4). */
static void
epoch_complete(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    if (c->under_way == c->last && atomic_load(&rt->live_tasks) > 0)
        return;
    if (rt->store == NULL)
        epoch_finish(rt, c->under_way, WEIR_OK, 0, NULL);
    else if (!c->thread.started)
        epoch_write(rt);
    else {
        wr_mutex_lock(&c->lock);
        c->write_now = true;
        wr_cond_broadcast(&c->changed);
        wr_mutex_unlock(&c->lock);
    }
}

static void
checkpoint_main(void *user)
{
    wr_runtime  *rt = user;
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    while (!c->quit) {
        if (!c->write_now) {
            wr_cond_wait(&c->changed, &c->lock);
            continue;
        }
        c->write_now = false;
        wr_mutex_unlock(&c->lock);
        epoch_write(rt);
        wr_mutex_lock(&c->lock);
    }
    wr_mutex_unlock(&c->lock);
}

/* --- what others call --- */

wr_epoch
wr_coordinator_request(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    bool         nobody = false, begun = false;
    wr_mutex_lock(&c->lock);
    wr_epoch epoch;
    if (c->last != 0) /* C4: nothing comes behind it */
        epoch = c->last;
    else if (!epoch_may_begin(c)) /* no other mark comes between */
        epoch = c->requested = atomic_load(&c->wanted) + 1;
    else {
        nobody = epoch_begin(rt);
        epoch = c->under_way;
        begun = true;
    }
    wr_mutex_unlock(&c->lock);
    if (begun)
        sources_wake(rt);
    if (nobody)
        epoch_complete(rt);
    return epoch;
}

/* With the lock held: one shard less is to put in the mark.  Did what was waiting for that begin?  *nobody: nobody has to
 * acknowledge it. */
static bool
epoch_was_put(wr_runtime *rt, bool *nobody)
{
    coordinator *c = &rt->coordinator;
    wr_assert(c->putting > 0);
    c->putting--;
    bool begins = c->requested != 0 && epoch_may_begin(c);
    *nobody = begins && epoch_begin(rt);
    return begins;
}

void
wr_coordinator_put(wr_runtime *rt, task *t, wr_epoch epoch)
{
    coordinator *c = &rt->coordinator;
    bool         nobody = false;
    wr_mutex_lock(&c->lock);
    t->put = epoch;
    bool begun = epoch_was_put(rt, &nobody);
    wr_mutex_unlock(&c->lock);
    if (begun)
        sources_wake(rt);
    if (nobody)
        epoch_complete(rt);
}

void
wr_coordinator_ack(wr_runtime *rt, task *t, wr_epoch epoch)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    wr_assert(c->under_way == epoch && t->acked < epoch && c->waiting > 0);
    t->acked = epoch;
    bool complete = --c->waiting == 0;
    wr_mutex_unlock(&c->lock);
    if (complete)
        epoch_complete(rt);
}

void
wr_coordinator_task_ended(wr_runtime *rt, task *t)
{
    coordinator *c = &rt->coordinator;
    bool         complete = false, nobody = false, begun = false;
    wr_mutex_lock(&c->lock);
    t->ended_told = true;
    if (c->under_way != 0 && t->acked < c->under_way)
        complete = --c->waiting == 0;
    if (t->ops == &wr_source_task_ops && c->putting > 0 && t->put < atomic_load(&c->wanted))
        begun = epoch_was_put(rt, &nobody);
    wr_mutex_unlock(&c->lock);
    if (begun)
        sources_wake(rt);
    if (complete || nobody)
        epoch_complete(rt);
}

bool
wr_coordinator_may_ask(wr_runtime *rt, int64_t us)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    bool may = c->under_way == 0 && c->requested == 0 && !c->finishing &&
               wr_clock_monotonic(rt->config.clock) - c->begun >= us;
    wr_mutex_unlock(&c->lock);
    return may;
}

bool
wr_coordinator_awaits(wr_runtime *rt, const task *t)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    bool awaits = c->requested != 0 || (c->under_way != 0 && t->acked < c->under_way);
    wr_mutex_unlock(&c->lock);
    return awaits;
}

bool
wr_coordinator_keeps_last(const wr_runtime *rt)
{
    return rt->store != NULL && rt->ends;
}

static void
coordinator_request_last(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    c->finishing = true;
    wr_mutex_unlock(&c->lock);
    (void) wr_coordinator_request(rt);
}

void
wr_coordinator_source_done(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    uint32_t     shards = 0;
    for (uint32_t i = 0; i < rt->source_count; i++)
        shards += rt->sources[i].shard_count;
    wr_mutex_lock(&c->lock);
    bool all = ++c->sources_done == shards;
    wr_mutex_unlock(&c->lock);
    if (all)
        coordinator_request_last(rt);
}

bool
wr_coordinator_is_last(wr_runtime *rt, wr_epoch epoch)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    bool is = c->last != 0 && c->last == epoch;
    wr_mutex_unlock(&c->lock);
    return is;
}

void
wr_coordinator_finish(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    bool cut = c->last != 0;
    wr_mutex_unlock(&c->lock);
    if (cut)
        epoch_complete(rt);
    else
        coordinator_request_last(rt); /* there are no sources */
}

static void
coordinator_tick(void *user)
{
    wr_runtime  *rt = user;
    coordinator *c = &rt->coordinator;
    if (atomic_load(&rt->finished) || atomic_load(&rt->failed) || atomic_load(&rt->stopping))
        return;
    wr_mutex_lock(&c->lock);
    bool busy = c->under_way != 0 || c->finishing;
    wr_mutex_unlock(&c->lock);
    if (!busy) /* else that one is late already */
        (void) wr_coordinator_request(rt);
    weir_status status = wr_timer_set_after(&c->timer, rt->config.checkpoint_us);
    if (status != WEIR_OK)
        wr_log(WR_LOG_ERROR, "checkpoint", "no memory for the timer: checkpoints on request only");
}

/* Somebody reads by epochs, and there is something to see: end one. */
static void
epoch_tick(void *user)
{
    wr_runtime  *rt = user;
    coordinator *c = &rt->coordinator;
    bool         begun = false;
    if (atomic_load(&rt->finished) || atomic_load(&rt->failed) || atomic_load(&rt->stopping))
        return;
    if (atomic_load_explicit(&rt->epochs.readers, memory_order_relaxed) > 0 &&
        atomic_exchange_explicit(&rt->epochs.news, 0, memory_order_relaxed) != 0) {
        wr_mutex_lock(&c->lock);
        begun = c->putting == 0 && c->requested == 0 && !c->finishing;
        if (begun)
            (void) epoch_put(rt, false);
        c->view.epochs += begun;
        wr_mutex_unlock(&c->lock);
        if (!begun) /* the next time */
            atomic_store_explicit(&rt->epochs.news, 1, memory_order_relaxed);
    }
    if (begun)
        sources_wake(rt);
    if (wr_timer_set_after(&c->epoch_timer, rt->config.epoch_us) != WEIR_OK)
        wr_log(WR_LOG_ERROR, "epoch", "no memory for the timer: epochs end with checkpoints only");
}

void
wr_coordinator_init(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_init(&c->lock);
    wr_cond_init(&c->changed);
    if (!rt->has_restored)
        return;
    atomic_store(&c->wanted, rt->restored.epoch);
    atomic_store(&c->done, rt->restored.epoch);
    atomic_store(&c->durable, rt->restored.epoch);
    c->view.epoch = rt->restored.epoch;
    c->view.at = rt->restored.written_at;
}

weir_status
wr_coordinator_start(wr_runtime *rt, weir_error *err)
{
    coordinator *c = &rt->coordinator;
    wr_timer_init(&c->timer, rt->workers[0].loop, coordinator_tick, rt);
    wr_timer_init(&c->epoch_timer, rt->workers[0].loop, epoch_tick, rt);
    if (rt->config.epoch_us > 0)
        WR_TRY(wr_timer_set_after(&c->epoch_timer, rt->config.epoch_us));
    if (rt->store == NULL)
        return WEIR_OK;
    if (rt->config.checkpoint_us > 0)
        WR_TRY(wr_timer_set_after(&c->timer, rt->config.checkpoint_us));
    if (rt->config.executor == WR_EXECUTOR_SEEDED)
        return WEIR_OK;
    return wr_thread_start(&c->thread, "weir-checkpoint", checkpoint_main, rt, err);
}

void
wr_coordinator_stop(wr_runtime *rt)
{
    coordinator *c = &rt->coordinator;
    wr_mutex_lock(&c->lock);
    c->quit = true;
    wr_cond_broadcast(&c->changed);
    wr_mutex_unlock(&c->lock);
    wr_thread_join(&c->thread);
    if (c->timer.loop != NULL) {
        wr_timer_cancel(&c->timer);
        wr_timer_cancel(&c->epoch_timer);
    }
    tasks_forget_parts(rt); /* of an epoch that nobody will write: before its operators close */
}

void
wr_coordinator_fini(wr_runtime *rt)
{
    tasks_forget_parts(rt);
    for (uint32_t i = 0; i < rt->task_count; i++) {
        task *t = rt->tasks[i];
        for (uint32_t p = 0; t->last_parts != NULL && p < t->last_count; p++)
            wr_snapshot_writer_fini(&t->last_parts[p].bytes);
        wr_free(t->last_parts);
    }
    wr_cond_fini(&rt->coordinator.changed);
    wr_mutex_fini(&rt->coordinator.lock);
}
