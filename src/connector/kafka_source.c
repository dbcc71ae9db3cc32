/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_source.c -- a shard of the Kafka source: partition queues into lanes.
 *
 * Place       partition p is lane p and belongs to shard p mod shard_count.
 * Position    of a partition, the next message and how many of its bytes are decoded: one message
 *             may hold more records than there is room for.
 * Commits     freeze notes the offsets of an epoch; when that epoch is durable they are committed to
 *             the group, and never others: offsets are not ahead of state (design 12.7).
 * Idle        a lane is caught up at the end of its partition while a broker can be reached.
 * Held up     a queue that is not read fills up to its share of queue_bytes, and then the client stops fetching; if
 *             that lasts, the partition is paused (kafka_pause.c).
 */
#include "connector/dev_kafka.h"
#include "connector/kafka_impl.h"
#include "data/datetime.h"

#include <inttypes.h>
#include <string.h>

enum { MESSAGES_A_TURN = 1024, MESSAGES_FETCHED = 256 };

static weir_status
source_check(const void *config, weir_error *err)
{
    const wr_kafka_source_config *c = config;
    wr_time                       t;
    if (*c->brokers == '\0' || *c->topic == '\0')
        return wr_error_set(err, WEIR_CONFIG_VALUE, "brokers and topic cannot be empty");
    if (c->start == WR_KAFKA_COMMITTED && c->group == NULL)
        return wr_error_set(err, WEIR_CONFIG_MISSING, "start: committed wants a group");
    if ((c->start == WR_KAFKA_TIMESTAMP) != (c->start_time != NULL))
        return wr_error_set(err, WEIR_CONFIG_MISSING,
                            "start: timestamp and start_time go together");
    if (c->start_time != NULL)
        WR_TRY(wr_timestamp_parse(c->start_time, strlen(c->start_time), true, &t, err));
    return wr_kafka_properties_check(&c->properties, true, err);
}

static bool
source_bounded(const void *config)
{
    return false;
}

static weir_status
source_share(const void *config, uint32_t shard_count, wr_budget *budget, void **shared,
             weir_error *err)
{
    kafka_consumer *c;
    WR_TRY(wr_kafka_consumer_create(config, shard_count, budget, &c, err));
    *shared = c;
    return WEIR_OK;
}

static void
source_unshare(void *shared)
{
    wr_kafka_consumer_destroy(shared);
}

