/* SPDX-License-Identifier: Apache-2.0 */
/* state/key_layout.c -- the words of a key in a row: layout, store, read back (see
 * key_layout.h). */
#include "state/key_layout.h"

#include <string.h>

static uint8_t
word_count(wr_type type)
{
    switch (type.id) {
    case WR_BOOL:
    case WR_INT2:
    case WR_INT4:
    case WR_INT8:
    case WR_DATE:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        return 1;
    case WR_TEXT:
    case WR_BYTEA:
        return WR_KEY_TEXT_WORDS;
    case WR_UUID:
        return 2;
    default:
        return 0; /* equality is not that of the bits */
    }
}

weir_status
wr_key_layout_init(wr_key_layout *layout, wr_budget *budget, const wr_type *types, uint32_t count,
                   bool prefix, bool keeps_values)
{
    *layout = (wr_key_layout){ .column_count = count, .prefix = prefix };
    layout->columns = wr_calloc(budget, count, sizeof *layout->columns);
    if (layout->columns == NULL)
        return WEIR_MEMORY;
    bool texts = true;
    for (uint32_t c = 0; c < count; c++) {
        layout->encoded |= word_count(types[c]) == 0;
        texts = texts && word_count(types[c]) == WR_KEY_TEXT_WORDS;
    }
    layout->keeps_values = !layout->encoded || keeps_values;
    layout->null_words = layout->keeps_values && !texts ? (count + 63) / 64 : 0;
    layout->nulls_at = layout->encoded ? 2 : prefix;
    uint32_t at = layout->nulls_at + layout->null_words;
    for (uint32_t c = 0; c < count; c++) {
        wr_key_column *column = &layout->columns[c];
        column->type = types[c];
        column->view = wr_type_is_string(types[c]);
        column->words = layout->encoded ? 2 : word_count(types[c]);
        column->at = (uint16_t) at;
        if (layout->keeps_values)
            at += column->words;
        layout->has_views |= column->view;
    }
    layout->words = at;
    layout->compare_words = layout->encoded ? 2 : at;
    return WEIR_OK;
}

void
wr_key_layout_fini(wr_key_layout *layout)
{
    wr_free(layout->columns);
    *layout = (wr_key_layout){ 0 };
}

/* --- texts --- */

static weir_status
view_keep(wr_arena *arena, wr_string *view)
{
    if (view->length <= WR_STRING_INLINE_MAX)
        return WEIR_OK;
    char *bytes = wr_arena_alloc(arena, view->length);
    if (bytes == NULL)
        return WEIR_MEMORY;
    memcpy(bytes, view->pointer, view->length);
    view->pointer = bytes;
    return WEIR_OK;
}

static weir_status
word_view_keep(wr_arena *arena, uint64_t *words)
{
    wr_string view;
    memcpy(&view, words, sizeof view);
    WR_TRY(view_keep(arena, &view));
    memcpy(words, &view, sizeof view);
    return WEIR_OK;
}

/* WORDS: the bytes of a long text go to arena. */
static weir_status
text_keep(wr_arena *arena, uint64_t *words)
{
    wr_string text = wr_key_text_get(words);
    if (text.length <= WR_KEY_TEXT_INLINE_MAX || words[0] == UINT64_MAX)
        return WEIR_OK;
    WR_TRY(view_keep(arena, &text));
    words[2] = (uint64_t) (uintptr_t) text.pointer;
    return WEIR_OK;
}

static weir_status
texts_keep(const wr_key_layout *layout, wr_arena *arena, uint64_t *row)
{
    for (uint32_t c = 0; layout->has_views && c < layout->column_count; c++)
        if (layout->columns[c].view)
            WR_TRY(text_keep(arena, row + layout->columns[c].at));
    return WEIR_OK;
}

