/* SPDX-License-Identifier: Apache-2.0 */
/* operator/filter.h -- keep the rows for which a predicate is true (see filter.c). */
#pragma once

#include "operator/operator.h"

typedef struct wr_filter_config {
    const wr_expr *predicate; /* boolean, over the input's columns; NULL: true, all of it was looked up in an index */
} wr_filter_config;

extern const wr_operator_ops wr_filter_ops;
