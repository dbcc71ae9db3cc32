/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/route_read.c -- the readers' side of routed readers: what waits in the list, as batches (route_impl.h).
 *
 * Entries that wait are taken together, up to a full batch of rows or a mark: under load a reader with a row in each
 * batch of the stream runs once for many of them.  Its batch is made anew and holds its rows alone, so that operators behind
 * it neither compute nor carry what is not theirs.
 *
 * What judges a row of a later batch is that batch's watermark: it stands with the row when the row might be late by it,
 * or when the reader is `exact`.
 */
#include "runtime/route_impl.h"

#include <string.h>

/* A run of entries and the batches they are of. */
typedef struct route_run {
    routed_entry *first;
    uint32_t      count;
    uint32_t      rows_max;
    wr_time       before, after; /* watermarks of the first batch, and after the last */
} route_run;

weir_status
wr_routed_create(wr_stream *stream, uint32_t shard, uint32_t selector, task *t,
                 const uint32_t *columns, uint32_t column_count, routed **out)
{
    struct stream_router *router = stream->router;
    wr_assert(router != NULL && selector < router->count);
    router_shard *s = &router->shards[shard];
    routed       *r = wr_calloc(stream->budget, 1, sizeof *r);
    if (r == NULL)
        return WEIR_MEMORY;
    wr_assert(s->readers[selector] == NULL && stream->shards[shard].head == 0);
    route_class *class = &s->classes[router->class_of[selector]];
    *r = (routed){ .stream = stream,
                   .shard = shard,
                   .selector = selector,
                   .class = router->class_of[selector],
                   .task = t,
                   .columns = columns,
                   .column_count = columns != NULL ? column_count
                                                   : stream->config.schema->field_count,
                   .exact = class->need.every_us == WR_NEED_EACH,
                   .told = WR_TIME_START,
                   .given = WR_TIME_START,
                   .next_in_class = class->first };
    class->first = r;
    s->readers[selector] = r;
    *out = r;
    return WEIR_OK;
}

/* With the lock held: the first `count` entries have been taken. */
static void
routed_consume(routed *r, uint32_t count)
{
    stream_shard *shard = &r->stream->shards[r->shard];
    for (; count > 0; count--) {
        routed_entry *e = r->first;
        r->first = e->next;
        r->last = r->first != NULL ? r->last : NULL;
        wr_stream_shard_read(shard, e->sequence, e->sequence + 1, true);
    }
    wr_stream_shard_trim(r->stream, shard);
}

void
wr_routed_destroy(routed *r)
{
    if (r == NULL)
        return;
    stream_shard *shard = &r->stream->shards[r->shard];
    router_shard *s = &r->stream->router->shards[r->shard];
    uint32_t      count = 0;
    wr_mutex_lock(&shard->lock);
    for (const routed_entry *e = r->first; e != NULL; e = e->next)
        count++;
    routed_consume(r, count);
    s->readers[r->selector] = NULL;
    routed **at = &s->classes[r->class].first;
    while (*at != r)
        at = &(*at)->next_in_class;
    *at = r->next_in_class;
    wr_mutex_unlock(&shard->lock);
    wr_batch_release(r->held);
    wr_free(r);
}

/* --- one batch out of several --- */

/* The next entry of a run; what stands behind the run is the publisher's to write. */
static routed_entry *
run_next(const route_run *run, const routed_entry *e, uint32_t *n)
{
    return ++*n < run->count ? e->next : NULL;
}

static wr_column *
column_make(const routed *r, const wr_column *like, uint32_t capacity)
{
    const wr_column *base = wr_column_base(like);
    wr_budget       *flow = r->stream->budget;
    return like->type.id == WR_NUMERIC
               ? wr_column_create_decimal(flow, like->type, (wr_decimal_form) base->form, base->scale,
                                          capacity)
               : wr_column_create(flow, like->type, capacity);
}

