/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/rank_filter.h -- leave out rows that cannot be among the first of their partition any more: what
 * stands before window functions of which only rank() <= n or row_number() <= n is wanted (see rank_filter.c).
 */
#pragma once

#include "operator/operator.h"
#include "operator/sort.h"

enum { WR_RANK_FILTER_KEYS_MAX = 4, WR_RANK_FILTER_MOST_MAX = 16 };

typedef struct wr_rank_filter_config {
    uint32_t key_count; /* partition columns; 0: all rows are one partition                  */
    const uint32_t *keys;
    wr_sort_key order;   /* the first order key                                               */
    uint32_t most;       /* rows of rank 1 to most are wanted                                 */
    int32_t time_column; /* a partition column with a watermark, by which rows are late; -1   */
    int64_t time_offset;
    const wr_schema *schema; /* of what comes in and goes out */
} wr_rank_filter_config;

/* Has it something to go by: partition columns of a fixed width or short text, an order key that fits a word? */
bool wr_rank_filter_can(const wr_rank_filter_config *config);

extern const wr_operator_ops wr_rank_filter_ops;
