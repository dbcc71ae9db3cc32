/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_aggregate.c -- AGGREGATE: with its window where they fuse, by a time key, or over
 * everything.
 *
 * Filters and projects below it stay on the producer's side of the exchange.
 */
#include "expr/agg_bag.h"
#include "plan/lower_impl.h"

#include <string.h>

/* The policy that windowed views inherit from the source they read. */
static wr_late_policy
inherited_late(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return (wr_late_policy)plan->scan.relation->late;
    wr_late_policy found = WR_LATE_DROP;
    for (uint32_t i = 0; i < plan->input_count && found == WR_LATE_DROP; i++)
        found = inherited_late(plan->inputs[i]);
    return found;
}

/* The aggregate's input without the window, cut to what the operator reads; map: old column -> new.
 */
static weir_status
fused_input(lower_state *s, const wr_plan *plan, const wr_plan_time *time, wr_plan **out,
            uint32_t **map_out, uint32_t *time_column)
{
    wr_arena *arena = s->l->arena;
    wr_plan *stripped;
    if (wr_plan_strip_window(arena, plan, &stripped, time_column) != WEIR_OK)
        return wr_lower_nomem(s);
    uint32_t n = stripped->schema->field_count, old = plan->inputs[0]->schema->field_count, at = 0;
    uint32_t width = WR_MAX(n, old);
    uint64_t *bits = wr_arena_calloc(&s->scratch, width / 64 + 1, sizeof *bits);
    uint32_t *columns = wr_arena_calloc(&s->scratch, n + 1, sizeof *columns);
    uint32_t *map = wr_arena_calloc(&s->scratch, width + 1, sizeof *map);
    if (bits == NULL || columns == NULL || map == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        for (uint32_t a = 0; a < call->arg_count; a++)
            wr_expr_columns(call->args[a], bits);
        if (call->filter != NULL)
            wr_expr_columns(call->filter, bits);
    }
    for (uint32_t i = 0; i < plan->aggregate.key_count; i++)
        if (time->key_bounds[i] == 0)
            bits[plan->aggregate.keys[i] / 64] |= 1ull << (plan->aggregate.keys[i] % 64);
    bits[*time_column / 64] |= 1ull << (*time_column % 64);
    for (uint32_t c = 0; c < n; c++)
        if ((bits[c / 64] >> (c % 64) & 1) != 0) {
            map[c] = at;
            columns[at++] = c;
        }
    *time_column = map[*time_column];
    if (stripped->kind == WR_PLAN_SCAN && at == n) { /* it is what it has to be */
        *out = stripped;
        *map_out = map;
        return WEIR_OK;
    }
    wr_plan *pick = wr_plan_make_pick(arena, stripped, columns, at);
    if (pick == NULL)
        return wr_lower_nomem(s);
    wr_rule_context rules = { .arena = arena, .options = s->options };
    if (wr_rule_merge_projects(&rules, &pick) != WEIR_OK ||
        wr_rule_prune_columns(&rules, &pick) != WEIR_OK ||
        wr_plan_derive(arena, s->options, pick) != WEIR_OK)
        return wr_lower_nomem(s);
    *out = pick;
    *map_out = map;
    return WEIR_OK;
}

static weir_status
remap_calls(lower_state *s, const wr_plan *plan, const uint32_t *map, wr_agg_call **out)
{
    wr_agg_call *calls = wr_lower_alloc(s, WR_MAX(plan->aggregate.call_count, 1u) * sizeof *calls);
    if (calls == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        calls[i] = plan->aggregate.calls[i];
        if (map == NULL)
            continue;
        for (uint32_t a = 0; a < calls[i].arg_count; a++)
            if ((calls[i].args[a] = wr_expr_remap(s->l->arena, calls[i].args[a], map)) == NULL)
                return wr_lower_nomem(s);
        if (calls[i].filter != NULL &&
            (calls[i].filter = wr_expr_remap(s->l->arena, calls[i].filter, map)) == NULL)
            return wr_lower_nomem(s);
    }
    *out = calls;
    return WEIR_OK;
}

