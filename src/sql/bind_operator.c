/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_operator.c -- operators: a op b and the many shapes PostgreSQL's grammar gives them.
 *
 * Invariants  O1  IN over constants is one IN node; over anything else a chain of equalities
 *             O2  rows are compared column by column, as PostgreSQL does
 */
#include "sql/bind_impl.h"

#include <string.h>

weir_status
wr_sql_compare(sql_binder *b, const char *op, wr_expr *left, wr_expr *right, int32_t location,
               wr_expr **out)
{
    wr_expr *args[2] = { left, right };
    WR_TRY(wr_sql_call(b, op, args, 2, location, out));
    return WEIR_OK;
}

static weir_status
negate(sql_binder *b, wr_expr *expr, int32_t location, wr_expr **out)
{
    return wr_sql_make(b, WR_EXPR_NOT, WR_TYPE(WR_BOOL), &expr, 1, location, out);
}

static weir_status
both(sql_binder *b, wr_expr_kind kind, wr_expr *left, wr_expr *right, int32_t location,
     wr_expr **out)
{
    wr_expr *args[2] = { left, right };
    return wr_sql_make(b, kind, WR_TYPE(WR_BOOL), args, 2, location, out);
}

/* (a, b) < (c, d): a < c OR (a = c AND b < d), from the last column back. */
static weir_status
compare_order(sql_binder *b, const char *op, wr_expr **left, wr_expr **right, uint32_t count,
              int32_t location, wr_expr **out)
{
    char strict[2] = { op[0], '\0' };
    WR_TRY(wr_sql_compare(b, op, left[count - 1], right[count - 1], location, out));
    for (uint32_t i = count - 1; i-- > 0;) {
        wr_expr *less, *equal, *rest;
        WR_TRY(wr_sql_compare(b, strict, left[i], right[i], location, &less));
        WR_TRY(wr_sql_compare(b, "=", left[i], right[i], location, &equal));
        WR_TRY(both(b, WR_EXPR_AND, equal, *out, location, &rest));
        WR_TRY(both(b, WR_EXPR_OR, less, rest, location, out));
    }
    return WEIR_OK;
}

weir_status
wr_sql_compare_rows(sql_binder *b, const char *op, wr_expr **left, wr_expr **right, uint32_t count,
                    int32_t location, wr_expr **out)
{
    bool equal = strcmp(op, "=") == 0, unequal = strcmp(op, "<>") == 0;
    if (count == 1)
        return wr_sql_compare(b, op, left[0], right[0], location, out);
    if (!equal && !unequal) {
        if (op[0] != '<' && op[0] != '>')
            return wr_error_at(b->err, WEIR_QUERY_TYPE, location,
                               "operator %s does not compare rows", op);
        return compare_order(b, op, left, right, count, location, out);
    }
    wr_expr **parts = wr_arena_alloc(b->arena, count * sizeof *parts);
    if (parts == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_sql_compare(b, op, left[i], right[i], location, &parts[i]));
    return wr_sql_make(b, equal ? WR_EXPR_AND : WR_EXPR_OR, WR_TYPE(WR_BOOL), parts, count,
                       location, out);
}

/* The items of a row constructor, or NULL. */
static const PgQuery__RowExpr *
as_row(const tree_node *node)
{
    return node->node_case == PG_QUERY__NODE__NODE_ROW_EXPR ? node->row_expr : NULL;
}

static weir_status
bind_row_pair(sql_query *q, const tree_node *l, const tree_node *r, int32_t location,
              wr_expr ***left, wr_expr ***right, uint32_t *count)
{
    const PgQuery__RowExpr *a = as_row(l), *c = as_row(r);
    if (a == NULL || c == NULL)
        return wr_sql_unsupported(q->b, location, "comparing a row with a single value is");
    if (a->n_args != c->n_args || a->n_args == 0)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, location,
                           "unequal number of entries in row expressions");
    *count = (uint32_t)a->n_args;
    WR_TRY(wr_bind_list(q, a->args, a->n_args, left));
    return wr_bind_list(q, c->args, c->n_args, right);
}

static weir_status
bind_binary(sql_query *q, const PgQuery__AExpr *e, const char *op, wr_expr **out)
{
    if (e->lexpr != NULL && (as_row(e->lexpr) != NULL || as_row(e->rexpr) != NULL)) {
        /* (a, b) = (SELECT ...) arrives as a SubLink, not here */
        wr_expr **left, **right;
        uint32_t count;
        WR_TRY(bind_row_pair(q, e->lexpr, e->rexpr, e->location, &left, &right, &count));
        return wr_sql_compare_rows(q->b, op, left, right, count, e->location, out);
    }
    wr_expr *args[2];
    uint32_t count = 0;
    if (e->lexpr != NULL)
        WR_TRY(wr_bind_expr(q, e->lexpr, &args[count++]));
    WR_TRY(wr_bind_expr(q, e->rexpr, &args[count++]));
    return wr_sql_call(q->b, op, args, count, e->location, out);
}

