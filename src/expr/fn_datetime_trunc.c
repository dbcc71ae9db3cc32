/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_trunc.c -- date_trunc and date_bin: a point in time moved back to the start of
 * its unit or bin.
 *
 * Place       rows of the function registry; windows by hand (GROUP BY date_trunc(...)) rest on
 *             them.
 * Invariants  infinite times stay; a result beyond the range is an error, never a wrap
 * Cost        with constant unit, stride and origin the vector kernels cost a division a row.
 */
#include "expr/fn_datetime_impl.h"
#include "expr/registry_impl.h"

weir_status
wr_fn_zone(wr_eval *eval, uint32_t row, const wr_string *name, const wr_zone **zone)
{
    *zone = wr_zone_find(wr_string_data(name), name->length);
    if (*zone != NULL)
        return WEIR_OK;
    return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT, "time zone \"%.*s\" not recognized",
                        (int) WR_MIN(name->length, 100), wr_string_data(name));
}

/* --- date_trunc --- */

static bool
part_truncates(wr_part part)
{
    return part != WR_PART_NONE && part <= WR_PART_MILLENNIUM;
}

static weir_status
time_out_of_range(wr_eval *eval, uint32_t row)
{
    return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
}

/* The range begins on 4714-11-24 BC: a Monday, but the start of no month. */
static weir_status
time_truncate(wr_eval *eval, uint32_t row, wr_part part, wr_time t, wr_time *start)
{
    static const wr_time first = -210866803200000000;
    const char          *name = wr_part_name(part);
    bool                 known = wr_time_truncate(name, strlen(name), t, start);
    wr_assert(known);
    return part >= WR_PART_MONTH && *start == first ? time_out_of_range(eval, row) : WEIR_OK;
}

FN_KERNEL(timestamp_trunc)
{
    wr_part part = wr_part_find(&args[0].string);
    if (!part_truncates(part) && !fn_time_is_infinite(args[1].integer))
        return wr_part_fail(eval, row, part >= WR_PART_ISOYEAR ? WR_PART_NONE : part,
                            &args[0].string, args[1].type.id);
    out->integer = args[1].integer;
    if (fn_time_is_infinite(args[1].integer))
        return WEIR_OK;
    return time_truncate(eval, row, part, args[1].integer, &out->integer);
}

/* In a zone: local time is cut, days and longer with the offset that holds at their start. */
FN_KERNEL(timestamptz_trunc_zone)
{
    wr_part        part = wr_part_find(&args[0].string);
    wr_time        t = args[1].integer, local;
    const wr_zone *zone;
    out->integer = t;
    if (fn_time_is_infinite(t))
        return WEIR_OK;
    WR_TRY(wr_fn_zone(eval, row, &args[2].string, &zone));
    if (!part_truncates(part))
        return wr_part_fail(eval, row, part >= WR_PART_ISOYEAR ? WR_PART_NONE : part,
                            &args[0].string, WR_TIMESTAMPTZ);
    int64_t offset = wr_zone_offset_at(zone, t) * WR_US_PER_SECOND;
    if (__builtin_add_overflow(t, offset, &local) || fn_time_is_infinite(local))
        return time_out_of_range(eval, row);
    WR_TRY(time_truncate(eval, row, part, local, &local));
    out->integer = part < WR_PART_DAY ? local - offset : wr_zone_to_utc(zone, local);
    return WEIR_OK;
}

FN_KERNEL(interval_trunc)
{
    wr_part     part = wr_part_find(&args[0].string);
    wr_interval i = args[1].interval;
    int64_t     step = 1;
    if (!part_truncates(part) || part == WR_PART_WEEK)
        return wr_part_fail(eval, row, part >= WR_PART_ISOYEAR ? WR_PART_NONE : part,
                            &args[0].string, WR_INTERVAL);
    switch (part) {
    case WR_PART_MILLENNIUM: i.months -= i.months % 12000; break;
    case WR_PART_CENTURY: i.months -= i.months % 1200; break;
    case WR_PART_DECADE: i.months -= i.months % 120; break;
    case WR_PART_YEAR: i.months -= i.months % 12; break;
    case WR_PART_QUARTER: i.months -= i.months % 3; break;
    case WR_PART_HOUR: step = WR_US_PER_HOUR; break;
    case WR_PART_MINUTE: step = WR_US_PER_MINUTE; break;
    case WR_PART_SECOND: step = WR_US_PER_SECOND; break;
    case WR_PART_MILLISECOND: step = 1000; break;
    default: break;
    }
    if (part > WR_PART_DAY)
        i.days = 0;
    i.us = part >= WR_PART_DAY ? 0 : i.us - i.us % step;
    out->interval = i;
    return WEIR_OK;
}

