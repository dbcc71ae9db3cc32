/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n_emit.c -- what is among the first of a partition, and how that differs from before.
 *
 * Invariants  M1  a list is in the order of the bag; an item's copies have the numbers number,
 *                 number + 1, ... (ROW_NUMBER), or all the same one
 *             M3  a row of an insert-only input that came in this step is marked with its place in the
 *                 batch, and comes out of the batch's columns; all marked rows are in the lists
 *                 `now`, and their marks go when those are released
 *             M2  without a rank column that is used a row that stays among the first does not change
 */
#include "operator/top_n_impl.h"

#include <string.h>

/* Room for lists that is kept from step to step. */
enum { KEPT_MAX = 4096 };

/* --- what is among the first --- */

weir_status
wr_top_n_list_add(top_n *t, top_list *list, wr_bag_row *row, int64_t count, int64_t number)
{
    if (list->count == list->capacity) {
        uint32_t more = list->capacity == 0 ? 4 : 2 * list->capacity;
        top_item *grown = wr_arena_alloc(&t->arena, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        if (list->count > 0)
            memcpy(grown, list->items, list->count * sizeof *grown);
        list->items = grown;
        list->capacity = more;
    }
    if (!list->borrowed)
        wr_bag_row_retain(row);
    list->items[list->count++] = (top_item){ row, count, number };
    return WEIR_OK;
}

static bool
same_order(const wr_bag_row *a, const wr_bag_row *b)
{
    return a->order_length == b->order_length && memcmp(a->bytes, b->bytes, a->order_length) == 0;
}

/* A walk along a partition: ranks of the entry at hand. */
typedef struct rank_walk {
    const wr_bag *bag;
    bool peers; /* equal order keys matter */
    wr_bag_at at;
    const wr_bag_row *before;
    uint64_t passed;      /* copies before the entry            */
    uint64_t rank, dense; /* of the entry's peers               */
} rank_walk;

static const wr_bag_entry *
walk_here(rank_walk *w)
{
    const wr_bag_entry *e = wr_bag_entry_at(w->bag, &w->at);
    if (w->peers && e != NULL && (w->before == NULL || !same_order(w->before, e->row))) {
        w->rank = w->passed + 1;
        w->dense++;
    }
    return e;
}

static rank_walk
walk_begin(const top_n *t, const wr_bag *bag)
{
    const wr_top_n_config *c = t->config;
    return (rank_walk){ .bag = bag, .peers = c->function != WR_RANK_ROW_NUMBER || c->with_ties };
}

static void
walk_step(rank_walk *w, const wr_bag_entry *e)
{
    w->before = e->row;
    w->passed += (uint64_t)e->count;
    wr_bag_step(w->bag, &w->at);
}

/* How many copies of the entry are within [low, high], from which number on; *beyond: nothing that follows is. */
static uint64_t
walk_within(const wr_top_n_config *c, const rank_walk *w, const wr_bag_entry *e, uint64_t *number,
            bool *beyond)
{
    uint64_t count = (uint64_t)e->count;
    if (c->function != WR_RANK_ROW_NUMBER) {
        *number = c->function == WR_RANK_RANK ? w->rank : w->dense;
        *beyond = *number > c->high;
        return *number >= c->low && !*beyond ? count : 0;
    }
    uint64_t first = WR_MAX(w->passed + 1, c->low), last = WR_MIN(w->passed + count, c->high);
    *beyond = w->passed >= c->high;
    if (c->with_ties && w->rank <= c->high) {
        last = w->passed + count;
        *beyond = false;
    }
    *number = first;
    return last >= first ? last - first + 1 : 0;
}

/* borrowed: the bag does not change before the list is let go. */
static weir_status
list_make(top_n *t, const wr_bag *bag, top_list *list, bool borrowed)
{
    rank_walk w = walk_begin(t, bag);
    const wr_bag_entry *e;
    *list = (top_list){ .borrowed = borrowed && t->config->over == NULL };
    if (t->config->over != NULL)
        return wr_top_n_list_over(t, bag, list);
    while ((e = walk_here(&w)) != NULL) {
        bool beyond;
        uint64_t number, count = walk_within(t->config, &w, e, &number, &beyond);
        if (beyond)
            break;
        if (count > 0)
            WR_TRY(wr_top_n_list_add(t, list, e->row, (int64_t)count, (int64_t)number));
        walk_step(&w, e);
    }
    return WEIR_OK;
}

/* ROW_NUMBER without ties: as many copies as can come out, from the end. */
static weir_status
trim_tail(top_n *t, wr_bag *bag)
{
    uint64_t high = t->config->high;
    while ((uint64_t)bag->weight > high) {
        wr_bag_at last = { bag->block_count - 1, 0 };
        const wr_bag_block *b = bag->blocks[last.block];
        last.entry = b->count - 1u;
        uint64_t over = (uint64_t)bag->weight - high;
        int64_t count = b->entries[last.entry].count;
        WR_TRY(wr_bag_cut(&t->bags, bag, last, (uint64_t)count > over ? count - (int64_t)over : 0));
    }
    return WEIR_OK;
}

weir_status
wr_top_n_trim(top_n *t, wr_bag *bag)
{
    const wr_top_n_config *c = t->config;
    rank_walk w = walk_begin(t, bag);
    const wr_bag_entry *e;
    if (c->function != WR_RANK_DENSE && (uint64_t)bag->weight <= c->high)
        return WEIR_OK;
    if (c->function == WR_RANK_ROW_NUMBER && !c->with_ties)
        return trim_tail(t, bag);
    while ((e = walk_here(&w)) != NULL) {
        bool beyond;
        uint64_t number;
        (void)walk_within(c, &w, e, &number, &beyond);
        if (beyond)
            return wr_bag_cut(&t->bags, bag, w.at, 0);
        walk_step(&w, e);
    }
    return WEIR_OK;
}

static void
list_release(top_list *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        list->items[i].row->mark = 0; /* M3 */
        if (!list->borrowed)
            wr_bag_row_release(list->items[i].row);
    }
    list->count = 0;
}

