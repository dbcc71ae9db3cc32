/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_snapshot.c -- the rows of a join at a barrier: frozen, written, restored.
 *
 * Format      section of a key group, for each block with rows in it: side u64, row count u64;
 *             for each row: until i64, mark u64, diff i64; the rows as a batch.
 *             Chains, buckets and heaps are built anew from the rows.
 */
#include "operator/join_impl.h"

#include <string.h>

struct wr_frozen {
    const join  *j;
    wr_join_view views[2];
};

weir_status
wr_join_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    join *j = self;
    (void) epoch;
    wr_assert(j->step == NULL || !j->step->begun);
    wr_frozen *f = wr_calloc(j->ctx->state, 1, sizeof *f);
    if (f == NULL)
        return WEIR_MEMORY;
    f->j = j;
    for (int p = 0; p < 2; p++)
        if (wr_join_side_freeze(&j->sides[p], &f->views[p]) != WEIR_OK) {
            wr_join_thaw(f);
            return WEIR_MEMORY;
        }
    *out = f;
    return WEIR_OK;
}

void
wr_join_thaw(wr_frozen *f)
{
    if (f == NULL)
        return;
    wr_join_view_release(&f->views[0]);
    wr_join_view_release(&f->views[1]);
    wr_free(f);
}

/* A block's columns as a batch; columns that nobody reads are NULL throughout. */
static wr_batch *
block_batch(const join *j, int port, const wr_join_block *block)
{
    wr_batch *b = wr_batch_create(j->ctx->state, block->column_count);
    for (uint32_t c = 0; b != NULL && c < block->column_count; c++) {
        wr_value null = wr_value_null(j->schemas[port]->fields[c].type);
        b->columns[c] = block->columns[c] != NULL
                            ? wr_column_retain(block->columns[c])
                            : wr_column_create_constant(j->ctx->state, &null);
        if (b->columns[c] == NULL) {
            wr_batch_release(b);
            return NULL;
        }
    }
    if (b != NULL) {
        b->row_count = block->count;
        b->physical_count = block->count;
    }
    return b;
}

static weir_status
put_rows(const join *j, int port, const wr_join_view_block *from, const wr_batch *all, const uint16_t *rows,
         uint32_t count, uint32_t group, wr_snapshot_writer *to)
{
    wr_batch *some = wr_batch_select(to->bytes.budget, all, rows, count);
    if (some == NULL)
        return WEIR_MEMORY;
    wr_snapshot_begin(to, group);
    wr_snapshot_put_u64(to, (uint64_t) port);
    wr_snapshot_put_u64(to, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = rows[i];
        wr_snapshot_put_i64(to, wr_join_stored_until(j, port, from->block, row));
        wr_snapshot_put_u64(to, from->marks->marks[row]);
        wr_snapshot_put_i64(to, from->marks->diffs != NULL ? from->marks->diffs[row] : 1);
    }
    weir_status status = wr_snapshot_put_batch(to, some);
    wr_snapshot_end(to);
    wr_batch_release(some);
    return status;
}

typedef struct sorter {
    wr_keys  keys;
    uint16_t groups[WR_BATCH_ROWS_MAX], rows[WR_BATCH_ROWS_MAX];
} sorter;

static weir_status
put_block(const join *j, int port, const wr_join_view_block *from, sorter *s,
          wr_snapshot_writer *to)
{
    wr_batch *all = block_batch(j, port, from->block);
    if (all == NULL)
        return WEIR_MEMORY;
    weir_status status =
        wr_keys_encode(&s->keys, all, j->keys[port], j->config->key_count);
    bool present[WR_KEY_GROUPS] = { false };
    for (uint32_t i = 0; i < all->row_count && status == WEIR_OK; i++) {
        s->groups[i] = (uint16_t) wr_key_group(s->keys.hashes[i]);
        present[s->groups[i]] |= (from->marks->marks[i] & WR_JOIN_DEAD) == 0;
    }
    for (uint32_t group = 0; group < WR_KEY_GROUPS && status == WEIR_OK; group++) {
        uint32_t count = 0;
        for (uint32_t i = 0; present[group] && i < all->row_count; i++) {
            s->rows[count] = (uint16_t) i;
            count += s->groups[i] == group && (from->marks->marks[i] & WR_JOIN_DEAD) == 0;
        }
        if (count > 0)
            status = put_rows(j, port, from, all, s->rows, count, group, to);
    }
    wr_batch_release(all);
    return status;
}

