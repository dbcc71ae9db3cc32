/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state_limit.c -- how fast could keyed state be updated?  The yardsticks of tools/bench/state.c.
 *
 * Place       loops made for one schema and two aggregates each: hash a batch, prefetch 16 ahead, probe a table of
 *             32-byte slots that hold key and state, at a load of at most 0.25 (0.15 where it fits a level-2
 *             cache), sized before the first row.  They know nothing of NULLs, retractions, overflow, other types,
 *             snapshots or growth, so no aggregate that does can be faster.
 */
#include "state_limit.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 16, CACHED_BYTES = 1 << 20 };

typedef struct slot {
    uint64_t a, b; /* the key: text padded with zeros; b = 0 for a number */
    int64_t count; /* 0: empty */
    int64_t sum;
} slot;

struct limit_table {
    slot *slots;
    uint32_t bits;
    uint64_t groups;
    bool text;
};

static void *
zeroed(size_t bytes)
{
    void *p;
    if (posix_memalign(&p, 2 << 20, bytes) != 0)
        abort();
    wr_memory_is_dense(p, bytes);
    memset(p, 0, bytes);
    return p;
}

static uint32_t
bits_for(uint64_t keys, size_t slot_bytes)
{
    uint32_t bits = 4;
    while (keys * 4 > 1ull << bits ||
           (slot_bytes << bits <= CACHED_BYTES && keys * 128 > 19ull << bits))
        bits++;
    return bits;
}

limit_table *
limit_table_create(uint32_t keys, bool text)
{
    limit_table *t = calloc(1, sizeof *t);
    t->bits = bits_for(keys, sizeof(slot));
    t->slots = zeroed(sizeof(slot) << t->bits);
    t->text = text;
    return t;
}

void
limit_table_destroy(limit_table *table)
{
    free(table->slots);
    free(table);
}

static inline uint64_t
hash_number(uint64_t key)
{
    return key * 0x9e3779b97f4a7c15u;
}

