/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/selector_range.c -- groups of selectors with bounds: the bounds sorted, and a segment tree over the classes that
 * they cut (selector_impl.h).
 *
 * Each range is entered at the fewest nodes whose leaves are its classes: two a level at most.  The selectors that a
 * class satisfies are those at the nodes from its leaf to the root.
 *
 * Cost        a row: a binary search among the bounds, over words where the type has an order of words.
 */
#include "expr/selector_impl.h"

#include <stdlib.h>
#include <string.h>

/* --- values as words --- */

static uint64_t
word_of_long(int64_t v)
{
    return (uint64_t) v ^ (1ull << 63);
}

/* -0 = 0; NaN above all. */
static uint64_t
word_of_double(double d)
{
    uint64_t bits;
    d = d == 0 ? 0.0 : d;
    if (d != d)
        return UINT64_MAX;
    memcpy(&bits, &d, sizeof bits);
    return (bits >> 63) != 0 ? ~bits : bits | (1ull << 63);
}

static bool
has_words(wr_type t)
{
    return wr_type_is_integer(t) || wr_type_is_time(t) || t.id == WR_TIME || t.id == WR_BOOL ||
           t.id == WR_FLOAT4 || t.id == WR_FLOAT8;
}

static uint64_t
word_of_value(const wr_value *v)
{
    switch ((wr_type_id) v->type.id) {
    case WR_BOOL: return v->boolean;
    case WR_FLOAT4:
    case WR_FLOAT8: return word_of_double(v->real);
    default: return word_of_long(v->integer);
    }
}

static inline uint64_t
word_at(const wr_column *base, uint32_t at)
{
    switch ((wr_type_id) base->type.id) {
    case WR_BOOL: return ((const bool *) base->data)[at];
    case WR_INT2: return word_of_long(((const int16_t *) base->data)[at]);
    case WR_INT4:
    case WR_DATE: return word_of_long(((const int32_t *) base->data)[at]);
    case WR_FLOAT4: return word_of_double((double) ((const float *) base->data)[at]);
    case WR_FLOAT8: return word_of_double(((const double *) base->data)[at]);
    default: return word_of_long(((const int64_t *) base->data)[at]);
    }
}

/* --- making --- */

static int
by_value(const void *a, const void *b)
{
    return wr_value_compare(a, b);
}

