/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_support.c -- strings, failures and columns for the function library (see fn_impl.h).
 *
 * Place       called by expr/fn_*.c.
 * State       none.
 */
#include "expr/fn_impl.h"

#include <emmintrin.h>
#include <utf8proc.h>

weir_status
wr_fn_room(wr_eval *eval, uint32_t row, size_t bytes, char **room)
{
    if (bytes > WR_STRING_BYTES_MAX) /* L1 */
        return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE, "requested length too large");
    *room = wr_arena_alloc(&eval->step, bytes);
    return *room != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_fn_give_copy(wr_eval *eval, uint32_t row, const char *bytes, size_t length, wr_value *out)
{
    char *room;
    if (length <= WR_STRING_INLINE_MAX)
        return fn_give(out, bytes, length);
    WR_TRY(wr_fn_room(eval, row, length, &room));
    memcpy(room, bytes, length);
    return fn_give(out, room, length);
}

weir_status
wr_fn_take(wr_eval *eval, uint32_t row, wr_text *text, wr_value *out)
{
    char       *room = NULL;
    weir_status status = wr_text_ok(text) ? WEIR_OK : WEIR_MEMORY;
    if (status == WEIR_OK)
        status = wr_fn_room(eval, row, text->length, &room);
    if (status == WEIR_OK && text->length > 0)
        memcpy(room, text->data, text->length);
    if (status == WEIR_OK)
        status = fn_give(out, room, text->length);
    wr_text_fini(text);
    return status;
}

weir_status
wr_fn_fail_as(wr_eval *eval, uint32_t row, weir_status status, const weir_error *err)
{
    if (status == WEIR_OK || status == WEIR_MEMORY)
        return status;
    return wr_eval_fail(eval, row, status, "%s", err->text);
}

weir_status
wr_fn_num(wr_eval *eval, uint32_t row, weir_status status)
{
    if (WR_LIKELY(status == WEIR_OK) || status == WEIR_MEMORY)
        return status;
    if (status == WEIR_ROW_DIVISION_BY_ZERO)
        return wr_eval_fail(eval, row, status, "division by zero");
    if (status == WEIR_ROW_OVERFLOW)
        return wr_eval_fail(eval, row, status, "value overflows numeric format");
    return wr_eval_fail(eval, row, status, "invalid argument of a numeric function");
}

void
wr_fn_cast_text(const wr_value *value, wr_text *to)
{
    if (value->is_null)
        return;
    if (value->type.id == WR_BOOL) {
        wr_text_puts(to, value->boolean ? "true" : "false");
    } else if (value->type.id == WR_BPCHAR) {
        size_t n = fn_length(value);
        while (n > 0 && fn_data(value)[n - 1] == ' ')
            n--;
        wr_text_append(to, fn_data(value), n);
    } else {
        wr_value_print(value, to);
    }
}

bool
wr_fn_is_ascii(const char *s, size_t n)
{
    __m128i  high = _mm_setzero_si128();
    uint64_t eight = 0, last = 0;
    uint32_t four = 0, tail = 0;
    if (n >= 16) { /* what is left over is looked at together with bytes before it */
        const char *end = s + n - 16;
        for (; s < end; s += 16)
            high = _mm_or_si128(high, _mm_loadu_si128((const __m128i *) s));
        high = _mm_or_si128(high, _mm_loadu_si128((const __m128i *) end));
        return _mm_movemask_epi8(high) == 0;
    }
    if (n >= 8) {
        memcpy(&eight, s, 8);
        memcpy(&last, s + n - 8, 8);
        return ((eight | last) & 0x8080808080808080u) == 0;
    }
    if (n >= 4) {
        memcpy(&four, s, 4);
        memcpy(&tail, s + n - 4, 4);
        return ((four | tail) & 0x80808080u) == 0;
    }
    for (size_t i = 0; i < n; i++)
        if (s[i] < 0)
            return false;
    return true;
}

size_t
wr_fn_char_count(const char *s, size_t n)
{
    const __m128i last_following = _mm_set1_epi8(-65); /* 10xxxxxx are -128 to -65 */
    size_t        count = 0;
    for (; n >= 16; s += 16, n -= 16) {
        __m128i v = _mm_loadu_si128((const __m128i *) s);
        count += (size_t) __builtin_popcount(
            (unsigned) _mm_movemask_epi8(_mm_cmpgt_epi8(v, last_following)));
    }
    for (; n > 0; s++, n--)
        count += (signed char) *s > -65;
    return count;
}

