/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_more.c -- bit_and, bit_or, bit_xor, first, last, any_value, min_by, max_by.
 *
 * Place       the registry of aggregates (aggregate.c); string_agg and array_agg are agg_list.c.
 * State       bits flat; the others keep a value, its bytes in a buffer of the pane's arena.
 * Invariants  G1..G4 of aggregate.h
 *             K1  min_by and max_by skip rows whose key is NULL; of equal keys the first row stays
 */
#include "expr/agg_impl.h"

#include <string.h>

/* --- bits --- */

typedef struct bits {
    int64_t value, count;
} bits;

#define BITS(NAME, T, JOIN)                                                                        \
    AGG_UPDATE(NAME)                                                                               \
    {                                                                                              \
        AGG_LOOP(bits, T, s->value = s->count == 0 ? (int64_t) v : (s->value JOIN (int64_t) v);    \
                 s->count += 1);                                                                   \
    }
BITS(and_int2, int16_t, &)
BITS(and_int4, int32_t, &)
BITS(and_int8, int64_t, &)
BITS(or_int2, int16_t, |)
BITS(or_int4, int32_t, |)
BITS(or_int8, int64_t, |)
BITS(xor_int2, int16_t, ^)
BITS(xor_int4, int32_t, ^)
BITS(xor_int8, int64_t, ^)

/* Exclusive or undoes itself. */
#define UNXOR(NAME, T)                                                                             \
    AGG_UPDATE(NAME)                                                                               \
    {                                                                                              \
        AGG_LOOP(bits, T, s->value ^= (int64_t) v; s->count -= 1);                                 \
    }
UNXOR(unxor_int2, int16_t)
UNXOR(unxor_int4, int32_t)
UNXOR(unxor_int8, int64_t)

#define BITS_MERGE(NAME, JOIN)                                                                     \
    AGG_MERGE(NAME)                                                                                \
    {                                                                                              \
        bits       *a = into;                                                                      \
        const bits *b = from;                                                                      \
        if (b->count == 0)                                                                         \
            return;                                                                                \
        a->value = a->count == 0 ? b->value : (a->value JOIN b->value);                            \
        a->count += b->count;                                                                      \
    }
BITS_MERGE(and_merge, &)
BITS_MERGE(or_merge, |)
BITS_MERGE(xor_merge, ^)

AGG_MERGE(xor_unmerge)
{
    bits       *a = into;
    const bits *b = from;
    a->value ^= b->value;
    a->count -= b->count;
}

AGG_RESULT(bits_result)
{
    const bits *s = state;
    return s->count > 0 ? wr_agg_put_int(out, row, s->value) : wr_column_set_null(out, row);
}

AGG_ENCODE(bits_encode)
{
    const bits *s = state;
    wr_snapshot_put_i64(to, s->value);
    wr_snapshot_put_i64(to, s->count);
}

AGG_DECODE(bits_decode)
{
    bits *s = state;
    s->value = wr_snapshot_get_i64(from);
    s->count = wr_snapshot_get_i64(from);
    return wr_agg_decoded(from);
}

/* --- first, last, any_value --- */

static void
kept_update(wr_agg_ctx *ctx, char *const *states, size_t offset, const wr_column *column,
            wr_rows rows, bool last)
{
    wr_arena scratch;
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        wr_agg_kept *k = (wr_agg_kept *) (void *) (states[i] + offset);
        wr_value     v;
        if ((last || !k->have) && wr_agg_row_value(ctx, column, fn_row(rows, i), &scratch, &v))
            wr_agg_kept_set(ctx, k, &v);
    }
    wr_arena_fini(&scratch);
}

AGG_UPDATE(first_update)
{
    kept_update(ctx, states, offset, args[0], rows, false);
}

AGG_UPDATE(last_update)
{
    kept_update(ctx, states, offset, args[0], rows, true);
}

AGG_MERGE(first_merge)
{
    wr_agg_kept       *a = into;
    const wr_agg_kept *b = from;
    if (!a->have && b->have)
        wr_agg_kept_set(ctx, a, &b->value);
}

AGG_MERGE(last_merge)
{
    const wr_agg_kept *b = from;
    if (b->have)
        wr_agg_kept_set(ctx, into, &b->value);
}

AGG_RESULT(kept_result)
{
    return wr_agg_kept_put(state, out, row);
}

AGG_ENCODE(kept_state_encode)
{
    wr_agg_kept_encode(state, to);
}

AGG_DECODE(kept_state_decode)
{
    return wr_agg_kept_decode(ctx, state, from);
}

/* --- min_by, max_by --- */

typedef struct by_key {
    wr_agg_kept key, value;
} by_key;

static void
by_offer(wr_agg_ctx *ctx, by_key *s, const wr_value *key, const wr_value *value, int sign)
{
    if (s->key.have && sign * wr_value_compare(key, &s->key.value) <= 0)
        return; /* K1 */
    wr_agg_kept_set(ctx, &s->key, key);
    wr_agg_kept_set(ctx, &s->value, value);
}

