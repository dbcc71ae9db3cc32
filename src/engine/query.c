/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query.c -- a bounded question: the same operators over inputs that end.
 *
 * The caller's thread runs everything: a query is a pipeline on the seeded executor, stepped by
 * weir_result_next until rows come out.  A row that fails ends the query, as in PostgreSQL.
 */
#include "data/json.h"
#include "engine/engine_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FILES_MAX = 64 }; /* read_json() and the like, besides the inputs */

struct weir_result {
    weir_pipeline *pipeline;
    wr_reader *reader;
    const wr_schema *schema;
    uint64_t rows, row_limit;
    int64_t deadline; /* monotonic; 0: none */
    bool no_flush, ended;
    wr_batch **before; /* rows given before a restart under test, not yet handed on */
    uint32_t before_count, before_capacity, before_at;
};

/* {"columns": [["name", "type"], ...], "time_column", "watermark_delay_ms", "primary_key"} */
static weir_status
schema_from_json(const char *text, wr_arena *arena, wr_schema **schema, const char **watermark,
                 weir_error *err)
{
    wr_json doc;
    WR_TRY(wr_json_parse(text, strlen(text), arena, &doc, err));
    const wr_json *columns = wr_json_member(&doc, "columns", 7);
    if (columns == NULL || columns->kind != WR_JSON_LIST)
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            "a schema file is {\"columns\": [[\"name\", \"type\"], ...]}");
    wr_schema *s = *schema = wr_schema_create(arena, columns->count);
    if (s == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < columns->count; c++) {
        const wr_json *pair = &columns->items[c];
        if (pair->kind != WR_JSON_LIST || pair->count < 2 ||
            pair->items[0].kind != WR_JSON_STRING || pair->items[1].kind != WR_JSON_STRING)
            return wr_error_set(err, WEIR_CONFIG_VALUE,
                                "column %u of the schema is not [\"name\", \"type\"]", c + 1);
        s->fields[c] =
            (wr_field){ .name = wr_arena_strndup(arena, pair->items[0].text, pair->items[0].length),
                        .watermark_offset = WR_NO_WATERMARK };
        WR_TRY(wr_type_parse(pair->items[1].text, pair->items[1].length, &s->fields[c].type, err));
    }
    const wr_json *key = wr_json_member(&doc, "primary_key", 11);
    if (key != NULL && key->kind == WR_JSON_LIST) {
        s->key = wr_arena_calloc(arena, key->count + 1, sizeof *s->key);
        for (uint32_t k = 0; s->key != NULL && k < key->count; k++) {
            int32_t c = key->items[k].kind == WR_JSON_STRING
                            ? wr_schema_find(s, wr_arena_strndup(arena, key->items[k].text,
                                                                 key->items[k].length))
                            : -1;
            if (c >= 0)
                s->key[s->key_count++] = (uint32_t)c;
        }
    }
    const wr_json *time = wr_json_member(&doc, "time_column", 11),
                  *delay = wr_json_member(&doc, "watermark_delay_ms", 18);
    *watermark = NULL;
    if (time != NULL && time->kind == WR_JSON_STRING && delay != NULL &&
        delay->kind == WR_JSON_NUMBER) {
        const char *name = wr_arena_strndup(arena, time->text, time->length);
        int32_t c = name != NULL ? wr_schema_find(s, name) : -1;
        if (c >= 0 && wr_type_is_time(s->fields[c].type))
            *watermark = wr_arena_printf(arena, "\"%s\" - interval '%.*s milliseconds'", name,
                                         (int)delay->length, delay->text);
    }
    return WEIR_OK;
}

static weir_status
add_file(weir_pipeline *p, const char *name, const char *path, const char *format,
         const char *schema_json, wr_report *report, weir_error *err)
{
    wr_spec_source *s = wr_arena_calloc(&p->arena, 1, sizeof *s);
    wr_node *at = wr_arena_calloc(&p->arena, 1, sizeof *at);
    wr_schema *columns = NULL;
    if (s == NULL || at == NULL)
        return WEIR_MEMORY;
    at->file = at->text = "";
    s->name = wr_arena_strdup(&p->arena, name);
    s->at = s->watermark = at;
    s->common.record_bytes_max = WR_STRING_BYTES_MAX;
    weir_status st = wr_spec_file_source(s, path, format, &p->arena, report);
    if (st != WEIR_OK) {
        if (report->count > 0)
            *err = report->items[0]->error;
        return st;
    }
    if (schema_json != NULL)
        WR_TRY(schema_from_json(schema_json, &p->arena, &columns, &s->common.watermark, err));
    else
        WR_TRY(wr_infer_columns(path, s, &p->arena, &columns, err));
    st = wr_pipeline_add_source(p, s, columns, report);
    if (st != WEIR_OK && report->count > 0)
        *err = report->items[report->count - 1]->error;
    return st;
}

