/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/event_time.h -- the event times of a batch's rows, gathered once for everything that
 * follows.
 */
#pragma once

#include "operator/window.h"
#include "expr/expr.h"

typedef struct wr_event_times {
    uint32_t count;                    /* rows that have a time a window can hold */
    uint32_t missing;                  /* rows left out: NULL, or near an infinity */
    wr_time  min, max;                 /* over rows[0..count); undefined when there are none */
    uint16_t rows[WR_BATCH_ROWS_MAX];  /* physical, ascending */
    wr_time  times[WR_BATCH_ROWS_MAX]; /* microseconds; of rows[i] */
} wr_event_times;

/*
 * Times of `rows` of a date, timestamp or timestamptz column.  spec NULL: every non-NULL time
 * counts, the infinities too (as WR_TIME_NEGINF / POSINF).
 */
void    wr_event_times_read(wr_event_times *times, const wr_column *column, wr_rows rows,
                            const wr_window_spec *spec);
/* One row, which is not NULL. */
wr_time wr_event_time_get(const wr_column *column, uint32_t row);
wr_time wr_event_time_value(const wr_value *value);
