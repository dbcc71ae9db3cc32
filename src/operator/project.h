/* SPDX-License-Identifier: Apache-2.0 */
/* operator/project.h -- compute the output columns, one expression each (see project.c). */
#pragma once

#include "operator/operator.h"

typedef struct wr_project_config {
    uint32_t              count;
    const wr_expr *const *exprs;
} wr_project_config;

extern const wr_operator_ops wr_project_ops;
