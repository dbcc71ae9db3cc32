/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_expr.c -- scalar expressions: one case a kind of tree, each typed as PostgreSQL types
 * it.
 *
 * Invariants  E1  a bound expression has a type; only a bare literal (or NULL, or $n) is still
 * UNKNOWN E2  every cast PostgreSQL would insert stands in the tree
 */
#include "sql/bind_impl.h"

#include <string.h>

weir_status
wr_sql_make(sql_binder *b, wr_expr_kind kind, wr_type type, wr_expr **args, uint32_t count,
            int32_t location, wr_expr **out)
{
    wr_expr **copy = wr_arena_alloc(b->arena, (count + 1) * sizeof *copy);
    if (copy == NULL)
        return SQL_NOMEM(b);
    if (count > 0)
        memcpy(copy, args, count * sizeof *copy);
    *out = wr_expr_make(b->arena, kind, type, copy, count);
    if (*out == NULL)
        return SQL_NOMEM(b);
    (*out)->location = location;
    return WEIR_OK;
}

weir_status
wr_sql_cast(sql_binder *b, wr_expr *expr, wr_type type, wr_cast_context context, wr_expr **out)
{
    weir_status status = wr_expr_cast(b->arena, expr, type, context, out, b->err);
    if (status == WEIR_OK && (*out)->location < 0 && *out != expr)
        (*out)->location = expr->location;
    return wr_sql_place(b, status, expr->location);
}

weir_status
wr_sql_call(sql_binder *b, const char *name, wr_expr **args, uint32_t count, int32_t location,
            wr_expr **out)
{
    const wr_function *function;
    wr_type result;
    wr_type *have = wr_arena_calloc(b->arena, count + 1, sizeof *have);
    wr_type *want = wr_arena_calloc(b->arena, count + 1, sizeof *want);
    wr_expr **cast = wr_arena_calloc(b->arena, count + 1, sizeof *cast);
    if (have == NULL || want == NULL || cast == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < count; i++)
        have[i] = args[i]->type;
    WR_TRY(wr_sql_place(b, wr_function_resolve(name, have, count, &function, want, &result, b->err),
                        location));
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_sql_cast(b, args[i], want[i], WR_CAST_IMPLICIT, &cast[i]));
    *out = wr_expr_call(b->arena, function, result, cast, count);
    if (*out == NULL)
        return SQL_NOMEM(b);
    (*out)->location = location;
    return WEIR_OK;
}

weir_status
wr_sql_unify(sql_binder *b, wr_expr **exprs, uint32_t count, const char *what, int32_t location,
             wr_type *type)
{
    wr_type *types = wr_arena_alloc(b->arena, (count + 1) * sizeof *types);
    if (types == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < count; i++)
        types[i] = exprs[i]->type;
    WR_TRY(wr_sql_place(b, wr_type_common(types, count, what, type, b->err), location));
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_sql_cast(b, exprs[i], *type, WR_CAST_IMPLICIT, &exprs[i]));
    return WEIR_OK;
}

int32_t
wr_sql_location(const tree_node *node)
{
    if (node == NULL)
        return -1;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_EXPR: {
        int32_t left = node->a_expr->lexpr != NULL ? wr_sql_location(node->a_expr->lexpr) : -1;
        return left >= 0 ? left : node->a_expr->location;
    }
    case PG_QUERY__NODE__NODE_COLUMN_REF: return node->column_ref->location;
    case PG_QUERY__NODE__NODE_A_CONST: return node->a_const->location;
    case PG_QUERY__NODE__NODE_FUNC_CALL: return node->func_call->location;
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
        int32_t arg = wr_sql_location(node->type_cast->arg);
        int32_t cast = node->type_cast->location;
        return cast < 0 || (arg >= 0 && arg < cast) ? arg : cast;
    }
    case PG_QUERY__NODE__NODE_SUB_LINK: return node->sub_link->location;
    case PG_QUERY__NODE__NODE_CASE_EXPR: return node->case_expr->location;
    case PG_QUERY__NODE__NODE_BOOL_EXPR: return node->bool_expr->location;
    case PG_QUERY__NODE__NODE_NULL_TEST: return wr_sql_location(node->null_test->arg);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST: return wr_sql_location(node->boolean_test->arg);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR: return node->coalesce_expr->location;
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR: return node->min_max_expr->location;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return node->sqlvalue_function->location;
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR: return node->a_array_expr->location;
    case PG_QUERY__NODE__NODE_ROW_EXPR: return node->row_expr->location;
    case PG_QUERY__NODE__NODE_RES_TARGET: return node->res_target->location;
    case PG_QUERY__NODE__NODE_A_INDIRECTION: return wr_sql_location(node->a_indirection->arg);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE: return node->collate_clause->location;
    case PG_QUERY__NODE__NODE_PARAM_REF: return node->param_ref->location;
    case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR: return node->named_arg_expr->location;
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: return node->grouping_func->location;
    default: return -1;
    }
}

