/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/reader.c -- cursors into streams (see stream.h).
 *
 * Invariants  D1  a place's `next` lies in tail..head+1, or below the tail (best effort: lost batches
 *                 are counted when it next looks)
 *             D2  armed is set under the lock after finding nothing, so the publish that follows rings
 */
#include "runtime/stream_impl.h"

/* With the lock held. */
static void
place_enter(reader_place *p, stream_shard *s)
{
    bool required = p->reader->config.required;
    p->next = p->reader->config.start == WR_START_TAIL ? s->tail : s->head + 1;
    p->next_place = s->places;
    if (s->places != NULL)
        s->places->prev_place = p;
    s->places = p;
    s->place_count++;
    s->required_count += required;
    wr_stream_shard_unread(s, p->next, s->head + 1, required);
}

/* With the lock held. */
static void
place_leave(reader_place *p, stream_shard *s)
{
    bool required = p->reader->config.required;
    wr_stream_shard_read(s, p->next, s->head + 1, required);
    s->place_count--;
    s->required_count -= required;
    if (p->next_place != NULL)
        p->next_place->prev_place = p->prev_place;
    if (p->prev_place != NULL)
        p->prev_place->next_place = p->next_place;
    else
        s->places = p->next_place;
}

static void
reader_follow(const wr_reader *r, int by)
{
    if (r->config.epochs) {
        atomic_fetch_add(&r->stream->epoch_readers, (uint32_t) by);
        if (r->stream->config.epochs != NULL) {
            atomic_fetch_add(&r->stream->config.epochs->readers, (uint32_t) by);
            atomic_store(&r->stream->config.epochs->news, 1);
        }
    }
    if (!r->config.follows)
        return;
    atomic_fetch_add(&r->stream->followers, (uint32_t) by);
    if (r->stream->config.followers != NULL)
        atomic_fetch_add(r->stream->config.followers, (uint32_t) by);
}

weir_status
wr_reader_create(wr_stream *stream, const wr_reader_config *config, wr_reader **out)
{
    uint32_t   count = stream->config.shard_count;
    uint32_t   places = config->shard < 0 ? count : 1;
    wr_reader *r = wr_calloc(stream->budget, 1, sizeof *r + places * sizeof r->places[0]);
    if (r == NULL)
        return WEIR_MEMORY;
    wr_assert(config->shard < (int32_t) count);
    r->stream = stream;
    r->config = *config;
    for (uint32_t i = 0; i < count; i++) {
        stream_shard *s = &stream->shards[i];
        if (!reader_covers(r, i))
            continue;
        reader_place *p = reader_place_of(r, i);
        p->reader = r;
        wr_mutex_lock(&s->lock);
        place_enter(p, s);
        wr_mutex_unlock(&s->lock);
    }
    reader_follow(r, 1);
    *out = r;
    return WEIR_OK;
}

void
wr_reader_destroy(wr_reader *reader)
{
    if (reader == NULL)
        return;
    reader_follow(reader, -1);
    for (uint32_t i = 0; i < reader->stream->config.shard_count; i++) {
        stream_shard *s = &reader->stream->shards[i];
        if (!reader_covers(reader, i))
            continue;
        reader_place *p = reader_place_of(reader, i);
        wr_mutex_lock(&s->lock);
        place_leave(p, s);
        wr_stream_shard_trim(reader->stream, s);
        wr_mutex_unlock(&s->lock);
        wr_batch_release(p->held);
    }
    wr_free(reader);
}

/* With the lock held: what was overwritten is lost (T3); required readers lose nothing (T2). */
static void
place_catch_up(reader_place *p, const stream_shard *s)
{
    if (p->next >= s->tail)
        return;
    wr_assert(!p->reader->config.required);
    p->lost += s->tail - p->next;
    p->next = s->tail;
}

/* With the lock held: what the reader frees is trimmed. */
static void
place_move(reader_place *p, stream_shard *s, uint64_t next)
{
    bool     required = p->reader->config.required;
    uint64_t first = p->next;
    wr_stream_shard_read(s, first, next, required);
    p->next = next;
    if (first <= s->tail || (required && shard_slot(s, first)->required == 0))
        wr_stream_shard_trim(p->reader->stream, s);
}

static bool
place_is_empty(reader_place *p, stream_shard *s)
{
    return atomic_load_explicit(&p->armed, memory_order_relaxed) != 0 &&
           atomic_load_explicit(&s->head_seen, memory_order_acquire) < p->next;
}

