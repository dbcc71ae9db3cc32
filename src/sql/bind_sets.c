/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_sets.c -- GROUPING SETS, ROLLUP, CUBE, GROUPING().
 *
 * Each set is an aggregate of its own over the same input; UNION ALL brings them together, with
 * NULL for the groups a set leaves out, and a column for each group that says so, from which
 * GROUPING() is read.
 *
 * Invariants  G1  items of GROUP BY multiply: a, ROLLUP(b, c) is (a,b,c), (a,b), (a)
 *             G2  the empty set gives one row even of no rows
 */
#include "sql/bind_impl.h"

enum { SETS_MAX = 128, SET_GROUPS_MAX = 64 };

typedef struct set_list {
    uint64_t sets[SETS_MAX];
    uint32_t count;
} set_list;

static weir_status
too_many(sql_query *q, int32_t location)
{
    return wr_error_at(q->b->err, WEIR_QUERY_TOO_COMPLEX, location,
                       "more than %d grouping sets, or %d grouping columns in them", SETS_MAX,
                       SET_GROUPS_MAX);
}

static weir_status
add_set(sql_query *q, set_list *list, uint64_t set, int32_t location)
{
    if (list->count == SETS_MAX)
        return too_many(q, location);
    list->sets[list->count++] = set;
    return WEIR_OK;
}

/* (a, b) or a: the groups together. */
static weir_status
bind_together(sql_query *q, const tree_node *node, const sql_targets *targets, uint64_t *set)
{
    if (node->node_case != PG_QUERY__NODE__NODE_ROW_EXPR)
        return wr_bind_group_item(q, node, targets, set);
    *set = 0;
    for (size_t i = 0; i < node->row_expr->n_args; i++) {
        uint64_t one;
        WR_TRY(wr_bind_group_item(q, node->row_expr->args[i], targets, &one));
        *set |= one;
    }
    return WEIR_OK;
}

static weir_status
bind_item(sql_query *q, const tree_node *node, const sql_targets *targets, set_list *out)
{
    uint64_t parts[SET_GROUPS_MAX], set = 0;
    if (node->node_case != PG_QUERY__NODE__NODE_GROUPING_SET) {
        WR_TRY(bind_together(q, node, targets, &set));
        return add_set(q, out, set, wr_sql_location(node));
    }
    const PgQuery__GroupingSet *g = node->grouping_set;
    uint32_t n = (uint32_t)g->n_content;
    if (g->kind == PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_SETS) {
        for (uint32_t i = 0; i < n; i++)
            WR_TRY(bind_item(q, g->content[i], targets, out));
        return WEIR_OK;
    }
    if (n > SET_GROUPS_MAX)
        return too_many(q, g->location);
    for (uint32_t i = 0; i < n; i++)
        WR_TRY(bind_together(q, g->content[i], targets, &parts[i]));
    switch (g->kind) {
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_EMPTY: return add_set(q, out, 0, g->location);
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_ROLLUP:
        for (uint32_t length = n + 1; length-- > 0;) {
            set = 0;
            for (uint32_t i = 0; i < length; i++)
                set |= parts[i];
            WR_TRY(add_set(q, out, set, g->location));
        }
        return WEIR_OK;
    case PG_QUERY__GROUPING_SET_KIND__GROUPING_SET_CUBE:
        if (n > 7)
            return too_many(q, g->location);
        for (uint32_t choice = 1u << n; choice-- > 0;) {
            set = 0;
            for (uint32_t i = 0; i < n; i++)
                set |= (choice >> (n - 1 - i) & 1) != 0 ? parts[i] : 0;
            WR_TRY(add_set(q, out, set, g->location));
        }
        return WEIR_OK;
    default: return wr_sql_unsupported(q->b, g->location, "this grouping set is");
    }
}

weir_status
wr_bind_sets(sql_query *q, const tree_select *stmt, const sql_targets *targets)
{
    set_list all = { .count = 1 };
    bool has_sets = false;
    for (size_t i = 0; i < stmt->n_group_clause; i++) {
        set_list item = { .count = 0 }, crossed = { .count = 0 };
        has_sets |= stmt->group_clause[i]->node_case == PG_QUERY__NODE__NODE_GROUPING_SET;
        WR_TRY(bind_item(q, stmt->group_clause[i], targets, &item));
        for (uint32_t a = 0; a < all.count; a++) /* G1 */
            for (uint32_t b = 0; b < item.count; b++)
                WR_TRY(add_set(q, &crossed, all.sets[a] | item.sets[b],
                               wr_sql_location(stmt->group_clause[i])));
        all = crossed;
    }
    bool one_empty = all.count == 1 && all.sets[0] == 0;
    if (!has_sets || one_empty)
        return WEIR_OK;
    if (q->group_count > SET_GROUPS_MAX)
        return too_many(q, wr_sql_location(stmt->group_clause[0]));
    q->sets = wr_arena_alloc(q->b->arena, all.count * sizeof *q->sets);
    if (q->sets == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < all.count; i++)
        q->sets[q->set_count++] = all.sets[i];
    return WEIR_OK;
}

/* --- GROUPING(a, b) --- */

