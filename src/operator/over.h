/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over.h -- window functions, f(x) OVER (PARTITION BY ... ORDER BY ...) (see over.c).
 *
 * Bounded input: rows are kept and answered at the end.  With a time column among the partition
 * columns (`time_column`) a partition is answered when the watermark has passed its time.
 * Output columns: the input's, then one a call.
 */
#pragma once

#include "expr/aggregate.h"
#include "operator/operator.h"
#include "operator/sort.h"

typedef enum wr_over_function {
    WR_OVER_AGGREGATE,
    WR_OVER_ROW_NUMBER,
    WR_OVER_RANK,
    WR_OVER_DENSE_RANK,
    WR_OVER_PERCENT_RANK,
    WR_OVER_CUME_DIST,
    WR_OVER_NTILE,       /* (n)                     */
    WR_OVER_LAG,         /* (x, offset, default)    */
    WR_OVER_LEAD,
    WR_OVER_FIRST_VALUE,
    WR_OVER_LAST_VALUE,
    WR_OVER_NTH_VALUE,   /* (x, n)                  */
} wr_over_function;

typedef enum wr_frame_mode { WR_FRAME_ROWS, WR_FRAME_RANGE, WR_FRAME_GROUPS } wr_frame_mode;
typedef enum wr_frame_exclude {
    WR_EXCLUDE_NOTHING, WR_EXCLUDE_CURRENT_ROW, WR_EXCLUDE_GROUP, WR_EXCLUDE_TIES
} wr_frame_exclude;

/* One end of a frame: unbounded, or an offset from the current row (negative: preceding). */
typedef struct wr_frame_end {
    bool     unbounded;
    bool     following; /* of an unbounded end, or the direction of the offset      */
    wr_value offset;    /* NULL: the current row; ROWS, GROUPS: int8; RANGE: a number or interval >= 0 */
} wr_frame_end;

typedef struct wr_over_spec {
    wr_over_function    function;
    const wr_aggregate *aggregate;
    wr_type             result;
    uint32_t            arg_count;
    const wr_expr      *args[4];
    const wr_expr      *filter;
    uint32_t            partition_count;
    const uint32_t     *partition; /* input columns */
    uint32_t            order_count;
    const wr_sort_key  *order;
    wr_frame_mode       mode;
    wr_frame_exclude    exclude;
    wr_frame_end        start, end;
} wr_over_spec;

typedef struct wr_over_config {
    uint32_t            call_count;
    const wr_over_spec *calls;
    uint32_t            key_count;   /* input columns rows were exchanged by; 0: all on one shard */
    const uint32_t     *keys;
    int32_t             time_column; /* input column that is in every partition list and has a watermark; -1 */
    int64_t             time_offset;
    const wr_schema    *input, *output;
} wr_over_config;

extern const wr_operator_ops wr_over_ops;
