/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_impl.h -- what the files of the Kafka connector share.
 *
 *   kafka_config.c    librdkafka's configuration: what we set, what users may
 *   kafka_consumer.c  the one consumer of a source in this process, its thread
 *   kafka_open.c      it is made and reaches a broker
 *   kafka_assign.c    partitions come and go
 *   kafka_offset.c    where they begin
 *   kafka_pause.c     partitions that cannot be read for now are not fetched
 *   kafka_starve.c    partitions of which nothing comes are asked for
 *   kafka_memory.c    what a client holds: counted, charged
 *   kafka_source.c    a shard: options, life
 *   kafka_read.c      its partitions' queues into lanes
 *   kafka_gather.c    many messages in one call
 *   kafka_position.c  where they stand, for checkpoints
 *   kafka_commit.c    and for the group
 *   kafka_sink.c      the producer (kafka_sink_impl.h)
 *   kafka_message.c   rows into messages
 */
#pragma once

#include "base/thread.h"
#include "base/zone.h"
#include "connector/kafka.h"

#include <librdkafka/rdkafka.h>

/* --- kafka_config.c --- */

/* A configuration with brokers, logging and the user's properties.  Owned (rd_kafka_new takes it
 * when it succeeds).  NULL: err says why. */
rd_kafka_conf_t *wr_kafka_conf(const char *brokers, const wr_option_map *properties, bool consumer,
                               weir_error *err);
/* One of our own settings, unless the user has set it; passed over by versions that know it not. */
void             wr_kafka_conf_set(rd_kafka_conf_t *conf, const wr_option_map *properties,
                                   const char *name, const char *value);
/* The properties are all allowed and well formed. */
weir_status      wr_kafka_properties_check(const wr_option_map *properties, bool consumer,
                                           weir_error *err);
/* Whom an error of librdkafka is for. */
weir_status_code wr_kafka_status(rd_kafka_resp_err_t code);
/* What to do about an error whose reason (as librdkafka words it) is this. */
void             wr_kafka_hint(weir_error *err, rd_kafka_resp_err_t code, const char *reason);
/* The broker does not want to talk TLS with us as we are. */
bool             wr_kafka_is_rejected(const char *reason);
/* An error that goes away by itself. */
bool             wr_kafka_is_passing(rd_kafka_resp_err_t code);

/* --- kafka_memory.c --- */

/* Of one client; `held` and `refused` may be read by any thread, the rest is for one at a time. */
typedef struct kafka_memory {
    wr_budget       *budget;  /* "kafka"                                  */
    wr_zone         *zone;    /* NULL: cannot be told                     */
    uint64_t         reserved, charged;
    int64_t          looked_at;
    _Atomic uint64_t held;    /* as of the last look                      */
    _Atomic bool     refused; /* the charge for it                        */
} kafka_memory;

weir_status wr_kafka_memory_init(kafka_memory *m, wr_budget *parent, weir_error *err);
void        wr_kafka_memory_fini(kafka_memory *m); /* after the client; of a zeroed one: nothing */
/* Before the client is made: its threads will be counted. */
void        wr_kafka_memory_watch(kafka_memory *m, rd_kafka_conf_t *conf);
bool        wr_kafka_memory_reserve(kafka_memory *m, uint64_t bytes); /* once; false: no room */
/* Now and then: read, charge.  more: what our own threads had it copy. */
void        wr_kafka_memory_look(kafka_memory *m, wr_clock *clock, uint64_t more);
void        wr_kafka_memory_describe(const kafka_memory *m, wr_text *to); /* a line */

/* --- kafka_consumer.c --- */

typedef struct kafka_source kafka_source;

typedef enum partition_state {
    PARTITION_AWAY,     /* not ours                                     */
    PARTITION_OFFERED,  /* assigned; its shard has not taken it yet     */
    PARTITION_TAKEN,    /* its shard reads it                           */
    PARTITION_REVOKED,  /* to be given back by its shard                */
} partition_state;

/* A partition of the topic.  `state` and `queue` change under the consumer's lock; `paused` by the consumer's thread
 * alone; the rest belongs to the shard while it is taken. */
typedef struct kafka_partition {
    int32_t            number;
    _Atomic uint32_t   state; /* partition_state */
    rd_kafka_queue_t  *queue;
    bool               restored;      /* position is from a checkpoint, not yet used */
    int64_t            position;      /* the next message; -1: not known             */
    _Atomic int64_t    shown;         /* it, as of a moment ago, for whoever looks    */
    uint64_t           skip_bytes;    /* of that message, decoded already            */
    int64_t            durable;       /* up to here a checkpoint holds it, or there was nothing to hold */
    int64_t            from;          /* where this process began                     */
    int64_t            end;           /* bounded: where to stop; -1: no end          */
    int64_t            eof;           /* the last end of partition seen; -1: none    */
    wr_lane           *lane;
    bool               over;          /* bounded: read to its end */
    bool               held;          /* ahead of the others: not to be read for now  */
    bool               resumed;       /* it was paused: its end is to be seen anew,   */
    bool               repeats;       /* and the first messages may have been read    */
    _Atomic bool       begun;         /* a message was taken since it was assigned    */
    _Atomic int64_t    stuck_since;   /* monotonic: not read since; 0: it is read     */
    _Atomic bool       paused;        /* the client does not fetch it                 */
    int64_t            empty_since;   /* monotonic: nothing came before its end; 0: something did */
    uint32_t           prompts;       /* since then: how often it was asked for       */
    _Atomic bool       starved;       /* it is to be asked for                        */
} kafka_partition;

