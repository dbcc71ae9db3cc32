/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/top_n.c -- the first rows of each partition, maintained as rows come and go.
 *
 * Place       one input, one output; rows that agree on the partition columns come to one shard.
 *             What is among the first is a function of the bag of rows alone: equal order keys are
 *             settled by the rows' contents, so that neither the order of arrival nor the number of
 *             shards can be seen.
 * State       the rows of each partition, in order: of an insert-only input those that can still
 *             come out, else all.
 * Invariants  T1  after each step the changes so far, folded, are the ranks [low, high] of each
 *                 partition's rows so far
 *             T2  a partition's rows taken back stand before those that take their place
 *             T3  a row that is taken back and was never there is counted, and changes nothing
 *             T4  with a time column: a partition whose time has passed is forgotten; what has come
 *                 out stays
 *             T5  ttl: a partition idle for longer by its rows' own watermarks starts anew; what has
 *                 come out stays
 * Cost        a row that stays out by its first order key: one comparison of words.  Else its order
 *             key, a search, and the lists of the first before and after.
 */
#include "operator/top_n_impl.h"

#include "data/datetime.h"
#include "operator/event_time.h"
#include "operator/window.h"

#include <string.h>

enum { SLOTS_AHEAD = 24, BAGS_AHEAD = 12, TEXTS_AHEAD = 6 };

struct wr_frozen {
    wr_bag_view view;
};

static weir_status
top_n_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    top_n *t = self;
    t->config = config;
    t->ctx = ctx;
    t->time_min = WR_TIME_END;
    t->swept = WR_TIME_START;
    wr_bags_init(&t->bags, ctx->state);
    wr_text_init(&t->bytes, ctx->state);
    wr_text_init(&t->rival, ctx->state);
    wr_arena_init(&t->arena, ctx->state);
    wr_batch_builder_init(&t->builder, ctx->flow, t->config->output);
    t->keys = wr_alloc(ctx->state, sizeof *t->keys);
    t->values = wr_calloc(ctx->state, t->config->output->field_count + 1, sizeof *t->values);
    bool ok = t->keys != NULL && t->values != NULL && wr_top_n_tail_open(t) == WEIR_OK;
    if (ok && t->config->over != NULL)
        ok = wr_over_calc_open(&t->calc, ctx, t->config->over) == WEIR_OK;
    if (!ok) {
        wr_top_n_tail_close(t);
        wr_free(t->keys);
        wr_free(t->values);
        t->keys = NULL;
        t->values = NULL;
        return wr_error_set(err, WEIR_MEMORY, "no memory for a top-N");
    }
    wr_keys_init(t->keys, ctx->state);
    return WEIR_OK;
}

static void
top_n_close(void *self)
{
    top_n *t = self;
    wr_top_n_drop_step(t);
    wr_free(t->dirty);
    wr_free(t->changes);
    t->dirty = NULL;
    t->changes = NULL;
    wr_bags_fini(&t->bags);
    wr_text_fini(&t->bytes);
    wr_text_fini(&t->rival);
    wr_top_n_words_close(t);
    wr_top_n_tail_close(t);
    wr_arena_fini(&t->arena);
    wr_batch_builder_fini(&t->builder);
    wr_over_calc_close(&t->calc);
    wr_batch_release(t->good);
    t->good = NULL;
    if (t->keys != NULL)
        wr_keys_fini(t->keys);
    wr_free(t->keys);
    wr_free(t->values);
    t->keys = NULL;
    t->values = NULL;
}

/* --- rows in --- */

/* The row that a new one has to come before to be among the first; NULL: any may be. */
static const wr_bag_row *
last_row(const top_n *t, const wr_bag *bag)
{
    const wr_top_n_config *c = t->config;
    if (!c->insert_only || c->function == WR_RANK_DENSE || bag->block_count == 0 ||
        (uint64_t)bag->weight < c->high)
        return NULL;
    return wr_bag_last(bag);
}

