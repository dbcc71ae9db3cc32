/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric_math.c -- sqrt, exp, ln, log and power of nums.
 *
 * Place       expressions.
 * State       none; intermediate numbers live in a scratch arena of the caller's budget.
 * Invariants  M1  the display scale is the one PostgreSQL picks, from the same estimates in doubles
 *             M2  the value is right to that scale: everything is calculated with GUARD more digits
 * Cost        quadratic in the digits of the result, times a logarithm or a series.
 */
#include "data/numeric_impl.h"

#include <math.h>
#include <stdlib.h>

/* Decimal digits calculated beyond those asked for. */
enum { GUARD = 12, EXP_ARGUMENT_MAX = 6000, EXP_ESTIMATE_MAX = 2000 };
#define LOG10_E 0.434294481903252
#define LN_10   2.302585092994046

static int
scale_clip(int scale)
{
    return WR_MIN(WR_MAX(scale, 0), WR_NUM_CALC_SCALE_MAX);
}

/* ---- small steps ---- */

static weir_status
multiply_to(const wr_numvar *a, const wr_numvar *b, int scale, wr_numvar *out, wr_arena *scratch)
{
    WR_TRY(wr_numvar_multiply(a, b, out, scratch));
    wr_numvar_round(out, WR_MAX(scale, 0));
    return WEIR_OK;
}

static weir_status
divide_small(const wr_numvar *a, int64_t divisor, int scale, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar d;
    WR_TRY(wr_numvar_from_int64(divisor, &d, scratch));
    return wr_numvar_divide(a, &d, scale, true, out, scratch);
}

static weir_status
add_small(const wr_numvar *a, int64_t n, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar b;
    WR_TRY(wr_numvar_from_int64(n, &b, scratch));
    return wr_numvar_add(a, &b, false, out, scratch);
}

static weir_status
zero_make(int scale, wr_numvar *out, wr_arena *scratch)
{
    WR_TRY(wr_numvar_from_int64(0, out, scratch));
    out->scale = scale;
    return WEIR_OK;
}

/* The scale that leaves `digits` significant digits in a number of this weight. */
static int
scale_of_digits(int digits, int weight)
{
    return WR_MAX(digits - weight * 4, 0);
}

/* A double's first 15 digits or so; for starting values. */
static weir_status
numvar_from_double(double value, wr_numvar *out, wr_arena *scratch)
{
    wr_string num;
    wr_numvar v;
    WR_TRY(wr_num_from_double(value, scratch, &num));
    wr_numvar_load(&num, &v);
    return wr_numvar_copy(&v, out, scratch);
}

/* ---- square root ---- */

/* Newton's x <- (x + m / x) / 2 on m = a / 10000^(2k) in [1, 10^8), doubling the digits each time.
 */
static weir_status
numvar_sqrt(const wr_numvar *a, int scale, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar m, x, quotient, sum;
    if (a->count == 0)
        return zero_make(scale, out, scratch);
    int k = a->weight >= 0 ? a->weight / 2 : -((1 - a->weight) / 2);
    WR_TRY(wr_numvar_copy(a, &m, scratch));
    m.weight -= 2 * k;
    int wanted = WR_MAX(scale + 4 * k, 0) + GUARD;
    WR_TRY(numvar_from_double(sqrt(wr_numvar_to_double(&m)), &x, scratch));
    for (int digits = 14;; digits = WR_MIN(digits * 2, wanted)) {
        int step_scale = WR_MIN(digits * 2, wanted);
        WR_TRY(wr_numvar_divide(&m, &x, step_scale, true, &quotient, scratch));
        WR_TRY(wr_numvar_add(&x, &quotient, false, &sum, scratch));
        WR_TRY(divide_small(&sum, 2, step_scale, &x, scratch));
        if (digits >= wanted)
            break;
    }
    x.weight += k;
    WR_TRY(wr_numvar_copy(&x, out, scratch));
    wr_numvar_round(out, scale);
    return WEIR_OK;
}

/* ---- exponential ---- */

/* e^x for 0 <= x < 6000, to `digits` significant digits: a Taylor series of x / 2^halvings, which
 * is below 2^-7, squared as often. */
