/* SPDX-License-Identifier: Apache-2.0 */
/* expr/arith_time_impl.h -- the row kernels of arith_time.c, for the table in arith.c. */
#pragma once

#include "expr/function.h"

#define TIME_KERNEL(NAME)                                                                          \
    weir_status NAME(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count,        \
                     wr_value *out)

TIME_KERNEL(wr_date_add_days);
TIME_KERNEL(wr_days_add_date);
TIME_KERNEL(wr_date_subtract_days);
TIME_KERNEL(wr_date_subtract);
TIME_KERNEL(wr_date_add_interval);
TIME_KERNEL(wr_interval_add_date);
TIME_KERNEL(wr_date_subtract_interval);
TIME_KERNEL(wr_date_add_time);
TIME_KERNEL(wr_time_add_date);
TIME_KERNEL(wr_time_plus_interval);
TIME_KERNEL(wr_interval_plus_time);
TIME_KERNEL(wr_time_minus_interval);
TIME_KERNEL(wr_time_minus_time);
TIME_KERNEL(wr_clock_plus_interval);
TIME_KERNEL(wr_interval_plus_clock);
TIME_KERNEL(wr_clock_minus_interval);
TIME_KERNEL(wr_clock_minus_clock);
TIME_KERNEL(wr_interval_add);
TIME_KERNEL(wr_interval_subtract);
TIME_KERNEL(wr_interval_negate);
TIME_KERNEL(wr_interval_multiply);
TIME_KERNEL(wr_multiply_interval);
TIME_KERNEL(wr_interval_divide);

weir_status wr_time_plus_interval_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                                         uint32_t arg_count, uint32_t physical, wr_rows rows,
                                         wr_column **out);
weir_status wr_time_minus_interval_vector(wr_eval *eval, const wr_expr *call,
                                          wr_column *const *args, uint32_t arg_count,
                                          uint32_t physical, wr_rows rows, wr_column **out);

/* interval / n with PostgreSQL's cascade of months into days and days into time; false: out of range. */
bool wr_interval_scale(const wr_interval *interval, double factor, bool divide, wr_interval *out);
