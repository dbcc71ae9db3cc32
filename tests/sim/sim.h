/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/sim.h -- deterministic simulation: a pipeline on the seeded executor in a world that fails.
 *
 * One seed draws everything: views and input (scenario.c), a broker (broker.c), sinks (sink.c), a disk under the
 * checkpoint store (disk.c), the faults and when they strike (world.c).  Nothing reads a clock or a file of the
 * machine, so the same seed is the same run; its trace hash says so.  What came out is compared with a naive
 * evaluation (oracle.c) that shares no code with the engine.
 *
 * What must hold, whatever strikes:
 *   T1  every row of the reference reaches the sink, and (where answers are final) none that is not in it
 *   T2  what the sink had at the barrier of the restored checkpoint, and what came after it, is the reference
 *       exactly: state, positions and output belong together
 *   T3  a row is taken back only after it was given
 *   T4  watermarks never step back, nor over a restart behind the checkpoint; a lane is idle when it was at its end for so
 *       long, whatever the wall clock says
 *   T5  positions are committed only of epochs that a crash at that moment would restore, and that every sink has
 *   T6  rows, bad records and late rows are counted exactly
 *   T7  budgets are kept; nothing is left allocated; nothing stands still for 60 virtual seconds
 *   T8  what a sink that writes by key holds in the end is the view, whatever it was told before a crash
 *   T9  and before a restart tells it anything new, what it held at the restored checkpoint
 */
#pragma once

#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "base/text.h"
#include "connector/sink.h"
#include "connector/source.h"
#include "engine/engine_impl.h"

#include <stdio.h>

enum {
    SIM_SOURCES_MAX = 2,
    SIM_PARTITIONS_MAX = 4,
    SIM_VIEWS_MAX = 4,
    SIM_SINKS_MAX = 4 * SIM_VIEWS_MAX,
    SIM_KILLS_MAX = 6,
    SIM_EPOCHS_KEPT = 8,
    SIM_LARGE = 60, /* a sum */
    SIM_KEYS_MAX = 8,
};
#define SIM_SECOND 1000000LL
#define SIM_DISK   "/sim-disk" /* paths that begin so are the model's */

/* --- what must have happened at least once in many seeds --- */
#define SIM_KINDS(X)                                                                               \
    X(BROKER_DOWN) X(ALL_BROKERS_DOWN) X(SLOW_FETCH) X(DUPLICATE_FETCH)                            \
    X(REBALANCE) X(REBALANCE_IN_BARRIER) X(LATE_ASSIGNMENT) X(LANE_IDLE) X(LANE_BACK)              \
    X(LANE_HELD) X(MESSAGE_SPLIT) X(POISON) X(SOURCE_FAILS) X(NO_ROOM)                             \
    X(SINK_SLOW) X(SINK_STALL) X(SINK_RETRY) X(SINK_FAILS) X(FLUSH_WAITS)                          \
    X(DISK_EIO) X(DISK_FULL) X(DISK_TORN) X(DISK_ENTRY_LOST) X(DISK_ROT)             \
    X(DISK_READ_EIO) X(CHECKPOINT_FAILED) X(CHECKPOINT_SKIPPED)                                    \
    X(KILL_STEP) X(KILL_DISK) X(KILL_IN_EPOCH) X(KILL_AT_END) X(RESTART_FRESH) X(RESTART_MORE)     \
    X(RESTART_FEWER) X(OPEN_FAILED) X(CLOCK_JUMP) X(ROWS_LATE) X(WINDOWS_LATE) X(RETRACTION)       \
    X(TINY_BUFFERS) X(FINAL_CHECKPOINT) X(RUN_AGAIN) X(UNACKED_LOST) X(REPEATED_OUTPUT) X(KEYS_TAKEN_BACK)
#define SIM_KIND(name) SIM_##name,
typedef enum sim_kind { SIM_KINDS(SIM_KIND) SIM_KIND_COUNT } sim_kind;
#undef SIM_KIND

typedef struct sim_world sim_world;

/* --- input --- */

typedef struct sim_row {
    int64_t id, k, v;
    bool    v_null;
    wr_time ts;
    int32_t partition; /* set when messages are made */
} sim_row;

