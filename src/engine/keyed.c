/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/keyed.c -- sources with `key`: two streams, what was read and what changed; and what sinks
 * write of relations that change.
 *
 *     connector -> SOURCE.upserts -> by key: normalise -> SOURCE
 *
 * Everybody reads SOURCE: rows that come and go, unique by the key.  Where the input ends (a bounded
 * query, --once) SOURCE is the rows that stand at the end.  As-of joins alone read SOURCE.upserts: each
 * row is a version to them.
 */
#include "data/upserts.h"
#include "engine/engine_impl.h"
#include "operator/normalise.h"

#include <string.h>

static const char op_name[] = "_op";

static weir_status
bad_key(wr_report *report, const wr_spec_source *s, const char *hint, const char *format,
        const char *name)
{
    return wr_node_error(report, s->key != NULL ? s->key : s->at, WEIR_CONFIG_REFERENCE, hint, format,
                         s->name, name);
}

/* The key's columns into schema. */
static weir_status
key_find(wr_arena *arena, const wr_spec_source *s, wr_schema *schema, wr_report *report)
{
    const wr_option_list *names = &s->common.key;
    uint32_t *key = wr_arena_alloc(arena, names->count * sizeof *key);
    if (key == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < names->count; i++) {
        int32_t c = wr_schema_find(schema, names->items[i]);
        if (c < 0 || schema->fields[c].hidden)
            return bad_key(report, s, "name columns of the source",
                           "the key of `%s` names no column: \"%s\"", names->items[i]);
        for (uint32_t k = 0; k < i; k++)
            if (key[k] == (uint32_t)c)
                return bad_key(report, s, NULL, "the key of `%s` names a column twice: \"%s\"",
                               names->items[i]);
        key[i] = (uint32_t)c;
        schema->fields[c].not_null = true;
    }
    schema->key = key;
    schema->key_count = names->count;
    return WEIR_OK;
}

/* What a connector's rows look like: schema and, behind it, what each row does. */
static wr_schema *
upserts_schema(wr_arena *arena, const wr_schema *schema)
{
    wr_schema *s = wr_schema_create(arena, schema->field_count + 1);
    if (s == NULL)
        return NULL;
    memcpy(s->fields, schema->fields, schema->field_count * sizeof *s->fields);
    s->fields[schema->field_count] = (wr_field){ .name = op_name,
                                                 .type = WR_TYPE(WR_TEXT),
                                                 .hidden = true,
                                                 .watermark_offset = WR_NO_WATERMARK };
    s->kind = WR_UPSERT;
    s->key = schema->key;
    s->key_count = schema->key_count;
    return s;
}

weir_status
wr_keyed_schemas(weir_pipeline *p, const wr_spec_source *s, wr_schema *schema,
                 wr_source_binding *b, wr_schema **upserts, wr_report *report)
{
    if (wr_schema_find(schema, op_name) >= 0)
        return bad_key(report, s, "leave it out of columns: it is read without being listed",
                       "`%s` has a key, so %s says whether a row comes or goes", op_name);
    if (s->decoder == NULL && s->ops->default_format == NULL && s->ops->columns != NULL)
        return bad_key(report, s, "leave `key` out", "the rows of `%s` are all new ones%s", "");
    WR_TRY(key_find(&p->arena, s, schema, report));
    *upserts = upserts_schema(&p->arena, schema);
    wr_schema *decoded = *upserts != NULL ? wr_schema_copy(&p->arena, *upserts) : NULL;
    if (decoded == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < decoded->field_count; i++)
        decoded->fields[i].not_null = false;
    decoded->fields[schema->field_count].hidden = false; /* decoders look for it */
    b->keyed = true;
    b->op_column = schema->field_count;
    b->decoded = decoded;
    return WEIR_OK;
}

weir_status
wr_keyed_streams(weir_pipeline *p, const wr_spec_source *s, wr_source_binding *b,
                 wr_schema *schema, bool holds, weir_error *err)
{
    wr_normalise_config *c = wr_arena_calloc(&p->arena, 1, sizeof *c);
    uint64_t *needed = wr_arena_calloc(&p->arena, b->schema->field_count / 64 + 1, sizeof *needed);
    uint32_t stream;
    if (c == NULL || needed == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < schema->field_count; i++)
        schema->fields[i].watermark_offset =
            holds ? WR_NO_WATERMARK : b->schema->fields[i].watermark_offset;
    schema->time_column = holds ? -1 : b->schema->time_column;
    schema->kind = holds ? WR_INSERT_ONLY : WR_CHANGELOG;
    wr_job_stream js = { .name = s->name,
                         .schema = schema,
                         .origin = WR_FROM_SEGMENT,
                         .bytes_max = (uint64_t)s->common.buffer_bytes };
    WR_TRY(wr_lowering_add_stream(&p->lowering, &js, &stream));
    *c = (wr_normalise_config){ .key_count = schema->key_count,
                                .key = schema->key,
                                .column_count = schema->field_count,
                                .input = b->schema,
                                .needed = needed,
                                .holds = holds };
    b->needed = needed; /* filled by wr_keyed_needed, before anything runs */
    return wr_lowering_add_normalise(&p->lowering, b->stream, s->name, c, schema, stream, err);
}

