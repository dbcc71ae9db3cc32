/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/column_make.c -- one column from another: gather, flatten, append (see column.h).
 *
 * Cost        a typed loop for each width and layout: 0.3 to 1 ns a row for fixed widths without
 *             NULLs; one more pass over string views; bitmaps move 64 rows a step.
 * Invariants  M1  a bitmap appears in the result only when some row is NULL, or it had one
 *             M2  heaps are adopted only when some string is longer than 12 bytes
 */
#include "data/column.h"

#include "data/column_impl.h"

#include <string.h>

/* Words that may alias whatever type the data has. */
typedef uint8_t  __attribute__((may_alias)) word8;
typedef uint16_t __attribute__((may_alias)) word16;
typedef uint32_t __attribute__((may_alias)) word32;
typedef uint64_t __attribute__((may_alias)) word64;
typedef struct word128 {
    uint64_t low, high;
} __attribute__((may_alias)) word128;

#define DEFINE_COPY(T)                                                                             \
    static void copy_##T(T *restrict to, const wr_column *from, const uint16_t *restrict rows,     \
                         uint32_t count)                                                           \
    {                                                                                              \
        const T        *data = wr_column_base(from)->data;                                         \
        const uint16_t *index = from->data;                                                        \
        if (from->layout == WR_CONSTANT) {                                                         \
            T value = data[0];                                                                     \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[i] = value;                                                                     \
        } else if (from->layout == WR_DICTIONARY) {                                                \
            if (rows == NULL)                                                                      \
                for (uint32_t i = 0; i < count; i++)                                               \
                    to[i] = data[index[i]];                                                        \
            else                                                                                   \
                for (uint32_t i = 0; i < count; i++)                                               \
                    to[i] = data[index[rows[i]]];                                                  \
        } else if (rows == NULL) {                                                                 \
            memcpy(to, data, count * sizeof(T));                                                   \
        } else {                                                                                   \
            for (uint32_t i = 0; i < count; i++)                                                   \
                to[i] = data[rows[i]];                                                             \
        }                                                                                          \
    }
DEFINE_COPY(word8)
DEFINE_COPY(word16)
DEFINE_COPY(word32)
DEFINE_COPY(word64)
DEFINE_COPY(word128)

static void
column_copy_data(wr_column *to, uint32_t at, const wr_column *from, const uint16_t *rows,
                 uint32_t count)
{
    size_t width = wr_column_width(to);
    void  *start = (char *) to->data + at * width;
    switch (width) {
    case 1: copy_word8(start, from, rows, count); break;
    case 2: copy_word16(start, from, rows, count); break;
    case 4: copy_word32(start, from, rows, count); break;
    case 8: copy_word64(start, from, rows, count); break;
    case 16: copy_word128(start, from, rows, count); break;
    default: wr_unreachable();
    }
}

/* --- validity --- */

static inline __attribute__((always_inline)) uint64_t
valid_word(const uint64_t *valid, int layout, const uint16_t *index, const uint16_t *rows,
           uint32_t start, uint32_t n)
{
    uint64_t word = 0;
    for (uint32_t j = 0; j < n; j++) {
        uint32_t i = rows != NULL ? rows[start + j] : start + j;
        i = layout == WR_DICTIONARY ? index[i] : i;
        word |= ((valid[i >> 6] >> (i & 63)) & 1) << j;
    }
    return word;
}

/* The validity of n <= 64 rows, the rest ones. */
static uint64_t
column_valid_word(const wr_column *c, const uint16_t *rows, uint32_t start, uint32_t n)
{
    const uint64_t *valid = wr_column_base(c)->valid;
    uint64_t        rest = n < 64 ? ~0ull << n : 0;
    if (valid == NULL)
        return ~0ull;
    if (c->layout == WR_CONSTANT)
        return (valid[0] & 1) != 0 ? ~0ull : rest;
    if (c->layout == WR_DICTIONARY)
        return rest | valid_word(valid, WR_DICTIONARY, c->data, rows, start, n);
    if (rows == NULL && (start & 63) == 0)
        return rest | valid[start >> 6];
    return rest | valid_word(valid, WR_FLAT, NULL, rows, start, n);
}

