/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_float.c -- double precision: roots, powers, logarithms, trigonometry, rounding, random.
 *
 * Place       rows of the function registry.
 * Invariants  an infinite result of finite arguments is an overflow, a zero that cannot be one an
 *             underflow; NaN goes in and out without an error
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

#include <errno.h>
#include <math.h>

static const double radians_per_degree = 0.0174532925199432957692;

static weir_status
float_fail(wr_eval *eval, uint32_t row, const char *text)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "%s", text);
}

static weir_status
float_out_of_range(wr_eval *eval, uint32_t row)
{
    return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "input is out of range");
}

/* Gives result unless it went out of range; `zero` says that 0 is a proper answer. */
static weir_status
float_give(wr_eval *eval, uint32_t row, double result, bool infinite, bool zero, wr_value *out)
{
    if (isinf(result) && !infinite)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "value out of range: overflow");
    if (result == 0 && !zero)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "value out of range: underflow");
    out->real = result;
    return WEIR_OK;
}

/* --- one argument, never failing --- */

#define FLOAT_UNARY(NAME, EXPRESSION)                                                              \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        double x = args[0].real;                                                                   \
        out->real = (EXPRESSION);                                                                  \
        return WEIR_OK;                                                                            \
    }
FLOAT_UNARY(float_abs, fabs(x))
FLOAT_UNARY(float_ceil, ceil(x))
FLOAT_UNARY(float_floor, floor(x))
FLOAT_UNARY(float_round, rint(x))
FLOAT_UNARY(float_trunc, trunc(x))
FLOAT_UNARY(float_sign, (x > 0) - (x < 0))
FLOAT_UNARY(float_cbrt, cbrt(x))
FLOAT_UNARY(float_atan, atan(x))
FLOAT_UNARY(float_sinh, sinh(x))
FLOAT_UNARY(float_cosh, cosh(x))
FLOAT_UNARY(float_tanh, tanh(x))
FLOAT_UNARY(float_asinh, asinh(x))

FN_KERNEL(float_pi)
{
    out->real = M_PI;
    return WEIR_OK;
}

FN_KERNEL(float_random)
{
    out->real = wr_random_unit(&eval->random);
    return WEIR_OK;
}

FN_KERNEL(float_atan2)
{
    out->real = atan2(args[0].real, args[1].real);
    return WEIR_OK;
}

FN_KERNEL(float_degrees)
{
    double x = args[0].real;
    return float_give(eval, row, x / radians_per_degree, isinf(x), true, out);
}

FN_KERNEL(float_radians)
{
    double x = args[0].real, radians = x * radians_per_degree;
    return float_give(eval, row, radians, true, x == 0 || radians != 0, out);
}

/* --- roots, powers, logarithms --- */

FN_KERNEL(float_sqrt)
{
    double x = args[0].real;
    if (x < 0)
        return float_fail(eval, row, "cannot take square root of a negative number");
    out->real = sqrt(x);
    return WEIR_OK;
}

FN_KERNEL(float_power)
{
    double a = args[0].real, b = args[1].real;
    if (a == 0 && b < 0)
        return float_fail(eval, row, "zero raised to a negative power is undefined");
    if (a < 0 && !isinf(b) && !isnan(b) && floor(b) != b)
        return float_fail(eval, row,
                          "a negative number raised to a non-integer power yields a complex "
                          "result");
    bool special = isinf(a) || isinf(b);
    return float_give(eval, row, pow(a, b), special, special || a == 0, out);
}

FN_KERNEL(float_exp)
{
    double x = args[0].real;
    return float_give(eval, row, exp(x), isinf(x), isinf(x), out);
}

static weir_status
float_logarithm(wr_eval *eval, uint32_t row, double x, double (*logarithm)(double), wr_value *out)
{
    if (x == 0)
        return float_fail(eval, row, "cannot take logarithm of zero");
    if (x < 0)
        return float_fail(eval, row, "cannot take logarithm of a negative number");
    out->real = logarithm(x);
    return WEIR_OK;
}

FN_KERNEL(float_ln)
{
    return float_logarithm(eval, row, args[0].real, log, out);
}

FN_KERNEL(float_log10)
{
    return float_logarithm(eval, row, args[0].real, log10, out);
}

/* --- trigonometry in radians --- */