void
wr_keyed_needed(const wr_source_binding *b, uint64_t *needed)
{
    for (uint32_t k = 0; k < b->schema->key_count; k++)
        wr_bitmap_set(needed, b->schema->key[k]);
    wr_bitmap_set(needed, b->op_column);
}

weir_status
wr_keyed_versions(weir_pipeline *p, wr_source_binding *b)
{
    uint32_t words = b->schema->field_count / 64 + 1;
    uint64_t *needed = wr_arena_calloc(&p->arena, words, sizeof *needed);
    bool more = false;
    if (needed == NULL)
        return WEIR_MEMORY;
    memcpy(needed, b->needed, words * sizeof *needed);
    for (uint32_t g = 0; g < p->job.segment_count; g++)
        for (uint32_t i = 0; i < p->job.segments[g].input_count; i++) {
            const wr_job_input *in = &p->job.segments[g].inputs[i];
            if (!in->from_stream || in->index != b->stream || in->columns == NULL)
                continue; /* all columns: that is the table */
            for (uint32_t c = 0; c < in->column_count; c++) {
                more = more || !wr_bitmap_get(needed, in->columns[c]);
                wr_bitmap_set(needed, in->columns[c]);
            }
        }
    if (more)
        b->needed = needed;
    return WEIR_OK;
}

bool
wr_keyed_counters(const weir_pipeline *p, uint32_t source, wr_op_counters *c, uint64_t *bytes)
{
    wr_time watermark;
    if (!p->sources[source].keyed || p->runtime == NULL)
        return false;
    int32_t stream = wr_pipeline_stream(p, p->sources[source].name);
    wr_assert(stream >= 0 && p->job.streams[stream].origin == WR_FROM_SEGMENT);
    uint32_t segment = p->job.streams[stream].origin_index;
    wr_assert(p->job.segments[segment].ops[0].ops == &wr_normalise_ops);
    wr_runtime_op_counters(p->runtime, segment, 0, c, bytes, &watermark);
    return true;
}

/* --- sinks --- */

/* An insert-only relation's rows are new whatever `changes` says. */
weir_status
wr_sink_changes(weir_pipeline *p, const wr_spec_sink *s, const wr_relation *rel,
                const wr_schema **upserts, wr_report *report)
{
    enum { DEFAULT, DIFF, UPSERT };
    const wr_node *at = s->from_node != NULL ? s->from_node : s->at;
    bool changes = rel->schema->kind == WR_CHANGELOG, keyed = rel->schema->key_count > 0;
    weir_error ignored = { 0 };
    *upserts = NULL;
    if (rel->schema->kind != WR_INSERT_ONLY && !s->ops->takes_changes)
        return wr_node_error(report, at, WEIR_CONFIG_VALUE,
                             "use emit: final on the view, or a sink that takes changes",
                             "sink `%s` only appends, but `%s` changes rows it has given out",
                             s->name, rel->name);
    if (rel->schema->kind != WR_INSERT_ONLY && s->encoder != NULL && s->encoder->appends)
        return wr_node_error(report, at, WEIR_CONFIG_VALUE,
                             "use emit: final on the view, or format: json",
                             "the format %s only appends, but `%s` changes rows it has given out",
                             s->encoder->name, rel->name);
    if (!changes || s->common.changes == DIFF ||
        (s->common.changes == DEFAULT && !(s->ops->wants_upserts && keyed)))
        return WEIR_OK;
    if (!keyed)
        return wr_node_error(report, s->at, WEIR_CONFIG_VALUE,
                             "a view has a key where it groups, or reads a source with `key`",
                             "sink `%s` writes upserts, but no key of `%s` is known", s->name,
                             rel->name);
    wr_schema *schema = wr_arena_alloc(&p->arena, sizeof *schema);
    if (schema == NULL)
        return WEIR_MEMORY;
    *schema = wr_schema_upserts(rel->schema);
    bool fits = s->common.changes == UPSERT || s->ops->check == NULL ||
                s->ops->check(s->config, schema, s->encoder, &ignored) == WEIR_OK;
    *upserts = fits ? schema : NULL;
    return WEIR_OK;
}
