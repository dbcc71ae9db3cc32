/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/normalise_snapshot.c -- the rows by key at a barrier: frozen, written, restored.
 *
 * Format      global section: column count u64, then a u64 a column: whether it is kept.
 *             section of a key group: count u64; each row: the values of its key, its packed bytes.
 * Invariants  S1  freeze retains chunks and store; packed bytes are never written again
 *             S2  sections of any snapshots may be restored together: their keys differ
 */
#include "operator/normalise_impl.h"

#include "base/hash.h"

#include <string.h>

struct wr_frozen {
    const normalise *n; /* its layout and columns, which do not change */
    wr_group_view    view;
};

weir_status
wr_normal_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    normalise *n = self;
    (void) epoch;
    wr_assert(n->step == NULL || !n->step->begun);
    wr_frozen *f = wr_calloc(n->ctx->state, 1, sizeof *f);
    if (f == NULL)
        return WEIR_MEMORY;
    f->n = n;
    weir_status status = wr_group_table_freeze(&n->table, &f->view);
    if (status != WEIR_OK)
        wr_free(f);
    else
        *out = f;
    return status;
}

void
wr_normal_thaw(wr_frozen *f)
{
    if (f == NULL)
        return;
    wr_group_view_release(&f->view);
    wr_free(f);
}

/* --- writing --- */

static weir_status
group_of(const normalise *n, const wr_group *g, wr_text *scratch, uint32_t *group)
{
    wr_text_clear(scratch);
    for (uint32_t k = 0; k < n->layout.column_count; k++) {
        wr_value v = wr_key_value(&n->layout, (const uint64_t *) (g + 1), k);
        WR_TRY(wr_key_encode_value(&v, scratch));
    }
    *group = wr_key_group(wr_hash_stable(wr_text_string(scratch), scratch->length));
    return wr_text_ok(scratch) ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
put_row(const normalise *n, const wr_group *g, wr_snapshot_writer *to)
{
    const normal_row *row = normal_row_of(n, g);
    for (uint32_t k = 0; k < n->layout.column_count; k++) {
        wr_value v = wr_key_value(&n->layout, (const uint64_t *) (g + 1), k);
        WR_TRY(wr_snapshot_put_value(to, &v));
    }
    wr_snapshot_put_bytes(to, row->bytes, row->length);
    return WEIR_OK;
}

/* next[id]: another row of its key group; first[group]: one of them, plus 1. */
static weir_status
put_groups(const wr_frozen *f, const uint32_t *first, const uint32_t *next, const uint32_t *counts,
           wr_snapshot_writer *to)
{
    for (uint32_t group = 0; group < WR_KEY_GROUPS; group++) {
        if (counts[group] == 0)
            continue;
        wr_snapshot_begin(to, group);
        wr_snapshot_put_u64(to, counts[group]);
        for (uint32_t at = first[group]; at != 0; at = next[at - 1])
            WR_TRY(put_row(f->n, wr_group_view_row(&f->view, at - 1), to));
        wr_snapshot_end(to);
    }
    return WEIR_OK;
}

weir_status
wr_normal_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    const normalise *n = f->n;
    uint32_t         first[WR_KEY_GROUPS] = { 0 }, counts[WR_KEY_GROUPS] = { 0 };
    uint32_t        *next = wr_calloc(n->ctx->state, f->view.high + 1, sizeof *next);
    weir_status      status = next != NULL ? WEIR_OK : WEIR_MEMORY;
    wr_text          scratch;
    wr_text_init(&scratch, n->ctx->state);
    wr_snapshot_begin(to, WR_SNAPSHOT_GLOBAL);
    wr_snapshot_put_u64(to, n->config->column_count);
    for (uint32_t c = 0; c < n->config->column_count; c++)
        wr_snapshot_put_u64(to, n->nulls[c] == NULL);
    wr_snapshot_end(to);
    for (uint32_t id = 0; id < f->view.high && status == WEIR_OK; id++) {
        const wr_group *g = wr_group_view_row(&f->view, id);
        uint32_t        group = 0;
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        status = group_of(n, g, &scratch, &group);
        next[id] = first[group];
        first[group] = id + 1;
        counts[group]++;
    }
    if (status == WEIR_OK)
        status = put_groups(f, first, next, counts, to);
    wr_text_fini(&scratch);
    wr_free(next);
    return status;
}

/* --- restoring --- */

static weir_status
get_row(normalise *n, wr_snapshot_reader *from, wr_row_keys *keys, wr_arena *arena)
{
    wr_value *key = wr_arena_alloc(arena, n->layout.column_count * sizeof *key);
    wr_value *values = wr_arena_alloc(arena, (n->kept_count + 1) * sizeof *values);
    size_t    length = 0;
    uint32_t  id;
    if (key == NULL || values == NULL)
        return WEIR_MEMORY;
    for (uint32_t k = 0; k < n->layout.column_count; k++) {
        WR_TRY(wr_snapshot_get_value(from, arena, &key[k]));
        if (!wr_type_same(key[k].type, n->layout.columns[k].type))
            return WEIR_CHECKPOINT_CORRUPT;
    }
    const char *bytes = wr_snapshot_get_bytes(from, &length);
    if (from->failed || bytes == NULL || !wr_normal_unpack(n, bytes, length, values))
        return WEIR_CHECKPOINT_CORRUPT;
    WR_TRY(wr_row_keys_set(keys, key, 0));
    WR_TRY(wr_group_table_find(&n->table, keys, NULL, 1, &id, NULL, NULL));
    wr_group *g = wr_group_table_row(&n->table, id);
    g->count = 1;
    return wr_normal_keep(n, g, bytes, length); /* S2 */
}

static weir_status
get_section(normalise *n, wr_snapshot_reader *from, wr_row_keys *keys, wr_arena *arena)
{
    if (from->group == WR_SNAPSHOT_GLOBAL) {
        bool same = wr_snapshot_get_u64(from) == n->config->column_count;
        for (uint32_t c = 0; same && c < n->config->column_count; c++)
            same = wr_snapshot_get_u64(from) == (uint64_t) (n->nulls[c] == NULL);
        return same && !from->failed ? WEIR_OK : WEIR_CHECKPOINT_CORRUPT;
    }
    uint64_t count = wr_snapshot_get_u64(from);
    for (uint64_t i = 0; i < count && !from->failed; i++) {
        WR_TRY(get_row(n, from, keys, arena));
        wr_arena_reset(arena);
    }
    return from->failed ? WEIR_CHECKPOINT_CORRUPT : WEIR_OK;
}

weir_status
wr_normal_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    normalise  *n = self;
    weir_status status = WEIR_OK;
    wr_row_keys keys;
    wr_arena    arena;
    wr_arena_init(&arena, ctx->flow);
    wr_row_keys_init(&keys, &n->layout, ctx->flow);
    while (status == WEIR_OK && wr_snapshot_next(from))
        status = get_section(n, from, &keys, &arena);
    if (status == WEIR_OK)
        status = wr_snapshot_reader_status(from);
    wr_row_keys_fini(&keys);
    wr_arena_fini(&arena);
    atomic_store_explicit(&ctx->counters.state_keys, n->table.live, memory_order_relaxed);
    return status;
}
