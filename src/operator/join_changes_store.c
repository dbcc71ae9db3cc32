/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_store.c -- the end of a run: its rows' diffs into their own side.
 *
 * Place       join_changes.c calls it when all that the run makes come out has come out.
 */
#include "operator/join_changes_impl.h"

enum { STORE_AHEAD = 12 };

/* What a run makes of its rows. */
typedef struct outcome {
    uint32_t *gone, *fresh; /* rows that leave; rows new to their chains ... */
    uint16_t *which;        /* ... and their numbers among the step's keys   */
    uint32_t gone_count, fresh_count;
} outcome;

static weir_status
outcome_create(wr_arena *arena, uint32_t rows, outcome *out)
{
    *out = (outcome){
        .gone = wr_arena_alloc(arena, (rows + 1) * sizeof *out->gone),
        .fresh = wr_arena_alloc(arena, (rows + 1) * sizeof *out->fresh),
        .which = wr_arena_alloc(arena, (rows + 1) * sizeof *out->which),
    };
    return out->gone != NULL && out->fresh != NULL && out->which != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
store_diffs(join_changes *j, outcome *out)
{
    changes_step *s = j->step;
    wr_change_side *side = &j->sides[s->port];
    uint32_t gone = 0, fresh = 0;
    for (uint32_t d = 0; d < s->touched; d++) {
        const uint32_t id = s->ids[d];
        const bool kept = !s->single[d];
        if (d + STORE_AHEAD < s->touched)
            wr_change_side_prefetch(side, s->ids[d + STORE_AHEAD]);
        wr_group *g = wr_change_side_row(side, id); /* ours since it was found */
        wr_change_row *info = wr_change_row_of(&side->row_layout, g);
        info->at = WR_CHANGE_NONE;
        if (!side->plain && g->count == 0 && s->deltas[d] != 0)
            info->partners = s->partners[d];
        if (kept && __builtin_add_overflow(g->count, s->deltas[d], &g->count))
            return WEIR_ROW_OVERFLOW;
        side->negatives |= g->count < 0;
        out->gone[gone] = out->fresh[fresh] = id;
        out->which[fresh] = s->which[d];
        bool goes = !kept || g->count == 0;
        gone += goes;
        fresh += !goes && info->key == WR_CHANGE_NONE;
        s->ids[d] = goes ? WR_CHANGE_NONE : id;
    }
    out->gone_count = gone;
    out->fresh_count = fresh;
    return WEIR_OK;
}

weir_status
wr_changes_store(join_changes *j)
{
    changes_step *s = j->step;
    wr_change_side *side = &j->sides[s->port];
    outcome out;
    if (s->passing != NULL)
        return WEIR_OK;
    WR_TRY(outcome_create(&j->ctx->eval.step, s->touched, &out));
    WR_TRY(store_diffs(j, &out));
    WR_TRY(wr_change_side_remove(side, out.gone, out.gone_count));
    WR_TRY(wr_change_side_link(side, &s->keys, out.which, out.fresh, out.fresh_count));
    for (uint32_t d = 0; !side->plain && d < s->touched; d++) {
        wr_time until = wr_changes_until(j, s->port, s->times[d], s->judges[d]);
        if (s->ids[d] != WR_CHANGE_NONE && s->deltas[d] != 0)
            WR_TRY(wr_change_side_hold(side, s->ids[d], until));
    }
    WR_TRY(wr_change_side_tidy(&j->sides[0]));
    return wr_change_side_tidy(&j->sides[1]);
}
