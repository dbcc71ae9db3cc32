/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_read.c -- the keys of a pipeline file, by tables (see spec.h).
 *
 * A source or sink is a map with common keys and exactly one connector's name; the connector's own
 * table reads what stands below it.
 */
#include "engine/spec.h"
#include "runtime/runtime.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MIB (1024.0 * 1024.0)

static const wr_option source_options[] = {
    { "columns", WR_OPT_STRING,
      offsetof(wr_spec_source, common.columns) - offsetof(wr_spec_source, common),
      .doc = "the columns, as a SQL column list" },
    { "watermark", WR_OPT_STRING,
      offsetof(wr_spec_source, common.watermark) - offsetof(wr_spec_source, common),
      .doc = "event time less how late rows may come: ts - interval '5 seconds'" },
    { "late", WR_OPT_ENUM, offsetof(wr_spec_source, common.late) - offsetof(wr_spec_source, common),
      .fallback = "drop", .choices = "drop|dead_letter|update",
      .doc = "what windowed views do with late rows" },
    { "idle_timeout", WR_OPT_DURATION,
      offsetof(wr_spec_source, common.idle_us) - offsetof(wr_spec_source, common),
      .fallback = "30s",
      .doc = "a partition read to its end for so long stops holding the watermark back; 0: never" },
    { "future_limit", WR_OPT_DURATION,
      offsetof(wr_spec_source, common.future_us) - offsetof(wr_spec_source, common),
      .fallback = "1 day",
      .doc = "rows whose event time lies farther ahead of the clock are bad; 0: no limit" },
    { "record_bytes_max", WR_OPT_BYTES,
      offsetof(wr_spec_source, common.record_bytes_max) - offsetof(wr_spec_source, common),
      .fallback = "1MiB", .low = 16, .high = 64 * MIB, .doc = "larger records are bad" },
    { "buffer", WR_OPT_BYTES,
      offsetof(wr_spec_source, common.buffer_bytes) - offsetof(wr_spec_source, common),
      .fallback = "8MiB", .low = 65536, .high = 4096 * MIB,
      .doc = "the stream's ring, each shard" },
    { "format", WR_OPT_STRING, 0, .doc = "how bytes become rows: json, csv, ..." },
    { 0 },
};
static const wr_option view_options[] = {
    { "sql", WR_OPT_STRING, offsetof(wr_spec_view, common.sql) - offsetof(wr_spec_view, common),
      .doc = "the query, one SELECT" },
    { "sql_file", WR_OPT_STRING,
      offsetof(wr_spec_view, common.sql_file) - offsetof(wr_spec_view, common),
      .doc = "the query in a file of its own, relative to the pipeline file" },
    { "emit", WR_OPT_ENUM, offsetof(wr_spec_view, common.emit) - offsetof(wr_spec_view, common),
      .fallback = "default", .choices = "default|final|changes",
      .doc = "final: once, when the window closes; changes: each change as it comes" },
    { "late", WR_OPT_ENUM, offsetof(wr_spec_view, common.late) - offsetof(wr_spec_view, common),
      .fallback = "source", .choices = "source|drop|dead_letter|update",
      .doc = "late rows; default: as the source says" },
    { "lateness", WR_OPT_DURATION,
      offsetof(wr_spec_view, common.lateness_us) - offsetof(wr_spec_view, common), .fallback = "0",
      .doc = "late: update keeps closed windows for so long" },
    { "retain", WR_OPT_DURATION,
      offsetof(wr_spec_view, common.retain_us) - offsetof(wr_spec_view, common), .fallback = "5min",
      .doc = "rows kept for subscribers that come or return later" },
    { "buffer", WR_OPT_BYTES,
      offsetof(wr_spec_view, common.buffer_bytes) - offsetof(wr_spec_view, common),
      .fallback = "8MiB", .low = 65536, .high = 4096 * MIB,
      .doc = "the stream's ring, each shard" },
    { "limits", WR_OPT_MAP, 0, .doc = "memory, on_memory" },
    { "state", WR_OPT_MAP, 0, .doc = "ttl, unbounded" },
    { 0 },
};
static const wr_option view_limit_options[] = {
    { "memory", WR_OPT_BYTES,
      offsetof(wr_spec_view, limits.memory_bytes) - offsetof(wr_spec_view, limits), .fallback = "0",
      .doc = "most bytes of state; 0: what the process has" },
    { "on_memory", WR_OPT_ENUM,
      offsetof(wr_spec_view, limits.on_memory) - offsetof(wr_spec_view, limits), .fallback = "fail",
      .choices = "fail", .doc = "what to do at the limit" },
    { 0 },
};
static const wr_option view_state_options[] = {
    { "ttl", WR_OPT_DURATION, offsetof(wr_spec_view, state.ttl_us) - offsetof(wr_spec_view, state),
      .fallback = "0", .doc = "keys idle for longer are forgotten" },
    { "unbounded", WR_OPT_BOOL,
      offsetof(wr_spec_view, state.unbounded) - offsetof(wr_spec_view, state), .fallback = "false",
      .doc = "accept state that grows with the number of keys" },
    { 0 },
};
static const wr_option sink_options[] = {
    { "from", WR_OPT_STRING, offsetof(wr_spec_sink, common.from) - offsetof(wr_spec_sink, common),
      .required = true,
      .doc = "the relation to write: a view, a source, VIEW.late, SOURCE.dead_letter" },
    { "format", WR_OPT_STRING, 0, .doc = "how rows become bytes: json, csv, ..." },
    { 0 },
};
static const wr_option serve_options[] = {
    { "http", WR_OPT_STRING, offsetof(wr_spec, serve.http) - offsetof(wr_spec, serve),
      .doc = "host:port of /healthz, /readyz, /metrics" },
    { "tcp", WR_OPT_STRING, offsetof(wr_spec, serve.tcp) - offsetof(wr_spec, serve),
      .doc = "host:port for subscribers" },
    { "token", WR_OPT_SECRET, offsetof(wr_spec, serve.token) - offsetof(wr_spec, serve),
      .doc = "clients must send it" },
    { "insecure", WR_OPT_BOOL, offsetof(wr_spec, serve.insecure) - offsetof(wr_spec, serve),
      .fallback = "false", .doc = "allow a public address without a token" },
    { 0 },
};
static const wr_option limit_options[] = {
    { "memory", WR_OPT_BYTES, offsetof(wr_spec, limits.memory_bytes) - offsetof(wr_spec, limits),
      .fallback = "0", .doc = "most bytes of the whole pipeline" },
    { "workers", WR_OPT_INTEGER, offsetof(wr_spec, limits.workers) - offsetof(wr_spec, limits),
      .fallback = "0", .low = 0, .high = 64, .doc = "worker threads; 0: as the command line says" },
    { 0 },
};
static const wr_option checkpoint_options[] = {
    { "dir", WR_OPT_STRING, offsetof(wr_spec, checkpoint.dir) - offsetof(wr_spec, checkpoint),
      .doc = "data directory" },
    { "interval", WR_OPT_DURATION,
      offsetof(wr_spec, checkpoint.interval_us) - offsetof(wr_spec, checkpoint), .fallback = "10s",
      .low = 10e3, .high = 86400e6, .doc = "time between checkpoints" },
    { 0 },
};
static const wr_option root_options[] = {
    { "name", WR_OPT_STRING, 0, .doc = "the pipeline's name; default: the file's" },
    { "sources", WR_OPT_MAP },
    { "views", WR_OPT_MAP },
    { "sinks", WR_OPT_MAP },
    { "serve", WR_OPT_MAP },
    { "limits", WR_OPT_MAP },
    { "checkpoint", WR_OPT_MAP },
    { "tests", WR_OPT_LIST },
    { 0 },
};

