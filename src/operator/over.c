/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over.c -- window functions: rows kept until their partition is whole, then answered.
 *
 * Place       one input, one output; rows that agree on `keys` come to one shard.  Answers at the
 *             end, or, with a time column in every partition list, when the watermark has passed a
 *             row's time.
 * State       the rows as batches that own their bytes, until they are answered.
 * Invariants  V1  every row comes out once, in order of arrival, with a column for each call
 *             V2  with a time column: a row whose partition has been answered is late, and counted
 *             V3  nothing is left after the end
 *             V4  a row of which an argument fails is bad, and takes no part
 * Cost        a sort of boxed keys for each different (partition, order); running aggregates O(1) a
 *             row, sliding ones O(1) where the aggregate retracts, else O(frame).
 */
#include "operator/over_calc_impl.h"

#include "data/key.h"
#include "operator/event_time.h"
#include "operator/window.h"

#include <string.h>

struct wr_frozen {
    wr_budget      *budget;
    uint32_t        key_count;
    const uint32_t *keys;
    uint32_t        count;
    wr_batch       *batches[];
};

static weir_status
over_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    over_state *o = self;
    (void) err;
    o->config = config;
    o->ctx = ctx;
    o->time_min = WR_TIME_END;
    o->closed = WR_TIME_START;
    wr_arena_init(&o->work.arena, ctx->state);
    return WEIR_OK;
}

static void
work_drop(over_state *o)
{
    wr_arena_fini(&o->work.arena);
    o->work = (over_work){ 0 };
    wr_arena_init(&o->work.arena, o->ctx->state);
    o->working = false;
}

static void
over_close(void *self)
{
    over_state *o = self;
    wr_arena_fini(&o->work.arena);
    for (uint32_t i = 0; i < o->count; i++)
        wr_batch_release(o->batches[i]);
    wr_free(o->batches);
    o->batches = NULL;
    o->count = 0;
}

/* Rows that come one at a time shall not be kept so: a batch joins one not twice its size. */
static bool
may_join(const wr_batch *older, const wr_batch *newer)
{
    return older->row_count <= 2 * newer->row_count &&
           older->row_count + newer->row_count <= WR_BATCH_ROWS_MAX;
}

/* The rows of both, in order; owned, NULL: no memory. */
static wr_batch *
batches_join(over_state *o, const wr_batch *a, const wr_batch *b)
{
    uint32_t  count = a->row_count + b->row_count;
    wr_batch *out = wr_batch_create(o->ctx->state, a->column_count);
    bool      ok = out != NULL;
    for (uint32_t c = 0; ok && c < a->column_count; c++) {
        out->columns[c] = wr_column_create(o->ctx->state, a->columns[c]->type, count);
        ok = out->columns[c] != NULL &&
             wr_column_append(out->columns[c], 0, a->columns[c], a->selection, a->row_count,
                              false) == WEIR_OK &&
             wr_column_append(out->columns[c], a->row_count, b->columns[c], b->selection,
                              b->row_count, false) == WEIR_OK;
    }
    if (!ok) {
        wr_batch_release(out);
        return NULL;
    }
    out->row_count = out->physical_count = count;
    return out;
}

/* Takes batch. */
static weir_status
batch_add(over_state *o, wr_batch *batch)
{
    if (batch->row_count == 0) {
        wr_batch_release(batch);
        return WEIR_OK;
    }
    if (o->count == o->capacity) {
        uint32_t   more = o->capacity == 0 ? 16 : o->capacity * 2;
        wr_batch **grown = wr_realloc(o->ctx->state, o->batches, more * sizeof *grown);
        if (grown == NULL) {
            wr_batch_release(batch);
            return WEIR_MEMORY;
        }
        o->batches = grown;
        o->capacity = more;
    }
    if (o->config->time_column >= 0)
        for (uint32_t i = 0; i < batch->row_count; i++) {
            uint32_t row = wr_batch_row(batch, i);
            if (!wr_column_is_null(batch->columns[o->config->time_column], row))
                o->time_min = WR_MIN(
                    o->time_min, wr_event_time_get(batch->columns[o->config->time_column], row));
        }
    o->rows += batch->row_count;
    o->batches[o->count++] = batch;
    atomic_store_explicit(&o->ctx->counters.state_keys, o->rows, memory_order_relaxed);
    while (o->count > 1 && may_join(o->batches[o->count - 2], o->batches[o->count - 1])) {
        wr_batch *joined = batches_join(o, o->batches[o->count - 2], o->batches[o->count - 1]);
        if (joined == NULL)
            return WEIR_MEMORY;
        wr_batch_release(o->batches[--o->count]);
        wr_batch_release(o->batches[o->count - 1]);
        o->batches[o->count - 1] = joined;
    }
    return WEIR_OK;
}

