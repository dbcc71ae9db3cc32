/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_sink.c -- one sink of a pipeline file, or of `--output` (see spec_impl.h).
 *
 * A sink is read as a source is: common keys, exactly one connector, its format.
 */
#include "engine/spec_impl.h"

#include <string.h>

static const wr_option sink_options[] = {
    { "from", WR_OPT_STRING, offsetof(wr_spec_sink, common.from) - offsetof(wr_spec_sink, common),
      .required = true,
      .doc = "the relation to write: a view, a source, VIEW.late, SOURCE.dead_letter" },
    { "changes", WR_OPT_ENUM,
      offsetof(wr_spec_sink, common.changes) - offsetof(wr_spec_sink, common),
      .fallback = "default", .choices = "default|diff|upsert",
      .doc = "rows of a view that changes: diff: old rows out, new ones in; upsert: new rows and "
             "deletions by the view's key" },
    { "format", WR_OPT_STRING, 0, .doc = "how rows become bytes: json, csv, ..." },
    { 0 },
};

static weir_status
encoder_read(wr_spec_reader *r, wr_spec_sink *s, const wr_node *f, const char *fallback)
{
    const wr_node *options;
    const char *name = wr_spec_format_name(r, f, fallback, &options);
    if (name == NULL)
        return fallback == NULL && f == NULL ? WEIR_OK : WEIR_CONFIG_VALUE;
    s->encoder = wr_encoder_find(name);
    if (s->encoder == NULL)
        return wr_node_error(r->report, f, WEIR_CONFIG_VALUE, "json, csv, tsv, msgpack",
                             "no format is called `%s`", name);
    s->encoder_config = wr_arena_calloc(r->arena, 1, WR_MAX(s->encoder->config_bytes, (size_t)1));
    if (s->encoder_config == NULL)
        return WEIR_MEMORY;
    weir_error err = { 0 };
    WR_TRY(wr_options_read(s->encoder->options, options, f != NULL ? f : s->at, NULL, s->encoder_config,
                           s->encoder->config_bytes, r->arena, r->report));
    if (s->encoder->check != NULL && s->encoder->check(s->encoder_config, &err) != WEIR_OK)
        return wr_node_error(r->report, f != NULL ? f : s->at, err.code, err.hint[0] != '\0' ? err.hint : NULL, "%s",
                             err.text);
    return WEIR_OK;
}

static bool
sink_known(const char *name)
{
    return wr_sink_find(name) != NULL;
}

static const char *
sink_names(wr_spec_reader *r)
{
    const char *names = "";
    uint32_t count;
    const wr_sink_ops *const *all = wr_sink_all(&count);
    for (uint32_t i = 0; i < count && names != NULL; i++)
        names = wr_arena_printf(r->arena, "%s%s%s", names, i > 0 ? ", " : "", all[i]->name);
    return names;
}

weir_status
wr_spec_sink_read(wr_spec_reader *r, const wr_node *key, const wr_node *map, wr_spec_sink *s)
{
    weir_status status = wr_spec_name_check(r, key), st;
    s->name = key->text;
    s->at = key;
    if (map->kind != WR_NODE_MAP)
        return wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL, "sink `%s` must be a map",
                             key->text);
    wr_node *common = wr_spec_map_part(r, map, sink_options, true);
    if (common == NULL)
        return WEIR_MEMORY;
    wr_spec_map_without(common, "format");
    s->from_node = wr_node_get(map, "from");
    st = wr_options_read(sink_options, common, key, NULL, &s->common, sizeof s->common, r->arena,
                         r->report);
    status = status == WEIR_OK ? st : status;
    wr_node *value = NULL;
    const wr_node *connector = wr_spec_connector_key(
        r, key, map, &(wr_spec_connector){ "sink", sink_options, sink_known, sink_names(r) }, &st,
        &value);
    status = status == WEIR_OK ? st : status;
    if (connector == NULL)
        return status;
    s->ops = wr_sink_find(connector->text);
    s->config = wr_arena_calloc(r->arena, 1, WR_MAX(s->ops->config_bytes, (size_t)1));
    if (s->config == NULL)
        return WEIR_MEMORY;
    const wr_node *f = wr_spec_format_node(map, value);
    const wr_option *const elsewhere[] = { sink_options, NULL };
    st = wr_options_read(s->ops->options, value, connector, elsewhere, s->config,
                         s->ops->config_bytes, r->arena, r->report);
    status = status == WEIR_OK ? st : status;
    if (s->ops->default_format != NULL || f != NULL) {
        st = encoder_read(r, s, f, s->ops->default_format);
        status = status == WEIR_OK ? st : status;
    }
    return status;
}

weir_status
wr_spec_output_sink(wr_spec_reader *r, const char *output, wr_spec_sink *s)
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
