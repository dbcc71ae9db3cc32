/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/cast.c -- who may be cast to whom (PostgreSQL's pg_cast), and casting an expression.
 *
 * A cast to a type with parentheses is two calls: convert to the bare type, then fit (round, cut, pad).
 *
 * Place       resolution asks wr_cast_find; the binder and rules build casts with wr_expr_cast.
 * State       none: constant tables.
 * Invariants  D1  a context allows what the ones before it allow: implicit < assignment < explicit
 *             D2  any type goes to text by assignment and from text explicitly
 */
#include "expr/cast_impl.h"

typedef struct cast_row {
    uint8_t            from, to;
    uint8_t            context; /* wr_cast_context: the first that allows it */
    const wr_function *function;
} cast_row;

enum { I = WR_CAST_IMPLICIT, A = WR_CAST_ASSIGNMENT, E = WR_CAST_EXPLICIT };

static const cast_row rows[] = {
    { WR_INT2, WR_INT4, I, &wr_cast_int_widen },
    { WR_INT2, WR_INT8, I, &wr_cast_int_widen },
    { WR_INT4, WR_INT8, I, &wr_cast_int_widen },
    { WR_INT4, WR_INT2, A, &wr_cast_int_narrow },
    { WR_INT8, WR_INT2, A, &wr_cast_int_narrow },
    { WR_INT8, WR_INT4, A, &wr_cast_int_narrow },
    { WR_INT2, WR_FLOAT4, I, &wr_cast_int_float },
    { WR_INT4, WR_FLOAT4, I, &wr_cast_int_float },
    { WR_INT8, WR_FLOAT4, I, &wr_cast_int_float },
    { WR_INT2, WR_FLOAT8, I, &wr_cast_int_float },
    { WR_INT4, WR_FLOAT8, I, &wr_cast_int_float },
    { WR_INT8, WR_FLOAT8, I, &wr_cast_int_float },
    { WR_INT2, WR_NUMERIC, I, &wr_cast_int_numeric },
    { WR_INT4, WR_NUMERIC, I, &wr_cast_int_numeric },
    { WR_INT8, WR_NUMERIC, I, &wr_cast_int_numeric },
    { WR_INT4, WR_BOOL, E, &wr_cast_int_bool },
    { WR_BOOL, WR_INT4, E, &wr_cast_bool_int },
    { WR_FLOAT4, WR_INT2, A, &wr_cast_float_int },
    { WR_FLOAT4, WR_INT4, A, &wr_cast_float_int },
    { WR_FLOAT4, WR_INT8, A, &wr_cast_float_int },
    { WR_FLOAT8, WR_INT2, A, &wr_cast_float_int },
    { WR_FLOAT8, WR_INT4, A, &wr_cast_float_int },
    { WR_FLOAT8, WR_INT8, A, &wr_cast_float_int },
    { WR_FLOAT4, WR_FLOAT8, I, &wr_cast_float_widen },
    { WR_FLOAT8, WR_FLOAT4, A, &wr_cast_float_narrow },
    { WR_FLOAT4, WR_NUMERIC, A, &wr_cast_float_numeric },
    { WR_FLOAT8, WR_NUMERIC, A, &wr_cast_float_numeric },
    { WR_NUMERIC, WR_INT2, A, &wr_cast_numeric_int },
    { WR_NUMERIC, WR_INT4, A, &wr_cast_numeric_int },
    { WR_NUMERIC, WR_INT8, A, &wr_cast_numeric_int },
    { WR_NUMERIC, WR_FLOAT4, I, &wr_cast_numeric_float },
    { WR_NUMERIC, WR_FLOAT8, I, &wr_cast_numeric_float },
    { WR_TEXT, WR_BPCHAR, I, &wr_cast_text_bpchar },
    { WR_BPCHAR, WR_TEXT, I, &wr_cast_to_text },
    { WR_DATE, WR_TIMESTAMP, I, &wr_cast_date_timestamp },
    { WR_DATE, WR_TIMESTAMPTZ, I, &wr_cast_date_timestamp },
    { WR_TIMESTAMP, WR_DATE, A, &wr_cast_timestamp_date },
    { WR_TIMESTAMPTZ, WR_DATE, A, &wr_cast_timestamp_date },
    { WR_TIMESTAMP, WR_TIME, A, &wr_cast_timestamp_time },
    { WR_TIMESTAMPTZ, WR_TIME, A, &wr_cast_timestamp_time },
    { WR_TIMESTAMP, WR_TIMESTAMPTZ, I, &wr_cast_timestamp_zone },
    { WR_TIMESTAMPTZ, WR_TIMESTAMP, A, &wr_cast_timestamp_zone },
    { WR_TIME, WR_INTERVAL, I, &wr_cast_time_interval },
    { WR_INTERVAL, WR_TIME, A, &wr_cast_interval_time },
    { WR_JSON, WR_JSONB, A, &wr_cast_json_jsonb },
    { WR_JSONB, WR_JSON, A, &wr_cast_jsonb_json },
    { WR_JSONB, WR_BOOL, E, &wr_cast_jsonb_scalar },
    { WR_JSONB, WR_INT2, E, &wr_cast_jsonb_scalar },
    { WR_JSONB, WR_INT4, E, &wr_cast_jsonb_scalar },
    { WR_JSONB, WR_INT8, E, &wr_cast_jsonb_scalar },
    { WR_JSONB, WR_FLOAT4, E, &wr_cast_jsonb_scalar },
    { WR_JSONB, WR_FLOAT8, E, &wr_cast_jsonb_scalar },
    { WR_JSONB, WR_NUMERIC, E, &wr_cast_jsonb_scalar },
};

const wr_function *
wr_cast_fit(wr_type to, wr_cast_context context)
{
    bool strict = context != WR_CAST_EXPLICIT;
    if (to.modifier < 0)
        return NULL;
    switch (to.id) {
    case WR_NUMERIC: return &wr_cast_fit_numeric;
    case WR_TEXT: return strict ? &wr_cast_fit_text_strict : &wr_cast_fit_text;
    case WR_BPCHAR: return strict ? &wr_cast_fit_bpchar_strict : &wr_cast_fit_bpchar;
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
    case WR_INTERVAL: return to.modifier < 6 ? &wr_cast_fit_time : NULL;
    case WR_ARRAY: return strict ? &wr_cast_array_strict : &wr_cast_array;
    default: return NULL;
    }
}

const wr_function *
wr_cast_find(wr_type from, wr_type to, wr_cast_context context)
{
    if (from.id >= WR_TYPE_COUNT || to.id >= WR_TYPE_COUNT || to.id == WR_UNKNOWN)
        return NULL;
    if (wr_type_same(from, to))
        return wr_type_equal(from, to) ? NULL : wr_cast_fit(to, context);
    for (size_t i = 0; i < WR_COUNT(rows); i++)
        if (rows[i].from == from.id && rows[i].to == to.id)
            return rows[i].context <= context ? rows[i].function : NULL; /* D1 */
    if (from.id == WR_ARRAY && to.id == WR_ARRAY) {
        wr_type item = WR_TYPE(from.element), wanted = WR_TYPE(to.element);
        bool    binary = from.element == WR_TEXT && to.element == WR_BPCHAR;
        if (!binary && wr_cast_find(item, wanted, context) == NULL)
            return NULL;
        return context == WR_CAST_EXPLICIT ? &wr_cast_array : &wr_cast_array_strict;
    }
    if ((to.id == WR_TEXT || to.id == WR_BPCHAR) && context >= WR_CAST_ASSIGNMENT)
        return &wr_cast_to_text; /* D2 */
    if ((from.id == WR_TEXT || from.id == WR_BPCHAR) && context == WR_CAST_EXPLICIT)
        return &wr_cast_from_text;
    if (from.id == WR_UNKNOWN)
        return to.id == WR_TEXT ? &wr_cast_text_bpchar : &wr_cast_from_text;
    return NULL;
}

void
wr_cast_each(wr_function_visit visit, void *user)
{
    static const wr_function *const others[] = {
        &wr_cast_to_text,    &wr_cast_from_text,       &wr_cast_array,
        &wr_cast_array_strict, &wr_cast_fit_numeric,   &wr_cast_fit_text,
        &wr_cast_fit_text_strict, &wr_cast_fit_bpchar, &wr_cast_fit_bpchar_strict,
        &wr_cast_fit_time,
    };
    for (size_t i = 0; i < WR_COUNT(rows); i++) {
        bool seen = false;
        for (size_t j = 0; j < i; j++)
            seen |= rows[j].function == rows[i].function;
        for (size_t j = 0; j < WR_COUNT(others); j++)
            seen |= others[j] == rows[i].function;
        if (!seen)
            visit(rows[i].function, user);
    }
    for (size_t i = 0; i < WR_COUNT(others); i++)
        visit(others[i], user);
}

/* --- casting an expression --- */

static weir_status
no_memory(weir_error *err)
{
    return wr_error_set(err, WEIR_MEMORY, "not enough memory for an expression");
}

/* One call around expr, folded when expr is a constant. */
static weir_status
cast_wrap(wr_arena *arena, wr_expr *expr, const wr_function *function, wr_type to, wr_expr **out,
          weir_error *err)
{
    wr_expr *call = wr_expr_call(arena, function, to, &expr, 1);
    if (call == NULL)
        return no_memory(err);
    call->location = expr->location;
    *out = call;
    if (expr->kind != WR_EXPR_CONSTANT)
        return WEIR_OK;
    wr_value    value;
    weir_status status = wr_expr_fold(call, 0, arena, &value, err);
    if (wr_status_is_row(status) && err != NULL)
        err->code = WEIR_QUERY_TYPE; /* the statement is wrong, not a row */
    if (status != WEIR_OK)
        return wr_status_is_row(status) ? WEIR_QUERY_TYPE : status;
    if ((*out = wr_expr_constant(arena, &value)) == NULL)
        return no_memory(err);
    (*out)->location = expr->location;
    return WEIR_OK;
}

/* An untyped literal (or NULL, or parameter) becomes a value of the bare type. */
static weir_status
cast_literal(wr_arena *arena, wr_expr *expr, wr_type bare, wr_expr **out, weir_error *err)
{
    if (expr->kind != WR_EXPR_CONSTANT) {
        if ((*out = wr_expr_copy(arena, expr)) == NULL)
            return no_memory(err);
        (*out)->type = bare;
        return WEIR_OK;
    }
    wr_value    value = wr_value_null(bare);
    weir_status status = WEIR_OK;
    if (!expr->constant.is_null)
        status = wr_value_parse(bare, wr_string_data(&expr->constant.string),
                                expr->constant.string.length, arena, &value, err);
    if (wr_status_is_row(status)) {
        if (err != NULL) {
            err->code = WEIR_QUERY_TYPE;
            err->offset = expr->location;
        }
        return WEIR_QUERY_TYPE;
    }
    WR_TRY(status);
    value.type = bare;
    if ((*out = wr_expr_constant(arena, &value)) == NULL)
        return no_memory(err);
    (*out)->location = expr->location;
    return WEIR_OK;
}

static weir_status
cast_refuse(const wr_expr *expr, wr_type to, wr_cast_context context, weir_error *err)
{
    wr_text a, b;
    wr_text_init(&a, NULL);
    wr_text_init(&b, NULL);
    wr_type_print(expr->type, &a);
    wr_type_print(to, &b);
    weir_status status = wr_error_at(err, WEIR_QUERY_TYPE, expr->location,
                                     "cannot cast type %s to %s", wr_text_string(&a),
                                     wr_text_string(&b));
    if (context != WR_CAST_EXPLICIT && wr_cast_find(expr->type, to, WR_CAST_EXPLICIT) != NULL)
        wr_error_hint(err, "it can be cast explicitly: CAST(... AS %s)", wr_text_string(&b));
    wr_text_fini(&a);
    wr_text_fini(&b);
    return status;
}

weir_status
wr_expr_cast(wr_arena *arena, wr_expr *expr, wr_type to, wr_cast_context context, wr_expr **out,
             weir_error *err)
{
    wr_type bare = { to.id, to.element, 0, -1 };
    *out = expr;
    if (to.id == WR_UNKNOWN)
        return WEIR_OK;
    if (expr->type.id == WR_UNKNOWN) {
        WR_TRY(cast_literal(arena, expr, bare, out, err));
    } else if (!wr_type_same(expr->type, to)) {
        const wr_function *f = wr_cast_find(expr->type, bare, context);
        if (f == NULL)
            return cast_refuse(expr, to, context, err);
        WR_TRY(cast_wrap(arena, expr, f, bare, out, err));
    } else if (to.modifier < 0 || wr_type_equal(expr->type, to)) {
        return WEIR_OK;
    }
    const wr_function *fit = wr_cast_fit(to, context);
    if (fit == NULL) {
        if ((*out)->kind == WR_EXPR_CONSTANT && to.modifier >= 0) {
            (*out)->type = to;
            (*out)->constant.type = to;
        }
        return WEIR_OK;
    }
    return cast_wrap(arena, *out, fit, to, out, err);
}
