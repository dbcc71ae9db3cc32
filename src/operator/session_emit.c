/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session_emit.c -- sessions as rows: results, changes, timers, closing.
 *
 * Timers are a heap with one live entry a session; a session that has grown since its timer was set
 * is given a new one when the old one rings.
 *
 * Invariants  E1  emit final: a session comes out once, when its end <= W; a late row that updates
 *                 it takes it back, and it comes out again as it is then, or when it closes again
 *             E2  emit changes: the old and the new row of a session stand in one batch, the old
 *                 ones first
 *             E3  a session's EMITTED flag says that what it showed last has not been taken back
 *             E4  a batch has at most 4,096 rows; between AGAIN and the same call the place is in
 *                 self
 *             E5  a session has a timer that rings no later than it is due
 */
#include "operator/session_impl.h"

#include "data/datetime.h"

#include <stdio.h>
#include <string.h>

enum { PAIRS_MAX = WR_BATCH_ROWS_MAX / 2 };

/* --- results --- */

/* The sessions to be shown: rows of the table, and their bounds. */
typedef struct shown {
    uint32_t count;
    char    *groups[WR_BATCH_ROWS_MAX];
    wr_time  starts[WR_BATCH_ROWS_MAX], lasts[WR_BATCH_ROWS_MAX];
    uint64_t failed[WR_BATCH_ROWS_MAX / 64]; /* those without a result */
} shown;

static void
shown_add(const sessions *s, shown *list, uint32_t id)
{
    wr_group           *g = wr_group_table_row(&s->table, id);
    const session_head *h = wr_session_head(s, g);
    list->groups[list->count] = (char *) g;
    list->starts[list->count] = h->start;
    list->lasts[list->count++] = h->last;
}

static shown *
shown_create(sessions *s)
{
    shown *list = wr_arena_alloc(&s->ctx->eval.step, sizeof *list);
    if (list == NULL) {
        (void) wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for results");
        return NULL;
    }
    list->count = 0;
    memset(list->failed, 0, sizeof list->failed);
    return list;
}

static wr_column *
bound_column(const sessions *s, wr_type type, const wr_time *times, uint32_t count, int64_t add)
{
    wr_column *c = wr_column_create(s->ctx->flow, type, count);
    for (uint32_t i = 0; c != NULL && i < count; i++) {
        wr_time t = times[i] + add;
        if (type.id == WR_DATE)
            ((int32_t *) c->data)[i] =
                (int32_t) (wr_window_align(t, WR_US_PER_DAY, 0) / WR_US_PER_DAY);
        else
            ((wr_time *) c->data)[i] = t;
    }
    return c;
}

static wr_column *
key_column(const sessions *s, uint32_t key, shown *list)
{
    wr_type type = s->config->key_types[key];
    switch (s->key_source[key]) {
    case WR_KEY_WINDOW_START:
        return bound_column(s, type, list->starts, list->count, 0);
    case WR_KEY_WINDOW_END:
        return bound_column(s, type, list->lasts, list->count, s->gap);
    default:
        return wr_key_column_make(&s->layout, s->ctx->flow, list->groups, WR_GROUP_KEY_OFFSET,
                                  list->count, (uint32_t) s->key_source[key]);
    }
}

static wr_flow
result_failed(sessions *s, const agg_call *call, weir_status status, wr_column *column,
              uint32_t row, shown *list)
{
    const char *name = call->spec->aggregate->name;
    if (!wr_status_is_row(status) || s->ctx->on_row_error == WR_ROW_FAIL)
        return wr_ctx_fail(s->ctx, status, "%s: %s", name, weir_status_text(status));
    wr_ctx_sample(s->ctx, status, "%s: %s", name, weir_status_text(status));
    wr_bitmap_set(list->failed, row);
    if (wr_column_set_null(column, row) != WEIR_OK)
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for results");
    return WR_FLOW_NEXT;
}

