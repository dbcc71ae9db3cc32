/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/arith_time.c -- arithmetic of dates, times, timestamps and intervals.
 *
 * Place       the table in arith.c.
 * State       none.
 * Invariants  T1  infinite dates and timestamps stay what they are; differences of them fail
 *             T2  interval * and / cascade as PostgreSQL's interval_mul does (30-day months)
 */
#include "expr/arith_impl.h"
#include "expr/arith_time_impl.h"

#include <math.h>

/* PostgreSQL's dates: from Julian day 0 up to the year 5874898. */
enum { DATE_MIN = -2440588, DATE_END = 2145042906 };

static weir_status
fail_range(wr_eval *eval, uint32_t row, const char *type)
{
    return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "%s out of range", type);
}

static bool
date_is_infinite(int64_t days)
{
    return days == WR_DATE_NEGINF || days == WR_DATE_POSINF;
}

static bool
time_is_infinite(wr_time t)
{
    return t == WR_TIME_NEGINF || t == WR_TIME_POSINF;
}

/* --- dates --- */

static weir_status
date_move(wr_eval *eval, uint32_t row, int64_t date, int64_t days, wr_value *out)
{
    int64_t moved = date_is_infinite(date) ? date : date + days; /* T1 */
    if (!date_is_infinite(date) && (moved < DATE_MIN || moved >= DATE_END))
        return fail_range(eval, row, "date");
    out->integer = moved;
    return WEIR_OK;
}

TIME_KERNEL(wr_date_add_days)
{
    return date_move(eval, row, args[0].integer, args[1].integer, out);
}

TIME_KERNEL(wr_days_add_date)
{
    return date_move(eval, row, args[1].integer, args[0].integer, out);
}

TIME_KERNEL(wr_date_subtract_days)
{
    return date_move(eval, row, args[0].integer, -args[1].integer, out);
}

TIME_KERNEL(wr_date_subtract)
{
    if (date_is_infinite(args[0].integer) || date_is_infinite(args[1].integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "cannot subtract infinite dates");
    out->integer = args[0].integer - args[1].integer;
    return WEIR_OK;
}

/* Midnight of the day. */
static weir_status
date_to_time(wr_eval *eval, uint32_t row, int64_t days, wr_time *out)
{
    if (date_is_infinite(days))
        *out = days == WR_DATE_NEGINF ? WR_TIME_NEGINF : WR_TIME_POSINF;
    else if (__builtin_mul_overflow(days, WR_US_PER_DAY, out) || *out >= WR_TIME_POSINF)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "date out of range for timestamp");
    return WEIR_OK;
}

static bool
interval_negate(const wr_interval *a, wr_interval *out)
{
    return !__builtin_sub_overflow(0, a->months, &out->months) &&
           !__builtin_sub_overflow(0, a->days, &out->days) &&
           !__builtin_sub_overflow(0, a->us, &out->us);
}

static weir_status
time_move(wr_eval *eval, uint32_t row, wr_time t, const wr_interval *by, bool back, wr_value *out)
{
    wr_interval step = *by;
    if ((back && !interval_negate(by, &step)) || !wr_time_add_interval(t, &step, &out->integer))
        return fail_range(eval, row, "timestamp");
    return WEIR_OK;
}

static weir_status
date_move_interval(wr_eval *eval, uint32_t row, const wr_value *date, const wr_value *by, bool back,
                   wr_value *out)
{
    wr_time t;
    WR_TRY(date_to_time(eval, row, date->integer, &t));
    return time_move(eval, row, t, &by->interval, back, out);
}

TIME_KERNEL(wr_date_add_interval)
{
    return date_move_interval(eval, row, &args[0], &args[1], false, out);
}

TIME_KERNEL(wr_interval_add_date)
{
    return date_move_interval(eval, row, &args[1], &args[0], false, out);
}

TIME_KERNEL(wr_date_subtract_interval)
{
    return date_move_interval(eval, row, &args[0], &args[1], true, out);
}

static weir_status
date_at(wr_eval *eval, uint32_t row, const wr_value *date, const wr_value *clock, wr_value *out)
{
    wr_time t;
    WR_TRY(date_to_time(eval, row, date->integer, &t));
    if (!time_is_infinite(t) &&
        (__builtin_add_overflow(t, clock->integer, &t) || t >= WR_TIME_POSINF))
        return fail_range(eval, row, "timestamp");
    out->integer = t;
    return WEIR_OK;
}

TIME_KERNEL(wr_date_add_time)
{
    return date_at(eval, row, &args[0], &args[1], out);
}

TIME_KERNEL(wr_time_add_date)
{
    return date_at(eval, row, &args[1], &args[0], out);
}

/* --- timestamps --- */

TIME_KERNEL(wr_time_plus_interval)
{
    return time_move(eval, row, args[0].integer, &args[1].interval, false, out);
}

TIME_KERNEL(wr_interval_plus_time)
{
    return time_move(eval, row, args[1].integer, &args[0].interval, false, out);
}

TIME_KERNEL(wr_time_minus_interval)
{
    return time_move(eval, row, args[0].integer, &args[1].interval, true, out);
}

