/* SPDX-License-Identifier: Apache-2.0 */
/*
 * weir/weir.h -- embed Weir: open an engine, load pipelines, push rows in, read results, query.
 *
 * The command line and the servers use this header and nothing else of the engine.
 *
 * Life        weir_open -> weir_pipeline_load -> weir_pipeline_start -> push / subscribe / query ->
 *             weir_pipeline_stop -> weir_close.
 * Threads     every function may be called from any thread unless it says otherwise; one object is
 *             used by one thread at a time where it says so.
 * Errors      a weir_status; with `weir_error *err` (may be NULL) filled only on failure.
 * Ownership   "returns (owned)": the caller ends it with the function named beside it.
 */
#pragma once

#include "weir/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_API __attribute__((visibility("default")))

typedef struct weir              weir;
typedef struct weir_report       weir_report;
typedef struct weir_pipeline     weir_pipeline;
typedef struct weir_rows         weir_rows;
typedef struct weir_result       weir_result;
typedef struct weir_subscription weir_subscription;

WEIR_API const char *weir_version(void);

/* --- the engine --- */

typedef struct weir_options {
    uint64_t    memory_bytes_max; /* of the whole process; 0: 70 % of what the machine or cgroup has  */
    uint32_t    workers;          /* threads and shards; 0: one a core, at most 8                    */
    const char *data_dir;         /* checkpoints; NULL: none are kept                                */
    int64_t     checkpoint_us;    /* interval; 0: 10 s                                                */
    uint64_t    seed;             /* of random() and of generators without a seed of their own        */
    bool        once;             /* bounded run: sources end when what is there now has been read    */
    bool        no_sharing;       /* run equal parts of queries once each, instead of once for all    */
} weir_options;

/* Returns (owned: weir_close).  options may be NULL.  Errors: WEIR_MEMORY, WEIR_CONFIG_VALUE. */
WEIR_API weir_status weir_open(const weir_options *options, weir **engine, weir_error *err);
/* Stops what runs and frees everything.  No subscription or result may be left open. */
WEIR_API void weir_close(weir *engine);

/* --- reports: every mistake of a file in one run --- */

/* Returns (owned: weir_report_close). */
WEIR_API weir_report *weir_report_open(void);
WEIR_API void         weir_report_close(weir_report *report);
WEIR_API uint32_t     weir_report_errors(const weir_report *report);
WEIR_API uint32_t     weir_report_warnings(const weir_report *report);
typedef struct weir_diagnostic {
    const char *file; /* borrowed from the report */
    bool        warning;
    weir_error  error;
} weir_diagnostic;
WEIR_API uint32_t weir_report_count(const weir_report *report);
WEIR_API void     weir_report_get(const weir_report *report, uint32_t index, weir_diagnostic *out);
/* As text with the line, a caret and the hint; colour: ANSI.  Returns (owned: weir_free), NUL-terminated. */
WEIR_API char *weir_report_print(const weir_report *report, bool colour);
WEIR_API char *weir_report_print_json(const weir_report *report);
WEIR_API void  weir_free(void *ptr);

/* --- pipelines --- */

/*
 * weir_pipeline_load -- read, check and plan a pipeline file (or text; then path only names it).
 * Every mistake goes into report; the status is the first error's.  Nothing is opened or connected.
 * overrides: "source=FILE" (read that file in place of the source) and "view=FILE" ("-": stdout), NULL-ended lists; may be NULL.
 * Returns (owned by the engine; weir_pipeline_unload ends it early).
 */
WEIR_API weir_status weir_pipeline_load(weir *engine, const char *path, const char *text,
                                        const char *const *inputs, const char *const *outputs,
                                        weir_report *report, weir_pipeline **pipeline);
WEIR_API void        weir_pipeline_unload(weir_pipeline *pipeline);
WEIR_API const char *weir_pipeline_name(const weir_pipeline *pipeline);
/*
 * weir_pipeline_read -- read a pipeline file for queries alone (weir_query_options.pipeline).  Its keys are
 * checked; what a query names is planned when it is asked, and nothing else, so that a mistake in one
 * view's SQL is no matter to those that do not read it.  It cannot be started.
 * Returns as weir_pipeline_load does.
 */
WEIR_API weir_status weir_pipeline_read(weir *engine, const char *path, const char *text,
                                        weir_report *report, weir_pipeline **pipeline);
