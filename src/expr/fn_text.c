/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_text.c -- lengths, searching and cutting: length, substr, strpos, trim, split_part.
 *
 * Place       rows of the function registry.
 * Invariants  positions count characters from 1; results that are part of an argument borrow it
 * Cost        ASCII text is never decoded: counting and skipping run over whole words.
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

FN_KERNEL(text_length)
{
    out->integer = (int64_t) wr_fn_char_count(fn_data(&args[0]), fn_length(&args[0]));
    return WEIR_OK;
}

FN_KERNEL(text_octet_length)
{
    out->integer = (int64_t) fn_length(&args[0]);
    return WEIR_OK;
}

FN_KERNEL(text_bit_length)
{
    out->integer = (int64_t) fn_length(&args[0]) * 8;
    return WEIR_OK;
}

/* The window [start, start + length) of characters counted from 1, cut to begin at 1.
 * length < 0 means to the end; false when the sum of both says so too. */
typedef struct char_window {
    size_t skip, take; /* take SIZE_MAX: to the end */
} char_window;

static char_window
window_make(int64_t start, bool has_length, int64_t length)
{
    int64_t from = WR_MAX(start, 1), until = start + length;
    if (!has_length || until > INT32_MAX)
        return (char_window){ (size_t) (from - 1), SIZE_MAX };
    return (char_window){ (size_t) (from - 1), until > from ? (size_t) (until - from) : 0 };
}

static wr_string
window_cut(const wr_string *s, char_window w)
{
    const char *at = wr_string_data(s), *end = at + s->length;
    at = wr_fn_char_skip(at, end, w.skip);
    if (w.take < (size_t) (end - at))
        end = wr_fn_char_skip(at, end, w.take);
    return wr_string_make(at, (size_t) (end - at));
}

FN_KERNEL(text_substr)
{
    bool    has_length = arg_count > 2;
    int64_t length = has_length ? args[2].integer : 0;
    if (length < 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "negative substring length not allowed");
    out->string = window_cut(&args[0].string, window_make(args[1].integer, has_length, length));
    return WEIR_OK;
}

FN_KERNEL(bytea_substr)
{
    bool    has_length = arg_count > 2;
    int64_t length = has_length ? args[2].integer : 0;
    if (length < 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "negative substring length not allowed");
    char_window w = window_make(args[1].integer, has_length, length);
    size_t      n = fn_length(&args[0]), skip = WR_MIN(w.skip, n);
    return fn_give(out, fn_data(&args[0]) + skip, WR_MIN(w.take, n - skip));
}

FN_KERNEL(text_strpos)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    const char *hit = wr_fn_find(s, end, fn_data(&args[1]), fn_length(&args[1]));
    out->integer = hit == NULL ? 0 : (int64_t) wr_fn_char_count(s, (size_t) (hit - s)) + 1;
    return WEIR_OK;
}

FN_KERNEL(bytea_strpos)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    const char *hit = wr_fn_find(s, end, fn_data(&args[1]), fn_length(&args[1]));
    out->integer = hit == NULL ? 0 : hit - s + 1;
    return WEIR_OK;
}

FN_KERNEL(text_left)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    int64_t     n = args[1].integer;
    if (n < 0)
        n = WR_MAX((int64_t) wr_fn_char_count(s, (size_t) (end - s)) + n, 0);
    return fn_give(out, s, (size_t) (wr_fn_char_skip(s, end, (size_t) n) - s));
}

FN_KERNEL(text_right)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    int64_t     n = args[1].integer, count = (int64_t) wr_fn_char_count(s, (size_t) (end - s));
    int64_t     skip = n < 0 ? -n : WR_MAX(count - n, 0);
    s = wr_fn_char_skip(s, end, (size_t) skip);
    return fn_give(out, s, (size_t) (end - s));
}

/* --- trim --- */

/* Is the character [c, c + n) one of set's? */
static bool
set_has(const char *set, const char *end, const char *c, size_t n)
{
    for (const char *next; set < end; set = next) {
        next = fn_char_next(set, end);
        if ((size_t) (next - set) == n && memcmp(set, c, n) == 0)
            return true;
    }
    return false;
}

enum { TRIM_LEFT = 1, TRIM_RIGHT = 2 };

static weir_status
trim_give(const wr_value *args, uint32_t arg_count, int sides, wr_value *out)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]), *at;
    const char *set = arg_count > 1 ? fn_data(&args[1]) : " ";
    const char *set_end = set + (arg_count > 1 ? fn_length(&args[1]) : 1);
    for (; (sides & TRIM_LEFT) && s < end; s = at) {
        at = fn_char_next(s, end);
        if (!set_has(set, set_end, s, (size_t) (at - s)))
            break;
    }
    for (; (sides & TRIM_RIGHT) && s < end; end = at) {
        at = fn_char_previous(s, end);
        if (!set_has(set, set_end, at, (size_t) (end - at)))
            break;
    }
    return fn_give(out, s, (size_t) (end - s));
}

