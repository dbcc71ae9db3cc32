/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/source.h -- what a source connector is, and what the runtime gives it.
 *
 * Place       a source task (runtime/source_task.c) polls it on a worker thread; the connector hands
 *             bytes or batches to *lanes*, one a partition; the task decodes, judges time, publishes.
 * Shards      each worker opens an instance of the source with (shard, shard_count); together they
 *             cover all partitions exactly once.  What must be one a process (a Kafka consumer) is
 *             `shared`: made before the first open, destroyed after the last close.
 * Positions   everything a connector has fed to lanes when freeze is called is before the barrier;
 *             freeze writes where to go on.  Positions are committed outside only by `committed`,
 *             after the checkpoint is durable: offsets are never ahead of state.
 * Backpressure wr_source_has_room false: do not read more; the task polls again when there is room.
 */
#pragma once

#include "config/option.h"
#include "data/flow.h"
#include "data/snapshot.h"
#include "format/format.h"

typedef struct wr_source_ctx wr_source_ctx;
typedef struct wr_lane       wr_lane;

/* Metadata of a message, for the hidden columns. */
typedef struct wr_record_meta {
    const char *key; /* NULL: none */
    size_t      key_length;
    int64_t     offset;
    wr_time     timestamp; /* WR_TIME_START: none */
} wr_record_meta;

struct wr_source_ctx {
    uint32_t   shard, shard_count;
    wr_budget *flow;
    wr_clock  *clock;
    bool       bounded;   /* --once: end when the input that is there now has been read */
    bool       renewed;   /* restored from where a run had come to its end: what is there now is more */
    bool       keeps;     /* checkpoints are kept: `committed` will be heard */
    bool       stateful;  /* some answer hangs on more than the row at hand: on what was read before, here */
    bool       aside;     /* an ad-hoc query: read beside whoever does it for good; join no group, commit nothing */
    /* The runtime's part. */
    /* Find or add; NULL: no memory.  Make the lanes you know of in open or in the first poll, which comes
     * when there is no room yet: a lane that comes later cannot hold back the watermark that the rows
     * before it were judged by. */
    wr_lane    *(*lane)(wr_source_ctx *, int32_t partition);
    /* Lanes are being dealt out among the shards, one after the other: say yes before you make the first of yours (or, where
     * all are taken back to be dealt out anew, before you end the first), and no when every shard has all of its own.
     * Until all have said no the watermark stays where it is, and nobody has room: those that are there already, restored
     * or not ended yet, must not pass one that is still to come.  Meanwhile shards that are woken are polled all the same. */
    void        (*lanes_coming)(wr_source_ctx *, bool yes);
    bool        (*has_room)(wr_source_ctx *);
    /* Decode records of `bytes` into the lane; *consumed as decoder_ops.decode.  Stops early when there is no room. */
    weir_status (*feed)(wr_source_ctx *, wr_lane *, const char *bytes, size_t length, bool last,
                        const wr_record_meta *meta, size_t *consumed);
    /* Messages of one record each, in order, the fast way (format.h, decode_messages): *done were fed, as if by feed with
     * last; the next one is to be fed so, or there is no room.  NULL: no such way, or somebody asks for metadata. */
    weir_status (*feed_messages)(wr_source_ctx *, wr_lane *, const wr_message *messages, uint32_t count, uint32_t *done);
    /* Rows ready made (generators, databases): takes batch; columns as the source's schema, unneeded ones NULL. */
    weir_status (*push)(wr_source_ctx *, wr_lane *, wr_batch *batch);
    /* Which columns anybody reads (bit a column). */
    const uint64_t *needed;
    const wr_schema *schema;
    /* The lane has been read to the end of what is there now (and is not paused); false: more is there, or it cannot be
     * told (nobody answers): an idle lane holds the watermark again.  A feed or push takes it back: say it again at each end. */
    void        (*caught_up)(wr_source_ctx *, wr_lane *, bool yes);
    /* May the lane be read now?  false: it is ahead of the others and held (runtime/source_ahead.c); you are polled
     * again before long, then ask anew.  Only a source that asks can be given max_skew (ops.asks). */
    bool        (*may_read)(wr_source_ctx *, wr_lane *);
    /* The lane is over (or was taken away: revoked): it no longer holds the watermark back. */
    void        (*lane_end)(wr_source_ctx *, wr_lane *);
    /* What is fed next is the beginning of something else (another file, another connection): what the decoder was told by
     * what came before, a header say, holds for it no longer. */
    void        (*lane_anew)(wr_source_ctx *, wr_lane *);
    /* A message without a value deletes the row of its key; NULL where rows have no key. */
    weir_status (*tombstone)(wr_source_ctx *, wr_lane *, const wr_record_meta *meta);
    /* A record the connector itself had to refuse (oversize). Counted, sampled, dead-lettered. */
    void        (*bad)(wr_source_ctx *, wr_lane *, weir_status_code code, const char *text,
                       const char *bytes, size_t length);
    /* Wake the task from any thread: after WAIT.  Signal-safe against the loop. */
    void        (*wake)(wr_source_ctx *);
    /* A checkpoint is wanted of what was fed so far, sooner than the next is due.  The epoch whose `committed` says that it is
     * durable; 0: none are kept, or the run is ending.  From any thread. */
    wr_epoch    (*checkpoint)(wr_source_ctx *);
    /* Poll me again after us microseconds even if nobody wakes me. */
    void        (*wake_after)(wr_source_ctx *, int64_t us);
    /* From now on wake me whenever fd becomes readable, perhaps for nothing: said after fd was found empty.  -1 cancels. */
    void        (*wake_on)(wr_source_ctx *, int fd);
    weir_error  error; /* filled before returning WR_FLOW_FAIL */
};

