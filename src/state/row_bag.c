/* SPDX-License-Identifier: Apache-2.0 */
/* state/row_bag.c -- bags of rows by partition, each in order (see row_bag.h). */
#include "state/row_bag.h"

#include <string.h>

enum { BLOCK_ENTRIES_MAX = 128, SLOTS_FIRST = 16 };

/* --- rows and blocks --- */

/* A piece of the pool, which is made with the first. */
static void *
piece_alloc(wr_bags *bags, size_t bytes)
{
    if (bags->pool == NULL && (bags->pool = wr_pool_create(bags->budget)) == NULL)
        return NULL;
    return wr_pool_alloc(bags->pool, bytes);
}

wr_bag_row *
wr_bag_row_create(wr_bags *bags, const char *bytes, uint32_t order_length, uint32_t length)
{
    wr_bag_row *row = piece_alloc(bags, sizeof *row + length);
    if (row == NULL)
        return NULL;
    atomic_init(&row->refs, 1);
    row->order_length = order_length;
    row->length = length;
    row->mark = 0;
    memcpy(row->bytes, bytes, length);
    return row;
}

void
wr_bag_row_release(wr_bag_row *row)
{
    if (atomic_fetch_sub_explicit(&row->refs, 1, memory_order_acq_rel) == 1)
        wr_pool_free(row);
}

static wr_bag_block *
block_create(wr_bags *bags, uint32_t group, uint32_t capacity)
{
    wr_bag_block *b = piece_alloc(bags, sizeof *b + capacity * sizeof b->entries[0]);
    if (b == NULL)
        return NULL;
    atomic_init(&b->refs, 1);
    b->group = group;
    b->count = 0;
    b->capacity = (uint16_t)capacity;
    b->weight = 0;
    return b;
}

static void
block_release(wr_bag_block *b)
{
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < b->count; i++)
        wr_bag_row_release(b->entries[i].row);
    wr_pool_free(b);
}

/* The same, by a view. */
static void
block_release_elsewhere(wr_bag_block *b)
{
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (uint32_t i = 0; i < b->count; i++) {
        wr_bag_row *row = b->entries[i].row;
        if (atomic_fetch_sub_explicit(&row->refs, 1, memory_order_acq_rel) == 1)
            wr_pool_free_elsewhere(row);
    }
    wr_pool_free_elsewhere(b);
}

/* Block `index` may be written and has room for `more` (B3). */
static wr_bag_block *
block_own(wr_bags *bags, wr_bag *bag, uint32_t index, uint32_t more)
{
    wr_bag_block *b = bag->blocks[index];
    bool alone = atomic_load_explicit(&b->refs, memory_order_acquire) == 1;
    if (alone && b->count + more <= b->capacity)
        return b;
    uint32_t capacity = b->capacity;
    while (capacity < b->count + more)
        capacity *= 2;
    if (alone) {
        wr_bag_block *grown = block_create(bags, b->group, capacity);
        if (grown == NULL)
            return NULL;
        grown->count = b->count;
        grown->weight = b->weight;
        memcpy(grown->entries, b->entries, b->count * sizeof b->entries[0]);
        wr_pool_free(b);
        bag->blocks[index] = grown;
        return grown;
    }
    wr_bag_block *copy = block_create(bags, b->group, capacity);
    if (copy == NULL)
        return NULL;
    copy->count = b->count;
    copy->weight = b->weight;
    memcpy(copy->entries, b->entries, b->count * sizeof b->entries[0]);
    for (uint32_t i = 0; i < copy->count; i++)
        wr_bag_row_retain(copy->entries[i].row);
    block_release(b);
    bag->blocks[index] = copy;
    return copy;
}

/* --- partitions --- */

void
wr_bags_init(wr_bags *bags, wr_budget *budget)
{
    *bags = (wr_bags){ .budget = budget, .block_first = 1 };
}

static void
bag_destroy(wr_bag *bag)
{
    for (uint32_t i = 0; i < bag->block_count; i++)
        block_release(bag->blocks[i]);
    if (bag->blocks != &bag->only)
        wr_pool_free(bag->blocks);
    wr_pool_free(bag);
}

void
wr_bags_fini(wr_bags *bags)
{
    wr_pool_release(bags->pool);
    wr_free(bags->slots);
    bags->pool = NULL;
    bags->slots = NULL;
    bags->capacity = bags->count = 0;
    bags->rows = 0;
    bags->made = NULL;
}

/* The key group is in the hash's low bits: the slot comes from its high ones. */
static uint32_t
slot_of(const wr_bags *bags, uint64_t hash)
{
    return (uint32_t)(hash >> 32) & (bags->capacity - 1);
}

