/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_over.c -- window functions: f(x) OVER (PARTITION BY ... ORDER BY ... frame).
 *
 * Place       binding collects calls in the query; wr_sql_plan_over makes one OVER of them once FROM,
 *             WHERE and GROUP BY are planned.
 * Invariants  V1  partition and order lists are columns: a project below computes what is not
 */
#include "sql/bind_impl.h"

#include <string.h>

/* PostgreSQL's frame option bits (parsenodes.h). */
enum {
    FRAME_NONDEFAULT = 0x1,
    FRAME_RANGE = 0x2,
    FRAME_ROWS = 0x4,
    FRAME_GROUPS = 0x8,
    FRAME_START_UNBOUNDED_PRECEDING = 0x20,
    FRAME_START_UNBOUNDED_FOLLOWING = 0x80,
    FRAME_END_UNBOUNDED_PRECEDING = 0x40,
    FRAME_END_UNBOUNDED_FOLLOWING = 0x100,
    FRAME_START_PRECEDING = 0x800,
    FRAME_END_PRECEDING = 0x1000,
    FRAME_START_FOLLOWING = 0x2000,
    FRAME_END_FOLLOWING = 0x4000,
    FRAME_EXCLUDE_CURRENT = 0x8000,
    FRAME_EXCLUDE_GROUP = 0x10000,
    FRAME_EXCLUDE_TIES = 0x20000,
};

static const struct {
    const char *name;
    wr_over_function function;
    uint32_t args_min, args_max;
} over_functions[] = {
    { "row_number", WR_OVER_ROW_NUMBER, 0, 0 },
    { "rank", WR_OVER_RANK, 0, 0 },
    { "dense_rank", WR_OVER_DENSE_RANK, 0, 0 },
    { "percent_rank", WR_OVER_PERCENT_RANK, 0, 0 },
    { "cume_dist", WR_OVER_CUME_DIST, 0, 0 },
    { "ntile", WR_OVER_NTILE, 1, 1 },
    { "lag", WR_OVER_LAG, 1, 3 },
    { "lead", WR_OVER_LEAD, 1, 3 },
    { "first_value", WR_OVER_FIRST_VALUE, 1, 1 },
    { "last_value", WR_OVER_LAST_VALUE, 1, 1 },
    { "nth_value", WR_OVER_NTH_VALUE, 2, 2 },
};

/* Result and argument types of a pure window function. */
static weir_status
resolve_pure(sql_query *q, wr_over_call *call, int32_t location)
{
    wr_type common;
    switch (call->function) {
    case WR_OVER_PERCENT_RANK:
    case WR_OVER_CUME_DIST: call->result = WR_TYPE(WR_FLOAT8); return WEIR_OK;
    case WR_OVER_NTILE:
        call->result = WR_TYPE(WR_INT4);
        return wr_sql_cast(q->b, call->args[0], WR_TYPE(WR_INT4), WR_CAST_IMPLICIT, &call->args[0]);
    case WR_OVER_LAG:
    case WR_OVER_LEAD: {
        if (call->arg_count > 1)
            WR_TRY(wr_sql_cast(q->b, call->args[1], WR_TYPE(WR_INT4), WR_CAST_IMPLICIT,
                               &call->args[1]));
        wr_expr *pair[2] = { call->args[0], call->arg_count > 2 ? call->args[2] : call->args[0] };
        WR_TRY(wr_sql_unify(q->b, pair, 2, call->name, location, &common));
        call->args[0] = pair[0];
        if (call->arg_count > 2)
            call->args[2] = pair[1];
        call->result = common;
        return WEIR_OK;
    }
    case WR_OVER_NTH_VALUE:
        WR_TRY(
            wr_sql_cast(q->b, call->args[1], WR_TYPE(WR_INT4), WR_CAST_IMPLICIT, &call->args[1]));
        /* fallthrough */
    case WR_OVER_FIRST_VALUE:
    case WR_OVER_LAST_VALUE:
        if (call->args[0]->type.id == WR_UNKNOWN)
            WR_TRY(wr_sql_cast(q->b, call->args[0], WR_TYPE(WR_TEXT), WR_CAST_IMPLICIT,
                               &call->args[0]));
        call->result = call->args[0]->type;
        return WEIR_OK;
    default: call->result = WR_TYPE(WR_INT8); return WEIR_OK;
    }
}

