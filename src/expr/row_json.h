/* SPDX-License-Identifier: Apache-2.0 */
/* expr/row_json.h -- a row as a jsonb object, by the names of its columns. */
#pragma once

#include "data/batch.h"
#include "data/schema.h"

/*
 * Physical row `row` of batch, visible or not.  Names are the schema's when it has as many fields as the
 * batch has columns, else column1, column2, ...; a name that comes twice keeps its last value.
 * The bytes lie in arena.  MEMORY; LIMIT when it is more than a jsonb may be.
 */
weir_status wr_row_to_jsonb(const wr_batch *batch, uint32_t row, const wr_schema *schema,
                            wr_arena *arena, wr_string *out);
