/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_ordered.c -- percentile_cont, percentile_disc, mode, median: what the sorted values say.
 *
 * percentile_cont(f) WITHIN GROUP (ORDER BY x) is bound as percentile_cont(f, x); with DESC it is the row
 * "percentile_cont desc".  f is one for the whole group: the first row's is kept.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       every value of the group; it is sorted when the result is asked for.
 * Invariants  G1, G2, G4 of aggregate.h, exactly; not invertible
 *             O1  rows with a NULL argument do not count; no rows, or a NULL fraction: NULL
 *             O2  more than WR_ARRAY_ITEMS_MAX values fail the row: approx_percentile has no such limit
 * Cost        32 bytes a value and the bytes of a long one; n log n for a result.
 */
#include "expr/agg_impl.h"
#include "expr/arith_time_impl.h"

#include <math.h>
#include <stdlib.h>

typedef struct ordered {
    wr_agg_items items; /* first: wr_agg_items_update */
    wr_agg_kept  fraction;
} ordered;

AGG_UPDATE(ordered_update)
{
    wr_agg_items_update(ctx, states, offset, args[0], rows);
}

/* args: the fraction, the value */
AGG_UPDATE(fraction_update)
{
    wr_arena scratch;
    wr_agg_items_update(ctx, states, offset, args[1], rows);
    wr_arena_init(&scratch, ctx->arena->budget);
    for (uint32_t i = 0; i < rows.count; i++) {
        ordered *s = (ordered *) (void *) (states[i] + offset);
        wr_value v;
        if (!s->fraction.have &&
            wr_agg_row_value(ctx, args[0], fn_row(rows, i), &scratch, &v))
            wr_agg_kept_set(ctx, &s->fraction, &v);
    }
    wr_arena_fini(&scratch);
}

AGG_MERGE(ordered_merge)
{
    ordered       *a = into;
    const ordered *b = from;
    wr_agg_items_merge(ctx, &a->items, &b->items);
    if (!a->fraction.have && b->fraction.have)
        wr_agg_kept_set(ctx, &a->fraction, &b->fraction.value);
}

AGG_ENCODE(ordered_encode)
{
    const ordered *s = state;
    wr_agg_items_encode(&s->items, to);
    wr_agg_kept_encode(&s->fraction, to);
}

AGG_DECODE(ordered_decode)
{
    ordered *s = state;
    WR_TRY(wr_agg_items_decode(ctx, &s->items, from));
    return wr_agg_kept_decode(ctx, &s->fraction, from);
}

/* --- sorting --- */

static int
ascending(const void *a, const void *b)
{
    return wr_value_compare(a, b);
}

static int
descending(const void *a, const void *b)
{
    return wr_value_compare(b, a);
}

/* A sorted copy in step. */
static weir_status
items_sort(const wr_agg_items *s, bool down, wr_arena *step, wr_value **sorted)
{
    if (s->count > WR_ARRAY_ITEMS_MAX) /* O2 */
        return WEIR_ROW_TOO_LARGE;
    *sorted = wr_arena_alloc(step, (s->count + 1) * sizeof **sorted);
    if (*sorted == NULL)
        return WEIR_MEMORY;
    if (s->count > 0)
        memcpy(*sorted, s->values, s->count * sizeof **sorted);
    qsort(*sorted, s->count, sizeof **sorted, down ? descending : ascending);
    return WEIR_OK;
}

/* --- one percentile --- */

typedef weir_status (*percentile)(const wr_value *sorted, uint64_t count, double fraction,
                                  wr_value *out);

static bool
is_fraction(double f)
{
    return f >= 0 && f <= 1; /* NaN is none */
}

/* The first value whose place is at or beyond the fraction. */
static weir_status
percentile_disc(const wr_value *sorted, uint64_t count, double fraction, wr_value *out)
{
    uint64_t place = (uint64_t) ceil(fraction * (double) count);
    *out = sorted[place > 0 ? WR_MIN(place, count) - 1 : 0];
    return WEIR_OK;
}