typedef struct kafka_consumer {
    const wr_kafka_source_config *config;
    wr_budget                    *budget;
    rd_kafka_t                   *rk;
    rd_kafka_topic_t             *topic;
    wr_thread                     thread;
    wr_mutex                      lock;
    wr_cond                       taken_back; /* a revoked partition was given back, or an epoch is durable */
    wr_epoch                      durable;    /* the newest that a shard has heard of */
    kafka_source                **shards;
    uint32_t                      shard_count;
    kafka_partition              *partitions; /* by number */
    int32_t                       partition_count;
    uint32_t                      offered; /* partitions in that state */
    bool                          between; /* taken away; what is assigned instead is still to come */
    kafka_memory                  memory;  /* what is reserved is for its queues */
    bool                          begun, grouped, bounded;
    bool                          stateful; /* and nobody was told yet what sharing partitions means for that */
    _Atomic bool                  stopping, down;
    wr_clock *_Atomic             clock; /* once anything was stuck */
    _Atomic uint32_t              changes; /* of states: shards look when it moves */
    _Atomic bool                  failed;
    weir_error                    failure; /* under lock, once failed */
    char                          newest[200]; /* passing error while it is opened: why no broker answers */
    rd_kafka_resp_err_t           newest_code;
} kafka_consumer;

weir_status wr_kafka_consumer_create(const wr_kafka_source_config *config, uint32_t shard_count,
                                     wr_budget *budget, kafka_consumer **out, weir_error *err);
void        wr_kafka_consumer_destroy(kafka_consumer *c);
/* Subscribe or assign: once, by the first shard that polls, when all positions are restored. */
weir_status wr_kafka_consumer_begin(kafka_consumer *c, wr_source_ctx *ctx, weir_error *err);
void        wr_kafka_consumer_fail(kafka_consumer *c, weir_status code, const char *text);
void        wr_kafka_consumer_fail_locked(kafka_consumer *c, weir_status code, const char *text);
/* The client's callback: errors of no partition in particular. */
void        wr_kafka_consumer_error(rd_kafka_t *rk, int code, const char *reason, void *user);
/* Wake all shards. */
void        wr_kafka_consumer_ring(kafka_consumer *c);
/* Which shard a partition belongs to. */
static inline uint32_t
wr_kafka_shard_of(const kafka_consumer *c, int32_t partition)
{
    return (uint32_t) partition % c->shard_count;
}

/* --- kafka_open.c --- */

/* Connect and learn the partitions (alone: all of them are ours, whatever the group says): once, by the first shard that opens. */
weir_status wr_kafka_consumer_open(kafka_consumer *c, bool bounded, bool alone, weir_error *err);

/* --- kafka_assign.c --- */

/* All of these partitions are ours from now on; the list gets their offsets. */
void    wr_kafka_partitions_assign(kafka_consumer *c, rd_kafka_topic_partition_list_t *list);
/* The client's callback. */
void    wr_kafka_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
                           void *user);
/* A shard sees what has changed since its last look.  FAIL, WAIT (some lane is not there yet), NEXT. */
wr_flow wr_kafka_source_look(kafka_source *s);

/* --- kafka_offset.c --- */

/* Set positions (and ends) of the listed partitions, and the list's offsets to them. */
weir_status wr_kafka_offsets_resolve(kafka_consumer *c, rd_kafka_topic_partition_list_t *list,
                                     weir_error *err);

/* --- kafka_pause.c --- */

/* The shard cannot read p now, or reads it again. */
void wr_kafka_pause_want(kafka_consumer *c, kafka_partition *p, wr_clock *clock);
void wr_kafka_pause_end(kafka_consumer *c, kafka_partition *p);
/* On the consumer's thread: pause what has been stuck for long, resume what is wanted again. */
void wr_kafka_pause_serve(kafka_consumer *c);
/* On the consumer's thread, before partitions are given back: none stays paused. */
void wr_kafka_pause_drop(kafka_consumer *c);
/* Make that thread look now. */
void wr_kafka_consumer_nudge(kafka_consumer *c);

/* --- kafka_starve.c --- */

/* Nothing was found in p's queue.  In how many microseconds to look again; INT64_MAX: when something comes. */
int64_t wr_kafka_starve_look(kafka_source *s, kafka_partition *p);
/* On the consumer's thread: ask the brokers of what is starved. */
void    wr_kafka_starve_serve(kafka_consumer *c);

/* --- a shard: kafka_source.c, kafka_read.c, kafka_position.c --- */

enum { KAFKA_EPOCHS_KEPT = 8 };

