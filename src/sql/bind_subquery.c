/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_subquery.c -- subqueries in expressions, as joins: EXISTS, IN, ANY, ALL, (SELECT ...),
 * ARRAY.
 *
 * A conjunct of WHERE becomes a semi or anti join where NULLs allow it.  Anywhere else the subquery
 * is reduced to one row for each outer row, joined on the left, and its value is a column: EXISTS
 * (s)       count(*) of s > 0 x op ANY (s)     counts of the rows for which x op y is true, and
 * unknown x IN (s)         without correlation: a left join with the distinct rows of s, and two
 * counts of s
 *
 * Invariants  Q1  three-valued logic of IN and NOT IN is PostgreSQL's: x NOT IN (..., NULL) is
 * never true
 */
#include "sql/bind_impl.h"

#include <string.h>

/* --- small makers --- */

static weir_status
count_call(sql_binder *b, wr_expr *arg, wr_expr *filter, wr_agg_call *out)
{
    wr_type want[1];
    *out = (wr_agg_call){ .arg_count = arg != NULL, .filter = filter, .location = -1 };
    out->args[0] = arg;
    wr_type have[1] = { arg != NULL ? arg->type : WR_TYPE(WR_UNKNOWN) };
    return wr_sql_place(b,
                        wr_aggregate_resolve("count", have, arg != NULL, &out->aggregate, want,
                                             &out->result, b->err),
                        -1);
}

static weir_status
column_expr(sql_binder *b, uint32_t column, wr_type type, wr_expr **out)
{
    *out = wr_expr_column(b->arena, column, type);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* column OP constant int8 */
static weir_status
compare_count(sql_binder *b, const char *op, uint32_t column, int64_t with, wr_expr **out)
{
    wr_value value = { .type = WR_TYPE(WR_INT8), .integer = with };
    wr_expr *left, *right = wr_sql_constant(b, &value, -1);
    if (right == NULL)
        return SQL_NOMEM(b);
    WR_TRY(column_expr(b, column, WR_TYPE(WR_INT8), &left));
    return wr_sql_compare(b, op, left, right, -1, out);
}

/* CASE WHEN c1 THEN v1 WHEN c2 THEN v2 ELSE v3 END over booleans; values: 't' 'f' 'n'. */
static weir_status
bool_case(sql_binder *b, wr_expr **conditions, const char *values, uint32_t count, int32_t location,
          wr_expr **out)
{
    wr_expr *args[9];
    uint32_t n = 0;
    for (uint32_t i = 0; i <= count; i++) {
        wr_value value = wr_value_null(WR_TYPE(WR_BOOL));
        if (values[i] != 'n')
            value = (wr_value){ .type = WR_TYPE(WR_BOOL), .boolean = values[i] == 't' };
        if (i < count)
            args[n++] = conditions[i];
        if ((args[n++] = wr_sql_constant(b, &value, location)) == NULL)
            return SQL_NOMEM(b);
    }
    return wr_sql_make(b, WR_EXPR_CASE, WR_TYPE(WR_BOOL), args, n, location, out);
}

/* Can the plan give more than one row? */
static bool
at_most_one(const wr_plan *plan)
{
    switch (plan->kind) {
    case WR_PLAN_PROJECT:
    case WR_PLAN_FILTER: return at_most_one(plan->inputs[0]);
    case WR_PLAN_SORT:
        return (plan->sort.limit <= 1 && !plan->sort.with_ties) || at_most_one(plan->inputs[0]);
    case WR_PLAN_AGGREGATE: return plan->aggregate.global;
    case WR_PLAN_VALUES: return plan->values.row_count <= 1;
    default: return false;
    }
}

typedef struct outward {
    sql_binder *b;
    uint32_t scope;
} outward;

/* A column of the outer plan, as the subquery's plan writes it. */
static wr_expr *
outward_one(wr_expr *expr, void *user)
{
    outward *o = user;
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0)
        return NULL;
    return wr_expr_column(o->b->arena, sql_outer(o->scope, expr->column), expr->type);
}

