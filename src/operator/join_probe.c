/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_probe.c -- a batch against the other side's rows.
 *
 * A pair counts when keys are equal, times are within the bound, and the stored row has not left
 * by the watermark that judges the new one.  The last is what makes the answer independent of
 * batches: rows that are still in memory because the watermark moves once a batch are passed
 * over.
 *
 *     left_time BETWEEN right_time + low AND right_time + high
 *     a left  row at t has partners in [t - high, t - low], and leaves when W + right_offset > t
 *     - low a right row at t has partners in [t + low, t + high], and leaves when W + left_offset
 *     > t + high
 *
 * A row that comes out alone at once (NULL key, or no partner can come any more) is a candidate
 * without stored row, in its place: so all that comes out is in the order of the rows, and of the
 * watermarks that judge them.  Where the other side is all there (J7) no row waits, and many at once are
 * told to be alone, behind the pairs that were found with them.
 *
 * A row is late when all rows that could be its partners have left and none can come: nobody knows
 * whether it had one.
 *
 * Invariants  B1  candidates come in the order of the batch's rows
 *             B2  nothing is written but the step, so a probe can stop at any pair and go on
 */
#include "operator/join_impl.h"

#include <string.h>

enum { PREFETCH_AHEAD = 8 };

wr_time
wr_join_time_add(wr_time a, int64_t b)
{
    wr_time sum;
    if (a == WR_TIME_END || a == WR_TIME_START)
        return a;
    if (__builtin_add_overflow(a, b, &sum))
        return b < 0 ? WR_TIME_NEGINF : WR_TIME_POSINF;
    return WR_MIN(WR_MAX(sum, WR_TIME_NEGINF), WR_TIME_POSINF);
}

static int64_t
negate(int64_t a)
{
    return a == INT64_MIN ? INT64_MAX : -a;
}

/* Far enough from the ends for sums with what is within WITHIN. */
#define SAFE   ((int64_t) 1 << 61)
#define WITHIN ((int64_t) 1 << 59)

static inline bool
is_within(int64_t a, int64_t most)
{
    return a > -most && a < most;
}

static inline wr_time
time_add(wr_time a, int64_t b)
{
    return WR_LIKELY(is_within(a, SAFE) && is_within(b, SAFE)) ? a + b : wr_join_time_add(a, b);
}

/* Partners of a row of `port` at time t lie within [*low, *high]. */
static inline void
join_range(const join *j, int port, wr_time t, wr_time *low, wr_time *high)
{
    const wr_join_config *c = j->config;
    *low = WR_TIME_START;
    *high = WR_TIME_END;
    if (!c->has_bound)
        return;
    *low = time_add(t, port == 0 ? negate(c->high_us) : c->low_us);
    *high = time_add(t, port == 0 ? negate(c->low_us) : c->high_us);
}

wr_time
wr_join_until(const wr_join_config *c, int port, wr_time t, wr_time w)
{
    wr_time until = WR_TIME_END;
    if (c->has_bound) {
        int64_t offset = port == 0 ? c->right_offset : c->left_offset;
        int64_t reach = port == 0 ? negate(c->low_us) : c->high_us;
        if (offset != WR_NO_WATERMARK && reach != INT64_MAX)
            until = wr_join_time_add(wr_join_time_add(t, reach), negate(offset));
    }
    if (c->ttl_us > 0 && w != WR_TIME_START)
        until = WR_MIN(until, wr_join_time_add(w, (int64_t) c->ttl_us));
    return until;
}

bool
wr_join_until_shift(const wr_join_config *c, int port, int64_t *shift)
{
    int64_t offset = port == 0 ? c->right_offset : c->left_offset;
    int64_t reach = port == 0 ? negate(c->low_us) : c->high_us;
    if (!c->has_bound || c->ttl_us > 0 || !is_within(offset, WITHIN) || !is_within(reach, WITHIN))
        return false;
    *shift = reach - offset;
    return true;
}

/* When row i of the step, of `port`, leaves. */
static inline wr_time
row_until(const join *j, int port, wr_time t, wr_time judge)
{
    if (WR_LIKELY(j->shifts[port] && is_within(t, SAFE)))
        return t + j->shift[port];
    return wr_join_until(j->config, port, t, judge);
}

/*
 * The least time of a stored row of `port` that has not left by `judge`: untils grow with times.  *inexact: that
 * cannot be told.
 */
static inline wr_time
stays_from(const join *j, int port, wr_time judge, bool *inexact)
{
    if (j->stays[port] || judge == WR_TIME_START)
        return WR_TIME_START; /* nothing leaves, or has left yet */
    if (WR_LIKELY(j->shifts[port] && is_within(judge, SAFE)))
        return judge - j->shift[port];
    *inexact = true;
    return WR_TIME_START;
}

