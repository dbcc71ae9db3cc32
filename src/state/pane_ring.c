/* SPDX-License-Identifier: Apache-2.0 */
/* state/pane_ring.c -- panes in order of time (see pane_ring.h). */
#include "state/pane_ring.h"

#include <string.h>

void
wr_pane_ring_init(wr_pane_ring *ring, wr_budget *budget, const wr_pane_table *specs,
                  uint32_t table_count)
{
    wr_assert(table_count > 0 && table_count <= WR_PANE_TABLES_MAX);
    *ring = (wr_pane_ring){ .budget = budget, .specs = specs, .table_count = table_count };
}

static void
pane_destroy(wr_pane_ring *ring, wr_pane *pane)
{
    for (uint32_t i = 0; i < ring->table_count; i++) {
        wr_group_table_fini(&pane->tables[i]);
        wr_value_set_fini(&pane->sets[i]);
    }
    wr_free(pane);
}

void
wr_pane_ring_fini(wr_pane_ring *ring)
{
    for (uint32_t i = 0; i < ring->count; i++)
        pane_destroy(ring, wr_pane_ring_at(ring, i));
    for (uint32_t i = 0; i < ring->pool_count; i++)
        pane_destroy(ring, ring->pool[i]);
    wr_free(ring->panes);
    *ring = (wr_pane_ring){ 0 };
}

wr_pane *
wr_pane_ring_borrow(wr_pane_ring *ring)
{
    if (ring->pool_count > 0)
        return ring->pool[--ring->pool_count];
    wr_pane *pane =
        wr_calloc(ring->budget, 1,
                  sizeof *pane + ring->table_count * (sizeof *pane->tables + sizeof *pane->sets));
    if (pane == NULL)
        return NULL;
    pane->tables = (wr_group_table *) (pane + 1);
    pane->sets = (wr_value_set *) (pane->tables + ring->table_count);
    for (uint32_t i = 0; i < ring->table_count; i++) {
        wr_group_table_init(&pane->tables[i], ring->budget, ring->specs[i].layout,
                            ring->specs[i].user_bytes);
        wr_value_set_init(&pane->sets[i], ring->budget);
    }
    return pane;
}

void
wr_pane_ring_return(wr_pane_ring *ring, wr_pane *pane)
{
    if (pane == NULL)
        return;
    if (ring->pool_count == WR_COUNT(ring->pool)) {
        pane_destroy(ring, pane);
        return;
    }
    for (uint32_t i = 0; i < ring->table_count; i++) {
        wr_group_table_reset(&pane->tables[i]);
        wr_value_set_reset(&pane->sets[i]);
    }
    *pane = (wr_pane){ .tables = pane->tables, .sets = pane->sets };
    ring->pool[ring->pool_count++] = pane; /* P2 */
}

uint32_t
wr_pane_ring_seek(const wr_pane_ring *ring, wr_time end, wr_time open_after)
{
    uint32_t low = 0, high = ring->count;
    if (high > 0) { /* most rows belong to the newest pane or after it */
        const wr_pane *last = wr_pane_ring_at(ring, high - 1);
        if (last->end < end)
            return high;
    }
    while (low < high) {
        uint32_t       middle = (low + high) / 2;
        const wr_pane *p = wr_pane_ring_at(ring, middle);
        if (p->end < end || (p->end == end && p->open_after < open_after))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static weir_status
ring_reserve(wr_pane_ring *ring)
{
    if (ring->count < ring->capacity)
        return WEIR_OK;
    uint32_t  capacity = WR_MAX(4u, ring->capacity * 2);
    wr_pane **panes = wr_alloc(ring->budget, capacity * sizeof *panes);
    if (panes == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < ring->count; i++)
        panes[i] = wr_pane_ring_at(ring, i);
    wr_free(ring->panes);
    ring->panes = panes;
    ring->capacity = capacity;
    ring->head = 0;
    return WEIR_OK;
}

bool
wr_pane_ring_shared(const wr_pane_ring *ring, const wr_pane *pane)
{
    uint32_t first = wr_pane_ring_seek(ring, pane->end, WR_TIME_START);
    return first + 1 < ring->count && wr_pane_ring_at(ring, first)->end == pane->end &&
           wr_pane_ring_at(ring, first + 1)->end == pane->end;
}

weir_status
wr_pane_ring_open(wr_pane_ring *ring, wr_time start, wr_time end, wr_time open_after,
                  wr_pane **pane)
{
    uint32_t at = wr_pane_ring_seek(ring, end, open_after);
    if (at < ring->count) {
        wr_pane *p = wr_pane_ring_at(ring, at);
        if (p->end == end && p->open_after == open_after) {
            *pane = p;
            return WEIR_OK;
        }
    }
    WR_TRY(ring_reserve(ring));
    wr_pane *made = wr_pane_ring_borrow(ring);
    if (made == NULL)
        return WEIR_MEMORY;
    made->start = start;
    made->end = end;
    made->open_after = open_after;
    for (uint32_t i = ring->count; i > at; i--)
        ring->panes[(ring->head + i) & (ring->capacity - 1)] = wr_pane_ring_at(ring, i - 1);
    ring->panes[(ring->head + at) & (ring->capacity - 1)] = made;
    ring->count++;
    *pane = made;
    return WEIR_OK;
}

void
wr_pane_ring_drop(wr_pane_ring *ring, uint32_t i)
{
    wr_assert(i < ring->count);
    wr_pane *pane = wr_pane_ring_at(ring, i);
    if (i == 0) {
        ring->head = (ring->head + 1) & (ring->capacity - 1);
    } else {
        for (uint32_t j = i; j + 1 < ring->count; j++)
            ring->panes[(ring->head + j) & (ring->capacity - 1)] = wr_pane_ring_at(ring, j + 1);
    }
    ring->count--;
    wr_pane_ring_return(ring, pane);
}
