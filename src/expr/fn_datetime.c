/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime.c -- now and its kin, time zones, age, justify, overlaps.
 *
 * Place       rows of the function registry; AT TIME ZONE is timezone(zone, time).
 * State       none: now comes from the eval, which had it from the injected clock.
 * Invariants  D1  the session's zone is UTC: timestamp and timestamptz hold the same number
 */
#include "expr/fn_datetime_impl.h"
#include "expr/registry_impl.h"

/* --- now --- */

FN_KERNEL(datetime_now)
{
    out->integer = eval->now; /* D1: with and without a zone */
    return WEIR_OK;
}

FN_KERNEL(datetime_current_date)
{
    out->integer = fn_floor_divide(eval->now, WR_US_PER_DAY);
    return WEIR_OK;
}

FN_KERNEL(datetime_local_time)
{
    out->integer = eval->now - fn_floor_divide(eval->now, WR_US_PER_DAY) * WR_US_PER_DAY;
    return WEIR_OK;
}

/* --- time zones --- */

static weir_status
time_give(wr_eval *eval, uint32_t row, wr_time t, wr_value *out)
{
    static const wr_interval nothing;
    if (fn_time_is_infinite(t) || !wr_time_add_interval(t, &nothing, &out->integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    return WEIR_OK;
}

/* timezone(zone, timestamptz): the local time there; of a timestamp: the moment meant. */
FN_KERNEL(timestamp_zone)
{
    const wr_zone *zone;
    wr_time        t = args[1].integer, moved;
    bool           to_local = args[1].type.id == WR_TIMESTAMPTZ;
    out->integer = t;
    if (fn_time_is_infinite(t))
        return WEIR_OK;
    WR_TRY(wr_fn_zone(eval, row, &args[0].string, &zone));
    if (!to_local)
        moved = wr_zone_to_utc(zone, t);
    else if (__builtin_add_overflow(t, wr_zone_offset_at(zone, t) * WR_US_PER_SECOND, &moved))
        moved = WR_TIME_POSINF;
    return time_give(eval, row, moved, out);
}

FN_KERNEL(timestamp_zone_interval)
{
    const wr_interval *zone = &args[0].interval;
    wr_time            t = args[1].integer, moved;
    out->integer = t;
    if (fn_time_is_infinite(t))
        return WEIR_OK;
    if (zone->months != 0 || zone->days != 0) {
        wr_text text;
        wr_text_init(&text, eval->budget);
        wr_interval_print(zone, &text);
        weir_status status =
            wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                         "interval time zone \"%s\" must not include months or days",
                         wr_text_string(&text));
        wr_text_fini(&text);
        return status;
    }
    int64_t offset = zone->us / WR_US_PER_SECOND * WR_US_PER_SECOND;
    bool    over = args[1].type.id == WR_TIMESTAMPTZ ? __builtin_add_overflow(t, offset, &moved)
                                                     : __builtin_sub_overflow(t, offset, &moved);
    return time_give(eval, row, over ? WR_TIME_POSINF : moved, out);
}

/* --- age --- */

FN_KERNEL(timestamp_age)
{
    wr_time a = args[0].integer, b = args[1].integer;
    if (fn_time_is_infinite(a) || fn_time_is_infinite(b))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    wr_time_age(a, b, &out->interval);
    return WEIR_OK;
}

FN_KERNEL(timestamp_age_today)
{
    wr_time today = fn_floor_divide(eval->now, WR_US_PER_DAY) * WR_US_PER_DAY;
    if (fn_time_is_infinite(args[0].integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    wr_time_age(today, args[0].integer, &out->interval);
    return WEIR_OK;
}

FN_KERNEL(datetime_is_finite)
{
    out->boolean = args[0].type.id == WR_INTERVAL || !fn_time_is_infinite(fn_time_of(&args[0]));
    return WEIR_OK;
}

/* --- justify --- */

/* Moves whole units (24 hours, 30 days) up, then makes both signs agree.  false: out of range. */
static bool
justify_hours(wr_interval *i)
{
    int64_t days = i->us / WR_US_PER_DAY;
    i->us -= days * WR_US_PER_DAY;
    if (__builtin_add_overflow(i->days, days, &i->days))
        return false;
    if (i->days > 0 && i->us < 0) {
        i->us += WR_US_PER_DAY;
        i->days--;
    } else if (i->days < 0 && i->us > 0) {
        i->us -= WR_US_PER_DAY;
        i->days++;
    }
    return true;
}

static bool
justify_days(wr_interval *i)
{
    int32_t months = i->days / 30;
    i->days -= months * 30;
    if (__builtin_add_overflow(i->months, months, &i->months))
        return false;
    if (i->months > 0 && i->days < 0) {
        i->days += 30;
        i->months--;
    } else if (i->months < 0 && i->days > 0) {
        i->days -= 30;
        i->months++;
    }
    return true;
}

static bool
justify_all(wr_interval *i)
{
    int64_t days = i->us / WR_US_PER_DAY + i->days;
    int64_t months = days / 30 + i->months;
    i->us %= WR_US_PER_DAY;
    i->days = (int32_t) (days % 30);
    if (months > 0 && (i->days < 0 || (i->days == 0 && i->us < 0))) {
        i->days += 30;
        months--;
    } else if (months < 0 && (i->days > 0 || (i->days == 0 && i->us > 0))) {
        i->days -= 30;
        months++;
    }
    if (i->days > 0 && i->us < 0) {
        i->us += WR_US_PER_DAY;
        i->days--;
    } else if (i->days < 0 && i->us > 0) {
        i->us -= WR_US_PER_DAY;
        i->days++;
    }
    i->months = (int32_t) months;
    return i->months == months;
}

static weir_status
justify_give(wr_eval *eval, uint32_t row, const wr_value *arg, bool (*justify)(wr_interval *),
             wr_value *out)
{
    out->interval = arg->interval;
    if (!justify(&out->interval))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "interval out of range");
    return WEIR_OK;
}

FN_KERNEL(interval_justify_hours)
{
    return justify_give(eval, row, &args[0], justify_hours, out);
}

FN_KERNEL(interval_justify_days)
{
    return justify_give(eval, row, &args[0], justify_days, out);
}

FN_KERNEL(interval_justify_interval)
{
    return justify_give(eval, row, &args[0], justify_all, out);
}

/* --- overlaps --- */

/* The end of a period given as a point or as a length. */
static weir_status
period_end(wr_eval *eval, uint32_t row, const wr_value *start, const wr_value *end, wr_value *out)
{
    *out = *end;
    if (end->is_null || end->type.id != WR_INTERVAL)
        return WEIR_OK;
    if (start->is_null) {
        out->is_null = true;
        return WEIR_OK;
    }
    out->type = start->type;
    if (start->type.id == WR_TIME) {
        int64_t us = (start->integer + end->interval.us % WR_US_PER_DAY) % WR_US_PER_DAY;
        out->integer = us < 0 ? us + WR_US_PER_DAY : us;
        return WEIR_OK;
    }
    if (!wr_time_add_interval(start->integer, &end->interval, &out->integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    return WEIR_OK;
}

/* Puts the earlier point first; a lone NULL goes second.  false: both are NULL. */
static bool
period_order(wr_value *start, wr_value *end)
{
    bool swap = start->is_null || (!end->is_null && start->integer > end->integer);
    if (swap) {
        wr_value other = *start;
        *start = *end;
        *end = other;
    }
    return !start->is_null;
}

FN_KERNEL(datetime_overlaps)
{
    wr_value s1 = args[0], s2 = args[2], e1, e2;
    WR_TRY(period_end(eval, row, &args[0], &args[1], &e1));
    WR_TRY(period_end(eval, row, &args[2], &args[3], &e2));
    if (!period_order(&s1, &e1) || !period_order(&s2, &e2))
        return fn_give_null(out);
    if (s1.integer == s2.integer) {
        if (e1.is_null || e2.is_null)
            return fn_give_null(out);
        out->boolean = true;
        return WEIR_OK;
    }
    const wr_value *later = s1.integer > s2.integer ? &s1 : &s2;
    const wr_value *earlier_end = s1.integer > s2.integer ? &e2 : &e1;
    const wr_value *later_end = s1.integer > s2.integer ? &e1 : &e2;
    if (!earlier_end->is_null && later->integer < earlier_end->integer) {
        out->boolean = true;
        return WEIR_OK;
    }
    /* Not beyond the known end of the earlier one: only a missing end leaves it open. */
    if (earlier_end->is_null || later_end->is_null)
        return fn_give_null(out);
    out->boolean = false;
    return WEIR_OK;
}

#define FN_TOPIC "time"
#define NOW(NAME, RESULT, KERNEL) FN(NAME, RESULT, KERNEL, FN_STABLE, "the time of the batch")
#define OVERLAPS(A, B, C, D)                                                                       \
    FN("overlaps", T_BOOL, datetime_overlaps, FN_FAILS | FN_NULLS, "do the two periods overlap?",  \
       A, B, C, D)
#define OVERLAPS_OF(TYPE)                                                                          \
    OVERLAPS(TYPE, TYPE, TYPE, TYPE), OVERLAPS(TYPE, T_INTERVAL, TYPE, TYPE),                      \
        OVERLAPS(TYPE, TYPE, TYPE, T_INTERVAL), OVERLAPS(TYPE, T_INTERVAL, TYPE, T_INTERVAL)
const wr_function wr_fn_datetime[] = {
    NOW("now", T_TIMESTAMPTZ, datetime_now),
    NOW("current_timestamp", T_TIMESTAMPTZ, datetime_now),
    NOW("transaction_timestamp", T_TIMESTAMPTZ, datetime_now),
    NOW("statement_timestamp", T_TIMESTAMPTZ, datetime_now),
    NOW("clock_timestamp", T_TIMESTAMPTZ, datetime_now),
    NOW("localtimestamp", T_TIMESTAMP, datetime_now),
    NOW("current_date", T_DATE, datetime_current_date),
    NOW("localtime", T_TIME, datetime_local_time),
    FN("timezone", T_TIMESTAMP, timestamp_zone, FN_FAILS, "the local time in a zone", T_TEXT,
       T_TIMESTAMPTZ),
    FN("timezone", T_TIMESTAMPTZ, timestamp_zone, FN_FAILS, "the moment of a zone's local time",
       T_TEXT, T_TIMESTAMP),
    FN("timezone", T_TIMESTAMP, timestamp_zone_interval, FN_FAILS,
       "the local time at an offset from UTC", T_INTERVAL, T_TIMESTAMPTZ),
    FN("timezone", T_TIMESTAMPTZ, timestamp_zone_interval, FN_FAILS,
       "the moment of a local time at an offset from UTC", T_INTERVAL, T_TIMESTAMP),
    FN("age", T_INTERVAL, timestamp_age, FN_FAILS, "years, months and days between two times",
       T_TIMESTAMP, T_TIMESTAMP),
    FN("age", T_INTERVAL, timestamp_age, FN_FAILS, "years, months and days between two times",
       T_TIMESTAMPTZ, T_TIMESTAMPTZ),
    FN("age", T_INTERVAL, timestamp_age_today, FN_FAILS | FN_STABLE,
       "years, months and days up to today", T_TIMESTAMP),
    FN("age", T_INTERVAL, timestamp_age_today, FN_FAILS | FN_STABLE,
       "years, months and days up to today", T_TIMESTAMPTZ),
    FN("isfinite", T_BOOL, datetime_is_finite, 0, "is it no infinity?", T_DATE),
    FN("isfinite", T_BOOL, datetime_is_finite, 0, "is it no infinity?", T_TIMESTAMP),
    FN("isfinite", T_BOOL, datetime_is_finite, 0, "is it no infinity?", T_TIMESTAMPTZ),
    FN("isfinite", T_BOOL, datetime_is_finite, 0, "is it no infinity?", T_INTERVAL),
    FN("justify_hours", T_INTERVAL, interval_justify_hours, FN_FAILS, "24 hours become days",
       T_INTERVAL),
    FN("justify_days", T_INTERVAL, interval_justify_days, FN_FAILS, "30 days become months",
       T_INTERVAL),
    FN("justify_interval", T_INTERVAL, interval_justify_interval, FN_FAILS,
       "hours become days and days months, with one sign", T_INTERVAL),
    OVERLAPS_OF(T_TIMESTAMP),
    OVERLAPS_OF(T_TIMESTAMPTZ),
    OVERLAPS_OF(T_TIME),
    FN_END,
};
