/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/join.c -- symmetric hash join of two inputs.
 *
 * Place       port 0 left, port 1 right; output left's columns, then right's (semi, anti: left's
 *             alone).
 * State       the rows of both sides that may still find a partner, by key, in buckets by time;
 *             dropped bucket by bucket as the watermark passes.  Unmatched rows of an outer side
 *             come out when no partner can come any more.
 * Invariants  J1  each pair comes out once, when the later of its rows comes
 *             J2  what comes out depends on the rows of each side, their watermarks, and their
 *                 order against the other side's watermark; never on batches (join_probe.c)
 *             J3  rows whose key is NULL match nothing unless null_equal
 *             J4  after the end nothing is left
 *             J5  no row is taken back: where one may be, join_changes.c joins
 *             J6  with a time bound, a row all of whose partners may have left is late: counted,
 *                 those of the left handed on where somebody wants them, and no more
 *             J7  where one input ends (config.ends), rows of the other are kept until it has: then those without
 *                 partner come out, the others are dropped, and what comes is joined and let go
 * Cost        a row: key words, a look into each bucket its range overlaps (two), an insert;
 *             50-150 ns, most of it waiting for memory.
 */
#include "operator/join_impl.h"

#include "data/datetime.h"

#include <string.h>

/* --- open --- */

/* Both sides' keys must have the same words, or none of them words. */
static weir_status
check_keys(const wr_join_config *c, weir_error *err)
{
    for (uint32_t k = 0; k < c->key_count; k++) {
        wr_type a = c->left->fields[c->left_keys[k]].type;
        wr_type b = c->right->fields[c->right_keys[k]].type;
        bool    both = (wr_type_is_integer(a) && wr_type_is_integer(b)) || wr_type_same(a, b);
        bool times = wr_type_is_time(a) && wr_type_is_time(b) && a.id != WR_DATE && b.id != WR_DATE;
        if (!both && !times)
            return wr_error_set(err, WEIR_QUERY_TYPE, "a join of %s with %s: cast one of them",
                                wr_type_name(a), wr_type_name(b));
    }
    return WEIR_OK;
}

weir_status
wr_join_check_config(const wr_join_config *c, weir_error *err)
{
    if (c->ttl_us > INT64_MAX / 4)
        return wr_error_set(err, WEIR_QUERY, "a ttl of more than 70,000 years");
    if (c->has_bound && (!wr_type_is_time(c->left->fields[c->left_time].type) ||
                         !wr_type_is_time(c->right->fields[c->right_time].type)))
        return wr_error_set(err, WEIR_QUERY_TYPE, "the time bound of a join is not over times");
    return check_keys(c, err);
}

/* The width of a side's buckets: the range its partners lie in. */
static int64_t
bucket_width(const join *j, int port)
{
    const wr_join_config *c = j->config;
    int64_t               range;
    if (!c->has_bound)
        return c->ttl_us > 0 ? WR_MAX((int64_t) c->ttl_us, WR_US_PER_SECOND) : 0;
    if (wr_join_until(c, port, 0, WR_TIME_START) == WR_TIME_END && c->ttl_us == 0)
        return 0; /* nothing leaves before the end */
    if (__builtin_sub_overflow(c->high_us, c->low_us, &range) || range > 40 * WR_US_PER_DAY)
        return 40 * WR_US_PER_DAY;
    return WR_MAX(range, WR_US_PER_SECOND / 10);
}

static void join_close(void *self);

weir_status
wr_join_key_layout(wr_key_layout *layout, wr_budget *budget, const wr_schema *left,
                   const uint32_t *keys, uint32_t count)
{
    wr_type *types = wr_alloc(budget, count * sizeof *types);
    if (types == NULL)
        return WEIR_MEMORY;
    for (uint32_t k = 0; k < count; k++)
        types[k] = left->fields[keys[k]].type;
    weir_status status = wr_key_layout_init(layout, budget, types, count, false, false);
    wr_free(types);
    return status;
}

static weir_status
join_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    join                 *j = self;
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
    WR_TRY(wr_join_check_config(c, err));
    weir_status status =
        wr_join_key_layout(&j->layout, ctx->state, c->left, c->left_keys, c->key_count);
    if (status != WEIR_OK)
        return wr_error_set(err, status, "no memory for %u keys", c->key_count);
    for (int p = 0; p < 2; p++) {
        int keeps = (j->outer[p] ? WR_JOIN_UNMATCHED : 0) | (c->ttl_us > 0 ? WR_JOIN_UNTILS : 0) |
                    (c->null_equal ? WR_JOIN_NULLS : 0);
        j->stays[p] = c->ttl_us == 0 && wr_join_until(c, p, 0, WR_TIME_START) == WR_TIME_END;
        j->shifts[p] = wr_join_until_shift(c, p, &j->shift[p]);
        wr_join_side_init(&j->sides[p], ctx->state, &j->layout, j->schemas[p], j->keys[p],
                          bucket_width(j, p), keeps);
    }
    return WEIR_OK;
}

static void
step_destroy(join *j)
{
    if (j->step == NULL)
        return;
    wr_row_keys_fini(&j->step->keys);
    wr_free(j->step->key_columns);
    wr_free(j->step->heads);
    wr_free(j->step);
    j->step = NULL;
}

static void
join_close(void *self)
{
    join *j = self;
    wr_scratch_gone(j->ctx->scratch, j);
    step_destroy(j);
    wr_join_side_fini(&j->sides[0]);
    wr_join_side_fini(&j->sides[1]);
    wr_key_layout_fini(&j->layout);
}

