/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/shape.c -- a parse tree that a stranger gave: is it one that the grammar of SELECT makes?
 *
 * Place       after sql/message.c and protobuf-c, before the binder, which takes for granted what PostgreSQL's grammar
 *             sees to: that a sort key has an expression, that the items of a select list are targets.
 * State       the tables below: messages that a query may hold, and what stands in their fields.
 * Invariants  G1  only messages of `messages` are in a tree that passes
 *             G2  a field with a rule holds nodes of its kinds alone, and at least one where it is needed
 *             G3  a node holds something but where the grammar leaves one empty
 */
#include "sql/tree_impl.h"

#include <string.h>

typedef const ProtobufCMessageDescriptor *descriptor;

#define MESSAGE(name) &pg_query__##name##__descriptor
#define KIND(name)    PG_QUERY__NODE__NODE_##name

static const descriptor messages[] = {
    MESSAGE(node),          MESSAGE(raw_stmt),         MESSAGE(select_stmt),
    MESSAGE(with_clause),   MESSAGE(common_table_expr), MESSAGE(res_target),
    MESSAGE(range_var),     MESSAGE(range_subselect),  MESSAGE(range_function),
    MESSAGE(join_expr),     MESSAGE(alias),            MESSAGE(sort_by),
    MESSAGE(window_def),    MESSAGE(grouping_set),     MESSAGE(grouping_func),
    MESSAGE(column_ref),    MESSAGE(a__const),         MESSAGE(a__expr),
    MESSAGE(bool_expr),     MESSAGE(func_call),        MESSAGE(named_arg_expr),
    MESSAGE(type_cast),     MESSAGE(type_name),        MESSAGE(sub_link),
    MESSAGE(case_expr),     MESSAGE(case_when),        MESSAGE(coalesce_expr),
    MESSAGE(min_max_expr),  MESSAGE(null_test),        MESSAGE(boolean_test),
    MESSAGE(a__indirection), MESSAGE(a__indices),      MESSAGE(a__array_expr),
    MESSAGE(row_expr),      MESSAGE(collate_clause),   MESSAGE(sqlvalue_function),
    MESSAGE(param_ref),     MESSAGE(set_to_default),   MESSAGE(column_def),
    MESSAGE(list),          MESSAGE(a__star),          MESSAGE(string),
    MESSAGE(integer),       MESSAGE(float),            MESSAGE(boolean),
    MESSAGE(bit_string),    MESSAGE(locking_clause),   MESSAGE(into_clause),
};

/* Bits of PostgreSQL's frame options: an offset PRECEDING or FOLLOWING, where the frame starts and ends. */
enum { FRAME_START_OFFSET = 0x2800, FRAME_END_OFFSET = 0x5000, KINDS_MAX = 4 };
typedef struct shape_rule {
    descriptor message;
    const char *field;
    bool needed;
    int kinds[KINDS_MAX]; /* 0-ended; none: any */
} shape_rule;

