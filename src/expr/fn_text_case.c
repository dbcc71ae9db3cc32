/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_text_case.c -- lower, upper, initcap.
 *
 * Place       rows of the function registry.
 * Invariants  mappings are one code point to one (Unicode's simple case), as the oracle's C.UTF-8
 * Cost        ASCII is the fast path, sixteen bytes at a time; short strings stay in their view.
 */
#include "expr/fn_impl.h"
#include "expr/registry_impl.h"

#include <emmintrin.h>

typedef enum case_mode { CASE_LOWER, CASE_UPPER, CASE_INITCAP } case_mode;

/* Sixteen ASCII bytes, those from `first` to `first` + 25 with their case bit turned over. */
static inline __m128i
case_turn(__m128i v, char first)
{
    __m128i above = _mm_cmpgt_epi8(v, _mm_set1_epi8((char) (first - 1)));
    __m128i below = _mm_cmplt_epi8(v, _mm_set1_epi8((char) (first + 26)));
    return _mm_xor_si128(v, _mm_and_si128(_mm_and_si128(above, below), _mm_set1_epi8(0x20)));
}

static void
case_ascii(const char *s, size_t n, case_mode mode, char *to)
{
    char first = mode == CASE_LOWER ? 'A' : 'a';
    for (; n >= 16; s += 16, to += 16, n -= 16)
        _mm_storeu_si128((__m128i *) to, case_turn(_mm_loadu_si128((const __m128i *) s), first));
    for (; n > 0; s++, to++, n--)
        *to = (char) (*s ^ (((unsigned char) (*s - first) < 26) << 5));
}

/* A mapped character may take three bytes where it took two. */
static size_t
case_bytes_max(size_t n)
{
    return n + n / 2 + 4;
}

/* Maps any UTF-8; to has case_bytes_max(n) bytes.  Returns the length. */
static size_t
case_map(const char *s, size_t n, case_mode mode, char *to)
{
    const char *end = s + n;
    char       *at = to;
    bool        in_word = false;
    while (s < end) {
        uint32_t code = wr_fn_char_decode(&s, end);
        bool     lower = mode == CASE_LOWER || (mode == CASE_INITCAP && in_word);
        at += wr_fn_char_encode(lower ? wr_fn_char_lower(code) : wr_fn_char_upper(code), at);
        if (mode == CASE_INITCAP)
            in_word = wr_fn_char_is_alnum(code);
    }
    return (size_t) (at - to);
}

static weir_status
case_row(wr_eval *eval, uint32_t row, const wr_string *from, case_mode mode, wr_string *out)
{
    const char *s = wr_string_data(from);
    size_t      n = from->length;
    char       *to, inline_room[WR_STRING_INLINE_MAX];
    if (mode == CASE_INITCAP || !wr_fn_is_ascii(s, n)) {
        WR_TRY(wr_fn_room(eval, row, case_bytes_max(n), &to));
        *out = wr_string_make(to, case_map(s, n, mode, to));
        return WEIR_OK;
    }
    if (n <= WR_STRING_INLINE_MAX)
        to = inline_room;
    else
        WR_TRY(wr_fn_room(eval, row, n, &to));
    case_ascii(s, n, mode, to);
    *out = wr_string_make(to, n);
    return WEIR_OK;
}

weir_status
wr_fn_lower(wr_eval *eval, uint32_t row, const wr_string *s, wr_string *out)
{
    return case_row(eval, row, s, CASE_LOWER, out);
}

FN_KERNEL(text_lower)
{
    return case_row(eval, row, &args[0].string, CASE_LOWER, &out->string);
}

FN_KERNEL(text_upper)
{
    return case_row(eval, row, &args[0].string, CASE_UPPER, &out->string);
}

FN_KERNEL(text_initcap)
{
    return case_row(eval, row, &args[0].string, CASE_INITCAP, &out->string);
}

/* A short string of ASCII lies whole in its view: one register, its length left as it is. */
static bool
case_view(wr_column *out, uint32_t row, const wr_string *from, case_mode mode)
{
    const __m128i text = _mm_set_epi32(-1, -1, -1, 0);
    __m128i       v = _mm_loadu_si128((const __m128i *) from);
    if (from->length > WR_STRING_INLINE_MAX || (_mm_movemask_epi8(v) & 0xfff0) != 0)
        return false;
    __m128i turned = case_turn(v, mode == CASE_LOWER ? 'A' : 'a');
    v = _mm_or_si128(_mm_and_si128(text, turned), _mm_andnot_si128(text, v));
    _mm_storeu_si128(&((__m128i *) out->data)[row], v);
    return true;
}

/* One row of a vector kernel: into the view itself, or into the column's heap. */
static weir_status
case_vector_row(wr_column *out, uint32_t row, const wr_string *from, case_mode mode)
{
    if (case_view(out, row, from, mode))
        return WEIR_OK;
    const char *s = wr_string_data(from);
    size_t      n = from->length;
    bool        ascii = wr_fn_is_ascii(s, n);
    char       *to = wr_column_heap_alloc(out, ascii ? n : case_bytes_max(n));
    if (to == NULL)
        return WEIR_MEMORY;
    if (ascii)
        case_ascii(s, n, mode, to);
    else
        n = case_map(s, n, mode, to);
    wr_column_set_view(out, row, wr_string_make(to, n));
    return WEIR_OK;
}

static weir_status
case_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t physical,
            wr_rows rows, case_mode mode, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT)
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t    kept[WR_BATCH_ROWS_MAX];
    wr_rows     live;
    wr_column  *made;
    weir_status status = WEIR_OK;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t row = fn_row(live, i);
        status = case_vector_row(made, row, fn_string_at(args[0], row), mode);
    }
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

static weir_status
text_lower_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                  uint32_t physical, wr_rows rows, wr_column **out)
{
    return case_vector(eval, call, args, physical, rows, CASE_LOWER, out);
}

static weir_status
text_upper_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                  uint32_t physical, wr_rows rows, wr_column **out)
{
    return case_vector(eval, call, args, physical, rows, CASE_UPPER, out);
}

#define FN_TOPIC "text"
const wr_function wr_fn_text_case[] = {
    FNV("lower", T_TEXT, text_lower, text_lower_vector, 0, "the string in lower case", T_TEXT),
    FNV("upper", T_TEXT, text_upper, text_upper_vector, 0, "the string in upper case", T_TEXT),
    FN("initcap", T_TEXT, text_initcap, 0, "each word with a capital, the rest in lower case",
       T_TEXT),
    FN_END,
};
