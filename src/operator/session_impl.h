/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session_impl.h -- the insides of the session aggregate, shared by its files.
 *
 *     session.c           open, close, a batch from its arguments to its sessions, the watermark
 *     session_assign.c    which row joins which session; what is late, what merges
 *     session_tree.c      the sessions of a key by time
 *     session_update.c    rows into the states of their sessions; distinct values; merging, leaving
 *     session_emit.c      results as batches; changes; closing
 *     session_snapshot.c  freeze, write, restore
 */
#pragma once

#include "operator/aggregate_impl.h"

/*
 * A key's sessions are rows of one table, under (0, key) the first and under (serial, key) the
 * others; the first row leads to the tree of all.  A row: wr_group, key, this head, the states.
 * wr_group.count is the session's rows, by diff; a first row may stand without a session, and has 0
 * then, while others have one.
 */
typedef struct session_head {
    wr_time  start, last;
    uint64_t serial;   /* its own for ever: distinct values are kept under it  */
    uint32_t flags;    /* session_flag                                         */
    uint32_t spare;
    /* What follows belongs to the place and does not move with a session: */
    wr_time  armed;       /* when its timer rings; WR_TIME_END: none is set    */
    wr_time  min_start;   /* of the tree from here down                        */
    uint32_t first;       /* id of the key's first row                         */
    uint32_t root;        /* first rows: the key's tree                        */
    uint32_t left, right; /* ids + 1, 0: none                                  */
    uint32_t values[]; /* a DISTINCT call: id + 1 of the newest of its values (moves) */
} session_head;
enum session_flag { SESSION_CLOSED = 1 }; /* the watermark has passed its end; kept for late rows */

/* A row of a table of distinct values: its owner's next. */
typedef struct session_value {
    uint32_t next, spare;
} session_value;

typedef struct session_timer {
    wr_time  due;
    uint32_t id, spare;
} session_timer;

/* A session that a step has touched and that shows, or will. */
typedef struct session_touched {
    uint32_t id;     /* UINT32_MAX: merged into another              */
    uint32_t before; /* row of step->before, or AGG_NO_ROW           */
    wr_time  start, last; /* as it came out                          */
} session_touched;

/* Scratch of a batch under way; made by the first one. */
typedef struct session_step {
    bool             begun;
    uint32_t         count, at;     /* rows that take part; the next of them     */
    uint32_t         late_count, created_count;
    wr_row_keys      keys, one_key; /* of rows; of one session                   */
    wr_column      **key_columns;
    uint32_t         part_count;    /* rows of the part at hand                  */
    uint32_t         touched_count;
    bool             before_taken;
    wr_batch        *before;
    /* From here on nothing is cleared. */
    uint16_t         rows[WR_BATCH_ROWS_MAX];
    wr_time          times[WR_BATCH_ROWS_MAX];
    uint32_t         firsts[WR_BATCH_ROWS_MAX];  /* ids of the keys' first rows  */
    uint32_t         created[WR_BATCH_ROWS_MAX];
    uint16_t         late[WR_BATCH_ROWS_MAX];
    uint64_t         prefixes[WR_BATCH_ROWS_MAX];
    uint16_t         part_rows[WR_BATCH_ROWS_MAX]; /* physical                   */
    uint32_t         part_ids[WR_BATCH_ROWS_MAX];  /* their sessions             */
    char            *part_groups[WR_BATCH_ROWS_MAX];
    uint16_t         call_rows[WR_BATCH_ROWS_MAX]; /* those of one call          */
    char            *call_groups[WR_BATCH_ROWS_MAX];
    uint32_t         value_ids[WR_BATCH_ROWS_MAX];
    uint32_t         found[WR_BATCH_ROWS_MAX];     /* sessions that a row joins  */
    session_touched  touched[WR_BATCH_ROWS_MAX];
} session_step;

