/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_extract.c -- extract and date_part: one field of a date, time, timestamp or interval.
 *
 * Place       rows of the function registry; EXTRACT(f FROM x) is extract('f', x).
 * Invariants  E1  a field is an integer of some scale (0; milliseconds 3; seconds and epoch 6), the
 *                 same in both forms: extract gives numeric of that scale, date_part double
 *                 precision
 *             E2  of an infinite time, fields that grow with time are infinite, the others NULL
 * Cost        with a constant field the vector kernel is a few integer operations a row and makes a
 *             DEC64 column.
 */
#include "expr/fn_datetime_impl.h"
#include "expr/registry_impl.h"

#include <stdlib.h>

enum { FIELD_NAME_MAX = 10, JULIAN_OF_1970 = 2440588 };

static const struct {
    const char *name; /* cut to FIELD_NAME_MAX, sorted */
    wr_part     field;
} fields[] = {
    { "c", WR_PART_CENTURY },
    { "cent", WR_PART_CENTURY },
    { "centuries", WR_PART_CENTURY },
    { "century", WR_PART_CENTURY },
    { "d", WR_PART_DAY },
    { "day", WR_PART_DAY },
    { "days", WR_PART_DAY },
    { "dec", WR_PART_DECADE },
    { "decade", WR_PART_DECADE },
    { "decades", WR_PART_DECADE },
    { "decs", WR_PART_DECADE },
    { "dow", WR_PART_DOW },
    { "doy", WR_PART_DOY },
    { "epoch", WR_PART_EPOCH },
    { "h", WR_PART_HOUR },
    { "hour", WR_PART_HOUR },
    { "hours", WR_PART_HOUR },
    { "hr", WR_PART_HOUR },
    { "hrs", WR_PART_HOUR },
    { "isodow", WR_PART_ISODOW },
    { "isoyear", WR_PART_ISOYEAR },
    { "j", WR_PART_JULIAN },
    { "jd", WR_PART_JULIAN },
    { "julian", WR_PART_JULIAN },
    { "m", WR_PART_MINUTE },
    { "microsecon", WR_PART_MICROSECOND },
    { "mil", WR_PART_MILLENNIUM },
    { "millennia", WR_PART_MILLENNIUM },
    { "millennium", WR_PART_MILLENNIUM },
    { "millisecon", WR_PART_MILLISECOND },
    { "mils", WR_PART_MILLENNIUM },
    { "min", WR_PART_MINUTE },
    { "mins", WR_PART_MINUTE },
    { "minute", WR_PART_MINUTE },
    { "minutes", WR_PART_MINUTE },
    { "mon", WR_PART_MONTH },
    { "mons", WR_PART_MONTH },
    { "month", WR_PART_MONTH },
    { "months", WR_PART_MONTH },
    { "ms", WR_PART_MILLISECOND },
    { "msec", WR_PART_MILLISECOND },
    { "msecond", WR_PART_MILLISECOND },
    { "mseconds", WR_PART_MILLISECOND },
    { "msecs", WR_PART_MILLISECOND },
    { "qtr", WR_PART_QUARTER },
    { "quarter", WR_PART_QUARTER },
    { "s", WR_PART_SECOND },
    { "sec", WR_PART_SECOND },
    { "second", WR_PART_SECOND },
    { "seconds", WR_PART_SECOND },
    { "secs", WR_PART_SECOND },
    { "timezone", WR_PART_TIMEZONE },
    { "timezone_h", WR_PART_TIMEZONE_HOUR },
    { "timezone_m", WR_PART_TIMEZONE_MINUTE },
    { "us", WR_PART_MICROSECOND },
    { "usec", WR_PART_MICROSECOND },
    { "usecond", WR_PART_MICROSECOND },
    { "useconds", WR_PART_MICROSECOND },
    { "usecs", WR_PART_MICROSECOND },
    { "w", WR_PART_WEEK },
    { "week", WR_PART_WEEK },
    { "weeks", WR_PART_WEEK },
    { "y", WR_PART_YEAR },
    { "year", WR_PART_YEAR },
    { "years", WR_PART_YEAR },
    { "yr", WR_PART_YEAR },
    { "yrs", WR_PART_YEAR },
};

