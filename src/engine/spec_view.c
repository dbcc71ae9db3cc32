/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_view.c -- one view of a pipeline file (see spec_impl.h).
 */
#include "engine/spec_impl.h"

#include <stdio.h>
#include <string.h>

#define MIB (1024.0 * 1024.0)

enum { SQL_FILE_BYTES_MAX = 65536 };

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
      .choices = "fail|shed", .doc = "what to do at the limit: fail, or leave out rows of new keys" },
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

static weir_status
view_sql(wr_spec_reader *r, wr_spec_view *v)
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
    char *text = wr_arena_alloc(r->arena, SQL_FILE_BYTES_MAX + 1);
    size_t n = text != NULL ? fread(text, 1, SQL_FILE_BYTES_MAX + 1, in) : 0;
    bool bad = ferror(in) != 0;
    fclose(in);
    if (text == NULL)
        return WEIR_MEMORY;
    if (bad || n > SQL_FILE_BYTES_MAX)
        return wr_node_error(r->report, v->at, WEIR_CONFIG_FILE, NULL,
                             bad ? "view `%s`: cannot read \"%s\""
                                 : "view `%s`: \"%s\" is longer than 64 KiB",
                             v->name, v->common.sql_file);
    text[n] = '\0';
    wr_report_file_add(r->report, path, text, n);
    v->sql = text;
    v->sql_length = n;
    v->sql_file = path;
    return WEIR_OK;
}

weir_status
wr_spec_view_read(wr_spec_reader *r, const wr_node *key, const wr_node *map, wr_spec_view *v)
{
    weir_status status = wr_spec_name_check(r, key), st;
    v->name = key->text;
    v->at = key;
    if (map->kind != WR_NODE_MAP)
        return wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL,
                             "view `%s` must be a map with `sql`", key->text);
    v->sql_node = wr_node_get(map, "sql");
    wr_node *common = wr_spec_map_part(r, map, (wr_option[]){ { 0 } }, false);
    if (common == NULL)
        return WEIR_MEMORY;
    wr_spec_map_without(common, "limits");
    wr_spec_map_without(common, "state");
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
