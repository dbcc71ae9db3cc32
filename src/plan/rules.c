/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/rules.c -- run the rules until none changes anything.
 *
 * Invariants  R1  a rule keeps the rows and the columns of what it rewrites
 *             R2  at most PASSES_MAX passes, so that two rules that undo each other cost time, not
 * a hang
 */
#include "plan/rules_impl.h"

enum { PASSES_MAX = 16 };

static const wr_rule rules[] = {
    wr_rule_fold_constants,  wr_rule_common_conjuncts, wr_rule_merge_projects,
    wr_rule_outer_to_inner,  wr_rule_push_predicates,  wr_rule_window_conditions,
    wr_rule_join_order,      wr_rule_join_keys,        wr_rule_join_constants,
    wr_rule_prune_columns,
};

/* The names the query gives its columns, and which of them show, whatever node ends up on top. */
static weir_status
keep_names(wr_arena *arena, const wr_schema *wanted, wr_plan *plan)
{
    wr_assert(plan->schema->field_count == wanted->field_count);
    for (uint32_t i = 0; i < wanted->field_count; i++) {
        plan->schema->fields[i].name = wanted->fields[i].name;
        plan->schema->fields[i].hidden = wanted->fields[i].hidden;
    }
    (void)arena;
    return WEIR_OK;
}

weir_status
wr_plan_optimise(wr_arena *arena, const wr_plan_options *options, wr_plan **plan, weir_error *err)
{
    wr_rule_context c = { .arena = arena, .options = options };
    const wr_schema *wanted = wr_schema_copy(arena, (*plan)->schema);
    if (wanted == NULL)
        return wr_error_set(err, WEIR_MEMORY, "the plan does not fit the memory budget");
    for (uint32_t pass = 0; pass < PASSES_MAX; pass++) {
        c.changed = false;
        for (uint32_t i = 0; i < WR_COUNT(rules); i++) {
            weir_status status = rules[i](&c, plan);
            if (status == WEIR_OK && !wr_arena_ok(arena)) /* half of a rewrite is none */
                status = WEIR_MEMORY;
            if (status != WEIR_OK)
                return wr_error_set(err, status, "the plan does not fit the memory budget");
        }
        if (!c.changed)
            break;
    }
    return keep_names(arena, wanted, *plan);
}
