/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operator/unnest.c -- each row once for each item of its sets.
 *
 * Place       one input, one output: FROM unnest(a), generate_series(1, n), set-returning functions in a
 *             select list.
 * State       none; the place in an input batch is kept only between AGAIN and the same call again.
 * Invariants  U1  items of a row in their order, rows in theirs; several sets side by side, the shorter
 *                 ones filled with NULL
 *             U2  a row whose sets are all empty or NULL gives none, or one of NULLs when `outer`
 *             U3  each row keeps the watermark that judges it; of the batches made from one, none
 *                 overlaps the next
 *             U4  a set is never built as a whole: memory is one output batch
 *             U5  every series ends: one that could not fails its row
 */
#include "operator/unnest.h"

#include "data/array.h"
#include "data/datetime.h"
#include "expr/function.h"

#include <string.h>

enum { SERIES_ARGS_MAX = 3 };

const wr_function wr_series_function = {
    .name = "generate_series",
    .arg_count = 3,
    .optional = 1,
    .can_fail = true,
    .volatility = WR_VOLATILE, /* not a value: never folded, never moved */
    .topic = "set",
    .doc = "the numbers or times from start to stop by step",
};

/* One call's arguments over the batch at hand, and how far the row at hand has come. */
typedef struct unnest_set {
    bool          is_series;
    wr_type       type; /* of an item */
    uint32_t      arg_count;
    wr_column    *args[SERIES_ARGS_MAX];
    /* the row at hand */
    bool          done;
    wr_value      array; /* keeps an inline array's bytes in place */
    wr_array_view view;
    const char   *at;
    wr_value      next, stop, step;
    bool          down;
} unnest_set;

typedef struct unnest {
    const wr_unnest_config *config;
    unnest_set             *sets;
    wr_arena                numbers;    /* of the row at hand: its numeric series, decimals */
    wr_arena                spare;
    uint16_t               *rows;       /* physical rows of the batch that did not fail */
    uint32_t                row_count, row_next;
    uint16_t               *out_rows;
    bool                    begun;      /* between AGAIN and the same call again */
    bool                    in_row;     /* the sets stand at row_next            */
    int64_t                 ordinal;
    wr_time                 stamped;
} unnest;

static void
forget_batch(unnest *u)
{
    for (uint32_t i = 0; u->sets != NULL && i < u->config->call_count; i++)
        for (uint32_t a = 0; a < SERIES_ARGS_MAX; a++) {
            wr_column_release(u->sets[i].args[a]);
            u->sets[i].args[a] = NULL;
        }
    u->begun = u->in_row = false;
}

static void
unnest_close(void *self)
{
    unnest *u = self;
    forget_batch(u);
    wr_free(u->sets);
    wr_free(u->rows);
    wr_free(u->out_rows);
    u->sets = NULL;
    u->rows = u->out_rows = NULL;
    wr_arena_fini(&u->numbers);
    wr_arena_fini(&u->spare);
}

