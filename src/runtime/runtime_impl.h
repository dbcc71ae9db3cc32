/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/runtime_impl.h -- what the files of this folder share: the runtime, its tasks, its coordinator.
 *
 * Life: build.c makes everything from the job; restore.c fills it from a checkpoint; an executor runs
 * the tasks; coordinator.c carries barriers to checkpoints; stall.c watches.  All structs live in
 * rt->arena until destroy.
 */
#pragma once

#include "checkpoint/checkpoint.h"
#include "runtime/chain_impl.h"
#include "runtime/input_impl.h"
#include "runtime/source_impl.h"
#include "runtime/undo_impl.h"
#include "runtime/whole.h"

/* A segment of the job whose operators this task runs. */
typedef struct segment_origin {
    const wr_job_segment *segment;
    uint32_t              first_op; /* of the task's chain */
} segment_origin;

typedef struct segment_task {
    task                  t; /* first */
    segment_origin       *origins; /* in the order of the chain: inputs are the first one's, the
                                    * stream and the edges out the last one's (build_fuse.c) */
    uint32_t              origin_count;
    uint32_t              shard, shard_count;
    uint32_t              state_parts; /* of its parts, those of operators; one a segment follows */
    inputs                in;
    chain                 chain;
    bool                  values_offered, end_offered;
    _Atomic wr_time       watermark_view; /* for whoever looks in */
    /* isolate.c */
    _Atomic bool          doomed;      /* its view has failed                              */
    bool                  dead;        /* drops what comes                                 */
    bool                  closing;     /* its operators are still to be closed             */
    wr_epoch              alive_epoch; /* frozen before it died; 0: none                   */
    wr_batch             *last_words;  /* the mark that was under way when it died         */
    _Atomic wr_epoch      dead_since;  /* first epoch it acknowledged dead; 0: none        */
} segment_task;

typedef struct sink_task {
    task                   t; /* first */
    const wr_sink_binding *binding;
    void                  *self;
    wr_sink_ctx            ctx;
    inputs                 in;
    wr_batch              *batch;     /* offered and not taken yet */
    wr_whole              *whole;     /* written by key: changes under way, by input */
    uint32_t               ready;     /* 1 + the input whose change is whole; 0: none */
    sink_undo              undo;      /* and what takes them back          */
    wr_watch              *watch;
    int                    watch_fd;
    wr_epoch               flushing;  /* barrier under way; 0: none */
    bool                   opened, ending;
    _Atomic uint32_t       stuck;     /* the connector said AGAIN or WAIT last */
    wr_mutex               error_lock;
    char                   last_error[200];
} sink_task;

/* Barriers to checkpoints, of which one is under way at a time; and epochs that end without one. */
typedef struct coordinator {
    wr_mutex           lock;
    wr_cond            changed;
    _Atomic wr_epoch   wanted;     /* sources put in a mark when they have not seen this one */
    _Atomic bool       freezes;    /* it is a barrier, not the end of an epoch alone */
    uint32_t           putting;    /* shards of sources that have not put it in     */
    wr_epoch           under_way;  /* the checkpoint; 0: none                       */
    wr_epoch           requested;  /* asked for while it could not begin; 0: none   */
    _Atomic wr_epoch   done;
    _Atomic wr_epoch   durable;    /* newest in the store: sources hear `committed` */
    uint32_t           waiting;    /* tasks that have not acknowledged              */
    bool               finishing;  /* every source has come to its end              */
    wr_epoch           last;       /* the epoch that says so; 0: not begun          */
    uint32_t           sources_done; /* shards of sources that have                 */
    int64_t            begun;      /* monotonic */
    wr_timer           timer, epoch_timer;
    bool               write_now, quit; /* for the checkpoint thread */
    wr_thread          thread;
    wr_checkpoint_view view;
} coordinator;

typedef struct stall {
    wr_timer         timer;
    _Atomic uint32_t armed;    /* a look is coming                   */
    uint64_t         progress; /* at the last look                   */
    uint32_t         still;    /* looks in a row that saw it so      */
    bool             told;
} stall;