#define FLOAT_BOUNDED(NAME, REFUSED, EXPRESSION)                                                   \
    FN_KERNEL(NAME)                                                                                \
    {                                                                                              \
        double x = args[0].real;                                                                   \
        if (REFUSED)                                                                               \
            return float_out_of_range(eval, row);                                                  \
        out->real = (EXPRESSION);                                                                  \
        return WEIR_OK;                                                                            \
    }
FLOAT_BOUNDED(float_sin, isinf(x), sin(x))
FLOAT_BOUNDED(float_cos, isinf(x), cos(x))
FLOAT_BOUNDED(float_tan, isinf(x), tan(x))
FLOAT_BOUNDED(float_cot, isinf(x), 1.0 / tan(x))
FLOAT_BOUNDED(float_asin, x < -1 || x > 1, asin(x))
FLOAT_BOUNDED(float_acos, x < -1 || x > 1, acos(x))
FLOAT_BOUNDED(float_acosh, x < 1, acosh(x))
FLOAT_BOUNDED(float_atanh, x < -1 || x > 1, atanh(x))

/* --- trigonometry in degrees: exact at multiples of 30 and 45 --- */

static double
sin_to_30(double x)
{
    return sin(x * radians_per_degree) / sin(30.0 * radians_per_degree) / 2.0;
}

static double
cos_to_60(double x)
{
    double one_minus_cos_60 = 1.0 - cos(60.0 * radians_per_degree);
    return 1.0 - (1.0 - cos(x * radians_per_degree)) / one_minus_cos_60 / 2.0;
}

/* In the first quadrant, 0 to 90 degrees. */
static double
sin_quadrant(double x)
{
    return x <= 30.0 ? sin_to_30(x) : cos_to_60(90.0 - x);
}

static double
cos_quadrant(double x)
{
    return x <= 60.0 ? cos_to_60(x) : sin_to_30(90.0 - x);
}

static double
asin_quadrant(double x)
{
    return x <= 0.5 ? asin(x) / asin(0.5) * 30.0 : 90.0 - acos(x) / acos(0.5) * 60.0;
}

static double
acos_quadrant(double x)
{
    return x <= 0.5 ? 90.0 - asin(x) / asin(0.5) * 30.0 : acos(x) / acos(0.5) * 60.0;
}

/* Folds an angle into the first quadrant; the signs that sine and cosine have where it was. */
static double
angle_fold(double x, int *sin_sign, int *cos_sign)
{
    *sin_sign = *cos_sign = 1;
    x = fmod(x, 360.0);
    if (x < 0) {
        x = -x;
        *sin_sign = -*sin_sign;
    }
    if (x > 180.0) {
        x = 360.0 - x;
        *sin_sign = -*sin_sign;
    }
    if (x > 90.0) {
        x = 180.0 - x;
        *cos_sign = -1;
    }
    return x;
}

static double
sin_degrees(double x)
{
    int    s, c;
    double folded = angle_fold(x, &s, &c);
    return s * sin_quadrant(folded);
}

static double
cos_degrees(double x)
{
    int    s, c;
    double folded = angle_fold(x, &s, &c);
    return c * cos_quadrant(folded);
}

static double
tan_degrees(double x)
{
    int    s, c;
    double folded = angle_fold(x, &s, &c);
    double at_45 = sin_quadrant(45.0) / cos_quadrant(45.0);
    return s * c * (sin_quadrant(folded) / cos_quadrant(folded) / at_45) + 0.0; /* no -0 */
}

static double
cot_degrees(double x)
{
    int    s, c;
    double folded = angle_fold(x, &s, &c);
    double at_45 = cos_quadrant(45.0) / sin_quadrant(45.0);
    return s * c * (cos_quadrant(folded) / sin_quadrant(folded) / at_45) + 0.0;
}

FLOAT_BOUNDED(float_sind, isinf(x), isnan(x) ? x : sin_degrees(x))
FLOAT_BOUNDED(float_cosd, isinf(x), isnan(x) ? x : cos_degrees(x))
FLOAT_BOUNDED(float_tand, isinf(x), isnan(x) ? x : tan_degrees(x))
FLOAT_BOUNDED(float_cotd, isinf(x), isnan(x) ? x : cot_degrees(x))
FLOAT_BOUNDED(float_asind, x < -1 || x > 1, x >= 0 ? asin_quadrant(x) : -asin_quadrant(-x))
FLOAT_BOUNDED(float_acosd, x < -1 || x > 1, x >= 0 ? acos_quadrant(x) : 90.0 + asin_quadrant(-x))
FLOAT_UNARY(float_atand, atan(x) / atan(1.0) * 45.0)

