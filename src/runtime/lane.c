/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/lane.c -- from a connector's bytes or batches to stamped batches, a lane (partition) at a time.
 *
 * A sealed batch has every field of the schema (a constant NULL where nobody reads it), rows in the
 * order they came, and its place in time: watermark_before and _after, and a watermark a row exactly
 * when some row is older than watermark_after (design 12.1).
 *
 * Invariants  A1  the watermark is moved by every row that was decoded, whatever the filter does with
 *                 it: pushing a filter down does not change which rows are late
 *             A2  a row too far in the future is bad: it moves nothing and goes no further
 */
#include "runtime/runtime_impl.h"

#include <string.h>

enum { ROWS_EXPECTED_MIN = 64 };
/* A batch is made, worked on and written while it is in the processor's own cache: long rows, fewer of them. */
enum { BATCH_BYTES_GOOD = 256 << 10, ROWS_MOST_MIN = 256 };

/* --- lanes --- */

static void
lane_adopt_state(wr_lane *lane)
{
    source *s = lane->source;
    for (uint32_t i = 0; i < s->restored_count; i++) {
        const lane_state *state = &s->restored[i];
        if (state->partition != lane->partition)
            continue;
        lane->watermark = state->watermark;
        atomic_store(&lane->rows, state->rows);
        atomic_store(&lane->bad, state->bad);
        atomic_store(&lane->null_time, state->null_time);
        lane->restored = state;
    }
}

