/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/isolate.c -- a view that fails ends alone, with those that read it; the rest of the job goes on.
 *
 * Place       a segment task whose operator has failed asks here; the tasks of the view, and of whatever
 *             reads it, are doomed and woken.  Each dies on its own thread: it drops what it holds and
 *             from then on takes what comes and drops it, so that nobody upstream waits for it.  Marks
 *             pass: a checkpoint counts on every task.
 * State       rt->failures, by stream: why; set once.
 * Invariants  X1  a view has failed when one of its tasks has, or when something it reads has
 *             X2  a checkpoint whose barrier a dead task has acknowledged names its view (a part FAILED);
 *                 restored from it the view is dead from the start: its state is lost, and what came
 *                 before cannot be told from what follows
 *             X3  an operator is closed when no checkpoint writes what it has frozen
 *             X4  when every view has failed, so has the job
 */
#include "runtime/runtime_impl.h"

#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum { CLOSE_AGAIN_US = 20000 };

/* --- who fails --- */

/* With the lock held.  The first reason stays. */
static void
failure_set(wr_runtime *rt, uint32_t stream, const weir_error *err)
{
    if (rt->failures[stream] != NULL)
        return;
    weir_error *copy = wr_alloc(rt->budget, sizeof *copy);
    if (copy == NULL)
        copy = &rt->failure_untold;
    else
        *copy = *err;
    rt->failures[stream] = copy;
}

/* X1, with the lock held: until nothing is added, for a view may stand before what it reads. */
static void
failures_spread(wr_runtime *rt)
{
    const wr_job *job = rt->job;
    for (bool more = true; more;) {
        more = false;
        for (uint32_t i = 0; i < job->stream_count; i++) {
            const wr_job_stream *js = &job->streams[i];
            if (js->origin != WR_FROM_SIDE || rt->failures[i] != NULL ||
                job->streams[js->origin_index].origin != WR_FROM_SEGMENT ||
                rt->failures[js->origin_index] == NULL)
                continue;
            failure_set(rt, i, rt->failures[js->origin_index]);
            more = true;
        }
        for (uint32_t g = 0; g < job->segment_count; g++) {
            int32_t to = wr_build_final_stream(rt, g);
            for (uint32_t p = 0; p < job->segments[g].input_count; p++) {
                const wr_job_input *in = &job->segments[g].inputs[p];
                if (to < 0 || rt->failures[to] != NULL || !in->from_stream ||
                    rt->failures[in->index] == NULL)
                    continue;
                weir_error why = { 0 };
                (void) wr_error_set(&why, rt->failures[in->index]->code,
                                    "it reads %s, which has failed: %.150s",
                                    job->streams[in->index].name, rt->failures[in->index]->text);
                failure_set(rt, (uint32_t) to, &why);
                more = true;
            }
        }
    }
}

/* With the lock held. */
static bool
all_views_failed(const wr_runtime *rt)
{
    uint32_t views = 0, failed = 0;
    for (uint32_t i = 0; i < rt->job->stream_count; i++) {
        views += rt->job->streams[i].view;
        failed += rt->job->streams[i].view && rt->failures[i] != NULL;
    }
    return failed == views;
}

static void
doom(wr_runtime *rt, bool wake)
{
    for (uint32_t g = 0; g < rt->job->segment_count; g++) {
        int32_t to = wr_build_final_stream(rt, g);
        for (uint32_t k = 0; to >= 0 && rt->failures[to] != NULL && k < rt->segments[g].count; k++) {
            segment_task *s = &rt->segments[g].shards[k];
            if (!atomic_exchange(&s->doomed, true) && wake)
                wr_task_wake(&s->t);
        }
    }
}

bool
wr_runtime_isolate(wr_runtime *rt, segment_task *s, const weir_error *err)
{
    uint32_t segment = (uint32_t) (s->origins[s->origin_count - 1].segment - rt->job->segments);
    int32_t  stream = wr_build_final_stream(rt, segment);
    if (!rt->config.isolates || stream < 0 || atomic_load(&s->doomed))
        return rt->config.isolates && stream >= 0;
    wr_mutex_lock(&rt->lock);
    bool first = rt->failures[stream] == NULL;
    failure_set(rt, (uint32_t) stream, err);
    failures_spread(rt);
    bool all = all_views_failed(rt); /* X4 */
    wr_mutex_unlock(&rt->lock);
    if (all)
        return false;
    if (first) {
        wr_log(WR_LOG_ERROR, "runtime", "%s failed, and what reads it; the rest of %s goes on: %s",
               rt->job->streams[stream].name, rt->job->name, err->text);
        wr_runtime_event(rt, WR_EVENT_VIEW_FAILED, err);
    }
    doom(rt, true);
    return true;
}

