/* SPDX-License-Identifier: Apache-2.0 */
/* state/group_table.c -- slots, probing, making and removing groups (see group_table.h). */
#include "state/group_table.h"

#include "state/group_table_impl.h"

#include <string.h>

enum {
    SLOT_BITS_MAX = 30,
    SLOT_BITS_CACHED = 16, /* 256 KB of slots: in L2 */
    PAGE_SLOTS = 1024,
    FREE_AHEAD = 8,   /* ids before a dead one is taken again */
    SLOTS_AHEAD = 16, /* rows before a slot is looked at; its row, half as many */
};

void
wr_group_table_init(wr_group_table *table, wr_budget *budget, const wr_key_layout *layout,
                    size_t user_bytes)
{
    wr_assert(user_bytes % 8 == 0);
    *table = (wr_group_table){ .budget = budget, .layout = layout };
    table->row_bytes = wr_group_user_offset(layout) + user_bytes;
    if (table->row_bytes % 64 == 56) /* a row then lies in as few cache lines as it can */
        table->row_bytes += 8;
    while (table->chunk_bits < 10 && (table->row_bytes << (table->chunk_bits + 1)) <= CHUNK_BYTES)
        table->chunk_bits++;
}

void
wr_group_table_fini(wr_group_table *table)
{
    wr_group_rows_drop(table);
    wr_free(table->slots);
    wr_free(table->free_ids);
    wr_free(table->chunks);
    *table = (wr_group_table){ 0 };
}

/* --- slots --- */

uint32_t
wr_group_slot_limit(uint32_t bits)
{
    uint64_t slots = 1ull << bits;
    return (uint32_t) (bits <= SLOT_BITS_CACHED ? slots * 19 / 128 : slots / 4); /* G1 */
}

/* All live groups into new slots. */
static void
slots_fill(const wr_group_table *t, uint32_t *slots, uint32_t bits)
{
    for (uint32_t id = 0; id < t->high; id++) {
        if (id + SLOTS_AHEAD < t->high)
            __builtin_prefetch(
                &slots[slot_home(wr_group_table_row(t, id + SLOTS_AHEAD)->tag, bits)], 1);
        const wr_group *g = wr_group_table_row(t, id);
        if ((g->flags & WR_GROUP_DEAD) == 0)
            slots_put(slots, bits, g->tag, id);
    }
}

uint32_t *
wr_group_slots_create(wr_budget *budget, uint32_t bits)
{
    uint32_t *slots = wr_calloc(budget, (size_t) 1 << bits, sizeof *slots);
    if (slots == NULL)
        return NULL;
    wr_memory_is_dense(slots, sizeof *slots << bits);
    for (size_t i = 0; i < (size_t) 1 << bits; i += PAGE_SLOTS) /* one fault a page, not two */
        ((volatile uint32_t *) slots)[i] = 0;
    return slots;
}

weir_status
wr_group_slots_resize(wr_group_table *t, uint32_t bits)
{
    if (bits > SLOT_BITS_MAX)
        return WEIR_MEMORY;
    uint32_t *slots = wr_group_slots_create(t->budget, bits);
    if (slots == NULL)
        return WEIR_MEMORY;
    slots_fill(t, slots, bits);
    wr_free(t->slots);
    t->slots = slots;
    t->slot_bits = bits;
    return WEIR_OK;
}

weir_status
wr_group_table_reserve(wr_group_table *table, uint32_t groups)
{
    uint32_t bits = WR_MAX(table->slot_bits, (uint32_t) SLOT_BITS_MIN);
    while (bits < SLOT_BITS_MAX && wr_group_slot_limit(bits) < groups)
        bits++;
    return bits > table->slot_bits ? wr_group_slots_resize(table, bits) : WEIR_OK;
}

void
wr_group_table_reset(wr_group_table *table)
{
    uint32_t bits = SLOT_BITS_MIN;
    while (bits < SLOT_BITS_MAX && wr_group_slot_limit(bits) < table->live)
        bits++;
    if (table->slot_bits > bits + 1) { /* it had room for several times what it held */
        wr_free(table->slots);
        table->slots = NULL;
        table->slot_bits = 0;
    } else if (table->slot_bits > 0) {
        memset(table->slots, 0, sizeof *table->slots << table->slot_bits);
    }
    wr_group_rows_recycle(table);
    table->live = 0;
    table->high = 0;
    table->free_count = 0;
    table->removed = 0;
    table->idle_bytes = 0;
}

