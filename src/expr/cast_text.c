/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/cast_text.c -- casts to and from text, the lengths of varchar(n) and char(n), json, arrays.
 *
 * Place       the cast table (cast.c).
 * State       none.
 * Invariants  L1  an explicit cast cuts what is too long; an assignment refuses it, blanks excepted
 *             L2  char(n) holds exactly n characters
 */
#include "expr/cast_impl.h"

/* --- to and from text --- */

FN_KERNEL(to_text)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_fn_cast_text(&args[0], &text);
    return wr_fn_take(eval, row, &text, out);
}

static size_t
integer_print(int64_t v, char *end)
{
    uint64_t u = v < 0 ? 0 - (uint64_t) v : (uint64_t) v;
    char    *p = end;
    do
        *--p = (char) ('0' + u % 10);
    while ((u /= 10) != 0);
    if (v < 0)
        *--p = '-';
    return (size_t) (end - p);
}

/* Integers print without a detour. */
static weir_status
to_text_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
               uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_kernel k;
    if (!wr_type_is_integer(args[0]->type))
        return WEIR_QUERY_UNSUPPORTED;
    WR_TRY(wr_kernel_open(eval, args, 1, physical, &k));
    const wr_column *from = k.args[0];
    wr_column       *c = wr_kernel_result(eval, &k, call->type, WR_NUM, 0, physical);
    weir_status      status = c != NULL ? WEIR_OK : WEIR_MEMORY;
    char             digits[24];
    if (c != NULL && rows.count < c->capacity)
        memset(c->data, 0, wr_column_width(c) * c->capacity);
    for (uint32_t i = 0; i < rows.count && status == WEIR_OK; i++) {
        uint32_t row = wr_rows_at(rows, i);
        if (!wr_kernel_has_value(from, row))
            continue;
        int64_t v = from->type.id == WR_INT2   ? ((const int16_t *) from->data)[row]
                    : from->type.id == WR_INT4 ? ((const int32_t *) from->data)[row]
                                               : ((const int64_t *) from->data)[row];
        size_t  n = integer_print(v, digits + sizeof digits);
        status = wr_column_set_string(c, row, digits + sizeof digits - n, n);
    }
    return wr_kernel_end(&k, status, c, physical, out);
}

static weir_status
parse_as(wr_eval *eval, uint32_t row, wr_type type, const wr_value *text, wr_value *out)
{
    weir_error err = { .text = "" };
    wr_type    wanted = out->type;
    weir_status status =
        wr_value_parse(type, fn_data(text), fn_length(text), &eval->step, out, &err);
    out->type = wanted;
    return wr_fn_fail_as(eval, row, status, &err);
}

FN_KERNEL(from_text)
{
    return parse_as(eval, row, (wr_type){ out->type.id, out->type.element, 0, -1 }, &args[0],
                    out);
}

FN_KERNEL(text_bpchar)
{
    out->string = args[0].string;
    return WEIR_OK;
}

/* --- lengths --- */

/* The first `limit` characters; strict refuses to cut anything but blanks (L1). */
static weir_status
text_cut(wr_eval *eval, uint32_t row, const wr_value *arg, bool strict, const char *type,
         wr_value *out)
{
    const char *s = fn_data(arg), *end = s + fn_length(arg);
    const char *cut = wr_fn_char_skip(s, end, (size_t) out->type.modifier);
    for (const char *p = cut; strict && p < end; p++)
        if (*p != ' ')
            return wr_eval_fail(eval, row, WEIR_ROW_TYPE, "value too long for type %s(%d)", type,
                                out->type.modifier);
    out->string = cut == end ? arg->string : wr_string_make(s, (size_t) (cut - s));
    return WEIR_OK;
}

/* Blanks up to n characters (L2). */
static weir_status
text_pad(wr_eval *eval, uint32_t row, wr_value *out)
{
    size_t bytes = fn_length(out), chars = wr_fn_char_count(fn_data(out), bytes);
    size_t more = (size_t) out->type.modifier > chars ? (size_t) out->type.modifier - chars : 0;
    char  *room;
    if (more == 0)
        return WEIR_OK;
    WR_TRY(wr_fn_room(eval, row, bytes + more, &room));
    memcpy(room, fn_data(out), bytes);
    memset(room + bytes, ' ', more);
    return fn_give(out, room, bytes + more);
}

FN_KERNEL(fit_text)
{
    return text_cut(eval, row, &args[0], false, "character varying", out);
}

FN_KERNEL(fit_text_strict)
{
    return text_cut(eval, row, &args[0], true, "character varying", out);
}

FN_KERNEL(fit_bpchar)
{
    WR_TRY(text_cut(eval, row, &args[0], false, "character", out));
    return text_pad(eval, row, out);
}

FN_KERNEL(fit_bpchar_strict)
{
    WR_TRY(text_cut(eval, row, &args[0], true, "character", out));
    return text_pad(eval, row, out);
}

/* --- json --- */

FN_KERNEL(json_jsonb)
{
    return parse_as(eval, row, WR_TYPE(WR_JSONB), &args[0], out);
}

FN_KERNEL(jsonb_json)
{
    out->string = args[0].string;
    return WEIR_OK;
}

