/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/window.h -- what a window is: pure arithmetic shared by assignment, aggregation,
 * planning.
 *
 * Windows are [start, end) on microseconds, aligned to 1970-01-01 00:00 UTC plus `offset`.  A row
 * is late for a window when window end <= watermark (+ the column's offset) at its arrival.
 */
#pragma once

#include "data/schema.h"

typedef enum wr_window_kind {
    WR_WINDOW_NONE,
    WR_WINDOW_TUMBLE,
    WR_WINDOW_HOP,      /* slide <= size; size need not be a multiple of slide  */
    WR_WINDOW_CUMULATE, /* ends every `slide` within a span of `size`           */
    WR_WINDOW_SESSION,  /* size is the gap; an event one gap later joins; end = last + gap */
} wr_window_kind;

enum { WR_WINDOWS_PER_ROW_MAX = 10000 };

typedef struct wr_window_spec {
    wr_window_kind kind;
    int64_t        size, slide, offset; /* microseconds; TUMBLE: slide == size */
    uint32_t       time_column;         /* of the input                        */
    int64_t        watermark_offset;    /* of that column; WR_NO_WATERMARK: closes at the end */
} wr_window_spec;

/* Refuse sizes <= 0, slide > size, too many windows a row.  err as QUERY_WINDOW. */
weir_status wr_window_check(const wr_window_spec *spec, weir_error *err);
/* Floor division aligned to offset: the start of the pane of `width` that holds t. */
wr_time     wr_window_align(wr_time t, int64_t width, int64_t offset);
/* TUMBLE/HOP/CUMULATE: starts and ends of the windows holding t, ascending by end; returns the
 * count (<= max). */
uint32_t    wr_window_assign(const wr_window_spec *spec, wr_time t, wr_time *starts, wr_time *ends,
                             uint32_t max);
/* Pane width: gcd of size and slide. */
int64_t     wr_window_pane(const wr_window_spec *spec);
/* Can t be in a window at all?  The infinities and times within two sizes of them cannot. */
bool        wr_window_can_hold(const wr_window_spec *spec, wr_time t);
/* The end of the first window that holds t, of the last one, and of the next after one of them. */
wr_time     wr_window_first_end(const wr_window_spec *spec, wr_time t);
wr_time     wr_window_last_end(const wr_window_spec *spec, wr_time t);
wr_time     wr_window_start_of(const wr_window_spec *spec, wr_time end);

/* A watermark as a column with `offset` sees it: saturating, START and END stay; with
 * WR_NO_WATERMARK only the end of time is ever reached. */
static inline wr_time
wr_watermark_shift(wr_time watermark, int64_t offset)
{
    wr_time shifted;
    if (watermark == WR_TIME_START || watermark == WR_TIME_END)
        return watermark;
    if (offset == WR_NO_WATERMARK)
        return WR_TIME_START;
    if (__builtin_add_overflow(watermark, offset, &shifted))
        return offset < 0 ? WR_TIME_NEGINF : WR_TIME_POSINF;
    return shifted;
}
