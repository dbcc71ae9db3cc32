/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/row_keys.c -- the keys of many rows at once, as words and hashes (wr_row_keys of
 * key_layout.h).
 *
 * Cost        a flat integer column: one load, one store a row; a hash: one multiply for two words.
 */
#include "state/key_layout.h"

#include "base/hash.h"

#include <string.h>

void
wr_row_keys_init(wr_row_keys *keys, const wr_key_layout *layout, wr_budget *budget)
{
    *keys = (wr_row_keys){ .layout = layout, .budget = budget };
    wr_text_init(&keys->bytes, budget);
}

void
wr_row_keys_fini(wr_row_keys *keys)
{
    wr_free(keys->words);
    wr_free(keys->hashes);
    wr_text_fini(&keys->bytes);
    if (keys->encoder != NULL)
        wr_keys_fini(keys->encoder);
    wr_free(keys->encoder);
    *keys = (wr_row_keys){ 0 };
}

static weir_status
keys_reserve(wr_row_keys *keys, uint32_t count)
{
    if (count <= keys->capacity)
        return WEIR_OK;
    uint32_t capacity = WR_MAX(count, keys->capacity * 2);
    size_t   row = WR_MAX(keys->layout->compare_words, 1u) * sizeof *keys->words;
    wr_free(keys->words);
    wr_free(keys->hashes);
    keys->capacity = 0;
    keys->words = wr_alloc(keys->budget, capacity * row);
    keys->hashes = wr_alloc(keys->budget, capacity * sizeof *keys->hashes);
    if (keys->words == NULL || keys->hashes == NULL)
        return WEIR_MEMORY;
    keys->capacity = capacity;
    return WEIR_OK;
}

/* --- words --- */

#define FILL_FLAT(T)                                                                               \
    do {                                                                                           \
        const T *data = base->data;                                                                \
        for (uint32_t i = 0; i < count; i++)                                                       \
            to[i * stride] = (uint64_t) (int64_t) data[rows != NULL ? rows[i] : i];                \
    } while (0)
#define FILL_ANY(T)                                                                                \
    do {                                                                                           \
        const T *data = base->data;                                                                \
        for (uint32_t i = 0; i < count; i++)                                                       \
            to[i * stride] =                                                                       \
                (uint64_t) (int64_t) data[wr_column_index(column, rows != NULL ? rows[i] : i)];    \
    } while (0)
#define FILL(T)                                                                                    \
    do {                                                                                           \
        if (column->layout == WR_FLAT)                                                             \
            FILL_FLAT(T);                                                                          \
        else                                                                                       \
            FILL_ANY(T);                                                                           \
    } while (0)

/* A text hashes by its bytes: its words, of which the third is an address when it is long. */
static inline uint64_t
hash_text(uint64_t h, const uint64_t *words)
{
    uint32_t length = (uint32_t) words[0];
    h = wr_hash_u64(h ^ words[0], words[1]);
    return length <= WR_STRING_INLINE_MAX || length > WR_KEY_TEXT_INLINE_MAX
               ? h
               : wr_hash_u64(h, words[2]);
}

static void
fill_texts(const wr_column *column, const uint16_t *rows, uint32_t count, uint64_t *to,
           uint32_t stride)
{
    const wr_string *data = wr_column_base(column)->data;
    if (column->layout == WR_FLAT)
        for (uint32_t i = 0; i < count; i++)
            wr_key_text_put(&data[rows != NULL ? rows[i] : i], to + (size_t) i * stride);
    else
        for (uint32_t i = 0; i < count; i++)
            wr_key_text_put(&data[wr_column_index(column, rows != NULL ? rows[i] : i)],
                            to + (size_t) i * stride);
}

static void
fill_column(const wr_column *column, const uint16_t *rows, uint32_t count, uint64_t *to,
            uint32_t stride)
{
    const wr_column *base = wr_column_base(column);
    switch (wr_column_width(base)) {
    case 1:
        FILL(uint8_t);
        break;
    case 2:
        FILL(int16_t);
        break;
    case 4:
        FILL(int32_t);
        break;
    case 8:
        FILL(int64_t);
        break;
    default: {
        const uint64_t *data = base->data;
        for (uint32_t i = 0; i < count; i++) {
            size_t at = 2 * (size_t) wr_column_index(column, rows != NULL ? rows[i] : i);
            to[i * stride] = data[at];
            to[i * stride + 1] = data[at + 1];
        }
    }
    }
}

