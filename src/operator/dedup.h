/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/dedup.h -- the first row of each key within a span of event time (see dedup.c).
 *
 * Output columns: the input's.
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_dedup_config {
    uint32_t        key_count; /* at least one; NULLs are equal */
    const uint32_t *keys;
    uint32_t        time_column;
    int64_t         time_offset; /* WR_NO_WATERMARK: nothing is late, all comes out at the end */
    int64_t         span_us;     /* above 0 */
    const wr_schema *schema;     /* of the input, and of what comes out */
} wr_dedup_config;

extern const wr_operator_ops wr_dedup_ops;
