/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/query_input.c -- what a statement names: files, and the sources and views of a pipeline.
 *
 * A name given with weir_input is that file: with a schema a table of its own; without one, and when a
 * source of the pipeline has the name, that source's columns, format and watermark over the file, for
 * the views that read it too.  Other names are the pipeline's; they are planned anew, and only those.
 */
#include "data/json.h"
#include "engine/query_impl.h"

#include <stdio.h>
#include <string.h>

enum { FILES_MAX = 64 }; /* read_json() and the like, besides the inputs */

/* The first mistake of a report; when it stands in a file, its text says where. */
static weir_status
report_error(const wr_report *report, weir_status status, weir_error *err)
{
    if (report->count == 0)
        return err->code != WEIR_OK ? status
                                    : wr_error_set(err, status, "%s", weir_status_text(status));
    const wr_diagnostic *d = report->items[0];
    const weir_error *e = &d->error;
    wr_error_clear(err);
    if (d->file[0] != '\0' && e->line > 0)
        (void)!wr_error_set(err, e->code, "%s:%d:%d: %s", d->file, e->line, e->column, e->text);
    else
        (void)!wr_error_set(err, e->code, "%s", e->text);
    if (e->hint[0] != '\0')
        wr_error_hint(err, "%s", e->hint);
    return e->code;
}

static weir_status
key_from_json(const wr_json *json, wr_arena *arena, wr_option_list *key, weir_error *err)
{
    if (json == NULL || json->kind == WR_JSON_NULL)
        return WEIR_OK;
    if (json->kind == WR_JSON_LIST)
        key->items = wr_arena_calloc(arena, json->count + 1, sizeof *key->items);
    if (json->kind == WR_JSON_LIST && key->items == NULL)
        return WEIR_MEMORY;
    for (uint32_t k = 0; json->kind == WR_JSON_LIST && k < json->count; k++) {
        const wr_json *name = &json->items[k];
        if (name->kind != WR_JSON_STRING)
            break;
        key->items[key->count++] = wr_arena_strndup(arena, name->text, name->length);
        if (key->items[k] == NULL)
            return WEIR_MEMORY;
    }
    if (json->kind != WR_JSON_LIST || key->count < json->count)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "the schema's primary_key is [\"name\", ...]");
    return WEIR_OK;
}

/* No member but those that mean something. */
static weir_status
schema_members_check(const wr_json *doc, weir_error *err)
{
    static const char *const known[] = { "columns", "time_column", "watermark_delay_ms", "primary_key" };
    for (uint32_t m = 0; doc->kind == WR_JSON_OBJECT && m < doc->count; m++) {
        const wr_string *key = &doc->keys[m];
        uint32_t i = 0;
        while (i < WR_COUNT(known) && (strlen(known[i]) != key->length ||
                                       memcmp(known[i], wr_string_data(key), key->length) != 0))
            i++;
        if (i < WR_COUNT(known))
            continue;
        weir_status st = wr_error_set(err, WEIR_CONFIG_UNKNOWN_KEY, "unknown member \"%.*s\" in a schema file",
                                      (int)WR_MIN(key->length, 64u), wr_string_data(key));
        wr_error_hint(err, "it has columns, time_column, watermark_delay_ms, primary_key");
        return st;
    }
    return WEIR_OK;
}

