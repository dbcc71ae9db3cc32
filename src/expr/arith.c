/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/arith.c -- + - * / % and signs: the row kernels of integers, floats and numeric, and the table.
 *
 * Place       the registry; vector kernels are kernel_arith.c and arith_decimal.c, times arith_time.c.
 * State       none.
 * Invariants  O1  what leaves the range of its type fails its row with PostgreSQL's words
 */
#include "expr/arith_impl.h"
#include "expr/arith_time_impl.h"
#include "expr/registry_impl.h"

#include <math.h>

/* --- integers --- */

static weir_status
integer_give(wr_eval *eval, uint32_t row, bool overflow, int64_t v, wr_value *out)
{
    switch (out->type.id) {
    case WR_INT2:
        if (overflow || v < INT16_MIN || v > INT16_MAX)
            return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "smallint out of range");
        break;
    case WR_INT4:
        if (overflow || v < INT32_MIN || v > INT32_MAX)
            return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "integer out of range");
        break;
    default:
        if (overflow)
            return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "bigint out of range");
    }
    out->integer = v;
    return WEIR_OK;
}

static weir_status
fail_division(wr_eval *eval, uint32_t row)
{
    return wr_eval_fail(eval, row, WEIR_ROW_DIVISION_BY_ZERO, "division by zero");
}

FN_KERNEL(integer_add)
{
    int64_t v = 0;
    bool    overflow = __builtin_add_overflow(args[0].integer, args[1].integer, &v);
    return integer_give(eval, row, overflow, v, out);
}

FN_KERNEL(integer_subtract)
{
    int64_t v = 0;
    bool    overflow = __builtin_sub_overflow(args[0].integer, args[1].integer, &v);
    return integer_give(eval, row, overflow, v, out);
}

FN_KERNEL(integer_multiply)
{
    int64_t v = 0;
    bool    overflow = __builtin_mul_overflow(args[0].integer, args[1].integer, &v);
    return integer_give(eval, row, overflow, v, out);
}

FN_KERNEL(integer_divide)
{
    int64_t x = args[0].integer, d = args[1].integer;
    if (d == 0)
        return fail_division(eval, row);
    if (d == -1)
        return integer_give(eval, row, x == INT64_MIN, x == INT64_MIN ? 0 : -x, out);
    out->integer = x / d;
    return WEIR_OK;
}

FN_KERNEL(integer_modulo)
{
    int64_t d = args[1].integer;
    if (d == 0)
        return fail_division(eval, row);
    out->integer = d == -1 ? 0 : args[0].integer % d;
    return WEIR_OK;
}

FN_KERNEL(integer_negate)
{
    int64_t x = args[0].integer;
    return integer_give(eval, row, x == INT64_MIN, x == INT64_MIN ? 0 : -x, out);
}

/* --- floats --- */

/* r of the operation on x and y, narrowed to real where that is the type. */
static weir_status
float_give(wr_eval *eval, uint32_t row, double r, bool may_be_infinite, bool may_be_zero,
           wr_value *out)
{
    if (out->type.id == WR_FLOAT4)
        r = (double) (float) r;
    if (isinf(r) && !may_be_infinite)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "value out of range: overflow");
    if (r == 0.0 && !may_be_zero)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "value out of range: underflow");
    out->real = r;
    return WEIR_OK;
}

FN_KERNEL(float_add)
{
    double x = args[0].real, y = args[1].real;
    return float_give(eval, row, x + y, isinf(x) || isinf(y), true, out);
}

FN_KERNEL(float_subtract)
{
    double x = args[0].real, y = args[1].real;
    return float_give(eval, row, x - y, isinf(x) || isinf(y), true, out);
}

FN_KERNEL(float_multiply)
{
    double x = args[0].real, y = args[1].real;
    return float_give(eval, row, x * y, isinf(x) || isinf(y), x == 0.0 || y == 0.0, out);
}

