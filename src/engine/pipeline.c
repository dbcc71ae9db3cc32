/* SPDX-License-Identifier: Apache-2.0 */
/* engine/pipeline.c -- load, start, stop, wait: the life of a pipeline (see weir.h). */
#include "engine/engine_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { READ_BYTES = 16 * 1024 };

/* The whole file into the pipeline's arena. */
static weir_status
file_read(wr_arena *arena, const char *path, const char **text, size_t *length, wr_report *report)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (f == NULL)
        return wr_report_error(report, "", 0, 0, 1, WEIR_CONFIG_FILE, NULL,
                               "cannot read \"%s\": %s", path, strerror(errno));
    char room[READ_BYTES];
    wr_text read;
    wr_text_init(&read, arena->budget);
    /* More than the limit is seen, and refused by the parser. */
    for (size_t n = 1; n > 0 && read.length <= WR_DOCUMENT_BYTES_MAX;) {
        n = fread(room, 1, sizeof room, f);
        wr_text_append(&read, room, n);
    }
    bool bad = ferror(f) != 0;
    *length = read.length;
    *text = wr_text_ok(&read) ? wr_arena_strndup(arena, wr_text_string(&read), read.length) : NULL;
    wr_text_fini(&read);
    if (f != stdin)
        fclose(f);
    if (*text == NULL)
        return WEIR_MEMORY;
    if (bad)
        return wr_report_error(report, "", 0, 0, 1, WEIR_CONFIG_FILE, NULL,
                               "cannot read \"%s\": %s", path, strerror(errno));
    return WEIR_OK;
}

/* The file (or text) into a pipeline of its own, keys checked, nothing planned.  Returns owned, also
 * when there were mistakes; NULL: no memory. */
static weir_pipeline *
pipeline_read(weir *engine, const char *path, const char *text, const char *const *inputs,
              const char *const *outputs, wr_report *r)
{
    uint32_t errors_before = r->errors;
    weir_pipeline *p = NULL;
    wr_node *root = NULL;
    if (wr_pipeline_create(engine, "pipeline", &p) != WEIR_OK)
        return NULL;
    size_t length = text != NULL ? strlen(text) : 0;
    p->file = wr_arena_strdup(&p->arena, path);
    if (text == NULL && file_read(&p->arena, path, &text, &length, r) != WEIR_OK)
        return p;
    (void)!wr_document_parse(path, text, length, &p->arena, r, &root);
    if (r->errors > errors_before)
        return p;
    wr_document_substitute(root, &p->arena, r);
    if (r->errors == errors_before && !wr_arena_ok(&p->arena))
        return p;
    (void)!wr_spec_read(root, p->file, inputs, outputs, &p->arena, r, &p->spec);
    if (p->spec != NULL && p->spec->views != NULL)
        p->name = p->job.name = p->spec->name;
    return p;
}

/* The keys are read, whatever stands under them. */
static bool
pipeline_is_read(const weir_pipeline *p, const wr_report *r, uint32_t errors_before)
{
    return p->spec != NULL && p->spec->views != NULL &&
           (wr_arena_ok(&p->arena) || r->errors > errors_before);
}

/* It is not to be: why, in the report if that can be. */
static weir_status
pipeline_refuse(weir_pipeline *p, const char *path, wr_report *r, uint32_t errors_before,
                weir_status status)
{
    wr_pipeline_destroy(p);
    if (r->errors > errors_before)
        return wr_report_status(r);
    return wr_report_error(r, "", 0, 0, 1, status, NULL, "cannot load \"%s\": %s", path,
                           weir_status_text(status));
}

static void
pipeline_add(weir *engine, weir_pipeline *p)
{
    pthread_mutex_lock(&engine->mutex);
    weir_pipeline **last = &engine->pipelines;
    while (*last != NULL)
        last = &(*last)->next;
    *last = p;
    pthread_mutex_unlock(&engine->mutex);
}

typedef struct plan_call {
    weir_pipeline *pipeline;
    wr_report *report;
    weir_status status;
} plan_call;

static void
plan_run(void *user)
{
    plan_call *call = user;
    call->status = wr_pipeline_plan(call->pipeline, call->report);
}

