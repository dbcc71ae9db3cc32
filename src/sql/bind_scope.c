/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_scope.c -- names: which relation and which column a reference means.
 *
 * Invariants  N1  a bare name that two relations of one scope have is ambiguous, never the first
 *             N2  an inner scope hides an outer one, name by name
 */
#include "sql/bind_impl.h"

#include <string.h>

void *
wr_sql_grow(wr_arena *arena, void *array, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return array;
    uint32_t more = *capacity == 0 ? 8 : *capacity * 2;
    void *grown = wr_arena_calloc(arena, more, bytes);
    if (grown == NULL)
        return NULL;
    if (count > 0)
        memcpy(grown, array, count * bytes);
    *capacity = more;
    return grown;
}

weir_status
wr_sql_place(sql_binder *b, weir_status status, int32_t location)
{
    if (status != WEIR_OK && b->err->code == WEIR_OK) {
        wr_error_at(b->err, status, location, "%s", weir_status_text(status));
    }
    if (status != WEIR_OK && b->err->offset < 0)
        b->err->offset = location;
    return status;
}

weir_status
wr_sql_count(sql_binder *b, uint32_t *count, uint32_t most, const char *what, int32_t location)
{
    if (++*count <= most)
        return WEIR_OK;
    weir_status status = wr_error_at(b->err, WEIR_QUERY_TOO_COMPLEX, location,
                                     "a query has at most %u %s", most, what);
    wr_error_hint(b->err, "split it into views on views");
    return status;
}

weir_status
wr_sql_unsupported(sql_binder *b, int32_t location, const char *what)
{
    return wr_error_at(b->err, WEIR_QUERY_UNSUPPORTED, location, "%s not supported", what);
}

sql_scope *
wr_sql_scope_create(sql_binder *b, sql_scope *outer)
{
    if (b->scope_count >= WR_SQL_SCOPES_MAX) {
        wr_error_set(b->err, WEIR_QUERY_TOO_COMPLEX, "the statement has more than %d selects",
                     WR_SQL_SCOPES_MAX);
        return NULL;
    }
    sql_scope *scope = wr_arena_calloc(b->arena, 1, sizeof *scope);
    if (scope == NULL)
        return NULL;
    scope->outer = outer;
    scope->id = ++b->scope_count;
    return scope;
}

int32_t
wr_sql_scope_find_range(const sql_scope *scope, const char *alias)
{
    for (uint32_t i = 0; i < scope->range_count; i++)
        if (scope->ranges[i].alias != NULL && strcmp(scope->ranges[i].alias, alias) == 0)
            return (int32_t)i;
    for (uint32_t i = 0; i < scope->range_count; i++)
        if (scope->ranges[i].relation != NULL && strcmp(scope->ranges[i].relation, alias) == 0)
            return (int32_t)i;
    return -1;
}

weir_status
wr_sql_scope_add_range(sql_binder *b, sql_scope *scope, const char *alias, const char *relation,
                       int32_t location)
{
    for (uint32_t i = 0; alias != NULL && i < scope->range_count; i++)
        if (scope->ranges[i].alias != NULL && strcmp(scope->ranges[i].alias, alias) == 0) {
            weir_status status = wr_error_at(b->err, WEIR_QUERY_AMBIGUOUS, location,
                                             "table name \"%s\" specified more than once", alias);
            wr_error_hint(b->err, "give one of them another alias: %s AS other", alias);
            return status;
        }
    if (!SQL_PUSH(b, scope->ranges, scope->range_count, scope->range_capacity))
        return SQL_NOMEM(b);
    scope->ranges[scope->range_count++] = (sql_range){ .alias = alias, .relation = relation };
    return WEIR_OK;
}

weir_status
wr_sql_scope_add_column(sql_binder *b, sql_scope *scope, const sql_column *column)
{
    if (scope->column_count >= 0xffff)
        return wr_error_set(b->err, WEIR_QUERY_TOO_COMPLEX, "FROM has too many columns");
    if (!SQL_PUSH(b, scope->columns, scope->column_count, scope->column_capacity))
        return SQL_NOMEM(b);
    scope->columns[scope->column_count++] = *column;
    return WEIR_OK;
}

