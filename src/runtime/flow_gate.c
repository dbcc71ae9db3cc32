/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/flow_gate.c -- who may work when the flow pool is nearly used up.
 *
 * Sources stop while part of the pool is left: an eighth, or more of a small pool.  That is for those
 * downstream: their work is what frees memory, but it takes some first.  When only two thirds of
 * it are left they work one at a time: a task that finds the gate low needs the one pass, and gives it back when its batch has left or when it is
 * blocked itself, so that whoever blocks it can go on.  So many small steps never meet in the last
 * bytes, and a job fails for flow memory only when one step alone, with every other task standing
 * still, needs more than there is.
 *
 * Place       segment and sink tasks ask before each batch; a task that is refused waits and asks again.
 * Invariants  Q1  below the mark at most one task is inside
 *             Q2  nobody keeps the pass across turns: no deadlock through it
 */
#include "runtime/runtime_impl.h"

enum { STEP_BYTES = 1 << 20, RETRY_US = 1000 };

/* Below this much room one task at a time.  0: there is no limit. */
static uint64_t
gate_mark(const wr_runtime *rt)
{
    uint64_t limit = rt->config.flow != NULL ? wr_budget_limit(rt->config.flow) : 0;
    uint64_t steps = WR_MIN((uint64_t) rt->worker_count * STEP_BYTES, limit / 4);
    return WR_MAX(limit / 12, steps);
}

static bool
gate_is_low(const wr_runtime *rt)
{
    uint64_t mark = gate_mark(rt);
    return mark > 0 && wr_budget_room(rt->config.flow) < mark;
}

bool
wr_flow_has_room(const wr_runtime *rt)
{
    uint64_t mark = gate_mark(rt);
    return mark == 0 || wr_budget_room(rt->config.flow) > mark + mark / 2;
}

bool
wr_flow_gate_enter(task *t)
{
    wr_runtime *rt = t->rt;
    task       *holder = NULL;
    if (WR_LIKELY(!gate_is_low(rt)) || atomic_load(&rt->flow_holder) == t)
        return true;
    wr_scratch_drop(&t->worker->scratch_owners);
    if (!gate_is_low(rt) || atomic_compare_exchange_strong(&rt->flow_holder, &holder, t))
        return true;
    t->starved = true;
    task_set_blocked(t, true);
    wr_task_wake_after(t, RETRY_US);
    return false;
}

void
wr_flow_gate_leave(task *t)
{
    if (WR_UNLIKELY(atomic_load_explicit(&t->rt->flow_holder, memory_order_relaxed) == t))
        atomic_store(&t->rt->flow_holder, NULL);
}

bool
wr_flow_gate_is_free(wr_runtime *rt)
{
    return atomic_load(&rt->flow_holder) == NULL || !gate_is_low(rt);
}
