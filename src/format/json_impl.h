/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_impl.h -- what the files of the JSON decoder share.
 *
 *   json.c           options, framing: where records begin, where to go on after a bad one
 *   json_decode.c    the validating parser of one record; notes its values for shape_impl.h
 *   json_value.c     tokens, strings, leaves into cells
 *   json_kernel_*    records by shape, compiled for SSE and for AVX2
 *
 * Invariants  S1, S2 of shape_impl.h
 */
#pragma once

#include "format/cell_impl.h"
#include "format/json.h"
#include "format/path_impl.h"
#include "format/shape_impl.h"

enum { JSON_DEPTH_MAX = 64 };

typedef enum json_fault_kind { JSON_FINE, JSON_SHORT, JSON_SYNTAX, JSON_MEMORY } json_fault_kind;

typedef struct json_decoder {
    wr_decoder       decoder; /* first */
    const wr_schema *schema;
    wr_budget       *budget;
    size_t           record_bytes_max;
    wr_arena         arena; /* paths, cells: the decoder's life */
    wr_cell         *cells; /* by column */
    wr_paths         paths;
    uint32_t        *seen; /* by column: the record that had it */
    uint32_t         record;
    wr_cell_scratch  scratch;
    bool             scratch_used;
    wr_text          unescaped;
    /* Of the record being parsed. */
    wr_column      **columns;
    const char      *begin;
    json_fault_kind  fault;
    const char      *fault_at, *fault_text;
    weir_status      bad_code;  /* the record is well formed but cannot be a row; OK: it can */
    int32_t          bad_field; /* whose value did not fit, -1: no one column's              */
    char             bad_text[320];
    bool             skipping; /* an oversize record's rest, up to a newline */
    wr_shapes       shapes; /* holds the row, too */
    wr_shape_kernel kernel;
} json_decoder;

/* json_value.c: each returns the byte after what it read, or NULL with the fault set. */
const char *wr_json_fault(json_decoder *d, json_fault_kind kind, const char *at, const char *text);
const char *wr_json_string_read(json_decoder *d, const char *p, const char *end, const char **s,
                             size_t *n);
const char *wr_json_number_skip(json_decoder *d, const char *p, const char *end);
const char *wr_json_value_skip(json_decoder *d, const char *p, const char *end, unsigned depth);
/* The value at p into column `field` and those that share its place; what does not fit is
 * remembered (bad_code), not a fault. */
const char *wr_json_leaf_read(json_decoder *d, const char *p, const char *end, int32_t field,
                              unsigned depth);
/* The record is bad, but goes on: by column `field`, which could not take its value, or as a
 * whole (-1).  The first such thing counts. */
void wr_json_bad(json_decoder *d, weir_status code, int32_t field, const char *text);

/* json_decode.c: one record that begins with '{'. */
const char *wr_json_record_read(json_decoder *d, const char *p, const char *end);

/* wr_shape_kernel's; decoder is a json_decoder. */
const char *wr_json_kernel_sse(void *decoder, const wr_shape *shape, const char *p,
                               const char *end);
const char *wr_json_kernel_avx2(void *decoder, const wr_shape *shape, const char *p,
                                const char *end);

static inline bool
json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
static inline const char *
json_blanks_skip(const char *p, const char *end)
{
    while (p < end && json_is_blank(*p))
        p++;
    return p;
}
