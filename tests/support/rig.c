/* SPDX-License-Identifier: Apache-2.0 */
/* support/rig.c -- jobs of test operators (see rig.h). */
#include "support/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static wr_job_op *
ops_of(rig *r, uint32_t count, const wr_operator_ops *const *ops)
{
    wr_job_op *list = wr_arena_calloc(&r->arena, count + 1, sizeof *list);
    for (uint32_t i = 0; i < count; i++) {
        list[i].ops = ops[i];
        list[i].config = ops[i] == &test_window_ops ? &r->window_us : NULL;
    }
    return list;
}

#define OPS(r, ...)                                                                                \
    .ops = ops_of(r, sizeof((const wr_operator_ops *const[]){ __VA_ARGS__ }) / sizeof(void *),     \
                  (const wr_operator_ops *const[]){ __VA_ARGS__ }),                                \
    .op_count = sizeof((const wr_operator_ops *const[]){ __VA_ARGS__ }) / sizeof(void *)

static const uint32_t key_column[] = { 0 };
#define INPUTS(...)     (wr_job_input[]){ __VA_ARGS__ }
#define FROM_STREAM(i)  { .from_stream = true, .index = (i) }
#define FROM_HASH(i)    { .index = (i), .partitioning = WR_HASH, .keys = key_column, .key_count = 1 }
#define FROM_FORWARD(i) { .index = (i), .partitioning = WR_FORWARD }
#define FROM_SINGLE(i)  { .index = (i), .partitioning = WR_SINGLE }

static void
job_stream(rig *r, uint32_t index, const char *name, const wr_schema *schema, wr_stream_origin origin,
           uint32_t origin_index, int side_port)
{
    r->job.streams[index] = (wr_job_stream){ .name = name,
                                             .schema = schema,
                                             .origin = origin,
                                             .origin_index = origin_index,
                                             .side_port = side_port };
    r->job.stream_count = WR_MAX(r->job.stream_count, index + 1);
}

static void
job_segment(rig *r, wr_job_segment segment)
{
    wr_job_input *inputs = wr_arena_calloc(&r->arena, segment.input_count, sizeof *inputs);
    memcpy(inputs, segment.inputs, segment.input_count * sizeof *inputs);
    segment.inputs = inputs;
    r->job.segments[r->job.segment_count++] = segment;
}

static void
rig_source(rig *r, uint32_t index, const char *name, uint32_t stream, const wr_schema *schema)
{
    r->source_config[index].partitions = r->partitions[index];
    r->sources[index] =
        (wr_source_binding){ .name = name,
                             .stream = stream,
                             .ops = &test_source_ops,
                             .config = &r->source_config[index],
                             .decoder = &test_decoder_ops,
                             .schema = schema,
                             .watermark = wr_expr_column(&r->arena, 3, WR_TYPE(WR_TIMESTAMPTZ)),
                             .time_column = 2,
                             .bad_stream = -1,
                             .worker = -1 };
    r->source_count = WR_MAX(r->source_count, index + 1);
}

static void
rig_sink(rig *r, const char *name, uint32_t stream, test_collector *collector)
{
    r->sinks[r->sink_count++] = (wr_sink_binding){
        .name = name, .stream = stream, .ops = &test_sink_ops, .config = collector
    };
}

