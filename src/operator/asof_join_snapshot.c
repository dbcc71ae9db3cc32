/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/asof_join_snapshot.c -- the rows of an as-of join at a barrier: frozen, written, restored.
 *
 * Format      state/change_snapshot.c's, the side's number first; a right row's sequence stands for
 *             its partners (of upserts the moment it holds from), the moment it is seen from for its
 *             until.  Versions are built anew.
 */
#include "operator/asof_join_impl.h"

struct wr_frozen {
    const asof_join *j;
    wr_group_view    views[2];
};

void
wr_asof_thaw(wr_frozen *f)
{
    if (f == NULL)
        return;
    for (int p = 0; p < 2; p++)
        wr_group_view_release(&f->views[p]);
    wr_free(f);
}

weir_status
wr_asof_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    asof_join *j = self;
    (void) epoch;
    wr_frozen *f = wr_calloc(j->ctx->state, 1, sizeof *f);
    if (f == NULL)
        return WEIR_MEMORY;
    f->j = j;
    for (int p = 0; p < 2; p++)
        if (wr_group_table_freeze(&j->sides[p].rows, &f->views[p]) != WEIR_OK) {
            wr_asof_thaw(f);
            return WEIR_MEMORY;
        }
    *out = f;
    return WEIR_OK;
}

weir_status
wr_asof_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    for (uint32_t p = 0; p < 2; p++)
        WR_TRY(wr_change_side_write(&f->j->sides[p], &f->views[p], p, f->j->keys[p],
                                    f->j->config->key_count, to));
    return WEIR_OK;
}

/* A restored right row is a version again. */
static weir_status
restore_versions(asof_join *j, const wr_batch *b)
{
    asof_step *s = j->step;
    for (uint32_t i = 0; i < b->row_count; i++) {
        if (!wr_asof_can_match(j, b, 1, i))
            return WEIR_CHECKPOINT_CORRUPT;
        s->rows[i] = (uint16_t) i;
    }
    for (uint32_t k = 0; k < j->config->key_count; k++)
        s->key_columns[k] = b->columns[j->keys[1][k]];
    WR_TRY(wr_row_keys_fill(&s->keys, s->key_columns, s->rows, b->row_count, b->row_count, NULL));
    for (uint32_t i = 0; i < b->row_count; i++) {
        wr_change_row *info = wr_change_side_info(&j->sides[1], s->ids[i]);
        uint64_t       sequence = (uint64_t) info->partners;
        wr_change_side_row(&j->sides[1], s->ids[i])->count = 1;
        j->sequence = WR_MAX(j->sequence, sequence + 1);
        wr_version version = { .time = wr_event_time_get(b->columns[j->config->right_time], i),
                               .own = wr_event_time_get(b->columns[j->config->right_time], i),
                               .from = info->until,
                               .sequence = sequence,
                               .row = s->ids[i] };
        WR_TRY(wr_versions_add(&j->versions, &s->keys, (uint16_t) i, &version));
    }
    return WEIR_OK;
}

static weir_status
restore_section(asof_join *j, wr_snapshot_reader *from)
{
    uint64_t  port = wr_snapshot_get_u64(from);
    wr_batch *b = NULL;
    if (from->failed || port > 1)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_change_side *side = &j->sides[port];
    weir_status     status = wr_change_side_read(side, from, &b, j->step->ids);
    for (uint32_t i = 0; status == WEIR_OK && port == 0 && i < b->row_count; i++) {
        uint32_t id = j->step->ids[i];
        status = wr_asof_can_match(j, b, 0, i)
                     ? wr_change_side_hold(side, id, wr_change_side_info(side, id)->until)
                     : WEIR_CHECKPOINT_CORRUPT;
    }
    if (status == WEIR_OK && port == 1)
        status = j->config->upserts ? wr_asof_upserts_restore(j, b) : restore_versions(j, b);
    wr_batch_release(b);
    return status;
}

weir_status
wr_asof_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    asof_join  *j = self;
    weir_status status = wr_asof_step_create(j);
    (void) ctx;
    while (status == WEIR_OK && wr_snapshot_next(from))
        status = from->group == WR_SNAPSHOT_GLOBAL ? WEIR_OK : restore_section(j, from);
    if (status == WEIR_OK)
        status = wr_snapshot_reader_status(from);
    wr_asof_count_state(j);
    return status;
}