static weir_status
bind_function(sql_query *q, const PgQuery__FuncCall *f, wr_over_call *call)
{
    call->name = wr_sql_last_name(f->funcname, f->n_funcname);
    call->location = f->location;
    for (uint32_t i = 0; i < WR_COUNT(over_functions); i++) {
        if (strcmp(over_functions[i].name, call->name) != 0)
            continue;
        call->function = over_functions[i].function;
        call->arg_count = (uint32_t)f->n_args;
        if (call->arg_count < over_functions[i].args_min ||
            call->arg_count > over_functions[i].args_max)
            return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, f->location,
                               "window function %s does not take %u arguments", call->name,
                               call->arg_count);
        if (f->agg_filter != NULL || f->agg_distinct)
            return wr_sql_unsupported(q->b, f->location,
                                      "FILTER or DISTINCT for a function that is no aggregate is");
        for (uint32_t a = 0; a < call->arg_count; a++)
            WR_TRY(wr_bind_expr(q, f->args[a], &call->args[a]));
        return resolve_pure(q, call, f->location);
    }
    if (!wr_aggregate_exists(call->name))
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, f->location,
                           "%s is not a window function or an aggregate", call->name);
    if (f->agg_distinct)
        return wr_sql_unsupported(q->b, f->location, "DISTINCT in a window function is");
    if (f->agg_within_group || f->n_agg_order > 0)
        return wr_sql_unsupported(q->b, f->location, "ORDER BY inside a window function is");
    wr_agg_call parts;
    WR_TRY(wr_bind_over_aggregate(q, f, &parts));
    call->function = WR_OVER_AGGREGATE;
    call->aggregate = parts.aggregate;
    call->result = parts.result;
    call->arg_count = parts.arg_count;
    memcpy(call->args, parts.args, sizeof call->args);
    call->filter = parts.filter;
    return WEIR_OK;
}

/* The definition of the name among the first `count` of the WINDOW clause. */
static const PgQuery__WindowDef *
find_window(const sql_query *q, const char *name, uint32_t count, uint32_t *at)
{
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(q->windows[i]->name, name) == 0) {
            *at = i;
            return q->windows[i];
        }
    return NULL;
}

/* What a definition and those it builds upon say together. */
typedef struct window_parts {
    const PgQuery__WindowDef *partition, *order, *frame;
} window_parts;

/* OVER (base ...), WINDOW w AS (base ...): base may not be overridden, nor have a frame. */
static weir_status
resolve_window(sql_query *q, const PgQuery__WindowDef *w, uint32_t visible, window_parts *out)
{
    uint32_t at = 0;
    *out = (window_parts){ w, w, w };
    if (w->refname[0] == '\0')
        return WEIR_OK;
    const PgQuery__WindowDef *base = find_window(q, w->refname, visible, &at);
    if (base == NULL)
        return wr_error_at(q->b->err, WEIR_QUERY, w->location, "window \"%s\" does not exist",
                           w->refname);
    window_parts below;
    WR_TRY(resolve_window(q, base, at, &below));
    if (w->n_partition_clause > 0)
        return wr_error_at(q->b->err, WEIR_QUERY, w->location,
                           "cannot override PARTITION BY clause of window \"%s\"", w->refname);
    if (w->n_order_clause > 0 && below.order->n_order_clause > 0)
        return wr_error_at(q->b->err, WEIR_QUERY, w->location,
                           "cannot override ORDER BY clause of window \"%s\"", w->refname);
    if ((base->frame_options & FRAME_NONDEFAULT) != 0)
        return wr_error_at(q->b->err, WEIR_QUERY, w->location,
                           "cannot copy window \"%s\" because it has a frame clause", w->refname);
    out->partition = below.partition;
    if (w->n_order_clause == 0)
        out->order = below.order;
    return WEIR_OK;
}