static weir_status
source_open(void *self, wr_source_ctx *ctx, const void *config, void *shared, weir_error *err)
{
    kafka_source *s = self;
    s->consumer = shared;
    s->ctx = ctx;
    WR_TRY(wr_kafka_consumer_open(s->consumer, ctx->bounded, ctx->bounded || ctx->aside, err));
    s->messages = wr_calloc(ctx->flow, MESSAGES_FETCHED, sizeof(rd_kafka_message_t *));
    if (s->messages == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a Kafka source");
    wr_mutex_lock(&s->consumer->lock);
    s->consumer->shards[ctx->shard] = s;
    s->open = true;
    wr_mutex_unlock(&s->consumer->lock);
    return WEIR_OK;
}

/* --- partitions come and go --- */

static inline bool
messages_pending(const kafka_source *s)
{
    return s->message_at < s->message_count;
}

static void
messages_drop(kafka_source *s)
{
    for (; s->message_at < s->message_count; s->message_at++)
        rd_kafka_message_destroy(s->messages[s->message_at]);
    s->message_at = s->message_count = 0;
    s->reading = NULL;
}

/* Under the lock. */
static void
partition_give_back(kafka_source *s, kafka_partition *p)
{
    if (s->reading == p)
        messages_drop(s);
    if (p->lane != NULL && !p->over)
        s->ctx->lane_end(s->ctx, p->lane);
    p->lane = NULL;
    p->state = PARTITION_AWAY;
    wr_cond_broadcast(&s->consumer->taken_back);
}

/* Under the lock.  False: no memory for a lane. */
static bool
partition_take(kafka_source *s, kafka_partition *p)
{
    if (s->reading == p)
        messages_drop(s);
    p->lane = s->ctx->lane(s->ctx, p->number);
    if (p->lane == NULL)
        return false;
    p->state = PARTITION_TAKEN;
    p->held = p->resumed = p->repeats = false;
    atomic_store(&p->stuck_since, 0);
    atomic_store_explicit(&p->shown, p->position, memory_order_relaxed);
    wr_dev_kafka_consumed(s->consumer->config->brokers, s->consumer->config->topic, p->number,
                          p->position);
    if (p->over) { /* nothing is there to be read */
        s->ctx->caught_up(s->ctx, p->lane, true);
        s->ctx->lane_end(s->ctx, p->lane);
    }
    if (--s->consumer->offered == 0)
        wr_kafka_consumer_ring(s->consumer);
    return true;
}

/* See what has changed since the last look.  FAIL, WAIT (some lane is not there yet), NEXT. */
static wr_flow
source_look(kafka_source *s)
{
    kafka_consumer *c = s->consumer;
    uint32_t        changes = atomic_load_explicit(&c->changes, memory_order_acquire);
    bool            down = atomic_load(&c->down);
    wr_flow         flow = WR_FLOW_NEXT;
    if (changes == s->changes_seen)
        return WR_FLOW_NEXT;
    wr_mutex_lock(&c->lock);
    if (c->offered > 0)
        s->ctx->lanes_coming(s->ctx, true);
    for (int32_t i = 0; i < c->partition_count && flow == WR_FLOW_NEXT; i++) {
        kafka_partition *p = &c->partitions[i];
        if (wr_kafka_shard_of(c, i) != s->ctx->shard)
            continue;
        if (p->state == PARTITION_REVOKED)
            partition_give_back(s, p);
        if (p->state == PARTITION_OFFERED && !partition_take(s, p)) {
            wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory for a lane");
            flow = WR_FLOW_FAIL;
        }
        if (p->state == PARTITION_TAKEN && !p->over && down != s->was_down)
            s->ctx->caught_up(s->ctx, p->lane, !down && p->eof == p->position);
    }
    if (flow == WR_FLOW_NEXT && atomic_load(&c->failed)) {
        s->ctx->error = c->failure;
        flow = WR_FLOW_FAIL;
    }
    bool dealt = c->offered == 0;
    if (flow == WR_FLOW_NEXT && !dealt)
        flow = WR_FLOW_WAIT;
    else
        s->changes_seen = changes;
    s->was_down = down;
    wr_mutex_unlock(&c->lock);
    if (dealt)
        s->ctx->lanes_coming(s->ctx, false);
    return flow;
}

static void
source_close(void *self)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    if (c == NULL)
        return;
    wr_mutex_lock(&c->lock);
    s->open = false;
    messages_drop(s);
    for (int32_t i = 0; i < c->partition_count; i++) {
        kafka_partition *p = &c->partitions[i];
        if (wr_kafka_shard_of(c, i) != s->ctx->shard)
            continue;
        c->offered -= p->state == PARTITION_OFFERED;
        p->state = PARTITION_AWAY;
        p->lane = NULL;
        if (p->queue != NULL) {
            rd_kafka_queue_cb_event_enable(p->queue, NULL, NULL);
            rd_kafka_queue_destroy(p->queue);
        }
        p->queue = NULL;
    }
    wr_cond_broadcast(&c->taken_back);
    wr_mutex_unlock(&c->lock);
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++)
        if (s->frozen[i].offsets != NULL)
            rd_kafka_topic_partition_list_destroy(s->frozen[i].offsets);
    if (s->latest != NULL)
        rd_kafka_topic_partition_list_destroy(s->latest);
    wr_free(s->messages);
}

/* --- reading --- */

static void
partition_over(kafka_source *s, kafka_partition *p)
{
    p->over = true;
    if (s->reading == p)
        messages_drop(s);
    s->ctx->caught_up(s->ctx, p->lane, true);
    s->ctx->lane_end(s->ctx, p->lane);
}

