/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower.c -- logical plan to job segments (see lower.h).
 *
 * Invariants  L1  segments are added inputs first, so that each reads earlier ones only (J1)
 *             L2  rows of one key meet on one shard; rows without a key on shard 0
 *             L3  on a chain that is single already nothing is exchanged: order is kept
 */
#include "plan/lower_impl.h"

#include "operator/filter.h"
#include "operator/project.h"
#include "operator/unchanged.h"
#include "operator/unnest.h"
#include "operator/window_assign.h"
#include "plan/route.h"

#include <string.h>

enum { OPS_FIRST = 4, ARRAY_FIRST = 8 };

void *
wr_lower_alloc(lower_state *s, size_t bytes)
{
    return wr_arena_calloc(s->l->arena, 1, bytes + 1);
}

weir_status
wr_lower_nomem(lower_state *s)
{
    return wr_error_set(s->err, WEIR_MEMORY, "the job does not fit the memory budget");
}

/* --- the lists of the job --- */

/* A copy with room for `wanted` in all; NULL: no memory. */
static void *
grow(wr_arena *arena, const void *array, uint32_t count, uint32_t *capacity, uint32_t wanted,
     size_t bytes)
{
    uint32_t more = WR_MAX(*capacity, (uint32_t)ARRAY_FIRST);
    while (more < wanted)
        more *= 2;
    void *grown = wr_arena_alloc(arena, more * bytes); /* not touched before it is used */
    if (grown == NULL)
        return NULL;
    if (count > 0)
        memcpy(grown, array, count * bytes);
    *capacity = more;
    return grown;
}