/* --- partitions that change --- */

/* One more, about which nothing is known to have come out. */
static weir_status
dirty_add(top_n *t, wr_bag *bag)
{
    if (t->dirty_count == t->dirty_capacity) {
        uint32_t more = t->dirty_capacity == 0 ? 16 : 2 * t->dirty_capacity;
        top_dirty *grown = wr_realloc(t->ctx->state, t->dirty, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        t->dirty = grown;
        t->dirty_capacity = more;
    }
    t->dirty[t->dirty_count++] = (top_dirty){ .bag = bag, .best = -1 };
    bag->mark = t->dirty_count;
    return WEIR_OK;
}

weir_status
wr_top_n_touch_new(top_n *t, wr_bag *bag)
{
    return dirty_add(t, bag);
}

weir_status
wr_top_n_touch(top_n *t, wr_bag *bag)
{
    if (bag->mark != 0 || t->restoring || t->config->at_end)
        return WEIR_OK;
    WR_TRY(dirty_add(t, bag));
    return list_make(t, bag, &t->dirty[t->dirty_count - 1].old, false);
}

weir_status
wr_top_n_touch_all(top_n *t)
{
    for (uint32_t i = 0; i < t->bags.capacity; i++)
        if (t->bags.slots[i] != NULL)
            WR_TRY(dirty_add(t, t->bags.slots[i]));
    return WEIR_OK;
}

static void
dirty_release(top_n *t, top_dirty *d)
{
    list_release(&d->old);
    list_release(&d->now);
    d->bag->mark = 0;
    if (d->bag->block_count == 0)
        wr_bags_remove(&t->bags, d->bag);
}

void
wr_top_n_drop_step(top_n *t)
{
    for (; t->dirty_at < t->dirty_count; t->dirty_at++)
        dirty_release(t, &t->dirty[t->dirty_at]);
    if (t->dirty_capacity > KEPT_MAX) {
        wr_free(t->dirty);
        t->dirty = NULL;
        t->dirty_capacity = 0;
    }
    if (t->change_capacity > KEPT_MAX) {
        wr_free(t->changes);
        t->changes = NULL;
        t->change_capacity = 0;
    }
    t->dirty_count = t->dirty_at = 0;
    t->change_count = t->change_at = 0;
    t->fresh_count = 0;
    t->made = false;
    wr_arena_reset(&t->arena);
}

/* --- differences --- */

static weir_status
change_add(top_n *t, const wr_bag_row *row, int64_t number, int64_t diff)
{
    if (diff == 0)
        return WEIR_OK;
    if (t->change_count == t->change_capacity) {
        uint32_t more = t->change_capacity == 0 ? 32 : 2 * t->change_capacity;
        top_change *grown = wr_realloc(t->ctx->state, t->changes, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        t->changes = grown;
        t->change_capacity = more;
    }
    t->changes[t->change_count++] = (top_change){ row, number, diff };
    return WEIR_OK;
}

/* What of item a is not in b (of the same row; NULL: nothing is), by sign. */
static weir_status
item_differ(top_n *t, const top_item *a, const top_item *b, int64_t sign)
{
    const wr_top_n_config *c = t->config;
    if (!c->rank_used) {
        int64_t more = a->count - (b != NULL ? b->count : 0);
        return more > 0 ? change_add(t, a->row, 0, sign * more) : WEIR_OK;
    }
    if (c->function != WR_RANK_ROW_NUMBER) {
        int64_t there = b != NULL && b->number == a->number ? b->count : 0;
        return a->count > there ? change_add(t, a->row, a->number, sign * (a->count - there))
                                : WEIR_OK;
    }
    for (int64_t n = a->number; n < a->number + a->count; n++)
        if (b == NULL || n < b->number || n >= b->number + b->count)
            WR_TRY(change_add(t, a->row, n, sign));
    return WEIR_OK;
}

static int
rows_compare(const top_n *t, const wr_bag_row *a, const wr_bag_row *b)
{
    return a == b ? 0 : wr_bag_compare(&t->bags, a, b->bytes, b->order_length, b->length);
}

/* Everything of `from` that is not in `other`, by sign; both are in order (M1). */
static weir_status
lists_differ(top_n *t, const top_list *from, const top_list *other, int64_t sign)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        while (k < other->count && rows_compare(t, other->items[k].row, from->items[i].row) < 0)
            k++;
        bool same = k < other->count && rows_compare(t, other->items[k].row, from->items[i].row) == 0;
        WR_TRY(item_differ(t, &from->items[i], same ? &other->items[k] : NULL, sign));
    }
    return WEIR_OK;
}

