/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_within.c -- WITHIN GROUP (ORDER BY ...): ordered-set aggregates, and hypothetical ones.
 *
 * percentile_cont(f) WITHIN GROUP (ORDER BY x) is the aggregate percentile_cont(f, x).  rank(h) WITHIN
 * GROUP (ORDER BY x) counts the rows that would stand before h, with counts that have a FILTER: it
 * takes rows back and merges as count does.
 *
 * Invariants  W1  a direct argument is made of grouped columns alone (checked by wr_sql_plan_groups)
 */
#include "sql/bind_impl.h"

#include <string.h>

bool
wr_sql_is_ordered_set(const char *name)
{
    return strncmp(name, "percentile_cont", 15) == 0 || strncmp(name, "percentile_disc", 15) == 0 ||
           strcmp(name, "mode") == 0 || strcmp(name, "mode desc") == 0;
}

bool
wr_sql_is_hypothetical(const char *name)
{
    static const char *const names[] = { "rank", "dense_rank", "percent_rank", "cume_dist" };
    for (uint32_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static weir_status
refuse_modifiers(sql_query *q, const PgQuery__FuncCall *call)
{
    if (call->agg_distinct)
        return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                           "DISTINCT cannot be used with WITHIN GROUP");
    if (call->func_variadic)
        return wr_sql_unsupported(q->b, call->location, "VARIADIC with WITHIN GROUP is");
    return WEIR_OK;
}

static weir_status
add_direct(sql_query *q, wr_expr *expr)
{
    if (!SQL_PUSH(q->b, q->directs, q->direct_count, q->direct_capacity))
        return SQL_NOMEM(q->b);
    q->directs[q->direct_count++] = expr;
    return WEIR_OK;
}

/* A constant fraction is judged here, since a group without rows never sees it. */
static weir_status
check_fraction(sql_query *q, wr_expr *fraction)
{
    wr_expr *real;
    wr_value v;
    if (fraction->type.id == WR_ARRAY || !wr_expr_is_constant(fraction))
        return WEIR_OK;
    WR_TRY(wr_sql_cast(q->b, fraction, WR_TYPE(WR_FLOAT8), WR_CAST_IMPLICIT, &real));
    wr_time now = q->b->options != NULL ? q->b->options->now : 0;
    WR_TRY(wr_sql_place(q->b, wr_expr_fold(real, now, q->b->arena, &v, q->b->err),
                        fraction->location));
    if (v.is_null || (v.real >= 0 && v.real <= 1))
        return WEIR_OK;
    return wr_error_at(q->b->err, WEIR_QUERY, fraction->location,
                       "percentile value %g is not between 0 and 1", v.real);
}

weir_status
wr_bind_within_group(sql_query *q, const PgQuery__FuncCall *call, const char **name, wr_expr **args,
                     uint32_t *count)
{
    bool approximate = strcmp(*name, "approx_percentile") == 0, down, nulls_first;
    uint32_t direct = strcmp(*name, "mode") == 0 ? 0 : 1;
    WR_TRY(refuse_modifiers(q, call));
    if (!wr_sql_is_ordered_set(*name) && !approximate)
        return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                           "%s is not an ordered-set aggregate, so it cannot have WITHIN GROUP",
                           *name);
    if (*count != direct || call->n_agg_order != 1)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "%s takes %s and WITHIN GROUP (ORDER BY x)", *name,
                           direct ? "a fraction" : "no argument");
    const PgQuery__SortBy *by = call->agg_order[0]->sort_by;
    WR_TRY(wr_bind_typed(q, by->node, &args[*count]));
    WR_TRY(wr_sql_sort_direction(q->b, by, &down, &nulls_first));
    if (args[*count]->type.id == WR_JSON)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, call->location,
                           "could not identify an ordering operator for type json");
    (*count)++;
    if (direct > 0) {
        WR_TRY(add_direct(q, args[0]));
        WR_TRY(check_fraction(q, args[0]));
    }
    if (approximate) { /* its own order: the value, the fraction */
        wr_expr *fraction = args[0];
        wr_value one = { .type = WR_TYPE(WR_FLOAT8), .real = 1.0 };
        wr_expr *turned[2] = { wr_sql_constant(q->b, &one, call->location), fraction };
        if (turned[0] == NULL)
            return SQL_NOMEM(q->b);
        args[0] = args[1];
        args[1] = fraction;
        return down ? wr_sql_call(q->b, "-", turned, 2, call->location, &args[1]) : WEIR_OK;
    }
    if (down)
        *name = strcmp(*name, "mode") == 0              ? "mode desc"
                : strcmp(*name, "percentile_cont") == 0 ? "percentile_cont desc"
                                                        : "percentile_disc desc";
    return WEIR_OK;
}

