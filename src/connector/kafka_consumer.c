/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_consumer.c -- the one consumer that a source has in this process.
 *
 * Place       made before the shards, shared by them.  A thread of its own serves the client's main
 *             queue (assignments, errors), so that a shard that is held up holds up no rebalance.
 *             Messages do not pass it: each partition's queue is read by the partition's shard.
 * State       the partitions and who has them: AWAY -> OFFERED (assigned) -> TAKEN (by its shard) ->
 *             REVOKED -> AWAY (given back).  No shard reads, and no watermark moves, while any partition is
 *             OFFERED: all lanes stand first, or the watermark could pass a lane not yet there.
 * Offsets     of a partition that is assigned: where the checkpoint says; else the greater of what
 *             this process has read and what the group has committed; else by `start`.  Always as a
 *             number, so that a checkpoint can hold it.  The client never resets an offset by
 *             itself, unless on_gap says so.
 */
#include "base/log.h"
#include "connector/kafka_impl.h"
#include "data/datetime.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    ASK_MS = 10000,        /* metadata, offsets */
    ASK_STEP_MS = 500,
    TOPIC_TRIES = 6,       /* a topic may be about to be made */
    TOPIC_PAUSE_US = 500000,
    OFFSET_TRIES = 10,
    POLL_MS = 500,
    GIVE_BACK_US = 10000000, /* a third of session.timeout.ms */
    PARTITIONS_GUESS = 8,
    FETCH_BYTES = 1 << 20,
    QUEUE_BYTES_MIN = 4 << 20,
    BATCH_SAFE_VERSION = 0x020100ff, /* consume_batch may lose messages before */
};

weir_status
wr_kafka_consumer_create(const wr_kafka_source_config *config, uint32_t shard_count,
                         wr_budget *budget, kafka_consumer **out, weir_error *err)
{
    kafka_consumer *c = wr_calloc(budget, 1, sizeof *c);
    if (c == NULL)
        return wr_error_set(err, WEIR_MEMORY, "no memory for a Kafka consumer");
    c->config = config;
    c->budget = budget;
    c->shard_count = shard_count;
    c->batches = rd_kafka_version() >= BATCH_SAFE_VERSION;
    wr_mutex_init(&c->lock);
    wr_cond_init(&c->taken_back);
    c->shards = wr_calloc(budget, shard_count, sizeof *c->shards);
    weir_status status = wr_kafka_memory_init(&c->memory, budget, err);
    if (c->shards == NULL || status != WEIR_OK) {
        wr_kafka_consumer_destroy(c);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a Kafka consumer");
    }
    *out = c;
    return WEIR_OK;
}

void
wr_kafka_consumer_destroy(kafka_consumer *c)
{
    atomic_store(&c->stopping, true);
    if (c->rk != NULL) {
        wr_kafka_consumer_nudge(c);
        wr_thread_join(&c->thread);
        rd_kafka_consumer_close(c->rk);
        for (int32_t i = 0; i < c->partition_count; i++)
            if (c->partitions[i].queue != NULL)
                rd_kafka_queue_destroy(c->partitions[i].queue);
        rd_kafka_topic_destroy(c->topic);
        rd_kafka_destroy(c->rk);
    }
    wr_kafka_memory_fini(&c->memory);
    wr_cond_fini(&c->taken_back);
    wr_mutex_fini(&c->lock);
    wr_free(c->partitions);
    wr_free(c->shards);
    wr_free(c);
}

/* --- what shards are told --- */

void
wr_kafka_consumer_ring(kafka_consumer *c)
{
    atomic_fetch_add_explicit(&c->changes, 1, memory_order_release);
    for (uint32_t i = 0; i < c->shard_count; i++)
        if (c->shards[i] != NULL && c->shards[i]->open)
            c->shards[i]->ctx->wake(c->shards[i]->ctx);
}

/* Under the lock. */
static void
consumer_fail(kafka_consumer *c, weir_status code, const char *text)
{
    if (!atomic_load(&c->failed))
        wr_error_set(&c->failure, code, "topic %s: %s", c->config->topic, text);
    atomic_store(&c->failed, true);
    wr_kafka_consumer_ring(c);
}

void
wr_kafka_consumer_fail(kafka_consumer *c, weir_status code, const char *text)
{
    wr_mutex_lock(&c->lock);
    consumer_fail(c, code, text);
    wr_mutex_unlock(&c->lock);
}

/* --- offsets --- */

static weir_status
offsets_failed(kafka_consumer *c, rd_kafka_resp_err_t code, const char *what, weir_error *err)
{
    return wr_error_set(err, wr_kafka_status(code), "topic %s: %s: %s", c->config->topic, what,
                        rd_kafka_err2str(code));
}

