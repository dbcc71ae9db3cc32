/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/asof_join.h -- each left row with the latest right row at or before its time (port 0 left,
 * port 1 right).
 *
 * Output columns: left's, then right's.  A left row waits until the right side's watermark has passed
 * its time, so that its partner is known; then it comes out, once and for all.
 *
 * With `upserts` the right rows are a keyed source's as they were read, and its key is the join's: a row
 * is a version that holds from its time until the next one, a deletion (diff -1) ends it.  They have a
 * column more than `right` says: operator/settled.h's.
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_asof_join_config {
    bool             outer;      /* left rows without a partner come out with NULLs             */
    bool             strict;     /* before the left time, not at it                             */
    bool             upserts;    /* right rows replace each other by right_keys, diff -1 ends them */
    uint32_t         key_count;  /* 0: one key for all                                          */
    const uint32_t  *left_keys, *right_keys;
    uint32_t         left_time, right_time;
    int64_t          reach_us;   /* a partner is at most so much older; INT64_MAX: any age      */
    /* Watermark offsets of the two time columns; both WR_NO_WATERMARK: all waits for the end. */
    int64_t          left_offset, right_offset;
    const wr_schema *left, *right, *output;
} wr_asof_join_config;

extern const wr_operator_ops wr_asof_join_ops;
