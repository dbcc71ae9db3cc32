/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_store.c -- a batch's rows into their own side, after they have been probed.
 *
 * Invariants  T1  a row is stored when a partner may still come and it still wants one (a semi or
 *                 anti join's left row that has a partner does not)
 */
#include "operator/join_impl.h"

static bool
is_stored(const join *j, const join_step *s, uint32_t i)
{
    if (!join_row_lasts(s, i))
        return false;
    return !(j->half && s->port == 0 && s->matched[i]); /* T1 */
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
pile_store(join *j, const wr_batch *in, const pile *p)
{
    wr_join_insert insert = { .batch = in, .keys = &j->step->keys, .count = p->count,
                              .rows = p->rows, .which = p->which, .times = p->times,
                              .untils = p->untils, .marks = p->marks };
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
    for (uint32_t i = 0; i < s->count; i++)
        if (is_stored(j, s, i))
            pile_add(&p, s, i);
    return pile_store(j, in, &p);
}
