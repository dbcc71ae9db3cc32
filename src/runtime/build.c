/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/build.c -- from a job to tasks: workers, streams, segments (edges are build_edges.c, sources
 * and sinks build_ends.c).
 *
 * Segments that exchange nothing share tasks (build_fuse.c).
 * A segment has one shard a worker, or one when it is `single`; a source's stream one a worker, or
 * one when it is pinned; a segment's stream as many as the segment.  Shard i of a stream is read by shard
 * i mod n of a segment of n shards.  A side stream has a shard for each shard of each segment that may
 * emit into it: every segment whose rows end in the stream whose side it is.
 */
#include "runtime/runtime_impl.h"

#include <string.h>

void *
wr_build_alloc(wr_runtime *rt, size_t count, size_t bytes)
{
    enum { LINE_BYTES = 64 };
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total) || total > SIZE_MAX - LINE_BYTES)
        return NULL;
    char *raw = wr_arena_calloc(&rt->arena, 1, total + LINE_BYTES);
    if (raw == NULL)
        return NULL;
    return raw + (LINE_BYTES - (uintptr_t) raw % LINE_BYTES) % LINE_BYTES;
}

void *
wr_build_array(wr_runtime *rt, size_t count, size_t bytes)
{
    return wr_arena_calloc(&rt->arena, count, bytes);
}

weir_status
wr_build_task(wr_runtime *rt, task *t, const task_ops *ops, const char *name,
              uint32_t worker_index, uint32_t part_count, uint32_t last_count)
{
    worker *w = &rt->workers[worker_index % rt->worker_count];
    if (rt->store == NULL)
        part_count = last_count = 0;
    t->parts = part_count > 0 ? wr_build_array(rt, part_count, sizeof *t->parts) : NULL;
    if (name == NULL || (part_count > 0 && t->parts == NULL))
        return WEIR_MEMORY;
    t->ops = ops;
    t->rt = rt;
    t->worker = w;
    t->name = name;
    t->part_count = part_count;
    t->last_count = last_count;
    wr_timer_init(&t->timer, w->loop, wr_task_wake_user, t);
    rt->tasks[rt->task_count++] = t;
    return WEIR_OK;
}

/* --- workers and streams --- */

uint32_t
wr_build_segment_shards(const wr_runtime *rt, uint32_t segment)
{
    return rt->job->segments[segment].single ? 1 : rt->config.workers;
}

static weir_status
build_workers(wr_runtime *rt, uint32_t task_max, weir_error *err)
{
    uint32_t count = rt->config.executor == WR_EXECUTOR_THREADS ? rt->config.workers : 1;
    rt->tasks = wr_build_array(rt, task_max + 1, sizeof *rt->tasks);
    rt->workers = wr_build_alloc(rt, count, sizeof *rt->workers);
    if (rt->tasks == NULL || rt->workers == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        worker *w = &rt->workers[i];
        w->rt = rt;
        w->index = i;
        if (rt->config.executor == WR_EXECUTOR_SEEDED)
            w->ready = wr_build_array(rt, task_max + 1, sizeof(task *));
        if (rt->config.executor == WR_EXECUTOR_SEEDED && w->ready == NULL)
            return WEIR_MEMORY;
        wr_error_clear(&w->error);
        WR_TRY(wr_loop_create(rt->budget, rt->config.clock, &w->loop, err));
        rt->worker_count = i + 1;
    }
    return WEIR_OK;
}

int32_t
wr_build_final_stream(const wr_runtime *rt, uint32_t segment)
{
    const wr_job *job = rt->job;
    while (job->segments[segment].stream < 0 && rt->segments[segment].edges > 0)
        segment = rt->segments[segment].next;
    return job->segments[segment].stream;
}

uint32_t
wr_build_stream_shards(const wr_runtime *rt, const wr_source_binding *sources, uint32_t stream)
{
    const wr_job_stream *js = &rt->job->streams[stream];
    uint32_t             count = 0;
    if (js->origin == WR_FROM_SEGMENT)
        return wr_build_segment_shards(rt, js->origin_index);
    for (uint32_t i = 0; i < rt->source_count; i++)
        if (sources[i].stream == stream || sources[i].bad_stream == (int32_t) stream)
            return sources[i].worker >= 0 ? 1 : rt->config.workers;
    if (js->origin == WR_FROM_SIDE)
        for (uint32_t g = 0; g < rt->job->segment_count; g++)
            if (!rt->segments[g].fused && wr_build_final_stream(rt, g) == (int32_t) js->origin_index)
                count += wr_build_segment_shards(rt, g);
    return WR_MAX(count, 1u);
}

