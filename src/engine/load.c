/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/load.c -- from a spec to a catalog, plans, a job and bindings (sources: load_source.c).
 *
 * Order: sources, then views by dependency (a view may read views below it in the file), then sinks.
 * Every step goes on after a mistake as far as it can, so that one run reports them all.
 */
#include "checkpoint/checkpoint.h"
#include "engine/load_impl.h"
#include "engine/share.h"
#include "operator/aggregate.h"
#include "operator/asof_join.h"
#include "operator/dedup.h"
#include "operator/join.h"
#include "operator/over_rolling.h"

#include <stdio.h>
#include <string.h>

weir_status
wr_pipeline_create(weir *engine, const char *name, weir_pipeline **pipeline)
{
    weir_pipeline *p = wr_calloc(engine->budget, 1, sizeof *p);
    if (p == NULL)
        return WEIR_MEMORY;
    p->engine = engine;
    p->budget = wr_budget_create(engine->budget, name, 0);
    if (p->budget != NULL) {
        p->state = wr_budget_create(p->budget, "state", 0);
        p->flow = wr_budget_create(p->budget, "flow", 0);
    }
    if (p->state == NULL || p->flow == NULL) {
        wr_budget_destroy(p->state);
        wr_budget_destroy(p->flow);
        wr_budget_destroy(p->budget);
        wr_free(p);
        return WEIR_MEMORY;
    }
    wr_arena_init(&p->arena, p->budget);
    wr_catalog_init(&p->catalog, &p->arena);
    wr_names_init(&p->view_names, &p->arena);
    wr_names_init(&p->part_names, &p->arena);
    wr_names_init(&p->side_names, &p->arena);
    wr_lowering_init(&p->lowering, &p->arena, &p->job);
    pthread_mutex_init(&p->mutex, NULL);
    pthread_condattr_t monotonic; /* a wait does not follow the wall clock when that jumps */
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    wr_encoded_cache_init(&p->encoded);
    p->name = wr_arena_strdup(&p->arena, name);
    p->job.name = p->name;
    if (p->name == NULL) {
        wr_pipeline_destroy(p);
        return WEIR_MEMORY;
    }
    *pipeline = p;
    return WEIR_OK;
}

void
wr_pipeline_destroy(weir_pipeline *pipeline)
{
    if (pipeline == NULL)
        return;
    wr_encoded_cache_fini(&pipeline->encoded); /* before the streams whose batches it keeps */
    wr_runtime_destroy(pipeline->runtime);
    for (uint32_t i = 0; i < pipeline->job.segment_count; i++)
        wr_batch_release(pipeline->job.segments[i].values);
    wr_arena_fini(&pipeline->arena);
    wr_budget_destroy(pipeline->state);
    wr_budget_destroy(pipeline->flow);
    wr_budget_destroy(pipeline->budget);
    pthread_mutex_destroy(&pipeline->mutex);
    pthread_cond_destroy(&pipeline->changed);
    wr_free(pipeline);
}

wr_planned *
wr_pipeline_view(const weir_pipeline *pipeline, const char *name)
{
    uint32_t i;
    return wr_names_find(&pipeline->view_names, name, &i) ? &pipeline->views[i] : NULL;
}

int32_t
wr_pipeline_stream(const weir_pipeline *pipeline, const char *name)
{
    uint32_t i;
    return wr_lowering_find_stream(&pipeline->lowering, name, &i) ? (int32_t)i : -1;
}

/* An error inside a text that stands in the YAML: exact in a | block and on one line, at the value otherwise. */
weir_status
wr_load_report_sql(wr_report *report, const wr_node *node, const char *sql_file, const char *text,
           size_t length, weir_status status, const weir_error *err)
{
    weir_error at = *err;
    (void)!wr_error_default(&at, status);
    if (at.line == 0 && at.offset >= 0)
        wr_error_line_column(&at, text, length);
    if (sql_file != NULL)
        return wr_report_add(report, sql_file, false, 1, &at);
    if (node->block && at.line > 0) {
        at.column += (int32_t)node->block_column - 1;
        at.line += (int32_t)node->block_line - 1;
    } else if ((!node->quoted || node->verbatim) && !node->block && at.line == 1) { /* on one line */
        at.line = (int32_t)node->line;
        at.column += (int32_t)node->column - 1 + node->verbatim;
    } else {
        at.line = (int32_t)node->line;
        at.column = (int32_t)node->column;
    }
    return wr_report_add(report, node->file, false, 1, &at);
}