/* FROM read_json('x.jsonl') and FROM read_csv('x.csv'): the binder asks for the relation here. */
static weir_status
open_file(void *user, const char *function, const char *path, wr_relation **relation,
          weir_error *err)
{
    weir_pipeline *p = user;
    wr_report report;
    const char *format = strcmp(function, "read_lines") == 0 ? "line" : function + strlen("read_");
    const char *name = wr_arena_printf(&p->arena, "%s(%s)", function, path);
    if (name == NULL)
        return WEIR_MEMORY;
    *relation = wr_catalog_find(&p->catalog, name);
    if (*relation != NULL)
        return WEIR_OK;
    if (p->source_count >= FILES_MAX)
        return wr_error_set(err, WEIR_TOO_MANY, "more than %d files in one query", FILES_MAX);
    wr_report_init(&report);
    weir_status st = add_file(p, name, path, format, NULL, &report, err);
    wr_report_fini(&report);
    *relation = wr_catalog_find(&p->catalog, name);
    return st;
}

/* The sources and views of a pipeline, planned again as bounded inputs of this query. */
static weir_status
add_inputs(weir_pipeline *p, const char *sql, weir_error *err)
{
    const char **names = NULL;
    uint32_t count = 0;
    wr_report report;
    WR_TRY(wr_sql_relations(sql, strlen(sql), &p->arena, &names, &count, err));
    p->sources = wr_arena_calloc(&p->arena, count + FILES_MAX, sizeof *p->sources);
    if (p->sources == NULL)
        return WEIR_MEMORY;
    weir_status st = WEIR_OK;
    wr_report_init(&report);
    for (uint32_t i = 0; i < count && st == WEIR_OK; i++) {
        for (wr_query_input *in = p->engine->inputs; in != NULL && st == WEIR_OK; in = in->next)
            if (strcmp(in->name, names[i]) == 0 && wr_catalog_find(&p->catalog, names[i]) == NULL)
                st = add_file(p, names[i], in->path, NULL, in->schema_json, &report, err);
    }
    wr_report_fini(&report);
    return st;
}

static weir_status
plan_query(weir_pipeline *p, const char *sql, const weir_query_options *options, weir_error *err)
{
    wr_sql_extras extras;
    wr_planned *v = p->views = wr_arena_calloc(&p->arena, 1, sizeof *v);
    if (v == NULL)
        return WEIR_MEMORY;
    p->view_count = 1;
    v->name = "query";
    v->late_stream = v->bad_stream = -1;
    v->options = (wr_plan_options){ .bounded = true,
                                    .emit_given = true,
                                    .emit = WR_EMIT_FINAL,
                                    .late_given = true,
                                    .late = WR_LATE_DROP,
                                    .unbounded_state = true,
                                    .now = wr_clock_now(p->engine->clock),
                                    .params = options->params,
                                    .param_count = options->param_count };
    if (options->emit_changes)
        v->options.emit = WR_EMIT_CHANGES;
    WR_TRY(
        wr_sql_bind(sql, strlen(sql), &p->catalog, &v->options, &p->arena, &v->plan, &extras, err));
    WR_TRY(wr_plan_optimise(&p->arena, &v->options, &v->plan, err));
    WR_TRY(wr_plan_bound(&p->arena, &v->options, v->plan, err));
    wr_job_stream js = { .name = "query", .schema = v->plan->schema, .origin = WR_FROM_SEGMENT };
    WR_TRY(wr_lowering_add_stream(&p->lowering, &js, &v->stream));
    WR_TRY(wr_lowering_add_plan(&p->lowering, v->plan, &v->options, "query", v->stream, err));
    v->segment_count = p->job.segment_count;
    return wr_pipeline_bind(p);
}

