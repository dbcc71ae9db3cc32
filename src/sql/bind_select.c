/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_select.c -- one SELECT, clause by clause, in the order SQL gives them meaning:
 * WITH, FROM, WHERE, GROUP BY, aggregates, HAVING, window functions, sets, select list, DISTINCT,
 * ORDER BY, LIMIT.
 *
 * Invariants  S1  the plan's columns are the select list's, in order, with its names
 *             S2  a placeholder (bind_impl.h) is gone when the operator that makes its column
 * stands
 */
#include "sql/bind_impl.h"

#include <string.h>

/* --- WHERE --- */

static weir_status
add_filter(sql_query *q, wr_expr *predicate, int32_t location)
{
    if (predicate == NULL)
        return WEIR_OK;
    q->scope->plan = wr_plan_make_filter(q->b->arena, q->scope->plan, predicate, location);
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
bind_conjunct(sql_query *q, const tree_node *node, wr_expr **all)
{
    bool is_and = node->node_case == PG_QUERY__NODE__NODE_BOOL_EXPR &&
                  node->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR;
    if (is_and) {
        for (size_t i = 0; i < node->bool_expr->n_args; i++)
            WR_TRY(bind_conjunct(q, node->bool_expr->args[i], all));
        return WEIR_OK;
    }
    bool done = false;
    wr_expr *one;
    WR_TRY(wr_bind_where_sublink(q, node, &done));
    if (done)
        return WEIR_OK;
    WR_TRY(wr_bind_bool(q, node, &one));
    *all = wr_expr_and(q->b->arena, *all, one);
    return *all != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_bind_where(sql_query *q, const tree_node *node, const char *clause)
{
    wr_expr *all = NULL;
    if (node == NULL)
        return WEIR_OK;
    q->clause = clause;
    WR_TRY(bind_conjunct(q, node, &all));
    return add_filter(q, all, wr_sql_location(node));
}

/* --- WITH --- */

static weir_status
push_ctes(sql_binder *b, const PgQuery__WithClause *with, sql_scope *outer)
{
    sql_cte *first = NULL;
    if (with == NULL)
        return WEIR_OK;
    for (size_t i = 0; i < with->n_ctes; i++) {
        sql_cte *cte = wr_arena_calloc(b->arena, 1, sizeof *cte);
        if (cte == NULL)
            return SQL_NOMEM(b);
        cte->tree = with->ctes[i]->common_table_expr;
        for (sql_cte *c = b->ctes; c != NULL && i > 0; c = c->next) {
            if (strcmp(c->tree->ctename, cte->tree->ctename) == 0)
                return wr_error_at(b->err, WEIR_QUERY_AMBIGUOUS, cte->tree->location,
                                   "WITH query name \"%s\" specified more than once",
                                   cte->tree->ctename);
            if (c == first)
                break;
        }
        cte->visible = b->ctes;
        cte->outer = outer;
        cte->next = b->ctes;
        b->ctes = cte;
        first = i == 0 ? cte : first;
    }
    if (with->recursive)
        for (sql_cte *c = b->ctes;; c = c->next) {
            c->visible = b->ctes;
            if (c == first)
                break;
        }
    return WEIR_OK;
}

/* --- the core --- */

/* The ORDER BY of a select: where each key stands among the targets. */
typedef struct order_item {
    uint32_t target;
    bool descending, nulls_first;
} order_item;

typedef struct select_parts {
    sql_targets targets;
    uint32_t visible; /* targets of the select list; the rest are for ORDER BY and DISTINCT ON */
    order_item *order;
    uint32_t order_count;
    uint32_t *distinct_on; /* targets */
    uint32_t distinct_on_count;
    bool distinct;
    wr_expr *having;
} select_parts;

/* The target an ORDER BY or DISTINCT ON item means; a new hidden one when it is none of them. */
static weir_status
find_target(sql_query *q, select_parts *p, const tree_node *node, uint32_t *out)
{
    const char *clause = q->clause;
    int32_t location = wr_sql_location(node);
    wr_expr *expr;
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
        if (node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL || node->a_const->isnull)
            return wr_error_at(q->b->err, WEIR_QUERY, location, "non-integer constant in %s",
                               clause);
        int32_t at = node->a_const->ival->ival;
        if (at < 1 || (uint32_t)at > p->visible)
            return wr_error_at(q->b->err, WEIR_QUERY, location,
                               "%s position %d is not in select list", clause, at);
        *out = (uint32_t)at - 1;
        return WEIR_OK;
    }
    bool bare = node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                node->column_ref->n_fields == 1 &&
                node->column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING;
    if (bare) {
        const char *name = node->column_ref->fields[0]->string->sval;
        uint32_t found = UINT32_MAX;
        for (uint32_t i = 0; i < p->visible; i++) {
            if (strcmp(p->targets.items[i].name, name) != 0)
                continue;
            if (found != UINT32_MAX &&
                !wr_expr_equal(p->targets.items[i].expr, p->targets.items[found].expr))
                return wr_error_at(q->b->err, WEIR_QUERY_AMBIGUOUS, location,
                                   "%s \"%s\" is ambiguous", clause, name);
            if (found == UINT32_MAX)
                found = i;
        }
        if (found != UINT32_MAX) {
            *out = found;
            return WEIR_OK;
        }
    }
    WR_TRY(wr_bind_typed(q, node, &expr));
    for (uint32_t i = 0; i < p->targets.count; i++)
        if (wr_expr_equal(p->targets.items[i].expr, expr)) {
            *out = i;
            return WEIR_OK;
        }
    if (!SQL_PUSH(q->b, p->targets.items, p->targets.count, p->targets.capacity))
        return SQL_NOMEM(q->b);
    p->targets.items[p->targets.count] =
        (sql_target){ .expr = expr, .name = "?column?", .location = location };
    *out = p->targets.count++;
    return WEIR_OK;
}

static weir_status
bind_order(sql_query *q, const tree_select *stmt, select_parts *p)
{
    p->order_count = (uint32_t)stmt->n_sort_clause;
    p->order = wr_arena_calloc(q->b->arena, p->order_count + 1, sizeof *p->order);
    if (p->order == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < p->order_count; i++) {
        const PgQuery__SortBy *by = stmt->sort_clause[i]->sort_by;
        order_item *item = &p->order[i];
        q->clause = "ORDER BY";
        WR_TRY(find_target(q, p, by->node, &item->target));
        WR_TRY(wr_sql_sort_direction(q->b, by, &item->descending, &item->nulls_first));
        if (p->distinct && item->target >= p->visible)
            return wr_error_at(
                q->b->err, WEIR_QUERY, wr_sql_location(by->node),
                "for SELECT DISTINCT, ORDER BY expressions must appear in select list");
    }
    return WEIR_OK;
}

static weir_status
bind_distinct(sql_query *q, const tree_select *stmt, select_parts *p)
{
    if (stmt->n_distinct_clause == 0)
        return WEIR_OK;
    if (stmt->distinct_clause[0]->node_case == PG_QUERY__NODE__NODE__NOT_SET) {
        p->distinct = true;
        return WEIR_OK;
    }
    p->distinct_on_count = (uint32_t)stmt->n_distinct_clause;
    p->distinct_on = wr_arena_calloc(q->b->arena, p->distinct_on_count, sizeof *p->distinct_on);
    if (p->distinct_on == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < p->distinct_on_count; i++) {
        q->clause = "SELECT DISTINCT ON";
        WR_TRY(find_target(q, p, stmt->distinct_clause[i], &p->distinct_on[i]));
    }
    return WEIR_OK;
}

/* DISTINCT ON must be a prefix of ORDER BY, in any order. */
static weir_status
check_distinct_on(sql_query *q, const select_parts *p, int32_t location)
{
    uint32_t n = WR_MIN(p->distinct_on_count, p->order_count);
    for (uint32_t i = 0; i < n; i++) {
        bool found = false;
        for (uint32_t k = 0; k < p->distinct_on_count && !found; k++)
            found = p->distinct_on[k] == p->order[i].target;
        if (!found)
            return wr_error_at(
                q->b->err, WEIR_QUERY, location,
                "SELECT DISTINCT ON expressions must match initial ORDER BY expressions");
    }
    return WEIR_OK;
}

static bool
needs_grouping(const tree_select *stmt)
{
    if (stmt->n_group_clause > 0 || stmt->having_clause != NULL)
        return true;
    for (size_t i = 0; i < stmt->n_target_list; i++)
        if (wr_sql_tree_has_aggregate(stmt->target_list[i]))
            return true;
    for (size_t i = 0; i < stmt->n_sort_clause; i++)
        if (wr_sql_tree_has_aggregate(stmt->sort_clause[i]))
            return true;
    for (size_t i = 0; i < stmt->n_distinct_clause; i++)
        if (stmt->distinct_clause[i]->node_case != PG_QUERY__NODE__NODE__NOT_SET &&
            wr_sql_tree_has_aggregate(stmt->distinct_clause[i]))
            return true;
    return false;
}

static weir_status
bind_clauses(sql_query *q, const tree_select *stmt, bool keep_unknown, select_parts *p)
{
    q->windows = wr_arena_calloc(q->b->arena, stmt->n_window_clause + 1, sizeof *q->windows);
    if (q->windows == NULL)
        return SQL_NOMEM(q->b);
    for (size_t i = 0; i < stmt->n_window_clause; i++)
        q->windows[q->window_count++] = stmt->window_clause[i]->window_def;
    WR_TRY(wr_sql_check_windows(q));
    uint32_t group_windows = 0;
    for (size_t i = 0; i < stmt->n_group_clause; i++) {
        const tree_node *g = stmt->group_clause[i];
        if (g->node_case == PG_QUERY__NODE__NODE_FUNC_CALL &&
            wr_sql_is_window_function(
                wr_sql_last_name(g->func_call->funcname, g->func_call->n_funcname))) {
            if (group_windows++ > 0)
                return wr_error_at(q->b->err, WEIR_QUERY_WINDOW, g->func_call->location,
                                   "a query groups by one window");
            WR_TRY(wr_bind_group_window(q, g->func_call));
        }
    }
    WR_TRY(wr_bind_where(q, stmt->where_clause, "WHERE"));
    q->grouped = needs_grouping(stmt);
    q->can_aggregate = q->can_over = q->can_unnest = true;
    q->clause = "SELECT";
    WR_TRY(wr_bind_targets(q, stmt->target_list, stmt->n_target_list, &p->targets));
    p->visible = p->targets.count;
    for (uint32_t i = 0; i < p->visible && !keep_unknown; i++)
        if (p->targets.items[i].expr->type.id == WR_UNKNOWN)
            WR_TRY(wr_sql_cast(q->b, p->targets.items[i].expr, WR_TYPE(WR_TEXT), WR_CAST_IMPLICIT,
                               &p->targets.items[i].expr));
    WR_TRY(wr_bind_groups(q, stmt, &p->targets));
    q->can_over = q->can_unnest = false;
    if (stmt->having_clause != NULL) {
        q->clause = "HAVING";
        WR_TRY(wr_bind_bool(q, stmt->having_clause, &p->having));
    }
    q->can_over = q->can_unnest = true;
    WR_TRY(bind_distinct(q, stmt, p));
    WR_TRY(bind_order(q, stmt, p));
    return check_distinct_on(q, p, -1);
}

/* --- replacing placeholders --- */

typedef struct replacement {
    sql_query *q;
    uint32_t space, first; /* space + i becomes column first + i */
    bool failed;
} replacement;

static wr_expr *
replace_one(wr_expr *expr, void *user)
{
    replacement *r = user;
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0 ||
        (expr->column & WR_SQL_SPACE) != r->space)
        return NULL;
    uint32_t i = expr->column - r->space;
    wr_expr *with = r->space == WR_SQL_SUBQUERY
                        ? r->q->subqueries[i].value
                        : wr_expr_column(r->q->b->arena, r->first + i, expr->type);
    r->failed |= with == NULL;
    return with;
}

