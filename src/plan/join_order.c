/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_order.c -- inner joins in an order that needs no cross product, where there is one.
 *
 * FROM a, b, c WHERE a.x = c.x AND b.y = c.y is ((a x b) join c) as written; here it becomes
 * ((a join c) join b).  An input joined by no equality to those before it waits until it is.  Of those
 * that are joined, one whose time is compared comes first in a continuous query (the bound is lost
 * above a join that has none), then one whose whole key is compared (no row finds two partners there),
 * then one that is compared with constants, then the written order.  Where the rows of all inputs are
 * known, they decide (plan/join_rows.c), unless times are compared.
 *
 * Invariants  O1  only inner joins without keys, directly above one another, are one group
 *             O2  the columns are put back in the written order by a project
 */
#include "plan/join_order_impl.h"

#include <string.h>

typedef struct shift_state {
    wr_arena *arena;
    uint32_t by;
} shift_state;

static wr_expr *
shift_column(wr_expr *e, void *user)
{
    shift_state *s = user;
    if (e->kind != WR_EXPR_COLUMN)
        return NULL;
    return wr_expr_column(s->arena, e->column + s->by, e->type);
}

static bool
is_free_join(const wr_plan *plan)
{
    return plan->kind == WR_PLAN_JOIN && plan->join.kind == WR_JOIN_INNER &&
           plan->join.key_count == 0 && !plan->join.single && plan->join.mode == WR_JOIN_REGULAR;
}

static weir_status
collect(wr_rule_context *c, wr_plan *plan, join_group *g)
{
    if (!is_free_join(plan)) {
        if (g->count == JOIN_LEAVES_MAX) {
            g->overflow = true;
            return WEIR_OK;
        }
        g->firsts[g->count] = g->width;
        g->leaves[g->count++] = plan;
        g->width += plan->schema->field_count;
        return WEIR_OK;
    }
    uint32_t first = g->width, n;
    WR_TRY(collect(c, plan->inputs[0], g));
    if (g->overflow)
        return WEIR_OK;
    WR_TRY(collect(c, plan->inputs[1], g));
    /* not on the stack: this function calls itself once a join */
    wr_expr **parts = wr_arena_alloc(c->arena, (JOIN_CONJUNCTS_MAX + 1) * sizeof *parts);
    if (parts == NULL)
        return WEIR_MEMORY;
    n = wr_expr_conjuncts(plan->join.residual, parts, JOIN_CONJUNCTS_MAX);
    if (n > JOIN_CONJUNCTS_MAX || g->conjunct_count + n > JOIN_CONJUNCTS_MAX) {
        g->overflow = true;
        return WEIR_OK;
    }
    shift_state s = { c->arena, first };
    for (uint32_t i = 0; i < n; i++) {
        wr_expr *e = first == 0 ? parts[i] : wr_expr_rewrite(c->arena, parts[i], shift_column, &s);
        if (e == NULL)
            return WEIR_MEMORY;
        g->conjuncts[g->conjunct_count++] = e;
    }
    return WEIR_OK;
}

uint64_t
wr_join_leaves_read(const join_group *g, const wr_expr *e)
{
    uint64_t set = 0;
    for (uint32_t i = 0; i < g->count; i++)
        if (wr_expr_reads(e, g->firsts[i], g->leaves[i]->schema->field_count))
            set |= 1ull << i;
    return set;
}

bool
wr_join_is_tied(const join_group *g, uint64_t set, uint32_t leaf)
{
    for (uint32_t k = 0; k < g->conjunct_count; k++) {
        const wr_expr *e = g->conjuncts[k];
        if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || strcmp(e->function->name, "=") != 0)
            continue;
        uint64_t l = wr_join_leaves_read(g, e->args[0]), r = wr_join_leaves_read(g, e->args[1]);
        uint64_t me = 1ull << leaf;
        if ((l == me && r != 0 && (r & ~set) == 0) || (r == me && l != 0 && (l & ~set) == 0))
            return true;
    }
    return false;
}

