/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expr/fn_datetime_scan.c -- to_timestamp and to_date: times read by a picture.
 *
 * Place       rows of the function registry.
 * Invariants  S1  blanks and separators of text and picture need not agree, unless FX is given
 *             S2  a field given twice must have one value; the two calendars do not mix
 *             S3  every field is checked before it counts
 */
#include "expr/fn_datetime_impl.h"
#include "expr/fn_format_impl.h"
#include "expr/registry_impl.h"

#include <stdlib.h>

enum { JULIAN_OF_1970 = 2440588 };

/* What was read; 0 is "not given", as PostgreSQL has it. */
typedef struct fields {
    wr_calendar calendar;
    int         hour, afternoon, minute, second, day_seconds, ms, us;
    int         weekday, day, day_of_year, month, year, bc, week_of_month, week, century, julian;
    int         year_digits, zone_sign, zone_hours, zone_minutes, fraction_digits;
    bool        twelve_hours;
} fields;

typedef struct scanner {
    wr_eval    *eval;
    uint32_t    row;
    const char *text;  /* the whole, NUL-terminated */
    const char *s;
    bool        exact; /* FX */
    int         extra; /* characters skipped beyond the picture's */
    fields      f;
} scanner;

/* A day and a time of day. */
typedef struct moment {
    int64_t year, month, day, hour, minute, second, us;
} moment;

/* --- failures --- */

static weir_status
scan_invalid(scanner *c, const char *value, const char *field)
{
    return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE, "invalid value \"%s\" for \"%s\"", value,
                        field);
}

static weir_status
scan_out_of_range(scanner *c)
{
    return wr_eval_fail(c->eval, c->row, WEIR_ROW_OVERFLOW,
                        "date/time field value out of range: \"%s\"", c->text);
}

/* --- reading one field --- */

/* S2 */
static weir_status
field_set(scanner *c, int *field, int value, const wr_node *n)
{
    if (*field != 0 && *field != value)
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                            "conflicting values for \"%s\" field in formatting string",
                            n->keyword->name);
    *field = value;
    return WEIR_OK;
}

/* Does something that is no digit follow this node's number? */
static bool
ends_number(const wr_node *n)
{
    if ((n->suffix & (WR_SUFFIX_TH | WR_SUFFIX_TH_LOWER)) != 0)
        return true;
    n++;
    if (n->kind == WR_NODE_ACTION)
        return !n->keyword->is_digit;
    return !(n->kind != WR_NODE_END && n->length == 1 && n->text[0] >= '0' && n->text[0] <= '9');
}

/* An integer of `length` characters, or of as many as there are where nothing else can follow.
 * field may be NULL; *used (may be NULL) is how many characters were read. */
static weir_status
scan_number(scanner *c, const wr_node *n, int length, int *field, int *used)
{
    char        piece[16];
    const char *start = c->s;
    char       *end;
    long        value;
    while (fn_is_space(*c->s))
        c->s++;
    int have = (int) strnlen(c->s, (size_t) length);
    memcpy(piece, c->s, (size_t) have);
    piece[have] = '\0';
    if ((n->suffix & WR_SUFFIX_FM) != 0 || ends_number(n)) {
        value = strtol(start, &end, 10);
        c->s = end;
    } else {
        if (have < length)
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "source string too short for \"%s\" formatting field",
                                n->keyword->name);
        value = strtol(piece, &end, 10);
        if (end > piece && end - piece < length)
            return scan_invalid(c, piece, n->keyword->name);
        c->s += end - piece;
        if (end == piece)
            c->s = start;
    }
    if (c->s == start)
        return scan_invalid(c, piece, n->keyword->name);
    if (value < INT32_MIN || value > INT32_MAX)
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_OVERFLOW,
                            "value for \"%s\" in source string is out of range", n->keyword->name);
    if (used != NULL)
        *used = (int) (c->s - start);
    return field != NULL ? field_set(c, field, (int) value, n) : WEIR_OK;
}

