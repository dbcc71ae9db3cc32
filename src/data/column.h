/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/column.h -- one column of a batch: typed values, validity, the strings they point into.
 *
 * Place       made by decoders and kernels, shared by batches; read by everyone.
 * State       refcounted.  While refs == 1 and not yet emitted its maker writes it; afterwards it
 *             is immutable.
 * Layouts     FLAT        data[row]
 *             CONSTANT    data[0] for every row
 *             DICTIONARY  dictionary->data[((uint16_t *) data)[row]]; the dictionary is FLAT and has
 *                         the validity and strings; this column's own `valid` is NULL
 * Numeric     `form` says which: DEC64 int64 and DEC128 wr_int128 are value * 10^scale, with the
 *             column's one scale (it is also the display scale of every value); NUM are wr_string views of num (numeric.h).
 *             A decimal column never holds NaN or infinity; overflow promotes the column.
 * Invariants  C1  valid == NULL means no row is NULL; else bit r%64 of word r/64 set = row r has a
 *                 value (index 0 alone counts for CONSTANT)
 *             C2  a NULL row's data is zeroed, so that kernels may compute on it
 *             C3  every string longer than 12 bytes points into one of `heaps` (or into the dictionary's)
 */
#pragma once

#include "data/buffer.h"
#include "data/numeric.h"
#include "data/value.h"

enum { WR_BATCH_ROWS_MAX = 4096 };

typedef enum wr_layout { WR_FLAT, WR_CONSTANT, WR_DICTIONARY } wr_layout;
typedef enum wr_decimal_form { WR_NUM, WR_DEC64, WR_DEC128 } wr_decimal_form;

typedef struct wr_column {
    _Atomic uint32_t   refs;
    wr_type            type;
    uint8_t            layout;    /* wr_layout                                         */
    uint8_t            form;      /* wr_decimal_form; 0 unless numeric                 */
    uint16_t           heap_count, heap_capacity;
    int16_t            scale;     /* DEC64, DEC128                                     */
    uint32_t           capacity;  /* rows data and valid have room for                 */
    void              *data;
    uint64_t          *valid;     /* NULL: no NULLs                                    */
    struct wr_column  *dictionary;
    wr_buffer        **heaps;     /* each retained; the last may have room for more    */
    wr_budget         *budget;    /* borrowed                                          */
} wr_column;

/* Returns owned (refs 1), FLAT, data NOT zeroed, valid NULL.  capacity 0 is allowed.  NULL: no memory.
 * For numeric the form is NUM; see wr_column_create_decimal. */
wr_column *wr_column_create(wr_budget *budget, wr_type type, uint32_t capacity);
/* The same for a decimal: form DEC64 or DEC128 with its scale. */
wr_column *wr_column_create_decimal(wr_budget *budget, wr_type type, wr_decimal_form form, int scale,
                                    uint32_t capacity);
/* One value for every row.  Copies strings into a heap of its own; a numeric takes the narrowest form. */
wr_column *wr_column_create_constant(wr_budget *budget, const wr_value *value);
/* A DICTIONARY column with room for `capacity` uint16 indexes (not zeroed).  Retains the FLAT dictionary. */
wr_column *wr_column_create_dictionary(wr_budget *budget, wr_column *dictionary, uint32_t capacity);
static inline wr_column *
wr_column_retain(wr_column *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}
void wr_column_release(wr_column *column); /* NULL is allowed */

/* Bytes of one value, by type and form (for DICTIONARY: of one value of the dictionary). */
size_t wr_column_width(const wr_column *column);
/* The whole weight: struct, data, bitmap, heaps (shared ones counted fully). */
size_t wr_column_bytes(const wr_column *column);

/* --- writing, by the maker alone --- */

/* Make room for `capacity` rows, keeping the first `rows` (FLAT only). */
weir_status wr_column_reserve(wr_column *column, uint32_t rows, uint32_t capacity);
/* Allocate the bitmap with all rows valid, if there is none. */
weir_status wr_column_need_valid(wr_column *column);
/* Mark a row NULL and zero it (C2). */
weir_status wr_column_set_null(wr_column *column, uint32_t row);
/* Copy bytes into the column's heap and set the row's view; inline strings need no heap. */
weir_status wr_column_set_string(wr_column *column, uint32_t row, const char *bytes, size_t length);
/* Room in the heap for a string to be written in place; NULL: no memory. Follow with wr_column_set_view. */
char       *wr_column_heap_alloc(wr_column *column, size_t bytes);
static inline void
wr_column_set_view(wr_column *c, uint32_t row, wr_string view)
{
    ((wr_string *) c->data)[row] = view;
}
/* Keep another column's heaps (or a buffer) alive with this one, so that views may be copied bare. */
weir_status wr_column_adopt_heaps(wr_column *column, const wr_column *from);
weir_status wr_column_adopt_buffer(wr_column *column, wr_buffer *buffer); /* retains */
/* Any value, checked cast-free: value->type must be the column's (numeric: converted to the column's
 * form, promoting the column DEC64 -> DEC128 -> NUM when it does not fit; rows < row are kept). */
weir_status wr_column_set_value(wr_column *column, uint32_t row, const wr_value *value);
/* Change form and/or scale of the first `rows` of a FLAT numeric column owned by the caller. DEC->wider DEC or NUM. */
weir_status wr_column_promote(wr_column *column, uint32_t rows, wr_decimal_form form, int scale);

/* --- reading --- */

static inline uint32_t
wr_column_index(const wr_column *c, uint32_t row)
{
    return c->layout == WR_FLAT ? row : c->layout == WR_CONSTANT ? 0 : ((const uint16_t *) c->data)[row];
}
/* The column whose data and valid the index above refers to: itself, or the dictionary. */
static inline const wr_column *
wr_column_base(const wr_column *c)
{
    return c->layout == WR_DICTIONARY ? c->dictionary : c;
}
static inline bool
wr_bitmap_get(const uint64_t *bitmap, uint32_t i)
{
    return (bitmap[i >> 6] >> (i & 63)) & 1;
}
static inline void
wr_bitmap_set(uint64_t *bitmap, uint32_t i)
{
    bitmap[i >> 6] |= 1ull << (i & 63);
}
static inline void
wr_bitmap_clear(uint64_t *bitmap, uint32_t i)
{
    bitmap[i >> 6] &= ~(1ull << (i & 63));
}
static inline bool
wr_column_is_null(const wr_column *c, uint32_t row)
{
    const wr_column *base = wr_column_base(c);
    return base->valid != NULL && !wr_bitmap_get(base->valid, wr_column_index(c, row));
}
/* Box one row.  Strings are borrowed from the column; a decimal is written as a num into arena. */
weir_status wr_column_get_value(const wr_column *column, uint32_t row, wr_arena *arena, wr_value *out);
/* A decimal row as a scaled integer; the caller knows it is DEC64 or DEC128. */
static inline wr_int128
wr_column_get_decimal(const wr_column *c, uint32_t row)
{
    const wr_column *b = wr_column_base(c);
    uint32_t         i = wr_column_index(c, row);
    return b->form == WR_DEC64 ? ((const int64_t *) b->data)[i] : ((const wr_int128 *) b->data)[i];
}

/* --- making one from another; all return owned, NULL when memory is out --- */

/* rows[0..count) of column as a FLAT column; string heaps are adopted, not copied. */
wr_column *wr_column_gather(wr_budget *budget, const wr_column *column, const uint16_t *rows,
                            uint32_t count);
/* FLAT form of `rows` rows: column itself (retained) when it is FLAT already. */
wr_column *wr_column_flatten(wr_budget *budget, wr_column *column, uint32_t rows);
/* Append count rows of `from` (any layout; rows NULL = the first count) to FLAT `to` at row `at`; grows it.
 * Numeric forms are reconciled.  copy_strings: long strings are copied to to's own heap, else heaps are adopted. */
weir_status wr_column_append(wr_column *to, uint32_t at, const wr_column *from, const uint16_t *rows,
                             uint32_t count, bool copy_strings);
/* Debug: C1..C3 hold for the first `rows` rows. */
void wr_column_check(const wr_column *column, uint32_t rows);
