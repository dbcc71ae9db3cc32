/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json_build.c -- making json of values: to_json, json_build_object, json_object and kin.
 *
 * Place       rows of the function registry.
 * Invariants  jsonb results go through the canonical printer: one form for one value
 */
#include "expr/fn_json_impl.h"
#include "expr/registry_impl.h"

#include <math.h>

weir_status
wr_fn_take_jsonb(wr_eval *eval, uint32_t row, wr_text *text, wr_value *out)
{
    weir_error  err = { 0 };
    weir_status status = WEIR_MEMORY;
    if (wr_text_ok(text))
        status =
            wr_jsonb_parse(wr_text_string(text), text->length, &eval->step, &out->string, &err);
    wr_text_fini(text);
    return wr_fn_fail_as(eval, row, status, &err);
}

/* --- one value --- */

static void
array_append_items(const wr_array_view *view, uint32_t dim, const char **at, const char *separator,
                   const char *inner, bool canonical, wr_text *to)
{
    wr_value item;
    wr_text_putc(to, '[');
    for (uint32_t i = 0; i < view->lengths[dim]; i++) {
        if (i > 0)
            wr_text_puts(to, separator);
        if (dim + 1 < view->dims)
            array_append_items(view, dim + 1, at, inner, inner, canonical, to);
        else if (wr_array_next(view, at, &item))
            wr_fn_json_append(&item, canonical, to);
    }
    wr_text_putc(to, ']');
}

/* separator stands between the outermost items, inner between all others. */
static void
array_append(const wr_value *array, const char *separator, const char *inner, bool canonical,
             wr_text *to)
{
    wr_array_view view;
    wr_array_open(&array->string, &view);
    const char *at = view.items;
    if (view.dims == 0)
        wr_text_puts(to, "[]");
    else
        array_append_items(&view, 0, &at, separator, inner, canonical, to);
}

static void
printed_append(const wr_value *value, bool quoted, wr_text *to)
{
    wr_text plain;
    if (!quoted) {
        wr_value_print(value, to);
        return;
    }
    wr_text_init(&plain, to->budget);
    wr_value_print(value, &plain);
    wr_text_put_json(to, wr_text_string(&plain), plain.length);
    to->failed |= plain.failed;
    wr_text_fini(&plain);
}

/* ISO 8601, as PostgreSQL's JSON has it: the offset written out, BC behind it. */
static void
timestamp_append(const wr_value *value, wr_text *to)
{
    wr_text plain;
    wr_text_init(&plain, to->budget);
    wr_timestamp_print(value->integer, false, &plain);
    if (plain.length > 0 && plain.data[0] >= '0' && plain.data[0] <= '9') {
        char  *blank = memchr(plain.data, ' ', plain.length);
        size_t bc = 0;
        if (plain.length > 3 && memcmp(plain.data + plain.length - 3, " BC", 3) == 0)
            bc = 3;
        if (blank != NULL)
            *blank = 'T';
        wr_text_putc(to, '"');
        wr_text_append(to, plain.data, plain.length - bc);
        if (value->type.id == WR_TIMESTAMPTZ)
            wr_text_puts(to, "+00:00");
        wr_text_puts(to, bc > 0 ? " BC\"" : "\"");
    } else { /* infinity */
        wr_text_put_json(to, wr_text_string(&plain), plain.length);
    }
    to->failed |= plain.failed;
    wr_text_fini(&plain);
}

void
wr_fn_json_append(const wr_value *value, bool canonical, wr_text *to)
{
    const char *separator = canonical ? ", " : ",";
    if (value->is_null) {
        wr_text_puts(to, "null");
        return;
    }
    switch (value->type.id) {
    case WR_BOOL: wr_text_puts(to, value->boolean ? "true" : "false"); break;
    case WR_JSON:
    case WR_JSONB: wr_text_append(to, fn_data(value), fn_length(value)); break;
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_UNKNOWN: wr_text_put_json(to, fn_data(value), fn_length(value)); break;
    case WR_ARRAY: array_append(value, separator, separator, canonical, to); break;
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: timestamp_append(value, to); break;
    case WR_FLOAT4:
    case WR_FLOAT8: printed_append(value, !isfinite(value->real), to); break;
    case WR_NUMERIC:
        printed_append(value, wr_num_is_nan(&value->string) || wr_num_is_infinite(&value->string),
                       to);
        break;
    default: printed_append(value, !wr_type_is_integer(value->type), to); break;
    }
}

