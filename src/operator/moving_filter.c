/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/moving_filter.c -- conditions on now(): rows that come and go as time goes by.
 *
 * Place       one input, one output; equal rows come to one shard.  now() is the engine clock, which
 *             the runner gives: it never steps back here, and is part of the snapshot.
 * State       rows whose time has not come, and rows that will be taken back, in the order of the
 *             moment they change; a bag a key group.
 * Invariants  W1  what has come out, folded, are the rows so far with from <= now < until
 *             W2  a row that is over when it comes never comes out; such rows are counted as filtered
 *             W3  wake_at is the next moment anything changes
 *             W4  a row taken back before its time leaves the state, and comes out as taken back when
 *                 it had come out
 * Order key   the moment (8 bytes), 0: it will come | 1: it will go, the moment it goes (8 bytes).
 */
#include "operator/moving_filter.h"

#include "data/datetime.h"
#include "operator/event_time.h"
#include "state/row_bag.h"

#include <string.h>

enum { WILL_COME, WILL_GO, ORDER_BYTES = 17 };

typedef struct moving {
    const wr_moving_filter_config *config;
    wr_ctx *ctx;
    wr_bags bags; /* a key group each; touched: now, when frozen */
    wr_keys *keys;
    wr_text bytes;
    wr_value *values;
    wr_batch_builder builder;
    wr_time now;
    /* the step under way */
    bool stepping;
    wr_time *from, *until;             /* by physical row */
    uint8_t groups[WR_BATCH_ROWS_MAX]; /* by physical row */
    uint16_t rows[WR_BATCH_ROWS_MAX];
    uint32_t count, at;
} moving;
_Static_assert(WR_KEY_GROUPS <= 256, "a group is a byte");

struct wr_frozen {
    wr_bag_view view;
    wr_time now;
};

static weir_status
moving_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    moving *m = self;
    m->config = config;
    m->ctx = ctx;
    m->now = WR_TIME_START;
    wr_bags_init(&m->bags, ctx->state);
    wr_text_init(&m->bytes, ctx->state);
    wr_batch_builder_init(&m->builder, ctx->flow, m->config->schema);
    m->keys = wr_alloc(ctx->state, sizeof *m->keys);
    m->values = wr_calloc(ctx->state, m->config->schema->field_count + 1, sizeof *m->values);
    m->from = wr_alloc(ctx->state, 2 * WR_BATCH_ROWS_MAX * sizeof *m->from);
    if (m->keys == NULL || m->values == NULL || m->from == NULL) {
        wr_free(m->keys);
        wr_free(m->values);
        wr_free(m->from);
        m->keys = NULL;
        m->values = NULL;
        m->from = NULL;
        return wr_error_set(err, WEIR_MEMORY, "no memory for a condition on now()");
    }
    m->until = m->from + WR_BATCH_ROWS_MAX;
    wr_keys_init(m->keys, ctx->state);
    return WEIR_OK;
}

static void
moving_close(void *self)
{
    moving *m = self;
    wr_bags_fini(&m->bags);
    wr_text_fini(&m->bytes);
    wr_batch_builder_fini(&m->builder);
    if (m->keys != NULL)
        wr_keys_fini(m->keys);
    wr_free(m->keys);
    wr_free(m->values);
    wr_free(m->from);
    m->keys = NULL;
    m->values = NULL;
    m->from = NULL;
}

static wr_flow
moving_fail(moving *m, weir_status status)
{
    return wr_ctx_fail(m->ctx, status, "a condition on now(): %s", weir_status_text(status));
}

/* --- the state --- */

static void
put_time(wr_text *to, wr_time time)
{
    uint64_t word = __builtin_bswap64((uint64_t)time ^ (1ull << 63));
    wr_text_append(to, &word, sizeof word);
}

static wr_time
get_time(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return (wr_time)(__builtin_bswap64(word) ^ (1ull << 63));
}

static wr_bag *
bag_of_group(moving *m, uint32_t group, bool make)
{
    uint64_t hash = (uint64_t)group << 32 | group; /* its low bits name the key group */
    char key = (char)group;
    return make ? wr_bags_get(&m->bags, hash, &key, 1) : wr_bags_find(&m->bags, hash, &key, 1);
}

