/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session.c -- GROUP BY a session of each key: rows that lie no more than the gap apart.
 *
 * Place       one input; output: keys, then a column a call.  Late rows go to WR_PORT_LATE.
 * State       a table of sessions, each with its bounds and its aggregates' states, those of a key
 *             in a tree by time (session_tree.c); a table of distinct values for each DISTINCT
 *             call; a heap of timers.  A session leaves when the watermark has passed its end (and
 *             the lateness).
 * Invariants  C1  a session is [first event, last event + gap]; an event exactly a gap later
 *                 belongs to it
 *             C2  what comes out depends on the rows, their order and their watermarks alone
 *                 (design 12.1); A1-A3 of session_assign.c
 *             C3  folded, the changes of `emit: changes` are the rows of `emit: final` at every
 *                 watermark for the sessions still open, and the last rows of those that have
 *                 closed
 *             C4  after the end nothing is left
 * Cost        a row of a key with one session: key words, one probe, two comparisons, a store for
 *             each call.  A key with n sessions: O(log n) more.  A session: one timer, O(log
 *             sessions).
 */
#include "operator/session_impl.h"

#include "data/datetime.h"

#include <string.h>

wr_time
wr_session_effective(const sessions *s, wr_time watermark)
{
    wr_time w = wr_watermark_shift(watermark, s->config->window.watermark_offset);
    return w > WR_TIME_NEGINF && w < WR_TIME_POSINF ? w - 1 : w;
}

/* --- open --- */

static weir_status
check_config(const wr_aggregate_config *c, weir_error *err)
{
    WR_TRY(wr_window_check(&c->window, err));
    if (c->window.kind != WR_WINDOW_SESSION || c->time_key >= 0)
        return wr_error_set(err, WEIR_QUERY_WINDOW, "sessions need a window of their kind");
    if (c->lateness_us > INT64_MAX / 4)
        return wr_error_set(err, WEIR_QUERY, "a lateness of more than 70,000 years");
    for (uint32_t i = 0; i < c->call_count; i++)
        if (c->calls[i].aggregate->merge == NULL)
            return wr_error_at(err, WEIR_QUERY_UNSUPPORTED, c->calls[i].location,
                               "%s cannot be computed over sessions: they merge",
                               c->calls[i].aggregate->name);
    return WEIR_OK;
}

static weir_status
open_keys(sessions *s)
{
    const wr_aggregate_config *c = s->config;
    wr_type                   *types = wr_alloc(s->ctx->state, c->key_count * sizeof *types);
    s->table_keys = wr_alloc(s->ctx->state, c->key_count * sizeof *s->table_keys);
    s->key_source = wr_alloc(s->ctx->state, c->key_count * sizeof *s->key_source);
    weir_status status = WEIR_MEMORY;
    if (types == NULL || s->table_keys == NULL || s->key_source == NULL)
        goto done;
    for (uint32_t k = 0; k < c->key_count; k++) {
        s->key_source[k] = c->keys[k];
        if (c->keys[k] < 0)
            continue;
        s->key_source[k] = (int32_t) s->table_key_count;
        types[s->table_key_count] = c->key_types[k];
        s->table_keys[s->table_key_count++] = (uint32_t) c->keys[k];
    }
    status = wr_key_layout_init(&s->layout, s->ctx->state, types, s->table_key_count, true, true);
done:
    wr_free(types);
    return status;
}

static weir_status
open_tables(sessions *s)
{
    wr_group_table_init(&s->table, s->ctx->state, &s->layout, s->head_bytes + s->calls.user_bytes);
    s->values = wr_calloc(s->ctx->state, s->distinct_count, sizeof *s->values);
    if (s->values == NULL)
        return WEIR_MEMORY;
    uint32_t d = 0;
    for (uint32_t i = 0; i < s->calls.count; i++) {
        agg_call *call = &s->calls.calls[i];
        if (call->distinct == NULL)
            continue;
        wr_group_table_init(&s->values[d], s->ctx->state, &call->distinct->values, sizeof(session_value));
        call->table = ++d;
    }
    wr_assert(d == s->distinct_count);
    return WEIR_OK;
}

static void session_close(void *self);

