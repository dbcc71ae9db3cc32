/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_join.c -- JOIN and UNION: where several inputs meet.
 */
#include "plan/lower_impl.h"

#include "operator/asof_join.h"
#include "operator/merge.h"
#include "operator/settled.h"

#include <string.h>

/* A deletion among upserts may have no time but that. */
static weir_status
append_settled(lower_state *s, lower_chain *chain, const wr_schema *right, int64_t offset,
               int32_t id)
{
    uint32_t n = right->field_count;
    wr_settled_config *c = wr_lower_alloc(s, sizeof *c);
    wr_schema *schema = wr_schema_create(s->l->arena, n + 1);
    if (c == NULL || schema == NULL)
        return wr_lower_nomem(s);
    *c = (wr_settled_config){ .column_count = n, .offset = offset };
    memcpy(schema->fields, right->fields, n * sizeof *right->fields);
    schema->fields[n] = (wr_field){ .name = "?settled?",
                                    .type = WR_TYPE(WR_TIMESTAMP),
                                    .watermark_offset = WR_NO_WATERMARK };
    schema->kind = right->kind;
    schema->key = right->key;
    schema->key_count = right->key_count;
    return wr_lower_append(s, chain, &wr_settled_ops, c, schema, id);
}

static weir_status
lower_asof(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **sides, lower_chain **out)
{
    const wr_schema *left = plan->inputs[0]->schema, *right = plan->inputs[1]->schema;
    const uint32_t *keys[2] = { plan->join.left_keys, plan->join.right_keys };
    wr_plan_asof asof;
    const wr_expr *culprit;
    wr_asof_join_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    if (!wr_plan_join_asof(plan, &asof, &culprit))
        return wr_error_at(s->err, WEIR_QUERY, plan->location,
                           "an as-of join has no comparison of times left");
    *c = (wr_asof_join_config){
        .outer = plan->join.kind == WR_JOIN_LEFT,
        .strict = asof.strict,
        .upserts = right->kind == WR_UPSERT,
        .key_count = plan->join.key_count,
        .left_keys = plan->join.left_keys,
        .right_keys = plan->join.right_keys,
        .left_time = asof.left_time,
        .right_time = asof.right_time,
        .reach_us = asof.reach_us,
        .left_offset = left->fields[asof.left_time].watermark_offset,
        .right_offset = right->fields[asof.right_time].watermark_offset,
        .left = left,
        .right = right,
        .output = plan->schema,
    };
    if (c->upserts)
        WR_TRY(append_settled(s, sides[1], right, c->right_offset, id));
    if (s->options->bounded)
        c->left_offset = c->right_offset = WR_NO_WATERMARK;
    WR_TRY(wr_lower_meet(s, sides, keys, 2, plan->join.key_count, out));
    return wr_lower_append(s, *out, &wr_asof_join_ops, c, plan->schema, id);
}

weir_status
wr_lower_join(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    lower_chain *sides[2];
    const uint32_t *keys[2] = { plan->join.left_keys, plan->join.right_keys };
    wr_plan_bounds b;
    wr_join_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < 2; i++)
        WR_TRY(wr_lower_node(s, plan->inputs[i], &sides[i]));
    if (plan->join.mode == WR_JOIN_ASOF)
        return lower_asof(s, plan, id, sides, out);
    *c = (wr_join_config){
        .kind = plan->join.kind,
        .key_count = plan->join.key_count,
        .left_keys = plan->join.left_keys,
        .right_keys = plan->join.right_keys,
        .residual = plan->join.residual,
        .null_equal = plan->join.null_equal,
        .single = plan->join.single,
        .lookup = plan->join.mode == WR_JOIN_LOOKUP && !s->options->bounded,
        .ttl_us = s->options->bounded ? 0 : s->options->ttl_us,
        .left = plan->inputs[0]->schema,
        .right = plan->inputs[1]->schema,
        .output = plan->schema,
    };
    bool bound = !s->options->bounded && wr_plan_join_bounds(plan, &b);
    if (bound) {
        c->has_bound = true;
        c->left_time = b.left_time;
        c->right_time = b.right_time;
        c->low_us = b.low_us;
        c->high_us = b.high_us;
        c->left_offset = b.left_offset;
        c->right_offset = b.right_offset;
    }
    int32_t ends = wr_plan_join_ends(s->options, plan, bound);
    c->ends = (uint32_t)(1 + ends);
    if (ends >= 0)
        c->ttl_us = 0; /* it has a bound of its own */
    WR_TRY(wr_lower_meet(s, sides, keys, 2, plan->join.key_count, out));
    (*out)->segment.inputs[1].timeless = c->lookup;
    if (ends >= 0)
        (*out)->segment.inputs[ends].awaited = true;
    bool changes = c->lookup || wr_plan_join_changes(s->options, plan, bound);
    return wr_lower_append(s, *out, changes ? &wr_join_changes_ops : &wr_join_ops, c, plan->schema,
                           id);
}

/* An input of UNION: a bare scan is read from its stream, anything else over an edge. */
static weir_status
union_input(lower_state *s, lower_chain *chain, bool single, wr_job_input *in)
{
    bool bare = chain->segment.op_count == 0 && chain->segment.input_count == 1 &&
                chain->segment.inputs[0].from_stream;
    if (bare) {
        *in = chain->segment.inputs[0];
        return WEIR_OK;
    }
    uint32_t index;
    WR_TRY(wr_lower_close(s, chain, -1, &index));
    *in = (wr_job_input){ .index = index, .partitioning = single ? WR_SINGLE : WR_FORWARD };
    return WEIR_OK;
}

/* Up to WR_OP_PORTS_MAX chains into one. */
static weir_status
merge_chains(lower_state *s, lower_chain **chains, uint32_t count, const wr_plan *plan, int32_t id,
             lower_chain **out)
{
    bool single = true;
    lower_chain *merged = wr_lower_chain(s, plan->schema);
    wr_merge_config *config = wr_lower_alloc(s, sizeof *config);
    if (merged == NULL || config == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < count; i++)
        single = single && chains[i]->segment.single;
    merged->segment.single = single;
    WR_TRY(wr_lower_inputs(s, merged, count));
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(union_input(s, chains[i], single, &merged->segment.inputs[i]));
    config->port_count = count;
    *out = merged;
    return wr_lower_append(s, merged, &wr_merge_ops, config, plan->schema, id);
}

weir_status
wr_lower_union(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    uint32_t count = plan->input_count;
    lower_chain **chains = wr_lower_alloc(s, (count + 1) * sizeof *chains);
    if (chains == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < count; i++)
        WR_TRY(wr_lower_node(s, plan->inputs[i], &chains[i]));
    while (count > 1) {
        uint32_t made = 0;
        for (uint32_t i = 0; i < count; i += WR_OP_PORTS_MAX) {
            uint32_t n = WR_MIN(count - i, (uint32_t)WR_OP_PORTS_MAX);
            if (n == 1)
                chains[made] = chains[i];
            else
                WR_TRY(merge_chains(s, chains + i, n, plan, id, &chains[made]));
            made++;
        }
        count = made;
    }
    *out = chains[0];
    (*out)->schema = plan->schema;
    return WEIR_OK;
}
