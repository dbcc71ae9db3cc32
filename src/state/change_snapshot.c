/* SPDX-License-Identifier: Apache-2.0 */
/*
 * state/change_snapshot.c -- the rows of a changing side written and read back (see change_side.h).
 *
 * Format      section of a key group, any number of them: port u64, row count u64; for each row: diff
 *             i64, partners i64, until i64; the rows as a batch.
 */
#include "state/change_side.h"

#include <stdlib.h>
#include <string.h>

typedef struct sorter {
    const wr_change_side *side;
    const uint32_t       *key_columns;
    uint32_t              port, key_count;
    wr_keys               keys;
    const wr_group       *rows[WR_BATCH_ROWS_MAX];
    uint32_t              count;
    uint16_t              order[WR_BATCH_ROWS_MAX]; /* by key group */
    uint32_t              ends[WR_KEY_GROUPS];
} sorter;

/* The sorter's rows as a batch. */
static wr_batch *
rows_batch(const sorter *s)
{
    const wr_key_layout *layout = &s->side->row_layout;
    wr_batch            *b = wr_batch_create(s->side->budget, layout->column_count);
    for (uint32_t c = 0; b != NULL && c < layout->column_count; c++) {
        b->columns[c] = wr_key_column_make(layout, s->side->budget, (char *const *) s->rows,
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

/* The rows order[from..to), all of one key group. */
static weir_status
put_group(sorter *s, const wr_batch *all, uint32_t from, uint32_t to, wr_snapshot_writer *w)
{
    uint32_t group = wr_key_group(s->keys.hashes[s->order[from]]);
    qsort(s->order + from, to - from, sizeof *s->order, order_compare); /* a selection ascends */
    wr_batch *some = wr_batch_select(w->bytes.budget, all, s->order + from, to - from);
    if (some == NULL)
        return WEIR_MEMORY;
    wr_snapshot_begin(w, group);
    wr_snapshot_put_u64(w, s->port);
    wr_snapshot_put_u64(w, to - from);
    for (uint32_t i = from; i < to; i++) {
        const wr_group      *g = s->rows[s->order[i]];
        const wr_change_row *info = wr_change_row_of(&s->side->row_layout, g);
        wr_snapshot_put_i64(w, g->count);
        wr_snapshot_put_i64(w, s->side->plain ? 0 : info->partners);
        wr_snapshot_put_i64(w, s->side->plain ? WR_TIME_END : info->until);
    }
    weir_status status = wr_snapshot_put_batch(w, some);
    wr_snapshot_end(w);
    wr_batch_release(some);
    return status;
}

static weir_status
put_rows(sorter *s, wr_snapshot_writer *w)
{
    wr_batch *all = rows_batch(s);
    uint32_t  starts[WR_KEY_GROUPS] = { 0 }, at = 0;
    if (all == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_keys_encode(&s->keys, all, s->key_columns, s->key_count);
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
            status = put_group(s, all, from, s->ends[g], w);
    wr_batch_release(all);
    s->count = 0;
    return status;
}

weir_status
wr_change_side_write(const wr_change_side *side, const wr_group_view *view, uint32_t port,
                     const uint32_t *keys, uint32_t key_count, wr_snapshot_writer *to)
{
    sorter     *s = wr_alloc(side->budget, sizeof *s);
    weir_status status = WEIR_OK;
    if (s == NULL)
        return WEIR_MEMORY;
    s->side = side;
    s->key_columns = keys;
    s->key_count = key_count;
    s->port = port;
    s->count = 0;
    wr_keys_init(&s->keys, side->budget);
    for (uint32_t id = 0; id < view->high && status == WEIR_OK; id++) {
        const wr_group *g = wr_group_view_row(view, id);
        if ((g->flags & WR_GROUP_DEAD) != 0)
            continue;
        s->rows[s->count++] = g;
        if (s->count == WR_BATCH_ROWS_MAX)
            status = put_rows(s, to);
    }
    if (s->count > 0 && status == WEIR_OK)
        status = put_rows(s, to);
    wr_keys_fini(&s->keys);
    wr_free(s);
    return status;
}

/* --- reading --- */

typedef struct known {
    int64_t diff, partners, until;
} known;

static weir_status
read_rows(wr_change_side *side, wr_snapshot_reader *from, known *rows, uint32_t count,
          wr_batch **batch, uint32_t *ids)
{
    for (uint32_t i = 0; i < count; i++) {
        rows[i].diff = wr_snapshot_get_i64(from);
        rows[i].partners = wr_snapshot_get_i64(from);
        rows[i].until = wr_snapshot_get_i64(from);
        if (rows[i].diff == 0)
            return WEIR_CHECKPOINT_CORRUPT;
    }
    WR_TRY(wr_snapshot_get_batch(from, side->budget, side->schema, batch));
    const wr_batch *b = *batch;
    if (b->row_count != count || b->physical_count != count || b->selection != NULL)
        return WEIR_CHECKPOINT_CORRUPT;
    uint16_t physical[WR_BATCH_ROWS_MAX];
    for (uint32_t i = 0; i < count; i++)
        physical[i] = (uint16_t) i;
    WR_TRY(wr_change_side_find(side, b, physical, count, ids));
    for (uint32_t i = 0; i < count; i++) {
        wr_group *g = wr_change_side_row(side, ids[i]);
        if (g->count != 0)
            return WEIR_CHECKPOINT_CORRUPT; /* twice the same row */
        g->count = rows[i].diff;
        side->negatives |= g->count < 0;
        if (side->plain)
            continue;
        wr_change_side_info(side, ids[i])->partners = rows[i].partners;
        wr_change_side_info(side, ids[i])->until = rows[i].until;
    }
    return WEIR_OK;
}

weir_status
wr_change_side_read(wr_change_side *side, wr_snapshot_reader *from, wr_batch **batch, uint32_t *ids)
{
    uint64_t count = wr_snapshot_get_u64(from);
    *batch = NULL;
    if (from->failed || count > WR_BATCH_ROWS_MAX)
        return WEIR_CHECKPOINT_CORRUPT;
    known *rows = wr_alloc(side->budget, count * sizeof *rows);
    if (rows == NULL)
        return WEIR_MEMORY;
    weir_status status = read_rows(side, from, rows, (uint32_t) count, batch, ids);
    wr_free(rows);
    if (status != WEIR_OK) {
        wr_batch_release(*batch);
        *batch = NULL;
    }
    return status;
}
