/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/chain_impl.h -- the chain runner: carries a batch through a segment's operators.
 *
 * Each operator takes the batches that the one before it has in its outbox, one at a time:
 *   tick (when its time has come) -> process -> advance (when the watermark moved) -> finish (at the end) -> see that the watermark has
 *   gone on -> freeze and hand on (a mark).
 * A call that answers AGAIN is made again when the outbox has been emptied; the last outbox empties
 * into the output.  Work is taken from the far end first, so a batch runs to completion.
 *
 * Invariants  H1  along every outbox watermarks do not step back, and the newest that an operator has
 *                 finished advancing to is on its way: on the last batch, or on an empty one
 *             H2  a mark leaves an operator after everything that operator emitted before it
 *             H3  an operator that is done (or ended) is never called again; what comes is discarded
 *             H4  an operator restored from where its job had ended hears neither of time nor of the end
 *                 until a row has come: it has told all that they would make it tell
 */
#pragma once

#include "runtime/output_impl.h"

#include <string.h>

typedef enum chain_step {
    STEP_TICK,
    STEP_PROCESS,
    STEP_ADVANCE,
    STEP_FINISH,
    STEP_CARRY,
    STEP_MARK,
} chain_step;

typedef struct chain_op {
    const wr_job_op *job;
    void            *self;
    wr_budget       *state; /* of this operator in this shard                   */
    wr_ctx           ctx;
    wr_batch        *in;   /* under work, owned; NULL: idle                     */
    int16_t          port;
    int16_t          part; /* of its task's parts: its state; -1: none            */
    chain_step       step;
    wr_time          sent; /* watermark_after of the newest batch that left     */
    wr_frozen       *frozen; /* of the barrier under way                        */
    bool             opened, done, ended; /* done: said DONE; ended: END is emitted */
    bool             settled; /* has told its end in an earlier run, and no row has come since (H4) */
    uint32_t         calls;  /* for sampling CPU                                */
} chain_op;

typedef struct chain {
    task     *task;
    wr_clock *clock;
    chain_op *ops;
    uint32_t  count;
    output    out;
    output   *sides[WR_PORT_COUNT]; /* LATE, BAD; NULL: nobody reads        */
    const wr_time *ports;   /* watermarks of the first operator's ports     */
    wr_time   sent;         /* watermark handed to the output               */
    _Atomic uint64_t rows_left; /* handed to the output; its task alone writes  */
    bool      keep_state;   /* checkpoints are kept: freeze at barriers     */
    bool      ended;        /* END is handed to the output                  */
    bool      failed;       /* *error says why                              */
    bool      op_failed;    /* an operator has, and not for want of flow memory */
    bool      dead;         /* rows are dropped, marks pass (isolate.c)     */
    wr_epoch  barrier;      /* has left; 0 none.  The task clears it        */
    weir_error *error;      /* the worker's                                 */
} chain;

typedef enum chain_flow { CHAIN_IDLE, CHAIN_MORE, CHAIN_BLOCKED, CHAIN_FAILED } chain_flow;

/* The first batch of an outbox that has one. */
static inline wr_batch *
chain_take(wr_outbox *box)
{
    wr_batch *b = box->slots[0];
    box->count--;
    memmove(box->slots, box->slots + 1, box->count * sizeof *box->slots);
    return b;
}

/* Run until everything taken has left (IDLE), or there is no room; MORE: so much was done that others have their turn
 * first, for one batch may give rows without number (a series, a product). */
chain_flow wr_chain_run(chain *c);
/* While IDLE: takes batch, for a port of the first operator. */
void       wr_chain_offer(chain *c, int port, wr_batch *batch);
/* When an operator wants to be ticked, by the engine clock; WR_TIME_END: none does.  While IDLE. */
wr_time    wr_chain_wake_at(const chain *c);
/* What wr_chain_run does of a dead chain: only marks come, and what was on its way. */
chain_flow wr_chain_run_dead(chain *c);
/* Drop what is under way and be dead; a mark that was is told. */
void       wr_chain_die(chain *c, wr_batch_mark *mark, wr_epoch *epoch);
/* Dead: close the operators, and give back their state; false: something that they have frozen is still to
 * be handed over. */
bool       wr_chain_close_operators(chain *c);
/* Before the first run, after a restore: operators that had ended stay so, and END goes out. */
void       wr_chain_resume(chain *c);
/* Close the operators and release everything but their budgets: batches under way may share strings with state. */
void       wr_chain_close(chain *c);
/* The budgets, when no batch of the runtime is left. */
void       wr_chain_fini(chain *c);
