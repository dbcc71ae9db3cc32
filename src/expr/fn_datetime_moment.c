/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_moment.c -- to_timestamp and to_date: a point in time of the fields read.
 *
 * Place       rows of the function registry; the fields come from fn_datetime_scan.c.
 * Invariants  S3  every field is checked before it counts
 * Cost        with a constant picture the vector kernels parse it once a batch.
 */
#include "expr/fn_datetime_scan_impl.h"
#include "expr/registry_impl.h"

/* --- from fields to a date --- */

/* Julian day of the Monday of an ISO week. */
static int64_t
iso_week_julian(int64_t year, int64_t week)
{
    int64_t fourth = wr_days_from_civil(year, 1, 4);
    int64_t monday = fourth - (fn_day_of_week(fourth) + 6) % 7;
    return monday + WR_JULIAN_OF_1970 + (week - 1) * 7;
}

static weir_status
moment_set_julian(wr_scanner *c, int64_t julian, wr_moment *m)
{
    wr_civil civil;
    if (julian < 0 || julian > WR_JULIAN_OF_1970 + 106000000)
        return wr_scan_out_of_range(c);
    wr_civil_from_time((julian - WR_JULIAN_OF_1970) * WR_US_PER_DAY, &civil);
    m->year = civil.year;
    m->month = civil.month;
    m->day = civil.day;
    return WEIR_OK;
}

/* true: the fields say a year. */
static bool
moment_set_year(wr_fields *f, wr_moment *m)
{
    int64_t century = f->bc ? -(int64_t) f->century : f->century;
    if (f->year != 0 && f->century != 0 && f->year_digits <= 2) {
        /* The 21st century runs from 2001 to 2100, the 6th before Christ from 600 to 501. */
        m->year = f->year % 100;
        if (m->year != 0)
            m->year = century >= 0 ? m->year + (century - 1) * 100
                                   : (century + 1) * 100 - m->year + 1;
        else
            m->year = century * 100 + (century >= 0 ? 0 : 1);
    } else if (f->year != 0) {
        m->year = f->bc ? -(int64_t) f->year : f->year;
        if (m->year < 0)
            m->year++;
    } else if (f->century != 0) {
        m->year = century >= 0 ? (century - 1) * 100 + 1 : century * 100 + 1;
    } else {
        return false;
    }
    return true;
}

static bool
year_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Month and day of a day of the year, where they were not given. */
static weir_status
moment_set_day_of_year(wr_scanner *c, int64_t day_of_year, wr_moment *m)
{
    static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };
    int              month = 1;
    if (m->year == 0 && !c->f.bc)
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                            "cannot calculate day of year without year information");
    if (c->f.calendar == WR_CALENDAR_ISO)
        return moment_set_julian(c, iso_week_julian(m->year, 1) - 1 + day_of_year, m);
    bool leap = year_is_leap(m->year);
    for (; month <= 12; month++)
        if (day_of_year <= before[month] + (leap && month >= 2))
            break;
    if (m->month <= 1)
        m->month = month;
    if (m->day <= 1)
        m->day = day_of_year - (before[month - 1] + (leap && month > 2));
    return WEIR_OK;
}

/* Weeks and days; *known says which of year, month and day the text gave (bits 1, 2, 4). */
static weir_status
moment_set_date(wr_scanner *c, wr_moment *m, int *known)
{
    wr_fields *f = &c->f;
    int64_t day_of_year = f->day_of_year, day = f->day;
    *known = moment_set_year(f, m) ? 1 : 0;
    if (f->year > 10000000 || f->year < -10000000 || m->year > 10000000 || m->year < -10000000)
        return wr_scan_out_of_range(c);
    if (f->julian != 0) {
        WR_TRY(moment_set_julian(c, f->julian, m));
        *known = 7;
    }
    if (f->week != 0 && f->calendar == WR_CALENDAR_ISO) {
        int64_t julian = iso_week_julian(m->year, f->week);
        if (f->weekday != 0)
            julian += f->weekday > 1 ? f->weekday - 2 : 6;
        WR_TRY(moment_set_julian(c, julian, m));
        *known = 7;
    } else if (f->week != 0) {
        day_of_year = ((int64_t) f->week - 1) * 7 + 1;
    }
    if (f->week_of_month != 0)
        day = ((int64_t) f->week_of_month - 1) * 7 + 1;
    if (day != 0) {
        m->day = day;
        *known |= 4;
    }
    if (f->month != 0) {
        m->month = f->month;
        *known |= 2;
    }
    if (day_of_year != 0 && (m->month <= 1 || m->day <= 1)) {
        WR_TRY(moment_set_day_of_year(c, day_of_year, m));
        *known |= f->calendar == WR_CALENDAR_ISO ? 7 : 6;
    }
    return WEIR_OK;
}

