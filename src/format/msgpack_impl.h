/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/msgpack_impl.h -- what the files of the MessagePack decoder share.
 *
 *   msgpack.c         options, records, the stream of them
 *   msgpack_token.c   tags and what follows them; skipping; values as JSON text
 *   msgpack_kernel_*  records by shape, compiled for SSE and for AVX2: msgpack_kernel_impl.h one record, whatever its values
 *                     are; msgpack_run_impl.h those of plain values; msgpack_rows_impl.h as many as there are
 *
 * Invariants  M1  no declared length or count is believed: lengths are checked against the bytes
 *                 that are there and the record limit, counts allocate nothing
 *             M2  nesting is at most MSGPACK_DEPTH_MAX, and is walked without recursion
 */
#pragma once

#include "format/cell_impl.h"
#include "format/msgpack.h"
#include "format/path_impl.h"
#include "format/shape_impl.h"

enum { MSGPACK_DEPTH_MAX = 32 };

typedef enum msgpack_kind {
    MSGPACK_NIL,
    MSGPACK_BOOL,
    MSGPACK_INTEGER,
    MSGPACK_BIG, /* above INT64_MAX */
    MSGPACK_FLOAT,
    MSGPACK_STRING,
    MSGPACK_BINARY,
    MSGPACK_LIST,
    MSGPACK_MAP,
    MSGPACK_EXTENSION,
} msgpack_kind;

typedef struct msgpack_token {
    msgpack_kind kind;
    int8_t       extension;
    uint32_t     count; /* LIST: items; MAP: pairs */
    bool         boolean;
    int64_t      integer;
    uint64_t     big;
    double       real;
    const char  *bytes; /* STRING, BINARY, EXTENSION */
    uint32_t     length;
} msgpack_token;

typedef enum msgpack_fault { MSGPACK_FINE, MSGPACK_SHORT, MSGPACK_WRONG, MSGPACK_NO_MEMORY } msgpack_fault;

/* How a step's value is read. */
typedef enum run_way {
    RUN_INT8,
    RUN_TEXT,
    RUN_STAMP,
    RUN_INT4,
    RUN_FLOAT8,
    RUN_BOOL,
    RUN_SKIP,
    RUN_OTHER, /* by the parser's leaf */
} run_way;

/* A step of a shape, and what it needs at hand (msgpack_run_impl.h). */
typedef struct run_step {
    const char    *literal;
    uint32_t       mask, length;
    void          *data;            /* of the column                                                  */
    uint64_t      *valid;           /* likewise                                                       */
    char          *to, *to_end;     /* where its long texts go on, and how far                        */
    uint8_t        way;             /* run_way                                                        */
    bool           steady;          /* its head is mostly the one of the record before                */
    uint16_t       head, head_mask; /* the first bytes of its value; RUN_HEAD_NONE: another each time */
    uint8_t        lead, shift;     /* bytes of the head; of an integer: what its value is shifted by */
    uint32_t       bytes;           /* of a value of that head, without it                            */
    uint32_t       rest;            /* bytes that must be readable behind its value, but for text     */
    uint32_t       bytes_max;       /* of a text                                                      */
    uint32_t       misses;          /* heads that were others, of late                                */
    uint32_t       varied_rows;     /* not steady: rows until it is tried again                       */
    uint32_t       first_row;       /* of the run                                                     */
    wr_buffer     *heap;
    wr_column     *column;
    const wr_shape_step *step;
} run_step;
enum { RUN_STEPS_MAX = 24 };

typedef struct msgpack_decoder {
    wr_decoder       decoder; /* first */
    const wr_schema *schema;
    wr_budget       *budget;
    size_t           record_bytes_max;
    bool             lists_rows; /* an array of containers is rows */
    wr_shape_kernel  kernel;
    wr_arena         arena;
    wr_cell         *cells;
    uint32_t        *seen;
    uint32_t         record;
    wr_paths         paths;
    wr_cell_scratch  scratch;
    wr_text          json;
    /* Of the record being read. */
    wr_column    **columns;
    msgpack_fault  fault;
    const char    *fault_text;
    weir_status    bad_code; /* well formed, but no row */
    char           bad_text[320];
    wr_shapes      shapes; /* holds the row, too */
    run_step       run_steps[RUN_STEPS_MAX]; /* of the shape that was read last in a run */
    uint32_t       run_serial, run_room;     /* 0: none; see run_bind                    */
    uint32_t       pairs_rest, pairs_wait; /* rows read one by one where two at once went wrong; those left of them */
} msgpack_decoder;

/* Each returns the byte after what it read, or NULL with the fault set. */
const char *wr_msgpack_fault(msgpack_decoder *d, msgpack_fault kind, const char *text);
/* A tag with its scalar; of a list or a map the tag alone. */
const char *wr_msgpack_token(msgpack_decoder *d, const char *p, const char *end, msgpack_token *t);
/* What belongs to a token already read: the items of containers. */
const char *wr_msgpack_skip(msgpack_decoder *d, const char *p, const char *end,
                            const msgpack_token *t, uint32_t depth);
/* The same, appended to d->json as JSON text. */
const char *wr_msgpack_to_json(msgpack_decoder *d, const char *p, const char *end,
                               const msgpack_token *t, uint32_t depth);
/* The value at p into column `field` and those beside it. */
const char *wr_msgpack_leaf(msgpack_decoder *d, const char *p, const char *end, int32_t field,
                            uint32_t depth);
/* wr_shape_kernel's; decoder is a msgpack_decoder. */
const char *wr_msgpack_kernel_sse(void *decoder, const wr_shape *shape, const char *p,
                                  const char *end);
const char *wr_msgpack_kernel_avx2(void *decoder, const wr_shape *shape, const char *p,
                                   const char *end);
/* Before a record: no fault, nothing bad. */
static inline void
wr_msgpack_begin(msgpack_decoder *d)
{
    d->fault = MSGPACK_FINE;
    d->bad_code = WEIR_OK;
    d->bad_text[0] = '\0';
    if (d->scratch.arena.bytes > 0)
        wr_arena_reset(&d->scratch.arena);
}
/* The time of a timestamp extension; false: it is none. */
bool wr_msgpack_time(const msgpack_token *t, wr_time *time);