/* A pipeline with nothing but this query in it.  Returns owned. */
static weir_status
query_prepare(weir *engine, const char *sql, const weir_query_options *options, weir_pipeline **out,
              weir_error *err)
{
    static const weir_query_options none;
    weir_error local;
    weir_pipeline *p = NULL;
    err = err != NULL ? err : &local;
    wr_error_clear(err);
    weir_status status = wr_pipeline_create(engine, "query", &p);
    if (status != WEIR_OK)
        return wr_error_set(err, status, "no memory for a query");
    p->catalog.open_file = open_file;
    p->catalog.open_file_user = p;
    WR_TRY_GOTO(add_inputs(p, sql, err));
    WR_TRY_GOTO(plan_query(p, sql, options != NULL ? options : &none, err));
    *out = p;
    return WEIR_OK;
done:
    if (err->code == WEIR_OK)
        (void)!wr_error_set(err, status, "%s", weir_status_text(status));
    if (err->offset >= 0 && err->line == 0)
        wr_error_line_column(err, sql, strlen(sql));
    wr_pipeline_destroy(p);
    return status;
}

/* A batch that shares nothing with the runtime it came from.  NULL: no memory. */
static wr_batch *
batch_apart(const wr_batch *from, const wr_schema *schema, wr_budget *budget)
{
    wr_snapshot_writer w;
    wr_snapshot_reader r;
    wr_batch *copy = NULL;
    wr_snapshot_writer_init(&w, budget);
    wr_snapshot_begin(&w, WR_SNAPSHOT_GLOBAL);
    bool good = wr_snapshot_put_batch(&w, from) == WEIR_OK;
    wr_snapshot_end(&w);
    if (good && wr_snapshot_finish(&w) == WEIR_OK) {
        wr_snapshot_reader_init(&r, wr_text_string(&w.bytes), w.bytes.length, WR_GROUPS_ALL);
        if (wr_snapshot_next(&r) && wr_snapshot_get_batch(&r, budget, schema, &copy) != WEIR_OK)
            copy = NULL;
    }
    wr_snapshot_writer_fini(&w);
    return copy;
}

/* Keep what the query gave before the barrier of `epoch`; what came after it comes again. */
static weir_status
restart_collect(weir_result *r, bool *past_barrier)
{
    wr_stream *stream = wr_runtime_stream(r->pipeline->runtime, r->pipeline->views[0].stream);
    for (uint32_t s = 0; s < wr_stream_shards(stream); s++) {
        wr_batch *b;
        while ((b = wr_reader_next(r->reader, s, NULL)) != NULL) {
            past_barrier[s] = past_barrier[s] || b->mark == WR_MARK_BARRIER;
            if (b->row_count == 0 || past_barrier[s]) {
                wr_batch_release(b);
                continue;
            }
            wr_batch *copy = batch_apart(b, r->schema, r->pipeline->engine->budget);
            wr_batch_release(b);
            b = copy;
            if (b == NULL)
                return WEIR_MEMORY;
            if (r->before_count == r->before_capacity) {
                uint32_t more = r->before_capacity == 0 ? 64 : r->before_capacity * 2;
                wr_batch **grown =
                    wr_realloc(r->pipeline->engine->budget, r->before, more * sizeof *grown);
                if (grown == NULL) {
                    wr_batch_release(b);
                    return WEIR_MEMORY;
                }
                r->before = grown;
                r->before_capacity = more;
            }
            r->before[r->before_count++] = b;
        }
    }
    return WEIR_OK;
}

static weir_status
result_open(weir_result *r, const wr_runtime_config *config, weir_error *err)
{
    weir_pipeline *p = r->pipeline;
    wr_reader_config rc = { .required = true, .start = WR_START_TAIL, .shard = -1 };
    WR_TRY(wr_pipeline_run(p, config, err));
    return wr_reader_create(wr_runtime_stream(p->runtime, p->views[0].stream), &rc, &r->reader);
}

/*
 * For tests: run some steps on some workers, take a checkpoint, throw the runtime away, restore on
 * another number of them. A query that ends before its checkpoint simply goes on.
 */
