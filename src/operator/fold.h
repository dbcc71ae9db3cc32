/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/fold.h -- changes folded to the rows that are left, when the input ends: what operators
 * that want rows that stay are given (see fold.c).
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_fold_config {
    uint32_t key_count; /* columns rows were exchanged by; 0: all on one shard */
    const uint32_t *keys;
    const wr_schema *schema;
} wr_fold_config;

extern const wr_operator_ops wr_fold_ops;
