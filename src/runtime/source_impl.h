/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/source_impl.h -- a running source: its shards (tasks), its lanes (partitions), its one watermark.
 *
 * source_task.c polls connectors and publishes; lane.c decodes and seals batches; source_time.c keeps
 * the watermark; source_ahead.c who is too far ahead of it; source_bad.c the records that cannot be used.
 *
 * Invariants  Y1  the source's watermark is the least over its live lanes of all shards and never steps
 *             back; no row is read before every shard was polled once, without room, to make its
 *             lanes: so the first rows are judged as if all lanes had always been there.  While lanes are
 *             dealt out later, or taken back to be dealt out anew (ctx.lanes_coming), it does not move and no row is read
 *             Y2  batches are stamped under the source's lock: the order of the stamps is the
 *                 interleaving that lateness is judged by, and each shard publishes in that order
 *             Y3  rows before a barrier are judged by rows before it alone: from the first shard's barrier
 *                 on, shards that have not put it in see the others' lanes where these stood at
 *                 theirs (cut_watermark runs on for them).  So a restart restores what the rows before
 *                 the barrier led to, and lateness within a lane is the same with and without barriers.
 *             Y4  a lane becomes idle when it was read to its end, is neither paused nor held, and idle_us have
 *                 passed without a row; never by a bare timer.  It is no longer when a row comes, or when its connector
 *                 takes back that it is at the end (its broker cannot be reached, say): what comes then is not late
 */
#pragma once

#include "runtime/task_impl.h"

typedef struct source      source;
typedef struct source_task source_task;

/* Sealed batches that wait for room, in order. */
typedef struct batch_queue {
    wr_batch **slots;
    uint32_t   head, count, capacity;
} batch_queue;

/* A lane's state in a checkpoint, until its lane is made again. */
typedef struct lane_state {
    int32_t  partition;
    wr_time  watermark;
    bool     ended;
    uint64_t rows, bad, null_time;
    char    *decoder; /* what its decoder must be told (format.h); owned; NULL: nothing */
    size_t   decoder_length;
} lane_state;

struct wr_lane {
    source      *source;
    wr_lane     *next;
    int32_t      partition;
    source_task *_Atomic owner; /* changes only while ended */
    /* Under the source's lock. */
    wr_time      watermark;
    wr_epoch     cut_epoch;     /* newest barrier the owner has put in, */
    wr_time      cut_watermark; /* and where the lane stood then (Y3),  */
    bool         cut_out;       /* or that it held nobody back          */
    bool         idle, ended;
    bool         held;          /* ahead of the others: not read for now (written by the owner) */
    /* The owner's thread alone. */
    bool         caught_up, declared_idle;
    int64_t      quiet_since; /* monotonic: caught up without a row since       */
    wr_decoder  *decoder;
    const lane_state *restored; /* told to the decoder when it is made; NULL: begins afresh */
    wr_batch_builder builder; /* of the fields somebody needs                     */
    wr_column  **columns;     /* the builder's, by field; NULL: not needed        */
    uint32_t     room;        /* rows that all of them hold; 0: not known         */
    uint32_t     rows_last;   /* of the batch before: how large to begin          */
    uint32_t     rows_most;   /* of a batch: what the caches hold                 */
    const wr_record_meta *meta; /* of the feed under way; NULL */
    struct wr_key_faults *key_faults; /* of the batch under way (lane_keyed.c); NULL: none was ever */
    _Atomic uint64_t rows, bad, null_time;
    _Atomic uint32_t view; /* LANE_CAUGHT_UP | LANE_PAUSED | LANE_HELD, for whoever looks in */
    _Atomic int64_t  moved_at; /* monotonic: rows came, or it could not be read until then */
};
enum { LANE_CAUGHT_UP = 1, LANE_PAUSED = 2, LANE_HELD = 4 };

struct source {
    const wr_source_binding *binding;
    wr_runtime              *rt;
    uint32_t                 index;
    source_task             *shards;
    uint32_t                 shard_count;
    void                    *shared;
    bool                     has_shared;
    wr_mutex                 lock;
    wr_lane                 *lanes; /* grows at its head; freed at the end */
    uint32_t                 lane_count;
    wr_time                  watermark;
    uint32_t                 unpolled;      /* shards that were not polled yet (Y1)    */
    uint32_t                 unsettled;     /* shards that say that lanes are coming (Y1) */
    _Atomic bool             open_to_rows;  /* all are known                        */
    wr_epoch                 cut_epoch;     /* newest barrier any shard has put in (Y3) */
    wr_time                  cut_watermark;
    lane_state              *restored;
    uint32_t                 restored_count;
    bool                     over;          /* every shard had told its end when the checkpoint was made (V4) */
    char                     last_bad[200]; /* under lock      */
    _Atomic uint64_t         rows, bytes, bad, future, filtered;
    _Atomic bool             pressed;       /* state is short: lanes wait for each other */
};

enum { META_KEY, META_OFFSET, META_PARTITION, META_TIMESTAMP, META_COUNT };

