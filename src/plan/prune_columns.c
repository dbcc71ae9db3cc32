/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/prune_columns.c -- columns nobody reads are not carried, nor decoded.
 *
 * prune(plan, needed) leaves at least the needed columns, in their old order, and says in map[]
 * where each went (GONE: nowhere).
 *
 * Invariants  P1  what decides which rows there are is kept: grouping columns, sort keys, sets
 *             P2  a node keeps at least one column
 */
#include "plan/rules_impl.h"

#include <string.h>

#define GONE UINT32_MAX

typedef struct prune_state {
    wr_rule_context *c;
    const uint32_t *map;
} prune_state;

static weir_status prune(wr_rule_context *c, wr_plan **plan, const bool *needed, uint32_t *map);

static void
note_need(const wr_expr *e, void *user)
{
    if (e->kind == WR_EXPR_COLUMN)
        ((bool *)user)[e->column] = true;
}

static void
need_expr(const wr_expr *e, bool *needed)
{
    if (e != NULL)
        wr_expr_walk(e, note_need, needed);
}

static wr_expr *
remap_one(wr_expr *e, void *user)
{
    prune_state *s = user;
    return wr_expr_remap(s->c->arena, e, s->map);
}

/* Every expression of the node over its input's new columns. */
static weir_status
remap_exprs(wr_rule_context *c, wr_plan *plan, const uint32_t *map)
{
    prune_state s = { c, map };
    return wr_plan_map_exprs(plan, remap_one, &s) ? WEIR_OK : WEIR_MEMORY;
}

/* Keep the fields with keep[i]; map[i] is where field i went. */
static void
keep_fields(wr_rule_context *c, wr_plan *plan, const bool *keep, uint32_t *map)
{
    wr_schema *schema = plan->schema;
    uint32_t n = 0;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        map[i] = keep[i] ? n : GONE;
        if (keep[i])
            schema->fields[n++] = schema->fields[i];
    }
    c->changed |= n != schema->field_count;
    schema->field_count = n;
    schema->key_count = 0;
}

static bool *
bools(wr_rule_context *c, uint32_t count)
{
    return wr_arena_calloc(c->arena, count + 1, sizeof(bool));
}

static uint32_t *
numbers(wr_rule_context *c, uint32_t count)
{
    return wr_arena_calloc(c->arena, count + 1, sizeof(uint32_t));
}

/* P2: something to carry, the narrowest. */
static void
keep_one(const wr_schema *schema, bool *keep)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < schema->field_count; i++) {
        if (keep[i])
            return;
        if (wr_type_width(schema->fields[i].type) < wr_type_width(schema->fields[best].type))
            best = i;
    }
    if (schema->field_count > 0)
        keep[best] = true;
}

static weir_status
prune_scan(wr_rule_context *c, wr_plan *plan, const bool *needed, uint32_t *map)
{
    uint32_t n = plan->schema->field_count, at = 0;
    bool *keep = bools(c, n);
    if (keep == NULL)
        return WEIR_MEMORY;
    memcpy(keep, needed, n);
    keep_one(plan->schema, keep);
    for (uint32_t i = 0; i < n; i++)
        if (keep[i])
            plan->scan.columns[at++] = plan->scan.columns[i];
    plan->scan.column_count = at;
    keep_fields(c, plan, keep, map);
    return WEIR_OK;
}

static weir_status
prune_project(wr_rule_context *c, wr_plan *plan, const bool *needed, uint32_t *map)
{
    uint32_t n = plan->schema->field_count, width = plan->inputs[0]->schema->field_count, at = 0;
    bool *keep = bools(c, n), *below = bools(c, width);
    uint32_t *below_map = numbers(c, width);
    if (keep == NULL || below == NULL || below_map == NULL)
        return WEIR_MEMORY;
    memcpy(keep, needed, n);
    keep_one(plan->schema, keep);
    for (uint32_t i = 0; i < n; i++) {
        if (!keep[i])
            continue;
        plan->project.exprs[at++] = plan->project.exprs[i];
        need_expr(plan->project.exprs[at - 1], below);
    }
    keep_fields(c, plan, keep, map);
    WR_TRY(prune(c, &plan->inputs[0], below, below_map));
    return remap_exprs(c, plan, below_map);
}