FN_KERNEL(float_atan2d)
{
    out->real = atan2(args[0].real, args[1].real) / atan(1.0) * 45.0;
    return WEIR_OK;
}

/* --- width_bucket --- */

FN_KERNEL(float_width_bucket)
{
    double  x = args[0].real, low = args[1].real, high = args[2].real;
    int64_t count = args[3].integer, bucket;
    if (count <= 0)
        return float_fail(eval, row, "count must be greater than zero");
    if (isnan(x) || isnan(low) || isnan(high))
        return float_fail(eval, row, "operand, lower bound, and upper bound cannot be NaN");
    if (isinf(low) || isinf(high))
        return float_fail(eval, row, "lower and upper bounds must be finite");
    if (low == high)
        return float_fail(eval, row, "lower bound cannot equal upper bound");
    bool up = low < high;
    if (up ? x < low : x > low) {
        bucket = 0;
    } else if (up ? x >= high : x <= high) {
        bucket = count + 1;
    } else {
        /* Multiplied first, as PostgreSQL rounds; divided first where that is too much. */
        double above = up ? x - low : low - x, width = up ? high - low : low - high;
        double place = (double) count * above / width;
        if (!isfinite(place))
            place = (double) count * ((x / 2 - low / 2) / (high / 2 - low / 2));
        bucket = (int64_t) place + 1;
    }
    if (bucket > INT32_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "integer out of range");
    out->integer = bucket;
    return WEIR_OK;
}

/* --- vector kernels --- */

#define FLOAT_VECTOR(NAME, EXPRESSION)                                                             \
    static weir_status NAME(wr_eval *eval, const wr_expr *call, wr_column *const *args,            \
                            uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)  \
    {                                                                                              \
        if (args[0]->layout != WR_FLAT)                                                            \
            return WEIR_QUERY_UNSUPPORTED;                                                         \
        uint16_t   kept[WR_BATCH_ROWS_MAX];                                                        \
        wr_rows    live;                                                                           \
        wr_column *made;                                                                           \
        WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));  \
        const double *from = args[0]->data;                                                        \
        double       *to = made->data;                                                             \
        for (uint32_t i = 0; i < live.count; i++) {                                                \
            double x = from[fn_row(live, i)];                                                      \
            to[fn_row(live, i)] = (EXPRESSION);                                                    \
        }                                                                                          \
        *out = made;                                                                               \
        return WEIR_OK;                                                                            \
    }
FLOAT_VECTOR(float_abs_vector, fabs(x))
FLOAT_VECTOR(float_ceil_vector, ceil(x))
FLOAT_VECTOR(float_floor_vector, floor(x))
FLOAT_VECTOR(float_round_vector, rint(x))
FLOAT_VECTOR(float_trunc_vector, trunc(x))

