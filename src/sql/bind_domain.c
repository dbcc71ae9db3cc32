/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_domain.c -- evaluate a correlated plan for every row of a domain at once.
 *
 * The domain D holds the distinct combinations of outer values.  push(plan) gives plan's rows for
 * each row of D, with D's columns appended; every reference to an outer column becomes one to D's
 * copy: no reference      plan x D filter, project   over push(input), D's columns carried along
 *     aggregate         D's columns are grouping columns; a global one is joined back to D, since
 * it gives a row for no rows join              both sides pushed where both must be, joined on D's
 * columns as well LIMIT             row_number() over each combination
 *
 * Invariants  D1  the result's columns are plan's, then D's, in order
 *             D2  D's columns are compared with NULLs equal
 */
#include "sql/correlate_impl.h"

#include <string.h>

typedef struct push_state {
    sql_binder *b;
    const sql_outers *outers;
    const wr_plan *domain;
} push_state;

static weir_status push(push_state *s, wr_plan *plan, wr_plan **out);

static weir_status
copy_domain(push_state *s, wr_plan **out)
{
    *out = wr_plan_copy(s->b->arena, s->domain);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* Plan is independent: every combination with every row. */
static weir_status
cross(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_plan *domain;
    WR_TRY(copy_domain(s, &domain));
    *out = wr_plan_make_join(s->b->arena, WR_JOIN_INNER, plan, domain, NULL, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* expr over a pushed input whose own columns are `width`: OUTER columns stand after them. */
static weir_status
replace(push_state *s, uint32_t width, wr_expr *expr, wr_expr **out)
{
    uint32_t map[WR_SQL_OUTERS_MAX];
    for (uint32_t i = 0; i < s->outers->count; i++)
        map[i] = width + i;
    *out = wr_sql_outers_replace(s->b, s->outers, map, expr);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

static weir_status
pick(push_state *s, wr_plan *input, const uint32_t *columns, uint32_t count, wr_plan **out)
{
    *out = wr_plan_make_pick(s->b->arena, input, columns, count);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* D1 for a node that appends `more` columns to a pushed input: [own, D, more] -> [own, more, D]. */
static weir_status
reorder(push_state *s, wr_plan *plan, uint32_t own, uint32_t more, wr_plan **out)
{
    uint32_t d = s->outers->count, at = 0;
    uint32_t *columns = wr_arena_alloc(s->b->arena, (own + d + more + 1) * sizeof *columns);
    if (columns == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < own; i++)
        columns[at++] = i;
    for (uint32_t i = 0; i < more; i++)
        columns[at++] = own + d + i;
    for (uint32_t i = 0; i < d; i++)
        columns[at++] = own + i;
    return pick(s, plan, columns, at, out);
}

static weir_status
push_filter(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_plan *input;
    wr_expr *predicate;
    WR_TRY(push(s, plan->inputs[0], &input));
    WR_TRY(replace(s, plan->schema->field_count, plan->filter.predicate, &predicate));
    *out = wr_plan_make_filter(s->b->arena, input, predicate, plan->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

static weir_status
project_with_domain(push_state *s, wr_plan *input, wr_expr **own, const wr_schema *schema,
                    wr_plan **out)
{
    uint32_t m = schema->field_count, d = s->outers->count;
    uint32_t width = input->schema->field_count - d;
    wr_expr **exprs = wr_arena_alloc(s->b->arena, (m + d + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(s->b->arena, (m + d + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < m + d; i++) {
        names[i] = i < m ? schema->fields[i].name : "?column?";
        if (i < m)
            WR_TRY(replace(s, width, own[i], &exprs[i]));
        else if ((exprs[i] = wr_expr_column(s->b->arena, width + i - m, s->outers->types[i - m])) ==
                 NULL)
            return SQL_NOMEM(s->b);
    }
    *out = wr_plan_make_project(s->b->arena, input, exprs, names, m + d, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

static weir_status
push_values(push_state *s, wr_plan *plan, wr_plan **out)
{
    uint32_t n = plan->values.row_count;
    wr_plan **rows = wr_arena_alloc(s->b->arena, (n + 1) * sizeof *rows);
    if (rows == NULL || n == 0)
        return n == 0 ? cross(s, plan, out) : SQL_NOMEM(s->b);
    for (uint32_t r = 0; r < n; r++) {
        wr_plan *domain;
        WR_TRY(copy_domain(s, &domain));
        WR_TRY(project_with_domain(s, domain, plan->values.rows[r], plan->schema, &rows[r]));
    }
    *out = n == 1 ? rows[0] : wr_plan_make_union(s->b->arena, rows, n, plan->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* A global aggregate gives a row where there are none: D on the left, counts of nothing 0. */
static weir_status
rejoin_global(push_state *s, const wr_plan *plan, wr_plan *grouped, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    uint32_t d = s->outers->count, n = plan->aggregate.call_count;
    wr_plan *domain;
    uint32_t *keys = wr_arena_alloc(arena, (d + 1) * sizeof *keys);
    wr_expr **exprs = wr_arena_alloc(arena, (n + d + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (n + d + 1) * sizeof *names);
    if (keys == NULL || exprs == NULL || names == NULL)
        return SQL_NOMEM(s->b);
    WR_TRY(copy_domain(s, &domain));
    for (uint32_t i = 0; i < d; i++)
        keys[i] = i;
    wr_plan *join = wr_plan_make_join(arena, WR_JOIN_LEFT, domain, grouped, NULL, plan->location);
    if (join == NULL)
        return SQL_NOMEM(s->b);
    join->join.key_count = d;
    join->join.left_keys = join->join.right_keys = keys;
    join->join.null_equal = true;
    for (uint32_t i = 0; i < n + d; i++) {
        uint32_t column = i < n ? 2 * d + i : i - n;
        names[i] = i < n ? plan->schema->fields[i].name : "?column?";
        exprs[i] = wr_expr_column(arena, column, join->schema->fields[column].type);
        if (exprs[i] == NULL)
            return SQL_NOMEM(s->b);
        const char *name = i < n ? plan->aggregate.calls[i].aggregate->name : "";
        if (strcmp(name, "count") == 0 || strcmp(name, "regr_count") == 0 ||
            strcmp(name, "approx_count_distinct") == 0) {
            wr_value zero = { .type = WR_TYPE(WR_INT8), .integer = 0 };
            wr_expr *pair[2] = { exprs[i], wr_sql_constant(s->b, &zero, -1) };
            if (pair[1] == NULL)
                return SQL_NOMEM(s->b);
            WR_TRY(wr_sql_make(s->b, WR_EXPR_COALESCE, exprs[i]->type, pair, 2, -1, &exprs[i]));
        }
    }
    *out = wr_plan_make_project(arena, join, exprs, names, n + d, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

static weir_status
push_aggregate(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    uint32_t d = s->outers->count, k = plan->aggregate.key_count, n = plan->aggregate.call_count;
    uint32_t width = plan->inputs[0]->schema->field_count;
    uint32_t *keys = wr_arena_alloc(arena, (d + k + 1) * sizeof *keys);
    wr_agg_call *calls = wr_arena_alloc(arena, (n + 1) * sizeof *calls);
    wr_plan *input;
    if (keys == NULL || calls == NULL)
        return SQL_NOMEM(s->b);
    WR_TRY(push(s, plan->inputs[0], &input));
    for (uint32_t i = 0; i < d; i++)
        keys[i] = width + i;
    for (uint32_t i = 0; i < k; i++)
        keys[d + i] = plan->aggregate.keys[i];
    for (uint32_t i = 0; i < n; i++) {
        calls[i] = plan->aggregate.calls[i];
        for (uint32_t a = 0; a < calls[i].arg_count; a++)
            WR_TRY(replace(s, width, calls[i].args[a], &calls[i].args[a]));
        if (calls[i].filter != NULL)
            WR_TRY(replace(s, width, calls[i].filter, &calls[i].filter));
    }
    wr_plan *grouped =
        wr_plan_make_aggregate(arena, input, keys, d + k, calls, n, false, plan->location);
    if (grouped == NULL)
        return SQL_NOMEM(s->b);
    if (plan->aggregate.global)
        return rejoin_global(s, plan, grouped, out);
    uint32_t *columns = wr_arena_alloc(arena, (d + k + n + 1) * sizeof *columns);
    if (columns == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < k + n; i++)
        columns[i] = d + i;
    for (uint32_t i = 0; i < d; i++)
        columns[k + n + i] = i;
    return pick(s, grouped, columns, d + k + n, out);
}

/* A residual over [left n, right m] becomes one over [left n, D, right m, D]. */
static weir_status
join_residual(push_state *s, wr_expr *residual, uint32_t n, wr_expr **out)
{
    *out = NULL;
    if (residual == NULL)
        return WEIR_OK;
    wr_expr *moved = wr_sql_expr_shift(s->b, residual, n, s->outers->count);
    return moved != NULL ? replace(s, n, moved, out) : SQL_NOMEM(s->b);
}

/* Where D's columns must be on both sides: the join compares them too. */
static weir_status
push_both(push_state *s, wr_plan *plan, wr_plan *left, wr_plan *right, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    wr_join_kind kind = plan->join.kind;
    uint32_t d = s->outers->count, n = plan->inputs[0]->schema->field_count;
    uint32_t m = plan->inputs[1]->schema->field_count;
    bool left_only = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    wr_expr *residual;
    WR_TRY(join_residual(s, plan->join.residual, n, &residual));
    wr_plan *join = wr_plan_make_join(arena, kind, left, right, residual, plan->location);
    uint32_t old = plan->join.key_count;
    uint32_t *keys = wr_arena_alloc(arena, 2 * (d + old + 1) * sizeof *keys);
    if (join == NULL || keys == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < d + old; i++) {
        keys[i] = i < d ? n + i : plan->join.left_keys[i - d];
        keys[d + old + i] = i < d ? m + i : plan->join.right_keys[i - d];
    }
    join->join.key_count = d + old;
    join->join.left_keys = keys;
    join->join.right_keys = keys + d + old;
    join->join.null_equal = true;
    join->join.single = plan->join.single;
    if (left_only) {
        *out = join;
        return WEIR_OK;
    }
    /* [left, D, right, D'] -> [left, right, D]; D may be NULL-extended on one side of an outer join
     */
    wr_expr **exprs = wr_arena_alloc(arena, (n + m + d + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (n + m + d + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < n + m + d; i++) {
        uint32_t column = i < n ? i : i < n + m ? d + i : n + (i - n - m);
        if (kind == WR_JOIN_RIGHT && i >= n + m)
            column = n + d + m + (i - n - m);
        names[i] = join->schema->fields[column].name;
        if ((exprs[i] = wr_expr_column(arena, column, join->schema->fields[column].type)) == NULL)
            return SQL_NOMEM(s->b);
        if (kind == WR_JOIN_FULL && i >= n + m) {
            wr_expr *other = wr_expr_column(arena, n + d + m + (i - n - m), exprs[i]->type);
            wr_expr *pair[2] = { exprs[i], other };
            if (other == NULL)
                return SQL_NOMEM(s->b);
            WR_TRY(wr_sql_make(s->b, WR_EXPR_COALESCE, exprs[i]->type, pair, 2, -1, &exprs[i]));
        }
    }
    *out = wr_plan_make_project(arena, join, exprs, names, n + m + d, -1);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

static weir_status
push_join(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_plan *left, *right;
    if ((plan->join.key_count > 0 && !plan->join.null_equal) ||
        plan->join.mode != WR_JOIN_REGULAR)
        return wr_sql_unsupported(s->b, plan->location, "this correlated join is");
    WR_TRY(push(s, plan->inputs[0], &left));
    WR_TRY(push(s, plan->inputs[1], &right));
    return push_both(s, plan, left, right, out);
}

static weir_status
push_branches(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_plan **inputs = wr_arena_alloc(s->b->arena, (plan->input_count + 1) * sizeof *inputs);
    if (inputs == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(push(s, plan->inputs[i], &inputs[i]));
    *out = wr_plan_make_union(s->b->arena, inputs, plan->input_count, plan->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(s->b);
}

/* LIMIT a OFFSET b, for each combination: b < row_number() <= a + b. */
static weir_status
push_sort(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    uint32_t d = s->outers->count, m = plan->schema->field_count;
    wr_plan *input;
    WR_TRY(push(s, plan->inputs[0], &input));
    *out = input;
    if (plan->sort.limit == UINT64_MAX && plan->sort.offset == 0)
        return WEIR_OK;
    wr_over_call call = { .name = plan->sort.with_ties ? "rank" : "row_number",
                          .function = plan->sort.with_ties ? WR_OVER_RANK : WR_OVER_ROW_NUMBER,
                          .result = WR_TYPE(WR_INT8),
                          .location = plan->location,
                          .partition_count = d,
                          .order_count = plan->sort.key_count,
                          .order = plan->sort.keys,
                          .mode = WR_FRAME_ROWS };
    call.start.unbounded = true;
    call.start.offset = call.end.offset = wr_value_null(WR_TYPE(WR_INT8));
    call.partition = wr_arena_alloc(arena, (d + 1) * sizeof *call.partition);
    if (call.partition == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < d; i++)
        call.partition[i] = m + i;
    wr_plan *over = wr_plan_make_over(arena, input, &call, 1, plan->location);
    wr_expr *kept = NULL;
    if (over == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t side = 0; side < 2; side++) {
        uint64_t bound = plan->sort.offset;
        if (side == 1 && __builtin_add_overflow(plan->sort.limit, plan->sort.offset, &bound))
            continue;
        wr_value value = { .type = WR_TYPE(WR_INT8),
                           .integer = (int64_t)WR_MIN(bound, (uint64_t)INT64_MAX) };
        wr_expr *number = wr_expr_column(arena, m + d, WR_TYPE(WR_INT8)), *one;
        wr_expr *limit = wr_sql_constant(s->b, &value, -1);
        if (number == NULL || limit == NULL)
            return SQL_NOMEM(s->b);
        WR_TRY(wr_sql_compare(s->b, side == 0 ? ">" : "<=", number, limit, -1, &one));
        if ((kept = wr_expr_and(arena, kept, one)) == NULL)
            return SQL_NOMEM(s->b);
    }
    wr_plan *filter = wr_plan_make_filter(arena, over, kept, plan->location);
    uint32_t *columns = wr_arena_alloc(arena, (m + d + 1) * sizeof *columns);
    if (filter == NULL || columns == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < m + d; i++)
        columns[i] = i;
    return pick(s, filter, columns, m + d, out);
}

static weir_status
push_over(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    uint32_t d = s->outers->count, n = plan->over.call_count;
    uint32_t own = plan->inputs[0]->schema->field_count;
    wr_plan *input;
    WR_TRY(push(s, plan->inputs[0], &input));
    wr_over_call *calls = wr_arena_alloc(arena, (n + 1) * sizeof *calls);
    if (calls == NULL)
        return SQL_NOMEM(s->b);
    for (uint32_t i = 0; i < n; i++) {
        calls[i] = plan->over.calls[i];
        uint32_t p = calls[i].partition_count;
        uint32_t *partition = wr_arena_alloc(arena, (p + d + 1) * sizeof *partition);
        if (partition == NULL)
            return SQL_NOMEM(s->b);
        for (uint32_t k = 0; k < p + d; k++)
            partition[k] = k < p ? calls[i].partition[k] : own + (k - p);
        calls[i].partition = partition;
        calls[i].partition_count = p + d;
        for (uint32_t a = 0; a < calls[i].arg_count; a++)
            WR_TRY(replace(s, own, calls[i].args[a], &calls[i].args[a]));
        if (calls[i].filter != NULL)
            WR_TRY(replace(s, own, calls[i].filter, &calls[i].filter));
    }
    wr_plan *over = wr_plan_make_over(arena, input, calls, n, plan->location);
    return over != NULL ? reorder(s, over, own, n, out) : SQL_NOMEM(s->b);
}

static weir_status
push_unnest(push_state *s, wr_plan *plan, wr_plan **out)
{
    wr_arena *arena = s->b->arena;
    uint32_t n = plan->unnest.call_count, own = plan->inputs[0]->schema->field_count;
    wr_plan *input;
    wr_expr **calls = wr_arena_alloc(arena, (n + 1) * sizeof *calls);
    wr_type *types = wr_arena_alloc(arena, (n + 1) * sizeof *types);
    if (calls == NULL || types == NULL)
        return SQL_NOMEM(s->b);
    WR_TRY(push(s, plan->inputs[0], &input));
    for (uint32_t i = 0; i < n; i++) {
        types[i] = plan->schema->fields[own + i].type;
        WR_TRY(replace(s, own, plan->unnest.calls[i], &calls[i]));
    }
    wr_plan *unnest = wr_plan_make_unnest(arena, input, calls, types, n, plan->unnest.ordinality,
                                          plan->unnest.outer, plan->location);
    return unnest != NULL ? reorder(s, unnest, own, n + plan->unnest.ordinality, out)
                          : SQL_NOMEM(s->b);
}

static weir_status
push(push_state *s, wr_plan *plan, wr_plan **out)
{
    if (!wr_sql_plan_refers(plan, s->outers->scope))
        return cross(s, plan, out);
    switch (plan->kind) {
    case WR_PLAN_FILTER: return push_filter(s, plan, out);
    case WR_PLAN_PROJECT: {
        wr_plan *input;
        WR_TRY(push(s, plan->inputs[0], &input));
        return project_with_domain(s, input, plan->project.exprs, plan->schema, out);
    }
    case WR_PLAN_VALUES: return push_values(s, plan, out);
    case WR_PLAN_AGGREGATE: return push_aggregate(s, plan, out);
    case WR_PLAN_JOIN: return push_join(s, plan, out);
    case WR_PLAN_UNION: return push_branches(s, plan, out);
    case WR_PLAN_SORT: return push_sort(s, plan, out);
    case WR_PLAN_OVER: return push_over(s, plan, out);
    case WR_PLAN_UNNEST: return push_unnest(s, plan, out);
    case WR_PLAN_SCAN:
    case WR_PLAN_WINDOW:
    case WR_PLAN_TOP_N:
    case WR_PLAN_DEDUP:
    case WR_PLAN_SETOP: break;
    }
    weir_status status =
        wr_sql_unsupported(s->b, plan->location, "a correlated subquery of this shape is");
    wr_error_hint(s->b->err, "write it as a join");
    return status;
}

weir_status
wr_sql_push_domain(sql_binder *b, const sql_outers *outers, const wr_plan *domain, wr_plan *plan,
                   wr_plan **out)
{
    push_state s = { .b = b, .outers = outers, .domain = domain };
    return push(&s, plan, out);
}