static weir_status
numvar_exp_positive(const wr_numvar *x, int digits, wr_numvar *out, wr_arena *scratch)
{
    int halvings = 7;
    for (double rest = wr_numvar_to_double(x); rest > 1; rest /= 2)
        halvings++;
    digits += GUARD + halvings / 3; /* each squaring doubles the relative error */
    wr_numvar small, term, product;
    WR_TRY(divide_small(x, (int64_t)1 << halvings, digits, &small, scratch));
    WR_TRY(wr_numvar_from_int64(1, &term, scratch));
    WR_TRY(wr_numvar_from_int64(1, out, scratch));
    for (int64_t i = 1; term.count > 0; i++) {
        wr_numvar sum;
        WR_TRY(multiply_to(&term, &small, digits, &product, scratch));
        WR_TRY(divide_small(&product, i, digits, &term, scratch));
        WR_TRY(wr_numvar_add(out, &term, false, &sum, scratch));
        WR_TRY(wr_numvar_copy(&sum, out, scratch));
    }
    for (int i = 0; i < halvings; i++) {
        WR_TRY(multiply_to(out, out, scale_of_digits(digits, 2 * out->weight), &product, scratch));
        WR_TRY(wr_numvar_copy(&product, out, scratch));
    }
    return WEIR_OK;
}

static weir_status
numvar_exp(const wr_numvar *x, int scale, wr_numvar *out, wr_arena *scratch)
{
    double value = wr_numvar_to_double(x);
    bool negative = x->kind == WR_NUM_NEGATIVE;
    if (fabs(value) >= EXP_ARGUMENT_MAX)
        return negative ? zero_make(scale, out, scratch) : WEIR_ROW_OVERFLOW;
    wr_numvar magnitude, result, one;
    int digits = WR_MAX(scale + (int)(value * LOG10_E), 0) + GUARD;
    WR_TRY(wr_numvar_copy(x, &magnitude, scratch));
    magnitude.kind = WR_NUM_POSITIVE;
    WR_TRY(numvar_exp_positive(&magnitude, digits, &result, scratch));
    if (negative) {
        WR_TRY(wr_numvar_from_int64(1, &one, scratch));
        return wr_numvar_divide(&one, &result, scale, true, out, scratch);
    }
    WR_TRY(wr_numvar_copy(&result, out, scratch));
    wr_numvar_round(out, scale);
    return WEIR_OK;
}

/* ---- logarithm ---- */

/* ln m for m > 0 of a weight near 0: square roots bring it close to 1, and there
 * ln y = 2 (z + z^3/3 + z^5/5 + ...) with z = (y - 1) / (y + 1). */
static weir_status
numvar_ln_near(const wr_numvar *m, int scale, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar y, root, above, below, z, square, power, term, sum;
    int roots = 0;
    WR_TRY(wr_numvar_copy(m, &y, scratch));
    for (double value = wr_numvar_to_double(m); value < 0.95 || value > 1.05; value = sqrt(value))
        roots++;
    int work = scale + GUARD + roots / 3;
    /* A root of a small number is larger: digits beyond `work` hardly matter, but do for m itself.
     */
    for (int i = 0; i < roots; i++) {
        WR_TRY(numvar_sqrt(&y, work, &root, scratch));
        WR_TRY(wr_numvar_copy(&root, &y, scratch));
    }
    WR_TRY(add_small(&y, -1, &above, scratch));
    WR_TRY(add_small(&y, 1, &below, scratch));
    WR_TRY(wr_numvar_divide(&above, &below, work, true, &z, scratch));
    WR_TRY(multiply_to(&z, &z, work, &square, scratch));
    WR_TRY(wr_numvar_copy(&z, &power, scratch));
    WR_TRY(wr_numvar_copy(&z, out, scratch));
    for (int64_t i = 3;; i += 2) {
        wr_numvar next;
        WR_TRY(multiply_to(&power, &square, work, &next, scratch));
        WR_TRY(wr_numvar_copy(&next, &power, scratch));
        WR_TRY(divide_small(&power, i, work, &term, scratch));
        if (term.count == 0)
            break;
        WR_TRY(wr_numvar_add(out, &term, false, &sum, scratch));
        WR_TRY(wr_numvar_copy(&sum, out, scratch));
    }
    WR_TRY(wr_numvar_from_int64((int64_t)2 << roots, &below, scratch));
    WR_TRY(wr_numvar_multiply(out, &below, &sum, scratch));
    WR_TRY(wr_numvar_copy(&sum, out, scratch));
    wr_numvar_round(out, scale);
    return WEIR_OK;
}

