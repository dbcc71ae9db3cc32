/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_sink.c -- the sink that writes to a Kafka topic: its options, its producer, what is delivered.
 *
 * Place       a batch's messages (kafka_message.c) are handed to librdkafka's producer, which is
 *             idempotent: it retries without repeating or reordering.
 * State       messages handed over and not yet acknowledged (`outstanding`), and their bytes.
 * Key         one key column: its text; several: a JSON array of them; NULL alone: no key.
 *             The partitioner is Java's default (murmur2), so that other producers agree.
 * Changes     of an upsert relation: a deletion is a message without a value (a tombstone).
 * Durable     flush waits until nothing is outstanding.  While brokers are away the client keeps
 *             trying; what it gives up on, or a broker refuses for good, fails the sink.
 */
#include "connector/dev_kafka.h"
#include "connector/kafka_sink_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { OUTSTANDING_MAX = 100000, LOOK_AGAIN_US = 20000, CLOSE_MS = 2000 };
enum { FRAME_BYTES = 16, MESSAGE_BYTES = 288 /* of the client's own, each */ };

typedef struct kafka_sink {
    const wr_kafka_sink_config *config;
    wr_sink_ctx                *ctx;
    rd_kafka_t                 *rk;
    rd_kafka_topic_t           *topic;
    rd_kafka_queue_t           *queue; /* events of the client */
    kafka_outstanding           out;   /* callbacks run in our polls */
    kafka_memory                memory;
    uint64_t                    overhead_bytes;  /* of a message: headers and frame */
    uint64_t                    delivered_bytes; /* not yet in ctx->bytes           */
    bool                        failed, delivered;
    kafka_messages              messages;
    const wr_batch             *batch; /* under way */
    uint64_t                    batch_sequence;
} kafka_sink;

/* --- configuration --- */

/* Are the message's key and the schema's the same columns? */
static bool
key_is_whole(const wr_kafka_sink_config *c, const wr_schema *schema)
{
    for (uint32_t k = 0; k < schema->key_count && c->key.count > 0; k++) {
        bool found = false;
        for (uint32_t i = 0; i < c->key.count; i++)
            found |= strcmp(c->key.items[i], schema->fields[schema->key[k]].name) == 0;
        if (!found)
            return false;
    }
    return c->key.count == 0 || c->key.count == schema->key_count;
}

static weir_status
sink_check(const void *config, const wr_schema *schema, const wr_encoder_ops *encoder, weir_error *err)
{
    const wr_kafka_sink_config *c = config;
    uint32_t                    count;
    if (*c->brokers == '\0' || *c->topic == '\0')
        return wr_error_set(err, WEIR_CONFIG_VALUE, "brokers and topic cannot be empty");
    WR_TRY(wr_kafka_key_columns(c, schema, NULL, &count, err));
    if (schema->kind == WR_UPSERT && count == 0)
        return wr_error_set(err, WEIR_CONFIG_MISSING,
                            "rows are replaced by key: say which columns are the message's key");
    if (schema->kind == WR_UPSERT && !key_is_whole(c, schema))
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            "the message's key must be the key by which rows are replaced");
    if (c->rows_per_message > 1 && count > 0)
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            "rows_per_message: a message has one key, so rows with a key are a message each");
    if (c->rows_as == WR_KAFKA_ARRAY && c->rows_per_message == 1)
        return wr_error_set(err, WEIR_CONFIG_MISSING, "rows_as: array wants rows_per_message");
    if (c->rows_as == WR_KAFKA_ARRAY && strcmp(encoder->name, "json") != 0 &&
        strcmp(encoder->name, "msgpack") != 0)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "rows_as: array is for json and msgpack, not for %s",
                            encoder->name);
    return wr_kafka_properties_check(&c->properties, false, err);
}

/* --- the client's callbacks, in our own polls --- */

