/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_regr.c -- correlation, covariance and linear regression of y on x, as PostgreSQL.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       flat, 56 bytes; the recurrence of Youngs and Cramer in two dimensions.
 * Invariants  G1, G2, G4 of aggregate.h; not invertible (floats)
 */
#include "expr/agg_impl.h"

#include <math.h>

typedef struct regr {
    double  n, sx, sxx, sy, syy, sxy;
    int64_t overflow;
} regr;

static inline void
regr_add(regr *s, double y, double x)
{
    double before = s->n, sx = s->sx, sy = s->sy;
    s->n += 1.0;
    s->sx += x;
    s->sy += y;
    if (before > 0.0) {
        double dx = x * s->n - s->sx, dy = y * s->n - s->sy, scale = 1.0 / (s->n * before);
        s->sxx += dx * dx * scale;
        s->syy += dy * dy * scale;
        s->sxy += dx * dy * scale;
        bool x_odd = isinf(s->sx) || isinf(s->sxx), y_odd = isinf(s->sy) || isinf(s->syy);
        if (WR_UNLIKELY(x_odd || y_odd || isinf(s->sxy))) {
            bool x_finite = !isinf(sx) && !isinf(x), y_finite = !isinf(sy) && !isinf(y);
            s->overflow |= (x_odd && x_finite) || (y_odd && y_finite) ||
                           (isinf(s->sxy) && x_finite && y_finite);
            s->sxx = isinf(s->sxx) ? NAN : s->sxx;
            s->syy = isinf(s->syy) ? NAN : s->syy;
            s->sxy = isinf(s->sxy) ? NAN : s->sxy;
        }
        return;
    }
    if (!isfinite(x))
        s->sxx = s->sxy = NAN;
    if (!isfinite(y))
        s->syy = s->sxy = NAN;
}

AGG_UPDATE(regr_update)
{
    const double *x = wr_column_base(args[1])->data, *y = wr_column_base(args[0])->data;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = fn_row(rows, i);
        regr_add((regr *) (void *) (states[i] + offset), y[wr_column_index(args[0], row)],
                 x[wr_column_index(args[1], row)]);
    }
}

AGG_MERGE(regr_merge)
{
    regr       *a = into;
    const regr *b = from;
    if (b->n == 0.0)
        return;
    if (a->n == 0.0) {
        *a = *b;
        return;
    }
    double n = a->n + b->n, dx = a->sx / a->n - b->sx / b->n, dy = a->sy / a->n - b->sy / b->n;
    double weight = a->n * b->n / n;
    a->sxx += b->sxx + weight * dx * dx;
    a->syy += b->syy + weight * dy * dy;
    a->sxy += b->sxy + weight * dx * dy;
    bool finite = isfinite(a->sx) && isfinite(a->sy) && isfinite(b->sx) && isfinite(b->sy);
    a->sx += b->sx;
    a->sy += b->sy;
    a->n = n;
    a->overflow |= b->overflow | (finite && (isinf(a->sx) || isinf(a->sy)));
    a->overflow |= isinf(a->sxx) | isinf(a->syy) | isinf(a->sxy);
}

AGG_ENCODE(regr_encode)
{
    const regr *s = state;
    wr_snapshot_put_f64(to, s->n);
    wr_snapshot_put_f64(to, s->sx);
    wr_snapshot_put_f64(to, s->sxx);
    wr_snapshot_put_f64(to, s->sy);
    wr_snapshot_put_f64(to, s->syy);
    wr_snapshot_put_f64(to, s->sxy);
    wr_snapshot_put_i64(to, s->overflow);
}

AGG_DECODE(regr_decode)
{
    regr *s = state;
    s->n = wr_snapshot_get_f64(from);
    s->sx = wr_snapshot_get_f64(from);
    s->sxx = wr_snapshot_get_f64(from);
    s->sy = wr_snapshot_get_f64(from);
    s->syy = wr_snapshot_get_f64(from);
    s->sxy = wr_snapshot_get_f64(from);
    s->overflow = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

AGG_RESULT(regr_count_result)
{
    const regr *s = state;
    return wr_agg_put_int(out, row, (int64_t) s->n);
}

/* NULL unless HAVE; the value is VALUE. */
#define RESULT(NAME, HAVE, VALUE)                                                                  \
    AGG_RESULT(NAME)                                                                               \
    {                                                                                              \
        const regr *s = state;                                                                     \
        if (s->overflow)                                                                           \
            return WEIR_ROW_OVERFLOW;                                                              \
        if (!(HAVE))                                                                               \
            return wr_column_set_null(out, row);                                                   \
        return wr_agg_put_real(out, row, VALUE);                                                   \
    }
RESULT(regr_sxx, s->n >= 1.0, s->sxx)
RESULT(regr_syy, s->n >= 1.0, s->syy)
RESULT(regr_sxy, s->n >= 1.0, s->sxy)
RESULT(regr_avgx, s->n >= 1.0, s->sx / s->n)
RESULT(regr_avgy, s->n >= 1.0, s->sy / s->n)
RESULT(covar_pop, s->n >= 1.0, s->sxy / s->n)
RESULT(covar_samp, s->n >= 2.0, s->sxy / (s->n - 1.0))
RESULT(corr, s->n >= 1.0 && s->sxx != 0.0 && s->syy != 0.0, s->sxy / sqrt(s->sxx * s->syy))
RESULT(regr_r2, s->n >= 1.0 && s->sxx != 0.0,
       s->syy == 0.0 ? 1.0 : (s->sxy * s->sxy) / (s->sxx * s->syy))
RESULT(regr_slope, s->n >= 1.0 && s->sxx != 0.0, s->sxy / s->sxx)
RESULT(regr_intercept, s->n >= 1.0 && s->sxx != 0.0, (s->sy - s->sx * s->sxy / s->sxx) / s->n)

#define REGR(NAME, RESULT_TYPE, RESULT_AT, DOC)                                                    \
    { .name = NAME, .arg_count = 2, .args = { T_FLOAT8, T_FLOAT8 }, .result = RESULT_TYPE,         \
      .state_bytes = sizeof(regr), .ignores_null = true, .update = regr_update,                    \
      .merge = regr_merge, .result_at = RESULT_AT, .encode = regr_encode, .decode = regr_decode,   \
      .doc = DOC }

const wr_aggregate wr_agg_regr[] = {
    REGR("corr", T_FLOAT8, corr, "correlation of y and x"),
    REGR("covar_pop", T_FLOAT8, covar_pop, "covariance of the population"),
    REGR("covar_samp", T_FLOAT8, covar_samp, "covariance of a sample"),
    REGR("regr_count", T_INT8, regr_count_result, "pairs without NULL"),
    REGR("regr_avgx", T_FLOAT8, regr_avgx, "mean of x"),
    REGR("regr_avgy", T_FLOAT8, regr_avgy, "mean of y"),
    REGR("regr_sxx", T_FLOAT8, regr_sxx, "sum of squares of x about its mean"),
    REGR("regr_syy", T_FLOAT8, regr_syy, "sum of squares of y about its mean"),
    REGR("regr_sxy", T_FLOAT8, regr_sxy, "sum of products about the means"),
    REGR("regr_r2", T_FLOAT8, regr_r2, "square of the correlation"),
    REGR("regr_slope", T_FLOAT8, regr_slope, "slope of the line of least squares"),
    REGR("regr_intercept", T_FLOAT8, regr_intercept, "where that line meets the y axis"),
    { .name = NULL },
};
