/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_group.c -- GROUP BY: which expressions group, the AGGREGATE, and what stands above it.
 *
 * Invariants  G1  above the aggregate every column is a group's or a call's: anything else is
 *                 PostgreSQL's "must appear in the GROUP BY clause"
 *             G2  a table's key among the groups brings its other columns along
 */
#include "sql/bind_impl.h"

#include <string.h>

/* --- grouping expressions --- */

static weir_status
add_group(sql_query *q, wr_expr *expr, uint32_t *index)
{
    for (uint32_t i = 0; i < q->group_count; i++)
        if (wr_expr_equal(q->groups[i], expr)) {
            *index = i;
            return WEIR_OK;
        }
    if (!SQL_PUSH(q->b, q->groups, q->group_count, q->group_capacity))
        return SQL_NOMEM(q->b);
    q->groups[q->group_count] = expr;
    *index = q->group_count++;
    return WEIR_OK;
}

typedef struct placeholder_check {
    bool aggregate, over;
} placeholder_check;

static void
note_placeholder(const wr_expr *expr, void *user)
{
    placeholder_check *check = user;
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0)
        return;
    check->aggregate |= (expr->column & WR_SQL_SPACE) == WR_SQL_AGGREGATE;
    check->over |= (expr->column & WR_SQL_SPACE) == WR_SQL_OVER;
}

static weir_status
check_group(sql_query *q, const wr_expr *expr, int32_t location)
{
    placeholder_check check = { 0 };
    wr_expr_walk(expr, note_placeholder, &check);
    if (!check.aggregate && !check.over)
        return WEIR_OK;
    return wr_error_at(q->b->err, WEIR_QUERY_GROUPING, location, "%s are not allowed in GROUP BY",
                       check.aggregate ? "aggregate functions" : "window functions");
}

/* GROUP BY 2, GROUP BY name, GROUP BY expression: PostgreSQL's order of looking. */
static weir_status
bind_group_expr(sql_query *q, const tree_node *node, const sql_targets *targets, wr_expr **out)
{
    int32_t location = wr_sql_location(node);
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
        if (node->a_const->val_case != PG_QUERY__A__CONST__VAL_IVAL || node->a_const->isnull)
            return wr_error_at(q->b->err, WEIR_QUERY, location, "non-integer constant in GROUP BY");
        int32_t at = node->a_const->ival->ival;
        if (at < 1 || (uint32_t)at > targets->count)
            return wr_error_at(q->b->err, WEIR_QUERY, location,
                               "GROUP BY position %d is not in select list", at);
        *out = targets->items[at - 1].expr;
        return WEIR_OK;
    }
    bool bare = node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                node->column_ref->n_fields == 1 &&
                node->column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING;
    const char *name = bare ? node->column_ref->fields[0]->string->sval : NULL;
    if (name != NULL && wr_sql_scope_find(q->scope, name) == NULL) {
        const sql_target *found = NULL;
        for (uint32_t i = 0; i < targets->count; i++) {
            if (strcmp(targets->items[i].name, name) != 0)
                continue;
            if (found != NULL && !wr_expr_equal(found->expr, targets->items[i].expr))
                return wr_error_at(q->b->err, WEIR_QUERY_AMBIGUOUS, location,
                                   "GROUP BY \"%s\" is ambiguous", name);
            found = &targets->items[i];
        }
        if (found != NULL) {
            *out = found->expr;
            return WEIR_OK;
        }
    }
    return wr_bind_typed(q, node, out);
}

/* One item of GROUP BY; *set: the groups it stands for. */
weir_status
wr_bind_group_item(sql_query *q, const tree_node *node, const sql_targets *targets, uint64_t *set)
{
    wr_expr *expr;
    uint32_t index;
    *set = 0;
    bool is_window = node->node_case == PG_QUERY__NODE__NODE_FUNC_CALL &&
                     wr_sql_is_window_function(
                         wr_sql_last_name(node->func_call->funcname, node->func_call->n_funcname));
    if (is_window) {
        static const char *const columns[] = { "window_start", "window_end" };
        for (uint32_t i = 0; i < 2; i++) {
            const sql_column *c = wr_sql_scope_find(q->scope, columns[i]);
            wr_assert(c != NULL);
            if ((expr = wr_expr_column(q->b->arena, c->column, c->type)) == NULL)
                return SQL_NOMEM(q->b);
            WR_TRY(add_group(q, expr, &index));
            *set |= index < 64 ? 1ull << index : 0;
        }
        return WEIR_OK;
    }
    WR_TRY(bind_group_expr(q, node, targets, &expr));
    if (expr->type.id == WR_UNKNOWN)
        WR_TRY(wr_sql_cast(q->b, expr, WR_TYPE(WR_TEXT), WR_CAST_IMPLICIT, &expr));
    WR_TRY(check_group(q, expr, wr_sql_location(node)));
    WR_TRY(add_group(q, expr, &index));
    *set = index < 64 ? 1ull << index : 0;
    return WEIR_OK;
}

