/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_record.c -- json_to_record(x) AS t(a integer, b text) and its kin: a document's members as
 * columns.
 *
 * json[b]_to_record and json[b]_populate_record(NULL::record, x) are one row: a PROJECT of the
 * members.  json[b]_to_recordset and json[b]_populate_recordset put an UNNEST of the items below it.
 *
 * Invariants  R1  a member that is missing or a JSON null is NULL
 *             R2  a member becomes its column's type by way of its text, as that type's literal is read;
 *                 json and jsonb take it as it stands, arrays item by item
 */
#include "sql/bind_impl.h"

#include <string.h>

typedef struct record_call {
    const char *name;
    bool binary, many, populate;
} record_call;

static bool
record_find(const char *name, record_call *out)
{
    static const record_call calls[] = {
        { "json_to_record", false, false, false },
        { "jsonb_to_record", true, false, false },
        { "json_to_recordset", false, true, false },
        { "jsonb_to_recordset", true, true, false },
        { "json_populate_record", false, false, true },
        { "jsonb_populate_record", true, false, true },
        { "json_populate_recordset", false, true, true },
        { "jsonb_populate_recordset", true, true, true },
    };
    for (uint32_t i = 0; i < WR_COUNT(calls); i++)
        if (strcmp(calls[i].name, name) == 0) {
            *out = calls[i];
            return true;
        }
    return false;
}

bool
wr_sql_is_record_function(const char *name)
{
    record_call r;
    return record_find(name, &r);
}

/* Is it NULL::record? */
static bool
is_null_record(const tree_node *node)
{
    if (node->node_case != PG_QUERY__NODE__NODE_TYPE_CAST)
        return false;
    const PgQuery__TypeCast *cast = node->type_cast;
    return cast->arg->node_case == PG_QUERY__NODE__NODE_A_CONST && cast->arg->a_const->isnull &&
           strcmp(wr_sql_last_name(cast->type_name->names, cast->type_name->n_names), "record") ==
               0;
}

static weir_status
bind_document(sql_query *q, const PgQuery__FuncCall *call, const record_call *r, wr_expr **out)
{
    size_t at = r->populate ? 1 : 0;
    if (call->n_args != at + 1)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "%s takes %zu argument%s", r->name, at + 1, at > 0 ? "s" : "");
    if (r->populate && !is_null_record(call->args[0])) {
        weir_status status =
            wr_sql_unsupported(q->b, call->location, "a record other than NULL::record is");
        wr_error_hint(q->b->err, "write %s(x) AS t(a integer, ...)",
                      r->many ? "jsonb_to_recordset" : "jsonb_to_record");
        return status;
    }
    WR_TRY(wr_bind_expr(q, call->args[at], out));
    uint8_t want = r->binary ? WR_JSONB : WR_JSON, id = (*out)->type.id;
    if (id != want && id != WR_UNKNOWN)
        return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                           "function %s(%s) does not exist", r->name, wr_type_name((*out)->type));
    return wr_sql_cast(q->b, *out, WR_TYPE(want), WR_CAST_IMPLICIT, out);
}

/* document ->(>) 'name' */
static weir_status
member(sql_query *q, wr_expr *document, const char *op, const char *name, int32_t location,
       wr_expr **out)
{
    wr_value key = { .type = WR_TYPE(WR_TEXT), .string = wr_string_make(name, strlen(name)) };
    wr_expr *args[2] = { document, wr_sql_constant(q->b, &key, location) };
    if (args[1] == NULL)
        return SQL_NOMEM(q->b);
    return wr_sql_call(q->b, op, args, 2, location, out);
}