/* The index-th loaded pipeline; NULL past the end. */
WEIR_API weir_pipeline *weir_pipeline_at(weir *engine, uint32_t index);

/*
 * weir_pipeline_start -- begin to run, from the last checkpoint if there is one.
 * Returns when every source is open; it does not wait for rows.
 * Errors:  WEIR_STATE_RUNNING (it runs, or another of its name does), WEIR_CONNECT (retry is safe),
 *          WEIR_CHECKPOINT_* (see docs/operations.md).
 */
WEIR_API weir_status weir_pipeline_start(weir_pipeline *pipeline, weir_error *err);
/* Stop intake, flush sinks, take a last checkpoint.  Blocks up to 10 s. */
WEIR_API weir_status weir_pipeline_stop(weir_pipeline *pipeline, weir_error *err);
typedef enum weir_state { WEIR_LOADED, WEIR_RUNNING, WEIR_FINISHED, WEIR_FAILED, WEIR_STOPPED } weir_state;
WEIR_API weir_state weir_pipeline_state(const weir_pipeline *pipeline, weir_error *why);
/* Block until it is no longer running, or timeout_us has passed (WEIR_TIMEOUT). */
WEIR_API weir_status weir_pipeline_wait(weir_pipeline *pipeline, int64_t timeout_us, weir_error *err);
/* A checkpoint now; blocks until it is durable. */
WEIR_API weir_status weir_pipeline_checkpoint(weir_pipeline *pipeline, weir_error *err);

/* What `serve:` says; NULL strings where a face is off.  Borrowed. */
typedef struct weir_serve {
    const char *http, *tcp;
    const char *token;    /* NULL: none */
    bool        insecure; /* a public address without TLS or without a token was asked for in so many words */
    const char *tls_cert, *tls_key; /* PEM files; NULL: no TLS */
    const char *tls_client_ca;      /* clients need a certificate that it signed; NULL: they need none */
} weir_serve;
WEIR_API void weir_pipeline_serve(const weir_pipeline *pipeline, weir_serve *out);

/* Names of relations: sources, views, side streams.  Borrowed; NULL past the end. */
typedef enum weir_relation_role { WEIR_SOURCE, WEIR_VIEW, WEIR_SIDE_STREAM, WEIR_SINK } weir_relation_role;
WEIR_API const char *weir_pipeline_relation(const weir_pipeline *pipeline, uint32_t index,
                                            weir_relation_role *role);

/* Run the `tests:` of a pipeline under a virtual clock. */
typedef struct weir_test_options {
    const char *filter;   /* only tests whose name has it; NULL: all */
    uint64_t    seed;
    bool        colour;
} weir_test_options;
typedef struct weir_test_result {
    const char *name;
    bool        passed;
    const char *detail; /* the row diff, for people; borrowed for the call */
    double      seconds;
    uint32_t    index, count; /* of the file's tests, from 1 */
} weir_test_result;
WEIR_API weir_status weir_pipeline_test(weir_pipeline *pipeline, const weir_test_options *options,
                                        void (*on_result)(void *user, const weir_test_result *result),
                                        void *user, weir_error *err);

/* --- rows in --- */

/*
 * weir_push -- rows for a source declared `push: {}`, as JSON lines.
 * Returns how many bytes were taken in *taken (whole records).  Errors: WEIR_LIMIT (no room now: try
 * again), WEIR_CLOSED (it has ended), WEIR_QUERY_NO_RELATION.  Bad records are counted and go to the dead letters, like everywhere.
 */
WEIR_API weir_status weir_push(weir_pipeline *pipeline, const char *source, const char *json_lines,
                               size_t length, size_t *taken, weir_error *err);
/* No more rows will be pushed; nor after a restart from a checkpoint that holds this end. */
WEIR_API weir_status weir_push_end(weir_pipeline *pipeline, const char *source, weir_error *err);

/* --- rows out --- */

/* JSON_POSTGRES: objects whose values stand as psql prints them, in quotes, but for numbers and booleans. */
typedef enum weir_encoding { WEIR_JSON, WEIR_MSGPACK, WEIR_CSV, WEIR_JSON_POSTGRES } weir_encoding;

typedef struct weir_column_info {
    const char *name, *type; /* SQL's spelling */
    bool        key;
} weir_column_info;

