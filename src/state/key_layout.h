/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/key_layout.h -- how the key columns of keyed state lie in a table's row, and keys of a
 * batch in that form.
 *
 * Two forms.  WORDS, for columns whose equality is that of their bits (integers, times, booleans,
 * uuid, text, bytea): a bitmap of NULLs, then one or two words a column, compared word by word; a
 * long text's bytes lie in an arena.  ENCODED, for all else (numeric, floats, intervals, jsonb,
 * arrays, ...): the bytes of wr_key_encode as one string view, compared; then the values as they
 * first came, for output.
 *
 *     WORDS    [prefix] [nulls...] [value...]
 *     ENCODED  [string view of the encoding: 2] [nulls...] [value: 2 words each]
 *
 * A prefix is one word put before the key by the caller: the group a distinct value belongs to.
 *
 * Invariants  L1  two keys are equal exactly when data/key.h says so, in both forms
 *             L2  the form depends on the types alone, so that a restored key finds its group
 */
#pragma once

#include "data/key.h"

typedef struct wr_key_column {
    wr_type  type;
    uint16_t at;    /* word offset in the row's key */
    uint8_t  words; /* 1 or 2                        */
    bool     view;  /* a wr_string                   */
} wr_key_column;

typedef struct wr_key_layout {
    uint32_t       column_count;
    wr_key_column *columns;
    bool           prefix, encoded, has_views;
    uint32_t       nulls_at, null_words;
    uint32_t       compare_words; /* the leading words that decide equality */
    uint32_t       words;         /* all a row holds                        */
    bool           keeps_values;  /* ENCODED: values are kept beside the encoding */
} wr_key_layout;

/* Columns are allocated from budget; fini frees them.  keeps_values matters to ENCODED alone. */
weir_status wr_key_layout_init(wr_key_layout *layout, wr_budget *budget, const wr_type *types,
                               uint32_t count, bool prefix, bool keeps_values);
void        wr_key_layout_fini(wr_key_layout *layout);

/* Keys of `count` rows, in the form of a layout. */
typedef struct wr_row_keys {
    const wr_key_layout    *layout;
    wr_budget              *budget;
    uint32_t                count, capacity;
    uint64_t               *words;  /* count * compare_words                                     */
    uint64_t               *hashes;
    wr_text                 bytes;  /* ENCODED                                                   */
    wr_keys                *encoder;
    wr_column *const       *columns; /* of the last fill: where ENCODED takes values from        */
    const wr_value         *values;  /* of the last set, instead of columns                      */
    const uint16_t         *rows;    /* physical row of each key, NULL: the same                 */
} wr_row_keys;

void wr_row_keys_init(wr_row_keys *keys, const wr_key_layout *layout, wr_budget *budget);
void wr_row_keys_fini(wr_row_keys *keys);
/*
 * Keys of physical rows[0..count) (NULL: 0..count) over columns[0..column_count).  prefixes: one
 * a key, or NULL without prefix.  Borrows columns and rows until the next fill.
 */
weir_status wr_row_keys_fill(wr_row_keys *keys, wr_column *const *columns, const uint16_t *rows,
                             uint32_t count, uint32_t physical, const uint64_t *prefixes);
/* One key, of boxed values (borrowed likewise). */
weir_status wr_row_keys_set(wr_row_keys *keys, const wr_value *values, uint64_t prefix);
/* One key of an ENCODED layout without values, of its encoding. */
weir_status
wr_row_keys_set_encoded(wr_row_keys *keys, const char *bytes, size_t length, uint64_t prefix);

/* Write key i into a row's words; long bytes go to arena. */
weir_status wr_key_store(const wr_row_keys *keys, uint32_t i, wr_arena *arena, uint64_t *row);
/* The same key from another row of the layout (other table, other arena). */
weir_status
wr_key_copy(const wr_key_layout *layout, const uint64_t *from, wr_arena *arena, uint64_t *row);
/* Do row and other (both of the layout) hold the same key? */
bool        wr_key_same(const wr_key_layout *layout, const uint64_t *row, const uint64_t *other);
/* Value of column c, borrowing the row's bytes. */
wr_value    wr_key_value(const wr_key_layout *layout, const uint64_t *row, uint32_t c);
/* ENCODED: the view of the encoding, with the prefix's 8 bytes first when there is one. */
wr_string   wr_key_encoding(const wr_key_layout *layout, const uint64_t *row);
/* The prefix of a row's key. */
uint32_t    wr_key_prefix(const wr_key_layout *layout, const uint64_t *row);
/* Column c of rows[0..count) as a FLAT column; strings are copied.  Owned; NULL: no memory. */
wr_column  *wr_key_column_make(const wr_key_layout *layout, wr_budget *budget, char *const *rows,
                               size_t key_offset, uint32_t count, uint32_t c);
