/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/over_mode.c -- how window functions are answered, and what state that takes.
 *
 *     AT_END   the input ends: all at its end (rows that change are folded first)
 *     BY_TIME  a partition column has a watermark, and rows only come: each partition once, when it
 *              has passed
 *     ROLLING  ordered by event time and looking back alone, and rows only come: each row once, when
 *              the watermark has passed it; rows without a time come at the end where state may be
 *              unbounded, else they are counted and left out
 *     CHANGES  else: partitions that change are answered anew
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"
#include "operator/window.h"

#include <stdio.h>
#include <string.h>

uint32_t
wr_plan_over_shared(const wr_plan *plan, uint32_t *columns)
{
    const wr_over_call *first = &plan->over.calls[0];
    uint32_t count = 0;
    for (uint32_t p = 0; p < first->partition_count; p++) {
        bool everywhere = true;
        for (uint32_t i = 1; i < plan->over.call_count && everywhere; i++) {
            const wr_over_call *call = &plan->over.calls[i];
            bool found = false;
            for (uint32_t k = 0; k < call->partition_count; k++)
                found |= call->partition[k] == first->partition[p];
            everywhere = found;
        }
        if (everywhere && columns != NULL)
            columns[count] = first->partition[p];
        count += everywhere;
    }
    return count;
}

/* The longest that an interval can be. */
static int64_t
interval_us_max(const wr_interval *v)
{
    int64_t us, days;
    if (__builtin_mul_overflow((int64_t)v->months * 31 + v->days, WR_US_PER_DAY, &days) ||
        __builtin_add_overflow(days, v->us, &us) || us < 0)
        return INT64_MAX;
    return us;
}

/* How far a frame's start looks back. */
static void
frame_reach(const wr_over_call *call, wr_plan_rolling *r)
{
    const wr_frame_end *start = &call->start;
    if (start->unbounded || call->mode == WR_FRAME_GROUPS) {
        r->all = true;
    } else if (start->offset.is_null) {
        r->reach_us = WR_MAX(r->reach_us, 1);
    } else if (call->mode == WR_FRAME_ROWS) {
        r->reach_rows = WR_MAX(r->reach_rows, (uint64_t)start->offset.integer);
    } else if (start->offset.type.id == WR_INTERVAL) {
        int64_t us = interval_us_max(&start->offset.interval);
        r->all = r->all || us == INT64_MAX;
        r->reach_us = WR_MAX(r->reach_us, us);
    } else {
        r->all = true;
    }
}

static bool
lag_reach(const wr_over_call *call, wr_plan_rolling *r)
{
    uint64_t rows = 1;
    if (call->arg_count > 1) {
        const wr_expr *by = call->args[1];
        if (by->kind != WR_EXPR_CONSTANT)
            return false;
        if (!by->constant.is_null && by->constant.integer < 0)
            return false;
        rows = by->constant.is_null ? 0 : (uint64_t)by->constant.integer;
    }
    r->reach_rows = WR_MAX(r->reach_rows, rows);
    return true;
}

/* One call looks back alone, in the order of column c. */
static bool
call_rolls(const wr_over_call *call, uint32_t c, wr_plan_rolling *r)
{
    if (call->order_count == 0 || call->order[0].column != c || call->order[0].descending)
        return false;
    if (r->keep_untimed && call->order[0].nulls_first)
        return false; /* each of them would change all answers */
    switch (call->function) {
    case WR_OVER_ROW_NUMBER:
    case WR_OVER_RANK:
    case WR_OVER_DENSE_RANK: r->all = true; return true;
    case WR_OVER_LAG: return lag_reach(call, r);
    case WR_OVER_AGGREGATE:
    case WR_OVER_FIRST_VALUE:
    case WR_OVER_LAST_VALUE:
    case WR_OVER_NTH_VALUE:
        if (call->end.following && (call->end.unbounded || !call->end.offset.is_null))
            return false;
        frame_reach(call, r);
        return true;
    default: return false;
    }
}

/* Is a call's partition a part of the rows that are kept together? */
static bool
parts_finer(const wr_plan *over, const wr_over_call *call)
{
    for (uint32_t p = 0; p < call->partition_count; p++)
        for (uint32_t i = 0; i < over->over.call_count; i++) {
            const wr_over_call *other = &over->over.calls[i];
            bool found = false;
            for (uint32_t k = 0; k < other->partition_count; k++)
                found |= other->partition[k] == call->partition[p];
            if (!found)
                return true;
        }
    return false;
}

static bool
rolls(const wr_plan_options *options, const wr_plan *over, wr_plan_rolling *r)
{
    const wr_schema *input = over->inputs[0]->schema;
    const wr_over_call *first = &over->over.calls[0];
    *r = (wr_plan_rolling){ 0 };
    if (input->kind != WR_INSERT_ONLY || first->order_count == 0)
        return false;
    r->time_column = first->order[0].column;
    if (input->fields[r->time_column].watermark_offset == WR_NO_WATERMARK ||
        !wr_type_is_time(input->fields[r->time_column].type))
        return false;
    r->keep_untimed = options->unbounded_state && !input->fields[r->time_column].not_null;
    for (uint32_t i = 0; i < over->over.call_count; i++) {
        uint64_t rows = r->reach_rows;
        r->reach_rows = 0;
        if (!call_rolls(&over->over.calls[i], r->time_column, r))
            return false;
        if (r->reach_rows > 0 && parts_finer(over, &over->over.calls[i]))
            r->all = true; /* the last rows of what is kept together need not be those of its part */
        r->reach_rows = WR_MAX(r->reach_rows, rows);
    }
    return true;
}