/* a IS [NOT] DISTINCT FROM b */
static weir_status
distinct_pair(sql_binder *b, wr_expr *left, wr_expr *right, int32_t location, wr_expr **out)
{
    wr_expr *equal;
    WR_TRY(wr_sql_compare(b, "=", left, right, location, &equal));
    WR_TRY(wr_sql_make(b, WR_EXPR_DISTINCT, WR_TYPE(WR_BOOL), equal->args, 2, location, out));
    (*out)->function = equal->function;
    return WEIR_OK;
}

static weir_status
bind_distinct(sql_query *q, const PgQuery__AExpr *e, wr_expr **out)
{
    wr_expr **left, **right;
    uint32_t count = 1;
    if (as_row(e->lexpr) != NULL || as_row(e->rexpr) != NULL) {
        WR_TRY(bind_row_pair(q, e->lexpr, e->rexpr, e->location, &left, &right, &count));
    } else {
        WR_TRY(wr_bind_list(q, &e->lexpr, 1, &left));
        WR_TRY(wr_bind_list(q, &e->rexpr, 1, &right));
    }
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(distinct_pair(q->b, left[i], right[i], e->location, &left[i]));
    if (count == 1)
        *out = left[0];
    else
        WR_TRY(wr_sql_make(q->b, WR_EXPR_OR, WR_TYPE(WR_BOOL), left, count, e->location, out));
    return e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT
               ? negate(q->b, *out, e->location, out)
               : WEIR_OK;
}

static weir_status
bind_nullif(sql_query *q, const PgQuery__AExpr *e, wr_expr **out)
{
    wr_expr *left, *right, *args[3];
    WR_TRY(wr_bind_expr(q, e->lexpr, &left));
    WR_TRY(wr_bind_expr(q, e->rexpr, &right));
    if (left->type.id == WR_UNKNOWN && right->type.id == WR_UNKNOWN)
        WR_TRY(wr_sql_cast(q->b, left, WR_TYPE(WR_TEXT), WR_CAST_IMPLICIT, &left));
    WR_TRY(wr_sql_compare(q->b, "=", left, right, e->location, &args[0]));
    if (left->type.id == WR_UNKNOWN)
        left = args[0]->args[0];
    wr_value null = wr_value_null(left->type);
    if ((args[1] = wr_sql_constant(q->b, &null, e->location)) == NULL)
        return SQL_NOMEM(q->b);
    args[2] = left;
    return wr_sql_make(q->b, WR_EXPR_CASE, left->type, args, 3, e->location, out);
}

/* One IN node when every item is a constant of the tested type. */
static weir_status
in_constants(sql_binder *b, wr_expr **items, uint32_t count, int32_t location, wr_expr **out,
             bool *done)
{
    wr_type type;
    wr_expr *equal;
    *done = false;
    for (uint32_t i = 1; i < count; i++)
        if (!wr_expr_is_constant(items[i]) || items[i]->kind != WR_EXPR_CONSTANT)
            return WEIR_OK;
    wr_type *types = wr_arena_alloc(b->arena, count * sizeof *types);
    if (types == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < count; i++)
        types[i] = items[i]->type;
    if (wr_type_common(types, count, "IN", &type, NULL) != WEIR_OK)
        return WEIR_OK;
    wr_expr **args = wr_arena_alloc(b->arena, count * sizeof *args);
    if (args == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_sql_cast(b, items[i], type, WR_CAST_IMPLICIT, &args[i]));
    WR_TRY(wr_sql_compare(b, "=", args[0], args[1], location, &equal));
    if (!wr_type_same(equal->args[0]->type, args[0]->type) ||
        !wr_type_same(equal->args[1]->type, args[1]->type))
        return WEIR_OK; /* equality works on another type */
    WR_TRY(wr_sql_make(b, WR_EXPR_IN, WR_TYPE(WR_BOOL), args, count, location, out));
    (*out)->function = equal->function;
    *done = true;
    return WEIR_OK;
}

static weir_status
bind_in_rows(sql_query *q, const PgQuery__AExpr *e, const PgQuery__List *list, wr_expr **out)
{
    wr_expr **parts = wr_arena_alloc(q->b->arena, (list->n_items + 1) * sizeof *parts);
    if (parts == NULL)
        return SQL_NOMEM(q->b);
    for (size_t i = 0; i < list->n_items; i++) {
        wr_expr **left, **right;
        uint32_t count;
        WR_TRY(bind_row_pair(q, e->lexpr, list->items[i], e->location, &left, &right, &count));
        WR_TRY(wr_sql_compare_rows(q->b, "=", left, right, count, e->location, &parts[i]));
    }
    if (list->n_items == 1)
        *out = parts[0];
    else
        WR_TRY(wr_sql_make(q->b, WR_EXPR_OR, WR_TYPE(WR_BOOL), parts, (uint32_t)list->n_items,
                           e->location, out));
    return WEIR_OK;
}

