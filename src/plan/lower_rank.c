/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_rank.c -- TOP_N.
 */
#include "plan/lower_impl.h"

weir_status
wr_lower_top_n(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    const wr_schema *input = plan->inputs[0]->schema;
    wr_top_n_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    *c = (wr_top_n_config){ .partition_count = plan->top.partition_count,
                            .partition = plan->top.partition,
                            .key_count = plan->top.key_count,
                            .keys = plan->top.keys,
                            .function = plan->top.function,
                            .low = plan->top.low,
                            .high = plan->top.high,
                            .with_ties = plan->top.with_ties,
                            .rank_column = plan->top.rank_column,
                            .rank_used = plan->top.rank_used,
                            .insert_only = input->kind == WR_INSERT_ONLY,
                            .time_column = wr_plan_top_n_time(plan),
                            .ttl_us = s->options->ttl_us,
                            .input = input,
                            .output = plan->schema };
    if (c->time_column >= 0)
        c->time_offset = input->fields[c->time_column].watermark_offset;
    WR_TRY(wr_lower_node(s, plan->inputs[0], out));
    if (!(*out)->segment.single) {
        const uint32_t *lists[1] = { c->partition };
        WR_TRY(wr_lower_meet(s, out, lists, 1, c->partition_count, out));
    }
    return wr_lower_append(s, *out, &wr_top_n_ops, c, plan->schema, id);
}