FN_KERNEL(text_btrim)
{
    return trim_give(args, arg_count, TRIM_LEFT | TRIM_RIGHT, out);
}

FN_KERNEL(text_ltrim)
{
    return trim_give(args, arg_count, TRIM_LEFT, out);
}

FN_KERNEL(text_rtrim)
{
    return trim_give(args, arg_count, TRIM_RIGHT, out);
}

static weir_status
bytea_trim_give(const wr_value *args, int sides, wr_value *out)
{
    const char *s = fn_data(&args[0]), *end = s + fn_length(&args[0]);
    const char *set = fn_data(&args[1]);
    size_t      n = fn_length(&args[1]);
    while ((sides & TRIM_LEFT) && s < end && memchr(set, *s, n) != NULL)
        s++;
    while ((sides & TRIM_RIGHT) && s < end && memchr(set, end[-1], n) != NULL)
        end--;
    return fn_give(out, s, (size_t) (end - s));
}

FN_KERNEL(bytea_btrim)
{
    return bytea_trim_give(args, TRIM_LEFT | TRIM_RIGHT, out);
}

FN_KERNEL(bytea_ltrim)
{
    return bytea_trim_give(args, TRIM_LEFT, out);
}

FN_KERNEL(bytea_rtrim)
{
    return bytea_trim_give(args, TRIM_RIGHT, out);
}

/* --- split_part --- */

/* Field n (from 1) of s between delimiters; the empty string when there are fewer. */
static wr_string
split_forward(const char *s, const char *end, const char *delimiter, size_t length, int64_t n)
{
    for (;; n--) {
        const char *hit = wr_fn_find(s, end, delimiter, length);
        if (n == 1)
            return wr_string_make(s, (size_t) ((hit != NULL ? hit : end) - s));
        if (hit == NULL)
            return wr_string_make("", 0);
        s = hit + length;
    }
}

/* How many fields there are. */
static int64_t
split_count(const char *s, const char *end, const char *delimiter, size_t length)
{
    int64_t count = 1;
    while ((s = wr_fn_find(s, end, delimiter, length)) != NULL) {
        s += length;
        count++;
    }
    return count;
}

static wr_string
split_field(const wr_string *text, const wr_string *delimiter, int64_t n)
{
    const char *s = wr_string_data(text), *end = s + text->length;
    const char *d = wr_string_data(delimiter);
    size_t      length = delimiter->length;
    if (length == 0 || text->length == 0)
        return n == 1 || n == -1 ? *text : wr_string_make("", 0);
    if (n < 0) {
        n += split_count(s, end, d, length) + 1;
        if (n < 1)
            return wr_string_make("", 0);
    }
    return split_forward(s, end, d, length, n);
}

FN_KERNEL(text_split_part)
{
    if (args[2].integer == 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "field position must not be zero");
    out->string = split_field(&args[0].string, &args[1].string, args[2].integer);
    return WEIR_OK;
}

FN_KERNEL(text_starts_with)
{
    size_t n = fn_length(&args[1]);
    out->boolean = fn_length(&args[0]) >= n && memcmp(fn_data(&args[0]), fn_data(&args[1]), n) == 0;
    return WEIR_OK;
}

/* --- vector kernels: positions and delimiters constant, text in a column --- */

static weir_status
text_length_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                   uint32_t physical, wr_rows rows, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT)
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t   kept[WR_BATCH_ROWS_MAX];
    wr_rows    live;
    wr_column *made;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count; i++) {
        uint32_t         row = fn_row(live, i);
        const wr_string *s = fn_string_at(args[0], row);
        ((int32_t *) made->data)[row] = (int32_t) wr_fn_char_count(wr_string_data(s), s->length);
    }
    *out = made;
    return WEIR_OK;
}

/* Are all arguments from the second on constants with a value, and the first a column? */
static bool
vector_first_varies(wr_column *const *args, uint32_t arg_count)
{
    for (uint32_t a = 1; a < arg_count; a++)
        if (args[a]->layout != WR_CONSTANT || wr_column_is_null(args[a], 0))
            return false;
    return args[0]->layout != WR_CONSTANT;
}

static weir_status
text_substr_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                   uint32_t physical, wr_rows rows, wr_column **out)
{
    if (!vector_first_varies(args, arg_count))
        return WEIR_QUERY_UNSUPPORTED;
    int32_t start = *(const int32_t *) args[1]->data;
    int32_t length = arg_count > 2 ? *(const int32_t *) args[2]->data : 0;
    if (length < 0)
        return WEIR_QUERY_UNSUPPORTED; /* the row kernel says so for each row */
    char_window w = window_make(start, arg_count > 2, length);
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    wr_column  *made;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    if (wr_column_adopt_heaps(made, wr_column_base(args[0])) != WEIR_OK) {
        wr_column_release(made);
        return WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < live.count; i++) {
        uint32_t row = fn_row(live, i);
        wr_column_set_view(made, row, window_cut(fn_string_at(args[0], row), w));
    }
    *out = made;
    return WEIR_OK;
}

