/* SPDX-License-Identifier: Apache-2.0 */
/* state/value_set.c -- values seen, group by group (see value_set.h). */
#include "state/value_set.h"

#include "base/clones.h"
#include "base/hash.h"
#include "data/column.h"
#include "state/group_table_impl.h"

#include <string.h>

enum {
    CHUNK_ENTRY_BITS = 10,
    CHUNK_ENTRIES = 1 << CHUNK_ENTRY_BITS,
    CHUNK_ENTRIES_MIN = 4,
    POOL_FROM = 64, /* chunks */
    BITS_MAX = 30,
    BLOCK = 256,
};

struct wr_value_chunk {
    _Atomic uint32_t refs;
    uint32_t capacity : 31;
    uint32_t pooled : 1;
    wr_value_entry entries[];
};

void
wr_value_set_init(wr_value_set *set, wr_budget *budget)
{
    *set = (wr_value_set){ .budget = budget };
}

/* --- entries --- */

static size_t
chunk_bytes(uint32_t capacity)
{
    return sizeof(wr_value_chunk) + capacity * sizeof(wr_value_entry);
}

static wr_value_chunk *
chunk_create(wr_value_set *s, uint32_t capacity)
{
    bool pooled = capacity == CHUNK_ENTRIES && s->chunk_count >= POOL_FROM;
    if (pooled && s->pool == NULL)
        s->pool = wr_pool_create_for(s->budget, chunk_bytes(CHUNK_ENTRIES), false);
    pooled = pooled && s->pool != NULL;
    wr_value_chunk *c = pooled ? wr_pool_alloc(s->pool, chunk_bytes(capacity))
                               : wr_alloc(s->budget, chunk_bytes(capacity));
    if (c != NULL) {
        atomic_init(&c->refs, 1);
        c->capacity = capacity;
        c->pooled = pooled;
    }
    return c;
}

static void
chunk_release(wr_value_chunk *c, bool elsewhere)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (!c->pooled)
        wr_free(c);
    else if (elsewhere)
        wr_pool_free_elsewhere(c);
    else
        wr_pool_free(c);
}

static bool
chunk_shared(const wr_value_set *s, const wr_value_chunk *c)
{
    return s->shared && atomic_load_explicit(&c->refs, memory_order_acquire) > 1;
}

static inline wr_value_entry *
entry_at(const wr_value_set *s, uint32_t id)
{
    return &s->chunks[id >> CHUNK_ENTRY_BITS]->entries[id & (CHUNK_ENTRIES - 1)];
}

/* A private copy of chunk `index`, with room for `capacity`. */
static weir_status
chunk_replace(wr_value_set *s, uint32_t index, uint32_t capacity)
{
    wr_value_chunk *old = s->chunks[index], *c = chunk_create(s, capacity);
    if (c == NULL)
        return WEIR_MEMORY;
    memcpy(c->entries, old->entries, WR_MIN(old->capacity, capacity) * sizeof c->entries[0]);
    s->chunks[index] = c;
    s->moves++;
    chunk_release(old, false);
    return WEIR_OK;
}

static weir_status
chunk_add(wr_value_set *s)
{
    if (s->chunk_count == s->chunk_capacity) {
        uint32_t more = WR_MAX(4u, 2 * s->chunk_capacity);
        void *chunks = wr_realloc(s->budget, s->chunks, more * sizeof *s->chunks);
        if (chunks == NULL)
            return WEIR_MEMORY;
        s->chunks = chunks;
        s->chunk_capacity = more;
    }
    wr_value_chunk *c = chunk_create(s, s->chunk_count == 0 ? (uint32_t)CHUNK_ENTRIES_MIN
                                                            : (uint32_t)CHUNK_ENTRIES);
    if (c == NULL)
        return WEIR_MEMORY;
    s->chunks[s->chunk_count++] = c;
    return WEIR_OK;
}

/* Room for one more entry, in a chunk that may be written. */
static weir_status
entry_reserve(wr_value_set *s)
{
    uint32_t index = s->count >> CHUNK_ENTRY_BITS, within = s->count & (CHUNK_ENTRIES - 1);
    if (index == s->chunk_count)
        return chunk_add(s);
    wr_value_chunk *c = s->chunks[index];
    if (within >= c->capacity)
        return chunk_replace(s, index, WR_MIN(2 * c->capacity, (uint32_t)CHUNK_ENTRIES));
    return chunk_shared(s, c) ? chunk_replace(s, index, c->capacity) : WEIR_OK;
}

/* --- slots --- */

static inline uint32_t
value_tag(uint64_t value, uint32_t owner)
{
    return (uint32_t)(wr_hash_u64(owner, value) >> 32);
}

