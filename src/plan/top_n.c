/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/top_n.c -- patterns that keep the first rows of something, as a TOP_N.
 *
 *     FILTER n <= 10 over OVER row_number(), rank() or dense_rank()   (DISTINCT ON and a correlated
 *                                                                      LIMIT have this form too)
 *     SORT with keys and a limit
 *
 * Place       after the rules.  Over inputs that end it answers at their end, and SORT is left alone.
 * Invariants  N1  the plan gives the same rows; the rank column is there, but NULL, when nobody reads
 *                 it
 *             N2  partitions that end with the watermark are left to OVER when their rows only come:
 *                 it answers once, and leaves out early what cannot be among the first any more
 */
#include "plan/rules_impl.h"

#include "data/row_code.h"
#include "operator/rank_filter.h"

#include <string.h>

enum { CONJUNCTS_MAX = 64 };

/* --- n <= 10 --- */

static bool
constant_integer(const wr_expr *e, int64_t *value)
{
    if (e->kind != WR_EXPR_CONSTANT || e->constant.is_null || !wr_type_is_integer(e->type))
        return false;
    *value = e->constant.integer;
    return true;
}

/* Narrow [low, high] by a comparison of the column with a constant; false: it is something else. */
static bool
narrow(const wr_expr *e, uint32_t column, int64_t *low, int64_t *high)
{
    static const char *const flipped[][2] = {
        { "=", "=" }, { "<", ">" }, { "<=", ">=" }, { ">", "<" }, { ">=", "<=" },
    };
    int64_t n;
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2)
        return false;
    bool left = e->args[0]->kind == WR_EXPR_COLUMN && e->args[0]->column == column;
    const wr_expr *other = e->args[left ? 1 : 0], *mine = e->args[left ? 0 : 1];
    if (mine->kind != WR_EXPR_COLUMN || mine->column != column || !constant_integer(other, &n))
        return false;
    const char *name = NULL;
    for (uint32_t i = 0; i < WR_COUNT(flipped); i++)
        if (strcmp(e->function->name, flipped[i][0]) == 0)
            name = flipped[i][left ? 0 : 1];
    if (name == NULL)
        return false;
    if ((name[0] == '<' && name[1] == '\0' && n == INT64_MIN) ||
        (name[0] == '>' && name[1] == '\0' && n == INT64_MAX)) {
        *high = 0;
        return true;
    }
    if (name[0] == '=' || name[0] == '>')
        *low = WR_MAX(*low, n + (name[0] == '>' && name[1] == '\0'));
    if (name[0] == '=' || name[0] == '<')
        *high = WR_MIN(*high, n - (name[0] == '<' && name[1] == '\0'));
    return true;
}

/* --- making the node --- */

static bool
rank_of(const wr_over_call *call, wr_rank_function *function)
{
    switch (call->function) {
    case WR_OVER_ROW_NUMBER: *function = WR_RANK_ROW_NUMBER; return true;
    case WR_OVER_RANK: *function = WR_RANK_RANK; return true;
    case WR_OVER_DENSE_RANK: *function = WR_RANK_DENSE; return true;
    default: return false;
    }
}

static bool
reads_column(const wr_plan *parent, uint32_t column)
{
    if (parent == NULL || parent->kind != WR_PLAN_PROJECT)
        return true;
    for (uint32_t i = 0; i < parent->schema->field_count; i++)
        if (wr_expr_reads(parent->project.exprs[i], column, 1))
            return true;
    return false;
}

