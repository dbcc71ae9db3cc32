/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_pullup.c -- move the correlated conditions of a subquery up, out of its plan.
 *
 *     SELECT sum(x) FROM t WHERE t.k = outer.k  becomes  SELECT sum(x), k FROM t GROUP BY k
 *     with the condition  k = outer.k  for the join.
 *
 * Invariants  U1  the plan given is not changed: what is new is made beside it
 *             U2  old columns keep their numbers; columns that conditions need are appended
 *             U3  through an aggregate only equalities pass, as more grouping columns
 */
#include "sql/correlate_impl.h"

#include <string.h>

enum { CONJUNCTS_MAX = 256 };

typedef struct pull_state {
    sql_binder *b;
    uint32_t scope;
} pull_state;

static weir_status pull(pull_state *s, wr_plan *plan, bool exists, sql_pulled *out, bool *ok);

static weir_status
add_condition(pull_state *s, sql_pulled *out, wr_expr *condition)
{
    if (!SQL_PUSH(s->b, out->conditions, out->condition_count, out->condition_capacity))
        return SQL_NOMEM(s->b);
    out->conditions[out->condition_count++] = condition;
    return WEIR_OK;
}

/* Conditions with every own column c replaced by map[c]. */
typedef struct remap_state {
    sql_binder *b;
    const uint32_t *map;
} remap_state;

static wr_expr *
remap_column(wr_expr *expr, void *user)
{
    remap_state *r = user;
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0)
        return NULL;
    return wr_expr_column(r->b->arena, r->map[expr->column], expr->type);
}

static weir_status
remap_conditions(pull_state *s, sql_pulled *out, uint32_t first, const uint32_t *map)
{
    remap_state r = { s->b, map };
    for (uint32_t i = first; i < out->condition_count; i++) {
        out->conditions[i] = wr_expr_rewrite(s->b->arena, out->conditions[i], remap_column, &r);
        if (out->conditions[i] == NULL)
            return SQL_NOMEM(s->b);
    }
    return WEIR_OK;
}

static weir_status
pull_filter(pull_state *s, wr_plan *plan, bool exists, sql_pulled *out, bool *ok)
{
    wr_expr **parts = wr_arena_alloc(s->b->arena, (CONJUNCTS_MAX + 1) * sizeof *parts),
            *kept = NULL;
    if (parts == NULL)
        return SQL_NOMEM(s->b);
    uint32_t n = wr_expr_conjuncts(plan->filter.predicate, parts, CONJUNCTS_MAX);
    WR_TRY(pull(s, plan->inputs[0], exists, out, ok));
    *ok = *ok && n <= CONJUNCTS_MAX && out->empties == NULL;
    if (!*ok)
        return WEIR_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (wr_sql_expr_refers(parts[i], s->scope))
            WR_TRY(add_condition(s, out, parts[i]));
        else if ((kept = wr_expr_and(s->b->arena, kept, parts[i])) == NULL)
            return SQL_NOMEM(s->b);
    }
    if (kept != NULL)
        out->plan = wr_plan_make_filter(s->b->arena, out->plan, kept, plan->location);
    return out->plan != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

typedef struct column_bits {
    bool *used;
    uint32_t count;
} column_bits;

static void
note_used(const wr_expr *expr, void *user)
{
    column_bits *bits = user;
    if (expr->kind == WR_EXPR_COLUMN && (expr->column & WR_SQL_OUTER) == 0 &&
        expr->column < bits->count)
        bits->used[expr->column] = true;
}