/* An error without a place of its own. */
weir_status
wr_load_report_plain(wr_report *report, const wr_node *at, weir_status status, weir_error *err)
{
    (void)!wr_error_default(err, status);
    return wr_node_error(report, at, status, err->hint[0] != '\0' ? err->hint : NULL, "%s", err->text);
}

/* --- views --- */

/* What late rows of the operator look like: its input.  NULL: it has none, or hands them to nobody. */
static const wr_schema *
late_input(const wr_job_op *op)
{
    if (op->ops == &wr_aggregate_ops || op->ops == &wr_session_aggregate_ops)
        return ((const wr_aggregate_config *)op->config)->input;
    if (op->ops == &wr_dedup_ops)
        return ((const wr_dedup_config *)op->config)->schema;
    if (op->ops == &wr_over_ops) {
        const wr_over_config *c = op->config;
        return c->time_column >= 0 ? c->input : NULL;
    }
    if (op->ops == &wr_over_rolling_ops)
        return ((const wr_over_rolling_config *)op->config)->over->input;
    if (op->ops == &wr_asof_join_ops)
        return ((const wr_asof_join_config *)op->config)->left;
    if (op->ops == &wr_join_ops || op->ops == &wr_join_changes_ops) {
        const wr_join_config *c = op->config;
        return c->has_bound ? c->left : NULL;
    }
    return NULL;
}

/* The segment with the first operator of a view that has late rows. */
static const wr_schema *
late_schema(const weir_pipeline *p, const wr_planned *v, wr_job_segment **segment)
{
    for (uint32_t s = v->first_segment; s < v->first_segment + v->segment_count; s++)
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            const wr_schema *input = late_input(&p->job.segments[s].ops[o]);
            if (input == NULL)
                continue;
            *segment = &p->job.segments[s];
            (*segment)->late_op = o;
            return input;
        }
    return NULL;
}

wr_late_policy
wr_plan_inherited_late(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return (wr_late_policy)plan->scan.relation->late;
    wr_late_policy found = WR_LATE_DROP;
    for (uint32_t i = 0; i < plan->input_count && found == WR_LATE_DROP; i++)
        found = wr_plan_inherited_late(plan->inputs[i]);
    return found;
}

const wr_plan *
wr_plan_endless(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return plan->scan.relation->user != NULL ? plan : NULL;
    const wr_plan *found = NULL;
    for (uint32_t i = 0; i < plan->input_count && found == NULL; i++)
        found = wr_plan_endless(plan->inputs[i]);
    return found;
}

/* Does everything below end by itself? */
static bool
plan_ends(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return plan->scan.relation->bounded;
    bool all = true;
    for (uint32_t i = 0; i < plan->input_count && all; i++)
        all = plan_ends(plan->inputs[i]);
    return all;
}

