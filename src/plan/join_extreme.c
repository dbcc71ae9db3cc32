/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/join_extreme.c -- a join of rows with the greatest (least) value of their own group is a rank.
 *
 *     FROM x JOIN (SELECT k, max(v) AS m FROM x GROUP BY k) g ON x.k = g.k AND x.v = g.m
 *
 *     project  x's columns, k for g.k, v for g.m
 *       filter rank = 1 AND v IS NOT NULL AND k IS NOT NULL
 *         over rank() PARTITION BY k ORDER BY v DESC
 *           x
 *
 * x is read once, and of a partition only rows are kept that no better one came before
 * (operator/rank_filter.c), where the join keeps all rows of x until their group is known.
 *
 * Why the rows are the same: the groups are unique, so that a row of x meets the one of its own k or none;
 * v = m = max(v) over the group where no row of it has a greater v, which is rank 1, ties and all.  A NULL v
 * or k equals nothing.  v >= m says the same as v = m.
 *
 * Place       after the rules, once it is known how rows come; before ranks become TOP_N.  The aggregate may
 *             stand in the same plan, or in a view that this one reads (wr_relation.plan).
 * Invariants  E1  the rows of both sides are the same ones (plan/unify.h), and they only come
 *             E2  each key of the aggregate meets the column it is made of; nothing else of the aggregate is
 *                 read than its keys and the extreme; columns for columns: only types whose equal values are
 *                 the same to the last digit
 *             E3  rows are late for the rank exactly where they are late for the aggregate: it is by time when
 *                 that is (over.by_time), also where the input ends
 *             E4  what is known of the join's rows (kind, key, watermarks) is known of those that stand in
 *                 its place; else the join stays
 */
#include "plan/rules_impl.h"
#include "plan/unify.h"

#include <string.h>

enum { CONJUNCTS_MAX = 64 };
#define NONE UINT32_MAX

typedef struct extreme {
    wr_arena *arena;
    const wr_plan_options *options;
    wr_plan *join;
    uint32_t side; /* of the join's inputs: the aggregate's            */
    const wr_plan *aggregate;
    uint32_t *of;  /* by the side's columns: of the aggregate's; NONE  */
    uint32_t *row; /* and of the rows'; NONE                           */
    uint32_t call; /* the extreme among the aggregate's columns        */
    bool greatest;
    uint32_t value; /* v, a column of the rows                          */
    wr_expr *rest;  /* what the join asks besides                       */
} extreme;

static const wr_plan *
rows_of(const extreme *e)
{
    return e->join->inputs[1 - e->side];
}

/* --- what stands on the aggregate's side --- */

/* Columns picked from an aggregate, here or in the view that is scanned; else aggregate stays NULL. */
static weir_status
find_aggregate(extreme *e)
{
    const wr_plan *p = e->join->inputs[e->side];
    uint32_t n = p->schema->field_count;
    e->of = wr_arena_alloc(e->arena, (n + 1) * sizeof *e->of);
    if (e->of == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++)
        e->of[i] = i;
    while (p->kind != WR_PLAN_AGGREGATE) {
        bool view =
            p->kind == WR_PLAN_SCAN && p->scan.predicate == NULL && p->scan.relation->plan != NULL;
        if (!view && p->kind != WR_PLAN_PROJECT)
            return WEIR_OK;
        for (uint32_t i = 0; i < n; i++) {
            const wr_expr *expr = view ? NULL : p->project.exprs[e->of[i]];
            if (expr != NULL && expr->kind != WR_EXPR_COLUMN)
                return WEIR_OK;
            e->of[i] = view ? p->scan.columns[e->of[i]] : expr->column;
        }
        p = view ? p->scan.relation->plan : p->inputs[0];
    }
    e->aggregate = p;
    return WEIR_OK;
}

/* The one call that is read, besides keys: max or min of a column. */
static bool
find_call(extreme *e)
{
    const wr_plan *a = e->aggregate;
    e->call = NONE;
    for (uint32_t i = 0; i < e->join->inputs[e->side]->schema->field_count; i++) {
        if (e->of[i] < a->aggregate.key_count)
            continue;
        if (e->call != NONE && e->call != e->of[i])
            return false;
        e->call = e->of[i];
    }
    if (e->call == NONE)
        return false;
    const wr_agg_call *call = &a->aggregate.calls[e->call - a->aggregate.key_count];
    e->greatest = strcmp(call->aggregate->name, "max") == 0;
    return (e->greatest || strcmp(call->aggregate->name, "min") == 0) && call->arg_count == 1 &&
           call->args[0]->kind == WR_EXPR_COLUMN && call->filter == NULL && call->order_count == 0;
}

