/* SPDX-License-Identifier: Apache-2.0 */
/* state/join_side.c -- buckets, marks and expiry of a join's side (see join_side.h). */
#include "state/join_side.h"

#include "state/join_side_impl.h"

#include <string.h>

void
wr_join_side_init(wr_join_side *side, wr_budget *budget, const wr_key_layout *layout,
                  const wr_schema *schema, const uint32_t *key_columns, int64_t width, int keeps)
{
    wr_assert(width >= 0);
    *side = (wr_join_side){ .budget = budget,
                            .layout = layout,
                            .schema = schema,
                            .key_columns = key_columns,
                            .width = width,
                            .keeps_unmatched = (keeps & WR_JOIN_UNMATCHED) != 0,
                            .keeps_untils = (keeps & WR_JOIN_UNTILS) != 0 };
    if (wr_key_is_word(layout) && (keeps & WR_JOIN_NULLS) == 0)
        side->key_from = 1; /* the word of NULLs is 0 */
    uint32_t words = layout->compare_words - side->key_from;
    side->meta_bytes = (uint32_t) (sizeof(wr_join_meta) + words * sizeof(uint64_t));
}

static void
bucket_destroy(wr_join_bucket *b)
{
    if (b == NULL)
        return;
    for (uint32_t i = b->dropped; i < b->block_count; i++)
        wr_join_block_release(b->blocks[i]);
    wr_tag_slots_fini(&b->slots);
    wr_free(b->blocks);
    wr_free(b->waiting);
    wr_free(b);
}

void
wr_join_side_fini(wr_join_side *side)
{
    for (uint32_t i = 0; i < side->bucket_count; i++)
        bucket_destroy(side->buckets[i]);
    wr_free(side->buckets);
    wr_pool_release(side->pool);
    *side = (wr_join_side){ 0 };
}

/* --- buckets --- */

