/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/look.c -- explain, metrics, status: looking into what runs.
 *
 * Figures are read from the tasks' own counters, a moment old, without stopping anything.
 */
#include "base/zone.h"
#include "data/datetime.h"
#include "engine/share.h"

#include <stdio.h>
#include <string.h>

static weir_status
text_give(wr_text *to, char **text, weir_error *err)
{
    *text = wr_text_take(to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the answer");
}

/* One view's plan; while it runs, and where that is asked for, with figures. */
static void
explain_one(weir_pipeline *p, const wr_planned *v, bool analyze, weir_text_format format,
            wr_text *to)
{
    double seconds = (double)(wr_clock_now(p->engine->clock) - p->started) / 1e6;
    bool json = format == WEIR_TEXT_JSON;
    wr_text plan;
    wr_text_init(&plan, NULL);
    if (analyze)
        wr_analyze_view(p, v, seconds, &plan);
    else
        wr_plan_explain(v->plan, &v->options, NULL, &plan);
    if (json) {
        wr_text_put_json(to, v->name, strlen(v->name));
        wr_text_puts(to, analyze ? ":{\"plan\":" : ":");
        wr_text_put_json(to, wr_text_string(&plan), plan.length);
    } else {
        wr_text_printf(to, "view %s\n%s", v->name, wr_text_string(&plan));
    }
    if (analyze && json) {
        wr_text_printf(to, ",\"seconds\":%.3f,\"operators\":", seconds);
        wr_analyze_json(p, v, seconds, to);
        wr_text_putc(to, '}');
    } else if (analyze) {
        wr_text_printf(to, "running for %.1f s\n", seconds);
    }
    to->failed |= !wr_text_ok(&plan);
    wr_text_fini(&plan);
}

weir_status
weir_explain(weir_pipeline *p, const char *view, bool analyze, weir_text_format format, char **text,
             weir_error *err)
{
    wr_text to;
    bool found = false, json = format == WEIR_TEXT_JSON;
    wr_text_init(&to, NULL);
    if (json)
        wr_text_putc(&to, '{');
    for (uint32_t i = 0; i < p->view_count; i++) {
        const wr_planned *v = &p->views[i];
        if (view != NULL && strcmp(view, v->name) != 0)
            continue;
        if (found)
            wr_text_putc(&to, json ? ',' : '\n');
        explain_one(p, v, analyze && p->runtime != NULL, format, &to);
        found = true;
    }
    if (json)
        wr_text_puts(&to, "}\n");
    if (!found) {
        wr_text_fini(&to);
        return wr_error_set(err, WEIR_QUERY_NO_RELATION, "no view is called \"%.100s\"",
                            view != NULL ? view : "");
    }
    return text_give(&to, text, err);
}

/* --- metrics --- */

static void
metric_head(wr_text *to, const char *name, const char *type, const char *help)
{
    wr_text_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

typedef struct source_metric {
    const char *name, *help;
    size_t offset;
} source_metric;

static void
metrics_sources(weir *engine, wr_text *to)
{
    static const source_metric counters[] = {
        { "weir_source_records_total", "Rows decoded.", offsetof(wr_source_view, rows) },
        { "weir_source_bytes_total", "Bytes read.", offsetof(wr_source_view, bytes) },
        { "weir_source_bad_records_total", "Records that could not be decoded.",
          offsetof(wr_source_view, bad) },
        { "weir_source_future_records_total", "Rows whose event time lay too far ahead.",
          offsetof(wr_source_view, future) },
        { "weir_source_filtered_records_total",
          "Rows dropped by a predicate pushed into the source.",
          offsetof(wr_source_view, filtered) },
    };
    for (size_t m = 0; m < WR_COUNT(counters); m++) {
        metric_head(to, counters[m].name, "counter", counters[m].help);
        for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
            for (uint32_t s = 0; p->runtime != NULL && s < p->source_count; s++) {
                wr_source_view v;
                wr_runtime_source_view(p->runtime, s, &v);
                wr_text_printf(
                    to, "%s{pipeline=\"%s\",source=\"%s\"} %llu\n", counters[m].name, p->name,
                    p->sources[s].name,
                    (unsigned long long)*(const uint64_t *)((const char *)&v + counters[m].offset));
            }
    }
    static const char *const table_names[] = { "weir_source_keys", "weir_source_unknown_keys_total" };
    for (size_t m = 0; m < WR_COUNT(table_names); m++) {
        metric_head(to, table_names[m], m == 0 ? "gauge" : "counter",
                    m == 0 ? "Rows that stand in a keyed source."
                           : "Deletions of keys that were not there.");
        for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
            for (uint32_t s = 0; s < p->source_count; s++) {
                wr_op_counters c = { 0 };
                uint64_t bytes;
                if (wr_keyed_counters(p, s, &c, &bytes))
                    wr_text_printf(to, "%s{pipeline=\"%s\",source=\"%s\"} %llu\n", table_names[m],
                                   p->name, p->sources[s].name,
                                   (unsigned long long)(m == 0 ? c.state_keys : c.rows_unknown));
            }
    }
    metric_head(to, "weir_source_watermark_seconds", "gauge",
                "Event time up to which the source is complete.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        for (uint32_t s = 0; p->runtime != NULL && s < p->source_count; s++) {
            wr_source_view v;
            wr_runtime_source_view(p->runtime, s, &v);
            if (v.watermark > WR_TIME_NEGINF && v.watermark < WR_TIME_POSINF)
                wr_text_printf(
                    to, "weir_source_watermark_seconds{pipeline=\"%s\",source=\"%s\"} %.6f\n",
                    p->name, p->sources[s].name, (double)v.watermark / 1e6);
        }
}

static void
metrics_lanes(weir *engine, wr_text *to)
{
    metric_head(to, "weir_source_partitions_paused", "gauge",
                "Partitions not read: for want of room, or because they are ahead of the others.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        for (uint32_t s = 0; p->runtime != NULL && s < p->source_count; s++) {
            wr_source_view v;
            wr_runtime_source_view(p->runtime, s, &v);
            wr_text_printf(to,
                           "weir_source_partitions_paused{pipeline=\"%s\",source=\"%s\",reason=\"room\"} %u\n"
                           "weir_source_partitions_paused{pipeline=\"%s\",source=\"%s\",reason=\"ahead\"} %u\n",
                           p->name, p->sources[s].name, v.paused, p->name, p->sources[s].name, v.held);
        }
}

static void
view_sum(weir_pipeline *p, const wr_planned *v, wr_op_counters *sum, uint64_t *bytes)
{
    bool first = true, charged;
    uint32_t s;
    memset(sum, 0, sizeof *sum);
    *bytes = 0;
    for (uint32_t at = 0; wr_planned_segment(v, at, &s, &charged); at++) {
        if (p->job.segments[s].op_count == 0 && p->job.segments[s].stream == (int32_t)v->stream)
            sum->rows_out = wr_runtime_rows_left(p->runtime, s); /* columns alone are chosen: no operator */
        for (uint32_t o = 0; o < p->job.segments[s].op_count; o++) {
            wr_op_counters c = { 0 };
            uint64_t b = 0;
            wr_time w;
            wr_runtime_op_counters(p->runtime, s, o, &c, &b, &w);
            if (first) /* a segment may only deal rows out, without an operator */
                sum->rows_in = c.rows_in;
            first = false;
            if (p->job.segments[s].stream == (int32_t)v->stream)
                sum->rows_out = c.rows_out;
            sum->rows_late += c.rows_late;
            sum->windows_late += c.windows_late;
            sum->rows_failed += c.rows_failed;
            sum->rows_filtered += c.rows_filtered;
            sum->rows_null_time += c.rows_null_time;
            sum->rows_unknown += c.rows_unknown;
            sum->rows_shed += c.rows_shed;
            if (!charged)
                continue;
            sum->state_keys += c.state_keys;
            sum->state_panes += c.state_panes;
            sum->cpu_us += c.cpu_us;
            *bytes += b;
        }
    }
    if (first)
        sum->rows_in = sum->rows_out;
}

static void
metrics_views(weir *engine, wr_text *to)
{
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
        { "weir_view_rows_in_total", "counter", "Rows that entered the view." },
        { "weir_view_rows_out_total", "counter", "Rows the view gave out." },
        { "weir_view_late_rows_total", "counter", "Rows late for all their windows." },
        { "weir_view_late_windows_total", "counter", "Window assignments missed by late rows." },
        { "weir_view_failed_rows_total", "counter", "Rows an expression failed on." },
        { "weir_view_unknown_rows_total", "counter", "Rows taken back without having come." },
        { "weir_view_shed_rows_total", "counter", "Rows left out because the state was full." },
        { "weir_view_state_bytes", "gauge", "Bytes of state." },
        { "weir_view_state_keys", "gauge", "Groups and rows held." },
        { "weir_view_cpu_seconds_total", "counter", "CPU time of the view's operators." },
        { "weir_view_failed", "gauge", "1: the view has failed, or one that it reads." },
    };
    for (size_t m = 0; m < WR_COUNT(rows); m++) {
        metric_head(to, rows[m].name, rows[m].type, rows[m].help);
        for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
            for (uint32_t i = 0; p->runtime != NULL && i < p->view_count; i++) {
                wr_op_counters c;
                uint64_t bytes;
                view_sum(p, &p->views[i], &c, &bytes);
                double value = m == 0   ? (double)c.rows_in
                               : m == 1 ? (double)c.rows_out
                               : m == 2 ? (double)c.rows_late
                               : m == 3 ? (double)c.windows_late
                               : m == 4 ? (double)c.rows_failed
                               : m == 5 ? (double)c.rows_unknown
                               : m == 6 ? (double)c.rows_shed
                               : m == 7 ? (double)bytes
                               : m == 8 ? (double)c.state_keys
                               : m == 9 ? (double)c.cpu_us / 1e6
                                        : wr_runtime_view_failure(p->runtime, p->views[i].stream, NULL);
                wr_text_printf(to, "%s{pipeline=\"%s\",view=\"%s\"} %.17g\n", rows[m].name, p->name,
                               p->views[i].name, value);
            }
    }
}

static void
metrics_sinks(weir *engine, wr_text *to)
{
    static const source_metric counters[] = {
        { "weir_sink_records_total", "Rows written.", offsetof(wr_sink_view, rows) },
        { "weir_sink_bytes_total", "Bytes written.", offsetof(wr_sink_view, bytes) },
        { "weir_sink_errors_total", "Writes that failed.", offsetof(wr_sink_view, errors) },
    };
    for (size_t m = 0; m < WR_COUNT(counters); m++) {
        metric_head(to, counters[m].name, "counter", counters[m].help);
        for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
            for (uint32_t s = 0; p->runtime != NULL && s < p->sink_count; s++) {
                wr_sink_view v;
                wr_runtime_sink_view(p->runtime, s, &v);
                wr_text_printf(
                    to, "%s{pipeline=\"%s\",sink=\"%s\"} %llu\n", counters[m].name, p->name,
                    p->sinks[s].name,
                    (unsigned long long)*(const uint64_t *)((const char *)&v + counters[m].offset));
            }
    }
}

/* One of the checkpoints' figures, of each pipeline that runs. */
static void
metric_checkpoint(weir *engine, wr_text *to, const char *name, const char *kind, const char *doc, size_t offset)
{
    metric_head(to, name, kind, doc);
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        if (p->runtime != NULL) {
            wr_checkpoint_view v;
            wr_runtime_checkpoint_view(p->runtime, &v);
            wr_text_printf(to, "%s{pipeline=\"%s\"} %llu\n", name, p->name,
                           (unsigned long long)*(const uint64_t *)((const char *)&v + offset));
        }
}

static void
metrics_checkpoints(weir *engine, wr_text *to)
{
    metric_checkpoint(engine, to, "weir_checkpoints_total", "counter", "Checkpoints completed.",
                      offsetof(wr_checkpoint_view, count));
    metric_head(to, "weir_checkpoint_duration_seconds", "gauge",
                "How long the newest checkpoint took.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        if (p->runtime != NULL) {
            wr_checkpoint_view v;
            wr_runtime_checkpoint_view(p->runtime, &v);
            wr_text_printf(to, "weir_checkpoint_duration_seconds{pipeline=\"%s\"} %.6f\n", p->name,
                           (double)v.duration_us / 1e6);
        }
    metric_checkpoint(engine, to, "weir_checkpoint_failures_total", "counter", "Checkpoints that failed.",
                      offsetof(wr_checkpoint_view, failures));
    metric_checkpoint(engine, to, "weir_journal_bytes", "gauge",
                      "What sinks by key were told since the last checkpoints, on disk.",
                      offsetof(wr_checkpoint_view, journal_bytes));
}

static void
metrics_epochs(weir *engine, wr_text *to)
{
    metric_head(to, "weir_epochs_total", "counter",
                "Epochs ended for subscribers, beside those that checkpoints end.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        if (p->runtime != NULL) {
            wr_checkpoint_view v;
            wr_runtime_checkpoint_view(p->runtime, &v);
            wr_text_printf(to, "weir_epochs_total{pipeline=\"%s\"} %llu\n", p->name,
                           (unsigned long long)v.epochs);
        }
    metric_head(to, "weir_epochs_split_total", "counter",
                "Epochs given to a subscriber in pieces: they filled half of a view's buffer.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        wr_text_printf(to, "weir_epochs_split_total{pipeline=\"%s\"} %llu\n", p->name,
                       (unsigned long long)atomic_load(&p->epochs_split));
    metric_head(to, "weir_epoch_fill_ratio", "gauge",
                "The most of that half that rows held back for a whole epoch have filled.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        wr_text_printf(to, "weir_epoch_fill_ratio{pipeline=\"%s\"} %.3f\n", p->name,
                       atomic_load(&p->epoch_fill) / 1e3);
}

static void
metrics_heap(wr_text *to)
{
    wr_heap heap;
    if (!wr_heap_look(&heap))
        return;
    metric_head(to, "weir_heap_bytes", "gauge", "The allocator's own figures of the whole process.");
    wr_text_printf(to,
                   "weir_heap_bytes{kind=\"live\"} %llu\nweir_heap_bytes{kind=\"active\"} %llu\n"
                   "weir_heap_bytes{kind=\"resident\"} %llu\n",
                   (unsigned long long)heap.live, (unsigned long long)heap.active,
                   (unsigned long long)heap.resident);
}

weir_status
weir_metrics(weir *engine, char **text, weir_error *err)
{
    wr_text to;
    wr_text_init(&to, NULL);
    metric_head(&to, "weir_build_info", "gauge", "The version, as a label.");
    wr_text_printf(&to, "weir_build_info{version=\"%s\"} 1\n", weir_version());
    metrics_heap(&to);
    metric_head(&to, "weir_memory_bytes", "gauge", "Bytes counted by the engine.");
    wr_text_printf(&to, "weir_memory_bytes{part=\"all\"} %llu\n",
                   (unsigned long long)wr_budget_used(wr_budget_process()));
    wr_text_printf(&to, "weir_memory_bytes{part=\"kafka\"} %llu\n",
                   (unsigned long long)wr_zones_bytes());
    pthread_mutex_lock(&engine->mutex);
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
        wr_text_printf(&to, "weir_memory_bytes{part=\"state\",pipeline=\"%s\"} %llu\n", p->name,
                       (unsigned long long)wr_budget_used(p->state));
        wr_text_printf(&to, "weir_memory_bytes{part=\"plan\",pipeline=\"%s\"} %llu\n", p->name,
                       (unsigned long long)p->arena.bytes);
        wr_text_printf(&to, "weir_memory_bytes{part=\"flow\",pipeline=\"%s\"} %llu\n", p->name,
                       (unsigned long long)wr_budget_used(p->flow));
    }
    metric_head(&to, "weir_pipeline_running", "gauge", "1 while the pipeline runs.");
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next)
        wr_text_printf(&to, "weir_pipeline_running{pipeline=\"%s\"} %d\n", p->name,
                       weir_pipeline_state(p, NULL) == WEIR_RUNNING);
    metrics_sources(engine, &to);
    metrics_lanes(engine, &to);
    metrics_views(engine, &to);
    metrics_sinks(engine, &to);
    metrics_checkpoints(engine, &to);
    metrics_epochs(engine, &to);
    pthread_mutex_unlock(&engine->mutex);
    return text_give(&to, text, err);
}

/* --- status --- */

static void
put_time(wr_text *to, wr_time t)
{
    if (t <= WR_TIME_NEGINF || t >= WR_TIME_POSINF) {
        wr_text_puts(to, "null");
        return;
    }
    wr_text_putc(to, '"');
    wr_timestamp_print_iso(t, true, to);
    wr_text_putc(to, '"');
}

static void
status_pipeline(weir_pipeline *p, wr_text *to)
{
    static const char *const states[] = { "loaded", "running", "finished", "failed", "stopped" };
    weir_error why = { 0 };
    weir_state state = weir_pipeline_state(p, &why);
    wr_text_printf(to, "{\"name\":\"%s\",\"state\":\"%s\",\"state_bytes\":%llu,\"flow_bytes\":%llu",
                   p->name, states[state], (unsigned long long)wr_budget_used(p->state),
                   (unsigned long long)wr_budget_used(p->flow));
    if (state == WEIR_FAILED) {
        wr_text_puts(to, ",\"error\":");
        wr_text_put_json(to, why.text, strlen(why.text));
    }
    wr_text_puts(to, ",\"sources\":[");
    for (uint32_t s = 0; p->runtime != NULL && s < p->source_count; s++) {
        wr_source_view v;
        wr_runtime_source_view(p->runtime, s, &v);
        wr_text_printf(
            to, "%s{\"name\":\"%s\",\"rows\":%llu,\"bytes\":%llu,\"bad\":%llu,\"watermark\":",
            s > 0 ? "," : "", p->sources[s].name, (unsigned long long)v.rows,
            (unsigned long long)v.bytes, (unsigned long long)v.bad);
        put_time(to, v.watermark);
        wr_text_putc(to, '}');
    }
    wr_text_puts(to, "],\"views\":[");
    for (uint32_t i = 0; p->runtime != NULL && i < p->view_count; i++) {
        wr_op_counters c;
        uint64_t bytes;
        view_sum(p, &p->views[i], &c, &bytes);
        wr_text_printf(
            to,
            "%s{\"name\":\"%s\",\"rows_in\":%llu,\"rows_out\":%llu,\"late\":%llu,\"failed\":%llu,"
            "\"state_bytes\":%llu,\"state_keys\":%llu,\"cpu_s\":%.3f,\"watermark\":",
            i > 0 ? "," : "", p->views[i].name, (unsigned long long)c.rows_in,
            (unsigned long long)c.rows_out, (unsigned long long)c.rows_late,
            (unsigned long long)c.rows_failed, (unsigned long long)bytes,
            (unsigned long long)c.state_keys, (double)c.cpu_us / 1e6);
        put_time(to, wr_stream_watermark(wr_runtime_stream(p->runtime, p->views[i].stream)));
        weir_error failure = { 0 };
        if (wr_runtime_view_failure(p->runtime, p->views[i].stream, &failure)) {
            wr_text_puts(to, ",\"error\":");
            wr_text_put_json(to, failure.text, strlen(failure.text));
        }
        wr_text_putc(to, '}');
    }
    wr_text_puts(to, "],\"sinks\":[");
    for (uint32_t s = 0; p->runtime != NULL && s < p->sink_count; s++) {
        wr_sink_view v;
        wr_runtime_sink_view(p->runtime, s, &v);
        wr_text_printf(
            to, "%s{\"name\":\"%s\",\"rows\":%llu,\"bytes\":%llu,\"errors\":%llu,\"blocked\":%s}",
            s > 0 ? "," : "", p->sinks[s].name, (unsigned long long)v.rows,
            (unsigned long long)v.bytes, (unsigned long long)v.errors,
            v.blocked ? "true" : "false");
    }
    wr_text_puts(to, "]}");
}

weir_status
weir_status_json(weir *engine, char **text, weir_error *err)
{
    wr_text to;
    wr_text_init(&to, NULL);
    wr_text_printf(&to,
                   "{\"version\":\"%s\",\"memory_bytes\":%llu,\"cpu_s\":%.3f,\"uptime_s\":%.3f,"
                   "\"pipelines\":[",
                   weir_version(), (unsigned long long)wr_budget_used(wr_budget_process()),
                   (double)wr_cpu_process_us() / 1e6,
                   (double)(wr_clock_now(engine->clock) - engine->started) / 1e6);
    pthread_mutex_lock(&engine->mutex);
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
        if (p != engine->pipelines)
            wr_text_putc(&to, ',');
        status_pipeline(p, &to);
    }
    pthread_mutex_unlock(&engine->mutex);
    wr_text_puts(&to, "]}\n");
    return text_give(&to, text, err);
}

bool
weir_ready(weir *engine, char **reasons)
{
    wr_text to;
    wr_text_init(&to, NULL);
    pthread_mutex_lock(&engine->mutex);
    for (weir_pipeline *p = engine->pipelines; p != NULL; p = p->next) {
        weir_error why = { 0 };
        weir_state state = weir_pipeline_state(p, &why);
        if (state == WEIR_FAILED)
            wr_text_printf(&to, "pipeline %s has failed: %s\n", p->name, why.text);
        else if (state == WEIR_LOADED)
            wr_text_printf(&to, "pipeline %s has not started\n", p->name);
    }
    pthread_mutex_unlock(&engine->mutex);
    bool ready = to.length == 0;
    if (reasons != NULL)
        *reasons = ready ? NULL : wr_text_take(&to, NULL);
    wr_text_fini(&to);
    return ready;
}
