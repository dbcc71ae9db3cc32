/* SPDX-License-Identifier: Apache-2.0 */
/* format/csv_index_sse.c -- the structure of CSV by 16 bytes: any x86-64-v2. */
#include <emmintrin.h>

#include <stdint.h>

#define INDEX_NAME wr_csv_index_sse

typedef struct index_marks {
    __m128i delimiter, escape;
} index_marks;

typedef struct index_block {
    uint64_t delimiters, newlines, escapes, returns, odd;
} index_block;

static inline index_marks
index_marks_make(char delimiter, char escape)
{
    return (index_marks) { _mm_set1_epi8(delimiter), _mm_set1_epi8(escape) };
}

static inline index_block
index_block_read(const char *p, const index_marks *marks)
{
    index_block b = { 0 };
    for (int i = 0; i < 4; i++) {
        __m128i v = _mm_loadu_si128((const __m128i *) (p + i * 16));
#define INDEX_BITS(hit) ((uint64_t) (uint32_t) _mm_movemask_epi8(hit) << (i * 16))
        b.delimiters |= INDEX_BITS(_mm_cmpeq_epi8(v, marks->delimiter));
        b.newlines |= INDEX_BITS(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));
        b.escapes |= INDEX_BITS(_mm_cmpeq_epi8(v, marks->escape));
        b.returns |= INDEX_BITS(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
        b.odd |= INDEX_BITS(_mm_cmplt_epi8(v, _mm_set1_epi8(1)));
#undef INDEX_BITS
    }
    return b;
}

#include "format/csv_index_impl.h"
