/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/window_conditions.c -- conditions on a window's bounds stand above the aggregate that closes the
 * window, and say something of the rows' time below it.
 *
 *     WHERE window_start >= C GROUP BY window_start      the filter goes above the aggregate, which is then one
 *                                                        with its window (plan/fuse.c); ts >= C goes below it
 *
 *     window_start >= C, > C    rows of such windows have ts >= C, > C            (ts >= window_start)
 *     window_start <  C, <= C                             ts < C + size, <= ...   (ts < window_start + size)
 *     window_end   >= C, > C                              ts >= C - size, > ...   (window_end <= window_start + size)
 *     window_end   <  C, <= C                             ts < C, <= C            (ts < window_end)
 *
 * Invariants  B1  a condition goes above an aggregate when it reads grouping columns alone: it is true of all
 *                 rows of a group or of none
 *             B2  nothing is said of sessions: what is left out below them changes them
 *             B3  each condition is said of the time once: window.told remembers, by what is said
 */
#include "plan/rules_impl.h"

#include "base/hash.h"

#include <string.h>

enum { CONJUNCTS_MAX = 64 };
#define NONE UINT32_MAX

int32_t
wr_plan_window_bound(wr_plan *plan, uint32_t column, wr_plan **window)
{
    while (plan->kind != WR_PLAN_WINDOW) {
        if (plan->kind == WR_PLAN_PROJECT) {
            const wr_expr *e = plan->project.exprs[column];
            if (e->kind != WR_EXPR_COLUMN)
                return 0;
            column = e->column;
        } else if (plan->kind == WR_PLAN_AGGREGATE) {
            if (column >= plan->aggregate.key_count)
                return 0;
            column = plan->aggregate.keys[column];
        } else if (plan->kind != WR_PLAN_FILTER) {
            return 0;
        }
        plan = plan->inputs[0];
    }
    uint32_t n = plan->inputs[0]->schema->field_count;
    *window = plan;
    return column == n ? WR_KEY_WINDOW_START : column == n + 1 ? WR_KEY_WINDOW_END : 0;
}

typedef struct bound_use {
    wr_plan *plan;
    bool reads;
} bound_use;

static void
note_bound(const wr_expr *e, void *user)
{
    bound_use *use = user;
    wr_plan *window;
    if (e->kind == WR_EXPR_COLUMN)
        use->reads = use->reads || wr_plan_window_bound(use->plan, e->column, &window) != 0;
}

bool
wr_plan_reads_window(wr_plan *plan, const wr_expr *e)
{
    bound_use use = { plan, false };
    wr_expr_walk(e, note_bound, &use);
    return use.reads;
}

/* --- above the aggregate --- */

typedef struct key_use {
    const uint32_t *key_of; /* by column: its place among the grouping columns, or NONE */
    bool all;
} key_use;

static void
note_key(const wr_expr *e, void *user)
{
    key_use *use = user;
    if (e->kind == WR_EXPR_COLUMN && use->key_of[e->column] == NONE)
        use->all = false;
}

/* Columns below a project as grouping columns.  NULL: no memory. */
static uint32_t *
map_below(wr_rule_context *c, const wr_plan *project, const uint32_t *key_of)
{
    uint32_t n = project->inputs[0]->schema->field_count;
    uint32_t *below = wr_arena_alloc(c->arena, (n + 1) * sizeof *below);
    for (uint32_t i = 0; below != NULL && i < n; i++)
        below[i] = NONE;
    for (uint32_t i = 0; below != NULL && i < project->schema->field_count; i++) {
        const wr_expr *e = project->project.exprs[i];
        if (e->kind == WR_EXPR_COLUMN && key_of[i] != NONE)
            below[e->column] = key_of[i];
    }
    return below;
}

/* What of the filter in *slot can go above (B1), over the grouping columns, is added to *up. */
static weir_status
take_up(wr_rule_context *c, wr_plan **slot, const uint32_t *key_of, wr_expr **up)
{
    wr_plan *filter = *slot;
    wr_expr *parts[CONJUNCTS_MAX], *kept = NULL;
    uint32_t n = wr_expr_conjuncts(filter->filter.predicate, parts, CONJUNCTS_MAX), taken = 0;
    for (uint32_t i = 0; n <= CONJUNCTS_MAX && i < n; i++) {
        key_use use = { key_of, true };
        wr_expr_walk(parts[i], note_key, &use);
        bool goes = use.all && wr_plan_reads_window(filter->inputs[0], parts[i]) &&
                    !wr_expr_is_stable(parts[i]);
        wr_expr **to = goes ? up : &kept;
        wr_expr *e = goes ? wr_expr_remap(c->arena, parts[i], key_of) : parts[i];
        if (e == NULL || (*to = wr_expr_and(c->arena, *to, e)) == NULL)
            return WEIR_MEMORY;
        taken += goes;
    }
    if (taken == 0)
        return WEIR_OK;
    c->changed = true;
    if (kept != NULL)
        filter->filter.predicate = kept;
    else
        *slot = filter->inputs[0];
    return WEIR_OK;
}

