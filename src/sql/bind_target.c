/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_target.c -- the select list: *, t.*, expressions, and the names PostgreSQL gives
 * columns.
 */
#include "sql/bind_impl.h"

#include <string.h>

static int figure(const tree_node *node, const char **name);

static int
figure_sublink(const PgQuery__SubLink *link, const char **name)
{
    const tree_node *sub = link->subselect;
    switch (link->sub_link_type) {
    case PG_QUERY__SUB_LINK_TYPE__EXISTS_SUBLINK: *name = "exists"; return 2;
    case PG_QUERY__SUB_LINK_TYPE__ARRAY_SUBLINK: *name = "array"; return 2;
    case PG_QUERY__SUB_LINK_TYPE__EXPR_SUBLINK: break;
    default: return 0;
    }
    if (sub->node_case != PG_QUERY__NODE__NODE_SELECT_STMT || sub->select_stmt->n_target_list == 0)
        return 0;
    const PgQuery__ResTarget *target = sub->select_stmt->target_list[0]->res_target;
    if (target->name[0] == '\0')
        return figure(target->val, name);
    *name = target->name;
    return 2;
}

static int
figure_value(const PgQuery__SQLValueFunction *f, const char **name)
{
    static const char *const names[] = {
        "",
        "current_date",
        "current_time",
        "current_time",
        "current_timestamp",
        "current_timestamp",
        "localtime",
        "localtime",
        "localtimestamp",
        "localtimestamp",
        "current_role",
        "current_user",
        "user",
        "session_user",
        "current_catalog",
        "current_schema",
    };
    unsigned op = (unsigned)f->op;
    *name = op < WR_COUNT(names) ? names[op] : "";
    return 2;
}

/* How sure a name is, as PostgreSQL ranks it: 2 a real name, 1 a stand-in (type, "case"), 0 none.
 */
static int
figure(const tree_node *node, const char **name)
{
    if (node == NULL)
        return 0;
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_COLUMN_REF: {
        const tree_node *last = node->column_ref->fields[node->column_ref->n_fields - 1];
        if (last->node_case != PG_QUERY__NODE__NODE_STRING)
            return 0;
        *name = last->string->sval;
        return 2;
    }
    case PG_QUERY__NODE__NODE_A_INDIRECTION: {
        const PgQuery__AIndirection *e = node->a_indirection;
        for (size_t i = e->n_indirection; i-- > 0;)
            if (e->indirection[i]->node_case == PG_QUERY__NODE__NODE_STRING) {
                *name = e->indirection[i]->string->sval;
                return 2;
            }
        return figure(e->arg, name);
    }
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        *name = wr_sql_last_name(node->func_call->funcname, node->func_call->n_funcname);
        return 2;
    case PG_QUERY__NODE__NODE_A_EXPR:
        if (node->a_expr->kind != PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF)
            return 0;
        *name = "nullif";
        return 2;
    case PG_QUERY__NODE__NODE_TYPE_CAST: {
        int strength = figure(node->type_cast->arg, name);
        if (strength > 1)
            return strength;
        *name = wr_sql_last_name(node->type_cast->type_name->names,
                                 node->type_cast->type_name->n_names);
        return 1;
    }
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE: return figure(node->collate_clause->arg, name);
    case PG_QUERY__NODE__NODE_GROUPING_FUNC: *name = "grouping"; return 2;
    case PG_QUERY__NODE__NODE_SUB_LINK: return figure_sublink(node->sub_link, name);
    case PG_QUERY__NODE__NODE_CASE_EXPR: {
        int strength = figure(node->case_expr->defresult, name);
        if (strength > 1)
            return strength;
        *name = "case";
        return 1;
    }
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR: *name = "array"; return 2;
    case PG_QUERY__NODE__NODE_ROW_EXPR: *name = "row"; return 2;
    case PG_QUERY__NODE__NODE_COALESCE_EXPR: *name = "coalesce"; return 2;
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        *name = node->min_max_expr->op == PG_QUERY__MIN_MAX_OP__IS_GREATEST ? "greatest" : "least";
        return 2;
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION: return figure_value(node->sqlvalue_function, name);
    default: return 0;
    }
}

