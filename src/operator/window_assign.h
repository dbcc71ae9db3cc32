/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/window_assign.h -- FROM tumble(rel, ts, ...) without aggregation: each row once for each
 * window it is in, with window_start and window_end appended (see window_assign.c).  Never drops
 * late rows.
 */
#pragma once

#include "operator/window.h"
#include "operator/operator.h"

typedef struct wr_window_assign_config {
    wr_window_spec window; /* not SESSION                                             */
    wr_type        type;   /* of window_start/end: the time column's (date gives timestamp) */
} wr_window_assign_config;

extern const wr_operator_ops wr_window_assign_ops;
