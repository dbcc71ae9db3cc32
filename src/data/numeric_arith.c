/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric_arith.c -- adding, multiplying, dividing and rounding in base 10000.
 *
 * Place       expressions and aggregates; numeric_math.c builds on the wr_numvar half.
 * State       none.  Numbers of up to WR_NUMVAR_SMALL digits (112 decimals) are worked on the stack,
 *             larger ones in a scratch arena of the caller's budget.
 * Invariants  N1  a quotient has at least 16 significant digits and the larger display scale
 * Cost        sums linear, products and quotients the product of the lengths.
 */
#include "data/numeric_impl.h"

#include <string.h>

enum { BASE = 10000 };

static const int powers[] = { 1, 10, 100, 1000, 10000 };

/* ---- rounding ---- */

/* Cut v after `kept` decimal digits, counted from the first digit of digits[0]; round up when asked
 * and the digit after is 5 or more. */
static void
numvar_cut(wr_numvar *v, int64_t kept, bool round)
{
    bool carry = false;
    if (kept < 0 || (kept == 0 && !round)) {
        v->count = 0;
    } else if (kept < (int64_t)v->count * 4) {
        int whole = (int)(kept / 4), part = (int)(kept % 4);
        if (v->count == 0)
            return;
        int digit = v->digits[whole], unit = powers[4 - part];
        carry = round && digit % unit >= unit / 2;
        v->count = whole + (part > 0);
        if (part > 0) {
            digit = digit - digit % unit + (carry ? unit : 0);
            carry = digit >= BASE;
            v->digits[whole] = (wr_digit)(carry ? digit - BASE : digit);
        }
        for (int i = whole - 1; carry && i >= 0; i--) {
            carry = v->digits[i] == BASE - 1;
            v->digits[i] = carry ? 0 : (wr_digit)(v->digits[i] + 1);
        }
        if (carry) { /* all kept digits were nines */
            v->digits[0] = 1;
            v->count = 1;
            v->weight++;
        }
    }
    wr_numvar_strip(v);
}

void
wr_numvar_round(wr_numvar *v, int scale)
{
    numvar_cut(v, ((int64_t)v->weight + 1) * 4 + scale, true);
    v->scale = WR_MAX(scale, 0);
}

void
wr_numvar_trunc(wr_numvar *v, int scale)
{
    numvar_cut(v, ((int64_t)v->weight + 1) * 4 + scale, false);
    v->scale = WR_MAX(scale, 0);
}

/* ---- sums ---- */

static inline int
digit_at(const wr_numvar *v, int power)
{
    int i = v->weight - power;
    return i >= 0 && i < v->count ? v->digits[i] : 0;
}

/* |a| + |b|, or |a| - |b| where |a| >= |b|. */
static weir_status
magnitudes_combine(const wr_numvar *a, const wr_numvar *b, bool subtract, wr_numvar *out,
                   wr_arena *scratch)
{
    int top = WR_MAX(a->weight, b->weight) + 1;
    int low = WR_MIN(a->weight - a->count, b->weight - b->count) + 1;
    int carry = 0, factor = subtract ? -1 : 1;
    WR_TRY(wr_numvar_make(out, top - low + 1, scratch));
    for (int power = low; power <= top; power++) {
        int sum = digit_at(a, power) + factor * digit_at(b, power) + carry;
        carry = sum >= BASE ? 1 : sum < 0 ? -1 : 0;
        out->digits[top - power] = (wr_digit)(sum - carry * BASE);
    }
    wr_assert(carry == 0);
    out->weight = top;
    return WEIR_OK;
}

