/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join_changes.c -- join of two inputs that change.
 *
 * Place       port 0 left, port 1 right; output left's columns, then right's (semi, anti: left's
 *             alone), as a changelog.  lookup: left rows alone make rows come out, and are not kept.
 * State       each distinct row of both sides with its diff, by key; rows of a side that others wait
 *             for know how many partners they have.  A row is forgotten when its time bound or the
 *             ttl says so.
 * Invariants  H1  what has come out, summed, is the join of what has come in, summed: at the end of
 *                 each batch
 *             H2  that holds for any diffs.  A row taken back before it came stands with a negative
 *                 diff until it comes, so that the order of the inputs does not matter.  A row has
 *                 a partner when the diffs of those that match add up to more than 0
 *             H3  out of one batch (with a ttl: of a run of its rows) each output row comes at most
 *                 once, those taken back first
 *             H4  with a time bound, a row behind its own side's watermark is late: counted, of the
 *                 left handed on where somebody wants it, and nothing else.  All others find every partner they have, so that what comes out
 *                 can be taken back exactly
 *             H5  with a ttl, what a forgotten row made come out stays; a forgotten row that is
 *                 taken back is counted as late, and nothing else.  What is forgotten depends on
 *                 the watermarks that rows met, never on batches
 *             H6  after the end nothing is left
 * Cost        a row: two probes of its own side, one of the other, and a step a candidate.
 */
#include "operator/join_changes_impl.h"

#include <string.h>

/* --- open --- */

static weir_status
read_columns(join_changes *j)
{
    const wr_join_config *c = j->config;
    uint32_t              n = c->left->field_count + c->right->field_count;
    if (c->residual == NULL)
        return WEIR_OK;
    j->reads = wr_calloc(j->ctx->state, n / 64 + 1, sizeof *j->reads);
    if (j->reads == NULL)
        return WEIR_MEMORY;
    wr_expr_columns(c->residual, j->reads);
    return WEIR_OK;
}

static weir_status
open_sides(join_changes *j)
{
    const wr_join_config *c = j->config;
    weir_status status =
        wr_join_key_layout(&j->layout, j->ctx->state, c->left, c->left_keys, c->key_count);
    for (int p = 0; p < 2 && status == WEIR_OK; p++)
        status = wr_change_side_init(&j->sides[p], j->ctx->state, j->schemas[p], &j->layout, j->keys[p],
                                     !c->has_bound && c->ttl_us == 0 && !j->counts[p]);
    return status == WEIR_OK ? read_columns(j) : status;
}

static void
changes_close(void *self)
{
    join_changes *j = self;
    if (j->step != NULL) {
        wr_row_keys_fini(&j->step->keys);
        wr_free(j->step->key_columns);
        wr_free(j->step->lost);
        wr_free(j->step->out);
        wr_free(j->step);
        j->step = NULL;
    }
    for (int p = 0; p < 2; p++)
        if (j->sides[p].budget != NULL)
            wr_change_side_fini(&j->sides[p]);
    wr_free(j->reads);
    j->reads = NULL;
    wr_key_layout_fini(&j->layout);
}

static weir_status
changes_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    join_changes         *j = self;
    const wr_join_config *c = config;
    j->config = c;
    j->ctx = ctx;
    j->keys[0] = c->left_keys;
    j->keys[1] = c->right_keys;
    j->schemas[0] = c->left;
    j->schemas[1] = c->right;
    j->half = c->kind == WR_JOIN_SEMI || c->kind == WR_JOIN_ANTI;
    j->outer[0] = c->kind == WR_JOIN_LEFT || c->kind == WR_JOIN_FULL || c->kind == WR_JOIN_ANTI;
    j->outer[1] = c->kind == WR_JOIN_RIGHT || c->kind == WR_JOIN_FULL;
    j->counts[0] = !c->lookup && (j->outer[0] || j->half || c->single);
    j->counts[1] = j->outer[1];
    wr_assert(!c->lookup || !j->outer[1]);
    WR_TRY(wr_join_check_config(c, err));
    weir_status status = open_sides(j);
    if (status == WEIR_OK)
        return WEIR_OK;
    changes_close(j);
    return wr_error_set(err, status, "no memory for a join");
}

