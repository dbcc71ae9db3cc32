/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate.c -- GROUP BY: by windows, by a time key, or over the whole input.
 *
 * Place       one input; output: keys, then a column a call.  Late rows go to WR_PORT_LATE.
 * State       a ring of panes, each a hash table of groups with their aggregates' states, and
 *             tables of distinct values for the DISTINCT calls.  Dropped pane by pane as the
 *             watermark passes.
 * Invariants  A1  what comes out depends on the rows, their order and their watermarks alone
 *                 (design 12.1); L1-L2 of aggregate_assign.c, U1-U4 of aggregate_update.c
 *             A2  folded, the changes of `emit: changes` are the rows of `emit: final` at every
 *                 watermark for the windows still open, and the last rows of those that have
 *                 closed
 *             A3  after the end nothing is left
 * Cost        a row: key words, one probe, and a store for each call; 4-20 ns.  Closing: a result
 *             a group.
 */
#include "operator/aggregate_impl.h"

#include "data/datetime.h"

#include <string.h>

wr_time
wr_agg_effective(const aggregate *a, wr_time watermark)
{
    switch (a->mode) {
    case AGG_WHOLE:
        return watermark == WR_TIME_END ? WR_TIME_END : WR_TIME_START;
    case AGG_BY_TIME:
        return wr_watermark_shift(watermark, a->config->time_key_offset);
    default:
        return wr_watermark_shift(watermark, a->config->window.watermark_offset);
    }
}

/* --- open --- */

static agg_mode
choose_mode(const wr_aggregate_config *c, const agg_calls *calls)
{
    bool hops = c->window.kind == WR_WINDOW_HOP || c->window.kind == WR_WINDOW_CUMULATE;
    if (c->window.kind == WR_WINDOW_NONE)
        return c->time_key >= 0 ? AGG_BY_TIME : AGG_WHOLE;
    if (!hops || c->emit == WR_EMIT_CHANGES || c->late == WR_LATE_UPDATE || calls->distinct ||
        !calls->mergeable)
        return AGG_BY_WINDOW;
    return AGG_BY_PANE;
}

static weir_status
check_config(const wr_aggregate_config *c, weir_error *err)
{
    WR_TRY(wr_window_check(&c->window, err));
    if (c->window.kind == WR_WINDOW_SESSION)
        return wr_error_set(err, WEIR_QUERY_WINDOW, "sessions have an operator of their own");
    if (c->window.kind != WR_WINDOW_NONE && c->time_key >= 0)
        return wr_error_set(err, WEIR_QUERY_WINDOW, "a window beside a time key");
    if (c->time_key >= (int32_t) c->key_count)
        return wr_error_set(err, WEIR_QUERY, "time key %d of %u keys", c->time_key, c->key_count);
    if (c->lateness_us > INT64_MAX / 4 || c->ttl_us > INT64_MAX / 4)
        return wr_error_set(err, WEIR_QUERY, "a lateness or ttl of more than 70,000 years");
    return WEIR_OK;
}

/* Which keys lie in the tables, and which are bounds of the pane. */
static weir_status
open_keys(aggregate *a, weir_error *err)
{
    const wr_aggregate_config *c = a->config;
    wr_type                   *types = wr_alloc(a->ctx->state, c->key_count * sizeof *types);
    a->table_keys = wr_alloc(a->ctx->state, c->key_count * sizeof *a->table_keys);
    a->key_source = wr_alloc(a->ctx->state, c->key_count * sizeof *a->key_source);
    weir_status status = WEIR_MEMORY;
    if (types == NULL || a->table_keys == NULL || a->key_source == NULL)
        goto done;
    for (uint32_t k = 0; k < c->key_count; k++) {
        if ((int32_t) k == c->time_key)
            a->key_source[k] = KEY_TIME;
        else if (c->keys[k] < 0)
            a->key_source[k] = c->keys[k];
        else {
            a->key_source[k] = (int32_t) a->table_key_count;
            types[a->table_key_count] = c->key_types[k];
            a->table_keys[a->table_key_count++] = (uint32_t) c->keys[k];
        }
    }
    status = wr_key_layout_init(&a->layout, a->ctx->state, types, a->table_key_count, false, true);
done:
    wr_free(types);
    return status == WEIR_OK ? WEIR_OK
                             : wr_error_set(err, status, "no memory for %u keys", c->key_count);
}

