/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_join.c -- JOIN ... ON, USING, NATURAL.
 *
 * Invariants  J1  the columns of USING come first, once; each side's own stay under their qualified
 * names J2  ON of an outer join is the join's residual; ON of an inner join a filter above it
 */
#include "sql/bind_impl.h"

#include <string.h>

typedef struct using_list {
    const char **names;
    uint32_t count, capacity;
} using_list;

static weir_status
add_name(sql_binder *b, using_list *list, const char *name)
{
    if (!SQL_PUSH(b, list->names, list->count, list->capacity))
        return SQL_NOMEM(b);
    list->names[list->count++] = name;
    return WEIR_OK;
}

/* NATURAL: the names that both sides have, in left's order. */
static weir_status
natural_names(sql_query *q, const sql_scope *left, const sql_scope *right, using_list *list)
{
    for (uint32_t i = 0; i < left->column_count; i++) {
        const sql_column *c = &left->columns[i];
        if (!c->shadowed && !c->hidden && wr_sql_scope_find(right, c->name) != NULL)
            WR_TRY(add_name(q->b, list, c->name));
    }
    return WEIR_OK;
}

static weir_status
using_column(sql_query *q, const sql_scope *scope, const char *name, const char *side,
             int32_t location, const sql_column **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < scope->column_count; i++) {
        const sql_column *c = &scope->columns[i];
        if (c->shadowed || strcmp(c->name, name) != 0)
            continue;
        if (*out != NULL)
            return wr_error_at(q->b->err, WEIR_QUERY_AMBIGUOUS, location,
                               "common column name \"%s\" appears more than once in %s table", name,
                               side);
        *out = c;
    }
    if (*out == NULL)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_COLUMN, location,
                           "column \"%s\" specified in USING clause does not exist in %s table",
                           name, side);
    return WEIR_OK;
}

/* The merged column over left ++ right: left's, right's, or whichever is there. */
static weir_status
merged_expr(sql_query *q, wr_join_kind kind, wr_expr *left, wr_expr *right, int32_t location,
            wr_expr **out)
{
    wr_expr *both[2] = { left, right };
    wr_type type;
    WR_TRY(wr_sql_unify(q->b, both, 2, "JOIN/USING", location, &type));
    if (kind != WR_JOIN_FULL) {
        *out = kind == WR_JOIN_RIGHT ? both[1] : both[0];
        return WEIR_OK;
    }
    return wr_sql_make(q->b, WR_EXPR_COALESCE, type, both, 2, location, out);
}

/* Columns of the plan as they are, then those of exprs that are not plain columns; columns[i] says
 * where each is. */