/* The keys that are kept into bytes; *out when the row surely stays out, as soon as that is known. */
static weir_status
order_key_make(top_n *t, const wr_bag *bag, const wr_batch *in, uint32_t row, bool *out)
{
    const wr_bag_row *last = last_row(t, bag);
    wr_text_clear(&t->bytes);
    *out = false;
    for (uint32_t k = 0; k < t->keys_kept && !*out; k++) {
        const wr_sort_key *key = &t->config->keys[k];
        WR_TRY(wr_order_key_put_row(&t->bytes, in->columns[key->column], row, key->descending,
                                    key->nulls_first, &t->ctx->eval.step));
        *out = last != NULL && memcmp(last->bytes, t->bytes.data,
                                      WR_MIN((size_t)last->order_length, t->bytes.length)) < 0;
    }
    return WEIR_OK;
}

/* T4: rows of a partition that has been forgotten are late. */
static bool
is_late(top_n *t, const wr_batch *in, uint32_t row)
{
    const wr_top_n_config *c = t->config;
    if (c->time_column < 0 || wr_column_is_null(in->columns[c->time_column], row))
        return false;
    wr_time time = wr_event_time_get(in->columns[c->time_column], row);
    wr_time w = wr_batch_row_watermark(in, row);
    if (time < wr_watermark_shift(w, c->time_offset)) {
        atomic_fetch_add_explicit(&t->ctx->counters.rows_late, 1, memory_order_relaxed);
        return true;
    }
    t->time_min = WR_MIN(t->time_min, time);
    return false;
}

/* T5 */
static bool
is_idle(const top_n *t, const wr_bag *bag, wr_time watermark)
{
    wr_time until;
    if (t->config->ttl_us == 0 || bag->touched == WR_TIME_START ||
        __builtin_add_overflow(bag->touched, (int64_t)t->config->ttl_us, &until))
        return false;
    return watermark > until;
}

static weir_status
row_add(top_n *t, wr_bag *bag, const wr_batch *in, uint32_t row)
{
    uint64_t missing;
    uint32_t order_length = (uint32_t)t->bytes.length;
    WR_TRY(wr_row_put(&t->bytes, in, row, &t->ctx->eval.step));
    if (t->bytes.length > UINT32_MAX)
        return WEIR_MEMORY;
    const wr_bag_row *last = t->tail_values != NULL ? last_row(t, bag) : NULL;
    if (last != NULL && wr_bag_compare(&t->bags, last, t->bytes.data, order_length,
                                       (uint32_t)t->bytes.length) < 0)
        return t->tail_failed ? WEIR_MEMORY : WEIR_OK;
    WR_TRY(wr_top_n_touch(t, bag));
    WR_TRY(wr_bag_add(&t->bags, bag, t->bytes.data, order_length, (uint32_t)t->bytes.length,
                      wr_batch_diff(in, row), &missing));
    if (t->tail_failed)
        return WEIR_MEMORY;
    if (missing > 0) /* T3 */
        atomic_fetch_add_explicit(&t->ctx->counters.rows_unknown, missing, memory_order_relaxed);
    if (!t->config->insert_only)
        return WEIR_OK;
    if (t->bags.made != NULL && t->fresh != NULL && !t->restoring)
        t->bags.made->mark = row + 1;
    WR_TRY(wr_top_n_trim(t, bag));
    wr_top_n_bound(t, bag);
    return WEIR_OK;
}

