/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_array_edit.c -- making arrays: ARRAY[...], append, prepend, concatenate, remove, replace,
 * fill, trim.
 *
 * Place       rows of the function registry; ARRAY[a, b] is array_make(a, b).
 * Invariants  lower bounds are kept where PostgreSQL keeps them; an array without items has no
 *             dimensions
 */
#include "expr/fn_array_impl.h"
#include "expr/registry_impl.h"

weir_status
wr_items_open(wr_eval *eval, const wr_value *value, uint32_t more, wr_items *items)
{
    uint32_t i = 0;
    if (value->is_null)
        items->view = (wr_array_view){ .element = wr_type_element(value->type) };
    else
        wr_array_open(&value->string, &items->view);
    items->list =
        wr_arena_alloc(&eval->step, ((size_t) items->view.count + more) * sizeof(wr_value));
    if (items->list == NULL)
        return WEIR_MEMORY;
    for (const char *at = items->view.items; i < items->view.count; i++)
        if (!wr_array_next(&items->view, &at, &items->list[i]))
            break;
    wr_assert(i == items->view.count);
    return WEIR_OK;
}

weir_status
wr_items_give(wr_eval *eval, uint32_t row, const wr_array_view *shape, const wr_value *list,
              wr_value *out)
{
    if (shape->count > WR_ARRAY_ITEMS_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                            "array size exceeds the maximum allowed (%d)", WR_ARRAY_ITEMS_MAX);
    if (shape->count == 0)
        return wr_array_make(shape->element, NULL, 0, &eval->step, &out->string);
    return wr_array_make_dims(shape->element, shape->dims, shape->lengths, shape->lower, list,
                              &eval->step, &out->string);
}

/* --- ARRAY[...] --- */

static wr_type
make_result(const wr_type *args, uint32_t arg_count)
{
    if (arg_count == 0)
        return T_TEXTS;
    return args[0].id == WR_ARRAY ? args[0] : WR_TYPE_ARRAY(args[0].id);
}

static weir_status
mismatch_fail(wr_eval *eval, uint32_t row)
{
    return fn_array_fail(
        eval, row,
        "multidimensional arrays must have array expressions with matching dimensions");
}

/* Arrays of one shape become one with a dimension more; empty ones give the empty array. */
static weir_status
make_nested(wr_eval *eval, uint32_t row, const wr_value *args, uint32_t arg_count, wr_value *out)
{
    wr_array_view shape = { .element = wr_type_element(out->type) }, view;
    wr_value     *list;
    uint32_t      filled = 0, known = 0;
    for (uint32_t i = 0; i < arg_count; i++) {
        if (args[i].is_null)
            continue;
        wr_array_open(&args[i].string, &view);
        if (view.dims == 0)
            continue;
        if (known++ == 0)
            shape = view;
        bool same = view.dims == shape.dims &&
                    memcmp(view.lengths, shape.lengths, view.dims * sizeof view.lengths[0]) == 0 &&
                    memcmp(view.lower, shape.lower, view.dims * sizeof view.lower[0]) == 0;
        if (!same)
            return mismatch_fail(eval, row);
    }
    if (known == 0)
        return wr_items_give(eval, row, &shape, NULL, out);
    if (known < arg_count)
        return mismatch_fail(eval, row);
    if (shape.dims == WR_ARRAY_DIMS_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                            "number of array dimensions (%d) exceeds the maximum allowed (%d)",
                            WR_ARRAY_DIMS_MAX + 1, WR_ARRAY_DIMS_MAX);
    uint64_t total = (uint64_t) shape.count * arg_count;
    shape.count = (uint32_t) WR_MIN(total, UINT32_MAX);
    memmove(&shape.lengths[1], &shape.lengths[0], shape.dims * sizeof shape.lengths[0]);
    memmove(&shape.lower[1], &shape.lower[0], shape.dims * sizeof shape.lower[0]);
    shape.lengths[0] = arg_count;
    shape.lower[0] = 1;
    shape.dims++;
    if (total > WR_ARRAY_ITEMS_MAX)
        return wr_items_give(eval, row, &shape, NULL, out);
    list = wr_arena_alloc(&eval->step, total * sizeof *list);
    if (list == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < arg_count; i++) {
        wr_array_open(&args[i].string, &view);
        for (const char *at = view.items; wr_array_next(&view, &at, &list[filled]);)
            if (++filled == total)
                break;
    }
    wr_assert(filled == total);
    return wr_items_give(eval, row, &shape, list, out);
}

FN_KERNEL(array_make)
{
    if (arg_count > 0 && args[0].type.id == WR_ARRAY)
        return make_nested(eval, row, args, arg_count, out);
    return wr_array_make(wr_type_element(out->type), args, arg_count, &eval->step, &out->string);
}

/* --- append, prepend, concatenate --- */

