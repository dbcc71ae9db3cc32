/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_rolling.h -- window functions in the order of event time over input that does not
 * end: each row is answered once, when the watermark has passed it (see over_rolling.c).
 *
 * Output columns: the input's, then one a call.
 */
#pragma once

#include "operator/over.h"

typedef struct wr_over_rolling_config {
    const wr_over_config
        *over; /* all calls order by time_column first, ascending, look back alone */
    uint32_t time_column;
    int64_t time_offset;
    bool all;            /* some call looks back without bound     */
    int64_t reach_us;    /* how far back in time calls look        */
    uint64_t reach_rows; /* how many rows back                     */
    bool keep_untimed;   /* rows without a time come out at the end; else they are dropped */
    uint64_t ttl_us;     /* a gap longer than this starts a partition anew; 0: never */
} wr_over_rolling_config;

extern const wr_operator_ops wr_over_rolling_ops;