/* Are equal values of the type the same to the last digit (E2)? */
static bool
is_exact(wr_type type)
{
    switch (type.id) {
    case WR_BOOL:
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_TEXT:
    case WR_BYTEA:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
    case WR_UUID: return true;
    case WR_NUMERIC: return type.modifier > 0; /* its scale is the type's */
    default: return false;
    }
}

/* E1; then row[] says which of the rows' columns each of the aggregate's side is. */
static weir_status
compare_rows(extreme *e, bool *fits)
{
    const wr_plan *below = e->aggregate->inputs[0], *side = e->join->inputs[e->side];
    uint32_t n = rows_of(e)->schema->field_count, m = below->schema->field_count;
    uint32_t *map_a = wr_arena_calloc(e->arena, n + m + 1, sizeof *map_a);
    uint32_t *map_b = wr_arena_calloc(e->arena, n + m + 1, sizeof *map_b);
    wr_plan *copy = wr_plan_copy(e->arena, rows_of(e));
    e->row = wr_arena_alloc(e->arena, (side->schema->field_count + 1) * sizeof *e->row);
    if (map_a == NULL || map_b == NULL || copy == NULL || e->row == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_plan_unify(e->arena, &copy, below, map_a, map_b, fits));
    for (uint32_t i = 0; i < n && *fits; i++)
        *fits = map_a[i] == i;
    for (uint32_t i = 0; i < side->schema->field_count && *fits; i++) {
        uint32_t k = e->of[i], keys = e->aggregate->aggregate.key_count;
        uint32_t from = k < keys ? e->aggregate->aggregate.keys[k]
                                 : e->aggregate->aggregate.calls[k - keys].args[0]->column;
        e->row[i] = map_b[from];
        *fits = e->row[i] < n;
        if (!*fits)
            break;
        wr_type type = rows_of(e)->schema->fields[e->row[i]].type;
        *fits = wr_type_same(type, side->schema->fields[i].type) && is_exact(type);
    }
    return WEIR_OK;
}

/* --- what the join asks --- */

/* `v >= m` (`v <= m` for the least), either way round; columns are those of the join. */
static bool
is_extreme_condition(const extreme *e, const wr_expr *c)
{
    uint32_t n = e->join->inputs[0]->schema->field_count, side = e->side;
    if (c->kind != WR_EXPR_CALL || c->arg_count != 2 || c->args[0]->kind != WR_EXPR_COLUMN ||
        c->args[1]->kind != WR_EXPR_COLUMN)
        return false;
    const char *name = c->function->name;
    bool up = strcmp(name, ">=") == 0, down = strcmp(name, "<=") == 0;
    for (uint32_t i = 0; i < 2 && (up || down); i++) {
        uint32_t mine = c->args[i]->column, other = c->args[1 - i]->column;
        bool mine_row = (mine < n) == (side == 1), other_row = (other < n) == (side == 1);
        if (!mine_row || other_row)
            continue;
        uint32_t v = side == 1 ? mine : mine - n, m = side == 1 ? other - n : other;
        bool not_below = up == (i == 0); /* v >= m */
        return e->of[m] == e->call && e->row[m] == v && not_below == e->greatest;
    }
    return false;
}

/* Are the groups those of the rows' own keys, and the value the extreme one?  The rest is kept. */
static weir_status
read_conditions(extreme *e, bool *fits)
{
    const wr_plan *join = e->join;
    const uint32_t *mine = e->side == 1 ? join->join.left_keys : join->join.right_keys;
    const uint32_t *theirs = e->side == 1 ? join->join.right_keys : join->join.left_keys;
    uint32_t keys = e->aggregate->aggregate.key_count;
    wr_expr *parts[CONJUNCTS_MAX];
    bool extreme_met = false;
    for (uint32_t i = 0; i < join->join.key_count && *fits; i++) {
        *fits = e->row[theirs[i]] == mine[i];
        extreme_met |= e->of[theirs[i]] == e->call;
    }
    for (uint32_t k = 0; k < keys && *fits; k++) {
        bool met = false;
        for (uint32_t i = 0; i < join->join.key_count && !met; i++)
            met = e->of[theirs[i]] == k;
        *fits = met;
    }
    uint32_t n = join->join.residual == NULL
                     ? 0
                     : wr_expr_conjuncts(join->join.residual, parts, CONJUNCTS_MAX);
    *fits = *fits && n <= CONJUNCTS_MAX;
    for (uint32_t i = 0; i < n && *fits; i++) {
        if (is_extreme_condition(e, parts[i]))
            extreme_met = true;
        else if ((e->rest = wr_expr_and(e->arena, e->rest, parts[i])) == NULL)
            return WEIR_MEMORY;
    }
    *fits = *fits && extreme_met;
    for (uint32_t i = 0; i < e->join->inputs[e->side]->schema->field_count; i++)
        if (e->of[i] == e->call)
            e->value = e->row[i];
    return WEIR_OK;
}

