/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/runtime.h -- run a job: tasks on an executor, sources and sinks, checkpoints.
 *
 * Place       engine/ lowers pipelines to a wr_job and binds connectors; tests build both by hand.
 * Executors   SEEDED: one thread, the caller's, picks ready tasks with a seeded generator under the
 *             injected clock: wr_runtime_step until idle.  THREADS: `workers` threads, each with its own
 *             tasks and a libevent loop to sleep in.  Tasks, channels and barriers are the same code.
 * Invariants  R1  a task runs on one thread at a time; keyed state of a key group lives in one task
 *             R2  a task holds at most one batch outside a ring; it reads whichever input has data
 *                 (but not an input that waits for a barrier's alignment)
 *             R3  a checkpoint is complete when every task and sink has acknowledged its epoch; then
 *                 the manifest is written, then sources hear `committed`
 *             R4  a stall ("paused and nothing can progress") is named within 5 s
 */
#pragma once

#include "connector/sink.h"
#include "connector/source.h"
#include "runtime/job.h"
#include "runtime/stream.h"

typedef struct wr_runtime wr_runtime;

typedef struct wr_source_binding {
    const char           *name;
    uint32_t              stream;       /* index in the job             */
    const wr_source_ops  *ops;
    const void           *config;
    const wr_decoder_ops *decoder;      /* NULL: rows come ready made   */
    const void           *decoder_config;
    const wr_schema      *schema;
    const wr_expr        *watermark;    /* over the schema; of type timestamp[tz]; NULL: no event time.
                                         * A row's contribution; the lane's watermark is the maximum so far */
    const wr_expr        *filter;       /* pushed-down predicate all readers share; NULL */
    const uint64_t       *needed;       /* columns anybody reads        */
    int32_t               time_column;  /* -1: none                     */
    int64_t               future_us;    /* guard: rows with time > clock + this are bad; 0: off */
    int64_t               idle_us;      /* a lane caught up for so long stops holding the watermark; 0: never */
    int64_t               ahead_us;     /* how far lanes may be ahead of the one behind; 0: as state allows */
    int32_t               bad_stream;   /* SOURCE.dead_letter's stream; -1: nobody reads it */
    int32_t               worker;       /* -1: spread over all          */
    bool                  ages;         /* some reader forgets by the watermark that each row met */
    bool                  keyed;        /* rows replace each other by the schema's key; both of: */
    uint32_t              op_column;    /* text: + - c u r i d, NULL is +                        */
    const wr_schema      *decoded;      /* the schema, with nothing NOT NULL: lane_keyed.c tells */
} wr_source_binding;

typedef struct wr_sink_binding {
    const char           *name;
    uint32_t              stream;
    const wr_sink_ops    *ops;
    const void           *config;
    const wr_encoder_ops *encoder;
    const void           *encoder_config;
    const wr_schema      *upserts;      /* rows that replace each other, of a stream of changes (data/upserts.h);
                                         * NULL: rows as they come                              */
} wr_sink_binding;

typedef enum wr_executor_kind { WR_EXECUTOR_SEEDED, WR_EXECUTOR_THREADS } wr_executor_kind;

typedef struct wr_runtime_config {
    wr_executor_kind  executor;
    uint32_t          workers;        /* shards of keyed segments; threads of the THREADS executor */
    uint64_t          seed;
    wr_clock         *clock;
    wr_budget        *state, *flow;
    const char       *data_dir;       /* NULL: no checkpoints                           */
    int64_t           checkpoint_us;  /* interval; 0: only on request                   */
    uint64_t          journal_bytes;  /* what sinks by key put down between checkpoints: most of it; 0: 1 GiB */
    int64_t           epoch_us;       /* between ends of epochs while somebody reads by them; 0: checkpoints alone */
    bool              bounded;        /* --once: sources end                            */
    bool              final_checkpoint; /* when every source has ended: one that another run goes on from */
    bool              aside;          /* wr_source_ctx has it                           */
    bool              isolates;       /* a view that fails ends alone, with what reads it; the rest goes on */
    bool              hold_end;       /* a source that is done publishes no end: windows stay open */
    wr_row_policy     on_row_error;
    uint32_t          outbox_slots;   /* 0: 4; tests: 1                                */
    uint32_t          ring_batches_max; /* exchange rings and streams; 0: default; tests: 1 */
    uint32_t          batch_rows_max; /* 0: 4096; tests: 1                              */
    /* Called on a worker thread (or in step) when the job ends, fails, or completes a checkpoint. */
    void            (*event)(void *user, int what, const weir_error *err);
    void             *user;
} wr_runtime_config;
enum {
    WR_EVENT_FINISHED = 1,
    WR_EVENT_FAILED,
    WR_EVENT_CHECKPOINT,
    WR_EVENT_STALLED,
    WR_EVENT_VIEW_FAILED, /* isolates: one of them */
};

/* Borrows job, bindings and config's pointers until destroy.  Restores from the newest good
 * checkpoint in data_dir; err tells what was skipped when an older one had to serve. */
weir_status wr_runtime_create(const wr_job *job, const wr_source_binding *sources, uint32_t source_count,
                              const wr_sink_binding *sinks, uint32_t sink_count,
                              const wr_runtime_config *config, wr_runtime **runtime, weir_error *err);
weir_status wr_runtime_start(wr_runtime *runtime, weir_error *err);
/* Stop intake, take a last checkpoint when there is a data_dir, join the workers. */
weir_status wr_runtime_stop(wr_runtime *runtime, weir_error *err);
/* Stop at once, as a crash would: no checkpoint, nothing flushed (tests of recovery). */
void        wr_runtime_kill(wr_runtime *runtime);
void        wr_runtime_destroy(wr_runtime *runtime);

/* SEEDED: run one ready task; false when nothing is ready (then move the clock, or it is done). */
bool        wr_runtime_step(wr_runtime *runtime);
/* SEEDED: when the next timer is due on the injected clock; WR_TIME_END: none. */
wr_time     wr_runtime_next_timer(const wr_runtime *runtime);
/* SEEDED, with nothing ready: sleep until a descriptor, another thread (a connector's) or a timer makes
 * something ready, or timeout_us have passed. */
void        wr_runtime_doze(wr_runtime *runtime, int64_t timeout_us);
/* With hold_end: every source has been read to its end. */
bool        wr_runtime_held(const wr_runtime *runtime);
/* THREADS: block until finished, failed or timeout_us passed (TIMEOUT). */
weir_status wr_runtime_wait(wr_runtime *runtime, int64_t timeout_us, weir_error *err);
bool        wr_runtime_finished(const wr_runtime *runtime);
weir_status wr_runtime_status(const wr_runtime *runtime, weir_error *err); /* the first failure, or OK */
/* isolates: has the view whose rows go to this stream failed, or something it reads?  err (may be NULL): why. */
bool        wr_runtime_view_failure(wr_runtime *runtime, uint32_t stream, weir_error *err);

/* Ask for a barrier; its epoch. The checkpoint (when data_dir) is complete at WR_EVENT_CHECKPOINT. */
wr_epoch    wr_runtime_barrier(wr_runtime *runtime);
wr_epoch    wr_runtime_epoch_done(const wr_runtime *runtime); /* newest complete epoch */

wr_stream  *wr_runtime_stream(wr_runtime *runtime, uint32_t index);
/* Feed rows of a source bound to wr_push_source_ops ("push"): the library's and tests' way in.
 * Takes batch.  AGAIN when there is no room. Any thread. */
wr_flow     wr_runtime_push(wr_runtime *runtime, uint32_t source, int32_t partition, wr_batch *batch);
/* The same for whole records in the source's format; copies bytes. */
wr_flow     wr_runtime_push_bytes(wr_runtime *runtime, uint32_t source, int32_t partition, const char *bytes,
                                  size_t length);
void        wr_runtime_push_idle(wr_runtime *runtime, uint32_t source, int32_t partition);
void        wr_runtime_push_end(wr_runtime *runtime, uint32_t source);

/* --- looking in (any thread; figures are a moment old) --- */
typedef struct wr_lane_view {
    int32_t  partition;
    wr_time  watermark;
    uint64_t rows, bad, null_time;
    bool     idle, ended, caught_up, paused, held;
} wr_lane_view;
typedef struct wr_source_view {
    const char *name;
    uint64_t    rows, bytes, bad, future, filtered;
    wr_time     watermark;
    int32_t     held_by; /* the partition with the least watermark; -1 */
    uint32_t    lane_count;
    uint32_t    paused, held; /* lanes not read: no room; ahead of the others */
    char        last_bad[200];
} wr_source_view;
void     wr_runtime_source_view(wr_runtime *runtime, uint32_t source, wr_source_view *view);
uint32_t wr_runtime_lanes(wr_runtime *runtime, uint32_t source, wr_lane_view *views, uint32_t max);
/* Sum over shards; false: not known. */
bool     wr_runtime_source_extent(wr_runtime *runtime, uint32_t source, wr_source_extent *sum);
void     wr_runtime_source_describe(wr_runtime *runtime, uint32_t source, wr_text *to);
/* Can its other side not be reached?  In words. */
bool     wr_runtime_source_away(wr_runtime *runtime, uint32_t source, wr_text *why);
/* Sum over shards of operator `op` of a segment. */
void     wr_runtime_op_counters(wr_runtime *runtime, uint32_t segment, uint32_t op, wr_op_counters *sum,
                                uint64_t *state_bytes, wr_time *watermark);
/* Rows that a segment which ends a chain has handed on, as one without operators does; 0 of any other. */
uint64_t wr_runtime_rows_left(wr_runtime *runtime, uint32_t segment);
/* Why a row failed in it, of late, in some shard; "" when none did. */
void     wr_runtime_op_sample(wr_runtime *runtime, uint32_t segment, uint32_t op, char *text, size_t bytes);
typedef struct wr_sink_view {
    const char *name;
    uint64_t    rows, bytes, errors, retries, queued_batches;
    bool        blocked;
    char        last_error[200];
} wr_sink_view;
void     wr_runtime_sink_view(wr_runtime *runtime, uint32_t sink, wr_sink_view *view);
typedef struct wr_checkpoint_view {
    wr_epoch epoch;
    wr_epoch failed; /* the newest that was not written; 0: none */
    wr_time  at;
    int64_t  duration_us;
    uint64_t bytes, count, failures;
    uint64_t epochs; /* that ended without a checkpoint */
    uint64_t journal_bytes; /* of what sinks by key were told since the last ones */
    char     last_error[200];
} wr_checkpoint_view;
void     wr_runtime_checkpoint_view(wr_runtime *runtime, wr_checkpoint_view *view);

extern const wr_source_ops wr_push_source_ops;
