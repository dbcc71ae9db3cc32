/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_store.c -- a batch's rows into their own side, after they have been probed.
 *
 * Invariants  T1  a row is stored when a partner may still come and it still wants one (a semi or
 *                 anti join's left row that has a partner does not)
 *             T2  a row taken back (diff < 0) takes an equal stored row with it; when there is
 *                 none it is stored as it is, and the sum is right all the same
 */
#include "operator/join_impl.h"

#include "state/column_same.h"

static bool
is_stored(const join *j, const join_step *s, uint32_t i)
{
    if (!join_row_lasts(s, i))
        return false;
    return !(j->half && s->port == 0 && s->matched[i]); /* T1 */
}

static bool
rows_equal(const wr_join_row *stored, const wr_batch *in, uint32_t row)
{
    for (uint32_t c = 0; c < in->column_count; c++) {
        const wr_column *a = stored->block->columns[c], *b = in->columns[c];
        if ((a == NULL) != (b == NULL))
            return false;
        if (a != NULL && !wr_column_same(a, stored->row, b, row))
            return false;
    }
    return true;
}

/* T2: row number i, whose diff is negative.  *found: an equal row took it up. */
static weir_status
take_back(join *j, const wr_batch *in, uint32_t i, bool *found)
{
    join_step    *s = j->step;
    wr_join_side *side = &j->sides[s->port];
    uint16_t      which = (uint16_t) i;
    uint32_t      first, head;
    *found = false;
    if (wr_join_side_seek(side, s->times[i], s->times[i], &first) == 0)
        return WEIR_OK;
    wr_join_bucket *bucket = side->buckets[first];
    wr_join_bucket_heads(bucket, &s->keys, &which, 1, &head);
    for (; head != WR_JOIN_NO_ROW;) {
        wr_join_row stored = wr_join_row_at(bucket, head);
        head = stored.block->meta[stored.row].next;
        if ((stored.block->marks->marks[stored.row] & WR_JOIN_DEAD) != 0 ||
            wr_join_row_diff(&stored) <= 0 || !rows_equal(&stored, in, s->rows[i]))
            continue;
        *found = true;
        return wr_join_row_add(side, &stored, wr_batch_diff(in, s->rows[i]));
    }
    return WEIR_OK;
}

typedef struct pile {
    uint16_t *rows, *which;
    wr_time  *times, *untils;
    uint8_t  *marks;
    uint32_t  count;
} pile;

static weir_status
pile_make(join *j, pile *p)
{
    wr_arena *arena = &j->ctx->eval.step;
    uint32_t  n = j->step->count;
    p->rows = wr_arena_alloc(arena, n * sizeof *p->rows);
    p->which = wr_arena_alloc(arena, n * sizeof *p->which);
    p->times = wr_arena_alloc(arena, n * sizeof *p->times);
    p->untils = wr_arena_alloc(arena, n * sizeof *p->untils);
    p->marks = wr_arena_alloc(arena, n * sizeof *p->marks);
    p->count = 0;
    bool whole = p->rows != NULL && p->which != NULL && p->times != NULL && p->untils != NULL &&
                 p->marks != NULL;
    return whole ? WEIR_OK : WEIR_MEMORY;
}

static void
pile_add(pile *p, const join_step *s, uint32_t i)
{
    p->rows[p->count] = s->rows[i];
    p->which[p->count] = (uint16_t) i;
    p->times[p->count] = s->times[i];
    p->untils[p->count] = s->untils[i];
    p->marks[p->count++] = s->matched[i] ? WR_JOIN_MATCHED : 0;
}

static weir_status
pile_store(join *j, const wr_batch *in, pile *p)
{
    wr_join_insert insert = { .batch = in, .keys = &j->step->keys, .count = p->count,
                              .rows = p->rows, .which = p->which, .times = p->times,
                              .untils = p->untils, .marks = p->marks };
    p->count = 0;
    if (wr_ctx_sheds(j->ctx)) {
        wr_ctx_count_shed(j->ctx, insert.count);
        return WEIR_OK;
    }
    return wr_join_side_insert(&j->sides[j->step->port], &insert);
}

weir_status
wr_join_store(join *j, const wr_batch *in)
{
    join_step *s = j->step;
    pile       p;
    WR_TRY(pile_make(j, &p));
    for (uint32_t i = 0; i < s->count; i++) {
        bool found = false;
        if (!is_stored(j, s, i))
            continue;
        if (wr_batch_diff(in, s->rows[i]) < 0) {
            WR_TRY(pile_store(j, in, &p)); /* what stands before it in the batch too */
            WR_TRY(take_back(j, in, i, &found));
        }
        if (!found)
            pile_add(&p, s, i);
    }
    return pile_store(j, in, &p);
}
