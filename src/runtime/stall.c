/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/stall.c -- R4: "paused and nothing can progress" gets a name within 5 s.
 *
 * Looked at only while a source is paused: a second passes on the clock, and if no task has moved a
 * batch for four of them, whoever stands in the way is named once: a sink that does not take, a task
 * out of room, or the flow budget.
 */
#include "runtime/runtime_impl.h"

#include "base/log.h"

enum { LOOK_US = 1000000, LOOKS = 4 };

static uint64_t
stall_progress(const wr_runtime *rt)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < rt->task_count; i++)
        sum += atomic_load_explicit(&rt->tasks[i]->progress, memory_order_relaxed);
    return sum;
}

static bool
stall_any_paused(const wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (uint32_t k = 0; k < rt->sources[i].shard_count; k++)
            if (atomic_load(&rt->sources[i].shards[k].t.blocked))
                return true;
    return false;
}

static void
stall_name(wr_runtime *rt, weir_error *err)
{
    wr_budget *flow = rt->config.flow;
    for (uint32_t i = 0; i < rt->sink_count; i++)
        if (atomic_load(&rt->sinks[i].stuck) != 0) {
            sink_task *s = &rt->sinks[i];
            wr_mutex_lock(&s->error_lock);
            (void) wr_error_set(err, WEIR_LIMIT, "sink %s takes nothing%s%s", s->binding->name,
                                s->last_error[0] != '\0' ? ": " : "", s->last_error);
            wr_mutex_unlock(&s->error_lock);
            return;
        }
    if (!wr_flow_has_room(rt)) {
        (void) wr_error_set(err, WEIR_MEMORY, "budget %s is used up: %llu of %llu bytes",
                            wr_budget_name(flow), (unsigned long long) wr_budget_used(flow),
                            (unsigned long long) wr_budget_limit(flow));
        return;
    }
    for (uint32_t i = 0; i < rt->task_count; i++)
        if (rt->tasks[i]->ops == &wr_segment_task_ops &&
            atomic_load_explicit(&rt->tasks[i]->blocked, memory_order_relaxed)) {
            (void) wr_error_set(err, WEIR_LIMIT, "%s has no room for its output",
                                rt->tasks[i]->name);
            return;
        }
    (void) wr_error_set(err, WEIR_LIMIT, "a reader holds the tail of a source's stream");
}

static void
stall_look(void *user)
{
    wr_runtime *rt = user;
    stall      *s = &rt->stall;
    uint64_t    progress = stall_progress(rt);
    atomic_store(&s->armed, 0); /* before looking: who pauses after the look arms again */
    if (atomic_load(&rt->finished) || atomic_load(&rt->failed) || !stall_any_paused(rt)) {
        s->still = 0;
        return;
    }
    s->still = progress == s->progress ? s->still + 1 : 0;
    s->told = s->told && s->still > 0;
    s->progress = progress;
    if (s->still >= LOOKS && !s->told) {
        weir_error err;
        wr_error_clear(&err);
        stall_name(rt, &err);
        s->told = true;
        wr_log(WR_LOG_WARN, "stall", "nothing moves: %s", err.text);
        wr_runtime_event(rt, WR_EVENT_STALLED, &err);
    }
    wr_stall_watch(rt);
}

void
wr_stall_init(wr_runtime *rt)
{
    wr_timer_init(&rt->stall.timer, rt->workers[0].loop, stall_look, rt);
}

/* The timer belongs to worker 0: from elsewhere it is set by a posted call. */
static void
stall_arm(void *user)
{
    wr_runtime *rt = user;
    if (wr_timer_set_after(&rt->stall.timer, LOOK_US) != WEIR_OK)
        atomic_store(&rt->stall.armed, 0);
}

void
wr_stall_watch(wr_runtime *rt)
{
    if (atomic_load_explicit(&rt->stall.armed, memory_order_relaxed) != 0 ||
        atomic_exchange(&rt->stall.armed, 1) != 0)
        return;
    if (wr_loop_post(rt->workers[0].loop, stall_arm, rt) != WEIR_OK)
        atomic_store(&rt->stall.armed, 0);
}
