/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/selector_index.c -- an index of selectors: its groups, and the rows of a batch by selector (see selector.h).
 *
 * A batch is looked at group by group: each row's class, then
 *     sparse   the pairs of row and selector are counted by selector, then each row is put where it belongs;
 *     dense    (pairs are more than a fraction of rows x selectors) the classes are handed over as they are, and each
 *              reader compares them with its own: no list is longer than the batch (L3).
 */
#include "expr/selector_impl.h"

#include <stdlib.h>
#include <string.h>

enum { DENSE_FRACTION = 8, PAIRS_MAX = 1 << 20 };

/* --- making --- */

typedef struct sort_entry {
    const wr_selector *selector;
    uint32_t           id;
} sort_entry;

static int
compare_kinds(const wr_selector *a, const wr_selector *b)
{
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    if (a->range != b->range)
        return a->range ? 1 : -1;
    return (int) a->type.id - (int) b->type.id;
}

static int
by_kind(const void *x, const void *y)
{
    const sort_entry *a = x, *b = y;
    int               order = compare_kinds(a->selector, b->selector);
    return order != 0 ? order : (a->id > b->id) - (a->id < b->id);
}

static weir_status
make_groups(wr_selector_index *index, const wr_selector *const *selectors, sort_entry *sorted,
            uint32_t *ids)
{
    for (uint32_t i = 0; i < index->count; i++)
        sorted[i] = (sort_entry){ selectors[i], i };
    qsort(sorted, index->count, sizeof *sorted, by_kind);
    for (uint32_t i = 0; i < index->count; i++) {
        const wr_selector *s = sorted[i].selector;
        ids[i] = sorted[i].id;
        if (i == 0 || compare_kinds(sorted[i - 1].selector, s) != 0) {
            selector_group *made = &index->groups[index->group_count++];
            *made = (selector_group){ .column = s->column, .type = s->type, .range = s->range };
            wr_text_init(&made->bytes, index->budget);
        }
        selector_group *g = &index->groups[index->group_count - 1];
        index->places[ids[i]] =
            (selector_place){ .group = index->group_count - 1, .index = g->selector_count++ };
    }
    for (uint32_t i = 0, at = 0; i < index->group_count; i++) {
        selector_group *g = &index->groups[i];
        WR_TRY(g->range ? wr_selector_range_make(index, g, selectors, ids + at)
                        : wr_selector_equal_make(index, g, selectors, ids + at));
        at += g->selector_count;
    }
    return WEIR_OK;
}

weir_status
wr_selector_index_create(wr_budget *budget, const wr_selector *const *selectors, uint32_t count,
                         wr_selector_index **out)
{
    wr_selector_index *index = wr_calloc(budget, 1, sizeof *index);
    if (index == NULL)
        return WEIR_MEMORY;
    index->budget = budget;
    index->count = count;
    wr_arena_init(&index->arena, budget);
    sort_entry *sorted = wr_alloc(budget, (count + 1) * sizeof *sorted);
    uint32_t   *ids = wr_alloc(budget, (count + 1) * sizeof *ids);
    index->places = wr_arena_calloc(&index->arena, count + 1, sizeof *index->places);
    index->groups = wr_arena_calloc(&index->arena, count + 1, sizeof *index->groups);
    weir_status status = WEIR_MEMORY;
    if (sorted != NULL && ids != NULL && index->places != NULL && index->groups != NULL)
        status = make_groups(index, selectors, sorted, ids);
    wr_free(sorted);
    wr_free(ids);
    if (status != WEIR_OK) {
        wr_selector_index_destroy(index);
        return status;
    }
    *out = index;
    return WEIR_OK;
}

void
wr_selector_index_destroy(wr_selector_index *index)
{
    if (index == NULL)
        return;
    for (uint32_t i = 0; i < index->group_count; i++)
        wr_text_fini(&index->groups[i].bytes);
    wr_arena_fini(&index->arena);
    wr_free(index);
}

