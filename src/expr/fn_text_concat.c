/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_text_concat.c -- joining strings and taking them apart: ||, concat, concat_ws,
 * array_to_string, string_to_array.
 *
 * Place       rows of the function registry.
 * Invariants  concat leaves NULLs out; || is NULL when a side is; || casts as CAST(x AS text) does
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

static weir_status
concat_two(wr_eval *eval, uint32_t row, const wr_string *a, const wr_string *b, wr_value *out)
{
    char *room;
    WR_TRY(wr_fn_room(eval, row, (size_t) a->length + b->length, &room));
    memcpy(room, wr_string_data(a), a->length);
    memcpy(room + a->length, wr_string_data(b), b->length);
    return fn_give(out, room, (size_t) a->length + b->length);
}

FN_KERNEL(text_concat2)
{
    return concat_two(eval, row, &args[0].string, &args[1].string, out);
}

/* One side is not text: cast it. */
FN_KERNEL(any_concat2)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    wr_fn_cast_text(&args[0], &text);
    wr_fn_cast_text(&args[1], &text);
    return wr_fn_take(eval, row, &text, out);
}

static weir_status
text_concat2_row(wr_column *out, uint32_t row, const wr_string *a, const wr_string *b)
{
    size_t n = (size_t) a->length + b->length;
    char   inline_room[WR_STRING_INLINE_MAX];
    char  *to = n <= WR_STRING_INLINE_MAX ? inline_room : wr_column_heap_alloc(out, n);
    if (to == NULL)
        return WEIR_MEMORY;
    memcpy(to, wr_string_data(a), a->length);
    memcpy(to + a->length, wr_string_data(b), b->length);
    wr_column_set_view(out, row, wr_string_make(to, n));
    return WEIR_OK;
}

static weir_status
text_concat2_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                    uint32_t physical, wr_rows rows, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT && args[1]->layout == WR_CONSTANT)
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    wr_column  *made;
    weir_status status = WEIR_OK;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 2, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t         row = fn_row(live, i);
        const wr_string *a = fn_string_at(args[0], row), *b = fn_string_at(args[1], row);
        if ((size_t) a->length + b->length > WR_STRING_BYTES_MAX) { /* L1 */
            (void) wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE, "requested length too large");
            status = wr_column_set_null(made, row);
        } else {
            status = text_concat2_row(made, row, a, b);
        }
    }
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

FN_KERNEL(text_concat)
{
    wr_text text;
    wr_text_init(&text, eval->budget);
    for (uint32_t i = 0; i < arg_count; i++)
        if (!args[i].is_null)
            wr_value_print(&args[i], &text);
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(text_concat_ws)
{
    bool    first = true;
    wr_text text;
    if (args[0].is_null)
        return fn_give_null(out);
    wr_text_init(&text, eval->budget);
    for (uint32_t i = 1; i < arg_count; i++) {
        if (args[i].is_null)
            continue;
        if (!first)
            wr_text_append(&text, fn_data(&args[0]), fn_length(&args[0]));
        wr_value_print(&args[i], &text);
        first = false;
    }
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(array_to_string)
{
    wr_array_view view;
    wr_value      item;
    wr_text       text;
    bool          first = true;
    if (args[0].is_null || args[1].is_null)
        return fn_give_null(out);
    const wr_value *null_text = arg_count > 2 && !args[2].is_null ? &args[2] : NULL;
    wr_text_init(&text, eval->budget);
    wr_array_open(&args[0].string, &view);
    for (const char *at = view.items; wr_array_next(&view, &at, &item);) {
        if (item.is_null && null_text == NULL)
            continue;
        if (!first)
            wr_text_append(&text, fn_data(&args[1]), fn_length(&args[1]));
        first = false;
        if (item.is_null)
            wr_text_append(&text, fn_data(null_text), fn_length(null_text));
        else
            wr_value_print(&item, &text);
    }
    return wr_fn_take(eval, row, &text, out);
}

/* --- string_to_array --- */

/* Where the field that begins at s ends; *next is where the next begins, NULL at the last. */
static const char *
field_end(const char *s, const char *end, const wr_value *delimiter, const char **next)
{
    const char *stop;
    if (delimiter->is_null) { /* each character is a field */
        stop = fn_char_next(s, end);
        *next = stop < end ? stop : NULL;
        return stop;
    }
    size_t n = fn_length(delimiter);
    stop = n == 0 ? NULL : wr_fn_find(s, end, fn_data(delimiter), n);
    *next = stop != NULL ? stop + n : NULL;
    return stop != NULL ? stop : end;
}

FN_KERNEL(string_to_array)
{
    if (args[0].is_null)
        return fn_give_null(out);
    const wr_value *null_text = arg_count > 2 && !args[2].is_null ? &args[2] : NULL;
    const char     *s = fn_data(&args[0]), *end = s + fn_length(&args[0]), *next;
    uint32_t        count = 0;
    for (const char *at = s; s < end && at != NULL; at = next, count++)
        (void) field_end(at, end, &args[1], &next);
    if (count > WR_ARRAY_ITEMS_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                            "array size exceeds the maximum allowed (%d)", WR_ARRAY_ITEMS_MAX);
    wr_value *items = wr_arena_alloc(&eval->step, count * sizeof *items);
    if (items == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++, s = next) {
        const char *stop = field_end(s, end, &args[1], &next);
        items[i] = (wr_value){ .type = T_TEXT, .string = wr_string_make(s, (size_t) (stop - s)) };
        if (null_text != NULL && wr_string_equal(&items[i].string, &null_text->string))
            items[i].is_null = true;
    }
    return wr_array_make(T_TEXT, items, count, &eval->step, &out->string);
}

#define FN_TOPIC "text"
const wr_function wr_fn_text_concat[] = {
    FNV("||", T_TEXT, text_concat2, text_concat2_vector, FN_FAILS, "the two strings joined",
        T_TEXT, T_TEXT),
    FN("||", T_TEXT, any_concat2, FN_FAILS, "the string and the value's text joined", T_TEXT,
       T_NONARRAY),
    FN("||", T_TEXT, any_concat2, FN_FAILS, "the value's text and the string joined", T_NONARRAY,
       T_TEXT),
    FN("||", T_BYTEA, text_concat2, FN_FAILS, "the bytes joined", T_BYTEA, T_BYTEA),
    FN("concat", T_TEXT, text_concat, FN_FAILS | FN_NULLS | FN_VARIADIC,
       "the texts of all arguments joined, NULLs left out", T_ANY),
    FN("concat_ws", T_TEXT, text_concat_ws, FN_FAILS | FN_NULLS | FN_VARIADIC,
       "the texts of all but the first argument joined, with the first between", T_TEXT, T_ANY),
    FN("array_to_string", T_TEXT, array_to_string, FN_FAILS | FN_NULLS | FN_OPTIONAL(1),
       "the items' texts joined by a delimiter; NULLs left out or replaced", T_ARRAY, T_TEXT,
       T_TEXT),
    FN("string_to_array", T_TEXTS, string_to_array, FN_FAILS | FN_NULLS | FN_OPTIONAL(1),
       "the fields between delimiters as an array", T_TEXT, T_TEXT, T_TEXT),
    FN_END,
};