static weir_status
partition_event(kafka_source *s, kafka_partition *p, const rd_kafka_message_t *m)
{
    int64_t low = -1, high = -1;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        p->eof = m->offset;
        s->ctx->caught_up(s->ctx, p->lane, !atomic_load(&s->consumer->down));
        if (p->end >= 0 && m->offset >= p->end)
            partition_over(s, p);
        return WEIR_OK;
    }
    if (wr_kafka_is_passing(m->err))
        return WEIR_OK;
    (void) rd_kafka_get_watermark_offsets(s->consumer->rk, s->consumer->config->topic, p->number,
                                          &low, &high);
    if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        return wr_error_set(&s->ctx->error, WEIR_READ,
                            "topic %s partition %d: offset %" PRId64
                            " is no longer there (%" PRId64 " to %" PRId64
                            " are): messages were lost.  on_gap: earliest goes on",
                            s->consumer->config->topic, (int) p->number, p->position, low, high);
    return wr_error_set(&s->ctx->error, wr_kafka_status(m->err), "topic %s partition %d: %s",
                        s->consumer->config->topic, (int) p->number, rd_kafka_message_errstr(m));
}

/* Feed a message, or what is left of it.  *whole: it is done with. */
static weir_status
message_feed(kafka_source *s, kafka_partition *p, rd_kafka_message_t *m, bool *whole)
{
    wr_source_ctx          *ctx = s->ctx;
    rd_kafka_timestamp_type_t type;
    int64_t                 stamp = rd_kafka_message_timestamp(m, &type);
    wr_record_meta          meta = { .key = m->key,
                                     .key_length = m->key_len,
                                     .offset = m->offset,
                                     .timestamp = stamp >= 0 && type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
                                                      ? stamp * 1000
                                                      : WR_TIME_START };
    size_t                  used = 0, skip = 0;
    weir_status             status = WEIR_OK;
    if (m->offset == p->position && p->skip_bytes < m->len)
        skip = (size_t) p->skip_bytes;
    p->position = m->offset;
    if (m->payload == NULL && ctx->tombstone != NULL)
        status = ctx->tombstone(ctx, p->lane, &meta);
    else if (m->payload == NULL)
        ctx->bad(ctx, p->lane, WEIR_ROW_DECODE, "a message without a value", m->key,
                 m->key != NULL ? m->key_len : 0);
    else
        status = ctx->feed(ctx, p->lane, (const char *) m->payload + skip, m->len - skip, true,
                           &meta, &used);
    if (status != WEIR_OK && !wr_status_is_row(status))
        return wr_error_set(&ctx->error, status, "%s", weir_status_text(status));
    *whole = m->payload == NULL || skip + used >= m->len || status != WEIR_OK || ctx->has_room(ctx);
    p->skip_bytes = *whole ? 0 : skip + used;
    p->position += *whole;
    return WEIR_OK;
}

/* The next messages of a partition into s->messages. */
static void
messages_fetch(kafka_source *s, kafka_partition *p)
{
    s->message_at = s->message_count = 0;
    s->reading = p;
    if (s->consumer->batches) {
        ssize_t n = rd_kafka_consume_batch_queue(p->queue, 0, s->messages, MESSAGES_FETCHED);
        s->message_count = n > 0 ? (uint32_t) n : 0;
        return;
    }
    s->messages[0] = rd_kafka_consume_queue(p->queue, 0);
    s->message_count = s->messages[0] != NULL;
}

typedef enum step { STEP_EMPTY, STEP_READ, STEP_FULL, STEP_HELD, STEP_FAILED } step;

/* One message of partition p. */
static step
partition_step(kafka_source *s, kafka_partition *p)
{
    weir_status status;
    bool        whole = true;
    if (!messages_pending(s))
        messages_fetch(s, p);
    if (s->message_count == 0)
        return STEP_EMPTY;
    rd_kafka_message_t *m = s->messages[s->message_at];
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        status = partition_event(s, p, m);
    else if (p->end >= 0 && m->offset >= p->end) {
        partition_over(s, p);
        return STEP_READ;
    } else if (p->repeats && m->offset < p->position) {
        status = WEIR_OK; /* taken while its partition was being paused, and fetched again */
    } else {
        p->repeats = false;
        atomic_store_explicit(&p->begun, true, memory_order_relaxed);
        status = message_feed(s, p, m, &whole);
    }
    if (status != WEIR_OK)
        return STEP_FAILED;
    if (p->over) /* its messages are dropped */
        return STEP_READ;
    if (!whole)
        return STEP_FULL;
    rd_kafka_message_destroy(m);
    s->message_at++;
    if (p->end >= 0 && p->position >= p->end)
        partition_over(s, p);
    return STEP_READ;
}