/* How far an instance has come with what it has to read, in its own measure. */
typedef struct wr_source_extent {
    uint64_t read, whole;
    bool     bytes; /* measured in bytes */
} wr_source_extent;

typedef struct wr_source_ops {
    const char      *name; /* the key in the pipeline file: "kafka", "file", "tcp", "nexmark" */
    const char      *doc;
    const wr_option *options;
    size_t           config_bytes;
    size_t           self_bytes;
    const char      *default_format; /* NULL: rows come ready made                            */
    bool             asks;           /* may_read, before it reads a lane                       */
    bool             one_shard;      /* shard 0 feeds all rows; the others have no lanes       */
    bool             has_end;        /* what is there now has an end: a bounded run stops there */
    bool           (*bounded)(const void *config);           /* does it end by itself?        */
    /* Columns it dictates itself (generators), or NULL: the pipeline file lists them. */
    weir_status    (*columns)(const void *config, wr_arena *arena, wr_schema **schema, weir_error *err);
    weir_status    (*check)(const void *config, weir_error *err); /* offline; NULL: nothing      */
    /* Once a process; all NULL when nothing is shared. */
    weir_status    (*share)(const void *config, uint32_t shard_count, wr_budget *budget, void **shared,
                            weir_error *err);
    void           (*unshare)(void *shared);
    weir_status    (*open)(void *self, wr_source_ctx *ctx, const void *config, void *shared,
                           weir_error *err);
    /* One bounded step: read some, feed lanes.  NEXT: call again; WAIT: wake me; DONE: at the end. */
    wr_flow        (*poll)(void *self, wr_source_ctx *ctx);
    /* There is no room, and you are not polled; or there is again.  On the task's thread.  NULL: of no use. */
    void           (*held_up)(void *self, bool yes);
    weir_status    (*freeze)(void *self, wr_snapshot_writer *to);   /* positions, WR_SNAPSHOT_GLOBAL section opened by the caller */
    weir_status    (*restore)(void *self, wr_snapshot_reader *from); /* once for each shard's snapshot; before the first poll */
    void           (*committed)(void *self, wr_epoch epoch);        /* NULL: nothing outside         */
    void           (*frozen_epoch)(void *self, wr_epoch epoch);     /* freeze belonged to this epoch; NULL */
    void           (*close)(void *self);
    /* For `why` and metrics: one line a partition (position, end, lag).  Any thread while it is open.
     * NULL: nothing. */
    void           (*describe)(void *self, wr_text *to);
    /* Can nothing come from the other side at this moment: it cannot be reached, or others have all that it gives?  In words.
     * Any thread while it is open.  NULL: never so. */
    bool           (*away)(void *self, wr_text *why);
    /* For progress.  Any thread while it is open; false: not known.  NULL: never known. */
    bool           (*extent)(void *self, wr_source_extent *extent);
} wr_source_ops;

const wr_source_ops *wr_source_find(const char *name);
const wr_source_ops *const *wr_source_all(uint32_t *count);