const char *
wr_sql_figure_name(const tree_node *node)
{
    const char *name = NULL;
    figure(node, &name);
    return name != NULL ? name : "?column?";
}

static weir_status
add_target(sql_query *q, sql_targets *targets, const sql_target *target)
{
    if (targets->count >= WR_SQL_COLUMNS_MAX)
        return wr_error_at(q->b->err, WEIR_QUERY_TOO_COMPLEX, target->location,
                           "target lists can have at most %d entries", WR_SQL_COLUMNS_MAX);
    if (!SQL_PUSH(q->b, targets->items, targets->count, targets->capacity))
        return SQL_NOMEM(q->b);
    targets->items[targets->count++] = *target;
    return WEIR_OK;
}

static weir_status
add_column(sql_query *q, const sql_scope *scope, const sql_column *c, int32_t location,
           sql_targets *targets)
{
    uint32_t number = scope == q->scope ? c->column : sql_outer(scope->id, c->column);
    sql_target target = { .name = c->name, .named = true, .location = location };
    target.expr = wr_expr_column(q->b->arena, number, c->type);
    if (target.expr == NULL)
        return SQL_NOMEM(q->b);
    target.expr->location = location;
    return add_target(q, targets, &target);
}

static weir_status
expand_star(sql_query *q, int32_t location, sql_targets *targets)
{
    if (q->scope->range_count == 0)
        return wr_error_at(q->b->err, WEIR_QUERY, location,
                           "SELECT * with no tables specified is not valid");
    for (uint32_t i = 0; i < q->scope->column_count; i++) {
        const sql_column *c = &q->scope->columns[i];
        if (!c->hidden && !c->shadowed)
            WR_TRY(add_column(q, q->scope, c, location, targets));
    }
    return WEIR_OK;
}

/* t.*: the relation's columns in its own order, those merged by USING too. */
static weir_status
expand_range(sql_query *q, const char *alias, int32_t location, sql_targets *targets)
{
    for (const sql_scope *scope = q->scope; scope != NULL; scope = scope->outer) {
        int32_t range = wr_sql_scope_find_range(scope, alias);
        if (range < 0)
            continue;
        for (uint32_t i = 0; i < scope->column_count; i++)
            if (scope->columns[i].range == range && !scope->columns[i].hidden)
                WR_TRY(add_column(q, scope, &scope->columns[i], location, targets));
        return WEIR_OK;
    }
    return wr_error_at(q->b->err, WEIR_QUERY_NO_COLUMN, location,
                       "missing FROM-clause entry for table \"%s\"", alias);
}

weir_status
wr_bind_targets(sql_query *q, tree_node *const *nodes, size_t count, sql_targets *targets)
{
    for (size_t i = 0; i < count; i++) {
        const PgQuery__ResTarget *t = nodes[i]->res_target;
        if (t->val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF) {
            const PgQuery__ColumnRef *ref = t->val->column_ref;
            if (ref->fields[ref->n_fields - 1]->node_case == PG_QUERY__NODE__NODE_A_STAR) {
                if (ref->n_fields > 2)
                    return wr_sql_unsupported(q->b, ref->location, "this use of * is");
                if (ref->n_fields == 1)
                    WR_TRY(expand_star(q, ref->location, targets));
                else
                    WR_TRY(expand_range(q, ref->fields[0]->string->sval, ref->location, targets));
                continue;
            }
        }
        bool plain = t->val->node_case == PG_QUERY__NODE__NODE_COLUMN_REF;
        sql_target target = { .named = t->name[0] != '\0' || plain, .location = t->location };
        target.name = t->name[0] != '\0' ? t->name : wr_sql_figure_name(t->val);
        WR_TRY(wr_bind_expr(q, t->val, &target.expr));
        WR_TRY(add_target(q, targets, &target));
    }
    return WEIR_OK;
}
