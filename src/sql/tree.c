/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/tree.c -- questions about a parse tree that are asked before it is bound.
 *
 * The walk uses the messages' own descriptors: every kind of node is covered, those to come too.
 */
#include "sql/bind_impl.h"

typedef enum tree_answer {
    ANSWER_NO,
    ANSWER_YES,
    ANSWER_SKIP
} tree_answer; /* SKIP: not here nor below */
typedef tree_answer (*tree_test)(const ProtobufCMessage *message);

static bool any(const ProtobufCMessage *message, tree_test test);

static bool
any_in_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, tree_test test)
{
    const char *at = (const char *)message + field->offset;
    const char *quantifier = (const char *)message + field->quantifier_offset;
    if (field->type != PROTOBUF_C_TYPE_MESSAGE)
        return false;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        size_t n = *(const size_t *)quantifier;
        ProtobufCMessage *const *items = *(ProtobufCMessage *const *const *)at;
        for (size_t i = 0; i < n; i++)
            if (any(items[i], test))
                return true;
        return false;
    }
    bool is_oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    if (is_oneof && *(const uint32_t *)quantifier != field->id)
        return false;
    const ProtobufCMessage *one = *(const ProtobufCMessage *const *)at;
    return one != NULL && any(one, test);
}

const ProtobufCMessage *
wr_sql_node_held(const ProtobufCMessage *message)
{
    if (message->descriptor != &pg_query__node__descriptor)
        return NULL;
    const tree_node *node = (const tree_node *)message;
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message->descriptor, node->node_case);
    return field != NULL ? *(const ProtobufCMessage *const *)((const char *)message + field->offset)
                         : NULL;
}

static bool
any(const ProtobufCMessage *message, tree_test test)
{
    tree_answer answer = test(message);
    if (answer != ANSWER_NO)
        return answer == ANSWER_YES;
    const ProtobufCMessage *held = wr_sql_node_held(message);
    if (held != NULL)
        return any(held, test);
    for (unsigned i = 0; i < message->descriptor->n_fields; i++)
        if (any_in_field(message, &message->descriptor->fields[i], test))
            return true;
    return false;
}

static tree_answer
test_aggregate(const ProtobufCMessage *message)
{
    if (message->descriptor == &pg_query__select_stmt__descriptor)
        return ANSWER_SKIP; /* its own query's */
    if (message->descriptor == &pg_query__grouping_func__descriptor)
        return ANSWER_YES;
    if (message->descriptor != &pg_query__func_call__descriptor)
        return ANSWER_NO;
    const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)message;
    return call->over == NULL && wr_sql_is_aggregate(call) ? ANSWER_YES : ANSWER_NO;
}

static tree_answer
test_sublink(const ProtobufCMessage *message)
{
    return message->descriptor == &pg_query__sub_link__descriptor ? ANSWER_YES : ANSWER_NO;
}

bool
wr_sql_is_aggregate(const PgQuery__FuncCall *call)
{
    const char *name = wr_sql_last_name(call->funcname, call->n_funcname);
    if (call->agg_within_group && wr_sql_is_hypothetical(name))
        return true;
    return wr_aggregate_exists(name) &&
           (!wr_function_exists(name) || call->agg_star || call->agg_distinct ||
            call->agg_filter != NULL || call->agg_within_group);
}

bool
wr_sql_tree_has_aggregate(const tree_node *node)
{
    return node != NULL && any((const ProtobufCMessage *)node, test_aggregate);
}

bool
wr_sql_tree_has_sublink(const tree_node *node)
{
    return node != NULL && any((const ProtobufCMessage *)node, test_sublink);
}