static weir_status
append_exprs(sql_query *q, wr_plan **plan, wr_expr **exprs, const char **names, uint32_t count,
             uint32_t *columns)
{
    sql_binder *b = q->b;
    uint32_t base = (*plan)->schema->field_count, n = base;
    wr_expr **all = wr_arena_alloc(b->arena, (base + count + 1) * sizeof *all);
    const char **all_names = wr_arena_alloc(b->arena, (base + count + 1) * sizeof *all_names);
    if (all == NULL || all_names == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < base; i++) {
        all[i] = wr_expr_column(b->arena, i, (*plan)->schema->fields[i].type);
        all_names[i] = (*plan)->schema->fields[i].name;
        if (all[i] == NULL)
            return SQL_NOMEM(b);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (exprs[i]->kind == WR_EXPR_COLUMN && exprs[i]->column < base) {
            columns[i] = exprs[i]->column;
            continue;
        }
        all[n] = exprs[i];
        all_names[n] = names[i];
        columns[i] = n++;
    }
    if (n == base)
        return WEIR_OK;
    *plan = wr_plan_make_project(b->arena, *plan, all, all_names, n, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

typedef struct join_parts {
    sql_scope *left, *right;
    wr_join_kind kind;
    using_list using;
    int32_t location;
    uint32_t offset; /* of right's columns */
} join_parts;

/* USING (a, b): the condition and the merged columns' expressions. */
static weir_status
bind_using(sql_query *q, join_parts *j, wr_expr **on, wr_expr **merged)
{
    *on = NULL;
    for (uint32_t i = 0; i < j->using.count; i++) {
        const sql_column *l, *r;
        wr_expr *equal;
        WR_TRY(using_column(q, j->left, j->using.names[i], "left", j->location, &l));
        WR_TRY(using_column(q, j->right, j->using.names[i], "right", j->location, &r));
        wr_expr *left = wr_expr_column(q->b->arena, l->column, l->type);
        wr_expr *right = wr_expr_column(q->b->arena, r->column + j->offset, r->type);
        if (left == NULL || right == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(wr_sql_compare(q->b, "=", left, right, j->location, &equal));
        if ((*on = wr_expr_and(q->b->arena, *on, equal)) == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(merged_expr(q, j->kind, left, right, j->location, &merged[i]));
    }
    return WEIR_OK;
}

/* J1: put the merged columns in front and take each side's own out of *. */
static weir_status
place_merged(sql_query *q, join_parts *j, const uint32_t *columns)
{
    sql_scope *scope = j->left;
    sql_column *old = scope->columns;
    uint32_t count = scope->column_count;
    scope->columns = NULL;
    scope->column_count = scope->column_capacity = 0;
    for (uint32_t i = 0; i < j->using.count; i++) {
        sql_column merged = { .name = j->using.names[i],
                              .range = -1,
                              .column = columns[i],
                              .type = scope->plan->schema->fields[columns[i]].type };
        WR_TRY(wr_sql_scope_add_column(q->b, scope, &merged));
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t u = 0; u < j->using.count; u++)
            if (strcmp(old[i].name, j->using.names[u]) == 0)
                old[i].shadowed = true;
        WR_TRY(wr_sql_scope_add_column(q->b, scope, &old[i]));
    }
    return WEIR_OK;
}

static weir_status
join_kind(sql_query *q, const PgQuery__JoinExpr *join, wr_join_kind *kind)
{
    switch (join->jointype) {
    case PG_QUERY__JOIN_TYPE__JOIN_INNER: *kind = WR_JOIN_INNER; return WEIR_OK;
    case PG_QUERY__JOIN_TYPE__JOIN_LEFT: *kind = WR_JOIN_LEFT; return WEIR_OK;
    case PG_QUERY__JOIN_TYPE__JOIN_RIGHT: *kind = WR_JOIN_RIGHT; return WEIR_OK;
    case PG_QUERY__JOIN_TYPE__JOIN_FULL: *kind = WR_JOIN_FULL; return WEIR_OK;
    default: return wr_sql_unsupported(q->b, -1, "this kind of join is");
    }
}

/* ON over the merged scope.  A subquery in an outer join's has been dealt with by join_by_parts. */
static weir_status
bind_on(sql_query *q, join_parts *j, const tree_node *quals)
{
    sql_query on = { .b = q->b, .scope = j->left, .clause = "JOIN/ON" };
    if (quals == NULL)
        return WEIR_OK;
    if (j->kind == WR_JOIN_INNER)
        return wr_bind_where(&on, quals, "JOIN/ON");
    wr_plan *joined = j->left->plan;
    wr_expr *residual;
    WR_TRY(wr_bind_bool(&on, quals, &residual));
    if (j->left->plan != joined) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_UNSUPPORTED, wr_sql_location(quals),
                                         "a subquery in ON of an outer join is not supported");
        wr_error_hint(q->b->err, "filter the joined side in a sub-select instead");
        return status;
    }
    joined->join.residual = residual;
    return WEIR_OK;
}

/* --- an outer join whose ON holds a subquery --- */

/* The rows of side that match nothing: side ANTI JOIN matched, on all of side's columns, NULLs
 * equal. */
static weir_status
unmatched_rows(sql_query *q, const wr_plan *side, const wr_plan *matched, uint32_t first,
               wr_plan **out)
{
    wr_arena *arena = q->b->arena;
    uint32_t n = side->schema->field_count;
    wr_plan *left = wr_plan_copy(arena, side), *right = wr_plan_copy(arena, matched);
    uint32_t *columns = wr_arena_alloc(arena, 2 * (n + 1) * sizeof *columns);
    if (left == NULL || right == NULL || columns == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++) {
        columns[i] = i;
        columns[n + 1 + i] = first + i;
    }
    right = wr_plan_make_pick(arena, right, columns + n + 1, n);
    wr_plan *join =
        right != NULL ? wr_plan_make_join(arena, WR_JOIN_ANTI, left, right, NULL, -1) : NULL;
    if (join == NULL)
        return SQL_NOMEM(q->b);
    join->join.key_count = n;
    join->join.left_keys = join->join.right_keys = columns;
    join->join.null_equal = true;
    *out = join;
    return WEIR_OK;
}

/* The side's columns at `first` of the joined ones, NULLs elsewhere. */
static weir_status
fill_row(sql_query *q, wr_plan **plan, const wr_schema *joined, uint32_t first)
{
    wr_arena *arena = q->b->arena;
    uint32_t n = (*plan)->schema->field_count, width = joined->field_count;
    wr_expr **exprs = wr_arena_alloc(arena, (width + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (width + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < width; i++) {
        wr_value null = wr_value_null(joined->fields[i].type);
        bool mine = i >= first && i < first + n;
        names[i] = joined->fields[i].name;
        exprs[i] = mine ? wr_expr_column(arena, i - first, joined->fields[i].type)
                        : wr_sql_constant(q->b, &null, -1);
        if (exprs[i] == NULL)
            return SQL_NOMEM(q->b);
    }
    *plan = wr_plan_make_project(arena, *plan, exprs, names, width, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/*
 * Matched pairs are an inner join's, whose ON may hold subqueries; the rows of each kept side that
 * are in no pair come beside them.  Whether a row matches depends on its values alone, so rows are
 * told apart by all their columns.
 */
static weir_status
join_by_parts(sql_query *q, join_parts *j, const PgQuery__JoinExpr *join)
{
    wr_arena *arena = q->b->arena;
    const wr_plan *sides[2] = { j->left->plan, j->right->plan };
    wr_plan *parts[3], *matched;
    uint32_t count = 0, n = j->offset, m = j->right->plan->schema->field_count;
    wr_join_kind kind = j->kind;
    j->left->plan =
        wr_plan_make_join(arena, WR_JOIN_INNER, j->left->plan, j->right->plan, NULL, j->location);
    uint32_t *columns = wr_arena_alloc(arena, (n + m + 1) * sizeof *columns);
    if (j->left->plan == NULL || columns == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_sql_merge_scopes(q, j->left, j->right, n, j->location));
    sql_query on = { .b = q->b, .scope = j->left, .clause = "JOIN/ON" };
    WR_TRY(wr_bind_where(&on, join->quals, "JOIN/ON"));
    for (uint32_t i = 0; i < n + m; i++)
        columns[i] = i;
    matched = wr_plan_make_pick(arena, j->left->plan, columns, n + m);
    if (matched == NULL)
        return SQL_NOMEM(q->b);
    parts[count++] = matched;
    for (uint32_t side = 0; side < 2; side++) {
        bool kept = kind == WR_JOIN_FULL || kind == (side == 0 ? WR_JOIN_LEFT : WR_JOIN_RIGHT);
        if (!kept)
            continue;
        WR_TRY(unmatched_rows(q, sides[side], matched, side == 0 ? 0 : n, &parts[count]));
        WR_TRY(fill_row(q, &parts[count], matched->schema, side == 0 ? 0 : n));
        count++;
    }
    j->left->plan = wr_plan_make_union(arena, parts, count, j->location);
    return j->left->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
join_sides(sql_query *q, join_parts *j, const PgQuery__JoinExpr *join)
{
    bool lateral = wr_sql_plan_refers(j->right->plan, j->left->id);
    uint32_t n = j->using.count;
    wr_expr *on = NULL, **merged = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *merged);
    uint32_t *columns = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *columns);
    if (merged == NULL || columns == NULL)
        return SQL_NOMEM(q->b);
    j->offset = j->left->plan->schema->field_count;
    WR_TRY(bind_using(q, j, &on, merged));
    if (lateral && (j->kind == WR_JOIN_RIGHT || j->kind == WR_JOIN_FULL))
        return wr_error_at(q->b->err, WEIR_QUERY, j->location,
                           "the combining JOIN type must be INNER or LEFT for a LATERAL reference");
    if (!lateral && j->kind != WR_JOIN_INNER && wr_sql_tree_has_sublink(join->quals))
        return join_by_parts(q, j, join);
    if (lateral && j->kind == WR_JOIN_LEFT) {
        /* the condition must be known when the sides are brought together */
        sql_scope *both = wr_sql_scope_create(q->b, j->left->outer);
        if (both == NULL)
            return SQL_NOMEM(q->b);
        both->plan = wr_plan_make_join(q->b->arena, WR_JOIN_LEFT, j->left->plan, j->right->plan,
                                       NULL, j->location);
        if (both->plan == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(wr_sql_merge_scopes(q, both, j->left, 0, j->location));
        WR_TRY(wr_sql_merge_scopes(q, both, j->right, j->offset, j->location));
        join_parts whole = *j;
        whole.left = both;
        both->plan->join.residual = on;
        WR_TRY(bind_on(q, &whole, join->quals));
        on = both->plan->join.residual;
        WR_TRY(wr_sql_apply(q->b, j->left->id, j->left->plan, j->right->plan, WR_JOIN_LEFT, on,
                            false, j->location, &j->left->plan));
        WR_TRY(wr_sql_merge_scopes(q, j->left, j->right, j->offset, j->location));
    } else {
        if (lateral)
            WR_TRY(wr_sql_apply(q->b, j->left->id, j->left->plan, j->right->plan, j->kind, NULL,
                                false, j->location, &j->left->plan));
        else
            j->left->plan = wr_plan_make_join(q->b->arena, j->kind, j->left->plan, j->right->plan,
                                              NULL, j->location);
        if (j->left->plan == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(wr_sql_merge_scopes(q, j->left, j->right, j->offset, j->location));
        if (on != NULL && j->kind == WR_JOIN_INNER)
            j->left->plan = wr_plan_make_filter(q->b->arena, j->left->plan, on, j->location);
        else if (on != NULL)
            j->left->plan->join.residual = on;
        if (j->left->plan == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(bind_on(q, j, join->quals));
    }
    if (n == 0)
        return WEIR_OK;
    WR_TRY(append_exprs(q, &j->left->plan, merged, j->using.names, n, columns));
    return place_merged(q, j, columns);
}

/* A join has no place of its own: its condition's, or that of the item on its right. */
static int32_t
join_location(const PgQuery__JoinExpr *join)
{
    int32_t quals = wr_sql_location(join->quals);
    const tree_node *right = join->rarg;
    if (quals >= 0)
        return quals;
    if (right->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
        return right->range_var->location;
    if (right->node_case == PG_QUERY__NODE__NODE_JOIN_EXPR)
        return join_location(right->join_expr);
    return -1;
}

weir_status
wr_bind_join(sql_query *q, const PgQuery__JoinExpr *join, sql_scope *left, sql_scope *outer,
             sql_scope **out)
{
    join_parts j = { .location = join_location(join) };
    WR_TRY(wr_sql_count(q->b, &q->b->join_count, WR_SQL_JOINS_MAX, "joins", j.location));
    WR_TRY(join_kind(q, join, &j.kind));
    WR_TRY(wr_bind_item(q, join->larg, left, outer, &j.left));
    WR_TRY(wr_bind_item(q, join->rarg, j.left, outer, &j.right));
    WR_TRY(wr_sql_check_chosen(q, join, j.kind, j.left, j.right, j.location));
    if (j.right->mode == WR_JOIN_ASOF) {
        *out = j.left;
        WR_TRY(wr_bind_asof(q, j.kind, j.left, j.right, join->quals, j.location));
        return wr_sql_alias_scope(q, *out, join->alias, j.location);
    }
    if (join->is_natural)
        WR_TRY(natural_names(q, j.left, j.right, &j.using));
    for (size_t i = 0; i < join->n_using_clause; i++)
        WR_TRY(add_name(q->b, &j.using, join->using_clause[i]->string->sval));
    WR_TRY(join_sides(q, &j, join));
    if (j.right->mode == WR_JOIN_LOOKUP)
        wr_sql_mark_lookup(j.left->plan);
    *out = j.left;
    return wr_sql_alias_scope(q, *out, join->alias, j.location);
}