/* Where there is stack for the parser: a thread for all statements costs less than one for each. */
static weir_status
pipeline_plan(weir_pipeline *p, wr_report *report)
{
    plan_call call = { p, report, WEIR_OK };
    wr_sql_with_stack(plan_run, &call);
    return call.status;
}

weir_status
weir_pipeline_load(weir *engine, const char *path, const char *text, const char *const *inputs,
                   const char *const *outputs, weir_report *report, weir_pipeline **pipeline)
{
    wr_report *r = &report->report;
    uint32_t errors_before = r->errors;
    *pipeline = NULL;
    weir_pipeline *p = pipeline_read(engine, path, text, inputs, outputs, r);
    if (p == NULL)
        return pipeline_refuse(NULL, path, r, errors_before, WEIR_MEMORY);
    weir_status status =
        pipeline_is_read(p, r, errors_before) ? pipeline_plan(p, r) : WEIR_MEMORY;
    if (status != WEIR_OK || r->errors > errors_before)
        return pipeline_refuse(p, path, r, errors_before, status);
    const char *dir =
        p->spec->checkpoint.dir != NULL ? p->spec->checkpoint.dir : engine->options.data_dir;
    if (dir != NULL)
        p->data_dir = wr_arena_printf(&p->arena, "%s/%s", dir, p->name);
    if (dir != NULL && p->data_dir == NULL)
        return pipeline_refuse(p, path, r, errors_before, WEIR_MEMORY);
    pipeline_add(engine, p);
    *pipeline = p;
    return WEIR_OK;
}

weir_status
weir_pipeline_read(weir *engine, const char *path, const char *text, weir_report *report,
                   weir_pipeline **pipeline)
{
    wr_report *r = &report->report;
    uint32_t errors_before = r->errors;
    *pipeline = NULL;
    weir_pipeline *p = pipeline_read(engine, path, text, NULL, NULL, r);
    if (p == NULL || r->errors > errors_before || !pipeline_is_read(p, r, errors_before))
        return pipeline_refuse(p, path, r, errors_before, WEIR_MEMORY);
    p->read_only = true;
    pipeline_add(engine, p);
    *pipeline = p;
    return WEIR_OK;
}

void
weir_pipeline_unload(weir_pipeline *pipeline)
{
    weir_error ignored;
    if (pipeline == NULL)
        return;
    if (weir_pipeline_state(pipeline, NULL) == WEIR_RUNNING)
        (void)!weir_pipeline_stop(pipeline, &ignored);
    weir *engine = pipeline->engine;
    pthread_mutex_lock(&engine->mutex);
    weir_pipeline **at = &engine->pipelines;
    while (*at != NULL && *at != pipeline)
        at = &(*at)->next;
    if (*at != NULL)
        *at = pipeline->next;
    pthread_mutex_unlock(&engine->mutex);
    wr_pipeline_destroy(pipeline);
}

const char *
weir_pipeline_name(const weir_pipeline *pipeline)
{
    return pipeline->name;
}

weir_pipeline *
weir_pipeline_at(weir *engine, uint32_t index)
{
    pthread_mutex_lock(&engine->mutex);
    weir_pipeline *p = engine->pipelines;
    while (p != NULL && index-- > 0)
        p = p->next;
    pthread_mutex_unlock(&engine->mutex);
    return p;
}

void
weir_pipeline_serve(const weir_pipeline *pipeline, weir_serve *out)
{
    const wr_spec *s = pipeline->spec;
    *out = (weir_serve){ .http = s->serve.http,
                         .tcp = s->serve.tcp,
                         .token = s->serve.token,
                         .insecure = s->serve.insecure,
                         .tls_cert = s->serve.tls_cert,
                         .tls_key = s->serve.tls_key,
                         .tls_client_ca = s->serve.tls_client_ca };
}

const char *
weir_pipeline_relation(const weir_pipeline *pipeline, uint32_t index, weir_relation_role *role)
{
    if (index < pipeline->catalog.count) {
        const wr_relation *rel = pipeline->catalog.relations[index];
        *role = rel->role == WR_ROLE_SOURCE ? WEIR_SOURCE
                : rel->role == WR_ROLE_VIEW ? WEIR_VIEW
                                            : WEIR_SIDE_STREAM;
        return rel->name;
    }
    index -= pipeline->catalog.count;
    *role = WEIR_SINK;
    return index < pipeline->sink_count ? pipeline->sinks[index].name : NULL;
}

