/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_assign.c -- which row goes into which pane, and what is late (design 12.1).
 *
 * A row is judged by its own watermark w: it misses a window when end + lateness <= w.  A row
 * that misses some of its windows goes, where panes serve several windows, into a variant of its
 * pane that the windows it missed do not see:
 *
 *     hop 10 s by 5 s, a row at 12 s with w = 15 s while [5, 15) has not closed here yet
 *       pane [10, 15)                 seen by [5, 15) and [10, 20)
 *       pane [10, 15) open after 15   seen by [10, 20) alone: the row is there
 *
 * Invariants  L1  the panes of a row depend on its time and its watermark, never on the batch
 *             L2  rows of a pane keep their order
 * Cost        one division a batch when its rows fall into one pane and none can be late; else one
 *             comparison a row while rows stay in a pane, a division when they move.
 */
#include "operator/aggregate_impl.h"

static void
count_add(_Atomic uint64_t *counter, uint64_t n)
{
    if (n > 0)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* A flat column without NULLs, all of whose times a window can hold: a copy and its bounds. */
static bool
times_read_flat(aggregate *a, const wr_column *c)
{
    agg_step      *s = a->step;
    const wr_time *data = c->data;
    wr_time        min = WR_TIME_END, max = WR_TIME_START;
    if (c->layout != WR_FLAT || c->valid != NULL || c->type.id == WR_DATE)
        return false;
    for (uint32_t i = 0; i < s->count; i++) {
        wr_time t = data[s->dense ? i : s->rows[i]];
        s->times[i] = t;
        min = WR_MIN(min, t);
        max = WR_MAX(max, t);
    }
    s->time_min = min;
    s->time_max = max;
    return a->mode == AGG_BY_TIME || s->count == 0 ||
           (wr_window_can_hold(&a->config->window, min) &&
            wr_window_can_hold(&a->config->window, max));
}

void
wr_agg_times_read(aggregate *a, const wr_batch *in)
{
    agg_step *s = a->step;
    if (a->mode == AGG_WHOLE)
        return;
    bool             window = a->mode != AGG_BY_TIME;
    int32_t          column = window ? (int32_t) a->config->window.time_column
                                     : a->config->keys[a->config->time_key];
    const wr_column *c = in->columns[column];
    wr_time          min = WR_TIME_END, max = WR_TIME_START;
    uint32_t         kept = 0;
    if (times_read_flat(a, c))
        return;
    for (uint32_t i = 0; i < s->count; i++) {
        uint32_t row = s->rows[i];
        bool     null = wr_column_is_null(c, row);
        wr_time  t = null ? WR_TIME_END : wr_event_time_get(c, row);
        if (window && (null || !wr_window_can_hold(&a->config->window, t)))
            continue; /* in no window */
        s->rows[kept] = (uint16_t) row;
        s->times[kept++] = t;
        min = WR_MIN(min, t);
        max = WR_MAX(max, t);
    }
    count_add(&a->ctx->counters.rows_null_time, s->count - kept);
    s->dense &= kept == s->count;
    s->count = kept;
    s->time_min = min;
    s->time_max = max;
}

/* --- assignments --- */

static weir_status
touch(aggregate *a, wr_pane *pane)
{
    agg_step  *s = a->step;
    wr_budget *budget = a->ctx->flow;
    a->stale |= pane->slid;
    if (s->touched_count == s->touched_capacity) {
        uint32_t capacity = WR_MAX(8u, s->touched_capacity * 2);
        void    *touched = wr_realloc(budget, s->touched, capacity * sizeof *s->touched);
        if (touched == NULL)
            return WEIR_MEMORY;
        s->touched = touched;
        s->touched_capacity = capacity;
    }
    pane->touched = true;
    s->touched[s->touched_count++] = pane;
    return WEIR_OK;
}

/* Row i of the step goes into pane (L2: appended to its list). */
static weir_status
assign(aggregate *a, wr_pane *pane, uint32_t i)
{
    agg_step *s = a->step;
    if (s->assigned + 1 >= s->assigned_capacity) {
        uint32_t capacity = WR_MAX(1024u, s->assigned_capacity * 2);
        void *rows = wr_realloc(a->ctx->flow, s->assigned_row, capacity * sizeof *s->assigned_row);
        if (rows == NULL)
            return WEIR_MEMORY;
        s->assigned_row = rows;
        void *next =
            wr_realloc(a->ctx->flow, s->assigned_next, capacity * sizeof *s->assigned_next);
        if (next == NULL)
            return WEIR_MEMORY;
        s->assigned_next = next;
        s->assigned_capacity = capacity;
    }
    uint32_t n = ++s->assigned; /* from 1: 0 ends a list */
    s->assigned_row[n] = (uint16_t) i;
    s->assigned_next[n] = 0;
    if (!pane->touched) {
        WR_TRY(touch(a, pane));
        pane->first = n;
    } else {
        s->assigned_next[pane->last] = n;
    }
    pane->last = n;
    return WEIR_OK;
}

static weir_status
pane_open(aggregate *a, wr_time start, wr_time end, wr_time open_after, wr_pane **pane)
{
    WR_TRY(wr_pane_ring_open(&a->ring, start, end, open_after, pane));
    (*pane)->closed |= a->config->emit == WR_EMIT_FINAL && a->mode != AGG_BY_PANE &&
                       end <= a->closed;
    return WEIR_OK;
}

/* Has everything that ends at `end` been missed by a row of effective watermark w? */
static bool
is_late(const aggregate *a, wr_time end, wr_time w)
{
    wr_time last;
    if (__builtin_add_overflow(end, a->lateness, &last))
        return false;
    return last <= w;
}

static void
late_row(aggregate *a, uint32_t i)
{
    agg_step *s = a->step;
    s->late[s->late_count++] = s->rows[i];
}

/* --- by mode --- */

/* A time key's group closes when its value < W; the infinite one and NULL (WR_TIME_END) at the
 * end. */
static wr_time
time_key_end(wr_time t)
{
    return t >= WR_TIME_POSINF ? t : t + 1;
}

static weir_status
assign_by_time(aggregate *a, uint32_t i, wr_time w, wr_pane **cached)
{
    agg_step *s = a->step;
    wr_time   t = s->times[i];
    wr_time   end = time_key_end(t);
    if (end != WR_TIME_END && is_late(a, end, w)) {
        count_add(&a->ctx->counters.windows_late, 1);
        late_row(a, i);
        return WEIR_OK;
    }
    if (*cached == NULL || (*cached)->end != end) {
        WR_TRY(pane_open(a, t, end, WR_TIME_START, cached));
        (*cached)->null_time = t == WR_TIME_END;
    }
    return assign(a, *cached, i);
}

static weir_status
assign_by_window(aggregate *a, uint32_t i, wr_time w, wr_pane **cached)
{
    const wr_window_spec *spec = &a->config->window;
    agg_step             *s = a->step;
    wr_time               t = s->times[i];
    if (spec->kind == WR_WINDOW_TUMBLE && *cached != NULL && t >= (*cached)->start &&
        t < (*cached)->end && !is_late(a, (*cached)->end, w))
        return assign(a, *cached, i);
    wr_time  last = wr_window_last_end(spec, t);
    uint32_t missed = 0, taken = 0;
    for (wr_time end = wr_window_first_end(spec, t); end <= last; end += spec->slide) {
        if (is_late(a, end, w)) {
            missed++;
            continue;
        }
        WR_TRY(pane_open(a, wr_window_start_of(spec, end), end, WR_TIME_START, cached));
        WR_TRY(assign(a, *cached, i));
        taken++;
    }
    count_add(&a->ctx->counters.windows_late, missed);
    if (taken == 0)
        late_row(a, i);
    return WEIR_OK;
}

static weir_status
assign_by_pane(aggregate *a, uint32_t i, wr_time w, wr_pane **cached)
{
    const wr_window_spec *spec = &a->config->window;
    agg_step             *s = a->step;
    wr_time               t = s->times[i];
    wr_time               first = wr_window_first_end(spec, t);
    wr_time               open_after = WR_TIME_START;
    if (WR_UNLIKELY(first <= w)) {
        wr_time  last = wr_window_last_end(spec, t);
        uint64_t missed = (uint64_t) (WR_MIN(last, w) - first) / (uint64_t) spec->slide + 1;
        count_add(&a->ctx->counters.windows_late, missed);
        if (last <= w) {
            late_row(a, i);
            return WEIR_OK;
        }
        wr_time newest = first + (int64_t) (missed - 1) * spec->slide;
        if (newest > a->closed) /* it has not closed here yet */
            open_after = newest;
    }
    if (*cached == NULL || t < (*cached)->start || t >= (*cached)->end ||
        (*cached)->open_after != open_after) {
        wr_time start = wr_window_align(t, a->pane_width, spec->offset);
        WR_TRY(pane_open(a, start, start + a->pane_width, open_after, cached));
    }
    return assign(a, *cached, i);
}

/* Everything into one pane, when one division can tell. */
static weir_status
assign_single(aggregate *a, wr_time most, bool *done)
{
    agg_step             *s = a->step;
    const wr_window_spec *spec = &a->config->window;
    wr_pane              *pane = NULL;
    *done = false;
    if (a->mode == AGG_WHOLE) {
        WR_TRY(wr_pane_ring_open(&a->ring, 0, WR_TIME_END, WR_TIME_START, &pane));
    } else if (a->mode == AGG_BY_TIME) {
        if (s->time_min != s->time_max || s->time_min == WR_TIME_END ||
            is_late(a, time_key_end(s->time_min), most))
            return WEIR_OK;
        WR_TRY(pane_open(a, s->time_min, time_key_end(s->time_min), WR_TIME_START,
                         &pane));
    } else {
        bool    tumble = spec->kind == WR_WINDOW_TUMBLE;
        wr_time start, end;
        if ((a->mode == AGG_BY_WINDOW && !tumble) || s->time_max - s->time_min >= a->pane_width)
            return WEIR_OK;
        start = wr_window_align(s->time_min, a->pane_width, spec->offset);
        end = start + a->pane_width;
        if (s->time_max >= end || (tumble && is_late(a, end, most)) ||
            (!tumble && wr_window_first_end(spec, s->time_min) <= most))
            return WEIR_OK;
        WR_TRY(pane_open(a, start, end, WR_TIME_START, &pane));
    }
    WR_TRY(touch(a, pane));
    s->single = true;
    *done = true;
    return WEIR_OK;
}

weir_status
wr_agg_assign(aggregate *a, const wr_batch *in)
{
    agg_step *s = a->step;
    wr_pane  *cached = NULL;
    bool      done;
    s->assigned = 0;
    s->touched_count = 0;
    s->touched_next = 0;
    s->single = false;
    if (s->at == 0 || a->mode == AGG_WHOLE) {
        wr_time most = in->watermark_before;
        for (uint32_t i = 0; in->row_watermark != NULL && i < s->count; i++)
            most = WR_MAX(most, in->row_watermark[s->rows[i]]); /* may pass watermark_after: B4 */
        WR_TRY(assign_single(a, wr_agg_effective(a, most), &done));
        if (done)
            return WEIR_OK;
    }
    wr_time effective = wr_agg_effective(a, in->watermark_before);
    for (; s->at < s->count && s->assigned < AGG_ASSIGNED_MAX; s->at++) {
        wr_time w = effective;
        if (in->row_watermark != NULL)
            w = wr_agg_effective(a, in->row_watermark[s->rows[s->at]]);
        switch (a->mode) {
        case AGG_BY_TIME:
            WR_TRY(assign_by_time(a, s->at, w, &cached));
            break;
        case AGG_BY_WINDOW:
            WR_TRY(assign_by_window(a, s->at, w, &cached));
            break;
        default:
            WR_TRY(assign_by_pane(a, s->at, w, &cached));
        }
    }
    return WEIR_OK;
}
