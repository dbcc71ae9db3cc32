/* SPDX-License-Identifier: Apache-2.0 */
/* format/msgpack_kernel_avx2.c -- the MessagePack kernel for AVX2, chosen at run time. */
#pragma GCC target("avx2,bmi,bmi2,lzcnt")

#include <immintrin.h>

#include <stdint.h>

#define KERNEL_NAME wr_msgpack_kernel_avx2

/* Which of the 64 bytes at p are in 1 .. 127. */
static inline uint64_t
kernel_good(const char *p)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i a = _mm256_cmpgt_epi8(_mm256_loadu_si256((const __m256i *)p), zero);
    __m256i b = _mm256_cmpgt_epi8(_mm256_loadu_si256((const __m256i *)(p + 32)), zero);
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

/* Those at `from`, which are copied. */
static inline uint64_t
kernel_copy_64(char *to, const char *from)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i a = _mm256_loadu_si256((const __m256i *)from);
    __m256i b = _mm256_loadu_si256((const __m256i *)(from + 32));
    _mm256_storeu_si256((__m256i *)to, a);
    _mm256_storeu_si256((__m256i *)(to + 32), b);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(a, zero)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(b, zero)) << 32;
}

#include "format/msgpack_rows_impl.h"
