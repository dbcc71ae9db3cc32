/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_array_impl.h -- what the array functions share: an array as a list of boxed items.
 *
 * Place       included by expr/fn_array*.c alone.
 */
#pragma once

#include "expr/fn_impl.h"

/* An array with its items boxed, in the step arena, row-major. */
typedef struct wr_items {
    wr_array_view view;
    wr_value     *list; /* view.count, with room for `more` behind and before */
} wr_items;

/* Opens value; NULL is the empty array of its type.  `more` extra places follow the items. */
weir_status wr_items_open(wr_eval *eval, const wr_value *value, uint32_t more, wr_items *items);
/* Makes the result of view's shape and the list's items; refuses more than WR_ARRAY_ITEMS_MAX. */
weir_status wr_items_give(wr_eval *eval, uint32_t row, const wr_array_view *shape,
                          const wr_value *list, wr_value *out);
/* IS NOT DISTINCT FROM. */
static inline bool
fn_item_same(const wr_value *a, const wr_value *b)
{
    return a->is_null || b->is_null ? a->is_null == b->is_null : wr_value_equal(a, b);
}
static inline weir_status
fn_array_fail(wr_eval *eval, uint32_t row, const char *text)
{
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "%s", text);
}
