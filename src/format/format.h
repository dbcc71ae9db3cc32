/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/format.h -- bytes to columns and back: the two interfaces every format implements.
 *
 * Place       connectors hand bytes to a decoder through their lanes (connector/source.h); sinks and
 *             subscribers hand batches to an encoder.
 * Invariants  F1  a decoder never reads past the bytes it is given and never crashes on any input
 *             F2  a bad record is reported once, appends no row and does not disturb its neighbours
 *             F3  splitting the same bytes differently gives the same rows and the same bad records
 *             F4  only columns with needed[c] are filled; others stay NULL pointers in the batch
 */
#pragma once

#include "config/option.h"
#include "data/batch.h"

/* Rows under construction.  The decoder appends at `count`; columns are FLAT with room for `capacity` rows. */
typedef struct wr_decode_to {
    wr_column **columns;  /* schema->field_count; NULL where not needed */
    uint32_t    count, capacity;
    /* A record that cannot be decoded.  bytes/length is the record as far as known. */
    void (*bad)(void *user, weir_status_code code, const char *text, const char *bytes, size_t length);
    void       *user;
} wr_decode_to;

/* A record known to be whole. */
typedef struct wr_message {
    const char *bytes;
    size_t      length;
} wr_message;
enum { WR_MESSAGE_AHEAD = 1024 };

typedef struct wr_decoder wr_decoder;
typedef struct wr_decoder_ops {
    const char      *name;        /* "json", "csv", "tsv", "line", "msgpack" */
    const wr_option *options;
    size_t           config_bytes; /* of the struct the options fill */
    bool             keyed;        /* its rows replace each other: for sources with a key */
    weir_status (*check)(const void *config, weir_error *err); /* do its options fit together?  NULL: always */
    /* Borrows schema and config for the decoder's life.  needed: bit a column. */
    weir_status (*create)(const void *config, const wr_schema *schema, const uint64_t *needed,
                          wr_budget *budget, wr_decoder **out, weir_error *err);
    /*
     * Decode whole records from bytes[0..length) until the input or to->capacity is used up.
     * *consumed is where the next record begins.  last: no more bytes follow (end of file, or bytes
     * is one whole message); else an unfinished record at the end is left.
     * One message may hold many records (JSON lines or an array, MessagePack in a row).
     */
    weir_status (*decode)(wr_decoder *self, const char *bytes, size_t length, bool last,
                          wr_decode_to *to, size_t *consumed);
    /*
     * The fast way for many messages: rows of messages[0..count) for as long as each is one record of a kind that decode has
     * seen before, and there is room; how many were.  The next one is for decode.  WR_MESSAGE_AHEAD bytes behind each message
     * may be read, whatever they are.  NULL: there is none.
     */
    uint32_t (*decode_messages)(wr_decoder *self, const wr_message *messages, uint32_t count, wr_decode_to *to);
    /* What a fresh decoder must be told to go on in the middle of a stream (a CSV header), appended
     * to `to`; and telling it, before the first decode.  Both NULL: nothing.
     * Errors: MEMORY, CHECKPOINT_CORRUPT. */
    weir_status (*freeze)(const wr_decoder *self, wr_text *to);
    weir_status (*restore)(wr_decoder *self, const char *bytes, size_t length);
    void (*destroy)(wr_decoder *self);
} wr_decoder_ops;
/* Every decoder's struct begins with this. */
struct wr_decoder {
    const wr_decoder_ops *ops;
};

typedef struct wr_encoder wr_encoder;
typedef struct wr_encoder_ops {
    const char      *name;
    const wr_option *options;
    size_t           config_bytes;
    bool             appends;     /* it cannot say that a row is taken back */
    weir_status (*check)(const void *config, weir_error *err); /* do its options fit together?  NULL: always */
    weir_status (*create)(const void *config, const wr_schema *schema, wr_budget *budget,
                          wr_encoder **out, weir_error *err);
    /* What stands before the first row (a CSV header); may be NULL. */
    weir_status (*begin)(wr_encoder *self, wr_text *to);
    /* Append visible rows [from, from+count) to `to`; ends (if not NULL) gets the offset after each row,
     * so that a sink can cut messages.  Each row ends with the format's separator (newline). */
    weir_status (*encode)(wr_encoder *self, const wr_batch *batch, uint32_t from, uint32_t count,
                          wr_text *to, uint32_t *ends);
    void (*destroy)(wr_encoder *self);
} wr_encoder_ops;
struct wr_encoder {
    const wr_encoder_ops *ops;
};

const wr_decoder_ops *wr_decoder_find(const char *name); /* NULL: unknown */
const wr_encoder_ops *wr_encoder_find(const char *name);
const wr_decoder_ops *const *wr_decoder_all(uint32_t *count);
const wr_encoder_ops *const *wr_encoder_all(uint32_t *count);

enum { WR_RECORD_BYTES_MAX = 1 << 20 }; /* default limit of one record */
