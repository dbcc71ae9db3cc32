/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_impl.h -- the insides of the join, shared by its files.
 *
 *     join.c           open, close, the order of things in process and advance
 *     join_probe.c     a batch against the other side: candidates in the order of its rows
 *     join_walk.c      the same for many rows at once
 *     join_emit.c      pairs and lone rows as batches
 *     join_store.c     a batch's rows into their own side
 *     join_snapshot.c  freeze, write, restore
 */
#pragma once

#include "operator/event_time.h"
#include "operator/join.h"
#include "state/join_side.h"

enum { JOIN_HEADS_MAX = 1 << 18 };

/* A batch under way.  Its rows are numbered from 0; arrays are by that number. */
typedef struct join_step {
    bool        begun;
    int         port;
    uint32_t    count;
    uint32_t    heads_from, heads_to; /* rows whose heads are known                         */
    uint32_t    slots;                /* heads a row                                        */
    uint32_t   *heads;
    uint32_t    heads_capacity;
    uint32_t    row, slot, next;      /* the next candidate: row, bucket of it, stored row  */
    bool        within;               /* next stands in a chain                             */
    bool        passes;               /* all that its rows could meet is there: none is kept */
    bool        awaited;              /* rows from `unsure` on come out alone unless their candidates match */
    uint32_t    unsure;
    uint32_t    pairs;
    uint32_t    walked_rows, walked_pairs; /* of the group of rows before                     */
    bool        inexact;              /* lows do not tell who has left: untils must be asked  */
    wr_row_keys keys;
    wr_column **key_columns;

    /* From here on nothing is cleared. */
    uint16_t    rows[WR_BATCH_ROWS_MAX];   /* physical                                       */
    bool        single[WR_BATCH_ROWS_MAX]; /* NULL key or time, or late: can have no partner */
    bool        late[WR_BATCH_ROWS_MAX];   /* partners may have been, and none is any more    */
    wr_time     times[WR_BATCH_ROWS_MAX];  /* what decides buckets and the bound             */
    wr_time     untils[WR_BATCH_ROWS_MAX];
    wr_time     judges[WR_BATCH_ROWS_MAX]; /* the watermark that judges the row              */
    wr_time     lows[WR_BATCH_ROWS_MAX];   /* partners lie within, and those before have left */
    wr_time     highs[WR_BATCH_ROWS_MAX];
    uint32_t    first[WR_BATCH_ROWS_MAX];  /* position of the first bucket to look into      */
    uint16_t    spans[WR_BATCH_ROWS_MAX];  /* how many                                       */
    uint8_t     matched[WR_BATCH_ROWS_MAX];
    uint16_t    pair_of[WR_BATCH_ROWS_MAX]; /* candidates: our row's number ...              */
    wr_join_row pair_with[WR_BATCH_ROWS_MAX]; /* ... and the stored row; no block: none      */
} join_step;

typedef struct join {
    const wr_join_config *config;
    wr_ctx               *ctx;
    wr_key_layout         layout;
    const uint32_t       *keys[2];
    const wr_schema      *schemas[2];
    bool                  outer[2];  /* unmatched rows of the side come out                     */
    bool                  half;      /* semi, anti: left's columns alone                        */
    bool                  stays[2];  /* no row leaves before the end                            */
    bool                  shifts[2]; /* a row's until is its time and a constant, but for infinities */
    int64_t               shift[2];
    wr_join_side          sides[2];
    join_step            *step;
} join;

/* J7: are all rows there that those of the port can meet? */
static inline bool
join_partners_are_there(const join *j, int port)
{
    return j->config->ends == 2u - (uint32_t) port && j->ctx->port_watermark[1 - port] == WR_TIME_END;
}

/* --- join.c --- */
/* The layout of the join's keys, by the left side's types.  WEIR_MEMORY. */
weir_status wr_join_key_layout(wr_key_layout *layout, wr_budget *budget, const wr_schema *left,
                               const uint32_t *keys, uint32_t count);
/* --- join_probe.c --- */
/* a + b, kept within the infinities; START and END stay. */
wr_time     wr_join_time_add(wr_time a, int64_t b);
/* When a row of `port` with time t, met by watermark w, leaves. */
wr_time     wr_join_until(const wr_join_config *c, int port, wr_time t, wr_time w);
/* The constant, where there is one. */
bool        wr_join_until_shift(const wr_join_config *c, int port, int64_t *shift);
/* When a stored row leaves. */
static inline wr_time
wr_join_stored_until(const join *j, int port, const wr_join_block *block, uint32_t row)
{
    if (block->untils != NULL)
        return block->untils[row];
    return wr_join_until(j->config, port, wr_join_block_meta(&j->sides[port], block, row)->time,
                         WR_TIME_START);
}
weir_status wr_join_begin(join *j, int port, const wr_batch *in);
/* Up to 4,096 candidates into the step's pairs; there are no more when row == count and none
 * came. */
weir_status wr_join_candidates(join *j);
/* May a partner of row number i still come? */
static inline bool
join_row_lasts(const join_step *s, uint32_t i)
{
    return !s->passes && !s->single[i] && s->judges[i] <= s->untils[i];
}

/* --- join_walk.c --- */
/* As many of the step's next rows as can be taken together; their heads are known. */
weir_status wr_join_walk(join *j);

/* --- join_emit.c --- */
/* The step's candidates: who matches, and what comes out. */
wr_flow     wr_join_emit_pairs(join *j, const wr_batch *in);
/* Stored rows that leave without partner. */
wr_flow     wr_join_emit_left(join *j, int port, const wr_join_row *rows, uint32_t count);

/* --- join_store.c --- */
/* The batch's rows into their own side, those that last. */
weir_status wr_join_store(join *j, const wr_batch *in);

/* --- join_snapshot.c --- */
weir_status wr_join_freeze(void *self, wr_epoch epoch, wr_frozen **out);
weir_status wr_join_write(const wr_frozen *f, wr_snapshot_writer *to);
void        wr_join_thaw(wr_frozen *f);
weir_status wr_join_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from);
void        wr_join_count_state(join *j);
