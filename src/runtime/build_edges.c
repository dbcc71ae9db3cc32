/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/build_edges.c -- inputs of segments: cursors into streams, channels between segments.
 *
 *   HASH     every producer shard to every consumer shard
 *   FORWARD  producer i to consumer i mod n
 *   SINGLE   every producer shard to consumer 0
 * A consumer shard that nothing is sent to has no input on that port: the port is at the end of time.
 */
#include "runtime/runtime_impl.h"

enum { CHANNEL_BATCHES_DEFAULT = 8 };

/* How many inputs a shard of a segment has on all ports, at most. */
static uint32_t
inputs_max(wr_runtime *rt, const wr_job_segment *segment)
{
    uint32_t count = 0;
    for (uint32_t p = 0; p < segment->input_count; p++) {
        const wr_job_input *in = &segment->inputs[p];
        count += in->from_stream ? wr_stream_shards(rt->streams[in->index])
                                 : rt->segments[in->index].count;
    }
    return count;
}

static weir_status
build_channel(wr_runtime *rt, segment_task *from, output_edge *edge, segment_task *to, int port,
              const wr_job_input *in)
{
    uint32_t capacity = rt->config.ring_batches_max != 0 ? rt->config.ring_batches_max
                                                         : CHANNEL_BATCHES_DEFAULT;
    channel *c = wr_build_alloc(rt, 1, sizeof *c);
    if (c == NULL || !wr_ring_init(&c->ring, rt->budget, capacity))
        return WEIR_MEMORY;
    c->producer = &from->t;
    c->consumer = &to->t;
    edge->channels[edge->channel_count++] = c;
    to->in.list[to->in.count++] = (input){
        .port = port, .channel = c, .watermark = WR_TIME_START, .timeless = in->timeless, .awaited = in->awaited
    };
    return WEIR_OK;
}

static weir_status
build_edge(wr_runtime *rt, const wr_job_input *in, uint32_t consumer, int port)
{
    segment_shards *from = &rt->segments[in->index], *to = &rt->segments[consumer];
    for (uint32_t i = 0; i < from->count; i++) {
        output      *out = &from->shards[i].chain.out;
        output_edge *edge = &out->edges[out->edge_count];
        edge->partitioning = in->partitioning;
        edge->keys = in->keys;
        edge->key_count = in->key_count;
        edge->channels = wr_build_array(rt, to->count, sizeof *edge->channels);
        if (edge->channels == NULL)
            return WEIR_MEMORY;
        out->edge_count++;
        for (uint32_t j = 0; j < to->count; j++) {
            bool sends = in->partitioning == WR_HASH      ? true
                         : in->partitioning == WR_FORWARD ? j == i % to->count
                                                          : j == 0;
            if (sends)
                WR_TRY(build_channel(rt, &from->shards[i], edge, &to->shards[j], port, in));
        }
    }
    return WEIR_OK;
}

static weir_status
build_stream_input(wr_runtime *rt, const wr_job_input *in, uint32_t consumer, int port)
{
    segment_shards *to = &rt->segments[consumer];
    uint32_t        reader = rt->segments[consumer].head; /* of its run, the one with the inputs */
    for (uint32_t i = 0; i < wr_stream_shards(rt->streams[in->index]); i++) {
        segment_task *s = &to->shards[i % to->count];
        if (in->select != NULL) {
            input *at = &s->in.list[s->in.count++];
            *at = (input){ .port = port, .shard = i, .watermark = WR_TIME_START };
            WR_TRY(wr_routed_create(rt->streams[in->index], i, rt->segments[reader].selector, &s->t,
                                    in->columns, in->column_count, &at->routed));
            continue;
        }
        WR_TRY(wr_build_reader(rt, &s->t, &s->in, port, in->index, i));
        s->in.list[s->in.count - 1].timeless = in->timeless;
        s->in.list[s->in.count - 1].awaited = in->awaited;
        s->in.list[s->in.count - 1].columns = in->columns;
        s->in.list[s->in.count - 1].column_count = in->column_count;
    }
    return WEIR_OK;
}

weir_status
wr_build_edges(wr_runtime *rt)
{
    const wr_job *job = rt->job;
    for (uint32_t g = 0; g < job->segment_count; g++)
        for (uint32_t k = 0; k < rt->segments[g].count; k++) {
            segment_task *s = &rt->segments[g].shards[k];
            uint32_t      edges = rt->segments[g].edges, ins = inputs_max(rt, s->origins[0].segment);
            if (edges > 0)
                s->chain.out.edges = wr_build_array(rt, edges, sizeof *s->chain.out.edges);
            s->in.list = wr_build_array(rt, ins, sizeof *s->in.list);
            if ((edges > 0 && s->chain.out.edges == NULL) || s->in.list == NULL)
                return WEIR_MEMORY;
        }
    for (uint32_t g = 0; g < job->segment_count; g++)
        for (uint32_t p = 0; p < job->segments[g].input_count; p++) {
            const wr_job_input *in = &job->segments[g].inputs[p];
            wr_assert(in->from_stream ? in->index < job->stream_count : in->index < g); /* J1 */
            if (!in->from_stream && rt->segments[in->index].fused)
                continue; /* no edge: its operators stand before ours */
            uint32_t host = rt->segments[g].host;
            WR_TRY(in->from_stream ? build_stream_input(rt, in, host, (int) p)
                                   : build_edge(rt, in, host, (int) p));
        }
    return WEIR_OK;
}
