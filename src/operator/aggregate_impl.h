/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_impl.h -- the insides of the aggregate operator, shared by its files and
 * session.c.
 *
 *     aggregate.c           open, close, finish; a batch from its arguments to its panes
 *     aggregate_assign.c    which row goes into which pane; what is late
 *     aggregate_update.c    rows of one pane into its groups; retractions, FILTER, idle groups
 *     aggregate_distinct.c  the sets of distinct values
 *     aggregate_emit.c      results as batches; changes; closing
 *     aggregate_merge.c     windows made of panes
 *     aggregate_snapshot.c  freeze, write, restore
 */
#pragma once

#include "operator/aggregate.h"
#include "operator/event_time.h"
#include "state/pane_ring.h"

typedef enum agg_mode {
    AGG_WHOLE,     /* one table from beginning to end                            */
    AGG_BY_TIME,   /* a pane for each value of the time key                      */
    AGG_BY_WINDOW, /* a pane for each window; a row is in one or several         */
    AGG_BY_PANE,   /* panes narrower than windows; windows merge theirs at close */
} agg_mode;

enum { AGG_SHARERS_MAX = 8 };

struct agg_call;

/* A DISTINCT call's values; unless in sessions, those of all calls with its arguments, if it leads them
 * (aggregate_distinct.c). */
typedef struct agg_distinct {
    wr_key_layout    values; /* group id, arguments                       */
    wr_row_keys      keys;
    bool             compact; /* they are one of a pane's value sets       */
    uint32_t         sharer_count; /* itself the first                     */
    struct agg_call *sharers[AGG_SHARERS_MAX];
} agg_distinct;

/* Thousands of views have one each, or several: what few calls need is elsewhere. */
typedef struct agg_call {
    const wr_agg_call *spec;
    wr_type           *arg_types;
    size_t             offset;   /* of the state in a row                        */
    wr_agg_ctx         ctx;      /* arena: of the pane at hand                   */
    agg_distinct      *distinct; /* NULL: it takes every row                     */
    struct agg_call   *set;      /* DISTINCT: the leader, unless in sessions     */
    uint32_t           table;    /* DISTINCT: which of the pane's tables; else 0 */
    uint32_t           place;    /* among those that share the set               */
    bool               implied;  /* its state is the group's count               */
    /* Of the batch at hand: */
    bool               narrowed; /* only rows in pass take part                  */
    wr_column        **args;
    uint64_t          *pass;     /* by physical row                              */
} agg_call;

/* The groups of an aggregate: what session.c shares with aggregate.c. */
typedef struct agg_calls {
    wr_ctx       *ctx;
    uint32_t      count;
    agg_call     *calls;      /* behind them what they point to, all of it  */
    size_t        user_offset, user_bytes; /* of all states                 */
    bool          nested;     /* some state keeps memory in the arena       */
    bool          distinct;
    bool          mergeable;
    bool          invertible; /* all can be unmerged                      */
} agg_calls;

enum { AGG_ASSIGNED_MAX = 65536 };

/* Scratch of a batch under way; made by the first one. */
typedef struct agg_step {
    bool        begun;
    bool        reversed;             /* some diff is negative                           */
    bool        dense;                /* rows[i] == i                                    */
    bool        single;               /* touched[0] takes rows [at, count)               */
    uint32_t    count;                /* rows that take part                             */
    uint32_t    at;                   /* the next of them to be assigned                 */
    uint32_t    late_count;
    wr_time     time_min, time_max;
    wr_row_keys keys;                 /* of rows, unless words is not NULL               */
    const uint64_t *words;            /* of rows: the one key's values                   */
    uint32_t    identity;             /* rows[i] == i for so many                        */
    wr_column **key_columns;
    uint32_t    assigned, assigned_capacity;
    uint16_t   *assigned_row;         /* index into rows                                 */
    uint32_t   *assigned_next;        /* the next assignment of the same pane; 0: none   */
    wr_pane   **touched;
    uint32_t    touched_count, touched_next, touched_capacity;
    uint32_t    dirty_count;

    /* From here on nothing is cleared. */
    uint16_t rows[WR_BATCH_ROWS_MAX]; /* physical, ascending                             */
    uint64_t word_room[WR_BATCH_ROWS_MAX];
    wr_time  times[WR_BATCH_ROWS_MAX]; /* of rows[i]; windows and time keys only         */
    uint16_t late[WR_BATCH_ROWS_MAX];
    /* Of the pane at hand: */
    uint16_t which[WR_BATCH_ROWS_MAX]; /* index into rows                                */
    uint32_t ids[WR_BATCH_ROWS_MAX];
    uint32_t created[WR_BATCH_ROWS_MAX];
    char    *groups[WR_BATCH_ROWS_MAX];
    uint32_t dirty[WR_BATCH_ROWS_MAX];     /* ids of groups whose results change         */
    uint16_t part_rows[WR_BATCH_ROWS_MAX]; /* physical rows of the pane                  */
    uint16_t plus_rows[WR_BATCH_ROWS_MAX]; /* rows of one call, narrowed, by sign        */
    char    *plus_groups[WR_BATCH_ROWS_MAX];
    uint16_t minus_rows[WR_BATCH_ROWS_MAX];
    char    *minus_groups[WR_BATCH_ROWS_MAX];
    /* DISTINCT, of the rows that some call of the set lets pass: */
    uint16_t set_rows[WR_BATCH_ROWS_MAX];
    char    *set_groups[WR_BATCH_ROWS_MAX];
    uint64_t prefixes[WR_BATCH_ROWS_MAX];  /* the groups' ids                            */
    uint32_t value_ids[WR_BATCH_ROWS_MAX];
    char    *values[WR_BATCH_ROWS_MAX];
    uint8_t  passes[WR_BATCH_ROWS_MAX];    /* a bit a sharer                             */
    uint8_t  gained[WR_BATCH_ROWS_MAX], lost[WR_BATCH_ROWS_MAX];
} agg_step;