/* What a broker says and takes back by itself (a leader that moves) is waited for; our own timeouts have waited. */
static bool
offsets_again(rd_kafka_resp_err_t code, int *tries)
{
    struct timespec pause = { .tv_nsec = TOPIC_PAUSE_US * 1000L };
    if (code <= RD_KAFKA_RESP_ERR_NO_ERROR || !wr_kafka_is_passing(code) || ++*tries >= OFFSET_TRIES)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

/* The offset of the first message at or after start_time, -1: there is none. */
static weir_status
offset_at_time(kafka_consumer *c, int32_t partition, int64_t *offset, weir_error *err)
{
    wr_time     t;
    const char *text = c->config->start_time;
    WR_TRY(wr_timestamp_parse(text, strlen(text), true, &t, err));
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->config->topic, partition)->offset = t / 1000;
    rd_kafka_resp_err_t code;
    int                 tries = 0;
    do
        code = rd_kafka_offsets_for_times(c->rk, list, ASK_MS);
    while (offsets_again(code, &tries));
    *offset = list->elems[0].offset >= 0 ? list->elems[0].offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK
                                              : offsets_failed(c, code, "offsets by time", err);
}

/* Where a partition begins that neither a checkpoint nor the group knows; and its end. */
static weir_status
offset_by_start(kafka_consumer *c, kafka_partition *p, int64_t low, int64_t high, weir_error *err)
{
    switch ((wr_kafka_start) c->config->start) {
    case WR_KAFKA_EARLIEST: p->position = low; return WEIR_OK;
    case WR_KAFKA_LATEST: p->position = high; return WEIR_OK;
    case WR_KAFKA_TIMESTAMP:
        WR_TRY(offset_at_time(c, p->number, &p->position, err));
        p->position = p->position >= 0 ? p->position : high;
        return WEIR_OK;
    case WR_KAFKA_COMMITTED: break;
    }
    return wr_error_set(err, WEIR_CONFIG_VALUE,
                        "topic %s: the group \"%s\" has committed no offset for partition %d",
                        c->config->topic, c->config->group, (int) p->number);
}

/* The group's committed offsets into list; negative where there is none. */
static weir_status
offsets_committed(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, weir_error *err)
{
    bool ask = c->config->group != NULL && (c->grouped || c->config->start == WR_KAFKA_COMMITTED);
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = RD_KAFKA_OFFSET_INVALID;
    if (!ask || list->cnt == 0)
        return WEIR_OK;
    rd_kafka_resp_err_t code;
    int                 tries = 0;
    do
        code = rd_kafka_committed(c->rk, list, ASK_MS);
    while (offsets_again(code, &tries));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK
                                              : offsets_failed(c, code, "committed offsets", err);
}

/* The first and the next offset of a partition. */
static weir_status
offsets_of(kafka_consumer *c, int32_t partition, int64_t *low, int64_t *high, weir_error *err)
{
    rd_kafka_resp_err_t code;
    int                 tries = 0;
    do
        code = rd_kafka_query_watermark_offsets(c->rk, c->config->topic, partition, low, high, ASK_MS);
    while (offsets_again(code, &tries));
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK : offsets_failed(c, code, "watermarks", err);
}

/* Set positions (and ends) of the listed partitions, and the list's offsets to them. */
static weir_status
offsets_resolve(kafka_consumer *c, rd_kafka_topic_partition_list_t *list, weir_error *err)
{
    WR_TRY(offsets_committed(c, list, err));
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *e = &list->elems[i];
        kafka_partition            *p = &c->partitions[e->partition];
        int64_t                     low = 0, high = 0;
        /* back after it was away: others may have gone further, but never count a row twice */
        if (!p->restored && e->offset > p->position) {
            p->position = e->offset;
            p->skip_bytes = 0;
        }
        if (p->position < 0 || c->bounded)
            WR_TRY(offsets_of(c, p->number, &low, &high, err));
        if (p->position < 0)
            WR_TRY(offset_by_start(c, p, low, high, err));
        atomic_store(&p->begun, false);
        p->from = p->position;
        p->end = c->bounded ? high : -1;
        p->over = c->bounded && p->position >= high;
        p->eof = -1;
        p->restored = false;
        e->offset = p->position;
    }
    return WEIR_OK;
}

/* --- assignments --- */

static void
partition_event(rd_kafka_t *rk, void *user)
{
    kafka_source *s = user;
    s->ctx->wake(s->ctx);
}

