/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/selector_equal.c -- groups of selectors that name constants: a hash table of key bytes (selector_impl.h).
 *
 * Equality is that of wr_key_encode, in batches; integers of all widths encode alike, so do both floats.
 */
#include "expr/selector_impl.h"

#include "base/hash.h"

#include <string.h>

static uint32_t
equal_find(const selector_group *g, uint64_t hash, const char *bytes, uint32_t length)
{
    for (uint64_t at = hash;; at++) {
        uint32_t class = g->slots[at & g->mask];
        if (class == SELECTOR_NO_CLASS)
            return class;
        const selector_key *k = &g->keys[class];
        if (g->hashes[at & g->mask] == hash && k->length == length &&
            memcmp(g->bytes.data + k->offset, bytes, length) == 0)
            return class;
    }
}

/* The class of a constant, a new one when it has none. */
static weir_status
equal_enter(selector_group *g, const wr_value *value, uint32_t *class)
{
    size_t offset = g->bytes.length;
    WR_TRY(wr_key_encode_value(value, &g->bytes));
    uint32_t length = (uint32_t) (g->bytes.length - offset);
    uint64_t hash = wr_hash_stable(g->bytes.data + offset, length), at = hash;
    *class = equal_find(g, hash, g->bytes.data + offset, length);
    if (*class != SELECTOR_NO_CLASS) {
        g->bytes.length = offset;
        return WEIR_OK;
    }
    while (g->slots[at & g->mask] != SELECTOR_NO_CLASS)
        at++;
    *class = g->class_count++;
    g->keys[*class] = (selector_key){ (uint32_t) offset, length };
    g->slots[at & g->mask] = *class;
    g->hashes[at & g->mask] = hash;
    return WEIR_OK;
}

static int
by_class(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;
    return (x > y) - (x < y);
}

/* Each selector's classes, ascending and distinct. */
static weir_status
equal_classes(selector_group *g, const wr_selector *const *selectors, const uint32_t *ids)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < g->selector_count; i++) {
        const wr_selector *s = selectors[ids[i]];
        uint32_t          *list = g->classes.items + at, kept = 0;
        g->classes.starts[i] = at;
        for (uint32_t v = 0; v < s->value_count; v++)
            WR_TRY(equal_enter(g, &s->values[v], &list[v]));
        if (s->value_count > 1)
            qsort(list, s->value_count, sizeof *list, by_class);
        for (uint32_t v = 0; v < s->value_count; v++)
            if (kept == 0 || list[kept - 1] != list[v])
                list[kept++] = list[v];
        at += kept;
    }
    g->classes.starts[g->selector_count] = at;
    return WEIR_OK;
}

/* The same the other way round. */
static weir_status
equal_members(wr_selector_index *index, selector_group *g, const uint32_t *ids)
{
    uint32_t entries = g->classes.starts[g->selector_count];
    g->weights = wr_arena_calloc(&index->arena, g->class_count + 1, sizeof *g->weights);
    g->members.starts = wr_arena_calloc(&index->arena, g->class_count + 2, sizeof(uint32_t));
    g->members.items = wr_arena_calloc(&index->arena, entries + 1, sizeof(uint32_t));
    if (g->weights == NULL || g->members.starts == NULL || g->members.items == NULL)
        return WEIR_MEMORY;
    for (uint32_t e = 0; e < entries; e++)
        g->weights[g->classes.items[e]]++;
    for (uint32_t c = 0; c < g->class_count; c++)
        g->members.starts[c + 2] = g->members.starts[c + 1] + g->weights[c];
    for (uint32_t i = 0; i < g->selector_count; i++)
        for (uint32_t e = g->classes.starts[i]; e < g->classes.starts[i + 1]; e++)
            g->members.items[g->members.starts[g->classes.items[e] + 1]++] = ids[i];
    return WEIR_OK;
}

weir_status
wr_selector_equal_make(wr_selector_index *index, selector_group *g,
                       const wr_selector *const *selectors, const uint32_t *ids)
{
    uint64_t values = 0, size = 16;
    for (uint32_t i = 0; i < g->selector_count; i++)
        values += selectors[ids[i]]->value_count;
    while (size < 4 * values) /* at most a quarter full */
        size *= 2;
    if (values > UINT32_MAX / 8)
        return WEIR_MEMORY;
    g->mask = size - 1;
    g->keys = wr_arena_calloc(&index->arena, values + 1, sizeof *g->keys);
    g->hashes = wr_arena_calloc(&index->arena, size, sizeof *g->hashes);
    g->slots = wr_arena_alloc(&index->arena, size * sizeof *g->slots);
    g->classes.starts = wr_arena_calloc(&index->arena, g->selector_count + 1, sizeof(uint32_t));
    g->classes.items = wr_arena_calloc(&index->arena, values + 1, sizeof(uint32_t));
    if (g->keys == NULL || g->hashes == NULL || g->slots == NULL || g->classes.starts == NULL ||
        g->classes.items == NULL)
        return WEIR_MEMORY;
    memset(g->slots, 0xff, size * sizeof *g->slots);
    WR_TRY(equal_classes(g, selectors, ids));
    return equal_members(index, g, ids);
}

weir_status
wr_selector_equal_classes(const selector_group *g, wr_selector_matcher *m, const wr_batch *batch,
                          uint32_t *classes)
{
    if (m->keys == NULL) {
        m->keys = wr_alloc(m->budget, sizeof *m->keys);
        if (m->keys == NULL)
            return WEIR_MEMORY;
        wr_keys_init(m->keys, m->budget);
    }
    wr_keys *keys = m->keys;
    WR_TRY(wr_keys_encode(keys, batch, &g->column, 1));
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t from = keys->offsets[i];
        classes[i] = keys->any_null[i]
                         ? SELECTOR_NO_CLASS
                         : equal_find(g, keys->hashes[i], keys->bytes.data + from,
                                      keys->offsets[i + 1] - from);
    }
    return WEIR_OK;
}
