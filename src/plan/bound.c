/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/bound.c -- refuse, with the place and what to write instead, a query whose state has no
 * bound.
 *
 * Invariants  B1  a bounded query is never refused: every input ends
 *             B2  what passes keeps state for open windows, time bounds or a ttl only, or the
 * author has said state: { unbounded: true }
 */
#include "plan/rules_impl.h"

#include "data/row_code.h"

#include <string.h>

bool
wr_plan_ends(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return plan->scan.relation->bounded;
    for (uint32_t i = 0; i < plan->input_count; i++)
        if (!wr_plan_ends(plan->inputs[i]))
            return false;
    return true;
}

bool
wr_plan_is_table(const wr_plan *plan)
{
    if (plan->kind == WR_PLAN_SCAN)
        return plan->scan.relation->bounded || plan->scan.relation->keyed;
    for (uint32_t i = 0; i < plan->input_count; i++)
        if (!wr_plan_is_table(plan->inputs[i]))
            return false;
    return true;
}

int32_t
wr_plan_place(const wr_plan *plan)
{
    if (plan->location >= 0)
        return plan->location;
    for (uint32_t i = 0; i < plan->input_count; i++) {
        int32_t below = wr_plan_place(plan->inputs[i]);
        if (below >= 0)
            return below;
    }
    return -1;
}

static weir_status
unbounded(const wr_plan *plan, weir_error *err, const char *what, const char *hint)
{
    weir_status status = wr_error_at(err, WEIR_QUERY_UNBOUNDED, wr_plan_place(plan), "%s", what);
    wr_error_hint(err, "%s", hint);
    return status;
}

/* A row taken back would have to part a session in two. */
static weir_status
check_retractions(const wr_plan *plan, const wr_plan_time *time, weir_error *err)
{
    if (plan->inputs[0]->schema->kind == WR_INSERT_ONLY || !time->session)
        return WEIR_OK;
    weir_status status = wr_error_at(err, WEIR_QUERY_UNSUPPORTED, time->window->location,
                                     "session() over rows that change is not supported");
    wr_error_hint(err, "make the input final: emit: final on the view below, or use hop()");
    return status;
}

static weir_status
check_aggregate(wr_arena *arena, const wr_plan_options *options, const wr_plan *plan,
                weir_error *err)
{
    wr_plan_time time;
    WR_TRY(wr_plan_aggregate_time(arena, options, plan, &time));
    WR_TRY(check_retractions(plan, &time, err));
    bool allowed = options->unbounded_state || options->ttl_us > 0;
    if (time.fused && time.window->window.spec.watermark_offset == WR_NO_WATERMARK && !allowed)
        return unbounded(
            time.window, err, "the windows never close: their time column has no watermark",
            "set watermark: on the source to this column, or window over the column that "
            "has one");
    if (time.fused || time.time_key >= 0 || plan->aggregate.global || allowed ||
        wr_plan_is_table(plan))
        return WEIR_OK;
    if (plan->aggregate.call_count == 0)
        return unbounded(plan, err, "DISTINCT keeps every row it has seen, without bound",
                         "use a window: SELECT DISTINCT window_start, ... FROM tumble(...), or set "
                         "state: { ttl: 1h } or state: { unbounded: true }");
    return unbounded(
        plan, err, "GROUP BY keeps every key it has seen, without bound",
        "group by a window: FROM tumble(t, ts, interval '1 minute') GROUP BY window_start, ..., "
        "or set state: { ttl: 1h } or state: { unbounded: true }");
}

static weir_status
check_top_n(const wr_plan_options *options, const wr_plan *plan, weir_error *err)
{
    const wr_schema *input = plan->inputs[0]->schema;
    for (uint32_t i = 0; i < plan->top.key_count; i++) {
        wr_type type = input->fields[plan->top.keys[i].column].type;
        if (!wr_order_key_can(type))
            return wr_error_at(err, WEIR_QUERY_UNSUPPORTED, wr_plan_place(plan),
                               "ORDER BY a %s is not supported over an endless input",
                               wr_type_name(type));
    }
    bool whole = plan->top.partition_count == 0;
    if (options->unbounded_state || wr_plan_top_n_time(plan) >= 0 ||
        (whole && input->kind == WR_INSERT_ONLY) || (!whole && options->ttl_us > 0))
        return WEIR_OK;
    if (whole)
        return unbounded(plan, err, "the first of rows that change: all of them are kept",
                         "say state: { unbounded: true }: as many rows are kept as the input holds");
    return unbounded(plan, err, "the first rows of every key are kept, without bound",
                     "partition by window_start too, or set state: { ttl: 1h } or state: { "
                     "unbounded: true }");
}

