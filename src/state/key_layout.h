/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/key_layout.h -- how the key columns of keyed state lie in a table's row, and keys of a
 * batch in that form.
 *
 * Two forms.  WORDS, for columns whose equality is that of their bits (integers, times, booleans,
 * uuid, text, bytea): a bitmap of NULLs, then one to three words a column, compared word by word; a
 * text's bytes stand in its words when they are at most 20, else in an arena.  ENCODED, for all else (numeric, floats, intervals, jsonb,
 * arrays, ...): the bytes of wr_key_encode as one string view, compared; then the values as they
 * first came, for output.
 *
 *     WORDS    [prefix] [nulls...] [value...]
 *                a text, 3 words: u32 length, 20 bytes padded with zeros; or u32 length, its first 4 bytes, a hash
 *                of all, their address; where all columns are texts, there is no bitmap, and a NULL is the
 *                word UINT64_MAX and zeros
 *     ENCODED  [string view of the encoding: 2] [nulls...] [value: 2 words each]
 *
 * A prefix is one word put before the key by the caller: the group a distinct value belongs to.
 *
 * Invariants  L1  two keys are equal exactly when data/key.h says so, in both forms
 *             L2  the form depends on the types alone, so that a restored key finds its group
 */
#pragma once

#include "base/hash.h"
#include "data/key.h"

typedef struct wr_key_column {
    wr_type  type;
    uint16_t at;    /* word offset in the row's key */
    uint8_t  words; /* 1 to 3                        */
    bool     view;  /* a wr_string                   */
} wr_key_column;

typedef struct wr_key_layout {
    uint32_t       column_count;
    wr_key_column *columns;
    bool           prefix, encoded, has_views;
    uint32_t       nulls_at, null_words; /* 0 words: of texts, which hold it themselves */
    uint32_t       compare_words; /* the leading words that decide equality */
    uint32_t       words;         /* all a row holds                        */
    bool           keeps_values;  /* ENCODED: values are kept beside the encoding */
} wr_key_layout;

/* Columns are allocated from budget; fini frees them.  keeps_values matters to ENCODED alone. */
weir_status wr_key_layout_init(wr_key_layout *layout, wr_budget *budget, const wr_type *types,
                               uint32_t count, bool prefix, bool keeps_values);
void        wr_key_layout_fini(wr_key_layout *layout);
enum { WR_KEY_TEXT_WORDS = 3, WR_KEY_TEXT_INLINE_MAX = 20 };
/* WORDS: a text as its words; the bytes of a long one are borrowed. */
static inline void
wr_key_text_put(const wr_string *text, uint64_t *words)
{
    memcpy(words, text, sizeof *text);
    words[2] = 0;
    if (text->length <= WR_STRING_INLINE_MAX)
        return;
    if (text->length > WR_KEY_TEXT_INLINE_MAX) {
        words[1] = wr_hash_bytes(text->pointer, text->length);
        words[2] = (uint64_t) (uintptr_t) text->pointer;
        return;
    }
    memcpy(&words[1], text->pointer + 4, 8);
    memcpy(&words[2], text->pointer + text->length - 8, 8); /* of which the last length - 12 */
    words[2] >>= 8 * (20 - text->length);
}
/* The text again; it borrows the words, or the bytes they lead to. */
static inline wr_string
wr_key_text_get(const uint64_t *words)
{
    wr_string text;
    memcpy(&text, words, sizeof text);
    if (text.length > WR_KEY_TEXT_INLINE_MAX)
        text.pointer = (const char *) (uintptr_t) words[2];
    else if (text.length > WR_STRING_INLINE_MAX)
        text.pointer = (const char *) words + 4;
    return text;
}
/* Are two texts the same? */
bool wr_key_text_same(const uint64_t *a, const uint64_t *b);
/* Of rows that hold values. */
static inline bool
wr_key_is_null(const wr_key_layout *layout, const uint64_t *row, uint32_t c)
{
    return layout->null_words > 0 ? (row[layout->nulls_at + c / 64] >> (c % 64) & 1) != 0
                                  : row[layout->columns[c].at] == UINT64_MAX;
}
static inline void
wr_key_set_null(const wr_key_layout *layout, uint64_t *row, uint32_t c)
{
    uint64_t *value = row + layout->columns[c].at;
    memset(value, 0, layout->columns[c].words * sizeof *value);
    if (layout->null_words > 0)
        row[layout->nulls_at + c / 64] |= 1ull << (c % 64);
    else
        *value = UINT64_MAX;
}
/* One column whose value is one word, and its NULL bit. */
static inline bool
wr_key_is_word(const wr_key_layout *layout)
{
    return layout->column_count == 1 && layout->compare_words == 2 && !layout->encoded &&
           !layout->has_views && !layout->prefix;
}

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
    const uint32_t         *near;    /* slots that a fill of texts brings near; NULL: none       */
    uint32_t                near_bits; /* a key's slot: these leading bits of its hash           */
} wr_row_keys;

void wr_row_keys_init(wr_row_keys *keys, const wr_key_layout *layout, wr_budget *budget);
void wr_row_keys_fini(wr_row_keys *keys);
/*
 * Keys of physical rows[0..count) (NULL: 0..count) over columns[0..column_count).  prefixes: one
 * a key, or NULL without prefix.  Borrows columns and rows until the next fill.
 */
weir_status wr_row_keys_fill(wr_row_keys *keys, wr_column *const *columns, const uint16_t *rows,
                             uint32_t count, uint32_t physical, const uint64_t *prefixes);
/* The words of a column's values, of one word each; NULLs count as 0. */
void        wr_key_words_fill(const wr_column *column, const uint16_t *rows, uint32_t count,
                              uint64_t *words);
/* The hash that a key of one word has (wr_key_is_word). */
static inline uint64_t
wr_key_word_hash(uint64_t word)
{
    return wr_hash_u64(0, word);
}
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