/* T2 */
static weir_status
changes_make(top_n *t, top_dirty *d)
{
    t->change_count = t->change_at = 0;
    WR_TRY(list_make(t, d->bag, &d->now, true));
    WR_TRY(lists_differ(t, &d->old, &d->now, -1));
    return lists_differ(t, &d->now, &d->old, 1);
}

/* --- out --- */

static weir_status
change_put(top_n *t, const top_change *change, int64_t diff)
{
    const wr_top_n_config *c = t->config;
    const wr_bag_row *row = change->row;
    uint32_t n = c->input->field_count;
    WR_TRY(wr_row_get(row->bytes + row->order_length, row->length - row->order_length,
                      c->over != NULL ? c->output : c->input, t->values));
    if (c->rank_column) {
        t->values[n] = wr_value_null(WR_TYPE(WR_INT8));
        if (c->rank_used)
            t->values[n] = (wr_value){ .type = WR_TYPE(WR_INT8), .integer = change->number };
    }
    return wr_batch_builder_add(&t->builder, t->values, diff);
}

/* The numbers of the fresh rows, or NULLs. */
static weir_status
numbers_put(const top_n *t, wr_column *to, uint32_t at)
{
    for (uint32_t i = 0; i < t->fresh_count; i++) {
        if (t->config->rank_used)
            ((int64_t *)to->data)[at + i] = t->fresh_numbers[i];
        else
            WR_TRY(wr_column_set_null(to, at + i));
    }
    if (t->config->rank_used && to->valid != NULL)
        for (uint32_t i = 0; i < t->fresh_count; i++)
            wr_bitmap_set(to->valid, at + i);
    return WEIR_OK;
}

