/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine/why.c -- one screen that says why a view gives nothing, or not more.
 *
 * Walks from the view down to its sources: watermark and who holds it back, rows dropped by cause,
 * state, blocked readers; the most likely cause stands first.
 */
#include "data/datetime.h"
#include "engine/share.h"

#include <stdio.h>
#include <string.h>

enum { LANES_SHOWN = 32 };

typedef struct why {
    weir_pipeline *pipeline;
    wr_text body, verdict;
} why;

static void
put_watermark(wr_text *to, wr_time w)
{
    if (w == WR_TIME_START)
        wr_text_puts(to, "none yet");
    else if (w == WR_TIME_END)
        wr_text_puts(to, "the end");
    else
        wr_timestamp_print_iso(w, true, to);
}

static void
why_source(why *y, uint32_t index)
{
    wr_runtime *rt = y->pipeline->runtime;
    const char *name = y->pipeline->sources[index].name;
    wr_source_view v;
    wr_lane_view lanes[LANES_SHOWN];
    wr_runtime_source_view(rt, index, &v);
    uint32_t n = wr_runtime_lanes(rt, index, lanes, LANES_SHOWN);
    wr_text_printf(&y->body, "source %s: %llu rows, watermark ", name, (unsigned long long)v.rows);
    put_watermark(&y->body, v.watermark);
    wr_text_putc(&y->body, '\n');
    for (uint32_t i = 0; i < n; i++) {
        wr_text_printf(&y->body, "  partition %d: %llu rows, watermark ", lanes[i].partition,
                       (unsigned long long)lanes[i].rows);
        put_watermark(&y->body, lanes[i].watermark);
        wr_text_printf(&y->body, "%s%s%s%s%s\n", lanes[i].ended ? ", ended" : "",
                       lanes[i].idle ? ", idle (does not hold back)" : "",
                       lanes[i].caught_up && !lanes[i].idle ? ", read to its end" : "",
                       lanes[i].paused ? ", paused" : lanes[i].held ? ", held: ahead of the others" : "",
                       n > 1 && lanes[i].partition == v.held_by ? "   <- holds the watermark back"
                                                                : "");
    }
    if (v.paused > 0)
        wr_text_printf(&y->body, "  %u of %u partitions are not read: there is no room behind them\n",
                       v.paused, v.lane_count);
    if (v.held > 0)
        wr_text_printf(&y->body,
                       "  %u of %u partitions are not read: they are ahead and wait for partition %d\n",
                       v.held, v.lane_count, v.held_by);
    wr_runtime_source_describe(rt, index, &y->body);
    wr_op_counters table = { 0 };
    uint64_t table_bytes = 0;
    if (wr_keyed_counters(y->pipeline, index, &table, &table_bytes)) {
        wr_text_printf(&y->body, "  by key: %llu rows stand, ", (unsigned long long)table.state_keys);
        wr_bytes_print(table_bytes, &y->body);
        wr_text_printf(&y->body, "; %llu in, %llu changes out", (unsigned long long)table.rows_in,
                       (unsigned long long)table.rows_out);
        if (table.rows_unknown > 0)
            wr_text_printf(&y->body, ", %llu deletions of keys that are not there",
                           (unsigned long long)table.rows_unknown);
        wr_text_putc(&y->body, '\n');
    }
    if (v.bad > 0)
        wr_text_printf(&y->body, "  bad records: %llu, the newest: %s\n", (unsigned long long)v.bad,
                       v.last_bad);
    if (v.future > 0)
        wr_text_printf(&y->body, "  of these, with an event time too far ahead: %llu\n",
                       (unsigned long long)v.future);
    if (v.filtered > 0)
        wr_text_printf(&y->body, "  dropped by WHERE at the source: %llu rows\n",
                       (unsigned long long)v.filtered);
    wr_text away;
    wr_text_init(&away, NULL);
    bool is_away = wr_runtime_source_away(rt, index, &away);
    if (is_away) {
        wr_text_printf(&y->body, "  %s\n", wr_text_string(&away));
        wr_text_printf(&y->verdict, "source %s: %s\n", name, wr_text_string(&away));
    }
    wr_text_fini(&away);
    if (is_away)
        return;
    if (v.rows == 0 && v.bad == 0)
        wr_text_printf(&y->verdict,
                       "source %s has not given a row yet: is anything written to it, and does "
                       "`start` allow it?\n",
                       name);
    else if (v.rows == 0)
        wr_text_printf(&y->verdict, "every record of source %s is bad: %s\n", name, v.last_bad);
    else if (y->pipeline->sources[index].watermark == NULL)
        wr_text_printf(
            &y->verdict,
            "source %s has no watermark: a window over it closes only when the input ends\n", name);
    else if (v.filtered == v.rows && v.rows > 0)
        wr_text_printf(&y->verdict, "WHERE lets no row of source %s through\n", name);
    else if (n > 1 && v.held_by >= 0 && v.watermark == WR_TIME_START)
        wr_text_printf(
            &y->verdict,
            "partition %d of source %s has not given a row, so the watermark stands still\n",
            v.held_by, name);
}