typedef struct aggregate {
    const wr_aggregate_config *config;
    wr_ctx                    *ctx;
    agg_mode                   mode;
    int64_t                    lateness;
    int64_t                    pane_width;
    wr_key_layout              layout;
    uint32_t                   table_key_count;
    uint32_t                  *table_keys;   /* columns of the input                     */
    int32_t                   *key_source;   /* output key -> table key, or a KEY_* mark */
    agg_calls                  calls;
    wr_pane_table             *tables;       /* of a pane: the groups, then the DISTINCT sets */
    uint32_t                   table_count;
    wr_pane_ring               ring;
    wr_time                    closed;       /* windows that end by then have been closed */
    wr_time                    swept;        /* ttl: watermark of the last sweep          */
    size_t touched_at; /* ttl: where a group keeps the watermark its last row met */
    agg_step                  *step;
    wr_pane                   *merged;       /* a window under way, made of panes         */
    wr_pane                   *sliding;      /* the panes marked `slid`, merged           */
    bool                       slides;       /* every call can take panes out again       */
    bool                       stale;        /* a pane has changed since it was merged    */
    uint32_t                   emit_next;    /* id of the next group to come out          */
    bool                       finished;     /* the row of no rows has been made          */
    bool                       restored;     /* closed is the least of the snapshots'     */
    wr_batch                  *pending[8];   /* made, but not yet taken                   */
    uint32_t                   pending_count;
} aggregate;

/* Marks in key_source beside WR_KEY_WINDOW_START and _END. */
enum { KEY_TIME = -3 };

/* --- calls (aggregate_calls.c) --- */
/* implies: a group's count is the number of its rows, so that count(*) needs no state. */
weir_status wr_agg_calls_open(agg_calls *calls, wr_ctx *ctx, const wr_agg_call *specs,
                              uint32_t count, size_t user_offset, bool implies, weir_error *err);
void        wr_agg_calls_close(agg_calls *calls);
/* Arguments and filters over the rows of a batch; failed rows leave rows[0..*count).  False:
 * failed. */
bool wr_agg_calls_begin(agg_calls *calls, const wr_batch *in, uint16_t *rows, uint32_t *count);
void        wr_agg_calls_end(agg_calls *calls);
/* Set the arena all states of a table use. */
bool        wr_agg_calls_enter(agg_calls *calls, wr_group_table *table);
/* A new group's states. */
void        wr_agg_calls_init(agg_calls *calls, wr_group *group);
/* into += from (both laid out alike); created: into is zeroed still. */
void wr_agg_calls_merge(agg_calls *calls, wr_group *into, const wr_group *from, bool created);
/* into -= from, for calls that all can. */
void        wr_agg_calls_unmerge(agg_calls *calls, wr_group *into, const wr_group *from);
bool        wr_agg_calls_failed(const agg_calls *calls);
void wr_agg_calls_encode(const agg_calls *calls, const wr_group *group, wr_snapshot_writer *to);
weir_status wr_agg_calls_decode(agg_calls *calls, wr_group *group, wr_snapshot_reader *from);