/* Bind and optimise in the statement's arena; the plan alone is kept.  parsed: NULL: it is not yet. */
static weir_status
view_bind(weir_pipeline *p, wr_spec_view *sv, wr_sql_statement *parsed, wr_arena *statement,
          wr_planned *v, weir_error *err)
{
    wr_sql_extras extras = { 0 };
    wr_plan *plan = NULL;
    weir_status st = WEIR_OK;
    if (parsed == NULL)
        st = wr_sql_statement_parse(sv->sql, sv->sql_length, statement, &parsed, err);
    if (st == WEIR_OK)
        st = wr_sql_statement_bind(parsed, &p->catalog, &v->options, &plan, &extras, err);
    if (st == WEIR_OK && extras.emit_given && !v->options.emit_given) {
        v->options.emit_given = true;
        v->options.emit = extras.emit;
    }
    if (st == WEIR_OK) {
        v->options.late =
            sv->common.late > 0 ? (wr_late_policy)(sv->common.late - 1) : wr_plan_inherited_late(plan);
        st = wr_plan_optimise(statement, &v->options, &plan, err);
    }
    if (st == WEIR_OK)
        st = wr_plan_bound(statement, &v->options, plan, err);
    if (st == WEIR_OK &&
        ((v->plan = wr_plan_detach(&p->arena, &p->lowering.strings, plan)) == NULL || !wr_arena_ok(statement)))
        st = wr_error_set(err, WEIR_MEMORY, "no memory for the plan");
    return st;
}

/* Does the message name a relation of the file that could not be planned? */
static bool
names_unplanned(const weir_pipeline *p, const char *message)
{
    char quoted[80];
    for (uint32_t i = 0; i < p->spec->source_count + p->spec->view_count; i++) {
        const char *name = i < p->spec->source_count
                               ? p->spec->sources[i].name
                               : p->spec->views[i - p->spec->source_count].name;
        snprintf(quoted, sizeof quoted, "\"%s\"", name);
        if (strstr(message, quoted) != NULL && wr_catalog_find(&p->catalog, name) == NULL)
            return true;
    }
    return false;
}

/* Does its plan alone decide which rows the view has? */
static bool
rows_are_plans(const wr_planned *v)
{
    return v->spec->limits.on_memory == 0 && v->spec->limits.memory_bytes == 0 &&
           v->options.ttl_us == 0 && v->options.late != WR_LATE_UPDATE;
}

static weir_status
plan_view(weir_pipeline *p, wr_spec_view *sv, wr_sql_statement *parsed, wr_arena *statement,
          wr_report *report)
{
    weir_error err = { 0 };
    wr_planned *v = &p->views[p->view_count];
    v->name = sv->name;
    v->late_stream = v->bad_stream = -1;
    v->memory_bytes = (uint64_t)sv->limits.memory_bytes;
    v->spec = sv;
    v->alone = v->memory_bytes > 0 || sv->limits.on_memory == 1 || /* S2 of engine/share.c */
               wr_side_is_wanted(p, sv->name, "late") || wr_side_is_wanted(p, sv->name, "dead_letter");
    v->options = (wr_plan_options){ .bounded = p->bounded,
                                    .emit_given = sv->common.emit != 0,
                                    .emit = sv->common.emit == 2 ? WR_EMIT_CHANGES : WR_EMIT_FINAL,
                                    .late_given = true,
                                    .lateness_us = (uint64_t)sv->common.lateness_us,
                                    .unbounded_state = sv->state.unbounded,
                                    .ttl_us = (uint64_t)sv->state.ttl_us,
                                    .now = wr_clock_now(p->engine->clock) };
    weir_status st = view_bind(p, sv, parsed, statement, v, &err);
    if (st == WEIR_QUERY_NO_RELATION && names_unplanned(p, err.text))
        return st; /* what it reads has mistakes of its own */
    if (st != WEIR_OK)
        return wr_load_report_sql(report, sv->sql_node, sv->sql_file, sv->sql, sv->sql_length, st, &err);
    if (sv->common.lateness_us > 0 && v->options.late != WR_LATE_UPDATE)
        return wr_node_error(report, sv->at, WEIR_CONFIG_VALUE, "add `late: update`, or leave `lateness` out",
                             "view `%s` has a `lateness`, but its late rows are left out", sv->name);
    const wr_plan *endless = wr_plan_endless(v->plan);
    wr_relation rel = { .name = sv->name,
                        .role = WR_ROLE_VIEW,
                        .schema = v->plan->schema,
                        .bounded = plan_ends(v->plan),
                        .keyed = wr_plan_is_table(v->plan) && sv->state.ttl_us == 0,
                        .late = (uint8_t)v->options.late,
                        .rows = (uint64_t)WR_MIN(wr_plan_rows(v->plan), 1e15),
                        .user = endless != NULL ? endless->scan.relation->user : NULL,
                        .plan = rows_are_plans(v) ? v->plan : NULL };
    st = wr_catalog_add(&p->catalog, &rel, &err);
    if (st != WEIR_OK)
        return wr_load_report_plain(report, sv->at, st, &err);
    WR_TRY(wr_names_add(&p->view_names, sv->name, p->view_count));
    p->view_count++;
    return WEIR_OK;
}

