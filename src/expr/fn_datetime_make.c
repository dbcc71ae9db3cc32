/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_make.c -- dates, times and intervals of their parts: make_date and its kin,
 * to_timestamp of seconds.
 *
 * Place       rows of the function registry.
 * Invariants  every part is checked: nothing rolls over into the next field except second 60
 */
#include "expr/fn_datetime_impl.h"
#include "expr/registry_impl.h"

#include <math.h>
#include <stdio.h>

static const int month_days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

/* A day of the calendar, negative years being BC; the years are those whose days fit in 32 bits. */
static weir_status
make_days(wr_eval *eval, uint32_t row, int64_t year, int64_t month, int64_t day, int64_t *days)
{
    int64_t astronomical = year < 0 ? year + 1 : year;
    bool    leap = astronomical % 4 == 0 && (astronomical % 100 != 0 || astronomical % 400 == 0);
    bool    valid = year != 0 && year > INT32_MIN && month >= 1 && month <= 12 && day >= 1 &&
                 day <= month_days[month - 1] - (month == 2 && !leap);
    if (!valid)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW,
                            "date field value out of range: %lld-%02lld-%02lld",
                            (long long) (year > INT32_MIN ? astronomical : year),
                            (long long) month, (long long) day);
    *days = 0;
    if (astronomical >= -4713 && astronomical <= 5874897)
        *days = wr_days_from_civil(astronomical, (int) month, (int) day);
    int64_t least = wr_days_from_civil(-4713, 11, 24);
    if (astronomical < -4713 || astronomical > 5874897 || *days < least)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "date out of range: %lld-%02lld-%02lld",
                            (long long) astronomical, (long long) month, (long long) day);
    return WEIR_OK;
}

/* Seconds as an error shows them: "05", "60.5", "NaN". */
static void
seconds_show(double seconds, char text[32])
{
    if (isnan(seconds))
        snprintf(text, 32, "NaN");
    else if (isinf(seconds))
        snprintf(text, 32, "%sInfinity", seconds < 0 ? "-" : "");
    else
        snprintf(text, 32, "%02g", seconds);
}

/* Microseconds of a time of day; 24:00:00 and second 60 are allowed. */
static weir_status
make_clock(wr_eval *eval, uint32_t row, int64_t hour, int64_t minute, double second, int64_t *us)
{
    bool valid = !isnan(second) && hour >= 0 && hour <= 24 && minute >= 0 && minute <= 59 &&
                 second >= 0 && second <= 60;
    *us = 0;
    if (valid) {
        *us = (hour * 60 + minute) * WR_US_PER_MINUTE +
              (int64_t) rint(second * (double) WR_US_PER_SECOND);
        valid = *us <= WR_US_PER_DAY;
    }
    if (valid)
        return WEIR_OK;
    char shown[32];
    seconds_show(second, shown);
    return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW,
                        "time field value out of range: %lld:%02lld:%s", (long long) hour,
                        (long long) minute, shown);
}

FN_KERNEL(datetime_make_date)
{
    return make_days(eval, row, args[0].integer, args[1].integer, args[2].integer, &out->integer);
}

FN_KERNEL(datetime_make_time)
{
    return make_clock(eval, row, args[0].integer, args[1].integer, args[2].real, &out->integer);
}

/* Year, month, day, hour, minute, second. */
static weir_status
make_time_of(wr_eval *eval, uint32_t row, const wr_value *args, wr_time *out)
{
    static const wr_interval nothing;
    int64_t                  days, us, t;
    int64_t                  year = args[0].integer;
    WR_TRY(make_days(eval, row, year, args[1].integer, args[2].integer, &days));
    WR_TRY(make_clock(eval, row, args[3].integer, args[4].integer, args[5].real, &us));
    if (__builtin_mul_overflow(days, WR_US_PER_DAY, &t) || __builtin_add_overflow(t, us, &t) ||
        fn_time_is_infinite(t) || !wr_time_add_interval(t, &nothing, out))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW,
                            "timestamp out of range: %lld-%02lld-%02lld %lld:%02lld:%02g",
                            (long long) year, (long long) args[1].integer,
                            (long long) args[2].integer, (long long) args[3].integer,
                            (long long) args[4].integer, args[5].real);
    return WEIR_OK;
}

FN_KERNEL(datetime_make_timestamp)
{
    return make_time_of(eval, row, args, &out->integer);
}

/* A run of at most four digits at *at; how many. */
static int
offset_digits(const char **at, const char *end, int64_t *value)
{
    int count = 0;
    *value = 0;
    for (; *at < end && **at >= '0' && **at <= '9' && count < 5; count++, ++*at)
        *value = *value * 10 + (**at - '0');
    return count;
}

/* "+h", "+hh", "+hmm", "+hhmm", "+hh:mm", "+hh:mm:ss": seconds east of Greenwich.
 * WEIR_ROW_OVERFLOW: the form is right, the number too large. */
