/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/stream.c -- streams: publishing and retention (see stream.h; reading is reader.c).
 *
 * What is kept of a shard, oldest first: a batch that a required cursor has still to read stays
 * whatever it costs (T2); one that a best-effort cursor has still to read, or that has rows and is younger
 * than retain_us, stays while the limits on bytes and batches hold; the rest goes.  So a stream without
 * rows keeps nothing, however often its watermark moves and barriers pass.
 *
 * Wakes are called with the shard's lock held, so that a reader can be destroyed safely: they set
 * flags and never call the stream.
 */
#include "runtime/route_impl.h"

#include <string.h>

enum { BYTES_MAX_DEFAULT = 8 << 20, BATCHES_MAX_DEFAULT = 1024, SLOTS_MIN = 2 };

weir_status
wr_stream_create(const wr_stream_config *config, wr_stream **out)
{
    wr_assert(config->shard_count > 0);
    wr_stream *s =
        wr_calloc(config->budget, 1, sizeof *s + config->shard_count * sizeof s->shards[0]);
    if (s == NULL)
        return WEIR_MEMORY;
    bool made = true;
    s->config = *config;
    s->budget = config->budget;
    if (s->config.bytes_max == 0)
        s->config.bytes_max = BYTES_MAX_DEFAULT;
    if (s->config.batches_max == 0)
        s->config.batches_max = BATCHES_MAX_DEFAULT;
    for (uint32_t i = 0; i < config->shard_count; i++) {
        stream_shard *shard = &s->shards[i];
        wr_mutex_init(&shard->lock);
        shard->tail = 1;
        shard->watermark = WR_TIME_START;
        shard->arrived = WR_TIME_START;
        shard->capacity = SLOTS_MIN;
        shard->slots = wr_calloc(s->budget, SLOTS_MIN, sizeof *shard->slots);
        made = made && shard->slots != NULL;
    }
    if (!made) {
        wr_stream_destroy(s);
        return WEIR_MEMORY;
    }
    *out = s;
    return WEIR_OK;
}

void
wr_stream_destroy(wr_stream *stream)
{
    if (stream == NULL)
        return;
    for (uint32_t i = 0; i < stream->config.shard_count; i++) {
        stream_shard *shard = &stream->shards[i];
        wr_assert(shard->places == NULL);
        for (; shard->slots != NULL && shard->tail <= shard->head; shard->tail++) {
            wr_routes_release(shard_slot(shard, shard->tail)->routes);
            wr_batch_release(shard_slot(shard, shard->tail)->batch);
        }
        wr_free(shard->slots);
        wr_mutex_fini(&shard->lock);
    }
    wr_route_close(stream);
    wr_free(stream);
}

const wr_schema *
wr_stream_schema(const wr_stream *stream)
{
    return stream->config.schema;
}

const char *
wr_stream_name(const wr_stream *stream)
{
    return stream->config.name;
}

uint32_t
wr_stream_shards(const wr_stream *stream)
{
    return stream->config.shard_count;
}

/* --- retention --- */

void
wr_stream_shard_read(stream_shard *shard, uint64_t from, uint64_t to, bool required)
{
    for (uint64_t s = WR_MAX(from, shard->tail); s < to; s++) {
        stream_slot *slot = shard_slot(shard, s);
        wr_assert(slot->unread > 0 && slot->required >= required);
        slot->unread--;
        slot->required -= required;
    }
}

void
wr_stream_shard_unread(stream_shard *shard, uint64_t from, uint64_t to, bool required)
{
    for (uint64_t s = WR_MAX(from, shard->tail); s < to; s++) {
        shard_slot(shard, s)->unread++;
        shard_slot(shard, s)->required += required;
    }
    if (required)
        shard->floor = WR_MIN(shard->floor, from);
}

