/* SPDX-License-Identifier: Apache-2.0 */
/* format/msgpack_kernel_sse.c -- the MessagePack kernel for x86-64-v2 (see msgpack_rows_impl.h). */
#include <emmintrin.h>

#include <stdint.h>
#include <string.h>

#define KERNEL_NAME wr_msgpack_kernel_sse

/* Which of the 64 bytes at p are in 1 .. 127. */
static inline uint64_t
kernel_good(const char *p)
{
    uint64_t good = 0;
    for (int i = 0; i < 64; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(p + i));
        v = _mm_cmpgt_epi8(v, _mm_setzero_si128());
        good |= (uint64_t)(uint32_t)_mm_movemask_epi8(v) << i;
    }
    return good;
}

/* Those at `from`, which are copied. */
static inline uint64_t
kernel_copy_64(char *to, const char *from)
{
    uint64_t good = kernel_good(from);
    memcpy(to, from, 64);
    return good;
}

#include "format/msgpack_rows_impl.h"
