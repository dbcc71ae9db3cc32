/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_read.c -- messages of a shard's partitions into their lanes.
 *
 * Place       each partition's queue is read by its shard, in turns.
 * State       what is left of the one message that had more rows than there was room for, and messages that wait to
 *             be decoded together (kafka_gather.c).  A message is the client's until its callback returns, so these
 *             are copies; they stand before all other messages, the rest before the gathered ones.
 * Idle        a lane is caught up at the end of its partition while a broker can be reached.
 * Held up     a queue that is not read fills up to its share of queue_bytes, and then the client stops fetching; if
 *             that lasts, the partition is paused (kafka_pause.c).
 * Cost        the client hands over all it has queued under one lock, and takes back what we have no room for.  Asked
 *             for one message at a time it takes the lock, reads the clock and looks for a waiter for each: 0.1 us more
 *             a message.  Its batch call loses messages while a partition is paused (before 2.1.0); this one checks
 *             each message's version as it hands it over.
 */
#include "connector/dev_kafka.h"
#include "connector/kafka_impl.h"

#include <inttypes.h>

enum { MESSAGES_A_TURN = 1024, REST_BYTES_KEPT = 1 << 20 };

void
wr_kafka_rest_drop(kafka_source *s, const kafka_partition *p)
{
    if (p == NULL || s->rest.of == p)
        s->rest.of = NULL;
    if (p == NULL || s->gather.of == p)
        wr_kafka_gather_drop(&s->gather);
}

void
wr_kafka_partition_over(kafka_source *s, kafka_partition *p)
{
    p->over = true;
    if (s->rest.of == p)
        s->rest.of = NULL;
    s->ctx->caught_up(s->ctx, p->lane, true);
    s->ctx->lane_end(s->ctx, p->lane);
}

void
wr_kafka_partition_end(kafka_source *s, kafka_partition *p, int64_t offset)
{
    p->eof = offset;
    s->ctx->caught_up(s->ctx, p->lane, !atomic_load(&s->consumer->down));
    if (p->end >= 0 && offset >= p->end)
        wr_kafka_partition_over(s, p);
}

static weir_status
partition_event(kafka_source *s, kafka_partition *p, const rd_kafka_message_t *m)
{
    int64_t low = -1, high = -1;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        wr_kafka_partition_end(s, p, m->offset);
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
    wr_error_set(&s->ctx->error, wr_kafka_status(m->err), "topic %s partition %d: %s",
                 s->consumer->config->topic, (int) p->number, rd_kafka_message_errstr(m));
    wr_kafka_hint(&s->ctx->error, m->err, "");
    return s->ctx->error.code;
}

static wr_record_meta
message_meta(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t                   stamp = rd_kafka_message_timestamp(m, &type);
    bool                      known = stamp >= 0 && type != RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    return (wr_record_meta){ .key = m->key,
                             .key_length = m->key_len,
                             .offset = m->offset,
                             .timestamp = known ? stamp * 1000 : WR_TIME_START };
}

/* Feed the value of the message at p->position, or what is left of it.  *used: how much was decoded. */
kafka_step
wr_kafka_value_feed(kafka_source *s, kafka_partition *p, const char *bytes, size_t length,
           const wr_record_meta *meta, size_t *used)
{
    wr_source_ctx *ctx = s->ctx;
    weir_status    status = ctx->feed(ctx, p->lane, bytes, length, true, meta, used);
    bool           bad = status != WEIR_OK && wr_status_is_row(status);
    if (status != WEIR_OK && !bad) {
        wr_error_set(&ctx->error, status, "%s", weir_status_text(status));
        return KAFKA_FAILED;
    }
    if (!bad && *used < length && !ctx->has_room(ctx)) {
        p->skip_bytes += *used;
        return KAFKA_FULL;
    }
    p->skip_bytes = 0;
    p->position++;
    return KAFKA_READ;
}

/* Keep what is left of a message for when there is room again. */
kafka_step
wr_kafka_rest_keep(kafka_source *s, kafka_partition *p, const char *bytes, size_t length,
          const wr_record_meta *meta)
{
    kafka_rest *r = &s->rest;
    wr_text_clear(&r->bytes);
    wr_text_append(&r->bytes, bytes, length);
    r->value_length = length;
    if (meta->key != NULL)
        wr_text_append(&r->bytes, meta->key, meta->key_length);
    if (!wr_text_ok(&r->bytes)) {
        wr_text_fini(&r->bytes);
        wr_error_set(&s->ctx->error, WEIR_MEMORY, "no memory for the rest of a message (%zu bytes)", length);
        return KAFKA_FAILED;
    }
    r->of = p;
    r->at = 0;
    r->meta = *meta;
    if (meta->key != NULL)
        r->meta.key = r->bytes.data + length;
    return KAFKA_FULL;
}