/* The side streams of a view in the job that somebody reads. */
static weir_status
add_view_sides(weir_pipeline *p, wr_planned *v, weir_error *err)
{
    wr_job_segment *segment = NULL;
    const wr_schema *late = late_schema(p, v, &segment);
    if (late != NULL && wr_side_is_wanted(p, v->name, "late")) {
        WR_TRY(wr_side_add(p, v->name, "late", late, v->stream, WR_PORT_LATE, plan_ends(v->plan),
                        &v->late_stream, err));
        segment->late_wanted = true;
        segment->late_stream = (uint32_t)v->late_stream;
    }
    if (wr_side_is_wanted(p, v->name, "dead_letter"))
        WR_TRY(wr_side_add(p, v->name, "dead_letter", wr_bad_rows_schema(), v->stream, WR_PORT_BAD,
                        false, &v->bad_stream, err));
    return WEIR_OK;
}

/* The first operator of the view that keeps rows and cannot leave any out; NULL: none. */
static const wr_operator_ops *
cannot_shed(const weir_pipeline *p, const wr_planned *v)
{
    for (uint32_t s = v->first_segment; s < v->first_segment + v->segment_count; s++)
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            const wr_job_op *op = &p->job.segments[s].ops[o];
            bool ages = op->ops == &wr_aggregate_ops &&
                        ((const wr_aggregate_config *)op->config)->ttl_us > 0;
            if ((op->ops->traits & (WR_OP_STATELESS | WR_OP_SHEDS)) == 0 || ages)
                return op->ops;
        }
    return NULL;
}

static weir_status
check_shed(const weir_pipeline *p, const wr_planned *v, wr_report *report)
{
    const wr_operator_ops *ops = v->spec->limits.on_memory == 1 ? cannot_shed(p, v) : NULL;
    if (ops == NULL)
        return WEIR_OK;
    return wr_node_error(report, v->spec->at, WEIR_QUERY_UNSUPPORTED,
                         "on_memory: fail; or limit what comes in: GROUP BY, DISTINCT or dedup() in a view of "
                         "its own, which can",
                         "view `%s` cannot leave rows out when its memory is full (on_memory: shed): its %s%s keeps "
                         "all rows it needs",
                         v->name, ops->name, ops == &wr_aggregate_ops ? " with a ttl" : "");
}

weir_status
wr_pipeline_lower_views(weir_pipeline *p, wr_report *report)
{
    weir_error err = { 0 };
    WR_TRY(wr_pipeline_share(p, p->lowered_count));
    WR_TRY(wr_pipeline_route(p, p->lowered_count));
    while (p->lowered_count < p->view_count) {
        wr_planned *v = &p->views[p->lowered_count++];
        const wr_spec_view *sv = v->spec;
        wr_job_stream js = { .name = sv->name,
                             .schema = v->plan->schema,
                             .origin = WR_FROM_SEGMENT,
                             .retain_us = (uint64_t)sv->common.retain_us,
                             .bytes_max = (uint64_t)sv->common.buffer_bytes,
                             .state_bytes_max = (uint64_t)sv->limits.memory_bytes,
                             .shed = sv->limits.on_memory == 1,
                             .view = true };
        uint32_t first = p->job.segment_count;
        weir_status st = wr_pipeline_lower(p, v, &js, &err);
        for (uint32_t i = first; i < p->job.segment_count; i++)
            p->job.segments[i].leaves_failed = true; /* in a query, too */
        if (st != WEIR_OK)
            return wr_load_report_sql(report, sv->sql_node, sv->sql_file, sv->sql, sv->sql_length, st, &err);
        (void)!check_shed(p, v, report); /* and those behind it */
        st = add_view_sides(p, v, &err);
        if (st != WEIR_OK)
            return wr_load_report_plain(report, sv->at, st, &err);
    }
    return WEIR_OK;
}

