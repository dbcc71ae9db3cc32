/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/upserts.h -- changes of rows with a unique key, as rows that replace each other by it.
 */
#pragma once

#include "data/batch.h"

/*
 * Of each key the last row of the batch: a new row stands for the key from here on, a row with diff
 * -1 that no new one follows takes the key away.  schema->key is unique among the rows that stand.
 * *out is owned by the caller; NULL when nothing is left.  It may be batch itself, retained.
 */
weir_status wr_batch_upserts(wr_budget *budget, wr_batch *batch, const wr_schema *schema,
                             wr_batch **out);
/* The schema of such rows: shares schema's fields and key. */
wr_schema wr_schema_upserts(const wr_schema *schema);
/*
 * The column `_op` of a relation that is read as upserts, which says whether a row comes or goes; -1:
 * none.  It is the schema's last; a record that gives values by position has it first, or not at all.
 */
int32_t wr_schema_op_column(const wr_schema *schema);
