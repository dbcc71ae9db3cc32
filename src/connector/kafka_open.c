/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_open.c -- a consumer is made, reaches a broker, learns the partitions of its topic.
 *
 * Place       once, by the first shard that opens; it waits for the brokers.
 * Settings    fetches of 1 MiB a partition and 4 MiB a broker: with larger ones the client pays for first touches of
 *             its buffers.  What it may queue is charged before it exists, and shared over the partitions.
 */
#include "connector/kafka_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum {
    ASK_MS = 10000, /* metadata */
    ASK_STEP_MS = 500,
    TOPIC_TRIES = 6, /* a topic may be about to be made */
    TOPIC_PAUSE_US = 500000,
    PARTITIONS_GUESS = 8,
    FETCH_BYTES = 1 << 20,
    QUEUE_BYTES_MIN = 4 << 20,
};

static rd_kafka_conf_t *
consumer_conf(kafka_consumer *c, int64_t partition_bytes, weir_error *err)
{
    char                 number[32];
    const wr_option_map *user = &c->config->properties, none = { 0 };
    rd_kafka_conf_t     *conf = wr_kafka_conf(c->config->brokers, user, true, err);
    if (conf == NULL)
        return NULL;
    wr_kafka_conf_set(conf, &none, "group.id", c->config->group != NULL ? c->config->group : "weir");
    if (c->config->instance != NULL)
        wr_kafka_conf_set(conf, user, "group.instance.id", c->config->instance);
    wr_kafka_conf_set(conf, &none, "enable.auto.commit", "false");
    wr_kafka_conf_set(conf, &none, "enable.auto.offset.store", "false");
    wr_kafka_conf_set(conf, &none, "enable.partition.eof", "true");
    wr_kafka_conf_set(conf, &none, "auto.offset.reset",
                      c->config->on_gap == 1 ? "earliest" : "error");
    wr_kafka_conf_set(conf, &none, "partition.assignment.strategy", "range");
    wr_kafka_conf_set(conf, user, "check.crcs", "true");
    wr_kafka_conf_set(conf, user, "session.timeout.ms", "30000");
    wr_kafka_conf_set(conf, user, "fetch.wait.max.ms", "100");
    snprintf(number, sizeof number, "%d", (int) FETCH_BYTES);
    wr_kafka_conf_set(conf, user, "fetch.message.max.bytes", number);
    snprintf(number, sizeof number, "%d", 4 * (int) FETCH_BYTES);
    wr_kafka_conf_set(conf, user, "fetch.max.bytes", number);
    /* a full queue must not stop the fetcher for long; older versions: kafka_starve.c */
    wr_kafka_conf_set(conf, user, "fetch.error.backoff.ms", "20");
    wr_kafka_conf_set(conf, user, "fetch.queue.backoff.ms", "5");
    snprintf(number, sizeof number, "%" PRId64, WR_MAX(partition_bytes / 1024, (int64_t) 1024));
    wr_kafka_conf_set(conf, &none, "queued.max.messages.kbytes", number);
    rd_kafka_conf_set_opaque(conf, c);
    wr_kafka_memory_watch(&c->memory, conf);
    rd_kafka_conf_set_rebalance_cb(conf, wr_kafka_rebalance);
    rd_kafka_conf_set_error_cb(conf, wr_kafka_consumer_error);
    return conf;
}

static weir_status
client_make(kafka_consumer *c, int64_t partition_bytes, weir_error *err)
{
    char             text[256];
    rd_kafka_conf_t *conf = consumer_conf(c, partition_bytes, err);
    if (conf == NULL)
        return err != NULL ? err->code : WEIR_CONFIG_VALUE;
    c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    if (c->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return wr_error_set(err, WEIR_CONFIG_VALUE, "%s", text);
    }
    c->topic = rd_kafka_topic_new(c->rk, c->config->topic, NULL);
    rd_kafka_poll_set_consumer(c->rk);
    return WEIR_OK;
}

static void
client_drop(kafka_consumer *c)
{
    rd_kafka_topic_destroy(c->topic);
    rd_kafka_destroy(c->rk);
    c->topic = NULL;
    c->rk = NULL;
}