static bool
is_planned(const weir_pipeline *p, const char *name)
{
    const char *dot = strchr(name, '.');
    uint32_t i, views = p->spec->view_count, sources = p->spec->source_count;
    return !wr_names_find_bytes(&p->spec->names, name,
                                dot != NULL ? (size_t)(dot - name) : strlen(name), &i) ||
           p->marks[i < views ? sources + i : i - views] == 2;
}

/* What a statement reads, unless all of it is planned.  *parsed goes meanwhile: chains of views may be long. */
static weir_status
plan_inputs(weir_pipeline *p, const char *const *names, uint32_t count, wr_arena *statement,
            wr_sql_statement **parsed, wr_report *report)
{
    bool all = true;
    weir_status st = WEIR_OK;
    wr_arena kept;
    for (uint32_t i = 0; i < count; i++)
        all = all && is_planned(p, names[i]);
    if (all)
        return WEIR_OK;
    wr_arena_init(&kept, p->budget);
    const char **copies = wr_arena_calloc(&kept, count, sizeof *copies);
    for (uint32_t i = 0; copies != NULL && i < count; i++)
        if ((copies[i] = wr_arena_strdup(&kept, names[i])) == NULL)
            copies = NULL;
    wr_arena_fini(statement);
    *parsed = NULL;
    for (uint32_t i = 0; copies != NULL && st == WEIR_OK && i < count; i++)
        st = wr_pipeline_plan_named(p, copies[i], report);
    wr_arena_fini(&kept);
    return copies != NULL ? st : WEIR_MEMORY;
}

/* Depth first: what a view reads is planned before it. */
static weir_status
plan_view_after_inputs(weir_pipeline *p, wr_spec_view *sv, wr_report *report)
{
    uint8_t *mark = &p->marks[p->spec->source_count + (uint32_t)(sv - p->spec->views)];
    if (*mark == 2 || sv->sql == NULL)
        return WEIR_OK;
    if (*mark == 1)
        return wr_node_error(report, sv->at, WEIR_CONFIG_REFERENCE,
                             "a view may only read views that do not read it",
                             "view `%s` reads itself", sv->name);
    *mark = 1;
    const char **names = NULL;
    uint32_t count = 0;
    bool reads_side = false;
    weir_error err = { 0 };
    wr_arena statement;
    wr_sql_statement *parsed = NULL;
    wr_arena_init(&statement, p->budget);
    weir_status st = wr_sql_statement_parse(sv->sql, sv->sql_length, &statement, &parsed, &err);
    if (st == WEIR_OK)
        st = wr_sql_statement_relations(parsed, &names, &count, &err);
    else
        parsed = NULL;
    for (uint32_t i = 0; st == WEIR_OK && i < count; i++)
        reads_side = reads_side || strchr(names[i], '.') != NULL;
    if (st == WEIR_OK)
        st = plan_inputs(p, names, count, &statement, &parsed, report);
    if (st == WEIR_OK && reads_side) /* side streams are there once their view is in the job */
        st = wr_pipeline_lower_views(p, report);
    if (st == WEIR_OK ||
        err.code != WEIR_OK) /* a syntax error is reported by plan_view, with its place */
        st = plan_view(p, sv, parsed, &statement, report);
    wr_arena_fini(&statement);
    *mark = 2;
    return st;
}

static weir_status
plan_source_once(weir_pipeline *p, uint32_t index, wr_report *report)
{
    if (p->marks[index] == 2 || p->spec->sources[index].ops == NULL)
        return WEIR_OK;
    p->marks[index] = 2;
    return wr_load_source(p, &p->spec->sources[index], report);
}