/* --- process --- */

static bool
step_drop(void *self)
{
    join *j = self;
    if (j->step != NULL && j->step->begun)
        return false;
    step_destroy(j);
    return true;
}

static weir_status
step_create(join *j)
{
    if (j->step != NULL)
        return WEIR_OK;
    join_step *s = wr_alloc(j->ctx->flow, sizeof *s);
    if (s == NULL)
        return WEIR_MEMORY;
    memset(s, 0, offsetof(join_step, rows));
    wr_row_keys_init(&s->keys, &j->layout, j->ctx->flow);
    j->step = s;
    wr_scratch_made(j->ctx->scratch, j, step_drop);
    s->key_columns = wr_alloc(j->ctx->flow, j->config->key_count * sizeof *s->key_columns);
    return s->key_columns != NULL ? WEIR_OK : WEIR_MEMORY;
}

static bool
has_negative(const wr_batch *in)
{
    for (uint32_t i = 0; in->diff != NULL && i < in->row_count; i++)
        if (in->diff[wr_batch_row(in, i)] < 0)
            return true;
    return false;
}

static const char *const kind_names[] = { "inner", "left", "right", "full", "semi", "anti" };

void
wr_join_count_state(join *j)
{
    atomic_store_explicit(&j->ctx->counters.state_keys,
                          wr_join_side_rows(&j->sides[0]) + wr_join_side_rows(&j->sides[1]),
                          memory_order_relaxed);
    atomic_store_explicit(&j->ctx->counters.state_panes,
                          j->sides[0].bucket_count + j->sides[1].bucket_count,
                          memory_order_relaxed);
}

static wr_flow
join_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    join *j = self;
    wr_assert(port == 0 || port == 1);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (step_create(j) != WEIR_OK)
        return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to join");
    join_step *s = j->step;
    if (!s->begun) {
        if (has_negative(in))
            return wr_ctx_fail(ctx, WEIR_QUERY_UNSUPPORTED,
                               "a %s join cannot take rows back, and its %s input retracts some",
                               kind_names[j->config->kind], port == 0 ? "left" : "right");
        if (wr_join_begin(j, port, in) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to join %u rows", in->row_count);
    }
    while (s->row < s->count || s->awaited) {
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        wr_eval_reset(&ctx->eval);
        if (wr_join_candidates(j) != WEIR_OK)
            return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory to join %u rows", in->row_count);
        wr_flow flow = wr_join_emit_pairs(j, in);
        if (flow != WR_FLOW_NEXT)
            return flow;
    }
    weir_status status = wr_join_store(j, in);
    if (status != WEIR_OK)
        return wr_ctx_fail(ctx, status, "cannot store %u rows", in->row_count);
    s->begun = false;
    wr_join_count_state(j);
    return WR_FLOW_NEXT;
}

static wr_flow
join_advance(void *self, wr_ctx *ctx, wr_time watermark)
{
    join *j = self;
    wr_time until[2];
    for (int p = 0; p < 2; p++) {
        uint32_t count = j->outer[p] ? WR_BATCH_ROWS_MAX : 0;
        until[p] = join_partners_are_there(j, p) ? WR_TIME_END : watermark;
        while (count == WR_BATCH_ROWS_MAX) {
            if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
                return WR_FLOW_AGAIN;
            wr_join_row *rows = wr_arena_alloc(&ctx->eval.step, WR_BATCH_ROWS_MAX * sizeof *rows);
            if (rows == NULL || wr_join_side_take(&j->sides[p], until[p], rows, WR_BATCH_ROWS_MAX,
                                                  &count) != WEIR_OK)
                return wr_ctx_fail(ctx, WEIR_MEMORY, "no memory for rows without partner");
            atomic_fetch_add_explicit(&ctx->counters.rows_unmatched, count, memory_order_relaxed);
            if (count > 0 && wr_join_emit_left(j, p, rows, count) != WR_FLOW_NEXT)
                return WR_FLOW_FAIL;
        }
    }
    for (int p = 0; p < 2; p++)
        atomic_fetch_add_explicit(&ctx->counters.rows_unmatched,
                                  wr_join_side_drop(&j->sides[p], until[p]), memory_order_relaxed);
    wr_join_count_state(j);
    return WR_FLOW_NEXT;
}

void
wr_join_explain(const void *config, wr_text *to)
{
    const wr_join_config *c = config;
    wr_text_puts(to, kind_names[c->kind]);
    for (uint32_t k = 0; k < c->key_count; k++)
        wr_text_printf(to, "%s%s = %s", k > 0 ? " and " : " on ",
                       c->left->fields[c->left_keys[k]].name,
                       c->right->fields[c->right_keys[k]].name);
    if (c->has_bound)
        wr_text_printf(to, ", %s - %s in [%.6f s, %.6f s]", c->left->fields[c->left_time].name,
                       c->right->fields[c->right_time].name, (double) c->low_us / 1e6,
                       (double) c->high_us / 1e6);
    if (c->residual != NULL) {
        wr_text_puts(to, " where ");
        wr_expr_print(c->residual, NULL, to);
    }
}

const wr_operator_ops wr_join_ops = {
    .name = "join",
    .self_size = sizeof(join),
    .traits = WR_OP_SHEDS,
    .open = join_open,
    .process = join_process,
    .advance = join_advance,
    .freeze = wr_join_freeze,
    .write = wr_join_write,
    .thaw = wr_join_thaw,
    .restore = wr_join_restore,
    .close = join_close,
    .explain = wr_join_explain,
};
