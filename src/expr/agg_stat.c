/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_stat.c -- variance and standard deviation, of samples and populations.
 *
 * Integers and numeric keep the exact sums of the values and of their squares, so they can be
 * retracted and give PostgreSQL's digits.  Floats use the recurrence of Youngs and Cramer (1971), as
 * PostgreSQL does, and are not invertible.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       integers 48 bytes, numeric 96 and an arena, floats 32.
 * Invariants  G1..G4 of aggregate.h
 */
#include "expr/agg_impl.h"

#include <math.h>
#include <string.h>

typedef struct stat_kind {
    bool sample, root;
} stat_kind;

/*
 * (n * sum of squares - sum^2) / (n * (n - 1)), or / n^2 for a population, and its root.  The steps
 * and scales are those of PostgreSQL's numeric_stddev_internal.
 */
static weir_status
stat_of_sums(int64_t n, const wr_string *sum, const wr_string *squares, stat_kind kind,
             wr_arena *step, wr_string *out)
{
    wr_string count, product, square, spread, divisor, variance, wide, root;
    WR_TRY(wr_num_from_int64(n, step, &count));
    WR_TRY(wr_num_multiply(sum, sum, step, &square));
    WR_TRY(wr_num_multiply(&count, squares, step, &product));
    WR_TRY(wr_num_subtract(&product, &square, step, &spread));
    if (wr_num_sign(&spread) <= 0)
        return wr_num_from_int64(0, step, out);
    WR_TRY(wr_num_from_int128((wr_int128) n * (kind.sample ? n - 1 : n), 0, step, &divisor));
    WR_TRY(wr_num_divide(&spread, &divisor, step, &variance));
    if (!kind.root) {
        *out = variance;
        return WEIR_OK;
    }
    /* the root has the scale of the variance; more digits on the way, so that it rounds once */
    int scale = wr_num_display_scale(&variance);
    WR_TRY(wr_num_round(&variance, scale + 20, step, &wide));
    WR_TRY(wr_num_sqrt(&wide, step, &root));
    return wr_num_round(&root, scale, step, out);
}

/* --- integers --- */

typedef struct int_stat {
    int64_t  count;
    wr_wide  sum;
    uint64_t squares[3]; /* 192 bits, least first */
} int_stat;

static inline void
squares_add(uint64_t *words, uint64_t low, uint64_t middle, uint64_t high)
{
    unsigned __int128 t = (unsigned __int128) words[0] + low;
    words[0] = (uint64_t) t;
    t = (unsigned __int128) words[1] + middle + (uint64_t) (t >> 64);
    words[1] = (uint64_t) t;
    words[2] += high + (uint64_t) (t >> 64);
}

static inline void
squares_subtract(uint64_t *words, uint64_t low, uint64_t middle, uint64_t high)
{
    squares_add(words, ~low, ~middle, ~high); /* + not x + 1 */
    squares_add(words, 1, 0, 0);
}

static inline void
int_stat_add(int_stat *s, int64_t v)
{
    unsigned __int128 square = (unsigned __int128) ((wr_int128) v * v);
    s->count += 1;
    wide_add(&s->sum, v);
    squares_add(s->squares, (uint64_t) square, (uint64_t) (square >> 64), 0);
}

static inline void
int_stat_subtract(int_stat *s, int64_t v)
{
    unsigned __int128 square = (unsigned __int128) ((wr_int128) v * v);
    s->count -= 1;
    wide_subtract(&s->sum, v);
    squares_subtract(s->squares, (uint64_t) square, (uint64_t) (square >> 64), 0);
}

