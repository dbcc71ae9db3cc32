/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_snapshot.c -- the rows of a join at a barrier: frozen, written, restored.
 *
 * Format      section of a key group, any number of them: side u64, row count u64; for each row: diff
 *             i64, partners i64, until i64; the rows as a batch.  Chains and heaps are built anew.
 */
#include "operator/join_changes_impl.h"

#include <stdlib.h>
#include <string.h>

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

/* --- writing --- */

typedef struct sorter {
    wr_keys         keys;
    const wr_group *rows[WR_BATCH_ROWS_MAX];
    uint32_t        count;
    uint16_t        order[WR_BATCH_ROWS_MAX]; /* by key group */
    uint32_t        ends[WR_KEY_GROUPS];
} sorter;

/* The sorter's rows as a batch. */
static wr_batch *
rows_batch(const join_changes *j, int p, sorter *s)
{
    const wr_key_layout *layout = &j->sides[p].row_layout;
    wr_batch            *b = wr_batch_create(j->ctx->state, layout->column_count);
    for (uint32_t c = 0; b != NULL && c < layout->column_count; c++) {
        b->columns[c] = wr_key_column_make(layout, j->ctx->state, (char *const *) s->rows,
                                           WR_GROUP_KEY_OFFSET, s->count, c);
        if (b->columns[c] == NULL) {
            wr_batch_release(b);
            return NULL;
        }
    }
    if (b != NULL)
        b->row_count = b->physical_count = s->count;
    return b;
}

static int
order_compare(const void *a, const void *b)
{
    return (int) *(const uint16_t *) a - (int) *(const uint16_t *) b;
}

static weir_status
put_group(const join_changes *j, int p, sorter *s, const wr_batch *all, uint32_t from, uint32_t to,
          wr_snapshot_writer *w)
{
    uint32_t group = wr_key_group(s->keys.hashes[s->order[from]]);
    qsort(s->order + from, to - from, sizeof *s->order, order_compare); /* a selection ascends */
    wr_batch *some = wr_batch_select(w->bytes.budget, all, s->order + from, to - from);
    if (some == NULL)
        return WEIR_MEMORY;
    wr_snapshot_begin(w, group);
    wr_snapshot_put_u64(w, (uint64_t) p);
    wr_snapshot_put_u64(w, to - from);
    for (uint32_t i = from; i < to; i++) {
        const wr_group      *g = s->rows[s->order[i]];
        const wr_change_row *info = wr_change_row_of(&j->sides[p].row_layout, g);
        wr_snapshot_put_i64(w, g->count);
        wr_snapshot_put_i64(w, info->partners);
        wr_snapshot_put_i64(w, info->until);
    }
    weir_status status = wr_snapshot_put_batch(w, some);
    wr_snapshot_end(w);
    wr_batch_release(some);
    return status;
}

static weir_status
put_rows(const join_changes *j, int p, sorter *s, wr_snapshot_writer *w)
{
    wr_batch *all = rows_batch(j, p, s);
    uint32_t  starts[WR_KEY_GROUPS] = { 0 }, at = 0;
    if (all == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_keys_encode(&s->keys, all, j->keys[p], j->config->key_count);
    for (uint32_t i = 0; i < s->count && status == WEIR_OK; i++)
        starts[wr_key_group(s->keys.hashes[i])]++;
    for (uint32_t g = 0; g < WR_KEY_GROUPS; g++) {
        uint32_t count = starts[g];
        starts[g] = at;
        s->ends[g] = at += count;
    }
    for (uint32_t i = 0; i < s->count && status == WEIR_OK; i++)
        s->order[starts[wr_key_group(s->keys.hashes[i])]++] = (uint16_t) i;
    for (uint32_t g = 0, from = 0; g < WR_KEY_GROUPS && status == WEIR_OK; from = s->ends[g++])
        if (s->ends[g] > from)
            status = put_group(j, p, s, all, from, s->ends[g], w);
    wr_batch_release(all);
    s->count = 0;
    return status;
}

weir_status
wr_changes_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    sorter     *s = wr_alloc(f->j->ctx->state, sizeof *s);
    weir_status status = WEIR_OK;
    if (s == NULL)
        return WEIR_MEMORY;
    wr_keys_init(&s->keys, f->j->ctx->state);
    s->count = 0;
    for (int p = 0; p < 2; p++) {
        for (uint32_t id = 0; id < f->views[p].high && status == WEIR_OK; id++) {
            const wr_group *g = wr_group_view_row(&f->views[p], id);
            if ((g->flags & WR_GROUP_DEAD) != 0)
                continue;
            s->rows[s->count++] = g;
            if (s->count == WR_BATCH_ROWS_MAX)
                status = put_rows(f->j, p, s, to);
        }
        if (s->count > 0 && status == WEIR_OK)
            status = put_rows(f->j, p, s, to);
    }
    wr_keys_fini(&s->keys);
    wr_free(s);
    return status;
}

