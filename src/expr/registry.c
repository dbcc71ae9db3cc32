/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/registry.c -- every scalar function and operator by name.
 *
 * Place       the binder resolves calls here; docs and tests walk the tables.
 * State       none: constant tables, searched in order (resolution happens once a statement).
 * Invariants  F1  a row without any kernel only widens mixed arguments ("int4 + int8", "date <
 *                 timestamp"): resolution goes on with the wider type, so kernels see one type
 */
#include "expr/registry_impl.h"

#include "base/nearest.h"


#include <string.h>

static const wr_function *const tables[] = {
    wr_fn_arith,           wr_fn_compare,       wr_fn_text,
    wr_fn_text_case,       wr_fn_text_make,     wr_fn_text_concat,
    wr_fn_text_format,     wr_fn_like,          wr_fn_regex,
    wr_fn_regex_take,      wr_fn_regex_replace,
    wr_fn_bytea,           wr_fn_numeric,       wr_fn_float,
    wr_fn_bits,            wr_fn_number_format, wr_fn_number_scan,
    wr_fn_datetime,        wr_fn_datetime_make, wr_fn_datetime_trunc,
    wr_fn_datetime_format, wr_fn_datetime_moment, wr_fn_extract,
    wr_fn_json,            wr_fn_json_query,    wr_fn_json_edit,
    wr_fn_json_build,      wr_fn_array,         wr_fn_array_edit,
    wr_fn_misc,            wr_fn_json_set,      wr_fn_json_part,
    wr_fn_json_row,        wr_fn_array_part,    wr_fn_json_subscript,
};

static bool
function_only_widens(const wr_function *f)
{
    return f->scalar == NULL && f->vector == NULL;
}

void
wr_function_each(wr_function_visit visit, void *user)
{
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_function *f = tables[t]; f->name != NULL; f++)
            if (!function_only_widens(f))
                visit(f, user);
    wr_cast_each(visit, user);
}

bool
wr_function_exists(const char *name)
{
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_function *f = tables[t]; f->name != NULL; f++)
            if (strcmp(f->name, name) == 0)
                return true;
    return false;
}

bool
wr_function_is_internal(const char *name)
{
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_function *f = tables[t]; f->name != NULL; f++)
            if (strcmp(f->name, name) == 0)
                return strcmp(f->topic, "internal") == 0;
    return false;
}

static uint32_t
registry_collect(const char *name, wr_signature *to)
{
    uint32_t count = 0;
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_function *f = tables[t]; f->name != NULL; f++) {
            if (f->name[0] != name[0] || strcmp(f->name, name) != 0) /* most differ at once */
                continue;
            wr_assert(count < WR_CANDIDATES_MAX);
            to[count++] = (wr_signature){ f,           f->args,   f->arg_count, f->optional,
                                          f->variadic, f->result, f->result_of };
        }
    return count;
}

static void
offer_aggregate(const wr_aggregate *a, void *user)
{
    wr_nearest_offer(user, a->name);
}

const char *
wr_function_nearest(const char *name)
{
    static const char *const elsewhere[][2] = { /* what other databases call it */
        { "ifnull", "coalesce" }, { "isnull", "coalesce" }, { "nvl", "coalesce" },
        { "len", "length" }, { "getdate", "now" }, { "sysdate", "now" }, { "unix_timestamp", "extract" },
        { "group_concat", "string_agg" }, { "listagg", "string_agg" }, { "collect_list", "array_agg" },
        { "strftime", "to_char" }, { "date_format", "to_char" }, { "get_json_object", "jsonb_path_query" },
    };
    for (size_t i = 0; i < WR_COUNT(elsewhere); i++)
        if (strcmp(elsewhere[i][0], name) == 0)
            return elsewhere[i][1];
    wr_nearest nearest;
    wr_nearest_init(&nearest, name);
    for (size_t t = 0; t < WR_COUNT(tables); t++)
        for (const wr_function *f = tables[t]; f->name != NULL; f++)
            if (!wr_name_is_operator(f->name))
                wr_nearest_offer(&nearest, f->name);
    wr_aggregate_each(offer_aggregate, &nearest);
    return nearest.best;
}

