/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/columns.c -- "a bigint NOT NULL, b text OPTIONS (path '$.x')" to a schema.
 *
 * The text is wrapped in CREATE FOREIGN TABLE, whose grammar has all of it; places are those of the
 * text.
 */
#include "sql/bind_impl.h"

#include <string.h>

static weir_status
column_option(sql_binder *b, const tree_node *node, wr_field *field)
{
    const PgQuery__DefElem *option = node->def_elem;
    const char *value = option->arg != NULL && option->arg->node_case == PG_QUERY__NODE__NODE_STRING
                            ? option->arg->string->sval
                            : "";
    if (strcmp(option->defname, "path") != 0) {
        weir_status status = wr_error_at(b->err, WEIR_CONFIG_UNKNOWN_KEY, option->location,
                                         "unknown column option \"%s\"", option->defname);
        wr_error_hint(b->err, "the option is path: OPTIONS (path '$.meta.channel')");
        return status;
    }
    if (value[0] == '\0')
        return wr_error_at(b->err, WEIR_CONFIG_VALUE, option->location,
                           "a path is a text: OPTIONS (path '$.meta.channel')");
    field->path = value;
    return WEIR_OK;
}

static weir_status
add_key(sql_binder *b, wr_schema *schema, const char *name, int32_t location)
{
    int32_t column = wr_schema_find(schema, name);
    if (column < 0)
        return wr_error_at(b->err, WEIR_QUERY_NO_COLUMN, location,
                           "column \"%s\" named in key does not exist", name);
    for (uint32_t i = 0; i < schema->key_count; i++)
        if (schema->key[i] == (uint32_t)column)
            return wr_error_at(b->err, WEIR_CONFIG_DUPLICATE_KEY, location,
                               "column \"%s\" appears twice in primary key constraint", name);
    schema->key[schema->key_count++] = (uint32_t)column;
    schema->fields[column].not_null = true;
    return WEIR_OK;
}

static weir_status
column_constraint(sql_binder *b, const PgQuery__Constraint *c, wr_schema *schema, wr_field *field)
{
    switch (c->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NULL: return WEIR_OK;
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL: field->not_null = true; return WEIR_OK;
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
        if (schema->key_count > 0)
            return wr_error_at(b->err, WEIR_CONFIG_DUPLICATE_KEY, c->location,
                               "multiple primary keys are not allowed");
        return add_key(b, schema, field->name, c->location);
    default: {
        weir_status status = wr_error_at(b->err, WEIR_QUERY_UNSUPPORTED, c->location,
                                         "this constraint is not supported");
        wr_error_hint(b->err, "a column takes NOT NULL, PRIMARY KEY and OPTIONS (path '...')");
        return status;
    }
    }
}

static weir_status
add_column(sql_binder *b, const PgQuery__ColumnDef *def, wr_schema *schema, uint32_t at)
{
    wr_field *field = &schema->fields[at];
    if (def->type_name == NULL)
        return wr_error_at(b->err, WEIR_QUERY_TYPE, def->location, "column \"%s\" has no type",
                           def->colname);
    *field = (wr_field){ .name = def->colname,
                         .not_null = def->is_not_null,
                         .watermark_offset = WR_NO_WATERMARK };
    WR_TRY(wr_bind_type(b, def->type_name, &field->type));
    for (uint32_t i = 0; i < at; i++)
        if (strcmp(schema->fields[i].name, field->name) == 0)
            return wr_error_at(b->err, WEIR_CONFIG_DUPLICATE_KEY, def->location,
                               "column \"%s\" specified more than once", field->name);
    for (size_t i = 0; i < def->n_fdwoptions; i++)
        WR_TRY(column_option(b, def->fdwoptions[i], field));
    for (size_t i = 0; i < def->n_constraints; i++)
        WR_TRY(column_constraint(b, def->constraints[i]->constraint, schema, field));
    return WEIR_OK;
}