/* Under the lock: hand a partition to its shard. */
static void
partition_offer(kafka_consumer *c, kafka_partition *p)
{
    kafka_source *s = c->shards[wr_kafka_shard_of(c, p->number)];
    if (s == NULL || !s->open)
        return;
    if (p->queue == NULL) {
        p->queue = rd_kafka_queue_get_partition(c->rk, c->config->topic, p->number);
        if (p->queue == NULL) {
            consumer_fail(c, WEIR_INTERNAL, "a partition has no queue");
            return;
        }
        rd_kafka_queue_forward(p->queue, NULL);
        rd_kafka_queue_cb_event_enable(p->queue, partition_event, s);
    }
    if (p->state != PARTITION_OFFERED)
        c->offered++;
    p->state = PARTITION_OFFERED;
}

/* Under the lock: is any partition still with its shard? */
static bool
any_revoked(const kafka_consumer *c)
{
    for (int32_t i = 0; i < c->partition_count; i++)
        if (c->partitions[i].state == PARTITION_REVOKED)
            return true;
    return false;
}

static void
partitions_assign(kafka_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    weir_error err;
    char       text[160];
    for (int i = 0; i < list->cnt; i++) {
        if (list->elems[i].partition < c->partition_count)
            continue;
        snprintf(text, sizeof text, "has grown from %d partitions to %d: start anew",
                 (int) c->partition_count, (int) list->elems[i].partition + 1);
        wr_kafka_consumer_fail(c, WEIR_REMOTE, text);
        return;
    }
    wr_mutex_lock(&c->lock); /* nobody may look at a partition while its position is found */
    while (any_revoked(c) && !atomic_load(&c->stopping))
        (void) wr_cond_wait_for(&c->taken_back, &c->lock, GIVE_BACK_US);
    wr_mutex_unlock(&c->lock);
    if (offsets_resolve(c, list, &err) != WEIR_OK) {
        wr_mutex_lock(&c->lock);
        if (!atomic_load(&c->failed))
            c->failure = err;
        atomic_store(&c->failed, true);
        wr_kafka_consumer_ring(c);
        wr_mutex_unlock(&c->lock);
        return;
    }
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count; i++)
        c->partitions[i].restored = false; /* others may move on what we do not get */
    for (int i = 0; i < list->cnt; i++)
        partition_offer(c, &c->partitions[list->elems[i].partition]);
    wr_mutex_unlock(&c->lock);
    rd_kafka_resp_err_t code = rd_kafka_assign(c->rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        wr_kafka_consumer_fail(c, wr_kafka_status(code), rd_kafka_err2str(code));
    wr_mutex_lock(&c->lock);
    wr_kafka_consumer_ring(c);
    wr_mutex_unlock(&c->lock);
}

static void
partitions_revoke(kafka_consumer *c)
{
    wr_mutex_lock(&c->lock);
    for (int32_t i = 0; i < c->partition_count; i++) {
        kafka_partition *p = &c->partitions[i];
        if (p->state == PARTITION_TAKEN)
            p->state = PARTITION_REVOKED;
        if (p->state == PARTITION_OFFERED) {
            p->state = PARTITION_AWAY;
            c->offered--;
        }
    }
    wr_kafka_consumer_ring(c);
    while (any_revoked(c) && !atomic_load(&c->stopping))
        if (!wr_cond_wait_for(&c->taken_back, &c->lock, GIVE_BACK_US)) {
            wr_log(WR_LOG_WARN, "kafka",
                   "topic %s: partitions are taken away while a view is held up", c->config->topic);
            break;
        }
    wr_mutex_unlock(&c->lock);
    wr_kafka_pause_drop(c);
    rd_kafka_assign(c->rk, NULL);
}

static void
on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list,
             void *user)
{
    kafka_consumer *c = user;
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS && !atomic_load(&c->stopping)) {
        wr_log(WR_LOG_INFO, "kafka", "topic %s: %d of %d partitions assigned", c->config->topic,
               list->cnt, (int) c->partition_count);
        partitions_assign(c, list);
    } else {
        partitions_revoke(c);
    }
}

/* --- errors --- */

static void
on_error(rd_kafka_t *rk, int code, const char *reason, void *user)
{
    kafka_consumer     *c = user;
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t) code;
    char                text[256];
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        err = rd_kafka_fatal_error(rk, text, sizeof text);
        wr_kafka_consumer_fail(c, wr_kafka_status(err), text);
    } else if (!wr_kafka_is_passing(err) ||
               (c->partitions == NULL && (err == RD_KAFKA_RESP_ERR__SSL || wr_kafka_is_rejected(reason)))) {
        wr_kafka_consumer_fail(c, wr_kafka_status(err), reason);
        wr_mutex_lock(&c->lock);
        wr_kafka_hint(&c->failure, err, reason);
        wr_mutex_unlock(&c->lock);
    } else if (c->partitions == NULL) {
        if (err != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && strstr(c->newest, "security.protocol") == NULL) {
            snprintf(c->newest, sizeof c->newest, "%s", reason);
            c->newest_code = err;
        }
    } else if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && !atomic_exchange(&c->down, true)) {
        wr_log(WR_LOG_WARN, "kafka", "topic %s: no broker can be reached", c->config->topic);
        wr_mutex_lock(&c->lock);
        wr_kafka_consumer_ring(c);
        wr_mutex_unlock(&c->lock);
    }
}

