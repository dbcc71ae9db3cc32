/* SPDX-License-Identifier: Apache-2.0 */
/* state/group_table_impl.h -- the rows of a table: chunks, ids, the store. */
#pragma once

#include "state/group_table.h"

enum { CHUNK_BYTES = 16 * 1024 };

/* An id with a row that may be written; from the dead ones first.  Keeps room to give one back. */
weir_status wr_group_rows_take(wr_group_table *table, uint32_t *id);
weir_status wr_group_rows_reserve_free(wr_group_table *table);
/* All rows go. */
void wr_group_rows_drop(wr_group_table *table);
/* All rows go; the memory of chunks and store that nobody else holds stays. */
void wr_group_rows_recycle(wr_group_table *table);
