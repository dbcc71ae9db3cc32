/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_basic.c -- count, sum, avg of integers, floats and intervals, bool_and, bool_or.
 *
 * Place       the registry of aggregates (aggregate.c); numeric is agg_numeric.c.
 * State       flat, 8 to 40 bytes a group.
 * Invariants  G1..G4 of aggregate.h
 *             B1  integer sums are kept in 128 bits: an overflow is judged at the result, so it does
 *                 not depend on the order of rows
 *             B2  float sums are compensated (Neumaier, 1974) and never subtracted from
 */
#include "expr/agg_impl.h"
#include "expr/arith_time_impl.h"

#include <math.h>

/* --- count --- */

AGG_UPDATE(count_update)
{
    AGG_STATES(int64_t, *s += 1)
}

AGG_UPDATE(count_retract)
{
    AGG_STATES(int64_t, *s -= 1)
}

AGG_MERGE(count_merge)
{
    *(int64_t *) into += *(const int64_t *) from;
}

AGG_MERGE(count_unmerge)
{
    *(int64_t *) into -= *(const int64_t *) from;
}

AGG_RESULT(count_result)
{
    return wr_agg_put_int(out, row, *(const int64_t *) state);
}

AGG_ENCODE(count_encode)
{
    wr_snapshot_put_i64(to, *(const int64_t *) state);
}

