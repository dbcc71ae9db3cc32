/* SPDX-License-Identifier: Apache-2.0 */
/* format/json_kernel_avx2.c -- the JSON kernel for AVX2, chosen at run time. */
#pragma GCC target("avx2,bmi,bmi2,lzcnt")

#include <immintrin.h>

#include <stdint.h>

enum { KERNEL_WIDTH = 32 };
#define KERNEL_NAME wr_json_kernel_avx2

/* Bytes at p that end or complicate a plain string: '"', '\', controls and non-ASCII. */
static inline uint32_t
kernel_special(const char *p)
{
    __m256i v = _mm256_loadu_si256((const __m256i *) p);
    __m256i hit = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
                                  _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\')));
    /* signed: below a blank are the controls and everything above 0x7f */
    hit = _mm256_or_si256(hit, _mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v));
    return (uint32_t) _mm256_movemask_epi8(hit);
}

#include "format/json_kernel_impl.h"