/* --- date_bin --- */

/* A stride in microseconds; marks the row when it is none. */
static weir_status
bin_stride(wr_eval *eval, uint32_t row, const wr_interval *stride, int64_t *us)
{
    if (stride->months != 0)
        return wr_eval_fail(
            eval, row, WEIR_ROW_INVALID_ARGUMENT,
            "timestamps cannot be binned into intervals containing months or years");
    if (__builtin_mul_overflow((int64_t) stride->days, WR_US_PER_DAY, us) ||
        __builtin_add_overflow(*us, stride->us, us))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "interval out of range");
    if (*us <= 0)
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "stride must be greater than zero");
    return WEIR_OK;
}

FN_KERNEL(timestamp_bin)
{
    wr_time t = args[1].integer, origin = args[2].integer;
    int64_t stride = 0, distance;
    out->integer = t;
    if (fn_time_is_infinite(t))
        return WEIR_OK;
    if (fn_time_is_infinite(origin))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "origin out of range");
    WR_TRY(bin_stride(eval, row, &args[0].interval, &stride));
    if (__builtin_sub_overflow(t, origin, &distance))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "interval out of range");
    int64_t bin = fn_floor_divide(distance, stride), start;
    if (__builtin_mul_overflow(bin, stride, &start) ||
        __builtin_add_overflow(start, origin, &out->integer) || fn_time_is_infinite(out->integer))
        return time_out_of_range(eval, row);
    return WEIR_OK;
}

/* --- vector kernels --- */

/* t moved down to `origin` + a multiple of step, for all rows; false when some row is infinite or
 * so far away that the row kernel must look at it. */
static bool
times_floor(const wr_column *times, wr_rows rows, int64_t step, wr_time origin, int64_t *to)
{
    const wr_time *from = times->data;
    bool           near = true;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = fn_row(rows, i);
        near &= from[row] > INT64_MIN / 4 && from[row] < INT64_MAX / 4;
    }
    if (!near || origin < INT64_MIN / 4 || origin > INT64_MAX / 4 || step > INT64_MAX / 4)
        return false;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = fn_row(rows, i);
        int64_t  distance = from[row] - origin, rest = distance % step;
        to[row] = from[row] - rest - (rest < 0 ? step : 0);
    }
    return true;
}

/* t moved down to the first of its month, quarter or year; false as times_floor. */
static bool
times_floor_calendar(const wr_column *times, wr_rows rows, wr_part part, int64_t *to)
{
    const wr_time *from = times->data;
    for (uint32_t i = 0; i < rows.count; i++) {
        uint32_t row = fn_row(rows, i);
        wr_civil c;
        if (from[row] < INT64_MIN / 64 || from[row] > INT64_MAX / 64)
            return false;
        wr_civil_from_time(from[row], &c);
        int month = part == WR_PART_YEAR      ? 1
                    : part == WR_PART_QUARTER ? (c.month - 1) / 3 * 3 + 1
                                              : c.month;
        to[row] = wr_days_from_civil(c.year, month, 1) * WR_US_PER_DAY;
    }
    return true;
}

/* Fills a column of times: by step and origin, or by a unit of the calendar (part).  UNSUPPORTED
 * leaves nothing behind. */