/* time_column and watermark_delay_ms as a watermark; NULL: windows take every row. */
static weir_status
watermark_from_json(const wr_json *doc, const wr_schema *s, wr_arena *arena, const char **watermark,
                    weir_error *err)
{
    const wr_json *time = wr_json_member(doc, "time_column", 11),
                  *delay = wr_json_member(doc, "watermark_delay_ms", 18);
    *watermark = NULL;
    time = time != NULL && time->kind == WR_JSON_NULL ? NULL : time;
    delay = delay != NULL && delay->kind == WR_JSON_NULL ? NULL : delay;
    if (time != NULL && time->kind != WR_JSON_STRING)
        return wr_error_set(err, WEIR_CONFIG_VALUE, "the schema's time_column is \"name\"");
    if (delay != NULL && (delay->kind != WR_JSON_NUMBER || *delay->text == '-'))
        return wr_error_set(err, WEIR_CONFIG_VALUE, "the schema's watermark_delay_ms is a number, 0 or more");
    if (time == NULL)
        return WEIR_OK;
    const char *name = wr_arena_strndup(arena, time->text, time->length);
    int32_t c = name != NULL ? wr_schema_find(s, name) : -1;
    if (name == NULL)
        return WEIR_MEMORY;
    if (c < 0 || !wr_type_is_time(s->fields[c].type))
        return wr_error_set(err, WEIR_CONFIG_VALUE,
                            c < 0 ? "the schema's time_column \"%.100s\" is no column of it"
                                  : "the schema's time_column \"%.100s\" is no timestamp",
                            name);
    if (delay != NULL)
        *watermark = wr_arena_printf(arena, "\"%s\" - interval '%.*s milliseconds'", name,
                                     (int)delay->length, delay->text);
    return WEIR_OK;
}

/* {"columns": [["name", "type"], ...], "time_column", "watermark_delay_ms", "primary_key"} */
static weir_status
schema_from_json(const char *text, wr_arena *arena, wr_schema **schema, const char **watermark,
                 wr_option_list *key, weir_error *err)
{
    wr_json doc;
    WR_TRY(wr_json_parse(text, strlen(text), arena, &doc, err));
    WR_TRY(schema_members_check(&doc, err));
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
        if (s->fields[c].name == NULL)
            return WEIR_MEMORY;
        weir_status st = wr_type_parse(pair->items[1].text, pair->items[1].length, &s->fields[c].type, err);
        if (st != WEIR_OK) {
            char why[200];
            snprintf(why, sizeof why, "%.199s", err->text);
            return wr_error_set(err, st, "column \"%.60s\" of the schema: %s", s->fields[c].name, why);
        }
    }
    WR_TRY(key_from_json(wr_json_member(&doc, "primary_key", 11), arena, key, err));
    return watermark_from_json(&doc, s, arena, watermark, err);
}

/* Standard input has no name that says what it is: JSON begins with a bracket, all else is CSV. */
static weir_status
standard_format(const char **format, weir_error *err)
{
    char head[256];
    size_t n, at = 0;
    bool whole;
    WR_TRY(wr_input_head("-", head, sizeof head, &n, &whole, err));
    at = wr_input_mark(head, n);
    while (at < n && strchr(" \t\r\n", head[at]) != NULL)
        at++;
    *format = at == n || head[at] == '{' || head[at] == '[' ? "json" : "csv";
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
    if (strcmp(path, "-") == 0 && format == NULL && schema_json == NULL)
        WR_TRY(standard_format(&format, err));
    weir_status st = wr_spec_file_source(s, path, format, &p->arena, report);
    if (st != WEIR_OK)
        return report_error(report, st, err);
    if (schema_json != NULL)
        WR_TRY(schema_from_json(schema_json, &p->arena, &columns, &s->common.watermark,
                                &s->common.key, err));
    else
        WR_TRY(wr_infer_columns(path, s, &p->arena, &columns, err));
    st = wr_pipeline_add_source(p, s, columns, report);
    return st == WEIR_OK ? WEIR_OK : report_error(report, st, err);
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
    if (p->source_count == p->source_capacity)
        return wr_error_set(err, WEIR_TOO_MANY, "more than %d files in one query", FILES_MAX);
    wr_report_init(&report);
    weir_status st = add_file(p, name, path, format, NULL, &report, err);
    wr_report_fini(&report);
    *relation = wr_catalog_find(&p->catalog, name);
    return st;
}

static const wr_query_input *
find_input(const weir_pipeline *p, const char *name)
{
    for (const wr_query_input *in = p->engine->inputs; in != NULL; in = in->next)
        if (strcmp(in->name, name) == 0)
            return in;
    return NULL;
}