typedef struct reader {
    wr_arena *arena;
    wr_report *report;
    const char *const *inputs, *const *outputs;
} reader;

/* The part of `map` whose keys are in table, as a map of its own; so that two tables can share a
 * map. */
static wr_node *
map_part(reader *r, const wr_node *map, const wr_option *table, bool in_table)
{
    wr_node *part = wr_arena_calloc(r->arena, 1, sizeof *part);
    if (part == NULL)
        return NULL;
    *part = *map;
    part->count = 0;
    part->keys = wr_arena_calloc(r->arena, map->count + 1, sizeof *part->keys);
    part->items = wr_arena_calloc(r->arena, map->count + 1, sizeof *part->items);
    if (part->keys == NULL || part->items == NULL)
        return NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        bool found = false;
        for (const wr_option *o = table; o->name != NULL; o++)
            found |= strcmp(o->name, map->keys[i]->text) == 0;
        if (found == in_table) {
            part->keys[part->count] = map->keys[i];
            part->items[part->count++] = map->items[i];
        }
    }
    return part;
}

/* Drop a key that is read apart from its table. */
static void
map_without(wr_node *map, const char *key)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) != 0) {
            map->keys[kept] = map->keys[i];
            map->items[kept++] = map->items[i];
        }
    map->count = kept;
}