static weir_status
bind_in(sql_query *q, const PgQuery__AExpr *e, const char *op, wr_expr **out)
{
    const PgQuery__List *list = e->rexpr->list;
    uint32_t n = (uint32_t)list->n_items;
    bool done = false;
    if (n > WR_SQL_IN_MAX) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_TOO_COMPLEX, e->location,
                                         "an IN list has at most %d items", WR_SQL_IN_MAX);
        wr_error_hint(q->b->err, "put them into a relation: IN (SELECT ...), or a join");
        return status;
    }
    if (as_row(e->lexpr) != NULL) {
        WR_TRY(bind_in_rows(q, e, list, out));
        done = true;
    }
    wr_expr **items = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *items);
    if (items == NULL)
        return SQL_NOMEM(q->b);
    if (!done) {
        WR_TRY(wr_bind_expr(q, e->lexpr, &items[0]));
        for (uint32_t i = 0; i < n; i++)
            WR_TRY(wr_bind_expr(q, list->items[i], &items[i + 1]));
        WR_TRY(in_constants(q->b, items, n + 1, e->location, out, &done));
    }
    if (!done) {
        wr_expr *tested = items[0];
        for (uint32_t i = 0; i < n; i++)
            WR_TRY(wr_sql_compare(q->b, "=", tested, items[i + 1], e->location, &items[i]));
        if (n == 1)
            *out = items[0];
        else
            WR_TRY(wr_sql_make(q->b, WR_EXPR_OR, WR_TYPE(WR_BOOL), items, n, e->location, out));
    }
    return strcmp(op, "<>") == 0 ? negate(q->b, *out, e->location, out) : WEIR_OK;
}

/* a op ANY (array), a op ALL (array) */
static weir_status
bind_any(sql_query *q, const PgQuery__AExpr *e, const char *op, wr_expr **out)
{
    bool any = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY;
    wr_expr *left, *array, *compared;
    WR_TRY(wr_bind_expr(q, e->lexpr, &left));
    WR_TRY(wr_bind_expr(q, e->rexpr, &array));
    if (array->type.id == WR_UNKNOWN) {
        if (left->type.id == WR_UNKNOWN)
            WR_TRY(wr_sql_cast(q->b, left, WR_TYPE(WR_TEXT), WR_CAST_IMPLICIT, &left));
        WR_TRY(wr_sql_cast(q->b, array, WR_TYPE_ARRAY(left->type.id), WR_CAST_IMPLICIT, &array));
    }
    if (array->type.id != WR_ARRAY)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, e->location,
                           "op ANY/ALL (array) requires array on right side");
    /* resolve the operator on the elements' type, then cast both sides to what it takes */
    wr_value sample = wr_value_null(wr_type_element(array->type));
    wr_expr *item = wr_sql_constant(q->b, &sample, e->location);
    if (item == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_sql_compare(q->b, op, left, item, e->location, &compared));
    if (compared->type.id != WR_BOOL)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, e->location,
                           "op ANY/ALL (array) requires operator to yield boolean");
    wr_expr *args[2] = { compared->args[0], array };
    if (!wr_type_same(compared->args[1]->type, wr_type_element(array->type)))
        WR_TRY(wr_sql_cast(q->b, array, WR_TYPE_ARRAY(compared->args[1]->type.id), WR_CAST_EXPLICIT,
                           &args[1]));
    WR_TRY(wr_sql_make(q->b, any ? WR_EXPR_ANY : WR_EXPR_ALL, WR_TYPE(WR_BOOL), args, 2,
                       e->location, out));
    (*out)->function = compared->function;
    return WEIR_OK;
}

static weir_status
between_pair(sql_query *q, wr_expr *tested, wr_expr *low, wr_expr *high, int32_t location,
             wr_expr **out)
{
    wr_expr *above, *below;
    WR_TRY(wr_sql_compare(q->b, ">=", tested, low, location, &above));
    WR_TRY(wr_sql_compare(q->b, "<=", tested, high, location, &below));
    return both(q->b, WR_EXPR_AND, above, below, location, out);
}

static weir_status
bind_between(sql_query *q, const PgQuery__AExpr *e, wr_expr **out)
{
    bool symmetric = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM ||
                     e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
    bool negated = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN ||
                   e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
    wr_expr *tested, *low, *high;
    WR_TRY(wr_bind_expr(q, e->lexpr, &tested));
    WR_TRY(wr_bind_expr(q, e->rexpr->list->items[0], &low));
    WR_TRY(wr_bind_expr(q, e->rexpr->list->items[1], &high));
    WR_TRY(between_pair(q, tested, low, high, e->location, out));
    if (symmetric) {
        wr_expr *other;
        WR_TRY(between_pair(q, tested, high, low, e->location, &other));
        WR_TRY(both(q->b, WR_EXPR_OR, *out, other, e->location, out));
    }
    return negated ? negate(q->b, *out, e->location, out) : WEIR_OK;
}

weir_status
wr_bind_operator(sql_query *q, const PgQuery__AExpr *e, wr_expr **out)
{
    const char *op = wr_sql_last_name(e->name, e->n_name);
    switch (e->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR: return bind_binary(q, e, op, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL: return bind_any(q, e, op, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT: return bind_distinct(q, e, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF: return bind_nullif(q, e, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN: return bind_in(q, e, op, out);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM: return bind_between(q, e, out);
    default: return wr_sql_unsupported(q->b, e->location, "this operator is");
    }
}
