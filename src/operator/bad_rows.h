/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/bad_rows.h -- what VIEW.dead_letter holds: rows whose expressions failed, and why.
 *
 * Place       a wr_ctx owns one when somebody reads its bad port; operators reach it by
 *             wr_ctx_drop_failed and wr_ctx_bad_results alone.
 */
#pragma once

#include "data/batch.h"
#include "data/schema.h"

/* Where rows fail: names for people, and for the columns of what failed.  All may be NULL. */
typedef struct wr_bad_origin {
    const char      *view, *operator_name;
    const wr_schema *input, *output;
} wr_bad_origin;

typedef struct wr_bad_rows wr_bad_rows;

/*
 * (view text, operator text, code text, message text, row jsonb, ts timestamptz): row is what came in, or
 * the result that could not be given out; ts is when it failed.
 */
const wr_schema *wr_bad_rows_schema(void);

wr_bad_rows *wr_bad_rows_create(wr_budget *flow, const wr_bad_origin *origin);
void         wr_bad_rows_destroy(wr_bad_rows *bad); /* NULL is allowed */
bool         wr_bad_rows_full(const wr_bad_rows *bad);
/* Physical row of batch; result: its columns are the operator's output.  There is room. */
weir_status  wr_bad_rows_add(wr_bad_rows *bad, const wr_batch *batch, uint32_t row, bool result,
                             weir_status_code code, const char *message, wr_time now);
/* What was added since; NULL: nothing.  Returns owned. */
wr_batch    *wr_bad_rows_take(wr_bad_rows *bad);
