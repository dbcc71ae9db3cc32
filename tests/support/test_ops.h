/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/test_ops.h -- small operators, a replayable source and a collecting sink for tests of the runtime.
 *
 * Events are (k int8, v int8, ts timestamptz, w timestamptz); w = ts - test_delay_us is what the watermark
 * expression reads.  The source's partitions are arrays of events; its position is an index, so it
 * can be restored.  The sink writes what it is given to a collector
 * that outlives the runtime, as text rows.
 *
 * Windows: the operator "test_window" counts and sums v by key in tumbling windows; a window [s, s+size)
 * is emitted when s + size <= watermark; a row is late when its window's end <= the watermark that
 * judges it.  Output (e timestamptz, k int8, n int8, s int8); late rows go to the late port.
 */
#pragma once

#include "connector/sink.h"
#include "connector/source.h"
#include "operator/operator.h"
#include "base/thread.h"

typedef struct test_event {
    int64_t k, v;
    wr_time ts; /* INT64_MIN: NULL */
} test_event;

extern int64_t test_delay_us;

extern const wr_operator_ops test_pass_ops;   /* hands on each batch; no config       */
extern const wr_operator_ops test_window_ops; /* config: int64_t, the window's size   */
extern const wr_operator_ops test_window_each_ops; /* the same, but it asks for each watermark */
extern const wr_operator_ops test_union_ops;  /* any ports; no config                 */
extern const wr_operator_ops test_limit_ops;  /* config: uint64_t rows, then DONE     */
extern const wr_operator_ops test_fail_ops;   /* fails at the row whose v is the config's int64_t */

/* --- source "test": partition p to shard p % shard_count --- */
typedef struct test_partition {
    const test_event *events;
    uint32_t          count;
    _Atomic uint64_t *limit; /* rows it may give so far; then it is silent, not at its end; NULL: all */
} test_partition;

typedef struct test_source_config {
    const test_partition *partitions;
    uint32_t              partition_count;
    uint32_t              rows_a_poll;  /* 0: 100                                           */
    bool                  ask;          /* may_read, before each partition                  */
    bool                  follow;       /* at the end: caught up and WAIT, instead of DONE  */
    bool                  text;         /* feed "k,v,ts\n" through a decoder; v = -1: a bad record */
    _Atomic uint64_t     *limit;        /* rows a partition may give so far; NULL: all      */
    _Atomic wr_epoch     *committed;    /* newest heard of; may be NULL                     */
} test_source_config;
extern const wr_source_ops  test_source_ops;
extern const wr_decoder_ops test_decoder_ops; /* "k,v,ts" lines */

/* --- sink "test" --- */
typedef struct test_collector {
    wr_mutex        lock;
    char          **rows; /* malloc'd; "e|k|n|s" */
    uint32_t        count, capacity;
    uint32_t        batches;
    _Atomic bool    stalled; /* write says AGAIN, flush WAIT           */
    _Atomic bool    refuse;  /* write fails                            */
    wr_sink_ctx    *ctx;     /* to wake it                             */
    _Atomic uint64_t flushes;
} test_collector;
void test_collector_init(test_collector *c);
void test_collector_fini(test_collector *c);
void test_collector_clear(test_collector *c);
/* Let it go on after a stall. */
void test_collector_resume(test_collector *c);
/* All rows, sorted, each once when distinct, as one malloc'd string with newlines. */
char *test_collector_text(test_collector *c, bool distinct);
extern const wr_sink_ops test_sink_ops; /* config: test_collector */

/* --- schemas and batches --- */
wr_schema *test_event_schema(wr_arena *arena);  /* time_column 2, watermark column 3 */
wr_schema *test_window_schema(wr_arena *arena);
wr_batch  *test_event_batch(wr_budget *budget, const test_event *events, uint32_t count);