static weir_status
session_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    sessions                  *s = self;
    const wr_aggregate_config *c = config;
    s->config = c;
    s->ctx = ctx;
    s->closed = WR_TIME_START;
    weir_status status = check_config(c, err);
    if (status != WEIR_OK)
        return status;
    s->gap = c->window.size;
    s->lateness = c->late == WR_LATE_UPDATE ? (int64_t) c->lateness_us : 0;
    s->shows = c->emit == WR_EMIT_CHANGES || s->lateness > 0;
    for (uint32_t i = 0; i < c->call_count; i++)
        s->distinct_count += c->calls[i].distinct && c->calls[i].arg_count > 0;
    s->head_bytes =
        (offsetof(session_head, values) + s->distinct_count * sizeof(uint32_t) + 7) & ~(size_t) 7;
    status = open_keys(s);
    if (status == WEIR_OK) {
        s->head_offset = wr_group_user_offset(&s->layout);
        status = wr_agg_calls_open(&s->calls, ctx, c->calls, c->call_count,
                                   s->head_offset + s->head_bytes, false, err);
    }
    if (status == WEIR_OK)
        status = open_tables(s);
    if (status == WEIR_MEMORY)
        status = wr_error_set(err, WEIR_MEMORY, "no memory for %u keys and %u aggregates",
                              c->key_count, c->call_count);
    if (status != WEIR_OK)
        session_close(s);
    return status;
}

static void
step_destroy(sessions *s)
{
    session_step *step = s->step;
    if (step == NULL)
        return;
    wr_row_keys_fini(&step->keys);
    wr_row_keys_fini(&step->one_key);
    wr_batch_release(step->before);
    wr_free(step->key_columns);
    wr_free(step);
    s->step = NULL;
}

static bool
step_drop(void *self)
{
    sessions *s = self;
    if (s->step != NULL && s->step->begun)
        return false;
    step_destroy(s);
    return true;
}

static void
session_close(void *self)
{
    sessions *s = self;
    for (uint32_t i = 0; i < s->pending_count; i++)
        wr_batch_release(s->pending[i]);
    s->pending_count = 0;
    wr_scratch_gone(s->ctx->scratch, s);
    step_destroy(s);
    wr_group_table_fini(&s->table);
    for (uint32_t d = 0; s->values != NULL && d < s->distinct_count; d++)
        wr_group_table_fini(&s->values[d]);
    wr_agg_calls_close(&s->calls);
    wr_key_layout_fini(&s->layout);
    wr_free(s->values);
    wr_free(s->timers);
    wr_free(s->table_keys);
    wr_free(s->key_source);
    s->values = NULL;
    s->timers = NULL;
    s->table_keys = NULL;
    s->key_source = NULL;
}

/* --- process --- */

weir_status
wr_session_step_create(sessions *s)
{
    if (s->step != NULL)
        return WEIR_OK;
    session_step *step = wr_alloc(s->ctx->flow, sizeof *step);
    if (step == NULL)
        return WEIR_MEMORY;
    memset(step, 0, offsetof(session_step, rows));
    wr_row_keys_init(&step->keys, &s->layout, s->ctx->flow);
    wr_row_keys_init(&step->one_key, &s->layout, s->ctx->flow);
    s->step = step;
    wr_scratch_made(s->ctx->scratch, s, step_drop);
    step->key_columns = wr_alloc(s->ctx->flow, s->table_key_count * sizeof *step->key_columns);
    if (step->key_columns == NULL) {
        step_destroy(s);
        return WEIR_MEMORY;
    }
    return WEIR_OK;
}

/* Rows with a time that a session can hold. */
static void
times_read(sessions *s, const wr_batch *in)
{
    session_step    *step = s->step;
    const wr_column *c = in->columns[s->config->window.time_column];
    uint32_t         kept = 0;
    for (uint32_t i = 0; i < step->count; i++) {
        uint32_t row = step->rows[i];
        if (wr_column_is_null(c, row))
            continue;
        wr_time t = wr_event_time_get(c, row);
        if (!wr_window_can_hold(&s->config->window, t))
            continue;
        step->rows[kept] = (uint16_t) row;
        step->times[kept++] = t;
    }
    atomic_fetch_add_explicit(&s->ctx->counters.rows_null_time, step->count - kept,
                              memory_order_relaxed);
    step->count = kept;
}