static weir_status
unnest_open(void *self, wr_ctx *ctx, const void *config, weir_error *err)
{
    unnest *u = self;
    u->config = config;
    wr_arena_init(&u->numbers, ctx->flow);
    wr_arena_init(&u->spare, ctx->flow);
    uint32_t n = u->config->call_count;
    u->sets = wr_calloc(ctx->flow, n, sizeof *u->sets);
    if (u->sets == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for %u sets", n);
    for (uint32_t i = 0; i < n; i++) {
        const wr_expr *call = u->config->calls[i];
        unnest_set    *set = &u->sets[i];
        set->is_series = call->kind == WR_EXPR_CALL && call->function == &wr_series_function;
        wr_assert(set->is_series ? call->arg_count >= 2 && call->arg_count <= SERIES_ARGS_MAX
                                 : call->type.id == WR_ARRAY);
        set->type = set->is_series ? call->type : wr_type_element(call->type);
        set->arg_count = set->is_series ? call->arg_count : 1;
    }
    return WEIR_OK;
}

/* --- one row's sets --- */

static bool
is_zero(const wr_value *v)
{
    switch (v->type.id) {
    case WR_INTERVAL: return wr_interval_normal(&v->interval) == 0;
    case WR_NUMERIC: return wr_num_sign(&v->string) == 0;
    default: return v->integer == 0;
    }
}

static bool
is_finite(const wr_value *v)
{
    if (v->type.id == WR_NUMERIC)
        return !wr_num_is_nan(&v->string) && !wr_num_is_infinite(&v->string);
    bool is_time = v->type.id == WR_TIMESTAMP || v->type.id == WR_TIMESTAMPTZ;
    return !is_time || (v->integer != WR_TIME_NEGINF && v->integer != WR_TIME_POSINF);
}

/* U5: a series of times that has a first item but would never pass stop. */
static bool
is_endless(const wr_value *args)
{
    const wr_interval *step = &args[2].interval;
    wr_int128          rest = (wr_int128) step->days * WR_US_PER_DAY + step->us;
    bool               down = wr_interval_normal(step) < 0;
    if (down ? args[0].integer < args[1].integer : args[0].integer > args[1].integer)
        return false;
    /* a month is 28 to 31 days: the step must go the same way with the shortest and the longest */
    wr_int128 shortest = (wr_int128) step->months * 28 * WR_US_PER_DAY + rest;
    wr_int128 longest = (wr_int128) step->months * 31 * WR_US_PER_DAY + rest;
    return !is_finite(&args[0]) || !is_finite(&args[1]) || shortest == 0 || longest == 0
           || (shortest < 0) != (longest < 0);
}

/* Mark the rows whose series cannot be made. */
static weir_status
check_series(unnest *u, wr_ctx *ctx, const unnest_set *set, const wr_batch *in)
{
    for (uint32_t i = 0; i < in->row_count; i++) {
        uint32_t row = wr_batch_row(in, i);
        wr_value args[SERIES_ARGS_MAX];
        bool     has_null = false;
        for (uint32_t a = 0; a < set->arg_count; a++) {
            WR_TRY(wr_column_get_value(set->args[a], row, &u->numbers, &args[a]));
            has_null |= args[a].is_null;
        }
        if (has_null || wr_eval_row_failed(&ctx->eval, row))
            continue;
        if (set->arg_count == 3 && is_zero(&args[2]))
            (void) wr_eval_fail(&ctx->eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                "step size cannot equal zero");
        else if (set->arg_count == 3 && args[2].type.id == WR_INTERVAL && is_endless(args))
            (void) wr_eval_fail(
                &ctx->eval, row, WEIR_ROW_INVALID_ARGUMENT,
                "generate_series would not end: its start and stop must be finite, and its "
                "step go one way");
        else if (set->type.id == WR_NUMERIC
                 && (!is_finite(&args[0]) || !is_finite(&args[1])
                     || (set->arg_count == 3 && !is_finite(&args[2]))))
            (void) wr_eval_fail(&ctx->eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                "start, stop and step of generate_series must be finite");
    }
    wr_arena_reset(&u->numbers);
    return WEIR_OK;
}

static weir_status
enter_series(unnest *u, unnest_set *set, uint32_t row)
{
    wr_value args[SERIES_ARGS_MAX];
    set->done = false;
    for (uint32_t a = 0; a < set->arg_count; a++) {
        WR_TRY(wr_column_get_value(set->args[a], row, &u->numbers, &args[a]));
        set->done |= args[a].is_null;
    }
    if (set->done)
        return WEIR_OK;
    set->next = args[0];
    set->stop = args[1];
    if (set->arg_count == 3) {
        set->step = args[2];
    } else {
        set->step = (wr_value){ .type = set->type, .integer = 1 };
        if (set->type.id == WR_NUMERIC)
            WR_TRY(wr_num_from_int64(1, &u->numbers, &set->step.string));
    }
    set->down = set->step.type.id == WR_INTERVAL  ? wr_interval_normal(&set->step.interval) < 0
                : set->step.type.id == WR_NUMERIC ? wr_num_sign(&set->step.string) < 0
                                                  : set->step.integer < 0;
    int order = wr_value_compare(&set->next, &set->stop);
    set->done = set->down ? order < 0 : order > 0;
    return WEIR_OK;
}

static weir_status
enter_row(unnest *u, uint32_t row)
{
    wr_arena_reset(&u->numbers);
    for (uint32_t i = 0; i < u->config->call_count; i++) {
        unnest_set *set = &u->sets[i];
        if (set->is_series) {
            WR_TRY(enter_series(u, set, row));
            continue;
        }
        WR_TRY(wr_column_get_value(set->args[0], row, &u->numbers, &set->array));
        set->done = set->array.is_null;
        if (set->done)
            continue;
        wr_array_open(&set->array.string, &set->view);
        set->at = set->view.items;
    }
    u->ordinal = 0;
    u->in_row = true;
    return WEIR_OK;
}

/* next + step; the set is done when that is beyond stop, or out of range. */
static weir_status
advance_series(unnest *u, unnest_set *set)
{
    bool ok = true;
    switch (set->type.id) {
    case WR_NUMERIC: {
        wr_string sum;
        WR_TRY(wr_num_add(&set->next.string, &set->step.string, &u->numbers, &sum));
        set->next.string = sum;
        break;
    }
    case WR_TIMESTAMP:
    case WR_TIMESTAMPTZ:
        ok = wr_time_add_interval(set->next.integer, &set->step.interval, &set->next.integer);
        break;
    default:
        ok = !__builtin_add_overflow(set->next.integer, set->step.integer, &set->next.integer);
        if (set->type.id == WR_INT4)
            ok = ok && set->next.integer >= INT32_MIN && set->next.integer <= INT32_MAX;
        break;
    }
    int order = ok ? wr_value_compare(&set->next, &set->stop) : 0;
    set->done = !ok || (set->down ? order < 0 : order > 0);
    return WEIR_OK;
}

/* The item a set has for this output row: NULL when it has ended.  *any: it had one. */
static weir_status
take_item(unnest *u, unnest_set *set, wr_column *out, uint32_t row, bool *any)
{
    wr_value item;
    if (!set->done && set->is_series) {
        *any = true;
        WR_TRY(wr_column_set_value(out, row, &set->next));
        return advance_series(u, set);
    }
    if (!set->done && wr_array_next(&set->view, &set->at, &item)) {
        *any = true;
        if (item.is_null)
            return wr_column_set_null(out, row);
        item.type = set->type;
        return wr_column_set_value(out, row, &item);
    }
    set->done = true;
    return wr_column_set_null(out, row);
}

/* U4: what a long numeric series has left behind goes with each batch. */
static weir_status
refresh_numbers(unnest *u)
{
    if (!u->in_row)
        return WEIR_OK;
    for (uint32_t i = 0; i < u->config->call_count; i++) {
        unnest_set *set = &u->sets[i];
        if (!set->is_series && set->array.type.element == WR_NUMERIC)
            return WEIR_OK; /* its view points into the arena */
        if (!set->is_series || set->type.id != WR_NUMERIC || set->done)
            continue;
        WR_TRY(wr_value_copy(&set->next, &u->spare, &set->next));
        WR_TRY(wr_value_copy(&set->stop, &u->spare, &set->stop));
        WR_TRY(wr_value_copy(&set->step, &u->spare, &set->step));
    }
    wr_arena old = u->numbers;
    u->numbers = u->spare;
    u->spare = old;
    wr_arena_reset(&u->spare);
    return WEIR_OK;
}

/* --- batches --- */

static weir_status
begin_batch(unnest *u, wr_ctx *ctx, const wr_batch *in)
{
    for (uint32_t i = 0; i < u->config->call_count; i++) {
        unnest_set    *set = &u->sets[i];
        const wr_expr *call = u->config->calls[i];
        for (uint32_t a = 0; a < set->arg_count; a++)
            WR_TRY(wr_expr_eval(&ctx->eval, set->is_series ? call->args[a] : call, in,
                                wr_batch_rows(in), &set->args[a]));
        if (set->is_series)
            WR_TRY(check_series(u, ctx, set, in));
    }
    if (u->rows == NULL)
        u->rows = wr_alloc(ctx->flow, WR_BATCH_ROWS_MAX * sizeof *u->rows);
    if (u->out_rows == NULL)
        u->out_rows = wr_alloc(ctx->flow, WR_BATCH_ROWS_MAX * sizeof *u->out_rows);
    if (u->rows == NULL || u->out_rows == NULL)
        return WEIR_MEMORY;
    u->row_count = in->row_count;
    for (uint32_t i = 0; i < in->row_count; i++)
        u->rows[i] = (uint16_t) wr_batch_row(in, i);
    u->row_next = 0;
    u->in_row = false;
    u->stamped = in->watermark_before;
    u->begun = true;
    return WEIR_OK;
}

/* Item columns (and ordinality) of one output batch; *count rows, their sources in out_rows. */
static weir_status
fill(unnest *u, wr_column **items, uint32_t *count)
{
    uint32_t n = u->config->call_count;
    *count = 0;
    WR_TRY(refresh_numbers(u));
    while (u->row_next < u->row_count && *count < WR_BATCH_ROWS_MAX) {
        if (!u->in_row)
            WR_TRY(enter_row(u, u->rows[u->row_next]));
        bool any = false;
        for (uint32_t i = 0; i < n; i++)
            WR_TRY(take_item(u, &u->sets[i], items[i], *count, &any));
        bool keep = any || (u->config->outer && u->ordinal == 0);
        if (keep) {
            u->ordinal++;
            if (u->config->ordinality && any)
                ((int64_t *) items[n]->data)[*count] = u->ordinal;
            else if (u->config->ordinality)
                WR_TRY(wr_column_set_null(items[n], *count));
            u->out_rows[(*count)++] = u->rows[u->row_next];
        }
        if (!any) {
            u->row_next++;
            u->in_row = false;
        }
    }
    return WEIR_OK;
}

/* U3 */
static bool
stamp(unnest *u, wr_ctx *ctx, const wr_batch *in, wr_batch *out)
{
    uint32_t count = out->row_count;
    wr_time  most = u->stamped;
    wr_batch_copy_header(out, in);
    out->watermark_before = u->stamped;
    if (in->row_watermark != NULL) {
        out->row_watermark = wr_alloc(ctx->flow, count * sizeof *out->row_watermark);
        if (out->row_watermark == NULL)
            return false;
        for (uint32_t i = 0; i < count; i++) {
            out->row_watermark[i] = WR_MAX(in->row_watermark[u->out_rows[i]], u->stamped);
            most = WR_MAX(most, out->row_watermark[i]);
        }
    }
    most = WR_MIN(most, in->watermark_after); /* rows may be judged by more (batch.h, B4) */
    out->watermark_after = u->row_next == u->row_count ? in->watermark_after : most;
    u->stamped = out->watermark_after;
    if (in->diff == NULL)
        return true;
    out->diff = wr_alloc(ctx->flow, count * sizeof *out->diff);
    for (uint32_t i = 0; out->diff != NULL && i < count; i++)
        out->diff[i] = in->diff[u->out_rows[i]];
    return out->diff != NULL;
}

/* The next output batch; *out NULL: no row is left. */
static weir_status
make_batch(unnest *u, wr_ctx *ctx, const wr_batch *in, wr_batch **out)
{
    uint32_t  width = in->column_count, own = u->config->call_count + u->config->ordinality;
    uint32_t  count = 0;
    wr_batch *b = wr_batch_create(ctx->flow, width + own);
    *out = NULL;
    if (b == NULL)
        return WEIR_MEMORY;
    weir_status status = WEIR_MEMORY;
    for (uint32_t i = 0; i < own; i++) {
        wr_type type = i < u->config->call_count ? u->sets[i].type : WR_TYPE(WR_INT8);
        b->columns[width + i] = wr_column_create(ctx->flow, type, WR_BATCH_ROWS_MAX);
        if (b->columns[width + i] == NULL)
            goto done;
    }
    WR_TRY_GOTO(fill(u, b->columns + width, &count));
    if (count == 0)
        goto done;
    status = WEIR_MEMORY;
    b->row_count = b->physical_count = count;
    for (uint32_t c = 0; c < width; c++) {
        b->columns[c] = wr_column_gather(ctx->flow, in->columns[c], u->out_rows, count);
        if (b->columns[c] == NULL)
            goto done;
    }
    if (!stamp(u, ctx, in, b))
        goto done;
    *out = b;
    return WEIR_OK;
done:
    wr_batch_release(b);
    return status;
}

static wr_flow
unnest_process(void *self, wr_ctx *ctx, int port, const wr_batch *in)
{
    unnest *u = self;
    wr_assert(port == 0);
    if (in->row_count == 0)
        return WR_FLOW_NEXT;
    if (!u->begun) {
        weir_status status = begin_batch(u, ctx, in);
        if (status != WEIR_OK) {
            forget_batch(u);
            return wr_ctx_fail(ctx, status, "no memory for the sets of %u rows", in->row_count);
        }
        if (ctx->eval.error_count > 0
            && wr_ctx_drop_failed(ctx, in, u->rows, &u->row_count) != WR_FLOW_NEXT) {
            forget_batch(u);
            return WR_FLOW_FAIL;
        }
    }
    while (u->row_next < u->row_count) {
        wr_batch *out;
        if (!wr_ctx_has_room(ctx, WR_PORT_MAIN))
            return WR_FLOW_AGAIN;
        weir_status status = make_batch(u, ctx, in, &out);
        if (status != WEIR_OK) {
            forget_batch(u);
            return wr_ctx_fail(ctx, status, "no memory for the items of a set");
        }
        if (out != NULL)
            wr_ctx_emit(ctx, WR_PORT_MAIN, out);
    }
    forget_batch(u);
    return WR_FLOW_NEXT;
}

static void
unnest_explain(const void *config, wr_text *to)
{
    const wr_unnest_config *c = config;
    for (uint32_t i = 0; i < c->call_count; i++) {
        wr_text_puts(to, i > 0 ? ", " : "");
        wr_expr_print(c->calls[i], NULL, to);
    }
    if (c->ordinality)
        wr_text_puts(to, " with ordinality");
}

const wr_operator_ops wr_unnest_ops = {
    .name = "unnest",
    .self_size = sizeof(unnest),
    .traits = WR_OP_STATELESS | WR_OP_KEEPS_ORDER,
    .open = unnest_open,
    .process = unnest_process,
    .close = unnest_close,
    .explain = unnest_explain,
};
