/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/dedup.c -- the first row of each key within a span of event time.
 *
 *     span 10:   a@1 a@5 a@11 a@12   keeps a@1 and a@11: what was dropped counts for nothing
 *
 * Place       one input of rows that only come, one output; rows of one key come to one shard.
 * State       waiting: by key group, in order of time, rows that the watermark has not passed.
 *             kept: by key, the time of the last row that came out (and the key's columns, for
 *             snapshots).
 * Invariants  D1  rows are taken in order of time, those of one time in the order of their contents,
 *                 however they came: each when the watermark has passed its time
 *             D2  a row is dropped exactly when one of equal key was kept at a time in (t - span, t];
 *                 it is counted as filtered
 *             D3  a row behind its watermark is late: counted, handed on where somebody wants it; one
 *                 without a finite time is counted and dropped
 *             D4  a key is forgotten when the watermark is its span beyond the last row kept
 * Cost        a row: a look-up of its key when it comes and when it leaves, a search of the rows that
 *             wait in its key group.  A row known to be dropped when it comes does not wait.
 */
#include "operator/dedup.h"

#include "data/datetime.h"
#include "operator/event_time.h"
#include "operator/window.h"
#include "state/row_bag.h"

typedef struct dedup {
    const wr_dedup_config *config;
    wr_ctx *ctx;
    wr_bags waiting; /* a bag a key group */
    wr_bags kept;    /* a bag a key: one row; touched: when it was kept */
    wr_keys *keys;
    wr_text bytes;
    wr_value *values;
    wr_batch_builder builder;
    wr_time time_min; /* of the rows that wait */
    wr_time swept;
    bool releasing;
    uint32_t group_at;
    wr_time next_min;
} dedup;

struct wr_frozen {
    wr_bag_view waiting, kept;
};

static weir_status
dedup_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    dedup *d = self;
    d->config = config;
    d->ctx = ctx;
    d->time_min = WR_TIME_END;
    d->swept = WR_TIME_START;
    wr_assert(d->config->key_count > 0 && d->config->span_us > 0);
    wr_bags_init(&d->waiting, ctx->state);
    wr_bags_init(&d->kept, ctx->state);
    wr_text_init(&d->bytes, ctx->state);
    wr_batch_builder_init(&d->builder, ctx->flow, d->config->schema);
    d->keys = wr_alloc(ctx->state, sizeof *d->keys);
    d->values = wr_calloc(ctx->state, d->config->schema->field_count + 1, sizeof *d->values);
    if (d->keys == NULL || d->values == NULL) {
        wr_free(d->keys);
        wr_free(d->values);
        d->keys = NULL;
        d->values = NULL;
        return wr_error_set(err, WEIR_MEMORY, "no memory for dedup");
    }
    wr_keys_init(d->keys, ctx->state);
    return WEIR_OK;
}

static void
dedup_close(void *self)
{
    dedup *d = self;
    wr_bags_fini(&d->waiting);
    wr_bags_fini(&d->kept);
    wr_text_fini(&d->bytes);
    wr_batch_builder_fini(&d->builder);
    if (d->keys != NULL)
        wr_keys_fini(d->keys);
    wr_free(d->keys);
    wr_free(d->values);
    d->keys = NULL;
    d->values = NULL;
}

static wr_flow
dedup_fail(dedup *d, weir_status status)
{
    return wr_ctx_fail(d->ctx, status, "dedup: %s", weir_status_text(status));
}

static void
count_dropped(dedup *d, uint64_t rows)
{
    atomic_fetch_add_explicit(&d->ctx->counters.rows_filtered, rows, memory_order_relaxed);
}

static void
count_state(dedup *d)
{
    atomic_store_explicit(&d->ctx->counters.state_keys, d->waiting.rows + d->kept.count,
                          memory_order_relaxed);
}

/* --- keys --- */

static wr_bag *
kept_find(dedup *d, uint32_t i)
{
    const wr_keys *k = d->keys;
    return wr_bags_find(&d->kept, k->hashes[i], k->bytes.data + k->offsets[i],
                        k->offsets[i + 1] - k->offsets[i]);
}