/* a > 0.  Far from 1 the power of 10000 is split off: ln a = ln m + weight * ln 10000. */
static weir_status
numvar_ln(const wr_numvar *a, int scale, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar m, base, ln_m, ln_base, weight, product;
    if (a->weight >= -1 && a->weight <= 1)
        return numvar_ln_near(a, scale, out, scratch);
    WR_TRY(wr_numvar_copy(a, &m, scratch));
    m.weight = 0;
    WR_TRY(numvar_ln_near(&m, scale + GUARD, &ln_m, scratch));
    WR_TRY(wr_numvar_from_int64(10000, &base, scratch));
    WR_TRY(numvar_ln_near(&base, scale + GUARD, &ln_base, scratch));
    WR_TRY(wr_numvar_from_int64(a->weight, &weight, scratch));
    WR_TRY(wr_numvar_multiply(&ln_base, &weight, &product, scratch));
    WR_TRY(wr_numvar_add(&ln_m, &product, false, out, scratch));
    wr_numvar_round(out, scale);
    return WEIR_OK;
}

/* About the power of ten of ln a, as PostgreSQL estimates it from the first digits. */
static weir_status
ln_estimate_power(const wr_numvar *a, int *power, wr_arena *scratch)
{
    double value = wr_numvar_to_double(a);
    *power = 0;
    if (a->count == 0 || a->kind == WR_NUM_NEGATIVE)
        return WEIR_OK;
    wr_numvar low, high, difference;
    WR_TRY(wr_numvar_from_int64(9, &low, scratch));
    WR_TRY(wr_numvar_from_int64(11, &high, scratch));
    wr_numvar ten, low_bound, high_bound;
    WR_TRY(wr_numvar_from_int64(10, &ten, scratch));
    WR_TRY(wr_numvar_divide(&low, &ten, 1, true, &low_bound, scratch));
    WR_TRY(wr_numvar_divide(&high, &ten, 1, true, &high_bound, scratch));
    if (value > 0.8 && value < 1.2 && wr_numvar_compare(a, &low_bound) >= 0 &&
        wr_numvar_compare(a, &high_bound) <= 0) {
        WR_TRY(add_small(a, -1, &difference, scratch)); /* ln(1 + x) is about x */
        if (difference.count > 0)
            *power = difference.weight * 4 + (int)log10((double)difference.digits[0]);
        return WEIR_OK;
    }
    double digits = a->digits[0];
    int exponent = a->weight * 4;
    if (a->count > 1) {
        digits = digits * 10000 + a->digits[1];
        exponent -= 4;
    }
    *power = (int)log10(fabs(log(digits) + exponent * LN_10));
    return WEIR_OK;
}

/* ---- power ---- */

static bool
numvar_is_odd(const wr_numvar *v)
{
    return v->count > 0 && v->count == v->weight + 1 && (v->digits[v->count - 1] & 1) != 0;
}

/* log10 of |base^exponent|, from the first 16 digits or so. */
static double
power_estimate(const wr_numvar *base, int exponent)
{
    double digits = base->digits[0];
    int power = base->weight * 4;
    for (int i = 1; i < base->count && i * 4 < 16; i++) {
        digits = digits * 10000 + base->digits[i];
        power -= 4;
    }
    return exponent * (log10(digits) + power);
}

/* Square and multiply with `digits` significant digits. */
static weir_status
power_by_squaring(const wr_numvar *base, unsigned exponent, int digits, wr_numvar *out,
                  wr_arena *scratch)
{
    wr_numvar square, product;
    WR_TRY(wr_numvar_copy(base, &square, scratch));
    if ((exponent & 1) != 0)
        WR_TRY(wr_numvar_copy(base, out, scratch));
    else
        WR_TRY(wr_numvar_from_int64(1, out, scratch));
    while ((exponent >>= 1) != 0) {
        int scale = WR_MIN(scale_of_digits(digits, 2 * square.weight), 2 * square.scale);
        WR_TRY(multiply_to(&square, &square, scale, &product, scratch));
        WR_TRY(wr_numvar_copy(&product, &square, scratch));
        if ((exponent & 1) != 0) {
            scale = scale_of_digits(digits, square.weight + out->weight);
            WR_TRY(multiply_to(&square, out, WR_MIN(scale, square.scale + out->scale), &product,
                               scratch));
            WR_TRY(wr_numvar_copy(&product, out, scratch));
        }
        if (square.weight > WR_NUM_WEIGHT_MAX || out->weight > WR_NUM_WEIGHT_MAX)
            return WEIR_ROW_OVERFLOW;
    }
    return WEIR_OK;
}