/* Behind st, nd, rd, th: two characters, whatever they are. */
static void
scan_ordinal(scanner *c, const wr_node *n)
{
    if ((n->suffix & (WR_SUFFIX_TH | WR_SUFFIX_TH_LOWER)) == 0)
        return;
    const char *end = c->s + strlen(c->s);
    for (int i = 0; i < 2 && c->s < end; i++)
        c->s = fn_char_next(c->s, end);
}

/* Number, as wide as the keyword, and its ending. */
static weir_status
scan_plain(scanner *c, const wr_node *n, int *field)
{
    WR_TRY(scan_number(c, n, n->keyword->length, field, NULL));
    scan_ordinal(c, n);
    return WEIR_OK;
}

/* Which of the names, cut to `cut` characters (0: whole), the text goes on with, in any case. */
static weir_status
scan_name(scanner *c, const wr_node *n, const char *const *names, int count, size_t cut, int *index)
{
    for (int i = 0; i < count; i++) {
        size_t length = cut > 0 ? cut : strlen(names[i]);
        if (strncasecmp(c->s, names[i], length) == 0) {
            *index = i;
            c->s += length;
            return WEIR_OK;
        }
    }
    char   word[64];
    size_t length = 0;
    for (; length < sizeof word - 1 && c->s[length] != '\0' && !fn_is_space(c->s[length]); length++)
        word[length] = c->s[length];
    word[length] = '\0';
    return scan_invalid(c, word, n->keyword->name);
}

/* A fraction of a second of at most `digits` digits, in units of the last. */
static weir_status
scan_fraction(scanner *c, const wr_node *n, int digits, int most, int *field)
{
    static const int powers[] = { 1, 10, 100, 1000, 10000, 100000 };
    int              used;
    WR_TRY(scan_number(c, n, digits, field, &used));
    int64_t value = (int64_t) *field * (used >= 1 && used < most ? powers[most - used] : 1);
    if (value != (int32_t) value)
        return scan_out_of_range(c);
    *field = (int) value;
    scan_ordinal(c, n);
    return WEIR_OK;
}

/* --- years --- */

static int
year_near_2020(int year)
{
    return year < 70 ? year + 2000 : year < 100 ? year + 1900 : year < 520 ? year + 2000
           : year < 1000                                                   ? year + 1000
                                                                           : year;
}

static weir_status
scan_year(scanner *c, const wr_node *n)
{
    fields *f = &c->f;
    int     used;
    switch (n->keyword->key) {
    case WR_KEY_Y_YYY: {
        char *end, *again;
        long  thousands = strtol(c->s, &end, 10), rest;
        if (end == c->s || *end != ',' || end[1] < '0' || end[1] > '9')
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "invalid input string for \"Y,YYY\"");
        char digits[4] = { 0 };
        for (int i = 0; i < 3 && end[1 + i] >= '0' && end[1 + i] <= '9'; i++)
            digits[i] = end[1 + i];
        rest = strtol(digits, &again, 10);
        if (thousands > 2000000 || thousands < -2000000)
            return scan_out_of_range(c);
        WR_TRY(field_set(c, &f->year, (int) (thousands * 1000 + rest), n));
        c->s = end + 1 + (again - digits);
        f->year_digits = 4;
        break;
    }
    case WR_KEY_YYYY:
    case WR_KEY_IYYY:
        WR_TRY(scan_number(c, n, 4, &f->year, NULL));
        f->year_digits = 4;
        break;
    default:
        WR_TRY(scan_number(c, n, n->keyword->length, &f->year, &used));
        if (used < 4)
            f->year = year_near_2020(f->year);
        f->year_digits = n->keyword->length;
    }
    scan_ordinal(c, n);
    return WEIR_OK;
}

/* --- zones --- */

static weir_status
scan_zone_hours(scanner *c, const wr_node *n)
{
    if (*c->s == '+' || *c->s == '-' || *c->s == ' ')
        c->f.zone_sign = *c->s++ == '-' ? -1 : 1;
    else /* the minus may have been taken for a separator */
        c->f.zone_sign = c->extra > 0 && c->s > c->text && c->s[-1] == '-' ? -1 : 1;
    return scan_number(c, n, 2, &c->f.zone_hours, NULL);
}

/* --- one keyword --- */

