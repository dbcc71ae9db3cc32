/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_minmax.c -- min and max of every type that PostgreSQL orders for them.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       flat for fixed widths; text, arrays and nums keep their bytes in the pane's arena, in one
 *             buffer that grows.
 * Invariants  G1, G2, G4 of aggregate.h; not invertible: retract is NULL
 *             M1  of equal values the later stays (1.0 and 1.00), NaN is above every number
 */
#include "expr/agg_impl.h"

#include <math.h>
#include <string.h>

/* --- fixed width --- */

typedef struct word_best {
    int64_t value, have;
} word_best;

typedef struct real_best {
    double  value;
    int64_t have;
} real_best;

#define WORD(NAME, T, BETTER)                                                                      \
    AGG_UPDATE(NAME)                                                                               \
    {                                                                                              \
        AGG_LOOP(word_best, T, if (!s->have || v BETTER s->value) s->value = v; s->have = 1);      \
    }
WORD(min_int2, int16_t, <)
WORD(max_int2, int16_t, >)
WORD(min_int4, int32_t, <)
WORD(max_int4, int32_t, >)
WORD(min_int8, int64_t, <)
WORD(max_int8, int64_t, >)

#define WORD_MERGE(NAME, BETTER)                                                                   \
    AGG_MERGE(NAME)                                                                                \
    {                                                                                              \
        word_best       *a = into;                                                                 \
        const word_best *b = from;                                                                 \
        if (b->have && (!a->have || b->value BETTER a->value))                                     \
            *a = *b;                                                                               \
    }
WORD_MERGE(min_word_merge, <)
WORD_MERGE(max_word_merge, >)

AGG_RESULT(word_result)
{
    const word_best *s = state;
    return s->have ? wr_agg_put_int(out, row, s->value) : wr_column_set_null(out, row);
}

AGG_ENCODE(word_encode)
{
    const word_best *s = state;
    wr_snapshot_put_i64(to, s->have);
    wr_snapshot_put_i64(to, s->value);
}