FN_KERNEL(float_divide)
{
    double x = args[0].real, y = args[1].real;
    if (y == 0.0 && !isnan(x))
        return fail_division(eval, row);
    return float_give(eval, row, x / y, isinf(x), x == 0.0 || isinf(y), out);
}

FN_KERNEL(float_negate)
{
    out->real = -args[0].real;
    return WEIR_OK;
}

/* --- numeric --- */

#define NUMERIC(NAME, FUNCTION)                                                                    \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        return wr_fn_num(eval, row,                                                                \
                         FUNCTION(&args[0].string, &args[1].string, &eval->step, &out->string));   \
    }
NUMERIC(numeric_add, wr_num_add)
NUMERIC(numeric_subtract, wr_num_subtract)
NUMERIC(numeric_multiply, wr_num_multiply)
NUMERIC(numeric_divide, wr_num_divide)
NUMERIC(numeric_modulo, wr_num_modulo)

FN_KERNEL(numeric_negate)
{
    return wr_fn_num(eval, row, wr_num_negate(&args[0].string, &eval->step, &out->string));
}

/* --- unary plus --- */

FN_KERNEL(number_same)
{
    wr_type type = out->type;
    *out = args[0];
    out->type = type;
    return WEIR_OK;
}

static weir_status
number_same_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                   uint32_t physical, wr_rows rows, wr_column **out)
{
    *out = wr_column_retain(args[0]);
    return WEIR_OK;
}

#define FN_TOPIC "arithmetic"
#define FOUR(T, ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE, NEGATE_FLAGS)                             \
    FNV("+", T, ADD, wr_add_vector, FN_FAILS, "sum", T, T),                                        \
        FNV("-", T, SUBTRACT, wr_subtract_vector, FN_FAILS, "difference", T, T),                   \
        FNV("*", T, MULTIPLY, wr_multiply_vector, FN_FAILS, "product", T, T),                      \
        FNV("/", T, DIVIDE, wr_divide_vector, FN_FAILS, "quotient", T, T),                         \
        FNV("-", T, NEGATE, wr_negate_vector, NEGATE_FLAGS, "negation", T),                        \
        FNV("+", T, number_same, number_same_vector, 0, "the number itself", T)
#define INTEGERS(T)                                                                                \
    FOUR(T, integer_add, integer_subtract, integer_multiply, integer_divide, integer_negate,       \
         FN_FAILS),                                                                                \
        FNV("%", T, integer_modulo, wr_modulo_vector, FN_FAILS, "remainder of a division", T, T)
#define FLOATS(T)                                                                                  \
    FOUR(T, float_add, float_subtract, float_multiply, float_divide, float_negate, 0)
/* Rows without a kernel: the arguments meet in the wider type (registry.c, F1). */
#define MIXED_ONE(A, B)                                                                            \
    FN("+", B, NULL, 0, "", A, B), FN("-", B, NULL, 0, "", A, B), FN("*", B, NULL, 0, "", A, B),   \
        FN("/", B, NULL, 0, "", A, B)
#define MIXED(A, B) MIXED_ONE(A, B), MIXED_ONE(B, A)