/* Position of the first bucket with an index >= the given one. */
static uint32_t
bucket_position(const wr_join_side *side, int64_t index)
{
    uint32_t low = 0, high = side->bucket_count;
    if (high > 0 && side->buckets[high - 1]->index < index)
        return high;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (side->buckets[middle]->index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t
wr_join_side_seek(const wr_join_side *side, wr_time low, wr_time high, uint32_t *first)
{
    if (low > high)
        return 0;
    *first = bucket_position(side, wr_join_side_bucket(side, low));
    int64_t  index = wr_join_side_bucket(side, high);
    uint32_t last = bucket_position(side, index);
    if (last < side->bucket_count && side->buckets[last]->index == index)
        last++;
    return last - *first;
}

weir_status
wr_join_bucket_open(wr_join_side *side, int64_t index, wr_join_bucket **bucket)
{
    uint32_t at = bucket_position(side, index);
    if (at < side->bucket_count && side->buckets[at]->index == index) {
        *bucket = side->buckets[at];
        return WEIR_OK;
    }
    if (side->bucket_count == side->bucket_capacity) {
        uint32_t capacity = WR_MAX(8u, side->bucket_capacity * 2);
        void *buckets = wr_realloc(side->budget, side->buckets, capacity * sizeof *side->buckets);
        if (buckets == NULL)
            return WEIR_MEMORY;
        side->buckets = buckets;
        side->bucket_capacity = capacity;
    }
    wr_join_bucket *b = wr_calloc(side->budget, 1, sizeof *b);
    if (b == NULL)
        return WEIR_MEMORY;
    b->index = index;
    b->until_max = WR_TIME_START;
    b->time_max = WR_TIME_START;
    memmove(side->buckets + at + 1, side->buckets + at,
            (side->bucket_count - at) * sizeof *side->buckets);
    side->buckets[at] = b;
    side->bucket_count++;
    *bucket = b;
    return WEIR_OK;
}

/* --- rows waiting for a partner until they leave: a binary heap --- */

weir_status
wr_join_bucket_wait(wr_join_side *side, wr_join_bucket *b, wr_time until, uint32_t row)
{
    if (b->waiting_count == b->waiting_capacity) {
        uint32_t capacity = WR_MAX(16u, b->waiting_capacity * 2);
        void    *waiting = wr_realloc(side->budget, b->waiting, capacity * sizeof *b->waiting);
        if (waiting == NULL)
            return WEIR_MEMORY;
        b->waiting = waiting;
        b->waiting_capacity = capacity;
    }
    uint32_t at = b->waiting_count++;
    for (; at > 0 && b->waiting[(at - 1) / 2].until > until; at = (at - 1) / 2)
        b->waiting[at] = b->waiting[(at - 1) / 2];
    b->waiting[at] = (wr_join_waiting){ until, row };
    return WEIR_OK;
}

static wr_join_waiting
waiting_pop(wr_join_bucket *b)
{
    wr_join_waiting top = b->waiting[0], last = b->waiting[--b->waiting_count];
    uint32_t        at = 0, n = b->waiting_count;
    while (2 * at + 1 < n) {
        uint32_t child = 2 * at + 1;
        if (child + 1 < n && b->waiting[child + 1].until < b->waiting[child].until)
            child++;
        if (b->waiting[child].until >= last.until)
            break;
        b->waiting[at] = b->waiting[child];
        at = child;
    }
    b->waiting[at] = last;
    return top;
}

weir_status
wr_join_side_take(wr_join_side *side, wr_time watermark, wr_join_row *rows, uint32_t max,
                  uint32_t *count)
{
    *count = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        wr_join_bucket *b = side->buckets[i];
        while (b->waiting_count > 0 &&
               (b->waiting[0].until < watermark || watermark == WR_TIME_END)) {
            if (*count == max)
                return WEIR_OK;
            uint32_t    at = waiting_pop(b).row;
            wr_join_row row = { b->blocks[at >> 12], at & 4095 };
            wr_assert(at >> 12 >= b->dropped); /* S4 */
            if (row.block->marks->marks[row.row] != 0)
                continue; /* matched or dead meanwhile */
            rows[(*count)++] = row;
            WR_TRY(wr_join_row_mark(side, &row, WR_JOIN_DEAD));
        }
    }
    return WEIR_OK;
}

/* The oldest blocks, as long as all their rows have left (S4); how many of the rows had no partner. */
static uint64_t
bucket_shed(wr_join_bucket *b, wr_time watermark)
{
    uint64_t unmatched = b->unmatched;
    for (; b->dropped < b->block_count; b->dropped++) {
        wr_join_block *block = b->blocks[b->dropped];
        if (block->until_max >= watermark)
            break;
        for (uint32_t i = 0; i < block->count; i++) {
            b->rows -= (block->marks->marks[i] & WR_JOIN_DEAD) == 0;
            b->unmatched -= block->marks->marks[i] == 0;
        }
        wr_join_block_release(block);
        b->blocks[b->dropped] = NULL;
    }
    return unmatched - b->unmatched;
}

uint64_t
wr_join_side_drop(wr_join_side *side, wr_time watermark)
{
    uint64_t unmatched = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        wr_join_bucket *b = side->buckets[i];
        if (b->until_max < watermark || watermark == WR_TIME_END) {
            wr_assert(b->waiting_count == 0); /* S4 */
            unmatched += b->unmatched;
            side->slot_bits = b->slots.bits;
            bucket_destroy(b);
        } else {
            unmatched += bucket_shed(b, watermark);
            side->buckets[kept++] = b;
        }
    }
    side->bucket_count = kept;
    return unmatched;
}

uint64_t
wr_join_side_rows(const wr_join_side *side)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < side->bucket_count; i++)
        rows += side->buckets[i]->rows;
    return rows;
}

/* --- marks --- */

weir_status
wr_join_row_mark(wr_join_side *side, wr_join_row *row, uint8_t marks)
{
    uint8_t was = row->block->marks->marks[row->row], now = was | marks;
    if (now == was)
        return WEIR_OK;
    WR_TRY(wr_join_marks_own(side, row->block));
    row->block->marks->marks[row->row] = now;
    row->block->bucket->unmatched -= was == 0;
    row->block->bucket->rows -= (now & WR_JOIN_DEAD) != 0 && (was & WR_JOIN_DEAD) == 0;
    return WEIR_OK;
}
