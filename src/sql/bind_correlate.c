/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_correlate.c -- outer JOIN sub, where sub refers to outer's columns: three ways, cheapest
 * first.
 *
 *   graft     sub is expressions over one row, sets of them too: they are computed on outer's rows
 *   pull up   the references stand in conditions that can move up into the join's (bind_pullup.c)
 *   domain    sub is evaluated once for each distinct combination of the outer values it uses, and
 * the result joined on them (bind_domain.c; Neumann and Kemper, "Unnesting Arbitrary Queries")
 *
 * Invariants  A1  the result's columns are outer's, then sub's, then columns nobody names
 *             A2  no OUTER column of the scope is left in it
 */
#include "sql/correlate_impl.h"

#include <string.h>

/* --- what refers to what --- */

static void
note_outer(const wr_expr *expr, void *user)
{
    sql_outers *o = user;
    if (expr->kind != WR_EXPR_COLUMN || !sql_is_outer_of(expr->column, o->scope))
        return;
    uint32_t column = expr->column & 0xffff;
    for (uint32_t i = 0; i < o->count; i++)
        if (o->columns[i] == column)
            return;
    if (o->count == WR_SQL_OUTERS_MAX) {
        o->overflow = true;
        return;
    }
    o->columns[o->count] = column;
    o->types[o->count++] = expr->type;
}

static wr_expr *
collect_expr(wr_expr *expr, void *user)
{
    wr_expr_walk(expr, note_outer, user);
    return expr;
}

void
wr_sql_collect_outers(const wr_plan *plan, sql_outers *outers)
{
    /* the map gives back what it is given: nothing is written */
    wr_plan_map_exprs((wr_plan *)plan, collect_expr, outers);
    for (uint32_t i = 0; i < plan->input_count; i++)
        wr_sql_collect_outers(plan->inputs[i], outers);
}

bool
wr_sql_plan_refers(const wr_plan *plan, uint32_t scope)
{
    sql_outers outers = { .scope = scope };
    wr_sql_collect_outers(plan, &outers);
    return outers.count > 0;
}

bool
wr_sql_expr_refers(const wr_expr *expr, uint32_t scope)
{
    sql_outers outers = { .scope = scope };
    wr_expr_walk(expr, note_outer, &outers);
    return outers.count > 0;
}

static void
note_column(const wr_expr *expr, void *user)
{
    if (expr->kind == WR_EXPR_COLUMN && (expr->column & WR_SQL_OUTER) == 0)
        *(bool *)user = true;
}

bool
wr_sql_expr_has_column(const wr_expr *expr)
{
    bool has = false;
    wr_expr_walk(expr, note_column, &has);
    return has;
}

typedef struct replace_outers {
    sql_binder *b;
    const sql_outers *outers;
    const uint32_t *map;
    uint32_t first, offset;
} replace_outers;

static wr_expr *
replace_outer(wr_expr *expr, void *user)
{
    replace_outers *r = user;
    if (expr->kind != WR_EXPR_COLUMN || !sql_is_outer_of(expr->column, r->outers->scope))
        return NULL;
    for (uint32_t i = 0; i < r->outers->count; i++)
        if (r->outers->columns[i] == (expr->column & 0xffff)) {
            wr_expr *to = wr_expr_column(r->b->arena, r->map[i], expr->type);
            if (to != NULL)
                to->location = expr->location;
            return to;
        }
    wr_unreachable();
}

wr_expr *
wr_sql_outers_replace(sql_binder *b, const sql_outers *outers, const uint32_t *map, wr_expr *expr)
{
    replace_outers r = { .b = b, .outers = outers, .map = map };
    return wr_expr_rewrite(b->arena, expr, replace_outer, &r);
}

static wr_expr *
shift_column(wr_expr *expr, void *user)
{
    replace_outers *r = user;
    if (expr->kind != WR_EXPR_COLUMN || (expr->column & WR_SQL_OUTER) != 0 ||
        expr->column < r->first)
        return NULL;
    wr_expr *to = wr_expr_column(r->b->arena, expr->column + r->offset, expr->type);
    if (to != NULL)
        to->location = expr->location;
    return to;
}

wr_expr *
wr_sql_expr_shift(sql_binder *b, wr_expr *expr, uint32_t first, uint32_t offset)
{
    replace_outers r = { .b = b, .first = first, .offset = offset };
    return offset == 0 ? expr : wr_expr_rewrite(b->arena, expr, shift_column, &r);
}

/* --- graft --- */

static bool
is_one_row(const wr_plan *plan)
{
    return plan->kind == WR_PLAN_VALUES && plan->values.row_count == 1 &&
           plan->schema->field_count == 0;
}

/* Is sub a chain of projects, filters and sets over one row? */
static bool
can_graft(const wr_plan *sub, wr_join_kind kind, const wr_expr *on)
{
    if (kind != WR_JOIN_INNER && (kind != WR_JOIN_LEFT || on != NULL))
        return false;
    bool top = true;
    for (; !is_one_row(sub); sub = sub->inputs[0], top = false) {
        bool keeps_row = sub->kind == WR_PLAN_PROJECT || (sub->kind == WR_PLAN_UNNEST && top);
        bool keeps = sub->kind == WR_PLAN_PROJECT || sub->kind == WR_PLAN_FILTER ||
                     sub->kind == WR_PLAN_UNNEST;
        if (kind == WR_JOIN_LEFT ? !keeps_row : !keeps)
            return false;
    }
    return true;
}