weir_status
wr_pipeline_plan_named(weir_pipeline *p, const char *name, wr_report *report)
{
    const char *dot = strchr(name, '.');
    size_t length = dot != NULL ? (size_t)(dot - name) : strlen(name);
    uint32_t i;
    if (!wr_names_find_bytes(&p->spec->names, name, length, &i))
        return WEIR_OK;
    return i < p->spec->view_count ? plan_view_after_inputs(p, &p->spec->views[i], report)
                                   : plan_source_once(p, i - p->spec->view_count, report);
}

/* --- sinks --- */

static weir_status
plan_sink(weir_pipeline *p, wr_spec_sink *s, wr_report *report)
{
    weir_error err = { 0 };
    if (!s->sound)
        return WEIR_CONFIG; /* reported when it was read */
    wr_relation *rel = wr_catalog_find(&p->catalog, s->common.from);
    if (rel == NULL) {
        const char *near = wr_catalog_nearest(&p->catalog, s->common.from);
        char quoted[128], hint[160] = "";
        snprintf(quoted, sizeof quoted, "\"%.100s\"", s->common.from);
        if (names_unplanned(p, quoted))
            return WEIR_CONFIG_REFERENCE; /* what it reads has mistakes of its own */
        if (near != NULL)
            snprintf(hint, sizeof hint, "did you mean `%s`?", near);
        return wr_node_error(report, s->from_node, WEIR_CONFIG_REFERENCE,
                             hint[0] != '\0' ? hint : NULL, "no source or view is called `%s`",
                             s->common.from);
    }
    const wr_schema *upserts = NULL;
    WR_TRY(wr_sink_changes(p, s, rel, &upserts, report));
    const wr_schema *written = upserts != NULL ? upserts : rel->schema;
    if (s->ops->check != NULL) {
        weir_status st = s->ops->check(s->config, written, s->encoder, &err);
        if (st != WEIR_OK)
            return wr_load_report_plain(report, s->at, st, &err);
    }
    p->sinks[p->sink_count++] =
        (wr_sink_binding){ .name = s->name,
                           .stream = (uint32_t)wr_pipeline_stream(p, rel->name),
                           .ops = s->ops,
                           .config = s->config,
                           .encoder = s->encoder,
                           .encoder_config = s->encoder_config,
                           .upserts = upserts };
    return WEIR_OK;
}

weir_status
wr_pipeline_bind(weir_pipeline *p)
{
    bool ages = false;
    for (uint32_t v = 0; v < p->view_count; v++)
        ages |= p->views[v].options.ttl_us > 0;
    for (uint32_t i = 0; i < p->source_count; i++) {
        p->sources[i].ages = ages;
        uint32_t words = (p->sources[i].schema->field_count + 63) / 64;
        bool keyed = p->sources[i].keyed;
        uint32_t stream = keyed ? (uint32_t)wr_pipeline_stream(p, p->sources[i].name)
                                : p->sources[i].stream;
        uint64_t *needed = keyed ? (uint64_t *)(uintptr_t)p->sources[i].needed
                                 : wr_arena_calloc(&p->arena, words, sizeof *needed);
        if (needed == NULL)
            return WEIR_MEMORY;
        wr_lowering_needed(&p->lowering, stream, needed);
        if (keyed)
            wr_keyed_needed(&p->sources[i], needed);
        for (uint32_t s = 0; s < p->sink_count; s++)
            if (p->sinks[s].stream == stream) /* a sink straight from a source reads all listed */
                for (uint32_t c = 0; c < p->sources[i].schema->field_count; c++)
                    if (!p->sources[i].schema->fields[c].hidden)
                        wr_bitmap_set(needed, c);
        if (p->sources[i].watermark != NULL)
            wr_expr_columns(p->sources[i].watermark, needed);
        p->sources[i].needed = needed;
        if (keyed)
            WR_TRY(wr_keyed_versions(p, &p->sources[i]));
    }
    wr_text canonical;
    wr_text_init(&canonical, p->budget);
    for (uint32_t i = 0; i < p->view_count; i++)
        wr_plan_hash_text(p->views[i].plan, &canonical); /* the names of shared parts tell these */
    uint64_t hash =
        wr_text_ok(&canonical) ? wr_hash_stable(wr_text_string(&canonical), canonical.length) : 0;
    for (uint32_t i = 0; i < p->source_count; i++)
        hash = hash * 31 + wr_schema_fingerprint(p->sources[i].schema);
    for (uint32_t i = 0; i < p->source_count; i++) /* what its table of rows holds */
        for (uint32_t w = 0; p->sources[i].keyed && w <= p->sources[i].op_column / 64; w++)
            hash = hash * 31 + p->sources[i].needed[w];
    p->job.fingerprint = (hash & ~WR_FINGERPRINT_BOUNDED) | (p->bounded ? WR_FINGERPRINT_BOUNDED : 0);
    bool ok = wr_text_ok(&canonical) && wr_arena_ok(&p->arena); /* nothing of it is missing */
    wr_text_fini(&canonical);
    return ok ? WEIR_OK : WEIR_MEMORY;
}