weir_status
wr_sql_scope_add_columns(sql_binder *b, sql_scope *scope, const wr_schema *schema, uint32_t first)
{
    wr_assert(scope->range_count > 0);
    for (uint32_t i = first; i < schema->field_count; i++) {
        const wr_field *field = &schema->fields[i];
        sql_column column = { .name = field->name,
                              .range = (int32_t)scope->range_count - 1,
                              .column = i,
                              .type = field->type,
                              .hidden = field->hidden };
        WR_TRY(wr_sql_scope_add_column(b, scope, &column));
    }
    return WEIR_OK;
}

const sql_column *
wr_sql_scope_find(const sql_scope *scope, const char *name)
{
    for (uint32_t i = 0; i < scope->column_count; i++)
        if (!scope->columns[i].shadowed && strcmp(scope->columns[i].name, name) == 0)
            return &scope->columns[i];
    return NULL;
}

/* A column of one scope by bare name; *found NULL: none. */
static weir_status
find_bare(sql_binder *b, const sql_scope *scope, const char *name, int32_t location,
          const sql_column **found)
{
    *found = NULL;
    for (uint32_t i = 0; i < scope->column_count; i++) {
        const sql_column *c = &scope->columns[i];
        if (c->shadowed || strcmp(c->name, name) != 0)
            continue;
        if (*found != NULL) {
            weir_status status = wr_error_at(b->err, WEIR_QUERY_AMBIGUOUS, location,
                                             "column reference \"%s\" is ambiguous", name);
            const char *alias = c->range >= 0 ? scope->ranges[c->range].alias : NULL;
            if (alias != NULL)
                wr_error_hint(b->err, "say whose it is: %s.%s", alias, name);
            return status;
        }
        *found = c;
    }
    return WEIR_OK;
}

static weir_status
find_qualified(sql_binder *b, const sql_scope *scope, int32_t range, const char *name,
               int32_t location, const sql_column **found)
{
    *found = NULL;
    for (uint32_t i = 0; i < scope->column_count; i++) {
        const sql_column *c = &scope->columns[i];
        if (c->range != range || strcmp(c->name, name) != 0)
            continue;
        if (*found != NULL)
            return wr_error_at(b->err, WEIR_QUERY_AMBIGUOUS, location,
                               "column reference \"%s\" is ambiguous", name);
        *found = c;
    }
    return WEIR_OK;
}

/* "did you mean": same name in another case, or one as near as the catalog asks. */
static void
hint_column(sql_binder *b, const sql_scope *scope, const char *name)
{
    for (const sql_scope *s = scope; s != NULL; s = s->outer) {
        wr_catalog names;
        const char *nearest;
        wr_catalog_init(&names, b->arena);
        for (uint32_t i = 0; i < s->column_count; i++) {
            const char *have = s->columns[i].name;
            if (strcasecmp(have, name) == 0) {
                wr_error_hint(b->err,
                              "did you mean \"%s\"? names without quotes are folded to lower "
                              "case",
                              have);
                return;
            }
            wr_schema empty = { 0 };
            wr_relation r = { .name = have, .schema = &empty };
            if (wr_catalog_find(&names, have) == NULL &&
                wr_catalog_add(&names, &r, NULL) != WEIR_OK)
                return;
        }
        if ((nearest = wr_catalog_nearest(&names, name)) != NULL) {
            wr_error_hint(b->err, "did you mean \"%s\"?", nearest);
            return;
        }
    }
}

static const char *
field_name(const tree_node *node)
{
    return node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : NULL;
}

static weir_status
column_expr(sql_query *q, const sql_scope *scope, const sql_column *c, int32_t location,
            wr_expr **out)
{
    uint32_t number = scope == q->scope ? c->column : sql_outer(scope->id, c->column);
    *out = wr_expr_column(q->b->arena, number, c->type);
    if (*out == NULL)
        return SQL_NOMEM(q->b);
    (*out)->location = location;
    return WEIR_OK;
}

