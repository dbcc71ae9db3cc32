/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/rig.h -- a whole job of test operators, sources and sinks, and a runtime to run it.
 *
 *     rig r;
 *     rig_init(&r, RIG_WINDOWS);
 *     rig_partition(&r, 0, events, count);
 *     r.config.workers = 2;
 *     rig_start(&r);
 *     rig_run(&r);
 *     assert_string_equal(rig_text(&r), "...");
 *     rig_fini(&r);
 *
 * RIG_PASS      source -> pass -> sink
 * RIG_WINDOWS   source -> pass -> by hash of k -> pass, window -> sink; late rows to a sink of their own
 * RIG_UNION     two sources -> union -> by hash -> window -> sink
 * RIG_DIAMOND   source -> by hash -> window -> single union with the source's own rows -> sink
 * RIG_FORWARD   source -> window, no exchange (partition = key) -> sink
 */
#pragma once

#include "runtime/runtime.h"
#include "support/test_ops.h"

typedef enum rig_kind { RIG_PASS, RIG_WINDOWS, RIG_UNION, RIG_DIAMOND, RIG_FORWARD } rig_kind;

enum { RIG_PARTITIONS_MAX = 16, RIG_SOURCES_MAX = 2, RIG_SINKS_MAX = 3 };

typedef struct rig {
    wr_arena           arena;
    wr_budget         *state, *flow;
    wr_clock_virtual   clock;
    test_partition     partitions[RIG_SOURCES_MAX][RIG_PARTITIONS_MAX];
    test_source_config source_config[RIG_SOURCES_MAX];
    wr_source_binding  sources[RIG_SOURCES_MAX];
    uint32_t           source_count;
    test_collector     out, late, bad;
    wr_sink_binding    sinks[RIG_SINKS_MAX];
    uint32_t           sink_count;
    int64_t            window_us;
    wr_job             job;
    wr_runtime_config  config;
    wr_runtime        *rt;
    _Atomic uint32_t   finished, failed, checkpoints, stalled;
    weir_error         error; /* of create, start, or the newest FAILED or STALLED event */
    char              *text;  /* rig_text's */
} rig;

void        rig_init(rig *r, rig_kind kind);
void        rig_fini(rig *r); /* destroys the runtime */
void        rig_partition(rig *r, int32_t partition, const test_event *events, uint32_t count);
void        rig_partition_of(rig *r, uint32_t source, int32_t partition, const test_event *events,
                             uint32_t count);
weir_status rig_try_start(rig *r); /* create and start */
void        rig_start(rig *r);     /* the same; must succeed */
/* SEEDED: steps until nothing is ready.  THREADS: until finished or failed (30 s at most). */
void        rig_run(rig *r);
/* SEEDED: at most n steps; how many there were. */
uint32_t    rig_steps(rig *r, uint32_t n);
/* Move the virtual clock and run. */
void        rig_wait(rig *r, int64_t us);
/* Throw the runtime away as a crash would. */
void        rig_crash(rig *r);
/* Rows at the sink, sorted; distinct ones after a restart.  Valid until the next call. */
const char *rig_text(rig *r);
const char *rig_distinct(rig *r);
/* Fails the test and shows the first lines that differ. */
void        rig_assert_same(const char *got, const char *want);
/* The smallest buffers there are. */
void        rig_smallest(rig *r);