/* Compares the needle's first and last byte at sixteen places at once. */
const char *
wr_fn_find(const char *s, const char *end, const char *needle, size_t length)
{
    if (length == 0)
        return s;
    if (length == 1)
        return s < end ? memchr(s, *needle, (size_t) (end - s)) : NULL;
    if (length > 64) /* the library's cost is linear */
        return memmem(s, (size_t) (end - s), needle, length);
    const __m128i first = _mm_set1_epi8(needle[0]), last = _mm_set1_epi8(needle[length - 1]);
    for (; (size_t) (end - s) >= length + 15; s += 16) {
        __m128i  a = _mm_loadu_si128((const __m128i *) s);
        __m128i  b = _mm_loadu_si128((const __m128i *) (s + length - 1));
        unsigned hits = (unsigned) _mm_movemask_epi8(
            _mm_and_si128(_mm_cmpeq_epi8(a, first), _mm_cmpeq_epi8(b, last)));
        for (; hits != 0; hits &= hits - 1) {
            const char *at = s + __builtin_ctz(hits);
            if (length == 2 || memcmp(at + 1, needle + 1, length - 2) == 0)
                return at;
        }
    }
    for (; (size_t) (end - s) >= length; s++)
        if (*s == *needle && memcmp(s, needle, length) == 0)
            return s;
    return NULL;
}

const char *
wr_fn_char_skip(const char *s, const char *end, size_t chars)
{
    while (chars > 0 && end - s >= 16 &&
           _mm_movemask_epi8(_mm_loadu_si128((const __m128i *) s)) == 0) {
        size_t step = WR_MIN(chars, 16);
        s += step;
        chars -= step;
    }
    for (; chars > 0 && s < end; chars--)
        s = fn_char_next(s, end);
    return s;
}

uint32_t
wr_fn_char_decode(const char **at, const char *end)
{
    const unsigned char *s = (const unsigned char *) *at;
    uint32_t             n = fn_char_bytes(s[0]);
    if ((size_t) (end - *at) < n || n == 1) {
        *at += 1;
        return s[0];
    }
    uint32_t code = s[0] & (0xffu >> (n + 1));
    for (uint32_t i = 1; i < n; i++)
        code = code << 6 | (s[i] & 0x3f);
    *at += n;
    return code;
}

size_t
wr_fn_char_encode(uint32_t code, char *to)
{
    if (code < 0x80) {
        to[0] = (char) code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        to[i] = (char) (0x80 | (code & 0x3f));
    to[0] = (char) ((0xf00u >> n) | code);
    return n;
}

uint32_t
wr_fn_char_lower(uint32_t code)
{
    return (uint32_t) utf8proc_tolower((utf8proc_int32_t) code);
}

uint32_t
wr_fn_char_upper(uint32_t code)
{
    if (code == 0xdf) /* sharp s has no simple capital */
        return code;
    return (uint32_t) utf8proc_toupper((utf8proc_int32_t) code);
}

bool
wr_fn_char_is_alnum(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t) code);
    return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
           category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
           category == UTF8PROC_CATEGORY_MC;
}

/* Does any argument of the row lack a value? */
static bool
vector_row_null(wr_column *const *args, uint32_t arg_count, uint32_t row)
{
    for (uint32_t a = 0; a < arg_count; a++)
        if (wr_column_is_null(args[a], row))
            return true;
    return false;
}

weir_status
wr_fn_vector_open(wr_eval *eval, wr_type type, wr_column *const *args, uint32_t arg_count,
                  uint32_t physical, wr_rows rows, uint16_t *kept, wr_rows *live, wr_column **out)
{
    bool may_null = false;
    for (uint32_t a = 0; a < arg_count; a++)
        may_null |= wr_column_base(args[a])->valid != NULL;
    wr_column *made = wr_column_create(eval->budget, type, physical);
    if (made == NULL)
        return WEIR_MEMORY;
    /* Rows that nobody asked for hold zero (X1), so that views among them are never wild. */
    if (physical > 0)
        memset(made->data, 0, wr_column_width(made) * physical);
    *out = made;
    *live = rows;
    if (!may_null)
        return WEIR_OK;
    uint32_t count = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = fn_row(rows, i);
        if (!vector_row_null(args, arg_count, row)) {
            kept[count++] = (uint16_t) row;
            continue;
        }
        weir_status status = wr_column_set_null(made, row);
        if (status != WEIR_OK) {
            wr_column_release(made);
            return status;
        }
    }
    *live = (wr_rows){ kept, count };
    return WEIR_OK;
}
