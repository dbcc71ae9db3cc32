/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_rows_kernel_impl.h -- a block of rows as JSON: the encoder's inner loop.
 *
 * Included by json_rows_sse.c and json_rows_avx2.c, which define ROWS_NAME, the vector type and its operations, so that one
 * text is compiled for two instruction sets.
 *
 * Column by column: the digits of integers and times side by side in vectors, each value into its slot; then row by row:
 * slots are copied 32 bytes at a time, strings with a look at what must be escaped.  What is odd (NULL in a
 * slot, a number of more than eight digits, another minute than the last, an escape) goes ways of its own.
 *
 * Cost        some 400 instructions for a bid of 229 bytes.
 */
#pragma once

#include "format/json_encode_impl.h"

#include <string.h>

/* --- columns into slots --- */

/* The eight digits of each v < 10^8, a byte each, the first one lowest (as wr_print_digits makes them). */
static inline rows_vector
digits_make(rows_vector v)
{
    rows_vector high = V(srli_epi64)(V(mul_epu32)(v, V(set1_epi64x)(3518437209)), 45);
    rows_vector low = V(sub_epi64)(v, V(mul_epu32)(high, V(set1_epi64x)(10000)));
    rows_vector halves = V_OR(high, V(slli_epi64)(low, 32));
    rows_vector hundreds = V(srli_epi16)(V(mulhi_epu16)(halves, V(set1_epi16)(5243)), 3);
    low = V(sub_epi16)(halves, V(mullo_epi16)(hundreds, V(set1_epi16)(100)));
    rows_vector pairs = V_OR(hundreds, V(slli_epi32)(low, 16));
    rows_vector tens = V(srli_epi16)(V(mullo_epi16)(pairs, V(set1_epi16)(103)), 10);
    low = V(sub_epi16)(pairs, V(mullo_epi16)(tens, V(set1_epi16)(10)));
    return V_OR(tens, V(slli_epi16)(low, 8));
}

/* The digits of v that count, as text, and how many they are behind `before` bytes. */
static inline void
integers_print(rows_vector v, uint64_t before, uint64_t *ascii, uint64_t *lengths)
{
    const rows_vector zeros = V(set1_epi64x)((long long)WR_PRINT_ZEROS);
    rows_vector digits = digits_make(v);
#ifdef __AVX2__
    rows_vector some = V_OR(digits, V(set1_epi64x)(1ll << 56)); /* 0 has one digit */
    rows_vector below = _mm256_andnot_si256(some, _mm256_add_epi64(some, _mm256_set1_epi64x(-1)));
    below = _mm256_and_si256(_mm256_cmpeq_epi8(below, _mm256_set1_epi8(-1)), _mm256_set1_epi8(8));
    rows_vector bits = _mm256_sad_epu8(below, _mm256_setzero_si256()); /* 8 for each leading zero */
    V_STORE(ascii, _mm256_srlv_epi64(V_OR(digits, zeros), bits));
    V_STORE(lengths, _mm256_sub_epi64(_mm256_set1_epi64x((long long)before + 8),
                                      _mm256_srli_epi64(bits, 3)));
#else
    uint64_t plain[ROWS_WIDTH / 8];
    V_STORE(plain, digits);
    V_STORE(ascii, V_OR(digits, zeros));
    for (int i = 0; i < ROWS_WIDTH / 8; i++) {
        unsigned bits = (unsigned)__builtin_ctzll(plain[i] | 1ull << 56) & ~7u;
        ascii[i] >>= bits;
        lengths[i] = before + 8 - bits / 8;
    }
#endif
}

/* The values of the block's rows into v, less `origin`; 0 for those that are not in 0 .. limit - 1, and which those are. */
#define VALUES_TAKE(NAME, TYPE)                                                                    \
    static inline uint32_t NAME(const json_encoder *e, const json_column *c, uint64_t origin,      \
                                uint64_t limit, uint64_t *v)                                       \
    {                                                                                              \
        const TYPE *data = c->data;                                                                \
        uint32_t odd = 0;                                                                          \
        for (uint32_t r = 0; r < e->row_count; r++) {                                              \
            uint32_t i = c->index[r];                                                              \
            uint64_t x = UINT64_MAX;                                                               \
            if (WR_LIKELY(i != JSON_NULL))                                                         \
                x = (uint64_t)(int64_t)data[i] - origin;                                           \
            bool out = x >= limit;                                                                 \
            odd |= (uint32_t)out << r;                                                             \
            v[r] = out ? 0 : x;                                                                    \
        }                                                                                          \
        return odd;                                                                                \
    }
