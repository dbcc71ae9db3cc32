/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/aggregate_update.c -- the rows of one pane into its groups.
 *
 * The whole is done by columns: find all groups, then one call of each aggregate's update for all
 * rows. A FILTER, ignored NULLs, DISTINCT (aggregate_distinct.c) and retractions only narrow the rows
 * of that call.
 *
 * Invariants  U1  a row touches each call at most |diff| times, and its group's count by diff once
 *             U2  with DISTINCT a value reaches the aggregate when its count becomes positive,
 *                 and is taken back when it stops being so
 *             U3  a group whose count is 0 after a step is gone, unless there is no GROUP BY
 *             U4  a group idle for longer than ttl by its rows' own watermarks starts anew,
 *                 whether or not a sweep came between
 *             U5  a row taken back that has not come counts against the ones to come, and is counted
 *             U6  but with a ttl: it was forgotten, and changes nothing
 */
#include "operator/aggregate_impl.h"

#include <string.h>

/* Rows [0, count) of one call: physical rows and their groups. */
typedef struct part {
    wr_rows      rows;
    char *const *groups;
} part;

/* --- which rows --- */

/* Physical rows of the pane's rows which[0..count), for aggregates that take them in a list. */
static wr_rows
pane_rows(agg_step *s, const uint16_t *which, uint32_t first, uint32_t count)
{
    if (which == NULL && first == 0 && s->dense)
        return (wr_rows){ NULL, count };
    if (which == NULL)
        return (wr_rows){ s->rows + first, count };
    for (uint32_t i = 0; i < count; i++)
        s->part_rows[i] = s->rows[which[i]];
    return (wr_rows){ s->part_rows, count };
}

/*
 * The next part of rows: those that pass and whose diff is at least `times` (sign > 0) or at most
 * -times (sign < 0).  Rows and groups go to the step's arrays, kept apart by sign.
 */
static part
part_take(agg_step *s, const agg_call *call, const wr_batch *in, wr_rows rows, char *const *groups,
          int sign, int64_t times)
{
    uint16_t *to_rows = sign > 0 ? s->plus_rows : s->minus_rows;
    char    **to_groups = sign > 0 ? s->plus_groups : s->minus_groups;
    uint32_t  count = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = agg_row(rows, i);
        int64_t  diff = wr_batch_diff(in, row);
        bool     takes = (sign > 0 ? diff >= times : diff <= -times) &&
                     (!call->narrowed || wr_bitmap_get(call->pass, row));
        to_rows[count] = (uint16_t) row;
        to_groups[count] = groups[i];
        count += takes;
    }
    return (part){ { to_rows, count }, to_groups };
}

wr_flow
wr_agg_refuse_retract(aggregate *a, const agg_call *call)
{
    return wr_ctx_fail(a->ctx, WEIR_QUERY_UNSUPPORTED,
                       "%s cannot take rows back, and its input retracts some",
                       call->spec->aggregate->name);
}

/* --- one call --- */

/* A count with a FILTER, or of values that may be NULL. */
static void
call_count(const agg_call *call, wr_rows rows, char *const *groups)
{
    for (uint32_t i = 0; i < rows.count; i++)
        *(int64_t *) (void *) (groups[i] + call->offset) +=
            wr_bitmap_get(call->pass, agg_row(rows, i));
}

static wr_flow
call_update(aggregate *a, agg_call *call, const wr_batch *in, wr_pane *pane, wr_rows rows,
            char *const *groups)
{
    const wr_aggregate *g = call->spec->aggregate;
    agg_step           *s = a->step;
    if (call->implied)
        return WR_FLOW_NEXT;
    if (call->set != NULL) /* the leader does it for all */
        return call->set == call ? wr_agg_set_update(a, call, in, pane, rows, groups)
                                 : WR_FLOW_NEXT;
    if (!call->narrowed && in->diff == NULL) {
        g->update(&call->ctx, groups, call->offset, call->args, rows);
        return WR_FLOW_NEXT;
    }
    if (g->counts && in->diff == NULL) {
        call_count(call, rows, groups);
        return WR_FLOW_NEXT;
    }
    for (int64_t times = 1;; times++) { /* U1: mostly once */
        part plus = part_take(s, call, in, rows, groups, 1, times);
        if (plus.rows.count == 0)
            break;
        g->update(&call->ctx, plus.groups, call->offset, call->args, plus.rows);
        if (in->diff == NULL)
            break;
    }
    for (int64_t times = 1; s->reversed; times++) {
        part minus = part_take(s, call, in, rows, groups, -1, times);
        if (minus.rows.count == 0)
            break;
        if (g->retract == NULL)
            return wr_agg_refuse_retract(a, call);
        g->retract(&call->ctx, minus.groups, call->offset, call->args, minus.rows);
    }
    return WR_FLOW_NEXT;
}

