/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_impl.h -- the insides of the over operator, shared by its files.
 *
 *     over.c           rows kept, partitions that end, batches out, snapshots
 *     over_compute.c   one call over all rows: sorting, partitions, ranks, lag, values
 *     over_frame.c     which rows a row's frame holds
 *     over_aggregate.c an aggregate over each row's frame
 *     over_calc.c      the same for operators that keep their rows otherwise
 */
#pragma once

#include "operator/over.h"

typedef struct over_row {
    uint32_t  batch, row; /* physical */
    uint32_t  index;      /* in order of arrival among the rows at work */
    wr_value *keys;       /* of the call at work: partition, then order */
} over_row;

/* The rows being answered. */
typedef struct over_work {
    wr_arena   arena;
    uint32_t   count;
    over_row  *rows;    /* by arrival               */
    wr_value **results; /* [call][arrival]          */
    uint32_t   emitted;
} over_work;

typedef struct over_state {
    const wr_over_config *config;
    wr_ctx               *ctx;
    wr_batch            **batches;
    uint32_t              count, capacity;
    uint64_t              rows;
    wr_time               time_min;  /* of the rows kept; time_column only */
    wr_time               closed;    /* partitions before it have been answered */
    bool                  working;
    over_work             work;
} over_state;

/* One partition of the call at work, sorted. */
typedef struct over_partition {
    over_state         *over;
    const wr_over_spec *spec;
    wr_value           *results;   /* by arrival                                   */
    over_row          **rows;      /* in order                                     */
    uint32_t            count;
    uint32_t           *group;     /* number of the row's peer group               */
    uint32_t           *group_start; /* first row of each group; one more at the end */
    uint32_t            group_count;
    wr_column        ***args;      /* [batch][arg], [arg_count] is the filter      */
} over_partition;

/* Rows [start, end) but those that are excluded. */
typedef struct over_frame {
    uint32_t start, end;
    uint32_t hole_start, hole_end; /* excluded, within [start, end]                */
    uint32_t kept;                 /* in the hole but kept (TIES: the row itself); UINT32_MAX: none */
} over_frame;

/* over_compute.c */
weir_status wr_over_compute(over_state *o);
/* The argument at a row; arg arg_count is the filter. */
weir_status wr_over_arg(const over_partition *p, uint32_t position, uint32_t arg, wr_value *out);
/* over_frame.c */
weir_status wr_over_frame_of(const over_partition *p, uint32_t position, over_frame *frame);
static inline bool
over_frame_has(const over_frame *f, uint32_t i)
{
    return i >= f->start && i < f->end && (i < f->hole_start || i >= f->hole_end || i == f->kept);
}
/* over_aggregate.c */
weir_status wr_over_aggregate(over_partition *p);
