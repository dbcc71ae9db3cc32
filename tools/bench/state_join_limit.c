/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tools/bench/state_join_limit.c -- how fast could rows be joined?  The yardsticks of tools/bench/state_join.c.
 *
 * Place       a hash multimap a side: slots of 16 bytes with the key and the newest row, at a load of at most 0.25, and
 *             the rows themselves, 32 bytes with a link to the row before of the same key, in one array that is
 *             written round and round.  Sized before the first row; hashes and first rows are prefetched.  They know
 *             nothing of NULLs, other types, late rows, outer joins, snapshots or growth.
 */
#include "state_join_limit.h"

#include <stdlib.h>
#include <string.h>

enum { AHEAD = 16, DELAY_US = 2000000 };

typedef struct row {
    int64_t key, value, time;
    uint64_t before; /* the number of the row before, of the same key; 0: none */
} row;

typedef struct slot {
    int64_t key;
    uint64_t newest; /* the number of its newest row; 0: empty */
} slot;

typedef struct multimap {
    slot *slots;
    row *rows;
    uint64_t count; /* rows that have come; numbers begin at 1 */
} multimap;

struct limit_join {
    multimap sides[2];
    uint32_t bits;
    uint64_t mask; /* of row numbers */
    uint64_t pairs;
    int64_t out[7][WR_BATCH_ROWS_MAX];
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

limit_join *
limit_join_create(uint32_t keys, uint64_t rows)
{
    limit_join *j = calloc(1, sizeof *j);
    uint64_t capacity = WR_BATCH_ROWS_MAX;
    j->bits = 12;
    while (1ull << j->bits < 4ull * keys)
        j->bits++;
    while (capacity < rows)
        capacity *= 2;
    j->mask = capacity - 1;
    for (int p = 0; p < 2; p++) {
        j->sides[p].slots = zeroed(sizeof(slot) << j->bits);
        j->sides[p].rows = zeroed(sizeof(row) * capacity);
    }
    return j;
}

void
limit_join_destroy(limit_join *join)
{
    for (int p = 0; p < 2; p++) {
        free(join->sides[p].slots);
        free(join->sides[p].rows);
    }
    free(join);
}

uint64_t
limit_join_pairs(const limit_join *join)
{
    return join->pairs;
}

static inline uint32_t
slot_hash(const limit_join *j, int64_t key)
{
    return (uint32_t)((uint64_t)key * 0x9e3779b97f4a7c15u >> (64 - j->bits));
}

static inline slot *
slot_find(const limit_join *j, const multimap *m, int64_t key)
{
    uint32_t at = slot_hash(j, key), mask = (1u << j->bits) - 1;
    while (m->slots[at].newest != 0 && m->slots[at].key != key)
        at = (at + 1) & mask;
    return &m->slots[at];
}

static inline void
pair_put(limit_join *j, const int64_t ours[3], const row *theirs, int64_t diff)
{
    uint64_t at = j->pairs++ % WR_BATCH_ROWS_MAX;
    for (int c = 0; c < 3; c++)
        j->out[c][at] = ours[c];
    j->out[3][at] = theirs->key;
    j->out[4][at] = theirs->value;
    j->out[5][at] = theirs->time;
    j->out[6][at] = diff;
}

static inline void
row_put(limit_join *j, multimap *m, const int64_t ours[3])
{
    slot *s = slot_find(j, m, ours[0]);
    m->rows[++m->count & j->mask] = (row){ ours[0], ours[1], ours[2], s->newest };
    *s = (slot){ ours[0], m->count };
}

/* The heads of rows [from, to) into newest[]. */
static void
heads_find(const limit_join *j, const multimap *m, const int64_t *keys, uint32_t count, uint64_t *newest)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(&m->slots[slot_hash(j, keys[i + AHEAD])]);
        newest[i] = slot_find(j, m, keys[i])->newest;
    }
}

static void
rows_put(limit_join *j, multimap *m, int64_t *const columns[3], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            __builtin_prefetch(&m->slots[slot_hash(j, columns[0][i + AHEAD])], 1);
        row_put(j, m, (int64_t[]){ columns[0][i], columns[1][i], columns[2][i] });
    }
}

void
limit_join_interval(limit_join *j, int port, const wr_batch *batch, int64_t within)
{
    static uint64_t newest[WR_BATCH_ROWS_MAX];
    int64_t *const columns[3] = { batch->columns[0]->data, batch->columns[1]->data, batch->columns[2]->data };
    const multimap *other = &j->sides[1 - port];
    uint64_t oldest = other->count > j->mask ? other->count - j->mask : 1;
    heads_find(j, other, columns[0], batch->row_count, newest);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        int64_t ours[3] = { columns[0][i], columns[1][i], columns[2][i] };
        if (i + AHEAD < batch->row_count)
            __builtin_prefetch(&other->rows[newest[i + AHEAD] & j->mask]);
        for (uint64_t n = newest[i]; n >= oldest;) {
            const row *r = &other->rows[n & j->mask];
            int64_t apart = ours[2] - r->time;
            if (apart > within + DELAY_US)
                break;
            if (apart <= within && -apart <= within)
                pair_put(j, ours, r, 1);
            n = r->before;
        }
    }
    rows_put(j, &j->sides[port], columns, batch->row_count);
}

/* Take one row like ours away; its slot keeps the key, so that chains of slots stay whole. */
static void
row_take(limit_join *j, multimap *m, const int64_t ours[3])
{
    slot *s = slot_find(j, m, ours[0]);
    for (uint64_t *link = &s->newest; *link != 0; link = &m->rows[*link & j->mask].before) {
        row *r = &m->rows[*link & j->mask];
        if (r->value != ours[1] || r->time != ours[2])
            continue;
        *link = r->before;
        if (s->newest == 0) { /* no row is left: row 0 stands for none, and matches nothing */
            s->newest = UINT64_MAX;
            return;
        }
        return;
    }
}

void
limit_join_changes(limit_join *j, int port, const wr_batch *batch, bool kept)
{
    static uint64_t newest[WR_BATCH_ROWS_MAX];
    int64_t *const columns[3] = { batch->columns[0]->data, batch->columns[1]->data, batch->columns[2]->data };
    const multimap *other = &j->sides[1 - port];
    heads_find(j, other, columns[0], batch->row_count, newest);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        int64_t ours[3] = { columns[0][i], columns[1][i], columns[2][i] };
        int64_t diff = batch->diff != NULL ? batch->diff[i] : 1;
        if (i + AHEAD < batch->row_count)
            __builtin_prefetch(&other->rows[newest[i + AHEAD] & j->mask]);
        for (uint64_t n = newest[i]; n != 0 && n != UINT64_MAX; n = other->rows[n & j->mask].before)
            pair_put(j, ours, &other->rows[n & j->mask], diff);
    }
    if (!kept)
        return;
    if (batch->diff == NULL || batch->diff[0] > 0) {
        rows_put(j, &j->sides[port], columns, batch->row_count);
        return;
    }
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (i + AHEAD < batch->row_count)
            __builtin_prefetch(&j->sides[port].slots[slot_hash(j, columns[0][i + AHEAD])], 1);
        row_take(j, &j->sides[port], (int64_t[]){ columns[0][i], columns[1][i], columns[2][i] });
    }
}
