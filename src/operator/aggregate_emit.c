/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_emit.c -- groups as rows: results, changes, and the closing of windows.
 *
 * Invariants  E1  emit final: each group of a window comes out once, when the window's end <= W
 *             E2  emit changes: a step's old and new row of a group stand in one batch, the old one
 *                 first, at most one of each, and only when they differ
 *             E3  a group's EMITTED flag says that what it showed last has not been taken back
 *             E4  a batch has at most 4,096 rows; between AGAIN and the same call the place is in
 *                 self
 */
#include "operator/aggregate_impl.h"

#include "data/datetime.h"
#include "state/column_same.h"

#include <stdio.h>

#include <string.h>

enum { PAIRS_MAX = WR_BATCH_ROWS_MAX / 2 };

/* --- rows of groups --- */

static wr_column *
bound_column(aggregate *a, wr_type type, wr_time t)
{
    wr_value value = { .type = type, .integer = t };
    if (type.id == WR_DATE)
        value.integer = wr_time_date(t);
    return wr_column_create_constant(a->ctx->flow, &value);
}

static wr_column *
key_column(aggregate *a, const wr_pane *pane, uint32_t key, char **groups, uint32_t count)
{
    wr_type type = a->config->key_types[key];
    switch (a->key_source[key]) {
    case WR_KEY_WINDOW_START:
        return bound_column(a, type, pane->start);
    case WR_KEY_WINDOW_END:
        return bound_column(a, type, pane->end);
    case KEY_TIME:
        if (pane->null_time) {
            wr_value null = wr_value_null(type);
            return wr_column_create_constant(a->ctx->flow, &null);
        }
        return bound_column(a, type, pane->start);
    default:
        return wr_key_column_make(&a->layout, a->ctx->flow, groups, WR_GROUP_KEY_OFFSET, count,
                                  (uint32_t) a->key_source[key]);
    }
}

