/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/numeric_round.c -- one num in, one out: sign, rounding, and the bounds of numeric(p,s).
 *
 * Place       casts, expressions.
 * State       none.
 * Invariants  R1  halves round away from zero
 */
#include "data/numeric_impl.h"

typedef enum rounding { SIGN_FLIP, SIGN_DROP, ROUND, TRUNC, CEIL, FLOOR } rounding;

static weir_status
numvar_step_away(wr_numvar *v, wr_arena *scratch)
{
    wr_numvar one, before;
    WR_TRY(wr_numvar_from_int64(v->kind == WR_NUM_NEGATIVE ? -1 : 1, &one, scratch));
    WR_TRY(wr_numvar_copy(v, &before, scratch));
    return wr_numvar_add(&before, &one, false, v, scratch);
}

static weir_status
numvar_adjust(wr_numvar *v, rounding how, int scale, wr_arena *scratch)
{
    bool negative = v->kind == WR_NUM_NEGATIVE, integral = wr_numvar_is_integral(v);
    switch (how) {
    case SIGN_FLIP: v->kind = negative ? WR_NUM_POSITIVE : WR_NUM_NEGATIVE; return WEIR_OK;
    case SIGN_DROP: v->kind = WR_NUM_POSITIVE; return WEIR_OK;
    case ROUND: wr_numvar_round(v, scale); return WEIR_OK;
    case TRUNC: wr_numvar_trunc(v, scale); return WEIR_OK;
    case CEIL:
    case FLOOR:
        wr_numvar_trunc(v, 0);
        if (integral || negative != (how == FLOOR))
            return WEIR_OK;
        v->kind = negative ? WR_NUM_NEGATIVE : WR_NUM_POSITIVE; /* -0.5 was cut to 0 */
        return numvar_step_away(v, scratch);
    }
    wr_unreachable();
}

static weir_status
num_adjust(const wr_string *a, rounding how, int scale, wr_arena *arena, wr_string *out)
{
    wr_numvar given, v;
    wr_arena scratch;
    wr_numvar_load(a, &given);
    if (!wr_numvar_is_finite(&given)) {
        wr_num_kind kind = given.kind;
        if (kind == WR_NUM_NEGINF && (how == SIGN_DROP || how == SIGN_FLIP))
            kind = WR_NUM_POSINF;
        else if (kind == WR_NUM_POSINF && how == SIGN_FLIP)
            kind = WR_NUM_NEGINF;
        *out = wr_num_special(kind, 0);
        return WEIR_OK;
    }
    wr_arena_init(&scratch, arena->budget);
    weir_status status = wr_numvar_copy(&given, &v, &scratch);
    if (status == WEIR_OK)
        status = numvar_adjust(&v, how, scale, &scratch);
    if (status == WEIR_OK)
        status = wr_numvar_store(&v, arena, out);
    wr_arena_fini(&scratch);
    return status;
}

weir_status
wr_num_negate(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return num_adjust(a, SIGN_FLIP, 0, arena, out);
}

weir_status
wr_num_abs(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return num_adjust(a, SIGN_DROP, 0, arena, out);
}

static int
scale_clip(int scale)
{
    const int lowest = -(WR_NUM_WEIGHT_MAX + 1) * 4 - 1;
    return WR_MAX(WR_MIN(scale, WR_NUMERIC_SCALE_MAX), lowest);
}

weir_status
wr_num_round(const wr_string *a, int scale, wr_arena *arena, wr_string *out)
{
    return num_adjust(a, ROUND, scale_clip(scale), arena, out);
}

weir_status
wr_num_trunc(const wr_string *a, int scale, wr_arena *arena, wr_string *out)
{
    return num_adjust(a, TRUNC, scale_clip(scale), arena, out);
}

weir_status
wr_num_ceil(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return num_adjust(a, CEIL, 0, arena, out);
}

weir_status
wr_num_floor(const wr_string *a, wr_arena *arena, wr_string *out)
{
    return num_adjust(a, FLOOR, 0, arena, out);
}

weir_status
wr_num_apply_modifier(const wr_string *a, int precision, int scale, wr_arena *arena, wr_string *out)
{
    wr_numvar v;
    wr_numvar_load(a, &v);
    if (!wr_numvar_is_finite(&v)) {
        *out = *a;
        return v.kind == WR_NUM_NAN ? WEIR_OK : WEIR_ROW_OVERFLOW;
    }
    WR_TRY(num_adjust(a, ROUND, scale, arena, out));
    wr_numvar_load(out, &v);
    if (v.count == 0)
        return WEIR_OK;
    int before = v.weight * 4; /* decimal digits before the point */
    for (int first = v.digits[0]; first > 0; first /= 10)
        before++;
    return before > precision - scale ? WEIR_ROW_OVERFLOW : WEIR_OK;
}