#define FN_TOPIC "number"
#define FLOAT_ROW(NAME, KERNEL, FLAGS, DOC) FN(NAME, T_FLOAT8, KERNEL, FLAGS, DOC, T_FLOAT8)
const wr_function wr_fn_float[] = {
    FN("abs", T_FLOAT4, float_abs, 0, "absolute value", T_FLOAT4),
    FNV("abs", T_FLOAT8, float_abs, float_abs_vector, 0, "absolute value", T_FLOAT8),
    FN("@", T_FLOAT4, float_abs, 0, "absolute value", T_FLOAT4),
    FNV("@", T_FLOAT8, float_abs, float_abs_vector, 0, "absolute value", T_FLOAT8),
    FNV("ceil", T_FLOAT8, float_ceil, float_ceil_vector, 0, "nearest integer above", T_FLOAT8),
    FNV("ceiling", T_FLOAT8, float_ceil, float_ceil_vector, 0, "nearest integer above", T_FLOAT8),
    FNV("floor", T_FLOAT8, float_floor, float_floor_vector, 0, "nearest integer below", T_FLOAT8),
    FNV("round", T_FLOAT8, float_round, float_round_vector, 0, "nearest integer, ties to even",
        T_FLOAT8),
    FNV("trunc", T_FLOAT8, float_trunc, float_trunc_vector, 0, "nearest integer towards zero",
        T_FLOAT8),
    FLOAT_ROW("sign", float_sign, 0, "-1, 0 or 1"),
    FLOAT_ROW("sqrt", float_sqrt, FN_FAILS, "square root"),
    FLOAT_ROW("|/", float_sqrt, FN_FAILS, "square root"),
    FLOAT_ROW("cbrt", float_cbrt, 0, "cube root"),
    FLOAT_ROW("||/", float_cbrt, 0, "cube root"),
    FN("power", T_FLOAT8, float_power, FN_FAILS, "a to the power of b", T_FLOAT8, T_FLOAT8),
    FN("pow", T_FLOAT8, float_power, FN_FAILS, "a to the power of b", T_FLOAT8, T_FLOAT8),
    FN("^", T_FLOAT8, float_power, FN_FAILS, "a to the power of b", T_FLOAT8, T_FLOAT8),
    FLOAT_ROW("exp", float_exp, FN_FAILS, "e to the power of x"),
    FLOAT_ROW("ln", float_ln, FN_FAILS, "natural logarithm"),
    FLOAT_ROW("log", float_log10, FN_FAILS, "logarithm to base 10"),
    FLOAT_ROW("log10", float_log10, FN_FAILS, "logarithm to base 10"),
    FN("pi", T_FLOAT8, float_pi, 0, "the constant pi"),
    FLOAT_ROW("degrees", float_degrees, FN_FAILS, "radians to degrees"),
    FLOAT_ROW("radians", float_radians, FN_FAILS, "degrees to radians"),
    FLOAT_ROW("sin", float_sin, FN_FAILS, "sine"),
    FLOAT_ROW("cos", float_cos, FN_FAILS, "cosine"),
    FLOAT_ROW("tan", float_tan, FN_FAILS, "tangent"),
    FLOAT_ROW("cot", float_cot, FN_FAILS, "cotangent"),
    FLOAT_ROW("asin", float_asin, FN_FAILS, "inverse sine"),
    FLOAT_ROW("acos", float_acos, FN_FAILS, "inverse cosine"),
    FLOAT_ROW("atan", float_atan, 0, "inverse tangent"),
    FN("atan2", T_FLOAT8, float_atan2, 0, "inverse tangent of y/x", T_FLOAT8, T_FLOAT8),
    FLOAT_ROW("sinh", float_sinh, 0, "hyperbolic sine"),
    FLOAT_ROW("cosh", float_cosh, 0, "hyperbolic cosine"),
    FLOAT_ROW("tanh", float_tanh, 0, "hyperbolic tangent"),
    FLOAT_ROW("asinh", float_asinh, 0, "inverse hyperbolic sine"),
    FLOAT_ROW("acosh", float_acosh, FN_FAILS, "inverse hyperbolic cosine"),
    FLOAT_ROW("atanh", float_atanh, FN_FAILS, "inverse hyperbolic tangent"),
    FLOAT_ROW("sind", float_sind, FN_FAILS, "sine of degrees"),
    FLOAT_ROW("cosd", float_cosd, FN_FAILS, "cosine of degrees"),
    FLOAT_ROW("tand", float_tand, FN_FAILS, "tangent of degrees"),
    FLOAT_ROW("cotd", float_cotd, FN_FAILS, "cotangent of degrees"),
    FLOAT_ROW("asind", float_asind, FN_FAILS, "inverse sine in degrees"),
    FLOAT_ROW("acosd", float_acosd, FN_FAILS, "inverse cosine in degrees"),
    FLOAT_ROW("atand", float_atand, 0, "inverse tangent in degrees"),
    FN("atan2d", T_FLOAT8, float_atan2d, 0, "inverse tangent of y/x in degrees", T_FLOAT8,
       T_FLOAT8),
    FN("random", T_FLOAT8, float_random, FN_VOLATILE, "uniform in [0, 1)"),
    FN("width_bucket", T_INT4, float_width_bucket, FN_FAILS,
       "in which of n equal buckets between two bounds the number falls", T_FLOAT8, T_FLOAT8,
       T_FLOAT8, T_INT4),
    FN_END,
};
