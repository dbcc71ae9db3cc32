/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/dev_kafka.c -- the practice broker (see dev_kafka.h).
 *
 * State       the mock cluster, and of each partition that a source of this process reads how far it
 *             has come and how far it has been written: half of what the mock keeps may lie between.
 */
#include "connector/dev_kafka.h"

#include "base/thread.h"

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <string.h>

enum {
    PARTITIONS = 4,
    TRACKED_MAX = 256,
    TOPIC_BYTES_MAX = 128,
    BEHIND_MESSAGES_MAX = 50000,  /* the mock keeps 100,000 */
    BEHIND_BYTES_MAX = 5 << 19,   /* and 5 MiB              */
    OUTSTANDING_MAX = 4096,       /* all these may go to one partition */
    OUTSTANDING_BYTES_MAX = 1 << 20,
};

typedef struct tracked {
    char     topic[TOPIC_BYTES_MAX];
    int32_t  partition;
    int64_t  read, written; /* offsets; read -1: nobody reads it */
    uint64_t message_bytes; /* a moving average */
} tracked;

static struct {
    pthread_mutex_t           lock;
    rd_kafka_t               *rk;
    rd_kafka_mock_cluster_t  *cluster;
    char                      bootstrap[256], banner[1024];
    tracked                   partitions[TRACKED_MAX];
    uint32_t                  count;
} broker = { .lock = PTHREAD_MUTEX_INITIALIZER };

weir_status
wr_dev_kafka_start(const wr_dev_kafka_config *config, weir_error *err)
{
    char text[256];
    if (broker.cluster != NULL)
        return wr_error_set(err, WEIR_STATE_RUNNING, "the practice broker is running already");
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    (void) rd_kafka_conf_set(conf, "log_level", "3", text, sizeof text);
    (void) rd_kafka_conf_set(conf, "client.id", "weir-dev-kafka", text, sizeof text);
    broker.rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    if (broker.rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return wr_error_set(err, WEIR_INTERNAL, "%s", text);
    }
    broker.cluster = rd_kafka_mock_cluster_new(broker.rk, 1);
    if (broker.cluster == NULL) {
        rd_kafka_destroy(broker.rk);
        return wr_error_set(err, WEIR_CONNECT, "the practice broker cannot listen");
    }
    int partitions = config->partitions > 0 ? (int) config->partitions : PARTITIONS;
    for (const char *const *t = config->topics; t != NULL && *t != NULL; t++) {
        rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(broker.cluster, *t, partitions, 1);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            wr_error_set(err, WEIR_CONFIG_VALUE, "topic \"%s\": %s", *t, rd_kafka_err2str(code));
            wr_dev_kafka_stop();
            return WEIR_CONFIG_VALUE;
        }
    }
    snprintf(broker.bootstrap, sizeof broker.bootstrap, "%s",
             rd_kafka_mock_cluster_bootstraps(broker.cluster));
    snprintf(broker.banner, sizeof broker.banner,
             "The practice broker listens on %s.\n"
             "It is librdkafka's mock inside this process: for learning and trying out, never for "
             "data you keep.\n"
             "Nothing is kept on disk; of each partition only the newest 5 MB (100,000 messages) are "
             "kept at all.\n"
             "Weir's own sinks wait for Weir's own sources of this process rather than overrun them;\n"
             "other programs must keep up by themselves.  No transactions, no TLS, no passwords.\n",
             broker.bootstrap);
    return WEIR_OK;
}

const char *
wr_dev_kafka_bootstrap(void)
{
    return broker.cluster != NULL ? broker.bootstrap : NULL;
}

const char *
wr_dev_kafka_banner(void)
{
    return broker.banner;
}

void
wr_dev_kafka_stop(void)
{
    if (broker.cluster == NULL)
        return;
    rd_kafka_mock_cluster_destroy(broker.cluster);
    rd_kafka_destroy(broker.rk);
    pthread_mutex_lock(&broker.lock);
    broker.cluster = NULL;
    broker.rk = NULL;
    broker.count = 0;
    memset(broker.partitions, 0, sizeof broker.partitions);
    pthread_mutex_unlock(&broker.lock);
}

/* --- how far readers are behind --- */

static bool
is_ours(const char *brokers)
{
    return broker.cluster != NULL && strcmp(brokers, broker.bootstrap) == 0;
}

/* Under the lock; NULL when there is no place for another one. */
static tracked *
tracked_get(const char *topic, int32_t partition)
{
    for (uint32_t i = 0; i < broker.count; i++) {
        tracked *t = &broker.partitions[i];
        if (t->partition == partition && strcmp(t->topic, topic) == 0)
            return t;
    }
    if (broker.count == TRACKED_MAX || strlen(topic) >= TOPIC_BYTES_MAX)
        return NULL;
    tracked *t = &broker.partitions[broker.count++];
    *t = (tracked){ .partition = partition, .read = -1 };
    snprintf(t->topic, sizeof t->topic, "%s", topic);
    return t;
}

void
wr_dev_kafka_consumed(const char *brokers, const char *topic, int32_t partition, int64_t position)
{
    if (!is_ours(brokers))
        return;
    pthread_mutex_lock(&broker.lock);
    tracked *t = tracked_get(topic, partition);
    if (t != NULL)
        t->read = WR_MAX(t->read, position);
    pthread_mutex_unlock(&broker.lock);
}

void
wr_dev_kafka_produced(const char *brokers, const char *topic, int32_t partition, int64_t offset,
                      uint64_t bytes)
{
    if (!is_ours(brokers))
        return;
    pthread_mutex_lock(&broker.lock);
    tracked *t = tracked_get(topic, partition);
    if (t != NULL) {
        t->written = WR_MAX(t->written, offset + 1);
        t->message_bytes = t->message_bytes == 0 ? bytes : (t->message_bytes * 15 + bytes) / 16;
    }
    pthread_mutex_unlock(&broker.lock);
}

bool
wr_dev_kafka_has_room(const char *brokers, const char *topic, uint64_t outstanding,
                      uint64_t outstanding_bytes)
{
    bool room = outstanding < OUTSTANDING_MAX && outstanding_bytes < OUTSTANDING_BYTES_MAX;
    if (!is_ours(brokers))
        return true;
    pthread_mutex_lock(&broker.lock);
    for (uint32_t i = 0; i < broker.count && room; i++) {
        const tracked *t = &broker.partitions[i];
        if (t->read < 0 || strcmp(t->topic, topic) != 0)
            continue;
        int64_t behind = t->written - t->read;
        room = behind < BEHIND_MESSAGES_MAX &&
               (uint64_t) WR_MAX(behind, 0) * t->message_bytes < BEHIND_BYTES_MAX;
    }
    pthread_mutex_unlock(&broker.lock);
    return room;
}
