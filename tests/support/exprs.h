/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/exprs.h -- expressions and batches from text, and evaluation in every way there is.
 *
 * Expected outcomes are text: what psql prints, "NULL", or "!message" for a row that fails,
 * "!*" when any message will do.
 */
#pragma once

#include "expr/aggregate.h"
#include "expr/function.h"

enum { TEST_COLUMNS_MAX = 4 };

wr_type test_type(const char *spelling);
/* "NULL" (or a NULL pointer) is NULL.  The value's bytes lie in arena. */
wr_value test_value(wr_arena *arena, wr_type type, const char *text);
/* Owned. */
wr_column *test_column(wr_type type, const char *const *texts, uint32_t count);
/* Takes the columns; owned. */
wr_batch *test_batch(wr_column *const *columns, uint32_t column_count, uint32_t rows);
/* Resolve and cast as the binder does.  On failure NULL, and err says why. */
wr_expr *test_call(wr_arena *arena, const char *name, wr_expr *const *args, uint32_t arg_count,
                   weir_error *err);
/* The text of a row: "NULL" for NULL. */
void test_print(const wr_column *column, uint32_t row, wr_text *to);
/*
 * Evaluate and compare with expected[row]: all rows at once, every row alone, in a batch of its own,
 * in two interleaved selections, as constants, as dictionaries, numerics as nums (X5).
 */
void test_eval(const wr_expr *expr, wr_batch *batch, const char *const *expected, const char *what);

/* Tables of a op b. */
typedef struct binary_row {
    const char *left, *right, *expected;
} binary_row;
typedef struct binary_set {
    const char       *op, *left, *right; /* types */
    const binary_row *rows;
    uint32_t          count;
} binary_set;
void test_binary(const binary_set *sets, size_t count);