static weir_status
step_create(join_changes *j)
{
    if (j->step != NULL)
        return WEIR_OK;
    changes_step *s = wr_alloc(j->ctx->flow, sizeof *s);
    if (s == NULL)
        return WEIR_MEMORY;
    memset(s, 0, offsetof(changes_step, rows));
    wr_row_keys_init(&s->keys, &j->layout, j->ctx->flow);
    j->step = s;
    s->key_columns = wr_alloc(j->ctx->flow, j->config->key_count * sizeof *s->key_columns);
    return s->key_columns != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* --- the beginning of a batch --- */

static void
count_late(join_changes *j, uint64_t rows)
{
    atomic_fetch_add_explicit(&j->ctx->counters.rows_late, rows, memory_order_relaxed);
}

static bool
has_null_key(const join_changes *j, const wr_batch *in, int port, uint32_t row)
{
    for (uint32_t k = 0; k < j->config->key_count && !j->config->null_equal; k++)
        if (wr_column_is_null(in->columns[j->keys[port][k]], row))
            return true;
    return false;
}

/* What is known of a row of the batch before it is looked up. */
typedef struct arrival {
    wr_time judge, time;
    bool    single;
} arrival;

wr_time
wr_changes_until(const join_changes *j, int port, wr_time t, wr_time judge)
{
    const wr_join_config *c = j->config;
    int64_t               offset = port == 0 ? c->left_offset : c->right_offset;
    wr_time               until = wr_join_until(c, port, t, judge);
    if (c->has_bound && c->ttl_us == 0 && until != WR_TIME_END && offset != WR_NO_WATERMARK)
        until = WR_MAX(until, wr_join_time_add(t, -offset)); /* it may be taken back until then */
    return until;
}

/* false: the row is late (H4). */
static bool
row_arrives(const join_changes *j, const wr_batch *in, uint32_t row, arrival *a)
{
    const wr_join_config *c = j->config;
    int                   port = j->step->port;
    wr_time               others = j->ctx->port_watermark[1 - port];
    a->judge = WR_MAX(WR_MIN(wr_batch_row_watermark(in, row), others), j->ctx->watermark);
    a->time = a->judge;
    a->single = has_null_key(j, in, port, row);
    if (!c->has_bound)
        return true;
    const wr_column *time = in->columns[port == 0 ? c->left_time : c->right_time];
    int64_t          offset = port == 0 ? c->left_offset : c->right_offset;
    if (wr_column_is_null(time, row)) {
        a->single = true;
        return true;
    }
    a->time = wr_event_time_get(time, row);
    return offset == WR_NO_WATERMARK || a->time >= wr_join_time_add(a->judge, offset);
}

/* The number of a row among the distinct ones of the step. */
static uint32_t
distinct_row(join_changes *j, uint32_t id, uint32_t i, const arrival *a)
{
    changes_step *s = j->step;
    uint32_t     *at = NULL, d = WR_CHANGE_NONE; /* of a batch that passes each comes out by itself */
    if (s->passing == NULL) {
        at = &wr_change_side_info(&j->sides[s->port], id)->at;
        d = *at;
    }
    if (d == WR_CHANGE_NONE) {
        d = s->touched++;
        if (at != NULL)
            *at = d;
        s->ids[d] = id;
        s->deltas[d] = 0;
        s->partners[d] = 0;
        s->which[d] = (uint16_t) i;
    }
    s->single[d] = a->single;
    s->judges[d] = a->judge;
    s->times[d] = a->time;
    return d;
}

/* H5: of a row's diff, what can be taken from what is there. */
static int64_t
diff_allowed(join_changes *j, uint32_t id, uint32_t d, int64_t diff)
{
    const changes_step *s = j->step;
    int64_t kept = s->passing == NULL ? wr_change_side_row(&j->sides[s->port], id)->count : 0;
    int64_t there = changes_add(kept, s->deltas[d]);
    if (j->config->ttl_us == 0 || diff > 0 || changes_add(there, diff) >= 0)
        return diff;
    int64_t allowed = -WR_MAX(there, 0);
    count_late(j, (uint64_t) (allowed - diff));
    return allowed;
}

/* H5: nothing that is there is forgotten before this moment. */
static wr_time
next_forgotten(const join_changes *j)
{
    wr_time first = WR_TIME_END;
    for (int p = 0; p < 2; p++)
        if (j->sides[p].due_count > 0)
            first = WR_MIN(first, j->sides[p].due[0].until);
    return first;
}

/* H4 */
static weir_status
tell_late(join_changes *j, int port, const wr_batch *in)
{
    changes_step *s = j->step;
    uint32_t      n = 0;
    arrival       a;
    s->port = port;
    for (uint32_t i = 0; j->config->has_bound && i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        if (!row_arrives(j, in, row, &a))
            s->rows[n++] = (uint16_t) row;
    }
    if (port == 0)
        return wr_ctx_drop_late(j->ctx, in, s->rows, n);
    count_late(j, n);
    return WEIR_OK;
}

/* The rows of the step: the batch's from s->from on, with a ttl up to the first that comes after
 * something has been forgotten. */
static weir_status
take_run(join_changes *j, const wr_batch *in, arrival *arrivals, uint32_t *count)
{
    changes_step *s = j->step;
    wr_time       forgotten = WR_TIME_END;
    uint32_t      n = 0, first = s->from;
    for (; s->from < in->row_count; s->from++) {
        uint32_t row = wr_batch_row(in, s->from);
        arrival *a = &arrivals[n];
        s->rows[n] = (uint16_t) row;
        bool arrives = row_arrives(j, in, row, a);
        if (j->config->ttl_us > 0 && s->from == first) {
            uint64_t gone;
            for (int p = 0; p < 2; p++)
                WR_TRY(wr_change_side_forget(&j->sides[p], a->judge, &gone));
            forgotten = next_forgotten(j);
        } else if (a->judge > forgotten) {
            break;
        }
        s->judge = a->judge;
        if (j->config->ttl_us > 0)
            forgotten = WR_MIN(forgotten, wr_changes_until(j, s->port, a->time, a->judge));
        n += arrives;
    }
    *count = n;
    return WEIR_OK;
}

/* The run's rows among those of their side, and their keys. */
static weir_status
find_rows(join_changes *j, const wr_batch *in, uint32_t n)
{
    changes_step   *s = j->step;
    wr_change_side *side = &j->sides[s->port];
    if (s->passing == NULL) {
        WR_TRY(wr_change_side_find(side, in, s->rows, n, s->found));
        WR_TRY(wr_group_table_own(&side->rows, s->found, n));
    }
    for (uint32_t k = 0; k < j->config->key_count; k++)
        s->key_columns[k] = in->columns[j->keys[s->port][k]];
    return wr_row_keys_fill(&s->keys, s->key_columns, s->rows, n, in->physical_count, NULL);
}

/* A run's rows, each distinct one once with the sum of its diffs. */
static weir_status
gather_rows(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    uint32_t      n = 0;
    arrival      *arrivals =
        wr_arena_alloc(&j->ctx->eval.step, in->row_count * sizeof *arrivals);
    if (arrivals == NULL)
        return WEIR_MEMORY;
    s->one_judge = false;
    WR_TRY(take_run(j, in, arrivals, &n));
    if (n == 0)
        return WEIR_OK;
    WR_TRY(find_rows(j, in, n));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = s->passing == NULL ? s->found[i] : s->rows[i];
        uint32_t d = distinct_row(j, id, i, &arrivals[i]);
        int64_t  diff = diff_allowed(j, id, d, wr_batch_diff(in, s->rows[i]));
        if (__builtin_add_overflow(s->deltas[d], diff, &s->deltas[d]))
            return WEIR_ROW_OVERFLOW;
    }
    return WEIR_OK;
}

