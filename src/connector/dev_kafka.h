/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/dev_kafka.h -- the practice broker: librdkafka's mock cluster inside this process.
 *
 * For tutorials, demos and tests.  It keeps nothing on disk, has no transactions and no security,
 * and of each partition it keeps the newest 100,000 messages and 5 MB alone.  So that nothing is
 * lost unseen, a sink of this process that writes to it waits (wr_dev_kafka_has_room) while a
 * source of this process that reads the same topic is too far behind; others are not held.
 * One at a time in a process.
 */
#pragma once

#include "base/status.h"

typedef struct wr_dev_kafka_config {
    const char *const *topics; /* NULL-ended; made at once, others when they are written to */
    uint32_t           partitions; /* of each; 0: 4 */
} wr_dev_kafka_config;

weir_status wr_dev_kafka_start(const wr_dev_kafka_config *config, weir_error *err);
/* host:port, NULL when it does not run. */
const char *wr_dev_kafka_bootstrap(void);
/* What it is, for people: several lines. */
const char *wr_dev_kafka_banner(void);
void        wr_dev_kafka_stop(void);

/* For the connectors; brokers other than the practice broker's are passed over.  Threads: any. */
void wr_dev_kafka_consumed(const char *brokers, const char *topic, int32_t partition,
                           int64_t position);
void wr_dev_kafka_produced(const char *brokers, const char *topic, int32_t partition,
                           int64_t offset, uint64_t bytes);
/* outstanding: messages of the asking sink that are not acknowledged yet. */
bool wr_dev_kafka_has_room(const char *brokers, const char *topic, uint64_t outstanding,
                           uint64_t outstanding_bytes);