static kafka_step
rest_feed(kafka_source *s, kafka_partition *p)
{
    kafka_rest *r = &s->rest;
    size_t      used;
    kafka_step  what = wr_kafka_value_feed(s, p, r->bytes.data + r->at, r->value_length - r->at, &r->meta, &used);
    r->at += used;
    if (what == KAFKA_FULL)
        return what;
    r->of = NULL;
    if (r->bytes.capacity > REST_BYTES_KEPT)
        wr_text_fini(&r->bytes);
    if (what == KAFKA_READ && p->end >= 0 && p->position >= p->end)
        wr_kafka_partition_over(s, p);
    return what;
}

static kafka_step
message_feed(kafka_source *s, kafka_partition *p, const rd_kafka_message_t *m)
{
    wr_source_ctx *ctx = s->ctx;
    wr_record_meta meta = message_meta(m);
    size_t         skip = 0, used;
    weir_status    status = WEIR_OK;
    if (m->offset == p->position && p->skip_bytes < m->len)
        skip = (size_t) p->skip_bytes;
    p->position = m->offset;
    p->skip_bytes = skip;
    if (m->payload != NULL) {
        const char *value = (const char *) m->payload + skip;
        kafka_step  what = wr_kafka_value_feed(s, p, value, m->len - skip, &meta, &used);
        return what == KAFKA_FULL ? wr_kafka_rest_keep(s, p, value + used, m->len - skip - used, &meta) : what;
    }
    if (ctx->tombstone != NULL)
        status = ctx->tombstone(ctx, p->lane, &meta);
    else
        ctx->bad(ctx, p->lane, WEIR_ROW_DECODE, "a message without a value", m->key,
                 m->key != NULL ? m->key_len : 0);
    p->skip_bytes = 0;
    p->position++;
    if (status == WEIR_OK || wr_status_is_row(status))
        return KAFKA_READ;
    wr_error_set(&ctx->error, status, "%s", weir_status_text(status));
    return KAFKA_FAILED;
}

static kafka_step
message_take(kafka_source *s, kafka_partition *p, const rd_kafka_message_t *m)
{
    if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return partition_event(s, p, m) == WEIR_OK ? KAFKA_READ : KAFKA_FAILED;
    if (p->end >= 0 && m->offset >= p->end) {
        wr_kafka_partition_over(s, p);
        return KAFKA_READ;
    }
    if (p->repeats && m->offset < p->position)
        return KAFKA_READ; /* taken while its partition was being paused, and fetched again */
    p->repeats = false;
    atomic_store_explicit(&p->begun, true, memory_order_relaxed);
    kafka_step what = message_feed(s, p, m);
    if (what == KAFKA_READ && p->end >= 0 && p->position >= p->end)
        wr_kafka_partition_over(s, p);
    return what;
}

/* The same, to be fed with others before long. */
static kafka_step
message_gather(kafka_source *s, kafka_partition *p, const rd_kafka_message_t *m)
{
    const kafka_gather *g = &s->gather;
    int64_t next = g->of == NULL ? p->position : g->items[g->count - 1].offset + 1;
    kafka_step what;
    if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        what = wr_kafka_gather_add(s, p, KAFKA_ITEM_END, NULL, 0, m->offset);
    else if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        return partition_event(s, p, m) == WEIR_OK ? KAFKA_READ : KAFKA_FAILED;
    else if (p->end >= 0 && m->offset >= p->end)
        what = wr_kafka_gather_add(s, p, KAFKA_ITEM_END, NULL, 0, m->offset);
    else if (p->repeats && m->offset < next)
        return KAFKA_READ;
    else if (m->payload != NULL)
        what = wr_kafka_gather_add(s, p, KAFKA_ITEM_VALUE, m->payload, m->len, m->offset);
    else
        what = wr_kafka_gather_add(s, p, KAFKA_ITEM_EMPTY, m->key, m->key != NULL ? m->key_len : 0,
                                   m->offset);
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        p->repeats = false;
        atomic_store_explicit(&p->begun, true, memory_order_relaxed);
    }
    return what == KAFKA_READ && wr_kafka_gather_is_full(g) ? wr_kafka_gather_feed(s) : what;
}

