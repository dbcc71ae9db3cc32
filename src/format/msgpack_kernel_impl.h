/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack_kernel_impl.h -- a MessagePack record by one learned shape (see shape_impl.h).
 *
 * Included by msgpack_run_impl.h, which reads the plain ones of many in a row by a shorter way.
 *
 * What stands between two values is the same from record to record: the map's tag, the keys.  For
 * each value: compare those bytes, then read the value by its column's kind; whatever is not plain
 * (text beyond ASCII, NULL, other types) goes to the parser's own leaf.
 *
 * Invariants  S1, S2 of shape_impl.h
 *             K1  no record ends beyond shapes->stop: zeros of the padding may look like values
 */
#pragma once

#include "format/msgpack_impl.h"
#include "format/shape_kernel_impl.h"

static inline uint64_t
load_big_endian(const char *p)
{
    uint64_t x;
    memcpy(&x, p, 8);
    return __builtin_bswap64(x);
}

/* An integer of any width up to INT64_MAX: the byte after it, or NULL. */
static inline const char *
kernel_integer(const char *p, int64_t *v)
{
    uint8_t tag = (uint8_t)*p;
    if (tag < 0x80 || tag >= 0xe0) {
        *v = (int8_t)tag;
        return p + 1;
    }
    if (tag < 0xcc || tag > 0xd3)
        return NULL;
    unsigned bytes = 1u << (tag & 3), shift = 64 - 8 * bytes;
    uint64_t x = load_big_endian(p + 1);
    *v = tag >= 0xd0 ? (int64_t)x >> shift : (int64_t)(x >> shift);
    return tag == 0xcf && *v < 0 ? NULL : p + 1 + bytes;
}

/* The tag of a string: where its bytes begin and how many they are, or NULL. */
static inline const char *
kernel_string_tag(const char *p, size_t *n)
{
    uint8_t tag = (uint8_t)*p;
    if (tag >= 0xa0 && tag < 0xc0) {
        *n = tag & 31;
        return p + 1;
    }
    if (tag < 0xd9 || tag > 0xdb)
        return NULL;
    unsigned bytes = 1u << (tag - 0xd9);
    *n = load_big_endian(p + 1) >> (64 - 8 * bytes);
    return p + 1 + bytes;
}

/* n bytes at s, and 64 from s are readable: all of them in 1 .. 127. */
static inline bool
kernel_ascii(const char *s, size_t n)
{
    for (; WR_UNLIKELY(n > 64); s += 64, n -= 64)
        if (kernel_good(s) != UINT64_MAX)
            return false;
    return n == 0 || ~kernel_good(s) << (64 - n) == 0;
}

/* A plain string at p; *n its bytes.  NULL: it is none, or `end` is near. */
static inline const char *
kernel_plain(wr_shapes *s, const char *p, const char *end, size_t *n)
{
    const char *at = kernel_string_tag(p, n);
    if (at == NULL)
        return NULL;
    if (WR_UNLIKELY((size_t)(end - at) < *n + 64)) {
        s->near_end = true;
        return NULL;
    }
    return kernel_ascii(at, *n) ? at : NULL;
}

static inline const char *
kernel_number(msgpack_decoder *d, const wr_shape_step *step, const char *p)
{
    uint32_t row = d->shapes.row;
    wr_column *c = d->columns[step->field];
    int64_t v;
    const char *q = kernel_integer(p, &v);
    switch (step->kind) {
    case WR_CELL_INT4:
        if (q == NULL || v != (int32_t)v)
            return NULL;
        ((int32_t *)c->data)[row] = (int32_t)v;
        break;
    case WR_CELL_INT2:
        if (q == NULL || v != (int16_t)v)
            return NULL;
        ((int16_t *)c->data)[row] = (int16_t)v;
        break;
    case WR_CELL_BOOL:
        if (((uint8_t)*p | 1) != 0xc3)
            return NULL;
        ((bool *)c->data)[row] = (uint8_t)*p == 0xc3;
        q = p + 1;
        break;
    case WR_CELL_FLOAT8:
        if ((uint8_t)*p != 0xcb)
            return NULL;
        uint64_t bits = load_big_endian(p + 1);
        memcpy((double *)c->data + row, &bits, 8);
        q = p + 9;
        break;
    default: /* WR_CELL_NUMERIC */
        return q != NULL && wr_cell_store_decimal(&d->cells[step->field], c, row, v, 0) ? q : NULL;
    }
    wr_cell_mark(c, row);
    return q;
}

/* A timestamp extension of 4 or 8 bytes in a column that keeps microseconds: after it, or NULL. */
static inline const char *
kernel_extension(msgpack_decoder *d, const wr_shape_step *step, const char *p)
{
    uint8_t tag = (uint8_t)*p;
    if ((tag | 1) != 0xd7 || (uint8_t)p[1] != 0xff || d->cells[step->field].digits != 6)
        return NULL;
    uint64_t both = load_big_endian(p + 2);
    both >>= tag == 0xd6 ? 32 : 0;
    uint64_t ns = both >> 34, seconds = both & 0x3ffffffff;
    if (ns >= 1000000000)
        return NULL;
    wr_column *c = d->columns[step->field];
    ((wr_time *)c->data)[d->shapes.row] = (wr_time)(seconds * 1000000 + ns / 1000);
    wr_cell_mark(c, d->shapes.row);
    return p + 2 + (tag == 0xd6 ? 4 : 8);
}

