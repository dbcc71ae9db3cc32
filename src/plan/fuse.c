/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/fuse.c -- how aggregates and joins meet time.
 *
 * An AGGREGATE grouped by window_start or window_end, with only projects and filters between it and
 * the WINDOW, is one operator: rows go into panes, and no row is copied into its windows.
 *
 * Invariants  F1  nothing between the two reads a window bound, other than to hand it on
 *             F2  the keys name one window: start or end; of cumulating windows the end
 *             F3  a session is fused only when it is kept for exactly the aggregate's other keys
 *             F4  where they do not fuse, a window's bound among the keys still says which rows are
 * late
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"

#include <string.h>

static void
note_volatile(const wr_expr *e, void *user)
{
    if (e->kind == WR_EXPR_CALL && e->function->volatility == WR_VOLATILE)
        *(bool *)user = true;
}

static void
note_stable(const wr_expr *e, void *user)
{
    if (e->kind == WR_EXPR_CALL && e->function->volatility != WR_IMMUTABLE)
        *(bool *)user = true;
}

bool
wr_expr_is_volatile(const wr_expr *expr)
{
    bool found = false;
    wr_expr_walk(expr, note_volatile, &found);
    return found;
}

bool
wr_expr_is_stable(const wr_expr *expr)
{
    bool found = false;
    wr_expr_walk(expr, note_stable, &found);
    return found;
}

typedef struct column_range {
    uint32_t first, count;
    bool found;
} column_range;

static void
note_range(const wr_expr *e, void *user)
{
    column_range *r = user;
    if (e->kind == WR_EXPR_COLUMN && e->column >= r->first && e->column - r->first < r->count)
        r->found = true;
}

bool
wr_expr_reads(const wr_expr *expr, uint32_t first, uint32_t count)
{
    column_range r = { first, count, false };
    wr_expr_walk(expr, note_range, &r);
    return r.found;
}

/* --- aggregate and window --- */

typedef struct bound_check {
    const int32_t *bounds; /* by column: 0, WR_KEY_WINDOW_START or _END */
    bool reads;
} bound_check;

static void
note_bound(const wr_expr *e, void *user)
{
    bound_check *check = user;
    if (e->kind == WR_EXPR_COLUMN && check->bounds[e->column] != 0)
        check->reads = true;
}

static bool
reads_bound(const wr_expr *e, const int32_t *bounds)
{
    bound_check check = { bounds, false };
    if (e != NULL)
        wr_expr_walk(e, note_bound, &check);
    return check.reads;
}

/* For each column of plan: is it a bound of the WINDOW below?  *window NULL: there is none; *read:
 * F1 fails. */
static weir_status
trace_bounds(wr_arena *arena, const wr_plan *plan, const wr_plan **window, int32_t **out,
             bool *read)
{
    uint32_t n = plan->schema->field_count;
    int32_t *bounds = wr_arena_calloc(arena, n + 1, sizeof *bounds), *below;
    *window = NULL;
    *read = false;
    if (bounds == NULL)
        return WEIR_MEMORY;
    *out = bounds;
    if (plan->kind == WR_PLAN_WINDOW) {
        *window = plan;
        bounds[n - 2] = WR_KEY_WINDOW_START;
        bounds[n - 1] = WR_KEY_WINDOW_END;
        return WEIR_OK;
    }
    if (plan->kind != WR_PLAN_FILTER && plan->kind != WR_PLAN_PROJECT)
        return WEIR_OK;
    WR_TRY(trace_bounds(arena, plan->inputs[0], window, &below, read));
    if (*window == NULL)
        return WEIR_OK;
    if (plan->kind == WR_PLAN_FILTER) {
        *read |= reads_bound(plan->filter.predicate, below);
        *out = below;
        return WEIR_OK;
    }
    for (uint32_t i = 0; i < n; i++) {
        const wr_expr *e = plan->project.exprs[i];
        if (e->kind == WR_EXPR_COLUMN)
            bounds[i] = below[e->column];
        else
            *read |= reads_bound(e, below);
    }
    return WEIR_OK;
}

