/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/chain_dead.c -- a chain whose operator has failed (see chain_impl.h, isolate.c): how it dies, and what it
 * does from then on. */
#include "runtime/chain_impl.h"

/* Takes batch (NULL: none). */
static void
drop_batch(wr_batch *batch, wr_batch_mark *mark, wr_epoch *epoch)
{
    if (batch == NULL)
        return;
    if (wr_batch_ends_epoch(batch)) {
        *mark = (wr_batch_mark) batch->mark;
        *epoch = batch->epoch;
    } else if (*mark == WR_MARK_NONE)
        *mark = (wr_batch_mark) batch->mark;
    wr_batch_release(batch);
}

void
wr_chain_die(chain *c, wr_batch_mark *mark, wr_epoch *epoch)
{
    *mark = WR_MARK_NONE;
    *epoch = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        chain_op *op = &c->ops[i];
        drop_batch(op->in, mark, epoch);
        op->in = NULL;
        op->step = STEP_TICK;
        for (int p = 0; p < WR_PORT_COUNT; p++) {
            wr_outbox *box = &op->ctx.out[p];
            while (box->count > 0)
                drop_batch(chain_take(box), mark, epoch);
        }
        if (op->frozen != NULL && c->barrier == 0) {
            op->job->ops->thaw(op->frozen);
            op->frozen = NULL;
        }
    }
    wr_batch_release(c->out.held); /* part of a change that will not be whole */
    c->out.held = NULL;
    c->failed = c->op_failed = false;
    c->dead = true;
}

bool
wr_chain_close_operators(chain *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->ops[i].frozen != NULL)
            return false;
    for (uint32_t i = 0; i < c->count; i++) {
        chain_op *op = &c->ops[i];
        if (op->opened)
            op->job->ops->close(op->self);
        op->opened = false;
        atomic_store_explicit(&op->ctx.counters.state_keys, 0, memory_order_relaxed);
        atomic_store_explicit(&op->ctx.counters.state_panes, 0, memory_order_relaxed);
    }
    return true;
}

chain_flow
wr_chain_run_dead(chain *c)
{
    bool idle = wr_output_flush(&c->out);
    for (int p = WR_PORT_LATE; p <= WR_PORT_BAD; p++)
        idle = (c->sides[p] == NULL || wr_output_flush(c->sides[p])) && idle;
    return c->failed ? CHAIN_FAILED : idle ? CHAIN_IDLE : CHAIN_BLOCKED;
}
