/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/share.h -- equal parts of the views of a pipeline, lowered once.
 */
#pragma once

#include "engine/engine_impl.h"
#include "plan/share.h"

/* Cut equal parts out of the plans of the views from first_view on, before any is lowered. */
weir_status wr_pipeline_share(weir_pipeline *pipeline, uint32_t first_view);
/* Conditions that many scans of the views from first_view on, and of parts, have on one column, into an index. */
weir_status wr_pipeline_route(weir_pipeline *pipeline, uint32_t first_view);
/* A view into the job, the parts it reads before it. */
weir_status wr_pipeline_lower(weir_pipeline *pipeline, wr_planned *view, const wr_job_stream *stream,
                              weir_error *err);
/* A shared part by the name of its stream; NULL: there is none. */
wr_planned *wr_pipeline_part(const weir_pipeline *pipeline, const char *name);
/*
 * The segments whose work gives the view's rows: of the parts it reads, then its own; at counts from 0.
 * *charged: its state and CPU time are this view's (the first one's that reads the part).
 * false: no more.
 */
bool wr_planned_segment(const wr_planned *view, uint32_t at, uint32_t *segment, bool *charged);