/* It may be read.  What it was at the end of before it was paused is no longer so. */
static void
partition_free(kafka_source *s, kafka_partition *p)
{
    wr_kafka_pause_end(s->consumer, p);
    if (!p->resumed)
        return;
    p->resumed = false;
    p->repeats = true;
    p->eof = -1;
    s->ctx->caught_up(s->ctx, p->lane, false);
}

/* Without room no partition of the shard is read; with room, those are that are not held. */
static void
source_set_full(kafka_source *s, bool full)
{
    kafka_consumer *c = s->consumer;
    if (full == s->full)
        return;
    s->full = full;
    for (int32_t i = 0; i < c->partition_count; i++) {
        kafka_partition *p = &c->partitions[i];
        if (wr_kafka_shard_of(c, i) != s->ctx->shard || p->state != PARTITION_TAKEN || p->over)
            continue;
        if (full)
            wr_kafka_pause_want(c, p, s->ctx->clock);
        else if (!p->held)
            partition_free(s, p);
    }
}

/* Messages of one partition, up to a turn's worth. */
static step
partition_read(kafka_source *s, kafka_partition *p, uint32_t *read)
{
    step what = STEP_READ;
    if (!s->ctx->has_room(s->ctx))
        return STEP_FULL;
    p->held = !s->ctx->may_read(s->ctx, p->lane);
    if (p->held)
        wr_kafka_pause_want(s->consumer, p, s->ctx->clock);
    else
        partition_free(s, p);
    for (uint32_t i = 0; i < MESSAGES_A_TURN && what == STEP_READ && !p->over; i++) {
        if (p->held && !messages_pending(s)) /* what is fetched stands before all others */
            return STEP_HELD;
        if (!s->ctx->has_room(s->ctx))
            return STEP_FULL;
        what = partition_step(s, p);
        *read += what != STEP_EMPTY;
    }
    atomic_store_explicit(&p->shown, p->position, memory_order_relaxed);
    if (*read > 0)
        wr_dev_kafka_consumed(s->consumer->config->brokers, s->consumer->config->topic, p->number,
                              p->position);
    return what;
}

/* All partitions in turn.  A partition's fetched messages are finished before the next one's. */
static wr_flow
source_read(kafka_source *s)
{
    kafka_consumer *c = s->consumer;
    uint32_t        read = 0, mine = 0, over = 0, from = s->turn;
    step            what = STEP_READ;
    if (s->full && s->ctx->has_room(s->ctx))
        source_set_full(s, false);
    if (messages_pending(s))
        what = partition_read(s, s->reading, &read);
    for (int32_t i = 0; i < c->partition_count; i++) {
        uint32_t         at = (from + (uint32_t) i) % (uint32_t) c->partition_count;
        kafka_partition *p = &c->partitions[at];
        if (wr_kafka_shard_of(c, p->number) != s->ctx->shard)
            continue;
        mine++;
        bool go_on = what != STEP_FULL && what != STEP_FAILED && !messages_pending(s);
        if (p->state == PARTITION_TAKEN && !p->over && go_on) {
            what = partition_read(s, p, &read);
            s->turn = at + 1;
        }
        over += p->state == PARTITION_TAKEN && p->over;
    }
    if (what == STEP_FAILED)
        return WR_FLOW_FAIL;
    if (c->bounded && over == mine)
        return WR_FLOW_DONE;
    if (what == STEP_FULL) {
        source_set_full(s, true);
        return WR_FLOW_WAIT;
    }
    return read > 0 ? WR_FLOW_NEXT : WR_FLOW_WAIT;
}

static void
source_held_up(void *self, bool yes)
{
    source_set_full(self, yes);
}

static wr_flow
source_poll(void *self, wr_source_ctx *ctx)
{
    kafka_source *s = self;
    if (wr_kafka_consumer_begin(s->consumer, &ctx->error) != WEIR_OK)
        return WR_FLOW_FAIL;
    wr_flow flow = source_look(s);
    return flow == WR_FLOW_NEXT ? source_read(s) : flow;
}

/* --- positions --- */

