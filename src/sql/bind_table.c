/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_table.c -- functions in FROM: windows, sets (generate_series, unnest, ...), single
 * values.
 *
 * Invariants  T1  a function in FROM may refer to the items on its left, as PostgreSQL has it
 */
#include "sql/bind_impl.h"

#include <string.h>

/* Spellings of other systems, and what to write. */
static const struct {
    const char *name, *hint;
} foreign_tables[] = {
    { "as_of", "the past of a relation cannot be asked for" },
    { "count_window",
      "number the rows: row_number() OVER (PARTITION BY k ORDER BY ts) AS n, then GROUP BY k, (n - 1) / 100" },
    { "match_recognize", "use window functions: lag, lead" },
    { "match", "use window functions: lag, lead" },
};

static weir_status
refuse_foreign(sql_query *q, const PgQuery__FuncCall *call, const char *name)
{
    for (uint32_t i = 0; i < WR_COUNT(foreign_tables); i++)
        if (strcmp(foreign_tables[i].name, name) == 0) {
            weir_status status = wr_error_at(q->b->err, WEIR_QUERY_UNSUPPORTED, call->location,
                                             "%s in FROM is not supported", name);
            wr_error_hint(q->b->err, "%s", foreign_tables[i].hint);
            return status;
        }
    return WEIR_OK;
}

typedef struct table_parts {
    wr_expr **sets; /* for UNNEST */
    wr_type *types;
    const char **names;
    uint32_t count, capacity, type_capacity, name_capacity;
    wr_expr *value; /* a plain function: one row of one value */
    const char *name;
} table_parts;

static weir_status
add_set(sql_query *q, table_parts *t, wr_expr *set, wr_type type, const char *name)
{
    uint32_t at = t->count;
    if (!SQL_PUSH(q->b, t->sets, at, t->capacity) ||
        !SQL_PUSH(q->b, t->types, at, t->type_capacity) ||
        !SQL_PUSH(q->b, t->names, at, t->name_capacity))
        return SQL_NOMEM(q->b);
    t->names[at] = name;
    t->sets[at] = set;
    t->types[at] = type;
    t->count++;
    return WEIR_OK;
}

/* jsonb_each(x): two sets side by side, key and value. */
static weir_status
bind_each(sql_query *q, const PgQuery__FuncCall *call, table_parts *t)
{
    wr_expr **args, *keys, *values;
    bool text = strstr(t->name, "_text") != NULL;
    bool binary = strncmp(t->name, "jsonb", 5) == 0;
    if (call->n_args != 1)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "%s takes one document", t->name);
    WR_TRY(wr_bind_list(q, call->args, 1, &args));
    if (args[0]->type.id == WR_UNKNOWN)
        WR_TRY(wr_sql_cast(q->b, args[0], WR_TYPE(binary ? WR_JSONB : WR_JSON), WR_CAST_IMPLICIT,
                           &args[0]));
    WR_TRY(wr_sql_call(q->b, binary ? "jsonb_object_keys" : "json_object_keys", args, 1,
                       call->location, &keys));
    WR_TRY(wr_sql_call(q->b, text ? "json_each_text_value" : "json_each_value", args, 1,
                       call->location, &values));
    WR_TRY(add_set(q, t, keys, WR_TYPE(WR_TEXT), "key"));
    return add_set(q, t, values, wr_type_element(values->type), "value");
}

static weir_status
bind_function(sql_query *q, const PgQuery__FuncCall *call, table_parts *t)
{
    wr_expr *set;
    wr_type type;
    t->name = wr_sql_last_name(call->funcname, call->n_funcname);
    WR_TRY(refuse_foreign(q, call, t->name));
    if (strcmp(t->name, "unnest") == 0 && call->n_args > 1) {
        for (size_t i = 0; i < call->n_args; i++) {
            WR_TRY(wr_bind_expr(q, call->args[i], &set));
            if (set->type.id != WR_ARRAY)
                return wr_error_at(q->b->err, WEIR_QUERY_TYPE, call->location,
                                   "unnest takes arrays, not %s", wr_type_name(set->type));
            WR_TRY(add_set(q, t, set, wr_type_element(set->type), t->name));
        }
        return WEIR_OK;
    }
    if (strncmp(t->name, "json", 4) == 0 && strstr(t->name, "_each") != NULL &&
        wr_sql_is_set_returning(t->name))
        return bind_each(q, call, t);
    if (wr_sql_is_set_returning(t->name)) {
        WR_TRY(wr_bind_set(q, call, &set, &type));
        return add_set(q, t, set, type, t->name);
    }
    if (t->count > 0)
        return wr_sql_unsupported(q->b, call->location,
                                  "ROWS FROM with a function that gives one value is");
    return wr_bind_call(q, call, &t->value);
}