/* The column of the scanned relation that column c of the leaf is; NULL: the leaf is no scan. */
static const wr_plan *
scan_of(const wr_plan *leaf, uint32_t *c)
{
    while (leaf->kind == WR_PLAN_FILTER || leaf->kind == WR_PLAN_PROJECT) {
        if (leaf->kind == WR_PLAN_PROJECT) {
            const wr_expr *e = leaf->project.exprs[*c];
            if (e->kind != WR_EXPR_COLUMN)
                return NULL;
            *c = e->column;
        }
        leaf = leaf->inputs[0];
    }
    if (leaf->kind != WR_PLAN_SCAN)
        return NULL;
    *c = leaf->scan.columns[*c];
    return leaf;
}

/* Is column c of the relation that the leaf scans compared with what is in the set? */
static bool
is_key_tied(const join_group *g, uint64_t set, uint32_t leaf, uint32_t c)
{
    uint64_t me = 1ull << leaf;
    for (uint32_t k = 0; k < g->conjunct_count; k++) {
        const wr_expr *e = g->conjuncts[k];
        if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || strcmp(e->function->name, "=") != 0)
            continue;
        for (uint32_t side = 0; side < 2; side++) {
            const wr_expr *mine = e->args[side];
            uint64_t other = wr_join_leaves_read(g, e->args[1 - side]);
            if (mine->kind != WR_EXPR_COLUMN || wr_join_leaves_read(g, mine) != me || other == 0 ||
                (other & ~set) != 0)
                continue;
            uint32_t column = mine->column - g->firsts[leaf];
            if (scan_of(g->leaves[leaf], &column) != NULL && column == c)
                return true;
        }
    }
    return false;
}

const wr_relation *
wr_join_key_tied(const join_group *g, uint64_t set, uint32_t leaf)
{
    uint32_t first = 0;
    const wr_plan *scan = scan_of(g->leaves[leaf], &first);
    if (scan == NULL)
        return NULL;
    const wr_schema *schema = scan->scan.relation->schema;
    bool unique = schema->key_count > 0;
    for (uint32_t k = 0; k < schema->key_count && unique; k++)
        unique = is_key_tied(g, set, leaf, schema->key[k]);
    return unique ? scan->scan.relation : NULL;
}

/* Does the leaf's stream go on, and no key bound it? */
static bool
flows(const wr_plan *leaf)
{
    return !wr_plan_ends(leaf) && !wr_plan_is_table(leaf);
}

/* Is a time of the leaf compared with one of the set, both of streams?  Such a join lets its rows go by and by. */
static bool
is_time_tied(const join_group *g, uint64_t set, uint32_t leaf)
{
    uint64_t me = 1ull << leaf;
    for (uint32_t k = 0; k < g->conjunct_count && flows(g->leaves[leaf]); k++) {
        const wr_expr *e = g->conjuncts[k];
        if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || e->type.id != WR_BOOL ||
            !wr_type_is_time(e->args[0]->type) || !wr_type_is_time(e->args[1]->type))
            continue;
        uint64_t read = wr_join_leaves_read(g, e);
        bool all_flow = (read & me) != 0 && (read & set) != 0 && (read & ~(set | me)) == 0;
        for (uint32_t i = 0; i < g->count && all_flow; i++)
            all_flow = (read & 1ull << i) == 0 || flows(g->leaves[i]);
        if (all_flow)
            return true;
    }
    return false;
}

/* How good it is to join a tied leaf now: 3 a bound in time is kept, 2 no row finds two partners, 1 it has a condition
 * of its own, 0. */
static uint32_t
narrows(const join_group *g, uint64_t set, uint32_t leaf, bool endless)
{
    uint32_t first = 0;
    const wr_plan *scan = scan_of(g->leaves[leaf], &first);
    if (endless && is_time_tied(g, set, leaf))
        return 3;
    if (wr_join_key_tied(g, set, leaf) != NULL)
        return 2;
    return scan != NULL && scan->scan.predicate != NULL;
}

