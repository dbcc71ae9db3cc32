/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/array.h -- PostgreSQL arrays in a wr_string.
 *
 * Form: u8 element type, u8 dimension count (0 = empty array), u16 0, u32 item count, then for each dimension
 * {u32 length, i32 lower bound}, then for each item u32 byte length (UINT32_MAX = NULL) and its
 * bytes: fixed types little-endian at their width, the string-like ones as their bytes, numeric as
 * a num.  Not aligned: read through the iterator.
 */
#pragma once

#include "data/value.h"

enum { WR_ARRAY_DIMS_MAX = 6, WR_ARRAY_ITEMS_MAX = 1 << 20 };

typedef struct wr_array_view {
    wr_type     element;
    uint32_t    dims, count;
    uint32_t    lengths[WR_ARRAY_DIMS_MAX];
    int32_t     lower[WR_ARRAY_DIMS_MAX];
    const char *items, *end; /* where the first item begins */
} wr_array_view;

void wr_array_open(const wr_string *array, wr_array_view *view);
/* Iterate: *at starts as view->items; false at the end.  The value borrows the array's bytes. */
bool wr_array_next(const wr_array_view *view, const char **at, wr_value *item);
/* A one-dimensional array of count items (0 gives the empty array). */
weir_status wr_array_make(wr_type element, const wr_value *items, uint32_t count, wr_arena *arena,
                          wr_string *out);
/* An array of any shape; items in row-major order. */
weir_status wr_array_make_dims(wr_type element, uint32_t dims, const uint32_t *lengths, const int32_t *lower,
                               const wr_value *items, wr_arena *arena, wr_string *out);
weir_status wr_array_parse(wr_type element, const char *s, size_t n, wr_arena *arena, wr_string *out,
                           weir_error *err); /* '{1,2,NULL}' */
void wr_array_print(const wr_string *array, wr_text *to);
int  wr_array_compare(const wr_string *a, const wr_string *b);