/* An expression over a grafted input: own columns stand after outer's, OUTER columns are outer's.
 */
static wr_expr *
graft_expr(sql_binder *b, const sql_outers *outers, uint32_t n, wr_expr *expr)
{
    wr_expr *moved = wr_sql_expr_shift(b, expr, 0, n);
    return moved != NULL ? wr_sql_outers_replace(b, outers, outers->columns, moved) : NULL;
}

static weir_status
graft(sql_binder *b, const sql_outers *outers, wr_plan *outer, wr_plan *sub, bool keep_row,
      wr_plan **out)
{
    uint32_t n = outer->schema->field_count, m = sub->schema->field_count;
    if (is_one_row(sub)) {
        *out = outer;
        return WEIR_OK;
    }
    wr_plan *input;
    WR_TRY(graft(b, outers, outer, sub->inputs[0], false, &input));
    if (sub->kind == WR_PLAN_FILTER) {
        wr_expr *predicate = graft_expr(b, outers, n, sub->filter.predicate);
        *out = predicate != NULL ? wr_plan_make_filter(b->arena, input, predicate, sub->location)
                                 : NULL;
        return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
    }
    bool is_set = sub->kind == WR_PLAN_UNNEST;
    uint32_t own = is_set ? sub->unnest.call_count : m;
    wr_expr **exprs = wr_arena_alloc(b->arena, (n + own + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(b->arena, (n + m + 1) * sizeof *names);
    wr_type *types = wr_arena_alloc(b->arena, (own + 1) * sizeof *types);
    if (exprs == NULL || names == NULL || types == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < own; i++) {
        exprs[is_set ? i : n + i] =
            graft_expr(b, outers, n, is_set ? sub->unnest.calls[i] : sub->project.exprs[i]);
        types[i] = sub->schema->fields[m - own - (is_set && sub->unnest.ordinality) + i].type;
        if (exprs[is_set ? i : n + i] == NULL)
            return SQL_NOMEM(b);
    }
    if (is_set) {
        *out = wr_plan_make_unnest(b->arena, input, exprs, types, own, sub->unnest.ordinality,
                                   keep_row || sub->unnest.outer, sub->location);
        return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
    }
    for (uint32_t i = 0; i < n + m; i++) {
        const wr_field *field = i < n ? &outer->schema->fields[i] : &sub->schema->fields[i - n];
        names[i] = field->name;
        if (i < n && (exprs[i] = wr_expr_column(b->arena, i, field->type)) == NULL)
            return SQL_NOMEM(b);
    }
    *out = wr_plan_make_project(b->arena, input, exprs, names, n + m, sub->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* --- joins --- */

static weir_status
join_plain(sql_binder *b, wr_plan *outer, wr_plan *sub, wr_join_kind kind, wr_expr *on, bool single,
           int32_t location, wr_plan **out)
{
    *out = wr_plan_make_join(b->arena, kind, outer, sub, on, location);
    if (*out == NULL)
        return SQL_NOMEM(b);
    (*out)->join.single = single;
    return WEIR_OK;
}

/* What a global aggregate says about no rows, put where the join found no group. */
static weir_status
fill_empties(sql_binder *b, const sql_pulled *pulled, uint32_t n, uint32_t m, wr_plan **plan)
{
    uint32_t width = (*plan)->schema->field_count;
    wr_expr **exprs = wr_arena_alloc(b->arena, (width + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(b->arena, (width + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < width; i++) {
        wr_type type = (*plan)->schema->fields[i].type;
        names[i] = (*plan)->schema->fields[i].name;
        if ((exprs[i] = wr_expr_column(b->arena, i, type)) == NULL)
            return SQL_NOMEM(b);
        if (i < n || i >= n + m)
            continue;
        wr_expr *empty = pulled->empties[i - n];
        if (empty->kind == WR_EXPR_CONSTANT && empty->constant.is_null)
            continue; /* the join gives NULL already */
        wr_expr *marker = wr_expr_column(b->arena, n + pulled->marker,
                                         (*plan)->schema->fields[n + pulled->marker].type);
        wr_expr *args[3] = { NULL, exprs[i], empty };
        if (marker == NULL)
            return SQL_NOMEM(b);
        WR_TRY(wr_sql_make(b, WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL), &marker, 1, -1, &args[0]));
        WR_TRY(wr_sql_make(b, WR_EXPR_CASE, type, args, 3, -1, &exprs[i]));
    }
    *plan = wr_plan_make_project(b->arena, *plan, exprs, names, width, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

static weir_status
join_pulled(sql_binder *b, const sql_outers *outers, wr_plan *outer, uint32_t m, wr_join_kind kind,
            wr_expr *on, bool single, int32_t location, const sql_pulled *pulled, wr_plan **out)
{
    uint32_t n = outer->schema->field_count;
    for (uint32_t i = 0; i < pulled->condition_count; i++) {
        wr_expr *condition = wr_sql_expr_shift(b, pulled->conditions[i], 0, n);
        if (condition != NULL)
            condition = wr_sql_outers_replace(b, outers, outers->columns, condition);
        if (condition == NULL || (on = wr_expr_and(b->arena, on, condition)) == NULL)
            return SQL_NOMEM(b);
    }
    if (pulled->empties != NULL)
        kind = WR_JOIN_LEFT; /* an aggregate over no rows is a row */
    WR_TRY(join_plain(b, outer, pulled->plan, kind, on, single, location, out));
    return pulled->empties != NULL ? fill_empties(b, pulled, n, m, out) : WEIR_OK;
}

/* Distinct combinations of the outer columns that sub uses. */
static weir_status
make_domain(sql_binder *b, const sql_outers *outers, const wr_plan *outer, wr_plan **out)
{
    wr_plan *copy = wr_plan_copy(b->arena, outer);
    uint32_t *keys = wr_arena_alloc(b->arena, (outers->count + 1) * sizeof *keys);
    if (copy == NULL || keys == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < outers->count; i++)
        keys[i] = i;
    wr_plan *picked = wr_plan_make_pick(b->arena, copy, outers->columns, outers->count);
    *out = picked != NULL
               ? wr_plan_make_aggregate(b->arena, picked, keys, outers->count, NULL, 0, false, -1)
               : NULL;
    return *out != NULL ? WEIR_OK : SQL_NOMEM(b);
}

static weir_status
join_domain(sql_binder *b, const sql_outers *outers, wr_plan *outer, wr_plan *sub,
            wr_join_kind kind, wr_expr *on, bool single, int32_t location, wr_plan **out)
{
    uint32_t m = sub->schema->field_count;
    wr_plan *domain, *pushed;
    uint32_t *keys = wr_arena_alloc(b->arena, 2 * (outers->count + 1) * sizeof *keys);
    if (keys == NULL)
        return SQL_NOMEM(b);
    WR_TRY(make_domain(b, outers, outer, &domain));
    WR_TRY(wr_sql_push_domain(b, outers, domain, sub, &pushed));
    for (uint32_t i = 0; i < outers->count; i++) {
        keys[i] = outers->columns[i];
        keys[outers->count + i] = m + i;
    }
    WR_TRY(join_plain(b, outer, pushed, kind, on, single, location, out));
    (*out)->join.key_count = outers->count;
    (*out)->join.left_keys = keys;
    (*out)->join.right_keys = keys + outers->count;
    (*out)->join.null_equal = true;
    return WEIR_OK;
}

/* EXISTS asks only whether there are rows: what is selected, and in which order, does not matter.
 */
static wr_plan *
strip_for_exists(wr_plan *sub)
{
    for (;;) {
        bool sort = sub->kind == WR_PLAN_SORT && sub->sort.limit > 0 && sub->sort.offset == 0;
        bool distinct = sub->kind == WR_PLAN_AGGREGATE && !sub->aggregate.global &&
                        sub->aggregate.call_count == 0;
        if (!sort && !distinct && sub->kind != WR_PLAN_PROJECT)
            return sub;
        sub = sub->inputs[0];
    }
}

weir_status
wr_sql_apply(sql_binder *b, uint32_t scope, wr_plan *outer, wr_plan *sub, wr_join_kind kind,
             wr_expr *on, bool single, int32_t location, wr_plan **out)
{
    sql_outers outers = { .scope = scope };
    bool exists = (kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI) && on == NULL;
    if (exists)
        sub = strip_for_exists(sub);
    wr_sql_collect_outers(sub, &outers);
    if (outers.overflow)
        return wr_error_at(b->err, WEIR_QUERY_TOO_COMPLEX, location,
                           "the subquery uses more than %d outer columns", WR_SQL_OUTERS_MAX);
    if (outers.count == 0)
        return join_plain(b, outer, sub, kind, on, single, location, out);
    if (can_graft(sub, kind, on)) {
        WR_TRY(graft(b, &outers, outer, sub, kind == WR_JOIN_LEFT, out));
        if (on != NULL && (*out = wr_plan_make_filter(b->arena, *out, on, location)) == NULL)
            return SQL_NOMEM(b);
        return WEIR_OK;
    }
    if (!single && (kind == WR_JOIN_INNER || kind == WR_JOIN_LEFT)) {
        WR_TRY(wr_sql_apply_asof(b, scope, outer, sub, kind, on, location, out));
        if (*out != NULL)
            return WEIR_OK;
    }
    sql_pulled pulled = { 0 };
    bool ok;
    WR_TRY(wr_sql_pull_up(b, scope, sub, exists, &pulled, &ok));
    if (ok && pulled.empties != NULL)
        ok = on == NULL && (kind == WR_JOIN_LEFT || kind == WR_JOIN_INNER);
    if (ok)
        return join_pulled(b, &outers, outer, sub->schema->field_count, kind, on, single, location,
                           &pulled, out);
    return join_domain(b, &outers, outer, sub, kind, on, single, location, out);
}
