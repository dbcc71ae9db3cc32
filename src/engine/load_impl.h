/* SPDX-License-Identifier: Apache-2.0 */
/* engine/load_impl.h -- what load.c and load_source.c share. */
#pragma once

#include "engine/engine_impl.h"

/* A source of the file; its mistakes go into report. */
weir_status wr_load_source(weir_pipeline *pipeline, wr_spec_source *source, wr_report *report);

/* An error inside a text that stands in the YAML: exact in a | block, at the value otherwise. */
weir_status wr_load_report_sql(wr_report *report, const wr_node *node, const char *sql_file,
                               const char *text, size_t length, weir_status status,
                               const weir_error *err);
/* An error without a place of its own. */
weir_status wr_load_report_plain(wr_report *report, const wr_node *at, weir_status status,
                                 weir_error *err);