/* Offsets frozen for an epoch: to be committed when it is durable. */
typedef struct kafka_frozen {
    uint64_t                         epoch; /* 0: none */
    rd_kafka_topic_partition_list_t *offsets;
} kafka_frozen;

typedef enum kafka_step { KAFKA_READ, KAFKA_FULL, KAFKA_FAILED } kafka_step;

/* What is left of a message, its value and then its key, when there was no room for all its rows. */
typedef struct kafka_rest {
    kafka_partition *of; /* NULL: there is none */
    wr_text          bytes;
    size_t           value_length, at;
    wr_record_meta   meta;
} kafka_rest;

typedef enum kafka_item_kind {
    KAFKA_ITEM_VALUE, /* a message                                 */
    KAFKA_ITEM_EMPTY, /* one without a value; the bytes are its key */
    KAFKA_ITEM_END,   /* the end of the partition                  */
} kafka_item_kind;

typedef struct kafka_item {
    size_t          at, length; /* of its bytes */
    int64_t         offset;
    kafka_item_kind kind;
} kafka_item;

enum { KAFKA_GATHER_MAX = 256 };

/* Messages of a partition that are the client's no more, and not yet fed: kafka_gather.c. */
typedef struct kafka_gather {
    kafka_partition *of; /* NULL: there are none */
    wr_text          bytes;
    kafka_item      *items;
    uint32_t         count, at; /* at: the next to be fed */
} kafka_gather;

struct kafka_source {
    kafka_consumer *consumer;
    wr_source_ctx  *ctx;
    bool            open;
    uint32_t        changes_seen, turn;
    bool            was_down, full;
    kafka_frozen    frozen[KAFKA_EPOCHS_KEPT];
    rd_kafka_topic_partition_list_t *latest; /* of the freeze under way */
    kafka_partition *reading; /* whose queue is being read */
    kafka_step      step;     /* how that went             */
    uint32_t        taken;    /* messages in this turn     */
    int64_t         look_in;  /* after this poll, if nobody wakes us; INT64_MAX: not */
    kafka_rest      rest;
    kafka_gather    gather;
};

wr_flow wr_kafka_source_poll(void *self, wr_source_ctx *ctx);
void    wr_kafka_source_held_up(void *self, bool yes);
/* Forget what was taken from p's queue and not fed; NULL: whose it may be. */
void    wr_kafka_rest_drop(kafka_source *s, const kafka_partition *p);

/* For kafka_gather.c.  Feed the value of the message at p->position, or what is left of it; *used: how much was decoded. */
kafka_step wr_kafka_value_feed(kafka_source *s, kafka_partition *p, const char *bytes, size_t length,
                               const wr_record_meta *meta, size_t *used);
/* Keep what is left of a message for when there is room again. */
kafka_step wr_kafka_rest_keep(kafka_source *s, kafka_partition *p, const char *bytes, size_t length,
                              const wr_record_meta *meta);
/* The client has given all there is up to offset; there is nothing more to come (bounded). */
void       wr_kafka_partition_end(kafka_source *s, kafka_partition *p, int64_t offset);
void       wr_kafka_partition_over(kafka_source *s, kafka_partition *p);

void       wr_kafka_gather_init(kafka_gather *g, wr_budget *budget); /* allocates nothing */
void       wr_kafka_gather_fini(kafka_gather *g);
void       wr_kafka_gather_drop(kafka_gather *g); /* what is there is not fed */
/* Is this message to be gathered?  Once something is, all that follows must be. */
bool       wr_kafka_gather_wants(const kafka_source *s, const kafka_partition *p, const rd_kafka_message_t *m);
bool       wr_kafka_gather_is_full(const kafka_gather *g); /* feed before more is added */
/* Copies the bytes. */
kafka_step wr_kafka_gather_add(kafka_source *s, kafka_partition *p, kafka_item_kind kind,
                               const void *bytes, size_t length, int64_t offset);
/* Feed what was gathered.  FULL: what is left waits for room. */
kafka_step wr_kafka_gather_feed(kafka_source *s);

weir_status wr_kafka_source_freeze(void *self, wr_snapshot_writer *to);
weir_status wr_kafka_source_restore(void *self, wr_snapshot_reader *from);

/* --- kafka_commit.c --- */

void        wr_kafka_source_frozen_epoch(void *self, wr_epoch epoch);
void        wr_kafka_source_committed(void *self, wr_epoch epoch);
/* The partition goes: what was frozen of it and is not committed yet will not be by that. */
void        wr_kafka_frozen_drop(kafka_source *s, const kafka_partition *p);
/* On the consumer's thread, when shards have given back what goes to other members (the list, which is used up): have a
 * checkpoint hold what was read of it, and tell the group; until `by` (monotonic us).  lost: others have it already. */
void        wr_kafka_hand_over(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, bool lost, int64_t by);
/* An offset that somebody committed to the group: was it another instance of ours? */
bool        wr_kafka_is_of_another(const kafka_consumer *c, const rd_kafka_topic_partition_t *committed);
