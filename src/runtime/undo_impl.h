/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/undo_impl.h -- what sinks were told since a checkpoint, so that a restart can take it back.
 *
 * A restart begins from a checkpoint and makes the rows behind it again; they may be cut into batches, or interleaved, in
 * another way than before.  Of a view that changes a key may then come and go within one batch that told of it before: the
 * outside would keep what is not so.  So a sink that writes by key puts down, before it tells of a key for the first time
 * since a checkpoint, what the key's row was then (write-ahead logging with before-images; compare Mohan et al., ARIES,
 * 1992); a restart first tells every such key as it was at the checkpoint, and then goes on.
 *
 * Place       sink_task.c notes each batch before it makes rows by key of it (whole.h); a thread makes what is noted
 *             durable, many batches at a time; then they go out.  SEEDED: the task syncs itself.
 * State       the journal (checkpoint/journal.h); for each sink: keys told lately, batches that wait for the journal.
 * Invariants  U1  nothing goes out before what takes it back is durable
 *             U2  a record is of the newest checkpoint that does not hold what is told: its epoch moves with the sink's
 *                 acknowledgement of a barrier.  (What follows the last one, C4, is in that checkpoint)
 *             U3  a key's first record of an epoch counts; those that follow may be left out
 *             U4  a barrier is acknowledged when everything before it is out, and a restart's own records stand in place of
 *                 those it found
 *             U5  what is taken back goes out before anything else
 * Cost        the rows of keys told for the first time since a checkpoint: encoded, written, and their share of a sync.
 */
#pragma once

#include "base/thread.h"
#include "checkpoint/journal.h"
#include "data/batch.h"
#include "data/key.h"

typedef struct wr_runtime wr_runtime;
typedef struct sink_task sink_task;

/* undo_back.c: rows of one sink as they were at a checkpoint, found from changes told since. */
typedef struct undo_back undo_back;
undo_back *wr_undo_back_create(wr_budget *budget,
                               const wr_schema *schema); /* borrows schema; NULL: no memory */
void wr_undo_back_destroy(undo_back *b);
/* One batch more of what was told, in order; a change may take several (goes_on), all of one input.  MEMORY. */
weir_status wr_undo_back_add(undo_back *b, uint32_t input, const wr_batch *batch);
/* Nothing follows.  MEMORY. */
weir_status wr_undo_back_settle(undo_back *b);
uint64_t wr_undo_back_count(const undo_back *b); /* keys */
/*
 * The next keys as one batch (owned), *out NULL: no more, from the first again.  restore: each as it was, diff 1; those that were
 * not there, diff -1.  Otherwise: as changes of which wr_undo_back_add finds the same.  MEMORY.
 */
weir_status wr_undo_back_next(undo_back *b, bool restore, wr_batch **out);

enum { UNDO_HELD_MAX = 64 };

/* Of one sink. */
typedef struct sink_undo {
    bool on;
    bool *within;    /* by input: the change noted last goes on */
    wr_epoch since;  /* U2 */
    uint64_t schema; /* fingerprint of what it reads */
    uint64_t ticket; /* of its newest record, or of the floor */
    bool split;      /* the newest batch took several records */
    bool blamed;     /* the connector's error is the journal's */
    wr_keys *keys;
    wr_snapshot_writer record;
    struct undo_told *told; /* U3: a table of digests of keys, the newest wins a slot */
    uint32_t told_mask, told_lost;
    struct {
        wr_batch *batch;
        uint64_t ticket;
        uint32_t from;     /* input */
    } held[UNDO_HELD_MAX]; /* a ring: noted, not out */
    uint32_t held_head, held_count;
    uint64_t held_bytes;
    undo_back *back; /* U5; NULL: none is left */
} sink_undo;

/* Of a runtime. */
typedef struct undo {
    wr_journal *journal; /* NULL: no sink needs one */
    wr_mutex lock;
    wr_cond changed;
    bool wanted, quit, failing;
    weir_error error; /* of the last sync that failed */
    wr_thread thread;
} undo;

void wr_undo_init(wr_runtime *rt);
/* undo.c: the runtime's part.  After the sinks are built; reads what is there.  CHECKPOINT, MEMORY. */
weir_status wr_undo_open(wr_runtime *rt, weir_error *err);
weir_status wr_undo_start(wr_runtime *rt, weir_error *err);
void wr_undo_stop(wr_runtime *rt);
void wr_undo_fini(wr_runtime *rt);
void wr_undo_checkpointed(wr_runtime *rt, bool durable); /* one is over.  Any thread */
/* undo_sink.c: the sink's part, on its task's thread. */
void wr_undo_sink_fini(sink_task *s);
/* The records of a batch of an input; the caller has asked for room.  Borrows batch, holds it.  MEMORY, LIMIT: a row is too
 * long. */
weir_status wr_undo_note(sink_task *s, uint32_t from, wr_batch *batch);
bool wr_undo_has_room(
    sink_task *s); /* false: after a sync, or after a checkpoint, which has been asked for */
/* The oldest batch held, whose records are durable (owned); NULL: none, or not yet. */
wr_batch *wr_undo_take(sink_task *s, uint32_t *from);
bool wr_undo_is_durable(
    const sink_task *s); /* all that was noted, and what stands in place of what was found: U4 */
/* A barrier has been acknowledged: U2. */
void wr_undo_passed(sink_task *s, wr_epoch epoch);
/* The rows as a record of the sink, of a change that goes on or not.  MEMORY, LIMIT. */
weir_status wr_undo_put(sink_task *s, uint32_t from, const wr_batch *batch, bool goes_on);
bool wr_undo_has_unsynced(const wr_runtime *rt);
void wr_undo_sync_soon(wr_runtime *rt);
/* The thread's, or (SEEDED) the task's: what was put becomes durable.  False: it failed. */
bool wr_undo_sync_now(wr_runtime *rt);
/* Why the journal takes nothing, for longer than a sync; false: it does. */
bool wr_undo_trouble(sink_task *s, weir_error *err);
