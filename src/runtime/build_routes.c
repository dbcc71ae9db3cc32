/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/build_routes.c -- which streams have routed readers (route_impl.h), and which watermarks these have to hear of.
 *
 * What a segment needs is what its operators and those of all segments behind it need.  Who follows what is behind a
 * stream is asked anew at each sweep: readers of results come and go.
 */
#include "runtime/runtime_impl.h"

static wr_watermark_need
op_need(const wr_job_op *op)
{
    if (op->ops->need != NULL)
        return op->ops->need(op->config);
    return (wr_watermark_need){ .every_us = op->ops->advance != NULL ? WR_NEED_EACH : WR_NEED_NONE };
}

/* By segment.  Readers stand behind what they read (J1), so the last segment goes first. */
static weir_status
segment_needs(wr_runtime *rt, wr_watermark_need **out)
{
    const wr_job      *job = rt->job;
    wr_watermark_need *needs = wr_alloc(rt->budget, (job->segment_count + 1) * sizeof *needs);
    wr_watermark_need *streams = wr_alloc(rt->budget, (job->stream_count + 1) * sizeof *streams);
    const wr_watermark_need none = { .every_us = WR_NEED_NONE };
    for (uint32_t i = 0; streams != NULL && i < job->stream_count; i++)
        streams[i] = none;
    for (uint32_t g = 0; needs != NULL && g < job->segment_count; g++)
        needs[g] = none;
    for (uint32_t g = job->segment_count; needs != NULL && streams != NULL && g-- > 0;) {
        const wr_job_segment *s = &job->segments[g];
        if (s->stream >= 0)
            needs[g] = wr_need_both(needs[g], streams[s->stream]);
        for (uint32_t o = 0; o < s->op_count; o++)
            needs[g] = wr_need_both(needs[g], op_need(&s->ops[o]));
        for (uint32_t p = 0; p < s->input_count; p++) {
            wr_watermark_need *to = s->inputs[p].from_stream ? &streams[s->inputs[p].index]
                                                            : &needs[s->inputs[p].index];
            *to = wr_need_both(*to, needs[g]);
        }
    }
    bool made = needs != NULL && streams != NULL;
    wr_free(streams);
    *out = needs;
    return made ? WEIR_OK : WEIR_MEMORY;
}

/* route_watch.  No memory to tell: everybody. */
static void
watch_followers(void *user, uint32_t stream, uint8_t *wanted)
{
    wr_runtime   *rt = user;
    const wr_job *job = rt->job;
    uint8_t      *streams = wr_calloc(rt->budget, job->stream_count + 1, 1);
    uint8_t      *segments = wr_calloc(rt->budget, job->segment_count + 1, 1);
    bool          known = streams != NULL && segments != NULL;
    for (uint32_t i = 0; known && i < job->stream_count; i++)
        streams[i] = atomic_load_explicit(&rt->streams[i]->followers, memory_order_relaxed) > 0;
    for (uint32_t g = job->segment_count; g-- > 0;) {
        const wr_job_segment *s = &job->segments[g];
        bool followed = !known || segments[g] || (s->stream >= 0 && streams[s->stream]);
        for (uint32_t p = 0; followed && p < s->input_count; p++) {
            const wr_job_input *in = &s->inputs[p];
            if (known && in->from_stream)
                streams[in->index] = 1;
            else if (known)
                segments[in->index] = 1;
            if (in->select != NULL && in->index == stream)
                wanted[rt->segments[g].selector] = 1;
        }
    }
    wr_free(streams);
    wr_free(segments);
}

static const wr_job_input *
routed_input(const wr_job_segment *s)
{
    if (s->input_count == 0 || s->inputs[0].select == NULL)
        return NULL;
    wr_assert(s->input_count == 1 && s->inputs[0].from_stream);
    return &s->inputs[0];
}

/* Number the selectors of each stream, in the order of segments; counts: by stream. */
static void
number_selectors(wr_runtime *rt, uint32_t *counts)
{
    for (uint32_t g = 0; g < rt->job->segment_count; g++) {
        const wr_job_input *in = routed_input(&rt->job->segments[g]);
        if (in != NULL)
            rt->segments[g].selector = counts[in->index]++;
    }
}

typedef struct route_lists {
    const wr_selector **selectors; /* of all streams, one stream behind another */
    wr_watermark_need  *needs;
    uint32_t           *starts;    /* by stream */
} route_lists;

static weir_status
fill_lists(wr_runtime *rt, const uint32_t *counts, const wr_watermark_need *needs, wr_arena *arena,
           route_lists *lists)
{
    uint32_t total = 0;
    lists->starts = wr_arena_calloc(arena, rt->job->stream_count + 1, sizeof *lists->starts);
    if (lists->starts == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < rt->job->stream_count; i++) {
        lists->starts[i] = total;
        total += counts[i];
    }
    lists->selectors = wr_arena_calloc(arena, total + 1, sizeof *lists->selectors);
    lists->needs = wr_arena_calloc(arena, total + 1, sizeof *lists->needs);
    if (lists->selectors == NULL || lists->needs == NULL)
        return WEIR_MEMORY;
    for (uint32_t g = 0; g < rt->job->segment_count; g++) {
        const wr_job_input *in = routed_input(&rt->job->segments[g]);
        if (in == NULL)
            continue;
        uint32_t at = lists->starts[in->index] + rt->segments[g].selector;
        lists->selectors[at] = in->select;
        lists->needs[at] = needs[g];
    }
    return WEIR_OK;
}

weir_status
wr_build_routes(wr_runtime *rt)
{
    wr_arena           arena;
    route_lists        lists = { 0 };
    wr_watermark_need *needs = NULL;
    bool               any = false;
    for (uint32_t g = 0; g < rt->job->segment_count && !any; g++)
        any = routed_input(&rt->job->segments[g]) != NULL;
    if (!any)
        return WEIR_OK;
    wr_arena_init(&arena, rt->budget);
    weir_status status = WEIR_MEMORY;
    uint32_t   *counts = wr_arena_calloc(&arena, rt->job->stream_count + 1, sizeof *counts);
    if (counts == NULL)
        goto done;
    number_selectors(rt, counts);
    WR_TRY_GOTO(segment_needs(rt, &needs));
    WR_TRY_GOTO(fill_lists(rt, counts, needs, &arena, &lists));
    for (uint32_t i = 0; i < rt->job->stream_count; i++) {
        route_config config = { .selectors = lists.selectors + lists.starts[i],
                                .needs = lists.needs + lists.starts[i],
                                .count = counts[i],
                                .stream = i,
                                .watch = watch_followers,
                                .user = rt };
        if (counts[i] > 0)
            WR_TRY_GOTO(wr_route_open(rt->streams[i], &config));
    }
done:
    wr_free(needs);
    wr_arena_fini(&arena);
    return status;
}