/* Every expression still to be planned. */
typedef struct expr_list {
    wr_expr ***items;
    uint32_t count, capacity;
} expr_list;

static weir_status
list_add(sql_query *q, expr_list *list, wr_expr **slot)
{
    if (!SQL_PUSH(q->b, list->items, list->count, list->capacity))
        return SQL_NOMEM(q->b);
    list->items[list->count++] = slot;
    return WEIR_OK;
}

static weir_status
collect(sql_query *q, select_parts *p, expr_list *list)
{
    for (uint32_t i = 0; i < p->targets.count; i++)
        WR_TRY(list_add(q, list, &p->targets.items[i].expr));
    if (p->having != NULL)
        WR_TRY(list_add(q, list, &p->having));
    for (uint32_t i = 0; i < q->over_count; i++) {
        struct sql_over *over = &q->overs[i];
        for (uint32_t k = 0; k < over->call.arg_count; k++)
            WR_TRY(list_add(q, list, &over->call.args[k]));
        if (over->call.filter != NULL)
            WR_TRY(list_add(q, list, &over->call.filter));
        for (uint32_t k = 0; k < over->partition_count; k++)
            WR_TRY(list_add(q, list, &over->partition[k]));
        for (uint32_t k = 0; k < over->order_count; k++)
            WR_TRY(list_add(q, list, &over->order[k].expr));
    }
    for (uint32_t i = 0; i < q->unnest_count; i++)
        WR_TRY(list_add(q, list, &q->unnests[i]));
    for (uint32_t i = 0; i < q->subquery_count; i++)
        for (uint32_t k = 0; k < q->subqueries[i].test_count; k++)
            WR_TRY(list_add(q, list, &q->subqueries[i].tests[k]));
    return WEIR_OK;
}

