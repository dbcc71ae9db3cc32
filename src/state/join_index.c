/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/join_index.c -- slots and chains of a join's side: rows into them, and looked up (see join_side.h).
 *
 * Cost        both bring slots near SLOTS_AHEAD rows ahead; slots grow at once to what the bucket before had when
 *             a sixteenth of that is needed.
 */
#include "state/join_side_impl.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS_AHEAD = 16, BUCKETS_NEAR = 16 };

void
wr_join_bucket_heads(const wr_join_bucket *bucket, const wr_row_keys *keys, const uint16_t *which,
                     uint32_t count, uint32_t *heads)
{
    const wr_tag_slots slots = bucket->slots;
    for (uint32_t i = 0; i < count; i++) {
        heads[i] = WR_JOIN_NO_ROW;
        if (slots.bits == 0)
            continue;
        if (i + SLOTS_AHEAD < count)
            wr_tag_slots_prefetch(&slots, wr_tag_of(keys->hashes[which[i + SLOTS_AHEAD]]));
        heads[i] = wr_tag_slots_find(&slots, wr_tag_of(keys->hashes[which[i]]))->first - 1;
        if (heads[i] >> 12 < bucket->dropped)
            heads[i] = WR_JOIN_NO_ROW; /* S4 */
    }
}

/* --- inserting --- */

/* S3 */
static inline void
bucket_order(wr_join_bucket *b, wr_time t)
{
    int64_t behind;
    if (t >= b->time_max) {
        b->time_max = t;
        return;
    }
    if (__builtin_sub_overflow(b->time_max, t, &behind))
        behind = INT64_MAX;
    b->disorder = WR_MAX(b->disorder, behind);
}

/* The bytes that a key's words lead to, into the block that holds the row. */
static weir_status
key_keep(const wr_join_side *side, wr_join_block *block, uint32_t row, wr_join_meta *meta)
{
    const wr_key_layout *layout = side->layout;
    if (layout->encoded) {
        wr_string view;
        memcpy(&view, meta->key, sizeof view);
        if (view.length <= WR_STRING_INLINE_MAX)
            return WEIR_OK;
        char *bytes = wr_arena_alloc(&block->keys, view.length);
        if (bytes == NULL)
            return WEIR_MEMORY;
        memcpy(bytes, view.pointer, view.length);
        view.pointer = bytes;
        memcpy(meta->key, &view, sizeof view);
        return WEIR_OK;
    }
    for (uint32_t c = 0; c < layout->column_count; c++) {
        uint64_t *words = meta->key + layout->columns[c].at;
        if (!layout->columns[c].view || words[0] == UINT64_MAX ||
            (uint32_t) words[0] <= WR_KEY_TEXT_INLINE_MAX)
            continue;
        const wr_string *kept = block->columns[side->key_columns[c]]->data;
        words[2] = (uint64_t) (uintptr_t) kept[row].pointer;
    }
    return WEIR_OK;
}

/* What lies beside the columns of rows order[0..count), which have come into the block as rows first and up; number is
 * first's. */
static weir_status
rows_link(wr_join_side *side, wr_join_block *block, const wr_join_insert *rows,
          const uint16_t *order, uint32_t count, uint32_t number)
{
    wr_join_bucket      *b = block->bucket;
    const wr_key_layout *layout = side->layout;
    const uint64_t      *hashes = rows->keys->hashes;
    const uint32_t       words = layout->compare_words, first = number & 4095;
    const bool           bytes = layout->encoded || layout->has_views;
    uint64_t             unmatched = 0;
    wr_time              until_max = block->until_max;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t      from = order[i], key = rows->which[from];
        wr_join_meta *meta = wr_join_block_meta(side, block, first + i);
        if (i + SLOTS_AHEAD < count)
            wr_tag_slots_prefetch(&b->slots,
                                  wr_tag_of(hashes[rows->which[order[i + SLOTS_AHEAD]]]));
        wr_tag_slot *slot = wr_tag_slots_find(&b->slots, wr_tag_of(hashes[key]));
        *meta = (wr_join_meta){ rows->times[from], slot->first - 1, (uint32_t) hashes[key] };
        for (uint32_t w = side->key_from; w < words; w++)
            meta->key[w - side->key_from] = rows->keys->words[(size_t) key * words + w];
        if (bytes)
            WR_TRY(key_keep(side, block, first + i, meta));
        b->slots.used += slot->first == 0;
        *slot = (wr_tag_slot){ wr_tag_of(hashes[key]), number + i + 1 };
        bucket_order(b, rows->times[from]);
        until_max = WR_MAX(until_max, rows->untils[from]);
        block->marks->marks[first + i] = rows->marks[from];
        unmatched += rows->marks[from] == 0;
        if (block->untils != NULL)
            block->untils[first + i] = rows->untils[from];
        if (side->keeps_unmatched && rows->marks[from] == 0)
            WR_TRY(wr_join_bucket_wait(side, b, rows->untils[from], number + i));
    }
    block->until_max = until_max;
    b->until_max = WR_MAX(b->until_max, until_max);
    b->rows += count;
    b->unmatched += unmatched;
    return WEIR_OK;
}

