/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sql/bind_args.c -- arguments of scalar functions: by place, by name, VARIADIC.
 */
#include "sql/bind_impl.h"

#include "data/array.h"

#include <string.h>

/* Names of arguments, for calls that give them by name; what is left out takes the default. */
static const struct {
    const char *function;
    uint32_t place;
    const char *name, *otherwise;
} named_arguments[] = {
    { "make_interval", 0, "years", "0" },
    { "make_interval", 1, "months", "0" },
    { "make_interval", 2, "weeks", "0" },
    { "make_interval", 3, "days", "0" },
    { "make_interval", 4, "hours", "0" },
    { "make_interval", 5, "mins", "0" },
    { "make_interval", 6, "secs", "0" },
    { "jsonb_set", 3, "create_if_missing", "true" },
    { "jsonb_insert", 3, "insert_after", "false" },
    { "jsonb_set_lax", 3, "create_if_missing", "true" },
    { "jsonb_set_lax", 4, "null_value_treatment", "use_json_null" },
};

static weir_status
place_named(sql_query *q, const PgQuery__NamedArgExpr *arg, const char *function, wr_expr **list,
            uint32_t *count)
{
    for (uint32_t i = 0; i < WR_COUNT(named_arguments); i++) {
        if (strcmp(named_arguments[i].function, function) != 0 ||
            strcmp(named_arguments[i].name, arg->name) != 0)
            continue;
        uint32_t place = named_arguments[i].place;
        if (place < *count && list[place] != NULL)
            return wr_error_at(q->b->err, WEIR_QUERY, arg->location,
                               "argument \"%s\" is given twice", arg->name);
        *count = WR_MAX(*count, place + 1);
        return wr_bind_expr(q, arg->arg, &list[place]);
    }
    weir_status status =
        wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, arg->location,
                    "function %s has no argument named \"%s\"", function, arg->name);
    wr_error_hint(q->b->err, "leave out the name: arguments go by place");
    return status;
}

/* Arguments by place, then by name. */
weir_status
wr_bind_arguments(sql_query *q, const PgQuery__FuncCall *call, const char *name, wr_expr ***args,
                  uint32_t *count)
{
    enum { NAMED_MAX = 8 };
    wr_expr **list = wr_arena_calloc(q->b->arena, call->n_args + NAMED_MAX, sizeof *list);
    if (list == NULL)
        return SQL_NOMEM(q->b);
    *count = 0;
    for (size_t i = 0; i < call->n_args; i++) {
        if (call->args[i]->node_case == PG_QUERY__NODE__NODE_NAMED_ARG_EXPR)
            WR_TRY(place_named(q, call->args[i]->named_arg_expr, name, list, count));
        else
            WR_TRY(wr_bind_expr(q, call->args[i], &list[(*count)++]));
    }
    for (uint32_t place = 0; place < *count; place++)
        for (uint32_t i = 0; i < WR_COUNT(named_arguments) && list[place] == NULL; i++) {
            if (strcmp(named_arguments[i].function, name) != 0 || named_arguments[i].place != place)
                continue;
            const char *text = named_arguments[i].otherwise;
            wr_value value = { .type = WR_TYPE(WR_UNKNOWN),
                               .string = wr_string_make(text, strlen(text)) };
            if ((list[place] = wr_sql_constant(q->b, &value, call->location)) == NULL)
                return SQL_NOMEM(q->b);
        }
    for (uint32_t place = 0; place < *count; place++)
        if (list[place] == NULL)
            return wr_error_at(q->b->err, WEIR_QUERY_NO_FUNCTION, call->location,
                               "an argument of %s is missing", name);
    *args = list;
    return WEIR_OK;
}

/* f(a, VARIADIC array): the array's items become arguments.  *is_null: the array is NULL. */
weir_status
wr_bind_variadic(sql_query *q, const PgQuery__FuncCall *call, wr_expr ***args, uint32_t *count,
                 bool *is_null)
{
    enum { ITEMS_MAX = 100 };
    wr_expr *last = (*args)[*count - 1];
    wr_value array;
    *is_null = false;
    if (last->type.id != WR_ARRAY)
        return wr_error_at(q->b->err, WEIR_QUERY_TYPE, call->location,
                           "VARIADIC argument must be an array");
    if (!wr_expr_is_constant(last)) {
        weir_status status = wr_sql_unsupported(q->b, call->location,
                                                "VARIADIC with an array that is not constant is");
        wr_error_hint(q->b->err, "write the arguments one by one");
        return status;
    }
    wr_time now = q->b->options != NULL ? q->b->options->now : 0;
    WR_TRY(wr_sql_place(q->b, wr_expr_fold(last, now, q->b->arena, &array, q->b->err),
                        call->location));
    if (array.is_null) {
        *is_null = true;
        return WEIR_OK;
    }
    wr_array_view view;
    wr_array_open(&array.string, &view);
    if (view.count > ITEMS_MAX)
        return wr_error_at(q->b->err, WEIR_QUERY_TOO_COMPLEX, call->location,
                           "a VARIADIC array has at most %d items here", ITEMS_MAX);
    wr_expr **spread = wr_arena_alloc(q->b->arena, (*count + view.count) * sizeof *spread);
    if (spread == NULL)
        return SQL_NOMEM(q->b);
    memcpy(spread, *args, (*count - 1) * sizeof *spread);
    const char *at = view.items;
    wr_value item;
    uint32_t n = *count - 1;
    while (wr_array_next(&view, &at, &item)) {
        item.type = wr_type_element(last->type);
        if ((spread[n++] = wr_sql_constant(q->b, &item, call->location)) == NULL)
            return SQL_NOMEM(q->b);
    }
    *args = spread;
    *count = n;
    return WEIR_OK;
}
