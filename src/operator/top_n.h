/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n.h -- the first rows of each partition, maintained: row_number() <= n, DISTINCT ON,
 * ORDER BY ... LIMIT over rows that come and go (see top_n.c).
 *
 * Output columns: the input's, then the rank when rank_column.
 */
#pragma once

#include "operator/operator.h"
#include "operator/over.h"

typedef enum wr_rank_function { WR_RANK_ROW_NUMBER, WR_RANK_RANK, WR_RANK_DENSE } wr_rank_function;

typedef struct wr_top_n_config {
    uint32_t partition_count; /* 0: the whole relation, on one shard              */
    const uint32_t *partition;
    uint32_t key_count;
    const wr_sort_key *keys; /* types that wr_order_key_can                      */
    wr_rank_function function;
    uint64_t low, high;  /* ranks [low, high] come out, 1-based              */
    bool with_ties;      /* ROW_NUMBER: and the peers of the row at high     */
    bool rank_column;    /* the output has one more column, int8             */
    bool rank_used;      /* else it is NULL, and no row changes for its sake */
    bool at_end;         /* nothing comes out before the input ends             */
    bool insert_only;    /* the input: rows beyond high need not be kept     */
    int32_t time_column; /* a partition column with a watermark; -1          */
    int64_t time_offset;
    uint64_t ttl_us; /* partitions idle for longer are forgotten; 0: never */
    const wr_schema *input, *output;
    const wr_over_config *over; /* over_changes: the answers for all rows of a partition */
} wr_top_n_config;

extern const wr_operator_ops wr_top_n_ops;
/* Window functions over rows that come and go: no keys, no ranks; all calls share `partition`. */
extern const wr_operator_ops wr_over_changes_ops;
