/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_snapshot.c -- the rows of a join at a barrier: frozen, written, restored.
 *
 * Format      state/change_snapshot.c's, the side's number first.  Chains and heaps are built anew.
 */
#include "operator/join_changes_impl.h"

struct wr_frozen {
    const join_changes *j;
    wr_group_view       views[2];
};

weir_status
wr_changes_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    join_changes *j = self;
    (void) epoch;
    wr_assert(j->step == NULL || j->step->phase == CHANGES_IDLE);
    wr_frozen *f = wr_calloc(j->ctx->state, 1, sizeof *f);
    if (f == NULL)
        return WEIR_MEMORY;
    f->j = j;
    for (int p = 0; p < 2; p++)
        if (wr_group_table_freeze(&j->sides[p].rows, &f->views[p]) != WEIR_OK) {
            wr_changes_thaw(f);
            return WEIR_MEMORY;
        }
    *out = f;
    return WEIR_OK;
}

void
wr_changes_thaw(wr_frozen *f)
{
    if (f == NULL)
        return;
    for (int p = 0; p < 2; p++)
        wr_group_view_release(&f->views[p]);
    wr_free(f);
}

weir_status
wr_changes_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    const join_changes *j = f->j;
    for (uint32_t p = 0; p < 2; p++)
        WR_TRY(wr_change_side_write(&j->sides[p], &f->views[p], p, j->keys[p], j->config->key_count,
                                    to));
    return WEIR_OK;
}

/* --- restoring --- */

typedef struct restorer {
    join_changes *j;
    wr_row_keys   keys;
    wr_column   **key_columns;
    uint16_t      rows[WR_BATCH_ROWS_MAX];
    uint32_t      ids[WR_BATCH_ROWS_MAX];
} restorer;

static weir_status
link_batch(restorer *r, int p, const wr_batch *b)
{
    join_changes   *j = r->j;
    wr_change_side *side = &j->sides[p];
    uint32_t        count = b->row_count;
    for (uint32_t k = 0; k < j->config->key_count; k++) {
        r->key_columns[k] = b->columns[j->keys[p][k]];
        for (uint32_t i = 0; i < count && !j->config->null_equal; i++)
            if (wr_column_is_null(r->key_columns[k], i))
                return WEIR_CHECKPOINT_CORRUPT;
    }
    for (uint32_t i = 0; i < count; i++)
        r->rows[i] = (uint16_t) i;
    WR_TRY(wr_row_keys_fill(&r->keys, r->key_columns, r->rows, count, count, NULL));
    WR_TRY(wr_change_side_link(side, &r->keys, r->rows, r->ids, count));
    for (uint32_t i = 0; !side->plain && i < count; i++)
        WR_TRY(wr_change_side_hold(side, r->ids[i], wr_change_side_info(side, r->ids[i])->until));
    return WEIR_OK;
}

static weir_status
get_section(restorer *r, wr_snapshot_reader *from)
{
    uint64_t  port = wr_snapshot_get_u64(from);
    wr_batch *b = NULL;
    if (from->failed || port > 1)
        return WEIR_CHECKPOINT_CORRUPT;
    weir_status status = wr_change_side_read(&r->j->sides[port], from, &b, r->ids);
    if (status == WEIR_OK)
        status = link_batch(r, (int) port, b);
    wr_batch_release(b);
    return status;
}

weir_status
wr_changes_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    join_changes *j = self;
    restorer     *r = wr_calloc(ctx->flow, 1, sizeof *r);
    if (r == NULL)
        return WEIR_MEMORY;
    r->j = j;
    wr_row_keys_init(&r->keys, &j->layout, ctx->flow);
    r->key_columns = wr_alloc(ctx->flow, j->config->key_count * sizeof *r->key_columns);
    weir_status status = r->key_columns != NULL ? WEIR_OK : WEIR_MEMORY;
    while (status == WEIR_OK && wr_snapshot_next(from))
        status = from->group == WR_SNAPSHOT_GLOBAL ? WEIR_OK : get_section(r, from);
    if (status == WEIR_OK)
        status = wr_snapshot_reader_status(from);
    wr_free(r->key_columns);
    wr_row_keys_fini(&r->keys);
    wr_free(r);
    wr_changes_count_state(j);
    return status;
}
