/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector/kafka_sink_impl.h -- what the two files of the Kafka sink share.
 *
 *   kafka_sink.c      the producer: options, room, deliveries
 *   kafka_message.c   a batch into messages
 */
#pragma once

#include "connector/kafka_impl.h"

enum { KAFKA_SLICE = 256, KAFKA_BYTES_KEPT = 1 << 20 };

/* Handed over and not yet acknowledged. */
typedef struct kafka_outstanding {
    uint64_t messages, bytes;
} kafka_outstanding;

/* The messages of the batch under way. */
typedef struct kafka_messages {
    const wr_kafka_sink_config *config;
    wr_sink_ctx                *ctx;
    uint32_t                   *key; /* columns */
    uint32_t                    key_count, pack_bytes;
    bool                        text;
    wr_text                     values, keys, arrays;
    uint32_t                   *value_ends, *key_ends; /* by row, WR_BATCH_ROWS_MAX; without a key there are no keys */
    uint8_t                    *key_null;
    wr_arena                    scratch;
    uint32_t                    row; /* the first that is in no message yet */
    uint32_t                    slice_at, slice_count;
    rd_kafka_message_t          slice[KAFKA_SLICE]; /* those before slice_at are handed over */
} kafka_messages;

/* Which columns make a message's key: those that are named, or the key by which rows are replaced.  columns may be NULL. */
weir_status wr_kafka_key_columns(const wr_kafka_sink_config *c, const wr_schema *schema, uint32_t *columns,
                                 uint32_t *count, weir_error *err);

weir_status wr_kafka_messages_init(kafka_messages *g, const wr_kafka_sink_config *config, wr_sink_ctx *ctx,
                                   weir_error *err);
void        wr_kafka_messages_fini(kafka_messages *g); /* of a zeroed one: nothing */
/* Encode a batch; it must stay until the end. */
weir_status wr_kafka_messages_begin(kafka_messages *g, const wr_batch *batch);
/* Hand over what is left of it.  __QUEUE_FULL: call again; another error: the rows cannot be sent. */
rd_kafka_resp_err_t wr_kafka_messages_send(kafka_messages *g, const wr_batch *batch, rd_kafka_t *rk,
                                           rd_kafka_topic_t *topic, kafka_outstanding *out);
void                wr_kafka_messages_end(kafka_messages *g);