/* The client hands over the next message of s->reading. */
static void
on_message(rd_kafka_message_t *m, void *user)
{
    kafka_source    *s = user;
    kafka_partition *p = s->reading;
    if (p->over || s->step != KAFKA_READ)
        return; /* what it has beyond the end */
    bool gathered = wr_kafka_gather_wants(s, p, m);
    s->step = gathered ? message_gather(s, p, m) : message_take(s, p, m);
    s->taken++;
    if (!gathered && s->step == KAFKA_READ && !s->ctx->has_room(s->ctx))
        s->step = KAFKA_FULL;
    if (s->step != KAFKA_READ || s->taken >= MESSAGES_A_TURN || p->over)
        rd_kafka_yield(s->consumer->rk);
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
static kafka_step
partition_read(kafka_source *s, kafka_partition *p, uint32_t *read)
{
    if (!s->ctx->has_room(s->ctx))
        return KAFKA_FULL;
    p->held = !s->ctx->may_read(s->ctx, p->lane);
    if (p->held)
        wr_kafka_pause_want(s->consumer, p, s->ctx->clock);
    else
        partition_free(s, p);
    s->reading = p;
    s->step = s->rest.of == p ? rest_feed(s, p) : KAFKA_READ;
    if (s->step == KAFKA_READ && s->gather.of == p)
        s->step = wr_kafka_gather_feed(s);
    s->taken = 0;
    if (s->step == KAFKA_READ && !s->ctx->has_room(s->ctx))
        s->step = KAFKA_FULL;
    if (s->step == KAFKA_READ && !p->over && !p->held)
        (void) rd_kafka_consume_callback_queue(p->queue, 0, on_message, s);
    if (s->step == KAFKA_READ && s->gather.of == p)
        s->step = wr_kafka_gather_feed(s);
    if (s->step == KAFKA_READ && !p->over && !s->ctx->has_room(s->ctx))
        s->step = KAFKA_FULL;
    *read += s->taken;
    atomic_store_explicit(&p->shown, p->position, memory_order_relaxed);
    if (s->taken > 0) {
        p->empty_since = 0;
        p->prompts = 0;
        wr_dev_kafka_consumed(s->consumer->config->brokers, s->consumer->config->topic, p->number,
                              p->position);
    } else if (s->step == KAFKA_READ && !p->over && !p->held) {
        s->look_in = WR_MIN(s->look_in, wr_kafka_starve_look(s, p));
    }
    return s->step;
}

/* All partitions in turn.  A message that was begun is finished before all others. */
static wr_flow
source_read(kafka_source *s)
{
    kafka_consumer *c = s->consumer;
    uint32_t        read = 0, mine = 0, over = 0, from = s->turn;
    kafka_step      what = KAFKA_READ;
    s->look_in = INT64_MAX;
    if (s->full && s->ctx->has_room(s->ctx))
        source_set_full(s, false);
    kafka_partition *begun = s->rest.of != NULL ? s->rest.of : s->gather.of;
    if (begun != NULL)
        what = partition_read(s, begun, &read);
    for (int32_t i = 0; i < c->partition_count; i++) {
        uint32_t         at = (from + (uint32_t) i) % (uint32_t) c->partition_count;
        kafka_partition *p = &c->partitions[at];
        if (wr_kafka_shard_of(c, p->number) != s->ctx->shard)
            continue;
        mine++;
        bool go_on = what == KAFKA_READ && s->rest.of == NULL && s->gather.of == NULL;
        if (p->state == PARTITION_TAKEN && !p->over && go_on) {
            what = partition_read(s, p, &read);
            s->turn = at + 1;
        }
        over += p->state == PARTITION_TAKEN && p->over;
    }
    if (what == KAFKA_FAILED)
        return WR_FLOW_FAIL;
    if (c->bounded && over == mine)
        return WR_FLOW_DONE;
    if (what == KAFKA_FULL) {
        source_set_full(s, true);
        return WR_FLOW_WAIT;
    }
    if (read > 0)
        return WR_FLOW_NEXT;
    if (s->look_in != INT64_MAX)
        s->ctx->wake_after(s->ctx, s->look_in);
    return WR_FLOW_WAIT;
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
    if (wr_kafka_consumer_begin(s->consumer, ctx, &ctx->error) != WEIR_OK)
        return WR_FLOW_FAIL;
    wr_flow flow = wr_kafka_source_look(s);
    return flow == WR_FLOW_NEXT ? source_read(s) : flow;
}
