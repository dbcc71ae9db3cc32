/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/moving_filter.h -- conditions on now(): a row comes out when its time has come and is
 * taken back when it is over (see moving_filter.c).
 *
 * Each bound is a time of the row, moved: the row is there from max(from) on, and until min(until).
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_moving_bound {
    const wr_expr
        *time;     /* over the input: a date, timestamp or timestamptz; NULL: the row stays out */
    int64_t shift; /* microseconds added to it */
    bool until;    /* the row is there while now < time + shift; else while now >= time + shift */
} wr_moving_bound;

typedef struct wr_moving_filter_config {
    uint32_t bound_count;
    const wr_moving_bound *bounds;
    uint32_t key_count; /* columns rows were exchanged by */
    const uint32_t *keys;
    const wr_schema *schema;
} wr_moving_filter_config;

extern const wr_operator_ops wr_moving_filter_ops;
