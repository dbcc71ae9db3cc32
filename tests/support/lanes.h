/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support/lanes.h -- a source without a runtime: its lanes collect rows as text.
 *
 *     wr_lanes l;
 *     wr_lanes_open(&l, "file", "path=/tmp/x", "json", "a int8", 0);
 *     wr_lanes_run(&l, 5000, NULL);
 *     assert_string_equal(wr_lanes_rows(&l, 0), "1\n2\n");
 *     wr_lanes_close(&l);
 */
#pragma once

#include "connector/source.h"
#include "support/decode.h"

#include <poll.h>

enum { WR_LANES_MAX = 64 };

struct wr_lane {
    int32_t     partition;
    wr_decoder *decoder;
    wr_text     rows, bad;
    uint32_t    row_count, bad_count, batch_count;
    int64_t     last_offset; /* of the newest message's metadata, -1: none */
    wr_text     last_key;
    bool        caught_up, ended;
    bool        held; /* set by a test: it may not be read */
};

typedef struct wr_lanes {
    wr_source_ctx         ctx; /* first */
    const wr_source_ops  *ops;
    const wr_decoder_ops *format;
    const void           *config, *format_config;
    void                 *self, *shared;
    wr_arena              arena;
    wr_schema            *schema;
    uint64_t              needed[64];
    wr_lane               lanes[WR_LANES_MAX];
    uint32_t              lane_count;
    int64_t               room; /* rows there is room for yet; -1: any */
    bool                  coming; /* lanes are being dealt out */
    _Atomic wr_epoch      wanted; /* the newest checkpoint that was asked for: wr_lanes_answer, or nobody makes it */
    wr_epoch              answered;
    uint32_t              lost;   /* lanes that ended while no others were said to come */
    int                   fd;   /* wake_on */
    int                   bell[2];
    int64_t               wake_at; /* monotonic us; 0: none */
    wr_flow               flow;    /* the last poll's */
    bool                  with_offsets; /* "offset:" before each row */
    struct wr_lanes      *first;        /* whose `shared` this one has; NULL: its own */
} wr_lanes;

/* flags for open */
enum {
    WR_LANES_BOUNDED = 1,
    WR_LANES_SECOND_OF_TWO = 2,
    WR_LANES_FIRST_OF_TWO = 4,
    WR_LANES_KEYED = 8, /* messages without a value are rows: "-KEY" */
    WR_LANES_META = 16, /* somebody asks for messages' metadata: they come one at a time */
};

/* format: "csv" or "csv; header=true".  columns NULL: the source dictates them.  Fails the test when the source does not open. */
void wr_lanes_open(wr_lanes *l, const char *source, const char *settings, const char *format,
                   const char *columns, unsigned flags);
/* The second shard beside `first`, which was opened FIRST_OF_TWO with the same settings. */
void wr_lanes_open_beside(wr_lanes *l, wr_lanes *first, const char *settings, const char *columns);
/* The same, expecting failure: its status. */
weir_status wr_lanes_try(wr_lanes *l, const char *source, const char *settings, const char *format,
                         const char *columns, unsigned flags, weir_error *err);
void        wr_lanes_close(wr_lanes *l);
/* Poll, sleeping as the source asks, until it is done, fails, `until` holds, or time is up (false). */
bool        wr_lanes_run(wr_lanes *l, int timeout_ms, bool (*until)(wr_lanes *l));
/* At least `rows` rows and bad records together. */
bool        wr_lanes_run_rows(wr_lanes *l, int timeout_ms, uint32_t rows);
wr_lane    *wr_lanes_lane(wr_lanes *l, int32_t partition); /* fails the test when there is none */
const char *wr_lanes_rows(wr_lanes *l, int32_t partition);
const char *wr_lanes_bad(wr_lanes *l, int32_t partition);
uint32_t    wr_lanes_row_count(wr_lanes *l); /* of all lanes */
/* A snapshot as the runtime takes one; restore before the first run. */
void        wr_lanes_freeze(wr_lanes *l, wr_snapshot_writer *to);
/* The checkpoint that was asked for, if any, is made and durable. */
void        wr_lanes_answer(wr_lanes *l);
void        wr_lanes_restore(wr_lanes *l, const wr_snapshot_writer *from);