/* Nodes whose output is their input's columns, then `own` of theirs.  below: what the node itself
 * reads. */
static weir_status
prune_through(wr_rule_context *c, wr_plan *plan, bool *below, uint32_t own, uint32_t *map,
              uint32_t *below_map)
{
    uint32_t n = plan->schema->field_count - own;
    WR_TRY(prune(c, &plan->inputs[0], below, below_map));
    uint32_t width = plan->inputs[0]->schema->field_count;
    const wr_schema *input = plan->inputs[0]->schema;
    for (uint32_t i = 0; i < n; i++)
        map[i] = below_map[i];
    for (uint32_t i = 0; i < own; i++) {
        map[n + i] = width + i;
        plan->schema->fields[width + i] = plan->schema->fields[n + i];
    }
    for (uint32_t i = 0; i < width; i++)
        plan->schema->fields[i] = input->fields[i];
    plan->schema->field_count = width + own;
    plan->schema->key_count = 0;
    return WEIR_OK;
}

static weir_status
prune_unary(wr_rule_context *c, wr_plan *plan, const bool *needed, uint32_t *map)
{
    uint32_t width = plan->inputs[0]->schema->field_count;
    uint32_t own = plan->schema->field_count - width;
    bool *below = bools(c, width);
    uint32_t *below_map = numbers(c, width);
    if (below == NULL || below_map == NULL)
        return WEIR_MEMORY;
    memcpy(below, needed, width);
    switch (plan->kind) {
    case WR_PLAN_FILTER: need_expr(plan->filter.predicate, below); break;
    case WR_PLAN_WINDOW:
        below[plan->window.spec.time_column] = true;
        for (uint32_t i = 0; i < plan->window.key_count; i++)
            below[plan->window.keys[i]] = true;
        break;
    case WR_PLAN_DEDUP:
        below[plan->dedup.time_column] = true;
        for (uint32_t i = 0; i < plan->dedup.key_count; i++)
            below[plan->dedup.keys[i]] = true;
        break;
    case WR_PLAN_SORT:
        for (uint32_t i = 0; i < plan->sort.key_count; i++)
            below[plan->sort.keys[i].column] = true;
        break;
    default:
        for (uint32_t i = 0; i < plan->unnest.call_count; i++)
            need_expr(plan->unnest.calls[i], below);
        break;
    }
    WR_TRY(prune_through(c, plan, below, own, map, below_map));
    if (plan->kind == WR_PLAN_WINDOW) {
        plan->window.spec.time_column = below_map[plan->window.spec.time_column];
        for (uint32_t i = 0; i < plan->window.key_count; i++)
            plan->window.keys[i] = below_map[plan->window.keys[i]];
    } else if (plan->kind == WR_PLAN_DEDUP) {
        plan->dedup.time_column = below_map[plan->dedup.time_column];
        for (uint32_t i = 0; i < plan->dedup.key_count; i++)
            plan->dedup.keys[i] = below_map[plan->dedup.keys[i]];
    } else if (plan->kind == WR_PLAN_SORT) {
        for (uint32_t i = 0; i < plan->sort.key_count; i++)
            plan->sort.keys[i].column = below_map[plan->sort.keys[i].column];
    }
    return remap_exprs(c, plan, below_map);
}

