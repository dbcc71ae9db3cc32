/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_merge.c -- windows out of panes, when a window is wider than a pane.
 *
 *     hop, size 10, slide 4, panes of 2:   |0|2|4|6|8|10|12|
 *     the window [4, 14) merges            4 6 8 10 12
 *
 * Invariants  M1  a window sees the panes within its bounds whose open_after lies before its end
 *             M2  a pane is dropped when the last window that holds its start has closed
 *             M3  when every call can be unmerged, one merged window slides: panes that enter are
 *                 merged, panes that leave are taken out; a late row into a pane within makes it
 *                 stale, and it is made anew.  A cumulate's window only grows, until its span
 *                 ends.
 * Cost        a table probe and a merge of states a group a pane: all panes of the window, or
 *             (M3) the two that differ from the last one's.
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
wr_agg_next_end(const aggregate *a)
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

enum { SLOT_AHEAD = 16, ROW_AHEAD = 8 };

/* What adopting the groups after `id` will touch. */
static void
prefetch(const wr_group_table *into, const wr_group_table *from, uint32_t id)
{
    if (id + SLOT_AHEAD >= from->high)
        return;
    wr_group_table_prefetch(into, wr_group_table_row(from, id + SLOT_AHEAD)->tag);
    wr_group_table_prefetch_row(into, wr_group_table_row(from, id + ROW_AHEAD)->tag);
}

static weir_status
merge_pane(aggregate *a, wr_group_table *into, const wr_group_table *from)
{
    WR_TRY(wr_group_table_reserve(into, WR_MAX(into->live, from->live)));
    for (uint32_t id = 0; id < from->high; id++) {
        const wr_group *g = wr_group_table_row(from, id);
        uint32_t        to;
        bool            created;
        prefetch(into, from, id);
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        WR_TRY(wr_group_table_adopt(into, g, &to, &created));
        wr_agg_calls_merge(&a->calls, wr_group_table_row(into, to), g, created);
    }
    return wr_agg_calls_failed(&a->calls) ? WEIR_MEMORY : WEIR_OK;
}

static weir_status
unmerge_pane(aggregate *a, wr_group_table *into, const wr_pane *pane)
{
    const wr_group_table *from = &pane->tables[0];
    bool                  shared = wr_pane_ring_shared(&a->ring, pane); /* the rest is still in */
    for (uint32_t id = 0; id < from->high; id++) {
        const wr_group *g = wr_group_table_row(from, id);
        uint32_t        to;
        bool            created;
        prefetch(into, from, id);
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        WR_TRY(wr_group_table_adopt(into, g, &to, &created));
        wr_group *sum = wr_group_table_row(into, to);
        if (created) /* it came and went: the sum was empty without it, and let go */
            wr_agg_calls_init(&a->calls, sum);
        wr_agg_calls_unmerge(&a->calls, sum, g);
        if (sum->count == 0 && !shared)
            WR_TRY(wr_group_table_remove(into, to));
    }
    return WEIR_OK;
}

void
wr_agg_sliding_drop(aggregate *a)
{
    for (uint32_t i = 0; i < a->ring.count; i++)
        wr_pane_ring_at(&a->ring, i)->slid = false;
    wr_pane_ring_return(&a->ring, a->sliding);
    a->sliding = NULL;
    a->stale = false;
}

/* A pane for the window that ends at `end`: the sliding one, or a new one. */
static weir_status
merged_open(aggregate *a, wr_time start, wr_time end)
{
    if (a->sliding != NULL && (a->stale || wr_group_table_wasteful(&a->sliding->tables[0])))
        wr_agg_sliding_drop(a);
    if (a->sliding == NULL) {
        wr_pane *pane = wr_pane_ring_borrow(&a->ring);
        if (pane == NULL)
            return WEIR_MEMORY;
        a->sliding = a->slides ? pane : NULL;
        a->merged = pane;
    } else {
        a->merged = a->sliding;
    }
    a->merged->start = start;
    a->merged->end = end;
    a->emit_next = 0;
    return wr_agg_calls_enter(&a->calls, &a->merged->tables[0]) ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_agg_merge_window(aggregate *a, wr_time end)
{
    wr_time start = wr_window_start_of(&a->config->window, end);
    WR_TRY(merged_open(a, start, end));
    for (uint32_t i = wr_pane_ring_seek(&a->ring, start + 1, WR_TIME_START); i < a->ring.count;
         i++) {
        wr_pane *pane = wr_pane_ring_at(&a->ring, i);
        if (pane->end > end)
            break;
        wr_assert(pane->start >= start);
        if (pane->slid || pane->open_after >= end) /* M1 */
            continue;
        WR_TRY(merge_pane(a, &a->merged->tables[0], &pane->tables[0]));
        pane->slid = a->merged == a->sliding;
    }
    return WEIR_OK;
}

void
wr_agg_merge_done(aggregate *a)
{
    const wr_window_spec *spec = &a->config->window;
    wr_time               end = a->merged->end;
    if (a->merged != a->sliding)
        wr_pane_ring_return(&a->ring, a->merged);
    a->merged = NULL;
    a->closed = end;
    if (a->sliding != NULL && spec->kind == WR_WINDOW_CUMULATE &&
        wr_window_start_of(spec, end) + spec->size == end)
        wr_agg_sliding_drop(a); /* the next window begins anew */
}

weir_status
wr_agg_drop_passed(aggregate *a)
{
    while (a->ring.count > 0) {
        wr_pane *pane = wr_pane_ring_at(&a->ring, 0);
        if (wr_window_last_end(&a->config->window, pane->start) > a->closed)
            break;
        if (pane->slid && !a->stale)
            WR_TRY(unmerge_pane(a, &a->sliding->tables[0], pane));
        wr_pane_ring_drop(&a->ring, 0); /* M2 */
    }
    if (a->ring.count == 0 && a->sliding != NULL)
        wr_agg_sliding_drop(a);
    return WEIR_OK;
}
