/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/agg_list.c -- string_agg and array_agg.
 *
 * Place       the registry of aggregates (aggregate.c).
 * State       a buffer in the pane's arena that doubles when it is full.
 * Invariants  G1, G2, G4 of aggregate.h for rows in one order; not invertible
 *             L1  string_agg keeps the first delimiter too and cuts it off at the result, so that two
 *                 parts merge by appending
 *             L2  results beyond WR_STRING_BYTES_MAX or WR_ARRAY_ITEMS_MAX fail their row
 */
#include "expr/agg_impl.h"

#include <string.h>

/* --- string_agg --- */

typedef struct joined {
    wr_agg_bytes bytes; /* delimiter, value, delimiter, value, ... */
    uint32_t     first_delimiter;
    uint32_t     have;
} joined;

AGG_UPDATE(joined_update)
{
    for (uint32_t i = 0; i < rows.count; i++) {
        joined  *s = (joined *) (void *) (states[i] + offset);
        uint32_t row = fn_row(rows, i);
        if (wr_column_is_null(args[0], row))
            continue;
        const wr_string *value = fn_string_at(args[0], row), *delimiter = fn_string_at(args[1], row);
        uint32_t         between = wr_column_is_null(args[1], row) ? 0 : delimiter->length;
        if (!s->have)
            s->first_delimiter = between;
        s->have = 1;
        wr_agg_bytes_append(ctx, &s->bytes, wr_string_data(delimiter), between);
        wr_agg_bytes_append(ctx, &s->bytes, wr_string_data(value), value->length);
    }
}

AGG_MERGE(joined_merge)
{
    joined       *a = into;
    const joined *b = from;
    if (!b->have)
        return;
    if (!a->have)
        a->first_delimiter = b->first_delimiter;
    a->have = 1;
    wr_agg_bytes_append(ctx, &a->bytes, b->bytes.data, b->bytes.length);
}

AGG_RESULT(joined_result)
{
    const joined *s = state;
    if (!s->have)
        return wr_column_set_null(out, row);
    if (wr_agg_bytes_full(&s->bytes))
        return WEIR_ROW_TOO_LARGE;
    return wr_column_set_string(out, row,
                                s->bytes.length > 0 ? s->bytes.data + s->first_delimiter : "",
                                s->bytes.length - s->first_delimiter);
}

AGG_ENCODE(joined_encode)
{
    const joined *s = state;
    wr_snapshot_put_u64(to, s->have);
    wr_snapshot_put_u64(to, s->first_delimiter);
    wr_snapshot_put_bytes(to, s->bytes.data, s->bytes.length);
}

AGG_DECODE(joined_decode)
{
    joined *s = state;
    size_t  length = 0;
    memset(s, 0, sizeof *s);
    uint64_t    have = wr_snapshot_get_u64(from), first = wr_snapshot_get_u64(from);
    const char *bytes = wr_snapshot_get_bytes(from, &length);
    from->failed |= first > length || have > 1;
    WR_TRY(wr_agg_decoded(from));
    s->have = (uint32_t) have;
    s->first_delimiter = (uint32_t) first;
    wr_agg_bytes_append(ctx, &s->bytes, bytes, length);
    return ctx->failed ? WEIR_MEMORY : WEIR_OK;
}

/* --- array_agg --- */

AGG_UPDATE(items_update)
{
    wr_agg_items_update(ctx, states, offset, args[0], rows);
}

AGG_MERGE(items_merge)
{
    wr_agg_items_merge(ctx, into, from);
}

AGG_ENCODE(items_encode)
{
    wr_agg_items_encode(state, to);
}

AGG_DECODE(items_decode)
{
    return wr_agg_items_decode(ctx, state, from);
}

AGG_RESULT(items_result)
{
    const wr_agg_items *s = state;
    wr_value            v = { .type = out->type };
    if (s->count == 0)
        return wr_column_set_null(out, row);
    if (s->count > WR_ARRAY_ITEMS_MAX)
        return WEIR_ROW_TOO_LARGE;
    WR_TRY(wr_array_make(wr_type_element(out->type), s->values, (uint32_t) s->count, step, &v.string));
    return wr_column_set_value(out, row, &v);
}

/* Arrays of one shape, none NULL or empty, become one array with a dimension more. */
AGG_RESULT(arrays_result)
{
    const wr_agg_items *s = state;
    wr_value            v = { .type = out->type };
    wr_array_view       first, view;
    uint64_t            total = 0, n = 0;
    if (s->count == 0)
        return wr_column_set_null(out, row);
    for (uint64_t i = 0; i < s->count; i++) {
        if (s->values[i].is_null)
            return WEIR_ROW_INVALID_ARGUMENT; /* cannot accumulate null arrays */
        wr_array_open(&s->values[i].string, &view);
        if (i == 0)
            first = view;
        if (view.dims == 0 || view.dims != first.dims || view.dims == WR_ARRAY_DIMS_MAX ||
            memcmp(view.lengths, first.lengths, view.dims * sizeof view.lengths[0]) != 0)
            return WEIR_ROW_INVALID_ARGUMENT; /* ... of different dimensionality */
        total += view.count;
    }
    if (total > WR_ARRAY_ITEMS_MAX)
        return WEIR_ROW_TOO_LARGE;
    uint32_t  lengths[WR_ARRAY_DIMS_MAX] = { (uint32_t) s->count };
    int32_t   lower[WR_ARRAY_DIMS_MAX] = { 1 };
    wr_value *all = wr_arena_alloc(step, (total + 1) * sizeof *all);
    if (all == NULL)
        return WEIR_MEMORY;
    for (uint64_t i = 0; i < s->count; i++) {
        wr_array_open(&s->values[i].string, &view);
        for (const char *at = view.items; n < total && wr_array_next(&view, &at, &all[n]);)
            n++;
    }
    memcpy(lengths + 1, first.lengths, first.dims * sizeof lengths[0]);
    memcpy(lower + 1, first.lower, first.dims * sizeof lower[0]);
    WR_TRY(wr_array_make_dims(wr_type_element(out->type), first.dims + 1, lengths, lower, all, step,
                              &v.string));
    return wr_column_set_value(out, row, &v);
}

#define JOINED(T)                                                                                  \
    { .name = "string_agg", .arg_count = 2, .args = { T, T }, .result = T,                         \
      .state_bytes = sizeof(joined), .nested = true, .order_matters = true,                        \
      .update = joined_update, .merge = joined_merge, .result_at = joined_result,                  \
      .encode = joined_encode, .decode = joined_decode,                                            \
      .doc = "the values joined by a delimiter" }
#define ITEMS(ARG, RESULT_AT)                                                                      \
    { .name = "array_agg", .arg_count = 1, .args = { ARG }, .result = T_ARRAY,                     \
      .state_bytes = sizeof(wr_agg_items), .nested = true, .order_matters = true,                         \
      .update = items_update, .merge = items_merge, .result_at = RESULT_AT,                        \
      .encode = items_encode, .decode = items_decode, .doc = "the values as an array" }

const wr_aggregate wr_agg_list[] = {
    JOINED(T_TEXT),
    JOINED(T_BYTEA),
    ITEMS(T_ELEMENT, items_result),
    ITEMS(T_ARRAY, arrays_result),
    { .name = NULL },
};