/* A name of a relation: a SQL identifier in lower case, so that queries need no quotes. */
static bool
name_is_good(const char *name)
{
    if (!(name[0] == '_' || (name[0] >= 'a' && name[0] <= 'z')) || strlen(name) > 63)
        return false;
    for (const char *p = name; *p != '\0'; p++)
        if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9')))
            return false;
    return true;
}

static weir_status
name_check(reader *r, const wr_node *key)
{
    if (name_is_good(key->text))
        return WEIR_OK;
    return wr_node_error(
        r->report, key, WEIR_CONFIG_VALUE,
        "use lower-case letters, digits and _, at most 63, so that SQL needs no quotes",
        "`%s` cannot be a name", key->text);
}

/* `format: json` or `format: { csv: {...} }`, on the source/sink or inside its connector. */
static const wr_node *
format_node(const wr_node *outer, wr_node *inner)
{
    const wr_node *f = wr_node_get(outer, "format");
    if (f == NULL)
        f = wr_node_get(inner, "format");
    map_without(inner, "format");
    return f;
}

static const char *
format_name(reader *r, const wr_node *f, const char *fallback, const wr_node **options)
{
    *options = NULL;
    if (f == NULL)
        return fallback;
    if (f->kind == WR_NODE_SCALAR)
        return f->text;
    if (f->kind == WR_NODE_MAP && f->count == 1) {
        *options = f->items[0];
        return f->keys[0]->text;
    }
    wr_node_error(r->report, f, WEIR_CONFIG_VALUE,
                  "format: json, or format: { csv: { header: true } }",
                  "a format is a name, or one name with its options");
    return NULL;
}

static weir_status
decoder_read(reader *r, wr_spec_source *s, const wr_node *f, const char *fallback)
{
    const wr_node *options;
    const char *name = format_name(r, f, fallback, &options);
    if (name == NULL)
        return fallback == NULL && f == NULL ? WEIR_OK : WEIR_CONFIG_VALUE;
    s->decoder = wr_decoder_find(name);
    if (s->decoder == NULL) {
        wr_text known;
        wr_text_init(&known, r->arena->budget);
        uint32_t count;
        const wr_decoder_ops *const *all = wr_decoder_all(&count);
        for (uint32_t i = 0; i < count; i++)
            wr_text_printf(&known, "%s%s", i > 0 ? ", " : "known: ", all[i]->name);
        weir_status st = wr_node_error(r->report, f, WEIR_CONFIG_VALUE, wr_text_string(&known),
                                       "no format is called `%s`", name);
        wr_text_fini(&known);
        return st;
    }
    s->decoder_config = wr_arena_calloc(r->arena, 1, WR_MAX(s->decoder->config_bytes, (size_t)1));
    if (s->decoder_config == NULL)
        return WEIR_MEMORY;
    return wr_options_read(s->decoder->options, options, f != NULL ? f : s->at, NULL,
                           s->decoder_config, s->decoder->config_bytes, r->arena, r->report);
}

