/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_call.c -- calls: scalar functions, aggregates, set-returning functions.
 *
 * Invariants  C1  an aggregate stands where its clause allows one, and never inside another
 *             C2  equal aggregate calls of a query are one call
 */
#include "sql/bind_impl.h"

#include "operator/unnest.h"

#include <string.h>

/* Functions that give a set; those of the registry give it as an array. */
static const char *const set_functions[] = {
    "generate_series",      "unnest",
    "generate_subscripts",  "regexp_split_to_table",
    "regexp_matches",       "string_to_table",
    "json_array_elements",  "json_array_elements_text",
    "jsonb_array_elements", "jsonb_array_elements_text",
    "json_object_keys",     "jsonb_object_keys",
    "jsonb_path_query",     "json_each",
    "json_each_text",       "jsonb_each",
    "jsonb_each_text",
};

bool
wr_sql_is_set_returning(const char *name)
{
    for (uint32_t i = 0; i < WR_COUNT(set_functions); i++)
        if (strcmp(set_functions[i], name) == 0)
            return true;
    return false;
}

/* --- aggregates --- */

static weir_status
check_place(sql_query *q, const PgQuery__FuncCall *call)
{
    if (q->in_aggregate)
        return wr_error_at(q->b->err, WEIR_QUERY_GROUPING, call->location,
                           "aggregate function calls cannot be nested");
    if (!q->can_aggregate) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_GROUPING, call->location,
                                         "aggregate functions are not allowed in %s", q->clause);
        if (strcmp(q->clause, "WHERE") == 0)
            wr_error_hint(q->b->err, "conditions on aggregates go into HAVING");
        return status;
    }
    return WEIR_OK;
}

/* The ORDER BY inside an aggregate: what it goes by stands behind the call's arguments.  written: these before
 * they were cast. */
static weir_status
bind_agg_order(sql_query *q, const PgQuery__FuncCall *call, wr_expr *const *written, wr_agg_call *made)
{
    uint32_t n = (uint32_t)call->n_agg_order, plain = made->arg_count;
    wr_agg_order *order = wr_arena_calloc(q->b->arena, n + 1, sizeof *order);
    if (order == NULL)
        return SQL_NOMEM(q->b);
    if (n > WR_COUNT(made->args) - plain)
        return wr_sql_unsupported(q->b, call->location, "ORDER BY this much inside an aggregate is");
    for (uint32_t i = 0; i < n; i++) {
        const PgQuery__SortBy *by = call->agg_order[i]->sort_by;
        wr_expr **key = &made->args[plain + i];
        WR_TRY(wr_bind_typed(q, by->node, key));
        WR_TRY(wr_sql_sort_direction(q->b, by, &order[i].descending, &order[i].nulls_first));
        bool given = !made->distinct;
        for (uint32_t a = 0; a < plain && !given; a++)
            given = wr_expr_equal(*key, written[a]) || wr_expr_equal(*key, made->args[a]);
        if (!given)
            return wr_error_at(q->b->err, WEIR_QUERY, wr_sql_location(by->node),
                               "in an aggregate with DISTINCT, ORDER BY expressions must appear in "
                               "argument list");
    }
    made->arg_count += n;
    made->order_count = n;
    made->order = order;
    return WEIR_OK;
}

/* DISTINCT without ORDER BY gives the values in their order. */
static weir_status
order_distinct(sql_query *q, wr_agg_call *made)
{
    uint32_t n = 0;
    wr_agg_order *order = wr_arena_calloc(q->b->arena, made->arg_count + 1, sizeof *order);
    if (order == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < made->arg_count; i++)
        if (made->args[i]->kind != WR_EXPR_CONSTANT)
            made->args[made->arg_count + n++] = made->args[i];
    made->arg_count += n;
    made->order_count = n;
    made->order = order;
    return WEIR_OK;
}

bool
wr_sql_agg_order_same(const wr_agg_call *a, const wr_agg_call *b, uint32_t count)
{
    const wr_expr *const *x = (const wr_expr *const *)a->args + a->arg_count - a->order_count;
    const wr_expr *const *y = (const wr_expr *const *)b->args + b->arg_count - b->order_count;
    for (uint32_t i = 0; i < count; i++)
        if (!wr_expr_equal(x[i], y[i]) || a->order[i].descending != b->order[i].descending ||
            a->order[i].nulls_first != b->order[i].nulls_first)
            return false;
    return true;
}

