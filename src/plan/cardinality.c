/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/cardinality.c -- about how many rows a plan gives: for the order of joins, never for an answer.
 *
 * What a relation holds is said by its source (`rows:`), counted (VALUES, generate_series) or guessed from the size
 * of a file; a condition keeps a share of it that its form alone tells.
 *
 * Invariants  N1  0 means "not known", and what is made of the unknown is unknown; else at least 1
 */
#include "plan/rules_impl.h"

#include <math.h>
#include <string.h>

/* Shares of the rows that a condition keeps. */
static const double KEEPS_EQUAL = 0.1, KEEPS_RANGE = 0.3, KEEPS_OTHER = 0.5;
/* Rows of a group, of a list that is unnested. */
static const double ROWS_PER_GROUP = 10.0, ROWS_PER_LIST = 10.0;

static double
keeps_call(const wr_expr *e)
{
    static const char *const ranges[] = { "<", "<=", ">", ">=" };
    const char *name = e->function != NULL ? e->function->name : "";
    if (strcmp(name, "=") == 0)
        return KEEPS_EQUAL;
    if (strcmp(name, "<>") == 0)
        return 1 - KEEPS_EQUAL;
    for (uint32_t i = 0; i < WR_COUNT(ranges); i++)
        if (strcmp(name, ranges[i]) == 0)
            return KEEPS_RANGE;
    return KEEPS_OTHER;
}

double
wr_plan_keeps(const wr_expr *e)
{
    double share = 1;
    switch (e->kind) {
    case WR_EXPR_CONSTANT:
        return e->type.id != WR_BOOL ? KEEPS_OTHER : !e->constant.is_null && e->constant.boolean;
    case WR_EXPR_AND:
        for (uint32_t i = 0; i < e->arg_count; i++)
            share *= wr_plan_keeps(e->args[i]);
        return share;
    case WR_EXPR_OR:
        for (uint32_t i = 0; i < e->arg_count; i++)
            share *= 1 - wr_plan_keeps(e->args[i]);
        return 1 - share;
    case WR_EXPR_NOT: return 1 - wr_plan_keeps(e->args[0]);
    case WR_EXPR_IS_NULL: return KEEPS_EQUAL;
    case WR_EXPR_IS_NOT_NULL: return 1 - KEEPS_EQUAL;
    case WR_EXPR_IN: return fmin(KEEPS_OTHER, KEEPS_EQUAL * (e->arg_count - 1));
    case WR_EXPR_CALL: return keeps_call(e);
    default: return KEEPS_OTHER;
    }
}

/* generate_series(1, 100) and the like; others give a list. */
static double
unnest_factor(const wr_expr *call)
{
    bool series = call->function != NULL && strcmp(call->function->name, "generate_series") == 0;
    double v[3] = { 0, 0, 1 };
    for (uint32_t i = 0; series && i < call->arg_count && i < 3; i++) {
        const wr_expr *e = call->args[i];
        series = e->kind == WR_EXPR_CONSTANT && wr_type_is_integer(e->type) && !e->constant.is_null;
        v[i] = series ? (double)e->constant.integer : 0;
    }
    if (!series || call->arg_count < 2 || v[2] == 0)
        return ROWS_PER_LIST;
    return fmax(0, floor((v[1] - v[0]) / v[2]) + 1);
}

static double node_rows(const wr_plan *plan);

static double
join_rows(const wr_plan *plan)
{
    double left = node_rows(plan->inputs[0]), right = node_rows(plan->inputs[1]);
    wr_join_kind kind = plan->join.kind;
    if (kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI)
        return left * KEEPS_OTHER;
    if (plan->join.mode != WR_JOIN_REGULAR || plan->join.single)
        return left;
    double keeps = plan->join.residual != NULL ? wr_plan_keeps(plan->join.residual) : 1;
    return plan->join.key_count > 0 ? fmax(left, right) : left * right * keeps;
}

/* Of a plan over relations that are all known. */
static double
node_rows(const wr_plan *plan)
{
    bool single = plan->input_count == 1;
    double below = single ? node_rows(plan->inputs[0]) : 0, sum = 0;
    switch (plan->kind) {
    case WR_PLAN_SCAN:
        return (double)plan->scan.relation->rows *
               (plan->scan.predicate != NULL ? wr_plan_keeps(plan->scan.predicate) : 1);
    case WR_PLAN_VALUES: return plan->values.row_count;
    case WR_PLAN_FILTER: return below * wr_plan_keeps(plan->filter.predicate);
    case WR_PLAN_WINDOW:
        return plan->window.spec.kind == WR_WINDOW_HOP && plan->window.spec.slide > 0
                   ? below * (double)plan->window.spec.size / (double)plan->window.spec.slide
                   : below;
    case WR_PLAN_AGGREGATE: return plan->aggregate.global ? 1 : below / ROWS_PER_GROUP;
    case WR_PLAN_JOIN: return join_rows(plan);
    case WR_PLAN_SORT:
        return plan->sort.limit != UINT64_MAX ? fmin(below, (double)plan->sort.limit) : below;
    case WR_PLAN_UNION:
        for (uint32_t i = 0; i < plan->input_count; i++)
            sum += node_rows(plan->inputs[i]);
        return sum;
    case WR_PLAN_UNNEST:
        for (uint32_t i = 0; i < plan->unnest.call_count; i++)
            below *= i == 0 ? unnest_factor(plan->unnest.calls[i]) : 1;
        return below;
    case WR_PLAN_SETOP: return node_rows(plan->inputs[0]);
    case WR_PLAN_PROJECT:
    case WR_PLAN_OVER:
    case WR_PLAN_TOP_N:
    case WR_PLAN_DEDUP: return below;
    }
    wr_unreachable();
}

static bool
is_known(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return plan->scan.relation->rows > 0;
    for (uint32_t i = 0; i < plan->input_count; i++)
        if (!is_known(plan->inputs[i]))
            return false;
    return true;
}

double
wr_plan_rows(const wr_plan *plan)
{
    return is_known(plan) ? fmax(1, node_rows(plan)) : 0; /* N1 */
}