/* When the last of those that could be partners of a row of `port` leaves. */
static wr_time
partners_until(const join *j, int port, wr_time t)
{
    wr_time low, high;
    join_range(j, port, t, &low, &high);
    return wr_join_until(j->config, 1 - port, high, WR_TIME_START);
}

/* --- beginning a batch --- */

/* May a key of the batch be NULL, and match nothing then? */
static bool
keys_may_be_null(const join *j, const wr_batch *in, int port)
{
    for (uint32_t k = 0; k < j->config->key_count && !j->config->null_equal; k++)
        if (wr_column_base(in->columns[j->keys[port][k]])->valid != NULL)
            return true;
    return false;
}

static bool
key_is_null(const join *j, const wr_batch *in, int port, uint32_t row)
{
    for (uint32_t k = 0; k < j->config->key_count; k++)
        if (wr_column_is_null(in->columns[j->keys[port][k]], row))
            return true;
    return false;
}

/* Times and judges of all rows, and which of them can have partners. */
static void
rows_sort_out(join *j, int port, const wr_batch *in)
{
    const wr_join_config *c = j->config;
    join_step            *s = j->step;
    const wr_column      *time = NULL;
    wr_time               others = j->ctx->port_watermark[1 - port];
    bool                  nulls = keys_may_be_null(j, in, port), times_null = false;
    s->count = in->row_count;
    s->passes = join_partners_are_there(j, port);
    s->unsure = 0;
    if (c->has_bound)
        time = in->columns[port == 0 ? c->left_time : c->right_time];
    if (time != NULL)
        times_null = wr_column_base(time)->valid != NULL;
    /* microseconds as they are */
    const wr_time *plain = time != NULL && time->layout == WR_FLAT && time->type.id != WR_DATE
                               ? time->data : NULL;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        bool     untimed = times_null && wr_column_is_null(time, row);
        wr_time  judge = WR_MAX(WR_MIN(wr_batch_row_watermark(in, row), others), j->ctx->watermark);
        wr_time  t = judge;
        if (time != NULL && !untimed)
            t = plain != NULL && is_within(plain[row], SAFE) ? plain[row]
                                                             : wr_event_time_get(time, row);
        s->rows[i] = (uint16_t) row;
        s->times[i] = t;
        s->judges[i] = judge;
        s->untils[i] = row_until(j, port, t, judge);
        s->matched[i] = 0;
        s->late[i] = s->untils[i] < judge && time != NULL && !untimed &&
                     partners_until(j, port, t) < judge;
        s->single[i] = untimed || s->late[i] || (nulls && key_is_null(j, in, port, row));
    }
}

/* Late rows are counted; those of the left are handed on where somebody wants them. */
static weir_status
tell_late(join *j, int port, const wr_batch *in)
{
    join_step *s = j->step;
    uint32_t   n = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->late[i])
            s->pair_of[n++] = s->rows[i];
    if (port == 0)
        return wr_ctx_drop_late(j->ctx, in, s->pair_of, n);
    atomic_fetch_add_explicit(&j->ctx->counters.rows_late, n, memory_order_relaxed);
    return WEIR_OK;
}

weir_status
wr_join_begin(join *j, int port, const wr_batch *in)
{
    join_step *s = j->step;
    rows_sort_out(j, port, in);
    WR_TRY(tell_late(j, port, in));
    for (uint32_t k = 0; k < j->config->key_count; k++)
        s->key_columns[k] = in->columns[j->keys[port][k]];
    WR_TRY(wr_row_keys_fill(&s->keys, s->key_columns, s->rows, s->count, in->physical_count, NULL));
    s->begun = true;
    s->port = port;
    s->awaited = false;
    s->heads_from = s->heads_to = 0;
    s->row = s->slot = 0;
    s->within = false;
    s->pairs = 0;
    s->inexact = false;
    return WEIR_OK;
}

/* --- heads of chains --- */

/* The buckets of a range, and which other ranges look into the same. */
typedef struct range_near {
    wr_time  from, to, high_from, high_to; /* low in [from, to) and high in [high_from, high_to) */
    uint32_t first;
    uint16_t span;
} range_near;

static void
bucket_around(const wr_join_side *side, wr_time t, wr_time *from, wr_time *to)
{
    int64_t index = wr_join_side_bucket(side, t);
    if (side->width > 0 && !__builtin_mul_overflow(index, side->width, from) &&
        !__builtin_add_overflow(*from, side->width, to))
        return;
    *from = t;
    *to = t < INT64_MAX ? t + 1 : t;
}