static weir_status
build_streams(wr_runtime *rt, const wr_source_binding *sources)
{
    uint32_t count = rt->job->stream_count;
    rt->streams = wr_build_array(rt, count + 1, sizeof *rt->streams);
    rt->failures = wr_build_array(rt, count + 1, sizeof *rt->failures);
    (void) wr_error_set(&rt->failure_untold, WEIR_MEMORY, "it failed, and there was no memory to say why");
    if (rt->streams == NULL || rt->failures == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const wr_job_stream *js = &rt->job->streams[i];
        wr_stream_config     config = { .name = js->name,
                                        .schema = js->schema,
                                        .shard_count = wr_build_stream_shards(rt, sources, i),
                                        .bytes_max = js->bytes_max,
                                        .batches_max = rt->config.ring_batches_max,
                                        .retain_us = js->retain_us,
                                        .followers = &rt->followers,
                                        .epochs = &rt->epochs,
                                        .budget = rt->config.flow };
        WR_TRY(wr_stream_create(&config, &rt->streams[i]));
    }
    return WEIR_OK;
}

/* --- segments --- */

weir_status
wr_build_reader(wr_runtime *rt, task *t, inputs *in, int port, uint32_t stream, uint32_t shard)
{
    input           *i = &in->list[in->count];
    wr_reader_config config = { .required = true,
                                .start = WR_START_TAIL,
                                .shard = (int32_t) shard,
                                .wake = wr_task_wake_user,
                                .user = t };
    *i = (input){ .port = port, .shard = shard, .watermark = WR_TIME_START };
    WR_TRY(wr_reader_create(rt->streams[stream], &config, &i->reader));
    in->count++;
    return WEIR_OK;
}