/* Column c of plan as an expression over the columns of `base`, some levels below. */
static wr_expr *
expr_at(wr_arena *arena, const wr_plan *plan, const wr_plan *base, uint32_t c)
{
    wr_expr *e = wr_expr_column(arena, c, plan->schema->fields[c].type);
    while (e != NULL && plan != base) {
        if (plan->kind == WR_PLAN_PROJECT)
            e = wr_expr_substitute(arena, e, plan->project.exprs);
        plan = plan->inputs[0];
    }
    return e;
}

/* F3.  Keys are compared as expressions below the projects under the WINDOW. */
static weir_status
session_fits(wr_arena *arena, const wr_plan *aggregate, const wr_plan *window,
             const int32_t *bounds, bool *fits)
{
    const wr_plan *base = window->inputs[0];
    while (base->kind == WR_PLAN_PROJECT || base->kind == WR_PLAN_FILTER)
        base = base->inputs[0];
    uint32_t matched = 0, others = 0;
    *fits = false;
    for (uint32_t i = 0; i < aggregate->aggregate.key_count; i++) {
        uint32_t c = aggregate->aggregate.keys[i];
        if (bounds[c] != 0)
            continue;
        others++;
        wr_expr *key = expr_at(arena, aggregate->inputs[0], window, c);
        for (const wr_plan *p = window->inputs[0]; key != NULL && p != base; p = p->inputs[0])
            if (p->kind == WR_PLAN_PROJECT)
                key = wr_expr_substitute(arena, key, p->project.exprs);
        if (key == NULL)
            return WEIR_MEMORY;
        for (uint32_t k = 0; k < window->window.key_count; k++) {
            wr_expr *mine = expr_at(arena, window->inputs[0], base, window->window.keys[k]);
            if (mine == NULL)
                return WEIR_MEMORY;
            if (wr_expr_equal(mine, key)) {
                matched++;
                break;
            }
        }
    }
    *fits = matched == others && others == window->window.key_count;
    return WEIR_OK;
}

/* *bounds: which of the input's columns are bounds of a window, fused or not. */
static weir_status
try_fuse(wr_arena *arena, const wr_plan *plan, wr_plan_time *time, int32_t **bounds_out)
{
    int32_t *bounds;
    const wr_plan *window;
    bool start = false, end = false, read;
    WR_TRY(trace_bounds(arena, plan->inputs[0], &window, &bounds, &read));
    *bounds_out = bounds;
    if (window == NULL || read)
        return WEIR_OK;
    for (uint32_t i = 0; i < plan->aggregate.call_count; i++) {
        const wr_agg_call *call = &plan->aggregate.calls[i];
        for (uint32_t a = 0; a < call->arg_count; a++)
            if (reads_bound(call->args[a], bounds))
                return WEIR_OK;
        if (reads_bound(call->filter, bounds))
            return WEIR_OK;
    }
    time->key_bounds = wr_arena_calloc(arena, plan->aggregate.key_count + 1, sizeof(int32_t));
    if (time->key_bounds == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < plan->aggregate.key_count; i++) {
        time->key_bounds[i] = bounds[plan->aggregate.keys[i]];
        start |= time->key_bounds[i] == WR_KEY_WINDOW_START;
        end |= time->key_bounds[i] == WR_KEY_WINDOW_END;
    }
    wr_window_kind kind = window->window.spec.kind;
    if ((!start && !end) || (kind == WR_WINDOW_CUMULATE && !end)) /* F2 */
        return WEIR_OK;
    if (kind == WR_WINDOW_SESSION) {
        bool fits;
        WR_TRY(session_fits(arena, plan, window, bounds, &fits));
        if (!fits)
            return WEIR_OK;
    }
    time->fused = true;
    time->session = kind == WR_WINDOW_SESSION;
    time->window = window;
    return WEIR_OK;
}

