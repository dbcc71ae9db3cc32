/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/lower_rows.c -- SORT, OVER, DEDUP, VALUES.
 */
#include "plan/lower_impl.h"

#include "operator/dedup.h"
#include "operator/fold.h"
#include "operator/merge.h"
#include "operator/over_rolling.h"
#include "operator/project.h"
#include "operator/rank_filter.h"

#include <string.h>

/* --- OVER --- */

static wr_over_spec
over_spec(const wr_over_call *call)
{
    wr_over_spec spec = { .function = call->function,
                          .aggregate = call->aggregate,
                          .result = call->result,
                          .arg_count = call->arg_count,
                          .filter = call->filter,
                          .partition_count = call->partition_count,
                          .partition = call->partition,
                          .order_count = call->order_count,
                          .order = call->order,
                          .mode = call->mode,
                          .exclude = call->exclude,
                          .start = call->start,
                          .end = call->end };
    for (uint32_t i = 0; i < call->arg_count; i++)
        spec.args[i] = call->args[i];
    return spec;
}

static weir_status
append_rolling(lower_state *s, lower_chain *chain, const wr_over_config *over,
               const wr_plan_rolling *rolling, const wr_plan *plan, int32_t id)
{
    wr_over_rolling_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    *c = (wr_over_rolling_config){
        .over = over,
        .time_column = rolling->time_column,
        .time_offset = over->input->fields[rolling->time_column].watermark_offset,
        .all = rolling->all,
        .reach_us = rolling->reach_us,
        .reach_rows = rolling->reach_rows,
        .keep_untimed = rolling->keep_untimed,
        .ttl_us = s->options->ttl_us,
    };
    return wr_lower_append(s, chain, &wr_over_rolling_ops, c, plan->schema, id);
}

static weir_status
append_over_changes(lower_state *s, lower_chain *chain, const wr_over_config *over,
                    const wr_plan *plan, int32_t id)
{
    wr_top_n_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    *c = (wr_top_n_config){ .partition_count = over->key_count,
                            .partition = over->keys,
                            .low = 1,
                            .high = UINT64_MAX,
                            .ttl_us = s->options->ttl_us,
                            .input = over->input,
                            .output = over->output,
                            .over = over };
    if (wr_plan_over_time(plan, &c->time_column))
        c->time_offset = over->input->fields[c->time_column].watermark_offset;
    return wr_lower_append(s, chain, &wr_over_changes_ops, c, plan->schema, id);
}

/* Rows that change become rows that stay, at the end. */
static weir_status
append_fold(lower_state *s, lower_chain *chain, const wr_plan *input, const uint32_t *keys,
            uint32_t key_count, int32_t id)
{
    if (input->schema->kind == WR_INSERT_ONLY)
        return WEIR_OK;
    wr_fold_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    *c = (wr_fold_config){ .key_count = key_count, .keys = keys, .schema = input->schema };
    return wr_lower_append(s, chain, &wr_fold_ops, c, input->schema, id);
}

/* Of columns that are bounds of one window, the end alone: it tells the other. */
static bool
is_told_by_end(const wr_plan *input, const uint32_t *columns, uint32_t count, uint32_t i)
{
    wr_plan *window, *other, *below = (wr_plan *)input;
    if (wr_plan_window_bound(below, columns[i], &window) != WR_KEY_WINDOW_START ||
        window->window.spec.kind == WR_WINDOW_SESSION)
        return false;
    for (uint32_t k = 0; k < count; k++)
        if (wr_plan_window_bound(below, columns[k], &other) == WR_KEY_WINDOW_END && other == window)
            return true;
    return false;
}

/* Rows that cannot be among the first any more need not meet the others. */
static weir_status
append_rank_filter(lower_state *s, lower_chain *chain, const wr_plan *plan,
                   const wr_over_config *over, int32_t id)
{
    const wr_over_call *call = &plan->over.calls[0];
    wr_rank_filter_config *c = wr_lower_alloc(s, sizeof *c);
    uint32_t *keys = wr_lower_alloc(s, (call->partition_count + 1) * sizeof *keys);
    if (c == NULL || keys == NULL)
        return wr_lower_nomem(s);
    *c = (wr_rank_filter_config){ .keys = keys,
                                  .most = plan->over.most,
                                  .time_column = over->time_column,
                                  .time_offset = over->time_offset,
                                  .schema = over->input };
    for (uint32_t i = 0; i < call->partition_count; i++)
        if ((int32_t)call->partition[i] == over->time_column ||
            !is_told_by_end(plan->inputs[0], call->partition, call->partition_count, i))
            keys[c->key_count++] = call->partition[i];
    if (call->order_count == 0)
        return WEIR_OK;
    c->order = call->order[0];
    if (!wr_rank_filter_can(c))
        return WEIR_OK;
    return wr_lower_append(s, chain, &wr_rank_filter_ops, c, over->input, id);
}

