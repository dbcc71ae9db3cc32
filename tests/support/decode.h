/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/decode.h -- drive a decoder as connectors do, and see rows and bad records as text.
 */
#pragma once

#include "config/option.h"
#include "format/format.h"

/* "a int8 not null, b numeric(12,2), c text '$.x.y'": names, types, paths. */
wr_schema *wr_decode_schema(wr_arena *arena, const char *columns);
/* A config with the table's defaults, and "key=value; key=value" over them; fails the test when
 * a value is refused. */
void *wr_decode_config(wr_arena *arena, const wr_option *options, size_t bytes,
                       const char *settings);

typedef struct wr_decoding {
    wr_arena             arena;
    const wr_decoder_ops *ops;
    const void          *config;
    wr_schema           *schema;
    uint64_t             needed[64];
    wr_decoder          *decoder;
    uint32_t             capacity;  /* rows a batch; 4096 */
    bool                 fresh;     /* a new decoder after every batch: it has learned nothing */
    wr_text              rows;      /* "1|x\n": what came out, NULL as `null`  */
    wr_text              bad;       /* "3002 text <record>\n"                  */
    uint32_t             row_count, bad_count;
} wr_decoding;

/* All columns needed. */
void wr_decoding_open(wr_decoding *d, const char *format, const char *columns,
                      const char *settings);
void wr_decoding_close(wr_decoding *d);
/* Back to the beginning, with a fresh decoder. */
void wr_decoding_reset(wr_decoding *d);
/* Decode as much of bytes as goes; *used of them are done. */
weir_status wr_decoding_feed(wr_decoding *d, const char *bytes, size_t n, bool last, size_t *used);
/* All of bytes, given in pieces of `piece` (0: in one), ending with last. */
weir_status wr_decoding_run(wr_decoding *d, const char *bytes, size_t n, size_t piece);
/* Messages, as connectors feed them (format.h, decode_messages): many at a time, and alone what is not taken so; alone: all are. */
weir_status wr_decoding_messages(wr_decoding *d, const wr_message *messages, uint32_t count, bool alone);
/* One batch of text's rows, all good; diffs NULL: all +1.  Owned by the caller. */
wr_batch *wr_decoding_batch(wr_decoding *d, const char *text, const int64_t *diffs);
/* Append the first `count` rows of columns. */
void wr_decoding_print(const wr_schema *schema, wr_column **columns, uint32_t count, wr_text *to);