static uint32_t
slot_find(const wr_bags *bags, uint64_t hash, const char *key, uint32_t length)
{
    uint32_t at = slot_of(bags, hash);
    for (; bags->slots[at] != NULL; at = (at + 1) & (bags->capacity - 1)) {
        const wr_bag *b = bags->slots[at];
        if (b->hash == hash && b->key_length == length && memcmp(b->key, key, length) == 0)
            break;
    }
    return at;
}

wr_bag *
wr_bags_find(const wr_bags *bags, uint64_t hash, const char *key, uint32_t length)
{
    return bags->capacity == 0 ? NULL : bags->slots[slot_find(bags, hash, key, length)];
}

void
wr_bags_prefetch_slot(const wr_bags *bags, uint64_t hash)
{
    if (bags->capacity > 0)
        __builtin_prefetch(&bags->slots[slot_of(bags, hash)]);
}

void
wr_bags_prefetch_bag(const wr_bags *bags, uint64_t hash)
{
    const wr_bag *bag = bags->capacity > 0 ? bags->slots[slot_of(bags, hash)] : NULL;
    if (bag == NULL)
        return;
    __builtin_prefetch(bag);
    __builtin_prefetch((const char *)bag + 64);
}

static weir_status
slots_grow(wr_bags *bags)
{
    wr_bags grown = *bags;
    grown.capacity = bags->capacity == 0 ? SLOTS_FIRST : 2 * bags->capacity;
    grown.slots = wr_calloc(bags->budget, grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < bags->capacity; i++) {
        wr_bag *b = bags->slots[i];
        if (b != NULL)
            grown.slots[slot_find(&grown, b->hash, b->key, b->key_length)] = b;
    }
    wr_free(bags->slots);
    *bags = grown;
    return WEIR_OK;
}

wr_bag *
wr_bags_get(wr_bags *bags, uint64_t hash, const char *key, uint32_t length)
{
    wr_bag *bag = wr_bags_find(bags, hash, key, length);
    if (bag != NULL)
        return bag;
    if (2 * bags->count >= bags->capacity && slots_grow(bags) != WEIR_OK)
        return NULL;
    bag = piece_alloc(bags, sizeof *bag + length);
    if (bag == NULL)
        return NULL;
    *bag = (wr_bag){ .hash = hash, .key_length = length };
    bag->blocks = &bag->only;
    bag->block_capacity = 1;
    bag->touched = WR_TIME_START;
    bag->bound = UINT64_MAX;
    memcpy(bag->key, key, length);
    bags->slots[slot_find(bags, hash, key, length)] = bag;
    bags->count++;
    return bag;
}

static uint64_t
bag_rows(const wr_bag *bag)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < bag->block_count; i++)
        rows += bag->blocks[i]->count;
    return rows;
}

void
wr_bags_remove(wr_bags *bags, wr_bag *bag)
{
    uint32_t mask = bags->capacity - 1;
    uint32_t hole = slot_find(bags, bag->hash, bag->key, bag->key_length);
    wr_assert(bags->slots[hole] == bag);
    bags->rows -= bag_rows(bag);
    bag_destroy(bag);
    bags->slots[hole] = NULL;
    bags->count--;
    /* those behind the hole that would no longer be found move up */
    for (uint32_t at = (hole + 1) & mask; bags->slots[at] != NULL; at = (at + 1) & mask) {
        uint32_t home = slot_of(bags, bags->slots[at]->hash);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        bags->slots[hole] = bags->slots[at];
        bags->slots[at] = NULL;
        hole = at;
    }
}

/* --- rows of a partition --- */

static int
bytes_compare(const char *a, size_t a_length, const char *b, size_t b_length)
{
    int order = memcmp(a, b, WR_MIN(a_length, b_length));
    return order != 0 ? order : a_length < b_length ? -1 : a_length > b_length;
}

int
wr_bag_compare(const wr_bags *bags, const wr_bag_row *row, const char *bytes, uint32_t order_length,
               uint32_t length)
{
    if (bags->tail == NULL)
        return bytes_compare(row->bytes, row->length, bytes, length);
    uint32_t own = row->order_length, rest = row->length - own;
    int order = bytes_compare(row->bytes, own, bytes, order_length);
    if (order == 0)
        order = bags->tail(bags->tail_user, row->bytes + own, rest, bytes + order_length,
                           length - order_length);
    return order != 0
               ? order
               : bytes_compare(row->bytes + own, rest, bytes + order_length, length - order_length);
}

