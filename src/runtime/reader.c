/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/reader.c -- cursors into streams (see stream.h).
 *
 * Invariants  D1  a place's `next` lies in tail..head+1, or below the tail (best effort: lost batches
 *                 are counted when it next looks)
 *             D2  armed is set under the lock after finding nothing, so the publish that follows rings
 */
#include "runtime/stream_impl.h"

weir_status
wr_reader_create(wr_stream *stream, const wr_reader_config *config, wr_reader **out)
{
    uint32_t   count = stream->config.shard_count;
    wr_reader *r = wr_calloc(stream->budget, 1, sizeof *r + count * sizeof r->places[0]);
    if (r == NULL)
        return WEIR_MEMORY;
    wr_assert(config->shard < (int32_t) count);
    r->stream = stream;
    r->config = *config;
    for (uint32_t i = 0; i < count; i++) {
        stream_shard *s = &stream->shards[i];
        reader_place *p = &r->places[i];
        p->reader = r;
        if (!reader_covers(r, i))
            continue;
        wr_mutex_lock(&s->lock);
        p->next = config->start == WR_START_TAIL ? s->tail : s->head + 1;
        p->next_place = s->places;
        s->places = p;
        wr_mutex_unlock(&s->lock);
    }
    *out = r;
    return WEIR_OK;
}

void
wr_reader_destroy(wr_reader *reader)
{
    if (reader == NULL)
        return;
    for (uint32_t i = 0; i < reader->stream->config.shard_count; i++) {
        stream_shard *s = &reader->stream->shards[i];
        if (!reader_covers(reader, i))
            continue;
        wr_mutex_lock(&s->lock);
        reader_place **at = &s->places;
        while (*at != &reader->places[i])
            at = &(*at)->next_place;
        *at = reader->places[i].next_place;
        wr_stream_shard_trim(reader->stream, s);
        wr_mutex_unlock(&s->lock);
        wr_batch_release(reader->places[i].held);
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
    reader_place *p = &reader->places[shard];
    wr_batch     *batch = p->held;
    wr_assert(reader_covers(reader, shard));
    if (lost != NULL)
        *lost = 0;
    if (batch == NULL && place_is_empty(p, s))
        return NULL;
    wr_mutex_lock(&s->lock);
    if (batch != NULL) {
        p->held = NULL;
        p->next = batch->sequence + 1;
    } else {
        place_catch_up(p, s);
        if (p->next <= s->head)
            batch = wr_batch_retain(shard_slot(s, p->next++)->batch);
        else
            atomic_store_explicit(&p->armed, 1, memory_order_relaxed); /* D2 */
    }
    /* One that stood past the tail and holds nothing frees nothing; to look would cost the square
     * of their number. */
    if (batch != NULL && (reader->config.required || batch->sequence <= s->tail))
        wr_stream_shard_trim(reader->stream, s);
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
    reader_place *p = &reader->places[shard];
    wr_assert(reader_covers(reader, shard));
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

uint64_t
wr_reader_position(const wr_reader *reader, uint32_t shard)
{
    stream_shard *s = &reader->stream->shards[shard];
    wr_mutex_lock(&s->lock);
    uint64_t next = reader->places[shard].next;
    wr_mutex_unlock(&s->lock);
    return next;
}

weir_status
wr_reader_seek(wr_reader *reader, uint32_t shard, uint64_t sequence)
{
    stream_shard *s = &reader->stream->shards[shard];
    reader_place *p = &reader->places[shard];
    weir_status   status = WEIR_OK;
    wr_assert(reader_covers(reader, shard));
    wr_mutex_lock(&s->lock);
    if (sequence < s->tail || sequence > s->head + 1)
        status = WEIR_SNAPSHOT_REQUIRED;
    else {
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