VALUES_TAKE(shorts_take, int16_t)
VALUES_TAKE(ints_take, int32_t)
VALUES_TAKE(some_longs_take, int64_t)

/* The same for a column whose rows lie side by side. */
static inline uint32_t
longs_take(const json_encoder *e, const json_column *c, uint64_t origin, uint64_t limit,
           uint64_t *v)
{
    if (c->index != e->rows || !e->dense || e->row_count < JSON_BLOCK_ROWS)
        return some_longs_take(e, c, origin, limit, v);
    const uint64_t *data = (const uint64_t *)c->data + e->rows[0];
    const rows_vector flip = V(set1_epi64x)(INT64_MIN); /* a signed comparison as an unsigned one */
    const rows_vector most = V(set1_epi64x)((long long)((limit - 1) ^ (1ull << 63)));
    const rows_vector less = V(set1_epi64x)((long long)origin);
    uint32_t odd = 0;
    for (uint32_t r = 0; r < JSON_BLOCK_ROWS; r += ROWS_WIDTH / 8) {
        rows_vector x = V(sub_epi64)(V_LOAD(data + r), less);
        rows_vector out = V(cmpgt_epi64)(V_XOR(x, flip), most);
        V_STORE(v + r, V_ANDNOT(out, x));
        odd |= (uint32_t)V_SIGNS(out) << r;
    }
    return odd;
}

/* What is left for the long way; the longest slot there is. */
static inline uint32_t
odd_fill(json_encoder *e, json_column *c, uint32_t odd, uint32_t longest)
{
    for (; WR_UNLIKELY(odd != 0); odd &= odd - 1) {
        uint32_t r = (uint32_t)__builtin_ctz(odd);
        wr_json_slot_fill(e, c, r);
        longest = WR_MAX(longest, (uint32_t)c->lengths[r]);
    }
    return longest;
}

static inline uint32_t
integers_fill(json_encoder *e, json_column *c)
{
    enum { LIMIT = 100000000 };
    uint64_t v[JSON_BLOCK_ROWS + 4], ascii[JSON_BLOCK_ROWS];
    uint32_t count = e->row_count, odd;
    memset(v + count, 0, 4 * sizeof *v); /* the rest of a vector */
    switch ((json_value_kind)c->kind) {
    case JSON_VALUE_INT2: odd = shorts_take(e, c, 0, LIMIT, v); break;
    case JSON_VALUE_INT4: odd = ints_take(e, c, 0, LIMIT, v); break;
    default: odd = longs_take(e, c, 0, LIMIT, v); break;
    }
    for (uint32_t r = 0; r < count; r += ROWS_WIDTH / 8)
        integers_print(V_LOAD(v + r), c->before_length, ascii + r, c->lengths + r);
    char *to = c->slots + c->before_length;
    for (uint32_t r = 0; r < count; r++, to += c->slot_bytes)
        memcpy(to, &ascii[r], 8);
    return odd_fill(e, c, odd, c->before_length + 8);
}

static inline uint32_t
stamps_fill(json_encoder *e, json_column *c)
{
    uint64_t us[JSON_BLOCK_ROWS + 4], digits[JSON_BLOCK_ROWS];
    char begin[18]; /* the quote, the minute */
    bool zoned = c->kind == JSON_VALUE_STAMPTZ;
    uint32_t odd = UINT32_MAX >> (32 - e->row_count), length = zoned ? 2 : 1;
    memset(us, 0, e->day.minute_known ? 0 : sizeof us);
    memset(us + e->row_count, 0, 4 * sizeof *us);
    wr_json_slot_fill(e, c, 0); /* its minute is that of most */
    if (e->day.minute_known)
        odd = longs_take(e, c, (uint64_t)e->day.minute, 60000000, us);
    for (uint32_t r = 0; r < e->row_count; r += ROWS_WIDTH / 8)
        V_STORE(digits + r, digits_make(V_LOAD(us + r))); /* two of seconds, six of the fraction */
    begin[0] = '"';
    memcpy(begin + 1, e->day.minute_text, 17);
    begin[11] = 'T';
    uint16_t tail = zoned ? (uint16_t)('"' << 8 | 'Z') : '"';
    char *to = c->slots + c->before_length - 1;
    for (uint32_t r = 0; r < e->row_count; r++, to += c->slot_bytes) {
        uint64_t ascii = digits[r] | WR_PRINT_ZEROS;
        uint64_t seconds = (ascii & 0xffff) | (uint64_t)'.' << 16 | ascii >> 16 << 24;
        unsigned zeros = (unsigned)__builtin_clzll(digits[r] | 1) >> 3; /* it ends with */
        unsigned n = 18 + (digits[r] >> 16 != 0 ? 9 - zeros : 2);
        memcpy(to, begin, sizeof begin);
        memcpy(to + 18, &seconds, 8);
        to[26] = (char)(ascii >> 56);
        memcpy(to + n, &tail, 2);
        c->lengths[r] = c->before_length - 1 + n + length;
    }
    return odd_fill(e, c, odd, c->before_length + 29);
}

