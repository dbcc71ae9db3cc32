/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack_run_impl.h -- MessagePack records in a row, by one learned shape: those that are plain throughout.
 *
 * Where a value ends tells where the next begins: a chain of "tag, length, next tag" through all records, which waits for
 * memory (the nearest cache at best) once a value.  Most columns have values of one width for long: an integer's tag, a
 * text's length are those of the record before.  So a step keeps the head that its last value had, and where that stands
 * there again, goes on by a length it knows: the comparison is a branch, which the processor guesses, and waits for nothing.
 * A column whose heads vary is read by its tag (run_step.steady); now and then it is tried again.
 *
 * Invariants  S1, S2 of shape_impl.h
 *             R1  a record that is not plain throughout can be read by kernel_record, as if it had not been tried
 *             R2  whenever anything else writes to a column, its open heap is as long as what was written (run_heap_close)
 * Cost        7 values in 138 bytes about 23 ns, 3 integers about 10 ns, in the cache.
 */
#pragma once

#include "format/msgpack_kernel_impl.h"

enum {
    RUN_VALUE_MAX = 10,   /* bytes of one that is no text */
    /* A head varies that misses so often, and once in so many rows beside; after so many rows it is tried again. */
    RUN_MISSES_MAX = 64,
    RUN_MISSES_EVERY = 16,
    RUN_VARIED_ROWS = 1 << 16,
    RUN_NEAR = 2048,
    RUN_HEAD_NONE = 0xffff, /* behind a mask of one byte: none */
};

static inline uint16_t
run_head(const char *p)
{
    uint16_t head;
    memcpy(&head, p, 2);
    return head;
}

/*
 * Before a record at p: bring near what lies RUN_NEAR ahead, as much as the last record was long.  The processor brings near
 * what is read in order, too, but stops at each page of 4 KB and is late for what is read this fast.
 */
static inline void
run_near(const char *p, size_t bytes)
{
    uintptr_t at = (uintptr_t)p + RUN_NEAR;
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)(at + i));
}

/* --- open heaps --- */

static inline void
run_heap_open(const wr_shapes *s, run_step *k)
{
    if (k->way != RUN_TEXT)
        return;
    k->heap = s->open_heaps[k->step->field];
    k->to = k->heap->bytes + k->heap->length;
    k->to_end = k->heap->bytes + k->heap->capacity;
}

static inline void
run_heap_close(run_step *k)
{
    if (k->way == RUN_TEXT && k->heap->capacity > 0)
        k->heap->length = (size_t)(k->to - k->heap->bytes);
}

static inline void
run_heaps_close(run_step *k, const run_step *last)
{
    for (; k < last; k++)
        run_heap_close(k);
}

/* After others have written to the step's column. */
static inline void
run_step_again(const wr_shapes *s, run_step *k)
{
    run_heap_open(s, k);
    k->valid = k->column != NULL ? k->column->valid : NULL;
}

/* --- steps --- */

static inline run_way
run_way_of(const wr_shape_step *step)
{
    switch (step->kind) {
    case WR_CELL_INT8: return RUN_INT8;
    case WR_CELL_TEXT: return RUN_TEXT;
    case WR_CELL_STAMP: return RUN_STAMP;
    case WR_CELL_INT4: return RUN_INT4;
    case WR_CELL_FLOAT8: return RUN_FLOAT8;
    case WR_CELL_BOOL: return RUN_BOOL;
    case WR_CELL_SKIP: return RUN_SKIP;
    default: return RUN_OTHER;
    }
}

/* What a step needs of its shape. */
static inline void
run_prepare(msgpack_decoder *d, const wr_shape *shape)
{
    uint32_t rest = WR_SHAPE_AHEAD;
    d->run_serial = shape->serial;
    d->run_room = 0;
    if (shape->step_count > RUN_STEPS_MAX || shape->tail_length > 0)
        return;
    for (uint32_t i = shape->step_count; i-- > 0;) {
        const wr_shape_step *step = &shape->steps[i];
        const wr_cell *cell = &d->cells[step->field];
        d->run_steps[i] = (run_step){ .literal = shape->literals + step->literal,
                                      .mask = step->literal_mask,
                                      .length = step->literal_length,
                                      .rest = rest,
                                      .way = (uint8_t)run_way_of(step),
                                      .steady = true,
                                      .head = RUN_HEAD_NONE,
                                      .head_mask = UINT8_MAX,
                                      .bytes_max = cell->characters_max,
                                      .step = step };
        if (step->kind == WR_CELL_STAMP && cell->digits != 6)
            d->run_steps[i].way = RUN_OTHER;
        rest += step->literal_length + RUN_VALUE_MAX;
    }
    d->run_room = rest;
}

