/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/common_conjuncts.c -- (k AND a) OR (k AND b) becomes k AND (a OR b).
 *
 * Place       the conditions of filters and joins, so that k can go down or become a join's key.
 * Invariants  D1  AND and OR of true, false and unknown distribute over each other: the rows stay
 *             D2  a branch that is k alone makes the whole k
 *             D3  a volatile conjunct stays where it is written
 */
#include "plan/rules_impl.h"

#include <string.h>

enum { BRANCHES_MAX = 64, PARTS_MAX = 64 };

typedef struct branch {
    wr_expr *parts[PARTS_MAX];
    uint32_t count;
} branch;

static bool
branch_has(const branch *b, const wr_expr *e, uint32_t *at)
{
    for (*at = 0; *at < b->count; ++*at)
        if (wr_expr_equal(b->parts[*at], e))
            return true;
    return false;
}

/* Is part i of the first branch in all of them? */
static bool
in_every(const branch *branches, uint32_t count, const wr_expr *e)
{
    uint32_t at;
    for (uint32_t b = 1; b < count; b++)
        if (!branch_has(&branches[b], e, &at))
            return false;
    return true;
}

/* The AND of a branch's parts; NULL when it has none. */
static weir_status
branch_join(wr_arena *arena, const branch *b, wr_expr **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < b->count; i++)
        if ((*out = wr_expr_and(arena, *out, b->parts[i])) == NULL)
            return WEIR_MEMORY;
    return WEIR_OK;
}

/* What is left of the OR without the common parts; NULL: nothing (D2). */
static weir_status
rest_of(wr_arena *arena, const branch *branches, uint32_t count, wr_expr **rest)
{
    wr_expr **args = wr_arena_alloc(arena, count * sizeof *args);
    *rest = NULL;
    if (args == NULL)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < count; b++) {
        WR_TRY(branch_join(arena, &branches[b], &args[b]));
        if (args[b] == NULL)
            return WEIR_OK;
    }
    *rest = wr_expr_make(arena, WR_EXPR_OR, WR_TYPE(WR_BOOL), args, count);
    return *rest != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* One OR: *out stays as it is when its branches share nothing. */
static weir_status
factor(wr_rule_context *c, wr_expr **out)
{
    wr_expr *e = *out, *common = NULL, *rest;
    if (e->kind != WR_EXPR_OR || e->arg_count > BRANCHES_MAX)
        return WEIR_OK;
    branch *branches = wr_arena_calloc(c->arena, e->arg_count, sizeof *branches);
    if (branches == NULL)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < e->arg_count; b++) {
        branches[b].count = wr_expr_conjuncts(e->args[b], branches[b].parts, PARTS_MAX);
        if (branches[b].count > PARTS_MAX)
            return WEIR_OK;
    }
    for (uint32_t i = 0; i < branches[0].count;) {
        wr_expr *part = branches[0].parts[i];
        if (wr_expr_is_volatile(part) || !in_every(branches, e->arg_count, part)) { /* D3 */
            i++;
            continue;
        }
        for (uint32_t b = 0; b < e->arg_count; b++) {
            uint32_t at;
            while (branch_has(&branches[b], part, &at))
                branches[b].parts[at] = branches[b].parts[--branches[b].count];
        }
        if ((common = wr_expr_and(c->arena, common, part)) == NULL)
            return WEIR_MEMORY;
    }
    if (common == NULL)
        return WEIR_OK;
    WR_TRY(rest_of(c->arena, branches, e->arg_count, &rest));
    *out = rest != NULL ? wr_expr_and(c->arena, common, rest) : common;
    c->changed = true;
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* Each conjunct of a condition. */
static weir_status
factor_all(wr_rule_context *c, wr_expr **condition)
{
    wr_expr *parts[PARTS_MAX], *all = NULL;
    bool before = c->changed;
    uint32_t n = wr_expr_conjuncts(*condition, parts, PARTS_MAX);
    if (n > PARTS_MAX)
        return WEIR_OK;
    c->changed = false;
    for (uint32_t i = 0; i < n; i++) {
        WR_TRY(factor(c, &parts[i]));
        if ((all = wr_expr_and(c->arena, all, parts[i])) == NULL)
            return WEIR_MEMORY;
    }
    if (c->changed)
        *condition = all;
    c->changed |= before;
    return WEIR_OK;
}

weir_status
wr_rule_common_conjuncts(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *p = *plan;
    for (uint32_t i = 0; i < p->input_count; i++)
        WR_TRY(wr_rule_common_conjuncts(c, &p->inputs[i]));
    if (p->kind == WR_PLAN_FILTER)
        return factor_all(c, &p->filter.predicate);
    if (p->kind == WR_PLAN_JOIN && p->join.residual != NULL)
        return factor_all(c, &p->join.residual);
    return WEIR_OK;
}
