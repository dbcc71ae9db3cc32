/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/window_assign.c -- each row once for each window it is in, with the window's bounds.
 *
 * Place       one input, one output: FROM tumble(...), hop(...), cumulate(...) without aggregation.
 * State       none; the place in an input batch is kept only between AGAIN and the same call again.
 * Invariants  A1  a row out of window w stands as often as rows in w hold its time; rows in their
 *                 order, windows of a row ascending by end
 *             A2  a row without a time (NULL, infinite) is in no window and is counted
 *             A3  late rows pass: each row keeps the watermark that judges it
 *             A4  of the batches made from one, the first begins at its watermark_before, the
 *                 last ends at its watermark_after, and none overlaps the next
 * Cost        rows that are in one window each keep their columns; a batch within one window has its bounds
 *             as constants.  Else each column is gathered.
 */
#include "operator/window_assign.h"

#include "data/datetime.h"
#include "operator/event_time.h"

#include <string.h>

typedef struct assign_scratch {
    wr_event_times times;
    uint16_t       rows[WR_BATCH_ROWS_MAX];
    wr_time        starts[WR_BATCH_ROWS_MAX], ends[WR_BATCH_ROWS_MAX];
} assign_scratch;

typedef struct assign {
    const wr_window_assign_config *config;
    assign_scratch *scratch; /* made by the first batch: an idle operator is small */
    bool                           begun;    /* between AGAIN and the same call again     */
    uint32_t                       row_next; /* index into times                          */
    wr_time                        end_next; /* the next window of that row               */
    wr_time                        stamped;  /* watermark_after of the last batch made    */
    bool                           single;   /* what was filled is in one window: starts[0], ends[0] */
} assign;

static weir_status
assign_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    assign *a = self;
    (void) ctx;
    a->config = config;
    if (a->config->window.kind == WR_WINDOW_NONE || a->config->window.kind == WR_WINDOW_SESSION)
        return wr_error_set(err, WEIR_QUERY_WINDOW,
                            "a session is known only when it ends: group by it");
    return wr_window_check(&a->config->window, err);
}

/* All rows at once: each is in one window, and mostly in that of the row before. */
static uint32_t
assign_fill_tumbling(assign *a)
{
    const wr_window_spec *spec = &a->config->window;
    const wr_event_times *times = &a->scratch->times;
    wr_time               start = wr_window_align(times->min, spec->size, spec->offset);
    memcpy(a->scratch->rows, times->rows, times->count * sizeof *times->rows);
    a->single = times->max - start < spec->size;
    for (uint32_t i = 0; i < (a->single ? 1 : times->count); i++) {
        wr_time t = times->times[i];
        if (t < start || t - start >= spec->size)
            start = wr_window_align(t, spec->size, spec->offset);
        a->scratch->starts[i] = start;
        a->scratch->ends[i] = start + spec->size;
    }
    a->row_next = times->count;
    return times->count;
}

/* Fill rows, starts and ends from the place we are at; the number filled. */
static uint32_t
assign_fill(assign *a)
{
    const wr_window_spec *spec = &a->config->window;
    uint32_t              count = 0;
    a->single = false;
    if (spec->kind == WR_WINDOW_TUMBLE)
        return assign_fill_tumbling(a);
    while (a->row_next < a->scratch->times.count) {
        wr_time t = a->scratch->times.times[a->row_next];
        wr_time last = wr_window_last_end(spec, t);
        if (a->end_next == WR_TIME_START)
            a->end_next = wr_window_first_end(spec, t);
        for (; a->end_next <= last; a->end_next += spec->slide) {
            if (count == WR_BATCH_ROWS_MAX)
                return count;
            a->scratch->rows[count] = a->scratch->times.rows[a->row_next];
            a->scratch->starts[count] = wr_window_start_of(spec, a->end_next);
            a->scratch->ends[count++] = a->end_next;
        }
        a->row_next++;
        a->end_next = WR_TIME_START;
    }
    return count;
}

static wr_column *
times_column(const assign *a, wr_budget *budget, const wr_time *times, uint32_t count)
{
    wr_value value = { .type = a->config->type, .integer = times[0] };
    if (a->single)
        return wr_column_create_constant(budget, &value);
    wr_column *c = wr_column_create(budget, a->config->type, count);
    if (c != NULL)
        memcpy(c->data, times, count * sizeof *times);
    return c;
}