/* Adds an item at the end or at the front of an array that is empty or has one dimension. */
static weir_status
push_give(wr_eval *eval, uint32_t row, const wr_value *array, const wr_value *item, bool front,
          wr_value *out)
{
    wr_items items;
    WR_TRY(wr_items_open(eval, array, 1, &items));
    if (items.view.dims > 1)
        return fn_array_fail(eval, row, "argument must be empty or one-dimensional array");
    if (items.view.dims == 0) {
        items.view.dims = 1;
        items.view.lower[0] = 1;
    }
    if (front)
        memmove(&items.list[1], &items.list[0], items.view.count * sizeof *items.list);
    items.list[front ? 0 : items.view.count] = *item;
    items.view.lengths[0] = ++items.view.count;
    return wr_items_give(eval, row, &items.view, items.list, out);
}

FN_KERNEL(array_append)
{
    return push_give(eval, row, &args[0], &args[1], false, out);
}

FN_KERNEL(array_prepend)
{
    return push_give(eval, row, &args[1], &args[0], true, out);
}

/* The shape of a then b: of as many dimensions, or one an item of the other. */
static bool
concat_shape(const wr_array_view *a, const wr_array_view *b, wr_array_view *shape)
{
    const wr_array_view *outer = a->dims >= b->dims ? a : b, *inner = outer == a ? b : a;
    uint32_t             skip = outer->dims - inner->dims;
    *shape = *outer;
    if (skip > 1)
        return false;
    for (uint32_t d = 1; d < outer->dims; d++)
        if (outer->lengths[d] != inner->lengths[d - skip] ||
            outer->lower[d] != inner->lower[d - skip])
            return false;
    shape->lengths[0] += skip == 1 ? 1 : inner->lengths[0];
    if (skip == 0)
        shape->lower[0] = a->lower[0];
    shape->count = a->count + b->count;
    return true;
}

FN_KERNEL(array_cat)
{
    wr_array_view shape, second;
    wr_items      items;
    if (args[0].is_null && args[1].is_null)
        return fn_give_null(out);
    if (args[0].is_null || args[1].is_null) {
        out->string = args[args[0].is_null ? 1 : 0].string;
        return WEIR_OK;
    }
    wr_array_open(&args[1].string, &second);
    WR_TRY(wr_items_open(eval, &args[0], second.count, &items));
    if (items.view.dims == 0 || second.dims == 0) {
        out->string = args[items.view.dims == 0 ? 1 : 0].string;
        return WEIR_OK;
    }
    if (!concat_shape(&items.view, &second, &shape))
        return fn_array_fail(eval, row, "cannot concatenate incompatible arrays");
    uint32_t filled = items.view.count;
    for (const char *at = second.items; filled < shape.count; filled++)
        if (!wr_array_next(&second, &at, &items.list[filled]))
            break;
    wr_assert(filled == shape.count);
    return wr_items_give(eval, row, &shape, items.list, out);
}

/* --- remove, replace, trim, fill --- */

FN_KERNEL(array_remove)
{
    wr_items items;
    uint32_t kept = 0;
    if (args[0].is_null)
        return fn_give_null(out);
    WR_TRY(wr_items_open(eval, &args[0], 0, &items));
    if (items.view.dims > 1)
        return fn_array_fail(
            eval, row, "removing elements from multidimensional arrays is not supported");
    for (uint32_t i = 0; i < items.view.count; i++)
        if (!fn_item_same(&items.list[i], &args[1]))
            items.list[kept++] = items.list[i];
    items.view.count = items.view.lengths[0] = kept;
    return wr_items_give(eval, row, &items.view, items.list, out);
}

FN_KERNEL(array_replace)
{
    wr_items items;
    if (args[0].is_null)
        return fn_give_null(out);
    WR_TRY(wr_items_open(eval, &args[0], 0, &items));
    for (uint32_t i = 0; i < items.view.count; i++)
        if (fn_item_same(&items.list[i], &args[1]))
            items.list[i] = args[2];
    return wr_items_give(eval, row, &items.view, items.list, out);
}

FN_KERNEL(array_trim)
{
    wr_items items;
    int64_t  drop = args[1].integer;
    WR_TRY(wr_items_open(eval, &args[0], 0, &items));
    uint32_t length = items.view.dims > 0 ? items.view.lengths[0] : 0;
    if (drop < 0 || drop > length)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "number of elements to trim must be between 0 and %u", length);
    if (length > 0)
        items.view.count = items.view.count / length * (length - (uint32_t) drop);
    items.view.lengths[0] = length - (uint32_t) drop;
    for (uint32_t d = 0; d < items.view.dims; d++)
        items.view.lower[d] = 1;
    return wr_items_give(eval, row, &items.view, items.list, out);
}

