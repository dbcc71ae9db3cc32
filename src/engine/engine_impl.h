/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/engine_impl.h -- what the files of this folder share: the structs behind include/weir.
 *
 * One weir holds pipelines and query inputs.  A pipeline owns an arena with everything planned, a
 * catalog, a job and, while it runs, a runtime.  A bounded query is a pipeline nobody named.
 */
#pragma once

#include "engine/spec.h"
#include "plan/lower.h"
#include "plan/plan.h"
#include "runtime/runtime.h"
#include "sql/sql.h"
#include "base/hash.h"
#include "base/random.h"
#include "weir/weir.h"

#include <pthread.h>

typedef struct wr_query_input {
    struct wr_query_input *next;
    const char *name, *path, *schema_json;
} wr_query_input;

struct weir {
    weir_options options;
    wr_budget *budget;
    wr_clock *clock;
    wr_arena arena;        /* inputs, strings of options */
    pthread_mutex_t mutex; /* the list of pipelines, inputs */
    weir_pipeline *pipelines;
    wr_query_input *inputs;
    wr_time started;
    weir_parser parser; /* of strangers' SQL (foreign.c); parse NULL: none */
};

struct weir_report {
    wr_report report;
};

/* One view (or the query, or a part that several share) as planned. */
typedef struct wr_planned wr_planned;
struct wr_planned {
    const char *name;
    wr_plan *plan;
    wr_plan_options options;
    uint32_t stream;     /* of the job                          */
    int32_t late_stream; /* -1: nobody reads the late rows      */
    int32_t bad_stream;
    uint32_t first_segment, segment_count;
    uint64_t memory_bytes; /* limit of its state; 0: none         */
    const wr_spec_view *spec;
    bool alone;            /* shares nothing (engine/share.c)     */
    wr_planned **parts;    /* the shared parts it reads           */
    uint32_t part_count;
    wr_planned *owner;     /* of a part: the first view to read it */
};

/* Batches that subscribers of a pipeline have just read, with their bytes (rows.c). */
enum { WR_ENCODED_KEPT = 8 };
typedef struct wr_encoded_cache {
    pthread_mutex_t mutex;
    struct wr_encoded *kept[WR_ENCODED_KEPT];
    uint32_t turn, users; /* users: subscriptions; one alone keeps nothing */
} wr_encoded_cache;

struct weir_pipeline {
    weir_pipeline *next;
    weir *engine;
    wr_arena arena;
    wr_spec *spec; /* NULL: a query of files alone        */
    const char *statement; /* of a query; NULL: a pipeline file   */
    const char *asked;     /* the whole text it stands in, from EXPLAIN on */
    bool bounded;  /* every input is read to its end      */
    bool read_only; /* a file read for queries: not planned */
    uint8_t *marks; /* while planning: each source, each view: 0 new, 1 under way, 2 done */
    const char *name, *file;
    wr_catalog catalog;
    wr_job job;
    wr_lowering lowering;
    wr_planned *views;
    uint32_t view_count;
    wr_names view_names;    /* to an index in views                */
    uint32_t lowered_count; /* of the views, those in the job      */
    wr_planned **shared;    /* parts of plans, run once            */
    uint32_t shared_count;
    wr_names part_names;    /* to an index in shared               */
    wr_source_binding *sources;
    wr_sink_binding *sinks;
    uint32_t source_count, sink_count, source_capacity;
    const char *data_dir;
    wr_budget *budget, *state, *flow;
    wr_runtime *runtime; /* NULL: not running                   */
    uint64_t boot;       /* names this run in cursors           */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    weir_state run_state;
    weir_error failure;
    wr_time started;
    uint32_t workers;
    wr_encoded_cache encoded;
    _Atomic uint64_t epochs_split; /* given to subscribers in pieces: larger than half of a ring  */
    _Atomic uint32_t epoch_fill;   /* of that half, the most that was held back, in thousandths   */
    wr_names side_names; /* side streams that a statement or a sink names */
};

/* load.c */
weir_status wr_pipeline_create(weir *engine, const char *name, weir_pipeline **pipeline);
void wr_pipeline_destroy(weir_pipeline *pipeline);
/* Plan everything of pipeline->spec: catalog, plans, job, bindings.  Mistakes go into report. */
weir_status wr_pipeline_plan(weir_pipeline *pipeline, wr_report *report);
/* Mistakes in the words of `tests:` go into the report (test_check.c). */
void wr_tests_check(weir_pipeline *p, wr_report *report);
/* The source or view `name` (or whose side stream it is) and what it reads, unless that is done; WEIR_OK
 * when there is none.  For queries: marks, sources and views have room. */
weir_status wr_pipeline_plan_named(weir_pipeline *pipeline, const char *name, wr_report *report);
/* The views planned so far into the job, what they have in common once. */
weir_status wr_pipeline_lower_views(weir_pipeline *pipeline, wr_report *report);
/* What the views below say of late rows. */
wr_late_policy wr_plan_inherited_late(const wr_plan *plan);
/* A relation of the plan that a bounded query cannot read to an end; NULL: none. */
const wr_plan *wr_plan_endless(const wr_plan *plan);
/* A source into catalog, job and bindings (its columns are known or inferred). */
weir_status wr_pipeline_add_source(weir_pipeline *pipeline, wr_spec_source *source,
                                   const wr_schema *columns, wr_report *report);
