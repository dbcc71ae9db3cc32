/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/load_source.c -- a source of a spec into catalog, job and bindings.
 *
 * Place       load.c asks for the sources of a file, query_input.c for the files of a query.
 */
#include "engine/load_impl.h"

#include <string.h>

static const char *const hidden_names[] = { "_key", "_offset", "_partition", "_timestamp" };

/* The columns as listed, then the hidden ones of a message that no listed one shadows. */
static wr_schema *
schema_with_hidden(wr_arena *arena, const wr_schema *listed)
{
    const wr_type types[] = { WR_TYPE(WR_TEXT), WR_TYPE(WR_INT8), WR_TYPE(WR_INT4),
                              WR_TYPE(WR_TIMESTAMPTZ) };
    wr_schema *s = wr_schema_create(arena, listed->field_count + (uint32_t)WR_COUNT(hidden_names));
    if (s == NULL)
        return NULL;
    wr_field *fields = s->fields;
    *s = *listed;
    s->fields = fields;
    memcpy(fields, listed->fields, listed->field_count * sizeof *fields);
    for (uint32_t c = 0; c < listed->field_count; c++) /* `watermark` alone promises something */
        fields[c].watermark_offset = WR_NO_WATERMARK;
    for (uint32_t h = 0; h < WR_COUNT(hidden_names); h++) {
        if (wr_schema_find(listed, hidden_names[h]) >= 0)
            continue;
        fields[s->field_count++] = (wr_field){ .name = hidden_names[h],
                                               .type = types[h],
                                               .hidden = true,
                                               .watermark_offset = WR_NO_WATERMARK };
    }
    return s;
}

/* The one time column a watermark expression reads; -1 when it reads none, several, or another
 * type. */
static int32_t
watermark_column(const wr_expr *expr, const wr_schema *schema)
{
    uint64_t bits[32] = { 0 };
    int32_t found = -1;
    if (schema->field_count > 32 * 64)
        return -1;
    wr_expr_columns(expr, bits);
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (wr_bitmap_get(bits, c)) {
            if (found >= 0 || !wr_type_is_time(schema->fields[c].type))
                return -1;
            found = (int32_t)c;
        }
    return found;
}

static weir_status
bind_watermark(wr_arena *arena, const wr_spec_source *s, wr_schema *schema, wr_source_binding *b,
               wr_report *report)
{
    weir_error err = { 0 };
    wr_expr *expr = NULL;
    b->time_column = -1;
    if (s->common.watermark == NULL)
        return WEIR_OK;
    const char *text = s->common.watermark;
    weir_status st = wr_sql_bind_expr(text, strlen(text), schema, arena, &expr, &err);
    if (st != WEIR_OK)
        return wr_load_report_sql(report, s->watermark, NULL, text, strlen(text), st, &err);
    if (!wr_type_is_time(expr->type) || expr->type.id == WR_DATE)
        return wr_node_error(report, s->watermark, WEIR_CONFIG_VALUE,
                             "for example: ts - interval '5 seconds'",
                             "the watermark of `%s` must be a timestamp", s->name);
    b->time_column = watermark_column(expr, schema);
    if (b->time_column < 0)
        return wr_node_error(report, s->watermark, WEIR_CONFIG_VALUE,
                             "for example: ts - interval '5 seconds'",
                             "the watermark of `%s` must read one timestamp column", s->name);
    b->watermark = expr;
    schema->time_column = b->time_column;
    schema->fields[b->time_column].watermark_offset = 0;
    return WEIR_OK;
}

/* What stands in SOURCE.dead_letter. */
static const wr_schema *
dead_letter_schema(wr_arena *arena)
{
    static const struct {
        const char *name;
        uint8_t type;
    } columns[] = { { "source", WR_TEXT },   { "partition", WR_INT4 }, { "offset", WR_INT8 },
                    { "code", WR_TEXT },     { "message", WR_TEXT },   { "sample", WR_BYTEA },
                    { "ts", WR_TIMESTAMPTZ } };
    wr_schema *s = wr_schema_create(arena, (uint32_t)WR_COUNT(columns));
    for (uint32_t i = 0; s != NULL && i < WR_COUNT(columns); i++)
        s->fields[i] = (wr_field){ .name = columns[i].name,
                                   .type = WR_TYPE(columns[i].type),
                                   .watermark_offset = WR_NO_WATERMARK };
    return s;
}

/* A query cannot wait for the end of what has none, nor for rows that nobody can push into it. */
static bool
query_can_read(const weir_pipeline *p, const wr_spec_source *s, bool ends)
{
    if (p->statement == NULL)
        return true;
    return p->bounded ? ends || s->ops->has_end : s->ops != &wr_push_source_ops;
}

