/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_rank.c -- TOP_N; conditions on now().
 */
#include "plan/lower_impl.h"

#include "operator/filter.h"

weir_status
wr_lower_top_n(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    const wr_schema *input = plan->inputs[0]->schema;
    bool ends = s->options->bounded || wr_plan_ends(plan);
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
                            .at_end = ends,
                            .insert_only = input->kind == WR_INSERT_ONLY,
                            .time_column = ends ? -1 : wr_plan_top_n_time(plan),
                            .ttl_us = ends ? 0 : s->options->ttl_us,
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

/* What equal rows agree on: the key, so that changes of one key stay together, else every column. */
static uint32_t *
meeting_keys(lower_state *s, const wr_schema *schema, uint32_t *count)
{
    bool keyed = schema->key_count > 0;
    *count = keyed ? schema->key_count : schema->field_count;
    uint32_t *keys = wr_lower_alloc(s, (*count + 1) * sizeof *keys);
    for (uint32_t i = 0; keys != NULL && i < *count; i++)
        keys[i] = keyed ? schema->key[i] : i;
    return keys;
}

weir_status
wr_lower_moving(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    const wr_schema *input = plan->inputs[0]->schema;
    wr_moving_filter_config *c = wr_lower_alloc(s, sizeof *c);
    wr_filter_config *filter = wr_lower_alloc(s, sizeof *filter);
    wr_moving_bound *bounds;
    wr_expr *rest;
    const wr_expr *odd;
    if (c == NULL || filter == NULL)
        return wr_lower_nomem(s);
    WR_TRY(wr_plan_moving_split(s->l->arena, plan->filter.predicate, &bounds, &c->bound_count,
                                &rest, &odd));
    wr_assert(odd == NULL);
    c->bounds = bounds;
    c->schema = plan->schema;
    c->keys = meeting_keys(s, input, &c->key_count);
    if (c->keys == NULL)
        return wr_lower_nomem(s);
    if (rest != NULL) {
        filter->predicate = rest;
        WR_TRY(wr_lower_append(s, *out, &wr_filter_ops, filter, input, id));
    }
    if (!(*out)->segment.single) {
        const uint32_t *lists[1] = { c->keys };
        WR_TRY(wr_lower_meet(s, out, lists, 1, c->key_count, out));
    }
    return wr_lower_append(s, *out, &wr_moving_filter_ops, c, plan->schema, id);
}