weir_status
wr_selector_matcher_create(wr_budget *budget, const wr_selector_index *index,
                           wr_selector_matcher **out)
{
    wr_selector_matcher *m = wr_calloc(budget, 1, sizeof *m);
    if (m == NULL)
        return WEIR_MEMORY;
    m->budget = budget;
    wr_arena_init(&m->arena, budget);
    m->counts = wr_calloc(budget, index->count + 1, sizeof *m->counts);
    m->touched = wr_alloc(budget, (index->count + 1) * sizeof *m->touched);
    if (m->counts == NULL || m->touched == NULL) {
        wr_selector_matcher_destroy(m);
        return WEIR_MEMORY;
    }
    *out = m;
    return WEIR_OK;
}

void
wr_selector_matcher_destroy(wr_selector_matcher *m)
{
    if (m == NULL)
        return;
    if (m->keys != NULL)
        wr_keys_fini(m->keys);
    wr_free(m->keys);
    wr_free(m->counts);
    wr_free(m->touched);
    wr_arena_fini(&m->arena);
    wr_free(m);
}

/* --- asking --- */

typedef struct match_group {
    uint32_t *classes;
    bool      dense;
    uint64_t  pairs;
} match_group;

/* For each row and selector that it satisfies: count it, or (rows given) put it where the count points. */
static inline __attribute__((always_inline)) void
visit_pairs(const selector_group *g, const match_group *m, const wr_batch *batch,
            wr_selector_matcher *scratch, uint32_t *touched_count, uint16_t *rows)
{
    const uint32_t *starts = g->members.starts, *items = g->members.items;
    uint32_t       *counts = scratch->counts;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t c = m->classes[i];
        uint16_t row = (uint16_t) wr_batch_row(batch, i);
        if (c == SELECTOR_NO_CLASS || g->weights[c] == 0)
            continue;
        for (uint32_t n = g->range ? c + g->class_count : c;; n /= 2) {
            for (uint32_t e = starts[n]; e < starts[n + 1]; e++) {
                uint32_t at = counts[items[e]]++;
                if (rows != NULL)
                    rows[at] = row;
                else if (at == 0)
                    scratch->touched[(*touched_count)++] = items[e];
            }
            if (!g->range || n <= 1)
                break;
        }
    }
}

static weir_status
match_group_begin(const selector_group *g, wr_selector_matcher *m, const wr_batch *batch,
                  match_group *to)
{
    uint64_t most = WR_MIN((uint64_t) PAIRS_MAX, (uint64_t) batch->row_count *
                                                                g->selector_count / DENSE_FRACTION);
    to->classes = wr_arena_alloc(&m->arena, (batch->row_count + 1) * sizeof *to->classes);
    if (to->classes == NULL)
        return WEIR_MEMORY;
    WR_TRY(g->range ? wr_selector_range_classes(g, m, batch, to->classes)
                    : wr_selector_equal_classes(g, m, batch, to->classes));
    for (uint32_t i = 0; i < batch->row_count; i++)
        to->pairs += to->classes[i] != SELECTOR_NO_CLASS ? g->weights[to->classes[i]] : 0;
    to->dense = to->pairs > most && to->pairs > 4 * (uint64_t) batch->row_count;
    return WEIR_OK;
}

