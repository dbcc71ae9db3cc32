/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/eval_in.c -- a IN (list), a op ANY (array), a op ALL (array).
 *
 * Lists of constants over integers, times and texts become a small hash set, built once a batch; all
 * else asks the operator, row by row and item by item.  A constant array with = ANY or <> ALL is a list.
 *
 * Place       eval.c.
 * State       none; sets lie in the step arena.
 * Invariants  I1  true when an item is equal; else NULL when the value or any item is NULL; else false
 */
#include "base/hash.h"
#include "data/array.h"
#include "expr/eval_impl.h"

typedef struct item_list {
    wr_value *items;
    uint32_t  count;
    bool      has_null;
} item_list;

typedef struct item_set {
    const wr_value **slots; /* power of two, half empty or more */
    uint64_t         mask;
} item_set;

static bool
value_is_word(wr_type t)
{
    return wr_type_is_integer(t) || wr_type_is_time(t) || t.id == WR_TIME;
}

static inline uint64_t
hash_word(int64_t v)
{
    return wr_hash_u64((uint64_t) v, 0);
}

static inline uint64_t
hash_view(const wr_string *s)
{
    return wr_hash_bytes(wr_string_data(s), s->length);
}

static weir_status
set_build(wr_eval *eval, const item_list *list, bool words, item_set *set)
{
    uint64_t size = 8;
    while (size < (uint64_t) list->count * 4)
        size *= 2;
    set->mask = size - 1;
    set->slots = wr_arena_calloc(&eval->step, size, sizeof *set->slots);
    if (set->slots == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < list->count; i++) {
        const wr_value *v = &list->items[i];
        uint64_t        at = words ? hash_word(v->integer) : hash_view(&v->string);
        while (set->slots[at & set->mask] != NULL)
            at++;
        set->slots[at & set->mask] = v;
    }
    return WEIR_OK;
}

static inline bool
set_has_word(const item_set *set, int64_t word)
{
    for (uint64_t at = hash_word(word);; at++) {
        const wr_value *v = set->slots[at & set->mask];
        if (v == NULL || v->integer == word)
            return v != NULL;
    }
}

static inline bool
set_has_view(const item_set *set, const wr_string *view)
{
    for (uint64_t at = hash_view(view);; at++) {
        const wr_value *v = set->slots[at & set->mask];
        if (v == NULL || wr_string_equal(&v->string, view))
            return v != NULL;
    }
}

static inline int64_t
column_word(const wr_column *base, uint32_t index)
{
    switch (wr_column_width(base)) {
    case 2: return ((const int16_t *) base->data)[index];
    case 4: return ((const int32_t *) base->data)[index];
    default: return ((const int64_t *) base->data)[index];
    }
}

static weir_status
put_truth(wr_column *c, uint32_t row, bool hit, bool unknown, bool negate)
{
    if (!hit && unknown)
        return wr_column_set_null(c, row);
    ((uint8_t *) c->data)[row] = hit != negate;
    return WEIR_OK;
}

static weir_status
in_set(wr_eval *eval, const wr_column *arg, const item_list *list, bool negate, wr_rows rows,
       wr_column *c)
{
    const wr_column *base = wr_column_base(arg);
    bool             words = value_is_word(arg->type);
    item_set         set;
    WR_TRY(set_build(eval, list, words, &set));
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i), index = wr_column_index(arg, row);
        bool     null = base->valid != NULL && !wr_bitmap_get(base->valid, index), hit = false;
        if (!null)
            hit = words ? set_has_word(&set, column_word(base, index))
                        : set_has_view(&set, &((const wr_string *) base->data)[index]);
        WR_TRY(put_truth(c, row, hit, null || list->has_null, negate));
    }
    return WEIR_OK;
}

/* One comparison by the operator's row kernel. *truth: 1, 0, or 2 for NULL. */
static weir_status
compare_item(wr_eval *eval, const wr_expr *expr, uint32_t row, const wr_value *value,
             const wr_value *item, uint8_t *truth)
{
    wr_value args[2] = { *value, *item }, result = { .type = WR_TYPE(WR_BOOL) };
    *truth = 2;
    if ((value->is_null || item->is_null) && !expr->function->called_on_null)
        return WEIR_OK;
    weir_status status = expr->function->scalar(eval, row, args, 2, &result);
    if (status == WEIR_OK)
        *truth = result.is_null ? 2 : result.boolean;
    return status;
}