static weir_status
state_add(moving *m, uint32_t group, wr_time at, int will, wr_time until, const char *contents,
          size_t length, int64_t diff, uint64_t *missing)
{
    wr_text_clear(&m->bytes);
    put_time(&m->bytes, at);
    wr_text_putc(&m->bytes, (char)will);
    put_time(&m->bytes, until);
    wr_text_append(&m->bytes, contents, length);
    if (!wr_text_ok(&m->bytes) || m->bytes.length > UINT32_MAX)
        return WEIR_MEMORY;
    wr_bag *bag = bag_of_group(m, group, true);
    if (bag == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_bag_add(&m->bags, bag, m->bytes.data, ORDER_BYTES, (uint32_t)m->bytes.length, diff,
                      missing));
    if (*missing > 0)
        atomic_fetch_add_explicit(&m->ctx->counters.rows_unknown, *missing, memory_order_relaxed);
    if (bag->block_count == 0)
        wr_bags_remove(&m->bags, bag);
    return WEIR_OK;
}

/* W3 */
static void
wake_settle(moving *m)
{
    wr_time next = WR_TIME_END;
    for (uint32_t i = 0; i < m->bags.capacity; i++)
        if (m->bags.slots[i] != NULL)
            next = WR_MIN(next, get_time(m->bags.slots[i]->blocks[0]->entries[0].row->bytes));
    m->ctx->wake_at = next;
    atomic_store_explicit(&m->ctx->counters.state_keys, m->bags.rows, memory_order_relaxed);
}

/* --- out --- */

/* false: the builder is full, and there is no room. */
static bool
room_make(moving *m)
{
    if (!wr_batch_builder_full(&m->builder))
        return true;
    if (!wr_ctx_has_room(m->ctx, WR_PORT_MAIN))
        return false;
    wr_ctx_emit(m->ctx, WR_PORT_MAIN, wr_batch_builder_take(&m->builder));
    return true;
}

static bool
flush(moving *m)
{
    if (wr_batch_builder_count(&m->builder) == 0)
        return true;
    if (!wr_ctx_has_room(m->ctx, WR_PORT_MAIN))
        return false;
    wr_ctx_emit(m->ctx, WR_PORT_MAIN, wr_batch_builder_take(&m->builder));
    return true;
}

static weir_status
contents_out(moving *m, const char *contents, size_t length, int64_t diff)
{
    WR_TRY(wr_row_get(contents, length, m->config->schema, m->values));
    return wr_batch_builder_add(&m->builder, m->values, diff);
}

/* The first entry of a bag has its moment. */
static weir_status
entry_due(moving *m, wr_bag *bag)
{
    wr_bag_at first = { 0, 0 }, next = { 0, 0 };
    wr_bag_entry e = *wr_bag_entry_at(bag, &first);
    uint32_t group = (uint32_t)(bag->hash & (WR_KEY_GROUPS - 1));
    const char *contents = e.row->bytes + ORDER_BYTES;
    size_t length = e.row->length - ORDER_BYTES;
    wr_time until = get_time(e.row->bytes + 9);
    bool goes = e.row->bytes[8] == WILL_GO;
    weir_status status = WEIR_OK;
    uint64_t missing;
    wr_bag_row_retain(e.row);
    if (goes || until > m->now)
        status = contents_out(m, contents, length, goes ? -e.count : e.count);
    if (status == WEIR_OK) {
        wr_bag_step(bag, &next);
        status = wr_bag_drop_before(&m->bags, bag, next);
    }
    if (status == WEIR_OK && bag->block_count == 0)
        wr_bags_remove(&m->bags, bag);
    if (status == WEIR_OK && !goes && until > m->now && until != WR_TIME_END)
        status = state_add(m, group, until, WILL_GO, until, contents, length, e.count, &missing);
    wr_bag_row_release(e.row);
    return status;
}

/* Everything whose moment is not after now; AGAIN: no room. */
static wr_flow
due_out(moving *m)
{
    for (uint32_t group = m->ctx->groups.first; group <= m->ctx->groups.last; group++) {
        wr_bag *bag;
        while ((bag = bag_of_group(m, group, false)) != NULL &&
               get_time(bag->blocks[0]->entries[0].row->bytes) <= m->now) {
            if (!room_make(m))
                return WR_FLOW_AGAIN;
            weir_status status = entry_due(m, bag);
            if (status != WEIR_OK)
                return moving_fail(m, status);
        }
    }
    return WR_FLOW_NEXT;
}