/* M3: the fresh rows behind those of the builder. */
static weir_status
fresh_put(top_n *t, const wr_batch *in)
{
    wr_batch *batch;
    uint32_t at = wr_batch_builder_count(&t->builder), n = t->config->input->field_count;
    if (t->fresh_count == 0)
        return WEIR_OK;
    WR_TRY(wr_batch_builder_open(&t->builder, t->fresh_count, &batch));
    for (uint32_t c = 0; c < n; c++) {
        if (in->columns[c] != NULL) {
            WR_TRY(wr_column_append(batch->columns[c], at, in->columns[c], t->fresh, t->fresh_count,
                                    false));
            continue;
        }
        for (uint32_t i = 0; i < t->fresh_count; i++)
            WR_TRY(wr_column_set_null(batch->columns[c], at + i));
    }
    if (t->config->rank_column)
        WR_TRY(numbers_put(t, batch->columns[n], at));
    batch->row_count += t->fresh_count;
    batch->physical_count = batch->row_count;
    t->fresh_count = 0;
    return WEIR_OK;
}

/* AGAIN: no room. */
static wr_flow
batch_out(top_n *t, const wr_batch *in)
{
    if (wr_batch_builder_count(&t->builder) + t->fresh_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_ctx_has_room(t->ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    weir_status status = fresh_put(t, in);
    if (status != WEIR_OK)
        return wr_top_n_fail(t, status);
    wr_ctx_emit(t->ctx, WR_PORT_MAIN, wr_batch_builder_take(&t->builder));
    return WR_FLOW_NEXT;
}

/* M3: a row that came in this step waits with its like. */
static bool
is_fresh(const top_n *t, const top_change *change)
{
    return t->fresh != NULL && change->diff == 1 && change->row->mark != 0;
}

/* The changes of the partition at hand; a partition's changes share a batch where one can hold them. */
static wr_flow
changes_out(top_n *t, const wr_batch *in)
{
    wr_flow flow = WR_FLOW_NEXT;
    uint32_t count = wr_batch_builder_count(&t->builder) + t->fresh_count;
    if (t->change_at == 0 && count + t->change_count > WR_BATCH_ROWS_MAX)
        flow = batch_out(t, in);
    while (t->change_at < t->change_count && flow == WR_FLOW_NEXT) {
        top_change *change = &t->changes[t->change_at];
        bool many = t->config->at_end && change->diff > 1; /* rows that stay come one by one */
        if (wr_batch_builder_count(&t->builder) + t->fresh_count == WR_BATCH_ROWS_MAX)
            flow = batch_out(t, in);
        if (flow != WR_FLOW_NEXT)
            break;
        if (is_fresh(t, change)) {
            t->fresh[t->fresh_count] = (uint16_t)(change->row->mark - 1);
            t->fresh_numbers[t->fresh_count++] = change->number;
        } else if (change_put(t, change, many ? 1 : change->diff) != WEIR_OK) {
            return wr_ctx_fail(t->ctx, WEIR_MEMORY, "no memory for the changes of a top-N");
        }
        if (many)
            change->diff--;
        else
            t->change_at++;
    }
    return flow;
}

wr_flow
wr_top_n_emit(top_n *t, const wr_batch *in)
{
    for (; t->dirty_at < t->dirty_count; t->dirty_at++) {
        top_dirty *d = &t->dirty[t->dirty_at];
        weir_status status = t->made ? WEIR_OK : changes_make(t, d);
        if (status != WEIR_OK)
            return wr_top_n_fail(t, status);
        t->made = true;
        wr_flow flow = changes_out(t, in);
        if (flow != WR_FLOW_NEXT)
            return flow;
        dirty_release(t, d);
        t->made = false;
    }
    wr_flow flow = batch_out(t, in);
    if (flow != WR_FLOW_NEXT)
        return flow;
    wr_top_n_drop_step(t);
    return WR_FLOW_NEXT;
}
