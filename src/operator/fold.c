/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/fold.c -- changes in, the rows that are left out, at the end.
 *
 * Place       one input that ends, one output; before ORDER BY, LIMIT and window functions over
 *             rows that change.
 * State       the bag of rows.
 * Invariants  F1  what comes out is the sum of what came in, each row with diff 1, equal keys
 *                 together and in the order of their contents
 *             F2  a row that is taken back and was never there is counted, and changes nothing
 */
#include "operator/fold.h"

#include "state/row_bag.h"

typedef struct fold {
    const wr_fold_config *config;
    wr_ctx *ctx;
    wr_bags bags;
    wr_keys *keys;
    wr_text bytes;
    wr_value *values;
    wr_batch_builder builder;
    uint32_t slot; /* the end: where it is */
    wr_bag_at at;
    int64_t copy;
} fold;

struct wr_frozen {
    wr_bag_view view;
};

static weir_status
fold_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    fold *f = self;
    f->config = config;
    f->ctx = ctx;
    wr_bags_init(&f->bags, ctx->state);
    wr_text_init(&f->bytes, ctx->state);
    wr_batch_builder_init(&f->builder, ctx->flow, f->config->schema);
    f->keys = wr_alloc(ctx->state, sizeof *f->keys);
    f->values = wr_calloc(ctx->state, f->config->schema->field_count + 1, sizeof *f->values);
    if (f->keys == NULL || f->values == NULL) {
        wr_free(f->keys);
        wr_free(f->values);
        f->keys = NULL;
        f->values = NULL;
        return wr_error_set(err, WEIR_MEMORY, "no memory to fold changes");
    }
    wr_keys_init(f->keys, ctx->state);
    return WEIR_OK;
}

static void
fold_close(void *self)
{
    fold *f = self;
    wr_bags_fini(&f->bags);
    wr_text_fini(&f->bytes);
    wr_batch_builder_fini(&f->builder);
    if (f->keys != NULL)
        wr_keys_fini(f->keys);
    wr_free(f->keys);
    wr_free(f->values);
    f->keys = NULL;
    f->values = NULL;
}

static weir_status
row_in(fold *f, const wr_batch *in, uint32_t i)
{
    uint32_t row = wr_batch_row(in, i), length = 0;
    const char *key = "";
    uint64_t hash = 0, missing;
    if (f->config->key_count > 0) {
        hash = f->keys->hashes[i];
        key = f->keys->bytes.data + f->keys->offsets[i];
        length = f->keys->offsets[i + 1] - f->keys->offsets[i];
    }
    wr_bag *bag = wr_bags_get(&f->bags, hash, key, length);
    if (bag == NULL)
        return WEIR_MEMORY;
    wr_text_clear(&f->bytes);
    WR_TRY(wr_row_put(&f->bytes, in, row, &f->ctx->eval.step));
    if (f->bytes.length > UINT32_MAX)
        return WEIR_MEMORY;
    WR_TRY(wr_bag_add(&f->bags, bag, f->bytes.data, 0, (uint32_t)f->bytes.length,
                      wr_batch_diff(in, row), &missing));
    if (missing > 0) /* F2 */
        atomic_fetch_add_explicit(&f->ctx->counters.rows_unknown, missing, memory_order_relaxed);
    if (bag->block_count == 0)
        wr_bags_remove(&f->bags, bag);
    return WEIR_OK;
}

static weir_status
rows_in(fold *f, const wr_batch *in)
{
    if (f->config->key_count > 0)
        WR_TRY(wr_keys_encode(f->keys, in, f->config->keys, f->config->key_count));
    for (uint32_t i = 0; i < in->row_count; i++)
        WR_TRY(row_in(f, in, i));
    atomic_store_explicit(&f->ctx->counters.state_keys, f->bags.rows, memory_order_relaxed);
    return WEIR_OK;
}

static wr_flow
fold_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    fold *f = self;
    wr_assert(port == 0);
    weir_status status = rows_in(f, in);
    return status == WEIR_OK
               ? WR_FLOW_NEXT
               : wr_ctx_fail(ctx, status, "changes folded: %s", weir_status_text(status));
}

/* One partition from where it is; AGAIN: no room. */
static wr_flow
bag_out(fold *f, const wr_bag *bag)
{
    const wr_bag_entry *e;
    for (; (e = wr_bag_entry_at(bag, &f->at)) != NULL; wr_bag_step(bag, &f->at)) {
        if (wr_row_get(e->row->bytes, e->row->length, f->config->schema, f->values) != WEIR_OK)
            return wr_ctx_fail(f->ctx, WEIR_INTERNAL, "a folded row is damaged");
        for (; f->copy < e->count; f->copy++) {
            if (wr_batch_builder_full(&f->builder)) {
                if (!wr_ctx_has_room(f->ctx, WR_PORT_MAIN))
                    return WR_FLOW_AGAIN;
                wr_ctx_emit(f->ctx, WR_PORT_MAIN, wr_batch_builder_take(&f->builder));
            }
            if (wr_batch_builder_add(&f->builder, f->values, 1) != WEIR_OK)
                return wr_ctx_fail(f->ctx, WEIR_MEMORY, "no memory for folded rows");
        }
        f->copy = 0;
    }
    return WR_FLOW_NEXT;
}

static wr_flow
fold_finish(void *self, wr_ctx *ctx)
{
    fold *f = self;
    for (; f->slot < f->bags.capacity; f->slot++) { /* F1 */
        wr_flow flow =
            f->bags.slots[f->slot] != NULL ? bag_out(f, f->bags.slots[f->slot]) : WR_FLOW_NEXT;
        if (flow != WR_FLOW_NEXT)
            return flow;
        f->at = (wr_bag_at){ 0, 0 };
    }
    if (wr_batch_builder_count(&f->builder) > 0) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        wr_ctx_emit(ctx, WR_PORT_MAIN, wr_batch_builder_take(&f->builder));
    }
    wr_bags_fini(&f->bags);
    atomic_store_explicit(&ctx->counters.state_keys, 0, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

/* --- snapshots --- */

static weir_status
fold_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    fold *f = self;
    wr_frozen *frozen = wr_alloc(f->ctx->state, sizeof *frozen);
    (void)epoch;
    if (frozen == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_bags_freeze(&f->bags, &frozen->view);
    if (status != WEIR_OK)
        wr_free(frozen);
    else
        *out = frozen;
    return status;
}

static weir_status
fold_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    return wr_bag_view_write(&f->view, to);
}

static void
fold_thaw(wr_frozen *f)
{
    wr_bag_view_release(&f->view);
    wr_free(f);
}

static weir_status
fold_restored(void *user, const wr_batch *rows, wr_time touched)
{
    (void)touched;
    if (rows == NULL)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_eval_reset(&((fold *)user)->ctx->eval);
    return rows_in(user, rows);
}

static weir_status
fold_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    fold *f = self;
    return wr_bags_read(from, ctx->state, f->config->schema, fold_restored, f);
}

static void
fold_explain(const void *config, wr_text *to)
{
    (void)config;
    wr_text_puts(to, "to the rows that are left");
}

const wr_operator_ops wr_fold_ops = {
    .name = "fold",
    .self_size = sizeof(fold),
    .open = fold_open,
    .process = fold_process,
    .finish = fold_finish,
    .freeze = fold_freeze,
    .write = fold_write,
    .thaw = fold_thaw,
    .restore = fold_restore,
    .close = fold_close,
    .explain = fold_explain,
};