/* A subquery of the select list that is grouped by is joined below the aggregate instead of above.
 */
typedef struct early_state {
    sql_query *q;
    weir_status status;
} early_state;

static wr_expr *
join_early(wr_expr *expr, void *user)
{
    early_state *s = user;
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0 ||
        (expr->column & WR_SQL_SPACE) != WR_SQL_SUBQUERY)
        return NULL;
    sql_subquery *sub = &s->q->subqueries[expr->column - WR_SQL_SUBQUERY];
    if (!sub->early) {
        weir_status status = wr_sql_join_subquery(s->q, sub, &s->q->scope->plan);
        if (status != WEIR_OK) {
            s->status = status;
            return expr;
        }
        sub->early = true;
    }
    return sub->value;
}

static wr_expr *
use_early(wr_expr *expr, void *user)
{
    early_state *s = user;
    bool is_subquery = expr->kind == WR_EXPR_COLUMN && (expr->column & WR_SQL_OUTER) == 0 &&
                       (expr->column & WR_SQL_SPACE) == WR_SQL_SUBQUERY;
    if (!is_subquery)
        return NULL;
    const sql_subquery *sub = &s->q->subqueries[expr->column - WR_SQL_SUBQUERY];
    return sub->early ? sub->value : expr;
}

static weir_status
settle_subqueries(sql_query *q, sql_targets *targets)
{
    early_state s = { q, WEIR_OK };
    for (uint32_t g = 0; g < q->group_count; g++) {
        q->groups[g] = wr_expr_rewrite(q->b->arena, q->groups[g], join_early, &s);
        WR_TRY(s.status);
        if (q->groups[g] == NULL)
            return SQL_NOMEM(q->b);
    }
    for (uint32_t i = 0; i < targets->count; i++) {
        targets->items[i].expr =
            wr_expr_rewrite(q->b->arena, targets->items[i].expr, use_early, &s);
        if (targets->items[i].expr == NULL)
            return SQL_NOMEM(q->b);
    }
    return WEIR_OK;
}

/* Sets of the select list that are grouped by are unnested below the aggregate: which column is each? */
typedef struct unnest_state {
    sql_query *q;
    uint32_t *columns; /* by placeholder */
    bool *grouped;
    bool failed;
} unnest_state;

static bool
is_unnest(const wr_expr *e)
{
    return e->kind == WR_EXPR_COLUMN && (e->column & WR_SQL_OUTER) == 0 &&
           (e->column & WR_SQL_SPACE) == WR_SQL_UNNEST;
}

static void
note_unnest(const wr_expr *expr, void *user)
{
    unnest_state *s = user;
    if (is_unnest(expr))
        s->grouped[s->columns[expr->column - WR_SQL_UNNEST]] = true;
}

static wr_expr *
use_unnest(wr_expr *expr, void *user)
{
    unnest_state *s = user;
    if (!is_unnest(expr))
        return NULL;
    wr_expr *column = wr_expr_column(s->q->b->arena, s->columns[expr->column - WR_SQL_UNNEST], expr->type);
    s->failed |= column == NULL;
    return column;
}

