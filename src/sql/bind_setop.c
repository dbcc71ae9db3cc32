/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_setop.c -- UNION, INTERSECT, EXCEPT, VALUES: many queries, one list of columns.
 *
 * INTERSECT is a semi join of the distinct left rows with the right ones, EXCEPT an anti join,
 * NULLs being equal; with ALL each row carries its number among its equals, so that the third copy
 * on the left only meets a third copy on the right.
 *
 * Invariants  U1  every branch has the types of the result; untyped literals take the other side's
 */
#include "operator/unnest.h"
#include "sql/bind_impl.h"

#include <string.h>

typedef struct branch_list {
    wr_plan **plans;
    uint32_t count, capacity;
} branch_list;

static const char *
setop_name(const tree_select *stmt)
{
    return stmt->op == PG_QUERY__SET_OPERATION__SETOP_UNION       ? "UNION"
           : stmt->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? "INTERSECT"
                                                                  : "EXCEPT";
}

/* Only a plain select list can have its literals typed from outside. */
static bool
can_keep_unknown(const tree_select *stmt)
{
    return stmt->op == PG_QUERY__SET_OPERATION__SETOP_NONE && stmt->n_sort_clause == 0 &&
           stmt->limit_count == NULL && stmt->limit_offset == NULL && stmt->n_distinct_clause == 0;
}

/* The column as the type: in the select list itself when it is a literal there, else by a project
 * above. */
