/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join.h -- symmetric hash join of two inputs (port 0 left, port 1 right).
 *
 * Output columns: left's, then right's (semi, anti: left's alone).  State of a side is dropped by
 * time: pair (left_time, right_time) names columns that must be equal or within bounds; rows
 * leave when the watermark says no partner can come.  Without a time bound, state grows: the
 * planner refuses it unless the input is bounded or the query says so.
 */
#pragma once

#include "operator/operator.h"

typedef enum wr_join_kind {
    WR_JOIN_INNER, WR_JOIN_LEFT, WR_JOIN_RIGHT, WR_JOIN_FULL, WR_JOIN_SEMI, WR_JOIN_ANTI,
} wr_join_kind;

typedef struct wr_join_config {
    wr_join_kind     kind;
    uint32_t         key_count;        /* 0: every pair is a candidate (cross join)           */
    const uint32_t  *left_keys, *right_keys;
    const wr_expr   *residual;         /* over left columns then right columns, or NULL       */
    /* left_time BETWEEN right_time + low AND right_time + high (equal time keys: low = high = 0).
     * has_bound false: no time bound. */
    bool             has_bound;
    uint32_t         left_time, right_time;
    int64_t          low_us, high_us;
    int64_t          left_offset, right_offset; /* watermark offsets of the two time columns  */
    bool             null_equal;       /* NULL keys match (IS NOT DISTINCT FROM; set operations) */
    bool             single;           /* LEFT: a second partner of a row is QUERY_CARDINALITY */
    bool             lookup;           /* join_changes: left rows alone make rows come out, at once */
    uint64_t         ttl_us;
    /* has_bound false: 1 + the port whose input ends, and is all there from then on; 0: none does.  Rows of the
     * other port wait for that, and are not kept after it. */
    uint32_t         ends;
    const wr_schema *left, *right, *output;
} wr_join_config;

/* Over rows that stay; unmatched rows of an outer side come out when no partner can come any more. */
extern const wr_operator_ops wr_join_ops;
/* Over rows that change (diffs of any size on either side): what has come out is taken back, so that
 * the folded changes are the answer at every moment (join_changes.c). */
extern const wr_operator_ops wr_join_changes_ops;

/* Both sides' keys must have the same words, or none of them words. */
weir_status wr_join_check_config(const wr_join_config *config, weir_error *err);
void        wr_join_explain(const void *config, wr_text *to);