weir_status
wr_lower_over(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    uint32_t n = plan->over.call_count;
    wr_plan_rolling rolling;
    wr_plan_over_mode mode = wr_plan_over_mode_of(s->options, plan, &rolling);
    wr_over_config *c = wr_lower_alloc(s, sizeof *c);
    wr_over_spec *specs = wr_lower_alloc(s, (n + 1) * sizeof *specs);
    uint32_t *keys = wr_lower_alloc(s, (plan->over.calls[0].partition_count + 1) * sizeof *keys);
    if (c == NULL || specs == NULL || keys == NULL)
        return wr_lower_nomem(s);
    for (uint32_t i = 0; i < n; i++)
        specs[i] = over_spec(&plan->over.calls[i]);
    *c = (wr_over_config){ .call_count = n,
                           .calls = specs,
                           .time_column = -1,
                           .input = plan->inputs[0]->schema,
                           .output = plan->schema };
    if (mode == WR_PLAN_OVER_BY_TIME && wr_plan_over_time(plan, &c->time_column))
        c->time_offset = c->input->fields[c->time_column].watermark_offset;
    WR_TRY(wr_lower_node(s, plan->inputs[0], out));
    bool once = mode == WR_PLAN_OVER_AT_END || mode == WR_PLAN_OVER_BY_TIME;
    if (plan->over.most > 0 && once && c->input->kind == WR_INSERT_ONLY)
        WR_TRY(append_rank_filter(s, *out, plan, c, id));
    bool single = (*out)->segment.single;
    if (!single || mode == WR_PLAN_OVER_ROLLING || mode == WR_PLAN_OVER_CHANGES) {
        c->keys = keys;
        c->key_count = wr_plan_over_shared(plan, keys);
    }
    if (!single) {
        const uint32_t *lists[1] = { keys };
        WR_TRY(wr_lower_meet(s, out, lists, 1, c->key_count, out));
    }
    if (mode == WR_PLAN_OVER_ROLLING)
        return append_rolling(s, *out, c, &rolling, plan, id);
    if (mode == WR_PLAN_OVER_CHANGES)
        return append_over_changes(s, *out, c, plan, id);
    WR_TRY(append_fold(s, *out, plan->inputs[0], c->keys, c->key_count, id));
    return wr_lower_append(s, *out, &wr_over_ops, c, plan->schema, id);
}

/* --- DEDUP --- */

weir_status
wr_lower_dedup(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    const wr_plan *input = plan->inputs[0];
    bool changes = input->schema->kind != WR_INSERT_ONLY;
    uint32_t time = plan->dedup.time_column;
    wr_dedup_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    *c = (wr_dedup_config){ .key_count = plan->dedup.key_count,
                            .keys = plan->dedup.keys,
                            .time_column = time,
                            .time_offset = changes ? WR_NO_WATERMARK
                                                   : input->schema->fields[time].watermark_offset,
                            .span_us = plan->dedup.span_us,
                            .schema = plan->schema };
    WR_TRY(wr_lower_node(s, input, out));
    if (!(*out)->segment.single) {
        const uint32_t *lists[1] = { c->keys };
        WR_TRY(wr_lower_meet(s, out, lists, 1, c->key_count, out));
    }
    WR_TRY(append_fold(s, *out, input, c->keys, c->key_count, id));
    return wr_lower_append(s, *out, &wr_dedup_ops, c, plan->schema, id);
}

/* --- SORT --- */

weir_status
wr_lower_sort(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    wr_sort_config *c = wr_lower_alloc(s, sizeof *c);
    if (c == NULL)
        return wr_lower_nomem(s);
    *c = (wr_sort_config){ .key_count = plan->sort.key_count,
                           .keys = plan->sort.keys,
                           .limit = plan->sort.limit,
                           .offset = plan->sort.offset,
                           .with_ties = plan->sort.with_ties,
                           .schema = plan->schema };
    WR_TRY(wr_lower_node(s, plan->inputs[0], out));
    if (!(*out)->segment.single)
        WR_TRY(wr_lower_meet(s, out, NULL, 1, 0, out));
    WR_TRY(append_fold(s, *out, plan->inputs[0], NULL, 0, id));
    return wr_lower_append(s, *out, &wr_sort_ops, c, plan->schema, id);
}

/* --- VALUES --- */

static bool
is_constant_row(const wr_plan *plan, uint32_t row)
{
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        if (plan->values.rows[row][i]->kind != WR_EXPR_CONSTANT)
            return false;
    return true;
}