/* Does any item (or do all items) satisfy the operator? */
static weir_status
quantify(wr_eval *eval, const wr_expr *expr, uint32_t row, const wr_value *value,
         const item_list *list, bool all, uint8_t *truth)
{
    *truth = all;
    for (uint32_t i = 0; i < list->count; i++) {
        uint8_t one;
        WR_TRY(compare_item(eval, expr, row, value, &list->items[i], &one));
        if (one == !all) {
            *truth = one;
            return WEIR_OK;
        }
        if (one == 2)
            *truth = 2;
    }
    return WEIR_OK;
}

static weir_status
put_quantified(wr_eval *eval, wr_column *c, uint32_t row, weir_status status, uint8_t truth)
{
    if (wr_status_is_row(status)) {
        status = wr_eval_fail(eval, row, status, "%s", weir_status_text(status));
        if (!wr_status_is_row(status))
            return status;
        truth = 2;
    } else if (status != WEIR_OK) {
        return status;
    }
    return put_truth(c, row, truth == 1, truth == 2, false);
}

/* I1 by the operator itself. */
static weir_status
in_rows(wr_eval *eval, const wr_expr *expr, const wr_column *arg, const item_list *list,
        wr_rows rows, wr_column *c)
{
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        wr_value value;
        uint8_t  truth = 0;
        WR_TRY(wr_column_get_value(arg, row, &eval->step, &value));
        weir_status status = quantify(eval, expr, row, &value, list, false, &truth);
        if (truth == 0 && (list->has_null || value.is_null))
            truth = 2;
        WR_TRY(put_quantified(eval, c, row, status, truth));
    }
    return WEIR_OK;
}

/* The list's constants; false when one is not. */
static bool
list_from_constants(const wr_expr *expr, item_list *list)
{
    for (uint32_t i = 1; i < expr->arg_count; i++) {
        const wr_expr *e = expr->args[i];
        if (e->kind != WR_EXPR_CONSTANT)
            return false;
        if (e->constant.is_null)
            list->has_null = true;
        else
            list->items[list->count++] = e->constant;
    }
    return true;
}

static bool
type_has_set(wr_type t)
{
    return value_is_word(t) || t.id == WR_TEXT || t.id == WR_BYTEA;
}

static weir_status
in_list(wr_eval *eval, const wr_expr *expr, const wr_column *arg, const item_list *list,
        bool negate, uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_column *c = wr_eval_column(eval, expr->type, physical, rows);
    if (c == NULL)
        return WEIR_MEMORY;
    weir_status status = type_has_set(arg->type) ? in_set(eval, arg, list, negate, rows, c)
                                                 : in_rows(eval, expr, arg, list, rows, c);
    if (status != WEIR_OK) {
        wr_column_release(c);
        return status;
    }
    *out = c;
    return WEIR_OK;
}

/* Items that are not constants: a = i1 OR a = i2 ..., later ones only where nothing matched. */
static weir_status
in_general(wr_eval *eval, const wr_expr *expr, wr_column *arg, const wr_batch *in, wr_rows rows,
           wr_column *c)
{
    wr_expr  call = *expr;
    uint64_t unknown[WR_BATCH_ROWS_MAX / 64] = { 0 };
    wr_rows  left = rows;
    call.kind = WR_EXPR_CALL;
    for (uint32_t i = 0; i < rows.count; i++)
        ((uint8_t *) c->data)[wr_rows_at(rows, i)] = 0;
    for (uint32_t a = 1; a < expr->arg_count && left.count > 0; a++) {
        wr_column *args[2] = { arg, NULL }, *same = NULL;
        uint16_t  *next = wr_eval_row_list(eval, left.count);
        uint32_t   n = 0;
        if (next == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_eval_node(eval, expr->args[a], in, left, &args[1]));
        weir_status status =
            wr_eval_apply(eval, &call, args, 2, in->physical_count, left, &same);
        wr_column_release(args[1]);
        WR_TRY(status);
        for (uint32_t i = 0; i < left.count; i++) {
            uint16_t row = (uint16_t) wr_rows_at(left, i);
            bool     null = wr_column_is_null(same, row);
            bool     hit = !null && wr_eval_bool(wr_column_base(same), wr_column_index(same, row));
            ((uint8_t *) c->data)[row] = hit;
            if (null)
                wr_bitmap_set(unknown, row);
            next[n] = row;
            n += !hit;
        }
        wr_column_release(same);
        left = (wr_rows){ next, n };
    }
    for (uint32_t i = 0; i < left.count; i++)
        if (wr_bitmap_get(unknown, wr_rows_at(left, i)))
            WR_TRY(wr_column_set_null(c, wr_rows_at(left, i)));
    return WEIR_OK;
}

