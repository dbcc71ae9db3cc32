/* SPDX-License-Identifier: Apache-2.0 */
/* state/join_side.c -- buckets, chains and expiry of a join's side (see join_side.h). */
#include "state/join_side.h"

#include "state/join_side_impl.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD_BYTES = 8 };

void
wr_join_side_init(wr_join_side *side, wr_budget *budget, const wr_key_layout *layout,
                  const wr_schema *schema, int64_t width, bool keeps_unmatched)
{
    wr_assert(width >= 0);
    *side = (wr_join_side){ .budget = budget,
                            .layout = layout,
                            .schema = schema,
                            .width = width,
                            .keeps_unmatched = keeps_unmatched };
}

static void
bucket_destroy(wr_join_bucket *b)
{
    if (b == NULL)
        return;
    for (uint32_t i = 0; i < b->block_count; i++)
        wr_join_block_release(b->blocks[i]);
    wr_group_table_fini(&b->keys);
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
    *side = (wr_join_side){ 0 };
}

/* --- buckets --- */

static int64_t
bucket_index(const wr_join_side *side, wr_time t)
{
    if (side->width == 0)
        return 0;
    int64_t into = t % side->width;
    return t / side->width - (into < 0);
}

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
    *first = bucket_position(side, bucket_index(side, low));
    uint32_t last = bucket_position(side, bucket_index(side, high));
    if (last < side->bucket_count && side->buckets[last]->index == bucket_index(side, high))
        last++;
    return last - *first;
}

static weir_status
bucket_open(wr_join_side *side, int64_t index, wr_join_bucket **bucket)
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
    wr_group_table_init(&b->keys, side->budget, side->layout, HEAD_BYTES);
    memmove(side->buckets + at + 1, side->buckets + at,
            (side->bucket_count - at) * sizeof *side->buckets);
    side->buckets[at] = b;
    side->bucket_count++;
    *bucket = b;
    return WEIR_OK;
}

static uint32_t *
group_head(const wr_join_side *side, wr_group *g)
{
    return (uint32_t *) ((char *) g + wr_group_user_offset(side->layout));
}

void
wr_join_bucket_heads(const wr_join_bucket *bucket, const wr_row_keys *keys, const uint16_t *which,
                     uint32_t count, uint32_t *heads)
{
    wr_group_table_peek(&bucket->keys, keys, which, count, heads);
    for (uint32_t i = 0; i < count; i++)
        if (heads[i] != WR_JOIN_NO_ROW) {
            wr_group *g = wr_group_table_row(&bucket->keys, heads[i]);
            heads[i] = *(uint32_t *) ((char *) g + wr_group_user_offset(keys->layout));
        }
}

/* --- rows waiting for a partner until they leave: a binary heap --- */

static weir_status
waiting_push(wr_join_side *side, wr_join_bucket *b, wr_time until, uint32_t row)
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
            wr_join_row row = wr_join_row_at(b, waiting_pop(b).row);
            if (row.block->marks->marks[row.row] != 0)
                continue; /* matched or dead meanwhile */
            rows[(*count)++] = row;
            WR_TRY(wr_join_row_mark(side, &row, WR_JOIN_DEAD));
        }
    }
    return WEIR_OK;
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
            bucket_destroy(b);
        } else {
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
    row->bucket->unmatched -= was == 0;
    row->bucket->rows -= (now & WR_JOIN_DEAD) != 0 && (was & WR_JOIN_DEAD) == 0;
    return WEIR_OK;
}

/* --- inserting --- */

/* S3 */
static void
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

/* Rows order[0..count) of `rows`, all of one bucket. */
static weir_status
insert_run(wr_join_side *side, wr_join_bucket *b, const wr_join_insert *rows, const uint16_t *order,
           uint32_t count, uint16_t *physical, uint16_t *which, uint32_t *ids, uint32_t *created)
{
    uint32_t made = 0, first;
    for (uint32_t i = 0; i < count; i++) {
        physical[i] = rows->rows[order[i]];
        which[i] = rows->which[order[i]];
    }
    WR_TRY(wr_group_table_find(&b->keys, rows->keys, which, count, ids, created, &made));
    for (uint32_t i = 0; i < made; i++)
        *group_head(side, wr_group_table_row(&b->keys, created[i])) = WR_JOIN_NO_ROW;
    for (uint32_t at = 0; at < count;) {
        uint32_t       taken;
        wr_join_block *block;
        WR_TRY(wr_join_block_append(side, b, rows->batch, physical + at, count - at, &block, &first,
                                    &taken));
        for (uint32_t i = at; i < at + taken; i++) {
            uint32_t  in_block = (first & 4095) + (i - at), row = first + (i - at);
            uint32_t  from = order[i];
            uint32_t *head = group_head(side, wr_group_table_row(&b->keys, ids[i]));
            block->meta[in_block] =
                (wr_join_meta){ rows->times[from], rows->untils[from], *head };
            *head = row;
            bucket_order(b, rows->times[from]);
            block->marks->marks[in_block] = rows->marks[from];
            b->until_max = WR_MAX(b->until_max, rows->untils[from]);
            b->rows++;
            b->unmatched += rows->marks[from] == 0;
            if (side->keeps_unmatched && rows->marks[from] == 0)
                WR_TRY(waiting_push(side, b, rows->untils[from], row));
        }
        at += taken;
    }
    return WEIR_OK;
}

typedef struct insert_order {
    int64_t  index;
    uint16_t at;
} insert_order;

enum { BUCKETS_NEAR = 16 };

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

weir_status
wr_join_side_insert(wr_join_side *side, const wr_join_insert *rows)
{
    uint32_t n = rows->count;
    if (n == 0)
        return WEIR_OK;
    size_t        bytes = n * (sizeof(insert_order) + 3 * sizeof(uint16_t) + 2 * sizeof(uint32_t));
    insert_order *order = wr_alloc(side->budget, bytes);
    if (order == NULL)
        return WEIR_MEMORY;
    uint32_t   *ids = (uint32_t *) (order + n), *created = ids + n;
    uint16_t   *at = (uint16_t *) (created + n), *physical = at + n, *which = physical + n;
    bool        sorted = true;
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < n; i++) {
        order[i] = (insert_order){ bucket_index(side, rows->times[i]), (uint16_t) i };
        sorted &= i == 0 || order[i - 1].index <= order[i].index;
    }
    if (!sorted)
        order_by_bucket(order, n, ids);
    for (uint32_t from = 0; from < n && status == WEIR_OK;) {
        wr_join_bucket *b;
        uint32_t        count = 0;
        for (; from + count < n && order[from + count].index == order[from].index; count++)
            at[count] = order[from + count].at;
        status = bucket_open(side, order[from].index, &b);
        if (status == WEIR_OK)
            status = insert_run(side, b, rows, at, count, physical, which, ids, created);
        from += count;
    }
    wr_free(order);
    return status;
}
