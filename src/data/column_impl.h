/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/column_impl.h -- what the files of column.h share: column.c, column_write.c, column_make.c.
 */
#pragma once

#include "data/column.h"

/* Beyond this many heaps an append copies strings instead of pinning one buffer more. */
enum { WR_COLUMN_HEAPS_MAX = 64 };
/* Digits that surely fit: what DEC64 and DEC128 are used for. */
enum { WR_DEC64_DIGITS = 18, WR_DEC128_DIGITS = 38 };

static inline size_t
wr_bitmap_words(uint32_t rows)
{
    return rows > 0 ? ((size_t) rows + 63) / 64 : 1;
}

static inline bool
wr_column_holds_views(const wr_column *c)
{
    return c->type.id == WR_NUMERIC ? c->form == WR_NUM : wr_type_is_string(c->type);
}

/* Make a numeric FLAT column's form and scale what is said; the first `rows` rows become zero data.
 * For columns whose rows so far are none or all NULL. */
weir_status wr_column_reform(wr_column *column, uint32_t rows, wr_decimal_form form, int scale);
/* True when none of the first `rows` rows has a value. */
bool wr_column_all_null(const wr_column *column, uint32_t rows);