weir_status
wr_sql_add_aggregate(sql_query *q, const wr_agg_call *call, wr_expr **out)
{
    uint32_t at = 0;
    for (; at < q->call_count; at++) {
        const wr_agg_call *have = &q->calls[at];
        bool same = have->aggregate == call->aggregate && have->distinct == call->distinct &&
                    have->arg_count == call->arg_count &&
                    have->order_count == call->order_count &&
                    wr_sql_agg_order_same(have, call, call->order_count) &&
                    (have->filter == NULL) == (call->filter == NULL) &&
                    (have->filter == NULL || wr_expr_equal(have->filter, call->filter));
        for (uint32_t i = 0; same && i < call->arg_count; i++)
            same = wr_expr_equal(have->args[i], call->args[i]);
        if (same)
            break;
    }
    if (at == q->call_count) {
        if (!SQL_PUSH(q->b, q->calls, q->call_count, q->call_capacity))
            return SQL_NOMEM(q->b);
        q->calls[q->call_count++] = *call;
    }
    *out = wr_expr_column(q->b->arena, WR_SQL_AGGREGATE + at, call->result);
    if (*out == NULL)
        return SQL_NOMEM(q->b);
    (*out)->location = call->location;
    return WEIR_OK;
}

/* Arguments, FILTER and the aggregate itself, for GROUP BY and for OVER alike. */
static weir_status
bind_aggregate_parts(sql_query *q, const PgQuery__FuncCall *call, const char *name,
                     wr_expr **args, wr_agg_call *out)
{
    wr_type have[4], want[4];
    uint32_t n = (uint32_t)call->n_args;
    if (n > 3)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "no aggregate %s takes %u arguments", name, n);
    bool is_row = false;
    if (n == 1)
        WR_TRY(wr_bind_row_json(q, name, call->args[0], &args[0], &is_row));
    for (uint32_t i = 0; i < n && !is_row; i++)
        WR_TRY(wr_bind_expr(q, call->args[i], &args[i]));
    if (is_row && strcmp(name, "json_agg") == 0)
        name = "json_agg rows";
    if (call->agg_within_group)
        WR_TRY(wr_bind_within_group(q, call, &name, args, &n));
    else if (wr_sql_is_ordered_set(name))
        return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                           "WITHIN GROUP is required for ordered-set aggregate %s", name);
    if (n == 0 && !call->agg_star)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "%s needs an argument%s", name,
                           strcmp(name, "count") == 0 ? ": count(*) counts rows" : "");
    for (uint32_t i = 0; i < n; i++)
        have[i] = args[i]->type;
    *out =
        (wr_agg_call){ .arg_count = n, .distinct = call->agg_distinct, .location = call->location };
    WR_TRY(wr_sql_place(
        q->b, wr_aggregate_resolve(name, have, n, &out->aggregate, want, &out->result, q->b->err),
        call->location));
    for (uint32_t i = 0; i < n; i++)
        WR_TRY(wr_sql_cast(q->b, args[i], want[i], WR_CAST_IMPLICIT, &out->args[i]));
    if (call->agg_filter != NULL) {
        const char *clause = q->clause;
        q->clause = "FILTER";
        WR_TRY(wr_bind_bool(q, call->agg_filter, &out->filter));
        q->clause = clause;
    }
    return WEIR_OK;
}

typedef struct level_check {
    bool own, outer;
} level_check;

static void
note_level(const wr_expr *expr, void *user)
{
    level_check *check = user;
    if (expr->kind == WR_EXPR_COLUMN && (expr->column & WR_SQL_OUTER) != 0)
        check->outer = true;
    else if (expr->kind == WR_EXPR_COLUMN)
        check->own = true;
}

/* An aggregate over outer columns alone belongs to the outer query, in PostgreSQL: it is not
 * computed here. */
static weir_status
check_level(sql_query *q, const wr_agg_call *made)
{
    level_check check = { false, false };
    for (uint32_t i = 0; i < made->arg_count; i++)
        wr_expr_walk(made->args[i], note_level, &check);
    if (!check.outer || check.own)
        return WEIR_OK;
    weir_status status = wr_sql_unsupported(q->b, made->location,
                                            "an aggregate of the outer query within a subquery is");
    wr_error_hint(q->b->err, "compute it in a sub-select in FROM and use its column");
    return status;
}