/* A number in a time column, of the unit the format says. */
static inline const char *
kernel_epoch(msgpack_decoder *d, const wr_shape_step *step, const char *p)
{
    static const int64_t us[] = { 0, 1000000, 1000, 1, 0 }; /* by wr_time_unit */
    static const uint8_t digits[] = { 0, 0, 3, 6, 0 };      /* of a second that it may have */
    const wr_cell *cell = &d->cells[step->field];
    wr_column *c = d->columns[step->field];
    int64_t v;
    const char *q = kernel_integer(p, &v);
    /* below 2^48, so that only seconds can go beyond what a time can be */
    if (q == NULL || us[cell->unit] == 0 || v < 0 || v >> 48 != 0 || cell->digits < digits[cell->unit] ||
        (cell->unit == WR_UNIT_S && v >> 38 != 0))
        return NULL;
    ((wr_time *)c->data)[d->shapes.row] = v * us[cell->unit];
    wr_cell_mark(c, d->shapes.row);
    return q;
}

static inline const char *
kernel_value(msgpack_decoder *d, const wr_shape_step *step, const char *p, const char *end)
{
    wr_shapes *s = &d->shapes;
    wr_cell *cell = &d->cells[step->field];
    wr_column *c = d->columns[step->field];
    const char *q = NULL, *at;
    int64_t v;
    size_t n;
    switch (step->kind) {
    case WR_CELL_INT8: /* by itself: most numbers are */
        if ((q = kernel_integer(p, &v)) == NULL)
            break;
        ((int64_t *)c->data)[s->row] = v;
        wr_cell_mark(c, s->row);
        return q;
    case WR_CELL_BOOL:
    case WR_CELL_INT2:
    case WR_CELL_INT4:
    case WR_CELL_FLOAT8:
    case WR_CELL_NUMERIC: q = kernel_number(d, step, p); break;
    case WR_CELL_TEXT:
        at = kernel_plain(s, p, end, &n);
        if (at != NULL && n <= cell->characters_max && shape_text(s, c, step->field, at, n))
            return at + n;
        break;
    case WR_CELL_STAMP:
        if ((q = kernel_extension(d, step, p)) != NULL || (q = kernel_epoch(d, step, p)) != NULL)
            return q;
        at = kernel_plain(s, p, end, &n);
        if (at != NULL && wr_cell_read_stamp(cell, at, n, &((wr_time *)c->data)[s->row])) {
            wr_cell_mark(c, s->row);
            return at + n;
        }
        break;
    default: break;
    }
    if (q == NULL && !s->near_end)
        q = wr_msgpack_leaf(d, p, WR_MIN(end, s->stop), step->field, step->depth);
    return q;
}

/* A value that nobody wants. */
static inline const char *
kernel_skip(msgpack_decoder *d, const wr_shape_step *step, const char *p, const char *end)
{
    msgpack_token t;
    size_t n;
    const char *at = kernel_string_tag(p, &n);
    if (at != NULL && n < (size_t)(end - at))
        return at + n;
    end = WR_MIN(end, d->shapes.stop);
    if (p >= end || (at = wr_msgpack_token(d, p, end, &t)) == NULL)
        return NULL;
    return wr_msgpack_skip(d, at, end, &t, step->depth);
}

/* The record at p into row s->row: the byte after it, or NULL. */
static inline const char *
kernel_record(msgpack_decoder *d, const wr_shape *shape, const char *p, const char *end)
{
    wr_shapes *s = &d->shapes;
    const wr_shape_step *step = shape->steps, *last = step + shape->step_count;
    wr_msgpack_begin(d);
    for (; step < last; step++) {
        if (WR_UNLIKELY(end - p < WR_SHAPE_AHEAD + step->literal_length)) {
            s->near_end = true;
            return NULL;
        }
        if (!shape_literal(shape, step, p))
            return NULL;
        p += step->literal_length;
        p = step->kind == WR_CELL_SKIP ? kernel_skip(d, step, p, end)
                                       : kernel_value(d, step, p, end);
        if (WR_UNLIKELY(p == NULL))
            return NULL;
    }
    if (end - p < WR_SHAPE_AHEAD + (ptrdiff_t)shape->tail_length) {
        s->near_end = true;
        return NULL;
    }
    if (WR_UNLIKELY(d->bad_code != WEIR_OK || d->bad_text[0] != '\0') ||
        !shape_end(s, shape, d->cells, d->columns, &d->scratch, p))
        return NULL;
    p += shape->tail_length;
    return p <= s->stop ? p : NULL; /* K1 */
}
