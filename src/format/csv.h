/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv.h -- comma- and tab-separated values: what can be set, and the formats.
 *
 * csv         RFC 4180 as PostgreSQL's COPY ... CSV reads it: fields in quotes may hold delimiters,
 *             newlines and doubled quotes; an unquoted field equal to the null text is NULL.
 * tsv         tabs, no quotes, backslash escapes (\t \n \r \\), \N for NULL, as COPY's text format.
 * Columns     with a header by name (exactly, else in any case; a column's path is its name in the
 *             header), else by position, those of upserts behind _op, which may be left out.  A
 *             record with another number of fields is bad.  Values are read by PostgreSQL's input
 *             rules, numbers in time columns by time_unit.
 * Encoding    the same backwards, PostgreSQL's text forms; rows of an upsert or changelog relation
 *             begin with the column _op, + or -, unless op is none.
 */
#pragma once

#include "format/format.h"

typedef struct wr_csv_decode_config {
    bool        header;
    const char *delimiter, *quote, *null_text; /* one byte; one byte or ""; any text */
    int         time_unit;                     /* wr_time_unit of cell_impl.h        */
    int64_t     record_bytes_max;              /* 0: WR_RECORD_BYTES_MAX             */
} wr_csv_decode_config;

typedef struct wr_csv_encode_config {
    bool        header;
    const char *delimiter, *quote, *null_text;
    int         op; /* 0 auto, 1 none */
} wr_csv_encode_config;

/* Can records be told apart so?  CONFIG_VALUE, with a hint. */
weir_status wr_csv_dialect_check(const char *delimiter, const char *quote, weir_error *err);

extern const wr_decoder_ops wr_csv_decoder_ops;
extern const wr_decoder_ops wr_tsv_decoder_ops;
extern const wr_encoder_ops wr_csv_encoder_ops;
extern const wr_encoder_ops wr_tsv_encoder_ops;