static void
rig_job(rig *r, rig_kind kind, const wr_schema *events, const wr_schema *windows)
{
    switch (kind) {
    case RIG_PASS:
        job_stream(r, 1, "out", events, WR_FROM_SEGMENT, 0, 0);
        job_segment(r, (wr_job_segment){ .name = "pass/0", .inputs = INPUTS(FROM_STREAM(0)),
                                         .input_count = 1, OPS(r, &test_pass_ops), .stream = 1 });
        break;
    case RIG_WINDOWS:
        job_stream(r, 1, "out", windows, WR_FROM_SEGMENT, 1, 0);
        job_stream(r, 2, "late", events, WR_FROM_SIDE, 1, WR_PORT_LATE);
        job_segment(r, (wr_job_segment){ .name = "win/0", .inputs = INPUTS(FROM_STREAM(0)),
                                         .input_count = 1, OPS(r, &test_pass_ops), .stream = -1 });
        job_segment(r, (wr_job_segment){ .name = "win/1", .inputs = INPUTS(FROM_HASH(0)),
                                         .input_count = 1, OPS(r, &test_pass_ops, &test_window_ops),
                                         .stream = 1, .late_wanted = true, .late_op = 1,
                                         .late_stream = 2 });
        rig_sink(r, "late", 2, &r->late);
        break;
    case RIG_UNION:
        job_stream(r, 1, "second", events, WR_FROM_SOURCE, 1, 0);
        job_stream(r, 2, "out", windows, WR_FROM_SEGMENT, 1, 0);
        job_segment(r, (wr_job_segment){ .name = "union/0",
                                         .inputs = INPUTS(FROM_STREAM(0), FROM_STREAM(1)),
                                         .input_count = 2, OPS(r, &test_union_ops), .stream = -1 });
        job_segment(r, (wr_job_segment){ .name = "union/1", .inputs = INPUTS(FROM_HASH(0)),
                                         .input_count = 1, OPS(r, &test_window_ops), .stream = 2 });
        rig_source(r, 1, "second", 1, events);
        break;
    case RIG_DIAMOND:
        job_stream(r, 1, "out", windows, WR_FROM_SEGMENT, 2, 0);
        job_segment(r, (wr_job_segment){ .name = "dia/0", .inputs = INPUTS(FROM_STREAM(0)),
                                         .input_count = 1, .stream = -1 });
        job_segment(r, (wr_job_segment){ .name = "dia/1", .inputs = INPUTS(FROM_HASH(0)),
                                         .input_count = 1, OPS(r, &test_window_ops), .stream = -1 });
        job_segment(r, (wr_job_segment){ .name = "dia/2",
                                         .inputs = INPUTS(FROM_STREAM(0), FROM_SINGLE(1)),
                                         .input_count = 2, OPS(r, &test_union_ops), .stream = 1,
                                         .single = true });
        break;
    case RIG_FORWARD:
        job_stream(r, 1, "out", windows, WR_FROM_SEGMENT, 0, 0);
        job_segment(r, (wr_job_segment){ .name = "fwd/0", .inputs = INPUTS(FROM_STREAM(0)),
                                         .input_count = 1, OPS(r, &test_window_ops), .stream = 1 });
        break;
    }
    rig_sink(r, "out", kind == RIG_UNION ? 2 : 1, &r->out);
}

static void
rig_event(void *user, int what, const weir_error *err)
{
    rig *r = user;
    switch (what) {
    case WR_EVENT_FINISHED: atomic_fetch_add(&r->finished, 1); break;
    case WR_EVENT_FAILED: r->error = *err; atomic_fetch_add(&r->failed, 1); break;
    case WR_EVENT_CHECKPOINT: atomic_fetch_add(&r->checkpoints, 1); break;
    case WR_EVENT_STALLED: r->error = *err; atomic_fetch_add(&r->stalled, 1); break;
    }
}

void
rig_init(rig *r, rig_kind kind)
{
    memset(r, 0, sizeof *r);
    wr_arena_init(&r->arena, NULL);
    r->state = wr_budget_create(NULL, "state", 0);
    r->flow = wr_budget_create(NULL, "flow", 0);
    wr_clock_virtual_init(&r->clock, 1000000000);
    test_collector_init(&r->out);
    test_collector_init(&r->late);
    test_collector_init(&r->bad);
    r->window_us = 10;
    test_delay_us = 0;
    const wr_schema *events = test_event_schema(&r->arena);
    const wr_schema *windows = test_window_schema(&r->arena);
    r->job = (wr_job){ .name = "rig", .fingerprint = 42 };
    r->job.streams = wr_arena_calloc(&r->arena, 8, sizeof *r->job.streams);
    r->job.segments = wr_arena_calloc(&r->arena, 8, sizeof *r->job.segments);
    job_stream(r, 0, "events", events, WR_FROM_SOURCE, 0, 0);
    rig_source(r, 0, "events", 0, events);
    rig_job(r, kind, events, windows);
    r->config = (wr_runtime_config){ .executor = WR_EXECUTOR_SEEDED,
                                     .workers = 1,
                                     .seed = 1,
                                     .clock = &r->clock.clock,
                                     .state = r->state,
                                     .flow = r->flow,
                                     .event = rig_event,
                                     .user = r };
}

