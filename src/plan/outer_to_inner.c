/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/outer_to_inner.c -- an outer join whose filled rows nobody lets pass is an inner one.
 *
 *     a LEFT JOIN b ON a.k = b.k WHERE b.x > 0        the row with b.x NULL is not let pass: INNER
 *     (a FULL JOIN b ...) JOIN c ON c.i = a.i         rows without a find no partner: LEFT
 *
 * From the top down it is known of each node which of its rows do not count: a condition above is not true of them, or
 * a join's key is compared with what is NULL in them.  That is told as clauses, each a set of columns: a row
 * in which all of them are NULL does not count.  (b.x > 3 OR b.d = 'x' is the clause {x, d}.)
 *
 * Invariants  J1  what gives NULL for NULL is known, never guessed: strict functions, comparisons among them; of OR
 *                 and COALESCE what holds of all branches together; nothing of CASE, IS NULL, IS DISTINCT FROM
 *             J2  a join that must not find two partners (a scalar subquery) stays as it is: what would go below it
 *                 could hide the second one
 *             J3  what holds of some rows of a group, a partition or a LIMIT is not told below it
 */
#include "plan/rules_impl.h"

#include <string.h>

enum { CLAUSES_MAX = 16 };

/* Known of a node of `width` columns; what does not fit is not known. */
typedef struct clauses {
    wr_arena *arena;
    uint32_t width, count;
    bool *in[CLAUSES_MAX]; /* in[k][c]: column c is of clause k */
} clauses;

static void
clauses_init(clauses *k, wr_arena *arena, uint32_t width)
{
    *k = (clauses){ .arena = arena, .width = width };
}

static bool
clause_contains(const bool *a, const bool *b, uint32_t width)
{
    for (uint32_t c = 0; c < width; c++)
        if (b[c] && !a[c])
            return false;
    return true;
}

/* A clause more, unless a stronger one is there. */
static weir_status
clauses_add(clauses *k, const bool *in)
{
    for (uint32_t i = 0; i < k->count; i++)
        if (clause_contains(in, k->in[i], k->width))
            return WEIR_OK;
    if (k->count == CLAUSES_MAX)
        return WEIR_OK;
    bool *copy = wr_arena_alloc(k->arena, k->width + 1);
    if (copy == NULL)
        return WEIR_MEMORY;
    memcpy(copy, in, k->width);
    k->in[k->count++] = copy;
    return WEIR_OK;
}

static weir_status
clauses_add_column(clauses *k, uint32_t column)
{
    bool *in = wr_arena_calloc(k->arena, k->width + 1, sizeof *in);
    if (in == NULL)
        return WEIR_MEMORY;
    in[column] = true;
    return clauses_add(k, in);
}

/* Both at once: every clause of one with every clause of the other. */
static weir_status
clauses_multiply(clauses *k, const clauses *other)
{
    clauses product;
    clauses_init(&product, k->arena, k->width);
    bool *in = wr_arena_alloc(k->arena, k->width + 1);
    if (in == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < k->count; i++)
        for (uint32_t j = 0; j < other->count; j++) {
            for (uint32_t c = 0; c < k->width; c++)
                in[c] = k->in[i][c] || other->in[j][c];
            WR_TRY(clauses_add(&product, in));
        }
    *k = product;
    return WEIR_OK;
}

/* --- what an expression says --- */

typedef weir_status (*add_clauses)(clauses *k, const wr_expr *e);

/* Of all the arguments together. */
static weir_status
add_all_of(clauses *k, const wr_expr *e, add_clauses add)
{
    clauses all, one;
    clauses_init(&all, k->arena, k->width);
    for (uint32_t i = 0; i < e->arg_count; i++) {
        clauses_init(&one, k->arena, k->width);
        WR_TRY(add(&one, e->args[i]));
        if (i == 0)
            all = one;
        else
            WR_TRY(clauses_multiply(&all, &one));
    }
    for (uint32_t i = 0; i < all.count; i++)
        WR_TRY(clauses_add(k, all.in[i]));
    return WEIR_OK;
}

/* J1: columns that make e NULL. */
static weir_status
add_strict(clauses *k, const wr_expr *e)
{
    switch (e->kind) {
    case WR_EXPR_COLUMN: return clauses_add_column(k, e->column);
    case WR_EXPR_CALL:
        for (uint32_t i = 0; !e->function->called_on_null && i < e->arg_count; i++)
            WR_TRY(add_strict(k, e->args[i]));
        return WEIR_OK;
    case WR_EXPR_NOT:
    case WR_EXPR_IN: return add_strict(k, e->args[0]);
    case WR_EXPR_ANY:
    case WR_EXPR_ALL: return add_strict(k, e->args[1]); /* of an empty array there is an answer */
    case WR_EXPR_AND:
    case WR_EXPR_OR:
    case WR_EXPR_COALESCE: return add_all_of(k, e, add_strict);
    default: return WEIR_OK;
    }
}