weir_status
wr_bind_list(sql_query *q, tree_node *const *nodes, size_t count, wr_expr ***out)
{
    wr_expr **list = wr_arena_alloc(q->b->arena, (count + 1) * sizeof *list);
    if (list == NULL)
        return SQL_NOMEM(q->b);
    for (size_t i = 0; i < count; i++)
        WR_TRY(wr_bind_expr(q, nodes[i], &list[i]));
    *out = list;
    return WEIR_OK;
}

weir_status
wr_bind_typed(sql_query *q, const tree_node *node, wr_expr **out)
{
    WR_TRY(wr_bind_expr(q, node, out));
    if ((*out)->type.id == WR_UNKNOWN)
        WR_TRY(wr_sql_cast(q->b, *out, WR_TYPE(WR_TEXT), WR_CAST_EXPLICIT, out));
    return WEIR_OK;
}

weir_status
wr_bind_bool(sql_query *q, const tree_node *node, wr_expr **out)
{
    WR_TRY(wr_bind_expr(q, node, out));
    wr_type type = (*out)->type;
    if (type.id != WR_BOOL && type.id != WR_UNKNOWN)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, wr_sql_location(node),
                           "argument of %s must be type boolean, not type %s", q->clause,
                           wr_type_name(type));
    return wr_sql_cast(q->b, *out, WR_TYPE(WR_BOOL), WR_CAST_IMPLICIT, out);
}

typedef struct constant_check {
    bool has_column;
} constant_check;

static void
note_column(const wr_expr *expr, void *user)
{
    if (expr->kind == WR_EXPR_COLUMN)
        ((constant_check *)user)->has_column = true;
}

weir_status
wr_bind_constant(sql_query *q, const tree_node *node, wr_type type, wr_value *out)
{
    wr_expr *expr;
    constant_check check = { false };
    sql_scope nothing = { 0 };
    sql_query inner = { .b = q->b, .scope = &nothing, .clause = q->clause };
    if (node->node_case == PG_QUERY__NODE__NODE_SUB_LINK)
        return wr_sql_unsupported(q->b, wr_sql_location(node), "a subquery in this place is");
    WR_TRY(wr_bind_expr(&inner, node, &expr));
    WR_TRY(wr_sql_cast(q->b, expr, type, WR_CAST_ASSIGNMENT, &expr));
    wr_expr_walk(expr, note_column, &check);
    if (check.has_column || !wr_expr_is_constant(expr))
        return wr_error_at(q->b->err, WEIR_QUERY, wr_sql_location(node),
                           "argument of %s must be a constant", q->clause);
    wr_time now = q->b->options != NULL ? q->b->options->now : 0;
    weir_status status = wr_expr_fold(expr, now, q->b->arena, out, q->b->err);
    return wr_sql_place(q->b, status, wr_sql_location(node));
}

/* --- kinds --- */

static weir_status
bind_bool_expr(sql_query *q, const PgQuery__BoolExpr *e, wr_expr **out)
{
    const char *clause = q->clause;
    wr_expr **args = wr_arena_alloc(q->b->arena, (e->n_args + 1) * sizeof *args);
    if (args == NULL)
        return SQL_NOMEM(q->b);
    q->clause = e->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR  ? "AND"
                : e->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? "OR"
                                                                 : "NOT";
    wr_expr_kind kind = e->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR  ? WR_EXPR_AND
                        : e->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR ? WR_EXPR_OR
                                                                         : WR_EXPR_NOT;
    for (size_t i = 0; i < e->n_args; i++)
        WR_TRY(wr_bind_bool(q, e->args[i], &args[i]));
    q->clause = clause;
    return wr_sql_make(q->b, kind, WR_TYPE(WR_BOOL), args, (uint32_t)e->n_args, e->location, out);
}