wr_batch *
wr_reader_next(wr_reader *reader, uint32_t shard, uint64_t *lost)
{
    stream_shard *s = &reader->stream->shards[shard];
    reader_place *p = reader_place_of(reader, shard);
    wr_batch     *batch = p->held;
    if (lost != NULL)
        *lost = 0;
    if (batch == NULL && place_is_empty(p, s))
        return NULL;
    wr_mutex_lock(&s->lock);
    if (batch != NULL) {
        p->held = NULL;
    } else {
        place_catch_up(p, s);
        if (p->next <= s->head)
            batch = wr_batch_retain(shard_slot(s, p->next)->batch);
        else
            atomic_store_explicit(&p->armed, 1, memory_order_relaxed); /* D2 */
    }
    if (batch != NULL)
        place_move(p, s, batch->sequence + 1);
    if (lost != NULL) {
        *lost = p->lost;
        p->lost = 0;
    }
    wr_mutex_unlock(&s->lock);
    return batch;
}

const wr_batch *
wr_reader_peek(wr_reader *reader, uint32_t shard)
{
    stream_shard *s = &reader->stream->shards[shard];
    reader_place *p = reader_place_of(reader, shard);
    if (p->held != NULL || place_is_empty(p, s))
        return p->held;
    wr_mutex_lock(&s->lock);
    place_catch_up(p, s);
    if (p->next <= s->head)
        p->held = wr_batch_retain(shard_slot(s, p->next)->batch);
    else
        atomic_store_explicit(&p->armed, 1, memory_order_relaxed); /* D2 */
    wr_mutex_unlock(&s->lock);
    return p->held;
}

void
wr_reader_look(wr_reader *reader, uint32_t shard, wr_reader_view *view)
{
    const wr_stream *stream = reader->stream;
    stream_shard    *s = &reader->stream->shards[shard];
    reader_place    *p = reader_place_of(reader, shard);
    uint64_t         bytes = 0;
    wr_assert(p->held == NULL);
    wr_mutex_lock(&s->lock);
    uint64_t from = WR_MAX(p->next, s->tail); /* what was overwritten is told by the next read */
    uint64_t count = s->head + 1 - from;
    *view = (wr_reader_view){ .before = s->epoch,
                              .newest = s->epoch,
                              .ended = s->ended,
                              .batches = (uint32_t) count,
                              .fill = (double) count / stream->config.batches_max };
    if (count > 0) {
        const wr_batch *first = shard_slot(s, from)->batch;
        view->before = first->epoch - wr_batch_ends_epoch(first);
    }
    if (count > 0 && s->bytes > stream->config.bytes_max / 4)
        for (uint64_t i = from; i <= s->head; i++)
            bytes += shard_slot(s, i)->bytes;
    view->fill = WR_MAX(view->fill, (double) bytes / (double) stream->config.bytes_max);
    atomic_store_explicit(&p->armed, 1, memory_order_relaxed); /* D2 */
    wr_mutex_unlock(&s->lock);
}

bool
wr_reader_has_ended(wr_reader *reader, uint32_t shard)
{
    wr_reader_view view;
    wr_reader_look(reader, shard, &view);
    return view.ended && view.batches == 0;
}

uint64_t
wr_reader_position(const wr_reader *reader, uint32_t shard)
{
    stream_shard *s = &reader->stream->shards[shard];
    wr_mutex_lock(&s->lock);
    uint64_t next = reader->places[reader->config.shard < 0 ? shard : 0].next;
    wr_mutex_unlock(&s->lock);
    return next;
}

bool
wr_reader_behind(const wr_reader *reader, uint32_t shard, wr_epoch *epoch)
{
    stream_shard *s = &reader->stream->shards[shard];
    wr_mutex_lock(&s->lock);
    uint64_t at = reader->places[reader->config.shard < 0 ? shard : 0].next;
    while (at > s->tail && shard_slot(s, at - 1)->batch->row_count == 0)
        at--;
    bool            kept = at > s->tail, any = kept || s->gone > 0;
    const wr_batch *b = kept ? shard_slot(s, at - 1)->batch : NULL;
    *epoch = kept ? b->epoch - wr_batch_ends_epoch(b) : s->gone_epoch;
    wr_mutex_unlock(&s->lock);
    return any;
}

weir_status
wr_reader_seek(wr_reader *reader, uint32_t shard, uint64_t sequence)
{
    stream_shard *s = &reader->stream->shards[shard];
    reader_place *p = reader_place_of(reader, shard);
    weir_status   status = WEIR_OK;
    wr_mutex_lock(&s->lock);
    if (sequence <= s->gone || sequence > s->head + 1) {
        status = WEIR_SNAPSHOT_REQUIRED;
    } else {
        sequence = WR_MAX(sequence, s->tail); /* those between had no rows */
        if (sequence > p->next)
            wr_stream_shard_read(s, p->next, sequence, reader->config.required);
        else
            wr_stream_shard_unread(s, sequence, p->next, reader->config.required);
        p->next = sequence;
        p->lost = 0;
        wr_stream_shard_trim(reader->stream, s);
    }
    wr_mutex_unlock(&s->lock);
    if (status == WEIR_OK) {
        wr_batch_release(p->held);
        p->held = NULL;
        atomic_store_explicit(&p->armed, 0, memory_order_relaxed);
    }
    return status;
}