/* --- the same, where no row is late and all have one watermark --- */

static bool
all_arrive(const join_changes *j, const wr_batch *in)
{
    return !j->config->has_bound && j->config->ttl_us == 0 && in->row_watermark == NULL;
}

static void
find_single(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    bool          nulls = false;
    memset(s->single, 0, s->touched * sizeof *s->single);
    for (uint32_t k = 0; k < j->config->key_count && !j->config->null_equal; k++)
        nulls |= wr_column_base(s->key_columns[k])->valid != NULL;
    for (uint32_t d = 0; nulls && d < s->touched; d++)
        s->single[d] = has_null_key(j, in, s->port, s->rows[s->which[d]]);
}

/* As they are: each by itself (lookups). */
static void
take_each(changes_step *s, uint32_t n)
{
    s->touched = n;
    for (uint32_t i = 0; i < n; i++) {
        s->ids[i] = s->rows[i];
        s->which[i] = (uint16_t) i;
        s->deltas[i] = wr_batch_diff(s->passing, s->rows[i]);
    }
}

/* Each distinct one once. */
static weir_status
take_distinct(join_changes *j, const wr_batch *in, uint32_t n)
{
    changes_step         *s = j->step;
    const wr_change_side *side = &j->sides[s->port];
    uint32_t              touched = 0;
    for (uint32_t i = 0; i < n; i++) {
        wr_change_row *info = wr_change_side_info(side, s->found[i]);
        int64_t        diff = wr_batch_diff(in, s->rows[i]);
        if (WR_UNLIKELY(info->at != WR_CHANGE_NONE)) {
            if (__builtin_add_overflow(s->deltas[info->at], diff, &s->deltas[info->at]))
                return WEIR_ROW_OVERFLOW;
            continue;
        }
        info->at = touched;
        s->ids[touched] = s->found[i];
        s->which[touched] = (uint16_t) i;
        s->deltas[touched++] = diff;
    }
    s->touched = touched;
    return WEIR_OK;
}

