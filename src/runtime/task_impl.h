/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/task_impl.h -- a task: what an executor runs; and the worker that runs it.
 *
 * A task is one shard of a source, of a segment, or a sink.  It is a state machine: `run` does a
 * bounded amount of work and says what it waits for.  Whoever gives it something to do (a publisher, a
 * reader that made room, a timer, a connector) calls wr_task_wake.
 *
 * Invariants  A1  run is called by its worker's thread alone
 *             A2  a wake that comes while the task runs makes it run once more
 *             A3  a task is in its worker's list of woken ones, or taken from it for a turn that is to come,
 *                 exactly while `ready` is 1: nobody looks at tasks that rest
 */
#pragma once

#include "base/loop.h"
#include "base/thread.h"
#include "data/key.h"
#include "runtime/runtime.h"

typedef enum task_result {
    TASK_MORE,  /* run me again when the others had their turn */
    TASK_WAIT,  /* a wake will come                            */
    TASK_ENDED, /* for ever                                    */
    TASK_FAILED /* wr_runtime_fail has been told               */
} task_result;

typedef struct task   task;
typedef struct worker worker;

typedef struct task_ops {
    const char  *kind; /* "source", "segment", "sink" */
    task_result (*run)(task *t);
    void        (*close)(task *t);
} task_ops;

/* A section of a checkpoint: frozen by its task at a barrier, written later on another thread, or
 * written at once by the task. */
typedef struct task_part {
    const char            *name;
    const wr_operator_ops *ops;    /* of frozen                              */
    wr_frozen             *frozen; /* NULL: bytes holds it                   */
    wr_snapshot_writer     bytes;
} task_part;

/* The first member of every task's struct. */
struct task {
    const task_ops  *ops;
    wr_runtime      *rt;
    worker          *worker;
    const char      *name;
    _Atomic uint32_t ready;    /* 1: wants to run                                     */
    task            *next_woken; /* in the list, newest first                         */
    _Atomic uint32_t blocked;  /* 1: waits for room downstream (for the stall detector) */
    _Atomic uint64_t progress; /* batches handled                                     */
    bool             starved;  /* waits for flow memory                               */
    bool             ended, ended_told; /* ended_told: under the coordinator's lock   */
    wr_timer         timer;
    wr_epoch         acked;    /* under the coordinator's lock                        */
    wr_epoch         put;      /* of a source: newest it has put in; under that lock, too */
    task_part       *parts;    /* the task's between barriers, the coordinator's from ack to done */
    task_part       *last_parts; /* written once, at the end: they stand for an ended task; NULL before */
    uint32_t         part_count, last_count; /* 0 without a store */
};

/* Room that one task at a time needs: of exchanges by hash.  Made with the first of them. */
typedef struct worker_scratch {
    wr_keys  *keys; /* of a batch           */
    uint16_t *rows; /* its rows, by shard   */
} worker_scratch;

struct worker {
    wr_runtime      *rt;
    uint32_t         index;
    wr_loop         *loop;
    wr_thread        thread;
    weir_error       error; /* of the operator that fails: its job fails with it */
    task           **ready; /* SEEDED: woken, to be picked from                      */
    uint32_t         ready_count;
    worker_scratch   scratch;
    wr_scratch_list  scratch_owners;
    _Alignas(64) _Atomic uint32_t asleep;
    _Atomic(task *)  woken; /* by anybody, newest first; taken whole by the worker   */
};

/* Room for the last parts, named like the last of its parts.  At its end. */
weir_status wr_task_last_parts(task *t);
/* From any thread. */
void wr_task_wake(task *t);
void wr_task_wake_user(void *t); /* the same, as a callback */
/* Wake the task after us on the injected clock, or earlier when an earlier time is set.  Its own thread. */
void wr_task_wake_after(task *t, int64_t us);
static inline void
task_moved(task *t)
{
    atomic_fetch_add_explicit(&t->progress, 1, memory_order_relaxed);
}
static inline void
task_set_blocked(task *t, bool blocked)
{
    if (atomic_load_explicit(&t->blocked, memory_order_relaxed) != blocked)
        atomic_store(&t->blocked, blocked);
}
/* Record the first failure and stop the job; returns TASK_FAILED. */
task_result wr_task_fail(task *t, weir_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same by what a connector has said in e, hint and all, if code is of that. */
task_result wr_task_fail_in(task *t, const char *kind, const char *name, weir_status code, const weir_error *e);