/* --- strings --- */

/* Zero where one of the 16 bytes must be escaped: '"', '\\', controls. */
static inline __m128i
escapes_mark(__m128i v)
{
    const __m128i *of = (const __m128i *)wr_json_escapes;
    __m128i least = _mm_min_epu8(_mm_xor_si128(v, of[0]), _mm_xor_si128(v, of[2]));
    return _mm_min_epu8(least, _mm_subs_epu8(v, of[4]));
}

static inline bool
marks_none(__m128i marks)
{
    return _mm_movemask_epi8(_mm_cmpeq_epi8(marks, _mm_setzero_si128())) == 0;
}

/* The bytes of an inline view, 12 at most; false when any of them must be escaped. */
static inline bool
short_copy(char *to, const wr_string *s)
{
    __m128i v = _mm_srli_si128(_mm_loadu_si128((const __m128i *)s), 4);
    __m128i marks = _mm_cmpeq_epi8(escapes_mark(v), _mm_setzero_si128());
    unsigned mask = (unsigned)_mm_movemask_epi8(marks);
    _mm_storeu_si128((__m128i *)to, v);
    return (mask & ((1u << s->length) - 1)) == 0;
}

#ifdef __AVX2__
static inline __m256i
escapes_mark_wide(__m256i v)
{
    const __m256i *of = (const __m256i *)wr_json_escapes;
    __m256i least = _mm256_min_epu8(_mm256_xor_si256(v, of[0]), _mm256_xor_si256(v, of[1]));
    return _mm256_min_epu8(least, _mm256_subs_epu8(v, of[2]));
}

/* The first 32 bytes and the last, and those in between. */
static inline bool
wide_copy(char *to, const char *s, size_t n)
{
    __m256i a = _mm256_loadu_si256((const __m256i *)s);
    __m256i b = _mm256_loadu_si256((const __m256i *)(s + n - 32));
    _mm256_storeu_si256((__m256i *)to, a);
    _mm256_storeu_si256((__m256i *)(to + n - 32), b);
    a = _mm256_min_epu8(escapes_mark_wide(a), escapes_mark_wide(b));
    for (size_t i = 32; WR_UNLIKELY(i + 32 < n); i += 32) {
        b = _mm256_loadu_si256((const __m256i *)(s + i));
        _mm256_storeu_si256((__m256i *)(to + i), b);
        a = _mm256_min_epu8(a, escapes_mark_wide(b));
    }
    return _mm256_movemask_epi8(_mm256_cmpeq_epi8(a, _mm256_setzero_si256())) == 0;
}
#endif

/* Copy n bytes, more than 12 of them; false when any of them must be escaped. */
static inline bool
long_copy(char *to, const char *s, size_t n)
{
    __m128i a, b;
#ifdef __AVX2__
    if (n >= 32)
        return wide_copy(to, s, n);
#endif
    if (n < 16) {
        a = _mm_loadl_epi64((const __m128i *)s);
        b = _mm_loadl_epi64((const __m128i *)(s + n - 8));
        _mm_storel_epi64((__m128i *)to, a);
        _mm_storel_epi64((__m128i *)(to + n - 8), b);
        return marks_none(escapes_mark(_mm_unpacklo_epi64(a, b)));
    }
    a = _mm_loadu_si128((const __m128i *)s);
    b = _mm_loadu_si128((const __m128i *)(s + n - 16));
    _mm_storeu_si128((__m128i *)to, a);
    _mm_storeu_si128((__m128i *)(to + n - 16), b);
    a = _mm_min_epu8(escapes_mark(a), escapes_mark(b));
    for (size_t i = 16; i + 16 < n; i += 16) {
        b = _mm_loadu_si128((const __m128i *)(s + i));
        _mm_storeu_si128((__m128i *)(to + i), b);
        a = _mm_min_epu8(a, escapes_mark(b));
    }
    return marks_none(a);
}

