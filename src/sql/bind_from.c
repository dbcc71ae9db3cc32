/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_from.c -- FROM: relations, CTEs, derived tables, aliases; items side by side.
 *
 * Invariants  F1  an item's scope numbers its columns as its plan does
 *             F2  a plan stands in one tree only: a CTE is bound anew wherever it is named
 */
#include "sql/bind_impl.h"

#include <string.h>

/* --- relations --- */

static weir_status
no_relation(sql_binder *b, const char *schema, const char *name, int32_t location)
{
    const char *dot = schema[0] != '\0' ? "." : "";
    weir_status status = wr_error_at(b->err, WEIR_QUERY_NO_RELATION, location,
                                     "relation \"%s%s%s\" does not exist", schema, dot, name);
    const char *nearest = b->catalog != NULL ? wr_catalog_nearest(b->catalog, name) : NULL;
    for (const sql_cte *cte = b->ctes; cte != NULL && nearest == NULL; cte = cte->next)
        if (strcasecmp(cte->tree->ctename, name) == 0)
            nearest = cte->tree->ctename;
    if (nearest != NULL)
        wr_error_hint(b->err, "did you mean \"%s\"?", nearest);
    return status;
}

static weir_status
bind_cte(sql_binder *b, sql_cte *cte, int32_t location, wr_plan **plan)
{
    const PgQuery__CommonTableExpr *tree = cte->tree;
    sql_cte *visible = b->ctes;
    if (tree->ctequery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return wr_sql_unsupported(b, tree->location, "a WITH query that changes data is");
    if (tree->search_clause != NULL || tree->cycle_clause != NULL)
        return wr_sql_unsupported(b, tree->location, "SEARCH and CYCLE are");
    if (cte->busy) {
        weir_status status = wr_error_at(b->err, WEIR_QUERY_UNSUPPORTED, location,
                                         "recursive queries are not supported");
        wr_error_hint(b->err, "\"%s\" names itself, directly or through another WITH query",
                      tree->ctename);
        return status;
    }
    cte->busy = true;
    b->ctes = cte->visible;
    weir_status status = wr_bind_select(b, tree->ctequery->select_stmt, cte->outer, false, plan);
    b->ctes = visible;
    cte->busy = false;
    WR_TRY(status);
    if (tree->n_aliascolnames > (*plan)->schema->field_count)
        return wr_error_at(b->err, WEIR_QUERY, tree->location,
                           "WITH query \"%s\" has %u columns available but %zu columns specified",
                           tree->ctename, (*plan)->schema->field_count, tree->n_aliascolnames);
    for (size_t i = 0; i < tree->n_aliascolnames; i++)
        (*plan)->schema->fields[i].name = tree->aliascolnames[i]->string->sval;
    return WEIR_OK;
}

weir_status
wr_bind_relation(sql_query *q, const char *schema, const char *name, int32_t location,
                 wr_plan **plan)
{
    sql_binder *b = q->b;
    wr_relation *relation = NULL;
    if (schema[0] == '\0')
        for (sql_cte *cte = b->ctes; cte != NULL; cte = cte->next)
            if (strcmp(cte->tree->ctename, name) == 0)
                return bind_cte(b, cte, location, plan);
    if (b->catalog != NULL && schema[0] != '\0') {
        const char *dotted = wr_arena_printf(b->arena, "%s.%s", schema, name);
        if (dotted == NULL)
            return SQL_NOMEM(b);
        relation = wr_catalog_find(b->catalog, dotted);
    }
    if (relation == NULL && b->catalog != NULL &&
        (schema[0] == '\0' || strcmp(schema, "public") == 0))
        relation = wr_catalog_find(b->catalog, name);
    if (relation == NULL)
        return no_relation(b, schema, name, location);
    *plan = wr_plan_make_scan(b->arena, relation, location);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}

/* --- aliases --- */

/* The scope becomes one relation named alias, its columns renamed where the alias lists names. */
weir_status
wr_sql_alias_scope(sql_query *q, sql_scope *scope, const PgQuery__Alias *alias, int32_t location)
{
    sql_column *old = scope->columns;
    uint32_t count = scope->column_count, named = 0;
    if (alias == NULL)
        return WEIR_OK;
    sql_range only = scope->range_count == 1 ? scope->ranges[0] : (sql_range){ 0 };
    scope->columns = NULL;
    scope->range_count = scope->column_count = scope->column_capacity = 0;
    WR_TRY(wr_sql_scope_add_range(q->b, scope, alias->aliasname, NULL, location));
    scope->ranges[0].key = only.key;
    scope->ranges[0].key_count = only.key_count;
    for (uint32_t i = 0; i < count; i++) {
        if (old[i].shadowed)
            continue;
        sql_column column = old[i];
        column.range = 0;
        if (named < alias->n_colnames && !column.hidden)
            column.name = alias->colnames[named++]->string->sval;
        WR_TRY(wr_sql_scope_add_column(q->b, scope, &column));
    }
    if (named < alias->n_colnames)
        return wr_error_at(q->b->err, WEIR_QUERY, location,
                           "table \"%s\" has %u columns available but %zu columns specified",
                           alias->aliasname, named, alias->n_colnames);
    return WEIR_OK;
}

/* A fresh scope over plan with one range. */
static weir_status
scope_of(sql_query *q, sql_scope *outer, wr_plan *plan, const char *alias, const char *relation,
         int32_t location, sql_scope **out)
{
    sql_scope *scope = wr_sql_scope_create(q->b, outer);
    if (scope == NULL)
        return wr_sql_place(q->b, q->b->err->code != WEIR_OK ? q->b->err->code : WEIR_MEMORY,
                            location);
    scope->plan = plan;
    WR_TRY(wr_sql_scope_add_range(q->b, scope, alias, relation, location));
    WR_TRY(wr_sql_scope_add_columns(q->b, scope, plan->schema, 0));
    *out = scope;
    return WEIR_OK;
}

/* --- items --- */

static weir_status
bind_range_var(sql_query *q, const PgQuery__RangeVar *var, sql_scope *outer, sql_scope **out)
{
    wr_plan *plan;
    if (var->catalogname[0] != '\0')
        return wr_sql_unsupported(q->b, var->location, "a name of three parts is");
    WR_TRY(wr_bind_relation(q, var->schemaname, var->relname, var->location, &plan));
    WR_TRY(scope_of(q, outer, plan, var->relname, NULL, var->location, out));
    if (plan->kind == WR_PLAN_SCAN) {
        (*out)->ranges[0].key = plan->scan.relation->schema->key;
        (*out)->ranges[0].key_count = plan->scan.relation->schema->key_count;
    }
    return wr_sql_alias_scope(q, *out, var->alias, var->location);
}

static weir_status
bind_subselect(sql_query *q, const PgQuery__RangeSubselect *sub, sql_scope *left, sql_scope *outer,
               sql_scope **out)
{
    wr_plan *plan;
    if (sub->subquery->node_case != PG_QUERY__NODE__NODE_SELECT_STMT)
        return wr_sql_unsupported(q->b, -1, "this kind of sub-select is");
    WR_TRY(wr_bind_select(q->b, sub->subquery->select_stmt,
                          sub->lateral && left != NULL ? left : outer, false, &plan));
    WR_TRY(scope_of(q, left != NULL ? left : outer, plan, NULL, NULL, plan->location, out));
    return wr_sql_alias_scope(q, *out, sub->alias, plan->location);
}

weir_status
wr_bind_item(sql_query *q, const tree_node *item, sql_scope *left, sql_scope *outer,
             sql_scope **out)
{
    sql_scope *up = left != NULL ? left : outer;
    switch (item->node_case) {
    case PG_QUERY__NODE__NODE_RANGE_VAR: return bind_range_var(q, item->range_var, up, out);
    case PG_QUERY__NODE__NODE_RANGE_SUBSELECT:
        return bind_subselect(q, item->range_subselect, left, outer, out);
    case PG_QUERY__NODE__NODE_RANGE_FUNCTION:
        return wr_bind_range_function(q, item->range_function, up, out);
    case PG_QUERY__NODE__NODE_JOIN_EXPR: return wr_bind_join(q, item->join_expr, left, outer, out);
    case PG_QUERY__NODE__NODE_RANGE_TABLE_SAMPLE:
        return wr_sql_unsupported(q->b, item->range_table_sample->location, "TABLESAMPLE is");
    default: return wr_sql_unsupported(q->b, -1, "this kind of FROM item is");
    }
}

/* Append right's ranges and columns to left; right's columns begin at `offset` of the joined plan.
 */
weir_status
wr_sql_merge_scopes(sql_query *q, sql_scope *left, sql_scope *right, uint32_t offset,
                    int32_t location)
{
    uint32_t first = left->range_count;
    for (uint32_t i = 0; i < right->range_count; i++) {
        WR_TRY(wr_sql_scope_add_range(q->b, left, right->ranges[i].alias, right->ranges[i].relation,
                                      location));
        sql_range *range = &left->ranges[left->range_count - 1];
        range->first = right->ranges[i].first + offset;
        range->key = right->ranges[i].key;
        range->key_count = right->ranges[i].key_count;
    }
    for (uint32_t i = 0; i < right->column_count; i++) {
        sql_column column = right->columns[i];
        column.column += offset;
        if (column.range >= 0)
            column.range += (int32_t)first;
        WR_TRY(wr_sql_scope_add_column(q->b, left, &column));
    }
    return WEIR_OK;
}

/* left's plan KIND JOIN right's, where right may refer to left's columns. */
weir_status
wr_sql_join_lateral(sql_query *q, sql_scope *left, sql_scope *right, wr_join_kind kind,
                    int32_t location)
{
    uint32_t offset = left->plan->schema->field_count;
    WR_TRY(wr_sql_apply(q->b, left->id, left->plan, right->plan, kind, NULL, false, location,
                        &left->plan));
    return wr_sql_merge_scopes(q, left, right, offset, location);
}

weir_status
wr_bind_from(sql_query *q, tree_node *const *items, size_t count, sql_scope *outer)
{
    sql_binder *b = q->b;
    if (count == 0) {
        q->scope = wr_sql_scope_create(b, outer);
        if (q->scope == NULL)
            return wr_sql_place(b, b->err->code != WEIR_OK ? b->err->code : WEIR_MEMORY, -1);
        q->scope->plan = wr_plan_make_one_row(b->arena, -1);
        return q->scope->plan != NULL ? WEIR_OK : SQL_NOMEM(b);
    }
    WR_TRY(wr_bind_item(q, items[0], NULL, outer, &q->scope));
    WR_TRY(wr_sql_refuse_chosen(q, q->scope, -1));
    for (size_t i = 1; i < count; i++) {
        sql_scope *right;
        WR_TRY(wr_sql_count(b, &b->join_count, WR_SQL_JOINS_MAX, "joins", -1));
        WR_TRY(wr_bind_item(q, items[i], q->scope, outer, &right));
        WR_TRY(wr_sql_refuse_chosen(q, right, -1));
        WR_TRY(wr_sql_join_lateral(q, q->scope, right, WR_JOIN_INNER, -1));
    }
    q->scope->outer = outer;
    return WEIR_OK;
}
