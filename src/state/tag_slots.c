/* SPDX-License-Identifier: Apache-2.0 */
/* state/tag_slots.c -- slots that grow, and close up (see tag_slots.h). */
#include "state/tag_slots.h"

#include <string.h>

enum { SLOT_BITS_MIN = 4, SLOT_BITS_MAX = 30, SOON_BITS = 4, SLOT_BITS_CACHED = 14 };

/* T2: tags that so many slots are for. */
static uint64_t
slots_limit(uint32_t bits)
{
    return (1ull << bits) / (bits <= SLOT_BITS_CACHED ? 4 : 2);
}

void
wr_tag_slots_fini(wr_tag_slots *slots)
{
    wr_free(slots->slots);
    *slots = (wr_tag_slots){ 0 };
}

static weir_status
slots_resize(wr_tag_slots *s, wr_budget *budget, uint32_t bits)
{
    wr_tag_slots grown = { .bits = bits, .used = s->used };
    if (bits > SLOT_BITS_MAX)
        return WEIR_MEMORY;
    grown.slots = wr_calloc(budget, (size_t) 1 << bits, sizeof *grown.slots);
    if (grown.slots == NULL)
        return WEIR_MEMORY;
    wr_memory_is_dense(grown.slots, sizeof *grown.slots << bits);
    for (size_t i = 0; s->bits > 0 && i < (size_t) 1 << s->bits; i++)
        if (s->slots[i].first != 0)
            *wr_tag_slots_find(&grown, s->slots[i].tag) = s->slots[i];
    wr_free(s->slots);
    *s = grown;
    return WEIR_OK;
}

weir_status
wr_tag_slots_reserve(wr_tag_slots *slots, wr_budget *budget, uint32_t more, uint32_t soon_bits)
{
    uint32_t bits = WR_MAX(slots->bits, (uint32_t) SLOT_BITS_MIN);
    while (bits <= SLOT_BITS_MAX && (uint64_t) slots->used + more > slots_limit(bits))
        bits++;
    if (bits == slots->bits)
        return WEIR_OK;
    if (bits < soon_bits && bits + SOON_BITS >= soon_bits)
        bits = soon_bits;
    return slots_resize(slots, budget, bits);
}

void
wr_tag_slots_remove(wr_tag_slots *slots, wr_tag_slot *slot)
{
    const uint32_t mask = (1u << slots->bits) - 1;
    uint32_t       hole = (uint32_t) (slot - slots->slots);
    wr_assert(slot->first != 0 && slots->used > 0);
    for (uint32_t at = (hole + 1) & mask; slots->slots[at].first != 0; at = (at + 1) & mask) {
        uint32_t home = slots->slots[at].tag >> (32 - slots->bits);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        slots->slots[hole] = slots->slots[at];
        hole = at;
    }
    slots->slots[hole] = (wr_tag_slot){ 0 };
    slots->used--;
}

void
wr_tag_slots_clear(wr_tag_slots *slots)
{
    if (slots->bits > 0)
        memset(slots->slots, 0, sizeof *slots->slots << slots->bits);
    slots->used = 0;
}
