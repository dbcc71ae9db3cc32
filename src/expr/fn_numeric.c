/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_numeric.c -- numeric: rounding, roots, powers, logarithms, division, scales.
 *
 * Place       rows of the function registry; the digits are data/numeric.h's.
 * Invariants  what a function cannot do is refused here, with PostgreSQL's sentence, before the
 *             arithmetic is asked
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

static weir_status
numeric_fail(wr_eval *eval, uint32_t row, const char *text)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "%s", text);
}

static bool
numeric_is_special(const wr_string *num)
{
    return wr_num_is_nan(num) || wr_num_is_infinite(num);
}

/* --- one argument, one call --- */

#define NUMERIC_UNARY(NAME, FUNCTION)                                                              \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        return wr_fn_num(eval, row, FUNCTION(&args[0].string, &eval->step, &out->string));         \
    }
NUMERIC_UNARY(numeric_abs, wr_num_abs)
NUMERIC_UNARY(numeric_ceil, wr_num_ceil)
NUMERIC_UNARY(numeric_floor, wr_num_floor)
NUMERIC_UNARY(numeric_exp, wr_num_exp)

FN_KERNEL(numeric_sign)
{
    if (wr_num_is_nan(&args[0].string)) {
        out->string = args[0].string;
        return WEIR_OK;
    }
    return wr_num_from_int64(wr_num_sign(&args[0].string), &eval->step, &out->string);
}

static int
numeric_scale_of(const wr_value *args, uint32_t arg_count)
{
    int64_t scale = arg_count > 1 ? args[1].integer : 0;
    return (int) WR_MAX(WR_MIN(scale, WR_NUMERIC_SCALE_MAX), -131072 - 4);
}

FN_KERNEL(numeric_round)
{
    return wr_fn_num(eval, row,
                     wr_num_round(&args[0].string, numeric_scale_of(args, arg_count), &eval->step,
                                  &out->string));
}

FN_KERNEL(numeric_trunc)
{
    return wr_fn_num(eval, row,
                     wr_num_trunc(&args[0].string, numeric_scale_of(args, arg_count), &eval->step,
                                  &out->string));
}

/* --- roots, powers, logarithms --- */

FN_KERNEL(numeric_sqrt)
{
    if (!wr_num_is_nan(&args[0].string) && wr_num_sign(&args[0].string) < 0)
        return numeric_fail(eval, row, "cannot take square root of a negative number");
    return wr_fn_num(eval, row, wr_num_sqrt(&args[0].string, &eval->step, &out->string));
}

/* May a logarithm be taken of num? */
static weir_status
numeric_check_logarithm(wr_eval *eval, uint32_t row, const wr_string *num)
{
    if (wr_num_is_nan(num) || wr_num_sign(num) > 0)
        return WEIR_OK;
    return numeric_fail(eval, row,
                        wr_num_sign(num) == 0 ? "cannot take logarithm of zero"
                                              : "cannot take logarithm of a negative number");
}

FN_KERNEL(numeric_ln)
{
    WR_TRY(numeric_check_logarithm(eval, row, &args[0].string));
    return wr_fn_num(eval, row, wr_num_ln(&args[0].string, &eval->step, &out->string));
}

FN_KERNEL(numeric_log)
{
    if (!wr_num_is_nan(&args[0].string) && !wr_num_is_nan(&args[1].string)) {
        WR_TRY(numeric_check_logarithm(eval, row, &args[0].string));
        WR_TRY(numeric_check_logarithm(eval, row, &args[1].string));
    }
    return wr_fn_num(eval, row, wr_num_log(&args[0].string, &args[1].string, &eval->step,
                                           &out->string));
}

FN_KERNEL(numeric_log10)
{
    wr_string ten;
    WR_TRY(numeric_check_logarithm(eval, row, &args[0].string));
    WR_TRY(wr_num_from_int64(10, &eval->step, &ten));
    return wr_fn_num(eval, row, wr_num_log(&ten, &args[0].string, &eval->step, &out->string));
}