static weir_status
interval_between(const wr_interval *low, const wr_interval *high, double share, wr_interval *out)
{
    wr_interval way;
    bool ok = !__builtin_sub_overflow(high->months, low->months, &way.months) &&
              !__builtin_sub_overflow(high->days, low->days, &way.days) &&
              !__builtin_sub_overflow(high->us, low->us, &way.us) &&
              wr_interval_scale(&way, share, false, &way) &&
              !__builtin_add_overflow(low->months, way.months, &out->months) &&
              !__builtin_add_overflow(low->days, way.days, &out->days) &&
              !__builtin_add_overflow(low->us, way.us, &out->us);
    return ok ? WEIR_OK : WEIR_ROW_OVERFLOW;
}

/* Between the two values around the place. */
static weir_status
percentile_cont(const wr_value *sorted, uint64_t count, double fraction, wr_value *out)
{
    double          place = fraction * (double) (count - 1);
    uint64_t        first = (uint64_t) floor(place), second = (uint64_t) ceil(place);
    const wr_value *low = &sorted[first], *high = &sorted[WR_MIN(second, count - 1)];
    double          share = place - (double) first;
    *out = *low;
    if (first == second)
        return WEIR_OK;
    if (low->type.id == WR_INTERVAL)
        return interval_between(&low->interval, &high->interval, share, &out->interval);
    out->real = low->real + share * (high->real - low->real);
    return WEIR_OK;
}

static weir_status
value_put(const wr_value *v, wr_column *out, uint32_t row)
{
    wr_value typed = *v;
    if (v->is_null)
        return wr_column_set_null(out, row);
    if (out->type.id == WR_NUMERIC)
        return wr_agg_put_num(out, row, &v->string);
    typed.type = out->type;
    return wr_column_set_value(out, row, &typed);
}

/* An array of fractions: an array of the same shape. */
static weir_status
array_result(const wr_array_view *fractions, const wr_value *sorted, uint64_t count, percentile one,
             wr_arena *step, wr_column *out, uint32_t row)
{
    wr_type   element = wr_type_element(out->type);
    wr_value  v = { .type = out->type }, f;
    uint32_t  n = 0;
    wr_value *items = wr_arena_alloc(step, (fractions->count + 1) * sizeof *items);
    if (items == NULL)
        return WEIR_MEMORY;
    for (const char *at = fractions->items; wr_array_next(fractions, &at, &f); n++) {
        items[n] = wr_value_null(element);
        if (f.is_null)
            continue;
        if (!is_fraction(f.real))
            return WEIR_ROW_INVALID_ARGUMENT;
        WR_TRY(one(sorted, count, f.real, &items[n]));
        items[n].type = element;
    }
    WR_TRY(wr_array_make_dims(element, fractions->dims, fractions->lengths, fractions->lower, items,
                              step, &v.string));
    return wr_column_set_value(out, row, &v);
}

static weir_status
percentile_result(const ordered *s, percentile one, bool down, wr_arena *step, wr_column *out,
                  uint32_t row)
{
    wr_value *sorted, v;
    if (s->items.count == 0 || !s->fraction.have)
        return wr_column_set_null(out, row);
    WR_TRY(items_sort(&s->items, down, step, &sorted));
    if (s->fraction.value.type.id == WR_ARRAY) {
        wr_array_view fractions;
        wr_array_open(&s->fraction.value.string, &fractions);
        return array_result(&fractions, sorted, s->items.count, one, step, out, row);
    }
    if (!is_fraction(s->fraction.value.real))
        return WEIR_ROW_INVALID_ARGUMENT;
    WR_TRY(one(sorted, s->items.count, s->fraction.value.real, &v));
    return value_put(&v, out, row);
}

#define PERCENTILE(NAME, ONE, DOWN)                                                                \
    AGG_RESULT(NAME)                                                                               \
    {                                                                                              \
        return percentile_result(state, ONE, DOWN, step, out, row);                                \
    }
PERCENTILE(cont_up, percentile_cont, false)
PERCENTILE(cont_down, percentile_cont, true)
PERCENTILE(disc_up, percentile_disc, false)
PERCENTILE(disc_down, percentile_disc, true)

/* --- median, mode --- */

AGG_RESULT(median_result)
{
    const ordered *s = state;
    wr_value      *sorted, v;
    if (s->items.count == 0)
        return wr_column_set_null(out, row);
    WR_TRY(items_sort(&s->items, false, step, &sorted));
    WR_TRY(percentile_cont(sorted, s->items.count, 0.5, &v));
    return value_put(&v, out, row);
}

