/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_walk.c -- the candidates of many rows at once.
 *
 * Rows side by side that look into the same buckets, and none of which is told at once to be alone, walk their chains
 * together: all their first stored rows, then all the second ones, and so on, each step without a branch that
 * depends on what is found and with the next step's rows under way.  What is found is put into the order of the rows
 * afterwards.
 *
 * Place       join_probe.c asks it first; what it does not take (rows that do not last, semi and anti joins, pairs in such
 *             numbers that they do not fit) is walked there row by row.
 * Invariants  W1  the step's pairs, row and next are changed by whole groups of rows alone
 *             W2  what comes is what join_probe.c's walk would bring, but for the order within a row
 */
#include "operator/join_impl.h"

enum { GROUP_ROWS = 256, GROUP_ROWS_MIN = 8 };

/* Chains under way in one bucket. */
typedef struct walk {
    const wr_join_side   *side;
    const wr_join_bucket *bucket;
    const wr_row_keys    *keys;
    const wr_time        *lows, *highs; /* from the group's first row on, */
    uint32_t              base;         /* which is number base of the step */
    uint32_t              count;        /* of chains */
    uint32_t              at[GROUP_ROWS];
    uint8_t               rows[GROUP_ROWS];
    /* found in all buckets: */
    uint32_t     found_count;
    uint8_t     *found_rows;
    wr_join_row *found;
} walk;

/* The chains' next rows come near. */
static inline __attribute__((always_inline)) void
walk_prefetch(const walk *w)
{
    for (uint32_t i = 0; i < w->count; i++) {
        const wr_join_block *block = w->bucket->blocks[w->at[i] >> 12];
        __builtin_prefetch(wr_join_block_meta(w->side, block, w->at[i] & 4095));
    }
}

/* One step of all chains. */
static inline __attribute__((always_inline)) void
walk_step(walk *w, bool word)
{
    const wr_join_bucket *bucket = w->bucket;
    const uint32_t        dropped = bucket->dropped;
    const int64_t         disorder = bucket->disorder;
    const wr_join_side   *side = w->side;
    wr_join_row          *found = w->found + w->found_count;
    uint8_t              *found_rows = w->found_rows + w->found_count;
    uint32_t              left = 0, n = 0;
    for (uint32_t i = 0; i < w->count; i++) {
        const uint32_t      at = w->at[i], row = w->rows[i];
        wr_join_block      *block = bucket->blocks[at >> 12];
        const wr_join_meta *meta = wr_join_block_meta(side, block, at & 4095);
        const wr_time       time = meta->time, low = w->lows[row];
        const wr_time       last = low < INT64_MIN + disorder ? INT64_MIN : low - disorder; /* S3 */
        const uint32_t      next = meta->next;
        const bool          same = word ? meta->key[0] == w->keys->words[2 * (w->base + row) + 1]
                                        : wr_join_meta_is(side, meta, w->keys, w->base + row);
        found[n] = (wr_join_row){ block, at & 4095 };
        found_rows[n] = (uint8_t) row;
        n += (time >= low) & (time <= w->highs[row]) & same;
        w->at[left] = next;
        w->rows[left] = (uint8_t) row;
        left += (time >= last) & (next != WR_JOIN_NO_ROW) & (next >> 12 >= dropped);
    }
    w->count = left;
    w->found_count += n;
}

/* Of those found from number `from` on, the ones that have not left and are not done with. */
static void
found_filter(const join *j, walk *w, uint32_t from)
{
    const join_step *s = j->step;
    const int        port = 1 - s->port;
    uint32_t         kept = from;
    for (uint32_t i = from; i < w->found_count; i++) {
        const wr_join_row *r = &w->found[i];
        if (s->inexact &&
            wr_join_stored_until(j, port, r->block, r->row) < s->judges[w->base + w->found_rows[i]])
            continue;
        if ((r->block->marks->marks[r->row] & WR_JOIN_DEAD) != 0)
            continue;
        w->found[kept] = *r;
        w->found_rows[kept++] = w->found_rows[i];
    }
    w->found_count = kept;
}

