/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan/time_offset.c -- how an expression moves time: what the watermark promises of its value.
 *
 * Place       columns of projects (derive.c).
 * Invariants  an offset is a lower bound of value - time: when in doubt, WR_NO_WATERMARK
 */
#include "plan/rules_impl.h"

#include "data/datetime.h"

#include <string.h>

/* slack: how uncertain the length is, of months */
static bool
constant_interval_us(const wr_expr *e, int64_t *us, int64_t *slack)
{
    if (e->kind != WR_EXPR_CONSTANT || e->type.id != WR_INTERVAL || e->constant.is_null)
        return false;
    wr_interval v = e->constant.interval;
    int64_t days;
    *slack = 0;
    if (v.months != 0)
        *slack = 31; /* a month is 28 to 31 days: handled by the caller's sign */
    return !__builtin_mul_overflow((int64_t)v.days, WR_US_PER_DAY, &days) &&
           !__builtin_add_overflow(days, v.us, us);
}

/* The longest that truncation to the unit takes away, in days; 0: less than a day; -1: not known.
 */
static int64_t
unit_days(const wr_string *unit, int64_t *us)
{
    static const struct {
        const char *name;
        int64_t days, us;
    } units[] = {
        { "microseconds", 0, 1 },   { "microsecond", 0, 1 },  { "milliseconds", 0, 1000 },
        { "millisecond", 0, 1000 }, { "second", 0, 1000000 }, { "minute", 0, 60000000 },
        { "hour", 0, 3600000000 },  { "day", 1, 0 },          { "week", 7, 0 },
        { "month", 31, 0 },         { "quarter", 92, 0 },     { "year", 366, 0 },
        { "decade", 3653, 0 },      { "century", 36525, 0 },  { "millennium", 365250, 0 },
    };
    for (uint32_t i = 0; i < WR_COUNT(units); i++)
        if (strlen(units[i].name) == unit->length &&
            memcmp(units[i].name, wr_string_data(unit), unit->length) == 0) {
            *us = units[i].us;
            return units[i].days;
        }
    return -1;
}

int64_t
wr_plan_offset_add(int64_t offset, int64_t us)
{
    int64_t sum;
    if (offset == WR_NO_WATERMARK || __builtin_add_overflow(offset, us, &sum) ||
        sum < -INT64_MAX / 4 || sum > INT64_MAX / 4)
        return WR_NO_WATERMARK;
    return sum;
}

/* The zone that a constant names; NULL: none, or not known yet. */
static const wr_zone *
constant_zone(const wr_expr *e)
{
    if (e->kind != WR_EXPR_CONSTANT || e->type.id != WR_TEXT || e->constant.is_null)
        return NULL;
    return wr_zone_find(wr_string_data(&e->constant.string), e->constant.string.length);
}

/* date_trunc(unit, t), date_trunc(unit, t, zone).  In a zone the beginning of a day may be told by another offset
 * than the time. */
static int64_t
trunc_offset(const wr_expr *e, const wr_schema *input)
{
    int32_t least = 0, most = 0;
    int64_t us = 0;
    if (e->args[0]->kind != WR_EXPR_CONSTANT || e->args[0]->constant.is_null ||
        e->args[0]->type.id != WR_TEXT || !wr_type_is_time(e->args[1]->type))
        return WR_NO_WATERMARK;
    if (e->arg_count == 3) {
        const wr_zone *zone = constant_zone(e->args[2]);
        if (zone == NULL)
            return WR_NO_WATERMARK;
        wr_zone_offsets(zone, &least, &most);
    }
    int64_t days = unit_days(&e->args[0]->constant.string, &us);
    us += days * WR_US_PER_DAY + (int64_t)(most - least) * WR_US_PER_SECOND;
    return days < 0 ? WR_NO_WATERMARK
                    : wr_plan_offset_add(wr_plan_expr_offset(e->args[1], input), 1 - us);
}