weir_status
wr_numvar_add(const wr_numvar *a, const wr_numvar *b, bool subtract, wr_numvar *out,
              wr_arena *scratch)
{
    wr_num_kind sign_b =
        subtract ? (b->kind == WR_NUM_POSITIVE ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE) : b->kind;
    if (a->count == 0 || b->count == 0) { /* zeros have no weight of their own */
        WR_TRY(wr_numvar_copy(a->count == 0 ? b : a, out, scratch));
        out->kind = a->count == 0 ? sign_b : a->kind;
    } else if (a->kind == sign_b) {
        WR_TRY(magnitudes_combine(a, b, false, out, scratch));
        out->kind = a->kind;
    } else {
        bool swap = wr_numvar_compare_abs(a, b) < 0;
        WR_TRY(magnitudes_combine(swap ? b : a, swap ? a : b, true, out, scratch));
        out->kind = swap ? sign_b : a->kind;
    }
    out->scale = WR_MAX(a->scale, b->scale);
    wr_numvar_strip(out);
    return WEIR_OK;
}

/* ---- products ---- */

weir_status
wr_numvar_multiply(const wr_numvar *a, const wr_numvar *b, wr_numvar *out, wr_arena *scratch)
{
    uint64_t carry = 0;
    WR_TRY(wr_numvar_make(out, a->count + b->count, scratch));
    /* A column at a time from the right: a sum of n products stays below n * 10^8. */
    for (int k = a->count + b->count - 2; k >= 0; k--) {
        int first = WR_MAX(0, k - b->count + 1), last = WR_MIN(a->count - 1, k);
        for (int i = first; i <= last; i++)
            carry += (uint64_t)(uint32_t)(a->digits[i] * b->digits[k - i]);
        out->digits[k + 1] = (wr_digit)(carry % BASE);
        carry /= BASE;
    }
    if (a->count > 0 && b->count > 0)
        out->digits[0] = (wr_digit)carry;
    else
        out->count = 0;
    out->kind = a->kind == b->kind ? WR_NUM_POSITIVE : WR_NUM_NEGATIVE;
    out->weight = a->weight + b->weight + 1;
    out->scale = a->scale + b->scale;
    wr_numvar_strip(out);
    return WEIR_OK;
}

/* ---- quotients ---- */

/* Divisors of up to three digits: the rest and one more digit fit a word. */
static void
divide_short(const wr_numvar *a, const wr_numvar *b, int quotient_count, wr_digit *q)
{
    uint64_t divisor = 0, rest = 0;
    for (int i = 0; i < b->count; i++)
        divisor = divisor * BASE + (uint64_t)b->digits[i];
    /* The first quotient digit takes b->count digits of a, the others one more each. */
    for (int i = 0; i < b->count - 1; i++)
        rest = rest * BASE + (uint64_t)(i < a->count ? a->digits[i] : 0);
    for (int i = 0; i < quotient_count; i++) {
        int at = i + b->count - 1;
        rest = rest * BASE + (uint64_t)(at < a->count ? a->digits[at] : 0);
        q[i] = (wr_digit)(rest / divisor);
        rest %= divisor;
    }
}

/* Knuth's algorithm D (TAOCP 4.3.1).  u has quotient_count + n digits, v has n > 1; both are scaled
 * so that v[0] >= BASE / 2 and u[0] is the spare one in front. */
static void
divide_long(int32_t *u, const int32_t *v, int n, int quotient_count, wr_digit *q)
{
    for (int j = 0; j < quotient_count; j++) {
        int32_t top = u[j] * BASE + u[j + 1];
        int32_t guess = top / v[0], rest = top % v[0];
        while (guess >= BASE || (rest < BASE && guess * v[1] > rest * BASE + u[j + 2])) {
            guess--;
            rest += v[0];
            if (rest >= BASE)
                break;
        }
        int32_t borrow = 0;
        for (int i = n - 1; i >= 0; i--) {
            int32_t part = u[j + 1 + i] - guess * v[i] + borrow;
            borrow = part >= 0 ? 0 : -((BASE - 1 - part) / BASE);
            u[j + 1 + i] = part - borrow * BASE;
        }
        u[j] += borrow;
        if (u[j] < 0) { /* the guess was one too high: add back */
            int32_t carry = 0;
            guess--;
            for (int i = n - 1; i >= 0; i--) {
                int32_t sum = u[j + 1 + i] + v[i] + carry;
                carry = sum >= BASE;
                u[j + 1 + i] = sum - carry * BASE;
            }
            u[j] += carry;
        }
        wr_debug_assert(u[j] == 0);
        q[j] = (wr_digit)guess;
    }
}

