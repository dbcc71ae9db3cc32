/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/plan.c -- making, copying and walking plan nodes (see build.h).
 *
 * Invariants  P1..P3 of plan.h; a maker never changes its inputs.
 */
#include "plan/build.h"

#include <string.h>

wr_plan *
wr_plan_create(wr_arena *arena, wr_plan_kind kind, uint32_t input_count, uint32_t field_count)
{
    wr_plan *plan = wr_arena_calloc(arena, 1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    plan->kind = kind;
    plan->location = -1;
    plan->schema = wr_schema_create(arena, field_count);
    plan->input_count = input_count;
    plan->inputs = wr_arena_calloc(arena, input_count + 1, sizeof *plan->inputs);
    return plan->schema != NULL && plan->inputs != NULL ? plan : NULL;
}

static void *
array_copy(wr_arena *arena, const void *from, size_t count, size_t bytes)
{
    void *to = wr_arena_alloc(arena, count * bytes + 1);
    if (to != NULL && count > 0)
        memcpy(to, from, count * bytes);
    return to;
}

static wr_field
field_make(const char *name, wr_type type)
{
    return (wr_field){ .name = name, .type = type, .watermark_offset = WR_NO_WATERMARK };
}

/* A node with one input and `more` fields after the input's. */
static wr_plan *
make_unary(wr_arena *arena, wr_plan_kind kind, wr_plan *input, uint32_t more, int32_t location)
{
    uint32_t n = input->schema->field_count;
    wr_plan *plan = wr_plan_create(arena, kind, 1, n + more);
    if (plan == NULL)
        return NULL;
    plan->inputs[0] = input;
    plan->location = location;
    if (n > 0)
        memcpy(plan->schema->fields, input->schema->fields, n * sizeof(wr_field));
    return plan;
}

wr_plan *
wr_plan_make_scan(wr_arena *arena, wr_relation *relation, int32_t location)
{
    uint32_t n = relation->schema->field_count;
    wr_plan *plan = wr_plan_create(arena, WR_PLAN_SCAN, 0, n);
    if (plan == NULL)
        return NULL;
    plan->location = location;
    plan->scan.relation = relation;
    plan->scan.column_count = n;
    plan->scan.columns = wr_arena_alloc(arena, (n + 1) * sizeof(uint32_t));
    if (plan->scan.columns == NULL)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        plan->scan.columns[i] = i;
        plan->schema->fields[i] = relation->schema->fields[i];
    }
    return plan;
}

wr_plan *
wr_plan_make_values(wr_arena *arena, wr_expr ***rows, uint32_t row_count, const wr_type *types,
                    uint32_t column_count, int32_t location)
{
    wr_plan *plan = wr_plan_create(arena, WR_PLAN_VALUES, 0, column_count);
    if (plan == NULL)
        return NULL;
    plan->location = location;
    plan->values.rows = rows;
    plan->values.row_count = row_count;
    for (uint32_t i = 0; i < column_count; i++) {
        const char *name = wr_arena_printf(arena, "column%u", i + 1);
        if (name == NULL)
            return NULL;
        plan->schema->fields[i] = field_make(name, types[i]);
    }
    return plan;
}

wr_plan *
wr_plan_make_one_row(wr_arena *arena, int32_t location)
{
    wr_expr ***rows = wr_arena_calloc(arena, 1, sizeof *rows);
    return rows != NULL ? wr_plan_make_values(arena, rows, 1, NULL, 0, location) : NULL;
}

wr_plan *
wr_plan_make_filter(wr_arena *arena, wr_plan *input, wr_expr *predicate, int32_t location)
{
    wr_plan *plan = make_unary(arena, WR_PLAN_FILTER, input, 0, location);
    if (plan != NULL)
        plan->filter.predicate = predicate;
    return plan;
}