/* J1: columns that make the condition e false or NULL. */
static weir_status
add_rejecting(clauses *k, const wr_expr *e)
{
    switch (e->kind) {
    case WR_EXPR_AND:
        for (uint32_t i = 0; i < e->arg_count; i++)
            WR_TRY(add_rejecting(k, e->args[i]));
        return WEIR_OK;
    case WR_EXPR_OR: return add_all_of(k, e, add_rejecting);
    case WR_EXPR_IS_TRUE: return add_rejecting(k, e->args[0]);
    case WR_EXPR_IS_FALSE:
    case WR_EXPR_IS_NOT_NULL: return add_strict(k, e->args[0]);
    case WR_EXPR_ANY: WR_TRY(add_strict(k, e->args[0])); return add_strict(k, e->args[1]);
    default: return add_strict(k, e);
    }
}

static weir_status
add_condition(clauses *k, const wr_expr *predicate)
{
    return wr_expr_is_volatile(predicate) ? WEIR_OK : add_rejecting(k, predicate);
}

/* Clauses of the columns [first, first + below->width) alone, as those of a node that has just these. */
static weir_status
pass_range(const clauses *k, uint32_t first, clauses *below)
{
    for (uint32_t i = 0; i < k->count; i++) {
        bool outside = false;
        for (uint32_t c = 0; c < k->width; c++)
            outside = outside || (k->in[i][c] && (c < first || c - first >= below->width));
        if (!outside)
            WR_TRY(clauses_add(below, k->in[i] + first));
    }
    return WEIR_OK;
}

static bool
speaks_of(const clauses *k, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < k->count; i++) {
        bool inside = true;
        for (uint32_t c = 0; c < k->width; c++)
            inside = inside && (!k->in[i][c] || (c >= first && c - first < count));
        if (inside)
            return true;
    }
    return false;
}

/* --- down the plan --- */

/* The kind of join of which rows filled on the left, or on the right, do not count. */
static wr_join_kind
narrow(wr_join_kind kind, bool left, bool right)
{
    if (left && kind == WR_JOIN_FULL)
        kind = WR_JOIN_LEFT;
    else if (left && kind == WR_JOIN_RIGHT)
        kind = WR_JOIN_INNER;
    if (right && kind == WR_JOIN_FULL)
        return WR_JOIN_RIGHT;
    return right && kind == WR_JOIN_LEFT ? WR_JOIN_INNER : kind;
}

static weir_status descend(wr_rule_context *c, wr_plan *plan, const clauses *k);

/* What the join's own condition says of rows that find a partner. */
static weir_status
add_matched(const wr_plan *join, clauses *k)
{
    uint32_t n = join->inputs[0]->schema->field_count;
    for (uint32_t i = 0; i < join->join.key_count && !join->join.null_equal; i++) {
        WR_TRY(clauses_add_column(k, join->join.left_keys[i]));
        WR_TRY(clauses_add_column(k, n + join->join.right_keys[i]));
    }
    return join->join.residual != NULL ? add_condition(k, join->join.residual) : WEIR_OK;
}

static weir_status
descend_join(wr_rule_context *c, wr_plan *join, const clauses *k)
{
    uint32_t n = join->inputs[0]->schema->field_count, m = join->inputs[1]->schema->field_count;
    bool half = join->join.kind == WR_JOIN_SEMI || join->join.kind == WR_JOIN_ANTI;
    bool regular = join->join.mode == WR_JOIN_REGULAR;
    clauses left, right, matched;
    clauses_init(&left, c->arena, n);
    clauses_init(&right, c->arena, m);
    clauses_init(&matched, c->arena, n + m);
    if (!half && !join->join.single) { /* J2 */
        wr_join_kind kind = narrow(join->join.kind, speaks_of(k, 0, n), speaks_of(k, n, m));
        c->changed = c->changed || kind != join->join.kind;
        join->join.kind = kind;
    }
    wr_join_kind kind = join->join.kind;
    /* a row that comes out without a partner is not held to the join's condition */
    bool left_alone = kind == WR_JOIN_LEFT || kind == WR_JOIN_FULL || kind == WR_JOIN_ANTI;
    bool right_alone = kind == WR_JOIN_RIGHT || kind == WR_JOIN_FULL;
    if (regular) /* which partner a row gets depends on all there are */
        WR_TRY(add_matched(join, &matched));
    if (kind != WR_JOIN_RIGHT && kind != WR_JOIN_FULL)
        WR_TRY(pass_range(k, 0, &left));
    if (!left_alone)
        WR_TRY(pass_range(&matched, 0, &left));
    if (regular && !join->join.single && (kind == WR_JOIN_INNER || kind == WR_JOIN_RIGHT))
        WR_TRY(pass_range(k, n, &right));
    if (!right_alone)
        WR_TRY(pass_range(&matched, n, &right));
    WR_TRY(descend(c, join->inputs[0], &left));
    return descend(c, join->inputs[1], &right);
}

