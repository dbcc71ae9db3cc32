/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_consumer.c -- the one consumer that a source has in this process.
 *
 * Place       made before the shards, shared by them.  A thread of its own serves the client's main
 *             queue (assignments, errors), so that a shard that is held up holds up no rebalance.
 *             Messages do not pass it: each partition's queue is read by the partition's shard.
 * State       the partitions and who has them (kafka_assign.c), where they stand (kafka_offset.c).
 */
#include "base/log.h"
#include "connector/kafka_impl.h"

#include <stdio.h>
#include <string.h>

enum { POLL_MS = 500, CLOSE_US = 5000000, CLOSE_STEP_MS = 10 };

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

/* Leave the group, what is being committed first.  While the brokers are away the client would wait for them, for ever
 * where a commit is under way (2.0.2): false after some seconds. */
static bool
client_close(kafka_consumer *c)
{
    wr_clock         *clock = wr_clock_system();
    int64_t           until = wr_clock_monotonic(clock) + CLOSE_US;
    rd_kafka_queue_t *q = rd_kafka_queue_new(c->rk);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, q);
    bool              closed = error != NULL; /* there is nothing to close */
    while (!closed && wr_clock_monotonic(clock) < until) {
        rd_kafka_message_t *m = rd_kafka_consume_queue(q, CLOSE_STEP_MS);
        if (m != NULL)
            rd_kafka_message_destroy(m);
        closed = rd_kafka_consumer_closed(c->rk) != 0;
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_queue_destroy(q);
    return closed;
}

void
wr_kafka_consumer_destroy(kafka_consumer *c)
{
    wr_mutex_lock(&c->lock);
    atomic_store(&c->stopping, true);
    wr_cond_broadcast(&c->taken_back); /* nobody gives anything back any more */
    wr_mutex_unlock(&c->lock);
    if (c->rk != NULL) {
        wr_kafka_consumer_nudge(c);
        wr_thread_join(&c->thread);
        bool closed = client_close(c);
        for (int32_t i = 0; i < c->partition_count; i++)
            if (c->partitions[i].queue != NULL)
                rd_kafka_queue_destroy(c->partitions[i].queue);
        rd_kafka_topic_destroy(c->topic);
        rd_kafka_destroy_flags(c->rk, closed ? 0 : RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
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

void
wr_kafka_consumer_fail_locked(kafka_consumer *c, weir_status code, const char *text)
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
    wr_kafka_consumer_fail_locked(c, code, text);
    wr_mutex_unlock(&c->lock);
}

/* --- errors --- */

static void
consumer_fail_hinted(kafka_consumer *c, rd_kafka_resp_err_t err, const char *reason)
{
    wr_mutex_lock(&c->lock);
    bool first = !atomic_load(&c->failed);
    wr_kafka_consumer_fail_locked(c, wr_kafka_status(err), reason);
    if (first)
        wr_kafka_hint(&c->failure, err, reason);
    wr_mutex_unlock(&c->lock);
}

void
wr_kafka_consumer_error(rd_kafka_t *rk, int code, const char *reason, void *user)
{
    kafka_consumer     *c = user;
    rd_kafka_resp_err_t err = (rd_kafka_resp_err_t) code;
    char                text[256];
    if (err == RD_KAFKA_RESP_ERR__FATAL) {
        err = rd_kafka_fatal_error(rk, text, sizeof text);
        consumer_fail_hinted(c, err, text);
    } else if (!wr_kafka_is_passing(err) ||
               (c->partitions == NULL && (err == RD_KAFKA_RESP_ERR__SSL || wr_kafka_is_rejected(reason)))) {
        consumer_fail_hinted(c, err, reason);
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
                consumer_fail_hinted(c, m->err, rd_kafka_message_errstr(m));
            rd_kafka_message_destroy(m);
        }
        wr_kafka_pause_serve(c);
        wr_kafka_starve_serve(c);
        wr_kafka_memory_look(&c->memory, wr_clock_system(), 0);
        if (atomic_load(&c->down) && !atomic_load(&c->stopping))
            look_for_brokers(c);
    }
}

static weir_status
consumer_subscribe(kafka_consumer *c, weir_error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, c->config->topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(c->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? WEIR_OK
               : wr_error_set(err, wr_kafka_status(code), "topic %s: subscribe: %s",
                              c->config->topic, rd_kafka_err2str(code));
}

weir_status
wr_kafka_consumer_begin(kafka_consumer *c, wr_source_ctx *ctx, weir_error *err)
{
    wr_mutex_lock(&c->lock);
    bool begun = c->begun;
    c->begun = true;
    wr_mutex_unlock(&c->lock);
    if (begun)
        return WEIR_OK;
    c->stateful = ctx->stateful;
    if (c->grouped && !ctx->keeps)
        wr_log(WR_LOG_WARN, "kafka",
               "topic %s: without a data directory (--data) nothing is committed to group %s: a partition that "
               "comes from another member begins at `start`",
               c->config->topic, c->config->group);
    if (c->grouped) {
        WR_TRY(consumer_subscribe(c, err));
    } else {
        rd_kafka_topic_partition_list_t *list =
            rd_kafka_topic_partition_list_new(c->partition_count);
        for (int32_t i = 0; i < c->partition_count; i++)
            rd_kafka_topic_partition_list_add(list, c->config->topic, i);
        wr_kafka_partitions_assign(c, list);
        rd_kafka_topic_partition_list_destroy(list);
    }
    return wr_thread_start(&c->thread, "kafka", consumer_main, c, err);
}
