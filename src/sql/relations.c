/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/relations.c -- the names a statement reads, without binding it: for ordering views.
 *
 * Every RangeVar and every first argument of tumble(), dedup(), asof() and such in FROM, but for names of WITH
 * queries where those are visible.
 */
#include "sql/bind_impl.h"

#include <string.h>

/* WITH queries visible here, innermost first. */
typedef struct visible_cte {
    const struct visible_cte *next;
    const char *name;
} visible_cte;

typedef struct name_list {
    wr_arena *arena;
    const char **names;
    uint32_t count, capacity;
    const visible_cte *ctes;
    bool failed;
} name_list;

static void
add_unique(name_list *list, const char *name)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->names[i], name) == 0)
            return;
    list->names =
        wr_sql_grow(list->arena, list->names, list->count, &list->capacity, sizeof *list->names);
    if (list->names == NULL)
        list->failed = true;
    else
        list->names[list->count++] = name;
}

static void
add_name(name_list *list, const char *schema, const char *name)
{
    for (const visible_cte *c = list->ctes; c != NULL && schema[0] == '\0'; c = c->next)
        if (strcmp(c->name, name) == 0)
            return;
    if (schema[0] == '\0' || strcmp(schema, "public") == 0) {
        add_unique(list, name);
        return;
    }
    const char *dotted = wr_arena_printf(list->arena, "%s.%s", schema, name);
    if (dotted == NULL)
        list->failed = true;
    else
        add_unique(list, dotted);
}

/* tumble(bids, ts, ...), asof(bids): bids. */
static void
add_window_argument(name_list *list, const PgQuery__RangeFunction *f)
{
    if (f->n_functions == 0 || f->functions[0]->node_case != PG_QUERY__NODE__NODE_LIST ||
        f->functions[0]->list->n_items == 0)
        return;
    const tree_node *item = f->functions[0]->list->items[0];
    if (item->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
        return;
    const PgQuery__FuncCall *call = item->func_call;
    const char *name = wr_sql_last_name(call->funcname, call->n_funcname);
    bool takes_relation = wr_sql_is_window_function(name) || strcmp(name, "dedup") == 0 ||
                          wr_sql_join_mode(name) != WR_JOIN_REGULAR;
    if (!takes_relation ||
        call->n_args == 0 || call->args[0]->node_case != PG_QUERY__NODE__NODE_COLUMN_REF)
        return;
    const PgQuery__ColumnRef *ref = call->args[0]->column_ref;
    for (size_t i = 0; i < ref->n_fields; i++)
        if (ref->fields[i]->node_case != PG_QUERY__NODE__NODE_STRING)
            return;
    if (ref->n_fields <= 2)
        add_name(list, ref->n_fields == 2 ? ref->fields[0]->string->sval : "",
                 ref->fields[ref->n_fields - 1]->string->sval);
}

static void visit(const ProtobufCMessage *message, name_list *list);

static void
visit_fields(const ProtobufCMessage *message, name_list *list)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    const ProtobufCMessage *held = wr_sql_node_held(message);
    if (held != NULL) {
        visit(held, list);
        return;
    }
    for (unsigned i = 0; i < d->n_fields && !list->failed; i++) {
        const ProtobufCFieldDescriptor *field = &d->fields[i];
        const char *at = (const char *)message + field->offset;
        const char *quantifier = (const char *)message + field->quantifier_offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t n = *(const size_t *)quantifier;
            ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)at;
            for (size_t k = 0; k < n; k++)
                visit(items[k], list);
            continue;
        }
        bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        if (is_oneof && *(const uint32_t *)quantifier != field->id)
            continue;
        const ProtobufCMessage *one = *(const ProtobufCMessage *const *)at;
        if (one != NULL)
            visit(one, list);
    }
}

static void
push_cte(name_list *list, const char *name)
{
    visible_cte *cte = wr_arena_alloc(list->arena, sizeof *cte);
    if (cte == NULL) {
        list->failed = true;
        return;
    }
    *cte = (visible_cte){ list->ctes, name };
    list->ctes = cte;
}

/* A WITH query sees those before it, all of them when recursive; the select sees all. */
static void
visit_with(const PgQuery__WithClause *with, name_list *list)
{
    for (size_t i = 0; i < with->n_ctes && with->recursive; i++)
        push_cte(list, with->ctes[i]->common_table_expr->ctename);
    for (size_t i = 0; i < with->n_ctes && !list->failed; i++) {
        const PgQuery__CommonTableExpr *cte = with->ctes[i]->common_table_expr;
        if (cte->ctequery != NULL)
            visit((const ProtobufCMessage *)cte->ctequery, list);
        if (!with->recursive)
            push_cte(list, cte->ctename);
    }
}

static void
visit(const ProtobufCMessage *message, name_list *list)
{
    const ProtobufCMessageDescriptor *d = message->descriptor;
    const visible_cte *ctes = list->ctes;
    if (d == &pg_query__with_clause__descriptor)
        return; /* by its select */
    if (d == &pg_query__range_var__descriptor) {
        const PgQuery__RangeVar *var = (const PgQuery__RangeVar *)message;
        add_name(list, var->schemaname, var->relname);
    } else if (d == &pg_query__range_function__descriptor) {
        add_window_argument(list, (const PgQuery__RangeFunction *)message);
    } else if (d == &pg_query__select_stmt__descriptor) {
        const tree_select *select = (const tree_select *)message;
        if (select->with_clause != NULL)
            visit_with(select->with_clause, list);
    }
    visit_fields(message, list);
    list->ctes = ctes;
}

weir_status
wr_sql_statement_relations(const wr_sql_statement *s, const char ***names, uint32_t *count,
                           weir_error *err)
{
    name_list list = { .arena = s->arena };
    visit((const ProtobufCMessage *)s->tree, &list);
    if (list.failed)
        return wr_error_set(err, WEIR_MEMORY, "the statement does not fit the memory budget");
    *names = list.names;
    *count = list.count;
    return WEIR_OK;
}

weir_status
wr_sql_relations(const char *text, size_t length, wr_arena *arena, const char ***names,
                 uint32_t *count, wr_sql_extras *extras, weir_error *err)
{
    wr_sql_statement *s;
    WR_TRY(wr_sql_statement_parse(text, length, arena, &s, err));
    if (extras != NULL)
        *extras = wr_sql_statement_extras(s);
    return wr_sql_statement_relations(s, names, count, err);
}