/* Everything that is done once for a batch: arguments, times, keys and their first rows. */
static wr_flow
step_begin(sessions *s, const wr_batch *in)
{
    if (wr_session_step_create(s) != WEIR_OK)
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for sessions");
    session_step *step = s->step;
    for (uint32_t i = 0; in->diff != NULL && i < in->row_count; i++)
        if (in->diff[wr_batch_row(in, i)] < 0)
            return wr_ctx_fail(s->ctx, WEIR_QUERY_UNSUPPORTED,
                               "sessions cannot take rows back, and their input retracts some");
    step->count = in->row_count;
    step->at = step->late_count = step->created_count = step->part_count = step->touched_count = 0;
    for (uint32_t i = 0; i < in->row_count; i++)
        step->rows[i] = (uint16_t) wr_batch_row(in, i);
    if (!wr_agg_calls_begin(&s->calls, in, step->rows, &step->count))
        return WR_FLOW_FAIL;
    times_read(s, in);
    for (uint32_t k = 0; k < s->table_key_count; k++)
        step->key_columns[k] = in->columns[s->table_keys[k]];
    memset(step->prefixes, 0, step->count * sizeof *step->prefixes);
    if (wr_row_keys_fill(&step->keys, step->key_columns, step->rows, step->count,
                         in->physical_count, step->prefixes) != WEIR_OK ||
        wr_group_table_find(&s->table, &step->keys, NULL, step->count, step->firsts, step->created,
                            &step->created_count) != WEIR_OK)
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u keys", step->count);
    step->begun = true;
    return WR_FLOW_NEXT;
}

static wr_flow
step_end(sessions *s, const wr_batch *in)
{
    session_step *step = s->step;
    step->begun = false;
    wr_agg_calls_end(&s->calls);
    for (uint32_t i = 0; i < step->created_count; i++) /* keys of which all rows were late */
        if (wr_session_remove_empty(s, step->created[i]) != WEIR_OK)
            return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for sessions");
    wr_session_count_state(s);
    if (step->late_count == 0)
        return WR_FLOW_NEXT;
    atomic_fetch_add_explicit(&s->ctx->counters.rows_late, step->late_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->ctx->counters.windows_late, step->late_count,
                              memory_order_relaxed);
    if (!s->ctx->late_wanted)
        return WR_FLOW_NEXT;
    wr_batch *late = wr_batch_select(s->ctx->flow, in, step->late, step->late_count);
    if (late == NULL)
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u late rows", step->late_count);
    wr_ctx_emit(s->ctx, WR_PORT_LATE, late);
    return WR_FLOW_NEXT;
}

static wr_flow
session_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    sessions *s = self;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!wr_session_drain(s))
        return WR_FLOW_AGAIN;
    if (s->step == NULL || !s->step->begun) {
        wr_flow flow = step_begin(s, in);
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    while (s->step->at < s->step->count) {
        weir_status status = wr_session_assign(s, in);
        if (status == WEIR_MEMORY)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u sessions", s->table.live);
        if (status != WEIR_OK)
            return WR_FLOW_FAIL; /* it has said why */
        if (wr_session_before_take(s) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
        if (wr_session_update(s, in) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for the aggregates' state");
        if (wr_session_after_emit(s) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
        if (!wr_session_drain(s))
            return WR_FLOW_AGAIN;
    }
    return step_end(s, in);
}

void
wr_session_count_state(sessions *s)
{
    atomic_store_explicit(&s->ctx->counters.state_keys, s->table.live, memory_order_relaxed);
}

static wr_flow
session_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    (void) ctx;
    wr_flow flow = wr_session_close_until(self, watermark);
    wr_session_count_state(self);
    return flow;
}

static wr_flow
session_finish(void *self, wr_ctx *ctx)
{
    return session_advance(self, ctx, WR_TIME_END);
}

/* --- explain --- */

static void
session_explain(const void *config, wr_text *to)
{
    const wr_aggregate_config *c = config;
    wr_interval                gap = { .us = c->window.size };
    for (uint32_t i = 0; i < c->call_count; i++)
        wr_text_printf(to, "%s%s%s", i > 0 ? ", " : "", c->calls[i].aggregate->name,
                       c->calls[i].distinct ? " distinct" : "");
    for (uint32_t k = 0; k < c->key_count; k++) {
        wr_text_puts(to, k > 0 ? ", " : " by ");
        if (c->keys[k] < 0)
            wr_text_puts(to, c->keys[k] == WR_KEY_WINDOW_START ? "window_start" : "window_end");
        else
            wr_text_puts(to, c->input->fields[c->keys[k]].name);
    }
    wr_text_puts(to, " in sessions with gap ");
    wr_interval_print(&gap, to);
    wr_text_puts(to, c->emit == WR_EMIT_FINAL ? ", emit final" : ", emit changes");
}

const wr_operator_ops wr_session_aggregate_ops = {
    .name = "session_aggregate",
    .self_size = sizeof(sessions),
    .open = session_open,
    .process = session_process,
    .advance = session_advance,
    .finish = session_finish,
    .freeze = wr_session_freeze,
    .write = wr_session_write,
    .thaw = wr_session_thaw,
    .restore = wr_session_restore,
    .close = session_close,
    .explain = session_explain,
};