static weir_status
bind_aggregate(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_expr **out)
{
    wr_agg_call made;
    wr_expr *written[4];
    WR_TRY(check_place(q, call));
    bool can_over = q->can_over, can_unnest = q->can_unnest;
    q->in_aggregate = true;
    q->can_over = q->can_unnest = false;
    WR_TRY(bind_aggregate_parts(q, call, name, written, &made));
    WR_TRY(check_level(q, &made));
    if (call->n_agg_order > 0 && !call->agg_within_group && made.aggregate->order_matters)
        WR_TRY(bind_agg_order(q, call, written, &made));
    else if (made.distinct && !call->agg_within_group && made.aggregate->order_matters)
        WR_TRY(order_distinct(q, &made));
    q->in_aggregate = false;
    q->can_over = can_over;
    q->can_unnest = can_unnest;
    return wr_sql_add_aggregate(q, &made, out);
}

/* --- set-returning functions --- */

/* generate_series(start, stop[, step]): all of one type, or times and an interval. */
static weir_status
bind_series(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out, wr_type *type)
{
    wr_expr **args;
    uint32_t n = (uint32_t)call->n_args;
    if (n < 2 || n > 3)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "generate_series takes a start, a stop and a step");
    WR_TRY(wr_bind_list(q, call->args, n, &args));
    bool times = wr_type_is_time(args[0]->type) || wr_type_is_time(args[1]->type);
    if (!times) {
        WR_TRY(wr_sql_unify(q->b, args, n, "generate_series", call->location, type));
        if (type->id == WR_INT2) {
            *type = WR_TYPE(WR_INT4);
            for (uint32_t i = 0; i < n; i++)
                WR_TRY(wr_sql_cast(q->b, args[i], *type, WR_CAST_IMPLICIT, &args[i]));
        }
    } else {
        WR_TRY(wr_sql_unify(q->b, args, 2, "generate_series", call->location, type));
        if (type->id == WR_DATE) {
            *type = WR_TYPE(WR_TIMESTAMPTZ);
            for (uint32_t i = 0; i < 2; i++)
                WR_TRY(wr_sql_cast(q->b, args[i], *type, WR_CAST_IMPLICIT, &args[i]));
        }
        if (n == 3)
            WR_TRY(wr_sql_cast(q->b, args[2], WR_TYPE(WR_INTERVAL), WR_CAST_IMPLICIT, &args[2]));
    }
    bool known = type->id == WR_INT4 || type->id == WR_INT8 || type->id == WR_NUMERIC ||
                 (n == 3 && (type->id == WR_TIMESTAMP || type->id == WR_TIMESTAMPTZ));
    if (!known)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "function generate_series(%s, ...) does not exist", wr_type_name(*type));
    type->modifier = -1;
    *out = wr_expr_call(q->b->arena, &wr_series_function, *type, args, n);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* The call whose items are the set, and the type of one item. */
static weir_status
bind_set(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_expr **out,
         wr_type *type)
{
    if (strcmp(name, "generate_series") == 0)
        return bind_series(q, call, out, type);
    if (strcmp(name, "unnest") == 0) {
        if (call->n_args != 1)
            return wr_sql_unsupported(q->b, call->location,
                                      "unnest of several arrays in this place is");
        WR_TRY(wr_bind_expr(q, call->args[0], out));
    } else {
        wr_expr **args;
        const char *array_name = strcmp(name, "string_to_table") == 0 ? "string_to_array"
                                 : strcmp(name, "regexp_split_to_table") == 0
                                     ? "regexp_split_to_array"
                                     : name;
        WR_TRY(wr_bind_list(q, call->args, call->n_args, &args));
        WR_TRY(wr_sql_call(q->b, array_name, args, (uint32_t)call->n_args, call->location, out));
    }
    if ((*out)->type.id != WR_ARRAY)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "function %s(%s) does not exist", name, wr_type_name((*out)->type));
    *type = wr_type_element((*out)->type);
    return WEIR_OK;
}