FN_KERNEL(numeric_power)
{
    const wr_string *a = &args[0].string, *b = &args[1].string;
    if (!wr_num_is_nan(a) && !wr_num_is_nan(b)) {
        if (wr_num_sign(a) == 0 && wr_num_sign(b) < 0)
            return numeric_fail(eval, row, "zero raised to a negative power is undefined");
        if (wr_num_sign(a) < 0 && !wr_num_is_infinite(b) && wr_num_min_scale(b) > 0)
            return numeric_fail(
                eval, row,
                "a negative number raised to a non-integer power yields a complex result");
    }
    return wr_fn_num(eval, row, wr_num_power(a, b, &eval->step, &out->string));
}

/* --- division --- */

FN_KERNEL(numeric_mod)
{
    return wr_fn_num(eval, row, wr_num_modulo(&args[0].string, &args[1].string, &eval->step,
                                              &out->string));
}

FN_KERNEL(numeric_div)
{
    return wr_fn_num(eval, row, wr_num_divide_trunc(&args[0].string, &args[1].string, &eval->step,
                                                    &out->string));
}

/* Euclid's; the larger display scale of the two. */
static weir_status
numeric_gcd_of(wr_eval *eval, const wr_value *args, wr_string *out)
{
    wr_arena *step = &eval->step;
    wr_string a, b, rest;
    int       scale = WR_MAX(wr_num_display_scale(&args[0].string),
                             wr_num_display_scale(&args[1].string));
    WR_TRY(wr_num_abs(&args[0].string, step, &a));
    WR_TRY(wr_num_abs(&args[1].string, step, &b));
    while (wr_num_sign(&b) != 0) {
        WR_TRY(wr_num_modulo(&a, &b, step, &rest));
        a = b;
        b = rest;
    }
    return wr_num_round(&a, scale, step, out);
}

/* gcd and lcm of a NaN or an infinity are NaN. */
static bool
numeric_gives_nan(wr_eval *eval, const wr_value *args, wr_value *out, weir_status *status)
{
    if (!numeric_is_special(&args[0].string) && !numeric_is_special(&args[1].string))
        return false;
    *status = wr_num_parse("NaN", 3, &eval->step, &out->string);
    return true;
}

FN_KERNEL(numeric_gcd)
{
    weir_status status;
    if (numeric_gives_nan(eval, args, out, &status))
        return status;
    return wr_fn_num(eval, row, numeric_gcd_of(eval, args, &out->string));
}

FN_KERNEL(numeric_lcm)
{
    weir_status status;
    wr_arena   *step = &eval->step;
    wr_string   gcd, part, product;
    int         scale = WR_MAX(wr_num_display_scale(&args[0].string),
                               wr_num_display_scale(&args[1].string));
    if (numeric_gives_nan(eval, args, out, &status))
        return status;
    if (wr_num_sign(&args[0].string) == 0 || wr_num_sign(&args[1].string) == 0)
        return wr_num_from_int128(0, scale, step, &out->string);
    WR_TRY(wr_fn_num(eval, row, numeric_gcd_of(eval, args, &gcd)));
    WR_TRY(wr_fn_num(eval, row, wr_num_divide_trunc(&args[0].string, &gcd, step, &part)));
    WR_TRY(wr_fn_num(eval, row, wr_num_multiply(&part, &args[1].string, step, &product)));
    WR_TRY(wr_num_abs(&product, step, &product));
    return wr_fn_num(eval, row, wr_num_round(&product, scale, step, &out->string));
}

enum { FACTORIAL_MAX = 32177, BILLION = 1000000000, FACTORIAL_WORDS = 14600 };

/* n! in words of nine decimal digits, least significant first; how many words. */
static uint32_t
factorial_words(uint32_t n, uint32_t *words)
{
    uint32_t count = 1;
    words[0] = 1;
    for (uint32_t i = 2; i <= n;) {
        uint64_t factor = 1, carry = 0;
        while (i <= n && factor * i < BILLION)
            factor *= i++;
        for (uint32_t w = 0; w < count; w++) {
            carry += words[w] * factor;
            words[w] = (uint32_t) (carry % BILLION);
            carry /= BILLION;
        }
        if (carry > 0)
            words[count++] = (uint32_t) carry;
    }
    return count;
}