void
rig_partition_of(rig *r, uint32_t index, int32_t partition, const test_event *events, uint32_t count)
{
    r->partitions[index][partition] = (test_partition){ events, count };
    r->source_config[index].partition_count =
        WR_MAX(r->source_config[index].partition_count, (uint32_t) partition + 1);
}

void
rig_partition(rig *r, int32_t partition, const test_event *events, uint32_t count)
{
    rig_partition_of(r, 0, partition, events, count);
}

weir_status
rig_try_start(rig *r)
{
    wr_error_clear(&r->error);
    WR_TRY(wr_runtime_create(&r->job, r->sources, r->source_count, r->sinks, r->sink_count,
                             &r->config, &r->rt, &r->error));
    return wr_runtime_start(r->rt, &r->error);
}

void
rig_start(rig *r)
{
    if (rig_try_start(r) == WEIR_OK)
        return;
    fprintf(stderr, "rig: %s\n", r->error.text);
    abort();
}

uint32_t
rig_steps(rig *r, uint32_t n)
{
    uint32_t steps = 0;
    while (steps < n && wr_runtime_step(r->rt))
        steps++;
    return steps;
}

void
rig_run(rig *r)
{
    weir_error err;
    if (r->config.executor == WR_EXECUTOR_THREADS)
        (void) wr_runtime_wait(r->rt, 120 * 1000000, &err);
    else
        (void) rig_steps(r, UINT32_MAX);
}

void
rig_wait(rig *r, int64_t us)
{
    wr_clock_virtual_set(&r->clock, r->clock.now + us);
    rig_run(r);
}

void
rig_crash(rig *r)
{
    wr_runtime_kill(r->rt);
    wr_runtime_destroy(r->rt);
    r->rt = NULL;
}

const char *
rig_text(rig *r)
{
    free(r->text);
    return r->text = test_collector_text(&r->out, false);
}

const char *
rig_distinct(rig *r)
{
    free(r->text);
    return r->text = test_collector_text(&r->out, true);
}

/* Where the line after p begins. */
static const char *
line_end(const char *p)
{
    const char *end = strchr(p, '\n');
    return end != NULL ? end + 1 : p + strlen(p);
}

void
rig_assert_same(const char *got, const char *want)
{
    const char *g = got, *w = want;
    int         shown = 0;
    while ((*g != '\0' || *w != '\0') && shown < 6) { /* both sorted */
        int glen = (int) (line_end(g) - g), wlen = (int) (line_end(w) - w);
        int order = *g == '\0' ? 1 : *w == '\0' ? -1 : strncmp(g, w, (size_t) WR_MAX(glen, wlen));
        if (order != 0 && (glen != wlen || strncmp(g, w, (size_t) glen) != 0)) {
            shown++;
            fprintf(stderr, order < 0 ? "too much: %.*s" : "missing:  %.*s", order < 0 ? glen : wlen,
                    order < 0 ? g : w);
            g = order < 0 ? line_end(g) : g;
            w = order < 0 ? w : line_end(w);
        } else {
            g = line_end(g);
            w = line_end(w);
        }
    }
    if (shown > 0)
        abort();
}

void
rig_smallest(rig *r)
{
    r->config.outbox_slots = 1;
    r->config.ring_batches_max = 1;
    r->config.batch_rows_max = 1;
}

void
rig_fini(rig *r)
{
    wr_runtime_destroy(r->rt);
    test_collector_fini(&r->out);
    test_collector_fini(&r->late);
    test_collector_fini(&r->bad);
    free(r->text);
    wr_budget_destroy(r->state);
    wr_budget_destroy(r->flow);
    wr_arena_fini(&r->arena);
}
