/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_array.c -- looking at arrays: dimensions, subscripts, slices, positions, containment.
 *
 * Place       rows of the function registry.
 * Invariants  NULL items never match in @>, <@ and &&; in array_position NULL finds NULL
 * Cost        containment compares every pair: arrays in events are short.
 */
#include "expr/fn_array_impl.h"
#include "expr/registry_impl.h"

/* --- dimensions --- */

/* Opens the array; which of its dimensions the second argument names, or -1. */
static int
dimension_of(const wr_value *args, wr_array_view *view)
{
    wr_array_open(&args[0].string, view);
    return args[1].integer < 1 || args[1].integer > view->dims ? -1 : (int) args[1].integer - 1;
}

FN_KERNEL(array_length)
{
    wr_array_view view;
    int           d = dimension_of(args, &view);
    if (d < 0)
        return fn_give_null(out);
    out->integer = view.lengths[d];
    return WEIR_OK;
}

FN_KERNEL(array_lower)
{
    wr_array_view view;
    int           d = dimension_of(args, &view);
    if (d < 0)
        return fn_give_null(out);
    out->integer = view.lower[d];
    return WEIR_OK;
}

FN_KERNEL(array_upper)
{
    wr_array_view view;
    int           d = dimension_of(args, &view);
    if (d < 0)
        return fn_give_null(out);
    out->integer = (int64_t) view.lower[d] + view.lengths[d] - 1;
    return WEIR_OK;
}

FN_KERNEL(array_ndims)
{
    wr_array_view view;
    wr_array_open(&args[0].string, &view);
    if (view.dims == 0)
        return fn_give_null(out);
    out->integer = view.dims;
    return WEIR_OK;
}

FN_KERNEL(array_dims)
{
    wr_array_view view;
    wr_text       text;
    wr_array_open(&args[0].string, &view);
    if (view.dims == 0)
        return fn_give_null(out);
    wr_text_init(&text, eval->budget);
    for (uint32_t d = 0; d < view.dims; d++)
        wr_text_printf(&text, "[%d:%lld]", view.lower[d],
                       (long long) view.lower[d] + view.lengths[d] - 1);
    return wr_fn_take(eval, row, &text, out);
}

FN_KERNEL(array_cardinality)
{
    wr_array_view view;
    wr_array_open(&args[0].string, &view);
    out->integer = view.count;
    return WEIR_OK;
}

/* --- subscripts --- */

/* a[i], a[i][j] ...: as many subscripts as dimensions, else NULL. */
FN_KERNEL(array_subscript)
{
    wr_array_view view;
    wr_value      item;
    uint64_t      index = 0;
    wr_array_open(&args[0].string, &view);
    if (view.dims != arg_count - 1)
        return fn_give_null(out);
    for (uint32_t d = 0; d < view.dims; d++) {
        int64_t at = args[d + 1].integer, first = view.lower[d];
        if (at < first || at >= first + view.lengths[d])
            return fn_give_null(out);
        index = index * view.lengths[d] + (uint64_t) (at - first);
    }
    for (const char *at = view.items; wr_array_next(&view, &at, &item);) {
        if (index-- > 0)
            continue;
        wr_type type = out->type;
        *out = item;
        out->type = type;
        return WEIR_OK;
    }
    return fn_give_null(out);
}

/* Is the item of a row-major position inside [from, from + lengths) of every dimension? */
static bool
slice_has(const wr_array_view *view, const uint32_t *from, const uint32_t *lengths,
          uint32_t position)
{
    for (uint32_t d = view->dims; d-- > 0; position /= view->lengths[d]) {
        uint32_t at = position % view->lengths[d];
        if (at < from[d] || at - from[d] >= lengths[d])
            return false;
    }
    return true;
}

/* a[l:u], a[l:u][l:u] ...: bounds beyond the array are cut to it, dimensions left out are whole. */
FN_KERNEL(array_slice)
{
    wr_items      items;
    wr_array_view shape;
    uint32_t      from[WR_ARRAY_DIMS_MAX], pairs = (arg_count - 1) / 2, kept = 0;
    WR_TRY(wr_items_open(eval, &args[0], 0, &items));
    shape = items.view;
    shape.count = shape.dims > 0 && pairs <= shape.dims;
    for (uint32_t d = 0; d < shape.dims; d++) {
        int64_t first = shape.lower[d], last = first + shape.lengths[d] - 1;
        int64_t low = first, high = last;
        if (d < pairs) {
            low = WR_MAX(args[1 + 2 * d].integer, first);
            high = WR_MIN(args[2 + 2 * d].integer, last);
        }
        from[d] = (uint32_t) (low - first);
        shape.lengths[d] = low <= high ? (uint32_t) (high - low + 1) : 0;
        shape.lower[d] = 1;
        shape.count *= shape.lengths[d];
    }
    for (uint32_t i = 0; shape.count > 0 && i < items.view.count; i++)
        if (slice_has(&items.view, from, shape.lengths, i))
            items.list[kept++] = items.list[i];
    wr_assert(kept == shape.count);
    return wr_items_give(eval, row, &shape, items.list, out);
}

/* --- positions --- */

FN_KERNEL(array_position)
{
    wr_array_view view;
    wr_value      item;
    int64_t       start;
    if (args[0].is_null)
        return fn_give_null(out);
    wr_array_open(&args[0].string, &view);
    if (view.dims > 1)
        return fn_array_fail(eval, row,
                             "searching for elements in multidimensional arrays is not supported");
    bool possible = view.dims > 0 && !args[1].is_null;
    for (const char *at = view.items; !possible && wr_array_next(&view, &at, &item);)
        possible = item.is_null;
    if (!possible)
        return fn_give_null(out);
    if (arg_count > 2 && args[2].is_null)
        return fn_array_fail(eval, row, "initial position must not be null");
    start = arg_count > 2 ? args[2].integer : INT32_MIN;
    int64_t subscript = view.dims > 0 ? view.lower[0] : 1;
    for (const char *at = view.items; wr_array_next(&view, &at, &item); subscript++) {
        if (subscript >= start && fn_item_same(&item, &args[1])) {
            out->integer = subscript;
            return WEIR_OK;
        }
    }
    return fn_give_null(out);
}