#define INT_LOOPS(NAME, T)                                                                         \
    AGG_UPDATE(NAME##_update)                                                                      \
    {                                                                                              \
        AGG_LOOP(int_stat, T, int_stat_add(s, v));                                                 \
    }                                                                                              \
    AGG_UPDATE(NAME##_retract)                                                                     \
    {                                                                                              \
        AGG_LOOP(int_stat, T, int_stat_subtract(s, v));                                            \
    }
INT_LOOPS(int2, int16_t)
INT_LOOPS(int4, int32_t)
INT_LOOPS(int8, int64_t)

AGG_MERGE(int_merge)
{
    int_stat       *a = into;
    const int_stat *b = from;
    a->count += b->count;
    wide_set(&a->sum, wide_get(&a->sum) + wide_get(&b->sum));
    squares_add(a->squares, b->squares[0], b->squares[1], b->squares[2]);
}

AGG_MERGE(int_unmerge)
{
    int_stat       *a = into;
    const int_stat *b = from;
    a->count -= b->count;
    wide_set(&a->sum, wide_get(&a->sum) - wide_get(&b->sum));
    squares_subtract(a->squares, b->squares[0], b->squares[1], b->squares[2]);
}

static weir_status
squares_total(const uint64_t *words, wr_arena *step, wr_string *out)
{
    wr_string base, word, product, sum;
    WR_TRY(wr_num_from_int128((wr_int128) 1 << 64, 0, step, &base));
    WR_TRY(wr_num_from_int128((wr_int128) words[2], 0, step, &sum));
    for (int i = 1; i >= 0; i--) {
        WR_TRY(wr_num_from_int128((wr_int128) words[i], 0, step, &word));
        WR_TRY(wr_num_multiply(&sum, &base, step, &product));
        WR_TRY(wr_num_add(&product, &word, step, &sum));
    }
    *out = sum;
    return WEIR_OK;
}

static weir_status
int_result(const int_stat *s, stat_kind kind, wr_arena *step, wr_column *out, uint32_t row)
{
    wr_string sum, squares, result;
    if (s->count <= (kind.sample ? 1 : 0))
        return wr_column_set_null(out, row);
    WR_TRY(wr_num_from_int128(wide_get(&s->sum), 0, step, &sum));
    WR_TRY(squares_total(s->squares, step, &squares));
    WR_TRY(stat_of_sums(s->count, &sum, &squares, kind, step, &result));
    return wr_agg_put_num(out, row, &result);
}

AGG_ENCODE(int_encode)
{
    const int_stat *s = state;
    wr_snapshot_put_i64(to, s->count);
    wr_wide_encode(&s->sum, to);
    for (int i = 0; i < 3; i++)
        wr_snapshot_put_u64(to, s->squares[i]);
}

AGG_DECODE(int_decode)
{
    int_stat *s = state;
    s->count = wr_snapshot_get_i64(from);
    wr_wide_decode(&s->sum, from);
    for (int i = 0; i < 3; i++)
        s->squares[i] = wr_snapshot_get_u64(from);
    return wr_agg_decoded(from);
}

/* --- numeric --- */

typedef struct numeric_stat {
    wr_numsum sum, squares;
} numeric_stat;

static void
numeric_stat_num(wr_agg_ctx *ctx, numeric_stat *s, const wr_string *v, int sign)
{
    wr_arena  scratch;
    wr_string square;
    wr_arena_init(&scratch, ctx->arena->budget);
    weir_status status = wr_num_multiply(v, v, &scratch, &square);
    if (status == WEIR_ROW_OVERFLOW) /* beyond every numeric: the result is, too */
        status = wr_num_parse("Infinity", 8, &scratch, &square);
    ctx->failed |= status != WEIR_OK;
    if (status == WEIR_OK) {
        wr_numsum_add_num(ctx, &s->sum, v, sign);
        wr_numsum_add_num(ctx, &s->squares, &square, sign);
    }
    wr_arena_fini(&scratch);
}

static void
numeric_stat_add(wr_agg_ctx *ctx, numeric_stat *s, wr_int128 v, int scale, int sign)
{
    wr_int128 square;
    if (WR_LIKELY(!__builtin_mul_overflow(v, v, &square) && scale * 2 <= WR_NUMERIC_SCALE_MAX)) {
        wr_numsum_add(ctx, &s->sum, v, scale, sign);
        wr_numsum_add(ctx, &s->squares, square, 2 * scale, sign);
        return;
    }
    wr_arena  scratch;
    wr_string num;
    wr_arena_init(&scratch, ctx->arena->budget);
    if (wr_num_from_int128(v, scale, &scratch, &num) == WEIR_OK)
        numeric_stat_num(ctx, s, &num, sign);
    else
        ctx->failed = true;
    wr_arena_fini(&scratch);
}

static void
numeric_step(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
             wr_rows rows, int sign)
{
    const wr_column *base = wr_column_base(args[0]);
    int              scale = base->scale;
    if (base->form == WR_DEC64)
        AGG_LOOP(numeric_stat, int64_t, numeric_stat_add(ctx, s, v, scale, sign));
    else if (base->form == WR_DEC128)
        AGG_LOOP(numeric_stat, wr_int128, numeric_stat_add(ctx, s, v, scale, sign));
    else
        AGG_LOOP(numeric_stat, wr_string, numeric_stat_num(ctx, s, &v, sign));
}

AGG_UPDATE(numeric_update)
{
    numeric_step(ctx, states, offset, args, rows, 1);
}

AGG_UPDATE(numeric_retract)
{
    numeric_step(ctx, states, offset, args, rows, -1);
}

AGG_MERGE(numeric_merge)
{
    numeric_stat       *a = into;
    const numeric_stat *b = from;
    wr_numsum_merge(ctx, &a->sum, &b->sum, 1);
    wr_numsum_merge(ctx, &a->squares, &b->squares, 1);
}

AGG_MERGE(numeric_unmerge)
{
    numeric_stat       *a = into;
    const numeric_stat *b = from;
    wr_numsum_merge(ctx, &a->sum, &b->sum, -1);
    wr_numsum_merge(ctx, &a->squares, &b->squares, -1);
}

static weir_status
numeric_result(const numeric_stat *s, stat_kind kind, wr_arena *step, wr_column *out, uint32_t row)
{
    wr_string sum, squares, result;
    if (s->sum.count <= (kind.sample ? 1 : 0))
        return wr_column_set_null(out, row);
    if (!wr_numsum_is_finite(&s->sum)) {
        WR_TRY(wr_num_parse("NaN", 3, step, &result));
        return wr_agg_put_num(out, row, &result);
    }
    if (!wr_numsum_is_finite(&s->squares))
        return WEIR_ROW_OVERFLOW;
    WR_TRY(wr_numsum_total(&s->sum, step, &sum));
    WR_TRY(wr_numsum_total(&s->squares, step, &squares));
    WR_TRY(stat_of_sums(s->sum.count, &sum, &squares, kind, step, &result));
    return wr_agg_put_num(out, row, &result);
}

AGG_ENCODE(numeric_encode)
{
    const numeric_stat *s = state;
    wr_numsum_encode(&s->sum, to);
    wr_numsum_encode(&s->squares, to);
}

AGG_DECODE(numeric_decode)
{
    numeric_stat *s = state;
    WR_TRY(wr_numsum_decode(ctx, &s->sum, from));
    return wr_numsum_decode(ctx, &s->squares, from);
}

/* --- floats --- */

typedef struct float_stat {
    double  count, sum, spread; /* spread: sum of (x - mean)^2 */
    int64_t overflow;
} float_stat;

static inline void
float_stat_add(float_stat *s, double v)
{
    double before = s->count, sum = s->sum;
    s->count += 1.0;
    s->sum += v;
    if (before > 0.0) {
        double d = v * s->count - s->sum;
        s->spread += d * d / (s->count * before);
        if (WR_UNLIKELY(isinf(s->sum) || isinf(s->spread))) {
            s->overflow |= !isinf(sum) && !isinf(v);
            s->spread = NAN;
        }
    } else if (isnan(v) || isinf(v)) {
        s->spread = NAN;
    }
}

AGG_UPDATE(float4_update)
{
    AGG_LOOP(float_stat, float, float_stat_add(s, (double) v));
}

AGG_UPDATE(float8_update)
{
    AGG_LOOP(float_stat, double, float_stat_add(s, v));
}

AGG_MERGE(float_merge)
{
    float_stat       *a = into;
    const float_stat *b = from;
    if (b->count == 0.0)
        return;
    if (a->count == 0.0) {
        *a = *b;
        return;
    }
    double count = a->count + b->count, d = a->sum / a->count - b->sum / b->count;
    double spread = a->spread + b->spread + a->count * b->count * d * d / count;
    a->overflow |= b->overflow;
    double sum = a->sum + b->sum;
    a->overflow |= isinf(spread) && !isinf(a->spread) && !isinf(b->spread);
    a->overflow |= isinf(sum) && !isinf(a->sum) && !isinf(b->sum);
    a->count = count;
    a->sum = sum;
    a->spread = spread;
}

static weir_status
float_result(const float_stat *s, stat_kind kind, wr_column *out, uint32_t row)
{
    if (s->overflow)
        return WEIR_ROW_OVERFLOW;
    if (s->count <= (kind.sample ? 1.0 : 0.0))
        return wr_column_set_null(out, row);
    double variance = s->spread / (kind.sample ? s->count - 1.0 : s->count);
    return wr_agg_put_real(out, row, kind.root ? sqrt(variance) : variance);
}

AGG_ENCODE(float_encode)
{
    const float_stat *s = state;
    wr_snapshot_put_f64(to, s->count);
    wr_snapshot_put_f64(to, s->sum);
    wr_snapshot_put_f64(to, s->spread);
    wr_snapshot_put_i64(to, s->overflow);
}

AGG_DECODE(float_decode)
{
    float_stat *s = state;
    s->count = wr_snapshot_get_f64(from);
    s->sum = wr_snapshot_get_f64(from);
    s->spread = wr_snapshot_get_f64(from);
    s->overflow = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

#define RESULTS(NAME, SAMPLE, ROOT)                                                                \
    AGG_RESULT(int_##NAME)                                                                         \
    {                                                                                              \
        return int_result(state, (stat_kind){ SAMPLE, ROOT }, step, out, row);                     \
    }                                                                                              \
    AGG_RESULT(numeric_##NAME)                                                                     \
    {                                                                                              \
        return numeric_result(state, (stat_kind){ SAMPLE, ROOT }, step, out, row);                 \
    }                                                                                              \
    AGG_RESULT(float_##NAME)                                                                       \
    {                                                                                              \
        return float_result(state, (stat_kind){ SAMPLE, ROOT }, out, row);                         \
    }
RESULTS(var_pop, false, false)
RESULTS(var_samp, true, false)
RESULTS(stddev_pop, false, true)
RESULTS(stddev_samp, true, true)

#define INT(NAME, ARG, LOOPS, RESULT_AT, DOC)                                                      \
    { .name = NAME, .arg_count = 1, .args = { ARG }, .result = T_NUMERIC,                          \
      .state_bytes = sizeof(int_stat), .ignores_null = true, .update = LOOPS##_update,             \
      .retract = LOOPS##_retract, .merge = int_merge, .unmerge = int_unmerge,                      \
      .result_at = RESULT_AT, .encode = int_encode, .decode = int_decode, .doc = DOC }
#define FLOAT(NAME, ARG, LOOPS, RESULT_AT, DOC)                                                    \
    { .name = NAME, .arg_count = 1, .args = { ARG }, .result = T_FLOAT8,                           \
      .state_bytes = sizeof(float_stat), .ignores_null = true, .update = LOOPS##_update,           \
      .merge = float_merge, .result_at = RESULT_AT, .encode = float_encode,                        \
      .decode = float_decode, .doc = DOC }
#define ALL(NAME, KIND, DOC)                                                                       \
    INT(NAME, T_INT2, int2, int_##KIND, DOC), INT(NAME, T_INT4, int4, int_##KIND, DOC),            \
        INT(NAME, T_INT8, int8, int_##KIND, DOC),                                                  \
        { .name = NAME, .arg_count = 1, .args = { T_NUMERIC }, .result = T_NUMERIC,                \
          .state_bytes = sizeof(numeric_stat), .nested = true, .ignores_null = true,               \
          .update = numeric_update, .retract = numeric_retract, .merge = numeric_merge,            \
          .unmerge = numeric_unmerge, .result_at = numeric_##KIND, .encode = numeric_encode,       \
          .decode = numeric_decode, .doc = DOC },                                                  \
        FLOAT(NAME, T_FLOAT4, float4, float_##KIND, DOC),                                          \
        FLOAT(NAME, T_FLOAT8, float8, float_##KIND, DOC)

const wr_aggregate wr_agg_stat[] = {
    ALL("variance", var_samp, "variance of a sample"),
    ALL("var_samp", var_samp, "variance of a sample"),
    ALL("var_pop", var_pop, "variance of the population"),
    ALL("stddev", stddev_samp, "standard deviation of a sample"),
    ALL("stddev_samp", stddev_samp, "standard deviation of a sample"),
    ALL("stddev_pop", stddev_pop, "standard deviation of the population"),
    { .name = NULL },
};
