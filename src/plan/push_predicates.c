/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/push_predicates.c -- conditions go down, as near to the rows' source as they can.
 *
 *     filter over         goes
 *     filter              together with it
 *     project             below, over what the columns are made of (plain columns only)
 *     window              below, when it reads no window bound; a session: when it reads its keys alone
 *     union               into every branch
 *     aggregate           below, when it reads grouping columns alone, and no window bound
 *     join                to the side it reads, or into an inner join's condition
 *     over, unnest, sort  below, when it reads partition columns / input columns / there is no
 * limit scan                into the scan
 *
 * Invariants  P1  a condition with a volatile function stays where it is written
 *             P2  an outer join's filling side keeps its conditions above
 *             P3  what is asked of the partner an as-of join has chosen stays above it
 */
#include "plan/rules_impl.h"

#include <string.h>

enum { CONJUNCTS_MAX = 512 };

typedef struct remap_state {
    wr_arena *arena;
    uint32_t first; /* columns from here on move down by `by` */
    uint32_t by;
} remap_state;

static wr_expr *
move_column(wr_expr *e, void *user)
{
    remap_state *r = user;
    if (e->kind != WR_EXPR_COLUMN || e->column < r->first)
        return NULL;
    wr_expr *to = wr_expr_column(r->arena, e->column - r->by, e->type);
    if (to != NULL)
        to->location = e->location;
    return to;
}

static wr_expr *
move_down(wr_arena *arena, wr_expr *e, uint32_t by)
{
    remap_state r = { arena, by, by };
    return wr_expr_rewrite(arena, e, move_column, &r);
}

/* Put predicate over *slot, pushing on from there. */
static weir_status
place_filter(wr_rule_context *c, wr_plan **slot, wr_expr *predicate, int32_t location)
{
    wr_plan *filter = wr_plan_make_filter(c->arena, *slot, predicate, location);
    if (filter == NULL)
        return WEIR_MEMORY;
    *slot = filter;
    return WEIR_OK;
}

typedef struct column_use {
    const wr_plan *plan;
    bool plain;
} column_use;

static void
note_project_use(const wr_expr *e, void *user)
{
    column_use *use = user;
    if (e->kind != WR_EXPR_COLUMN)
        return;
    const wr_expr *from = use->plan->project.exprs[e->column];
    if (from->kind != WR_EXPR_COLUMN && from->kind != WR_EXPR_CONSTANT)
        use->plain = false;
}

static void
note_key_use(const wr_expr *e, void *user)
{
    column_use *use = user;
    if (e->kind == WR_EXPR_COLUMN && e->column >= use->plan->aggregate.key_count)
        use->plain = false;
}

static void
note_session_use(const wr_expr *e, void *user)
{
    column_use *use = user;
    bool found = e->kind != WR_EXPR_COLUMN;
    for (uint32_t k = 0; k < use->plan->window.key_count && !found; k++)
        found = use->plan->window.keys[k] == e->column;
    use->plain = use->plain && found;
}

static void
note_partition_use(const wr_expr *e, void *user)
{
    column_use *use = user;
    if (e->kind != WR_EXPR_COLUMN)
        return;
    for (uint32_t i = 0; i < use->plan->over.call_count; i++) {
        const wr_over_call *call = &use->plan->over.calls[i];
        bool found = false;
        for (uint32_t k = 0; k < call->partition_count; k++)
            found |= call->partition[k] == e->column;
        use->plain = use->plain && found;
    }
}

static void
note_dedup_use(const wr_expr *e, void *user)
{
    column_use *use = user;
    bool found = e->kind != WR_EXPR_COLUMN;
    for (uint32_t k = 0; k < use->plan->dedup.key_count && !found; k++)
        found = use->plan->dedup.keys[k] == e->column;
    use->plain = use->plain && found;
}

