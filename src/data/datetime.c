/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/datetime.c -- the calendar: civil fields, text out, adding intervals, truncating.
 *
 * Place       datetime_parse.c reads what is printed here; zone.c knows offsets; the print functions
 *             run for each row of a sink and use plain digit code.
 * State       none.
 * Invariants  D1  wr_timestamp_parse of what wr_timestamp_print wrote gives the same time
 *             D2  infinities stay what they are under every function
 * The range is PostgreSQL's from below (Julian day 0); above, 64-bit microseconds since 1970 end at
 * 294247-01-10, thirty years before PostgreSQL's.
 */
#include "data/datetime_impl.h"

#include "data/digits_impl.h"

static inline int64_t
floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* ---- the calendar ---- */

int
wr_month_days(int64_t year, int month)
{
    static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    wr_assert(month >= 1 && month <= 12);
    return month == 2 && wr_year_is_leap(year) ? 29 : days[month - 1];
}

/* Years begin in March, so that the leap day is a year's last (Hinnant, chrono-compatible dates).
 */
int64_t
wr_days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_divide(year, 400), year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

static void
civil_from_days(int64_t days, int64_t *year, int *month, int *day)
{
    days += 719468;
    int64_t era = floor_divide(days, 146097);
    uint32_t of_era = (uint32_t)(days - era * 146097);
    uint32_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t shifted = (5 * of_year + 2) / 153;
    *day = (int)(of_year - (153 * shifted + 2) / 5 + 1);
    *month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    *year = (int64_t)year_of_era + era * 400 + (*month <= 2);
}

static void
clock_from_us(int64_t us, wr_civil *out)
{
    uint32_t seconds = (uint32_t)(us / WR_US_PER_SECOND);
    out->us = (int)(us - (int64_t)seconds * WR_US_PER_SECOND);
    out->hour = (int)(seconds / 3600);
    out->minute = (int)(seconds / 60 % 60);
    out->second = (int)(seconds % 60);
}

void
wr_civil_from_time(wr_time t, wr_civil *out)
{
    int64_t days = floor_divide(t, WR_US_PER_DAY);
    civil_from_days(days, &out->year, &out->month, &out->day);
    clock_from_us(t - days * WR_US_PER_DAY, out);
}

bool
wr_time_from_civil(const wr_civil *c, wr_time *out)
{
    int64_t us;
    if (c->year < -4800 || c->year > 300000)
        return false;
    int64_t days = wr_days_from_civil(c->year, c->month, c->day);
    int64_t in_day =
        ((int64_t)c->hour * 3600 + c->minute * 60 + c->second) * WR_US_PER_SECOND + c->us;
    if (__builtin_mul_overflow(days, WR_US_PER_DAY, &us) ||
        __builtin_add_overflow(us, in_day, &us) || !wr_time_in_range(us))
        return false;
    *out = us;
    return true;
}

/* ---- text ---- */

enum { PRINTED_MAX = 48 };

/* "2026-01-31"; the year has at least four digits. Says whether it is BC, which is printed last. */
static char *
put_date(char *p, int64_t year, int month, int day, bool *bc)
{
    *bc = year <= 0;
    if (*bc)
        year = 1 - year;
    if (year > 9999) {
        char digits[20], *first = digits + sizeof digits;
        for (int64_t rest = year / 10000; rest > 0; rest /= 10)
            *--first = (char)('0' + rest % 10);
        size_t count = (size_t)(digits + sizeof digits - first);
        memcpy(p, first, count);
        p += count;
        year %= 10000;
    }
    put_four(p, (unsigned)year);
    p[4] = '-';
    put_two(p + 5, (unsigned)month);
    p[7] = '-';
    put_two(p + 8, (unsigned)day);
    return p + 10;
}

static char *
put_fraction(char *p, unsigned us)
{
    if (us == 0)
        return p;
    *p = '.';
    put_two(p + 1, us / 10000);
    put_four(p + 3, us % 10000);
    p += 7;
    while (p[-1] == '0')
        p--;
    return p;
}

static char *
put_clock(char *p, const wr_civil *c)
{
    put_two(p, (unsigned)c->hour);
    p[2] = ':';
    put_two(p + 3, (unsigned)c->minute);
    p[5] = ':';
    put_two(p + 6, (unsigned)c->second);
    return put_fraction(p + 8, (unsigned)c->us);
}

static char *
put_word(char *p, const char *word)
{
    size_t length = strlen(word);
    memcpy(p, word, length);
    return p + length;
}

void
wr_date_print(int32_t days, wr_text *to)
{
    int64_t year;
    int month, day;
    bool bc;
    char text[PRINTED_MAX], *p = text;
    if (days == WR_DATE_NEGINF || days == WR_DATE_POSINF) {
        wr_text_puts(to, days == WR_DATE_NEGINF ? "-infinity" : "infinity");
        return;
    }
    civil_from_days(days, &year, &month, &day);
    p = put_date(p, year, month, day, &bc);
    if (bc)
        p = put_word(p, " BC");
    wr_text_append(to, text, (size_t)(p - text));
}

void
wr_timeofday_print(int64_t us, wr_text *to)
{
    wr_civil c;
    char text[PRINTED_MAX];
    us = WR_MAX(WR_MIN(us, WR_US_PER_DAY), 0); /* 24:00:00 is a time of day */
    clock_from_us(us, &c);
    wr_text_append(to, text, (size_t)(put_clock(text, &c) - text));
}