/* The pipeline's spec, its sources with the files that were given for them. */
static weir_status
spec_with_inputs(weir_pipeline *p, const wr_spec *from, wr_report *report)
{
    wr_spec *spec = wr_arena_alloc(&p->arena, sizeof *spec);
    if (spec == NULL)
        return WEIR_MEMORY;
    *spec = *from;
    spec->sources = wr_arena_alloc(&p->arena, (from->source_count + 1) * sizeof *spec->sources);
    if (spec->sources == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < from->source_count; i++) {
        wr_spec_source *s = &spec->sources[i];
        *s = from->sources[i];
        const wr_query_input *in = find_input(p, s->name);
        if (in != NULL && in->schema_json == NULL)
            WR_TRY(wr_spec_file_source(s, in->path, NULL, &p->arena, report));
    }
    p->spec = spec;
    return WEIR_OK;
}

static bool
spec_has_source(const wr_spec *spec, const char *name)
{
    for (uint32_t i = 0; spec != NULL && i < spec->source_count; i++)
        if (strcmp(spec->sources[i].name, name) == 0)
            return true;
    return false;
}

static weir_status
add_named(weir_pipeline *p, const char *name, wr_report *report, weir_error *err)
{
    const wr_query_input *in = find_input(p, name);
    if (wr_catalog_find(&p->catalog, name) != NULL)
        return WEIR_OK;
    if (in != NULL && (in->schema_json != NULL || !spec_has_source(p->spec, name)))
        return add_file(p, name, in->path, NULL, in->schema_json, report, err);
    if (p->spec == NULL)
        return WEIR_OK;
    weir_status st = wr_pipeline_plan_named(p, name, report);
    return st == WEIR_OK && report->errors == 0 ? WEIR_OK : report_error(report, st, err);
}

weir_status
wr_query_add_inputs(weir_pipeline *p, const weir_pipeline *from, const char *const *names,
                    uint32_t count, weir_error *err)
{
    uint32_t sources = from != NULL ? from->spec->source_count : 0;
    uint32_t views = from != NULL ? from->spec->view_count : 0;
    wr_report report;
    p->source_capacity = count + sources + FILES_MAX;
    p->sources = wr_arena_calloc(&p->arena, p->source_capacity, sizeof *p->sources);
    p->views = wr_arena_calloc(&p->arena, views + 1, sizeof *p->views);
    p->marks = wr_arena_calloc(&p->arena, sources + views + 1, 1);
    if (p->sources == NULL || p->views == NULL || p->marks == NULL)
        return WEIR_MEMORY;
    p->catalog.open_file = open_file;
    p->catalog.open_file_user = p;
    wr_report_init(&report);
    weir_status st = from != NULL ? spec_with_inputs(p, from->spec, &report) : WEIR_OK;
    if (st != WEIR_OK)
        st = report_error(&report, st, err);
    if (st == WEIR_OK)
        st = wr_sides_note(p);
    for (uint32_t i = 0; i < count && st == WEIR_OK; i++)
        st = add_named(p, names[i], &report, err);
    if (st == WEIR_OK && (st = wr_pipeline_lower_views(p, &report)) != WEIR_OK)
        st = report_error(&report, st, err);
    wr_report_fini(&report);
    return st;
}

void
wr_query_hint(const weir_pipeline *from, weir_error *err)
{
    wr_arena arena;
    wr_catalog all;
    weir_error ignored;
    const char *open = strchr(err->text, '"'), *close = open != NULL ? strchr(open + 1, '"') : NULL;
    if (from == NULL || close == NULL || err->hint[0] != '\0')
        return;
    wr_arena_init(&arena, from->engine->budget);
    wr_catalog_init(&all, &arena);
    wr_schema *schema = wr_schema_create(&arena, 0); /* names alone are looked at */
    for (uint32_t i = 0; schema != NULL && i < from->spec->source_count + from->spec->view_count;
         i++) {
        bool view = i >= from->spec->source_count;
        wr_relation rel = { .name = view ? from->spec->views[i - from->spec->source_count].name
                                         : from->spec->sources[i].name,
                            .schema = schema };
        (void)!wr_catalog_add(&all, &rel, &ignored);
    }
    const char *name = wr_arena_strndup(&arena, open + 1, (size_t)(close - open - 1));
    const char *near = name != NULL ? wr_catalog_nearest(&all, name) : NULL;
    if (near != NULL)
        wr_error_hint(err, "did you mean \"%s\"?", near);
    wr_arena_fini(&arena);
}