/* D2: is a row at `time` within the span of the one that was kept? */
static bool
is_within(const dedup *d, wr_time kept, wr_time time)
{
    wr_time until;
    if (kept == WR_TIME_START)
        return false;
    return __builtin_add_overflow(kept, d->config->span_us, &until) || time < until;
}

/* The key of visible row i is kept at `time`. */
static weir_status
kept_put(dedup *d, const wr_batch *rows, uint32_t i, wr_time time)
{
    const wr_dedup_config *c = d->config;
    const wr_keys *k = d->keys;
    uint32_t row = wr_batch_row(rows, i);
    uint64_t missing;
    wr_bag *bag = wr_bags_get(&d->kept, k->hashes[i], k->bytes.data + k->offsets[i],
                              k->offsets[i + 1] - k->offsets[i]);
    if (bag == NULL)
        return WEIR_MEMORY;
    bag->touched = WR_MAX(bag->touched, time);
    if (bag->block_count > 0)
        return WEIR_OK;
    wr_text_clear(&d->bytes);
    for (uint32_t f = 0; f < c->schema->field_count; f++) {
        wr_value v = wr_value_null(c->schema->fields[f].type);
        for (uint32_t j = 0; j < c->key_count; j++)
            if (c->keys[j] == f)
                WR_TRY(wr_column_get_value(rows->columns[f], row, &d->ctx->eval.step, &v));
        wr_row_put_value(&d->bytes, &v);
    }
    if (!wr_text_ok(&d->bytes) || d->bytes.length > UINT32_MAX)
        return WEIR_MEMORY;
    return wr_bag_add(&d->kept, bag, d->bytes.data, 0, (uint32_t)d->bytes.length, 1, &missing);
}

/* --- rows in --- */

/* The bag of a key group's rows: its hash is the group, for snapshots, and spreads the slots. */
static wr_bag *
waiting_bag(dedup *d, uint32_t group, bool make)
{
    uint64_t hash = (uint64_t)group << 32 | group;
    return make ? wr_bags_get(&d->waiting, hash, "", 0) : wr_bags_find(&d->waiting, hash, "", 0);
}

static weir_status
row_wait(dedup *d, const wr_batch *in, uint32_t i, wr_time time)
{
    uint32_t row = wr_batch_row(in, i);
    const wr_column *column = in->columns[d->config->time_column];
    uint64_t missing;
    wr_value v;
    wr_bag *bag = waiting_bag(d, wr_key_group(d->keys->hashes[i]), true);
    if (bag == NULL)
        return WEIR_MEMORY;
    wr_text_clear(&d->bytes);
    WR_TRY(wr_column_get_value(column, row, &d->ctx->eval.step, &v));
    wr_order_key_put(&d->bytes, &v, false, false);
    uint32_t order_length = (uint32_t)d->bytes.length;
    WR_TRY(wr_row_put(&d->bytes, in, row, &d->ctx->eval.step));
    if (!wr_text_ok(&d->bytes) || d->bytes.length > UINT32_MAX)
        return WEIR_MEMORY;
    d->time_min = WR_MIN(d->time_min, time);
    return wr_bag_add(&d->waiting, bag, d->bytes.data, order_length, (uint32_t)d->bytes.length,
                      wr_batch_diff(in, row), &missing);
}

/* Rows that are in time.  What stands within the span of a row kept is dropped now: no later one can
 * change that. */
static weir_status
rows_in(dedup *d, const wr_batch *in)
{
    uint64_t dropped = 0, shed = 0;
    WR_TRY(wr_keys_encode(d->keys, in, d->config->keys, d->config->key_count));
    bool sheds = wr_ctx_sheds(d->ctx);
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        wr_time time = wr_event_time_get(in->columns[d->config->time_column], row);
        const wr_bag *bag = kept_find(d, i);
        uint64_t copies = (uint64_t)wr_batch_diff(in, row);
        if (bag != NULL && is_within(d, bag->touched, time))
            dropped += copies;
        else if (sheds)
            shed += copies;
        else
            WR_TRY(row_wait(d, in, i, time));
    }
    count_dropped(d, dropped);
    if (shed > 0)
        wr_ctx_count_shed(d->ctx, shed);
    count_state(d);
    return WEIR_OK;
}

