/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/sort.h -- ORDER BY / LIMIT / OFFSET / FETCH WITH TIES on bounded input: emits at the end.
 * With keys and a limit keeps only the best offset + limit rows.
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_sort_key {
    uint32_t column;
    bool     descending, nulls_first;
} wr_sort_key;

typedef struct wr_sort_config {
    uint32_t           key_count;
    const wr_sort_key *keys;
    uint64_t           limit;  /* UINT64_MAX: none */
    uint64_t           offset;
    bool               with_ties;
    const wr_schema   *schema;
} wr_sort_config;

extern const wr_operator_ops wr_sort_ops;
