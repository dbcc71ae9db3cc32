/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/stop.c -- a job is stopped: a last checkpoint of what came in, or who stood in its way.
 *
 * Intake is over when `stopping` is set.  Whoever stops waits for one barrier more: when it has passed, everything before it
 * is written and, where checkpoints are kept, durable.  A sink that takes nothing (a full disk, brokers that are away, a reader
 * that does not read) may never let it pass, so the wait has an end; then nobody runs any more, and what the sink has not
 * taken can be counted.
 */
#include "runtime/runtime_impl.h"

#include <inttypes.h>
#include <stdio.h>

enum { STOP_WAIT_US = 10 * 1000000 };

/* Wait until the epoch is complete, nothing more will come of it, or the time is over. */
static weir_status
stop_await(wr_runtime *rt, wr_epoch epoch, weir_error *err)
{
    coordinator *c = &rt->coordinator;
    int64_t      begun = wr_clock_monotonic(wr_clock_system());
    bool         over = false;
    wr_error_clear(err);
    wr_mutex_lock(&c->lock);
    while (atomic_load(&c->done) < epoch && c->view.failed < epoch && !atomic_load(&rt->failed) && !over) {
        int64_t left = begun + STOP_WAIT_US - wr_clock_monotonic(wr_clock_system());
        if (rt->threads_running)
            (void) wr_cond_wait_for(&c->changed, &c->lock, left);
        else {
            wr_mutex_unlock(&c->lock);
            if (!wr_runtime_step(rt) && !atomic_load(&rt->failed))
                over = !wr_loop_run(rt->workers[0].loop, 0);
            wr_mutex_lock(&c->lock);
        }
        over = over || left <= 0;
    }
    bool complete = atomic_load(&c->done) >= epoch, failed = c->view.failed >= epoch;
    wr_mutex_unlock(&c->lock);
    if (complete || atomic_load(&rt->failed))
        return WEIR_OK;
    if (failed)
        return wr_error_set(err, WEIR_CHECKPOINT, "the last checkpoint was not written: %s",
                            c->view.last_error);
    return WEIR_TIMEOUT; /* in words when nobody runs: stop_blame */
}

/* Nobody runs: sources hear of the last checkpoint, too, which was durable but a moment ago. */
static void
sources_commit(wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (uint32_t k = 0; k < rt->sources[i].shard_count; k++)
            wr_source_commit(&rt->sources[i].shards[k]);
}

/* --- who stood in the way, when nobody runs --- */

/* Rows that the sink has not handed over, of those that have come to it.  Reads them off. */
static uint64_t
sink_rows_left(sink_task *s)
{
    uint64_t rows = s->batch != NULL ? s->batch->row_count : 0;
    for (uint32_t i = 0; i < s->undo.held_count; i++)
        rows += s->undo.held[(s->undo.held_head + i) % UNDO_HELD_MAX].batch->row_count;
    for (uint32_t i = 0; i < s->in.count; i++) {
        const input *in = &s->in.list[i];
        for (wr_batch *b; in->reader != NULL && (b = wr_reader_next(in->reader, in->shard, NULL)) != NULL;) {
            rows += b->row_count;
            wr_batch_release(b);
        }
    }
    return rows;
}

static void
sink_blame(wr_runtime *rt, sink_task *s, uint32_t others, weir_error *err)
{
    char     more[48] = "", why[sizeof s->last_error + 32] = "";
    uint64_t rows = sink_rows_left(s);
    if (others > 0)
        snprintf(more, sizeof more, " (and %u sink%s more)", others, others > 1 ? "s" : "");
    if (s->last_error[0] != '\0')
        snprintf(why, sizeof why, "; its last error: %s", s->last_error);
    if (rows > 0)
        (void) wr_error_set(err, WEIR_TIMEOUT, "sink %s%s did not take everything within 10 s: %" PRIu64 " rows or more were not written%s",
                            s->binding->name, more, rows, why);
    else
        (void) wr_error_set(err, WEIR_TIMEOUT, "sink %s%s was not told within 10 s that all it wrote has arrived%s",
                            s->binding->name, more, why);
    wr_epoch durable = atomic_load(&rt->coordinator.durable);
    if (rt->store == NULL)
        wr_error_hint(err, "without a data directory (--data) no run goes on where another one stopped");
    else if (durable == 0)
        wr_error_hint(err, "there is no checkpoint yet: the next run begins anew, and writes them then");
    else
        wr_error_hint(err, "the next run goes on from checkpoint %" PRIu64 ", and writes them then", durable);
}

static void
stop_blame(wr_runtime *rt, wr_epoch epoch, weir_error *err)
{
    sink_task *first = NULL;
    uint32_t   count = 0;
    for (uint32_t i = 0; i < rt->sink_count; i++) {
        sink_task *s = &rt->sinks[i];
        if (s->t.acked >= epoch || s->t.ended_told || atomic_load(&s->stuck) == 0)
            continue;
        first = first == NULL ? s : first;
        count++;
    }
    if (first != NULL)
        sink_blame(rt, first, count - 1, err);
    else
        (void) wr_error_set(err, WEIR_TIMEOUT, "the last barrier did not pass within 10 s");
}

weir_status
wr_runtime_stop(wr_runtime *rt, weir_error *err)
{
    if (!rt->started || atomic_load(&rt->halted))
        return wr_error_set(err, WEIR_STATE_STOPPED, "%s is not running", rt->job->name);
    atomic_store(&rt->stopping, true);
    weir_status status = WEIR_OK;
    wr_epoch    epoch = 0;
    if (!atomic_load(&rt->failed) && !atomic_load(&rt->finished)) {
        epoch = wr_coordinator_request(rt);
        status = stop_await(rt, epoch, err);
    }
    if (status == WEIR_OK && atomic_load(&rt->live_tasks) == 0 && !atomic_load(&rt->failed) &&
        !atomic_load(&rt->finished)) { /* it ended meanwhile: the last checkpoint */
        epoch = wr_coordinator_request(rt);
        status = stop_await(rt, epoch, err);
    }
    wr_executor_join(rt);
    wr_coordinator_stop(rt);
    wr_undo_stop(rt);
    sources_commit(rt);
    if (status == WEIR_TIMEOUT && epoch != 0)
        stop_blame(rt, epoch, err);
    weir_status failure = wr_runtime_status(rt, err);
    return failure != WEIR_OK ? failure : status;
}