wr_plan *
wr_plan_make_project(wr_arena *arena, wr_plan *input, wr_expr **exprs, const char *const *names,
                     uint32_t count, int32_t location)
{
    wr_plan *plan = wr_plan_create(arena, WR_PLAN_PROJECT, 1, count);
    if (plan == NULL)
        return NULL;
    plan->inputs[0] = input;
    plan->location = location;
    plan->project.exprs = exprs;
    for (uint32_t i = 0; i < count; i++)
        plan->schema->fields[i] = field_make(names[i], exprs[i]->type);
    return plan;
}

wr_plan *
wr_plan_make_pick(wr_arena *arena, wr_plan *input, const uint32_t *columns, uint32_t count)
{
    wr_expr **exprs = wr_arena_alloc(arena, (count + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (count + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        const wr_field *field = &input->schema->fields[columns[i]];
        names[i] = field->name;
        exprs[i] = wr_expr_column(arena, columns[i], field->type);
        if (exprs[i] == NULL)
            return NULL;
    }
    return wr_plan_make_project(arena, input, exprs, names, count, -1);
}

wr_plan *
wr_plan_make_window(wr_arena *arena, wr_plan *input, const wr_window_spec *spec,
                    const uint32_t *keys, uint32_t key_count, int32_t location)
{
    uint32_t n = input->schema->field_count;
    wr_plan *plan = make_unary(arena, WR_PLAN_WINDOW, input, 2, location);
    if (plan == NULL)
        return NULL;
    wr_type type = input->schema->fields[spec->time_column].type;
    if (type.id == WR_DATE)
        type = WR_TYPE(WR_TIMESTAMP);
    type.modifier = -1;
    plan->window.spec = *spec;
    plan->window.key_count = key_count;
    plan->window.keys = array_copy(arena, keys, key_count, sizeof *keys);
    plan->schema->fields[n] = field_make("window_start", type);
    plan->schema->fields[n + 1] = field_make("window_end", type);
    return plan->window.keys != NULL ? plan : NULL;
}

wr_plan *
wr_plan_make_aggregate(wr_arena *arena, wr_plan *input, const uint32_t *keys, uint32_t key_count,
                       const wr_agg_call *calls, uint32_t call_count, bool global, int32_t location)
{
    wr_plan *plan = wr_plan_create(arena, WR_PLAN_AGGREGATE, 1, key_count + call_count);
    if (plan == NULL)
        return NULL;
    plan->inputs[0] = input;
    plan->location = location;
    plan->aggregate.key_count = key_count;
    plan->aggregate.keys = array_copy(arena, keys, key_count, sizeof *keys);
    plan->aggregate.call_count = call_count;
    plan->aggregate.calls = array_copy(arena, calls, call_count, sizeof *calls);
    plan->aggregate.global = global;
    if (plan->aggregate.keys == NULL || plan->aggregate.calls == NULL)
        return NULL;
    for (uint32_t i = 0; i < key_count; i++)
        plan->schema->fields[i] = input->schema->fields[keys[i]];
    for (uint32_t i = 0; i < call_count; i++)
        plan->schema->fields[key_count + i] = field_make(calls[i].aggregate->name, calls[i].result);
    return plan;
}

wr_plan *
wr_plan_make_join(wr_arena *arena, wr_join_kind kind, wr_plan *left, wr_plan *right,
                  wr_expr *residual, int32_t location)
{
    bool left_only = kind == WR_JOIN_SEMI || kind == WR_JOIN_ANTI;
    uint32_t n = left->schema->field_count, m = left_only ? 0 : right->schema->field_count;
    wr_plan *plan = wr_plan_create(arena, WR_PLAN_JOIN, 2, n + m);
    if (plan == NULL)
        return NULL;
    plan->inputs[0] = left;
    plan->inputs[1] = right;
    plan->location = location;
    plan->join.kind = kind;
    plan->join.residual = residual;
    for (uint32_t i = 0; i < n + m; i++)
        plan->schema->fields[i] = i < n ? left->schema->fields[i] : right->schema->fields[i - n];
    return plan;
}

wr_plan *
wr_plan_make_union(wr_arena *arena, wr_plan *const *inputs, uint32_t count, int32_t location)
{
    uint32_t n = inputs[0]->schema->field_count;
    wr_plan *plan = wr_plan_create(arena, WR_PLAN_UNION, count, n);
    if (plan == NULL)
        return NULL;
    plan->location = location;
    memcpy(plan->inputs, inputs, count * sizeof *inputs);
    for (uint32_t i = 0; i < n; i++)
        plan->schema->fields[i] =
            field_make(inputs[0]->schema->fields[i].name, inputs[0]->schema->fields[i].type);
    return plan;
}

wr_plan *
wr_plan_make_setop(wr_arena *arena, wr_plan *left, wr_plan *right, bool intersect, bool all,
                   int32_t location)
{
    wr_plan *const inputs[2] = { left, right };
    wr_plan *plan = wr_plan_make_union(arena, inputs, 2, location);
    if (plan == NULL)
        return NULL;
    plan->kind = WR_PLAN_SETOP;
    plan->setop.intersect = intersect;
    plan->setop.all = all;
    return plan;
}

wr_plan *
wr_plan_make_sort(wr_arena *arena, wr_plan *input, const wr_sort_key *keys, uint32_t key_count,
                  uint64_t limit, uint64_t offset, bool with_ties, int32_t location)
{
    wr_plan *plan = make_unary(arena, WR_PLAN_SORT, input, 0, location);
    if (plan == NULL)
        return NULL;
    plan->sort.key_count = key_count;
    plan->sort.keys = array_copy(arena, keys, key_count, sizeof *keys);
    plan->sort.limit = limit;
    plan->sort.offset = offset;
    plan->sort.with_ties = with_ties;
    return plan->sort.keys != NULL ? plan : NULL;
}

wr_plan *
wr_plan_make_over(wr_arena *arena, wr_plan *input, const wr_over_call *calls, uint32_t call_count,
                  int32_t location)
{
    uint32_t n = input->schema->field_count;
    wr_plan *plan = make_unary(arena, WR_PLAN_OVER, input, call_count, location);
    if (plan == NULL)
        return NULL;
    plan->over.call_count = call_count;
    plan->over.calls = array_copy(arena, calls, call_count, sizeof *calls);
    for (uint32_t i = 0; i < call_count; i++)
        plan->schema->fields[n + i] = field_make(calls[i].name, calls[i].result);
    return plan->over.calls != NULL ? plan : NULL;
}

wr_plan *
wr_plan_make_dedup(wr_arena *arena, wr_plan *input, const uint32_t *keys, uint32_t key_count,
                   uint32_t time_column, int64_t span_us, int32_t location)
{
    wr_plan *plan = make_unary(arena, WR_PLAN_DEDUP, input, 0, location);
    if (plan == NULL)
        return NULL;
    plan->dedup.keys = array_copy(arena, keys, key_count, sizeof *keys);
    plan->dedup.key_count = key_count;
    plan->dedup.time_column = time_column;
    plan->dedup.span_us = span_us;
    return plan->dedup.keys != NULL ? plan : NULL;
}

wr_plan *
wr_plan_make_unnest(wr_arena *arena, wr_plan *input, wr_expr **calls, const wr_type *types,
                    uint32_t call_count, bool ordinality, bool outer, int32_t location)
{
    uint32_t n = input->schema->field_count;
    wr_plan *plan = make_unary(arena, WR_PLAN_UNNEST, input, call_count + ordinality, location);
    if (plan == NULL)
        return NULL;
    plan->unnest.call_count = call_count;
    plan->unnest.calls = calls;
    plan->unnest.ordinality = ordinality;
    plan->unnest.outer = outer;
    for (uint32_t i = 0; i < call_count; i++)
        plan->schema->fields[n + i] =
            field_make(calls[i]->function != NULL ? calls[i]->function->name : "unnest", types[i]);
    if (ordinality)
        plan->schema->fields[n + call_count] = field_make("ordinality", WR_TYPE(WR_INT8));
    return plan;
}

/* --- copying and walking --- */

static bool
copy_arrays(wr_arena *arena, wr_plan *to, const wr_plan *from)
{
    uint32_t n = from->schema->field_count;
#define COPY(member, count)                                                                        \
    do {                                                                                           \
        to->member = array_copy(arena, from->member, (count), sizeof *from->member);               \
        if (to->member == NULL)                                                                    \
            return false;                                                                          \
    } while (0)
    switch (from->kind) {
    case WR_PLAN_SCAN: COPY(scan.columns, from->scan.column_count); break;
    case WR_PLAN_VALUES:
        COPY(values.rows, from->values.row_count);
        for (uint32_t r = 0; r < from->values.row_count; r++)
            if (from->values.rows[r] != NULL)
                COPY(values.rows[r], n);
        break;
    case WR_PLAN_PROJECT: COPY(project.exprs, n); break;
    case WR_PLAN_WINDOW: COPY(window.keys, from->window.key_count); break;
    case WR_PLAN_AGGREGATE:
        COPY(aggregate.keys, from->aggregate.key_count);
        COPY(aggregate.calls, from->aggregate.call_count);
        break;
    case WR_PLAN_JOIN:
        COPY(join.left_keys, from->join.key_count);
        COPY(join.right_keys, from->join.key_count);
        break;
    case WR_PLAN_SORT: COPY(sort.keys, from->sort.key_count); break;
    case WR_PLAN_TOP_N:
        COPY(top.partition, from->top.partition_count);
        COPY(top.keys, from->top.key_count);
        break;
    case WR_PLAN_OVER:
        COPY(over.calls, from->over.call_count);
        for (uint32_t i = 0; i < from->over.call_count; i++) {
            COPY(over.calls[i].partition, from->over.calls[i].partition_count);
            COPY(over.calls[i].order, from->over.calls[i].order_count);
        }
        break;
    case WR_PLAN_DEDUP: COPY(dedup.keys, from->dedup.key_count); break;
    case WR_PLAN_UNNEST: COPY(unnest.calls, from->unnest.call_count); break;
    case WR_PLAN_FILTER:
    case WR_PLAN_UNION:
    case WR_PLAN_SETOP: break;
    }
#undef COPY
    return true;
}

wr_plan *
wr_plan_copy(wr_arena *arena, const wr_plan *plan)
{
    wr_plan *copy = array_copy(arena, plan, 1, sizeof *plan);
    if (copy == NULL)
        return NULL;
    copy->schema = wr_schema_copy(arena, plan->schema);
    copy->inputs = wr_arena_calloc(arena, plan->input_count + 1, sizeof *copy->inputs);
    if (copy->schema == NULL || copy->inputs == NULL || !copy_arrays(arena, copy, plan))
        return NULL;
    for (uint32_t i = 0; i < plan->input_count; i++)
        if ((copy->inputs[i] = wr_plan_copy(arena, plan->inputs[i])) == NULL)
            return NULL;
    return copy;
}

static void
number(wr_plan *plan, int32_t *next)
{
    plan->number = (*next)++;
    for (uint32_t i = 0; i < plan->input_count; i++)
        number(plan->inputs[i], next);
}

void
wr_plan_number(wr_plan *plan)
{
    int32_t next = 1;
    number(plan, &next);
}

static bool
map_one(wr_expr **slot, wr_plan_expr_map map, void *user)
{
    if (*slot == NULL)
        return true;
    wr_expr *mapped = map(*slot, user);
    if (mapped == NULL)
        return false;
    *slot = mapped;
    return true;
}

static bool
map_list(wr_expr **list, uint32_t count, wr_plan_expr_map map, void *user)
{
    for (uint32_t i = 0; i < count; i++)
        if (!map_one(&list[i], map, user))
            return false;
    return true;
}

bool
wr_plan_map_exprs(wr_plan *plan, wr_plan_expr_map map, void *user)
{
    uint32_t n = plan->schema->field_count;
    switch (plan->kind) {
    case WR_PLAN_SCAN: return map_one(&plan->scan.predicate, map, user);
    case WR_PLAN_VALUES:
        for (uint32_t r = 0; r < plan->values.row_count; r++)
            if (plan->values.rows[r] != NULL && !map_list(plan->values.rows[r], n, map, user))
                return false;
        return true;
    case WR_PLAN_FILTER: return map_one(&plan->filter.predicate, map, user);
    case WR_PLAN_PROJECT: return map_list(plan->project.exprs, n, map, user);
    case WR_PLAN_AGGREGATE:
        for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
            wr_agg_call *call = &plan->aggregate.calls[i];
            if (!map_list(call->args, call->arg_count, map, user) ||
                !map_one(&call->filter, map, user))
                return false;
        }
        return true;
    case WR_PLAN_JOIN: return map_one(&plan->join.residual, map, user);
    case WR_PLAN_OVER:
        for (uint32_t i = 0; i < plan->over.call_count; i++) {
            wr_over_call *call = &plan->over.calls[i];
            if (!map_list(call->args, call->arg_count, map, user) ||
                !map_one(&call->filter, map, user))
                return false;
        }
        return true;
    case WR_PLAN_UNNEST: return map_list(plan->unnest.calls, plan->unnest.call_count, map, user);
    case WR_PLAN_WINDOW:
    case WR_PLAN_UNION:
    case WR_PLAN_SORT:
    case WR_PLAN_TOP_N:
    case WR_PLAN_DEDUP:
    case WR_PLAN_SETOP: return true;
    }
    wr_unreachable();
}

wr_expr *
wr_expr_rewrite(wr_arena *arena, wr_expr *expr, wr_plan_expr_map map, void *user)
{
    wr_expr *replaced = map(expr, user);
    if (replaced != NULL || expr->arg_count == 0)
        return replaced != NULL ? replaced : expr;
    wr_expr *copy = array_copy(arena, expr, 1, sizeof *expr);
    if (copy == NULL)
        return NULL;
    copy->args = array_copy(arena, expr->args, expr->arg_count, sizeof *expr->args);
    if (copy->args == NULL)
        return NULL;
    bool changed = false;
    for (uint32_t i = 0; i < expr->arg_count; i++) {
        copy->args[i] = wr_expr_rewrite(arena, expr->args[i], map, user);
        if (copy->args[i] == NULL)
            return NULL;
        changed |= copy->args[i] != expr->args[i];
    }
    return changed ? copy : expr;
}

void
wr_expr_walk(const wr_expr *expr, void (*visit)(const wr_expr *expr, void *user), void *user)
{
    visit(expr, user);
    for (uint32_t i = 0; i < expr->arg_count; i++)
        wr_expr_walk(expr->args[i], visit, user);
}

wr_expr *
wr_expr_and(wr_arena *arena, wr_expr *a, wr_expr *b)
{
    if (a == NULL || b == NULL)
        return a != NULL ? a : b;
    uint32_t n = a->kind == WR_EXPR_AND ? a->arg_count : 1;
    uint32_t m = b->kind == WR_EXPR_AND ? b->arg_count : 1;
    wr_expr **args = wr_arena_alloc(arena, (n + m) * sizeof *args);
    if (args == NULL)
        return NULL;
    for (uint32_t i = 0; i < n; i++)
        args[i] = a->kind == WR_EXPR_AND ? a->args[i] : a;
    for (uint32_t i = 0; i < m; i++)
        args[n + i] = b->kind == WR_EXPR_AND ? b->args[i] : b;
    return wr_expr_make(arena, WR_EXPR_AND, WR_TYPE(WR_BOOL), args, n + m);
}

uint32_t
wr_expr_conjuncts(wr_expr *expr, wr_expr **list, uint32_t max)
{
    if (expr == NULL)
        return 0;
    if (expr->kind != WR_EXPR_AND) {
        if (max > 0)
            list[0] = expr;
        return 1;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < expr->arg_count && count <= max; i++)
        count += wr_expr_conjuncts(expr->args[i], list + WR_MIN(count, max),
                                   count < max ? max - count : 0);
    return WR_MIN(count, max + 1);
}
