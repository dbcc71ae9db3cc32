/* SPDX-License-Identifier: Apache-2.0 */
/*
 * data/datetime_parse.c -- the doors of dates, times and timestamps from text, and their short way.
 *
 * Place       casts, and sources for each row: ISO 8601 is read here, digit by digit; every other
 *             spelling goes to datetime_read.c.
 * State       none.
 * Invariants  P1  the short way accepts nothing that the long way reads otherwise
 * Cost        about 20 ns the short way, 200 ns the long one.
 */
#include "data/datetime_impl.h"

#include <string.h>

/* ---- the short way ---- */

static inline int
two_digits(const char *p)
{
    unsigned a = (unsigned char)p[0] - (unsigned)'0', b = (unsigned char)p[1] - (unsigned)'0';
    return a > 9 || b > 9 ? -1 : (int)(a * 10 + b);
}

/* "YYYY-MM-DD" */
static bool
iso_date(const char *p, wr_civil *c)
{
    int century = two_digits(p), year = two_digits(p + 2);
    c->month = two_digits(p + 5);
    c->day = two_digits(p + 8);
    c->year = century * 100 + year;
    return century >= 0 && year >= 0 && p[4] == '-' && p[7] == '-' && c->year >= 1 &&
           c->month >= 1 && c->month <= 12 && c->day >= 1 &&
           c->day <= wr_month_days(c->year, c->month);
}

/* ":SS" with a fraction of at most 6 digits; returns NULL when it is something else. */
static const char *
iso_seconds(const char *p, const char *end, wr_civil *c)
{
    static const int powers[] = { 100000, 10000, 1000, 100, 10, 1 };
    if (end - p < 3 || (c->second = two_digits(p + 1)) < 0 || c->second > 59)
        return NULL;
    p += 3;
    if (p == end || *p != '.')
        return p;
    p++;
    for (int i = 0; p < end && *p >= '0' && *p <= '9'; i++, p++) {
        if (i == 6)
            return NULL;
        c->us += (*p - '0') * powers[i];
    }
    return p;
}

/* "Z", "+hh", "+hhmm", "+hh:mm" */
static const char *
iso_zone(const char *p, const char *end, int32_t *offset)
{
    if (*p == 'Z' || *p == 'z')
        return p + 1;
    if (*p != '+' && *p != '-')
        return NULL;
    bool negative = *p++ == '-';
    int hour = end - p >= 2 ? two_digits(p) : -1, minute = 0;
    if (hour < 0 || hour > WR_ZONE_HOUR_MAX)
        return NULL;
    p += 2;
    if (p < end) {
        p += *p == ':';
        minute = end - p >= 2 ? two_digits(p) : -1;
        if (minute < 0 || minute > 59)
            return NULL;
        p += 2;
    }
    *offset = hour * 3600 + minute * 60;
    if (negative)
        *offset = -*offset;
    return p;
}

/* False: take the long way. */
static bool
iso_timestamp(const char *p, size_t n, wr_civil *c, int32_t *offset)
{
    const char *end = p + n;
    *offset = 0;
    memset(c, 0, sizeof *c);
    if (n < 10 || !iso_date(p, c))
        return false;
    p += 10;
    if (p == end)
        return true;
    if ((*p != ' ' && *p != 'T') || end - p < 6 || p[3] != ':')
        return false;
    c->hour = two_digits(p + 1);
    c->minute = two_digits(p + 4);
    if (c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59)
        return false;
    p += 6;
    if (p < end && *p == ':' && (p = iso_seconds(p, end, c)) == NULL)
        return false;
    if (p < end && (p = iso_zone(p, end, offset)) == NULL)
        return false;
    return p == end;
}

/* ---- the doors ---- */

static weir_status
parse_failed(weir_status status, const wr_reading *r, const char *type, const char *s, size_t n,
             weir_error *err)
{
    int shown = (int)WR_MIN(n, (size_t)100);
    if (status == WEIR_ROW_OVERFLOW)
        return wr_error_set(err, status, "date/time field value out of range: \"%.*s\"", shown, s);
    status =
        wr_error_set(err, status, "invalid input syntax for type %s: \"%.*s\"", type, shown, s);
    if (r->clock_word)
        wr_error_hint(err, "values that depend on the clock cannot stand in data");
    else if ((r->has & WR_HAS_ZONE) != 0 && r->zone == NULL && r->zone_offset == 0)
        wr_error_hint(err, "the time zone is not known");
    return status;
}

weir_status
wr_timestamp_parse(const char *s, size_t n, bool with_zone, wr_time *out, weir_error *err)
{
    wr_reading r;
    wr_civil c;
    int32_t offset;
    wr_time local;
    const char *type = with_zone ? "timestamp with time zone" : "timestamp";
    if (iso_timestamp(s, n, &c, &offset) && wr_time_from_civil(&c, &local)) {
        *out = with_zone ? local - offset * WR_US_PER_SECOND : local;
        return WEIR_OK;
    }
    weir_status status = wr_datetime_read(s, n, false, &r);
    if (status != WEIR_OK)
        return parse_failed(status, &r, type, s, n, err);
    switch (r.special) {
    case WR_SPECIAL_EPOCH: *out = 0; return WEIR_OK;
    case WR_SPECIAL_NEGINF: *out = WR_TIME_NEGINF; return WEIR_OK;
    case WR_SPECIAL_POSINF: *out = WR_TIME_POSINF; return WEIR_OK;
    case WR_SPECIAL_NONE: break;
    }
    if (wr_time_from_civil(&r.civil, &local)) {
        if (with_zone && r.zone != NULL)
            local = wr_zone_to_utc(r.zone, local);
        else if (with_zone)
            local -= r.zone_offset * WR_US_PER_SECOND;
        if (wr_time_in_range(local)) {
            *out = local;
            return WEIR_OK;
        }
    }
    return wr_error_set(err, WEIR_ROW_OVERFLOW, "timestamp out of range: \"%.*s\"",
                        (int)WR_MIN(n, (size_t)100), s);
}

weir_status
wr_date_parse(const char *s, size_t n, int32_t *out, weir_error *err)
{
    wr_reading r;
    wr_civil c;
    if (n == 10 && iso_date(s, &c)) {
        *out = (int32_t)wr_days_from_civil(c.year, c.month, c.day);
        return WEIR_OK;
    }
    weir_status status = wr_datetime_read(s, n, false, &r);
    if (status != WEIR_OK)
        return parse_failed(status, &r, "date", s, n, err);
    if (r.special != WR_SPECIAL_NONE) {
        *out = r.special == WR_SPECIAL_EPOCH    ? 0
               : r.special == WR_SPECIAL_NEGINF ? WR_DATE_NEGINF
                                                : WR_DATE_POSINF;
        return WEIR_OK;
    }
    int64_t days = wr_days_from_civil(r.civil.year, r.civil.month, r.civil.day);
    if (days < WR_DATE_MIN || days > WR_DATE_MAX)
        return wr_error_set(err, WEIR_ROW_OVERFLOW, "date out of range: \"%.*s\"",
                            (int)WR_MIN(n, (size_t)100), s);
    *out = (int32_t)days;
    return WEIR_OK;
}

weir_status
wr_timeofday_parse(const char *s, size_t n, int64_t *out, weir_error *err)
{
    wr_reading r;
    weir_status status = wr_datetime_read(s, n, true, &r);
    if (status != WEIR_OK)
        return parse_failed(status, &r, "time", s, n, err);
    *out = (r.civil.hour * 3600LL + r.civil.minute * 60LL + r.civil.second) * WR_US_PER_SECOND +
           r.civil.us;
    return WEIR_OK;
}
