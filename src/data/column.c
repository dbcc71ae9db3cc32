/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/column.c -- the life of a column, its weight, boxed reading, and the check (see column.h).
 * Writing is column_write.c; making one column from another is column_make.c.
 */
#include "data/column.h"

#include "data/column_impl.h"

#include <string.h>

static wr_column *
column_create(wr_budget *budget, wr_type type, wr_layout layout, wr_decimal_form form, int scale,
              uint32_t capacity)
{
    wr_column *c = wr_calloc(budget, 1, sizeof *c);
    if (c == NULL)
        return NULL;
    atomic_init(&c->refs, 1);
    c->type = type;
    c->layout = (uint8_t) layout;
    c->form = (uint8_t) form;
    c->scale = (int16_t) scale;
    c->budget = budget;
    if (capacity > 0) {
        size_t width = layout == WR_DICTIONARY ? sizeof(uint16_t) : wr_column_width(c);
        c->data = wr_alloc(budget, width * capacity);
        if (c->data == NULL) {
            wr_free(c);
            return NULL;
        }
        c->capacity = capacity;
    }
    return c;
}

wr_column *
wr_column_create(wr_budget *budget, wr_type type, uint32_t capacity)
{
    return column_create(budget, type, WR_FLAT, WR_NUM, 0, capacity);
}

wr_column *
wr_column_create_decimal(wr_budget *budget, wr_type type, wr_decimal_form form, int scale,
                         uint32_t capacity)
{
    wr_assert(type.id == WR_NUMERIC && scale >= 0 && scale <= WR_NUMERIC_SCALE_MAX);
    return column_create(budget, type, WR_FLAT, form, form == WR_NUM ? 0 : scale, capacity);
}

wr_column *
wr_column_create_constant(wr_budget *budget, const wr_value *value)
{
    wr_decimal_form form = value->type.id == WR_NUMERIC ? WR_DEC64 : WR_NUM;
    wr_column      *c = column_create(budget, value->type, WR_FLAT, form, 0, 1);
    if (c == NULL)
        return NULL;
    if (wr_column_set_value(c, 0, value) != WEIR_OK) { /* row 0 chooses form and scale */
        wr_column_release(c);
        return NULL;
    }
    c->layout = WR_CONSTANT;
    return c;
}

wr_column *
wr_column_create_dictionary(wr_budget *budget, wr_column *dictionary, uint32_t capacity)
{
    wr_assert(dictionary->layout == WR_FLAT);
    wr_column *c = column_create(budget, dictionary->type, WR_DICTIONARY, dictionary->form,
                                 dictionary->scale, capacity);
    if (c != NULL)
        c->dictionary = wr_column_retain(dictionary);
    return c;
}

void
wr_column_release(wr_column *column)
{
    if (column == NULL)
        return;
    uint32_t was = atomic_fetch_sub_explicit(&column->refs, 1, memory_order_acq_rel);
    wr_assert(was > 0);
    if (was > 1)
        return;
    for (uint32_t i = 0; i < column->heap_count; i++)
        wr_buffer_release(column->heaps[i]);
    wr_column_release(column->dictionary);
    wr_free(column->heaps);
    wr_free(column->valid);
    wr_free(column->data);
    wr_free(column);
}

size_t
wr_column_width(const wr_column *column)
{
    if (column->type.id == WR_NUMERIC)
        return column->form == WR_DEC64 ? sizeof(int64_t) : 16;
    return wr_type_width(column->type);
}

size_t
wr_column_bytes(const wr_column *column)
{
    size_t width = column->layout == WR_DICTIONARY ? sizeof(uint16_t) : wr_column_width(column);
    size_t bytes = sizeof *column + width * column->capacity;
    if (column->valid != NULL)
        bytes += wr_bitmap_words(column->capacity) * sizeof(uint64_t);
    bytes += column->heap_capacity * sizeof column->heaps[0];
    for (uint32_t i = 0; i < column->heap_count; i++)
        bytes += sizeof(wr_buffer) + column->heaps[i]->capacity;
    if (column->dictionary != NULL)
        bytes += wr_column_bytes(column->dictionary);
    return bytes;
}

