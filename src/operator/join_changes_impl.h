/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_impl.h -- the insides of the join over changing inputs, shared by its files.
 *
 *     join_changes.c           open, close, process, advance; a batch from begin to end
 *     join_changes_walk.c      candidates
 *     join_changes_match.c     who matches, what that changes
 *     join_changes_emit.c      changes as batches
 *     join_changes_straight.c  pairs that come out as they are found
 *     join_changes_store.c     the rows' diffs into their own side
 *     join_lookup.c            rows that only pass
 *     join_changes_snapshot.c  freeze, write, restore
 */
#pragma once

#include "operator/join_impl.h"
#include "state/change_side.h"

/* A change of the output: rows by id, NONE for NULLs, and their diff. */
typedef struct changes_out {
    uint32_t own, other;
    int64_t  diff;
    wr_time  judge;
    uint64_t at; /* in the order they were made */
} changes_out;

enum {
    CHANGES_PAIRS_MAX = WR_BATCH_ROWS_MAX,
    CHANGES_GROUP_ROWS = 256, /* rows that are walked together */
};

typedef enum changes_phase {
    CHANGES_IDLE,
    CHANGES_MATCH, /* rows meet the other side, those taken back first */
    CHANGES_BACK,  /* rows of the other side that lost their last partner */
    CHANGES_STORE,
    CHANGES_PASS,  /* join_lookup.c */
} changes_phase;

/* A batch under way: its rows count as one moment.  With a ttl, a run of them between which nothing is
 * forgotten. */
typedef struct changes_step {
    changes_phase phase;
    int           port;
    wr_time       judge;     /* of the batch's last row                */
    bool          one_judge; /* of all its rows                        */
    bool          straight;  /* join_changes_straight.c                */
    uint32_t      from;      /* the batch's first row not yet taken    */
    uint32_t      count;     /* distinct rows with a change ...        */
    uint32_t      back_count; /* ... of which the first so many are taken back */
    uint32_t      touched;   /* distinct rows, those without one last  */
    uint32_t      row, next; /* the next candidate: row, stored row    */
    bool          within;    /* next stands in a chain                 */
    bool          matched;   /* a row that passes has found one        */
    uint32_t      settled;   /* rows whose partners are all known      */
    uint32_t      pairs;
    uint32_t      walked_rows, walked_pairs; /* of the rows walked together before */
    changes_out  *out;
    uint32_t      out_count, out_sent, out_capacity;
    uint64_t      out_made;
    uint32_t      lost_count, lost_capacity, lost_at;
    uint32_t     *lost;      /* ids of the other side                  */
    wr_row_keys   keys;      /* join keys of the batch's rows          */
    wr_column   **key_columns;
    const wr_batch *passing; /* lookup: the left's batch, which is not kept: its rows' ids are their places in it */

    /* From here on nothing is cleared. */
    uint16_t    rows[WR_BATCH_ROWS_MAX];   /* physical                             */
    uint32_t    found[WR_BATCH_ROWS_MAX];  /* their ids                             */
    /* of distinct rows: */
    uint32_t    ids[WR_BATCH_ROWS_MAX];
    int64_t     deltas[WR_BATCH_ROWS_MAX];
    int64_t     partners[WR_BATCH_ROWS_MAX];
    wr_time     judges[WR_BATCH_ROWS_MAX], times[WR_BATCH_ROWS_MAX];
    uint16_t    which[WR_BATCH_ROWS_MAX];  /* index into rows and keys              */
    uint32_t    heads[WR_BATCH_ROWS_MAX];  /* NONE for those that are single         */
    bool        single[WR_BATCH_ROWS_MAX]; /* NULL key or time: can have no partner */
    uint16_t    order[WR_BATCH_ROWS_MAX];  /* taken back first                      */
    /* of candidates: */
    uint16_t    pair_of[CHANGES_PAIRS_MAX + CHANGES_GROUP_ROWS];
    uint32_t    pair_with[CHANGES_PAIRS_MAX + CHANGES_GROUP_ROWS];
    /* scratch */
    uint32_t    own_ids[WR_BATCH_ROWS_MAX], other_ids[WR_BATCH_ROWS_MAX];
    char       *pointers[WR_BATCH_ROWS_MAX];
} changes_step;