static wr_flow
result_column(sessions *s, agg_call *call, shown *list, wr_column **out)
{
    const wr_aggregate *g = call->spec->aggregate;
    wr_column          *c = wr_column_create(s->ctx->flow, call->spec->result, list->count);
    *out = c;
    if (c == NULL)
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u results", list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        weir_status status =
            g->result_at(&call->ctx, list->groups[i] + call->offset, &s->ctx->eval.step, c, i);
        if (WR_UNLIKELY(status != WEIR_OK) &&
            result_failed(s, call, status, c, i, list) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
    }
    return WR_FLOW_NEXT;
}

/* A row a session; NULL: failed. */
static wr_batch *
results(sessions *s, shown *list)
{
    uint32_t  keys = s->config->key_count;
    wr_batch *b = wr_batch_create(s->ctx->flow, keys + s->calls.count);
    bool      ok = b != NULL && wr_agg_calls_enter(&s->calls, &s->table);
    for (uint32_t k = 0; ok && k < keys; k++)
        ok = (b->columns[k] = key_column(s, k, list)) != NULL;
    if (!ok) {
        (void) wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u results", list->count);
        wr_batch_release(b);
        return NULL;
    }
    b->row_count = b->physical_count = list->count;
    for (uint32_t i = 0; i < s->calls.count; i++)
        if (result_column(s, &s->calls.calls[i], list, &b->columns[keys + i]) != WR_FLOW_NEXT) {
            wr_batch_release(b);
            return NULL;
        }
    return b;
}

/* --- pending batches --- */

bool
wr_session_drain(sessions *s)
{
    uint32_t taken = 0;
    while (taken < s->pending_count && wr_ctx_has_room(s->ctx, WR_PORT_MAIN))
        wr_ctx_emit(s->ctx, WR_PORT_MAIN, s->pending[taken++]);
    s->pending_count -= taken;
    memmove(s->pending, s->pending + taken, s->pending_count * sizeof *s->pending);
    return s->pending_count == 0;
}

static void
pend(sessions *s, wr_batch *batch)
{
    wr_assert(s->pending_count < WR_COUNT(s->pending));
    s->pending[s->pending_count++] = batch;
}

/* The rows that did not fail, into pending.  Takes batch. */
static wr_flow
pend_good(sessions *s, wr_batch *batch, const shown *list)
{
    uint32_t  kept = 0;
    uint16_t *rows = wr_arena_alloc(&s->ctx->eval.step, list->count * sizeof *rows);
    bool      told = true;
    for (uint32_t i = 0; rows != NULL && i < list->count; i++) {
        rows[kept] = (uint16_t) i;
        kept += !wr_bitmap_get(list->failed, i);
        told = told && (!wr_bitmap_get(list->failed, i) ||
                        wr_ctx_bad_result(s->ctx, batch, i) == WR_FLOW_NEXT);
    }
    if (rows != NULL && kept == list->count) {
        pend(s, batch);
        return WR_FLOW_NEXT;
    }
    wr_batch *good =
        rows != NULL && kept > 0 ? wr_batch_select(s->ctx->flow, batch, rows, kept) : NULL;
    wr_batch_release(batch);
    if (rows == NULL || !told || (kept > 0 && good == NULL)) {
        wr_batch_release(good);
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u results", list->count);
    }
    if (good != NULL)
        pend(s, good);
    return WR_FLOW_NEXT;
}

/* --- changes --- */

weir_status
wr_session_touch(sessions *s, uint32_t id)
{
    wr_group     *g;
    session_step *step = s->step;
    if (!s->shows)
        return WEIR_OK;
    WR_TRY(wr_session_own(s, id, &g));
    if ((g->flags & WR_GROUP_DIRTY) != 0)
        return WEIR_OK;
    const session_head *h = wr_session_head(s, g);
    bool                out = (g->flags & WR_GROUP_EMITTED) != 0; /* E3 */
    g->flags |= WR_GROUP_DIRTY;
    wr_assert(step->touched_count < WR_COUNT(step->touched));
    step->touched[step->touched_count++] =
        (session_touched){ id, out ? 0 : AGG_NO_ROW, h->start, h->last };
    return WEIR_OK;
}

