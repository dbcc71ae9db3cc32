/* SPDX-License-Identifier: Apache-2.0 */
/* format/json_kernel_sse.c -- the JSON kernel for x86-64-v2 (see json_kernel_impl.h). */
#include <tmmintrin.h>

#include <stdint.h>

enum { KERNEL_WIDTH = 16 };
#define KERNEL_NAME wr_json_kernel_sse

/* Bytes at p that end or complicate a plain string: '"', '\', controls and non-ASCII. */
static inline uint32_t
kernel_special(const char *p)
{
    __m128i v = _mm_loadu_si128((const __m128i *) p);
    __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')),
                               _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    /* signed: below a blank are the controls and everything above 0x7f */
    hit = _mm_or_si128(hit, _mm_cmplt_epi8(v, _mm_set1_epi8(0x20)));
    return (uint32_t) _mm_movemask_epi8(hit);
}

#include "format/json_kernel_impl.h"