/* ENCODED: write a boxed value into its words; views are borrowed. */
static void
value_store(const wr_key_layout *layout, uint32_t c, const wr_value *value, uint64_t *row)
{
    const wr_key_column *column = &layout->columns[c];
    uint64_t            *to = row + column->at;
    if (value->is_null) {
        wr_key_set_null(layout, row, c);
        return;
    }
    if (column->view)
        memcpy(to, &value->string, sizeof value->string);
    else if (column->type.id == WR_INTERVAL)
        memcpy(to, &value->interval, sizeof value->interval);
    else if (column->type.id == WR_UUID)
        memcpy(to, &value->uuid, sizeof value->uuid);
    else if (column->type.id == WR_FLOAT4 || column->type.id == WR_FLOAT8)
        memcpy(to, &value->real, sizeof value->real);
    else
        to[0] = column->type.id == WR_BOOL ? value->boolean : (uint64_t) value->integer;
}

wr_value
wr_key_value(const wr_key_layout *layout, const uint64_t *row, uint32_t c)
{
    wr_assert(layout->keeps_values && c < layout->column_count);
    const wr_key_column *column = &layout->columns[c];
    const uint64_t      *from = row + column->at;
    wr_value             value = { .type = column->type };
    if (wr_key_is_null(layout, row, c))
        return wr_value_null(column->type);
    if (column->words == WR_KEY_TEXT_WORDS)
        value.string = wr_key_text_get(from);
    else if (column->view)
        memcpy(&value.string, from, sizeof value.string);
    else if (column->type.id == WR_INTERVAL)
        memcpy(&value.interval, from, sizeof value.interval);
    else if (column->type.id == WR_UUID)
        memcpy(&value.uuid, from, sizeof value.uuid);
    else if (column->type.id == WR_FLOAT4 || column->type.id == WR_FLOAT8)
        memcpy(&value.real, from, sizeof value.real);
    else if (column->type.id == WR_BOOL)
        value.boolean = from[0] != 0;
    else
        value.integer = (int64_t) from[0];
    return value;
}

wr_string
wr_key_encoding(const wr_key_layout *layout, const uint64_t *row)
{
    wr_string view;
    wr_assert(layout->encoded);
    memcpy(&view, row, sizeof view);
    return view;
}

uint32_t
wr_key_prefix(const wr_key_layout *layout, const uint64_t *row)
{
    uint64_t prefix = row[0];
    wr_assert(layout->prefix);
    if (layout->encoded) {
        wr_string view = wr_key_encoding(layout, row);
        memcpy(&prefix, wr_string_data(&view), sizeof prefix);
    }
    return (uint32_t) prefix;
}

static weir_status
values_store(const wr_row_keys *keys, uint32_t i, wr_arena *arena, uint64_t *row)
{
    const wr_key_layout *layout = keys->layout;
    memset(row + layout->nulls_at, 0, layout->null_words * sizeof *row);
    for (uint32_t c = 0; c < layout->column_count; c++) {
        wr_value value;
        if (keys->values != NULL)
            value = keys->values[c];
        else
            WR_TRY(wr_column_get_value(keys->columns[c], keys->rows != NULL ? keys->rows[i] : i,
                                       arena, &value));
        value_store(layout, c, &value, row);
        if (layout->columns[c].view && !value.is_null)
            WR_TRY(word_view_keep(arena, row + layout->columns[c].at));
    }
    return WEIR_OK;
}

weir_status
wr_key_store(const wr_row_keys *keys, uint32_t i, wr_arena *arena, uint64_t *row)
{
    const wr_key_layout *layout = keys->layout;
    wr_assert(i < keys->count);
    memcpy(row, keys->words + (size_t) i * layout->compare_words,
           layout->compare_words * sizeof *row);
    if (layout->encoded) {
        WR_TRY(word_view_keep(arena, row));
        return layout->keeps_values ? values_store(keys, i, arena, row) : WEIR_OK;
    }
    return texts_keep(layout, arena, row);
}

weir_status
wr_key_copy(const wr_key_layout *layout, const uint64_t *from, wr_arena *arena, uint64_t *row)
{
    memcpy(row, from, layout->words * sizeof *row);
    if (!layout->encoded)
        return texts_keep(layout, arena, row);
    WR_TRY(word_view_keep(arena, row));
    for (uint32_t c = 0; layout->has_views && layout->keeps_values && c < layout->column_count; c++)
        if (layout->columns[c].view)
            WR_TRY(word_view_keep(arena, row + layout->columns[c].at));
    return WEIR_OK;
}

static bool
views_same(const uint64_t *a, const uint64_t *b)
{
    wr_string x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return wr_string_equal(&x, &y);
}

