/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_order.c -- directions, LIMIT and OFFSET; ORDER BY of a statement whose columns are
 * known.
 */
#include "sql/bind_impl.h"

#include <string.h>

weir_status
wr_sql_sort_direction(sql_binder *b, const PgQuery__SortBy *by, bool *descending, bool *nulls_first)
{
    if (by->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING) {
        const char *op = wr_sql_last_name(by->use_op, by->n_use_op);
        if (strcmp(op, "<") != 0 && strcmp(op, ">") != 0)
            return wr_sql_unsupported(b, by->location, "ORDER BY USING with this operator is");
        *descending = op[0] == '>';
    } else {
        *descending = by->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
    }
    /* NULLs are larger than everything unless it is said otherwise */
    *nulls_first = by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                   (by->sortby_nulls != PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST && *descending);
    return WEIR_OK;
}

static weir_status
bind_count(sql_binder *b, const tree_node *node, const char *clause, uint64_t none, uint64_t *out)
{
    sql_query q = { .b = b, .clause = clause };
    wr_value value;
    *out = none;
    if (node == NULL)
        return WEIR_OK;
    WR_TRY(wr_bind_constant(&q, node, WR_TYPE(WR_INT8), &value));
    if (value.is_null)
        return WEIR_OK;
    if (value.integer < 0)
        return wr_error_at(b->err, WEIR_QUERY, wr_sql_location(node), "%s must not be negative",
                           clause);
    *out = (uint64_t)value.integer;
    return WEIR_OK;
}

weir_status
wr_bind_limit(sql_binder *b, const tree_select *stmt, sql_scope *outer, uint64_t *limit,
              uint64_t *offset, bool *with_ties)
{
    (void)outer;
    *with_ties = stmt->limit_option == PG_QUERY__LIMIT_OPTION__LIMIT_OPTION_WITH_TIES;
    WR_TRY(bind_count(b, stmt->limit_count, "LIMIT", UINT64_MAX, limit));
    return bind_count(b, stmt->limit_offset, "OFFSET", 0, offset);
}

/* ORDER BY of UNION or VALUES: names and places of the output alone. */
static weir_status
bind_output_key(sql_binder *b, const PgQuery__SortBy *by, const wr_schema *schema, wr_sort_key *key)
{
    const tree_node *node = by->node;
    WR_TRY(wr_sql_sort_direction(b, by, &key->descending, &key->nulls_first));
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST &&
        node->a_const->val_case == PG_QUERY__A__CONST__VAL_IVAL) {
        int32_t at = node->a_const->ival->ival;
        if (at < 1 || (uint32_t)at > schema->field_count)
            return wr_error_at(b->err, WEIR_QUERY, wr_sql_location(node),
                               "ORDER BY position %d is not in select list", at);
        key->column = (uint32_t)at - 1;
        return WEIR_OK;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node->column_ref->n_fields == 1 &&
        node->column_ref->fields[0]->node_case == PG_QUERY__NODE__NODE_STRING) {
        const char *name = node->column_ref->fields[0]->string->sval;
        int32_t at = wr_schema_find(schema, name);
        if (at < 0)
            return wr_error_at(b->err, WEIR_QUERY_NO_COLUMN, wr_sql_location(node),
                               "column \"%s\" does not exist", name);
        key->column = (uint32_t)at;
        return WEIR_OK;
    }
    weir_status status = wr_error_at(b->err, WEIR_QUERY, wr_sql_location(node),
                                     "invalid UNION/INTERSECT/EXCEPT ORDER BY clause");
    wr_error_hint(b->err,
                  "only result column names can be used, not expressions or functions; add the "
                  "expression to every SELECT, or move the UNION into a FROM clause");
    return status;
}

weir_status
wr_sql_order_output(sql_binder *b, const tree_select *stmt, sql_scope *outer, wr_plan **plan)
{
    uint64_t limit, offset;
    bool with_ties;
    uint32_t n = (uint32_t)stmt->n_sort_clause;
    wr_sort_key *keys = wr_arena_calloc(b->arena, n + 1, sizeof *keys);
    if (keys == NULL)
        return SQL_NOMEM(b);
    WR_TRY(wr_bind_limit(b, stmt, outer, &limit, &offset, &with_ties));
    for (uint32_t i = 0; i < n; i++)
        WR_TRY(bind_output_key(b, stmt->sort_clause[i]->sort_by, (*plan)->schema, &keys[i]));
    if (n == 0 && limit == UINT64_MAX && offset == 0)
        return WEIR_OK;
    *plan = wr_plan_make_sort(b->arena, *plan, keys, n, limit, offset, with_ties,
                              n > 0 ? wr_sql_location(stmt->sort_clause[0]->sort_by->node) : -1);
    return *plan != NULL ? WEIR_OK : SQL_NOMEM(b);
}
