/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/tag_slots.h -- an index from 32 bits of a hash to a number: where the chain of all rows with those bits begins.
 *
 * Layout      slots of 8 bytes, open addressing, linear probing from the tag's leading bits.
 * Invariants  T1  a tag stands in at most one slot
 *             T2  slots are at most half full (a quarter up to 128 KB), so that a search ends
 * Cost        a search: one line, as a rule.  Whose keys share a tag share its chain: who walks it compares.
 * Threads: one.
 */
#pragma once

#include "base/memory.h"

typedef struct wr_tag_slot {
    uint32_t tag;
    uint32_t first; /* the number + 1; 0: empty */
} wr_tag_slot;

typedef struct wr_tag_slots {
    wr_tag_slot *slots;
    uint32_t     bits; /* 0: none yet   */
    uint32_t     used; /* the owner's to count up */
} wr_tag_slots;

void wr_tag_slots_fini(wr_tag_slots *slots);
/* T2, with so many tags more.  soon_bits: a size to grow to at once, when a sixteenth of it is needed; or 0. */
weir_status wr_tag_slots_reserve(wr_tag_slots *slots, wr_budget *budget, uint32_t more,
                                 uint32_t soon_bits);
/* The slot is emptied; those behind it that would no longer be found move up. */
void wr_tag_slots_remove(wr_tag_slots *slots, wr_tag_slot *slot);
/* All are emptied. */
void wr_tag_slots_clear(wr_tag_slots *slots);

static inline uint32_t
wr_tag_of(uint64_t hash)
{
    return (uint32_t) (hash >> 32);
}
static inline void
wr_tag_slots_prefetch(const wr_tag_slots *s, uint32_t tag)
{
    if (s->bits > 0)
        __builtin_prefetch(&s->slots[tag >> (32 - s->bits)], 1);
}
/* The tag's slot, or the empty one where it would go; there are slots. */
static inline wr_tag_slot *
wr_tag_slots_find(const wr_tag_slots *s, uint32_t tag)
{
    const uint32_t mask = (1u << s->bits) - 1;
    uint32_t       at = tag >> (32 - s->bits);
    while (s->slots[at].first != 0 && s->slots[at].tag != tag)
        at = (at + 1) & mask;
    return &s->slots[at];
}
