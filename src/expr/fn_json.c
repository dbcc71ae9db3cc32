/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_json.c -- values out of json and jsonb: -> ->> #> #>>, json_extract_path, subscripts.
 *
 * Place       rows of the function registry.
 * Invariants  a result is a part of the document's own text wherever it has no escapes
 * Cost        one pass over the document up to the member, no tree, no allocation; the vector
 *             kernels with a constant key borrow the documents' heaps.
 */
#include "expr/fn_json_impl.h"
#include "expr/registry_impl.h"

#include <stdio.h>

static weir_status
span_give(wr_eval *eval, uint32_t row, wr_json_span span, bool as_text, wr_value *out)
{
    return as_text ? wr_span_give_text(eval, row, span, out) : fn_give(out, span.at, span.length);
}

/* A scalar jsonb answers to indexes 0 and -1 with itself: to PostgreSQL it is an array of one. */
static bool
span_index(wr_json_span root, wr_type_id type, int64_t index, wr_json_span *found)
{
    if (wr_span_kind(root) == '[')
        return wr_span_item(root, index, found);
    *found = root;
    return type == WR_JSONB && !wr_span_is_container(root) && (index == 0 || index == -1);
}

static bool
span_field(wr_json_span root, wr_type_id type, const wr_value *key, wr_json_span *found)
{
    if (wr_span_kind(root) != '{')
        return false;
    return (type == WR_JSONB ? wr_span_member_sorted
                             : wr_span_member)(root, fn_data(key), fn_length(key), found);
}

static weir_status
field_give(wr_eval *eval, uint32_t row, const wr_value *args, bool as_text, wr_value *out)
{
    wr_json_span root = wr_span_root(&args[0].string), found;
    wr_type_id   type = args[0].type.id;
    bool         has = args[1].type.id == WR_TEXT
                           ? span_field(root, type, &args[1], &found)
                           : span_index(root, type, args[1].integer, &found);
    return has ? span_give(eval, row, found, as_text, out) : fn_give_null(out);
}

FN_KERNEL(json_field)
{
    return field_give(eval, row, args, false, out);
}

FN_KERNEL(json_field_text)
{
    return field_give(eval, row, args, true, out);
}

/* --- paths --- */

/* One step of a path: a key of an object, an index of an array. */
static bool
path_step(wr_json_span *at, const wr_string *step)
{
    int64_t index;
    switch (wr_span_kind(*at)) {
    case '{': return wr_span_member(*at, wr_string_data(step), step->length, at);
    case '[': return wr_json_path_index(step, &index) && wr_span_item(*at, index, at);
    default: return false;
    }
}

static weir_status
path_give(wr_eval *eval, uint32_t row, const wr_value *args, bool as_text, wr_value *out)
{
    wr_json_span  at = wr_span_root(&args[0].string);
    wr_array_view path;
    wr_value      step;
    wr_array_open(&args[1].string, &path);
    for (const char *next = path.items; wr_array_next(&path, &next, &step);)
        if (step.is_null || !path_step(&at, &step.string))
            return fn_give_null(out);
    return span_give(eval, row, at, as_text, out);
}

FN_KERNEL(json_path)
{
    return path_give(eval, row, args, false, out);
}

FN_KERNEL(json_path_text)
{
    return path_give(eval, row, args, true, out);
}

/* The path's steps are the arguments. */
static weir_status
steps_give(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, bool as_text,
           wr_value *out)
{
    wr_json_span at = wr_span_root(&args[0].string);
    for (uint32_t i = 1; i < arg_count; i++)
        if (!path_step(&at, &args[i].string))
            return fn_give_null(out);
    return span_give(eval, row, at, as_text, out);
}

FN_KERNEL(json_extract_path)
{
    return steps_give(eval, row, args, arg_count, false, out);
}

FN_KERNEL(json_extract_path_text)
{
    return steps_give(eval, row, args, arg_count, true, out);
}

/* payload[1] and payload['a'] are steps of a path too: an integer names a key of an object. */
FN_KERNEL(jsonb_subscript_integer)
{
    wr_json_span at = wr_span_root(&args[0].string);
    char         digits[24];
    if (wr_span_kind(at) == '[')
        return wr_span_item(at, args[1].integer, &at) ? fn_give(out, at.at, at.length)
                                                      : fn_give_null(out);
    int       n = snprintf(digits, sizeof digits, "%lld", (long long) args[1].integer);
    wr_string step = wr_string_make(digits, (size_t) n);
    return path_step(&at, &step) ? fn_give(out, at.at, at.length) : fn_give_null(out);
}