/* A project keeps its columns and appends those that conditions read. */
static weir_status
pull_project(pull_state *s, wr_plan *plan, bool exists, sql_pulled *out, bool *ok)
{
    wr_arena *arena = s->b->arena;
    uint32_t m = plan->schema->field_count;
    for (uint32_t i = 0; i < m; i++)
        if (wr_sql_expr_refers(plan->project.exprs[i], s->scope)) {
            *ok = false;
            return WEIR_OK;
        }
    WR_TRY(pull(s, plan->inputs[0], exists, out, ok));
    if (!*ok)
        return WEIR_OK;
    uint32_t width = out->plan->schema->field_count, n = m;
    bool *used = wr_arena_calloc(arena, width + 1, sizeof *used);
    uint32_t *map = wr_arena_calloc(arena, width + 1, sizeof *map);
    wr_expr **exprs = wr_arena_alloc(arena, (m + width + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (m + width + 1) * sizeof *names);
    if (used == NULL || map == NULL || exprs == NULL || names == NULL)
        return SQL_NOMEM(s->b);
    column_bits bits = { used, width };
    for (uint32_t i = 0; i < out->condition_count; i++)
        wr_expr_walk(out->conditions[i], note_used, &bits);
    if (out->empties != NULL)
        used[out->marker] = true;
    for (uint32_t i = 0; i < m; i++) {
        exprs[i] = plan->project.exprs[i];
        names[i] = plan->schema->fields[i].name;
    }
    for (uint32_t c = 0; c < width; c++) {
        if (!used[c])
            continue;
        names[n] = out->plan->schema->fields[c].name;
        if ((exprs[n] = wr_expr_column(arena, c, out->plan->schema->fields[c].type)) == NULL)
            return SQL_NOMEM(s->b);
        map[c] = n++;
    }
    WR_TRY(remap_conditions(s, out, 0, map));
    if (out->empties != NULL) {
        wr_expr **empties = wr_arena_alloc(arena, (m + 1) * sizeof *empties);
        if (empties == NULL)
            return SQL_NOMEM(s->b);
        for (uint32_t i = 0; i < m; i++)
            if ((empties[i] = wr_expr_substitute(arena, exprs[i], out->empties)) == NULL)
                return SQL_NOMEM(s->b);
        out->empties = empties;
        out->marker = map[out->marker];
    }
    out->plan = wr_plan_make_project(arena, out->plan, exprs, names, n, plan->location);
    return out->plan != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* inner = outer: *inner is the side over the plan's columns, *outer over OUTER columns alone. */
static bool
split_equality(const pull_state *s, wr_expr *condition, wr_expr **inner, wr_expr **outer)
{
    if (condition->kind != WR_EXPR_CALL || condition->arg_count != 2 ||
        strcmp(condition->function->name, "=") != 0)
        return false;
    for (uint32_t side = 0; side < 2; side++) {
        wr_expr *a = condition->args[side], *c = condition->args[1 - side];
        if (!wr_sql_expr_refers(a, s->scope) && wr_sql_expr_has_column(a) &&
            wr_sql_expr_refers(c, s->scope) && !wr_sql_expr_has_column(c)) {
            *inner = a;
            *outer = c;
            return true;
        }
    }
    return false;
}

/* Columns of the plan holding the inner sides; a project appends those that are not columns yet. */
static weir_status
inner_columns(pull_state *s, wr_plan **plan, wr_expr **inner, uint32_t count, uint32_t *columns)
{
    wr_arena *arena = s->b->arena;
    uint32_t base = (*plan)->schema->field_count, n = base;
    wr_expr **exprs = wr_arena_alloc(arena, (base + count + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (base + count + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < base; i++) {
        names[i] = (*plan)->schema->fields[i].name;
        if ((exprs[i] = wr_expr_column(arena, i, (*plan)->schema->fields[i].type)) == NULL)
            return SQL_NOMEM(s->b);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (inner[i]->kind == WR_EXPR_COLUMN) {
            columns[i] = inner[i]->column;
            continue;
        }
        exprs[n] = inner[i];
        names[n] = "?column?";
        columns[i] = n++;
    }
    if (n > base)
        *plan = wr_plan_make_project(arena, *plan, exprs, names, n, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* The value of each call over no rows. */
static weir_status
call_empties(pull_state *s, const wr_plan *plan, wr_expr ***out)
{
    uint32_t n = plan->aggregate.call_count;
    wr_expr **empties = wr_arena_alloc(s->b->arena, (n + 1) * sizeof *empties);
    if (empties == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < n; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        wr_value value = wr_value_null(call->result);
        if (strcmp(call->aggregate->name, "count") == 0 ||
            strcmp(call->aggregate->name, "regr_count") == 0 ||
            strcmp(call->aggregate->name, "approx_count_distinct") == 0) {
            value.is_null = false;
            value.integer = 0;
        }
        if ((empties[i] = wr_sql_constant(s->b, &value, -1)) == NULL)
            return SQL_NOMEM(s->b);
    }
    *out = empties;
    return WEIR_OK;
}

/* U3.  Output: old keys, calls, then the added keys. */
static weir_status
pull_aggregate(pull_state *s, wr_plan *plan, sql_pulled *out, bool *ok)
{
    wr_arena *arena = s->b->arena;
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        for (uint32_t a = 0; a < call->arg_count; a++)
            *ok = *ok && !wr_sql_expr_refers(call->args[a], s->scope);
        *ok = *ok && (call->filter == NULL || !wr_sql_expr_refers(call->filter, s->scope));
    }
    if (*ok)
        WR_TRY(pull(s, plan->inputs[0], false, out, ok));
    if (!*ok || out->empties != NULL) {
        *ok = false;
        return WEIR_OK;
    }
    uint32_t n = out->condition_count, k = plan->aggregate.key_count;
    wr_expr **inner = wr_arena_alloc(arena, (n + 1) * sizeof *inner);
    wr_expr **outer = wr_arena_alloc(arena, (n + 1) * sizeof *outer);
    uint32_t *keys = wr_arena_alloc(arena, (k + n + 1) * sizeof *keys);
    if (inner == NULL || outer == NULL || keys == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < n; i++)
        if (!split_equality(s, out->conditions[i], &inner[i], &outer[i])) {
            *ok = false;
            return WEIR_OK;
        }
    if (k > 0)
        memcpy(keys, plan->aggregate.keys, k * sizeof *keys);
    WR_TRY(inner_columns(s, &out->plan, inner, n, keys + k));
    wr_plan *made = wr_plan_make_aggregate(arena, out->plan, keys, k + n, plan->aggregate.calls,
                                           plan->aggregate.call_count, false, plan->location);
    uint32_t width = k + n + plan->aggregate.call_count;
    uint32_t *order = wr_arena_alloc(arena, (width + 1) * sizeof *order);
    if (made == NULL || order == NULL)
        return SQL_NOMEM(s->b);
    uint32_t at = 0;
    for (uint32_t i = 0; i < width; i++)
        if (i < k || i >= k + n)
            order[at++] = i;
    uint32_t added = at;
    for (uint32_t i = 0; i < n; i++)
        order[at++] = k + i;
    out->plan = wr_plan_make_pick(arena, made, order, width);
    if (out->plan == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < n; i++) {
        wr_expr *column = wr_expr_column(arena, added + i, inner[i]->type);
        bool left = out->conditions[i]->args[0] == inner[i];
        wr_expr *pair[2] = { left ? column : outer[i], left ? outer[i] : column };
        if (column == NULL)
            return SQL_NOMEM(s->b);
        WR_TRY(wr_sql_compare(s->b, "=", pair[0], pair[1], -1, &out->conditions[i]));
    }
    if (plan->aggregate.global) {
        WR_TRY(call_empties(s, plan, &out->empties));
        out->marker = added;
        *ok = n > 0;
    }
    return WEIR_OK;
}

/* The right side's columns, moved by what the left side has grown. */
static weir_status
join_grown(pull_state *s, wr_plan *plan, wr_plan *left, wr_plan *right, wr_expr *residual,
           uint32_t **map_out, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    uint32_t old_left = plan->inputs[0]->schema->field_count;
    uint32_t old_right = plan->schema->field_count - WR_MIN(plan->schema->field_count, old_left);
    uint32_t new_left = left->schema->field_count, new_right = right->schema->field_count;
    bool left_only = plan->join.kind == WR_JOIN_SEMI || plan->join.kind == WR_JOIN_ANTI;
    uint32_t old_full = old_left + plan->inputs[1]->schema->field_count;
    uint32_t *map = wr_arena_alloc(arena, (old_full + 1) * sizeof *map);
    if (map == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < old_full; i++)
        map[i] = i < old_left ? i : i - old_left + new_left;
    if (residual != NULL) {
        remap_state r = { s->b, map };
        if ((residual = wr_expr_rewrite(arena, residual, remap_column, &r)) == NULL)
            return SQL_NOMEM(s->b);
    }
    wr_plan *join =
        wr_plan_make_join(arena, plan->join.kind, left, right, residual, plan->location);
    if (join == NULL)
        return SQL_NOMEM(s->b);
    join->join.key_count = plan->join.key_count;
    join->join.left_keys = plan->join.left_keys;
    join->join.right_keys = plan->join.right_keys;
    join->join.null_equal = plan->join.null_equal;
    join->join.single = plan->join.single;
    join->join.mode = plan->join.mode;
    *map_out = map;
    *out = join;
    if (left_only || (new_left == old_left && new_right == old_right))
        return WEIR_OK;
    /* U2: old columns first */
    uint32_t *order = wr_arena_alloc(arena, (new_left + new_right + 1) * sizeof *order), at = 0;
    if (order == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < old_left; i++)
        order[at++] = i;
    for (uint32_t i = 0; i < old_right; i++)
        order[at++] = new_left + i;
    for (uint32_t i = old_left; i < new_left; i++)
        order[at++] = i;
    for (uint32_t i = old_right; i < new_right; i++)
        order[at++] = new_left + i;
    *out = wr_plan_make_pick(arena, join, order, at);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* Where column c of one side stands in the output of join_grown. */
static uint32_t
side_column(const wr_plan *plan, uint32_t side, uint32_t grown_left, uint32_t c)
{
    uint32_t old_left = plan->inputs[0]->schema->field_count;
    uint32_t old_right = plan->inputs[1]->schema->field_count;
    if (side == 0)
        return c < old_left ? c : old_right + c;
    return c < old_right ? old_left + c : grown_left + c;
}

static weir_status
move_conditions(pull_state *s, wr_plan *plan, uint32_t side, uint32_t grown_left, bool left_only,
                const sql_pulled *from, sql_pulled *out)
{
    uint32_t width = from->plan->schema->field_count;
    uint32_t *map = wr_arena_alloc(s->b->arena, (width + 1) * sizeof *map);
    uint32_t first = out->condition_count;
    if (map == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t c = 0; c < width; c++)
        map[c] = left_only ? c : side_column(plan, side, grown_left, c);
    for (uint32_t i = 0; i < from->condition_count; i++)
        WR_TRY(add_condition(s, out, from->conditions[i]));
    return remap_conditions(s, out, first, map);
}

static weir_status
pull_join(pull_state *s, wr_plan *plan, sql_pulled *out, bool *ok)
{
    wr_expr **parts = wr_arena_alloc(s->b->arena, (CONJUNCTS_MAX + 1) * sizeof *parts),
            *kept = NULL;
    /* of an as-of or lookup join, what the right side gives depends on the left row alone */
    bool regular = plan->join.mode == WR_JOIN_REGULAR;
    bool inner = plan->join.kind == WR_JOIN_INNER && regular;
    bool left_only = plan->join.kind == WR_JOIN_SEMI || plan->join.kind == WR_JOIN_ANTI;
    sql_pulled sides[2] = { { 0 } };
    if (parts == NULL)
        return SQL_NOMEM(s->b);
    uint32_t n = wr_expr_conjuncts(plan->join.residual, parts, CONJUNCTS_MAX), *map;
    *ok = n <= CONJUNCTS_MAX && (inner || left_only || plan->join.kind == WR_JOIN_LEFT || !regular) &&
          (inner || !wr_sql_plan_refers(plan->inputs[1], s->scope));
    for (uint32_t side = 0; side < 2 && *ok; side++) {
        WR_TRY(pull(s, plan->inputs[side], false, &sides[side], ok));
        *ok = *ok && sides[side].empties == NULL;
    }
    if (!*ok)
        return WEIR_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (!wr_sql_expr_refers(parts[i], s->scope)) {
            if ((kept = wr_expr_and(s->b->arena, kept, parts[i])) == NULL)
                return SQL_NOMEM(s->b);
        } else if (inner) {
            WR_TRY(add_condition(s, out, parts[i])); /* over old columns: they keep their numbers */
        } else {
            *ok = false;
            return WEIR_OK;
        }
    }
    WR_TRY(join_grown(s, plan, sides[0].plan, sides[1].plan, kept, &map, &out->plan));
    uint32_t grown = sides[0].plan->schema->field_count;
    for (uint32_t side = 0; side < 2; side++)
        if (sides[side].condition_count > 0)
            WR_TRY(move_conditions(s, plan, side, grown, left_only, &sides[side], out));
    return WEIR_OK;
}

static weir_status
pull(pull_state *s, wr_plan *plan, bool exists, sql_pulled *out, bool *ok)
{
    *ok = true;
    if (!wr_sql_plan_refers(plan, s->scope)) {
        out->plan = plan;
        return WEIR_OK;
    }
    switch (plan->kind) {
    case WR_PLAN_FILTER: return pull_filter(s, plan, exists, out, ok);
    case WR_PLAN_PROJECT: return pull_project(s, plan, exists, out, ok);
    case WR_PLAN_AGGREGATE: return pull_aggregate(s, plan, out, ok);
    case WR_PLAN_JOIN: return pull_join(s, plan, out, ok);
    case WR_PLAN_SORT: {
        bool all = plan->sort.limit == UINT64_MAX && plan->sort.offset == 0;
        if (!all && !(exists && plan->sort.limit > 0 && plan->sort.offset == 0))
            break;
        return pull(s, plan->inputs[0], exists, out, ok);
    }
    default: break;
    }
    *ok = false;
    return WEIR_OK;
}

weir_status
wr_sql_pull_up(sql_binder *b, uint32_t scope, wr_plan *plan, bool exists, sql_pulled *out, bool *ok)
{
    pull_state s = { b, scope };
    return pull(&s, plan, exists, out, ok);
}