weir_status
wr_sql_check_windows(sql_query *q)
{
    for (uint32_t i = 0; i < q->window_count; i++) {
        uint32_t at;
        window_parts parts;
        if (find_window(q, q->windows[i]->name, i, &at) != NULL)
            return wr_error_at(q->b->err, WEIR_QUERY, q->windows[i]->location,
                               "window \"%s\" is already defined", q->windows[i]->name);
        WR_TRY(resolve_window(q, q->windows[i], i, &parts));
    }
    return WEIR_OK;
}

static weir_status
bind_order_list(sql_query *q, tree_node *const *nodes, uint32_t count, sql_order **out)
{
    sql_order *order = wr_arena_calloc(q->b->arena, count + 1, sizeof *order);
    if (order == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < count; i++) {
        const PgQuery__SortBy *by = nodes[i]->sort_by;
        WR_TRY(wr_bind_typed(q, by->node, &order[i].expr));
        WR_TRY(wr_sql_sort_direction(q->b, by, &order[i].descending, &order[i].nulls_first));
    }
    *out = order;
    return WEIR_OK;
}

/* RANGE offsets must suit the one ORDER BY column: interval for times, the same kind of number
 * else. */
static weir_status
bind_offset(sql_query *q, const struct sql_over *over, const tree_node *node, wr_value *out)
{
    const wr_over_call *call = &over->call;
    wr_type type = WR_TYPE(WR_INT8);
    if (call->mode == WR_FRAME_RANGE) {
        if (over->order_count != 1)
            return wr_error_at(
                q->b->err, WEIR_QUERY, wr_sql_location(node),
                "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY "
                "column");
        wr_type column = over->order[0].expr->type;
        if (wr_type_is_time(column) || column.id == WR_TIME || column.id == WR_INTERVAL)
            type = WR_TYPE(WR_INTERVAL);
        else if (column.id == WR_NUMERIC || column.id == WR_FLOAT8 || column.id == WR_FLOAT4)
            type = column.id == WR_NUMERIC ? WR_TYPE(WR_NUMERIC) : WR_TYPE(WR_FLOAT8);
        else if (!wr_type_is_integer(column))
            return wr_error_at(
                q->b->err, WEIR_QUERY_TYPE, wr_sql_location(node),
                "RANGE with offset PRECEDING/FOLLOWING is not supported for column type "
                "%s",
                wr_type_name(column));
    }
    const char *clause = q->clause;
    q->clause = call->mode == WR_FRAME_RANGE  ? "RANGE"
                : call->mode == WR_FRAME_ROWS ? "ROWS"
                                              : "GROUPS";
    WR_TRY(wr_bind_constant(q, node, type, out));
    q->clause = clause;
    if (out->is_null)
        return wr_error_at(q->b->err, WEIR_QUERY, wr_sql_location(node),
                           "frame offset must not be null");
    wr_value zero = *out;
    if (wr_type_is_integer(type))
        zero.integer = 0;
    else if (type.id == WR_FLOAT8)
        zero.real = 0;
    else if (type.id == WR_INTERVAL)
        zero.interval = (wr_interval){ 0, 0, 0 };
    else
        WR_TRY(wr_sql_place(q->b, wr_value_parse(type, "0", 1, q->b->arena, &zero, q->b->err),
                            wr_sql_location(node)));
    if (wr_value_compare(out, &zero) < 0)
        return wr_error_at(q->b->err, WEIR_QUERY, wr_sql_location(node),
                           "frame offset must not be negative");
    return WEIR_OK;
}

