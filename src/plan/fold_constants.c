/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/fold_constants.c -- what is known when the query is planned is computed then.
 *
 * Invariants  C1  an expression that fails when folded is left as it is: CASE may never reach it
 *             C2  now() is folded in bounded queries alone
 *             C3  an endless join keeps its conditions beside a false one: they bound its times, and what
 *                 reads it may need them
 */
#include "plan/rules_impl.h"

typedef struct fold_state {
    wr_rule_context *c;
    bool keeps; /* a false among the conjuncts is not the whole (C3) */
    bool failed;
} fold_state;

static wr_expr *fold(wr_expr *expr, fold_state *s);

static bool
is_bool(const wr_expr *e, bool value)
{
    return e->kind == WR_EXPR_CONSTANT && !e->constant.is_null && e->constant.boolean == value;
}

/* AND without its trues, OR without its falses; NULL: keep as it is. */
static wr_expr *
shorten(fold_state *s, const wr_expr *expr, wr_expr **args)
{
    bool is_and = expr->kind == WR_EXPR_AND;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        if (is_bool(args[i], !is_and) && !(is_and && s->keeps))
            return args[i];
        if (!is_bool(args[i], is_and))
            args[kept++] = args[i];
    }
    if (kept == expr->arg_count)
        return NULL;
    if (kept == 0) {
        wr_value value = { .type = WR_TYPE(WR_BOOL), .boolean = is_and };
        return wr_expr_constant(s->c->arena, &value);
    }
    return kept == 1 ? args[0] : wr_expr_make(s->c->arena, expr->kind, expr->type, args, kept);
}

static wr_expr *
fold_whole(fold_state *s, wr_expr *expr)
{
    wr_value value;
    bool bounded = s->c->options == NULL || s->c->options->bounded;
    if (expr->kind == WR_EXPR_CONSTANT || expr->kind == WR_EXPR_PARAM ||
        !wr_expr_is_constant(expr) || (!bounded && wr_expr_is_stable(expr)))
        return expr;
    wr_time now = s->c->options != NULL ? s->c->options->now : 0;
    weir_status status = wr_expr_fold(expr, now, s->c->arena, &value, NULL);
    if (status != WEIR_OK)
        return expr; /* C1 */
    value.type = expr->type;
    wr_expr *constant = wr_expr_constant(s->c->arena, &value);
    if (constant == NULL) {
        s->failed = true;
        return expr;
    }
    constant->location = expr->location;
    s->c->changed = true;
    return constant;
}

static bool
holds_param(const wr_expr *expr)
{
    if (expr->kind == WR_EXPR_PARAM)
        return true;
    for (uint32_t i = 0; i < expr->arg_count; i++)
        if (holds_param(expr->args[i]))
            return true;
    return false;
}

static wr_expr *
fold_args(fold_state *s, wr_expr *expr)
{
    wr_expr **args = wr_arena_alloc(s->c->arena, (expr->arg_count + 1) * sizeof *args);
    bool changed = false;
    if (args == NULL) {
        s->failed = true;
        return expr;
    }
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        args[i] = fold(expr->args[i], s);
        changed |= args[i] != expr->args[i];
    }
    if (expr->kind == WR_EXPR_AND || expr->kind == WR_EXPR_OR) {
        wr_expr *shorter = shorten(s, expr, args);
        if (shorter != NULL) {
            s->c->changed = true;
            return shorter;
        }
    }
    if (!changed)
        return expr;
    wr_expr *copy = wr_arena_alloc(s->c->arena, sizeof *copy);
    if (copy == NULL) {
        s->failed = true;
        return expr;
    }
    *copy = *expr;
    copy->args = args;
    return copy;
}

static wr_expr *
fold(wr_expr *expr, fold_state *s)
{
    if (expr->arg_count == 0)
        return holds_param(expr) ? expr : fold_whole(s, expr);
    if (!holds_param(expr)) {
        wr_expr *whole = fold_whole(s, expr);
        if (whole != expr)
            return whole;
    }
    return fold_args(s, expr);
}

static wr_expr *
fold_one(wr_expr *expr, void *user)
{
    return fold(expr, user);
}