static weir_status
moment_set_clock(wr_scanner *c, wr_moment *m)
{
    wr_fields *f = &c->f;
    if (f->day_seconds != 0) {
        m->hour = f->day_seconds / 3600;
        m->minute = f->day_seconds % 3600 / 60;
        m->second = f->day_seconds % 60;
    }
    if (f->second != 0)
        m->second = f->second;
    if (f->minute != 0)
        m->minute = f->minute;
    if (f->hour != 0)
        m->hour = f->hour;
    if (f->twelve_hours) {
        if (m->hour < 1 || m->hour > 12)
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "hour \"%lld\" is invalid for the 12-hour clock",
                                (long long) m->hour);
        if (f->afternoon && m->hour < 12)
            m->hour += 12;
        else if (!f->afternoon && m->hour == 12)
            m->hour = 0;
    }
    m->us = (int64_t) f->ms * 1000 + f->us;
    return WEIR_OK;
}

/* S3 */
static weir_status
moment_check(wr_scanner *c, const wr_moment *m, int known)
{
    static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool             month = (known & 2) != 0, day = (known & 4) != 0;
    if ((month && (m->month < 1 || m->month > 12)) || (day && (m->day < 1 || m->day > 31)))
        return wr_scan_out_of_range(c);
    if (known == 7 &&
        m->day > days[m->month - 1] - (m->month == 2 && !year_is_leap(m->year)))
        return wr_scan_out_of_range(c);
    if (m->hour < 0 || m->hour > 23 || m->minute < 0 || m->minute > 59 || m->second < 0 ||
        m->second > 59 || m->us < 0 || m->us >= WR_US_PER_SECOND)
        return wr_scan_out_of_range(c);
    if (c->f.zone_sign != 0 && (c->f.zone_hours < 0 || c->f.zone_hours > 15 ||
                                c->f.zone_minutes < 0 || c->f.zone_minutes > 59))
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_OVERFLOW,
                            "time zone displacement out of range: \"%s\"", c->text);
    return WEIR_OK;
}

static weir_status
scan_moment(wr_scanner *c, const wr_string *text, const wr_node *nodes, wr_moment *m)
{
    int known;
    c->text = c->s = wr_arena_strndup(&c->eval->step, wr_string_data(text), text->length);
    if (nodes == NULL || c->text == NULL)
        return WEIR_MEMORY;
    *m = (wr_moment){ .month = 1, .day = 1 };
    WR_TRY(wr_scan_nodes(c, nodes));
    WR_TRY(moment_set_clock(c, m));
    WR_TRY(moment_set_date(c, m, &known));
    return moment_check(c, m, known);
}

/* --- kernels --- */

static weir_status
scan_timestamp(wr_eval *eval, uint32_t row, const wr_string *text, const wr_node *nodes,
               wr_time *out)
{
    static const int64_t steps[] = { 1, 100000, 10000, 1000, 100, 10, 1 };
    wr_scanner              c = { .eval = eval, .row = row };
    wr_moment               m;
    WR_TRY(scan_moment(&c, text, nodes, &m));
    wr_civil civil = { m.year, (int) m.month, (int) m.day, (int) m.hour, (int) m.minute,
                       (int) m.second, (int) m.us };
    int64_t  zone = (c.f.zone_hours * 60 + c.f.zone_minutes) * 60 * (int64_t) c.f.zone_sign;
    if (!wr_time_from_civil(&civil, out) ||
        __builtin_sub_overflow(*out, zone * WR_US_PER_SECOND, out) || fn_time_is_infinite(*out))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    int64_t step = steps[c.f.fraction_digits]; /* FF3 keeps three digits */
    *out = fn_floor_divide(*out + step / 2, step) * step;
    return WEIR_OK;
}

