/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/group_rows.c -- the rows of a group table: chunks shared with snapshots, ids, the store.
 *
 * Only the last chunk may be smaller than a full one: it doubles as it fills, so that a table of
 * one group is small.
 */
#include "state/group_table_impl.h"

#include <string.h>

enum { CHUNK_ROWS_MIN = 4, POOL_FROM = 8 /* chunks */ };

static size_t
chunk_bytes(const wr_group_table *t, uint32_t capacity)
{
    return sizeof(wr_group_chunk) + capacity * t->row_bytes;
}

/* Full chunks of a large table are pieces of a pool, which brings them together on large pages. */
static bool
chunk_is_for_pool(const wr_group_table *t, uint32_t capacity)
{
    return t->chunk_count >= POOL_FROM && capacity == 1u << t->chunk_bits &&
           chunk_bytes(t, capacity) >= CHUNK_BYTES / 2 && chunk_bytes(t, capacity) <= 4 * CHUNK_BYTES;
}

static wr_group_chunk *
chunk_create(wr_group_table *t, uint32_t capacity)
{
    size_t bytes = chunk_bytes(t, capacity);
    bool   pooled = chunk_is_for_pool(t, capacity);
    if (pooled && t->pool == NULL)
        t->pool = wr_pool_create_for(t->budget, bytes, true);
    pooled = pooled && t->pool != NULL;
    wr_group_chunk *c = pooled ? wr_pool_alloc(t->pool, bytes) : wr_alloc(t->budget, bytes);
    if (c != NULL) {
        atomic_init(&c->refs, 1);
        c->capacity = capacity;
        c->pooled = pooled;
    }
    return c;
}

static bool
chunk_let_go(wr_group_chunk *c)
{
    return atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1;
}

/* By the table; by a view. */
static void
chunk_release(wr_group_chunk *c)
{
    if (!chunk_let_go(c))
        return;
    if (c->pooled)
        wr_pool_free(c);
    else
        wr_free(c);
}

static void
chunk_release_elsewhere(wr_group_chunk *c)
{
    if (!chunk_let_go(c))
        return;
    if (c->pooled)
        wr_pool_free_elsewhere(c);
    else
        wr_free(c);
}

static void
store_release(wr_group_store *store)
{
    if (store != NULL && atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) == 1) {
        wr_arena_fini(&store->arena);
        wr_free(store);
    }
}

wr_arena *
wr_group_table_arena(wr_group_table *table)
{
    if (table->store == NULL) {
        table->store = wr_alloc(table->budget, sizeof *table->store);
        if (table->store == NULL)
            return NULL;
        atomic_init(&table->store->refs, 1);
        wr_arena_init(&table->store->arena, table->budget);
    }
    return &table->store->arena;
}

/* Replace chunk `index` by a private copy with room for `capacity` rows. */
static weir_status
chunk_replace(wr_group_table *t, uint32_t index, uint32_t capacity)
{
    wr_group_chunk *old = t->chunks[index];
    wr_group_chunk *c = chunk_create(t, capacity);
    if (c == NULL)
        return WEIR_MEMORY;
    memcpy(c->rows, old->rows, WR_MIN(old->capacity, capacity) * t->row_bytes);
    t->chunks[index] = c;
    t->moves++;
    chunk_release(old);
    return WEIR_OK;
}

static bool
chunk_shared(const wr_group_table *t, const wr_group_chunk *c)
{
    return t->shared && atomic_load_explicit(&c->refs, memory_order_acquire) > 1;
}

static weir_status
chunks_reserve(wr_group_table *t)
{
    if (t->chunk_count < t->chunk_capacity)
        return WEIR_OK;
    uint32_t capacity = WR_MAX(4u, t->chunk_capacity * 2);
    void    *chunks = wr_realloc(t->budget, t->chunks, capacity * sizeof *t->chunks);
    if (chunks == NULL)
        return WEIR_MEMORY;
    t->chunks = chunks;
    t->chunk_capacity = capacity;
    return WEIR_OK;
}

/* Room for the row of id `high`. */
static weir_status
rows_reserve(wr_group_table *t)
{
    uint32_t index = t->high >> t->chunk_bits, full = 1u << t->chunk_bits;
    uint32_t within = t->high & (full - 1);
    if (index == t->chunk_count) {
        WR_TRY(chunks_reserve(t));
        uint32_t        rows = index == 0 ? WR_MIN(full, (uint32_t) CHUNK_ROWS_MIN) : full;
        wr_group_chunk *c = chunk_create(t, rows);
        if (c == NULL)
            return WEIR_MEMORY;
        t->chunks[t->chunk_count++] = c;
        return WEIR_OK;
    }
    wr_group_chunk *c = t->chunks[index];
    if (within >= c->capacity)
        return chunk_replace(t, index, WR_MIN(c->capacity * 2, full));
    return chunk_shared(t, c) ? chunk_replace(t, index, c->capacity) : WEIR_OK;
}

weir_status
wr_group_rows_reserve_free(wr_group_table *table, uint32_t count)
{
    if (table->free_count + count <= table->free_capacity)
        return WEIR_OK;
    uint32_t capacity = WR_MAX(WR_MAX(8u, table->free_capacity * 2), table->free_count + count);
    void    *ids = wr_realloc(table->budget, table->free_ids, capacity * sizeof *table->free_ids);
    if (ids == NULL)
        return WEIR_MEMORY;
    table->free_ids = ids;
    table->free_capacity = capacity;
    return WEIR_OK;
}

