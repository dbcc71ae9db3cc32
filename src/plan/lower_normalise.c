/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_normalise.c -- a keyed source: its stream of upserts, by key, into a stream of changes.
 *
 * It is done once, right behind the source: views, sinks and subscribers all read the changes, and
 * one table of rows by key serves them all.
 */
#include "operator/normalise.h"
#include "plan/lower_impl.h"

static weir_status
lower_normalise(lower_state *s, uint32_t upserts, const wr_normalise_config *config,
                const wr_schema *output, uint32_t stream_index)
{
    lower_chain *chain = wr_lower_chain(s, config->input), *keyed = NULL;
    const uint32_t *keys[1] = { config->key };
    uint32_t index;
    if (chain == NULL)
        return wr_lower_nomem(s);
    WR_TRY(wr_lower_inputs(s, chain, 1));
    chain->segment.inputs[0] = (wr_job_input){ .from_stream = true, .index = upserts };
    WR_TRY(wr_lower_meet(s, &chain, keys, 1, config->key_count, &keyed));
    WR_TRY(wr_lower_append(s, keyed, &wr_normalise_ops, config, output, 0));
    WR_TRY(wr_lower_close(s, keyed, (int32_t)stream_index, &index));
    s->l->job->streams[stream_index].origin_index = index;
    return WEIR_OK;
}

weir_status
wr_lowering_add_normalise(wr_lowering *l, uint32_t upserts, const char *name,
                          const wr_normalise_config *config, const wr_schema *output,
                          uint32_t stream_index, weir_error *err)
{
    wr_plan_options options = { 0 };
    lower_state s = { .l = l, .options = &options, .name = name, .err = err };
    wr_arena_init(&s.scratch, l->arena->budget);
    weir_status status = lower_normalise(&s, upserts, config, output, stream_index);
    if (status == WEIR_OK && !wr_arena_ok(&s.scratch))
        status = wr_lower_nomem(&s);
    wr_arena_fini(&s.scratch);
    return status;
}
