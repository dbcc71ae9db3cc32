/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query_result.c -- a query that is running: step it until there are rows, hand them out.
 *
 * The caller's thread runs everything; where nothing can go on it sleeps until a descriptor, a
 * connector's thread or a timer has something.
 */
#include "engine/query_impl.h"

#include <string.h>

enum {
    DOZE_US = 50000,
    TELL_US = 100000, /* between two calls of progress */
};

weir_status
wr_result_open(weir_result *r, const wr_runtime_config *config, weir_error *err)
{
    weir_pipeline *p = r->pipeline;
    wr_reader_config rc = { .required = true, .start = WR_START_TAIL, .shard = -1 };
    WR_TRY(wr_pipeline_run(p, config, err));
    return wr_reader_create(wr_runtime_stream(p->runtime, wr_query_view(p)->stream), &rc,
                            &r->reader);
}

uint32_t
weir_result_columns(const weir_result *result, weir_column_info *columns, uint32_t max)
{
    uint32_t n = 0;
    for (uint32_t c = 0; c < result->schema->field_count; c++) {
        if (result->schema->fields[c].hidden)
            continue;
        if (n < max)
            columns[n] = (weir_column_info){ result->schema->fields[c].name,
                                             wr_type_name(result->schema->fields[c].type), false };
        n++;
    }
    return n;
}

weir_relation_kind
weir_result_kind(const weir_result *result)
{
    return (weir_relation_kind)result->schema->kind;
}

bool
weir_result_followed(const weir_result *result)
{
    return !result->pipeline->bounded && !result->text;
}

void
weir_result_progress(weir_result *result, weir_progress *progress)
{
    weir_pipeline_progress(result->pipeline, progress);
}

/* False: the caller has had enough. */
static bool
result_tell(weir_result *r, int64_t now)
{
    weir_progress progress;
    if (r->progress == NULL || now - r->told < TELL_US)
        return true;
    r->told = now;
    weir_pipeline_progress(r->pipeline, &progress);
    return r->progress(r->progress_user, &progress);
}

/* Has the run failed?  A row's error has a place in the statement. */
static weir_status
result_status(weir_result *r, weir_error *err)
{
    const weir_pipeline *p = r->pipeline;
    weir_status status = wr_runtime_status(p->runtime, err);
    if (status != WEIR_OK && err != NULL && err->offset >= 0 && (size_t)err->offset <= strlen(p->statement)) {
        err->offset += (int32_t)(p->statement - p->asked);
        wr_error_line_column(err, p->asked, strlen(p->asked));
    }
    return status;
}

/* Run tasks until there is something to read, or nothing more will come. */
static weir_status
result_step(weir_result *r, weir_error *err)
{
    wr_runtime *rt = r->pipeline->runtime;
    for (uint32_t i = 0; i < 64; i++) {
        if (wr_runtime_step(rt))
            continue;
        WR_TRY(result_status(r, err));
        r->ended = wr_runtime_finished(rt) || (r->no_flush && wr_runtime_held(rt));
        if (!r->ended && i == 0) /* not for want of room, then: a pipe, a broker */
            wr_runtime_doze(rt, DOZE_US);
        break;
    }
    WR_TRY(result_status(r, err));
    int64_t now = wr_clock_monotonic(r->pipeline->engine->clock);
    if (r->deadline != 0 && now > r->deadline)
        return wr_error_set(err, WEIR_TIMEOUT, "the query took longer than its time limit");
    if (!result_tell(r, now))
        return wr_error_set(err, WEIR_CANCELLED, "the query was cancelled");
    return WEIR_OK;
}

weir_status
weir_result_next(weir_result *r, weir_rows **rows, weir_error *err)
{
    *rows = NULL;
    if (r->before_at < r->before_count) {
        *rows = wr_rows_create(r->before[r->before_at++], r->schema);
        return *rows != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for rows");
    }
    if (r->text)
        return WEIR_OK;
    for (;;) {
        uint32_t shards = wr_stream_shards(
            wr_runtime_stream(r->pipeline->runtime, wr_query_view(r->pipeline)->stream));
        for (uint32_t s = 0; s < shards; s++) {
            wr_batch *b;
            while ((b = wr_reader_next(r->reader, s, NULL)) != NULL) {
                r->ended = false; /* there is room again: who waited for it goes on */
                if (b->row_count == 0) {
                    wr_batch_release(b);
                    continue;
                }
                r->rows += b->row_count;
                if (r->row_limit != 0 && r->rows > r->row_limit) {
                    wr_batch_release(b);
                    return wr_error_set(err, WEIR_LIMIT, "the query returns more than %llu rows",
                                        (unsigned long long)r->row_limit);
                }
                *rows = wr_rows_create(b, r->schema);
                return *rows != NULL ? WEIR_OK
                                     : wr_error_set(err, WEIR_MEMORY, "no memory for rows");
            }
        }
        if (r->ended)
            return WEIR_OK;
        WR_TRY(result_step(r, err));
    }
}

void
weir_result_close(weir_result *result)
{
    if (result == NULL)
        return;
    while (result->before_at < result->before_count)
        wr_batch_release(result->before[result->before_at++]);
    wr_free(result->before);
    wr_reader_destroy(result->reader);
    if (result->pipeline->runtime != NULL)
        wr_runtime_kill(result->pipeline->runtime);
    if (result->pipeline->data_dir != NULL)
        wr_scratch_remove(result->pipeline->data_dir);
    wr_pipeline_destroy(result->pipeline);
    wr_free(result);
}