weir_status
wr_group_rows_take(wr_group_table *table, uint32_t *id)
{
    if (table->layout->has_views || table->layout->encoded)
        WR_TRY(wr_group_rows_reserve_free(table, 1));
    if (table->free_count > 0) {
        uint32_t last = table->free_ids[table->free_count - 1];
        if (WR_UNLIKELY(table->shared))
            WR_TRY(wr_group_table_own(table, &last, 1));
        table->free_count--;
        *id = last;
        return WEIR_OK;
    }
    if (table->high == WR_GROUPS_MAX)
        return WEIR_MEMORY;
    WR_TRY(rows_reserve(table));
    *id = table->high++;
    return WEIR_OK;
}

weir_status
wr_group_table_own(wr_group_table *table, const uint32_t *ids, uint32_t count)
{
    if (WR_LIKELY(!table->shared))
        return WEIR_OK;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = ids[i] >> table->chunk_bits;
        if (chunk_shared(table, table->chunks[index]))
            WR_TRY(chunk_replace(table, index, table->chunks[index]->capacity));
    }
    return WEIR_OK;
}

void
wr_group_table_rows(const wr_group_table *table, const uint32_t *ids, uint32_t count, char **rows)
{
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (char *) wr_group_table_row(table, ids[i]);
}

void
wr_group_rows_drop(wr_group_table *table)
{
    for (uint32_t i = 0; i < table->chunk_count; i++)
        if (!table->chunks[i]->pooled) /* the others go with the pool */
            chunk_release(table->chunks[i]);
    wr_pool_release(table->pool);
    table->pool = NULL;
    table->chunk_count = 0;
    store_release(table->store);
    table->store = NULL;
    table->shared = false;
}

void
wr_group_rows_recycle(wr_group_table *table)
{
    uint32_t used = (table->high + (1u << table->chunk_bits) - 1) >> table->chunk_bits;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        wr_group_chunk *c = table->chunks[i];
        if (i < used && !chunk_shared(table, c) &&
            (kept == i || c->capacity == 1u << table->chunk_bits))
            table->chunks[kept++] = c;
        else
            chunk_release(c);
    }
    table->chunk_count = kept;
    table->shared = false; /* what is left is ours alone */
    if (table->store != NULL &&
        atomic_load_explicit(&table->store->refs, memory_order_acquire) > 1) {
        store_release(table->store);
        table->store = NULL;
    } else if (table->store != NULL) {
        wr_arena_reset(&table->store->arena);
    }
}

bool
wr_group_table_wasteful(const wr_group_table *table)
{
    enum { REMOVED_MIN = 1024, IDLE_MIN = 16384 };
    if (table->store == NULL)
        return false;
    return (table->removed > REMOVED_MIN && table->removed > table->live) ||
           (table->idle_bytes > IDLE_MIN && table->idle_bytes > table->store->arena.bytes / 2);
}

weir_status
wr_group_table_compact(wr_group_table *table, wr_group_move move, void *user)
{
    const wr_key_layout *layout = table->layout;
    wr_group_store      *old = table->store;
    uint64_t            *key = wr_alloc(table->budget, layout->words * sizeof *key);
    weir_status          status = key != NULL ? WEIR_OK : WEIR_MEMORY;
    table->store = NULL;
    if (status == WEIR_OK && wr_group_table_arena(table) == NULL)
        status = WEIR_MEMORY;
    for (uint32_t id = 0; id < table->high && status == WEIR_OK; id++) {
        wr_group *g = wr_group_table_row(table, id);
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        WR_TRY_GOTO(wr_group_table_own(table, &id, 1));
        g = wr_group_table_row(table, id);
        WR_TRY_GOTO(wr_key_copy(layout, wr_group_key(g), &table->store->arena, key));
        if (move != NULL && !move(user, g, &table->store->arena))
            status = WEIR_MEMORY;
        else
            memcpy(wr_group_key(g), key, layout->words * sizeof *key);
    }
done:
    wr_free(key);
    store_release(old);
    table->removed = 0;
    table->idle_bytes = 0;
    return status;
}

size_t
wr_group_table_bytes(const wr_group_table *table)
{
    size_t bytes = table->slot_bits > 0 ? sizeof *table->slots << table->slot_bits : 0;
    for (uint32_t i = 0; i < table->chunk_count; i++)
        bytes += chunk_bytes(table, table->chunks[i]->capacity);
    bytes += table->free_capacity * sizeof *table->free_ids;
    return bytes + (table->store != NULL ? table->store->arena.bytes : 0);
}

/* --- views --- */

weir_status
wr_group_table_freeze(wr_group_table *table, wr_group_view *view)
{
    *view = (wr_group_view){
        .layout = table->layout,
        .live = table->live,
        .high = table->high,
        .row_bytes = table->row_bytes,
        .chunk_bits = table->chunk_bits,
        .chunk_count = table->chunk_count,
    };
    view->chunks = wr_alloc(table->budget, table->chunk_count * sizeof *view->chunks);
    if (view->chunks == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        view->chunks[i] = table->chunks[i];
        atomic_fetch_add_explicit(&view->chunks[i]->refs, 1, memory_order_relaxed);
    }
    view->pool = table->pool;
    if (view->pool != NULL)
        wr_pool_hold(view->pool);
    view->store = table->store;
    if (view->store != NULL)
        atomic_fetch_add_explicit(&view->store->refs, 1, memory_order_relaxed);
    table->shared = true;
    return WEIR_OK;
}

void
wr_group_view_release(wr_group_view *view)
{
    for (uint32_t i = 0; i < view->chunk_count && view->chunks != NULL; i++)
        chunk_release_elsewhere(view->chunks[i]);
    wr_pool_release(view->pool);
    wr_free(view->chunks);
    store_release(view->store);
    *view = (wr_group_view){ 0 };
}