/* Calls that cannot take rows back, over rows that are; and calls that want their rows in order. */
static weir_status
wrap_calls(lower_state *s, wr_relation_kind kind, wr_agg_call *calls, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        wr_agg_call *call = &calls[i];
        wr_type types[WR_COUNT(call->args)];
        if (call->order_count == 0 &&
            (kind == WR_INSERT_ONLY || call->aggregate->retract != NULL))
            continue;
        for (uint32_t a = 0; a < call->arg_count; a++)
            types[a] = call->args[a]->type;
        call->aggregate = wr_bag_aggregate_make(s->l->arena, call->aggregate, types,
                                                call->arg_count, call->order, call->order_count);
        if (call->aggregate == NULL)
            return wr_lower_nomem(s);
    }
    return WEIR_OK;
}

static weir_status
make_config(lower_state *s, const wr_plan *plan, const wr_plan_time *time, const uint32_t *map,
            const wr_schema *input, wr_aggregate_config **out)
{
    uint32_t k = plan->aggregate.key_count;
    wr_aggregate_config *c = wr_lower_alloc(s, sizeof *c);
    int32_t *keys = wr_lower_alloc(s, (k + 1) * sizeof *keys);
    wr_type *types = wr_lower_alloc(s, (k + 1) * sizeof *types);
    wr_agg_call *calls = NULL;
    if (c == NULL || keys == NULL || types == NULL)
        return wr_lower_nomem(s);
    WR_TRY(remap_calls(s, plan, map, &calls));
    wr_relation_kind input_kind = plan->inputs[0]->schema->kind;
    WR_TRY(wrap_calls(s, input_kind, calls, plan->aggregate.call_count));
    for (uint32_t i = 0; i < k; i++) {
        uint32_t column = plan->aggregate.keys[i];
        bool bound = time->fused && time->key_bounds[i] != 0;
        keys[i] = bound ? time->key_bounds[i] : (int32_t)(map != NULL ? map[column] : column);
        types[i] = plan->schema->fields[i].type;
    }
    *c = (wr_aggregate_config){
        .key_count = k,
        .keys = keys,
        .key_types = types,
        .time_key = time->fused ? -1 : time->time_key,
        .time_key_offset = time->time_offset,
        .call_count = plan->aggregate.call_count,
        .calls = calls,
        .emit = plan->aggregate.emit,
        .late = s->options->late_given ? s->options->late : inherited_late(plan),
        .lateness_us = s->options->lateness_us,
        .ttl_us = s->options->bounded ? 0 : s->options->ttl_us,
        .insert_only = input_kind == WR_INSERT_ONLY,
        .global = plan->aggregate.global,
        .input = input,
        .output = plan->schema,
    };
    *out = c;
    return WEIR_OK;
}

weir_status
wr_lower_aggregate(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    wr_plan_time time;
    wr_plan *input = plan->inputs[0];
    uint32_t *map = NULL, time_column = 0, hashed = 0;
    lower_chain *chain = NULL;
    wr_aggregate_config *config = NULL;
    if (wr_plan_aggregate_time(&s->scratch, s->options, plan, &time) != WEIR_OK)
        return wr_lower_nomem(s);
    if (time.fused)
        WR_TRY(fused_input(s, plan, &time, &input, &map, &time_column));
    WR_TRY(wr_lower_node(s, input, &chain));
    WR_TRY(make_config(s, plan, &time, map, input->schema, &config));
    if (time.fused) {
        config->window = time.window->window.spec;
        config->window.time_column = time_column;
    }
    uint32_t *keys = wr_lower_alloc(s, (config->key_count + 1) * sizeof *keys);
    if (keys == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < config->key_count; i++)
        if (config->keys[i] >= 0)
            keys[hashed++] = (uint32_t)config->keys[i];
    if (!chain->segment.single) { /* L3 */
        const uint32_t *lists[1] = { keys };
        WR_TRY(wr_lower_meet(s, &chain, lists, 1, hashed, &chain));
    }
    *out = chain;
    const wr_operator_ops *ops = time.session ? &wr_session_aggregate_ops : &wr_aggregate_ops;
    return wr_lower_append(s, chain, ops, config, plan->schema, id);
}
