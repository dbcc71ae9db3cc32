/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/settled.h -- a column more: up to which time the row's own side was settled when it came.
 *
 * Where several inputs meet, a row is judged by the least of their watermarks; what its own source had
 * promised must be told before.
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_settled_config {
    uint32_t column_count; /* of the input; the new column, a timestamp, stands behind them */
    int64_t  offset;       /* watermark offset of the time that is meant; WR_NO_WATERMARK: all NULL */
} wr_settled_config;

extern const wr_operator_ops wr_settled_ops;