static weir_status
encoder_read(reader *r, wr_spec_sink *s, const wr_node *f, const char *fallback)
{
    const wr_node *options;
    const char *name = format_name(r, f, fallback, &options);
    if (name == NULL)
        return fallback == NULL && f == NULL ? WEIR_OK : WEIR_CONFIG_VALUE;
    s->encoder = wr_encoder_find(name);
    if (s->encoder == NULL)
        return wr_node_error(r->report, f, WEIR_CONFIG_VALUE, "json, csv, tsv, msgpack",
                             "no format is called `%s`", name);
    s->encoder_config = wr_arena_calloc(r->arena, 1, WR_MAX(s->encoder->config_bytes, (size_t)1));
    if (s->encoder_config == NULL)
        return WEIR_MEMORY;
    return wr_options_read(s->encoder->options, options, f != NULL ? f : s->at, NULL,
                           s->encoder_config, s->encoder->config_bytes, r->arena, r->report);
}

/* The one key of `map` that is not common: its connector.  NULL (reported) when there is none or
 * two. */
static const wr_node *
connector_key(reader *r, const wr_node *map, const wr_node *name, const char *what,
              bool (*known)(const char *), const char *names, const wr_node **value)
{
    const wr_node *key = NULL;
    for (uint32_t i = 0; i < map->count; i++) {
        if (!known(map->keys[i]->text))
            continue;
        if (key != NULL) {
            wr_node_error(r->report, map->keys[i], WEIR_CONFIG_VALUE, NULL,
                          "%s `%s` has two connectors: `%s` and `%s`", what, name->text, key->text,
                          map->keys[i]->text);
            return NULL;
        }
        key = map->keys[i];
        *value = map->items[i];
    }
    if (key == NULL && map->count == 1) {
        char hint[160];
        snprintf(hint, sizeof hint, "known: %s", names);
        wr_node_error(r->report, map->keys[0], WEIR_CONFIG_UNKNOWN_KEY, hint,
                      "no connector or option is called `%s`", map->keys[0]->text);
    } else if (key == NULL) {
        char hint[160];
        snprintf(hint, sizeof hint, "one of: %s", names);
        wr_node_error(r->report, name, WEIR_CONFIG_MISSING, hint, "%s `%s` has no connector", what,
                      name->text);
    }
    return key;
}

/* The push source is the runtime's own; the others are in the registry. */
static const wr_source_ops *
source_find(const char *name)
{
    return strcmp(name, "push") == 0 ? &wr_push_source_ops : wr_source_find(name);
}
static bool
source_known(const char *name)
{
    return source_find(name) != NULL;
}
static bool
sink_known(const char *name)
{
    return wr_sink_find(name) != NULL;
}

static const char *
override_of(const char *const *list, const char *name)
{
    size_t n = strlen(name);
    for (; list != NULL && *list != NULL; list++)
        if (strncmp(*list, name, n) == 0 && (*list)[n] == '=')
            return *list + n + 1;
    return NULL;
}

weir_status
wr_spec_file_source(wr_spec_source *source, const char *path, const char *format, wr_arena *arena,
                    wr_report *report)
{
    reader r = { arena, report, NULL, NULL };
    source->ops = wr_source_find("file");
    wr_assert(source->ops != NULL);
    source->config = wr_arena_calloc(arena, 1, source->ops->config_bytes);
    if (source->config == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_options_read(
        source->ops->options,
        &(wr_node){ .kind = WR_NODE_MAP,
                    .file = source->at != NULL ? source->at->file : "",
                    .count = 1,
                    .keys = (wr_node *[]){ &(wr_node){ .text = "path", .length = 4 } },
                    .items = (wr_node *[]){ &(wr_node){
                        .text = path, .length = strlen(path), .file = "" } } },
        source->at, NULL, source->config, source->ops->config_bytes, arena, report));
    if (source->decoder != NULL)
        return WEIR_OK;
    const char *dot = strrchr(path, '.');
    const char *name = format != NULL                                ? format
                       : dot != NULL && strcmp(dot, ".csv") == 0     ? "csv"
                       : dot != NULL && strcmp(dot, ".tsv") == 0     ? "tsv"
                       : dot != NULL && strcmp(dot, ".msgpack") == 0 ? "msgpack"
                                                                     : "json";
    return decoder_read(&r, source, NULL, name);
}