/* --- idle groups --- */

bool
wr_agg_is_idle(const aggregate *a, const wr_group *g, wr_time watermark)
{
    wr_time until, touched = *agg_touched(a, g);
    if (touched == WR_TIME_START ||
        __builtin_add_overflow(touched, (int64_t) a->config->ttl_us, &until))
        return false;
    return watermark > until;
}

/* U4: start idle groups anew; returns how many of the rows come before one that would have to start
 * anew in the middle of this step. */
static weir_status
idle_restart(aggregate *a, wr_pane *pane, const wr_batch *in, const uint16_t *rows, uint32_t *count)
{
    agg_step *s = a->step;
    uint32_t  i = 0;
    for (; i < *count; i++) {
        wr_group *g = (wr_group *) s->groups[i];
        wr_time   w = wr_batch_row_watermark(in, rows[i]);
        if (wr_agg_is_idle(a, g, w)) {
            if ((g->flags & WR_GROUP_SEEN) != 0)
                break;
            WR_TRY(wr_agg_values_forget(a, pane, g->id));
            g->count = 0;
            g->flags &= ~(uint32_t) WR_GROUP_EMITTED;
            memset((char *) g + wr_group_user_offset(&a->layout), 0, a->calls.user_bytes);
            wr_agg_calls_init(&a->calls, g);
        }
        g->flags |= WR_GROUP_SEEN;
        *agg_touched(a, g) = WR_MAX(*agg_touched(a, g), w);
    }
    for (uint32_t j = 0; j < *count; j++)
        ((wr_group *) s->groups[j])->flags &= ~(uint32_t) WR_GROUP_SEEN;
    *count = i;
    return WEIR_OK;
}

/* U6: a row taken back from an idle group that began anew, or from none, changes nothing: it was forgotten with its
 * group.  *rows and the step's groups keep the others; the step's ids are the groups of those left out, *unknown
 * counts them.  Returns how many were left out. */
static uint32_t
forgotten_drop(agg_step *s, const wr_batch *in, wr_rows *rows, uint64_t *unknown)
{
    uint32_t kept = 0, dropped = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        wr_group *g = (wr_group *) s->groups[i];
        uint32_t  row = agg_row(*rows, i);
        int64_t   diff = wr_batch_diff(in, row);
        if (diff < 0 && g->count <= 0) {
            s->ids[dropped++] = g->id;
            *unknown += (uint64_t) -diff;
            continue;
        }
        g->count += diff; /* for the rows behind it */
        s->groups[kept] = (char *) g;
        s->part_rows[kept++] = (uint16_t) row;
    }
    for (uint32_t i = 0; i < kept; i++)
        ((wr_group *) s->groups[i])->count -= wr_batch_diff(in, s->part_rows[i]);
    if (dropped > 0)
        *rows = (wr_rows){ s->part_rows, kept };
    return dropped;
}

static bool
nested_move(void *user, wr_group *row, wr_arena *to)
{
    aggregate *a = user;
    size_t     keys = wr_group_user_offset(&a->layout);
    wr_group  *copy = wr_alloc(a->ctx->state, keys + a->calls.user_bytes);
    if (copy == NULL)
        return false;
    memcpy(copy, row, keys + a->calls.user_bytes);
    memset((char *) row + keys, 0, a->calls.user_bytes);
    for (uint32_t i = 0; i < a->calls.count; i++)
        a->calls.calls[i].ctx.arena = to;
    row->count = 0;
    wr_agg_calls_merge(&a->calls, row, copy, true);
    wr_free(copy);
    return !wr_agg_calls_failed(&a->calls);
}