/* A row of tags ahead, so that the slots are there when they are written. */
static void
slots_fill(const wr_value_set *s, uint32_t *slots, uint32_t bits)
{
    uint32_t tags[BLOCK];
    for (uint32_t from = 0; from < s->count; from += BLOCK) {
        uint32_t n = WR_MIN(s->count - from, (uint32_t)BLOCK);
        for (uint32_t i = 0; i < n; i++) {
            const wr_value_entry *e = entry_at(s, from + i);
            tags[i] = value_tag(e->value, e->owner);
            __builtin_prefetch(&slots[slot_home(tags[i], bits)], 1);
        }
        for (uint32_t i = 0; i < n; i++)
            slots_put(slots, bits, tags[i], from + i);
    }
}

static weir_status
slots_resize(wr_value_set *s, uint32_t bits)
{
    if (bits > BITS_MAX)
        return WEIR_MEMORY;
    uint32_t *slots = wr_group_slots_create(s->budget, bits);
    if (slots == NULL)
        return WEIR_MEMORY;
    slots_fill(s, slots, bits);
    wr_free(s->slots);
    s->slots = slots;
    s->slot_bits = bits;
    return WEIR_OK;
}

/* --- values in --- */

/* The whole search for one value, made where absent. */
static weir_status
one_add(wr_value_set *s, uint64_t value, uint32_t owner, uint32_t tag, wr_value_entry **entry)
{
    const uint32_t bits = s->slot_bits, mask = (1u << bits) - 1;
    uint32_t at = slot_home(tag, bits);
    for (; s->slots[at] != 0; at = (at + 1) & mask) {
        if (!slot_may_be(s->slots[at], bits, tag))
            continue;
        *entry = entry_at(s, slot_id(s->slots[at], bits));
        if ((*entry)->value == value && (*entry)->owner == owner)
            return WEIR_OK;
    }
    if (s->count + 1 > wr_group_slot_limit(bits))
        WR_TRY(slots_resize(s, bits + 1));
    WR_TRY(entry_reserve(s));
    uint32_t id = s->count++;
    *entry = entry_at(s, id);
    **entry = (wr_value_entry){ .value = value, .owner = owner };
    if (s->slot_bits == bits)
        s->slots[at] = slot_make(tag, bits, id);
    else
        slots_put(s->slots, s->slot_bits, tag, id);
    return WEIR_OK;
}

/* The entry whose marks grow may be written (V2). */
static weir_status
entry_own(wr_value_set *s, uint64_t value, uint32_t owner, uint32_t tag, wr_value_entry **entry)
{
    const uint32_t bits = s->slot_bits, mask = (1u << bits) - 1;
    for (uint32_t at = slot_home(tag, bits);; at = (at + 1) & mask) {
        uint32_t id = slot_id(s->slots[at], bits);
        if (!slot_may_be(s->slots[at], bits, tag) || entry_at(s, id) != *entry)
            continue;
        wr_assert((*entry)->value == value && (*entry)->owner == owner);
        uint32_t index = id >> CHUNK_ENTRY_BITS;
        if (chunk_shared(s, s->chunks[index]))
            WR_TRY(chunk_replace(s, index, s->chunks[index]->capacity));
        *entry = entry_at(s, id);
        return WEIR_OK;
    }
}

/* A block of values: what they ask for, and where that seems to stand. */
typedef struct block {
    const uint64_t *values;
    const uint32_t *owners;
    uint32_t count;
    uint32_t tags[BLOCK];
    wr_value_entry *entries[BLOCK];
} block;

WR_CLONES static void
block_tags(const wr_value_set *s, block *b)
{
    const uint32_t *slots = s->slots;
    const uint32_t bits = s->slot_bits;
    for (uint32_t i = 0; i < b->count; i++) {
        b->tags[i] = value_tag(b->values[i], b->owners[i]);
        __builtin_prefetch(&slots[slot_home(b->tags[i], bits)]);
    }
}

/* NULL: the home slot is empty, or surely another's. */
WR_CLONES static void
block_guess(const wr_value_set *s, block *b, uint32_t from)
{
    const uint32_t *slots = s->slots;
    const uint32_t bits = s->slot_bits;
    for (uint32_t i = from; i < b->count; i++) {
        uint32_t slot = slots[slot_home(b->tags[i], bits)];
        bool may_be = slot != 0 && slot_may_be(slot, bits, b->tags[i]);
        b->entries[i] = may_be ? entry_at(s, slot_id(slot, bits)) : NULL;
        __builtin_prefetch(b->entries[i], 1);
    }
}