/* A run of rows of one relation: immutable, refcounted, any thread. */
WEIR_API weir_rows *weir_rows_retain(weir_rows *rows);
WEIR_API void       weir_rows_release(weir_rows *rows);
WEIR_API uint32_t   weir_rows_count(const weir_rows *rows);
/* What several subscriptions were given has one name in this process: equal names, equal rows.  All 0: no name. */
typedef struct weir_rows_id {
    uint64_t run, sequence;
    uint32_t relation, shard;
} weir_rows_id;
WEIR_API weir_rows_id weir_rows_name(const weir_rows *rows);
WEIR_API int        weir_rows_diff(const weir_rows *rows, uint32_t row); /* +1 or -1 (or a count) */
/* One value as PostgreSQL prints it; NULL for SQL NULL.  The text is valid until the next call on rows: one thread.
 * NULL, too, when memory is out: then weir_rows_status says so from there on. */
WEIR_API const char *weir_rows_text(weir_rows *rows, uint32_t row, uint32_t column);
WEIR_API weir_status weir_rows_status(const weir_rows *rows);
/*
 * The rows as the protocol has them, encoded once and shared by all who ask: JSON gives
 * [["+",[7,3]],["-",[7,2]]] (rows parallel to the columns), MSGPACK the same shape.  Borrowed from rows.
 * with_names: objects instead: one JSON object a line, or msgpack maps one after another.
 */
WEIR_API weir_status weir_rows_encode(weir_rows *rows, weir_encoding encoding, bool with_names,
                                      const char **bytes, size_t *length);

typedef enum weir_event {
    WEIR_ROWS,      /* rows are there                                                     */
    WEIR_PROGRESS,  /* complete up to `watermark`; and whole, where it has an `epoch`      */
    WEIR_GAP,       /* `lost` batches were overwritten before they were read              */
    WEIR_END,       /* the view has ended                                                 */
    WEIR_NOTHING,   /* nothing yet; the wake will be called                               */
} weir_event;

typedef struct weir_subscribe_options {
    bool        snapshot;   /* begin with what the view holds now                              */
    const char *cursor;     /* go on after this place (see weir_message.cursor); NULL: from now */
    bool        upserts;    /* of a view that changes: new rows and deletions by its key, not old and new rows */
    bool        epochs;     /* whole epochs alone: rows of all workers up to a mark, then WEIR_PROGRESS with it     */
    bool        required;   /* hold the stream back when slow (in-process readers); else lose and be told */
    void      (*wake)(void *user); /* any thread; once after WEIR_NOTHING                      */
    void       *user;
} weir_subscribe_options;

typedef struct weir_message {
    weir_event event;
    weir_rows *rows;       /* ROWS: owned by the caller (weir_rows_release)                 */
    bool       snapshot;   /* ROWS: part of the snapshot                                    */
    int64_t    watermark;  /* PROGRESS: microseconds since 1970; INT64_MAX: the end         */
    uint64_t   epoch;      /* PROGRESS: all rows so far are a whole state, across workers; 0: not said.  Ascending, of
                              this run of the process                                        */
    uint64_t   lost;       /* GAP                                                           */
    char       cursor[256]; /* ROWS, PROGRESS: opaque; resume after this message.  "": the rows are part of
                               a change (or with `epochs` an epoch) that goes on in the next message */
} weir_message;

/* Returns (owned: weir_unsubscribe).  Errors: WEIR_QUERY_NO_RELATION, WEIR_SNAPSHOT_REQUIRED, WEIR_USAGE (upserts
 * of a view whose key is not known). */
WEIR_API weir_status weir_subscribe(weir_pipeline *pipeline, const char *view,
                                    const weir_subscribe_options *options,
                                    weir_subscription **subscription, weir_error *err);
WEIR_API void        weir_unsubscribe(weir_subscription *subscription);
/* What a row of it means: new; the new value of its key (or, taken back, the key's deletion); one of a bag. */
typedef enum weir_relation_kind { WEIR_INSERT_ONLY, WEIR_UPSERT, WEIR_CHANGELOG } weir_relation_kind;
WEIR_API weir_relation_kind weir_subscription_kind(const weir_subscription *subscription);
WEIR_API uint32_t    weir_subscription_columns(const weir_subscription *subscription,
                                               weir_column_info *columns, uint32_t max);