/* Rows order[0..count) of `rows`, all of one bucket. */
static weir_status
insert_run(wr_join_side *side, wr_join_bucket *b, const wr_join_insert *rows, const uint16_t *order,
           uint32_t count, uint16_t *physical)
{
    WR_TRY(wr_tag_slots_reserve(&b->slots, side->budget, count, side->slot_bits));
    for (uint32_t i = 0; i < count; i++)
        physical[i] = rows->rows[order[i]];
    for (uint32_t at = 0; at < count;) {
        uint32_t       taken, first;
        wr_join_block *block;
        WR_TRY(wr_join_block_append(side, b, rows->batch, physical + at, count - at, &block, &first,
                                    &taken));
        WR_TRY(rows_link(side, block, rows, order + at, taken, first));
        at += taken;
    }
    return WEIR_OK;
}

typedef struct insert_order {
    int64_t  index;
    uint16_t at;
} insert_order;

static int
order_compare(const void *a, const void *b)
{
    const insert_order *x = a, *y = b;
    if (x->index != y->index)
        return x->index < y->index ? -1 : 1;
    return (int) x->at - (int) y->at;
}

/* By bucket, and within it as the rows came.  Rows mostly lie in a few buckets side by side: they are counted
 * rather than compared. */
static void
order_by_bucket(insert_order *order, uint32_t n, uint32_t *scratch)
{
    int64_t  least = order[0].index, most = least;
    uint32_t from[BUCKETS_NEAR + 1] = { 0 };
    for (uint32_t i = 1; i < n; i++) {
        least = WR_MIN(least, order[i].index);
        most = WR_MAX(most, order[i].index);
    }
    if ((uint64_t) most - (uint64_t) least >= BUCKETS_NEAR) {
        qsort(order, n, sizeof *order, order_compare);
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        from[order[i].index - least + 1]++;
    for (uint32_t b = 1; b <= BUCKETS_NEAR; b++)
        from[b] += from[b - 1];
    for (uint32_t i = 0; i < n; i++) /* order[i].at is i as yet */
        scratch[from[order[i].index - least]++] = i;
    for (uint32_t b = 0, i = 0; b < BUCKETS_NEAR; b++)
        for (; i < from[b]; i++)
            order[i] = (insert_order){ least + b, (uint16_t) scratch[i] };
}

/* Most rows lie in the bucket of the row before: that spares a division. */
static void
bucket_indexes(const wr_join_side *side, const wr_time *times, uint32_t count, insert_order *order)
{
    int64_t index = 0;
    wr_time from = WR_TIME_END, behind = WR_TIME_START;
    for (uint32_t i = 0; i < count; i++) {
        if (times[i] < from || times[i] >= behind) {
            index = wr_join_side_bucket(side, times[i]);
            if (__builtin_mul_overflow(index, side->width, &from) ||
                __builtin_add_overflow(from, side->width, &behind) || side->width == 0) {
                from = WR_TIME_END;
                behind = WR_TIME_START;
            }
        }
        order[i] = (insert_order){ index, (uint16_t) i };
    }
}

weir_status
wr_join_side_insert(wr_join_side *side, const wr_join_insert *rows)
{
    uint32_t n = rows->count;
    if (n == 0)
        return WEIR_OK;
    size_t        bytes = n * (sizeof(insert_order) + sizeof(uint32_t) + 2 * sizeof(uint16_t));
    insert_order *order = wr_alloc(side->budget, bytes);
    if (order == NULL)
        return WEIR_MEMORY;
    uint32_t   *scratch = (uint32_t *) (order + n);
    uint16_t   *at = (uint16_t *) (scratch + n), *physical = at + n;
    bool        sorted = true;
    weir_status status = WEIR_OK;
    bucket_indexes(side, rows->times, n, order);
    for (uint32_t i = 1; i < n; i++)
        sorted &= order[i - 1].index <= order[i].index;
    if (!sorted)
        order_by_bucket(order, n, scratch);
    for (uint32_t from = 0; from < n && status == WEIR_OK;) {
        wr_join_bucket *b;
        uint32_t        count = 0;
        for (; from + count < n && order[from + count].index == order[from].index; count++)
            at[count] = order[from + count].at;
        status = wr_join_bucket_open(side, order[from].index, &b);
        if (status == WEIR_OK)
            status = insert_run(side, b, rows, at, count, physical);
        from += count;
    }
    wr_free(order);
    return status;
}
