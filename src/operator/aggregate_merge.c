/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_merge.c -- windows out of panes, when a window is wider than a pane.
 *
 *     hop, size 10, slide 4, panes of 2:   |0|2|4|6|8|10|12|
 *     the window [4, 14) merges            4 6 8 10 12
 *
 * Invariants  M1  a window sees the panes within its bounds whose open_after lies before its end
 *             M2  a pane is dropped when the last window that holds its start has closed
 * Cost        a table probe and a merge of states a group a pane; the first pane with a group is copied.
 */
#include "operator/aggregate_impl.h"

/* The next end after `closed` of a window that sees the pane; WR_TIME_END: none. */
static wr_time
pane_next_end(const aggregate *a, const wr_pane *pane)
{
    const wr_window_spec *spec = &a->config->window;
    wr_time               end = wr_window_first_end(spec, pane->start);
    wr_time               last = wr_window_last_end(spec, pane->start);
    wr_time               after = WR_MAX(a->closed, pane->open_after);
    if (after >= last)
        return WR_TIME_END;
    if (end <= after)
        end += ((after - end) / spec->slide + 1) * spec->slide;
    return end <= last ? end : WR_TIME_END;
}

wr_time
agg_next_end(const aggregate *a)
{
    /* Ends grow with starts, so the first pane tells, but for variants, which see fewer windows. */
    wr_time least = WR_TIME_END;
    for (uint32_t i = 0; i < a->ring.count; i++) {
        const wr_pane *pane = wr_pane_ring_at(&a->ring, i);
        least = WR_MIN(least, pane_next_end(a, pane));
        if (least != WR_TIME_END && pane->open_after == WR_TIME_START)
            break;
    }
    return least;
}

enum { PREFETCH_AHEAD = 16 };

static weir_status
merge_pane(aggregate *a, wr_group_table *into, const wr_group_table *from)
{
    WR_TRY(wr_group_table_reserve(into, WR_MAX(into->live, from->live)));
    for (uint32_t id = 0; id < from->high; id++) {
        const wr_group *g = wr_group_table_row(from, id);
        uint32_t        to;
        bool            created;
        if (id + PREFETCH_AHEAD < from->high)
            wr_group_table_prefetch(into, wr_group_table_row(from, id + PREFETCH_AHEAD)->tag);
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        WR_TRY(wr_group_table_adopt(into, g, &to, &created));
        agg_calls_merge(&a->calls, wr_group_table_row(into, to), g, created);
    }
    return agg_calls_failed(&a->calls) ? WEIR_MEMORY : WEIR_OK;
}

weir_status
agg_merge_window(aggregate *a, wr_time end)
{
    wr_time  start = wr_window_start_of(&a->config->window, end);
    wr_pane *merged = wr_pane_ring_borrow(&a->ring);
    if (merged == NULL)
        return WEIR_MEMORY;
    merged->start = start;
    merged->end = end;
    a->merged = merged;
    a->emit_next = 0;
    if (!agg_calls_enter(&a->calls, &merged->tables[0]))
        return WEIR_MEMORY;
    for (uint32_t i = wr_pane_ring_seek(&a->ring, start + 1, WR_TIME_START); i < a->ring.count; i++) {
        const wr_pane *pane = wr_pane_ring_at(&a->ring, i);
        if (pane->end > end)
            break;
        wr_assert(pane->start >= start);
        if (pane->open_after < end) /* M1 */
            WR_TRY(merge_pane(a, &merged->tables[0], &pane->tables[0]));
    }
    return WEIR_OK;
}

void
agg_drop_passed(aggregate *a)
{
    while (a->ring.count > 0 &&
           wr_window_last_end(&a->config->window, wr_pane_ring_at(&a->ring, 0)->start) <= a->closed)
        wr_pane_ring_drop(&a->ring, 0); /* M2 */
}