FN_KERNEL(numeric_factorial)
{
    int64_t n = args[0].integer;
    if (n < 0)
        return numeric_fail(eval, row, "factorial of a negative number is undefined");
    if (n > FACTORIAL_MAX)
        return wr_fn_num(eval, row, WEIR_ROW_OVERFLOW);
    uint32_t *words = wr_arena_alloc(&eval->step, FACTORIAL_WORDS * sizeof *words);
    if (words == NULL)
        return WEIR_MEMORY;
    uint32_t count = factorial_words((uint32_t) n, words);
    wr_text  digits;
    wr_text_init(&digits, eval->budget);
    wr_text_put_int(&digits, words[count - 1]);
    for (uint32_t w = count - 1; w-- > 0;)
        wr_text_printf(&digits, "%09u", words[w]);
    weir_status status = wr_text_ok(&digits)
                             ? wr_num_parse(wr_text_string(&digits), digits.length, &eval->step,
                                            &out->string)
                             : WEIR_MEMORY;
    wr_text_fini(&digits);
    return wr_fn_num(eval, row, status);
}

/* --- scales --- */

FN_KERNEL(numeric_scale)
{
    if (numeric_is_special(&args[0].string))
        return fn_give_null(out);
    out->integer = wr_num_display_scale(&args[0].string);
    return WEIR_OK;
}

FN_KERNEL(numeric_min_scale)
{
    if (numeric_is_special(&args[0].string))
        return fn_give_null(out);
    out->integer = wr_num_min_scale(&args[0].string);
    return WEIR_OK;
}

FN_KERNEL(numeric_trim_scale)
{
    out->string = args[0].string;
    if (numeric_is_special(&args[0].string))
        return WEIR_OK;
    return wr_fn_num(eval, row, wr_num_round(&args[0].string, wr_num_min_scale(&args[0].string),
                                             &eval->step, &out->string));
}

/* --- width_bucket --- */

/* floor(count * (x - low) / (high - low)), below count. */
static weir_status
numeric_bucket(wr_arena *step, const wr_string *x, const wr_string *low, const wr_string *high,
               int64_t count, int64_t *bucket)
{
    wr_string above, width, times, share;
    WR_TRY(wr_num_from_int64(count, step, &times));
    WR_TRY(wr_num_subtract(x, low, step, &above));
    WR_TRY(wr_num_subtract(high, low, step, &width));
    WR_TRY(wr_num_multiply(&above, &times, step, &above));
    WR_TRY(wr_num_divide(&above, &width, step, &share));
    WR_TRY(wr_num_floor(&share, step, &share));
    WR_TRY(wr_num_to_int64(&share, bucket));
    *bucket = WR_MIN(*bucket, count - 1);
    return WEIR_OK;
}

FN_KERNEL(numeric_width_bucket)
{
    const wr_string *x = &args[0].string, *low = &args[1].string, *high = &args[2].string;
    int64_t          count = args[3].integer, bucket = 0;
    if (count <= 0)
        return numeric_fail(eval, row, "count must be greater than zero");
    if (wr_num_is_nan(x) || wr_num_is_nan(low) || wr_num_is_nan(high))
        return numeric_fail(eval, row, "operand, lower bound, and upper bound cannot be NaN");
    if (wr_num_is_infinite(low) || wr_num_is_infinite(high))
        return numeric_fail(eval, row, "lower and upper bounds must be finite");
    int order = wr_num_compare(low, high);
    if (order == 0)
        return numeric_fail(eval, row, "lower bound cannot equal upper bound");
    int at_low = wr_num_compare(x, low), at_high = wr_num_compare(x, high);
    if (order < 0 ? at_low < 0 : at_low > 0) {
        bucket = 0;
    } else if (order < 0 ? at_high >= 0 : at_high <= 0) {
        bucket = count + 1;
    } else {
        WR_TRY(wr_fn_num(eval, row, numeric_bucket(&eval->step, x, low, high, count, &bucket)));
        bucket++;
    }
    if (bucket > INT32_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "integer out of range");
    out->integer = bucket;
    return WEIR_OK;
}

