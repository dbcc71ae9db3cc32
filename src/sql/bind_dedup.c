/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_dedup.c -- dedup in FROM: the first row of each key within a span of event time.
 *
 *     FROM dedup(clicks, user_id, interval '10 minutes')
 *     FROM dedup((SELECT ...), k, j, span => interval '1 hour', event_time => ts)
 *
 * Invariants  D1  the time is the column that has the relation's watermark, unless event_time => says
 *                 which
 *             D2  the columns are the relation's: what was computed for keys alone is left out
 */
#include "sql/bind_impl.h"

#include <string.h>

static const char usage[] =
    "dedup(relation, key [, key ...], interval '10 minutes' [, event_time => ts])";

typedef struct dedup_args {
    tree_node *const *keys;
    uint32_t key_count;
    const tree_node *span, *time;
} dedup_args;

static weir_status
refuse(sql_query *q, int32_t location, const char *what)
{
    weir_status status = wr_error_at(q->b->err, WEIR_QUERY_WINDOW, location, "dedup: %s", what);
    wr_error_hint(q->b->err, "%s", usage);
    return status;
}

static weir_status
take_named(sql_query *q, const PgQuery__NamedArgExpr *arg, dedup_args *args)
{
    bool is_span = strcmp(arg->name, "span") == 0;
    const tree_node **slot = is_span ? &args->span : &args->time;
    if (!is_span && strcmp(arg->name, "event_time") != 0)
        return refuse(q, arg->location, "there are the arguments \"span\" and \"event_time\"");
    if (*slot != NULL)
        return refuse(q, arg->location, "an argument is given twice");
    *slot = arg->arg;
    return WEIR_OK;
}

static weir_status
take_args(sql_query *q, const PgQuery__FuncCall *call, dedup_args *args)
{
    size_t plain = call->n_args;
    *args = (dedup_args){ 0 };
    while (plain > 0 && call->args[plain - 1]->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR)
        WR_TRY(take_named(q, call->args[--plain]->named_arg_expr, args));
    if (plain > 1 && args->span == NULL)
        args->span = call->args[--plain];
    if (args->span == NULL)
        return refuse(q, call->location, "the span is missing");
    if (plain < 2)
        return refuse(q, call->location, "a key is missing");
    args->keys = call->args + 1;
    args->key_count = (uint32_t)(plain - 1);
    return WEIR_OK;
}

/* D1: where the column with the watermark stands among the plan's; -1: not known. */
static int32_t
time_of(const wr_plan *plan)
{
    int32_t below = plan->input_count == 1 ? time_of(plan->inputs[0]) : -1;
    switch (plan->kind) {
    case WR_PLAN_SCAN:
        for (uint32_t i = 0; i < plan->scan.column_count; i++)
            if ((int32_t)plan->scan.columns[i] == plan->scan.relation->schema->time_column)
                return (int32_t)i;
        return -1;
    case WR_PLAN_PROJECT:
        for (uint32_t i = 0; below >= 0 && i < plan->schema->field_count; i++)
            if (plan->project.exprs[i]->kind == WR_EXPR_COLUMN &&
                plan->project.exprs[i]->column == (uint32_t)below)
                return (int32_t)i;
        return -1;
    case WR_PLAN_FILTER:
    case WR_PLAN_WINDOW:
    case WR_PLAN_DEDUP:
    case WR_PLAN_UNNEST: return below;
    default: return -1;
    }
}

static weir_status
bind_time(sql_query *q, sql_query *inner, const dedup_args *args, int32_t location,
          uint32_t *column)
{
    wr_expr *time;
    if (args->time == NULL) {
        int32_t found = time_of(inner->scope->plan);
        if (found < 0)
            return refuse(q, location,
                          "the relation has no watermark: say which column is the time");
        *column = (uint32_t)found;
        return WEIR_OK;
    }
    WR_TRY(wr_bind_expr(inner, args->time, &time));
    if (!wr_type_is_time(time->type))
        return refuse(q, wr_sql_location(args->time), "the time is a date or timestamp");
    return wr_bind_column_for(q, inner->scope, time, column);
}

static weir_status
bind_keys(sql_query *q, sql_query *inner, const dedup_args *args, uint32_t time, uint32_t *keys)
{
    for (uint32_t i = 0; i < args->key_count; i++) {
        wr_expr *key;
        if (args->keys[i]->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR)
            return refuse(q, wr_sql_location(args->keys[i]), "named arguments stand last");
        WR_TRY(wr_bind_typed(inner, args->keys[i], &key));
        WR_TRY(wr_bind_column_for(q, inner->scope, key, &keys[i]));
        if (keys[i] == time)
            return refuse(q, wr_sql_location(args->keys[i]),
                          "the time is not part of the key: it is known from the watermark");
    }
    return WEIR_OK;
}

weir_status
wr_bind_dedup(sql_query *q, const PgQuery__FuncCall *call, sql_scope *up, wr_plan **plan,
              const char **relation)
{
    dedup_args args;
    int64_t span;
    uint32_t time;
    WR_TRY(wr_sql_count(q->b, &q->b->window_count, WR_SQL_WINDOWS_MAX, "windows", call->location));
    WR_TRY(take_args(q, call, &args));
    WR_TRY(wr_bind_length(q, args.span, "dedup", usage, &span));
    if (span <= 0)
        return refuse(q, wr_sql_location(args.span), "the span is above zero");
    sql_scope *scope = wr_sql_scope_create(q->b, up);
    uint32_t *keys = wr_arena_alloc(q->b->arena, (args.key_count + 1) * sizeof *keys);
    if (scope == NULL || keys == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_bind_table_argument(q, call->args[0], up, &scope->plan, relation));
    if (scope->plan == NULL)
        return refuse(q, wr_sql_location(call->args[0]), "the first argument is a relation");
    uint32_t width = scope->plan->schema->field_count;
    WR_TRY(wr_sql_scope_add_range(q->b, scope, *relation, NULL, call->location));
    WR_TRY(wr_sql_scope_add_columns(q->b, scope, scope->plan->schema, 0));
    sql_query inner = { .b = q->b, .scope = scope, .clause = "dedup" };
    WR_TRY(bind_time(q, &inner, &args, call->location, &time));
    WR_TRY(bind_keys(q, &inner, &args, time, keys));
    *plan = wr_plan_make_dedup(q->b->arena, scope->plan, keys, args.key_count, time, span,
                               call->location);
    if (*plan == NULL)
        return SQL_NOMEM(q->b);
    return wr_bind_without_computed(q, plan, width, 0); /* D2 */
}