/* Columns of a file by looking at its head: names and narrowest types that fit. */
weir_status wr_infer_columns(const char *path, const wr_spec_source *source, wr_arena *arena,
                             wr_schema **schema, weir_error *err);
/* input_head.c: the first bytes of a file, or of what stands in the pipe that is standard input ("-"), at most size;
 * whoever reads it later finds all of it.  *whole: that is all there is. */
weir_status wr_input_head(const char *path, char *head, size_t size, size_t *length, bool *whole,
                          weir_error *err);
/* The bytes of a byte order mark at the beginning of a head: 3 or 0. */
size_t wr_input_mark(const char *head, size_t length);
/* bindings' `needed` from what the plans read; once, before a runtime is made. */
weir_status wr_pipeline_bind(weir_pipeline *pipeline);

/* keyed.c: a source with `key`, in this order. */
/* Key columns into schema; what the connector's rows look like into *upserts and b. */
weir_status wr_keyed_schemas(weir_pipeline *pipeline, const wr_spec_source *source,
                             wr_schema *schema, wr_source_binding *b, wr_schema **upserts,
                             wr_report *report);
/* The stream of changes and the segments that fill it from b->stream.  holds: the input ends. */
weir_status wr_keyed_streams(weir_pipeline *pipeline, const wr_spec_source *source,
                             wr_source_binding *b, wr_schema *schema, bool holds, weir_error *err);
/* The table of rows by key of a running source; false: it has none. */
bool wr_keyed_counters(const weir_pipeline *pipeline, uint32_t source, wr_op_counters *counters,
                       uint64_t *bytes);
/* How sink s takes what rel changes: *upserts is the schema of rows by key, NULL: rows as they come. */
weir_status wr_sink_changes(weir_pipeline *pipeline, const wr_spec_sink *s, const wr_relation *rel,
                            const wr_schema **upserts, wr_report *report);
/* What is read whoever reads it. */
void wr_keyed_needed(const wr_source_binding *b, uint64_t *needed);
/* b->needed, which the table keeps, grown by what as-of joins read of the versions. */
weir_status wr_keyed_versions(weir_pipeline *pipeline, wr_source_binding *b);

/* row_count.c: about how many rows the source has; 0: not known.  Borrows all. */
uint64_t wr_source_rows(const weir_pipeline *p, const wr_spec_source *s, const wr_schema *columns);
/* sides.c: side streams.  Look for their names in all statements and sinks, before planning. */
weir_status wr_sides_note(weir_pipeline *pipeline);
/* Does anybody read the side stream "OWNER.suffix"? */
bool wr_side_is_wanted(const weir_pipeline *pipeline, const char *owner, const char *suffix);
/* It into job and catalog. */
weir_status wr_side_add(weir_pipeline *pipeline, const char *owner, const char *suffix,
                        const wr_schema *schema, uint32_t of_stream, int port, bool bounded,
                        int32_t *stream, weir_error *err);

/* analyze.c: the plan of a view with what each node did in `seconds`; the operators one by one, a JSON
 * list; what was read. */
void
wr_analyze_view(weir_pipeline *pipeline, const wr_planned *view, double seconds, wr_text *to);
void
wr_analyze_json(weir_pipeline *pipeline, const wr_planned *view, double seconds, wr_text *to);
void wr_analyze_sources(weir_pipeline *pipeline, double seconds, wr_text *to);

/* pipeline.c */
weir_status
wr_pipeline_run(weir_pipeline *pipeline, const wr_runtime_config *config, weir_error *err);

/* instance.c: connectors with an option `instance_id` that is not set get the one of the data
 * directory. */
void wr_pipeline_name_instance(weir_pipeline *pipeline);

/* scratch.c */
#define WR_SCRATCH_PATH 24
/* Makes an empty directory; path gets its name, or "" on an error. */
weir_status wr_scratch_make(char path[WR_SCRATCH_PATH], weir_error *err);
/* Removes it and the files in it. */
void wr_scratch_remove(const char *path);

/* rows.c */
/* Wraps batch (takes it).  Returns owned; NULL: no memory. */
weir_rows *wr_rows_create(wr_batch *batch, const wr_schema *schema);
/* The same, sharing the bytes with other subscriptions that read the rows of this name. */
weir_rows *wr_rows_create_shared(wr_encoded_cache *cache, wr_batch *batch, const wr_schema *schema,
                                 const weir_rows_id *name);
void wr_encoded_cache_init(wr_encoded_cache *cache);
void wr_encoded_cache_fini(wr_encoded_cache *cache);
void wr_encoded_cache_join(wr_encoded_cache *cache);
void wr_encoded_cache_leave(wr_encoded_cache *cache);

wr_planned *wr_pipeline_view(const weir_pipeline *pipeline, const char *name);
/* The job stream of any relation; -1: none. */
int32_t wr_pipeline_stream(const weir_pipeline *pipeline, const char *name);
