/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/detach.c -- a plan into another arena, so that what binding and the rules left behind can go.
 *
 * Place       the engine binds and optimises in a statement arena and keeps this copy: a tenth of it.
 * Invariants  Y1  the copy shares nothing with the original but relations, functions and aggregates
 *             Y2  a node that stands twice in the original stands twice in the copy, as one node
 */
#include "plan/plan.h"

#include <string.h>

enum { SHARED_MAX = 256 };

typedef struct copier {
    wr_arena *arena;
    wr_names *strings; /* NULL: each gets a copy of its own */
    const wr_plan *from[SHARED_MAX];
    wr_plan *to[SHARED_MAX];
    uint32_t count;
    bool failed;
} copier;

static void *
bytes_copy(copier *c, const void *from, size_t bytes)
{
    void *to = from != NULL ? wr_arena_alloc(c->arena, bytes) : NULL;
    if (to != NULL && bytes > 0)
        memcpy(to, from, bytes);
    c->failed = c->failed || (from != NULL && to == NULL);
    return to;
}

static wr_expr *
expr_copy(copier *c, const wr_expr *from)
{
    wr_expr *to = from != NULL ? wr_expr_copy(c->arena, from) : NULL;
    c->failed = c->failed || (from != NULL && to == NULL);
    return to;
}

static wr_expr **
exprs_copy(copier *c, wr_expr *const *from, uint32_t count)
{
    wr_expr **to = bytes_copy(c, from, count * sizeof *to);
    for (uint32_t i = 0; to != NULL && i < count; i++)
        to[i] = expr_copy(c, from[i]);
    return to;
}

static void
aggregate_copy(copier *c, wr_plan *p)
{
    p->aggregate.keys =
        bytes_copy(c, p->aggregate.keys, p->aggregate.key_count * sizeof *p->aggregate.keys);
    p->aggregate.calls =
        bytes_copy(c, p->aggregate.calls, p->aggregate.call_count * sizeof *p->aggregate.calls);
    for (uint32_t i = 0; !c->failed && i < p->aggregate.call_count; i++) {
        wr_agg_call *call = &p->aggregate.calls[i];
        for (uint32_t a = 0; a < call->arg_count; a++)
            call->args[a] = expr_copy(c, call->args[a]);
        call->filter = expr_copy(c, call->filter);
        call->order = bytes_copy(c, (void *)(uintptr_t)call->order,
                                 call->order_count * sizeof *call->order);
    }
}

static void
frame_end_copy(copier *c, wr_frame_end *end)
{
    wr_value offset = end->offset;
    c->failed = c->failed || wr_value_copy(&offset, c->arena, &end->offset) != WEIR_OK;
}

static void
over_copy(copier *c, wr_plan *p)
{
    p->over.calls = bytes_copy(c, p->over.calls, p->over.call_count * sizeof *p->over.calls);
    for (uint32_t i = 0; !c->failed && i < p->over.call_count; i++) {
        wr_over_call *call = &p->over.calls[i];
        call->name = call->name != NULL ? bytes_copy(c, call->name, strlen(call->name) + 1) : NULL;
        for (uint32_t a = 0; a < call->arg_count; a++)
            call->args[a] = expr_copy(c, call->args[a]);
        call->filter = expr_copy(c, call->filter);
        call->partition =
            bytes_copy(c, call->partition, call->partition_count * sizeof *call->partition);
        call->order = bytes_copy(c, call->order, call->order_count * sizeof *call->order);
        frame_end_copy(c, &call->start);
        frame_end_copy(c, &call->end);
    }
}

static void
values_copy(copier *c, wr_plan *p)
{
    p->values.rows = bytes_copy(c, p->values.rows, p->values.row_count * sizeof *p->values.rows);
    for (uint32_t r = 0; !c->failed && r < p->values.row_count; r++)
        p->values.rows[r] = exprs_copy(c, p->values.rows[r], p->schema->field_count);
}

/* --- schemas --- */

static const char *
string_copy(copier *c, const char *text)
{
    const char *copy = text == NULL         ? NULL
                       : c->strings != NULL ? wr_names_intern(c->strings, text)
                                            : wr_arena_strdup(c->arena, text);
    c->failed = c->failed || (text != NULL && copy == NULL);
    return copy;
}