/* No rows of the plan's columns. */
static wr_plan *
make_empty(wr_arena *arena, const wr_plan *plan)
{
    uint32_t n = plan->schema->field_count;
    wr_plan *empty = wr_plan_create(arena, WR_PLAN_VALUES, 0, n);
    if (empty == NULL)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        empty->schema->fields[i] = plan->schema->fields[i];
    empty->location = plan->location;
    return empty;
}

/* A filter on a constant is nothing, or everything. */
static weir_status
fold_filter(wr_rule_context *c, wr_plan **plan)
{
    const wr_expr *p = (*plan)->filter.predicate;
    if (p->kind != WR_EXPR_CONSTANT)
        return WEIR_OK;
    c->changed = true;
    if (is_bool(p, true)) {
        *plan = (*plan)->inputs[0];
        return WEIR_OK;
    }
    bool bounded = c->options == NULL || c->options->bounded;
    if (!bounded)
        return WEIR_OK; /* the stream still carries the watermark */
    *plan = make_empty(c->arena, *plan);
    return *plan != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* A project of constants over constant rows is constant rows. */
static weir_status
fold_project(wr_rule_context *c, wr_plan **plan)
{
    wr_plan *p = *plan, *input = p->inputs[0];
    uint32_t n = p->schema->field_count,
             rows = input->kind == WR_PLAN_VALUES ? input->values.row_count : 0;
    if (input->kind != WR_PLAN_VALUES || rows != 1 || n == 0)
        return WEIR_OK;
    for (uint32_t i = 0; i < n; i++)
        if (p->project.exprs[i]->kind != WR_EXPR_CONSTANT)
            return WEIR_OK;
    wr_plan *values = make_empty(c->arena, p);
    wr_expr ***table = wr_arena_alloc(c->arena, sizeof *table);
    if (values == NULL || table == NULL)
        return WEIR_MEMORY;
    table[0] = p->project.exprs;
    values->values.rows = table;
    values->values.row_count = 1;
    *plan = values;
    c->changed = true;
    return WEIR_OK;
}

/* Project over one constant row: its columns are known. */
static weir_status
inline_row(wr_rule_context *c, wr_plan *p)
{
    wr_plan *input = p->inputs[0];
    if (input->kind != WR_PLAN_VALUES || input->values.row_count != 1 ||
        input->schema->field_count == 0)
        return WEIR_OK;
    for (uint32_t i = 0; i < input->schema->field_count; i++)
        if (input->values.rows[0][i]->kind != WR_EXPR_CONSTANT)
            return WEIR_OK;
    for (uint32_t i = 0; i < p->schema->field_count; i++) {
        wr_expr *e = wr_expr_substitute(c->arena, p->project.exprs[i], input->values.rows[0]);
        if (e == NULL)
            return WEIR_MEMORY;
        p->project.exprs[i] = e;
    }
    wr_plan *row = wr_plan_make_one_row(c->arena, input->location);
    if (row == NULL)
        return WEIR_MEMORY;
    p->inputs[0] = row;
    c->changed = true;
    return WEIR_OK;
}

static bool
is_join_or_its_filter(const wr_plan *p)
{
    return p->kind == WR_PLAN_JOIN || (p->kind == WR_PLAN_FILTER && p->inputs[0]->kind == WR_PLAN_JOIN);
}

weir_status
wr_rule_fold_constants(wr_rule_context *c, wr_plan **plan)
{
    fold_state s = { .c = c };
    for (uint32_t i = 0; i < (*plan)->input_count; i++)
        WR_TRY(wr_rule_fold_constants(c, &(*plan)->inputs[i]));
    if ((*plan)->kind == WR_PLAN_PROJECT)
        WR_TRY(inline_row(c, *plan));
    bool bounded = c->options == NULL || c->options->bounded;
    s.keeps = !bounded && is_join_or_its_filter(*plan);
    if (!wr_plan_map_exprs(*plan, fold_one, &s) || s.failed)
        return WEIR_MEMORY;
    if ((*plan)->kind == WR_PLAN_FILTER)
        return fold_filter(c, plan);
    return (*plan)->kind == WR_PLAN_PROJECT ? fold_project(c, plan) : WEIR_OK;
}