static wr_flow
result_failed(aggregate *a, const agg_call *call, weir_status status, wr_column *column,
              uint32_t row, uint64_t *failed)
{
    if (!wr_status_is_row(status))
        return wr_ctx_fail(a->ctx, status, "%s: %s", call->spec->aggregate->name,
                           weir_status_text(status));
    if (a->ctx->on_row_error == WR_ROW_FAIL)
        return wr_ctx_fail(a->ctx, status, "%s: %s", call->spec->aggregate->name,
                           weir_status_text(status));
    wr_ctx_sample(a->ctx, status, "%s: %s", call->spec->aggregate->name, weir_status_text(status));
    wr_bitmap_set(failed, row);
    if (wr_column_set_null(column, row) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for results");
    return WR_FLOW_NEXT;
}

/* Results of groups[0..count) of one call into rows [at, at + count) of its column. */
static wr_flow
result_column(aggregate *a, agg_call *call, char **groups, uint32_t count, wr_column *c, uint32_t at,
              uint64_t *failed)
{
    const wr_aggregate *g = call->spec->aggregate;
    for (uint32_t i = 0; g->plain && i < count; i++)
        ((int64_t *) c->data)[at + i] =
            *(const int64_t *) (const void *) (groups[i] + call->offset);
    for (uint32_t i = 0; !g->plain && i < count; i++) {
        weir_status status =
            g->result_at(&call->ctx, groups[i] + call->offset, &a->ctx->eval.step, c, at + i);
        if (WR_UNLIKELY(status != WEIR_OK) &&
            result_failed(a, call, status, c, at + i, failed) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
    }
    return WR_FLOW_NEXT;
}

static wr_flow
results_nomem(aggregate *a, uint32_t count)
{
    return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u results", count);
}

/* A batch with room for `capacity` results, without keys; NULL: failed. */
static wr_batch *
results_create(aggregate *a, uint32_t capacity)
{
    uint32_t  keys = a->config->key_count;
    wr_batch *b = wr_batch_create(a->ctx->flow, keys + a->calls.count);
    bool      made = b != NULL;
    for (uint32_t i = 0; i < a->calls.count && made; i++) {
        wr_type type = a->calls.calls[i].spec->result;
        b->columns[keys + i] = wr_column_create(a->ctx->flow, type, capacity);
        made = b->columns[keys + i] != NULL;
    }
    if (made)
        return b;
    wr_batch_release(b);
    (void) results_nomem(a, capacity);
    return NULL;
}

/* Results of groups[0..count) into rows [at, at + count); failed (a bitmap) gets those without one. */
static wr_flow
results_put(aggregate *a, wr_batch *b, char **groups, uint32_t count, uint32_t at, uint64_t *failed)
{
    uint32_t keys = a->config->key_count;
    for (uint32_t i = 0; i < a->calls.count; i++)
        if (result_column(a, &a->calls.calls[i], groups, count, b->columns[keys + i], at, failed) !=
            WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
    return WR_FLOW_NEXT;
}

/* The keys of groups[0..count), which are the batch's rows. */
static wr_flow
results_keys(aggregate *a, const wr_pane *pane, wr_batch *b, char **groups, uint32_t count)
{
    b->row_count = count;
    b->physical_count = count;
    for (uint32_t k = 0; k < a->config->key_count; k++)
        if ((b->columns[k] = key_column(a, pane, k, groups, count)) == NULL)
            return results_nomem(a, count);
    return WR_FLOW_NEXT;
}

/* Rows of groups[0..count), one each; failed (a bitmap, cleared) gets those without a result. */
static wr_batch *
results(aggregate *a, const wr_pane *pane, char **groups, uint32_t count, uint64_t *failed)
{
    wr_batch *b = results_create(a, count);
    memset(failed, 0, WR_BATCH_ROWS_MAX / 8);
    if (b != NULL && results_keys(a, pane, b, groups, count) == WR_FLOW_NEXT &&
        results_put(a, b, groups, count, 0, failed) == WR_FLOW_NEXT)
        return b;
    wr_batch_release(b);
    return NULL;
}

/* --- pending batches --- */

bool
wr_agg_drain(aggregate *a)
{
    uint32_t taken = 0;
    while (taken < a->pending_count && wr_ctx_has_room(a->ctx, WR_PORT_MAIN))
        wr_ctx_emit(a->ctx, WR_PORT_MAIN, a->pending[taken++]);
    a->pending_count -= taken;
    memmove(a->pending, a->pending + taken, a->pending_count * sizeof *a->pending);
    return a->pending_count == 0;
}

static void
pend(aggregate *a, wr_batch *batch)
{
    wr_assert(a->pending_count < WR_COUNT(a->pending));
    a->pending[a->pending_count++] = batch;
}

/* The rows of batch that did not fail, into pending.  Takes batch. */
static wr_flow
pend_good(aggregate *a, wr_batch *batch, const uint64_t *failed)
{
    uint32_t  count = batch->row_count, kept = 0;
    uint16_t *rows = wr_arena_alloc(&a->ctx->eval.step, count * sizeof *rows);
    bool      told = true;
    for (uint32_t i = 0; rows != NULL && i < count; i++) {
        rows[kept] = (uint16_t) i;
        kept += !wr_bitmap_get(failed, i);
        told = told && (!wr_bitmap_get(failed, i) ||
                        wr_ctx_bad_result(a->ctx, batch, i) == WR_FLOW_NEXT);
    }
    if (rows == NULL || !told) {
        wr_batch_release(batch);
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u results", count);
    }
    if (kept < count) {
        wr_batch *good = kept > 0 ? wr_batch_select(a->ctx->flow, batch, rows, kept) : NULL;
        wr_batch_release(batch);
        if (kept == 0)
            return WR_FLOW_NEXT;
        if (good == NULL)
            return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u results", kept);
        batch = good;
    }
    pend(a, batch);
    return WR_FLOW_NEXT;
}

/* --- changes --- */

/* Dirty groups [first, *until) go into one batch, old rows and new. */
static uint32_t
part_first(uint32_t part)
{
    return part * PAIRS_MAX;
}

static uint32_t
part_until(const agg_step *s, uint32_t part)
{
    return WR_MIN(s->dirty_count, (part + 1) * PAIRS_MAX);
}

/* What the groups of a part show, into the first rows of what may become its changes. */
static wr_flow
part_before(aggregate *a, wr_pane *pane, agg_before *before, uint32_t part, char **groups)
{
    agg_step *s = a->step;
    uint32_t  first = part_first(part), until = part_until(s, part), count = 0;
    uint64_t  failed[WR_BATCH_ROWS_MAX / 64] = { 0 };
    for (uint32_t i = first; i < until; i++) {
        wr_group *g = wr_group_table_row(&pane->tables[0], s->dirty[i]);
        bool      shown = (g->flags & WR_GROUP_EMITTED) != 0; /* E3 */
        before->of[i] = shown ? (uint16_t) count : (uint16_t) AGG_NO_ROW;
        groups[count] = (char *) g;
        count += shown;
    }
    before->shown[part] = count;
    before->batches[part] = results_create(a, 2 * (until - first));
    if (before->batches[part] == NULL)
        return WR_FLOW_FAIL;
    return results_put(a, before->batches[part], groups, count, 0, failed);
}

wr_flow
wr_agg_before_take(aggregate *a, wr_pane *pane, agg_before *before)
{
    agg_step *s = a->step;
    wr_arena *arena = &a->ctx->eval.step;
    char    **groups = wr_arena_alloc(arena, PAIRS_MAX * sizeof *groups);
    wr_flow   flow = WR_FLOW_NEXT;
    before->of = wr_arena_alloc(arena, s->dirty_count * sizeof *before->of);
    if (groups == NULL || before->of == NULL)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u changes", s->dirty_count);
    for (uint32_t p = 0; part_first(p) < s->dirty_count && flow == WR_FLOW_NEXT; p++)
        flow = part_before(a, pane, before, p, groups);
    return flow;
}

void
wr_agg_before_release(agg_before *before)
{
    for (uint32_t p = 0; p < WR_COUNT(before->batches); p++) {
        wr_batch_release(before->batches[p]);
        before->batches[p] = NULL;
    }
}

/* A result that only looks alike (1.0, 1.00) is a change. */
static bool
results_same(const aggregate *a, const wr_batch *b, uint32_t i, uint32_t j)
{
    for (uint32_t c = a->config->key_count; c < b->column_count; c++)
        if (!wr_column_same(b->columns[c], i, b->columns[c], j))
            return false;
    return true;
}

/* What a part's groups show now, behind what they showed; now_of[i]: of the part's i-th dirty group, its row. */
static wr_flow
part_now(aggregate *a, wr_pane *pane, const agg_before *before, uint32_t part, uint16_t *now_of)
{
    agg_step *s = a->step;
    wr_batch *b = before->batches[part];
    uint32_t  first = part_first(part), until = part_until(s, part), old = before->shown[part];
    uint32_t  count = old;
    uint64_t  failed[WR_BATCH_ROWS_MAX / 64] = { 0 };
    char    **groups = wr_arena_alloc(&a->ctx->eval.step, 2 * PAIRS_MAX * sizeof *groups);
    if (groups == NULL)
        return results_nomem(a, until - first);
    for (uint32_t i = first; i < until; i++) {
        wr_group *g = wr_group_table_row(&pane->tables[0], s->dirty[i]);
        bool      shows = g->count > 0 || a->config->global;
        if (before->of[i] != AGG_NO_ROW)
            groups[before->of[i]] = (char *) g;
        now_of[i - first] = shows ? (uint16_t) count : (uint16_t) AGG_NO_ROW;
        groups[count] = (char *) g;
        count += shows;
    }
    if (results_keys(a, pane, b, groups, count) != WR_FLOW_NEXT ||
        results_put(a, b, groups + old, count - old, old, failed) != WR_FLOW_NEXT)
        return WR_FLOW_FAIL;
    for (uint32_t i = first; i < until; i++) {
        wr_group *g = wr_group_table_row(&pane->tables[0], s->dirty[i]);
        uint16_t *now = &now_of[i - first];
        if (*now != AGG_NO_ROW && wr_bitmap_get(failed, *now)) {
            if (wr_ctx_bad_result(a->ctx, b, *now) != WR_FLOW_NEXT)
                return WR_FLOW_FAIL;
            *now = AGG_NO_ROW;
        }
        g->flags &= ~(uint32_t) (WR_GROUP_DIRTY | WR_GROUP_EMITTED);
        g->flags |= *now != AGG_NO_ROW ? WR_GROUP_EMITTED : 0; /* E3 */
    }
    return WR_FLOW_NEXT;
}

/* The rows of a part's batch that are changes, ascending; returns how many. */
static uint32_t
part_changed(const aggregate *a, const agg_before *before, uint32_t part, const uint16_t *now_of,
             uint16_t *rows)
{
    const agg_step *s = a->step;
    const wr_batch *b = before->batches[part];
    uint32_t        first = part_first(part), until = part_until(s, part), kept = 0;
    uint16_t        now_rows[PAIRS_MAX];
    uint32_t        now_count = 0;
    for (uint32_t i = first; i < until; i++) {
        uint16_t old = before->of[i], now = now_of[i - first];
        if (old != AGG_NO_ROW && now != AGG_NO_ROW && results_same(a, b, old, now))
            continue;
        if (old != AGG_NO_ROW)
            rows[kept++] = old;
        if (now != AGG_NO_ROW)
            now_rows[now_count++] = now;
    }
    memcpy(rows + kept, now_rows, now_count * sizeof *now_rows);
    return kept + now_count;
}

/* E2: the old rows, then the new ones, as one batch of changes. */
static wr_flow
part_pend(aggregate *a, agg_before *before, uint32_t part, const uint16_t *rows, uint32_t count)
{
    wr_batch *b = before->batches[part];
    uint32_t  old = before->shown[part];
    before->batches[part] = NULL;
    if (count < b->row_count) {
        wr_batch *some = count > 0 ? wr_batch_select(a->ctx->flow, b, rows, count) : NULL;
        wr_batch_release(b);
        if (count == 0)
            return WR_FLOW_NEXT;
        if (some == NULL)
            return results_nomem(a, count);
        b = some;
    }
    if (old > 0) {
        wr_assert(b->diff == NULL);
        b->diff = wr_alloc(a->ctx->flow, b->physical_count * sizeof *b->diff);
        if (b->diff == NULL) {
            wr_batch_release(b);
            return results_nomem(a, count);
        }
        for (uint32_t i = 0; i < b->physical_count; i++)
            b->diff[i] = i < old ? -1 : 1;
    }
    pend(a, b);
    return WR_FLOW_NEXT;
}

wr_flow
wr_agg_after_emit(aggregate *a, wr_pane *pane, agg_before *before)
{
    wr_arena *arena = &a->ctx->eval.step;
    uint16_t *now_of = wr_arena_alloc(arena, PAIRS_MAX * sizeof *now_of);
    uint16_t *rows = wr_arena_alloc(arena, 2 * PAIRS_MAX * sizeof *rows);
    wr_flow   flow = WR_FLOW_NEXT;
    if (now_of == NULL || rows == NULL)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u changes", a->step->dirty_count);
    for (uint32_t p = 0; part_first(p) < a->step->dirty_count && flow == WR_FLOW_NEXT; p++) {
        flow = part_now(a, pane, before, p, now_of);
        if (flow == WR_FLOW_NEXT)
            flow = part_pend(a, before, p, rows, part_changed(a, before, p, now_of, rows));
    }
    return flow;
}

/* --- closing --- */

static bool
group_comes_out(const aggregate *a, const wr_group *g)
{
    if ((g->flags & WR_GROUP_DEAD) != 0)
        return false;
    if (g->count <= 0)
        return a->config->global;
    return a->touched_at == 0 || !wr_agg_is_idle(a, g, a->ctx->watermark);
}

wr_flow
wr_agg_emit_pane(aggregate *a, wr_pane *pane)
{
    wr_group_table *table = &pane->tables[0];
    uint64_t        failed[WR_BATCH_ROWS_MAX / 64];
    uint32_t        ids[WR_BATCH_ROWS_MAX];
    if (!wr_agg_calls_enter(&a->calls, table))
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for results");
    while (a->emit_next < table->high) {
        if (!wr_agg_drain(a) || !wr_ctx_has_room(a->ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN; /* E4 */
        char   **groups = wr_arena_alloc(&a->ctx->eval.step, sizeof *groups * WR_BATCH_ROWS_MAX);
        uint32_t count = 0;
        if (groups == NULL)
            return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for results");
        for (; a->emit_next < table->high && count < WR_BATCH_ROWS_MAX; a->emit_next++)
            if (group_comes_out(a, wr_group_table_row(table, a->emit_next)))
                ids[count++] = a->emit_next;
        if (count == 0)
            continue;
        if (a->lateness > 0 && wr_group_table_own(table, ids, count) != WEIR_OK)
            return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for results");
        wr_group_table_rows(table, ids, count, groups);
        wr_batch *b = results(a, pane, groups, count, failed);
        if (b == NULL)
            return WR_FLOW_FAIL;
        for (uint32_t i = 0; a->lateness > 0 && i < count; i++)
            if (!wr_bitmap_get(failed, i))
                ((wr_group *) groups[i])->flags |= WR_GROUP_EMITTED;
        if (pend_good(a, b, failed) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
    }
    if (!wr_agg_drain(a))
        return WR_FLOW_AGAIN;
    a->emit_next = 0;
    return WR_FLOW_NEXT;
}

/* Windows of panes: one after another, in order of their ends. */
static wr_flow
close_windows(aggregate *a, wr_time w)
{
    for (;;) {
        if (a->merged == NULL) {
            wr_time end = wr_agg_next_end(a);
            if (end == WR_TIME_END || end > w)
                return WR_FLOW_NEXT;
            if (wr_agg_merge_window(a, end) != WEIR_OK)
                return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory to close a window");
        }
        wr_flow flow = wr_agg_emit_pane(a, a->merged);
        if (flow != WR_FLOW_NEXT)
            return flow;
        wr_agg_merge_done(a);
        if (wr_agg_drop_passed(a) != WEIR_OK)
            return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory to slide a window");
    }
}

/* Panes that are windows (or values of a time key). */
static wr_flow
close_panes(aggregate *a, wr_time w)
{
    for (uint32_t i = 0; i < a->ring.count;) {
        wr_pane *pane = wr_pane_ring_at(&a->ring, i);
        wr_time  last;
        if (pane->end > w)
            break;
        if (a->config->emit == WR_EMIT_FINAL && !pane->closed) {
            wr_flow flow = wr_agg_emit_pane(a, pane);
            if (flow != WR_FLOW_NEXT)
                return flow;
            pane->closed = true; /* E1 */
        }
        if (w != WR_TIME_END && (__builtin_add_overflow(pane->end, a->lateness, &last) || last > w))
            i++;
        else
            wr_pane_ring_drop(&a->ring, i);
    }
    return WR_FLOW_NEXT;
}

wr_flow
wr_agg_close_until(aggregate *a, wr_time watermark)
{
    wr_time w = wr_agg_effective(a, watermark);
    if (w == WR_TIME_START)
        return WR_FLOW_NEXT;
    wr_flow flow = a->mode == AGG_BY_PANE ? close_windows(a, w) : close_panes(a, w);
    if (flow != WR_FLOW_NEXT)
        return flow;
    a->closed = WR_MAX(a->closed, w);
    if (a->mode == AGG_BY_PANE && wr_agg_drop_passed(a) != WEIR_OK)
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory to slide a window");
    return WR_FLOW_NEXT;
}

void
wr_agg_count_state(aggregate *a)
{
    uint64_t keys = 0;
    for (uint32_t i = 0; i < a->ring.count; i++)
        keys += wr_pane_ring_at(&a->ring, i)->tables[0].live;
    atomic_store_explicit(&a->ctx->counters.state_keys, keys, memory_order_relaxed);
    atomic_store_explicit(&a->ctx->counters.state_panes, a->ring.count, memory_order_relaxed);
}