static weir_status
source_read(reader *r, const wr_node *key, const wr_node *map, wr_spec_source *s)
{
    weir_status status = name_check(r, key), st;
    s->name = key->text;
    s->at = key;
    if (map->kind != WR_NODE_MAP)
        return wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL, "source `%s` must be a map",
                             key->text);
    wr_node *common = map_part(r, map, source_options, true);
    wr_node *rest = map_part(r, map, source_options, false);
    if (common == NULL || rest == NULL)
        return WEIR_MEMORY;
    s->columns = wr_node_get(map, "columns");
    s->watermark = wr_node_get(map, "watermark");
    map_without(common, "format");
    st = wr_options_read(source_options, common, key, NULL, &s->common, sizeof s->common, r->arena,
                         r->report);
    status = status == WEIR_OK ? st : status;
    const char *file = override_of(r->inputs, s->name);
    const wr_node *value = NULL;
    char names[120] = "push, ";
    uint32_t count;
    const wr_source_ops *const *all = wr_source_all(&count);
    for (uint32_t i = 0; i < count; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i > 0 ? ", " : "",
                 all[i]->name);
    const wr_node *connector = connector_key(r, rest, key, "source", source_known, names, &value);
    if (connector == NULL)
        return WEIR_CONFIG_MISSING;
    for (uint32_t i = 0; i < rest->count; i++)
        if (rest->keys[i] != connector)
            status = wr_node_error(r->report, rest->keys[i], WEIR_CONFIG_UNKNOWN_KEY, NULL,
                                   "unknown key `%s` in source `%s`", rest->keys[i]->text, s->name);
    s->ops = source_find(connector->text);
    s->config = wr_arena_calloc(r->arena, 1, WR_MAX(s->ops->config_bytes, (size_t)1));
    wr_node *inner =
        value->kind == WR_NODE_MAP ? map_part(r, value, (wr_option[]){ { 0 } }, false) : NULL;
    if (s->config == NULL || (value->kind == WR_NODE_MAP && inner == NULL))
        return WEIR_MEMORY;
    wr_node nothing = { .kind = WR_NODE_MAP };
    const wr_node *f = format_node(map, inner != NULL ? inner : &nothing);
    const wr_option *const elsewhere[] = { source_options, NULL };
    st = wr_options_read(s->ops->options, inner != NULL ? inner : value, connector, elsewhere,
                         s->config, s->ops->config_bytes, r->arena, r->report);
    status = status == WEIR_OK ? st : status;
    if (s->ops->default_format != NULL || f != NULL) {
        st = decoder_read(r, s, f, s->ops->default_format);
        status = status == WEIR_OK ? st : status;
    }
    if (status == WEIR_OK && s->ops->check != NULL && file == NULL) {
        weir_error err = { 0 };
        st = s->ops->check(s->config, &err);
        if (st != WEIR_OK)
            status = wr_node_error(r->report, connector, st, err.hint[0] != '\0' ? err.hint : NULL,
                                   "%s", err.text);
    }
    if (file != NULL)
        status = wr_spec_file_source(s, file, NULL, r->arena, r->report);
    return status;
}

