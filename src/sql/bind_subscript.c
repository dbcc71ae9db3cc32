/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_subscript.c -- what follows a value in brackets or behind a dot: items and slices of arrays,
 * members of jsonb.
 *
 * Invariants  S1  one slice among the subscripts makes all of them slices: [1:2][2] is [1:2][1:2]
 *             S2  a bound left out is the array's own; a NULL one makes the whole NULL
 */
#include "sql/bind_impl.h"

#include "data/array.h"

#include <string.h>

/* x['key'], x[0]: as a path, a key of an object, a place in an array, nothing in a scalar. */
static weir_status
bind_json_subscript(sql_query *q, const PgQuery__AIndices *indices, wr_expr **value,
                    int32_t location)
{
    wr_expr *args[2] = { *value, NULL };
    if (indices->is_slice)
        return wr_error_at(q->b->err, WEIR_QUERY, location, "jsonb subscript does not support slices");
    WR_TRY(wr_bind_expr(q, indices->uidx, &args[1]));
    uint8_t id = args[1]->type.id;
    if (id != WR_INT2 && id != WR_INT4 && id != WR_TEXT && id != WR_BPCHAR && id != WR_UNKNOWN)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, location,
                           "a jsonb subscript must be an integer or a text, not %s",
                           wr_type_name(args[1]->type));
    WR_TRY(wr_sql_cast(q->b, args[1], WR_TYPE(WR_TEXT), WR_CAST_EXPLICIT, &args[1]));
    WR_TRY(wr_sql_call(q->b, "array_make", &args[1], 1, location, &args[1]));
    return wr_sql_call(q->b, "#>", args, 2, location, value);
}

/* A bound of a slice; node NULL: left out. */
static weir_status
bind_bound(sql_query *q, const tree_node *node, int64_t otherwise, int32_t location, wr_expr **out)
{
    wr_value open = { .type = WR_TYPE(WR_INT8), .integer = otherwise };
    if (node != NULL) {
        WR_TRY(wr_bind_expr(q, node, out));
        return wr_sql_cast(q->b, *out, WR_TYPE(WR_INT4), WR_CAST_ASSIGNMENT, out);
    }
    *out = wr_sql_constant(q->b, &open, location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* count subscripts of one array. */
static weir_status
bind_array_subscripts(sql_query *q, tree_node *const *steps, size_t count, wr_expr **value,
                      int32_t location)
{
    bool slice = false;
    uint32_t n = 0;
    if (count > WR_ARRAY_DIMS_MAX)
        return wr_error_at(q->b->err, WEIR_QUERY, location,
                           "number of array dimensions (%zu) exceeds the maximum allowed (%d)", count,
                           WR_ARRAY_DIMS_MAX);
    wr_expr **args = wr_arena_alloc(q->b->arena, (2 * count + 1) * sizeof *args);
    if (args == NULL)
        return SQL_NOMEM(q->b);
    args[n++] = *value;
    for (size_t i = 0; i < count; i++)
        slice |= steps[i]->a_indices->is_slice;
    for (size_t i = 0; i < count; i++) {
        const PgQuery__AIndices *indices = steps[i]->a_indices;
        if (!slice) {
            WR_TRY(wr_bind_expr(q, indices->uidx, &args[n++]));
            continue;
        }
        if (indices->is_slice)
            WR_TRY(bind_bound(q, indices->lidx, INT32_MIN, location, &args[n]));
        else
            WR_TRY(bind_bound(q, NULL, 1, location, &args[n])); /* S1 */
        WR_TRY(bind_bound(q, indices->uidx, INT32_MAX, location, &args[n + 1]));
        n += 2;
    }
    return wr_sql_call(q->b, slice ? "array_slice" : "array_subscript", args, n, location, value);
}

weir_status
wr_bind_indirection(sql_query *q, const PgQuery__AIndirection *e, wr_expr **out)
{
    int32_t location = wr_sql_location(e->arg);
    WR_TRY(wr_bind_expr(q, e->arg, out));
    for (size_t i = 0; i < e->n_indirection; i++) {
        const tree_node *step = e->indirection[i];
        uint8_t id = (*out)->type.id;
        if (step->node_case == PG_QUERY__NODE__NODE_A_INDICES && id == WR_ARRAY) {
            size_t count = 1;
            while (i + count < e->n_indirection &&
                   e->indirection[i + count]->node_case == PG_QUERY__NODE__NODE_A_INDICES)
                count++;
            WR_TRY(bind_array_subscripts(q, e->indirection + i, count, out, location));
            i += count - 1;
        } else if (step->node_case == PG_QUERY__NODE__NODE_A_INDICES && id == WR_JSONB) {
            WR_TRY(bind_json_subscript(q, step->a_indices, out, location));
        } else if (step->node_case == PG_QUERY__NODE__NODE_A_INDICES) {
            return wr_error_at(q->b->err, WEIR_QUERY_TYPE, location,
                               "cannot subscript type %s because it does not support subscripting",
                               wr_type_name((*out)->type));
        } else if (step->node_case == PG_QUERY__NODE__NODE_STRING &&
                   (id == WR_JSONB || id == WR_JSON)) {
            const char *name = step->string->sval;
            wr_value key = { .type = WR_TYPE(WR_TEXT),
                             .string = wr_string_make(name, strlen(name)) };
            wr_expr *args[2] = { *out, wr_sql_constant(q->b, &key, location) };
            if (args[1] == NULL)
                return SQL_NOMEM(q->b);
            WR_TRY(wr_sql_call(q->b, "->", args, 2, location, out));
        } else {
            return wr_sql_unsupported(q->b, location, "fields of composite values are");
        }
    }
    return WEIR_OK;
}
