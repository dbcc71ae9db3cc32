/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/asof_join.c -- each left row with the latest right row at or before its time.
 *
 *     right   q1 @1        q2 @5             q3 @9
 *     left            t @4        u @7 v @9            watermark @8: t, u are known, v waits
 *     out             t q1        u q2                 kept: q2 (the last before 8), q3
 *
 * Place       port 0 left, insert-only; port 1 right, insert-only, or upserts
 *             (asof_join_upserts.c).  Output insert-only: left's columns, then right's.
 * State       left rows whose time the right side's watermark has not passed; of each key, the last
 *             right row before the watermark and all later ones.  With a reach, rows older than the
 *             watermark less the reach go, too.
 * Invariants  A1  a left row comes out once, when W + right_offset has passed its time
 *             A2  of right rows of one time the one that came last is taken
 *             A3  what comes out depends on the rows of each side and the watermarks that judge them,
 *                 never on batches: a right row that comes late is seen by left rows that were not
 *                 due when it came, and counted; a left row behind the watermark is late: counted,
 *                 handed on where somebody wants it, and no more, for what it asks after may be gone
 *             A4  NULL times and keys have no partner; without a time nothing is late
 *             A5  after the end nothing is left
 * Cost        a left row: two probes and a binary search; a right row: two probes and an append.
 */
#include "operator/asof_join_impl.h"

/* --- open --- */

static void
asof_close(void *self)
{
    asof_join *j = self;
    if (j->step != NULL) {
        wr_row_keys_fini(&j->step->keys);
        wr_free(j->step->key_columns);
        wr_free(j->step);
        j->step = NULL;
    }
    if (j->versions.layout != NULL)
        wr_versions_fini(&j->versions);
    for (int p = 0; p < 2; p++)
        if (j->sides[p].budget != NULL)
            wr_change_side_fini(&j->sides[p]);
    wr_key_layout_fini(&j->layout);
    wr_asof_upserts_fini(j);
}

static weir_status
check_config(const wr_asof_join_config *c, weir_error *err)
{
    wr_type left = c->left->fields[c->left_time].type, right = c->right->fields[c->right_time].type;
    bool stamps = wr_type_is_time(left) && wr_type_is_time(right) && left.id != WR_DATE && right.id != WR_DATE;
    if (!stamps && !(wr_type_same(left, right) && wr_type_is_time(left)))
        return wr_error_set(err, WEIR_QUERY_TYPE, "an as-of join of %s with %s", wr_type_name(left),
                            wr_type_name(right));
    for (uint32_t k = 0; k < c->key_count; k++) {
        wr_type a = c->left->fields[c->left_keys[k]].type;
        wr_type b = c->right->fields[c->right_keys[k]].type;
        if (!wr_type_same(a, b) && !(wr_type_is_integer(a) && wr_type_is_integer(b)))
            return wr_error_set(err, WEIR_QUERY_TYPE, "a join of %s with %s: cast one of them",
                                wr_type_name(a), wr_type_name(b));
    }
    return WEIR_OK;
}

static weir_status
open_state(asof_join *j)
{
    const wr_asof_join_config *c = j->config;
    if (c->upserts)
        WR_TRY(wr_asof_upserts_init(j));
    weir_status status =
        wr_join_key_layout(&j->layout, j->ctx->state, c->left, c->left_keys, c->key_count);
    for (int p = 0; p < 2 && status == WEIR_OK; p++)
        status = wr_change_side_init(&j->sides[p], j->ctx->state, j->schemas[p], &j->layout, NULL,
                                     false);
    wr_versions_init(&j->versions, j->ctx->state, &j->layout, c->reach_us);
    return status;
}

static weir_status
asof_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    asof_join                 *j = self;
    const wr_asof_join_config *c = config;
    j->config = c;
    j->ctx = ctx;
    j->keys[0] = c->left_keys;
    j->keys[1] = c->right_keys;
    j->schemas[0] = c->left;
    j->schemas[1] = c->right;
    j->waits = c->left_offset == WR_NO_WATERMARK || c->right_offset == WR_NO_WATERMARK;
    WR_TRY(check_config(c, err));
    weir_status status = open_state(j);
    if (status == WEIR_OK)
        return WEIR_OK;
    asof_close(j);
    return wr_error_set(err, status, "no memory for an as-of join");
}

