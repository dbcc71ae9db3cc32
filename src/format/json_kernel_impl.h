/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_kernel_impl.h -- the inner loop of JSON decoding: records by one learned shape.
 *
 * Included by json_kernel_sse.c and json_kernel_avx2.c, which define KERNEL_NAME, the vector type
 * KERNEL_VECTOR and its few operations, so that one text is compiled for two instruction sets.
 *
 * For each value: compare the exact bytes before it (one or two vector loads), then read it by its
 * column's kind.  Whatever is not plain (escapes, exponents, rounding, another type) goes to the
 * parser's own leaf; whatever does not fit ends the run, and the parser reads that record anew.
 * Loads stay below `end`: each step makes sure of WR_SHAPE_AHEAD bytes first, else sets near_end.
 *
 * Cost        bound by the chain load - compare - count - advance of each value, so what does not
 *             lie on it (copies, conversion) is nearly free; 7 values in 222 bytes take about
 *             60 ns.
 */
#pragma once

#include "format/json_impl.h"
#include "format/shape_kernel_impl.h"

/* Shift right-aligned: pshufb control at kernel_shift + n moves n leading bytes to the end. */
static const int8_t kernel_shift[32] = {
    -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
};

/* Leading digits at p (16 bytes are readable) and their value; 16 means "perhaps more". */
static inline unsigned
kernel_digits(const char *p, uint64_t *value)
{
    const __m128i ten = _mm_set1_epi8(9);
    __m128i       v = _mm_sub_epi8(_mm_loadu_si128((const __m128i *) p), _mm_set1_epi8('0'));
    unsigned      digit = (unsigned) _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_min_epu8(v, ten), v));
    unsigned      n = (unsigned) __builtin_ctz(~digit);
    v = _mm_shuffle_epi8(v, _mm_loadu_si128((const __m128i *) (kernel_shift + n)));
    v = _mm_maddubs_epi16(v, _mm_set1_epi16(1 << 8 | 10));
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 100));
    v = _mm_packs_epi32(v, v);
    v = _mm_madd_epi16(v, _mm_set1_epi32(1 << 16 | 10000));
    uint64_t halves = (uint64_t) _mm_cvtsi128_si64(v);
    *value = (halves & 0xffffffff) * 100000000 + (halves >> 32);
    return n;
}

/* [-]digits, without leading zeros, at most 18; WR_SHAPE_AHEAD bytes are readable. */
static inline const char *
kernel_integer(const char *p, int64_t *out)
{
    uint64_t v;
    bool     negative = *p == '-';
    p += negative;
    unsigned n = kernel_digits(p, &v);
    if (WR_UNLIKELY(n - 1 > 15 || (*p == '0' && n > 1)))
        return NULL;
    if (n == 16) /* microseconds since 1970 are that long */
        for (unsigned d; n < 19 && (d = (unsigned char) p[n] - (unsigned) '0') <= 9; n++)
            v = v * 10 + d;
    if (WR_UNLIKELY(n == 19))
        return NULL;
    *out = negative ? -(int64_t) v : (int64_t) v;
    return p + n;
}

/* [-]digits[.digits], at most 18 digits together; WR_SHAPE_AHEAD bytes are readable. */
static inline const char *
kernel_decimal(const char *p, int64_t *out, unsigned *scale, bool *negative)
{
    uint64_t v, f;
    *negative = *p == '-';
    p += *negative;
    unsigned n = kernel_digits(p, &v);
    if (n - 1 > 14 || (*p == '0' && n > 1))
        return NULL;
    p += n;
    *scale = 0;
    if (*p == '.') {
        static const uint64_t power10[] = { 1,      10,      100,      1000,      10000,
                                            100000, 1000000, 10000000, 100000000, 1000000000 };
        unsigned m = kernel_digits(++p, &f);
        if (m - 1 > 8 || n + m > 18)
            return NULL;
        v = v * power10[m] + f;
        *scale = m;
        p += m;
    }
    if (*p == 'e' || *p == 'E')
        return NULL;
    *out = (int64_t) v;
    return p;
}

/* The plain string that begins after the quote before p: its closing quote, or NULL when it has
 * escapes, control or non-ASCII characters (*near when the end came too close to tell). */
static inline const char *
kernel_plain(const char *p, const char *end, bool *near)
{
    for (;; p += KERNEL_WIDTH) {
        if (WR_UNLIKELY(end - p < KERNEL_WIDTH + 16)) {
            *near = true;
            return NULL;
        }
        uint32_t mask = kernel_special(p);
        if (mask != 0) {
            p += __builtin_ctz(mask);
            return *p == '"' ? p : NULL;
        }
    }
}

