/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/spec_read.c -- the root of a pipeline file: its sections, each read by its own file (see
 * spec.h, spec_impl.h).
 */
#include "engine/spec_impl.h"

#include <string.h>

#define SERVE(member) (offsetof(wr_spec, serve.member) - offsetof(wr_spec, serve))

static const wr_option tls_options[] = {
    { "cert", WR_OPT_PATH, SERVE(tls_cert), .required = true,
      .doc = "PEM file of the certificate and its chain" },
    { "key", WR_OPT_PATH, SERVE(tls_key), .required = true,
      .doc = "PEM file of its key, readable by its owner alone" },
    { "client_ca", WR_OPT_PATH, SERVE(tls_client_ca),
      .doc = "PEM file of the CA that must have signed a client's certificate; default: none is asked for" },
    { 0 },
};
static const wr_option serve_options[] = {
    { "http", WR_OPT_STRING, SERVE(http), .doc = "host:port of /healthz, /readyz, /metrics" },
    { "tcp", WR_OPT_STRING, SERVE(tcp), .doc = "host:port for subscribers" },
    { "token", WR_OPT_SECRET, SERVE(token), .doc = "clients must send it" },
    { "insecure", WR_OPT_BOOL, SERVE(insecure), .fallback = "false",
      .doc = "allow a public address without TLS or without a token" },
    { "epoch_interval", WR_OPT_DURATION, SERVE(epoch_us), .fallback = "1s", .low = 10e3, .high = 86400e6,
      .doc = "between two marks behind which subscribers have seen whole states, across workers" },
    { "tls", WR_OPT_GROUP, SERVE(tls), .group = tls_options, .doc = "Both ports speak TLS." },
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
    { "journal", WR_OPT_BYTES,
      offsetof(wr_spec, checkpoint.journal_bytes) - offsetof(wr_spec, checkpoint), .fallback = "1GB",
      .low = 1 << 20, .doc = "most of what sinks that write by key put down between checkpoints; beyond it they wait for one" },
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

static weir_status
section(wr_spec_reader *r, const wr_option *table, const wr_node *root, const char *name,
        void *into, size_t bytes)
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
named_map(wr_spec_reader *r, const wr_node *root, const char *key)
{
    const wr_node *map = wr_node_get(root, key);
    if (map != NULL &&
        (map->kind == WR_NODE_LIST || (map->kind == WR_NODE_SCALAR && map->length > 0))) {
        wr_node_error(r->report, map, WEIR_CONFIG_VALUE, NULL, "`%s` must be a map of names", key);
        return NULL;
    }
    return map != NULL && map->kind == WR_NODE_MAP ? map : NULL;
}

static weir_status
spec_names(wr_spec_reader *r, wr_spec *spec)
{
    wr_names_init(&spec->names, r->arena);
    WR_TRY(wr_names_reserve(&spec->names, spec->view_count + spec->source_count));
    for (uint32_t i = 0; i < spec->view_count + spec->source_count; i++) {
        const char *name = i < spec->view_count ? spec->views[i].name
                                                : spec->sources[i - spec->view_count].name;
        WR_TRY(wr_names_add(&spec->names, name, i));
    }
    return WEIR_OK;
}

/* What a sink has for itself, no other sink has. */
static weir_status
spec_targets(wr_spec_reader *r, const wr_spec *spec)
{
    wr_names taken;
    wr_names_init(&taken, r->arena);
    WR_TRY(wr_names_reserve(&taken, spec->sink_count));
    for (uint32_t i = 0; i < spec->sink_count; i++) {
        const wr_spec_sink *s = &spec->sinks[i];
        const char *target = s->sound && s->ops->target != NULL ? s->ops->target(s->config) : NULL;
        uint32_t other;
        if (target == NULL)
            continue;
        if (!wr_names_find(&taken, target, &other))
            WR_TRY(wr_names_add(&taken, target, i));
        else
            (void)!wr_node_error(r->report, s->at, WEIR_CONFIG_VALUE,
                                 "a file for each, or one view of both with UNION ALL",
                                 "`%s` and `%s` write to one %s: \"%s\"", spec->sinks[other].name,
                                 s->name, s->ops->name, target);
    }
    return WEIR_OK;
}

weir_status
wr_spec_read(const wr_node *root, const char *file, const char *const *inputs,
             const char *const *outputs, wr_arena *arena, wr_report *report, wr_spec **out)
{
    wr_spec_reader r = { arena, report, inputs, outputs };
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
        spec->sources[i].sound =
            wr_spec_source_read(&r, sources->keys[i], sources->items[i],
                                &spec->sources[spec->source_count++]) == WEIR_OK;
    for (uint32_t i = 0; i < n_views; i++)
        (void)!wr_spec_view_read(&r, views->keys[i], views->items[i],
                                 &spec->views[spec->view_count++]);
    WR_TRY(spec_names(&r, spec));
    for (uint32_t i = 0; i < n_sinks; i++)
        if (output_count ==
            0) /* --output replaces the file's sinks: a trial run writes nowhere else */
            spec->sinks[i].sound = wr_spec_sink_read(&r, sinks->keys[i], sinks->items[i],
                                                     &spec->sinks[spec->sink_count++]) == WEIR_OK;
    for (uint32_t i = 0; i < output_count; i++)
        spec->sinks[i].sound =
            wr_spec_output_sink(&r, outputs[i], &spec->sinks[spec->sink_count++]) == WEIR_OK;
    WR_TRY(spec_targets(&r, spec));
    if (section(&r, serve_options, root, "serve", &spec->serve, sizeof spec->serve) == WEIR_OK)
        wr_spec_serve_check(&r, spec, wr_node_get(root, "serve"));
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
        (void)!wr_report_error(report, file, 1, 1, 1, WEIR_CONFIG_MISSING, "`weir new` writes one to start from",
                               "the pipeline has neither sources nor views");
    return wr_report_status(report);
}
