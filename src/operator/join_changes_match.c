/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes_match.c -- rows that change against the other side's rows.
 *
 * Rows taken back go first.  A row of the other side that loses its last partner is remembered
 * rather than told, for a row that comes after may be its partner again; what is left of them comes
 * back at the end.  One that finds its first partner is told at once: nothing that follows in the
 * batch takes partners away.
 *
 *     -old  pair(old, r) out;  r has no partner: remembered
 *     +new  pair(new, r) in;   r has one again: forgotten      ...   r itself never moved
 *
 * Invariants  M1  partners of a stored row = the sum of the diffs of what matches it
 */
#include "operator/join_changes_impl.h"

#include <string.h>

static wr_flow
no_memory(join_changes *j)
{
    return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
}

/* Keep the candidates for which the residual is true. */
static wr_flow
filter(join_changes *j)
{
    wr_ctx       *ctx = j->ctx;
    changes_step *s = j->step;
    uint32_t      count = 0;
    if (j->config->residual == NULL || s->pairs == 0)
        return WR_FLOW_NEXT;
    wr_batch *candidates = wr_changes_candidates(j);
    uint16_t *passed = wr_arena_alloc(&ctx->eval.step, s->pairs * sizeof *passed);
    if (candidates == NULL || passed == NULL ||
        wr_expr_filter(&ctx->eval, j->config->residual, candidates, (wr_rows){ NULL, s->pairs },
                       passed, &count) != WEIR_OK) {
        wr_batch_release(candidates);
        return no_memory(j);
    }
    wr_flow flow = WR_FLOW_NEXT;
    if (ctx->eval.error_count > 0)
        flow = wr_ctx_drop_failed(ctx, candidates, passed, &count);
    wr_batch_release(candidates);
    for (uint32_t i = 0; i < count; i++) {
        s->pair_of[i] = s->pair_of[passed[i]];
        s->pair_with[i] = s->pair_with[passed[i]];
    }
    s->pairs = count;
    return flow;
}

/* --- what changes --- */

/* Does a row with, or without, partners come out by itself?  1: yes. */
static int64_t
alone_weight(const join_changes *j, bool has_partner)
{
    return (j->config->kind == WR_JOIN_SEMI) == has_partner ? 1 : 0;
}

/* Row `id` of the other side has lost its last partner, perhaps for a moment. */
static weir_status
lose(join_changes *j, wr_group *g, uint32_t id)
{
    changes_step *s = j->step;
    if (s->lost_count == s->lost_capacity) {
        uint32_t capacity = WR_MAX(64u, s->lost_capacity * 2);
        void    *lost = wr_realloc(j->ctx->flow, s->lost, (size_t) capacity * sizeof *s->lost);
        if (lost == NULL)
            return WEIR_MEMORY;
        s->lost = lost;
        s->lost_capacity = capacity;
    }
    g->flags |= WR_GROUP_SEEN;
    s->lost[s->lost_count++] = id;
    return WEIR_OK;
}

/* M1: the stored row's partners change by diff. */
static weir_status
count_partner(join_changes *j, uint32_t d, uint32_t id)
{
    changes_step   *s = j->step;
    wr_change_side *side = &j->sides[1 - s->port];
    int64_t         diff = s->deltas[d];
    wr_group       *g = wr_change_side_own(side, id);
    if (g == NULL)
        return WEIR_MEMORY;
    wr_change_row *info = wr_change_side_info(side, id);
    int64_t        before = info->partners, now = changes_add(before, diff);
    info->partners = now;
    if (j->config->single && diff > 0 && now > 1 && g->count > 0)
        return WEIR_QUERY_CARDINALITY;
    if (!j->outer[1 - s->port] && !(j->half && s->port == 1))
        return WEIR_OK;
    if (before > 0 && now <= 0)
        return lose(j, g, id);
    if (before > 0 || now <= 0)
        return WEIR_OK;
    if ((g->flags & WR_GROUP_SEEN) != 0) {
        g->flags &= ~(uint32_t) WR_GROUP_SEEN;
        return WEIR_OK;
    }
    int64_t weight = alone_weight(j, true) - alone_weight(j, false);
    return wr_changes_push(j, WR_CHANGE_NONE, id, wr_changes_product(weight, g->count), s->judges[d]);
}

static weir_status
apply_pair(join_changes *j, uint32_t i)
{
    changes_step   *s = j->step;
    wr_change_side *side = &j->sides[1 - s->port];
    uint32_t        d = s->pair_of[i], id = s->pair_with[i];
    int64_t         theirs = wr_change_side_row(side, id)->count;
    s->partners[d] = changes_add(s->partners[d], theirs);
    if (j->counts[1 - s->port])
        WR_TRY(count_partner(j, d, id));
    if (j->half)
        return WEIR_OK;
    return wr_changes_push(j, s->ids[d], id, wr_changes_product(s->deltas[d], theirs), s->judges[d]);
}

/* Row d has met all its partners. */
static weir_status
settle(join_changes *j, uint32_t d)
{
    changes_step         *s = j->step;
    const wr_change_side *side = &j->sides[s->port];
    bool known = j->counts[s->port] && wr_change_side_row(side, s->ids[d])->count != 0;
    int64_t partners = known ? wr_change_side_info(side, s->ids[d])->partners : s->partners[d];
    if (j->config->single && s->port == 0 && s->deltas[d] > 0 && partners > 1)
        return WEIR_QUERY_CARDINALITY;
    bool alone = j->half ? s->port == 0 && alone_weight(j, partners > 0) != 0
                         : j->outer[s->port] && partners <= 0;
    if (partners <= 0 && j->config->lookup)
        atomic_fetch_add_explicit(&j->ctx->counters.rows_unmatched, 1, memory_order_relaxed);
    if (!alone)
        return WEIR_OK;
    return wr_changes_push(j, s->ids[d], WR_CHANGE_NONE, s->deltas[d], s->judges[d]);
}

static wr_flow
refuse(join_changes *j, weir_status status)
{
    if (status == WEIR_MEMORY)
        return no_memory(j);
    return wr_ctx_fail(j->ctx, status, "%s", weir_status_text(status));
}

wr_flow
wr_changes_match(join_changes *j)
{
    changes_step *s = j->step;
    weir_status   status;
    wr_changes_collect(j);
    wr_flow flow = filter(j);
    if (flow != WR_FLOW_NEXT)
        return flow;
    for (uint32_t i = 0; i < s->pairs; i++)
        if ((status = apply_pair(j, i)) != WEIR_OK)
            return refuse(j, status);
    for (; s->settled < s->row; s->settled++)
        if ((status = settle(j, s->order[s->settled])) != WEIR_OK)
            return refuse(j, status);
    return WR_FLOW_NEXT;
}

wr_flow
wr_changes_bring_back(join_changes *j)
{
    changes_step   *s = j->step;
    wr_change_side *side = &j->sides[1 - s->port];
    int64_t         weight = alone_weight(j, false) - alone_weight(j, true);
    uint32_t        until = WR_MIN(s->lost_count, s->lost_at + WR_BATCH_ROWS_MAX);
    for (; s->lost_at < until; s->lost_at++) {
        uint32_t  id = s->lost[s->lost_at];
        wr_group *g = wr_change_side_row(side, id); /* ours since it was lost */
        if ((g->flags & WR_GROUP_SEEN) == 0)
            continue;
        g->flags &= ~(uint32_t) WR_GROUP_SEEN;
        if (wr_changes_push(j, WR_CHANGE_NONE, id, wr_changes_product(weight, g->count), s->judge) !=
            WEIR_OK)
            return no_memory(j);
    }
    return WR_FLOW_NEXT;
}