/* Bytes that must be readable where a record begins; 0: the shape is not for the short way. */
static inline uint32_t
run_bind(msgpack_decoder *d, const wr_shape *shape, uint32_t row)
{
    if (WR_UNLIKELY(d->run_serial != shape->serial))
        run_prepare(d, shape);
    for (run_step *k = d->run_steps; d->run_room > 0 && k < d->run_steps + shape->step_count; k++) {
        k->first_row = row;
        k->column = NULL;
        if (k->step->kind != WR_CELL_SKIP) {
            k->column = d->columns[k->step->field];
            k->data = k->column->data;
        }
        run_step_again(&d->shapes, k);
    }
    return d->run_room;
}

/* After a run of rows. */
static inline void
run_unbind(run_step *k, const run_step *last, uint32_t rows)
{
    for (; k < last; k++) {
        run_heap_close(k);
        k->misses -= WR_MIN(k->misses, rows / RUN_MISSES_EVERY);
        if (k->steady)
            continue;
        k->varied_rows -= WR_MIN(k->varied_rows, rows);
        k->steady = k->varied_rows == 0;
    }
}

/* The step's value had another head than the last: this one. */
static inline void
run_missed(run_step *k, uint32_t row, uint16_t head, uint16_t mask, uint8_t lead, uint32_t bytes)
{
    k->head = head & mask;
    k->head_mask = mask;
    k->lead = lead;
    k->bytes = bytes;
    if (++k->misses < RUN_MISSES_MAX + (row - k->first_row) / RUN_MISSES_EVERY)
        return;
    k->steady = false;
    k->misses = 0;
    k->varied_rows = RUN_VARIED_ROWS;
    k->head = RUN_HEAD_NONE;
    k->head_mask = UINT8_MAX;
}

static inline void
run_mark(const run_step *k, uint32_t row)
{
    if (WR_UNLIKELY(k->valid != NULL))
        wr_bitmap_set(k->valid, row);
}

/* --- values: after it, or NULL --- */

/* The value of a step by the longer way. */
static __attribute__((noinline, cold)) const char *
run_other(msgpack_decoder *d, run_step *k, const char *p, const char *end, bool *used)
{
    if (!*used)
        wr_msgpack_begin(d);
    *used = true;
    run_heap_close(k); /* R2 */
    const char *q = k->way == RUN_SKIP ? kernel_skip(d, k->step, p, end)
                                       : kernel_value(d, k->step, p, end);
    run_step_again(&d->shapes, k);
    return q != NULL && end - q >= (ptrdiff_t)k->rest ? q : NULL;
}

static inline __attribute__((always_inline)) const char *
run_integer(run_step *k, const char *p, uint32_t row, int64_t *v)
{
    uint8_t tag = (uint8_t)*p;
    uint64_t x = load_big_endian(p + 1);
    if (tag == k->head) {
        *v = (int64_t)(x >> k->shift);
        return p + 1 + k->bytes;
    }
    if (WR_UNLIKELY((uint8_t)(tag - 0xcc) > 2))
        return kernel_integer(p, v);
    uint32_t bytes = 1u << (tag & 3);
    uint8_t shift = (uint8_t)(64 - 8 * bytes);
    *v = (int64_t)(x >> shift);
    if (k->steady) {
        k->shift = shift;
        run_missed(k, row, tag, UINT8_MAX, 1, bytes);
    }
    return p + 1 + bytes;
}

/* More bytes than the open heap has room for. */
static __attribute__((noinline)) bool
run_text_far(wr_shapes *s, run_step *k, const char *at, size_t n, wr_string *to)
{
    run_heap_close(k);
    to->pointer = wr_shapes_text_keep(s, k->column, k->step->field, at, n);
    run_heap_open(s, k);
    return to->pointer != NULL;
}