/* --- restoring --- */

typedef struct restorer {
    join_changes *j;
    wr_row_keys   keys;
    wr_column   **key_columns;
    uint16_t      rows[WR_BATCH_ROWS_MAX];
    uint32_t      ids[WR_BATCH_ROWS_MAX];
    int64_t       diffs[WR_BATCH_ROWS_MAX], partners[WR_BATCH_ROWS_MAX];
    wr_time       untils[WR_BATCH_ROWS_MAX];
} restorer;

static weir_status
check_batch(const restorer *r, int p, const wr_batch *b)
{
    const join_changes *j = r->j;
    for (uint32_t i = 0; i < b->row_count; i++) {
        if (r->diffs[i] == 0)
            return WEIR_CHECKPOINT_CORRUPT;
        for (uint32_t k = 0; k < j->config->key_count && !j->config->null_equal; k++)
            if (wr_column_is_null(b->columns[j->keys[p][k]], i))
                return WEIR_CHECKPOINT_CORRUPT;
    }
    return WEIR_OK;
}

static weir_status
insert_batch(restorer *r, int p, const wr_batch *b)
{
    join_changes   *j = r->j;
    wr_change_side *side = &j->sides[p];
    uint32_t        count = b->row_count;
    WR_TRY(check_batch(r, p, b));
    for (uint32_t i = 0; i < count; i++)
        r->rows[i] = (uint16_t) i;
    for (uint32_t k = 0; k < j->config->key_count; k++)
        r->key_columns[k] = b->columns[j->keys[p][k]];
    WR_TRY(wr_change_side_find(side, b, r->rows, count, r->ids));
    for (uint32_t i = 0; i < count; i++) {
        wr_group *g = wr_change_side_row(side, r->ids[i]);
        if (g->count != 0)
            return WEIR_CHECKPOINT_CORRUPT; /* twice the same row */
        g->count = r->diffs[i];
        wr_change_side_info(side, r->ids[i])->partners = r->partners[i];
    }
    WR_TRY(wr_row_keys_fill(&r->keys, r->key_columns, r->rows, count, count, NULL));
    WR_TRY(wr_change_side_link(side, &r->keys, r->rows, r->ids, count));
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_change_side_hold(side, r->ids[i], r->untils[i]));
    return WEIR_OK;
}

static weir_status
get_section(restorer *r, wr_snapshot_reader *from)
{
    uint64_t  port = wr_snapshot_get_u64(from), count = wr_snapshot_get_u64(from);
    wr_batch *b = NULL;
    if (from->failed || port > 1 || count > WR_BATCH_ROWS_MAX)
        return WEIR_CHECKPOINT_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        r->diffs[i] = wr_snapshot_get_i64(from);
        r->partners[i] = wr_snapshot_get_i64(from);
        r->untils[i] = wr_snapshot_get_i64(from);
    }
    WR_TRY(wr_snapshot_get_batch(from, r->j->ctx->flow, r->j->schemas[port], &b));
    bool whole = b->row_count == count && b->physical_count == count && b->selection == NULL;
    weir_status status = whole ? insert_batch(r, (int) port, b) : WEIR_CHECKPOINT_CORRUPT;
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
