/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/stream.h -- a stream: a bounded circular buffer of immutable batches, read by cursors.
 *
 * Place       each named relation owns one; source tasks and segment tasks publish, other tasks,
 *             sinks, subscribers and pull queries read.  Everything that moves between components
 *             moves through one.
 * State       one ring a shard: batches with sequence numbers 1, 2, ...; a tail that moves up when
 *             retention lets it and no required cursor stands there.
 * Invariants  T1  one publisher a shard; sequence numbers have no holes
 *             T2  a required reader never misses a batch: the ring has no room while its cursor stands
 *                 at the tail and bytes >= bytes_max.  A ring that is empty always has room for one batch.
 *             T3  a best-effort reader whose place was overwritten is told how many batches it lost
 *             T4  after the END mark nothing is published
 *             T5  who seeks to a place behind which every batch with rows is kept goes on from there
 * Cost        publish and read: one short critical section a batch a shard, no wake-up when nobody sleeps.
 * Memory      rings grow lazily; a stream nobody has published to holds under 1 KB.
 */
#pragma once

#include "data/batch.h"

typedef struct wr_stream wr_stream;
typedef struct wr_reader wr_reader;

/* Of all streams of a job: is it worth while to end an epoch? */
typedef struct wr_stream_epochs {
    _Atomic uint32_t readers; /* want to see whole epochs                         */
    _Atomic uint32_t news;    /* 1: what one of them reads has moved, or one came */
} wr_stream_epochs;

typedef struct wr_stream_config {
    const char      *name;   /* borrowed, as the schema is */
    const wr_schema *schema;
    uint32_t         shard_count;
    uint64_t         bytes_max;  /* each shard; 0: 8 MiB */
    uint32_t         batches_max; /* each shard; 0: 1024; tests use 1 */
    uint64_t         retain_us;  /* keep batches that old (by `arrived`) for late readers, within bytes_max */
    wr_budget       *budget;
    _Atomic uint32_t *followers; /* of all streams of a job: counts readers that follow; NULL: nobody does */
    wr_stream_epochs *epochs;   /* NULL: none are asked for */
} wr_stream_config;

weir_status wr_stream_create(const wr_stream_config *config, wr_stream **stream);
void        wr_stream_destroy(wr_stream *stream); /* no readers left */
const wr_schema *wr_stream_schema(const wr_stream *stream);
const char *wr_stream_name(const wr_stream *stream);
uint32_t    wr_stream_shards(const wr_stream *stream);

/* Publisher side (the shard's task).  Takes batch. */
bool     wr_stream_has_room(wr_stream *stream, uint32_t shard);
void     wr_stream_publish(wr_stream *stream, uint32_t shard, wr_batch *batch);
/* Where readers want rows of their own: whose are which of the batch.  Each batch is routed once, in the order of
 * publishing, by the publisher.  *routes: owned, NULL when there are none such.  MEMORY. */
typedef struct wr_routes wr_routes;
weir_status wr_stream_route(wr_stream *stream, uint32_t shard, const wr_batch *batch,
                            wr_routes **routes);
void     wr_stream_publish_routed(wr_stream *stream, uint32_t shard, wr_batch *batch,
                                  wr_routes *routes); /* takes both */
void     wr_routes_release(wr_routes *routes); /* NULL allowed */
/* The publisher has nothing more to publish at once: whose rows have come may run. */
void     wr_stream_route_wake(wr_stream *stream, uint32_t shard);
/* The publisher has nothing more for now.  In how many microseconds an empty batch has to be published for those who
 * follow; -1: none has. */
int64_t  wr_stream_route_rest(wr_stream *stream, uint32_t shard, int64_t now);
uint64_t wr_stream_head(wr_stream *stream, uint32_t shard);  /* sequence of the newest batch; 0: none */
uint64_t wr_stream_tail(wr_stream *stream, uint32_t shard);  /* sequence of the oldest kept */
wr_time  wr_stream_watermark(wr_stream *stream);             /* min over shards of the newest batch's */
wr_time  wr_stream_shard_watermark(wr_stream *stream, uint32_t shard);
uint64_t wr_stream_bytes(wr_stream *stream);

/* Where a reader begins in each shard. */
typedef enum wr_start { WR_START_TAIL, WR_START_HEAD } wr_start;

typedef struct wr_reader_config {
    bool     required;      /* holds the tail                                             */
    bool     follows;       /* wants to hear how far the stream stands, though no rows come */
    bool     epochs;        /* wants epochs to end (epochs.h)                             */
    wr_start start;
    int32_t  shard;         /* one shard, or -1: all                                       */
    /* Called by publishers after the reader had seen "empty"; any thread.  The shard is locked meanwhile:
     * set flags, ring a loop, and never call the stream from it. */
    void   (*wake)(void *user);
    void   (*room)(void *user); /* unused by readers of tasks                               */
    void    *user;
} wr_reader_config;
weir_status wr_reader_create(wr_stream *stream, const wr_reader_config *config, wr_reader **reader);
void        wr_reader_destroy(wr_reader *reader);
/*
 * The next batch of `shard` (retained; caller releases), or NULL when there is none yet (the wake is
 * then armed).  *lost: batches overwritten since the last call (best effort only).  The cursor moves past it.
 */
wr_batch   *wr_reader_next(wr_reader *reader, uint32_t shard, uint64_t *lost);
const wr_batch *wr_reader_peek(wr_reader *reader, uint32_t shard); /* borrowed until next */
uint64_t    wr_reader_position(const wr_reader *reader, uint32_t shard); /* sequence of the next one */
/* What is there that has not been read; arms the wake, as NULL does.  The reader holds nothing. */
typedef struct wr_reader_view {
    wr_epoch before, newest; /* epochs that have ended before the reader's place; in the shard */
    bool     ended;          /* END is published                                           */
    uint32_t batches;        /* not read                                                   */
    double   fill;           /* of what the ring keeps for it, how much is not read: 1 is all */
} wr_reader_view;
void        wr_reader_look(wr_reader *reader, uint32_t shard, wr_reader_view *view);
/* END is published and behind the reader, or kept no more: it will not be read. */
bool        wr_reader_has_ended(wr_reader *reader, uint32_t shard);
/* Did the shard have rows before the reader's place?  *epoch: that had ended before the newest of them. */
bool        wr_reader_behind(const wr_reader *reader, uint32_t shard, wr_epoch *epoch);
/* SNAPSHOT_REQUIRED when rows from that sequence on are not kept any more (or not yet published beyond head+1). */
weir_status wr_reader_seek(wr_reader *reader, uint32_t shard, uint64_t sequence);

/* Called (from any thread) when a ring that refused has room again. */
void wr_stream_on_room(wr_stream *stream, uint32_t shard, void (*wake)(void *user), void *user);