static void
by_update(wr_agg_ctx *ctx, char *const *states, size_t offset, wr_column *const *args, wr_rows rows,
          int sign)
{
    wr_arena scratch;
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = fn_row(rows, i);
        wr_value key, value;
        if (wr_column_is_null(args[1], row) || !wr_agg_row_value(ctx, args[1], row, &scratch, &key) ||
            !wr_agg_row_value(ctx, args[0], row, &scratch, &value))
            continue;
        by_offer(ctx, (by_key *) (void *) (states[i] + offset), &key, &value, sign);
    }
    wr_arena_fini(&scratch);
}

AGG_UPDATE(min_by_update)
{
    by_update(ctx, states, offset, args, rows, -1);
}

AGG_UPDATE(max_by_update)
{
    by_update(ctx, states, offset, args, rows, 1);
}

AGG_MERGE(min_by_merge)
{
    const by_key *b = from;
    if (b->key.have)
        by_offer(ctx, into, &b->key.value, &b->value.value, -1);
}

AGG_MERGE(max_by_merge)
{
    const by_key *b = from;
    if (b->key.have)
        by_offer(ctx, into, &b->key.value, &b->value.value, 1);
}

AGG_RESULT(by_result)
{
    const by_key *s = state;
    return wr_agg_kept_put(&s->value, out, row);
}

AGG_ENCODE(by_encode)
{
    const by_key *s = state;
    wr_agg_kept_encode(&s->key, to);
    wr_agg_kept_encode(&s->value, to);
}

AGG_DECODE(by_decode)
{
    by_key *s = state;
    WR_TRY(wr_agg_kept_decode(ctx, &s->key, from));
    return wr_agg_kept_decode(ctx, &s->value, from);
}

/* The type of the first argument, bare. */
static wr_type
type_of_first(const wr_type *args, uint32_t arg_count)
{
    return (wr_type){ args[0].id, args[0].element, 0, -1 };
}

#define BIT_ROW(NAME, T, UPDATE, MERGE, RETRACT, UNMERGE, DOC)                                     \
    { .name = NAME, .arg_count = 1, .args = { T }, .result = T, .state_bytes = sizeof(bits),       \
      .ignores_null = true, .update = UPDATE, .retract = RETRACT, .merge = MERGE,                  \
      .unmerge = UNMERGE, .result_at = bits_result, .encode = bits_encode,                         \
      .decode = bits_decode, .doc = DOC }
#define BIT_ROWS(T, LOOPS)                                                                         \
    BIT_ROW("bit_and", T, and_##LOOPS, and_merge, NULL, NULL, "bits set in every value"),          \
        BIT_ROW("bit_or", T, or_##LOOPS, or_merge, NULL, NULL, "bits set in some value"),          \
        BIT_ROW("bit_xor", T, xor_##LOOPS, xor_merge, unxor_##LOOPS, xor_unmerge,                  \
                "bits set in an odd number of values")
#define KEPT(NAME, IGNORES_NULL, WHICH, DOC)                                                       \
    { .name = NAME, .arg_count = 1, .args = { T_ANY }, .result = T_ANY,                            \
      .result_of = type_of_first, .state_bytes = sizeof(wr_agg_kept), .nested = true,                     \
      .ignores_null = IGNORES_NULL, .order_matters = true, .update = WHICH##_update,               \
      .merge = WHICH##_merge, .result_at = kept_result, .encode = kept_state_encode,               \
      .decode = kept_state_decode, .doc = DOC }
#define BY(NAME, WHICH, DOC)                                                                       \
    { .name = NAME, .arg_count = 2, .args = { T_ANY, T_ANY }, .result = T_ANY,                     \
      .result_of = type_of_first, .state_bytes = sizeof(by_key), .nested = true,                   \
      .order_matters = true, .update = WHICH##_update, .merge = WHICH##_merge,                     \
      .result_at = by_result, .encode = by_encode, .decode = by_decode, .doc = DOC }

const wr_aggregate wr_agg_more[] = {
    BIT_ROWS(T_INT2, int2),
    BIT_ROWS(T_INT4, int4),
    BIT_ROWS(T_INT8, int8),
    KEPT("first", false, first, "the value of the first row"),
    KEPT("first_value", false, first, "the value of the first row"),
    KEPT("last", false, last, "the value of the last row"),
    KEPT("last_value", false, last, "the value of the last row"),
    KEPT("any_value", true, first, "some value"),
    BY("first", min_by, "the first argument where the second is smallest"),
    BY("first_value", min_by, "the first argument where the second is smallest"),
    BY("last", max_by, "the first argument where the second is largest"),
    BY("last_value", max_by, "the first argument where the second is largest"),
    BY("min_by", min_by, "the first argument where the second is smallest"),
    BY("arg_min", min_by, "the first argument where the second is smallest"),
    BY("max_by", max_by, "the first argument where the second is largest"),
    BY("arg_max", max_by, "the first argument where the second is largest"),
    { .name = NULL },
};
