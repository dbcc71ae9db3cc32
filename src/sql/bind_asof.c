/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_asof.c -- joins that choose: asof(x), lookup(x), and the LATERAL that means the first.
 *
 *     t JOIN asof(q) ON q.k = t.k AND q.ts <= t.ts
 *     t, LATERAL (SELECT ... FROM q WHERE q.k = t.k AND q.ts <= t.ts ORDER BY q.ts DESC LIMIT 1)
 *
 * Invariants  C1  ON of an as-of join is its residual, of an inner one, too: it says which right row is
 *                 chosen, and no filter above does
 *                 A condition that reads neither side stands below the join, on the right: no row is chosen where it is not true
 *             C2  the LATERAL form becomes an as-of join only where nothing is lost: all its conditions
 *                 are ones such a join takes, and what it selects is computed below the join, so that a
 *                 row without partner has NULLs for all of it
 */
#include "sql/bind_impl.h"

#include "sql/correlate_impl.h"

#include <string.h>

enum { CONJUNCTS_MAX = 128 };

wr_join_mode
wr_sql_join_mode(const char *name)
{
    return strcmp(name, "asof") == 0     ? WR_JOIN_ASOF
           : strcmp(name, "lookup") == 0 ? WR_JOIN_LOOKUP
                                         : WR_JOIN_REGULAR;
}

static const char *
mode_name(wr_join_mode mode)
{
    return mode == WR_JOIN_ASOF ? "asof" : "lookup";
}

static const char *
mode_usage(wr_join_mode mode)
{
    return mode == WR_JOIN_ASOF ? "t LEFT JOIN asof(q) q ON q.k = t.k AND q.ts <= t.ts"
                                : "t LEFT JOIN lookup(c) c ON c.id = t.c_id";
}

static weir_status
refuse(sql_query *q, wr_join_mode mode, int32_t location, const char *what)
{
    weir_status status = wr_error_at(q->b->err, WEIR_QUERY, location, what, mode_name(mode));
    wr_error_hint(q->b->err, "%s", mode_usage(mode));
    return status;
}

weir_status
wr_bind_chosen(sql_query *q, const PgQuery__FuncCall *call, sql_scope *up, wr_plan **plan,
               const char **relation)
{
    const char *name = wr_sql_last_name(call->funcname, call->n_funcname);
    *plan = NULL;
    if (call->n_args == 1)
        WR_TRY(wr_bind_table_argument(q, call->args[0], up, plan, relation));
    if (*plan == NULL)
        return refuse(q, wr_sql_join_mode(name), call->location, "%s() takes one relation");
    if (*relation == NULL)
        *relation = name;
    return WEIR_OK;
}

weir_status
wr_sql_refuse_chosen(sql_query *q, const sql_scope *item, int32_t location)
{
    if (item->mode == WR_JOIN_REGULAR)
        return WEIR_OK;
    if (location < 0)
        location = item->plan->location;
    return refuse(q, item->mode, location, "%s() stands on the right of a join with ON");
}

weir_status
wr_sql_check_chosen(sql_query *q, const PgQuery__JoinExpr *join, wr_join_kind kind,
                    const sql_scope *left, const sql_scope *right, int32_t location)
{
    WR_TRY(wr_sql_refuse_chosen(q, left, location));
    if (right->mode == WR_JOIN_REGULAR)
        return WEIR_OK;
    if (location < 0)
        location = right->plan->location;
    if (kind != WR_JOIN_INNER && kind != WR_JOIN_LEFT)
        return refuse(q, right->mode, location,
                      "a join with %s() is inner or left: the left row is what asks");
    bool named = join->is_natural || join->n_using_clause > 0;
    if (join->quals == NULL && (right->mode == WR_JOIN_ASOF || !named))
        return refuse(q, right->mode, location, "a join with %s() needs ON");
    if (wr_sql_tree_has_sublink(join->quals))
        return refuse(q, right->mode, location, "a subquery in ON of a join with %s()");
    if (wr_sql_plan_refers(right->plan, left->id))
        return refuse(q, right->mode, location, "%s() of a subquery that refers to the left side");
    return WEIR_OK;
}