bool
wr_bag_seek(const wr_bags *bags, const wr_bag *bag, const char *bytes, uint32_t order_length,
            uint32_t length, wr_bag_at *at)
{
    uint32_t low = 0, high = bag->block_count;
    while (low < high) { /* the first block whose last row is not below */
        uint32_t middle = (low + high) / 2;
        const wr_bag_block *b = bag->blocks[middle];
        if (wr_bag_compare(bags, b->entries[b->count - 1].row, bytes, order_length, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *at = (wr_bag_at){ low, 0 };
    if (low == bag->block_count)
        return false;
    const wr_bag_block *b = bag->blocks[low];
    uint32_t from = 0, to = b->count;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (wr_bag_compare(bags, b->entries[middle].row, bytes, order_length, length) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    at->entry = from;
    return wr_bag_compare(bags, b->entries[from].row, bytes, order_length, length) == 0;
}

static weir_status
blocks_insert(wr_bags *bags, wr_bag *bag, uint32_t index, wr_bag_block *block)
{
    if (bag->block_count == bag->block_capacity) {
        uint32_t more = 2 * bag->block_capacity;
        bool inside = bag->blocks == &bag->only;
        wr_bag_block **grown = piece_alloc(bags, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        memcpy(grown, bag->blocks, bag->block_count * sizeof *grown);
        if (!inside)
            wr_pool_free(bag->blocks);
        bag->blocks = grown;
        bag->block_capacity = more;
    }
    memmove(bag->blocks + index + 1, bag->blocks + index,
            (bag->block_count - index) * sizeof *bag->blocks);
    bag->blocks[index] = block;
    bag->block_count++;
    return WEIR_OK;
}

/* A full block becomes two. */
static weir_status
block_split(wr_bags *bags, wr_bag *bag, uint32_t index)
{
    wr_bag_block *b = block_own(bags, bag, index, 0);
    if (b == NULL)
        return WEIR_MEMORY;
    wr_bag_block *right = block_create(bags, b->group, BLOCK_ENTRIES_MAX);
    if (right == NULL)
        return WEIR_MEMORY;
    if (blocks_insert(bags, bag, index + 1, right) != WEIR_OK) {
        block_release(right);
        return WEIR_MEMORY;
    }
    uint16_t half = b->count / 2;
    right->count = (uint16_t)(b->count - half);
    memcpy(right->entries, b->entries + half, right->count * sizeof right->entries[0]);
    b->count = half;
    for (uint32_t i = 0; i < right->count; i++)
        right->weight += right->entries[i].count;
    b->weight -= right->weight;
    return WEIR_OK;
}

static weir_status
row_insert(wr_bags *bags, wr_bag *bag, wr_bag_at at, wr_bag_row *row, int64_t count)
{
    if (at.block == bag->block_count) { /* behind all */
        if (bag->block_count == 0) {
            wr_bag_block *first = block_create(bags, wr_key_group(bag->hash), bags->block_first);
            if (first == NULL)
                return WEIR_MEMORY;
            weir_status status = blocks_insert(bags, bag, 0, first);
            if (status != WEIR_OK) {
                block_release(first);
                return status;
            }
        }
        at.block = bag->block_count - 1;
        at.entry = bag->blocks[at.block]->count;
    }
    if (bag->blocks[at.block]->count == BLOCK_ENTRIES_MAX) {
        WR_TRY(block_split(bags, bag, at.block));
        uint32_t half = bag->blocks[at.block]->count;
        if (at.entry > half) {
            at.block++;
            at.entry -= half;
        }
    }
    wr_bag_block *b = block_own(bags, bag, at.block, 1);
    if (b == NULL)
        return WEIR_MEMORY;
    memmove(b->entries + at.entry + 1, b->entries + at.entry,
            (b->count - at.entry) * sizeof b->entries[0]);
    b->entries[at.entry] = (wr_bag_entry){ row, count };
    b->count++;
    b->weight += count;
    bag->weight += count;
    bags->rows++;
    return WEIR_OK;
}

/* B4; the block is owned. */
static void
entry_remove(wr_bags *bags, wr_bag *bag, wr_bag_at at)
{
    wr_bag_block *b = bag->blocks[at.block];
    b->weight -= b->entries[at.entry].count;
    bag->weight -= b->entries[at.entry].count;
    bags->rows--;
    wr_bag_row_release(b->entries[at.entry].row);
    b->count--;
    memmove(b->entries + at.entry, b->entries + at.entry + 1,
            (b->count - at.entry) * sizeof b->entries[0]);
    if (b->count > 0)
        return;
    block_release(b);
    bag->block_count--;
    memmove(bag->blocks + at.block, bag->blocks + at.block + 1,
            (bag->block_count - at.block) * sizeof *bag->blocks);
}

weir_status
wr_bag_add(wr_bags *bags, wr_bag *bag, const char *bytes, uint32_t order_length, uint32_t length,
           int64_t diff, uint64_t *missing)
{
    wr_bag_at at;
    int64_t sum;
    *missing = 0;
    bags->made = NULL;
    if (diff > 0 && __builtin_add_overflow(bag->weight, diff, &sum))
        return WEIR_ROW_OVERFLOW;
    if (!wr_bag_seek(bags, bag, bytes, order_length, length, &at)) {
        if (diff < 0) {
            *missing = -(uint64_t)diff;
            return WEIR_OK;
        }
        wr_bag_row *row = wr_bag_row_create(bags, bytes, order_length, length);
        if (row == NULL)
            return WEIR_MEMORY;
        weir_status status = row_insert(bags, bag, at, row, diff);
        if (status != WEIR_OK)
            wr_bag_row_release(row);
        else
            bags->made = row;
        return status;
    }
    wr_bag_block *b = block_own(bags, bag, at.block, 0);
    if (b == NULL)
        return WEIR_MEMORY;
    wr_bag_entry *e = &b->entries[at.entry];
    if (diff < 0 && (uint64_t)e->count <= -(uint64_t)diff) {
        *missing = -(uint64_t)diff - (uint64_t)e->count;
        entry_remove(bags, bag, at);
        return WEIR_OK;
    }
    e->count += diff;
    b->weight += diff;
    bag->weight += diff;
    return WEIR_OK;
}

weir_status
wr_bag_set(wr_bags *bags, wr_bag *bag, const char *bytes, uint32_t order_length, uint32_t length)
{
    wr_bag_row *row = wr_bag_row_create(bags, bytes, order_length, length);
    wr_bag_at first = { 0, 0 };
    weir_status status = row != NULL ? WEIR_OK : WEIR_MEMORY;
    if (status == WEIR_OK && bag->block_count == 0) {
        status = row_insert(bags, bag, first, row, 1);
    } else if (status == WEIR_OK) {
        status = wr_bag_cut(bags, bag, first, 1);
        wr_bag_block *b = status == WEIR_OK ? block_own(bags, bag, 0, 0) : NULL;
        status = b != NULL ? WEIR_OK : WEIR_MEMORY;
        if (b != NULL) {
            wr_bag_row_release(b->entries[0].row);
            b->entries[0].row = row;
        }
    }
    if (status != WEIR_OK && row != NULL)
        wr_bag_row_release(row);
    bags->made = status == WEIR_OK ? row : NULL;
    return status;
}

weir_status
wr_bag_cut(wr_bags *bags, wr_bag *bag, wr_bag_at at, int64_t count)
{
    while (bag->block_count > at.block + 1) {
        wr_bag_block *b = bag->blocks[bag->block_count - 1];
        bag->weight -= b->weight;
        bags->rows -= b->count;
        block_release(b);
        bag->block_count--;
    }
    if (at.block >= bag->block_count)
        return WEIR_OK;
    wr_bag_block *b = block_own(bags, bag, at.block, 0);
    if (b == NULL)
        return WEIR_MEMORY;
    if (count > 0) {
        wr_bag_entry *e = &b->entries[at.entry];
        int64_t less = e->count - count;
        e->count -= less;
        b->weight -= less;
        bag->weight -= less;
        at.entry++;
    }
    for (uint32_t last = b->count; last > at.entry; last--)
        entry_remove(bags, bag, (wr_bag_at){ at.block, last - 1 });
    return WEIR_OK;
}

weir_status
wr_bag_drop_before(wr_bags *bags, wr_bag *bag, wr_bag_at at)
{
    for (uint32_t i = 0; i < at.block; i++) {
        bag->weight -= bag->blocks[i]->weight;
        bags->rows -= bag->blocks[i]->count;
        block_release(bag->blocks[i]);
    }
    bag->block_count -= at.block;
    memmove(bag->blocks, bag->blocks + at.block, bag->block_count * sizeof *bag->blocks);
    if (at.entry == 0 || bag->block_count == 0)
        return WEIR_OK;
    wr_bag_block *b = block_own(bags, bag, 0, 0);
    if (b == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < at.entry; i++) {
        b->weight -= b->entries[i].count;
        bag->weight -= b->entries[i].count;
        wr_bag_row_release(b->entries[i].row);
    }
    bags->rows -= at.entry;
    b->count = (uint16_t)(b->count - at.entry);
    memmove(b->entries, b->entries + at.entry, b->count * sizeof b->entries[0]);
    return WEIR_OK;
}

/* --- frozen --- */

weir_status
wr_bags_freeze(const wr_bags *bags, wr_bag_view *view)
{
    size_t blocks = 0;
    for (uint32_t i = 0; i < bags->capacity; i++)
        blocks += bags->slots[i] != NULL ? bags->slots[i]->block_count : 0;
    view->count = 0;
    view->blocks = wr_alloc(bags->budget, blocks * sizeof *view->blocks);
    if (view->blocks == NULL)
        return WEIR_MEMORY;
    view->pool = bags->pool;
    if (view->pool != NULL)
        wr_pool_hold(view->pool);
    for (uint32_t i = 0; i < bags->capacity; i++) {
        const wr_bag *bag = bags->slots[i];
        for (uint32_t k = 0; bag != NULL && k < bag->block_count; k++) {
            atomic_fetch_add_explicit(&bag->blocks[k]->refs, 1, memory_order_relaxed);
            view->blocks[view->count++] = (wr_bag_view_block){ bag->blocks[k], bag->touched };
        }
    }
    return WEIR_OK;
}

weir_status
wr_bag_view_write(const wr_bag_view *view, wr_snapshot_writer *to)
{
    for (uint32_t i = 0; i < view->count; i++) {
        const wr_bag_block *b = view->blocks[i].block;
        wr_snapshot_begin(to, b->group);
        wr_snapshot_put_i64(to, view->blocks[i].touched);
        wr_snapshot_put_u64(to, b->count);
        for (uint32_t k = 0; k < b->count; k++) {
            const wr_bag_row *row = b->entries[k].row;
            wr_snapshot_put_i64(to, b->entries[k].count);
            wr_snapshot_put_bytes(to, row->bytes + row->order_length,
                                  row->length - row->order_length);
        }
        wr_snapshot_end(to);
    }
    return WEIR_OK;
}

void
wr_bag_write_time(wr_snapshot_writer *to, wr_time time)
{
    wr_snapshot_begin(to, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_i64(to, time);
    wr_snapshot_put_u64(to, 0);
    wr_snapshot_end(to);
}

void
wr_bag_view_release(wr_bag_view *view)
{
    for (uint32_t i = 0; i < view->count; i++)
        block_release_elsewhere(view->blocks[i].block);
    wr_pool_release(view->pool);
    wr_free(view->blocks);
    *view = (wr_bag_view){ 0 };
}

typedef struct bags_reader {
    wr_snapshot_reader *from;
    const wr_schema *schema;
    wr_batch_builder builder;
    wr_value *values;
} bags_reader;

static weir_status
section_read(bags_reader *r, wr_bags_rows rows, void *user)
{
    wr_time touched = wr_snapshot_get_i64(r->from);
    uint64_t count = wr_snapshot_get_u64(r->from);
    if (count == 0)
        return rows(user, NULL, touched);
    for (uint64_t i = 0; i < count && wr_snapshot_more(r->from); i++) {
        int64_t diff = wr_snapshot_get_i64(r->from);
        size_t length;
        const char *bytes = wr_snapshot_get_bytes(r->from, &length);
        if (bytes == NULL || diff <= 0)
            return WEIR_CHECKPOINT_CORRUPT;
        WR_TRY(wr_row_get(bytes, length, r->schema, r->values));
        WR_TRY(wr_batch_builder_add(&r->builder, r->values, diff));
        if (i + 1 < count && !wr_batch_builder_full(&r->builder))
            continue;
        wr_batch *batch = wr_batch_builder_take(&r->builder);
        batch->watermark_before = batch->watermark_after = touched;
        weir_status status = rows(user, batch, touched);
        wr_batch_release(batch);
        WR_TRY(status);
    }
    return WEIR_OK;
}

weir_status
wr_bags_read(wr_snapshot_reader *from, wr_budget *budget, const wr_schema *schema,
             wr_bags_rows rows, void *user)
{
    bags_reader r = { .from = from, .schema = schema };
    weir_status status = WEIR_OK;
    r.values = wr_calloc(budget, schema->field_count + 1, sizeof *r.values);
    if (r.values == NULL)
        return WEIR_MEMORY;
    wr_batch_builder_init(&r.builder, budget, schema);
    while (status == WEIR_OK && wr_snapshot_next(from))
        status = section_read(&r, rows, user);
    wr_batch_builder_fini(&r.builder);
    wr_free(r.values);
    return status != WEIR_OK ? status : wr_snapshot_reader_status(from);
}