/* What one item of the set `name` is to its query: the matches of regexp_matches travel as text. */
weir_status
wr_sql_set_item(sql_binder *b, const char *name, wr_expr **item)
{
    if (strcmp(name, "regexp_matches") != 0)
        return WEIR_OK;
    return wr_sql_cast(b, *item, WR_TYPE_ARRAY(WR_TEXT), WR_CAST_EXPLICIT, item);
}

static weir_status
bind_set_returning(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_expr **out)
{
    wr_expr *set;
    wr_type type;
    if (!q->can_unnest) {
        weir_status status =
            wr_error_at(q->b->err, WEIR_QUERY, call->location,
                        "set-returning functions are not allowed in %s", q->clause);
        wr_error_hint(q->b->err, "put it into FROM: FROM %s(...) AS x", name);
        return status;
    }
    q->can_unnest = false;
    WR_TRY(bind_set(q, call, name, &set, &type));
    q->can_unnest = true;
    if (!SQL_PUSH(q->b, q->unnests, q->unnest_count, q->unnest_capacity))
        return SQL_NOMEM(q->b);
    uint32_t capacity = q->unnest_capacity;
    wr_type *types = wr_arena_alloc(q->b->arena, capacity * sizeof *types);
    if (types == NULL)
        return SQL_NOMEM(q->b);
    if (q->unnest_count > 0)
        memcpy(types, q->unnest_types, q->unnest_count * sizeof *types);
    q->unnest_types = types;
    q->unnests[q->unnest_count] = set;
    q->unnest_types[q->unnest_count] = type;
    *out = wr_expr_column(q->b->arena, WR_SQL_UNNEST + q->unnest_count++, type);
    if (*out == NULL)
        return SQL_NOMEM(q->b);
    (*out)->location = call->location;
    return wr_sql_set_item(q->b, name, out);
}

/* --- scalar functions --- */