/* A string value at p (its quote), by what it holds: after it, or NULL. */
static inline const char *
kernel_quoted(json_decoder *d, wr_cell *cell, wr_column *c, const char *p, const char *end,
              uint32_t field, unsigned depth)
{
    bool     near = false;
    uint32_t same = cell->stamp_bytes; /* timestamps are mostly of one length: do not look for it */
    if (cell->kind == WR_CELL_STAMP && same > 0 && p[same + 1] == '"' &&
        wr_cell_read_stamp(cell, p + 1, same, &((wr_time *) c->data)[d->shapes.row])) {
        wr_cell_mark(c, d->shapes.row);
        return p + same + 2;
    }
    const char *q = kernel_plain(p + 1, end, &near);
    if (WR_UNLIKELY(near)) {
        d->shapes.near_end = true;
        return NULL;
    }
    if (WR_UNLIKELY(q == NULL))
        return wr_json_leaf_read(d, p, end, (int32_t) field, depth);
    size_t n = (size_t) (q - p - 1);
    if (cell->kind == WR_CELL_TEXT && n <= cell->characters_max)
        return shape_text(&d->shapes, c, field, p + 1, n) ? q + 1 : NULL;
    if (cell->kind == WR_CELL_STAMP) {
        if (!wr_cell_read_stamp(cell, p + 1, n, &((wr_time *) c->data)[d->shapes.row]))
            return wr_json_leaf_read(d, p, end, (int32_t) field, depth);
        wr_cell_mark(c, d->shapes.row);
        cell->stamp_bytes = (uint32_t) n;
        return q + 1;
    }
    return wr_json_leaf_read(d, p, end, (int32_t) field, depth);
}

/* A value that is a number more often than not: after it, NULL: let the leaf try. */
static inline const char *
kernel_number(json_decoder *d, wr_cell *cell, wr_column *c, const char *p)
{
    int64_t     v;
    unsigned    scale;
    bool        negative, quoted = *p == '"';
    uint32_t    row = d->shapes.row;
    const char *q;
    switch (cell->kind) {
    case WR_CELL_INT8:
        if ((q = kernel_integer(p + quoted, &v)) == NULL)
            return NULL;
        ((int64_t *) c->data)[row] = v;
        break;
    case WR_CELL_INT4:
        if ((q = kernel_integer(p + quoted, &v)) == NULL || v != (int32_t) v)
            return NULL;
        ((int32_t *) c->data)[row] = (int32_t) v;
        break;
    case WR_CELL_INT2:
        if ((q = kernel_integer(p + quoted, &v)) == NULL || v != (int16_t) v)
            return NULL;
        ((int16_t *) c->data)[row] = (int16_t) v;
        break;
    case WR_CELL_FLOAT8: {
        static const double power10[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9 };
        q = kernel_decimal(p + quoted, &v, &scale, &negative);
        if (q == NULL || v > 1ll << 53)
            return NULL;
        double x = (double) v / power10[scale]; /* both exact: rounded once (Clinger 1990) */
        ((double *) c->data)[row] = negative ? -x : x;
        break;
    }
    default: /* WR_CELL_NUMERIC */
        q = kernel_decimal(p + quoted, &v, &scale, &negative);
        if (q == NULL || !wr_cell_store_decimal(cell, c, row, negative ? -v : v, (int) scale))
            return NULL;
        break;
    }
    if ((*q | 0x20) == 'e' || *q == '.')
        return NULL;
    if (quoted && *q++ != '"')
        return NULL;
    wr_cell_mark(c, row);
    return q;
}

/* A number in a time column: an epoch.  NULL: let the leaf tell. */
static inline const char *
kernel_epoch(json_decoder *d, wr_cell *cell, wr_column *c, const char *p)
{
    static const int64_t us[] = { 0, 1000000, 1000, 1, 0 };  /* by wr_time_unit */
    static const uint8_t digits[] = { 0, 0, 3, 6, 0 };       /* of a second that it may have */
    int64_t              v;
    const char          *q = kernel_integer(p, &v);
    /* below 2^53 ms, or 2^38 s: no time is out of range */
    if (q == NULL || us[cell->unit] == 0 || v < 0 || v >> (cell->unit == WR_UNIT_S ? 38 : 53) != 0 ||
        cell->digits < digits[cell->unit] || *q == '.' || (*q | 0x20) == 'e')
        return NULL;
    ((wr_time *) c->data)[d->shapes.row] = v * us[cell->unit];
    wr_cell_mark(c, d->shapes.row);
    return q;
}

