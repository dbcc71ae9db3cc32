/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka.h -- Kafka topics, as source and as sink: what can be set.
 */
#pragma once

#include "connector/sink.h"
#include "connector/source.h"

typedef enum wr_kafka_start {
    WR_KAFKA_EARLIEST,
    WR_KAFKA_LATEST,
    WR_KAFKA_TIMESTAMP, /* start_time                                      */
    WR_KAFKA_COMMITTED, /* the group's offsets; none is an error           */
} wr_kafka_start;

typedef struct wr_kafka_source_config {
    const char   *brokers, *topic;
    const char   *group;      /* NULL: all partitions, no offsets kept in Kafka */
    int           start;      /* wr_kafka_start: where nothing says better      */
    const char   *start_time;
    int           on_gap;     /* 0 fail, 1 earliest */
    const char   *instance;   /* static membership: a restart takes its partitions back at once; NULL: none */
    int64_t       queue_bytes;
    wr_option_map properties; /* of librdkafka, from an allow-list */
} wr_kafka_source_config;

typedef enum wr_kafka_rows { WR_KAFKA_LINES, WR_KAFKA_ARRAY } wr_kafka_rows;

typedef struct wr_kafka_sink_config {
    const char    *brokers, *topic;
    wr_option_list key;     /* columns */
    wr_option_map  headers; /* of every message */
    int64_t        rows_per_message;
    int            rows_as; /* wr_kafka_rows */
    int            compression;
    int64_t        linger_us, queue_bytes;
    wr_option_map  properties;
} wr_kafka_sink_config;

extern const wr_source_ops wr_kafka_source_ops;
extern const wr_sink_ops   wr_kafka_sink_ops;