static weir_status
bind_frame(sql_query *q, const PgQuery__WindowDef *w, struct sql_over *over)
{
    wr_over_call *call = &over->call;
    int32_t f = w->frame_options;
    call->mode = (f & FRAME_ROWS) != 0     ? WR_FRAME_ROWS
                 : (f & FRAME_GROUPS) != 0 ? WR_FRAME_GROUPS
                                           : WR_FRAME_RANGE;
    call->exclude = (f & FRAME_EXCLUDE_CURRENT) != 0 ? WR_EXCLUDE_CURRENT_ROW
                    : (f & FRAME_EXCLUDE_GROUP) != 0 ? WR_EXCLUDE_GROUP
                    : (f & FRAME_EXCLUDE_TIES) != 0  ? WR_EXCLUDE_TIES
                                                     : WR_EXCLUDE_NOTHING;
    if (call->mode == WR_FRAME_GROUPS && over->order_count == 0)
        return wr_error_at(q->b->err, WEIR_QUERY, w->location,
                           "GROUPS mode requires an ORDER BY clause");
    wr_value here = wr_value_null(WR_TYPE(WR_INT8));
    call->start = (wr_frame_end){ .unbounded = (f & FRAME_START_UNBOUNDED_PRECEDING) != 0,
                                  .following = (f & FRAME_START_FOLLOWING) != 0,
                                  .offset = here };
    call->end =
        (wr_frame_end){ .unbounded = (f & FRAME_END_UNBOUNDED_FOLLOWING) != 0,
                        .following =
                            (f & (FRAME_END_FOLLOWING | FRAME_END_UNBOUNDED_FOLLOWING)) != 0,
                        .offset = here };
    if ((f & (FRAME_START_PRECEDING | FRAME_START_FOLLOWING)) != 0)
        WR_TRY(bind_offset(q, over, w->start_offset, &call->start.offset));
    if ((f & (FRAME_END_PRECEDING | FRAME_END_FOLLOWING)) != 0)
        WR_TRY(bind_offset(q, over, w->end_offset, &call->end.offset));
    return WEIR_OK;
}

/* OVER w, OVER (w ...), OVER (...). */
static weir_status
bind_definition(sql_query *q, const PgQuery__WindowDef *w, struct sql_over *over)
{
    window_parts parts;
    uint32_t at = 0;
    if (w->name[0] != '\0') {
        const PgQuery__WindowDef *named = find_window(q, w->name, q->window_count, &at);
        if (named == NULL)
            return wr_error_at(q->b->err, WEIR_QUERY, w->location, "window \"%s\" does not exist",
                               w->name);
        WR_TRY(resolve_window(q, named, at, &parts));
    } else {
        WR_TRY(resolve_window(q, w, q->window_count, &parts));
    }
    over->partition_count = (uint32_t)parts.partition->n_partition_clause;
    over->order_count = (uint32_t)parts.order->n_order_clause;
    WR_TRY(wr_bind_list(q, parts.partition->partition_clause, over->partition_count,
                        &over->partition));
    for (uint32_t i = 0; i < over->partition_count; i++)
        if (over->partition[i]->type.id == WR_UNKNOWN)
            WR_TRY(wr_sql_cast(q->b, over->partition[i], WR_TYPE(WR_TEXT), WR_CAST_IMPLICIT,
                               &over->partition[i]));
    WR_TRY(bind_order_list(q, parts.order->order_clause, over->order_count, &over->order));
    return bind_frame(q, parts.frame, over);
}

weir_status
wr_bind_over_call(sql_query *q, const PgQuery__FuncCall *f, wr_expr **out)
{
    struct sql_over over = { 0 };
    if (!q->can_over || q->in_over) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY, f->location,
                                         q->in_over ? "window function calls cannot be nested"
                                                    : "window functions are not allowed in %s",
                                         q->clause);
        wr_error_hint(q->b->err, "compute it in a sub-select and use its column");
        return status;
    }
    WR_TRY(wr_sql_count(q->b, &q->b->window_count, WR_SQL_WINDOWS_MAX, "windows", f->location));
    bool can_unnest = q->can_unnest;
    q->in_over = true;
    q->can_unnest = false;
    WR_TRY(bind_function(q, f, &over.call));
    WR_TRY(bind_definition(q, f->over, &over));
    q->in_over = false;
    q->can_unnest = can_unnest;
    if (!SQL_PUSH(q->b, q->overs, q->over_count, q->over_capacity))
        return SQL_NOMEM(q->b);
    q->overs[q->over_count] = over;
    *out = wr_expr_column(q->b->arena, WR_SQL_OVER + q->over_count++, over.call.result);
    if (*out == NULL)
        return SQL_NOMEM(q->b);
    (*out)->location = f->location;
    return WEIR_OK;
}