FN_KERNEL(array_positions)
{
    wr_array_view view;
    wr_value      item, *found;
    uint32_t      count = 0;
    if (args[0].is_null)
        return fn_give_null(out);
    wr_array_open(&args[0].string, &view);
    if (view.dims > 1)
        return fn_array_fail(eval, row,
                             "searching for elements in multidimensional arrays is not supported");
    found = wr_arena_alloc(&eval->step, view.count * sizeof *found);
    if (found == NULL)
        return WEIR_MEMORY;
    int64_t subscript = view.dims > 0 ? view.lower[0] : 1;
    for (const char *at = view.items; wr_array_next(&view, &at, &item); subscript++)
        if (fn_item_same(&item, &args[1]))
            found[count++] = (wr_value){ .type = T_INT4, .integer = subscript };
    return wr_array_make(T_INT4, found, count, &eval->step, &out->string);
}

/* --- containment --- */

static bool
view_has(const wr_array_view *view, const wr_value *wanted)
{
    wr_value item;
    for (const char *at = view->items; wr_array_next(view, &at, &item);)
        if (!item.is_null && wr_value_equal(&item, wanted))
            return true;
    return false;
}

static bool
array_contains_all(const wr_value *outer, const wr_value *inner)
{
    wr_array_view have, want;
    wr_value      item;
    wr_array_open(&outer->string, &have);
    wr_array_open(&inner->string, &want);
    for (const char *at = want.items; wr_array_next(&want, &at, &item);)
        if (item.is_null || !view_has(&have, &item))
            return false;
    return true;
}

FN_KERNEL(array_contains)
{
    out->boolean = array_contains_all(&args[0], &args[1]);
    return WEIR_OK;
}

FN_KERNEL(array_contained)
{
    out->boolean = array_contains_all(&args[1], &args[0]);
    return WEIR_OK;
}

FN_KERNEL(array_overlaps)
{
    wr_array_view a, b;
    wr_value      item;
    wr_array_open(&args[0].string, &a);
    wr_array_open(&args[1].string, &b);
    out->boolean = false;
    for (const char *at = b.items; !out->boolean && wr_array_next(&b, &at, &item);)
        out->boolean = !item.is_null && view_has(&a, &item);
    return WEIR_OK;
}

/* How many of the ascending thresholds are at or below the operand. */
FN_KERNEL(array_width_bucket)
{
    wr_items items;
    uint32_t low = 0, high;
    WR_TRY(wr_items_open(eval, &args[1], 0, &items));
    if (items.view.dims > 1)
        return fn_array_fail(eval, row, "thresholds must be one-dimensional array");
    high = items.view.count;
    for (uint32_t i = 0; i < high; i++)
        if (items.list[i].is_null)
            return fn_array_fail(eval, row, "thresholds array must not contain NULLs");
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (wr_value_compare(&args[0], &items.list[middle]) < 0)
            high = middle;
        else
            low = middle + 1;
    }
    out->integer = low;
    return WEIR_OK;
}

#define FN_TOPIC "array"
const wr_function wr_fn_array[] = {
    FN("array_length", T_INT4, array_length, 0, "length of a dimension", T_ARRAY, T_INT4),
    FN("array_lower", T_INT4, array_lower, 0, "first subscript of a dimension", T_ARRAY, T_INT4),
    FN("array_upper", T_INT4, array_upper, 0, "last subscript of a dimension", T_ARRAY, T_INT4),
    FN("array_ndims", T_INT4, array_ndims, 0, "number of dimensions", T_ARRAY),
    FN("array_dims", T_TEXT, array_dims, FN_FAILS, "bounds of the dimensions", T_ARRAY),
    FN("cardinality", T_INT4, array_cardinality, 0, "number of items", T_ARRAY),
    FN("array_position", T_INT4, array_position, FN_FAILS | FN_NULLS | FN_OPTIONAL(1),
       "subscript of the first item that is the value", T_ARRAY, T_ELEMENT, T_INT4),
    FN("array_positions", T_INT4S, array_positions, FN_FAILS | FN_NULLS,
       "subscripts of all items that are the value", T_ARRAY, T_ELEMENT),
    FN("@>", T_BOOL, array_contains, 0, "does the left contain all items of the right?", T_ARRAY,
       T_ARRAY),
    FN("<@", T_BOOL, array_contained, 0, "does the right contain all items of the left?", T_ARRAY,
       T_ARRAY),
    FN("&&", T_BOOL, array_overlaps, 0, "have they an item in common?", T_ARRAY, T_ARRAY),
    FN("width_bucket", T_INT4, array_width_bucket, FN_FAILS,
       "how many of the ascending thresholds are at or below the value", T_ELEMENT, T_ARRAY),
    FN_END,
};

/* x[i], x[i:j] */
#undef FN_TOPIC
#define FN_TOPIC "internal"
const wr_function wr_fn_array_part[] = {
    FN("array_subscript", T_ELEMENT, array_subscript, FN_VARIADIC, "the item of a subscript",
       T_ARRAY, T_INT8),
    FN("array_slice", T_ARRAY, array_slice, FN_FAILS | FN_VARIADIC,
       "the items between two subscripts (pairs for more dimensions)", T_ARRAY, T_INT8, T_INT8),
    FN_END,
};