/* Visible row i.  *again: its partition has to be handed on before it starts anew. */
static weir_status
row_in(top_n *t, const wr_batch *in, uint32_t i, bool *again)
{
    const wr_top_n_config *c = t->config;
    uint32_t row = wr_batch_row(in, i);
    uint64_t hash = 0;
    const char *key = "";
    uint32_t length = 0;
    if (is_late(t, in, row))
        return WEIR_OK;
    if (c->partition_count > 0) {
        hash = t->keys->hashes[i];
        key = t->keys->bytes.data + t->keys->offsets[i];
        length = t->keys->offsets[i + 1] - t->keys->offsets[i];
    }
    wr_bag *bag = wr_bags_get(&t->bags, hash, key, length);
    if (bag == NULL)
        return WEIR_MEMORY;
    wr_time w = wr_batch_row_watermark(in, row);
    if (is_idle(t, bag, w)) {
        if (bag->mark != 0) {
            *again = true;
            return WEIR_OK;
        }
        WR_TRY(wr_bag_cut(&t->bags, bag, (wr_bag_at){ 0, 0 }, 0));
        bag->bound = UINT64_MAX;
    }
    bag->touched = WR_MAX(bag->touched, w);
    if (t->words[i] > bag->bound)
        return WEIR_OK;
    if (t->first_only)
        return wr_top_n_best(t, bag, in, i);
    bool out;
    WR_TRY(order_key_make(t, bag, in, row, &out));
    if (out)
        return WEIR_OK;
    WR_TRY(row_add(t, bag, in, row));
    if (bag->block_count == 0 && bag->mark == 0)
        wr_bags_remove(&t->bags, bag);
    return WEIR_OK;
}

/* The strings of a row, wherever they stand. */
static void
texts_prefetch(const wr_batch *in, uint32_t row)
{
    for (uint32_t c = 0; c < in->column_count; c++) {
        const wr_column *column = in->columns[c];
        if (column == NULL || column->layout != WR_FLAT || column->type.id != WR_TEXT)
            continue;
        const wr_string *s = (const wr_string *)column->data + row;
        if (s->length > WR_STRING_INLINE_MAX)
            __builtin_prefetch(s->pointer);
    }
}

/* The partitions of rows to come, and their strings, on their way into the cache. */
static void
rows_ahead(const top_n *t, const wr_batch *in, uint32_t i)
{
    if (t->config->partition_count == 0)
        return;
    if (i + SLOTS_AHEAD < in->row_count)
        wr_bags_prefetch_slot(&t->bags, t->keys->hashes[i + SLOTS_AHEAD]);
    if (i + BAGS_AHEAD < in->row_count)
        wr_bags_prefetch_bag(&t->bags, t->keys->hashes[i + BAGS_AHEAD]);
    if (i + TEXTS_AHEAD < in->row_count)
        texts_prefetch(in, wr_batch_row(in, i + TEXTS_AHEAD));
}

static weir_status
rows_in(top_n *t, const wr_batch *in)
{
    bool again = false;
    if (t->row_at == 0 && t->config->partition_count > 0)
        WR_TRY(wr_keys_encode(t->keys, in, t->config->partition, t->config->partition_count));
    if (t->row_at == 0)
        WR_TRY(wr_top_n_words_make(t, in));
    while (t->row_at < in->row_count) {
        rows_ahead(t, in, t->row_at);
        WR_TRY(row_in(t, in, t->row_at, &again));
        if (again)
            break;
        t->row_at++;
    }
    if (t->first_only)
        WR_TRY(wr_top_n_best_put(t, in));
    atomic_store_explicit(&t->ctx->counters.state_keys, t->bags.rows, memory_order_relaxed);
    return WEIR_OK;
}

wr_flow
wr_top_n_fail(top_n *t, weir_status status)
{
    if (t->ctx->error->code != WEIR_OK)
        return WR_FLOW_FAIL;
    return wr_ctx_fail(t->ctx, status, "%s: %s",
                       t->config->over != NULL ? "window functions" : "a top-N",
                       weir_status_text(status));
}