static weir_status
replace_all(sql_query *q, const expr_list *list, uint32_t space, uint32_t first)
{
    replacement r = { .q = q, .space = space, .first = first };
    for (uint32_t i = 0; i < list->count; i++) {
        *list->items[i] = wr_expr_rewrite(q->b->arena, *list->items[i], replace_one, &r);
        if (*list->items[i] == NULL || r.failed)
            return SQL_NOMEM(q->b);
    }
    return WEIR_OK;
}

/* --- planning --- */

static weir_status
plan_project(sql_query *q, const select_parts *p)
{
    uint32_t n = p->targets.count;
    wr_expr **exprs = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++) {
        exprs[i] = p->targets.items[i].expr;
        names[i] = p->targets.items[i].name;
    }
    int32_t location = n > 0 ? p->targets.items[0].location : -1;
    q->scope->plan = wr_plan_make_project(q->b->arena, q->scope->plan, exprs, names, n, location);
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* DISTINCT ON (k): the first row of each k, by row_number() OVER (PARTITION BY k ORDER BY ...) = 1.
 */
static weir_status
plan_distinct_on(sql_query *q, const select_parts *p)
{
    wr_arena *arena = q->b->arena;
    uint32_t n = q->scope->plan->schema->field_count;
    wr_over_call call = { .name = "row_number",
                          .function = WR_OVER_ROW_NUMBER,
                          .result = WR_TYPE(WR_INT8),
                          .location = -1,
                          .partition_count = p->distinct_on_count,
                          .partition = p->distinct_on,
                          .order_count = p->order_count,
                          .mode = WR_FRAME_ROWS };
    call.start.unbounded = true;
    call.start.offset = call.end.offset = wr_value_null(WR_TYPE(WR_INT8));
    call.order = wr_arena_calloc(arena, p->order_count + 1, sizeof *call.order);
    if (call.order == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < p->order_count; i++)
        call.order[i] = (wr_sort_key){ .column = p->order[i].target,
                                       .descending = p->order[i].descending,
                                       .nulls_first = p->order[i].nulls_first };
    wr_plan *plan = wr_plan_make_over(arena, q->scope->plan, &call, 1, -1);
    wr_value one = { .type = WR_TYPE(WR_INT8), .integer = 1 };
    wr_expr *number = wr_expr_column(arena, n, WR_TYPE(WR_INT8)),
            *first = wr_sql_constant(q->b, &one, -1);
    wr_expr *is_first;
    if (plan == NULL || number == NULL || first == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_sql_compare(q->b, "=", number, first, -1, &is_first));
    plan = wr_plan_make_filter(arena, plan, is_first, -1);
    uint32_t *columns = wr_arena_alloc(arena, (n + 1) * sizeof *columns);
    if (plan == NULL || columns == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++)
        columns[i] = i;
    q->scope->plan = wr_plan_make_pick(arena, plan, columns, n);
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
plan_distinct(sql_query *q, const select_parts *p)
{
    uint32_t n = q->scope->plan->schema->field_count;
    uint32_t *keys = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *keys);
    if (p->distinct_on_count > 0)
        return plan_distinct_on(q, p);
    if (!p->distinct)
        return WEIR_OK;
    if (keys == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++)
        keys[i] = i;
    q->scope->plan =
        wr_plan_make_aggregate(q->b->arena, q->scope->plan, keys, n, NULL, 0, false, -1);
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
plan_order(sql_query *q, const tree_select *stmt, const select_parts *p, sql_scope *outer)
{
    uint64_t limit, offset;
    bool with_ties;
    WR_TRY(wr_bind_limit(q->b, stmt, outer, &limit, &offset, &with_ties));
    if (p->order_count == 0 && limit == UINT64_MAX && offset == 0)
        return WEIR_OK;
    wr_sort_key *keys = wr_arena_calloc(q->b->arena, p->order_count + 1, sizeof *keys);
    if (keys == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < p->order_count; i++)
        keys[i] = (wr_sort_key){ .column = p->order[i].target,
                                 .descending = p->order[i].descending,
                                 .nulls_first = p->order[i].nulls_first };
    int32_t location = p->order_count > 0 ? wr_sql_location(stmt->sort_clause[0]->sort_by->node)
                       : stmt->limit_count != NULL ? wr_sql_location(stmt->limit_count)
                                                   : wr_sql_location(stmt->limit_offset);
    q->scope->plan = wr_plan_make_sort(q->b->arena, q->scope->plan, keys, p->order_count, limit,
                                       offset, with_ties, location);
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* Everything between FROM/WHERE and the select list's project. */
static weir_status
plan_middle(sql_query *q, const tree_select *stmt, select_parts *p)
{
    expr_list list = { 0 };
    uint32_t first;
    WR_TRY(collect(q, p, &list));
    if (q->grouped) {
        int32_t at = stmt->n_group_clause > 0 ? wr_sql_location(stmt->group_clause[0])
                     : q->call_count > 0      ? q->calls[0].location
                                              : -1;
        WR_TRY(wr_sql_plan_groups(q, list.items, list.count, at));
        for (uint32_t i = 0; i < q->subquery_count; i++)
            if (!q->subqueries[i].early)
                WR_TRY(wr_sql_regroup_subquery(q, &q->subqueries[i]));
    }
    for (uint32_t i = 0; i < q->subquery_count; i++) {
        /* the tests of a later subquery may hold an earlier one */
        sql_subquery *sub = &q->subqueries[i];
        replacement r = { .q = q, .space = WR_SQL_SUBQUERY };
        if (sub->early)
            continue;
        for (uint32_t k = 0; k < sub->test_count; k++) {
            sub->tests[k] = wr_expr_rewrite(q->b->arena, sub->tests[k], replace_one, &r);
            if (sub->tests[k] == NULL || r.failed)
                return SQL_NOMEM(q->b);
        }
        WR_TRY(wr_sql_join_subquery(q, sub, &q->scope->plan));
    }
    if (q->subquery_count > 0)
        WR_TRY(replace_all(q, &list, WR_SQL_SUBQUERY, 0));
    WR_TRY(add_filter(q, p->having,
                      stmt->having_clause != NULL ? wr_sql_location(stmt->having_clause) : -1));
    p->having = NULL;
    if (q->over_count > 0) {
        WR_TRY(wr_sql_plan_over(q, &q->scope->plan, &first));
        list.count = 0;
        WR_TRY(collect(q, p, &list));
        WR_TRY(replace_all(q, &list, WR_SQL_OVER, first));
    }
    if (q->unnest_count > 0) {
        first = q->scope->plan->schema->field_count;
        q->scope->plan = wr_plan_make_unnest(q->b->arena, q->scope->plan, q->unnests,
                                             q->unnest_types, q->unnest_count, false, false, -1);
        if (q->scope->plan == NULL)
            return SQL_NOMEM(q->b);
        list.count = 0;
        WR_TRY(collect(q, p, &list));
        WR_TRY(replace_all(q, &list, WR_SQL_UNNEST, first));
    }
    return WEIR_OK;
}

weir_status
wr_bind_core(sql_binder *b, const tree_select *stmt, sql_scope *outer, bool keep_unknown,
             wr_plan **out)
{
    sql_query q = { .b = b, .clause = "FROM" };
    select_parts p = { 0 };
    WR_TRY(wr_bind_from(&q, stmt->from_clause, stmt->n_from_clause, outer));
    WR_TRY(bind_clauses(&q, stmt, keep_unknown, &p));
    WR_TRY(plan_middle(&q, stmt, &p));
    WR_TRY(plan_project(&q, &p));
    WR_TRY(plan_distinct(&q, &p));
    WR_TRY(plan_order(&q, stmt, &p, outer));
    if (p.targets.count > p.visible) {
        uint32_t *columns = wr_arena_alloc(b->arena, (p.visible + 1) * sizeof *columns);
        if (columns == NULL)
            return SQL_NOMEM(b);
        for (uint32_t i = 0; i < p.visible; i++)
            columns[i] = i;
        q.scope->plan = wr_plan_make_pick(b->arena, q.scope->plan, columns, p.visible);
    }
    *out = q.scope->plan;
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

weir_status
wr_bind_select(sql_binder *b, const tree_select *stmt, sql_scope *outer, bool keep_unknown,
               wr_plan **out)
{
    sql_cte *ctes = b->ctes;
    weir_status status;
    if (b->depth >= WR_SQL_DEPTH_MAX || b->select_count >= WR_SQL_SELECTS_MAX)
        return wr_error_set(b->err, WEIR_QUERY_TOO_COMPLEX,
                            "the statement has too many selects, or they are nested too deeply");
    if (stmt->into_clause != NULL)
        return wr_sql_unsupported(b, -1, "SELECT INTO is");
    if (stmt->n_locking_clause > 0)
        return wr_sql_unsupported(b, -1, "FOR UPDATE is");
    b->depth++;
    b->select_count++;
    status = push_ctes(b, stmt->with_clause, outer);
    if (status == WEIR_OK) {
        if (stmt->op != PG_QUERY__SET_OPERATION__SETOP_NONE)
            status = wr_bind_setop(b, stmt, outer, out);
        else if (stmt->n_values_lists > 0)
            status = wr_bind_values(b, stmt, outer, keep_unknown, out);
        else
            status = wr_bind_core(b, stmt, outer, keep_unknown, out);
    }
    b->ctes = ctes;
    b->depth--;
    return status;
}
