/* SPDX-License-Identifier: Apache-2.0 */
/* format/json_rows_avx2.c -- rows as JSON with AVX2, chosen at run time (see json_rows_kernel_impl.h). */
#pragma GCC target("avx2,bmi,bmi2,lzcnt")

#include <immintrin.h>

#define ROWS_NAME wr_json_rows_avx2
typedef __m256i rows_vector;
enum { ROWS_WIDTH = 32 };
#define V(op)         _mm256_##op
#define V_LOAD(p)     _mm256_loadu_si256((const __m256i *)(p))
#define V_STORE(p, v) _mm256_storeu_si256((__m256i *)(p), (v))
#define V_OR          _mm256_or_si256
#define V_XOR         _mm256_xor_si256
#define V_ANDNOT      _mm256_andnot_si256
#define V_SIGNS(v)    _mm256_movemask_pd(_mm256_castsi256_pd(v))

#include "format/json_rows_kernel_impl.h"