/* False: too many. */
static bool
near_find(const wr_join_side *side, wr_time low, wr_time high, range_near *near)
{
    uint32_t first = 0, span = wr_join_side_seek(side, low, high, &first);
    *near = (range_near){ .first = first, .span = (uint16_t) span };
    bucket_around(side, low, &near->from, &near->to);
    bucket_around(side, high, &near->high_from, &near->high_to);
    return span <= UINT16_MAX;
}

/* Which buckets the rows from s->heads_to on look into, for as many rows as there is room for. */
static weir_status
heads_span(join *j)
{
    join_step          *s = j->step;
    const wr_join_side *side = &j->sides[1 - s->port];
    uint32_t            slots = 1, i = s->heads_to;
    range_near          near = { .from = WR_TIME_END, .to = WR_TIME_START };
    s->heads_from = i;
    for (; i < s->count; i++) {
        wr_time low, high;
        join_range(j, s->port, s->times[i], &low, &high);
        wr_time stays = stays_from(j, 1 - s->port, s->judges[i], &s->inexact);
        s->lows[i] = WR_MAX(low, stays);
        s->highs[i] = high;
        if (s->single[i]) {
            s->first[i] = 0;
            s->spans[i] = 0;
        } else if (near.from <= low && low < near.to && near.high_from <= high &&
                   high < near.high_to) {
            s->first[i] = near.first;
            s->spans[i] = near.span;
        } else {
            if (!near_find(side, low, high, &near))
                return WEIR_MEMORY;
            s->first[i] = near.first;
            s->spans[i] = near.span;
        }
        uint32_t wanted = WR_MAX(slots, (uint32_t) s->spans[i]);
        if (i > s->heads_from && (uint64_t) wanted * (i + 1 - s->heads_from) > JOIN_HEADS_MAX)
            break;
        slots = wanted;
    }
    s->heads_to = i;
    s->slots = slots;
    uint32_t need = slots * (i - s->heads_from);
    if (need > s->heads_capacity) {
        wr_free(s->heads);
        s->heads_capacity = 0;
        s->heads = wr_alloc(j->ctx->flow, need * sizeof *s->heads);
        if (s->heads == NULL)
            return WEIR_MEMORY;
        s->heads_capacity = need;
    }
    return WEIR_OK;
}

/* Look the rows up, bucket by bucket. */
static weir_status
heads_find(join *j)
{
    join_step          *s = j->step;
    const wr_join_side *side = &j->sides[1 - s->port];
    wr_arena           *arena = &j->ctx->eval.step;
    WR_TRY(heads_span(j));
    uint32_t  rows = s->heads_to - s->heads_from, least = UINT32_MAX, most = 0;
    uint16_t *which = wr_arena_alloc(arena, rows * sizeof *which);
    uint32_t *found = wr_arena_alloc(arena, rows * sizeof *found);
    if (which == NULL || found == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = s->heads_from; i < s->heads_to; i++)
        if (s->spans[i] > 0) {
            least = WR_MIN(least, s->first[i]);
            most = WR_MAX(most, s->first[i] + s->spans[i]);
        }
    for (uint32_t b = least; b < most; b++) {
        uint32_t n = 0;
        for (uint32_t i = s->heads_from; i < s->heads_to; i++) {
            which[n] = (uint16_t) i;
            n += b - s->first[i] < s->spans[i]; /* unsigned: false when b < first */
        }
        if (n == 0)
            continue;
        wr_join_bucket_heads(side->buckets[b], &s->keys, which, n, found);
        for (uint32_t k = 0; k < n; k++)
            s->heads[(which[k] - s->heads_from) * s->slots + (b - s->first[which[k]])] = found[k];
    }
    return WEIR_OK;
}

/* --- candidates --- */

/* Once is enough: a semi or anti row of the left that has a partner asks for no other. */
static bool
row_is_done(const join *j, const join_step *s)
{
    return j->half && s->port == 0 && s->matched[s->row];
}

/* Walk the chain of the row's current slot; false when the pairs are full. */
static bool
chain_walk(join *j, const wr_join_bucket *bucket)
{
    join_step          *s = j->step;
    const int           port = 1 - s->port;
    const wr_join_side *side = &j->sides[port];
    const bool          once = j->half && s->port == 0 && j->config->residual == NULL;
    const bool          may_be_dead = j->half || j->outer[port];
    const uint32_t      row = s->row;
    const wr_time       low = s->lows[row], high = s->highs[row];
    wr_time last = time_add(low, negate(bucket->disorder)); /* beyond it nothing newer comes: S3 */
    if (!s->within) {
        s->next = s->heads[(row - s->heads_from) * s->slots + s->slot];
        s->within = true;
    }
    while (s->next != WR_JOIN_NO_ROW && s->next >> 12 >= bucket->dropped) {
        if (s->pairs == WR_BATCH_ROWS_MAX)
            return false;
        wr_join_block      *block = bucket->blocks[s->next >> 12];
        const uint32_t      at = s->next & 4095;
        const wr_join_meta *meta = wr_join_block_meta(side, block, at);
        if (meta->time < last)
            break;
        s->next = meta->next;
        if (meta->time < low || meta->time > high || !wr_join_meta_is(side, meta, &s->keys, row))
            continue;
        if (s->inexact && wr_join_stored_until(j, port, block, at) < s->judges[row])
            continue;
        if (may_be_dead && (block->marks->marks[at] & WR_JOIN_DEAD) != 0)
            continue;
        __builtin_prefetch(&block->marks->marks[at], 1);
        s->pair_of[s->pairs] = (uint16_t) row;
        s->pair_with[s->pairs++] = (wr_join_row){ block, at };
        if (once)
            break;
    }
    s->within = false;
    return true;
}