/* Can the conjunct go below a node with one input?  *below: over that input's columns. */
static weir_status
go_below(wr_rule_context *c, wr_plan *node, wr_expr *e, wr_expr **below)
{
    wr_arena *arena = c->arena;
    column_use use = { node, true };
    uint32_t n = node->input_count > 0 ? node->inputs[0]->schema->field_count : 0;
    *below = NULL;
    switch (node->kind) {
    case WR_PLAN_PROJECT:
        wr_expr_walk(e, note_project_use, &use);
        if (use.plain && (*below = wr_expr_substitute(arena, e, node->project.exprs)) == NULL)
            return WEIR_MEMORY;
        return WEIR_OK;
    case WR_PLAN_WINDOW:
        wr_expr_walk(e, note_session_use, &use);
        if (node->window.spec.kind == WR_WINDOW_SESSION ? use.plain : !wr_expr_reads(e, n, 2))
            *below = e;
        return WEIR_OK;
    case WR_PLAN_UNNEST:
        if (!wr_expr_reads(e, n, UINT32_MAX - n))
            *below = e;
        return WEIR_OK;
    case WR_PLAN_SORT:
        if (node->sort.limit == UINT64_MAX && node->sort.offset == 0)
            *below = e;
        return WEIR_OK;
    case WR_PLAN_OVER:
        wr_expr_walk(e, note_partition_use, &use);
        if (use.plain)
            *below = e;
        return WEIR_OK;
    case WR_PLAN_DEDUP:
        wr_expr_walk(e, note_dedup_use, &use);
        if (use.plain)
            *below = e;
        return WEIR_OK;
    case WR_PLAN_AGGREGATE: {
        if (node->aggregate.global)
            return WEIR_OK;
        wr_expr_walk(e, note_key_use, &use);
        if (use.plain && wr_plan_reads_window(node, e)) /* the aggregate closes the window */
            return WEIR_OK;
        if (use.plain && (*below = wr_expr_remap(arena, e, node->aggregate.keys)) == NULL)
            return WEIR_MEMORY;
        return WEIR_OK;
    }
    default: return WEIR_OK;
    }
}

static weir_status
push_union(wr_rule_context *c, wr_plan *node, wr_expr *e, int32_t location)
{
    for (uint32_t i = 0; i < node->input_count; i++)
        WR_TRY(place_filter(c, &node->inputs[i], e, location));
    return WEIR_OK;
}