/* V2 */
static bool
is_late(const over_state *o, const wr_batch *in, uint32_t row)
{
    if (o->config->time_column < 0 || wr_column_is_null(in->columns[o->config->time_column], row))
        return false;
    wr_time w = wr_watermark_shift(wr_batch_row_watermark(in, row), o->config->time_offset);
    wr_time t = wr_event_time_get(in->columns[o->config->time_column], row);
    return t < w || t < o->closed;
}

/* Rows of in that came too late are counted, and handed on where somebody wants them. */
static weir_status
drop_late(over_state *o, const wr_batch *in, uint16_t *rows, uint32_t *count)
{
    uint16_t late[WR_BATCH_ROWS_MAX];
    uint32_t late_count = 0, kept = 0;
    for (uint32_t i = 0; i < *count; i++)
        if (is_late(o, in, rows[i]))
            late[late_count++] = rows[i];
        else
            rows[kept++] = rows[i];
    *count = kept;
    if (late_count == 0)
        return WEIR_OK;
    atomic_fetch_add_explicit(&o->ctx->counters.rows_late, late_count, memory_order_relaxed);
    if (!o->ctx->late_wanted)
        return WEIR_OK;
    wr_batch *batch = wr_batch_select(o->ctx->flow, in, late, late_count);
    if (batch == NULL)
        return WEIR_MEMORY;
    wr_ctx_emit(o->ctx, WR_PORT_LATE, batch);
    return WEIR_OK;
}

/* Keep rows of in as a batch that owns its bytes. */
static weir_status
rows_add(over_state *o, const wr_batch *in, const uint16_t *rows, uint32_t count)
{
    wr_batch *some = wr_batch_select(o->ctx->state, in, rows, count);
    wr_batch *own = some != NULL ? wr_batch_compact(o->ctx->state, some, true) : NULL;
    wr_batch_release(some);
    return own != NULL ? batch_add(o, own) : WEIR_MEMORY;
}

