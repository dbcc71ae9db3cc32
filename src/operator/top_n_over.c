/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n_over.c -- over_changes: what comes out of a partition are all its rows with the
 * answers of the window functions.
 *
 * Place       the rest is top_n's: which rows there are, what differs from before.
 * Cost        a partition that changes is computed anew, before and after: O(its rows) a step.
 */
#include "operator/top_n_impl.h"

#include <stdlib.h>
#include <string.h>

static weir_status
rows_put(over_calc *calc, const wr_bag *bag)
{
    const wr_bag_entry *e;
    for (wr_bag_at at = { 0, 0 }; (e = wr_bag_entry_at(bag, &at)) != NULL; wr_bag_step(bag, &at))
        WR_TRY(wr_over_calc_row(calc, e->row, e->count));
    return WEIR_OK;
}

static int
items_compare(const void *a, const void *b)
{
    const wr_bag_row *x = ((const top_item *)a)->row, *y = ((const top_item *)b)->row;
    int order = memcmp(x->bytes, y->bytes, WR_MIN(x->length, y->length));
    return order != 0 ? order : x->length < y->length ? -1 : x->length > y->length;
}

/* Equal rows are one item. */
static void
items_merge(top_list *list)
{
    uint32_t kept = 0;
    if (list->count > 0)
        qsort(list->items, list->count, sizeof *list->items, items_compare);
    for (uint32_t i = 0; i < list->count; i++) {
        if (kept > 0 && items_compare(&list->items[kept - 1], &list->items[i]) == 0) {
            list->items[kept - 1].count += list->items[i].count;
            wr_bag_row_release(list->items[i].row);
            continue;
        }
        list->items[kept++] = list->items[i];
    }
    list->count = kept;
}

/* The contents of an entry's row with the i-th answer behind them. */
static weir_status
item_add(top_n *t, const wr_bag_row *from, uint32_t i, wr_text *bytes, top_list *list)
{
    wr_text_clear(bytes);
    wr_text_append(bytes, from->bytes + from->order_length, from->length - from->order_length);
    WR_TRY(wr_over_calc_result(&t->calc, i, bytes));
    if (bytes->length > UINT32_MAX)
        return WEIR_MEMORY;
    wr_bag_row *row = wr_bag_row_create(&t->bags, bytes->data, 0, (uint32_t)bytes->length);
    if (row == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_top_n_list_add(t, list, row, 1, 0);
    wr_bag_row_release(row); /* the list's now */
    return status;
}

weir_status
wr_top_n_list_over(top_n *t, const wr_bag *bag, top_list *list)
{
    const wr_bag_entry *e;
    wr_text bytes;
    uint32_t i = 0;
    wr_over_calc_begin(&t->calc);
    wr_text_init(&bytes, t->ctx->state);
    weir_status status = rows_put(&t->calc, bag);
    if (status == WEIR_OK)
        status = wr_over_calc_run(&t->calc);
    for (wr_bag_at at = { 0, 0 }; status == WEIR_OK && (e = wr_bag_entry_at(bag, &at)) != NULL;
         wr_bag_step(bag, &at))
        for (int64_t k = 0; k < e->count && status == WEIR_OK; k++)
            status = item_add(t, e->row, i++, &bytes, list);
    wr_text_fini(&bytes);
    wr_over_calc_end(&t->calc);
    items_merge(list);
    return status;
}