static weir_status
view_sql(reader *r, wr_spec_view *v)
{
    if ((v->common.sql != NULL) == (v->common.sql_file != NULL))
        return wr_node_error(r->report, v->at, WEIR_CONFIG_MISSING, NULL, "view `%s` needs %s",
                             v->name,
                             v->common.sql != NULL ? "either sql or sql_file, not both" : "`sql`");
    if (v->common.sql != NULL) {
        v->sql = v->sql_node->text;
        v->sql_length = v->sql_node->length;
        return WEIR_OK;
    }
    const char *slash = strrchr(v->at->file, '/');
    const char *path = v->common.sql_file[0] == '/'
                           ? v->common.sql_file
                           : wr_arena_printf(r->arena, "%.*s%s",
                                             slash != NULL ? (int)(slash + 1 - v->at->file) : 0,
                                             v->at->file, v->common.sql_file);
    FILE *in = path != NULL ? fopen(path, "re") : NULL;
    if (in == NULL)
        return wr_node_error(r->report, v->at, WEIR_CONFIG_FILE, NULL,
                             "view `%s`: cannot read \"%s\"", v->name, v->common.sql_file);
    char *text = wr_arena_alloc(r->arena, 65537);
    size_t n = text != NULL ? fread(text, 1, 65536, in) : 0;
    fclose(in);
    if (text == NULL)
        return WEIR_MEMORY;
    text[n] = '\0';
    wr_report_file_add(r->report, path, text, n);
    v->sql = text;
    v->sql_length = n;
    v->sql_file = path;
    return WEIR_OK;
}

static weir_status
view_read(reader *r, const wr_node *key, const wr_node *map, wr_spec_view *v)
{
    weir_status status = name_check(r, key), st;
    v->name = key->text;
    v->at = key;
    if (map->kind != WR_NODE_MAP)
        return wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL,
                             "view `%s` must be a map with `sql`", key->text);
    v->sql_node = wr_node_get(map, "sql");
    wr_node *common = map_part(r, map, (wr_option[]){ { 0 } }, false);
    if (common == NULL)
        return WEIR_MEMORY;
    map_without(common, "limits");
    map_without(common, "state");
    st = wr_options_read(view_options, common, key, NULL, &v->common, sizeof v->common, r->arena,
                         r->report);
    status = status == WEIR_OK ? st : status;
    st = wr_options_read(view_limit_options, wr_node_get(map, "limits"), key, NULL, &v->limits,
                         sizeof v->limits, r->arena, r->report);
    status = status == WEIR_OK ? st : status;
    st = wr_options_read(view_state_options, wr_node_get(map, "state"), key, NULL, &v->state,
                         sizeof v->state, r->arena, r->report);
    status = status == WEIR_OK ? st : status;
    return status == WEIR_OK ? view_sql(r, v) : status;
}

static weir_status
sink_read(reader *r, const wr_node *key, const wr_node *map, wr_spec_sink *s)
{
    weir_status status = name_check(r, key), st;
    s->name = key->text;
    s->at = key;
    if (map->kind != WR_NODE_MAP)
        return wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL, "sink `%s` must be a map",
                             key->text);
    wr_node *common = map_part(r, map, sink_options, true);
    wr_node *rest = map_part(r, map, sink_options, false);
    if (common == NULL || rest == NULL)
        return WEIR_MEMORY;
    map_without(common, "format");
    s->from_node = wr_node_get(map, "from");
    st = wr_options_read(sink_options, common, key, NULL, &s->common, sizeof s->common, r->arena,
                         r->report);
    status = status == WEIR_OK ? st : status;
    const wr_node *value = NULL;
    char names[120] = "";
    uint32_t count;
    const wr_sink_ops *const *all = wr_sink_all(&count);
    for (uint32_t i = 0; i < count; i++)
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i > 0 ? ", " : "",
                 all[i]->name);
    const wr_node *connector = connector_key(r, rest, key, "sink", sink_known, names, &value);
    if (connector == NULL)
        return WEIR_CONFIG_MISSING;
    for (uint32_t i = 0; i < rest->count; i++)
        if (rest->keys[i] != connector)
            status = wr_node_error(r->report, rest->keys[i], WEIR_CONFIG_UNKNOWN_KEY, NULL,
                                   "unknown key `%s` in sink `%s`", rest->keys[i]->text, s->name);
    s->ops = wr_sink_find(connector->text);
    s->config = wr_arena_calloc(r->arena, 1, WR_MAX(s->ops->config_bytes, (size_t)1));
    wr_node *inner =
        value->kind == WR_NODE_MAP ? map_part(r, value, (wr_option[]){ { 0 } }, false) : NULL;
    if (s->config == NULL || (value->kind == WR_NODE_MAP && inner == NULL))
        return WEIR_MEMORY;
    wr_node nothing = { .kind = WR_NODE_MAP };
    const wr_node *f = format_node(map, inner != NULL ? inner : &nothing);
    const wr_option *const elsewhere[] = { sink_options, NULL };
    st = wr_options_read(s->ops->options, inner != NULL ? inner : value, connector, elsewhere,
                         s->config, s->ops->config_bytes, r->arena, r->report);
    status = status == WEIR_OK ? st : status;
    if (s->ops->default_format != NULL || f != NULL) {
        st = encoder_read(r, s, f, s->ops->default_format);
        status = status == WEIR_OK ? st : status;
    }
    return status;
}