/* --- in its place --- */

static wr_expr *
column(const extreme *e, const wr_plan *plan, uint32_t c)
{
    return wr_expr_column(e->arena, c, plan->schema->fields[c].type);
}

static weir_status
make_over(const extreme *e, bool by_time, wr_plan **out)
{
    const wr_plan *a = e->aggregate;
    uint32_t side_count = e->join->inputs[e->side]->schema->field_count;
    wr_over_call call = { .name = "rank",
                          .function = WR_OVER_RANK,
                          .result = WR_TYPE(WR_INT8),
                          .location = e->join->location,
                          .order_count = 1,
                          .mode = WR_FRAME_ROWS };
    call.start.unbounded = true;
    call.partition =
        wr_arena_alloc(e->arena, (a->aggregate.key_count + 1) * sizeof *call.partition);
    call.order = wr_arena_calloc(e->arena, 1, sizeof *call.order);
    if (call.partition == NULL || call.order == NULL)
        return WEIR_MEMORY;
    for (uint32_t k = 0; k < a->aggregate.key_count; k++)
        for (uint32_t i = 0; i < side_count; i++)
            if (e->of[i] == k) {
                call.partition[call.partition_count++] = e->row[i];
                break;
            }
    call.order[0] = (wr_sort_key){ .column = e->value, .descending = e->greatest };
    *out = wr_plan_make_over(e->arena, (wr_plan *)rows_of(e), &call, 1, e->join->location);
    if (*out == NULL)
        return WEIR_MEMORY;
    (*out)->over.by_time = by_time;
    return WEIR_OK;
}

/* rank = 1, and neither the value nor a key is NULL where they may be. */
static weir_status
make_condition(const extreme *e, const wr_plan *over, wr_expr **out)
{
    const wr_over_call *call = &over->over.calls[0];
    wr_type have[2] = { WR_TYPE(WR_INT8), WR_TYPE(WR_INT8) }, want[2], result;
    wr_value one = { .type = WR_TYPE(WR_INT8), .integer = 1 };
    const wr_function *equal;
    wr_expr **args = wr_arena_alloc(e->arena, 2 * sizeof(wr_expr *));
    WR_TRY(wr_function_resolve("=", have, 2, &equal, want, &result, NULL));
    if (args == NULL)
        return WEIR_MEMORY;
    args[0] = column(e, over, over->schema->field_count - 1);
    args[1] = wr_expr_constant(e->arena, &one);
    *out =
        args[0] != NULL && args[1] != NULL ? wr_expr_call(e->arena, equal, result, args, 2) : NULL;
    for (uint32_t i = 0; i <= call->partition_count && *out != NULL; i++) {
        uint32_t c = i < call->partition_count ? call->partition[i] : e->value;
        wr_expr **test = wr_arena_alloc(e->arena, sizeof(wr_expr *));
        if (rows_of(e)->schema->fields[c].not_null)
            continue;
        if (test == NULL || (test[0] = column(e, over, c)) == NULL)
            return WEIR_MEMORY;
        wr_expr *known = wr_expr_make(e->arena, WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL), test, 1);
        *out = known != NULL ? wr_expr_and(e->arena, *out, known) : NULL;
    }
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* Where the join's columns stand in the rows. */
static uint32_t *
map_columns(const extreme *e)
{
    uint32_t n = e->join->inputs[0]->schema->field_count;
    uint32_t m = e->join->inputs[1]->schema->field_count;
    uint32_t *map = wr_arena_alloc(e->arena, (n + m + 1) * sizeof *map);
    for (uint32_t i = 0; map != NULL && i < n + m; i++) {
        uint32_t c = i < n ? i : i - n;
        map[i] = (i < n) == (e->side == 1) ? c : e->row[c];
    }
    return map;
}