/* pg_typeof(x): known when the query is bound. */
static weir_status
bind_typeof(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out)
{
    wr_expr *arg;
    wr_text text;
    wr_type type;
    WR_TRY(wr_bind_expr(q, call->args[0], &arg));
    type = arg->type;
    type.modifier = -1;
    type.scale = 0;
    wr_text_init(&text, NULL);
    if (type.id == WR_UNKNOWN)
        wr_text_puts(&text, "unknown");
    else
        wr_type_print(type, &text);
    char *name = wr_arena_strdup(q->b->arena, wr_text_string(&text));
    bool ok = wr_text_ok(&text);
    wr_value value = { .type = WR_TYPE(WR_TEXT) };
    wr_text_fini(&text);
    if (name == NULL || !ok)
        return SQL_NOMEM(q->b);
    value.string = wr_string_make(name, strlen(name));
    *out = wr_sql_constant(q->b, &value, call->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* tumble_start(...), hop_end(...): the columns that GROUP BY tumble(...) has made. */
static bool
group_window_column(const char *name, const char **column)
{
    static const char *const kinds[] = { "tumble", "hop", "session", "cumulate" };
    for (uint32_t i = 0; i < WR_COUNT(kinds); i++) {
        size_t n = strlen(kinds[i]);
        if (strncmp(name, kinds[i], n) != 0)
            continue;
        if (strcmp(name + n, "_start") == 0 || strcmp(name + n, "_end") == 0) {
            *column = strcmp(name + n, "_start") == 0 ? "window_start" : "window_end";
            return true;
        }
    }
    return false;
}

static weir_status
bind_window_part(sql_query *q, const PgQuery__FuncCall *call, const char *column, wr_expr **out)
{
    const sql_column *c = wr_sql_scope_find(q->scope, column);
    if (c == NULL) {
        weir_status status =
            wr_error_at(q->b->err, WEIR_QUERY_WINDOW, call->location, "there is no window here");
        wr_error_hint(q->b->err, "write FROM tumble(t, ts, interval '1 minute') and select %s",
                      column);
        return status;
    }
    *out = wr_expr_column(q->b->arena, c->column, c->type);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
refuse_modifiers(sql_query *q, const PgQuery__FuncCall *call, const char *name)
{
    const char *what = call->agg_distinct         ? "DISTINCT"
                       : call->agg_star           ? "(*)"
                       : call->n_agg_order > 0    ? "ORDER BY"
                       : call->agg_filter != NULL ? "FILTER"
                       : call->agg_within_group   ? "WITHIN GROUP"
                                                  : NULL;
    if (what == NULL)
        return WEIR_OK;
    if (!wr_function_exists(name)) {
        const char *near = wr_function_nearest(name);
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                                         "function %s does not exist", name);
        if (near != NULL)
            wr_error_hint(q->b->err, "did you mean %s?", near);
        return status;
    }
    return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                       "%s specified, but %s is not an aggregate function", what, name);
}

static bool
is_over_only(const char *name)
{
    static const char *const names[] = { "row_number",   "rank",      "dense_rank",
                                         "percent_rank", "cume_dist", "ntile",
                                         "lag",          "lead",      "nth_value" };
    for (uint32_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static weir_status
bind_scalar(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_expr **out)
{
    const char *column;
    wr_expr **args = NULL;
    if (group_window_column(name, &column))
        return bind_window_part(q, call, column, out);
    if (wr_sql_is_window_function(name)) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_WINDOW, call->location,
                                         "%s stands in FROM or in GROUP BY", name);
        wr_error_hint(q->b->err, "select window_start, window_end");
        return status;
    }
    if (is_over_only(name) && !wr_function_exists(name))
        return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                           "window function %s requires an OVER clause", name);
    if (wr_function_is_internal(name)) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                                         "function %s does not exist", name);
        if (strncmp(name, "array", 5) == 0)
            wr_error_hint(q->b->err, "ARRAY[a, b] makes an array; x[i] and x[i:j] are its parts");
        return status;
    }
    uint32_t count = (uint32_t)call->n_args;
    WR_TRY(refuse_modifiers(q, call, name));
    if (strcmp(name, "pg_typeof") == 0 && count == 1)
        return bind_typeof(q, call, out);
    if (count == 1) {
        bool is_row;
        WR_TRY(wr_bind_row_json(q, name, call->args[0], out, &is_row));
        if (is_row)
            return WEIR_OK;
    }
    WR_TRY(wr_bind_arguments(q, call, name, &args, &count));
    if (call->func_variadic) {
        bool is_null;
        WR_TRY(wr_bind_variadic(q, call, &args, &count, &is_null));
        if (is_null && strcmp(name, "format") == 0) {
            count--; /* no values for the format */
        } else if (is_null) {
            wr_value nothing = wr_value_null(WR_TYPE(WR_TEXT));
            if ((args[count - 1] = wr_sql_constant(q->b, &nothing, call->location)) == NULL)
                return SQL_NOMEM(q->b);
            WR_TRY(wr_sql_call(q->b, name, args, count, call->location, out));
            wr_value null = wr_value_null((*out)->type);
            *out = wr_sql_constant(q->b, &null, call->location);
            return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
        }
    }
    return wr_sql_call(q->b, name, args, count, call->location, out);
}

weir_status
wr_bind_call(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out)
{
    const char *name = wr_sql_last_name(call->funcname, call->n_funcname);
    if (call->over != NULL)
        return wr_bind_over_call(q, call, out);
    if (wr_sql_is_set_returning(name))
        return bind_set_returning(q, call, name, out);
    if (call->agg_within_group && wr_sql_is_hypothetical(name)) {
        WR_TRY(check_place(q, call));
        return wr_bind_hypothetical(q, call, name, out);
    }
    if (wr_sql_is_aggregate(call))
        return bind_aggregate(q, call, name, out);
    return bind_scalar(q, call, name, out);
}

/* --- arguments of an aggregate used as a window function (bind_over.c) --- */

weir_status
wr_bind_over_aggregate(sql_query *q, const PgQuery__FuncCall *call, wr_agg_call *out)
{
    if (call->agg_within_group)
        return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                           "OVER is not supported for ordered-set aggregates");
    wr_expr *written[4];
    return bind_aggregate_parts(q, call, wr_sql_last_name(call->funcname, call->n_funcname), written, out);
}

weir_status
wr_bind_set(sql_query *q, const PgQuery__FuncCall *call, wr_expr **out, wr_type *type)
{
    return bind_set(q, call, wr_sql_last_name(call->funcname, call->n_funcname), out, type);
}