bool
wr_runtime_view_failure(wr_runtime *rt, uint32_t stream, weir_error *err)
{
    wr_assert(stream < rt->job->stream_count);
    wr_mutex_lock(&rt->lock);
    bool failed = rt->failures[stream] != NULL;
    if (failed && err != NULL)
        *err = *rt->failures[stream];
    wr_mutex_unlock(&rt->lock);
    return failed;
}

void
wr_isolate_fini(wr_runtime *rt)
{
    for (uint32_t i = 0; rt->failures != NULL && i < rt->job->stream_count; i++)
        if (rt->failures[i] != &rt->failure_untold)
            wr_free(rt->failures[i]);
}

/* --- how a task dies --- */

void
wr_segment_die(segment_task *s)
{
    chain        *c = &s->chain;
    wr_epoch      epoch;
    wr_batch_mark mark;
    s->dead = s->closing = true;
    s->alive_epoch = c->barrier; /* what was frozen for it stands */
    s->values_offered = true;
    wr_chain_die(c, &mark, &epoch);
    /* without a mark, too: who sleeps at the stream shall look */
    s->last_words = wr_batch_create_mark(c->out.flow, mark, epoch, c->sent);
    c->failed = s->last_words == NULL;
    if (c->failed)
        (void) wr_error_set(c->error, WEIR_MEMORY, "no memory for the last words of %s", s->t.name);
}

void
wr_segment_bury(segment_task *s)
{
    coordinator *c = &s->t.rt->coordinator;
    if (!s->closing)
        return;
    wr_mutex_lock(&c->lock);
    bool busy = c->under_way != 0 && s->t.acked == c->under_way;
    wr_mutex_unlock(&c->lock);
    if (busy || !wr_chain_close_operators(&s->chain)) /* X3 */
        wr_task_wake_after(&s->t, CLOSE_AGAIN_US);
    else
        s->closing = false;
}

/* --- checkpoints --- */

/* X2: is the stream's view dead in this epoch? */
static bool
dead_in(const wr_runtime *rt, uint32_t stream, wr_epoch epoch)
{
    for (uint32_t g = 0; g < rt->job->segment_count; g++)
        for (uint32_t k = 0; k < rt->segments[g].count; k++) {
            wr_epoch since = atomic_load(&rt->segments[g].shards[k].dead_since);
            if (since != 0 && since <= epoch && wr_build_final_stream(rt, g) == (int32_t) stream)
                return true;
        }
    return false;
}

weir_status
wr_isolate_write(wr_runtime *rt, wr_epoch epoch, wr_snapshot_writer *w, bool *any)
{
    *any = false;
    wr_snapshot_begin(w, WR_SNAPSHOT_GLOBAL);
    wr_mutex_lock(&rt->lock);
    for (uint32_t i = 0; rt->failures != NULL && i < rt->job->stream_count; i++) {
        if (rt->failures[i] == NULL || !dead_in(rt, i, epoch))
            continue;
        *any = true;
        wr_snapshot_put_bytes(w, rt->job->streams[i].name, strlen(rt->job->streams[i].name));
        wr_snapshot_put_u64(w, (uint64_t) rt->failures[i]->code);
        wr_snapshot_put_bytes(w, rt->failures[i]->text, strlen(rt->failures[i]->text));
    }
    wr_mutex_unlock(&rt->lock);
    wr_snapshot_end(w);
    return wr_snapshot_finish(w);
}

weir_status
wr_isolate_restore(wr_runtime *rt, const char *bytes, size_t length)
{
    wr_snapshot_reader r;
    wr_snapshot_reader_init(&r, bytes, length, WR_GROUPS_ALL);
    while (wr_snapshot_next(&r))
        while (wr_snapshot_more(&r) && !r.failed) {
            size_t      n, m;
            const char *name = wr_snapshot_get_bytes(&r, &n);
            uint64_t    code = wr_snapshot_get_u64(&r);
            const char *text = wr_snapshot_get_bytes(&r, &m);
            weir_error  err = { 0 };
            if (r.failed)
                break;
            (void) wr_error_set(&err, (weir_status_code) code, "%.*s", (int) m, text);
            for (uint32_t i = 0; i < rt->job->stream_count; i++)
                if (strlen(rt->job->streams[i].name) == n &&
                    memcmp(rt->job->streams[i].name, name, n) == 0)
                    failure_set(rt, i, &err);
        }
    WR_TRY(wr_snapshot_reader_status(&r));
    failures_spread(rt);
    doom(rt, false);
    return WEIR_OK;
}
