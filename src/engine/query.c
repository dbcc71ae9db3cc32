/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query.c -- a question asked once: the same operators over inputs that end, or, followed, over
 * inputs as they come.
 *
 * The caller's thread runs everything: a query is a pipeline on the seeded executor, stepped by
 * weir_result_next until rows come out.  A row on which the statement itself fails ends the query, as in
 * PostgreSQL; one on which a view of the pipeline fails is left out and counted, as where it runs.
 */
#include "engine/query_impl.h"
#include "engine/share.h"

#include <stdio.h>
#include <string.h>

/* What the statement may not read: a place in it, and what to do. */
static weir_status
refuse_endless(const weir_pipeline *p, const wr_plan *scan, weir_error *err)
{
    const wr_relation *rel = scan->scan.relation;
    const wr_spec_source *s = rel->user;
    bool itself = strcmp(rel->name, s->name) == 0;
    weir_status status;
    if (p->bounded && itself)
        status = wr_error_at(err, WEIR_QUERY_UNSUPPORTED, scan->location,
                             "\"%s\" has no end: it is a %s source", rel->name, s->ops->name);
    else if (p->bounded)
        status = wr_error_at(err, WEIR_QUERY_UNSUPPORTED, scan->location,
                             "\"%s\" has no end: it reads \"%s\", a %s source", rel->name, s->name,
                             s->ops->name);
    else
        status = wr_error_at(err, WEIR_QUERY_UNSUPPORTED, scan->location,
                             "nobody can push rows into \"%s\" here", s->name);
    wr_error_hint(err, "give its rows in a file: --input %s=FILE%s", s->name,
                  p->bounded && s->ops != &wr_push_source_ops
                      ? ", or follow it: EMIT CHANGES at the end of the statement"
                      : "");
    return status;
}

static wr_plan_options
query_options(const weir_pipeline *p, const weir_query_options *o)
{
    return (wr_plan_options){ .bounded = p->bounded,
                              .emit_given = p->bounded || o->emit_changes,
                              .emit = o->emit_changes ? WR_EMIT_CHANGES : WR_EMIT_FINAL,
                              .late_given = true,
                              .late = WR_LATE_DROP,
                              .unbounded_state = p->bounded || o->unbounded_state,
                              .now = wr_clock_now(p->engine->clock),
                              .params = o->params,
                              .param_count = o->param_count };
}

static weir_status
plan_query(weir_pipeline *p, const weir_query_options *options, weir_error *err)
{
    wr_sql_extras extras = { 0 };
    wr_planned *v = &p->views[p->view_count];
    v->name = "query";
    v->late_stream = v->bad_stream = -1;
    v->options = query_options(p, options);
    WR_TRY(wr_sql_bind(p->statement, strlen(p->statement), &p->catalog, &v->options, &p->arena,
                       &v->plan, &extras, err));
    const wr_plan *endless = wr_plan_endless(v->plan);
    if (endless != NULL)
        return refuse_endless(p, endless, err);
    if (!p->bounded && extras.emit_given) {
        v->options.emit_given = true;
        v->options.emit = extras.emit;
    }
    v->options.late = wr_plan_inherited_late(v->plan);
    WR_TRY(wr_plan_optimise(&p->arena, &v->options, &v->plan, err));
    WR_TRY(wr_plan_bound(&p->arena, &v->options, v->plan, err));
    wr_job_stream js = { .name = "query", .schema = v->plan->schema, .origin = WR_FROM_SEGMENT };
    WR_TRY(wr_names_add(&p->view_names, v->name, p->view_count));
    p->view_count++;
    WR_TRY(wr_pipeline_share(p, p->lowered_count)); /* with itself alone: the views are in the job */
    WR_TRY(wr_pipeline_route(p, p->lowered_count));
    WR_TRY(wr_pipeline_lower(p, v, &js, err));
    return wr_pipeline_bind(p);
}

/* A pipeline with this query in it and what it reads.  The statement begins `skip` bytes into sql.
 * Returns owned. */