wr_part
wr_part_find(const wr_string *name)
{
    char   word[FIELD_NAME_MAX + 1];
    size_t n = WR_MIN(name->length, FIELD_NAME_MAX), low = 0, high = WR_COUNT(fields);
    for (size_t i = 0; i < n; i++) {
        char c = wr_string_data(name)[i];
        word[i] = c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
    }
    word[n] = '\0';
    while (low < high) {
        size_t middle = (low + high) / 2;
        int    order = strcmp(word, fields[middle].name);
        if (order == 0)
            return fields[middle].field;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return WR_PART_NONE;
}

const char *
wr_part_name(wr_part field)
{
    static const char *const names[] = {
        "",     "microsecond", "millisecond", "second", "minute", "hour",    "day",
        "week", "month",       "quarter",     "year",   "decade", "century", "millennium",
    };
    return field < WR_COUNT(names) ? names[field] : "";
}

weir_status
wr_part_fail(wr_eval *eval, uint32_t row, wr_part field, const wr_string *name, wr_type_id type)
{
    char    lower[64];
    size_t  n = WR_MIN(name->length, sizeof lower - 1);
    wr_text type_name;
    for (size_t i = 0; i < n; i++) {
        char c = wr_string_data(name)[i];
        lower[i] = c >= 'A' && c <= 'Z' ? (char) (c + 32) : c;
    }
    wr_text_init(&type_name, eval->budget);
    wr_type_print(WR_TYPE(type), &type_name);
    weir_status status = wr_eval_fail(eval, row, WEIR_ROW_INVALID_ARGUMENT,
                                      "unit \"%.*s\" not %s for type %s", (int) n, lower,
                                      field == WR_PART_NONE ? "recognized" : "supported",
                                      wr_text_string(&type_name));
    wr_text_fini(&type_name);
    return status;
}

void
wr_fn_iso_week(int64_t days, int64_t *year, int *week)
{
    /* The week belongs to the year of its Thursday. */
    int64_t  thursday = days - (fn_day_of_week(days) + 6) % 7 + 3;
    wr_civil civil;
    wr_civil_from_time(thursday * WR_US_PER_DAY, &civil);
    *year = civil.year;
    *week = (int) ((thursday - wr_days_from_civil(civil.year, 1, 1)) / 7) + 1;
}

int
wr_fn_day_of_year(const wr_civil *civil)
{
    return (int) (wr_days_from_civil(civil->year, civil->month, civil->day) -
                  wr_days_from_civil(civil->year, 1, 1)) +
           1;
}

/* --- fields of points in time --- */

/* Digits after the point of a field. */
static int
field_scale(wr_part field)
{
    return field == WR_PART_SECOND || field == WR_PART_EPOCH ? 6
           : field == WR_PART_MILLISECOND                     ? 3
                                                               : 0;
}

/* A year as people count: there is no year 0. */
static int64_t
year_shown(int64_t year)
{
    return year > 0 ? year : year - 1;
}

/* The number of the span of years (100, 1000) that a year stands in; spans begin with year 1. */
static int64_t
year_span(int64_t year, int64_t span)
{
    return year > 0 ? (year + span - 1) / span : -((span - 1 - (year - 1)) / span);
}

static int64_t
field_of_clock(wr_part field, int64_t us) /* us of the day */
{
    switch (field) {
    case WR_PART_MICROSECOND:
    case WR_PART_MILLISECOND: /* scale 3: the same digits */
    case WR_PART_SECOND: return us % WR_US_PER_MINUTE;
    case WR_PART_MINUTE: return us / WR_US_PER_MINUTE % 60;
    case WR_PART_HOUR: return us / WR_US_PER_HOUR;
    default: return us; /* epoch of a time of day */
    }
}

/* Any field but julian, as an integer of field_scale(field); t is finite. */
static int64_t
field_of_time(wr_part field, wr_time t)
{
    int64_t  days = fn_floor_divide(t, WR_US_PER_DAY), year;
    wr_civil civil;
    int      week;
    switch (field) {
    case WR_PART_EPOCH: return t;
    case WR_PART_MICROSECOND:
    case WR_PART_MILLISECOND:
    case WR_PART_SECOND:
    case WR_PART_MINUTE:
    case WR_PART_HOUR: return field_of_clock(field, t - days * WR_US_PER_DAY);
    case WR_PART_DOW: return fn_day_of_week(days);
    case WR_PART_ISODOW: return (fn_day_of_week(days) + 6) % 7 + 1;
    case WR_PART_WEEK: wr_fn_iso_week(days, &year, &week); return week;
    case WR_PART_ISOYEAR: wr_fn_iso_week(days, &year, &week); return year_shown(year);
    default: break;
    }
    wr_civil_from_time(t, &civil);
    switch (field) {
    case WR_PART_DAY: return civil.day;
    case WR_PART_DOY: return wr_fn_day_of_year(&civil);
    case WR_PART_MONTH: return civil.month;
    case WR_PART_QUARTER: return (civil.month - 1) / 3 + 1;
    case WR_PART_YEAR: return year_shown(civil.year);
    case WR_PART_DECADE: return fn_floor_divide(civil.year, 10);
    case WR_PART_CENTURY: return year_span(civil.year, 100);
    case WR_PART_MILLENNIUM: return year_span(civil.year, 1000);
    default: return 0; /* the zone is UTC */
    }
}

/* Has the type this field? */
static bool
field_fits(wr_part field, wr_type_id type)
{
    bool clock = field >= WR_PART_MICROSECOND && field <= WR_PART_HOUR;
    bool zone = field >= WR_PART_TIMEZONE && field <= WR_PART_TIMEZONE_MINUTE;
    switch (type) {
    case WR_TIME: return clock || field == WR_PART_EPOCH;
    case WR_DATE: return !zone && !clock;
    case WR_TIMESTAMP: return !zone;
    case WR_INTERVAL:
        return field == WR_PART_EPOCH ||
               (field <= WR_PART_MILLENNIUM && field != WR_PART_WEEK);
    default: return true;
    }
}

static bool
field_grows(wr_part field)
{
    return (field >= WR_PART_YEAR && field <= WR_PART_MILLENNIUM) || field == WR_PART_ISOYEAR ||
           field == WR_PART_JULIAN || field == WR_PART_EPOCH;
}

static weir_status
field_give_infinite(wr_eval *eval, wr_part field, bool negative, wr_value *out) /* E2 */
{
    if (!field_grows(field))
        return fn_give_null(out);
    if (out->type.id == WR_FLOAT8) {
        out->real = negative ? -__builtin_inf() : __builtin_inf();
        return WEIR_OK;
    }
    return wr_num_parse(negative ? "-Infinity" : "Infinity", negative ? 9 : 8, &eval->step,
                        &out->string);
}

/* The Julian day with the time of day as its fraction. */
static weir_status
field_give_julian(wr_eval *eval, uint32_t row, wr_time t, wr_type_id type, wr_value *out)
{
    int64_t   days = fn_floor_divide(t, WR_US_PER_DAY), us = t - days * WR_US_PER_DAY;
    wr_string whole, part, day;
    if (out->type.id == WR_FLOAT8) {
        double seconds = (double) (us / WR_US_PER_SECOND);
        double fraction = (double) (us % WR_US_PER_SECOND) / 1000000.0;
        out->real = (double) (days + JULIAN_OF_1970) + (seconds + fraction) / 86400.0;
        return WEIR_OK;
    }
    WR_TRY(wr_num_from_int64(days + JULIAN_OF_1970, &eval->step, &whole));
    if (type == WR_DATE) {
        out->string = whole;
        return WEIR_OK;
    }
    WR_TRY(wr_num_from_int64(us, &eval->step, &part));
    WR_TRY(wr_num_from_int64(WR_US_PER_DAY, &eval->step, &day));
    WR_TRY(wr_fn_num(eval, row, wr_num_divide(&part, &day, &eval->step, &part)));
    return wr_fn_num(eval, row, wr_num_add(&whole, &part, &eval->step, &out->string));
}

/* As date_part has it: the whole seconds and the fraction are added as doubles. */
static double
field_double(wr_part field, int64_t value)
{
    switch (field) {
    case WR_PART_SECOND:
        return (double) (value / WR_US_PER_SECOND) +
               (double) (value % WR_US_PER_SECOND) / 1000000.0;
    case WR_PART_MILLISECOND:
        return (double) (value / WR_US_PER_SECOND) * 1000.0 +
               (double) (value % WR_US_PER_SECOND) / 1000.0;
    case WR_PART_EPOCH: return (double) value / 1000000.0;
    default: return (double) value;
    }
}

static weir_status
field_give(wr_eval *eval, wr_part field, __int128 value, int scale, wr_value *out)
{
    if (out->type.id == WR_FLOAT8) {
        out->real = field_double(field, (int64_t) value);
        return WEIR_OK;
    }
    return wr_num_from_int128(value, scale, &eval->step, &out->string);
}

/* --- fields of intervals --- */

static weir_status
field_of_interval(wr_eval *eval, wr_part field, const wr_interval *i, wr_value *out)
{
    int64_t years = i->months / 12, value;
    switch (field) {
    case WR_PART_HOUR: value = i->us / WR_US_PER_HOUR; break;
    case WR_PART_DAY: value = i->days; break;
    case WR_PART_MONTH: value = i->months % 12; break;
    case WR_PART_QUARTER: value = i->months % 12 / 3 + 1; break;
    case WR_PART_YEAR: value = years; break;
    case WR_PART_DECADE: value = years / 10; break;
    case WR_PART_CENTURY: value = years / 100; break;
    case WR_PART_MILLENNIUM: value = years / 1000; break;
    case WR_PART_EPOCH: {
        /* A year is 365.25 days, a month 30. */
        int64_t quarter_days = 1461 * years + 120 * (int64_t) (i->months % 12) + 4ll * i->days;
        int64_t seconds = quarter_days * (86400 / 4);
        if (out->type.id == WR_FLOAT8) { /* rounded in PostgreSQL's order */
            out->real = (double) i->us / 1000000.0;
            out->real += 365.25 * 86400.0 * (double) years;
            out->real += 30.0 * 86400.0 * (double) (i->months % 12);
            out->real += 86400.0 * (double) i->days;
            return WEIR_OK;
        }
        return field_give(eval, field, (__int128) seconds * WR_US_PER_SECOND + i->us, 6, out);
    }
    default: value = field_of_clock(field, i->us); break;
    }
    return field_give(eval, field, value, field_scale(field), out);
}

static weir_status
extract_give(wr_eval *eval, uint32_t row, const wr_value *args, bool is_extract, wr_value *out)
{
    /* date_part of a date is that of a timestamp. */
    wr_type_id type = args[1].type.id == WR_DATE && !is_extract ? WR_TIMESTAMP : args[1].type.id;
    wr_part    field = wr_part_find(&args[0].string);
    bool never_ends = (type == WR_TIMESTAMP || type == WR_TIMESTAMPTZ) &&
                      fn_time_is_infinite(fn_time_of(&args[1]));
    if (field == WR_PART_NONE || (!field_fits(field, type) && !never_ends))
        return wr_part_fail(eval, row, field, &args[0].string, type);
    if (type == WR_INTERVAL)
        return field_of_interval(eval, field, &args[1].interval, out);
    if (type == WR_TIME)
        return field_give(eval, field, field_of_clock(field, args[1].integer), field_scale(field),
                          out);
    wr_time t = fn_time_of(&args[1]);
    if (fn_time_is_infinite(t))
        return field_give_infinite(eval, field, t < 0, out);
    if (field == WR_PART_JULIAN)
        return field_give_julian(eval, row, t, type, out);
    if (type == WR_DATE && field == WR_PART_EPOCH)
        return field_give(eval, field, t / WR_US_PER_SECOND, 0, out);
    return field_give(eval, field, field_of_time(field, t), field_scale(field), out);
}

FN_KERNEL(datetime_extract)
{
    return extract_give(eval, row, args, true, out);
}

FN_KERNEL(datetime_date_part)
{
    return extract_give(eval, row, args, false, out);
}

/* --- vector kernels: a constant field of a timestamp column --- */

static bool
times_are_finite(const wr_column *c, wr_rows rows)
{
    const wr_time *times = c->data;
    bool           finite = true;
    for (uint32_t i = 0; i < rows.count; i++)
        finite &= !fn_time_is_infinite(times[fn_row(rows, i)]);
    return finite;
}

static void
field_of_times(wr_part field, const wr_time *times, wr_rows rows, int64_t *to)
{
    uint32_t i, row;
    /* The common ones with constants in the loop, so that no division remains. */
    switch (field) {
    case WR_PART_HOUR:
        for (i = 0; i < rows.count; i++) {
            row = fn_row(rows, i);
            int64_t hours = fn_floor_divide(times[row], WR_US_PER_HOUR);
            to[row] = hours - fn_floor_divide(hours, 24) * 24;
        }
        break;
    case WR_PART_MINUTE:
        for (i = 0; i < rows.count; i++) {
            row = fn_row(rows, i);
            int64_t minutes = fn_floor_divide(times[row], WR_US_PER_MINUTE);
            to[row] = minutes - fn_floor_divide(minutes, 60) * 60;
        }
        break;
    default:
        for (i = 0; i < rows.count; i++) {
            row = fn_row(rows, i);
            to[row] = field_of_time(field, times[row]);
        }
    }
}

/* The field of a constant first argument, or NONE when the vector kernels leave it to the rows. */
static wr_part
vector_field(const wr_column *name, wr_type_id type)
{
    if (name->layout != WR_CONSTANT || wr_column_is_null(name, 0))
        return WR_PART_NONE;
    wr_part field = wr_part_find(fn_string_at(name, 0));
    return field == WR_PART_JULIAN || !field_fits(field, type) ? WR_PART_NONE : field;
}

static weir_status
datetime_extract_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                        uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_part field = vector_field(args[0], args[1]->type.id);
    if (field == WR_PART_NONE || args[1]->layout != WR_FLAT || !times_are_finite(args[1], rows))
        return WEIR_QUERY_UNSUPPORTED;
    wr_column *made = wr_column_create_decimal(eval->budget, call->type, WR_DEC64,
                                               field_scale(field), physical);
    if (made == NULL)
        return WEIR_MEMORY;
    if (physical > 0)
        memset(made->data, 0, physical * sizeof(int64_t));
    field_of_times(field, args[1]->data, rows, made->data);
    for (uint32_t i = 0; i < rows.count && args[1]->valid != NULL; i++) {
        uint32_t row = fn_row(rows, i);
        if (wr_column_is_null(args[1], row) && wr_column_set_null(made, row) != WEIR_OK) {
            wr_column_release(made);
            return WEIR_MEMORY;
        }
    }
    *out = made;
    return WEIR_OK;
}