static void
on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *user)
{
    kafka_sink *s = user;
    s->out.messages--;
    s->out.bytes -= m->len + m->key_len;
    if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        s->delivered = true;
        s->delivered_bytes += m->len;
        wr_dev_kafka_produced(s->config->brokers, s->config->topic, m->partition, m->offset,
                              m->len + m->key_len + s->overhead_bytes);
        return;
    }
    if (m->err == RD_KAFKA_RESP_ERR__PURGE_QUEUE || m->err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
        return; /* closing */
    atomic_fetch_add_explicit(&s->ctx->errors, 1, memory_order_relaxed);
    if (s->failed)
        return;
    s->failed = true;
    wr_error_set(&s->ctx->error, wr_kafka_status(m->err), "topic %s: %s", s->config->topic,
                 rd_kafka_err2str(m->err));
    wr_kafka_hint(&s->ctx->error, m->err, "");
}

static void
on_error(rd_kafka_t *rk, int code, const char *reason, void *user)
{
    kafka_sink         *s = user;
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t) code;
    char                text[256];
    if (s->failed)
        return;
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        err = rd_kafka_fatal_error(rk, text, sizeof text);
        reason = text;
        s->failed = true;
    } else if (!wr_kafka_is_passing(err) ||
               (!s->delivered && (err == RD_KAFKA_RESP_ERR__SSL || wr_kafka_is_rejected(reason)))) {
        s->failed = true;
    }
    atomic_fetch_add_explicit(&s->ctx->retries, !s->failed, memory_order_relaxed);
    if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && s->ctx->error.code != WEIR_OK)
        return; /* what each of them said before says more */
    wr_error_set(&s->ctx->error, wr_kafka_status(err), "topic %s: %s", s->config->topic, reason);
    wr_kafka_hint(&s->ctx->error, err, reason);
}

static void
on_event(rd_kafka_t *rk, void *user)
{
    kafka_sink *s = user;
    s->ctx->wake(s->ctx);
}

/* --- life --- */

static rd_kafka_conf_t *
sink_conf(kafka_sink *s, weir_error *err)
{
    static const char *const    codecs[] = { "none", "gzip", "snappy", "lz4", "zstd" };
    const wr_kafka_sink_config *c = s->config;
    const wr_option_map        *user = &c->properties, none = { 0 };
    rd_kafka_conf_t            *conf = wr_kafka_conf(c->brokers, user, false, err);
    char                        number[32];
    if (conf == NULL)
        return NULL;
    wr_kafka_conf_set(conf, user, "enable.idempotence", "true");
    wr_kafka_conf_set(conf, user, "partitioner", "murmur2_random");
    wr_kafka_conf_set(conf, user, "message.timeout.ms", "0"); /* for ever */
    wr_kafka_conf_set(conf, &none, "compression.codec", codecs[c->compression]);
    snprintf(number, sizeof number, "%.3f", (double) c->linger_us / 1000);
    wr_kafka_conf_set(conf, &none, "linger.ms", number);
    /* limits of our own come first */
    snprintf(number, sizeof number, "%d", 2 * OUTSTANDING_MAX);
    wr_kafka_conf_set(conf, &none, "queue.buffering.max.messages", number);
    snprintf(number, sizeof number, "%" PRId64, 4 * WR_MAX(c->queue_bytes / 1024, (int64_t) 1024));
    wr_kafka_conf_set(conf, &none, "queue.buffering.max.kbytes", number);
    rd_kafka_conf_set_opaque(conf, s);
    wr_kafka_memory_watch(&s->memory, conf);
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
    rd_kafka_conf_set_error_cb(conf, on_error);
    return conf;
}