static weir_status
gather_all(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    uint32_t      n = s->from = in->row_count;
    for (uint32_t i = 0; i < n; i++)
        s->rows[i] = (uint16_t) wr_batch_row(in, i);
    s->judge = WR_MIN(in->watermark_before, j->ctx->port_watermark[1 - s->port]);
    s->judge = WR_MAX(s->judge, j->ctx->watermark);
    s->one_judge = true;
    WR_TRY(find_rows(j, in, n));
    if (s->passing != NULL)
        take_each(s, n);
    else
        WR_TRY(take_distinct(j, in, n));
    find_single(j, in);
    memset(s->partners, 0, s->touched * sizeof *s->partners);
    for (uint32_t d = 0; d < s->touched; d++)
        s->judges[d] = s->times[d] = s->judge;
    return WEIR_OK;
}

/* H3 */
static void
order_rows(changes_step *s)
{
    uint32_t n = 0;
    for (uint32_t d = 0; d < s->touched; d++) {
        s->order[n] = (uint16_t) d;
        n += s->deltas[d] < 0;
    }
    s->back_count = n;
    for (uint32_t d = 0; d < s->touched && n < s->touched; d++) {
        s->order[n] = (uint16_t) d;
        n += s->deltas[d] > 0;
    }
    s->count = n;
}

static weir_status
run_begin(join_changes *j, int port, const wr_batch *in)
{
    changes_step *s = j->step;
    s->port = port;
    s->touched = s->count = 0;
    s->row = s->settled = 0;
    s->within = false;
    s->out_count = s->out_sent = 0;
    s->lost_count = s->lost_at = 0;
    WR_TRY(all_arrive(j, in) ? gather_all(j, in) : gather_rows(j, in));
    order_rows(s);
    s->phase = CHANGES_MATCH;
    s->straight = wr_changes_go_straight(j);
    if (j->config->lookup && port == 1) {
        s->phase = CHANGES_STORE;
        return WEIR_OK;
    }
    wr_change_side_heads(&j->sides[1 - port], &s->keys, s->which, s->touched, s->heads);
    for (uint32_t d = 0; d < s->touched; d++)
        s->heads[d] = s->single[d] ? WR_CHANGE_NONE : s->heads[d];
    return WEIR_OK;
}

/* --- process --- */

void
wr_changes_count_state(join_changes *j)
{
    atomic_store_explicit(&j->ctx->counters.state_keys,
                          (uint64_t) j->sides[0].rows.live + j->sides[1].rows.live,
                          memory_order_relaxed);
}

static wr_flow
fail(join_changes *j, weir_status status, const wr_batch *in)
{
    return wr_ctx_fail(j->ctx, status, "cannot join %u rows: %s", in->row_count,
                       weir_status_text(status));
}

