/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv.h -- comma- and tab-separated values: what can be set, and the formats.
 *
 * csv         RFC 4180 as PostgreSQL's COPY ... CSV reads it: fields in quotes may hold delimiters,
 *             newlines and doubled quotes; an unquoted field equal to the null text is NULL.
 * tsv         tabs, no quotes, backslash escapes (\t \n \r \\), \N for NULL, as COPY's text format.
 * Columns     with a header by name (exactly, else in any case; a column's path is its name in the
 *             header; a name that stands twice goes to the columns of that path in turn), else by
 *             position, those of upserts behind _op, which may be left out.  A record with another
 *             number of fields is bad, and so is each below a header that names no column.  Values
 *             are read by PostgreSQL's input rules, numbers in time columns by time_unit.
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

/* A field of a record as wr_csv_look shows it, without quotes and escapes. */
typedef struct wr_csv_seen {
    uint32_t    record, field, count; /* record 0 is the header; count: fields of the record */
    const char *text;                 /* until the call returns                              */
    size_t      length;
    bool        quoted, null;
} wr_csv_seen;
typedef void (*wr_csv_see)(void *user, const wr_csv_seen *seen);

/* Show each field of bytes, which begin with a header and end with a whole record, to see.  Borrows all.  MEMORY. */
weir_status wr_csv_look(const wr_csv_decode_config *config, const char *bytes, size_t length, wr_budget *budget,
                        wr_csv_see see, void *user);

/* Can records be told apart so?  CONFIG_VALUE, with a hint. */
weir_status wr_csv_dialect_check(const char *delimiter, const char *quote, weir_error *err);

extern const wr_decoder_ops wr_csv_decoder_ops;
extern const wr_decoder_ops wr_tsv_decoder_ops;
extern const wr_encoder_ops wr_csv_encoder_ops;
extern const wr_encoder_ops wr_tsv_encoder_ops;