/* One column for equal sets; the sets that are left stand in front. */
static weir_status
unnest_below(unnest_state *s)
{
    sql_query *q = s->q;
    early_state early = { q, WEIR_OK };
    uint32_t kept = 0;
    for (uint32_t i = 0; i < q->unnest_count; i++) {
        uint32_t k = 0;
        while (k < kept && !wr_expr_equal(q->unnests[k], q->unnests[i]))
            k++;
        q->unnests[k] = q->unnests[i];
        q->unnest_types[k] = q->unnest_types[i];
        kept = WR_MAX(kept, k + 1);
        s->columns[i] = k;
    }
    for (uint32_t g = 0; g < q->group_count; g++)
        wr_expr_walk(q->groups[g], note_unnest, s);
    for (uint32_t k = 0; k < kept; k++) {
        if (!s->grouped[k])
            return wr_sql_unsupported(q->b, q->unnests[k]->location,
                                      "a set beside one that is grouped by, in the select list, is");
        WR_TRY(check_group(q, q->unnests[k], q->unnests[k]->location));
        q->unnests[k] = wr_expr_rewrite(q->b->arena, q->unnests[k], join_early, &early);
        WR_TRY(early.status);
        if (q->unnests[k] == NULL)
            return SQL_NOMEM(q->b);
    }
    uint32_t first = q->scope->plan->schema->field_count;
    for (uint32_t i = 0; i < q->unnest_count; i++)
        s->columns[i] += first;
    q->scope->plan = wr_plan_make_unnest(q->b->arena, q->scope->plan, q->unnests, q->unnest_types,
                                         kept, false, false, -1);
    q->unnest_count = 0;
    return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
settle_unnests(sql_query *q, sql_targets *targets)
{
    wr_arena *arena = q->b->arena;
    unnest_state s = { .q = q };
    s.columns = wr_arena_calloc(arena, q->unnest_count, sizeof *s.columns);
    s.grouped = wr_arena_calloc(arena, q->unnest_count, sizeof *s.grouped);
    bool any = false;
    if (s.columns == NULL || s.grouped == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < q->unnest_count; i++)
        s.columns[i] = i;
    for (uint32_t g = 0; g < q->group_count; g++)
        wr_expr_walk(q->groups[g], note_unnest, &s);
    for (uint32_t i = 0; i < q->unnest_count; i++) {
        any = any || s.grouped[i];
        s.grouped[i] = false;
    }
    if (!any)
        return WEIR_OK;
    WR_TRY(unnest_below(&s));
    for (uint32_t g = 0; g < q->group_count && !s.failed; g++)
        s.failed |= (q->groups[g] = wr_expr_rewrite(arena, q->groups[g], use_unnest, &s)) == NULL;
    for (uint32_t i = 0; i < targets->count && !s.failed; i++) {
        wr_expr **e = &targets->items[i].expr;
        s.failed |= (*e = wr_expr_rewrite(arena, *e, use_unnest, &s)) == NULL;
    }
    return s.failed ? SQL_NOMEM(q->b) : WEIR_OK;
}

weir_status
wr_bind_groups(sql_query *q, const tree_select *stmt, sql_targets *targets)
{
    const char *clause = q->clause;
    bool can_aggregate = q->can_aggregate;
    q->clause = "GROUP BY";
    q->can_aggregate = false;
    WR_TRY(wr_bind_sets(q, stmt, targets));
    q->clause = clause;
    q->can_aggregate = can_aggregate;
    if (q->unnest_count > 0)
        WR_TRY(settle_unnests(q, targets));
    return q->subquery_count > 0 ? settle_subqueries(q, targets) : WEIR_OK;
}

/* --- the plan --- */

typedef struct group_rewrite {
    sql_query *q;
    const wr_expr *bad; /* first column that is not grouped */
    bool failed;
    weir_status status; /* of a GROUPING(...) */
} group_rewrite;

static wr_expr *
group_column(group_rewrite *r, uint32_t column, wr_type type, int32_t location)
{
    wr_expr *expr = wr_expr_column(r->q->b->arena, column, type);
    if (expr == NULL)
        r->failed = true;
    else
        expr->location = location;
    return expr;
}

static wr_expr *
rewrite_one(wr_expr *expr, void *user)
{
    group_rewrite *r = user;
    sql_query *q = r->q;
    for (uint32_t i = 0; i < q->group_count; i++)
        if (wr_expr_equal(expr, q->groups[i]))
            return group_column(r, i, q->groups[i]->type, expr->location);
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0)
        return NULL;
    uint32_t space = expr->column & WR_SQL_SPACE;
    if (space == WR_SQL_GROUPING) {
        wr_expr *value = NULL;
        r->status = wr_sql_grouping_value(q, expr->column - WR_SQL_GROUPING, &value);
        return r->status == WEIR_OK ? value : expr;
    }
    if (space == WR_SQL_AGGREGATE)
        return group_column(r, q->group_count + (expr->column - WR_SQL_AGGREGATE), expr->type,
                            expr->location);
    if (space == 0 && r->bad == NULL)
        r->bad = expr;
    return expr;
}

