/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/selector.h -- conditions on one column that an index answers for many readers at once: equal to one of some
 * constants, or within bounds.
 *
 * Place       plan/route.c finds them in predicates; a stream's router (runtime/route.c) asks an index of them which
 *             rows of a batch satisfy which.
 * State       an index is read-only once made, and shared; each thread that asks has a matcher (scratch).
 * Invariants  L1  a row satisfies a selector exactly when the condition it was made of is true: NULL satisfies
 *                 none, NaN = NaN and above all, -0 = 0, 1.0 = 1.00, text by bytes
 *             L2  asking cannot fail but for memory
 *             L3  what an answer holds is bounded by rows and selectors, not by their product
 * Cost        a row: its key hashed (4-12 ns) or its place among the bounds searched, then 3 ns for each selector
 *             that it satisfies; nothing for those that it does not.
 */
#pragma once

#include "expr/expr.h"

typedef struct wr_selector {
    uint32_t  column;
    wr_type   type;        /* of the values: the column's, or a wider one of its kind          */
    bool      range;       /* values[0] <= column <= values[1]; a NULL bound is none           */
    bool      low_open, high_open; /* RANGE: <                                                 */
    uint32_t  value_count; /* else: column is one of values, none of them NULL                 */
    wr_value *values;      /* their bytes are borrowed from the condition                      */
} wr_selector;

/* What the condition says, when a selector can say it.  Arena: values.  MEMORY. */
weir_status wr_selector_of(wr_arena *arena, const wr_expr *condition, wr_selector *selector,
                           bool *found);
/* Two ranges of one column into one, in place of a; false: they are something else. */
bool        wr_selector_and(wr_selector *a, const wr_selector *b);
/* Equal for equal selectors (their columns apart). */
uint64_t    wr_selector_hash(const wr_selector *selector);

/* --- many of them --- */

typedef struct wr_selector_index wr_selector_index;
/* Selectors are numbered as they stand; borrowed while it is made alone. */
weir_status wr_selector_index_create(wr_budget *budget, const wr_selector *const *selectors,
                                     uint32_t count, wr_selector_index **index);
void        wr_selector_index_destroy(wr_selector_index *index);

typedef struct wr_selector_matcher wr_selector_matcher;
weir_status wr_selector_matcher_create(wr_budget *budget, const wr_selector_index *index,
                                       wr_selector_matcher **matcher);
void        wr_selector_matcher_destroy(wr_selector_matcher *matcher);

/* The rows of a batch that satisfy one selector. */
typedef struct wr_selected {
    uint32_t        selector;
    uint32_t        count;   /* of rows; with classes: at most that many                       */
    const uint16_t *rows;    /* physical, ascending; NULL: wr_selected_rows finds them         */
    const uint32_t *classes; /* by visible row; NULL when rows are listed                      */
} wr_selected;
/* All that some row satisfies; and, where very many are satisfied by most rows, some that none does. */
typedef struct wr_selection {
    uint32_t    count;
    wr_selected list[];
} wr_selection;
/* Returns owned (wr_free), on flow.  Every visible row of the batch is looked at once. */
weir_status wr_selector_match(const wr_selector_index *index, wr_selector_matcher *matcher,
                              wr_budget *flow, const wr_batch *batch, wr_selection **selection);
/* The physical rows of one, into rows (room for the batch's row_count), or those that are listed. */
const uint16_t *wr_selected_rows(const wr_selector_index *index, const wr_selected *selected,
                                 const wr_batch *batch, uint16_t *rows, uint32_t *count);