const wr_function wr_fn_arith[] = {
    INTEGERS(T_INT2),
    INTEGERS(T_INT4),
    INTEGERS(T_INT8),
    FLOATS(T_FLOAT4),
    FLOATS(T_FLOAT8),
    MIXED(T_INT2, T_INT4),
    MIXED(T_INT2, T_INT8),
    MIXED(T_INT4, T_INT8),
    MIXED(T_FLOAT4, T_FLOAT8),
    FNV("+", T_NUMERIC, numeric_add, wr_decimal_add, FN_FAILS, "sum", T_NUMERIC, T_NUMERIC),
    FNV("-", T_NUMERIC, numeric_subtract, wr_decimal_subtract, FN_FAILS, "difference", T_NUMERIC,
        T_NUMERIC),
    FNV("*", T_NUMERIC, numeric_multiply, wr_decimal_multiply, FN_FAILS, "product", T_NUMERIC,
        T_NUMERIC),
    FN("/", T_NUMERIC, numeric_divide, FN_FAILS, "quotient", T_NUMERIC, T_NUMERIC),
    FNV("%", T_NUMERIC, numeric_modulo, wr_decimal_modulo, FN_FAILS, "remainder of a division",
        T_NUMERIC, T_NUMERIC),
    FNV("-", T_NUMERIC, numeric_negate, wr_decimal_negate, 0, "negation", T_NUMERIC),
    FNV("+", T_NUMERIC, number_same, number_same_vector, 0, "the number itself", T_NUMERIC),
    FN("+", T_DATE, wr_date_add_days, FN_FAILS, "days later", T_DATE, T_INT4),
    FN("+", T_DATE, wr_days_add_date, FN_FAILS, "days later", T_INT4, T_DATE),
    FN("-", T_DATE, wr_date_subtract_days, FN_FAILS, "days earlier", T_DATE, T_INT4),
    FN("-", T_INT4, wr_date_subtract, FN_FAILS, "days between", T_DATE, T_DATE),
    FN("+", T_TIMESTAMP, wr_date_add_interval, FN_FAILS, "moved forward", T_DATE, T_INTERVAL),
    FN("+", T_TIMESTAMP, wr_interval_add_date, FN_FAILS, "moved forward", T_INTERVAL, T_DATE),
    FN("-", T_TIMESTAMP, wr_date_subtract_interval, FN_FAILS, "moved back", T_DATE, T_INTERVAL),
    FN("+", T_TIMESTAMP, wr_date_add_time, FN_FAILS, "that time of the day", T_DATE, T_TIME),
    FN("+", T_TIMESTAMP, wr_time_add_date, FN_FAILS, "that time of the day", T_TIME, T_DATE),
#define TIMESTAMPS(T)                                                                              \
    FNV("+", T, wr_time_plus_interval, wr_time_plus_interval_vector, FN_FAILS, "moved forward", T, \
        T_INTERVAL),                                                                               \
        FN("+", T, wr_interval_plus_time, FN_FAILS, "moved forward", T_INTERVAL, T),               \
        FNV("-", T, wr_time_minus_interval, wr_time_minus_interval_vector, FN_FAILS, "moved back", \
            T, T_INTERVAL),                                                                        \
        FN("-", T_INTERVAL, wr_time_minus_time, FN_FAILS, "time between", T, T)
    TIMESTAMPS(T_TIMESTAMP),
    TIMESTAMPS(T_TIMESTAMPTZ),
    FN("+", T_TIME, wr_clock_plus_interval, 0, "moved forward, around midnight", T_TIME, T_INTERVAL),
    FN("+", T_TIME, wr_interval_plus_clock, 0, "moved forward, around midnight", T_INTERVAL, T_TIME),
    FN("-", T_TIME, wr_clock_minus_interval, 0, "moved back, around midnight", T_TIME, T_INTERVAL),
    FN("-", T_INTERVAL, wr_clock_minus_clock, 0, "time between", T_TIME, T_TIME),
    FN("+", T_INTERVAL, wr_interval_add, FN_FAILS, "sum", T_INTERVAL, T_INTERVAL),
    FN("-", T_INTERVAL, wr_interval_subtract, FN_FAILS, "difference", T_INTERVAL, T_INTERVAL),
    FN("-", T_INTERVAL, wr_interval_negate, FN_FAILS, "negation", T_INTERVAL),
    FN("*", T_INTERVAL, wr_interval_multiply, FN_FAILS, "product", T_INTERVAL, T_FLOAT8),
    FN("*", T_INTERVAL, wr_multiply_interval, FN_FAILS, "product", T_FLOAT8, T_INTERVAL),
    FN("/", T_INTERVAL, wr_interval_divide, FN_FAILS, "quotient", T_INTERVAL, T_FLOAT8),
    FN_END,
};