/* Ask until a broker answers, one says no for good (c->failed), or ASK_MS have passed. */
static rd_kafka_resp_err_t
metadata_ask(kafka_consumer *c, const struct rd_kafka_metadata **m)
{
    wr_clock *clock = wr_clock_system();
    int64_t   until = wr_clock_monotonic(clock) + ASK_MS * 1000LL;
    for (;;) {
        rd_kafka_resp_err_t code = rd_kafka_metadata(c->rk, 0, c->topic, m, ASK_STEP_MS);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return code;
        rd_kafka_message_t *event = rd_kafka_consumer_poll(c->rk, ASK_STEP_MS / 10);
        if (event != NULL)
            rd_kafka_message_destroy(event);
        bool never = code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE; /* who answers is no broker */
        if (never || atomic_load(&c->failed) || wr_clock_monotonic(clock) >= until)
            return code;
    }
}

/* Why no broker answered. */
static weir_status
metadata_failed(kafka_consumer *c, rd_kafka_resp_err_t code, weir_error *err)
{
    if (atomic_load(&c->failed)) {
        wr_mutex_lock(&c->lock);
        weir_status status = wr_error_set(err, c->failure.code, "%s", c->failure.text);
        if (c->failure.hint[0] != '\0')
            wr_error_hint(err, "%s", c->failure.hint);
        wr_mutex_unlock(&c->lock);
        return status;
    }
    weir_status status =
        wr_error_set(err, wr_kafka_status(code), "cannot reach Kafka at %s: %s", c->config->brokers,
                     c->newest[0] != '\0' ? c->newest : rd_kafka_err2str(code));
    wr_kafka_hint(err, c->newest[0] != '\0' ? c->newest_code : code, c->newest);
    return status;
}

/* How many partitions the topic has.  *absent: the brokers know no such topic, yet. */
static weir_status
partitions_count(kafka_consumer *c, int32_t *count, bool *absent, weir_error *err)
{
    const struct rd_kafka_metadata *m;
    rd_kafka_resp_err_t             code = metadata_ask(c, &m);
    *absent = false;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return metadata_failed(c, code, err);
    code = m->topic_cnt == 1 ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    *count = m->topic_cnt == 1 ? m->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(m);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && *count > 0)
        return WEIR_OK;
    *absent = wr_kafka_status(code) == WEIR_REMOTE && code != RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION;
    wr_error_set(err, wr_kafka_status(code), "topic \"%s\" at %s: %s", c->config->topic,
                 c->config->brokers, rd_kafka_err2str(code));
    wr_kafka_hint(err, code, "");
    return wr_kafka_status(code);
}

/* Charge what librdkafka may queue, less when the budget is small. */
static weir_status
queue_charge(kafka_consumer *c, weir_error *err)
{
    uint64_t bytes = (uint64_t) WR_MAX(c->config->queue_bytes, (int64_t) QUEUE_BYTES_MIN);
    while (!wr_kafka_memory_reserve(&c->memory, bytes)) {
        if (bytes / 2 < QUEUE_BYTES_MIN)
            return wr_error_set(err, WEIR_MEMORY, "no memory for Kafka's queue (%d MiB at least)",
                                QUEUE_BYTES_MIN >> 20);
        bytes /= 2;
    }
    return WEIR_OK;
}

weir_status
wr_kafka_consumer_open(kafka_consumer *c, bool bounded, bool alone, weir_error *err)
{
    if (c->partitions != NULL)
        return WEIR_OK;
    int32_t     count = 0;
    bool        absent;
    weir_status status;
    c->bounded = bounded;
    c->grouped = c->config->group != NULL && !alone;
    if (c->memory.reserved == 0)
        WR_TRY(queue_charge(c, err));
    int64_t guess = (int64_t) c->memory.reserved / PARTITIONS_GUESS;
    if (c->rk == NULL)
        WR_TRY(client_make(c, guess, err));
    status = partitions_count(c, &count, &absent, err);
    for (int i = 1; i < TOPIC_TRIES && absent; i++) {
        struct timespec pause = { .tv_nsec = TOPIC_PAUSE_US * 1000L };
        nanosleep(&pause, NULL);
        status = partitions_count(c, &count, &absent, err);
    }
    WR_TRY(status);
    if (count > PARTITIONS_GUESS && guess > FETCH_BYTES) { /* smaller queues, for more of them */
        client_drop(c);
        WR_TRY(client_make(c, (int64_t) c->memory.reserved / count, err));
    }
    c->partitions = wr_calloc(c->budget, (size_t) count, sizeof *c->partitions);
    if (c->partitions == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for %d partitions", (int) count);
    c->partition_count = count;
    for (int32_t i = 0; i < count; i++)
        c->partitions[i] = (kafka_partition){ .number = i, .position = -1, .end = -1, .eof = -1 };
    return WEIR_OK;
}