static weir_status
check_dedup(const wr_plan *plan, weir_error *err)
{
    const wr_schema *input = plan->inputs[0]->schema;
    const wr_field *time = &input->fields[plan->dedup.time_column];
    if (input->kind != WR_INSERT_ONLY) {
        weir_status status = wr_error_at(err, WEIR_QUERY_UNSUPPORTED, plan->location,
                                         "dedup() over rows that change is not supported");
        wr_error_hint(err, "make the input final (emit: final on the view below), or write "
                           "SELECT DISTINCT ON (k) ... ORDER BY k, ts");
        return status;
    }
    if (time->watermark_offset != WR_NO_WATERMARK)
        return WEIR_OK;
    weir_status status = wr_error_at(err, WEIR_QUERY_UNBOUNDED, plan->location,
                                     "dedup() keeps all rows: its time, \"%s\", has no watermark",
                                     time->name);
    wr_error_hint(err, "set watermark: on the source to this column, or name the column that has "
                       "one: dedup(t, k, interval '10 minutes', event_time => ts)");
    return status;
}

static weir_status
check(wr_arena *arena, const wr_plan_options *options, const wr_plan *plan, weir_error *err)
{
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(check(arena, options, plan->inputs[i], err));
    if (!options->bounded)
        WR_TRY(wr_plan_check_moving(arena, plan, wr_plan_place(plan), err));
    if (plan->kind == WR_PLAN_JOIN && plan->join.mode == WR_JOIN_ASOF)
        return wr_plan_check_join(options, plan, err);
    if (options->bounded || wr_plan_ends(plan))
        return WEIR_OK;
    switch (plan->kind) {
    case WR_PLAN_AGGREGATE: return check_aggregate(arena, options, plan, err);
    case WR_PLAN_JOIN: return wr_plan_check_join(options, plan, err);
    case WR_PLAN_TOP_N: return check_top_n(options, plan, err);
    case WR_PLAN_DEDUP: return check_dedup(plan, err);
    case WR_PLAN_SORT:
        return unbounded(
            plan, err,
            plan->sort.key_count > 0 ? "ORDER BY waits for the end of an endless input"
                                     : "LIMIT counts rows of an endless input",
            "leave it to the reader of the view, or rank within a window: row_number() OVER "
            "(PARTITION BY window_start ORDER BY ...)");
    case WR_PLAN_OVER: return wr_plan_check_over(options, plan, err);
    default: return WEIR_OK;
    }
}

/* Sessions that are not grouped by exactly their keys: expanded where the input ends, else refused.
 */
static weir_status
settle_sessions(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, bool fused,
                bool *expanded, weir_error *err)
{
    wr_plan_time time = { 0 };
    if (plan->kind == WR_PLAN_AGGREGATE)
        WR_TRY(wr_plan_aggregate_time(arena, options, plan, &time));
    bool passes = plan->kind == WR_PLAN_PROJECT || plan->kind == WR_PLAN_FILTER;
    for (uint32_t i = 0; i < plan->input_count; i++)
        WR_TRY(settle_sessions(arena, options, plan->inputs[i], passes ? fused : time.fused,
                               expanded, err));
    if (plan->kind != WR_PLAN_WINDOW || plan->window.spec.kind != WR_WINDOW_SESSION || fused)
        return WEIR_OK;
    if (options->bounded) {
        *expanded = true;
        return wr_plan_expand_session(arena, plan, err);
    }
    weir_status status =
        wr_error_at(err, WEIR_QUERY_UNSUPPORTED, plan->location,
                    "session() without a GROUP BY of exactly its keys is not supported "
                    "over an endless input");
    wr_error_hint(err,
                  "write GROUP BY key, window_start, window_end with the keys given to session()");
    return status;
}

weir_status
wr_plan_bound(wr_arena *arena, const wr_plan_options *options, wr_plan *plan, weir_error *err)
{
    WR_TRY(wr_plan_derive(arena, options, plan));
    bool expanded = false;
    WR_TRY(settle_sessions(arena, options, plan, false, &expanded, err));
    if (expanded)
        WR_TRY(wr_plan_derive(arena, options, plan));
    bool found = false;
    WR_TRY(wr_plan_find_extremes(arena, options, plan, &found));
    if (found)
        WR_TRY(wr_plan_derive(arena, options, plan));
    found = false;
    WR_TRY(wr_plan_find_top_n(arena, options, plan, &found));
    if (found)
        WR_TRY(wr_plan_derive(arena, options, plan));
    WR_TRY(check(arena, options, plan, err));
    return wr_arena_ok(arena) ? WEIR_OK
                              : wr_error_set(err, WEIR_MEMORY, "the plan does not fit the memory budget");
}
