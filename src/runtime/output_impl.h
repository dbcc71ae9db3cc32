/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/output_impl.h -- where a task's batches go: its stream, and edges to other segments.
 *
 * Invariants  O1  one batch at a time is under way: what some targets have no room for waits in
 *                 `pending`, and the next is accepted when that is empty
 *             O2  a target gets everything in the order of the puts; marks go to every target
 *             O3  published batches own their strings, and no selection under half is kept
 *             O4  in a stream that changes, what one batch of input made comes as one change: all its
 *                 batches but the last say that they go on.  The newest is held back until the next one
 *                 comes or the task has done with its input (settle)
 */
#pragma once

#include "runtime/channel_impl.h"

typedef struct output_edge {
    wr_partitioning  partitioning;
    const uint32_t  *keys;
    uint32_t         key_count;
    channel        **channels; /* HASH: a consumer's shard each; FORWARD, SINGLE: one */
    wr_time         *sent;     /* watermark each channel knows                        */
    uint32_t         channel_count;
} output_edge;

typedef struct output_pending {
    channel   *channel; /* NULL: the stream */
    wr_batch  *batch;
    wr_routes *routes;  /* of the stream's */
} output_pending;

typedef struct output {
    task           *task;
    wr_budget      *flow;
    wr_stream      *stream; /* NULL: edges alone */
    uint32_t        shard;
    bool            changes; /* the stream's rows may be taken back: O4 */
    wr_batch       *held;    /* O4 */
    output_edge    *edges;
    uint32_t        edge_count;
    output_pending *pending;
    uint32_t        pending_count, pending_capacity;
} output;

/* Once edges and stream are set: pending, and the worker's scratch where an edge needs it. */
weir_status wr_output_open(output *o, wr_arena *arena);
void        wr_output_close(output *o);
/* Push what is pending; true when nothing is left. */
bool        wr_output_flush(output *o);
/* Nothing more comes for now: in how many microseconds to call again for those who follow; -1: not.  Nothing is
 * pending.  *failed: no memory. */
int64_t     wr_output_rest(output *o, int64_t now, bool *failed);
/* Takes batch (also on failure).  Nothing is pending.  MEMORY. */
weir_status wr_output_put(output *o, wr_batch *batch);
/* Nothing is pending, and what was put is a whole change; *flushed: nothing is left.  MEMORY. */
weir_status wr_output_settle(output *o, bool *flushed);