static inline __attribute__((always_inline)) bool
key_equal(const wr_group_table *t, const uint64_t *a, const uint64_t *b, uint32_t words, bool views)
{
    for (uint32_t w = 0; w < words; w++)
        if (a[w] != b[w])
            return views ? wr_key_same(t->layout, a, b) : false;
    return true;
}

/* The slot that holds the key, or the empty one where it would go. */
static inline __attribute__((always_inline)) uint32_t
slot_find(const wr_group_table *t, const uint64_t *key, uint32_t tag, uint32_t words, bool views)
{
    const uint32_t bits = t->slot_bits, mask = (1u << bits) - 1;
    for (uint32_t at = slot_home(tag, bits);; at = (at + 1) & mask) {
        uint32_t slot = t->slots[at];
        if (slot == 0)
            return at;
        if (!slot_may_be(slot, bits, tag))
            continue;
        wr_group *g = wr_group_table_row(t, slot_id(slot, bits));
        if (WR_LIKELY(key_equal(t, wr_group_key(g), key, words, views)))
            return at;
    }
}

/* Inlined always: a call whose only effect is that the compiler takes for one without. */
static inline __attribute__((always_inline)) void
prefetch_row(const wr_group_table *t, uint32_t tag)
{
    const uint32_t bits = t->slot_bits;
    uint32_t       at = slot_home(tag, bits), slot = t->slots[at];
    while (WR_UNLIKELY(!slot_may_be(slot, bits, tag) && slot != 0)) {
        at = (at + 1) & ((1u << bits) - 1);
        slot = t->slots[at];
    }
    if (slot == 0)
        return;
    const char *row = (const char *) wr_group_table_row(t, slot_id(slot, bits));
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + t->row_bytes - 1, 1); /* many rows lie in two lines */
}

weir_status
wr_group_make(wr_group_table *t, uint32_t tag, wr_group **made)
{
    uint32_t id;
    if (t->live + 1 > wr_group_slot_limit(t->slot_bits))
        WR_TRY(wr_group_slots_resize(t, t->slot_bits + 1));
    WR_TRY(wr_group_rows_take(t, &id));
    if (t->free_count > FREE_AHEAD)
        __builtin_prefetch(wr_group_table_row(t, t->free_ids[t->free_count - FREE_AHEAD]), 1);
    wr_group *g = wr_group_table_row(t, id);
    for (size_t at = 0; at < t->row_bytes; at += 8)
        *(uint64_t *) (void *) ((char *) g + at) = 0;
    g->tag = tag;
    g->id = id;
    *made = g;
    return WEIR_OK;
}

void
wr_group_enter(wr_group_table *t, const wr_group *g, uint32_t at, uint32_t bits)
{
    if (WR_LIKELY(t->slot_bits == bits))
        t->slots[at] = slot_make(g->tag, bits, g->id);
    else
        slots_put(t->slots, t->slot_bits, g->tag, g->id);
    t->live++;
}

/* The id a failed make gives back. */
weir_status
wr_group_unmake(wr_group_table *t, wr_group *g, weir_status status)
{
    g->flags = WR_GROUP_DEAD;
    t->free_ids[t->free_count++] = g->id; /* there is room: take keeps one spare */
    return status;
}

static inline __attribute__((always_inline)) void
peek_loop(const wr_group_table *table, const wr_row_keys *keys, const uint16_t *which,
          uint32_t count, uint32_t *ids, uint32_t words, bool views)
{
    const uint32_t bits = table->slot_bits;
    const bool     far = bits > SLOTS_FAR_BITS;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = which != NULL ? which[i] : i;
        if (far && i + SLOTS_AHEAD < count) {
            uint32_t slots = which != NULL ? which[i + SLOTS_AHEAD] : i + SLOTS_AHEAD;
            uint32_t rows = which != NULL ? which[i + SLOTS_AHEAD / 2] : i + SLOTS_AHEAD / 2;
            wr_group_table_prefetch(table, (uint32_t) (keys->hashes[slots] >> 32));
            prefetch_row(table, (uint32_t) (keys->hashes[rows] >> 32));
        }
        uint32_t slot = table->slots[slot_find(table, keys->words + (size_t) k * words,
                                               (uint32_t) (keys->hashes[k] >> 32), words, views)];
        ids[i] = slot != 0 ? slot_id(slot, bits) : UINT32_MAX;
    }
}