/* --- rows --- */

static inline void
block_copy(char *to, const char *from)
{
    _Static_assert(JSON_COPIED % ROWS_WIDTH == 0, "whole vectors");
    for (int i = 0; i < JSON_COPIED; i += ROWS_WIDTH)
        V_STORE(to + i, V_LOAD(from + i));
}

/* Fill the column's slots, if it has some. */
static inline void
column_fill(json_encoder *e, json_column *c)
{
    uint32_t longest = 0;
    if (c->way >= JSON_WAY_TEXT)
        return;
    if (c->kind >= JSON_VALUE_INT2 && c->kind <= JSON_VALUE_INT8)
        longest = integers_fill(e, c);
    else if (c->kind == JSON_VALUE_STAMP || c->kind == JSON_VALUE_STAMPTZ)
        longest = stamps_fill(e, c);
    else
        longest = odd_fill(e, c, UINT32_MAX >> (32 - e->row_count), 0);
    c->way = longest <= JSON_COPIED       ? JSON_WAY_SLOT
             : longest <= 2 * JSON_COPIED ? JSON_WAY_SLOT2
                                          : JSON_WAY_SLOTS;
}

/* The text of row r and what stands before it, at `at`: the byte after it; NULL: it must be escaped, or finds no room before
 * `end`. */
static inline char *
text_put(const json_column *c, uint32_t r, char *at, const char *end)
{
    uint32_t i = c->index[r];
    block_copy(at, c->before);
    if (WR_UNLIKELY(c->before_length > JSON_COPIED))
        memcpy(at + JSON_COPIED, c->before + JSON_COPIED, c->before_length - JSON_COPIED);
    at += c->before_length;
    if (WR_UNLIKELY(i == JSON_NULL)) {
        memcpy(at - 1, "null", 4); /* over the quote */
        return at + 3;
    }
    const wr_string *s = (const wr_string *)c->data + i;
    size_t n = s->length;
    if (WR_UNLIKELY((ptrdiff_t)n > end - at))
        return NULL;
    bool plain = n <= WR_STRING_INLINE_MAX ? short_copy(at, s) : long_copy(at, s->pointer, n);
    at[n] = '"';
    return WR_LIKELY(plain) ? at + n + 1 : NULL;
}

/* The value of row r, and what stands before it, at `at`: the byte after it; NULL: by wr_json_value_put. */
static inline char *
value_put(const json_column *c, uint32_t r, char *at, const char *end)
{
    if (c->way == JSON_WAY_TEXT)
        return text_put(c, r, at, end);
    uint64_t n = c->lengths[r];
    if (WR_UNLIKELY(n == 0))
        return NULL;
    const char *slot = c->slots + (size_t)r * c->slot_bytes;
    block_copy(at, slot);
    if (c->way != JSON_WAY_SLOT)
        block_copy(at + JSON_COPIED, slot + JSON_COPIED);
    if (WR_UNLIKELY(c->way == JSON_WAY_SLOTS))
        memcpy(at, slot, n);
    return at + n;
}

weir_status
ROWS_NAME(json_encoder *e, wr_put *put)
{
    json_column *last = e->columns + e->column_count;
    for (json_column *c = e->columns; c < last; c++)
        column_fill(e, c);
    e->block_room = e->row_count * e->row_room;
    if (!wr_put_room(put, e->block_room))
        return WEIR_MEMORY;
    char *at = put->at;
    const char *end = put->end - e->block_room; /* of texts: J3 */
    for (uint32_t r = 0; r < e->row_count; r++) {
        memcpy(at, e->head[e->plus[r]], sizeof e->head[0]);
        at += e->head_length;
        for (const json_column *c = e->columns; c < last; c++) {
            char *after = value_put(c, r, at, end);
            if (WR_UNLIKELY(after == NULL)) {
                put->at = at;
                WR_TRY(wr_json_value_put(e, put, c, r));
                after = put->at;
                end = put->end - e->block_room;
            }
            at = after;
        }
        memcpy(at, e->tail, sizeof e->tail);
        at += e->tail_length;
        e->ends[r] = (uint32_t)(at - put->text->data);
    }
    put->at = at;
    return WEIR_OK;
}
