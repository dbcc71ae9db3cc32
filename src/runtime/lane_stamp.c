/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/lane_stamp.c -- giving a lane's batch its place in time (see lane.c for A1, A2).
 *
 * Cost        a pass over the rows for the contributions, one under the source's lock to judge them,
 *             one for the bounds; a row's own watermark is stored only where rows are out of order, or
 *             somebody forgets by it.
 */
#include "runtime/runtime_impl.h"

#include "data/datetime.h"

#include <stdio.h>
#include <string.h>

/* Microseconds of a date, timestamp or timestamptz; false: NULL. */
static bool
time_get(const wr_column *c, uint32_t row, wr_time *out)
{
    const wr_column *base = wr_column_base(c);
    uint32_t         at = wr_column_index(c, row);
    if (wr_column_is_null(c, row))
        return false;
    if (c->type.id != WR_DATE) {
        *out = ((const wr_time *) base->data)[at];
        return true;
    }
    *out = wr_date_time(((const int32_t *) base->data)[at]);
    return true;
}

/* The times of a column in which none is NULL, by row; NULL: ask time_get. */
static const wr_time *
times_of(const wr_column *c)
{
    bool plain = c->layout == WR_FLAT && c->valid == NULL && c->type.id != WR_DATE;
    return plain ? c->data : NULL;
}

static wr_time
times_greatest(const wr_time *times, const uint16_t *rows, uint32_t count)
{
    wr_time greatest = WR_TIME_START;
    for (uint32_t i = 0; i < count; i++)
        greatest = WR_MAX(greatest, times[rows[i]]);
    return greatest;
}

static wr_time
times_least(const wr_time *times, const uint16_t *rows, uint32_t count)
{
    wr_time least = WR_TIME_END;
    for (uint32_t i = 0; i < count; i++)
        least = WR_MIN(least, times[rows[i]]);
    return least;
}

