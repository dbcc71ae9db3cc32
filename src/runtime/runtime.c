/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/runtime.c -- the life of a running job: create, start, stop, kill, destroy (see runtime.h). */
#include "runtime/runtime_impl.h"

#include "base/log.h"

#include <string.h>

enum {
    OUTBOX_SLOTS_DEFAULT = WR_OUTBOX_FEW,
};

/* --- telling --- */

void
wr_runtime_event(wr_runtime *rt, int what, const weir_error *err)
{
    if (what == WR_EVENT_CHECKPOINT) {
        wr_mutex_lock(&rt->lock);
        wr_cond_broadcast(&rt->changed);
        wr_mutex_unlock(&rt->lock);
    }
    if (rt->config.event != NULL)
        rt->config.event(rt->config.user, what, err);
}

void
wr_runtime_fail(wr_runtime *rt, const weir_error *err)
{
    wr_mutex_lock(&rt->lock);
    bool first = rt->error.code == WEIR_OK;
    if (first) {
        rt->error = *err;
        atomic_store(&rt->failed, true);
    }
    wr_mutex_unlock(&rt->lock);
    if (!first)
        return;
    wr_mutex_lock(&rt->coordinator.lock); /* who waits for an epoch need not any longer */
    wr_cond_broadcast(&rt->coordinator.changed);
    wr_mutex_unlock(&rt->coordinator.lock);
    for (uint32_t i = 0; i < rt->worker_count; i++)
        if (atomic_exchange(&rt->workers[i].asleep, 0) != 0)
            wr_loop_wake(rt->workers[i].loop);
    if (rt->config.on_row_error != WR_ROW_FAIL) /* who asks a question is told, and tells */
        wr_log(WR_LOG_ERROR, "runtime", "%s failed: %s", rt->job->name, err->text);
    wr_runtime_event(rt, WR_EVENT_FAILED, err);
    wr_mutex_lock(&rt->lock);
    wr_cond_broadcast(&rt->changed);
    wr_mutex_unlock(&rt->lock);
}

void
wr_runtime_end(wr_runtime *rt)
{
    wr_runtime_event(rt, WR_EVENT_FINISHED, NULL); /* before those who wait for the end go on */
    wr_mutex_lock(&rt->lock);
    atomic_store(&rt->finished, true);
    wr_cond_broadcast(&rt->changed);
    wr_mutex_unlock(&rt->lock);
}

weir_status
wr_runtime_status(const wr_runtime *runtime, weir_error *err)
{
    wr_runtime *rt = (wr_runtime *) (uintptr_t) runtime; /* its lock */
    wr_mutex_lock(&rt->lock);
    weir_error error = rt->error;
    wr_mutex_unlock(&rt->lock);
    if (error.code != WEIR_OK && err != NULL)
        *err = error;
    return error.code;
}

bool
wr_runtime_is_stateful(const wr_runtime *rt)
{
    const wr_job *job = rt->job;
    for (uint32_t g = 0; g < job->segment_count; g++)
        for (uint32_t i = 0; i < job->segments[g].op_count; i++)
            if ((job->segments[g].ops[i].ops->traits & WR_OP_STATELESS) == 0)
                return true;
    return false;
}

bool
wr_runtime_finished(const wr_runtime *runtime)
{
    return atomic_load(&runtime->finished);
}

/* --- life --- */

static void
config_defaults(wr_runtime_config *c)
{
    c->workers = WR_MAX(c->workers, 1u);
    if (c->clock == NULL)
        c->clock = wr_clock_system();
    if (c->journal_bytes == 0)
        c->journal_bytes = 1ull << 30;
    if (c->outbox_slots == 0)
        c->outbox_slots = OUTBOX_SLOTS_DEFAULT;
    if (c->batch_rows_max == 0 || c->batch_rows_max > WR_BATCH_ROWS_MAX)
        c->batch_rows_max = WR_BATCH_ROWS_MAX;
}

