/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/views.c -- looking into a running job, from any thread: figures for `why`, `top`, metrics.
 */
#include "runtime/runtime_impl.h"

#include <stdio.h>
#include <string.h>

wr_stream *
wr_runtime_stream(wr_runtime *runtime, uint32_t index)
{
    wr_assert(index < runtime->job->stream_count);
    return runtime->streams[index];
}

void
wr_runtime_source_view(wr_runtime *runtime, uint32_t index, wr_source_view *view)
{
    source *s = &runtime->sources[index];
    wr_time least = WR_TIME_END;
    wr_assert(index < runtime->source_count);
    *view = (wr_source_view){ .name = s->binding->name, .held_by = -1 };
    view->rows = atomic_load_explicit(&s->rows, memory_order_relaxed);
    view->bytes = atomic_load_explicit(&s->bytes, memory_order_relaxed);
    view->bad = atomic_load_explicit(&s->bad, memory_order_relaxed);
    view->future = atomic_load_explicit(&s->future, memory_order_relaxed);
    view->filtered = atomic_load_explicit(&s->filtered, memory_order_relaxed);
    wr_mutex_lock(&s->lock);
    view->watermark = s->watermark;
    view->lane_count = s->lane_count;
    for (const wr_lane *l = s->lanes; l != NULL; l = l->next) {
        uint32_t flags = atomic_load_explicit(&l->view, memory_order_relaxed);
        view->paused += !l->ended && (flags & LANE_PAUSED) != 0;
        view->held += !l->ended && (flags & LANE_HELD) != 0;
        if (!l->idle && !l->ended && l->watermark < least) {
            least = l->watermark;
            view->held_by = l->partition;
        }
    }
    memcpy(view->last_bad, s->last_bad, sizeof view->last_bad);
    wr_mutex_unlock(&s->lock);
}

static void
lane_view(const wr_lane *l, wr_lane_view *view)
{
    uint32_t flags = atomic_load_explicit(&l->view, memory_order_relaxed);
    *view = (wr_lane_view){ .partition = l->partition,
                            .watermark = l->watermark,
                            .rows = atomic_load_explicit(&l->rows, memory_order_relaxed),
                            .bad = atomic_load_explicit(&l->bad, memory_order_relaxed),
                            .null_time = atomic_load_explicit(&l->null_time, memory_order_relaxed),
                            .idle = l->idle,
                            .ended = l->ended,
                            .caught_up = (flags & LANE_CAUGHT_UP) != 0,
                            .paused = (flags & LANE_PAUSED) != 0,
                            .held = (flags & LANE_HELD) != 0 };
}

/* Lanes that a checkpoint knows and nobody has made again are shown too: how far each partition had come. */
uint32_t
wr_runtime_lanes(wr_runtime *runtime, uint32_t index, wr_lane_view *views, uint32_t max)
{
    source  *s = &runtime->sources[index];
    uint32_t count = 0;
    wr_mutex_lock(&s->lock);
    for (const wr_lane *l = s->lanes; l != NULL && count < max; l = l->next)
        lane_view(l, &views[count++]);
    uint32_t live = count;
    for (uint32_t i = 0; i < s->restored_count && count < max; i++) {
        const lane_state *state = &s->restored[i];
        bool              made = false;
        for (uint32_t v = 0; v < live && !made; v++)
            made = views[v].partition == state->partition;
        if (!made)
            views[count++] = (wr_lane_view){ .partition = state->partition,
                                             .watermark = state->watermark,
                                             .rows = state->rows,
                                             .bad = state->bad,
                                             .null_time = state->null_time,
                                             .ended = state->ended };
    }
    wr_mutex_unlock(&s->lock);
    return count;
}

bool
wr_runtime_source_extent(wr_runtime *runtime, uint32_t index, wr_source_extent *sum)
{
    source *s = &runtime->sources[index];
    bool    known = s->binding->ops->extent != NULL;
    *sum = (wr_source_extent){ .bytes = true };
    for (uint32_t i = 0; known && i < s->shard_count; i++) {
        wr_source_extent one = { 0 };
        if (!s->shards[i].opened || !s->binding->ops->extent(s->shards[i].self, &one))
            return false;
        sum->read += one.read;
        sum->whole += one.whole;
        sum->bytes = sum->bytes && (one.bytes || one.whole == 0);
    }
    return known;
}

void
wr_runtime_source_describe(wr_runtime *runtime, uint32_t index, wr_text *to)
{
    source *s = &runtime->sources[index];
    for (uint32_t i = 0; s->binding->ops->describe != NULL && i < s->shard_count; i++)
        if (s->shards[i].opened)
            s->binding->ops->describe(s->shards[i].self, to);
}

bool
wr_runtime_source_away(wr_runtime *runtime, uint32_t index, wr_text *why)
{
    source *s = &runtime->sources[index];
    bool    away = false;
    for (uint32_t i = 0; s->binding->ops->away != NULL && i < s->shard_count && !away; i++)
        away = s->shards[i].opened && s->binding->ops->away(s->shards[i].self, why);
    return away;
}