static bool
shard_over_limits(const wr_stream *stream, const stream_shard *shard)
{
    return shard->bytes > stream->config.bytes_max ||
           shard->head + 1 - shard->tail > stream->config.batches_max;
}

/* T2: what required readers have still to read leaves room for one more. */
static bool
shard_has_room(const wr_stream *stream, stream_shard *shard)
{
    uint64_t floor = WR_MAX(shard->floor, shard->tail);
    while (floor <= shard->head && shard_slot(shard, floor)->required == 0)
        floor++;
    shard->floor = floor;
    uint64_t held = shard->head + 1 - floor;
    if (held == 0)
        return true;
    if (held >= stream->config.batches_max)
        return false;
    if (shard->bytes < stream->config.bytes_max)
        return true;
    uint64_t bytes = 0;
    for (uint64_t s = floor; s <= shard->head; s++)
        bytes += shard_slot(shard, s)->bytes;
    return bytes < stream->config.bytes_max;
}

static void
shard_drop_oldest(stream_shard *shard)
{
    stream_slot *slot = shard_slot(shard, shard->tail);
    if (slot->batch->row_count > 0) {
        shard->gone = shard->tail;
        shard->gone_epoch = slot->batch->epoch - wr_batch_ends_epoch(slot->batch);
    }
    shard->bytes -= slot->bytes;
    wr_routes_release(slot->routes);
    wr_batch_release(slot->batch);
    slot->batch = NULL;
    slot->routes = NULL;
    shard->tail++;
}

/* Would somebody who comes later, or comes back, want it? */
static bool
slot_is_kept(const wr_stream *stream, const stream_shard *shard, const stream_slot *slot)
{
    const wr_batch *b = slot->batch;
    return stream->config.retain_us > 0 && (b->row_count > 0 || b->mark == WR_MARK_END) &&
           (uint64_t) (shard->arrived - b->arrived) <= stream->config.retain_us;
}

void
wr_stream_shard_trim(wr_stream *stream, stream_shard *shard)
{
    while (shard->tail <= shard->head && shard_slot(shard, shard->tail)->required == 0) {
        stream_slot *slot = shard_slot(shard, shard->tail);
        bool         wanted = slot->unread > 0 || slot_is_kept(stream, shard, slot);
        if (wanted && !shard_over_limits(stream, shard))
            break;
        shard_drop_oldest(shard);
    }
    if (shard->refused && shard_has_room(stream, shard)) {
        shard->refused = false;
        if (shard->room != NULL)
            shard->room(shard->room_user);
    }
}

/* --- publishing --- */

/* A free slot for the next batch.  Without memory for more of them the oldest batch goes, unless somebody has to read it:
 * then false, and there is room when that reader has. */
static bool
shard_reserve(wr_stream *stream, stream_shard *shard)
{
    uint64_t count = shard->head + 1 - shard->tail;
    if (count < shard->capacity)
        return true;
    uint32_t     capacity = shard->capacity * 2;
    stream_slot *grown = wr_calloc(stream->budget, capacity, sizeof *grown);
    if (grown == NULL && shard_slot(shard, shard->tail)->required == 0) {
        shard_drop_oldest(shard);
        return true;
    }
    if (grown == NULL)
        return false;
    for (uint64_t s = shard->tail; s <= shard->head; s++)
        grown[s & (capacity - 1)] = *shard_slot(shard, s);
    wr_free(shard->slots);
    shard->slots = grown;
    shard->capacity = capacity;
    return true;
}

bool
wr_stream_has_room(wr_stream *stream, uint32_t shard)
{
    stream_shard *s = &stream->shards[shard];
    wr_assert(shard < stream->config.shard_count);
    wr_mutex_lock(&s->lock);
    bool room = shard_has_room(stream, s) && shard_reserve(stream, s);
    s->refused = !room;
    wr_mutex_unlock(&s->lock);
    return room;
}

