/* SPDX-License-Identifier: Apache-2.0 */
/* format/csv_index_avx2.c -- the structure of CSV by 32 bytes, chosen at run time. */
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt")

#include <immintrin.h>

#include <stdint.h>

#define INDEX_NAME wr_csv_index_avx2

typedef struct index_marks {
    __m256i delimiter, escape;
} index_marks;

typedef struct index_block {
    uint64_t delimiters, newlines, escapes, returns, odd;
} index_block;

static inline index_marks
index_marks_make(char delimiter, char escape)
{
    return (index_marks) { _mm256_set1_epi8(delimiter), _mm256_set1_epi8(escape) };
}

static inline uint64_t
index_bits(__m256i low, __m256i high)
{
    return (uint32_t) _mm256_movemask_epi8(low) | (uint64_t) (uint32_t) _mm256_movemask_epi8(high) << 32;
}

static inline index_block
index_block_read(const char *p, const index_marks *marks)
{
    const __m256i newline = _mm256_set1_epi8('\n'), cr = _mm256_set1_epi8('\r'), one = _mm256_set1_epi8(1);
    __m256i       a = _mm256_loadu_si256((const __m256i *) p);
    __m256i       b = _mm256_loadu_si256((const __m256i *) (p + 32));
    return (index_block) {
        .delimiters = index_bits(_mm256_cmpeq_epi8(a, marks->delimiter), _mm256_cmpeq_epi8(b, marks->delimiter)),
        .newlines = index_bits(_mm256_cmpeq_epi8(a, newline), _mm256_cmpeq_epi8(b, newline)),
        .escapes = index_bits(_mm256_cmpeq_epi8(a, marks->escape), _mm256_cmpeq_epi8(b, marks->escape)),
        .returns = index_bits(_mm256_cmpeq_epi8(a, cr), _mm256_cmpeq_epi8(b, cr)),
        .odd = index_bits(_mm256_cmpgt_epi8(one, a), _mm256_cmpgt_epi8(one, b)),
    };
}

#include "format/csv_index_impl.h"
