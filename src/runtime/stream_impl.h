/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/stream_impl.h -- the insides that stream.c (publishing, retention) and reader.c (cursors) share.
 *
 * Everything of a shard is under that shard's lock, except what a reader polls without it:
 * `head_seen`, so that an empty look costs one load while its wake is armed.
 *
 * Each slot counts the readers that have still to read it, so that what a reader frees is found without a look
 * at the others: a stream may have ten thousand of them.
 */
#pragma once

#include "base/thread.h"
#include "runtime/stream.h"

typedef struct stream_slot {
    wr_batch *batch;
    size_t    bytes;
    struct wr_routes *routes; /* whose are which of its rows; NULL: nobody's in particular */
    uint32_t  unread, required; /* by how many readers it has still to be read; required ones among them */
} stream_slot;

/* One reader in one shard. */
typedef struct reader_place {
    wr_reader           *reader;
    struct reader_place *next_place, *prev_place; /* of the shard's list          */
    uint64_t             next;       /* sequence of the next batch                */
    uint64_t             lost;       /* not yet reported                          */
    wr_batch            *held;       /* peeked; the reader's thread alone         */
    _Atomic uint32_t     armed;      /* saw "empty": publishing rings the wake    */
} reader_place;

typedef struct stream_shard {
    wr_mutex         lock;
    stream_slot     *slots;      /* sequence s lies in slots[s & (capacity - 1)]  */
    uint32_t         capacity;   /* a power of two                                */
    uint64_t         tail, head; /* kept: tail..head; none when tail == head + 1  */
    uint64_t         floor;      /* no required reader has to read one before it  */
    uint64_t         gone;       /* the newest with rows that is kept no more; 0: all rows are here */
    wr_epoch         gone_epoch; /* that had ended before that one                */
    uint64_t         bytes;
    wr_time          watermark, arrived; /* newest                                */
    wr_epoch         epoch;      /* the newest that has ended                     */
    bool             ended, refused; /* refused: has_room said no and nobody was told since */
    _Atomic uint64_t head_seen;  /* == head                                       */
    reader_place    *places;
    uint32_t         place_count, required_count;
    void           (*room)(void *user);
    void            *room_user;
} stream_shard;

struct wr_stream {
    wr_stream_config config;
    wr_budget       *budget;
    struct stream_router *router; /* readers that want rows of their own (route_impl.h); NULL: none */
    _Atomic uint32_t followers;   /* readers that follow its progress */
    _Atomic uint32_t epoch_readers; /* readers that want whole epochs  */
    stream_shard     shards[];
};

struct wr_reader {
    wr_stream       *stream;
    wr_reader_config config;
    reader_place     places[]; /* of the one shard, or one a shard of the stream */
};

static inline stream_slot *
shard_slot(stream_shard *s, uint64_t sequence)
{
    return &s->slots[sequence & (s->capacity - 1)];
}

/* Does the reader read this shard? */
static inline bool
reader_covers(const wr_reader *r, uint32_t shard)
{
    return r->config.shard < 0 || (uint32_t) r->config.shard == shard;
}

static inline reader_place *
reader_place_of(wr_reader *r, uint32_t shard)
{
    wr_assert(reader_covers(r, shard));
    return &r->places[r->config.shard < 0 ? shard : 0];
}

/* With the shard's lock held: the reader has read slots [from, to), or (back) has to read them again. */
void wr_stream_shard_read(stream_shard *shard, uint64_t from, uint64_t to, bool required);
void wr_stream_shard_unread(stream_shard *shard, uint64_t from, uint64_t to, bool required);
/* With the shard's lock held: drop what nobody needs, and ring for room when a refusal is over. */
void wr_stream_shard_trim(wr_stream *stream, stream_shard *shard);