typedef struct sim_message {
    int64_t     at;   /* when the broker has it */
    const char *text; /* JSON lines             */
    size_t      length;
    uint32_t    rows, bad;
} sim_message;

/* --- broker.c --- */

typedef enum sim_hold { SIM_AWAY, SIM_OFFERED, SIM_TAKEN, SIM_REVOKED } sim_hold;

typedef struct sim_partition {
    sim_message *messages; /* the log, by offset; those with at <= now are there */
    uint32_t     count;
    sim_row     *rows;     /* in the order of the log */
    uint32_t     row_count, bad_count;
    int64_t      committed; /* of the group; -1: none */
    /* The client's view, of this life. */
    sim_hold     hold;
    int64_t      position; /* -1: not known */
    size_t       skip;
    bool         restored;
    int64_t      fetched;  /* messages below have arrived */
    int64_t      eof;      /* the end as seen last; -1: none */
    bool         asked;    /* a fetch is under way, */
    int64_t      arrives;  /* until then; -1: waits for a message */
    uint32_t     repeats;  /* messages at the head of what has arrived that were had before */
    bool         over, told, was_reachable; /* told: caught up */
    bool         idle;     /* its lane, when last looked at */
    int64_t      told_at;  /* when the engine was told that it is caught up */
    wr_lane     *lane;
} sim_partition;

typedef struct sim_source sim_source;
/* A source of the pipeline, over all lives. */
struct sim_source {
    sim_world    *world;
    uint32_t      index, partition_count;
    sim_partition partitions[SIM_PARTITIONS_MAX];
    /* Of this life. */
    uint32_t       shard_count, offered, turn;
    bool           begun, rebalancing;
    wr_source_ctx *ctx[16];
    struct {
        wr_epoch epoch;
        int64_t  positions[SIM_PARTITIONS_MAX]; /* -1: not of this shard */
    } frozen[16][SIM_EPOCHS_KEPT], latest[16];
};
extern const wr_source_ops sim_source_ops;
void sim_source_life(sim_source *s); /* a process begins */
void sim_source_wake(sim_source *s);
void sim_broker_append(sim_source *s, uint32_t partition); /* a message is there */
void sim_broker_fetched(sim_source *s, uint32_t partition);
void sim_broker_change(sim_world *w);                      /* a broker went or came back */
void sim_rebalance(sim_source *s);
void sim_rebalance_end(sim_source *s);
void sim_assign(sim_source *s);
bool sim_partition_reachable(const sim_world *w, uint32_t partition);

/* What is told to the outside of an epoch: T5. */
void sim_check_commit(sim_world *w, wr_epoch epoch);

/* --- sink.c --- */

typedef struct sim_entry {
    const char *text, *key; /* key: of a sink that writes by key */
    int64_t     diff;
} sim_entry;
typedef struct sim_log {
    uint32_t *ids; /* of entries */
    uint32_t  count, capacity;
} sim_log;
typedef struct sim_mark {
    wr_epoch  epoch;
    uint32_t  life;
    uint32_t *ids; /* the exact log at the barrier */
    uint32_t  count, raw_count; /* of the exact log, of the raw one */
} sim_mark;
typedef struct sim_group {
    uint32_t first, count; /* entries in flight */
    int64_t  due;
} sim_group;

typedef struct sim_sink {
    sim_world  *world;
    const char *name;
    uint32_t    index;
    sim_entry  *entries; /* everything ever written */
    uint32_t    entry_count, entry_capacity;
    sim_log     raw, exact; /* what the outside has; the same without what a restart repeats */
    sim_mark   *marks;
    uint32_t    mark_count, mark_capacity;
    sim_group  *groups; /* in flight, in order */
    uint32_t    group_head, group_count, group_capacity;
    wr_sink_ctx *ctx;   /* of this life; NULL: closed */
    wr_epoch     flushed; /* newest in this life */
    uint32_t     raw_restored; /* where the raw log stood at the restored barrier: T9 */
    bool         looked_back;  /* of this life: T9 was looked at */
} sim_sink;
extern const wr_sink_ops sim_sink_ops;
#define SIM_EPOCH_END UINT64_MAX /* everything is out, nothing follows */
void sim_sink_life(sim_sink *s, wr_epoch restored, uint32_t life); /* a process begins; restored 0: from nothing */
void sim_sink_die(sim_sink *s);                                    /* the process is gone: some of what was in flight stays */
void sim_sink_wake(sim_sink *s);
void sim_sink_fini(sim_sink *s);

