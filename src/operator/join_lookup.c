/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_lookup.c -- rows that only pass, handed on with what they find: the short way of join_changes.c.
 *
 * A lookup's left rows that all come (no diffs), under one watermark and without a bound, a ttl or a residual, change
 * nothing that is kept and take nothing back: each comes out with its partners, in the order of the batch.
 *
 * Place       join_changes.c asks whether a batch may go this way, and begins it.
 * Invariants  K1  what comes out is what the long way would bring
 *             K2  nothing is written but the step, so that a batch can stop at any pair and go on
 */
#include "operator/join_changes_impl.h"

enum { WALK_AHEAD = 16 };

bool
wr_changes_may_pass(const join_changes *j, const wr_batch *in)
{
    const wr_join_config *c = j->config;
    return c->lookup && !j->half && !c->single && !c->has_bound && c->ttl_us == 0 &&
           c->residual == NULL && in->diff == NULL && in->row_watermark == NULL &&
           !j->sides[1].negatives; /* those would have to come before others */
}

weir_status
wr_changes_pass_begin(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    bool          nulls = false;
    s->port = 0;
    s->row = 0;
    s->within = s->matched = false;
    s->count = in->row_count;
    s->judge = WR_MAX(WR_MIN(in->watermark_before, j->ctx->port_watermark[1]), j->ctx->watermark);
    for (uint32_t i = 0; i < s->count; i++)
        s->rows[i] = (uint16_t) wr_batch_row(in, i);
    for (uint32_t k = 0; k < j->config->key_count; k++) {
        s->key_columns[k] = in->columns[j->keys[0][k]];
        nulls |= wr_column_base(s->key_columns[k])->valid != NULL;
    }
    WR_TRY(wr_row_keys_fill(&s->keys, s->key_columns, s->rows, s->count, in->physical_count, NULL));
    wr_change_side_heads(&j->sides[1], &s->keys, NULL, s->count, s->heads);
    for (uint32_t i = 0; nulls && !j->config->null_equal && i < s->count; i++)
        for (uint32_t k = 0; k < j->config->key_count; k++)
            if (wr_column_is_null(s->key_columns[k], s->rows[i]))
                s->heads[i] = WR_CHANGE_NONE;
    s->phase = CHANGES_PASS;
    return WEIR_OK;
}

/* Up to a batch of pairs: the left's physical row, the right's stored one, and its diff. */
static void
pass_walk(join_changes *j, int64_t *diffs, bool *same)
{
    changes_step         *s = j->step;
    const wr_change_side *side = &j->sides[1];
    uint64_t              unmatched = 0;
    int64_t               differ = 0;
    s->pairs = 0;
    for (; s->row < s->count; s->row++, s->within = false, s->matched = false) {
        uint32_t next = s->within ? s->next : s->heads[s->row];
        if (s->row + WALK_AHEAD < s->count && s->heads[s->row + WALK_AHEAD] != WR_CHANGE_NONE)
            wr_change_side_prefetch(side, s->heads[s->row + WALK_AHEAD]);
        while (next != WR_CHANGE_NONE && s->pairs < CHANGES_PAIRS_MAX) {
            wr_group *g = wr_change_side_row(side, next);
            next = wr_change_row_of(&side->row_layout, g)->next;
            s->pair_of[s->pairs] = s->rows[s->row];
            s->pointers[s->pairs] = (char *) g;
            diffs[s->pairs] = g->count;
            bool is = wr_change_side_is(side, g, &s->keys, s->row);
            differ |= is ? g->count - 1 : 0;
            s->matched |= is;
            s->pairs += is;
        }
        if (next != WR_CHANGE_NONE || (!s->matched && s->pairs == CHANGES_PAIRS_MAX)) {
            s->next = next;
            s->within = true;
            break;
        }
        if (s->matched)
            continue;
        unmatched++;
        if (j->outer[0]) {
            s->pair_of[s->pairs] = s->rows[s->row];
            diffs[s->pairs] = 1;
            s->pointers[s->pairs++] = side->null_row;
        }
    }
    *same = differ == 0;
    atomic_fetch_add_explicit(&j->ctx->counters.rows_unmatched, unmatched, memory_order_relaxed);
}

wr_flow
wr_changes_pass(join_changes *j, const wr_batch *in)
{
    changes_step   *s = j->step;
    wr_change_side *side = &j->sides[1];
    uint32_t        n = j->schemas[0]->field_count, m = j->schemas[1]->field_count;
    bool            same;
    int64_t        *diffs = wr_arena_alloc(&j->ctx->eval.step, CHANGES_PAIRS_MAX * sizeof *diffs);
    wr_batch       *b = NULL;
    if (diffs == NULL)
        goto fail;
    pass_walk(j, diffs, &same);
    if (s->pairs == 0)
        return WR_FLOW_NEXT;
    b = wr_batch_create(j->ctx->flow, n + m);
    if (b == NULL)
        goto fail;
    b->row_count = b->physical_count = s->pairs;
    if (wr_changes_put_batch(j, 0, in, s->pair_of, s->pairs, b->columns) != WEIR_OK ||
        wr_changes_stamp(j, b, same ? NULL : diffs) != WEIR_OK)
        goto fail;
    for (uint32_t c = 0; c < m; c++) {
        b->columns[n + c] = wr_key_column_make(&side->row_layout, j->ctx->flow, s->pointers,
                                               WR_GROUP_KEY_OFFSET, s->pairs, c);
        if (b->columns[n + c] == NULL)
            goto fail;
    }
    wr_ctx_emit(j->ctx, WR_PORT_MAIN, b);
    return WR_FLOW_NEXT;
fail:
    wr_batch_release(b);
    return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
}