static wr_flow
over_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    over_state *o = self;
    uint16_t    rows[WR_BATCH_ROWS_MAX];
    uint32_t    count = in->row_count;
    wr_assert(port == 0);
    for (uint32_t i = 0; i < in->row_count; i++) {
        rows[i] = (uint16_t) wr_batch_row(in, i);
        if (wr_batch_diff(in, rows[i]) != 1)
            return wr_ctx_fail(ctx, WEIR_QUERY_UNSUPPORTED,
                               "window functions over rows that change are not supported");
    }
    /* V4: arguments that may fail are computed on arrival too, so that bad rows are not kept */
    if (wr_over_drop_bad(o->config, ctx, in, rows, &count) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    if (drop_late(o, in, rows, &count) != WEIR_OK || rows_add(o, in, rows, count) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for the rows of a window function");
    return WR_FLOW_NEXT;
}

/* --- answering --- */

static bool
is_ready(const over_state *o, const wr_batch *batch, uint32_t row, wr_time before)
{
    if (before == WR_TIME_END)
        return true;
    const wr_column *time = batch->columns[o->config->time_column];
    return !wr_column_is_null(time, row) && wr_event_time_get(time, row) < before;
}

/* Rows whose time is before `before` (END: all) become the work. */
static weir_status
work_begin(over_state *o, wr_time before)
{
    over_work *w = &o->work;
    w->rows = wr_arena_alloc(&w->arena, (size_t) o->rows * sizeof *w->rows + 1);
    w->results = wr_arena_calloc(&w->arena, o->config->call_count + 1, sizeof *w->results);
    if (w->rows == NULL || w->results == NULL || o->rows > UINT32_MAX / 2)
        return WEIR_MEMORY;
    for (uint32_t b = 0; b < o->count; b++)
        for (uint32_t i = 0; i < o->batches[b]->row_count; i++) {
            uint32_t row = wr_batch_row(o->batches[b], i);
            if (!is_ready(o, o->batches[b], row, before))
                continue;
            w->rows[w->count] = (over_row){ b, row, w->count, NULL };
            w->count++;
        }
    o->working = true;
    return w->count > 0 ? wr_over_compute(o) : WEIR_OK;
}

static weir_status
gather_column(over_state *o, uint32_t column, uint32_t count, wr_column *to)
{
    const over_row *rows = o->work.rows + o->work.emitted;
    for (uint32_t i = 0; i < count;) {
        uint16_t run[WR_BATCH_ROWS_MAX];
        uint32_t n = 0;
        for (; i + n < count && rows[i + n].batch == rows[i].batch; n++)
            run[n] = (uint16_t) rows[i + n].row;
        WR_TRY(wr_column_append(to, i, o->batches[rows[i].batch]->columns[column], run, n, false));
        i += n;
    }
    return WEIR_OK;
}

static wr_batch *
make_batch(over_state *o, uint32_t count)
{
    const wr_schema *schema = o->config->output;
    uint32_t         width = o->config->input->field_count;
    wr_batch        *out = wr_batch_create(o->ctx->flow, schema->field_count);
    if (out == NULL)
        return NULL;
    for (uint32_t c = 0; c < schema->field_count; c++) {
        out->columns[c] = wr_column_create(o->ctx->flow, schema->fields[c].type, count);
        if (out->columns[c] == NULL)
            goto fail;
        if (c < width) {
            if (gather_column(o, c, count, out->columns[c]) != WEIR_OK)
                goto fail;
            continue;
        }
        const wr_value *results = o->work.results[c - width] + o->work.emitted;
        for (uint32_t i = 0; i < count; i++)
            if ((results[i].is_null ? wr_column_set_null(out->columns[c], i)
                                    : wr_column_set_value(out->columns[c], i, &results[i]))
                != WEIR_OK)
                goto fail;
    }
    out->row_count = out->physical_count = count;
    return out;
fail:
    wr_batch_release(out);
    return NULL;
}

/* Take the answered rows out of what is kept. */
static weir_status
forget_answered(over_state *o, wr_time before)
{
    uint32_t old = o->count, kept_batches = 0;
    weir_status status = WEIR_OK;
    o->rows = 0;
    o->time_min = WR_TIME_END;
    for (uint32_t b = 0; b < old; b++) {
        wr_batch *batch = o->batches[b];
        uint16_t  kept[WR_BATCH_ROWS_MAX];
        uint32_t  count = 0;
        for (uint32_t i = 0; i < batch->row_count; i++) {
            uint32_t row = wr_batch_row(batch, i);
            if (!is_ready(o, batch, row, before))
                kept[count++] = (uint16_t) row;
        }
        wr_batch *rest = NULL;
        if (count > 0 && status == WEIR_OK) {
            wr_batch *some = wr_batch_select(o->ctx->state, batch, kept, count);
            rest = some != NULL ? wr_batch_compact(o->ctx->state, some, true) : NULL;
            wr_batch_release(some);
            if (rest == NULL)
                status = WEIR_MEMORY;
        }
        wr_batch_release(batch);
        if (rest == NULL)
            continue;
        /* never more than were there: no growth, no failure */
        o->count = kept_batches;
        if (batch_add(o, rest) != WEIR_OK)
            status = WEIR_MEMORY;
        kept_batches = o->count;
    }
    o->count = kept_batches;
    atomic_store_explicit(&o->ctx->counters.state_keys, o->rows, memory_order_relaxed);
    return status;
}

static wr_flow
answer(over_state *o, wr_time before)
{
    weir_status status;
    if (!o->working) {
        status = work_begin(o, before);
        if (status != WEIR_OK) {
            work_drop(o);
            return o->ctx->error->code != WEIR_OK
                       ? WR_FLOW_FAIL
                       : wr_ctx_fail(o->ctx, status, "window functions: %s",
                                     weir_status_text(status));
        }
    }
    while (o->work.emitted < o->work.count) {
        if (!wr_ctx_has_room(o->ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        uint32_t  count = WR_MIN(o->work.count - o->work.emitted, (uint32_t) WR_BATCH_ROWS_MAX);
        wr_batch *out = make_batch(o, count);
        if (out == NULL)
            return wr_ctx_fail(o->ctx, WEIR_MEMORY, "no memory for the rows of a window function");
        o->work.emitted += count;
        wr_ctx_emit(o->ctx, WR_PORT_MAIN, out);
    }
    status = forget_answered(o, before);
    work_drop(o);
    return status == WEIR_OK ? WR_FLOW_NEXT
                             : wr_ctx_fail(o->ctx, status, "no memory to keep the open partitions");
}

static wr_flow
over_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    over_state *o = self;
    (void) ctx;
    if (o->config->time_column < 0)
        return WR_FLOW_NEXT;
    wr_time before = wr_watermark_shift(watermark, o->config->time_offset);
    if (!o->working && o->time_min >= before)
        return WR_FLOW_NEXT;
    if (before == WR_TIME_END)
        return WR_FLOW_NEXT; /* finish answers all, NULL times too */
    wr_flow flow = answer(o, before);
    if (flow == WR_FLOW_NEXT)
        o->closed = WR_MAX(o->closed, before);
    return flow;
}

static wr_flow
over_finish(void *self, wr_ctx *ctx)
{
    over_state *o = self;
    (void) ctx;
    return o->rows > 0 || o->working ? answer(o, WR_TIME_END) : WR_FLOW_NEXT;
}

/* --- snapshots --- */

static weir_status
over_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    over_state *o = self;
    (void) epoch;
    wr_frozen *f = wr_alloc(o->ctx->state, sizeof *f + o->count * sizeof f->batches[0]);
    if (f == NULL)
        return WEIR_MEMORY;
    f->budget = o->ctx->state;
    f->key_count = o->config->key_count;
    f->keys = o->config->keys;
    f->count = o->count;
    for (uint32_t i = 0; i < o->count; i++)
        f->batches[i] = wr_batch_retain(o->batches[i]);
    *out = f;
    return WEIR_OK;
}

/* The rows of one batch that belong to each key group, as a section of its own. */
static weir_status
write_batch(const wr_frozen *f, const wr_batch *batch, wr_snapshot_writer *to)
{
    if (f->key_count == 0) {
        wr_snapshot_begin(to, 0); /* one shard has all groups */
        WR_TRY(wr_snapshot_put_batch(to, batch));
        wr_snapshot_end(to);
        return WEIR_OK;
    }
    wr_keys *keys = wr_alloc(f->budget, sizeof *keys);
    if (keys == NULL)
        return WEIR_MEMORY;
    wr_keys_init(keys, f->budget);
    weir_status status = wr_keys_encode(keys, batch, f->keys, f->key_count);
    for (uint32_t g = 0; g < WR_KEY_GROUPS && status == WEIR_OK; g++) {
        uint16_t rows[WR_BATCH_ROWS_MAX];
        uint32_t count = 0;
        for (uint32_t i = 0; i < batch->row_count; i++)
            if (wr_key_group(keys->hashes[i]) == g)
                rows[count++] = (uint16_t) wr_batch_row(batch, i);
        if (count == 0)
            continue;
        wr_batch *some = wr_batch_select(f->budget, batch, rows, count);
        if (some == NULL) {
            status = WEIR_MEMORY;
            break;
        }
        wr_snapshot_begin(to, g);
        status = wr_snapshot_put_batch(to, some);
        wr_snapshot_end(to);
        wr_batch_release(some);
    }
    wr_keys_fini(keys);
    wr_free(keys);
    return status;
}

static weir_status
over_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    for (uint32_t i = 0; i < f->count; i++)
        WR_TRY(write_batch(f, f->batches[i], to));
    return WEIR_OK;
}

