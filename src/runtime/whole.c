/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/whole.c -- whole changes by key (see whole.h). */
#include "runtime/whole.h"

#include "data/key.h"
#include "data/upserts.h"
#include "state/column_same.h"

#include <string.h>

/* The newest row that counts of a key. */
typedef struct whole_key {
    uint64_t  hash;
    wr_string key;   /* in the arena */
    uint32_t  batch; /* + 1; 0: free */
    uint16_t  row;   /* physical     */
} whole_key;

typedef struct whole_table {
    wr_arena   arena;
    wr_keys    keys;
    whole_key *slots;
    uint32_t   mask, count;
    uint64_t **kept; /* by batch: its physical rows that come */
} whole_table;

void
wr_whole_init(wr_whole *w, wr_budget *budget, const wr_schema *schema)
{
    *w = (wr_whole){ .budget = budget, .schema = schema, .bytes_max = WR_WHOLE_BYTES };
}

static void
clear(wr_whole *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        wr_batch_release(w->batches[i]);
    w->count = w->given = 0;
    w->bytes = 0;
    w->ready = false;
}

void
wr_whole_fini(wr_whole *w)
{
    clear(w);
    wr_free(w->batches);
    *w = (wr_whole){ 0 };
}

/* --- the rows of several batches --- */

static bool
rows_same(const wr_batch *a, uint32_t i, const wr_batch *b, uint32_t j)
{
    for (uint32_t c = 0; c < a->column_count; c++)
        if (a->columns[c] != NULL && b->columns[c] != NULL &&
            !wr_column_same(a->columns[c], i, b->columns[c], j))
            return false;
    return true;
}

static weir_status
table_grow(whole_table *t)
{
    uint32_t   size = t->slots == NULL ? 4096 : 2 * (t->mask + 1);
    whole_key *slots = wr_arena_calloc(&t->arena, size, sizeof *slots), *old = t->slots;
    if (slots == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; old != NULL && i <= t->mask; i++) {
        uint32_t at = (uint32_t) old[i].hash & (size - 1);
        if (old[i].batch == 0)
            continue;
        while (slots[at].batch != 0)
            at = (at + 1) & (size - 1);
        slots[at] = old[i];
    }
    t->slots = slots;
    t->mask = size - 1;
    return WEIR_OK;
}

static whole_key *
table_find(whole_table *t, uint64_t hash, const wr_string *key)
{
    uint32_t at = (uint32_t) hash & t->mask;
    while (t->slots[at].batch != 0 &&
           !(t->slots[at].hash == hash && wr_string_equal(&t->slots[at].key, key)))
        at = (at + 1) & t->mask;
    return &t->slots[at];
}

/* W1: a row that goes counts when no row of its key has come, or when it is that row. */
static weir_status
table_row(const wr_whole *w, whole_table *t, uint32_t batch, uint32_t i)
{
    const wr_batch *b = w->batches[batch];
    uint16_t        row = (uint16_t) wr_batch_row(b, i);
    size_t          length = t->keys.offsets[i + 1] - t->keys.offsets[i];
    wr_string       key = wr_string_make(t->keys.bytes.data + t->keys.offsets[i], length);
    if (t->slots == NULL || t->count > t->mask / 4)
        WR_TRY(table_grow(t));
    whole_key *k = table_find(t, t->keys.hashes[i], &key);
    if (k->batch == 0) {
        char *copy = wr_arena_alloc(&t->arena, length + 1);
        if (copy == NULL)
            return WEIR_MEMORY;
        memcpy(copy, t->keys.bytes.data + t->keys.offsets[i], length);
        *k = (whole_key){ .hash = t->keys.hashes[i], .key = wr_string_make(copy, length) };
        t->count++;
    } else {
        const wr_batch *other = w->batches[k->batch - 1];
        if (wr_batch_diff(b, row) < 0 && wr_batch_diff(other, k->row) > 0 &&
            !rows_same(b, row, other, k->row))
            return WEIR_OK;
        wr_bitmap_clear(t->kept[k->batch - 1], k->row);
    }
    k->batch = batch + 1;
    k->row = row;
    wr_bitmap_set(t->kept[batch], row);
    return WEIR_OK;
}