AGG_DECODE(word_decode)
{
    word_best *s = state;
    s->have = wr_snapshot_get_i64(from);
    s->value = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

/* M1: NaN is the largest. */
static inline bool
real_above(double a, double b)
{
    return !isnan(b) && !(a <= b);
}

#define REAL(NAME, T, REPLACES)                                                                    \
    AGG_UPDATE(NAME)                                                                               \
    {                                                                                              \
        AGG_LOOP(real_best, T, if (!s->have || REPLACES) s->value = (double) v; s->have = 1);      \
    }
REAL(min_float4, float, !real_above((double) v, s->value))
REAL(max_float4, float, !real_above(s->value, (double) v))
REAL(min_float8, double, !real_above(v, s->value))
REAL(max_float8, double, !real_above(s->value, v))

AGG_MERGE(min_real_merge)
{
    real_best       *a = into;
    const real_best *b = from;
    if (b->have && (!a->have || !real_above(b->value, a->value)))
        *a = *b;
}

AGG_MERGE(max_real_merge)
{
    real_best       *a = into;
    const real_best *b = from;
    if (b->have && (!a->have || !real_above(a->value, b->value)))
        *a = *b;
}

AGG_RESULT(real_result)
{
    const real_best *s = state;
    return s->have ? wr_agg_put_real(out, row, s->value) : wr_column_set_null(out, row);
}

AGG_ENCODE(real_encode)
{
    const real_best *s = state;
    wr_snapshot_put_i64(to, s->have);
    wr_snapshot_put_f64(to, s->value);
}

AGG_DECODE(real_decode)
{
    real_best *s = state;
    s->have = wr_snapshot_get_i64(from);
    s->value = wr_snapshot_get_f64(from);
    return wr_agg_decoded(from);
}

/* --- intervals --- */

typedef struct interval_best {
    wr_interval value;
    int64_t     have;
} interval_best;

#define INTERVAL(NAME, SIGN)                                                                       \
    AGG_UPDATE(NAME##_update)                                                                      \
    {                                                                                              \
        AGG_LOOP(interval_best, wr_interval,                                                       \
                 if (!s->have || SIGN * wr_interval_compare(&v, &s->value) >= 0) s->value = v;     \
                 s->have = 1);                                                                     \
    }                                                                                              \
    AGG_MERGE(NAME##_merge)                                                                        \
    {                                                                                              \
        interval_best       *a = into;                                                             \
        const interval_best *b = from;                                                             \
        if (b->have && (!a->have || SIGN * wr_interval_compare(&b->value, &a->value) >= 0))        \
            *a = *b;                                                                               \
    }
INTERVAL(min_interval, -1)
INTERVAL(max_interval, 1)

AGG_RESULT(interval_result)
{
    const interval_best *s = state;
    wr_value             v = { .type = out->type, .interval = s->value };
    return s->have ? wr_column_set_value(out, row, &v) : wr_column_set_null(out, row);
}

AGG_ENCODE(interval_encode)
{
    const interval_best *s = state;
    wr_snapshot_put_i64(to, s->have);
    wr_snapshot_put_i64(to, s->value.months);
    wr_snapshot_put_i64(to, s->value.days);
    wr_snapshot_put_i64(to, s->value.us);
}

AGG_DECODE(interval_decode)
{
    interval_best *s = state;
    s->have = wr_snapshot_get_i64(from);
    int64_t months = wr_snapshot_get_i64(from), days = wr_snapshot_get_i64(from);
    s->value = (wr_interval){ (int32_t) months, (int32_t) days, wr_snapshot_get_i64(from) };
    from->failed |= months != s->value.months || days != s->value.days;
    return wr_agg_decoded(from);
}

/* --- bytes: text, char(n), arrays --- */

typedef struct bytes_best {
    wr_string value;
    char     *buffer; /* in the arena */
    uint32_t  capacity, have;
} bytes_best;

static void
bytes_set(wr_agg_ctx *ctx, bytes_best *s, const wr_string *v)
{
    if (v->length <= WR_STRING_INLINE_MAX) {
        s->value = *v;
    } else {
        if (v->length > s->capacity) {
            uint32_t capacity = WR_MAX(v->length, 2 * s->capacity);
            char    *buffer = wr_arena_alloc(ctx->arena, capacity);
            if (buffer == NULL) {
                ctx->failed = true;
                return;
            }
            s->buffer = buffer;
            s->capacity = capacity;
        }
        memcpy(s->buffer, wr_string_data(v), v->length);
        s->value = wr_string_make(s->buffer, v->length);
    }
    s->have = 1;
}

static int
bytes_compare(const wr_agg_ctx *ctx, const wr_string *a, const wr_string *b)
{
    if (ctx->args[0].id == WR_TEXT)
        return wr_string_compare(a, b);
    wr_value x = { .type = ctx->args[0], .string = *a }, y = { .type = ctx->args[0], .string = *b };
    return wr_value_compare(&x, &y);
}

#define BYTES(NAME, SIGN)                                                                          \
    AGG_UPDATE(NAME##_update)                                                                      \
    {                                                                                              \
        AGG_LOOP(bytes_best, wr_string,                                                            \
                 if (!s->have || SIGN * bytes_compare(ctx, &v, &s->value) > 0)                     \
                     bytes_set(ctx, s, &v));                                                       \
    }                                                                                              \
    AGG_MERGE(NAME##_merge)                                                                        \
    {                                                                                              \
        bytes_best       *a = into;                                                                \
        const bytes_best *b = from;                                                                \
        if (b->have && (!a->have || SIGN * bytes_compare(ctx, &b->value, &a->value) > 0))          \
            bytes_set(ctx, a, &b->value);                                                          \
    }
BYTES(min_bytes, -1)
BYTES(max_bytes, 1)

AGG_RESULT(bytes_result)
{
    const bytes_best *s = state;
    if (!s->have)
        return wr_column_set_null(out, row);
    return wr_column_set_string(out, row, wr_string_data(&s->value), s->value.length);
}

AGG_ENCODE(bytes_encode)
{
    const bytes_best *s = state;
    wr_snapshot_put_u64(to, s->have);
    if (s->have)
        wr_snapshot_put_bytes(to, wr_string_data(&s->value), s->value.length);
}

AGG_DECODE(bytes_decode)
{
    bytes_best *s = state;
    size_t      length = 0;
    memset(s, 0, sizeof *s);
    if (wr_snapshot_get_u64(from) == 0)
        return wr_agg_decoded(from);
    const char *bytes = wr_snapshot_get_bytes(from, &length);
    if (bytes == NULL && length > 0)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_string v = wr_string_make(bytes, length);
    bytes_set(ctx, s, &v);
    WR_TRY(wr_agg_decoded(from));
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}

/* --- numeric: a decimal as long as it can be one --- */

typedef struct num_best {
    wr_wide    decimal;
    int32_t    scale;
    uint32_t   kind; /* 0 nothing yet, 1 decimal, 2 num */
    bytes_best num;
} num_best;

enum { NUM_NOTHING, NUM_DECIMAL, NUM_NUM };

/* The state as a num in scratch. */
static weir_status
num_view(const num_best *s, wr_arena *scratch, wr_string *out)
{
    *out = s->num.value;
    return s->kind == NUM_NUM ? WEIR_OK
                              : wr_num_from_int128(wide_get(&s->decimal), s->scale, scratch, out);
}

static void
num_put_decimal(num_best *s, wr_int128 v, int scale)
{
    wide_set(&s->decimal, v);
    s->scale = scale;
    s->kind = NUM_DECIMAL;
}

/* Different scales or forms: compare as nums. */
static void
num_offer_num(wr_agg_ctx *ctx, num_best *s, const wr_string *v, int sign)
{
    wr_arena  scratch;
    wr_string mine;
    wr_int128 decimal;
    int       scale = wr_num_display_scale(v);
    bool      better = s->kind == NUM_NOTHING;
    wr_arena_init(&scratch, ctx->arena->budget);
    if (!better) {
        ctx->failed |= num_view(s, &scratch, &mine) != WEIR_OK;
        better = !ctx->failed && sign * wr_num_compare(v, &mine) >= 0; /* M1 */
    }
    if (better && scale <= 38 && wr_num_to_int128(v, scale, &decimal)) {
        num_put_decimal(s, decimal, scale);
    } else if (better) {
        bytes_set(ctx, &s->num, v);
        s->kind = NUM_NUM;
    }
    wr_arena_fini(&scratch);
}

static void
num_offer(wr_agg_ctx *ctx, num_best *s, wr_int128 v, int scale, int sign)
{
    if (WR_LIKELY(s->kind == NUM_DECIMAL && s->scale == scale)) {
        wr_int128 mine = wide_get(&s->decimal);
        if (sign > 0 ? v >= mine : v <= mine)
            wide_set(&s->decimal, v);
    } else if (s->kind == NUM_NOTHING) {
        num_put_decimal(s, v, scale);
    } else {
        wr_arena  scratch;
        wr_string num;
        wr_arena_init(&scratch, ctx->arena->budget);
        if (wr_num_from_int128(v, scale, &scratch, &num) == WEIR_OK)
            num_offer_num(ctx, s, &num, sign);
        else
            ctx->failed = true;
        wr_arena_fini(&scratch);
    }
}

static void
num_update(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
           wr_rows rows, int sign)
{
    const wr_column *base = wr_column_base(args[0]);
    int              scale = base->scale;
    if (base->form == WR_DEC64)
        AGG_LOOP(num_best, int64_t, num_offer(ctx, s, v, scale, sign));
    else if (base->form == WR_DEC128)
        AGG_LOOP(num_best, wr_int128, num_offer(ctx, s, v, scale, sign));
    else
        AGG_LOOP(num_best, wr_string, num_offer_num(ctx, s, &v, sign));
}

static void
num_merge(wr_agg_ctx *ctx, num_best *a, const num_best *b, int sign)
{
    if (b->kind == NUM_DECIMAL)
        num_offer(ctx, a, wide_get(&b->decimal), b->scale, sign);
    else if (b->kind == NUM_NUM)
        num_offer_num(ctx, a, &b->num.value, sign);
}

AGG_UPDATE(min_num_update)
{
    num_update(ctx, states, offset, args, rows, -1);
}

AGG_UPDATE(max_num_update)
{
    num_update(ctx, states, offset, args, rows, 1);
}

AGG_MERGE(min_num_merge)
{
    num_merge(ctx, into, from, -1);
}

AGG_MERGE(max_num_merge)
{
    num_merge(ctx, into, from, 1);
}

AGG_RESULT(num_result)
{
    const num_best *s = state;
    switch (s->kind) {
    case NUM_NOTHING: return wr_column_set_null(out, row);
    case NUM_DECIMAL: return wr_agg_put_int128(out, row, wide_get(&s->decimal), s->scale, step);
    default: return wr_agg_put_num(out, row, &s->num.value);
    }
}

AGG_ENCODE(num_encode)
{
    const num_best *s = state;
    wr_snapshot_put_u64(to, s->kind);
    wr_snapshot_put_u64(to, (uint64_t) s->scale);
    wr_wide_encode(&s->decimal, to);
    bytes_encode(ctx, &s->num, to);
}

AGG_DECODE(num_decode)
{
    num_best *s = state;
    uint64_t  kind = wr_snapshot_get_u64(from), scale = wr_snapshot_get_u64(from);
    from->failed |= kind > NUM_NUM || scale > WR_NUMERIC_SCALE_MAX;
    WR_TRY(wr_agg_decoded(from));
    s->kind = (uint32_t) kind;
    s->scale = (int32_t) scale;
    wr_wide_decode(&s->decimal, from);
    return bytes_decode(ctx, &s->num, from);
}

#define ROW(NAME, ARG, STATE, UPDATE, MERGE, FAMILY, NESTED)                                       \
    { .name = NAME, .arg_count = 1, .args = { ARG }, .result = ARG, .state_bytes = sizeof(STATE),  \
      .nested = NESTED, .ignores_null = true, .update = UPDATE, .merge = MERGE,                    \
      .result_at = FAMILY##_result, .encode = FAMILY##_encode, .decode = FAMILY##_decode,          \
      .doc = NAME[1] == 'i' ? "the smallest value" : "the largest value" }
#define BOTH_WORD(T, LOOPS)                                                                        \
    ROW("min", T, word_best, min_##LOOPS, min_word_merge, word, false),                            \
        ROW("max", T, word_best, max_##LOOPS, max_word_merge, word, false)
#define BOTH_REAL(T, LOOPS)                                                                        \
    ROW("min", T, real_best, min_##LOOPS, min_real_merge, real, false),                            \
        ROW("max", T, real_best, max_##LOOPS, max_real_merge, real, false)
#define BOTH_BYTES(T)                                                                              \
    ROW("min", T, bytes_best, min_bytes_update, min_bytes_merge, bytes, true),                     \
        ROW("max", T, bytes_best, max_bytes_update, max_bytes_merge, bytes, true)

const wr_aggregate wr_agg_minmax[] = {
    BOTH_WORD(T_INT2, int2),
    BOTH_WORD(T_INT4, int4),
    BOTH_WORD(T_INT8, int8),
    BOTH_REAL(T_FLOAT4, float4),
    BOTH_REAL(T_FLOAT8, float8),
    ROW("min", T_NUMERIC, num_best, min_num_update, min_num_merge, num, true),
    ROW("max", T_NUMERIC, num_best, max_num_update, max_num_merge, num, true),
    BOTH_BYTES(T_TEXT),
    BOTH_BYTES(T_BPCHAR),
    BOTH_WORD(T_DATE, int4),
    BOTH_WORD(T_TIME, int8),
    BOTH_WORD(T_TIMESTAMP, int8),
    BOTH_WORD(T_TIMESTAMPTZ, int8),
    ROW("min", T_INTERVAL, interval_best, min_interval_update, min_interval_merge, interval, false),
    ROW("max", T_INTERVAL, interval_best, max_interval_update, max_interval_merge, interval, false),
    BOTH_BYTES(T_ARRAY),
    { .name = NULL },
};