AGG_DECODE(count_decode)
{
    *(int64_t *) state = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

/* --- integers --- */

typedef struct int_sum {
    wr_wide sum;
    int64_t count;
} int_sum;

#define INT_LOOPS(NAME, T)                                                                         \
    AGG_UPDATE(NAME##_update)                                                                      \
    {                                                                                              \
        AGG_LOOP(int_sum, T, wide_add(&s->sum, v); s->count += 1);                                 \
    }                                                                                              \
    AGG_UPDATE(NAME##_retract)                                                                     \
    {                                                                                              \
        AGG_LOOP(int_sum, T, wide_subtract(&s->sum, v); s->count -= 1);                            \
    }
INT_LOOPS(int2, int16_t)
INT_LOOPS(int4, int32_t)
INT_LOOPS(int8, int64_t)

AGG_MERGE(int_merge)
{
    int_sum       *a = into;
    const int_sum *b = from;
    wide_set(&a->sum, wide_get(&a->sum) + wide_get(&b->sum));
    a->count += b->count;
}

AGG_MERGE(int_unmerge)
{
    int_sum       *a = into;
    const int_sum *b = from;
    wide_set(&a->sum, wide_get(&a->sum) - wide_get(&b->sum));
    a->count -= b->count;
}

AGG_RESULT(int_sum_result)
{
    const int_sum *s = state;
    wr_int128      v = wide_get(&s->sum);
    if (s->count == 0)
        return wr_column_set_null(out, row);
    if (out->type.id == WR_NUMERIC)
        return wr_agg_put_int128(out, row, v, 0, step);
    return v == (int64_t) v ? wr_agg_put_int(out, row, (int64_t) v) : WEIR_ROW_OVERFLOW; /* B1 */
}

AGG_RESULT(int_avg_result)
{
    const int_sum *s = state;
    wr_string      sum, mean;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    WR_TRY(wr_num_from_int128(wide_get(&s->sum), 0, step, &sum));
    WR_TRY(wr_num_divide_int(&sum, s->count, step, &mean));
    return wr_agg_put_num(out, row, &mean);
}

AGG_ENCODE(int_encode)
{
    const int_sum *s = state;
    wr_wide_encode(&s->sum, to);
    wr_snapshot_put_i64(to, s->count);
}

AGG_DECODE(int_decode)
{
    int_sum *s = state;
    wr_wide_decode(&s->sum, from);
    s->count = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

/* --- floats --- */

typedef struct float_sum {
    double  sum, lost; /* the total is sum + lost */
    int64_t count;
    int64_t infinite;  /* an infinity was among the values: an infinite sum is no overflow */
} float_sum;

static inline void
float_add(float_sum *s, double v)
{
    double sum = s->sum + v;
    s->lost += fabs(s->sum) >= fabs(v) ? (s->sum - sum) + v : (v - sum) + s->sum;
    s->sum = sum;
    s->infinite |= isinf(v) != 0;
}

AGG_UPDATE(float4_update)
{
    AGG_LOOP(float_sum, float, float_add(s, (double) v); s->count += 1);
}

AGG_UPDATE(float8_update)
{
    AGG_LOOP(float_sum, double, float_add(s, v); s->count += 1);
}

AGG_MERGE(float_merge)
{
    float_sum       *a = into;
    const float_sum *b = from;
    int64_t          infinite = a->infinite | b->infinite; /* b's sum may be infinite by overflow */
    float_add(a, b->sum);
    a->lost += b->lost;
    a->count += b->count;
    a->infinite = infinite;
}

static inline double
float_total(const float_sum *s)
{
    return isfinite(s->sum) ? s->sum + s->lost : s->sum;
}

AGG_RESULT(float_sum_result)
{
    const float_sum *s = state;
    double           v = float_total(s);
    if (s->count == 0)
        return wr_column_set_null(out, row);
    if (out->type.id == WR_FLOAT4)
        v = (double) (float) v;
    if (isinf(v) && !s->infinite)
        return WEIR_ROW_OVERFLOW;
    return wr_agg_put_real(out, row, v);
}

AGG_RESULT(float_avg_result)
{
    const float_sum *s = state;
    double           v = float_total(s);
    if (s->count == 0)
        return wr_column_set_null(out, row);
    if (isinf(v) && !s->infinite)
        return WEIR_ROW_OVERFLOW;
    return wr_agg_put_real(out, row, v / (double) s->count);
}

AGG_ENCODE(float_encode)
{
    const float_sum *s = state;
    wr_snapshot_put_f64(to, s->sum);
    wr_snapshot_put_f64(to, s->lost);
    wr_snapshot_put_i64(to, s->count);
    wr_snapshot_put_i64(to, s->infinite);
}

AGG_DECODE(float_decode)
{
    float_sum *s = state;
    s->sum = wr_snapshot_get_f64(from);
    s->lost = wr_snapshot_get_f64(from);
    s->count = wr_snapshot_get_i64(from);
    s->infinite = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

/* --- intervals: months, days and time apart --- */

typedef struct interval_sum {
    int64_t months, days, count;
    wr_wide us;
} interval_sum;

AGG_UPDATE(interval_update)
{
    AGG_LOOP(interval_sum, wr_interval, s->months += v.months; s->days += v.days;
             wide_add(&s->us, v.us); s->count += 1);
}

AGG_UPDATE(interval_retract)
{
    AGG_LOOP(interval_sum, wr_interval, s->months -= v.months; s->days -= v.days;
             wide_subtract(&s->us, v.us); s->count -= 1);
}

AGG_MERGE(interval_merge)
{
    interval_sum       *a = into;
    const interval_sum *b = from;
    a->months += b->months;
    a->days += b->days;
    a->count += b->count;
    wide_set(&a->us, wide_get(&a->us) + wide_get(&b->us));
}

AGG_MERGE(interval_unmerge)
{
    interval_sum       *a = into;
    const interval_sum *b = from;
    a->months -= b->months;
    a->days -= b->days;
    a->count -= b->count;
    wide_set(&a->us, wide_get(&a->us) - wide_get(&b->us));
}

static weir_status
interval_total(const interval_sum *s, wr_interval *out)
{
    wr_int128 us = wide_get(&s->us);
    if (s->months != (int32_t) s->months || s->days != (int32_t) s->days || us != (int64_t) us)
        return WEIR_ROW_OVERFLOW;
    *out = (wr_interval){ (int32_t) s->months, (int32_t) s->days, (int64_t) us };
    return WEIR_OK;
}

AGG_RESULT(interval_sum_result)
{
    const interval_sum *s = state;
    wr_value            v = { .type = out->type };
    if (s->count == 0)
        return wr_column_set_null(out, row);
    WR_TRY(interval_total(s, &v.interval));
    return wr_column_set_value(out, row, &v);
}

AGG_RESULT(interval_avg_result)
{
    const interval_sum *s = state;
    wr_value            v = { .type = out->type };
    if (s->count == 0)
        return wr_column_set_null(out, row);
    WR_TRY(interval_total(s, &v.interval));
    if (!wr_interval_scale(&v.interval, (double) s->count, true, &v.interval))
        return WEIR_ROW_OVERFLOW;
    return wr_column_set_value(out, row, &v);
}

AGG_ENCODE(interval_encode)
{
    const interval_sum *s = state;
    wr_snapshot_put_i64(to, s->months);
    wr_snapshot_put_i64(to, s->days);
    wr_snapshot_put_i64(to, s->count);
    wr_wide_encode(&s->us, to);
}

AGG_DECODE(interval_decode)
{
    interval_sum *s = state;
    s->months = wr_snapshot_get_i64(from);
    s->days = wr_snapshot_get_i64(from);
    s->count = wr_snapshot_get_i64(from);
    wr_wide_decode(&s->us, from);
    return wr_agg_decoded(from);
}

/* --- booleans: counts of both make them invertible --- */

typedef struct bool_counts {
    int64_t of[2];
} bool_counts;

AGG_UPDATE(bool_update)
{
    AGG_LOOP(bool_counts, uint8_t, s->of[v & 1] += 1);
}

AGG_UPDATE(bool_retract)
{
    AGG_LOOP(bool_counts, uint8_t, s->of[v & 1] -= 1);
}

AGG_MERGE(bool_merge)
{
    bool_counts       *a = into;
    const bool_counts *b = from;
    a->of[0] += b->of[0];
    a->of[1] += b->of[1];
}

AGG_MERGE(bool_unmerge)
{
    bool_counts       *a = into;
    const bool_counts *b = from;
    a->of[0] -= b->of[0];
    a->of[1] -= b->of[1];
}

static weir_status
bool_put(const bool_counts *s, bool v, wr_column *out, uint32_t row)
{
    wr_value value = { .type = out->type, .boolean = v };
    if (s->of[0] + s->of[1] == 0)
        return wr_column_set_null(out, row);
    return wr_column_set_value(out, row, &value);
}

AGG_RESULT(bool_and_result)
{
    const bool_counts *s = state;
    return bool_put(s, s->of[0] == 0, out, row);
}

AGG_RESULT(bool_or_result)
{
    const bool_counts *s = state;
    return bool_put(s, s->of[1] > 0, out, row);
}

AGG_ENCODE(bool_encode)
{
    const bool_counts *s = state;
    wr_snapshot_put_i64(to, s->of[0]);
    wr_snapshot_put_i64(to, s->of[1]);
}

AGG_DECODE(bool_decode)
{
    bool_counts *s = state;
    s->of[0] = wr_snapshot_get_i64(from);
    s->of[1] = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

#define COUNT(ARGS, DOC, ...)                                                                      \
    { .name = "count", .arg_count = ARGS, .args = { __VA_ARGS__ }, .result = T_INT8,               \
      .state_bytes = sizeof(int64_t), .ignores_null = true, .plain = true, .counts = true,         \
      .update = count_update,                                                                      \
      .retract = count_retract, .merge = count_merge, .unmerge = count_unmerge,                    \
      .result_at = count_result, .encode = count_encode, .decode = count_decode, .doc = DOC }
#define INT(NAME, ARG, RESULT, LOOPS, RESULT_AT, DOC)                                              \
    { .name = NAME, .arg_count = 1, .args = { ARG }, .result = RESULT,                             \
      .state_bytes = sizeof(int_sum), .ignores_null = true, .update = LOOPS##_update,              \
      .retract = LOOPS##_retract, .merge = int_merge, .unmerge = int_unmerge,                      \
      .result_at = RESULT_AT, .encode = int_encode, .decode = int_decode, .doc = DOC }
#define FLOAT(NAME, ARG, RESULT, LOOPS, RESULT_AT, DOC)                                            \
    { .name = NAME, .arg_count = 1, .args = { ARG }, .result = RESULT,                             \
      .state_bytes = sizeof(float_sum), .ignores_null = true, .update = LOOPS##_update,            \
      .merge = float_merge, .result_at = RESULT_AT, .encode = float_encode,                        \
      .decode = float_decode, .doc = DOC }
#define INTERVAL(NAME, RESULT_AT, DOC)                                                             \
    { .name = NAME, .arg_count = 1, .args = { T_INTERVAL }, .result = T_INTERVAL,                  \
      .state_bytes = sizeof(interval_sum), .ignores_null = true, .update = interval_update,        \
      .retract = interval_retract, .merge = interval_merge, .unmerge = interval_unmerge,           \
      .result_at = RESULT_AT, .encode = interval_encode, .decode = interval_decode, .doc = DOC }
#define BOOL(NAME, RESULT_AT, DOC)                                                                 \
    { .name = NAME, .arg_count = 1, .args = { T_BOOL }, .result = T_BOOL,                          \
      .state_bytes = sizeof(bool_counts), .ignores_null = true, .update = bool_update,             \
      .retract = bool_retract, .merge = bool_merge, .unmerge = bool_unmerge,                       \
      .result_at = RESULT_AT, .encode = bool_encode, .decode = bool_decode, .doc = DOC }

const wr_aggregate wr_agg_basic[] = {
    COUNT(0, "number of rows", { 0 }),
    COUNT(1, "number of rows with a value", T_ANY),
    INT("sum", T_INT2, T_INT8, int2, int_sum_result, "sum"),
    INT("sum", T_INT4, T_INT8, int4, int_sum_result, "sum"),
    INT("sum", T_INT8, T_NUMERIC, int8, int_sum_result, "sum"),
    INT("avg", T_INT2, T_NUMERIC, int2, int_avg_result, "mean"),
    INT("avg", T_INT4, T_NUMERIC, int4, int_avg_result, "mean"),
    INT("avg", T_INT8, T_NUMERIC, int8, int_avg_result, "mean"),
    FLOAT("sum", T_FLOAT4, T_FLOAT4, float4, float_sum_result, "sum"),
    FLOAT("sum", T_FLOAT8, T_FLOAT8, float8, float_sum_result, "sum"),
    FLOAT("avg", T_FLOAT4, T_FLOAT8, float4, float_avg_result, "mean"),
    FLOAT("avg", T_FLOAT8, T_FLOAT8, float8, float_avg_result, "mean"),
    INTERVAL("sum", interval_sum_result, "sum"),
    INTERVAL("avg", interval_avg_result, "mean"),
    BOOL("bool_and", bool_and_result, "true when every value is"),
    BOOL("every", bool_and_result, "true when every value is"),
    BOOL("bool_or", bool_or_result, "true when a value is"),
    { .name = NULL },
};