/* A source and a view of one name. */
static void
names_check(const wr_spec *spec, wr_report *report)
{
    uint32_t at;
    for (uint32_t i = 0; i < spec->source_count; i++)
        if (wr_names_find_bytes(&spec->names, spec->sources[i].name, strlen(spec->sources[i].name), &at) &&
            at < spec->view_count)
            (void)!wr_node_error(report, spec->views[at].at, WEIR_CONFIG_DUPLICATE_KEY,
                                 "sources and views share their names: call one of them differently",
                                 "`%s` is a source already", spec->sources[i].name);
}

weir_status
wr_pipeline_plan(weir_pipeline *p, wr_report *report)
{
    wr_spec *spec = p->spec;
    p->sources = wr_arena_calloc(&p->arena, spec->source_count + 1, sizeof *p->sources);
    p->views = wr_arena_calloc(&p->arena, spec->view_count + 1, sizeof *p->views);
    p->sinks = wr_arena_calloc(&p->arena, spec->sink_count + 1, sizeof *p->sinks);
    p->marks = wr_arena_calloc(&p->arena, spec->source_count + spec->view_count + 1, 1);
    if (p->sources == NULL || p->views == NULL || p->sinks == NULL || p->marks == NULL)
        return WEIR_MEMORY;
    p->bounded = p->engine->options.once;
    WR_TRY(wr_sides_note(p));
    uint32_t views = spec->view_count, sources = spec->source_count;
    WR_TRY(wr_names_reserve(&p->catalog.names, views + 2 * sources));
    WR_TRY(wr_names_reserve(&p->view_names, views));
    WR_TRY(wr_lowering_reserve(&p->lowering, views + 2 * sources, 2 * views));
    weir_status first = WEIR_OK, st; /* all mistakes are in the report but the want of memory */
    names_check(spec, report);
    for (uint32_t i = 0; i < spec->source_count; i++) {
        st = plan_source_once(p, i, report);
        first = first == WEIR_OK ? st : first;
    }
    for (uint32_t i = 0; i < spec->view_count; i++) {
        st = plan_view_after_inputs(p, &spec->views[i], report);
        first = first == WEIR_OK ? st : first;
    }
    st = wr_pipeline_lower_views(p, report);
    first = first == WEIR_OK ? st : first;
    if (first != WEIR_OK && report->errors == 0)
        return first;
    for (uint32_t i = 0; i < spec->sink_count; i++) {
        st = plan_sink(p, &spec->sinks[i], report);
        first = first == WEIR_OK ? st : first;
    }
    wr_tests_check(p, report);
    if (report->errors > 0)
        return wr_report_status(report);
    WR_TRY(first);
    return wr_pipeline_bind(p);
}