static inline const char *
kernel_skip(json_decoder *d, const char *p, const char *end, unsigned depth)
{
    bool     near = false;
    uint64_t v;
    if (*p == '"') {
        const char *q = kernel_plain(p + 1, end, &near);
        if (q != NULL)
            return q + 1;
        d->shapes.near_end |= near;
        return near ? NULL : wr_json_value_skip(d, p, end, depth);
    }
    unsigned n = kernel_digits(p, &v);
    if (n - 1 < 15 && (*p != '0' || n == 1) && p[n] != '.' && (p[n] | 0x20) != 'e')
        return p + n;
    return wr_json_value_skip(d, p, end, depth);
}

/* The value at p by its step: the byte after it, or NULL. */
static inline const char *
kernel_value(json_decoder *d, const wr_shape_step *step, const char *p, const char *end)
{
    wr_cell    *cell = &d->cells[step->field];
    wr_column  *c = d->columns[step->field];
    const char *q = NULL;
    uint64_t    v;
    switch (step->kind) {
    case WR_CELL_INT8: {
        unsigned n = kernel_digits(p, &v);
        if (WR_LIKELY(n - 1 < 15 && (*p != '0' || n == 1) && p[n] != '.' &&
                      (p[n] | 0x20) != 'e')) {
            ((int64_t *) c->data)[d->shapes.row] = (int64_t) v;
            wr_cell_mark(c, d->shapes.row);
            return p + n;
        }
    } /* fall through */
    case WR_CELL_INT2:
    case WR_CELL_INT4:
    case WR_CELL_FLOAT8:
    case WR_CELL_NUMERIC: q = kernel_number(d, cell, c, p); break;
    case WR_CELL_TEXT:
        if (*p == '"')
            q = kernel_quoted(d, cell, c, p, end, step->field, step->depth);
        break;
    case WR_CELL_STAMP:
        q = *p == '"' ? kernel_quoted(d, cell, c, p, end, step->field, step->depth)
                      : kernel_epoch(d, cell, c, p);
        break;
    default: break;
    }
    if (q == NULL && !d->shapes.near_end)
        q = wr_json_leaf_read(d, p, end, step->field, step->depth);
    return q;
}

/* The record at p into row d->shapes.row: the byte after it, or NULL. */
static inline const char *
kernel_record(json_decoder *d, const wr_shape *shape, const char *p, const char *end)
{
    const wr_shape_step *step = shape->steps, *last = step + shape->step_count;
    for (; step < last; step++) {
        if (WR_UNLIKELY(end - p < WR_SHAPE_AHEAD + step->literal_length)) {
            d->shapes.near_end = true;
            return NULL;
        }
        if (!shape_literal(shape, step, p))
            return NULL;
        p += step->literal_length;
        p = step->kind == WR_CELL_SKIP ? kernel_skip(d, p, end, step->depth) : kernel_value(d, step, p, end);
        if (WR_UNLIKELY(p == NULL))
            return NULL;
    }
    if (end - p < WR_SHAPE_AHEAD + (ptrdiff_t) shape->tail_length) {
        d->shapes.near_end = true;
        return NULL;
    }
    if (WR_UNLIKELY(d->bad_code != WEIR_OK) ||
        !shape_end(&d->shapes, shape, d->cells, d->columns, &d->scratch, p))
        return NULL;
    return p + shape->tail_length;
}

static inline void
kernel_begin(json_decoder *d)
{
    d->bad_code = WEIR_OK;
    d->fault = JSON_FINE;
    if (WR_UNLIKELY(d->scratch.arena.bytes > 0))
        wr_arena_reset(&d->scratch.arena);
}

const char *
KERNEL_NAME(void *decoder, const wr_shape *shape, const char *p, const char *end)
{
    json_decoder *d = decoder;
    wr_shapes    *s = &d->shapes;
    kernel_begin(d);
    const char *q = kernel_record(d, shape, p, end);
    if (q == NULL)
        return NULL;
    /* WR_SHAPE_AHEAD bytes follow: the run goes on over records a newline apart */
    while (q[0] == '\n' && q[1] == '{' && s->row + 1 < s->row_end &&
           (size_t) (q - p) <= d->record_bytes_max) {
        kernel_begin(d);
        s->row++;
        const char *next = kernel_record(d, shape, q + 1, end);
        if (next == NULL || (size_t) (next - q - 1) > d->record_bytes_max) {
            s->row--;
            s->near_end = false;
            break;
        }
        p = q + 1;
        q = next;
    }
    s->last_bytes = (size_t) (q - p);
    return q;
}
