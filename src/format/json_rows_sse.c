/* SPDX-License-Identifier: Apache-2.0 */
/* format/json_rows_sse.c -- rows as JSON for x86-64-v2 (see json_rows_kernel_impl.h). */
#include <nmmintrin.h>

#define ROWS_NAME wr_json_rows_sse
typedef __m128i rows_vector;
enum { ROWS_WIDTH = 16 };
#define V(op)         _mm_##op
#define V_LOAD(p)     _mm_loadu_si128((const __m128i *)(p))
#define V_STORE(p, v) _mm_storeu_si128((__m128i *)(p), (v))
#define V_OR          _mm_or_si128
#define V_XOR         _mm_xor_si128
#define V_ANDNOT      _mm_andnot_si128
#define V_SIGNS(v)    _mm_movemask_pd(_mm_castsi128_pd(v))

#include "format/json_rows_kernel_impl.h"