static weir_status
bind_null_test(sql_query *q, const PgQuery__NullTest *e, wr_expr **out)
{
    bool is_null = e->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NULL;
    if (e->arg->node_case == PG_QUERY__NODE__NODE_ROW_EXPR) {
        /* ROW(a, b) IS [NOT] NULL: every one is (not) NULL */
        const PgQuery__RowExpr *row = e->arg->row_expr;
        wr_expr **parts;
        WR_TRY(wr_bind_list(q, row->args, row->n_args, &parts));
        for (size_t i = 0; i < row->n_args; i++)
            WR_TRY(wr_sql_make(q->b, is_null ? WR_EXPR_IS_NULL : WR_EXPR_IS_NOT_NULL,
                               WR_TYPE(WR_BOOL), &parts[i], 1, e->location, &parts[i]));
        if (row->n_args == 1) {
            *out = parts[0];
            return WEIR_OK;
        }
        return wr_sql_make(q->b, WR_EXPR_AND, WR_TYPE(WR_BOOL), parts, (uint32_t)row->n_args,
                           e->location, out);
    }
    wr_expr *arg;
    WR_TRY(wr_bind_typed(q, e->arg, &arg));
    return wr_sql_make(q->b, is_null ? WR_EXPR_IS_NULL : WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL),
                       &arg, 1, e->location, out);
}

static weir_status
bind_boolean_test(sql_query *q, const PgQuery__BooleanTest *e, wr_expr **out)
{
    static const wr_expr_kind kinds[] = {
        [PG_QUERY__BOOL_TEST_TYPE__IS_TRUE] = WR_EXPR_IS_TRUE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE] = WR_EXPR_IS_NOT_TRUE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_FALSE] = WR_EXPR_IS_FALSE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE] = WR_EXPR_IS_NOT_FALSE,
        [PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN] = WR_EXPR_IS_NULL,
        [PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN] = WR_EXPR_IS_NOT_NULL,
    };
    const char *clause = q->clause;
    wr_expr *arg;
    q->clause = "IS TRUE";
    WR_TRY(wr_bind_bool(q, e->arg, &arg));
    q->clause = clause;
    return wr_sql_make(q->b, kinds[e->booltesttype], WR_TYPE(WR_BOOL), &arg, 1, e->location, out);
}

/* CASE WHEN c THEN r ... and CASE x WHEN v THEN r ...: args when1, then1, ..., else. */
static weir_status
bind_case(sql_query *q, const PgQuery__CaseExpr *e, wr_expr **out)
{
    uint32_t n = (uint32_t)e->n_args;
    wr_expr **args = wr_arena_alloc(q->b->arena, (2 * n + 1) * sizeof *args);
    wr_expr **results = wr_arena_alloc(q->b->arena, (n + 1) * sizeof *results);
    wr_expr *tested = NULL;
    wr_type type;
    if (args == NULL || results == NULL)
        return SQL_NOMEM(q->b);
    if (e->arg != NULL)
        WR_TRY(wr_bind_typed(q, e->arg, &tested));
    for (uint32_t i = 0; i < n; i++) {
        const PgQuery__CaseWhen *when = e->args[i]->case_when;
        if (tested != NULL) {
            wr_expr *value;
            WR_TRY(wr_bind_expr(q, when->expr, &value));
            WR_TRY(wr_sql_compare(q->b, "=", tested, value, when->location, &args[2 * i]));
        } else {
            const char *clause = q->clause;
            q->clause = "CASE/WHEN";
            WR_TRY(wr_bind_bool(q, when->expr, &args[2 * i]));
            q->clause = clause;
        }
        WR_TRY(wr_bind_expr(q, when->result, &results[i + 1]));
    }
    wr_value null = wr_value_null(WR_TYPE(WR_UNKNOWN));
    if (e->defresult != NULL)
        WR_TRY(wr_bind_expr(q, e->defresult, &results[0]));
    else if ((results[0] = wr_sql_constant(q->b, &null, e->location)) == NULL)
        return SQL_NOMEM(q->b);
    WR_TRY(wr_sql_unify(q->b, results, n + 1, "CASE", e->location, &type));
    for (uint32_t i = 0; i < n; i++)
        args[2 * i + 1] = results[i + 1];
    args[2 * n] = results[0];
    return wr_sql_make(q->b, WR_EXPR_CASE, type, args, 2 * n + 1, e->location, out);
}