static weir_status
compact(aggregate *a, wr_pane *pane)
{
    for (uint32_t t = 0; t < a->table_count; t++)
        if (wr_group_table_wasteful(&pane->tables[t])) {
            bool moves = t == 0 && a->calls.nested && a->calls.mergeable;
            if (t == 0 && a->calls.nested && !moves)
                continue;
            WR_TRY(wr_group_table_compact(&pane->tables[t], moves ? nested_move : NULL, a));
        }
    return WEIR_OK;
}

weir_status
wr_agg_sweep(aggregate *a, wr_time watermark)
{
    uint64_t every = a->config->ttl_us / 8 + 1;
    if (a->touched_at == 0 || a->ring.count == 0 ||
        watermark == WR_TIME_END)
        return WEIR_OK;
    if (a->swept != WR_TIME_START && (uint64_t) watermark - (uint64_t) a->swept < every)
        return WEIR_OK;
    a->swept = watermark;
    wr_pane        *pane = wr_pane_ring_at(&a->ring, 0);
    wr_group_table *groups = &pane->tables[0];
    bool            removed = false;
    for (uint32_t id = 0; id < groups->high; id++) {
        const wr_group *g = wr_group_table_row(groups, id);
        if ((g->flags & WR_GROUP_DEAD) != 0 || !wr_agg_is_idle(a, g, watermark))
            continue;
        WR_TRY(wr_group_table_own(groups, &id, 1));
        WR_TRY(wr_group_table_remove(groups, id));
        removed = true;
    }
    if (removed)
        WR_TRY(wr_agg_values_forget(a, pane, UINT32_MAX));
    return compact(a, pane);
}

/* --- one pane --- */

/* Returns how many rows were taken back that had not come (U5). */
static uint64_t
counts_add(agg_step *s, const wr_batch *in, wr_rows rows)
{
    uint64_t unknown = 0;
    for (uint32_t i = 0; in->diff == NULL && i < rows.count; i++)
        ((wr_group *) s->groups[i])->count++;
    for (uint32_t i = 0; in->diff != NULL && i < rows.count; i++) {
        wr_group *g = (wr_group *) s->groups[i];
        int64_t   diff = in->diff[agg_row(rows, i)];
        g->count += diff;
        if (WR_UNLIKELY(diff < 0 && g->count < 0))
            unknown += (uint64_t) -WR_MAX(diff, g->count);
    }
    return unknown;
}

/* What the calls' bags have noted: unknown rows for the counters, idle bytes for compaction. */
static void
notes_take(aggregate *a, wr_pane *pane, uint64_t unknown)
{
    for (uint32_t i = 0; i < a->calls.count; i++) {
        wr_agg_ctx *ctx = &a->calls.calls[i].ctx;
        unknown = WR_MAX(unknown, ctx->unknown);
        pane->tables[0].idle_bytes += ctx->idle_bytes;
        ctx->unknown = ctx->idle_bytes = 0;
    }
    if (WR_UNLIKELY(unknown > 0))
        atomic_fetch_add_explicit(&a->ctx->counters.rows_unknown, unknown, memory_order_relaxed);
}

static void
dirty_collect(agg_step *s, uint32_t count)
{
    s->dirty_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        wr_group *g = (wr_group *) s->groups[i];
        if ((g->flags & WR_GROUP_DIRTY) != 0)
            continue;
        g->flags |= WR_GROUP_DIRTY;
        s->dirty[s->dirty_count++] = g->id;
    }
}

/* U3 */
static weir_status
empty_remove(aggregate *a, wr_pane *pane, uint32_t count)
{
    wr_group_table *table = &pane->tables[0];
    agg_step       *s = a->step;
    /* what is taken back may stand in another pane of the same time */
    bool            keep = a->config->global ||
                (a->mode == AGG_BY_PANE && wr_pane_ring_shared(&a->ring, pane));
    for (uint32_t i = 0; i < count && !keep; i++) {
        const wr_group *g = (const wr_group *) s->groups[i];
        if (g->count == 0 && (g->flags & WR_GROUP_DEAD) == 0)
            WR_TRY(wr_group_table_remove(table, g->id));
    }
    return a->mode == AGG_WHOLE || table->idle_bytes > 0 ? compact(a, pane) : WEIR_OK;
}

