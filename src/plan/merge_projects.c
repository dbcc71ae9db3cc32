/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/merge_projects.c -- one project instead of two, and none where it changes nothing.
 *
 * Invariants  M1  a computed column is not computed twice: it is merged only where it is read once
 *             M2  a volatile column is never merged
 */
#include "plan/rules_impl.h"

typedef struct use_count {
    uint32_t *counts;
} use_count;

static void
note_use(const wr_expr *e, void *user)
{
    if (e->kind == WR_EXPR_COLUMN)
        ((use_count *)user)->counts[e->column]++;
}

static bool
is_plain(const wr_expr *e)
{
    return e->kind == WR_EXPR_COLUMN || e->kind == WR_EXPR_CONSTANT;
}

/* May the upper project's expressions take the lower's in? */
static weir_status
can_merge(wr_arena *arena, const wr_plan *upper, const wr_plan *lower, bool *can)
{
    use_count uses = { wr_arena_calloc(arena, lower->schema->field_count + 1, sizeof(uint32_t)) };
    if (uses.counts == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < upper->schema->field_count; i++)
        wr_expr_walk(upper->project.exprs[i], note_use, &uses);
    *can = true;
    for (uint32_t i = 0; i < lower->schema->field_count; i++) {
        const wr_expr *e = lower->project.exprs[i];
        if (uses.counts[i] > 0 && !is_plain(e) && (uses.counts[i] > 1 || wr_expr_is_volatile(e)))
            *can = false;
    }
    return WEIR_OK;
}

static bool
is_identity(const wr_plan *p)
{
    if (p->schema->field_count != p->inputs[0]->schema->field_count)
        return false;
    for (uint32_t i = 0; i < p->schema->field_count; i++)
        if (p->project.exprs[i]->kind != WR_EXPR_COLUMN || p->project.exprs[i]->column != i)
            return false;
    return true;
}

weir_status
wr_rule_merge_projects(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *p = *plan;
    for (uint32_t i = 0; i < p->input_count; i++)
        WR_TRY(wr_rule_merge_projects(c, &p->inputs[i]));
    if (p->kind != WR_PLAN_PROJECT || p->project.quiet)
        return WEIR_OK;
    if (is_identity(p)) {
        /* names live on the node, and what is hidden: who selects _offset wants to see it.  The one below takes them */
        wr_plan *input = p->inputs[0];
        for (uint32_t i = 0; i < p->schema->field_count; i++) {
            input->schema->fields[i].name = p->schema->fields[i].name;
            input->schema->fields[i].hidden = p->schema->fields[i].hidden;
        }
        *plan = input;
        c->changed = true;
        return WEIR_OK;
    }
    wr_plan *lower = p->inputs[0];
    bool can = false;
    if (lower->kind == WR_PLAN_PROJECT && !lower->project.quiet)
        WR_TRY(can_merge(c->arena, p, lower, &can));
    if (!can)
        return WEIR_OK;
    for (uint32_t i = 0; i < p->schema->field_count; i++) {
        wr_expr *e = wr_expr_substitute(c->arena, p->project.exprs[i], lower->project.exprs);
        if (e == NULL)
            return WEIR_MEMORY;
        p->project.exprs[i] = e;
    }
    p->inputs[0] = lower->inputs[0];
    c->changed = true;
    return WEIR_OK;
}