/* What the operator's section of a checkpoint is called: by its segment, wherever that runs. */
static weir_status
build_op_part(wr_runtime *rt, segment_task *s, const segment_origin *from, uint32_t index)
{
    chain_op              *op = &s->chain.ops[from->first_op + index];
    const wr_operator_ops *ops = op->job->ops;
    op->part = -1;
    if (s->t.part_count == 0 || ops->freeze == NULL)
        return WEIR_OK;
    op->part = (int16_t) s->state_parts++;
    task_part *part = &s->t.parts[op->part];
    part->ops = ops;
    part->name =
        wr_arena_printf(&rt->arena, "%s#%u/%u.%s", from->segment->name, s->shard, index, ops->name);
    return part->name != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* What the first operator of a segment of one input reads; NULL: several, or no names are known. */
static weir_status
segment_input_schema(wr_runtime *rt, const wr_job_segment *segment, const wr_schema **out)
{
    *out = NULL;
    if (segment->input_count != 1)
        return WEIR_OK;
    const wr_job_input *in = &segment->inputs[0];
    if (!in->from_stream) {
        const wr_job_segment *from = &rt->job->segments[in->index];
        if (from->op_count == 0)
            return segment_input_schema(rt, from, out);
        *out = from->ops[from->op_count - 1].output;
        return WEIR_OK;
    }
    *out = rt->job->streams[in->index].schema;
    if (in->columns == NULL)
        return WEIR_OK;
    wr_schema *picked = wr_schema_create(&rt->arena, in->column_count);
    for (uint32_t c = 0; picked != NULL && c < in->column_count; c++)
        picked->fields[c] = (*out)->fields[in->columns[c]];
    *out = picked;
    return picked != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* Somebody reads the rows that fail in this operator. */
static weir_status
build_bad(wr_runtime *rt, const segment_origin *from, uint32_t index, chain_op *op)
{
    int32_t         stream = wr_build_final_stream(rt, (uint32_t) (from->segment - rt->job->segments));
    wr_bad_origin   origin = { .view = stream >= 0 ? rt->job->streams[stream].name : NULL,
                               .operator_name = op->job->ops->name,
                               .output = op->job->output };
    if (index > 0)
        origin.input = from->segment->ops[index - 1].output;
    else
        WR_TRY(segment_input_schema(rt, from->segment, &origin.input));
    return wr_ctx_want_bad(&op->ctx, &origin);
}

/* The budget that all state of a view is charged to, when it has a limit of its own. */
static weir_status
view_state(wr_runtime *rt, const wr_job_segment *segment, wr_budget **parent, bool *shed)
{
    int32_t stream = wr_build_final_stream(rt, (uint32_t) (segment - rt->job->segments));
    if (stream < 0)
        return WEIR_OK;
    const wr_job_stream *js = &rt->job->streams[stream];
    *shed = js->shed;
    if (js->state_bytes_max == 0)
        return WEIR_OK;
    if (rt->view_state == NULL)
        rt->view_state = wr_build_array(rt, rt->job->stream_count, sizeof *rt->view_state);
    if (rt->view_state == NULL)
        return WEIR_MEMORY;
    wr_budget **budget = &rt->view_state[stream];
    if (*budget == NULL)
        *budget = wr_budget_create(rt->config.state, js->name, js->state_bytes_max);
    *parent = *budget;
    return *budget != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
build_op(wr_runtime *rt, segment_task *s, const segment_origin *from, uint32_t index)
{
    const wr_job_op *job = &from->segment->ops[index];
    uint32_t         at = from->first_op + index;
    chain_op        *op = &s->chain.ops[at];
    op->job = job;
    op->sent = WR_TIME_START;
    op->self = wr_build_array(rt, 1, WR_MAX(job->ops->self_size, (size_t) 1));
    if (op->self == NULL)
        return WEIR_MEMORY;
    WR_TRY(build_op_part(rt, s, from, index));
    bool keeps = (job->ops->traits & WR_OP_STATELESS) == 0;
    wr_budget *parent = rt->config.state;
    bool       shed = false;
    if (keeps)
        WR_TRY(view_state(rt, from->segment, &parent, &shed));
    op->state = keeps ? wr_budget_create(parent, job->ops->name, 0) : NULL;
    if (keeps && op->state == NULL)
        return WEIR_MEMORY;
    s->chain.count = at + 1; /* wr_chain_close undoes what is there */
    WR_TRY(wr_ctx_init(&op->ctx, keeps ? op->state : rt->config.state, rt->config.flow,
                       wr_groups_of_shard(s->shard, s->shard_count), rt->config.outbox_slots,
                       &s->t.worker->error));
    op->ctx.shard = s->shard;
    op->ctx.shed = shed;
    op->ctx.scratch = &s->t.worker->scratch_owners;
    op->ctx.on_row_error =
        from->segment->leaves_failed ? WR_ROW_DEAD_LETTER : rt->config.on_row_error;
    op->ctx.keeps_order = (job->ops->traits & WR_OP_KEEPS_ORDER) != 0;
    const wr_job_segment *segment = from->segment;
    if (s->chain.sides[WR_PORT_LATE] != NULL && segment->late_wanted && segment->late_op == index)
        WR_TRY(wr_ctx_want_late(&op->ctx));
    if (s->chain.sides[WR_PORT_BAD] != NULL)
        WR_TRY(build_bad(rt, from, index, op));
    wr_random_init(&op->ctx.eval.random,
                   rt->config.seed ^ wr_mix64(((uint64_t) s->shard << 32) + index + 1));
    if (at > 0 || s->in.port_count < 2)
        return WEIR_OK;
    op->ctx.port_watermark =
        wr_build_array(rt, WR_OP_PORTS_MAX, sizeof *op->ctx.port_watermark);
    return op->ctx.port_watermark != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* The publisher's side of a stream's shard. */
static void
output_to_stream(wr_runtime *rt, output *o, task *t, uint32_t stream, uint32_t shard)
{
    o->task = t;
    o->flow = rt->config.flow;
    o->stream = rt->streams[stream];
    o->shard = shard;
    wr_stream_on_room(o->stream, shard, wr_task_wake_user, t);
}

static weir_status
build_sides(wr_runtime *rt, segment_task *s, const segment_shards *g)
{
    for (int p = WR_PORT_LATE; p <= WR_PORT_BAD; p++) {
        if (g->side_stream[p] < 0)
            continue;
        output *o = wr_build_array(rt, 1, sizeof *o);
        if (o == NULL)
            return WEIR_MEMORY;
        output_to_stream(rt, o, &s->t, (uint32_t) g->side_stream[p], g->side_shard[p] + s->shard);
        WR_TRY(wr_output_open(o, &rt->arena));
        s->chain.sides[p] = o;
    }
    return WEIR_OK;
}

/* The segments a host runs, first to last; *op_count of all of them. */
static weir_status
build_origins(wr_runtime *rt, segment_task *s, uint32_t host, uint32_t *op_count)
{
    uint32_t count = rt->segments[host].origin + 1, g = rt->segments[host].head;
    s->origins = wr_build_array(rt, count, sizeof *s->origins);
    if (s->origins == NULL)
        return WEIR_MEMORY;
    s->origin_count = count;
    *op_count = rt->segments[host].first_op + rt->job->segments[host].op_count;
    for (uint32_t i = 0; i < count; i++, g = rt->segments[g].next)
        s->origins[i] = (segment_origin){ &rt->job->segments[g], rt->segments[g].first_op };
    return WEIR_OK;
}

/* Behind the operators' parts a part for each segment: how far it has come. */
static weir_status
build_task_parts(wr_runtime *rt, segment_task *s)
{
    for (uint32_t i = 0; i < s->t.last_count; i++) {
        const char *name = wr_arena_printf(&rt->arena, "%s#%u/task", s->origins[i].segment->name,
                                           s->shard);
        if (name == NULL)
            return WEIR_MEMORY;
        s->t.parts[s->t.part_count - s->t.last_count + i].name = name;
    }
    return WEIR_OK;
}

/* Operators that have something to write to a checkpoint. */
static uint32_t
count_states(const segment_task *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->origin_count; i++)
        for (uint32_t k = 0; k < s->origins[i].segment->op_count; k++)
            count += s->origins[i].segment->ops[k].ops->freeze != NULL;
    return count;
}

static weir_status
build_segment_shard(wr_runtime *rt, uint32_t segment, uint32_t shard)
{
    segment_shards *g = &rt->segments[segment];
    segment_task   *s = &g->shards[shard];
    const char     *name =
        wr_arena_printf(&rt->arena, "%s#%u", rt->job->segments[segment].name, shard);
    uint32_t op_count = 0;
    WR_TRY(build_origins(rt, s, segment, &op_count));
    s->shard = shard;
    s->shard_count = g->count;
    s->in.port_count = rt->job->segments[g->head].input_count;
    s->in.flow = rt->config.flow;
    atomic_store(&s->watermark_view, WR_TIME_START);
    WR_TRY(wr_build_task(rt, &s->t, &wr_segment_task_ops, name, g->count == 1 ? segment : shard,
                         count_states(s) + s->origin_count, s->origin_count));
    WR_TRY(build_task_parts(rt, s));
    chain *c = &s->chain;
    c->task = &s->t;
    c->clock = rt->config.clock;
    c->ports = s->in.ports;
    c->sent = WR_TIME_START;
    c->keep_state = rt->store != NULL;
    c->error = &s->t.worker->error;
    c->out.task = &s->t;
    c->out.flow = rt->config.flow;
    c->ops = wr_build_alloc(rt, op_count, sizeof *c->ops);
    if (c->ops == NULL)
        return WEIR_MEMORY;
    WR_TRY(build_sides(rt, s, g));
    if (rt->job->segments[segment].stream >= 0)
        output_to_stream(rt, &c->out, &s->t, (uint32_t) rt->job->segments[segment].stream, shard);
    for (uint32_t i = 0; i < s->origin_count; i++)
        for (uint32_t k = 0; k < s->origins[i].segment->op_count; k++)
            WR_TRY(build_op(rt, s, &s->origins[i], k));
    return WEIR_OK;
}

/* Where each segment's side rows go. */
static void
build_side_places(wr_runtime *rt)
{
    uint32_t segments = rt->job->segment_count;
    for (uint32_t g = 0; g < segments; g++)
        for (int p = 0; p < WR_PORT_COUNT; p++)
            rt->segments[g].side_stream[p] = -1;
    for (uint32_t k = 0; k < rt->job->stream_count; k++) {
        const wr_job_stream *js = &rt->job->streams[k];
        uint32_t             next = 0;
        if (js->origin != WR_FROM_SIDE)
            continue;
        wr_assert(js->side_port == WR_PORT_LATE || js->side_port == WR_PORT_BAD);
        for (uint32_t g = 0; g < segments; g++) {
            if (rt->segments[g].fused ||
                wr_build_final_stream(rt, g) != (int32_t) js->origin_index)
                continue;
            rt->segments[g].side_stream[js->side_port] = (int32_t) k;
            rt->segments[g].side_shard[js->side_port] = next;
            next += rt->segments[g].count;
        }
    }
}

static weir_status
build_segments(wr_runtime *rt)
{
    uint32_t count = rt->job->segment_count;
    for (uint32_t g = 0; g < count; g++) {
        if (rt->segments[g].fused)
            continue;
        rt->segments[g].count = wr_build_segment_shards(rt, g);
        rt->segments[g].shards =
            wr_build_alloc(rt, rt->segments[g].count, sizeof *rt->segments[g].shards);
        if (rt->segments[g].shards == NULL)
            return WEIR_MEMORY;
    }
    build_side_places(rt);
    for (uint32_t g = 0; g < count; g++)
        for (uint32_t k = 0; k < rt->segments[g].count; k++)
            WR_TRY(build_segment_shard(rt, g, k));
    return WEIR_OK;
}

static weir_status
open_segments(wr_runtime *rt, weir_error *err)
{
    for (uint32_t g = 0; g < rt->job->segment_count; g++)
        for (uint32_t k = 0; k < rt->segments[g].count; k++) {
            segment_task *s = &rt->segments[g].shards[k];
            WR_TRY(wr_output_open(&s->chain.out, &rt->arena));
            wr_inputs_settle(&s->in);
            if (s->chain.count > 0 && s->chain.ops[0].ctx.port_watermark != NULL)
                memcpy(s->chain.ops[0].ctx.port_watermark, s->in.ports, sizeof s->in.ports);
            WR_TRY(wr_segment_open(s, err));
        }
    return WEIR_OK;
}

static bool
job_ends(const wr_runtime *rt, const wr_source_binding *sources)
{
    bool all = rt->config.final_checkpoint;
    for (uint32_t i = 0; i < rt->source_count && all && !rt->config.bounded; i++)
        all = sources[i].ops->bounded != NULL && sources[i].ops->bounded(sources[i].config);
    return all;
}

weir_status
wr_runtime_build(wr_runtime *rt, const wr_source_binding *sources, const wr_sink_binding *sinks,
                 weir_error *err)
{
    uint32_t   workers = rt->config.workers;
    weir_error local;
    wr_error_clear(&local);
    if (err == NULL)
        err = &local;
    rt->ends = job_ends(rt, sources);
    uint32_t task_max =
        (rt->source_count + rt->job->segment_count) * workers + rt->sink_count;
    weir_status status = workers <= WR_KEY_GROUPS ? WEIR_OK : WEIR_CONFIG_VALUE;
    if (status != WEIR_OK)
        return wr_error_set(err, status, "%u workers; at most %d", workers, WR_KEY_GROUPS);
    WR_TRY_GOTO(build_workers(rt, task_max, err));
    WR_TRY_GOTO(wr_build_fuse(rt));
    WR_TRY_GOTO(build_streams(rt, sources));
    WR_TRY_GOTO(wr_build_sources(rt, sources, err));
    WR_TRY_GOTO(build_segments(rt));
    WR_TRY_GOTO(wr_build_routes(rt));
    WR_TRY_GOTO(wr_build_edges(rt));
    WR_TRY_GOTO(wr_build_sinks(rt, sinks));
    WR_TRY_GOTO(open_segments(rt, err));
    wr_stall_init(rt);
    return WEIR_OK;
done:
    if (err->code == WEIR_OK)
        return wr_error_set(err, status, "cannot build %s: %s", rt->job->name,
                            weir_status_text(status));
    return status;
}

static void
unbuild_channels(segment_task *s)
{
    for (uint32_t i = 0; i < s->in.count; i++) {
        channel *c = s->in.list[i].channel;
        if (c == NULL)
            continue;
        for (void *b; (b = wr_ring_pop(&c->ring)) != NULL;)
            wr_batch_release(b);
        wr_ring_fini(&c->ring);
    }
}

void
wr_runtime_unbuild(wr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->task_count; i++) {
        wr_timer_cancel(&rt->tasks[i]->timer);
        rt->tasks[i]->ops->close(rt->tasks[i]);
    }
    if (rt->stall.timer.loop != NULL)
        wr_timer_cancel(&rt->stall.timer);
    for (uint32_t g = 0; rt->segments != NULL && g < rt->job->segment_count; g++)
        for (uint32_t k = 0; rt->segments[g].shards != NULL && k < rt->segments[g].count; k++)
            unbuild_channels(&rt->segments[g].shards[k]);
    for (uint32_t i = 0; rt->sources != NULL && i < rt->source_count; i++)
        wr_source_close(&rt->sources[i]);
    for (uint32_t i = 0; rt->streams != NULL && i < rt->job->stream_count; i++)
        wr_stream_destroy(rt->streams[i]);
    for (uint32_t g = 0; rt->segments != NULL && g < rt->job->segment_count; g++)
        for (uint32_t k = 0; rt->segments[g].shards != NULL && k < rt->segments[g].count; k++)
            wr_chain_fini(&rt->segments[g].shards[k].chain);
    for (uint32_t i = 0; rt->view_state != NULL && i < rt->job->stream_count; i++)
        wr_budget_destroy(rt->view_state[i]);
    for (uint32_t i = 0; i < rt->worker_count; i++)
        if (rt->workers[i].scratch.keys != NULL)
            wr_keys_fini(rt->workers[i].scratch.keys);
}
