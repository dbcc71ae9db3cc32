/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/debezium.h -- Debezium's change events in JSON: what can be set, and the format.
 *
 * A record is a line (or one whole message) with an envelope: op, before, after, bare or below
 * "payload" beside "schema".  It becomes one row of a keyed source: c, u and r are the row in
 * `after`; d the one in `before`, of which the key alone counts.  A null is no row.
 */
#pragma once

#include "format/format.h"

typedef struct wr_debezium_decode_config {
    int     decimals; /* wr_debezium_decimals      */
    int     times;    /* wr_debezium_times         */
    int64_t record_bytes_max;
} wr_debezium_decode_config;

/* decimal.handling.mode and time.precision.mode of the connector, where the record has no schema. */
typedef enum wr_debezium_decimals { WR_DEBEZIUM_PRECISE, WR_DEBEZIUM_STRING } wr_debezium_decimals;
typedef enum wr_debezium_times {
    WR_DEBEZIUM_ADAPTIVE,
    WR_DEBEZIUM_ADAPTIVE_US,
    WR_DEBEZIUM_CONNECT,
} wr_debezium_times;

extern const wr_decoder_ops wr_debezium_decoder_ops;