/* --- vector kernels: decimals of one scale --- */

typedef enum cut_mode { CUT_ROUND, CUT_TRUNC, CUT_CEIL, CUT_FLOOR } cut_mode;

/* value / unit, made whole. */
static inline int64_t
decimal_cut(int64_t value, int64_t unit, cut_mode mode)
{
    int64_t whole = value / unit, rest = value % unit;
    switch (mode) {
    case CUT_ROUND: /* half away from zero */
        return whole + (rest >= unit - rest) - (-rest >= unit + rest);
    case CUT_CEIL: return whole + (rest > 0);
    case CUT_FLOOR: return whole - (rest < 0);
    default: return whole;
    }
}

/* NULL rows of `from` are NULL in made; releases made when memory is out. */
static weir_status
decimal_finish(const wr_column *from, wr_rows rows, wr_column *made, wr_column **out)
{
    for (uint32_t i = 0; i < rows.count && from->valid != NULL; i++) {
        if (wr_column_is_null(from, fn_row(rows, i)) &&
            wr_column_set_null(made, fn_row(rows, i)) != WEIR_OK) {
            wr_column_release(made);
            return WEIR_MEMORY;
        }
    }
    *out = made;
    return WEIR_OK;
}

/* A DEC64 column cut to 0 <= n < scale digits behind the point: one division a row. */
static weir_status
decimal_cut_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                   uint32_t physical, wr_rows rows, cut_mode mode, wr_column **out)
{
    if (args[0]->layout != WR_FLAT || args[0]->form != WR_DEC64 ||
        (arg_count > 1 && (args[1]->layout != WR_CONSTANT || wr_column_is_null(args[1], 0))))
        return WEIR_QUERY_UNSUPPORTED;
    int32_t scale = arg_count > 1 ? *(const int32_t *) args[1]->data : 0;
    if (scale < 0 || scale >= args[0]->scale || args[0]->scale - scale > 18)
        return WEIR_QUERY_UNSUPPORTED;
    int64_t    unit = (int64_t) wr_int128_power10(args[0]->scale - scale);
    wr_column *made =
        wr_column_create_decimal(eval->budget, call->type, WR_DEC64, scale, physical);
    if (made == NULL)
        return WEIR_MEMORY;
    const int64_t *from = args[0]->data;
    int64_t       *to = made->data;
    if (physical > 0)
        memset(to, 0, physical * sizeof *to);
    for (uint32_t i = 0; i < rows.count; i++)
        to[fn_row(rows, i)] = decimal_cut(from[fn_row(rows, i)], unit, mode);
    return decimal_finish(args[0], rows, made, out);
}

#define DECIMAL_CUT(NAME, MODE)                                                                    \
    static weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,            \
                            uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)  \
    {                                                                                              \
        return decimal_cut_vector(eval, call, args, arg_count, physical, rows, MODE, out);         \
    }
DECIMAL_CUT(numeric_round_vector, CUT_ROUND)
DECIMAL_CUT(numeric_trunc_vector, CUT_TRUNC)
DECIMAL_CUT(numeric_ceil_vector, CUT_CEIL)
DECIMAL_CUT(numeric_floor_vector, CUT_FLOOR)

