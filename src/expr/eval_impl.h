/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/eval_impl.h -- what the files of evaluation share: eval.c (calls), eval_logic.c (AND, OR, NOT,
 * IS ...), eval_case.c (CASE, COALESCE, merging branches), eval_in.c (IN, ANY, ALL).
 *
 * Everything here leaves failed rows NULL in the column it made and marked in the eval (X3).
 */
#pragma once

#include "expr/function.h"

#include <string.h>

/* Evaluate one node over rows; *out owned. */
weir_status wr_eval_node(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                         wr_column **out);
/* Rows where expr is true, ascending; `selected` may be the memory of rows.rows itself. */
weir_status wr_eval_filter(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                           uint16_t *selected, uint32_t *count);
/* Apply call->function to columns already computed. */
weir_status wr_eval_apply(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                          uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out);

weir_status wr_eval_and_or(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                           wr_column **out);
weir_status wr_eval_not(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                        wr_column **out);
weir_status wr_eval_is(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                       wr_column **out);
weir_status wr_eval_distinct(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                             wr_column **out);
weir_status wr_eval_case(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                         wr_column **out);
weir_status wr_eval_coalesce(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                             wr_column **out);
weir_status wr_eval_in(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                       wr_column **out);
weir_status wr_eval_any_all(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                            wr_column **out);

/* Rows where a boolean column is true.  `to` may be rows.rows. */
uint32_t wr_eval_select_true(const wr_column *column, wr_rows rows, uint16_t *to);

static inline uint32_t
wr_rows_at(wr_rows rows, uint32_t i)
{
    return rows.rows != NULL ? rows.rows[i] : i;
}

/* Room for a list of rows, until the eval is reset. */
static inline uint16_t *
wr_eval_row_list(wr_eval *eval, uint32_t count)
{
    return wr_arena_alloc(&eval->step, WR_MAX(count, 1u) * sizeof(uint16_t));
}

/* A FLAT column, zeroed when some of its rows will not be written. */
static inline wr_column *
wr_eval_column(wr_eval *eval, wr_type type, uint32_t physical, wr_rows rows)
{
    wr_column *c = wr_column_create(eval->budget, type, WR_MAX(physical, 1u));
    if (c != NULL && rows.count < c->capacity)
        memset(c->data, 0, wr_column_width(c) * c->capacity);
    return c;
}

/* Booleans are read as bytes: rows outside the selection may hold anything. */
static inline uint8_t
wr_eval_bool(const wr_column *base, uint32_t index)
{
    return ((const uint8_t *) base->data)[index] & 1;
}