static const PgQuery__FuncCall *
function_of(const tree_node *item)
{
    if (item->node_case != PG_QUERY__NODE__NODE_LIST || item->list->n_items == 0)
        return NULL;
    const tree_node *f = item->list->items[0];
    return f->node_case == PG_QUERY__NODE__NODE_FUNC_CALL ? f->func_call : NULL;
}

/* FROM CURRENT_DATE and such: a value that is not spelled as a call. */
static weir_status
bind_parts(sql_query *q, const PgQuery__RangeFunction *f, table_parts *t)
{
    for (size_t i = 0; i < f->n_functions; i++) {
        const PgQuery__FuncCall *call = function_of(f->functions[i]);
        if (t->value != NULL || (call == NULL && i > 0))
            return wr_sql_unsupported(q->b, -1, "this ROWS FROM is");
        if (call != NULL) {
            WR_TRY(bind_function(q, call, t));
            continue;
        }
        if (f->functions[i]->node_case != PG_QUERY__NODE__NODE_LIST ||
            f->functions[i]->list->n_items == 0)
            return wr_sql_unsupported(q->b, -1, "this function in FROM is");
        t->name = wr_sql_figure_name(f->functions[i]->list->items[0]);
        WR_TRY(wr_bind_typed(q, f->functions[i]->list->items[0], &t->value));
    }
    return WEIR_OK;
}

