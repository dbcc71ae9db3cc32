/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/debezium_impl.h -- the envelope (debezium.c) and its values (debezium_value.c).
 */
#pragma once

#include "data/json.h"
#include "format/cell_impl.h"
#include "format/debezium.h"

/*
 * One member of a row into its column, as the connector encodes the column's type.  field: what the
 * record's own schema says of the member, NULL when it says nothing.  Errors: 3xxx with
 * scratch->error filled, or WEIR_MEMORY.
 */
weir_status wr_debezium_put(const wr_debezium_decode_config *config, wr_cell *cell,
                            wr_column *column, uint32_t row, const wr_json *value,
                            const wr_json *field, wr_cell_scratch *scratch);