/* FILTER over OVER, in place. */
static weir_status
from_filter(wr_arena *arena, wr_plan *filter, const wr_plan *parent, bool ends, bool *changed)
{
    wr_plan *over = filter->inputs[0];
    const wr_over_call *call = &over->over.calls[0];
    wr_rank_function function;
    wr_expr *parts[CONJUNCTS_MAX], *rest = NULL;
    int32_t time;
    uint32_t column = over->schema->field_count - 1;
    int64_t low = 1, high = INT64_MAX;
    bool used = reads_column(parent, column);
    if (over->over.call_count != 1 || !rank_of(call, &function))
        return WEIR_OK;
    uint32_t n = wr_expr_conjuncts(filter->filter.predicate, parts, CONJUNCTS_MAX);
    if (n > CONJUNCTS_MAX)
        return WEIR_OK;
    for (uint32_t i = 0; i < n; i++) {
        if (narrow(parts[i], column, &low, &high))
            continue;
        used = used || wr_expr_reads(parts[i], column, 1);
        if ((rest = wr_expr_and(arena, rest, parts[i])) == NULL)
            return WEIR_MEMORY;
    }
    if (high == INT64_MAX)
        return WEIR_OK;
    if (over->inputs[0]->schema->kind == WR_INSERT_ONLY && wr_plan_over_time(over, &time)) { /* N2 */
        bool counts = function != WR_RANK_DENSE && high > 0 && high <= WR_RANK_FILTER_MOST_MAX;
        over->over.most = counts ? (uint32_t)high : 0;
        return WEIR_OK;
    }
    wr_plan top = { .kind = WR_PLAN_TOP_N,
                    .location = call->location >= 0 ? call->location : filter->location,
                    .schema = over->schema,
                    .input_count = 1,
                    .inputs = over->inputs };
    top.top.partition_count = call->partition_count;
    top.top.partition = call->partition;
    top.top.key_count = call->order_count;
    top.top.keys = call->order;
    top.top.function = function;
    top.top.low = (uint64_t)WR_MAX(low, 1);
    top.top.high = (uint64_t)WR_MAX(high, 0);
    top.top.rank_column = true;
    top.top.rank_used = used;
    *changed = true;
    if (rest != NULL) {
        *over = top;
        filter->filter.predicate = rest;
        return WEIR_OK;
    }
    top.schema = filter->schema;
    *filter = top;
    return WEIR_OK;
}

static weir_status
from_sort(wr_plan *sort, bool *changed)
{
    uint64_t last;
    if (sort->sort.limit == UINT64_MAX ||
        __builtin_add_overflow(sort->sort.limit, sort->sort.offset, &last))
        return WEIR_OK;
    wr_plan top = { .kind = WR_PLAN_TOP_N,
                    .location = sort->location,
                    .schema = sort->schema,
                    .input_count = 1,
                    .inputs = sort->inputs };
    top.top.key_count = sort->sort.key_count;
    top.top.keys = sort->sort.keys;
    top.top.low = sort->sort.offset + 1;
    top.top.high = last;
    top.top.with_ties = sort->sort.with_ties && sort->sort.limit > 0;
    *sort = top;
    *changed = true;
    return WEIR_OK;
}

/* Is it FILTER n = 1 over OVER row_number(), left alone for N2? */
static bool
keeps_first_rows(const wr_plan *filter)
{
    const wr_plan *over = filter->inputs[0];
    wr_expr *parts[CONJUNCTS_MAX];
    int64_t low = 1, high = INT64_MAX;
    if (filter->kind != WR_PLAN_FILTER || over->kind != WR_PLAN_OVER || over->over.call_count != 1 ||
        over->over.calls[0].function != WR_OVER_ROW_NUMBER)
        return false;
    uint32_t n = wr_expr_conjuncts(filter->filter.predicate, parts, CONJUNCTS_MAX);
    for (uint32_t i = 0; i < WR_MIN(n, (uint32_t)CONJUNCTS_MAX); i++)
        (void)narrow(parts[i], over->schema->field_count - 1, &low, &high);
    return high == 1;
}

/* ORDER BY without a limit over the one row of each DISTINCT ON: the order is the reader's. */
static bool
orders_first_rows(const wr_plan *sort)
{
    const wr_plan *p = sort->inputs[0];
    if (sort->sort.limit != UINT64_MAX || sort->sort.offset != 0)
        return false;
    while (p->kind == WR_PLAN_PROJECT || (p->kind == WR_PLAN_FILTER && !keeps_first_rows(p)))
        p = p->inputs[0];
    return p->kind == WR_PLAN_FILTER || (p->kind == WR_PLAN_TOP_N && p->top.function == WR_RANK_ROW_NUMBER &&
                                         p->top.high == 1);
}

static weir_status
find(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, const wr_plan *parent,
     bool *changed)
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(find(arena, options, plan->inputs[i], plan, changed));
    bool ends = options->bounded || wr_plan_ends(plan);
    if (plan->kind == WR_PLAN_FILTER && plan->inputs[0]->kind == WR_PLAN_OVER)
        return from_filter(arena, plan, parent, ends, changed);
    if (ends || plan->kind != WR_PLAN_SORT || plan->sort.key_count == 0)
        return WEIR_OK;
    if (orders_first_rows(plan)) {
        wr_plan *input = plan->inputs[0];
        for (uint32_t i = 0; i < input->schema->field_count; i++) {
            input->schema->fields[i].name = plan->schema->fields[i].name;
            input->schema->fields[i].hidden = plan->schema->fields[i].hidden;
        }
        *plan = *input;
        return WEIR_OK;
    }
    return from_sort(plan, changed);
}