static weir_status
sink_open(void *self, wr_sink_ctx *ctx, const void *config, weir_error *err)
{
    kafka_sink *s = self;
    char        text[256];
    s->config = config;
    s->ctx = ctx;
    s->overhead_bytes = FRAME_BYTES;
    for (uint32_t i = 0; i < s->config->headers.count; i++)
        s->overhead_bytes += strlen(s->config->headers.keys[i]) + strlen(s->config->headers.values[i]);
    WR_TRY(wr_kafka_memory_init(&s->memory, ctx->flow, err));
    WR_TRY(wr_kafka_messages_init(&s->messages, config, ctx, err));
    rd_kafka_conf_t *conf = sink_conf(s, err);
    if (conf == NULL)
        return WEIR_CONFIG_VALUE;
    s->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (s->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return wr_error_set(err, WEIR_CONFIG_VALUE, "%s", text);
    }
    s->topic = rd_kafka_topic_new(s->rk, s->config->topic, NULL);
    if (s->topic == NULL)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "topic \"%s\": %s", s->config->topic,
                            rd_kafka_err2str(rd_kafka_last_error()));
    s->queue = rd_kafka_queue_get_main(s->rk);
    rd_kafka_queue_cb_event_enable(s->queue, on_event, s);
    return WEIR_OK;
}

static void
sink_close(void *self)
{
    kafka_sink *s = self;
    if (s->queue != NULL) {
        rd_kafka_queue_cb_event_enable(s->queue, NULL, NULL);
        rd_kafka_queue_destroy(s->queue);
    }
    if (s->rk != NULL) {
        if (!s->failed)
            (void) rd_kafka_flush(s->rk, CLOSE_MS);
        (void) rd_kafka_purge(s->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_poll(s->rk, 0);
        if (s->topic != NULL)
            rd_kafka_topic_destroy(s->topic);
        rd_kafka_destroy(s->rk);
    }
    wr_kafka_memory_fini(&s->memory);
    wr_kafka_messages_fini(&s->messages);
}

/* --- batches --- */

static bool
has_room(const kafka_sink *s)
{
    if (s->out.messages > 0 && atomic_load_explicit(&s->memory.refused, memory_order_relaxed))
        return false;
    return s->out.messages < OUTSTANDING_MAX &&
           (s->out.bytes == 0 ||
            s->out.bytes < (uint64_t) s->config->queue_bytes) &&
           wr_dev_kafka_has_room(s->config->brokers, s->config->topic, s->out.messages,
                                 s->out.bytes);
}

static wr_flow
sink_held_up(kafka_sink *s)
{
    s->ctx->wake_after(s->ctx, LOOK_AGAIN_US);
    return WR_FLOW_AGAIN;
}

static wr_flow
batch_send(kafka_sink *s, const wr_batch *batch)
{
    rd_kafka_resp_err_t code = wr_kafka_messages_send(&s->messages, batch, s->rk, s->topic, &s->out);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return WR_FLOW_NEXT;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        rd_kafka_poll(s->rk, 0);
        return sink_held_up(s);
    }
    wr_error_set(&s->ctx->error, wr_kafka_status(code), "topic %s: %s", s->config->topic,
                 rd_kafka_err2str(code));
    wr_kafka_hint(&s->ctx->error, code, "");
    return WR_FLOW_FAIL;
}

/* Serve the callbacks, count what the client holds. */
static void
sink_attend(kafka_sink *s)
{
    rd_kafka_poll(s->rk, 0);
    if (s->delivered_bytes > 0)
        atomic_fetch_add_explicit(&s->ctx->bytes, s->delivered_bytes, memory_order_relaxed);
    s->delivered_bytes = 0;
    wr_kafka_memory_look(&s->memory, s->ctx->clock, s->out.bytes + s->out.messages * MESSAGE_BYTES);
}

static wr_flow
sink_write(void *self, wr_sink_ctx *ctx, const wr_batch *batch)
{
    kafka_sink *s = self;
    sink_attend(s);
    if (s->failed)
        return WR_FLOW_FAIL;
    bool again = s->batch == batch && s->batch_sequence == batch->sequence;
    if (!again) {
        if (!has_room(s))
            return sink_held_up(s);
        weir_status status = wr_kafka_messages_begin(&s->messages, batch);
        if (status != WEIR_OK) {
            wr_error_set(&ctx->error, status, "%s", weir_status_text(status));
            return WR_FLOW_FAIL;
        }
    }
    s->batch = batch;
    s->batch_sequence = batch->sequence;
    wr_flow flow = batch_send(s, batch);
    if (flow == WR_FLOW_AGAIN)
        return flow;
    s->batch = NULL;
    wr_kafka_messages_end(&s->messages);
    if (flow == WR_FLOW_NEXT)
        atomic_fetch_add_explicit(&ctx->rows, batch->row_count, memory_order_relaxed);
    return flow;
}

