/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/asof_join_impl.h -- the insides of the as-of join, shared by its files.
 *
 *     asof_join.c           open, close, process, advance
 *     asof_join_upserts.c   right rows that replace each other
 *     asof_join_snapshot.c  freeze, write, restore
 */
#pragma once

#include "operator/asof_join.h"
#include "operator/event_time.h"
#include "operator/join_impl.h"
#include "state/change_side.h"
#include "state/versions.h"

/* What is made anew for each step; too big for the stack. */
typedef struct asof_step {
    wr_row_keys keys;
    wr_column **key_columns;
    uint32_t    taken, at; /* left rows under way, and the next of them to come out */
    int64_t     repeats;   /* how often that one has come out already               */
    uint16_t    rows[WR_BATCH_ROWS_MAX], lone[WR_BATCH_ROWS_MAX];
    uint32_t    ids[WR_BATCH_ROWS_MAX], partners[WR_BATCH_ROWS_MAX];
    uint16_t    which[WR_BATCH_ROWS_MAX];
    wr_time     times[WR_BATCH_ROWS_MAX], judges[WR_BATCH_ROWS_MAX];
    char       *pointers[WR_BATCH_ROWS_MAX];
} asof_step;

typedef struct asof_join {
    const wr_asof_join_config *config;
    wr_ctx                    *ctx;
    wr_key_layout              layout;
    const uint32_t            *keys[2];
    const wr_schema           *schemas[2]; /* of the rows that are kept; upserts: see there */
    bool                       waits; /* for the end */
    wr_schema                  marked;   /* upserts: right, and a mark that tells its rows apart */
    wr_change_side             sides[2]; /* the rows; chains are not used */
    wr_versions                versions; /* of the right side */
    uint64_t                   sequence; /* of the next right row */
    asof_step                 *step;
} asof_join;

weir_status wr_asof_step_create(asof_join *j);
/* Has the physical row of a batch of `port` a key and a time? */
bool        wr_asof_can_match(const asof_join *j, const wr_batch *in, int port, uint32_t row);
void        wr_asof_count_state(asof_join *j);
wr_time     wr_asof_plus(wr_time t, int64_t by); /* saturates; the ends of time stay */
/* Right rows behind it come late: left rows before this moment are known as of watermark w. */
wr_time     wr_asof_known_until(const asof_join *j, wr_time w);
/* Does a right row of that time come late, where left rows are known until `known`? */
bool        wr_asof_is_late(const asof_join *j, wr_time time, wr_time known);
wr_time     wr_asof_judge_of(const asof_join *j, int port, const wr_batch *in, uint32_t row);

/* --- asof_join_upserts.c --- */
weir_status wr_asof_upserts_init(asof_join *j);
void        wr_asof_upserts_fini(asof_join *j);
/* Rows of the right side; what does not count is counted. */
weir_status wr_asof_upserts_take(asof_join *j, const wr_batch *in);
/* Restored right rows, which the step's ids name, are versions again. */
weir_status wr_asof_upserts_restore(asof_join *j, const wr_batch *b);

/* --- asof_join_snapshot.c --- */
weir_status wr_asof_freeze(void *self, wr_epoch epoch, wr_frozen **out);
weir_status wr_asof_write(const wr_frozen *f, wr_snapshot_writer *to);
void        wr_asof_thaw(wr_frozen *f);
weir_status wr_asof_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
