/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_read.c -- messages of a shard's partitions into their lanes.
 *
 * Place       each partition's queue is read by its shard, in turns.
 * Idle        a lane is caught up at the end of its partition while a broker can be reached.
 * Held up     a queue that is not read fills up to its share of queue_bytes, and then the client stops fetching; if
 *             that lasts, the partition is paused (kafka_pause.c).
 */
#include "connector/dev_kafka.h"
#include "connector/kafka_impl.h"

#include <inttypes.h>

enum { MESSAGES_A_TURN = 1024 };

static inline bool
messages_pending(const kafka_source *s)
{
    return s->message_at < s->message_count;
}

void
wr_kafka_messages_drop(kafka_source *s)
{
    for (; s->message_at < s->message_count; s->message_at++)
        rd_kafka_message_destroy(s->messages[s->message_at]);
    s->message_at = s->message_count = 0;
    s->reading = NULL;
}

static void
partition_over(kafka_source *s, kafka_partition *p)
{
    p->over = true;
    if (s->reading == p)
        wr_kafka_messages_drop(s);
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
        ssize_t n = rd_kafka_consume_batch_queue(p->queue, 0, s->messages, KAFKA_MESSAGES_FETCHED);
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

void
wr_kafka_source_held_up(void *self, bool yes)
{
    source_set_full(self, yes);
}

wr_flow
wr_kafka_source_poll(void *self, wr_source_ctx *ctx)
{
    kafka_source *s = self;
    if (wr_kafka_consumer_begin(s->consumer, &ctx->error) != WEIR_OK)
        return WR_FLOW_FAIL;
    wr_flow flow = wr_kafka_source_look(s);
    return flow == WR_FLOW_NEXT ? source_read(s) : flow;
}
