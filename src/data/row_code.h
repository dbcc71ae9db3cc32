/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/row_code.h -- rows as bytes: an order that memcmp sees, and contents to be given back.
 *
 * Order keys: the bytes of two rows compare (memcmp, shorter first) as ORDER BY would have it; no
 * key's bytes are the beginning of another's.  Contents: every column's value exactly as it came, a
 * numeric with its display scale.  Equal bytes mean the same row.  Both are part of the checkpoint
 * format.
 */
#pragma once

#include "data/batch.h"

/* Can values of the type be put in order by their bytes?  (not json, jsonb, arrays) */
bool wr_order_key_can(wr_type type);
/* Append the order key of one value. */
void wr_order_key_put(wr_text *to, const wr_value *value, bool descending, bool nulls_first);
/* Append that of a physical row of a column. */
weir_status wr_order_key_put_row(wr_text *to, const wr_column *column, uint32_t row, bool descending,
                                 bool nulls_first, wr_arena *scratch);

/* Append a physical row's contents: column_count columns; an absent column (B6) is NULL. */
weir_status wr_row_put(wr_text *to, const wr_batch *batch, uint32_t row, wr_arena *scratch);
/* One value more. */
void wr_row_put_value(wr_text *to, const wr_value *value);
/* The values of contents; they borrow the bytes.  CHECKPOINT_CORRUPT when damaged. */
weir_status wr_row_get(const char *bytes, size_t length, const wr_schema *schema, wr_value *values);