static weir_status
source_freeze(void *self, wr_snapshot_writer *to)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    uint64_t        count = 0;
    if (s->latest != NULL)
        rd_kafka_topic_partition_list_destroy(s->latest);
    s->latest = rd_kafka_topic_partition_list_new(8);
    wr_snapshot_put_bytes(to, c->config->topic, strlen(c->config->topic));
    wr_mutex_lock(&c->lock);
    for (int pass = 0; pass < 2; pass++) {
        for (int32_t i = 0; i < c->partition_count; i++) {
            kafka_partition *p = &c->partitions[i];
            bool ours = p->state == PARTITION_TAKEN || p->state == PARTITION_OFFERED || p->restored;
            if (wr_kafka_shard_of(c, i) != s->ctx->shard || !ours || p->position < 0)
                continue;
            if (pass == 0) {
                count++;
                continue;
            }
            wr_snapshot_put_u64(to, (uint64_t) p->number);
            wr_snapshot_put_u64(to, (uint64_t) p->position);
            wr_snapshot_put_u64(to, p->skip_bytes);
            rd_kafka_topic_partition_list_add(s->latest, c->config->topic, p->number)->offset =
                p->position;
        }
        if (pass == 0)
            wr_snapshot_put_u64(to, count);
    }
    wr_mutex_unlock(&c->lock);
    return WEIR_OK;
}

static weir_status
source_restore(void *self, wr_snapshot_reader *from)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    size_t          length;
    const char     *topic = wr_snapshot_get_bytes(from, &length);
    uint64_t        count = wr_snapshot_get_u64(from);
    WR_TRY(wr_snapshot_reader_status(from));
    if (length != strlen(c->config->topic) || memcmp(topic, c->config->topic, length) != 0)
        return WEIR_CHECKPOINT_MISMATCH;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t number = wr_snapshot_get_u64(from), position = wr_snapshot_get_u64(from);
        uint64_t skip = wr_snapshot_get_u64(from);
        WR_TRY(wr_snapshot_reader_status(from));
        if (position > INT64_MAX)
            return WEIR_CHECKPOINT_CORRUPT;
        if (number >= (uint64_t) c->partition_count)
            return WEIR_CHECKPOINT_MISMATCH; /* the topic was made anew, with fewer */
        wr_mutex_lock(&c->lock);
        c->partitions[number].position = (int64_t) position;
        c->partitions[number].skip_bytes = skip;
        c->partitions[number].restored = true;
        wr_mutex_unlock(&c->lock);
    }
    return WEIR_OK;
}

static void
source_frozen_epoch(void *self, wr_epoch epoch)
{
    kafka_source *s = self;
    kafka_frozen *slot = &s->frozen[epoch % KAFKA_EPOCHS_KEPT];
    if (s->latest == NULL)
        return;
    if (slot->offsets != NULL)
        rd_kafka_topic_partition_list_destroy(slot->offsets);
    *slot = (kafka_frozen){ .epoch = epoch, .offsets = s->latest };
    s->latest = NULL;
}

/* Of the offsets, those of partitions that are still ours. */
static void
offsets_commit(kafka_source *s, const rd_kafka_topic_partition_list_t *offsets)
{
    kafka_consumer                  *c = s->consumer;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(offsets->cnt);
    wr_mutex_lock(&c->lock);
    for (int i = 0; i < offsets->cnt; i++) {
        const rd_kafka_topic_partition_t *e = &offsets->elems[i];
        if (c->partitions[e->partition].state == PARTITION_TAKEN)
            rd_kafka_topic_partition_list_add(list, e->topic, e->partition)->offset = e->offset;
    }
    wr_mutex_unlock(&c->lock);
    if (list->cnt > 0)
        (void) rd_kafka_commit(c->rk, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
}

static void
source_committed(void *self, wr_epoch epoch)
{
    kafka_source *s = self;
    kafka_frozen *best = NULL;
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++) {
        kafka_frozen *f = &s->frozen[i];
        if (f->offsets != NULL && f->epoch <= epoch && (best == NULL || f->epoch > best->epoch))
            best = f;
    }
    if (best != NULL && s->consumer->grouped)
        offsets_commit(s, best->offsets);
    for (int i = 0; i < KAFKA_EPOCHS_KEPT; i++) {
        kafka_frozen *f = &s->frozen[i];
        if (f->offsets == NULL || f->epoch > epoch)
            continue;
        rd_kafka_topic_partition_list_destroy(f->offsets);
        f->offsets = NULL;
    }
}