static void
counters_add(wr_op_counters *sum, const wr_op_counters *c)
{
    enum { WORDS = sizeof *sum / sizeof(uint64_t) };
    _Static_assert(sizeof *sum % sizeof(uint64_t) == 0, "counters are words alone");
    _Atomic uint64_t       *to = (_Atomic uint64_t *) sum;
    const _Atomic uint64_t *from = (const _Atomic uint64_t *) c;
    for (int i = 0; i < WORDS; i++)
        atomic_fetch_add_explicit(&to[i], atomic_load_explicit(&from[i], memory_order_relaxed),
                                  memory_order_relaxed);
}

/* Rows that an index kept from the first operator, a filter, count as if it had seen them. */
static void
counters_add_passed(wr_op_counters *sum, const inputs *in)
{
    for (uint32_t i = 0; i < in->count; i++) {
        uint64_t passed = in->list[i].routed != NULL ? wr_routed_passed(in->list[i].routed) : 0;
        atomic_fetch_add_explicit(&sum->rows_in, passed, memory_order_relaxed);
        atomic_fetch_add_explicit(&sum->rows_filtered, passed, memory_order_relaxed);
    }
}

/* A task that waits for rows of its own stands where the stream stands, though nobody told it. */
static wr_time
segment_watermark(const segment_task *s)
{
    wr_time w = atomic_load_explicit(&s->watermark_view, memory_order_relaxed), least = WR_TIME_END;
    for (uint32_t i = 0; i < s->in.count; i++) {
        wr_time stands = s->in.list[i].routed != NULL ? wr_routed_standing(s->in.list[i].routed)
                                                     : WR_TIME_START;
        least = WR_MIN(least, stands);
    }
    return s->in.count > 0 ? WR_MAX(w, least) : w;
}

void
wr_runtime_op_counters(wr_runtime *runtime, uint32_t segment, uint32_t op, wr_op_counters *sum,
                       uint64_t *state_bytes, wr_time *watermark)
{
    wr_assert(segment < runtime->job->segment_count);
    segment_shards *g = &runtime->segments[runtime->segments[segment].host];
    op += runtime->segments[segment].first_op;
    memset(sum, 0, sizeof *sum);
    *state_bytes = 0;
    *watermark = WR_TIME_END;
    for (uint32_t i = 0; i < g->count; i++) {
        chain *c = &g->shards[i].chain;
        wr_assert(op < c->count);
        counters_add(sum, &c->ops[op].ctx.counters);
        if (op == 0)
            counters_add_passed(sum, &g->shards[i].in);
        *state_bytes += c->ops[op].state != NULL ? wr_budget_used(c->ops[op].state) : 0;
        wr_time w = segment_watermark(&g->shards[i]);
        *watermark = WR_MIN(*watermark, w);
    }
}

uint64_t
wr_runtime_rows_left(wr_runtime *runtime, uint32_t segment)
{
    wr_assert(segment < runtime->job->segment_count);
    const segment_shards *g = &runtime->segments[segment];
    uint64_t rows = 0;
    for (uint32_t i = 0; g->host == segment && i < g->count; i++)
        rows += atomic_load_explicit(&g->shards[i].chain.rows_left, memory_order_relaxed);
    return rows;
}

void
wr_runtime_op_sample(wr_runtime *runtime, uint32_t segment, uint32_t op, char *text, size_t bytes)
{
    wr_assert(segment < runtime->job->segment_count && bytes > 0);
    const segment_shards *from = &runtime->segments[segment];
    const segment_shards *g = &runtime->segments[from->host];
    text[0] = '\0';
    for (uint32_t i = 0; i < g->count && text[0] == '\0'; i++)
        wr_ctx_sample_copy(&g->shards[i].chain.ops[from->first_op + op].ctx, text, bytes);
}

void
wr_runtime_sink_view(wr_runtime *runtime, uint32_t index, wr_sink_view *view)
{
    sink_task *s = &runtime->sinks[index];
    wr_assert(index < runtime->sink_count);
    *view = (wr_sink_view){ .name = s->binding->name };
    view->rows = atomic_load_explicit(&s->ctx.rows, memory_order_relaxed);
    view->bytes = atomic_load_explicit(&s->ctx.bytes, memory_order_relaxed);
    view->errors = atomic_load_explicit(&s->ctx.errors, memory_order_relaxed);
    view->retries = atomic_load_explicit(&s->ctx.retries, memory_order_relaxed);
    view->blocked = atomic_load_explicit(&s->stuck, memory_order_relaxed) != 0;
    wr_stream *stream = runtime->streams[s->binding->stream];
    for (uint32_t i = 0; i < wr_stream_shards(stream); i++) {
        uint64_t next = wr_reader_position(s->in.list[i].reader, i), head = wr_stream_head(stream, i);
        view->queued_batches += head >= next ? head + 1 - next : 0;
    }
    wr_mutex_lock(&s->error_lock);
    memcpy(view->last_error, s->last_error, sizeof view->last_error);
    wr_mutex_unlock(&s->error_lock);
}

void
wr_runtime_checkpoint_view(wr_runtime *runtime, wr_checkpoint_view *view)
{
    wr_mutex_lock(&runtime->coordinator.lock);
    *view = runtime->coordinator.view;
    wr_mutex_unlock(&runtime->coordinator.lock);
    view->journal_bytes = runtime->undo.journal != NULL ? wr_journal_bytes(runtime->undo.journal) : 0;
}
