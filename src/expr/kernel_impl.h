/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/kernel_impl.h -- what vector kernels share: opening arguments, the result column, failures.
 *
 * A kernel that cannot fail computes every physical row: the loop has no branch and no index, so it
 * becomes SIMD, and what lies in rows outside the selection does not matter.  One that can fail
 * computes every row too, gathers one flag, and only when the flag is up asks the row kernel which
 * of the selected rows it was.
 *
 * Place       kernel_*.c, arith_*.c, cast_*.c.
 */
#pragma once

#include "base/clones.h"
#include "expr/eval_impl.h"
#include "expr/fn_impl.h"

/* Arguments as FLAT or CONSTANT columns, none of them NULL throughout. */
typedef struct wr_kernel {
    wr_column *args[2];
    uint32_t   arg_count;
    bool       constant[2];
} wr_kernel;

/* Flattens dictionaries.  On success close it with wr_kernel_close. */
weir_status wr_kernel_open(wr_eval *eval, wr_column *const *args, uint32_t arg_count,
                           uint32_t physical, wr_kernel *kernel);
void        wr_kernel_close(wr_kernel *kernel);
/* A FLAT column, NULL where an argument is; decimals say their form and scale.  NULL: no memory. */
wr_column *wr_kernel_result(wr_eval *eval, const wr_kernel *kernel, wr_type type,
                            wr_decimal_form form, int scale, uint32_t physical);
/* Zero what was computed for NULL rows (C2). */
void wr_kernel_zero_nulls(wr_column *column, uint32_t physical);
/* Some row failed: call the row kernel on each selected one, and make those that do NULL. */
weir_status wr_kernel_locate(wr_eval *eval, const wr_expr *call, const wr_kernel *kernel,
                             wr_rows rows, wr_column *out);
/* Hand c over as the kernel's result; with a failure release it.  Closes the kernel. */
weir_status wr_kernel_end(wr_kernel *kernel, weir_status status, wr_column *c, uint32_t physical,
                          wr_column **out);

static inline bool
wr_kernel_has_value(const wr_column *c, uint32_t row)
{
    return c->valid == NULL || wr_bitmap_get(c->valid, row);
}

/* A decimal argument: FLAT or one value, 64 or 128 bits wide. */
static inline wr_int128
wr_kernel_decimal(const wr_column *c, uint32_t row)
{
    uint32_t i = c->layout == WR_CONSTANT ? 0 : row;
    return c->form == WR_DEC64 ? ((const int64_t *) c->data)[i] : ((const wr_int128 *) c->data)[i];
}
