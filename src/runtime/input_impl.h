/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/input_impl.h -- where a segment task's batches come from: shards of streams, and channels.
 *
 * Several inputs may feed one port (an exchange has one a producer).  A port's watermark is the least
 * of its inputs', the task's the least of its ports'.
 *
 * Invariants  N1  an input that has seen the barrier of the epoch under alignment is not read until
 *                 all others have seen it or ended (R2 of runtime.h)
 *             N2  what is taken carries the task's watermarks: watermark_before is the task's before
 *                 it, watermark_after the task's after it, so along one task they never step back
 *             N3  and judges its rows as they were judged where they came from, or by the least of the
 *                 OTHER ports' watermarks when that is lower.  So a row's fate hangs neither on
 *                 batch boundaries nor on how far the sibling inputs of its port have come.
 *             N4  an awaited input stands at START until it ends; that its port has ended is told with an empty
 *                 batch, though the task's watermark may stay where it is
 *
 * Worked example, a union of A (at 20) and B (at 15), so the task is at 15.  A sends rows judged by
 * 20 with watermark 30: they leave with before 15, after 15, and row_watermark 15 each = min(20, B).
 */
#pragma once

#include "runtime/channel_impl.h"
#include "runtime/route_impl.h"

typedef struct input {
    int             port;
    wr_reader      *reader;  /* of one shard; NULL: routed or channel */
    routed         *routed;  /* of one shard: a selector's rows, columns picked; NULL: channel */
    uint32_t        shard;
    channel        *channel;
    const uint32_t *columns; /* NULL: all */
    uint32_t        column_count;
    wr_time         watermark, last; /* last: before it ended */
    bool            aligned, ended;
    bool            timeless; /* holds the watermark back from END alone, until it ends */
    bool            awaited;  /* holds it back altogether, until it ends */
} input;

typedef struct inputs {
    wr_budget *flow;
    input     *list;
    uint32_t   count, cursor;
    uint32_t   ended_count, aligned_count;
    wr_epoch   epoch;      /* under alignment; 0: none */
    bool       freezes;    /* it is a barrier, not the end of an epoch alone */
    wr_time    arrived;    /* of the newest batch      */
    wr_time    watermark;  /* least over ports         */
    uint32_t   port_count;
    wr_time    ports[WR_OP_PORTS_MAX]; /* END where nothing can come any more */
    uint32_t   from;       /* in the list: of the newest batch */
} inputs;

typedef enum take_result {
    TAKE_NONE,    /* nothing there: every readable input is armed */
    TAKE_BATCH,   /* rows, a watermark that moved, or both         */
    TAKE_MOVED,   /* something was taken that moved nothing: look again */
    TAKE_BARRIER, /* every input has seen the barrier of inputs->epoch */
    TAKE_END,     /* the last input ended                          */
    TAKE_FAILED   /* no memory */
} take_result;

/* After the list is set: compute the watermarks from the inputs' own. */
void        wr_inputs_settle(inputs *in);
/* Where a port stands: its watermark; when all inputs have ended, the one before that. */
wr_time     wr_inputs_standing(const inputs *in, int port);
/* *batch is owned by the caller. */
take_result wr_inputs_take(inputs *in, int *port, wr_batch **batch);
/* The barrier has been dealt with: read on. */
void        wr_inputs_release_barrier(inputs *in);