/* What a decoder refuses (a path, say) is told when the file is read, not when the first rows come. */
static weir_status
check_decoder(weir_pipeline *p, const wr_spec_source *s, const wr_source_binding *b, wr_report *report)
{
    const wr_schema *schema = b->keyed ? b->decoded : b->schema;
    weir_error err = { 0 };
    wr_decoder *decoder = NULL;
    if (b->decoder == NULL || !s->sound) /* its options are reported */
        return WEIR_OK;
    uint32_t words = schema->field_count / 64 + 1;
    uint64_t *needed = wr_arena_calloc(&p->arena, words, sizeof *needed);
    if (needed == NULL)
        return WEIR_MEMORY;
    for (uint32_t c = 0; c < schema->field_count; c++)
        if (!schema->fields[c].hidden)
            wr_bitmap_set(needed, c);
    weir_status st = b->decoder->create(b->decoder_config, schema, needed, p->budget, &decoder, &err);
    if (st != WEIR_OK)
        return wr_load_report_plain(report, s->columns != NULL ? s->columns : s->at, st, &err);
    decoder->ops->destroy(decoder);
    return WEIR_OK;
}

weir_status
wr_pipeline_add_source(weir_pipeline *p, wr_spec_source *s, const wr_schema *columns,
                       wr_report *report)
{
    weir_error err = { 0 };
    wr_source_binding b = { .name = s->name,
                            .ops = s->ops,
                            .config = s->config,
                            .decoder = s->decoder,
                            .decoder_config = s->decoder_config,
                            .time_column = -1,
                            .bad_stream = -1,
                            .worker = -1,
                            .future_us = s->common.future_us,
                            .idle_us = s->common.idle_us,
                            .ahead_us = s->common.ahead_us };
    wr_schema *schema = schema_with_hidden(&p->arena, columns);
    if (schema == NULL)
        return WEIR_MEMORY;
    bool keyed = s->common.key.count > 0;
    if (!keyed && s->decoder != NULL && s->decoder->keyed)
        return wr_node_error(report, s->at, WEIR_CONFIG_MISSING, "key: id, the table's primary key",
                             "source `%s` needs `key`: its records replace each other", s->name);
    wr_schema *read = schema;
    if (keyed)
        WR_TRY(wr_keyed_schemas(p, s, schema, &b, &read, report));
    b.schema = read;
    WR_TRY(bind_watermark(&p->arena, s, read, &b, report));
    wr_job_stream js = { .name = keyed ? wr_arena_printf(&p->arena, "%s.upserts", s->name) : s->name,
                         .schema = read,
                         .origin = WR_FROM_SOURCE,
                         .origin_index = p->source_count,
                         .bytes_max = (uint64_t)s->common.buffer_bytes };
    WR_TRY(wr_lowering_add_stream(&p->lowering, &js, &b.stream));
    bool ends = s->ops->bounded != NULL && s->ops->bounded(s->config), bounded = p->bounded || ends;
    if (keyed)
        WR_TRY(wr_keyed_streams(p, s, &b, schema, p->bounded, &err));
    wr_relation rel = { .name = s->name,
                        .role = WR_ROLE_SOURCE,
                        .schema = schema,
                        .bounded = bounded,
                        .keyed = keyed,
                        .late = (uint8_t)s->common.late,
                        .rows = wr_source_rows(p, s, columns),
                        .user = query_can_read(p, s, ends) ? NULL : s };
    if (keyed) {
        if ((rel.upserts = wr_arena_alloc(&p->arena, sizeof *rel.upserts)) == NULL)
            return WEIR_MEMORY;
        *rel.upserts = rel;
        rel.upserts->name = js.name;
        rel.upserts->schema = read;
        rel.upserts->keyed = false;
        rel.upserts->upserts = NULL;
    }
    weir_status st = wr_catalog_add(&p->catalog, &rel, &err);
    if (st == WEIR_OK && (p->statement == NULL || wr_side_is_wanted(p, s->name, "dead_letter")))
        st = wr_side_add(p, s->name, "dead_letter", dead_letter_schema(&p->arena), b.stream,
                      WR_PORT_BAD, bounded, &b.bad_stream, &err);
    if (st != WEIR_OK)
        return wr_load_report_plain(report, s->at, st, &err);
    WR_TRY(check_decoder(p, s, &b, report));
    p->sources[p->source_count++] = b;
    return WEIR_OK;
}

weir_status
wr_load_source(weir_pipeline *p, wr_spec_source *s, wr_report *report)
{
    weir_error err = { 0 };
    wr_schema *columns = NULL;
    if (s->common.columns != NULL) {
        const char *text = s->common.columns;
        weir_status st = wr_sql_parse_columns(text, strlen(text), &p->arena, &columns, &err);
        if (st != WEIR_OK)
            return wr_load_report_sql(report, s->columns, NULL, text, strlen(text), st, &err);
    } else if (!s->sound) {
        return WEIR_CONFIG; /* its mistakes are reported; nothing can be told of its columns */
    } else if (s->ops->columns != NULL) {
        weir_status st = s->ops->columns(s->config, &p->arena, &columns, &err);
        if (st != WEIR_OK)
            return wr_load_report_plain(report, s->at, st, &err);
    } else {
        weir_status st = wr_error_default(&err, wr_infer_columns(NULL, s, &p->arena, &columns, &err));
        if (st != WEIR_OK)
            return wr_node_error(
                report, s->at, st == WEIR_MEMORY ? st : WEIR_CONFIG_MISSING,
                err.hint[0] != '\0'
                    ? err.hint
                    : "columns: | then one column a line: id bigint NOT NULL, name text",
                "source `%s` needs `columns`: %s", s->name, err.text);
    }
    return wr_pipeline_add_source(p, s, columns, report);
}
