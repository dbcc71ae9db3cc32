/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query_impl.h -- what the files of a query share.
 *
 * query.c plans and opens; query_input.c finds what the statement names; query_result.c runs it and
 * gives rows; query_restart.c breaks it off half-way, for tests.
 *
 * A query is a pipeline nobody named: what the statement reads, planned anew, and one view more, the
 * last: the statement itself.
 */
#pragma once

#include "engine/engine_impl.h"

struct weir_result {
    weir_pipeline *pipeline;
    wr_reader *reader;
    const wr_schema *schema;
    uint64_t rows, row_limit;
    int64_t deadline; /* monotonic; 0: none */
    int64_t told;     /* when progress was last called; monotonic */
    bool (*progress)(void *user, const weir_progress *progress);
    void *progress_user;
    bool no_flush, ended;
    bool text;         /* EXPLAIN: `before` is all there is */
    wr_batch **before; /* rows given before a restart under test, not yet handed on */
    uint32_t before_count, before_capacity, before_at;
};

/* The statement, of everything that is planned for it. */
static inline wr_planned *
wr_query_view(const weir_pipeline *p)
{
    wr_assert(p->view_count > 0);
    return &p->views[p->view_count - 1];
}

/*
 * Everything the statement of p names (`names`), into catalog, job and bindings: inputs (weir_input) first, then
 * the sources and views of `from`, a pipeline (NULL: none).  What it names and nobody knows is left for
 * the binder to report.
 */
weir_status wr_query_add_inputs(weir_pipeline *p, const weir_pipeline *from,
                                const char *const *names, uint32_t count, weir_error *err);
/* A hint for a relation nobody knows, when `from` has one of a similar name. */
void wr_query_hint(const weir_pipeline *from, weir_error *err);

/* Does the statement begin with EXPLAIN?  length: of what stands before the SELECT. */
bool wr_explain_prefix(const char *sql, size_t *length, bool *analyze);
/* The plans of the statement and the views it reads; analyze: what they did in `seconds`. */
void wr_query_plan_text(weir_pipeline *p, bool analyze, double seconds, wr_text *to);
/* Make the plan the result's rows; analyze: run it to its end first. */
weir_status wr_result_explain(weir_result *r, bool analyze, weir_error *err);
weir_status wr_result_open(weir_result *r, const wr_runtime_config *config, weir_error *err);
/* Run some steps on some workers, take a checkpoint, throw the runtime away, restore on another number
 * of them.  A query that ends before its checkpoint simply goes on. */
weir_status
wr_result_restart(weir_result *r, const wr_runtime_config *config, uint64_t seed, weir_error *err);
