/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/window.c -- the arithmetic of windows (see window.h).
 *
 * The ends of a spec's windows lie `slide` apart in every kind, so walking windows in order of
 * their ends is adding slide:
 *
 *     hop, size 10, slide 4:     [-8,2) [-4,6) [0,10) [4,14)      ends 2, 6, 10, 14
 *     cumulate, size 9, slide 3: [0,3) [0,6) [0,9) [9,12)         ends 3, 6, 9, 12
 *
 * Invariants  W1  a window [start, end) holds exactly the times start <= t < end
 *             W2  no function here overflows for a time wr_window_can_hold accepts
 */
#include "operator/window.h"

#include "data/datetime.h"

weir_status
wr_window_check(const wr_window_spec *spec, weir_error *err)
{
    bool hops = spec->kind == WR_WINDOW_HOP || spec->kind == WR_WINDOW_CUMULATE;
    if (spec->kind == WR_WINDOW_NONE)
        return WEIR_OK;
    if (spec->size <= 0)
        return wr_error_set(err, WEIR_QUERY_WINDOW, "the window's size must be greater than zero");
    if (spec->size > INT64_MAX / 8)
        return wr_error_set(err, WEIR_QUERY_WINDOW, "the window's size is too large");
    if (spec->kind == WR_WINDOW_SESSION)
        return WEIR_OK;
    if (spec->slide <= 0)
        return wr_error_set(err, WEIR_QUERY_WINDOW, "the window's slide must be greater than zero");
    if (spec->slide > spec->size)
        return wr_error_set(err, WEIR_QUERY_WINDOW,
                            "the window's slide must not be greater than its size");
    if (spec->kind == WR_WINDOW_CUMULATE && spec->size % spec->slide != 0)
        return wr_error_set(err, WEIR_QUERY_WINDOW,
                            "the window's size must be a multiple of its step");
    if (hops && spec->size / spec->slide >= WR_WINDOWS_PER_ROW_MAX)
        return wr_error_set(err, WEIR_QUERY_WINDOW,
                            "each row would be in %lld windows; at most %d are allowed",
                            (long long) (spec->size / spec->slide), WR_WINDOWS_PER_ROW_MAX);
    return WEIR_OK;
}

bool
wr_window_can_hold(const wr_window_spec *spec, wr_time t)
{
    return t > WR_TIME_NEGINF + 4 * spec->size &&
           t < WR_TIME_POSINF - WR_MAX(4 * spec->size, (int64_t) WR_DATE_POSINF); /* no date that is past timestamps */
}

wr_time
wr_window_align(wr_time t, int64_t width, int64_t offset)
{
    int64_t phase = offset % width;
    int64_t into = (t - phase) % width;
    return t - (into < 0 ? into + width : into);
}

wr_time
wr_window_last_end(const wr_window_spec *spec, wr_time t)
{
    int64_t step = spec->kind == WR_WINDOW_HOP ? spec->slide : spec->size;
    return wr_window_align(t, step, spec->offset) + spec->size;
}

wr_time
wr_window_first_end(const wr_window_spec *spec, wr_time t)
{
    switch (spec->kind) {
    case WR_WINDOW_HOP: /* the first start above t - size */
        return wr_window_align(t - spec->size, spec->slide, spec->offset) + spec->slide +
               spec->size;
    case WR_WINDOW_CUMULATE: {
        wr_time start = wr_window_align(t, spec->size, spec->offset);
        return wr_window_align(t, spec->slide, start) + spec->slide;
    }
    default:
        return wr_window_last_end(spec, t);
    }
}

wr_time
wr_window_start_of(const wr_window_spec *spec, wr_time end)
{
    if (spec->kind == WR_WINDOW_CUMULATE)
        return wr_window_align(end - 1, spec->size, spec->offset);
    return end - spec->size;
}

uint32_t
wr_window_assign(const wr_window_spec *spec, wr_time t, wr_time *starts, wr_time *ends,
                 uint32_t max)
{
    wr_assert(spec->kind == WR_WINDOW_TUMBLE || spec->kind == WR_WINDOW_HOP
              || spec->kind == WR_WINDOW_CUMULATE);
    if (!wr_window_can_hold(spec, t))
        return 0;
    wr_time  last = wr_window_last_end(spec, t);
    uint32_t count = 0;
    for (wr_time end = wr_window_first_end(spec, t); end <= last && count < max;
         end += spec->slide) {
        starts[count] = wr_window_start_of(spec, end);
        ends[count] = end;
        wr_debug_assert(starts[count] <= t && t < end); /* W1 */
        count++;
    }
    return count;
}

int64_t
wr_window_pane(const wr_window_spec *spec)
{
    int64_t a = spec->size, b = spec->slide;
    while (b != 0) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}