typedef struct segment_shards {
    segment_task *shards;   /* of a host; NULL: another segment's tasks run it            */
    uint32_t      count;
    uint32_t      host;     /* the segment whose tasks run this one                       */
    uint32_t      head;     /* of a host: the first segment of its run                    */
    uint32_t      edges;    /* out of it                                                  */
    uint32_t      next;     /* where the first of them leads                              */
    uint32_t      origin, first_op; /* where it stands in the tasks                       */
    uint32_t      selector; /* its number among those of its stream; its input has `select` */
    bool          fused;    /* runs in the tasks of `next`                                */
    int32_t       side_stream[WR_PORT_COUNT]; /* -1: nobody reads it             */
    uint32_t      side_shard[WR_PORT_COUNT];  /* where its shards begin in there */
} segment_shards;

struct wr_runtime {
    wr_runtime_config        config;
    const wr_job            *job;
    wr_arena                 arena;
    wr_budget               *budget;  /* structs, snapshots */
    wr_stream              **streams;
    wr_budget              **view_state; /* by stream: of views with a limit of their own; NULL: none */
    uint32_t                *stream_shards;
    source                  *sources;
    uint32_t                 source_count;
    segment_shards          *segments;
    sink_task               *sinks;
    uint32_t                 sink_count;
    task                   **tasks;
    uint32_t                 task_count;
    worker                  *workers;
    uint32_t                 worker_count; /* threads; 1 for SEEDED */
    wr_random                random;
    coordinator              coordinator;
    undo                     undo;
    stall                    stall;
    wr_store                *store;
    wr_checkpoint            restored;
    bool                     has_restored, started, threads_running;
    bool                     ends;       /* every source ends: bounded, or by itself; and a last checkpoint is wanted */
    bool                     renewed;    /* restored from where the job had ended    */
    _Atomic bool             stopping;   /* no more intake          */
    _Atomic bool             halted;     /* workers leave           */
    _Atomic bool             failed, finished;
    _Atomic uint32_t         live_tasks;
    _Atomic uint32_t         followers;  /* readers that follow some stream */
    wr_stream_epochs         epochs;     /* readers that want whole ones    */
    _Atomic(task *)          flow_holder; /* works alone in what is left of the flow pool; NULL */
    wr_mutex                 lock;       /* error; waiters          */
    wr_cond                  changed;
    weir_error               error;
    weir_error             **failures;   /* by stream, under the lock: its view has failed (isolate.c) */
    weir_error               failure_untold;
};

/* build.c, build_fuse.c, build_edges.c, build_ends.c, build_routes.c */
void       *wr_build_alloc(wr_runtime *rt, size_t count, size_t bytes); /* zeroed, on lines of its own */
weir_status wr_build_task(wr_runtime *rt, task *t, const task_ops *ops, const char *name,
                          uint32_t worker_index, uint32_t part_count, uint32_t last_count);
weir_status wr_build_reader(wr_runtime *rt, task *t, inputs *in, int port, uint32_t stream,
                            uint32_t shard);
void       *wr_build_array(wr_runtime *rt, size_t count, size_t bytes); /* zeroed */
uint32_t    wr_build_segment_shards(const wr_runtime *rt, uint32_t segment);
weir_status wr_build_fuse(wr_runtime *rt);
uint32_t    wr_build_stream_shards(const wr_runtime *rt, const wr_source_binding *sources,
                                   uint32_t stream);
weir_status wr_build_edges(wr_runtime *rt);
weir_status wr_build_routes(wr_runtime *rt); /* once streams and segments are there */
weir_status wr_build_sources(wr_runtime *rt, const wr_source_binding *bindings, weir_error *err);
weir_status wr_build_sinks(wr_runtime *rt, const wr_sink_binding *bindings);
weir_status wr_runtime_build(wr_runtime *rt, const wr_source_binding *sources,
                             const wr_sink_binding *sinks, weir_error *err);
