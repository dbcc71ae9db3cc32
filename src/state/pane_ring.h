/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/pane_ring.h -- panes in order of time, each with its own table; closing drops the oldest.
 *
 * A ring of pane pointers sorted by (end, open_after): rows come near the end, panes leave at the
 * front, and a far-off time costs one pointer, not a gap.
 *
 * Invariants  P1  panes are sorted and differ in (end, open_after)
 *             P2  a pane dropped is reset and kept for the next one to open, up to a few
 */
#pragma once

#include "state/group_table.h"
#include "state/value_set.h"

enum { WR_PANE_TABLES_MAX = 65 };

typedef struct wr_pane {
    wr_time         start, end;
    wr_time         open_after; /* windows that end by then do not see it; START: all do     */
    bool            null_time;  /* a time key that is NULL                                   */
    bool            closed;     /* its rows have come out; kept for late ones                */
    bool            touched;    /* the owner's: has rows of the step                         */
    bool            slid;       /* the owner's: is part of its sliding window                */
    uint32_t        first, last; /* the owner's: the list of them                            */
    wr_group_table *tables;     /* [0] the groups, then the sets of distinct values ...      */
    wr_value_set   *sets;       /* ... which stand here where their spec says so             */
} wr_pane;

/* What each table of a pane is made of. */
typedef struct wr_pane_table {
    const wr_key_layout *layout;
    size_t               user_bytes;
    bool                 is_set; /* a wr_value_set                 */
} wr_pane_table;

typedef struct wr_pane_ring {
    wr_budget           *budget;
    const wr_pane_table *specs; /* borrowed */
    uint32_t             table_count;
    wr_pane            **panes; /* capacity a power of two */
    uint32_t             capacity, head, count;
    wr_pane             *pool[4];
    uint32_t             pool_count;
} wr_pane_ring;

void wr_pane_ring_init(wr_pane_ring *ring, wr_budget *budget, const wr_pane_table *specs,
                       uint32_t table_count);
void wr_pane_ring_fini(wr_pane_ring *ring);

static inline wr_pane *
wr_pane_ring_at(const wr_pane_ring *r, uint32_t i)
{
    return r->panes[(r->head + i) & (r->capacity - 1)];
}
/* Index of the first pane with (end, open_after) >= the given one; count when there is none. */
uint32_t    wr_pane_ring_seek(const wr_pane_ring *ring, wr_time end, wr_time open_after);
/* Are there several panes with this pane's end?  Then what is taken out of one may have come into another. */
bool        wr_pane_ring_shared(const wr_pane_ring *ring, const wr_pane *pane);
/* The pane of (end, open_after), made with `start` when absent. */
weir_status wr_pane_ring_open(wr_pane_ring *ring, wr_time start, wr_time end, wr_time open_after,
                              wr_pane **pane);
/* Drop pane i. */
void        wr_pane_ring_drop(wr_pane_ring *ring, uint32_t i);
/* A pane that stands in no ring, for scratch; and back to the pool. */
wr_pane    *wr_pane_ring_borrow(wr_pane_ring *ring);
void        wr_pane_ring_return(wr_pane_ring *ring, wr_pane *pane);