static bool
has_time(const wr_column *column, uint32_t row)
{
    if (wr_column_is_null(column, row))
        return false;
    wr_time time = wr_event_time_get(column, row);
    return time > WR_TIME_NEGINF && time < WR_TIME_POSINF;
}

/* D3: leaves in rows[] those that are in time; their number. */
static weir_status
drop_late(dedup *d, const wr_batch *in, uint16_t *rows, uint32_t *count)
{
    const wr_column *column = in->columns[d->config->time_column];
    uint16_t late[WR_BATCH_ROWS_MAX];
    uint32_t late_count = 0, missing = 0;
    *count = 0;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        wr_time w = wr_watermark_shift(wr_batch_row_watermark(in, row), d->config->time_offset);
        if (!has_time(column, row))
            missing++;
        else if (wr_event_time_get(column, row) < w)
            late[late_count++] = (uint16_t)row;
        else
            rows[(*count)++] = (uint16_t)row;
    }
    atomic_fetch_add_explicit(&d->ctx->counters.rows_null_time, missing, memory_order_relaxed);
    atomic_fetch_add_explicit(&d->ctx->counters.rows_late, late_count, memory_order_relaxed);
    if (late_count == 0 || !d->ctx->late_wanted)
        return WEIR_OK;
    wr_batch *batch = wr_batch_select(d->ctx->flow, in, late, late_count);
    if (batch == NULL)
        return WEIR_MEMORY;
    wr_ctx_emit(d->ctx, WR_PORT_LATE, batch);
    return WEIR_OK;
}

static wr_flow
dedup_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    dedup *d = self;
    uint16_t rows[WR_BATCH_ROWS_MAX];
    uint32_t count;
    wr_assert(port == 0);
    for (uint32_t i = 0; in->diff != NULL && i < in->row_count; i++)
        if (wr_batch_diff(in, wr_batch_row(in, i)) < 0)
            return wr_ctx_fail(ctx, WEIR_QUERY_UNSUPPORTED,
                               "dedup over rows that change is not supported");
    if (drop_late(d, in, rows, &count) != WEIR_OK)
        return dedup_fail(d, WEIR_MEMORY);
    if (count == 0)
        return WR_FLOW_NEXT;
    wr_batch *some = wr_batch_select(ctx->state, in, rows, count);
    weir_status status = some != NULL ? rows_in(d, some) : WEIR_MEMORY;
    wr_batch_release(some);
    return status == WEIR_OK ? WR_FLOW_NEXT : dedup_fail(d, status);
}

/* --- rows out --- */

/* Where the rows begin whose time is not before `time`. */
static wr_bag_at
seek_time(dedup *d, const wr_bag *bag, wr_time time)
{
    wr_bag_at at = { bag->block_count, 0 };
    wr_value v = { .type = d->config->schema->fields[d->config->time_column].type,
                   .integer = time };
    if (time == WR_TIME_END)
        return at;
    if (v.type.id == WR_DATE) { /* the first day not before it */
        int64_t days = time / WR_US_PER_DAY;
        v.integer = time <= WR_TIME_NEGINF        ? WR_DATE_NEGINF
                    : time >= WR_TIME_POSINF      ? WR_DATE_POSINF
                    : days * WR_US_PER_DAY < time ? days + 1
                                                  : days;
    }
    wr_text_clear(&d->bytes);
    wr_order_key_put(&d->bytes, &v, false, false);
    (void)wr_bag_seek(&d->waiting, bag, d->bytes.data, 0, (uint32_t)d->bytes.length, &at);
    return at;
}

static bool
is_before(wr_bag_at a, wr_bag_at b)
{
    return a.block < b.block || (a.block == b.block && a.entry < b.entry);
}