/* Pairs as they are found. */
static wr_flow
go_straight(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    if (!wr_ctx_has_room(j->ctx, WR_PORT_MAIN))
        return WR_FLOW_AGAIN;
    wr_flow flow = wr_changes_straight(j, in);
    if (flow == WR_FLOW_NEXT && s->row == s->count)
        s->phase = CHANGES_STORE;
    return flow;
}

/* One bounded piece of work; NEXT even when there is more. */
static wr_flow
step_on(join_changes *j)
{
    changes_step *s = j->step;
    wr_flow       flow;
    if (s->phase == CHANGES_BACK) {
        flow = wr_changes_bring_back(j);
        if (flow == WR_FLOW_NEXT && s->lost_at == s->lost_count)
            s->phase = CHANGES_STORE;
        return flow;
    }
    flow = wr_changes_match(j);
    if (flow == WR_FLOW_NEXT && s->settled == s->count)
        s->phase = CHANGES_BACK;
    return flow;
}

/* A batch by join_lookup.c's way, begun or to be gone on with. */
static wr_flow
pass(join_changes *j, const wr_batch *in)
{
    changes_step *s = j->step;
    weir_status   status;
    if (s->phase != CHANGES_PASS && (status = wr_changes_pass_begin(j, in)) != WEIR_OK)
        return fail(j, status, in);
    while (s->row < s->count) {
        if (!wr_ctx_has_room(j->ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        wr_eval_reset(&j->ctx->eval);
        wr_flow flow = wr_changes_pass(j, in);
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    s->phase = CHANGES_IDLE;
    return WR_FLOW_NEXT;
}

static wr_flow
changes_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    join_changes *j = self;
    weir_status   status;
    wr_flow       flow;
    wr_assert(port == 0 || port == 1);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if ((status = step_create(j)) != WEIR_OK)
        return fail(j, status, in);
    changes_step *s = j->step;
    if (s->phase == CHANGES_PASS ||
        (s->phase == CHANGES_IDLE && port == 0 && wr_changes_may_pass(j, in)))
        return pass(j, in);
    s->passing = j->config->lookup && port == 0 ? in : NULL;
    if (s->phase == CHANGES_IDLE) {
        s->from = 0;
        if ((status = tell_late(j, port, in)) != WEIR_OK ||
            (status = run_begin(j, port, in)) != WEIR_OK)
            return fail(j, status, in);
    }
    for (;;) {
        uint32_t waiting = s->out_count - s->out_sent;
        wr_eval_reset(&ctx->eval);
        if (waiting >= WR_BATCH_ROWS_MAX || (s->phase == CHANGES_STORE && waiting > 0)) {
            if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
                return WR_FLOW_AGAIN;
            flow = wr_changes_emit(j);
        } else if (s->phase == CHANGES_STORE) {
            status = wr_changes_store(j);
            if (status == WEIR_OK && s->from == in->row_count)
                break;
            flow = WR_FLOW_NEXT;
            if (status != WEIR_OK || (status = run_begin(j, port, in)) != WEIR_OK)
                return fail(j, status, in);
        } else {
            flow = s->straight ? go_straight(j, in) : step_on(j);
        }
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    s->phase = CHANGES_IDLE;
    wr_changes_count_state(j);
    return WR_FLOW_NEXT;
}

static wr_flow
changes_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    join_changes *j = self;
    for (int p = 0; p < 2; p++) {
        uint64_t count;
        if (watermark == WR_TIME_END)
            wr_change_side_clear(&j->sides[p]); /* H6 */
        else if (wr_change_side_forget(&j->sides[p], watermark, &count) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to forget rows");
    }
    wr_changes_count_state(j);
    return WR_FLOW_NEXT;
}

const wr_operator_ops wr_join_changes_ops = {
    .name = "join_changes",
    .self_size = sizeof(join_changes),
    .open = changes_open,
    .process = changes_process,
    .advance = changes_advance,
    .freeze = wr_changes_freeze,
    .write = wr_changes_write,
    .thaw = wr_changes_thaw,
    .restore = wr_changes_restore,
    .close = changes_close,
    .explain = wr_join_explain,
};