void
wr_call_print(const char *name, const wr_type *args, uint32_t arg_count, wr_text *to)
{
    bool is_operator = wr_name_is_operator(name);
    if (is_operator && arg_count == 1)
        wr_text_printf(to, "%s ", name);
    else if (!is_operator)
        wr_text_printf(to, "%s(", name);
    for (uint32_t i = 0; i < arg_count; i++) {
        if (i > 0)
            wr_text_printf(to, is_operator ? " %s " : ", ", name);
        wr_type_print((wr_type){ args[i].id, args[i].element, 0, -1 }, to);
    }
    if (!is_operator)
        wr_text_putc(to, ')');
}

static weir_status
registry_not_found(const char *name, const wr_type *args, uint32_t arg_count, bool ambiguous,
                   weir_error *err)
{
    bool    is_operator = wr_name_is_operator(name);
    wr_text call;
    wr_text_init(&call, NULL);
    wr_call_print(name, args, arg_count, &call);
    weir_status status;
    if (ambiguous) {
        status = wr_error_set(err, WEIR_QUERY_AMBIGUOUS, "%s is not unique: %s",
                              is_operator ? "operator" : "function", wr_text_string(&call));
        wr_error_hint(err, "add explicit casts to choose one");
    } else {
        status = is_operator
                     ? wr_error_set(err, WEIR_QUERY_NO_FUNCTION, "operator does not exist: %s",
                                    wr_text_string(&call))
                     : wr_error_set(err, WEIR_QUERY_NO_FUNCTION, "function %s does not exist",
                                    wr_text_string(&call));
        const char *near = NULL;
        if (wr_function_exists(name))
            wr_error_hint(err, "no %s of that name takes these argument types: add explicit casts",
                          is_operator ? "operator" : "function");
        else if (!is_operator && (near = wr_function_nearest(name)) != NULL)
            wr_error_hint(err, "did you mean %s?", near);
    }
    wr_text_fini(&call);
    return status;
}

/* int8(x), text(x), date(x): a type's name called as a function is a cast. */
static const wr_function *
registry_find_cast(const char *name, const wr_type *args, uint32_t arg_count, wr_type *arg_types,
                   wr_type *result)
{
    if (arg_count != 1 || args[0].id == WR_UNKNOWN || wr_name_is_operator(name) ||
        wr_type_parse(name, strlen(name), result, NULL) != WEIR_OK)
        return NULL;
    arg_types[0] = args[0];
    return wr_cast_find(args[0], *result, WR_CAST_EXPLICIT);
}

weir_status
wr_function_resolve(const char *name, const wr_type *args, uint32_t arg_count,
                    const wr_function **function, wr_type *arg_types, wr_type *result,
                    weir_error *err)
{
    wr_signature        candidates[WR_CANDIDATES_MAX];
    uint32_t            count = registry_collect(name, candidates);
    const wr_signature *chosen = NULL;
    wr_type             types[WR_CALL_ARGS_MAX];
    if (arg_count > WR_CALL_ARGS_MAX)
        return wr_error_set(err, WEIR_QUERY_TOO_COMPLEX,
                            "a function cannot have more than %d arguments", WR_CALL_ARGS_MAX);
    weir_status status = wr_signature_resolve(candidates, count, wr_name_is_operator(name), args,
                                              arg_count, &chosen, arg_types, result);
    if (status == WEIR_OK && chosen == NULL) {
        *function = registry_find_cast(name, args, arg_count, arg_types, result);
        return *function != NULL ? WEIR_OK : registry_not_found(name, args, arg_count, false, err);
    }
    if (status == WEIR_OK && function_only_widens(chosen->entry)) { /* F1 */
        wr_type common;
        WR_TRY(wr_type_common(arg_types, arg_count, name, &common, err));
        for (uint32_t i = 0; i < arg_count; i++)
            types[i] = WR_TYPE(common.id);
        status = wr_signature_resolve(candidates, count, true, types, arg_count, &chosen, arg_types,
                                      result);
        wr_assert(status == WEIR_OK && chosen != NULL && !function_only_widens(chosen->entry));
    }
    if (status != WEIR_OK)
        return registry_not_found(name, args, arg_count, true, err);
    *function = chosen->entry;
    return WEIR_OK;
}