static void
timestamp_print(wr_time t, char separator, const char *zone, wr_text *to)
{
    wr_civil c;
    bool bc;
    char text[PRINTED_MAX], *p = text;
    if (wr_time_is_infinite(t)) { /* D2 */
        wr_text_puts(to, t < 0 ? "-infinity" : "infinity");
        return;
    }
    wr_civil_from_time(t, &c);
    p = put_date(p, c.year, c.month, c.day, &bc);
    *p++ = separator;
    p = put_word(put_clock(p, &c), zone);
    if (bc)
        p = put_word(p, " BC");
    wr_text_append(to, text, (size_t)(p - text));
}

void
wr_timestamp_print(wr_time t, bool with_zone, wr_text *to)
{
    timestamp_print(t, ' ', with_zone ? "+00" : "", to);
}

void
wr_timestamp_print_iso(wr_time t, bool with_zone, wr_text *to)
{
    timestamp_print(t, 'T', with_zone ? "Z" : "", to);
}

/* ---- arithmetic ---- */

static bool
time_add_months(wr_time t, int32_t months, wr_time *out)
{
    wr_civil c;
    wr_civil_from_time(t, &c);
    int64_t month = c.year * 12 + (c.month - 1) + months;
    c.year = floor_divide(month, 12);
    c.month = (int)(month - c.year * 12) + 1;
    c.day = WR_MIN(c.day, wr_month_days(c.year, c.month));
    return wr_time_from_civil(&c, out);
}

bool
wr_time_add_interval(wr_time t, const wr_interval *interval, wr_time *out)
{
    if (wr_time_is_infinite(t)) { /* D2 */
        *out = t;
        return true;
    }
    if (interval->months != 0 && !time_add_months(t, interval->months, &t))
        return false;
    int64_t days_us;
    if (__builtin_mul_overflow((int64_t)interval->days, WR_US_PER_DAY, &days_us) ||
        __builtin_add_overflow(t, days_us, &t) || !wr_time_in_range(t) ||
        __builtin_add_overflow(t, interval->us, &t) || !wr_time_in_range(t))
        return false;
    *out = t;
    return true;
}

/* Fields of a minus b, where a >= b; a month borrowed is the month of b, or of a when swapped. */
static void
civil_subtract(const wr_civil *a, const wr_civil *b, const wr_civil *borrow, wr_interval *out)
{
    int64_t us =
        ((a->hour - b->hour) * 3600LL + (a->minute - b->minute) * 60LL + (a->second - b->second)) *
            WR_US_PER_SECOND +
        (a->us - b->us);
    int64_t months = (a->year - b->year) * 12 + (a->month - b->month);
    int days = a->day - b->day;
    if (us < 0) {
        us += WR_US_PER_DAY;
        days--;
    }
    while (days < 0) {
        days += wr_month_days(borrow->year, borrow->month);
        months--;
    }
    *out = (wr_interval){ .months = (int32_t)months, .days = days, .us = us };
}

void
wr_time_age(wr_time a, wr_time b, wr_interval *out)
{
    wr_civil x, y;
    *out = (wr_interval){ 0 };
    if (wr_time_is_infinite(a) || wr_time_is_infinite(b))
        return;
    wr_civil_from_time(a, &x);
    wr_civil_from_time(b, &y);
    if (a >= b) {
        civil_subtract(&x, &y, &y, out);
        return;
    }
    civil_subtract(&y, &x, &x, out);
    *out = (wr_interval){ .months = -out->months, .days = -out->days, .us = -out->us };
}

/* Years in groups of `span` that begin with year `first` of the group: decades with 0, the longer
 * ones with 1, and there is no year 0 in between. */
static int64_t
year_truncate(int64_t year, int64_t span, int64_t first)
{
    return floor_divide(year - first, span) * span + first;
}

static void
civil_truncate(wr_unit unit, wr_civil *c)
{
    switch (unit) {
    case WR_UNIT_MILLENNIUM: c->year = year_truncate(c->year, 1000, 1); break;
    case WR_UNIT_CENTURY: c->year = year_truncate(c->year, 100, 1); break;
    case WR_UNIT_DECADE: c->year = year_truncate(c->year, 10, 0); break;
    case WR_UNIT_QUARTER: c->month = (c->month - 1) / 3 * 3 + 1; break;
    default: break;
    }
    if (unit > WR_UNIT_QUARTER)
        c->month = 1;
    c->day = 1;
    c->hour = c->minute = c->second = c->us = 0;
}

bool
wr_time_truncate(const char *unit, size_t n, wr_time t, wr_time *out)
{
    static const int64_t steps[] = {
        [WR_UNIT_MICROSECOND] = 1,           [WR_UNIT_MILLISECOND] = 1000,
        [WR_UNIT_SECOND] = WR_US_PER_SECOND, [WR_UNIT_MINUTE] = WR_US_PER_MINUTE,
        [WR_UNIT_HOUR] = WR_US_PER_HOUR,     [WR_UNIT_DAY] = WR_US_PER_DAY,
    };
    wr_unit found = wr_unit_find(unit, n);
    wr_civil c;
    if (found == WR_UNIT_NONE)
        return false;
    *out = t;
    if (wr_time_is_infinite(t)) /* D2 */
        return true;
    if (found <= WR_UNIT_DAY) {
        *out = floor_divide(t, steps[found]) * steps[found];
    } else if (found == WR_UNIT_WEEK) { /* weeks begin on Monday; 1970-01-01 was a Thursday */
        int64_t day = floor_divide(t, WR_US_PER_DAY);
        *out = (floor_divide(day + 3, 7) * 7 - 3) * WR_US_PER_DAY;
    } else {
        wr_civil_from_time(t, &c);
        civil_truncate(found, &c);
        if (!wr_time_from_civil(&c, out))
            *out = WR_TIMESTAMP_MIN; /* only the first years of the range are cut below it */
    }
    return true;
}