void
wr_sql_mark_lookup(wr_plan *plan)
{
    while (plan->kind == WR_PLAN_FILTER || plan->kind == WR_PLAN_PROJECT)
        plan = plan->inputs[0];
    wr_assert(plan->kind == WR_PLAN_JOIN);
    plan->join.mode = WR_JOIN_LOOKUP;
}

static weir_status
check_asof(sql_query *q, const wr_plan *join, int32_t location)
{
    wr_plan_asof asof;
    const wr_expr *culprit;
    if (wr_plan_join_asof(join, &asof, &culprit))
        return WEIR_OK;
    if (culprit == NULL)
        return refuse(q, WR_JOIN_ASOF, location,
                      "a join with %s() compares a time of its right side with one of its left: "
                      "q.ts <= t.ts");
    if (culprit->location >= 0)
        location = culprit->location;
    return refuse(q, WR_JOIN_ASOF, location,
                  "a join with %s() takes equalities, q.ts <= t.ts (or <), how much older q.ts may "
                  "be (q.ts >= t.ts - interval '1 minute') and conditions on q alone");
}

/* C1: conditions of *residual that read no column go to a filter on the join's right input. */
static weir_status
place_constants(sql_query *q, wr_plan *join, wr_expr **residual)
{
    wr_expr *parts[CONJUNCTS_MAX], *kept = NULL, *placed = NULL;
    uint32_t count = wr_expr_conjuncts(*residual, parts, CONJUNCTS_MAX);
    if (count > CONJUNCTS_MAX)
        return WEIR_OK; /* refused by the check */
    for (uint32_t i = 0; i < count; i++) {
        bool constant = wr_expr_is_constant(parts[i]);
        wr_expr **to = constant ? &placed : &kept;
        if ((*to = wr_expr_and(q->b->arena, *to, parts[i])) == NULL)
            return SQL_NOMEM(q->b);
    }
    *residual = kept;
    if (placed == NULL)
        return WEIR_OK;
    join->inputs[1] = wr_plan_make_filter(q->b->arena, join->inputs[1], placed, join->location);
    return join->inputs[1] != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_bind_asof(sql_query *q, wr_join_kind kind, sql_scope *left, sql_scope *right,
             const tree_node *quals, int32_t location)
{
    uint32_t offset = left->plan->schema->field_count;
    wr_expr *residual;
    wr_plan *join =
        wr_plan_make_join(q->b->arena, kind, left->plan, right->plan, NULL, location);
    if (join == NULL)
        return SQL_NOMEM(q->b);
    join->join.mode = WR_JOIN_ASOF;
    left->plan = join;
    WR_TRY(wr_sql_merge_scopes(q, left, right, offset, location));
    sql_query on = { .b = q->b, .scope = left, .clause = "JOIN/ON" };
    WR_TRY(wr_bind_bool(&on, quals, &residual));
    WR_TRY(place_constants(q, join, &residual));
    join->join.residual = residual; /* C1 */
    WR_TRY(check_asof(q, join, location));
    return wr_sql_versions(q->b, &left->plan, location);
}

/* --- LATERAL ... ORDER BY ts DESC LIMIT 1 --- */

static bool
is_true(const wr_expr *e)
{
    return e == NULL || (e->kind == WR_EXPR_CONSTANT && !e->constant.is_null && e->constant.boolean);
}

static bool
refers(const wr_expr *e, uint32_t scope)
{
    return wr_sql_expr_refers(e, scope);
}

/* PROJECTs over the plan, from the top: at most two, with no outer columns in them. */
typedef struct last_row {
    const wr_plan *above, *below; /* PROJECTs above and below the SORT; NULL: none */
    const wr_plan *sort, *filter;
    wr_plan *base;
    uint32_t time; /* the column of base the rows are sorted by */
} last_row;

static bool
is_own(const wr_plan *project, uint32_t scope)
{
    for (uint32_t i = 0; i < project->schema->field_count; i++)
        if (refers(project->project.exprs[i], scope))
            return false;
    return true;
}

static bool
read_last_row(wr_plan *sub, uint32_t scope, last_row *out)
{
    *out = (last_row){ 0 };
    if (sub->kind == WR_PLAN_PROJECT) {
        out->above = sub;
        sub = sub->inputs[0];
    }
    if (sub->kind != WR_PLAN_SORT || sub->sort.limit != 1 || sub->sort.offset != 0 ||
        sub->sort.with_ties || sub->sort.key_count != 1 || !sub->sort.keys[0].descending)
        return false;
    out->sort = sub;
    out->time = sub->sort.keys[0].column;
    sub = sub->inputs[0];
    if (sub->kind == WR_PLAN_PROJECT) {
        out->below = sub;
        const wr_expr *key = sub->project.exprs[out->time];
        if (key->kind != WR_EXPR_COLUMN || (key->column & WR_SQL_OUTER) != 0)
            return false;
        out->time = key->column;
        sub = sub->inputs[0];
    }
    if (sub->kind != WR_PLAN_FILTER)
        return false;
    out->filter = sub;
    out->base = sub->inputs[0];
    return !wr_sql_plan_refers(out->base, scope) &&
           (out->above == NULL || is_own(out->above, scope)) &&
           (out->below == NULL || is_own(out->below, scope));
}

/* C2: base's columns, then what is selected. */
static wr_plan *
make_right(sql_binder *b, const last_row *last, const wr_schema *wanted)
{
    uint32_t n = last->base->schema->field_count, m = wanted->field_count;
    wr_expr **exprs = wr_arena_alloc(b->arena, (n + m + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(b->arena, (n + m + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return NULL;
    for (uint32_t i = 0; i < n + m; i++) {
        const wr_field *field = i < n ? &last->base->schema->fields[i] : &wanted->fields[i - n];
        uint32_t column = i < n ? i : i - n;
        names[i] = field->name;
        exprs[i] = wr_expr_column(b->arena, column, field->type);
        if (i >= n && last->above != NULL)
            exprs[i] = last->above->project.exprs[column];
        if (i >= n && last->below != NULL && exprs[i] != NULL)
            exprs[i] = wr_expr_substitute(b->arena, exprs[i], last->below->project.exprs);
        if (exprs[i] == NULL)
            return NULL;
    }
    return wr_plan_make_project(b->arena, last->base, exprs, names, n + m, -1);
}

weir_status
wr_sql_apply_asof(sql_binder *b, uint32_t scope, wr_plan *outer, wr_plan *sub, wr_join_kind kind,
                  const wr_expr *on, int32_t location, wr_plan **out)
{
    last_row last;
    wr_plan_asof asof;
    const wr_expr *culprit;
    sql_outers outers = { .scope = scope };
    uint32_t n = outer->schema->field_count, m = sub->schema->field_count;
    *out = NULL;
    if (!is_true(on) || !read_last_row(sub, scope, &last))
        return WEIR_OK;
    wr_sql_collect_outers(last.filter, &outers);
    wr_expr *residual = wr_sql_expr_shift(b, last.filter->filter.predicate, 0, n);
    if (residual != NULL)
        residual = wr_sql_outers_replace(b, &outers, outers.columns, residual);
    wr_plan *right = make_right(b, &last, sub->schema);
    wr_plan *join = residual != NULL && right != NULL
                        ? wr_plan_make_join(b->arena, kind, outer, right, residual, location)
                        : NULL;
    uint32_t *columns = wr_arena_alloc(b->arena, (n + m + 1) * sizeof *columns);
    if (join == NULL || columns == NULL)
        return SQL_NOMEM(b);
    join->join.mode = WR_JOIN_ASOF;
    if (!wr_plan_join_asof(join, &asof, &culprit) || asof.right_time != last.time)
        return WEIR_OK;
    for (uint32_t i = 0; i < n + m; i++)
        columns[i] = i < n ? i : i + last.base->schema->field_count;
    *out = wr_plan_make_pick(b->arena, join, columns, n + m);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}
