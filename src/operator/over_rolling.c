/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/over_rolling.c -- window functions in the order of event time.
 *
 * Place       one input of rows that only come, one output; rows that agree on the shared partition
 *             columns come to one shard.
 * State       by partition, in order of time: rows that wait for the watermark, and rows answered
 *             that a later one may still look back to.
 * Invariants  R1  every row comes out once, when the watermark has passed its time: all its peers and
 *                 all before it are there
 *             R2  rows of one time stand in the order of their contents, however they came
 *             R3  a row behind its watermark is late: counted, handed on where somebody wants it; a
 *                 row without a time stands behind all others and comes out at the end, or (not
 *                 keep_untimed) is counted and dropped
 *             R4  what no later row can look back to is gone when a partition has been answered, and
 *                 of idle partitions by and by
 *             R5  ttl: a row that comes more than that after the one before it sees nothing before it
 * Cost        a step of the watermark: the partitions with rows that it passes, each O(rows kept).
 */
#include "operator/over_rolling.h"

#include "data/datetime.h"
#include "operator/event_time.h"
#include "operator/over_calc_impl.h"

#include <string.h>

typedef struct rolling {
    const wr_over_rolling_config *config;
    wr_ctx *ctx;
    wr_bags bags; /* touched: rows before it have been answered; mark: place in waiting + 1 */
    wr_keys *keys;
    wr_text bytes;
    over_calc calc;
    wr_value *values;
    wr_bag **waiting; /* partitions with rows to be answered */
    uint32_t waiting_count, waiting_capacity;
    wr_time time_min; /* of the rows to be answered */
    wr_time swept;
    /* answering */
    bool answering;
    uint32_t waiting_at, waiting_kept;
    wr_time next_min;
    wr_text answers; /* of waiting[waiting_at]: contents of rows to come out */
    size_t *ends;
    uint32_t answer_count, answer_capacity, answer_at;
    bool made;
    wr_batch_builder builder;
} rolling;

struct wr_frozen {
    wr_bag_view view;
};

static weir_status
rolling_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    rolling *r = self;
    r->config = config;
    r->ctx = ctx;
    r->time_min = WR_TIME_END;
    r->swept = WR_TIME_START;
    wr_bags_init(&r->bags, ctx->state);
    wr_text_init(&r->bytes, ctx->state);
    wr_text_init(&r->answers, ctx->state);
    wr_batch_builder_init(&r->builder, ctx->flow, r->config->over->output);
    r->keys = wr_alloc(ctx->state, sizeof *r->keys);
    r->values = wr_calloc(ctx->state, r->config->over->output->field_count + 1, sizeof *r->values);
    if (r->keys == NULL || r->values == NULL ||
        wr_over_calc_open(&r->calc, ctx, r->config->over) != WEIR_OK) {
        wr_free(r->keys);
        wr_free(r->values);
        r->keys = NULL;
        r->values = NULL;
        return wr_error_set(err, WEIR_MEMORY, "no memory for window functions");
    }
    wr_keys_init(r->keys, ctx->state);
    return WEIR_OK;
}

static void
rolling_close(void *self)
{
    rolling *r = self;
    wr_bags_fini(&r->bags);
    wr_text_fini(&r->bytes);
    wr_text_fini(&r->answers);
    wr_batch_builder_fini(&r->builder);
    wr_over_calc_close(&r->calc);
    if (r->keys != NULL)
        wr_keys_fini(r->keys);
    wr_free(r->keys);
    wr_free(r->values);
    wr_free(r->waiting);
    wr_free(r->ends);
    r->keys = NULL;
    r->values = NULL;
    r->waiting = NULL;
    r->ends = NULL;
}

static wr_flow
rolling_fail(rolling *r, weir_status status)
{
    if (r->ctx->error->code != WEIR_OK)
        return WR_FLOW_FAIL;
    return wr_ctx_fail(r->ctx, status, "window functions: %s", weir_status_text(status));
}