/* A set whose items travel as something else (regexp_matches): a PROJECT makes them what they are. */
static weir_status
settle_items(sql_query *q, const table_parts *t, wr_plan **plan)
{
    uint32_t n = (*plan)->schema->field_count;
    bool changed = false;
    wr_expr **exprs = wr_arena_alloc(q->b->arena, n * sizeof *exprs);
    const char **names = wr_arena_alloc(q->b->arena, n * sizeof *names);
    if (exprs == NULL || names == NULL)
        return SQL_NOMEM(q->b);
    for (uint32_t i = 0; i < n; i++) {
        wr_expr *column = wr_expr_column(q->b->arena, i, (*plan)->schema->fields[i].type);
        names[i] = (*plan)->schema->fields[i].name;
        if ((exprs[i] = column) == NULL)
            return SQL_NOMEM(q->b);
        if (i < t->count)
            WR_TRY(wr_sql_set_item(q->b, t->names[i], &exprs[i]));
        changed |= exprs[i] != column;
    }
    if (!changed)
        return WEIR_OK;
    *plan = wr_plan_make_project(q->b->arena, *plan, exprs, names, n, -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

static weir_status
plan_parts(sql_query *q, const PgQuery__RangeFunction *f, table_parts *t, wr_plan **plan)
{
    wr_arena *arena = q->b->arena;
    wr_plan *row = wr_plan_make_one_row(arena, -1);
    if (row == NULL)
        return SQL_NOMEM(q->b);
    if (t->value != NULL) {
        wr_expr **exprs = wr_arena_alloc(arena, 2 * sizeof *exprs);
        const char **names = wr_arena_alloc(arena, 2 * sizeof *names);
        wr_value one = { .type = WR_TYPE(WR_INT8), .integer = 1 };
        if (exprs == NULL || names == NULL)
            return SQL_NOMEM(q->b);
        exprs[0] = t->value;
        names[0] = t->name;
        exprs[1] = wr_sql_constant(q->b, &one, -1);
        names[1] = "ordinality";
        if (exprs[1] == NULL)
            return SQL_NOMEM(q->b);
        *plan = wr_plan_make_project(arena, row, exprs, names, f->ordinality ? 2 : 1, -1);
    } else {
        *plan =
            wr_plan_make_unnest(arena, row, t->sets, t->types, t->count, f->ordinality, false, -1);
        for (uint32_t i = 0; *plan != NULL && i < t->count; i++)
            (*plan)->schema->fields[i].name = t->names[i];
        if (*plan != NULL)
            return settle_items(q, t, plan);
    }
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

/* FROM read_json('path'): the catalog opens files; the relation is scanned like any other. */
static bool
is_file_function(const char *name)
{
    static const char *const names[] = { "read_json", "read_csv", "read_tsv", "read_lines",
                                         "read_msgpack" };
    for (size_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static weir_status
bind_file(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_plan **plan)
{
    sql_binder *b = q->b;
    wr_relation *relation = NULL;
    const tree_node *arg = call->n_args == 1 ? call->args[0] : NULL;
    const wr_catalog *catalog = b->catalog;
    if (arg == NULL || arg->node_case != PG_QUERY__NODE__NODE_A_CONST ||
        arg->a_const->val_case != PG_QUERY__A__CONST__VAL_SVAL) {
        weir_status st =
            wr_error_at(b->err, WEIR_QUERY, call->location, "%s takes one path in quotes", name);
        wr_error_hint(b->err, "FROM %s('file')", name);
        return st;
    }
    if (catalog == NULL || catalog->open_file == NULL) {
        weir_status st = wr_error_at(b->err, WEIR_QUERY_UNSUPPORTED, call->location,
                                     "%s is for `weir query`", name);
        wr_error_hint(b->err, "in a pipeline, declare the file as a source");
        return st;
    }
    weir_status st = catalog->open_file(catalog->open_file_user, name, arg->a_const->sval->sval,
                                        &relation, b->err);
    if (st != WEIR_OK) {
        b->err->offset = call->location;
        return st;
    }
    *plan = wr_plan_make_scan(b->arena, relation, call->location);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

weir_status
wr_bind_range_function(sql_query *q, const PgQuery__RangeFunction *f, sql_scope *up,
                       sql_scope **out)
{
    sql_binder *b = q->b;
    const PgQuery__FuncCall *first = function_of(f->functions[0]);
    const char *name = first != NULL ? wr_sql_last_name(first->funcname, first->n_funcname) : "";
    const char *relation = NULL;
    int32_t location = first != NULL ? first->location : -1;
    wr_plan *plan;
    table_parts t = { 0 };
    sql_scope *scope = wr_sql_scope_create(b, up);
    if (scope == NULL)
        return wr_sql_place(b, b->err->code != WEIR_OK ? b->err->code : WEIR_MEMORY, location);
    bool is_file = f->n_functions == 1 && first != NULL && is_file_function(name);
    bool is_record = f->n_functions == 1 && first != NULL && wr_sql_is_record_function(name);
    if (f->n_coldeflist > 0 && !is_record)
        return wr_error_at(b->err, WEIR_QUERY, location,
                           "a column definition list is only allowed for functions returning "
                           "\"record\"");
    bool is_window = f->n_functions == 1 && first != NULL && wr_sql_is_window_function(name);
    bool is_dedup = f->n_functions == 1 && first != NULL && strcmp(name, "dedup") == 0;
    wr_join_mode mode = f->n_functions == 1 && first != NULL ? wr_sql_join_mode(name)
                                                             : WR_JOIN_REGULAR;
    if (is_file) {
        WR_TRY(bind_file(q, first, name, &plan));
    } else if (mode != WR_JOIN_REGULAR) {
        WR_TRY(wr_bind_chosen(q, first, up, &plan, &relation));
        name = relation;
        relation = NULL;
        scope->mode = mode;
    } else if (is_dedup) {
        WR_TRY(wr_bind_dedup(q, first, up, &plan, &relation));
    } else if (is_window) {
        WR_TRY(wr_bind_window(q, first, up, &plan, &relation));
    } else {
        sql_query args = { .b = b, .scope = scope, .clause = "functions in FROM" };
        scope->plan = wr_plan_make_one_row(b->arena, -1);
        if (scope->plan == NULL)
            return SQL_NOMEM(b);
        wr_plan *untouched = scope->plan;
        if (is_record)
            WR_TRY(wr_bind_record(&args, f, first, &plan));
        else
            WR_TRY(bind_parts(&args, f, &t));
        if (scope->plan != untouched)
            return wr_sql_unsupported(b, location,
                                      "a subquery in the arguments of a function in FROM is");
        if (!is_record) {
            WR_TRY(plan_parts(q, f, &t, &plan));
            name = t.name;
        }
    }
    scope->plan = plan;
    WR_TRY(wr_sql_scope_add_range(b, scope, name, relation, location));
    WR_TRY(wr_sql_scope_add_columns(b, scope, plan->schema, 0));
    bool one_column = !is_window && !is_dedup && !is_file && mode == WR_JOIN_REGULAR && t.count + (t.value != NULL) == 1;
    if (one_column && f->alias != NULL && f->alias->n_colnames == 0)
        scope->columns[0].name =
            f->alias->aliasname; /* FROM generate_series(1, 3) AS x: x is the column too */
    *out = scope;
    return wr_sql_alias_scope(q, scope, f->alias, location);
}