static const shape_rule rules[] = {
    { MESSAGE(raw_stmt), "stmt", true, { 0 } },
    { MESSAGE(select_stmt), "target_list", false, { KIND(RES_TARGET) } },
    { MESSAGE(select_stmt), "window_clause", false, { KIND(WINDOW_DEF) } },
    { MESSAGE(select_stmt), "values_lists", false, { KIND(LIST) } },
    { MESSAGE(select_stmt), "sort_clause", false, { KIND(SORT_BY) } },
    { MESSAGE(with_clause), "ctes", true, { KIND(COMMON_TABLE_EXPR) } },
    { MESSAGE(common_table_expr), "aliascolnames", false, { KIND(STRING) } },
    { MESSAGE(common_table_expr), "ctequery", true, { KIND(SELECT_STMT) } },
    { MESSAGE(res_target), "val", true, { 0 } },
    { MESSAGE(range_subselect), "subquery", true, { KIND(SELECT_STMT) } },
    { MESSAGE(range_function), "functions", true, { KIND(LIST) } },
    { MESSAGE(range_function), "coldeflist", false, { KIND(COLUMN_DEF) } },
    { MESSAGE(join_expr), "larg", true, { 0 } },
    { MESSAGE(join_expr), "rarg", true, { 0 } },
    { MESSAGE(join_expr), "using_clause", false, { KIND(STRING) } },
    { MESSAGE(alias), "colnames", false, { KIND(STRING) } },
    { MESSAGE(sort_by), "node", true, { 0 } },
    { MESSAGE(sort_by), "use_op", false, { KIND(STRING) } },
    { MESSAGE(window_def), "order_clause", false, { KIND(SORT_BY) } },
    { MESSAGE(column_ref), "fields", true, { KIND(STRING), KIND(A_STAR) } },
    { MESSAGE(a__expr), "name", true, { KIND(STRING) } },
    { MESSAGE(a__expr), "rexpr", true, { 0 } },
    { MESSAGE(bool_expr), "args", true, { 0 } },
    { MESSAGE(func_call), "funcname", true, { KIND(STRING) } },
    { MESSAGE(func_call), "agg_order", false, { KIND(SORT_BY) } },
    { MESSAGE(named_arg_expr), "arg", true, { 0 } },
    { MESSAGE(type_cast), "arg", true, { 0 } },
    { MESSAGE(type_cast), "type_name", true, { 0 } },
    { MESSAGE(type_name), "names", true, { KIND(STRING) } },
    { MESSAGE(type_name), "array_bounds", false, { KIND(INTEGER) } },
    { MESSAGE(sub_link), "subselect", true, { KIND(SELECT_STMT) } },
    { MESSAGE(sub_link), "oper_name", false, { KIND(STRING) } },
    { MESSAGE(case_expr), "args", true, { KIND(CASE_WHEN) } },
    { MESSAGE(case_when), "expr", true, { 0 } },
    { MESSAGE(case_when), "result", true, { 0 } },
    { MESSAGE(coalesce_expr), "args", true, { 0 } },
    { MESSAGE(min_max_expr), "args", true, { 0 } },
    { MESSAGE(null_test), "arg", true, { 0 } },
    { MESSAGE(boolean_test), "arg", true, { 0 } },
    { MESSAGE(a__indirection), "arg", true, { 0 } },
    { MESSAGE(a__indirection), "indirection", true, { KIND(STRING), KIND(A_INDICES), KIND(A_STAR) } },
    { MESSAGE(collate_clause), "arg", true, { 0 } },
    { MESSAGE(collate_clause), "collname", true, { KIND(STRING) } },
    { MESSAGE(column_def), "type_name", true, { 0 } },
};

typedef struct shape_check {
    weir_error *err;
} shape_check;

static weir_status
wrong_shape(const shape_check *c, descriptor d, const char *field)
{
    return wr_error_set(c->err, WEIR_READ,
                        "the parser's answer cannot be read: %.40s of a %.40s is not what it can be",
                        field, d->short_name);
}

static const shape_rule *
find_rule(descriptor d, const char *field)
{
    for (size_t i = 0; i < WR_COUNT(rules); i++)
        if (rules[i].message == d && strcmp(rules[i].field, field) == 0)
            return &rules[i];
    return NULL;
}

static bool
is_known(descriptor d)
{
    for (size_t i = 0; i < WR_COUNT(messages); i++)
        if (messages[i] == d)
            return true;
    return false;
}

static bool
list_has(const tree_node *node, size_t items)
{
    return node != NULL && node->node_case == KIND(LIST) && node->list->n_items >= items;
}

/* What depends on more than one field. */
static const char *
check_whole(const ProtobufCMessage *m)
{
    if (m->descriptor == MESSAGE(select_stmt)) {
        const tree_select *s = (const tree_select *)m;
        bool set = s->op != PG_QUERY__SET_OPERATION__SETOP_NONE;
        for (size_t i = 0; i < s->n_values_lists; i++)
            if (!list_has(s->values_lists[i], 1))
                return "values_lists";
        return set && (s->larg == NULL || s->rarg == NULL) ? "larg" : NULL;
    }
    if (m->descriptor == MESSAGE(a__expr)) {
        const PgQuery__AExpr *e = (const PgQuery__AExpr *)m;
        if (e->lexpr == NULL && e->kind != PG_QUERY__A__EXPR__KIND__AEXPR_OP)
            return "lexpr";
        bool range = e->kind >= PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN &&
                     e->kind <= PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM;
        bool in = e->kind == PG_QUERY__A__EXPR__KIND__AEXPR_IN;
        return (range && !list_has(e->rexpr, 2)) || (in && !list_has(e->rexpr, 1)) ? "rexpr" : NULL;
    }
    if (m->descriptor == MESSAGE(a__const)) {
        const PgQuery__AConst *a = (const PgQuery__AConst *)m;
        return !a->isnull && a->val_case == PG_QUERY__A__CONST__VAL__NOT_SET ? "val" : NULL;
    }
    if (m->descriptor == MESSAGE(window_def)) {
        const PgQuery__WindowDef *w = (const PgQuery__WindowDef *)m;
        bool starts = (w->frame_options & FRAME_START_OFFSET) != 0 && w->start_offset == NULL;
        return starts || ((w->frame_options & FRAME_END_OFFSET) != 0 && w->end_offset == NULL) ? "offset" : NULL;
    }
    if (m->descriptor == MESSAGE(a__indices)) {
        const PgQuery__AIndices *a = (const PgQuery__AIndices *)m;
        return !a->is_slice && a->uidx == NULL ? "uidx" : NULL;
    }
    if (m->descriptor == MESSAGE(sub_link)) {
        const PgQuery__SubLink *s = (const PgQuery__SubLink *)m;
        bool compares = s->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ANY_SUBLINK ||
                        s->sub_link_type == PG_QUERY__SUB_LINK_TYPE__ALL_SUBLINK;
        return compares && s->testexpr == NULL ? "testexpr" : NULL;
    }
    return NULL;
}

