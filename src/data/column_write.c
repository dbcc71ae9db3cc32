/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/column_write.c -- what a column's maker does to it: room, NULLs, strings, numeric forms.
 *
 * Heaps       strings longer than 12 bytes are bumped into the last heap, when this column made it
 *             and holds the only reference; else a new heap is opened, 4 KB doubling to 256 KB.  A
 *             heap that is adopted or made for one large string goes before the open one.
 * Invariants  W1  after a failure the first rows still read as they did
 */
#include "data/column.h"

#include "data/column_impl.h"

#include <string.h>

enum { HEAP_BLOCK_MIN = 4096, HEAP_BLOCK_MAX = 256 * 1024 };
/* What the allocator adds to a heap's bytes: blocks are powers of two all together. */
enum { HEAP_OVERHEAD = sizeof(wr_buffer) + 16 };

weir_status
wr_column_reserve(wr_column *column, uint32_t rows, uint32_t capacity)
{
    wr_assert(column->layout == WR_FLAT && rows <= column->capacity);
    if (capacity <= column->capacity)
        return WEIR_OK;
    void *data = wr_realloc(column->budget, column->data, wr_column_width(column) * capacity);
    if (data == NULL)
        return WEIR_MEMORY;
    column->data = data;
    if (column->valid != NULL) {
        size_t    was = wr_bitmap_words(column->capacity), words = wr_bitmap_words(capacity);
        uint64_t *valid = wr_realloc(column->budget, column->valid, words * sizeof *valid);
        if (valid == NULL)
            return WEIR_MEMORY; /* capacity stays: the larger data block does no harm */
        memset(valid + was, 0xff, (words - was) * sizeof *valid);
        column->valid = valid;
    }
    column->capacity = capacity;
    return WEIR_OK;
}

weir_status
wr_column_need_valid(wr_column *column)
{
    wr_assert(column->layout != WR_DICTIONARY);
    if (column->valid != NULL)
        return WEIR_OK;
    size_t bytes = wr_bitmap_words(column->capacity) * sizeof(uint64_t);
    column->valid = wr_alloc(column->budget, bytes);
    if (column->valid == NULL)
        return WEIR_MEMORY;
    memset(column->valid, 0xff, bytes);
    return WEIR_OK;
}

weir_status
wr_column_set_null(wr_column *column, uint32_t row)
{
    wr_assert(row < column->capacity);
    WR_TRY(wr_column_need_valid(column));
    wr_bitmap_clear(column->valid, row);
    size_t width = wr_column_width(column);
    memset((char *) column->data + row * width, 0, width); /* C2 */
    return WEIR_OK;
}

/* --- heaps --- */

static weir_status
heaps_reserve(wr_column *c, uint32_t more)
{
    uint32_t need = c->heap_count + more;
    if (need <= c->heap_capacity)
        return WEIR_OK;
    if (need > UINT16_MAX)
        return WEIR_MEMORY;
    uint32_t    capacity = WR_MIN(WR_MAX(need, c->heap_capacity * 2u), (uint32_t) UINT16_MAX);
    wr_buffer **heaps = wr_realloc(c->budget, c->heaps, capacity * sizeof *heaps);
    if (heaps == NULL)
        return WEIR_MEMORY;
    c->heaps = heaps;
    c->heap_capacity = (uint16_t) capacity;
    return WEIR_OK;
}

/* The heap that may be written on, or NULL. */
static inline wr_buffer *
heaps_open_one(const wr_column *c)
{
    if (c->heap_count == 0)
        return NULL;
    wr_buffer *last = c->heaps[c->heap_count - 1];
    bool       sole = atomic_load_explicit(&last->refs, memory_order_acquire) == 1;
    return last->kind == WR_BUFFER_HEAP && sole ? last : NULL;
}

/* Takes heap, for which there is room.  It goes last, or before the open one. */
static void
heaps_put(wr_column *c, wr_buffer *heap, bool before_open)
{
    if (before_open && heaps_open_one(c) != NULL) {
        c->heaps[c->heap_count] = c->heaps[c->heap_count - 1];
        c->heaps[c->heap_count - 1] = heap;
    } else {
        c->heaps[c->heap_count] = heap;
    }
    c->heap_count++;
}

static char *
heap_grow(wr_column *c, size_t bytes)
{
    if (heaps_reserve(c, 1) != WEIR_OK || bytes > SIZE_MAX / 4)
        return NULL;
    wr_buffer *open = heaps_open_one(c);
    size_t     block = HEAP_BLOCK_MIN;
    bool       large = bytes > HEAP_BLOCK_MAX / 2;
    if (open != NULL)
        block = WR_MIN((open->capacity + HEAP_OVERHEAD) * 2, (size_t) HEAP_BLOCK_MAX);
    while (!large && block < bytes + HEAP_OVERHEAD)
        block *= 2;
    wr_buffer *heap = wr_buffer_create(c->budget, large ? bytes : block - HEAP_OVERHEAD);
    if (heap == NULL)
        return NULL;
    heap->kind = WR_BUFFER_HEAP;
    heap->length = bytes;
    heaps_put(c, heap, large);
    return heap->bytes;
}

