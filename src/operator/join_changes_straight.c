/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_straight.c -- pairs handed on as they are found.
 *
 * Where nothing but pairs comes out (no outer, semi or anti join, no condition beside the keys), all under one watermark,
 * and no stored row has a diff below 0, pairs are found in the order in which they are to come out: those of rows taken
 * back first.  They need no list of what waits, and our own side's columns are the batch's.
 *
 * Place       join_changes.c asks at the beginning of a run; the general way is join_changes_match.c's and
 *             join_changes_emit.c's.
 */
#include "operator/join_changes_impl.h"

bool
wr_changes_go_straight(const join_changes *j)
{
    const wr_join_config *c = j->config;
    const changes_step *s = j->step;
    return !c->lookup && !c->single && !j->half && !j->outer[0] && !j->outer[1] &&
           c->residual == NULL && s->one_judge && !j->sides[1 - s->port].negatives;
}

/* The pairs' diffs; NULL where all are 1. */
static weir_status
pair_diffs(join_changes *j, const int64_t **diffs)
{
    changes_step *s = j->step;
    int64_t *made = wr_arena_alloc(&j->ctx->eval.step, s->pairs * sizeof *made), differ = 0;
    if (made == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < s->pairs; i++) {
        made[i] = wr_changes_product(s->deltas[s->pair_of[i]],
                                     ((const wr_group *)(void *)s->pointers[i])->count);
        differ |= made[i] ^ 1;
    }
    *diffs = differ != 0 ? made : NULL;
    return WEIR_OK;
}

/* The other side's columns of the rows that the step's pointers lead to. */
static weir_status
put_stored(join_changes *j, int p, wr_column **out)
{
    changes_step *s = j->step;
    for (uint32_t c = 0; c < j->schemas[p]->field_count; c++) {
        out[c] = wr_key_column_make(&j->sides[p].row_layout, j->ctx->flow, s->pointers,
                                    WR_GROUP_KEY_OFFSET, s->pairs, c);
        if (out[c] == NULL)
            return WEIR_MEMORY;
    }
    return WEIR_OK;
}

static weir_status
put_pairs(join_changes *j, const wr_batch *in, wr_batch *b)
{
    changes_step *s = j->step;
    const int64_t *diffs;
    uint32_t own = s->port == 0 ? 0 : j->schemas[0]->field_count;
    uint32_t other = s->port == 0 ? j->schemas[0]->field_count : 0;
    uint16_t *rows = wr_arena_alloc(&j->ctx->eval.step, s->pairs * sizeof *rows);
    if (rows == NULL)
        return WEIR_MEMORY;
    b->row_count = b->physical_count = s->pairs;
    for (uint32_t i = 0; i < s->pairs; i++) {
        rows[i] = s->rows[s->which[s->pair_of[i]]];
        s->pointers[i] = (char *)wr_change_side_row(&j->sides[1 - s->port], s->pair_with[i]);
    }
    WR_TRY(pair_diffs(j, &diffs));
    WR_TRY(wr_changes_stamp(j, b, diffs));
    WR_TRY(wr_changes_put_batch(j, s->port, in, rows, s->pairs, b->columns + own));
    return put_stored(j, 1 - s->port, b->columns + other);
}

wr_flow
wr_changes_straight(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    wr_changes_collect(j);
    if (s->pairs == 0)
        return WR_FLOW_NEXT;
    wr_batch *b =
        wr_batch_create(j->ctx->flow, j->schemas[0]->field_count + j->schemas[1]->field_count);
    if (b == NULL || put_pairs(j, in, b) != WEIR_OK) {
        wr_batch_release(b);
        return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
    }
    wr_ctx_emit(j->ctx, WR_PORT_MAIN, b);
    return WR_FLOW_NEXT;
}