void
wr_group_table_peek(const wr_group_table *table, const wr_row_keys *keys, const uint16_t *which,
                    uint32_t count, uint32_t *ids)
{
    const wr_key_layout *layout = table->layout;
    const bool           views = layout->encoded || layout->has_views;
    if (table->slot_bits == 0)
        for (uint32_t i = 0; i < count; i++)
            ids[i] = UINT32_MAX;
    else if (layout->compare_words == 2 && !views)
        peek_loop(table, keys, which, count, ids, 2, false);
    else
        peek_loop(table, keys, which, count, ids, layout->compare_words, views);
}

void
wr_group_table_prefetch_row(const wr_group_table *table, uint32_t tag)
{
    if (table->slot_bits > 0)
        prefetch_row(table, tag);
}

weir_status
wr_group_table_adopt(wr_group_table *table, const wr_group *from, uint32_t *id, bool *created)
{
    const wr_key_layout *layout = table->layout;
    const uint64_t      *key = (const uint64_t *) (from + 1);
    bool                 views = layout->encoded || layout->has_views;
    if (table->slot_bits == 0)
        WR_TRY(wr_group_slots_resize(table, SLOT_BITS_MIN));
    uint32_t at = slot_find(table, key, from->tag, layout->compare_words, views);
    uint32_t slot = table->slots[at];
    *created = slot == 0;
    if (slot != 0) {
        *id = slot_id(slot, table->slot_bits);
        return WEIR_OK;
    }
    wr_group *g;
    uint32_t  bits = table->slot_bits;
    WR_TRY(wr_group_make(table, from->tag, &g));
    wr_arena   *arena = views ? wr_group_table_arena(table) : NULL;
    weir_status status = views && arena == NULL ? WEIR_MEMORY
                                                : wr_key_copy(layout, key, arena, wr_group_key(g));
    if (status != WEIR_OK)
        return wr_group_unmake(table, g, status);
    *id = g->id;
    wr_group_enter(table, g, at, bits);
    return WEIR_OK;
}

/* Close the hole at `hole`: entries after it that may not be reached across it move up. */
static inline __attribute__((always_inline)) void
slots_close(wr_group_table *t, uint32_t *slots, uint32_t bits, uint32_t hole)
{
    const uint32_t mask = (1u << bits) - 1;
    for (uint32_t at = (hole + 1) & mask; slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = slot_home(wr_group_table_row(t, slot_id(slots[at], bits))->tag, bits);
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            slots[hole] = slots[at];
            hole = at;
        }
    }
    slots[hole] = 0;
}

weir_status
wr_group_table_remove_many(wr_group_table *table, const uint32_t *ids, uint32_t count)
{
    const uint32_t bits = table->slot_bits, mask = (1u << bits) - 1;
    uint32_t      *slots = table->slots;
    WR_TRY(wr_group_rows_reserve_free(table, count));
    for (uint32_t i = 0; i < count; i++) {
        wr_group *g = wr_group_table_row(table, ids[i]);
        uint32_t  at = slot_home(g->tag, bits);
        wr_assert((g->flags & WR_GROUP_DEAD) == 0 && g->id == ids[i]);
        while ((slots[at] & mask) != ids[i] + 1)
            at = (at + 1) & mask;
        slots_close(table, slots, bits, at);
        g->flags = WR_GROUP_DEAD;
        table->free_ids[table->free_count + i] = ids[i];
    }
    table->free_count += count;
    table->live -= count;
    table->removed += count;
    return WEIR_OK;
}

weir_status
wr_group_table_remove(wr_group_table *table, uint32_t id)
{
    return wr_group_table_remove_many(table, &id, 1);
}