/* R1, R2 */
static weir_status
bind_field(sql_query *q, wr_expr *document, const char *name, wr_type type, int32_t location,
           wr_expr **out)
{
    wr_type bare = { type.id, type.element, 0, -1 };
    wr_expr *args[2], *text;
    WR_TRY(member(q, document, "->>", name, location, &text));
    if (type.id == WR_ARRAY) {
        wr_value null = wr_value_null(type);
        WR_TRY(member(q, document, "->", name, location, &args[0]));
        if ((args[1] = wr_sql_constant(q->b, &null, location)) == NULL)
            return SQL_NOMEM(q->b);
        return wr_sql_call(q->b, "json_populate", args, 2, location, out);
    }
    if (type.id != WR_JSON && type.id != WR_JSONB) {
        WR_TRY(wr_sql_cast(q->b, text, bare, WR_CAST_EXPLICIT, out));
        return wr_sql_cast(q->b, *out, type, WR_CAST_ASSIGNMENT, out);
    }
    /* the member itself, where ->> is not NULL: a JSON null is none */
    wr_expr *when[3];
    WR_TRY(wr_sql_make(q->b, WR_EXPR_IS_NULL, WR_TYPE(WR_BOOL), &text, 1, location, &when[0]));
    wr_value null = wr_value_null(type);
    if ((when[1] = wr_sql_constant(q->b, &null, location)) == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(member(q, document, "->", name, location, &when[2]));
    WR_TRY(wr_sql_cast(q->b, when[2], type, WR_CAST_EXPLICIT, &when[2]));
    return wr_sql_make(q->b, WR_EXPR_CASE, type, when, 3, location, out);
}

/* A row for each item of the document; its item is column 0, its place column 1. */
static weir_status
plan_items(sql_query *q, const record_call *r, wr_expr **document, wr_plan **plan, int32_t location)
{
    wr_expr **sets = wr_arena_alloc(q->b->arena, sizeof *sets);
    wr_type *types = wr_arena_alloc(q->b->arena, sizeof *types);
    if (sets == NULL || types == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_sql_call(q->b, r->binary ? "jsonb_array_elements" : "json_array_elements", document, 1,
                       location, &sets[0]));
    types[0] = wr_type_element(sets[0]->type);
    *plan = wr_plan_make_unnest(q->b->arena, *plan, sets, types, 1, true, false, location);
    if (*plan == NULL || (*document = wr_expr_column(q->b->arena, 0, types[0])) == NULL)
        return SQL_NOMEM(q->b);
    return WEIR_OK;
}

weir_status
wr_bind_record(sql_query *q, const PgQuery__RangeFunction *f, const PgQuery__FuncCall *call,
               wr_plan **plan)
{
    record_call r = { NULL, false, false, false };
    wr_expr *document;
    size_t n = f->n_coldeflist;
    (void)record_find(wr_sql_last_name(call->funcname, call->n_funcname), &r);
    wr_assert(r.name != NULL);
    if (n == 0) {
        weir_status status =
            wr_error_at(q->b->err, WEIR_QUERY, call->location,
                        "a column definition list is required for functions returning \"record\"");
        wr_error_hint(q->b->err, "write %s(...) AS t(a integer, b text)", r.name);
        return status;
    }
    if (n > WR_SQL_COLUMNS_MAX)
        return wr_error_at(q->b->err, WEIR_QUERY_TOO_COMPLEX, call->location,
                           "a column definition list has at most %d columns", WR_SQL_COLUMNS_MAX);
    WR_TRY(bind_document(q, call, &r, &document));
    wr_expr **exprs = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *names);
    if (exprs == NULL || names == NULL || (*plan = wr_plan_make_one_row(q->b->arena, -1)) == NULL)
        return SQL_NOMEM(q->b);
    if (r.many)
        WR_TRY(plan_items(q, &r, &document, plan, call->location));
    for (size_t i = 0; i < n; i++) {
        const PgQuery__ColumnDef *column = f->coldeflist[i]->column_def;
        wr_type type;
        WR_TRY(wr_bind_type(q->b, column->type_name, &type));
        names[i] = column->colname;
        WR_TRY(bind_field(q, document, column->colname, type, call->location, &exprs[i]));
    }
    if (f->ordinality)
        return wr_error_at(q->b->err, WEIR_QUERY, call->location,
                           "WITH ORDINALITY cannot be used with a column definition list");
    *plan = wr_plan_make_project(q->b->arena, *plan, exprs, names, (uint32_t)n, call->location);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}