static void aggregate_close(void *self);

static weir_status
open_parts(aggregate *a, weir_error *err)
{
    const wr_aggregate_config *c = a->config;
    WR_TRY(check_config(c, err));
    WR_TRY(open_keys(a, err));
    WR_TRY(wr_agg_calls_open(&a->calls, a->ctx, c->calls, c->call_count,
                             wr_group_user_offset(&a->layout), true, err));
    a->mode = choose_mode(c, &a->calls);
    a->lateness = c->late == WR_LATE_UPDATE && a->mode != AGG_WHOLE ? (int64_t) c->lateness_us : 0;
    a->slides = a->mode == AGG_BY_PANE &&
                (c->window.kind == WR_WINDOW_CUMULATE || (a->calls.invertible && !a->calls.nested));
    a->pane_width = a->mode == AGG_BY_PANE ? wr_window_pane(&c->window) : c->window.size;
    size_t user_bytes = a->calls.user_bytes;
    if (c->ttl_us > 0 && a->mode == AGG_WHOLE) {
        a->touched_at = wr_group_user_offset(&a->layout) + user_bytes;
        user_bytes += sizeof(wr_time);
    }
    uint32_t tables = 1;
    for (uint32_t i = 0; i < a->calls.count; i++)
        tables += a->calls.calls[i].distinct != NULL;
    a->tables = wr_calloc(a->ctx->state, tables, sizeof *a->tables);
    if (a->tables == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for %u DISTINCT aggregates", tables - 1);
    a->tables[a->table_count++] = (wr_pane_table){ &a->layout, user_bytes };
    WR_TRY(wr_agg_sets_open(a, err));
    wr_pane_ring_init(&a->ring, a->ctx->state, a->tables, a->table_count);
    return WEIR_OK;
}

static weir_status
aggregate_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    aggregate *a = self;
    a->config = config;
    a->ctx = ctx;
    a->closed = WR_TIME_START;
    a->swept = WR_TIME_START;
    weir_status status = open_parts(a, err);
    if (status != WEIR_OK)
        aggregate_close(a);
    else if (a->config->global && a->mode == AGG_WHOLE && a->config->emit == WR_EMIT_CHANGES)
        ctx->wake_at = WR_TIME_START; /* the answer of no rows is one already */
    return status;
}

static void
step_destroy(aggregate *a)
{
    agg_step *s = a->step;
    if (s == NULL)
        return;
    wr_row_keys_fini(&s->keys);
    wr_free(s->key_columns);
    wr_free(s->assigned_row);
    wr_free(s->assigned_next);
    wr_free(s->touched);
    wr_free(s);
    a->step = NULL;
}

static void
aggregate_close(void *self)
{
    aggregate *a = self;
    for (uint32_t i = 0; i < a->pending_count; i++)
        wr_batch_release(a->pending[i]);
    a->pending_count = 0;
    wr_scratch_gone(a->ctx->scratch, a);
    step_destroy(a);
    if (a->table_count > 0) {
        if (a->merged != a->sliding)
            wr_pane_ring_return(&a->ring, a->merged);
        wr_pane_ring_return(&a->ring, a->sliding);
        wr_pane_ring_fini(&a->ring);
    }
    a->merged = NULL;
    a->sliding = NULL;
    wr_agg_calls_close(&a->calls);
    wr_key_layout_fini(&a->layout);
    wr_free(a->tables);
    wr_free(a->table_keys);
    wr_free(a->key_source);
    a->tables = NULL;
    a->table_keys = NULL;
    a->key_source = NULL;
}

/* --- process --- */

