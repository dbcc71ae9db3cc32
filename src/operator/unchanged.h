/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/unchanged.h -- leave out changes that change nothing (see unchanged.c).
 */
#pragma once

#include "operator/operator.h"

typedef struct wr_unchanged_config {
    uint32_t key_count;
    const uint32_t
        *keys; /* columns by which an old row finds its new one; none: one row stands at a time */
} wr_unchanged_config;

extern const wr_operator_ops wr_unchanged_ops;