static weir_status
datetime_date_part_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                          uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    wr_part field = vector_field(args[0], args[1]->type.id);
    if (field == WR_PART_NONE || args[1]->layout != WR_FLAT || !times_are_finite(args[1], rows))
        return WEIR_QUERY_UNSUPPORTED;
    uint16_t   kept[WR_BATCH_ROWS_MAX];
    wr_rows    live;
    wr_column *made;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 2, physical, rows, kept, &live, &made));
    int64_t *values = made->data; /* integers first, then doubles in the same places */
    double  *to = made->data;
    field_of_times(field, args[1]->data, live, values);
    for (uint32_t i = 0; i < live.count; i++) {
        int64_t value;
        memcpy(&value, &values[fn_row(live, i)], sizeof value);
        to[fn_row(live, i)] = field_double(field, value);
    }
    *out = made;
    return WEIR_OK;
}

#define FN_TOPIC "time"
#define EXTRACT_DOC   "a field of a point in time or an interval, exact"
#define DATE_PART_DOC "a field of a point in time or an interval"
const wr_function wr_fn_extract[] = {
    FN("extract", T_NUMERIC, datetime_extract, FN_FAILS, EXTRACT_DOC, T_TEXT, T_DATE),
    FN("extract", T_NUMERIC, datetime_extract, FN_FAILS, EXTRACT_DOC, T_TEXT, T_TIME),
    FNV("extract", T_NUMERIC, datetime_extract, datetime_extract_vector, FN_FAILS, EXTRACT_DOC,
        T_TEXT, T_TIMESTAMP),
    FNV("extract", T_NUMERIC, datetime_extract, datetime_extract_vector, FN_FAILS, EXTRACT_DOC,
        T_TEXT, T_TIMESTAMPTZ),
    FN("extract", T_NUMERIC, datetime_extract, FN_FAILS, EXTRACT_DOC, T_TEXT, T_INTERVAL),
    FN("date_part", T_FLOAT8, datetime_date_part, FN_FAILS, DATE_PART_DOC, T_TEXT, T_DATE),
    FN("date_part", T_FLOAT8, datetime_date_part, FN_FAILS, DATE_PART_DOC, T_TEXT, T_TIME),
    FNV("date_part", T_FLOAT8, datetime_date_part, datetime_date_part_vector, FN_FAILS,
        DATE_PART_DOC, T_TEXT, T_TIMESTAMP),
    FNV("date_part", T_FLOAT8, datetime_date_part, datetime_date_part_vector, FN_FAILS,
        DATE_PART_DOC, T_TEXT, T_TIMESTAMPTZ),
    FN("date_part", T_FLOAT8, datetime_date_part, FN_FAILS, DATE_PART_DOC, T_TEXT, T_INTERVAL),
    FN_END,
};
