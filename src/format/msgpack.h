/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack.h -- MessagePack rows: what can be set, and the formats.
 *
 * Decoding    a record is a map (columns by key or path, as in JSON) or an array (columns by
 *             position, all of them, those of upserts behind _op, which may be left out); records
 *             follow one another.  Values are read by their
 *             column's type: numbers and strings as JSON's are, binary into bytea and text,
 *             timestamps (extension -1) into times, maps and arrays into json, array and text.
 * Encoding    a map a row, or an array.  numeric is a string of its digits, timestamps are extension
 *             -1, jsonb and arrays are maps and arrays, dates and the rest strings.  Rows of an
 *             upsert or changelog relation begin with _op, "+" or "-", unless op is none.
 */
#pragma once

#include "format/format.h"

typedef struct wr_msgpack_decode_config {
    int     time_unit;        /* wr_time_unit of cell_impl.h */
    int64_t record_bytes_max; /* 0: WR_RECORD_BYTES_MAX      */
} wr_msgpack_decode_config;

typedef struct wr_msgpack_encode_config {
    int layout; /* 0 map, 1 array */
    int op;     /* 0 auto, 1 none */
} wr_msgpack_encode_config;

extern const wr_decoder_ops wr_msgpack_decoder_ops;
extern const wr_encoder_ops wr_msgpack_encoder_ops;