static weir_status
numeric_abs_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                   uint32_t physical, wr_rows rows, wr_column **out)
{
    const int64_t *from = args[0]->data;
    bool           fits = true;
    if (args[0]->layout != WR_FLAT || args[0]->form != WR_DEC64)
        return WEIR_QUERY_UNSUPPORTED;
    for (uint32_t i = 0; i < rows.count; i++)
        fits &= from[fn_row(rows, i)] != INT64_MIN;
    if (!fits)
        return WEIR_QUERY_UNSUPPORTED;
    wr_column *made = wr_column_create_decimal(eval->budget, call->type, WR_DEC64, args[0]->scale,
                                               physical);
    if (made == NULL)
        return WEIR_MEMORY;
    int64_t *to = made->data;
    if (physical > 0)
        memset(to, 0, physical * sizeof *to);
    for (uint32_t i = 0; i < rows.count; i++) {
        int64_t value = from[fn_row(rows, i)];
        to[fn_row(rows, i)] = value < 0 ? -value : value;
    }
    return decimal_finish(args[0], rows, made, out);
}

#define FN_TOPIC "number"
#define NUMERIC_ROW(NAME, KERNEL, DOC) FN(NAME, T_NUMERIC, KERNEL, FN_FAILS, DOC, T_NUMERIC)
#define NUMERIC_ROWV(NAME, KERNEL, DOC)                                                            \
    FNV(NAME, T_NUMERIC, KERNEL, KERNEL##_vector, FN_FAILS, DOC, T_NUMERIC)
#define NUMERIC_ROW2(NAME, KERNEL, DOC)                                                            \
    FN(NAME, T_NUMERIC, KERNEL, FN_FAILS, DOC, T_NUMERIC, T_NUMERIC)
const wr_function wr_fn_numeric[] = {
    NUMERIC_ROWV("abs", numeric_abs, "absolute value"),
    NUMERIC_ROWV("@", numeric_abs, "absolute value"),
    NUMERIC_ROWV("ceil", numeric_ceil, "nearest integer above"),
    NUMERIC_ROWV("ceiling", numeric_ceil, "nearest integer above"),
    NUMERIC_ROWV("floor", numeric_floor, "nearest integer below"),
    FNV("round", T_NUMERIC, numeric_round, numeric_round_vector, FN_FAILS | FN_OPTIONAL(1),
        "rounded to n digits after the point, ties away from zero", T_NUMERIC, T_INT4),
    FNV("trunc", T_NUMERIC, numeric_trunc, numeric_trunc_vector, FN_FAILS | FN_OPTIONAL(1),
        "cut to n digits after the point", T_NUMERIC, T_INT4),
    NUMERIC_ROW("sign", numeric_sign, "-1, 0 or 1"),
    NUMERIC_ROW("sqrt", numeric_sqrt, "square root"),
    NUMERIC_ROW("exp", numeric_exp, "e to the power of x"),
    NUMERIC_ROW("ln", numeric_ln, "natural logarithm"),
    NUMERIC_ROW("log", numeric_log10, "logarithm to base 10"),
    NUMERIC_ROW("log10", numeric_log10, "logarithm to base 10"),
    NUMERIC_ROW2("log", numeric_log, "logarithm of the second to the base of the first"),
    NUMERIC_ROW2("power", numeric_power, "a to the power of b"),
    NUMERIC_ROW2("pow", numeric_power, "a to the power of b"),
    NUMERIC_ROW2("^", numeric_power, "a to the power of b"),
    NUMERIC_ROW2("mod", numeric_mod, "remainder of a division"),
    NUMERIC_ROW2("div", numeric_div, "integer quotient, cut towards zero"),
    NUMERIC_ROW2("gcd", numeric_gcd, "greatest common divisor"),
    NUMERIC_ROW2("lcm", numeric_lcm, "least common multiple"),
    FN("factorial", T_NUMERIC, numeric_factorial, FN_FAILS, "factorial", T_INT8),
    FN("scale", T_INT4, numeric_scale, 0, "digits after the point", T_NUMERIC),
    FN("min_scale", T_INT4, numeric_min_scale, 0, "digits needed after the point", T_NUMERIC),
    NUMERIC_ROW("trim_scale", numeric_trim_scale, "without zeros at the end"),
    FN("width_bucket", T_INT4, numeric_width_bucket, FN_FAILS,
       "in which of n equal buckets between two bounds the number falls", T_NUMERIC, T_NUMERIC,
       T_NUMERIC, T_INT4),
    FN_END,
};
