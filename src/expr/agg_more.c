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

/* --- one kept value --- */

typedef struct kept {
    wr_value value;
    char    *buffer; /* in the arena, for strings beyond the view */
    uint32_t capacity, have;
} kept;

static void
kept_set(wr_agg_ctx *ctx, kept *k, const wr_value *v)
{
    const wr_string *s = &v->string;
    if (v->is_null || !wr_type_is_string(v->type) || s->length <= WR_STRING_INLINE_MAX) {
        k->value = *v;
    } else {
        if (s->length > k->capacity) {
            uint32_t capacity = WR_MAX(s->length, 2 * k->capacity);
            char    *buffer = wr_arena_alloc(ctx->arena, capacity);
            if (buffer == NULL) {
                ctx->failed = true;
                return;
            }
            k->buffer = buffer;
            k->capacity = capacity;
        }
        memcpy(k->buffer, wr_string_data(s), s->length);
        k->value = *v;
        k->value.string = wr_string_make(k->buffer, s->length);
    }
    k->have = 1;
}

/* The value of a row; what must be made for it (a num of a decimal) lies in scratch. */
static bool
row_value(wr_agg_ctx *ctx, const wr_column *column, uint32_t row, wr_arena *scratch, wr_value *out)
{
    if (wr_column_get_value(column, row, scratch, out) == WEIR_OK)
        return true;
    ctx->failed = true;
    return false;
}

static weir_status
kept_put(const kept *k, wr_column *out, uint32_t row)
{
    if (!k->have || k->value.is_null)
        return wr_column_set_null(out, row);
    if (out->type.id == WR_NUMERIC)
        return wr_agg_put_num(out, row, &k->value.string);
    wr_value v = k->value;
    v.type = out->type;
    return wr_column_set_value(out, row, &v);
}

static void
kept_encode(const kept *k, wr_snapshot_writer *to)
{
    wr_snapshot_put_u64(to, k->have);
    if (k->have && wr_snapshot_put_value(to, &k->value) != WEIR_OK)
        to->bytes.failed = true;
}

static weir_status
kept_decode(wr_agg_ctx *ctx, kept *k, wr_snapshot_reader *from)
{
    memset(k, 0, sizeof *k);
    k->have = wr_snapshot_get_u64(from) != 0;
    WR_TRY(wr_agg_decoded(from));
    return k->have ? wr_snapshot_get_value(from, ctx->arena, &k->value) : WEIR_OK;
}

/* --- first, last, any_value --- */

static void
kept_update(wr_agg_ctx *ctx, char *const *states, size_t offset, const wr_column *column,
            wr_rows rows, bool last)
{
    wr_arena scratch;
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        kept    *k = (kept *) (void *) (states[i] + offset);
        wr_value v;
        if ((last || !k->have) && row_value(ctx, column, fn_row(rows, i), &scratch, &v))
            kept_set(ctx, k, &v);
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
    kept       *a = into;
    const kept *b = from;
    if (!a->have && b->have)
        kept_set(ctx, a, &b->value);
}

AGG_MERGE(last_merge)
{
    const kept *b = from;
    if (b->have)
        kept_set(ctx, into, &b->value);
}

AGG_RESULT(kept_result)
{
    return kept_put(state, out, row);
}

AGG_ENCODE(kept_state_encode)
{
    kept_encode(state, to);
}

AGG_DECODE(kept_state_decode)
{
    return kept_decode(ctx, state, from);
}

/* --- min_by, max_by --- */

typedef struct by_key {
    kept key, value;
} by_key;

static void
by_offer(wr_agg_ctx *ctx, by_key *s, const wr_value *key, const wr_value *value, int sign)
{
    if (s->key.have && sign * wr_value_compare(key, &s->key.value) <= 0)
        return; /* K1 */
    kept_set(ctx, &s->key, key);
    kept_set(ctx, &s->value, value);
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
        if (wr_column_is_null(args[1], row) || !row_value(ctx, args[1], row, &scratch, &key) ||
            !row_value(ctx, args[0], row, &scratch, &value))
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
    return kept_put(&s->value, out, row);
}

AGG_ENCODE(by_encode)
{
    const by_key *s = state;
    kept_encode(&s->key, to);
    kept_encode(&s->value, to);
}

AGG_DECODE(by_decode)
{
    by_key *s = state;
    WR_TRY(kept_decode(ctx, &s->key, from));
    return kept_decode(ctx, &s->value, from);
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
      .result_of = type_of_first, .state_bytes = sizeof(kept), .nested = true,                     \
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
    BY("min_by", min_by, "the first argument where the second is smallest"),
    BY("arg_min", min_by, "the first argument where the second is smallest"),
    BY("max_by", max_by, "the first argument where the second is largest"),
    BY("arg_max", max_by, "the first argument where the second is largest"),
    { .name = NULL },
};