static weir_status
jsonb_scalar_fail(wr_eval *eval, uint32_t row, char first, wr_type to)
{
    const char *kind = first == '{'   ? "object"
                       : first == '[' ? "array"
                       : first == '"' ? "string"
                       : first == 'n' ? "null"
                       : first == 't' || first == 'f' ? "boolean" : "numeric";
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_type_print(to, &text);
    weir_status status = wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                      "cannot cast jsonb %s to type %s", kind,
                                      wr_text_string(&text));
    wr_text_fini(&text);
    return status;
}

/* true, false and numbers as what they are; through numeric, as PostgreSQL. */
FN_KERNEL(jsonb_scalar)
{
    const char *s = fn_data(&args[0]);
    char        first = fn_length(&args[0]) > 0 ? s[0] : 'n';
    bool        number = first == '-' || (first >= '0' && first <= '9');
    if (out->type.id == WR_BOOL) {
        if (first != 't' && first != 'f')
            return jsonb_scalar_fail(eval, row, first, out->type);
        out->boolean = first == 't';
        return WEIR_OK;
    }
    if (!number)
        return jsonb_scalar_fail(eval, row, first, out->type);
    wr_value num = { .type = WR_TYPE(WR_NUMERIC) };
    WR_TRY(parse_as(eval, row, num.type, &args[0], &num));
    if (out->type.id == WR_NUMERIC) {
        out->string = num.string;
        return WEIR_OK;
    }
    const wr_function *f =
        wr_type_is_integer(out->type) ? &wr_cast_numeric_int : &wr_cast_numeric_float;
    return f->scalar(eval, row, &num, 1, out);
}

/* --- arrays: each element by its own cast --- */

static weir_status
array_item(wr_eval *eval, uint32_t row, wr_type to, wr_cast_context context, wr_value *item)
{
    const wr_function *steps[2] = { NULL, wr_cast_fit(to, context) };
    wr_type            types[2] = { { to.id, to.element, 0, -1 }, to };
    if (!wr_type_same(item->type, to) &&
        (steps[0] = wr_cast_find(item->type, to, WR_CAST_EXPLICIT)) == NULL)
        return wr_eval_fail(eval, row, WEIR_ROW_TYPE, "cannot cast type %s to %s",
                            wr_type_name(item->type), wr_type_name(to));
    for (int i = 0; i < 2; i++) {
        if (steps[i] == NULL)
            continue;
        wr_value from = *item;
        *item = (wr_value){ .type = types[i] };
        WR_TRY(steps[i]->scalar(eval, row, &from, 1, item));
    }
    return WEIR_OK;
}

static weir_status
array_cast(wr_eval *eval, uint32_t row, const wr_value *arg, wr_cast_context context, wr_value *out)
{
    wr_array_view view;
    wr_array_open(&arg->string, &view);
    wr_type   to = wr_type_element(out->type);
    wr_value *items = wr_arena_alloc(&eval->step, ((size_t) view.count + 1) * sizeof *items);
    uint32_t  n = 0;
    if (items == NULL)
        return WEIR_MEMORY;
    for (const char *at = view.items; wr_array_next(&view, &at, &items[n]); n++) {
        if (items[n].is_null)
            items[n] = wr_value_null(to);
        else
            WR_TRY(array_item(eval, row, to, context, &items[n]));
    }
    return wr_array_make_dims((wr_type){ to.id, 0, 0, -1 }, view.dims, view.lengths, view.lower,
                              items, &eval->step, &out->string);
}

FN_KERNEL(array_explicit)
{
    return array_cast(eval, row, &args[0], WR_CAST_EXPLICIT, out);
}

FN_KERNEL(array_strict)
{
    return array_cast(eval, row, &args[0], WR_CAST_ASSIGNMENT, out);
}

const wr_function wr_cast_to_text =
    CAST("to_text", to_text, to_text_vector, 0, "the text form");
const wr_function wr_cast_from_text =
    CAST("from_text", from_text, NULL, FN_FAILS, "read the text form");
const wr_function wr_cast_text_bpchar =
    CAST("text_bpchar", text_bpchar, NULL, 0, "text to char(n)");
const wr_function wr_cast_json_jsonb =
    CAST("json_jsonb", json_jsonb, NULL, FN_FAILS, "json in normal form");
const wr_function wr_cast_jsonb_json =
    CAST("jsonb_json", jsonb_json, NULL, 0, "the text of jsonb");
const wr_function wr_cast_jsonb_scalar =
    CAST("jsonb_scalar", jsonb_scalar, NULL, FN_FAILS, "a JSON number or boolean as a value");
const wr_function wr_cast_fit_text =
    CAST("fit_text", fit_text, NULL, 0, "cut to n characters");
const wr_function wr_cast_fit_text_strict =
    CAST("fit_text_strict", fit_text_strict, NULL, FN_FAILS, "refuse more than n characters");
const wr_function wr_cast_fit_bpchar =
    CAST("fit_bpchar", fit_bpchar, NULL, 0, "cut or pad to n characters");
const wr_function wr_cast_fit_bpchar_strict =
    CAST("fit_bpchar_strict", fit_bpchar_strict, NULL, FN_FAILS, "pad, or refuse, to n characters");
const wr_function wr_cast_array =
    CAST("array", array_explicit, NULL, FN_FAILS, "cast each element");
const wr_function wr_cast_array_strict =
    CAST("array_strict", array_strict, NULL, FN_FAILS, "cast each element as an assignment does");