void
wr_stream_publish(wr_stream *stream, uint32_t shard, wr_batch *batch)
{
    wr_assert(stream->router == NULL);
    wr_stream_publish_routed(stream, shard, batch, NULL);
}

void
wr_stream_publish_routed(wr_stream *stream, uint32_t shard, wr_batch *batch, wr_routes *routes)
{
    stream_shard *s = &stream->shards[shard];
    size_t        bytes = wr_batch_bytes(batch) + wr_routes_bytes(routes);
    wr_assert(shard < stream->config.shard_count);
    wr_assert(atomic_load_explicit(&batch->refs, memory_order_relaxed) == 1);
    wr_mutex_lock(&s->lock);
    wr_assert(!s->ended);                              /* T4 */
    wr_assert(s->head + 1 - s->tail < s->capacity);    /* has_room was asked */
    wr_assert(batch->watermark_before >= s->watermark); /* B3 */
    batch->sequence = ++s->head;                       /* T1 */
    s->epoch = wr_batch_ends_epoch(batch) ? batch->epoch : s->epoch;
    batch->epoch = s->epoch;
    bool news = atomic_load_explicit(&stream->epoch_readers, memory_order_relaxed) > 0 &&
                (batch->row_count > 0 || batch->watermark_after > s->watermark);
    s->watermark = batch->watermark_after;
    s->arrived = WR_MAX(s->arrived, batch->arrived);
    s->ended = batch->mark == WR_MARK_END;
    s->bytes += bytes;
    *shard_slot(s, s->head) =
        (stream_slot){ batch, bytes, routes, s->place_count, s->required_count };
    atomic_store_explicit(&s->head_seen, s->head, memory_order_release);
    for (reader_place *p = s->places; p != NULL; p = p->next_place)
        if (atomic_exchange_explicit(&p->armed, 0, memory_order_relaxed) != 0 &&
            p->reader->config.wake != NULL)
            p->reader->config.wake(p->reader->config.user);
    wr_routes_enter(stream, shard, s->head);
    wr_stream_shard_trim(stream, s);
    wr_mutex_unlock(&s->lock);
    if (news && stream->config.epochs != NULL)
        atomic_store_explicit(&stream->config.epochs->news, 1, memory_order_relaxed);
}

void
wr_stream_on_room(wr_stream *stream, uint32_t shard, void (*wake)(void *user), void *user)
{
    stream_shard *s = &stream->shards[shard];
    wr_mutex_lock(&s->lock);
    s->room = wake;
    s->room_user = user;
    wr_mutex_unlock(&s->lock);
}

/* --- figures --- */

uint64_t
wr_stream_head(wr_stream *stream, uint32_t shard)
{
    return atomic_load_explicit(&stream->shards[shard].head_seen, memory_order_acquire);
}

uint64_t
wr_stream_tail(wr_stream *stream, uint32_t shard)
{
    stream_shard *s = &stream->shards[shard];
    wr_mutex_lock(&s->lock);
    uint64_t tail = s->tail;
    wr_mutex_unlock(&s->lock);
    return tail;
}

wr_time
wr_stream_shard_watermark(wr_stream *stream, uint32_t shard)
{
    stream_shard *s = &stream->shards[shard];
    wr_mutex_lock(&s->lock);
    wr_time w = s->watermark;
    wr_mutex_unlock(&s->lock);
    return w;
}

wr_time
wr_stream_watermark(wr_stream *stream)
{
    wr_time least = WR_TIME_END;
    for (uint32_t i = 0; i < stream->config.shard_count; i++) {
        wr_time w = wr_stream_shard_watermark(stream, i);
        least = WR_MIN(least, w);
    }
    return least;
}

uint64_t
wr_stream_bytes(wr_stream *stream)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < stream->config.shard_count; i++) {
        stream_shard *s = &stream->shards[i];
        wr_mutex_lock(&s->lock);
        bytes += s->bytes;
        wr_mutex_unlock(&s->lock);
    }
    return bytes;
}
