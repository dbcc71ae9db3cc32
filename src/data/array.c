/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/array.c -- arrays in a wr_string: building, iterating, comparing (form: array.h).
 *
 * Place       array_text.c reads and prints them.
 * State       none.
 * Invariants  A1  reading never passes the end of the bytes, whatever they are
 */
#include "data/array.h"

#include <string.h>

enum { HEADER_BYTES = 8, DIM_BYTES = 8 };
#define NULL_ITEM UINT32_MAX

static uint32_t
get_u32(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

static char *
put_u32(char *p, uint32_t n)
{
    memcpy(p, &n, sizeof n);
    return p + sizeof n;
}

void
wr_array_open(const wr_string *array, wr_array_view *view)
{
    const char *p = wr_string_data(array), *end = p + array->length;
    memset(view, 0, sizeof *view);
    view->element = WR_TYPE(WR_UNKNOWN);
    view->items = view->end = end;
    if (array->length < HEADER_BYTES) /* A1 */
        return;
    uint8_t element = (uint8_t)p[0], dims = (uint8_t)p[1];
    if (element >= WR_TYPE_COUNT || dims > WR_ARRAY_DIMS_MAX ||
        array->length < HEADER_BYTES + (size_t)dims * DIM_BYTES)
        return;
    view->element = WR_TYPE(element);
    view->dims = dims;
    view->count = get_u32(p + 4);
    p += HEADER_BYTES;
    for (uint32_t i = 0; i < dims; i++, p += DIM_BYTES) {
        view->lengths[i] = get_u32(p);
        view->lower[i] = (int32_t)get_u32(p + 4);
    }
    view->items = p;
}

/* The value of an item's bytes; false when they are too few. */
static bool
item_decode(wr_type type, const char *p, uint32_t length, wr_value *item)
{
    int16_t i2;
    int32_t i4;
    float f4;
    if (!wr_type_is_string(type) && length != wr_type_width(type))
        return false;
    switch ((wr_type_id)type.id) {
    case WR_BOOL: item->boolean = *p != 0; break;
    case WR_INT2:
        memcpy(&i2, p, 2);
        item->integer = i2;
        break;
    case WR_INT4:
    case WR_DATE:
        memcpy(&i4, p, 4);
        item->integer = i4;
        break;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: memcpy(&item->integer, p, 8); break;
    case WR_FLOAT4:
        memcpy(&f4, p, 4);
        item->real = (double)f4;
        break;
    case WR_FLOAT8: memcpy(&item->real, p, 8); break;
    case WR_INTERVAL: memcpy(&item->interval, p, sizeof item->interval); break;
    case WR_UUID: memcpy(&item->uuid, p, sizeof item->uuid); break;
    default: item->string = wr_string_make(p, length); break;
    }
    return true;
}

bool
wr_array_next(const wr_array_view *view, const char **at, wr_value *item)
{
    if (view->end - *at < 4) /* A1 */
        return false;
    uint32_t length = get_u32(*at);
    *at += 4;
    *item = wr_value_null(view->element);
    if (length == NULL_ITEM)
        return true;
    if ((size_t)(view->end - *at) < length || !item_decode(view->element, *at, length, item)) {
        *at = view->end;
        return false;
    }
    item->is_null = false;
    *at += length;
    return true;
}

/* ---- building ---- */

static uint32_t
item_bytes(const wr_value *item)
{
    if (item->is_null)
        return 0;
    return wr_type_is_string(item->type) ? item->string.length
                                         : (uint32_t)wr_type_width(item->type);
}

static char *
item_encode(const wr_value *item, char *p)
{
    int16_t i2;
    int32_t i4;
    float f4;
    if (item->is_null)
        return put_u32(p, NULL_ITEM);
    uint32_t length = item_bytes(item);
    const void *from = NULL;
    p = put_u32(p, length);
    switch ((wr_type_id)item->type.id) {
    case WR_BOOL: *p = item->boolean; return p + 1;
    case WR_INT2:
        i2 = (int16_t)item->integer;
        from = &i2;
        break;
    case WR_INT4:
    case WR_DATE:
        i4 = (int32_t)item->integer;
        from = &i4;
        break;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: from = &item->integer; break;
    case WR_FLOAT4:
        f4 = (float)item->real;
        from = &f4;
        break;
    case WR_FLOAT8: from = &item->real; break;
    case WR_INTERVAL: from = &item->interval; break;
    case WR_UUID: from = &item->uuid; break;
    default: from = wr_string_data(&item->string); break;
    }
    memcpy(p, from, length);
    return p + length;
}

weir_status
wr_array_make_dims(wr_type element, uint32_t dims, const uint32_t *lengths, const int32_t *lower,
                   const wr_value *items, wr_arena *arena, wr_string *out)
{
    uint64_t count = dims > 0;
    wr_assert(element.id != WR_ARRAY && element.id < WR_TYPE_COUNT);
    if (dims > WR_ARRAY_DIMS_MAX)
        return WEIR_ROW_INVALID_ARGUMENT;
    for (uint32_t i = 0; i < dims; i++)
        if ((count *= lengths[i]) > WR_ARRAY_ITEMS_MAX)
            return WEIR_ROW_TOO_LARGE;
    if (count == 0)
        dims = 0;
    uint64_t bytes = HEADER_BYTES + (uint64_t)dims * DIM_BYTES + count * 4;
    for (uint64_t i = 0; i < count; i++) {
        wr_assert(items[i].is_null || items[i].type.id == element.id);
        bytes += item_bytes(&items[i]);
    }
    if (bytes > WR_STRING_BYTES_MAX)
        return WEIR_ROW_TOO_LARGE;
    char *to = wr_arena_alloc(arena, bytes), *p = to;
    if (to == NULL)
        return WEIR_MEMORY;
    p[0] = (char)element.id;
    p[1] = (char)dims;
    p[2] = p[3] = 0;
    p = put_u32(p + 4, (uint32_t)count);
    for (uint32_t i = 0; i < dims; i++) {
        p = put_u32(p, lengths[i]);
        p = put_u32(p, (uint32_t)lower[i]);
    }
    for (uint64_t i = 0; i < count; i++)
        p = item_encode(&items[i], p);
    wr_assert((uint64_t)(p - to) == bytes);
    *out = wr_string_make(to, bytes);
    return WEIR_OK;
}

weir_status
wr_array_make(wr_type element, const wr_value *items, uint32_t count, wr_arena *arena,
              wr_string *out)
{
    int32_t one = 1;
    return wr_array_make_dims(element, 1, &count, &one, items, arena, out);
}

/* ---- order ---- */

static int
shapes_compare(const wr_array_view *a, const wr_array_view *b)
{
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    if (a->dims != b->dims)
        return a->dims < b->dims ? -1 : 1;
    for (uint32_t i = 0; i < a->dims; i++)
        if (a->lengths[i] != b->lengths[i])
            return a->lengths[i] < b->lengths[i] ? -1 : 1;
    for (uint32_t i = 0; i < a->dims; i++)
        if (a->lower[i] != b->lower[i])
            return a->lower[i] < b->lower[i] ? -1 : 1;
    return 0;
}

/* Item by item, NULL above everything and equal to itself; then the shape. */
int
wr_array_compare(const wr_string *a, const wr_string *b)
{
    wr_array_view x, y;
    wr_value p, q;
    wr_array_open(a, &x);
    wr_array_open(b, &y);
    const char *at_x = x.items, *at_y = y.items;
    if (!wr_type_same(x.element, y.element))
        return x.element.id < y.element.id ? -1 : 1;
    while (wr_array_next(&x, &at_x, &p) && wr_array_next(&y, &at_y, &q)) {
        int order =
            p.is_null || q.is_null ? (int)p.is_null - (int)q.is_null : wr_value_compare(&p, &q);
        if (order != 0)
            return order;
    }
    return shapes_compare(&x, &y);
}