/* The groups that forgotten_drop left without a row. */
static weir_status
forgotten_remove(aggregate *a, wr_pane *pane, uint32_t dropped)
{
    wr_group_table *table = &pane->tables[0];
    for (uint32_t i = 0; i < dropped && !a->config->global; i++) {
        const wr_group *g = wr_group_table_row(table, a->step->ids[i]);
        if (g->count == 0 && (g->flags & WR_GROUP_DEAD) == 0)
            WR_TRY(wr_group_table_remove(table, g->id));
    }
    return WEIR_OK;
}

/* The state is full: rows of keys that are not there are left out, counted. */
static const uint16_t *
groups_shed(aggregate *a, wr_pane *pane, const uint16_t *which, uint32_t *count)
{
    agg_step *s = a->step;
    uint32_t  kept = 0;
    wr_group_table_peek(&pane->tables[0], &s->keys, which, *count, s->ids);
    for (uint32_t i = 0; i < *count; i++) {
        if (s->ids[i] == UINT32_MAX)
            continue;
        s->which[kept] = which != NULL ? which[i] : (uint16_t) i;
        s->ids[kept++] = s->ids[i];
    }
    wr_ctx_count_shed(a->ctx, *count - kept);
    *count = kept;
    return s->which;
}

/* Groups of the step's rows which[0..count), or (NULL) [first, first + count); new ones begun.  counted: each adds
 * one to its group's count, whatever its diff. */
static weir_status
groups_enter(aggregate *a, wr_pane *pane, const uint16_t *which, uint32_t first, uint32_t count,
             bool counted)
{
    agg_step       *s = a->step;
    wr_group_table *table = &pane->tables[0];
    uint32_t        created = 0;
    weir_status     status;
    if (s->words != NULL)
        status = wr_group_table_enter_words(table, which != NULL ? s->words : s->words + first, which,
                                            count, s->groups, counted, s->created, &created);
    else
        status = wr_group_table_enter(table, &s->keys, which, first, count, s->ids, s->groups, counted,
                                      s->created, &created);
    for (uint32_t i = 0; i < created; i++) {
        wr_group *g = wr_group_table_row(table, s->created[i]);
        if (a->touched_at > 0)
            *agg_touched(a, g) = WR_TIME_START;
        wr_agg_calls_init(&a->calls, g);
    }
    return status;
}

/* *which and *count leave out what is shed. */
static weir_status
groups_find(aggregate *a, wr_pane *pane, const uint16_t **which, uint32_t *count)
{
    agg_step       *s = a->step;
    wr_group_table *table = &pane->tables[0];
    bool            sheds = a->touched_at == 0 && wr_ctx_sheds(a->ctx);
    weir_status     status = WEIR_OK;
    if (!sheds)
        status = groups_enter(a, pane, *which, 0, *count, false);
    if (status == WEIR_MEMORY && a->ctx->shed && a->touched_at == 0)
        sheds = true; /* what was made so far stays */
    if (!sheds)
        return status;
    *which = groups_shed(a, pane, *which, count);
    WR_TRY(wr_group_table_own(table, s->ids, *count));
    wr_group_table_rows(table, s->ids, *count, s->groups);
    return WEIR_OK;
}

/* The pane's rows of this step, as a list of indexes; NULL: [*first, count). */
static const uint16_t *
pane_which(agg_step *s, const wr_pane *pane, uint32_t *first, uint32_t *count)
{
    *first = 0;
    *count = 0;
    if (s->single) {
        *first = s->at;
        *count = s->count - s->at;
        if (s->at == 0)
            return NULL;
        for (uint32_t i = 0; i < *count; i++)
            s->which[i] = (uint16_t) (s->at + i);
        return s->which;
    }
    for (uint32_t n = pane->first; n != 0; n = s->assigned_next[n])
        s->which[(*count)++] = s->assigned_row[n];
    return s->which;
}