static weir_status
floor_vector(wr_eval *eval, wr_type type, wr_column *times, uint32_t physical, wr_rows rows,
             wr_part part, int64_t step, wr_time origin, wr_column **out)
{
    uint16_t   kept[WR_BATCH_ROWS_MAX];
    wr_rows    live;
    wr_column *made;
    if (times->layout != WR_FLAT)
        return WEIR_QUERY_UNSUPPORTED;
    WR_TRY(wr_fn_vector_open(eval, type, &times, 1, physical, rows, kept, &live, &made));
    bool done = part != WR_PART_NONE ? times_floor_calendar(times, live, part, made->data)
                                     : times_floor(times, live, step, origin, made->data);
    if (!done) {
        wr_column_release(made);
        return WEIR_QUERY_UNSUPPORTED;
    }
    *out = made;
    return WEIR_OK;
}

static weir_status
timestamp_trunc_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                       uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    if (args[0]->layout != WR_CONSTANT || wr_column_is_null(args[0], 0))
        return WEIR_QUERY_UNSUPPORTED;
    wr_time origin = 0;
    int64_t step = 1;
    wr_part part = wr_part_find(fn_string_at(args[0], 0)), calendar = WR_PART_NONE;
    switch (part) {
    case WR_PART_MILLISECOND: step = 1000; break;
    case WR_PART_SECOND: step = WR_US_PER_SECOND; break;
    case WR_PART_MINUTE: step = WR_US_PER_MINUTE; break;
    case WR_PART_HOUR: step = WR_US_PER_HOUR; break;
    case WR_PART_DAY: step = WR_US_PER_DAY; break;
    case WR_PART_WEEK:
        step = 7 * WR_US_PER_DAY;
        origin = -3 * WR_US_PER_DAY; /* a Monday */
        break;
    case WR_PART_MONTH:
    case WR_PART_QUARTER:
    case WR_PART_YEAR: calendar = part; break;
    default: return WEIR_QUERY_UNSUPPORTED;
    }
    return floor_vector(eval, call->type, args[1], physical, rows, calendar, step, origin, out);
}

static weir_status
timestamp_bin_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                     uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    if (args[0]->layout != WR_CONSTANT || wr_column_is_null(args[0], 0) ||
        args[2]->layout != WR_CONSTANT || wr_column_is_null(args[2], 0))
        return WEIR_QUERY_UNSUPPORTED;
    const wr_interval *stride = args[0]->data;
    int64_t            us;
    if (stride->months != 0 || __builtin_mul_overflow((int64_t) stride->days, WR_US_PER_DAY, &us) ||
        __builtin_add_overflow(us, stride->us, &us) || us <= 0)
        return WEIR_QUERY_UNSUPPORTED;
    return floor_vector(eval, call->type, args[1], physical, rows, WR_PART_NONE, us,
                        *(const wr_time *) args[2]->data, out);
}

#define FN_TOPIC "time"
#define TRUNC_DOC "the start of the unit (hour, day, week, ...) that the time lies in"
#define BIN_DOC   "the start of the bin, of a stride counted from an origin, that the time lies in"
const wr_function wr_fn_datetime_trunc[] = {
    FNV("date_trunc", T_TIMESTAMP, timestamp_trunc, timestamp_trunc_vector, FN_FAILS, TRUNC_DOC,
        T_TEXT, T_TIMESTAMP),
    FNV("date_trunc", T_TIMESTAMPTZ, timestamp_trunc, timestamp_trunc_vector, FN_FAILS, TRUNC_DOC,
        T_TEXT, T_TIMESTAMPTZ),
    FN("date_trunc", T_TIMESTAMPTZ, timestamptz_trunc_zone, FN_FAILS,
       "the start of the unit in a time zone", T_TEXT, T_TIMESTAMPTZ, T_TEXT),
    FN("date_trunc", T_INTERVAL, interval_trunc, FN_FAILS, "the interval cut to a unit", T_TEXT,
       T_INTERVAL),
    FNV("date_bin", T_TIMESTAMP, timestamp_bin, timestamp_bin_vector, FN_FAILS, BIN_DOC,
        T_INTERVAL, T_TIMESTAMP, T_TIMESTAMP),
    FNV("date_bin", T_TIMESTAMPTZ, timestamp_bin, timestamp_bin_vector, FN_FAILS, BIN_DOC,
        T_INTERVAL, T_TIMESTAMPTZ, T_TIMESTAMPTZ),
    FN_END,
};