/* The most frequent value; of those the first in the order. */
static weir_status
mode_give(const ordered *s, bool down, wr_arena *step, wr_column *out, uint32_t row)
{
    wr_value *sorted, *best = NULL;
    uint64_t  most = 0, run = 0;
    WR_TRY(items_sort(&s->items, down, step, &sorted));
    for (uint64_t i = 0; i < s->items.count; i++) {
        run = i > 0 && wr_value_compare(&sorted[i - 1], &sorted[i]) == 0 ? run + 1 : 1;
        if (run > most) {
            most = run;
            best = &sorted[i + 1 - run];
        }
    }
    return best != NULL ? value_put(best, out, row) : wr_column_set_null(out, row);
}

AGG_RESULT(mode_up)
{
    return mode_give(state, false, step, out, row);
}

AGG_RESULT(mode_down)
{
    return mode_give(state, true, step, out, row);
}

/* --- types --- */

static wr_type
type_of_value(const wr_type *args, uint32_t arg_count)
{
    wr_type value = args[arg_count - 1];
    return (wr_type){ value.id, value.element, 0, -1 };
}

static wr_type
array_of_value(const wr_type *args, uint32_t arg_count)
{
    return WR_TYPE_ARRAY(args[arg_count - 1].id);
}

#define ORDERED(NAME, COUNT, UPDATE, RESULT, RESULT_OF, RESULT_AT, DOC, ...)                       \
    { .name = NAME, .arg_count = COUNT, .args = { __VA_ARGS__ }, .result = RESULT,                 \
      .result_of = RESULT_OF, .state_bytes = sizeof(ordered), .nested = true,                      \
      .ignores_null = true, .update = UPDATE, .merge = ordered_merge, .result_at = RESULT_AT,      \
      .encode = ordered_encode, .decode = ordered_decode, .doc = DOC }
#define F8S WR_TYPE_ARRAY(WR_FLOAT8)
#define CONT(NAME, RESULT_AT)                                                                      \
    ORDERED(NAME, 2, fraction_update, T_FLOAT8, NULL, RESULT_AT,                                   \
            "WITHIN GROUP (ORDER BY x): the value at a fraction, between neighbours", T_FLOAT8,    \
            T_FLOAT8),                                                                             \
        ORDERED(NAME, 2, fraction_update, T_INTERVAL, NULL, RESULT_AT,                             \
                "WITHIN GROUP (ORDER BY x): the value at a fraction, between neighbours",          \
                T_FLOAT8, T_INTERVAL),                                                             \
        ORDERED(NAME, 2, fraction_update, F8S, NULL, RESULT_AT,                                    \
                "WITHIN GROUP (ORDER BY x): the values at fractions, between neighbours", F8S,     \
                T_FLOAT8),                                                                         \
        ORDERED(NAME, 2, fraction_update, WR_TYPE_ARRAY(WR_INTERVAL), NULL, RESULT_AT,             \
                "WITHIN GROUP (ORDER BY x): the values at fractions, between neighbours", F8S,     \
                T_INTERVAL)
#define DISC(NAME, RESULT_AT)                                                                      \
    ORDERED(NAME, 2, fraction_update, T_ANY, type_of_value, RESULT_AT,                             \
            "WITHIN GROUP (ORDER BY x): the first value at or beyond a fraction", T_FLOAT8,        \
            T_ANY),                                                                                \
        ORDERED(NAME, 2, fraction_update, T_ARRAY, array_of_value, RESULT_AT,                      \
                "WITHIN GROUP (ORDER BY x): the first values at or beyond fractions", F8S,         \
                T_NONARRAY)
#define MODE(NAME, RESULT_AT)                                                                      \
    ORDERED(NAME, 1, ordered_update, T_ANY, type_of_value, RESULT_AT,                              \
            "WITHIN GROUP (ORDER BY x): the most frequent value", T_ANY)

const wr_aggregate wr_agg_ordered[] = {
    CONT("percentile_cont", cont_up),
    CONT("percentile_cont desc", cont_down),
    DISC("percentile_disc", disc_up),
    DISC("percentile_disc desc", disc_down),
    MODE("mode", mode_up),
    MODE("mode desc", mode_down),
    ORDERED("median", 1, ordered_update, T_FLOAT8, NULL, median_result,
            "the value in the middle, between neighbours", T_FLOAT8),
    ORDERED("median", 1, ordered_update, T_INTERVAL, NULL, median_result,
            "the value in the middle, between neighbours", T_INTERVAL),
    { .name = NULL },
};