static weir_status
prune_aggregate(wr_rule_context *c, wr_plan *plan, const bool *needed, uint32_t *map)
{
    uint32_t k = plan->aggregate.key_count, n = plan->schema->field_count, at = 0;
    uint32_t width = plan->inputs[0]->schema->field_count;
    bool *keep = bools(c, n), *below = bools(c, width);
    uint32_t *below_map = numbers(c, width);
    if (keep == NULL || below == NULL || below_map == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        keep[i] = i < k || needed[i];
    keep_one(plan->schema, keep);
    for (uint32_t i = 0; i < k; i++)
        below[plan->aggregate.keys[i]] = true;
    for (uint32_t i = k; i < n; i++) {
        if (!keep[i])
            continue;
        wr_agg_call *call = &plan->aggregate.calls[at++];
        *call = plan->aggregate.calls[i - k];
        for (uint32_t a = 0; a < call->arg_count; a++)
            need_expr(call->args[a], below);
        need_expr(call->filter, below);
    }
    plan->aggregate.call_count = at;
    keep_fields(c, plan, keep, map);
    WR_TRY(prune(c, &plan->inputs[0], below, below_map));
    for (uint32_t i = 0; i < k; i++)
        plan->aggregate.keys[i] = below_map[plan->aggregate.keys[i]];
    return remap_exprs(c, plan, below_map);
}

static weir_status
prune_join(wr_rule_context *c, wr_plan *plan, const bool *needed, uint32_t *map)
{
    uint32_t n = plan->inputs[0]->schema->field_count, m = plan->inputs[1]->schema->field_count;
    bool left_only = plan->join.kind == WR_JOIN_SEMI || plan->join.kind == WR_JOIN_ANTI;
    bool *below = bools(c, n + m);
    uint32_t *below_map = numbers(c, n + m);
    if (below == NULL || below_map == NULL)
        return WEIR_MEMORY;
    memcpy(below, needed, left_only ? n : n + m);
    need_expr(plan->join.residual, below);
    for (uint32_t i = 0; i < plan->join.key_count; i++) {
        below[plan->join.left_keys[i]] = true;
        below[n + plan->join.right_keys[i]] = true;
    }
    WR_TRY(prune(c, &plan->inputs[0], below, below_map));
    WR_TRY(prune(c, &plan->inputs[1], below + n, below_map + n));
    /* the key arrays may be shared between the sides or with other nodes */
    uint32_t *keys = numbers(c, 2 * plan->join.key_count);
    if (keys == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < plan->join.key_count; i++) {
        keys[i] = below_map[plan->join.left_keys[i]];
        keys[plan->join.key_count + i] = below_map[n + plan->join.right_keys[i]];
    }
    plan->join.left_keys = keys;
    plan->join.right_keys = keys + plan->join.key_count;
    uint32_t width = plan->inputs[0]->schema->field_count;
    uint32_t right = left_only ? 0 : plan->inputs[1]->schema->field_count;
    for (uint32_t i = 0; i < m; i++)
        if (below_map[n + i] != GONE)
            below_map[n + i] += width;
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        map[i] = below_map[i];
    for (uint32_t i = 0; i < width + right; i++)
        plan->schema->fields[i] = i < width ? plan->inputs[0]->schema->fields[i]
                                            : plan->inputs[1]->schema->fields[i - width];
    plan->schema->field_count = width + right;
    plan->schema->key_count = 0;
    return remap_exprs(c, plan, below_map);
}

/* All branches must give the same columns: a branch that keeps more is cut to them. */
static weir_status
prune_union(wr_rule_context *c, wr_plan *plan, const bool *needed, uint32_t *map)
{
    uint32_t n = plan->schema->field_count, count = 0;
    bool *keep = bools(c, n);
    uint32_t *below_map = numbers(c, n), *columns = numbers(c, n);
    if (keep == NULL || below_map == NULL || columns == NULL)
        return WEIR_MEMORY;
    memcpy(keep, needed, n);
    keep_one(plan->schema, keep);
    for (uint32_t b = 0; b < plan->input_count; b++) {
        WR_TRY(prune(c, &plan->inputs[b], keep, below_map));
        count = 0;
        bool same = true;
        for (uint32_t i = 0; i < n; i++) {
            if (!keep[i])
                continue;
            same = same && below_map[i] == count;
            columns[count++] = below_map[i];
        }
        if (same && plan->inputs[b]->schema->field_count == count)
            continue;
        plan->inputs[b] = wr_plan_make_pick(c->arena, plan->inputs[b], columns, count);
        if (plan->inputs[b] == NULL)
            return WEIR_MEMORY;
    }
    keep_fields(c, plan, keep, map);
    return WEIR_OK;
}

static weir_status
prune_over(wr_rule_context *c, wr_plan **slot, const bool *needed, uint32_t *map)
{
    wr_plan *plan = *slot;
    uint32_t width = plan->inputs[0]->schema->field_count, kept = 0;
    bool *below = bools(c, width);
    uint32_t *below_map = numbers(c, width), *call_map = numbers(c, plan->over.call_count);
    uint32_t old_count = plan->over.call_count;
    if (below == NULL || below_map == NULL || call_map == NULL)
        return WEIR_MEMORY;
    memcpy(below, needed, width);
    for (uint32_t i = 0; i < old_count; i++) {
        call_map[i] = GONE;
        if (!needed[width + i])
            continue;
        wr_over_call *call = &plan->over.calls[kept];
        *call = plan->over.calls[i];
        plan->schema->fields[width + kept] = plan->schema->fields[width + i];
        call_map[i] = kept++;
        for (uint32_t k = 0; k < call->arg_count; k++)
            need_expr(call->args[k], below);
        need_expr(call->filter, below);
        for (uint32_t k = 0; k < call->partition_count; k++)
            below[call->partition[k]] = true;
        for (uint32_t k = 0; k < call->order_count; k++)
            below[call->order[k].column] = true;
    }
    c->changed |= kept != old_count;
    plan->over.call_count = kept;
    if (kept == 0) {
        WR_TRY(prune(c, &plan->inputs[0], below, map));
        for (uint32_t i = 0; i < old_count; i++)
            map[width + i] = GONE;
        *slot = plan->inputs[0];
        return WEIR_OK;
    }
    plan->schema->field_count = width + kept;
    uint32_t *own_map = numbers(c, width + kept);
    if (own_map == NULL)
        return WEIR_MEMORY;
    WR_TRY(prune_through(c, plan, below, kept, own_map, below_map));
    for (uint32_t i = 0; i < width; i++)
        map[i] = own_map[i];
    for (uint32_t i = 0; i < old_count; i++)
        map[width + i] = call_map[i] == GONE ? GONE : own_map[width + call_map[i]];
    for (uint32_t i = 0; i < kept; i++) {
        wr_over_call *call = &plan->over.calls[i];
        uint32_t *partition = numbers(c, call->partition_count);
        wr_sort_key *order = wr_arena_calloc(c->arena, call->order_count + 1, sizeof *order);
        if (partition == NULL || order == NULL)
            return WEIR_MEMORY;
        for (uint32_t k = 0; k < call->partition_count; k++)
            partition[k] = below_map[call->partition[k]];
        for (uint32_t k = 0; k < call->order_count; k++) {
            order[k] = call->order[k];
            order[k].column = below_map[order[k].column];
        }
        call->partition = partition;
        call->order = order;
    }
    return remap_exprs(c, plan, below_map);
}

static weir_status
prune(wr_rule_context *c, wr_plan **plan, const bool *needed, uint32_t *map)
{
    switch ((*plan)->kind) {
    case WR_PLAN_SCAN: return prune_scan(c, *plan, needed, map);
    case WR_PLAN_PROJECT: return prune_project(c, *plan, needed, map);
    case WR_PLAN_FILTER:
    case WR_PLAN_WINDOW:
    case WR_PLAN_SORT:
    case WR_PLAN_DEDUP:
    case WR_PLAN_UNNEST: return prune_unary(c, *plan, needed, map);
    case WR_PLAN_AGGREGATE: return prune_aggregate(c, *plan, needed, map);
    case WR_PLAN_JOIN: return prune_join(c, *plan, needed, map);
    case WR_PLAN_UNION: return prune_union(c, *plan, needed, map);
    case WR_PLAN_OVER: return prune_over(c, plan, needed, map);
    case WR_PLAN_TOP_N: /* made when columns have been pruned */
    case WR_PLAN_VALUES:
    case WR_PLAN_SETOP:
        for (uint32_t i = 0; i < (*plan)->schema->field_count; i++)
            map[i] = i;
        return WEIR_OK;
    }
    wr_unreachable();
}

weir_status
wr_rule_prune_columns(wr_rule_context *c, wr_plan **plan)
{
    uint32_t n = (*plan)->schema->field_count;
    bool *needed = bools(c, n);
    uint32_t *map = numbers(c, n);
    if (needed == NULL || map == NULL)
        return WEIR_MEMORY;
    memset(needed, true, n);
    WR_TRY(prune(c, plan, needed, map));
    wr_assert((*plan)->schema->field_count == n);
    return WEIR_OK;
}