static weir_status
result_restart(weir_result *r, const wr_runtime_config *config, uint64_t seed, weir_error *err)
{
    static const uint32_t workers[][2] = { { 2, 3 }, { 1, 3 }, { 3, 1 } };
    const uint32_t *from_to = workers[seed % WR_COUNT(workers)];
    weir_pipeline *p = r->pipeline;
    wr_runtime_config c = *config;
    wr_random random;
    bool past_barrier[64] = { false };
    char dir[WR_SCRATCH_PATH];
    WR_TRY(wr_scratch_make(dir, err));
    p->data_dir = wr_arena_strdup(&p->arena, dir);
    c.data_dir = p->data_dir;
    c.workers = from_to[0];
    wr_random_init(&random, seed);
    weir_status status = result_open(r, &c, err);
    for (uint64_t left = wr_random_below(&random, 60);
         status == WEIR_OK && left > 0 && wr_runtime_step(p->runtime); left--)
        status = restart_collect(r, past_barrier);
    wr_epoch epoch = status == WEIR_OK ? wr_runtime_barrier(p->runtime) : 0;
    while (status == WEIR_OK && wr_runtime_epoch_done(p->runtime) < epoch &&
           wr_runtime_step(p->runtime))
        status = restart_collect(r, past_barrier);
    if (status == WEIR_OK && wr_runtime_epoch_done(p->runtime) >= epoch) {
        status = restart_collect(r, past_barrier);
        wr_reader_destroy(r->reader);
        r->reader = NULL;
        wr_runtime_kill(p->runtime);
        wr_runtime_destroy(p->runtime);
        p->runtime = NULL;
        c.workers = from_to[1];
        if (status == WEIR_OK)
            status = result_open(r, &c, err);
    }
    return status;
}

weir_status
weir_query(weir *engine, const char *sql, const weir_query_options *options, weir_result **out,
           weir_error *err)
{
    static const weir_query_options none;
    const weir_query_options *o = options != NULL ? options : &none;
    weir_pipeline *p = NULL;
    WR_TRY(query_prepare(engine, sql, o, &p, err));
    bool small = o->batch_rows_max == 1;
    wr_runtime_config c = { .executor = WR_EXECUTOR_SEEDED,
                            .workers = 1,
                            .seed = engine->options.seed,
                            .clock = engine->clock,
                            .bounded = true,
                            .hold_end = o->no_flush,
                            .on_row_error = WR_ROW_FAIL,
                            .batch_rows_max = o->batch_rows_max,
                            .outbox_slots = small ? 1 : 0,
                            .ring_batches_max = small ? 1 : 0 };
    weir_result *r = wr_calloc(engine->budget, 1, sizeof *r);
    if (r == NULL) {
        wr_pipeline_destroy(p);
        return wr_error_set(err, WEIR_MEMORY, "no memory for a query");
    }
    r->pipeline = p;
    r->schema = p->views[0].plan->schema;
    r->row_limit = o->row_limit;
    r->no_flush = o->no_flush;
    r->deadline = o->timeout_us > 0 ? wr_clock_monotonic(engine->clock) + o->timeout_us : 0;
    wr_budget_set_limit(p->state, wr_budget_limit(engine->budget) / 5 * 4);
    weir_status status = o->restart_seed != 0 ? result_restart(r, &c, o->restart_seed, err)
                                              : result_open(r, &c, err);
    if (status != WEIR_OK) {
        weir_result_close(r);
        return status;
    }
    *out = r;
    return WEIR_OK;
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

/* Run tasks until there is something to read, or nothing more will come. */
static weir_status
result_step(weir_result *r, weir_error *err)
{
    wr_runtime *rt = r->pipeline->runtime;
    for (uint32_t i = 0; i < 64; i++) {
        if (wr_runtime_step(rt))
            continue;
        WR_TRY(wr_runtime_status(rt, err));
        wr_time due = wr_runtime_next_timer(rt), now = wr_clock_now(r->pipeline->engine->clock);
        if (wr_runtime_finished(rt) || r->no_flush || due == WR_TIME_END) {
            r->ended = true;
            return WEIR_OK;
        }
        if (due > now) {
            int64_t us = WR_MIN(due - now, 100000);
            nanosleep(&(struct timespec){ us / 1000000, us % 1000000 * 1000 }, NULL);
        }
        break;
    }
    WR_TRY(wr_runtime_status(rt, err));
    if (r->deadline != 0 && wr_clock_monotonic(r->pipeline->engine->clock) > r->deadline)
        return wr_error_set(err, WEIR_TIMEOUT, "the query took longer than its time limit");
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
    for (;;) {
        uint32_t shards =
            wr_stream_shards(wr_runtime_stream(r->pipeline->runtime, r->pipeline->views[0].stream));
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

weir_status
weir_explain_query(weir *engine, const char *sql, char **text, weir_error *err)
{
    weir_pipeline *p = NULL;
    WR_TRY(query_prepare(engine, sql, NULL, &p, err));
    wr_text to;
    wr_text_init(&to, NULL);
    wr_plan_explain(p->views[0].plan, &p->views[0].options, &to);
    wr_pipeline_destroy(p);
    *text = wr_text_take(&to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the plan");
}