static weir_status
bind_coalesce(sql_query *q, const PgQuery__CoalesceExpr *e, wr_expr **out)
{
    wr_expr **args;
    wr_type type;
    WR_TRY(wr_bind_list(q, e->args, e->n_args, &args));
    WR_TRY(wr_sql_unify(q->b, args, (uint32_t)e->n_args, "COALESCE", e->location, &type));
    return wr_sql_make(q->b, WR_EXPR_COALESCE, type, args, (uint32_t)e->n_args, e->location, out);
}

static weir_status
bind_min_max(sql_query *q, const PgQuery__MinMaxExpr *e, wr_expr **out)
{
    bool greatest = e->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST;
    wr_expr **args;
    wr_type type;
    WR_TRY(wr_bind_list(q, e->args, e->n_args, &args));
    WR_TRY(wr_sql_unify(q->b, args, (uint32_t)e->n_args, greatest ? "GREATEST" : "LEAST",
                        e->location, &type));
    return wr_sql_call(q->b, greatest ? "greatest" : "least", args, (uint32_t)e->n_args,
                       e->location, out);
}

static weir_status
bind_value_function(sql_query *q, const PgQuery__SQLValueFunction *e, wr_expr **out)
{
    wr_type type;
    switch (e->op) {
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_DATE: type = WR_TYPE(WR_DATE); break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_CURRENT_TIMESTAMP_N:
        type = WR_TYPE(WR_TIMESTAMPTZ);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIMESTAMP_N:
        type = WR_TYPE(WR_TIMESTAMP);
        break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME:
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_LOCALTIME_N: type = WR_TYPE(WR_TIME); break;
    case PG_QUERY__SQLVALUE_FUNCTION_OP__SVFOP_USER: {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_TRAP, e->location,
                                         "user without quotes is CURRENT_USER, a constant");
        wr_error_hint(q->b->err, "for a column write \"user\" in double quotes, or t.user");
        return status;
    }
    default: return wr_sql_unsupported(q->b, e->location, "session functions of this kind are");
    }
    if (e->typmod >= 0 && type.id != WR_DATE)
        type.modifier = e->typmod;
    WR_TRY(wr_sql_call(q->b, "now", NULL, 0, e->location, out));
    return wr_sql_cast(q->b, *out, type, WR_CAST_EXPLICIT, out);
}

/* ARRAY[a, b], ARRAY[[1, 2], [3, 4]] */
static weir_status
bind_array(sql_query *q, const PgQuery__AArrayExpr *e, wr_expr **out)
{
    wr_expr **args;
    wr_type type;
    if (e->n_elements == 0) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_TYPE, e->location,
                                         "cannot determine type of empty array");
        wr_error_hint(q->b->err, "cast it to the type that is meant: ARRAY[]::integer[]");
        return status;
    }
    WR_TRY(wr_bind_list(q, e->elements, e->n_elements, &args));
    WR_TRY(wr_sql_unify(q->b, args, (uint32_t)e->n_elements, "ARRAY", e->location, &type));
    return wr_sql_call(q->b, "array_make", args, (uint32_t)e->n_elements, e->location, out);
}