/* --- planning --- */

/* Columns of the plan below, and expressions a project must add after them. */
typedef struct extra_columns {
    sql_binder *b;
    wr_plan *plan;
    wr_expr **exprs;
    uint32_t count, capacity;
} extra_columns;

static weir_status
column_of(extra_columns *extra, wr_expr *expr, uint32_t *column)
{
    uint32_t base = extra->plan->schema->field_count;
    if (expr->kind == WR_EXPR_COLUMN && expr->column < base) {
        *column = expr->column;
        return WEIR_OK;
    }
    for (uint32_t i = 0; i < extra->count; i++)
        if (wr_expr_equal(extra->exprs[i], expr)) {
            *column = base + i;
            return WEIR_OK;
        }
    if (!SQL_PUSH(extra->b, extra->exprs, extra->count, extra->capacity))
        return SQL_NOMEM(extra->b);
    extra->exprs[extra->count] = expr;
    *column = base + extra->count++;
    return WEIR_OK;
}

static weir_status
plan_lists(extra_columns *extra, struct sql_over *over)
{
    wr_over_call *call = &over->call;
    call->partition_count = over->partition_count;
    call->order_count = over->order_count;
    call->partition = wr_arena_calloc(extra->b->arena, over->partition_count + 1, sizeof(uint32_t));
    call->order = wr_arena_calloc(extra->b->arena, over->order_count + 1, sizeof(wr_sort_key));
    if (call->partition == NULL || call->order == NULL)
        return SQL_NOMEM(extra->b);
    for (uint32_t i = 0; i < over->partition_count; i++)
        WR_TRY(column_of(extra, over->partition[i], &call->partition[i]));
    for (uint32_t i = 0; i < over->order_count; i++) {
        call->order[i].descending = over->order[i].descending;
        call->order[i].nulls_first = over->order[i].nulls_first;
        WR_TRY(column_of(extra, over->order[i].expr, &call->order[i].column));
    }
    return WEIR_OK;
}

/* The plan's columns, then the extra expressions. */
static weir_status
project_extra(extra_columns *extra)
{
    uint32_t base = extra->plan->schema->field_count, n = base + extra->count;
    wr_expr **exprs = wr_arena_alloc(extra->b->arena, (n + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(extra->b->arena, (n + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(extra->b);
    for (uint32_t i = 0; i < n; i++) {
        const wr_field *field = i < base ? &extra->plan->schema->fields[i] : NULL;
        names[i] = field != NULL ? field->name : "?column?";
        exprs[i] = field != NULL ? wr_expr_column(extra->b->arena, i, field->type)
                                 : extra->exprs[i - base];
        if (exprs[i] == NULL)
            return SQL_NOMEM(extra->b);
    }
    extra->plan = wr_plan_make_project(extra->b->arena, extra->plan, exprs, names, n, -1);
    return extra->plan != NULL ? WEIR_OK : SQL_NOMEM(extra->b);
}

weir_status
wr_sql_plan_over(sql_query *q, wr_plan **plan, uint32_t *first)
{
    extra_columns extra = { .b = q->b, .plan = *plan };
    wr_over_call *calls = wr_arena_calloc(q->b->arena, q->over_count + 1, sizeof *calls);
    if (calls == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < q->over_count; i++) {
        WR_TRY(plan_lists(&extra, &q->overs[i]));
        calls[i] = q->overs[i].call;
    }
    if (extra.count > 0)
        WR_TRY(project_extra(&extra));
    *first = extra.plan->schema->field_count;
    *plan = wr_plan_make_over(q->b->arena, extra.plan, calls, q->over_count, calls[0].location);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}
