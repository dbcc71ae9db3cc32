/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/build_ends.c -- tasks of sources and sinks from their bindings. */
#include "runtime/runtime_impl.h"

#include <string.h>

static bool
field_needed(const wr_source_binding *b, uint32_t field)
{
    return b->needed == NULL || (b->needed[field / 64] >> (field % 64) & 1) != 0;
}

static weir_status
build_meta_fields(wr_runtime *rt, source_task *t, uint64_t *needed)
{
    static const char *const names[META_COUNT] = { "_key", "_offset", "_partition", "_timestamp" };
    const wr_schema *schema = t->source->binding->schema;
    uint32_t         words = schema->field_count / 64 + 1;
    t->decode_needed = wr_build_alloc(rt, words, sizeof *t->decode_needed);
    if (t->decode_needed == NULL)
        return WEIR_MEMORY;
    memcpy(t->decode_needed, needed, words * sizeof *needed);
    for (int m = 0; m < META_COUNT; m++) {
        t->meta_fields[m] = -1;
        for (uint32_t f = 0; f < schema->field_count; f++) {
            const wr_field *field = &schema->fields[f];
            if (!field->hidden || strcmp(field->name, names[m]) != 0)
                continue;
            t->decode_needed[f / 64] &= ~(1ull << (f % 64));
            if (!field_needed(t->source->binding, f))
                continue;
            t->meta_fields[m] = (int32_t) f;
            t->meta_wanted = true;
        }
    }
    return WEIR_OK;
}

/* The needed fields as a schema to build batches of, constant NULLs for the others. */
static weir_status
build_fields(wr_runtime *rt, source_task *t)
{
    const wr_source_binding *b = t->source->binding;
    uint32_t                 count = b->schema->field_count, k = 0;
    uint64_t                *needed = wr_build_alloc(rt, count / 64 + 1, sizeof *needed);
    t->build = wr_schema_create(&rt->arena, count);
    t->nulls = wr_build_alloc(rt, count + 1, sizeof *t->nulls);
    if (needed == NULL || t->build == NULL || t->nulls == NULL)
        return WEIR_MEMORY;
    for (uint32_t f = 0; f < count; f++) {
        wr_value null = wr_value_null(b->schema->fields[f].type);
        if (field_needed(b, f)) {
            needed[f / 64] |= 1ull << (f % 64);
            t->build->fields[k++] = b->schema->fields[f];
        }
        t->nulls[f] = wr_column_create_constant(rt->config.flow, &null);
        if (t->nulls[f] == NULL)
            return WEIR_MEMORY;
    }
    t->build->field_count = k;
    t->needed = needed;
    return build_meta_fields(rt, t, needed);
}

static weir_status
build_source_shard(wr_runtime *rt, source *s, uint32_t shard)
{
    source_task             *t = &s->shards[shard];
    const wr_source_binding *b = s->binding;
    const char *name = wr_arena_printf(&rt->arena, "source/%s#%u", b->name, shard);
    t->source = s;
    t->shard = shard;
    t->stamped = WR_TIME_START;
    t->watch_fd = -1;
    wr_eval_init(&t->eval, rt->config.flow);
    wr_random_init(&t->eval.random, rt->config.seed ^ wr_mix64(((uint64_t) s->index << 32) + shard));
    if (b->bad_stream >= 0) {
        t->bad_stream = rt->streams[b->bad_stream];
        wr_batch_builder_init(&t->bad_rows, rt->config.flow, rt->job->streams[b->bad_stream].schema);
        wr_stream_on_room(t->bad_stream, shard, wr_task_wake_user, &t->t);
    }
    t->stream = rt->streams[b->stream];
    wr_stream_on_room(t->stream, shard, wr_task_wake_user, &t->t);
    WR_TRY(wr_build_task(rt, &t->t, &wr_source_task_ops, name,
                         b->worker >= 0 ? (uint32_t) b->worker : shard, 2, 2));
    const char *lanes = wr_arena_printf(&rt->arena, "%s/lanes", name);
    for (uint32_t i = 0; i < t->t.part_count; i++)
        t->t.parts[i].name = i == 0 ? name : lanes;
    t->self = wr_build_alloc(rt, 1, WR_MAX(b->ops->self_bytes, (size_t) 1));
    if (lanes == NULL || t->self == NULL)
        return WEIR_MEMORY;
    return build_fields(rt, t);
}

weir_status
wr_build_sources(wr_runtime *rt, const wr_source_binding *bindings, weir_error *err)
{
    rt->sources = wr_build_alloc(rt, rt->source_count, sizeof *rt->sources);
    if (rt->sources == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < rt->source_count; i++)
        wr_mutex_init(&rt->sources[i].lock);
    for (uint32_t i = 0; i < rt->source_count; i++) {
        source *s = &rt->sources[i];
        s->binding = &bindings[i];
        s->rt = rt;
        s->index = i;
        s->shard_count = wr_build_stream_shards(rt, bindings, bindings[i].stream);
        s->unpolled = s->binding->ops->one_shard ? 1 : s->shard_count;
        s->watermark = s->cut_watermark = WR_TIME_START;
        s->shards = wr_build_alloc(rt, s->shard_count, sizeof *s->shards);
        if (s->shards == NULL)
            return WEIR_MEMORY;
        for (uint32_t k = 0; k < s->shard_count; k++)
            WR_TRY(build_source_shard(rt, s, k));
        for (uint32_t k = 1; s->binding->ops->one_shard && k < s->shard_count; k++)
            s->shards[k].known = true; /* to have no lanes: Y1 */
        if (s->binding->ops == &wr_push_source_ops) /* rows may be pushed before the start */
            WR_TRY(wr_source_share(s, err));
    }
    return WEIR_OK;
}

static weir_status
build_sink(wr_runtime *rt, const wr_sink_binding *b, sink_task *s, uint32_t index)
{
    uint32_t    shards = wr_stream_shards(rt->streams[b->stream]);
    const char *name = wr_arena_printf(&rt->arena, "sink/%s", b->name);
    s->binding = b;
    s->watch_fd = -1;
    s->in.port_count = 1;
    s->in.flow = rt->config.flow;
    wr_mutex_init(&s->error_lock);
    WR_TRY(wr_build_task(rt, &s->t, &wr_sink_task_ops, name, index, 0, 0));
    s->self = wr_build_alloc(rt, 1, WR_MAX(b->ops->self_bytes, (size_t) 1));
    s->in.list = wr_build_alloc(rt, shards, sizeof *s->in.list);
    if (s->self == NULL || s->in.list == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < shards; i++)
        WR_TRY(wr_build_reader(rt, &s->t, &s->in, 0, b->stream, i));
    wr_inputs_settle(&s->in);
    return WEIR_OK;
}

weir_status
wr_build_sinks(wr_runtime *rt, const wr_sink_binding *bindings)
{
    rt->sinks = wr_build_alloc(rt, rt->sink_count, sizeof *rt->sinks);
    if (rt->sinks == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < rt->sink_count; i++)
        WR_TRY(build_sink(rt, &bindings[i], &rt->sinks[i], i));
    return WEIR_OK;
}
