/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_sketch.c -- approx_percentile: a DDSketch (Masson, Rim, Lee 2019) with 1 % relative error.
 *
 * A value goes to the bucket of its logarithm to base gamma = 1.01 / 0.99; a bucket's middle is within
 * 1 % of all it holds.  Buckets are kept sorted by the values they stand for, negative ones first.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       16 bytes a bucket in use; all the doubles there are fall into 142,000 of them.
 * Invariants  G1..G4 of aggregate.h, exactly: the state is a function of the bag of values alone, so
 *             that parts merge to the same whatever the parts were
 *             D1  no bucket has count 0; one that is taken from before it was filled is negative
 */
#include "expr/agg_impl.h"

#include <float.h>
#include <math.h>

typedef struct bucket {
    int64_t key, count;
} bucket;

typedef struct sketch {
    bucket  *buckets; /* sorted by key */
    uint64_t used, capacity;
    int64_t  total;
    double   fraction;
    uint64_t have_fraction;
} sketch;

enum { KEY_MIDDLE = 1 << 20, KEY_INFINITE = 1 << 22 };
static const double gamma_base = 1.01 / 0.99;

/* Zero has key 0, NaN stands above infinity. */
static int64_t
value_key(double v)
{
    if (isnan(v))
        return KEY_INFINITE + 1;
    if (isinf(v))
        return v > 0 ? KEY_INFINITE : -KEY_INFINITE;
    if (v == 0)
        return 0;
    int64_t key = KEY_MIDDLE + (int64_t) ceil(log(fabs(v)) / log(gamma_base));
    return v > 0 ? key : -key;
}

static double
key_value(int64_t key)
{
    if (key > KEY_INFINITE)
        return NAN;
    if (key == KEY_INFINITE || key == -KEY_INFINITE)
        return key > 0 ? INFINITY : -INFINITY;
    if (key == 0)
        return 0;
    double power = (double) ((key > 0 ? key : -key) - KEY_MIDDLE);
    double v = fmin(exp(power * log(gamma_base) + log(2 / (gamma_base + 1))), DBL_MAX);
    return key > 0 ? v : -v;
}

static void
sketch_add(wr_agg_ctx *ctx, sketch *s, int64_t key, int64_t count)
{
    uint64_t low = 0, high = s->used;
    while (low < high) {
        uint64_t middle = (low + high) / 2;
        if (s->buckets[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    bucket *at = s->buckets + low;
    s->total += count;
    if (low < s->used && at->key == key) {
        at->count += count;
        if (at->count == 0) { /* D1 */
            memmove(at, at + 1, (s->used - low - 1) * sizeof *at);
            s->used--;
        }
        return;
    }
    if (s->used == s->capacity) {
        uint64_t capacity = WR_MAX(2 * s->capacity, (uint64_t) 8);
        bucket  *grown = wr_arena_alloc(ctx->arena, capacity * sizeof *grown);
        if (grown == NULL) {
            ctx->failed = true;
            return;
        }
        if (s->used > 0)
            memcpy(grown, s->buckets, s->used * sizeof *grown);
        s->buckets = grown;
        s->capacity = capacity;
    }
    memmove(s->buckets + low + 1, s->buckets + low, (s->used - low) * sizeof *at);
    s->buckets[low] = (bucket){ key, count };
    s->used++;
}

/* args: the value, the fraction (the first row's counts) */
static void
sketch_rows(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args,
            wr_rows rows, int64_t count)
{
    const double *values = wr_column_base(args[0])->data;
    const double *fractions = wr_column_base(args[1])->data;
    for (uint32_t i = 0; i < rows.count; i++) {
        sketch  *s = (sketch *) (void *) (states[i] + offset);
        uint32_t row = fn_row(rows, i);
        if (!s->have_fraction)
            s->fraction = fractions[wr_column_index(args[1], row)];
        s->have_fraction = 1;
        sketch_add(ctx, s, value_key(values[wr_column_index(args[0], row)]), count);
    }
}

AGG_UPDATE(sketch_update)
{
    sketch_rows(ctx, states, offset, args, rows, 1);
}

AGG_UPDATE(sketch_retract)
{
    sketch_rows(ctx, states, offset, args, rows, -1);
}

static void
sketch_join(wr_agg_ctx *ctx, sketch *a, const sketch *b, int64_t sign)
{
    if (!a->have_fraction)
        a->fraction = b->fraction;
    a->have_fraction |= b->have_fraction;
    for (uint64_t i = 0; i < b->used; i++)
        sketch_add(ctx, a, b->buckets[i].key, sign * b->buckets[i].count);
}

AGG_MERGE(sketch_merge)
{
    sketch_join(ctx, into, from, 1);
}

AGG_MERGE(sketch_unmerge)
{
    sketch_join(ctx, into, from, -1);
}

AGG_RESULT(sketch_result)
{
    const sketch *s = state;
    int64_t       seen = 0;
    if (s->total <= 0 || !s->have_fraction)
        return wr_column_set_null(out, row);
    if (!(s->fraction >= 0 && s->fraction <= 1))
        return WEIR_ROW_INVALID_ARGUMENT;
    double place = s->fraction * (double) (s->total - 1);
    for (uint64_t i = 0; i < s->used; i++) {
        seen += WR_MAX(s->buckets[i].count, 0);
        if ((double) seen > place)
            return wr_agg_put_real(out, row, key_value(s->buckets[i].key));
    }
    return wr_column_set_null(out, row); /* more taken than given */
}

AGG_ENCODE(sketch_encode)
{
    const sketch *s = state;
    uint64_t      bits;
    memcpy(&bits, &s->fraction, sizeof bits);
    wr_snapshot_put_u64(to, s->have_fraction);
    wr_snapshot_put_u64(to, bits);
    wr_snapshot_put_u64(to, s->used);
    for (uint64_t i = 0; i < s->used; i++) {
        wr_snapshot_put_i64(to, s->buckets[i].key);
        wr_snapshot_put_i64(to, s->buckets[i].count);
    }
}

AGG_DECODE(sketch_decode)
{
    sketch *s = state;
    memset(s, 0, sizeof *s);
    s->have_fraction = wr_snapshot_get_u64(from) != 0;
    uint64_t bits = wr_snapshot_get_u64(from), used = wr_snapshot_get_u64(from);
    memcpy(&s->fraction, &bits, sizeof bits);
    for (uint64_t i = 0; i < used && !from->failed && !ctx->failed; i++) {
        int64_t key = wr_snapshot_get_i64(from);
        int64_t count = wr_snapshot_get_i64(from);
        from->failed |= count == 0 || key < -KEY_INFINITE || key > KEY_INFINITE + 1;
        if (!from->failed)
            sketch_add(ctx, s, key, count);
    }
    WR_TRY(wr_agg_decoded(from));
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}

const wr_aggregate wr_agg_sketch[] = {
    { .name = "approx_percentile", .arg_count = 2, .args = { T_FLOAT8, T_FLOAT8 }, .result = T_FLOAT8,
      .state_bytes = sizeof(sketch), .nested = true, .ignores_null = true, .update = sketch_update,
      .retract = sketch_retract, .merge = sketch_merge, .unmerge = sketch_unmerge,
      .result_at = sketch_result, .encode = sketch_encode, .decode = sketch_decode,
      .doc = "(x, fraction): the value at a fraction, within 1 percent of it" },
    { .name = NULL },
};