static weir_status
numeric_get(const wr_column *base, uint32_t i, wr_arena *arena, wr_string *out)
{
    switch ((wr_decimal_form) base->form) {
    case WR_DEC64:
        return wr_num_from_int128(((const int64_t *) base->data)[i], base->scale, arena, out);
    case WR_DEC128:
        return wr_num_from_int128(((const wr_int128 *) base->data)[i], base->scale, arena, out);
    case WR_NUM: break;
    }
    *out = ((const wr_string *) base->data)[i];
    return WEIR_OK;
}

weir_status
wr_column_get_value(const wr_column *column, uint32_t row, wr_arena *arena, wr_value *out)
{
    const wr_column *base = wr_column_base(column);
    uint32_t         i = wr_column_index(column, row);
    const void      *data = base->data;
    *out = wr_value_null(column->type);
    if (base->valid != NULL && !wr_bitmap_get(base->valid, i))
        return WEIR_OK;
    out->is_null = false;
    switch ((wr_type_id) column->type.id) {
    case WR_BOOL: out->boolean = ((const bool *) data)[i]; break;
    case WR_INT2: out->integer = ((const int16_t *) data)[i]; break;
    case WR_INT4:
    case WR_DATE: out->integer = ((const int32_t *) data)[i]; break;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: out->integer = ((const int64_t *) data)[i]; break;
    case WR_FLOAT4: out->real = (double) ((const float *) data)[i]; break;
    case WR_FLOAT8: out->real = ((const double *) data)[i]; break;
    case WR_INTERVAL: out->interval = ((const wr_interval *) data)[i]; break;
    case WR_UUID: out->uuid = ((const wr_uuid *) data)[i]; break;
    case WR_NUMERIC: return numeric_get(base, i, arena, &out->string);
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_JSON:
    case WR_JSONB:
    case WR_ARRAY: out->string = ((const wr_string *) data)[i]; break;
    case WR_TYPE_COUNT: wr_unreachable();
    }
    return WEIR_OK;
}

bool
wr_column_all_null(const wr_column *column, uint32_t rows)
{
    if (rows == 0)
        return true;
    if (column->valid == NULL)
        return false;
    for (uint32_t w = 0; w < rows / 64; w++)
        if (column->valid[w] != 0)
            return false;
    return rows % 64 == 0 || (column->valid[rows / 64] & ((1ull << (rows % 64)) - 1)) == 0;
}

static bool
heaps_hold_bytes(const wr_column *c, const wr_string *s)
{
    for (uint32_t i = 0; i < c->heap_count; i++) {
        const wr_buffer *b = c->heaps[i];
        if (s->pointer >= b->bytes && s->pointer + s->length <= b->bytes + b->capacity)
            return true;
    }
    return false;
}

void
wr_column_check(const wr_column *column, uint32_t rows)
{
    const wr_column *base = wr_column_base(column);
    wr_assert(atomic_load_explicit(&column->refs, memory_order_relaxed) > 0);
    wr_assert((column->layout == WR_DICTIONARY) == (column->dictionary != NULL));
    wr_assert(base->layout == (column->layout == WR_CONSTANT ? WR_CONSTANT : WR_FLAT));
    wr_assert(column->layout != WR_DICTIONARY || column->valid == NULL);
    wr_assert(column->layout != WR_CONSTANT || column->capacity >= 1);
    wr_assert(column->layout == WR_CONSTANT || column->capacity >= rows);
    wr_assert(column->type.id == WR_NUMERIC || column->form == 0);
    size_t width = wr_column_width(base);
    static const char zeros[16];
    for (uint32_t row = 0; row < rows; row++) {
        uint32_t    i = wr_column_index(column, row);
        const char *at = (const char *) base->data + i * width;
        wr_assert(i < base->capacity);
        if (wr_column_is_null(column, row)) {
            wr_assert(memcmp(at, zeros, width) == 0); /* C2 */
            continue;
        }
        if (!wr_column_holds_views(base))
            continue;
        const wr_string *s = &((const wr_string *) base->data)[i];
        if (s->length > WR_STRING_INLINE_MAX)
            wr_assert(heaps_hold_bytes(base, s)); /* C3 */
    }
}
