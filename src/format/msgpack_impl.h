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