/* Whole days, then the rest: '1 day 02:00:00'. */
TIME_KERNEL(wr_time_minus_time)
{
    int64_t us = 0;
    if (time_is_infinite(args[0].integer) || time_is_infinite(args[1].integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "cannot subtract infinite timestamps");
    if (__builtin_sub_overflow(args[0].integer, args[1].integer, &us))
        return fail_range(eval, row, "interval");
    out->interval = (wr_interval){ 0, (int32_t) (us / WR_US_PER_DAY), us % WR_US_PER_DAY };
    return WEIR_OK;
}

/* timestamps with one interval of days and time: addition of a number. */
static weir_status
times_move(wr_eval *eval, const wr_expr *call, wr_column *const *args, int64_t sign,
           uint32_t physical, wr_column **out)
{
    int64_t shift;
    if (args[1]->layout != WR_CONSTANT)
        return WEIR_QUERY_UNSUPPORTED;
    const wr_interval *by = args[1]->data;
    if (by->months != 0 || __builtin_mul_overflow((int64_t) by->days, sign * WR_US_PER_DAY, &shift) ||
        by->us == INT64_MIN || __builtin_add_overflow(shift, sign * by->us, &shift))
        return WEIR_QUERY_UNSUPPORTED;
    return wr_shift_times(eval, call, args[0], shift, physical, out);
}

weir_status
wr_time_plus_interval_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                             uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    return times_move(eval, call, args, 1, physical, out);
}

weir_status
wr_time_minus_interval_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                              uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    return times_move(eval, call, args, -1, physical, out);
}

/* --- times of day: only the interval's part below days counts, around midnight --- */

static int64_t
clock_move(int64_t us, int64_t by)
{
    int64_t moved = (us + by % WR_US_PER_DAY) % WR_US_PER_DAY;
    return moved < 0 ? moved + WR_US_PER_DAY : moved;
}

TIME_KERNEL(wr_clock_plus_interval)
{
    out->integer = clock_move(args[0].integer, args[1].interval.us);
    return WEIR_OK;
}

TIME_KERNEL(wr_interval_plus_clock)
{
    out->integer = clock_move(args[1].integer, args[0].interval.us);
    return WEIR_OK;
}

TIME_KERNEL(wr_clock_minus_interval)
{
    out->integer = clock_move(args[0].integer, -(args[1].interval.us % WR_US_PER_DAY));
    return WEIR_OK;
}

TIME_KERNEL(wr_clock_minus_clock)
{
    out->interval = (wr_interval){ 0, 0, args[0].integer - args[1].integer };
    return WEIR_OK;
}

/* --- intervals --- */

TIME_KERNEL(wr_interval_add)
{
    const wr_interval *a = &args[0].interval, *b = &args[1].interval;
    if (__builtin_add_overflow(a->months, b->months, &out->interval.months) ||
        __builtin_add_overflow(a->days, b->days, &out->interval.days) ||
        __builtin_add_overflow(a->us, b->us, &out->interval.us))
        return fail_range(eval, row, "interval");
    return WEIR_OK;
}

TIME_KERNEL(wr_interval_subtract)
{
    const wr_interval *a = &args[0].interval, *b = &args[1].interval;
    if (__builtin_sub_overflow(a->months, b->months, &out->interval.months) ||
        __builtin_sub_overflow(a->days, b->days, &out->interval.days) ||
        __builtin_sub_overflow(a->us, b->us, &out->interval.us))
        return fail_range(eval, row, "interval");
    return WEIR_OK;
}

TIME_KERNEL(wr_interval_negate)
{
    if (!interval_negate(&args[0].interval, &out->interval))
        return fail_range(eval, row, "interval");
    return WEIR_OK;
}

static double
round_us(double days)
{
    return rint(days * 1e6) / 1e6;
}

static bool
fits_int32(double v)
{
    return v >= INT32_MIN && v <= INT32_MAX;
}

bool
wr_interval_scale(const wr_interval *interval, double factor, bool divide, wr_interval *out)
{
    double months = divide ? interval->months / factor : interval->months * factor;
    double days = divide ? interval->days / factor : interval->days * factor;
    double us = divide ? (double) interval->us / factor : (double) interval->us * factor;
    if (!fits_int32(months) || !fits_int32(days)) /* NaN fits nothing */
        return false;
    out->months = (int32_t) months;
    out->days = (int32_t) days;
    double month_days = round_us((months - out->months) * 30.0);
    double seconds =
        round_us((days - out->days + month_days - (int32_t) month_days) * 86400.0);
    if (fabs(seconds) >= 86400.0) { /* rounding made a whole day */
        if (__builtin_add_overflow(out->days, (int32_t) (seconds / 86400.0), &out->days))
            return false;
        seconds -= (int32_t) (seconds / 86400.0) * 86400.0;
    }
    if (__builtin_add_overflow(out->days, (int32_t) month_days, &out->days))
        return false;
    us = rint(us + seconds * 1e6);
    if (!(us >= -0x1p63 && us < 0x1p63))
        return false;
    out->us = (int64_t) us;
    return true;
}

TIME_KERNEL(wr_interval_multiply)
{
    if (!wr_interval_scale(&args[0].interval, args[1].real, false, &out->interval))
        return fail_range(eval, row, "interval");
    return WEIR_OK;
}

TIME_KERNEL(wr_multiply_interval)
{
    if (!wr_interval_scale(&args[1].interval, args[0].real, false, &out->interval))
        return fail_range(eval, row, "interval");
    return WEIR_OK;
}

TIME_KERNEL(wr_interval_divide)
{
    if (args[1].real == 0.0)
        return wr_eval_fail(eval, row, WEIR_ROW_DIVISION_BY_ZERO, "division by zero");
    if (!wr_interval_scale(&args[0].interval, args[1].real, true, &out->interval))
        return fail_range(eval, row, "interval");
    return WEIR_OK;
}