void
wr_key_words_fill(const wr_column *column, const uint16_t *rows, uint32_t count, uint64_t *words)
{
    fill_column(column, rows, count, words, 1);
}

static void
fill_nulls(const wr_key_layout *layout, const wr_column *column, uint32_t c, const uint16_t *rows,
           uint32_t count, uint64_t *words)
{
    uint32_t stride = layout->compare_words;
    if (wr_column_base(column)->valid == NULL)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *row = words + (size_t) i * stride;
        if (!wr_column_is_null(column, rows != NULL ? rows[i] : i))
            continue;
        wr_key_set_null(layout, row, c);
    }
}

#define HASH_SEED 0x9e3779b97f4a7c15u

static uint64_t
hash_row(const wr_key_layout *layout, const uint64_t *row)
{
    uint64_t h = HASH_SEED;
    for (uint32_t w = 0; w < layout->nulls_at + layout->null_words; w++)
        h = wr_hash_u64(h, row[w]);
    for (uint32_t c = 0; c < layout->column_count; c++) {
        const wr_key_column *column = &layout->columns[c];
        const uint64_t      *at = row + column->at;
        if (column->words == 1) {
            h = wr_hash_u64(h, at[0]);
            continue;
        }
        h = column->view ? hash_text(h, at) : wr_hash_u64(h ^ at[0], at[1]);
    }
    return h;
}

/* hash_row, where each column is one word and all are counted through. */
static inline __attribute__((always_inline)) void
hash_all(wr_row_keys *keys, uint32_t words)
{
    const uint64_t *row = keys->words;
    for (uint32_t i = 0; i < keys->count; i++, row += words) {
        uint64_t h = HASH_SEED;
        for (uint32_t w = 0; w < words; w++)
            h = wr_hash_u64(h, row[w]);
        keys->hashes[i] = h;
    }
}

static bool
all_are_words(const wr_key_layout *layout)
{
    return layout->compare_words == layout->nulls_at + layout->null_words + layout->column_count;
}

static void
hash_words(wr_row_keys *keys)
{
    const wr_key_layout *layout = keys->layout;
    const uint64_t      *row = keys->words;
    if (layout->compare_words == 2 && !layout->has_views) /* one integer: its NULL bit and itself */
        for (uint32_t i = 0; i < keys->count; i++, row += 2)
            keys->hashes[i] = wr_hash_u64(row[0], row[1]);
    else if (layout->compare_words == 3 && layout->column_count == 1 && !layout->has_views)
        for (uint32_t i = 0; i < keys->count; i++, row += 3) /* a prefix before them */
            keys->hashes[i] = wr_hash_u64(wr_hash_u64(row[0], row[1]), row[2]);
    else if (layout->column_count == 1 && layout->has_views && !layout->prefix)
        for (uint32_t i = 0; i < keys->count; i++, row += WR_KEY_TEXT_WORDS)
            keys->hashes[i] = hash_text(0, row);
    else if (all_are_words(layout) && layout->compare_words == 4)
        hash_all(keys, 4);
    else if (all_are_words(layout))
        hash_all(keys, layout->compare_words);
    else
        for (uint32_t i = 0; i < keys->count; i++, row += layout->compare_words)
            keys->hashes[i] = hash_row(layout, row);
}

/* The commonest key, one integer column without NULLs: words and hashes in one pass. */
#define FILL_ONE(T)                                                                                \
    do {                                                                                           \
        const T *data = column->data;                                                              \
        for (uint32_t i = 0; i < count; i++) {                                                     \
            uint64_t word = (uint64_t) (int64_t) data[rows != NULL ? rows[i] : i];                 \
            keys->words[2 * i] = 0;                                                                \
            keys->words[2 * i + 1] = word;                                                         \
            keys->hashes[i] = wr_key_word_hash(word);                                              \
        }                                                                                          \
    } while (0)

