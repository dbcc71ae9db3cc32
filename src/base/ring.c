/* SPDX-License-Identifier: Apache-2.0 */
/* base/ring.c -- making and ending a ring; pushing and popping are inline (see ring.h). */
#include "base/ring.h"

#include <string.h>

enum { RING_CAPACITY_MAX = 1 << 30 };

bool
wr_ring_init(wr_ring *ring, wr_budget *budget, uint32_t capacity)
{
    uint32_t rounded = 1;
    wr_assert(capacity <= RING_CAPACITY_MAX);
    while (rounded < capacity)
        rounded *= 2;
    memset(ring, 0, sizeof *ring);
    ring->slots = wr_calloc(budget, rounded, sizeof *ring->slots);
    ring->mask = rounded - 1;
    return ring->slots != NULL;
}

void
wr_ring_fini(wr_ring *ring)
{
    wr_assert(ring->slots == NULL || atomic_load(&ring->head) == atomic_load(&ring->tail));
    wr_free(ring->slots);
    ring->slots = NULL;
}