static weir_status
grouping_error(sql_query *q, const wr_expr *bad)
{
    const char *name = "?", *table = NULL;
    for (uint32_t i = 0; i < q->scope->column_count; i++)
        if (q->scope->columns[i].column == bad->column) {
            const sql_column *c = &q->scope->columns[i];
            name = c->name;
            table = c->range >= 0 ? q->scope->ranges[c->range].alias : NULL;
        }
    return wr_error_at(q->b->err, WEIR_QUERY_GROUPING, bad->location,
                       "column \"%s%s%s\" must appear in the GROUP BY clause or be used in an "
                       "aggregate function",
                       table != NULL ? table : "", table != NULL ? "." : "", name);
}

/* G2: a column whose table's key is grouped becomes one more group; false: it is not so. */
static bool
add_dependent(sql_query *q, const wr_expr *column)
{
    const sql_column *found = NULL;
    for (uint32_t i = 0; i < q->scope->column_count && found == NULL; i++)
        if (q->scope->columns[i].column == column->column && q->scope->columns[i].range >= 0)
            found = &q->scope->columns[i];
    if (found == NULL)
        return false;
    const sql_range *range = &q->scope->ranges[found->range];
    if (range->key_count == 0)
        return false;
    for (uint32_t k = 0; k < range->key_count; k++) {
        bool grouped = false;
        for (uint32_t g = 0; g < q->group_count && !grouped; g++)
            grouped = q->groups[g]->kind == WR_EXPR_COLUMN &&
                      q->groups[g]->column == range->first + range->key[k];
        if (!grouped)
            return false;
    }
    uint32_t index;
    wr_expr *copy = wr_expr_column(q->b->arena, column->column, column->type);
    return copy != NULL && add_group(q, copy, &index) == WEIR_OK;
}

/* Rewrite *expr over the aggregate's output.  Groups may grow (G2) on the way. */
static weir_status
rewrite(sql_query *q, wr_expr **expr)
{
    for (;;) {
        group_rewrite r = { .q = q };
        wr_expr *done = wr_expr_rewrite(q->b->arena, *expr, rewrite_one, &r);
        WR_TRY(r.status);
        if (done == NULL || r.failed)
            return SQL_NOMEM(q->b);
        if (r.bad == NULL) {
            *expr = done;
            return WEIR_OK;
        }
        if (q->set_count > 0 || !add_dependent(q, r.bad))
            return grouping_error(q, r.bad);
    }
}

/* Find every column that G2 brings along before any expression is rewritten: calls are numbered
 * after groups. */
static weir_status
settle_groups(sql_query *q, wr_expr ***exprs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wr_expr *trial = *exprs[i];
        if (trial != NULL)
            WR_TRY(rewrite(q, &trial));
    }
    return WEIR_OK;
}

static bool
reads_window(const wr_plan *plan)
{
    while (plan->kind == WR_PLAN_FILTER || plan->kind == WR_PLAN_PROJECT)
        plan = plan->inputs[0];
    return plan->kind == WR_PLAN_WINDOW;
}

/*
 * The call by whose ORDER BY the rows can be sorted once for all of them; NULL: there is none.  Over an endless
 * input they cannot be sorted first, over windows those that come late must be told from the others, and in a
 * subquery a join may yet come between.  There, as where two orders differ, each call keeps its rows in order itself;
 * DISTINCT does always, since it has fewer.
 */
static const wr_agg_call *
common_order(const sql_query *q)
{
    const wr_agg_call *longest = NULL;
    bool sorts = q->scope->outer == NULL && (q->b->options == NULL || q->b->options->bounded) &&
                 !reads_window(q->scope->plan);
    for (uint32_t i = 0; i < q->call_count && sorts; i++) {
        const wr_agg_call *call = &q->calls[i];
        if (call->order_count == 0 || call->distinct)
            continue;
        if (longest != NULL && !wr_sql_agg_order_same(call, longest, WR_MIN(call->order_count, longest->order_count)))
            return NULL;
        if (longest == NULL || call->order_count > longest->order_count)
            longest = call;
    }
    return longest;
}