/* --- aggregate_assign.c --- */
/* Event times or time keys of the step's rows; rows without one leave it. */
void        wr_agg_times_read(aggregate *a, const wr_batch *in);
/* Give rows from step->at on to panes, as many as are taken at a time. */
weir_status wr_agg_assign(aggregate *a, const wr_batch *in);
wr_time     wr_agg_effective(const aggregate *a, wr_time watermark);

/* --- aggregate_update.c --- */
/* The step's rows of pane into its groups; their changes into pending where the pane shows
 * changes. */
wr_flow     wr_agg_update_pane(aggregate *a, const wr_batch *in, wr_pane *pane);
/* ttl: the watermark that a group's last row met. */
static inline wr_time *
agg_touched(const aggregate *a, const wr_group *g)
{
    wr_assert(a->touched_at > 0);
    return (wr_time *) ((char *) g + a->touched_at);
}
/* Has the group been idle for longer than ttl at this watermark? */
bool        wr_agg_is_idle(const aggregate *a, const wr_group *g, wr_time watermark);
/* Drop groups idle for longer than ttl. */
weir_status wr_agg_sweep(aggregate *a, wr_time watermark);

wr_flow     wr_agg_refuse_retract(aggregate *a, const agg_call *call);
static inline uint32_t
agg_row(wr_rows rows, uint32_t i)
{
    return rows.rows != NULL ? rows.rows[i] : i;
}

/* --- aggregate_distinct.c --- */
/* Give each DISTINCT call its set, each set its table (room for one a call). */
weir_status wr_agg_sets_open(aggregate *a, weir_error *err);
/* Rows into the set, and what that changes into all calls that share it. */
wr_flow     wr_agg_set_update(aggregate *a, agg_call *set, const wr_batch *in, wr_pane *pane,
                              wr_rows rows, char *const *groups);
/* Distinct values of group `id`, or (UINT32_MAX) of groups that are dead, go. */
weir_status wr_agg_values_forget(aggregate *a, wr_pane *pane, uint32_t id);
/* How many rows with the value the call has let pass; and where that stands in the value's row. */
static inline size_t
agg_value_count_at(const agg_call *call)
{
    return call->place == 0 ? offsetof(wr_group, count)
                            : wr_group_user_offset(&call->set->distinct->values) +
                                  (call->place - 1) * sizeof(int64_t);
}
static inline int64_t
agg_value_count(const agg_call *call, const wr_group *value)
{
    return *(const int64_t *) (const void *) ((const char *) value + agg_value_count_at(call));
}

/* --- aggregate_emit.c --- */
/* What the dirty groups of a step showed before it: the first rows of batches that their changes will fill.  A part
 * is as many groups as one batch holds twice. */
enum { AGG_PARTS = 2, AGG_NO_ROW = UINT16_MAX };
typedef struct agg_before {
    wr_batch *batches[AGG_PARTS]; /* NULL: handed on                                     */
    uint32_t  shown[AGG_PARTS];   /* rows that show what was                             */
    uint16_t *of;                 /* row of dirty[i] in the batch of its part, or AGG_NO_ROW */
} agg_before;
wr_flow     wr_agg_before_take(aggregate *a, wr_pane *pane, agg_before *before);
void        wr_agg_before_release(agg_before *before);
/* What they show now, against before, as changes into pending; marks of the step are cleared. */
wr_flow     wr_agg_after_emit(aggregate *a, wr_pane *pane, agg_before *before);
/* Hand pending batches on; false while there is no room. */
bool        wr_agg_drain(aggregate *a);
/* All groups of pane, from emit_next on.  AGAIN: no room. */
wr_flow     wr_agg_emit_pane(aggregate *a, wr_pane *pane);
/* Close what the watermark has passed.  AGAIN: no room. */
wr_flow     wr_agg_close_until(aggregate *a, wr_time watermark);
void        wr_agg_count_state(aggregate *a);

/* --- aggregate_merge.c --- */
/* The window that ends at `end`, out of its panes, as a->merged. */
weir_status wr_agg_merge_window(aggregate *a, wr_time end);
/* The end of the next window that has not closed; WR_TIME_END: there is none. */
wr_time     wr_agg_next_end(const aggregate *a);
/* The window under way has come out. */
void        wr_agg_merge_done(aggregate *a);
/* Drop panes that no later window sees. */
weir_status wr_agg_drop_passed(aggregate *a);
/* Forget the sliding window; it is made anew when needed. */
void        wr_agg_sliding_drop(aggregate *a);

/* --- aggregate_snapshot.c --- */
weir_status wr_agg_freeze(void *self, wr_epoch epoch, wr_frozen **out);
weir_status wr_agg_write(const wr_frozen *f, wr_snapshot_writer *to);
void        wr_agg_thaw(wr_frozen *f);
weir_status wr_agg_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