void        wr_runtime_unbuild(wr_runtime *rt);
/* The stream that a segment's rows end in: its own, or that of whoever reads it.  -1: none. */
bool        wr_runtime_is_stateful(const wr_runtime *rt); /* some operator keeps something */
int32_t     wr_build_final_stream(const wr_runtime *rt, uint32_t segment);
/* segment_task.c, sink_task.c */
extern const task_ops wr_segment_task_ops, wr_sink_task_ops;
weir_status wr_segment_open(segment_task *s, weir_error *err);
weir_status wr_sink_open(sink_task *s, weir_error *err);
/* isolate.c */
/* The view of a task whose operator has failed ends, with what reads it; false: the whole job has to. */
bool        wr_runtime_isolate(wr_runtime *rt, segment_task *s, const weir_error *err);
/* The task's own thread: it is doomed.  Then, until its operators are closed, before each run. */
void        wr_segment_die(segment_task *s);
void        wr_segment_bury(segment_task *s);
#define WR_PART_FAILED "failed" /* the part that names the views that are dead in a checkpoint */
weir_status wr_isolate_write(wr_runtime *rt, wr_epoch epoch, wr_snapshot_writer *w, bool *any);
weir_status wr_isolate_restore(wr_runtime *rt, const char *bytes, size_t length);
void        wr_isolate_fini(wr_runtime *rt);
/* Tell whoever listens. */
void wr_runtime_event(wr_runtime *rt, int what, const weir_error *err);
void wr_runtime_fail(wr_runtime *rt, const weir_error *err);
void wr_runtime_end(wr_runtime *rt);
/* executor.c: one turn of a task; executor_threads.c */
/* The tasks that were woken since, oldest first, by next_woken. */
task       *wr_worker_take_woken(worker *w);
void        wr_runtime_turn(wr_runtime *rt, task *t);
weir_status wr_executor_start(wr_runtime *rt, weir_error *err);
void        wr_executor_join(wr_runtime *rt);

/* coordinator.c */
#define WR_PART_FINAL "final" /* the part that says that the job had ended */
void     wr_coordinator_init(wr_runtime *rt);
weir_status wr_coordinator_start(wr_runtime *rt, weir_error *err);
void     wr_coordinator_stop(wr_runtime *rt);
void     wr_coordinator_fini(wr_runtime *rt);
wr_epoch wr_coordinator_request(wr_runtime *rt);
/* The task has put everything before the barrier behind it; its parts are the coordinator's now. */
void     wr_coordinator_ack(wr_runtime *rt, task *t, wr_epoch epoch);
/* A source has put in the mark of `epoch`.  Before: is it a barrier? */
void     wr_coordinator_put(wr_runtime *rt, task *t, wr_epoch epoch);
static inline bool
wr_coordinator_freezes(wr_runtime *rt)
{
    return atomic_load_explicit(&rt->coordinator.freezes, memory_order_relaxed);
}
/* No checkpoint is under way, and the last one began so long ago. */
bool     wr_coordinator_may_ask(wr_runtime *rt, int64_t us);
/* Is a checkpoint under way, or about to be, that the task has not acknowledged? */
bool     wr_coordinator_awaits(wr_runtime *rt, const task *t);
/* Every task has ended: the last checkpoint, then the end is told (or that it was not written). */
void     wr_coordinator_finish(wr_runtime *rt);
/* The task is over; its parts, as they are now, stand for it in every later checkpoint. */
void     wr_coordinator_task_ended(wr_runtime *rt, task *t);
/* C4: is there to be a last checkpoint?  A shard of a source is at its end.  The epoch behind which ends are told. */
bool     wr_coordinator_keeps_last(const wr_runtime *rt);
void     wr_coordinator_source_done(wr_runtime *rt);
bool     wr_coordinator_is_last(wr_runtime *rt, wr_epoch epoch);
static inline wr_epoch
coordinator_wanted(wr_runtime *rt)
{
    return atomic_load_explicit(&rt->coordinator.wanted, memory_order_acquire);
}
/* restore.c */
weir_status wr_restore_open(wr_runtime *rt, weir_error *err);      /* the store, the newest checkpoint */
weir_status wr_restore_segments(wr_runtime *rt, weir_error *err);
weir_status wr_restore_source(wr_runtime *rt, source *s, weir_error *err); /* after open, before poll */
/* flow_gate.c: may the task take the next batch?  False: it is woken later.  Left at the end of its turn. */
bool wr_flow_gate_enter(task *t);
void wr_flow_gate_leave(task *t);
bool wr_flow_gate_is_free(wr_runtime *rt);
bool wr_flow_has_room(const wr_runtime *rt); /* for sources */
/* stall.c */
void wr_stall_init(wr_runtime *rt);
void wr_stall_watch(wr_runtime *rt); /* a source is paused: look again in a while.  Any thread. */