bool
weir_pipeline_prints(const weir_pipeline *pipeline)
{
    bool prints = false;
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        prints = prints || strcmp(pipeline->sinks[i].ops->name, "stdout") == 0;
    return prints;
}

bool
weir_pipeline_only_prints(const weir_pipeline *pipeline)
{
    for (uint32_t i = 0; i < pipeline->sink_count; i++)
        if (strcmp(pipeline->sinks[i].ops->name, "stdout") != 0)
            return false;
    return pipeline->sink_count > 0;
}

/* From the runtime: any thread. */
static void
pipeline_event(void *user, int what, const weir_error *err)
{
    weir_pipeline *p = user;
    pthread_mutex_lock(&p->mutex);
    if (what == WR_EVENT_FINISHED && p->run_state == WEIR_RUNNING)
        p->run_state = WEIR_FINISHED;
    if (what == WR_EVENT_FAILED && p->run_state == WEIR_RUNNING) {
        p->run_state = WEIR_FAILED;
        if (err != NULL)
            p->failure = *err;
    }
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
}

weir_status
wr_pipeline_run(weir_pipeline *p, const wr_runtime_config *config, weir_error *err)
{
    wr_assert(p->runtime == NULL);
    wr_runtime_config c = *config;
    c.state = p->state;
    c.flow = p->flow;
    c.event = pipeline_event;
    c.user = p;
    WR_TRY(wr_runtime_create(&p->job, p->sources, p->source_count, p->sinks, p->sink_count, &c,
                             &p->runtime, err));
    p->boot = wr_mix64((uint64_t)wr_clock_now(wr_clock_system()) ^ (uint64_t)(uintptr_t)p->runtime);
    p->run_state = WEIR_RUNNING;
    p->started = wr_clock_now(p->engine->clock);
    weir_status st = wr_runtime_start(p->runtime, err);
    if (st != WEIR_OK) {
        wr_runtime_destroy(p->runtime);
        p->runtime = NULL;
        p->run_state = WEIR_LOADED;
    }
    return st;
}

/* Split the engine's memory: four fifths for state, the rest for what flows (12.2). */
static void
pipeline_budgets(weir_pipeline *p)
{
    uint64_t total = p->spec->limits.memory_bytes > 0 ? (uint64_t)p->spec->limits.memory_bytes
                                                      : wr_budget_limit(p->engine->budget);
    uint64_t state = 0;
    bool all = p->view_count > 0;
    for (uint32_t i = 0; i < p->view_count; i++) {
        state += p->views[i].memory_bytes;
        all = all && p->views[i].memory_bytes > 0;
    }
    wr_budget_set_limit(p->state, all && state < total / 5 * 4 ? state : total / 5 * 4);
    wr_budget_set_limit(p->flow, total / 5);
}

/* Another pipeline of the name runs.  Checkpoints, metrics and the API's paths know it by its name alone. */
static bool
namesake_runs(const weir_pipeline *p)
{
    bool found = false;
    pthread_mutex_lock(&p->engine->mutex);
    for (const weir_pipeline *o = p->engine->pipelines; o != NULL && !found; o = o->next)
        found = o != p && strcmp(o->name, p->name) == 0 &&
                weir_pipeline_state(o, NULL) == WEIR_RUNNING;
    pthread_mutex_unlock(&p->engine->mutex);
    return found;
}