static weir_status
lift(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *aggregate = *plan;
    uint32_t n = aggregate->inputs[0]->schema->field_count;
    uint32_t *key_of = wr_arena_alloc(c->arena, (n + 1) * sizeof *key_of);
    wr_expr *up = NULL;
    if (key_of == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        key_of[i] = NONE;
    for (uint32_t k = 0; k < aggregate->aggregate.key_count; k++)
        key_of[aggregate->aggregate.keys[k]] = k;
    for (wr_plan **slot = &aggregate->inputs[0];
         (*slot)->kind == WR_PLAN_PROJECT || (*slot)->kind == WR_PLAN_FILTER;
         slot = &(*slot)->inputs[0]) {
        if ((*slot)->kind == WR_PLAN_FILTER)
            WR_TRY(take_up(c, slot, key_of, &up));
        if ((*slot)->kind == WR_PLAN_PROJECT && (key_of = map_below(c, *slot, key_of)) == NULL)
            return WEIR_MEMORY;
        if ((*slot)->kind != WR_PLAN_PROJECT && (*slot)->kind != WR_PLAN_FILTER)
            break;
    }
    if (up != NULL)
        *plan = wr_plan_make_filter(c->arena, aggregate, up, aggregate->location);
    return *plan != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* --- below the window --- */

/* Is it `column op constant`, or the other way round, with an order?  *at: where the column stands; *low: the
 * column is bounded from below. */
static bool
is_order(const wr_expr *e, uint32_t *at, bool *low)
{
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 || strchr("<>", e->function->name[0]) == NULL ||
        (e->function->name[1] != '\0' && strcmp(e->function->name + 1, "=") != 0))
        return false;
    *at = e->args[0]->kind == WR_EXPR_COLUMN ? 0 : 1;
    *low = (e->function->name[0] == '>') == (*at == 0);
    const wr_expr *constant = e->args[1 - *at];
    return e->args[*at]->kind == WR_EXPR_COLUMN && constant->kind == WR_EXPR_CONSTANT &&
           !constant->constant.is_null && wr_type_equal(constant->type, e->args[*at]->type) &&
           (constant->type.id == WR_TIMESTAMP || constant->type.id == WR_TIMESTAMPTZ);
}

/* B3 */
static bool
is_told(wr_plan *window, const wr_expr *e)
{
    wr_text text;
    wr_text_init(&text, NULL);
    wr_expr_hash_text(e, &text);
    uint64_t hash = wr_text_ok(&text) ? wr_hash_stable(wr_text_string(&text), text.length) : 0;
    bool told = !wr_text_ok(&text) || window->window.told_count == WR_PLAN_CROSSED_MAX;
    for (uint32_t i = 0; i < window->window.told_count && !told; i++)
        told = window->window.told[i] == hash;
    if (!told)
        window->window.told[window->window.told_count++] = hash;
    wr_text_fini(&text);
    return told;
}

/* What e, a condition on rows of plan, says of the time of rows below a WINDOW. */
static weir_status
tell(wr_rule_context *c, wr_plan *plan, wr_expr *e)
{
    uint32_t at;
    bool low;
    wr_plan *window = NULL;
    if (!is_order(e, &at, &low))
        return WEIR_OK;
    int32_t bound = wr_plan_window_bound(plan, e->args[at]->column, &window);
    if (bound == 0 || window->window.spec.kind == WR_WINDOW_SESSION) /* B2 */
        return WEIR_OK;
    uint32_t time = window->window.spec.time_column;
    wr_value value = e->args[1 - at]->constant;
    int64_t size = window->window.spec.size;
    int64_t by = bound == WR_KEY_WINDOW_START ? (low ? 0 : size) : (low ? -size : 0);
    if (!wr_type_equal(window->inputs[0]->schema->fields[time].type, e->args[at]->type) ||
        value.integer <= WR_TIME_NEGINF || value.integer >= WR_TIME_POSINF ||
        __builtin_add_overflow(value.integer, by, &value.integer))
        return WEIR_OK;
    wr_expr *said = wr_expr_copy(c->arena, e);
    wr_expr *any = wr_expr_column(c->arena, 0, e->args[at]->type); /* rules move the time column */
    wr_expr *column = wr_expr_column(c->arena, time, e->args[at]->type);
    wr_expr *constant = wr_expr_constant(c->arena, &value);
    wr_expr **args = wr_arena_alloc(c->arena, 2 * sizeof(wr_expr *));
    if (said == NULL || any == NULL || column == NULL || constant == NULL || args == NULL)
        return WEIR_MEMORY;
    args[at] = any;
    args[1 - at] = constant;
    said->args = args;
    if (is_told(window, said))
        return WEIR_OK;
    args[at] = column;
    wr_plan *filter = wr_plan_make_filter(c->arena, window->inputs[0], said, window->location);
    if (filter == NULL)
        return WEIR_MEMORY;
    window->inputs[0] = filter;
    c->changed = true;
    return WEIR_OK;
}

weir_status
wr_rule_window_conditions(wr_rule_context *c, wr_plan **plan)
{
    for (uint32_t i = 0; i < (*plan)->input_count; i++)
        WR_TRY(wr_rule_window_conditions(c, &(*plan)->inputs[i]));
    if ((*plan)->kind == WR_PLAN_AGGREGATE && !(*plan)->aggregate.global)
        WR_TRY(lift(c, plan));
    if ((*plan)->kind != WR_PLAN_FILTER)
        return WEIR_OK;
    wr_expr *parts[CONJUNCTS_MAX];
    uint32_t n = wr_expr_conjuncts((*plan)->filter.predicate, parts, CONJUNCTS_MAX);
    for (uint32_t i = 0; n <= CONJUNCTS_MAX && i < n; i++)
        WR_TRY(tell(c, (*plan)->inputs[0], parts[i]));
    return WEIR_OK;
}
