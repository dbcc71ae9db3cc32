/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_source.c -- a shard of the Kafka source: its options, its life, what is told of it.
 *
 * Place       partition p is lane p and belongs to shard p mod shard_count; kafka_read.c reads,
 *             kafka_position.c keeps the place.
 */
#include "connector/kafka_impl.h"
#include "data/datetime.h"

#include <inttypes.h>
#include <string.h>

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
    wr_text_init(&s->rest.bytes, s->consumer->budget);
    wr_kafka_gather_init(&s->gather, s->consumer->budget);
    wr_mutex_lock(&s->consumer->lock);
    s->consumer->shards[ctx->shard] = s;
    s->open = true;
    wr_mutex_unlock(&s->consumer->lock);
    return WEIR_OK;
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
    wr_text_fini(&s->rest.bytes);
    wr_kafka_gather_fini(&s->gather);
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
    wr_mutex_unlock(&c->lock);
}

static bool
source_away(void *self, wr_text *why)
{
    kafka_consumer *c = ((kafka_source *) self)->consumer;
    if (atomic_load(&c->down)) {
        wr_text_printf(why, "no broker of %s can be reached", c->config->brokers);
        return true;
    }
    if (!c->grouped)
        return false;
    bool any = false;
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count; i++)
        any = any || c->partitions[i].state != PARTITION_AWAY;
    wr_mutex_unlock(&c->lock);
    if (!any)
        wr_text_printf(why, "none of the %d partitions of topic %s is this instance's: members of group %s share them",
                       (int) c->partition_count, c->config->topic, c->config->group);
    return !any;
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
    .poll = wr_kafka_source_poll,
    .held_up = wr_kafka_source_held_up,
    .freeze = wr_kafka_source_freeze,
    .restore = wr_kafka_source_restore,
    .committed = wr_kafka_source_committed,
    .frozen_epoch = wr_kafka_source_frozen_epoch,
    .close = source_close,
    .describe = source_describe,
    .away = source_away,
    .extent = source_extent,
};