static weir_status
block_add(wr_value_set *s, block *b, const uint8_t *marks, uint8_t *gained)
{
    uint32_t moves = s->moves;
    block_tags(s, b);
    block_guess(s, b, 0);
    for (uint32_t i = 0; i < b->count; i++) {
        wr_value_entry *e = b->entries[i];
        if (e == NULL || e->value != b->values[i] || e->owner != b->owners[i])
            WR_TRY(one_add(s, b->values[i], b->owners[i], b->tags[i], &e));
        gained[i] = (uint8_t)(marks[i] & ~e->marks);
        if (gained[i] != 0 && WR_UNLIKELY(s->shared))
            WR_TRY(entry_own(s, b->values[i], b->owners[i], b->tags[i], &e));
        if (gained[i] != 0)
            e->marks |= marks[i];
        if (WR_UNLIKELY(s->moves != moves)) {
            moves = s->moves;
            block_guess(s, b, i + 1);
        }
    }
    return WEIR_OK;
}

weir_status
wr_value_set_add(wr_value_set *set, const uint64_t *values, const uint32_t *owners,
                 const uint8_t *marks, uint32_t count, uint8_t *gained)
{
    block b;
    if (count > 0 && set->slot_bits == 0)
        WR_TRY(slots_resize(set, SLOT_BITS_MIN));
    for (uint32_t i = 0; i < count; i += BLOCK) {
        b.values = values + i;
        b.owners = owners + i;
        b.count = WR_MIN(count - i, (uint32_t)BLOCK);
        WR_TRY(block_add(set, &b, marks + i, gained + i));
    }
    return WEIR_OK;
}

size_t
wr_value_set_bytes(const wr_value_set *set)
{
    size_t bytes = set->slot_bits > 0 ? sizeof *set->slots << set->slot_bits : 0;
    for (uint32_t i = 0; i < set->chunk_count; i++)
        bytes += chunk_bytes(set->chunks[i]->capacity);
    return bytes;
}

/* --- end --- */

static void
chunks_drop(wr_value_set *s)
{
    for (uint32_t i = 0; i < s->chunk_count; i++)
        if (!s->chunks[i]->pooled) /* the others go with the pool */
            chunk_release(s->chunks[i], false);
    wr_pool_release(s->pool);
    s->pool = NULL;
    s->chunk_count = 0;
    s->shared = false;
}

void
wr_value_set_fini(wr_value_set *set)
{
    chunks_drop(set);
    wr_free(set->chunks);
    wr_free(set->slots);
    *set = (wr_value_set){ 0 };
}

void
wr_value_set_reset(wr_value_set *set)
{
    uint32_t bits = SLOT_BITS_MIN, used = (set->count + CHUNK_ENTRIES - 1) >> CHUNK_ENTRY_BITS;
    while (bits < BITS_MAX && wr_group_slot_limit(bits) < set->count)
        bits++;
    if (set->slot_bits > bits + 1) { /* it had room for several times what it held */
        wr_free(set->slots);
        set->slots = NULL;
        set->slot_bits = 0;
    } else if (set->slot_bits > 0) {
        memset(set->slots, 0, sizeof *set->slots << set->slot_bits);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < set->chunk_count; i++) {
        wr_value_chunk *c = set->chunks[i];
        if (i < used && !chunk_shared(set, c) && (kept == i || c->capacity == CHUNK_ENTRIES))
            set->chunks[kept++] = c;
        else
            chunk_release(c, false);
    }
    set->chunk_count = kept;
    set->shared = false; /* what is left is ours alone */
    set->count = 0;
}

/* --- frozen --- */

weir_status
wr_value_set_freeze(wr_value_set *set, wr_value_view *view)
{
    *view = (wr_value_view){ .count = set->count, .chunk_count = set->chunk_count };
    view->chunks = wr_alloc(set->budget, set->chunk_count * sizeof *view->chunks);
    if (view->chunks == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < set->chunk_count; i++) {
        view->chunks[i] = set->chunks[i];
        atomic_fetch_add_explicit(&view->chunks[i]->refs, 1, memory_order_relaxed);
    }
    view->pool = set->pool;
    if (view->pool != NULL)
        wr_pool_hold(view->pool);
    set->shared = true;
    return WEIR_OK;
}

void
wr_value_view_release(wr_value_view *view)
{
    for (uint32_t i = 0; i < view->chunk_count && view->chunks != NULL; i++)
        chunk_release(view->chunks[i], true);
    wr_pool_release(view->pool);
    wr_free(view->chunks);
    *view = (wr_value_view){ 0 };
}

const wr_value_entry *
wr_value_view_entry(const wr_value_view *view, uint32_t i)
{
    wr_assert(i < view->count);
    return &view->chunks[i >> CHUNK_ENTRY_BITS]->entries[i & (CHUNK_ENTRIES - 1)];
}
