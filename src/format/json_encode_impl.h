/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_encode_impl.h -- what the files of the JSON encoder share.
 *
 *   json_encode.c    options, what stands before each value, which rows come next, values of the rarer kinds
 *   json_rows_*      a block of rows as text, compiled for SSE and for AVX2
 *
 * A block is at most 32 rows.  Of columns whose values have a bounded width, all of its values are made first,
 * each in a slot that holds what stands before it, too; then the rows are put together by copying, with
 * room for all of them asked for once.
 */
#pragma once

#include "format/json.h"
#include "format/print_impl.h"

enum {
    JSON_BLOCK_ROWS = 32,
    JSON_COPIED = 32, /* bytes that are copied at once, however few count */
};
#define JSON_NULL UINT32_MAX

typedef enum json_value_kind {
    JSON_VALUE_NONE, /* the batch has no such column: NULL */
    JSON_VALUE_BOOL,
    JSON_VALUE_INT2,
    JSON_VALUE_INT4,
    JSON_VALUE_INT8,
    JSON_VALUE_FLOAT4,
    JSON_VALUE_FLOAT8,
    JSON_VALUE_DECIMAL,
    JSON_VALUE_DATE,
    JSON_VALUE_STAMP,
    JSON_VALUE_STAMPTZ,
    JSON_VALUE_TEXT,
    JSON_VALUE_RAW,   /* JSON already */
    JSON_VALUE_BOXED, /* as wr_value prints it */
} json_value_kind;

/* How a column's values come into the rows of a block. */
typedef enum json_way {
    JSON_WAY_SLOT,  /* from its slot, JSON_COPIED bytes at most */
    JSON_WAY_SLOT2, /* twice as many */
    JSON_WAY_SLOTS, /* more */
    JSON_WAY_TEXT,
    JSON_WAY_CALL, /* by wr_json_value_put */
} json_way;

/* A column that is written, and where its values are in the batch at hand. */
typedef struct json_column {
    const char *before; /* `,"name":`, and the quote that opens every value; JSON_COPIED more can be read */
    uint32_t before_length;
    uint32_t field;
    uint32_t slot_bytes;
    bool quoted;  /* `before` ends with a quote */
    uint8_t kind; /* json_value_kind            */
    uint8_t way;  /* json_way                   */
    char *slots;  /* JSON_BLOCK_ROWS, each begins with `before`; NULL: the type needs none */
    const void *data;
    const uint64_t *valid;
    const wr_column *column, *base;
    const uint32_t *index; /* of the block: where in data each row's value is, JSON_NULL */
    uint32_t own_index[JSON_BLOCK_ROWS];
    uint64_t lengths[JSON_BLOCK_ROWS]; /* of what is in the slots; 0: by wr_json_value_put */
} json_column;

typedef struct json_encoder json_encoder;
/* The block's rows behind put. */
typedef weir_status (*json_rows)(json_encoder *e, wr_put *put);

struct json_encoder {
    wr_encoder encoder; /* first */
    const wr_schema *schema;
    wr_budget *budget;
    bool with_op;      /* rows begin with "_op"              */
    bool skip_deletes; /* changes, but written without "_op" */
    bool lists;        /* ["+",[7,3]], a row              */
    bool as_text;      /* what is no number or boolean: PostgreSQL's text in quotes */
    json_rows rows_put;
    wr_arena arena;
    json_column *columns; /* without the hidden */
    uint32_t column_count;
    size_t row_room;  /* bytes of a row, but for what is longer than a slot */
    char head[2][16]; /* of a row that goes, and one that comes */
    char tail[8];
    uint32_t head_length, tail_length;
    wr_print_day day;
    wr_arena scratch;
    wr_text cell;
    uint32_t slots_begun; /* rows of slots that hold what stands before a value */
    /* the block */
    bool dense; /* its rows lie side by side */
    uint32_t row_count;
    uint32_t rows[JSON_BLOCK_ROWS];
    uint32_t visible[JSON_BLOCK_ROWS]; /* which of the rows asked for each is */
    uint32_t ends[JSON_BLOCK_ROWS];    /* in the text */
    uint8_t plus[JSON_BLOCK_ROWS];
    size_t block_room; /* bytes of it, but for what is longer than a slot */
};

/* 32 quotes, 32 backslashes, 32 times the last control. */
extern const uint8_t wr_json_escapes[3][32];

weir_status wr_json_rows_sse(json_encoder *e, wr_put *put);
weir_status wr_json_rows_avx2(json_encoder *e, wr_put *put);

/* The value of row r of the block, and what stands before it.  Leaves room for the block. */
weir_status wr_json_value_put(json_encoder *e, wr_put *put, const json_column *c, uint32_t r);
/* Value r into its slot; its length stays 0 when it does not fit. */
void wr_json_slot_fill(json_encoder *e, json_column *c, uint32_t r);
