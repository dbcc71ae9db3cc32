/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/unnest.h -- set-returning calls: each row once for each item of its sets (see unnest.c).
 *
 * Output columns: the input's, then one a call, then `ordinality` if asked.  Calls run side by side; a
 * shorter set gives NULLs until the longest ends.  A NULL or empty array gives no rows of its own.
 */
#pragma once

#include "operator/operator.h"

/*
 * A call is an expression of an array type (its items are the set), or a call of wr_series_function:
 * generate_series(start, stop[, step]) over int4, int8, numeric, timestamp, timestamptz (step: interval).
 */
extern const wr_function wr_series_function;

typedef struct wr_unnest_config {
    uint32_t              call_count;
    const wr_expr *const *calls;
    bool                  ordinality;
    bool                  outer;  /* a row whose sets are all empty comes once, with NULLs */
    const wr_schema      *output;
} wr_unnest_config;

extern const wr_operator_ops wr_unnest_ops;
