/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/executor.c -- what both executors share: waking a task, one turn of it; and the seeded executor.
 *
 * SEEDED      one thread, the caller's.  Each step serves due timers and descriptors, then picks one of
 *             the ready tasks with the seeded generator: another seed is another interleaving, the same
 *             seed under the same clock the same run, byte for byte.
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>

/* false: somebody else's wake is still to be served. */
static bool
task_list(task *t)
{
    worker *w = t->worker;
    if (atomic_exchange(&t->ready, 1) != 0)
        return false;
    t->next_woken = atomic_load_explicit(&w->woken, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&w->woken, &t->next_woken, t))
        ;
    return true;
}

void
wr_task_wake(task *t)
{
    if (task_list(t) && atomic_exchange(&t->worker->asleep, 0) != 0)
        wr_loop_wake(t->worker->loop);
}

task *
wr_worker_take_woken(worker *w)
{
    task *newest = atomic_exchange(&w->woken, NULL), *list = NULL;
    while (newest != NULL) {
        task *older = newest->next_woken;
        newest->next_woken = list;
        list = newest;
        newest = older;
    }
    return list;
}

void
wr_task_wake_user(void *t)
{
    wr_task_wake(t);
}

void
wr_task_wake_after(task *t, int64_t us)
{
    wr_time at;
    if (__builtin_add_overflow(wr_clock_monotonic(t->rt->config.clock), WR_MAX(us, (int64_t) 0),
                               &at))
        return;
    if (wr_timer_is_set(&t->timer) && t->timer.at <= at)
        return;
    if (wr_timer_set(&t->timer, at) != WEIR_OK)
        wr_task_wake(t); /* no memory for a timer: look again at once */
}

task_result
wr_task_fail(task *t, weir_status code, const char *format, ...)
{
    weir_error err;
    char       text[WEIR_ERROR_TEXT_MAX];
    va_list    args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    wr_error_clear(&err);
    (void) wr_error_set(&err, code, "%s", text);
    wr_runtime_fail(t->rt, &err);
    return TASK_FAILED;
}

task_result
wr_task_fail_in(task *t, const char *kind, const char *name, weir_status code, const weir_error *e)
{
    weir_error err;
    wr_error_clear(&err);
    (void) wr_error_set(&err, code, "%s %s: %s", kind, name, e->code == code ? e->text : weir_status_text(code));
    if (e->code == code && e->hint[0] != '\0')
        wr_error_hint(&err, "%s", e->hint);
    wr_runtime_fail(t->rt, &err);
    return TASK_FAILED;
}

static void
task_ended(wr_runtime *rt, task *t)
{
    t->ended = true;
    wr_timer_cancel(&t->timer);
    wr_coordinator_task_ended(rt, t);
    if (atomic_fetch_sub(&rt->live_tasks, 1) != 1)
        return;
    if (rt->store != NULL && rt->ends)
        wr_coordinator_finish(rt);
    else
        wr_runtime_end(rt);
}

void
wr_runtime_turn(wr_runtime *rt, task *t)
{
    if (t->ended) {
        if (t->ops == &wr_source_task_ops)
            wr_source_commit((source_task *) t);
        return;
    }
    task_result result = t->ops->run(t);
    wr_flow_gate_leave(t);
    switch (result) {
    case TASK_MORE: (void) task_list(t); break;
    case TASK_ENDED: task_ended(rt, t); break;
    case TASK_WAIT:
    case TASK_FAILED: break;
    }
}

/* --- the seeded executor --- */

/* A source that waits for the flow budget has nobody to wake it; under a virtual clock not even a timer. */
static bool
seeded_wake_starved(wr_runtime *rt)
{
    bool woken = false;
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (uint32_t k = 0; k < rt->sources[i].shard_count; k++) {
            source_task *s = &rt->sources[i].shards[k];
            if (!s->starved || s->t.ended || !wr_source_flow_has_room(s))
                continue;
            s->starved = false;
            wr_task_wake(&s->t);
            woken = true;
        }
    for (uint32_t i = 0; i < rt->task_count && wr_flow_gate_is_free(rt); i++)
        if (rt->tasks[i]->starved) {
            rt->tasks[i]->starved = false;
            wr_task_wake(rt->tasks[i]);
            woken = true;
        }
    return woken;
}

static task *
seeded_pick(wr_runtime *rt)
{
    worker *w = &rt->workers[0];
    for (task *t = wr_worker_take_woken(w); t != NULL; t = t->next_woken)
        w->ready[w->ready_count++] = t;
    if (w->ready_count == 0)
        return NULL;
    uint32_t nth = (uint32_t) wr_random_below(&rt->random, w->ready_count);
    task    *picked = w->ready[nth];
    w->ready[nth] = w->ready[--w->ready_count];
    return picked;
}

bool
wr_runtime_step(wr_runtime *rt)
{
    wr_assert(rt->config.executor == WR_EXECUTOR_SEEDED);
    if (!rt->started || atomic_load(&rt->failed) || atomic_load(&rt->halted))
        return false;
    wr_loop_run(rt->workers[0].loop, 0);
    task *t = seeded_pick(rt);
    if (t == NULL && seeded_wake_starved(rt))
        t = seeded_pick(rt);
    if (t == NULL)
        return false;
    atomic_exchange(&t->ready, 0);
    wr_runtime_turn(rt, t);
    return true;
}

void
wr_runtime_doze(wr_runtime *rt, int64_t timeout_us)
{
    worker *w = &rt->workers[0];
    wr_assert(rt->config.executor == WR_EXECUTOR_SEEDED);
    atomic_exchange(&w->asleep, 1); /* who makes a task ready from now on wakes the loop */
    bool ready = w->ready_count > 0 || atomic_load(&w->woken) != NULL;
    wr_loop_run(w->loop, ready ? 0 : timeout_us);
    atomic_exchange(&w->asleep, 0);
}

bool
wr_runtime_held(const wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->source_count; i++)
        for (uint32_t k = 0; k < rt->sources[i].shard_count; k++)
            if (!rt->sources[i].shards[k].held && !rt->sources[i].shards[k].t.ended)
                return false;
    return true;
}

wr_time
wr_runtime_next_timer(const wr_runtime *rt)
{
    return rt->worker_count > 0 && rt->workers[0].loop != NULL
               ? wr_loop_next_timer(rt->workers[0].loop)
               : WR_TIME_END;
}