/* --- hypothetical --- */

typedef struct hypothesis {
    wr_expr **given, **ordered; /* pair by pair of one type */
    bool *down, *nulls_first;
    uint32_t count;
    wr_expr *filter;
    int32_t location;
} hypothesis;

static weir_status
bind_hypothesis(sql_query *q, const PgQuery__FuncCall *call, const char *name, hypothesis *h)
{
    uint32_t n = (uint32_t)call->n_args;
    WR_TRY(refuse_modifiers(q, call));
    if (n == 0 || call->n_agg_order != n)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "%s takes as many arguments as WITHIN GROUP (ORDER BY ...) has, and at "
                           "least one",
                           name);
    *h = (hypothesis){ .count = n, .location = call->location };
    h->given = wr_arena_alloc(q->b->arena, n * sizeof *h->given);
    h->ordered = wr_arena_alloc(q->b->arena, n * sizeof *h->ordered);
    h->down = wr_arena_alloc(q->b->arena, n * sizeof *h->down);
    h->nulls_first = wr_arena_alloc(q->b->arena, n * sizeof *h->nulls_first);
    if (h->given == NULL || h->ordered == NULL || h->down == NULL || h->nulls_first == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++) {
        const PgQuery__SortBy *by = call->agg_order[i]->sort_by;
        wr_expr *pair[2];
        wr_type type;
        WR_TRY(wr_bind_expr(q, call->args[i], &pair[0]));
        WR_TRY(add_direct(q, pair[0]));
        WR_TRY(wr_bind_expr(q, by->node, &pair[1]));
        WR_TRY(wr_sql_sort_direction(q->b, by, &h->down[i], &h->nulls_first[i]));
        WR_TRY(wr_sql_unify(q->b, pair, 2, "WITHIN GROUP", call->location, &type));
        h->given[i] = pair[0];
        h->ordered[i] = pair[1];
    }
    if (call->agg_filter == NULL)
        return WEIR_OK;
    const char *clause = q->clause;
    q->clause = "FILTER";
    WR_TRY(wr_bind_bool(q, call->agg_filter, &h->filter));
    q->clause = clause;
    return WEIR_OK;
}

static weir_status
make_bool(sql_query *q, wr_expr_kind kind, wr_expr *a, wr_expr *b, wr_expr **out)
{
    wr_expr *args[2] = { a, b };
    return wr_sql_make(q->b, kind, WR_TYPE(WR_BOOL), args, b != NULL ? 2 : 1, -1, out);
}

/* Does the row's value i stand before the given one, whatever the others say?  Never unknown. */
static weir_status
value_before(sql_query *q, const hypothesis *h, uint32_t i, wr_expr **out)
{
    wr_expr *given = h->given[i], *value = h->ordered[i], *less, *null, *not_null;
    WR_TRY(wr_sql_compare(q->b, h->down[i] ? ">" : "<", value, given, h->location, &less));
    WR_TRY(make_bool(q, WR_EXPR_IS_TRUE, less, NULL, &less));
    WR_TRY(make_bool(q, WR_EXPR_IS_NULL, h->nulls_first[i] ? value : given, NULL, &null));
    WR_TRY(make_bool(q, WR_EXPR_IS_NOT_NULL, h->nulls_first[i] ? given : value, NULL, &not_null));
    WR_TRY(make_bool(q, WR_EXPR_AND, null, not_null, &null));
    return make_bool(q, WR_EXPR_OR, less, null, out);
}

static weir_status
value_same(sql_query *q, const hypothesis *h, uint32_t i, wr_expr **out)
{
    wr_expr *equal, *a, *b;
    WR_TRY(wr_sql_compare(q->b, "=", h->ordered[i], h->given[i], h->location, &equal));
    WR_TRY(make_bool(q, WR_EXPR_IS_TRUE, equal, NULL, &equal));
    WR_TRY(make_bool(q, WR_EXPR_IS_NULL, h->ordered[i], NULL, &a));
    WR_TRY(make_bool(q, WR_EXPR_IS_NULL, h->given[i], NULL, &b));
    WR_TRY(make_bool(q, WR_EXPR_AND, a, b, &a));
    return make_bool(q, WR_EXPR_OR, equal, a, out);
}