weir_status
wr_eval_in(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows, wr_column **out)
{
    item_list  list = { wr_arena_alloc(&eval->step, expr->arg_count * sizeof(wr_value)), 0, false };
    wr_column *arg = NULL, *c = NULL;
    if (list.items == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_eval_node(eval, expr->args[0], in, rows, &arg));
    weir_status status;
    if (list_from_constants(expr, &list)) {
        status = in_list(eval, expr, arg, &list, false, in->physical_count, rows, out);
    } else {
        c = wr_eval_column(eval, expr->type, in->physical_count, rows);
        status = c != NULL ? in_general(eval, expr, arg, in, rows, c) : WEIR_MEMORY;
        if (status == WEIR_OK)
            *out = c;
        else
            wr_column_release(c);
    }
    wr_column_release(arg);
    return status;
}

/* --- arrays --- */

static weir_status
list_from_array(wr_eval *eval, const wr_string *array, bool keep_nulls, item_list *list)
{
    wr_array_view view;
    wr_value      item;
    wr_array_open(array, &view);
    *list = (item_list){ .items = wr_arena_alloc(&eval->step, (view.count + 1) * sizeof item) };
    if (list->items == NULL)
        return WEIR_MEMORY;
    for (const char *at = view.items; wr_array_next(&view, &at, &item);) {
        if (keep_nulls || !item.is_null)
            list->items[list->count++] = item;
        list->has_null |= item.is_null;
    }
    return WEIR_OK;
}

static weir_status
any_all_rows(wr_eval *eval, const wr_expr *expr, const wr_column *arg, const wr_column *arrays,
             wr_rows rows, wr_column *c)
{
    bool      all = expr->kind == WR_EXPR_ALL, have = false;
    item_list list = { .items = NULL };
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = wr_rows_at(rows, i);
        wr_value value, array;
        uint8_t  truth = 2;
        WR_TRY(wr_column_get_value(arg, row, &eval->step, &value));
        WR_TRY(wr_column_get_value(arrays, row, &eval->step, &array));
        weir_status status = WEIR_OK;
        if (!array.is_null) {
            if (!have || arrays->layout != WR_CONSTANT)
                WR_TRY(list_from_array(eval, &array.string, true, &list));
            have = true;
            eval->location = expr->location;
            status = quantify(eval, expr, row, &value, &list, all, &truth);
        }
        WR_TRY(put_quantified(eval, c, row, status, truth));
    }
    return WEIR_OK;
}

weir_status
wr_eval_any_all(wr_eval *eval, const wr_expr *expr, const wr_batch *in, wr_rows rows,
                wr_column **out)
{
    wr_column  *arg = NULL, *arrays = NULL, *c = NULL;
    const char *op = expr->function->name;
    bool        equal = expr->kind == WR_EXPR_ANY && strcmp(op, "=") == 0;
    bool        differ = expr->kind == WR_EXPR_ALL && strcmp(op, "<>") == 0;
    weir_status status = wr_eval_node(eval, expr->args[0], in, rows, &arg);
    if (status == WEIR_OK)
        status = wr_eval_node(eval, expr->args[1], in, rows, &arrays);
    if (status == WEIR_OK && (equal || differ) && arrays->layout == WR_CONSTANT &&
        !wr_column_is_null(arrays, 0) && type_has_set(arg->type)) {
        item_list list;
        status = list_from_array(eval, (const wr_string *) arrays->data, false, &list);
        if (status == WEIR_OK && (list.count > 0 || list.has_null)) {
            status = in_list(eval, expr, arg, &list, differ, in->physical_count, rows, out);
            goto done;
        }
    }
    if (status == WEIR_OK) {
        c = wr_eval_column(eval, expr->type, in->physical_count, rows);
        status = c != NULL ? any_all_rows(eval, expr, arg, arrays, rows, c) : WEIR_MEMORY;
    }
    if (status == WEIR_OK)
        *out = c;
    else
        wr_column_release(c);
done:
    wr_column_release(arg);
    wr_column_release(arrays);
    return status;
}
