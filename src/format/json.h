/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json.h -- JSON: what can be set, and the two formats.
 *
 * Decoding    a record is one JSON object: newline-delimited, one after another, or the items of
 *             arrays; between records, blanks and the marks of an array ( [ , ] ) are skipped.
 *             A column takes the member of its name, or what its path leads to ('$.meta.channel',
 *             '$.items[0]', '$."odd key"', '$': the whole record).  Missing members are NULL,
 *             unknown ones are skipped, of repeated ones the last counts (all must fit).  A value
 *             is read by its column's type as PostgreSQL's json_populate_record does; besides, 1.0
 *             and 1e3 are integers, and a number is a time when time_unit says of which unit.
 * Encoding    an object a line, as wr_value_print_json has it.  Unless op is none, the rows of an
 *             upsert or changelog relation begin with "_op": "+" or "-", and a row with diff n
 *             stands |n| times; with none, what is taken back is left out.
 */
#pragma once

#include "format/format.h"

typedef struct wr_json_decode_config {
    int     time_unit;        /* wr_time_unit of cell_impl.h: none, s, ms, us, ns */
    int64_t record_bytes_max; /* 0: WR_RECORD_BYTES_MAX                           */
} wr_json_decode_config;

typedef struct wr_json_encode_config {
    int op;     /* 0 auto, 1 none     */
    int values; /* 0 json, 1 postgres */
    bool lists; /* no option: ["+",[7,3]], and so on, as the wire protocol has rows */
} wr_json_encode_config;

extern const wr_decoder_ops wr_json_decoder_ops;
extern const wr_encoder_ops wr_json_encoder_ops;
