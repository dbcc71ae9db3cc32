/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_source.c -- one source of a pipeline file (see spec_impl.h).
 *
 * A source is a map with common keys and exactly one connector's name; the connector's own table
 * reads what stands below it, the format's table what stands below that.  `--input s=FILE` puts a
 * file in the connector's place.
 */
#include "engine/spec_impl.h"
#include "runtime/runtime.h"

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
    { "key", WR_OPT_LIST, offsetof(wr_spec_source, common.key) - offsetof(wr_spec_source, common),
      .doc = "rows replace each other by these columns, and _op: \"-\" deletes" },
    { "late", WR_OPT_ENUM, offsetof(wr_spec_source, common.late) - offsetof(wr_spec_source, common),
      .fallback = "drop", .choices = "drop|dead_letter|update",
      .doc = "what windowed views do with late rows" },
    { "idle_timeout", WR_OPT_DURATION,
      offsetof(wr_spec_source, common.idle_us) - offsetof(wr_spec_source, common),
      .fallback = "30s",
      .doc = "a partition read to its end for so long stops holding the watermark back; 0: never" },
    { "max_skew", WR_OPT_DURATION,
      offsetof(wr_spec_source, common.ahead_us) - offsetof(wr_spec_source, common), .fallback = "0",
      .doc = "a partition that is further ahead of the one behind waits for it; 0: only when state "
             "is short" },
    { "future_limit", WR_OPT_DURATION,
      offsetof(wr_spec_source, common.future_us) - offsetof(wr_spec_source, common),
      .fallback = "1 day",
      .doc = "rows whose event time lies farther ahead of the clock are bad; 0: no limit" },
    { "record_bytes_max", WR_OPT_BYTES,
      offsetof(wr_spec_source, common.record_bytes_max) - offsetof(wr_spec_source, common),
      .fallback = "1MiB", .low = 64, .high = 64 * MIB, .doc = "larger records are bad" },
    { "buffer", WR_OPT_BYTES,
      offsetof(wr_spec_source, common.buffer_bytes) - offsetof(wr_spec_source, common),
      .fallback = "8MiB", .low = 65536, .high = 4096 * MIB,
      .doc = "the stream's ring, each shard" },
    { "rows", WR_OPT_INTEGER,
      offsetof(wr_spec_source, common.rows) - offsetof(wr_spec_source, common), .low = 1,
      .high = 1e15, .doc = "about how many rows there are at a time: for the order of joins" },
    { "format", WR_OPT_STRING, 0, .doc = "how bytes become rows: json, csv, ..." },
    { 0 },
};

static weir_status
decoder_read(wr_spec_reader *r, wr_spec_source *s, const wr_node *f, const char *fallback)
{
    const wr_node *options;
    const char *name = wr_spec_format_name(r, f, fallback, &options);
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
    weir_error err = { 0 };
    WR_TRY(wr_options_read(s->decoder->options, options, f != NULL ? f : s->at, NULL, s->decoder_config,
                           s->decoder->config_bytes, r->arena, r->report));
    if (s->decoder->check != NULL && s->decoder->check(s->decoder_config, &err) != WEIR_OK)
        return wr_node_error(r->report, f != NULL ? f : s->at, err.code, err.hint[0] != '\0' ? err.hint : NULL, "%s",
                             err.text);
    return WEIR_OK;
}

/* What the source says of the size of records goes for its decoder, unless the format says it, too. */
static void
record_max_hand_over(const wr_spec_source *s, const wr_node *map, const wr_node *format)
{
    const wr_node *options = format != NULL && format->kind == WR_NODE_MAP && format->count == 1 ? format->items[0] : NULL;
    if (s->decoder_config == NULL || wr_node_get(map, "record_bytes_max") == NULL ||
        (options != NULL && options->kind == WR_NODE_MAP && wr_node_get(options, "record_max") != NULL))
        return;
    for (const wr_option *o = s->decoder->options; o->name != NULL; o++)
        if (strcmp(o->name, "record_max") == 0)
            memcpy((char *)s->decoder_config + o->offset, &s->common.record_bytes_max, sizeof(int64_t));
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

static const char *
source_names(wr_spec_reader *r)
{
    const char *names = "push";
    uint32_t count;
    const wr_source_ops *const *all = wr_source_all(&count);
    for (uint32_t i = 0; i < count && names != NULL; i++)
        names = wr_arena_printf(r->arena, "%s, %s", names, all[i]->name);
    return names;
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
    wr_spec_reader r = { arena, report, NULL, NULL };
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

/* max_skew is for partitions with a watermark that are read one by one. */
static weir_status
skew_check(wr_spec_reader *r, const wr_node *map, const wr_spec_source *s)
{
    const wr_node *at = wr_node_get(map, "max_skew");
    if (at == NULL || s->common.ahead_us == 0)
        return WEIR_OK;
    if (!s->ops->asks)
        return wr_node_error(r->report, at, WEIR_CONFIG_VALUE, "leave it out",
                             "`max_skew` is for kafka sources: a %s source has no partitions that could wait",
                             s->ops->name);
    if (s->watermark == NULL)
        return wr_node_error(r->report, at, WEIR_CONFIG_MISSING,
                             "watermark: ts - interval '5 seconds'",
                             "`max_skew` of source `%s` needs a `watermark`", s->name);
    return WEIR_OK;
}

weir_status
wr_spec_source_read(wr_spec_reader *r, const wr_node *key, const wr_node *map, wr_spec_source *s)
{
    weir_status status = wr_spec_name_check(r, key), st;
    s->name = key->text;
    s->at = key;
    if (map->kind != WR_NODE_MAP)
        return wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL, "source `%s` must be a map",
                             key->text);
    wr_node *common = wr_spec_map_part(r, map, source_options, true);
    if (common == NULL)
        return WEIR_MEMORY;
    s->columns = wr_node_get(map, "columns");
    s->watermark = wr_node_get(map, "watermark");
    s->key = wr_node_get(map, "key");
    wr_spec_map_without(common, "format");
    st = wr_options_read(source_options, common, key, NULL, &s->common, sizeof s->common, r->arena,
                         r->report);
    status = status == WEIR_OK ? st : status;
    const char *file = override_of(r->inputs, s->name);
    wr_node *value = NULL;
    const wr_node *connector = wr_spec_connector_key(
        r, key, map,
        &(wr_spec_connector){ "source", source_options, source_known, source_names(r) }, &st,
        &value);
    status = status == WEIR_OK ? st : status;
    if (connector == NULL)
        return status;
    if (s->key != NULL && s->common.key.count == 0) {
        st = wr_node_error(r->report, s->key, WEIR_CONFIG_VALUE, "key: id, or key: [a, b]; or leave it out",
                           "the key of `%s` names no column", s->name);
        status = status == WEIR_OK ? st : status;
    }
    s->ops = source_find(connector->text);
    st = skew_check(r, map, s);
    status = status == WEIR_OK ? st : status;
    s->config = wr_arena_calloc(r->arena, 1, WR_MAX(s->ops->config_bytes, (size_t)1));
    if (s->config == NULL)
        return WEIR_MEMORY;
    const wr_node *f = wr_spec_format_node(map, value);
    const wr_option *const elsewhere[] = { source_options, NULL };
    st = wr_options_read(s->ops->options, value, connector, elsewhere, s->config,
                         s->ops->config_bytes, r->arena, r->report);
    status = status == WEIR_OK ? st : status;
    if (s->ops->default_format != NULL || f != NULL) {
        st = decoder_read(r, s, f, s->ops->default_format);
        status = status == WEIR_OK ? st : status;
        record_max_hand_over(s, map, f);
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