/* Clauses of columns that `passes` alone. */
static weir_status
pass_some(const clauses *k, const bool *passes, clauses *below)
{
    for (uint32_t i = 0; i < k->count; i++) {
        bool all = true;
        for (uint32_t c = 0; c < k->width; c++)
            all = all && (!k->in[i][c] || (c < below->width && passes[c]));
        if (all)
            WR_TRY(clauses_add(below, k->in[i]));
    }
    return WEIR_OK;
}

/* Columns that partition every call: rows of a partition come or go together. */
static weir_status
pass_partitions(const wr_plan *over, const clauses *k, clauses *below)
{
    bool *passes = wr_arena_calloc(k->arena, below->width + 1, sizeof *passes);
    if (passes == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < below->width; c++) {
        passes[c] = true;
        for (uint32_t i = 0; i < over->over.call_count && passes[c]; i++) {
            const wr_over_call *call = &over->over.calls[i];
            bool found = false;
            for (uint32_t p = 0; p < call->partition_count; p++)
                found = found || call->partition[p] == c;
            passes[c] = found;
        }
    }
    return pass_some(k, passes, below);
}

/* Each clause over what its columns are made of. */
static weir_status
pass_project(const wr_plan *project, const clauses *k, clauses *below)
{
    for (uint32_t i = 0; i < k->count; i++) {
        clauses all, one;
        bool first = true;
        clauses_init(&all, k->arena, below->width);
        for (uint32_t c = 0; c < k->width; c++) {
            if (!k->in[i][c])
                continue;
            clauses_init(&one, k->arena, below->width);
            if (!wr_expr_is_volatile(project->project.exprs[c]))
                WR_TRY(add_strict(&one, project->project.exprs[c]));
            if (first)
                all = one;
            else
                WR_TRY(clauses_multiply(&all, &one));
            first = false;
        }
        for (uint32_t j = 0; j < all.count; j++)
            WR_TRY(clauses_add(below, all.in[j]));
    }
    return WEIR_OK;
}

/* Clauses of keys: a group's rows come or go together. */
static weir_status
pass_keys(const wr_plan *aggregate, const clauses *k, clauses *below)
{
    uint32_t keys = aggregate->aggregate.global ? 0 : aggregate->aggregate.key_count;
    bool *in = wr_arena_alloc(k->arena, below->width + 1);
    if (in == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < k->count; i++) {
        bool all = true;
        memset(in, 0, below->width);
        for (uint32_t c = 0; c < k->width; c++) {
            all = all && (!k->in[i][c] || c < keys);
            if (k->in[i][c] && c < keys)
                in[aggregate->aggregate.keys[c]] = true;
        }
        if (all)
            WR_TRY(clauses_add(below, in));
    }
    return WEIR_OK;
}

/* J3: what is known of the only input. */
static weir_status
pass_down(const wr_plan *plan, const clauses *k, clauses *below)
{
    switch (plan->kind) {
    case WR_PLAN_FILTER:
        WR_TRY(pass_range(k, 0, below));
        return add_condition(below, plan->filter.predicate);
    case WR_PLAN_PROJECT: return pass_project(plan, k, below);
    case WR_PLAN_WINDOW:
        return plan->window.spec.kind != WR_WINDOW_SESSION ? pass_range(k, 0, below) : WEIR_OK;
    case WR_PLAN_UNNEST: return pass_range(k, 0, below);
    case WR_PLAN_SORT:
        return plan->sort.limit == UINT64_MAX && plan->sort.offset == 0 ? pass_range(k, 0, below)
                                                                        : WEIR_OK;
    case WR_PLAN_AGGREGATE: return pass_keys(plan, k, below);
    case WR_PLAN_OVER: return pass_partitions(plan, k, below);
    default: return WEIR_OK;
    }
}

static weir_status
descend(wr_rule_context *c, wr_plan *plan, const clauses *k)
{
    wr_assert(k->width == plan->schema->field_count);
    if (plan->kind == WR_PLAN_JOIN)
        return descend_join(c, plan, k);
    for (uint32_t i = 0; i < plan->input_count; i++) {
        clauses below;
        clauses_init(&below, c->arena, plan->inputs[i]->schema->field_count);
        if (plan->kind == WR_PLAN_UNION)
            below = *k;
        else if (plan->input_count == 1)
            WR_TRY(pass_down(plan, k, &below));
        WR_TRY(descend(c, plan->inputs[i], &below));
    }
    return WEIR_OK;
}

static bool
has_outer(const wr_plan *plan)
{
    bool found = plan->kind == WR_PLAN_JOIN &&
                 (plan->join.kind == WR_JOIN_LEFT || plan->join.kind == WR_JOIN_RIGHT ||
                  plan->join.kind == WR_JOIN_FULL);
    for (uint32_t i = 0; i < plan->input_count && !found; i++)
        found = has_outer(plan->inputs[i]);
    return found;
}

weir_status
wr_rule_outer_to_inner(wr_rule_context *c, wr_plan **plan)
{
    if (!has_outer(*plan))
        return WEIR_OK;
    clauses none;
    clauses_init(&none, c->arena, (*plan)->schema->field_count);
    return descend(c, *plan, &none);
}