struct source_task {
    task          t; /* first */
    source       *source;
    uint32_t      shard;
    void         *self;
    wr_source_ctx ctx;
    wr_stream    *stream;
    batch_queue   pending;
    wr_stream    *bad_stream;     /* NULL: nobody reads it  */
    wr_batch_builder bad_rows;
    batch_queue   bad_pending;
    wr_eval       eval;
    wr_epoch      epoch;          /* newest barrier put in  */
    wr_epoch      committed;      /* newest told            */
    wr_time       stamped;        /* watermark_after of the newest sealed batch, under the source's lock */
    wr_watch     *watch;
    int           watch_fd;
    bool          opened, polled, done, held, paused;
    bool          end_told;       /* what is frozen from here on says so */
    bool          known;          /* was polled, or has no lanes; under the source's lock */
    bool          lanes_coming;   /* said so; under the source's lock           */
    bool          room_known;     /* has room, and nothing was published since */
    bool          refused;        /* said in this turn that there is no room   */
    bool          starved;        /* waits for the flow budget                 */
    weir_status_code failure;     /* of a callback, found after the poll        */
    bool          meta_wanted;    /* some of                                    */
    int32_t       meta_fields[META_COUNT]; /* field numbers; -1: nobody wants it */
    uint64_t      fed_bytes;      /* not yet in source->bytes                   */
    const uint64_t *needed;       /* bit a field                                */
    uint64_t     *decode_needed;  /* binding's needed without the metadata      */
    wr_schema    *build;          /* the needed fields alone                    */
    wr_column   **nulls;          /* a constant NULL a field nobody needs       */
    uint16_t      selected[WR_BATCH_ROWS_MAX];
    wr_time       judges[WR_BATCH_ROWS_MAX];
};

static inline source_task *
source_task_of(wr_source_ctx *ctx)
{
    return (source_task *) (void *) ((char *) ctx - offsetof(source_task, ctx));
}

/* source_task.c */
extern const task_ops wr_source_task_ops;
weir_status wr_source_share(source *s, weir_error *err); /* once */
weir_status wr_source_open(source *s, weir_error *err);  /* share, open every shard */
void        wr_source_close(source *s);
bool        wr_source_has_room(source_task *t);
bool        wr_source_flow_has_room(source_task *t);
void        wr_source_commit(source_task *t); /* tell the connector what is durable */
weir_status wr_batch_queue_put(batch_queue *q, wr_budget *budget, wr_batch *batch); /* takes batch */
wr_batch   *wr_batch_queue_take(batch_queue *q);                                    /* NULL: empty */
void        wr_batch_queue_fini(batch_queue *q);

/* lane.c */
wr_lane    *wr_lane_get(source_task *t, int32_t partition); /* find or add; NULL: no memory */
weir_status wr_lane_feed(source_task *t, wr_lane *lane, const char *bytes, size_t length, bool last,
                         const wr_record_meta *meta, size_t *consumed);
weir_status wr_lane_feed_messages(source_task *t, wr_lane *lane, const wr_message *messages, uint32_t count,
                                  uint32_t *done);
weir_status wr_lane_push(source_task *t, wr_lane *lane, wr_batch *batch);
weir_status wr_lane_seal(source_task *t, wr_lane *lane);    /* what is under construction */
weir_status wr_lanes_seal(source_task *t);                  /* of all lanes of the shard  */
void        wr_lane_destroy(wr_lane *lane);
weir_status wr_lane_reserve(source_task *t, wr_lane *lane, uint32_t *capacity);
weir_status wr_lane_set_meta(source_task *t, wr_lane *lane, const wr_record_meta *meta, uint32_t from, uint32_t to);
void        wr_lane_woken(wr_lane *lane);

/* lane_keyed.c */
/* Key columns that decoded rows [from, to) have not, from the message's key. */
weir_status wr_lane_key_fill(source_task *t, wr_lane *lane, const wr_record_meta *meta, uint32_t from, uint32_t to);
/* A message without a value: the row of its key is deleted. */
weir_status wr_lane_tombstone(source_task *t, wr_lane *lane, const wr_record_meta *meta);
/* Diffs of a batch of the lane's own, and out with the rows that cannot be: rows[0..*count) stay. */
weir_status wr_lane_keyed(source_task *t, wr_lane *lane, wr_batch *batch, uint16_t *rows, uint32_t *count);

weir_status wr_lane_stamp(source_task *t, wr_lane *lane, wr_batch *batch); /* takes batch; queues it */
void        wr_lane_show(wr_lane *lane);                    /* view, as things stand; by its owner */

/* source_ahead.c */
bool        wr_lane_may_read(source_task *t, wr_lane *lane); /* false: the task is woken to ask again */

/* lane_state.c */
weir_status wr_lanes_write(source_task *t, wr_snapshot_writer *w, wr_time watermark);
/* Adds to s->restored; had that shard told its end? */
weir_status wr_lanes_read(source *s, const void *bytes, size_t length, bool *end_told);

/* source_time.c */
/* Judge the rows of a batch and move the watermark: contributions[i] and judges by visible row. */
void wr_source_judge(source_task *t, wr_lane *lane, const wr_time *contributions, uint32_t count,
                     wr_time *judges, wr_time *before, wr_time *after);
/* With the lock held.  Y3: what the shards that have not put the barrier in yet see of the lane: as it
 * stands now.  A lane that is made, or comes, after its shard's barrier has given nothing before it. */
void wr_lane_cut(wr_lane *lane, wr_epoch epoch);
void wr_source_lane_ended(source_task *t, wr_lane *lane);
/* Find idle lanes of the shard; sets the timer for the next that may become so. */
void wr_source_check_idle(source_task *t);
void wr_source_lane_expects(wr_lane *lane); /* Y4: more is there, or what is there is not known: not idle */
void wr_source_polled(source_task *t); /* for the first time */
void wr_source_lanes_coming(source_task *t, bool yes); /* Y1 */
/* The watermark this shard may publish now; moves t->stamped there and gives where it was. */
wr_time wr_source_catch_up(source_task *t, wr_time *before);
/* Y3: the watermark at which this shard puts in the barrier. */
wr_time wr_source_cut(source_task *t, wr_epoch epoch, wr_time *before);

/* source_bad.c */
void wr_source_bad(source_task *t, wr_lane *lane, weir_status_code code, const char *text,
                   const char *bytes, size_t length);
weir_status wr_source_bad_flush(source_task *t); /* rows so far become a batch in bad_pending */