/* --- disk.c: every call of the store on a path below SIM_DISK or a descriptor from there comes here --- */

typedef struct sim_disk sim_disk;
sim_disk *sim_disk_create(sim_world *w);
void      sim_disk_destroy(sim_disk *d);
void      sim_disk_use(sim_disk *d);       /* the one that calls go to; NULL: none */
void      sim_disk_crash(sim_disk *d);     /* what a crash leaves becomes what is there */
sim_disk *sim_disk_after_crash(sim_disk *d); /* the least that a crash now would leave, as a disk of its own */
void      sim_disk_reopen(sim_disk *d);    /* no descriptor is open any more */
bool      sim_disk_rot(sim_disk *d);       /* flip a bit of the newest checkpoint, if there is an older one with its data */
uint64_t  sim_disk_operations(const sim_disk *d);
typedef struct sim_disk_faults {
    uint32_t eio_1024, full_1024, read_eio_1024; /* chance of an operation to fail, of 1,024 */
    uint64_t kill_at; /* the crash comes at this operation; 0: none */
    bool     quiet;   /* neither traced nor failing: a look */
} sim_disk_faults;
sim_disk_faults *sim_disk_set(sim_disk *d);

/* --- scenario.c: what is run --- */

typedef enum sim_class { SIM_IN_TIME, SIM_ONE_LANE_LATE, SIM_LANES_LATE } sim_class;
typedef enum sim_view_kind {
    SIM_FILTER, SIM_TUMBLE, SIM_TUMBLE_CHANGES, SIM_HOP, SIM_GROUP, SIM_TOP, SIM_JOIN, SIM_LEFT_JOIN, SIM_WINDOW_TOP,
    SIM_UNION, SIM_TABLES, SIM_FULL_TABLES, SIM_SESSION, SIM_SESSION_CHANGES, SIM_DEDUP, SIM_DISTINCT, SIM_VIEW_KINDS
} sim_view_kind;
typedef struct sim_view {
    sim_view_kind kind;
    bool          changes; /* rows may be taken back */
    bool          lates;   /* its late rows are a view of their own, NAMEl, with a sink */
    bool          keyed;   /* a third sink writes it by key */
    bool          flagged; /* a view NAMEf on it says of each key whether its sum is large, mostly the same; a sink writes that by key */
    bool          summed;  /* a view NAMEs on it says of each key how many windows it had: it speaks at the end; a sink writes that by key */
    int64_t       a, b, c; /* window, slide, bounds, limits ... */
    char          name[8];
} sim_view;

/* What may go wrong, and how much. */
typedef struct sim_plan {
    int64_t  latency_us, slow_latency_us; /* of a fetch: up to */
    uint32_t duplicate_16;
    uint32_t broker_downs, rebalances, stalls, clock_jumps, source_fails, sink_fails, disk_windows;
    bool     late_assignment;
    int64_t  ack_us;
    uint32_t retry_16;
    uint32_t kills, kills_by_disk;
    bool     rot, other_workers, final_checkpoint;
    bool     again; /* its sources end by themselves, and when all has ended it is run once more, with nothing new */
    int64_t  checkpoint_us, idle_us, ahead_us, step_us;
    uint32_t batch_rows, outbox_slots, ring_batches, rows_a_poll;
} sim_plan;

void sim_scenario_draw(sim_world *w);
/* The pipeline's file, into the world's arena. */
const char *sim_scenario_text(sim_world *w);

/* --- oracle.c: what must come out --- */

typedef struct sim_answer {
    const char **rows; /* sorted */
    uint32_t     count;
} sim_answer;
/* Of a view; late: its late rows instead. */
sim_answer sim_oracle(const sim_world *w, const sim_view *v, bool late, wr_arena *arena);

/* --- check.c: compares; false: the world's `wrong` says what --- */
bool sim_check_sink(sim_world *w, sim_sink *s, const sim_view *v, bool late);
/* T8, beside the sink that has all its changes and has been checked. */
bool sim_check_keyed(sim_world *w, const sim_sink *keyed, const sim_sink *changes, bool flags);
bool sim_check_summed(sim_world *w, const sim_sink *keyed, const sim_sink *windows);