static void
why_view(why *y, const wr_planned *v)
{
    wr_runtime *rt = y->pipeline->runtime;
    wr_stream *stream = wr_runtime_stream(rt, v->stream);
    if (v->owner != NULL)
        wr_text_printf(&y->body, "%s, a part of view %s and others: watermark ", v->name,
                       v->owner->name);
    else
        wr_text_printf(&y->body, "view %s: watermark ", v->name);
    put_watermark(&y->body, wr_stream_watermark(stream));
    wr_text_putc(&y->body, '\n');
    weir_error failure = { 0 };
    if (wr_runtime_view_failure(rt, v->stream, &failure)) {
        wr_text_printf(&y->verdict, "%s has failed: %s\n", v->name, failure.text);
        wr_text_printf(&y->body, "  failed: %s\n", failure.text);
    }
    for (uint32_t s = v->first_segment; s < v->first_segment + v->segment_count; s++)
        for (uint32_t o = 0; o < y->pipeline->job.segments[s].op_count; o++) {
            const wr_job_op *op = &y->pipeline->job.segments[s].ops[o];
            wr_op_counters c = { 0 };
            uint64_t bytes = 0;
            wr_time w = WR_TIME_START;
            wr_runtime_op_counters(rt, s, o, &c, &bytes, &w);
            wr_text_printf(&y->body, "  %-14s in %llu, out %llu", op->ops->name,
                           (unsigned long long)c.rows_in, (unsigned long long)c.rows_out);
            if (c.rows_filtered > 0)
                wr_text_printf(&y->body, ", filtered %llu", (unsigned long long)c.rows_filtered);
            if (c.rows_late > 0)
                wr_text_printf(&y->body, ", late %llu", (unsigned long long)c.rows_late);
            if (c.rows_null_time > 0)
                wr_text_printf(&y->body, ", event time NULL %llu",
                               (unsigned long long)c.rows_null_time);
            if (c.rows_failed > 0) {
                char sample[160];
                wr_runtime_op_sample(rt, s, o, sample, sizeof sample);
                wr_text_printf(&y->body, ", failed %llu%s%s%s", (unsigned long long)c.rows_failed,
                               sample[0] != '\0' ? " (the newest: " : "", sample,
                               sample[0] != '\0' ? ")" : "");
            }
            if (c.rows_shed > 0) {
                wr_text_printf(&y->body, ", left out because its state is full %llu",
                               (unsigned long long)c.rows_shed);
                wr_text_printf(&y->verdict,
                               "%s is degraded: its state is full and %llu rows were left out: "
                               "raise limits.memory\n",
                               v->name, (unsigned long long)c.rows_shed);
            }
            if (c.rows_unmatched > 0)
                wr_text_printf(&y->body, ", without partner %llu",
                               (unsigned long long)c.rows_unmatched);
            if (c.rows_unknown > 0)
                wr_text_printf(&y->body, ", taken back without having come %llu",
                               (unsigned long long)c.rows_unknown);
            if (c.state_keys > 0) {
                wr_text_printf(&y->body, ", holds %llu keys in %llu panes, ",
                               (unsigned long long)c.state_keys, (unsigned long long)c.state_panes);
                wr_bytes_print(bytes, &y->body);
            }
            wr_text_putc(&y->body, '\n');
            bool windowed =
                op->ops == &wr_aggregate_ops &&
                ((const wr_aggregate_config *)op->config)->window.kind != WR_WINDOW_NONE;
            if (windowed && c.state_panes > 0 && w != WR_TIME_START) {
                const wr_window_spec *spec = &((const wr_aggregate_config *)op->config)->window;
                wr_time end = wr_window_align(w, spec->slide, spec->offset) + spec->slide;
                wr_text_puts(&y->body,
                             "                 the next window closes when the watermark reaches ");
                wr_timestamp_print_iso(end, true, &y->body);
                wr_text_putc(&y->body, '\n');
            }
            if (c.rows_in > 0 && c.rows_in == c.rows_filtered)
                wr_text_printf(&y->verdict, "a predicate of %s drops every row\n", v->name);
            if (c.rows_in > 0 && c.rows_late == c.rows_in)
                wr_text_printf(
                    &y->verdict,
                    "every row comes late for its windows: widen the delay in `watermark`\n");
            if (windowed && c.rows_out == 0 && c.state_keys > 0 && c.rows_late < c.rows_in)
                wr_text_printf(&y->verdict,
                               "rows of %s wait in open windows: more input must move the "
                               "watermark past a window's end\n",
                               v->name);
            if (c.rows_failed > 0 && c.rows_failed == c.rows_in)
                wr_text_printf(&y->verdict, "an expression of %s fails on every row\n", v->name);
        }
}

