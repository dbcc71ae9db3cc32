/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/fn_table.h -- functions tested by tables: a call, its arguments as text, what it gives.
 *
 *     static const wr_fn_case cases[] = {
 *         { "substr", "ell", { "text", "hello", "int4", "2", "int4", "3" } },
 *         { "chr", "!null character not permitted", { "int4", "0" } },
 *     };
 *     wr_fn_table_check(cases, WR_COUNT(cases));
 *
 * Each case runs four ways, and all must agree: folded as a constant; over columns a row at a time;
 * over columns of many rows with gaps in the selection and NULLs between; and with the first
 * argument alone a column, which is what vector kernels are made for.  Then it is folded with
 * little memory, where it may fail, but not otherwise than for memory, and leaves nothing behind.
 */
#pragma once

#include "expr/function.h"

enum { WR_FN_CASE_ARGS_MAX = 9 };

typedef struct wr_fn_case {
    const char *call;     /* function or operator                                            */
    const char *expected; /* text; NULL: SQL's NULL; "!...": the row's error; "~1.5": a number
                             that differs by less than one part in 1e13                       */
    const char *args[2 * WR_FN_CASE_ARGS_MAX]; /* type, text, ...; text NULL: SQL's NULL      */
} wr_fn_case;

/* Fails the test at the first case that does not hold, naming it. */
void wr_fn_table_check(const wr_fn_case *cases, size_t count);
/* One case, folded: the text of the result, "!..." for an error; NULL for NULL.  Into `to`. */
const char *wr_fn_case_run(const wr_fn_case *c, wr_text *to);