/* The index of the first bound that is not below the value; *same: it is equal. */
static uint32_t
bound_find(const selector_group *g, const wr_value *v, bool *same)
{
    uint32_t low = 0, high = g->bound_count;
    *same = false;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int      order = wr_value_compare(v, &g->bounds[middle]);
        *same = *same || order == 0;
        if (order > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t
word_find(const uint64_t *words, uint32_t count, uint64_t word)
{
    const uint64_t *base = words;
    for (uint32_t n = count; n > 1; n -= n / 2) /* no branch to be guessed */
        base += base[n / 2 - 1] < word ? n / 2 : 0;
    return (uint32_t) (base - words) + (count > 0 && *base < word);
}

static weir_status
range_bounds(wr_selector_index *index, selector_group *g, const wr_selector *const *selectors,
             const uint32_t *ids)
{
    uint32_t n = 0, kept = 0;
    g->bounds = wr_arena_calloc(&index->arena, 2 * (size_t) g->selector_count + 1, sizeof *g->bounds);
    if (g->bounds == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < g->selector_count; i++)
        for (int end = 0; end < 2; end++)
            if (!selectors[ids[i]]->values[end].is_null)
                WR_TRY(wr_value_copy(&selectors[ids[i]]->values[end], &index->arena,
                                     &g->bounds[n++]));
    qsort(g->bounds, n, sizeof *g->bounds, by_value);
    for (uint32_t i = 0; i < n; i++)
        if (kept == 0 || wr_value_compare(&g->bounds[kept - 1], &g->bounds[i]) != 0)
            g->bounds[kept++] = g->bounds[i];
    g->bound_count = kept;
    g->class_count = 2 * kept + 1;
    if (!has_words(g->type))
        return WEIR_OK;
    g->words = wr_arena_calloc(&index->arena, kept + 1, sizeof *g->words);
    for (uint32_t i = 0; g->words != NULL && i < kept; i++)
        g->words[i] = word_of_value(&g->bounds[i]);
    return g->words != NULL ? WEIR_OK : WEIR_MEMORY;
}

static void
range_place(const selector_group *g, const wr_selector *s, selector_place *place)
{
    bool same;
    place->first = 0;
    place->last = g->class_count - 1;
    if (!s->values[0].is_null)
        place->first = 2 * bound_find(g, &s->values[0], &same) + 1 + s->low_open;
    if (!s->values[1].is_null)
        place->last = 2 * bound_find(g, &s->values[1], &same) + 1 - s->high_open;
}

/* Visit the nodes of a range; node n has children 2n and 2n + 1, leaves begin at class_count. */
static void
range_visit(const selector_group *g, const selector_place *place, uint32_t id, uint32_t *counts,
            uint32_t *items)
{
    if (place->first > place->last)
        return;
    uint32_t low = place->first + g->class_count, high = place->last + g->class_count + 1;
    for (; low < high; low /= 2, high /= 2) {
        uint32_t ends[2] = { (low & 1) != 0 ? low++ : 0, (high & 1) != 0 ? --high : 0 };
        for (int e = 0; e < 2; e++)
            if (ends[e] != 0 && items != NULL)
                items[counts[ends[e]]++] = id;
            else if (ends[e] != 0)
                counts[ends[e]]++;
    }
}

weir_status
wr_selector_range_make(wr_selector_index *index, selector_group *g,
                       const wr_selector *const *selectors, const uint32_t *ids)
{
    WR_TRY(range_bounds(index, g, selectors, ids));
    uint32_t  nodes = 2 * g->class_count, total = 0;
    uint32_t *starts = wr_arena_calloc(&index->arena, nodes + 2, sizeof *starts);
    g->weights = wr_arena_calloc(&index->arena, g->class_count + 1, sizeof *g->weights);
    if (starts == NULL || g->weights == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < g->selector_count; i++) {
        range_place(g, selectors[ids[i]], &index->places[ids[i]]);
        range_visit(g, &index->places[ids[i]], ids[i], starts, NULL);
    }
    for (uint32_t c = 0; c < g->class_count; c++)
        for (uint32_t n = c + g->class_count; n > 0; n /= 2)
            g->weights[c] += starts[n];
    for (uint32_t n = 0; n < nodes; n++) { /* counts to places */
        uint32_t count = starts[n];
        starts[n] = total;
        total += count;
    }
    uint32_t *fill = wr_arena_alloc(&index->arena, (nodes + 1) * sizeof *fill);
    g->members.items = wr_arena_calloc(&index->arena, total + 1, sizeof(uint32_t));
    if (fill == NULL || g->members.items == NULL)
        return WEIR_MEMORY;
    memcpy(fill, starts, nodes * sizeof *fill);
    for (uint32_t i = 0; i < g->selector_count; i++)
        range_visit(g, &index->places[ids[i]], ids[i], fill, g->members.items);
    starts[nodes] = total;
    g->members.starts = starts;
    return WEIR_OK;
}

/* --- asking --- */

static weir_status
classes_by_value(const selector_group *g, wr_selector_matcher *m, const wr_column *c,
                 const wr_batch *batch, uint32_t *classes)
{
    wr_arena scratch;
    wr_arena_init(&scratch, m->budget);
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < batch->row_count && status == WEIR_OK; i++) {
        uint32_t row = wr_batch_row(batch, i);
        wr_value v;
        bool     same;
        classes[i] = SELECTOR_NO_CLASS;
        if (wr_column_is_null(c, row))
            continue;
        wr_arena_reset(&scratch);
        status = wr_column_get_value(c, row, &scratch, &v);
        v.type = g->type;
        if (status == WEIR_OK) {
            uint32_t at = bound_find(g, &v, &same);
            classes[i] = 2 * at + same;
        }
    }
    wr_arena_fini(&scratch);
    return status;
}

weir_status
wr_selector_range_classes(const selector_group *g, wr_selector_matcher *m, const wr_batch *batch,
                          uint32_t *classes)
{
    const wr_column *c = batch->columns[g->column], *base = wr_column_base(c);
    if (g->words == NULL)
        return classes_by_value(g, m, c, batch, classes);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t at = wr_column_index(c, wr_batch_row(batch, i));
        if (base->valid != NULL && !wr_bitmap_get(base->valid, at)) {
            classes[i] = SELECTOR_NO_CLASS;
            continue;
        }
        uint64_t word = word_at(base, at);
        uint32_t found = word_find(g->words, g->bound_count, word);
        classes[i] = 2 * found + (found < g->bound_count && g->words[found] == word);
    }
    return WEIR_OK;
}