static wr_flow
sink_flush(void *self, wr_sink_ctx *ctx)
{
    kafka_sink *s = self;
    sink_attend(s);
    if (s->failed)
        return WR_FLOW_FAIL;
    if (s->out.messages == 0)
        return WR_FLOW_NEXT;
    ctx->wake_after(ctx, LOOK_AGAIN_US);
    return WR_FLOW_WAIT;
}

static wr_flow
sink_service(void *self, wr_sink_ctx *ctx)
{
    kafka_sink *s = self;
    sink_attend(s);
    return s->failed ? WR_FLOW_FAIL : WR_FLOW_NEXT;
}

static const wr_option sink_options[] = {
    { .name = "brokers",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_sink_config, brokers),
      .required = true,
      .doc = "host:port of one broker or more, separated by commas." },
    { .name = "topic",
      .type = WR_OPT_STRING,
      .offset = offsetof(wr_kafka_sink_config, topic),
      .required = true,
      .doc = "The topic to write to." },
    { .name = "key",
      .type = WR_OPT_LIST,
      .offset = offsetof(wr_kafka_sink_config, key),
      .doc = "Columns that make the message's key: rows of one key keep their order." },
    { .name = "headers",
      .type = WR_OPT_MAP,
      .offset = offsetof(wr_kafka_sink_config, headers),
      .doc = "Headers of every message." },
    { .name = "rows_per_message",
      .type = WR_OPT_INTEGER,
      .offset = offsetof(wr_kafka_sink_config, rows_per_message),
      .fallback = "1",
      .low = 1,
      .high = WR_BATCH_ROWS_MAX,
      .doc = "Without a key: up to this many rows in one message, of those that come together; it never waits for more." },
    { .name = "rows_as",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_kafka_sink_config, rows_as),
      .fallback = "lines",
      .choices = "lines|array",
      .doc = "How a message has its rows: one after the other, or (json, msgpack) as an array." },
    { .name = "compression",
      .type = WR_OPT_ENUM,
      .offset = offsetof(wr_kafka_sink_config, compression),
      .fallback = "lz4",
      .choices = "none|gzip|snappy|lz4|zstd",
      .doc = "How batches of messages are compressed." },
    { .name = "linger",
      .type = WR_OPT_DURATION,
      .offset = offsetof(wr_kafka_sink_config, linger_us),
      .fallback = "5ms",
      .low = 0,
      .high = 60e6,
      .doc = "How long a message may wait for others to be sent with." },
    { .name = "queue_bytes",
      .type = WR_OPT_BYTES,
      .offset = offsetof(wr_kafka_sink_config, queue_bytes),
      .fallback = "32MiB",
      .low = 1 << 20,
      .high = 1e9,
      .doc = "Messages handed over and not yet acknowledged." },
    { .name = "properties",
      .type = WR_OPT_MAP,
      .offset = offsetof(wr_kafka_sink_config, properties),
      .doc = "Properties of librdkafka, such as security.protocol or sasl.username." },
    { 0 },
};

const wr_sink_ops wr_kafka_sink_ops = {
    .name = "kafka",
    .doc = "Rows to a Kafka topic.",
    .options = sink_options,
    .config_bytes = sizeof(wr_kafka_sink_config),
    .self_bytes = sizeof(kafka_sink),
    .default_format = "json",
    .takes_changes = true,
    .wants_upserts = true,
    .check = sink_check,
    .open = sink_open,
    .write = sink_write,
    .flush = sink_flush,
    .service = sink_service,
    .close = sink_close,
};