/* --- world.c --- */

typedef enum sim_event_kind {
    SIM_AT_APPEND, SIM_AT_FETCHED, SIM_AT_BROKER_DOWN, SIM_AT_BROKER_UP, SIM_AT_REBALANCE, SIM_AT_REBALANCE_END, SIM_AT_ASSIGN,
    SIM_AT_ACK, SIM_AT_STALL, SIM_AT_STALL_END, SIM_AT_CLOCK_JUMP, SIM_AT_SOURCE_FAILS, SIM_AT_SINK_FAILS, SIM_AT_DISK_WINDOW,
    SIM_AT_DISK_WINDOW_END, SIM_AT_BARRIER, SIM_AT_KILL, SIM_AT_CALM, SIM_AT_END, SIM_AT_OPEN
} sim_event_kind;
typedef struct sim_event {
    int64_t        at;
    uint64_t       order;
    sim_event_kind kind;
    uint32_t       a, b, life; /* life: of a process, it dies with it; 0: of the world */
} sim_event;

typedef struct sim_clock {
    wr_clock clock; /* first */
    int64_t  now, jump;
} sim_clock;

struct sim_world {
    uint64_t   seed;
    wr_random  random;       /* of the scenario and of faults */
    wr_arena   arena;
    sim_clock  clock;
    sim_event *events;       /* a heap */
    uint32_t   event_count, event_capacity;
    uint64_t   event_order;
    uint64_t   hash;         /* of the trace */
    bool       verbose;
    sim_class  class;
    sim_plan   plan;
    sim_view   views[SIM_VIEWS_MAX];
    uint32_t   view_count;
    int64_t    delay_us, jitter_us, span_us, calm_at, end_at;
    uint32_t   keys;
    sim_source sources[SIM_SOURCES_MAX];
    uint32_t   source_count;
    sim_sink   sinks[SIM_SINKS_MAX];
    uint32_t   sink_count;
    sim_disk  *disk;
    uint32_t   sequence_life[1024]; /* which life wrote a checkpoint, by its sequence */
    wr_epoch   checked;             /* newest epoch that T5 was looked at for */
    bool       broker_down[2];
    bool       run_again;       /* that has begun */
    bool       calm, ending;    /* no more faults; sources end where their logs do */
    bool       crashed;         /* the disk took the process down: nothing it does from here on is seen */
    bool       source_fails, sink_fails, stalled;
    const sim_sink *stalled_sink;   /* the one that takes nothing, while others do */
    uint32_t   life, workers, kills_left;
    uint64_t   failures;        /* checkpoints of this life that were not written */
    int64_t    progress_at;     /* when anything moved last */
    weir          *engine;
    weir_pipeline *pipeline;
    wr_source_binding *bindings;
    wr_sink_binding   *sink_bindings;
    wr_runtime        *rt;
    wr_time    watermarks[64];  /* of tasks, newest seen */
    struct {
        wr_epoch epoch;
        uint32_t life;
        wr_time  watermark[SIM_SOURCES_MAX];
    } cuts[64]; /* where sources stood at barriers */
    uint64_t  *seen;            /* SIM_KIND_COUNT counters */
    char       wrong[2000];     /* "": all is well */
};

void sim_saw(sim_world *w, sim_kind kind);
void sim_trace(sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first thing wrong; the run ends soon. */
void sim_wrong(sim_world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
void sim_at(sim_world *w, int64_t at, sim_event_kind kind, uint32_t a, uint32_t b, bool of_process);
void sim_moved(sim_world *w);
static inline int64_t
sim_below(sim_world *w, int64_t bound) /* 0 <= result < bound; bound <= 1: 0 */
{
    return bound <= 1 ? 0 : (int64_t) wr_random_below(&w->random, (uint64_t) bound);
}
static inline bool
sim_chance(sim_world *w, uint32_t of_16)
{
    return wr_random_below(&w->random, 16) < of_16;
}
/* Run a seed; false: w->wrong says what is the matter.  hash: of the trace. */
bool sim_run(uint64_t seed, bool verbose, uint64_t *seen, uint64_t *hash, char wrong[2000]);