/* --- vector kernels: a constant key --- */

typedef struct field_job {
    wr_eval   *eval;
    wr_column *out;
    wr_type    type;  /* of the documents */
    wr_value   key;
    bool       as_text;
} field_job;

static weir_status
field_vector_row(field_job *job, uint32_t row, const wr_string *document)
{
    wr_value args[2], result = { .type = job->out->type };
    args[0] = (wr_value){ .type = job->type, .string = *document };
    args[1] = job->key;
    weir_status status = field_give(job->eval, row, args, job->as_text, &result);
    if (result.is_null || wr_status_is_row(status))
        return wr_column_set_null(job->out, row);
    if (status != WEIR_OK)
        return status;
    /* Bytes of the document are kept alive by its heaps; unescaped ones are copied. */
    const char *bytes = wr_string_data(&result.string), *from = wr_string_data(document);
    if (result.string.length <= WR_STRING_INLINE_MAX ||
        (bytes >= from && bytes < from + document->length)) {
        wr_column_set_view(job->out, row, result.string);
        return WEIR_OK;
    }
    return wr_column_set_string(job->out, row, bytes, result.string.length);
}

static weir_status
field_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t physical,
             wr_rows rows, bool as_text, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT || args[1]->layout != WR_CONSTANT ||
        wr_column_is_null(args[1], 0))
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    field_job   job = { .eval = eval, .type = args[0]->type, .as_text = as_text };
    weir_status status = wr_column_get_value(args[1], 0, &eval->step, &job.key);
    if (status != WEIR_OK)
        return status;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &job.out));
    status = wr_column_adopt_heaps(job.out, wr_column_base(args[0]));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t row = fn_row(live, i);
        status = field_vector_row(&job, row, fn_string_at(args[0], row));
    }
    if (status != WEIR_OK) {
        wr_column_release(job.out);
        return status;
    }
    *out = job.out;
    return WEIR_OK;
}

static weir_status
json_field_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                  uint32_t physical, wr_rows rows, wr_column **out)
{
    return field_vector(eval, call, args, physical, rows, false, out);
}

static weir_status
json_field_text_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                       uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    return field_vector(eval, call, args, physical, rows, true, out);
}

#define FN_TOPIC "json"
#define FIELD_ROWS(TYPE, KEY, DOC)                                                                 \
    FNV("->", TYPE, json_field, json_field_vector, 0, DOC, TYPE, KEY),                             \
        FNV("->>", T_TEXT, json_field_text, json_field_text_vector, FN_FAILS, DOC " as text",      \
            TYPE, KEY)
#define PATH_ROWS(TYPE, NAME)                                                                      \
    FN("#>", TYPE, json_path, 0, "the value at a path", TYPE, T_TEXTS),                            \
        FN("#>>", T_TEXT, json_path_text, FN_FAILS, "the value at a path as text", TYPE, T_TEXTS), \
        FN(NAME, TYPE, json_extract_path, FN_VARIADIC, "the value at a path", TYPE, T_TEXT),       \
        FN(NAME "_text", T_TEXT, json_extract_path_text, FN_FAILS | FN_VARIADIC,                   \
           "the value at a path as text", TYPE, T_TEXT)
const wr_function wr_fn_json[] = {
    FIELD_ROWS(T_JSON, T_TEXT, "the member of a key"),
    FIELD_ROWS(T_JSON, T_INT4, "the item of an index"),
    FIELD_ROWS(T_JSONB, T_TEXT, "the member of a key"),
    FIELD_ROWS(T_JSONB, T_INT4, "the item of an index"),
    PATH_ROWS(T_JSON, "json_extract_path"),
    PATH_ROWS(T_JSONB, "jsonb_extract_path"),
    FN_END,
};

/* document[key] */
#undef FN_TOPIC
#define FN_TOPIC "internal"
const wr_function wr_fn_json_subscript[] = {
    FN("jsonb_subscript", T_JSONB, json_extract_path, 0, "the member of a key, or item of an index",
       T_JSONB, T_TEXT),
    FN("jsonb_subscript", T_JSONB, jsonb_subscript_integer, 0, "the item of an index", T_JSONB,
       T_INT8),
    FN_END,
};