static weir_status
bind_collate(sql_query *q, const PgQuery__CollateClause *e, wr_expr **out)
{
    const char *name = wr_sql_last_name(e->collname, e->n_collname);
    if (strcmp(name, "C") != 0 && strcmp(name, "POSIX") != 0 && strcmp(name, "default") != 0 &&
        strcmp(name, "ucs_basic") != 0) {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_UNSUPPORTED, e->location,
                                         "collation \"%s\" is not supported", name);
        wr_error_hint(q->b->err, "text sorts by bytes: COLLATE \"C\"");
        return status;
    }
    WR_TRY(wr_bind_expr(q, e->arg, out));
    uint8_t id = (*out)->type.id;
    if (id != WR_TEXT && id != WR_BPCHAR && id != WR_UNKNOWN)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, e->location,
                           "collations are not supported by type %s", wr_type_name((*out)->type));
    return WEIR_OK;
}

/* $n stands for its value as an untyped literal: what is around it decides the type. */
static weir_status
bind_param(sql_query *q, const PgQuery__ParamRef *e, wr_expr **out)
{
    const wr_plan_options *o = q->b->options;
    if (e->number < 1 || o == NULL || (uint32_t)e->number > o->param_count) {
        weir_status status =
            wr_error_at(q->b->err, WEIR_QUERY, e->location, "there is no parameter $%d", e->number);
        wr_error_hint(q->b->err, "%u parameters are given", o != NULL ? o->param_count : 0);
        return status;
    }
    const char *text = o->params[e->number - 1];
    wr_value value = { .type = WR_TYPE(WR_UNKNOWN), .is_null = text == NULL };
    if (text != NULL) {
        const char *copy = wr_arena_strdup(q->b->arena, text);
        if (copy == NULL)
            return SQL_NOMEM(q->b);
        value.string = wr_string_make(copy, strlen(copy));
    }
    *out = wr_sql_constant(q->b, &value, e->location);
    return *out != NULL ? WEIR_OK : SQL_NOMEM(q->b);
}

weir_status
wr_bind_expr(sql_query *q, const tree_node *node, wr_expr **out)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST: return wr_bind_literal(q->b, node->a_const, out);
    case PG_QUERY__NODE__NODE_COLUMN_REF: return wr_bind_column(q, node->column_ref, out);
    case PG_QUERY__NODE__NODE_A_EXPR: return wr_bind_operator(q, node->a_expr, out);
    case PG_QUERY__NODE__NODE_FUNC_CALL: return wr_bind_call(q, node->func_call, out);
    case PG_QUERY__NODE__NODE_TYPE_CAST: return wr_bind_cast(q, node->type_cast, out);
    case PG_QUERY__NODE__NODE_BOOL_EXPR: return bind_bool_expr(q, node->bool_expr, out);
    case PG_QUERY__NODE__NODE_NULL_TEST: return bind_null_test(q, node->null_test, out);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST: return bind_boolean_test(q, node->boolean_test, out);
    case PG_QUERY__NODE__NODE_CASE_EXPR: return bind_case(q, node->case_expr, out);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR: return bind_coalesce(q, node->coalesce_expr, out);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR: return bind_min_max(q, node->min_max_expr, out);
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return bind_value_function(q, node->sqlvalue_function, out);
    case PG_QUERY__NODE__NODE_SUB_LINK: return wr_bind_sublink(q, node->sub_link, out);
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR: return bind_array(q, node->a_array_expr, out);
    case PG_QUERY__NODE__NODE_A_INDIRECTION: return wr_bind_indirection(q, node->a_indirection, out);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE: return bind_collate(q, node->collate_clause, out);
    case PG_QUERY__NODE__NODE_PARAM_REF: return bind_param(q, node->param_ref, out);
    case PG_QUERY__NODE__NODE_NAMED_ARG_EXPR: {
        weir_status status = wr_error_at(q->b->err, WEIR_QUERY_UNSUPPORTED, wr_sql_location(node),
                                         "only window functions take named arguments");
        wr_error_hint(q->b->err, "leave out the name: arguments go by place");
        return status;
    }
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return wr_sql_unsupported(q->b, node->row_expr->location, "a row as a value is");
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: return wr_bind_grouping(q, node->grouping_func, out);
    case PG_QUERY__NODE__NODE_SET_TO_DEFAULT:
        return wr_error_at(q->b->err, WEIR_QUERY, -1, "DEFAULT is not allowed in this context");
    default: return wr_sql_unsupported(q->b, wr_sql_location(node), "this kind of expression is");
    }
}