/* n bytes at `at` into row `row`; false: they are not all of ASCII, or there is no memory. */
static inline __attribute__((always_inline)) bool
run_text_put(wr_shapes *s, run_step *k, const char *at, size_t n, uint32_t row)
{
    wr_string *to = (wr_string *)k->data + row;
    if (n <= WR_STRING_INLINE_MAX) {
        __m128i v = _mm_loadu_si128((const __m128i *)at);
        unsigned good = (unsigned)_mm_movemask_epi8(_mm_cmpgt_epi8(v, _mm_setzero_si128()));
        v = _mm_and_si128(v, _mm_loadu_si128((const __m128i *)(shape_mask + 16 - n)));
        _mm_storeu_si128((__m128i *)to, _mm_or_si128(_mm_slli_si128(v, 4), _mm_cvtsi32_si128((int)n)));
        return (~good & ((1u << n) - 1)) == 0;
    }
    to->length = (uint32_t)n;
    memcpy(to->prefix, at, sizeof to->prefix);
    if (WR_UNLIKELY((size_t)(k->to_end - k->to) < n + 64))
        return kernel_ascii(at, n) && run_text_far(s, k, at, n, to);
    to->pointer = k->to;
    bool plain;
    if (WR_LIKELY(n <= 64)) {
        uint64_t good = kernel_copy_64(k->to, at);
        plain = ~good << (64 - n) == 0;
    } else {
        plain = kernel_ascii(at, n);
        shape_copy(k->to, at, n);
    }
    k->to += n;
    return plain;
}

/* A text of ASCII, of which as many bytes as the step's rest follow. */
static inline __attribute__((always_inline)) const char *
run_text(wr_shapes *s, run_step *k, const char *p, const char *end, uint32_t row)
{
    uint16_t head = run_head(p);
    size_t n;
    const char *at;
    if ((head & k->head_mask) == k->head) {
        at = p + k->lead;
        n = k->bytes;
    } else {
        uint8_t tag = (uint8_t)head;
        if (tag >= 0xa0 && tag < 0xc0) {
            n = tag & 31;
            at = p + 1;
        } else if (tag == 0xd9) {
            n = head >> 8;
            at = p + 2;
        } else {
            return NULL;
        }
        if (WR_UNLIKELY(n > k->bytes_max))
            return NULL;
        if (k->steady)
            run_missed(k, row, head, tag == 0xd9 ? UINT16_MAX : UINT8_MAX, tag == 0xd9 ? 2 : 1, (uint32_t)n);
    }
    if (WR_UNLIKELY((size_t)(end - at) < n + k->rest) || !run_text_put(s, k, at, n, row))
        return NULL;
    run_mark(k, row);
    return at + n;
}

/* A timestamp extension of 4 or 8 bytes.  By a branch: how long it is can be guessed. */
static inline __attribute__((always_inline)) const char *
run_stamp(const run_step *k, const char *p, uint32_t row)
{
    uint64_t both = load_big_endian(p + 2), ns, seconds;
    uint16_t head = run_head(p);
    if (WR_LIKELY(head == 0xffd7)) {
        ns = both >> 34;
        seconds = both & 0x3ffffffff;
        p += 10;
    } else if (head == 0xffd6) {
        ns = 0;
        seconds = both >> 32;
        p += 6;
    } else {
        return NULL;
    }
    if (WR_UNLIKELY(ns >= 1000000000))
        return NULL;
    ((wr_time *)k->data)[row] = (wr_time)(seconds * 1000000 + ns / 1000);
    run_mark(k, row);
    return p;
}

/* One that nobody wants: a string, a number, a boolean, nil, a timestamp. */
static inline __attribute__((always_inline)) const char *
run_skip(const run_step *k, const char *p, const char *end)
{
    uint8_t tag = (uint8_t)*p;
    if (tag < 0x80 || tag >= 0xe0)
        return p + 1;
    if (tag < 0xa0)
        return NULL;
    if (tag < 0xc0 || tag == 0xd9) {
        const char *at = p + 1 + (tag == 0xd9);
        size_t n = tag == 0xd9 ? (uint8_t)p[1] : tag & 31;
        return (size_t)(end - at) < n + k->rest ? NULL : at + n;
    }
    switch (tag) {
    case 0xc0:
    case 0xc2:
    case 0xc3: return p + 1;
    case 0xca: return p + 5;
    case 0xcb: return p + 9;
    case 0xd6: return p + 6;
    case 0xd7: return p + 10;
    default: return tag >= 0xcc && tag <= 0xd3 ? p + 1 + (1u << (tag & 3)) : NULL;
    }
}

