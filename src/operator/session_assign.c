/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/session_assign.c -- which row joins which session, what is late, what merges.
 *
 * A row at t reaches a session [start, last] when start - gap <= t <= last + gap.  It joins those
 * it reaches that are open for it: a session has closed for a row when last + gap (and the
 * lateness, if late rows may update) is before the row's own watermark.
 *
 *     gap 10        0    5        ...  21   25
 *     row at 13     |----|--->13<------|----|       reaches both: they become one, [0, 25]
 *     row at 16     |----|          16-|----|       it joins [21, 25], though 26 may have passed
 *
 * Invariants  A1  the sessions of a row depend on the rows before it and on its watermark, never on
 *                 batches
 *             A2  a row that joins none is late when its own session, [t, t + gap], has closed for
 *                 it
 *             A3  rows are joined in their order: a part ends before a row that merges sessions
 */
#include "operator/session_impl.h"

static bool
closed_for(const sessions *s, wr_time end, wr_time w)
{
    wr_time last;
    return !__builtin_add_overflow(end, s->lateness, &last) && last <= w;
}

static bool
open_for(const sessions *s, const session_head *h, wr_time w)
{
    return !closed_for(s, wr_session_end(s, h), w);
}

weir_status
wr_session_place(sessions *s, uint32_t first, wr_time start, wr_time last, uint32_t *id)
{
    wr_group *g;
    WR_TRY(wr_session_own(s, first, &g));
    *id = first;
    wr_session_head(s, g)->first = first;
    if (g->count != 0) {
        WR_TRY(wr_group_table_find(&s->table, &s->step->one_key, NULL, 1, id, NULL, NULL));
        wr_assert(*id != first);
        WR_TRY(wr_session_own(s, *id, &g));
    }
    session_head *h = wr_session_head(s, g);
    h->first = first;
    h->armed = WR_TIME_END;
    h->serial = ++s->serial;
    h->start = start;
    h->last = last;
    if (!wr_agg_calls_enter(&s->calls, &s->table))
        return WEIR_MEMORY;
    wr_agg_calls_init(&s->calls, g);
    return wr_session_tree_insert(s, *id);
}

/* A session for row i alone. */
static weir_status
session_begin(sessions *s, const wr_batch *in, uint32_t i, uint32_t *id)
{
    session_step *step = s->step;
    uint64_t      prefix = s->serial + 1;
    uint32_t      first = step->firsts[i];
    if (wr_group_table_row(&s->table, first)->count != 0)
        WR_TRY(wr_row_keys_fill(&step->one_key, step->key_columns, &step->rows[i], 1,
                                in->physical_count, &prefix));
    WR_TRY(wr_session_place(s, first, step->times[i], step->times[i], id));
    return wr_session_arm(s, *id);
}

static bool
starts_before(const sessions *s, uint32_t a, uint32_t b)
{
    const session_head *x = wr_session_head(s, wr_group_table_row(&s->table, a));
    const session_head *y = wr_session_head(s, wr_group_table_row(&s->table, b));
    return x->start != y->start ? x->start < y->start : x->serial < y->serial;
}

/* Sessions ids[0..count) of one key become one, in the order of their starts. */
static weir_status
sessions_join(sessions *s, uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) /* a handful, and mostly in order */
        for (uint32_t j = i; j > 0 && starts_before(s, ids[j], ids[j - 1]); j--) {
            uint32_t id = ids[j];
            ids[j] = ids[j - 1];
            ids[j - 1] = id;
        }
    uint32_t first = wr_session_head(s, wr_group_table_row(&s->table, ids[0]))->first;
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_session_tree_remove(s, ids[i]));
    for (uint32_t i = 1; i < count; i++)
        if (ids[i] == first) { /* the first row stays */
            WR_TRY(wr_session_swap(s, ids[0], first));
            ids[i] = ids[0];
            ids[0] = first;
        }
    for (uint32_t i = 1; i < count; i++)
        WR_TRY(wr_session_merge(s, ids[0], ids[i]));
    WR_TRY(wr_session_tree_insert(s, ids[0]));
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t t = 0; t < s->step->touched_count; t++)
            if (s->step->touched[t].id == ids[i])
                s->step->touched[t].id = UINT32_MAX;
        WR_TRY(wr_session_free(s, ids[i]));
    }
    return wr_session_arm(s, ids[0]);
}

/* The sessions that a row joins, into one; what they showed is taken first. */
static weir_status
found_merge(sessions *s, uint32_t count)
{
    uint32_t *found = s->step->found;
    if (count == WR_BATCH_ROWS_MAX) {
        (void) wr_ctx_fail(s->ctx, WEIR_LIMIT, "%u sessions of one key meet", count);
        return WEIR_LIMIT;
    }
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_session_touch(s, found[i]));
    if (wr_session_before_take(s) != WR_FLOW_NEXT)
        return s->ctx->error->code;
    return sessions_join(s, found, count);
}

static weir_status
row_join(sessions *s, const wr_batch *in, uint32_t i, uint32_t id)
{
    session_step *step = s->step;
    wr_group     *g;
    WR_TRY(wr_session_touch(s, id));
    WR_TRY(wr_session_own(s, id, &g));
    session_head *h = wr_session_head(s, g);
    wr_time       t = step->times[i];
    if (t < h->start || t > h->last) {
        bool single = wr_session_tree_single(s, id);
        if (!single)
            WR_TRY(wr_session_tree_remove(s, id));
        h->start = WR_MIN(h->start, t);
        h->last = WR_MAX(h->last, t);
        h->min_start = h->start;
        if (!single)
            WR_TRY(wr_session_tree_insert(s, id));
    }
    g->count += wr_batch_diff(in, step->rows[i]);
    step->part_rows[step->part_count] = step->rows[i];
    step->part_ids[step->part_count++] = id;
    return WEIR_OK;
}

weir_status
wr_session_assign(sessions *s, const wr_batch *in)
{
    session_step *step = s->step;
    wr_time       before = wr_session_effective(s, in->watermark_before);
    bool          merged = false;
    while (step->at < step->count && step->part_count < WR_BATCH_ROWS_MAX) {
        uint32_t i = step->at, id;
        wr_time  t = step->times[i];
        wr_time w = in->row_watermark != NULL
                        ? wr_session_effective(s, in->row_watermark[step->rows[i]])
                        : before;
        uint32_t count = wr_session_tree_find(s, step->firsts[i], t - s->gap, t + s->gap, open_for,
                                              w, step->found);
        if (count > 1) {
            if (step->part_count > 0)
                return WEIR_OK; /* A3 */
            WR_TRY(found_merge(s, count));
            merged = true;
            continue; /* the row finds one session now */
        }
        step->at++;
        if (count == 0 && closed_for(s, t + s->gap, w)) { /* A2 */
            step->late[step->late_count++] = step->rows[i];
            continue;
        }
        if (count == 0)
            WR_TRY(session_begin(s, in, i, &id));
        else
            id = step->found[0];
        WR_TRY(row_join(s, in, i, id));
        if (merged)
            return WEIR_OK;
    }
    return WEIR_OK;
}