/* Rows of one batch behind those that `to` has.  MEMORY. */
static weir_status
append_rows(const routed *r, wr_batch *to, const wr_batch *from, const uint16_t *rows,
            uint32_t count, uint32_t capacity)
{
    for (uint32_t i = 0; i < r->column_count; i++) {
        const wr_column *c = from->columns[r->columns != NULL ? r->columns[i] : i];
        if (c == NULL)
            continue; /* B6: nobody reads it */
        if (to->columns[i] == NULL && (to->columns[i] = column_make(r, c, capacity)) == NULL)
            return WEIR_MEMORY;
        WR_TRY(wr_column_append(to->columns[i], to->row_count, c, rows, count, false));
    }
    for (uint32_t i = 0; to->diff != NULL && i < count; i++)
        to->diff[to->row_count + i] = wr_batch_diff(from, rows[i]);
    for (uint32_t i = 0; to->row_watermark != NULL && i < count; i++)
        to->row_watermark[to->row_count + i] = wr_batch_row_watermark(from, rows[i]);
    to->row_count += count;
    to->physical_count = to->row_count;
    to->time_min = to->row_count == count ? from->time_min : WR_MIN(to->time_min, from->time_min);
    to->time_max = to->row_count == count ? from->time_max : WR_MAX(to->time_max, from->time_max);
    to->live = to->live || from->live;
    to->arrived = WR_MAX(to->arrived, from->arrived);
    return WEIR_OK;
}

/* Do the rows of this batch carry what judges them, in a batch that begins at `before`? */
static bool
rows_are_judged(const routed *r, const wr_batch *b, wr_time before)
{
    return b->row_watermark != NULL ||
           (b->watermark_before > before && (r->exact || b->time_min < b->watermark_before));
}

/* NULL: no memory. */
static wr_batch *
run_frame(const routed *r, const route_run *run)
{
    bool      diff = false, judged = false;
    wr_batch *made = wr_batch_create(r->stream->budget, r->column_count);
    uint32_t  n = 0;
    for (const routed_entry *e = run->first; e != NULL; e = run_next(run, e, &n)) {
        const wr_batch *b = e->batch;
        diff = diff || (e->rows != NULL && b->diff != NULL);
        judged = judged || (e->rows != NULL && rows_are_judged(r, b, run->before));
    }
    if (made == NULL)
        return NULL;
    made->watermark_before = run->before;
    made->watermark_after = run->after;
    if (diff)
        made->diff = wr_alloc(r->stream->budget, run->rows_max * sizeof *made->diff);
    if (judged)
        made->row_watermark = wr_alloc(r->stream->budget, run->rows_max * sizeof(wr_time));
    if ((diff && made->diff == NULL) || (judged && made->row_watermark == NULL)) {
        wr_batch_release(made);
        return NULL;
    }
    return made;
}

/* One entry that is most of its batch: the columns are shared. */
static wr_batch *
run_share(const routed *r, const wr_batch *from, const uint16_t *rows, uint32_t count)
{
    wr_batch *some = wr_batch_select(r->stream->budget, from, rows, count);
    if (some == NULL || r->columns == NULL)
        return some;
    wr_batch *made = wr_batch_pick(r->stream->budget, some, r->columns, r->column_count);
    wr_batch_release(some);
    return made;
}

/* The rows of a run, or a watermark alone; NULL with WEIR_OK: neither. */
static weir_status
run_build(routed *r, const route_run *run, wr_batch **out)
{
    uint16_t  room[WR_BATCH_ROWS_MAX];
    wr_batch *made = NULL;
    uint32_t  n = 0;
    for (routed_entry *e = run->first; e != NULL; e = run_next(run, e, &n)) {
        const wr_batch *b = e->batch;
        uint32_t        count = 0;
        if (e->rows == NULL)
            continue;
        const uint16_t *rows = wr_selected_rows(r->stream->router->index, e->rows, b, room, &count);
        if (e->rows->rows == NULL)
            atomic_fetch_add_explicit(&r->rows, count, memory_order_relaxed);
        if (count == 0)
            continue;
        if (run->count == 1 && count * 2 >= b->physical_count) {
            *out = run_share(r, b, rows, count);
            return *out != NULL ? WEIR_OK : WEIR_MEMORY;
        }
        if (made == NULL && (made = run_frame(r, run)) == NULL)
            return WEIR_MEMORY;
        if (append_rows(r, made, b, rows, count, WR_MIN(run->rows_max, WR_BATCH_ROWS_MAX)) != WEIR_OK) {
            wr_batch_release(made);
            return WEIR_MEMORY;
        }
    }
    if (made == NULL && run->after > r->given)
        made = wr_batch_create_watermark(r->stream->budget, r->given, run->after);
    *out = made;
    return made != NULL || run->after <= r->given ? WEIR_OK : WEIR_MEMORY;
}