char *
wr_column_heap_alloc(wr_column *column, size_t bytes)
{
    wr_buffer *open = heaps_open_one(column);
    if (WR_UNLIKELY(open == NULL || open->capacity - open->length < bytes))
        return heap_grow(column, bytes);
    char *at = open->bytes + open->length;
    open->length += bytes;
    return at;
}

static bool
heaps_hold(const wr_column *c, const wr_buffer *heap)
{
    for (uint32_t i = c->heap_count; i-- > 0;)
        if (c->heaps[i] == heap)
            return true;
    return false;
}

weir_status
wr_column_adopt_buffer(wr_column *column, wr_buffer *buffer)
{
    if (heaps_hold(column, buffer))
        return WEIR_OK;
    WR_TRY(heaps_reserve(column, 1));
    heaps_put(column, wr_buffer_retain(buffer), true);
    return WEIR_OK;
}

weir_status
wr_column_adopt_heaps(wr_column *column, const wr_column *from)
{
    const wr_column *base = wr_column_base(from);
    if (column->heap_count == 0 && base->heap_count > 0) { /* the usual case: nothing to compare */
        WR_TRY(heaps_reserve(column, base->heap_count));
        for (uint32_t i = 0; i < base->heap_count; i++)
            column->heaps[i] = wr_buffer_retain(base->heaps[i]);
        column->heap_count = base->heap_count;
        return WEIR_OK;
    }
    for (uint32_t i = 0; i < base->heap_count; i++)
        WR_TRY(wr_column_adopt_buffer(column, base->heaps[i]));
    return WEIR_OK;
}

weir_status
wr_column_set_string(wr_column *column, uint32_t row, const char *bytes, size_t length)
{
    wr_assert(row < column->capacity);
    if (length > WR_STRING_INLINE_MAX) {
        if (length > WR_STRING_BYTES_MAX)
            return WEIR_ROW_TOO_LARGE;
        char *copy = wr_column_heap_alloc(column, length);
        if (copy == NULL)
            return WEIR_MEMORY;
        memcpy(copy, bytes, length);
        bytes = copy;
    }
    wr_column_set_view(column, row, wr_string_make(bytes, length));
    if (column->valid != NULL)
        wr_bitmap_set(column->valid, row);
    return WEIR_OK;
}

/* --- numeric --- */

weir_status
wr_column_reform(wr_column *column, uint32_t rows, wr_decimal_form form, int scale)
{
    wr_assert(column->type.id == WR_NUMERIC && column->layout == WR_FLAT);
    if (column->form == WR_DEC64 && form != WR_DEC64 && column->capacity > 0) {
        void *data = wr_realloc(column->budget, column->data, (size_t) column->capacity * 16);
        if (data == NULL)
            return WEIR_MEMORY;
        column->data = data;
    }
    column->form = (uint8_t) form;
    column->scale = (int16_t) (form == WR_NUM ? 0 : scale);
    if (rows > 0)
        memset(column->data, 0, rows * wr_column_width(column));
    return WEIR_OK;
}

static weir_status
promote_to_num(wr_column *c, uint32_t rows, wr_string *out)
{
    wr_arena    scratch;
    weir_status status = WEIR_OK;
    wr_arena_init(&scratch, c->budget);
    memset(out, 0, rows * sizeof *out);
    for (uint32_t r = 0; r < rows; r++) {
        wr_string num;
        if (c->valid != NULL && !wr_bitmap_get(c->valid, r))
            continue;
        WR_TRY_GOTO(wr_num_from_int128(wr_column_get_decimal(c, r), c->scale, &scratch, &num));
        if (num.length > WR_STRING_INLINE_MAX) {
            char *copy = wr_column_heap_alloc(c, num.length);
            WR_TRY_GOTO(copy != NULL ? WEIR_OK : WEIR_MEMORY);
            num.pointer = memcpy(copy, num.pointer, num.length);
        }
        out[r] = num;
        wr_arena_reset(&scratch);
    }
done:
    wr_arena_fini(&scratch);
    return status;
}

static weir_status
promote_to_decimal(const wr_column *c, uint32_t rows, wr_decimal_form form, int scale, void *out)
{
    wr_assert(scale >= c->scale && (c->form == WR_DEC64 || form == WR_DEC128));
    int up = scale - c->scale;
    if (up > WR_DEC128_DIGITS)
        return wr_column_all_null(c, rows) ? WEIR_OK : WEIR_ROW_OVERFLOW;
    wr_int128 factor = wr_int128_power10(up);
    for (uint32_t r = 0; r < rows; r++) {
        wr_int128 v;
        if (__builtin_mul_overflow(wr_column_get_decimal(c, r), factor, &v))
            return WEIR_ROW_OVERFLOW;
        if (form == WR_DEC128)
            ((wr_int128 *) out)[r] = v;
        else if (v != (int64_t) v)
            return WEIR_ROW_OVERFLOW;
        else
            ((int64_t *) out)[r] = (int64_t) v;
    }
    return WEIR_OK;
}