static weir_status
grow_streams(wr_lowering *l, uint32_t wanted)
{
    wr_job *job = l->job;
    if (wanted <= l->stream_capacity)
        return WEIR_OK;
    wr_job_stream *grown = grow(l->arena, job->streams, job->stream_count, &l->stream_capacity,
                                wanted, sizeof *grown);
    job->streams = grown != NULL ? grown : job->streams;
    return grown != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
grow_segments(wr_lowering *l, uint32_t wanted)
{
    wr_job *job = l->job;
    if (wanted <= l->segment_capacity)
        return WEIR_OK;
    wr_job_segment *grown = grow(l->arena, job->segments, job->segment_count, &l->segment_capacity,
                                 wanted, sizeof *grown);
    job->segments = grown != NULL ? grown : job->segments;
    return grown != NULL ? WEIR_OK : WEIR_MEMORY;
}

weir_status
wr_lowering_reserve(wr_lowering *l, uint32_t streams, uint32_t segments)
{
    WR_TRY(wr_names_reserve(&l->streams, streams));
    WR_TRY(grow_streams(l, streams));
    return grow_segments(l, segments);
}

void
wr_lowering_init(wr_lowering *l, wr_arena *arena, wr_job *job)
{
    *l = (wr_lowering){ .arena = arena, .job = job };
    wr_names_init(&l->streams, arena);
    wr_names_init(&l->strings, arena);
}

weir_status
wr_lowering_add_stream(wr_lowering *l, const wr_job_stream *stream, uint32_t *index)
{
    wr_job *job = l->job;
    if (stream->name == NULL || stream->schema == NULL) /* the caller's memory was out */
        return WEIR_MEMORY;
    WR_TRY(grow_streams(l, job->stream_count + 1));
    WR_TRY(wr_names_add(&l->streams, stream->name, job->stream_count));
    *index = job->stream_count;
    job->streams[job->stream_count++] = *stream;
    return WEIR_OK;
}

bool
wr_lowering_find_stream(const wr_lowering *l, const char *name, uint32_t *index)
{
    return wr_names_find(&l->streams, name, index);
}

void
wr_lowering_needed(const wr_lowering *l, uint32_t stream_index, uint64_t *bitmap)
{
    uint32_t n = l->job->streams[stream_index].schema->field_count;
    for (uint32_t g = 0; g < l->job->segment_count; g++) {
        const wr_job_segment *segment = &l->job->segments[g];
        for (uint32_t i = 0; i < segment->input_count; i++) {
            const wr_job_input *in = &segment->inputs[i];
            if (!in->from_stream || in->index != stream_index)
                continue;
            uint32_t count = in->columns != NULL ? in->column_count : n;
            for (uint32_t c = 0; c < count; c++) {
                uint32_t column = in->columns != NULL ? in->columns[c] : c;
                bitmap[column / 64] |= 1ull << (column % 64);
            }
            if (in->select != NULL)
                bitmap[in->select->column / 64] |= 1ull << (in->select->column % 64);
        }
    }
}

/* --- chains --- */

lower_chain *
wr_lower_chain(lower_state *s, const wr_schema *schema)
{
    lower_chain *chain = wr_arena_calloc(&s->scratch, 1, sizeof *chain);
    if (chain == NULL)
        return NULL;
    chain->segment.stream = -1;
    chain->schema = schema;
    chain->op_capacity = OPS_FIRST;
    chain->segment.ops = wr_arena_calloc(&s->scratch, OPS_FIRST, sizeof *chain->segment.ops);
    return chain->segment.ops != NULL ? chain : NULL;
}

weir_status
wr_lower_append(lower_state *s, lower_chain *chain, const wr_operator_ops *ops, const void *config,
                const wr_schema *output, int32_t plan_id)
{
    wr_job_segment *g = &chain->segment;
    if (g->op_count == chain->op_capacity) {
        wr_job_op *grown =
            wr_arena_calloc(&s->scratch, 2 * (size_t)chain->op_capacity, sizeof *grown);
        if (grown == NULL)
            return wr_lower_nomem(s);
        memcpy(grown, g->ops, g->op_count * sizeof *grown);
        g->ops = grown;
        chain->op_capacity *= 2;
    }
    g->ops[g->op_count++] =
        (wr_job_op){ .ops = ops, .config = config, .output = output, .plan_id = plan_id };
    chain->schema = output;
    return WEIR_OK;
}

weir_status
wr_lower_inputs(lower_state *s, lower_chain *chain, uint32_t count)
{
    wr_assert(count <= WR_OP_PORTS_MAX);
    chain->segment.inputs = wr_lower_alloc(s, count * sizeof *chain->segment.inputs);
    chain->segment.input_count = count;
    return chain->segment.inputs != NULL ? WEIR_OK : wr_lower_nomem(s);
}

weir_status
wr_lower_close(lower_state *s, lower_chain *chain, int32_t stream, uint32_t *index)
{
    wr_job *job = s->l->job;
    uint32_t ops = chain->segment.op_count;
    wr_job_op *kept = ops > 0 ? wr_arena_alloc(s->l->arena, ops * sizeof *kept) : NULL;
    if (grow_segments(s->l, job->segment_count + 1) != WEIR_OK || (ops > 0 && kept == NULL))
        return wr_lower_nomem(s);
    if (ops > 0)
        memcpy(kept, chain->segment.ops, ops * sizeof *kept);
    chain->segment.ops = kept;
    chain->segment.stream = stream;
    chain->segment.name = wr_arena_printf(s->l->arena, "%s/%u", s->name, ++s->segment_count);
    if (chain->segment.name == NULL)
        return wr_lower_nomem(s);
    *index = job->segment_count;
    job->segments[job->segment_count++] = chain->segment;
    chain->segment.values = NULL; /* the job's now */
    return WEIR_OK;
}

weir_status
wr_lower_meet(lower_state *s, lower_chain *const *inputs, const uint32_t *const *keys,
              uint32_t input_count, uint32_t key_count, lower_chain **out)
{
    lower_chain *chain = wr_lower_chain(s, NULL);
    if (chain == NULL)
        return wr_lower_nomem(s);
    WR_TRY(wr_lower_inputs(s, chain, input_count));
    chain->segment.single = key_count == 0;
    for (uint32_t i = 0; i < input_count; i++) {
        wr_job_input *in = &chain->segment.inputs[i];
        uint32_t index;
        WR_TRY(wr_lower_close(s, inputs[i], -1, &index));
        *in = (wr_job_input){ .index = index,
                              .partitioning = key_count == 0 ? WR_SINGLE : WR_HASH,
                              .keys = key_count == 0 ? NULL : keys[i],
                              .key_count = key_count };
    }
    *out = chain;
    return WEIR_OK;
}

/* --- operators that keep rows where they are --- */

static weir_status
append_filter(lower_state *s, lower_chain *chain, const wr_expr *predicate, int32_t id)
{
    wr_filter_config *config = wr_lower_alloc(s, sizeof *config);
    if (config == NULL)
        return wr_lower_nomem(s);
    config->predicate = predicate;
    return wr_lower_append(s, chain, &wr_filter_ops, config, chain->schema, id);
}

static weir_status
append_project(lower_state *s, lower_chain *chain, wr_expr *const *exprs, const wr_schema *schema,
               int32_t id)
{
    wr_project_config *config = wr_lower_alloc(s, sizeof *config);
    if (config == NULL)
        return wr_lower_nomem(s);
    config->count = schema->field_count;
    config->exprs = (const wr_expr *const *)exprs;
    return wr_lower_append(s, chain, &wr_project_ops, config, schema, id);
}

/* An old row and its new one that show the same, by the key of what the project gives. */
static weir_status
append_unchanged(lower_state *s, lower_chain *chain, const wr_plan *plan, int32_t id)
{
    wr_unchanged_config *config = wr_lower_alloc(s, sizeof *config);
    if (config == NULL)
        return wr_lower_nomem(s);
    config->key_count = plan->schema->key_count;
    config->keys = plan->schema->key;
    return wr_lower_append(s, chain, &wr_unchanged_ops, config, plan->schema, id);
}

/* What of the scan's predicate is left to a filter; NULL: nothing. */
static wr_expr *
scan_filter(const wr_plan *plan)
{
    return plan->scan.route != NULL ? plan->scan.route->rest : plan->scan.predicate;
}

/* The columns the scan gives, then those its predicate alone reads. */
static weir_status
scan_columns(lower_state *s, const wr_plan *plan, uint32_t **columns, uint32_t *count)
{
    const wr_schema *source = plan->scan.relation->schema;
    uint32_t n = source->field_count, at = plan->scan.column_count;
    uint32_t *list = wr_arena_alloc(&s->scratch, (n + at + 1) * sizeof *list);
    uint64_t *bits = wr_arena_calloc(&s->scratch, n / 64 + 1, sizeof *bits);
    if (list == NULL || bits == NULL)
        return wr_lower_nomem(s);
    memcpy(list, plan->scan.columns, at * sizeof *list);
    if (scan_filter(plan) != NULL)
        wr_expr_columns(scan_filter(plan), bits);
    for (uint32_t c = 0; c < n; c++) {
        bool have = (bits[c / 64] >> (c % 64) & 1) == 0;
        for (uint32_t i = 0; i < plan->scan.column_count && !have; i++)
            have = plan->scan.columns[i] == c;
        if (!have)
            list[at++] = c;
    }
    *columns = wr_arena_alloc(s->l->arena, at * sizeof *list);
    *count = at;
    if (*columns == NULL)
        return wr_lower_nomem(s);
    memcpy(*columns, list, at * sizeof *list);
    return WEIR_OK;
}

static weir_status
lower_scan(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    const wr_schema *source = plan->scan.relation->schema;
    uint32_t stream = 0, *columns = NULL, count = 0;
    if (!wr_lowering_find_stream(s->l, plan->scan.relation->name, &stream))
        return wr_error_at(s->err, WEIR_QUERY_NO_RELATION, plan->location,
                           "relation \"%s\" has no stream", plan->scan.relation->name);
    WR_TRY(scan_columns(s, plan, &columns, &count));
    bool more = count > plan->scan.column_count; /* than it gives: the predicate's */
    wr_schema *schema = more ? wr_schema_create(s->l->arena, count) : plan->schema;
    lower_chain *chain = wr_lower_chain(s, schema);
    uint32_t *map = wr_arena_calloc(&s->scratch, source->field_count + 1, sizeof *map);
    if (schema == NULL || chain == NULL || map == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < count; i++) {
        map[columns[i]] = i;
        if (more)
            schema->fields[i] = source->fields[columns[i]];
    }
    if (more)
        schema->kind = source->kind;
    WR_TRY(wr_lower_inputs(s, chain, 1));
    chain->segment.inputs[0] = (wr_job_input){
        .from_stream = true, .index = stream, .columns = columns, .column_count = count
    };
    if (plan->scan.route != NULL)
        chain->segment.inputs[0].select = &plan->scan.route->selector;
    *out = chain;
    if (plan->scan.predicate == NULL)
        return WEIR_OK;
    wr_expr *predicate = NULL; /* the filter stands there though an index did all its work: to be counted */
    if (scan_filter(plan) != NULL &&
        (predicate = wr_expr_remap(s->l->arena, scan_filter(plan), map)) == NULL)
        return wr_lower_nomem(s);
    WR_TRY(append_filter(s, chain, predicate, id));
    if (!more)
        return WEIR_OK;
    wr_expr **exprs = wr_lower_alloc(s, (plan->scan.column_count + 1) * sizeof *exprs);
    if (exprs == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < plan->scan.column_count; i++)
        if ((exprs[i] = wr_expr_column(s->l->arena, i, plan->schema->fields[i].type)) == NULL)
            return wr_lower_nomem(s);
    return append_project(s, chain, exprs, plan->schema, id);
}

static weir_status
append_window(lower_state *s, lower_chain *chain, const wr_plan *plan, int32_t id)
{
    wr_window_assign_config *config = wr_lower_alloc(s, sizeof *config);
    if (config == NULL)
        return wr_lower_nomem(s);
    config->window = plan->window.spec;
    config->type = plan->schema->fields[plan->schema->field_count - 1].type;
    return wr_lower_append(s, chain, &wr_window_assign_ops, config, plan->schema, id);
}

static weir_status
append_unnest(lower_state *s, lower_chain *chain, const wr_plan *plan, int32_t id)
{
    wr_unnest_config *config = wr_lower_alloc(s, sizeof *config);
    if (config == NULL)
        return wr_lower_nomem(s);
    config->call_count = plan->unnest.call_count;
    config->calls = (const wr_expr *const *)plan->unnest.calls;
    config->ordinality = plan->unnest.ordinality;
    config->outer = plan->unnest.outer;
    config->output = plan->schema;
    return wr_lower_append(s, chain, &wr_unnest_ops, config, plan->schema, id);
}

static weir_status
lower_node(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    switch (plan->kind) {
    case WR_PLAN_SCAN: return lower_scan(s, plan, id, out);
    case WR_PLAN_VALUES: return wr_lower_values(s, plan, id, out);
    case WR_PLAN_AGGREGATE: return wr_lower_aggregate(s, plan, id, out);
    case WR_PLAN_JOIN: return wr_lower_join(s, plan, id, out);
    case WR_PLAN_UNION: return wr_lower_union(s, plan, id, out);
    case WR_PLAN_SORT: return wr_lower_sort(s, plan, id, out);
    case WR_PLAN_OVER: return wr_lower_over(s, plan, id, out);
    case WR_PLAN_TOP_N: return wr_lower_top_n(s, plan, id, out);
    case WR_PLAN_DEDUP: return wr_lower_dedup(s, plan, id, out);
    case WR_PLAN_SETOP:
        return wr_error_at(s->err, WEIR_QUERY_UNSUPPORTED, plan->location,
                           "set operations are planned as joins");
    default: break;
    }
    WR_TRY(wr_lower_node(s, plan->inputs[0], out));
    switch (plan->kind) {
    case WR_PLAN_FILTER:
        if (wr_plan_is_moving(s->options, plan))
            return wr_lower_moving(s, plan, id, out);
        WR_TRY(append_filter(s, *out, plan->filter.predicate, id));
        (*out)->schema = plan->schema;
        return WEIR_OK;
    case WR_PLAN_PROJECT:
        WR_TRY(append_project(s, *out, plan->project.exprs, plan->schema, id));
        return plan->project.quiet ? append_unchanged(s, *out, plan, id) : WEIR_OK;
    case WR_PLAN_WINDOW: return append_window(s, *out, plan, id);
    default: return append_unnest(s, *out, plan, id);
    }
}

weir_status
wr_lower_node(lower_state *s, const wr_plan *plan, lower_chain **out)
{
    int32_t outer = s->within;
    if (plan->number > 0)
        s->within = plan->number;
    weir_status status = lower_node(s, plan, s->within, out);
    s->within = outer;
    return status;
}

weir_status
wr_lowering_add_plan(wr_lowering *l, const wr_plan *plan, const wr_plan_options *options,
                     const char *name, uint32_t stream_index, weir_error *err)
{
    lower_state s = { .l = l, .options = options, .name = name, .err = err };
    lower_chain *chain;
    uint32_t index;
    wr_arena_init(&s.scratch, l->arena->budget);
    weir_status status = wr_lower_node(&s, plan, &chain);
    if (status == WEIR_OK)
        status = wr_lower_close(&s, chain, (int32_t)stream_index, &index);
    if (status == WEIR_OK)
        l->job->streams[stream_index].origin_index = index;
    for (lower_chain *c = s.rows; c != NULL; c = c->next_rows)
        wr_batch_release(c->segment.values);
    if (status == WEIR_OK && !wr_arena_ok(&s.scratch))
        status = wr_lower_nomem(&s);
    wr_arena_fini(&s.scratch);
    return status;
}