static weir_status
power_integer(const wr_numvar *base, int exponent, wr_numvar *out, wr_arena *scratch)
{
    int scale = scale_clip(WR_MAX(WR_NUM_SIGNIFICANT_MIN, base->scale));
    wr_numvar one, power;
    WR_TRY(wr_numvar_from_int64(1, &one, scratch));
    if (exponent == 0) {
        WR_TRY(wr_numvar_copy(&one, out, scratch));
        out->scale = scale;
        return WEIR_OK;
    }
    if (base->count == 0)
        return exponent < 0 ? WEIR_ROW_DIVISION_BY_ZERO : zero_make(scale, out, scratch);
    if (exponent == -1)
        return wr_numvar_divide(&one, base, scale, true, out, scratch);
    double size = power_estimate(base, exponent);
    if (size > 3.0 * WR_NUM_WEIGHT_MAX * 4)
        return WEIR_ROW_OVERFLOW;
    if (exponent != 1 && exponent != 2 && (size + 1 < -scale || size + 1 < -WR_NUM_CALC_SCALE_MAX))
        return zero_make(scale, out, scratch);
    int digits = 1 + scale + (int)WR_MAX(size, -scale) + (int)log(fabs((double)exponent)) + GUARD;
    weir_status status =
        power_by_squaring(base, (unsigned)llabs((long long)exponent), digits, &power, scratch);
    if (status == WEIR_ROW_OVERFLOW && exponent < 0)
        return zero_make(scale, out, scratch);
    WR_TRY(status);
    if (exponent < 0)
        return wr_numvar_divide(&one, &power, scale, true, out, scratch);
    WR_TRY(wr_numvar_copy(&power, out, scratch));
    wr_numvar_round(out, scale);
    return WEIR_OK;
}

/* e^(exponent * ln base), base not 0. */
static weir_status
power_general(const wr_numvar *given, const wr_numvar *exponent, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar base, ln_base, product;
    int ln_power;
    bool negative = given->kind == WR_NUM_NEGATIVE && numvar_is_odd(exponent);
    WR_TRY(wr_numvar_copy(given, &base, scratch));
    base.kind = WR_NUM_POSITIVE;
    WR_TRY(ln_estimate_power(&base, &ln_power, scratch));
    /* Eight digits of ln base tell how large the result will be. */
    int scale = WR_MAX(8 - ln_power, 0);
    WR_TRY(numvar_ln(&base, scale, &ln_base, scratch));
    WR_TRY(multiply_to(&ln_base, exponent, scale, &product, scratch));
    double value = wr_numvar_to_double(&product);
    if (fabs(value) > EXP_ARGUMENT_MAX * 1.00333333)
        return value > 0 ? WEIR_ROW_OVERFLOW : zero_make(WR_NUM_CALC_SCALE_MAX, out, scratch);
    value *= LOG10_E;
    scale = WR_NUM_SIGNIFICANT_MIN - (int)value;
    scale = scale_clip(WR_MAX(scale, WR_MAX(given->scale, exponent->scale)));
    int digits = WR_MAX(scale + (int)value, 0);
    int work = WR_MAX(digits - ln_power + 8, 0) + GUARD;
    int exponent_digits =
        WR_MAX(exponent->weight + 1, 0) * 4; /* they multiply the error of ln base */
    WR_TRY(numvar_ln(&base, work + exponent_digits, &ln_base, scratch));
    WR_TRY(multiply_to(&ln_base, exponent, work, &product, scratch));
    WR_TRY(numvar_exp(&product, scale, out, scratch));
    if (negative && out->count > 0)
        out->kind = WR_NUM_NEGATIVE;
    return WEIR_OK;
}

static weir_status
numvar_power(const wr_numvar *base, const wr_numvar *exponent, wr_numvar *out, wr_arena *scratch)
{
    int64_t integer;
    if (base->count == 0 && exponent->count > 0 && exponent->kind == WR_NUM_NEGATIVE)
        return WEIR_ROW_INVALID_ARGUMENT; /* zero to a negative power */
    if (base->count > 0 && base->kind == WR_NUM_NEGATIVE && !wr_numvar_is_integral(exponent))
        return WEIR_ROW_INVALID_ARGUMENT; /* a complex number */
    if (wr_numvar_is_integral(exponent) && wr_numvar_to_int64(exponent, &integer) &&
        integer >= INT32_MIN && integer <= INT32_MAX)
        return power_integer(base, (int)integer, out, scratch);
    if (base->count == 0)
        return zero_make(WR_NUM_SIGNIFICANT_MIN, out, scratch);
    return power_general(base, exponent, out, scratch);
}

