/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/session_rows.c -- FROM session(t, ts, gap, k) whose rows are wanted, not their groups:
 * window functions.
 *
 *     new      ts > lag(ts) OVER (PARTITION BY k ORDER BY ts) + gap
 *     session  sum(new) OVER (PARTITION BY k ORDER BY ts)
 *     bounds   min(ts), max(ts) + gap OVER (PARTITION BY k, session)
 *
 * Bounded queries only: a row's session is known when its last row is.
 * Invariants  S1  a row without a time is in no session and does not come out
 *             S2  an event exactly one gap later is of the same session
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"

typedef struct session_state {
    wr_arena *arena;
    const wr_plan *window;
    weir_error *err;
    uint32_t width; /* of the input's columns */
} session_state;

static weir_status
call(session_state *s, const char *name, wr_expr *a, wr_expr *b, wr_expr **out)
{
    const wr_function *function;
    wr_type have[2] = { a->type, b->type }, want[2], result;
    wr_expr **args = wr_arena_alloc(s->arena, 2 * sizeof *args);
    if (args == NULL)
        return WEIR_MEMORY;
    WR_TRY(wr_function_resolve(name, have, 2, &function, want, &result, s->err));
    WR_TRY(wr_expr_cast(s->arena, a, want[0], WR_CAST_IMPLICIT, &args[0], s->err));
    WR_TRY(wr_expr_cast(s->arena, b, want[1], WR_CAST_IMPLICIT, &args[1], s->err));
    *out = wr_expr_call(s->arena, function, result, args, 2);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

static wr_expr *
column(session_state *s, const wr_plan *plan, uint32_t at)
{
    return wr_expr_column(s->arena, at, plan->schema->fields[at].type);
}

/* The time column as a timestamp. */
static weir_status
time_of(session_state *s, const wr_plan *plan, wr_expr **out)
{
    wr_expr *time = column(s, plan, s->window->window.spec.time_column);
    if (time == NULL)
        return WEIR_MEMORY;
    return wr_expr_cast(s->arena, time, s->window->schema->fields[s->width].type, WR_CAST_EXPLICIT,
                        out, s->err);
}

static wr_expr *
gap_of(session_state *s)
{
    wr_value gap = { .type = WR_TYPE(WR_INTERVAL),
                     .interval = { .us = s->window->window.spec.size } };
    return wr_expr_constant(s->arena, &gap);
}

/* plan's first `keep` columns, then extra ones. */
static weir_status
project(session_state *s, wr_plan **plan, uint32_t keep, wr_expr *const *extra, uint32_t count)
{
    wr_expr **exprs = wr_arena_alloc(s->arena, (keep + count + 1) * sizeof *exprs);
    const char **names = wr_arena_alloc(s->arena, (keep + count + 1) * sizeof *names);
    if (exprs == NULL || names == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < keep + count; i++) {
        names[i] = i < keep ? (*plan)->schema->fields[i].name : "?column?";
        exprs[i] = i < keep ? column(s, *plan, i) : extra[i - keep];
        if (exprs[i] == NULL)
            return WEIR_MEMORY;
    }
    *plan = wr_plan_make_project(s->arena, *plan, exprs, names, keep + count, s->window->location);
    return *plan != NULL ? WEIR_OK : WEIR_MEMORY;
}

/* A call over the session's keys (and `more` columns), ordered by time when asked. */
static weir_status
over_call(session_state *s, wr_over_function function, const char *name, wr_expr *arg,
          const uint32_t *more, uint32_t more_count, bool ordered, uint32_t time, wr_over_call *out)
{
    uint32_t n = s->window->window.key_count;
    wr_type have = arg->type, want;
    *out = (wr_over_call){ .name = name,
                           .function = function,
                           .result = arg->type,
                           .arg_count = 1,
                           .location = s->window->location,
                           .partition_count = n + more_count,
                           .order_count = ordered,
                           .mode = WR_FRAME_RANGE };
    out->start.unbounded = true;
    out->end.unbounded = out->end.following = !ordered;
    out->start.offset = out->end.offset = wr_value_null(WR_TYPE(WR_INT8));
    out->partition = wr_arena_alloc(s->arena, (n + more_count + 1) * sizeof *out->partition);
    out->order = wr_arena_calloc(s->arena, 1, sizeof *out->order);
    if (out->partition == NULL || out->order == NULL)
        return WEIR_MEMORY;
    for (uint32_t i = 0; i < n + more_count; i++)
        out->partition[i] = i < n ? s->window->window.keys[i] : more[i - n];
    out->order[0].column = time;
    out->args[0] = arg;
    if (function != WR_OVER_AGGREGATE)
        return WEIR_OK;
    WR_TRY(wr_aggregate_resolve(name, &have, 1, &out->aggregate, &want, &out->result, s->err));
    return wr_expr_cast(s->arena, arg, want, WR_CAST_IMPLICIT, &out->args[0], s->err);
}

/* CASE WHEN ts <= previous + gap THEN 0 ELSE 1 END: NULL is not true, so the first row is new. */
static weir_status
is_new(session_state *s, wr_expr *time, wr_expr *previous, wr_expr **out)
{
    wr_value zero = { .type = WR_TYPE(WR_INT4) }, one = { .type = WR_TYPE(WR_INT4), .integer = 1 };
    wr_expr **args = wr_arena_alloc(s->arena, 3 * sizeof *args), *limit, *gap = gap_of(s);
    if (args == NULL || gap == NULL)
        return WEIR_MEMORY;
    WR_TRY(call(s, "+", previous, gap, &limit));
    WR_TRY(call(s, "<=", time, limit, &args[0]));
    args[1] = wr_expr_constant(s->arena, &zero);
    args[2] = wr_expr_constant(s->arena, &one);
    if (args[1] == NULL || args[2] == NULL)
        return WEIR_MEMORY;
    *out = wr_expr_make(s->arena, WR_EXPR_CASE, WR_TYPE(WR_INT4), args, 3);
    return *out != NULL ? WEIR_OK : WEIR_MEMORY;
}

static weir_status
expand(session_state *s, wr_plan **out)
{
    wr_plan *plan = s->window->inputs[0];
    uint32_t n = s->width, time = s->window->window.spec.time_column;
    wr_over_call calls[2];
    wr_expr *arg, *extra[2], *t, **test = wr_arena_alloc(s->arena, sizeof *test);
    if (test == NULL || (test[0] = column(s, plan, time)) == NULL)
        return WEIR_MEMORY;
    wr_expr *known = wr_expr_make(s->arena, WR_EXPR_IS_NOT_NULL, WR_TYPE(WR_BOOL), test, 1);
    if (known == NULL || (plan = wr_plan_make_filter(s->arena, plan, known, -1)) == NULL) /* S1 */
        return WEIR_MEMORY;
    WR_TRY(time_of(s, plan, &t));
    WR_TRY(over_call(s, WR_OVER_LAG, "lag", t, NULL, 0, true, time, &calls[0]));
    if ((plan = wr_plan_make_over(s->arena, plan, calls, 1, s->window->location)) == NULL)
        return WEIR_MEMORY;
    WR_TRY(is_new(s, t, column(s, plan, n), &extra[0]));
    WR_TRY(project(s, &plan, n, extra, 1));
    if ((arg = column(s, plan, n)) == NULL)
        return WEIR_MEMORY;
    WR_TRY(over_call(s, WR_OVER_AGGREGATE, "sum", arg, NULL, 0, true, time, &calls[0]));
    uint32_t session = n + 1;
    if ((plan = wr_plan_make_over(s->arena, plan, calls, 1, s->window->location)) == NULL)
        return WEIR_MEMORY;
    WR_TRY(over_call(s, WR_OVER_AGGREGATE, "min", t, &session, 1, false, time, &calls[0]));
    WR_TRY(over_call(s, WR_OVER_AGGREGATE, "max", t, &session, 1, false, time, &calls[1]));
    if ((plan = wr_plan_make_over(s->arena, plan, calls, 2, s->window->location)) == NULL)
        return WEIR_MEMORY;
    extra[0] = column(s, plan, n + 2);
    arg = column(s, plan, n + 3);
    wr_expr *gap = gap_of(s);
    if (extra[0] == NULL || arg == NULL || gap == NULL)
        return WEIR_MEMORY;
    WR_TRY(call(s, "+", arg, gap, &extra[1]));
    WR_TRY(project(s, &plan, n, extra, 2));
    *out = plan;
    return WEIR_OK;
}

/* Replace the WINDOW in place; its columns and their names stay. */
weir_status
wr_plan_expand_session(wr_arena *arena, wr_plan *window, weir_error *err)
{
    session_state s = { .arena = arena,
                        .window = window,
                        .err = err,
                        .width = window->inputs[0]->schema->field_count };
    wr_plan *made;
    WR_TRY(expand(&s, &made));
    wr_assert(made->schema->field_count == window->schema->field_count);
    for (uint32_t i = 0; i < made->schema->field_count; i++)
        made->schema->fields[i].name = window->schema->fields[i].name;
    *window = *made;
    return WEIR_OK;
}