/* Store n <= 64 bits at any place. */
static inline void
bitmap_put(uint64_t *bitmap, uint32_t at, uint64_t word, uint32_t n)
{
    uint64_t  mask = n < 64 ? (1ull << n) - 1 : ~0ull;
    uint32_t  shift = at & 63;
    uint64_t *w = &bitmap[at >> 6];
    w[0] = (w[0] & ~(mask << shift)) | ((word & mask) << shift);
    if (shift + n > 64)
        w[1] = (w[1] & ~(mask >> (64 - shift))) | ((word & mask) >> (64 - shift));
}

static weir_status
column_copy_valid(wr_column *to, uint32_t at, const wr_column *from, const uint16_t *rows,
                  uint32_t count)
{
    if (to->valid == NULL && wr_column_base(from)->valid == NULL)
        return WEIR_OK;
    for (uint32_t start = 0; start < count; start += 64) {
        uint32_t n = WR_MIN(count - start, 64u);
        uint64_t word = column_valid_word(from, rows, start, n);
        if (to->valid == NULL) {
            if (word == ~0ull)
                continue; /* M1 */
            WR_TRY(wr_column_need_valid(to));
        }
        bitmap_put(to->valid, at + start, word, n);
    }
    return WEIR_OK;
}

static bool
column_rows_all_null(const wr_column *c, const uint16_t *rows, uint32_t count)
{
    if (wr_column_base(c)->valid == NULL)
        return false;
    for (uint32_t start = 0; start < count; start += 64) {
        uint32_t n = WR_MIN(count - start, 64u);
        uint64_t mask = n < 64 ? (1ull << n) - 1 : ~0ull;
        if ((column_valid_word(c, rows, start, n) & mask) != 0)
            return false;
    }
    return true;
}

/* --- strings --- */

static size_t
views_long_bytes(const wr_string *views, uint32_t count)
{
    size_t total = 0;
    for (uint32_t i = 0; i < count; i++)
        total += views[i].length > WR_STRING_INLINE_MAX ? views[i].length : 0;
    return total;
}

static weir_status
views_copy_flat(wr_column *to, wr_string *views, uint32_t count, size_t long_bytes)
{
    char *at = wr_column_heap_alloc(to, long_bytes);
    if (at == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        if (views[i].length <= WR_STRING_INLINE_MAX)
            continue;
        memcpy(at, views[i].pointer, views[i].length);
        views[i].pointer = at;
        at += views[i].length;
    }
    return WEIR_OK;
}

/* Many views share few strings: remember where each was copied to, by the old address. */
static weir_status
views_copy_shared(wr_column *to, wr_string *views, uint32_t count)
{
    struct {
        const char *from, *to;
        uint32_t    length;
    } seen[128];
    memset(seen, 0, sizeof seen);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t length = views[i].length;
        if (length <= WR_STRING_INLINE_MAX)
            continue;
        const char *from = views[i].pointer;
        size_t      slot = ((uintptr_t) from * 0x9e3779b97f4a7c15u) >> 57;
        if (seen[slot].from != from || seen[slot].length != length) {
            char *copy = wr_column_heap_alloc(to, length);
            if (copy == NULL)
                return WEIR_MEMORY;
            seen[slot].to = memcpy(copy, from, length);
            seen[slot].from = from;
            seen[slot].length = length;
        }
        views[i].pointer = seen[slot].to;
    }
    return WEIR_OK;
}

/* The rows' views are in place and still point into from's heaps. */
static weir_status
column_keep_strings(wr_column *to, uint32_t at, const wr_column *from, uint32_t count,
                    bool copy_strings)
{
    wr_string       *views = (wr_string *) to->data + at;
    const wr_column *base = wr_column_base(from);
    size_t           long_bytes = views_long_bytes(views, count);
    if (long_bytes == 0)
        return WEIR_OK; /* M2 */
    if (!copy_strings &&
        (to->heap_count == 0 || to->heap_count + base->heap_count <= WR_COLUMN_HEAPS_MAX))
        return wr_column_adopt_heaps(to, base);
    if (from->layout == WR_FLAT)
        return views_copy_flat(to, views, count, long_bytes);
    return views_copy_shared(to, views, count);
}

