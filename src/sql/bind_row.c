/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_row.c -- rows as JSON: to_json(t), row_to_json(t), jsonb_agg(t), to_jsonb(ROW(a, b)).
 *
 * Rows are no values here; these functions take one apart when they are bound.
 *
 * Invariants  R1  the members are the relation's columns in its order, those of ROW(...) f1, f2, ...
 *             R2  where an outer join may have made it up, a row of NULLs alone is NULL
 */
#include "sql/bind_impl.h"

#include <string.h>

enum { MEMBERS_MAX = 50 };

static bool
takes_row(const char *function, bool *binary)
{
    static const char *const names[] = { "to_json", "row_to_json", "json_agg", "to_jsonb",
                                         "jsonb_agg" };
    for (uint32_t i = 0; i < WR_COUNT(names); i++)
        if (strcmp(names[i], function) == 0) {
            *binary = i >= 3;
            return true;
        }
    return false;
}

typedef struct row_parts {
    wr_expr *args[2 * MEMBERS_MAX], *values[MEMBERS_MAX];
    uint32_t count;
    bool may_be_null; /* R2 */
} row_parts;

static weir_status
add_member(sql_query *q, row_parts *r, const char *name, wr_expr *value, int32_t location)
{
    if (r->count == MEMBERS_MAX)
        return wr_error_at(q->b->err, WEIR_QUERY_TOO_COMPLEX, location,
                           "a row as JSON has at most %d columns", MEMBERS_MAX);
    wr_value key = { .type = WR_TYPE(WR_TEXT), .string = wr_string_make(name, strlen(name)) };
    if ((r->args[2 * r->count] = wr_sql_constant(q->b, &key, location)) == NULL)
        return SQL_NOMEM(q->b);
    r->args[2 * r->count + 1] = r->values[r->count] = value;
    r->count++;
    return WEIR_OK;
}

static weir_status
add_row_expr(sql_query *q, const PgQuery__RowExpr *row, row_parts *r)
{
    for (size_t i = 0; i < row->n_args; i++) {
        wr_expr *value;
        WR_TRY(wr_bind_typed(q, row->args[i], &value));
        const char *name = wr_arena_printf(q->b->arena, "f%zu", i + 1);
        if (name == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(add_member(q, r, name, value, row->location));
    }
    return WEIR_OK;
}

static bool
has_outer_join(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_JOIN && (plan->join.kind == WR_JOIN_LEFT ||
                                       plan->join.kind == WR_JOIN_RIGHT ||
                                       plan->join.kind == WR_JOIN_FULL))
        return true;
    for (uint32_t i = 0; i < plan->input_count; i++)
        if (has_outer_join(plan->inputs[i]))
            return true;
    return false;
}

static weir_status
add_range(sql_query *q, const sql_scope *scope, int32_t range, int32_t location, row_parts *r)
{
    r->may_be_null = has_outer_join(scope->plan);
    for (uint32_t i = 0; i < scope->column_count; i++) {
        const sql_column *c = &scope->columns[i];
        if (c->range != range || c->hidden)
            continue;
        uint32_t number = scope == q->scope ? c->column : sql_outer(scope->id, c->column);
        wr_expr *value = wr_expr_column(q->b->arena, number, c->type);
        if (value == NULL)
            return SQL_NOMEM(q->b);
        value->location = location;
        WR_TRY(add_member(q, r, c->name, value, location));
    }
    return WEIR_OK;
}

/* t, where it names a relation and no column; t.*. */
static const sql_scope *
find_range(const sql_query *q, const PgQuery__ColumnRef *ref, int32_t *range)
{
    const tree_node *first = ref->fields[0];
    bool star = ref->n_fields == 2 && ref->fields[1]->node_case == PG_QUERY__NODE__NODE_A_STAR;
    if (first->node_case != PG_QUERY__NODE__NODE_STRING || (ref->n_fields != 1 && !star))
        return NULL;
    const char *name = first->string->sval;
    for (const sql_scope *s = q->scope; s != NULL && !star; s = s->outer)
        if (wr_sql_scope_find(s, name) != NULL)
            return NULL;
    for (const sql_scope *s = q->scope; s != NULL; s = s->outer)
        if ((*range = wr_sql_scope_find_range(s, name)) >= 0)
            return s;
    return NULL;
}

/* R2: CASE WHEN every member is NULL THEN NULL ELSE json END */
static weir_status
null_when_empty(sql_query *q, row_parts *r, int32_t location, wr_expr **json)
{
    wr_expr *parts[3];
    wr_value null = wr_value_null((*json)->type);
    for (uint32_t i = 0; i < r->count; i++)
        WR_TRY(wr_sql_make(q->b, WR_EXPR_IS_NULL, WR_TYPE(WR_BOOL), &r->values[i], 1, location,
                           &r->values[i]));
    parts[0] = r->values[0];
    if (r->count > 1)
        WR_TRY(wr_sql_make(q->b, WR_EXPR_AND, WR_TYPE(WR_BOOL), r->values, r->count, location,
                           &parts[0]));
    if ((parts[1] = wr_sql_constant(q->b, &null, location)) == NULL)
        return SQL_NOMEM(q->b);
    parts[2] = *json;
    return wr_sql_make(q->b, WR_EXPR_CASE, null.type, parts, 3, location, json);
}

weir_status
wr_bind_row_json(sql_query *q, const char *function, const tree_node *node, wr_expr **out,
                 bool *is_row)
{
    row_parts r = { .count = 0 };
    bool binary = false;
    int32_t location = wr_sql_location(node), range = -1;
    const sql_scope *scope = NULL;
    *is_row = false;
    if (!takes_row(function, &binary))
        return WEIR_OK;
    if (node->node_case == PG_QUERY__NODE__NODE_ROW_EXPR)
        WR_TRY(add_row_expr(q, node->row_expr, &r));
    else if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
             (scope = find_range(q, node->column_ref, &range)) != NULL)
        WR_TRY(add_range(q, scope, range, location, &r));
    else
        return WEIR_OK;
    *is_row = true;
    if (binary)
        WR_TRY(wr_sql_call(q->b, "jsonb_build_object", r.args, 2 * r.count, location, out));
    else
        WR_TRY(wr_sql_call(q->b, "json_row", r.args, 2 * r.count, location, out));
    return r.may_be_null && r.count > 0 ? null_when_empty(q, &r, location, out) : WEIR_OK;
}