static weir_status
divide_scaled(const wr_numvar *a, const wr_numvar *b, int quotient_count, wr_digit *q,
              wr_arena *scratch)
{
    int n = b->count, length = quotient_count + n, scale = BASE / (b->digits[0] + 1);
    int32_t *u = wr_arena_alloc(scratch, ((size_t)length + (size_t)n + 1) * sizeof *u);
    if (u == NULL)
        return WEIR_MEMORY;
    int32_t *v = u + length + 1, carry = 0;
    for (int i = n - 1; i >= 0; i--) {
        int32_t part = b->digits[i] * scale + carry;
        v[i] = part % BASE;
        carry = part / BASE;
    }
    wr_assert(carry == 0);
    for (int i = length - 1; i >= 0; i--) {
        int32_t part = (i < a->count ? a->digits[i] : 0) * scale + carry;
        u[i + 1] = part % BASE;
        carry = part / BASE;
    }
    u[0] = carry;
    divide_long(u, v, n, quotient_count, q);
    return WEIR_OK;
}

weir_status
wr_numvar_divide(const wr_numvar *a, const wr_numvar *b, int scale, bool round, wr_numvar *out,
                 wr_arena *scratch)
{
    wr_assert(b->count > 0 && scale >= 0);
    /* Digits down to one decimal beyond the scale: cutting there does not change how that one
     * decimal rounds. */
    int top = a->weight - b->weight, count = top + (scale + 1 + 3) / 4 + 1;
    if (a->count == 0 || count <= 0) {
        WR_TRY(wr_numvar_make(out, 1, scratch));
        out->kind = WR_NUM_POSITIVE;
        out->count = out->weight = 0;
        out->scale = scale;
        return WEIR_OK;
    }
    WR_TRY(wr_numvar_make(out, count, scratch));
    if (b->count <= 3) {
        divide_short(a, b, count, out->digits);
    } else {
        WR_TRY(divide_scaled(a, b, count, out->digits, scratch));
    }
    out->kind = a->kind == b->kind ? WR_NUM_POSITIVE : WR_NUM_NEGATIVE;
    out->weight = top;
    wr_numvar_strip(out);
    if (round)
        wr_numvar_round(out, scale);
    else
        wr_numvar_trunc(out, scale);
    return WEIR_OK;
}

/* The display scale PostgreSQL gives a / b: 16 significant digits, judged by the first digits. */
static int
quotient_scale(const wr_numvar *a, const wr_numvar *b)
{
    int first_a = a->count > 0 ? a->digits[0] : 0, first_b = b->count > 0 ? b->digits[0] : 0;
    int weight = a->weight - b->weight - (first_a <= first_b);
    int scale = WR_NUM_SIGNIFICANT_MIN - weight * 4;
    scale = WR_MAX(scale, WR_MAX(a->scale, b->scale));
    return WR_MIN(WR_MAX(scale, 0), WR_NUM_CALC_SCALE_MAX);
}

/* ---- the doors: two nums in, one out ---- */

typedef enum operation { ADD, SUBTRACT, MULTIPLY, DIVIDE, DIVIDE_TRUNC, MODULO } operation;

static int
kind_sign(const wr_numvar *v)
{
    switch (v->kind) {
    case WR_NUM_POSINF: return 1;
    case WR_NUM_NEGINF: return -1;
    case WR_NUM_NAN: return 0;
    default: return v->count == 0 ? 0 : v->kind == WR_NUM_NEGATIVE ? -1 : 1;
    }
}

static wr_string
infinity(int sign)
{
    return wr_num_special(sign > 0 ? WR_NUM_POSINF : WR_NUM_NEGINF, 0);
}

