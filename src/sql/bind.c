/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind.c -- the binder's door: one statement, or one expression over a schema.
 */
#include "sql/bind_impl.h"

#include <string.h>

static weir_status
one_select(const PgQuery__ParseResult *tree, weir_error *err, const tree_select **out)
{
    if (tree->n_stmts == 0)
        return wr_error_at(err, WEIR_QUERY_SYNTAX, 0, "the statement is empty");
    if (tree->n_stmts > 1) {
        int32_t at = tree->stmts[1]->stmt_location;
        return wr_error_at(err, WEIR_QUERY_SYNTAX, at, "one statement is expected, not %zu",
                           tree->n_stmts);
    }
    const tree_node *stmt = tree->stmts[0]->stmt;
    if (stmt->node_case != PG_QUERY__NODE__NODE_SELECT_STMT) {
        weir_status status =
            wr_error_at(err, WEIR_QUERY_UNSUPPORTED, 0, "only SELECT, WITH and VALUES are queries");
        wr_error_hint(err, "sources, views and sinks are declared in the pipeline file");
        return status;
    }
    *out = stmt->select_stmt;
    return WEIR_OK;
}

static weir_status
bind_statement(const wr_sql_statement *s, sql_binder *b, wr_plan **plan, wr_sql_extras *extras)
{
    const tree_select *stmt;
    if (extras != NULL)
        *extras = wr_sql_statement_extras(s);
    WR_TRY(one_select(s->tree, b->err, &stmt));
    return wr_bind_select(b, stmt, NULL, false, plan);
}

wr_sql_extras
wr_sql_statement_extras(const wr_sql_statement *s)
{
    return (wr_sql_extras){ .emit_given = s->scan.emit_given,
                            .emit = s->scan.emit_final ? WR_EMIT_FINAL : WR_EMIT_CHANGES };
}

static weir_status
statement_parse(const char *text, size_t length, const weir_parser *parser, wr_arena *arena,
                wr_sql_statement **out, weir_error *err)
{
    wr_sql_statement *s = wr_arena_calloc(arena, 1, sizeof *s);
    if (s == NULL)
        return wr_error_set(err, WEIR_MEMORY, "the statement does not fit the memory budget");
    s->arena = arena;
    *out = s;
    weir_error local;
    sql_binder b = { .arena = arena, .err = &local };
    wr_error_clear(&local);
    weir_status status =
        wr_sql_tree("", text, length, "", true, parser, arena, &s->scan, &s->tree, &local);
    if (status != WEIR_OK) {
        status = wr_sql_place(&b, status, -1);
        if (err != NULL)
            *err = local;
    }
    return status;
}

weir_status
wr_sql_statement_parse(const char *text, size_t length, wr_arena *arena, wr_sql_statement **out,
                       weir_error *err)
{
    return statement_parse(text, length, NULL, arena, out, err);
}

weir_status
wr_sql_statement_parse_foreign(const char *text, size_t length, const weir_parser *parser,
                               wr_arena *arena, wr_sql_statement **out, weir_error *err)
{
    wr_assert(parser->parse != NULL);
    return statement_parse(text, length, parser, arena, out, err);
}

weir_status
wr_sql_bind(const char *text, size_t length, const wr_catalog *catalog,
            const wr_plan_options *options, wr_arena *arena, wr_plan **plan, wr_sql_extras *extras,
            weir_error *err)
{
    wr_sql_statement *s;
    WR_TRY(wr_sql_statement_parse(text, length, arena, &s, err));
    return wr_sql_statement_bind(s, catalog, options, plan, extras, err);
}

weir_status
wr_sql_statement_bind(const wr_sql_statement *s, const wr_catalog *catalog,
                      const wr_plan_options *options, wr_plan **plan, wr_sql_extras *extras,
                      weir_error *err)
{
    weir_error local;
    sql_binder b = { .arena = s->arena, .catalog = catalog, .options = options, .err = &local };
    wr_error_clear(&local);
    weir_status status = bind_statement(s, &b, plan, extras);
    if (status == WEIR_OK && !wr_arena_ok(s->arena)) /* part of the plan may be missing */
        status = SQL_NOMEM(&b);
    if (status != WEIR_OK) {
        status = wr_sql_place(&b, status, -1);
        if (err != NULL)
            *err = local;
    }
    return status;
}

/* The one expression of SELECT <text>. */
static weir_status
bind_text_expr(const char *text, size_t length, const wr_schema *schema, sql_binder *b,
               wr_expr **expr)
{
    wr_sql_scan scan;
    PgQuery__ParseResult *tree;
    const tree_select *stmt;
    WR_TRY(wr_sql_tree("SELECT ", text, length, "", false, NULL, b->arena, &scan, &tree, b->err));
    WR_TRY(one_select(tree, b->err, &stmt));
    bool plain = stmt->n_target_list == 1 && stmt->n_from_clause == 0 &&
                 stmt->where_clause == NULL && stmt->n_group_clause == 0 &&
                 stmt->n_sort_clause == 0 && stmt->op == PG_QUERY__SET_OPERATION__SETOP_NONE &&
                 stmt->limit_count == NULL && stmt->target_list[0]->res_target->name[0] == '\0';
    if (!plain)
        return wr_error_at(b->err, WEIR_QUERY_SYNTAX, 0, "one expression is expected");
    sql_scope *scope = wr_sql_scope_create(b, NULL);
    if (scope == NULL)
        return SQL_NOMEM(b);
    sql_query q = { .b = b, .scope = scope, .clause = "an expression" };
    WR_TRY(wr_sql_scope_add_range(b, scope, NULL, NULL, -1));
    WR_TRY(wr_sql_scope_add_columns(b, scope, schema, 0));
    return wr_bind_typed(&q, stmt->target_list[0]->res_target->val, expr);
}

weir_status
wr_sql_bind_expr(const char *text, size_t length, const wr_schema *schema, wr_arena *arena,
                 wr_expr **expr, weir_error *err)
{
    weir_error local;
    sql_binder b = { .arena = arena, .err = &local };
    wr_error_clear(&local);
    weir_status status = bind_text_expr(text, length, schema, &b, expr);
    if (status == WEIR_OK && !wr_arena_ok(arena))
        status = SQL_NOMEM(&b);
    if (status != WEIR_OK) {
        status = wr_sql_place(&b, status, 0);
        if (err != NULL)
            *err = local;
    }
    return status;
}