/* The order of the leaves; false: the written one is as good. */
static bool
choose_order(const join_group *g, bool endless, uint32_t *order)
{
    uint64_t set = 1, all = g->count == 64 ? UINT64_MAX : (1ull << g->count) - 1;
    uint32_t at = 0;
    bool differs = false, timed = false;
    order[at++] = 0;
    while (set != all) {
        uint32_t next = UINT32_MAX, first_left = UINT32_MAX, best = 0;
        for (uint32_t i = 0; i < g->count; i++) {
            if ((set & 1ull << i) != 0)
                continue;
            if (first_left == UINT32_MAX)
                first_left = i;
            if (!wr_join_is_tied(g, set, i))
                continue;
            uint32_t good = narrows(g, set, i, endless);
            timed = timed || good == 3;
            if (next == UINT32_MAX || good > best) {
                next = i;
                best = good;
            }
        }
        if (next == UINT32_MAX)
            next = first_left;
        set |= 1ull << next;
        order[at++] = next;
    }
    if (!timed)
        wr_join_order_by_rows(g, order);
    for (uint32_t i = 0; i < g->count; i++)
        differs = differs || order[i] != i;
    return differs;
}

/* Left-deep in the order; each condition at the first join that has all it reads. */
static weir_status
build(wr_rule_context *c, const join_group *g, const uint32_t *order, wr_plan **out)
{
    uint32_t *where = wr_arena_alloc(c->arena, (g->width + 1) * sizeof *where);
    bool *placed = wr_arena_calloc(c->arena, g->conjunct_count + 1, sizeof *placed);
    wr_plan *plan = NULL;
    uint64_t set = 0;
    uint32_t width = 0;
    if (where == NULL || placed == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < g->count; i++) {
        wr_plan *leaf = g->leaves[order[i]];
        for (uint32_t k = 0; k < leaf->schema->field_count; k++)
            where[g->firsts[order[i]] + k] = width + k;
        width += leaf->schema->field_count;
        set |= 1ull << order[i];
        wr_expr *residual = NULL;
        for (uint32_t k = 0; k < g->conjunct_count && i > 0; k++) {
            if (placed[k] || (wr_join_leaves_read(g, g->conjuncts[k]) & ~set) != 0)
                continue;
            placed[k] = true;
            wr_expr *e = wr_expr_remap(c->arena, g->conjuncts[k], where);
            if (e == NULL || (residual = wr_expr_and(c->arena, residual, e)) == NULL)
                return WEIR_MEMORY;
        }
        plan = i == 0 ? leaf
                      : wr_plan_make_join(c->arena, WR_JOIN_INNER, plan, leaf, residual,
                                          leaf->location);
        if (plan == NULL)
            return WEIR_MEMORY;
    }
    *out = wr_plan_make_pick(c->arena, plan, where, g->width);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_rule_join_order(wr_rule_context *c, wr_plan **plan)
{
    if (is_free_join(*plan)) {
        join_group *g = wr_arena_calloc(c->arena, 1, sizeof *g);
        uint32_t order[JOIN_LEAVES_MAX];
        bool endless = c->options != NULL && !c->options->bounded;
        if (g == NULL)
            return WEIR_MEMORY;
        WR_TRY(collect(c, *plan, g));
        if (!g->overflow && g->count > 2 && choose_order(g, endless, order)) {
            const wr_schema *old = (*plan)->schema;
            WR_TRY(build(c, g, order, plan));
            for (uint32_t i = 0; i < old->field_count; i++)
                (*plan)->schema->fields[i].name = old->fields[i].name;
            c->changed = true;
        }
    }
    for (uint32_t i = 0; i < (*plan)->input_count; i++)
        WR_TRY(wr_rule_join_order(c, &(*plan)->inputs[i]));
    return WEIR_OK;
}