weir_status
wr_plan_find_top_n(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, bool *changed)
{
    return find(arena, options, plan, NULL, changed);
}

/* --- what follows --- */

int32_t
wr_plan_top_n_time(const wr_plan *plan)
{
    const wr_schema *input = plan->inputs[0]->schema;
    int32_t best = -1;
    for (uint32_t i = 0; i < plan->top.partition_count; i++) {
        uint32_t c = plan->top.partition[i];
        int64_t offset = input->fields[c].watermark_offset;
        if (offset != WR_NO_WATERMARK &&
            (best < 0 || offset > input->fields[best].watermark_offset))
            best = (int32_t)c;
    }
    return best;
}

/* The schema is the input's so far: a row may be taken back at any time, and come again. */
weir_status
wr_plan_derive_top_n(wr_arena *arena, const wr_plan_options *options, wr_plan *plan)
{
    bool ends = options == NULL || options->bounded || wr_plan_ends(plan);
    uint32_t n = plan->top.partition_count, rank = plan->schema->field_count - 1;
    bool one = plan->top.function == WR_RANK_ROW_NUMBER && plan->top.low == plan->top.high;
    bool numbered = plan->top.function == WR_RANK_ROW_NUMBER && plan->top.rank_used;
    int32_t time = wr_plan_top_n_time(plan);
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        if ((int32_t)i != time || ends)
            plan->schema->fields[i].watermark_offset = WR_NO_WATERMARK;
    plan->schema->time_column = ends ? -1 : time;
    plan->schema->kind = ends ? WR_INSERT_ONLY : WR_CHANGELOG;
    plan->schema->key = NULL;
    plan->schema->key_count = 0;
    if ((!one && !numbered) || n == 0)
        return WEIR_OK;
    uint32_t *key = wr_arena_alloc(arena, (n + 1) * sizeof *key);
    if (key == NULL)
        return WEIR_MEMORY;
    memcpy(key, plan->top.partition, n * sizeof *key);
    key[n] = rank;
    plan->schema->key = key;
    plan->schema->key_count = n + (one ? 0 : 1);
    return WEIR_OK;
}

static void
put_state(const wr_plan *plan, const wr_plan_options *options, wr_text *to)
{
    const wr_schema *input = plan->inputs[0]->schema;
    int32_t time = wr_plan_top_n_time(plan);
    bool whole = plan->top.partition_count == 0;
    wr_text_puts(to, "state: ");
    if (input->kind != WR_INSERT_ONLY)
        wr_text_puts(to, "all rows of the input");
    else if (plan->top.function == WR_RANK_ROW_NUMBER)
        wr_text_printf(to, "%llu row%s%s", (unsigned long long)plan->top.high,
                       plan->top.high == 1 ? "" : "s", plan->top.with_ties ? " and ties" : "");
    else
        wr_text_printf(to, "rows of the first %llu ranks", (unsigned long long)plan->top.high);
    bool ends = options == NULL || options->bounded;
    if (time >= 0 && !ends)
        wr_text_printf(to, " x keys of a %s not yet passed", input->fields[time].name);
    else if (!whole)
        wr_text_puts(to, ends                  ? " x keys of the input"
                         : options->ttl_us > 0 ? " x keys seen within the ttl"
                                               : " x keys ever seen");
    wr_text_putc(to, '\n');
}

void
wr_plan_explain_top_n(const wr_plan *plan, const wr_plan_options *options, uint32_t depth,
                      wr_text *to)
{
    static const char *const names[] = { "row_number", "rank", "dense_rank" };
    const wr_schema *input = plan->inputs[0]->schema;
    wr_text_printf(to, "top %s", names[plan->top.function]);
    if (plan->top.low > 1)
        wr_text_printf(to, " %llu", (unsigned long long)plan->top.low);
    wr_text_printf(to, " to %llu%s", (unsigned long long)plan->top.high,
                   plan->top.with_ties ? " with ties" : "");
    for (uint32_t i = 0; i < plan->top.partition_count; i++)
        wr_text_printf(to, "%s%s", i == 0 ? " for each " : ", ",
                       input->fields[plan->top.partition[i]].name);
    for (uint32_t i = 0; i < plan->top.key_count; i++)
        wr_text_printf(to, "%s%s%s", i == 0 ? " by " : ", ",
                       input->fields[plan->top.keys[i].column].name,
                       plan->top.keys[i].descending ? " desc" : "");
    wr_text_putc(to, '\n');
    for (uint32_t i = 0; i < 2 * (depth + 1); i++)
        wr_text_putc(to, ' ');
    put_state(plan, options, to);
}