/* `--output view=FILE` adds a sink that no file names. */
static weir_status
output_sink(reader *r, const char *output, wr_spec_sink *s)
{
    const char *eq = strchr(output, '=');
    if (eq == NULL || eq == output || eq[1] == '\0')
        return wr_report_error(r->report, "", 0, 0, 1, WEIR_USAGE,
                               "write --output VIEW=FILE, or VIEW=- for stdout",
                               "`--output %s` names no view and file", output);
    bool screen = strcmp(eq + 1, "-") == 0;
    const char *path = eq + 1;
    s->name = wr_arena_printf(r->arena, "output_%.*s", (int)(eq - output), output);
    s->common.from = wr_arena_strndup(r->arena, output, (size_t)(eq - output));
    s->ops = wr_sink_find(screen ? "stdout" : "file");
    s->config = wr_arena_calloc(r->arena, 1, WR_MAX(s->ops->config_bytes, (size_t)1));
    if (s->config == NULL || s->name == NULL || s->common.from == NULL)
        return WEIR_MEMORY;
    wr_node path_key = { .text = "path", .length = 4, .file = "" };
    wr_node path_value = { .text = path, .length = strlen(path), .file = "" };
    wr_node *keys[] = { &path_key }, *items[] = { &path_value };
    wr_node map = {
        .kind = WR_NODE_MAP, .file = "", .count = screen ? 0 : 1, .keys = keys, .items = items
    };
    WR_TRY(wr_options_read(s->ops->options, &map, &map, NULL, s->config, s->ops->config_bytes,
                           r->arena, r->report));
    const char *dot = strrchr(path, '.');
    return encoder_read(r, s, NULL, dot != NULL && strcmp(dot, ".csv") == 0 ? "csv" : "json");
}

static weir_status
section(reader *r, const wr_option *table, const wr_node *root, const char *name, void *into,
        size_t bytes)
{
    const wr_node *node = wr_node_get(root, name);
    return wr_options_read(table, node, node != NULL ? node : root, NULL, into, bytes, r->arena,
                           r->report);
}

static uint32_t
list_count(const char *const *list)
{
    uint32_t n = 0;
    while (list != NULL && list[n] != NULL)
        n++;
    return n;
}

/* A map of named things; NULL (and reported) when it is something else. */
static const wr_node *
named_map(reader *r, const wr_node *root, const char *key)
{
    const wr_node *map = wr_node_get(root, key);
    if (map != NULL && (map->kind == WR_NODE_LIST || (map->kind == WR_NODE_SCALAR && map->length > 0))) {
        wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL, "`%s` must be a map of names", key);
        return NULL;
    }
    return map != NULL && map->kind == WR_NODE_MAP ? map : NULL;
}

