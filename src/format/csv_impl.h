/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/csv_impl.h -- the CSV decoder's parts: what csv.c (life, framing), csv_scan.c (bytes to fields)
 * and csv_row.c (fields to columns) share.
 */
#pragma once

#include "format/cell_impl.h"
#include "format/csv.h"

enum { WR_CSV_NO_COLUMN = -1 };

typedef struct wr_csv_field {
    const char *raw, *text; /* as it stands in the input; without quotes and escapes */
    uint32_t    raw_length, length;
    size_t      unescaped_at; /* text's place in `unescaped`, while that may still move */
    bool        plain;        /* text is raw */
} wr_csv_field;

typedef struct wr_csv_run wr_csv_run; /* csv_run_impl.h */

typedef struct wr_csv_decoder {
    wr_decoder       decoder; /* first */
    const wr_schema *schema;
    wr_budget       *budget;
    char             delimiter, quote; /* quote '\0': backslash escapes */
    const char      *null_text;
    size_t           null_length, record_bytes_max;
    bool             header_wanted, started, skipping;
    bool             nameless; /* the header named no column: no row can be read */
    wr_text          header; /* its record, once read */
    bool            *wanted;
    wr_cell         *cells;
    bool            *given;     /* by column: some field goes there */
    int32_t         *column_of; /* by field, of field_count */
    uint32_t         field_count;
    int32_t          op_column; /* by position: the column of field 0, which may be absent; -1: none */
    wr_csv_field       *fields; /* of the record being read */
    uint32_t         fields_read, fields_capacity;
    wr_text          unescaped;
    wr_cell_scratch  scratch;
    wr_arena         arena;
    wr_csv_run      *run; /* NULL: records are read one by one */
    uint32_t         run_bytes;
    char            *tail;
    void           (*indexer)(wr_csv_run *run, char delimiter, char escape, bool quote);
} wr_csv_decoder;

typedef enum wr_csv_scan {
    WR_CSV_SCAN_FIELD,  /* a delimiter ended it                */
    WR_CSV_SCAN_RECORD, /* the end of the line                 */
    WR_CSV_SCAN_SHORT,  /* the input ended, outside quotes     */
    WR_CSV_SCAN_OPEN,   /* the input ended, inside quotes      */
    WR_CSV_SCAN_MEMORY
} wr_csv_scan;

/* csv_scan.c */
/* Room for `count` fields of a record. */
weir_status wr_csv_fields_reserve(wr_csv_decoder *d, uint32_t count);
/* The record at p into d->fields; *after is where the next one begins, or the input's end. */
wr_csv_scan wr_csv_record_scan(wr_csv_decoder *d, const char *p, const char *end,
                               const char **after);

/* csv_row.c */
/* The record in d->fields names the columns.  *named: how many it knew. */
weir_status wr_csv_header_read(wr_csv_decoder *d, uint32_t *named);
/* The record in d->fields as a row of `to`, whose count the caller moves; a bad one is told in text. */
weir_status wr_csv_row_put(wr_csv_decoder *d, wr_decode_to *to, char *text, size_t room);

/* csv_run.c */
weir_status wr_csv_run_make(wr_csv_decoder *d);
/* Plain records at p as rows of `to`, whose count moves.  *used: their bytes, 0: the record at p is not plain. */
weir_status wr_csv_run_take(wr_csv_decoder *d, const char *p, const char *end, bool last, wr_decode_to *to,
                            size_t *used);

/* What a backslash and c stand for. */
static inline char
wr_csv_unescape(char c)
{
    static const char names[] = "tnrbfv\\", values[] = "\t\n\r\b\f\v\\";
    const char       *name = c != '\0' ? strchr(names, c) : NULL;
    return name != NULL ? values[name - names] : c;
}

static inline bool
wr_csv_is_number(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool digit = s[i] >= '0' && s[i] <= '9';
        if (!digit && s[i] != '.' && (i > 0 || s[i] != '-'))
            return false;
    }
    return n > 0 && s[n - 1] >= '0' && s[0] != '.';
}