/* --- numeric forms --- */

static weir_status
numeric_append_as_num(wr_column *to, uint32_t at, const wr_column *from, const uint16_t *rows,
                      uint32_t count)
{
    wr_arena    scratch;
    weir_status status = WEIR_OK;
    wr_arena_init(&scratch, to->budget);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows != NULL ? rows[i] : i;
        wr_value value;
        WR_TRY_GOTO(wr_column_get_value(from, row, &scratch, &value));
        WR_TRY_GOTO(wr_column_set_value(to, at + i, &value));
        wr_arena_reset(&scratch);
    }
done:
    wr_arena_fini(&scratch);
    return status;
}

/*
 * Append where the forms differ.  The display scale of every value is kept: a common scale stays
 * decimal (the wider form), two scales become num.  Sets *direct when the rows can now be copied.
 */
static weir_status
numeric_reconcile(wr_column *to, uint32_t at, const wr_column *from, const uint16_t *rows,
                  uint32_t count, bool *direct)
{
    const wr_column *base = wr_column_base(from);
    *direct = false;
    if (to->form == base->form && (to->form == WR_NUM || to->scale == base->scale)) {
        *direct = true;
        return WEIR_OK;
    }
    if (wr_column_all_null(to, at)) {
        *direct = true;
        return wr_column_reform(to, at, (wr_decimal_form) base->form, base->scale);
    }
    if (column_rows_all_null(from, rows, count)) {
        for (uint32_t i = 0; i < count; i++)
            WR_TRY(wr_column_set_null(to, at + i));
        return WEIR_OK;
    }
    if (to->form == WR_DEC64 && base->form == WR_DEC128 && to->scale == base->scale) {
        *direct = true;
        return wr_column_promote(to, at, WR_DEC128, to->scale);
    }
    /* What remains goes value by value; a value that does not fit promotes the column. */
    return numeric_append_as_num(to, at, from, rows, count);
}

/* --- the three doors --- */

static weir_status
column_make_room(wr_column *to, uint32_t at, uint32_t count)
{
    uint32_t need = at + count;
    if (need <= to->capacity)
        return WEIR_OK;
    uint32_t capacity = WR_MAX(to->capacity * 2, 64u);
    capacity = WR_MIN(capacity, (uint32_t) WR_BATCH_ROWS_MAX);
    return wr_column_reserve(to, at, WR_MAX(need, capacity));
}

weir_status
wr_column_append(wr_column *to, uint32_t at, const wr_column *from, const uint16_t *rows,
                 uint32_t count, bool copy_strings)
{
    wr_assert(to->layout == WR_FLAT && to != from && at <= to->capacity);
    wr_assert(wr_type_same(to->type, from->type));
    if (count == 0)
        return WEIR_OK;
    WR_TRY(column_make_room(to, at, count));
    if (to->type.id == WR_NUMERIC) {
        bool direct;
        WR_TRY(numeric_reconcile(to, at, from, rows, count, &direct));
        if (!direct)
            return WEIR_OK;
    }
    column_copy_data(to, at, from, rows, count);
    WR_TRY(column_copy_valid(to, at, from, rows, count));
    if (wr_column_holds_views(to))
        return column_keep_strings(to, at, from, count, copy_strings);
    return WEIR_OK;
}

wr_column *
wr_column_gather(wr_budget *budget, const wr_column *column, const uint16_t *rows, uint32_t count)
{
    const wr_column *base = wr_column_base(column);
    wr_column       *made;
    if (column->type.id == WR_NUMERIC)
        made = wr_column_create_decimal(budget, column->type, (wr_decimal_form) base->form,
                                        base->scale, count);
    else
        made = wr_column_create(budget, column->type, count);
    if (made != NULL && wr_column_append(made, 0, column, rows, count, false) != WEIR_OK) {
        wr_column_release(made);
        return NULL;
    }
    return made;
}

wr_column *
wr_column_flatten(wr_budget *budget, wr_column *column, uint32_t rows)
{
    if (column->layout == WR_FLAT)
        return wr_column_retain(column);
    return wr_column_gather(budget, column, NULL, rows);
}