/* All chains of the group's rows in a bucket; false: more is found than there is room for. */
static bool
walk_bucket(const join *j, walk *w, uint32_t slot, uint32_t count, uint32_t room)
{
    const join_step *s = j->step;
    const uint32_t  *heads = &s->heads[(w->base - s->heads_from) * s->slots + slot];
    const bool       word = w->side->key_from == 1;
    const bool       filter = s->inexact || j->outer[1 - s->port];
    w->bucket = w->side->buckets[s->first[w->base] + slot];
    w->count = 0;
    for (uint32_t i = 0; i < count; i++) {
        w->at[w->count] = heads[i * s->slots];
        w->rows[w->count] = (uint8_t) i;
        w->count += heads[i * s->slots] != WR_JOIN_NO_ROW;
    }
    while (w->count > 0) {
        uint32_t from = w->found_count;
        walk_prefetch(w);
        if (word)
            walk_step(w, true);
        else
            walk_step(w, false);
        if (filter)
            found_filter(j, w, from);
        if (w->found_count > room)
            return false;
    }
    return true;
}

/* How many rows from the step's next on go together. */
static uint32_t
group_count(const join_step *s, uint32_t most)
{
    uint32_t from = s->row, n = 0;
    most = WR_MIN(most, WR_MIN(s->count, s->heads_to) - from);
    while (n < most && (s->passes || join_row_lasts(s, from + n)) && s->first[from + n] == s->first[from] &&
           s->spans[from + n] == s->spans[from])
        n++;
    return n;
}

/* In the order of the rows, behind the pairs there are. */
static void
found_sort(join_step *s, const walk *w, uint32_t count)
{
    uint32_t to[GROUP_ROWS + 1] = { 0 };
    for (uint32_t i = 0; i < w->found_count; i++)
        to[w->found_rows[i] + 1]++;
    to[0] = s->pairs;
    for (uint32_t r = 1; r <= count; r++)
        to[r] += to[r - 1];
    for (uint32_t i = 0; i < w->found_count; i++) {
        uint32_t at = to[w->found_rows[i]]++;
        s->pair_of[at] = (uint16_t) (w->base + w->found_rows[i]);
        s->pair_with[at] = w->found[i];
        __builtin_prefetch(&w->found[i].block->marks->marks[w->found[i].row], 1);
    }
    s->pairs += w->found_count;
}

/* Rows that will fit, by what those before brought: two thirds of what they promise. */
static uint32_t
rows_that_fit(join_step *s, uint32_t room)
{
    if (s->walked_pairs <= s->walked_rows)
        return WR_MIN(room, (uint32_t) GROUP_ROWS);
    uint64_t fit = (uint64_t) room * s->walked_rows * 2 / ((uint64_t) s->walked_pairs * 3);
    if (fit < GROUP_ROWS_MIN && room == WR_BATCH_ROWS_MAX)
        s->walked_pairs -= s->walked_pairs / 64 + 1; /* a group is tried again some rows later */
    return (uint32_t) WR_MIN(fit, (uint64_t) GROUP_ROWS);
}

/* The next group of rows, `count` of them; false: more is found than there is room for. */
static bool
walk_group(join *j, walk *w, uint32_t count, uint32_t room)
{
    join_step *s = j->step;
    bool       fits = true;
    w->base = s->row;
    w->lows = s->lows + s->row;
    w->highs = s->highs + s->row;
    w->found_count = 0;
    for (uint32_t slot = 0; slot < s->spans[s->row] && fits; slot++)
        fits = walk_bucket(j, w, slot, count, room);
    s->walked_rows = count;
    s->walked_pairs = w->found_count;
    return fits;
}

static walk *
walk_create(join *j, uint32_t room)
{
    wr_arena *arena = &j->ctx->eval.step;
    walk     *w = wr_arena_alloc(arena, sizeof *w);
    if (w == NULL)
        return NULL;
    w->side = &j->sides[1 - j->step->port];
    w->keys = &j->step->keys;
    w->found = wr_arena_alloc(arena, (room + GROUP_ROWS) * sizeof *w->found);
    w->found_rows = wr_arena_alloc(arena, (room + GROUP_ROWS) * sizeof *w->found_rows);
    return w->found != NULL && w->found_rows != NULL ? w : NULL;
}

weir_status
wr_join_walk(join *j)
{
    join_step *s = j->step;
    walk      *w = NULL;
    if (j->half || s->within || s->slot > 0)
        return WEIR_OK;
    while (s->row < WR_MIN(s->count, s->heads_to)) {
        uint32_t room = WR_BATCH_ROWS_MAX - s->pairs;
        uint32_t count = group_count(s, rows_that_fit(s, room));
        if (count < GROUP_ROWS_MIN)
            return WEIR_OK;
        if (w == NULL && (w = walk_create(j, room)) == NULL)
            return WEIR_MEMORY;
        if (!walk_group(j, w, count, room))
            return WEIR_OK; /* row by row, as far as it goes */
        found_sort(s, w, count);
        s->row += count; /* W1 */
    }
    return WEIR_OK;
}