weir_status
wr_join_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    sorter     *s = wr_alloc(f->j->ctx->state, sizeof *s);
    weir_status status = WEIR_OK;
    if (s == NULL)
        return WEIR_MEMORY;
    wr_keys_init(&s->keys, f->j->ctx->state);
    for (int p = 0; p < 2; p++)
        for (uint32_t i = 0; i < f->views[p].count && status == WEIR_OK; i++)
            status = put_block(f->j, p, &f->views[p].blocks[i], s, to);
    wr_keys_fini(&s->keys);
    wr_free(s);
    return status;
}

/* --- restoring --- */

typedef struct restorer {
    join        *j;
    wr_row_keys  keys;
    wr_column  **key_columns;
    uint16_t     rows[WR_BATCH_ROWS_MAX];
    wr_time      times[WR_BATCH_ROWS_MAX], untils[WR_BATCH_ROWS_MAX];
    uint8_t      marks[WR_BATCH_ROWS_MAX];
    int64_t      diffs[WR_BATCH_ROWS_MAX];
} restorer;

static weir_status
insert_batch(restorer *r, int port, wr_batch *b)
{
    join                 *j = r->j;
    const wr_join_config *c = j->config;
    uint32_t              count = b->row_count;
    const wr_column      *time = NULL;
    if (c->has_bound)
        time = b->columns[port == 0 ? c->left_time : c->right_time];
    for (uint32_t i = 0; i < count; i++) {
        if (time != NULL && wr_column_is_null(time, i))
            return WEIR_CHECKPOINT_CORRUPT;
        r->rows[i] = (uint16_t) i;
        r->times[i] = time != NULL ? wr_event_time_get(time, i) : r->untils[i];
        if (r->diffs[i] == 0 || r->marks[i] > WR_JOIN_MATCHED)
            return WEIR_CHECKPOINT_CORRUPT;
    }
    for (uint32_t k = 0; k < c->key_count; k++)
        r->key_columns[k] = b->columns[j->keys[port][k]];
    wr_free(b->diff);
    b->diff = wr_alloc(j->ctx->flow, count * sizeof *b->diff);
    if (b->diff == NULL)
        return WEIR_MEMORY;
    memcpy(b->diff, r->diffs, count * sizeof *b->diff);
    WR_TRY(wr_row_keys_fill(&r->keys, r->key_columns, r->rows, count, count, NULL));
    wr_join_insert insert = { .batch = b, .keys = &r->keys, .count = count, .rows = r->rows,
                              .which = r->rows, .times = r->times, .untils = r->untils,
                              .marks = r->marks };
    return wr_join_side_insert(&j->sides[port], &insert);
}

static weir_status
get_section(restorer *r, wr_snapshot_reader *from)
{
    uint64_t  port = wr_snapshot_get_u64(from), count = wr_snapshot_get_u64(from);
    wr_batch *b = NULL;
    if (from->failed || port > 1 || count > WR_BATCH_ROWS_MAX)
        return WEIR_CHECKPOINT_CORRUPT;
    for (uint64_t i = 0; i < count; i++) {
        r->untils[i] = wr_snapshot_get_i64(from);
        uint64_t marks = wr_snapshot_get_u64(from);
        r->marks[i] = (uint8_t) WR_MIN(marks, (uint64_t) UINT8_MAX);
        r->diffs[i] = wr_snapshot_get_i64(from);
    }
    WR_TRY(wr_snapshot_get_batch(from, r->j->ctx->flow, r->j->schemas[port], &b));
    weir_status status = b->row_count == count ? insert_batch(r, (int) port, b)
                                               : WEIR_CHECKPOINT_CORRUPT;
    wr_batch_release(b);
    return status;
}

weir_status
wr_join_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    join     *j = self;
    restorer *r = wr_calloc(ctx->flow, 1, sizeof *r);
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
    wr_join_count_state(j);
    return status;
}