weir_status
weir_pipeline_start(weir_pipeline *p, weir_error *err)
{
    if (weir_pipeline_state(p, NULL) == WEIR_RUNNING)
        return wr_error_set(err, WEIR_STATE_RUNNING, "pipeline %s is running already", p->name);
    if (namesake_runs(p))
        return wr_error_set(err, WEIR_STATE_RUNNING,
                            "a pipeline called %s is running: give %s another `name`", p->name,
                            p->file);
    if (p->read_only)
        return wr_error_set(err, WEIR_STATE_STOPPED, "pipeline %s was read for queries alone", p->name);
    wr_runtime_destroy(p->runtime);
    p->runtime = NULL;
    pipeline_budgets(p);
    wr_pipeline_name_instance(p);
    p->workers = p->spec->limits.workers > 0 ? (uint32_t)p->spec->limits.workers
                                             : p->engine->options.workers;
    wr_runtime_config c = { .executor = WR_EXECUTOR_THREADS,
                            .workers = p->workers,
                            .seed = p->engine->options.seed,
                            .clock = p->engine->clock,
                            .data_dir = p->data_dir,
                            .checkpoint_us = p->spec->checkpoint.dir != NULL
                                                 ? p->spec->checkpoint.interval_us
                                                 : p->engine->options.checkpoint_us,
                            .journal_bytes = (uint64_t)p->spec->checkpoint.journal_bytes,
                            .epoch_us = p->spec->serve.epoch_us,
                            .bounded = p->engine->options.once,
                            .isolates = !p->engine->options.once,
                            .final_checkpoint = true,
                            .on_row_error = WR_ROW_DEAD_LETTER };
    wr_error_clear(err);
    return wr_error_default(err, wr_pipeline_run(p, &c, err));
}

weir_status
weir_pipeline_stop(weir_pipeline *p, weir_error *err)
{
    if (p->runtime == NULL)
        return wr_error_set(err, WEIR_STATE_STOPPED, "pipeline %s is not running", p->name);
    wr_error_clear(err);
    weir_status st = wr_error_default(err, wr_runtime_stop(p->runtime, err));
    pthread_mutex_lock(&p->mutex);
    if (p->run_state == WEIR_RUNNING)
        p->run_state = WEIR_STOPPED;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->mutex);
    return st;
}

weir_state
weir_pipeline_state(const weir_pipeline *pipeline, weir_error *why)
{
    weir_pipeline *p = (weir_pipeline *)pipeline; /* the mutex alone is written */
    pthread_mutex_lock(&p->mutex);
    weir_state state = p->run_state;
    if (why != NULL)
        *why = p->failure;
    pthread_mutex_unlock(&p->mutex);
    return state;
}

weir_status
weir_pipeline_wait(weir_pipeline *p, int64_t timeout_us, weir_error *err)
{
    struct timespec until;
    timeout_us = WR_MAX(timeout_us, (int64_t) 0);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_us / 1000000;
    until.tv_nsec += timeout_us % 1000000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&p->mutex);
    while (p->run_state == WEIR_RUNNING)
        if (pthread_cond_timedwait(&p->changed, &p->mutex, &until) == ETIMEDOUT)
            break;
    weir_state state = p->run_state;
    if (state == WEIR_FAILED && err != NULL)
        *err = p->failure;
    pthread_mutex_unlock(&p->mutex);
    if (state == WEIR_FAILED)
        return p->failure.code != WEIR_OK ? p->failure.code : WEIR_INTERNAL;
    return state == WEIR_RUNNING
               ? wr_error_set(err, WEIR_TIMEOUT, "pipeline %s is still running", p->name)
               : WEIR_OK;
}

weir_status
weir_pipeline_checkpoint(weir_pipeline *p, weir_error *err)
{
    enum { TRIES = 1000 };
    if (weir_pipeline_state(p, NULL) != WEIR_RUNNING)
        return wr_error_set(err, WEIR_STATE_STOPPED, "pipeline %s is not running", p->name);
    if (p->data_dir == NULL)
        return wr_error_set(err, WEIR_CHECKPOINT,
                            "pipeline %s has no data directory: set checkpoint.dir", p->name);
    wr_checkpoint_view now = { 0 };
    wr_epoch epoch = wr_runtime_barrier(p->runtime);
    for (int i = 0; i < TRIES && wr_runtime_epoch_done(p->runtime) < epoch; i++) {
        nanosleep(&(struct timespec){ 0, 10 * 1000 * 1000 }, NULL);
        wr_runtime_checkpoint_view(p->runtime, &now);
        if (weir_pipeline_state(p, NULL) != WEIR_RUNNING || now.failed >= epoch)
            break;
    }
    if (wr_runtime_epoch_done(p->runtime) >= epoch)
        return WEIR_OK;
    if (now.failed >= epoch)
        return wr_error_set(err, WEIR_CHECKPOINT, "the checkpoint of %s was not written: %s", p->name,
                            now.last_error);
    return wr_error_set(err, WEIR_TIMEOUT, "the checkpoint of %s did not complete within 10 s",
                        p->name);
}
