/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime/build_fuse.c -- which segments run in one task.
 *
 * A segment whose only reader is an edge that moves nothing (as many shards on both sides, and each
 * row stays in its shard: one shard, or FORWARD) needs no task of its own: its operators stand in
 * front of its reader's, in one chain.  The last segment of such a run is the host; the first one has
 * the inputs.  So at one worker a view is one task from its source to its stream.
 *
 * Place       the job is as it was: segments keep their numbers and their names, and a checkpoint holds
 *             a part for each segment and each operator, fused or not.  So a checkpoint written
 *             with one worker is read with three, and the other way round.
 * Invariants  U1  host[g] == g, or host[g] is the host of g's one reader
 *             U2  a fused segment publishes to no stream and is the only input of its reader
 */
#include "runtime/runtime_impl.h"

/* How many edges leave each segment, and where the first leads. */
static void
count_edges(wr_runtime *rt)
{
    const wr_job *job = rt->job;
    for (uint32_t g = 0; g < job->segment_count; g++)
        for (uint32_t p = 0; p < job->segments[g].input_count; p++) {
            const wr_job_input *in = &job->segments[g].inputs[p];
            if (!in->from_stream && rt->segments[in->index].edges++ == 0)
                rt->segments[in->index].next = g;
        }
}

static bool
edge_moves_nothing(const wr_runtime *rt, uint32_t from, uint32_t to)
{
    uint32_t shards = wr_build_segment_shards(rt, from);
    return rt->job->segments[from].stream < 0 && rt->job->segments[to].input_count == 1 && /* U2 */
           shards == wr_build_segment_shards(rt, to) &&
           (shards == 1 || rt->job->segments[to].inputs[0].partitioning == WR_FORWARD);
}

weir_status
wr_build_fuse(wr_runtime *rt)
{
    uint32_t count = rt->job->segment_count;
    rt->segments = wr_build_alloc(rt, count, sizeof *rt->segments);
    if (rt->segments == NULL)
        return WEIR_MEMORY;
    for (uint32_t g = 0; g < count; g++)
        rt->segments[g] = (segment_shards){ .host = g, .head = g };
    count_edges(rt);
    for (uint32_t g = 0; g < count; g++) {
        if (rt->segments[g].edges != 1 || !edge_moves_nothing(rt, g, rt->segments[g].next))
            continue;
        segment_shards *to = &rt->segments[rt->segments[g].next];
        rt->segments[g].fused = true;
        to->head = rt->segments[g].head;
        to->first_op = rt->segments[g].first_op + rt->job->segments[g].op_count;
        to->origin = rt->segments[g].origin + 1;
    }
    for (uint32_t g = count; g-- > 0;) /* readers first */
        if (rt->segments[g].fused)
            rt->segments[g].host = rt->segments[rt->segments[g].next].host; /* U1 */
    return WEIR_OK;
}