static bool
numvar_is_one(const wr_numvar *v, bool minus)
{
    return v->kind == (minus ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE) && v->count == 1 &&
           v->weight == 0 && v->digits[0] == 1;
}

/* At least one of a and b is NaN or infinite: POSIX's pow(3). */
static weir_status
power_special(const wr_numvar *a, const wr_numvar *b, wr_arena *arena, wr_string *out)
{
    bool finite_a = wr_numvar_is_finite(a), finite_b = wr_numvar_is_finite(b);
    bool zero_a = finite_a && a->count == 0, zero_b = finite_b && b->count == 0;
    *out = wr_num_special(WR_NUM_NAN, 0);
    if (a->kind == WR_NUM_NAN || b->kind == WR_NUM_NAN) {
        bool one =
            (a->kind == WR_NUM_NAN && zero_b) || (b->kind == WR_NUM_NAN && numvar_is_one(a, false));
        return one ? wr_num_from_int64(1, arena, out) : WEIR_OK;
    }
    bool below_a = a->kind == WR_NUM_NEGINF || (finite_a && !zero_a && a->kind == WR_NUM_NEGATIVE);
    bool below_b = b->kind == WR_NUM_NEGINF || (finite_b && !zero_b && b->kind == WR_NUM_NEGATIVE);
    if ((zero_a && below_b) || (below_a && finite_b && !wr_numvar_is_integral(b)))
        return WEIR_ROW_INVALID_ARGUMENT;
    if (numvar_is_one(a, false) || zero_b || (!finite_b && numvar_is_one(a, true)))
        return wr_num_from_int64(1, arena, out);
    bool infinite;
    if (zero_a) {
        infinite = false;
    } else if (!finite_b) {
        wr_numvar magnitude = {
            .kind = WR_NUM_POSITIVE, .weight = a->weight, .count = a->count, .digits = a->digits
        };
        wr_numvar one = { .kind = WR_NUM_POSITIVE, .count = 1 };
        one.digits = one.small;
        one.small[0] = 1;
        infinite = (!finite_a || wr_numvar_compare(&magnitude, &one) > 0) == !below_b;
    } else {
        infinite = !below_b;
    }
    bool minus = infinite && a->kind == WR_NUM_NEGINF && finite_b && numvar_is_odd(b);
    *out = infinite ? wr_num_special(minus ? WR_NUM_NEGINF : WR_NUM_POSINF, 0)
                    : wr_num_special(WR_NUM_POSITIVE, 0);
    return WEIR_OK;
}

/* ---- the doors ---- */

typedef enum math { SQRT, EXP, LN } math;

static weir_status
math_finite(math what, const wr_numvar *v, wr_numvar *out, wr_arena *scratch)
{
    bool negative = v->kind == WR_NUM_NEGATIVE;
    int power, scale;
    switch (what) {
    case SQRT:
        if (negative)
            return WEIR_ROW_INVALID_ARGUMENT;
        scale = WR_NUM_SIGNIFICANT_MIN - ((v->weight + 1) * 4 / 2 - 1);
        return numvar_sqrt(v, scale_clip(WR_MAX(scale, v->scale)), out, scratch);
    case EXP: {
        double digits = wr_numvar_to_double(v) * LOG10_E;
        digits = fmin(fmax(digits, -EXP_ESTIMATE_MAX), EXP_ESTIMATE_MAX);
        scale = WR_NUM_SIGNIFICANT_MIN - (int)digits;
        return numvar_exp(v, scale_clip(WR_MAX(scale, v->scale)), out, scratch);
    }
    case LN:
        if (negative || v->count == 0)
            return WEIR_ROW_INVALID_ARGUMENT;
        WR_TRY(ln_estimate_power(v, &power, scratch));
        scale = WR_NUM_SIGNIFICANT_MIN - power;
        return numvar_ln(v, scale_clip(WR_MAX(scale, v->scale)), out, scratch);
    }
    wr_unreachable();
}