weir_status
wr_spec_read(const wr_node *root, const char *file, const char *const *inputs,
             const char *const *outputs, wr_arena *arena, wr_report *report, wr_spec **out)
{
    reader r = { arena, report, inputs, outputs };
    wr_spec *spec = wr_arena_calloc(arena, 1, sizeof *spec);
    *out = spec;
    if (spec == NULL)
        return WEIR_MEMORY;
    if (root == NULL || root->kind != WR_NODE_MAP)
        return wr_report_error(report, file, 1, 1, 1, WEIR_CONFIG,
                               "`weir new` writes one to start from",
                               "a pipeline file is a map with `sources` and `views`");
    for (uint32_t i = 0; i < root->count; i++) {
        wr_node one = *root;
        one.keys += i;
        one.items += i;
        one.count = 1;
        bool known = false;
        for (const wr_option *o = root_options; o->name != NULL; o++)
            known |= strcmp(o->name, one.keys[0]->text) == 0;
        if (!known) { /* one table look-up gives the hint */
            char ignored[64];
            (void)!wr_options_read(root_options, &one, root, NULL, ignored, 0, arena, report);
        }
    }
    const wr_node *name = wr_node_get(root, "name");
    const char *slash = strrchr(file, '/');
    const char *base = slash != NULL ? slash + 1 : file;
    spec->file = file;
    spec->name = name != NULL && name->kind == WR_NODE_SCALAR && name->length > 0
                     ? name->text
                     : wr_arena_strndup(arena, base, strcspn(base, "."));
    const wr_node *sources = named_map(&r, root, "sources"), *views = named_map(&r, root, "views");
    const wr_node *sinks = named_map(&r, root, "sinks");
    uint32_t output_count = list_count(outputs);
    uint32_t n_sources = sources != NULL ? sources->count : 0,
             n_views = views != NULL ? views->count : 0;
    uint32_t n_sinks = sinks != NULL ? sinks->count : 0;
    spec->sources = wr_arena_calloc(arena, n_sources + 1, sizeof *spec->sources);
    spec->views = wr_arena_calloc(arena, n_views + 1, sizeof *spec->views);
    spec->sinks = wr_arena_calloc(arena, n_sinks + output_count + 1, sizeof *spec->sinks);
    if (spec->sources == NULL || spec->views == NULL || spec->sinks == NULL || spec->name == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n_sources; i++)
        spec->sources[i].sound = source_read(&r, sources->keys[i], sources->items[i],
                                             &spec->sources[spec->source_count++]) == WEIR_OK;
    for (uint32_t i = 0; i < n_views; i++)
        (void)!view_read(&r, views->keys[i], views->items[i], &spec->views[spec->view_count++]);
    for (uint32_t i = 0; i < n_sinks; i++)
        if (output_count ==
            0) /* --output replaces the file's sinks: a trial run writes nowhere else */
            spec->sinks[i].sound = sink_read(&r, sinks->keys[i], sinks->items[i],
                                             &spec->sinks[spec->sink_count++]) == WEIR_OK;
    for (uint32_t i = 0; i < output_count; i++)
        spec->sinks[i].sound =
            output_sink(&r, outputs[i], &spec->sinks[spec->sink_count++]) == WEIR_OK;
    (void)!section(&r, serve_options, root, "serve", &spec->serve, sizeof spec->serve);
    (void)!section(&r, limit_options, root, "limits", &spec->limits, sizeof spec->limits);
    (void)!section(&r, checkpoint_options, root, "checkpoint", &spec->checkpoint,
                   sizeof spec->checkpoint);
    spec->tests = wr_node_get(root, "tests");
    for (uint32_t i = 0; inputs != NULL && inputs[i] != NULL; i++) {
        bool found = false;
        for (uint32_t s = 0; s < spec->source_count; s++)
            found |=
                strncmp(inputs[i], spec->sources[s].name, strlen(spec->sources[s].name)) == 0 &&
                inputs[i][strlen(spec->sources[s].name)] == '=';
        if (!found)
            (void)!wr_report_error(report, "", 0, 0, 1, WEIR_USAGE, "write --input SOURCE=FILE",
                                   "`--input %s` names no source of %s", inputs[i], file);
    }
    if (n_sources == 0 && wr_report_status(report) == WEIR_OK && n_views == 0)
        (void)!wr_report_error(report, file, 1, 1, 1, WEIR_CONFIG_MISSING, NULL,
                               "the pipeline has neither sources nor views");
    return wr_report_status(report);
}