/* --- what comes next --- */

/* With the lock held: entries without a mark, as many as fit. */
static void
run_find(const routed *r, route_run *run)
{
    *run = (route_run){ .first = r->first };
    for (const routed_entry *e = r->first; e != NULL; e = e->next) {
        const wr_batch *b = e->batch;
        uint32_t        rows = e->rows != NULL ? e->rows->count : 0;
        if (b->mark != WR_MARK_NONE || (run->count > 0 && run->rows_max + rows > WR_BATCH_ROWS_MAX))
            break;
        run->before = run->count == 0 ? b->watermark_before : run->before;
        run->after = b->watermark_after;
        run->rows_max += rows;
        run->count++;
    }
}

/* A mark; before it the watermark that it stands behind. */
static weir_status
routed_take_mark(routed *r, stream_shard *shard, wr_batch *mark)
{
    if (r->given < mark->watermark_before) {
        r->held = wr_batch_create_watermark(r->stream->budget, r->given, mark->watermark_before);
        if (r->held == NULL)
            return WEIR_MEMORY;
        r->held->arrived = mark->arrived;
        r->given = mark->watermark_before;
        return WEIR_OK;
    }
    r->held = wr_batch_retain(mark);
    wr_mutex_lock(&shard->lock);
    routed_consume(r, 1);
    wr_mutex_unlock(&shard->lock);
    return WEIR_OK;
}

weir_status
wr_routed_peek(routed *r, const wr_batch **batch)
{
    stream_shard *shard = &r->stream->shards[r->shard];
    weir_status   status = WEIR_OK;
    while (r->held == NULL && status == WEIR_OK) {
        route_run run;
        if (atomic_load_explicit(&r->armed, memory_order_relaxed) != 0)
            break;
        wr_mutex_lock(&shard->lock);
        bool empty = r->first == NULL;
        if (empty)
            atomic_store_explicit(&r->armed, 1, memory_order_relaxed);
        else
            run_find(r, &run);
        wr_batch *mark = empty || run.count > 0 ? NULL : r->first->batch;
        wr_mutex_unlock(&shard->lock);
        if (empty)
            break;
        if (mark != NULL) {
            status = routed_take_mark(r, shard, mark);
            continue;
        }
        status = run_build(r, &run, &r->held); /* the slots stay: Z3 */
        if (status != WEIR_OK)
            break;
        r->given = WR_MAX(r->given, run.after);
        wr_mutex_lock(&shard->lock);
        routed_consume(r, run.count);
        wr_mutex_unlock(&shard->lock);
    }
    *batch = r->held;
    return status;
}

wr_batch *
wr_routed_take(routed *r)
{
    wr_batch *batch = r->held;
    r->held = NULL;
    return batch;
}

/* --- figures --- */

uint64_t
wr_routed_passed(const routed *r)
{
    const router_shard *s = &r->stream->router->shards[r->shard];
    uint64_t            all = atomic_load_explicit(&s->rows, memory_order_relaxed);
    uint64_t            mine = atomic_load_explicit(&r->rows, memory_order_relaxed);
    return all > mine ? all - mine : 0;
}

wr_time
wr_routed_standing(routed *r)
{
    stream_shard *shard = &r->stream->shards[r->shard];
    wr_mutex_lock(&shard->lock);
    wr_time w = r->first == NULL && atomic_load_explicit(&r->armed, memory_order_relaxed) != 0
                    ? shard->watermark
                    : WR_TIME_START;
    wr_mutex_unlock(&shard->lock);
    return w;
}
