/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/hash.c -- a plan as canonical bytes: equal plans, and only those, give equal bytes.
 *
 * Names of columns are part of it (they are what readers see), places in the text are not.
 */
#include "plan/rules_impl.h"

static void
put_u64(wr_text *to, uint64_t v)
{
    wr_text_append(to, &v, sizeof v);
}

static void
put_name(wr_text *to, const char *name)
{
    wr_text_puts(to, name);
    wr_text_putc(to, '\0');
}

static void
put_expr(wr_text *to, const wr_expr *e)
{
    wr_text_putc(to, e != NULL ? 'E' : '0');
    if (e != NULL)
        wr_expr_hash_text(e, to);
}

static void
put_columns(wr_text *to, const uint32_t *columns, uint32_t count)
{
    put_u64(to, count);
    for (uint32_t i = 0; i < count; i++)
        put_u64(to, columns[i]);
}

static void
put_sort_keys(wr_text *to, const wr_sort_key *keys, uint32_t count)
{
    put_u64(to, count);
    for (uint32_t i = 0; i < count; i++)
        put_u64(to, (uint64_t)keys[i].column << 2 | (uint64_t)keys[i].descending << 1 |
                        (uint64_t)keys[i].nulls_first);
}

static void
put_frame_end(wr_text *to, const wr_frame_end *end)
{
    put_u64(to,
            (uint64_t)end->unbounded << 2 | (uint64_t)end->following << 1 | end->offset.is_null);
    if (!end->offset.is_null)
        wr_value_print(&end->offset, to);
}

static void
put_over(wr_text *to, const wr_over_call *call)
{
    put_name(to, call->name);
    put_u64(to, call->function);
    put_u64(to, call->arg_count);
    for (uint32_t i = 0; i < call->arg_count; i++)
        put_expr(to, call->args[i]);
    put_expr(to, call->filter);
    put_columns(to, call->partition, call->partition_count);
    put_sort_keys(to, call->order, call->order_count);
    put_u64(to, (uint64_t)call->mode << 8 | call->exclude);
    put_frame_end(to, &call->start);
    put_frame_end(to, &call->end);
}

static void
put_window(wr_text *to, const wr_plan *plan)
{
    const wr_window_spec *w = &plan->window.spec;
    put_u64(to, w->kind);
    put_u64(to, (uint64_t)w->size);
    put_u64(to, (uint64_t)w->slide);
    put_u64(to, (uint64_t)w->offset);
    put_u64(to, w->time_column);
    put_columns(to, plan->window.keys, plan->window.key_count);
}

static void
put_aggregate(wr_text *to, const wr_plan *plan)
{
    put_columns(to, plan->aggregate.keys, plan->aggregate.key_count);
    put_u64(to, (uint64_t)plan->aggregate.global << 1 | plan->aggregate.emit);
    put_u64(to, plan->aggregate.call_count);
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        put_name(to, call->aggregate->name);
        put_u64(to, (uint64_t)call->arg_count << 1 | call->distinct);
        for (uint32_t a = 0; a < call->arg_count; a++)
            put_expr(to, call->args[a]);
        put_u64(to, call->order_count);
        for (uint32_t k = 0; k < call->order_count; k++)
            put_u64(to, (uint64_t)call->order[k].descending << 1 | call->order[k].nulls_first);
        put_expr(to, call->filter);
    }
}

static void
put_node(wr_text *to, const wr_plan *plan)
{
    uint32_t n = plan->schema->field_count;
    switch (plan->kind) {
    case WR_PLAN_SCAN:
        put_name(to, plan->scan.relation->name);
        put_columns(to, plan->scan.columns, plan->scan.column_count);
        put_expr(to, plan->scan.predicate);
        break;
    case WR_PLAN_VALUES:
        put_u64(to, plan->values.row_count);
        for (uint32_t r = 0; r < plan->values.row_count; r++)
            for (uint32_t i = 0; i < n; i++)
                put_expr(to, plan->values.rows[r][i]);
        break;
    case WR_PLAN_FILTER: put_expr(to, plan->filter.predicate); break;
    case WR_PLAN_PROJECT:
        for (uint32_t i = 0; i < n; i++)
            put_expr(to, plan->project.exprs[i]);
        if (plan->project.quiet)
            wr_text_putc(to, 'Q');
        break;
    case WR_PLAN_WINDOW: put_window(to, plan); break;
    case WR_PLAN_AGGREGATE: put_aggregate(to, plan); break;
    case WR_PLAN_JOIN:
        put_u64(to, (uint64_t)plan->join.mode << 8 | (uint64_t)plan->join.kind << 2 |
                        (uint64_t)plan->join.null_equal << 1 | plan->join.single);
        put_columns(to, plan->join.left_keys, plan->join.key_count);
        put_columns(to, plan->join.right_keys, plan->join.key_count);
        put_expr(to, plan->join.residual);
        break;
    case WR_PLAN_UNION: break;
    case WR_PLAN_SORT:
        put_sort_keys(to, plan->sort.keys, plan->sort.key_count);
        put_u64(to, plan->sort.limit);
        put_u64(to, plan->sort.offset);
        put_u64(to, plan->sort.with_ties);
        break;
    case WR_PLAN_TOP_N:
        put_columns(to, plan->top.partition, plan->top.partition_count);
        put_sort_keys(to, plan->top.keys, plan->top.key_count);
        put_u64(to, plan->top.low);
        put_u64(to, plan->top.high);
        put_u64(to, (uint64_t)plan->top.function << 3 | (uint64_t)plan->top.with_ties << 2 |
                        (uint64_t)plan->top.rank_column << 1 | plan->top.rank_used);
        break;
    case WR_PLAN_DEDUP:
        put_columns(to, plan->dedup.keys, plan->dedup.key_count);
        put_u64(to, plan->dedup.time_column);
        put_u64(to, (uint64_t)plan->dedup.span_us);
        break;
    case WR_PLAN_SETOP: put_u64(to, (uint64_t)plan->setop.intersect << 1 | plan->setop.all); break;
    case WR_PLAN_OVER:
        put_u64(to, plan->over.call_count);
        for (uint32_t i = 0; i < plan->over.call_count; i++)
            put_over(to, &plan->over.calls[i]);
        put_u64(to, (uint64_t)plan->over.most << 1 | plan->over.by_time);
        break;
    case WR_PLAN_UNNEST:
        put_u64(to, (uint64_t)plan->unnest.call_count << 2 | (uint64_t)plan->unnest.outer << 1 |
                        plan->unnest.ordinality);
        for (uint32_t i = 0; i < plan->unnest.call_count; i++)
            put_expr(to, plan->unnest.calls[i]);
        break;
    }
}

static void
put_plan(wr_text *to, const wr_plan *plan, bool names)
{
    put_u64(to, plan->kind);
    put_u64(to, plan->schema->field_count);
    for (uint32_t i = 0; i < plan->schema->field_count; i++) {
        if (names)
            put_name(to, plan->schema->fields[i].name);
        wr_type_print(plan->schema->fields[i].type, to);
        wr_text_putc(to, '\0');
    }
    put_node(to, plan);
    put_u64(to, plan->input_count);
    for (uint32_t i = 0; i < plan->input_count; i++)
        put_plan(to, plan->inputs[i], names);
}

void
wr_plan_hash_text(const wr_plan *plan, wr_text *to)
{
    put_plan(to, plan, true);
}

void
wr_plan_shape_text(const wr_plan *plan, wr_text *to)
{
    put_plan(to, plan, false);
}
