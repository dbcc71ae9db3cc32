/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/selector_impl.h -- the two kinds of group an index of selectors is made of.
 *
 * A group holds the selectors of one kind over one column.  Its constants cut the column's values into classes; which
 * selectors a row satisfies depends on its class alone:
 *
 *     equal    a class is a constant:      k = 5, k IN (5, 7)                  5 -> 0, 7 -> 1
 *     range    a class is a place among the bounds b0 < b1 < ... < bm-1: 2i + 1 is bi itself, 2i lies below it
 *              10 <= v < 20, v > 15        below 10, 10, (10,15), 15, (15,20), 20, above: 0..6; [1,4] and [4,6]
 */
#pragma once

#include "data/key.h"
#include "expr/selector.h"

enum { SELECTOR_NO_CLASS = UINT32_MAX };

/* Lists one behind another: list i is items[starts[i]..starts[i + 1]). */
typedef struct selector_lists {
    uint32_t *starts, *items;
} selector_lists;

typedef struct selector_key {
    uint32_t offset, length; /* in bytes */
} selector_key;

typedef struct selector_group {
    uint32_t       column;
    wr_type        type;
    bool           range;
    uint32_t       selector_count, class_count;
    uint32_t      *weights;  /* by class: how many selectors it satisfies     */
    selector_lists members;  /* EQUAL: by class; RANGE: by node of the tree   */
    /* EQUAL */
    selector_lists classes;  /* by selector of the group, ascending           */
    wr_text        bytes;    /* of the keys                                   */
    selector_key  *keys;     /* by class                                      */
    uint64_t      *hashes;   /* of the slots                                  */
    uint32_t      *slots;    /* a class, or NO_CLASS                          */
    uint64_t       mask;
    /* RANGE */
    wr_value      *bounds;   /* ascending, distinct; bytes are the arena's    */
    uint64_t      *words;    /* the same as words in their order; NULL: type has none */
    uint32_t       bound_count;
} selector_group;

/* Where a selector stands. */
typedef struct selector_place {
    uint32_t group, index;      /* index: among the group's */
    uint32_t first, last;       /* RANGE: of its classes; first > last: none */
} selector_place;

struct wr_selector_index {
    wr_budget      *budget;
    wr_arena        arena;
    uint32_t        count, group_count;
    selector_place *places; /* by selector */
    selector_group *groups;
};

struct wr_selector_matcher {
    wr_budget *budget;
    wr_arena   arena;    /* of one batch */
    wr_keys   *keys;     /* EQUAL        */
    uint32_t  *counts;   /* by selector: rows of the batch; all 0 between batches */
    uint32_t  *touched;  /* those that are not 0 */
};


/* Make the group from its selectors; ids are their numbers in the index. */
weir_status wr_selector_equal_make(wr_selector_index *index, selector_group *g,
                                   const wr_selector *const *selectors, const uint32_t *ids);
weir_status wr_selector_range_make(wr_selector_index *index, selector_group *g,
                                   const wr_selector *const *selectors, const uint32_t *ids);
/* The class of each visible row. */
weir_status wr_selector_equal_classes(const selector_group *g, wr_selector_matcher *m,
                                      const wr_batch *batch, uint32_t *classes);
weir_status wr_selector_range_classes(const selector_group *g, wr_selector_matcher *m,
                                      const wr_batch *batch, uint32_t *classes);