/* Sort the rows by the keys of `call`, which are columns of the plan: those of the calls that go by them. */
static weir_status
sort_input(sql_query *q, wr_plan **plan, const wr_agg_call *call, wr_expr **order_columns)
{
    wr_sort_key *keys = wr_arena_calloc(q->b->arena, call->order_count + 1, sizeof *keys);
    if (keys == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < call->order_count; i++)
        keys[i] = (wr_sort_key){ .column = order_columns[i]->column,
                                 .descending = call->order[i].descending,
                                 .nulls_first = call->order[i].nulls_first };
    *plan = wr_plan_make_sort(q->b->arena, *plan, keys, call->order_count, UINT64_MAX, 0, false, -1);
    for (uint32_t i = 0; i < q->call_count; i++)
        if (!q->calls[i].distinct) {
            q->calls[i].arg_count -= q->calls[i].order_count;
            q->calls[i].order_count = 0;
        }
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* Make columns of exprs: those that are not yet are appended to the plan by one project. */
static weir_status
columns_for(sql_query *q, wr_plan **plan, wr_expr **exprs, uint32_t count)
{
    wr_arena *arena = q->b->arena;
    uint32_t base = (*plan)->schema->field_count, n = base;
    wr_expr **all = wr_arena_alloc(arena, (base + count + 1) * sizeof *all);
    const char **names = wr_arena_alloc(arena, (base + count + 1) * sizeof *names);
    if (all == NULL || names == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < base; i++) {
        names[i] = (*plan)->schema->fields[i].name;
        if ((all[i] = wr_expr_column(arena, i, (*plan)->schema->fields[i].type)) == NULL)
            return SQL_NOMEM(q->b);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i]->kind == WR_EXPR_COLUMN && exprs[i]->column < base)
            continue;
        all[n] = exprs[i];
        names[n] = "?column?";
        if ((exprs[i] = wr_expr_column(arena, n, all[n]->type)) == NULL)
            return SQL_NOMEM(q->b);
        n++;
    }
    if (n == base)
        return WEIR_OK;
    *plan = wr_plan_make_project(arena, *plan, all, names, n, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_sql_plan_groups(sql_query *q, wr_expr ***exprs, uint32_t expr_count, int32_t location)
{
    wr_arena *arena = q->b->arena;
    wr_plan *plan = q->scope->plan;
    WR_TRY(settle_groups(q, exprs, expr_count));
    for (uint32_t i = 0; i < q->direct_count; i++) {
        wr_expr *trial = q->directs[i];
        WR_TRY(rewrite(q, &trial));
    }

    /* group keys, and what the rows are sorted by for aggregates, as columns */
    const wr_agg_call *sorted = common_order(q);
    uint32_t order_count = sorted != NULL ? sorted->order_count : 0;
    uint32_t total = q->group_count + order_count;
    wr_expr **columns = wr_arena_alloc(arena, (total + 1) * sizeof *columns);
    uint32_t *keys = wr_arena_alloc(arena, (q->group_count + 1) * sizeof *keys);
    if (columns == NULL || keys == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < total; i++)
        columns[i] = i < q->group_count ? q->groups[i]
                                        : sorted->args[sorted->arg_count - total + i];
    WR_TRY(columns_for(q, &plan, columns, total));
    for (uint32_t i = 0; i < q->group_count; i++)
        keys[i] = columns[i]->column;
    if (sorted != NULL)
        WR_TRY(sort_input(q, &plan, sorted, columns + q->group_count));

    for (uint32_t i = 0; i < expr_count; i++)
        if (*exprs[i] != NULL)
            WR_TRY(rewrite(q, exprs[i]));
    if (q->set_count > 0)
        WR_TRY(wr_sql_plan_sets(q, plan, keys, location, &plan));
    else
        plan = wr_plan_make_aggregate(arena, plan, keys, q->group_count, q->calls, q->call_count,
                                      q->group_count == 0, location);
    if (plan == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < q->group_count; i++)
        if (q->groups[i]->kind != WR_EXPR_COLUMN)
            plan->schema->fields[i].name = "?column?";
    q->scope->plan = plan;
    return WEIR_OK;
}