/* The names after a jsonb column: payload.a.b is payload -> 'a' -> 'b'. */
static weir_status
json_path(sql_query *q, tree_node *const *fields, size_t count, int32_t location, wr_expr **expr)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = field_name(fields[i]);
        if (name == NULL || ((*expr)->type.id != WR_JSONB && (*expr)->type.id != WR_JSON))
            return wr_error_at(q->b->err, WEIR_QUERY_NO_COLUMN, location,
                               "only json columns have fields: \"%s\"", name != NULL ? name : "*");
        wr_value value = { .type = WR_TYPE(WR_TEXT), .string = wr_string_make(name, strlen(name)) };
        wr_expr *args[2] = { *expr, wr_sql_constant(q->b, &value, location) };
        if (args[1] == NULL)
            return SQL_NOMEM(q->b);
        WR_TRY(wr_sql_call(q->b, "->", args, 2, location, expr));
    }
    return WEIR_OK;
}

static weir_status
no_column(sql_query *q, const PgQuery__ColumnRef *ref, const char *name, const char *qualifier)
{
    weir_status status = qualifier == NULL
                             ? wr_error_at(q->b->err, WEIR_QUERY_NO_COLUMN, ref->location,
                                           "column \"%s\" does not exist", name)
                             : wr_error_at(q->b->err, WEIR_QUERY_NO_COLUMN, ref->location,
                                           "column %s.%s does not exist", qualifier, name);
    hint_column(q->b, q->scope, name);
    return status;
}

/* t.a, t.a.field...; *found NULL: no relation of any scope is called t.  As in PostgreSQL a relation's name, even that of an
 * outer scope, goes before a column's. */
static weir_status
find_in_range(sql_query *q, const PgQuery__ColumnRef *ref, const char *first, const char *second,
              const sql_scope **in, const sql_column **found)
{
    *found = NULL;
    for (const sql_scope *scope = q->scope; scope != NULL; scope = scope->outer) {
        int32_t range = wr_sql_scope_find_range(scope, first);
        if (range < 0)
            continue;
        *in = scope;
        WR_TRY(find_qualified(q->b, scope, range, second, ref->location, found));
        return *found != NULL ? WEIR_OK : no_column(q, ref, second, first);
    }
    return WEIR_OK;
}

/* a  |  t.a  |  t.a.field...  |  a.field...  (the last two for json) */
weir_status
wr_bind_column(sql_query *q, const PgQuery__ColumnRef *ref, wr_expr **out)
{
    const char *first = field_name(ref->fields[0]);
    if (first == NULL)
        return wr_error_at(q->b->err, WEIR_QUERY, ref->location, "* is not allowed here");
    const char *second = ref->n_fields > 1 ? field_name(ref->fields[1]) : NULL;
    const sql_column *c = NULL;
    const sql_scope *scope = q->scope;

    if (second != NULL)
        WR_TRY(find_in_range(q, ref, first, second, &scope, &c));
    if (c != NULL) {
        WR_TRY(column_expr(q, scope, c, ref->location, out));
        return json_path(q, ref->fields + 2, ref->n_fields - 2, ref->location, out);
    }
    for (; scope != NULL; scope = scope->outer) {
        WR_TRY(find_bare(q->b, scope, first, ref->location, &c));
        if (c != NULL) {
            WR_TRY(column_expr(q, scope, c, ref->location, out));
            return json_path(q, ref->fields + 1, ref->n_fields - 1, ref->location, out);
        }
    }
    if (ref->n_fields == 1)
        return no_column(q, ref, first, NULL);
    if (second == NULL)
        return wr_error_at(q->b->err, WEIR_QUERY, ref->location, "* is not allowed here");
    return wr_error_at(q->b->err, WEIR_QUERY_NO_COLUMN, ref->location,
                       "missing FROM-clause entry for table \"%s\"", first);
}