static wr_flow
moving_tick(void *self, wr_ctx *ctx)
{
    moving *m = self;
    m->now = WR_MAX(m->now, ctx->eval.now);
    wr_flow flow = ctx->wake_at <= m->now ? due_out(m) : WR_FLOW_NEXT;
    if (flow != WR_FLOW_NEXT)
        return flow;
    if (!flush(m))
        return WR_FLOW_AGAIN;
    wake_settle(m);
    return WR_FLOW_NEXT;
}

/* --- rows in --- */

static bool
bound_time(const wr_column *column, uint32_t row, int64_t shift, wr_time *out)
{
    if (wr_column_is_null(column, row))
        return false;
    wr_time time = wr_event_time_get(column, row);
    if (time == WR_TIME_NEGINF)
        *out = WR_TIME_START;
    else if (time == WR_TIME_POSINF)
        *out = WR_TIME_END;
    else if (__builtin_add_overflow(time, shift, out))
        *out = shift < 0 ? WR_TIME_START : WR_TIME_END;
    return true;
}

/* One bound of all rows; those without a time are never there. */
static weir_status
bound_apply(moving *m, const wr_batch *in, const wr_moving_bound *b)
{
    wr_column *column;
    WR_TRY(wr_expr_eval(&m->ctx->eval, b->time, in, wr_batch_rows(in), &column));
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        wr_time time;
        if (wr_eval_row_failed(&m->ctx->eval, row))
            continue;
        if (!bound_time(column, row, b->shift, &time))
            m->until[row] = WR_TIME_START;
        else if (b->until)
            m->until[row] = WR_MIN(m->until[row], time);
        else
            m->from[row] = WR_MAX(m->from[row], time);
    }
    wr_column_release(column);
    return WEIR_OK;
}

static weir_status
bounds_make(moving *m, const wr_batch *in)
{
    for (uint32_t i = 0; i < in->row_count; i++) {
        m->rows[i] = (uint16_t)wr_batch_row(in, i);
        m->from[m->rows[i]] = WR_TIME_START;
        m->until[m->rows[i]] = WR_TIME_END;
    }
    m->count = in->row_count;
    m->at = 0;
    for (uint32_t b = 0; b < m->config->bound_count; b++)
        WR_TRY(bound_apply(m, in, &m->config->bounds[b]));
    WR_TRY(wr_keys_encode(m->keys, in, m->config->keys, m->config->key_count));
    for (uint32_t i = 0; i < in->row_count; i++)
        m->groups[m->rows[i]] = (uint8_t)wr_key_group(m->keys->hashes[i]);
    return WEIR_OK;
}

static weir_status
row_in(moving *m, const wr_batch *in, uint32_t row, uint32_t group)
{
    wr_time from = m->from[row], until = m->until[row];
    int64_t diff = wr_batch_diff(in, row);
    if (until <= m->now || from >= until || from == WR_TIME_END) { /* W2 */
        atomic_fetch_add_explicit(&m->ctx->counters.rows_filtered, 1, memory_order_relaxed);
        return WEIR_OK;
    }
    wr_text contents;
    uint64_t missing = 0;
    wr_text_init(&contents, m->ctx->state);
    weir_status status = wr_row_put(&contents, in, row, &m->ctx->eval.step);
    if (status == WEIR_OK && from > m->now)
        status = state_add(m, group, from, WILL_COME, until, contents.data, contents.length, diff,
                           &missing);
    else if (status == WEIR_OK) {
        if (until != WR_TIME_END)
            status = state_add(m, group, until, WILL_GO, until, contents.data, contents.length,
                               diff, &missing);
        diff += (int64_t)missing; /* taken back, and never there */
        if (status == WEIR_OK && diff != 0)
            status = contents_out(m, contents.data, contents.length, diff);
    }
    wr_text_fini(&contents);
    return status;
}