/* The view and everything below it, nearest first. */
static void
why_relation(why *y, const char *name, uint32_t depth)
{
    weir_pipeline *p = y->pipeline;
    wr_planned *v = wr_pipeline_view(p, name);
    if (v == NULL)
        v = wr_pipeline_part(p, name);
    for (uint32_t s = 0; v == NULL && s < p->source_count; s++)
        if (strcmp(p->sources[s].name, name) == 0)
            why_source(y, s);
    if (v == NULL || depth > 16)
        return;
    why_view(y, v);
    for (uint32_t s = v->first_segment; s < v->first_segment + v->segment_count; s++)
        for (uint32_t i = 0; i < p->job.segments[s].input_count; i++)
            if (p->job.segments[s].inputs[i].from_stream)
                why_relation(y, p->job.streams[p->job.segments[s].inputs[i].index].name, depth + 1);
}

static void
why_sinks(why *y, const wr_planned *v)
{
    for (uint32_t s = 0; s < y->pipeline->sink_count; s++) {
        if (y->pipeline->sinks[s].stream != v->stream)
            continue;
        wr_sink_view k;
        wr_runtime_sink_view(y->pipeline->runtime, s, &k);
        wr_text_printf(&y->body, "sink %s: %llu rows written%s", y->pipeline->sinks[s].name,
                       (unsigned long long)k.rows, k.blocked ? ", BLOCKED" : "");
        if (k.last_error[0] != '\0')
            wr_text_printf(&y->body, ", last error: %s", k.last_error);
        wr_text_putc(&y->body, '\n');
        if (k.blocked)
            wr_text_printf(&y->verdict, "sink %s does not take rows: %s\n",
                           y->pipeline->sinks[s].name,
                           k.last_error[0] != '\0' ? k.last_error : "it waits for the other side");
    }
}

weir_status
weir_why(weir_pipeline *pipeline, const char *view, weir_text_format format, char **text,
         weir_error *err)
{
    wr_planned *v = wr_pipeline_view(pipeline, view);
    if (v == NULL) {
        weir_status st =
            wr_error_set(err, WEIR_QUERY_NO_RELATION, "no view is called \"%.100s\"", view);
        const char *near = wr_catalog_nearest(&pipeline->catalog, view);
        if (near != NULL && strcmp(near, view) == 0)
            wr_error_hint(err, "it is there, but no view: ask of a view that reads it");
        else if (near != NULL && wr_pipeline_view(pipeline, near) != NULL)
            wr_error_hint(err, "did you mean \"%s\"?", near);
        return st;
    }
    weir_error failure = { 0 };
    weir_state state = weir_pipeline_state(pipeline, &failure);
    if (pipeline->runtime == NULL)
        return wr_error_set(err, WEIR_STATE_STOPPED, "pipeline %s is not running", pipeline->name);
    why y = { .pipeline = pipeline };
    wr_text_init(&y.body, NULL);
    wr_text_init(&y.verdict, NULL);
    if (state == WEIR_FAILED)
        wr_text_printf(&y.verdict, "the pipeline has failed: %s\n", failure.text);
    why_sinks(&y, v);
    why_relation(&y, view, 0);
    if (y.verdict.length == 0)
        wr_text_puts(&y.verdict, "nothing holds it back\n");
    wr_text to;
    wr_text_init(&to, NULL);
    if (format == WEIR_TEXT_JSON) {
        wr_text_puts(&to, "{\"view\":");
        wr_text_put_json(&to, view, strlen(view));
        wr_text_puts(&to, ",\"verdict\":");
        wr_text_put_json(&to, wr_text_string(&y.verdict), y.verdict.length);
        wr_text_puts(&to, ",\"detail\":");
        wr_text_put_json(&to, wr_text_string(&y.body), y.body.length);
        wr_text_puts(&to, "}\n");
    } else {
        wr_text_printf(&to, "%s\n%s", wr_text_string(&y.verdict), wr_text_string(&y.body));
    }
    to.failed |= y.body.failed || y.verdict.failed;
    wr_text_fini(&y.body);
    wr_text_fini(&y.verdict);
    *text = wr_text_take(&to, NULL);
    return *text != NULL ? WEIR_OK : wr_error_set(err, WEIR_MEMORY, "no memory for the answer");
}