/* And the next, one text. */
static void
fill_one_text(wr_row_keys *keys, const wr_string *data, const uint16_t *rows)
{
    uint64_t *row = keys->words;
    const uint32_t *near = keys->near, shift = 64 - keys->near_bits;
    for (uint32_t i = 0; i < keys->count; i++, row += WR_KEY_TEXT_WORDS) {
        wr_key_text_put(&data[rows != NULL ? rows[i] : i], row);
        keys->hashes[i] = hash_text(0, row);
        if (near != NULL)
            __builtin_prefetch(&near[keys->hashes[i] >> shift], 0, 2);
    }
}

static bool
fill_one(wr_row_keys *keys, const wr_column *column, const uint16_t *rows)
{
    const wr_key_layout *layout = keys->layout;
    uint32_t             count = keys->count;
    if (layout->prefix || layout->column_count != 1 || layout->encoded ||
        column->layout != WR_FLAT || column->valid != NULL)
        return false;
    if (layout->has_views) {
        fill_one_text(keys, column->data, rows);
        return true;
    }
    if (layout->compare_words != 2)
        return false;
    switch (wr_column_width(column)) {
    case 4:
        FILL_ONE(int32_t);
        return true;
    case 8:
        FILL_ONE(int64_t);
        return true;
    default:
        return false;
    }
}

static void
fill_words(wr_row_keys *keys, wr_column *const *columns, const uint16_t *rows,
           const uint64_t *prefixes)
{
    const wr_key_layout *layout = keys->layout;
    uint32_t             count = keys->count, stride = layout->compare_words;
    uint32_t             head = layout->nulls_at + layout->null_words;
    for (uint32_t i = 0; i < count && head > 0; i++) {
        uint64_t *row = keys->words + (size_t) i * stride;
        if (layout->prefix)
            row[0] = prefixes[i];
        if (layout->null_words > 0)
            row[head - 1] = 0; /* as a rule the only one */
        for (uint32_t w = layout->nulls_at; w + 1 < head; w++)
            row[w] = 0;
    }
    for (uint32_t c = 0; c < layout->column_count; c++) {
        (layout->columns[c].view ? fill_texts : fill_column)(
            columns[c], rows, count, keys->words + layout->columns[c].at, stride);
        fill_nulls(layout, columns[c], c, rows, count, keys->words);
    }
    hash_words(keys);
}

/* --- encoded --- */

static void
put_encoding(wr_row_keys *keys, uint32_t i, const char *bytes, size_t length)
{
    wr_string view = wr_string_make(bytes, length);
    memcpy(keys->words + (size_t) i * 2, &view, sizeof view);
    keys->hashes[i] = wr_hash_bytes(bytes, length);
}

static weir_status
fill_encoded(wr_row_keys *keys, wr_column *const *columns, const uint16_t *rows, uint32_t physical,
             const uint64_t *prefixes)
{
    const wr_key_layout *layout = keys->layout;
    uint32_t             count = keys->count;
    if (keys->encoder == NULL) {
        keys->encoder = wr_alloc(keys->budget, sizeof *keys->encoder);
        if (keys->encoder == NULL)
            return WEIR_MEMORY;
        wr_keys_init(keys->encoder, keys->budget);
    }
    wr_batch *shown = wr_batch_create(keys->budget, layout->column_count);
    uint32_t *map = wr_alloc(keys->budget, layout->column_count * sizeof *map);
    weir_status status = shown != NULL && map != NULL ? WEIR_OK : WEIR_MEMORY;
    if (status == WEIR_OK) {
        for (uint32_t c = 0; c < layout->column_count; c++) {
            shown->columns[c] = wr_column_retain(columns[c]);
            map[c] = c;
        }
        shown->row_count = count;
        shown->physical_count = physical;
        shown->selection = (uint16_t *) rows; /* lent for the call alone */
        status = wr_keys_encode(keys->encoder, shown, map, layout->column_count);
        shown->selection = NULL;
    }
    wr_batch_release(shown);
    wr_free(map);
    WR_TRY(status);
    const char *bytes = wr_text_string(&keys->encoder->bytes);
    const uint32_t *offsets = keys->encoder->offsets;
    if (layout->prefix) {
        wr_text_clear(&keys->bytes);
        if (!wr_text_reserve(&keys->bytes, offsets[count] + (size_t) count * sizeof *prefixes))
            return WEIR_MEMORY;
        for (uint32_t i = 0; i < count; i++) {
            wr_text_append(&keys->bytes, &prefixes[i], sizeof prefixes[i]);
            wr_text_append(&keys->bytes, bytes + offsets[i], offsets[i + 1] - offsets[i]);
        }
        bytes = wr_text_string(&keys->bytes);
    }
    size_t more = layout->prefix ? sizeof *prefixes : 0;
    for (uint32_t i = 0; i < count; i++)
        put_encoding(keys, i, bytes + offsets[i] + i * more, offsets[i + 1] - offsets[i] + more);
    return WEIR_OK;
}