static bool
step_drop(void *self)
{
    aggregate *a = self;
    if (a->step != NULL && a->step->begun)
        return false;
    step_destroy(a);
    return true;
}

static weir_status
step_create(aggregate *a)
{
    if (a->step != NULL)
        return WEIR_OK;
    agg_step *s = wr_alloc(a->ctx->flow, sizeof *s);
    if (s == NULL)
        return WEIR_MEMORY;
    memset(s, 0, offsetof(agg_step, rows));
    wr_row_keys_init(&s->keys, &a->layout, a->ctx->flow);
    a->step = s;
    wr_scratch_made(a->ctx->scratch, a, step_drop);
    s->key_columns = wr_alloc(a->ctx->flow, a->table_key_count * sizeof *s->key_columns);
    return s->key_columns != NULL ? WEIR_OK : WEIR_MEMORY;
}

static bool
has_negative(const wr_batch *in)
{
    for (uint32_t i = 0; in->diff != NULL && i < in->row_count; i++)
        if (in->diff[wr_batch_row(in, i)] < 0)
            return true;
    return false;
}

/* The visible rows, as physical ones. */
static void
step_rows(agg_step *s, const wr_batch *in)
{
    s->count = in->row_count;
    if (in->selection != NULL) {
        memcpy(s->rows, in->selection, s->count * sizeof *s->rows);
        s->identity = 0;
        return;
    }
    for (; s->identity < s->count; s->identity++)
        s->rows[s->identity] = (uint16_t) s->identity;
}

/* The keys of the step's rows; one of one word without NULLs needs no more than its value. */
static weir_status
step_keys(aggregate *a, const wr_batch *in)
{
    agg_step        *s = a->step;
    const wr_column *only = a->table_key_count == 1 ? in->columns[a->table_keys[0]] : NULL;
    s->words = NULL;
    if (only != NULL && wr_key_is_word(&a->layout) && wr_column_base(only)->valid == NULL &&
        !a->ctx->shed) {
        if (s->dense && only->layout == WR_FLAT && wr_column_width(only) == sizeof *s->words) {
            s->words = only->data;
        } else {
            wr_key_words_fill(only, s->rows, s->count, s->word_room);
            s->words = s->word_room;
        }
        return WEIR_OK;
    }
    for (uint32_t k = 0; k < a->table_key_count; k++)
        s->key_columns[k] = in->columns[a->table_keys[k]];
    s->keys.near = NULL;
    if (a->ring.count > 0) /* most rows are of the newest pane */
        wr_group_table_near(&wr_pane_ring_at(&a->ring, a->ring.count - 1)->tables[0], &s->keys);
    return wr_row_keys_fill(&s->keys, s->key_columns, s->dense ? NULL : s->rows, s->count,
                            in->physical_count, NULL);
}