static wr_flow
rows_begin(moving *m, const wr_batch *in)
{
    weir_status status = bounds_make(m, in);
    if (status != WEIR_OK)
        return moving_fail(m, status);
    if (wr_ctx_drop_failed(m->ctx, in, m->rows, &m->count) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    m->now = WR_MAX(m->now, m->ctx->eval.now);
    m->stepping = true;
    return WR_FLOW_NEXT;
}

static wr_flow
moving_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    moving *m = self;
    wr_assert(port == 0);
    if (!m->stepping && rows_begin(m, in) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    wr_flow flow = ctx->wake_at <= m->now ? due_out(m) : WR_FLOW_NEXT; /* W1: before the rows */
    if (flow != WR_FLOW_NEXT)
        return flow;
    for (; m->at < m->count; m->at++) {
        if (!room_make(m))
            return WR_FLOW_AGAIN;
        uint32_t row = m->rows[m->at];
        weir_status status = row_in(m, in, row, m->groups[row]);
        if (status != WEIR_OK)
            return moving_fail(m, status);
    }
    if (!flush(m))
        return WR_FLOW_AGAIN;
    m->stepping = false;
    wake_settle(m);
    return WR_FLOW_NEXT;
}

static wr_flow
moving_finish(void *self, wr_ctx *ctx)
{
    moving *m = self;
    wr_bags_fini(&m->bags);
    ctx->wake_at = WR_TIME_END;
    atomic_store_explicit(&ctx->counters.state_keys, 0, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

/* --- snapshots --- */

static weir_status
moving_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    moving *m = self;
    wr_frozen *f = wr_alloc(m->ctx->state, sizeof *f);
    (void)epoch;
    if (f == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < m->bags.capacity; i++)
        if (m->bags.slots[i] != NULL)
            m->bags.slots[i]->touched = m->now;
    f->now = m->now;
    weir_status status = wr_bags_freeze(&m->bags, &f->view);
    if (status != WEIR_OK)
        wr_free(f);
    else
        *out = f;
    return status;
}

static weir_status
moving_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    wr_bag_write_time(to, f->now);
    return wr_bag_view_write(&f->view, to);
}

static void
moving_thaw(wr_frozen *f)
{
    wr_bag_view_release(&f->view);
    wr_free(f);
}

/* Rows as they stood at `touched`: nothing comes out. */
static weir_status
rows_restore(void *user, const wr_batch *in, wr_time touched)
{
    moving *m = user;
    wr_text contents;
    uint64_t missing;
    wr_eval_reset(&m->ctx->eval);
    m->now = WR_MAX(m->now, touched);
    if (in == NULL)
        return WEIR_OK;
    WR_TRY(bounds_make(m, in));
    if (m->ctx->eval.error_count > 0)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_text_init(&contents, m->ctx->state);
    weir_status status = WEIR_OK;
    for (uint32_t i = 0; i < in->row_count && status == WEIR_OK; i++) {
        wr_time from = m->from[i], until = m->until[i];
        bool goes = from <= touched;
        wr_text_clear(&contents);
        status = wr_row_put(&contents, in, i, &m->ctx->eval.step);
        if (status == WEIR_OK)
            status =
                state_add(m, m->groups[i], goes ? until : from, goes ? WILL_GO : WILL_COME, until,
                          contents.data, contents.length, wr_batch_diff(in, i), &missing);
    }
    wr_text_fini(&contents);
    return status;
}

static weir_status
moving_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    moving *m = self;
    weir_status status = wr_bags_read(from, ctx->state, m->config->schema, rows_restore, m);
    wake_settle(m);
    return status;
}

static void
moving_explain(const void *config, wr_text *to)
{
    const wr_moving_filter_config *c = config;
    for (uint32_t i = 0; i < c->bound_count; i++) {
        wr_interval shift = { 0, (int32_t)(c->bounds[i].shift / WR_US_PER_DAY),
                              c->bounds[i].shift % WR_US_PER_DAY };
        wr_text_puts(to, i > 0 ? ", " : "");
        wr_text_puts(to, c->bounds[i].until ? "until " : "from ");
        wr_expr_print(c->bounds[i].time, NULL, to);
        wr_text_puts(to, " + ");
        wr_interval_print(&shift, to);
    }
}

const wr_operator_ops wr_moving_filter_ops = {
    .name = "moving_filter",
    .self_size = sizeof(moving),
    .open = moving_open,
    .process = moving_process,
    .tick = moving_tick,
    .finish = moving_finish,
    .freeze = moving_freeze,
    .write = moving_write,
    .thaw = moving_thaw,
    .restore = moving_restore,
    .close = moving_close,
    .explain = moving_explain,
};