bool
wr_key_text_same(const uint64_t *a, const uint64_t *b)
{
    wr_string x = wr_key_text_get(a);
    if (a[0] != b[0] || a[1] != b[1])
        return false;
    return x.length <= WR_KEY_TEXT_INLINE_MAX || a[0] == UINT64_MAX
               ? a[2] == b[2]
               : memcmp(x.pointer, (const char *) (uintptr_t) b[2], x.length) == 0;
}

bool
wr_key_same(const wr_key_layout *layout, const uint64_t *row, const uint64_t *other)
{
    if (layout->encoded)
        return views_same(row, other);
    for (uint32_t w = 0; w < layout->nulls_at + layout->null_words; w++)
        if (row[w] != other[w])
            return false;
    for (uint32_t c = 0; c < layout->column_count; c++) {
        uint32_t at = layout->columns[c].at;
        bool same = layout->columns[c].view
                        ? wr_key_text_same(row + at, other + at)
                        : row[at] == other[at] && row[at + layout->columns[c].words - 1] ==
                                                      other[at + layout->columns[c].words - 1];
        if (!same)
            return false;
    }
    return true;
}

/* The loop of fixed-width columns: one store a row, and a look at its NULLs without a branch. */
#define FILL(T)                                                                                    \
    do {                                                                                           \
        T *to = column->data;                                                                      \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            const uint64_t *words = (const uint64_t *) (const void *) (rows[i] + key_offset);      \
            to[i] = (T) words[at];                                                                 \
            any |= words[nulls];                                                                   \
        }                                                                                          \
    } while (0)

/* False: not such a column.  *any: the words of NULLs that column c's stands in, together. */
static bool
column_fill_words(const wr_key_layout *layout, wr_column *column, char *const *rows,
                  size_t key_offset, uint32_t count, uint32_t c, uint64_t *nulls_any)
{
    const uint32_t at = layout->columns[c].at;
    const uint32_t nulls = layout->null_words > 0 ? layout->nulls_at + c / 64 : at;
    uint64_t       any = 0;
    switch (column->type.id) {
    case WR_BOOL:
        FILL(uint8_t);
        break;
    case WR_INT2:
        FILL(int16_t);
        break;
    case WR_INT4:
    case WR_DATE:
        FILL(int32_t);
        break;
    case WR_INT8:
    case WR_TIME:
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        FILL(int64_t);
        break;
    default:
        return false;
    }
    *nulls_any = layout->null_words > 0 ? any : UINT64_MAX;
    return true;
}

wr_column *
wr_key_column_make(const wr_key_layout *layout, wr_budget *budget, char *const *rows,
                   size_t key_offset, uint32_t count, uint32_t c)
{
    const wr_key_column *spec = &layout->columns[c];
    wr_column           *column = wr_column_create(budget, spec->type, count);
    bool                 views = spec->view;
    if (column == NULL)
        return NULL;
    uint64_t any;
    if (column_fill_words(layout, column, rows, key_offset, count, c, &any)) {
        if ((any >> (c % 64) & 1) == 0)
            return column;
        if (wr_column_need_valid(column) != WEIR_OK)
            goto fail;
        for (uint32_t i = 0; i < count; i++) { /* a NULL's word is 0 */
            const uint64_t *row = (const uint64_t *) (const void *) (rows[i] + key_offset);
            column->valid[i / 64] &= ~((uint64_t) wr_key_is_null(layout, row, c) << (i % 64));
        }
        return column;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t *row = (const uint64_t *) (const void *) (rows[i] + key_offset);
        wr_string       view = { .length = UINT32_MAX };
        if (views)
            memcpy(&view, row + spec->at, sizeof view);
        if (view.length <= WR_STRING_INLINE_MAX && !wr_key_is_null(layout, row, c)) {
            wr_column_set_view(column, i, view); /* a short text is its view */
            continue;
        }
        wr_value    value = wr_key_value(layout, row, c);
        weir_status status = value.is_null ? wr_column_set_null(column, i)
                                           : wr_column_set_value(column, i, &value);
        if (status != WEIR_OK)
            goto fail;
    }
    return column;
fail:
    wr_column_release(column);
    return NULL;
}