static weir_status
cast_columns(sql_binder *b, wr_plan **plan, const wr_type *types)
{
    uint32_t n = (*plan)->schema->field_count;
    bool same = true;
    for (uint32_t i = 0; i < n; i++) {
        wr_field *field = &(*plan)->schema->fields[i];
        if (wr_type_equal(field->type, types[i]))
            continue;
        if (field->type.id == WR_UNKNOWN && (*plan)->kind == WR_PLAN_PROJECT) {
            WR_TRY(wr_sql_cast(b, (*plan)->project.exprs[i], types[i], WR_CAST_IMPLICIT,
                               &(*plan)->project.exprs[i]));
            field->type = types[i];
            continue;
        }
        if (field->type.id == WR_UNKNOWN && (*plan)->kind == WR_PLAN_VALUES) {
            for (uint32_t r = 0; r < (*plan)->values.row_count; r++)
                WR_TRY(wr_sql_cast(b, (*plan)->values.rows[r][i], types[i], WR_CAST_IMPLICIT,
                                   &(*plan)->values.rows[r][i]));
            field->type = types[i];
            continue;
        }
        same = same && wr_type_same(field->type, types[i]);
    }
    if (same)
        return WEIR_OK;
    wr_expr **exprs = wr_arena_alloc(b->arena, (n + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(b->arena, (n + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < n; i++) {
        wr_field *field = &(*plan)->schema->fields[i];
        names[i] = field->name;
        if ((exprs[i] = wr_expr_column(b->arena, i, field->type)) == NULL)
            return SQL_NOMEM(b);
        if (!wr_type_same(field->type, types[i]))
            WR_TRY(wr_sql_cast(b, exprs[i], types[i], WR_CAST_IMPLICIT, &exprs[i]));
    }
    *plan = wr_plan_make_project(b->arena, *plan, exprs, names, n, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

static weir_status
common_types(sql_binder *b, const branch_list *list, const char *what, int32_t location,
             wr_type *types)
{
    uint32_t n = list->plans[0]->schema->field_count;
    wr_type *column = wr_arena_alloc(b->arena, (list->count + 1) * sizeof *column);
    if (column == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < n; i++) {
        bool equal = true;
        for (uint32_t k = 0; k < list->count; k++) {
            if (list->plans[k]->schema->field_count != n)
                return wr_error_at(b->err, WEIR_QUERY_TYPE, list->plans[k]->location,
                                   "each %s query must have the same number of columns", what);
            column[k] = list->plans[k]->schema->fields[i].type;
            equal = equal && wr_type_equal(column[k], column[0]);
        }
        if (equal && column[0].id != WR_UNKNOWN) {
            types[i] = column[0];
            continue;
        }
        WR_TRY(wr_sql_place(b, wr_type_common(column, list->count, what, &types[i], b->err),
                            location));
    }
    for (uint32_t k = 0; k < list->count && n == 0; k++)
        if (list->plans[k]->schema->field_count != 0)
            return wr_error_at(b->err, WEIR_QUERY_TYPE, location,
                               "each %s query must have the same number of columns", what);
    return WEIR_OK;
}

static weir_status
unify_branches(sql_binder *b, branch_list *list, const char *what, int32_t location)
{
    wr_type *types =
        wr_arena_alloc(b->arena, (list->plans[0]->schema->field_count + 1) * sizeof *types);
    if (types == NULL)
        return SQL_NOMEM(b);
    WR_TRY(common_types(b, list, what, location, types));
    for (uint32_t k = 0; k < list->count; k++)
        WR_TRY(cast_columns(b, &list->plans[k], types));
    return WEIR_OK;
}

static weir_status
add_branch(sql_binder *b, branch_list *list, const tree_select *stmt, sql_scope *outer)
{
    if (!SQL_PUSH(b, list->plans, list->count, list->capacity))
        return SQL_NOMEM(b);
    WR_TRY(wr_bind_select(b, stmt, outer, can_keep_unknown(stmt), &list->plans[list->count]));
    list->count++;
    return WEIR_OK;
}

/* a UNION ALL b UNION ALL c leans left: its branches in order, for as long as it is the same
 * operation. */
static weir_status
union_branches(sql_binder *b, const tree_select *stmt, bool all, sql_scope *outer,
               branch_list *list)
{
    const tree_select *spine[WR_SQL_UNION_MAX];
    uint32_t n = 0;
    const tree_select *at = stmt;
    for (;;) {
        if (n == WR_SQL_UNION_MAX)
            return wr_error_set(b->err, WEIR_QUERY_TOO_COMPLEX, "a UNION has at most %d branches",
                                WR_SQL_UNION_MAX);
        spine[n++] = at->rarg;
        const tree_select *left = at->larg;
        bool same = left->op == PG_QUERY__SET_OPERATION__SETOP_UNION && left->all == all &&
                    left->n_sort_clause == 0 && left->limit_count == NULL &&
                    left->limit_offset == NULL && left->with_clause == NULL;
        if (!same)
            break;
        at = left;
    }
    WR_TRY(add_branch(b, list, at->larg, outer));
    while (n-- > 0)
        WR_TRY(add_branch(b, list, spine[n], outer));
    return WEIR_OK;
}

static weir_status
make_distinct(sql_binder *b, wr_plan **plan)
{
    uint32_t n = (*plan)->schema->field_count;
    uint32_t *keys = wr_arena_alloc(b->arena, (n + 1) * sizeof *keys);
    if (keys == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < n; i++)
        keys[i] = i;
    *plan = wr_plan_make_aggregate(b->arena, *plan, keys, n, NULL, 0, false, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* A side of a counted operation: its columns, then one not NULL for the left, one for the right. */
static weir_status
mark_side(sql_binder *b, wr_plan *side, bool left, wr_plan **out)
{
    uint32_t n = side->schema->field_count;
    wr_value yes = { .type = WR_TYPE(WR_BOOL), .boolean = true }, no = wr_value_null(yes.type);
    wr_expr **exprs = wr_arena_alloc(b->arena, (n + 2) * sizeof *exprs);
    const char **names = wr_arena_alloc(b->arena, (n + 2) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = wr_expr_column(b->arena, i, side->schema->fields[i].type);
        names[i] = side->schema->fields[i].name;
    }
    exprs[n] = wr_sql_constant(b, left ? &yes : &no, -1);
    exprs[n + 1] = wr_sql_constant(b, left ? &no : &yes, -1);
    names[n] = "left";
    names[n + 1] = "right";
    for (uint32_t i = 0; i < n + 2; i++)
        if (exprs[i] == NULL)
            return SQL_NOMEM(b);
    *out = wr_plan_make_project(b->arena, side, exprs, names, n + 2, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* How often each row stands on either side: columns n and n + 1. */
static weir_status
count_sides(sql_binder *b, branch_list *list, wr_plan **out)
{
    uint32_t n = list->plans[0]->schema->field_count;
    wr_plan *sides[2];
    wr_agg_call calls[2] = { 0 };
    wr_type type = WR_TYPE(WR_BOOL), wanted[4];
    WR_TRY(mark_side(b, list->plans[0], true, &sides[0]));
    WR_TRY(mark_side(b, list->plans[1], false, &sides[1]));
    wr_plan *both = wr_plan_make_union(b->arena, sides, 2, -1);
    uint32_t *keys = wr_arena_alloc(b->arena, (n + 1) * sizeof *keys);
    if (both == NULL || keys == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < n; i++)
        keys[i] = i;
    for (uint32_t i = 0; i < 2; i++) {
        WR_TRY(wr_aggregate_resolve("count", &type, 1, &calls[i].aggregate, wanted,
                                    &calls[i].result, b->err));
        calls[i].arg_count = 1;
        calls[i].args[0] = wr_expr_column(b->arena, n + i, type);
        calls[i].location = -1;
        if (calls[i].args[0] == NULL)
            return SQL_NOMEM(b);
    }
    *out = wr_plan_make_aggregate(b->arena, both, keys, n, calls, 2, false, list->plans[0]->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* INTERSECT ALL and EXCEPT ALL: a row comes as often as the smaller count, or their difference, says. */
static weir_status
plan_counted(sql_binder *b, const tree_select *stmt, branch_list *list, wr_plan **out)
{
    uint32_t n = list->plans[0]->schema->field_count;
    wr_type big = WR_TYPE(WR_INT8);
    wr_value one = { .type = big, .integer = 1 };
    wr_plan *counted = NULL;
    wr_expr **counts = wr_arena_alloc(b->arena, 2 * sizeof(wr_expr *));
    wr_expr **args = wr_arena_alloc(b->arena, 2 * sizeof(wr_expr *));
    wr_expr **series = wr_arena_alloc(b->arena, sizeof(wr_expr *));
    uint32_t *columns = wr_arena_alloc(b->arena, (n + 1) * sizeof *columns);
    WR_TRY(count_sides(b, list, &counted));
    if (counts == NULL || args == NULL || series == NULL)
        return SQL_NOMEM(b);
    counts[0] = wr_expr_column(b->arena, n, big);
    counts[1] = wr_expr_column(b->arena, n + 1, big);
    args[0] = wr_sql_constant(b, &one, -1);
    if (columns == NULL || counts[0] == NULL || counts[1] == NULL || args[0] == NULL)
        return SQL_NOMEM(b);
    if (stmt->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT)
        WR_TRY(wr_sql_call(b, "least", counts, 2, -1, &args[1]));
    else
        WR_TRY(wr_sql_compare(b, "-", counts[0], counts[1], -1, &args[1]));
    series[0] = wr_expr_call(b->arena, &wr_series_function, big, args, 2);
    wr_plan *copies = series[0] != NULL ? wr_plan_make_unnest(b->arena, counted, series, &big, 1,
                                                              false, false, -1)
                                        : NULL;
    for (uint32_t i = 0; i < n; i++)
        columns[i] = i;
    *out = copies != NULL ? wr_plan_make_pick(b->arena, copies, columns, n) : NULL;
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* INTERSECT and EXCEPT as a join on all columns, NULLs equal. */
static weir_status
plan_semi(sql_binder *b, const tree_select *stmt, branch_list *list, wr_plan **out)
{
    uint32_t n = list->plans[0]->schema->field_count;
    wr_plan *left = list->plans[0], *right = list->plans[1];
    WR_TRY(make_distinct(b, &left));
    wr_join_kind kind =
        stmt->op == PG_QUERY__SET_OPERATION__SETOP_INTERSECT ? WR_JOIN_SEMI : WR_JOIN_ANTI;
    wr_plan *join = wr_plan_make_join(b->arena, kind, left, right, NULL, -1);
    uint32_t *columns = wr_arena_alloc(b->arena, (n + 1) * sizeof *columns);
    if (join == NULL || columns == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < n; i++)
        columns[i] = i;
    join->join.key_count = n;
    join->join.left_keys = join->join.right_keys = columns;
    join->join.null_equal = true;
    *out = join;
    return WEIR_OK;
}

weir_status
wr_bind_setop(sql_binder *b, const tree_select *stmt, sql_scope *outer, wr_plan **out)
{
    branch_list list = { 0 };
    bool is_union = stmt->op == PG_QUERY__SET_OPERATION__SETOP_UNION;
    if (is_union) {
        WR_TRY(union_branches(b, stmt, stmt->all, outer, &list));
    } else {
        WR_TRY(add_branch(b, &list, stmt->larg, outer));
        WR_TRY(add_branch(b, &list, stmt->rarg, outer));
    }
    WR_TRY(unify_branches(b, &list, setop_name(stmt), list.plans[0]->location));
    if (is_union) {
        *out = wr_plan_make_union(b->arena, list.plans, list.count, -1);
        if (*out == NULL)
            return SQL_NOMEM(b);
        if (!stmt->all)
            WR_TRY(make_distinct(b, out));
    } else {
        WR_TRY(stmt->all ? plan_counted(b, stmt, &list, out) : plan_semi(b, stmt, &list, out));
    }
    return wr_sql_order_output(b, stmt, outer, out);
}

/* --- VALUES --- */

weir_status
wr_bind_values(sql_binder *b, const tree_select *stmt, sql_scope *outer, bool keep_unknown,
               wr_plan **out)
{
    sql_query q = { .b = b, .clause = "VALUES" };
    uint32_t rows = (uint32_t)stmt->n_values_lists;
    uint32_t n = (uint32_t)stmt->values_lists[0]->list->n_items;
    wr_expr ***table = wr_arena_calloc(b->arena, rows + 1, sizeof *table);
    wr_expr **column = wr_arena_alloc(b->arena, (rows + 1) * sizeof *column);
    wr_type *types = wr_arena_alloc(b->arena, (n + 1) * sizeof *types);
    if (table == NULL || column == NULL || types == NULL)
        return SQL_NOMEM(b);
    WR_TRY(wr_bind_from(&q, NULL, 0, outer));
    wr_plan *row = q.scope->plan;
    for (uint32_t r = 0; r < rows; r++) {
        const PgQuery__List *items = stmt->values_lists[r]->list;
        if (items->n_items != n)
            return wr_error_at(b->err, WEIR_QUERY, wr_sql_location(items->items[0]),
                               "VALUES lists must all be the same length");
        WR_TRY(wr_bind_list(&q, items->items, n, &table[r]));
    }
    if (q.scope->plan != row)
        return wr_sql_unsupported(b, wr_sql_location(stmt->values_lists[0]->list->items[0]),
                                  "a subquery in VALUES is");
    for (uint32_t i = 0; i < n; i++) {
        bool unknown = true;
        for (uint32_t r = 0; r < rows; r++) {
            column[r] = table[r][i];
            unknown = unknown && column[r]->type.id == WR_UNKNOWN;
        }
        types[i] = WR_TYPE(WR_UNKNOWN);
        if (unknown && keep_unknown)
            continue;
        WR_TRY(wr_sql_unify(b, column, rows, "VALUES", column[0]->location, &types[i]));
        for (uint32_t r = 0; r < rows; r++)
            table[r][i] = column[r];
    }
    *out = wr_plan_make_values(b->arena, table, rows, types, n, -1);
    if (*out == NULL)
        return SQL_NOMEM(b);
    return wr_sql_order_output(b, stmt, outer, out);
}