weir_status
wr_plan_aggregate_time(wr_arena *arena, const wr_plan_options *options, const wr_plan *plan,
                       wr_plan_time *time)
{
    const wr_schema *input = plan->inputs[0]->schema;
    int32_t *bounds = NULL;
    *time = (wr_plan_time){ .time_key = -1 };
    WR_TRY(try_fuse(arena, plan, time, &bounds));
    if (time->fused || options == NULL)
        return WEIR_OK;
    for (uint32_t i = 0; i < plan->aggregate.key_count; i++) {
        uint32_t c = plan->aggregate.keys[i];
        int64_t offset = input->fields[c].watermark_offset;
        if (offset == WR_NO_WATERMARK || (time->time_key >= 0 && offset <= time->time_offset))
            continue;
        if (options->bounded && bounds[c] == 0) /* D2 */
            continue;
        time->time_key = (int32_t)i;
        time->time_offset = offset;
    }
    return WEIR_OK;
}

/* The chain without the WINDOW; `time` is where its time column stands. */
static weir_status
strip(wr_arena *arena, const wr_plan *plan, wr_plan **out, uint32_t *time)
{
    if (plan->kind == WR_PLAN_WINDOW) {
        *out = plan->inputs[0];
        *time = plan->window.spec.time_column;
        return WEIR_OK;
    }
    wr_plan *input;
    WR_TRY(strip(arena, plan->inputs[0], &input, time));
    if (plan->kind == WR_PLAN_FILTER) {
        *out = wr_plan_make_filter(arena, input, plan->filter.predicate, plan->location);
        if (*out == NULL)
            return WEIR_MEMORY;
        (*out)->number = plan->number;
        return WEIR_OK;
    }
    uint32_t n = plan->schema->field_count, width = input->schema->field_count;
    wr_expr **exprs = wr_arena_alloc(arena, (n + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(arena, (n + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n; i++) {
        const wr_field *field = &plan->schema->fields[i];
        wr_value null = wr_value_null(field->type);
        bool gone = plan->project.exprs[i]->kind == WR_EXPR_COLUMN &&
                    plan->project.exprs[i]->column >= width;
        names[i] = field->name;
        exprs[i] = gone ? wr_expr_constant(arena, &null) : plan->project.exprs[i];
        if (exprs[i] == NULL)
            return WEIR_MEMORY;
    }
    exprs[n] = wr_expr_column(arena, *time, input->schema->fields[*time].type);
    names[n] = input->schema->fields[*time].name;
    if (exprs[n] == NULL)
        return WEIR_MEMORY;
    *time = n;
    *out = wr_plan_make_project(arena, input, exprs, names, n + 1, plan->location);
    if (*out == NULL)
        return WEIR_MEMORY;
    (*out)->number = plan->number;
    return WEIR_OK;
}

weir_status
wr_plan_strip_window(wr_arena *arena, const wr_plan *aggregate, wr_plan **out, uint32_t *time)
{
    return strip(arena, aggregate->inputs[0], out, time);
}

bool
wr_plan_over_time(const wr_plan *over, int32_t *column)
{
    const wr_schema *input = over->inputs[0]->schema;
    const wr_over_call *first = &over->over.calls[0];
    *column = -1;
    for (uint32_t p = 0; over->over.call_count > 0 && p < first->partition_count; p++) {
        uint32_t c = first->partition[p];
        bool everywhere = input->fields[c].watermark_offset != WR_NO_WATERMARK;
        for (uint32_t i = 1; i < over->over.call_count && everywhere; i++) {
            const wr_over_call *call = &over->over.calls[i];
            bool found = false;
            for (uint32_t k = 0; k < call->partition_count; k++)
                found |= call->partition[k] == c;
            everywhere = found;
        }
        if (!everywhere)
            continue;
        if (*column < 0 ||
            input->fields[c].watermark_offset > input->fields[*column].watermark_offset)
            *column = (int32_t)c;
    }
    return *column >= 0;
}
