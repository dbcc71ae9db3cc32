/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/output.c -- publishing: compaction, hash partitioning, fan-out (see output_impl.h).
 *
 * Partitioning is by the key group of the stable hash, the same that state is kept by; a consumer
 * that gets no row of a batch gets its watermark, when that moved.
 */
#include "runtime/output_impl.h"

#include <string.h>

weir_status
wr_output_open(output *o, wr_arena *arena)
{
    o->changes = o->stream != NULL && wr_stream_schema(o->stream)->kind != WR_INSERT_ONLY;
    o->pending_capacity = (o->stream != NULL) + o->changes;
    bool hashed = false;
    for (uint32_t e = 0; e < o->edge_count; e++) {
        output_edge *edge = &o->edges[e];
        o->pending_capacity += edge->channel_count;
        hashed = hashed || (edge->partitioning == WR_HASH && edge->channel_count > 1);
        edge->sent = wr_arena_calloc(arena, edge->channel_count, sizeof *edge->sent);
        if (edge->sent == NULL)
            return WEIR_MEMORY;
        for (uint32_t i = 0; i < edge->channel_count; i++)
            edge->sent[i] = WR_TIME_START;
    }
    o->pending = wr_arena_calloc(arena, o->pending_capacity + 1, sizeof *o->pending);
    if (o->pending == NULL)
        return WEIR_MEMORY;
    worker_scratch *scratch = &o->task->worker->scratch;
    if (!hashed || scratch->keys != NULL)
        return WEIR_OK;
    wr_keys *keys = wr_arena_alloc(arena, sizeof *keys);
    scratch->rows = wr_arena_alloc(arena, WR_BATCH_ROWS_MAX * sizeof *scratch->rows);
    if (keys == NULL || scratch->rows == NULL)
        return WEIR_MEMORY;
    wr_keys_init(keys, o->flow);
    scratch->keys = keys;
    return WEIR_OK;
}

void
wr_output_close(output *o)
{
    for (uint32_t i = 0; i < o->pending_count; i++) {
        wr_routes_release(o->pending[i].routes);
        wr_batch_release(o->pending[i].batch);
    }
    o->pending_count = 0;
    wr_batch_release(o->held);
    o->held = NULL;
}

bool
wr_output_flush(output *o)
{
    uint32_t kept = 0;
    bool     full = false; /* the stream: what follows waits, too */
    for (uint32_t i = 0; i < o->pending_count; i++) {
        output_pending p = o->pending[i];
        bool room = p.channel != NULL ? channel_has_room(p.channel)
                                      : !full && wr_stream_has_room(o->stream, o->shard);
        full = full || (p.channel == NULL && !room);
        if (!room)
            o->pending[kept++] = p;
        else if (p.channel != NULL)
            channel_push(p.channel, p.batch);
        else
            wr_stream_publish_routed(o->stream, o->shard, p.batch, p.routes);
    }
    o->pending_count = kept;
    return kept == 0;
}

static void
output_add(output *o, channel *to, wr_batch *batch, wr_routes *routes)
{
    wr_assert(o->pending_count < o->pending_capacity);
    o->pending[o->pending_count++] = (output_pending){ to, batch, routes };
}

/* O3.  Takes batch; NULL: no memory. */
static wr_batch *
output_compact(output *o, wr_batch *batch)
{
    bool sparse = batch->row_count * 2 < batch->physical_count;
    if (batch->row_count == 0 || (batch->selection != NULL && !sparse))
        return batch;
    wr_batch *made = wr_batch_compact(o->flow, batch, true);
    wr_batch_release(batch);
    return made;
}

/* One consumer's rows of a partitioned batch: rows[0..count), or its watermark alone. */
static weir_status
edge_add_part(output *o, output_edge *edge, uint32_t target, const wr_batch *batch,
              const uint16_t *rows, uint32_t count)
{
    wr_batch *part = NULL;
    if (count == 0) {
        if (batch->watermark_after <= edge->sent[target])
            return WEIR_OK;
        wr_time before = WR_MAX(batch->watermark_before, edge->sent[target]);
        part = wr_batch_create_watermark(o->flow, before, batch->watermark_after);
        if (part != NULL)
            part->arrived = batch->arrived;
    } else {
        part = wr_batch_select(o->flow, batch, rows, count);
        if (part != NULL)
            part = output_compact(o, part);
    }
    if (part == NULL)
        return WEIR_MEMORY;
    edge->sent[target] = batch->watermark_after;
    output_add(o, edge->channels[target], part, NULL);
    return WEIR_OK;
}