static weir_status
scan_clock(scanner *c, const wr_node *n)
{
    static const char *const halves[] = { "am", "pm" }, *const dotted[] = { "a.m.", "p.m." };
    fields                  *f = &c->f;
    int                      index;
    switch (n->keyword->key) {
    case WR_KEY_AM_DOTS:
    case WR_KEY_AM:
        WR_TRY(scan_name(c, n, n->keyword->key == WR_KEY_AM ? halves : dotted, 2, 0, &index));
        f->twelve_hours = true;
        return field_set(c, &f->afternoon, index, n);
    case WR_KEY_HH12:
        WR_TRY(scan_number(c, n, 2, &f->hour, NULL));
        f->twelve_hours = true;
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_HH24:
        WR_TRY(scan_number(c, n, 2, &f->hour, NULL));
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_MI: return scan_plain(c, n, &f->minute);
    case WR_KEY_SS: return scan_plain(c, n, &f->second);
    case WR_KEY_SSSS: return scan_plain(c, n, &f->day_seconds);
    case WR_KEY_MS: return scan_fraction(c, n, 3, 3, &f->ms);
    case WR_KEY_US: return scan_fraction(c, n, 6, 6, &f->us);
    default:
        f->fraction_digits = n->keyword->key - WR_KEY_FF1 + 1;
        return scan_fraction(c, n, f->fraction_digits, 6, &f->us);
    }
}

static weir_status
scan_date(scanner *c, const wr_node *n)
{
    static const char *const eras[] = { "ad", "bc" }, *const dotted[] = { "a.d.", "b.c." };
    fields                  *f = &c->f;
    int                      index = 0;
    switch (n->keyword->key) {
    case WR_KEY_AD_DOTS:
    case WR_KEY_AD:
        WR_TRY(scan_name(c, n, n->keyword->key == WR_KEY_AD ? eras : dotted, 2, 0, &index));
        return field_set(c, &f->bc, index, n);
    case WR_KEY_MONTH:
        WR_TRY(scan_name(c, n, wr_month_names, 12, 0, &index));
        return field_set(c, &f->month, index + 1, n);
    case WR_KEY_MON:
        WR_TRY(scan_name(c, n, wr_month_names, 12, 3, &index));
        return field_set(c, &f->month, index + 1, n);
    case WR_KEY_RM:
        WR_TRY(scan_name(c, n, wr_roman_months, 12, 0, &index));
        return field_set(c, &f->month, 12 - index, n);
    case WR_KEY_MM: return scan_plain(c, n, &f->month);
    case WR_KEY_DAY:
    case WR_KEY_DY:
        WR_TRY(scan_name(c, n, wr_day_names, 7, n->keyword->key == WR_KEY_DY ? 3 : 0, &index));
        WR_TRY(field_set(c, &f->weekday, index, n));
        f->weekday++;
        return WEIR_OK;
    case WR_KEY_DDD: return scan_plain(c, n, &f->day_of_year);
    case WR_KEY_IDDD:
        WR_TRY(scan_number(c, n, 3, &f->day_of_year, NULL));
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_DD: return scan_plain(c, n, &f->day);
    case WR_KEY_D: return scan_plain(c, n, &f->weekday);
    case WR_KEY_ID: /* Monday is 1: shift to where Sunday is */
        WR_TRY(scan_number(c, n, 1, &f->weekday, NULL));
        f->weekday = f->weekday >= 7 ? 1 : f->weekday + 1;
        scan_ordinal(c, n);
        return WEIR_OK;
    case WR_KEY_WW:
    case WR_KEY_IW: return scan_plain(c, n, &f->week);
    case WR_KEY_W: return scan_plain(c, n, &f->week_of_month);
    case WR_KEY_CC: return scan_plain(c, n, &f->century);
    case WR_KEY_J: return scan_plain(c, n, &f->julian);
    case WR_KEY_Q: return scan_plain(c, n, NULL); /* read, but it says no date */
    default: return scan_year(c, n);
    }
}