/* t AT TIME ZONE zone, to its local time or from it. */
static int64_t
zone_offset(const wr_expr *e, const wr_schema *input)
{
    int32_t least, most;
    const wr_zone *zone = constant_zone(e->args[0]);
    if (zone == NULL || !wr_type_is_time(e->args[1]->type))
        return WR_NO_WATERMARK;
    wr_zone_offsets(zone, &least, &most);
    int64_t us = (e->args[1]->type.id == WR_TIMESTAMPTZ ? least : -most) * (int64_t)WR_US_PER_SECOND;
    return wr_plan_offset_add(wr_plan_expr_offset(e->args[1], input), us);
}

/* A cast between dates and the two kinds of timestamp: the session's zone is UTC. */
static bool
is_cast(const wr_expr *e)
{
    return e->kind == WR_EXPR_CALL && e->arg_count > 0 && wr_type_is_time(e->type) &&
           wr_type_is_time(e->args[0]->type) && e->type.modifier < 0 &&
           wr_cast_find(e->args[0]->type, e->type, WR_CAST_EXPLICIT) == e->function;
}

static int64_t
cast_offset(const wr_expr *e, const wr_schema *input)
{
    if (!is_cast(e))
        return WR_NO_WATERMARK;
    bool cut = e->type.id == WR_DATE && e->args[0]->type.id != WR_DATE;
    return wr_plan_offset_add(wr_plan_expr_offset(e->args[0], input), cut ? 1 - WR_US_PER_DAY : 0);
}

/* x + interval, x - interval, neither with months. */
static bool
is_shift(const wr_expr *e, int64_t *us)
{
    int64_t slack;
    if (e->kind != WR_EXPR_CALL || e->arg_count != 2 ||
        (strcmp(e->function->name, "+") != 0 && strcmp(e->function->name, "-") != 0) ||
        !constant_interval_us(e->args[1], us, &slack) || slack != 0)
        return false;
    return e->function->name[0] == '+' || !__builtin_sub_overflow(0, *us, us);
}

bool
wr_plan_expr_moment(const wr_expr *e, uint32_t *column, int64_t *us)
{
    int64_t more;
    if (e->type.id != WR_TIMESTAMP && e->type.id != WR_TIMESTAMPTZ)
        return false;
    if (e->kind == WR_EXPR_COLUMN) {
        *column = e->column;
        *us = 0;
        return true;
    }
    if (is_shift(e, &more))
        return wr_plan_expr_moment(e->args[0], column, us) && !__builtin_add_overflow(*us, more, us);
    return is_cast(e) && wr_plan_expr_moment(e->args[0], column, us);
}

static int64_t
call_offset(const wr_expr *e, const wr_schema *input)
{
    const char *name = e->function->name;
    int64_t us, slack;
    if (is_shift(e, &us))
        return e->type.id == WR_DATE ? WR_NO_WATERMARK
                                     : wr_plan_offset_add(wr_plan_expr_offset(e->args[0], input), us);
    if (strcmp(name, "date_trunc") == 0 && (e->arg_count == 2 || e->arg_count == 3))
        return trunc_offset(e, input);
    if (strcmp(name, "timezone") == 0 && e->arg_count == 2)
        return zone_offset(e, input);
    if (strcmp(name, "date_bin") == 0 && e->arg_count == 3 &&
        constant_interval_us(e->args[0], &us, &slack) && slack == 0 && us > 0 &&
        wr_expr_is_constant(e->args[2]))
        return wr_plan_offset_add(wr_plan_expr_offset(e->args[1], input), 1 - us);
    return cast_offset(e, input);
}

int64_t
wr_plan_expr_offset(const wr_expr *e, const wr_schema *input)
{
    if (!wr_type_is_time(e->type))
        return WR_NO_WATERMARK;
    if (e->kind == WR_EXPR_COLUMN)
        return input->fields[e->column].watermark_offset;
    return e->kind == WR_EXPR_CALL ? call_offset(e, input) : WR_NO_WATERMARK;
}