/* Does the row stand before the given one (or, or_same, beside it)? */
static weir_status
row_before(sql_query *q, const hypothesis *h, bool or_same, wr_expr **out)
{
    *out = NULL;
    for (uint32_t i = h->count; i-- > 0;) {
        wr_expr *before, *same = NULL;
        WR_TRY(value_before(q, h, i, &before));
        if (*out != NULL || or_same)
            WR_TRY(value_same(q, h, i, &same));
        if (*out != NULL)
            WR_TRY(make_bool(q, WR_EXPR_AND, same, *out, &same));
        if (same != NULL)
            WR_TRY(make_bool(q, WR_EXPR_OR, before, same, &before));
        *out = before;
    }
    if (h->filter != NULL)
        return make_bool(q, WR_EXPR_AND, h->filter, *out, out);
    return WEIR_OK;
}

/* count(value) or count(*), where `filter` is true, as a column of the aggregate. */
static weir_status
count_where(sql_query *q, const hypothesis *h, wr_expr *value, wr_expr *filter, wr_expr **out)
{
    wr_agg_call call = { .arg_count = value != NULL, .distinct = value != NULL, .filter = filter,
                         .location = h->location };
    wr_type have = { 0 }, want;
    if (value != NULL)
        have = value->type;
    call.args[0] = value;
    WR_TRY(wr_sql_place(q->b,
                        wr_aggregate_resolve("count", &have, call.arg_count, &call.aggregate, &want,
                                             &call.result, q->b->err),
                        h->location));
    return wr_sql_add_aggregate(q, &call, out);
}

static weir_status
arithmetic(sql_query *q, const char *op, wr_expr *a, wr_expr *b, wr_expr **out)
{
    wr_expr *args[2] = { a, b };
    return wr_sql_call(q->b, op, args, 2, -1, out);
}

/* How many different rows stand before: counted by what the row's values are as JSON, NULLs too. */
static weir_status
bind_dense(sql_query *q, const hypothesis *h, wr_expr *before, wr_expr **out)
{
    wr_expr *key;
    WR_TRY(wr_sql_call(q->b, "jsonb_build_array", h->ordered, h->count, h->location, &key));
    return count_where(q, h, key, before, out);
}

weir_status
wr_bind_hypothetical(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_expr **out)
{
    hypothesis h;
    wr_expr *before, *rows, *all, *one, *zero, *real;
    wr_value v = { .type = WR_TYPE(WR_INT8), .integer = 1 };
    wr_value none = { .type = WR_TYPE(WR_FLOAT8) };
    bool can_over = q->can_over, can_unnest = q->can_unnest;
    q->in_aggregate = true;
    q->can_over = q->can_unnest = false;
    WR_TRY(bind_hypothesis(q, call, name, &h));
    q->in_aggregate = false;
    q->can_over = can_over;
    q->can_unnest = can_unnest;
    WR_TRY(row_before(q, &h, strcmp(name, "cume_dist") == 0, &before));
    if ((one = wr_sql_constant(q->b, &v, h.location)) == NULL ||
        (zero = wr_sql_constant(q->b, &none, h.location)) == NULL)
        return SQL_NOMEM(q->b);
    if (strcmp(name, "dense_rank") == 0) {
        WR_TRY(bind_dense(q, &h, before, &rows));
        return arithmetic(q, "+", rows, one, out);
    }
    WR_TRY(count_where(q, &h, NULL, before, &rows));
    if (strcmp(name, "rank") == 0)
        return arithmetic(q, "+", rows, one, out);
    WR_TRY(count_where(q, &h, NULL, h.filter, &all));
    if (strcmp(name, "cume_dist") == 0) { /* the row itself counts on both sides */
        WR_TRY(arithmetic(q, "+", rows, one, &rows));
        WR_TRY(arithmetic(q, "+", all, one, &all));
        WR_TRY(wr_sql_cast(q->b, rows, WR_TYPE(WR_FLOAT8), WR_CAST_EXPLICIT, &rows));
        WR_TRY(wr_sql_cast(q->b, all, WR_TYPE(WR_FLOAT8), WR_CAST_EXPLICIT, &all));
        return arithmetic(q, "/", rows, all, out);
    }
    /* percent_rank: 0 of no rows */
    wr_expr *parts[3];
    WR_TRY(arithmetic(q, "<", all, one, &parts[0]));
    parts[1] = zero;
    WR_TRY(wr_sql_cast(q->b, rows, WR_TYPE(WR_FLOAT8), WR_CAST_EXPLICIT, &real));
    WR_TRY(wr_sql_cast(q->b, all, WR_TYPE(WR_FLOAT8), WR_CAST_EXPLICIT, &all));
    WR_TRY(arithmetic(q, "/", real, all, &parts[2]));
    return wr_sql_make(q->b, WR_EXPR_CASE, WR_TYPE(WR_FLOAT8), parts, 3, h.location, out);
}