static void
over_thaw(wr_frozen *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        wr_batch_release(f->batches[i]);
    wr_free(f);
}

static weir_status
over_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    over_state *o = self;
    while (wr_snapshot_next(from)) {
        wr_batch *batch;
        WR_TRY(wr_snapshot_get_batch(from, ctx->state, o->config->input, &batch));
        WR_TRY(batch_add(o, batch));
    }
    return wr_snapshot_reader_status(from);
}

static void
over_explain(const void *config, wr_text *to)
{
    static const char *const names[] = { "aggregate", "row_number", "rank", "dense_rank",
                                         "percent_rank", "cume_dist", "ntile", "lag", "lead",
                                         "first_value", "last_value", "nth_value" };
    const wr_over_config *c = config;
    for (uint32_t i = 0; i < c->call_count; i++)
        wr_text_printf(to, "%s%s", i > 0 ? ", " : "",
                       c->calls[i].aggregate != NULL ? c->calls[i].aggregate->name
                                                     : names[c->calls[i].function]);
}

const wr_operator_ops wr_over_ops = {
    .name = "over",
    .self_size = sizeof(over_state),
    .open = over_open,
    .process = over_process,
    .advance = over_advance,
    .finish = over_finish,
    .freeze = over_freeze,
    .write = over_write,
    .thaw = over_thaw,
    .restore = over_restore,
    .close = over_close,
    .explain = over_explain,
};