void
wr_fn_json_key_append(const wr_value *value, wr_text *to)
{
    if (value->type.id == WR_TIMESTAMP || value->type.id == WR_TIMESTAMPTZ) {
        timestamp_append(value, to);
        return;
    }
    wr_text plain;
    wr_text_init(&plain, to->budget);
    wr_fn_cast_text(value, &plain);
    wr_text_put_json(to, wr_text_string(&plain), plain.length);
    to->failed |= plain.failed;
    wr_text_fini(&plain);
}

FN_KERNEL(any_to_json)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_fn_json_append(&args[0], false, &text);
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(any_to_jsonb)
{
    wr_text text;
    if (args[0].type.id == WR_JSONB) {
        out->string = args[0].string;
        return WEIR_OK;
    }
    wr_text_init(&text, eval->budget);
    wr_fn_json_append(&args[0], true, &text);
    return wr_fn_take_jsonb(eval, row, &text, out);
}

/* array_to_json(array, pretty): a line for each item of the first dimension. */
FN_KERNEL(array_to_json)
{
    bool    pretty = arg_count > 1 && args[1].boolean;
    wr_text text;
    wr_text_init(&text, eval->budget);
    array_append(&args[0], pretty ? ",\n " : ",", ",", false, &text);
    return wr_fn_take(eval, row, &text, out);
}

/* --- objects and arrays of arguments --- */

/* A key: the value's text in quotes. */
static weir_status
key_append(wr_eval *eval, uint32_t row, const wr_value *key, wr_text *to)
{
    if (key->type.id == WR_ARRAY || key->type.id == WR_JSON || key->type.id == WR_JSONB)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "key value must be scalar, not array, composite, or json");
    wr_fn_json_key_append(key, to);
    return WEIR_OK;
}

static weir_status
object_append(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, bool jsonb,
              wr_text *to)
{
    if (arg_count % 2 != 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "argument list must have even number of elements");
    wr_text_putc(to, '{');
    for (uint32_t i = 0; i < arg_count; i += 2) {
        if (args[i].is_null)
            return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                jsonb ? "argument %u: key must not be null"
                                      : "argument %u cannot be null",
                                i + 1);
        if (i > 0)
            wr_text_puts(to, ", ");
        WR_TRY(key_append(eval, row, &args[i], to));
        wr_text_puts(to, " : ");
        wr_fn_json_append(&args[i + 1], false, to);
    }
    wr_text_putc(to, '}');
    return WEIR_OK;
}

FN_KERNEL(json_build_object)
{
    bool    jsonb = out->type.id == WR_JSONB;
    wr_text text;
    wr_text_init(&text, eval->budget);
    weir_status status = object_append(eval, row, args, arg_count, jsonb, &text);
    if (status != WEIR_OK) {
        wr_text_fini(&text);
        return status;
    }
    return (jsonb ? wr_fn_take_jsonb : wr_fn_take)(eval, row, &text, out);
}

/* json_row(name, value, ...): as row_to_json writes a row. */
FN_KERNEL(json_row)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_text_putc(&text, '{');
    for (uint32_t i = 0; i + 1 < arg_count; i += 2) {
        if (i > 0)
            wr_text_putc(&text, ',');
        wr_text_put_json(&text, fn_data(&args[i]), fn_length(&args[i]));
        wr_text_putc(&text, ':');
        wr_fn_json_append(&args[i + 1], false, &text);
    }
    wr_text_putc(&text, '}');
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(json_build_array)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_text_putc(&text, '[');
    for (uint32_t i = 0; i < arg_count; i++) {
        if (i > 0)
            wr_text_puts(&text, ", ");
        wr_fn_json_append(&args[i], false, &text);
    }
    wr_text_putc(&text, ']');
    return (out->type.id == WR_JSONB ? wr_fn_take_jsonb : wr_fn_take)(eval, row, &text, out);
}

/* --- objects of text arrays --- */

