/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/window.h -- what a window is: pure arithmetic shared by assignment, aggregation, planning.
 *
 * Windows are [start, end) on microseconds, aligned to 1970-01-01 00:00 UTC plus `offset`.  A row is
 * late for a window when window end <= watermark (+ the column's offset) at its arrival.
 */
#pragma once

#include "data/schema.h"

typedef enum wr_window_kind {
    WR_WINDOW_NONE,
    WR_WINDOW_TUMBLE,
    WR_WINDOW_HOP,      /* slide <= size; size need not be a multiple of slide  */
    WR_WINDOW_CUMULATE, /* ends every `slide` within a span of `size`           */
    WR_WINDOW_SESSION,  /* size is the gap; inclusive: an event one gap later joins; end = last + gap */
} wr_window_kind;

enum { WR_WINDOWS_PER_ROW_MAX = 10000 };

typedef struct wr_window_spec {
    wr_window_kind kind;
    int64_t        size, slide, offset; /* microseconds; TUMBLE: slide == size */
    uint32_t       time_column;         /* of the input                        */
    int64_t        watermark_offset;    /* of that column; WR_NO_WATERMARK: never closes before the end */
} wr_window_spec;

/* Refuse sizes <= 0, slide > size, too many windows a row.  err as QUERY_WINDOW. */
weir_status wr_window_check(const wr_window_spec *spec, weir_error *err);
/* Floor division aligned to offset: the start of the pane of `width` that holds t. */
wr_time     wr_window_align(wr_time t, int64_t width, int64_t offset);
/* TUMBLE/HOP/CUMULATE: starts and ends of the windows holding t, ascending by end; returns the count (<= max). */
uint32_t    wr_window_assign(const wr_window_spec *spec, wr_time t, wr_time *starts, wr_time *ends,
                             uint32_t max);
/* Pane width: gcd of size and slide. */
int64_t     wr_window_pane(const wr_window_spec *spec);