static wr_lane *
lane_create(source_task *t, int32_t partition)
{
    source  *s = t->source;
    wr_lane *l = wr_calloc(s->rt->budget, 1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->columns = wr_calloc(s->rt->budget, s->binding->schema->field_count + 1, sizeof *l->columns);
    if (l->columns == NULL) {
        wr_free(l);
        return NULL;
    }
    l->source = s;
    l->owner = t;
    l->partition = partition;
    l->rows_most = s->rt->config.batch_rows_max;
    l->watermark = WR_TIME_START;
    atomic_store(&l->moved_at, wr_clock_monotonic(s->rt->config.clock));
    wr_batch_builder_init(&l->builder, s->rt->config.flow, t->build);
    lane_adopt_state(l);
    return l;
}

void
wr_lane_show(wr_lane *lane)
{
    const source_task *owner = lane->owner;
    atomic_store_explicit(&lane->view,
                          (lane->caught_up ? LANE_CAUGHT_UP : 0) | (owner->paused ? LANE_PAUSED : 0) |
                              (lane->held ? LANE_HELD : 0),
                          memory_order_relaxed);
}

void
wr_lane_woken(wr_lane *lane)
{
    lane->declared_idle = false;
    if (!lane->caught_up)
        return;
    lane->caught_up = false;
    wr_lane_show(lane);
}

wr_lane *
wr_lane_get(source_task *t, int32_t partition)
{
    source *s = t->source;
    wr_mutex_lock(&s->lock);
    wr_lane *l = s->lanes;
    while (l != NULL && (l->partition != partition || (l->owner != t && !l->ended)))
        l = l->next;
    if (l == NULL) {
        l = lane_create(t, partition);
        if (l != NULL) {
            l->next = s->lanes;
            s->lanes = l;
            s->lane_count++;
            wr_lane_cut(l, t->epoch);
        }
    } else if (l->ended) { /* it was taken away, and comes back here */
        wr_assert(wr_batch_builder_count(&l->builder) == 0);
        l->owner = t;
        l->ended = l->idle = l->held = false;
        wr_lane_woken(l); /* what is there now is not known: Y4 */
        atomic_store_explicit(&l->moved_at, wr_clock_monotonic(s->rt->config.clock),
                              memory_order_relaxed);
        wr_lane_cut(l, t->epoch);
    }
    wr_mutex_unlock(&s->lock);
    return l;
}

void
wr_lane_destroy(wr_lane *lane)
{
    wr_batch_builder_fini(&lane->builder);
    if (lane->decoder != NULL)
        lane->decoder->ops->destroy(lane->decoder);
    wr_free(lane->columns);
    wr_free(lane->key_faults);
    wr_free(lane);
}

/* --- decoding --- */

/* Room for at least one more row in every column; the room there is.  Mostly that is known: a message may be one row. */
weir_status
wr_lane_reserve(source_task *t, wr_lane *lane, uint32_t *capacity)
{
    uint32_t  rows = wr_batch_builder_count(&lane->builder), k = 0;
    *capacity = lane->room;
    if (rows < lane->room)
        return WEIR_OK;
    uint32_t  most = lane->rows_most;
    uint32_t  expected = rows == 0 ? WR_MAX(lane->rows_last, (uint32_t) ROWS_EXPECTED_MIN) : rows;
    wr_batch *batch;
    WR_TRY(wr_batch_builder_open(&lane->builder, WR_MIN(expected, most - rows), &batch));
    *capacity = most;
    for (uint32_t f = 0; f < t->source->binding->schema->field_count; f++) {
        lane->columns[f] = NULL;
        if ((t->needed[f / 64] >> (f % 64) & 1) == 0)
            continue;
        lane->columns[f] = batch->columns[k++];
        *capacity = WR_MIN(*capacity, lane->columns[f]->capacity);
    }
    lane->room = *capacity;
    return WEIR_OK;
}

weir_status
wr_lane_set_meta(source_task *t, wr_lane *lane, const wr_record_meta *meta, uint32_t from,
                 uint32_t to)
{
    for (int m = 0; m < META_COUNT; m++) {
        int32_t field = t->meta_fields[m];
        if (field < 0)
            continue;
        wr_column *column = lane->columns[field];
        wr_value   v = wr_value_null(column->type);
        if (m == META_PARTITION) {
            v.is_null = false;
            v.integer = lane->partition;
        } else if (meta != NULL && m == META_OFFSET) {
            v.is_null = false;
            v.integer = meta->offset;
        } else if (meta != NULL && m == META_TIMESTAMP && meta->timestamp != WR_TIME_START) {
            v.is_null = false;
            v.integer = meta->timestamp;
        } else if (meta != NULL && m == META_KEY && meta->key != NULL) {
            v.is_null = false;
            v.string = wr_string_make(meta->key, meta->key_length);
        }
        for (uint32_t r = from; r < to; r++)
            WR_TRY(wr_column_set_value(column, r, &v));
    }
    return WEIR_OK;
}

static void
lane_decoder_bad(void *user, weir_status_code code, const char *text, const char *bytes,
                 size_t length)
{
    wr_lane *lane = user;
    wr_source_bad(lane->owner, lane, code, text, bytes, length);
}

/* Decode once, until the input or the room is used up; *more: go on. */
static weir_status
lane_decode(source_task *t, wr_lane *lane, const char *bytes, size_t length, bool last,
            size_t *used, bool *more)
{
    uint32_t capacity, rows = wr_batch_builder_count(&lane->builder);
    WR_TRY(wr_lane_reserve(t, lane, &capacity));
    wr_decode_to to = { .columns = lane->columns,
                        .count = rows,
                        .capacity = capacity,
                        .bad = lane_decoder_bad,
                        .user = lane };
    weir_status status = lane->decoder->ops->decode(lane->decoder, bytes, length, last, &to, used);
    wr_assert(to.count >= rows && to.count <= capacity && *used <= length);
    if (status == WEIR_OK && t->meta_wanted)
        status = wr_lane_set_meta(t, lane, lane->meta, rows, to.count);
    if (status == WEIR_OK && t->source->binding->keyed)
        status = wr_lane_key_fill(t, lane, lane->meta, rows, to.count);
    if (status != WEIR_OK)
        return status;
    lane->builder.batch->row_count = to.count;
    lane->builder.batch->physical_count = to.count;
    *more = *used < length && (*used > 0 || to.count == capacity);
    if (to.count == lane->rows_most)
        return wr_lane_seal(t, lane);
    return WEIR_OK;
}

static weir_status
lane_make_decoder(source_task *t, wr_lane *lane)
{
    const wr_source_binding *b = t->source->binding;
    const lane_state        *state = lane->restored;
    lane->restored = NULL;
    WR_TRY(b->decoder->create(b->decoder_config, b->keyed ? b->decoded : b->schema,
                              t->decode_needed,
                              t->source->rt->config.flow, &lane->decoder, &t->ctx.error));
    if (state == NULL || state->decoder == NULL || b->decoder->restore == NULL)
        return WEIR_OK;
    return b->decoder->restore(lane->decoder, state->decoder, state->decoder_length);
}

weir_status
wr_lane_feed(source_task *t, wr_lane *lane, const char *bytes, size_t length, bool last,
             const wr_record_meta *meta, size_t *consumed)
{
    const wr_source_binding *b = t->source->binding;
    bool                     more = true;
    *consumed = 0;
    wr_assert(lane->owner == t && b->decoder != NULL);
    if (lane->decoder == NULL)
        WR_TRY(lane_make_decoder(t, lane));
    wr_lane_woken(lane);
    lane->meta = meta;
    weir_status status = WEIR_OK;
    while (status == WEIR_OK && more && wr_source_has_room(t)) {
        size_t used = 0;
        status = lane_decode(t, lane, bytes + *consumed, length - *consumed, last, &used, &more);
        *consumed += used;
    }
    lane->meta = NULL;
    t->fed_bytes += *consumed;
    return status;
}

weir_status
wr_lane_feed_messages(source_task *t, wr_lane *lane, const wr_message *messages, uint32_t count,
                      uint32_t *done)
{
    wr_assert(lane->owner == t && !t->meta_wanted && !t->source->binding->keyed);
    *done = 0;
    if (lane->decoder == NULL)
        WR_TRY(lane_make_decoder(t, lane));
    wr_lane_woken(lane);
    while (*done < count && wr_source_has_room(t)) {
        uint32_t capacity, taken;
        WR_TRY(wr_lane_reserve(t, lane, &capacity));
        wr_decode_to to = { .columns = lane->columns,
                            .count = wr_batch_builder_count(&lane->builder),
                            .capacity = capacity,
                            .bad = lane_decoder_bad,
                            .user = lane };
        taken = lane->decoder->ops->decode_messages(lane->decoder, messages + *done, count - *done, &to);
        wr_assert(to.count <= capacity && taken <= count - *done);
        if (taken == 0)
            break;
        for (uint32_t i = *done; i < *done + taken; i++)
            t->fed_bytes += messages[i].length;
        *done += taken;
        lane->builder.batch->row_count = to.count;
        lane->builder.batch->physical_count = to.count;
        if (to.count == lane->rows_most)
            WR_TRY(wr_lane_seal(t, lane));
    }
    return WEIR_OK;
}

/* --- sealing --- */

/* How many rows like those of the batch are enough for the next one. */
static void
lane_measure(const source_task *t, wr_lane *lane, const wr_batch *batch)
{
    uint32_t most = t->source->rt->config.batch_rows_max;
    if (batch->row_count < WR_MIN(most, (uint32_t) ROWS_MOST_MIN))
        return;
    size_t good = (size_t) BATCH_BYTES_GOOD * batch->row_count / wr_batch_bytes(batch);
    lane->rows_most = (uint32_t) WR_MIN(WR_MAX(good, (size_t) ROWS_MOST_MIN), (size_t) most);
}

/* The rows decoded so far as a batch of the whole schema.  Owned; NULL: no memory. */
static wr_batch *
lane_take(source_task *t, wr_lane *lane)
{
    uint32_t  fields = t->source->binding->schema->field_count, k = 0;
    wr_batch *part = wr_batch_builder_take(&lane->builder);
    lane->room = 0;
    wr_batch *whole = wr_batch_create(t->source->rt->config.flow, fields);
    if (part == NULL || whole == NULL) {
        wr_batch_release(part);
        wr_batch_release(whole);
        return NULL;
    }
    for (uint32_t f = 0; f < fields; f++) {
        bool needed = t->needed[f / 64] >> (f % 64) & 1;
        whole->columns[f] = wr_column_retain(needed ? part->columns[k++] : t->nulls[f]);
    }
    whole->row_count = whole->physical_count = part->row_count;
    lane->rows_last = part->row_count;
    lane_measure(t, lane, part);
    wr_batch_release(part);
    return whole;
}

weir_status
wr_lane_seal(source_task *t, wr_lane *lane)
{
    if (wr_batch_builder_count(&lane->builder) == 0)
        return WEIR_OK;
    wr_batch *batch = lane_take(t, lane);
    return batch != NULL ? wr_lane_stamp(t, lane, batch) : WEIR_MEMORY;
}

weir_status
wr_lanes_seal(source_task *t)
{
    weir_status status = WEIR_OK;
    if (t->fed_bytes > 0)
        atomic_fetch_add_explicit(&t->source->bytes, t->fed_bytes, memory_order_relaxed);
    t->fed_bytes = 0;
    wr_mutex_lock(&t->source->lock);
    wr_lane *l = t->source->lanes; /* the list only grows at its head */
    wr_mutex_unlock(&t->source->lock);
    for (; l != NULL && status == WEIR_OK; l = l->next)
        if (l->owner == t)
            status = wr_lane_seal(t, l);
    return status;
}

/* Takes batch, as all the schema's fields say; NULL columns become constants. */
static weir_status
lane_push_part(source_task *t, wr_lane *lane, wr_batch *batch)
{
    batch = wr_batch_unique(batch);
    if (batch == NULL)
        return WEIR_MEMORY;
    wr_free(batch->row_watermark); /* time is judged here */
    batch->row_watermark = NULL;
    return wr_lane_stamp(t, lane, batch);
}

/*
 * Takes batch; gives one with a column for each field: absent ones, and the hidden ones that makers of rows do
 * not know of, are constants.  Returns owned; NULL: no memory.
 */
static wr_batch *
lane_widen(source_task *t, wr_batch *batch)
{
    uint32_t  fields = t->source->binding->schema->field_count;
    wr_batch *wide = batch;
    wr_assert(batch->column_count <= fields);
    if (batch->column_count < fields || atomic_load_explicit(&batch->refs, memory_order_acquire) > 1) {
        wide = wr_batch_create(t->source->rt->config.flow, fields);
        bool ok = wide != NULL;
        if (ok && batch->selection != NULL)
            ok = (wide->selection = wr_alloc(wide->budget, batch->row_count * sizeof *wide->selection)) != NULL;
        if (ok && batch->diff != NULL)
            ok = (wide->diff = wr_alloc(wide->budget, batch->physical_count * sizeof *wide->diff)) != NULL;
        if (!ok) {
            wr_batch_release(wide);
            wr_batch_release(batch);
            return NULL;
        }
        if (batch->selection != NULL)
            memcpy(wide->selection, batch->selection, batch->row_count * sizeof *wide->selection);
        if (batch->diff != NULL)
            memcpy(wide->diff, batch->diff, batch->physical_count * sizeof *wide->diff);
        wr_batch_copy_header(wide, batch);
        wide->row_count = batch->row_count;
        wide->physical_count = batch->physical_count;
        for (uint32_t f = 0; f < batch->column_count; f++)
            wide->columns[f] = batch->columns[f] != NULL ? wr_column_retain(batch->columns[f]) : NULL;
        wr_batch_release(batch);
    }
    for (uint32_t f = 0; f < fields; f++)
        if (wide->columns[f] == NULL)
            wide->columns[f] = wr_column_retain(t->nulls[f]);
    return wide;
}

weir_status
wr_lane_push(source_task *t, wr_lane *lane, wr_batch *batch)
{
    uint32_t  rows = batch->row_count, most = t->source->rt->config.batch_rows_max;
    wr_budget *flow = t->source->rt->config.flow;
    wr_assert(lane->owner == t);
    weir_status status = wr_lane_seal(t, lane);
    wr_lane_woken(lane);
    if (status != WEIR_OK || rows == 0) {
        wr_batch_release(batch);
        return status;
    }
    batch = lane_widen(t, batch);
    if (batch == NULL)
        return WEIR_MEMORY;
    if (rows <= most && batch->physical_count <= WR_BATCH_ROWS_MAX)
        return lane_push_part(t, lane, batch);
    for (uint32_t from = 0; from < rows && status == WEIR_OK; from += most) {
        wr_batch *slice = wr_batch_slice(flow, batch, from, WR_MIN(most, rows - from)), *part = NULL;
        if (slice != NULL)
            part = wr_batch_compact(flow, slice, false);
        wr_batch_release(slice);
        status = part != NULL ? lane_push_part(t, lane, part) : WEIR_MEMORY;
    }
    wr_batch_release(batch);
    return status;
}