static wr_schema *
schema_copy(copier *c, const wr_schema *from)
{
    wr_schema *to = bytes_copy(c, from, sizeof *from);
    if (to == NULL)
        return NULL;
    to->fields = bytes_copy(c, from->fields, from->field_count * sizeof *from->fields);
    to->key = from->key_count > 0 ? bytes_copy(c, from->key, from->key_count * sizeof *from->key)
                                  : NULL;
    for (uint32_t i = 0; !c->failed && i < from->field_count; i++) {
        to->fields[i].name = string_copy(c, from->fields[i].name);
        to->fields[i].path = string_copy(c, from->fields[i].path);
    }
    return to;
}

/* What hangs on the node besides schema and inputs. */
static void
parts_copy(copier *c, wr_plan *p)
{
    switch (p->kind) {
    case WR_PLAN_SCAN:
        p->scan.columns =
            bytes_copy(c, p->scan.columns, p->scan.column_count * sizeof *p->scan.columns);
        p->scan.predicate = expr_copy(c, p->scan.predicate);
        break;
    case WR_PLAN_VALUES: values_copy(c, p); break;
    case WR_PLAN_FILTER: p->filter.predicate = expr_copy(c, p->filter.predicate); break;
    case WR_PLAN_PROJECT:
        p->project.exprs = exprs_copy(c, p->project.exprs, p->schema->field_count);
        break;
    case WR_PLAN_WINDOW:
        p->window.keys =
            bytes_copy(c, p->window.keys, p->window.key_count * sizeof *p->window.keys);
        break;
    case WR_PLAN_AGGREGATE: aggregate_copy(c, p); break;
    case WR_PLAN_JOIN:
        p->join.left_keys =
            bytes_copy(c, p->join.left_keys, p->join.key_count * sizeof *p->join.left_keys);
        p->join.right_keys =
            bytes_copy(c, p->join.right_keys, p->join.key_count * sizeof *p->join.right_keys);
        p->join.residual = expr_copy(c, p->join.residual);
        break;
    case WR_PLAN_SORT:
        p->sort.keys = bytes_copy(c, p->sort.keys, p->sort.key_count * sizeof *p->sort.keys);
        break;
    case WR_PLAN_TOP_N:
        p->top.partition =
            bytes_copy(c, p->top.partition, p->top.partition_count * sizeof *p->top.partition);
        p->top.keys = bytes_copy(c, p->top.keys, p->top.key_count * sizeof *p->top.keys);
        break;
    case WR_PLAN_OVER: over_copy(c, p); break;
    case WR_PLAN_DEDUP:
        p->dedup.keys = bytes_copy(c, p->dedup.keys, p->dedup.key_count * sizeof *p->dedup.keys);
        break;
    case WR_PLAN_UNNEST:
        p->unnest.calls = exprs_copy(c, p->unnest.calls, p->unnest.call_count);
        break;
    case WR_PLAN_UNION:
    case WR_PLAN_SETOP: break;
    }
}

static wr_plan *
node_copy(copier *c, const wr_plan *from)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->from[i] == from)
            return c->to[i]; /* Y2 */
    wr_plan *to = bytes_copy(c, from, sizeof *from);
    if (to == NULL)
        return NULL;
    to->inputs = bytes_copy(c, from->inputs, from->input_count * sizeof *from->inputs);
    for (uint32_t i = 0; !c->failed && i < from->input_count; i++)
        to->inputs[i] = node_copy(c, from->inputs[i]);
    if (!c->failed)
        to->schema = schema_copy(c, from->schema);
    if (!c->failed)
        parts_copy(c, to);
    if (c->count < SHARED_MAX) {
        c->from[c->count] = from;
        c->to[c->count++] = to;
    }
    return to;
}

wr_plan *
wr_plan_detach(wr_arena *arena, wr_names *strings, const wr_plan *plan)
{
    copier c = { .arena = arena, .strings = strings };
    wr_plan *copy = node_copy(&c, plan);
    return c.failed ? NULL : copy;
}