/* --- rows in --- */

/* The order key of a time, as a value of the column. */
static void
time_key(const rolling *r, wr_time time, wr_text *to)
{
    wr_value v = { .type = r->config->over->input->fields[r->config->time_column].type,
                   .integer = time };
    if (v.type.id == WR_DATE) { /* the first day not before it */
        int64_t days = time / WR_US_PER_DAY;
        v.integer = time <= WR_TIME_NEGINF        ? WR_DATE_NEGINF
                    : time >= WR_TIME_POSINF      ? WR_DATE_POSINF
                    : days * WR_US_PER_DAY < time ? days + 1
                                                  : days;
    }
    wr_text_clear(to);
    wr_order_key_put(to, &v, false, false);
}

static weir_status
waiting_add(rolling *r, wr_bag *bag)
{
    if (bag->mark != 0)
        return WEIR_OK;
    if (r->waiting_count == r->waiting_capacity) {
        uint32_t more = r->waiting_capacity == 0 ? 16 : 2 * r->waiting_capacity;
        wr_bag **grown = wr_realloc(r->ctx->state, r->waiting, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        r->waiting = grown;
        r->waiting_capacity = more;
    }
    r->waiting[r->waiting_count++] = bag;
    bag->mark = r->waiting_count;
    return WEIR_OK;
}

static weir_status
row_in(rolling *r, const wr_batch *in, uint32_t i, wr_time touched)
{
    const wr_over_config *c = r->config->over;
    uint32_t row = wr_batch_row(in, i), length = 0;
    const char *key = "";
    uint64_t hash = 0, missing;
    wr_value v;
    wr_time time = WR_TIME_END;
    if (!wr_column_is_null(in->columns[r->config->time_column], row))
        time = wr_event_time_get(in->columns[r->config->time_column], row);
    if (c->key_count > 0) {
        hash = r->keys->hashes[i];
        key = r->keys->bytes.data + r->keys->offsets[i];
        length = r->keys->offsets[i + 1] - r->keys->offsets[i];
    }
    wr_bag *bag = wr_bags_get(&r->bags, hash, key, length);
    if (bag == NULL)
        return WEIR_MEMORY;
    bag->touched = WR_MAX(bag->touched, touched);
    wr_text_clear(&r->bytes);
    WR_TRY(wr_column_get_value(in->columns[r->config->time_column], row, &r->ctx->eval.step, &v));
    wr_order_key_put(&r->bytes, &v, false, false);
    uint32_t order_length = (uint32_t)r->bytes.length;
    WR_TRY(wr_row_put(&r->bytes, in, row, &r->ctx->eval.step));
    if (r->bytes.length > UINT32_MAX)
        return WEIR_MEMORY;
    WR_TRY(wr_bag_add(&r->bags, bag, r->bytes.data, order_length, (uint32_t)r->bytes.length,
                      wr_batch_diff(in, row), &missing));
    if (time < bag->touched || time == WR_TIME_END)
        return WEIR_OK; /* restored: answered before; without a time: finish finds it */
    r->time_min = WR_MIN(r->time_min, time);
    return waiting_add(r, bag);
}

static weir_status
rows_in(rolling *r, const wr_batch *in, wr_time touched)
{
    const wr_over_config *c = r->config->over;
    if (c->key_count > 0)
        WR_TRY(wr_keys_encode(r->keys, in, c->keys, c->key_count));
    for (uint32_t i = 0; i < in->row_count; i++)
        WR_TRY(row_in(r, in, i, touched));
    atomic_store_explicit(&r->ctx->counters.state_keys, r->bags.rows, memory_order_relaxed);
    return WEIR_OK;
}

/* R3: leaves in rows[0..*count) those that are in time. */
static weir_status
drop_late(rolling *r, const wr_batch *in, uint16_t *rows, uint32_t *count)
{
    const wr_column *column = in->columns[r->config->time_column];
    uint16_t late[WR_BATCH_ROWS_MAX];
    uint32_t late_count = 0, kept = 0, missing = 0;
    for (uint32_t i = 0; i < *count; i++) {
        wr_time w = wr_watermark_shift(wr_batch_row_watermark(in, rows[i]), r->config->time_offset);
        if (wr_column_is_null(column, rows[i])) {
            if (r->config->keep_untimed)
                rows[kept++] = rows[i];
            else
                missing++;
        } else if (wr_event_time_get(column, rows[i]) < w)
            late[late_count++] = rows[i];
        else
            rows[kept++] = rows[i];
    }
    *count = kept;
    atomic_fetch_add_explicit(&r->ctx->counters.rows_null_time, missing, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->ctx->counters.rows_late, late_count, memory_order_relaxed);
    if (late_count == 0 || !r->ctx->late_wanted)
        return WEIR_OK;
    wr_batch *batch = wr_batch_select(r->ctx->flow, in, late, late_count);
    if (batch == NULL)
        return WEIR_MEMORY;
    wr_ctx_emit(r->ctx, WR_PORT_LATE, batch);
    return WEIR_OK;
}

static wr_flow
rolling_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    rolling *r = self;
    uint16_t rows[WR_BATCH_ROWS_MAX];
    uint32_t count = in->row_count;
    wr_assert(port == 0);
    for (uint32_t i = 0; i < in->row_count; i++) {
        rows[i] = (uint16_t)wr_batch_row(in, i);
        if (wr_batch_diff(in, rows[i]) < 0)
            return wr_ctx_fail(ctx, WEIR_QUERY_UNSUPPORTED,
                               "window functions by time over rows that change are not supported");
    }
    if (wr_over_drop_bad(r->config->over, ctx, in, rows, &count) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    if (drop_late(r, in, rows, &count) != WEIR_OK)
        return rolling_fail(r, WEIR_MEMORY);
    if (count == 0)
        return WR_FLOW_NEXT;
    wr_batch *some = wr_batch_select(ctx->state, in, rows, count);
    weir_status status = some != NULL ? rows_in(r, some, WR_TIME_START) : WEIR_MEMORY;
    wr_batch_release(some);
    return status == WEIR_OK ? WR_FLOW_NEXT : rolling_fail(r, status);
}

/* --- answering --- */

/* Where the rows begin whose time is not before `time`. */
static wr_bag_at
bag_seek_time(rolling *r, const wr_bag *bag, wr_time time)
{
    wr_bag_at at = { 0, 0 };
    if (time == WR_TIME_START)
        return at;
    if (time == WR_TIME_END)
        return (wr_bag_at){ bag->block_count, 0 };
    time_key(r, time, &r->bytes);
    (void)wr_bag_seek(&r->bags, bag, r->bytes.data, 0, (uint32_t)r->bytes.length, &at);
    return at;
}

static bool
is_before(wr_bag_at a, wr_bag_at b)
{
    return a.block < b.block || (a.block == b.block && a.entry < b.entry);
}

/* END: it has none. */
static weir_status
entry_time(rolling *r, const wr_bag_entry *e, wr_time *time)
{
    const wr_bag_row *row = e->row;
    WR_TRY(wr_row_get(row->bytes + row->order_length, row->length - row->order_length,
                      r->config->over->input, r->values));
    const wr_value *v = &r->values[r->config->time_column];
    *time = v->is_null ? WR_TIME_END : wr_event_time_value(v);
    return WEIR_OK;
}

static weir_status
answer_add(rolling *r, const wr_bag_row *row, uint32_t i)
{
    if (r->answer_count == r->answer_capacity) {
        uint32_t more = r->answer_capacity == 0 ? 64 : 2 * r->answer_capacity;
        size_t *grown = wr_realloc(r->ctx->state, r->ends, more * sizeof *grown);
        if (grown == NULL)
            return WEIR_MEMORY;
        r->ends = grown;
        r->answer_capacity = more;
    }
    wr_text_append(&r->answers, row->bytes + row->order_length, row->length - row->order_length);
    WR_TRY(wr_over_calc_result(&r->calc, i, &r->answers));
    r->ends[r->answer_count++] = r->answers.length;
    return WEIR_OK;
}

/* Answer [first, to), of which those from `from` on come out. */
static weir_status
run_answer(rolling *r, const wr_bag *bag, wr_bag_at first, wr_bag_at from, wr_bag_at to)
{
    weir_status status = WEIR_OK;
    uint32_t i = 0;
    wr_over_calc_begin(&r->calc);
    for (wr_bag_at at = first; is_before(at, to) && status == WEIR_OK; wr_bag_step(bag, &at)) {
        const wr_bag_entry *e = wr_bag_entry_at(bag, &at);
        status = wr_over_calc_row(&r->calc, e->row, e->count);
    }
    if (status == WEIR_OK)
        status = wr_over_calc_run(&r->calc);
    for (wr_bag_at at = first; is_before(at, to) && status == WEIR_OK; wr_bag_step(bag, &at)) {
        const wr_bag_entry *e = wr_bag_entry_at(bag, &at);
        for (int64_t k = 0; k < e->count && status == WEIR_OK; k++, i++)
            if (!is_before(at, from))
                status = answer_add(r, e->row, i);
    }
    wr_over_calc_end(&r->calc);
    return status;
}

/* R5: [first, to) without ttl; else in runs without a gap. */
static weir_status
bag_answer(rolling *r, const wr_bag *bag, wr_bag_at from, wr_bag_at to)
{
    wr_bag_at first = { 0, 0 };
    wr_time before = WR_TIME_START, time, until;
    for (wr_bag_at at = first; r->config->ttl_us > 0 && is_before(at, to); wr_bag_step(bag, &at)) {
        WR_TRY(entry_time(r, wr_bag_entry_at(bag, &at), &time));
        bool gap = before != WR_TIME_START &&
                   !__builtin_add_overflow(before, (int64_t)r->config->ttl_us, &until) &&
                   time > until;
        before = time;
        if (!gap)
            continue;
        if (is_before(from, at))
            WR_TRY(run_answer(r, bag, first, from, at));
        first = at;
    }
    return run_answer(r, bag, first, is_before(from, first) ? first : from, to);
}

/* R4: rows before `answered`, which stand before `to`. */
static weir_status
bag_prune(rolling *r, wr_bag *bag, wr_bag_at to, wr_time answered)
{
    const wr_over_rolling_config *c = r->config;
    wr_time oldest;
    if (c->all)
        return WEIR_OK;
    if (__builtin_sub_overflow(answered, c->reach_us, &oldest))
        oldest = WR_TIME_START;
    wr_bag_at keep = c->reach_us > 0 ? bag_seek_time(r, bag, oldest) : to;
    if (is_before(to, keep))
        keep = to;
    wr_bag_at back = to;
    for (uint64_t rows = 0; rows < c->reach_rows && (back.block > 0 || back.entry > 0);) {
        if (back.entry == 0)
            back.entry = bag->blocks[--back.block]->count;
        back.entry--;
        rows += (uint64_t)bag->blocks[back.block]->entries[back.entry].count;
    }
    if (!is_before(back, keep))
        return wr_bag_drop_before(&r->bags, bag, keep);
    wr_time time; /* calls may have different orders of the rows of one time */
    WR_TRY(entry_time(r, wr_bag_entry_at(bag, &back), &time));
    return wr_bag_drop_before(&r->bags, bag, bag_seek_time(r, bag, time));
}

/* What of waiting[waiting_at] is ready becomes answers. */
static weir_status
answers_make(rolling *r, wr_time before)
{
    wr_bag *bag = r->waiting[r->waiting_at];
    wr_bag_at from = bag_seek_time(r, bag, bag->touched), to = bag_seek_time(r, bag, before);
    wr_text_clear(&r->answers);
    r->answer_count = r->answer_at = 0;
    if (is_before(from, to))
        WR_TRY(bag_answer(r, bag, from, to));
    return WEIR_OK;
}

/* They have come out: what is left of the partition. */
static weir_status
answers_done(rolling *r, wr_time before)
{
    wr_bag *bag = r->waiting[r->waiting_at];
    wr_bag_at to = bag_seek_time(r, bag, before);
    const wr_bag_entry *next = wr_bag_entry_at(bag, &to);
    wr_time time;
    bag->mark = 0;
    WR_TRY(next != NULL ? entry_time(r, next, &time) : WEIR_OK);
    if (next != NULL && time != WR_TIME_END) {
        r->next_min = WR_MIN(r->next_min, time);
        r->waiting[r->waiting_kept++] = bag;
        bag->mark = r->waiting_kept;
    }
    if (bag->touched < before && before != WR_TIME_END) {
        bag->touched = before;
        WR_TRY(bag_prune(r, bag, to, before));
    }
    if (bag->block_count == 0)
        wr_bags_remove(&r->bags, bag);
    return WEIR_OK;
}

static wr_flow
answers_out(rolling *r)
{
    for (; r->answer_at < r->answer_count; r->answer_at++) {
        if (wr_batch_builder_full(&r->builder)) {
            if (!wr_ctx_has_room(r->ctx, WR_PORT_MAIN))
                return WR_FLOW_AGAIN;
            wr_ctx_emit(r->ctx, WR_PORT_MAIN, wr_batch_builder_take(&r->builder));
        }
        size_t at = r->answer_at > 0 ? r->ends[r->answer_at - 1] : 0;
        if (wr_row_get(r->answers.data + at, r->ends[r->answer_at] - at, r->config->over->output,
                       r->values) != WEIR_OK ||
            wr_batch_builder_add(&r->builder, r->values, 1) != WEIR_OK)
            return rolling_fail(r, WEIR_MEMORY);
    }
    return WR_FLOW_NEXT;
}

static wr_flow
answer(rolling *r, wr_time before)
{
    if (!r->answering) {
        r->answering = true;
        r->waiting_at = r->waiting_kept = 0;
        r->next_min = WR_TIME_END;
    }
    for (; r->waiting_at < r->waiting_count; r->waiting_at++) {
        weir_status status = r->made ? WEIR_OK : answers_make(r, before);
        if (status != WEIR_OK)
            return rolling_fail(r, status);
        r->made = true;
        wr_flow flow = answers_out(r);
        if (flow != WR_FLOW_NEXT)
            return flow;
        r->made = false;
        status = answers_done(r, before);
        if (status != WEIR_OK)
            return rolling_fail(r, status);
    }
    if (wr_batch_builder_count(&r->builder) > 0) {
        if (!wr_ctx_has_room(r->ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        wr_ctx_emit(r->ctx, WR_PORT_MAIN, wr_batch_builder_take(&r->builder));
    }
    r->answering = false;
    r->waiting_count = r->waiting_kept;
    r->time_min = r->next_min;
    return WR_FLOW_NEXT;
}

/* R4, R5: partitions that nothing can look back to. */
static weir_status
sweep(rolling *r, wr_time before)
{
    const wr_over_rolling_config *c = r->config;
    bool by_time = !c->all && c->reach_rows == 0;
    if (!by_time && c->ttl_us == 0)
        return WEIR_OK;
    int64_t reach = by_time ? c->reach_us : (int64_t)c->ttl_us;
    if (by_time && c->ttl_us > 0)
        reach = WR_MIN(reach, (int64_t)c->ttl_us);
    if (r->swept != WR_TIME_START &&
        (uint64_t)before - (uint64_t)r->swept < (uint64_t)reach / 8 + 1)
        return WEIR_OK;
    r->swept = before;
    for (uint32_t i = 0; i < r->bags.capacity;) {
        wr_bag *bag = r->bags.slots[i];
        wr_time time, until;
        if (bag != NULL && bag->mark == 0 && bag->block_count > 0) {
            const wr_bag_block *last = bag->blocks[bag->block_count - 1];
            WR_TRY(entry_time(r, &last->entries[last->count - 1], &time));
            if (!__builtin_add_overflow(time, reach, &until) && before > until) {
                wr_bags_remove(&r->bags, bag); /* another may have moved here */
                continue;
            }
        }
        i++;
    }
    return WEIR_OK;
}

static wr_flow
rolling_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    rolling *r = self;
    wr_time before = wr_watermark_shift(watermark, r->config->time_offset);
    (void)ctx;
    if (watermark == WR_TIME_END)
        return WR_FLOW_NEXT; /* finish answers all */
    if (r->answering || r->time_min < before) {
        wr_flow flow = answer(r, before);
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    weir_status status = sweep(r, before);
    if (status != WEIR_OK)
        return rolling_fail(r, status);
    atomic_store_explicit(&ctx->counters.state_keys, r->bags.rows, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

/* Partitions with rows without a time wait for nothing else. */
static weir_status
waiting_untimed(rolling *r)
{
    if (!r->config->keep_untimed || r->answering)
        return WEIR_OK;
    for (uint32_t i = 0; i < r->bags.capacity; i++)
        if (r->bags.slots[i] != NULL)
            WR_TRY(waiting_add(r, r->bags.slots[i]));
    return WEIR_OK;
}

static wr_flow
rolling_finish(void *self, wr_ctx *ctx)
{
    rolling *r = self;
    weir_status status = waiting_untimed(r);
    if (status != WEIR_OK)
        return rolling_fail(r, status);
    wr_flow flow = answer(r, WR_TIME_END);
    if (flow != WR_FLOW_NEXT)
        return flow;
    wr_bags_fini(&r->bags);
    r->waiting_count = 0;
    atomic_store_explicit(&ctx->counters.state_keys, 0, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

/* --- snapshots --- */

static weir_status
rolling_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    rolling *r = self;
    wr_frozen *f = wr_alloc(r->ctx->state, sizeof *f);
    (void)epoch;
    if (f == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_bags_freeze(&r->bags, &f->view);
    if (status != WEIR_OK)
        wr_free(f);
    else
        *out = f;
    return status;
}

static weir_status
rolling_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    return wr_bag_view_write(&f->view, to);
}

static void
rolling_thaw(wr_frozen *f)
{
    wr_bag_view_release(&f->view);
    wr_free(f);
}

static weir_status
rows_restore(void *user, const wr_batch *rows, wr_time touched)
{
    rolling *r = user;
    if (rows == NULL)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_eval_reset(&r->ctx->eval);
    for (uint32_t i = 0; i < rows->row_count; i++)
        if (!r->config->keep_untimed &&
            wr_column_is_null(rows->columns[r->config->time_column], i))
            return WEIR_CHECKPOINT_CORRUPT;
    return rows_in(r, rows, touched);
}

static weir_status
rolling_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    rolling *r = self;
    return wr_bags_read(from, ctx->state, r->config->over->input, rows_restore, r);
}

static void
rolling_explain(const void *config, wr_text *to)
{
    wr_over_ops.explain(((const wr_over_rolling_config *)config)->over, to);
}

const wr_operator_ops wr_over_rolling_ops = {
    .name = "over_rolling",
    .self_size = sizeof(rolling),
    .open = rolling_open,
    .process = rolling_process,
    .advance = rolling_advance,
    .finish = rolling_finish,
    .freeze = rolling_freeze,
    .write = rolling_write,
    .thaw = rolling_thaw,
    .restore = rolling_restore,
    .close = rolling_close,
    .explain = rolling_explain,
};