/* Borrows batch. */
static weir_status
edge_partition(output *o, output_edge *edge, const wr_batch *batch)
{
    uint32_t starts[WR_KEY_GROUPS + 1] = { 0 }, fill[WR_KEY_GROUPS];
    uint8_t  shard_of[WR_KEY_GROUPS];
    uint32_t shards = edge->channel_count;
    wr_keys  *keys = o->task->worker->scratch.keys;
    uint16_t *rows = o->task->worker->scratch.rows;
    wr_assert(shards <= WR_KEY_GROUPS);
    WR_TRY(wr_keys_encode(keys, batch, edge->keys, edge->key_count));
    for (uint32_t g = 0; g < WR_KEY_GROUPS; g++)
        shard_of[g] = (uint8_t) wr_shard_of_group(g, shards);
    for (uint32_t i = 0; i < batch->row_count; i++)
        starts[shard_of[wr_key_group(keys->hashes[i])] + 1]++;
    for (uint32_t s = 0; s < shards; s++) {
        starts[s + 1] += starts[s];
        fill[s] = starts[s];
    }
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t s = shard_of[wr_key_group(keys->hashes[i])];
        rows[fill[s]++] = (uint16_t) wr_batch_row(batch, i);
    }
    for (uint32_t s = 0; s < shards; s++)
        WR_TRY(edge_add_part(o, edge, s, batch, rows + starts[s], starts[s + 1] - starts[s]));
    return WEIR_OK;
}

static weir_status
edge_put(output *o, output_edge *edge, wr_batch *batch)
{
    if (batch->row_count > 0 && edge->channel_count > 1)
        return edge_partition(o, edge, batch);
    for (uint32_t i = 0; i < edge->channel_count; i++) { /* O2 */
        edge->sent[i] = WR_MAX(edge->sent[i], batch->watermark_after);
        output_add(o, edge->channels[i], wr_batch_retain(batch), NULL);
    }
    return WEIR_OK;
}

/* Takes batch.  Routes are found in the order in which batches are published. */
static weir_status
stream_add(output *o, wr_batch *batch)
{
    wr_routes *routes = NULL;
    if (wr_stream_route(o->stream, o->shard, batch, &routes) != WEIR_OK) {
        wr_batch_release(batch);
        return WEIR_MEMORY;
    }
    output_add(o, NULL, batch, routes);
    return WEIR_OK;
}

static weir_status
held_add(output *o, bool goes_on)
{
    wr_batch *held = o->held;
    if (held == NULL)
        return WEIR_OK;
    held->goes_on = goes_on;
    o->held = NULL;
    return stream_add(o, held);
}

/* Takes batch, which is ours alone. */
static weir_status
stream_put(output *o, wr_batch *batch)
{
    bool        rows = batch->row_count > 0;
    weir_status status = WEIR_OK;
    batch->goes_on = 0;
    if (!o->changes || batch->mark != WR_MARK_NONE || (!rows && o->held == NULL)) {
        status = held_add(o, false);
        if (status == WEIR_OK)
            return stream_add(o, batch);
        wr_batch_release(batch);
    } else if (rows) { /* O4 */
        status = held_add(o, true);
        o->held = batch;
    } else { /* a watermark alone goes with what is held */
        o->held->watermark_after = WR_MAX(o->held->watermark_after, batch->watermark_after);
        o->held->live = batch->live;
        wr_batch_release(batch);
    }
    return status;
}

weir_status
wr_output_settle(output *o, bool *flushed)
{
    wr_assert(o->pending_count == 0); /* O1 */
    WR_TRY(held_add(o, false));
    *flushed = wr_output_flush(o);
    return WEIR_OK;
}

weir_status
wr_output_put(output *o, wr_batch *batch)
{
    weir_status status = WEIR_OK;
    wr_assert(o->pending_count == 0); /* O1 */
    batch = output_compact(o, batch);
    if (batch == NULL)
        return WEIR_MEMORY;
#ifdef WR_DEBUG
    wr_batch_check(batch);
#endif
    for (uint32_t e = 0; status == WEIR_OK && e < o->edge_count; e++)
        status = edge_put(o, &o->edges[e], batch);
    if (status == WEIR_OK && o->stream != NULL) {
        batch = wr_batch_unique(batch); /* its sequence is the stream's to write */
        if (batch == NULL)
            return WEIR_MEMORY;
        if (stream_put(o, batch) != WEIR_OK)
            return WEIR_MEMORY;
    } else
        wr_batch_release(batch);
    if (status == WEIR_OK)
        wr_output_flush(o);
    return status;
}

int64_t
wr_output_rest(output *o, int64_t now, bool *failed)
{
    int64_t wait = wr_stream_route_rest(o->stream, o->shard, now);
    if (wait != 0)
        return wait;
    wr_time   w = wr_stream_shard_watermark(o->stream, o->shard);
    wr_batch *b = wr_batch_create_watermark(o->flow, w, w);
    if (b != NULL)
        b->arrived = now;
    *failed = b == NULL || wr_output_put(o, b) != WEIR_OK;
    return -1;
}