weir_status
wr_runtime_create(const wr_job *job, const wr_source_binding *sources, uint32_t source_count,
                  const wr_sink_binding *sinks, uint32_t sink_count,
                  const wr_runtime_config *config, wr_runtime **runtime, weir_error *err)
{
    wr_budget  *budget = wr_budget_create(NULL, "runtime", 0);
    wr_runtime *rt = budget != NULL ? wr_calloc(budget, 1, sizeof *rt) : NULL;
    wr_error_clear(err);
    if (rt == NULL) {
        wr_budget_destroy(budget);
        return wr_error_set(err, WEIR_MEMORY, "no memory to run %s", job->name);
    }
    rt->budget = budget;
    rt->job = job;
    rt->config = *config;
    rt->source_count = source_count;
    rt->sink_count = sink_count;
    config_defaults(&rt->config);
    wr_arena_init(&rt->arena, budget);
    wr_mutex_init(&rt->lock);
    wr_cond_init(&rt->changed);
    wr_undo_init(rt);
    wr_error_clear(&rt->error);
    wr_random_init(&rt->random, rt->config.seed);
    weir_status status = wr_restore_open(rt, err);
    wr_coordinator_init(rt);
    if (status == WEIR_OK)
        status = wr_runtime_build(rt, sources, sinks, err);
    if (status == WEIR_OK && rt->has_restored)
        status = wr_restore_segments(rt, err);
    if (status == WEIR_OK)
        status = wr_undo_open(rt, err);
    if (status != WEIR_OK) {
        wr_runtime_destroy(rt);
        return status;
    }
    *runtime = rt;
    return WEIR_OK;
}

weir_status
wr_runtime_start(wr_runtime *rt, weir_error *err)
{
    if (rt->started)
        return wr_error_set(err, WEIR_STATE_RUNNING, "%s is running already", rt->job->name);
    for (uint32_t i = 0; i < rt->sink_count; i++)
        WR_TRY(wr_sink_open(&rt->sinks[i], err));
    for (uint32_t i = 0; i < rt->source_count; i++) {
        WR_TRY(wr_source_open(&rt->sources[i], err));
        if (rt->has_restored)
            WR_TRY(wr_restore_source(rt, &rt->sources[i], err));
    }
    if (rt->has_restored)
        wr_checkpoint_fini(&rt->restored);
    rt->has_restored = false;
    atomic_store(&rt->live_tasks, rt->task_count);
    for (uint32_t i = 0; i < rt->task_count; i++)
        wr_task_wake(rt->tasks[i]);
    rt->started = true;
    WR_TRY(wr_undo_start(rt, err));
    WR_TRY(wr_coordinator_start(rt, err));
    return wr_executor_start(rt, err);
}

void
wr_runtime_kill(wr_runtime *rt)
{
    wr_executor_join(rt);
    wr_coordinator_stop(rt);
    wr_undo_stop(rt);
}

void
wr_runtime_destroy(wr_runtime *rt)
{
    if (rt == NULL)
        return;
    wr_runtime_kill(rt);
    wr_runtime_unbuild(rt);
    wr_isolate_fini(rt);
    wr_coordinator_fini(rt);
    wr_undo_fini(rt);
    if (rt->has_restored)
        wr_checkpoint_fini(&rt->restored);
    wr_store_close(rt->store);
    for (uint32_t i = 0; i < rt->worker_count; i++)
        wr_loop_destroy(rt->workers[i].loop);
    wr_arena_fini(&rt->arena);
    wr_cond_fini(&rt->changed);
    wr_mutex_fini(&rt->lock);
    wr_budget *budget = rt->budget;
    wr_free(rt);
    wr_budget_destroy(budget);
}

weir_status
wr_runtime_wait(wr_runtime *rt, int64_t timeout_us, weir_error *err)
{
    int64_t begun = wr_clock_monotonic(wr_clock_system());
    wr_mutex_lock(&rt->lock);
    while (!atomic_load(&rt->finished) && !atomic_load(&rt->failed)) {
        int64_t left = timeout_us - (wr_clock_monotonic(wr_clock_system()) - begun);
        if (left <= 0) {
            wr_mutex_unlock(&rt->lock);
            return WEIR_TIMEOUT;
        }
        (void) wr_cond_wait_for(&rt->changed, &rt->lock, left);
    }
    wr_mutex_unlock(&rt->lock);
    return wr_runtime_status(rt, err);
}

wr_epoch
wr_runtime_barrier(wr_runtime *runtime)
{
    return wr_coordinator_request(runtime);
}

wr_epoch
wr_runtime_epoch_done(const wr_runtime *runtime)
{
    return atomic_load(&runtime->coordinator.done);
}
