/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/executor_threads.c -- the threads executor: each worker runs those of its tasks that were woken, in the
 * order of their wakes.
 *
 * A worker with nothing ready looks on for some 50 us (a hand-over costs less than a wake), then says
 * that it sleeps, looks once more, and waits in its loop.  Whoever makes a task of its ready
 * afterwards finds the flag and wakes the loop; nobody wakes a worker that is awake.
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>

enum { SPINS = 400, ROUNDS_A_LOOK = 16, TURNS_A_LOOK = 256 };

static bool
worker_has_ready(worker *w)
{
    return atomic_load(&w->woken) != NULL;
}

static bool
worker_halted(const worker *w)
{
    return atomic_load_explicit(&w->rt->halted, memory_order_acquire) ||
           atomic_load_explicit(&w->rt->failed, memory_order_acquire);
}

/* How many turns there were. */
static uint32_t
worker_round(worker *w)
{
    task    *list = wr_worker_take_woken(w);
    uint32_t turns = 0;
    while (list != NULL && !worker_halted(w)) {
        task *t = list;
        list = t->next_woken; /* before it can be listed anew */
        atomic_exchange(&t->ready, 0);
        wr_runtime_turn(w->rt, t);
        turns++;
    }
    return turns;
}

static void
worker_sleep(worker *w)
{
    for (int i = 0; i < SPINS; i++) {
        if (worker_has_ready(w) || worker_halted(w))
            return;
        __builtin_ia32_pause();
    }
    atomic_exchange(&w->asleep, 1);
    bool awake = worker_has_ready(w) || worker_halted(w);
    wr_loop_run(w->loop, awake ? 0 : -1);
    atomic_exchange(&w->asleep, 0);
}

static void
worker_main(void *user)
{
    worker  *w = user;
    uint32_t rounds = 0, turns = 0;
    while (!worker_halted(w)) {
        uint32_t ran = worker_round(w);
        turns += ran;
        if (ran == 0) {
            worker_sleep(w);
        } else if (++rounds % ROUNDS_A_LOOK == 0 || turns >= TURNS_A_LOOK) {
            turns = 0;
            wr_loop_run(w->loop, 0); /* timers and descriptors get their turn under load too */
        }
    }
}

weir_status
wr_executor_start(wr_runtime *rt, weir_error *err)
{
    if (rt->config.executor == WR_EXECUTOR_SEEDED)
        return WEIR_OK;
    rt->threads_running = true;
    for (uint32_t i = 0; i < rt->worker_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "weir-worker-%u", i % 100);
        WR_TRY(wr_thread_start(&rt->workers[i].thread, name, worker_main, &rt->workers[i], err));
    }
    return WEIR_OK;
}

void
wr_executor_join(wr_runtime *rt)
{
    atomic_store(&rt->halted, true);
    if (!rt->threads_running)
        return;
    for (uint32_t i = 0; i < rt->worker_count; i++) {
        atomic_exchange(&rt->workers[i].asleep, 0);
        wr_loop_wake(rt->workers[i].loop);
    }
    for (uint32_t i = 0; i < rt->worker_count; i++)
        wr_thread_join(&rt->workers[i].thread);
    rt->threads_running = false;
}