static weir_status
query_prepare(weir *engine, const char *sql, size_t skip, const weir_query_options *options,
              weir_pipeline **out, weir_error *err)
{
    weir_pipeline *p = NULL;
    weir_status status = wr_pipeline_create(engine, "query", &p);
    if (status != WEIR_OK)
        return wr_error_set(err, status, "no memory for a query");
    wr_sql_extras extras = { 0 };
    const char **names = NULL;
    uint32_t count = 0;
    p->asked = wr_arena_strdup(&p->arena, sql);
    p->statement = p->asked != NULL ? p->asked + skip : NULL;
    status = p->statement != NULL ? WEIR_OK : WEIR_MEMORY;
    WR_TRY_GOTO(status);
    WR_TRY_GOTO(wr_sql_relations(p->statement, strlen(p->statement), &p->arena, &names, &count,
                                 &extras, err));
    bool changes = extras.emit_given && extras.emit == WR_EMIT_CHANGES;
    p->bounded = !options->follow && !options->emit_changes && !changes;
    WR_TRY_GOTO(wr_query_add_inputs(p, options->pipeline, names, count, err));
    WR_TRY_GOTO(plan_query(p, options, err));
    *out = p;
    return WEIR_OK;
done:
    if (err->code == WEIR_OK)
        (void)!wr_error_set(err, status, "%s", weir_status_text(status));
    if (status == WEIR_QUERY_NO_RELATION)
        wr_query_hint(options->pipeline, err);
    if (err->offset >= 0 && err->line == 0) {
        err->offset += (int32_t)skip;
        wr_error_line_column(err, sql, strlen(sql));
    }
    wr_pipeline_destroy(p);
    return status;
}

weir_status
weir_query(weir *engine, const char *sql, const weir_query_options *options, weir_result **out,
           weir_error *err)
{
    static const weir_query_options none;
    const weir_query_options *o = options != NULL ? options : &none;
    weir_pipeline *p = NULL;
    weir_error local;
    err = err != NULL ? err : &local;
    wr_error_clear(err);
    size_t skip = 0;
    bool analyze = false, explain = wr_explain_prefix(sql, &skip, &analyze);
    WR_TRY(query_prepare(engine, sql, skip, o, &p, err));
    bool small = o->batch_rows_max == 1;
    wr_runtime_config c = { .executor = WR_EXECUTOR_SEEDED,
                            .workers = 1,
                            .seed = engine->options.seed,
                            .clock = engine->clock,
                            .bounded = p->bounded,
                            .aside = true,
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
    r->schema = wr_query_view(p)->plan->schema;
    r->row_limit = o->row_limit;
    r->no_flush = o->no_flush;
    r->progress = o->progress;
    r->progress_user = o->user;
    r->told = wr_clock_monotonic(engine->clock);
    r->deadline = o->timeout_us > 0 ? r->told + WR_MIN(o->timeout_us, INT64_MAX - r->told) : 0;
    wr_budget_set_limit(p->state, wr_budget_limit(engine->budget) / 5 * 4);
    weir_status status = explain && !analyze    ? WEIR_OK
                         : o->restart_seed != 0 ? wr_result_restart(r, &c, o->restart_seed, err)
                                                : wr_result_open(r, &c, err);
    if (status == WEIR_OK && explain)
        status = wr_result_explain(r, analyze, err);
    if (status != WEIR_OK) {
        weir_result_close(r);
        return status;
    }
    *out = r;
    return WEIR_OK;
}

weir_status
weir_explain_query(weir *engine, const char *sql, const weir_query_options *options, char **text,
                   weir_error *err)
{
    static const weir_query_options none;
    weir_pipeline *p = NULL;
    weir_error local;
    err = err != NULL ? err : &local;
    wr_error_clear(err);
    WR_TRY(query_prepare(engine, sql, 0, options != NULL ? options : &none, &p, err));
    wr_text to;
    wr_text_init(&to, NULL);
    wr_query_plan_text(p, false, 0, &to);
    wr_pipeline_destroy(p);
    *text = wr_text_take(&to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the plan");
}