/* Never blocks.  One thread at a time.  After an error nothing more comes: subscribe anew, from the last cursor. */
WEIR_API weir_status weir_subscription_next(weir_subscription *subscription, weir_message *message,
                                            weir_error *err);

/* --- queries --- */

/*
 * weir_input -- make a file readable by name in queries: `name` with columns from schema_json (as in
 * docs/query.md) or inferred from the data when NULL.  NULL and the name of a source of the query's
 * pipeline: that source's columns and format, over the file.
 */
WEIR_API weir_status weir_input(weir *engine, const char *name, const char *path,
                                const char *schema_json, weir_error *err);

/* How far the reading has come, and what was left out on the way. */
typedef struct weir_progress {
    uint64_t rows, bytes;  /* read from all sources                                                     */
    uint64_t bytes_total;  /* there are; 0: not known, or not measured in bytes                         */
    double   fraction;     /* of all there is to read, 0 to 1; below 0: not known (no end, or a pipe)   */
    uint64_t bad;          /* records that cannot be read (sample: the newest of them, "" none)         */
    uint64_t late, failed; /* rows late for all their windows; rows on which an expression failed       */
    char     sample[200];
    uint64_t shed;         /* rows left out because the state was full (on_memory: shed)                */
    char     failure[160]; /* on one of the failed rows, "" none                                        */
    uint64_t untimed;      /* rows whose event time is NULL: they are in no window                      */
} weir_progress;
/* Does one of its sinks write to standard output? */
WEIR_API bool weir_pipeline_prints(const weir_pipeline *pipeline);
/* And no sink elsewhere? */
WEIR_API bool weir_pipeline_only_prints(const weir_pipeline *pipeline);
/* Of a pipeline that runs or ran. */
WEIR_API void weir_pipeline_progress(weir_pipeline *pipeline, weir_progress *progress);

/*
 * Bounded (the default): every input is read to its end, Kafka's to where it is now, and the answer is
 * final.  Followed: inputs go on as rows come, and so does the result.
 */
typedef struct weir_query_options {
    const char *const *params;   /* $1, $2, ... as text; NULL elements are SQL NULL */
    uint32_t           param_count;
    bool               no_flush; /* do not close windows at the end of the input    */
    uint64_t           row_limit; /* 0: none */
    int64_t            timeout_us; /* 0: none */
    weir_pipeline     *pipeline; /* its sources and views can be named: they are read anew, from where the file says, whether
                                  * the pipeline runs or not.  Borrowed until weir_result_close; NULL: files alone         */
    bool               follow;       /* windows when they close, other rows as they change               */
    bool               emit_changes; /* follow, every change at once; EMIT CHANGES in the statement says the same */
    bool               unbounded_state; /* followed: accept state that grows with the input              */
    /* From within weir_result_next, about ten times a second; false: give up (WEIR_CANCELLED).  NULL: none */
    bool             (*progress)(void *user, const weir_progress *progress);
    void              *user;
    uint32_t           batch_rows_max; /* most rows a batch, 0: 4096; with 1 every buffer has one slot, too (tests) */
    uint64_t           restart_seed;   /* not 0: stop at a point drawn from it, restore on another number of workers (tests) */
} weir_query_options;
/*
 * A statement that begins with EXPLAIN gives its plan, a line a row; with EXPLAIN ANALYZE it is run to its end
 * first, within this call, and what each operator did stands below the plan.
 * Returns (owned: weir_result_close).  err->line and column are set for SQL errors.
 */
WEIR_API weir_status weir_query(weir *engine, const char *sql, const weir_query_options *options,
                                weir_result **result, weir_error *err);
WEIR_API uint32_t    weir_result_columns(const weir_result *result, weir_column_info *columns,
                                         uint32_t max);
/* By an option, or because the statement ends with EMIT CHANGES. */
WEIR_API bool weir_result_followed(const weir_result *result);
/* INSERT_ONLY unless it is followed and gives changes: then a row's weir_rows_diff says + or -. */
WEIR_API weir_relation_kind weir_result_kind(const weir_result *result);
/* *rows NULL at the end; else owned by the caller.  Blocks. */
WEIR_API weir_status weir_result_next(weir_result *result, weir_rows **rows, weir_error *err);
WEIR_API void        weir_result_progress(weir_result *result, weir_progress *progress);
WEIR_API void        weir_result_close(weir_result *result);