/* The first rows before `to`, as many as a batch holds, leave the bag; *copies: more of them. */
static weir_status
rows_take(dedup *d, wr_bag *bag, wr_bag_at to, wr_batch **out, uint64_t *copies)
{
    wr_bag_at at = { 0, 0 };
    *copies = 0;
    while (is_before(at, to) && !wr_batch_builder_full(&d->builder)) {
        const wr_bag_entry *e = wr_bag_entry_at(bag, &at);
        WR_TRY(wr_row_get(e->row->bytes + e->row->order_length,
                          e->row->length - e->row->order_length, d->config->schema, d->values));
        WR_TRY(wr_batch_builder_add(&d->builder, d->values, 1));
        *copies += (uint64_t)e->count - 1;
        wr_bag_step(bag, &at);
    }
    WR_TRY(wr_bag_drop_before(&d->waiting, bag, at));
    *out = wr_batch_builder_take(&d->builder);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* D2: in order of time. */
static weir_status
rows_judge(dedup *d, const wr_batch *rows, uint16_t *kept, uint32_t *count)
{
    const wr_column *column = rows->columns[d->config->time_column];
    *count = 0;
    WR_TRY(wr_keys_encode(d->keys, rows, d->config->keys, d->config->key_count));
    for (uint32_t i = 0; i < rows->row_count; i++) {
        uint32_t row = wr_batch_row(rows, i);
        wr_time time = wr_event_time_get(column, row);
        const wr_bag *bag = kept_find(d, i);
        if (bag != NULL && is_within(d, bag->touched, time))
            continue;
        WR_TRY(kept_put(d, rows, i, time));
        kept[(*count)++] = (uint16_t)row;
    }
    return WEIR_OK;
}

static weir_status
rows_out(dedup *d, wr_bag *bag, wr_bag_at to)
{
    uint16_t kept[WR_BATCH_ROWS_MAX];
    uint32_t count;
    uint64_t copies;
    wr_batch *rows, *out = NULL;
    WR_TRY(rows_take(d, bag, to, &rows, &copies));
    weir_status status = rows_judge(d, rows, kept, &count);
    if (status == WEIR_OK && count > 0) {
        out = count == rows->row_count ? wr_batch_retain(rows)
                                       : wr_batch_select(d->ctx->flow, rows, kept, count);
        status = out != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    if (status == WEIR_OK)
        count_dropped(d, copies + rows->row_count - count);
    wr_batch_release(rows);
    if (out != NULL)
        wr_ctx_emit(d->ctx, WR_PORT_MAIN, out);
    return status;
}

/* D1: the rows before `before`. */
static wr_flow
release(dedup *d, wr_time before)
{
    if (!d->releasing) {
        d->releasing = true;
        d->group_at = 0;
        d->next_min = WR_TIME_END;
    }
    for (; d->group_at < WR_KEY_GROUPS; d->group_at++) {
        wr_bag *bag = waiting_bag(d, d->group_at, false);
        if (bag == NULL)
            continue;
        for (;;) {
            wr_bag_at to = seek_time(d, bag, before);
            if (to.block == 0 && to.entry == 0)
                break;
            if (!wr_ctx_has_room(d->ctx, WR_PORT_MAIN))
                return WR_FLOW_AGAIN;
            weir_status status = rows_out(d, bag, to);
            if (status != WEIR_OK)
                return dedup_fail(d, status);
        }
        if (bag->block_count == 0) {
            wr_bags_remove(&d->waiting, bag);
            continue;
        }
        const wr_bag_row *first = bag->blocks[0]->entries[0].row;
        if (wr_row_get(first->bytes + first->order_length, first->length - first->order_length,
                       d->config->schema, d->values) != WEIR_OK)
            return dedup_fail(d, WEIR_INTERNAL);
        d->next_min = WR_MIN(d->next_min, wr_event_time_value(&d->values[d->config->time_column]));
    }
    d->releasing = false;
    d->time_min = d->next_min;
    return WR_FLOW_NEXT;
}

/* D4 */
static void
sweep(dedup *d, wr_time before)
{
    uint64_t every = (uint64_t)d->config->span_us / 8 + 1;
    if (d->swept != WR_TIME_START && (uint64_t)before - (uint64_t)d->swept < every)
        return;
    d->swept = before;
    for (uint32_t i = 0; i < d->kept.capacity;)
        if (d->kept.slots[i] != NULL && !is_within(d, d->kept.slots[i]->touched, before))
            wr_bags_remove(&d->kept, d->kept.slots[i]); /* another may have moved here */
        else
            i++;
}

static wr_flow
dedup_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    dedup *d = self;
    wr_time before = wr_watermark_shift(watermark, d->config->time_offset);
    (void)ctx;
    if (watermark == WR_TIME_END || before == WR_TIME_START)
        return WR_FLOW_NEXT; /* finish gives out all */
    if (d->releasing || d->time_min < before) {
        wr_flow flow = release(d, before);
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    sweep(d, before);
    count_state(d);
    return WR_FLOW_NEXT;
}

static wr_flow
dedup_finish(void *self, wr_ctx *ctx)
{
    dedup *d = self;
    (void)ctx;
    wr_flow flow = release(d, WR_TIME_END);
    if (flow != WR_FLOW_NEXT)
        return flow;
    wr_bags_fini(&d->waiting);
    wr_bags_fini(&d->kept);
    count_state(d);
    return WR_FLOW_NEXT;
}

/* --- snapshots --- */

static weir_status
dedup_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    dedup *d = self;
    wr_frozen *f = wr_alloc(d->ctx->state, sizeof *f);
    (void)epoch;
    if (f == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_bags_freeze(&d->waiting, &f->waiting);
    if (status == WEIR_OK) {
        status = wr_bags_freeze(&d->kept, &f->kept);
        if (status != WEIR_OK)
            wr_bag_view_release(&f->waiting);
    }
    if (status != WEIR_OK)
        wr_free(f);
    else
        *out = f;
    return status;
}

static weir_status
dedup_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    WR_TRY(wr_bag_view_write(&f->waiting, to));
    return wr_bag_view_write(&f->kept, to);
}

static void
dedup_thaw(wr_frozen *f)
{
    wr_bag_view_release(&f->waiting);
    wr_bag_view_release(&f->kept);
    wr_free(f);
}

/* Rows that wait have not been touched. */
static weir_status
rows_restore(void *user, const wr_batch *rows, wr_time touched)
{
    dedup *d = user;
    if (rows == NULL)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_eval_reset(&d->ctx->eval);
    WR_TRY(wr_keys_encode(d->keys, rows, d->config->keys, d->config->key_count));
    for (uint32_t i = 0; i < rows->row_count; i++) {
        const wr_column *column = rows->columns[d->config->time_column];
        uint32_t row = wr_batch_row(rows, i);
        if (touched != WR_TIME_START)
            WR_TRY(kept_put(d, rows, i, touched));
        else if (has_time(column, row))
            WR_TRY(row_wait(d, rows, i, wr_event_time_get(column, row)));
        else
            return WEIR_CHECKPOINT_CORRUPT;
    }
    count_state(d);
    return WEIR_OK;
}

static weir_status
dedup_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    dedup *d = self;
    return wr_bags_read(from, ctx->state, d->config->schema, rows_restore, d);
}

static void
dedup_explain(const void *config, wr_text *to)
{
    const wr_dedup_config *c = config;
    wr_interval span = { 0, (int32_t)(c->span_us / WR_US_PER_DAY), c->span_us % WR_US_PER_DAY };
    for (uint32_t i = 0; i < c->key_count; i++)
        wr_text_printf(to, "%s%s", i == 0 ? "by " : ", ", c->schema->fields[c->keys[i]].name);
    wr_text_puts(to, " within ");
    wr_interval_print(&span, to);
    wr_text_printf(to, " of %s", c->schema->fields[c->time_column].name);
}

const wr_operator_ops wr_dedup_ops = {
    .name = "dedup",
    .self_size = sizeof(dedup),
    .traits = WR_OP_SHEDS,
    .open = dedup_open,
    .process = dedup_process,
    .advance = dedup_advance,
    .finish = dedup_finish,
    .freeze = dedup_freeze,
    .write = dedup_write,
    .thaw = dedup_thaw,
    .restore = dedup_restore,
    .close = dedup_close,
    .explain = dedup_explain,
};
