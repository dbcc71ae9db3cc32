/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/arith_impl.h -- kernels that the table of arithmetic operators (arith.c) names.
 *
 * Place       arith.c, arith_decimal.c, arith_time.c, kernel_arith.c.
 */
#pragma once

#include "expr/kernel_impl.h"

/* kernel_arith.c: integers and floats of one type; dates and timestamps with a constant interval */
weir_status wr_add_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                          uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out);
weir_status wr_subtract_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                               uint32_t arg_count, uint32_t physical, wr_rows rows,
                               wr_column **out);
weir_status wr_multiply_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                               uint32_t arg_count, uint32_t physical, wr_rows rows,
                               wr_column **out);
weir_status wr_divide_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                             uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out);
weir_status wr_modulo_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                             uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out);
weir_status wr_negate_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                             uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out);
/* timestamp + shift for every row, when no row comes near an end of the range; else declined. */
weir_status wr_shift_times(wr_eval *eval, const wr_expr *call, wr_column *times, int64_t shift_us,
                           uint32_t physical, wr_column **out);

/* arith_decimal.c: numeric columns that are all decimals */
weir_status wr_decimal_add(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                           uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out);
weir_status wr_decimal_subtract(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                                uint32_t arg_count, uint32_t physical, wr_rows rows,
                                wr_column **out);
weir_status wr_decimal_multiply(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                                uint32_t arg_count, uint32_t physical, wr_rows rows,
                                wr_column **out);
weir_status wr_decimal_modulo(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                              uint32_t arg_count, uint32_t physical, wr_rows rows,
                              wr_column **out);
weir_status wr_decimal_negate(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                              uint32_t arg_count, uint32_t physical, wr_rows rows,
                              wr_column **out);