static void
count_add(_Atomic uint64_t *counter, uint64_t n)
{
    if (n > 0)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* A2: leave only rows[0..*count) whose time is not past the guard. */
static void
stamp_drop_future(source_task *t, wr_lane *lane, const wr_batch *b, uint16_t *rows, uint32_t *count)
{
    const wr_source_binding *binding = t->source->binding;
    wr_time                  limit, time;
    uint32_t                 kept = 0;
    if (binding->future_us <= 0 || binding->time_column < 0)
        return;
    if (__builtin_add_overflow(wr_clock_now(t->source->rt->config.clock), binding->future_us,
                               &limit))
        return;
    const wr_time *times = times_of(b->columns[binding->time_column]);
    if (times != NULL && times_greatest(times, rows, *count) <= limit)
        return;
    for (uint32_t i = 0; i < *count; i++) {
        if (time_get(b->columns[binding->time_column], rows[i], &time) && time > limit) {
            char text[120];
            snprintf(text, sizeof text, "the event time is %.1f s in the future",
                     ((double) time - (double) limit + (double) binding->future_us) / 1e6);
            wr_source_bad(t, lane, WEIR_ROW_FUTURE, text, NULL, 0);
            count_add(&t->source->future, 1);
        } else
            rows[kept++] = rows[i];
    }
    *count = kept;
}

/* What each row says the watermark could be; START: nothing (NULL, infinite, failed). */
static weir_status
stamp_contributions(source_task *t, const wr_batch *b, const uint16_t *rows, uint32_t count,
                    wr_time *out)
{
    const wr_expr *expr = t->source->binding->watermark;
    wr_column     *column = NULL;
    for (uint32_t i = 0; expr == NULL && i < count; i++)
        out[i] = WR_TIME_START;
    if (expr == NULL || count == 0)
        return WEIR_OK;
    wr_eval_reset(&t->eval);
    t->eval.now = wr_clock_now(t->source->rt->config.clock);
    WR_TRY(wr_expr_eval(&t->eval, expr, b, (wr_rows){ rows, count }, &column));
    const wr_time *times = t->eval.error_count == 0 ? times_of(column) : NULL;
    for (uint32_t i = 0; times != NULL && i < count; i++) {
        wr_time w = times[rows[i]];
        out[i] = w > WR_TIME_NEGINF && w < WR_TIME_POSINF ? w : WR_TIME_START;
    }
    for (uint32_t i = 0; times == NULL && i < count; i++) {
        wr_time w;
        bool    known = !wr_eval_row_failed(&t->eval, rows[i]) && time_get(column, rows[i], &w) &&
                     w > WR_TIME_NEGINF && w < WR_TIME_POSINF;
        out[i] = known ? w : WR_TIME_START;
    }
    wr_column_release(column);
    return WEIR_OK;
}

/* Rows for which the pushed-down predicate is true; those that fail are bad. */
static weir_status
stamp_filter(source_task *t, wr_lane *lane, const wr_batch *b, uint16_t *rows, uint32_t *count)
{
    const wr_expr *expr = t->source->binding->filter;
    uint16_t       kept[WR_BATCH_ROWS_MAX];
    uint32_t       kept_count = 0;
    if (expr == NULL || *count == 0)
        return WEIR_OK;
    wr_eval_reset(&t->eval);
    t->eval.now = wr_clock_now(t->source->rt->config.clock);
    WR_TRY(wr_expr_filter(&t->eval, expr, b, (wr_rows){ rows, *count }, kept, &kept_count));
    for (uint32_t e = 0; e < t->eval.error_count; e++) {
        const wr_row_error *error = &t->eval.errors[e];
        wr_source_bad(t, lane, error->code, error->text, NULL, 0);
        if (t->source->rt->config.on_row_error == WR_ROW_FAIL) {
            (void) wr_error_set(&t->ctx.error, error->code, "%s",
                                error->text != NULL ? error->text : weir_status_text(error->code));
            return error->code;
        }
    }
    count_add(&t->source->filtered, *count - kept_count - t->eval.error_count);
    memcpy(rows, kept, kept_count * sizeof *rows);
    *count = kept_count;
    return WEIR_OK;
}

/* The least time among rows; END: none has one. */
static wr_time
stamp_least(source_task *t, wr_lane *lane, const wr_batch *b, const uint16_t *rows, uint32_t count)
{
    int32_t  column = t->source->binding->time_column;
    wr_time  least = WR_TIME_END, time;
    uint64_t without = 0;
    if (column < 0)
        return WR_TIME_START; /* unknown: any row may be older than the watermark */
    const wr_time *times = times_of(b->columns[column]);
    if (times != NULL)
        return times_least(times, rows, count);
    for (uint32_t i = 0; i < count; i++) {
        if (time_get(b->columns[column], rows[i], &time))
            least = WR_MIN(least, time);
        else
            without++;
    }
    count_add(&lane->null_time, without);
    return least;
}

/* Takes *b and gives the batch of rows[0..count) in its place. */
static weir_status
stamp_select(source_task *t, wr_batch **b, const uint16_t *rows, uint32_t count)
{
    wr_budget *flow = t->source->rt->config.flow;
    if (count == (*b)->row_count)
        return WEIR_OK;
    wr_batch *made = count > 0 ? wr_batch_select(flow, *b, rows, count)
                               : wr_batch_create_watermark(flow, (*b)->watermark_before,
                                                           (*b)->watermark_after);
    if (made != NULL && count == 0)
        wr_batch_copy_header(made, *b);
    else if (made != NULL && count * 2 < made->physical_count) {
        wr_batch *dense = wr_batch_compact(flow, made, true);
        wr_batch_release(made);
        made = dense;
    }
    wr_batch_release(*b);
    *b = made;
    return made != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* Attach judges[physical row] to the batch; its rows may have been made dense: rows[] says from where. */
static weir_status
stamp_attach(source_task *t, wr_batch *b, const uint16_t *rows)
{
    b->row_watermark =
        wr_alloc(t->source->rt->config.flow, b->physical_count * sizeof *b->row_watermark);
    if (b->row_watermark == NULL)
        return WEIR_MEMORY;
    for (uint32_t r = 0; r < b->physical_count; r++)
        b->row_watermark[r] = b->watermark_before;
    for (uint32_t i = 0; i < b->row_count; i++)
        b->row_watermark[wr_batch_row(b, i)] = t->judges[rows[i]];
    return WEIR_OK;
}

/* Does it matter which watermark each row met?  Where somebody forgets by it, always: a task that reads
 * other inputs, too, may stand before the batch. */
static bool
stamp_tells_apart(const wr_source_binding *binding, const wr_batch *b, wr_time least)
{
    return binding->watermark != NULL && (least < b->watermark_after || binding->ages ||
                                          binding->keyed); /* rows that are replaced may be older */
}

/* Judge the rows in their order and leave the judges by physical row in t->judges. */
static void
stamp_judge(source_task *t, wr_lane *lane, wr_batch *b, const uint16_t *rows, uint32_t count,
            const wr_time *contributions)
{
    wr_time judges[WR_BATCH_ROWS_MAX];
    bool    all = b->selection == NULL && count == b->physical_count; /* then they lie in the rows' order */
    wr_source_judge(t, lane, contributions, count, all ? t->judges : judges, &b->watermark_before,
                    &b->watermark_after);
    for (uint32_t i = 0; !all && i < count; i++)
        t->judges[rows[i]] = judges[i];
}

weir_status
wr_lane_stamp(source_task *t, wr_lane *lane, wr_batch *b)
{
    uint16_t *rows = t->selected;
    uint32_t  count = b->row_count, seen = count;
    wr_time   contributions[WR_BATCH_ROWS_MAX];
    wr_assert(b->physical_count <= WR_BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (uint16_t) wr_batch_row(b, i);
    weir_status status = wr_lane_keyed(t, lane, b, rows, &count);
    if (status != WEIR_OK)
        goto done;
    stamp_drop_future(t, lane, b, rows, &count);
    WR_TRY_GOTO(stamp_contributions(t, b, rows, count, contributions));
    stamp_judge(t, lane, b, rows, count, contributions);
    b->arrived = wr_clock_now(t->source->rt->config.clock);
    b->live = 1;
    atomic_store_explicit(&lane->moved_at, wr_clock_monotonic(t->source->rt->config.clock),
                          memory_order_relaxed);
    count_add(&lane->rows, seen);
    count_add(&t->source->rows, seen);
    WR_TRY_GOTO(stamp_filter(t, lane, b, rows, &count)); /* A1 */
    wr_time least = stamp_least(t, lane, b, rows, count);
    WR_TRY_GOTO(stamp_select(t, &b, rows, count));
    if (stamp_tells_apart(t->source->binding, b, least) && count > 0)
        WR_TRY_GOTO(stamp_attach(t, b, rows));
    wr_batch_set_times(b, t->source->binding->time_column);
    if (count == 0 && b->watermark_before == b->watermark_after)
        goto done; /* nothing to tell */
    status = wr_batch_queue_put(&t->pending, t->source->rt->config.flow, b);
    b = NULL;
done:
    wr_batch_release(b);
    return status;
}