/* No old result has to be seen, and no row is special: in parts that stay in the nearest cache. */
static bool
update_is_plain(const aggregate *a, const wr_batch *in, bool emits)
{
    return !emits && in->diff == NULL && a->touched_at == 0 && !a->calls.distinct &&
           !a->calls.nested && !a->ctx->shed;
}

static wr_flow
update_plain(aggregate *a, const wr_batch *in, wr_pane *pane, const uint16_t *which, uint32_t count)
{
    enum { PART = 256 };
    agg_step *s = a->step;
    for (uint32_t at = 0; at < count; at += PART) {
        uint32_t        n = WR_MIN(count - at, (uint32_t) PART);
        const uint16_t *rest = which != NULL ? which + at : NULL;
        if (groups_enter(a, pane, rest, at, n, true) != WEIR_OK)
            return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u groups", pane->tables[0].live);
        wr_rows rows = pane_rows(s, rest, at, n);
        for (uint32_t i = 0; i < a->calls.count; i++)
            (void) call_update(a, &a->calls.calls[i], in, pane, rows, s->groups);
    }
    if (wr_agg_calls_failed(&a->calls))
        return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for the aggregates' state");
    return WR_FLOW_NEXT;
}

wr_flow
wr_agg_update_pane(aggregate *a, const wr_batch *in, wr_pane *pane)
{
    agg_step       *s = a->step;
    uint32_t        first, count;
    const uint16_t *which = pane_which(s, pane, &first, &count);
    bool            emits = a->config->emit == WR_EMIT_CHANGES || pane->closed;
    agg_before      before = { 0 };
    wr_flow         flow = WR_FLOW_NEXT;
    uint32_t        all = count;
    if (!wr_agg_calls_enter(&a->calls, &pane->tables[0]))
        goto memory;
    if (update_is_plain(a, in, emits)) {
        s->at = s->single ? s->at + count : s->at;
        return update_plain(a, in, pane, which, count);
    }
    if (groups_find(a, pane, &which, &count) != WEIR_OK)
        goto memory;
    if (count == 0 && all > 0) {
        s->at = s->single ? s->at + all : s->at;
        return WR_FLOW_NEXT;
    }
    uint32_t left_out = all - count, dropped = 0;
    uint64_t unknown = 0;
    wr_rows rows = pane_rows(s, which, first, count);
    if (a->touched_at > 0) {
        for (uint32_t i = 0; rows.rows == NULL && i < count; i++)
            s->part_rows[i] = (uint16_t) i;
        if (idle_restart(a, pane, in, rows.rows != NULL ? rows.rows : s->part_rows, &count) !=
            WEIR_OK)
            goto memory;
        rows.count = count;
        if (s->reversed)
            dropped = forgotten_drop(s, in, &rows, &unknown);
        count -= dropped;
        left_out += dropped;
    }
    s->at = s->single ? s->at + count + left_out : s->at;
    if (emits) {
        dirty_collect(s, count);
        flow = wr_agg_before_take(a, pane, &before);
    }
    unknown += counts_add(s, in, rows);
    for (uint32_t i = 0; i < a->calls.count && flow == WR_FLOW_NEXT; i++)
        flow = call_update(a, &a->calls.calls[i], in, pane, rows, s->groups);
    if (flow == WR_FLOW_NEXT && wr_agg_calls_failed(&a->calls))
        flow = wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for the aggregates' state");
    if (flow == WR_FLOW_NEXT && emits)
        flow = wr_agg_after_emit(a, pane, &before);
    wr_agg_before_release(&before);
    notes_take(a, pane, unknown);
    if (flow == WR_FLOW_NEXT && (forgotten_remove(a, pane, dropped) != WEIR_OK ||
                                 (s->reversed && empty_remove(a, pane, count) != WEIR_OK)))
        goto memory;
    return flow;
memory:
    wr_agg_before_release(&before);
    return wr_ctx_fail(a->ctx, WEIR_MEMORY, "no memory for %u groups", pane->tables[0].live);
}