/* --- looking in; each returns (owned: weir_free) text --- */

typedef enum weir_text_format { WEIR_TEXT, WEIR_TEXT_JSON } weir_text_format;
/* The plan of one view (NULL: all), with state bounds; analyze: live counters beside. */
WEIR_API weir_status weir_explain(weir_pipeline *pipeline, const char *view, bool analyze,
                                  weir_text_format format, char **text, weir_error *err);
/* The plan of a query, and of the views it reads, as text.  options may be NULL. */
WEIR_API weir_status weir_explain_query(weir *engine, const char *sql, const weir_query_options *options,
                                        char **text, weir_error *err);
/* Why does nothing (or not more) come out of this view? */
WEIR_API weir_status weir_why(weir_pipeline *pipeline, const char *view, weir_text_format format,
                              char **text, weir_error *err);
/* Prometheus text of the whole engine. */
WEIR_API weir_status weir_metrics(weir *engine, char **text, weir_error *err);
/* One JSON object: pipelines, sources, views, sinks with rates, lag, state, memory (for `top`, `ls`). */
WEIR_API weir_status weir_status_json(weir *engine, char **text, weir_error *err);
/* Ready to serve?  reasons (owned) when not. */
WEIR_API bool        weir_ready(weir *engine, char **reasons);
/* Functions, aggregates, connectors, formats: "functions", "aggregates", "kafka", ... as help text (or JSON). */
WEIR_API weir_status weir_help(const char *topic, weir_text_format format, char **text, weir_error *err);

/* --- SQL from strangers --- */

/*
 * A statement that somebody else wrote (a server's client) is not parsed in this process: who can make the parser
 * crash, or more, would have all pipelines with it.  The host says who parses instead (`weir run`: a child process
 * that may do nothing but answer); what comes back is believed in nothing.  Without one such statements are refused.
 */
typedef enum weir_parse_step { WEIR_PARSE_TOKENS, WEIR_PARSE_TREE } weir_parse_step;
enum { WEIR_PARSE_TEXT_MAX = 72 << 10, WEIR_PARSE_ANSWER_MAX = 4 << 20 }; /* bytes */
/* Takes a whole answer.  WEIR_READ: it makes no sense, and who gave it is not to be asked again. */
typedef weir_status weir_parse_give(void *to, const char *answer, size_t length);
typedef struct weir_parser {
    /* From any thread, several at once.  Has weir_parse(step, text) run where it can do no harm, and hands its bytes to
     * give(to) before it returns give's status.  Errors: WEIR_QUERY_TOO_COMPLEX (it crashed, or took too long), ... */
    weir_status (*parse)(void *user, weir_parse_step step, const char *text, size_t length,
                         weir_parse_give *give, void *to, weir_error *err);
    void *user;
} weir_parser;
/* parser is copied; NULL: none any more.  Before the first weir_explain_sql. */
WEIR_API void weir_set_parser(weir *engine, const weir_parser *parser);
/*
 * weir_parse -- the other side: parse text on this thread's stack (64 MiB are enough for any text).
 * Returns give's status, or WEIR_MEMORY.
 */
WEIR_API weir_status weir_parse(weir_parse_step step, const char *text, size_t length,
                                weir_parse_give *give, void *to);
/*
 * The plan that a statement would have as a view of a pipeline, running or not: what it reads, its columns, the bound of
 * its state.  It can name the pipeline's relations and nothing else (no files).  foreign: a stranger wrote it.
 * Errors: 2xxx with the place, WEIR_USAGE (foreign, and no parser is set), WEIR_READ, WEIR_CLOSED.
 */
WEIR_API weir_status weir_explain_sql(weir_pipeline *pipeline, const char *sql, bool foreign,
                                      weir_text_format format, char **text, weir_error *err);

/* The practice Kafka broker (librdkafka's mock): for tutorials and demos, never for data you keep. */
typedef struct weir_dev_kafka weir_dev_kafka;
WEIR_API weir_status weir_dev_kafka_start(const char *const *topics, uint32_t partitions,
                                          weir_dev_kafka **broker, weir_error *err);
WEIR_API const char *weir_dev_kafka_brokers(const weir_dev_kafka *broker);
WEIR_API void        weir_dev_kafka_stop(weir_dev_kafka *broker);

#ifdef __cplusplus
}
#endif