static weir_status
scan_action(scanner *c, const wr_node *n)
{
    if (n->keyword->calendar != WR_CALENDAR_NONE) {
        if (c->f.calendar != WR_CALENDAR_NONE && c->f.calendar != n->keyword->calendar)
            return wr_eval_fail(c->eval, c->row, WEIR_ROW_TYPE,
                                "invalid combination of date conventions");
        c->f.calendar = n->keyword->calendar;
    }
    switch ((wr_time_key) n->keyword->key) {
    case WR_KEY_FX: c->exact = true; return WEIR_OK;
    case WR_KEY_TZ:
    case WR_KEY_OF:
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_INVALID_ARGUMENT,
                            "formatting field \"%s\" is only supported in to_char",
                            n->keyword->name);
    case WR_KEY_TZH: return scan_zone_hours(c, n);
    case WR_KEY_TZM:
        if (c->f.zone_sign == 0)
            c->f.zone_sign = 1;
        return scan_number(c, n, 2, &c->f.zone_minutes, NULL);
    case WR_KEY_AM_DOTS:
    case WR_KEY_AM:
    case WR_KEY_HH12:
    case WR_KEY_HH24:
    case WR_KEY_MI:
    case WR_KEY_SS:
    case WR_KEY_SSSS:
    case WR_KEY_MS:
    case WR_KEY_US:
    case WR_KEY_FF1:
    case WR_KEY_FF2:
    case WR_KEY_FF3:
    case WR_KEY_FF4:
    case WR_KEY_FF5:
    case WR_KEY_FF6: return scan_clock(c, n);
    default: return scan_date(c, n);
    }
}

/* --- the whole text --- */

static void
skip_spaces(scanner *c)
{
    for (; fn_is_space(*c->s); c->s++)
        c->extra++;
}

/* A character of the picture that is no keyword. */
static void
scan_other(scanner *c, const wr_node *n, const char *end)
{
    if (c->exact) {
        c->s = fn_char_next(c->s, end);
    } else if (n->kind == WR_NODE_CHAR) { /* it may stand for one skipped before */
        if (c->extra > 0)
            c->extra--;
        else
            c->s = fn_char_next(c->s, end);
    } else if (fn_is_space(*c->s) || fn_is_separator(*c->s)) {
        c->s++;
    } else {
        c->extra--;
    }
}

static weir_status
scan_nodes(scanner *c, const wr_node *nodes)
{
    const char *end = c->s + strlen(c->s);
    for (const wr_node *n = nodes; n->kind != WR_NODE_END && *c->s != '\0'; n++) {
        bool action = n->kind == WR_NODE_ACTION;
        if (!c->exact && (action ? n->keyword->key != WR_KEY_FX : n == nodes))
            skip_spaces(c);
        if (!action) {
            if (*c->s != '\0')
                scan_other(c, n, end);
            continue;
        }
        WR_TRY(scan_action(c, n));
        if (!c->exact) {
            c->extra = 0;
            skip_spaces(c);
        }
    }
    return WEIR_OK;
}

/* --- from fields to a date --- */

/* Julian day of the Monday of an ISO week. */
static int64_t
iso_week_julian(int64_t year, int64_t week)
{
    int64_t fourth = wr_days_from_civil(year, 1, 4);
    int64_t monday = fourth - (fn_day_of_week(fourth) + 6) % 7;
    return monday + JULIAN_OF_1970 + (week - 1) * 7;
}

static weir_status
moment_set_julian(scanner *c, int64_t julian, moment *m)
{
    wr_civil civil;
    if (julian < 0 || julian > JULIAN_OF_1970 + 106000000)
        return scan_out_of_range(c);
    wr_civil_from_time((julian - JULIAN_OF_1970) * WR_US_PER_DAY, &civil);
    m->year = civil.year;
    m->month = civil.month;
    m->day = civil.day;
    return WEIR_OK;
}

