/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower.h -- logical plan to job segments.
 *
 * A chain goes on through operators that keep rows where they are; where rows must meet (keyed
 * aggregation, join: by hash; global aggregation, sort: on one shard) the chain is cut and the two
 * halves are joined by an edge.  A filter and a project before an aggregate stay on the producer's side.
 */
#pragma once

#include "plan/plan.h"
#include "runtime/job.h"

typedef struct wr_lowering {
    wr_arena *arena;
    wr_job   *job; /* grows; streams of the relations a plan scans must be there already */
    wr_names  streams; /* of the job, by name */
    wr_names  strings; /* names in schemas of plans and jobs, each once */
    uint32_t  stream_capacity, segment_capacity;
} wr_lowering;

void        wr_lowering_init(wr_lowering *l, wr_arena *arena, wr_job *job);
/* Room for so many in all: lists that do not grow leave nothing behind in the arena. */
weir_status wr_lowering_reserve(wr_lowering *l, uint32_t streams, uint32_t segments);
/* Add a stream; returns its index in *index.  Of several with one name the first is found. */
weir_status wr_lowering_add_stream(wr_lowering *l, const wr_job_stream *stream, uint32_t *index);
/* By name; false: there is none. */
bool        wr_lowering_find_stream(const wr_lowering *l, const char *name, uint32_t *index);
/* Add the segments of one query; its rows go to stream `stream_index`.
 * A SCAN finds its stream by relation name. */
weir_status wr_lowering_add_plan(wr_lowering *l, const wr_plan *plan, const wr_plan_options *options,
                                 const char *name, uint32_t stream_index, weir_error *err);
/* The segments that make a stream of changes out of one of upserts (config->key of its schema). */
struct wr_normalise_config;
weir_status wr_lowering_add_normalise(wr_lowering *l, uint32_t upserts, const char *name,
                                      const struct wr_normalise_config *config,
                                      const wr_schema *output, uint32_t stream_index,
                                      weir_error *err);
/* Which columns of stream s any plan reads (bitmap, stream's field_count bits): projection into decoders. */
void        wr_lowering_needed(const wr_lowering *l, uint32_t stream_index, uint64_t *bitmap);
