/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_impl.h -- reading a pipeline file, shared by the files that read its parts.
 *
 * Every reader fills its struct by tables, reports each mistake with its place, goes on as far as it
 * can, and returns the status of the first.
 */
#pragma once

#include "engine/spec.h"

typedef struct wr_spec_reader {
    wr_arena *arena;
    wr_report *report;
    const char *const *inputs, *const *outputs; /* as wr_spec_read has them */
} wr_spec_reader;

weir_status
wr_spec_source_read(wr_spec_reader *r, const wr_node *key, const wr_node *map, wr_spec_source *s);
weir_status
wr_spec_view_read(wr_spec_reader *r, const wr_node *key, const wr_node *map, wr_spec_view *v);
weir_status
wr_spec_sink_read(wr_spec_reader *r, const wr_node *key, const wr_node *map, wr_spec_sink *s);
/* The addresses of `serve`, and who may come (spec_serve.c): mistakes go into the report. */
void wr_spec_serve_check(wr_spec_reader *r, const wr_spec *spec, const wr_node *serve);
/* `--output VIEW=FILE`: a sink that no file names. */
weir_status wr_spec_output_sink(wr_spec_reader *r, const char *output, wr_spec_sink *s);

/* ---- spec_part.c: what they share ---------------------------------------------------------- */

/* A name of a relation: a SQL identifier in lower case, so that queries need no quotes. */
weir_status wr_spec_name_check(wr_spec_reader *r, const wr_node *key);
/* The part of `map` whose keys are in table (or are not), as a map of its own, so that two tables
 * can share a map.  NULL: no memory. */
wr_node *
wr_spec_map_part(wr_spec_reader *r, const wr_node *map, const wr_option *table, bool in_table);
/* Drop a key that is read apart from its table. */
void wr_spec_map_without(wr_node *map, const char *key);
/* `format: json` or `format: { csv: {...} }`, beside the connector or inside it. */
const wr_node *wr_spec_format_node(const wr_node *outer, wr_node *inner);
/* Its name, and its options (NULL: none).  NULL: not a format, reported. */
const char *wr_spec_format_name(wr_spec_reader *r, const wr_node *f, const char *fallback,
                                const wr_node **options);

/* What a connector's key can be. */
typedef struct wr_spec_connector {
    const char *what;        /* "source", "sink"                     */
    const wr_option *common; /* the keys that are not the connector's */
    bool (*known)(const char *name);
    const char *names; /* for hints */
} wr_spec_connector;
/*
 * The one key of map that names a connector; NULL when there is none, or two.  Any other key that is
 * not common is a mistake.  value: what stands below it, a copy that may be changed.
 */
const wr_node *
wr_spec_connector_key(wr_spec_reader *r, const wr_node *name, const wr_node *map,
                      const wr_spec_connector *kind, weir_status *status, wr_node **value);