weir_status
wr_row_keys_fill(wr_row_keys *keys, wr_column *const *columns, const uint16_t *rows, uint32_t count,
                 uint32_t physical, const uint64_t *prefixes)
{
    wr_assert(count <= WR_BATCH_ROWS_MAX);
    wr_assert((prefixes != NULL) == keys->layout->prefix);
    keys->count = 0;
    WR_TRY(keys_reserve(keys, count));
    keys->count = count;
    keys->columns = columns;
    keys->values = NULL;
    keys->rows = rows;
    if (keys->layout->encoded)
        return fill_encoded(keys, columns, rows, physical, prefixes);
    if (keys->layout->column_count != 1 || !fill_one(keys, columns[0], rows))
        fill_words(keys, columns, rows, prefixes);
    return WEIR_OK;
}

/* --- one key --- */

static void
set_words(wr_row_keys *keys, const wr_value *values, uint64_t prefix)
{
    const wr_key_layout *layout = keys->layout;
    uint64_t            *row = keys->words;
    memset(row, 0, layout->compare_words * sizeof *row);
    if (layout->prefix)
        row[0] = prefix;
    for (uint32_t c = 0; c < layout->column_count; c++) {
        const wr_key_column *column = &layout->columns[c];
        if (values[c].is_null)
            wr_key_set_null(layout, row, c);
        else if (column->view)
            wr_key_text_put(&values[c].string, row + column->at);
        else if (column->type.id == WR_UUID)
            memcpy(row + column->at, &values[c].uuid, sizeof(wr_uuid));
        else
            row[column->at] = column->type.id == WR_BOOL ? values[c].boolean
                                                         : (uint64_t) values[c].integer;
    }
    hash_words(keys);
}

weir_status
wr_row_keys_set(wr_row_keys *keys, const wr_value *values, uint64_t prefix)
{
    const wr_key_layout *layout = keys->layout;
    WR_TRY(keys_reserve(keys, 1));
    keys->count = 1;
    keys->columns = NULL;
    keys->values = values;
    keys->rows = NULL;
    if (!layout->encoded) {
        set_words(keys, values, prefix);
        return WEIR_OK;
    }
    wr_text_clear(&keys->bytes);
    if (layout->prefix)
        wr_text_append(&keys->bytes, &prefix, sizeof prefix);
    for (uint32_t c = 0; c < layout->column_count; c++)
        WR_TRY(wr_key_encode_value(&values[c], &keys->bytes));
    if (!wr_text_ok(&keys->bytes))
        return WEIR_MEMORY;
    put_encoding(keys, 0, wr_text_string(&keys->bytes), keys->bytes.length);
    return WEIR_OK;
}

weir_status
wr_row_keys_set_encoded(wr_row_keys *keys, const char *bytes, size_t length, uint64_t prefix)
{
    wr_assert(keys->layout->encoded && !keys->layout->keeps_values);
    WR_TRY(keys_reserve(keys, 1));
    keys->count = 1;
    wr_text_clear(&keys->bytes);
    if (keys->layout->prefix)
        wr_text_append(&keys->bytes, &prefix, sizeof prefix);
    wr_text_append(&keys->bytes, bytes, length);
    if (!wr_text_ok(&keys->bytes))
        return WEIR_MEMORY;
    put_encoding(keys, 0, wr_text_string(&keys->bytes), keys->bytes.length);
    return WEIR_OK;
}