static inline uint64_t
hash_text(uint64_t a, uint64_t b)
{
    unsigned __int128 m = (unsigned __int128)(a ^ 0xa0761d6478bd642fu) * (b ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* 9 to 16 bytes as two words. */
static inline void
text_words(const wr_string *s, uint64_t *a, uint64_t *b)
{
    const char *p = wr_string_data(s);
    memcpy(a, p, 8);
    memcpy(b, p + s->length - 8, 8);
    *b >>= 8 * (16 - s->length);
}

static inline __attribute__((always_inline)) void
group_batch(limit_table *t, const wr_batch *batch, bool text)
{
    static uint64_t hashes[WR_BATCH_ROWS_MAX], as[WR_BATCH_ROWS_MAX], bs[WR_BATCH_ROWS_MAX];
    const uint64_t *numbers = batch->columns[0]->data;
    const wr_string *texts = batch->columns[0]->data;
    const int64_t *values = batch->columns[1]->data;
    uint32_t rows = batch->row_count, shift = 64 - t->bits, mask = (1u << t->bits) - 1;
    slot *slots = t->slots;
    for (uint32_t i = 0; i < rows; i++) {
        if (text) {
            text_words(&texts[i], &as[i], &bs[i]);
            hashes[i] = hash_text(as[i], bs[i]);
        } else {
            hashes[i] = hash_number(numbers[i]);
        }
    }
    for (uint32_t i = 0; i < rows; i++) {
        if (i + AHEAD < rows)
            __builtin_prefetch(&slots[hashes[i + AHEAD] >> shift], 1);
        uint64_t a = text ? as[i] : numbers[i], b = text ? bs[i] : 0;
        uint32_t at = (uint32_t)(hashes[i] >> shift);
        while (slots[at].count != 0 && (slots[at].a != a || (text && slots[at].b != b)))
            at = (at + 1) & mask;
        t->groups += slots[at].count == 0;
        slots[at].a = a;
        if (text)
            slots[at].b = b;
        slots[at].count++;
        slots[at].sum += values[i];
    }
}

uint64_t
limit_group(limit_table *table, wr_batch *const *batches, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (table->text)
            group_batch(table, batches[i], true);
        else
            group_batch(table, batches[i], false);
    return table->groups;
}

/* --- windows --- */

typedef struct counter {
    uint64_t key;
    int64_t count; /* 0: empty */
} counter;

typedef struct pane {
    int64_t start; /* INT64_MIN: free */
    counter *slots;
    uint64_t *keys; /* in the order they came, for closing without a scan */
    uint32_t groups;
} pane;

enum { PANES_MAX = 256, DELAY_US = 2000000 };

struct limit_panes {
    int64_t size, slide, closed, greatest;
    uint32_t bits, running_bits, pane_count;
    pane panes[PANES_MAX];
    pane running; /* size > slide: the panes of the window, merged */
    uint64_t out;
    int64_t out_start[WR_BATCH_ROWS_MAX], out_key[WR_BATCH_ROWS_MAX], out_count[WR_BATCH_ROWS_MAX];
};

static void
pane_make(pane *p, uint32_t bits, uint64_t keys)
{
    p->start = INT64_MIN;
    p->slots = zeroed(sizeof(counter) << bits);
    p->keys = zeroed(keys * sizeof *p->keys);
}

limit_panes *
limit_panes_create(uint32_t keys, uint64_t rows_a_pane, int64_t size, int64_t slide)
{
    limit_panes *w = calloc(1, sizeof *w);
    uint64_t most = WR_MIN(rows_a_pane, (uint64_t)keys);
    w->size = size;
    w->slide = slide;
    w->greatest = w->closed = INT64_MIN;
    w->bits = bits_for(most, sizeof(counter));
    w->running_bits = bits_for(keys, sizeof(counter));
    w->pane_count = (uint32_t)(size / slide) + 4;
    for (uint32_t i = 0; i < w->pane_count; i++)
        pane_make(&w->panes[i], w->bits, most);
    if (size > slide)
        pane_make(&w->running, w->running_bits, keys);
    return w;
}

void
limit_panes_destroy(limit_panes *panes)
{
    for (uint32_t i = 0; i < panes->pane_count; i++) {
        free(panes->panes[i].slots);
        free(panes->panes[i].keys);
    }
    free(panes->running.slots);
    free(panes->running.keys);
    free(panes);
}

static inline uint32_t
counter_find(const counter *slots, uint32_t bits, uint64_t key)
{
    uint32_t at = (uint32_t)(hash_number(key) >> (64 - bits)), mask = (1u << bits) - 1;
    while (slots[at].count != 0 && slots[at].key != key)
        at = (at + 1) & mask;
    return at;
}

static inline __attribute__((always_inline)) void
counter_add(pane *p, uint32_t bits, uint64_t key)
{
    uint32_t at = counter_find(p->slots, bits, key);
    if (p->slots[at].count == 0) {
        p->keys[p->groups++] = key;
        p->slots[at].key = key;
    }
    p->slots[at].count++;
}

static pane *
pane_of(limit_panes *w, int64_t start)
{
    pane *p = &w->panes[(uint64_t)(start / w->slide) % w->pane_count];
    p->start = start;
    return p;
}

static void
out_put(limit_panes *w, int64_t start, uint64_t key, int64_t count)
{
    uint64_t at = w->out++ % WR_BATCH_ROWS_MAX;
    w->out_start[at] = start;
    w->out_key[at] = (int64_t)key;
    w->out_count[at] = count;
}

static inline void
counter_prefetch(const limit_panes *w, const pane *p, uint64_t key)
{
    __builtin_prefetch(&p->slots[hash_number(key) >> (64 - w->bits)]);
    __builtin_prefetch(&w->running.slots[hash_number(key) >> (64 - w->running_bits)], 1);
}

/* The running window gains the newest pane, comes out, and loses the oldest.  Keys that have gone to zero stay: a count of
 * zero would end a chain, so counts stand one higher than they are. */
static void
slide_close(limit_panes *w, int64_t start)
{
    pane *sum = &w->running, *newest = pane_of(w, start), *oldest;
    for (uint32_t i = 0; i < newest->groups; i++) {
        uint64_t key = newest->keys[i];
        if (i + AHEAD < newest->groups)
            counter_prefetch(w, newest, newest->keys[i + AHEAD]);
        int64_t count = newest->slots[counter_find(newest->slots, w->bits, key)].count;
        uint32_t at = counter_find(sum->slots, w->running_bits, key);
        if (sum->slots[at].count == 0) {
            sum->keys[sum->groups++] = key;
            sum->slots[at] = (counter){ key, 1 };
        }
        sum->slots[at].count += count;
    }
    int64_t first = start + w->slide - w->size;
    for (uint32_t i = 0; i < 1u << w->running_bits; i++)
        if (sum->slots[i].count > 1)
            out_put(w, first, sum->slots[i].key, sum->slots[i].count - 1);
    oldest = &w->panes[(uint64_t)(first / w->slide) % w->pane_count];
    if (oldest->start != first)
        return;
    for (uint32_t i = 0; i < oldest->groups; i++) {
        uint64_t key = oldest->keys[i];
        if (i + AHEAD < oldest->groups)
            counter_prefetch(w, oldest, oldest->keys[i + AHEAD]);
        int64_t count = oldest->slots[counter_find(oldest->slots, w->bits, key)].count;
        sum->slots[counter_find(sum->slots, w->running_bits, key)].count -= count;
    }
    memset(oldest->slots, 0, sizeof(counter) << w->bits);
    oldest->groups = 0;
}

static void
tumble_close(limit_panes *w, int64_t start)
{
    pane *p = pane_of(w, start);
    for (uint32_t i = 0; i < 1u << w->bits; i++)
        if (p->slots[i].count != 0)
            out_put(w, start, p->slots[i].key, p->slots[i].count);
    memset(p->slots, 0, sizeof(counter) << w->bits);
    p->groups = 0;
}

static void
panes_close(limit_panes *w, int64_t until)
{
    for (; w->closed + w->slide <= until; w->closed += w->slide)
        if (w->size > w->slide)
            slide_close(w, w->closed);
        else
            tumble_close(w, w->closed);
}

static void
panes_batch(limit_panes *w, const wr_batch *batch)
{
    const uint64_t *keys = batch->columns[0]->data;
    const int64_t *times = batch->columns[2]->data;
    uint32_t rows = batch->row_count;
    int64_t min = INT64_MAX, max = INT64_MIN;
    for (uint32_t i = 0; i < rows; i++) {
        min = WR_MIN(min, times[i]);
        max = WR_MAX(max, times[i]);
    }
    int64_t first = min / w->slide * w->slide;
    if (w->closed == INT64_MIN)
        w->closed = first;
    pane *p = pane_of(w, first);
    for (uint32_t i = 0; i < rows; i++) {
        if (i + AHEAD < rows)
            __builtin_prefetch(&p->slots[hash_number(keys[i + AHEAD]) >> (64 - w->bits)], 1);
        if (max >= first + w->slide)
            p = pane_of(w, times[i] / w->slide * w->slide);
        counter_add(p, w->bits, keys[i]);
    }
    w->greatest = WR_MAX(w->greatest, max);
    panes_close(w, w->greatest - DELAY_US);
}

uint64_t
limit_windows(limit_panes *panes, wr_batch *const *batches, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        panes_batch(panes, batches[i]);
    return panes->out;
}