/* At least one of a and b is NaN or infinite. */
static weir_status
combine_specials(operation op, const wr_numvar *a, const wr_numvar *b, wr_string *out)
{
    bool finite_a = wr_numvar_is_finite(a), finite_b = wr_numvar_is_finite(b);
    int sign_a = kind_sign(a), sign_b = kind_sign(b);
    *out = wr_num_special(WR_NUM_NAN, 0);
    if (a->kind == WR_NUM_NAN || b->kind == WR_NUM_NAN)
        return WEIR_OK;
    switch (op) {
    case ADD:
    case SUBTRACT:
        if (op == SUBTRACT)
            sign_b = -sign_b;
        if (finite_a || finite_b || sign_a == sign_b)
            *out = infinity(finite_a ? sign_b : sign_a);
        return WEIR_OK;
    case MULTIPLY:
        if (sign_a != 0 && sign_b != 0)
            *out = infinity(sign_a * sign_b);
        return WEIR_OK;
    case DIVIDE:
    case DIVIDE_TRUNC:
    case MODULO:
        if (finite_b && sign_b == 0)
            return WEIR_ROW_DIVISION_BY_ZERO;
        if (op == MODULO)
            break;
        if (finite_a)
            *out = wr_num_special(WR_NUM_POSITIVE, 0);
        else if (finite_b)
            *out = infinity(sign_a * sign_b);
        return WEIR_OK;
    }
    return WEIR_OK;
}

static weir_status
combine_finite(operation op, const wr_numvar *a, const wr_numvar *b, wr_numvar *out,
               wr_arena *scratch)
{
    wr_numvar quotient, product;
    if (op >= DIVIDE && b->count == 0)
        return WEIR_ROW_DIVISION_BY_ZERO;
    switch (op) {
    case ADD: return wr_numvar_add(a, b, false, out, scratch);
    case SUBTRACT: return wr_numvar_add(a, b, true, out, scratch);
    case MULTIPLY:
        WR_TRY(wr_numvar_multiply(a, b, out, scratch));
        if (out->scale > WR_NUMERIC_SCALE_MAX)
            wr_numvar_round(out, WR_NUMERIC_SCALE_MAX);
        return WEIR_OK;
    case DIVIDE: return wr_numvar_divide(a, b, quotient_scale(a, b), true, out, scratch);
    case DIVIDE_TRUNC: return wr_numvar_divide(a, b, 0, false, out, scratch);
    case MODULO:
        WR_TRY(wr_numvar_divide(a, b, 0, false, &quotient, scratch));
        WR_TRY(wr_numvar_multiply(&quotient, b, &product, scratch));
        return wr_numvar_add(a, &product, true, out, scratch);
    }
    wr_unreachable();
}

static weir_status
combine(operation op, const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    wr_numvar x, y, result;
    wr_arena scratch;
    wr_numvar_load(a, &x);
    wr_numvar_load(b, &y);
    if (!wr_numvar_is_finite(&x) || !wr_numvar_is_finite(&y)) {
        if (op == MODULO && wr_numvar_is_finite(&x) && y.kind != WR_NUM_NAN) {
            *out = *a; /* x % infinity is x */
            return WEIR_OK;
        }
        return combine_specials(op, &x, &y, out);
    }
    wr_arena_init(&scratch, arena->budget);
    weir_status status = combine_finite(op, &x, &y, &result, &scratch);
    if (status == WEIR_OK)
        status = wr_numvar_store(&result, arena, out);
    wr_arena_fini(&scratch);
    return status;
}

weir_status
wr_num_add(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    return combine(ADD, a, b, arena, out);
}

weir_status
wr_num_subtract(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    return combine(SUBTRACT, a, b, arena, out);
}

weir_status
wr_num_multiply(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    return combine(MULTIPLY, a, b, arena, out);
}

weir_status
wr_num_divide(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    return combine(DIVIDE, a, b, arena, out);
}

weir_status
wr_num_divide_trunc(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    return combine(DIVIDE_TRUNC, a, b, arena, out);
}

weir_status
wr_num_modulo(const wr_string *a, const wr_string *b, wr_arena *arena, wr_string *out)
{
    return combine(MODULO, a, b, arena, out);
}