/* --- the thread --- */

static void
look_for_brokers(kafka_consumer *c)
{
    const struct rd_kafka_metadata *m;
    if (rd_kafka_metadata(c->rk, 0, c->topic, &m, POLL_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    rd_kafka_metadata_destroy(m);
    atomic_store(&c->down, false);
    wr_log(WR_LOG_INFO, "kafka", "topic %s: the brokers are back", c->config->topic);
    wr_mutex_lock(&c->lock);
    wr_kafka_consumer_ring(c);
    wr_mutex_unlock(&c->lock);
}

static void
consumer_main(void *user)
{
    kafka_consumer *c = user;
    while (!atomic_load(&c->stopping)) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, POLL_MS);
        if (m != NULL) {
            if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR && !wr_kafka_is_passing(m->err))
                wr_kafka_consumer_fail(c, wr_kafka_status(m->err), rd_kafka_message_errstr(m));
            rd_kafka_message_destroy(m);
        }
        wr_kafka_pause_serve(c);
        wr_kafka_memory_look(&c->memory, wr_clock_system(), 0);
        if (atomic_load(&c->down) && !atomic_load(&c->stopping))
            look_for_brokers(c);
    }
}

/* --- opening --- */

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
    /* a full queue must not stop the fetcher for half a second; older versions know one pause alone */
    wr_kafka_conf_set(conf, user, "fetch.error.backoff.ms", "20");
    wr_kafka_conf_set(conf, user, "fetch.queue.backoff.ms", "5");
    snprintf(number, sizeof number, "%" PRId64, WR_MAX(partition_bytes / 1024, (int64_t) 1024));
    wr_kafka_conf_set(conf, &none, "queued.max.messages.kbytes", number);
    rd_kafka_conf_set_opaque(conf, c);
    wr_kafka_memory_watch(&c->memory, conf);
    rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    rd_kafka_conf_set_error_cb(conf, on_error);
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
        if (atomic_load(&c->failed) || wr_clock_monotonic(clock) >= until)
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
    wr_kafka_hint(err, c->newest_code, c->newest);
    return status;
}

/* How many partitions the topic has. */
static weir_status
partitions_count(kafka_consumer *c, int32_t *count, weir_error *err)
{
    const struct rd_kafka_metadata *m;
    rd_kafka_resp_err_t             code = metadata_ask(c, &m);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return metadata_failed(c, code, err);
    code = m->topic_cnt == 1 ? m->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    *count = m->topic_cnt == 1 ? m->topics[0].partition_cnt : 0;
    rd_kafka_metadata_destroy(m);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR && *count > 0)
        return WEIR_OK;
    wr_error_set(err, wr_kafka_status(code), "topic \"%s\" at %s: %s", c->config->topic,
                 c->config->brokers, rd_kafka_err2str(code));
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
    weir_status status;
    c->bounded = bounded;
    c->grouped = c->config->group != NULL && !alone;
    if (c->memory.reserved == 0)
        WR_TRY(queue_charge(c, err));
    int64_t guess = (int64_t) c->memory.reserved / PARTITIONS_GUESS;
    if (c->rk == NULL)
        WR_TRY(client_make(c, guess, err));
    status = partitions_count(c, &count, err);
    for (int i = 1; i < TOPIC_TRIES && status == WEIR_REMOTE; i++) {
        struct timespec pause = { .tv_nsec = TOPIC_PAUSE_US * 1000L };
        nanosleep(&pause, NULL);
        status = partitions_count(c, &count, err);
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

static weir_status
consumer_subscribe(kafka_consumer *c, weir_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->config->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ? WEIR_OK : offsets_failed(c, code, "subscribe", err);
}

weir_status
wr_kafka_consumer_begin(kafka_consumer *c, weir_error *err)
{
    wr_mutex_lock(&c->lock);
    bool begun = c->begun;
    c->begun = true;
    wr_mutex_unlock(&c->lock);
    if (begun)
        return WEIR_OK;
    if (c->grouped) {
        WR_TRY(consumer_subscribe(c, err));
    } else {
        rd_kafka_topic_partition_list_t *list =
            rd_kafka_topic_partition_list_new(c->partition_count);
        for (int32_t i = 0; i < c->partition_count; i++)
            rd_kafka_topic_partition_list_add(list, c->config->topic, i);
        partitions_assign(c, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    return wr_thread_start(&c->thread, "kafka", consumer_main, c, err);
}