wr_flow
wr_session_before_take(sessions *s)
{
    session_step *step = s->step;
    if (step->before_taken || step->touched_count == 0)
        return WR_FLOW_NEXT;
    shown *list = shown_create(s);
    if (list == NULL)
        return WR_FLOW_FAIL;
    step->before_taken = true;
    for (uint32_t i = 0; i < step->touched_count; i++) {
        session_touched *t = &step->touched[i];
        if (t->before == AGG_NO_ROW)
            continue;
        t->before = list->count;
        list->groups[list->count] = (char *) wr_group_table_row(&s->table, t->id);
        list->starts[list->count] = t->start;
        list->lasts[list->count++] = t->last;
    }
    if (list->count == 0)
        return WR_FLOW_NEXT;
    step->before = results(s, list);
    return step->before != NULL ? WR_FLOW_NEXT : WR_FLOW_FAIL;
}

static wr_column *
column_join(const sessions *s, uint32_t c, const wr_batch *old, const uint16_t *old_rows,
            uint32_t old_count, const wr_batch *now, const uint16_t *now_rows, uint32_t now_count)
{
    wr_column *made = wr_column_create(s->ctx->flow, s->config->output->fields[c].type,
                                       old_count + now_count);
    bool       ok = made != NULL;
    if (ok && old_count > 0)
        ok = wr_column_append(made, 0, old->columns[c], old_rows, old_count, false) == WEIR_OK;
    if (ok && now_count > 0)
        ok = wr_column_append(made, old_count, now->columns[c], now_rows, now_count, false) ==
             WEIR_OK;
    if (!ok) {
        wr_column_release(made);
        return NULL;
    }
    return made;
}

/* E2 */
static wr_flow
pend_changes(sessions *s, const wr_batch *old, const uint16_t *old_rows, uint32_t old_count,
             const wr_batch *now, const uint16_t *now_rows, uint32_t now_count)
{
    uint32_t  count = old_count + now_count, columns = s->config->key_count + s->calls.count;
    if (count == 0)
        return WR_FLOW_NEXT;
    wr_batch *b = wr_batch_create(s->ctx->flow, columns);
    bool      ok = b != NULL;
    for (uint32_t c = 0; ok && c < columns; c++) {
        b->columns[c] = column_join(s, c, old, old_rows, old_count, now, now_rows, now_count);
        ok = b->columns[c] != NULL;
    }
    if (ok && old_count > 0)
        ok = (b->diff = wr_alloc(s->ctx->flow, count * sizeof *b->diff)) != NULL;
    if (!ok) {
        wr_batch_release(b);
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u changes", count);
    }
    b->row_count = b->physical_count = count;
    for (uint32_t i = 0; b->diff != NULL && i < count; i++)
        b->diff[i] = i < old_count ? -1 : 1;
    pend(s, b);
    return WR_FLOW_NEXT;
}

/* Whether touched sessions show now; those that do into list, *of[i] their row. */
static weir_status
touched_settle(sessions *s, shown *list, uint32_t *of)
{
    session_step *step = s->step;
    for (uint32_t i = 0; i < step->touched_count; i++) {
        wr_group *g;
        of[i] = AGG_NO_ROW;
        if (step->touched[i].id == UINT32_MAX)
            continue;
        WR_TRY(wr_session_own(s, step->touched[i].id, &g));
        session_head *h = wr_session_head(s, g);
        bool passed = wr_session_end(s, h) <= s->closed && s->config->emit == WR_EMIT_FINAL;
        g->flags &= ~(uint32_t) (WR_GROUP_DIRTY | WR_GROUP_EMITTED);
        h->flags = passed ? SESSION_CLOSED : 0;
        WR_TRY(wr_session_arm(s, g->id));
        if (!passed && s->config->emit == WR_EMIT_FINAL)
            continue;
        of[i] = list->count;
    }
    /* Owning and arming move no row any more. */
    for (uint32_t i = 0; i < step->touched_count; i++)
        if (of[i] != AGG_NO_ROW) {
            of[i] = list->count;
            shown_add(s, list, step->touched[i].id);
        }
    return WEIR_OK;
}