weir_status
wr_bind_grouping(sql_query *q, const PgQuery__GroupingFunc *f, wr_expr **out)
{
    if (!q->can_aggregate || q->in_aggregate)
        return wr_error_at(q->b->err, WEIR_QUERY_GROUPING, f->location,
                           "grouping operations are not allowed in %s", q->clause);
    if (f->n_args == 0 || f->n_args > 31)
        return wr_error_at(q->b->err, WEIR_QUERY_GROUPING, f->location,
                           "GROUPING must have 1 to 31 arguments");
    if (!SQL_PUSH(q->b, q->groupings, q->grouping_count, q->grouping_capacity))
        return SQL_NOMEM(q->b);
    struct sql_grouping *g = &q->groupings[q->grouping_count];
    g->count = (uint32_t)f->n_args;
    bool can_aggregate = q->can_aggregate;
    q->can_aggregate = false;
    WR_TRY(wr_bind_list(q, f->args, f->n_args, &g->args));
    q->can_aggregate = can_aggregate;
    *out = wr_expr_column(q->b->arena, WR_SQL_GROUPING + q->grouping_count++, WR_TYPE(WR_INT4));
    if (*out == NULL)
        return SQL_NOMEM(q->b);
    (*out)->location = f->location;
    return WEIR_OK;
}

static weir_status
put_int(sql_query *q, int64_t value, wr_expr **out)
{
    wr_value v = { .type = WR_TYPE(WR_INT4), .integer = value };
    *out = wr_sql_constant(q->b, &v, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_sql_grouping_value(sql_query *q, uint32_t i, wr_expr **out)
{
    const struct sql_grouping *g = &q->groupings[i];
    WR_TRY(put_int(q, 0, out));
    for (uint32_t a = 0; a < g->count; a++) {
        uint32_t at = 0;
        while (at < q->group_count && !wr_expr_equal(q->groups[at], g->args[a]))
            at++;
        if (at == q->group_count)
            return wr_error_at(
                q->b->err, WEIR_QUERY_GROUPING, g->args[a]->location,
                "arguments to GROUPING must be grouping expressions of the associated "
                "query level");
        if (q->set_count == 0)
            continue;
        /* CASE WHEN left_out(at) THEN out + 2^k ELSE out END, the mask holding a column for each
         * group */
        wr_expr *args[3], *bit;
        args[0] =
            wr_expr_column(q->b->arena, q->group_count + q->call_count + at, WR_TYPE(WR_BOOL));
        if (args[0] == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(put_int(q, 1ll << (g->count - 1 - a), &bit));
        wr_expr *sum[2] = { *out, bit };
        WR_TRY(wr_sql_call(q->b, "+", sum, 2, -1, &args[1]));
        args[2] = *out;
        WR_TRY(wr_sql_make(q->b, WR_EXPR_CASE, WR_TYPE(WR_INT4), args, 3, -1, out));
    }
    return WEIR_OK;
}

/* --- the plan --- */

/* One set: its aggregate, then all groups, the calls, and for each group whether it was left out.
 */
static weir_status
plan_set(sql_query *q, const wr_plan *input, const uint32_t *keys, uint64_t set, int32_t location,
         wr_plan **out)
{
    wr_arena *arena = q->b->arena;
    uint32_t n = q->group_count, width = 2 * n + q->call_count, in = 0;
    uint32_t *some = wr_arena_alloc(arena, (n + 1) * sizeof *some);
    wr_expr **exprs = wr_arena_alloc(arena, (width + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (width + 1) * sizeof *names);
    wr_plan *copy = wr_plan_copy(arena, input);
    if (some == NULL || exprs == NULL || names == NULL || copy == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++)
        if ((set >> i & 1) != 0)
            some[in++] = keys[i];
    wr_plan *aggregate =
        wr_plan_make_aggregate(arena, copy, some, in, q->calls, q->call_count, in == 0, location);
    if (aggregate == NULL)
        return SQL_NOMEM(q->b);
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        wr_value null = wr_value_null(q->groups[i]->type);
        bool has = (set >> i & 1) != 0;
        names[i] = input->schema->fields[keys[i]].name;
        exprs[i] = has ? wr_expr_column(arena, at++, q->groups[i]->type)
                       : wr_sql_constant(q->b, &null, -1);
        names[n + q->call_count + i] = "?column?";
        exprs[n + q->call_count + i] = wr_sql_bool(q->b, !has);
        if (exprs[i] == NULL || exprs[n + q->call_count + i] == NULL)
            return SQL_NOMEM(q->b);
    }
    for (uint32_t i = 0; i < q->call_count; i++) {
        names[n + i] = q->calls[i].aggregate->name;
        if ((exprs[n + i] = wr_expr_column(arena, in + i, q->calls[i].result)) == NULL)
            return SQL_NOMEM(q->b);
    }
    *out = wr_plan_make_project(arena, aggregate, exprs, names, width, location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_sql_plan_sets(sql_query *q, wr_plan *input, const uint32_t *keys, int32_t location,
                 wr_plan **out)
{
    wr_plan **plans = wr_arena_alloc(q->b->arena, (q->set_count + 1) * sizeof *plans);
    if (plans == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < q->set_count; i++)
        WR_TRY(plan_set(q, input, keys, q->sets[i], location, &plans[i]));
    *out = q->set_count == 1 ? plans[0]
                             : wr_plan_make_union(q->b->arena, plans, q->set_count, location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}