static weir_status
table_constraint(sql_binder *b, const PgQuery__Constraint *c, wr_schema *schema)
{
    if (c->contype != PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY) {
        weir_status status = wr_error_at(b->err, WEIR_QUERY_UNSUPPORTED, c->location,
                                         "this constraint is not supported");
        wr_error_hint(b->err, "the one constraint after the columns is PRIMARY KEY (a, b)");
        return status;
    }
    if (schema->key_count > 0)
        return wr_error_at(b->err, WEIR_CONFIG_DUPLICATE_KEY, c->location,
                           "multiple primary keys are not allowed");
    for (size_t i = 0; i < c->n_keys; i++)
        WR_TRY(add_key(b, schema, c->keys[i]->string->sval, c->location));
    return WEIR_OK;
}

static weir_status
columns_of(sql_binder *b, const PgQuery__CreateStmt *create, wr_schema **out)
{
    uint32_t count = 0, at = 0;
    for (size_t i = 0; i < create->n_table_elts; i++)
        count += create->table_elts[i]->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF;
    if (count == 0)
        return wr_error_at(b->err, WEIR_QUERY_SYNTAX, 0, "there is no column");
    if (count > WR_SQL_COLUMNS_MAX)
        return wr_error_at(b->err, WEIR_QUERY_TOO_COMPLEX, 0, "a relation has at most %d columns",
                           WR_SQL_COLUMNS_MAX);
    wr_schema *schema = wr_schema_create(b->arena, count);
    if (schema == NULL)
        return SQL_NOMEM(b);
    schema->key = wr_arena_calloc(b->arena, count, sizeof *schema->key);
    if (schema->key == NULL)
        return SQL_NOMEM(b);
    for (uint32_t i = 0; i < count; i++)
        schema->fields[i].name = "";
    for (size_t i = 0; i < create->n_table_elts; i++)
        if (create->table_elts[i]->node_case == PG_QUERY__NODE__NODE_COLUMN_DEF)
            WR_TRY(add_column(b, create->table_elts[i]->column_def, schema, at++));
    for (size_t i = 0; i < create->n_table_elts; i++) {
        const tree_node *e = create->table_elts[i];
        if (e->node_case == PG_QUERY__NODE__NODE_CONSTRAINT)
            WR_TRY(table_constraint(b, e->constraint, schema));
        else if (e->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
            return wr_sql_unsupported(b, 0, "LIKE in a column list is");
    }
    *out = schema;
    return WEIR_OK;
}

static weir_status
parse_columns(const char *text, size_t length, sql_binder *b, wr_schema **schema)
{
    wr_sql_scan scan;
    PgQuery__ParseResult *tree;
    WR_TRY(wr_sql_tree("CREATE FOREIGN TABLE t (", text, length, "\n) SERVER s", false, NULL, b->arena,
                       &scan, &tree, b->err));
    bool one = tree->n_stmts == 1 &&
               tree->stmts[0]->stmt->node_case == PG_QUERY__NODE__NODE_CREATE_FOREIGN_TABLE_STMT;
    const PgQuery__CreateForeignTableStmt *stmt =
        one ? tree->stmts[0]->stmt->create_foreign_table_stmt : NULL;
    if (stmt == NULL || stmt->n_options > 0 || strcmp(stmt->servername, "s") != 0 ||
        stmt->base_stmt->n_inh_relations > 0)
        return wr_error_at(b->err, WEIR_QUERY_SYNTAX, 0, "a list of columns is expected");
    return columns_of(b, stmt->base_stmt, schema);
}

weir_status
wr_sql_parse_columns(const char *text, size_t length, wr_arena *arena, wr_schema **schema,
                     weir_error *err)
{
    weir_error local;
    sql_binder b = { .arena = arena, .err = &local };
    wr_error_clear(&local);
    weir_status status = parse_columns(text, length, &b, schema);
    if (status != WEIR_OK) {
        status = wr_sql_place(&b, status, 0);
        if (local.code == WEIR_QUERY_SYNTAX && local.hint[0] == '\0')
            wr_error_hint(&local,
                          "write: a bigint NOT NULL, b text OPTIONS (path '$.x'); OPTIONS comes "
                          "before NOT NULL");
        if (err != NULL)
            *err = local;
    }
    return status;
}