/* Lay the answer out: list, rows of the sparse groups, classes of the dense ones. */
static wr_selection *
selection_make(const wr_selector_index *index, wr_selector_matcher *m, wr_budget *flow,
               const wr_batch *batch, const match_group *groups, uint32_t touched_count)
{
    size_t entries = touched_count, classes = 0, rows = 0;
    for (uint32_t i = 0; i < index->group_count; i++) {
        entries += groups[i].dense ? index->groups[i].selector_count : 0;
        classes += groups[i].dense ? batch->row_count : 0;
        rows += groups[i].dense ? 0 : groups[i].pairs;
    }
    wr_selection *s = wr_alloc(flow, sizeof *s + entries * sizeof s->list[0] +
                                         classes * sizeof(uint32_t) + rows * sizeof(uint16_t));
    if (s == NULL)
        return NULL;
    uint32_t *class_at = (uint32_t *) (void *) &s->list[entries];
    uint16_t *listed = (uint16_t *) (void *) (class_at + classes);
    uint32_t  at = 0;
    s->count = 0;
    for (uint32_t t = 0; t < touched_count; t++) {
        uint32_t id = m->touched[t], count = m->counts[id];
        s->list[s->count++] = (wr_selected){ .selector = id, .count = count, .rows = listed + at };
        m->counts[id] = at; /* from here on: where its next row goes */
        at += count;
    }
    for (uint32_t i = 0; i < index->group_count; i++)
        if (!groups[i].dense)
            visit_pairs(&index->groups[i], &groups[i], batch, m, NULL, listed);
    for (uint32_t i = 0; i < index->group_count; i++) {
        if (!groups[i].dense)
            continue;
        memcpy(class_at, groups[i].classes, batch->row_count * sizeof *class_at);
        for (uint32_t id = 0; id < index->count; id++)
            if (index->places[id].group == i)
                s->list[s->count++] = (wr_selected){ .selector = id,
                                                     .count = batch->row_count,
                                                     .classes = class_at };
        class_at += batch->row_count;
    }
    return s;
}

weir_status
wr_selector_match(const wr_selector_index *index, wr_selector_matcher *m, wr_budget *flow,
                  const wr_batch *batch, wr_selection **out)
{
    uint32_t touched = 0;
    wr_arena_reset(&m->arena);
    match_group *groups = wr_arena_calloc(&m->arena, index->group_count + 1, sizeof *groups);
    weir_status  status = groups != NULL ? WEIR_OK : WEIR_MEMORY;
    for (uint32_t i = 0; i < index->group_count && status == WEIR_OK; i++)
        status = match_group_begin(&index->groups[i], m, batch, &groups[i]);
    for (uint32_t i = 0; i < index->group_count && status == WEIR_OK; i++)
        if (!groups[i].dense)
            visit_pairs(&index->groups[i], &groups[i], batch, m, &touched, NULL);
    *out = status == WEIR_OK ? selection_make(index, m, flow, batch, groups, touched) : NULL;
    for (uint32_t t = 0; t < touched; t++)
        m->counts[m->touched[t]] = 0;
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* --- reading an answer --- */

static uint32_t
pick_range(const selector_place *p, const uint32_t *classes, const wr_batch *batch, uint16_t *rows)
{
    uint32_t kept = 0, span = p->last - p->first;
    if (p->first > p->last)
        return 0;
    for (uint32_t i = 0; i < batch->row_count; i++) { /* NO_CLASS is beyond every span */
        rows[kept] = (uint16_t) wr_batch_row(batch, i);
        kept += classes[i] - p->first <= span;
    }
    return kept;
}

static bool
holds_class(const uint32_t *list, uint32_t count, uint32_t class)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (list[middle] < class)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && list[low] == class;
}

static uint32_t
pick_equal(const selector_group *g, uint32_t at, const uint32_t *classes, const wr_batch *batch,
           uint16_t *rows)
{
    const uint32_t *list = g->classes.items + g->classes.starts[at];
    uint32_t        kept = 0, count = g->classes.starts[at + 1] - g->classes.starts[at];
    for (uint32_t i = 0; i < batch->row_count; i++) {
        rows[kept] = (uint16_t) wr_batch_row(batch, i);
        kept += count == 1 ? classes[i] == list[0] : holds_class(list, count, classes[i]);
    }
    return kept;
}

const uint16_t *
wr_selected_rows(const wr_selector_index *index, const wr_selected *s, const wr_batch *batch,
                 uint16_t *rows, uint32_t *count)
{
    const selector_place *p = &index->places[s->selector];
    const selector_group *g = &index->groups[p->group];
    *count = s->count;
    if (s->rows != NULL)
        return s->rows;
    *count = g->range ? pick_range(p, s->classes, batch, rows)
                      : pick_equal(g, p->index, s->classes, batch, rows);
    return rows;
}
