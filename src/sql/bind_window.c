/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_window.c -- tumble, hop, cumulate, session: in FROM over a relation, or in GROUP BY over
 * time.
 *
 *     FROM tumble(bids, ts, interval '10 seconds')      (also tumble((SELECT ...), ts, ...))
 *     GROUP BY tumble(ts, interval '10 seconds'), k     (window_start and window_end become
 * columns)
 *
 * Invariants  W1  slide <= size, both positive, no months: what is refused here never runs
 */
#include "sql/bind_impl.h"

#include "data/datetime.h"

#include <string.h>

typedef struct window_kind {
    const char *name;
    wr_window_kind kind;
    const char *intervals[4]; /* names of the interval arguments, in order; the last is optional */
} window_kind;

static const window_kind kinds[] = {
    { "tumble", WR_WINDOW_TUMBLE, { "size", "offset" } },
    { "hop", WR_WINDOW_HOP, { "slide", "size", "offset" } },
    { "cumulate", WR_WINDOW_CUMULATE, { "step", "size", "offset" } },
    { "session", WR_WINDOW_SESSION, { "gap" } },
};

static const window_kind *
find_kind(const char *name)
{
    for (uint32_t i = 0; i < WR_COUNT(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}

bool
wr_sql_is_window_function(const char *name)
{
    return find_kind(name) != NULL;
}

static const char *
usage(const window_kind *kind)
{
    switch (kind->kind) {
    case WR_WINDOW_TUMBLE: return "tumble(relation, time column, size [, offset])";
    case WR_WINDOW_HOP:
        return "hop(relation, time column, slide, size [, offset]): slide before size";
    case WR_WINDOW_CUMULATE: return "cumulate(relation, time column, step, size [, offset])";
    default: return "session(relation, time column, gap [, key ...])";
    }
}

static weir_status
window_error(sql_binder *b, const window_kind *kind, int32_t location, const char *what)
{
    weir_status status =
        wr_error_at(b->err, WEIR_QUERY_WINDOW, location, "%s: %s", kind->name, what);
    wr_error_hint(b->err, "%s", usage(kind));
    return status;
}

static weir_status
length_error(sql_query *q, const tree_node *node, const char *what, const char *hint,
             const char *problem)
{
    weir_status status = wr_error_at(q->b->err, WEIR_QUERY_WINDOW, wr_sql_location(node), "%s: %s",
                                     what, problem);
    wr_error_hint(q->b->err, "%s", hint);
    return status;
}

weir_status
wr_bind_length(sql_query *q, const tree_node *node, const char *what, const char *hint, int64_t *us)
{
    wr_value value;
    const char *clause = q->clause;
    q->clause = what;
    WR_TRY(wr_bind_constant(q, node, WR_TYPE(WR_INTERVAL), &value));
    q->clause = clause;
    if (value.is_null)
        return length_error(q, node, what, hint, "a length may not be NULL");
    if (value.interval.months != 0)
        return length_error(q, node, what, "say it in days: interval '30 days'",
                            "months have no fixed length");
    int64_t days;
    if (__builtin_mul_overflow((int64_t)value.interval.days, WR_US_PER_DAY, &days) ||
        __builtin_add_overflow(days, value.interval.us, us))
        return length_error(q, node, what, hint, "the length is out of range");
    return WEIR_OK;
}

typedef struct window_args {
    const tree_node *relation, *time;
    const tree_node *intervals[4];
    uint32_t interval_count;
    tree_node *const *keys;
    uint32_t key_count;
} window_args;

static weir_status
take_named(sql_query *q, const window_kind *kind, const PgQuery__NamedArgExpr *arg,
           window_args *args)
{
    for (uint32_t i = 0; i < 4 && kind->intervals[i] != NULL; i++)
        if (strcmp(arg->name, kind->intervals[i]) == 0 ||
            (kind->kind == WR_WINDOW_CUMULATE && i == 1 && strcmp(arg->name, "max") == 0)) {
            args->intervals[i] = arg->arg;
            args->interval_count = WR_MAX(args->interval_count, i + 1);
            return WEIR_OK;
        }
    if (kind->kind == WR_WINDOW_SESSION && strcmp(arg->name, "partition_by") == 0) {
        tree_node **key = wr_arena_alloc(q->b->arena, sizeof *key);
        if (key == NULL)
            return SQL_NOMEM(q->b);
        key[0] = arg->arg;
        args->keys = key;
        args->key_count = 1;
        return WEIR_OK;
    }
    weir_status status = wr_error_at(q->b->err, WEIR_QUERY_WINDOW, arg->location,
                                     "%s has no argument \"%s\"", kind->name, arg->name);
    wr_error_hint(q->b->err, "%s", usage(kind));
    return status;
}

/* Sort the arguments: `lead` of them (relation, time) come first. */
static weir_status
take_args(sql_query *q, const window_kind *kind, const PgQuery__FuncCall *call, bool has_relation,
          window_args *args)
{
    uint32_t lead = has_relation ? 2 : 1, at = 0;
    memset(args, 0, sizeof *args);
    if (call->n_args < lead)
        return window_error(q->b, kind, call->location, "an argument is missing");
    if (has_relation)
        args->relation = call->args[at++];
    args->time = call->args[at++];
    for (; at < call->n_args; at++) {
        const tree_node *arg = call->args[at];
        if (arg->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR) {
            WR_TRY(take_named(q, kind, arg->named_arg_expr, args));
        } else if (kind->kind == WR_WINDOW_SESSION && args->interval_count == 1) {
            args->keys = call->args + at;
            args->key_count = (uint32_t)(call->n_args - at);
            break;
        } else {
            if (args->interval_count == 4 || kind->intervals[args->interval_count] == NULL)
                return window_error(q->b, kind, wr_sql_location(arg), "too many arguments");
            args->intervals[args->interval_count++] = arg;
        }
    }
    for (uint32_t i = 0; i < 4 && kind->intervals[i] != NULL; i++)
        if (args->intervals[i] == NULL && strcmp(kind->intervals[i], "offset") != 0) {
            weir_status status =
                wr_error_at(q->b->err, WEIR_QUERY_WINDOW, call->location, "%s: \"%s\" is missing",
                            kind->name, kind->intervals[i]);
            wr_error_hint(q->b->err, "%s", usage(kind));
            return status;
        }
    return WEIR_OK;
}

static weir_status
make_spec(sql_query *q, const window_kind *kind, const window_args *args, int32_t location,
          wr_window_spec *spec)
{
    int64_t lengths[4] = { 0 };
    for (uint32_t i = 0; i < 4; i++)
        if (args->intervals[i] != NULL)
            WR_TRY(wr_bind_length(q, args->intervals[i], kind->name, usage(kind), &lengths[i]));
    *spec = (wr_window_spec){ .kind = kind->kind, .watermark_offset = WR_NO_WATERMARK };
    bool stepped = kind->kind == WR_WINDOW_HOP || kind->kind == WR_WINDOW_CUMULATE;
    spec->size = lengths[stepped ? 1 : 0];
    spec->slide = lengths[0];
    spec->offset = kind->kind == WR_WINDOW_SESSION ? 0 : lengths[stepped ? 2 : 1];
    weir_status status = wr_window_check(spec, q->b->err);
    if (status != WEIR_OK && q->b->err->hint[0] == '\0')
        wr_error_hint(q->b->err, "%s", usage(kind));
    return wr_sql_place(q->b, status, location);
}

/* DESCRIPTOR(ts) is ts. */
static const tree_node *
plain_time(const tree_node *node)
{
    bool is_descriptor =
        node->node_case == PG_QUERY__NODE__NODE_FUNC_CALL && node->func_call->n_args == 1 &&
        strcmp(wr_sql_last_name(node->func_call->funcname, node->func_call->n_funcname),
               "descriptor") == 0;
    return is_descriptor ? node->func_call->args[0] : node;
}

weir_status
wr_bind_column_for(sql_query *q, sql_scope *scope, wr_expr *expr, uint32_t *column)
{
    sql_binder *b = q->b;
    uint32_t base = scope->plan->schema->field_count;
    if (expr->kind == WR_EXPR_COLUMN && expr->column < base) {
        *column = expr->column;
        return WEIR_OK;
    }
    wr_expr **exprs = wr_arena_alloc(b->arena, (base + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(b->arena, (base + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < base; i++) {
        exprs[i] = wr_expr_column(b->arena, i, scope->plan->schema->fields[i].type);
        names[i] = scope->plan->schema->fields[i].name;
        if (exprs[i] == NULL)
            return SQL_NOMEM(b);
    }
    exprs[base] = expr;
    names[base] = "?column?";
    *column = base;
    const wr_schema *input = scope->plan->schema;
    scope->plan = wr_plan_make_project(b->arena, scope->plan, exprs, names, base + 1, -1);
    if (scope->plan == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i <= base; i++)
        scope->plan->schema->fields[i].hidden = i == base || input->fields[i].hidden; /* not in `*` */
    return WEIR_OK;
}

weir_status
wr_bind_without_computed(sql_query *q, wr_plan **plan, uint32_t width, uint32_t added)
{
    const wr_schema *all = (*plan)->schema;
    uint32_t kept = width + added;
    if (all->field_count == kept)
        return WEIR_OK;
    uint32_t *columns = wr_arena_alloc(q->b->arena, kept * sizeof *columns);
    if (columns == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < kept; i++)
        columns[i] = i < width ? i : all->field_count - kept + i;
    *plan = wr_plan_make_pick(q->b->arena, *plan, columns, kept);
    if (*plan == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < width; i++)
        (*plan)->schema->fields[i].hidden = all->fields[i].hidden;
    return WEIR_OK;
}

/* The WINDOW over scope's plan. */
static weir_status
plan_window(sql_query *q, const window_kind *kind, const window_args *args, sql_scope *scope,
            int32_t location)
{
    wr_window_spec spec;
    wr_expr *time;
    sql_query inner = { .b = q->b, .scope = scope, .clause = kind->name };
    uint32_t *keys = wr_arena_alloc(q->b->arena, (args->key_count + 1) * sizeof *keys);
    if (keys == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(make_spec(q, kind, args, location, &spec));
    WR_TRY(wr_bind_expr(&inner, plain_time(args->time), &time));
    if (!wr_type_is_time(time->type)) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_WINDOW, wr_sql_location(args->time),
                                         "%s needs a date or timestamp, not type %s", kind->name,
                                         wr_type_name(time->type));
        wr_error_hint(q->b->err, "%s", usage(kind));
        return status;
    }
    WR_TRY(wr_bind_column_for(q, scope, time, &spec.time_column));
    for (uint32_t i = 0; i < args->key_count; i++) {
        wr_expr *key;
        WR_TRY(wr_bind_typed(&inner, args->keys[i], &key));
        WR_TRY(wr_bind_column_for(q, scope, key, &keys[i]));
    }
    scope->plan =
        wr_plan_make_window(q->b->arena, scope->plan, &spec, keys, args->key_count, location);
    return scope->plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_bind_table_argument(sql_query *q, const tree_node *arg, sql_scope *up, wr_plan **plan,
                       const char **name)
{
    *name = NULL;
    *plan = NULL;
    if (arg->node_case == PG_QUERY__NODE__NODE_SUB_LINK &&
        arg->sub_link->sub_link_type == PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK &&
        arg->sub_link->subselect->node_case == PG_QUERY__NODE__NODE_SELECT_STMT)
        return wr_bind_select(q->b, arg->sub_link->subselect->select_stmt, up, false, plan);
    if (arg->node_case != PG_QUERY__NODE__NODE_COLUMN_REF || arg->column_ref->n_fields > 2)
        return WEIR_OK;
    const PgQuery__ColumnRef *ref = arg->column_ref;
    for (size_t i = 0; i < ref->n_fields; i++)
        if (ref->fields[i]->node_case != PG_QUERY__NODE__NODE_STRING)
            return WEIR_OK;
    *name = ref->fields[ref->n_fields - 1]->string->sval;
    return wr_bind_relation(q, ref->n_fields == 2 ? ref->fields[0]->string->sval : "", *name,
                            ref->location, plan);
}

/* The relation a window function reads. */
static weir_status
bind_input(sql_query *q, const window_kind *kind, const tree_node *arg, sql_scope *up,
           wr_plan **plan, const char **name)
{
    WR_TRY(wr_bind_table_argument(q, arg, up, plan, name));
    if (*plan == NULL)
        return window_error(q->b, kind, wr_sql_location(arg), "the first argument is a relation");
    return WEIR_OK;
}

weir_status
wr_bind_window(sql_query *q, const PgQuery__FuncCall *call, sql_scope *up, wr_plan **plan,
               const char **relation)
{
    const window_kind *kind = find_kind(wr_sql_last_name(call->funcname, call->n_funcname));
    window_args args;
    WR_TRY(wr_sql_count(q->b, &q->b->window_count, WR_SQL_WINDOWS_MAX, "windows", call->location));
    WR_TRY(take_args(q, kind, call, true, &args));
    sql_scope *scope = wr_sql_scope_create(q->b, up);
    if (scope == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(bind_input(q, kind, args.relation, up, &scope->plan, relation));
    uint32_t width = scope->plan->schema->field_count;
    WR_TRY(wr_sql_scope_add_range(q->b, scope, *relation, NULL, call->location));
    WR_TRY(wr_sql_scope_add_columns(q->b, scope, scope->plan->schema, 0));
    WR_TRY(plan_window(q, kind, &args, scope, call->location));
    *plan = scope->plan;
    return wr_bind_without_computed(q, plan, width, 2);
}

weir_status
wr_bind_group_window(sql_query *q, const PgQuery__FuncCall *call)
{
    const window_kind *kind = find_kind(wr_sql_last_name(call->funcname, call->n_funcname));
    window_args args;
    WR_TRY(take_args(q, kind, call, false, &args));
    WR_TRY(plan_window(q, kind, &args, q->scope, call->location));
    uint32_t n = q->scope->plan->schema->field_count;
    WR_TRY(wr_sql_scope_add_range(q->b, q->scope, NULL, NULL, call->location));
    WR_TRY(wr_sql_scope_add_columns(q->b, q->scope, q->scope->plan->schema, n - 2));
    for (uint32_t i = 1; i <= 2; i++)
        q->scope->columns[q->scope->column_count - i].hidden = true;
    return WEIR_OK;
}