/* The comparison of the tests (as outer columns) with the subquery's columns. */
static weir_status
compare_tests(sql_query *q, const sql_subquery *s, wr_expr **out)
{
    outward o = { q->b, q->scope->id };
    wr_expr **left = wr_arena_alloc(q->b->arena, (s->test_count + 1) * sizeof *left);
    wr_expr **right = wr_arena_alloc(q->b->arena, (s->test_count + 1) * sizeof *right);
    if (left == NULL || right == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < s->test_count; i++) {
        left[i] = wr_expr_rewrite(q->b->arena, s->tests[i], outward_one, &o);
        if (left[i] == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(column_expr(q->b, i, s->plan->schema->fields[i].type, &right[i]));
    }
    return wr_sql_compare_rows(q->b, s->op, left, right, s->test_count, s->location, out);
}

/* --- joining --- */

static weir_status
apply_left(sql_query *q, wr_plan *sub, bool single, int32_t location, wr_plan **plan,
           uint32_t *first)
{
    *first = (*plan)->schema->field_count;
    return wr_sql_apply(q->b, q->scope->id, *plan, sub, WR_JOIN_LEFT, NULL, single, location, plan);
}

static weir_status
join_exists(sql_query *q, sql_subquery *s, wr_plan **plan)
{
    wr_agg_call call;
    uint32_t first;
    wr_plan *sub = s->plan;
    if (sub->kind == WR_PLAN_PROJECT) /* what it selects does not matter */
        sub = sub->inputs[0];
    WR_TRY(count_call(q->b, NULL, NULL, &call));
    sub = wr_plan_make_aggregate(q->b->arena, sub, NULL, 0, &call, 1, true, s->location);
    if (sub == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(apply_left(q, sub, false, s->location, plan, &first));
    return compare_count(q->b, ">", first, 0, &s->value);
}

static weir_status
join_scalar(sql_query *q, sql_subquery *s, wr_plan **plan)
{
    uint32_t first;
    wr_type type = s->plan->schema->fields[0].type;
    WR_TRY(apply_left(q, s->plan, !at_most_one(s->plan), s->location, plan, &first));
    return column_expr(q->b, first, type, &s->value);
}

/* The first column of *sub for array_agg.  ORDER BY at its top becomes that of the call: a sort would be lost where
 * the subquery is joined, and over an endless input it would wait for the end. */
static weir_status
array_items(sql_query *q, wr_plan **sub, wr_agg_call *call)
{
    wr_plan *top = *sub, *sort = top->kind == WR_PLAN_PROJECT ? top->inputs[0] : top;
    WR_TRY(column_expr(q->b, 0, top->schema->fields[0].type, &call->args[0]));
    if (sort->kind != WR_PLAN_SORT || sort->sort.key_count == 0 || sort->sort.key_count >= WR_COUNT(call->args))
        return WEIR_OK;
    uint32_t n = sort->sort.key_count;
    wr_agg_order *order = wr_arena_calloc(q->b->arena, n, sizeof *order);
    if (order == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++) {
        const wr_sort_key *key = &sort->sort.keys[i];
        order[i] = (wr_agg_order){ .descending = key->descending, .nulls_first = key->nulls_first };
        WR_TRY(column_expr(q->b, key->column, sort->schema->fields[key->column].type, &call->args[1 + i]));
    }
    if (top != sort)
        call->args[0] = top->project.exprs[0];
    call->arg_count += n;
    call->order_count = n;
    call->order = order;
    *sub = sort->sort.limit == UINT64_MAX && sort->sort.offset == 0 ? sort->inputs[0] : sort;
    return WEIR_OK;
}

/* ARRAY(s): array_agg, and an empty array instead of NULL. */
static weir_status
join_array(sql_query *q, sql_subquery *s, wr_plan **plan)
{
    wr_agg_call call = { .arg_count = 1, .location = s->location };
    wr_type have = s->plan->schema->fields[0].type, want;
    wr_plan *sub = s->plan;
    wr_expr *both[2];
    uint32_t first;
    WR_TRY(array_items(q, &sub, &call));
    WR_TRY(wr_sql_place(q->b,
                        wr_aggregate_resolve("array_agg", &have, 1, &call.aggregate, &want,
                                             &call.result, q->b->err),
                        s->location));
    sub = wr_plan_make_aggregate(q->b->arena, sub, NULL, 0, &call, 1, true, s->location);
    wr_value empty = { .type = WR_TYPE(WR_UNKNOWN), .string = wr_string_make("{}", 2) };
    if (sub == NULL || (both[1] = wr_sql_constant(q->b, &empty, s->location)) == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_sql_cast(q->b, both[1], call.result, WR_CAST_IMPLICIT, &both[1]));
    WR_TRY(apply_left(q, sub, false, s->location, plan, &first));
    WR_TRY(column_expr(q->b, first, call.result, &both[0]));
    return wr_sql_make(q->b, WR_EXPR_COALESCE, call.result, both, 2, s->location, &s->value);
}

/* Number of rows of the subquery, and of those whose column is not NULL. */
static weir_status
two_counts(sql_query *q, wr_plan *sub, int32_t location, wr_plan **out)
{
    wr_agg_call calls[2];
    wr_expr *column;
    WR_TRY(column_expr(q->b, 0, sub->schema->fields[0].type, &column));
    WR_TRY(count_call(q->b, NULL, NULL, &calls[0]));
    WR_TRY(count_call(q->b, column, NULL, &calls[1]));
    *out = wr_plan_make_aggregate(q->b->arena, sub, NULL, 0, calls, 2, true, location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* x IN (s) without correlation, anywhere: true, false or NULL. */
static weir_status
join_in(sql_query *q, sql_subquery *s, wr_plan **plan)
{
    sql_binder *b = q->b;
    wr_plan *counts, *distinct, *copy = wr_plan_copy(b->arena, s->plan);
    wr_expr *right, *equal, *conditions[3], *parts[2];
    uint32_t zero = 0, at, key;
    wr_type type = s->plan->schema->fields[0].type;
    if (copy == NULL)
        return SQL_NOMEM(b);
    WR_TRY(two_counts(q, copy, s->location, &counts));
    WR_TRY(apply_left(q, counts, false, s->location, plan, &at));
    distinct = wr_plan_make_aggregate(b->arena, s->plan, &zero, 1, NULL, 0, false, s->location);
    if (distinct == NULL)
        return SQL_NOMEM(b);
    key = (*plan)->schema->field_count;
    WR_TRY(column_expr(b, key, type, &right));
    WR_TRY(wr_sql_compare(b, "=", s->tests[0], right, s->location, &equal));
    *plan = wr_plan_make_join(b->arena, WR_JOIN_LEFT, *plan, distinct, equal, s->location);
    if (*plan == NULL)
        return SQL_NOMEM(b);
    WR_TRY(wr_sql_make(b, WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL), &right, 1, -1, &conditions[0]));
    WR_TRY(compare_count(b, "=", at, 0, &conditions[1]));
    WR_TRY(wr_sql_make(b, WR_EXPR_IS_NULL, WR_TYPE(WR_BOOL), &s->tests[0], 1, -1, &parts[0]));
    wr_expr *all, *filled;
    WR_TRY(column_expr(b, at, WR_TYPE(WR_INT8), &all));
    WR_TRY(column_expr(b, at + 1, WR_TYPE(WR_INT8), &filled));
    WR_TRY(wr_sql_compare(b, "<>", all, filled, -1, &parts[1]));
    WR_TRY(wr_sql_make(b, WR_EXPR_OR, WR_TYPE(WR_BOOL), parts, 2, -1, &conditions[2]));
    return bool_case(b, conditions, "tfnf", 3, s->location, &s->value);
}

/* x op ANY (s), x op ALL (s) in general: count the rows that decide. */
static weir_status
join_quantified(sql_query *q, sql_subquery *s, wr_plan **plan)
{
    sql_binder *b = q->b;
    bool any = s->kind == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK;
    wr_expr *compared, *decides, *unknown, *conditions[2];
    wr_agg_call calls[2];
    uint32_t first;
    WR_TRY(compare_tests(q, s, &compared));
    WR_TRY(wr_sql_make(b, any ? WR_EXPR_IS_TRUE : WR_EXPR_IS_FALSE, WR_TYPE(WR_BOOL), &compared, 1,
                       -1, &decides));
    WR_TRY(wr_sql_make(b, WR_EXPR_IS_NULL, WR_TYPE(WR_BOOL), &compared, 1, -1, &unknown));
    WR_TRY(count_call(b, NULL, decides, &calls[0]));
    WR_TRY(count_call(b, NULL, unknown, &calls[1]));
    wr_plan *sub = wr_plan_make_aggregate(b->arena, s->plan, NULL, 0, calls, 2, true, s->location);
    if (sub == NULL)
        return SQL_NOMEM(b);
    WR_TRY(apply_left(q, sub, false, s->location, plan, &first));
    WR_TRY(compare_count(b, ">", first, 0, &conditions[0]));
    WR_TRY(compare_count(b, ">", first + 1, 0, &conditions[1]));
    return bool_case(b, conditions, any ? "tnf" : "fnt", 2, s->location, &s->value);
}

weir_status
wr_sql_join_subquery(sql_query *q, sql_subquery *s, wr_plan **plan)
{
    switch (s->kind) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: return join_exists(q, s, plan);
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: return join_scalar(q, s, plan);
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: return join_array(q, s, plan);
    case PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK:
        if (s->test_count == 1 && strcmp(s->op, "=") == 0 &&
            !wr_sql_plan_refers(s->plan, q->scope->id))
            return join_in(q, s, plan);
        return join_quantified(q, s, plan);
    case PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK: return join_quantified(q, s, plan);
    default: return wr_sql_unsupported(q->b, s->location, "this kind of subquery is");
    }
}

/* --- binding --- */

static weir_status
bind_tests(sql_query *q, const PgQuery__SubLink *link, sql_subquery *s)
{
    const tree_node *test = link->testexpr;
    if (test->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) {
        s->test_count = (uint32_t)test->row_expr->n_args;
        WR_TRY(wr_bind_list(q, test->row_expr->args, s->test_count, &s->tests));
    } else {
        s->test_count = 1;
        WR_TRY(wr_bind_list(q, &link->testexpr, 1, &s->tests));
    }
    if (s->test_count != s->plan->schema->field_count)
        return wr_error_at(q->b->err, WEIR_QUERY, link->location, "subquery has too %s columns",
                           s->test_count < s->plan->schema->field_count ? "many" : "few");
    s->op = link->n_oper_name > 0 ? wr_sql_last_name(link->oper_name, link->n_oper_name) : "=";
    return WEIR_OK;
}

static weir_status
bind_subquery(sql_query *q, const PgQuery__SubLink *link, sql_subquery *s)
{
    *s = (sql_subquery){ .kind = link->sub_link_type, .location = link->location };
    if (link->subselect->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return wr_sql_unsupported(q->b, link->location, "this kind of subquery is");
    WR_TRY(wr_bind_select(q->b, link->subselect->select_stmt, q->scope, false, &s->plan));
    if (s->kind == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK ||
        s->kind == PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK)
        return bind_tests(q, link, s);
    bool one = s->kind == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK ||
               s->kind == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK;
    if (one && s->plan->schema->field_count != 1)
        return wr_error_at(q->b->err, WEIR_QUERY, link->location,
                           "subquery must return only one column");
    return WEIR_OK;
}

static wr_type
subquery_type(const sql_subquery *s)
{
    if (s->kind == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK)
        return s->plan->schema->fields[0].type;
    if (s->kind == PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK)
        return WR_TYPE_ARRAY(s->plan->schema->fields[0].type.id);
    return WR_TYPE(WR_BOOL);
}

weir_status
wr_bind_sublink(sql_query *q, const PgQuery__SubLink *link, wr_expr **out)
{
    sql_subquery s;
    if (q->scope == NULL || q->scope->plan == NULL)
        return wr_sql_unsupported(q->b, link->location, "a subquery in this place is");
    WR_TRY(bind_subquery(q, link, &s));
    if (!q->grouped || !q->can_aggregate || q->in_aggregate) {
        WR_TRY(wr_sql_join_subquery(q, &s, &q->scope->plan));
        *out = s.value;
        return WEIR_OK;
    }
    s.type = subquery_type(&s);
    if (!SQL_PUSH(q->b, q->subqueries, q->subquery_count, q->subquery_capacity))
        return SQL_NOMEM(q->b);
    q->subqueries[q->subquery_count] = s;
    WR_TRY(column_expr(q->b, WR_SQL_SUBQUERY + q->subquery_count++, s.type, out));
    (*out)->location = link->location;
    return WEIR_OK;
}

/* --- after grouping --- */

typedef struct regroup {
    sql_query *q;
    const wr_expr *bad;
    bool failed;
} regroup;

static wr_expr *
regroup_node(wr_expr *expr, void *user)
{
    regroup *r = user;
    sql_query *q = r->q;
    if (expr->kind != WR_EXPR_COLUMN || !sql_is_outer_of(expr->column, q->scope->id))
        return NULL;
    for (uint32_t g = 0; g < q->group_count; g++)
        if (q->groups[g]->kind == WR_EXPR_COLUMN &&
            q->groups[g]->column == (expr->column & 0xffff)) {
            wr_expr *to = wr_expr_column(q->b->arena, sql_outer(q->scope->id, g), expr->type);
            r->failed |= to == NULL;
            return to;
        }
    if (r->bad == NULL)
        r->bad = expr;
    return expr;
}

static wr_expr *
regroup_expr(wr_expr *expr, void *user)
{
    return wr_expr_rewrite(((regroup *)user)->q->b->arena, expr, regroup_node, user);
}

static bool
regroup_plan(wr_plan *plan, regroup *r)
{
    if (!wr_plan_map_exprs(plan, regroup_expr, r) || r->failed)
        return false;
    for (uint32_t i = 0; i < plan->input_count; i++)
        if (!regroup_plan(plan->inputs[i], r))
            return false;
    return true;
}

weir_status
wr_sql_regroup_subquery(sql_query *q, sql_subquery *s)
{
    regroup r = { .q = q };
    if (!regroup_plan(s->plan, &r))
        return SQL_NOMEM(q->b);
    if (r.bad == NULL)
        return WEIR_OK;
    const char *name = "?";
    for (uint32_t i = 0; i < q->scope->column_count; i++)
        if (q->scope->columns[i].column == (r.bad->column & 0xffff))
            name = q->scope->columns[i].name;
    return wr_error_at(q->b->err, WEIR_QUERY_GROUPING, r.bad->location,
                       "subquery uses ungrouped column \"%s\" from outer query", name);
}

/* --- conjuncts of WHERE --- */

/* x IN (s): a semi join on equality.  A NULL on either side matches nothing, and WHERE wants true.
 */
static weir_status
where_in(sql_query *q, sql_subquery *s)
{
    sql_binder *b = q->b;
    uint32_t n = q->scope->plan->schema->field_count;
    wr_expr **right = wr_arena_alloc(b->arena, (s->test_count + 1) * sizeof *right), *on;
    if (right == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < s->test_count; i++)
        WR_TRY(column_expr(b, n + i, s->plan->schema->fields[i].type, &right[i]));
    WR_TRY(wr_sql_compare_rows(b, "=", s->tests, right, s->test_count, s->location, &on));
    return wr_sql_apply(b, q->scope->id, q->scope->plan, s->plan, WR_JOIN_SEMI, on, false,
                        s->location, &q->scope->plan);
}

/* x NOT IN (s) without correlation: no equal row, and (s is empty, or neither x nor any of s is
 * NULL). */
static weir_status
where_not_in(sql_query *q, sql_subquery *s)
{
    sql_binder *b = q->b;
    wr_plan *counts, *copy = wr_plan_copy(b->arena, s->plan), **plan = &q->scope->plan;
    wr_expr *right, *on, *empty, *filled[2], *clean, *either[2], *kept, *all, *not_null;
    uint32_t n = (*plan)->schema->field_count, at;
    if (copy == NULL)
        return SQL_NOMEM(b);
    WR_TRY(column_expr(b, n, s->plan->schema->fields[0].type, &right));
    WR_TRY(wr_sql_compare(b, "=", s->tests[0], right, s->location, &on));
    *plan = wr_plan_make_join(b->arena, WR_JOIN_ANTI, *plan, s->plan, on, s->location);
    if (*plan == NULL)
        return SQL_NOMEM(b);
    WR_TRY(two_counts(q, copy, s->location, &counts));
    WR_TRY(apply_left(q, counts, false, s->location, plan, &at));
    WR_TRY(compare_count(b, "=", at, 0, &empty));
    WR_TRY(wr_sql_make(b, WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL), &s->tests[0], 1, -1, &filled[0]));
    WR_TRY(column_expr(b, at, WR_TYPE(WR_INT8), &all));
    WR_TRY(column_expr(b, at + 1, WR_TYPE(WR_INT8), &not_null));
    WR_TRY(wr_sql_compare(b, "=", all, not_null, -1, &filled[1]));
    WR_TRY(wr_sql_make(b, WR_EXPR_AND, WR_TYPE(WR_BOOL), filled, 2, -1, &clean));
    either[0] = empty;
    either[1] = clean;
    WR_TRY(wr_sql_make(b, WR_EXPR_OR, WR_TYPE(WR_BOOL), either, 2, s->location, &kept));
    *plan = wr_plan_make_filter(b->arena, *plan, kept, s->location);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

weir_status
wr_bind_where_sublink(sql_query *q, const tree_node *node, bool *done)
{
    bool negated = node->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
                   node->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__NOT_EXPR;
    const tree_node *inner = negated ? node->bool_expr->args[0] : node;
    sql_subquery s;
    *done = false;
    if (inner->node_case != PG_QUERY__NODE__NODE_SUB_LINK)
        return WEIR_OK;
    const PgQuery__SubLink *link = inner->sub_link;
    bool exists = link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK;
    bool in = link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK &&
              (link->n_oper_name == 0 ||
               strcmp(wr_sql_last_name(link->oper_name, link->n_oper_name), "=") == 0);
    if (!exists && !in)
        return WEIR_OK;
    WR_TRY(bind_subquery(q, link, &s));
    *done = true;
    if (exists)
        return wr_sql_apply(q->b, q->scope->id, q->scope->plan, s.plan,
                            negated ? WR_JOIN_ANTI : WR_JOIN_SEMI, NULL, false, s.location,
                            &q->scope->plan);
    if (!negated)
        return where_in(q, &s);
    if (s.test_count == 1 && !wr_sql_plan_refers(s.plan, q->scope->id))
        return where_not_in(q, &s);
    WR_TRY(wr_sql_join_subquery(q, &s, &q->scope->plan));
    wr_expr *kept;
    WR_TRY(wr_sql_make(q->b, WR_EXPR_NOT, WR_TYPE(WR_BOOL), &s.value, 1, s.location, &kept));
    q->scope->plan = wr_plan_make_filter(q->b->arena, q->scope->plan, kept, s.location);
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}