/* Reads an array of lengths or lower bounds into list. */
static weir_status
fill_read(wr_eval *eval, uint32_t row, const wr_value *array, uint32_t *count, int64_t *list)
{
    wr_array_view view;
    wr_value      item;
    wr_array_open(&array->string, &view);
    if (view.dims > 1)
        return fn_array_fail(eval, row, "wrong number of array subscripts");
    if (view.count > WR_ARRAY_DIMS_MAX)
        return wr_eval_fail(eval, row, WEIR_ROW_TOO_LARGE,
                            "number of array dimensions (%u) exceeds the maximum allowed (%d)",
                            view.count, WR_ARRAY_DIMS_MAX);
    *count = 0;
    for (const char *at = view.items; wr_array_next(&view, &at, &item);) {
        if (item.is_null)
            return fn_array_fail(eval, row, "dimension values cannot be null");
        list[(*count)++] = item.integer;
    }
    return WEIR_OK;
}

FN_KERNEL(array_fill)
{
    wr_array_view shape = { .element = wr_type_element(out->type) };
    int64_t       lengths[WR_ARRAY_DIMS_MAX], lower[WR_ARRAY_DIMS_MAX];
    uint32_t      lower_count;
    uint64_t      total = 1;
    if (args[1].is_null || (arg_count > 2 && args[2].is_null))
        return fn_array_fail(eval, row, "dimension array or low bound array cannot be null");
    WR_TRY(fill_read(eval, row, &args[1], &shape.dims, lengths));
    lower_count = shape.dims;
    for (uint32_t d = 0; d < shape.dims; d++)
        lower[d] = 1;
    if (arg_count > 2)
        WR_TRY(fill_read(eval, row, &args[2], &lower_count, lower));
    if (lower_count != shape.dims)
        return fn_array_fail(eval, row, "wrong number of array subscripts");
    for (uint32_t d = 0; d < shape.dims; d++) {
        if (lengths[d] < 0 || lengths[d] > WR_ARRAY_ITEMS_MAX)
            total = UINT32_MAX;
        else
            total = WR_MIN(total * (uint64_t) lengths[d], UINT32_MAX);
        shape.lengths[d] = (uint32_t) lengths[d];
        shape.lower[d] = (int32_t) lower[d];
    }
    shape.count = shape.dims > 0 ? (uint32_t) total : 0;
    if (shape.count == 0 || shape.count > WR_ARRAY_ITEMS_MAX)
        return wr_items_give(eval, row, &shape, NULL, out);
    wr_value *list = wr_arena_alloc(&eval->step, total * sizeof *list);
    if (list == NULL)
        return WEIR_MEMORY;
    for (uint64_t i = 0; i < total; i++)
        list[i] = args[0];
    return wr_items_give(eval, row, &shape, list, out);
}

#define FN_TOPIC "array"
const wr_function wr_fn_array_edit[] = {
    { .name = "array_make", .arg_count = 1, .variadic = true, .called_on_null = true,
      .can_fail = true, .args = { T_ELEMENT }, .result = T_ARRAY, .result_of = make_result,
      .scalar = array_make, .topic = "internal", .doc = "an array of the values", .optional = 1 },
    FN("array_append", T_ARRAY, array_append, FN_FAILS | FN_NULLS, "the item added at the end",
       T_ARRAY, T_ELEMENT),
    FN("array_prepend", T_ARRAY, array_prepend, FN_FAILS | FN_NULLS, "the item added in front",
       T_ELEMENT, T_ARRAY),
    FN("array_cat", T_ARRAY, array_cat, FN_FAILS | FN_NULLS, "the two arrays joined", T_ARRAY,
       T_ARRAY),
    FN("||", T_ARRAY, array_cat, FN_FAILS | FN_NULLS, "the two arrays joined", T_ARRAY, T_ARRAY),
    FN("||", T_ARRAY, array_append, FN_FAILS | FN_NULLS, "the item added at the end", T_ARRAY,
       T_ELEMENT),
    FN("||", T_ARRAY, array_prepend, FN_FAILS | FN_NULLS, "the item added in front", T_ELEMENT,
       T_ARRAY),
    FN("array_remove", T_ARRAY, array_remove, FN_FAILS | FN_NULLS, "without the items of a value",
       T_ARRAY, T_ELEMENT),
    FN("array_replace", T_ARRAY, array_replace, FN_FAILS | FN_NULLS,
       "the items of a value replaced", T_ARRAY, T_ELEMENT, T_ELEMENT),
    FN("trim_array", T_ARRAY, array_trim, FN_FAILS, "without the last n items", T_ARRAY, T_INT4),
    FN("array_fill", T_ARRAY, array_fill, FN_FAILS | FN_NULLS | FN_OPTIONAL(1),
       "an array of given lengths, filled with one value", T_ELEMENT, T_INT4S, T_INT4S),
    FN_END,
};