/* Its rows that come, each with a diff of 1 or -1; NULL when there are none. */
static weir_status
replace_batch(wr_whole *w, const whole_table *t, uint32_t at)
{
    uint16_t  rows[WR_BATCH_ROWS_MAX];
    uint32_t  n = 0;
    wr_batch *b = w->batches[at], *made = NULL;
    for (uint32_t i = 0; i < b->row_count; i++)
        if (wr_bitmap_get(t->kept[at], wr_batch_row(b, i)))
            rows[n++] = (uint16_t) wr_batch_row(b, i);
    if (n > 0 && (made = wr_batch_select(w->budget, b, rows, n)) == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n && made->diff != NULL; i++)
        made->diff[rows[i]] = made->diff[rows[i]] < 0 ? -1 : 1;
    w->batches[at] = made;
    wr_batch_release(b);
    return WEIR_OK;
}

static weir_status
settle_several(wr_whole *w, whole_table *t)
{
    t->kept = wr_arena_calloc(&t->arena, w->count, sizeof *t->kept);
    if (t->kept == NULL)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < w->count; b++) {
        const wr_batch *batch = w->batches[b];
        t->kept[b] = wr_arena_calloc(&t->arena, batch->physical_count / 64 + 1, sizeof(uint64_t));
        if (t->kept[b] == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_keys_encode(&t->keys, batch, w->schema->key, w->schema->key_count));
        for (uint32_t i = 0; i < batch->row_count; i++)
            WR_TRY(table_row(w, t, b, i));
    }
    for (uint32_t b = 0; b < w->count; b++)
        WR_TRY(replace_batch(w, t, b));
    return WEIR_OK;
}

/* What has been put, as rows by key. */
static weir_status
settle(wr_whole *w)
{
    weir_status status;
    if (w->count == 1) {
        wr_batch *made = NULL;
        status = wr_batch_upserts(w->budget, w->batches[0], w->schema, &made);
        if (status == WEIR_OK) {
            wr_batch_release(w->batches[0]);
            w->batches[0] = made;
        }
    } else {
        whole_table *t = wr_calloc(w->budget, 1, sizeof *t);
        if (t == NULL)
            return WEIR_MEMORY;
        wr_arena_init(&t->arena, w->budget);
        wr_keys_init(&t->keys, w->budget);
        status = settle_several(w, t);
        wr_keys_fini(&t->keys);
        wr_arena_fini(&t->arena);
        wr_free(t);
    }
    w->ready = status == WEIR_OK;
    return status;
}

/* --- in and out --- */

weir_status
wr_whole_put(wr_whole *w, wr_batch *batch)
{
    wr_assert(!w->ready && batch->row_count > 0);
    if (w->count == w->capacity) {
        uint32_t   capacity = WR_MAX(8u, 2 * w->capacity);
        wr_batch **grown = wr_realloc(w->budget, w->batches, capacity * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        w->batches = grown;
        w->capacity = capacity;
    }
    w->batches[w->count++] = wr_batch_retain(batch);
    w->bytes += wr_batch_bytes(batch);
    w->within = w->until_end || batch->goes_on != 0;
    return w->within && w->bytes < w->bytes_max ? WEIR_OK : settle(w); /* W2 */
}

weir_status
wr_whole_end(wr_whole *w)
{
    w->within = false;
    return w->ready || w->count == 0 ? WEIR_OK : settle(w);
}

/* The next of a whole change that is left; false: none. */
static bool
next_left(wr_whole *w)
{
    while (w->given < w->count && w->batches[w->given] == NULL)
        w->given++;
    return w->given < w->count;
}

weir_status
wr_whole_take(wr_whole *w, wr_batch **out)
{
    *out = NULL;
    if (!w->ready)
        return WEIR_OK;
    if (!next_left(w)) { /* it cancelled out */
        clear(w);
        return WEIR_OK;
    }
    wr_batch *b = wr_batch_unique(w->batches[w->given]);
    w->batches[w->given++] = NULL;
    if (b == NULL)
        return WEIR_MEMORY;
    b->goes_on = next_left(w) || w->within;
    if (!next_left(w))
        clear(w);
    *out = b;
    return WEIR_OK;
}