/* A3, A4 */
static bool
assign_stamp(assign *a, wr_ctx *ctx, const wr_batch *in, wr_batch *out)
{
    uint32_t count = out->row_count;
    wr_batch_copy_header(out, in);
    out->watermark_before = a->stamped;
    wr_time most = a->stamped;
    if (in->row_watermark != NULL) {
        out->row_watermark = wr_alloc(ctx->flow, count * sizeof *out->row_watermark);
        if (out->row_watermark == NULL)
            return false;
        for (uint32_t i = 0; i < count; i++) {
            out->row_watermark[i] = WR_MAX(in->row_watermark[a->scratch->rows[i]], a->stamped);
            most = WR_MAX(most, out->row_watermark[i]);
        }
    }
    most = WR_MIN(most, in->watermark_after); /* rows may be judged by more (batch.h, B4) */
    out->watermark_after = a->row_next == a->scratch->times.count ? in->watermark_after : most;
    a->stamped = out->watermark_after;
    if (in->diff == NULL)
        return true;
    out->diff = wr_alloc(ctx->flow, count * sizeof *out->diff);
    if (out->diff == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++)
        out->diff[i] = in->diff[a->scratch->rows[i]];
    return true;
}

static wr_batch *
assign_make(assign *a, wr_ctx *ctx, const wr_batch *in, uint32_t count)
{
    uint32_t  width = in->column_count;
    wr_batch *out = wr_batch_create(ctx->flow, width + 2);
    if (out == NULL)
        return NULL;
    out->row_count = count;
    out->physical_count = count;
    bool same = a->config->window.kind == WR_WINDOW_TUMBLE && in->selection == NULL &&
                count == in->row_count; /* the rows of in, in their order */
    for (uint32_t c = 0; c < width; c++)
        if (in->columns[c] != NULL &&
            (out->columns[c] = same ? wr_column_retain(in->columns[c])
                                    : wr_column_gather(ctx->flow, in->columns[c],
                                                       a->scratch->rows, count)) == NULL)
            goto fail;
    if ((out->columns[width] = times_column(a, ctx->flow, a->scratch->starts, count)) == NULL ||
        (out->columns[width + 1] = times_column(a, ctx->flow, a->scratch->ends, count)) == NULL ||
        !assign_stamp(a, ctx, in, out))
        goto fail;
    return out;
fail:
    wr_batch_release(out);
    return NULL;
}

static wr_flow
assign_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    assign               *a = self;
    const wr_window_spec *spec = &a->config->window;
    wr_assert(port == 0 && spec->time_column < in->column_count);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (a->scratch == NULL && (a->scratch = wr_alloc(ctx->flow, sizeof *a->scratch)) == NULL)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to assign windows");
    if (!a->begun) {
        wr_event_times_read(&a->scratch->times, in->columns[spec->time_column], wr_batch_rows(in),
                            spec);
        atomic_fetch_add_explicit(&ctx->counters.rows_null_time, a->scratch->times.missing,
                                  memory_order_relaxed); /* A2 */
        a->begun = true;
        a->row_next = 0;
        a->end_next = WR_TIME_START;
        a->stamped = in->watermark_before;
    }
    while (a->row_next < a->scratch->times.count) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        uint32_t  count = assign_fill(a);
        wr_batch *out = assign_make(a, ctx, in, count);
        if (out == NULL)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for %u rows in windows", count);
        wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    }
    a->begun = false;
    return WR_FLOW_NEXT;
}

static void
assign_close(void *self)
{
    assign *a = self;
    wr_free(a->scratch);
    a->scratch = NULL;
}

static const char *const kind_names[] = { "none", "tumble", "hop", "cumulate", "session" };

static void
assign_explain(const void *config, wr_text *to)
{
    const wr_window_spec *spec = &((const wr_window_assign_config *) config)->window;
    wr_interval           size = { .us = spec->size }, slide = { .us = spec->slide };
    wr_text_printf(to, "%s #%u size ", kind_names[spec->kind], spec->time_column);
    wr_interval_print(&size, to);
    if (spec->kind != WR_WINDOW_TUMBLE) {
        wr_text_puts(to, " slide ");
        wr_interval_print(&slide, to);
    }
}

const wr_operator_ops wr_window_assign_ops = {
    .name = "window_assign",
    .self_size = sizeof(assign),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = assign_open,
    .process = assign_process,
    .close = assign_close,
    .explain = assign_explain,
};
