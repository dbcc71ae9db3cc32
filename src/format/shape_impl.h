/* SPDX-License-Identifier: Apache-2.0 */
/*
 * format/shape_impl.h -- learned shapes: records of one producer look alike.
 *
 * Place       the JSON and MessagePack decoders read by shape first, and by their parser what fits
 *             none; the parser notes where the values of a record lay, so that it becomes a shape.
 * Shape       the exact bytes between the values of a record that the parser has accepted:
 *                 {"auction":1007,"price":5.25}   ->   `{"auction":` int8 `,"price":` numeric `}`
 *             Reading by a shape is comparing those bytes and reading the values: the format's
 *             kernel.  A few shapes are kept; the one that fitted most often of late is tried
 *             first.
 * Invariants  S1  a kernel accepts a record only if the parser does, and writes the same row
 *             S2  nothing is read at or after `end`: kernels load up to WR_SHAPE_AHEAD bytes, so
 *                 near `end` they run on a padded copy
 * Limits      WR_SHAPES_MAX shapes of WR_SHAPE_STEPS_MAX values, WR_SHAPE_LITERAL_MAX bytes between
 *             two of them
 */
#pragma once

#include "format/cell_impl.h"

enum {
    WR_SHAPES_MAX = 4,
    WR_SHAPE_AHEAD = 128, /* bytes a kernel may load beyond where it stands */
    WR_SHAPE_STEPS_MAX = 1024,
    WR_SHAPE_LITERAL_MAX = 512,
    WR_SHAPE_TAIL_MAX = 64 * 1024, /* longest piece of input copied to be padded */
};

/* One value of a shape, after the exact bytes that precede it. */
typedef struct wr_shape_step {
    uint32_t literal;      /* offset in the shape's literals, padded to whole 32 */
    uint32_t literal_mask; /* of its first 32 bytes                              */
    uint16_t literal_length;
    uint16_t field;
    uint8_t  kind; /* wr_cell_kind; OTHER where several columns read the value */
    uint8_t  depth; /* of containers around the value */
} wr_shape_step;

typedef struct wr_shape {
    wr_shape_step *steps;
    char          *literals;
    uint32_t       step_count;
    uint32_t       tail, tail_length; /* the bytes after the last value */
    uint16_t      *missing;           /* wanted columns that the shape has not */
    uint32_t       missing_count;
    uint32_t       hits; /* records that fitted, of late */
    uint32_t       serial; /* no other shape of the decoder has it, nor had; not 0 */
} wr_shape;

/* A value of the record being parsed, noted to learn its shape. */
typedef struct wr_shape_value {
    const char *begin, *after;
    uint16_t    field;
    uint8_t     kind, depth;
} wr_shape_value;

/* Where a decoder stands; the kernel moves row on through the run of records it reads. */
typedef struct wr_shapes {
    wr_budget       *budget;
    const wr_schema *schema;
    const bool      *wanted; /* by column */
    wr_shape         shapes[WR_SHAPES_MAX];
    uint32_t         count, first, victim, misses;
    uint32_t         learned; /* the last serial */
    bool             learning;
    wr_shape_value  *values;
    uint32_t         value_count, value_capacity;
    char            *padded;
    size_t           padded_capacity, pad; /* zeros behind what is copied there */
    size_t           last_bytes;           /* of the last record read */
    bool             near_end;             /* the kernel gave up because `end` was too close */
    uint32_t         row, row_end;         /* of the record being read; rows of the columns */
    const char      *stop;                 /* where the input ends; zeros may follow        */
    /* Text: where a kernel may write on, by column; of capacity 0 where it may not. */
    uint32_t         text_count;
    uint16_t        *text_fields;
    wr_buffer      **open_heaps;
} wr_shapes;

/* The records at p by `shape`, into rows from shapes->row on: the byte after the last, whose row
 * shapes->row then is; NULL: the first does not fit. */
typedef const char *(*wr_shape_kernel)(void *decoder, const wr_shape *shape, const char *p,
                                       const char *end);

/* Borrows schema, cells, wanted; small tables come from arena.  WEIR_MEMORY. */
weir_status wr_shapes_init(wr_shapes *s, wr_budget *budget, wr_arena *arena,
                           const wr_schema *schema, const wr_cell *cells, const bool *wanted);
void        wr_shapes_fini(wr_shapes *s);
/* Before the first record of a call: which heaps of the columns may be written on. */
void        wr_shapes_begin(wr_shapes *s, wr_column *const *columns, uint32_t row_end);
/* The record at p by a known shape, and those of that shape that follow: the byte after the last,
 * whose row s->row then is.  NULL: none fits (or it is bad: the parser tells). */
const char *wr_shapes_read(wr_shapes *s, wr_shape_kernel kernel, void *decoder, const char *p,
                           const char *end);

/* The one record [p, end), of which as many bytes more are readable as a kernel may load (WR_MESSAGE_AHEAD): the byte after
 * it, NULL: it fits no shape. */
const char *wr_shapes_read_one(wr_shapes *s, wr_shape_kernel kernel, void *decoder, const char *p,
                               const char *end);

/* --- learning --- */
/* Should the parser note the values of the record that fitted no shape? */
bool wr_shapes_want(wr_shapes *s);
/* A value of the record being parsed; kind WR_CELL_SKIP: nobody wants it. */
void wr_shapes_note(wr_shapes *s, wr_shape_value value);
/* Make a shape of the record just parsed, [begin, after), replacing the oldest when full; seen[f]
 * == record: it had column f. */
void wr_shapes_learn(wr_shapes *s, const char *begin, const char *after, const uint32_t *seen,
                     uint32_t record);

/* --- for kernels --- */
/* n bytes of text into the column's heap, through a new one where the open one is full. */
const char *wr_shapes_text_keep(wr_shapes *s, wr_column *c, uint32_t field, const char *bytes,
                                size_t n);
