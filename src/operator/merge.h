/* SPDX-License-Identifier: Apache-2.0 */
/* operator/merge.h -- UNION ALL: rows of all ports, columns by position (see merge.c). */
#pragma once

#include "operator/operator.h"

typedef struct wr_merge_config {
    uint32_t port_count;
} wr_merge_config;

extern const wr_operator_ops wr_merge_ops;
