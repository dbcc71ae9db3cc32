/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/json_impl.h -- what the files of the JSON decoder share.
 *
 *   json.c           options, framing: where records begin, where to go on after a bad one
 *   json_decode.c    the validating parser of one record; learns shapes
 *   json_value.c     tokens, strings, leaves into cells
 *   json_template.c  learned shapes; json_kernel.h is their inner loop, compiled for SSE and AVX2
 *
 * Invariants  D1  a template accepts a record only if the parser does, and writes the same row
 *             D2  nothing is read at or after `end`; kernels load up to JSON_AHEAD bytes, so they
 *                 run on a padded copy where that would cross it
 */
#pragma once

#include "format/cell_impl.h"
#include "format/json.h"
#include "format/path_impl.h"

enum {
    JSON_DEPTH_MAX = 64,
    JSON_AHEAD = 128,      /* bytes a kernel may load beyond where it stands */
    JSON_SHAPES_MAX = 4,
    JSON_STEPS_MAX = 1024, /* of one shape */
    JSON_LITERAL_MAX = 512, /* bytes between two values of a shape */
    JSON_TAIL_MAX = 64 * 1024, /* longest piece of input copied to be padded */
};

/* One value of a learned shape, after the exact bytes that precede it. */
typedef struct json_step {
    uint32_t literal;      /* offset in the shape's literals, padded to whole 32 */
    uint32_t literal_mask; /* of its first 32 bytes                              */
    uint16_t literal_length;
    uint16_t field;
    uint8_t  kind; /* wr_cell_kind; OTHER where several columns read the value */
} json_step;

/* A value of the record being parsed, noted to learn its shape. */
typedef struct json_learned {
    const char *begin, *after;
    uint16_t    field;
    uint8_t     kind;
} json_learned;

typedef struct json_shape {
    json_step *steps;
    char      *literals;
    uint32_t   step_count;
    uint32_t   tail, tail_length; /* the bytes after the last value */
    uint16_t  *missing;           /* wanted columns that the shape has not */
    uint32_t   missing_count;
    uint32_t   hits; /* records that fitted, of late */
} json_shape;

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
    uint32_t         row;     /* a run by shape moves it to its last record's */
    uint32_t         row_end; /* rows of the columns                          */
    uint32_t         text_count;
    uint16_t        *text_fields; /* wanted columns of text */
    wr_buffer      **open_heaps; /* by column: where the kernel may put text; capacity 0: none */
    const char      *begin;
    json_fault_kind  fault;
    const char      *fault_at, *fault_text;
    weir_status      bad_code;  /* the record is well formed but cannot be a row; OK: it can */
    int32_t          bad_field; /* whose value did not fit, -1: no one column's              */
    char             bad_text[320];
    bool             skipping; /* an oversize record's rest, up to a newline */
    /* Shapes. */
    json_shape  shapes[JSON_SHAPES_MAX];
    uint32_t    shape_count, shape_first, shape_victim, misses;
    bool        learning;
    json_learned *learned;
    uint32_t      learned_count, learned_capacity;
    char         *padded;
    size_t        padded_capacity, pad; /* zeros behind what is copied there */
    size_t        last_bytes;           /* of the last record read */
    const char *(*kernel)(struct json_decoder *d, const json_shape *shape, const char *p,
                          const char *end);
    bool near_end; /* the kernel gave up because `end` was too close */
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

/* json_template.c */
/* Before the first record of a call: which heaps of the columns may be written on. */
void wr_json_heaps_open(json_decoder *d);
/* n bytes of text into the column's heap, through a new one where the open one is full. */
const char *wr_json_text_keep(json_decoder *d, wr_column *c, uint32_t field, const char *s,
                              size_t n);
void wr_json_shapes_init(json_decoder *d);
void wr_json_shapes_fini(json_decoder *d);
/* Should the parser note the values of the record that fitted no shape? */
bool wr_json_shapes_want(json_decoder *d);
/* Note a value of the record being parsed. */
void wr_json_step_learn(json_decoder *d, const char *begin, const char *after, uint32_t node);
/* The record at p by a known shape, and those of that shape on the lines after it: the byte after
 * the last, whose row d->row then is.  NULL: none fits (or it is bad: the parser tells). */
const char *wr_json_shapes_read(json_decoder *d, const char *p, const char *end);
/* Make a shape of the record just parsed, [d->begin, after), replacing the oldest when full. */
void        wr_json_shapes_learn(json_decoder *d, const char *after);
const char *wr_json_kernel_sse(json_decoder *d, const json_shape *shape, const char *p,
                            const char *end);
const char *wr_json_kernel_avx2(json_decoder *d, const json_shape *shape, const char *p,
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