static weir_status
scan_day(wr_eval *eval, uint32_t row, const wr_string *text, const wr_node *nodes, int64_t *out)
{
    wr_scanner c = { .eval = eval, .row = row };
    wr_moment  m;
    WR_TRY(scan_moment(&c, text, nodes, &m));
    bool valid = m.year >= -4713 && m.year <= 5874897;
    *out = valid ? wr_days_from_civil(m.year, (int) m.month, (int) m.day) : 0;
    if (!valid || *out < -WR_JULIAN_OF_1970)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "date out of range: \"%s\"", c.text);
    return WEIR_OK;
}

FN_KERNEL(text_to_timestamp)
{
    return scan_timestamp(eval, row, &args[0].string,
                          wr_format_parse_time(eval, fn_data(&args[1]), fn_length(&args[1])),
                          &out->integer);
}

FN_KERNEL(text_to_date)
{
    return scan_day(eval, row, &args[0].string,
                    wr_format_parse_time(eval, fn_data(&args[1]), fn_length(&args[1])),
                    &out->integer);
}

/* A constant picture, parsed once a batch. */
static weir_status
scan_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t physical,
            wr_rows rows, bool days, wr_column **out)
{
    if (args[0]->layout == WR_CONSTANT || args[1]->layout != WR_CONSTANT ||
        wr_column_is_null(args[1], 0))
        return WEIR_QUERY_UNSUPPORTED;
    const wr_string *picture = fn_string_at(args[1], 0);
    const wr_node   *nodes = wr_format_parse_time(eval, wr_string_data(picture), picture->length);
    uint16_t         kept[WR_BATCH_ROWS_MAX];
    wr_rows          live;
    wr_column       *made;
    weir_status      status = WEIR_OK;
    WR_TRY(wr_fn_vector_open(eval, call->type, args, 1, physical, rows, kept, &live, &made));
    for (uint32_t i = 0; i < live.count && status == WEIR_OK; i++) {
        uint32_t         row = fn_row(live, i);
        const wr_string *text = fn_string_at(args[0], row);
        int64_t          value = 0;
        status = (days ? scan_day : scan_timestamp)(eval, row, text, nodes, &value);
        if (wr_status_is_row(status))
            status = wr_column_set_null(made, row);
        else if (days)
            ((int32_t *) made->data)[row] = (int32_t) value;
        else
            ((int64_t *) made->data)[row] = value;
    }
    if (status != WEIR_OK) {
        wr_column_release(made);
        return status;
    }
    *out = made;
    return WEIR_OK;
}

static weir_status
text_to_timestamp_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args,
                         uint32_t arg_count, uint32_t physical, wr_rows rows, wr_column **out)
{
    return scan_vector(eval, call, args, physical, rows, false, out);
}

static weir_status
text_to_date_vector(wr_eval *eval, const wr_expr *call, wr_column *const *args, uint32_t arg_count,
                    uint32_t physical, wr_rows rows, wr_column **out)
{
    return scan_vector(eval, call, args, physical, rows, true, out);
}

#define FN_TOPIC "time"
const wr_function wr_fn_datetime_moment[] = {
    FNV("to_timestamp", T_TIMESTAMPTZ, text_to_timestamp, text_to_timestamp_vector, FN_FAILS,
        "the time that a text means by a picture", T_TEXT, T_TEXT),
    FNV("to_date", T_DATE, text_to_date, text_to_date_vector, FN_FAILS,
        "the date that a text means by a picture", T_TEXT, T_TEXT),
    FN_END,
};