static weir_status
make_plan(const extreme *e, bool by_time, wr_plan **out)
{
    uint32_t n = e->join->schema->field_count;
    wr_plan *plan;
    wr_expr *condition, **exprs = wr_arena_alloc(e->arena, (n + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(e->arena, (n + 1) * sizeof *names);
    uint32_t *map = map_columns(e);
    if (exprs == NULL || names == NULL || map == NULL)
        return WEIR_MEMORY;
    WR_TRY(make_over(e, by_time, &plan));
    WR_TRY(make_condition(e, plan, &condition));
    plan = wr_plan_make_filter(e->arena, plan, condition, e->join->location);
    if (plan != NULL && e->rest != NULL) {
        wr_expr *rest = wr_expr_remap(e->arena, e->rest, map);
        plan = rest != NULL ? wr_plan_make_filter(e->arena, plan, rest, e->join->location) : NULL;
    }
    for (uint32_t i = 0; i < n && plan != NULL; i++) {
        names[i] = e->join->schema->fields[i].name;
        exprs[i] = column(e, plan, map[i]);
        if (exprs[i] == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_expr_cast(e->arena, exprs[i], e->join->schema->fields[i].type, WR_CAST_EXPLICIT,
                            &exprs[i], NULL));
    }
    if (plan != NULL)
        plan = wr_plan_make_project(e->arena, plan, exprs, names, n, e->join->location);
    *out = plan;
    return plan != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* E3: is a row late for the aggregate?  Then by the same column for the rank, or the join stays. */
static weir_status
judges_time(const extreme *e, bool *by_time, bool *fits)
{
    wr_plan_time time;
    WR_TRY(wr_plan_aggregate_time(e->arena, e->options, e->aggregate, &time));
    bool ends = e->options->bounded || wr_plan_ends(e->join);
    *by_time = time.fused
                   ? !time.session && time.window->window.spec.watermark_offset != WR_NO_WATERMARK
                   : time.time_key >= 0;
    *fits = (*by_time || ends) && !(time.fused && time.session);
    return WEIR_OK;
}

/* E4 */
static bool
is_as_known(const wr_schema *old, const wr_schema *new)
{
    bool as_known = old->kind == new->kind && (old->key_count == 0 || new->key_count > 0) &&
                    old->key_ages == new->key_ages;
    for (uint32_t i = 0; i < old->field_count && as_known; i++)
        as_known = new->fields[i].watermark_offset >= old->fields[i].watermark_offset;
    return as_known;
}

static weir_status
try_side(extreme *e, bool *fits, bool *changed)
{
    const wr_plan *join = e->join;
    bool by_time;
    wr_plan *made;
    *fits = false;
    WR_TRY(find_aggregate(e));
    if (e->aggregate == NULL || !find_call(e) ||
        join->inputs[e->side]->schema->kind != WR_INSERT_ONLY ||
        e->aggregate->inputs[0]->schema->kind != WR_INSERT_ONLY ||
        rows_of(e)->schema->kind != WR_INSERT_ONLY)
        return WEIR_OK;
    WR_TRY(judges_time(e, &by_time, fits));
    if (*fits)
        WR_TRY(compare_rows(e, fits));
    if (*fits)
        WR_TRY(read_conditions(e, fits));
    if (!*fits)
        return WEIR_OK;
    WR_TRY(make_plan(e, by_time, &made));
    WR_TRY(wr_plan_derive(e->arena, e->options, made));
    *changed = true; /* what stands below has been derived without what stands above */
    *fits = is_as_known(join->schema, made->schema);
    if (*fits)
        *e->join = *made;
    return WEIR_OK;
}

static bool
may_be_one(const wr_plan_options *options, const wr_plan *plan)
{
    bool updates = options->late_given && options->late == WR_LATE_UPDATE;
    return plan->kind == WR_PLAN_JOIN && plan->join.mode == WR_JOIN_REGULAR &&
           (plan->join.kind == WR_JOIN_INNER || plan->join.kind == WR_JOIN_SEMI) &&
           !plan->join.null_equal && !updates && options->ttl_us == 0;
}

static weir_status
find(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, bool *changed)
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(find(arena, options, plan->inputs[i], changed));
    for (uint32_t side = 0; side < 2 && may_be_one(options, plan); side++) {
        extreme e = { .arena = arena, .options = options, .join = plan, .side = 1 - side };
        bool fits = false;
        if (side == 0 || plan->join.kind == WR_JOIN_INNER)
            WR_TRY(try_side(&e, &fits, changed));
    }
    return WEIR_OK;
}

weir_status
wr_plan_find_extremes(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, bool *changed)
{
    wr_rule_context c = { .arena = arena, .options = options };
    wr_plan *merged = plan;
    WR_TRY(find(arena, options, plan, changed));
    if (*changed)
        WR_TRY(wr_rule_merge_projects(&c, &merged));
    if (merged != plan)
        *plan = *merged;
    return WEIR_OK;
}