static weir_status
math_apply(math what, const wr_string *a, wr_arena *arena, wr_string *out)
{
    wr_numvar v, result;
    wr_arena scratch;
    wr_numvar_load(a, &v);
    if (!wr_numvar_is_finite(&v)) {
        if (v.kind == WR_NUM_NEGINF && what != EXP)
            return WEIR_ROW_INVALID_ARGUMENT;
        *out = v.kind == WR_NUM_NEGINF ? wr_num_special(WR_NUM_POSITIVE, 0)
                                       : wr_num_special(v.kind, 0);
        return WEIR_OK;
    }
    wr_arena_init(&scratch, arena->budget);
    weir_status status = math_finite(what, &v, &result, &scratch);
    if (status == WEIR_OK)
        status = wr_numvar_store(&result, arena, out);
    wr_arena_fini(&scratch);
    return status;
}

weir_status
wr_num_sqrt(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return math_apply(SQRT, a, arena, out);
}

weir_status
wr_num_exp(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return math_apply(EXP, a, arena, out);
}

weir_status
wr_num_ln(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return math_apply(LN, a, arena, out);
}

static weir_status
numvar_log(const wr_numvar *base, const wr_numvar *a, wr_numvar *out, wr_arena *scratch)
{
    wr_numvar ln_base, ln_a;
    int power_base, power_a;
    if (base->count == 0 || base->kind == WR_NUM_NEGATIVE || a->count == 0 ||
        a->kind == WR_NUM_NEGATIVE)
        return WEIR_ROW_INVALID_ARGUMENT;
    WR_TRY(ln_estimate_power(base, &power_base, scratch));
    WR_TRY(ln_estimate_power(a, &power_a, scratch));
    int power = power_a - power_base;
    int scale = WR_NUM_SIGNIFICANT_MIN - power;
    scale = scale_clip(WR_MAX(scale, WR_MAX(base->scale, a->scale)));
    int digits = WR_MAX(scale + power, 0) + 8 + GUARD;
    WR_TRY(numvar_ln(base, WR_MAX(digits - power_base, 0), &ln_base, scratch));
    WR_TRY(numvar_ln(a, WR_MAX(digits - power_a, 0), &ln_a, scratch));
    if (ln_base.count == 0)
        return WEIR_ROW_DIVISION_BY_ZERO;
    return wr_numvar_divide(&ln_a, &ln_base, scale, true, out, scratch);
}

/* At least one is NaN or infinite. */
static weir_status
log_special(const wr_numvar *base, const wr_numvar *a, wr_string *out)
{
    *out = wr_num_special(WR_NUM_NAN, 0);
    if (base->kind == WR_NUM_NAN || a->kind == WR_NUM_NAN)
        return WEIR_OK;
    for (int i = 0; i < 2; i++) {
        const wr_numvar *v = i == 0 ? base : a;
        if (v->kind == WR_NUM_NEGINF ||
            (wr_numvar_is_finite(v) && (v->count == 0 || v->kind == WR_NUM_NEGATIVE)))
            return WEIR_ROW_INVALID_ARGUMENT;
    }
    if (base->kind == WR_NUM_POSINF && a->kind == WR_NUM_POSINF)
        return WEIR_OK;
    *out = base->kind == WR_NUM_POSINF ? wr_num_special(WR_NUM_POSITIVE, 0)
                                       : wr_num_special(WR_NUM_POSINF, 0);
    return WEIR_OK;
}

weir_status
wr_num_log(const wr_string *base, const wr_string *a, wr_arena *arena, wr_string *out)
{
    wr_numvar x, y, result;
    wr_arena scratch;
    wr_numvar_load(base, &x);
    wr_numvar_load(a, &y);
    if (!wr_numvar_is_finite(&x) || !wr_numvar_is_finite(&y))
        return log_special(&x, &y, out);
    wr_arena_init(&scratch, arena->budget);
    weir_status status = numvar_log(&x, &y, &result, &scratch);
    if (status == WEIR_OK)
        status = wr_numvar_store(&result, arena, out);
    wr_arena_fini(&scratch);
    return status;
}

weir_status
wr_num_power(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    wr_numvar x, y, result;
    wr_arena scratch;
    wr_numvar_load(a, &x);
    wr_numvar_load(b, &y);
    if (!wr_numvar_is_finite(&x) || !wr_numvar_is_finite(&y))
        return power_special(&x, &y, arena, out);
    wr_arena_init(&scratch, arena->budget);
    weir_status status = numvar_power(&x, &y, &result, &scratch);
    if (status == WEIR_OK)
        status = wr_numvar_store(&result, arena, out);
    wr_arena_fini(&scratch);
    return status;
}