/* Everything that is done once for a batch: arguments, times, keys. */
static wr_flow
step_begin(aggregate *a, const wr_batch *in)
{
    if (step_create(a) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory to aggregate");
    agg_step *s = a->step;
    s->at = 0;
    s->late_count = 0;
    s->touched_count = s->touched_next = 0;
    s->reversed = has_negative(in);
    if (s->reversed && a->slides) { /* a group may be empty in the sum and not in its panes */
        a->slides = false;
        wr_agg_sliding_drop(a);
    }
    step_rows(s, in);
    if (!wr_agg_calls_begin(&a->calls, in, s->rows, &s->count))
        return WR_FLOW_FAIL;
    s->dense = in->selection == NULL && s->count == in->physical_count;
    wr_agg_times_read(a, in);
    if (s->count < in->row_count) /* some have left the list */
        s->identity = 0;
    if (step_keys(a, in) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u keys", s->count);
    s->begun = true;
    return WR_FLOW_NEXT;
}

static wr_flow
step_end(aggregate *a, const wr_batch *in)
{
    agg_step *s = a->step;
    s->begun = false;
    wr_agg_calls_end(&a->calls);
    wr_agg_count_state(a);
    if (s->late_count == 0)
        return WR_FLOW_NEXT;
    atomic_fetch_add_explicit(&a->ctx->counters.rows_late, s->late_count, memory_order_relaxed);
    if (!a->ctx->late_wanted)
        return WR_FLOW_NEXT;
    wr_batch *late = wr_batch_select(a->ctx->flow, in, s->late, s->late_count);
    if (late == NULL)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u late rows", s->late_count);
    wr_ctx_emit(a->ctx, WR_PORT_LATE, late);
    return WR_FLOW_NEXT;
}

static wr_flow
aggregate_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    aggregate *a = self;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_agg_drain(a))
        return WR_FLOW_AGAIN;
    if (a->step == NULL || !a->step->begun) {
        wr_flow flow = step_begin(a, in);
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    agg_step *s = a->step;
    for (;;) {
        while (s->touched_next < s->touched_count) {
            wr_pane *pane = s->touched[s->touched_next++];
            pane->touched = false;
            wr_flow flow = wr_agg_update_pane(a, in, pane);
            if (flow != WR_FLOW_NEXT)
                return flow;
            if (!wr_agg_drain(a))
                return WR_FLOW_AGAIN;
        }
        if (s->at == s->count)
            return step_end(a, in);
        if (wr_agg_assign(a, in) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u panes", a->ring.count);
    }
}

static wr_flow
aggregate_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    aggregate *a = self;
    if (!wr_agg_drain(a))
        return WR_FLOW_AGAIN;
    wr_flow flow = WR_FLOW_NEXT;
    if (a->mode != AGG_WHOLE)
        flow = wr_agg_close_until(a, watermark);
    else if (wr_agg_sweep(a, watermark) != WEIR_OK)
        flow = wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to drop idle groups");
    wr_agg_count_state(a);
    return flow;
}

/* No GROUP BY and no row came: the one row there is comes from no rows. */
static wr_flow
global_open(aggregate *a)
{
    wr_pane *pane;
    uint32_t id, created_id, created = 0;
    if (step_create(a) != WEIR_OK ||
        wr_pane_ring_open(&a->ring, 0, WR_TIME_END, WR_TIME_START, &pane) != WEIR_OK ||
        !wr_agg_calls_enter(&a->calls, &pane->tables[0]) ||
        wr_row_keys_set(&a->step->keys, NULL, 0) != WEIR_OK ||
        wr_group_table_find(&pane->tables[0], &a->step->keys, NULL, 1, &id, &created_id,
                            &created) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for one group");
    if (created > 0)
        wr_agg_calls_init(&a->calls, wr_group_table_row(&pane->tables[0], id));
    if (a->config->emit == WR_EMIT_FINAL ||
        (wr_group_table_row(&pane->tables[0], id)->flags & WR_GROUP_EMITTED) != 0)
        return WR_FLOW_NEXT;
    agg_before before = { 0 };
    a->step->dirty[0] = id;
    a->step->dirty_count = 1;
    if (wr_group_table_own(&pane->tables[0], &id, 1) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for one group");
    wr_flow flow = wr_agg_before_take(a, pane, &before);
    if (flow == WR_FLOW_NEXT)
        flow = wr_agg_after_emit(a, pane, &before);
    wr_agg_before_release(&before);
    return flow;
}

/* Once, before anything comes: not every input ever has a row, and what is above may wait for this one. */
static wr_flow
aggregate_tick(void *self, wr_ctx *ctx)
{
    aggregate *a = self;
    if (!wr_agg_drain(a))
        return WR_FLOW_AGAIN;
    wr_flow flow = global_open(a);
    if (flow != WR_FLOW_NEXT)
        return flow;
    wr_agg_count_state(a);
    if (!wr_agg_drain(a))
        return WR_FLOW_AGAIN; /* asked again: what is there is not told twice */
    ctx->wake_at = WR_TIME_END;
    return WR_FLOW_NEXT;
}

static wr_flow
aggregate_finish(void *self, wr_ctx *ctx)
{
    aggregate *a = self;
    (void) ctx;
    if (!wr_agg_drain(a))
        return WR_FLOW_AGAIN;
    if (a->config->global && a->mode == AGG_WHOLE && !a->finished) {
        a->finished = true;
        wr_flow flow = global_open(a);
        if (flow != WR_FLOW_NEXT)
            return flow;
        if (!wr_agg_drain(a))
            return WR_FLOW_AGAIN;
    }
    wr_flow flow = wr_agg_close_until(a, WR_TIME_END);
    wr_agg_count_state(a);
    return flow;
}

/* --- explain --- */

static const char *const kind_names[] = { "none", "tumble", "hop", "cumulate", "session" };

static void
explain_keys(const wr_aggregate_config *c, wr_text *to)
{
    for (uint32_t k = 0; k < c->key_count; k++) {
        wr_text_puts(to, k > 0 ? ", " : " by ");
        if (c->keys[k] == WR_KEY_WINDOW_START)
            wr_text_puts(to, "window_start");
        else if (c->keys[k] == WR_KEY_WINDOW_END)
            wr_text_puts(to, "window_end");
        else if (c->input != NULL && (uint32_t) c->keys[k] < c->input->field_count)
            wr_text_puts(to, c->input->fields[c->keys[k]].name);
        else
            wr_text_printf(to, "#%d", c->keys[k]);
    }
}

static void
aggregate_explain(const void *config, wr_text *to)
{
    const wr_aggregate_config *c = config;
    for (uint32_t i = 0; i < c->call_count; i++)
        wr_text_printf(to, "%s%s%s", i > 0 ? ", " : "", c->calls[i].aggregate->name,
                       c->calls[i].distinct ? " distinct" : "");
    explain_keys(c, to);
    if (c->window.kind != WR_WINDOW_NONE) {
        wr_interval size = { .us = c->window.size }, slide = { .us = c->window.slide };
        wr_text_printf(to, " in %s ", kind_names[c->window.kind]);
        wr_interval_print(&size, to);
        if (c->window.kind == WR_WINDOW_HOP || c->window.kind == WR_WINDOW_CUMULATE) {
            wr_text_puts(to, " by ");
            wr_interval_print(&slide, to);
        }
    }
    wr_text_puts(to, c->emit == WR_EMIT_FINAL ? ", emit final" : ", emit changes");
}

/* Windows end `slide` apart, and are gone `lateness` after their ends. */
static wr_watermark_need
aggregate_need(const void *config)
{
    const wr_aggregate_config *c = config;
    bool                       whole = c->window.kind == WR_WINDOW_NONE && c->time_key < 0;
    if (whole)
        return (wr_watermark_need){ .every_us = c->ttl_us > 0 ? WR_NEED_EACH : WR_NEED_NONE };
    if (c->window.kind == WR_WINDOW_NONE || c->window.kind == WR_WINDOW_SESSION ||
        (c->late == WR_LATE_UPDATE && c->lateness_us > 0))
        return (wr_watermark_need){ .every_us = WR_NEED_EACH };
    if (c->window.watermark_offset == WR_NO_WATERMARK)
        return (wr_watermark_need){ .every_us = WR_NEED_NONE };
    int64_t ends = (c->window.offset % c->window.slide + c->window.size % c->window.slide) % c->window.slide;
    return (wr_watermark_need){ .every_us = c->window.slide,
                                .phase_us = ends - c->window.watermark_offset % c->window.slide };
}

const wr_operator_ops wr_aggregate_ops = {
    .name = "aggregate",
    .self_size = sizeof(aggregate),
    .traits = WR_OP_SHEDS,
    .open = aggregate_open,
    .process = aggregate_process,
    .advance = aggregate_advance,
    .tick = aggregate_tick,
    .finish = aggregate_finish,
    .freeze = wr_agg_freeze,
    .write = wr_agg_write,
    .thaw = wr_agg_thaw,
    .restore = wr_agg_restore,
    .close = aggregate_close,
    .explain = aggregate_explain,
    .need = aggregate_need,
};
