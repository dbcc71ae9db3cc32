/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate.h -- GROUP BY: windowed (panes), by a time key, or over the whole input.
 *
 * Input columns are what a project before it computed; output columns are
 *   the keys, in order (window_start / window_end stand among them where the spec says),
 *   then one column for each call.
 * A group's key group is that of its keys[i] >= 0, in order: an exchange to this operator hashes
 * them.
 */
#pragma once

#include "expr/aggregate.h"
#include "operator/operator.h"
#include "operator/window.h"

typedef enum wr_emit { WR_EMIT_FINAL, WR_EMIT_CHANGES } wr_emit;
typedef enum wr_late_policy { WR_LATE_DROP, WR_LATE_DEAD_LETTER, WR_LATE_UPDATE } wr_late_policy;

enum { WR_KEY_WINDOW_START = -1, WR_KEY_WINDOW_END = -2 };

typedef struct wr_aggregate_config {
    wr_window_spec     window;     /* kind NONE: no window                                   */
    uint32_t           key_count;
    const int32_t     *keys;       /* input column, or WR_KEY_WINDOW_START / _END            */
    const wr_type     *key_types;
    /* A key column that grows with event time: its group closes when its value < W + offset.  -1:
     * none (groups close at the end of input, or never).  Index into keys; excludes `window`. */
    int32_t            time_key;
    int64_t            time_key_offset;
    uint32_t           call_count;
    const wr_agg_call *calls;      /* args and filter over the input's columns               */
    wr_emit            emit;
    wr_late_policy     late;
    uint64_t           lateness_us; /* UPDATE: how long closed panes are kept for late rows  */
    uint64_t           ttl_us;     /* unwindowed groups idle for longer are dropped; 0: never */
    bool               insert_only; /* the input: nothing is ever taken back                 */
    bool               global;     /* no GROUP BY: one row even without input (of changes at once, else at the end) */
    const wr_schema   *input, *output;
} wr_aggregate_config;

extern const wr_operator_ops wr_aggregate_ops;
/* The same config with window.kind SESSION. */
extern const wr_operator_ops wr_session_aggregate_ops;