static weir_status
offset_read(const wr_string *text, int64_t *seconds)
{
    const char *s = wr_string_data(text) + 1, *end = wr_string_data(text) + text->length;
    int64_t     parts[3] = { 0 };
    int         digits = offset_digits(&s, end, &parts[0]);
    if (digits < 1 || digits > 4)
        return WEIR_ROW_INVALID_ARGUMENT;
    if (digits > 2) {
        parts[1] = parts[0] % 100;
        parts[0] /= 100;
    }
    for (int i = 1; digits <= 2 && i < 3 && s < end && *s == ':'; i++) {
        s++;
        if (offset_digits(&s, end, &parts[i]) == 0)
            return WEIR_ROW_INVALID_ARGUMENT;
    }
    if (s != end)
        return WEIR_ROW_INVALID_ARGUMENT;
    if (parts[0] > 15 || parts[1] > 59 || parts[2] > 59)
        return WEIR_ROW_OVERFLOW;
    *seconds = (parts[0] * 60 + parts[1]) * 60 + parts[2];
    if (wr_string_data(text)[0] == '-')
        *seconds = -*seconds;
    return WEIR_OK;
}

FN_KERNEL(datetime_make_timestamptz)
{
    wr_time local;
    int64_t seconds = 0;
    WR_TRY(make_time_of(eval, row, args, &local));
    out->integer = local;
    if (arg_count < 7)
        return WEIR_OK;
    const wr_string *name = &args[6].string;
    char             first = name->length > 0 ? wr_string_data(name)[0] : '\0';
    if (first >= '0' && first <= '9')
        return wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                            "invalid input syntax for type numeric time zone: \"%.*s\"",
                            (int) WR_MIN(name->length, 100), wr_string_data(name));
    if (first == '+' || first == '-') {
        weir_status status = offset_read(name, &seconds);
        if (status != WEIR_OK)
            return wr_eval_fail(eval, row, status,
                                status == WEIR_ROW_OVERFLOW
                                    ? "numeric time zone \"%.*s\" out of range"
                                    : "time zone \"%.*s\" not recognized",
                                (int) WR_MIN(name->length, 100), wr_string_data(name));
        out->integer = local - seconds * WR_US_PER_SECOND;
    } else {
        const wr_zone *zone;
        WR_TRY(wr_fn_zone(eval, row, name, &zone));
        out->integer = wr_zone_to_utc(zone, local);
    }
    if (fn_time_is_infinite(out->integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    return WEIR_OK;
}

/* years, months, weeks, days, hours, minutes, seconds: all may be left out. */
FN_KERNEL(datetime_make_interval)
{
    int64_t parts[6] = { 0 };
    double  seconds = arg_count > 6 ? args[6].real : 0;
    for (uint32_t i = 0; i < WR_MIN(arg_count, 6); i++)
        parts[i] = args[i].integer;
    int64_t  months = parts[0] * 12 + parts[1], days = parts[2] * 7 + parts[3];
    double   fraction = rint(seconds * (double) WR_US_PER_SECOND);
    __int128 us = (__int128) parts[4] * WR_US_PER_HOUR + (__int128) parts[5] * WR_US_PER_MINUTE;
    bool     valid = fraction > -9.2e18 && fraction < 9.2e18; /* false for NaN */
    if (valid)
        us += (__int128) fraction;
    if (!valid || months != (int32_t) months || days != (int32_t) days || us != (int64_t) us)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "interval out of range");
    out->interval = (wr_interval){ (int32_t) months, (int32_t) days, (int64_t) us };
    return WEIR_OK;
}

/* Seconds since 1970. */
FN_KERNEL(datetime_to_timestamp)
{
    static const double      from_1970_to_2000 = 946684800.0;
    static const wr_interval nothing;
    double                   seconds = args[0].real;
    if (isnan(seconds))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp cannot be NaN");
    if (isinf(seconds)) {
        out->integer = seconds < 0 ? WR_TIME_NEGINF : WR_TIME_POSINF;
        return WEIR_OK;
    }
    /* Rounded where PostgreSQL rounds: after the move to its own epoch. */
    double us = rint((seconds - from_1970_to_2000) * 1000000.0);
    int64_t t = 0;
    bool    valid = us > -9.2e18 && us < 9.2e18 &&
                 !__builtin_add_overflow((int64_t) us, 946684800ll * WR_US_PER_SECOND, &t) &&
                 !fn_time_is_infinite(t) && wr_time_add_interval(t, &nothing, &out->integer);
    if (!valid)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range: \"%g\"",
                            seconds);
    return WEIR_OK;
}

#define FN_TOPIC "time"
const wr_function wr_fn_datetime_make[] = {
    FN("make_date", T_DATE, datetime_make_date, FN_FAILS, "a date of year, month, day", T_INT4,
       T_INT4, T_INT4),
    FN("make_time", T_TIME, datetime_make_time, FN_FAILS, "a time of hour, minute, second", T_INT4,
       T_INT4, T_FLOAT8),
    FN("make_timestamp", T_TIMESTAMP, datetime_make_timestamp, FN_FAILS,
       "a timestamp of its six parts", T_INT4, T_INT4, T_INT4, T_INT4, T_INT4, T_FLOAT8),
    FN("make_timestamptz", T_TIMESTAMPTZ, datetime_make_timestamptz, FN_FAILS | FN_OPTIONAL(1),
       "a timestamp of its six parts in a zone", T_INT4, T_INT4, T_INT4, T_INT4, T_INT4, T_FLOAT8,
       T_TEXT),
    FN("make_interval", T_INTERVAL, datetime_make_interval, FN_FAILS | FN_OPTIONAL(7),
       "an interval of years, months, weeks, days, hours, minutes, seconds", T_INT4, T_INT4, T_INT4,
       T_INT4, T_INT4, T_INT4, T_FLOAT8),
    FN("to_timestamp", T_TIMESTAMPTZ, datetime_to_timestamp, FN_FAILS,
       "the time so many seconds after 1970", T_FLOAT8),
    FN_END,
};