static wr_flow
changes_emit(sessions *s, const wr_batch *now, const shown *list, const uint32_t *of)
{
    session_step *step = s->step;
    uint16_t      old_rows[PAIRS_MAX], now_rows[PAIRS_MAX];
    uint32_t      old_count = 0, now_count = 0;
    for (uint32_t i = 0; i < step->touched_count; i++) {
        bool new = of[i] != AGG_NO_ROW;
        if (new && wr_bitmap_get(list->failed, of[i])) {
            if (wr_ctx_bad_result(s->ctx, now, of[i]) != WR_FLOW_NEXT)
                return WR_FLOW_FAIL;
            new = false;
        }
        if (step->touched[i].before != AGG_NO_ROW)
            old_rows[old_count++] = (uint16_t) step->touched[i].before;
        if (new) {
            wr_group_table_row(&s->table, step->touched[i].id)->flags |= WR_GROUP_EMITTED; /* E3 */
            now_rows[now_count++] = (uint16_t) of[i];
        }
        if (old_count == PAIRS_MAX || now_count == PAIRS_MAX) {
            wr_flow flow =
                pend_changes(s, step->before, old_rows, old_count, now, now_rows, now_count);
            if (flow != WR_FLOW_NEXT)
                return flow;
            old_count = now_count = 0;
        }
    }
    return pend_changes(s, step->before, old_rows, old_count, now, now_rows, now_count);
}

wr_flow
wr_session_after_emit(sessions *s)
{
    session_step *step = s->step;
    wr_flow       flow = WR_FLOW_NEXT;
    wr_batch     *now = NULL;
    if (step->touched_count > 0) {
        shown    *list = shown_create(s);
        uint32_t *of = wr_arena_alloc(&s->ctx->eval.step, step->touched_count * sizeof *of);
        if (list == NULL || of == NULL || touched_settle(s, list, of) != WEIR_OK)
            flow =
                wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory for %u changes", step->touched_count);
        if (flow == WR_FLOW_NEXT && list->count > 0 && (now = results(s, list)) == NULL)
            flow = WR_FLOW_FAIL;
        if (flow == WR_FLOW_NEXT)
            flow = changes_emit(s, now, list, of);
    }
    wr_batch_release(now);
    wr_batch_release(step->before);
    step->before = NULL;
    step->before_taken = false;
    step->touched_count = step->part_count = 0;
    return flow;
}

/* --- timers --- */

/* When something is to be done about a session next. */
static wr_time
session_due(const sessions *s, const session_head *h)
{
    wr_time end = wr_session_end(s, h), last;
    if (s->config->emit == WR_EMIT_FINAL && (h->flags & SESSION_CLOSED) == 0)
        return end;
    return __builtin_add_overflow(end, s->lateness, &last) ? WR_TIME_POSINF
                                                           : WR_MIN(last, WR_TIME_POSINF);
}

weir_status
wr_session_arm(sessions *s, uint32_t id)
{
    wr_group *g;
    WR_TRY(wr_session_own(s, id, &g));
    session_head *h = wr_session_head(s, g);
    wr_time       due = session_due(s, h);
    if (due >= h->armed)
        return WEIR_OK; /* E5: it is given another when it rings */
    if (s->timer_count == s->timer_capacity) {
        uint32_t more = WR_MAX(16u, s->timer_capacity * 2);
        void    *timers = wr_realloc(s->ctx->state, s->timers, more * sizeof *s->timers);
        if (timers == NULL)
            return WEIR_MEMORY;
        s->timers = timers;
        s->timer_capacity = more;
    }
    h->armed = due;
    uint32_t at = s->timer_count++;
    for (; at > 0 && s->timers[(at - 1) / 2].due > due; at = (at - 1) / 2)
        s->timers[at] = s->timers[(at - 1) / 2];
    s->timers[at] = (session_timer){ .due = due, .id = id };
    return WEIR_OK;
}

static session_timer
timer_pop(sessions *s)
{
    session_timer top = s->timers[0], last = s->timers[--s->timer_count];
    uint32_t      at = 0;
    for (uint32_t child; (child = at * 2 + 1) < s->timer_count; at = child) {
        child += child + 1 < s->timer_count && s->timers[child + 1].due < s->timers[child].due;
        if (s->timers[child].due >= last.due)
            break;
        s->timers[at] = s->timers[child];
    }
    s->timers[at] = last;
    return top;
}