static weir_status
text_split_part_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                       uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    if (!vector_first_varies(args, arg_count))
        return WEIR_QUERY_UNSUPPORTED;
    int32_t          n = *(const int32_t *) args[2]->data;
    const wr_string *delimiter = fn_string_at(args[1], 0);
    if (n == 0)
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t   kept[WR_BATCH_ROWS_MAX];
    wr_rows    live;
    wr_column *made;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    if (wr_column_adopt_heaps(made, wr_column_base(args[0])) != WEIR_OK) {
        wr_column_release(made);
        return WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < live.count; i++) {
        uint32_t row = fn_row(live, i);
        wr_column_set_view(made, row, split_field(fn_string_at(args[0], row), delimiter, n));
    }
    *out = made;
    return WEIR_OK;
}

#define FN_TOPIC "text"
const wr_function wr_fn_text[] = {
    FNV("length", T_INT4, text_length, text_length_vector, 0, "number of characters", T_TEXT),
    FN("length", T_INT4, text_octet_length, 0, "number of bytes", T_BYTEA),
    FNV("char_length", T_INT4, text_length, text_length_vector, 0, "number of characters", T_TEXT),
    FNV("character_length", T_INT4, text_length, text_length_vector, 0, "number of characters",
        T_TEXT),
    FN("octet_length", T_INT4, text_octet_length, 0, "number of bytes", T_TEXT),
    FN("octet_length", T_INT4, text_octet_length, 0, "number of bytes", T_BYTEA),
    FN("bit_length", T_INT4, text_bit_length, 0, "number of bits", T_TEXT),
    FN("bit_length", T_INT4, text_bit_length, 0, "number of bits", T_BYTEA),
    FNV("substr", T_TEXT, text_substr, text_substr_vector, FN_FAILS | FN_OPTIONAL(1),
        "part of the string from a position (from 1), for a length", T_TEXT, T_INT4, T_INT4),
    FNV("substring", T_TEXT, text_substr, text_substr_vector, FN_FAILS | FN_OPTIONAL(1),
        "part of the string from a position (from 1), for a length", T_TEXT, T_INT4, T_INT4),
    FN("substr", T_BYTEA, bytea_substr, FN_FAILS | FN_OPTIONAL(1), "part of the bytes", T_BYTEA,
       T_INT4, T_INT4),
    FN("substring", T_BYTEA, bytea_substr, FN_FAILS | FN_OPTIONAL(1), "part of the bytes", T_BYTEA,
       T_INT4, T_INT4),
    FN("strpos", T_INT4, text_strpos, 0, "position of the second string in the first, or 0",
       T_TEXT, T_TEXT),
    FN("position", T_INT4, text_strpos, 0, "position of the second string in the first, or 0",
       T_TEXT, T_TEXT),
    FN("position", T_INT4, bytea_strpos, 0, "position of the second bytes in the first, or 0",
       T_BYTEA, T_BYTEA),
    FN("left", T_TEXT, text_left, 0, "the first n characters; all but the last |n| if negative",
       T_TEXT, T_INT4),
    FN("right", T_TEXT, text_right, 0, "the last n characters; all but the first |n| if negative",
       T_TEXT, T_INT4),
    FN("btrim", T_TEXT, text_btrim, FN_OPTIONAL(1), "without blanks (or given characters) around",
       T_TEXT, T_TEXT),
    FN("ltrim", T_TEXT, text_ltrim, FN_OPTIONAL(1), "without blanks (or given characters) before",
       T_TEXT, T_TEXT),
    FN("rtrim", T_TEXT, text_rtrim, FN_OPTIONAL(1), "without blanks (or given characters) behind",
       T_TEXT, T_TEXT),
    FN("btrim", T_BYTEA, bytea_btrim, 0, "without the given bytes around", T_BYTEA, T_BYTEA),
    FN("ltrim", T_BYTEA, bytea_ltrim, 0, "without the given bytes before", T_BYTEA, T_BYTEA),
    FN("rtrim", T_BYTEA, bytea_rtrim, 0, "without the given bytes behind", T_BYTEA, T_BYTEA),
    FNV("split_part", T_TEXT, text_split_part, text_split_part_vector, FN_FAILS,
        "the n-th field between delimiters; from the end if negative", T_TEXT, T_TEXT, T_INT4),
    FN("starts_with", T_BOOL, text_starts_with, 0, "does the first string begin with the second?",
       T_TEXT, T_TEXT),
    FN("^@", T_BOOL, text_starts_with, 0, "does the first string begin with the second?", T_TEXT,
       T_TEXT),
    FN_END,
};