static weir_status
push_scan(wr_rule_context *c, wr_plan *node, wr_expr *e)
{
    wr_expr *over_relation = wr_expr_remap(c->arena, e, node->scan.columns);
    if (over_relation == NULL)
        return WEIR_MEMORY;
    node->scan.predicate = wr_expr_and(c->arena, node->scan.predicate, over_relation);
    return node->scan.predicate != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* A conjunct over a join's columns: to a side, into the condition, or *stays. */
static weir_status
push_join(wr_rule_context *c, wr_plan *join, wr_expr *e, int32_t location, bool *stays)
{
    uint32_t n = join->inputs[0]->schema->field_count;
    wr_join_kind kind = join->join.kind;
    bool reads_left = wr_expr_reads(e, 0, n), reads_right = wr_expr_reads(e, n, UINT32_MAX - n);
    bool left_only = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    *stays = false;
    if (!reads_right && (left_only || kind == WR_JOIN_INNER || kind == WR_JOIN_LEFT) &&
        !(kind == WR_JOIN_INNER && !reads_left && join->join.single))
        return place_filter(c, &join->inputs[0], e, location);
    bool asof = join->join.mode == WR_JOIN_ASOF; /* P3 */
    if (!reads_left && reads_right && !asof && (kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT)) {
        wr_expr *moved = move_down(c->arena, e, n);
        return moved != NULL ? place_filter(c, &join->inputs[1], moved, location) : WEIR_MEMORY;
    }
    if (kind == WR_JOIN_INNER && reads_left && reads_right && !asof) {
        join->join.residual = wr_expr_and(c->arena, join->join.residual, e);
        return join->join.residual != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    *stays = true;
    return WEIR_OK;
}

/* One conjunct over node; *stays: it remains a filter above. */
static weir_status
push_one(wr_rule_context *c, wr_plan *node, wr_expr *e, int32_t location, bool *stays)
{
    wr_expr *below;
    *stays = true;
    bool endless = c->options != NULL && !c->options->bounded;
    if (wr_expr_is_volatile(e) || (endless && wr_expr_is_stable(e)))
        return WEIR_OK;
    switch (node->kind) {
    case WR_PLAN_UNION: *stays = false; return push_union(c, node, e, location);
    case WR_PLAN_JOIN: return push_join(c, node, e, location, stays);
    case WR_PLAN_SCAN: *stays = false; return push_scan(c, node, e);
    default:
        WR_TRY(go_below(c, node, e, &below));
        if (below == NULL)
            return WEIR_OK;
        *stays = false;
        return place_filter(c, &node->inputs[0], below, location);
    }
}

static weir_status
push_filter(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *filter = *plan, *node = filter->inputs[0];
    wr_expr *parts[CONJUNCTS_MAX], *kept = NULL;
    uint32_t n = wr_expr_conjuncts(filter->filter.predicate, parts, CONJUNCTS_MAX), moved = 0;
    if (n > CONJUNCTS_MAX)
        return WEIR_OK;
    if (node->kind == WR_PLAN_FILTER) {
        node->filter.predicate =
            wr_expr_and(c->arena, node->filter.predicate, filter->filter.predicate);
        *plan = node;
        c->changed = true;
        return node->filter.predicate != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < n; i++) {
        bool stays;
        WR_TRY(push_one(c, node, parts[i], filter->location, &stays));
        moved += !stays;
        if (stays && (kept = wr_expr_and(c->arena, kept, parts[i])) == NULL)
            return WEIR_MEMORY;
    }
    if (moved == 0)
        return WEIR_OK;
    c->changed = true;
    if (kept == NULL)
        *plan = node;
    else
        filter->filter.predicate = kept;
    return WEIR_OK;
}

/* Conditions of ON that read one side only. */
static weir_status
push_residual(wr_rule_context *c, wr_plan *join)
{
    wr_expr *parts[CONJUNCTS_MAX], *kept = NULL;
    wr_join_kind kind = join->join.kind;
    uint32_t n = join->inputs[0]->schema->field_count, moved = 0;
    uint32_t count = wr_expr_conjuncts(join->join.residual, parts, CONJUNCTS_MAX);
    if (count > CONJUNCTS_MAX)
        return WEIR_OK;
    for (uint32_t i = 0; i < count; i++) {
        wr_expr *e = parts[i];
        bool left = wr_expr_reads(e, 0, n), right = wr_expr_reads(e, n, UINT32_MAX - n);
        bool to_left = left && !right &&
                       (kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT || kind == WR_JOIN_SEMI);
        bool to_right = right && !left && kind != WR_JOIN_RIGHT && kind != WR_JOIN_FULL;
        if (wr_expr_is_volatile(e) || (!to_left && !to_right)) {
            if ((kept = wr_expr_and(c->arena, kept, e)) == NULL)
                return WEIR_MEMORY;
            continue;
        }
        wr_expr *moved_expr = to_left ? e : move_down(c->arena, e, n);
        if (moved_expr == NULL)
            return WEIR_MEMORY;
        WR_TRY(place_filter(c, &join->inputs[to_left ? 0 : 1], moved_expr, join->location));
        moved++;
    }
    if (moved > 0) {
        join->join.residual = kept;
        c->changed = true;
    }
    return WEIR_OK;
}

weir_status
wr_rule_push_predicates(wr_rule_context *c, wr_plan **plan)
{
    /* down first, so that a condition passes through several nodes in one run */
    while ((*plan)->kind == WR_PLAN_FILTER) {
        wr_plan *before = *plan;
        const wr_expr *predicate = before->filter.predicate;
        WR_TRY(push_filter(c, plan));
        if (*plan == before && before->filter.predicate == predicate)
            break;
    }
    if ((*plan)->kind == WR_PLAN_JOIN)
        WR_TRY(push_residual(c, *plan));
    for (uint32_t i = 0; i < (*plan)->input_count; i++)
        WR_TRY(wr_rule_push_predicates(c, &(*plan)->inputs[i]));
    return WEIR_OK;
}