weir_status
wr_asof_step_create(asof_join *j)
{
    if (j->step != NULL)
        return WEIR_OK;
    asof_step *s = wr_alloc(j->ctx->flow, sizeof *s);
    if (s == NULL)
        return WEIR_MEMORY;
    wr_row_keys_init(&s->keys, &j->layout, j->ctx->flow);
    s->key_columns = NULL;
    s->taken = 0;
    j->step = s;
    s->key_columns = wr_alloc(j->ctx->flow, j->config->key_count * sizeof *s->key_columns);
    return s->key_columns != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* --- times --- */

wr_time
wr_asof_plus(wr_time t, int64_t by)
{
    wr_time sum;
    if (t == WR_TIME_START || t == WR_TIME_END)
        return t;
    return __builtin_add_overflow(t, by, &sum) ? (by < 0 ? WR_TIME_NEGINF : WR_TIME_POSINF) : sum;
}

wr_time
wr_asof_known_until(const asof_join *j, wr_time w)
{
    if (j->waits)
        return WR_TIME_START;
    wr_time t = wr_asof_plus(w, j->config->right_offset);
    return j->config->strict && t != WR_TIME_START ? wr_asof_plus(t, 1) : t;
}

bool
wr_asof_is_late(const asof_join *j, wr_time time, wr_time known)
{
    return j->config->strict ? time < wr_asof_plus(known, -1) : time < known;
}

/* Before this moment no left row may ask any more, as of watermark w. */
static wr_time
asked_from(const asof_join *j, wr_time w)
{
    if (j->waits)
        return WR_TIME_START;
    return wr_asof_plus(w, WR_MIN(j->config->left_offset, j->config->right_offset));
}

wr_time
wr_asof_judge_of(const asof_join *j, int port, const wr_batch *in, uint32_t row)
{
    wr_time others = j->ctx->port_watermark[1 - port];
    return WR_MAX(WR_MIN(wr_batch_row_watermark(in, row), others), j->ctx->watermark);
}

bool
wr_asof_can_match(const asof_join *j, const wr_batch *in, int port, uint32_t row)
{
    const wr_column *time =
        in->columns[port == 0 ? j->config->left_time : j->config->right_time];
    if (wr_column_is_null(time, row))
        return false;
    for (uint32_t k = 0; k < j->config->key_count; k++)
        if (wr_column_is_null(in->columns[j->keys[port][k]], row))
            return false;
    return true;
}

void
wr_asof_count_state(asof_join *j)
{
    atomic_store_explicit(&j->ctx->counters.state_keys,
                          (uint64_t) j->sides[0].rows.live + j->sides[1].rows.live,
                          memory_order_relaxed);
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* --- right rows --- */

/* Versions of rows ids[i], which came as `sequence` and are seen from `from` on. */
static weir_status
version_add(asof_join *j, uint16_t which, uint32_t id, wr_time time, wr_time from)
{
    wr_change_side *side = &j->sides[1];
    wr_group       *g = wr_change_side_own(side, id);
    if (g == NULL)
        return WEIR_MEMORY;
    wr_change_row *info = wr_change_side_info(side, id);
    if (g->count > 0 && from != WR_TIME_START)
        return WEIR_OK; /* late, and there already */
    if (g->count == INT64_MAX)
        return WEIR_ROW_OVERFLOW;
    if (g->count++ == 0)
        info->until = from;
    info->partners = (int64_t) j->sequence;
    wr_version version = {
        .time = time, .own = time, .from = from, .sequence = j->sequence++, .row = id
    };
    return wr_versions_add(&j->versions, &j->step->keys, which, &version);
}

static wr_flow
take_right(asof_join *j, const wr_batch *in)
{
    asof_step *s = j->step;
    uint32_t   n = 0, late = 0;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        if (!wr_asof_can_match(j, in, 1, row)) /* A4 */
            continue;
        wr_time judge = wr_asof_judge_of(j, 1, in, row), known = wr_asof_known_until(j, judge);
        s->rows[n] = (uint16_t) row;
        s->times[n] = wr_event_time_get(in->columns[j->config->right_time], row);
        bool is_late = wr_asof_is_late(j, s->times[n], known);
        s->judges[n++] = is_late ? known : WR_TIME_START;
        late += is_late;
    }
    count(&j->ctx->counters.rows_late, late);
    count(&j->ctx->counters.rows_unmatched, in->row_count - n);
    for (uint32_t k = 0; k < j->config->key_count; k++)
        s->key_columns[k] = in->columns[j->keys[1][k]];
    weir_status status =
        wr_row_keys_fill(&s->keys, s->key_columns, s->rows, n, in->physical_count, NULL);
    if (status == WEIR_OK && n > 0)
        status = wr_change_side_find(&j->sides[1], in, s->rows, n, s->ids);
    for (uint32_t i = 0; i < n && status == WEIR_OK; i++)
        status = version_add(j, (uint16_t) i, s->ids[i], s->times[i], s->judges[i]);
    if (status != WEIR_OK)
        return wr_ctx_fail(j->ctx, status, "cannot keep %u rows", in->row_count);
    wr_asof_count_state(j);
    return WR_FLOW_NEXT;
}

/* --- left rows --- */

/* Rows that have no partner for sure, at once. */
static weir_status
emit_lone(asof_join *j, const wr_batch *in, uint32_t lone)
{
    asof_step *s = j->step;
    uint32_t   n = j->config->left->field_count, m = j->config->right->field_count;
    wr_batch  *b = wr_batch_create(j->ctx->flow, n + m);
    if (b == NULL)
        return WEIR_MEMORY;
    b->row_count = b->physical_count = lone;
    weir_status status = WEIR_OK;
    for (uint32_t c = 0; c < n + m && status == WEIR_OK; c++) {
        if (c < n && in->columns[c] == NULL)
            continue;
        wr_value null = wr_value_null(j->config->output->fields[c].type);
        b->columns[c] = c < n ? wr_column_gather(j->ctx->flow, in->columns[c], s->lone, lone)
                              : wr_column_create_constant(j->ctx->flow, &null);
        status = b->columns[c] != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    b->row_watermark = wr_alloc(j->ctx->flow, lone * sizeof *b->row_watermark);
    b->diff = in->diff != NULL ? wr_alloc(j->ctx->flow, lone * sizeof *b->diff) : NULL;
    if (status != WEIR_OK || b->row_watermark == NULL || (in->diff != NULL && b->diff == NULL)) {
        wr_batch_release(b);
        return WEIR_MEMORY;
    }
    for (uint32_t i = 0; i < lone; i++) {
        b->row_watermark[i] = wr_asof_judge_of(j, 0, in, s->lone[i]);
        if (b->diff != NULL)
            b->diff[i] = in->diff[s->lone[i]];
    }
    b->watermark_before = b->watermark_after = j->ctx->watermark;
    wr_ctx_emit(j->ctx, WR_PORT_MAIN, b);
    return WEIR_OK;
}

/* Rows [0, n) of the step wait for their moment. */
static weir_status
keep_left(asof_join *j, const wr_batch *in, uint32_t n)
{
    asof_step      *s = j->step;
    wr_change_side *side = &j->sides[0];
    if (n == 0)
        return WEIR_OK;
    WR_TRY(wr_change_side_find(side, in, s->rows, n, s->ids));
    for (uint32_t i = 0; i < n; i++) {
        wr_group *g = wr_change_side_own(side, s->ids[i]);
        int64_t   diff = wr_batch_diff(in, s->rows[i]);
        if (g == NULL)
            return WEIR_MEMORY;
        bool there = g->count != 0;
        if (diff < 0)
            return WEIR_QUERY_UNSUPPORTED;
        if (__builtin_add_overflow(g->count, diff, &g->count))
            return WEIR_ROW_OVERFLOW;
        if (there)
            continue;
        wr_time due = j->waits ? WR_TIME_POSINF - 1 : wr_asof_plus(s->times[i], -j->config->right_offset);
        WR_TRY(wr_change_side_hold(side, s->ids[i], j->config->strict ? wr_asof_plus(due, -1) : due));
    }
    return WEIR_OK;
}

static wr_flow
take_left(asof_join *j, const wr_batch *in)
{
    asof_step       *s = j->step;
    const wr_column *times = in->columns[j->config->left_time];
    uint32_t         n = 0, lone = 0, late = 0;
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        wr_time  time = wr_column_is_null(times, row) ? WR_TIME_END : wr_event_time_get(times, row);
        if (time < asked_from(j, wr_asof_judge_of(j, 0, in, row))) { /* A3 */
            s->which[late++] = (uint16_t) row;
        } else if (!wr_asof_can_match(j, in, 0, row)) { /* A4 */
            s->lone[lone++] = (uint16_t) row;
        } else {
            s->times[n] = time;
            s->rows[n++] = (uint16_t) row;
        }
    }
    if (lone > 0 && j->config->outer && !wr_ctx_has_room(j->ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    weir_status status = lone > 0 && j->config->outer ? emit_lone(j, in, lone) : WEIR_OK;
    count(&j->ctx->counters.rows_unmatched, lone);
    if (status == WEIR_OK)
        status = wr_ctx_drop_late(j->ctx, in, s->which, late);
    if (status == WEIR_OK)
        status = keep_left(j, in, n);
    if (status == WEIR_QUERY_UNSUPPORTED)
        return wr_ctx_fail(j->ctx, status, "an as-of join cannot take rows of its left input back");
    if (status != WEIR_OK)
        return wr_ctx_fail(j->ctx, status, "cannot keep %u rows", in->row_count);
    wr_asof_count_state(j);
    return WR_FLOW_NEXT;
}

static wr_flow
asof_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    asof_join *j = self;
    wr_assert(port == 0 || port == 1);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (wr_asof_step_create(j) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for an as-of join");
    if (port == 1 && j->config->upserts) {
        weir_status status = wr_asof_upserts_take(j, in);
        return status == WEIR_OK ? WR_FLOW_NEXT
                                 : wr_ctx_fail(ctx, status, "cannot keep %u rows", in->row_count);
    }
    for (uint32_t i = 0; port == 1 && in->diff != NULL && i < in->row_count; i++)
        if (in->diff[wr_batch_row(in, i)] < 0)
            return wr_ctx_fail(ctx, WEIR_QUERY_UNSUPPORTED,
                               "an as-of join cannot take rows of its right input back");
    return port == 0 ? take_left(j, in) : take_right(j, in);
}

/* --- what is known comes out --- */

/* The partners of left rows ids[0..n). */
static weir_status
find_partners(asof_join *j, uint32_t n)
{
    asof_step       *s = j->step;
    wr_change_side  *side = &j->sides[0];
    wr_column       *time = NULL;
    weir_status      status = WEIR_OK;
    uint32_t         made = 0, keys = j->config->key_count;
    if (n == 0)
        return WEIR_OK;
    for (; made < keys && status == WEIR_OK; made += status == WEIR_OK) {
        s->key_columns[made] = wr_change_side_gather(side, j->keys[0][made], s->ids, n,
                                                     s->pointers, j->ctx->flow);
        status = s->key_columns[made] != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    if (status == WEIR_OK)
        status = wr_row_keys_fill(&s->keys, s->key_columns, NULL, n, n, NULL);
    if (status == WEIR_OK)
        time = wr_change_side_gather(side, j->config->left_time, s->ids, n, s->pointers,
                                     j->ctx->flow);
    if (time == NULL)
        status = WEIR_MEMORY;
    uint64_t lonely = 0;
    for (uint32_t i = 0; i < n && status == WEIR_OK; i++) {
        s->partners[i] = wr_versions_find(&j->versions, &s->keys, (uint16_t) i,
                                          wr_event_time_get(time, i), j->config->strict);
        lonely += s->partners[i] == WR_VERSION_NONE;
    }
    count(&j->ctx->counters.rows_unmatched, lonely);
    wr_column_release(time);
    while (made > 0)
        wr_column_release(s->key_columns[--made]);
    return status;
}

/* Left rows own[0..n) with their partners. */
static weir_status
emit_known(asof_join *j, const uint32_t *own, const uint32_t *other, uint32_t n)
{
    uint32_t  l = j->config->left->field_count, r = j->config->right->field_count;
    wr_batch *b = wr_batch_create(j->ctx->flow, l + r);
    if (b == NULL)
        return WEIR_MEMORY;
    b->row_count = b->physical_count = n;
    for (uint32_t c = 0; c < l + r; c++) {
        b->columns[c] = c < l ? wr_change_side_gather(&j->sides[0], c, own, n, j->step->pointers,
                                                      j->ctx->flow)
                              : wr_change_side_gather(&j->sides[1], c - l, other, n,
                                                      j->step->pointers, j->ctx->flow);
        if (b->columns[c] == NULL) {
            wr_batch_release(b);
            return WEIR_MEMORY;
        }
    }
    wr_ctx_emit(j->ctx, WR_PORT_MAIN, b);
    return WEIR_OK;
}

/* Up to a batch of left rows that are due; *more: there may be others. */
static weir_status
answer(asof_join *j, wr_time watermark, bool *more)
{
    asof_step      *s = j->step;
    wr_change_side *side = &j->sides[0];
    uint32_t        n = 0, *own = wr_arena_alloc(&j->ctx->eval.step, 2 * sizeof s->ids);
    uint32_t       *other = own + WR_BATCH_ROWS_MAX;
    if (own == NULL)
        return WEIR_MEMORY;
    if (s->taken == 0) {
        WR_TRY(wr_change_side_take(side, watermark, s->ids, WR_BATCH_ROWS_MAX, &s->taken));
        WR_TRY(find_partners(j, s->taken));
        s->at = 0;
        s->repeats = 0;
    }
    while (s->at < s->taken && n < WR_BATCH_ROWS_MAX) {
        bool    out = j->config->outer || s->partners[s->at] != WR_VERSION_NONE;
        int64_t times = wr_change_side_row(side, s->ids[s->at])->count;
        if (out && s->repeats < times) {
            own[n] = s->ids[s->at];
            other[n++] = s->partners[s->at];
            s->repeats++;
        } else {
            s->at++;
            s->repeats = 0;
        }
    }
    if (n > 0)
        WR_TRY(emit_known(j, own, other, n));
    *more = s->at < s->taken || s->taken == WR_BATCH_ROWS_MAX;
    if (s->at < s->taken)
        return WEIR_OK;
    WR_TRY(wr_change_side_remove(side, s->ids, s->taken));
    s->taken = 0;
    return WEIR_OK;
}

/* Right rows that nobody will ask for. */
static weir_status
let_go(asof_join *j, wr_time watermark)
{
    asof_step      *s = j->step;
    wr_change_side *side = &j->sides[1];
    uint32_t        n = WR_BATCH_ROWS_MAX;
    wr_time         from = asked_from(j, watermark);
    while (n == WR_BATCH_ROWS_MAX) {
        uint32_t gone = 0;
        WR_TRY(wr_versions_prune(&j->versions, from, s->ids, WR_BATCH_ROWS_MAX, &n));
        for (uint32_t i = 0; i < n; i++) {
            wr_group *g = wr_change_side_own(side, s->ids[i]);
            if (g == NULL)
                return WEIR_MEMORY;
            if (--g->count == 0)
                s->ids[gone++] = s->ids[i];
        }
        WR_TRY(wr_change_side_remove(side, s->ids, gone));
    }
    WR_TRY(wr_change_side_tidy(&j->sides[0]));
    return wr_change_side_tidy(side);
}

static wr_flow
asof_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    asof_join  *j = self;
    weir_status status = wr_asof_step_create(j);
    bool        more = true;
    while (status == WEIR_OK && more) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        wr_eval_reset(&ctx->eval);
        status = answer(j, watermark, &more);
    }
    if (status == WEIR_OK && watermark == WR_TIME_END) { /* A5 */
        wr_change_side_clear(&j->sides[0]);
        wr_change_side_clear(&j->sides[1]);
        wr_versions_clear(&j->versions);
    } else if (status == WEIR_OK) {
        status = let_go(j, watermark);
    }
    if (status != WEIR_OK)
        return wr_ctx_fail(ctx, status, "no memory for an as-of join");
    wr_asof_count_state(j);
    return WR_FLOW_NEXT;
}

static void
asof_explain(const void *config, wr_text *to)
{
    const wr_asof_join_config *c = config;
    wr_text_puts(to, c->outer ? "left" : "inner");
    if (c->upserts)
        wr_text_puts(to, " versions");
    for (uint32_t k = 0; k < c->key_count; k++)
        wr_text_printf(to, "%s%s = %s", k > 0 ? " and " : " on ",
                       c->left->fields[c->left_keys[k]].name,
                       c->right->fields[c->right_keys[k]].name);
    wr_text_printf(to, "%s%s %s %s", c->key_count > 0 ? " and " : " on ",
                   c->right->fields[c->right_time].name, c->strict ? "<" : "<=",
                   c->left->fields[c->left_time].name);
    if (c->reach_us != INT64_MAX)
        wr_text_printf(to, ", at most %.6f s before", (double) c->reach_us / 1e6);
}

const wr_operator_ops wr_asof_join_ops = {
    .name = "asof_join",
    .self_size = sizeof(asof_join),
    .open = asof_open,
    .process = asof_process,
    .advance = asof_advance,
    .freeze = wr_asof_freeze,
    .write = wr_asof_write,
    .thaw = wr_asof_thaw,
    .restore = wr_asof_restore,
    .close = asof_close,
    .explain = asof_explain,
};
