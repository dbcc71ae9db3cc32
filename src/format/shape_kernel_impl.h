/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/shape_kernel_impl.h -- what kernels of all formats do: compare literals, keep text.
 *
 * Every load is within WR_SHAPE_AHEAD bytes of where the kernel stands.  Compiled for the
 * instruction set of the file that includes it.
 */
#pragma once

#include "format/shape_impl.h"

#include <immintrin.h>

/* 0xff for the first n bytes, n in 0..16, at shape_mask + 16 - n. */
static const uint8_t shape_mask[32] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

/* The 32 bytes at p equal the literal's where mask says so. */
static inline bool
shape_equal(const char *p, const char *literal, uint32_t mask)
{
#ifdef __AVX2__
    __m256i same = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p),
                                     _mm256_loadu_si256((const __m256i *)literal));
    uint32_t equal = (uint32_t)_mm256_movemask_epi8(same);
#else
    __m128i a = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p),
                               _mm_loadu_si128((const __m128i *)literal));
    __m128i b = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(p + 16)),
                               _mm_loadu_si128((const __m128i *)(literal + 16)));
    uint32_t equal = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
#endif
    return (equal & mask) == mask;
}

/* The exact bytes before a step's value stand at p, of which AHEAD + literal_length are readable. */
static inline bool
shape_literal(const wr_shape *shape, const wr_shape_step *step, const char *p)
{
    const char *literal = shape->literals + step->literal;
    if (!shape_equal(p, literal, step->literal_mask))
        return false;
    return WR_LIKELY(step->literal_length <= 32) ||
           memcmp(p + 32, literal + 32, step->literal_length - 32u) == 0;
}

static inline void
shape_copy_64(char *to, const char *from)
{
#ifdef __AVX2__
    for (int i = 0; i < 64; i += 32)
        _mm256_storeu_si256((__m256i *)(to + i), _mm256_loadu_si256((const __m256i *)(from + i)));
#else
    for (int i = 0; i < 64; i += 16)
        _mm_storeu_si128((__m128i *)(to + i), _mm_loadu_si128((const __m128i *)(from + i)));
#endif
}

/* More than 64 bytes: by a call where they are many. */
static inline void
shape_copy(char *to, const char *from, size_t n)
{
    if (WR_UNLIKELY(n > 128)) {
        memcpy(to, from, n);
        return;
    }
    shape_copy_64(to, from);
    shape_copy_64(to + n - 64, from + n - 64);
}

/* n bytes, more than fit inline, into the column's heap: where they are, or NULL. */
static inline const char *
shape_keep(wr_shapes *s, wr_column *c, uint32_t field, const char *bytes, size_t n)
{
    wr_buffer *open = s->open_heaps[field];
    if (WR_UNLIKELY(open->capacity - open->length < n + 64))
        return wr_shapes_text_keep(s, c, field, bytes, n);
    char *to = open->bytes + open->length;
    open->length += n;
    if (WR_UNLIKELY(n > 64))
        shape_copy(to, bytes, n);
    else
        shape_copy_64(to, bytes); /* mostly that short, and no branch asks how short */
    return to;
}

/* n bytes of valid UTF-8 at p into row s->row; WR_SHAPE_AHEAD / 2 bytes from p are readable. */
static inline bool
shape_text(wr_shapes *s, wr_column *c, uint32_t field, const char *p, size_t n)
{
    wr_string *to = &((wr_string *)c->data)[s->row];
    if (n <= WR_STRING_INLINE_MAX) {
        __m128i v = _mm_loadu_si128((const __m128i *)p);
        v = _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(shape_mask + 16 - n)));
        v = _mm_or_si128(_mm_slli_si128(v, 4), _mm_cvtsi32_si128((int)n));
        _mm_storeu_si128((__m128i *)to, v);
    } else {
        const char *copy = shape_keep(s, c, field, p, n);
        if (copy == NULL)
            return false;
        to->length = (uint32_t)n;
        memcpy(to->prefix, p, sizeof to->prefix);
        to->pointer = copy;
    }
    wr_cell_mark(c, s->row);
    return true;
}

/* After the last value: the closing bytes, and NULL for the columns this shape has not.  `end - p`
 * is at least AHEAD + tail_length. */
static inline bool
shape_end(wr_shapes *s, const wr_shape *shape, const wr_cell *cells, wr_column *const *columns,
          wr_cell_scratch *scratch, const char *p)
{
    uint32_t n = shape->tail_length;
    const char *tail = shape->literals + shape->tail;
    if (!shape_equal(p, tail, n >= 32 ? UINT32_MAX : (1u << n) - 1) ||
        (WR_UNLIKELY(n > 32) && memcmp(p + 32, tail + 32, n - 32) != 0))
        return false;
    for (uint32_t i = 0; i < shape->missing_count; i++) {
        uint32_t field = shape->missing[i];
        if (wr_cell_put_null(&cells[field], columns[field], s->row, scratch) != WEIR_OK)
            return false;
    }
    return true;
}