typedef struct sessions {
    const wr_aggregate_config *config;
    wr_ctx                    *ctx;
    int64_t                    gap, lateness;
    bool                       shows;       /* sessions may come out and change      */
    wr_key_layout              layout;
    uint32_t                   table_key_count;
    uint32_t                  *table_keys;  /* columns of the input                  */
    int32_t                   *key_source;  /* output key -> table key, or a KEY mark */
    agg_calls                  calls;
    uint32_t                   distinct_count;
    size_t                     head_offset, head_bytes;
    wr_group_table             table;
    wr_group_table            *values;      /* one a DISTINCT call                   */
    uint64_t                   serial;      /* the newest given                      */
    wr_time                    closed;      /* sessions that end by then have closed */
    bool                       restored;
    session_timer             *timers;      /* a heap, the soonest first             */
    uint32_t                   timer_count, timer_capacity;
    session_step              *step;
    wr_batch                  *pending[8];
    uint32_t                   pending_count;
} sessions;

static inline session_head *
wr_session_head(const sessions *s, const wr_group *g)
{
    return (session_head *) ((char *) g + s->head_offset);
}
static inline wr_time
wr_session_end(const sessions *s, const session_head *h)
{
    return h->last + s->gap; /* wr_window_can_hold: no overflow */
}
/* The row for writing. */
static inline weir_status
wr_session_own(sessions *s, uint32_t id, wr_group **g)
{
    WR_TRY(wr_group_table_own(&s->table, &id, 1));
    *g = wr_group_table_row(&s->table, id);
    return WEIR_OK;
}

/* --- session.c --- */
/* The last moment that the watermark has passed: C1, the watermark itself may still belong to a session. */
wr_time     wr_session_effective(const sessions *s, wr_time watermark);
weir_status wr_session_step_create(sessions *s);
void        wr_session_count_state(sessions *s);

/* --- session_assign.c --- */
/* Give rows from step->at on to sessions, up to the next one that merges some. */
weir_status wr_session_assign(sessions *s, const wr_batch *in);
/* A session [start, last] without rows, in an empty first row or in a row of its own (its key:
 * step->one_key). */
weir_status
wr_session_place(sessions *s, uint32_t first, wr_time start, wr_time last, uint32_t *id);

/* --- session_tree.c --- */
typedef bool (*wr_session_wanted)(const sessions *s, const session_head *h, wr_time w);
weir_status wr_session_tree_insert(sessions *s, uint32_t id);
weir_status wr_session_tree_remove(sessions *s, uint32_t id);
/* Is the session its key's only one? */
bool        wr_session_tree_single(const sessions *s, uint32_t id);
/* Sessions with start <= high and last >= low that are wanted, by last, into found; as many as a
 * batch has rows at most. */
uint32_t wr_session_tree_find(const sessions *s, uint32_t first, wr_time low, wr_time high,
                              wr_session_wanted wanted, wr_time w, uint32_t *found);

/* --- session_update.c --- */
/* The part's rows into their sessions' states. */
weir_status wr_session_update(sessions *s, const wr_batch *in);
/* into takes what `from` has. */
weir_status wr_session_merge(sessions *s, uint32_t into, uint32_t from);
/* Two sessions of a key, outside its tree, change places. */
weir_status wr_session_swap(sessions *s, uint32_t a, uint32_t b);
/* The session leaves its tree and its row. */
weir_status wr_session_remove(sessions *s, uint32_t id);
/* The row of a session outside the tree becomes free. */
weir_status wr_session_free(sessions *s, uint32_t id);
/* Drop a first row when its key has no session. */
weir_status wr_session_remove_empty(sessions *s, uint32_t id);
weir_status wr_session_compact(sessions *s);

/* --- session_emit.c --- */
bool        wr_session_drain(sessions *s);
/* Note a session that is about to change. */
weir_status wr_session_touch(sessions *s, uint32_t id);
/* What the touched sessions showed; before any state is written. */
wr_flow     wr_session_before_take(sessions *s);
/* Changes of the touched sessions into pending; the part is over. */
wr_flow     wr_session_after_emit(sessions *s);
weir_status wr_session_arm(sessions *s, uint32_t id);
wr_flow     wr_session_close_until(sessions *s, wr_time watermark);

/* --- session_snapshot.c --- */
weir_status wr_session_freeze(void *self, wr_epoch epoch, wr_frozen **out);
weir_status wr_session_write(const wr_frozen *f, wr_snapshot_writer *to);
void        wr_session_thaw(wr_frozen *f);
weir_status wr_session_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