/* Bring the first stored row of each bucket of a later row near.  (Inlined always: a call whose only effect is that
 * the compiler takes for one without.) */
static inline __attribute__((always_inline)) void
prefetch_row(const join *j, uint32_t row)
{
    const join_step    *s = j->step;
    const wr_join_side *side = &j->sides[1 - s->port];
    if (row >= s->heads_to)
        return;
    const uint32_t *heads = &s->heads[(row - s->heads_from) * s->slots];
    for (uint32_t slot = 0; slot < s->spans[row]; slot++) {
        if (heads[slot] == WR_JOIN_NO_ROW)
            continue;
        const wr_join_block *block = side->buckets[s->first[row] + slot]->blocks[heads[slot] >> 12];
        __builtin_prefetch(wr_join_block_meta(side, block, heads[slot] & 4095));
    }
}

/* Row `row` has no partner and never will. */
static void
push_single(join *j, uint32_t row)
{
    join_step *s = j->step;
    if (s->late[row])
        return;
    atomic_fetch_add_explicit(&j->ctx->counters.rows_unmatched, 1, memory_order_relaxed);
    if (!j->outer[s->port])
        return;
    wr_assert(s->pairs < WR_BATCH_ROWS_MAX);
    s->pair_of[s->pairs] = (uint16_t) row;
    s->pair_with[s->pairs++] = (wr_join_row){ 0 };
}

/* All candidates of the current row; false: the pairs are full. */
static bool
row_walk(join *j)
{
    join_step    *s = j->step;
    wr_join_side *side = &j->sides[1 - s->port];
    bool          once = j->half && s->port == 0 && j->config->residual == NULL;
    uint32_t      before = s->pairs;
    for (; s->slot < s->spans[s->row] && !row_is_done(j, s); s->slot++) {
        if (!chain_walk(j, side->buckets[s->first[s->row] + s->slot]))
            return false;
        if (once && s->pairs > before)
            break;
    }
    return s->pairs < WR_BATCH_ROWS_MAX; /* room for the row itself */
}

/* Candidates of the rows from the next on, until there are enough. */
static weir_status
rows_walk(join *j)
{
    join_step *s = j->step;
    while (s->row < s->count) {
        if (s->row >= s->heads_to)
            WR_TRY(heads_find(j));
        WR_TRY(wr_join_walk(j));
        if (s->row >= s->heads_to)
            continue;
        uint32_t before = s->pairs;
        prefetch_row(j, s->row + PREFETCH_AHEAD);
        if (!row_walk(j))
            return WEIR_OK;
        uint32_t row = s->row++;
        s->slot = 0;
        s->within = false;
        if (s->passes || join_row_lasts(s, row) || s->matched[row])
            continue;
        if (s->pairs == before) {
            push_single(j, row);
        } else if (j->config->residual != NULL) {
            s->unsure = row;
            s->awaited = true; /* only the residual knows */
            return WEIR_OK;
        }
    }
    return WEIR_OK;
}

/* Rows whose candidates have been judged: those without partner. */
static void
push_unmatched(join *j)
{
    join_step *s = j->step;
    uint32_t   count = 0;
    for (; s->unsure < s->row; s->unsure++) {
        uint32_t row = s->unsure;
        if (s->matched[row] || s->late[row])
            continue;
        s->pair_of[count] = (uint16_t) row;
        s->pair_with[count++] = (wr_join_row){ 0 };
    }
    atomic_fetch_add_explicit(&j->ctx->counters.rows_unmatched, count, memory_order_relaxed);
    s->pairs = j->outer[s->port] ? count : 0;
}

weir_status
wr_join_candidates(join *j)
{
    join_step *s = j->step;
    s->pairs = 0;
    if (s->awaited)
        push_unmatched(j);
    s->awaited = false;
    if (s->passes && s->pairs > 0)
        return WEIR_OK;
    weir_status status = rows_walk(j);
    s->awaited = s->awaited || (s->passes && s->unsure < s->row);
    return status;
}
