/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/job.h -- what to run: streams, segments of operators, edges.  Lowering makes it, tests
 * build it by hand; the runtime knows no SQL.
 *
 * A segment is a chain of operators carried to completion by one task a shard.  Its first operator
 * may have several ports; each input feeds one port of it.  An input is a stream (read by a cursor,
 * shard to shard) or an edge from another segment (an exchange over single-producer rings).
 * A segment ends in a stream or in an edge.
 *
 * Invariants  J1  streams and segments are in topological order: a segment reads earlier ones only
 *             J2  configs live in the job's arena and are read-only while it runs
 */
#pragma once

#include "expr/selector.h"
#include "operator/operator.h"

typedef enum wr_partitioning {
    WR_FORWARD, /* shard i to shard i                    */
    WR_HASH,    /* by key group of `keys`                */
    WR_SINGLE,  /* everything to shard 0                 */
} wr_partitioning;

typedef struct wr_job_op {
    const wr_operator_ops *ops;
    const void            *config;
    const wr_schema       *output;
    int32_t                plan_id; /* of the node it was made for (wr_plan.number); 0: of none */
} wr_job_op;

typedef struct wr_job_input {
    bool             from_stream;
    uint32_t         index;        /* of the stream or segment                              */
    const uint32_t  *columns;      /* stream: the columns wanted, in order; NULL: all       */
    uint32_t         column_count;
    wr_partitioning  partitioning; /* segment inputs; a stream input is FORWARD             */
    const uint32_t  *keys;         /* HASH: columns of the producing segment's output       */
    uint32_t         key_count;
    const wr_selector *select;     /* stream: of its rows those alone that satisfy it, by the stream's columns;
                                    * NULL: all.  The only input of its segment                */
    bool             timeless;     /* its watermark holds nobody back: a lookup's right side */
    bool             awaited;      /* its end is what counts: until then it holds the watermark where it is */
} wr_job_input;

typedef struct wr_job_segment {
    const char   *name;        /* "per_auction/1"                                          */
    wr_job_input *inputs;      /* one a port of ops[0]                                     */
    uint32_t      input_count; /* >= 1, at most WR_OP_PORTS_MAX; or 0: a VALUES segment    */
    wr_job_op    *ops;         /* may be empty: a plain exchange                           */
    uint32_t      op_count;
    bool          single;      /* one shard instead of one a worker                        */
    int32_t       stream;      /* the stream it publishes to; -1: feeds edges alone        */
    bool          late_wanted; /* the late port of ops[late_op] goes to late_stream        */
    uint32_t      late_op, late_stream;
    bool          leaves_failed; /* rows that fail are left out, whatever the runtime's policy says */
    wr_batch     *values;      /* input_count 0: emitted once by shard 0, then the end     */
} wr_job_segment;

typedef enum wr_stream_origin { WR_FROM_SOURCE, WR_FROM_SEGMENT, WR_FROM_SIDE } wr_stream_origin;

typedef struct wr_job_stream {
    const char       *name;
    const wr_schema  *schema;
    wr_stream_origin  origin;
    uint32_t          origin_index; /* source number, segment number, or stream whose side it is     */
    int               side_port;    /* SIDE: WR_PORT_LATE or WR_PORT_BAD                    */
    uint64_t          retain_us;    /* kept for late subscribers; 0: only what readers need */
    uint64_t          bytes_max;    /* of each shard's ring                                 */
    uint64_t          state_bytes_max; /* SEGMENT: of all operators whose rows end here; 0: none */
    bool              shed;         /* at that limit leave rows out instead of failing      */
    bool              view;         /* somebody asked for it: when all of these have failed, so has the job */
} wr_job_stream;

typedef struct wr_job {
    const char     *name;
    wr_job_stream  *streams;
    uint32_t        stream_count;
    wr_job_segment *segments;
    uint32_t        segment_count;
    uint64_t        fingerprint; /* of plans and schemas: a checkpoint of another one is refused */
} wr_job;