static weir_status
pair_append(wr_eval *eval, uint32_t row, const wr_value *key, const wr_value *value, bool first,
            wr_text *to)
{
    if (key->is_null)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "null value not allowed for object key");
    if (!first)
        wr_text_puts(to, ", ");
    wr_text_put_json(to, fn_data(key), fn_length(key));
    wr_text_puts(to, " : ");
    wr_fn_json_append(value, false, to);
    return WEIR_OK;
}

/* One array of keys and values in turn, or of pairs. */
static weir_status
pairs_append(wr_eval *eval, uint32_t row, const wr_array_view *pairs, wr_text *to)
{
    wr_value    key, value;
    const char *at = pairs->items;
    if (pairs->dims > 2)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "wrong number of array subscripts");
    if (pairs->dims == 1 && pairs->count % 2 != 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "array must have even number of elements");
    if (pairs->dims == 2 && pairs->lengths[1] != 2)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "array must have two columns");
    for (bool first = true; wr_array_next(pairs, &at, &key) && wr_array_next(pairs, &at, &value);
         first = false)
        WR_TRY(pair_append(eval, row, &key, &value, first, to));
    return WEIR_OK;
}

static weir_status
columns_append(wr_eval *eval, uint32_t row, const wr_array_view *keys, const wr_array_view *values,
               wr_text *to)
{
    wr_value    key, value;
    const char *k = keys->items, *v = values->items;
    if (keys->dims > 1 || keys->dims != values->dims)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "wrong number of array subscripts");
    if (keys->count != values->count)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "mismatched array dimensions");
    for (bool first = true; wr_array_next(keys, &k, &key) && wr_array_next(values, &v, &value);
         first = false)
        WR_TRY(pair_append(eval, row, &key, &value, first, to));
    return WEIR_OK;
}

FN_KERNEL(json_object)
{
    wr_array_view first, second;
    wr_text       text;
    weir_status   status;
    wr_text_init(&text, eval->budget);
    wr_text_putc(&text, '{');
    wr_array_open(&args[0].string, &first);
    if (arg_count > 1) {
        wr_array_open(&args[1].string, &second);
        status = columns_append(eval, row, &first, &second, &text);
    } else {
        status = pairs_append(eval, row, &first, &text);
    }
    wr_text_putc(&text, '}');
    if (status != WEIR_OK) {
        wr_text_fini(&text);
        return status;
    }
    return (out->type.id == WR_JSONB ? wr_fn_take_jsonb : wr_fn_take)(eval, row, &text, out);
}

#define FN_TOPIC "json"
#define BUILD_ROWS(PREFIX, TYPE)                                                                   \
    FN(PREFIX "_build_object", TYPE, json_build_object,                                            \
       FN_FAILS | FN_NULLS | FN_VARIADIC | FN_OPTIONAL(1), "an object of keys and values", T_ANY), \
        FN(PREFIX "_build_array", TYPE, json_build_array,                                          \
           FN_FAILS | FN_NULLS | FN_VARIADIC | FN_OPTIONAL(1), "an array of the values", T_ANY),   \
        FN(PREFIX "_object", TYPE, json_object, FN_FAILS | FN_OPTIONAL(1),                         \
           "an object of an array of keys and values, or of two arrays", T_TEXTS, T_TEXTS)
const wr_function wr_fn_json_build[] = {
    FN("to_json", T_JSON, any_to_json, FN_FAILS, "the value as json", T_ANY),
    FN("to_jsonb", T_JSONB, any_to_jsonb, FN_FAILS, "the value as jsonb", T_ANY),
    FN("array_to_json", T_JSON, array_to_json, FN_FAILS | FN_OPTIONAL(1), "the array as json",
       T_ARRAY, T_BOOL),
    BUILD_ROWS("json", T_JSON),
    BUILD_ROWS("jsonb", T_JSONB),
    FN_END,
};

#undef FN_TOPIC
#define FN_TOPIC "internal"
const wr_function wr_fn_json_row[] = {
    FN("json_row", T_JSON, json_row, FN_FAILS | FN_NULLS | FN_VARIADIC, "a row as JSON", T_ANY),
    FN_END,
};