/* true: the fields say a year. */
static bool
moment_set_year(fields *f, moment *m)
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
moment_set_day_of_year(scanner *c, int64_t day_of_year, moment *m)
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
moment_set_date(scanner *c, moment *m, int *known)
{
    fields *f = &c->f;
    int64_t day_of_year = f->day_of_year, day = f->day;
    *known = moment_set_year(f, m) ? 1 : 0;
    if (f->year > 10000000 || f->year < -10000000 || m->year > 10000000 || m->year < -10000000)
        return scan_out_of_range(c);
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
moment_set_clock(scanner *c, moment *m)
{
    fields *f = &c->f;
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
moment_check(scanner *c, const moment *m, int known)
{
    static const int days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool             month = (known & 2) != 0, day = (known & 4) != 0;
    if ((month && (m->month < 1 || m->month > 12)) || (day && (m->day < 1 || m->day > 31)))
        return scan_out_of_range(c);
    if (known == 7 &&
        m->day > days[m->month - 1] - (m->month == 2 && !year_is_leap(m->year)))
        return scan_out_of_range(c);
    if (m->hour < 0 || m->hour > 23 || m->minute < 0 || m->minute > 59 || m->second < 0 ||
        m->second > 59 || m->us < 0 || m->us >= WR_US_PER_SECOND)
        return scan_out_of_range(c);
    if (c->f.zone_sign != 0 && (c->f.zone_hours < 0 || c->f.zone_hours > 15 ||
                                c->f.zone_minutes < 0 || c->f.zone_minutes > 59))
        return wr_eval_fail(c->eval, c->row, WEIR_ROW_OVERFLOW,
                            "time zone displacement out of range: \"%s\"", c->text);
    return WEIR_OK;
}

static weir_status
scan_moment(scanner *c, const wr_value *args, moment *m)
{
    int            known;
    const wr_node *nodes = wr_format_parse_time(c->eval, fn_data(&args[1]), fn_length(&args[1]));
    c->text = c->s = wr_arena_strndup(&c->eval->step, fn_data(&args[0]), fn_length(&args[0]));
    if (nodes == NULL || c->text == NULL)
        return WEIR_MEMORY;
    *m = (moment){ .month = 1, .day = 1 };
    WR_TRY(scan_nodes(c, nodes));
    WR_TRY(moment_set_clock(c, m));
    WR_TRY(moment_set_date(c, m, &known));
    return moment_check(c, m, known);
}

/* --- kernels --- */

FN_KERNEL(text_to_timestamp)
{
    static const int64_t steps[] = { 1, 100000, 10000, 1000, 100, 10, 1 };
    scanner              c = { .eval = eval, .row = row };
    moment               m;
    WR_TRY(scan_moment(&c, args, &m));
    wr_civil civil = { m.year, (int) m.month, (int) m.day, (int) m.hour, (int) m.minute,
                       (int) m.second, (int) m.us };
    int64_t  zone = (c.f.zone_hours * 60 + c.f.zone_minutes) * 60 * (int64_t) c.f.zone_sign;
    if (!wr_time_from_civil(&civil, &out->integer) ||
        __builtin_sub_overflow(out->integer, zone * WR_US_PER_SECOND, &out->integer) ||
        fn_time_is_infinite(out->integer))
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "timestamp out of range");
    int64_t step = steps[c.f.fraction_digits]; /* FF3 keeps three digits */
    int64_t half = out->integer + step / 2;
    out->integer = fn_floor_divide(half, step) * step;
    return WEIR_OK;
}

FN_KERNEL(text_to_date)
{
    scanner c = { .eval = eval, .row = row };
    moment  m;
    WR_TRY(scan_moment(&c, args, &m));
    bool    valid = m.year >= -4713 && m.year <= 5874897;
    int64_t days = valid ? wr_days_from_civil(m.year, (int) m.month, (int) m.day) : 0;
    if (!valid || days < -JULIAN_OF_1970)
        return wr_eval_fail(eval, row, WEIR_ROW_OVERFLOW, "date out of range: \"%s\"", c.text);
    out->integer = days;
    return WEIR_OK;
}

#define FN_TOPIC "time"
const wr_function wr_fn_datetime_scan[] = {
    FN("to_timestamp", T_TIMESTAMPTZ, text_to_timestamp, FN_FAILS,
       "the time that a text means by a picture", T_TEXT, T_TEXT),
    FN("to_date", T_DATE, text_to_date, FN_FAILS, "the date that a text means by a picture", T_TEXT,
       T_TEXT),
    FN_END,
};