static inline __attribute__((always_inline)) const char *
run_float(const run_step *k, const char *p, uint32_t row)
{
    if ((uint8_t)*p != 0xcb)
        return NULL;
    uint64_t bits = load_big_endian(p + 1);
    memcpy((double *)k->data + row, &bits, 8);
    run_mark(k, row);
    return p + 9;
}

static inline __attribute__((always_inline)) const char *
run_bool(const run_step *k, const char *p, uint32_t row)
{
    if (((uint8_t)*p | 1) != 0xc3)
        return NULL;
    ((bool *)k->data)[row] = (uint8_t)*p == 0xc3;
    run_mark(k, row);
    return p + 1;
}

/* The rarer kinds, out of the way of the others. */
static __attribute__((noinline)) const char *
run_rare(run_step *k, const char *p, uint32_t row)
{
    const char *q;
    int64_t v;
    switch ((run_way)k->way) {
    case RUN_INT4:
        if ((q = run_integer(k, p, row, &v)) == NULL || v != (int32_t)v)
            return NULL;
        ((int32_t *)k->data)[row] = (int32_t)v;
        run_mark(k, row);
        return q;
    case RUN_FLOAT8: return run_float(k, p, row);
    case RUN_BOOL: return run_bool(k, p, row);
    default: return NULL;
    }
}

/* Of a step that is none of text: a number, a time, a boolean.  mark: the column may have NULLs. */
static inline __attribute__((always_inline)) const char *
run_number(run_step *k, const char *p, uint32_t row, bool mark)
{
    const char *q;
    int64_t v;
    if (k->way != RUN_INT8)
        return k->way == RUN_STAMP ? run_stamp(k, p, row) : run_rare(k, p, row);
    if ((q = run_integer(k, p, row, &v)) != NULL) {
        ((int64_t *)k->data)[row] = v;
        if (mark)
            run_mark(k, row);
    }
    return q;
}

static inline __attribute__((always_inline)) const char *
run_value(wr_shapes *s, run_step *k, const char *p, const char *end, uint32_t row)
{
    if (k->way == RUN_TEXT)
        return run_text(s, k, p, end, row);
    return k->way == RUN_SKIP ? run_skip(k, p, end) : run_number(k, p, row, true);
}

/* --- records --- */

static inline __attribute__((always_inline)) bool
run_literal(const run_step *k, const char *p)
{
    return k->length == 0 ||
           (shape_equal(p, k->literal, k->mask) &&
           (WR_LIKELY(k->length <= 32) || memcmp(p + 32, k->literal + 32, k->length - 32) == 0));
}

/* NULL for the columns this shape has not. */
static inline bool
run_missing(msgpack_decoder *d, const wr_shape *shape, uint32_t row)
{
    for (uint32_t i = 0; i < shape->missing_count; i++) {
        uint32_t field = shape->missing[i];
        if (wr_cell_put_null(&d->cells[field], d->columns[field], row, &d->scratch) != WEIR_OK)
            return false;
    }
    return true;
}

/* A record into row `row`; NULL: let kernel_record tell.  From p on, as many bytes as run_bind said are readable. */
static inline const char *
run_record(msgpack_decoder *d, run_step *k, const run_step *last, const char *p, const char *end, uint32_t row)
{
    bool used = false;
    for (; k < last; k++) {
        if (!run_literal(k, p))
            return NULL;
        p += k->length;
        const char *q = run_value(&d->shapes, k, p, end, row);
        if (WR_UNLIKELY(q == NULL) && (q = run_other(d, k, p, end, &used)) == NULL)
            return NULL;
        p = q;
    }
    if (WR_UNLIKELY(used) && (d->bad_code != WEIR_OK || d->bad_text[0] != '\0'))
        return NULL;
    return p;
}