/* over_changes: rows whose arguments fail are bad, and take no part.  Once a step. */
static wr_flow
good_rows(top_n *t, wr_ctx *ctx, const wr_batch *in, const wr_batch **out)
{
    uint16_t rows[WR_BATCH_ROWS_MAX];
    uint32_t count = in->row_count;
    if (t->good == NULL) {
        for (uint32_t i = 0; i < count; i++)
            rows[i] = (uint16_t)wr_batch_row(in, i);
        if (wr_over_drop_bad(t->config->over, ctx, in, rows, &count) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
        t->good = wr_batch_select(ctx->state, in, rows, count);
        if (t->good == NULL)
            return wr_top_n_fail(t, WEIR_MEMORY);
    }
    *out = t->good;
    return WR_FLOW_NEXT;
}

static wr_flow
top_n_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    top_n *t = self;
    const wr_batch *rows = in;
    wr_assert(port == 0);
    if (t->config->over != NULL && good_rows(t, ctx, in, &rows) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    for (;;) {
        if (!t->stepping) {
            weir_status status = rows_in(t, rows);
            if (status != WEIR_OK)
                return wr_top_n_fail(t, status);
            t->stepping = true;
        }
        wr_flow flow = wr_top_n_emit(t, rows);
        if (flow != WR_FLOW_NEXT)
            return flow;
        t->stepping = false;
        if (t->row_at >= rows->row_count)
            break;
    }
    t->row_at = 0;
    wr_batch_release(t->good);
    t->good = NULL;
    return WR_FLOW_NEXT;
}

/* --- partitions out --- */

/* T4: when the rows of a bag are of a time that has passed. */
static weir_status
bag_time(top_n *t, const wr_bag *bag, wr_time *time)
{
    wr_bag_at first = { 0, 0 };
    const wr_bag_row *row = wr_bag_entry_at(bag, &first)->row;
    WR_TRY(wr_row_get(row->bytes + row->order_length, row->length - row->order_length,
                      t->config->input, t->values));
    const wr_value *v = &t->values[t->config->time_column];
    *time = WR_TIME_END;
    if (!v->is_null)
        *time = wr_event_time_value(v);
    return WEIR_OK;
}

static weir_status
forget_passed(top_n *t, wr_time before)
{
    if (t->time_min >= before)
        return WEIR_OK;
    t->time_min = WR_TIME_END;
    for (uint32_t i = 0; i < t->bags.capacity;) {
        wr_bag *bag = t->bags.slots[i];
        wr_time time = WR_TIME_END;
        if (bag != NULL)
            WR_TRY(bag_time(t, bag, &time));
        if (bag != NULL && time < before) {
            wr_bags_remove(&t->bags, bag); /* another may have moved here */
            continue;
        }
        t->time_min = WR_MIN(t->time_min, time);
        i++;
    }
    return WEIR_OK;
}

/* T5 */
static void
forget_idle(top_n *t, wr_time watermark)
{
    uint64_t every = t->config->ttl_us / 8 + 1;
    if (t->swept != WR_TIME_START && (uint64_t)watermark - (uint64_t)t->swept < every)
        return;
    t->swept = watermark;
    for (uint32_t i = 0; i < t->bags.capacity;)
        if (t->bags.slots[i] != NULL && is_idle(t, t->bags.slots[i], watermark))
            wr_bags_remove(&t->bags, t->bags.slots[i]);
        else
            i++;
}

static wr_flow
top_n_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    top_n *t = self;
    if (watermark == WR_TIME_END)
        return WR_FLOW_NEXT;
    if (t->config->time_column >= 0 &&
        forget_passed(t, wr_watermark_shift(watermark, t->config->time_offset)) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_INTERNAL, "a stored row of a top-N is damaged");
    if (t->config->ttl_us > 0)
        forget_idle(t, watermark);
    atomic_store_explicit(&ctx->counters.state_keys, t->bags.rows, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

static wr_flow
top_n_finish(void *self, wr_ctx *ctx)
{
    top_n *t = self;
    if (t->config->at_end) {
        weir_status status = t->stepping ? WEIR_OK : wr_top_n_touch_all(t);
        if (status != WEIR_OK)
            return wr_top_n_fail(t, status);
        t->stepping = true;
        wr_flow flow = wr_top_n_emit(t, NULL);
        if (flow != WR_FLOW_NEXT)
            return flow;
        t->stepping = false;
    }
    wr_bags_fini(&t->bags);
    atomic_store_explicit(&ctx->counters.state_keys, 0, memory_order_relaxed);
    return WR_FLOW_NEXT;
}

/* --- snapshots --- */

static weir_status
top_n_freeze(void *self, wr_epoch epoch, wr_frozen **out)
{
    top_n *t = self;
    wr_frozen *f = wr_alloc(t->ctx->state, sizeof *f);
    (void)epoch;
    if (f == NULL)
        return WEIR_MEMORY;
    weir_status status = wr_bags_freeze(&t->bags, &f->view);
    if (status != WEIR_OK)
        wr_free(f);
    else
        *out = f;
    return status;
}

static weir_status
top_n_write(const wr_frozen *f, wr_snapshot_writer *to)
{
    return wr_bag_view_write(&f->view, to);
}

static void
top_n_thaw(wr_frozen *f)
{
    wr_bag_view_release(&f->view);
    wr_free(f);
}

/* As if they came in. */
static weir_status
rows_restore(void *user, const wr_batch *rows, wr_time touched)
{
    top_n *t = user;
    (void)touched; /* it judges the rows: it is their watermark */
    if (rows == NULL)
        return WEIR_CHECKPOINT_CORRUPT;
    wr_eval_reset(&t->ctx->eval);
    weir_status status = rows_in(t, rows);
    t->row_at = 0;
    return status;
}

static weir_status
top_n_restore(void *self, wr_ctx *ctx, wr_snapshot_reader *from)
{
    top_n *t = self;
    t->restoring = true;
    weir_status status = wr_bags_read(from, ctx->state, t->config->input, rows_restore, t);
    t->restoring = false;
    return status;
}

/* --- explain --- */

static void
over_changes_explain(const void *config, wr_text *to)
{
    const wr_top_n_config *c = config;
    wr_over_ops.explain(c->over, to);
}

static void
top_n_explain(const void *config, wr_text *to)
{
    static const char *const names[] = { "row_number", "rank", "dense_rank" };
    const wr_top_n_config *c = config;
    wr_text_puts(to, names[c->function]);
    if (c->low > 1)
        wr_text_printf(to, " from %llu", (unsigned long long)c->low);
    if (c->high != UINT64_MAX)
        wr_text_printf(to, " to %llu%s", (unsigned long long)c->high,
                       c->with_ties ? " with ties" : "");
    for (uint32_t i = 0; i < c->partition_count; i++)
        wr_text_printf(to, "%s%s", i == 0 ? " for each " : ", ",
                       c->input->fields[c->partition[i]].name);
    for (uint32_t k = 0; k < c->key_count; k++)
        wr_text_printf(to, "%s%s%s", k == 0 ? " by " : ", ",
                       c->input->fields[c->keys[k].column].name,
                       c->keys[k].descending ? " desc" : "");
}

const wr_operator_ops wr_top_n_ops = {
    .name = "top_n",
    .self_size = sizeof(top_n),
    .open = top_n_open,
    .process = top_n_process,
    .advance = top_n_advance,
    .finish = top_n_finish,
    .freeze = top_n_freeze,
    .write = top_n_write,
    .thaw = top_n_thaw,
    .restore = top_n_restore,
    .close = top_n_close,
    .explain = top_n_explain,
};

const wr_operator_ops wr_over_changes_ops = {
    .name = "over_changes",
    .self_size = sizeof(top_n),
    .open = top_n_open,
    .process = top_n_process,
    .advance = top_n_advance,
    .finish = top_n_finish,
    .freeze = top_n_freeze,
    .write = top_n_write,
    .thaw = top_n_thaw,
    .restore = top_n_restore,
    .close = top_n_close,
    .explain = over_changes_explain,
};