weir_status
wr_column_promote(wr_column *column, uint32_t rows, wr_decimal_form form, int scale)
{
    wr_assert(column->type.id == WR_NUMERIC && column->layout == WR_FLAT);
    wr_assert(rows <= column->capacity);
    if (column->form == (uint8_t) form && (form == WR_NUM || column->scale == scale))
        return WEIR_OK;
    if (rows == 0)
        return wr_column_reform(column, 0, form, scale);
    wr_assert(column->form != WR_NUM);
    size_t width = form == WR_DEC64 ? sizeof(int64_t) : 16;
    void  *data = wr_alloc(column->budget, width * column->capacity);
    if (data == NULL)
        return WEIR_MEMORY;
    weir_status status = form == WR_NUM ? promote_to_num(column, rows, data)
                                        : promote_to_decimal(column, rows, form, scale, data);
    if (status != WEIR_OK) {
        wr_free(data);
        return status;
    }
    wr_free(column->data);
    column->data = data;
    column->form = (uint8_t) form;
    column->scale = (int16_t) (form == WR_NUM ? 0 : scale);
    return WEIR_OK;
}

/* Store num as a decimal of the column's scale if that keeps every digit and the display. */
static bool
decimal_store(wr_column *c, uint32_t row, const wr_string *num)
{
    wr_int128 v;
    if (wr_num_is_nan(num) || wr_num_is_infinite(num) || wr_num_display_scale(num) != c->scale ||
        !wr_num_to_int128(num, c->scale, &v))
        return false;
    if (c->form == WR_DEC128)
        ((wr_int128 *) c->data)[row] = v;
    else if (v == (int64_t) v)
        ((int64_t *) c->data)[row] = (int64_t) v;
    else
        return false;
    return true;
}

/* Find a form for num, the first value or one that the present form cannot hold. */
static weir_status
numeric_make_room(wr_column *c, uint32_t row, const wr_string *num)
{
    wr_int128 v;
    int       scale = wr_num_display_scale(num);
    bool      fits = !wr_num_is_nan(num) && !wr_num_is_infinite(num) &&
                scale <= WR_DEC128_DIGITS && wr_num_to_int128(num, scale, &v);
    if (!fits)
        return wr_column_promote(c, row, WR_NUM, 0);
    if (wr_column_all_null(c, row)) {
        bool narrow = scale <= WR_DEC64_DIGITS && v == (int64_t) v && c->form != WR_DEC128;
        return wr_column_reform(c, row, narrow ? WR_DEC64 : WR_DEC128, scale);
    }
    return scale == c->scale ? wr_column_promote(c, row, WR_DEC128, scale)
                             : wr_column_promote(c, row, WR_NUM, 0);
}

static weir_status
numeric_set(wr_column *c, uint32_t row, const wr_string *num)
{
    if (c->form != WR_NUM && !decimal_store(c, row, num)) {
        WR_TRY(numeric_make_room(c, row, num));
        if (c->form != WR_NUM) {
            bool stored = decimal_store(c, row, num);
            wr_assert(stored);
        }
    }
    if (c->form == WR_NUM)
        return wr_column_set_string(c, row, wr_string_data(num), num->length);
    return WEIR_OK;
}

weir_status
wr_column_set_value(wr_column *column, uint32_t row, const wr_value *value)
{
    void *data = column->data;
    wr_assert(row < column->capacity && column->type.id == value->type.id);
    if (value->is_null)
        return wr_column_set_null(column, row);
    switch ((wr_type_id) column->type.id) {
    case WR_BOOL: ((bool *) data)[row] = value->boolean; break;
    case WR_INT2: ((int16_t *) data)[row] = (int16_t) value->integer; break;
    case WR_INT4:
    case WR_DATE: ((int32_t *) data)[row] = (int32_t) value->integer; break;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ: ((int64_t *) data)[row] = value->integer; break;
    case WR_FLOAT4: ((float *) data)[row] = (float) value->real; break;
    case WR_FLOAT8: ((double *) data)[row] = value->real; break;
    case WR_INTERVAL: ((wr_interval *) data)[row] = value->interval; break;
    case WR_UUID: ((wr_uuid *) data)[row] = value->uuid; break;
    case WR_NUMERIC: WR_TRY(numeric_set(column, row, &value->string)); break;
    case WR_UNKNOWN:
    case WR_TEXT:
    case WR_BPCHAR:
    case WR_BYTEA:
    case WR_JSON:
    case WR_JSONB:
    case WR_ARRAY:
        return wr_column_set_string(column, row, wr_string_data(&value->string),
                                    value->string.length);
    case WR_TYPE_COUNT: wr_unreachable();
    }
    if (column->valid != NULL)
        wr_bitmap_set(column->valid, row);
    return WEIR_OK;
}
