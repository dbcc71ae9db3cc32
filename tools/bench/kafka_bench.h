/* SPDX-License-Identifier: Apache-2.0 */
/* tools/bench/kafka_bench.h -- what the bare Kafka programs share: settings, clocks (see poll.c, relay.c, fetch.c). */
#pragma once

#include <librdkafka/rdkafka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

typedef struct bench_clock {
    double          cpu;
    struct timespec wall;
} bench_clock;

static inline double
bench_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double) (u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double) (u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static inline void
bench_begin(bench_clock *c)
{
    c->cpu = bench_cpu();
    clock_gettime(CLOCK_MONOTONIC, &c->wall);
}

/* Messages, seconds of CPU of the whole process, seconds of wall. */
static inline void
bench_print(const bench_clock *c, long messages)
{
    struct timespec now;
    double          cpu = bench_cpu() - c->cpu;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%ld %.3f %.3f\n", messages, cpu,
           (double) (now.tv_sec - c->wall.tv_sec) + (double) (now.tv_nsec - c->wall.tv_nsec) / 1e9);
    fflush(stdout);
}

static inline void
bench_set(rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    if (rd_kafka_conf_set(conf, name, value, text, sizeof text) == RD_KAFKA_CONF_OK)
        return;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static inline rd_kafka_conf_t *
bench_conf(const char *brokers)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bench_set(conf, "bootstrap.servers", brokers);
    return conf;
}

static inline rd_kafka_t *
bench_client(rd_kafka_type_t type, rd_kafka_conf_t *conf)
{
    char        text[256];
    rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);
    if (rk != NULL)
        return rk;
    fprintf(stderr, "%s\n", text);
    exit(1);
}

/* A consumer with the settings of connector/kafka's source. */
static inline rd_kafka_t *
bench_consumer(const char *brokers)
{
    static const char *const settings[][2] = {
        { "group.id", "weir-bench" },
        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },
        { "enable.partition.eof", "true" },
        { "auto.offset.reset", "error" },
        { "check.crcs", "true" },
        { "fetch.wait.max.ms", "100" },
        { "fetch.message.max.bytes", "1048576" },
        { "fetch.max.bytes", "4194304" },
        { "fetch.error.backoff.ms", "20" },
        { "queued.max.messages.kbytes", "32768" },
    };
    rd_kafka_conf_t *conf = bench_conf(brokers);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        bench_set(conf, settings[i][0], settings[i][1]);
    rd_kafka_t *rk = bench_client(RD_KAFKA_CONSUMER, conf);
    rd_kafka_poll_set_consumer(rk);
    return rk;
}

/* How many partitions a topic has; 0: no broker says. */
static inline int
bench_partitions(rd_kafka_t *rk, const char *name)
{
    const struct rd_kafka_metadata *meta;
    rd_kafka_topic_t               *topic = rd_kafka_topic_new(rk, name, NULL);
    int                             count = 0;
    if (rd_kafka_metadata(rk, 0, topic, &meta, 10000) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        count = meta->topics[0].partition_cnt;
        rd_kafka_metadata_destroy(meta);
    }
    rd_kafka_topic_destroy(topic);
    return count;
}

/* All of a topic, from its beginning. */
static inline void
bench_assign(rd_kafka_t *rk, const char *name, int partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; p++)
        rd_kafka_topic_partition_list_add(list, name, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(rk, list);
    rd_kafka_topic_partition_list_destroy(list);
}