wr_plan_over_mode
wr_plan_over_mode_of(const wr_plan_options *options, const wr_plan *over, wr_plan_rolling *rolling)
{
    int32_t column;
    bool timed = over->inputs[0]->schema->kind == WR_INSERT_ONLY && wr_plan_over_time(over, &column);
    if (timed && over->over.by_time)
        return WR_PLAN_OVER_BY_TIME;
    if (options == NULL || options->bounded || wr_plan_ends(over))
        return WR_PLAN_OVER_AT_END;
    if (timed)
        return WR_PLAN_OVER_BY_TIME;
    return rolls(options, over, rolling) ? WR_PLAN_OVER_ROLLING : WR_PLAN_OVER_CHANGES;
}

void
wr_plan_derive_over(const wr_plan_options *options, wr_plan *plan)
{
    wr_plan_rolling r;
    int32_t column = -1;
    switch (wr_plan_over_mode_of(options, plan, &r)) {
    case WR_PLAN_OVER_AT_END: plan->schema->kind = WR_INSERT_ONLY; break;
    case WR_PLAN_OVER_BY_TIME: wr_plan_over_time(plan, &column); break;
    case WR_PLAN_OVER_ROLLING: column = (int32_t)r.time_column; break;
    case WR_PLAN_OVER_CHANGES:
        wr_plan_over_time(plan, &column);
        plan->schema->kind = WR_CHANGELOG;
        break;
    }
    for (uint32_t i = 0; i < plan->schema->field_count; i++)
        if ((int32_t)i != column)
            plan->schema->fields[i].watermark_offset = WR_NO_WATERMARK;
    plan->schema->time_column = column;
}

static weir_status
refuse(const wr_plan *plan, weir_error *err, const char *what, const char *hint)
{
    weir_status status = wr_error_at(err, WEIR_QUERY_UNBOUNDED, plan->location, "%s", what);
    wr_error_hint(err, "%s", hint);
    return status;
}

weir_status
wr_plan_check_over(const wr_plan_options *options, const wr_plan *plan, weir_error *err)
{
    wr_plan_rolling r;
    int32_t column;
    bool keyed = wr_plan_over_shared(plan, NULL) > 0;
    bool allowed = options->unbounded_state || (options->ttl_us > 0 && keyed);
    switch (wr_plan_over_mode_of(options, plan, &r)) {
    case WR_PLAN_OVER_AT_END:
    case WR_PLAN_OVER_BY_TIME: return WEIR_OK;
    case WR_PLAN_OVER_ROLLING:
        if (allowed || (!r.all && (r.reach_rows == 0 || !keyed)))
            return WEIR_OK;
        if (r.all)
            return refuse(
                plan, err, "window functions over all rows so far keep all of them",
                keyed ? "say how far back they look: RANGE BETWEEN interval '1 hour' PRECEDING AND "
                        "CURRENT ROW, or set state: { ttl: 1h } or state: { unbounded: true }"
                      : "say how far back they look: RANGE BETWEEN interval '1 hour' PRECEDING AND "
                        "CURRENT ROW, or set state: { unbounded: true }");
        return refuse(
            plan, err, "the last rows of every key are kept, without bound",
            "look back in time: RANGE BETWEEN interval '1 hour' PRECEDING AND CURRENT ROW, or "
            "set state: { ttl: 1h } or state: { unbounded: true }");
    case WR_PLAN_OVER_CHANGES:
        if (allowed || wr_plan_over_time(plan, &column))
            return WEIR_OK;
        return refuse(
            plan, err, "window functions wait for the end of an endless input",
            "partition by window_start of a windowed aggregate, or order by the time column that "
            "has the watermark and look back, or set state: { unbounded: true }: a partition is "
            "then answered anew when it changes");
    }
    wr_unreachable();
}

void
wr_plan_explain_over(const wr_plan *plan, const wr_plan_options *options, wr_text *to)
{
    wr_plan_rolling r;
    bool keyed = wr_plan_over_shared(plan, NULL) > 0;
    const char *idle = options != NULL && options->ttl_us > 0 ? ", within the ttl" : "";
    char left_out[64] = "";
    if (plan->over.most > 0)
        snprintf(left_out, sizeof left_out, ", less those that came behind %u better one%s",
                 plan->over.most, plan->over.most == 1 ? "" : "s");
    switch (wr_plan_over_mode_of(options, plan, &r)) {
    case WR_PLAN_OVER_AT_END:
        wr_text_printf(to, "state: all rows of the input%s\n", left_out);
        return;
    case WR_PLAN_OVER_BY_TIME:
        wr_text_printf(to, "state: rows of partitions not yet passed%s\n", left_out);
        return;
    case WR_PLAN_OVER_CHANGES:
        wr_text_printf(to, "answered anew when a partition changes\n");
        return;
    case WR_PLAN_OVER_ROLLING: break;
    }
    const char *untimed = r.keep_untimed ? ", rows without a time until the end" : "";
    wr_text_puts(to, "answered once, by time; state: rows not yet passed");
    if (r.all) {
        wr_text_printf(to, " and all before them%s%s\n", idle, untimed);
        return;
    }
    if (r.reach_us > 1) {
        wr_interval back = { 0, (int32_t)(r.reach_us / WR_US_PER_DAY), r.reach_us % WR_US_PER_DAY };
        wr_text_puts(to, ", ");
        wr_interval_print(&back, to);
        wr_text_puts(to, " before them");
    }
    if (r.reach_rows > 0)
        wr_text_printf(to, ", %llu row%s%s%s", (unsigned long long)r.reach_rows,
                       r.reach_rows == 1 ? "" : "s", keyed ? " a key" : "", idle);
    wr_text_printf(to, "%s\n", untimed);
}
