/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/number_kernel_impl.h -- digits to numbers, sixteen at a time: what the kernels of text formats share.
 *
 * Each load takes 16 bytes from where a number begins; the caller has them.
 */
#pragma once

#include "base/memory.h"

#include <immintrin.h>
#include <stdint.h>

/* Shift right-aligned: pshufb control at number_shift + n moves n leading bytes to the end. */
static const int8_t number_shift[32] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
};

/* Sixteen digits (0 to 9 each), the first bytes n of them: the rest do not count. */
static inline uint64_t
number_combine(__m128i v, unsigned n)
{
    v = _mm_shuffle_epi8(v, _mm_loadu_si128((const __m128i *) (number_shift + n)));
    v = _mm_maddubs_epi16(v, _mm_set1_epi16(1 << 8 | 10));
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 100));
    v = _mm_packs_epi32(v, v);
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 10000));
    uint64_t halves = (uint64_t) _mm_cvtsi128_si64(v);
    return (halves & 0xffffffff) * 100000000 + (halves >> 32);
}

/* Which of the 16 bytes at p are digits; *v: their values. */
static inline unsigned
number_mask(const char *p, __m128i *v)
{
    *v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *) p), _mm_set1_epi8('0'));
    return (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(*v, _mm_set1_epi8(9)), *v));
}

/* Leading digits at p and their value; 16 means "perhaps more". */
static inline unsigned
number_digits(const char *p, uint64_t *value)
{
    __m128i  v;
    unsigned n = (unsigned) __builtin_ctz(~number_mask(p, &v));
    *value = number_combine(v, n);
    return n;
}

/* The n bytes at p, 1 to 16, are digits: their value; false: they are not. */
static inline bool
number_exact(const char *p, unsigned n, uint64_t *value)
{
    __m128i  v;
    unsigned all = (1u << n) - 1;
    if ((number_mask(p, &v) & all) != all)
        return false;
    *value = number_combine(v, n);
    return true;
}

static const uint64_t number_power10[16] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
};

/* [-]digits[.digits] of exactly n bytes, 15 digits at most: *value / 10^*scale; false: something else. */
static inline bool
number_decimal(const char *p, uint32_t n, int64_t *value, unsigned *scale)
{
    uint64_t whole = 0, part = 0;
    bool     negative = n > 0 && *p == '-';
    p += negative;
    n -= negative;
    if (n - 1 > 15) /* 1 to 16 */
        return false;
    __m128i  v = _mm_loadu_si128((const __m128i *) p);
    unsigned point = (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('.'))) & ((1u << n) - 1);
    if (point == 0) {
        if (n > 15 || !number_exact(p, n, &whole))
            return false;
        *scale = 0;
    } else {
        unsigned k = (unsigned) __builtin_ctz(point), f = n - k - 1;
        if (k == 0 || f == 0 || !number_exact(p, k, &whole) || !number_exact(p + k + 1, f, &part))
            return false;
        whole = whole * number_power10[f] + part;
        *scale = f;
    }
    *value = negative ? -(int64_t) whole : (int64_t) whole;
    return true;
}
