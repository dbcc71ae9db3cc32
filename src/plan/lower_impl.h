/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_impl.h -- chains under construction: what the files of lowering share.
 */
#pragma once

#include "plan/lower.h"
#include "plan/rules_impl.h"

/* A segment that is still growing at its end. */
typedef struct lower_chain {
    wr_job_segment segment;
    uint32_t op_capacity;
    const wr_schema *schema; /* of what comes out at its end */
    struct lower_chain *next_rows; /* another one with rows of its own */
} lower_chain;

typedef struct lower_state {
    wr_lowering *l;
    const wr_plan_options *options;
    const char *name; /* of the query */
    uint32_t segment_count;
    int32_t within; /* number of the node that is being lowered; 0: none has one */
    lower_chain *rows; /* chains whose segments have values: these are ours until the job has them */
    weir_error *err;
    wr_arena scratch; /* until the plan is lowered */
} lower_state;

weir_status wr_lower_node(lower_state *s, const wr_plan *plan, lower_chain **out);
/* An operator at the chain's end. */
weir_status wr_lower_append(lower_state *s, lower_chain *chain, const wr_operator_ops *ops,
                            const void *config, const wr_schema *output, int32_t plan_id);
/* Room for its inputs, zeroed: how many its first operator has. */
weir_status wr_lower_inputs(lower_state *s, lower_chain *chain, uint32_t count);
/* Close the chain: its segment's number. */
weir_status wr_lower_close(lower_state *s, lower_chain *chain, int32_t stream, uint32_t *index);
/* A chain whose first operator has these inputs; each is closed.  No keys: everything meets on
 * shard 0. */
weir_status wr_lower_meet(lower_state *s, lower_chain *const *inputs, const uint32_t *const *keys,
                          uint32_t input_count, uint32_t key_count, lower_chain **out);
lower_chain *wr_lower_chain(lower_state *s, const wr_schema *schema);
void *wr_lower_alloc(lower_state *s, size_t bytes);
weir_status wr_lower_nomem(lower_state *s);

/* lower_aggregate.c, lower_join.c, lower_rows.c */
weir_status wr_lower_aggregate(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_join(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_union(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_sort(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_over(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
/* A FILTER with conditions on now(), behind *out, which is its input. */
weir_status wr_lower_moving(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_top_n(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_dedup(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
weir_status wr_lower_values(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out);