/* --- closing --- */

/* Sessions whose time has come: those to come out, and those to leave. */
typedef struct due_sessions {
    uint32_t closing_count, leaving_count;
    uint32_t closing[WR_BATCH_ROWS_MAX], leaving[WR_BATCH_ROWS_MAX];
} due_sessions;

static weir_status
due_collect(sessions *s, wr_time w, due_sessions *due)
{
    due->closing_count = due->leaving_count = 0;
    while (s->timer_count > 0 && s->timers[0].due <= w && due->closing_count < WR_BATCH_ROWS_MAX &&
           due->leaving_count < WR_BATCH_ROWS_MAX) {
        session_timer   timer = timer_pop(s);
        const wr_group *g = wr_group_table_row(&s->table, timer.id);
        wr_group       *own;
        if ((g->flags & WR_GROUP_DEAD) != 0 || wr_session_head(s, g)->armed != timer.due)
            continue; /* a timer of one that has left, or has another */
        WR_TRY(wr_session_own(s, timer.id, &own));
        session_head *h = wr_session_head(s, own);
        h->armed = WR_TIME_END;
        if (session_due(s, h) > w) {
            WR_TRY(wr_session_arm(s, timer.id));
            continue;
        }
        if (s->config->emit == WR_EMIT_FINAL && (h->flags & SESSION_CLOSED) == 0)
            due->closing[due->closing_count++] = timer.id;
        else
            due->leaving[due->leaving_count++] = timer.id;
    }
    return WEIR_OK;
}

static weir_status
remove_all(sessions *s, const uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_session_remove(s, ids[i]));
    return WEIR_OK;
}

static wr_flow
close_some(sessions *s, due_sessions *due)
{
    weir_status status = WEIR_OK;
    shown      *list = due->closing_count > 0 ? shown_create(s) : NULL;
    if (due->closing_count > 0 && list == NULL)
        return WR_FLOW_FAIL;
    for (uint32_t i = 0; i < due->closing_count; i++)
        shown_add(s, list, due->closing[i]);
    if (due->closing_count > 0) {
        wr_batch *b = results(s, list);
        if (b == NULL || pend_good(s, b, list) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
    }
    for (uint32_t i = 0; i < due->closing_count && s->lateness > 0 && status == WEIR_OK; i++) {
        wr_group *g;
        status = wr_session_own(s, due->closing[i], &g);
        if (status != WEIR_OK)
            break;
        g->flags |= wr_bitmap_get(list->failed, i) ? 0 : WR_GROUP_EMITTED;
        wr_session_head(s, g)->flags |= SESSION_CLOSED;
        status = wr_session_arm(s, due->closing[i]);
    }
    if (status == WEIR_OK && s->lateness == 0)
        status = remove_all(s, due->closing, due->closing_count);
    if (status == WEIR_OK)
        status = remove_all(s, due->leaving, due->leaving_count);
    return status == WEIR_OK ? WR_FLOW_NEXT
                             : wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory to close sessions");
}

wr_flow
wr_session_close_until(sessions *s, wr_time watermark)
{
    wr_time w = wr_session_effective(s, watermark);
    if (!wr_session_drain(s))
        return WR_FLOW_AGAIN;
    while (s->timer_count > 0 && s->timers[0].due <= w) {
        due_sessions *due = wr_arena_alloc(&s->ctx->eval.step, sizeof *due);
        if (due == NULL || due_collect(s, w, due) != WEIR_OK)
            return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory to close sessions");
        if (close_some(s, due) != WR_FLOW_NEXT)
            return WR_FLOW_FAIL;
        if (!wr_session_drain(s))
            return WR_FLOW_AGAIN; /* E4 */
    }
    s->closed = WR_MAX(s->closed, w);
    if (wr_session_compact(s) != WEIR_OK)
        return wr_ctx_fail(s->ctx, WEIR_MEMORY, "no memory to tidy up sessions");
    return WR_FLOW_NEXT;
}