static void
source_describe(void *self, wr_text *to)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count; i++) {
        const kafka_partition *p = &c->partitions[i];
        int64_t                low = -1, high = -1;
        if (wr_kafka_shard_of(c, i) != s->ctx->shard || p->state != PARTITION_TAKEN)
            continue;
        (void) rd_kafka_get_watermark_offsets(c->rk, c->config->topic, i, &low, &high);
        int64_t at = atomic_load_explicit(&p->shown, memory_order_relaxed);
        wr_text_printf(to, "%s/%d: at offset %" PRId64, c->config->topic, (int) i, at);
        if (high >= 0)
            wr_text_printf(to, " of %" PRId64 " (%" PRId64 " behind)", high,
                           WR_MAX(high - at, (int64_t) 0));
        if (atomic_load_explicit(&p->paused, memory_order_relaxed))
            wr_text_puts(to, ", not fetched for now");
        wr_text_putc(to, '\n');
    }
    if (s->ctx->shard == 0)
        wr_kafka_memory_describe(&c->memory, to);
    if (atomic_load(&c->down))
        wr_text_puts(to, "no broker can be reached\n");
    wr_mutex_unlock(&c->lock);
}

static bool
source_extent(void *self, wr_source_extent *extent)
{
    kafka_source   *s = self;
    kafka_consumer *c = s->consumer;
    bool            known = c->bounded;
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count && known; i++) {
        const kafka_partition *p = &c->partitions[i];
        if (wr_kafka_shard_of(c, i) != s->ctx->shard)
            continue;
        known = p->state == PARTITION_TAKEN && p->end >= 0;
        int64_t at = atomic_load_explicit(&p->shown, memory_order_relaxed);
        extent->read += (uint64_t) WR_MAX(WR_MIN(at, p->end) - p->from, (int64_t) 0);
        extent->whole += (uint64_t) WR_MAX(p->end - p->from, (int64_t) 0);
    }
    wr_mutex_unlock(&c->lock);
    return known;
}

static const wr_option source_options[] = {
    { .name = "brokers",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_source_config, brokers),
      .required = true,
      .doc = "host:port of one broker or more, separated by commas." },
    { .name = "topic",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_source_config, topic),
      .required = true,
      .doc = "The topic to read." },
    { .name = "group",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_source_config, group),
      .doc = "Consumer group: partitions are shared with other instances, offsets are committed "
             "with checkpoints.  Without one, all partitions are read." },
    { .name = "start",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_kafka_source_config, start),
      .fallback = "earliest",
      .choices = "earliest|latest|timestamp|committed",
      .doc = "Where to begin when neither a checkpoint nor the group says." },
    { .name = "start_time",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_source_config, start_time),
      .doc = "With start: timestamp, the time of the first message wanted." },
    { .name = "instance_id",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_source_config, instance),
      .doc = "Name of this instance in the group (static membership); default: one kept in the data directory." },
    { .name = "on_gap",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_kafka_source_config, on_gap),
      .fallback = "fail",
      .choices = "fail|earliest",
      .doc = "When the next message has been deleted: stop, or go on with the oldest there is." },
    { .name = "queue_bytes",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_kafka_source_config, queue_bytes),
      .fallback = "32MiB",
      .low = 1 << 20,
      .high = 4e9,
      .doc = "Messages fetched ahead, all partitions together." },
    { .name = "properties",
      .type = WR_OPT_MAP,
      .offset = offsetof(wr_kafka_source_config, properties),
      .doc = "Properties of librdkafka, such as security.protocol or sasl.username." },
    { 0 },
};

const wr_source_ops wr_kafka_source_ops = {
    .name = "kafka",
    .doc = "Messages of a Kafka topic.",
    .options = source_options,
    .config_bytes = sizeof(wr_kafka_source_config),
    .self_bytes = sizeof(kafka_source),
    .asks = true,
    .default_format = "json",
    .has_end = true,
    .bounded = source_bounded,
    .check = source_check,
    .share = source_share,
    .unshare = source_unshare,
    .open = source_open,
    .poll = source_poll,
    .held_up = source_held_up,
    .freeze = source_freeze,
    .restore = source_restore,
    .committed = source_committed,
    .frozen_epoch = source_frozen_epoch,
    .close = source_close,
    .describe = source_describe,
    .extent = source_extent,
};