/* A node in a field of d: of a kind that may stand there. */
static bool
kind_fits(const tree_node *node, descriptor d, const char *field, const shape_rule *rule)
{
    if (node->node_case == PG_QUERY__NODE__NODE__NOT_SET) /* DISTINCT without ON; ROWS FROM without columns */
        return (d == MESSAGE(select_stmt) && strcmp(field, "distinct_clause") == 0) ||
               d == MESSAGE(list);
    if (rule == NULL || rule->kinds[0] == 0)
        return true;
    for (int i = 0; i < KINDS_MAX && rule->kinds[i] != 0; i++)
        if ((int)node->node_case == rule->kinds[i])
            return true;
    return false;
}

static weir_status check_message(const shape_check *c, const ProtobufCMessage *m);

static weir_status
check_child(const shape_check *c, const ProtobufCMessage *child, descriptor d, const char *field,
            const shape_rule *rule)
{
    if (child->descriptor == MESSAGE(node) &&
        !kind_fits((const tree_node *)child, d, field, rule))
        return wrong_shape(c, d, field);
    return check_message(c, child);
}

static weir_status
check_field(const shape_check *c, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *field)
{
    const char *at = (const char *)m + field->offset;
    const char *quantifier = (const char *)m + field->quantifier_offset;
    const shape_rule *rule = find_rule(m->descriptor, field->name);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)quantifier;
        ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)at;
        if (n == 0 && rule != NULL && rule->needed)
            return wrong_shape(c, m->descriptor, field->name);
        for (size_t i = 0; i < n; i++)
            WR_TRY(check_child(c, items[i], m->descriptor, field->name, rule));
        return WEIR_OK;
    }
    bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (is_oneof && *(const uint32_t *)quantifier != field->id)
        return WEIR_OK;
    const ProtobufCMessage *one = *(const ProtobufCMessage *const *)at;
    if (one == NULL)
        return rule != NULL && rule->needed ? wrong_shape(c, m->descriptor, field->name) : WEIR_OK;
    return check_child(c, one, m->descriptor, field->name, rule);
}

static weir_status
check_message(const shape_check *c, const ProtobufCMessage *m)
{
    descriptor d = m->descriptor;
    if (!is_known(d)) {
        weir_status status = wr_error_set(c->err, WEIR_QUERY_UNSUPPORTED,
                                          "the statement has a %.60s, which no query here can have",
                                          d->short_name);
        wr_error_hint(c->err, "only SELECT, WITH and VALUES are queries; docs/sql.md says what they can do");
        return status;
    }
    if (d == MESSAGE(node)) { /* of its many kinds, the one it holds */
        const tree_node *node = (const tree_node *)m;
        const ProtobufCFieldDescriptor *held =
            protobuf_c_message_descriptor_get_field(d, node->node_case);
        return held != NULL ? check_field(c, m, held) : WEIR_OK;
    }
    for (unsigned i = 0; i < d->n_fields; i++)
        if (d->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
            WR_TRY(check_field(c, m, &d->fields[i]));
    const char *field = check_whole(m);
    return field == NULL ? WEIR_OK : wrong_shape(c, d, field);
}

weir_status
wr_sql_tree_check(const PgQuery__ParseResult *tree, weir_error *err)
{
    shape_check c = { err };
    for (size_t i = 0; i < tree->n_stmts; i++)
        WR_TRY(check_message(&c, (const ProtobufCMessage *)tree->stmts[i]));
    return WEIR_OK;
}