/* Constant rows [first, first + count) as one batch. */
static weir_status
make_batch(lower_state *s, const wr_plan *plan, uint32_t first, uint32_t count, wr_batch **out)
{
    uint32_t n = plan->schema->field_count;
    wr_batch_builder builder;
    wr_value *values = wr_lower_alloc(s, (n + 1) * sizeof *values);
    if (values == NULL)
        return wr_lower_nomem(s);
    if (n == 0 || count == 0) {
        *out = wr_batch_create(s->l->arena->budget, (uint16_t)n);
        if (*out == NULL)
            return wr_lower_nomem(s);
        (*out)->row_count = (*out)->physical_count = count;
        for (uint32_t i = 0; i < n; i++)
            if (((*out)->columns[i] = wr_column_create(s->l->arena->budget,
                                                       plan->schema->fields[i].type, 0)) == NULL) {
                wr_batch_release(*out);
                return wr_lower_nomem(s);
            }
        return WEIR_OK;
    }
    wr_batch_builder_init(&builder, s->l->arena->budget, plan->schema);
    weir_status status = WEIR_OK;
    for (uint32_t r = first; r < first + count && status == WEIR_OK; r++) {
        for (uint32_t i = 0; i < n; i++)
            values[i] = plan->values.rows[r][i]->constant;
        status = wr_batch_builder_add(&builder, values, 1);
    }
    if (status == WEIR_OK) {
        *out = wr_batch_builder_take(&builder);
        status = *out != NULL ? WEIR_OK : WEIR_MEMORY;
    }
    wr_batch_builder_fini(&builder);
    return status == WEIR_OK ? WEIR_OK : wr_lower_nomem(s);
}

static weir_status
constant_rows(lower_state *s, const wr_plan *plan, uint32_t first, uint32_t count,
              lower_chain **out)
{
    lower_chain *chain = wr_lower_chain(s, plan->schema);
    if (chain == NULL)
        return wr_lower_nomem(s);
    chain->segment.single = true;
    WR_TRY(make_batch(s, plan, first, count, &chain->segment.values));
    chain->next_rows = s->rows;
    s->rows = chain;
    *out = chain;
    return WEIR_OK;
}

/* One row of expressions that are computed when it runs: a project over one row of nothing. */
static weir_status
computed_row(lower_state *s, const wr_plan *plan, uint32_t row, int32_t id, lower_chain **out)
{
    wr_plan *one = wr_plan_make_one_row(s->l->arena, -1);
    wr_project_config *config = wr_lower_alloc(s, sizeof *config);
    if (one == NULL || config == NULL)
        return wr_lower_nomem(s);
    WR_TRY(constant_rows(s, one, 0, 1, out));
    config->count = plan->schema->field_count;
    config->exprs = (const wr_expr *const *)plan->values.rows[row];
    return wr_lower_append(s, *out, &wr_project_ops, config, plan->schema, id);
}

/* Pieces in order, merged by as many ports as there are; a single shard keeps each piece's order.
 */
static weir_status
merge_pieces(lower_state *s, lower_chain **pieces, uint32_t count, const wr_plan *plan, int32_t id,
             lower_chain **out)
{
    while (count > 1) {
        uint32_t made = 0;
        for (uint32_t i = 0; i < count; i += WR_OP_PORTS_MAX) {
            uint32_t n = WR_MIN(count - i, (uint32_t)WR_OP_PORTS_MAX);
            if (n == 1) {
                pieces[made++] = pieces[i];
                continue;
            }
            wr_merge_config *config = wr_lower_alloc(s, sizeof *config);
            lower_chain *chain;
            if (config == NULL)
                return wr_lower_nomem(s);
            config->port_count = n;
            WR_TRY(wr_lower_meet(s, pieces + i, NULL, n, 0, &chain));
            WR_TRY(wr_lower_append(s, chain, &wr_merge_ops, config, plan->schema, id));
            pieces[made++] = chain;
        }
        count = made;
    }
    *out = pieces[0];
    return WEIR_OK;
}

weir_status
wr_lower_values(lower_state *s, const wr_plan *plan, int32_t id, lower_chain **out)
{
    uint32_t rows = plan->values.row_count, made = 0;
    if (rows == 0 || plan->schema->field_count == 0)
        return constant_rows(s, plan, 0, rows, out);
    lower_chain **pieces = wr_lower_alloc(s, (rows + 1) * sizeof *pieces);
    if (pieces == NULL)
        return wr_lower_nomem(s);
    for (uint32_t at = 0; at < rows;) {
        uint32_t run = 0;
        while (at + run < rows && run < WR_BATCH_ROWS_MAX && is_constant_row(plan, at + run))
            run++;
        if (run > 0)
            WR_TRY(constant_rows(s, plan, at, run, &pieces[made++]));
        else
            WR_TRY(computed_row(s, plan, at, id, &pieces[made++]));
        at += WR_MAX(run, 1u);
    }
    return merge_pieces(s, pieces, made, plan, id, out);
}
