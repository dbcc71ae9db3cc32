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

enum { PREFETCH_AHEAD = 12 };

static wr_flow
no_memory(join_changes *j)
{
    return wr_ctx_fail(j->ctx, WEIR_MEMORY, "no memory for joined rows");
}

static int64_t
diff_product(int64_t a, int64_t b)
{
    int64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
    return product;
}

/* --- candidates --- */

static wr_time
stored_time(const wr_change_side *side, uint32_t id, uint32_t column)
{
    wr_group *g = wr_change_side_row(side, id);
    return (wr_time) wr_key_value(&side->row_layout, wr_group_key(g), column).integer;
}

/* May the stored row match row d, as far as times go? */
static bool
times_match(const join_changes *j, uint32_t d, uint32_t id)
{
    const wr_join_config *c = j->config;
    const changes_step   *s = j->step;
    const wr_change_side *side = &j->sides[1 - s->port];
    if (c->ttl_us > 0 && wr_change_side_info(side, id)->until < s->judges[d])
        return false;
    if (!c->has_bound)
        return true;
    wr_time other = stored_time(side, id, s->port == 0 ? c->right_time : c->left_time);
    wr_time left = s->port == 0 ? s->times[d] : other, right = s->port == 0 ? other : s->times[d];
    return left >= wr_join_time_add(right, c->low_us) &&
           left <= wr_join_time_add(right, c->high_us);
}

/* Bring the first candidate of a later row near: what is known of it, and its diff.  (Inlined always: a call whose
 * only effect is that the compiler takes for one without.) */
static inline __attribute__((always_inline)) void
prefetch_candidate(const join_changes *j, uint32_t row)
{
    const changes_step *s = j->step;
    if (row >= s->count || s->single[s->order[row]] || s->heads[s->order[row]] == WR_CHANGE_NONE)
        return;
    wr_change_side_prefetch(&j->sides[1 - s->port], s->heads[s->order[row]]);
}

/* Up to CHANGES_PAIRS_MAX candidates. */
static void
collect(join_changes *j)
{
    changes_step         *s = j->step;
    const wr_change_side *side = &j->sides[1 - s->port];
    s->pairs = 0;
    for (; s->row < s->count; s->row++, s->within = false) {
        uint32_t d = s->order[s->row];
        prefetch_candidate(j, s->row + PREFETCH_AHEAD);
        uint32_t next = s->within ? s->next : s->single[d] ? WR_CHANGE_NONE : s->heads[d];
        while (next != WR_CHANGE_NONE) {
            if (s->pairs == CHANGES_PAIRS_MAX) {
                s->next = next;
                s->within = true;
                return;
            }
            uint32_t  id = next;
            wr_group *g = wr_change_side_row(side, id);
            next = wr_change_row_of(&side->row_layout, g)->next;
            if (!wr_change_side_is(side, g, &s->keys, s->which[d]) || !times_match(j, d, id))
                continue;
            s->pair_of[s->pairs] = (uint16_t) d;
            s->pair_with[s->pairs++] = id;
        }
    }
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
    return wr_changes_push(j, WR_CHANGE_NONE, id, diff_product(weight, g->count), s->judges[d]);
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
    return wr_changes_push(j, s->ids[d], id, diff_product(s->deltas[d], theirs), s->judges[d]);
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
    collect(j);
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
        if (wr_changes_push(j, WR_CHANGE_NONE, id, diff_product(weight, g->count), s->judge) !=
            WEIR_OK)
            return no_memory(j);
    }
    return WR_FLOW_NEXT;
}