typedef struct join_changes {
    const wr_join_config *config;
    wr_ctx               *ctx;
    wr_key_layout         layout;
    const uint32_t       *keys[2];
    const wr_schema      *schemas[2];
    bool                  outer[2];  /* unmatched rows of the side come out    */
    bool                  counts[2]; /* the side's rows know how many partners */
    bool                  half;      /* semi, anti: left's columns alone       */
    wr_change_side        sides[2];
    uint64_t             *reads;     /* columns the residual reads: a bitmap   */
    changes_step         *step;
} join_changes;

/* a + b, kept within the range. */
static inline int64_t
changes_add(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return a < 0 ? INT64_MIN : INT64_MAX;
    return sum;
}

/* a * b, likewise. */
static inline int64_t
wr_changes_product(int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    return product;
}

/* --- join_changes.c --- */
/* When a row of time t that met `judge` is forgotten. */
wr_time wr_changes_until(const join_changes *j, int port, wr_time t, wr_time judge);

/* --- join_changes_walk.c --- */
/* Up to CHANGES_PAIRS_MAX candidates into the step's pairs; all have come when row == count. */
void wr_changes_collect(join_changes *j);

/* --- join_changes_match.c --- */
/* A round of candidates: who matches, what comes out.  FAIL, or NEXT. */
wr_flow wr_changes_match(join_changes *j);
/* Some rows of the other side that have no partner any more. */
wr_flow wr_changes_bring_back(join_changes *j);

/* --- join_changes_emit.c --- */
weir_status wr_changes_push(join_changes *j, uint32_t own, uint32_t other, int64_t diff,
                            wr_time judge);
/* Up to a batch of what is to come out; there is room. */
wr_flow   wr_changes_emit(join_changes *j);
/* The step's candidates as a batch of both sides' columns, of those alone that the residual reads.
 * NULL: no memory. */
wr_batch *wr_changes_candidates(join_changes *j);

/* Diffs (NULL: all 1) and the step's watermark, where the task does not stand there yet, on a batch made. */
weir_status wr_changes_stamp(join_changes *j, wr_batch *out, const int64_t *diffs);
/* Side p's columns of a batch's physical rows[0..count): as they are where those are all of them. */
weir_status wr_changes_put_batch(join_changes *j, int p, const wr_batch *in, const uint16_t *rows,
                                 uint32_t count, wr_column **out);

/* --- join_changes_store.c --- */
/* The run's rows into their chains and out of them. */
weir_status wr_changes_store(join_changes *j);

/* --- join_changes_straight.c --- */
/* May the run that has begun go this way? */
bool    wr_changes_go_straight(const join_changes *j);
/* Up to a batch of pairs; there is room.  All are out when the step's row is its count. */
wr_flow wr_changes_straight(join_changes *j, const wr_batch *in);

/* --- join_lookup.c --- */
/* May the batch, of the left, go the short way? */
bool        wr_changes_may_pass(const join_changes *j, const wr_batch *in);
weir_status wr_changes_pass_begin(join_changes *j, const wr_batch *in);
/* Up to a batch of pairs; there is room.  All are out when the step's row is its count. */
wr_flow     wr_changes_pass(join_changes *j, const wr_batch *in);

/* --- join_changes_snapshot.c --- */
weir_status wr_changes_freeze(void *self, wr_epoch epoch, wr_frozen **out);
weir_status wr_changes_write(const wr_frozen *f, wr_snapshot_writer *to);
void        wr_changes_thaw(wr_frozen *f);
weir_status wr_changes_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
void        wr_changes_count_state(join_changes *j);
